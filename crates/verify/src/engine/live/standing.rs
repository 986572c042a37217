//! Whether the connections of a cluster are those that an intent declares, kept current while objects change.
//!
//! A list of peers of the intent is a list like those of policies, so [`Live`] keeps it current. For each class
//! and direction two sets of peers are remembered: those for whom its policies let *more* pass than is
//! granted, where a claim says that nothing else passes, and those for whom they let *less* pass than a grant
//! needs. As a rule both are empty. An edit changes
//!
//! * the peers of which its [`Effect`] tells, for the classes whose policies changed;
//! * everything about the classes that are new, as an end of either kind.
//!
//! The sets are what is suspect; what is said of a pair is worked out when it is asked for, since the policies
//! of the other end may refuse what one end lets pass. Cost of an edit: what [`Live`] looks at, and the
//! grants of the classes that changed; of a question: the suspect pairs, up to the first that counts.
//!
//! It is about connections by NetworkPolicies alone. What else a proof looks at (the mesh, policies of
//! administrators, encryption, identities, parties that are wider than what is meant) takes
//! [`crate::prove`]; [`Standing::new`] says no where it matters.

use super::{Edit, Effect, Live, MOVED};
use crate::engine::{EndpointId, Passage, ports_on};
use palisade_diagnostics::Verdict;
use palisade_netmodel::{
    Direction, Fidelity, Grant, Intent, NamespaceMatch, Party, Peer, Peers, Pod, PolicyPort,
    PortSet, Proxy, Requirement, World,
};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// A cluster and what is declared of it.
#[derive(Debug)]
pub struct Standing {
    live: Live,
    grants: Vec<Declaration>,
    from: Mentions,
    to: Mentions,
    /// Lists of blocks: a block of the matrix never means a pod with an address of its own.
    blocks: RoaringBitmap,
    /// Pods on the host network belong to lists by their labels, too: the matrix speaks of components.
    hosts: FxHashMap<u32, RoaringBitmap>,
    host_members: FxHashMap<u32, RoaringBitmap>,
    ingress: Side,
    egress: Side,
}

/// The lists of a party; `None` is everybody.
type Lists = Option<Vec<u32>>;

/// A grant.
#[derive(Debug)]
struct Declaration {
    from: Lists,
    to: Lists,
    ports: Option<Vec<PolicyPort>>,
    /// Without ports by name.
    numeric: PortSet,
    /// With every port that a name can mean.
    widest: PortSet,
    named: bool,
    /// Whether it answers for the destination's half and for the source's.
    ingress: bool,
    egress: bool,
}

/// Grants by a list that is one of their sides.
#[derive(Debug, Default)]
struct Mentions {
    by_list: FxHashMap<u32, RoaringBitmap>,
    everybody: RoaringBitmap,
}

/// The ports that grants allow between two ends.
#[derive(Debug, Default)]
struct Granted {
    all: PortSet,
    /// Of grants that answer for the half in question.
    answered: PortSet,
}

/// What is suspect in one direction: peers by subject.
#[derive(Debug, Default)]
struct Side {
    /// Lists of the pods that are claimed.
    claims: RoaringBitmap,
    more: BTreeMap<u32, RoaringBitmap>,
    less: BTreeMap<u32, RoaringBitmap>,
    /// Claimed classes that let something pass for peers that no list means.
    broad: RoaringBitmap,
}

/// A difference between what passes and what is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Who connects.
    pub source: EndpointId,
    /// To whom.
    pub destination: EndpointId,
    /// On which ports.
    pub ports: PortSet,
    /// Whether it is so for certain, or depends on an address that is not known.
    pub certain: bool,
    /// The end whose policies are the reason if a declared connection does not pass; `None`: a connection
    /// passes that is not declared.
    pub blocked: Option<Direction>,
}

impl Side {
    fn forget(&mut self, id: u32) {
        for set in [&mut self.more, &mut self.less] {
            set.remove(&id);
            set.retain(|_, peers| {
                peers.remove(id);
                !peers.is_empty()
            });
        }
        self.broad.remove(id);
    }
}

impl Mentions {
    fn add(&mut self, lists: &Lists, grant: u32) {
        let Some(lists) = lists else {
            self.everybody.insert(grant);
            return;
        };
        for list in lists {
            self.by_list.entry(*list).or_default().insert(grant);
        }
    }

