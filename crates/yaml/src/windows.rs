//! Texts that come block by block: cut as they arrive, and dropped as they are read.
//!
//! A text is read by the same pieces as one that is there as a whole, and gives the same. What has to be
//! read as a whole after all is put together again from its blocks.

use crate::limits::{self, Limits};
use crate::list::{self, Form, Next};
use crate::problems::Problems;
use crate::split::{Splitter, Window};
use crate::stream::{Items, around};
use crate::{Document, Node, span};
use palisade_diagnostics::{Blocks, FileId};
use std::ops::Range;

/// Who reads the pieces of a text, in their order.
pub trait Take {
    /// Whether items are read before the end of their list is there, which may turn out to be a mistake.
    const GUESSES: bool;
    /// Reads documents, each of them whole in the window.
    fn documents(&mut self, window: Window<'_>, ranges: &[Range<usize>]);
    /// What is read from here on may have to be read again.
    fn mark(&mut self);
    /// What was read since the mark is void.
    fn back(&mut self);
    /// What is around the items of a list: all of it, or what stands before them.
    fn around(&mut self, around: Node<'_>, all: bool) -> Around;
    /// Reads items; false if their list has to be read as a whole.
    fn items(&mut self, items: Items, window: Window<'_>, ranges: &[Range<usize>]) -> bool;
}

/// What becomes of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Around {
    /// Its items are read one by one.
    Go,
    /// They have been read as something else, and are read again.
    Again,
    /// It is read as a whole.
    Whole,
}

/// Reads a text. What is told is what concerns the text and none of its documents.
pub fn stream<T: Take>(file: FileId, blocks: &Blocks, limits: &Limits, take: &mut T) -> Problems {
    let mut reader = Reader {
        file,
        limits,
        buffer: Buffer::new(blocks),
        splitter: Splitter::new(),
        seen: 0,
        end: None,
        problems: Problems::new(limits.max_diagnostics),
        take,
    };
    reader.read();
    reader.problems
}

/// What is there of a text.
struct Buffer<'b> {
    blocks: &'b Blocks,
    text: String,
    /// Where it begins.
    start: usize,
    /// Where each block begins that has been seen.
    starts: Vec<usize>,
    /// The block that comes next.
    next: usize,
    /// Whether there is none.
    ended: bool,
}

impl<'b> Buffer<'b> {
    fn new(blocks: &'b Blocks) -> Self {
        Self {
            blocks,
            text: String::new(),
            start: 0,
            starts: Vec::new(),
            next: 0,
            ended: false,
        }
    }

    fn window(&self) -> Window<'_> {
        Window {
            text: &self.text,
            start: self.start,
        }
    }

    fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Takes blocks until the text goes to `end`, or is all there.
    fn fill(&mut self, end: usize) {
        let more = end.saturating_sub(self.end());
        if more > self.text.len() / 2 {
            self.text.reserve_exact(more);
        }
        while !self.ended && self.end() < end {
            match self.blocks.block(self.next) {
                Some(block) => {
                    if self.next == self.starts.len() {
                        self.starts.push(self.end());
                    }
                    self.next += 1;
                    self.text.push_str(&block);
                }
                None => self.ended = true,
            }
        }
    }

    /// Drops what lies before `to`.
    fn forget(&mut self, to: usize) {
        let mut len = to.saturating_sub(self.start).min(self.text.len());
        while !self.text.is_char_boundary(len) {
            len -= 1;
        }
        self.text.drain(..len);
        self.start += len;
    }

    /// Goes back to a place that has been dropped.
    fn back(&mut self, to: usize) {
        if to >= self.start {
            return;
        }
        self.next = self.starts.partition_point(|start| *start <= to);
        self.next = self.next.saturating_sub(1);
        self.start = self.starts.get(self.next).copied().unwrap_or_default();
        self.text.clear();
        self.ended = false;
        self.fill(to + 1);
        self.forget(to);
    }
}

struct Reader<'b, 'l, 't, T> {
    file: FileId,
    limits: &'l Limits,
    buffer: Buffer<'b>,
    splitter: Splitter,
    /// How far the splitter has seen.
    seen: usize,
    /// The end of the document that is read, once it is known.
    end: Option<usize>,
    problems: Problems,
    take: &'t mut T,
}

/// Why a text is not read to its end: it was said.
struct Stop;

