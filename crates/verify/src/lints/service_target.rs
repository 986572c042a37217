//! Services that lead nowhere.

use super::Lint;
use super::context::Context;
use super::destinations::of_istio;
use super::no_policy::is_system;
use super::policy_selects_nothing::near;
use super::webhook_blocked::target;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{LabelRequirement, Operator, Service, TargetPort};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "service-target",
    code: "PAL0629",
    severity: Severity::Warning,
    summary: "A Service selects no pod, or leads to a port that its pods do not have.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for service in &cx.world.services {
        if service.selector.is_empty() {
            continue;
        }
        let has_labels = |pod: &palisade_netmodel::Pod| pod.labels.include(&service.selector);
        let here = cx
            .pods_in(&service.object.namespace)
            .iter()
            .filter_map(|e| cx.engine.pod(*e));
        let pods: Vec<_> = here.filter(|pod| has_labels(pod)).collect();
        if pods.is_empty() {
            out.extend(selects_nothing(cx, service));
            continue;
        }
        for (index, port) in service.ports.iter().enumerate() {
            let span = place(cx, service, index);
            match &port.target {
                TargetPort::Name(name) if pods.iter().all(|pod| target(pod, port).is_none()) => out
                    .push(
                        LINT.finding(format!(
                            "Service `{}` leads to a port `{name}` that no pod has",
                            service.object
                        ))
                        .at_opt(
                            span,
                            format!("no {} port of its pods has this name", port.protocol),
                        )
                        .help("correct `targetPort`, or name the port in the container"),
                    ),
                TargetPort::Number(number)
                    if !of_istio(*number)
                        && pods.iter().all(|pod| {
                            !pod.container_ports.is_empty()
                                && !pod.container_ports.contains(port.protocol, *number)
                        }) =>
                {
                    out.push(
                        LINT.note(format!(
                            "Service `{}` leads to {number}/{}, which no pod declares",
                            service.object, port.protocol
                        ))
                        .at_opt(span, "its pods declare other ports only")
                        .note("a pod may listen on a port that it does not declare")
                        .help("correct `targetPort`, or declare the port in the container"),
                    );
                }
                _ => {}
            }
        }
    }
    out
}

fn place(cx: &Context<'_>, service: &Service, index: usize) -> Option<Span> {
    let written = cx.written.service_ports.get(&service.object);
    written
        .and_then(|ports| ports.get(index).copied())
        .or(service.origin.0)
}

fn selects_nothing(cx: &Context<'_>, service: &Service) -> Option<Diagnostic> {
    let namespace = &service.object.namespace;
    // The control plane's own pods are rarely among the manifests.
    if is_system(namespace) || !cx.has_pods(namespace) {
        return None;
    }
    let mut finding = LINT
        .finding(format!("Service `{}` selects no pod", service.object))
        .at_opt(
            service.origin.0,
            format!(
                "no pod of `{namespace}` has the labels {}",
                service.selector
            ),
        );
    for (key, value) in service.selector.iter() {
        let requirement = LabelRequirement {
            key: key.into(),
            operator: Operator::In(vec![value.into()]),
        };
        if let Some(advice) = near(cx, namespace, &requirement) {
            finding = finding.help(advice);
        }
    }
    Some(finding.help("correct the selector, or remove the Service"))
}
