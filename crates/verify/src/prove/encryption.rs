//! Encrypted as declared: per flow, and for every caller that the layers admit.

use super::replay::{Expect, Witness, reasons, replay};
use super::{Context, Findings, Flow};
use crate::engine::{EndpointId, Pair};
use crate::names::Names;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Capture, Encryption, Fidelity, Grant, MtlsMode, PortSet, Protocol, Proxy, Requirement, Serves,
};

/// A pair whose wire is weaker than required.
#[derive(Debug, Clone)]
struct Weak {
    ends: (EndpointId, EndpointId),
    ports: PortSet,
}

/// Adds a finding for each flow, and for each protected port, that can carry a weaker wire.
pub(super) fn check(context: &Context<'_>, findings: &mut Findings) {
    for flow in Flow::all(context.intent) {
        if flow.grant.encryption != Requirement::None {
            own_pairs(context, &flow, findings);
            let mut weak = Vec::new();
            for (index, grant) in &flow.grants {
                weak.extend(other_callers(context, *index, grant));
            }
            if flow.grant.exception.is_none() {
                report(context, &flow, &weak, Kind::Other, findings);
            }
        }
    }
}

/// The flow's own pairs.
fn own_pairs(context: &Context<'_>, flow: &Flow<'_>, findings: &mut Findings) {
    let grant = flow.grant;
    let mut weak = Vec::new();
    let mut outside = false;
    for (index, grant) in &flow.grants {
        // Where the peers are wider than what is meant, the pods among them are not meant.
        let wider = matches!(grant.to.fidelity, Fidelity::Wider(_));
        for ends in pairs_of(context, *index) {
            if wider || context.engine.pod(ends.1).is_none() {
                outside = true;
                continue;
            }
            let wanted = context.engine.ports_at(grant.ports.as_deref(), ends.1);
            weak.extend(weaker(context, ends, &wanted, grant.encryption));
        }
    }
    if outside {
        findings.list.push(asserted_outside(grant));
    }
    if let Some(exception) = grant.exception.as_ref().filter(|_| !weak.is_empty()) {
        findings.list.push(accepted(grant, exception));
        return;
    }
    report(context, flow, &weak, Kind::Declared, findings);
}

/// Callers that no grant covers, on ports that nobody claims to be closed: the excess check does not
/// see them, but they can still speak plaintext to a protected port.
fn other_callers(context: &Context<'_>, index: usize, grant: &Grant) -> Vec<Weak> {
    let engine = context.engine;
    let mut weak = Vec::new();
    let Some((_, to)) = context.declared.ends(index) else {
        return weak;
    };
    for destination in to.iter().map(EndpointId) {
        let claimed = context
            .declared
            .claim(palisade_netmodel::Direction::Ingress, destination);
        if claimed.is_some() || engine.pod(destination).is_none() || grant.to.component.is_none() {
            continue;
        }
        let wanted = engine.ports_at(grant.ports.as_deref(), destination);
        for source in engine.endpoints() {
            let ends = (source, destination);
            if !engine.is_pair(source, destination) {
                continue;
            }
            let covered = context.granted(ends);
            weak.extend(weaker(
                context,
                ends,
                &wanted.difference(&covered),
                grant.encryption,
            ));
        }
    }
    weak
}

fn pairs_of(context: &Context<'_>, grant: usize) -> Vec<(EndpointId, EndpointId)> {
    let engine = context.engine;
    let Some((from, to)) = context.declared.ends(grant) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    for source in from.iter().map(EndpointId) {
        for destination in to.iter().map(EndpointId) {
            if engine.is_pair(source, destination) {
                out.push((source, destination));
            }
        }
    }
    out
}

/// The wanted ports that can pass without what is required.
fn weaker(
    context: &Context<'_>,
    ends: (EndpointId, EndpointId),
    wanted: &PortSet,
    required: Requirement,
) -> Option<Weak> {
    let pair = context.pair(ends);
    let possible = wanted.intersection(&pair.passage.may);
    let ports = possible.difference(&proven(context, &pair, ends.1, required));
    (!ports.is_empty()).then_some(Weak { ends, ports })
}

/// Ports on which the requirement is met: proven by the mesh or a gateway, or asserted by the
/// component's `serves: TLS`.
fn proven(
    context: &Context<'_>,
    pair: &Pair,
    destination: EndpointId,
    required: Requirement,
) -> PortSet {
    match required {
        Requirement::None => PortSet::all(),
        Requirement::Tls => pair
            .mesh_mtls
            .union(&pair.tls)
            .union(&asserted(context, destination)),
        Requirement::Mtls | Requirement::MeshMtls => pair.mesh_mtls.clone(),
    }
}

