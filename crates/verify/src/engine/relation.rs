//! Everything that the policies let pass between any two endpoints, exactly and factored.
//!
//! Endpoints whose rules are the same in a direction share a *profile*: a partition of all endpoints into
//! rows of equal passage. What passes from `s` to `d` is what the egress profile of `s` says of `d` and
//! the ingress profile of `d` says of `s`. Nothing enumerates pairs: `n` endpoints with `p` profiles of `r`
//! rows take `p × r` bitmaps. The mesh is not part of it, nor is a pod's own node.

use super::peers::Peers;
use super::policies::{OPEN, Policies, Ports};
use super::port_table::{ALL, NONE, PortTable, PortsId};
use super::rows::{Among, Lookup, Row, RulePorts, Rules, merged, rows, touch};
use super::{EndpointId, Engine, Passage};
use palisade_netmodel::{Direction, NamedPort, Pod, PortSet};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

/// The number of a profile in its direction.
type ProfileId = u32;

/// What passes between any two endpoints by policies.
#[derive(Debug)]
pub struct Relation {
    ports: PortTable,
    ingress: Side,
    egress: Side,
    sources: RoaringBitmap,
    destinations: RoaringBitmap,
    /// What the network plugin carries for certain.
    carried: PortSet,
}

/// One direction.
#[derive(Debug)]
struct Side {
    /// Per endpoint.
    of: Vec<ProfileId>,
    profiles: Vec<Profile>,
}

/// What endpoints with the same rules share.
#[derive(Debug)]
struct Profile {
    /// Whose profile it is.
    members: RoaringBitmap,
    /// Peers by passage, disjoint; nothing passes for those in no row.
    rows: Vec<Row>,
}

/// What the policies of the two ends of a pair say; equal words mean equal passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    /// Ports that the source's let out, for certain and perhaps.
    out: (PortsId, PortsId),
    /// Ports that the destination's let in.
    into: (PortsId, PortsId),
}

impl Relation {
    /// Works the relation out. Cost: the rules of each distinct profile, a few bitmap operations each.
    pub(super) fn new(engine: &Engine<'_>) -> Self {
        let mut builder = Builder {
            engine,
            policies: &engine.policies,
            ports: PortTable::new(),
            fixed: FxHashMap::default(),
        };
        let (ingress, egress) = (
            builder.side(Direction::Ingress),
            builder.side(Direction::Egress),
        );
        let all = || engine.endpoints();
        Self {
            carried: engine.world.profile.carried(),
            ports: builder.ports,
            ingress,
            egress,
            sources: all()
                .filter(|e| engine.is_source(*e))
                .map(|e| e.0)
                .collect(),
            destinations: all()
                .filter(|e| engine.is_destination(*e))
                .map(|e| e.0)
                .collect(),
        }
    }

    /// What passes from one endpoint to another. Cost: the rows of two profiles.
    #[must_use]
    pub fn passage(&self, source: EndpointId, destination: EndpointId) -> Passage {
        let there = self.sources.contains(source.0) && self.destinations.contains(destination.0);
        let out = self.egress.row(source, destination);
        let into = self.ingress.row(destination, source);
        match out.zip(into).filter(|_| there) {
            None => Passage::nothing(),
            Some((out, into)) => {
                let both = |a: PortsId, b: PortsId| match (a, b) {
                    (NONE, _) | (_, NONE) => PortSet::empty(),
                    (ALL, other) | (other, ALL) => self.ports.set(other),
                    (a, b) if a == b => self.ports.set(a),
                    (a, b) => self.ports.set(a).intersection(&self.ports.set(b)),
                };
                Passage {
                    must: self.certain(both(out.must, into.must)),
                    may: both(out.may, into.may),
                }
            }
        }
    }

    /// Of what policies admit for certain, what is carried for certain.
    fn certain(&self, ports: PortSet) -> PortSet {
        if self.carried.is_all() {
            ports
        } else {
            ports.intersection(&self.carried)
        }
    }

