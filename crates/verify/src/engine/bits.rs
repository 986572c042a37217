//! A set of endpoints as bits; the universe is fixed when the engine is built.

/// A set of small numbers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// The empty set with room for `len` members.
    pub(crate) fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    /// The members of `0..len` for which `keep` holds.
    pub(crate) fn of(len: usize, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut bits = Self::new(len);
        for i in 0..len {
            if keep(i) {
                bits.insert(i);
            }
        }
        bits
    }

    /// Adds a member below the length given to [`Bits::new`]; others are left out.
    pub(crate) fn insert(&mut self, i: usize) {
        if let Some(word) = self.0.get_mut(i / 64) {
            *word |= 1 << (i % 64);
        }
    }

    /// Whether `i` is a member.
    pub(crate) fn contains(&self, i: usize) -> bool {
        self.0.get(i / 64).is_some_and(|w| (w >> (i % 64)) & 1 == 1)
    }

    /// Whether nothing is in the set.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn members_are_what_was_put_in() {
        let mut bits = Bits::of(200, |i| i % 63 == 0);
        assert!(bits.contains(126) && !bits.contains(127) && !bits.contains(1000));
        bits.insert(127);
        assert!(bits.contains(126) && bits.contains(127));
    }
}
