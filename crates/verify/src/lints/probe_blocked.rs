//! Health checks that a sidecar refuses.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Announced, Pod, Protocol, Proxy, TargetPort};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "probe-blocked",
    code: "PAL0650",
    severity: Severity::Warning,
    summary: "A sidecar does not take over the probes of its pod, and the mesh refuses the node that sends them.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out: Vec<Diagnostic> = Vec::new();
    for probe in &cx.written.bare_probes {
        out.extend(judge(cx, probe));
    }
    out
}

fn judge(cx: &Context<'_>, probe: &Announced) -> Option<Diagnostic> {
    let source = cx.addresses().first().copied()?;
    let pods = cx.owned_by(probe.owner);
    let (pod, number) = pods.iter().find_map(|e| {
        let pod = cx.engine.pod(*e)?;
        let number = number(pod, &probe.port)?;
        let in_mesh = matches!(pod.template.proxy, Proxy::Sidecar { .. });
        (in_mesh && refuses(cx, source, *e, number)).then_some((*e, number))
    })?;
    let finding = LINT
        .finding(format!(
            "the sidecar of {} refuses the health check on port {number}",
            cx.names().few([pod])
        ))
        .at(
            probe.span,
            "the node asks in plaintext, and without an identity",
        )
        .note("`sidecar.istio.io/rewriteAppHTTPProbers: \"false\"` leaves the probe as it is")
        .help("remove the annotation, so that the sidecar takes the probe over")
        .help("or leave the port out of the sidecar by `traffic.sidecar.istio.io/excludeInboundPorts`");
    let port = (Protocol::Tcp, number);
    Some(cx.shown(finding, (source, pod), port, Expect::Refused))
}

fn number(pod: &Pod, port: &TargetPort) -> Option<u16> {
    match port {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let mut named = pod.named_ports.iter();
            named.find(|p| p.name == *name).map(|p| p.port)
        }
    }
}

/// Whether the mesh refuses somebody without a certificate. What NetworkPolicy says does not matter:
/// a pod's own node always passes.
fn refuses(cx: &Context<'_>, source: EndpointId, pod: EndpointId, port: u16) -> bool {
    let mesh = cx.engine.mesh_half(source, pod);
    !mesh.passage.may.contains(Protocol::Tcp, port)
}
