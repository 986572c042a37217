//! The lab: it makes what a plan says, and owns it.

use crate::error::{Error, Result};
use crate::namespace::{Namespace, sysctl};
use crate::netlink::{BRIDGE, End, Hop, Mac, Message, Netlink, OWN, Scope, everywhere, only};
use crate::plan::{
    HostKind, Layout, Plan, bridge_addresses, gateways, node_addresses, pod_addresses, pod_ranges,
    service_ranges, underlay, whole,
};
use crate::responder::Responder;
use crate::socket::raise_file_limit;
use palisade_netmodel::Protocol;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

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
/// How long links may take to come up.
const LINKS: Duration = Duration::from_secs(30);

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
        let own = node_addresses(number);
        let mut messages = vec![Message::up(1), Message::up(OWN)];
        let [gateway, _] = gateways();
        messages.push(Message::address(1, gateway, whole(gateway), Scope::Link));
        messages.extend(on_underlay(own));
        messages.push(link_local(OWN, port));
        // Where a node's own connection to a Service begins, before it is translated.
        for (source, range) in own.into_iter().zip(service_ranges()) {
            let source = Some(source);
            messages.push(Message::route(range, OWN, &Hop::Direct { source }));
        }
        for (other, _) in plan.nodes.iter().enumerate().filter(|(n, _)| *n != number) {
            messages.extend(to_pods(other));
        }
        messages.extend(underlay_neighbours(plan, port));
        for host in &plan.outside {
            for (address, own) in [host.v4.into(), host.v6.into()].into_iter().zip(own) {
                let hop = Hop::Direct { source: Some(own) };
                messages.push(Message::route(only(address), OWN, &hop));
            }
        }
        if self.layout == Layout::Bridged {
            let bridge = End {
                name: "pods",
                index: BRIDGE,
                mac: bridge_mac(number),
            };
            messages.push(Message::bridge(bridge));
            messages.push(link_local(BRIDGE, 1));
            for (address, (_, prefix)) in
                bridge_addresses(number).into_iter().zip(pod_ranges(number))
            {
                messages.push(Message::address(BRIDGE, address, prefix, Scope::Everywhere));
            }
        }
        netlink.send(messages)?;
        let [v4, v6] = own;
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

/// The bridge between nodes and outside hosts, in a namespace of its own, which its socket keeps alive.
#[derive(Debug)]
struct Underlay {
    netlink: Netlink,
}

impl Underlay {
    fn make() -> Result<Self> {
        let _namespace = Namespace::create_and_enter()?;
        // There are no rules here. Kernels without bridge filtering have no such variable.
        for variable in ["iptables", "ip6tables", "arptables"] {
            sysctl(&format!("bridge/bridge-nf-call-{variable}"), "0").ok();
        }
        prepare_pod()?;
        let netlink = Netlink::open()?;
        let bridge = End {
            name: "underlay",
            index: BRIDGE,
            mac: mac(5, usize::MAX, 0),
        };
        netlink.send(vec![Message::bridge(bridge)])?;
        Ok(Self { netlink })
    }

    /// Connects a host.
    fn attach(&self, port: usize, namespace: &Namespace) -> Result<()> {
        let here = End {
            name: &format!("host{port}"),
            index: index(port),
            mac: mac(3, port, 0),
        };
        let there = End {
            name: "up0",
            index: OWN,
            mac: mac(4, port, 0),
        };
        self.netlink.send(vec![
            Message::veth(here, there, namespace.file()),
            Message::port(index(port), BRIDGE),
        ])
    }
}