    fn of(&self, lists: &RoaringBitmap) -> RoaringBitmap {
        let mut grants = self.everybody.clone();
        for list in lists {
            if let Some(here) = self.by_list.get(&list) {
                grants |= here;
            }
        }
        grants
    }
}

impl Standing {
    /// A cluster and an intent; `None` if something that only a whole proof judges has a part in the answer.
    #[must_use]
    pub fn new(intent: &Intent, world: &World) -> Option<Self> {
        let exact = |party: &Party| party.fidelity == Fidelity::Exact;
        let plain = |grant: &Grant| {
            grant.encryption == Requirement::None && exact(&grant.from) && exact(&grant.to)
        };
        let bare = |pod: &Pod| matches!(pod.proxy, Proxy::None { .. });
        let fits = world.admin_policies.is_empty()
            && world.pods.iter().all(bare)
            && intent.grants.iter().all(plain);
        if !fits {
            return None;
        }
        let mut standing = Self {
            live: Live::new(world),
            grants: Vec::with_capacity(intent.grants.len()),
            from: Mentions::default(),
            to: Mentions::default(),
            blocks: RoaringBitmap::new(),
            hosts: FxHashMap::default(),
            host_members: FxHashMap::default(),
            ingress: Side::default(),
            egress: Side::default(),
        };
        standing.declare(intent);
        for id in standing.live.alive.clone() {
            standing.enter_host(id);
        }
        for id in standing.live.alive.clone() {
            standing.judge_subject(id);
        }
        standing.live.touched = Some(Vec::new());
        Some(standing)
    }

    fn declare(&mut self, intent: &Intent) {
        let own = |party: &Party| {
            party.component.is_some() || intent.zones.iter().any(|zone| zone.name == party.name)
        };
        for grant in &intent.grants {
            let number = u32::try_from(self.grants.len()).unwrap_or(u32::MAX);
            let (from, to) = (self.party(&grant.from), self.party(&grant.to));
            self.from.add(&from, number);
            self.to.add(&to, number);
            let names = |port: &PolicyPort| matches!(port, PolicyPort::Named { .. });
            self.grants.push(Declaration {
                from,
                to,
                ports: grant.ports.clone(),
                numeric: grant.numeric_ports(),
                widest: widest(grant),
                named: grant.ports.iter().flatten().any(names),
                ingress: grant.ingress && own(&grant.to),
                egress: grant.egress && own(&grant.from),
            });
        }
        for claim in &intent.claims {
            let pods = Peer::Pods {
                namespaces: claim.namespaces.clone(),
                pods: claim.pods.clone(),
            };
            let list = self.live.pin(&[pods]);
            self.side_mut(claim.direction).claims.insert(list);
        }
    }

    fn party(&mut self, party: &Party) -> Lists {
        let Peers::List(peers) = &party.peers else {
            return None;
        };
        let block = |peer: &Peer| matches!(peer, Peer::Block { .. });
        let (blocks, pods): (Vec<Peer>, Vec<Peer>) = peers.iter().cloned().partition(block);
        let mut lists = Vec::new();
        if !pods.is_empty() {
            lists.push(self.live.pin(&pods));
        }
        if !blocks.is_empty() {
            let list = self.live.pin(&blocks);
            self.blocks.insert(list);
            lists.push(list);
        }
        Some(lists)
    }

    /// Makes one edit, and brings the differences up to date.
    pub fn apply(&mut self, edit: Edit) -> Effect {
        let (policies_of, namespace) = match &edit {
            Edit::SetPolicy(policy) => (Some(policy.object.namespace.clone()), None),
            Edit::RemovePolicy(object) => (Some(object.namespace.clone()), None),
            Edit::SetNamespace { name, .. } | Edit::RemoveNamespace(name) => {
                (None, Some(name.clone()))
            }
            Edit::SetPod(_) | Edit::RemovePod(_) => (None, None),
        };
        let effect = self.live.apply(edit);
        let touched = self.live.touched.as_mut().map(std::mem::take);
        let mut touched: BTreeSet<u32> = touched.into_iter().flatten().collect();
        if let Some(name) = namespace {
            touched.extend(&self.live.residents(&name));
        }
        self.enter(&touched);
        for change in &effect.halves {
            let (direction, peers) = (change.direction, &change.peers);
            for subject in &change.subjects {
                if subject != MOVED && !touched.contains(&subject) && !peers.contains(MOVED) {
                    let after = self.live.carry(change.after.clone());
                    self.judge(direction, subject, peers, &after);
                }
            }
        }
        if let Some(name) = policies_of {
            for id in &self.live.residents(&name) {
                self.find_breadth(id);
            }
        }
        effect
    }

