//! A place in the network for each end of a world.

use crate::Error;
use palisade_agent::{Enforcer, Report};
use palisade_netlab::{HostId, Lab, Layout, NodePlan, OutsidePlan, Plan};
use palisade_netmodel::{AddressSet, Endpoint, Phase, PodId, Profile, World};
use palisade_nftables::{Node, Settings};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How a world becomes a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How pods hang on their node.
    pub layout: Layout,
    /// The number of nodes; pods are spread over them in turn.
    pub nodes: usize,
    /// Hosts outside of the cluster, with an address of each family.
    pub outside: Vec<(Ipv4Addr, Ipv6Addr)>,
    /// How rulesets are made.
    pub settings: Settings,
}

impl Default for Options {
    /// Routed, two nodes, nobody outside.
    fn default() -> Self {
        Self {
            layout: Layout::Routed,
            nodes: 2,
            outside: Vec::new(),
            settings: Settings::default(),
        }
    }
}

/// A world in the lab.
#[derive(Debug)]
pub struct Trial {
    /// The network.
    pub lab: Lab,
    /// The nodes, in their order.
    pub nodes: Vec<HostId>,
    /// The host of each live pod; a pod on the host network has its node's.
    pods: BTreeMap<PodId, HostId>,
    /// The hosts outside.
    outside: BTreeMap<IpAddr, HostId>,
    /// The agents of the nodes, in the same order. Their sockets stay inside.
    pub enforcers: Vec<Enforcer>,
}

impl Trial {
    /// Makes the network. Nothing is enforced yet: everything passes.
    ///
    /// # Errors
    ///
    /// If rights are missing, or the world is too large for a lab.
    pub fn build(world: &World, options: &Options) -> Result<Self, Error> {
        let places = places(world, options.nodes);
        let lab = Lab::build(&plan(&places, options))?;
        let nodes: Vec<HostId> = lab.nodes().map(|(id, _)| id).collect();
        let mut pods = BTreeMap::new();
        for (id, place) in &places {
            let node = nodes.get(place.node).copied();
            let host = if place.host {
                node
            } else {
                Some(lab.find(&pod_name(*id))?)
            };
            pods.extend(host.map(|host| (*id, host)));
        }
        let mut outside = BTreeMap::new();
        for (number, (v4, v6)) in options.outside.iter().enumerate() {
            let id = lab.find(&outside_name(number))?;
            outside.extend([(IpAddr::from(*v4), id), (IpAddr::from(*v6), id)]);
        }
        let mut enforcers = Vec::new();
        for node in &nodes {
            let settings = options.settings.clone();
            enforcers.push(lab.inside(*node, || Enforcer::new(settings))??);
        }
        Ok(Self {
            lab,
            nodes,
            pods,
            outside,
            enforcers,
        })
    }

    /// The same world with the addresses of this network, all or those of one family.
    ///
    /// # Errors
    ///
    /// If a host is gone.
    pub fn located(&self, world: &World, only: Option<bool>) -> Result<World, Error> {
        let mut world = world.clone();
        world.profile = Profile::palisade();
        let known = |host: HostId| -> Result<AddressSet, Error> {
            let all = self.lab.host(host)?.addresses().into_iter();
            let known = all
                .filter(|a| only.is_none_or(|v6| v6 == a.is_ipv6()))
                .collect();
            Ok(AddressSet { known })
        };
        for (number, pod) in world.pods.iter_mut().enumerate() {
            let id = PodId(u32::try_from(number).unwrap_or(u32::MAX));
            pod.addresses = AddressSet::default();
            pod.node_addresses = AddressSet::default();
            if let Some(host) = self.pods.get(&id) {
                pod.addresses = known(*host)?;
                pod.node_addresses = known(self.lab.host(*host)?.node.unwrap_or(*host))?;
            }
        }
        world.nodes.truncate(self.nodes.len());
        // Either all nodes are known, or none.
        if world.nodes.len() < self.nodes.len() {
            world.nodes.clear();
        }
        for (node, host) in world.nodes.iter_mut().zip(&self.nodes) {
            node.addresses = known(*host)?.known.into_vec();
        }
        Ok(world)
    }

    /// Has every node enforce the policies of a world whose pods are those of this network.
    ///
    /// # Errors
    ///
    /// If a kernel refuses.
    pub fn enforce(&mut self, world: &World) -> Result<Vec<Report>, Error> {
        let world = self.located(world, None)?;
        let nodes: Vec<Node> = self
            .nodes
            .iter()
            .map(|host| self.node(*host))
            .collect::<Result<_, _>>()?;
        let mut reports = Vec::new();
        for (enforcer, node) in self.enforcers.iter_mut().zip(&nodes) {
            reports.push(enforcer.enforce(&world, node)?);
            // A probe may have the ports of one before, whose connection is still known.
            enforcer.revoke()?;
        }
        Ok(reports)
    }

    /// A node as its agent knows it.
    ///
    /// # Errors
    ///
    /// If it is none of this network.
    pub fn node(&self, host: HostId) -> Result<Node, Error> {
        Ok(Node {
            addresses: self.lab.host(host)?.addresses().to_vec(),
            pod_networks: Vec::new(),
        })
    }

    /// The host of an end.
    #[must_use]
    pub fn host(&self, end: Endpoint) -> Option<HostId> {
        match end {
            Endpoint::Pod(id) => self.pods.get(&id).copied(),
            Endpoint::Address(address) => self.outside.get(&address).copied(),
        }
    }

    /// Every end that is somewhere: pods, then the addresses outside.
    pub fn ends(&self) -> impl Iterator<Item = Endpoint> {
        let pods = self.pods.keys().map(|id| Endpoint::Pod(*id));
        pods.chain(
            self.outside
                .keys()
                .map(|address| Endpoint::Address(*address)),
        )
    }
}

/// Where a pod runs.
struct Place {
    node: usize,
    host: bool,
}

/// Every live pod, on the nodes in turn.
fn places(world: &World, nodes: usize) -> BTreeMap<PodId, Place> {
    let live = world
        .pods()
        .filter(|(_, p)| p.phase == Phase::Live && !p.host_group);
    let places = live.enumerate().map(|(number, (id, pod))| {
        let place = Place {
            node: number % nodes.max(1),
            host: pod.host_network,
        };
        (id, place)
    });
    places.collect()
}

fn plan(places: &BTreeMap<PodId, Place>, options: &Options) -> Plan {
    let node = |number| NodePlan {
        name: format!("node-{number}"),
        pods: places
            .iter()
            .filter(|(_, place)| place.node == number && !place.host)
            .map(|(id, _)| pod_name(*id))
            .collect(),
    };
    let outside = options
        .outside
        .iter()
        .enumerate()
        .map(|(number, (v4, v6))| OutsidePlan {
            name: outside_name(number),
            v4: *v4,
            v6: *v6,
        });
    Plan {
        layout: options.layout,
        nodes: (0..options.nodes.max(1)).map(node).collect(),
        outside: outside.collect(),
    }
}

fn pod_name(id: PodId) -> String {
    format!("pod-{}", id.0)
}

fn outside_name(number: usize) -> String {
    format!("outside-{number}")
}
