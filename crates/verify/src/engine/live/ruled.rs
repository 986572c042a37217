//! Lists of peers, and of subjects, of administrators' policies: pods by labels, addresses, nodes.
//!
//! Which addresses are those of nodes is told by the nodes and by pods that run there. As long as a list asks
//! about nodes each such address is a cell, and a pod that is the first or the last to tell of one changes
//! whom the list means.

use super::super::tiers::{is_node, lives_on, node_addresses};
use super::Live;
use super::effect::HalfChange;
use super::lists::{List, Meant};
use super::nodes::{Class, Node};
use super::space::address_of;
use ipnet::IpNet;
use palisade_netmodel::{AdminPeer, AdminPolicy, Labels, Pod, Selector};
use roaring::RoaringBitmap;
use std::net::IpAddr;

impl Live {
    /// The number of a list, found or made.
    pub(super) fn ruled_list(&mut self, ruled: &[AdminPeer]) -> u32 {
        if let Some(known) = self.ruled.get(ruled) {
            return *known;
        }
        let number = self.lists.add(List::new(&[], ruled));
        self.ruled.insert(ruled.to_vec(), number);
        let mut classes = RoaringBitmap::new();
        let mut cells = RoaringBitmap::new();
        for peer in ruled {
            match peer {
                AdminPeer::Pods(pods) => {
                    for home in self.reaches_chosen(number, &pods.namespaces) {
                        if let Some(home) = self.namespaces.get_mut(home) {
                            home.reach.insert(number);
                            classes |= &home.selectable;
                        }
                    }
                }
                AdminPeer::Networks(networks) => {
                    self.wide.insert(number);
                    cells.extend(networks.iter().flat_map(|n| self.space.within(n)));
                    classes |= &self.unplaced;
                }
                AdminPeer::Nodes(_) => {
                    self.wide.insert(number);
                    self.asking_nodes.insert(number);
                    cells |= self.cells();
                    classes |= &self.hosts;
                }
                AdminPeer::DomainNames(_) => cells |= self.cells(),
                AdminPeer::Unknown => {}
            }
        }
        for cell in cells {
            let meant = self.means_cell(number, cell);
            if meant != (false, false) {
                self.mean(number, cell, meant);
            }
            classes |= self.node(cell).map(Node::classes).unwrap_or_default();
        }
        for class in classes {
            let meant = self.means(number, class);
            if meant != (false, false) {
                self.mean(number, class, meant);
            }
        }
        number
    }

    /// Takes a list out of what finds it.
    pub(super) fn forget_ruled(&mut self, number: u32, ruled: &[AdminPeer]) -> Option<List> {
        self.ruled.remove(ruled);
        self.wide.remove(number);
        self.asking_nodes.remove(number);
        for peer in ruled {
            let AdminPeer::Pods(pods) = peer else {
                continue;
            };
            for home in self.unreaches_chosen(number, &pods.namespaces) {
                if let Some(home) = self.namespaces.get_mut(home) {
                    home.reach.remove(number);
                }
            }
        }
        self.lists.take(number)
    }

    fn cells(&self) -> RoaringBitmap {
        let cell = |id: &u32| self.node(*id).is_some_and(|node| node.first().is_some());
        self.alive.iter().filter(cell).collect()
    }

    /// Whether a list means a cell, judged peer by peer.
    fn means_cell(&self, list: u32, cell: u32) -> Meant {
        let first = self.node(cell).and_then(Node::first);
        let Some((list, first)) = self.lists.get(list).zip(first) else {
            return (false, false);
        };
        let address = address_of(first);
        let (mut yes, mut perhaps) = (false, false);
        for peer in &list.ruled {
            match peer {
                AdminPeer::Networks(networks) => {
                    yes |= networks.iter().any(|n| n.contains(&address));
                }
                AdminPeer::Nodes(labels) => match self.of_node(labels, address) {
                    Some(meant) => yes |= meant,
                    None => perhaps = true,
                },
                AdminPeer::DomainNames(_) => perhaps = true,
                AdminPeer::Pods(_) | AdminPeer::Unknown => {}
            }
        }
        (yes, perhaps && !yes)
    }

