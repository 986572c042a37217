//! What the mesh's objects can tell apart: ports of a receiver, and blocks of addresses.

use crate::matter::Range;
use ipnet::IpNet;
use palisade_netmodel::{Labels, PodId, Protocol, Proxy, World};
use palisade_sidecar::target;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The ports of a pod with a sidecar that something of the mesh can mean: ports past the sidecar, targets of Services,
/// and what policies name.
pub(crate) fn named_by_mesh(world: &World, id: PodId) -> Vec<Range> {
    let Some(pod) = world.pod(id) else {
        return Vec::new();
    };
    let Proxy::Sidecar { inbound, .. } = &pod.proxy else {
        return Vec::new();
    };
    let past = inbound.bypass.ranges(Protocol::Tcp).iter();
    let mut ranges: BTreeSet<Range> = past
        .map(|(first, last)| (Protocol::Tcp, *first, *last))
        .collect();
    let mut ports = BTreeSet::new();
    let services = world.services.iter();
    for port in services
        .filter(|service| {
            let some = !service.selector.is_empty();
            some && service.object.namespace == pod.namespace
                && pod.labels.include(&service.selector)
        })
        .flat_map(|service| &service.ports)
        .filter(|port| port.protocol == Protocol::Tcp)
    {
        ports.extend(target(pod, &port.target));
    }
    let about = |namespace: &str, selector: &Labels| {
        let here = namespace == pod.namespace || namespace == world.mesh.root_namespace;
        here && pod.labels.include(selector)
    };
    for policy in &world.peer_authentications {
        if about(&policy.object.namespace, &policy.selector) {
            ports.extend(policy.ports.keys());
        }
    }
    let policies = world.authorization_policies.iter();
    for rule in policies
        .filter(|policy| about(&policy.object.namespace, &policy.selector))
        .flat_map(|policy| &policy.rules)
    {
        for operation in &rule.to {
            ports.extend(operation.ports.iter().chain(&operation.not_ports));
        }
        for condition in rule.when.iter().filter(|c| c.key == "destination.port") {
            let values = condition.values.iter().chain(&condition.not_values);
            ports.extend(values.filter_map(|value| value.parse::<u16>().ok()));
        }
    }
    ranges.extend(ports.into_iter().map(|port| (Protocol::Tcp, port, port)));
    ranges.into_iter().collect()
}

/// Every block of callers' addresses that a policy of the mesh names.
pub(crate) fn address_blocks(world: &World) -> BTreeSet<IpNet> {
    let mut found = BTreeSet::new();
    let mut add = |text: &String| {
        let block = text.parse::<IpNet>().ok();
        found.extend(block.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from)));
    };
    for rule in world.authorization_policies.iter().flat_map(|p| &p.rules) {
        for source in &rule.from {
            let blocks = source.ip_blocks.iter().chain(&source.not_ip_blocks);
            blocks.for_each(&mut add);
        }
        for condition in rule.when.iter().filter(|c| c.key == "source.ip") {
            let values = condition.values.iter().chain(&condition.not_values);
            values.for_each(&mut add);
        }
    }
    found
}
