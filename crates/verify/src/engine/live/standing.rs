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
//! of the other end may refuse what one end lets pass. Where both ends are claimed, more passes only if both let more
//! pass, so only such pairs are asked about. Cost of an edit: what [`Live`] looks at, and the
//! grants of the classes that changed; of a question: a few operations on the set of peers of each subject that is
//! suspect, and the suspect pairs, up to the first that counts.
//!
//! The labels of a namespace change who belongs to which list for its classes alone: only pairs of which a claim
//! or a grant says something else then are judged again.
//!
//! It is about connections by policies alone. What else a proof looks at (the mesh, encryption, identities,
//! parties that are wider than what is meant) takes [`crate::prove`]; [`Standing::new`] says no where it matters.

mod flaws;
mod judge;
mod parties;
#[cfg(test)]
mod tests;
mod turned;

pub use flaws::Flaw;
use flaws::Suspect;

use super::{Edit, Effect, Live, MOVED};
use palisade_netmodel::{
    Direction, Fidelity, Grant, Intent, Party, Pod, Proxy, Requirement, World,
};
use parties::{Declaration, Mentions};
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
    /// What the last answer was given for: most edits leave it as it is.
    witness: Option<Suspect>,
}

/// What is suspect in one direction: peers by subject.
#[derive(Debug, Default)]
struct Side {
    /// Lists of the pods that are claimed.
    claims: RoaringBitmap,
    /// Their classes: what of theirs is not in `more` is granted.
    claimed: RoaringBitmap,
    more: BTreeMap<u32, RoaringBitmap>,
    less: BTreeMap<u32, RoaringBitmap>,
    /// Claimed classes that let something pass for peers that no list means.
    broad: RoaringBitmap,
}

impl Side {
    fn suspects(&self, less: bool) -> &BTreeMap<u32, RoaringBitmap> {
        if less { &self.less } else { &self.more }
    }

    fn forget(&mut self, id: u32) {
        for set in [&mut self.more, &mut self.less] {
            set.remove(&id);
            set.retain(|_, peers| {
                peers.remove(id);
                !peers.is_empty()
            });
        }
        self.broad.remove(id);
        self.claimed.remove(id);
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
        let fits = world.pods.iter().all(bare) && intent.grants.iter().all(plain);
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
            witness: None,
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

    /// Makes one edit, and brings the differences up to date.
    pub fn apply(&mut self, edit: Edit) -> Effect {
        let (policies_of, namespace) = match &edit {
            Edit::SetPolicy(policy) => (Some(policy.object.namespace.clone()), None),
            Edit::RemovePolicy(object) => (Some(object.namespace.clone()), None),
            Edit::SetNamespace { name, .. } | Edit::RemoveNamespace(name) => {
                (None, Some(name.clone()))
            }
            _ => (None, None),
        };
        let effect = self.live.apply(edit);
        let touched = self.live.touched.as_mut().map(std::mem::take);
        let touched: BTreeSet<u32> = touched.into_iter().flatten().collect();
        // A new cell is judged by those who let everybody pass now.
        if let Some(name) = policies_of {
            for id in &self.live.residents(&name) {
                self.find_claims(id);
            }
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
        if let Some(name) = namespace {
            self.turn(&name);
        }
        effect
    }

    /// Judges classes and cells that are new, gone, or another party's now.
    fn enter(&mut self, touched: &BTreeSet<u32>) {
        for id in touched {
            self.ingress.forget(*id);
            self.egress.forget(*id);
            self.leave_host(*id);
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

    /// What policies let pass, and who the ends are.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }
}

impl Live {
    /// Classes of the pods of a namespace that a policy can select.
    fn residents(&self, name: &str) -> RoaringBitmap {
        let home = self.namespaces.number(name);
        let home = home.and_then(|home| self.namespaces.get(home));
        home.map(|home| &home.selectable & &self.alive)
            .unwrap_or_default()
    }
}
