//! Mesh policies on ports that no sidecar receives.

use super::Lint;
use super::context::Context;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{Protocol, Proxy, always_bypassed};
use std::collections::BTreeSet;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "bypassed-port",
    code: "PAL0635",
    severity: Severity::Warning,
    summary: "A mesh policy names a port that bypasses the sidecar, where it has no effect.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for policy in &cx.world.authorization_policies {
        let pods = cx.in_mesh(&policy.object, &policy.selector);
        let mut places: Vec<(Option<Span>, u16)> = Vec::new();
        for rule in &policy.rules {
            let ports = rule
                .to
                .iter()
                .flat_map(|operation| operation.ports.iter().copied());
            let span = rule.origin.0.or(policy.origin.0);
            places.extend(
                ports
                    .filter(|port| bypasses(cx, &pods, *port))
                    .map(|port| (span, port)),
            );
        }
        let what = format!("AuthorizationPolicy `{}`", policy.object);
        out.extend(describe(cx, &what, &places, &pods));
    }
    for policy in &cx.world.peer_authentications {
        let pods = cx.in_mesh(&policy.object, &policy.selector);
        let ports = policy
            .ports
            .iter()
            .filter(|(_, mode)| mode.is_some())
            .map(|(port, _)| *port);
        let dead = ports.filter(|port| bypasses(cx, &pods, *port));
        let places: Vec<(Option<Span>, u16)> = dead.map(|port| (policy.origin.0, port)).collect();
        let what = format!("PeerAuthentication `{}`", policy.object);
        out.extend(describe(cx, &what, &places, &pods));
    }
    out
}

/// Whether no sidecar of the pods receives the port.
fn bypasses(cx: &Context<'_>, pods: &[EndpointId], port: u16) -> bool {
    !pods.is_empty()
        && pods.iter().all(|e| {
            cx.engine
                .pod(*e)
                .is_some_and(|pod| match &pod.template.proxy {
                    Proxy::Sidecar { inbound, .. } => inbound.bypass.contains(Protocol::Tcp, port),
                    _ => false,
                })
        })
}

fn describe(
    cx: &Context<'_>,
    what: &str,
    places: &[(Option<Span>, u16)],
    pods: &[EndpointId],
) -> Option<Diagnostic> {
    let ports: BTreeSet<u16> = places.iter().map(|(_, port)| *port).collect();
    ports.first()?;
    let always = always_bypassed();
    let by_choice = ports
        .iter()
        .any(|port| !always.contains(Protocol::Tcp, *port));
    let list: Vec<String> = ports.iter().map(u16::to_string).collect();
    let list = list.join(", ");
    let title = format!("{what} has no effect on port {list}, which bypasses the sidecar");
    let mut finding = if by_choice {
        LINT.finding(title)
    } else {
        LINT.note(title)
    };
    for (span, port) in places {
        finding = finding.at_opt(
            *span,
            format!("{port}: no identity is checked, nothing is encrypted"),
        );
    }
    let finding = finding
        .note(format!("pods: {}", cx.names().list(pods.iter().copied())))
        .help("restrict the port by NetworkPolicy");
    Some(match by_choice {
        true => finding
            .help("or take it out of `traffic.sidecar.istio.io/excludeInboundPorts` of the pods"),
        false => finding,
    })
}
