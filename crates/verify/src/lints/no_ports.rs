//! Rules that name callers and no ports.

use super::Lint;
use super::context::{Context, Expect, RuleView};
use super::{open_rule, split_rule};
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{Direction, NamespaceMatch, Peer, Protocol};
use std::collections::BTreeSet;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-ports",
    code: "PAL0611",
    severity: Severity::Note,
    summary: "A rule names callers of another workload and no ports, so they reach every port.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let explained: BTreeSet<Option<Span>> = split_rule::check(cx)
        .iter()
        .flat_map(|finding| finding.labels.iter().map(|label| Some(label.span)))
        .collect();
    let rules = cx.rules().into_iter();
    rules
        .filter(|view| !explained.contains(&view.rule.origin.0))
        .filter_map(|view| describe(cx, view))
        .collect()
}

fn describe(cx: &Context<'_>, view: RuleView<'_>) -> Option<Diagnostic> {
    let peers = view.rule.peers.as_deref()?;
    let own = &view.policy.object.namespace;
    // "All of my own namespace" is a choice of its own, and an open rule another lint's.
    let same_namespace = |peer: &Peer| {
        matches!(peer, Peer::Pods { namespaces: NamespaceMatch::Named(name), pods }
            if name == own && pods.is_everything())
    };
    if view.rule.ports.is_some()
        || view.direction == Direction::Egress
        || open_rule::everybody(view).is_some()
        || peers.iter().all(same_namespace)
        || view.written.is_some_and(|w| w.empty_ports.is_some())
    {
        return None;
    }
    let subjects = cx.subjects(view.index);
    let first = subjects.first()?;
    let callers = || peers.iter().flat_map(|peer| cx.peer(peer).to_vec());
    if callers().all(|e| !cx.engine.is_source(e)) {
        return None;
    }
    let declared = &cx.engine.pod(*first)?.container_ports;
    let finding = LINT
        .finding(format!(
            "`{}` admits its callers on every port",
            view.policy.object
        ))
        .at_opt(view.rule.origin.0, "a rule without `ports`")
        .note(format!(
            "declared by {}: {declared}",
            cx.names().few([*first])
        ))
        .help("add the ports that the callers need");
    for subject in subjects {
        let declared = &cx.engine.pod(*subject)?.container_ports;
        // A port that nobody declares shows that the rule leaves nothing out.
        let other = (1024..).find(|port| !declared.contains(Protocol::Tcp, *port))?;
        let port = (Protocol::Tcp, other);
        if let Some(source) = callers().find(|source| cx.passes(*source, *subject, port)) {
            return Some(cx.shown(finding, (source, *subject), port, Expect::Passes));
        }
    }
    // The mesh may close what the rule opens; the rule is as wide nevertheless.
    Some(finding)
}
