//! Judging what the policies of a class let pass against what is granted.

use super::Standing;
use super::parties::Declaration;
use crate::engine::Passage;
use palisade_netmodel::{Direction, PortSet};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

#[derive(Debug, Default)]
struct Granted {
    all: PortSet,
    /// Of grants that answer for the half in question.
    answered: PortSet,
}

/// What is suspect in one direction: peers by subject.
impl Standing {
    /// Judges everything that the policies of a class say.
    pub(super) fn judge_subject(&mut self, id: u32) {
        if self.live.example(id).is_none() {
            return;
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            self.judge_all(direction, id, None);
        }
        self.find_claims(id);
    }

    /// Judges what the policies of a class let pass for some peers, or for all.
    pub(super) fn judge_all(
        &mut self,
        direction: Direction,
        subject: u32,
        among: Option<&RoaringBitmap>,
    ) {
        let rows = self.live.rows(direction, subject, among);
        let mut rest = among.unwrap_or(&self.live.alive).clone();
        for row in &rows {
            rest -= &row.peers;
            let passage = Passage {
                must: self.live.table.set(row.must),
                may: self.live.table.set(row.may),
            };
            let passage = self.live.carry(passage);
            self.judge(direction, subject, &row.peers, &passage);
        }
        self.judge(direction, subject, &rest, &Passage::nothing());
    }

    /// Finds out whether a class is claimed, and whether it lets everybody pass then.
    pub(super) fn find_claims(&mut self, id: u32) {
        for direction in [Direction::Ingress, Direction::Egress] {
            let claimed = self.is_claimed(direction, id);
            let broad = claimed && self.live.is_broad(direction, id);
            let side = self.side_mut(direction);
            for (set, is) in [(&mut side.claimed, claimed), (&mut side.broad, broad)] {
                if is {
                    set.insert(id);
                } else {
                    set.remove(id);
                }
            }
        }
    }

    /// Judges what the policies of a class let pass for some peers.
    pub(super) fn judge(
        &mut self,
        direction: Direction,
        subject: u32,
        peers: &RoaringBitmap,
        now: &Passage,
    ) {
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
                let granted = self.among(&rest, list);
                rest -= granted;
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
            Direction::Ingress if lacks(subject) => self.among(peers, &grant.from),
            Direction::Egress if grant.named => {
                let peers = self.among(peers, &grant.to);
                peers.iter().filter(|peer| lacks(*peer)).collect()
            }
            Direction::Egress if !grant.numeric.difference(&now.must).is_empty() => {
                self.among(peers, &grant.to)
            }
            _ => RoaringBitmap::new(),
        }
    }

    /// Judges what others let pass for a class or cell. Cost: those who may, and the other ends of its grants.
    pub(super) fn judge_peer(&mut self, peer: u32) {
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
}
