//! What a caller can put on the wire (`istio.io, DestinationRule.trafficPolicy.tls` and auto mTLS).

use super::mesh::{Client, Source, namespace_mode};
use palisade_netmodel::{
    ClientTls, DestinationRule, Labels, MtlsMode, ObjectRef, Phase, Pod, PortSet, Protocol, Proxy,
    Service, TargetPort, World,
};

/// One way to send: plaintext (or anything that is not mesh mTLS), or mesh mTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Plain,
    Mtls,
}

/// A Service port that leads to a pod's port.
#[derive(Debug)]
pub(super) struct Door<'w> {
    pub(super) service: &'w Service,
    /// The Service's full name, as DestinationRules write it.
    host: String,
    /// Whether auto mTLS is possible, as far as the Service tells.
    auto: Auto,
    pub(super) port: u16,
    pub(super) name: &'w str,
    pub(super) app_protocol: Option<&'w str>,
}

impl Door<'_> {
    /// The DestinationRules that may decide for some caller.
    pub(super) fn rules<'w>(&self, world: &'w World) -> impl Iterator<Item = &'w DestinationRule> {
        let rules = world.destination_rules.iter();
        rules.filter(|rule| host_matches(&rule.host, &self.host))
    }
}

/// The full name of a Service, as DestinationRules write it.
pub(super) fn host_of(object: &ObjectRef) -> String {
    format!("{}.{}.svc.cluster.local", object.name, object.namespace)
}

/// What a Service tells of auto mTLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Auto {
    /// Off, for its namespace or since it is headless with a pod outside the mesh.
    Off,
    /// On for all pods of a headless Service.
    On,
    /// Each pod tells.
    ByPod,
}

/// Every Service that leads to a pod.
pub(super) fn leading<'w>(world: &'w World, pod: &Pod) -> Vec<&'w Service> {
    let services = world.services.iter();
    let leads = |service: &&Service| {
        service.object.namespace == pod.namespace && selects(&service.selector, &pod.labels)
    };
    services.filter(leads).collect()
}

/// Every TCP port of the Services that lead to a pod which leads to `port` of it.
pub(super) fn doors<'w>(
    world: &'w World,
    leading: &[&'w Service],
    pod: &Pod,
    port: u16,
) -> Vec<Door<'w>> {
    let mut out = Vec::new();
    for service in leading {
        for sp in service.ports.iter().filter(|p| p.protocol == Protocol::Tcp) {
            if target(&sp.target, pod).contains(&port) {
                out.push(Door {
                    service,
                    host: host_of(&service.object),
                    auto: auto(world, service),
                    port: sp.port,
                    name: &sp.name,
                    app_protocol: sp.app_protocol.as_deref(),
                });
            }
        }
    }
    out
}

/// The pod's ports that a Service port means.
pub(super) fn target(target: &TargetPort, pod: &Pod) -> Vec<u16> {
    match target {
        TargetPort::Number(n) => vec![*n],
        TargetPort::Name(name) => pod
            .named_ports
            .iter()
            .filter(|n| n.name == *name && n.protocol == Protocol::Tcp)
            .map(|n| n.port)
            .collect(),
    }
}

/// A Service without selector selects nothing.
pub(super) fn selects(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty() && labels.include(selector)
}

/// The TCP ports of the Services that lead to a pod, on the pod.
pub(super) fn door_ports(leading: &[&Service], pod: &Pod) -> PortSet {
    let mut out = PortSet::empty();
    for service in leading {
        for sp in service.ports.iter().filter(|p| p.protocol == Protocol::Tcp) {
            for port in target(&sp.target, pod) {
                out = out.union(&PortSet::single(Protocol::Tcp, port));
            }
        }
    }
    out
}

/// What is said of auto mTLS without looking at the receiver.
fn auto(world: &World, service: &Service) -> Auto {
    let disabled = namespace_mode(world, &service.object.namespace) == Some(MtlsMode::Disable);
    if !world.mesh.auto_mtls || disabled {
        return Auto::Off;
    }
    match service.headless {
        false => Auto::ByPod,
        true if every_pod_enrolled(world, service) => Auto::On,
        true => Auto::Off,
    }
}

