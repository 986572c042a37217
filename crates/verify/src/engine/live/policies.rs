//! Policies as numbers of lists, and the classes that the same policies isolate.

use super::super::peers::Peers;
use super::super::policies::Ports;
use super::super::port_table::{ALL, PortsId};
use super::super::rows::{Among, Lookup, Row, RulePorts, Rules, rows};
use super::effect::{HalfChange, differences, overlay};
use super::lists::{List, Meant};
use super::nodes::Node;
use super::{Live, MOVED};
use crate::engine::Passage;
use palisade_netmodel::{
    Direction, NamedPort, NetworkPolicy, ObjectRef, Pod, PolicyPort, PortSet, Selector,
};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

/// The number of a set of policies in its direction.
pub(super) type SignatureId = u32;

/// A policy.
#[derive(Debug, Default)]
pub(super) struct Policy {
    selector: Selector,
    /// The classes that it selects.
    subjects: RoaringBitmap,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
}

/// A rule: the numbers of its lists; `None` is everybody, and all ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    list: Option<u32>,
    ports: Option<u32>,
}

impl Policy {
    fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        self.ingress.iter().chain(&self.egress).flatten()
    }
}

/// A distinct list of ports.
#[derive(Debug)]
pub(super) struct PortList {
    ports: Ports,
    written: Vec<PolicyPort>,
    /// How many rules use it.
    users: u32,
}

/// Classes that the same policies isolate in a direction.
#[derive(Debug)]
pub(super) struct Signature {
    policies: Vec<u32>,
    members: RoaringBitmap,
}

/// One policy that comes, changes or goes.
#[derive(Debug)]
pub(super) struct Step {
    number: u32,
    home: u32,
    /// Whether it is there afterwards.
    present: bool,
    new: Policy,
    /// The classes about which it says something new.
    touched: [(Direction, RoaringBitmap); 2],
}

/// Classes with the same rules, and what these let pass.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) members: RoaringBitmap,
    pub(super) rows: Vec<Row>,
}

