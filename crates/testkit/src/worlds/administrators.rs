//! Random policies of administrators, of every kind, as the API server would accept them, and nodes.

use super::alphabet::{NAMESPACES, address, labels, net, port, port_name, protocol, selector};
use palisade_netmodel::{
    AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule, LabelRequirement,
    NamespacedPods, Node, ObjectRef, Operator, Origin, Selector, SmolStr, Tier,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeSet;

/// Namespaces by their labels or by name.
fn namespaces() -> impl Strategy<Value = Selector> {
    prop_oneof![
        2 => Just(Selector::everything()),
        2 => selector(),
        3 => vec(select(&NAMESPACES[..]), 1..3).prop_map(|names| {
            let mut names: Vec<SmolStr> = names.into_iter().map(SmolStr::from).collect();
            names.sort();
            names.dedup();
            Selector {
                requirements: vec![LabelRequirement {
                    key: "kubernetes.io/metadata.name".into(),
                    operator: Operator::In(names),
                }],
            }
        }),
    ]
}

fn pods() -> impl Strategy<Value = NamespacedPods> {
    let pods = prop_oneof![Just(Selector::everything()), selector()];
    (namespaces(), pods).prop_map(|(namespaces, pods)| NamespacedPods { namespaces, pods })
}

fn admin_port() -> impl Strategy<Value = AdminPort> {
    prop_oneof![
        3 => (protocol(), port(), port()).prop_map(|(protocol, a, b)| AdminPort::Range {
            protocol,
            first: a.min(b),
            last: a.max(b),
        }),
        2 => (protocol(), port()).prop_map(|(protocol, port)| AdminPort::Range {
            protocol,
            first: port,
            last: port,
        }),
        2 => port_name().prop_map(AdminPort::Named),
    ]
}

fn ingress_peer() -> impl Strategy<Value = AdminPeer> {
    prop_oneof![
        9 => pods().prop_map(AdminPeer::Pods),
        1 => Just(AdminPeer::Unknown),
    ]
}

fn egress_peer() -> impl Strategy<Value = AdminPeer> {
    let networks = vec(net(), 1..3).prop_map(|mut nets| {
        nets.sort();
        nets.dedup();
        AdminPeer::Networks(nets)
    });
    let names = vec(select(&["example.com", "*.example.org"][..]), 1..2);
    prop_oneof![
        6 => pods().prop_map(AdminPeer::Pods),
        4 => networks,
        2 => prop_oneof![Just(Selector::everything()), selector()].prop_map(AdminPeer::Nodes),
        1 => names.prop_map(|n| AdminPeer::DomainNames(n.into_iter().map(str::to_owned).collect())),
        1 => Just(AdminPeer::Unknown),
    ]
}

fn rule(peers: impl Strategy<Value = Vec<AdminPeer>>) -> impl Strategy<Value = AdminRule> {
    let action = select(&[AdminAction::Accept, AdminAction::Deny, AdminAction::Pass][..]);
    (
        select(&["", "first", "last"][..]),
        action,
        peers,
        option::of(vec(admin_port(), 1..3)),
    )
        .prop_map(|(name, action, peers, ports)| AdminRule {
            origin: Origin::default(),
            name: name.to_owned(),
            action,
            peers,
            ports,
        })
}

/// Leaves out of a rule what the API server refuses.
fn valid(mut rule: AdminRule, kind: AdminKind) -> AdminRule {
    let baseline = kind == AdminKind::BaselineAdminNetworkPolicy;
    if baseline && rule.action == AdminAction::Pass {
        rule.action = AdminAction::Deny;
    }
    let names = rule.action == AdminAction::Accept && !baseline;
    rule.peers
        .retain(|peer| names || !matches!(peer, AdminPeer::DomainNames(_)));
    if rule.peers.is_empty() {
        rule.peers.push(AdminPeer::Pods(NamespacedPods::default()));
    }
    let addresses = rule.peers.iter().any(|peer| {
        matches!(
            peer,
            AdminPeer::Networks(_) | AdminPeer::Nodes(_) | AdminPeer::DomainNames(_)
        )
    });
    if let Some(ports) = &mut rule.ports
        && addresses
    {
        ports.retain(|port| !matches!(port, AdminPort::Named(_)));
    }
    rule.ports = rule.ports.filter(|ports| !ports.is_empty());
    rule
}

fn policy() -> impl Strategy<Value = AdminPolicy> {
    let what = (
        select(
            &[
                (AdminKind::AdminNetworkPolicy, Tier::Admin),
                (AdminKind::BaselineAdminNetworkPolicy, Tier::Baseline),
                (AdminKind::ClusterNetworkPolicy, Tier::Admin),
                (AdminKind::ClusterNetworkPolicy, Tier::Baseline),
            ][..],
        ),
        select(&[0_u16, 1, 1000][..]),
        pods(),
    );
    let ingress = vec(rule(vec(ingress_peer(), 1..3)), 0..4);
    let egress = vec(rule(vec(egress_peer(), 1..3)), 0..4);
    (what, ingress, egress).prop_map(|(((kind, tier), priority, subject), ingress, egress)| {
        let rules = |rules: Vec<AdminRule>| rules.into_iter().map(|r| valid(r, kind)).collect();
        let only = kind == AdminKind::BaselineAdminNetworkPolicy;
        AdminPolicy {
            origin: Origin::default(),
            object: ObjectRef::new("", if only { "default" } else { "policy" }),
            kind,
            tier,
            priority: if only { 0 } else { priority },
            subject,
            ingress: rules(ingress),
            egress: rules(egress),
        }
    })
}

/// No, one or a few policies; names are distinct, and BaselineAdminNetworkPolicy occurs at most once.
pub(crate) fn admin_policies() -> impl Strategy<Value = Vec<AdminPolicy>> {
    let some = prop_oneof![2 => Just(0..1), 3 => Just(1..2), 4 => Just(2..5)];
    some.prop_flat_map(|size| vec(policy(), size))
        .prop_map(|policies| {
            let mut seen = false;
            let mut out = Vec::new();
            for (index, mut policy) in policies.into_iter().enumerate() {
                if policy.kind == AdminKind::BaselineAdminNetworkPolicy {
                    if std::mem::replace(&mut seen, true) {
                        continue;
                    }
                } else {
                    policy.object.name = format!("policy-{index}");
                }
                out.push(policy);
            }
            out
        })
}

/// Nodes with addresses of their own.
pub(crate) fn nodes() -> impl Strategy<Value = Vec<Node>> {
    vec((labels(), vec(address(), 0..2)), 0..3).prop_map(|nodes| {
        let mut taken = BTreeSet::new();
        let of = |(index, (labels, addresses)): (usize, (_, Vec<_>))| Node {
            name: format!("node-{index}"),
            labels,
            addresses: addresses.into_iter().filter(|a| taken.insert(*a)).collect(),
            ..Node::default()
        };
        nodes.into_iter().enumerate().map(of).collect()
    })
}
