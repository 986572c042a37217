//! PeerAuthentications that let plaintext in.

use super::Lint;
use super::context::{Context, Expect};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{MtlsMode, PeerAuthentication, Protocol};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "permissive-mtls",
    code: "PAL0633",
    severity: Severity::Warning,
    summary: "A PeerAuthentication lets plaintext in, perhaps against a stricter one above it.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let policies = cx.world.peer_authentications.iter();
    policies.filter_map(|policy| judge(cx, policy)).collect()
}

/// Modes that accept plaintext.
fn is_weak(mode: Option<MtlsMode>) -> Option<MtlsMode> {
    mode.filter(|mode| *mode != MtlsMode::Strict)
}

fn judge(cx: &Context<'_>, policy: &PeerAuthentication) -> Option<Diagnostic> {
    let whole = is_weak(policy.mode);
    let ports: Vec<(u16, MtlsMode)> = policy
        .ports
        .iter()
        .filter_map(|(port, mode)| Some((*port, is_weak(*mode)?)))
        .collect();
    let (mode, what) = match (whole, ports.first()) {
        (Some(mode), _) => (mode, String::new()),
        (None, Some((port, mode))) => (*mode, format!(" on port {port}")),
        (None, None) => return None,
    };
    let receivers = cx.in_mesh(&policy.object, &policy.selector);
    let (pod, source, port) = plaintext(cx, &receivers, mode, whole.is_none().then_some(&ports))?;
    let above = stricter(cx, policy);
    let title = match above {
        Some(_) => format!(
            "PeerAuthentication `{}` opens a strict mesh to plaintext{what}",
            policy.object
        ),
        None => format!(
            "PeerAuthentication `{}` accepts plaintext{what}",
            policy.object
        ),
    };
    let mut finding = LINT
        .finding(title)
        .at_opt(policy.origin.0, format!("mode {mode}"))
        .note(format!(
            "applies to {}",
            cx.names().list(receivers.iter().copied())
        ));
    if let Some(above) = above {
        finding = finding.at_opt(above.origin.0, "STRICT, for all that says nothing else");
    }
    let finding = finding
        .help("write `mode: STRICT` once every caller has a sidecar")
        .help("if a caller cannot have one, limit the exception to its port with `portLevelMtls`");
    Some(cx.shown(finding, (source, pod), port, Expect::PassesInPlaintext))
}

/// A receiver in this mode and a connection to it in plaintext.
fn plaintext(
    cx: &Context<'_>,
    receivers: &[EndpointId],
    mode: MtlsMode,
    ports: Option<&Vec<(u16, MtlsMode)>>,
) -> Option<(EndpointId, EndpointId, (Protocol, u16))> {
    receivers.iter().find_map(|pod| {
        let candidates = match ports {
            Some(ports) => ports
                .iter()
                .map(|(port, _)| (Protocol::Tcp, *port))
                .collect(),
            None => cx.tcp_ports(*pod),
        };
        let weak: Vec<(Protocol, u16)> = candidates
            .into_iter()
            .filter(|(_, port)| {
                let found = cx.engine.mtls_mode(*pod, *port);
                found == Some(mode) || (ports.is_some() && is_weak(found).is_some())
            })
            .collect();
        let (source, port) = cx.plaintext_to(*pod, &weak)?;
        Some((*pod, source, port))
    })
}

/// A PeerAuthentication of a wider scope that demands mTLS.
fn stricter<'a>(cx: &Context<'a>, policy: &PeerAuthentication) -> Option<&'a PeerAuthentication> {
    let root = &cx.world.mesh.root_namespace;
    cx.world.peer_authentications.iter().find(|other| {
        let same_namespace = other.object.namespace == policy.object.namespace;
        let wider = other.selector.is_empty()
            && (other.object.namespace == *root || same_namespace)
            && (!policy.selector.is_empty() || !same_namespace);
        wider && other.mode == Some(MtlsMode::Strict)
    })
}
