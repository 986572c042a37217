//! The texts that diagnostics point into, and positions within them.

use crate::blocks::{Blocks, Text, characters};
use std::borrow::Cow;
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
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Whole {
        text: Arc<String>,
        /// Built on first use: a run without diagnostics never pays for it.
        index: OnceLock<Index>,
    },
    Blocks(Arc<Blocks>),
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

    fn line_column(&self, text: &str, offset: usize) -> LineColumn {
        let line = self
            .line_starts
            .partition_point(|start| *start as usize <= offset)
            .max(1);
        let start = self.line_starts.get(line - 1).copied().unwrap_or(0) as usize;
        let column = self.characters_before(text, offset) - self.characters_before(text, start);
        LineColumn {
            line: clamped(line),
            column: clamped(column + 1),
        }
    }

    fn line_range(&self, text: &str, line: u32) -> Range<usize> {
        let starts = &self.line_starts;
        let start = (line as usize).checked_sub(1).and_then(|i| starts.get(i));
        let Some(start) = start.map(|start| *start as usize) else {
            return 0..0;
        };
        let next = starts.get(line as usize);
        let end = next.map_or(text.len(), |next| *next as usize);
        let line = text.get(start..end).unwrap_or_default();
        start..start + line.trim_end_matches(['\n', '\r']).len()
    }
}

