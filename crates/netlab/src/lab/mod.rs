//! The lab: it makes what a plan says, and owns it.

mod underlay;
mod wires;

use crate::error::{Error, Result};
use crate::namespace::Namespace;
use crate::netlink::{BRIDGE, End, Message, Netlink, OWN};
use crate::plan::{HostKind, Layout, Plan, node_addresses, pod_addresses};
use crate::responder::Responder;
use crate::socket::raise_file_limit;
use palisade_netmodel::Protocol;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use underlay::{Underlay, on_underlay, underlay_neighbours};
use wires::{
    bridged, host_routes, index, mac, of_node, prepare_pod, prepare_router, routed, to_pods,
    wait_for_links,
};

pub(crate) use wires::inner_mac;

/// Which host of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// A node, a pod or an outside host, with its namespace.
#[derive(Debug)]
pub struct Host {
    /// Name.
    pub name: String,
    /// What it is.
    pub kind: HostKind,
    /// The node of a pod.
    pub node: Option<HostId>,
    /// IPv4 address.
    pub v4: IpAddr,
    /// IPv6 address.
    pub v6: IpAddr,
    /// The link of a pod.
    pub link: Option<Link>,
    namespace: Namespace,
}

/// The node's end of a pod's link: what a ruleset needs to bind addresses to interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The interface's name in the node.
    pub name: String,
    /// Its index in the node.
    pub index: u32,
}

impl Link {
    /// Which pod of its node it is of.
    pub(crate) fn place(&self) -> usize {
        let index = usize::try_from(self.index).unwrap_or(FIRST);
        index.saturating_sub(FIRST)
    }
}

impl Host {
    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Its addresses.
    #[must_use]
    pub fn addresses(&self) -> [IpAddr; 2] {
        [self.v4, self.v6]
    }
}

/// A network of namespaces. It ends, with all that is in it, when this value or the process ends.
#[derive(Debug)]
pub struct Lab {
    layout: Layout,
    /// Stops before the namespaces are closed.
    responder: Responder,
    hosts: BTreeMap<HostId, Host>,
    nodes: BTreeMap<HostId, Node>,
    next: u32,
    underlay: Underlay,
    /// The ports on which hosts answer.
    pub(crate) served: Mutex<BTreeSet<(HostId, Protocol, u16)>>,
    /// Which pods of one bridge know each other.
    pub(crate) known: Mutex<BTreeSet<(HostId, HostId)>>,
    /// The pods behind each virtual address.
    pub(crate) published: Mutex<BTreeMap<IpAddr, BTreeSet<HostId>>>,
}

/// What is needed to add pods to a node.
#[derive(Debug)]
struct Node {
    number: usize,
    netlink: Netlink,
    pods: usize,
}

/// The first interface of a node to a pod, and of the underlay to a host.
const FIRST: usize = 1_000;

impl Lab {
    /// Makes everything that the plan says.
    ///
    /// # Errors
    /// If the plan is impossible, rights are missing, or the kernel refuses; nothing is left then.
    pub fn build(plan: &Plan) -> Result<Self> {
        plan.check()?;
        raise_file_limit();
        away(|| Self::make(plan))
    }

    /// The layout.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// All hosts: node by node with its pods, then those outside.
    pub fn hosts(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts.iter().map(|(id, host)| (*id, host))
    }

    /// All pods.
    pub fn pods(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts().filter(|(_, host)| host.kind == HostKind::Pod)
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (HostId, &Host)> {
        self.hosts().filter(|(_, host)| host.kind == HostKind::Node)
    }

    /// The host of an id.
    ///
    /// # Errors
    /// If there is none.
    pub fn host(&self, id: HostId) -> Result<&Host> {
        let host = self.hosts.get(&id);
        host.ok_or_else(|| Error::because("looking for a host", format!("no number {}", id.0)))
    }

    /// The host of a name.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, name: &str) -> Result<HostId> {
        let found = self.hosts().find(|(_, host)| host.name == name);
        found
            .map(|(id, _)| id)
            .ok_or_else(|| Error::because("looking for a host", format!("no `{name}`")))
    }

    /// Runs a job inside of a host's namespace, on a thread of its own. This is how a ruleset gets into a node.
    ///
    /// # Errors
    /// If there is no such host, or its namespace cannot be entered.
    pub fn inside<T: Send>(&self, id: HostId, job: impl FnOnce() -> T + Send) -> Result<T> {
        self.host(id)?.namespace.run(job)
    }

    /// The thread that answers probes.
    pub(crate) fn responder(&self) -> &Responder {
        &self.responder
    }

    /// Adds a pod to a node.
    ///
    /// # Errors
    /// If the name is taken, there is no such node or no room, or the kernel refuses.
    pub fn add_pod(&mut self, node: HostId, name: &str) -> Result<HostId> {
        if self.hosts().any(|(_, host)| host.name == name) {
            let why = format!("two hosts are named `{name}`");
            return Err(Error::because("adding a pod", why));
        }
        away(|| {
            let pod = self.make_pod(node, name)?;
            self.settle_links(&[node, pod])?;
            Ok(pod)
        })
    }

    /// Ends a pod: its interface, its sockets and its namespace go. Addresses are not used again.
    ///
    /// # Errors
    /// If it is no pod of this lab.
    pub fn remove_pod(&mut self, pod: HostId) -> Result<()> {
        let host = self.host(pod)?;
        let (Some(node), Some(link)) = (host.node, &host.link) else {
            return Err(Error::because("removing a pod", "it is no pod"));
        };
        let index = link.index;
        self.responder.forget(pod)?;
        if let Some(node) = self.nodes.get(&node) {
            node.netlink.send(vec![Message::delete(index)])?;
        }
        let served = self
            .served
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        served.retain(|(host, _, _)| *host != pod);
        self.hosts.remove(&pod);
        self.forget_neighbour(pod);
        Ok(())
    }

