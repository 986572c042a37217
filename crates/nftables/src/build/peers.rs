//! Lists of peers, with one form for one meaning.

use super::cluster::in_block;
use ipnet::IpNet;
use palisade_netmodel::{AdminPeer, NamedPort, NamespaceMatch, Peer, Protocol, Selector};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Whom a rule means.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Peers {
    /// Every address (`from` missing or empty).
    pub(super) anyone: bool,
    /// Those that selectors mean.
    pub(super) selected: BTreeSet<Selected>,
    /// Those that blocks of addresses mean, each with its exceptions.
    pub(super) blocks: BTreeSet<(IpNet, Vec<IpNet>)>,
}

/// A selector among peers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Selected {
    /// Pods by the labels of their namespaces and their own.
    Pods(NamespaceMatch, Selector),
    /// Nodes by their labels.
    Nodes(Selector),
}

/// A port by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Named {
    /// The protocol; `None`: whichever the port has on its pod.
    pub(super) protocol: Option<Protocol>,
    /// The name.
    pub(super) name: String,
}

impl Named {
    /// Whether a pod's port is meant.
    pub(super) fn means(&self, port: &NamedPort) -> bool {
        self.name == port.name && self.protocol.is_none_or(|p| p == port.protocol)
    }
}

impl Peers {
    /// `from` or `to` of a NetworkPolicy rule.
    pub(super) fn of(peers: Option<&[Peer]>) -> Self {
        let Some(peers) = peers else {
            return Self {
                anyone: true,
                ..Self::default()
            };
        };
        let mut all = Self::default();
        for peer in peers {
            match peer {
                Peer::Pods { namespaces, pods } => {
                    let selected = Selected::Pods(namespaces.clone(), pods.clone());
                    all.selected.insert(selected);
                }
                Peer::Block { cidr, except } => {
                    all.blocks.insert((*cidr, except.clone()));
                }
            }
        }
        all
    }

    /// `from` or `to` of an administrator's rule. Names of domains mean nobody: their addresses are not
    /// known, and only Accept rules may have them.
    pub(super) fn of_administrators(peers: &[AdminPeer]) -> Self {
        let mut all = Self::default();
        for peer in peers {
            match peer {
                AdminPeer::Pods(pods) => {
                    let namespaces = NamespaceMatch::Selector(pods.namespaces.clone());
                    all.selected
                        .insert(Selected::Pods(namespaces, pods.pods.clone()));
                }
                AdminPeer::Networks(networks) => {
                    all.blocks.extend(networks.iter().map(|n| (*n, Vec::new())));
                }
                AdminPeer::Nodes(labels) => {
                    all.selected.insert(Selected::Nodes(labels.clone()));
                }
                AdminPeer::DomainNames(_) | AdminPeer::Unknown => {}
            }
        }
        all
    }

    /// Whom either means.
    pub(super) fn join(&mut self, other: Self) {
        self.anyone |= other.anyone;
        self.selected.extend(other.selected);
        self.blocks.extend(other.blocks);
    }

    /// Whether one of the blocks means an address.
    pub(super) fn block_holds(&self, address: &IpAddr) -> bool {
        let mut blocks = self.blocks.iter();
        blocks.any(|(cidr, except)| in_block(address, cidr, except))
    }
}
