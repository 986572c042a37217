//! A path of its own for JSON: several times faster than reading it as YAML.

mod skip;

use crate::build::{FEW, duplicate};
use crate::limits::{Limits, exceeded};
use crate::problems::Problems;
use crate::shape::{Held, Plan, Turn};
use crate::tree::{Content, Data, Document, Entry, Index};
use crate::{scan, span};
use palisade_diagnostics::{Diagnostic, FileId, Span};
use std::collections::HashMap;
use std::fmt;

/// The memory of a document that has been read, for the next one: objects are many and small, and making it anew
/// costs a good part of reading.
#[derive(Default)]
pub struct Spare {
    document: Document,
    stack: Vec<Frame>,
    entries: Vec<Entry>,
    items: Vec<Index>,
    skip_frames: Vec<skip::Frame>,
    skip_keys: Vec<skip::Key>,
}

/// A document with more values is no object as there are many.
const MAX_SPARE: usize = 1 << 14;

impl Spare {
    /// Keeps the memory of a document that nobody needs any more.
    pub fn keep(&mut self, mut document: Document) {
        if document.clear() <= MAX_SPARE {
            self.document = document;
        }
    }
}

impl fmt::Debug for Spare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spare").finish_non_exhaustive()
    }
}

/// Reads JSON values, one after the other. `None` if the text is not JSON (YAML's flow style is close to
/// it, and the YAML reader then says what is wrong).
pub(crate) fn parse(
    file: FileId,
    part: &str,
    offset: usize,
    (limits, plan): (&Limits, Plan),
    spare: &mut Spare,
) -> Option<Result<Vec<Document>, Problems>> {
    let mut reader = Reader {
        file,
        text: part,
        bytes: part.as_bytes(),
        at: 0,
        offset,
        limits,
        plan,
        document: Document::default(),
        spare: std::mem::take(&mut spare.document),
        stack: emptied(&mut spare.stack),
        entries: emptied(&mut spare.entries),
        items: emptied(&mut spare.items),
        skipped: 0,
        skip_frames: emptied(&mut spare.skip_frames),
        skip_keys: emptied(&mut spare.skip_keys),
        problems: Problems::new(limits.max_diagnostics),
    };
    let read = reader.documents();
    spare.stack = reader.stack;
    spare.entries = reader.entries;
    spare.items = reader.items;
    spare.skip_frames = reader.skip_frames;
    spare.skip_keys = reader.skip_keys;
    read
}

fn emptied<T>(list: &mut Vec<T>) -> Vec<T> {
    list.clear();
    std::mem::take(list)
}

/// Why reading ends early.
enum Stop {
    NotJson,
    Limit(Box<Diagnostic>),
}

/// An open list or map.
struct Frame {
    start: usize,
    /// How many items or entries of the enclosing collections lie below its own.
    base: usize,
    /// The key whose value is read next; `None` in a list.
    key: Option<Entry>,
    /// The shape of the map, or of the items of the list.
    held: Held,
    /// Key to entry, once there are many.
    index: Option<HashMap<String, usize>>,
}

struct Reader<'t> {
    file: FileId,
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    offset: usize,
    limits: &'t Limits,
    plan: Plan,
    document: Document,
    spare: Document,
    stack: Vec<Frame>,
    /// Entries and items of the collections that are open.
    entries: Vec<Entry>,
    items: Vec<Index>,
    /// Values of the document that are not kept.
    skipped: usize,
    skip_frames: Vec<skip::Frame>,
    skip_keys: Vec<skip::Key>,
    problems: Problems,
}

