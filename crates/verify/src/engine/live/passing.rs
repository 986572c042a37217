//! What the rules of classes let pass: one half of a pair, or rows of all peers.

use super::super::peers::Peers;
use super::super::policies::Ports;
use super::super::port_table::{ALL, PortsId};
use super::super::rows::{Among, Lookup, Row, RulePorts, Rules, rows};
use super::administrators::{Layer, LayerKey, ruled_rows};
use super::effect::{HalfChange, differences, overlay};
use super::lists::{List, Meant};
use super::nodes::Node;
use super::policies::{Rule, SignatureId};
use super::{Live, MOVED};
use crate::engine::Passage;
use palisade_netmodel::{Direction, NamedPort, Pod, PortSet};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Classes with the same rules, and what these let pass.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: RoaringBitmap,
    pub(super) rows: Vec<Row>,
}

/// What tells classes apart in a direction: their policies of both sorts and, if a rule names a port, their names.
type GroupKey = (Option<SignatureId>, Vec<u32>, Vec<NamedPort>);

/// Layers of administrators' policies that were made for some peers.
pub(super) type Layers = FxHashMap<LayerKey, Rc<Layer>>;

impl Lookup for Live {
    fn peers(&self, id: u32) -> Option<&Peers> {
        self.lists.get(id).map(|list: &List| &list.peers)
    }

    fn ports(&self, id: u32) -> Option<&Ports> {
        self.ports.get(id).map(|list| &list.ports)
    }

    fn pod(&self, endpoint: u32) -> Option<&Pod> {
        self.example(endpoint)
    }
}

impl Live {
    /// The policies that isolate a class; none for a cell.
    pub(super) fn isolating(&self, direction: Direction, id: u32) -> &[u32] {
        let signature = self.node(id).and_then(|node| node.signature(direction));
        self.of_signature(direction, signature)
    }

    fn of_signature(&self, direction: Direction, signature: Option<SignatureId>) -> &[u32] {
        let found = signature.and_then(|id| self.signatures(direction).get(id));
        found.map_or(&[], |signature| &signature.policies)
    }

