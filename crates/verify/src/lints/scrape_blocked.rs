//! Ports of metrics that pods announce and nobody reaches.

use super::Lint;
use super::context::Context;
use super::service_blocked::is_open;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Announced, Direction, Protocol, Proxy, TargetPort};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "scrape-blocked",
    code: "PAL0649",
    severity: Severity::Warning,
    summary: "A pod announces a port for metrics, and no policy admits anybody to it.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let announced = cx.written.scrapes.iter();
    announced.filter_map(|port| judge(cx, port)).collect()
}

fn judge(cx: &Context<'_>, announced: &Announced) -> Option<Diagnostic> {
    let TargetPort::Number(number) = announced.port else {
        return None;
    };
    let port = (Protocol::Tcp, number);
    let pods: Vec<EndpointId> = cx.owned_by(announced.owner);
    // The proxy of a pod in the mesh collects the metrics and serves them on a port of its own.
    let scraped = |e: &EndpointId| {
        cx.engine.pod(*e).is_some_and(|pod| {
            !pod.host_network && matches!(pod.template.proxy, Proxy::None { .. })
        })
    };
    let closed = |e: &EndpointId| scraped(e) && !is_open(cx, *e, port);
    let first = pods.first().filter(|_| pods.iter().all(closed))?;
    let policy = cx.engine.isolating(Direction::Ingress, *first).first();
    let policy = policy.and_then(|index| cx.world.network_policies.get(*index));
    let finding = LINT
        .finding(format!(
            "nobody is admitted to the metrics of {}, port {number}",
            cx.names().few(pods.iter().copied())
        ))
        .at(announced.span, "announced to Prometheus")
        .at_opt(
            policy.and_then(|p| p.origin.0),
            "isolates the pods, and no rule opens the port",
        )
        .help(format!(
            "admit the pods of Prometheus to {number}/TCP, or remove the annotation"
        ));
    Some(match cx.addresses().first() {
        Some(source) => cx.shown_if_refused(finding, (*source, *first), port),
        None => finding,
    })
}
