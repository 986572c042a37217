//! The tiers at one end of a flow: Admin, NetworkPolicy, Baseline, and what Kubernetes does by default
//! (`network-policy-api, v1alpha2 ClusterNetworkPolicy, .spec.tier`).

use super::admin::{self, Found};
use super::{Half, View, network_policy, node, pod};
use crate::{Cause, Direction, Endpoint, Enforcement, Flow, Layer, Origin, Outcome, Pod, Tier};

/// Whether the network lets a flow pass at one end: its policies, and whether the protocol is carried
/// at all.
pub(super) fn half(world: View<'_>, direction: Direction, flow: &Flow) -> Half {
    let mut half = policies(world, direction, flow);
    if !world.profile.carries(flow.protocol) {
        half.outcome = half.outcome.and(Outcome::Depends);
        half.because
            .extend((direction == Direction::Egress).then(|| not_carried(world, flow)));
    }
    half
}

fn not_carried(world: View<'_>, flow: &Flow) -> Cause {
    let text = format!(
        "{} carries {} only if that is switched on",
        world.profile.plugin(),
        flow.protocol
    );
    node(Outcome::Depends, Origin::default(), text)
}

/// Whether the policies of one end let a flow pass. Each direction is decided by itself: an Accept at
/// the source says nothing about the destination (`.spec.egress[].action`).
fn policies(world: View<'_>, direction: Direction, flow: &Flow) -> Half {
    let (subject, peer) = match direction {
        Direction::Ingress => (flow.destination, flow.source),
        Direction::Egress => (flow.source, flow.destination),
    };
    let Some(subject) = pod(world, subject) else {
        return open(direction, "an address outside has no policies".to_owned());
    };
    if let Some(half) = exempt(world, direction, subject, peer) {
        return half;
    }
    let mut because = admin::not_enforced(world, direction, subject);
    // "The Admin tier takes precedence over all other policies. [...] If Admin tier has made a final
    // decision (Accept or Deny) on a connection, then no further evaluation is done."
    let admin = admin::tier(world, Tier::Admin, direction, flow, subject);
    let mut ends = Ends::of(&admin);
    because.extend(admin.because);
    if ends.goes_on {
        let rest = after_admin(world, direction, flow, subject);
        ends.accepted |= rest.outcome != Outcome::Deny;
        ends.refused |= rest.outcome != Outcome::Allow;
        because.extend(rest.because);
    }
    ends.half(because)
}

/// "NetworkPolicy always makes a final decision for selected pods. Further evaluation only happens for
/// Pods not selected by a NetworkPolicy." Taken for each direction: a policy that says nothing about
/// egress does not select a pod for egress.
fn after_admin(world: View<'_>, direction: Direction, flow: &Flow, subject: &Pod) -> Half {
    let enforced = world.profile.cni.enforcement != Enforcement::NotEnforced;
    let isolating = network_policy::isolating(world, direction, subject);
    if enforced && !isolating.is_empty() {
        return network_policy::union(world, direction, flow, &isolating);
    }
    // "If a given connection wasn't allowed or denied by any of the tiers, the default kubernetes
    // policy is applied, which says that all pods can communicate with each other."
    let default = if enforced {
        open(
            direction,
            format!("no policy isolates {}", subject.object()),
        )
    } else {
        let text = "the network plugin does not enforce NetworkPolicy";
        open(direction, text.to_owned())
    };
    let baseline = admin::tier(world, Tier::Baseline, direction, flow, subject);
    let mut ends = Ends::of(&baseline);
    let mut because = baseline.because;
    if ends.goes_on {
        ends.accepted = true;
        because.extend(default.because);
    }
    ends.half(because)
}

/// How a half may end, and whether it may go on to the next tier.
struct Ends {
    accepted: bool,
    refused: bool,
    goes_on: bool,
}

impl Ends {
    /// "Pass: Skips all further ClusterNetworkPolicy rules in the current tier for the selected
    /// traffic, and passes evaluation to the next tier." So does what no rule matches.
    fn of(found: &Found) -> Self {
        Self {
            accepted: found.accepted,
            refused: found.denied,
            goes_on: found.passed || found.unmatched,
        }
    }

    /// What is certain whichever way it ends; steps that only may apply do not count then.
    fn half(&self, mut because: Vec<Cause>) -> Half {
        let outcome = match (self.accepted, self.refused) {
            (true, true) => Outcome::Depends,
            (true, false) => Outcome::Allow,
            (false, _) => Outcome::Deny,
        };
        if outcome == Outcome::Allow {
            because.retain(|cause| cause.outcome == Outcome::Allow);
        }
        Half { outcome, because }
    }
}

/// What no policy decides.
fn exempt(world: View<'_>, direction: Direction, subject: &Pod, peer: Endpoint) -> Option<Half> {
    // Policies do not apply to pods on the host network (Kubernetes documentation, Network Policies,
    // "hostNetwork pods": in the most common implementation they are ignored; v1alpha2, .spec.subject:
    // "host-networked pods are not included in subject selection").
    if subject.host_network || subject.host_group {
        let text = format!("{} is on the host network", subject.object());
        return Some(open(direction, text));
    }
    // Same page: traffic to and from the node where a pod runs is always allowed. Some plugins keep
    // that for one direction only; the profile says it.
    if world.profile.exempts_own_node(direction) && is_own_node(world, subject, peer) {
        let text = "traffic between a pod and its own node is always allowed".to_owned();
        return Some(Half {
            outcome: Outcome::Allow,
            because: vec![node(Outcome::Allow, subject.origin, text)],
        });
    }
    None
}

fn open(direction: Direction, text: String) -> Half {
    Half {
        outcome: Outcome::Allow,
        because: vec![Cause {
            layer: match direction {
                Direction::Ingress => Layer::Ingress,
                Direction::Egress => Layer::Egress,
            },
            outcome: Outcome::Allow,
            subject: None,
            origin: Origin::default(),
            text,
        }],
    }
}

pub(super) fn is_own_node(world: View<'_>, subject: &Pod, peer: Endpoint) -> bool {
    let node = &subject.node_addresses.known;
    match peer {
        Endpoint::Address(address) => node.contains(&address),
        Endpoint::Pod(id) => world.pod(id).is_some_and(|peer| {
            peer.host_network
                && (peer.addresses.known.iter().any(|a| node.contains(a))
                    || peer.node_addresses.known.iter().any(|a| node.contains(a)))
        }),
    }
}
