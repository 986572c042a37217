//! What a caller puts on the wire (`istio.io, DestinationRule, ClientTLSSettings`, and auto mTLS).

use super::mesh::plain_cause;
use super::{View, peer_authentication, pod};
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

/// Whether a caller's sidecar sends mesh mTLS to a pod's port through one Service port.
pub(super) fn sidecar_sends_mtls(
    world: View<'_>,
    caller: &Pod,
    (receiver, target): (&Pod, u16),
    door: (&Service, &ServicePort),
) -> bool {
    let Proxy::Sidecar {
        outbound_excluded, ..
    } = &caller.proxy
    else {
        return false;
    };
    let (mode, _) = peer_authentication::mode(world, receiver, target);
    !outbound_excluded.contains(Protocol::Tcp, door.1.port)
        && by_service(world, caller, receiver, door, mode)
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
            "the caller is in the mesh and sends plaintext here (DestinationRule, mode DISABLE, or a port that its sidecar leaves out)"
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
            && !service.selector.is_empty()
            && receiver.labels.include(&service.selector);
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
    // Auto mTLS: on, and not DISABLE for the whole namespace, by which callers know a Service; then the receiver has a
    // sidecar, and its own mode is not DISABLE. A headless Service has no endpoints to look at: every pod behind it
    // must have a sidecar (`istio, cluster_tls.go, buildUpstreamTLSSettings and applyUpstreamTLSSettings`).
    let object = &service.object;
    let takes = if service.headless {
        all_enrolled(world, service)
    } else {
        matches!(receiver.proxy, Proxy::Sidecar { .. }) && mode != MtlsMode::Disable
    };
    let disabled = peer_authentication::of_namespace(world, &object.namespace) == MtlsMode::Disable;
    let auto = world.mesh.auto_mtls && !disabled && takes;
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
            && pod.labels.include(&service.selector)
    });
    let mut behind = behind.map(|pod| matches!(pod.proxy, Proxy::Sidecar { .. }));
    behind.all(|enrolled| enrolled)
}

/// The rule for a host: from the caller's namespace (unless that is the root), else from the Service's, else from the
/// root namespace. The first of them with a rule for the host that the caller can see decides, even if that rule is for
/// other workloads (`istio, push_context.go, destinationRule; sidecar.go, SidecarScope.DestinationRule`).
fn rule_for<'w>(
    world: View<'w>,
    caller: &Pod,
    service_namespace: &str,
    host: &str,
) -> Option<&'w DestinationRule> {
    let root = world.mesh.root_namespace.as_str();
    let own = (caller.namespace != root).then_some(caller.namespace.as_str());
    for namespace in own.into_iter().chain([service_namespace, root]) {
        let rules = in_namespace(world, namespace, caller, host);
        if !rules.is_empty() {
            return for_caller(&rules, caller);
        }
    }
    None
}

/// Of rules for one host, one whose `workloadSelector` selects the caller goes before those without. Rules with one
/// selector are one, whose first traffic policy counts; without any it has that of the rules for all.
fn for_caller<'w>(rules: &[&'w DestinationRule], caller: &Pod) -> Option<&'w DestinationRule> {
    let mut selected = rules.iter().filter(|rule| {
        let some = !rule.workload_selector.is_empty();
        some && rule.object.namespace == caller.namespace
            && caller.labels.include(&rule.workload_selector)
    });
    let of_caller = selected.next().and_then(|first| {
        let mut same = rules
            .iter()
            .filter(|rule| rule.workload_selector == first.workload_selector);
        same.find(|rule| rule.has_policy())
    });
    let mut for_all = rules
        .iter()
        .filter(|rule| rule.workload_selector.is_empty());
    of_caller
        .or_else(|| for_all.find(|rule| rule.has_policy()))
        .copied()
}

/// The rules of a namespace that the caller can see, for the most specific host: an exact one before a pattern, a
/// longer pattern before a shorter one.
fn in_namespace<'w>(
    world: View<'w>,
    namespace: &str,
    caller: &Pod,
    host: &str,
) -> Vec<&'w DestinationRule> {
    let mut best: Vec<&DestinationRule> = Vec::new();
    let rank = |rule: &DestinationRule| (!rule.host.starts_with('*'), rule.host.len());
    for rule in world.destination_rules() {
        let fits = rule.object.namespace == namespace
            && host_fits(&rule.host, host)
            && is_exported(rule, &caller.namespace);
        if !fits {
            continue;
        }
        if best.first().is_some_and(|first| rank(rule) > rank(first)) {
            best.clear();
        }
        if best.first().is_none_or(|first| rank(rule) == rank(first)) {
            best.push(rule);
        }
    }
    best
}

fn host_fits(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix),
        None => host == pattern,
    }
}

/// `exportTo`: everywhere if empty or `*`, the rule's own namespace for `.`, else the named ones. A rule with a
/// `workloadSelector` stays in its namespace (`istio, push_context.go, setDestinationRules`).
fn is_exported(rule: &DestinationRule, to: &str) -> bool {
    if !rule.workload_selector.is_empty() {
        return rule.object.namespace == to;
    }
    rule.export_to.is_empty()
        || rule
            .export_to
            .iter()
            .any(|e| e == "*" || e == to || (e == "." && rule.object.namespace == to))
}
