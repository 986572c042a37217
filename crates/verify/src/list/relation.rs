//! What passes between chosen endpoints, and who behaves alike in it.
//!
//! Cost: a look at a table and four bytes for each pair, and one question to the engine for each distinct word
//! of the policies of two ends; for pairs that the mesh has a part in one question each. Grouping is linear in pairs.

use crate::engine::{EndpointId, Engine, Pair, Word};
use palisade_netmodel::{Encryption, PortSet};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Most pairs of endpoints of one answer (4 bytes each).
const MAX_PAIRS: usize = 100_000_000;

/// Two endpoints that form no pair: a single pod and itself, two addresses.
const NO_PAIR: u32 = u32::MAX;

/// Ports of a pair that pass alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Fact {
    /// Ports, never none.
    pub(crate) ports: PortSet,
    /// Whether they pass for certain.
    pub(crate) certain: bool,
    /// What is proven of the wire.
    pub(crate) wire: Encryption,
}

/// All that passes between two endpoints; nothing if it is empty.
pub(crate) type Answer = Vec<Fact>;

/// The answers for pairs of chosen endpoints.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) sources: Vec<EndpointId>,
    pub(crate) destinations: Vec<EndpointId>,
    answers: Vec<Answer>,
    /// Per source, per destination: an index into `answers`, or [`NO_PAIR`].
    table: Vec<u32>,
}

/// Which end a line of the table belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Source,
    Destination,
}

/// Endpoints with the same answers for every peer.
#[derive(Debug)]
pub(crate) struct Group {
    /// Who.
    pub(crate) subjects: Vec<EndpointId>,
    /// Per answer that is not nothing: the peers that have it with every subject.
    pub(crate) rows: Vec<(Answer, Vec<EndpointId>)>,
}

/// More pairs than one answer may have.
#[derive(Debug)]
pub(crate) struct TooLarge {
    pub(crate) pairs: usize,
}

/// Distinct answers; the first one is that nothing passes.
struct Answers<'e, 'w> {
    engine: &'e Engine<'w>,
    ports: Option<&'e PortSet>,
    all: Vec<Answer>,
    by_answer: FxHashMap<Answer, u32>,
    by_pair: FxHashMap<Pair, u32>,
    /// Of pairs that are up to policies alone: one question for each distinct word.
    by_word: FxHashMap<Word, u32>,
}

impl<'e, 'w> Answers<'e, 'w> {
    fn new(engine: &'e Engine<'w>, ports: Option<&'e PortSet>) -> Self {
        Self {
            engine,
            ports,
            all: vec![Answer::new()],
            by_answer: FxHashMap::from_iter([(Answer::new(), 0)]),
            by_pair: FxHashMap::default(),
            by_word: FxHashMap::default(),
        }
    }

    fn by_word(&mut self, word: Option<Word>, ends: (EndpointId, EndpointId)) -> u32 {
        let known = word.and_then(|word| self.by_word.get(&word).copied());
        known.unwrap_or_else(|| {
            let number = self.number(ends);
            self.by_word.extend(word.map(|word| (word, number)));
            number
        })
    }

    fn number(&mut self, (source, destination): (EndpointId, EndpointId)) -> u32 {
        let pair = self.engine.pair(source, destination);
        if let Some(known) = self.by_pair.get(&pair) {
            return *known;
        }
        let answer = facts(&pair, self.ports);
        let all = &mut self.all;
        let number = *self.by_answer.entry(answer).or_insert_with_key(|answer| {
            all.push(answer.clone());
            u32::try_from(all.len() - 1).unwrap_or(NO_PAIR - 1)
        });
        self.by_pair.insert(pair, number);
        number
    }
}

