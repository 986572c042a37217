//! What an edit changed: which ends pass other ports now, and the connections that this opens or closes.

use super::super::port_table::NONE;
use super::super::rows::Row;
use super::mesh::{Asker, MeshChange, Told, Unfollowed};
use super::passing::Group;
use super::{Live, MOVED};
use crate::engine::{EndpointId, Pair, Passage};
use palisade_netmodel::{Direction, ObjectRef, PortSet};
use roaring::RoaringBitmap;
use rustc_hash::FxHashSet;

/// What an edit changed at one end of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HalfChange {
    /// Ingress: subjects are destinations. Egress: they are sources.
    pub direction: Direction,
    pub(super) subjects: RoaringBitmap,
    pub(super) peers: RoaringBitmap,
    /// What the policies of the subjects let pass before.
    pub before: Passage,
    /// What they let pass now.
    pub after: Passage,
}

impl HalfChange {
    fn is_about(&self, direction: Direction, subject: u32, peer: u32) -> bool {
        self.direction == direction && self.subjects.contains(subject) && self.peers.contains(peer)
    }

    /// Whose policies these are.
    pub fn subjects(&self) -> impl Iterator<Item = EndpointId> {
        self.subjects.iter().map(EndpointId)
    }

    /// Who is at the other end.
    pub fn peers(&self) -> impl Iterator<Item = EndpointId> {
        self.peers.iter().map(EndpointId)
    }
}

/// The pod that an edit added, changed or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its name.
    pub pod: ObjectRef,
    /// The class that it left; `None` if it was not there.
    pub before: Option<EndpointId>,
    /// The class that it is in now; `None` if it has gone.
    pub after: Option<EndpointId>,
}

impl Moved {
    /// The number that stands for the pod in changes, since its class is another one before and after.
    pub const ENDPOINT: EndpointId = EndpointId(MOVED);

    pub(super) fn new(pod: ObjectRef, before: Option<u32>, after: Option<u32>) -> Self {
        Self {
            pod,
            before: before.map(EndpointId),
            after: after.map(EndpointId),
        }
    }
}

/// What an edit changed. It can be read until the next edit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effect {
    /// Ends whose policies let other ports pass now.
    pub halves: Vec<HalfChange>,
    /// Ends between which the mesh says something else now.
    pub mesh: Vec<MeshChange>,
    /// The pod that is in another class now.
    pub moved: Option<Moved>,
    /// Whether that pod is an end of connections now and was none, or the reverse, or is in the mesh now and was
    /// not.
    appeared: bool,
    /// Whether it calls as somebody else now.
    renamed: bool,
    /// What had a part in answers before or after, and is not followed.
    pub(super) unfollowed: Option<Unfollowed>,
}

/// Two ends between which other ports pass since an edit. A class is all its pods but the one that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Who connects.
    pub source: EndpointId,
    /// To whom.
    pub destination: EndpointId,
    /// What passed before, and how.
    pub before: Pair,
    /// What passes now, and how.
    pub after: Pair,
}

/// What puts the two layers together while pairs are asked for.
struct Layers<'e> {
    live: &'e Live,
    told: Told<'e>,
    asker: Asker<'e>,
}

impl Effect {
    pub(super) fn of(halves: Vec<HalfChange>) -> Self {
        Self {
            halves,
            ..Self::default()
        }
    }

    pub(super) fn of_mesh(mesh: Vec<MeshChange>) -> Self {
        Self {
            mesh,
            ..Self::default()
        }
    }

