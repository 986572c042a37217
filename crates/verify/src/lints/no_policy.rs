//! Namespaces without any policy.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::Protocol;
use std::collections::BTreeSet;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-policy",
    code: "PAL0607",
    severity: Severity::Warning,
    summary: "A namespace has pods and no NetworkPolicy, so the network is open to them.",
    check,
};

/// Whether a namespace is the cluster's own, which its installer looks after.
pub(super) fn is_system(name: &str) -> bool {
    ["kube-", "openshift-"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// A namespace: its name and place, and a connection into it.
type Open<'w> = (&'w str, Option<Span>, Shown);

/// Source, pod, port.
type Shown = (EndpointId, EndpointId, (Protocol, u16));

/// Pods of a namespace that are tried for a connection that passes.
const MAX_TRIED: usize = 20;

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let with: BTreeSet<&str> = cx
        .world
        .network_policies
        .iter()
        .map(|policy| policy.object.namespace.as_str())
        .collect();
    // Administrators or the mesh may close what no NetworkPolicy does: only what passes counts.
    let open: Vec<Open<'_>> = cx
        .world
        .namespaces
        .keys()
        .map(String::as_str)
        .filter(|name| !is_system(name) && !with.contains(name))
        .filter_map(|name| Some((name, place(cx, name), way_in(cx, name)?)))
        .filter(|(_, span, _)| !cx.skips(&LINT, *span))
        .collect();
    let Some((first, _, (source, pod, port))) = open.first() else {
        return Vec::new();
    };
    let title = match open.len() {
        1 => format!("namespace `{first}` has pods and no NetworkPolicy"),
        n => format!(
            "{n} namespaces have pods and no NetworkPolicy: `{first}` and {} more",
            n - 1
        ),
    };
    let mut finding = LINT.finding(title);
    for (name, span, _) in &open {
        finding = finding.at_opt(
            *span,
            format!("no NetworkPolicy isolates the pods of `{name}`"),
        );
    }
    let finding = finding.help(
        "begin with a policy that closes: `podSelector: {}`, `policyTypes: [Ingress]`, no rules; then admit each caller",
    );
    vec![cx.shown(finding, (*source, *pod), *port, Expect::Passes)]
}

/// The Namespace, else the first of its pods.
fn place(cx: &Context<'_>, name: &str) -> Option<Span> {
    let namespace = cx.world.namespaces.get(name).and_then(|n| n.origin.0);
    let pod = || {
        cx.pods_in(name)
            .iter()
            .find_map(|e| cx.engine.pod(*e)?.origin.0)
    };
    namespace.or_else(pod)
}

/// A connection that passes into a namespace.
fn way_in(cx: &Context<'_>, name: &str) -> Option<Shown> {
    let pods = cx.selectable_in(name).into_iter().take(MAX_TRIED);
    let mut pods = pods.into_iter();
    pods.find_map(|pod| {
        let (source, port) = cx.way_in(pod)?;
        Some((source, pod, port))
    })
}