impl Relation {
    /// Asks the engine about every pair, on `ports` only if they are given. `tick` hears how many
    /// of all sources are done.
    pub(crate) fn new(
        engine: &Engine<'_>,
        sources: Vec<EndpointId>,
        destinations: Vec<EndpointId>,
        ports: Option<&PortSet>,
        tick: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, TooLarge> {
        let pairs = sources.len().saturating_mul(destinations.len());
        if pairs > MAX_PAIRS {
            return Err(TooLarge { pairs });
        }
        let mut answers = Answers::new(engine, ports);
        let mut table = Vec::with_capacity(pairs);
        let policies = engine.relation();
        for (done, &source) in sources.iter().enumerate() {
            let words = policies.words(source);
            for &destination in &destinations {
                let word = words.get(destination.index()).copied();
                table.push(if !engine.is_pair(source, destination) {
                    NO_PAIR
                } else if engine.is_up_to_policies(source, destination) {
                    answers.by_word(word, (source, destination))
                } else {
                    answers.number((source, destination))
                });
            }
            tick(done + 1, sources.len());
        }
        let answers = answers.all;
        Ok(Self {
            sources,
            destinations,
            answers,
            table,
        })
    }

    /// The endpoints of a side, those with equal answers together, in order.
    pub(crate) fn groups(&self, side: Side) -> Vec<Group> {
        let subjects = match side {
            Side::Source => &self.sources,
            Side::Destination => &self.destinations,
        };
        let mut groups: Vec<(Vec<usize>, Vec<u32>)> = Vec::new();
        let mut seen: FxHashMap<Vec<u32>, usize> = FxHashMap::default();
        for subject in 0..subjects.len() {
            let line = filled(&self.line(side, subject));
            let next = groups.len();
            let at = *seen.entry(line).or_insert_with_key(|line| {
                groups.push((Vec::new(), line.clone()));
                next
            });
            if let Some(group) = groups.get_mut(at) {
                group.0.push(subject);
            }
        }
        groups
            .into_iter()
            .map(|(members, line)| self.group(side, &members, &line))
            .collect()
    }

    fn group(&self, side: Side, members: &[usize], line: &[u32]) -> Group {
        let (subjects, peers) = match side {
            Side::Source => (&self.sources, &self.destinations),
            Side::Destination => (&self.destinations, &self.sources),
        };
        let mut rows: BTreeMap<u32, Vec<EndpointId>> = BTreeMap::new();
        for (at, (&answer, &peer)) in line.iter().zip(peers).enumerate() {
            let real = || members.iter().any(|m| self.at(side, *m, at) != NO_PAIR);
            if answer != 0 && real() {
                rows.entry(answer).or_default().push(peer);
            }
        }
        let answer = |id: u32| self.answers.get(id as usize).cloned().unwrap_or_default();
        Group {
            subjects: members
                .iter()
                .filter_map(|m| subjects.get(*m).copied())
                .collect(),
            rows: rows
                .into_iter()
                .map(|(id, set)| (answer(id), set))
                .collect(),
        }
    }

    /// The pairs in order, those that exist, with their answers.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (EndpointId, EndpointId, &Answer)> {
        let ends = self
            .sources
            .iter()
            .flat_map(|s| self.destinations.iter().map(|d| (*s, *d)));
        ends.zip(&self.table)
            .filter_map(|((s, d), id)| Some((s, d, self.answers.get(*id as usize)?)))
    }

    fn at(&self, side: Side, subject: usize, peer: usize) -> u32 {
        let (source, destination) = match side {
            Side::Source => (subject, peer),
            Side::Destination => (peer, subject),
        };
        let at = source * self.destinations.len() + destination;
        self.table.get(at).copied().unwrap_or(NO_PAIR)
    }

    fn line(&self, side: Side, subject: usize) -> Vec<u32> {
        let peers = match side {
            Side::Source => self.destinations.len(),
            Side::Destination => self.sources.len(),
        };
        (0..peers).map(|p| self.at(side, subject, p)).collect()
    }
}

/// A line in which pairs that do not exist have the answer that most of the others have, so that
/// single pods that are treated alike have equal lines.
fn filled(line: &[u32]) -> Vec<u32> {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for id in line.iter().filter(|id| **id != NO_PAIR) {
        *counts.entry(*id).or_default() += 1;
    }
    let most = counts
        .iter()
        .max_by_key(|(id, count)| (**count, std::cmp::Reverse(**id)))
        .map_or(0, |(id, _)| *id);
    line.iter()
        .map(|id| if *id == NO_PAIR { most } else { *id })
        .collect()
}

/// The answer of one pair, ports that pass alike together: certain ones first, stronger wires first.
pub(crate) fn facts(pair: &Pair, ports: Option<&PortSet>) -> Answer {
    let only = |set: &PortSet| match ports {
        Some(ports) => set.intersection(ports),
        None => set.clone(),
    };
    let must = only(&pair.passage.must);
    let may = only(&pair.passage.may).difference(&must);
    let mut out = Answer::new();
    for (certain, set) in [(true, must), (false, may)] {
        let mesh = set.intersection(&pair.mesh_mtls);
        let rest = set.difference(&mesh);
        let tls = rest.intersection(&pair.tls);
        let plain = rest.difference(&tls);
        for (wire, ports) in [
            (Encryption::MeshMtls, mesh),
            (Encryption::Tls, tls),
            (Encryption::None, plain),
        ] {
            if !ports.is_empty() {
                out.push(Fact {
                    ports,
                    certain,
                    wire,
                });
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{NO_PAIR, filled};

    #[test]
    fn pairs_that_do_not_exist_take_the_usual_answer() {
        assert_eq!(filled(&[NO_PAIR, 2, 2, 1]), [2, 2, 2, 1]);
        assert_eq!(filled(&[NO_PAIR, NO_PAIR]), [0, 0]);
        // A tie goes to the answer that was met first.
        assert_eq!(filled(&[3, 1, NO_PAIR]), [3, 1, 1]);
    }
}