    /// Whether a peer means a class, in a namespace with these labels; `None`: perhaps.
    pub(super) fn is_ruled(
        &self,
        peer: &AdminPeer,
        class: &Class,
        labels: Option<&Labels>,
    ) -> Option<bool> {
        let pod = &class.example;
        match peer {
            AdminPeer::Pods(pods) => {
                let selectable = pod.is_selectable() && !pod.host_group;
                let labels = labels.filter(|_| selectable);
                Some(labels.is_some_and(|labels| pods.matches(labels, &pod.labels)))
            }
            AdminPeer::Networks(networks) => self.is_within(networks, class),
            AdminPeer::Nodes(labels) => lives_on(labels, pod, |at| self.of_node(labels, at)),
            AdminPeer::DomainNames(_) | AdminPeer::Unknown => Some(false),
        }
    }

    /// Whether a class has an address in one of some networks. An address that is not known lies in both
    /// families together.
    fn is_within(&self, networks: &[IpNet], class: &Class) -> Option<bool> {
        if class.places.is_empty() {
            let whole = |v6: bool| {
                let mut all = networks.iter().filter(|n| n.prefix_len() == 0);
                all.any(|n| n.addr().is_ipv6() == v6)
            };
            return (whole(false) && whole(true)).then_some(true);
        }
        let firsts = class.places.iter().filter_map(|cell| self.node(*cell));
        let mut addresses = firsts.filter_map(Node::first).map(address_of);
        Some(addresses.any(|address| networks.iter().any(|n| n.contains(&address))))
    }

    fn of_node(&self, labels: &Selector, address: IpAddr) -> Option<bool> {
        is_node(&self.world_nodes, labels, address, || {
            self.node_places.contains_key(&address)
        })
    }

    /// What [`Live::prepare`] does, for a policy of administrators.
    pub(super) fn prepare_ruler(&mut self, policy: &AdminPolicy) {
        if !self.governs(policy.kind) {
            return;
        }
        let mut selectors = vec![&policy.subject.pods];
        let mut nodes = false;
        let rules = policy.ingress.iter().chain(&policy.egress);
        for peer in rules.flat_map(|rule| &rule.peers) {
            match peer {
                AdminPeer::Pods(pods) => selectors.push(&pods.pods),
                AdminPeer::Networks(networks) => {
                    networks.iter().for_each(|n| self.cut_out(&n.trunc()));
                }
                AdminPeer::Nodes(_) => nodes = true,
                AdminPeer::DomainNames(_) | AdminPeer::Unknown => {}
            }
        }
        if nodes {
            let of_nodes = self.world_nodes.iter().flat_map(|node| &node.addresses);
            let known: Vec<IpAddr> = of_nodes.chain(self.node_places.keys()).copied().collect();
            for address in known {
                self.cut_out(&IpNet::from(address));
            }
        }
        self.read_labels(selectors.into_iter());
    }

    /// Another pod tells of nodes' addresses, or none any more. It has not moved yet.
    pub(super) fn set_node_places(
        &mut self,
        old: Option<&Pod>,
        new: Option<&Pod>,
    ) -> Vec<HalfChange> {
        let mut flipped = Vec::new();
        for address in new.into_iter().flat_map(node_addresses) {
            let count = self.node_places.entry(address).or_default();
            *count += 1;
            if *count == 1 {
                flipped.push(address);
            }
        }
        for address in old.into_iter().flat_map(node_addresses) {
            if let Some(count) = self.node_places.get_mut(&address) {
                *count -= 1;
                if *count == 0 {
                    self.node_places.remove(&address);
                    flipped.push(address);
                }
            }
        }
        if flipped.is_empty() || self.asking_nodes.is_empty() {
            return Vec::new();
        }
        let mut ends = RoaringBitmap::new();
        for address in flipped {
            self.cut_out(&IpNet::from(address));
            if let Some(cell) = self.space.place(address) {
                ends.insert(cell);
                let classes = self.node(cell).map(Node::classes).unwrap_or_default();
                ends |= classes & &self.hosts;
            }
        }
        let mut changed = Vec::new();
        for list in self.asking_nodes.clone() {
            for end in &ends {
                let meant = if self.example(end).is_some() {
                    self.means(list, end)
                } else {
                    self.means_cell(list, end)
                };
                if meant != self.meant(list, end) {
                    changed.push((list, end, meant));
                }
            }
        }
        self.change_lists(&changed)
    }
}
