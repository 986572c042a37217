//! Lists of peers as sets of classes and cells, and the namespaces that their selectors take.

use super::super::peers::Peers;
use super::Live;
use super::effect::HalfChange;
use super::nodes::Home;
use palisade_netmodel::{AdminPeer, Labels, NamespaceMatch, Peer, Selector};
use roaring::RoaringBitmap;

/// A distinct list of peers.
#[derive(Debug)]
pub(super) struct List {
    wanted: Vec<Peer>,
    /// Whom it means.
    pub(super) peers: Peers,
    /// The NetworkPolicies that use it.
    pub(super) users: RoaringBitmap,
    /// If it is one of administrators: the peers.
    pub(super) ruled: Vec<AdminPeer>,
    /// The policies of administrators with a rule that asks about it.
    pub(super) asked_by: RoaringBitmap,
    /// Those whose subjects it is.
    pub(super) governs: RoaringBitmap,
}

impl List {
    pub(super) fn new(wanted: &[Peer], ruled: &[AdminPeer]) -> Self {
        Self {
            wanted: wanted.to_vec(),
            peers: Peers::default(),
            users: RoaringBitmap::new(),
            ruled: ruled.to_vec(),
            asked_by: RoaringBitmap::new(),
            governs: RoaringBitmap::new(),
        }
    }

    /// The peers, as they are written.
    pub(super) fn wanted(&self) -> &[Peer] {
        &self.wanted
    }

    fn is_unused(&self) -> bool {
        let users = [&self.users, &self.asked_by, &self.governs];
        users.iter().all(|users| users.is_empty())
    }
}

/// A distinct selector of namespaces.
#[derive(Debug, Default)]
pub(super) struct Choice {
    namespaces: RoaringBitmap,
    lists: RoaringBitmap,
}

/// Whether a class or cell is meant for certain, and whether perhaps.
pub(super) type Meant = (bool, bool);

impl Live {
    /// The number of a list, found or made.
    pub(super) fn list(&mut self, wanted: &[Peer]) -> u32 {
        if let Some(known) = self.lists.number(wanted) {
            return known;
        }
        let list = List::new(wanted, &[]);
        let number = self.lists.insert(wanted.to_vec(), list);
        let mut candidates = RoaringBitmap::new();
        for peer in wanted {
            match peer {
                Peer::Pods { namespaces, .. } => {
                    for home in self.reaches(number, namespaces) {
                        if let Some(home) = self.namespaces.get_mut(home) {
                            home.reach.insert(number);
                            candidates |= &home.selectable;
                            candidates |= &home.groups;
                        }
                    }
                }
                Peer::Block { cidr, except } => {
                    self.blocks.insert(number);
                    let mut cells: RoaringBitmap = self.space.within(cidr).collect();
                    for hole in except {
                        cells -= self.space.within(hole).collect::<RoaringBitmap>();
                    }
                    for cell in cells {
                        self.mean(number, cell, (true, false));
                        let here = self.node(cell).map(super::nodes::Node::classes);
                        candidates |= here.unwrap_or_default();
                    }
                    candidates |= &self.nowhere;
                }
            }
        }
        for class in candidates {
            let meant = self.means(number, class);
            self.mean(number, class, meant);
        }
        number
    }

    /// Remembers that a list reads some namespaces; the ones that it means now.
    fn reaches(&mut self, list: u32, namespaces: &NamespaceMatch) -> RoaringBitmap {
        match namespaces {
            NamespaceMatch::Named(name) => {
                self.named.entry(name.clone()).or_default().insert(list);
                self.namespaces.number(name).into_iter().collect()
            }
            NamespaceMatch::Selector(selector) => self.reaches_chosen(list, selector),
        }
    }

    /// The same of the namespaces that a selector takes.
    pub(super) fn reaches_chosen(&mut self, list: u32, selector: &Selector) -> RoaringBitmap {
        let number = self.choice(selector);
        let Some(choice) = self.selectors.get_mut(number) else {
            return RoaringBitmap::new();
        };
        choice.lists.insert(list);
        choice.namespaces.clone()
    }

    fn choice(&mut self, selector: &Selector) -> u32 {
        if let Some(known) = self.selectors.number(selector) {
            return known;
        }
        let homes = self.namespaces.iter();
        let taken = homes.filter(|(_, home)| selector.matches(&home.labels));
        let choice = Choice {
            namespaces: taken.map(|(number, _)| number).collect(),
            lists: RoaringBitmap::new(),
        };
        self.selectors.insert(selector.clone(), choice)
    }

