//! Sidecar resources that are taken for a firewall.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{OutboundMode, SidecarScope};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "sidecar-scope",
    code: "PAL0642",
    severity: Severity::Warning,
    summary: "A Sidecar resource loosens REGISTRY_ONLY, or limits hosts as if that closed anything.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let scopes = cx.world.sidecars.iter();
    scopes.filter_map(|scope| judge(cx, scope)).collect()
}

fn judge(cx: &Context<'_>, scope: &SidecarScope) -> Option<Diagnostic> {
    let mesh = cx.world.mesh.outbound;
    if scope.outbound == Some(OutboundMode::AllowAny) && mesh == OutboundMode::RegistryOnly {
        return Some(
            LINT.finding(format!(
                "Sidecar `{}` loosens REGISTRY_ONLY of the mesh",
                scope.object
            ))
            .at_opt(scope.origin.0, "ALLOW_ANY: unknown destinations pass")
            .help("remove `outboundTrafficPolicy`, or close the way out by NetworkPolicy"),
        );
    }
    let hosts = &scope.egress_hosts;
    let limits = !hosts.is_empty() && !hosts.iter().any(|host| host == "*/*");
    let open = scope.outbound.unwrap_or(mesh) == OutboundMode::AllowAny;
    (limits && open).then(|| {
        LINT.note(format!(
            "Sidecar `{}` limits what proxies know, not what pods reach",
            scope.object
        ))
        .at_opt(
            scope.origin.0,
            "with ALLOW_ANY every other destination passes through",
        )
        .help("close the way out by NetworkPolicy; REGISTRY_ONLY alone is no firewall either")
    })
}
