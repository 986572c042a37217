//! The elements of a set, in pieces that its versions share: a few changes copy the pieces that they are in, however
//! wide the set is.

use crate::model::Element;
use std::fmt;
use std::sync::Arc;

/// Elements of a piece, at first; it is cut in two at twice as many.
const PIECE: usize = 256;

/// Sorted elements, none twice.
#[derive(Clone, Default)]
pub struct List {
    /// None of them is empty.
    pieces: Arc<Vec<Arc<Vec<Element>>>>,
    len: usize,
}

impl List {
    /// The number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All elements, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Element> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    /// All elements, in their order.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Element> {
        self.iter().copied().collect()
    }

    /// Whether an element is there.
    #[must_use]
    pub fn contains(&self, element: &Element) -> bool {
        self.last_where(|other| other <= element) == Some(element)
    }

    /// The last of those elements, from the first one on, of which something holds.
    pub(crate) fn last_where(&self, holds: impl Fn(&Element) -> bool) -> Option<&Element> {
        let after = self
            .pieces
            .partition_point(|p| p.first().is_some_and(&holds));
        let piece = self.pieces.get(after.checked_sub(1)?)?;
        piece.get(piece.partition_point(holds).checked_sub(1)?)
    }

    /// Takes elements out; those that are not there do not matter.
    pub fn remove(&mut self, gone: &[Element]) {
        for element in gone {
            let number = self.piece_of(element);
            let pieces = Arc::make_mut(&mut self.pieces);
            let Some(piece) = pieces.get_mut(number) else {
                continue;
            };
            if let Ok(place) = piece.binary_search(element) {
                Arc::make_mut(piece).remove(place);
                self.len -= 1;
                if piece.is_empty() {
                    pieces.remove(number);
                }
            }
        }
    }

    /// Puts elements in, unless they are there.
    pub fn insert(&mut self, new: &[Element]) {
        for element in new {
            let number = self.piece_of(element);
            let pieces = Arc::make_mut(&mut self.pieces);
            let Some(piece) = pieces.get_mut(number) else {
                pieces.push(Arc::new(vec![*element]));
                self.len += 1;
                continue;
            };
            if let Err(place) = piece.binary_search(element) {
                let piece = Arc::make_mut(piece);
                piece.insert(place, *element);
                self.len += 1;
                if piece.len() >= 2 * PIECE {
                    let second = piece.split_off(PIECE);
                    pieces.insert(number + 1, Arc::new(second));
                }
            }
        }
    }

    /// The piece where an element is, or would be.
    fn piece_of(&self, element: &Element) -> usize {
        let begun = |piece: &Arc<Vec<Element>>| piece.first().is_some_and(|first| first <= element);
        self.pieces.partition_point(begun).saturating_sub(1)
    }

    /// What is only in the list before, and only in this one.
    pub(crate) fn changed_since(&self, before: &Self) -> (Vec<Element>, Vec<Element>) {
        let (mut gone, mut new) = (Vec::new(), Vec::new());
        if Arc::ptr_eq(&self.pieces, &before.pieces) {
            return (gone, new);
        }
        let (mut old, mut all) = (before.iter().peekable(), self.iter().peekable());
        loop {
            match (old.peek(), all.peek()) {
                (Some(a), Some(b)) if a == b => {
                    old.next();
                    all.next();
                }
                (Some(a), Some(b)) if a > b => new.extend(all.next()),
                (Some(_), _) => gone.extend(old.next()),
                (None, Some(_)) => new.extend(all.next()),
                (None, None) => return (gone, new),
            }
        }
    }
}

impl From<Vec<Element>> for List {
    /// Of elements in any order.
    fn from(mut all: Vec<Element>) -> Self {
        all.sort_unstable();
        all.dedup();
        let pieces = all.chunks(PIECE).map(|piece| Arc::new(piece.to_vec()));
        Self {
            pieces: Arc::new(pieces.collect()),
            len: all.len(),
        }
    }
}

impl PartialEq for List {
    fn eq(&self, other: &Self) -> bool {
        let same = || Arc::ptr_eq(&self.pieces, &other.pieces);
        self.len == other.len && (same() || self.iter().eq(other.iter()))
    }
}

impl Eq for List {}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Element, List, PIECE};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    fn element(number: u16) -> Element {
        Element::Address(Ipv4Addr::from(u32::from(number)).into())
    }

    fn elements(numbers: &[u16]) -> Vec<Element> {
        numbers.iter().copied().map(element).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        /// A list is a sorted set, and the versions before stay what they were.
        #[test]
        fn a_list_is_a_sorted_set(
            first in prop::collection::vec(0..1500_u16, 0..1200),
            edits in prop::collection::vec((any::<bool>(), prop::collection::vec(0..1500_u16, 0..400)), 0..6),
        ) {
            let mut list = List::from(elements(&first));
            let mut plain: BTreeSet<Element> = elements(&first).into_iter().collect();
            for (comes, numbers) in edits {
                let (before, plain_before) = (list.clone(), plain.clone());
                let numbers = elements(&numbers);
                if comes {
                    list.insert(&numbers);
                    plain.extend(numbers);
                } else {
                    list.remove(&numbers);
                    plain.retain(|one| !numbers.contains(one));
                }
                prop_assert!(list.iter().eq(&plain));
                prop_assert_eq!(list.len(), plain.len());
                prop_assert_eq!(list.is_empty(), plain.is_empty());
                prop_assert!(list.pieces.iter().all(|p| (1..2 * PIECE).contains(&p.len())));
                prop_assert_eq!(&list, &List::from(plain.iter().copied().collect::<Vec<_>>()));
                prop_assert!(before.iter().eq(&plain_before));
                prop_assert_eq!(list == before, plain == plain_before);
                let (gone, new) = list.changed_since(&before);
                prop_assert!(gone.iter().eq(plain_before.difference(&plain)));
                prop_assert!(new.iter().eq(plain.difference(&plain_before)));
                for number in (0..1500).step_by(7) {
                    let one = element(number);
                    prop_assert_eq!(list.contains(&one), plain.contains(&one));
                    let last = list.last_where(|other| *other < one);
                    prop_assert_eq!(last, plain.range(..one).next_back());
                }
            }
        }
    }

    #[test]
    fn a_change_copies_a_piece_and_no_more() {
        let numbers: Vec<u16> = (0..60_000).step_by(2).collect();
        let before = List::from(elements(&numbers));
        let mut list = before.clone();
        assert!(Arc::ptr_eq(&list.pieces, &before.pieces));
        list.insert(&elements(&[30_001]));
        list.remove(&elements(&[30_002]));
        let pieces = list.pieces.iter().zip(before.pieces.iter());
        assert_eq!(pieces.filter(|(a, b)| !Arc::ptr_eq(a, b)).count(), 1);
        assert_eq!(list.pieces.len(), before.pieces.len());
    }
}