    /// Whether nothing changed. A pod that came, went or calls as somebody else is a change.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.halves.is_empty() && self.mesh.is_empty() && !self.appeared && !self.renamed
    }

    /// Every pair of ends between which other ports pass now, or pass otherwise (conditionally and not for certain,
    /// encrypted and not), once, in no particular order. Cost: the pairs of the halves that changed and of the
    /// answers of the mesh that did; for a pod that came or went all ends, and for one that calls as somebody else
    /// all classes with a proxy.
    ///
    /// # Errors
    ///
    /// If something has, or had, a part in it that is not followed.
    pub fn connections(&self, live: &Live) -> Result<Vec<Connection>, Unfollowed> {
        if let Some(unfollowed) = self.unfollowed {
            return Err(unfollowed);
        }
        let mut layers = Layers {
            live,
            told: Told::new(&self.mesh),
            asker: Asker::new(live),
        };
        let mut seen = FxHashSet::default();
        let mut found = Vec::new();
        let mut judge = |source, destination| {
            if seen.insert((source, destination)) {
                found.extend(self.judge(&mut layers, source, destination));
            }
        };
        let moved = self.moved.as_ref().and_then(|moved| moved.before);
        // A class also stands for the pod that was in it.
        let ends = |set: &RoaringBitmap| {
            let mut ends = set.clone();
            if moved.is_some_and(|class| set.contains(class.0)) {
                ends.insert(MOVED);
            }
            ends
        };
        for half in &self.halves {
            let peers = ends(&half.peers);
            for subject in &ends(&half.subjects) {
                for peer in &peers {
                    match half.direction {
                        Direction::Ingress => judge(peer, subject),
                        Direction::Egress => judge(subject, peer),
                    }
                }
            }
        }
        for change in &self.mesh {
            let sources = ends(&change.sources);
            for destination in &ends(&change.destinations) {
                sources.iter().for_each(|source| judge(source, destination));
            }
        }
        if self.renamed {
            for other in &live.proxied() {
                judge(MOVED, other);
            }
        }
        if self.appeared {
            for other in &live.alive {
                judge(MOVED, other);
                judge(other, MOVED);
            }
        }
        Ok(found)
    }

    fn judge(&self, layers: &mut Layers<'_>, source: u32, destination: u32) -> Option<Connection> {
        let live = layers.live;
        let cell = |id| id != MOVED && live.node(id).is_some_and(|node| node.first().is_some());
        if cell(source) && cell(destination) || (source, destination) == (MOVED, MOVED) {
            return None;
        }
        // Nobody is left at the other end, beside the pod itself.
        let alone = |class: u32| {
            let own = self.moved.as_ref().and_then(|moved| moved.after);
            own == Some(EndpointId(class)) && live.is_single(class)
        };
        let there = |id| id == MOVED || live.alive.contains(id) && !alone(id);
        if !there(source) || !there(destination) {
            return None;
        }
        if source == destination && live.is_single(source) {
            return None;
        }
        let before = self.pair(layers, source, destination, false);
        let after = self.pair(layers, source, destination, true);
        (before != after).then_some(Connection {
            source: EndpointId(source),
            destination: EndpointId(destination),
            before,
            after,
        })
    }

    /// What passes from one end to another and how, after the edit or before it.
    fn pair(&self, layers: &mut Layers<'_>, source: u32, destination: u32, now: bool) -> Pair {
        let class = |id| {
            if id != MOVED {
                return Some(id);
            }
            let moved = self.moved.as_ref()?;
            let class = if now { moved.after } else { moved.before };
            class.map(|class| class.0)
        };
        let Some((s, d)) = class(source).zip(class(destination)) else {
            return Pair::closed();
        };
        let network = self.passage(layers.live, (s, d), now);
        if network.may.is_empty() {
            return Pair::closed();
        }
        match layers.told.before(s, d).filter(|_| !now) {
            Some(before) => before.on(&network),
            None => layers.asker.answer(s, d).on(&network),
        }
    }

    /// What policies let pass from one class or cell to another, after the edit or before it.
    fn passage(&self, live: &Live, (s, d): (u32, u32), now: bool) -> Passage {
        if !live.traits(s).source || !live.traits(d).destination {
            return Passage::nothing();
        }
        let half = |direction, ids: (u32, u32)| {
            // Of the pod that moved, its old class: what its nodes' addresses changed came first.
            let changed = self.halves.iter().filter(|_| !now);
            let mut changed = changed.filter(|half| half.is_about(direction, ids.0, ids.1));
            match changed.next() {
                Some(half) => half.before.clone(),
                None => live.half(direction, ids.0, ids.1),
            }
        };
        let out = half(Direction::Egress, (s, d));
        let into = half(Direction::Ingress, (d, s));
        live.carry(out.and(&into))
    }
}

