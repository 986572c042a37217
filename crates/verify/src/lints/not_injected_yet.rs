//! Running pods that started before their namespace was injected.

use super::Lint;
use super::context::Context;
use super::no_sidecar::is_injected;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::Proxy;
use std::collections::BTreeMap;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "not-injected-yet",
    code: "PAL0641",
    severity: Severity::Warning,
    summary: "A running pod has no sidecar, though its namespace is injected: it must be restarted.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut groups: BTreeMap<&str, BTreeMap<Option<Span>, EndpointId>> = BTreeMap::new();
    for endpoint in cx.engine.endpoints() {
        let Some(pod) = cx.engine.pod(endpoint) else {
            continue;
        };
        let missing = matches!(&pod.template.proxy, Proxy::None { reason } if reason.starts_with("the running pod"))
            && cx.engine.is_source(endpoint)
            && is_injected(cx, &pod.template.namespace)
            && pod.labels.get("sidecar.istio.io/inject") != Some("false");
        if missing && !cx.skips(&LINT, pod.origin.0) {
            let here = groups.entry(&pod.template.namespace).or_default();
            here.insert(pod.origin.0, endpoint);
        }
    }
    let groups = groups.into_iter();
    groups
        .map(|(namespace, pods)| {
            let mut finding = LINT.finding(format!(
                "{} runs without a sidecar, though `{namespace}` is injected",
                cx.names().few(pods.values().copied())
            ));
            for span in pods.keys() {
                finding =
                    finding.at_opt(*span, "started before injection was on, or while it failed");
            }
            finding.help("restart it: `kubectl rollout restart` of its workload")
        })
        .collect()
}
