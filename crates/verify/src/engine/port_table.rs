//! Port sets as numbers: each distinct set is kept once, and what was computed of two is remembered.

use palisade_netmodel::PortSet;
use rustc_hash::FxHashMap;

/// The number of a port set.
pub(crate) type PortsId = u32;

/// The empty set.
pub(crate) const NONE: PortsId = 0;
/// Every port of every protocol.
pub(crate) const ALL: PortsId = 1;

/// Distinct port sets. The default one knows none, not even [`NONE`] and [`ALL`]: it only holds the place of
/// a table that is lent out.
#[derive(Debug, Default)]
pub(crate) struct PortTable {
    sets: Vec<PortSet>,
    numbers: FxHashMap<PortSet, PortsId>,
    unions: FxHashMap<(PortsId, PortsId), PortsId>,
}

impl PortTable {
    pub(crate) fn new() -> Self {
        let mut table = Self::default();
        table.number(PortSet::empty());
        table.number(PortSet::all());
        table
    }

    /// How many distinct sets it knows.
    pub(crate) fn len(&self) -> usize {
        self.sets.len()
    }

    /// The number of a set.
    pub(crate) fn number(&mut self, set: PortSet) -> PortsId {
        if let Some(known) = self.numbers.get(&set) {
            return *known;
        }
        let next = PortsId::try_from(self.sets.len()).unwrap_or(PortsId::MAX);
        self.numbers.insert(set.clone(), next);
        self.sets.push(set);
        next
    }

    /// The set of a number.
    pub(crate) fn set(&self, id: PortsId) -> PortSet {
        self.sets.get(id as usize).cloned().unwrap_or_default()
    }

    /// Whether every port of `inner` is in `outer`.
    pub(crate) fn holds(&self, outer: PortsId, inner: PortsId) -> bool {
        outer == inner
            || outer == ALL
            || inner == NONE
            || outer != NONE && self.set(inner).difference(&self.set(outer)).is_empty()
    }

    /// Ports in either.
    pub(crate) fn union(&mut self, a: PortsId, b: PortsId) -> PortsId {
        match (a.min(b), a.max(b)) {
            (a, b) if a == b => a,
            (NONE, b) => b,
            (ALL, _) => ALL,
            (a, b) => match self.unions.get(&(a, b)) {
                Some(known) => *known,
                None => {
                    let found = self.set(a).union(&self.set(b));
                    let id = self.number(found);
                    self.unions.insert((a, b), id);
                    id
                }
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, NONE, PortTable};
    use palisade_netmodel::{PortSet, Protocol::Tcp};

    #[test]
    fn equal_sets_have_one_number() {
        let mut table = PortTable::new();
        let a = table.number(PortSet::range(Tcp, 1, 10));
        let b = table.number(PortSet::range(Tcp, 11, 20));
        let both = table.number(PortSet::range(Tcp, 1, 20));
        for _ in 0..2 {
            assert_eq!(table.union(a, b), both);
            assert_eq!(table.union(b, a), both);
        }
        assert_eq!((table.union(a, NONE), table.union(ALL, a)), (a, ALL));
        assert!(table.holds(both, a) && table.holds(ALL, both) && table.holds(NONE, NONE));
        assert!(!table.holds(a, both) && !table.holds(a, b) && !table.holds(NONE, a));
        assert_eq!(table.number(PortSet::all()), ALL);
    }
}
