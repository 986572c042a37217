//! What a caller puts on the wire (`istio.io, DestinationRule, ClientTLSSettings`, and auto mTLS).

use super::mesh::plain_cause;
use super::peer_authentication::matches;
use super::{View, pod};
use crate::{
    Cause, ClientTls, DestinationRule, Flow, Layer, MtlsMode, Outcome, Phase, Pod, PortSet,
    Protocol, Proxy, Service, ServicePort, TargetPort,
};

/// One way to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// Plaintext, or TLS that is not the mesh's.
    Plaintext,
    /// Mesh mTLS with the workload's certificate.
    MeshMtls,
}

impl Sent {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::MeshMtls => "mesh mTLS",
        }
    }
}

/// Every way that the caller has, what its proxy does by itself first.
///
/// A caller outside the mesh has plaintext only. A caller in the mesh sends mTLS if a Service leads to
/// the port and the DestinationRule in force, or auto mTLS, says so. Where no Service leads to the port,
/// its proxy sends what the process wrote (`Istio, Application Requirements`: calls to a pod's address).
pub(super) fn ways(world: View<'_>, flow: &Flow, receiver: &Pod, mode: MtlsMode) -> Vec<Sent> {
    let excluded = match pod(world, flow.source).map(|caller| (caller, &caller.proxy)) {
        // ztunnel tunnels to pods that it captures (`ambient.rs`); to all others it passes on what the
        // process wrote, as it does for a waypoint.
        None | Some((_, Proxy::None { .. } | Proxy::Ambient { .. } | Proxy::Waypoint)) => {
            return vec![Sent::Plaintext];
        }
        Some((
            _,
            Proxy::Sidecar {
                outbound_excluded, ..
            },
        )) => outbound_excluded.clone(),
        Some((_, Proxy::Gateway)) => PortSet::empty(),
    };
    let doors = doors(world, receiver, flow.port);
    if doors.is_empty() {
        // Nothing describes the call: the proxy sends on what the process wrote. A process that has the
        // mesh certificate mounted can speak mesh mTLS itself.
        return vec![Sent::Plaintext, Sent::MeshMtls];
    }
    let sends = doors.iter().any(|(service, port)| {
        !excluded.contains(Protocol::Tcp, port.port)
            && pod(world, flow.source)
                .is_some_and(|caller| by_service(world, caller, receiver, (service, port), mode))
    });
    if sends {
        vec![Sent::MeshMtls, Sent::Plaintext]
    } else {
        vec![Sent::Plaintext]
    }
}

/// The step in words.
pub(super) fn cause(world: View<'_>, flow: &Flow, ways: &[Sent]) -> Cause {
    let enrolled = pod(world, flow.source)
        .is_some_and(|caller| matches!(caller.proxy, Proxy::Sidecar { .. } | Proxy::Gateway));
    let captured = pod(world, flow.source)
        .is_some_and(|caller| matches!(caller.proxy, Proxy::Ambient { .. } | Proxy::Waypoint));
    let bare = ways == [Sent::Plaintext, Sent::MeshMtls];
    let text = match (ways.first(), enrolled) {
        _ if bare => {
            "no Service leads to the port: the caller's proxy sends plaintext to a bare pod address, and only a process that uses the mesh certificate itself sends mTLS"
        }
        (Some(Sent::MeshMtls), _) => "the caller's proxy sends mesh mTLS",
        (_, true) => {
            "the caller is in the mesh and sends plaintext here (DestinationRule, or a port that its sidecar leaves out)"
        }
        (_, false) if captured => {
            "ztunnel sends the caller's plaintext on, since it has no tunnel to the receiver"
        }
        (_, false) => "the caller is outside the mesh and sends plaintext",
    };
    plain_cause(Layer::ClientTls, Outcome::Allow, text.to_owned())
}

