//! The tree: an arena of small nodes, so that building and dropping cost little and never recurse.

use crate::scalar::{self, Scalar};
use palisade_diagnostics::{FileId, Span};
use std::fmt;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Null,
    Bool,
    Int,
    Float,
    String,
    List,
    Map,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Int => "an integer",
            Self::Float => "a number with a fraction",
            Self::String => "a string",
            Self::List => "a list",
            Self::Map => "a map",
        })
    }
}

/// Index of a node in its document.
pub(crate) type Index = u32;

/// What a node holds; ranges point into the document's tables.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    /// A plain scalar: its meaning is resolved when asked for.
    Plain {
        start: u32,
        len: u32,
    },
    /// A scalar that is a string whatever it looks like.
    Quoted {
        start: u32,
        len: u32,
    },
    List {
        start: u32,
        len: u32,
    },
    Map {
        start: u32,
        len: u32,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Data {
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) content: Content,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    /// Range of the key's text in the buffer.
    pub(crate) text: (u32, u32),
    /// Bytes of the key in the file.
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) value: Index,
}

/// One document.
#[derive(Debug, Default)]
pub struct Document {
    pub(crate) file: u32,
    pub(crate) buffer: String,
    pub(crate) nodes: Vec<Data>,
    pub(crate) items: Vec<Index>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) root: Index,
}

impl Document {
    /// The root value.
    #[must_use]
    pub fn root(&self) -> Node<'_> {
        Node {
            document: self,
            index: self.root,
        }
    }

    /// From the first to the last byte of the root value.
    #[must_use]
    pub fn span(&self) -> Span {
        self.root().span()
    }

    /// Moves all places from `from` on by `by` bytes.
    pub(crate) fn shift(&mut self, from: usize, by: usize) {
        let moved = |at: &mut u32| {
            if *at as usize >= from {
                *at = u32::try_from(*at as usize + by).unwrap_or(u32::MAX);
            }
        };
        for node in &mut self.nodes {
            moved(&mut node.start);
            moved(&mut node.end);
        }
        for entry in &mut self.entries {
            moved(&mut entry.start);
            moved(&mut entry.end);
        }
    }

    /// Makes room for what a text of `bytes` usually holds, as far as one object goes: growing step by
    /// step costs more than reading.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        let bytes = bytes.min(1 << 14);
        self.buffer.reserve(bytes / 3);
        self.nodes.reserve(bytes / 24);
        self.entries.reserve(bytes / 32);
    }

    /// Takes everything out of it, and says how many values there is still room for.
    pub(crate) fn clear(&mut self) -> usize {
        self.buffer.clear();
        self.nodes.clear();
        self.items.clear();
        self.entries.clear();
        self.root = 0;
        self.nodes.capacity().max(self.buffer.capacity() / 8)
    }

    /// Copies a text into the buffer: its range there.
    pub(crate) fn keep(&mut self, text: &str) -> (u32, u32) {
        let start = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        self.buffer.push_str(text);
        (start, u32::try_from(text.len()).unwrap_or(u32::MAX))
    }

    pub(crate) fn text(&self, start: u32, len: u32) -> &str {
        let (start, len) = (start as usize, len as usize);
        self.buffer.get(start..start + len).unwrap_or_default()
    }
}

/// A value of a document. Cheap to copy.
#[derive(Clone, Copy)]
pub struct Node<'d> {
    document: &'d Document,
    index: Index,
}

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::List => f.debug_list().entries(self.items()).finish(),
            Kind::Map => f
                .debug_map()
                .entries(self.entries().map(|(k, v)| (k.text, v)))
                .finish(),
            Kind::String => write!(f, "{:?}", self.text().unwrap_or_default()),
            _ => f.write_str(self.text().unwrap_or_default()),
        }
    }
}

/// A key of a map. Keys that are no strings are kept as their text, as the API server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'d> {
    /// Its text.
    pub text: &'d str,
    /// Where it is written.
    pub span: Span,
}

impl<'d> Node<'d> {
    fn data(self) -> Data {
        let nothing = Data {
            start: 0,
            end: 0,
            content: Content::Plain { start: 0, len: 0 },
        };
        *self
            .document
            .nodes
            .get(self.index as usize)
            .unwrap_or(&nothing)
    }

