//! Policies of administrators around what the NetworkPolicies of a class say, kept current.
//!
//! Subjects and peers of these policies are lists like those of NetworkPolicies, so an edit of a pod or of a
//! namespace finds them as it finds the others. Classes that the same policies are about share a *layer*: all
//! peers by what the tiers make of their ports, which is laid over the rows of each class. An edit of a
//! policy looks at the peers of the rules that are other ones, or at those of all its rules for classes that
//! become or cease to be its subjects; other peers pass it as before.

use super::super::port_table::{NONE, PortTable};
use super::super::rows::{Row, merged};
use super::super::tiers::{Split, ports_on};
use super::Live;
use super::effect::{HalfChange, overlay};
use super::lists::Meant;
use super::passing::Layers;
use crate::engine::Passage;
use palisade_netmodel::{
    AdminAction, AdminKind, AdminPeer, AdminPolicy, AdminPort, AdminRule, Direction, NamedPort,
    ObjectRef, Pod, PortSet, Tier,
};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What a policy is found by.
pub(super) type Name = (AdminKind, ObjectRef);

/// A policy of administrators that the network plugin enforces.
#[derive(Debug)]
pub(super) struct Ruler {
    kind: AdminKind,
    tier: Tier,
    priority: u16,
    /// The list of its subjects.
    pub(super) subject: u32,
    ingress: Vec<Rule>,
    egress: Vec<Rule>,
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    /// The number of its list of peers; `None` is everybody.
    list: Option<u32>,
    action: AdminAction,
    /// `None`: all.
    ports: Option<Vec<AdminPort>>,
}

/// All peers by what the tiers make of their ports: Admin, and Baseline.
pub(super) type Layer = Vec<(RoaringBitmap, (Split<PortSet>, Split<PortSet>))>;

/// What tells layers apart: the policies, and the names of ports on the subjects where rules read them.
pub(super) type LayerKey = (Vec<u32>, Vec<NamedPort>);

impl Ruler {
    fn rules(&self, direction: Direction) -> &[Rule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The numbers of all its lists of peers.
    fn lists(&self) -> impl Iterator<Item = u32> {
        let rules = self.ingress.iter().chain(&self.egress);
        rules.filter_map(|rule| rule.list)
    }

    /// Whether a rule of a direction asks about one of some lists.
    pub(super) fn asks(&self, direction: Direction, lists: &RoaringBitmap) -> bool {
        let mut rules = self.rules(direction).iter();
        rules.any(|rule| rule.list.is_some_and(|list| lists.contains(list)))
    }

    fn reads_names(&self, direction: Direction) -> bool {
        let ports = self.rules(direction).iter();
        let mut ports = ports.flat_map(|rule| rule.ports.iter().flatten());
        ports.any(|port| matches!(port, AdminPort::Named(_)))
    }

    /// Whether it comes at the same place among others.
    fn ranks_as(&self, other: &Self) -> bool {
        (self.tier, self.priority) == (other.tier, other.priority)
    }
}

impl Live {
    /// The policies that are about a class.
    pub(super) fn rulers_of(&self, class: u32) -> Vec<u32> {
        let Some(node) = self.node(class).filter(|_| !self.governing.is_empty()) else {
            return Vec::new();
        };
        let lists = &node.yes & &self.governing;
        let lists = lists.iter().filter_map(|list| self.lists.get(list));
        let rulers: RoaringBitmap = lists.flat_map(|list| &list.governs).collect();
        rulers.iter().collect()
    }

    /// The names of ports of a class, if rules that arrive there read them.
    pub(super) fn names_ruled(&self, direction: Direction, rulers: &[u32], class: u32) -> bool {
        let mut rulers = rulers.iter().filter_map(|id| self.rulers.get(*id));
        direction == Direction::Ingress
            && rulers.any(|ruler| ruler.reads_names(direction))
            && self.example(class).is_some()
    }

    /// What the tiers make of what NetworkPolicies let pass, if any isolates the subject.
    pub(super) fn ruled(
        &self,
        direction: Direction,
        rulers: &[u32],
        (subject, peer): (u32, u32),
        isolated: Option<Passage>,
    ) -> Passage {
        let destination = match direction {
            Direction::Ingress => subject,
            Direction::Egress => peer,
        };
        let meant = |list: u32| self.meant(list, peer);
        let splits = self.splits(direction, rulers, self.example(destination), &meant);
        let (must, may) = laid(&splits, isolated.map(|passage| (passage.must, passage.may)));
        Passage { must, may }
    }