impl Reader<'_> {
    fn documents(&mut self) -> Option<Result<Vec<Document>, Problems>> {
        let mut documents = Vec::new();
        loop {
            match self.document() {
                Ok(document) => {
                    if self.problems.is_empty() {
                        documents.push(document);
                    }
                }
                Err(Stop::NotJson) => return None,
                Err(Stop::Limit(diagnostic)) => {
                    let mut problems = self.problems();
                    problems.add(|| *diagnostic);
                    return Some(Err(problems));
                }
            }
            self.space();
            if self.at >= self.text.len() {
                break;
            }
            if !matches!(self.peek(), b'{' | b'[') {
                return None;
            }
        }
        if self.problems.is_empty() {
            Some(Ok(documents))
        } else {
            Some(Err(self.problems()))
        }
    }

    fn problems(&mut self) -> Problems {
        let none = Problems::new(self.limits.max_diagnostics);
        std::mem::replace(&mut self.problems, none)
    }

    /// One value. The stack is explicit: nesting never recurses.
    fn document(&mut self) -> Result<Document, Stop> {
        self.document = Document {
            file: self.file.0,
            ..std::mem::take(&mut self.spare)
        };
        self.document.reserve(self.bytes.len() - self.at);
        self.skipped = 0;
        loop {
            self.space();
            let turn = self.turn();
            let mut value = match (self.peek(), turn) {
                (open @ (b'{' | b'['), Turn::Keep(shape)) => {
                    match self.open(open == b'{', Held::new(shape))? {
                        Some(empty) => empty,
                        None => continue,
                    }
                }
                (_, Turn::Keep(_)) => self.scalar()?,
                (open, Turn::Skip) => self.nothing(open)?,
            };
            // Closes every collection that the value ends.
            loop {
                if self.stack.is_empty() {
                    self.document.root = value;
                    return Ok(std::mem::take(&mut self.document));
                }
                match self.put(value)? {
                    Some(closed) => value = closed,
                    None => break,
                }
            }
        }
    }

    /// What becomes of the next value.
    fn turn(&self) -> Turn {
        let Some(frame) = self.stack.last() else {
            return Turn::Keep(self.plan.root);
        };
        match (frame.held.shape, &frame.key) {
            (None, _) => Turn::Keep(None),
            (Some(shape), Some(key)) => shape.turn(self.key_text(key)),
            (shape, None) => Turn::Keep(shape),
        }
    }

    /// Skips a value that begins with `open`; an empty one stands for it.
    fn nothing(&mut self, open: u8) -> Result<Index, Stop> {
        let start = self.at;
        self.skip()?;
        // What stands for it is counted instead.
        self.skipped = self.skipped.saturating_sub(1);
        let content = match open {
            b'{' => Content::Map { start: 0, len: 0 },
            b'[' => Content::List { start: 0, len: 0 },
            b'n' => Content::Plain { start: 0, len: 0 },
            _ => Content::Quoted { start: 0, len: 0 },
        };
        self.push(content, start)
    }

    /// Opens a collection; its index if it is empty.
    fn open(&mut self, map: bool, held: Held) -> Result<Option<Index>, Stop> {
        let start = self.at;
        if self.stack.len() >= self.limits.max_depth {
            let limit = self.limits.max_depth;
            return Err(self.too("values are nested too deep", limit, "levels"));
        }
        self.at += 1;
        self.space();
        if self.peek() == if map { b'}' } else { b']' } {
            self.at += 1;
            let content = if map {
                Content::Map { start: 0, len: 0 }
            } else {
                Content::List { start: 0, len: 0 }
            };
            return self.push(content, start).map(Some);
        }
        let base = if map {
            self.entries.len()
        } else {
            self.items.len()
        };
        let key = if map { Some(self.key()?) } else { None };
        self.stack.push(Frame {
            start,
            base,
            key,
            held,
            index: None,
        });
        Ok(None)
    }

    /// `"key":`
    fn key(&mut self) -> Result<Entry, Stop> {
        let start = self.at;
        let text = self.string()?;
        let end = self.at;
        self.space();
        self.expect(b':')?;
        Ok(Entry {
            text,
            start: self.small(start),
            end: self.small(end),
            value: 0,
        })
    }

    /// Puts a value into the innermost collection and reads what follows it: the index of the
    /// collection if it ends here.
    fn put(&mut self, value: Index) -> Result<Option<Index>, Stop> {
        let Some(mut frame) = self.stack.pop() else {
            return Ok(Some(value));
        };
        match frame.key {
            Some(entry) => {
                self.note(&mut frame.held, &entry, value);
                self.add(&mut frame, Entry { value, ..entry });
            }
            None => self.items.push(value),
        }
        self.space();
        let next = self.peek();
        self.at += 1;
        match (next, frame.key.is_some()) {
            (b',', map) => {
                self.space();
                frame.key = if map { Some(self.key()?) } else { None };
                self.stack.push(frame);
                Ok(None)
            }
            (b'}', true) => {
                let start = small(self.document.entries.len());
                let own = self.entries.drain(frame.base..);
                let len = small(own.len());
                self.document.entries.extend(own);
                self.push(Content::Map { start, len }, frame.start)
                    .map(Some)
            }
            (b']', false) => {
                let start = small(self.document.items.len());
                let own = self.items.drain(frame.base..);
                let len = small(own.len());
                self.document.items.extend(own);
                self.push(Content::List { start, len }, frame.start)
                    .map(Some)
            }
            _ => Err(Stop::NotJson),
        }
    }

    /// Takes note of the type of an object.
    fn note(&self, held: &mut Held, entry: &Entry, value: Index) {
        if !held.is_typed() {
            return;
        }
        let content = self.document.nodes.get(value as usize).map(|d| d.content);
        if let Some(Content::Quoted { start, len }) = content {
            let key = self.key_text(entry);
            held.note(self.plan, key, (start, len), &self.document.buffer);
        }
    }

    /// Adds an entry to an open map, unless its key is there already.
    fn add(&mut self, frame: &mut Frame, entry: Entry) {
        let own = self.entries.get(frame.base..).unwrap_or_default();
        let key = self.key_text(&entry);
        let before = if own.len() <= FEW {
            own.iter().find(|e| self.key_text(e) == key)
        } else {
            let index = frame.index.get_or_insert_with(HashMap::new);
            let known = index.len();
            for (at, entry) in own.iter().enumerate().skip(known) {
                index.insert(self.key_text(entry).to_owned(), at);
            }
            index.get(key).and_then(|at| own.get(*at))
        };
        match before {
            None => self.entries.push(entry),
            Some(before) => {
                let at = |e: &Entry| Span::new(self.file, e.start, e.end);
                let problem = duplicate(key, at(before), at(&entry));
                self.problems.add(|| problem);
            }
        }
    }

    fn key_text(&self, entry: &Entry) -> &str {
        let (start, len) = entry.text;
        let range = start as usize..(start + len) as usize;
        self.document.buffer.get(range).unwrap_or_default()
    }

    fn scalar(&mut self) -> Result<Index, Stop> {
        let start = self.at;
        if self.peek() != b'"' {
            return self.word();
        }
        let (text, len) = self.string()?;
        self.push(Content::Quoted { start: text, len }, start)
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at = scan::no_space(self.bytes, self.at + 1);
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Stop> {
        if self.peek() == byte {
            self.at += 1;
            Ok(())
        } else {
            Err(Stop::NotJson)
        }
    }

    fn small(&self, at: usize) -> u32 {
        small(at + self.offset)
    }

    fn too(&self, what: &str, limit: usize, unit: &str) -> Stop {
        let at = self.at + self.offset;
        let place = Some(span(self.file, at, at));
        Stop::Limit(Box::new(exceeded(place, what, limit, unit)))
    }

    fn push(&mut self, content: Content, start: usize) -> Result<Index, Stop> {
        if self.document.nodes.len() + self.skipped >= self.limits.max_nodes {
            return Err(self.too("too many values", self.limits.max_nodes, "values"));
        }
        let index = small(self.document.nodes.len());
        self.document.nodes.push(Data {
            start: self.small(start),
            end: self.small(self.at),
            content,
        });
        Ok(index)
    }

    fn word(&mut self) -> Result<Index, Stop> {
        let start = self.at;
        self.word_end()?;
        let (buffer, len) = self.keep(start, self.at);
        self.push(Content::Plain { start: buffer, len }, start)
    }

    /// Past `true`, `false`, `null` or a number as JSON spells it; anything else is left to YAML.
    fn word_end(&mut self) -> Result<(), Stop> {
        let start = self.at;
        while matches!(self.peek(), b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-' | b'.' | b'E') {
            self.at += 1;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        if !(matches!(text, "true" | "false" | "null") || is_number(text.as_bytes())) {
            return Err(Stop::NotJson);
        }
        Ok(())
    }

    /// Copies a range of the text into the buffer.
    fn keep(&mut self, start: usize, end: usize) -> (u32, u32) {
        let text = self.text.get(start..end).unwrap_or_default();
        self.document.keep(text)
    }

    fn string(&mut self) -> Result<(u32, u32), Stop> {
        self.expect(b'"')?;
        let start = self.at;
        self.plain_characters();
        match self.peek() {
            b'"' => {
                let kept = self.keep(start, self.at);
                if kept.1 as usize > self.limits.max_scalar {
                    return Err(self.too("value is too long", self.limits.max_scalar, "bytes"));
                }
                self.at += 1;
                Ok(kept)
            }
            b'\\' => self.escaped(start),
            _ => Err(Stop::NotJson),
        }
    }

    /// Goes to the next quote, escape or control character.
    fn plain_characters(&mut self) {
        self.at = scan::json_special(self.bytes, self.at);
    }

    /// A string with escapes, from its first character.
    fn escaped(&mut self, start: usize) -> Result<(u32, u32), Stop> {
        let mut out = self.text.get(start..self.at).unwrap_or_default().to_owned();
        let mut plain = self.at;
        loop {
            match self.peek() {
                b'"' => {
                    out.push_str(self.text.get(plain..self.at).unwrap_or_default());
                    self.at += 1;
                    break;
                }
                b'\\' => {
                    out.push_str(self.text.get(plain..self.at).unwrap_or_default());
                    self.at += 1;
                    out.push(self.escape()?);
                    plain = self.at;
                }
                _ => return Err(Stop::NotJson),
            }
            self.plain_characters();
        }
        if out.len() > self.limits.max_scalar {
            return Err(self.too("value is too long", self.limits.max_scalar, "bytes"));
        }
        Ok(self.document.keep(&out))
    }

    fn escape(&mut self) -> Result<char, Stop> {
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return Err(Stop::NotJson),
        })
    }

    fn unicode(&mut self) -> Result<char, Stop> {
        let high = self.hex()?;
        if !(0xD800..0xDC00).contains(&high) {
            return char::from_u32(high).ok_or(Stop::NotJson);
        }
        self.expect(b'\\')?;
        self.expect(b'u')?;
        let low = self.hex()?;
        if !(0xDC00..0xE000).contains(&low) {
            return Err(Stop::NotJson);
        }
        let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
        char::from_u32(code).ok_or(Stop::NotJson)
    }

    fn hex(&mut self) -> Result<u32, Stop> {
        let digits = self.text.get(self.at..self.at + 4).ok_or(Stop::NotJson)?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(Stop::NotJson);
        }
        self.at += 4;
        u32::from_str_radix(digits, 16).map_err(|_| Stop::NotJson)
    }
}

