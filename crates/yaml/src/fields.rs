//! Typed access to a map: remembers which keys were asked for, and says what is wrong with the others.

use crate::tree::{Key, Kind, Node};
use palisade_diagnostics::{Diagnostic, Span, did_you_mean};
use std::ops::RangeInclusive;

/// The code of a key that nobody asked for.
pub const UNKNOWN_FIELD: &str = "PAL0020";

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
    /// Which of the first entries were asked for, one bit each: what nearly every map needs, so that
    /// the names below are looked at only where a key is unknown.
    known: u64,
    /// The keys asked for, and lists of those that are known and not read.
    asked: Vec<&'static str>,
    ignored: Vec<&'static [&'static str]>,
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
            known: 0,
            asked: Vec::new(),
            ignored: Vec::new(),
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
    pub fn node(&mut self, key: &'static str) -> Option<Node<'d>> {
        self.node_or_null(key).filter(|node| !node.is_null())
    }

    /// The value of a key, null included.
    pub fn node_or_null(&mut self, key: &'static str) -> Option<Node<'d>> {
        let mut entries = self.node.entries().zip(0_u32..);
        let found = entries.find(|((k, _), _)| k.text == key);
        match found {
            // Whoever asks twice, asked before.
            Some((_, at)) if at < u64::BITS && self.known & 1 << at != 0 => {}
            Some((_, at)) if at < u64::BITS => {
                self.known |= 1 << at;
                self.asked.push(key);
            }
            _ => self.asked.push(key),
        }
        found.map(|((_, node), _)| node)
    }

    /// A string.
    pub fn string(
        &mut self,
        key: &'static str,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Spanned<String>> {
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
        key: &'static str,
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
    pub fn bool(&mut self, key: &'static str, out: &mut Vec<Diagnostic>) -> Option<Spanned<bool>> {
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
        key: &'static str,
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
    pub fn strings(
        &mut self,
        key: &'static str,
        out: &mut Vec<Diagnostic>,
    ) -> Vec<Spanned<String>> {
        let items = self.list(key, out);
        items
            .into_iter()
            .filter_map(|item| self.read_string(item, key, out))
            .collect()
    }

    /// A map of strings, as labels are; values of another type are reported and left out.
    pub fn string_map(
        &mut self,
        key: &'static str,
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
    pub fn list(&mut self, key: &'static str, out: &mut Vec<Diagnostic>) -> Vec<Node<'d>> {
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
        key: &'static str,
        what: &'static str,
        out: &mut Vec<Diagnostic>,
    ) -> Option<Fields<'d>> {
        let node = self.node(key)?;
        Fields::of(node, what, out)
    }

    /// Keys that are known and not read.
    pub fn ignore(&mut self, keys: &'static [&'static str]) {
        self.ignored.push(keys);
    }

    /// Warns of every key that nobody asked for.
    pub fn finish(self, out: &mut Vec<Diagnostic>) {
        self.unknown(Diagnostic::warning, out);
    }

    /// Reports every key that nobody asked for as an error.
    pub fn finish_strict(self, out: &mut Vec<Diagnostic>) {
        self.unknown(Diagnostic::error, out);
    }

    fn unknown(&self, new: fn(&'static str, String) -> Diagnostic, out: &mut Vec<Diagnostic>) {
        for ((key, _), at) in self.node.entries().zip(0_u32..) {
            let asked = match at < u64::BITS {
                true => self.known & 1 << at != 0,
                false => self.asked.contains(&key.text),
            };
            if asked || self.ignored.iter().any(|keys| keys.contains(&key.text)) {
                continue;
            }
            let title = format!("unknown field `{}` in {}", key.text, self.what);
            let diagnostic = new(UNKNOWN_FIELD, title).at(key.span, "");
            let ignored = self.ignored.iter().copied().flatten();
            out.push(
                match did_you_mean(key.text, self.asked.iter().chain(ignored).copied()) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                    None => diagnostic.help("remove it, or check its spelling and indentation"),
                },
            );
        }
    }
}

fn wrong_type(node: Node<'_>, key: &str, wanted: &str) -> Diagnostic {
    Diagnostic::error("PAL0021", format!("`{key}` is {}", node.kind()))
        .at(node.span(), format!("expected {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::Fields;
    use crate::{Limits, parse};
    use palisade_diagnostics::{Diagnostic, FileId, Severity};

    const TEXT: &str = "name: web\nport: 70000\nready: \"yes\"\nlabels: {app: on, tier: web}\nreplcas: []\nargs: [a, 1]\nnothing:\n";

    fn read(use_fields: impl FnOnce(Fields<'_>, &mut Vec<Diagnostic>)) -> Vec<(Severity, String)> {
        let parsed = parse(FileId(0), TEXT, &Limits::default());
        let mut out = Vec::new();
        let fields = Fields::of(parsed.documents[0].root(), "the test", &mut out).unwrap();
        use_fields(fields, &mut out);
        out.into_iter()
            .map(|d| {
                (
                    d.severity,
                    format!("{} {} {}", d.code.0, d.title, d.help.concat())
                        .trim()
                        .to_owned(),
                )
            })
            .collect()
    }

    #[test]
    fn wrong_values_are_named() {
        let said = read(|mut fields, out| {
            assert_eq!(fields.string("name", out).unwrap().value, "web");
            assert!(fields.node("nothing").is_none() && fields.node_or_null("nothing").is_some());
            assert!(fields.required_string("nothing", out).is_none());
            assert!(fields.int("port", 1..=65_535, out).is_none());
            assert!(fields.bool("ready", out).is_none());
            assert_eq!(fields.string_map("labels", out).len(), 1);
            assert_eq!(fields.strings("args", out).len(), 1);
            assert!(fields.map("name", "the name", out).is_none());
            assert!(fields.list("labels", out).is_empty());
        });
        let said: Vec<&str> = said.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(
            said,
            [
                "PAL0022 the test needs `nothing` add `nothing:`",
                "PAL0023 `port` is 70000, out of range give a number from 1 to 65535",
                "PAL0021 `ready` is a string",
                "PAL0021 `app` is a boolean put it in quotes: \"on\"",
                "PAL0021 `args` is an integer put it in quotes: \"1\"",
                "PAL0021 `the name` is a string",
                "PAL0021 `labels` is a map begin each item with `- `",
            ]
        );
    }

    #[test]
    fn unknown_fields_get_a_suggestion() {
        let ask = |fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>| {
            fields.list("replicas", out);
            fields.ignore(&["name", "port", "ready", "labels", "args", "nothing"]);
        };
        let title =
            "PAL0020 unknown field `replcas` in the test did you mean `replicas`?".to_owned();
        let lenient = read(|mut fields, out| {
            ask(&mut fields, out);
            fields.finish(out);
        });
        assert_eq!(lenient, [(Severity::Warning, title.clone())]);
        let strict = read(|mut fields, out| {
            ask(&mut fields, out);
            fields.finish_strict(out);
        });
        assert_eq!(strict, [(Severity::Error, title)]);
    }

    #[test]
    fn a_map_of_any_size_has_only_its_unknown_fields_told() {
        let keys: Vec<&'static str> = (0..130).map(|n| &*format!("k{n:03}").leak()).collect();
        let text: String = keys.iter().map(|key| format!("{key}: 1\n")).collect();
        let parsed = parse(FileId(0), &text, &Limits::default());
        let (asked, rest) = keys.split_at(100);
        let (ignored, unknown): (Vec<&str>, Vec<&str>) =
            rest.iter().partition(|key| !key.ends_with('7'));
        let mut out = Vec::new();
        let mut fields = Fields::of(parsed.documents[0].root(), "the test", &mut out).unwrap();
        for key in asked.iter().filter(|key| !key.ends_with('7')) {
            for _ in 0..2 {
                assert!(fields.node(key).is_some());
            }
        }
        fields.ignore(ignored.leak());
        fields.finish(&mut out);
        let told = |key: &&str| out.iter().any(|d| d.title.contains(&format!("`{key}`")));
        let wanted: Vec<&str> = keys.iter().copied().filter(|k| k.ends_with('7')).collect();
        assert_eq!(
            keys.iter().copied().filter(|k| told(k)).collect::<Vec<_>>(),
            wanted
        );
        assert_eq!((out.len(), unknown.len()), (13, 3));
    }
}
