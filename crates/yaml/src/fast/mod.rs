//! A fast reader of the block style that most Kubernetes manifests use.
//!
//! It works line by line and feeds the same [`Builder`] as the full parser, so both give the same tree
//! with the same spans. Whatever it does not know for certain (anchors, tags, escapes, values over
//! several lines, errors) makes it give up, and the full parser reads the document from its start.

mod block;
mod flow;
mod text;

use crate::build::{Builder, Step};
use crate::limits::Limits;
use crate::scan;
use crate::shape::Plan;
use crate::tree::Document;
use palisade_diagnostics::FileId;
use text::Text;

/// Bytes of a key that are read here; YAML allows 1024 characters.
const KEY: usize = 512;

/// Reads a document, or `None` if the full parser has to.
pub(crate) fn parse(
    file: FileId,
    part: &str,
    offset: usize,
    limits: &Limits,
    plan: Plan,
) -> Option<Document> {
    if memchr::memchr(b'\r', part.as_bytes()).is_some() {
        return None;
    }
    let mut reader = Reader {
        text: part,
        bytes: part.as_bytes(),
        at: 0,
        builder: Builder::new(file, offset, limits, plan).sized(part.len()),
        stack: Vec::new(),
        pending: None,
    };
    reader.document()
}

/// An open block collection and the column at which its entries begin.
#[derive(Clone, Copy)]
struct Open {
    map: bool,
    column: usize,
}

struct Reader<'t, 'l> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    builder: Builder<'l>,
    stack: Vec<Open>,
    /// Set after a key or a dash without a value on its line: where an empty value would be.
    pending: Option<usize>,
}

impl Reader<'_, '_> {
    fn document(&mut self) -> Option<Document> {
        if self.bytes.starts_with(b"---") {
            self.at = 3;
            self.rest_is_empty()?;
        }
        while let Some(column) = self.next_line() {
            self.line(column)?;
        }
        self.close_to(0, None)?;
        while self.stack.pop().is_some() {
            self.close((0, 0))?;
        }
        match self.builder.end_document() {
            Step::Ready(document) => Some(*document),
            _ => None,
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(b'\n')
    }

    fn spaces(&mut self) {
        self.at = scan::no_space(self.bytes, self.at);
    }

    fn skip_line(&mut self) {
        self.at = scan::line_end(self.bytes, self.at);
    }

    /// Goes to the first character of the next line with content; its column.
    fn next_line(&mut self) -> Option<usize> {
        while self.at < self.bytes.len() {
            let start = self.at;
            self.spaces();
            match self.peek(0) {
                b'\n' => self.at += 1,
                b'#' => {
                    self.skip_line();
                    self.at += 1;
                }
                _ => return Some(self.at - start),
            }
        }
        None
    }

    /// Goes past the end of a line that holds no more than space and a comment.
    fn rest_is_empty(&mut self) -> Option<()> {
        let start = self.at;
        self.spaces();
        if self.peek(0) == b'#' && self.at > start {
            self.skip_line();
        }
        (self.peek(0) == b'\n').then(|| self.at += 1)
    }

    fn is_dash(&self) -> bool {
        self.peek(0) == b'-' && matches!(self.peek(1), b' ' | b'\n')
    }

    /// A line whose content begins at `column`.
    fn line(&mut self, column: usize) -> Option<()> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if column == 0 && (rest.starts_with(b"...") || rest.starts_with(b"---")) {
            return None;
        }
        let dash = self.is_dash();
        let nested = match (self.pending, self.stack.last()) {
            (_, None) => true,
            (Some(_), Some(top)) => column > top.column || column == top.column && top.map && dash,
            (None, Some(_)) => false,
        };
        let key = if dash { None } else { Some(self.key()?) };
        if nested {
            self.pending = None;
            return self.block(column, key.as_ref());
        }
        self.close_to(column, Some(dash))?;
        match key {
            None => self.items(column),
            Some(key) => self.entry(&key),
        }
    }

    /// Gives a pending key or dash its empty value, and closes what ends before `column`. The
    /// collection that stays open must be of the kind that the line (`dash`) continues.
    fn close_to(&mut self, column: usize, dash: Option<bool>) -> Option<()> {
        if let Some(at) = self.pending.take() {
            self.scalar("~", false, (at, at))?;
        }
        let dash = match dash {
            Some(dash) => dash,
            None => return Some(()),
        };
        while let Some(top) = self.stack.last() {
            if top.column < column {
                return None;
            }
            if top.column == column && top.map != dash {
                return Some(());
            }
            if top.column == column && top.map {
                return None;
            }
            self.stack.pop();
            self.close((0, 0))?;
        }
        None
    }