/// Lengths are checked against the limits, which are 32 bits wide.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// RFC 8259, section 6: `-? (0 | [1-9][0-9]*) (\. [0-9]+)? ([eE] [+-]? [0-9]+)?`
fn is_number(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    if whole == 0 || whole > 1 && rest.first() == Some(&b'0') {
        return false;
    }
    rest = rest.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = fraction.get(len..).unwrap_or_default();
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = match exponent {
            [b'+' | b'-', more @ ..] => more,
            more => more,
        };
        return !rest.is_empty() && digits(rest) == rest.len();
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Spare, is_number, parse};
    use crate::{Limits, Plan};
    use palisade_diagnostics::FileId;

    #[test]
    fn numbers_are_those_of_json() {
        for text in ["0", "-0", "10", "1.5", "1e3", "1E+3", "-1.25e-10"] {
            assert!(is_number(text.as_bytes()), "{text}");
        }
        for text in [
            "", "-", "01", "1.", ".5", "+1", "1e", "1e+", "0x1", "1.5.2", "--1",
        ] {
            assert!(!is_number(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn only_json_is_taken() {
        let taken = |text: &str| {
            let how = (&Limits::default(), Plan::default());
            parse(FileId(0), text, 0, how, &mut Spare::default()).is_some()
        };
        for text in [
            "{}",
            " [1, true, null, \"a\\u00e9\\ud83d\\ude00\"] ",
            "{\"a\": {}}\n{\"b\": [[]]}\n",
        ] {
            assert!(taken(text), "{text}");
        }
        for text in [
            "{a: 1}",
            "[1,]",
            "{\"a\": 1,}",
            "{\"a\" 1}",
            "[1 2]",
            "[1}",
            "{\"a\": 1]",
            "['a']",
            "[\"a\nb\"]",
            "[\"\\x\"]",
            "[\"\\ud800\"]",
            "[01]",
            "[",
            "{\"a\"",
            "[] x",
            "[True]",
        ] {
            assert!(!taken(text), "{text}");
        }
    }
}
