//! NetworkPolicies: a default deny for each claimed namespace, an object for each component.

use super::Target;
use crate::Object;
use crate::artefacts::Header;
use crate::halves::{Halves, Needs, Subject, halves};
use crate::rules::{CompiledRule, Style, rules};
use crate::selectors::{self, NAMESPACE_NAME};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Direction, Intent, NamespaceMatch, Peer, PolicyPort, Protocol, Selector, World,
};
use palisade_yaml::Value;

/// This target.
pub(super) const TARGET: Target = Target {
    name: "kubernetes",
    standard: true,
    compile,
};

const API: &str = "networking.k8s.io/v1";

fn compile(intent: &Intent, world: &World, style: Style) -> (Vec<Object>, Vec<Diagnostic>) {
    let plan = halves(intent, world);
    let mut objects = default_denies(intent, &plan);
    for (subject, needs) in &plan.subjects {
        objects.push(policy(intent, subject, needs, style));
    }
    (objects, plan.diagnostics)
}

/// One policy per claimed namespace, on all its pods, without rules.
fn default_denies(intent: &Intent, plan: &Halves<'_>) -> Vec<Object> {
    plan.default_deny
        .iter()
        .map(|(namespace, directions)| {
            let types = directions.iter().copied().collect::<Vec<_>>();
            let spec = vec![
                ("podSelector", selectors::value(&Selector::everything())),
                ("policyTypes", policy_types(&types)),
            ];
            let header = Header {
                api_version: API,
                kind: "NetworkPolicy",
                namespace,
                name: "default-deny",
                flows: Vec::new(),
            };
            Object::new(intent, header, vec![("spec", Value::map(spec))])
        })
        .collect()
}

fn policy_types(directions: &[Direction]) -> Value {
    let word = |d: &Direction| match d {
        Direction::Ingress => Value::string("Ingress"),
        Direction::Egress => Value::string("Egress"),
    };
    Value::List(directions.iter().map(word).collect())
}

/// The policy of a subject: what is admitted in each direction in which its pods are isolated.
fn policy(intent: &Intent, subject: &Subject, needs: &Needs<'_>, style: Style) -> Object {
    let mut types = Vec::new();
    let mut lists = Vec::new();
    let mut flows = Vec::new();
    let both = [
        (Direction::Ingress, &needs.ingress, "ingress", "from"),
        (Direction::Egress, &needs.egress, "egress", "to"),
    ];
    for (direction, grants, list, peers) in both {
        let Some(grants) = grants else { continue };
        types.push(direction);
        let compiled = rules(grants, direction, style);
        flows.extend(compiled.iter().flat_map(|r| r.flows.keys().cloned()));
        if !compiled.is_empty() {
            let items = compiled.iter().map(|r| rule(r, subject, peers)).collect();
            lists.push((list, Value::List(items)));
        }
    }
    let mut spec = vec![
        ("podSelector", selectors::value(&subject.selector)),
        ("policyTypes", policy_types(&types)),
    ];
    spec.extend(lists);
    let header = Header {
        api_version: API,
        kind: "NetworkPolicy",
        namespace: &subject.namespace,
        name: &needs.name,
        flows,
    };
    Object::new(intent, header, vec![("spec", Value::map(spec))])
}

/// A rule below the remarks of its flows.
fn rule(rule: &CompiledRule, subject: &Subject, peers: &'static str) -> Value {
    let mut fields = Vec::new();
    if let Some(list) = &rule.peers {
        let list = list.iter().map(|p| peer(p, &subject.namespace)).collect();
        fields.push((peers, Value::List(list)));
    }
    if let Some(ports) = &rule.ports {
        fields.push(("ports", Value::List(ports.iter().map(port).collect())));
    }
    Value::Commented(rule.remarks(), Box::new(Value::map(fields)))
}

/// `NetworkPolicyPeer`. In the policy's own namespace a pod selector says it alone; elsewhere the
/// namespace is named by the label that the API server sets and nobody else can.
fn peer(peer: &Peer, own: &str) -> Value {
    match peer {
        Peer::Block { cidr, except } => {
            let mut block = vec![("cidr", Value::string(cidr.to_string()))];
            if !except.is_empty() {
                let except = except.iter().map(|e| Value::string(e.to_string()));
                block.push(("except", Value::List(except.collect())));
            }
            Value::map([("ipBlock", Value::map(block))])
        }
        Peer::Pods { namespaces, pods } => {
            let mut fields = Vec::new();
            let elsewhere = match namespaces {
                NamespaceMatch::Named(name) if name == own => None,
                NamespaceMatch::Named(name) => {
                    Some(Selector::of([(NAMESPACE_NAME, name.as_str())]))
                }
                NamespaceMatch::Selector(selector) => Some(selector.clone()),
            };
            if let Some(selector) = &elsewhere {
                fields.push(("namespaceSelector", selectors::value(selector)));
            }
            if elsewhere.is_none() || !pods.is_everything() {
                fields.push(("podSelector", selectors::value(pods)));
            }
            Value::map(fields)
        }
    }
}

/// `NetworkPolicyPort`.
fn port(port: &PolicyPort) -> Value {
    let mut fields = Vec::new();
    let protocol = match port {
        PolicyPort::Named { protocol, name } => {
            fields.push(("port", Value::string(name.as_str())));
            protocol
        }
        PolicyPort::Range {
            protocol,
            first,
            last,
        } => {
            let all = *first <= 1 && *last == u16::MAX;
            if !all {
                fields.push(("port", Value::Int(i64::from(*first))));
                if last > first {
                    fields.push(("endPort", Value::Int(i64::from(*last))));
                }
            }
            protocol
        }
    };
    fields.insert(0, ("protocol", Value::string(Protocol::name(*protocol))));
    Value::map(fields)
}