    /// Judges classes and cells that are new, gone, or another party's now.
    fn enter(&mut self, touched: &BTreeSet<u32>) {
        for id in touched {
            self.ingress.forget(*id);
            self.egress.forget(*id);
            for list in self.hosts.remove(id).unwrap_or_default() {
                if let Some(members) = self.host_members.get_mut(&list) {
                    members.remove(*id);
                }
            }
        }
        let here = |id: &&u32| self.live.alive.contains(**id);
        let here: Vec<u32> = touched.iter().filter(here).copied().collect();
        for id in &here {
            self.enter_host(*id);
        }
        for id in &here {
            self.judge_subject(*id);
        }
        for id in &here {
            self.judge_peer(*id);
        }
    }

    /// Finds the lists to which a class on the host network belongs by its labels.
    fn enter_host(&mut self, id: u32) {
        let Some(pod) = self
            .live
            .example(id)
            .filter(|p| p.host_network && !p.host_group)
        else {
            return;
        };
        let lists: RoaringBitmap = (self.live.pinned())
            .filter(|(_, peers)| peers.iter().any(|peer| self.live.is_labelled(pod, peer)))
            .map(|(list, _)| list)
            .collect();
        for list in &lists {
            self.host_members.entry(list).or_default().insert(id);
        }
        self.hosts.insert(id, lists);
    }

    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Ingress => &mut self.ingress,
            Direction::Egress => &mut self.egress,
        }
    }

    fn lists_of(&self, id: u32) -> RoaringBitmap {
        let node = self.live.node(id);
        let mut lists = node.map(|n| n.yes.clone()).unwrap_or_default();
        if self.live.ip_block_matches_pods && self.is_addressed(id) {
            lists -= &self.blocks;
        }
        if let Some(more) = self.hosts.get(&id) {
            lists |= more;
        }
        lists
    }

    /// Whether these are pods with addresses of their own.
    fn is_addressed(&self, id: u32) -> bool {
        let pod = self.live.example(id);
        pod.is_some_and(|pod| !pod.host_network && !pod.host_group)
    }

    fn members(&self, lists: &Lists) -> RoaringBitmap {
        let Some(lists) = lists else {
            return self.live.alive.clone();
        };
        let mut all = RoaringBitmap::new();
        for list in lists {
            if let Some(members) = self.live.members_of(*list) {
                if self.live.ip_block_matches_pods && self.blocks.contains(*list) {
                    all.extend(members.iter().filter(|id| !self.is_addressed(*id)));
                } else {
                    all |= members;
                }
            }
            if let Some(more) = self.host_members.get(list) {
                all |= more;
            }
        }
        all
    }

    fn is_claimed(&self, direction: Direction, id: u32) -> bool {
        let claims = &self.side(direction).claims;
        let selectable =
            (self.live.example(id)).is_some_and(|pod| pod.is_selectable() && !pod.host_group);
        let node = self.live.node(id).filter(|_| selectable);
        node.is_some_and(|node| !node.yes.is_disjoint(claims))
    }

    /// The ports of a grant on a destination.
    fn ports(&self, grant: &Declaration, destination: u32) -> PortSet {
        if grant.named {
            ports_on(grant.ports.as_deref(), self.live.example(destination))
        } else {
            grant.numeric.clone()
        }
    }

    fn granted(&self, source: u32, destination: u32) -> PortSet {
        let mut grants = self.from.of(&self.lists_of(source));
        grants &= self.to.of(&self.lists_of(destination));
        let grants = grants.iter().filter_map(|g| self.grants.get(g as usize));
        grants.fold(PortSet::empty(), |set, grant| {
            set.union(&self.ports(grant, destination))
        })
    }

    /// Judges everything that the policies of a class say.
    fn judge_subject(&mut self, id: u32) {
        if self.live.example(id).is_none() {
            return;
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            let rows = self.live.rows(direction, id, None);
            let mut rest = self.live.alive.clone();
            for row in &rows {
                rest -= &row.peers;
                let passage = Passage {
                    must: self.live.table.set(row.must),
                    may: self.live.table.set(row.may),
                };
                let passage = self.live.carry(passage);
                self.judge(direction, id, &row.peers, &passage);
            }
            self.judge(direction, id, &rest, &Passage::nothing());
        }
        self.find_breadth(id);
    }

    fn find_breadth(&mut self, id: u32) {
        for direction in [Direction::Ingress, Direction::Egress] {
            let broad = self.is_claimed(direction, id) && self.live.is_broad(direction, id);
            let side = self.side_mut(direction);
            if broad {
                side.broad.insert(id);
            } else {
                side.broad.remove(id);
            }
        }
    }

    /// Judges what the policies of a class let pass for some peers.
    fn judge(&mut self, direction: Direction, subject: u32, peers: &RoaringBitmap, now: &Passage) {
        let lists = self.lists_of(subject);
        let (mut grants, answers): (Vec<u32>, fn(&Declaration) -> bool) = match direction {
            Direction::Ingress => (self.to.of(&lists).iter().collect(), |g| g.ingress),
            Direction::Egress => (self.from.of(&lists).iter().collect(), |g| g.egress),
        };
        let answering = |grant: &u32| self.grants.get(*grant as usize).is_some_and(answers);
        // Those that answer here are the likely reason why something passes.
        grants.sort_by_key(|grant| !answering(grant));
        let more = self.beyond(direction, subject, (peers, now), &grants);
        let mut less = RoaringBitmap::new();
        for grant in grants.iter().take_while(|g| answering(g)) {
            if let Some(grant) = self.grants.get(*grant as usize) {
                less |= self.short_of(direction, subject, (peers, now), grant);
            }
        }
        let side = self.side_mut(direction);
        for (set, found) in [(&mut side.more, more), (&mut side.less, less)] {
            let known = set.entry(subject).or_default();
            *known -= peers;
            *known |= found;
            if known.is_empty() {
                set.remove(&subject);
            }
        }
    }

    /// The peers for whom more passes than is granted.
    fn beyond(
        &self,
        direction: Direction,
        subject: u32,
        (peers, now): (&RoaringBitmap, &Passage),
        grants: &[u32],
    ) -> RoaringBitmap {
        let mut rest = peers.clone();
        if now.may.is_empty() || !self.is_claimed(direction, subject) {
            return RoaringBitmap::new();
        }
        let mut together = PortSet::empty();
        for grant in grants.iter().filter_map(|g| self.grants.get(*g as usize)) {
            let (list, ports) = match direction {
                Direction::Ingress => (&grant.from, self.ports(grant, subject)),
                Direction::Egress => (&grant.to, grant.numeric.clone()),
            };
            if now.may.difference(&ports).is_empty() {
                rest -= self.members(list);
            }
            if rest.is_empty() {
                return rest;
            }
            together = together.union(match direction {
                Direction::Ingress => &ports,
                Direction::Egress => &grant.widest,
            });
        }
        // Nothing grants all of it. Unless all grants together do, nobody is left out.
        if !now.may.difference(&together).is_empty() {
            return rest;
        }
        let open = |peer: &u32| {
            let granted = match direction {
                Direction::Ingress => self.granted(*peer, subject),
                Direction::Egress => self.granted(subject, *peer),
            };
            !now.may.difference(&granted).is_empty()
        };
        rest.iter().filter(open).collect()
    }

    /// The peers for whom less passes than a grant needs.
    fn short_of(
        &self,
        direction: Direction,
        subject: u32,
        (peers, now): (&RoaringBitmap, &Passage),
        grant: &Declaration,
    ) -> RoaringBitmap {
        let lacks = |destination: u32| {
            let wanted = self.ports(grant, destination);
            !wanted.difference(&now.must).is_empty()
        };
        match direction {
            Direction::Ingress if lacks(subject) => peers & self.members(&grant.from),
            Direction::Egress if grant.named => {
                let peers = peers & self.members(&grant.to);
                peers.iter().filter(|peer| lacks(*peer)).collect()
            }
            Direction::Egress if !grant.numeric.difference(&now.must).is_empty() => {
                peers & self.members(&grant.to)
            }
            _ => RoaringBitmap::new(),
        }
    }

    /// Judges what others let pass for a class or cell. Cost: those who may, and the other ends of its grants.
    fn judge_peer(&mut self, peer: u32) {
        for direction in [Direction::Ingress, Direction::Egress] {
            let granted = self.granted_to(direction, peer);
            let mut subjects: RoaringBitmap = granted.keys().copied().collect();
            subjects |= &self.side(direction).broad;
            if let Some(node) = self.live.node(peer) {
                subjects |= self.live.users(direction, &(&node.yes | &node.perhaps));
            }
            let nothing = Granted::default();
            for subject in subjects {
                if self.live.example(subject).is_none() {
                    continue;
                }
                let half = self.live.half(direction, subject, peer);
                let now = self.live.carry(half);
                let granted = granted.get(&subject).unwrap_or(&nothing);
                let less = !granted.answered.difference(&now.must).is_empty();
                let more = !now.may.difference(&granted.all).is_empty()
                    && self.is_claimed(direction, subject);
                let side = self.side_mut(direction);
                for (set, found) in [(&mut side.more, more), (&mut side.less, less)] {
                    if found {
                        set.entry(subject).or_default().insert(peer);
                    }
                }
            }
        }
    }

    /// What is granted between the ends that judge a peer and the peer.
    fn granted_to(&self, direction: Direction, peer: u32) -> FxHashMap<u32, Granted> {
        let lists = self.lists_of(peer);
        let grants = match direction {
            Direction::Ingress => self.from.of(&lists),
            Direction::Egress => self.to.of(&lists),
        };
        let mut granted: FxHashMap<u32, Granted> = FxHashMap::default();
        for grant in grants.iter().filter_map(|g| self.grants.get(g as usize)) {
            let (subjects, answers) = match direction {
                Direction::Ingress => (self.members(&grant.to), grant.ingress),
                Direction::Egress => (self.members(&grant.from), grant.egress),
            };
            for subject in subjects {
                let destination = match direction {
                    Direction::Ingress => subject,
                    Direction::Egress => peer,
                };
                let ports = self.ports(grant, destination);
                let known = granted.entry(subject).or_default();
                known.all = known.all.union(&ports);
                if answers {
                    known.answered = known.answered.union(&ports);
                }
            }
        }
        granted
    }

    /// Whether connections are as declared. Cost: the suspect pairs, up to the first that is a difference
    /// for certain.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let mut verdict = Verdict::Holds;
        for flaw in self.flaws() {
            if flaw.certain {
                return Verdict::Fails;
            }
            verdict = Verdict::Unknown;
        }
        verdict
    }

    /// Every difference, in no particular order.
    pub fn flaws(&self) -> impl Iterator<Item = Flaw> {
        let sides = [Direction::Ingress, Direction::Egress];
        let pairs = sides.into_iter().flat_map(move |direction| {
            let side = self.side(direction);
            let sets = [(false, &side.more), (true, &side.less)];
            sets.into_iter().flat_map(move |(less, set)| {
                let pairs = set.iter();
                let pairs = pairs.flat_map(|(s, peers)| peers.iter().map(move |peer| (*s, peer)));
                pairs.map(move |(subject, peer)| match direction {
                    Direction::Ingress => (less, direction, (peer, subject)),
                    Direction::Egress => (less, direction, (subject, peer)),
                })
            })
        });
        pairs
            .filter(|(_, _, ends)| self.live.is_pair(*ends))
            .flat_map(|(less, direction, ends)| {
                if less {
                    self.blocked(direction, ends)
                } else {
                    self.undeclared(ends)
                }
            })
    }

    /// What passes between two ends and is not granted.
    fn undeclared(&self, (source, destination): (u32, u32)) -> Vec<Flaw> {
        let passage = (self.live).passage(EndpointId(source), EndpointId(destination));
        if passage.may.is_empty() {
            return Vec::new();
        }
        let granted = self.granted(source, destination);
        let certain = passage.must.difference(&granted);
        let perhaps = passage.may.difference(&granted).difference(&certain);
        flaws((source, destination), None, certain, perhaps)
    }

    /// What is granted between two ends, and does not pass by the policies of one.
    fn blocked(&self, direction: Direction, (source, destination): (u32, u32)) -> Vec<Flaw> {
        let group = self.live.example(source).is_some_and(|pod| pod.host_group);
        if group {
            return Vec::new();
        }
        let (subject, peer) = match direction {
            Direction::Ingress => (destination, source),
            Direction::Egress => (source, destination),
        };
        let half = self.live.carry(self.live.half(direction, subject, peer));
        let mut grants = self.from.of(&self.lists_of(source));
        grants &= self.to.of(&self.lists_of(destination));
        let wanted = grants.iter().filter_map(|g| self.grants.get(g as usize));
        let wanted = wanted.filter(|grant| match direction {
            Direction::Ingress => grant.ingress,
            Direction::Egress => grant.egress,
        });
        let wanted = wanted.fold(PortSet::empty(), |set, grant| {
            set.union(&self.ports(grant, destination))
        });
        let refused = wanted.difference(&half.may);
        let unsure = wanted.intersection(&half.may).difference(&half.must);
        flaws((source, destination), Some(direction), refused, unsure)
    }

    /// What policies let pass, and who the ends are.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }
}

