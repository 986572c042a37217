//! The administrators' policies, evaluated for classes and cells.
//!
//! A tier splits the ports of a pair by what may become of them: accepted, denied, passed on by a rule,
//! or matched by none. Ports with more than one possibility are not decided. Rules refine the split in
//! their order. Classes that the same policies select share a *signature*. Cost: policies and their
//! peers to build, rules of one signature to answer for a pair.

mod compile;
mod nodes;
mod ports;
mod reads;
mod split;

pub(super) use nodes::{is_node, lives_on, node_addresses};
pub(super) use ports::ports_on;
pub(crate) use reads::{nets, pods};
pub(super) use split::{Ports, Split};

use super::endpoints::{EndpointId, Endpoints};
use super::peers::{Directory, Peers};
use super::policies::Passage;
use compile::{Compiler, Rules};
use palisade_netmodel::{
    AdminAction, AdminKind, AdminPolicy, AdminPort, AdminRule, Direction, Pod, PortSet, Protocol,
    Tier, World,
};
use ports::{is_on, ports_of};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// A rule of an administrator's policy by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdminRuleId {
    /// Index in [`World::admin_policies`].
    pub policy: usize,
    /// Index in its rules of the direction.
    pub rule: usize,
}

/// A rule, what it does, and on which ports.
type Acting = (AdminRuleId, AdminAction, PortSet);

/// Policies of one kind and tier: groups of equal priority, lowest number first.
type Ranked = Vec<Vec<usize>>;

/// The policies that select a group of classes, by tier and kind.
#[derive(Debug, Default)]
struct Signature {
    admin: Vec<Ranked>,
    baseline: Vec<Ranked>,
}

/// All policies of administrators that the network plugin enforces.
#[derive(Debug)]
pub(crate) struct Tiers {
    /// Per policy of the world.
    rules: Vec<Rules>,
    /// Every distinct list of peers.
    peers: Vec<Peers>,
    /// The first one selects nobody.
    signatures: Vec<Signature>,
    /// Per class.
    of: Vec<u32>,
}

/// What rules are asked about: a direction, and who is at the other end.
#[derive(Clone, Copy)]
struct Question<'w> {
    world: &'w World,
    direction: Direction,
    peer: EndpointId,
}

