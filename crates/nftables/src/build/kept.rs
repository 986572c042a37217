//! Sets of pods and of their ports, kept current: a pod that comes or goes changes the elements of those sets that
//! mean it, and nothing is asked of any other pod.
//!
//! Two pods may have one address, so elements are counted.

use super::cluster::{Cluster, Replicas, Role, visible};
use super::peers::{Named, Peers, Selected};
use crate::list::List;
use crate::model::{Element, Elements, Family, Set, SetKind};
use palisade_netmodel::{Labels, Node, Pod, Template};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The share of a list that has to change for it to be made anew, and not mended: one in so many.
const MANY: usize = 8;

/// Whom a set means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// The addresses of those that are selected.
    Pods(Family, BTreeSet<Selected>),
    /// The ports with one of some names, of those pods that are among the peers. A name is looked up on the
    /// destination, on the host network too, where addresses alone can mean a pod.
    Sockets(Family, Peers, BTreeSet<Named>),
}

/// All of them, by name.
#[derive(Debug, Default)]
pub(super) struct Store {
    sets: BTreeMap<String, Kept>,
    most: usize,
}

#[derive(Debug)]
struct Kept {
    meaning: Meaning,
    counted: BTreeMap<Element, usize>,
    /// What may have changed since the list was made, and whether it was there then.
    touched: BTreeMap<Element, bool>,
    elements: List,
    /// Whether it has to be made anew, since it asks which pods on the host network are on which nodes.
    stale: bool,
}

impl Store {
    pub(super) fn new(most: usize) -> Self {
        Self {
            sets: BTreeMap::new(),
            most,
        }
    }

    /// Makes a set unless it is there.
    ///
    /// # Errors
    ///
    /// The limit that it goes beyond, in words.
    pub(super) fn ensure(
        &mut self,
        name: &str,
        cluster: &Cluster,
        meaning: impl FnOnce() -> Meaning,
    ) -> Result<(), String> {
        let most = self.most;
        let kept = self.sets.entry(name.to_owned()).or_insert_with(|| {
            let mut kept = Kept::new(meaning());
            kept.fill(cluster);
            kept.touched.clear();
            kept.elements = kept.listed();
            kept
        });
        match kept.counted.len() {
            found if found > most => Err(beyond(found, most)),
            _ => Ok(()),
        }
    }

    /// A set as it was when changes were taken last.
    pub(super) fn set(&self, name: &str) -> Option<Set> {
        let kept = self.sets.get(name)?;
        Some(Set {
            kind: kept.meaning.kind(),
            elements: kept.elements.clone(),
        })
    }

    /// Forgets the sets that nothing asks for.
    pub(super) fn retain(&mut self, used: &BTreeSet<&str>) {
        self.sets.retain(|name, _| used.contains(name.as_str()));
    }

    /// A pod came (to a cluster that has it already), or went.
    pub(super) fn pod(&mut self, labels: Option<&Labels>, pod: &Pod, there: bool) {
        let role = Role::of(pod);
        for kept in self.sets.values_mut() {
            kept.on_nodes(role == Role::Host || !pod.node_addresses.known.is_empty());
            kept.node_of(pod, role, there);
            match role {
                Role::Member => {
                    kept.members(labels, &pod.template, &pod.addresses.known, there);
                }
                Role::Host => kept.host(pod, there),
                Role::Nobody => {}
            }
        }
    }

    /// A node came or went.
    pub(super) fn node(&mut self, node: &Node, there: bool) {
        for kept in self.sets.values_mut() {
            kept.on_nodes(true);
            kept.node(node, there);
        }
    }

    /// A namespace has other labels than before.
    pub(super) fn namespace(&mut self, cluster: &Cluster, name: &str, before: Option<&Labels>) {
        let now = cluster.labels(name);
        for kept in self.sets.values_mut() {
            for Replicas {
                template,
                addresses,
            } in cluster.replicas(name)
            {
                if kept.choice(before, template) != kept.choice(now, template) {
                    kept.members(before, template, addresses, false);
                    kept.members(now, template, addresses, true);
                }
            }
        }
    }

