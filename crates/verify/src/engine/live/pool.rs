//! Values by number: each distinct key once, as long as it is kept.

use rustc_hash::FxHashMap;
use std::borrow::Borrow;
use std::hash::Hash;

/// Values by number and by key. Numbers of values that were removed are given again.
#[derive(Debug)]
pub(super) struct Pool<K, V> {
    numbers: FxHashMap<K, u32>,
    slots: Vec<Option<V>>,
    free: Vec<u32>,
}

impl<K, V> Default for Pool<K, V> {
    fn default() -> Self {
        Self {
            numbers: FxHashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<K: Hash + Eq, V> Pool<K, V> {
    /// The number of a key that is there.
    pub(super) fn number<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        self.numbers.get(key).copied()
    }

    /// Adds a value, or replaces the one of an equal key.
    pub(super) fn insert(&mut self, key: K, value: V) -> u32 {
        let number = match self.numbers.get(&key) {
            Some(known) => *known,
            None => self.vacant(),
        };
        self.numbers.insert(key, number);
        if let Some(slot) = self.slots.get_mut(number as usize) {
            *slot = Some(value);
        }
        number
    }

    /// Takes a value out.
    pub(super) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let number = self.numbers.remove(key)?;
        self.free.push(number);
        self.slots.get_mut(number as usize)?.take()
    }

    /// Adds a value that has no key.
    pub(super) fn add(&mut self, value: V) -> u32 {
        let number = self.vacant();
        if let Some(slot) = self.slots.get_mut(number as usize) {
            *slot = Some(value);
        }
        number
    }

    /// Takes a value out that has none.
    pub(super) fn take(&mut self, number: u32) -> Option<V> {
        let value = self.slots.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(value)
    }

    fn vacant(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        })
    }

    pub(super) fn get(&self, number: u32) -> Option<&V> {
        self.slots.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut V> {
        self.slots.get_mut(number as usize)?.as_mut()
    }

    /// The numbers of the keys for which something holds, sorted.
    pub(super) fn matching(&self, holds: impl Fn(&K) -> bool) -> Vec<u32> {
        let keys = self.numbers.iter();
        let mut found: Vec<u32> = keys
            .filter(|(key, _)| holds(key))
            .map(|(_, n)| *n)
            .collect();
        found.sort_unstable();
        found
    }

    /// All values by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &V)> {
        (0..)
            .zip(&self.slots)
            .filter_map(|(n, slot)| Some((n, slot.as_ref()?)))
    }
}