    /// What the policies of both ends say from one source to every endpoint. Cost: the endpoints, and the
    /// rows of every ingress profile.
    pub(crate) fn words(&self, source: EndpointId) -> Vec<Word> {
        let own = self.egress.profile(source);
        let mut out = vec![(NONE, NONE); self.egress.of.len()];
        for row in own.into_iter().flat_map(|profile| &profile.rows) {
            for peer in &row.peers {
                if let Some(at) = out.get_mut(peer as usize) {
                    *at = (row.must, row.may);
                }
            }
        }
        let into = |profile: &Profile| {
            let mut rows = profile.rows.iter();
            let row = rows.find(|row| row.peers.contains(source.0));
            row.map_or((NONE, NONE), |row| (row.must, row.may))
        };
        let into: Vec<_> = self.ingress.profiles.iter().map(into).collect();
        let both = out.into_iter().zip(&self.ingress.of);
        both.map(|(out, profile)| Word {
            out,
            into: into.get(*profile as usize).copied().unwrap_or((NONE, NONE)),
        })
        .collect()
    }

    /// The number of a port set.
    pub(crate) fn number(&mut self, ports: PortSet) -> PortsId {
        self.ports.number(ports)
    }

    /// The peers for whom the policies of an endpoint let something pass that is not on a list of who may
    /// use which ports. Cost: the rows of its profile times the entries of the list, up to the last one that
    /// is needed.
    pub(crate) fn beyond<'p>(
        &mut self,
        direction: Direction,
        subject: EndpointId,
        allowed: &(impl Iterator<Item = (&'p RoaringBitmap, PortsId)> + Clone),
    ) -> RoaringBitmap {
        let mut out = RoaringBitmap::new();
        let side = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let rows = side.profile(subject).into_iter().flat_map(|p| &p.rows);
        for row in rows.filter(|row| row.may != NONE) {
            let mut rest = row.peers.clone();
            for (peers, ports) in allowed.clone() {
                if rest.is_empty() {
                    break;
                }
                if self.ports.holds(ports, row.may) {
                    rest -= peers;
                }
            }
            // Nothing on the list allows all of it: several entries together may.
            let mut together = Vec::new();
            for (peers, ports) in allowed.clone().filter(|_| !rest.is_empty()) {
                touch(
                    &mut self.ports,
                    &mut together,
                    &(peers & &rest),
                    ports,
                    true,
                );
            }
            for entry in &together {
                if self.ports.holds(entry.must, row.may) {
                    rest -= &entry.peers;
                }
            }
            out |= rest;
        }
        out
    }

    /// Those of some peers for whom not all of some ports pass for certain by the policies of an endpoint.
    /// Cost: the rows of its profile.
    pub(crate) fn short_of(
        &mut self,
        direction: Direction,
        subject: EndpointId,
        (wanted, peers): (PortSet, &RoaringBitmap),
    ) -> RoaringBitmap {
        if wanted.is_empty() {
            return RoaringBitmap::new();
        }
        if !wanted.difference(&self.carried).is_empty() {
            return peers.clone();
        }
        let wanted = self.ports.number(wanted);
        let side = match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        };
        let mut rest = peers.clone();
        for row in side.profile(subject).into_iter().flat_map(|p| &p.rows) {
            if self.ports.holds(row.must, wanted) {
                rest -= &row.peers;
            }
        }
        rest
    }

    /// How many ordered pairs of endpoints may connect on some port. Rows of equal passage count at once.
    #[must_use]
    pub fn connections(&self) -> u64 {
        let mut ports = FxHashMap::default();
        let mut total = 0;
        for into in &self.ingress.profiles {
            let targets = &into.members & &self.destinations;
            if targets.is_empty() {
                continue;
            }
            for row in into.rows.iter().filter(|row| row.may != NONE) {
                let callers = &row.peers & &self.sources;
                for (out, of_out) in self.egress.among(&callers) {
                    for far in out.rows.iter().filter(|far| far.may != NONE) {
                        let meet = *ports.entry((row.may, far.may)).or_insert_with(|| {
                            let both = self.ports.set(row.may);
                            !both.intersection(&self.ports.set(far.may)).is_empty()
                        });
                        if meet {
                            total += of_out * far.peers.intersection_len(&targets);
                        }
                    }
                }
            }
        }
        total
    }
}

impl Side {
    fn profile(&self, endpoint: EndpointId) -> Option<&Profile> {
        let id = self.of.get(endpoint.index())?;
        self.profiles.get(*id as usize)
    }

    fn row(&self, subject: EndpointId, peer: EndpointId) -> Option<&Row> {
        let rows = &self.profile(subject)?.rows;
        rows.iter().find(|row| row.peers.contains(peer.0))
    }

