//! The texts that diagnostics point into, and positions within them.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// A file of [`Sources`]. Cheap to copy; valid only for the `Sources` that issued it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A range of bytes in one file, half open: `start..end`, both below 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte; equal to `start` for a position.
    pub end: u32,
}

impl Span {
    /// A span of `start..end` in `file`; `end` is raised to `start` if it lies before it.
    #[must_use]
    pub fn new(file: FileId, start: u32, end: u32) -> Self {
        Self {
            file,
            start,
            end: end.max(start),
        }
    }

    /// The smallest span that holds both; `self` if the files differ.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        if self.file != other.file {
            return self;
        }
        Self::new(
            self.file,
            self.start.min(other.start),
            self.end.max(other.end),
        )
    }
}

/// A place as people count it: line and column from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One text with its display name.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// How the file is shown: a path relative to where the command ran, or `<stdin>`.
    pub name: String,
    /// The whole text.
    pub text: Arc<String>,
    /// Built on first use: a run without diagnostics never pays for it.
    index: OnceLock<Index>,
}

/// Where lines start, and how many characters lie before every [`STEP`]th byte, so that a place
/// is found without reading its whole line: a JSON file of 80 MB may be one line.
#[derive(Debug, Clone)]
struct Index {
    line_starts: Vec<u32>,
    characters: Vec<u32>,
}

/// Bytes between two entries of [`Index::characters`].
const STEP: usize = 1024;

impl Index {
    fn new(text: &str) -> Self {
        let mut line_starts = vec![0];
        let newlines = text.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        line_starts.extend(newlines.map(|(i, _)| clamped(i + 1)));
        let mut total = 0;
        let before = text.as_bytes().chunks(STEP).map(|chunk| {
            let before = total;
            total += characters(chunk);
            clamped(before)
        });
        let mut characters: Vec<u32> = before.collect();
        characters.push(clamped(total));
        Self {
            line_starts,
            characters,
        }
    }

    /// Characters before byte `offset`, which lies within the text.
    fn characters_before(&self, text: &str, offset: usize) -> usize {
        let step = offset / STEP;
        let known = self.characters.get(step).copied().unwrap_or(0) as usize;
        let rest = text.as_bytes().get(step * STEP..offset).unwrap_or_default();
        known + characters(rest)
    }
}

fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| (**b & 0xC0) != 0x80).count()
}

fn clamped(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl SourceFile {
    fn new(name: String, text: String) -> Self {
        Self {
            name,
            text: Arc::new(text),
            index: OnceLock::new(),
        }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.text))
    }

    /// The place of byte `offset`; the end of the text if it lies beyond.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> LineColumn {
        let index = self.index();
        let offset = (offset as usize).min(self.text.len());
        let line = index
            .line_starts
            .partition_point(|start| *start as usize <= offset)
            .max(1);
        let start = index.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let column = index.characters_before(&self.text, offset)
            - index.characters_before(&self.text, start);
        LineColumn {
            line: clamped(line),
            column: clamped(column + 1),
        }
    }

    /// The bytes of a line, from 1, without its line break; empty if there is no such line.
    #[must_use]
    pub fn line_range(&self, line: u32) -> Range<usize> {
        let starts = &self.index().line_starts;
        let start = (line as usize).checked_sub(1).and_then(|i| starts.get(i));
        let Some(start) = start.map(|start| *start as usize) else {
            return 0..0;
        };
        let next = starts.get(line as usize);
        let end = next.map_or(self.text.len(), |next| *next as usize);
        let text = self.text.get(start..end).unwrap_or_default();
        start..start + text.trim_end_matches(['\n', '\r']).len()
    }

    /// The text of a line, from 1, without its line break; empty if there is no such line.
    #[must_use]
    pub fn line(&self, line: u32) -> &str {
        self.text.get(self.line_range(line)).unwrap_or_default()
    }
}

/// Every text of one run, in the order in which they were added.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<SourceFile>,
}

impl Sources {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text, which is not copied, and returns its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(self.len());
        self.files.push(SourceFile::new(name.into(), text.into()));
        id
    }

    /// How many files there are; the next one gets this number as its id.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.files.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The file of an id, if this collection issued it.
    #[must_use]
    pub fn get(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(file.0 as usize)
    }

    /// All files with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files
            .iter()
            .enumerate()
            .map(|(i, f)| (FileId(u32::try_from(i).unwrap_or(u32::MAX)), f))
    }

    /// `file:line:column` of the start of a span.
    #[must_use]
    pub fn describe(&self, span: Span) -> String {
        match self.get(span.file) {
            Some(file) => {
                let place = file.line_column(span.start);
                format!("{}:{}:{}", file.name, place.line, place.column)
            }
            None => "<unknown>".to_owned(),
        }
    }

    /// The text of a span; empty if it lies outside its file.
    #[must_use]
    pub fn text(&self, span: Span) -> &str {
        self.get(span.file)
            .and_then(|file| file.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{FileId, LineColumn, Sources};
    use proptest::prelude::*;

    /// The same by reading every character from the start.
    fn slow(text: &str, offset: usize) -> LineColumn {
        let mut place = LineColumn { line: 1, column: 1 };
        for (at, c) in text.char_indices() {
            if at >= offset {
                break;
            }
            if c == '\n' {
                place.line += 1;
                place.column = 1;
            } else {
                place.column += 1;
            }
        }
        place
    }

    proptest! {
        #[test]
        fn places_equal_those_counted_by_hand(parts in prop::collection::vec("[aé€\n]{0,600}", 1..6)) {
            let text = parts.concat();
            let mut sources = Sources::new();
            let id = sources.add("t", text.as_str());
            let file = sources.get(id).unwrap();
            for (at, _) in text.char_indices() {
                prop_assert_eq!(file.line_column(u32::try_from(at).unwrap()), slow(&text, at));
            }
            prop_assert_eq!(file.line_column(u32::MAX), slow(&text, text.len()));
        }
    }

    #[test]
    fn lines_come_without_their_breaks() {
        let mut sources = Sources::new();
        let id = sources.add("t", "one\r\ntwo\n");
        let file = sources.get(id).unwrap();
        let lines: Vec<&str> = (0..5).map(|line| file.line(line)).collect();
        assert_eq!(lines, ["", "one", "two", "", ""]);
        assert!(sources.get(FileId(1)).is_none());
    }
}
