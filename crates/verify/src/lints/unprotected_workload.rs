//! Workloads that no policy selects, in namespaces that have policies.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{Direction, Operator};
use std::collections::BTreeMap;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "unprotected-workload",
    code: "PAL0608",
    severity: Severity::Warning,
    summary: "A namespace has policies and a workload that none of them selects.",
    check,
};

/// A workload: its place and its pods.
type Open = (Option<Span>, Vec<EndpointId>);

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for namespace in cx.world.namespaces.keys() {
        for direction in [Direction::Ingress, Direction::Egress] {
            let pods = cx.selectable_in(namespace);
            let isolated = |e: &EndpointId| {
                !cx.engine.isolating(direction, *e).is_empty()
                    || (direction == Direction::Egress && cx.administrators_lock_in(*e))
            };
            let (closed, open): (Vec<EndpointId>, Vec<EndpointId>) =
                pods.iter().partition(|e| isolated(e));
            if closed.is_empty() || open.is_empty() {
                continue;
            }
            let open = by_workload(cx, &open);
            if !open.is_empty() {
                out.push(describe(cx, namespace, direction, &open));
            }
        }
    }
    out
}

/// Workloads whose annotations do not switch the lint off.
fn by_workload(cx: &Context<'_>, pods: &[EndpointId]) -> Vec<Open> {
    let mut found: BTreeMap<_, Open> = BTreeMap::new();
    for endpoint in pods {
        let span = cx.engine.pod(*endpoint).and_then(|pod| pod.origin.0);
        let entry = found
            .entry(cx.workload(*endpoint))
            .or_insert((span, Vec::new()));
        entry.1.push(*endpoint);
    }
    let found = found.into_values();
    let mut found: Vec<Open> = found.filter(|(span, _)| !cx.skips(&LINT, *span)).collect();
    found.sort();
    found
}

fn describe(cx: &Context<'_>, namespace: &str, direction: Direction, open: &[Open]) -> Diagnostic {
    let all = || open.iter().flat_map(|(_, pods)| pods.iter().copied());
    let few = cx.names().few(all());
    let mut finding = match direction {
        Direction::Ingress => LINT.finding(format!("no policy of `{namespace}` selects {few}")),
        Direction::Egress => LINT.note(format!(
            "no policy of `{namespace}` isolates {few} for egress, while others there are isolated"
        )),
    };
    for (span, _) in open {
        finding = finding.at_opt(*span, "no NetworkPolicy isolates it in this direction");
    }
    if let Some(label) = missing_label(cx, namespace, direction, open) {
        finding = finding.help(label);
    }
    let finding = match direction {
        Direction::Ingress => finding.help(format!(
            "add a policy for it, or one for the whole of `{namespace}` that closes: `podSelector: {{}}`, `policyTypes: [Ingress]`"
        )),
        Direction::Egress => return finding.help("add a policy with `policyTypes: [Egress]` for it"),
    };
    for pod in all() {
        if let Some((source, port)) = cx.way_in(pod) {
            return cx.shown(finding, (source, pod), port, Expect::Passes);
        }
    }
    finding
}

/// A workload whose name has the word of a label that a policy asks for: likely forgotten.
fn missing_label(
    cx: &Context<'_>,
    namespace: &str,
    direction: Direction,
    open: &[Open],
) -> Option<String> {
    let mut pods = open.iter().filter_map(|(_, pods)| pods.first().copied());
    pods.find_map(|endpoint| {
        let pod = cx.engine.pod(endpoint)?;
        let all = cx.world.network_policies.iter();
        let mut policies =
            all.filter(|p| p.object.namespace == *namespace && p.rules(direction).is_some());
        policies.find_map(|policy| {
            let mut missing = policy
                .pod_selector
                .requirements
                .iter()
                .filter(|r| !r.matches(&pod.labels));
            let only = missing
                .next()
                .filter(|r| pod.labels.get(&r.key).is_none())?;
            let Operator::In(values) = &only.operator else {
                return None;
            };
            let words = || pod.template.workload.name.split('-');
            let value = values
                .iter()
                .find(|value| words().any(|word| word == *value))?;
            let name = cx.names().few([endpoint]);
            let label = format!("`{}: {value}`", only.key);
            missing.next().is_none().then(|| {
                format!(
                    "the label {label} would put {name} under `{}`",
                    policy.object
                )
            })
        })
    })
}