    /// The profiles of some endpoints, with how many of the endpoints each has.
    fn among<'s>(
        &'s self,
        endpoints: &'s RoaringBitmap,
    ) -> impl Iterator<Item = (&'s Profile, u64)> + 's {
        let few = endpoints.len() < self.profiles.len() as u64;
        let mut ids: Vec<ProfileId> = if few {
            let of = endpoints.iter().filter_map(|e| self.of.get(e as usize));
            of.copied().collect()
        } else {
            (0..ProfileId::try_from(self.profiles.len()).unwrap_or(0)).collect()
        };
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter().filter_map(|id| {
            let profile = self.profiles.get(id as usize)?;
            let count = profile.members.intersection_len(endpoints);
            (count > 0).then_some((profile, count))
        })
    }
}

impl Lookup for Engine<'_> {
    fn peers(&self, id: u32) -> Option<&Peers> {
        self.policies.peers(id)
    }

    fn ports(&self, id: u32) -> Option<&Ports> {
        self.policies.ports(id)
    }

    fn pod(&self, endpoint: u32) -> Option<&Pod> {
        Engine::pod(self, EndpointId(endpoint))
    }
}

struct Builder<'e, 'w> {
    engine: &'e Engine<'w>,
    policies: &'e Policies,
    ports: PortTable,
    /// Port sets of lists without names.
    fixed: FxHashMap<u32, PortsId>,
}

impl<'w> Builder<'_, 'w> {
    fn side(&mut self, direction: Direction) -> Side {
        let engine = self.engine;
        let everybody: RoaringBitmap = engine.endpoints().map(|e| e.0).collect();
        let mut side = Side {
            of: Vec::with_capacity(engine.len()),
            profiles: vec![Profile {
                members: RoaringBitmap::new(),
                rows: vec![Row {
                    must: ALL,
                    may: ALL,
                    peers: everybody.clone(),
                }],
            }],
        };
        let mut by_signature: FxHashMap<(u32, u32, &'w [NamedPort]), ProfileId> =
            FxHashMap::default();
        let mut by_rules: FxHashMap<Rules, ProfileId> = FxHashMap::default();
        for endpoint in engine.endpoints() {
            let key = self.key(direction, endpoint);
            let next = ProfileId::try_from(side.profiles.len()).unwrap_or(ProfileId::MAX);
            let id = match by_signature.get(&key) {
                _ if (key.0, key.1) == (OPEN, 0) => 0,
                Some(known) => *known,
                None => {
                    let rules = self.rules(direction, key.0, endpoint);
                    let administered = key.1 != 0;
                    let id = match by_rules.get(&rules).filter(|_| !administered) {
                        Some(known) => *known,
                        None => {
                            let mut rows =
                                rows(self.engine, &mut self.ports, &rules, Among::All(&everybody));
                            if administered {
                                rows = self.administered(direction, endpoint, &rows);
                            } else {
                                by_rules.insert(rules, next);
                            }
                            side.profiles.push(Profile {
                                members: RoaringBitmap::new(),
                                rows,
                            });
                            next
                        }
                    };
                    by_signature.insert(key, id);
                    id
                }
            };
            if let Some(profile) = side.profiles.get_mut(id as usize) {
                profile.members.insert(endpoint.0);
            }
            side.of.push(id);
        }
        side
    }

    /// What decides about an endpoint: its signatures and, for ingress, its names for ports if a rule reads
    /// them, since named ports are resolved on the destination.
    fn key(&self, direction: Direction, endpoint: EndpointId) -> (u32, u32, &'w [NamedPort]) {
        let engine = self.engine;
        let signature = self.policies.signature_of(direction, endpoint);
        let administered = engine.tiers.signature_of(endpoint);
        let reads = || {
            self.policies.reads_names(direction, signature)
                || engine.tiers.reads_names(engine.world, direction, endpoint)
        };
        let names = match engine.pod(endpoint) {
            Some(pod) if direction == Direction::Ingress && reads() => {
                pod.template.named_ports.as_slice()
            }
            _ => &[],
        };
        (signature, administered, names)
    }

    /// The rows of an endpoint that policies of administrators select, on top of those of its
    /// NetworkPolicies: peers are told apart by every list of peers that a rule asks about, and one of
    /// each kind is judged.
    fn administered(
        &mut self,
        direction: Direction,
        subject: EndpointId,
        isolated: &[Row],
    ) -> Vec<Row> {
        let (engine, tiers) = (self.engine, &self.engine.tiers);
        let mut kinds = Partition::new(engine.len());
        isolated.iter().for_each(|row| kinds.split(&row.peers));
        for peers in tiers.peers_of(direction, subject) {
            kinds.split(&peers.yes);
            kinds.split(&peers.perhaps);
        }
        let egress = direction == Direction::Egress;
        if egress && tiers.reads_names(engine.world, direction, subject) {
            let mut by_names: FxHashMap<&[NamedPort], RoaringBitmap> = FxHashMap::default();
            for peer in engine.endpoints() {
                if let Some(pod) = engine.pod(peer) {
                    by_names.entry(&pod.named_ports).or_default().insert(peer.0);
                }
            }
            let mut groups: Vec<_> = by_names.into_iter().collect();
            groups.sort_unstable_by_key(|(names, _)| *names);
            groups.iter().for_each(|(_, group)| kinds.split(group));
        }
        let mut rows = Vec::new();
        for peers in kinds.blocks() {
            let Some(peer) = peers.min().map(EndpointId) else {
                continue;
            };
            let (source, destination) = if egress {
                (subject, peer)
            } else {
                (peer, subject)
            };
            let passage = engine.policed(direction, source, destination);
            let (must, may) = (
                self.ports.number(passage.must),
                self.ports.number(passage.may),
            );
            if may != NONE {
                rows.push(Row { must, may, peers });
            }
        }
        merged(rows)
    }

    /// The rules of a signature, equal ones once, in an order that does not depend on the policies.
    fn rules(&mut self, direction: Direction, signature: u32, subject: EndpointId) -> Rules {
        let (engine, policies) = (self.engine, self.policies);
        let mut rules = Rules::new();
        for rule in policies.rules(direction, signature) {
            let list = rule.ports.and_then(|id| Some((id, policies.ports(id)?)));
            let ports = match list {
                None => RulePorts::Fixed(ALL),
                Some((id, list)) if !list.reads_names() => {
                    let known = self.fixed.get(&id).copied();
                    RulePorts::Fixed(known.unwrap_or_else(|| {
                        let ports = self.ports.number(list.fixed.clone());
                        self.fixed.insert(id, ports);
                        ports
                    }))
                }
                Some((_, list)) if direction == Direction::Ingress => {
                    RulePorts::Fixed(self.ports.number(list.on(engine.pod(subject))))
                }
                Some((id, _)) => RulePorts::ByName(id),
            };
            if !rules.contains(&(rule.peers, ports)) {
                rules.push((rule.peers, ports));
            }
        }
        rules
    }
}

