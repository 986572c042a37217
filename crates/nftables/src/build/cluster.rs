//! Whom lists of peers mean: the cluster's pods by namespace and template.

use super::peers::{Named, Peers, Selected};
use ipnet::IpNet;
use palisade_netmodel::{NamespaceMatch, Pod, Protocol, Selector, Template, World};
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

/// The pods of a world, by what lists of peers ask for.
pub(super) struct Cluster<'w> {
    pub(super) world: &'w World,
    namespaces: FxHashMap<&'w str, Vec<Replicas<'w>>>,
    /// Live pods on the host network, which no selector means.
    host: Vec<&'w Pod>,
}

/// Live pods of one template.
struct Replicas<'w> {
    template: &'w Template,
    pods: Vec<&'w Pod>,
}

impl<'w> Cluster<'w> {
    pub(super) fn of(world: &'w World) -> Self {
        let mut namespaces: FxHashMap<&str, Vec<Replicas<'_>>> = FxHashMap::default();
        let mut places: FxHashMap<*const Template, usize> = FxHashMap::default();
        let mut host = Vec::new();
        for pod in &world.pods {
            if pod.is_selectable() && !pod.host_group {
                let replicas = namespaces.entry(pod.namespace.as_str()).or_default();
                let place = *places
                    .entry(Arc::as_ptr(&pod.template))
                    .or_insert(replicas.len());
                match replicas.get_mut(place) {
                    Some(found) => found.pods.push(pod),
                    None => replicas.push(Replicas {
                        template: &pod.template,
                        pods: vec![pod],
                    }),
                }
            } else if pod.phase == palisade_netmodel::Phase::Live && pod.host_network {
                host.push(pod);
            }
        }
        Self {
            world,
            namespaces,
            host,
        }
    }

    /// The addresses of those that are selected.
    pub(super) fn addresses(&self, selected: &Selected) -> Vec<IpAddr> {
        match selected {
            Selected::Pods(namespaces, pods) => {
                let replicas = self.replicas(namespaces, pods);
                let pods = replicas.flat_map(|r| &r.pods);
                pods.flat_map(|p| p.addresses.known.iter().copied())
                    .collect()
            }
            Selected::Nodes(labels) => self.nodes(labels),
        }
    }

    fn replicas<'s>(
        &'s self,
        namespaces: &'s NamespaceMatch,
        pods: &'s Selector,
    ) -> impl Iterator<Item = &'s Replicas<'w>> {
        let named = match namespaces {
            NamespaceMatch::Named(name) => Some(name.as_str()),
            NamespaceMatch::Selector(_) => None,
        };
        let by_labels = self
            .world
            .namespaces
            .values()
            .filter(move |n| match namespaces {
                NamespaceMatch::Named(_) => false,
                NamespaceMatch::Selector(selector) => selector.matches(&n.labels),
            });
        let names = named.into_iter().chain(by_labels.map(|n| n.name.as_str()));
        names
            .filter_map(|name| self.namespaces.get(name))
            .flatten()
            .filter(move |r| pods.matches(&r.template.labels))
    }

    /// The addresses of nodes (`v1alpha2 ClusterNetworkPolicy, .egress[].to[].nodes`). A node that is only
    /// known by its pods has no labels that could be read; the empty selector means it too.
    fn nodes(&self, labels: &Selector) -> Vec<IpAddr> {
        let nodes = self
            .world
            .nodes
            .iter()
            .filter(|n| labels.matches(&n.labels));
        let mut all: Vec<IpAddr> = nodes.flat_map(|n| n.addresses.iter().copied()).collect();
        if labels.is_everything() {
            let pods = self.world.pods.iter();
            all.extend(pods.flat_map(|p| p.node_addresses.known.iter().copied()));
            all.extend(
                self.host
                    .iter()
                    .flat_map(|p| p.addresses.known.iter().copied()),
            );
        }
        all
    }

    /// The ports that carry one of some names, of those pods that are among the peers. A name is looked up
    /// on the destination, on the host network too, where addresses alone can mean a pod.
    pub(super) fn sockets(
        &self,
        peers: &Peers,
        names: &BTreeSet<Named>,
    ) -> Vec<(IpAddr, Protocol, u16)> {
        let mut found = Vec::new();
        let mut add = |pod: &Pod, addresses: &[IpAddr], by_address: bool| {
            let named = pod.named_ports.iter();
            let wanted = named.filter(|port| names.iter().any(|n| n.means(port)));
            for port in wanted {
                let addresses = addresses
                    .iter()
                    .filter(|a| !by_address || peers.block_holds(a));
                found.extend(addresses.map(|a| (*a, port.protocol, port.port)));
            }
        };
        for selected in &peers.selected {
            match selected {
                Selected::Pods(namespaces, pods) => {
                    for pod in self.replicas(namespaces, pods).flat_map(|r| &r.pods) {
                        add(pod, &pod.addresses.known, false);
                    }
                }
                Selected::Nodes(labels) => {
                    let nodes = self.nodes(labels);
                    let on_them = |pod: &&&Pod| visible(pod).iter().any(|a| nodes.contains(a));
                    for pod in self.host.iter().filter(on_them) {
                        add(pod, visible(pod), false);
                    }
                }
            }
        }
        if peers.anyone || !peers.blocks.is_empty() {
            let everybody = self.world.namespaces.keys();
            let replicas = everybody
                .filter_map(|n| self.namespaces.get(n.as_str()))
                .flatten();
            for pod in replicas.flat_map(|r| &r.pods) {
                add(pod, &pod.addresses.known, !peers.anyone);
            }
            for pod in &self.host {
                add(pod, visible(pod), !peers.anyone);
            }
        }
        found
    }
}

/// The addresses by which others see a pod on the host network.
fn visible(pod: &Pod) -> &[IpAddr] {
    if pod.addresses.known.is_empty() {
        &pod.node_addresses.known
    } else {
        &pod.addresses.known
    }
}

/// Whether a block means an address.
pub(super) fn in_block(address: &IpAddr, cidr: &IpNet, except: &[IpNet]) -> bool {
    cidr.contains(address) && !except.iter().any(|e| e.contains(address))
}
