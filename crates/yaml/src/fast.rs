//! A fast reader of the block style that most Kubernetes manifests use.
//!
//! It works line by line and feeds the same [`Builder`] as the full parser, so both give the same tree
//! with the same spans. Whatever it does not know for certain (anchors, tags, escapes, values over
//! several lines, errors) makes it give up, and the full parser reads the document from its start.

use crate::build::{Builder, Step, block_end};
use crate::limits::Limits;
use crate::scan;
use crate::shape::Plan;
use crate::tree::Document;
use palisade_diagnostics::FileId;

/// Nesting of flow collections that is read here.
const FLOW_DEPTH: usize = 8;
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

/// A scalar on one line: its bytes in the text, quotes included, and what it stands for if that is not
/// written as it is.
struct Text {
    start: usize,
    end: usize,
    quoted: bool,
    decoded: Option<String>,
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

    /// The plain or quoted text that begins here and ends on its line: at a colon with a space behind
    /// it, at a comment, or with the line.
    fn text_here(&self) -> Option<Text> {
        match self.peek(0) {
            quote @ (b'"' | b'\'') => self.quoted(quote),
            _ => self.plain(),
        }
    }

    fn plain(&self) -> Option<Text> {
        self.plain_start()?;
        let mut at = self.at;
        loop {
            at = scan::plain_special(self.bytes, at);
            match self.bytes.get(at) {
                Some(b':') if self.is_colon(at) => break,
                // A comment needs a space before it.
                Some(b'#') if self.bytes.get(at - 1) == Some(&b' ') => break,
                None | Some(b'\n') => break,
                Some(byte) if is_simple(*byte) => at += 1,
                Some(_) => return None,
            }
        }
        let text = self.text.get(self.at..at)?;
        Some(Text {
            start: self.at,
            end: self.at + text.trim_end_matches(' ').len(),
            quoted: false,
            decoded: None,
        })
    }

    /// A string in quotes, on one line.
    fn quoted(&self, quote: u8) -> Option<Text> {
        let start = self.at;
        let mut decoded: Option<String> = None;
        let (mut from, mut at) = (start + 1, start + 1);
        loop {
            at = scan::quoted_special(self.bytes, at, quote);
            let byte = *self.bytes.get(at)?;
            let next = self.bytes.get(at + 1).copied();
            let stands_for = if byte == quote && next == Some(quote) && quote == b'\'' {
                '\''
            } else if byte == quote {
                break;
            } else if byte == b'\\' && quote == b'"' {
                escape(next?)?
            } else if is_simple(byte) {
                at += 1;
                continue;
            } else {
                return None;
            };
            let out = decoded.get_or_insert_with(String::new);
            out.push_str(self.text.get(from..at)?);
            out.push(stands_for);
            at += 2;
            from = at;
        }
        if let Some(out) = &mut decoded {
            out.push_str(self.text.get(from..at)?);
        }
        Some(Text {
            start,
            end: at + 1,
            quoted: true,
            decoded,
        })
    }

