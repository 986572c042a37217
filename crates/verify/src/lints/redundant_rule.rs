//! Rules, peers and policies that add nothing.

use super::Lint;
use super::context::{Context, RuleView};
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{Direction, NetworkPolicy, Peer, PolicyPort, PortSet, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "redundant-rule",
    code: "PAL0621",
    severity: Severity::Note,
    summary: "A rule, peer or policy repeats what another one admits already.",
    check,
};

/// Peers of the rules of one namespace and direction that are compared with each other.
const MAX_PEERS: usize = 2000;

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let rules = cx.rules();
    let mut out: Vec<Diagnostic> = rules.iter().filter_map(|view| port_twice(*view)).collect();
    let same: Vec<(usize, usize)> = same_policies(cx);
    let mut groups: BTreeMap<(&str, Direction), Vec<Part<'_>>> = BTreeMap::new();
    for view in rules {
        if same.iter().all(|(again, _)| *again != view.index) {
            let key = (view.policy.object.namespace.as_str(), view.direction);
            groups.entry(key).or_default().extend(parts(view));
        }
    }
    for parts in groups.values().filter(|parts| parts.len() <= MAX_PEERS) {
        out.extend(covered(cx, parts));
    }
    let policies = &cx.world.network_policies;
    for (again, first) in same {
        if let (Some(policy), Some(other)) = (policies.get(again), policies.get(first)) {
            out.push(
                LINT.note(format!("`{}` repeats `{}`", policy.object, other.object))
                    .at_opt(policy.origin.0, "the same selector and rules")
                    .at_opt(other.origin.0, "as here")
                    .help("remove one of the two"),
            );
        }
    }
    out
}

/// A port that stands twice in a rule.
fn port_twice(view: RuleView<'_>) -> Option<Diagnostic> {
    let (second, first) = repeated(view.rule.ports.as_deref()?)?;
    Some(
        LINT.note(format!("`{}` names a port twice", view.policy.object))
            .at_opt(view.port_span(second), "again here")
            .at_opt(view.port_span(first), "first here")
            .help("remove one of the two"),
    )
}

/// The first item that stands twice in a list: index of the repetition, and of the first.
fn repeated<T: Ord>(list: &[T]) -> Option<(usize, usize)> {
    let mut seen: BTreeMap<&T, usize> = BTreeMap::new();
    list.iter()
        .enumerate()
        .find_map(|(second, item)| Some((second, seen.insert(item, second)?)))
}

/// A peer of a rule; `None` where the rule means everybody.
#[derive(Clone, Copy)]
struct Part<'a> {
    view: RuleView<'a>,
    peer: Option<&'a Peer>,
    span: Option<Span>,
}

fn parts(view: RuleView<'_>) -> Vec<Part<'_>> {
    let part = |peer, span| Part { view, peer, span };
    let Some(peers) = &view.rule.peers else {
        return vec![part(None, view.rule.origin.0)];
    };
    let peers = peers.iter().enumerate();
    peers
        .map(|(index, peer)| part(Some(peer), view.peer_span(index)))
        .collect()
}

/// For each policy the peers whose connections other rules let pass already.
fn covered(cx: &Context<'_>, parts: &[Part<'_>]) -> Vec<Diagnostic> {
    let mut found: BTreeMap<usize, Vec<(Part<'_>, Part<'_>)>> = BTreeMap::new();
    for (index, inner) in parts.iter().enumerate() {
        // A peer that means nobody is another lint's.
        let means_nobody =
            matches!(inner.peer, Some(peer @ Peer::Pods { .. }) if cx.peer(peer).is_empty());
        if means_nobody {
            continue;
        }
        let outer = parts.iter().enumerate().find(|(other, outer)| {
            // Of two equal ones the later is the repetition.
            *other != index && contains(outer, inner) && (*other < index || !contains(inner, outer))
        });
        if let Some((_, outer)) = outer {
            let here = found.entry(inner.view.index).or_default();
            here.push((*inner, *outer));
        }
    }
    found
        .into_values()
        .filter_map(|list| describe(&list))
        .collect()
}

