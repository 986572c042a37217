//! Ports of Services behind which nobody is admitted.

use super::Lint;
use super::context::{Context, Expect};
use super::webhook_blocked::target;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, Protocol, Service, ServicePort};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "service-blocked",
    code: "PAL0626",
    severity: Severity::Warning,
    summary: "A Service leads to a port on which no policy admits anybody.",
    check,
};

/// A port of a Service, and the pod's port that it leads to.
type Blocked<'s> = (&'s ServicePort, u16);

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for service in &cx.world.services {
        let pods = cx.behind(service);
        let Some(first) = pods.first() else { continue };
        let blocked: Vec<Blocked<'_>> = service
            .ports
            .iter()
            .filter_map(|port| Some((port, blocked(cx, &pods, port)?)))
            .collect();
        if !blocked.is_empty() {
            out.push(describe(cx, service, *first, &blocked));
        }
    }
    out
}

/// The pod's port, if no policy of any pod opens it to anybody.
fn blocked(cx: &Context<'_>, pods: &[EndpointId], port: &ServicePort) -> Option<u16> {
    let mut found = None;
    for endpoint in pods {
        let pod = cx.engine.pod(*endpoint)?;
        let number = target(pod, port)?;
        found.get_or_insert(number);
        if pod.host_network || is_open(cx, *endpoint, (port.protocol, number)) {
            return None;
        }
    }
    found
}

/// Whether any rule of a policy that isolates the pod opens the port to somebody.
pub(super) fn is_open(cx: &Context<'_>, pod: EndpointId, port: (Protocol, u16)) -> bool {
    let isolating = cx.engine.isolating(Direction::Ingress, pod);
    if isolating.is_empty() {
        return true;
    }
    isolating.iter().any(|index| {
        let policy = cx.world.network_policies.get(*index);
        let rules = policy
            .and_then(|p| p.ingress.as_deref())
            .unwrap_or_default();
        rules.iter().any(|rule| {
            let ports = cx.engine.ports_at(rule.ports.as_deref(), pod);
            ports.contains(port.0, port.1)
                && rule.peers.as_ref().is_none_or(|list| !list.is_empty())
        })
    }) || cx.administrators_open(Direction::Ingress, pod, |may| may.contains(port.0, port.1))
}

/// Ports of a Service, with where they lead to if that is another port.
pub(super) fn port_list(ports: &[(&ServicePort, u16)]) -> String {
    let port = |(port, target): &(&ServicePort, u16)| match port.port == *target {
        true => format!("{target}/{}", port.protocol),
        false => format!("{} (to {target}/{})", port.port, port.protocol),
    };
    ports.iter().map(port).collect::<Vec<_>>().join(", ")
}

fn describe(
    cx: &Context<'_>,
    service: &Service,
    pod: EndpointId,
    blocked: &[Blocked<'_>],
) -> Diagnostic {
    let list = port_list(blocked);
    let isolating = cx.engine.isolating(Direction::Ingress, pod).first();
    let policy = isolating.and_then(|index| cx.world.network_policies.get(*index));
    let rules = policy.and_then(|p| p.ingress.as_deref());
    let isolates = match rules.unwrap_or_default() {
        [] => "isolates the pods, and opens nothing",
        _ => "isolates the pods, and opens other ports only",
    };
    let finding = LINT
        .finding(format!(
            "nobody is admitted to port {} of Service `{}`",
            list, service.object
        ))
        .at_opt(policy.and_then(|p| p.origin.0), isolates)
        .at_opt(
            service.origin.0,
            format!("leads to {}", cx.names().few([pod])),
        )
        .help("open the port to those who call it, or remove it from the Service");
    let Some((port, target)) = blocked.first() else {
        return finding;
    };
    match cx.addresses().first().copied() {
        Some(source) => cx.shown(
            finding,
            (source, pod),
            (port.protocol, *target),
            Expect::Refused,
        ),
        None => finding,
    }
}