    /// Both tiers of some policies.
    fn splits(
        &self,
        direction: Direction,
        rulers: &[u32],
        destination: Option<&Pod>,
        meant: &impl Fn(u32) -> Meant,
    ) -> (Split<PortSet>, Split<PortSet>) {
        let tier = |tier| {
            let mut kinds: BTreeMap<AdminKind, BTreeMap<u16, Vec<&Ruler>>> = BTreeMap::new();
            let rulers = rulers.iter().filter_map(|id| self.rulers.get(*id));
            for ruler in rulers.filter(|ruler| ruler.tier == tier) {
                let equal = kinds.entry(ruler.kind).or_default();
                equal.entry(ruler.priority).or_default().push(ruler);
            }
            let mut all = Split::untouched();
            for kind in kinds.into_values() {
                let mut of_kind = Split::untouched();
                for equal in kind.into_values() {
                    let mut group = Split::untouched();
                    for ruler in equal {
                        let mut split = Split::untouched();
                        for rule in ruler.rules(direction) {
                            let (yes, perhaps) = rule.list.map_or((true, false), meant);
                            if yes || perhaps {
                                let ports = ports_on(rule.ports.as_deref(), destination);
                                split.act(rule.action, &ports, yes);
                            }
                        }
                        group.beside(&split);
                    }
                    of_kind.then(&group);
                }
                all.beside(&of_kind);
            }
            all
        };
        (tier(Tier::Admin), tier(Tier::Baseline))
    }

    /// The layer of a class, found or made.
    pub(super) fn layer(
        &self,
        direction: Direction,
        (rulers, class): (Vec<u32>, u32),
        among: &RoaringBitmap,
        layers: &mut Layers,
    ) -> Rc<Layer> {
        let named = self.names_ruled(direction, &rulers, class);
        let names = self.example(class).filter(|_| named);
        let names = names.map(|pod| pod.named_ports.clone());
        let key: LayerKey = (rulers, names.unwrap_or_default());
        if let Some(known) = layers.get(&key) {
            return Rc::clone(known);
        }
        let made = Rc::new(self.make_layer(direction, (&key.0, class), among));
        layers.insert(key, Rc::clone(&made));
        made
    }

    fn make_layer(
        &self,
        direction: Direction,
        (rulers, class): (&[u32], u32),
        among: &RoaringBitmap,
    ) -> Layer {
        let rules = rulers.iter().filter_map(|id| self.rulers.get(*id));
        let rules = rules.flat_map(|ruler| ruler.rules(direction));
        let lists: BTreeSet<u32> = rules.filter_map(|rule| rule.list).collect();
        let mut blocks = vec![among.clone()];
        for list in lists.into_iter().filter_map(|list| self.lists.get(list)) {
            split(&mut blocks, &list.peers.yes);
            split(&mut blocks, &list.peers.perhaps);
        }
        let mut named = rulers.iter().filter_map(|id| self.rulers.get(*id));
        if direction == Direction::Egress && named.any(|ruler| ruler.reads_names(direction)) {
            for names in self.by_names(among) {
                split(&mut blocks, &names);
            }
        }
        let mut found: FxHashMap<(Split<PortSet>, Split<PortSet>), usize> = FxHashMap::default();
        let mut layer = Layer::new();
        for block in blocks {
            let Some(peer) = block.min() else {
                continue;
            };
            let meant = |list: u32| self.meant(list, peer);
            let destination = match direction {
                Direction::Ingress => class,
                Direction::Egress => peer,
            };
            let splits = self.splits(direction, rulers, self.example(destination), &meant);
            match found.get(&splits).and_then(|at| layer.get_mut(*at)) {
                Some((same, _)) => *same |= block,
                None => {
                    found.insert(splits.clone(), layer.len());
                    layer.push((block, splits));
                }
            }
        }
        layer
    }

    /// Some peers by their names for ports.
    fn by_names(&self, among: &RoaringBitmap) -> Vec<RoaringBitmap> {
        let mut by_names: BTreeMap<&[NamedPort], RoaringBitmap> = BTreeMap::new();
        for peer in among {
            let pod = self.example(peer);
            if let Some(pod) = pod.filter(|pod| !pod.named_ports.is_empty()) {
                by_names.entry(&pod.named_ports).or_default().insert(peer);
            }
        }
        by_names.into_values().collect()
    }