    /// Where it is written.
    #[must_use]
    pub fn span(self) -> Span {
        let data = self.data();
        Span::new(FileId(self.document.file), data.start, data.end)
    }

    fn scalar(self) -> Option<Scalar> {
        match self.data().content {
            Content::Plain { start, len } => Some(scalar::resolve(self.document.text(start, len))),
            Content::Quoted { .. } => Some(Scalar::String),
            Content::List { .. } | Content::Map { .. } => None,
        }
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match (self.data().content, self.scalar()) {
            (Content::List { .. }, _) => Kind::List,
            (Content::Map { .. }, _) => Kind::Map,
            (_, Some(Scalar::Null) | None) => Kind::Null,
            (_, Some(Scalar::Bool(_))) => Kind::Bool,
            (_, Some(Scalar::Int(_))) => Kind::Int,
            (_, Some(Scalar::Float(_))) => Kind::Float,
            (_, Some(Scalar::String)) => Kind::String,
        }
    }

    /// Whether it is null.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The text, if it is a string: quoted, or plain and of no other type.
    #[must_use]
    pub fn as_str(self) -> Option<&'d str> {
        self.text()
            .filter(|_| self.scalar() == Some(Scalar::String))
    }

    /// The value, if it is a boolean.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.scalar() {
            Some(Scalar::Bool(value)) => Some(value),
            _ => None,
        }
    }

    /// The value, if it is an integer.
    #[must_use]
    pub fn as_int(self) -> Option<i64> {
        match self.scalar() {
            Some(Scalar::Int(value)) => Some(value),
            _ => None,
        }
    }

    /// The value, if it is a number.
    #[must_use]
    pub fn as_float(self) -> Option<f64> {
        match self.scalar() {
            Some(Scalar::Float(value)) => Some(value),
            #[expect(clippy::cast_precision_loss, reason = "the caller asks for a float")]
            Some(Scalar::Int(value)) => Some(value as f64),
            _ => None,
        }
    }

    /// The written text of any scalar, escapes resolved.
    #[must_use]
    pub fn text(self) -> Option<&'d str> {
        match self.data().content {
            Content::Plain { start, len } | Content::Quoted { start, len } => {
                Some(self.document.text(start, len))
            }
            Content::List { .. } | Content::Map { .. } => None,
        }
    }

    /// The items of a list; nothing for any other value.
    pub fn items(self) -> impl Iterator<Item = Node<'d>> {
        let (start, len) = match self.data().content {
            Content::List { start, len } => (start as usize, len as usize),
            _ => (0, 0),
        };
        let document = self.document;
        let items = document.items.get(start..start + len).unwrap_or_default();
        items.iter().map(move |index| Node {
            document,
            index: *index,
        })
    }

    /// The entries of a map in written order; nothing for any other value.
    pub fn entries(self) -> impl Iterator<Item = (Key<'d>, Node<'d>)> {
        let (start, len) = match self.data().content {
            Content::Map { start, len } => (start as usize, len as usize),
            _ => (0, 0),
        };
        let document = self.document;
        let entries = document.entries.get(start..start + len).unwrap_or_default();
        entries.iter().map(move |entry| {
            let key = Key {
                text: document.text(entry.text.0, entry.text.1),
                span: Span::new(FileId(document.file), entry.start, entry.end),
            };
            let value = Node {
                document,
                index: entry.value,
            };
            (key, value)
        })
    }

    /// The value of a key.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Node<'d>> {
        self.entries()
            .find(|(k, _)| k.text == key)
            .map(|(_, value)| value)
    }

    /// Whether two values mean the same: spans and styles do not count, types do.
    #[must_use]
    pub fn same(self, other: Node<'_>) -> bool {
        match (self.kind(), other.kind()) {
            (Kind::List, Kind::List) => {
                self.items().count() == other.items().count()
                    && self.items().zip(other.items()).all(|(a, b)| a.same(b))
            }
            (Kind::Map, Kind::Map) => {
                self.entries().count() == other.entries().count()
                    && self
                        .entries()
                        .all(|(k, v)| other.get(k.text).is_some_and(|o| v.same(o)))
            }
            (Kind::Null, Kind::Null) => true,
            (Kind::Bool, Kind::Bool) => self.as_bool() == other.as_bool(),
            (Kind::Int, Kind::Int) => self.as_int() == other.as_int(),
            (a, b) => a == b && self.text() == other.text(),
        }
    }
}