/// Endpoints by what they have in common so far.
struct Partition {
    /// Per endpoint.
    block: Vec<u32>,
    blocks: u32,
}

impl Partition {
    /// All in one block.
    fn new(len: usize) -> Self {
        Self {
            block: vec![0; len],
            blocks: 1,
        }
    }

    /// Tells members of a set from the others. Cost: the members.
    fn split(&mut self, set: &RoaringBitmap) {
        let mut moved: FxHashMap<u32, u32> = FxHashMap::default();
        for member in set {
            if let Some(block) = self.block.get_mut(member as usize) {
                *block = *moved.entry(*block).or_insert_with(|| {
                    self.blocks += 1;
                    self.blocks - 1
                });
            }
        }
    }

    fn blocks(&self) -> Vec<RoaringBitmap> {
        let mut blocks: Vec<RoaringBitmap> = Vec::new();
        blocks.resize_with(self.blocks as usize, RoaringBitmap::new);
        for (endpoint, block) in (0..).zip(&self.block) {
            if let Some(set) = blocks.get_mut(*block as usize) {
                set.insert(endpoint);
            }
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use palisade_netmodel::Direction;
    use palisade_testkit::worlds::world;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 300,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// The relation says of every pair what the rules of the pair's two ends say, and counts them.
        #[test]
        fn relation_agrees_with_every_pair(world in world()) {
            let engine = Engine::new(&world);
            let relation = engine.relation();
            let mut connections = 0;
            for source in engine.endpoints().filter(|e| engine.is_source(*e)) {
                for destination in engine.endpoints().filter(|e| engine.is_destination(*e)) {
                    let half = |direction| engine.policed(direction, source, destination);
                    let expected = half(Direction::Egress).and(&half(Direction::Ingress));
                    connections += u64::from(!expected.may.is_empty());
                    prop_assert_eq!(relation.passage(source, destination), expected);
                }
            }
            prop_assert_eq!(relation.connections(), connections);
        }
    }
}
