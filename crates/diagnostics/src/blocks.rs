//! A long text: it arrives block by block, and is kept compressed.
//!
//! Manifests say the same things over and over, and take a tenth to a thirtieth of their size this way, at
//! gigabytes per second. Of the text as such, only a block or two are there at a time.

use crate::LineColumn;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A part of a text, compressed, and what is to be known of it without reading it.
#[derive(Debug)]
pub struct Block {
    bytes: Box<[u8]>,
    /// Whether `bytes` are the text itself, which compressing would not make shorter.
    plain: bool,
    len: usize,
    lines: usize,
    characters: usize,
    /// Where its last line begins, in bytes and in characters, if one does.
    last_line: Option<(usize, usize)>,
}

impl Block {
    /// Packs a part of a text. Anything goes; some 256 KiB go best.
    #[must_use]
    pub fn pack(text: &str) -> Self {
        let bytes = text.as_bytes();
        let packed = lz4_flex::block::compress(bytes);
        let plain = packed.len() >= bytes.len();
        let last_line = text.rfind('\n').map(|at| {
            let start = at + 1;
            (start, text.get(..start).unwrap_or_default().chars().count())
        });
        Self {
            bytes: if plain { bytes.into() } else { packed.into() },
            plain,
            len: bytes.len(),
            lines: newlines(bytes),
            // Counting these two by hand would take as long as packing.
            characters: text.chars().count(),
            last_line,
        }
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.bytes.len()
    }

    fn unpack(&self) -> String {
        let bytes = match self.plain {
            true => self.bytes.to_vec(),
            // What was packed here can be unpacked.
            false => lz4_flex::block::decompress(&self.bytes, self.len).unwrap_or_default(),
        };
        String::from_utf8(bytes).unwrap_or_default()
    }
}

fn newlines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

pub(crate) fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| (**b & 0xC0) != 0x80).count()
}

/// What arrives: a block and its text, or that there is no use in the whole text.
pub type Arrival = Result<(Block, String), Refused>;

/// A text that turns out to be none. Whoever reads it says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused;

/// A long text. Whoever asks for a block that is not there yet waits for it.
pub struct Blocks {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    blocks: Vec<Placed>,
    /// The end of what is there.
    end: Place,
    more: Option<Box<dyn Iterator<Item = Arrival> + Send>>,
    refused: bool,
    /// The block that was shown last.
    last: Option<(usize, Arc<String>)>,
}

/// A block, and where it begins.
struct Placed {
    block: Block,
    at: Place,
}

/// A place, counted from the start of the text.
#[derive(Debug, Default, Clone, Copy)]
struct Place {
    byte: usize,
    lines: usize,
    characters: usize,
    /// Where the line begins that the place is on, in bytes and in characters.
    line: (usize, usize),
}

impl Place {
    fn after(self, block: &Block) -> Self {
        let line = block.last_line;
        Self {
            byte: self.byte + block.len,
            lines: self.lines + block.lines,
            characters: self.characters + block.characters,
            line: line.map_or(self.line, |(bytes, characters)| {
                (self.byte + bytes, self.characters + characters)
            }),
        }
    }
}

impl State {
    fn put(&mut self, block: Block) {
        let at = self.end;
        self.end = at.after(&block);
        self.blocks.push(Placed { block, at });
    }

    /// Takes one more block; its text, if there is one.
    fn arrive(&mut self) -> Option<String> {
        match self.more.as_mut().and_then(Iterator::next) {
            Some(Ok((block, text))) => {
                self.put(block);
                Some(text)
            }
            end => {
                self.refused |= end.is_some();
                self.more = None;
                None
            }
        }
    }

    fn block(&mut self, index: usize) -> Option<String> {
        while index >= self.blocks.len() {
            let text = self.arrive()?;
            if index + 1 == self.blocks.len() {
                return Some(text);
            }
        }
        Some(self.blocks.get(index)?.block.unpack())
    }

    /// The same for places, many of which may lie in one block. Nothing is waited for.
    fn near(&mut self, index: usize) -> Arc<String> {
        if let Some((_, text)) = self.last.as_ref().filter(|(last, _)| *last == index) {
            return Arc::clone(text);
        }
        let block = self.blocks.get(index).map(|placed| placed.block.unpack());
        let text = Arc::new(block.unwrap_or_default());
        self.last = Some((index, Arc::clone(&text)));
        text
    }

    /// The block that holds a byte, or the last one.
    fn index(&self, byte: usize) -> usize {
        let after = self.blocks.partition_point(|placed| placed.at.byte <= byte);
        after.saturating_sub(1)
    }

