//! The ruleset of a node, kept current while objects come and go.
//!
//! | Edit | What is looked at |
//! |---|---|
//! | a pod elsewhere | the sets of peers of this node's policies, each whether it means the pod |
//! | a pod of this node | that, the rules of its template if they are new, and the maps of this node |
//! | a NetworkPolicy | the templates of this node's pods that it selects: their rules, and new lists of peers |
//! | the labels of a namespace | its pods, for the sets that mean them now and not before, or the reverse |
//! | a policy of administrators | the templates of this node's pods |
//!
//! So nothing depends on the size of the cluster but a new list of peers, which is asked of all namespaces. The
//! ruleset is always what [`build`](super::build) says of what there is.
//!
//! The engine of `verify` keeps lists of peers, too. They are those of all policies of the cluster, as classes of pods;
//! a node needs a few of them, as addresses.

use super::chains::{Chains, Led};
use super::cluster::{Bag, Cluster};
use super::kept::Store;
use super::signature::Policies;
use super::{Built, DIRECTIONS, Denial, Node, Refused, Settings, base, empty_maps, map_name};
use crate::model::{Chain, Elements, Family, Map, Ruleset, Set};
use palisade_netmodel::{
    AdminPolicy, Direction, Labels, NetworkPolicy, Node as NodeObject, Pod, Template, World,
};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What a node enforces, kept current. Objects are added and removed; one that changes is removed as it was, and
/// added as it is.
#[derive(Debug)]
pub struct Live {
    settings: Settings,
    node: Node,
    cluster: Cluster,
    policies: Policies,
    /// Pods of this node that policies can select.
    own: Bag,
    store: Store,
    /// By the place of the template.
    led: FxHashMap<(usize, Direction, Family), Led>,
    /// Whether more than elements of sets may be other ones than those that were taken last.
    dirty: bool,
    /// The sets among those taken last that are kept current.
    taken: BTreeSet<String>,
}

/// What is different since changes were taken last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Elements of sets, and nothing else; none if nothing changed.
    Elements(Vec<Elements>),
    /// Anything.
    Whole(Built),
}

impl Live {
    /// For a node, of all objects of a world.
    #[must_use]
    pub fn of(world: &World, node: &Node, settings: &Settings) -> Self {
        let mut live = Self {
            settings: settings.clone(),
            node: node.clone(),
            cluster: Cluster::default(),
            policies: Policies::new(world.profile.clone()),
            own: Bag::default(),
            store: Store::new(settings.most_elements),
            led: FxHashMap::default(),
            dirty: true,
            taken: BTreeSet::new(),
        };
        for namespace in world.namespaces.values() {
            live.label(&namespace.name, Some(&namespace.labels));
        }
        world.nodes.iter().for_each(|node| live.add_node(node));
        world.pods.iter().for_each(|pod| live.add_pod(pod));
        let policies = world.network_policies.iter();
        policies.for_each(|policy| live.add_policy(policy));
        let administrators = world.admin_policies.iter();
        administrators.for_each(|policy| live.add_admin_policy(policy));
        live
    }

    /// The node that it is for.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// A pod is there.
    pub fn add_pod(&mut self, pod: &Pod) {
        if self.node.runs(pod) {
            self.own.add(pod);
            self.dirty = true;
        }
        self.cluster.add(pod);
        let labels = self.cluster.labels(&pod.namespace);
        self.store.pod(labels, pod, true);
    }

    /// A pod is gone that was added.
    pub fn remove_pod(&mut self, pod: &Pod) {
        if self.node.runs(pod) {
            self.own.remove(pod);
            self.dirty = true;
        }
        let labels = self.cluster.labels(&pod.namespace);
        self.store.pod(labels, pod, false);
        self.cluster.remove(pod);
    }

    /// A namespace has some labels; `None`: there is no such object.
    pub fn label(&mut self, namespace: &str, labels: Option<&Labels>) {
        if self.cluster.labels(namespace) == labels {
            return;
        }
        let before = self.cluster.label(namespace, labels);
        self.store
            .namespace(&self.cluster, namespace, before.as_ref());
        if self.policies.has_administrators() {
            self.forget(|template| template.namespace == namespace);
        }
    }

    /// A node is there.
    pub fn add_node(&mut self, node: &NodeObject) {
        self.cluster.add_node(node);
        self.store.node(node, true);
    }

    /// A node is gone that was added.
    pub fn remove_node(&mut self, node: &NodeObject) {
        self.cluster.remove_node(node);
        self.store.node(node, false);
    }

    /// A NetworkPolicy is there.
    pub fn add_policy(&mut self, policy: &NetworkPolicy) {
        self.policies.add(policy);
        self.forget(|template| policy.selects(&template.namespace, &template.labels));
    }

    /// A NetworkPolicy is gone that was added.
    pub fn remove_policy(&mut self, policy: &NetworkPolicy) {
        self.policies.remove(policy);
        self.forget(|template| policy.selects(&template.namespace, &template.labels));
    }

    /// A policy of administrators is there.
    pub fn add_admin_policy(&mut self, policy: &AdminPolicy) {
        self.policies.add_administrators(policy);
        self.forget(|_| true);
    }

    /// A policy of administrators is gone that was added.
    pub fn remove_admin_policy(&mut self, policy: &AdminPolicy) {
        self.policies.remove_administrators(policy);
        self.forget(|_| true);
    }

    /// Forgets what was found out about templates.
    fn forget(&mut self, concerned: impl Fn(&Template) -> bool) {
        let before = self.led.len();
        self.led.retain(|_, led| !concerned(&led.template));
        self.dirty |= self.led.len() < before;
    }