/// The rules of one namespace that a client can see for a host, of which the most specific host counts.
fn of_namespace<'w>(
    world: &'w World,
    namespace: &str,
    host: &str,
    client: &Pod,
) -> Vec<&'w DestinationRule> {
    let visible = |rule: &&DestinationRule| {
        let at_home = rule.object.namespace == client.namespace;
        let mut names = rule.export_to.iter();
        match rule.workload_selector.is_empty() {
            // One for some workloads is for those of its own namespace.
            false => at_home,
            true if rule.export_to.is_empty() => true,
            true => names.any(|name| match name.as_str() {
                "*" => true,
                "." => at_home,
                other => other == client.namespace,
            }),
        }
    };
    let all: Vec<&DestinationRule> = world
        .destination_rules
        .iter()
        .filter(|r| r.object.namespace == namespace && host_matches(&r.host, host))
        .filter(visible)
        .collect();
    let rank = |r: &&DestinationRule| (!r.host.starts_with('*'), r.host.len());
    let best = all.iter().map(rank).max();
    all.into_iter().filter(|r| Some(rank(r)) == best).collect()
}

/// Of rules that are for the same host, the one whose settings a client has.
fn of_client<'w>(rules: &[&'w DestinationRule], client: &Pod) -> Option<&'w DestinationRule> {
    let says = |rule: &&&DestinationRule| rule.has_policy();
    let (for_all, for_some): (Vec<&DestinationRule>, Vec<&DestinationRule>) =
        rules.iter().partition(|r| r.workload_selector.is_empty());
    let own = for_some.iter().find(|r| {
        r.object.namespace == client.namespace && client.labels.include(&r.workload_selector)
    });
    let like_own = for_some
        .iter()
        .filter(|r| own.is_some_and(|own| own.workload_selector == r.workload_selector));
    like_own.chain(&for_all).find(says).copied()
}

/// Whether all live pods that a Service selects have a sidecar.
pub(super) fn every_pod_enrolled(world: &World, service: &Service) -> bool {
    world
        .pods
        .iter()
        .filter(|p| p.phase == Phase::Live && p.namespace == service.object.namespace)
        .filter(|p| p.labels.include(&service.selector))
        .all(|p| matches!(p.proxy, Proxy::Sidecar { .. }))
}

pub(super) fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix),
        None => pattern == host,
    }
}

/// What a caller can send to a port, what its proxy sends by itself first. Plaintext is always possible:
/// a process can call the pod's address past every Service. Where no Service leads, the proxy sends what
/// the process wrote, and only a process that uses the mesh certificate itself sends mTLS.
pub(super) fn ways(
    world: &World,
    source: Source<'_>,
    destination: &Pod,
    (mode, doors): (MtlsMode, &[Door<'_>]),
) -> &'static [Way] {
    let Source::Pod(Client { pod: client, .. }) = source else {
        return &[Way::Plain];
    };
    let excludes = |port: u16| match &client.proxy {
        Proxy::Sidecar {
            outbound_excluded, ..
        } => outbound_excluded.contains(Protocol::Tcp, port),
        _ => false,
    };
    // ztunnel and waypoints tunnel to captured pods; to all others they send what the process wrote.
    if !matches!(client.proxy, Proxy::Sidecar { .. } | Proxy::Gateway) {
        return &[Way::Plain];
    }
    if doors.is_empty() {
        return &[Way::Plain, Way::Mtls];
    }
    let mtls = doors
        .iter()
        .any(|door| !excludes(door.port) && sends_mtls(world, client, destination, door, mode));
    if mtls {
        &[Way::Mtls, Way::Plain]
    } else {
        &[Way::Plain]
    }
}

/// Whether a client's proxy sends mesh mTLS through a Service port.
fn sends_mtls(
    world: &World,
    client: &Pod,
    destination: &Pod,
    door: &Door<'_>,
    mode: MtlsMode,
) -> bool {
    let object = &door.service.object;
    let auto = match door.auto {
        Auto::Off => false,
        Auto::On => true,
        Auto::ByPod => {
            mode != MtlsMode::Disable && matches!(destination.proxy, Proxy::Sidecar { .. })
        }
    };
    let Some(rule) = lookup(world, client, &object.namespace, &door.host) else {
        return auto;
    };
    match rule.ports.get(&door.port) {
        Some(Some(tls)) => *tls == ClientTls::IstioMutual,
        Some(None) | None => match rule.tls {
            Some(tls) => tls == ClientTls::IstioMutual,
            None => auto,
        },
    }
}

/// The one rule that applies: of the client's namespace, the Service's or the root namespace, the first that has any.
fn lookup<'w>(
    world: &'w World,
    client: &Pod,
    service_namespace: &str,
    host: &str,
) -> Option<&'w DestinationRule> {
    let root = world.mesh.root_namespace.as_str();
    let places = [client.namespace.as_str(), service_namespace, root];
    let from = usize::from(client.namespace == root);
    let mut found = places
        .into_iter()
        .skip(from)
        .map(|place| of_namespace(world, place, host, client));
    of_client(&found.find(|rules| !rules.is_empty())?, client)
}
