//! Policies whose selectors take no pod: NetworkPolicies, and mesh policies without a proxy to act on.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity, did_you_mean};
use palisade_netmodel::{LabelRequirement, NetworkPolicy, Operator, Proxy};
use std::collections::BTreeSet;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "policy-selects-nothing",
    code: "PAL0603",
    severity: Severity::Warning,
    summary: "A policy selects no pod of its namespace, or a mesh policy no pod with a proxy, so it does nothing.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (_, policy, written) in cx.policies() {
        // The empty selector waits for pods to come, on purpose.
        if policy.pod_selector.is_everything() || selects_any(cx, policy) {
            continue;
        }
        let namespace = &policy.object.namespace;
        let span = written.and_then(|w| w.pod_selector).or(policy.origin.0);
        let title = format!("`{}` selects no pod", policy.object);
        if cx.pods_in(namespace).is_empty() {
            out.push(
                LINT.note(title)
                    .at_opt(span, format!("the input shows no pod of `{namespace}`"))
                    .help("check the namespace of the policy, or give the workloads as well"),
            );
            continue;
        }
        let mut finding = LINT
            .finding(title)
            .at_opt(span, format!("no pod of `{namespace}` has these labels"));
        let wrong = policy.pod_selector.requirements.iter();
        for advice in wrong.filter_map(|requirement| near(cx, namespace, requirement)) {
            finding = finding.help(advice);
        }
        out.push(finding.help("correct the labels, or remove the policy if its pods are gone"));
    }
    out.extend(without_proxy(cx));
    out
}

/// Mesh policies of a namespace that has pods, none of them with a proxy that would act on it.
fn without_proxy(cx: &Context<'_>) -> Vec<Diagnostic> {
    let authentications = cx.world.peer_authentications.iter();
    let authentications =
        authentications.map(|p| ("PeerAuthentication", &p.object, &p.selector, p.origin));
    let authorizations = cx
        .world
        .authorization_policies
        .iter()
        .filter(|p| p.targets.is_empty());
    let authorizations =
        authorizations.map(|p| ("AuthorizationPolicy", &p.object, &p.selector, p.origin));
    let mut out = Vec::new();
    for (kind, object, selector, origin) in authentications.chain(authorizations) {
        let in_root = object.namespace == cx.world.mesh.root_namespace;
        if in_root || !cx.has_pods(&object.namespace) {
            continue;
        }
        let mut here = cx
            .pods_in(&object.namespace)
            .iter()
            .filter_map(|e| cx.engine.pod(*e));
        let acts = here.any(|pod| {
            !matches!(pod.template.proxy, Proxy::None { .. }) && pod.labels.include(selector)
        });
        if !acts {
            out.push(
                LINT.finding(format!("{kind} `{object}` acts on no pod"))
                    .at_opt(origin.0, "no pod that it selects has a sidecar")
                    .help("correct its selector, or let the pods be injected: label the namespace `istio-injection: enabled` and restart them"),
            );
        }
    }
    out
}

/// Whether any pod has the labels, also one on the host network, which another lint judges, or one
/// that does not run now.
fn selects_any(cx: &Context<'_>, policy: &NetworkPolicy) -> bool {
    let here = cx.pods_in(&policy.object.namespace).iter();
    here.filter_map(|e| cx.engine.pod(*e))
        .any(|pod| !pod.host_group && policy.pod_selector.matches(&pod.labels))
}

/// A value of the same label that is nearly the one asked for.
pub(super) fn near(
    cx: &Context<'_>,
    namespace: &str,
    requirement: &LabelRequirement,
) -> Option<String> {
    let pods = cx
        .pods_in(namespace)
        .iter()
        .filter_map(|e| cx.engine.pod(*e));
    let pods: Vec<_> = pods.collect();
    if pods.iter().any(|pod| requirement.matches(&pod.labels)) {
        return None;
    }
    let Operator::In(values) = &requirement.operator else {
        return None;
    };
    let wanted = values.first()?;
    let values: BTreeSet<&str> = pods
        .iter()
        .filter_map(|pod| pod.labels.get(&requirement.key))
        .collect();
    if let Some(value) = did_you_mean(wanted, values) {
        return Some(format!(
            "write `{}: {value}`, which is there",
            requirement.key
        ));
    }
    let keys: BTreeSet<&str> = pods.iter().flat_map(|pod| pod.labels.keys()).collect();
    let key = did_you_mean(&requirement.key, keys)?;
    Some(format!("write the key `{key}`, which is there"))
}
