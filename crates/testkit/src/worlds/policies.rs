//! Random NetworkPolicies.

use super::alphabet::{NAMESPACES, net, port, port_name, protocol, selector};
use palisade_netmodel::{NamespaceMatch, NetworkPolicy, ObjectRef, Origin, Peer, PolicyPort, Rule};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn policy_port() -> impl Strategy<Value = PolicyPort> {
    prop_oneof![
        (protocol(), port()).prop_map(|(protocol, first)| PolicyPort::Range {
            protocol,
            first,
            last: first
        }),
        (protocol(), port(), port()).prop_map(|(protocol, a, b)| PolicyPort::Range {
            protocol,
            first: a.min(b),
            last: a.max(b)
        }),
        protocol().prop_map(|protocol| PolicyPort::Range {
            protocol,
            first: 1,
            last: u16::MAX
        }),
        (protocol(), port_name()).prop_map(|(protocol, name)| PolicyPort::Named { protocol, name }),
    ]
}

pub(crate) fn peer() -> impl Strategy<Value = Peer> {
    let namespaces = prop_oneof![
        select(&NAMESPACES[..]).prop_map(|n| NamespaceMatch::Named(n.to_owned())),
        selector().prop_map(NamespaceMatch::Selector),
    ];
    prop_oneof![
        3 => (namespaces, selector()).prop_map(|(namespaces, pods)| Peer::Pods { namespaces, pods }),
        1 => (net(), vec(net(), 0..2)).prop_map(|(cidr, except)| Peer::Block {
            cidr,
            except: except.into_iter().filter(|e| cidr.contains(e) && *e != cidr).collect(),
        }),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    (
        option::of(vec(peer(), 1..3)),
        option::of(vec(policy_port(), 1..3)),
    )
        .prop_map(|(peers, ports)| Rule {
            origin: Origin::default(),
            peers,
            ports,
        })
}

pub(super) fn network_policy() -> impl Strategy<Value = NetworkPolicy> {
    let rules = || option::of(vec(rule(), 0..3));
    (
        select(&NAMESPACES[..2]),
        Just("policy"),
        selector(),
        rules(),
        rules(),
    )
        .prop_map(
            |(namespace, name, pod_selector, ingress, egress)| NetworkPolicy {
                origin: Origin::default(),
                object: ObjectRef::new(namespace, name),
                pod_selector,
                // No policy is without a direction.
                ingress: ingress.or_else(|| egress.is_none().then(Vec::new)),
                egress,
            },
        )
}