    fn word_end(&self) -> usize {
        let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-');
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at + rest.iter().position(|b| !word(b)).unwrap_or(rest.len())
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

    /// Whether a plain scalar may begin here.
    fn plain_start(&self) -> Option<()> {
        let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/');
        let first = self.peek(0);
        let next = self.peek(1);
        (word(first)
            || matches!(first, b'(' | b'$' | b'+' | b'~' | b'=' | b'^' | b'<')
            || first == b'-' && (word(next) || next == b'-'))
            .then_some(())
    }

    /// A flow collection on one line.
    fn flow(&mut self, depth: usize) -> Option<()> {
        if depth >= FLOW_DEPTH {
            return None;
        }
        let map = self.peek(0) == b'{';
        let close = if map { b'}' } else { b']' };
        self.open(map, (self.at, self.at + 1))?;
        self.at += 1;
        self.spaces();
        while self.peek(0) != close {
            if map {
                let key = self.flow_text()?;
                if !self.is_key(&key) {
                    return None;
                }
                self.at = key.end + 1;
                self.take(&key)?;
                self.spaces();
            }
            self.flow_value(depth)?;
            self.spaces();
            match self.peek(0) {
                b',' => {
                    self.at += 1;
                    self.spaces();
                    if self.peek(0) == close {
                        return None;
                    }
                }
                byte if byte == close => {}
                _ => return None,
            }
        }
        self.close((self.at, self.at + 1))?;
        self.at += 1;
        Some(())
    }

    fn flow_value(&mut self, depth: usize) -> Option<()> {
        if matches!(self.peek(0), b'[' | b'{') {
            return self.flow(depth + 1);
        }
        let text = self.flow_text()?;
        self.at = text.end;
        self.take(&text)
    }

    /// A quoted text, or a word: commas and brackets end what is plain within a flow collection.
    fn flow_text(&self) -> Option<Text> {
        if let quote @ (b'"' | b'\'') = self.peek(0) {
            return self.quoted(quote);
        }
        self.plain_start()?;
        let end = self.word_end();
        (end > self.at).then_some(Text {
            start: self.at,
            end,
            quoted: false,
            decoded: None,
        })
    }

    /// `|` or `>` with an optional `-`, and the lines below it.
    fn block_scalar(&mut self, literal: bool) -> Option<()> {
        self.at += 1;
        let strip = self.peek(0) == b'-';
        self.at += usize::from(strip);
        self.rest_is_empty()?;
        let parent = self.stack.last()?.column;
        let line = self.at;
        self.spaces();
        let indent = self.at - line;
        if indent <= parent || self.peek(0) == b'\n' {
            return None;
        }
        let start = self.at;
        self.at = line;
        let mut out = String::new();
        self.block_lines(parent, indent, literal, &mut out)?;
        out.truncate(out.trim_end_matches('\n').len());
        if !strip {
            out.push('\n');
        }
        let end = block_end(self.text, start, self.at);
        self.scalar(&out, true, (start, end))
    }

    /// The lines of a block scalar. Folding is done only where every line break is a space.
    fn block_lines(
        &mut self,
        parent: usize,
        indent: usize,
        literal: bool,
        out: &mut String,
    ) -> Option<()> {
        let mut ended = false;
        while self.at < self.bytes.len() {
            let start = self.at;
            self.spaces();
            let column = self.at - start;
            if self.peek(0) == b'\n' {
                if column > indent || self.at >= self.bytes.len() {
                    return None;
                }
                self.at += 1;
                out.push('\n');
                ended = true;
                continue;
            }
            if column < indent {
                self.at = start;
                return (column <= parent).then_some(());
            }
            if !literal && (ended || column != indent) {
                return None;
            }
            self.skip_line();
            let line = self.text.get(start + indent..self.at)?;
            let simple = |b: u8| is_simple(b) || b == b'\t';
            if self.at >= self.bytes.len() || !line.bytes().all(simple) {
                return None;
            }
            if !literal {
                if line.ends_with([' ', '\t']) || line.starts_with('\t') {
                    return None;
                }
                if out.ends_with('\n') {
                    out.pop();
                    out.push(' ');
                }
            }
            out.push_str(line);
            out.push('\n');
            self.at += 1;
        }
        Some(())
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

/// What the escapes that manifests use stand for; the others are left to the full parser.
fn escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'n' => '\n',
        b't' => '\t',
        _ => return None,
    })
}

/// Anything but going on is for the full parser to tell.
fn go(step: &Step) -> Option<()> {
    matches!(step, Step::Go).then_some(())
}

