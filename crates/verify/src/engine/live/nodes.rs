//! Classes of pods and cells of addresses, while pods come, change and go.

use super::super::ambient::PROBES;
use super::super::endpoints::{PER_POD_KEYS, Seen, Traits, visible};
use super::effect::{Effect, Moved};
use super::policies::SignatureId;
use super::space::{Point, point};
use super::{Live, MOVED};
use ipnet::IpNet;
use palisade_netmodel::{
    AddressSet, Direction, Labels, NetworkPolicy, ObjectRef, Peer, Phase, Pod, Proxy, Selector,
};
use roaring::RoaringBitmap;
use std::net::IpAddr;

/// A class or a cell.
#[derive(Debug)]
pub(super) struct Node {
    kind: Kind,
    /// The lists of peers that mean it for certain.
    pub(super) yes: RoaringBitmap,
    /// The lists that perhaps mean it.
    pub(super) perhaps: RoaringBitmap,
    /// The policies that isolate it for ingress.
    pub(super) ingress: Option<SignatureId>,
    /// The same for egress.
    pub(super) egress: Option<SignatureId>,
}

#[derive(Debug)]
enum Kind {
    Class(Class),
    Cell {
        first: Point,
        /// Classes with a visible address in it.
        classes: RoaringBitmap,
    },
}

/// Pods that no policy tells apart.
#[derive(Debug)]
pub(super) struct Class {
    /// A pod like all of them.
    pub(super) example: Pod,
    /// The cells of its visible addresses, sorted.
    pub(super) places: Vec<u32>,
    members: RoaringBitmap,
    hash: u64,
}

impl Class {
    /// Whether others see its pods by the address of their node.
    pub(super) fn is_host(&self) -> bool {
        self.example.host_network || self.example.host_group
    }
}

impl Node {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            yes: RoaringBitmap::new(),
            perhaps: RoaringBitmap::new(),
            ingress: None,
            egress: None,
        }
    }

    /// Its class, if it is one.
    pub(super) fn class(&self) -> Option<&Class> {
        match &self.kind {
            Kind::Class(class) => Some(class),
            Kind::Cell { .. } => None,
        }
    }

    fn class_mut(&mut self) -> Option<&mut Class> {
        match &mut self.kind {
            Kind::Class(class) => Some(class),
            Kind::Cell { .. } => None,
        }
    }

    /// Where a cell begins.
    pub(super) fn first(&self) -> Option<Point> {
        match &self.kind {
            Kind::Class(_) => None,
            Kind::Cell { first, .. } => Some(*first),
        }
    }

    /// Classes with an address in a cell.
    pub(super) fn classes(&self) -> RoaringBitmap {
        match &self.kind {
            Kind::Class(_) => RoaringBitmap::new(),
            Kind::Cell { classes, .. } => classes.clone(),
        }
    }

    fn classes_mut(&mut self) -> Option<&mut RoaringBitmap> {
        match &mut self.kind {
            Kind::Class(_) => None,
            Kind::Cell { classes, .. } => Some(classes),
        }
    }

    /// The numbers of the pods of a class.
    pub(super) fn members(&self) -> RoaringBitmap {
        self.class()
            .map(|class| class.members.clone())
            .unwrap_or_default()
    }

    /// The policies that isolate it.
    pub(super) fn signature(&self, direction: Direction) -> Option<SignatureId> {
        match direction {
            Direction::Ingress => self.ingress,
            Direction::Egress => self.egress,
        }
    }
}

/// A pod and its class.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) pod: Pod,
    pub(super) class: u32,
}

/// A namespace.
#[derive(Debug)]
pub(super) struct Home {
    pub(super) labels: Labels,
    /// Classes that a selector can take.
    pub(super) selectable: RoaringBitmap,
    /// Classes that stand for the nodes' host network: only a selector without requirements means them.
    pub(super) groups: RoaringBitmap,
    /// Lists that mean some of its pods, whatever their labels.
    pub(super) reach: RoaringBitmap,
    /// Its policies.
    pub(super) policies: RoaringBitmap,
}

impl Live {
    pub(super) fn node(&self, node: u32) -> Option<&Node> {
        self.nodes.get(node as usize)?.as_ref()
    }

    pub(super) fn node_mut(&mut self, node: u32) -> Option<&mut Node> {
        self.nodes.get_mut(node as usize)?.as_mut()
    }

    /// A pod of a class, for names of ports.
    pub(super) fn example(&self, node: u32) -> Option<&Pod> {
        Some(&self.node(node)?.class()?.example)
    }

    /// What a class or cell can be in a connection.
    pub(super) fn traits(&self, node: u32) -> Traits {
        let Some(found) = self.node(node) else {
            return Traits::default();
        };
        match found.first() {
            None => found
                .class()
                .map(|class| Traits::of_pod(&class.example))
                .unwrap_or_default(),
            Some(first) => Traits::of_cell(self.is_outside(first)),
        }
    }