    /// A block collection that begins here: a map with its first key, or a list.
    fn block(&mut self, column: usize, key: Option<&Text>) -> Option<()> {
        let map = key.is_some();
        let mut start = self.at;
        if !map && self.stack.last().is_some_and(|top| top.column == column) {
            // The full parser has such a list begin at its first item.
            let rest = self.bytes.get(self.at + 1..)?;
            start += 1 + rest.iter().position(|b| *b != b' ')?;
            if matches!(self.bytes.get(start), Some(b'\n' | b'#')) {
                return None;
            }
        }
        self.open(map, (start, start))?;
        self.stack.push(Open { map, column });
        match key {
            Some(key) => self.entry(key),
            None => self.items(column),
        }
    }

    /// `- value`, from the dash; the dash may be followed by further collections on its line.
    fn items(&mut self, mut column: usize) -> Option<()> {
        loop {
            self.at += 1;
            let after = self.at;
            self.spaces();
            if matches!(self.peek(0), b'\n' | b'#') {
                if self.at > after {
                    return None;
                }
                self.pending = Some(after);
                return self.rest_is_empty();
            }
            column += 1 + self.at - after;
            if self.is_dash() {
                self.open(false, (self.at, self.at))?;
                self.stack.push(Open { map: false, column });
                continue;
            }
            return match self.text_here() {
                Some(text) if self.is_key(&text) => self.block(column, Some(&text)),
                Some(text) => self.plain_or_quoted(&text),
                None => self.value(),
            };
        }
    }

    /// The key that begins here.
    fn key(&self) -> Option<Text> {
        self.text_here().filter(|text| self.is_key(text))
    }

    /// Whether a text ends with the colon of a key. (Those that may begin a plain scalar but hardly
    /// ever a key are left to the full parser.)
    fn is_key(&self, text: &Text) -> bool {
        let first = matches!(
            self.bytes.get(text.start),
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'/')
        );
        (first || text.quoted) && self.is_colon(text.end) && text.end - text.start <= KEY
    }

    fn is_colon(&self, at: usize) -> bool {
        self.bytes.get(at) == Some(&b':')
            && matches!(self.bytes.get(at + 1), None | Some(b' ' | b'\n'))
    }

    /// `key: value`, from the key.
    fn entry(&mut self, key: &Text) -> Option<()> {
        let end = key.end;
        self.take(key)?;
        self.at = end + 1;
        let after = self.at;
        self.spaces();
        if matches!(self.peek(0), b'\n' | b'#') {
            self.at = after;
            self.pending = Some(end);
            return self.rest_is_empty();
        }
        self.value()
    }

    /// A value that begins on this line and is no block collection.
    fn value(&mut self) -> Option<()> {
        match self.peek(0) {
            style @ (b'|' | b'>') => return self.block_scalar(style == b'|'),
            b'[' | b'{' => self.flow(0)?,
            _ => {
                let text = self.text_here()?;
                return self.plain_or_quoted(&text);
            }
        }
        self.rest_is_empty()
    }

    /// A plain or quoted scalar that ends on its line. (A line that continues a plain one is indented
    /// deeper than the open collection, and [`Self::close_to`] gives up there.)
    fn plain_or_quoted(&mut self, text: &Text) -> Option<()> {
        self.at = text.end;
        self.take(text)?;
        self.rest_is_empty()
    }

    /// Hands a text over as a scalar.
    fn take(&mut self, found: &Text) -> Option<()> {
        let place = (found.start, found.end);
        if let Some(decoded) = &found.decoded {
            return self.scalar(decoded, true, place);
        }
        let cut = usize::from(found.quoted);
        let text = self.text.get(place.0 + cut..place.1 - cut)?;
        self.scalar(text, found.quoted, place)
    }

    fn scalar(&mut self, text: &str, string: bool, place: (usize, usize)) -> Option<()> {
        go(&self.builder.add_scalar(text, string, 0, place))
    }

    fn open(&mut self, map: bool, place: (usize, usize)) -> Option<()> {
        go(&self.builder.open(0, map, place))
    }

    fn close(&mut self, place: (usize, usize)) -> Option<()> {
        go(&self.builder.close(place))
    }
}

/// Anything but going on is for the full parser to tell.
fn go(step: &Step) -> Option<()> {
    matches!(step, Step::Go).then_some(())
}

#[cfg(test)]
mod tests;
