//! Policies of administrators of equal rank that disagree.

use super::Lint;
use super::context::Context;
use crate::engine::{AdminRuleId, EndpointId};
use crate::names::flow as flow_text;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{AdminPolicy, AdminRule, Direction, Flow, Outcome, Subject, reference};
use std::collections::{BTreeMap, BTreeSet};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "equal-priority",
    code: "PAL0660",
    severity: Severity::Warning,
    summary: "Two policies of administrators of equal rank disagree about a connection.",
    check,
};

/// Pairs of ends, and pairs of rules at them, that are compared.
const MAX_COMPARED: usize = 2_000_000;

/// Two policies, by their place in the world, the lower one first.
type Two = (usize, usize);

/// What shows that two policies disagree.
struct Shown {
    rules: (AdminRuleId, AdminRuleId),
    direction: Direction,
    flow: Flow,
}

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let wanted = rivals(cx);
    let mut found: BTreeMap<Two, Shown> = BTreeMap::new();
    let mut budget = MAX_COMPARED;
    for (direction, subject) in subjects(cx, &wanted) {
        for peer in cx.engine.endpoints() {
            if found.len() == wanted.len() || budget == 0 {
                break;
            }
            budget -= 1;
            look(cx, direction, (subject, peer), &mut found, &mut budget);
        }
    }
    let mut out: Vec<Diagnostic> = found.values().filter_map(|shown| tell(cx, shown)).collect();
    out.extend((budget == 0).then(|| too_many(cx, &wanted)));
    out
}

/// One endpoint of each kind that rivals may speak of: ends that the same policies select, and that
/// resolve names alike, disagree alike.
fn subjects(cx: &Context<'_>, wanted: &BTreeSet<Two>) -> Vec<(Direction, EndpointId)> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for subject in cx.engine.endpoints() {
        let signature = cx.engine.administrators_of(subject);
        let Some(pod) = cx.engine.pod(subject).filter(|_| signature != 0) else {
            continue;
        };
        if seen.insert((signature, &pod.template.named_ports)) {
            out.extend([Direction::Ingress, Direction::Egress].map(|d| (d, subject)));
        }
    }
    out
}

fn too_many(cx: &Context<'_>, wanted: &BTreeSet<Two>) -> Diagnostic {
    let first = wanted.first();
    let policy = first.and_then(|(a, _)| cx.world.admin_policies.get(*a));
    LINT.note("too many policies of equal rank: not all of them were compared")
        .at_opt(
            policy.and_then(|p| p.origin.0),
            "the first that has an equal",
        )
        .help("give each policy of administrators a priority of its own")
}

/// Pairs of policies that no document ranks: of equal priority, or of two versions.
fn rivals(cx: &Context<'_>) -> BTreeSet<Two> {
    let all: Vec<(usize, &AdminPolicy)> = cx.world.admin_policies.iter().enumerate().collect();
    let enforced = |p: &AdminPolicy| cx.world.profile.enforces(p.kind);
    let mut by_tier: BTreeMap<_, Vec<(usize, &AdminPolicy)>> = BTreeMap::new();
    for (index, policy) in all.into_iter().filter(|(_, p)| enforced(p)) {
        by_tier
            .entry(policy.tier)
            .or_default()
            .push((index, policy));
    }
    let mut out = BTreeSet::new();
    for tier in by_tier.values() {
        for (at, (a, first)) in tier.iter().enumerate() {
            let later = tier.iter().skip(at + 1);
            let equal = later.filter(|(_, other)| is_equal(first, other));
            out.extend(equal.map(|(b, _)| (*a, *b)));
            if out.len() > MAX_COMPARED {
                return out;
            }
        }
    }
    out
}

fn is_equal(a: &AdminPolicy, b: &AdminPolicy) -> bool {
    a.kind != b.kind || a.priority == b.priority
}

/// Adds what two ends show, if the reference agrees that it is not decided.
fn look(
    cx: &Context<'_>,
    direction: Direction,
    (subject, peer): (EndpointId, EndpointId),
    found: &mut BTreeMap<Two, Shown>,
    budget: &mut usize,
) {
    let (source, destination) = match direction {
        Direction::Ingress => (peer, subject),
        Direction::Egress => (subject, peer),
    };
    if !cx.engine.is_pair(source, destination) {
        return;
    }
    let all = cx
        .engine
        .disagreements(direction, source, destination, budget);
    for (a, b, ports) in all {
        let two = (a.policy, b.policy);
        if found.contains_key(&two) {
            continue;
        }
        let flow = ports
            .first()
            .and_then(|port| cx.engine.flow(source, destination, port));
        let open = |flow: &Flow| reference::decide(cx.world, flow).outcome == Outcome::Depends;
        if let Some(flow) = flow.filter(open) {
            found.insert(
                two,
                Shown {
                    rules: (a, b),
                    direction,
                    flow,
                },
            );
        }
    }
}

fn tell(cx: &Context<'_>, shown: &Shown) -> Option<Diagnostic> {
    let policy = |id: AdminRuleId| cx.world.admin_policies.get(id.policy);
    let (a, b) = (policy(shown.rules.0)?, policy(shown.rules.1)?);
    let rule = |of: &AdminPolicy, id: AdminRuleId| -> Option<AdminRule> {
        of.rules(shown.direction).get(id.rule).cloned()
    };
    let (first, second) = (rule(a, shown.rules.0)?, rule(b, shown.rules.1)?);
    let name = |of: &AdminPolicy| {
        Subject {
            kind: of.kind.name(),
            object: of.object.clone(),
        }
        .to_string()
    };
    let (how, help) = if a.kind == b.kind {
        (
            format!("have priority {}", a.priority),
            "give one of them another priority: lower numbers decide first",
        )
    } else {
        (
            "are of two versions of the API".to_owned(),
            "write both as ClusterNetworkPolicy, with different priorities",
        )
    };
    let finding = LINT
        .finding(format!(
            "{} and {} {how} in the {} tier, and disagree",
            name(a),
            name(b),
            a.tier
        ))
        .at_opt(first.origin.0, format!("{:?} here", first.action))
        .at_opt(second.origin.0, format!("{:?} here", second.action))
        .note("Which of them decides is left to the network plugin.")
        .help(help);
    Some(finding.witness(format!(
        "{} passes or is refused",
        flow_text(cx.world, &shown.flow)
    )))
}
