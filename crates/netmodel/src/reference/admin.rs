//! One tier of the administrators' policies at one end (`network-policy-api: v1alpha2
//! ClusterNetworkPolicy; v1alpha1 AdminNetworkPolicy, BaselineAdminNetworkPolicy`). Quotations are
//! from the comments of the API's types; where v1alpha1 says the same, v1alpha2 is quoted.

use super::{View, pod};
use crate::{
    AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule, Cause, Direction,
    Endpoint, Flow, Layer, ObjectRef, Origin, Outcome, Pod, Selector, Subject, Tier,
};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What may become of a flow among some rules. More than one is possible where something is not known,
/// and where policies of equal rank disagree.
#[derive(Default)]
pub(super) struct Found {
    pub(super) accepted: bool,
    pub(super) denied: bool,
    /// A rule says Pass.
    pub(super) passed: bool,
    /// No rule matches.
    pub(super) unmatched: bool,
    pub(super) because: Vec<Cause>,
}

impl Found {
    /// Nothing has matched yet.
    fn nothing() -> Self {
        Self {
            unmatched: true,
            ..Self::default()
        }
    }

    /// A rule acts, for certain or perhaps.
    fn act(&mut self, action: AdminAction, certain: bool, cause: Cause) {
        match action {
            AdminAction::Accept => self.accepted = true,
            AdminAction::Deny => self.denied = true,
            AdminAction::Pass => self.passed = true,
        }
        self.unmatched &= !certain;
        self.because.push(cause);
    }

    /// What comes later counts only as far as nothing earlier has matched.
    fn then(&mut self, later: Self) {
        if self.unmatched {
            self.accepted |= later.accepted;
            self.denied |= later.denied;
            self.passed |= later.passed;
            self.unmatched = later.unmatched;
            self.because.extend(later.because);
        }
    }
}

/// What a tier makes of a flow. "Policies with lower priority values have higher precedence, and are
/// checked before policies with higher priority values in the same tier." No document orders kinds of
/// different versions: each goes through its own priorities, and any may decide.
pub(super) fn tier(
    world: View<'_>,
    tier: Tier,
    direction: Direction,
    flow: &Flow,
    subject: &Pod,
) -> Found {
    let mut kinds = Vec::new();
    for kind in AdminKind::ALL {
        let policies: Vec<&AdminPolicy> = world
            .admin_policies()
            .filter(|p| p.kind == kind && p.tier == tier && world.profile.enforces(kind))
            .filter(|p| selects(world, p, subject))
            .collect();
        let priorities: BTreeSet<u16> = policies.iter().map(|p| p.priority).collect();
        let mut found = Found::nothing();
        for priority in priorities {
            let equal = policies.iter().filter(|p| p.priority == priority);
            let each = equal.map(|p| rules(world, p, direction, flow));
            found.then(any(
                each.collect(),
                &format!("of equal priority {priority}"),
            ));
        }
        kinds.push(found);
    }
    any(kinds, "of another version, which no document ranks,")
}

/// "If two (or more) policies in the same tier with the same priority could match a connection, then the
/// implementation can apply any of the matching policies to the connection".
fn any(all: Vec<Found>, how: &str) -> Found {
    let mut out = Found::nothing();
    for found in &all {
        out.accepted |= found.accepted;
        out.denied |= found.denied;
        out.passed |= found.passed;
        out.unmatched &= found.unmatched;
    }
    let first = |f: &Found| (f.accepted, f.denied, f.passed);
    let mut matching = all.iter().filter(|f| !f.because.is_empty());
    let one = matching.next();
    let disagree = one.is_some_and(|one| matching.any(|other| first(other) != first(one)));
    out.because = all.into_iter().flat_map(|f| f.because).collect();
    if disagree {
        conflict(&mut out.because, how);
    }
    out
}

/// Names in each step those beside it that say otherwise.
fn conflict(because: &mut [Cause], how: &str) {
    let texts: Vec<String> = because
        .iter()
        .map(|c| {
            let subject = c
                .subject
                .as_ref()
                .map_or_else(String::new, |s| format!("{s}: "));
            format!("{subject}{}", c.text)
        })
        .collect();
    for (index, cause) in because.iter_mut().enumerate() {
        let others = texts.iter().enumerate().filter(|(i, _)| *i != index);
        let others: Vec<&str> = others.take(3).map(|(_, text)| text.as_str()).collect();
        cause.outcome = Outcome::Depends;
        cause.text = format!(
            "{}; but a policy {how} says otherwise, and which of them decides is left to the network plugin ({})",
            cause.text,
            others.join("; ")
        );
    }
}

/// `.spec.subject`: "Note that host-networked pods are not included in subject selection."
fn selects(world: View<'_>, policy: &AdminPolicy, subject: &Pod) -> bool {
    !subject.host_network
        && !subject.host_group
        && world
            .namespace_labels(&subject.namespace)
            .is_some_and(|namespace| policy.subject.matches(namespace, &subject.labels))
}