fn describe(list: &[(Part<'_>, Part<'_>)]) -> Option<Diagnostic> {
    let policy = &list.first()?.0.view.policy.object;
    let outers = list.iter().map(|(_, outer)| &outer.view.policy.object);
    let others: BTreeSet<_> = outers.filter(|other| *other != policy).collect();
    let mut finding = LINT.note(match others.first() {
        None => format!("`{policy}` admits something twice"),
        Some(other) => format!("`{policy}` repeats what `{other}` lets pass"),
    });
    let mut told = BTreeSet::new();
    for (inner, outer) in list {
        finding = finding.at_opt(inner.span, "adds nothing");
        if told.insert(outer.span) {
            let object = &outer.view.policy.object;
            finding = finding.at_opt(outer.span, format!("`{object}` lets all of it pass"));
        }
    }
    Some(finding.help("remove what adds nothing, or narrow what is wider than it is meant"))
}

/// Whether one peer with its rule and policy lets pass all that another one does.
fn contains(outer: &Part<'_>, inner: &Part<'_>) -> bool {
    let (wide, narrow) = (outer.view, inner.view);
    let subjects = &wide.policy.pod_selector.requirements;
    let peers = match (outer.peer, inner.peer) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => holds(outer, inner),
    };
    peers
        && subjects
            .iter()
            .all(|r| narrow.policy.pod_selector.requirements.contains(r))
        && ports_contain(wide.rule.ports.as_deref(), narrow.rule.ports.as_deref())
}

/// Whether a peer means everybody that another one means, as far as the texts show it.
fn holds(outer: &Peer, inner: &Peer) -> bool {
    match (outer, inner) {
        (a, b) if a == b => true,
        (
            Peer::Pods {
                namespaces: a,
                pods: x,
            },
            Peer::Pods {
                namespaces: b,
                pods: y,
            },
        ) => a == b && x.requirements.iter().all(|r| y.requirements.contains(r)),
        (Peer::Block { cidr: a, except }, Peer::Block { cidr: b, .. }) => {
            except.is_empty() && a.contains(b)
        }
        _ => false,
    }
}

fn ports_contain(outer: Option<&[PolicyPort]>, inner: Option<&[PolicyPort]>) -> bool {
    let (Some(outer), Some(inner)) = (outer, inner) else {
        return outer.is_none();
    };
    let numbers = |ports: &[PolicyPort]| {
        ports.iter().fold(PortSet::empty(), |set, port| match port {
            PolicyPort::Range {
                protocol,
                first,
                last,
            } => set.union(&PortSet::range(*protocol, *first, *last)),
            PolicyPort::Named { .. } => set,
        })
    };
    let names = |port: &&PolicyPort| matches!(port, PolicyPort::Named { .. });
    numbers(outer).covers(&numbers(inner))
        && inner.iter().filter(names).all(|name| outer.contains(name))
}

/// Policies of one namespace that are equal but for their names: the later and the earlier.
fn same_policies(cx: &Context<'_>) -> Vec<(usize, usize)> {
    let mut first: BTreeMap<(&str, &Selector), Vec<usize>> = BTreeMap::new();
    let mut out = Vec::new();
    for (index, policy, _) in cx.policies() {
        let key = (policy.object.namespace.as_str(), &policy.pod_selector);
        let known = first.entry(key).or_default();
        let is_known = |other: &&usize| {
            let other = cx.world.network_policies.get(**other);
            other.is_some_and(|other| is_same(other, policy))
        };
        match known.iter().find(is_known) {
            Some(other) => out.push((index, *other)),
            None => known.push(index),
        }
    }
    out
}

fn is_same(a: &NetworkPolicy, b: &NetworkPolicy) -> bool {
    let direction = |d| match (a.rules(d), b.rules(d)) {
        (None, None) => true,
        (Some(x), Some(y)) => {
            x.len() == y.len()
                && x.iter()
                    .zip(y)
                    .all(|(x, y)| x.peers == y.peers && x.ports == y.ports)
        }
        _ => false,
    };
    a.pod_selector == b.pod_selector
        && direction(Direction::Ingress)
        && direction(Direction::Egress)
}
