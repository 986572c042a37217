//! Ports of Services that are published outside the cluster, and closed to all that is outside.

use super::Lint;
use super::context::{Context, Expect};
use super::service_blocked::{is_open, port_list};
use super::webhook_blocked::{admits_outside, target};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, Service, ServicePort, ServiceType};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "published-blocked",
    code: "PAL0654",
    severity: Severity::Warning,
    summary: "A Service is published outside the cluster, and no policy admits an address to its port.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for service in cx.world.services.iter().filter(|s| published(s)) {
        let pods = cx.behind(service);
        let closed: Vec<(&ServicePort, u16)> = service
            .ports
            .iter()
            .filter_map(|port| Some((port, closed(cx, &pods, port)?)))
            .collect();
        if let (Some(pod), false) = (pods.first(), closed.is_empty()) {
            out.push(describe(cx, service, *pod, &closed));
        }
    }
    out
}

/// Whether a Service has a door for addresses outside: one at a load balancer, or one at each node.
fn published(service: &Service) -> bool {
    matches!(
        service.publication.kind,
        ServiceType::LoadBalancer | ServiceType::NodePort
    )
}

/// The pod's port, if policies open it to some pods, and to nothing outside. That they open it to nobody is
/// told by `service-blocked`.
fn closed(cx: &Context<'_>, pods: &[EndpointId], port: &ServicePort) -> Option<u16> {
    let mut found = None;
    let mut open = false;
    for endpoint in pods {
        let pod = cx.engine.pod(*endpoint)?;
        let number = (port.protocol, target(pod, port)?);
        found.get_or_insert(number.1);
        if pod.host_network || admits_outside(cx, *endpoint, number) {
            return None;
        }
        open |= is_open(cx, *endpoint, number);
    }
    found.filter(|_| open)
}

fn describe(
    cx: &Context<'_>,
    service: &Service,
    pod: EndpointId,
    closed: &[(&ServicePort, u16)],
) -> Diagnostic {
    let list = port_list(closed);
    let isolating = cx.engine.isolating(Direction::Ingress, pod).first();
    let policy = isolating.and_then(|index| cx.world.network_policies.get(*index));
    let finding = LINT
        .finding(format!(
            "Service `{}` publishes port {}, and no policy admits an address outside",
            service.object, list
        ))
        .at_opt(
            service.origin.0,
            format!("leads to {}", cx.names().few([pod])),
        )
        .at_opt(policy.and_then(|p| p.origin.0), "isolates the pods")
        .note("a load balancer that checks a closed port takes the nodes for dead")
        .help("open the port to those who come from outside, or take it out of the Service");
    match (cx.addresses().first().copied(), closed.first()) {
        (Some(source), Some((port, target))) => cx.shown(
            finding,
            (source, pod),
            (port.protocol, *target),
            Expect::Refused,
        ),
        _ => finding,
    }
}
