//! Ports whose protocol the mesh has to guess.

use super::Lint;
use super::context::Context;
use palisade_diagnostics::{Diagnostic, Severity, Span};
use palisade_netmodel::{Protocol, Proxy, ServicePort};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "unnamed-service-port",
    code: "PAL0643",
    severity: Severity::Note,
    summary: "A Service port in the mesh does not say its protocol, so the mesh guesses it.",
    check,
};

/// The words with which the name of a port begins (`Istio documentation, Protocol selection`).
const WORDS: [&str; 11] = [
    "http", "http2", "https", "grpc", "grpc-web", "tcp", "tls", "mongo", "mysql", "redis", "udp",
];

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for service in &cx.world.services {
        let in_mesh = cx.behind(service).into_iter().any(|e| {
            let pod = cx.engine.pod(e);
            pod.is_some_and(|pod| matches!(pod.template.proxy, Proxy::Sidecar { .. }))
        });
        let ports = service.ports.iter().enumerate();
        let silent: Vec<(usize, &ServicePort)> = ports
            .filter(|(_, port)| in_mesh && is_silent(port))
            .collect();
        let Some((_, first)) = silent.first() else {
            continue;
        };
        let mut finding = LINT.note(match silent.len() {
            1 => format!(
                "port {} of Service `{}` does not say its protocol",
                first.port, service.object
            ),
            n => format!(
                "{n} ports of Service `{}` do not say their protocols",
                service.object
            ),
        });
        for (index, _) in &silent {
            let written = cx.written.service_ports.get(&service.object);
            let span: Option<Span> = written.and_then(|ports| ports.get(*index).copied());
            finding = finding.at_opt(
                span.or(service.origin.0),
                "the mesh guesses from the first bytes",
            );
        }
        out.push(
            finding
                .note("rules on paths or methods have no effect where it guesses TCP")
                .help("write `appProtocol: http`, or begin the port's name with the protocol, as `tcp-syslog`"),
        );
    }
    out
}

fn is_silent(port: &ServicePort) -> bool {
    let name = port.name.to_lowercase();
    let named = WORDS.iter().any(|word| {
        name.strip_prefix(word)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    });
    port.protocol == Protocol::Tcp && port.app_protocol.is_none() && !named
}
