//! Webhooks that the API server cannot call.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, Pod, Protocol, Service, ServicePort, TargetPort, Webhook};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "webhook-blocked",
    code: "PAL0620",
    severity: Severity::Warning,
    summary: "No policy admits the API server to a webhook, so requests fail or pass unchecked.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out: Vec<Diagnostic> = Vec::new();
    let mut told: Vec<(&Service, u16)> = Vec::new();
    for hook in &cx.written.webhooks {
        let service = cx.world.services.iter().find(|s| s.object == hook.service);
        let Some(service) = service.filter(|s| !told.contains(&(*s, hook.port))) else {
            continue;
        };
        let Some(port) = service.ports.iter().find(|p| p.port == hook.port) else {
            continue;
        };
        let pods = cx.behind(service);
        let targets: Vec<(EndpointId, u16)> = pods
            .iter()
            .filter_map(|e| Some((*e, target(cx.engine.pod(*e)?, port)?)))
            .collect();
        if !targets.is_empty()
            && targets
                .iter()
                .all(|(e, t)| !admits_outside(cx, *e, (Protocol::Tcp, *t)))
        {
            told.push((service, hook.port));
            out.push(describe(cx, hook, service, &targets));
        }
    }
    out
}

/// The port of a pod that a Service port leads to.
pub(super) fn target(pod: &Pod, port: &ServicePort) -> Option<u16> {
    match &port.target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let mut named = pod.named_ports.iter();
            let found = named.find(|p| p.name == *name && p.protocol == port.protocol);
            found.map(|p| p.port)
        }
    }
}

/// Whether any address, or anything on a host network, is admitted: the API server is no pod with
/// labels.
pub(super) fn admits_outside(
    cx: &Context<'_>,
    pod: EndpointId,
    (protocol, port): (Protocol, u16),
) -> bool {
    cx.engine.endpoints().any(|source| {
        let outside = match cx.engine.pod(source) {
            Some(source) => source.host_network || source.host_group,
            None => cx.engine.address(source).is_some(),
        };
        outside && {
            let may = cx.engine.half(Direction::Ingress, source, pod).may;
            may.contains(protocol, port)
        }
    })
}

fn describe(
    cx: &Context<'_>,
    hook: &Webhook,
    service: &Service,
    targets: &[(EndpointId, u16)],
) -> Diagnostic {
    let pods = || targets.iter().map(|(e, _)| *e);
    let port = targets.first().map_or(0, |(_, port)| *port);
    let policy = targets.first().and_then(|(e, _)| {
        let index = cx.engine.isolating(Direction::Ingress, *e).first()?;
        cx.world.network_policies.get(*index)
    });
    let finding = LINT
        .finding(format!("the API server cannot call the webhook `{}`", hook.name))
        .at_opt(policy.and_then(|p| p.origin.0), format!("closes {port}/TCP to every address"))
        .at(hook.span, format!("leads to {} through Service `{}`", cx.names().few(pods()), service.object))
        .note("the API server has no labels: it calls from an address of the control plane")
        .help(format!(
            "admit {port}/TCP from the addresses of the API server, or without `from` if they are not known"
        ));
    let address = cx.addresses().first().copied();
    match (address, targets.first()) {
        (Some(source), Some((pod, port))) => cx.shown(
            finding,
            (source, *pod),
            (Protocol::Tcp, *port),
            Expect::Refused,
        ),
        _ => finding,
    }
}
