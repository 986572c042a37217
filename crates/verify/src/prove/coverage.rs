//! Whether matrix and world speak of the same things: workloads, identities, mesh, peers.

use super::{Context, Findings};
use crate::engine::EndpointId;
use crate::names::{Names, shortened};
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{
    ClaimScope, Component, Direction, Fidelity, MeshMode, MtlsMode, Party, Phase, Proxy,
};
use roaring::RoaringBitmap;
use std::collections::BTreeSet;

/// Adds what makes the comparison less than complete.
pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    undeclared_workloads(context, findings);
    for (index, component) in context.intent.components.iter().enumerate() {
        let here = context.declared.component(index).into_iter().flatten();
        let here: Vec<EndpointId> = here.map(EndpointId).collect();
        identity(context, component, &here, findings);
        mesh(context, component, &here, findings);
    }
    fidelity(context, findings);
}

/// Workloads in a zone's default deny that no component covers: nothing is declared for them.
fn undeclared_workloads(context: &Context<'_>, findings: &mut Findings) {
    let engine = context.engine;
    let components =
        (0..context.intent.components.len()).filter_map(|c| context.declared.component(c));
    let known = components.fold(RoaringBitmap::new(), |all, here| all | here);
    let mut unknown = BTreeSet::new();
    let mut place = None;
    for endpoint in engine.endpoints() {
        let Some(pod) = engine.pod(endpoint).filter(|p| p.phase == Phase::Live) else {
            continue;
        };
        let claim = [Direction::Ingress, Direction::Egress]
            .iter()
            .find_map(|d| context.declared.claim(*d, endpoint))
            .and_then(|i| context.intent.claims.get(i));
        if !claim.is_some_and(|c| matches!(c.scope, ClaimScope::Zone(_))) {
            continue;
        }
        if !known.contains(endpoint.0) {
            place = place.or(pod.origin.0);
            unknown.insert(Names::new(engine).endpoint(endpoint));
        }
    }
    if unknown.is_empty() {
        return;
    }
    findings.list.push(
        Diagnostic::warning(
            "PAL0310",
            format!(
                "{} workload(s) in default-deny zones belong to no component of the matrix",
                unknown.len()
            ),
        )
        .at_opt(place, "for example this one")
        .note(format!("workloads: {}", shortened(unknown.iter().map(String::as_str))))
        .help("declare a component that selects them, or every connection of theirs counts as undeclared"),
    );
}

/// NetworkPolicy selects labels, Istio selects service accounts: both must mean the same pods.
fn identity(
    context: &Context<'_>,
    component: &Component,
    here: &[EndpointId],
    findings: &mut Findings,
) {
    let Some(expected) = &component.service_account else {
        return;
    };
    let others: BTreeSet<&str> = here
        .iter()
        .filter_map(|e| context.engine.pod(*e))
        .map(|pod| pod.service_account.as_str())
        .filter(|account| account != expected)
        .collect();
    if others.is_empty() {
        return;
    }
    findings.undecided = true;
    findings.list.push(
        Diagnostic::warning(
            "PAL0312",
            format!(
                "pods of component `{}` run as service account {}, the matrix says `{expected}`",
                component.name,
                shortened(others.iter().copied())
            ),
        )
        .at_opt(component.origin.0, "declared here")
        .help("mesh rules by principal would miss these pods: correct `serviceAccount`, or split the component"),
    );
}

/// Whether the mesh is as declared: enrolled, and receiving in the declared mode.
fn mesh(
    context: &Context<'_>,
    component: &Component,
    here: &[EndpointId],
    findings: &mut Findings,
) {
    if component.mesh != MeshMode::Sidecar || component.gateway {
        return;
    }
    let worst = here
        .iter()
        .filter_map(|endpoint| {
            let pod = context.engine.pod(*endpoint)?;
            match &pod.proxy {
                _ if pod.phase != Phase::Live => None,
                Proxy::None { reason } => Some(not_enrolled(component, pod.origin.0, reason)),
                Proxy::Gateway | Proxy::Waypoint => None,
                Proxy::Sidecar { .. } | Proxy::Ambient { .. } => {
                    mode(context, component, *endpoint)
                }
            }
        })
        .max_by_key(|finding| finding.severity);
    findings.list.extend(worst);
}

fn not_enrolled(
    component: &Component,
    origin: Option<palisade_diagnostics::Span>,
    reason: &str,
) -> Diagnostic {
    Diagnostic::error(
        "PAL0316",
        format!(
            "component `{}` is declared in the mesh, but its pods get no sidecar",
            component.name
        ),
    )
    .at_opt(origin, reason.to_owned())
    .at_opt(component.origin.0, "declared here")
    .help("label the namespace `istio-injection: enabled` (and restart the pods), or declare `mesh: {mode: None}` for the component")
}

fn mode(context: &Context<'_>, component: &Component, endpoint: EndpointId) -> Option<Diagnostic> {
    let pod = context.engine.pod(endpoint)?;
    // The mode of the workload is that of a port which no `portLevelMtls` names. Single ports are judged
    // by what the flows demand of them.
    let named = |port: &u16| {
        let policies = &context.world.peer_authentications;
        policies.iter().any(|p| p.ports.contains_key(port))
    };
    let port = (1..=u16::MAX)
        .filter(|port| !named(port))
        .find(|port| context.engine.mtls_mode(endpoint, *port).is_some())?;
    let actual = context.engine.mtls_mode(endpoint, port)?;
    let (severity, weaker) = if rank(actual) < rank(component.mtls) {
        (Severity::Error, "weaker than")
    } else if rank(actual) > rank(component.mtls) {
        (Severity::Note, "stricter than")
    } else {
        return None;
    };
    Some(
        Diagnostic::new(
            severity,
            "PAL0317",
            format!(
                "component `{}` receives in mode {actual}, {weaker} the declared {}",
                component.name, component.mtls
            ),
        )
        .at_opt(pod.origin.0, "this workload")
        .at_opt(component.origin.0, "declared here")
        .help("set the mode in a PeerAuthentication of the namespace or of the mesh"),
    )
}

fn rank(mode: MtlsMode) -> u8 {
    match mode {
        MtlsMode::Disable => 0,
        MtlsMode::Permissive => 1,
        MtlsMode::Strict => 2,
    }
}

/// Peers that say more, or less, than what is meant.
fn fidelity(context: &Context<'_>, findings: &mut Findings) {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for grant in &context.intent.grants {
        for party in [&grant.from, &grant.to] {
            if party.fidelity != Fidelity::Exact && seen.insert(&party.name) {
                findings.list.push(inexact(context, party, grant.origin.0));
            }
        }
    }
}

fn inexact(
    context: &Context<'_>,
    party: &Party,
    origin: Option<palisade_diagnostics::Span>,
) -> Diagnostic {
    let (word, why) = match &party.fidelity {
        Fidelity::Exact => ("exactly", ""),
        Fidelity::Wider(why) => ("wider than", why.as_str()),
        Fidelity::Narrower(why) => ("narrower than", why.as_str()),
    };
    let severity = if context.options.exact {
        Severity::Error
    } else {
        Severity::Note
    };
    Diagnostic::new(
        severity,
        "PAL0313",
        format!("peer `{}` is enforced {word} what is meant", party.name),
    )
    .at_opt(origin, "used by this flow")
    .note(why.to_owned())
    .help("give the exact addresses for your cluster with `--set`, or use a platform whose variant is Exact")
}
