//! Cuts a stream at its `---` and `...` lines, so that a broken document costs only itself.

use crate::scan;
use memchr::memmem::Finder;
use std::ops::Range;

/// The byte ranges of the pieces, each beginning at a `---` line (or at the start of the text).
/// Pieces without content are left out. `---` and `...` in column 0 end a document even inside a block scalar.
pub(crate) fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut splitter = Splitter::new();
    let window = Window { text, start: 0 };
    std::iter::from_fn(|| splitter.next(window, true)).collect()
}

/// A part of a text, and where it begins.
#[derive(Debug, Clone, Copy)]
pub struct Window<'t> {
    /// The part.
    pub text: &'t str,
    /// Its first byte, counted from the start of the text.
    pub start: usize,
}

impl<'t> Window<'t> {
    /// All of a text.
    #[must_use]
    pub fn whole(text: &'t str) -> Self {
        Self { text, start: 0 }
    }

    /// A range of the text; nothing if it does not lie in the window.
    #[must_use]
    pub fn get(&self, range: &Range<usize>) -> &'t str {
        let start = range.start.wrapping_sub(self.start);
        let end = range.end.wrapping_sub(self.start);
        self.text.get(start..end).unwrap_or_default()
    }

    /// One past its last byte.
    pub(crate) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// Finds pieces in a text that is there window by window.
#[derive(Debug)]
pub(crate) struct Splitter {
    /// Where the piece begins that has not ended yet.
    start: usize,
    /// What lies before has been looked at. The start of a line as long as there is no content.
    at: usize,
    /// Whether the piece holds more than space and comments.
    content: bool,
    directive: bool,
    markers: Markers,
    /// What lies before belongs to the piece, whatever follows.
    known: usize,
}

impl Splitter {
    pub(crate) fn new() -> Self {
        Self {
            start: 0,
            at: 0,
            content: false,
            directive: false,
            markers: Markers::new(),
            known: 0,
        }
    }

    /// The next piece that ends in the window, which holds all that has not been looked at; with `ended`,
    /// to the end of the text. `None`: more text is needed, or nothing follows.
    pub(crate) fn next(&mut self, window: Window<'_>, ended: bool) -> Option<Range<usize>> {
        while self.at < window.end() {
            if self.content {
                // Within a document nothing but a marker is of interest.
                let Some(found) = self.markers.next(window, self.at) else {
                    self.at = self.at.max(window.end().saturating_sub(MARKER - 1));
                    break;
                };
                self.at = found;
            }
            let bytes = window.text.as_bytes();
            let begin = self.at - window.start;
            let end = scan::line_end(bytes, begin);
            let line = window.text.get(begin..(end + 1).min(bytes.len()));
            let whole = ended || end < bytes.len();
            match self.line(line.unwrap_or_default(), whole) {
                Line::Ends(range) => return Some(range),
                Line::Read => {}
                Line::More => {
                    self.known = self.at;
                    return None;
                }
            }
        }
        self.known = known(window);
        (ended && self.content).then(|| self.end(window.end()))
    }

    /// Reads a line, of which more may follow if it is not `whole`.
    fn line(&mut self, line: &str, whole: bool) -> Line {
        if !whole && line.len() < MARKER {
            return Line::More;
        }
        if is_marker(line, "...") {
            return match (whole, self.content) {
                (false, _) => Line::More,
                (true, true) => Line::Ends(self.end(self.at + line.len())),
                (true, false) => {
                    self.end(self.at + line.len());
                    Line::Read
                }
            };
        }
        let marker = is_marker(line, "---");
        let rest = if marker { line.get(3..) } else { Some(line) };
        // More of the line can bring content, and cannot take it away.
        let content = rest.is_some_and(has_content);
        let directive = !marker && !self.content && line.starts_with('%');
        if !whole && (directive || !content) {
            return Line::More;
        }
        let ended = (marker && self.content).then(|| self.end(self.at));
        if marker && !self.directive {
            self.start = self.at;
        }
        self.directive = !marker && (self.directive || directive);
        self.content |= content && !directive;
        // Within a line nothing but its end is waited for.
        self.at += if whole { line.len() } else { MARKER - 1 };
        ended.map_or(Line::Read, Line::Ends)
    }

    /// Ends the piece.
    fn end(&mut self, at: usize) -> Range<usize> {
        let range = self.start..at;
        self.start = at;
        self.at = at;
        self.content = false;
        self.directive = false;
        range
    }

    /// Where the piece begins that has not ended, if it has content, and what lies before which belongs to
    /// it for certain.
    pub(crate) fn open(&self) -> Option<Range<usize>> {
        self.content.then_some(self.start..self.known)
    }

    /// What lies before this is not looked at again.
    pub(crate) fn looked_at(&self) -> usize {
        self.at.saturating_sub(1)
    }

    /// Where the piece begins that has not ended, or what stands before it.
    pub(crate) fn start(&self) -> usize {
        self.start
    }
}

/// What a line is.
enum Line {
    /// The piece before it, or with it, has ended.
    Ends(Range<usize>),
    /// A part of a piece.
    Read,
    /// It cannot be told before there is more of it.
    More,
}

/// Bytes of a marker and of what must stand behind it.
const MARKER: usize = 4;