/// The rules of one policy: "a rule that appears at the top of the ingress rules would take the highest
/// precedence"; "CNPs with no ingress rules do not affect ingress traffic". The first rule that matches
/// the packet decides, by peer and port together.
fn rules(world: View<'_>, policy: &AdminPolicy, direction: Direction, flow: &Flow) -> Found {
    let mut found = Found::nothing();
    for (index, rule) in policy.rules(direction).iter().enumerate() {
        if !found.unmatched {
            break;
        }
        let (matches, action) = matches(world, direction, flow, rule);
        if matches != Outcome::Deny {
            let certain = matches == Outcome::Allow;
            let cause = step(policy, direction, index, rule, (action, certain));
            found.act(action, certain, cause);
        }
    }
    found
}

/// Whether a rule matches, and what it then does.
fn matches(
    world: View<'_>,
    direction: Direction,
    flow: &Flow,
    rule: &AdminRule,
) -> (Outcome, AdminAction) {
    // "For "Accept" rules, "fail closed" means: "treat the rule as matching no traffic". For "Deny" and
    // "Pass" rules, "fail closed" means: "treat the rule as a 'Deny all' rule"."
    if rule.peers.contains(&AdminPeer::Unknown) {
        return match rule.action {
            AdminAction::Accept => (Outcome::Deny, rule.action),
            AdminAction::Deny | AdminAction::Pass => (Outcome::Allow, AdminAction::Deny),
        };
    }
    if !port_matches(world, flow, rule) {
        return (Outcome::Deny, rule.action);
    }
    let end = match direction {
        Direction::Ingress => flow.source,
        Direction::Egress => flow.destination,
    };
    // "If any element matches the source of incoming traffic then the specified action is applied."
    let peers = rule.peers.iter();
    let matches = peers.fold(Outcome::Deny, |found, peer| {
        found.or(peer_matches(world, peer, end))
    });
    (matches, rule.action)
}

/// `.protocols[]`: "If unspecified, protocol-specific attributes will not be used to match traffic."
/// "DestinationNamedPort selects a destination port on a pod based on the ContainerPort name", with the
/// protocol that it has there.
fn port_matches(world: View<'_>, flow: &Flow, rule: &AdminRule) -> bool {
    let Some(ports) = &rule.ports else {
        return true;
    };
    ports.iter().any(|port| match port {
        AdminPort::Range {
            protocol,
            first,
            last,
        } => *protocol == flow.protocol && (*first..=*last).contains(&flow.port),
        AdminPort::Named(name) => pod(world, flow.destination).is_some_and(|pod| {
            pod.named_ports
                .iter()
                .any(|n| n.name == *name && n.protocol == flow.protocol && n.port == flow.port)
        }),
    })
}

fn peer_matches(world: View<'_>, peer: &AdminPeer, end: Endpoint) -> Outcome {
    let known = match (peer, end) {
        // "Note that host-networked pods are not included in this type of peer."
        (AdminPeer::Pods(pods), Endpoint::Pod(id)) => Some(world.pod(id).is_some_and(|pod| {
            pod.is_selectable()
                && !pod.host_group
                && world
                    .namespace_labels(&pod.namespace)
                    .is_some_and(|namespace| pods.matches(namespace, &pod.labels))
        })),
        (AdminPeer::Pods(_), Endpoint::Address(_)) => Some(false),
        // "cluster-internal traffic will be checked against the rule as well"
        (AdminPeer::Networks(networks), Endpoint::Address(address)) => {
            Some(networks.iter().any(|n| n.contains(&address)))
        }
        (AdminPeer::Networks(networks), Endpoint::Pod(id)) => world
            .pod(id)
            .map_or(Some(false), |pod| in_networks(pod, networks)),
        (AdminPeer::Nodes(labels), Endpoint::Address(address)) => {
            node_matches(world, labels, address)
        }
        (AdminPeer::Nodes(labels), Endpoint::Pod(id)) => world
            .pod(id)
            .map_or(Some(false), |pod| host_matches(world, labels, pod)),
        // Names stand for addresses that only the resolver knows.
        (AdminPeer::DomainNames(_), Endpoint::Address(_)) => None,
        (AdminPeer::DomainNames(_), Endpoint::Pod(_)) => Some(false),
        // Its rule is judged as a whole.
        (AdminPeer::Unknown, _) => Some(false),
    };
    match known {
        Some(true) => Outcome::Allow,
        Some(false) => Outcome::Deny,
        None => Outcome::Depends,
    }
}