/// Waits until the links of a namespace carry packets: a few milliseconds after their making.
fn wait_for_links(netlink: &Netlink) -> Result<()> {
    let begun = Instant::now();
    while !netlink.carries()? {
        if begun.elapsed() > LINKS {
            return Err(Error::because("waiting for links", "they do not come up"));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Runs a job on a thread that ends with it, since it goes from namespace to namespace.
fn away<T: Send>(job: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let job = scope.spawn(job);
        job.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A hardware address of our own, by what the interface is for.
fn mac(purpose: u8, node: usize, place: usize) -> Mac {
    let bytes = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
    let ([a, b], [c, d]) = (bytes(node), bytes(place));
    [2, purpose, a, b, c, d]
}

/// That of a pod's interface, inside of it.
pub(crate) fn inner_mac(node: usize, place: usize) -> Mac {
    mac(2, node, place)
}

/// That of a node's bridge.
fn bridge_mac(node: usize) -> Mac {
    mac(5, node, 0)
}

/// No waiting for addresses, and no link-local ones that nobody asked for.
fn prepare_pod() -> Result<()> {
    sysctl("ipv6/conf/default/addr_gen_mode", "1")?;
    sysctl("ipv6/conf/default/accept_dad", "0")?;
    sysctl("ipv6/conf/default/accept_ra", "0")
}

/// What a node of a cluster does: forward, and filter what passes its bridge. No limit for ICMP errors: the answers
/// of thousands of probes are wanted.
fn prepare_router(layout: Layout) -> Result<()> {
    prepare_pod()?;
    for (name, value) in [
        ("ipv4/ip_forward", "1"),
        ("ipv6/conf/all/forwarding", "1"),
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/send_redirects", "0"),
        ("ipv4/conf/default/send_redirects", "0"),
        ("ipv4/icmp_ratelimit", "0"),
        ("ipv6/icmp/ratelimit", "0"),
    ] {
        sysctl(name, value)?;
    }
    if layout == Layout::Bridged {
        for variable in ["iptables", "ip6tables"] {
            sysctl(&format!("bridge/bridge-nf-call-{variable}"), "1")?;
        }
    }
    Ok(())
}

/// Addresses on the underlay, and the way to its hosts.
fn on_underlay(own: [IpAddr; 2]) -> Vec<Message> {
    let mut messages = Vec::new();
    for (address, range) in own.into_iter().zip(underlay()) {
        messages.push(Message::address(
            OWN,
            address,
            whole(address),
            Scope::Everywhere,
        ));
        let hop = Hop::Direct {
            source: Some(address),
        };
        messages.push(Message::route(range, OWN, &hop));
    }
    messages
}

/// A router's address on a link, from which it looks for the neighbours to forward to.
fn link_local(index: u32, number: usize) -> Message {
    let number = u16::try_from(number).unwrap_or(u16::MAX);
    let address = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, number);
    Message::address(index, address.into(), 64, Scope::Link)
}

/// The way to the pods of another node.
fn to_pods(node: usize) -> impl Iterator<Item = Message> {
    let gateways = node_addresses(node).into_iter();
    let ways = gateways.zip(pod_ranges(node));
    ways.map(|(gateway, range)| Message::route(range, OWN, &Hop::Gateway(gateway)))
}

/// The node's side of a routed pod.
fn host_routes(index: u32, node: usize, own: [IpAddr; 2], inner: Mac) -> Vec<Message> {
    let mut messages = Vec::new();
    for (address, source) in own.into_iter().zip(node_addresses(node)) {
        let source = Some(source);
        messages.push(Message::route(
            only(address),
            index,
            &Hop::Direct { source },
        ));
        messages.push(Message::neighbour(index, address, inner));
    }
    messages
}

/// The pod's side of a routed pod.
fn routed(own: [IpAddr; 2], outer: Mac) -> Vec<Message> {
    let mut messages = vec![Message::up(1), Message::up(OWN)];
    for (address, gateway) in own.into_iter().zip(gateways()) {
        messages.push(Message::address(
            OWN,
            address,
            whole(address),
            Scope::Everywhere,
        ));
        messages.push(Message::neighbour(OWN, gateway, outer));
        if gateway.is_ipv4() {
            let hop = Hop::Direct { source: None };
            messages.push(Message::route(only(gateway), OWN, &hop));
        }
        messages.push(Message::route(
            everywhere(address),
            OWN,
            &Hop::Gateway(gateway),
        ));
    }
    messages
}

/// The pod's side of a bridged pod.
fn bridged(own: [IpAddr; 2], node: usize) -> Vec<Message> {
    let mut messages = vec![Message::up(1), Message::up(OWN)];
    let there = bridge_addresses(node).into_iter().zip(pod_ranges(node));
    for (address, (gateway, (_, prefix))) in own.into_iter().zip(there) {
        messages.push(Message::address(OWN, address, prefix, Scope::Everywhere));
        messages.push(Message::neighbour(OWN, gateway, bridge_mac(node)));
        messages.push(Message::route(
            everywhere(address),
            OWN,
            &Hop::Gateway(gateway),
        ));
    }
    messages
}

/// Everybody on the underlay but the host of a port, which number nodes and then outside hosts.
fn underlay_neighbours(plan: &Plan, own: usize) -> Vec<Message> {
    let nodes = (0..plan.nodes.len()).map(node_addresses);
    let outside = plan.outside.iter();
    let outside = outside.map(|host| [IpAddr::from(host.v4), IpAddr::from(host.v6)]);
    let others = (FIRST..).zip(nodes.chain(outside));
    let others = others.filter(|(port, _)| *port != own);
    others
        .flat_map(|(port, addresses)| {
            addresses.map(|address| Message::neighbour(OWN, address, mac(4, port, 0)))
        })
        .collect()
}