    /// The bytes of a range, as far as there are any.
    fn bytes(&mut self, range: Range<usize>) -> Vec<u8> {
        let mut out = Vec::with_capacity(range.len().min(self.end.byte));
        let mut index = self.index(range.start);
        while let Some(start) = self.blocks.get(index).map(|placed| placed.at.byte) {
            if start >= range.end {
                break;
            }
            let text = self.near(index);
            let from = range.start.saturating_sub(start).min(text.len());
            let to = (range.end - start).min(text.len());
            out.extend(text.as_bytes().get(from..to).unwrap_or_default());
            index += 1;
        }
        out
    }

    fn line_column(&mut self, byte: usize) -> LineColumn {
        let byte = byte.min(self.end.byte);
        let index = self.index(byte);
        let at = self.blocks.get(index).map_or(self.end, |placed| placed.at);
        let text = self.near(index);
        let before = text.as_bytes().get(..byte - at.byte).unwrap_or_default();
        let line = before.iter().rposition(|b| *b == b'\n');
        let column = match line {
            Some(at) => characters(before.get(at + 1..).unwrap_or_default()),
            None => at.characters + characters(before) - at.line.1,
        };
        LineColumn {
            line: small(at.lines + newlines(before) + 1),
            column: small(column + 1),
        }
    }

    /// Where a line begins, from 0.
    fn line_start(&mut self, line: usize) -> Option<usize> {
        if line == 0 {
            return Some(0);
        }
        if line > self.end.lines {
            return None;
        }
        let after = self.blocks.partition_point(|placed| placed.at.lines < line);
        let index = after.checked_sub(1)?;
        let at = self.blocks.get(index)?.at;
        let text = self.near(index);
        let mut breaks = memchr::memchr_iter(b'\n', text.as_bytes());
        breaks
            .nth(line - at.lines - 1)
            .map(|found| at.byte + found + 1)
    }

    fn line_range(&mut self, line: usize) -> Range<usize> {
        let Some(start) = line.checked_sub(1).and_then(|line| self.line_start(line)) else {
            return 0..0;
        };
        let mut end = self.line_start(line).unwrap_or(self.end.byte);
        // Without what ends it, of which there may be any number of characters.
        while end > start {
            let from = start.max(end.saturating_sub(NEAR));
            let bytes = self.bytes(from..end);
            let last = bytes.iter().rposition(|b| !matches!(b, b'\n' | b'\r'));
            end = from + last.map_or(0, |last| last + 1);
            if last.is_some() {
                break;
            }
        }
        start..end
    }
}

/// Bytes that are looked at for the end of a line.
const NEAR: usize = 64;

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Blocks {
    /// A text whose blocks are asked for as they are needed.
    #[must_use]
    pub fn new(arriving: impl Iterator<Item = Arrival> + Send + 'static) -> Self {
        Self {
            state: Mutex::new(State {
                more: Some(Box::new(arriving)),
                ..State::default()
            }),
        }
    }

    /// A text that is there, in blocks of these texts.
    #[must_use]
    pub fn of<'t>(parts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut state = State::default();
        parts
            .into_iter()
            .for_each(|part| state.put(Block::pack(part)));
        Self {
            state: Mutex::new(state),
        }
    }

    /// Nobody panics who holds the lock, and the state is whole between any two steps.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text of a block; `None` beyond the last one.
    #[must_use]
    pub fn block(&self, index: usize) -> Option<String> {
        self.state().block(index)
    }

    /// Whether the text turned out to be none. Known once a block beyond the last one was asked for.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.state().refused
    }

    /// Bytes of what is there so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().end.byte
    }

    /// Whether nothing is there so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that this takes.
    #[must_use]
    pub fn kept(&self) -> usize {
        let state = self.state();
        state.blocks.iter().map(|placed| placed.block.kept()).sum()
    }

    /// The bytes of a range of what is there, as far as there are any.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Vec<u8> {
        self.state().bytes(range)
    }

    pub(crate) fn line_column(&self, byte: usize) -> LineColumn {
        self.state().line_column(byte)
    }

    /// The bytes of a line, from 1, without its line break.
    pub(crate) fn line_range(&self, line: usize) -> Range<usize> {
        self.state().line_range(line)
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Blocks")
            .field("blocks", &state.blocks.len())
            .field("end", &state.end)
            .finish_non_exhaustive()
    }
}

/// A text to read: as it is, or in blocks.
#[derive(Debug, Clone, Copy)]
pub enum Text<'t> {
    /// All of it.
    Whole(&'t str),
    /// Block by block.
    Blocks(&'t Blocks),
}

impl<'t> From<&'t str> for Text<'t> {
    fn from(text: &'t str) -> Self {
        Self::Whole(text)
    }
}

impl<'t> From<&'t String> for Text<'t> {
    fn from(text: &'t String) -> Self {
        Self::Whole(text)
    }
}
