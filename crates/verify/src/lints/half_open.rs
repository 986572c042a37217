//! Connections that one end lets pass and the other refuses.

use super::Lint;
use super::context::{Context, Expect, RuleView};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{
    Direction, NamespaceMatch, Operator, Peer, PolicyPort, PortSet, Protocol, SmolStr,
};
use std::collections::BTreeSet;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "half-open",
    code: "PAL0614",
    severity: Severity::Warning,
    summary: "A rule at one end opens what the policies of the other end refuse to everybody it means.",
    check,
};

/// Pairs of pods that are looked at for one rule and group; beyond, nothing is told.
pub(super) const MAX_PAIRS: usize = 20_000;

/// The callers or destinations that a peer names one by one: each value of an `In`, else all.
pub(super) fn named_groups(cx: &Context<'_>, peer: &Peer) -> Vec<Vec<EndpointId>> {
    let Peer::Pods { pods, .. } = peer else {
        return Vec::new();
    };
    let several = pods.requirements.iter().find_map(|r| match &r.operator {
        Operator::In(values) if values.len() > 1 => Some((r, values)),
        _ => None,
    });
    let selectable = |e: &EndpointId| {
        let pod = cx.engine.pod(*e);
        pod.is_some_and(|pod| pod.is_selectable() && !pod.host_group)
    };
    let all: Vec<EndpointId> = cx.peer(peer).iter().copied().filter(selectable).collect();
    let Some((requirement, values)) = several else {
        return vec![all];
    };
    let one = |value: &SmolStr| {
        let has = |e: &EndpointId| {
            let pod = cx.engine.pod(*e);
            pod.is_some_and(|pod| pod.labels.get(&requirement.key) == Some(value.as_str()))
        };
        all.iter().copied().filter(has).collect()
    };
    values.iter().map(one).collect()
}

/// The ports of a rule, if they are the same at every destination.
pub(super) fn constant_ports(view: RuleView<'_>) -> Option<PortSet> {
    let ports = view.rule.ports.as_deref()?;
    ports
        .iter()
        .try_fold(PortSet::empty(), |set, port| match port {
            PolicyPort::Range {
                protocol,
                first,
                last,
            } => Some(set.union(&PortSet::range(*protocol, *first, *last))),
            PolicyPort::Named { .. } => None,
        })
}

/// What a rule opens to a group of pods and the other end refuses to all of them.
struct Refused {
    span: Option<Span>,
    ports: PortSet,
    /// One pair and port that shows it.
    pair: (EndpointId, EndpointId),
    port: (Protocol, u16),
    group: Vec<EndpointId>,
}

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        let mut refused: Vec<Refused> = Vec::new();
        for (index, peer) in view.rule.peers.iter().flatten().enumerate() {
            if !is_specific(peer) {
                continue;
            }
            for group in named_groups(cx, peer) {
                refused.extend(judge(cx, view, view.peer_span(index), &group));
            }
        }
        if !refused.is_empty() {
            out.push(describe(cx, view, &refused));
        }
    }
    out
}

/// A peer that asks for labels of pods, or for one namespace, and so names somebody.
fn is_specific(peer: &Peer) -> bool {
    match peer {
        Peer::Pods { namespaces, pods } => {
            !pods.is_everything() || matches!(namespaces, NamespaceMatch::Named(_))
        }
        Peer::Block { .. } => false,
    }
}

/// The ports that a rule opens at a destination; without `ports` those that it declares, if it
/// declares any.
fn opened_at(cx: &Context<'_>, view: RuleView<'_>, destination: EndpointId) -> PortSet {
    let declared = cx
        .engine
        .pod(destination)
        .map(|pod| pod.container_ports.clone());
    match declared.filter(|ports| view.rule.ports.is_none() && !ports.is_empty()) {
        Some(declared) => declared,
        None => cx.engine.ports_at(view.rule.ports.as_deref(), destination),
    }
}