fn clamped(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Bytes of a text that are shown at most in one piece, and more than any excerpt needs.
const SHOWN: usize = 4096;
/// Bytes before a place that are looked at for what belongs to it.
const BACK: usize = 1 << 16;

impl SourceFile {
    fn new(name: String, text: String) -> Self {
        let content = Content::Whole {
            text: Arc::new(text),
            index: OnceLock::new(),
        };
        Self { name, content }
    }

    /// The text, to be read.
    #[must_use]
    pub fn text(&self) -> Text<'_> {
        match &self.content {
            Content::Whole { text, .. } => Text::Whole(text),
            Content::Blocks(blocks) => Text::Blocks(blocks),
        }
    }

    /// The whole text at once, for those who cannot do with less. A long one is put together for it.
    #[must_use]
    pub fn whole(&self) -> Cow<'_, str> {
        self.get(0..self.len()).unwrap_or_default()
    }

    /// Bytes of the text.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Whole { text, .. } => text.len(),
            Content::Blocks(blocks) => blocks.len(),
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A range of the text; `None` if it does not lie within it, or cuts a character.
    #[must_use]
    pub fn get(&self, range: Range<usize>) -> Option<Cow<'_, str>> {
        match &self.content {
            Content::Whole { text, .. } => text.get(range).map(Cow::Borrowed),
            Content::Blocks(blocks) => {
                if range.start > range.end || range.end > blocks.len() {
                    return None;
                }
                if range.is_empty() {
                    let next = blocks.bytes(range.start..range.start + 1);
                    let within = next.first().is_some_and(|byte| (*byte & 0xC0) == 0x80);
                    return (!within).then(Cow::default);
                }
                let text = String::from_utf8(blocks.bytes(range)).ok()?;
                Some(Cow::Owned(text))
            }
        }
    }

    /// What stands before a byte, as far as anybody looks back, and where that begins.
    #[must_use]
    pub fn before(&self, offset: usize) -> Option<(usize, Cow<'_, str>)> {
        let near = offset.saturating_sub(BACK);
        // A character has four bytes at most.
        let starts = near..=offset.min(near + 3);
        starts
            .into_iter()
            .find_map(|start| Some((start, self.get(start..offset)?)))
    }

    /// The place of byte `offset`; the end of the text if it lies beyond.
    #[must_use]
    pub fn line_column(&self, offset: u32) -> LineColumn {
        match &self.content {
            Content::Whole { text, index } => {
                let index = index.get_or_init(|| Index::new(text));
                index.line_column(text, (offset as usize).min(text.len()))
            }
            Content::Blocks(blocks) => blocks.line_column(offset as usize),
        }
    }

    /// The bytes of a line, from 1, without its line break; empty if there is no such line.
    #[must_use]
    pub fn line_range(&self, line: u32) -> Range<usize> {
        match &self.content {
            Content::Whole { text, index } => {
                let index = index.get_or_init(|| Index::new(text));
                index.line_range(text, line)
            }
            Content::Blocks(blocks) => blocks.line_range(line as usize),
        }
    }

    /// The text of a line, from 1, without its line break, as far as anybody shows it; empty if there is no
    /// such line.
    #[must_use]
    pub fn line(&self, line: u32) -> Cow<'_, str> {
        self.shown(self.line_range(line)).1
    }

    /// As much of a range as anybody shows, and where it begins: at a character.
    pub(crate) fn shown(&self, range: Range<usize>) -> (usize, Cow<'_, str>) {
        let end = range.end.min(range.start.saturating_add(SHOWN));
        let end = end.min(self.len());
        let near = range.start.min(end)..end;
        let bytes = match &self.content {
            Content::Whole { text, .. } => {
                Cow::Borrowed(text.as_bytes().get(near).unwrap_or_default())
            }
            Content::Blocks(blocks) => Cow::Owned(blocks.bytes(near)),
        };
        let inner = |byte: &u8| (*byte & 0xC0) == 0x80;
        let before = bytes.iter().take_while(|byte| inner(byte)).count();
        let rest = bytes.get(before..).unwrap_or_default();
        let whole = match std::str::from_utf8(rest) {
            Ok(_) => rest.len(),
            Err(error) => error.valid_up_to(),
        };
        let whole = before..before + whole;
        let text = match bytes {
            Cow::Borrowed(bytes) => {
                let bytes = bytes.get(whole).unwrap_or_default();
                Cow::Borrowed(std::str::from_utf8(bytes).unwrap_or_default())
            }
            Cow::Owned(bytes) => {
                let bytes = bytes.get(whole).unwrap_or_default();
                Cow::Owned(String::from_utf8(bytes.to_vec()).unwrap_or_default())
            }
        };
        (range.start + before, text)
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

    /// Adds a long text and returns its id.
    pub fn add_blocks(&mut self, name: impl Into<String>, blocks: Blocks) -> FileId {
        let id = FileId(self.len());
        self.files.push(SourceFile {
            name: name.into(),
            content: Content::Blocks(Arc::new(blocks)),
        });
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
    pub fn text(&self, span: Span) -> Cow<'_, str> {
        self.get(span.file)
            .and_then(|file| file.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::{FileId, LineColumn, Sources};
    use crate::Blocks;
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

    /// The same text whole and in blocks of the given sizes.
    fn both(text: &str, sizes: &[usize]) -> Sources {
        let mut sources = Sources::new();
        sources.add("t", text);
        let mut sizes = sizes.iter().copied().cycle();
        let (mut parts, mut rest) = (Vec::new(), text);
        while !rest.is_empty() {
            let size = sizes.next().unwrap().clamp(1, rest.len());
            let size = (size..=rest.len()).find(|at| rest.is_char_boundary(*at));
            let (part, after) = rest.split_at(size.unwrap());
            parts.push(part);
            rest = after;
        }
        let blocks = Blocks::of(parts);
        sources.add_blocks("t", blocks);
        sources
    }

    proptest! {
        #[test]
        fn places_equal_those_counted_by_hand(
            parts in prop::collection::vec("[aé€\r\n]{0,600}", 1..6),
            sizes in prop::collection::vec(1..900_usize, 1..4),
        ) {
            let text = parts.concat();
            let sources = both(&text, &sizes);
            let (whole, blocks) = (sources.get(FileId(0)).unwrap(), sources.get(FileId(1)).unwrap());
            for (at, _) in text.char_indices() {
                let place = slow(&text, at);
                prop_assert_eq!(whole.line_column(u32::try_from(at).unwrap()), place);
                prop_assert_eq!(blocks.line_column(u32::try_from(at).unwrap()), place);
            }
            for at in 0..text.len() + 3 {
                let at = u32::try_from(at).unwrap();
                prop_assert_eq!(blocks.line_column(at), whole.line_column(at));
                let (start, end) = (at as usize, (at as usize * 7) % (text.len() + 2));
                prop_assert_eq!(blocks.get(start..end), whole.get(start..end));
                prop_assert_eq!(blocks.shown(start..end), whole.shown(start..end));
            }
            prop_assert_eq!(whole.line_column(u32::MAX), slow(&text, text.len()));
            prop_assert_eq!(blocks.line_column(u32::MAX), slow(&text, text.len()));
            for line in 0..u32::try_from(text.lines().count()).unwrap() + 4 {
                prop_assert_eq!(blocks.line_range(line), whole.line_range(line));
                prop_assert_eq!(blocks.line(line), whole.line(line));
            }
            prop_assert_eq!(blocks.whole(), whole.whole());
        }
    }

    #[test]
    fn of_a_long_text_a_small_part_is_kept() {
        let text = "apiVersion: v1\nkind: Pod\n---\n".repeat(100_000);
        let blocks = Blocks::of([text.as_str()]);
        assert_eq!(blocks.block(0).unwrap(), text);
        assert!(blocks.kept() < text.len() / 100, "{}", blocks.kept());
        // What cannot be made shorter is kept as it is.
        let mut state = 1_u64;
        let noise: String = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b' ' + u8::try_from((state >> 33) % 95).unwrap())
        })
        .take(10_000)
        .collect();
        let blocks = Blocks::of([noise.as_str()]);
        assert_eq!(blocks.block(0).unwrap(), noise);
        assert_eq!(blocks.kept(), noise.len());
    }

    #[test]
    fn lines_come_without_their_breaks() {
        let sources = both("one\r\ntwo\n", &[2]);
        for file in [FileId(0), FileId(1)] {
            let file = sources.get(file).unwrap();
            let lines: Vec<_> = (0..5).map(|line| file.line(line)).collect();
            assert_eq!(lines, ["", "one", "two", "", ""]);
        }
        assert!(sources.get(FileId(2)).is_none());
    }
}
