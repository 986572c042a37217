//! Policies of administrators and nodes as manifests.

use super::object;
use palisade_netmodel::{
    AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule, Labels, NamespacedPods,
    Node, Operator, Protocol, Selector,
};
use palisade_yaml::Value;

/// A policy in the words of its version.
pub(super) fn policy(policy: &AdminPolicy) -> Value {
    let new = policy.kind == AdminKind::ClusterNetworkPolicy;
    let version = if new { "v1alpha2" } else { "v1alpha1" };
    let mut spec = Vec::new();
    if new {
        spec.push(("tier", Value::String(policy.tier.to_string())));
    }
    if policy.kind != AdminKind::BaselineAdminNetworkPolicy {
        spec.push(("priority", Value::Int(i64::from(policy.priority))));
    }
    spec.push(("subject", pods(&policy.subject)));
    for (key, peers, rules) in [
        ("ingress", "from", &policy.ingress),
        ("egress", "to", &policy.egress),
    ] {
        if !rules.is_empty() {
            let rules = rules.iter().map(|r| rule(r, peers, new));
            spec.push((key, Value::List(rules.collect())));
        }
    }
    object(
        &format!("policy.networking.k8s.io/{version}"),
        policy.kind.name(),
        &policy.object.name,
        "",
        &Labels::default(),
        &[],
        [("spec", Value::map(spec))],
    )
}

fn rule(rule: &AdminRule, peers: &'static str, new: bool) -> Value {
    let mut fields = Vec::new();
    if !rule.name.is_empty() {
        fields.push(("name", Value::string(&rule.name)));
    }
    let action = match rule.action {
        AdminAction::Accept if new => "Accept",
        AdminAction::Accept => "Allow",
        AdminAction::Deny => "Deny",
        AdminAction::Pass => "Pass",
    };
    fields.push(("action", Value::string(action)));
    fields.push((peers, Value::List(rule.peers.iter().map(peer).collect())));
    if let Some(ports) = &rule.ports {
        let key = if new { "protocols" } else { "ports" };
        let port = if new { protocol } else { port };
        fields.push((key, Value::List(ports.iter().map(port).collect())));
    }
    Value::map(fields)
}

/// Both ways to write pods: whole namespaces, and pods of some.
fn pods(pods: &NamespacedPods) -> Value {
    if pods.pods.is_everything() {
        return Value::map([("namespaces", selector(&pods.namespaces))]);
    }
    let both = Value::map([
        ("namespaceSelector", selector(&pods.namespaces)),
        ("podSelector", selector(&pods.pods)),
    ]);
    Value::map([("pods", both)])
}

fn peer(peer: &AdminPeer) -> Value {
    let strings = |list: Vec<String>| Value::List(list.into_iter().map(Value::String).collect());
    match peer {
        AdminPeer::Pods(selected) => pods(selected),
        AdminPeer::Networks(networks) => {
            let networks = networks.iter().map(ToString::to_string);
            Value::map([("networks", strings(networks.collect()))])
        }
        AdminPeer::Nodes(labels) => Value::map([("nodes", selector(labels))]),
        AdminPeer::DomainNames(names) => Value::map([("domainNames", strings(names.clone()))]),
        AdminPeer::Unknown => Value::map([("services", Value::Map(Vec::new()))]),
    }
}

fn number(port: u16) -> Value {
    Value::Int(i64::from(port))
}

/// A port in `v1alpha2`.
fn protocol(port: &AdminPort) -> Value {
    let (protocol, first, last) = match port {
        AdminPort::Named(name) => {
            return Value::map([("destinationNamedPort", Value::string(name))]);
        }
        AdminPort::Range {
            protocol,
            first,
            last,
        } => (*protocol, *first, *last),
    };
    let ports = if first == last {
        Value::map([("number", number(first))])
    } else {
        let range = Value::map([("start", number(first)), ("end", number(last))]);
        Value::map([("range", range)])
    };
    let key = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    };
    Value::map([(key, Value::map([("destinationPort", ports)]))])
}

/// A port in `v1alpha1`.
fn port(port: &AdminPort) -> Value {
    match port {
        AdminPort::Named(name) => Value::map([("namedPort", Value::string(name))]),
        AdminPort::Range {
            protocol,
            first,
            last,
        } if first == last => {
            let port = [
                ("protocol", Value::string(protocol.name())),
                ("port", number(*first)),
            ];
            Value::map([("portNumber", Value::map(port))])
        }
        AdminPort::Range {
            protocol,
            first,
            last,
        } => {
            let range = [
                ("protocol", Value::string(protocol.name())),
                ("start", number(*first)),
                ("end", number(*last)),
            ];
            Value::map([("portRange", Value::map(range))])
        }
    }
}

fn selector(selector: &Selector) -> Value {
    let requirements = selector.requirements.iter().map(|requirement| {
        let (operator, values) = match &requirement.operator {
            Operator::In(values) => ("In", values.as_slice()),
            Operator::NotIn(values) => ("NotIn", values.as_slice()),
            Operator::Exists => ("Exists", &[][..]),
            Operator::DoesNotExist => ("DoesNotExist", &[][..]),
        };
        let values = values.iter().map(|v| Value::string(v.as_str())).collect();
        Value::map([
            ("key", Value::string(requirement.key.as_str())),
            ("operator", Value::string(operator)),
            ("values", Value::List(values)),
        ])
    });
    if selector.is_everything() {
        return Value::Map(Vec::new());
    }
    Value::map([("matchExpressions", Value::List(requirements.collect()))])
}

/// A node with its addresses.
pub(super) fn node(node: &Node) -> Value {
    let addresses = node.addresses.iter().map(|address| {
        Value::map([
            ("type", Value::string("InternalIP")),
            ("address", Value::String(address.to_string())),
        ])
    });
    let status = Value::map([("addresses", Value::List(addresses.collect()))]);
    object(
        "v1",
        "Node",
        &node.name,
        "",
        &node.labels,
        &[],
        [("status", status)],
    )
}
