//! An inverted index over labels: which members carry a label that some selector reads.
//!
//! A selector then is a few operations on sets, whatever the number of members. Labels that no
//! selector reads cost nothing.

use palisade_netmodel::{Labels, Operator, Selector, SmolStr};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

/// Members by label.
#[derive(Debug, Default)]
pub(crate) struct LabelIndex {
    keys: FxHashMap<SmolStr, Key>,
}

/// One key that selectors read.
#[derive(Debug, Default)]
struct Key {
    /// Who has it.
    members: RoaringBitmap,
    /// Who has it with a value that selectors read.
    values: FxHashMap<SmolStr, RoaringBitmap>,
}

impl LabelIndex {
    /// An index for these selectors, without members.
    pub(crate) fn new<'s>(selectors: impl IntoIterator<Item = &'s Selector>) -> Self {
        let mut index = Self::default();
        for requirement in selectors.into_iter().flat_map(|s| &s.requirements) {
            let read = |key: &mut Key| {
                if let Operator::In(values) | Operator::NotIn(values) = &requirement.operator {
                    for value in values {
                        if !key.values.contains_key(value) {
                            key.values.insert(value.clone(), RoaringBitmap::new());
                        }
                    }
                }
            };
            match index.keys.get_mut(&requirement.key) {
                Some(key) => read(key),
                None => read(index.keys.entry(requirement.key.clone()).or_default()),
            }
        }
        index
    }

    /// Adds a member. Cost: its labels.
    pub(crate) fn insert(&mut self, member: u32, labels: &Labels) {
        for (key, value) in labels.iter() {
            if let Some(key) = self.keys.get_mut(key) {
                key.members.insert(member);
                if let Some(members) = key.values.get_mut(value) {
                    members.insert(member);
                }
            }
        }
    }

    /// Those among `base` that a selector takes, which the index was made for. On a missing key `In` and
    /// `Exists` are false, `NotIn` and `DoesNotExist` are true (`Kubernetes API, LabelSelector`).
    /// `labels` are those of a member.
    pub(crate) fn select<'l>(
        &self,
        selector: &Selector,
        base: &RoaringBitmap,
        labels: impl Fn(u32) -> Option<&'l Labels>,
    ) -> RoaringBitmap {
        let mut set: Option<RoaringBitmap> = None;
        for requirement in &selector.requirements {
            let before = set.as_ref().unwrap_or(base);
            let Some(key) = self.keys.get(&requirement.key) else {
                continue;
            };
            let with = |values: &[SmolStr]| key.with(values, before, &requirement.key, &labels);
            let after = match &requirement.operator {
                Operator::In(values) => with(values),
                Operator::NotIn(values) => before - with(values),
                Operator::Exists => before & &key.members,
                Operator::DoesNotExist => before - &key.members,
            };
            set = Some(after);
        }
        set.unwrap_or_else(|| base.clone())
    }
}

impl Key {
    /// Those among `base` that have one of the values: looked up value by value, or member by member if
    /// there are fewer members.
    fn with<'l>(
        &self,
        values: &[SmolStr],
        base: &RoaringBitmap,
        name: &str,
        labels: impl Fn(u32) -> Option<&'l Labels>,
    ) -> RoaringBitmap {
        let of = |value: &SmolStr| self.values.get(value);
        if let [value] = values {
            return of(value).map(|members| base & members).unwrap_or_default();
        }
        if base.intersection_len(&self.members) < values.len() as u64 {
            let has = |member: &u32| {
                let value = labels(*member).and_then(|l| l.get(name));
                value.is_some_and(|v| values.iter().any(|value| value == v))
            };
            return (base & &self.members).into_iter().filter(has).collect();
        }
        let any = values.iter().filter_map(of);
        base & any.fold(RoaringBitmap::new(), |all, members| all | members)
    }
}

#[cfg(test)]
mod tests {
    use super::LabelIndex;
    use palisade_netmodel::{LabelRequirement, Labels, Operator, Selector};
    use roaring::RoaringBitmap;

    /// Every operator, on a missing key, on one of the values and on another.
    #[test]
    fn agrees_with_matching_one_by_one() {
        let operators = [
            Operator::In(vec!["a".into(), "b".into()]),
            Operator::In(vec!["a".into()]),
            Operator::NotIn(vec!["a".into(), "c".into()]),
            Operator::NotIn(vec!["b".into()]),
            Operator::Exists,
            Operator::DoesNotExist,
        ];
        let members = [
            Labels::default(),
            Labels::from_iter([("k", "a")]),
            Labels::from_iter([("k", "b")]),
            Labels::from_iter([("k", "d"), ("l", "a")]),
        ];
        for first in &operators {
            for second in &operators {
                let requirements = [first, second].map(|operator| LabelRequirement {
                    key: "k".into(),
                    operator: operator.clone(),
                });
                let selector = Selector {
                    requirements: requirements.to_vec(),
                };
                let mut index = LabelIndex::new([&selector]);
                for (i, labels) in (0..).zip(&members) {
                    index.insert(i, labels);
                }
                let expected: RoaringBitmap = (0..)
                    .zip(&members)
                    .filter(|(_, labels)| selector.matches(labels))
                    .map(|(i, _)| i)
                    .collect();
                let base: RoaringBitmap = (0..4).collect();
                let labels = |i: u32| members.get(i as usize);
                assert_eq!(
                    index.select(&selector, &base, labels),
                    expected,
                    "{selector}"
                );
            }
        }
    }
}
