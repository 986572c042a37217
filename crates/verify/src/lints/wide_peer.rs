//! Rules that mean far more than one caller or destination.

use super::context::{Context, Expect, RuleView};
use super::{Lint, open_rule, peer_selects_nothing, split_peer};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{Direction, NamespaceMatch, Peer, PolicyPort, Protocol};
use std::collections::{BTreeMap, BTreeSet};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "wide-peer",
    code: "PAL0647",
    severity: Severity::Note,
    summary: "A rule means everybody, every address, every namespace, or a whole namespace.",
    check,
};

/// Pairs that are tried for a witness.
const MAX_TRIED: usize = 200;

/// A rule, and the peer that is wide; `None` where the rule names no peers.
type Wide<'a> = (RuleView<'a>, Option<(usize, &'a Peer)>);

/// Source, destination, port.
type Shown = (EndpointId, EndpointId, (Protocol, u16));

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let explained = explained(cx);
    let mut groups: BTreeMap<(Direction, String), Vec<Wide<'_>>> = BTreeMap::new();
    for view in cx.rules() {
        // A rule that is wide open is another lint's.
        if open_rule::everybody(view).is_some() || is_empty_list(view) {
            continue;
        }
        let peers = view.rule.peers.as_deref();
        let wide: Vec<Option<(usize, &Peer)>> = match peers {
            // The servers that resolve names are rarely named, and not always pods.
            None if is_dns(view) => continue,
            None => vec![None],
            Some(peers) => peers.iter().enumerate().map(Some).collect(),
        };
        for peer in wide {
            let span = place((view, peer));
            let Some(who) = who(cx, view, peer.map(|(_, peer)| peer)) else {
                continue;
            };
            if !explained.contains(&span) && !cx.skips(&LINT, span) {
                let key = (view.direction, who);
                groups.entry(key).or_default().push((view, peer));
            }
        }
    }
    let groups = groups.into_iter();
    groups
        .filter_map(|((direction, who), places)| describe(cx, direction, &who, &places))
        .collect()
}

/// The places that another lint tells better.
fn explained(cx: &Context<'_>) -> BTreeSet<Option<Span>> {
    let splits = split_peer::splits(cx);
    let splits = splits.iter();
    splits
        .map(|split| split.rule.peer_span(split.whole))
        .collect()
}

fn place((view, peer): Wide<'_>) -> Option<Span> {
    match peer {
        Some((index, _)) => view.peer_span(index),
        None => view.rule.origin.0,
    }
}

fn is_empty_list(view: RuleView<'_>) -> bool {
    view.written.is_some_and(|w| w.empty_peers.is_some())
}

fn is_dns(view: RuleView<'_>) -> bool {
    let dns = |port: &PolicyPort| match port {
        PolicyPort::Range { first, last, .. } => first == last && [53, 5353].contains(first),
        PolicyPort::Named { name, .. } => name.starts_with("dns"),
    };
    let ports = view.rule.ports.as_deref();
    view.direction == Direction::Egress
        && ports.is_some_and(|ports| !ports.is_empty() && ports.iter().all(dns))
}

/// Whom a peer means, if that is wide.
fn who(cx: &Context<'_>, view: RuleView<'_>, peer: Option<&Peer>) -> Option<String> {
    let Some(peer) = peer else {
        return Some("everybody".to_owned());
    };
    let Peer::Pods { namespaces, pods } = peer else {
        return every_address(peer);
    };
    let anywhere = matches!(namespaces, NamespaceMatch::Selector(s) if s.is_everything());
    match (anywhere, pods.is_everything()) {
        (true, true) => Some("every pod of the cluster".to_owned()),
        // Who may run pods in any namespace may give them these labels.
        (true, false) => (view.direction == Direction::Ingress)
            .then(|| format!("pods labelled `{pods}` of any namespace")),
        (false, true) => whole_namespaces(cx, view, peer),
        (false, false) => None,
    }
}

fn every_address(peer: &Peer) -> Option<String> {
    match peer {
        Peer::Block { cidr, except } if cidr.prefix_len() == 0 && except.is_empty() => {
            Some(format!("every address (`{cidr}`)"))
        }
        _ => None,
    }
}