    /// Forgets a list that no policy uses.
    pub(super) fn release(&mut self, number: u32) {
        let unused = self.lists.get(number).filter(|list| list.is_unused());
        let Some((wanted, ruled)) = unused.map(|list| (list.wanted.clone(), list.ruled.clone()))
        else {
            return;
        };
        let list = if ruled.is_empty() {
            self.lists.remove(wanted.as_slice())
        } else {
            self.forget_ruled(number, &ruled)
        };
        let Some(list) = list else {
            return;
        };
        for node in list.peers.yes.iter().chain(&list.peers.perhaps) {
            if let Some(node) = self.node_mut(node) {
                node.yes.remove(number);
                node.perhaps.remove(number);
            }
        }
        self.blocks.remove(number);
        for peer in &wanted {
            let Peer::Pods { namespaces, .. } = peer else {
                continue;
            };
            let homes = self.unreaches(number, namespaces);
            for home in homes {
                if let Some(home) = self.namespaces.get_mut(home) {
                    home.reach.remove(number);
                }
            }
        }
    }

    fn unreaches(&mut self, list: u32, namespaces: &NamespaceMatch) -> RoaringBitmap {
        match namespaces {
            NamespaceMatch::Named(name) => {
                if let Some(lists) = self.named.get_mut(name) {
                    lists.remove(list);
                    if lists.is_empty() {
                        self.named.remove(name);
                    }
                }
                self.namespaces.number(name).into_iter().collect()
            }
            NamespaceMatch::Selector(selector) => self.unreaches_chosen(list, selector),
        }
    }

    /// The same of the namespaces that a selector takes.
    pub(super) fn unreaches_chosen(&mut self, list: u32, selector: &Selector) -> RoaringBitmap {
        let number = self.selectors.number(selector);
        let Some(choice) = number.and_then(|n| self.selectors.get_mut(n)) else {
            return RoaringBitmap::new();
        };
        choice.lists.remove(list);
        let homes = choice.namespaces.clone();
        if choice.lists.is_empty() {
            self.selectors.remove(selector);
        }
        homes
    }

    /// Whether a list means a class, judged peer by peer.
    pub(super) fn means(&self, list: u32, class: u32) -> Meant {
        let found = self.lists.get(list);
        let class = self.node(class).and_then(super::nodes::Node::class);
        let Some((list, class)) = found.zip(class) else {
            return (false, false);
        };
        let pod = &class.example;
        let home = self.namespaces.number(pod.namespace.as_str());
        let labels = home.and_then(|home| Some(&self.namespaces.get(home)?.labels));
        let by_address = class.is_host() || self.ip_block_matches_pods;
        let (mut yes, mut perhaps) = (false, false);
        for peer in &list.wanted {
            match peer {
                Peer::Pods { namespaces, pods } => {
                    let there = match namespaces {
                        NamespaceMatch::Named(name) => *name == pod.namespace,
                        NamespaceMatch::Selector(wanted) => {
                            labels.is_some_and(|labels| wanted.matches(labels))
                        }
                    };
                    yes |= there
                        && if pod.host_group {
                            pods.is_everything()
                        } else {
                            pod.is_selectable() && pods.matches(&pod.labels)
                        };
                }
                Peer::Block { .. } if by_address => {
                    perhaps |= class.places.is_empty();
                    // The cells of a list are among its members.
                    yes |= class.places.iter().any(|p| list.peers.yes.contains(*p));
                }
                Peer::Block { .. } => {}
            }
        }
        for peer in &list.ruled {
            match self.is_ruled(peer, class, labels) {
                Some(meant) => yes |= meant,
                None => perhaps = true,
            }
        }
        (yes, perhaps && !yes)
    }

    /// Notes whether a list means a class or cell, on both sides.
    pub(super) fn mean(&mut self, number: u32, id: u32, (yes, perhaps): Meant) {
        let put = |set: &mut RoaringBitmap, value: u32, there: bool| {
            if there {
                set.insert(value);
            } else {
                set.remove(value);
            }
        };
        if let Some(list) = self.lists.get_mut(number) {
            put(&mut list.peers.yes, id, yes);
            put(&mut list.peers.perhaps, id, perhaps);
        }
        if let Some(node) = self.node_mut(id) {
            put(&mut node.yes, number, yes);
            put(&mut node.perhaps, number, perhaps);
        }
    }

    /// Takes a class out of a list.
    pub(super) fn unmean(&mut self, number: u32, id: u32) {
        self.mean(number, id, (false, false));
    }