/// The ports of a grant, and for a name all of its protocol.
fn widest(grant: &Grant) -> PortSet {
    let numeric = grant.numeric_ports();
    let ports = grant.ports.iter().flatten();
    ports.fold(numeric, |set, port| match port {
        PolicyPort::Named { protocol, .. } => set.union(&PortSet::protocol(*protocol)),
        PolicyPort::Range { .. } => set,
    })
}

fn flaws(
    (source, destination): (u32, u32),
    blocked: Option<Direction>,
    certain: PortSet,
    perhaps: PortSet,
) -> Vec<Flaw> {
    let flaw = |ports: PortSet, certain| {
        (!ports.is_empty()).then_some(Flaw {
            source: EndpointId(source),
            destination: EndpointId(destination),
            ports,
            certain,
            blocked,
        })
    };
    let both = [flaw(certain, true), flaw(perhaps, false)];
    both.into_iter().flatten().collect()
}

/// What [`Standing`] needs of a [`Live`].
impl Live {
    /// A list that is kept although no policy uses it, with the blocks and labels that it reads.
    fn pin(&mut self, peers: &[Peer]) -> u32 {
        self.read_peers(peers.iter());
        let number = self.list(peers);
        if let Some(list) = self.lists.get_mut(number) {
            list.users.insert(PINNED);
        }
        number
    }

