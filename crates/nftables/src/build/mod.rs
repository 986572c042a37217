//! From the cluster's policies to the ruleset of one node.
//!
//! Cost: each pod of the node, once; each distinct list of peers that their policies name, over the
//! templates (not the pods) of the namespaces that it can mean; and the rules of each distinct signature.

mod base;
mod chains;
mod cluster;
mod peers;
mod ports;
mod sets;
mod signature;

use crate::model::{Family, Map, Ruleset, Side};
pub use base::DENY;
use chains::Chains;
use cluster::Cluster;
use ipnet::IpNet;
use palisade_netmodel::{Direction, ObjectRef, Pod, PodId, Subject, Template, World};
use rustc_hash::FxHashMap;
use signature::Policies;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// The node that a ruleset is for.
#[derive(Debug, Clone, Default)]
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
    /// The table's name: letters, digits and `_`.
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
    /// A pod that is closed in both directions, and why.
    Pod(ObjectRef, String),
    /// A policy with a rule that has no effect, and why.
    Rule(Subject, String),
}

/// The ruleset of a node.
#[must_use]
pub fn build(world: &World, node: &Node, settings: &Settings) -> Built {
    let cluster = Cluster::of(world);
    let mut builder = Builder {
        world,
        policies: Policies::of(world),
        chains: Chains::new(&cluster, settings),
        led: FxHashMap::default(),
        maps: empty_maps(),
        refused: Vec::new(),
        known: FxHashMap::default(),
    };
    let mut own: Vec<(PodId, &Pod)> = world.pods().filter(|(_, pod)| node.runs(pod)).collect();
    // The order of the world's pods means nothing, whoever of two claims an address first.
    own.sort_by_key(|(_, pod)| (&pod.namespace, &pod.name));
    for (id, pod) in own {
        builder.pod(id, pod);
    }
    builder.finish(node)
}

impl Node {
    /// Whether a pod is one of this node's that policies can select.
    fn runs(&self, pod: &Pod) -> bool {
        let mut on = pod.node_addresses.known.iter();
        pod.is_selectable() && !pod.host_group && on.any(|a| self.addresses.contains(a))
    }
}

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
    for direction in [Direction::Egress, Direction::Ingress] {
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

struct Builder<'w> {
    world: &'w World,
    policies: Policies<'w>,
    chains: Chains<'w>,
    /// Where the addresses of a template's pods lead.
    led: FxHashMap<(*const Template, Direction, Family), Result<Option<String>, String>>,
    maps: BTreeMap<String, Map>,
    refused: Vec<Refused>,
    /// Whose addresses are known.
    known: FxHashMap<IpAddr, PodId>,
}

impl Builder<'_> {
    fn pod(&mut self, id: PodId, pod: &Pod) {
        for address in &pod.addresses.known {
            let owner = *self.known.entry(*address).or_insert(id);
            if owner != id {
                self.claimed_twice(*address, owner, pod);
                continue;
            }
            for direction in [Direction::Egress, Direction::Ingress] {
                self.dispatch(direction, *address, pod);
            }
        }
    }

    /// Leads the address of a pod to the chain of its policies, if it has any.
    fn dispatch(&mut self, direction: Direction, address: IpAddr, pod: &Pod) {
        let family = Family::of(&address);
        let key = (Arc::as_ptr(&pod.template), direction, family);
        let led = self.led.entry(key).or_insert_with(|| {
            let signature = self.policies.signature(&pod.template, direction);
            self.chains.of(&signature, &pod.template, family)
        });
        let chain = match led.clone() {
            Ok(chain) => chain,
            Err(why) => {
                self.refused.push(Refused::Pod(pod.object(), why));
                Some(base::DENY.to_owned())
            }
        };
        if let (Some(chain), Some(map)) = (chain, self.map(direction, family)) {
            map.elements.insert(address, chain);
        }
    }

    fn map(&mut self, direction: Direction, family: Family) -> Option<&mut Map> {
        self.maps.get_mut(&map_name(direction, family))
    }

    /// Nobody can say whose packets these are: they pass in neither direction.
    fn claimed_twice(&mut self, address: IpAddr, owner: PodId, pod: &Pod) {
        let other = self
            .world
            .pod(owner)
            .map_or_else(ObjectRef::default, Pod::object);
        let why = format!("its address {address} is also that of pod {other}");
        self.refused.push(Refused::Pod(pod.object(), why));
        for direction in [Direction::Egress, Direction::Ingress] {
            if let Some(map) = self.map(direction, Family::of(&address)) {
                map.elements.insert(address, base::DENY.to_owned());
            }
        }
    }

    fn finish(self, node: &Node) -> Built {
        let Self {
            chains,
            maps,
            mut refused,
            known,
            ..
        } = self;
        refused.extend(chains.refused());
        refused.sort();
        refused.dedup();
        let settings = chains.settings().clone();
        let (mut sets, mut all, denials) = chains.finish();
        base::add(&mut sets, &mut all, &settings, node, known.into_keys());
        Built {
            ruleset: Ruleset {
                table: settings.table,
                sets,
                maps,
                chains: all,
            },
            refused,
            denials,
        }
    }
}