/// A byte that YAML takes as it is inside a scalar. Characters that could be line breaks, marks or
/// controls are left to the full parser with all that share their first byte.
fn is_simple(byte: u8) -> bool {
    byte >= b' ' && !matches!(byte, 0x7F | 0xC2 | 0xE2 | 0xEF)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::problems::Problems;
    use crate::tree::{Document, Node};
    use crate::{Limits, Parsed, Plan, Read, build};
    use palisade_diagnostics::FileId;
    use proptest::prelude::*;

    fn full(text: &str) -> Parsed {
        let mut read = Read {
            documents: Vec::new(),
            problems: Problems::new(10),
        };
        build::parse_events(
            FileId(0),
            text,
            7,
            &Limits::default(),
            Plan::default(),
            &mut read,
        );
        Parsed {
            documents: read.documents,
            diagnostics: read.problems.finish(),
        }
    }

    fn fast(text: &str) -> Option<Document> {
        parse(FileId(0), text, 7, &Limits::default(), Plan::default())
    }

    /// Everything a reader can see of a tree.
    fn shown(node: Node<'_>) -> String {
        let mut out = format!("{:?} {:?} {:?}", node.span(), node.kind(), node.text());
        for item in node.items() {
            out += &format!("\n- {}", shown(item));
        }
        for (key, value) in node.entries() {
            out += &format!("\n{key:?}: {}", shown(value));
        }
        out
    }

    /// Whether the fast reader took the text; if so, both readers must have seen the same.
    fn agrees(text: &str) -> bool {
        let Some(document) = fast(text) else {
            return false;
        };
        let parsed = full(text);
        assert!(
            parsed.diagnostics.is_empty(),
            "{text:?}: {:?}",
            parsed.diagnostics
        );
        assert_eq!(parsed.documents.len(), 1, "{text:?}");
        let (mine, theirs) = (shown(document.root()), shown(parsed.documents[0].root()));
        let differ = mine.lines().zip(theirs.lines()).find(|(a, b)| a != b);
        assert!(
            mine == theirs,
            "{text:?}
{differ:#?}"
        );
        true
    }

    const MANIFEST: &str = "---\n# c\napiVersion: v1  # one\nkind: 'List'\nitems:\n- metadata:\n    name: a-b\n    \"x/y\":\n    labels: {}\n  spec:\n    ports:\n      - port: 80\n        protocol: TCP\n      -\n        port: 0x1F\n    args: [\"--a\", -b, {k: v, l: [x]}]\n    script: |\n      #!/bin/sh\n       two\n\n      three: é\n\n    note: >-\n      one\n      two\n    empty:\n- - a\n  - b c\n-\nlast:\n# end\n";

    #[test]
    fn a_usual_manifest_is_read_the_same() {
        assert!(agrees(MANIFEST));
    }

    #[test]
    fn unusual_text_is_left_to_the_full_parser() {
        for text in [
            "a: &x 1\n",
            "a: *x\n",
            "a: !t 1\n",
            "a: b: c\n",
            "a: b\n  c\n",
            "- a\n b\n",
            "a: \"x\\u0041\"\n",
            "a: \"x\\\n  y\"\n",
            "a : 1\n",
            "a:\n\tb: 1\n",
            "? a\n",
            "a: 1\nb\n",
            "  a: 1\n b: 2\n",
            "a: [1,\n 2]\n",
            "",
            "a: |2\n   x\n",
            "a: |\n\n  x\n",
            "a: |\n  x",
            "--- a: 1\n",
            "a: 1\n...\n",
            "a: 1\r\n",
            "a: 1\na: 2\n",
            "<<: {a: 1}\n",
            "a: 1\n- b\n",
            "a: {{ x }}\n",
            "a: `x`\n",
            "- a\nb: 1\n",
            "a: >\n  x\n   y\n",
        ] {
            assert!(fast(text).is_none(), "{text:?}");
        }
    }

    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "a",
            "b: ",
            "c:",
            "\n",
            "\n  ",
            "\n    ",
            "\n- ",
            "\n  - ",
            "- ",
            "-",
            " ",
            "# x",
            "|",
            "|-",
            ">",
            ">-",
            "\n\n",
            "{",
            "}",
            "[",
            "]",
            ", ",
            ",",
            ": ",
            "\"q\"",
            "'s'",
            "'",
            "\"",
            "1",
            "~",
            "é",
            "\u{2028}",
            "\t",
            "&a ",
            "*a",
            "!",
            "---",
            "...",
            "\\",
            "%",
            "?",
            "=",
            "<<: ",
            "k: v",
            "d: |\n   x\n  y\n",
            "e: >-\n   x\n   y\n",
            "\u{85}",
            "\u{feff}",
            "$",
            "+",
            ".",
            "^",
            "(",
            "<",
            "k:{\"n\":\"x\"}: ",
            "f:g: ",
            "\"a\\\"b\"",
            "\"\\n\\t\\\\\": ",
            "'it''s'",
            "''",
            " #",
            "a#b",
            " :",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn both_readers_see_the_same(parts in prop::collection::vec(piece(), 0..24)) {
            agrees(&parts.concat());
        }

        #[test]
        fn both_readers_see_the_same_in_changed_manifests(at in 0..MANIFEST.len(), cut in 0..12_usize, new in piece()) {
            let end = (at + cut).min(MANIFEST.len());
            if let (Some(before), Some(after)) = (MANIFEST.get(..at), MANIFEST.get(end..)) {
                agrees(&format!("{before}{new}{after}"));
            }
        }
    }
}