    /// A policy came, changed or went. Its blocks must be cuts already.
    pub(super) fn set_ruler(
        &mut self,
        name: &Name,
        written: Option<&AdminPolicy>,
    ) -> Vec<HalfChange> {
        let known = self.rulers.number(name);
        if known.is_none() && written.is_none() || !self.governs(name.0) {
            return Vec::new();
        }
        let new = written.map(|policy| self.compile_ruler(policy));
        let parts = self.parts(known, new.as_ref());
        let groups = |live: &mut Self| -> Vec<_> {
            let of = |part: &Part| {
                let kinds = live.kinds(part.direction, &part.subjects);
                live.groups(part.direction, kinds, Some(&part.peers))
            };
            parts.iter().map(of).collect()
        };
        let before = groups(self);
        self.replace_ruler(name, new);
        let after = groups(self);
        let mut changes = Vec::new();
        for (part, (before, after)) in parts.iter().zip(before.iter().zip(&after)) {
            let about = (part.direction, &part.peers);
            overlay(self, about, before, after, &mut changes);
        }
        changes
    }

    /// A policy that was there from the beginning.
    pub(super) fn add_ruler(&mut self, policy: &AdminPolicy) {
        if self.governs(policy.kind) {
            let new = self.compile_ruler(policy);
            self.replace_ruler(&(policy.kind, policy.object.clone()), Some(new));
        }
    }

    /// Whether the network plugin enforces policies of a kind.
    pub(super) fn governs(&self, kind: AdminKind) -> bool {
        self.kinds_enforced.contains(&kind)
    }

    fn compile_ruler(&mut self, policy: &AdminPolicy) -> Ruler {
        let subject = self.ruled_list(&[AdminPeer::Pods(policy.subject.clone())]);
        let mut rules = |rules: &[AdminRule]| {
            let rules = rules.iter().filter_map(|rule| self.ruler_rule(rule));
            rules.collect()
        };
        Ruler {
            kind: policy.kind,
            tier: policy.tier,
            priority: policy.priority,
            subject,
            ingress: rules(&policy.ingress),
            egress: rules(&policy.egress),
        }
    }

    /// A rule with a peer that is not known fails closed: it refuses everything, or accepts nothing.
    fn ruler_rule(&mut self, rule: &AdminRule) -> Option<Rule> {
        if rule.peers.contains(&AdminPeer::Unknown) {
            return (rule.action != AdminAction::Accept).then_some(Rule {
                list: None,
                action: AdminAction::Deny,
                ports: None,
            });
        }
        Some(Rule {
            list: Some(self.ruled_list(&rule.peers)),
            action: rule.action,
            ports: rule.ports.clone(),
        })
    }

    /// Which classes have to be looked at, and for which peers, if a policy is another one.
    fn parts(&self, known: Option<u32>, new: Option<&Ruler>) -> Vec<Part> {
        let old = known.and_then(|number| self.rulers.get(number));
        let subjects = |ruler: Option<&Ruler>| {
            let list = ruler.and_then(|ruler| self.lists.get(ruler.subject));
            list.map(|list| list.peers.yes.clone()).unwrap_or_default()
        };
        let (before, after) = (subjects(old), subjects(new));
        let mut parts = Vec::new();
        for direction in [Direction::Ingress, Direction::Egress] {
            let rules = |ruler: Option<&Ruler>| -> Vec<Rule> {
                ruler.map_or_else(Vec::new, |ruler| ruler.rules(direction).to_vec())
            };
            let (mut first, mut second) = (rules(old), rules(new));
            let all = self.asked(first.iter().chain(&second));
            parts.push(Part {
                direction,
                subjects: &before ^ &after,
                peers: all.clone(),
            });
            if old.zip(new).is_some_and(|(old, new)| old.ranks_as(new)) {
                without_common(&mut first, &mut second);
            }
            parts.push(Part {
                direction,
                subjects: &before & &after,
                peers: self.asked(first.iter().chain(&second)),
            });
        }
        parts.retain(|part| !part.subjects.is_empty() && !part.peers.is_empty());
        parts
    }

    /// Whom some rules mean, or may.
    fn asked<'r>(&self, rules: impl Iterator<Item = &'r Rule>) -> RoaringBitmap {
        let mut peers = RoaringBitmap::new();
        for rule in rules {
            let list = rule.list.map(|list| self.lists.get(list));
            match list {
                None => peers |= &self.alive,
                Some(None) => {}
                Some(Some(list)) => {
                    peers |= &list.peers.yes;
                    peers |= &list.peers.perhaps;
                }
            }
        }
        peers &= &self.alive;
        peers
    }

    /// Whom the policies ask about that lists of subjects belong to.
    pub(super) fn asked_of(&self, direction: Direction, subjects: &RoaringBitmap) -> RoaringBitmap {
        let lists = subjects.iter().filter_map(|list| self.lists.get(list));
        let rulers: RoaringBitmap = lists.flat_map(|list| &list.governs).collect();
        let rulers = rulers.iter().filter_map(|id| self.rulers.get(id));
        self.asked(rulers.flat_map(|ruler| ruler.rules(direction)))
    }