/// Where two groups have members in common, and their rules let other ports pass for some peers.
pub(super) fn overlay(
    live: &Live,
    (direction, among): (Direction, &RoaringBitmap),
    before: &[Group],
    after: &[Group],
    out: &mut Vec<HalfChange>,
) {
    for old in before {
        for new in after {
            let members = &old.members & &new.members;
            if members.is_empty() {
                continue;
            }
            let whole = old.members == members && new.members == members;
            let first = out.len();
            differences(live, (direction, among), (old, new), out);
            for change in out.iter_mut().skip(first).filter(|_| !whole) {
                change.subjects = members.clone();
            }
        }
    }
}

/// The peers, among some, for whom two groups let other ports pass. Subjects are those of the first.
pub(super) fn differences(
    live: &Live,
    (direction, among): (Direction, &RoaringBitmap),
    (before, after): (&Group, &Group),
    out: &mut Vec<HalfChange>,
) {
    let rest = |rows: &[Row]| {
        let mut peers = among.clone();
        rows.iter().for_each(|row| peers -= &row.peers);
        Row {
            must: NONE,
            may: NONE,
            peers,
        }
    };
    let (no_before, no_after) = (rest(&before.rows), rest(&after.rows));
    let set = |id| -> PortSet { live.table.set(id) };
    let passage = |row: &Row| Passage {
        must: set(row.must),
        may: set(row.may),
    };
    for old in before.rows.iter().chain([&no_before]) {
        for new in after.rows.iter().chain([&no_after]) {
            if (old.must, old.may) == (new.must, new.may) {
                continue;
            }
            let mut peers = &old.peers & &new.peers;
            peers &= among;
            if !peers.is_empty() {
                out.push(HalfChange {
                    direction,
                    subjects: before.members.clone(),
                    peers,
                    before: passage(old),
                    after: passage(new),
                });
            }
        }
    }
}

impl Live {
    /// What a pod's move from one class to another changed.
    pub(super) fn moved(&mut self, moved: Moved) -> Effect {
        let ends = moved.before.zip(moved.after);
        let ends = ends.map(|(a, b)| (a.0, b.0));
        let Some((old, new)) = ends.filter(|(a, b)| self.traits(*a) == self.traits(*b)) else {
            return Effect {
                moved: Some(moved),
                appeared: true,
                ..Effect::default()
            };
        };
        let mesh = self.said_by(old, new);
        let mut halves = Vec::new();
        for direction in [Direction::Ingress, Direction::Egress] {
            let group = |live: &mut Self, class| Group {
                members: RoaringBitmap::from_iter([MOVED]),
                rows: live.rows(direction, class, None),
            };
            let (before, after) = (group(self, old), group(self, new));
            let about = (direction, &self.alive);
            overlay(self, about, &[before], &[after], &mut halves);
            self.seen_as(direction, (old, new), &mut halves);
        }
        Effect {
            halves,
            mesh,
            moved: Some(moved),
            renamed: !self.call_alike(old, new) && !self.proxied().is_empty(),
            ..Effect::default()
        }
    }

    /// What others let pass for a pod that was in one class and is in another.
    fn seen_as(&self, direction: Direction, (old, new): (u32, u32), out: &mut Vec<HalfChange>) {
        let Some((a, b)) = self.node(old).zip(self.node(new)) else {
            return;
        };
        let names = |id| self.example(id).map(|pod| &pod.named_ports);
        let renamed = direction == Direction::Egress && names(old) != names(new);
        // Ports that are named mean other numbers on a pod with other names.
        let lists = if renamed {
            &(&a.yes | &b.yes) | &(&a.perhaps | &b.perhaps)
        } else {
            &(&a.yes ^ &b.yes) | &(&a.perhaps ^ &b.perhaps)
        };
        let mut subjects = self.users(direction, &lists);
        if renamed {
            subjects |= self.users_of_names();
        }
        for (subject, members) in self.examples(direction, &subjects) {
            let before = self.half(direction, subject, old);
            let after = self.half(direction, subject, new);
            if before != after {
                out.push(HalfChange {
                    direction,
                    subjects: members,
                    peers: RoaringBitmap::from_iter([MOVED]),
                    before,
                    after,
                });
            }
        }
    }
}