/// How far a window without a marker belongs to its document, whatever follows it.
fn known(window: Window<'_>) -> usize {
    let bytes = window.text.as_bytes();
    let near = bytes.len().saturating_sub(MARKER - 1);
    let last = bytes.get(near..).unwrap_or_default();
    let Some(at) = last.iter().rposition(|byte| *byte == b'\n') else {
        return window.end();
    };
    let rest = last.get(at + 1..).unwrap_or_default();
    match [b"---", b"..."]
        .iter()
        .any(|marker| marker.starts_with(rest))
    {
        true => window.end() - rest.len(),
        false => window.end(),
    }
}

/// Finds lines that begin like a marker, each byte of the text looked at once for either.
#[derive(Debug)]
struct Markers {
    finders: [Finder<'static>; 2],
    /// The next line of each, from where it was looked for last.
    next: [Sought; 2],
}

/// What looking for a line has come to.
#[derive(Debug, Clone, Copy)]
enum Sought {
    At(usize),
    /// There is none that ends before this.
    NoneTo(usize),
}

impl Markers {
    fn new() -> Self {
        Self {
            finders: ["\n---", "\n..."].map(Finder::new),
            next: [Sought::NoneTo(0); 2],
        }
    }

    /// The first such line from `at` on, as far as the window goes.
    fn next(&mut self, window: Window<'_>, at: usize) -> Option<usize> {
        let bytes = window.text.as_bytes();
        let mut first: Option<usize> = None;
        for (next, finder) in self.next.iter_mut().zip(&self.finders) {
            let from = match *next {
                Sought::At(known) if known >= at => None,
                Sought::At(_) => Some(at),
                Sought::NoneTo(end) if end >= window.end() => None,
                Sought::NoneTo(end) => Some(at.max(end.saturating_sub(MARKER - 2))),
            };
            if let Some(from) = from {
                let before = from.saturating_sub(1).saturating_sub(window.start);
                let found = finder.find(bytes.get(before..).unwrap_or_default());
                *next = match found {
                    Some(found) => Sought::At(window.start + before + found + 1),
                    None => Sought::NoneTo(window.end()),
                };
            }
            if let Sought::At(found) = *next {
                first = Some(first.map_or(found, |first| first.min(found)));
            }
        }
        first
    }
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line holds more than space or a comment.
fn has_content(line: &str) -> bool {
    let line = line.trim_matches([' ', '\t', '\r', '\n', '\u{feff}']);
    !line.is_empty() && !line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::{Splitter, Window, has_content, is_marker, pieces};
    use proptest::prelude::*;
    use std::ops::Range;

    /// The same line by line.
    fn slow(text: &str) -> Vec<Range<usize>> {
        let (mut out, mut start, mut at) = (Vec::new(), 0, 0);
        let (mut content, mut directive) = (false, false);
        for line in text.split_inclusive('\n') {
            let (begins, ends) = (is_marker(line, "---"), is_marker(line, "..."));
            let end = if ends { at + line.len() } else { at };
            if content && (begins || ends) {
                out.push(start..end);
            }
            if ends || begins && (content || !directive) {
                (start, content) = (end, false);
            }
            directive = !begins && !ends && (directive || !content && line.starts_with('%'));
            let directive_line = !content && line.starts_with('%');
            let rest = if begins {
                line.get(3..).unwrap_or_default()
            } else {
                line
            };
            content = !ends && (content || !directive_line && has_content(rest));
            at += line.len();
        }
        if content {
            out.push(start..text.len());
        }
        out
    }

    /// The same in windows that grow by the given sizes, and from which is dropped what nobody needs.
    fn windows(text: &str, sizes: &[usize]) -> Vec<Range<usize>> {
        let mut splitter = Splitter::new();
        let (mut out, mut end, mut keep) = (Vec::new(), 0, 0);
        for size in sizes.iter().cycle() {
            let next = (end + size.max(&1)).min(text.len());
            end = (next..).find(|at| text.is_char_boundary(*at)).unwrap();
            let window = Window {
                text: &text[keep..end],
                start: keep,
            };
            while let Some(range) = splitter.next(window, end == text.len()) {
                assert!(range.end <= end);
                out.push(range);
            }
            if let Some(open) = splitter.open() {
                // What is known belongs to the piece that ends later.
                let whole = slow(text)
                    .into_iter()
                    .find(|r| r.start == open.start)
                    .unwrap();
                assert!(open.end <= whole.end, "{open:?} {whole:?} {text:?}");
            }
            if end == text.len() {
                return out;
            }
            keep = splitter.looked_at();
            keep = (0..=keep)
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap();
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn looking_for_markers_finds_what_reading_each_line_finds(
            parts in prop::collection::vec(prop::sample::select(vec![
                "---", "...", "\n", "\n---", "\n...", "\r\n", " ", "a: 1", "#", "%", "-", ".", "é", "\n---\n", "\n...\n",
            ]), 0..16),
            sizes in prop::collection::vec(1..12_usize, 1..4),
        ) {
            let text = parts.concat();
            prop_assert_eq!(pieces(&text), slow(&text), "{:?}", text);
            prop_assert_eq!(windows(&text, &sizes), slow(&text), "{:?}", text);
        }
    }

    #[test]
    fn pieces_begin_at_markers_and_empty_ones_are_left_out() {
        let text = "# only a comment\n---\na: 1\n---\n---\n# nothing\n--- {b: 2}\n...\n---x: 1\n";
        let parts: Vec<&str> = pieces(text).into_iter().map(|r| &text[r]).collect();
        assert_eq!(parts, ["---\na: 1\n", "--- {b: 2}\n...\n", "---x: 1\n"]);
        assert_eq!(pieces("%YAML 1.1\n---\na: 1\n").len(), 1);
    }
}