/// Ports on which a component says that it terminates TLS itself.
fn asserted(context: &Context<'_>, destination: EndpointId) -> PortSet {
    let mut out = PortSet::empty();
    for (index, component) in context.intent.components.iter().enumerate() {
        let here = context.declared.component(index);
        if !here.is_some_and(|bits| bits.contains(destination.0)) {
            continue;
        }
        for port in component.ports.iter().filter(|p| p.serves == Serves::Tls) {
            out = out.union(&PortSet::range(port.protocol, port.port, port.end_port));
        }
    }
    out
}

/// Whose wire is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Declared,
    Other,
}

fn report(
    context: &Context<'_>,
    flow: &Flow<'_>,
    weak: &[Weak],
    kind: Kind,
    findings: &mut Findings,
) {
    let grant = flow.grant;
    let Some(first) = weak.first() else { return };
    let Some(port) = first.ports.first() else {
        return;
    };
    let most = match grant.encryption {
        Requirement::None | Requirement::Tls => Encryption::None,
        Requirement::Mtls | Requirement::MeshMtls => Encryption::Tls,
    };
    match replay(context, first.ends, port, Expect::Weak(most)) {
        Ok(witness) => {
            let text = describe(context, flow, weak, kind, (&witness, port));
            findings.list.push(text);
        }
        Err(diagnostic) => {
            findings.undecided = true;
            findings.list.push(diagnostic);
        }
    }
}

fn describe(
    context: &Context<'_>,
    flow: &Flow<'_>,
    weak: &[Weak],
    kind: Kind,
    (witness, port): (&Witness, (Protocol, u16)),
) -> Diagnostic {
    let names = Names::new(context.engine);
    let ports = weak
        .iter()
        .fold(PortSet::empty(), |set, w| set.union(&w.ports));
    let grant = flow.grant;
    let required = grant.encryption;
    let (code, title) = match kind {
        Kind::Declared => (
            "PAL0306",
            format!(
                "flow `{}` ({}) must be {required}, but a weaker wire is accepted",
                grant.id,
                flow.parties()
            ),
        ),
        Kind::Other => (
            "PAL0307",
            format!(
                "callers outside the matrix reach `{}` without {required}, which flow `{}` demands of its port",
                grant.to.name, grant.id
            ),
        ),
    };
    let destination = weak.first().map(|w| w.ends.1);
    let mut diagnostic = Diagnostic::error(code, title)
        .at_opt(grant.origin.0, format!("{required} is demanded here"))
        .witness(witness.text.clone())
        .note(format!(
            "callers: {}",
            names.list(weak.iter().map(|w| w.ends.0))
        ))
        .note(format!(
            "receivers: {}",
            names.list(weak.iter().map(|w| w.ends.1))
        ))
        .note(format!("ports: {ports}"));
    let (accepts, help) = accepted_wire(context, destination, port.1);
    diagnostic = diagnostic.note(accepts);
    for reason in reasons(&witness.decision) {
        diagnostic = diagnostic.note(reason);
    }
    diagnostic.help(help)
}

/// What a port of the receiver accepts, and what to change.
fn accepted_wire(
    context: &Context<'_>,
    destination: Option<EndpointId>,
    port: u16,
) -> (String, &'static str) {
    let engine = context.engine;
    let mode = destination.and_then(|d| engine.mtls_mode(d, port));
    let pod = destination.and_then(|d| engine.pod(d));
    let capture = pod.and_then(|pod| match pod.proxy {
        Proxy::Ambient { capture, .. } => Some(capture),
        _ => None,
    });
    let strict = "set PeerAuthentication `mtls.mode: STRICT` for the receiver: only STRICT proves encryption";
    match (mode, capture) {
        (Some(MtlsMode::Strict), Some(Capture::Unclear)) => (
            "the input does not show that ztunnel captures the receiver".to_owned(),
            "give the pod as it runs: once it is captured it has the annotation `ambient.istio.io/redirection: enabled`",
        ),
        (Some(mode), Some(_)) => (
            format!("the receiver's ztunnel accepts mode {mode} on port {port}"),
            strict,
        ),
        (Some(mode), None) => (
            format!("the receiver's sidecar accepts mode {mode} on port {port}"),
            strict,
        ),
        (None, _) => (
            "no proxy of the mesh receives this port, so the mesh encrypts nothing here".to_owned(),
            "put the receiver in the mesh and its port under its proxy, or lower the demand, or add an exception with owner and expiry",
        ),
    }
}

fn asserted_outside(grant: &Grant) -> Diagnostic {
    Diagnostic::note_only(
        "PAL0314",
        format!(
            "flow `{}` leaves the cluster: that `{}` speaks {} is asserted by the matrix, not proven",
            grant.id, grant.to.name, grant.encryption
        ),
    )
    .at_opt(grant.origin.0, "")
}

fn accepted(grant: &Grant, exception: &str) -> Diagnostic {
    Diagnostic::note_only(
        "PAL0315",
        format!(
            "flow `{}` is weaker than {} by exception {exception}",
            grant.id, grant.encryption
        ),
    )
    .at_opt(grant.origin.0, "")
}