    /// The number of a node.
    pub(crate) fn number_of(&self, node: HostId) -> Option<usize> {
        self.nodes.get(&node).map(|node| node.number)
    }

    /// Makes everything, on a thread that ends with it.
    fn make(plan: &Plan) -> Result<Self> {
        let mut lab = Self {
            layout: plan.layout,
            responder: Responder::start()?,
            hosts: BTreeMap::new(),
            nodes: BTreeMap::new(),
            next: 0,
            underlay: Underlay::make()?,
            served: Mutex::default(),
            known: Mutex::default(),
            published: Mutex::default(),
        };
        let mut ports = FIRST..;
        for (number, node) in plan.nodes.iter().enumerate() {
            let port = ports.next().unwrap_or(FIRST);
            let id = lab.make_node(number, &node.name, port, plan)?;
            for pod in &node.pods {
                lab.make_pod(id, pod)?;
            }
        }
        for host in &plan.outside {
            let port = ports.next().unwrap_or(FIRST);
            let addresses = [host.v4.into(), host.v6.into()];
            lab.make_outside(&host.name, addresses, port, plan)?;
        }
        let every: Vec<HostId> = lab.hosts.keys().copied().collect();
        lab.settle_links(&every)?;
        wait_for_links(&lab.underlay.netlink)?;
        Ok(lab)
    }

    /// Waits until packets can pass the links of hosts.
    fn settle_links(&self, hosts: &[HostId]) -> Result<()> {
        for host in hosts {
            self.host(*host)?.namespace.enter()?;
            wait_for_links(&Netlink::open()?)?;
        }
        Ok(())
    }

    fn insert(&mut self, host: Host) -> HostId {
        let id = HostId(self.next);
        self.next += 1;
        self.hosts.insert(id, host);
        id
    }

    fn make_node(&mut self, number: usize, name: &str, port: usize, plan: &Plan) -> Result<HostId> {
        let namespace = Namespace::create_and_enter()?;
        prepare_router(self.layout)?;
        let netlink = Netlink::open()?;
        self.underlay.attach(port, &namespace)?;
        netlink.send(of_node(number, port, plan))?;
        let [v4, v6] = node_addresses(number);
        let id = self.insert(Host {
            name: name.to_owned(),
            kind: HostKind::Node,
            node: None,
            v4,
            v6,
            link: None,
            namespace,
        });
        let pods = 0;
        let node = Node {
            number,
            netlink,
            pods,
        };
        self.nodes.insert(id, node);
        Ok(id)
    }

    fn make_pod(&mut self, node_id: HostId, name: &str) -> Result<HostId> {
        let layout = self.layout;
        let node = self.nodes.get_mut(&node_id);
        let node = node.ok_or_else(|| Error::because("adding a pod", "no such node"))?;
        if node.pods >= Plan::MAX_PODS {
            return Err(Error::because("adding a pod", "the node is full"));
        }
        let place = node.pods;
        node.pods += 1;
        let namespace = Namespace::create_and_enter()?;
        prepare_pod()?;
        let inside = Netlink::open()?;
        let outer = mac(1, node.number, place);
        let inner = inner_mac(node.number, place);
        let here = format!("pod{place}");
        let index = index(FIRST + place);
        let own = pod_addresses(node.number, place);
        let veth = Message::veth(
            End {
                name: &here,
                index,
                mac: outer,
            },
            End {
                name: "eth0",
                index: OWN,
                mac: inner,
            },
            namespace.file(),
        );
        let mut outside = vec![veth];
        match layout {
            Layout::Routed => outside.extend(host_routes(index, node.number, own, inner)),
            Layout::Bridged => {
                outside.push(Message::port(index, BRIDGE));
                outside.extend(own.map(|address| Message::neighbour(BRIDGE, address, inner)));
            }
        }
        node.netlink.send(outside)?;
        inside.send(match layout {
            Layout::Routed => routed(own, outer),
            Layout::Bridged => bridged(own, node.number),
        })?;
        let [v4, v6] = own;
        Ok(self.insert(Host {
            name: name.to_owned(),
            kind: HostKind::Pod,
            node: Some(node_id),
            v4,
            v6,
            link: Some(Link { name: here, index }),
            namespace,
        }))
    }

    fn make_outside(
        &mut self,
        name: &str,
        addresses: [IpAddr; 2],
        port: usize,
        plan: &Plan,
    ) -> Result<()> {
        let namespace = Namespace::create_and_enter()?;
        prepare_pod()?;
        let netlink = Netlink::open()?;
        self.underlay.attach(port, &namespace)?;
        let mut messages = vec![Message::up(1), Message::up(OWN)];
        messages.extend(on_underlay(addresses));
        for (node, _) in plan.nodes.iter().enumerate() {
            messages.extend(to_pods(node));
        }
        messages.extend(underlay_neighbours(plan, port));
        netlink.send(messages)?;
        let [v4, v6] = addresses;
        self.insert(Host {
            name: name.to_owned(),
            kind: HostKind::Outside,
            node: None,
            v4,
            v6,
            link: None,
            namespace,
        });
        Ok(())
    }
}

/// Runs a job on a thread that ends with it, since it goes from namespace to namespace.
fn away<T: Send>(job: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let job = scope.spawn(job);
        job.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}
