//! Labels and label selectors (`Kubernetes API, LabelSelector`).

use smol_str::SmolStr;
use std::fmt;

/// The labels of a pod or namespace, in the order of their keys.
///
/// A cluster holds more labels than anything else, and has no more than a handful on an object: a sorted list of
/// words that stand in place up to 23 bytes takes a third of the memory of a map of strings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Vec<(SmolStr, SmolStr)>);

impl Labels {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.place(key).ok()?;
        self.0.get(at).map(|(_, value)| value.as_str())
    }

    /// Whether there is a label with this key.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_ok()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all of `wanted` are among these: `matchLabels` as Services and Istio's selectors are read.
    #[must_use]
    pub fn include(&self, wanted: &Labels) -> bool {
        wanted
            .iter()
            .all(|(key, value)| self.get(key) == Some(value))
    }

    /// Keys and values.
    pub fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = (&str, &str)> + DoubleEndedIterator + Clone {
        self.0
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The keys.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Sets a label; what its value was before.
    pub fn insert(&mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Option<String> {
        let (key, value) = (key.as_ref(), SmolStr::new(value));
        match self.place(key) {
            Ok(at) => {
                let (_, old) = self.0.get_mut(at)?;
                Some(std::mem::replace(old, value).into())
            }
            Err(at) => {
                self.0.insert(at, (SmolStr::new(key), value));
                None
            }
        }
    }

    /// Takes a label away; what its value was.
    pub fn remove(&mut self, key: &str) -> Option<String> {
        let at = self.place(key).ok()?;
        Some(self.0.remove(at).1.into())
    }

    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0
            .binary_search_by(|(other, _)| other.as_str().cmp(key))
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Labels {
    /// Of pairs with the same key the last counts.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pair = |(key, value): (K, V)| (SmolStr::new(key), SmolStr::new(value));
        let mut pairs: Vec<_> = pairs.into_iter().map(pair).collect();
        // A stable order; of equal keys the last one is moved to the front, and the others go.
        pairs.reverse();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|later, kept| later.0 == kept.0);
        pairs.shrink_to_fit();
        Self(pairs)
    }
}

impl<K: AsRef<str>, V: AsRef<str>> Extend<(K, V)> for Labels {
    /// Of pairs with the same key the last counts.
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, pairs: I) {
        for (key, value) in pairs {
            self.insert(key, value);
        }
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (key, value)) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            write!(f, "{key}={value}")?;
        }
        Ok(())
    }
}

/// One requirement of a selector. `matchLabels: {k: v}` is `k In [v]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    /// Label key.
    pub key: SmolStr,
    /// What must hold of it.
    pub operator: Operator,
}

/// `Kubernetes API, LabelSelectorRequirement.operator`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// The key is present with one of the values (at least one, sorted).
    In(Vec<SmolStr>),
    /// The key is absent, or present with another value (at least one, sorted).
    NotIn(Vec<SmolStr>),
    /// The key is present.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

/// A conjunction of requirements; the empty selector matches everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Selector {
    /// All must hold.
    pub requirements: Vec<Requirement>,
}

impl Selector {
    /// The selector that matches everything.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// `matchLabels`.
    #[must_use]
    pub fn of<K: Into<SmolStr>, V: Into<SmolStr>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let requirements = pairs
            .into_iter()
            .map(|(key, value)| Requirement {
                key: key.into(),
                operator: Operator::In(vec![value.into()]),
            })
            .collect();
        Self { requirements }
    }

    /// Whether the selector has no requirement.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether the labels satisfy every requirement.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|r| r.matches(labels))
    }
}

impl Requirement {
    /// Whether the labels satisfy it. On a missing key `In` and `Exists` are false, `NotIn` and
    /// `DoesNotExist` are true.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|v| values.iter().any(|x| x == v)),
            Operator::NotIn(values) => value.is_none_or(|v| values.iter().all(|x| x != v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.requirements.is_empty() {
            return f.write_str("{}");
        }
        for (i, r) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match &r.operator {
                Operator::In(values) if values.len() == 1 => {
                    write!(f, "{}={}", r.key, values.concat())?;
                }
                Operator::In(values) => write!(f, "{} in ({})", r.key, values.join(","))?,
                Operator::NotIn(values) => write!(f, "{} notin ({})", r.key, values.join(","))?,
                Operator::Exists => f.write_str(&r.key)?,
                Operator::DoesNotExist => write!(f, "!{}", r.key)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Labels;

    #[test]
    fn the_last_of_equal_keys_counts_and_the_order_is_that_of_keys() {
        let labels =
            Labels::from_iter([("b", "1"), ("a", "2"), ("b", "3"), ("c", "4"), ("b", "5")]);
        let pairs: Vec<_> = labels.iter().collect();
        assert_eq!(pairs, [("a", "2"), ("b", "5"), ("c", "4")]);
        let mut other = Labels::from_iter([("c", "4")]);
        other.extend([("b", "1"), ("a", "2")]);
        assert_ne!(other, labels);
        assert_eq!(other.insert("b", "5"), Some("1".to_owned()));
        assert_eq!(other.insert("0", ""), None);
        assert!(other.include(&labels) && !labels.include(&other));
        assert_eq!(other.keys().collect::<String>(), "0abc");
        assert_eq!(other.remove("0"), Some(String::new()));
        assert_eq!((other.remove("0"), other), (None, labels));
    }
}
