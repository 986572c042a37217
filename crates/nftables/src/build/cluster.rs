//! Whom lists of peers mean: the cluster's pods by namespace and template, and its nodes, kept current.

use super::peers::Selected;
use ipnet::IpNet;
use palisade_netmodel::{Labels, NamespaceMatch, Node, ObjectRef, Phase, Pod, Selector, Template};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// The pods and nodes of a cluster, by what lists of peers ask for.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    homes: FxHashMap<String, Home>,
    /// Live pods on the host network, which no selector means.
    host: Bag,
    nodes: Vec<Node>,
    /// The addresses of nodes that pods run on, with how many do.
    hosting: BTreeMap<IpAddr, usize>,
}

/// A namespace.
#[derive(Debug, Default)]
pub(super) struct Home {
    /// Its labels, if there is such an object.
    pub(super) labels: Option<Labels>,
    /// By the place of their template.
    replicas: FxHashMap<usize, Replicas>,
}

/// Pods of one template that selectors can mean.
#[derive(Debug)]
pub(super) struct Replicas {
    pub(super) template: Arc<Template>,
    /// The addresses of all of them; one that two pods have is there twice.
    pub(super) addresses: Vec<IpAddr>,
}

/// Pods by name. Nothing is lost of two with the same one.
#[derive(Debug, Default)]
pub(super) struct Bag(BTreeMap<ObjectRef, Vec<Pod>>);

impl Bag {
    pub(super) fn add(&mut self, pod: &Pod) {
        self.0.entry(pod.object()).or_default().push(pod.clone());
    }

    pub(super) fn remove(&mut self, pod: &Pod) {
        let object = pod.object();
        let Some(all) = self.0.get_mut(&object) else {
            return;
        };
        if let Some(place) = all.iter().position(|other| other == pod) {
            all.remove(place);
        }
        if all.is_empty() {
            self.0.remove(&object);
        }
    }

    /// All of them, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pod> {
        self.0.values().flatten()
    }
}

/// What a pod is to lists of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Selectors can mean it.
    Member,
    /// It is on the host network: addresses alone can mean it.
    Host,
    /// Nothing means it.
    Nobody,
}

impl Role {
    pub(super) fn of(pod: &Pod) -> Self {
        if pod.is_selectable() && !pod.host_group {
            Self::Member
        } else if pod.phase == Phase::Live && pod.host_network {
            Self::Host
        } else {
            Self::Nobody
        }
    }
}

impl Cluster {
    pub(super) fn add(&mut self, pod: &Pod) {
        for address in &pod.node_addresses.known {
            *self.hosting.entry(*address).or_default() += 1;
        }
        match Role::of(pod) {
            Role::Member => {
                let place = Arc::as_ptr(&pod.template).addr();
                let home = self.home(&pod.namespace);
                let replicas = home.replicas.entry(place).or_insert_with(|| Replicas {
                    template: Arc::clone(&pod.template),
                    addresses: Vec::new(),
                });
                replicas.addresses.extend(&pod.addresses.known);
            }
            Role::Host => self.host.add(pod),
            Role::Nobody => {}
        }
    }