    /// The rules of some policies in a direction.
    fn rules_of<'l>(
        &'l self,
        direction: Direction,
        policies: &'l [u32],
    ) -> impl Iterator<Item = &'l Rule> {
        let policies = policies.iter().filter_map(|id| self.policies.get(*id));
        policies.flat_map(move |policy| policy.rules(direction).unwrap_or_default())
    }

    /// What the policies of a subject let pass to or from a peer. Everything, if none speaks of it.
    pub(super) fn half(&self, direction: Direction, subject: u32, peer: u32) -> Passage {
        let isolated = self.isolated(direction, subject, peer);
        let rulers = self.rulers_of(subject);
        if rulers.is_empty() {
            return isolated.unwrap_or_else(Passage::everything);
        }
        self.ruled(direction, &rulers, (subject, peer), isolated)
    }

    /// What the NetworkPolicies of a subject let pass; `None` if none isolates it.
    fn isolated(&self, direction: Direction, subject: u32, peer: u32) -> Option<Passage> {
        let policies = self.isolating(direction, subject);
        if policies.is_empty() || !self.enforced {
            return None;
        }
        let destination = match direction {
            Direction::Ingress => subject,
            Direction::Egress => peer,
        };
        let mut passage = Passage::nothing();
        for rule in self.rules_of(direction, policies) {
            let list = rule.list.map(|list| self.meant(list, peer));
            let meant: Meant = list.unwrap_or((true, false));
            if meant == (false, false) {
                continue;
            }
            let ports = match rule.ports {
                None => PortSet::all(),
                Some(id) => Lookup::ports(self, id)
                    .map(|ports| ports.on(self.example(destination)))
                    .unwrap_or_default(),
            };
            passage.may = passage.may.union(&ports);
            if meant.0 {
                passage.must = passage.must.union(&ports);
            }
        }
        Some(passage)
    }

    fn group_key(&self, direction: Direction, class: u32) -> GroupKey {
        let signature = self.node(class).and_then(|node| node.signature(direction));
        let signature = signature.filter(|_| self.enforced);
        let policies = self.of_signature(direction, signature);
        let mut rules = self.rules_of(direction, policies);
        let rulers = self.rulers_of(class);
        let named = direction == Direction::Ingress
            && rules.any(|rule| {
                let list = rule.ports.and_then(|id| Lookup::ports(self, id));
                list.is_some_and(Ports::reads_names)
            });
        let named = named || self.names_ruled(direction, &rulers, class);
        let names = self.example(class).filter(|_| named);
        let names = names.map(|pod| pod.named_ports.clone());
        (signature, rulers, names.unwrap_or_default())
    }

    /// Some classes by their rules.
    pub(super) fn kinds(
        &self,
        direction: Direction,
        classes: &RoaringBitmap,
    ) -> Vec<RoaringBitmap> {
        let mut kinds: FxHashMap<GroupKey, RoaringBitmap> = FxHashMap::default();
        for class in classes & &self.alive {
            let key = self.group_key(direction, class);
            kinds.entry(key).or_default().insert(class);
        }
        let mut kinds: Vec<(GroupKey, RoaringBitmap)> = kinds.into_iter().collect();
        kinds.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        kinds.into_iter().map(|(_, members)| members).collect()
    }

    /// Kinds with what their rules let pass for some peers, or for all.
    pub(super) fn groups(
        &mut self,
        direction: Direction,
        kinds: Vec<RoaringBitmap>,
        among: Option<&RoaringBitmap>,
    ) -> Vec<Group> {
        let mut groups = Vec::with_capacity(kinds.len());
        let mut layers = Layers::default();
        for members in kinds {
            let example = members.min().unwrap_or(MOVED);
            let rows = self.rows_with(direction, (example, among), &mut layers);
            groups.push(Group { members, rows });
        }
        groups
    }

    /// What the policies of a class or cell let pass for some peers, or for all.
    pub(super) fn rows(
        &mut self,
        direction: Direction,
        class: u32,
        among: Option<&RoaringBitmap>,
    ) -> Vec<Row> {
        self.rows_with(direction, (class, among), &mut Layers::default())
    }

    fn rows_with(
        &mut self,
        direction: Direction,
        (class, among): (u32, Option<&RoaringBitmap>),
        layers: &mut Layers,
    ) -> Vec<Row> {
        let mut table = std::mem::take(&mut self.table);
        let isolated = self.isolated_rows(&mut table, direction, (class, among));
        let rulers = self.rulers_of(class);
        let all = among.unwrap_or(&self.alive);
        let found = if rulers.is_empty() {
            isolated.unwrap_or_else(|| {
                vec![Row {
                    must: ALL,
                    may: ALL,
                    peers: all.clone(),
                }]
            })
        } else {
            let layer = self.layer(direction, (rulers, class), all, layers);
            ruled_rows(&mut table, &layer, isolated.as_deref())
        };
        self.table = table;
        found
    }

    /// The rows of a class by its NetworkPolicies; `None` if none isolates it.
    fn isolated_rows(
        &self,
        table: &mut super::PortTable,
        direction: Direction,
        (class, among): (u32, Option<&RoaringBitmap>),
    ) -> Option<Vec<Row>> {
        let policies = self.isolating(direction, class);
        if policies.is_empty() || !self.enforced {
            return None;
        }
        let mut rules = Rules::new();
        for rule in self.rules_of(direction, policies) {
            let ports = self.rule_ports(table, direction, rule, class);
            if !rules.contains(&(rule.list, ports)) {
                rules.push((rule.list, ports));
            }
        }
        let among = among.map_or(Among::All(&self.alive), Among::Some);
        Some(rows(self, table, &rules, among))
    }

    fn rule_ports(
        &self,
        table: &mut super::PortTable,
        direction: Direction,
        rule: &Rule,
        class: u32,
    ) -> RulePorts {
        let list = rule
            .ports
            .and_then(|id| Some((id, Lookup::ports(self, id)?)));
        let fixed = |ports: PortsId| RulePorts::Fixed(ports);
        match list {
            None => fixed(ALL),
            Some((id, list)) if direction == Direction::Egress && list.reads_names() => {
                RulePorts::ByName(id)
            }
            Some((_, list)) => fixed(table.number(list.on(self.example(class)))),
        }
    }

    /// Some lists mean some classes now, or no longer.
    pub(super) fn change_lists(&mut self, changed: &[(u32, u32, Meant)]) -> Vec<HalfChange> {
        let lists: RoaringBitmap = changed.iter().map(|(list, _, _)| *list).collect();
        let peers: RoaringBitmap = changed.iter().map(|(_, class, _)| *class).collect();
        let peers = &peers & &self.alive;
        // Other policies of administrators are about these classes now.
        let governing = &lists & &self.governing;
        let turned = changed.iter().filter(|c| governing.contains(c.0));
        let turned: RoaringBitmap = turned.map(|(_, class, _)| *class).collect();
        let sides = [Direction::Ingress, Direction::Egress].map(|direction| {
            let asked = self.asked_of(direction, &governing) | &peers;
            (direction, self.users(direction, &lists) - &turned, asked)
        });
        let groups = |live: &mut Self| {
            sides.each_ref().map(|(direction, subjects, asked)| {
                let kinds = live.kinds(*direction, subjects);
                let same = live.groups(*direction, kinds, Some(&peers));
                let kinds = live.kinds(*direction, &turned);
                (same, live.groups(*direction, kinds, Some(asked)))
            })
        };
        let before = groups(self);
        for (list, class, meant) in changed {
            self.mean(*list, *class, *meant);
        }
        let after = groups(self);
        let mut changes = Vec::new();
        for ((direction, _, asked), (before, after)) in sides.iter().zip(before.iter().zip(&after))
        {
            // The policies are the same, so are the groups.
            for pair in before.0.iter().zip(&after.0) {
                differences(self, (*direction, &peers), pair, &mut changes);
            }
            let about = (*direction, asked);
            overlay(self, about, &before.1, &after.1, &mut changes);
        }
        changes
    }

    /// The classes of whose policies one asks about one of some lists in a direction.
    pub(super) fn users(&self, direction: Direction, lists: &RoaringBitmap) -> RoaringBitmap {
        let lists_of = lists.iter().filter_map(|list| self.lists.get(list));
        let users: RoaringBitmap = lists_of.flat_map(|list| &list.users).collect();
        let mut subjects = self.subjects(direction, &users, |rule| {
            rule.list.is_some_and(|list| lists.contains(list))
        });
        let lists_of = lists.iter().filter_map(|list| self.lists.get(list));
        let rulers: RoaringBitmap = lists_of.flat_map(|list| &list.asked_by).collect();
        for ruler in rulers.iter().filter_map(|id| self.rulers.get(id)) {
            if let Some(list) = self.lists.get(ruler.subject)
                && ruler.asks(direction, lists)
            {
                subjects |= &list.peers.yes;
            }
        }
        subjects
    }

    /// The classes that policies isolate which have an egress rule to everybody that names a port.
    pub(super) fn users_of_names(&self) -> RoaringBitmap {
        self.subjects(Direction::Egress, &self.by_name, |rule| rule.list.is_none())
    }

    fn subjects(
        &self,
        direction: Direction,
        policies: &RoaringBitmap,
        wanted: impl Fn(&Rule) -> bool,
    ) -> RoaringBitmap {
        let mut subjects = RoaringBitmap::new();
        for policy in policies.iter().filter_map(|id| self.policies.get(id)) {
            if policy
                .rules(direction)
                .unwrap_or_default()
                .iter()
                .any(&wanted)
            {
                subjects |= &policy.subjects;
            }
        }
        subjects
    }

    /// Some classes, one example of each kind with the kind.
    pub(super) fn examples(
        &self,
        direction: Direction,
        classes: &RoaringBitmap,
    ) -> Vec<(u32, RoaringBitmap)> {
        let kinds = self.kinds(direction, classes).into_iter();
        kinds.filter_map(|kind| Some((kind.min()?, kind))).collect()
    }

    /// Whether a class lets something pass for peers that no list means: nothing isolates it, or a rule is
    /// for everybody.
    pub(super) fn is_broad(&self, direction: Direction, class: u32) -> bool {
        let policies = self.isolating(direction, class);
        policies.is_empty()
            || !self.enforced
            || self
                .rules_of(direction, policies)
                .any(|rule| rule.list.is_none())
    }

    /// Whether a number is a class with one pod, or none.
    pub(super) fn is_single(&self, id: u32) -> bool {
        let class = self.node(id).and_then(Node::class);
        class.is_some() && self.node(id).is_some_and(|node| node.members().len() < 2)
    }
}