/// Every pod of other namespaces. "All of my own namespace" is a choice of its own.
fn whole_namespaces(cx: &Context<'_>, view: RuleView<'_>, peer: &Peer) -> Option<String> {
    let Peer::Pods { namespaces, .. } = peer else {
        return None;
    };
    if peer_selects_nothing::is_platform(namespaces) {
        return None;
    }
    let meant = cx.peer(peer);
    let names: BTreeSet<&str> = meant
        .iter()
        .filter_map(|e| cx.engine.pod(*e))
        .map(|pod| pod.template.namespace.as_str())
        .filter(|name| *name != view.policy.object.namespace)
        .collect();
    let first = names.first()?;
    Some(match names.len() {
        1 => format!("every pod of `{first}`"),
        n => format!("every pod of {n} namespaces, `{first}` among them"),
    })
}

fn describe(
    cx: &Context<'_>,
    direction: Direction,
    who: &str,
    places: &[Wide<'_>],
) -> Option<Diagnostic> {
    let (first, _) = places.first()?;
    let object = &first.policy.object;
    let mut others: BTreeSet<_> = places.iter().map(|(view, _)| &view.policy.object).collect();
    others.remove(object);
    let verb = match (direction, others.len()) {
        (Direction::Ingress, 0) => format!("`{object}` admits"),
        (Direction::Ingress, n) => format!("`{object}` and {n} more admit"),
        (Direction::Egress, 0) => format!("`{object}` lets out to"),
        (Direction::Egress, n) => format!("`{object}` and {n} more let out to"),
    };
    let mut finding = LINT.note(format!("{verb} {who}"));
    for wide in places {
        finding = finding.at_opt(place(*wide), today(cx, *wide));
    }
    let finding = match direction {
        Direction::Ingress => finding.help(
            "name the callers by the labels of their namespace and of their pods, in one item",
        ),
        Direction::Egress => finding.help(
            "name the destinations by the labels of their namespace and of their pods, in one item",
        ),
    };
    Some(match passing(cx, places) {
        Some((source, destination, port)) => {
            cx.shown(finding, (source, destination), port, Expect::Passes)
        }
        None => finding,
    })
}

/// How much that is with the pods of the input.
fn today(cx: &Context<'_>, (_, peer): Wide<'_>) -> String {
    let Some((_, peer @ Peer::Pods { .. })) = peer else {
        return "no selector narrows it".to_owned();
    };
    match cx.workloads(cx.peer(peer).iter().copied()).len() {
        1 => "one workload today".to_owned(),
        n => format!("{n} workloads today"),
    }
}

/// A connection that one of such rules lets pass.
fn passing(cx: &Context<'_>, places: &[Wide<'_>]) -> Option<Shown> {
    let pairs = places.iter().flat_map(|wide| pairs(cx, *wide));
    pairs
        .take(MAX_TRIED)
        .find_map(|(view, source, destination)| {
            let port = match cx.engine.pod(destination) {
                Some(_) => cx.sample_port(view.rule, destination)?,
                None => cx
                    .engine
                    .ports_at(view.rule.ports.as_deref(), destination)
                    .first()?,
            };
            let passes = cx.passes(source, destination, port);
            passes.then_some((source, destination, port))
        })
}

/// The pairs of ends that a peer of a rule means.
fn pairs<'c, 'w>(
    cx: &'c Context<'w>,
    (view, peer): Wide<'w>,
) -> impl Iterator<Item = (RuleView<'w>, EndpointId, EndpointId)> + use<'c, 'w> {
    let meant: Vec<EndpointId> = match peer {
        Some((_, peer @ Peer::Pods { .. })) => cx.peer(peer).to_vec(),
        _ => cx.addresses().to_vec(),
    };
    let subjects = cx.subjects(view.index).iter();
    subjects.flat_map(move |subject| {
        let pairs = meant.clone().into_iter();
        let subject = *subject;
        pairs.map(move |peer| match view.direction {
            Direction::Ingress => (view, peer, subject),
            Direction::Egress => (view, subject, peer),
        })
    })
}
