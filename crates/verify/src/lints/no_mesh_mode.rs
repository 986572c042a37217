//! Meshes that leave the mTLS mode to Istio's default.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use std::collections::BTreeSet;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "no-mesh-mode",
    code: "PAL0634",
    severity: Severity::Warning,
    summary: "No PeerAuthentication sets the mode of pods in the mesh, so they accept plaintext.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let root = cx.world.mesh.root_namespace.as_str();
    let set = |namespace: &str| {
        let mut policies = cx.world.peer_authentications.iter();
        policies
            .any(|p| p.object.namespace == namespace && p.selector.is_empty() && p.mode.is_some())
    };
    if set(root) {
        return Vec::new();
    }
    let own = |e: &EndpointId| {
        let pod = cx.engine.pod(*e);
        let namespace = pod.map_or("", |pod| pod.template.namespace.as_str());
        let mut policies = cx.world.peer_authentications.iter();
        namespace != root
            && (set(namespace)
                || policies.any(|p| {
                    p.mode.is_some()
                        && p.object.namespace == namespace
                        && cx.in_mesh(&p.object, &p.selector).contains(e)
                }))
    };
    let open: Vec<EndpointId> = cx.sidecars().iter().copied().filter(|e| !own(e)).collect();
    let shown = open.iter().find_map(|pod| {
        let (source, port) = cx.plaintext_to(*pod, &cx.tcp_ports(*pod))?;
        Some((source, *pod, port))
    });
    let Some((source, pod, port)) = shown else {
        return Vec::new();
    };
    let namespaces: BTreeSet<&str> = cx
        .workloads(open.iter().copied())
        .iter()
        .map(|key| key.0)
        .collect();
    let mut finding = LINT.finding(format!(
        "no PeerAuthentication sets the mode of {}, so plaintext passes",
        cx.names().few(open.iter().copied())
    ));
    for name in namespaces.iter().take(8) {
        let place = cx.world.namespaces.get(*name).and_then(|n| n.origin.0);
        finding = finding.at_opt(place, "has pods in the mesh; Istio's default is PERMISSIVE");
    }
    let finding = finding
        .note(format!("concerns {}", cx.names().list(open.iter().copied())))
        .help(format!(
            "add a PeerAuthentication `default` in `{root}` with `mtls: {{mode: STRICT}}`, without a selector"
        ));
    vec![cx.shown(finding, (source, pod), port, Expect::PassesInPlaintext)]
}