/// Every subject with every pod of the group: the ports that the rule opens and that no pair has at
/// the other end.
fn judge(
    cx: &Context<'_>,
    view: RuleView<'_>,
    span: Option<Span>,
    group: &[EndpointId],
) -> Option<Refused> {
    let subjects = cx.subjects(view.index);
    if subjects.len().saturating_mul(group.len()) > MAX_PAIRS {
        return None;
    }
    let constant = constant_ports(view);
    let (mut opened, mut passing) = (PortSet::empty(), PortSet::empty());
    let mut refusals: Vec<((EndpointId, EndpointId), PortSet)> = Vec::new();
    for subject in subjects {
        for peer in group {
            let (pair, other) = match view.direction {
                Direction::Ingress => ((*peer, *subject), Direction::Egress),
                Direction::Egress => ((*subject, *peer), Direction::Ingress),
            };
            if !cx.engine.is_pair(pair.0, pair.1) {
                continue;
            }
            let ports = opened_at(cx, view, pair.1);
            let may = cx.engine.half(other, pair.0, pair.1).may;
            passing = passing.union(&ports.intersection(&may));
            // A rule without ports means "whatever is needed": only a closed door is a contradiction.
            let enough = match &constant {
                Some(all) => passing.covers(all),
                None => view.rule.ports.is_none() && !passing.is_empty(),
            };
            if enough {
                return None;
            }
            opened = opened.union(&ports);
            let refused = ports.difference(&may);
            if !refused.is_empty() && refusals.iter().all(|(_, known)| *known != refused) {
                refusals.push((pair, refused));
            }
        }
    }
    let dead = opened.difference(&passing);
    let (pair, port) = refusals
        .iter()
        .find_map(|(pair, refused)| Some((*pair, refused.intersection(&dead).first()?)))?;
    Some(Refused {
        span,
        ports: dead,
        pair,
        port,
        group: group.to_vec(),
    })
}

fn describe(cx: &Context<'_>, view: RuleView<'_>, refused: &[Refused]) -> Diagnostic {
    let names = cx.names();
    let group = || refused.iter().flat_map(|r| r.group.iter().copied());
    let policy = &view.policy.object;
    let (title, advice) = match view.direction {
        Direction::Ingress => (
            format!(
                "`{policy}` admits {}, whose own policies do not let it out",
                names.few(group())
            ),
            "add an egress rule for it at the source, or remove the peer here",
        ),
        Direction::Egress => (
            format!(
                "`{policy}` lets out to {}, whose own policies do not admit it",
                names.few(group())
            ),
            "add an ingress rule for it at the destination, or remove the peer here",
        ),
    };
    let mut finding = LINT.finding(title);
    let mut seen = BTreeSet::new();
    for item in refused {
        if seen.insert((item.span, item.ports.clone())) {
            let text = format!("opens {}, which the other end refuses", item.ports);
            finding = finding.at_opt(item.span, text);
        }
    }
    if let Some((span, object)) = refused.first().and_then(|r| closing(cx, view, r.pair)) {
        finding = finding.at_opt(span, format!("`{object}` closes the other end"));
    }
    let finding = finding
        .note(format!("refused: {}", names.list(group())))
        .help(advice);
    match refused.first() {
        Some(item) => cx.shown(finding, item.pair, item.port, Expect::Refused),
        None => finding,
    }
}

/// A policy that isolates the other end.
fn closing(
    cx: &Context<'_>,
    view: RuleView<'_>,
    (source, destination): (EndpointId, EndpointId),
) -> Option<(Option<Span>, String)> {
    let index = match view.direction {
        Direction::Ingress => cx.engine.isolating(Direction::Egress, source).first()?,
        Direction::Egress => cx
            .engine
            .isolating(Direction::Ingress, destination)
            .first()?,
    };
    let policy = cx.world.network_policies.get(*index)?;
    Some((policy.origin.0, policy.object.to_string()))
}
