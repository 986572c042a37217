//! From the cluster's policies to the ruleset of one node.
//!
//! Cost: each pod of the cluster, once; each distinct list of peers that the policies of the node's pods name, over
//! the templates (not the pods) of the namespaces that it can mean; and the rules of each distinct signature. What a
//! change costs is told in [`live`].

mod base;
mod chains;
mod cluster;
mod kept;
mod live;
mod peers;
mod ports;
mod sets;
mod signature;

use crate::model::{Family, Map, Ruleset, Side};
pub use base::{deny, is_deny};
use ipnet::IpNet;
pub use live::{Change, Live};
use palisade_netmodel::{Direction, ObjectRef, Pod, Subject, World};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The node that a ruleset is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    /// Its addresses (`Node .status.addresses`): the pods that run on a node with one of them are its own.
    pub addresses: Vec<IpAddr>,
    /// The addresses that its pods get (`Node .spec.podCIDRs`), if they are known. An address in them that
    /// belongs to no pod that is known yet is refused, so that a new pod is isolated before it can talk.
    pub pod_networks: Vec<IpNet>,
}

/// What can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name of the tables: letters, digits and `_`.
    pub table: String,
    /// The bit of connection marks that says "permission was taken away".
    pub revoked: u32,
    /// Whether senders are told that they were refused; otherwise packets are dropped without a word.
    pub reject: bool,
    /// The netlink group that gets a sample of refused packets, and how many of them each second for each
    /// signature and direction.
    pub log: Option<(u16, u32)>,
    /// Most rules of one chain; a signature that needs more is closed.
    pub most_rules: usize,
    /// Most elements of one set; whoever needs a larger one is closed.
    pub most_elements: usize,
}

impl Default for Settings {
    /// Table `palisade`, bit 27 of marks, silent drops, no log, 10,000 rules and 1,000,000 elements.
    fn default() -> Self {
        Self {
            table: "palisade".to_owned(),
            revoked: 0x0800_0000,
            reject: false,
            log: None,
            most_rules: 10_000,
            most_elements: 1_000_000,
        }
    }
}

/// A ruleset, and what it does not do as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The ruleset.
    pub ruleset: Ruleset,
    /// What was refused, sorted; empty as a rule.
    pub refused: Vec<Refused>,
    /// What the prefixes of logged packets mean; nothing if none are logged.
    pub denials: BTreeMap<String, Denial>,
}

/// What a signature's policies refuse in one direction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Denial {
    /// The direction, from the point of view of the pod that they select.
    pub direction: Direction,
    /// The policies, in the order in which they are asked.
    pub policies: Vec<Subject>,
}

/// Something that cannot be enforced as it is written. It is always on the closed side.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// A pod that is closed, in the directions for which that is so, and why.
    Pod(ObjectRef, String),
    /// A policy with a rule that has no effect, and why.
    Rule(Subject, String),
}

/// The ruleset of a node.
#[must_use]
pub fn build(world: &World, node: &Node, settings: &Settings) -> Built {
    Live::of(world, node, settings).whole()
}

impl Node {
    /// Whether a pod is one of this node's that policies can select.
    fn runs(&self, pod: &Pod) -> bool {
        let mut on = pod.node_addresses.known.iter();
        pod.is_selectable() && !pod.host_group && on.any(|a| self.addresses.contains(a))
    }
}

/// As pods are led.
const DIRECTIONS: [Direction; 2] = [Direction::Egress, Direction::Ingress];

/// The end of a packet that a direction is about, from the pod's point of view.
fn own_side(direction: Direction) -> Side {
    match direction {
        Direction::Egress => Side::Source,
        Direction::Ingress => Side::Destination,
    }
}

/// `egress4`.
fn map_name(direction: Direction, family: Family) -> String {
    format!("{direction}{}", family.digit())
}

fn empty_maps() -> BTreeMap<String, Map> {
    let mut maps = BTreeMap::new();
    for direction in DIRECTIONS {
        for family in Family::ALL {
            let map = Map {
                family,
                elements: BTreeMap::new(),
            };
            maps.insert(map_name(direction, family), map);
        }
    }
    maps
}