impl Tiers {
    pub(crate) fn new<'w>(
        world: &'w World,
        endpoints: &'w Endpoints,
        directory: &mut Directory<'w>,
    ) -> Self {
        let mut compiler = Compiler {
            world,
            endpoints,
            directory,
            peers: Vec::new(),
            numbers: FxHashMap::default(),
        };
        let mut selecting = vec![Vec::new(); endpoints.classes() as usize];
        let mut rules = Vec::with_capacity(world.admin_policies.len());
        for (index, policy) in world.admin_policies.iter().enumerate() {
            let enforced = world.profile.enforces(policy.kind);
            rules.push(if enforced {
                compiler.rules(policy)
            } else {
                Rules::default()
            });
            if enforced {
                for class in compiler.directory.namespaced(&policy.subject) {
                    if let Some(list) = selecting.get_mut(class as usize) {
                        list.push(index);
                    }
                }
            }
        }
        let peers = compiler.peers;
        let (signatures, of) = signatures(world, selecting);
        Self {
            rules,
            peers,
            signatures,
            of,
        }
    }

    /// The policies that speak of an endpoint, if there are any.
    fn signature(&self, subject: EndpointId) -> Option<&Signature> {
        let id = self.of.get(subject.index()).filter(|id| **id != 0)?;
        self.signatures.get(*id as usize)
    }

    /// What one end lets pass: the tiers around what its NetworkPolicies say, if any isolates it.
    pub(crate) fn passage(
        &self,
        world: &World,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
        isolated: Option<Passage>,
    ) -> Passage {
        let Some(signature) = self.signature(subject) else {
            return isolated.unwrap_or_else(Passage::everything);
        };
        let question = Question {
            world,
            direction,
            peer,
        };
        let on = |rule: &AdminRule| ports_of(rule, destination);
        let next = isolated.map(|passage| (passage.must, passage.may));
        let (must, may) = self.judge(question, signature, &on, next);
        Passage { must, may }
    }

    /// Whether a policy selects an endpoint.
    pub(crate) fn selects(&self, subject: EndpointId) -> bool {
        self.signature_of(subject) != 0
    }

    /// The signature of an endpoint; 0 if no policy selects it.
    pub(crate) fn signature_of(&self, subject: EndpointId) -> u32 {
        self.of.get(subject.index()).copied().unwrap_or_default()
    }

    /// Every distinct list of peers that rules of an endpoint's policies ask about.
    pub(crate) fn peers_of(&self, direction: Direction, subject: EndpointId) -> Vec<&Peers> {
        let rules = self.policies_of(subject).filter_map(|policy| {
            let rules = self.rules.get(policy)?;
            Some(match direction {
                Direction::Ingress => &rules.ingress,
                Direction::Egress => &rules.egress,
            })
        });
        let numbers: BTreeSet<u32> = rules.flatten().map(|rule| rule.peers).collect();
        let peers = numbers.into_iter().map(|n| self.peers.get(n as usize));
        peers.flatten().collect()
    }

    /// Whether a rule of an endpoint's policies names a port.
    pub(crate) fn reads_names(
        &self,
        world: &World,
        direction: Direction,
        subject: EndpointId,
    ) -> bool {
        self.policies_of(subject).any(|policy| {
            let policy = world.admin_policies.get(policy);
            let rules = policy.map_or(&[][..], |p| p.rules(direction));
            let mut ports = rules.iter().flat_map(|r| r.ports.iter().flatten());
            ports.any(|port| matches!(port, AdminPort::Named(_)))
        })
    }

    /// The policies that select an endpoint.
    pub(crate) fn policies_of(&self, subject: EndpointId) -> impl Iterator<Item = usize> {
        let signature = self.signature(subject);
        let tiers = signature
            .into_iter()
            .flat_map(|s| s.admin.iter().chain(&s.baseline));
        tiers.flatten().flatten().copied()
    }

    /// Whether one port passes: certainly, perhaps (`None`), or not.
    pub(crate) fn admits(
        &self,
        world: &World,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        (destination, port): (Option<&Pod>, (Protocol, u16)),
        isolated: Option<Option<bool>>,
    ) -> Option<bool> {
        let Some(signature) = self.signature(subject) else {
            return isolated.unwrap_or(Some(true));
        };
        let question = Question {
            world,
            direction,
            peer,
        };
        let on = |rule: &AdminRule| is_on(rule, destination, port);
        let next = isolated.map(|admits| (admits == Some(true), admits != Some(false)));
        match self.judge(question, signature, &on, next) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        }
    }

    /// Admin, then NetworkPolicy if one isolates, else Baseline, then the default.
    fn judge<P: Ports>(
        &self,
        question: Question<'_>,
        signature: &Signature,
        on: &impl Fn(&AdminRule) -> P,
        isolated: Option<(P, P)>,
    ) -> (P, P) {
        let (must, may) = isolated.unwrap_or_else(|| {
            let baseline = self.split(question, &signature.baseline, on);
            baseline.before((&P::all(), &P::all()))
        });
        let admin = self.split(question, &signature.admin, on);
        admin.before((&must, &may))
    }

    fn split<P: Ports>(
        &self,
        question: Question<'_>,
        kinds: &[Ranked],
        on: &impl Fn(&AdminRule) -> P,
    ) -> Split<P> {
        let mut all = Split::untouched();
        for kind in kinds {
            let mut of_kind = Split::untouched();
            for equal in kind {
                let mut group = Split::untouched();
                for &policy in equal {
                    let mut split = Split::untouched();
                    for (_, action, rule, certain) in self.matching(question, policy) {
                        split.act(action, &on(rule), certain);
                    }
                    group.beside(&split);
                }
                of_kind.then(&group);
            }
            all.beside(&of_kind);
        }
        all
    }

    /// The rules of a policy that match the peer, or may, in order, with what they do.
    fn matching<'w>(
        &self,
        question: Question<'w>,
        policy: usize,
    ) -> impl Iterator<Item = (AdminRuleId, AdminAction, &'w AdminRule, bool)> {
        let direction = question.direction;
        let compiled = self
            .rules
            .get(policy)
            .map_or(&[][..], |rules| match direction {
                Direction::Ingress => &rules.ingress,
                Direction::Egress => &rules.egress,
            });
        let written = question.world.admin_policies.get(policy);
        let written = written.map_or(&[][..], |policy| policy.rules(direction));
        let rules = compiled.iter().zip(written).enumerate();
        rules.filter_map(move |(index, (compiled, rule))| {
            let peers = self.peers.get(compiled.peers as usize)?;
            let certain = peers.yes.contains(question.peer.0);
            let id = AdminRuleId {
                policy,
                rule: index,
            };
            (certain || peers.perhaps.contains(question.peer.0)).then_some((
                id,
                compiled.action,
                rule,
                certain,
            ))
        })
    }

    /// Ports about which rules of policies that nothing ranks disagree, where both match for certain.
    /// `budget` is the number of pairs of rules that may still be compared.
    pub(crate) fn disagreements(
        &self,
        world: &World,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
        budget: &mut usize,
    ) -> Vec<(AdminRuleId, AdminRuleId, PortSet)> {
        let question = Question {
            world,
            direction,
            peer,
        };
        let policies: BTreeSet<usize> = self.policies_of(subject).collect();
        let acting = policies.iter().filter_map(|policy| {
            let written = world.admin_policies.get(*policy)?;
            Some((written, self.acting(question, *policy, destination)?))
        });
        let acting: Vec<(&AdminPolicy, Vec<Acting>)> = acting.collect();
        let mut out = Vec::new();
        for (at, (a, first)) in acting.iter().enumerate() {
            for (b, second) in acting.iter().skip(at + 1) {
                let ranked = a.tier != b.tier || (a.kind == b.kind && a.priority != b.priority);
                let pairs = first.len() * second.len();
                if ranked || *budget < pairs {
                    *budget = if ranked { *budget } else { 0 };
                    continue;
                }
                *budget -= pairs;
                for (one, what, ports) in first {
                    for (other, otherwise, more) in second {
                        let both = ports.intersection(more);
                        if what != otherwise && !both.is_empty() {
                            out.push((*one, *other, both));
                        }
                    }
                }
            }
        }
        out
    }

    /// The rules of a policy with the ports that those before them leave; `None` if a rule only may
    /// match.
    fn acting(
        &self,
        question: Question<'_>,
        policy: usize,
        destination: Option<&Pod>,
    ) -> Option<Vec<Acting>> {
        let mut open = PortSet::all();
        let mut out = Vec::new();
        for (id, action, rule, certain) in self.matching(question, policy) {
            let ports = ports_of(rule, destination).intersection(&open);
            open = open.difference(&ports);
            out.push((id, action, ports));
            if !certain {
                return None;
            }
        }
        Some(out)
    }

    /// The rules of a tier that accept ports, certain ones before possible ones, with the ports that
    /// the rules before them in their policy leave to them.
    pub(crate) fn accepting(
        &self,
        world: &World,
        tier: Tier,
        direction: Direction,
        (subject, peer): (EndpointId, EndpointId),
        destination: Option<&Pod>,
    ) -> Vec<(AdminRuleId, PortSet)> {
        let Some(signature) = self.signature(subject) else {
            return Vec::new();
        };
        let kinds = match tier {
            Tier::Admin => &signature.admin,
            Tier::Baseline => &signature.baseline,
        };
        let question = Question {
            world,
            direction,
            peer,
        };
        let on = |rule: &AdminRule| ports_of(rule, destination);
        let accepted = self.split(question, kinds, &on).accept;
        let mut found: Vec<(bool, AdminRuleId, PortSet)> = Vec::new();
        for &policy in kinds.iter().flatten().flatten() {
            let mut open = accepted.clone();
            for (id, action, rule, certain) in self.matching(question, policy) {
                let ports = ports_of(rule, destination).intersection(&open);
                if certain {
                    open = open.difference(&ports);
                }
                if action == AdminAction::Accept && !ports.is_empty() {
                    found.push((certain, id, ports));
                }
            }
        }
        found.sort_by_key(|(certain, _, _)| !certain);
        found
            .into_iter()
            .map(|(_, id, ports)| (id, ports))
            .collect()
    }
}

