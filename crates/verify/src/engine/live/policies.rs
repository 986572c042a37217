//! Policies as numbers of lists, and the classes that the same policies isolate.

use super::super::policies::Ports;
use super::super::rows::Lookup;
use super::Live;
use super::effect::{HalfChange, overlay};
use palisade_netmodel::{Direction, NetworkPolicy, ObjectRef, Pod, PolicyPort, Selector};
use roaring::RoaringBitmap;

/// The number of a set of policies in its direction.
pub(super) type SignatureId = u32;

/// A policy.
#[derive(Debug, Default)]
pub(super) struct Policy {
    selector: Selector,
    /// The classes that it selects.
    pub(super) subjects: RoaringBitmap,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
}

/// A rule: the numbers of its lists; `None` is everybody, and all ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) list: Option<u32>,
    pub(super) ports: Option<u32>,
}

impl Policy {
    pub(super) fn rules(&self, direction: Direction) -> Option<&[Rule]> {
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
    pub(super) ports: Ports,
    written: Vec<PolicyPort>,
    /// How many rules use it.
    users: u32,
}

/// Classes that the same policies isolate in a direction.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) policies: Vec<u32>,
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

impl Live {
    pub(super) fn signatures(&self, direction: Direction) -> &super::Pool<Vec<u32>, Signature> {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
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
            let about = (*direction, &self.alive);
            overlay(self, about, before, after, &mut changes);
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
}