    /// What is different since the last time; the first time, everything.
    pub fn take(&mut self) -> Change {
        let mut changed = self.settle();
        if self.dirty {
            return Change::Whole(self.whole());
        }
        changed.retain(|elements| self.taken.contains(&elements.set));
        Change::Elements(changed)
    }

    /// Everything.
    pub fn whole(&mut self) -> Built {
        self.settle();
        let mut all = Whole::new();
        let own: Vec<&Pod> = self.own.iter().collect();
        let mut used: BTreeSet<(usize, Direction, Family)> = BTreeSet::new();
        for (number, pod) in own.iter().enumerate() {
            for address in &pod.addresses.known {
                let owner = *all.known.entry(*address).or_insert(number);
                if owner != number {
                    all.claimed_twice(*address, own.get(owner).copied(), pod);
                    continue;
                }
                for direction in DIRECTIONS {
                    let family = Family::of(address);
                    let key = (Arc::as_ptr(&pod.template).addr(), direction, family);
                    let led = self.led.entry(key).or_insert_with(|| {
                        let template = &pod.template;
                        let labels = self.cluster.labels(&template.namespace);
                        let signature = self.policies.signature(labels, template, direction);
                        Chains::new(&self.cluster, &mut self.store, &self.settings)
                            .lead(&signature, template, family)
                    });
                    used.insert(key);
                    all.dispatch(direction, *address, pod, led);
                }
            }
        }
        self.led.retain(|key, _| used.contains(key));
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        let mut asked: BTreeSet<&str> = BTreeSet::new();
        for led in used.iter().filter_map(|key| self.led.get(key)) {
            all.refused.extend(led.refused.iter().cloned());
            asked.extend(led.kept.iter().map(String::as_str));
            if led.head.is_ok() {
                all.add(led);
                taken.extend(led.kept.iter().map(String::as_str));
            }
        }
        self.store.retain(&asked);
        let kept = taken.iter().filter_map(|name| {
            let set = self.store.set(name)?;
            Some(((*name).to_owned(), set))
        });
        all.sets.extend(kept);
        self.taken = taken.into_iter().map(str::to_owned).collect();
        self.dirty = false;
        all.finish(&self.node, &self.settings)
    }

    /// Brings sets up to date. If one of them went beyond its limit, or came back, so do its pods.
    fn settle(&mut self) -> Vec<Elements> {
        let (changed, beyond) = self.store.take(&self.cluster);
        if beyond {
            self.forget(|_| true);
        }
        changed
    }
}

/// A ruleset while it is put together.
struct Whole {
    maps: BTreeMap<String, Map>,
    sets: BTreeMap<String, Set>,
    chains: BTreeMap<String, Chain>,
    denials: BTreeMap<String, Denial>,
    refused: BTreeSet<Refused>,
    /// Whose addresses are known.
    known: FxHashMap<IpAddr, usize>,
}

impl Whole {
    fn new() -> Self {
        Self {
            maps: empty_maps(),
            sets: BTreeMap::new(),
            chains: BTreeMap::new(),
            denials: BTreeMap::new(),
            refused: BTreeSet::new(),
            known: FxHashMap::default(),
        }
    }

    fn add(&mut self, led: &Led) {
        for (name, chain) in &led.chains {
            if !self.chains.contains_key(name) {
                self.chains.insert(name.clone(), chain.clone());
            }
        }
        for (name, set) in &led.fixed {
            if !self.sets.contains_key(name) {
                self.sets.insert(name.clone(), set.clone());
            }
        }
        for (name, denial) in &led.denials {
            if !self.denials.contains_key(name) {
                self.denials.insert(name.clone(), denial.clone());
            }
        }
    }

    /// Leads the address of a pod to the chain of its policies, if it has any.
    fn dispatch(&mut self, direction: Direction, address: IpAddr, pod: &Pod, led: &Led) {
        let chain = match &led.head {
            Ok(chain) => chain.clone(),
            Err(why) => {
                let refused = Refused::Pod(pod.object(), why.clone());
                self.refused.insert(refused);
                Some(base::deny(Family::of(&address)))
            }
        };
        if let Some(chain) = chain {
            self.put(direction, address, chain);
        }
    }

    fn put(&mut self, direction: Direction, address: IpAddr, chain: String) {
        let map = self
            .maps
            .get_mut(&map_name(direction, Family::of(&address)));
        if let Some(map) = map {
            map.elements.insert(address, chain);
        }
    }

    /// Nobody can say whose packets these are: they pass in neither direction.
    fn claimed_twice(&mut self, address: IpAddr, owner: Option<&Pod>, pod: &Pod) {
        let other = owner.map(Pod::object).unwrap_or_default();
        let why = format!("its address {address} is also that of pod {other}");
        self.refused.insert(Refused::Pod(pod.object(), why));
        for direction in DIRECTIONS {
            self.put(direction, address, base::deny(Family::of(&address)));
        }
    }

    fn finish(self, node: &Node, settings: &Settings) -> Built {
        let Self {
            maps,
            mut sets,
            mut chains,
            denials,
            refused,
            known,
        } = self;
        let known = known.into_keys();
        base::add(&mut sets, &mut chains, &maps, settings, node, known);
        Built {
            ruleset: Ruleset {
                table: settings.table.clone(),
                sets,
                maps,
                chains,
            },
            refused: refused.into_iter().collect(),
            denials,
        }
    }
}
