//! Namespaces that protect what is there, and not what may come.

use super::Lint;
use super::context::Context;
use super::no_policy::is_system;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{AdminAction, AdminPeer, Direction, NamespacedPods};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-default-deny",
    code: "PAL0609",
    severity: Severity::Note,
    summary: "Policies select every pod of a namespace by its labels; the next workload would be open.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let names = cx.world.namespaces.keys().map(String::as_str);
    let mut open: Vec<(&str, Option<Span>)> = names
        .filter(|name| !is_system(name) && is_covered_by_labels(cx, name))
        .filter(|name| !is_closed_by_administrators(cx, name))
        .map(|name| (name, first_policy(cx, name)))
        .collect();
    open.retain(|(_, span)| !cx.skips(&LINT, *span));
    let Some((first, _)) = open.first() else {
        return Vec::new();
    };
    let title = match open.len() {
        1 => format!("a new workload in `{first}` would be open to everybody"),
        n => format!(
            "new workloads in {n} namespaces would be open to everybody: `{first}` and {} more",
            n - 1
        ),
    };
    let mut finding = LINT.finding(title);
    for (name, span) in &open {
        finding = finding.at_opt(*span, format!("every policy of `{name}` asks for labels"));
    }
    vec![finding.help("add a policy with `podSelector: {}`, `policyTypes: [Ingress]` and no rules")]
}

fn is_covered_by_labels(cx: &Context<'_>, name: &str) -> bool {
    let pods = cx.selectable_in(name);
    let all_closed = pods
        .iter()
        .all(|e| !cx.engine.isolating(Direction::Ingress, *e).is_empty());
    let mut here = cx
        .world
        .network_policies
        .iter()
        .filter(|policy| policy.object.namespace == name);
    !pods.is_empty()
        && all_closed
        && !here.any(|policy| policy.ingress.is_some() && policy.pod_selector.is_everything())
}

/// Whether a policy of administrators refuses every other pod to whatever comes into the namespace.
fn is_closed_by_administrators(cx: &Context<'_>, name: &str) -> bool {
    let Some(labels) = cx.world.namespace_labels(name) else {
        return false;
    };
    let means_all =
        |pods: &NamespacedPods| pods.namespaces.is_everything() && pods.pods.is_everything();
    let everybody = |peer: &AdminPeer| matches!(peer, AdminPeer::Pods(pods) if means_all(pods));
    cx.world.admin_policies.iter().any(|policy| {
        policy.subject.pods.is_everything()
            && policy.subject.namespaces.matches(labels)
            && policy.ingress.iter().any(|rule| {
                rule.action == AdminAction::Deny
                    && rule.ports.is_none()
                    && rule.peers.iter().any(everybody)
            })
    })
}

fn first_policy(cx: &Context<'_>, name: &str) -> Option<Span> {
    let mut policies = cx.world.network_policies.iter();
    policies
        .find(|policy| policy.object.namespace == name)?
        .origin
        .0
}