    fn pinned(&self) -> impl Iterator<Item = (u32, &[Peer])> {
        let lists = self.lists.iter();
        let pinned = lists.filter(|(_, list)| list.users.contains(PINNED));
        pinned.map(|(number, list)| (number, list.wanted()))
    }

    fn members_of(&self, list: u32) -> Option<&RoaringBitmap> {
        self.lists.get(list).map(|list| &list.peers.yes)
    }

    /// Whether a peer means pods with the labels of this one, wherever they run.
    fn is_labelled(&self, pod: &Pod, peer: &Peer) -> bool {
        let Peer::Pods { namespaces, pods } = peer else {
            return false;
        };
        let here = match namespaces {
            NamespaceMatch::Named(name) => *name == pod.namespace,
            NamespaceMatch::Selector(selector) => {
                let home = self.namespaces.number(pod.namespace.as_str());
                let home = home.and_then(|home| self.namespaces.get(home));
                home.is_some_and(|home| selector.matches(&home.labels))
            }
        };
        here && pods.matches(&pod.labels)
    }

    /// Classes of the pods of a namespace.
    fn residents(&self, name: &str) -> RoaringBitmap {
        let home = self.namespaces.number(name);
        let home = home.and_then(|home| self.namespaces.get(home));
        let mut all = home.map(|h| &h.selectable | &h.groups).unwrap_or_default();
        all |= &self.hosts;
        all &= &self.alive;
        all
    }

    /// Whether two numbers are a pair of different ends, at least one of them a pod.
    fn is_pair(&self, (source, destination): (u32, u32)) -> bool {
        let cell = |id| self.node(id).is_some_and(|node| node.first().is_some());
        let there = |id| self.alive.contains(id);
        there(source)
            && there(destination)
            && self.traits(source).source
            && self.traits(destination).destination
            && !(cell(source) && cell(destination))
            && (source != destination || !self.is_single(source))
    }
}

/// Stands for the intent among the users of a list.
const PINNED: u32 = u32::MAX;

#[cfg(test)]
mod tests;