    /// Finds the lists that mean a new class.
    pub(super) fn find_lists(&mut self, id: u32) {
        let Some(class) = self.node(id).and_then(super::nodes::Node::class) else {
            return;
        };
        let home = self.namespaces.number(class.example.namespace.as_str());
        let home = home.and_then(|home| self.namespaces.get(home));
        let mut candidates = home.map(|home| home.reach.clone()).unwrap_or_default();
        if class.is_host() || self.ip_block_matches_pods {
            if class.places.is_empty() {
                candidates |= &self.blocks;
            }
            for cell in class.places.iter().filter_map(|place| self.node(*place)) {
                candidates |= &cell.yes;
            }
        }
        candidates |= &self.wide;
        for list in candidates {
            let meant = self.means(list, id);
            if meant != (false, false) {
                self.mean(list, id, meant);
            }
        }
    }

    /// The number of a namespace; one that nothing has named before gets the label of its name.
    pub(super) fn home(&mut self, name: &str) -> u32 {
        if let Some(known) = self.namespaces.number(name) {
            return known;
        }
        let labels = Labels::from_iter([("kubernetes.io/metadata.name", name)]);
        let mut reach = self.named.get(name).cloned().unwrap_or_default();
        let takes = |selector: &Selector| selector.matches(&labels);
        let choices: Vec<u32> = self.selectors.matching(takes);
        for choice in choices.iter().filter_map(|c| self.selectors.get(*c)) {
            reach |= &choice.lists;
        }
        let home = Home {
            labels,
            selectable: RoaringBitmap::new(),
            groups: RoaringBitmap::new(),
            reach,
            policies: RoaringBitmap::new(),
        };
        let number = self.namespaces.insert(name.to_owned(), home);
        for choice in choices {
            if let Some(choice) = self.selectors.get_mut(choice) {
                choice.namespaces.insert(number);
            }
        }
        number
    }

    /// A namespace has these labels now.
    pub(super) fn set_namespace(&mut self, name: &str, labels: &Labels) -> Vec<HalfChange> {
        self.mesh.set_namespace(name, labels);
        let number = self.home(name);
        let Some(home) = self.namespaces.get_mut(number) else {
            return Vec::new();
        };
        let old = std::mem::replace(&mut home.labels, labels.clone());
        let classes = &home.selectable | &home.groups;
        let flips = |selector: &Selector| selector.matches(&old) != selector.matches(labels);
        let mut lists = RoaringBitmap::new();
        let flipped = self.selectors.matching(flips);
        for choice in &flipped {
            if let Some(choice) = self.selectors.get_mut(*choice) {
                lists |= &choice.lists;
                if !choice.namespaces.remove(number) {
                    choice.namespaces.insert(number);
                }
            }
        }
        if !flipped.is_empty() {
            self.find_reach(number, name);
        }
        let mut changed = Vec::new();
        for list in lists {
            for class in &classes {
                let now = self.means(list, class);
                if now != self.meant(list, class) {
                    changed.push((list, class, now));
                }
            }
        }
        if self.touched.is_some() {
            let turned = changed.iter().map(|(list, class, _)| (*list, *class));
            self.turned = turned.collect();
        }
        self.change_lists(&changed)
    }

    fn find_reach(&mut self, number: u32, name: &str) {
        let mut reach = self.named.get(name).cloned().unwrap_or_default();
        for (_, choice) in self.selectors.iter() {
            if choice.namespaces.contains(number) {
                reach |= &choice.lists;
            }
        }
        if let Some(home) = self.namespaces.get_mut(number) {
            home.reach = reach;
        }
    }

    /// Whether a list means a class or cell, as it was found.
    pub(super) fn meant(&self, list: u32, id: u32) -> Meant {
        let peers = self.lists.get(list).map(|list| &list.peers);
        peers.map_or((false, false), |peers| {
            (peers.yes.contains(id), peers.perhaps.contains(id))
        })
    }

    /// Forgets a namespace that nothing is in any more.
    pub(super) fn leave_namespace(&mut self, name: &str) {
        let number = self.namespaces.number(name);
        let Some((number, home)) = number.and_then(|n| Some((n, self.namespaces.get(n)?))) else {
            return;
        };
        let used = [&home.selectable, &home.groups, &home.policies];
        if used.iter().any(|set| !set.is_empty()) {
            return;
        }
        let takes: Vec<u32> = self.selectors.iter().map(|(number, _)| number).collect();
        for choice in takes {
            if let Some(choice) = self.selectors.get_mut(choice) {
                choice.namespaces.remove(number);
            }
        }
        self.namespaces.remove(name);
    }
}