    pub(super) fn remove(&mut self, pod: &Pod) {
        for address in &pod.node_addresses.known {
            if let Some(count) = self.hosting.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    self.hosting.remove(address);
                }
            }
        }
        match Role::of(pod) {
            Role::Member => self.remove_member(pod),
            Role::Host => self.host.remove(pod),
            Role::Nobody => {}
        }
    }

    fn remove_member(&mut self, pod: &Pod) {
        let place = Arc::as_ptr(&pod.template).addr();
        let Some(home) = self.homes.get_mut(&pod.namespace) else {
            return;
        };
        for address in &pod.addresses.known {
            let has = |r: &Replicas| r.addresses.iter().position(|a| a == address);
            let own = home.replicas.get_mut(&place);
            let own = own.filter(|r| has(r).is_some());
            // Replicas may have come with templates that are equal and not the same.
            let found = match own {
                Some(replicas) => Some(replicas),
                None => {
                    let mut all = home.replicas.values_mut();
                    all.find(|r| r.template == pod.template && has(r).is_some())
                }
            };
            if let Some(replicas) = found
                && let Some(index) = has(replicas)
            {
                replicas.addresses.swap_remove(index);
            }
        }
        home.replicas.retain(|_, r| !r.addresses.is_empty());
        self.forget(&pod.namespace);
    }

    /// Takes the labels that a namespace has now, `None` if there is no such object; gives those that it had.
    pub(super) fn label(&mut self, namespace: &str, labels: Option<&Labels>) -> Option<Labels> {
        let home = self.home(namespace);
        let before = std::mem::replace(&mut home.labels, labels.cloned());
        self.forget(namespace);
        before
    }

    pub(super) fn add_node(&mut self, node: &Node) {
        self.nodes.push(node.clone());
    }

    pub(super) fn remove_node(&mut self, node: &Node) {
        if let Some(place) = self.nodes.iter().position(|other| other == node) {
            self.nodes.swap_remove(place);
        }
    }

    fn home(&mut self, namespace: &str) -> &mut Home {
        if !self.homes.contains_key(namespace) {
            self.homes.insert(namespace.to_owned(), Home::default());
        }
        self.homes.entry(namespace.to_owned()).or_default()
    }

    fn forget(&mut self, namespace: &str) {
        let home = self.homes.get(namespace);
        if home.is_some_and(|h| h.labels.is_none() && h.replicas.is_empty()) {
            self.homes.remove(namespace);
        }
    }

    pub(super) fn labels(&self, namespace: &str) -> Option<&Labels> {
        self.homes.get(namespace)?.labels.as_ref()
    }

    /// The replicas of a namespace.
    pub(super) fn replicas(&self, namespace: &str) -> impl Iterator<Item = &Replicas> {
        let home = self.homes.get(namespace).into_iter();
        home.flat_map(|home| home.replicas.values())
    }

    /// The replicas that can be among some peers, with the labels of their namespaces.
    pub(super) fn among(
        &self,
        namespaces: Option<&NamespaceMatch>,
    ) -> impl Iterator<Item = (&str, &Home, &Replicas)> {
        let named = match namespaces {
            Some(NamespaceMatch::Named(name)) => Some(self.homes.get_key_value(name)),
            _ => None,
        };
        let all = named.is_none().then_some(&self.homes).into_iter().flatten();
        let homes = named.flatten().into_iter().chain(all);
        let meant = homes.filter(move |(_, home)| match namespaces {
            Some(NamespaceMatch::Selector(selector)) => {
                let labels = home.labels.as_ref();
                labels.is_some_and(|labels| selector.matches(labels))
            }
            _ => true,
        });
        meant.flat_map(|(name, home)| {
            let replicas = home.replicas.values();
            replicas.map(move |r| (name.as_str(), home, r))
        })
    }

    /// Live pods on the host network.
    pub(super) fn host(&self) -> impl Iterator<Item = &Pod> {
        self.host.iter()
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    pub(super) fn hosting(&self) -> impl Iterator<Item = (&IpAddr, &usize)> {
        self.hosting.iter()
    }

    /// The addresses of nodes (`v1alpha2 ClusterNetworkPolicy, .egress[].to[].nodes`). A node that is only
    /// known by its pods has no labels that could be read; the empty selector means it too.
    pub(super) fn node_addresses(&self, labels: &Selector) -> BTreeSet<IpAddr> {
        let nodes = self.nodes.iter().filter(|n| labels.matches(&n.labels));
        let mut all: BTreeSet<IpAddr> = nodes.flat_map(|n| n.addresses.iter().copied()).collect();
        if labels.is_everything() {
            all.extend(self.hosting.keys());
            all.extend(self.host.iter().flat_map(|p| &p.addresses.known));
        }
        all
    }
}

impl Selected {
    /// Whether pods of a template are meant, by selectors of pods.
    pub(super) fn means(&self, labels: Option<&Labels>, template: &Template) -> bool {
        let Self::Pods(namespaces, pods) = self else {
            return false;
        };
        let inside = match namespaces {
            NamespaceMatch::Named(name) => *name == template.namespace,
            NamespaceMatch::Selector(selector) => labels.is_some_and(|l| selector.matches(l)),
        };
        inside && pods.matches(&template.labels)
    }
}

/// The addresses by which others see a pod on the host network.
pub(super) fn visible(pod: &Pod) -> &[IpAddr] {
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
