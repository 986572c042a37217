//! Long lists of names that occur again and again: written out once, and called by a letter elsewhere.

use super::words;
use palisade_diagnostics::{Section, Table};
use std::collections::BTreeMap;

/// Names of a list that is short enough to be written wherever it occurs.
const SHORT: usize = 5;

/// The long lists that occur more than once.
#[derive(Debug)]
pub(crate) struct NamedSets {
    /// List to letter, in order of letters.
    letters: Vec<(Vec<String>, String)>,
}

impl NamedSets {
    /// Names the long lists among these, in order of their first occurrence.
    pub(crate) fn new(lists: impl Iterator<Item = Vec<String>>) -> Self {
        let mut counts: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        let mut order = Vec::new();
        for list in lists.filter(|list| list.len() > SHORT) {
            let count = counts.entry(list).or_insert_with_key(|list| {
                order.push(list.clone());
                0
            });
            *count += 1;
        }
        let repeated = order
            .into_iter()
            .filter(|l| counts.get(l).is_some_and(|c| *c > 1));
        Self {
            letters: repeated
                .enumerate()
                .map(|(index, list)| (list, letter(index)))
                .collect(),
        }
    }

    /// A list, or the letter that stands for it.
    pub(crate) fn shown(&self, list: &[String]) -> String {
        match self.letters.iter().find(|(known, _)| known == list) {
            Some((_, letter)) => format!("set {letter}"),
            None => words::joined(list),
        }
    }

    /// What the letters stand for.
    pub(crate) fn section(&self) -> Option<Section> {
        let rows = self.letters.iter();
        let rows = rows.map(|(list, letter)| vec![format!("set {letter}"), words::joined(list)]);
        (!self.letters.is_empty()).then(|| Section {
            title: "The sets".to_owned(),
            paragraphs: Vec::new(),
            table: Some(Table {
                columns: vec!["set".to_owned(), "members".to_owned()],
                rows: rows.collect(),
            }),
        })
    }
}

/// A, B, ... Z, A1, B1, ...
fn letter(index: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    match index / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{NamedSets, letter};

    #[test]
    fn only_long_lists_that_repeat_get_a_letter() {
        let list = |n: usize, first: &str| {
            let mut list = vec![first.to_owned()];
            list.extend((1..n).map(|i| format!("w{i}")));
            list
        };
        let long = list(6, "a");
        let lists = [
            long.clone(),
            list(6, "b"),
            list(5, "c"),
            long.clone(),
            list(5, "c"),
        ];
        let named = NamedSets::new(lists.into_iter());
        assert_eq!(named.shown(&long), "set A");
        assert!(named.shown(&list(6, "b")).starts_with("b, w1"));
        assert!(named.shown(&list(5, "c")).starts_with("c, w1"));
        assert_eq!(named.section().unwrap().table.unwrap().rows.len(), 1);
        assert_eq!([letter(0), letter(25), letter(26)], ["A", "Z", "A1"]);
    }
}
