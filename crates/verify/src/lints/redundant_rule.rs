//! Rules, peers and policies that add nothing.

use super::Lint;
use super::context::{Context, RuleView};
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, NetworkPolicy, Peer, PolicyPort, PortSet};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "redundant-rule",
    code: "PAL0621",
    severity: Severity::Note,
    summary: "A rule, peer or policy repeats what another one admits already.",
    check,
};

/// Rules of one direction that are compared with each other.
const MAX_RULES: usize = 500;

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (index, policy, _) in cx.policies() {
        for direction in [Direction::Ingress, Direction::Egress] {
            let rules = cx.rules_of(index, direction);
            out.extend(rules.iter().filter_map(|view| twice(*view)));
            if rules.len() <= MAX_RULES {
                out.extend(covered(policy, &rules));
            }
        }
    }
    out.extend(same_policies(cx));
    out
}

/// A peer that stands twice in a rule.
fn twice(view: RuleView<'_>) -> Option<Diagnostic> {
    let peers = view.rule.peers.as_deref()?;
    let (second, first) = peers.iter().enumerate().find_map(|(second, peer)| {
        let first = peers.iter().take(second).position(|other| other == peer)?;
        Some((second, first))
    })?;
    Some(
        LINT.note(format!("`{}` names a peer twice", view.policy.object))
            .at_opt(view.peer_span(second), "again here")
            .at_opt(view.peer_span(first), "first here")
            .help("remove one of the two"),
    )
}

/// Rules that another rule of the same policy contains.
fn covered(policy: &NetworkPolicy, rules: &[RuleView<'_>]) -> Option<Diagnostic> {
    let mut finding: Option<Diagnostic> = None;
    for (index, inner) in rules.iter().enumerate() {
        let wider = rules.iter().enumerate().find(|(other, outer)| {
            // Of two equal rules the later one is the repetition.
            *other != index && contains(outer, inner) && (*other < index || !contains(inner, outer))
        });
        if let Some((_, outer)) = wider {
            let title = format!("a rule of `{}` adds nothing to another one", policy.object);
            let base = finding
                .unwrap_or_else(|| LINT.note(title).help("remove the rule that adds nothing"));
            finding = Some(
                base.at_opt(inner.rule.origin.0, "adds nothing")
                    .at_opt(outer.rule.origin.0, "admits all of it"),
            );
        }
    }
    finding
}

fn contains(outer: &RuleView<'_>, inner: &RuleView<'_>) -> bool {
    let peers = match (&outer.rule.peers, &inner.rule.peers) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(outer), Some(inner)) => inner
            .iter()
            .all(|peer| outer.iter().any(|o| holds(o, peer))),
    };
    peers && ports_contain(outer.rule.ports.as_deref(), inner.rule.ports.as_deref())
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

/// Policies of one namespace that are equal but for their names.
fn same_policies(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let all = &cx.world.network_policies;
    for (index, policy) in all.iter().enumerate() {
        // The world sorts policies by namespace.
        let before = all.iter().take(index).rev();
        let mut here = before.take_while(|p| p.object.namespace == policy.object.namespace);
        let equal = here.find(|other| is_same(other, policy));
        if let Some(other) = equal {
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