/// What tells classes apart in a direction: their policies and, if a rule names a port, their names.
type GroupKey = (Option<SignatureId>, Vec<NamedPort>);

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
    fn signatures(&self, direction: Direction) -> &super::Pool<Vec<u32>, Signature> {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// The policies that isolate a class; none for a cell.
    fn isolating(&self, direction: Direction, id: u32) -> &[u32] {
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

    /// What the policies of a subject let pass to or from a peer. Everything, if none isolates it.
    pub(super) fn half(&self, direction: Direction, subject: u32, peer: u32) -> Passage {
        let policies = self.isolating(direction, subject);
        if policies.is_empty() || !self.enforced {
            return Passage::everything();
        }
        let destination = match direction {
            Direction::Ingress => subject,
            Direction::Egress => peer,
        };
        let mut passage = Passage::nothing();
        for rule in self.rules_of(direction, policies) {
            let list = rule.list.map(|id| self.lists.get(id));
            let meant: Meant = match list {
                None => (true, false),
                Some(list) => list.map_or((false, false), |list| {
                    let peers = &list.peers;
                    (peers.yes.contains(peer), peers.perhaps.contains(peer))
                }),
            };
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
        passage
    }

    /// A policy came, changed or went. Its blocks must be cuts already.
    pub(super) fn set_policy(
        &mut self,
        object: &ObjectRef,
        written: Option<&NetworkPolicy>,
    ) -> Vec<HalfChange> {
        let Some(step) = self.plan(object, written) else {
            return Vec::new();
        };
        let touched = step.touched.clone();
        let groups = |live: &mut Self| {
            touched.each_ref().map(|(direction, classes)| {
                let kinds = live.kinds(*direction, classes);
                live.groups(*direction, kinds, None)
            })
        };
        let before = groups(self);
        self.carry_out(object, step);
        let after = groups(self);
        let mut changes = Vec::new();
        for ((direction, _), (before, after)) in touched.iter().zip(before.iter().zip(&after)) {
            overlay(self, *direction, before, after, &mut changes);
        }
        changes
    }

    /// What has to be done for a policy, if anything.
    pub(super) fn plan(
        &mut self,
        object: &ObjectRef,
        written: Option<&NetworkPolicy>,
    ) -> Option<Step> {
        if written.is_none() {
            self.policies.number(object)?;
        }
        let home = self.home(&object.namespace);
        let new = written.map(|policy| self.compile(home, policy));
        let present = new.is_some();
        let new = new.unwrap_or_default();
        let number = match self.policies.number(object) {
            Some(known) => known,
            None => self.policies.insert(object.clone(), Policy::default()),
        };
        let touched = [Direction::Ingress, Direction::Egress]
            .map(|direction| (direction, self.touched(number, &new, direction)));
        Some(Step {
            number,
            home,
            present,
            new,
            touched,
        })
    }

    /// Does it.
    pub(super) fn carry_out(&mut self, object: &ObjectRef, step: Step) {
        let Step {
            number,
            home,
            present,
            new: mut policy,
            touched,
        } = step;
        self.count(number, &policy);
        if let Some(slot) = self.policies.get_mut(number) {
            std::mem::swap(slot, &mut policy);
        }
        for (direction, classes) in &touched {
            self.sign_again(number, *direction, classes);
        }
        self.uncount(number, &policy);
        if let Some(home) = self.namespaces.get_mut(home) {
            if present {
                home.policies.insert(number);
            } else {
                home.policies.remove(number);
            }
        }
        if !present {
            self.policies.remove(object);
        }
    }

    fn compile(&mut self, home: u32, policy: &NetworkPolicy) -> Policy {
        let mut rules = |list: Option<&[palisade_netmodel::Rule]>| {
            Some(list?.iter().map(|rule| self.rule(rule)).collect())
        };
        let (ingress, egress) = (
            rules(policy.ingress.as_deref()),
            rules(policy.egress.as_deref()),
        );
        let classes = self.namespaces.get(home).map(|home| &home.selectable);
        let selected = classes.into_iter().flatten().filter(|class| {
            let pod = self.example(*class);
            pod.is_some_and(|pod| policy.pod_selector.matches(&pod.labels))
        });
        Policy {
            subjects: selected.collect(),
            selector: policy.pod_selector.clone(),
            ingress,
            egress,
        }
    }

    fn rule(&mut self, rule: &palisade_netmodel::Rule) -> Rule {
        Rule {
            list: rule.peers.as_deref().map(|peers| self.list(peers)),
            ports: rule.ports.as_deref().map(|ports| self.port_list(ports)),
        }
    }

    fn port_list(&mut self, written: &[PolicyPort]) -> u32 {
        if let Some(known) = self.ports.number(written) {
            return known;
        }
        let list = PortList {
            ports: Ports::of(written),
            written: written.to_vec(),
            users: 0,
        };
        self.ports.insert(written.to_vec(), list)
    }

    /// The classes about which a policy says something new in a direction.
    fn touched(&self, number: u32, new: &Policy, direction: Direction) -> RoaringBitmap {
        let Some(old) = self.policies.get(number) else {
            return RoaringBitmap::new();
        };
        match (old.rules(direction), new.rules(direction)) {
            (None, None) => RoaringBitmap::new(),
            (old_rules, new_rules) if old_rules == new_rules => &old.subjects ^ &new.subjects,
            (Some(_), None) => old.subjects.clone(),
            (None, Some(_)) => new.subjects.clone(),
            _ => &old.subjects | &new.subjects,
        }
    }

    /// Counts a policy as a user of its lists.
    fn count(&mut self, number: u32, policy: &Policy) {
        for rule in policy.all_rules() {
            if let Some(list) = rule.list.and_then(|id| self.lists.get_mut(id)) {
                list.users.insert(number);
            }
            if let Some(list) = rule.ports.and_then(|id| self.ports.get_mut(id)) {
                list.users += 1;
            }
        }
    }

    /// The reverse, of what a policy was; what nobody uses then is forgotten.
    fn uncount(&mut self, number: u32, old: &Policy) {
        let now = self.policies.get(number);
        let used: Vec<Option<u32>> = now
            .map(|policy| policy.all_rules().map(|rule| rule.list).collect())
            .unwrap_or_default();
        let egress = now.and_then(|policy| policy.rules(Direction::Egress));
        let names = |rule: &Rule| {
            let list = rule.ports.and_then(|id| Lookup::ports(self, id));
            rule.list.is_none() && list.is_some_and(Ports::reads_names)
        };
        if egress.unwrap_or_default().iter().any(names) {
            self.by_name.insert(number);
        } else {
            self.by_name.remove(number);
        }
        for rule in old.all_rules() {
            if let Some(id) = rule.list.filter(|_| !used.contains(&rule.list)) {
                if let Some(list) = self.lists.get_mut(id) {
                    list.users.remove(number);
                }
                self.release(id);
            }
            let Some(id) = rule.ports else {
                continue;
            };
            let Some(list) = self.ports.get_mut(id) else {
                continue;
            };
            list.users -= 1;
            if list.users == 0 {
                let written = list.written.clone();
                self.ports.remove(written.as_slice());
            }
        }
    }

    /// Gives classes the signature that they have now that a policy is another one.
    fn sign_again(&mut self, number: u32, direction: Direction, classes: &RoaringBitmap) {
        for class in classes {
            let policy = self.policies.get(number);
            let isolates = policy.is_some_and(|policy| {
                policy.rules(direction).is_some() && policy.subjects.contains(class)
            });
            let mut policies = self.isolating(direction, class).to_vec();
            match (policies.binary_search(&number), isolates) {
                (Ok(at), false) => {
                    policies.remove(at);
                }
                (Err(at), true) => policies.insert(at, number),
                _ => continue,
            }
            self.sign(class, direction, Some(policies));
        }
    }

    /// Gives a class the signature of some policies.
    pub(super) fn sign(&mut self, class: u32, direction: Direction, policies: Option<Vec<u32>>) {
        let policies = policies.filter(|policies| !policies.is_empty());
        let old = self.node(class).and_then(|node| node.signature(direction));
        let pool = match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        };
        let new = policies.map(|policies| {
            let number = match pool.number(&policies) {
                Some(known) => known,
                None => pool.insert(
                    policies.clone(),
                    Signature {
                        policies,
                        members: RoaringBitmap::new(),
                    },
                ),
            };
            if let Some(signature) = pool.get_mut(number) {
                signature.members.insert(class);
            }
            number
        });
        if let Some(signature) = old.filter(|_| old != new).and_then(|id| pool.get_mut(id)) {
            signature.members.remove(class);
            if signature.members.is_empty() {
                let policies = signature.policies.clone();
                pool.remove(&policies);
            }
        }
        if let Some(node) = self.node_mut(class) {
            match direction {
                Direction::Ingress => node.ingress = new,
                Direction::Egress => node.egress = new,
            }
        }
    }

    /// Finds the policies that select a new class.
    pub(super) fn find_policies(&mut self, id: u32) {
        let selectable = |pod: &&Pod| pod.is_selectable() && !pod.host_group;
        let Some(pod) = self.example(id).filter(selectable) else {
            return;
        };
        let pod = pod.clone();
        let home = self.namespaces.number(pod.namespace.as_str());
        let policies = home.and_then(|home| Some(self.namespaces.get(home)?.policies.clone()));
        let selects = |number: &u32| {
            let policy = self.policies.get(*number);
            policy.is_some_and(|policy| policy.selector.matches(&pod.labels))
        };
        let policies: Vec<u32> = policies.into_iter().flatten().filter(selects).collect();
        for direction in [Direction::Ingress, Direction::Egress] {
            let isolates = |number: &&u32| {
                let policy = self.policies.get(**number);
                policy.is_some_and(|policy| policy.rules(direction).is_some())
            };
            let isolating = policies.iter().filter(isolates).copied().collect();
            self.sign(id, direction, Some(isolating));
        }
        for policy in policies {
            if let Some(policy) = self.policies.get_mut(policy) {
                policy.subjects.insert(id);
            }
        }
    }

    /// Takes a class out of the policies that select it.
    pub(super) fn leave_policies(&mut self, id: u32) {
        let home = self
            .example(id)
            .and_then(|pod| self.namespaces.number(pod.namespace.as_str()));
        let policies = home.and_then(|home| Some(self.namespaces.get(home)?.policies.clone()));
        for policy in policies.into_iter().flatten() {
            if let Some(policy) = self.policies.get_mut(policy) {
                policy.subjects.remove(id);
            }
        }
        self.sign(id, Direction::Ingress, None);
        self.sign(id, Direction::Egress, None);
    }

    fn group_key(&self, direction: Direction, class: u32) -> GroupKey {
        let signature = self.node(class).and_then(|node| node.signature(direction));
        let signature = signature.filter(|_| self.enforced);
        let policies = self.of_signature(direction, signature);
        let mut rules = self.rules_of(direction, policies);
        let named = direction == Direction::Ingress
            && rules.any(|rule| {
                let list = rule.ports.and_then(|id| Lookup::ports(self, id));
                list.is_some_and(Ports::reads_names)
            });
        let names = self.example(class).filter(|_| named);
        let names = names.map(|pod| pod.named_ports.clone());
        (signature, names.unwrap_or_default())
    }

    /// Some classes by their rules.
    fn kinds(&self, direction: Direction, classes: &RoaringBitmap) -> Vec<RoaringBitmap> {
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
    fn groups(
        &mut self,
        direction: Direction,
        kinds: Vec<RoaringBitmap>,
        among: Option<&RoaringBitmap>,
    ) -> Vec<Group> {
        let mut groups = Vec::with_capacity(kinds.len());
        for members in kinds {
            let example = members.min().unwrap_or(MOVED);
            let rows = self.rows(direction, example, among);
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
        let mut table = std::mem::take(&mut self.table);
        let policies = self.isolating(direction, class);
        let found = if policies.is_empty() || !self.enforced {
            vec![Row {
                must: ALL,
                may: ALL,
                peers: among.unwrap_or(&self.alive).clone(),
            }]
        } else {
            let mut rules = Rules::new();
            for rule in self.rules_of(direction, policies) {
                let ports = self.rule_ports(&mut table, direction, rule, class);
                if !rules.contains(&(rule.list, ports)) {
                    rules.push((rule.list, ports));
                }
            }
            let among = among.map_or(Among::All(&self.alive), Among::Some);
            rows(self, &mut table, &rules, among)
        };
        self.table = table;
        found
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
        let subjects = [Direction::Ingress, Direction::Egress]
            .map(|direction| (direction, self.users(direction, &lists)));
        let groups = |live: &mut Self| {
            subjects.each_ref().map(|(direction, subjects)| {
                let kinds = live.kinds(*direction, subjects);
                live.groups(*direction, kinds, Some(&peers))
            })
        };
        let before = groups(self);
        for (list, class, meant) in changed {
            self.mean(*list, *class, *meant);
        }
        let after = groups(self);
        let mut changes = Vec::new();
        for ((direction, _), (before, after)) in subjects.iter().zip(before.iter().zip(&after)) {
            // The policies are the same, so are the groups.
            for pair in before.iter().zip(after) {
                differences(self, (*direction, &peers), pair, &mut changes);
            }
        }
        changes
    }

    /// The classes that policies isolate which use some lists in a direction.
    pub(super) fn users(&self, direction: Direction, lists: &RoaringBitmap) -> RoaringBitmap {
        let lists_of = lists.iter().filter_map(|list| self.lists.get(list));
        let users: RoaringBitmap = lists_of.flat_map(|list| &list.users).collect();
        self.subjects(direction, &users, |rule| {
            rule.list.is_some_and(|list| lists.contains(list))
        })
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
