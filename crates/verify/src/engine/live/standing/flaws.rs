//! The differences that are left of what is suspect once both ends are asked.

use super::Standing;
use crate::engine::EndpointId;
use crate::engine::live::Live;
use palisade_diagnostics::Verdict;
use palisade_netmodel::{Direction, PortSet};
use roaring::RoaringBitmap;

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

/// A pair that the policies of one end make suspect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect {
    /// Whether they let less pass than is granted, or more.
    less: bool,
    direction: Direction,
    subject: u32,
    peer: u32,
}

const SIDES: [Direction; 2] = [Direction::Ingress, Direction::Egress];

impl Standing {
    /// Whether connections are as declared; unknown where a pod with a proxy of the mesh has come. Cost: the suspect
    /// pairs, up to the first that is a difference for certain; what was one at the last question is asked first.
    #[must_use]
    pub fn verdict(&mut self) -> Verdict {
        if !self.live.proxied().is_empty() {
            return Verdict::Unknown;
        }
        let fails = |suspect: &Suspect| self.judged(*suspect).iter().any(|flaw| flaw.certain);
        let still = |suspect: &Suspect| self.is_suspect(*suspect) && fails(suspect);
        if self.witness.as_ref().is_some_and(still) {
            return Verdict::Fails;
        }
        let mut verdict = Verdict::Holds;
        let mut witness = None;
        for suspect in self.suspects() {
            let flaws = self.judged(suspect);
            if flaws.iter().any(|flaw| flaw.certain) {
                (verdict, witness) = (Verdict::Fails, Some(suspect));
                break;
            }
            if !flaws.is_empty() {
                verdict = Verdict::Unknown;
            }
        }
        self.witness = witness;
        verdict
    }

    /// Every difference, in no particular order.
    pub fn flaws(&self) -> impl Iterator<Item = Flaw> {
        self.suspects().flat_map(|suspect| self.judged(suspect))
    }

    /// Those for whom less passes first: of them one end is enough to be right.
    fn suspects(&self) -> impl Iterator<Item = Suspect> {
        let less = SIDES.into_iter().flat_map(|direction| {
            let pairs = self.side(direction).less.iter();
            let pairs = pairs.flat_map(|(s, peers)| peers.iter().map(move |peer| (*s, peer)));
            pairs.map(move |pair| (true, direction, pair))
        });
        let more = SIDES.into_iter().flat_map(|direction| {
            let pairs = self.more(direction);
            pairs.map(move |pair| (false, direction, pair))
        });
        let suspect = |(less, direction, (subject, peer))| Suspect {
            less,
            direction,
            subject,
            peer,
        };
        less.chain(more).map(suspect)
    }

    /// Subjects and peers for whom more passes than is granted, unless the peer's policies refuse it for certain: it
    /// is claimed, and lets nothing pass for the subject that is not granted. Where both let more pass, the destination
    /// is the subject, so that each pair is named once.
    fn more(&self, direction: Direction) -> impl Iterator<Item = (u32, u32)> {
        let other = match direction {
            Direction::Ingress => &self.egress,
            Direction::Egress => &self.ingress,
        };
        let open: RoaringBitmap = other.more.keys().copied().collect();
        let subjects = self.side(direction).more.iter();
        subjects.flat_map(move |(subject, peers)| {
            let mut left = peers - &other.claimed;
            if direction == Direction::Ingress {
                let both = peers & &other.claimed & &open;
                let agrees = |peer: &u32| {
                    let more = other.more.get(peer);
                    more.is_some_and(|more| more.contains(*subject))
                };
                left.extend(both.iter().filter(agrees));
            }
            left.into_iter().map(move |peer| (*subject, peer))
        })
    }

    fn is_suspect(&self, suspect: Suspect) -> bool {
        let side = self.side(suspect.direction);
        let peers = side.suspects(suspect.less).get(&suspect.subject);
        peers.is_some_and(|peers| peers.contains(suspect.peer))
    }

    /// What is left of a suspicion when both ends are asked.
    fn judged(&self, suspect: Suspect) -> Vec<Flaw> {
        let ends = match suspect.direction {
            Direction::Ingress => (suspect.peer, suspect.subject),
            Direction::Egress => (suspect.subject, suspect.peer),
        };
        if !self.live.is_pair(ends) {
            Vec::new()
        } else if suspect.less {
            self.blocked(suspect.direction, ends)
        } else {
            self.undeclared(ends)
        }
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

impl Live {
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