impl<T: Take> Reader<'_, '_, '_, T> {
    fn read(&mut self) {
        let mut count = 0;
        let mut short = Vec::new();
        loop {
            self.buffer.fill(self.seen);
            let window = self.buffer.window();
            let next = self.splitter.next(window, self.buffer.ended);
            self.seen = self.seen.max(self.buffer.end());
            let document = next.clone().or_else(|| self.splitter.open());
            if document
                .as_ref()
                .is_some_and(|_| count == self.limits.max_documents)
            {
                self.documents(&mut short);
                return self.beyond(document.map_or(0, |range| range.start));
            }
            if let Some(range) = next
                .clone()
                .filter(|range| range.len() <= self.limits.sizes.list)
            {
                count += 1;
                short.push(range);
                continue;
            }
            self.documents(&mut short);
            let open =
                |range: &Range<usize>| self.buffer.end() - range.start > self.limits.sizes.list;
            if let Some(range) = next.clone().or_else(|| self.splitter.open().filter(open)) {
                count += 1;
                self.end = next.map(|range| range.end);
                if self.large(range.start).is_err() {
                    return;
                }
            } else if self.buffer.ended || self.grow(self.splitter.start()).is_err() {
                return;
            }
        }
    }

    /// Reads documents that are there.
    fn documents(&mut self, ranges: &mut Vec<Range<usize>>) {
        if !ranges.is_empty() {
            self.take.documents(self.buffer.window(), ranges);
            ranges.clear();
        }
    }

    fn beyond(&mut self, start: usize) {
        let at = Some(span(self.file, start, start));
        let limit = self.limits.max_documents;
        self.problems
            .add(|| limits::exceeded(at, "too many documents", limit, "documents"));
    }

    /// Waits for more of a document, of which what lies before `start` is dropped.
    fn wait(&mut self, start: usize) -> Result<(), Stop> {
        self.grow(start)?;
        // What has been dropped and came again has been looked at.
        if self.end.is_none() && (self.buffer.end() > self.seen || self.buffer.ended) {
            self.seen = self.buffer.end();
            let window = self.buffer.window();
            let found = self.splitter.next(window, self.buffer.ended);
            self.end = found.map(|range| range.end);
        }
        Ok(())
    }

    /// Takes more of what begins at `start`; all before is dropped. An error if it grows too large.
    fn grow(&mut self, start: usize) -> Result<(), Stop> {
        self.buffer.forget(start.min(self.splitter.looked_at()));
        let len = self.buffer.end().saturating_sub(start);
        // Spans are 32 bits wide.
        let (max, most) = (self.limits.max_bytes, u32::MAX as usize - 1);
        if len > max || self.buffer.end() > most {
            let (start, what, max) = match len > max {
                true => (start, "a document is too large", max),
                false => (0, "the text is too large", most),
            };
            let at = Some(span(self.file, start, start));
            self.problems
                .add(|| limits::exceeded(at, what, max, "bytes"));
            return Err(Stop);
        }
        // Twice as much, so that looking at it again costs no more than it grows.
        let end = start + (2 * len).max(self.limits.sizes.window).min(max + 1);
        self.buffer.fill(end.max(self.buffer.end() + 1));
        Ok(())
    }

    /// How far what is there belongs to the document, and whether that is its end.
    fn known(&self) -> (usize, bool) {
        let there = self.buffer.end();
        match self.end {
            Some(end) => (end.min(there), end <= there),
            None => {
                let known = self.splitter.open().map_or(0, |open| open.end);
                (known.min(there), false)
            }
        }
    }

    /// Reads a large document.
    fn large(&mut self, start: usize) -> Result<(), Stop> {
        loop {
            let (known, whole) = self.known();
            let part = self.buffer.window().get(&(start..known));
            if list::is_values(near(part, self.limits.sizes.list)) {
                return self.list(start, (Form::Values, 0));
            }
            let json = list::is_json(part);
            if let Some(found) = list::start(if json { part } else { lines(part, whole) }) {
                return self.list(start, found);
            }
            if whole {
                let all = start..known;
                let all = std::slice::from_ref(&all);
                self.take.documents(self.buffer.window(), all);
                return Ok(());
            }
            self.wait(start)?;
        }
    }

    /// Reads a document as a whole.
    fn whole(&mut self, start: usize) -> Result<(), Stop> {
        self.take.back();
        self.buffer.back(start);
        loop {
            let (known, whole) = self.known();
            if whole {
                let all = start..known;
                let all = std::slice::from_ref(&all);
                self.take.documents(self.buffer.window(), all);
                return Ok(());
            }
            self.wait(start)?;
        }
    }

    /// Reads a document item by item, or as a whole if that does not go.
    fn list(&mut self, start: usize, (form, head): (Form, usize)) -> Result<(), Stop> {
        self.take.mark();
        let begin = start + head;
        let head = self.buffer.window().get(&(start..begin)).to_owned();
        let values = form == Form::Values;
        if T::GUESSES && !values {
            let close = if form == Form::Json { "]}" } else { "" };
            let guess = around(self.file, (&head, start), (close, begin), self.limits);
            if !self
                .ask(guess.as_ref(), false)
                .is_some_and(|a| a == Around::Go)
            {
                return self.whole(start);
            }
        }
        if T::GUESSES || values {
            let Some(end) = self.items(form, begin, true)? else {
                return self.whole(start);
            };
            if values {
                return Ok(());
            }
            match self.rest((&head, start), end)? {
                Around::Go => return Ok(()),
                Around::Whole => return self.whole(start),
                Around::Again => self.take.back(),
            }
        } else {
            let Some(end) = self.items(form, begin, false)? else {
                return self.whole(start);
            };
            if self.rest((&head, start), end)? == Around::Whole {
                return self.whole(start);
            }
        }
        self.buffer.back(begin);
        match self.items(form, begin, true)? {
            Some(end) => self.tail(end),
            None => self.whole(start),
        }
    }

    fn ask(&mut self, document: Option<&Document>, all: bool) -> Option<Around> {
        Some(self.take.around(document?.root(), all))
    }

    /// Waits for what stands behind the items.
    fn tail(&mut self, end: usize) -> Result<(), Stop> {
        while !self.known().1 {
            self.wait(end)?;
        }
        Ok(())
    }

    /// What becomes of a list whose items end at `end`.
    fn rest(&mut self, head: (&str, usize), end: usize) -> Result<Around, Stop> {
        self.tail(end)?;
        let tail = self.buffer.window().get(&(end..self.known().0));
        let document = around(self.file, head, (tail, end), self.limits);
        Ok(self.ask(document.as_ref(), true).unwrap_or(Around::Whole))
    }

    /// Cuts items, and reads them unless they are only counted: where they end. `None` if the list has to be
    /// read as a whole.
    fn items(&mut self, form: Form, begin: usize, read: bool) -> Result<Option<usize>, Stop> {
        let (mut at, mut count, mut ranges) = (begin, 0, Vec::new());
        loop {
            let (known, whole) = self.known();
            let part = self.buffer.window().get(&(at..known));
            let (from, mut within) = (at, 0);
            let end = loop {
                match list::next(form, part, within, count == 0, !whole) {
                    Next::Item(..) if count == self.limits.max_documents => return Ok(None),
                    Next::Item(range, then) => {
                        count += 1;
                        ranges.push(range.start + from..range.end + from);
                        within = then;
                    }
                    Next::End(end) => break Some(from + end),
                    Next::More => break None,
                    Next::Broken => return Ok(None),
                }
            };
            at = from + within;
            if read && !self.take.items(Items(form), self.buffer.window(), &ranges) {
                return Ok(None);
            }
            ranges.clear();
            if end.is_some() {
                return Ok(end);
            }
            // An item that is too large to be kept may still be too large as a part of its list.
            self.wait(at)?;
        }
    }
}

/// The first bytes of a part of a text. That it is a row of values has to show there: not every list is to be
/// searched for its end.
fn near(part: &str, len: usize) -> &str {
    let mut len = len.min(part.len());
    while !part.is_char_boundary(len) {
        len -= 1;
    }
    part.get(..len).unwrap_or_default()
}

/// The whole lines of a part of a text. Where a list begins can only be told of a line that is there to its end:
/// of `-x` the first byte looks like an item.
fn lines(part: &str, whole: bool) -> &str {
    match (whole, part.rfind('\n')) {
        (true, _) => part,
        (false, Some(at)) => part.get(..=at).unwrap_or_default(),
        (false, None) => "",
    }
}
