//! Guards as objects, cut to the limits of the API and put in an order.

use super::Guard;
use super::rule::{Peer, Rule};
use crate::artefacts::Header;
use crate::selectors;
use crate::{Object, names};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Intent, PolicyPort, Protocol, Tier};
use palisade_yaml::Value;
use std::collections::BTreeMap;

const API: &str = "policy.networking.k8s.io/v1alpha2";
/// `maxItems` of rules, peers, networks of a peer and protocols.
const LIMIT: usize = 25;
/// The first `.spec.priority` in each tier. Every object has its own; those before it are left to rules
/// that should win over the matrix, those after its last to rules that should not.
const FIRST: u16 = 500;
/// The last `.spec.priority` that the API takes.
const LAST: u16 = 1000;

/// The objects of the guards, tier by tier in ascending priority.
pub(super) fn objects(
    intent: &Intent,
    guards: Vec<Guard>,
    out: &mut Vec<Diagnostic>,
) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut next = BTreeMap::from([(Tier::Admin, FIRST), (Tier::Baseline, FIRST)]);
    let mut parts: BTreeMap<(Tier, String), usize> = BTreeMap::new();
    for guard in guards {
        let (ingress, egress) = (cut(&guard.ingress), cut(&guard.egress));
        let most = ingress.len().max(egress.len()).div_ceil(LIMIT);
        for part in 0..most {
            let priority = next.entry(guard.tier).or_insert(FIRST);
            if *priority > LAST {
                out.push(too_many(guard.tier));
                return objects;
            }
            let count = parts
                .entry((guard.tier, guard.zone.clone()))
                .and_modify(|n| *n += 1)
                .or_insert(1);
            let name = name(intent, &guard, *count);
            let lists = [
                ("ingress", "from", page(&ingress, part)),
                ("egress", "to", page(&egress, part)),
            ];
            objects.push(object(intent, &guard, &name, *priority, &lists));
            *priority += 1;
        }
    }
    objects
}

/// One object's share of the rules.
fn page(rules: &[Rule], part: usize) -> &[Rule] {
    rules.chunks(LIMIT).nth(part).unwrap_or_default()
}

/// `shop-system-ceiling`, `shop-system-default-2`: the kind has no namespaces, so the matrix is named, too.
fn name(intent: &Intent, guard: &Guard, count: usize) -> String {
    let what = match guard.tier {
        Tier::Admin => "ceiling",
        Tier::Baseline => "default",
    };
    let first = [intent.name.as_str(), guard.zone.as_str(), what];
    let mut words: Vec<&str> = first.into_iter().filter(|w| !w.is_empty()).collect();
    let number = count.to_string();
    if count > 1 {
        words.push(&number);
    }
    names::object_name(&words.join("-"))
}

fn object(
    intent: &Intent,
    guard: &Guard,
    name: &str,
    priority: u16,
    lists: &[(&'static str, &'static str, &[Rule])],
) -> Object {
    let subject = Value::map([("namespaces", selectors::value(&guard.subject))]);
    let mut spec = vec![
        ("tier", Value::string(guard.tier.to_string())),
        ("priority", Value::Int(i64::from(priority))),
        ("subject", subject),
    ];
    let mut flows = Vec::new();
    for (list, peers, rules) in lists {
        flows.extend(rules.iter().flat_map(|r| r.flows.iter().cloned()));
        if !rules.is_empty() {
            let items = rules.iter().map(|r| rule(r, peers)).collect();
            spec.push((list, Value::List(items)));
        }
    }
    let header = Header {
        api_version: API,
        kind: "ClusterNetworkPolicy",
        namespace: "",
        name,
        flows,
    };
    Object::new(intent, header, vec![("spec", Value::map(spec))])
}

/// Rules of any length as rules that the API takes: each part has all peers of its piece on all ports of
/// its piece, and together they are the whole.
fn cut(rules: &[Rule]) -> Vec<Rule> {
    let mut out = Vec::new();
    for rule in rules {
        let peers: Vec<Peer> = rule.peers.iter().flat_map(short).collect();
        let ports: Vec<Option<Vec<PolicyPort>>> = match &rule.ports {
            None => vec![None],
            Some(ports) => ports.chunks(LIMIT).map(|p| Some(p.to_vec())).collect(),
        };
        for peers in peers.chunks(LIMIT) {
            for ports in &ports {
                out.push(Rule {
                    peers: peers.to_vec(),
                    ports: ports.clone(),
                    ..rule.clone()
                });
            }
        }
    }
    out
}

fn short(peer: &Peer) -> Vec<Peer> {
    match peer {
        Peer::Networks(networks) => {
            let chunks = networks.chunks(LIMIT);
            chunks.map(|n| Peer::Networks(n.to_vec())).collect()
        }
        Peer::Pods { .. } => vec![peer.clone()],
    }
}

/// `ClusterNetworkPolicyIngressRule`, `ClusterNetworkPolicyEgressRule`.
fn rule(rule: &Rule, peers: &'static str) -> Value {
    let mut fields = Vec::new();
    if !rule.name.is_empty() {
        fields.push(("name", Value::string(rule.name.as_str())));
    }
    fields.push(("action", Value::string(rule.action.word())));
    fields.push((peers, Value::List(rule.peers.iter().map(peer).collect())));
    if let Some(ports) = &rule.ports {
        let ports = ports.iter().map(protocol).collect();
        fields.push(("protocols", Value::List(ports)));
    }
    Value::Commented(rule.remarks.clone(), Box::new(Value::map(fields)))
}

fn peer(peer: &Peer) -> Value {
    match peer {
        Peer::Networks(networks) => {
            let networks = networks.iter().map(|n| Value::string(n.to_string()));
            Value::map([("networks", Value::List(networks.collect()))])
        }
        Peer::Pods { namespaces, pods } if pods.is_everything() => {
            Value::map([("namespaces", selectors::value(namespaces))])
        }
        Peer::Pods { namespaces, pods } => {
            let both = [
                ("namespaceSelector", selectors::value(namespaces)),
                ("podSelector", selectors::value(pods)),
            ];
            Value::map([("pods", Value::map(both))])
        }
    }
}

/// `ClusterNetworkPolicyProtocol`.
fn protocol(port: &PolicyPort) -> Value {
    let (protocol, first, last) = match port {
        PolicyPort::Named { name, .. } => {
            return Value::map([("destinationNamedPort", Value::string(name.as_str()))]);
        }
        PolicyPort::Range {
            protocol,
            first,
            last,
        } => (protocol, *first, *last),
    };
    let key = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    };
    let number = |n: u16| Value::Int(i64::from(n));
    // Every port is a range as well: a protocol without `destinationPort` is refused.
    let port = if first == last {
        ("number", number(first))
    } else {
        let range = [("start", number(first.max(1))), ("end", number(last))];
        ("range", Value::map(range))
    };
    let port = ("destinationPort", Value::map([port]));
    Value::map([(key, Value::map([port]))])
}

/// The API has priorities up to 1000.
fn too_many(tier: Tier) -> Diagnostic {
    Diagnostic::warning(
        "PAL0414",
        format!("the {tier} tier has no priorities left for this matrix"),
    )
    .note(format!(
        "each ClusterNetworkPolicy has a priority of its own from {FIRST} to {LAST}, and at most {LIMIT} rules; the zones that come last are left out"
    ))
    .help("say flows between zones by fewer peers, or leave cells out")
}