    /// What has changed since the last time, and whether a set has or had more elements than may be.
    pub(super) fn take(&mut self, cluster: &Cluster) -> (Vec<Elements>, bool) {
        let (mut all, mut beyond) = (Vec::new(), false);
        for (name, kept) in &mut self.sets {
            if kept.stale {
                kept.refill(cluster);
            }
            if kept.touched.is_empty() {
                continue;
            }
            let before = kept.elements.len();
            if let Some((gone, new)) = kept.take() {
                beyond |= before.max(kept.elements.len()) > self.most;
                all.push(Elements {
                    family: kept.meaning.kind().family(),
                    set: name.clone(),
                    gone,
                    new,
                    all: kept.elements.clone(),
                });
            }
        }
        (all, beyond)
    }
}

/// What is said of a set that is too large.
pub(super) fn beyond(found: usize, most: usize) -> String {
    format!("a list of its peers or ports has {found} elements, more than the limit of {most}")
}

/// Whether pods are meant by a selector, and whether they are pods of the cluster that addresses can mean.
type Choice = (bool, bool);

impl Kept {
    fn new(meaning: Meaning) -> Self {
        Self {
            meaning,
            counted: BTreeMap::new(),
            touched: BTreeMap::new(),
            elements: List::default(),
            stale: false,
        }
    }

    /// The elements that came and went.
    fn take(&mut self) -> Option<(Vec<Element>, Vec<Element>)> {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        for (element, was) in std::mem::take(&mut self.touched) {
            match (was, self.counted.contains_key(&element)) {
                (true, false) => gone.push(element),
                (false, true) => new.push(element),
                _ => {}
            }
        }
        let changed = gone.len() + new.len();
        if changed == 0 {
            return None;
        }
        if changed * MANY > self.counted.len() {
            self.elements = self.listed();
        } else {
            self.elements.remove(&gone);
            self.elements.insert(&new);
        }
        Some((gone, new))
    }

    /// All elements, put together anew.
    fn listed(&self) -> List {
        let all: Vec<Element> = self.counted.keys().copied().collect();
        all.into()
    }

    fn give(&mut self, element: Element, there: bool) {
        let count = self.counted.get(&element).copied().unwrap_or_default();
        self.touched.entry(element).or_insert(count > 0);
        match (count, there) {
            (_, true) => drop(self.counted.insert(element, count + 1)),
            (0 | 1, false) => drop(self.counted.remove(&element)),
            (_, false) => drop(self.counted.insert(element, count - 1)),
        }
    }

    fn selected(&self) -> &BTreeSet<Selected> {
        match &self.meaning {
            Meaning::Pods(_, selected) => selected,
            Meaning::Sockets(_, peers, _) => &peers.selected,
        }
    }

    /// Notes that pods on the host network, or nodes, changed.
    fn on_nodes(&mut self, changed: bool) {
        let nodes = |s: &Selected| matches!(s, Selected::Nodes(_));
        if changed
            && !self.stale
            && let Meaning::Sockets(_, peers, _) = &self.meaning
        {
            self.stale = peers.selected.iter().any(nodes);
        }
    }

    fn choice(&self, labels: Option<&Labels>, template: &Template) -> Choice {
        let mut selected = self.selected().iter();
        let by_address = match &self.meaning {
            Meaning::Pods(..) => false,
            Meaning::Sockets(_, peers, _) => peers.anyone || !peers.blocks.is_empty(),
        };
        let selected = selected.any(|s| s.means(labels, template));
        (selected, by_address && labels.is_some())
    }

    /// Pods that selectors can mean.
    fn members(
        &mut self,
        labels: Option<&Labels>,
        template: &Template,
        addresses: &[IpAddr],
        there: bool,
    ) {
        let choice = self.choice(labels, template);
        if choice == (false, false) {
            return;
        }
        for address in addresses {
            for element in self.meaning.elements(choice, template, address) {
                self.give(element, there);
            }
        }
    }

    /// A pod on the host network: its ports, if its addresses are meant.
    fn host(&mut self, pod: &Pod, there: bool) {
        for address in visible(pod) {
            if matches!(self.meaning, Meaning::Sockets(..)) {
                for element in self.meaning.elements((false, true), &pod.template, address) {
                    self.give(element, there);
                }
            }
        }
    }

    fn node(&mut self, node: &Node, there: bool) {
        let Meaning::Pods(family, selected) = &self.meaning else {
            return;
        };
        let meant = |s: &&Selected| matches!(s, Selected::Nodes(l) if l.matches(&node.labels));
        let (family, times) = (*family, selected.iter().filter(meant).count());
        for _ in 0..times {
            self.addresses(family, &node.addresses, there);
        }
    }

