//! Maps: keys and values become entries, merge keys are resolved, duplicates are errors.

use super::Builder;
use super::syntax::TEMPLATE;
use crate::scalar::{self, Scalar};
use crate::tree::{Content, Document, Entry, Index};
use palisade_diagnostics::{Diagnostic, Span};
use std::collections::HashMap;

impl Builder<'_> {
    /// Turns keys and values into entries: merge keys are resolved, duplicates are errors.
    pub(super) fn entries(&mut self, children: &[Index]) -> u32 {
        let first = self.document.entries.len();
        let mut merges = Vec::new();
        let mut seen = Seen::new(first);
        for pair in children.chunks(2) {
            let [key, value] = pair else { continue };
            let Some(data) = self.document.nodes.get(*key as usize).copied() else {
                continue;
            };
            let at = Span::new(self.file, data.start, data.end);
            let (plain, start, len) = match data.content {
                Content::Plain { start, len } => (true, start, len),
                Content::Quoted { start, len } => (false, start, len),
                Content::List { .. } | Content::Map { .. } => {
                    let template = self.is_braced(*key);
                    self.problems.add(|| complex_key(at, template));
                    continue;
                }
            };
            let text = self.document.text(start, len);
            if plain && text == "<<" {
                merges.push((*value, at));
                continue;
            }
            let canonical = if plain { canonical_key(text) } else { None };
            let (start, len) = match &canonical {
                None => (start, len),
                Some(text) => self.document.keep(text),
            };
            let text = self.document.text(start, len);
            if let Some(before) = seen.find(&self.document, text) {
                let before = Span::new(self.file, before.start, before.end);
                self.problems.add(|| duplicate(text, before, at));
                continue;
            }
            self.document.entries.push(Entry {
                text: (start, len),
                start: data.start,
                end: data.end,
                value: *value,
            });
        }
        for (value, at) in merges {
            self.merge(value, at, &mut seen);
        }
        u32::try_from(self.document.entries.len() - first).unwrap_or(u32::MAX)
    }

    /// Whether a key is a map in braces, so that `{{` stands in the text: it is the only entry of a
    /// map whose opening brace is the character before it, or nearly so.
    fn is_braced(&self, key: Index) -> bool {
        let content = self.document.nodes.get(key as usize).map(|d| d.content);
        let frame = self.closing.zip(self.document.nodes.get(key as usize));
        matches!(content, Some(Content::Map { .. }))
            && frame.is_some_and(|(start, data)| data.start == start + 1)
    }

    /// `<<`: the entries of a map, or of a list of maps, where the map has none of its own.
    fn merge(&mut self, value: Index, at: Span, seen: &mut Seen) {
        let content = self.document.nodes.get(value as usize).map(|d| d.content);
        let sources: Vec<Index> = match content {
            Some(Content::List { start, len }) => {
                let range = start as usize..(start + len) as usize;
                self.document.items.get(range).unwrap_or_default().to_vec()
            }
            _ => vec![value],
        };
        for source in sources {
            let content = self.document.nodes.get(source as usize).map(|d| d.content);
            let Some(Content::Map { start, len }) = content else {
                self.problems.add(|| {
                    Diagnostic::error("PAL0005", "`<<` needs a map, or a list of maps")
                        .at(at, "")
                        .help("merge an alias of a map: `<<: *name`")
                });
                continue;
            };
            let range = start as usize..(start + len) as usize;
            let more = self
                .document
                .entries
                .get(range)
                .unwrap_or_default()
                .to_vec();
            for entry in more {
                let (start, len) = entry.text;
                let text = self.document.text(start, len);
                if seen.find(&self.document, text).is_none() {
                    self.document.entries.push(entry);
                }
            }
        }
    }
}

/// Finds a key among the entries of the map that is being closed: by looking at all of a few, by
/// hashing many, so that a map of any size costs linear time.
struct Seen {
    first: usize,
    /// Key to index of its entry, for those that are indexed.
    index: Option<HashMap<String, usize>>,
    indexed: usize,
}

/// Up to here looking is faster than hashing.
pub(crate) const FEW: usize = 16;

impl Seen {
    fn new(first: usize) -> Self {
        Self {
            first,
            index: None,
            indexed: first,
        }
    }

    fn find(&mut self, document: &Document, key: &str) -> Option<Entry> {
        let entries = document.entries.get(self.first..).unwrap_or_default();
        let text = |entry: &Entry| {
            let (start, len) = entry.text;
            let range = start as usize..(start + len) as usize;
            document.buffer.get(range).unwrap_or_default()
        };
        if entries.len() <= FEW {
            return entries.iter().find(|e| text(e) == key).copied();
        }
        let index = self.index.get_or_insert_with(HashMap::new);
        while let Some(entry) = document.entries.get(self.indexed) {
            index.insert(text(entry).to_owned(), self.indexed);
            self.indexed += 1;
        }
        let index = index.get(key)?;
        document.entries.get(*index).copied()
    }
}

/// The text of a key that is no string, as `sigs.k8s.io/yaml` writes it; `None` if it is as written.
pub(super) fn canonical_key(text: &str) -> Option<String> {
    match scalar::resolve(text) {
        Scalar::Bool(value) => Some(value.to_string()),
        Scalar::Int(value) => Some(value.to_string()),
        Scalar::Null | Scalar::Float(_) | Scalar::String => None,
    }
    .filter(|canonical| canonical != text)
}

fn complex_key(at: Span, template: bool) -> Diagnostic {
    let diagnostic =
        Diagnostic::error("PAL0006", "a key must be a word, not a list or a map").at(at, "");
    diagnostic.help(if template {
        TEMPLATE
    } else {
        "Kubernetes objects have string keys only"
    })
}

pub(crate) fn duplicate(text: &str, before: Span, at: Span) -> Diagnostic {
    Diagnostic::error("PAL0010", format!("duplicate key `{text}`"))
        .at(at, "given again here")
        .at(before, "first given here")
        .help("keep one of the two: the API server would silently take the last")
}
