//! Namespaces without any policy.

use super::Lint;
use super::context::{Context, Expect};
use palisade_diagnostics::{Diagnostic, Severity, Span};
use std::collections::BTreeSet;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-policy",
    code: "PAL0607",
    severity: Severity::Warning,
    summary: "A namespace has pods and no NetworkPolicy, so nothing closes them.",
    check,
};

/// Whether a namespace is the cluster's own, which its installer looks after.
pub(super) fn is_system(name: &str) -> bool {
    ["kube-", "openshift-"]
        .iter()
        .any(|start| name.starts_with(start))
}

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let with: BTreeSet<&str> = cx
        .world
        .network_policies
        .iter()
        .map(|policy| policy.object.namespace.as_str())
        .collect();
    let open: Vec<(&str, Option<Span>)> = cx
        .world
        .namespaces
        .keys()
        .map(String::as_str)
        .filter(|name| !is_system(name) && !with.contains(name) && cx.has_pods(name))
        .map(|name| (name, place(cx, name)))
        .filter(|(_, span)| !cx.skips(&LINT, *span))
        .collect();
    let Some((first, _)) = open.first() else {
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
    for (name, span) in &open {
        finding = finding.at_opt(*span, format!("nothing closes the pods of `{name}`"));
    }
    let finding = finding.help(
        "begin with a policy that closes: `podSelector: {}`, `policyTypes: [Ingress]`, no rules; then admit each caller",
    );
    vec![witness(cx, finding, &open)]
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

fn witness(cx: &Context<'_>, finding: Diagnostic, open: &[(&str, Option<Span>)]) -> Diagnostic {
    for pod in open.iter().flat_map(|(name, _)| cx.selectable_in(name)) {
        let port = cx.any_port(pod);
        if let Some((source, port)) = cx.open_to(pod, &[port], |_| true) {
            return cx.shown(finding, (source, pod), port, Expect::Passes);
        }
    }
    finding
}