    /// Whether some address of a cell is no live pod's.
    fn is_outside(&self, first: Point) -> bool {
        let (_, last) = self.space.range(first);
        let last = point(last);
        let size = (last.1 - first.1).saturating_add(1);
        let all = u128::try_from(self.taken.len()).unwrap_or(u128::MAX);
        size > all || size > self.taken.range(first..=last).count() as u128
    }

    fn add_node(&mut self, node: Node) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.nodes.push(None);
            u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(slot) = self.nodes.get_mut(id as usize) {
            *slot = Some(node);
        }
        self.touch(id);
        id
    }

    /// A cell that begins at a point.
    pub(super) fn add_cell(&mut self, first: Point) -> u32 {
        let id = self.add_node(Node::new(Kind::Cell {
            first,
            classes: RoaringBitmap::new(),
        }));
        self.alive.insert(id);
        id
    }

    /// Makes every block of a policy a set of cells, and every label that it reads one that tells pods
    /// apart. Changes no answer.
    pub(super) fn prepare(&mut self, policy: &NetworkPolicy) {
        self.read_labels(std::iter::once(&policy.pod_selector));
        let rules = policy.ingress.iter().chain(&policy.egress).flatten();
        self.read_peers(rules.flat_map(|rule| rule.peers.iter().flatten()));
    }

    /// The same for peers.
    pub(super) fn read_peers<'p>(&mut self, peers: impl Iterator<Item = &'p Peer>) {
        let mut selectors = Vec::new();
        for peer in peers {
            match peer {
                Peer::Pods { pods, .. } => selectors.push(pods),
                Peer::Block { cidr, except } => {
                    for block in std::iter::once(cidr).chain(except) {
                        self.cut_out(&block.trunc());
                    }
                }
            }
        }
        self.read_labels(selectors.into_iter());
    }

    /// Makes a block a set of cells.
    pub(super) fn cut_out(&mut self, block: &IpNet) {
        for at in self.space.cuts(block) {
            self.cut(at);
        }
    }

    pub(super) fn read_labels<'s>(&mut self, selectors: impl Iterator<Item = &'s Selector>) {
        self.read(
            selectors
                .flat_map(|s| &s.requirements)
                .map(|r| r.key.as_str()),
        );
    }

    /// Makes some keys ones that tell pods apart.
    pub(super) fn read<'k>(&mut self, keys: impl Iterator<Item = &'k str>) {
        let new: Vec<String> = keys
            .filter(|key| PER_POD_KEYS.contains(key) && !self.read.contains(*key))
            .map(str::to_owned)
            .collect();
        if !new.is_empty() {
            self.read.extend(new);
            let everybody: Vec<u32> = self.pods.iter().map(|(number, _)| number).collect();
            self.enter_again(everybody);
        }
    }

    /// Notes a class or cell that came or went.
    fn touch(&mut self, id: u32) {
        if let Some(touched) = &mut self.touched {
            touched.push(id);
        }
    }

    /// Cuts a cell: the new one is in the same lists. Pods with an address in the old one find their
    /// classes again.
    fn cut(&mut self, at: Point) {
        let cell = self.space.at(at);
        let new = self.add_cell(at);
        self.space.cut(at, new);
        let Some(old) = cell.and_then(|cell| self.node(cell)) else {
            return;
        };
        let (yes, perhaps, classes) = (old.yes.clone(), old.perhaps.clone(), old.classes());
        for list in &yes {
            self.mean(list, new, (true, false));
        }
        for list in &perhaps {
            self.mean(list, new, (false, true));
        }
        let members = classes
            .iter()
            .filter_map(|class| Some(self.node(class)?.members()));
        let moving: Vec<u32> = members.flatten().collect();
        self.enter_again(moving);
    }

    /// Finds the classes of pods again, which changes no answer.
    fn enter_again(&mut self, pods: Vec<u32>) {
        let mut left = Vec::new();
        for number in pods {
            let Some(pod) = self.pods.get(number).map(|member| member.pod.clone()) else {
                continue;
            };
            let old = self.leave(number);
            let class = self.enter(number, &pod);
            if let Some(member) = self.pods.get_mut(number) {
                member.class = class;
            }
            left.extend(old);
        }
        for class in left {
            self.forget(class);
        }
    }

    /// Takes a pod out of its class; its number if nobody is left in it.
    fn leave(&mut self, number: u32) -> Option<u32> {
        let id = self.pods.get(number)?.class;
        let class = self.node_mut(id)?.class_mut()?;
        class.members.remove(number);
        if !class.members.is_empty() {
            return None;
        }
        self.alive.remove(id);
        self.touch(id);
        Some(id)
    }

    /// Puts a pod into the class of its equals.
    fn enter(&mut self, number: u32, pod: &Pod) -> u32 {
        let mut places: Vec<u32> = visible(pod)
            .iter()
            .filter_map(|address| self.space.place(*address))
            .collect();
        places.sort_unstable();
        places.dedup();
        let seen = Seen { read: &self.read };
        let hash = seen.hash(pod, &places);
        let equal = |id: &&u32| {
            let class = self.node(**id).and_then(Node::class);
            class.is_some_and(|c| c.places == places && seen.equal(&c.example, pod))
        };
        let known = self
            .by_hash
            .get(&hash)
            .and_then(|ids| ids.iter().find(equal));
        let id = match known {
            Some(known) => *known,
            None => self.add_class(pod, &places, hash),
        };
        if let Some(class) = self.node_mut(id).and_then(Node::class_mut) {
            class.members.insert(number);
        }
        if self.alive.insert(id) {
            self.touch(id);
        }
        id
    }

    fn add_class(&mut self, pod: &Pod, places: &[u32], hash: u64) -> u32 {
        let id = self.add_node(Node::new(Kind::Class(Class {
            example: pod.clone(),
            places: places.to_vec(),
            members: RoaringBitmap::new(),
            hash,
        })));
        self.by_hash.entry(hash).or_default().push(id);
        for place in places {
            if let Some(classes) = self.node_mut(*place).and_then(Node::classes_mut) {
                classes.insert(id);
            }
        }
        let host = pod.host_network || pod.host_group;
        if places.is_empty() {
            self.unplaced.insert(id);
        }
        if places.is_empty() && (host || self.ip_block_matches_pods) {
            self.nowhere.insert(id);
        }
        let home = self.home(&pod.namespace);
        if let Some(home) = self.namespaces.get_mut(home) {
            if pod.host_group {
                home.groups.insert(id);
            } else if pod.is_selectable() {
                home.selectable.insert(id);
            }
        }
        if pod.host_network {
            self.hosts.insert(id);
        }
        self.mesh.enter(id, pod);
        self.find_lists(id);
        self.find_policies(id);
        id
    }

    /// Removes an empty class from everything that knows it.
    pub(super) fn forget(&mut self, id: u32) {
        let empty = self
            .node(id)
            .and_then(Node::class)
            .is_some_and(|class| class.members.is_empty());
        if !empty {
            return;
        }
        self.leave_policies(id);
        let Some(node) = self.nodes.get_mut(id as usize).and_then(Option::take) else {
            return;
        };
        for list in node.yes.iter().chain(&node.perhaps) {
            self.unmean(list, id);
        }
        self.nowhere.remove(id);
        self.unplaced.remove(id);
        self.hosts.remove(id);
        if let Some(class) = node.class() {
            self.mesh.leave(id, &class.example);
            for place in &class.places {
                if let Some(classes) = self.node_mut(*place).and_then(Node::classes_mut) {
                    classes.remove(id);
                }
            }
            if let Some(ids) = self.by_hash.get_mut(&class.hash) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.by_hash.remove(&class.hash);
                }
            }
            let home = self.namespaces.number(class.example.namespace.as_str());
            if let Some(home) = home.and_then(|home| self.namespaces.get_mut(home)) {
                home.selectable.remove(id);
                home.groups.remove(id);
            }
        }
        self.free.push(id);
    }

    /// A pod came, changed or went.
    pub(super) fn set_pod(&mut self, object: ObjectRef, pod: Option<Pod>) -> Effect {
        if let Some(Proxy::Ambient { .. }) = pod.as_ref().map(|pod| &pod.proxy) {
            PROBES
                .iter()
                .for_each(|probe| self.cut_out(&(*probe).into()));
        }
        let number = self.pods.number(&object);
        let known = number.and_then(|number| self.pods.get(number));
        let known = known.map(|member| member.pod.clone());
        let mut halves = self.set_node_places(known.as_ref(), pod.as_ref());
        let headless = self.is_headless(&object.namespace);
        let among = headless.then(|| self.alive.clone());
        let old = number.and_then(|number| self.pods.get(number));
        let before = old.map(|member| member.class);
        let addresses = old.map(|member| taken(&member.pod)).unwrap_or_default();
        for address in addresses.known {
            self.give_back(address);
        }
        for address in pod.iter().flat_map(|pod| taken(pod).known) {
            *self.taken.entry(point(address)).or_default() += 1;
        }
        let left = number.and_then(|number| self.leave(number));
        let after = match pod {
            Some(pod) => {
                let member = Member {
                    pod: pod.clone(),
                    class: MOVED,
                };
                let number = self.pods.insert(object.clone(), member);
                let class = self.enter(number, &pod);
                if let Some(member) = self.pods.get_mut(number) {
                    member.class = class;
                }
                Some(class)
            }
            None => {
                self.pods.remove(&object);
                None
            }
        };
        self.leftover.extend(left);
        if before == after {
            return Effect::of(halves);
        }
        let namespace = object.namespace.clone();
        let others = among.map(|among| self.show_outsiders(&namespace, &among));
        let moved = Moved::new(object, before, after);
        let mut effect = self.moved(moved);
        effect.halves.append(&mut halves);
        effect.mesh.extend(others.into_iter().flatten());
        effect
    }

    fn give_back(&mut self, address: IpAddr) {
        let at = point(address);
        if let Some(count) = self.taken.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                self.taken.remove(&at);
            }
        }
    }
}

/// Addresses that are a pod's and so no ends of their own.
fn taken(pod: &Pod) -> AddressSet {
    if pod.phase == Phase::Live && !pod.host_network {
        pod.addresses.clone()
    } else {
        AddressSet::default()
    }
}
