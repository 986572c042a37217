//! What a sidecar sends to a port of a Service: the DestinationRule that counts, or auto mTLS
//! (`istio, pilot/pkg/model/push_context.go, destination_rule.go and sidecar.go; networking/core, cluster TLS`).

use crate::modes::Modes;
use palisade_netmodel::{
    ClientTls, DestinationRule, MtlsMode, Phase, Pod, Protocol, Proxy, Service, TargetPort, World,
};

/// What is sent to the pods behind a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sends {
    /// What the process wrote.
    Plaintext,
    /// mTLS of the mesh, to each of them.
    Mesh,
    /// mTLS of the mesh to those that are known to take it, plaintext to others.
    Auto,
    /// TLS without a certificate.
    Tls,
    /// TLS with certificates that a rule names.
    Own,
}

/// What a client's sidecar sends to a port of a Service.
pub(crate) fn sends(world: &World, client: &Pod, service: &Service, port: u16) -> Sends {
    let rule = policy(world, client, service);
    let tls = rule.and_then(|rule| rule.ports.get(&port).copied().flatten().or(rule.tls));
    match tls {
        Some(ClientTls::Disable) => Sends::Plaintext,
        Some(ClientTls::Simple) => Sends::Tls,
        Some(ClientTls::Mutual) => Sends::Own,
        Some(ClientTls::IstioMutual) => Sends::Mesh,
        None => auto(world, service),
    }
}

/// Auto mTLS, where no rule says anything. The cluster of a Service knows the modes of its namespace and of the mesh;
/// the mode of a pod is looked at for each endpoint, which a headless Service does not have.
fn auto(world: &World, service: &Service) -> Sends {
    let namespace = Modes::of_namespace(world, &service.object.namespace);
    if !world.mesh.auto_mtls || namespace == MtlsMode::Disable {
        return Sends::Plaintext;
    }
    if !service.headless {
        return Sends::Auto;
    }
    let mut behind = world.pods.iter().filter(|pod| {
        pod.phase == Phase::Live
            && pod.namespace == service.object.namespace
            && pod.labels.include(&service.selector)
    });
    if behind.all(enrolled) {
        Sends::Mesh
    } else {
        Sends::Plaintext
    }
}

/// Whether an endpoint is known to take mTLS.
pub(crate) fn takes_mtls(world: &World, pod: &Pod, port: u16) -> bool {
    enrolled(pod) && Modes::of(world, pod).of_port(port) != MtlsMode::Disable
}

fn enrolled(pod: &Pod) -> bool {
    matches!(pod.proxy, Proxy::Sidecar { .. })
}

/// The port of a pod that a Service's port means.
#[must_use]
pub fn target(pod: &Pod, target: &TargetPort) -> Option<u16> {
    match target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Name(name) => {
            let mut named = pod.named_ports.iter();
            let named = named.find(|p| p.name == *name && p.protocol == Protocol::Tcp);
            named.map(|p| p.port)
        }
    }
}

/// The rule whose traffic policy a client has for a Service. The client's namespace is looked at first unless it is the
/// root, then the Service's, then the root; the first that has a rule for the host decides, whomever that is for.
fn policy<'w>(world: &'w World, client: &Pod, service: &Service) -> Option<&'w DestinationRule> {
    let object = &service.object;
    let host = format!("{}.{}.svc.cluster.local", object.name, object.namespace);
    let root = world.mesh.root_namespace.as_str();
    let own = (client.namespace != root).then_some(client.namespace.as_str());
    let places = own.into_iter().chain([object.namespace.as_str(), root]);
    let mut rules = places.map(|place| most_specific(world, place, client, &host));
    let rules = rules.find(|rules| !rules.is_empty())?;
    chosen(client, &rules)
}

/// Of the rules of one host, those for the client itself go first; where they have no policy, the others' counts.
fn chosen<'w>(client: &Pod, rules: &[&'w DestinationRule]) -> Option<&'w DestinationRule> {
    let for_all = |rule: &DestinationRule| rule.workload_selector.is_empty();
    let for_client = |rule: &DestinationRule| {
        !for_all(rule)
            && rule.object.namespace == client.namespace
            && client.labels.include(&rule.workload_selector)
    };
    let first = rules.iter().find(|rule| for_client(rule));
    let same = |rule: &DestinationRule| {
        first.is_some_and(|first| first.workload_selector == rule.workload_selector)
    };
    let by_selector = rules.iter().filter(|rule| same(rule));
    let in_order = by_selector.chain(rules.iter().filter(|rule| for_all(rule)));
    in_order.copied().find(|rule| rule.has_policy())
}

/// The rules of a namespace for a host that a client can see: those for the host itself, else for the longest pattern.
fn most_specific<'w>(
    world: &'w World,
    namespace: &str,
    client: &Pod,
    host: &str,
) -> Vec<&'w DestinationRule> {
    let mut found: Vec<&DestinationRule> = Vec::new();
    for rule in &world.destination_rules {
        let fits = match rule.host.strip_prefix('*') {
            Some(suffix) => host.ends_with(suffix),
            None => rule.host == host,
        };
        if rule.object.namespace != namespace || !fits || !visible(rule, &client.namespace) {
            continue;
        }
        let rank = |rule: &DestinationRule| (!rule.host.starts_with('*'), rule.host.len());
        match found.first().map(|first| rank(rule).cmp(&rank(first))) {
            None | Some(std::cmp::Ordering::Equal) => found.push(rule),
            Some(std::cmp::Ordering::Greater) => found = vec![rule],
            Some(std::cmp::Ordering::Less) => {}
        }
    }
    found
}

/// `exportTo`, which a rule for some workloads has not: it stays in its namespace.
fn visible(rule: &DestinationRule, to: &str) -> bool {
    let own = rule.object.namespace == to;
    if !rule.workload_selector.is_empty() {
        return own;
    }
    let names = |word: &String| word == "*" || word == to || (word == "." && own);
    rule.export_to.is_empty() || rule.export_to.iter().any(names)
}