/// Gives classes that the same policies select one signature.
fn signatures(world: &World, selecting: Vec<Vec<usize>>) -> (Vec<Signature>, Vec<u32>) {
    let mut all = vec![Signature::default()];
    let mut seen: FxHashMap<Vec<usize>, u32> = FxHashMap::default();
    seen.insert(Vec::new(), 0);
    let of = selecting.into_iter().map(|policies| {
        if let Some(known) = seen.get(&policies) {
            return *known;
        }
        let id = u32::try_from(all.len()).unwrap_or(u32::MAX);
        all.push(Signature {
            admin: ranked(world, &policies, Tier::Admin),
            baseline: ranked(world, &policies, Tier::Baseline),
        });
        seen.insert(policies, id);
        id
    });
    let of = of.collect();
    (all, of)
}

/// Per kind with policies in the tier: groups of equal priority.
fn ranked(world: &World, policies: &[usize], tier: Tier) -> Vec<Ranked> {
    let mut kinds: BTreeMap<AdminKind, BTreeMap<u16, Vec<usize>>> = BTreeMap::new();
    for &index in policies {
        let policy = world.admin_policies.get(index);
        if let Some(policy) = policy.filter(|policy| policy.tier == tier) {
            let priorities = kinds.entry(policy.kind).or_default();
            priorities.entry(policy.priority).or_default().push(index);
        }
    }
    let ranked = kinds.into_values();
    ranked
        .map(|groups| groups.into_values().collect())
        .collect()
}
