//! Pods without a sidecar in a mesh that demands mTLS.

use super::Lint;
use super::context::{Context, Expect};
use super::no_policy::is_system;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{MtlsMode, Proxy};
use std::collections::BTreeMap;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-sidecar",
    code: "PAL0636",
    severity: Severity::Warning,
    summary: "A pod opts out of the sidecar in a namespace that is injected and STRICT.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let mut apart: Vec<EndpointId> = Vec::new();
    for namespace in cx.world.namespaces.keys() {
        if !is_strict(cx, namespace) || is_system(namespace) {
            continue;
        }
        let pods = cx.selectable_in(namespace).into_iter();
        let without: Vec<EndpointId> = pods
            .filter(|e| {
                cx.engine
                    .pod(*e)
                    .is_some_and(|pod| matches!(pod.template.proxy, Proxy::None { .. }))
            })
            .collect();
        if !is_injected(cx, namespace) {
            apart.extend(without);
            continue;
        }
        // A running pod that lacks its proxy is another lint's.
        let opted: Vec<EndpointId> = without.into_iter().filter(|e| opts_out(cx, *e)).collect();
        out.extend(describe(cx, namespace, &opted));
    }
    out.extend(outside(cx, &apart));
    out
}

/// Whether pods of a namespace that say nothing else must use mTLS.
fn is_strict(cx: &Context<'_>, namespace: &str) -> bool {
    let mode = |wanted: &str| {
        let mut policies = cx.world.peer_authentications.iter();
        policies
            .find(|p| p.object.namespace == wanted && p.selector.is_empty())?
            .mode
    };
    let root = &cx.world.mesh.root_namespace;
    namespace != root && mode(namespace).or_else(|| mode(root)) == Some(MtlsMode::Strict)
}

/// Whether the namespace asks for sidecars.
pub(super) fn is_injected(cx: &Context<'_>, namespace: &str) -> bool {
    let Some(labels) = cx.world.namespace_labels(namespace) else {
        return false;
    };
    match labels.get("istio-injection") {
        Some(word) => word == "enabled",
        None => labels.get("istio.io/rev").is_some(),
    }
}

fn opts_out(cx: &Context<'_>, pod: EndpointId) -> bool {
    let proxy = cx.engine.pod(pod).map(|pod| &pod.template.proxy);
    matches!(proxy, Some(Proxy::None { reason }) if reason.contains("sidecar.istio.io/inject"))
}

fn describe(cx: &Context<'_>, namespace: &str, pods: &[EndpointId]) -> Option<Diagnostic> {
    let mut places: BTreeMap<Option<Span>, EndpointId> = BTreeMap::new();
    for pod in pods {
        let span = cx.engine.pod(*pod).and_then(|pod| pod.origin.0);
        if !cx.skips(&LINT, span) {
            places.entry(span).or_insert(*pod);
        }
    }
    let first = *places.values().next()?;
    let mut finding = LINT.finding(format!(
        "no sidecar by choice, while mTLS is demanded in `{namespace}`: {}",
        cx.names().few(places.values().copied())
    ));
    for span in places.keys() {
        finding = finding.at_opt(
            *span,
            "no sidecar: nothing encrypts or checks its connections",
        );
    }
    let finding = finding
        .note("it cannot call pods that demand mTLS either")
        .help("let it be injected, or move it to a namespace that is not part of the mesh");
    let shown = cx.plaintext_to(first, &[cx.any_port(first)]);
    Some(match shown {
        Some((source, port)) => cx.shown(finding, (source, first), port, Expect::PassesInPlaintext),
        None => finding,
    })
}

/// One note for all namespaces that are no part of a mesh that is STRICT as a whole.
fn outside(cx: &Context<'_>, pods: &[EndpointId]) -> Option<Diagnostic> {
    let namespaces: BTreeMap<&str, Option<Span>> = pods
        .iter()
        .filter_map(|e| cx.engine.pod(*e))
        .map(|pod| pod.template.namespace.as_str())
        .map(|name| (name, cx.world.namespaces.get(name).and_then(|n| n.origin.0)))
        .filter(|(_, span)| !cx.skips(&LINT, *span))
        .collect();
    let (first, _) = namespaces.first_key_value()?;
    let mut finding = LINT.note(match namespaces.len() {
        1 => format!("the pods of `{first}` have no sidecar, while the mesh is STRICT"),
        n => format!("the pods of {n} namespaces have no sidecar, while the mesh is STRICT: `{first}` and {} more", n - 1),
    });
    for (name, span) in &namespaces {
        finding = finding.at_opt(*span, format!("`{name}` is not injected"));
    }
    Some(finding.help(
        "label the namespaces `istio-injection: enabled`, or protect them by NetworkPolicy alone",
    ))
}
