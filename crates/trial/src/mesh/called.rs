//! The Services that sidecars know, and the addresses by which their pods' processes call them in a lab.

use crate::Published;
use palisade_netmodel::{Pod, PodId, Protocol, Proxy, Service, ServicePort, World};
use palisade_sidecar::{Called, target};
use std::collections::{BTreeMap, BTreeSet};

/// The port of a Service that is published, in a world.
pub(super) fn door<'w>(
    world: &'w World,
    published: &Published,
) -> Option<(&'w Service, &'w ServicePort)> {
    let mut services = world.services.iter();
    let service = services.find(|service| service.object == published.service)?;
    let is_it =
        |port: &&ServicePort| (port.protocol, port.port) == (published.protocol, published.port);
    Some((service, service.ports.iter().find(is_it)?))
}

/// Every port of TCP by which pods are called: of a published Service at its addresses, and of a headless one at those
/// of its pods, which a process calls by itself.
pub(super) fn called<'w>(
    world: &'w World,
    published: &[Published],
    is_here: impl Fn(PodId) -> bool,
) -> Vec<Called<'w>> {
    let tcp = published.iter().filter(|p| p.protocol == Protocol::Tcp);
    let virtual_ones = tcp.filter_map(|published| {
        let (service, port) = door(world, published)?;
        Some(Called {
            service,
            port,
            addresses: published.addresses.to_vec(),
            receivers: published.backends.iter().map(|(id, _)| *id).collect(),
        })
    });
    let mut all: Vec<Called<'_>> = virtual_ones.collect();
    // One address and port has one meaning: that of the first Service.
    let mut taken = BTreeSet::new();
    for service in world.services.iter().filter(|service| service.headless) {
        let behind = world.pods().filter(|(id, pod)| {
            is_here(*id) && !service.selector.is_empty() && leads(service, pod)
        });
        for (id, pod) in behind {
            let own = service.ports.iter().filter(|port| {
                let same = target(pod, &port.target) == Some(port.port);
                port.protocol == Protocol::Tcp && same && taken.insert((id, port.port))
            });
            all.extend(own.map(|port| Called {
                service,
                port,
                addresses: pod.addresses.known.to_vec(),
                receivers: vec![id],
            }));
        }
    }
    all
}

fn leads(service: &Service, pod: &Pod) -> bool {
    service.object.namespace == pod.namespace
        && !pod.host_network
        && pod.labels.include(&service.selector)
}

/// The pods behind published Services, and their ports of TCP.
pub(super) fn backends(published: &[Published]) -> BTreeMap<PodId, BTreeSet<u16>> {
    let mut ports: BTreeMap<PodId, BTreeSet<u16>> = BTreeMap::new();
    let tcp = published.iter().filter(|p| p.protocol == Protocol::Tcp);
    for (id, port) in tcp.flat_map(|published| &published.backends) {
        ports.entry(*id).or_default().insert(*port);
    }
    ports
}

/// Whether nothing receives for a pod but its processes.
pub(super) fn is_bare(pod: &Pod) -> bool {
    matches!(pod.proxy, Proxy::None { .. })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::shop::{pod, shop};
    use std::net::IpAddr;

    fn published(world: &World, port: u16, protocol: Protocol) -> Published {
        Published {
            service: world.services[0].object.clone(),
            addresses: [[172, 30, 0, 1].into(), IpAddr::from([0; 16])],
            protocol,
            port,
            backends: vec![(pod(world, "db"), 5432)],
        }
    }

    /// The Services of `db`: one with an address, and two without on one port.
    #[test]
    fn services_and_the_pods_of_headless_ones_are_known() {
        let headless = |name: &str, ports: &str| {
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n\
                 spec: {{clusterIP: None, selector: {{app: db}}, ports: [{ports}]}}\n"
            )
        };
        let mut world = shop(
            &[
                headless(
                    "first",
                    "{name: a, port: 9000}, {name: b, port: 9001, targetPort: 9002}",
                ),
                headless(
                    "second",
                    "{name: a, port: 9000}, {name: c, port: 53, protocol: UDP}",
                ),
            ]
            .concat(),
        );
        let db = pod(&world, "db");
        let own: IpAddr = [10, 0, 0, 9].into();
        world.pods[db.0 as usize].addresses.known.push(own);
        let ports = [
            published(&world, 5432, Protocol::Tcp),
            published(&world, 5432, Protocol::Udp),
            // No port of this Service.
            published(&world, 1, Protocol::Tcp),
        ];
        let found = called(&world, &ports, |_| true);
        let told: Vec<_> = found
            .iter()
            .map(|c| {
                (
                    c.service.object.name.as_str(),
                    c.port.port,
                    c.addresses.len(),
                )
            })
            .collect();
        // A headless Service is called at its target's port, and the first one has it.
        assert_eq!(told, [("db", 5432, 2), ("first", 9000, 1)]);
        assert!(found.iter().all(|called| called.receivers == [db]));
        assert_eq!(called(&world, &ports, |_| false).len(), 1);
        assert_eq!(
            backends(&ports),
            BTreeMap::from([(db, BTreeSet::from([5432]))])
        );
    }
}