/// Whether a pod has an address in one of the networks; a pod on the host network has its node's. One
/// without a known address still has one of IPv4 or IPv6.
fn in_networks(pod: &Pod, networks: &[IpNet]) -> Option<bool> {
    let known = visible(pod);
    if known.is_empty() {
        let whole = |v6: bool| {
            let mut all = networks.iter().filter(|n| n.prefix_len() == 0);
            all.any(|n| n.addr().is_ipv6() == v6)
        };
        return (whole(false) && whole(true)).then_some(true);
    }
    let inside = |address: &IpAddr| networks.iter().any(|n| n.contains(address));
    Some(known.iter().any(inside))
}

/// "It selects the nodeIPs as the peer type by matching on the IPs present in the node.Status.Addresses
/// field of the node. [...] if present but empty, it selects all Nodes." Without any Node in the input,
/// nothing says that an address is no node's.
fn node_matches(world: View<'_>, labels: &Selector, address: IpAddr) -> Option<bool> {
    let mut owners = world
        .nodes
        .iter()
        .filter(|n| n.addresses.contains(&address))
        .peekable();
    if owners.peek().is_some() {
        return Some(owners.any(|node| labels.matches(&node.labels)));
    }
    let of_a_pod = |pod: &Pod| {
        pod.node_addresses.known.contains(&address)
            || (pod.host_network && pod.addresses.known.contains(&address))
    };
    if world.pods.iter().any(of_a_pod) {
        // Some node's, of unknown labels.
        return labels.is_everything().then_some(true);
    }
    if world.nodes.is_empty() {
        None
    } else {
        Some(false)
    }
}

/// A pod on the host network has the addresses of its node, another pod has none.
fn host_matches(world: View<'_>, labels: &Selector, pod: &Pod) -> Option<bool> {
    if !pod.host_network {
        return Some(false);
    }
    if labels.is_everything() {
        return Some(true);
    }
    let found = visible(pod).iter().map(|a| node_matches(world, labels, *a));
    found.reduce(either)?
}

/// The addresses by which others see a pod: on the host network its node's, unless its own are known.
fn visible(pod: &Pod) -> &[IpAddr] {
    if pod.host_network && pod.addresses.known.is_empty() {
        &pod.node_addresses.known
    } else {
        &pod.addresses.known
    }
}

/// One of the two holds; `None` is not known.
fn either(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        (Some(false), Some(false)) => Some(false),
    }
}

/// The step of a rule that matches, for certain or perhaps.
fn step(
    policy: &AdminPolicy,
    direction: Direction,
    index: usize,
    rule: &AdminRule,
    (action, certain): (AdminAction, bool),
) -> Cause {
    let name = match rule.name.as_str() {
        "" => String::new(),
        name => format!(" `{name}`"),
    };
    let next = match policy.tier {
        Tier::Admin => "the NetworkPolicies",
        Tier::Baseline => "the default, which is to allow",
    };
    let (outcome, what) = match action {
        AdminAction::Accept => (Outcome::Allow, "accepts it".to_owned()),
        AdminAction::Deny => (Outcome::Deny, "denies it".to_owned()),
        AdminAction::Pass => (Outcome::Allow, format!("passes it on to {next}")),
    };
    let why = if rule.peers.contains(&AdminPeer::Unknown) {
        ", since it has a peer of an unknown kind"
    } else if certain {
        ""
    } else {
        " if an address that is not known, or whose owner is not, is one of its peers"
    };
    Cause {
        layer: layer(policy.tier, direction),
        outcome: if certain { outcome } else { Outcome::Depends },
        subject: Some(Subject {
            kind: policy.kind.name(),
            object: policy.object.clone(),
        }),
        origin: Origin(rule.origin.0.or(policy.origin.0)),
        text: format!("{direction} rule {}{name} {what}{why}", index + 1),
    }
}

fn layer(tier: Tier, direction: Direction) -> Layer {
    match (tier, direction) {
        (Tier::Admin, Direction::Egress) => Layer::AdminEgress,
        (Tier::Admin, Direction::Ingress) => Layer::AdminIngress,
        (Tier::Baseline, Direction::Egress) => Layer::BaselineEgress,
        (Tier::Baseline, Direction::Ingress) => Layer::BaselineIngress,
    }
}

/// Tells the policies that would speak of a pod if the network plugin enforced their kind.
pub(super) fn not_enforced(world: View<'_>, direction: Direction, subject: &Pod) -> Vec<Cause> {
    let left_out = world.admin_policies().filter(|p| {
        !world.profile.enforces(p.kind)
            && !p.rules(direction).is_empty()
            && selects(world, p, subject)
    });
    left_out
        .map(|policy| Cause {
            layer: layer(policy.tier, direction),
            outcome: Outcome::Allow,
            subject: Some(Subject {
                kind: policy.kind.name(),
                object: ObjectRef::clone(&policy.object),
            }),
            origin: policy.origin,
            text: format!(
                "has no effect: {} does not enforce {}",
                world.profile.plugin(),
                policy.kind
            ),
        })
        .collect()
}
