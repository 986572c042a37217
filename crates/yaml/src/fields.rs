//! Typed access to a map: remembers which keys were asked for, and says what is wrong with the others.

use crate::tree::{Key, Kind, Node};
use palisade_diagnostics::{Diagnostic, Span, did_you_mean};
use std::ops::RangeInclusive;

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

/// The fields of a map, as its reader knows them.
#[derive(Debug)]
pub struct Fields<'d> {
    node: Node<'d>,
    what: &'static str,
    asked: Vec<String>,
}

impl<'d> Fields<'d> {
    /// The fields of a map; `None` and a diagnostic if the value is none. `what` names it for people:
    /// `NetworkPolicy spec`.
    pub fn of(node: Node<'d>, what: &'static str, out: &mut Vec<Diagnostic>) -> Option<Self> {
        if node.kind() != Kind::Map {
            out.push(wrong_type(node, what, "a map"));
            return None;
        }
        Some(Self {
            node,
            what,
            asked: Vec::new(),
        })
    }

    /// Where the map is written.
    #[must_use]
    pub fn span(&self) -> Span {
        self.node.span()
    }

    /// What the map is, for people.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The value of a key; `None` if it is absent or null.
    pub fn node(&mut self, key: &str) -> Option<Node<'d>> {
        self.node_or_null(key).filter(|node| !node.is_null())
    }

    /// The value of a key, null included.
    pub fn node_or_null(&mut self, key: &str) -> Option<Node<'d>> {
        self.asked.push(key.to_owned());
        self.node.get(key)
    }

    /// A string.
    pub fn string(&mut self, key: &str, out: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
        let node = self.node(key)?;
        self.read_string(node, key, out)
    }

    fn read_string(
        &self,
        node: Node<'_>,
        key: &str,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Spanned<String>> {
        let Some(text) = node.as_str() else {
            let mut diagnostic = wrong_type(node, key, "a string");
            if let Some(text) = node.text() {
                diagnostic = diagnostic.help(format!("put it in quotes: \"{text}\""));
            }
            out.push(diagnostic);
            return None;
        };
        Some(Spanned {
            value: text.to_owned(),
            span: node.span(),
        })
    }

    /// A string that must be there.
    pub fn required_string(
        &mut self,
        key: &str,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Spanned<String>> {
        if self.node(key).is_none() {
            out.push(self.missing(key));
            return None;
        }
        self.string(key, out)
    }

    /// The diagnostic for a key that must be there and is not.
    #[must_use]
    pub fn missing(&self, key: &str) -> Diagnostic {
        Diagnostic::error("PAL0022", format!("{} needs `{key}`", self.what))
            .at(self.head(), "in this object")
            .help(format!("add `{key}:`"))
    }

    /// The first key of the map: a place on one line.
    fn head(&self) -> Span {
        self.node
            .entries()
            .next()
            .map_or_else(|| self.node.span(), |(key, _)| key.span)
    }

    /// A boolean.
    pub fn bool(&mut self, key: &str, out: &mut Vec<Diagnostic>) -> Option<Spanned<bool>> {
        let node = self.node(key)?;
        let Some(value) = node.as_bool() else {
            out.push(wrong_type(node, key, "true or false"));
            return None;
        };
        Some(Spanned {
            value,
            span: node.span(),
        })
    }

    /// An integer in a range.
    pub fn int(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Spanned<i64>> {
        let node = self.node(key)?;
        let Some(value) = node.as_int() else {
            out.push(wrong_type(node, key, "an integer"));
            return None;
        };
        if !range.contains(&value) {
            let (low, high) = (range.start(), range.end());
            out.push(
                Diagnostic::error("PAL0023", format!("`{key}` is {value}, out of range"))
                    .at(node.span(), "")
                    .help(format!("give a number from {low} to {high}")),
            );
            return None;
        }
        Some(Spanned {
            value,
            span: node.span(),
        })
    }

    /// A list of strings; items of another type are reported and left out.
    pub fn strings(&mut self, key: &str, out: &mut Vec<Diagnostic>) -> Vec<Spanned<String>> {
        let items = self.list(key, out);
        items
            .into_iter()
            .filter_map(|item| self.read_string(item, key, out))
            .collect()
    }

    /// A map of strings, as labels are; values of another type are reported and left out.
    pub fn string_map(
        &mut self,
        key: &str,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<(Spanned<String>, Spanned<String>)> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        if node.kind() != Kind::Map {
            out.push(wrong_type(node, key, "a map of strings"));
            return Vec::new();
        }
        let pair = |(k, v): (Key<'_>, Node<'_>), out: &mut Vec<Diagnostic>| {
            let value = self.read_string(v, k.text, out)?;
            let key = Spanned {
                value: k.text.to_owned(),
                span: k.span,
            };
            Some((key, value))
        };
        node.entries().filter_map(|e| pair(e, out)).collect()
    }

    /// The items of a list; empty if it is absent, null or (with a diagnostic) no list.
    pub fn list(&mut self, key: &str, out: &mut Vec<Diagnostic>) -> Vec<Node<'d>> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        if node.kind() != Kind::List {
            out.push(wrong_type(node, key, "a list").help("begin each item with `- `"));
            return Vec::new();
        }
        node.items().collect()
    }

    /// The fields of a map under a key.
    pub fn map(
        &mut self,
        key: &str,
        what: &'static str,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Fields<'d>> {
        let node = self.node(key)?;
        Fields::of(node, what, out)
    }

    /// Keys that are known and not read.
    pub fn ignore(&mut self, keys: &[&str]) {
        self.asked.extend(keys.iter().map(|k| (*k).to_owned()));
    }

    /// Warns of every key that nobody asked for.
    pub fn finish(self, out: &mut Vec<Diagnostic>) {
        out.extend(self.unknown(Diagnostic::warning));
    }

    /// Reports every key that nobody asked for as an error.
    pub fn finish_strict(self, out: &mut Vec<Diagnostic>) {
        out.extend(self.unknown(Diagnostic::error));
    }

    fn unknown(&self, new: fn(&'static str, String) -> Diagnostic) -> Vec<Diagnostic> {
        let known = |key: &str| self.asked.iter().any(|a| a == key);
        self.node
            .entries()
            .filter(|(key, _)| !known(key.text))
            .map(|(key, _)| {
                let title = format!("unknown field `{}` in {}", key.text, self.what);
                let diagnostic = new("PAL0020", title).at(key.span, "");
                match did_you_mean(key.text, self.asked.iter().map(String::as_str)) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic.help("remove it, or check its spelling and indentation"),
                }
            })
            .collect()
    }
}

fn wrong_type(node: Node<'_>, key: &str, wanted: &str) -> Diagnostic {
    Diagnostic::error("PAL0021", format!("`{key}` is {}", node.kind()))
        .at(node.span(), format!("expected {wanted}"))
}
