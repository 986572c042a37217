//! A namespace with other labels: who belongs to which list of the intent changes for its classes alone, so only
//! pairs of which a claim, or a grant between such lists, says something else now are judged again.

use super::Standing;
use super::parties::{Lists, Mentions};
use palisade_netmodel::Direction;
use roaring::RoaringBitmap;
use std::collections::BTreeMap;

/// Classes that came into a list or left it.
type Turned = BTreeMap<u32, RoaringBitmap>;

/// Peers by subject: what has to be judged again in one direction.
type Doubts = BTreeMap<u32, RoaringBitmap>;

/// Which side of a grant is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    From,
    To,
}

impl Standing {
    /// Judges again what the new labels of a namespace change. Cost: the lists of the intent that mean other
    /// classes of it, and the other ends of the grants that mention them.
    pub(super) fn turn(&mut self, namespace: &str) {
        let turned = self.turned(namespace);
        for direction in [Direction::Ingress, Direction::Egress] {
            for (subject, peers) in self.doubts(direction, &turned) {
                if self.live.example(subject).is_some() {
                    self.judge_all(direction, subject, Some(&(peers & &self.live.alive)));
                }
            }
        }
        let claims = &self.ingress.claims | &self.egress.claims;
        for (_, classes) in turned.iter().filter(|(list, _)| claims.contains(**list)) {
            for class in classes {
                self.find_claims(class);
            }
        }
    }

    /// The lists of the intent that mean other classes of a namespace now. On the host network labels count,
    /// too.
    fn turned(&mut self, namespace: &str) -> Turned {
        let mut turned = Turned::new();
        for (list, class) in std::mem::take(&mut self.live.turned) {
            turned.entry(list).or_default().insert(class);
        }
        let hosts = &self.live.hosts & &self.live.alive;
        let here = |id: &u32| {
            let pod = self.live.example(*id);
            pod.is_some_and(|pod| pod.namespace == namespace)
        };
        let hosts: Vec<u32> = hosts.iter().filter(here).collect();
        for id in hosts {
            let before = self.leave_host(id);
            self.enter_host(id);
            let after = self.hosts.get(&id);
            let lists = after.map_or_else(|| before.clone(), |after| after ^ &before);
            for list in lists {
                turned.entry(list).or_default().insert(id);
            }
        }
        turned
    }

    fn doubts(&self, direction: Direction, turned: &Turned) -> Doubts {
        let (subject, peer) = match direction {
            Direction::Ingress => (End::To, End::From),
            Direction::Egress => (End::From, End::To),
        };
        let mut doubts = Doubts::new();
        for (list, classes) in turned {
            if self.side(direction).claims.contains(*list) {
                for class in classes {
                    *doubts.entry(class).or_default() |= &self.live.alive;
                }
            }
            for grant in self.mentions(subject).of_list(*list) {
                let peers = self.ever(self.party_of(grant, peer), turned);
                for class in classes {
                    *doubts.entry(class).or_default() |= &peers;
                }
            }
            for grant in self.mentions(peer).of_list(*list) {
                for class in &self.ever(self.party_of(grant, subject), turned) {
                    *doubts.entry(class).or_default() |= classes;
                }
            }
        }
        doubts
    }

    fn mentions(&self, end: End) -> &Mentions {
        match end {
            End::From => &self.from,
            End::To => &self.to,
        }
    }

    fn party_of(&self, grant: u32, end: End) -> Option<&Lists> {
        let grant = self.grants.get(grant as usize)?;
        Some(match end {
            End::From => &grant.from,
            End::To => &grant.to,
        })
    }

    /// Who belongs to a party, or did before.
    fn ever(&self, party: Option<&Lists>, turned: &Turned) -> RoaringBitmap {
        let Some(lists) = party else {
            return RoaringBitmap::new();
        };
        let mut all = self.members(lists);
        for list in lists.iter().flatten() {
            if let Some(classes) = turned.get(list) {
                all |= classes;
            }
        }
        all
    }
}