    /// The node that a pod is on, which may be known by that alone.
    fn node_of(&mut self, pod: &Pod, role: Role, there: bool) {
        let Some(family) = self.every_node() else {
            return;
        };
        self.addresses(family, &pod.node_addresses.known, there);
        if role == Role::Host {
            self.addresses(family, &pod.addresses.known, there);
        }
    }

    /// The family, of a set that means every node.
    fn every_node(&self) -> Option<Family> {
        let Meaning::Pods(family, selected) = &self.meaning else {
            return None;
        };
        let every = |s: &Selected| matches!(s, Selected::Nodes(l) if l.is_everything());
        selected.iter().any(every).then_some(*family)
    }

    fn addresses(&mut self, family: Family, addresses: &[IpAddr], there: bool) {
        for address in addresses.iter().filter(|a| Family::of(a) == family) {
            self.give(Element::Address(*address), there);
        }
    }

    /// Looks at everybody whom it may mean.
    fn fill(&mut self, cluster: &Cluster) {
        let mut among = Vec::new();
        if let Meaning::Sockets(_, peers, _) = &self.meaning
            && (peers.anyone || !peers.blocks.is_empty())
        {
            among.extend(cluster.among(None));
        } else {
            let selected: Vec<_> = self.selected().iter().collect();
            let pods = selected.iter().filter_map(|s| match s {
                Selected::Pods(namespaces, _) => Some(namespaces),
                Selected::Nodes(_) => None,
            });
            among.extend(pods.flat_map(|namespaces| cluster.among(Some(namespaces))));
            // Those that several selectors mean count once, as when they come one by one.
            among.sort_by_key(|(_, _, replicas)| std::ptr::from_ref(*replicas).addr());
            among.dedup_by_key(|(_, _, replicas)| std::ptr::from_ref(*replicas).addr());
        }
        for (_, home, replicas) in among {
            let labels = home.labels.as_ref();
            self.members(labels, &replicas.template, &replicas.addresses, true);
        }
        for node in cluster.nodes() {
            self.node(node, true);
        }
        for pod in cluster.host() {
            self.host(pod, true);
        }
        if let Some(family) = self.every_node() {
            for (address, pods) in cluster.hosting() {
                for _ in 0..*pods {
                    self.addresses(family, &[*address], true);
                }
            }
            for pod in cluster.host() {
                self.addresses(family, &pod.addresses.known, true);
            }
        }
        self.on_chosen_nodes(cluster);
    }

    /// The ports of pods on the host network of nodes that are selected.
    fn on_chosen_nodes(&mut self, cluster: &Cluster) {
        let selected: Vec<Selected> = match &self.meaning {
            Meaning::Sockets(_, peers, _) => peers.selected.iter().cloned().collect(),
            Meaning::Pods(..) => Vec::new(),
        };
        for one in &selected {
            let Selected::Nodes(labels) = one else {
                continue;
            };
            let nodes = cluster.node_addresses(labels);
            for pod in cluster.host() {
                if !visible(pod).iter().any(|a| nodes.contains(a)) {
                    continue;
                }
                for address in visible(pod) {
                    for element in self.meaning.elements((true, false), &pod.template, address) {
                        self.give(element, true);
                    }
                }
            }
        }
    }

    fn refill(&mut self, cluster: &Cluster) {
        self.stale = false;
        for element in std::mem::take(&mut self.counted).into_keys() {
            self.touched.entry(element).or_insert(true);
        }
        self.fill(cluster);
    }
}

impl Meaning {
    fn kind(&self) -> SetKind {
        match self {
            Self::Pods(family, _) => SetKind::Addresses(*family),
            Self::Sockets(family, ..) => SetKind::Sockets(*family),
        }
    }

    /// What an address of a pod adds to the set.
    fn elements(&self, choice: Choice, template: &Template, address: &IpAddr) -> Vec<Element> {
        let (selected, by_address) = choice;
        match self {
            Self::Pods(family, _) if selected && Family::of(address) == *family => {
                vec![Element::Address(*address)]
            }
            Self::Sockets(family, peers, names) if Family::of(address) == *family => {
                let wanted = template
                    .named_ports
                    .iter()
                    .filter(|port| names.iter().any(|n| n.means(port)));
                let meant =
                    || selected || by_address && (peers.anyone || peers.block_holds(address));
                wanted
                    .filter(|_| meant())
                    .map(|port| Element::Socket(*address, port.protocol, port.port))
                    .collect()
            }
            _ => Vec::new(),
        }
    }
}