    fn replace_ruler(&mut self, name: &Name, new: Option<Ruler>) {
        let kept = new.as_ref().map(|new| (new.subject, new.lists().collect()));
        let known = self.rulers.number(name);
        let (number, old) = match (known, new) {
            (None, None) => return,
            (None, Some(new)) => (self.rulers.insert(name.clone(), new), None),
            (Some(number), Some(new)) => {
                let slot = self.rulers.get_mut(number);
                (number, slot.map(|slot| std::mem::replace(slot, new)))
            }
            (Some(number), None) => (number, self.rulers.remove(name)),
        };
        let (subject, lists): (Option<u32>, Vec<u32>) = match kept {
            Some((subject, lists)) => (Some(subject), lists),
            None => (None, Vec::new()),
        };
        for list in &lists {
            if let Some(list) = self.lists.get_mut(*list) {
                list.asked_by.insert(number);
            }
        }
        if let Some((subject, list)) = subject.and_then(|s| Some((s, self.lists.get_mut(s)?))) {
            list.governs.insert(number);
            self.governing.insert(subject);
        }
        if let Some(old) = old {
            self.leave_lists(number, &old, (subject, &lists));
        }
    }

    /// Takes a policy out of the lists that it does not use any more, and forgets those that nobody uses.
    fn leave_lists(&mut self, number: u32, old: &Ruler, (subject, lists): (Option<u32>, &[u32])) {
        for list in old.lists().filter(|list| !lists.contains(list)) {
            if let Some(list) = self.lists.get_mut(list) {
                list.asked_by.remove(number);
            }
        }
        if subject != Some(old.subject)
            && let Some(list) = self.lists.get_mut(old.subject)
        {
            list.governs.remove(number);
            if list.governs.is_empty() {
                self.governing.remove(old.subject);
            }
        }
        for list in old.lists().chain([old.subject]) {
            self.release(list);
        }
    }
}

/// The rows of a class under a layer, on top of those of its NetworkPolicies if any isolates it.
pub(super) fn ruled_rows(
    table: &mut PortTable,
    layer: &Layer,
    isolated: Option<&[Row]>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut add = |table: &mut PortTable, peers: RoaringBitmap, (must, may)| {
        let (must, may) = (table.number(must), table.number(may));
        if may != NONE && !peers.is_empty() {
            rows.push(Row { must, may, peers });
        }
    };
    for (block, splits) in layer {
        let Some(isolated) = isolated else {
            add(table, block.clone(), laid(splits, None));
            continue;
        };
        let mut rest = block.clone();
        for row in isolated {
            let peers = block & &row.peers;
            if !peers.is_empty() {
                rest -= &peers;
                let next = (table.set(row.must), table.set(row.may));
                add(table, peers, laid(splits, Some(next)));
            }
        }
        let nothing = (PortSet::empty(), PortSet::empty());
        add(table, rest, laid(splits, Some(nothing)));
    }
    merged(rows)
}

/// Classes that an edit of a policy is about, and the peers for whom it matters.
struct Part {
    direction: Direction,
    subjects: RoaringBitmap,
    peers: RoaringBitmap,
}

/// Admin, then NetworkPolicy if one isolates, else Baseline, then the default.
fn laid(
    (admin, baseline): &(Split<PortSet>, Split<PortSet>),
    isolated: Option<(PortSet, PortSet)>,
) -> (PortSet, PortSet) {
    let all = PortSet::all();
    let (must, may) = isolated.unwrap_or_else(|| baseline.before((&all, &all)));
    admin.before((&must, &may))
}

/// Tells the members of a set from the others, block by block.
fn split(blocks: &mut Vec<RoaringBitmap>, set: &RoaringBitmap) {
    let mut more = Vec::new();
    for block in blocks.iter_mut() {
        let here = &*block & set;
        if !here.is_empty() && here.len() < block.len() {
            *block -= &here;
            more.push(here);
        }
    }
    blocks.append(&mut more);
}

/// Leaves out the rules that two lists begin with, and those that they end with.
fn without_common(first: &mut Vec<Rule>, second: &mut Vec<Rule>) {
    while first.last().is_some() && first.last() == second.last() {
        first.pop();
        second.pop();
    }
    let pairs = first.iter().zip(&*second);
    let same = pairs.take_while(|(a, b)| a == b).count();
    first.drain(..same);
    second.drain(..same);
}
