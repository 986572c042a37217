//! A policy that applies to more workloads than the one it is made for.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, NetworkPolicy};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "broad-policy",
    code: "PAL0606",
    severity: Severity::Warning,
    summary: "A policy named after one workload also applies to others, because its selector lacks a label.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let policies = cx.policies();
    policies
        .filter_map(|(index, policy, _)| judge(cx, index, policy))
        .collect()
}

fn judge(cx: &Context<'_>, index: usize, policy: &NetworkPolicy) -> Option<Diagnostic> {
    // A policy without rules closes, which is no opening too many.
    let opens = [Direction::Ingress, Direction::Egress]
        .iter()
        .any(|d| policy.rules(*d).is_some_and(|rules| !rules.is_empty()));
    if policy.pod_selector.is_everything() || !opens {
        return None;
    }
    let name = policy.object.name.as_str();
    let is_named = |e: &EndpointId| {
        cx.workload(*e)
            .is_some_and(|(_, _, workload)| workload == name)
    };
    let (named, others): (Vec<EndpointId>, Vec<EndpointId>) =
        cx.subjects(index).iter().partition(|e| is_named(e));
    let (own, other) = (named.first()?, others.first()?);
    let names = cx.names();
    // Where the others have policies of their own with the same selector, the label was forgotten.
    let mut theirs = others.iter().filter_map(|e| cx.workload(*e));
    let forgotten = theirs.any(|(namespace, _, workload)| {
        cx.world.network_policies.iter().any(|p| {
            p.object.namespace == namespace
                && p.object.name == workload
                && p.pod_selector == policy.pod_selector
        })
    });
    let title = format!(
        "`{}` is named after one workload and also applies to {}",
        policy.object,
        names.few(others.iter().copied())
    );
    let finding = if forgotten {
        LINT.finding(title)
    } else {
        LINT.note(title)
    };
    let finding = finding
        .at_opt(policy.origin.0, format!("selects {}", policy.pod_selector))
        .note(format!("also: {}", names.list(others.iter().copied())));
    let finding = match own_label(cx, *own, &others) {
        Some(label) => finding.help(format!("add `{label}` to its `podSelector`")),
        None => finding.help("add a label to its `podSelector` that only this workload has"),
    };
    Some(witness(cx, finding, index, *other))
}

/// A label of the named workload that none of the others has.
fn own_label(cx: &Context<'_>, own: EndpointId, others: &[EndpointId]) -> Option<String> {
    let generated = [
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
    ];
    let mut labels = cx.engine.pod(own)?.labels.iter();
    let (key, value) = labels.find(|(key, value)| {
        !generated.contains(key)
            && others.iter().all(|e| {
                let pod = cx.engine.pod(*e);
                pod.is_none_or(|pod| pod.labels.get(key) != Some(value))
            })
    })?;
    Some(format!("{key}: {value}"))
}

/// A connection that a rule of this policy lets to a workload that it is not named after.
fn witness(cx: &Context<'_>, finding: Diagnostic, index: usize, other: EndpointId) -> Diagnostic {
    for view in cx.rules_of(index, Direction::Ingress) {
        let Some(port) = cx.sample_port(view.rule, other) else {
            continue;
        };
        let admitted = |e: EndpointId| {
            let rule = cx.engine.admitting_rule(Direction::Ingress, e, other, port);
            rule.is_some_and(|id| id.policy == index)
        };
        if let Some((source, port)) = cx.open_to(other, &[port], admitted) {
            return cx.shown(finding, (source, other), port, Expect::Passes);
        }
    }
    finding
}
