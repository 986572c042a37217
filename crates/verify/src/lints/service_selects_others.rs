//! A Service whose selector also takes pods of another workload.

use super::Lint;
use super::context::Context;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Pod, Service, ServicePort, TargetPort};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "service-selects-others",
    code: "PAL0605",
    severity: Severity::Warning,
    summary: "A Service also sends connections to a workload that does not serve its port.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for service in &cx.world.services {
        let pods = cx.behind(service);
        if cx.workloads(pods.iter().copied()).len() < 2 {
            continue;
        }
        for port in &service.ports {
            let (serving, others): (Vec<EndpointId>, Vec<EndpointId>) = pods
                .iter()
                .partition(|e| cx.engine.pod(**e).is_some_and(|pod| serves(pod, port)));
            // A pod that declares nothing may serve anything.
            let others: Vec<EndpointId> = others
                .into_iter()
                .filter(|e| {
                    cx.engine
                        .pod(*e)
                        .is_some_and(|pod| !pod.container_ports.is_empty())
                })
                .collect();
            if !serving.is_empty() && !others.is_empty() {
                out.push(describe(cx, service, port, &serving, &others));
                break;
            }
        }
    }
    out
}

fn serves(pod: &Pod, port: &ServicePort) -> bool {
    match &port.target {
        TargetPort::Number(number) => pod.container_ports.contains(port.protocol, *number),
        TargetPort::Name(name) => pod
            .named_ports
            .iter()
            .any(|p| p.name == *name && p.protocol == port.protocol),
    }
}

fn describe(
    cx: &Context<'_>,
    service: &Service,
    port: &ServicePort,
    serving: &[EndpointId],
    others: &[EndpointId],
) -> Diagnostic {
    let names = cx.names();
    let other = others.first().and_then(|e| cx.engine.pod(*e));
    LINT.finding(format!(
        "Service `{}` also selects {}, which does not serve port {}",
        service.object,
        names.few(others.iter().copied()),
        port.port
    ))
    .at_opt(service.origin.0, format!("selects {}", service.selector))
    .at_opt(
        other.and_then(|pod| pod.origin.0),
        "has these labels too, and declares other ports only",
    )
    .note(format!("served by {}", names.list(serving.iter().copied())))
    .note("connections to the Service are spread over all of its pods, so some of them fail")
    .help("add a label to the selector that only the serving workload has")
}