/// Every TCP port of a Service that leads to a pod's port.
pub(super) fn doors<'w>(
    world: View<'w>,
    receiver: &Pod,
    port: u16,
) -> Vec<(&'w Service, &'w ServicePort)> {
    let mut out = Vec::new();
    for service in world.services() {
        // A Service without a selector selects nothing.
        let leads = service.object.namespace == receiver.namespace
            && !service.selector.0.is_empty()
            && matches(&service.selector, &receiver.labels);
        if !leads {
            continue;
        }
        for service_port in &service.ports {
            let reaches = match &service_port.target {
                TargetPort::Number(number) => *number == port,
                TargetPort::Name(name) => receiver
                    .named_ports
                    .iter()
                    .any(|n| n.name == *name && n.protocol == Protocol::Tcp && n.port == port),
            };
            if service_port.protocol == Protocol::Tcp && reaches {
                out.push((service, service_port));
            }
        }
    }
    out
}

/// Whether the caller's proxy sends mesh mTLS through one Service port.
fn by_service(
    world: View<'_>,
    caller: &Pod,
    receiver: &Pod,
    (service, port): (&Service, &ServicePort),
    mode: MtlsMode,
) -> bool {
    // Auto mTLS: on, the receiver has a sidecar, and its mode is not DISABLE; for a headless Service, every
    // pod behind it has one.
    let auto = world.mesh.auto_mtls
        && matches!(receiver.proxy, Proxy::Sidecar { .. })
        && mode != MtlsMode::Disable
        && (!service.headless || all_enrolled(world, service));
    let object = &service.object;
    let host = format!("{}.{}.svc.cluster.local", object.name, object.namespace);
    let Some(rule) = rule_for(world, caller, &object.namespace, &host) else {
        return auto;
    };
    // portLevelSettings replace the rule's own setting; an entry without tls leaves it in force.
    let tls = rule.ports.get(&port.port).copied().flatten().or(rule.tls);
    match tls {
        Some(mode) => mode == ClientTls::IstioMutual,
        None => auto,
    }
}

/// Whether every live pod behind a Service has a sidecar.
fn all_enrolled(world: View<'_>, service: &Service) -> bool {
    let behind = world.pods.iter().filter(|pod| {
        pod.phase == Phase::Live
            && pod.namespace == service.object.namespace
            && matches(&service.selector, &pod.labels)
    });
    let mut behind = behind.map(|pod| matches!(pod.proxy, Proxy::Sidecar { .. }));
    behind.all(|enrolled| enrolled)
}

/// The rule for a host: from the caller's namespace (unless that is the root), else from the
/// Service's, else from the root namespace.
fn rule_for<'w>(
    world: View<'w>,
    caller: &Pod,
    service_namespace: &str,
    host: &str,
) -> Option<&'w DestinationRule> {
    let root = world.mesh.root_namespace.as_str();
    let own = if caller.namespace == root {
        None
    } else {
        in_namespace(world, &caller.namespace, caller, host, false)
    };
    own.or_else(|| in_namespace(world, service_namespace, caller, host, true))
        .or_else(|| in_namespace(world, root, caller, host, true))
}

/// The most specific rule of a namespace: an exact host before a wildcard, a longer one before a
/// shorter one.
fn in_namespace<'w>(
    world: View<'w>,
    namespace: &str,
    caller: &Pod,
    host: &str,
    must_be_exported: bool,
) -> Option<&'w DestinationRule> {
    let mut best: Option<&DestinationRule> = None;
    for rule in world.destination_rules() {
        let fits = rule.object.namespace == namespace
            && host_fits(&rule.host, host)
            && matches(&rule.workload_selector, &caller.labels)
            && (!must_be_exported || is_exported(rule, &caller.namespace));
        let rank = |r: &DestinationRule| (!r.host.starts_with('*'), r.host.len());
        // Of rules for one host the first keeps its traffic policy; a later one counts where it has none.
        let better = |b: &DestinationRule| {
            rank(rule) > rank(b) || (rank(rule) == rank(b) && !has_policy(b) && has_policy(rule))
        };
        if fits && best.is_none_or(better) {
            best = Some(rule);
        }
    }
    best
}

fn has_policy(rule: &DestinationRule) -> bool {
    rule.tls.is_some() || !rule.ports.is_empty()
}

fn host_fits(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix),
        None => host == pattern,
    }
}

/// `exportTo`: everywhere if empty or `*`, the rule's own namespace for `.`, else the named ones.
fn is_exported(rule: &DestinationRule, to: &str) -> bool {
    rule.export_to.is_empty()
        || rule
            .export_to
            .iter()
            .any(|e| e == "*" || e == to || (e == "." && rule.object.namespace == to))
}
