//! Builds trees from parser events: iterative, limited, aliases shared and never copied.

mod entries;
mod skip;
mod syntax;

use crate::limits::{Limits, exceeded};
use crate::problems::Problems;
use crate::shape::{Held, Plan, Turn};
use crate::tree::{Content, Data, Document, Entry, Index};
use crate::{Read, fast};
pub(crate) use entries::{FEW, duplicate};
use granit_parser::{Event, Options, Parser, ScalarStyle};
use palisade_diagnostics::{Diagnostic, FileId, Span};
use std::collections::HashMap;

/// Reads the documents of one piece of a stream.
pub(crate) fn parse(
    file: FileId,
    part: &str,
    offset: usize,
    limits: &Limits,
    plan: Plan,
    read: &mut Read,
) {
    if let Some(document) = fast::parse(file, part, offset, limits, plan) {
        read.documents.push(document);
        return;
    }
    let mut planned = Read {
        documents: Vec::new(),
        problems: Problems::new(limits.max_diagnostics),
    };
    if parse_events(file, part, offset, limits, plan, &mut planned) {
        read.documents.append(&mut planned.documents);
        read.problems.append(planned.problems);
    } else {
        parse_events(file, part, offset, limits, Plan::default(), read);
    }
}

/// The same by the full parser. False if the text holds what a plan does not allow for (an alias may
/// stand for what was skipped).
pub(crate) fn parse_events(
    file: FileId,
    part: &str,
    offset: usize,
    limits: &Limits,
    plan: Plan,
    read: &mut Read,
) -> bool {
    let mut options = Options::default();
    options.emit_comments = false;
    let mut events = Parser::new_from_str_with_options(part, options);
    let mut builder = Builder::new(file, offset, limits, plan);
    loop {
        let (event, place) = match events.next_event() {
            None => break,
            Some(Ok(pair)) => pair,
            Some(Err(error)) => {
                read.problems
                    .add(|| syntax::failure(file, part, offset, &error, limits));
                return true;
            }
        };
        let mut range = place.byte_range().unwrap_or(0..0);
        if let Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) = &event {
            range.end = block_end(part, range.start, range.end);
        }
        match builder.event(event, (range.start, range.end)) {
            Step::Go => {}
            Step::Ready(document) => {
                if document.root().is_null() && document.span().start == document.span().end {
                    continue;
                }
                read.documents.push(*document);
            }
            Step::Bad(problems) => read.problems.append(problems),
            Step::Abandon(diagnostic) => {
                read.problems.add(|| *diagnostic);
                return true;
            }
            Step::Unplanned => return false,
        }
        if builder.finished {
            return true;
        }
    }
    true
}

/// Where the last line of a block scalar ends: the line breaks and the indentation that follow it are
/// no part of what people see as the value.
pub(crate) fn block_end(part: &str, start: usize, end: usize) -> usize {
    let text = part.get(start..end).unwrap_or_default();
    start + text.trim_end_matches([' ', '\t', '\r', '\n']).len()
}

/// What an event leads to.
pub(crate) enum Step {
    Go,
    Ready(Box<Document>),
    /// The document was read to its end and is bad in itself.
    Bad(Problems),
    /// Reading on would cost too much.
    Abandon(Box<Diagnostic>),
    /// The document has to be read without a plan.
    Unplanned,
}

/// Where a value goes.
enum Place {
    Key,
    Value(Turn),
}

/// An open list or map.
struct Frame {
    start: u32,
    anchor: usize,
    /// Where its values begin among those of all open collections; in a map, keys and values in turn.
    base: usize,
    map: bool,
    /// The shape of the map, or of the items of the list.
    held: Held,
    /// Deepest child so far, and how many values it stands for.
    height: u32,
    size: u64,
}

/// What an anchor stands for.
#[derive(Clone, Copy)]
struct Anchored {
    index: Index,
    height: u32,
    size: u64,
}

pub(crate) struct Builder<'l> {
    file: FileId,
    offset: usize,
    limits: &'l Limits,
    plan: Plan,
    document: Document,
    stack: Vec<Frame>,
    /// Values of the collections that are open.
    children: Vec<Index>,
    /// The open collections of a skipped value, their keys, and where the buffer stood before it.
    skipping: Vec<skip::Frame>,
    skip_keys: Vec<Entry>,
    skip_mark: usize,
    anchors: HashMap<usize, Anchored>,
    problems: Problems,
    root: Option<Index>,
    finished: bool,
    /// Where the map that is being closed begins.
    closing: Option<u32>,
}

impl<'l> Builder<'l> {
    pub(crate) fn new(file: FileId, offset: usize, limits: &'l Limits, plan: Plan) -> Self {
        let document = Document {
            file: file.0,
            ..Document::default()
        };
        Self {
            file,
            offset,
            limits,
            plan,
            document,
            stack: Vec::new(),
            children: Vec::new(),
            skipping: Vec::new(),
            skip_keys: Vec::new(),
            skip_mark: 0,
            anchors: HashMap::new(),
            problems: Problems::new(limits.max_diagnostics),
            root: None,
            finished: false,
            closing: None,
        }
    }

    /// With room for the document of a text of `bytes`.
    pub(crate) fn sized(mut self, bytes: usize) -> Self {
        self.document.reserve(bytes);
        self
    }

    fn small(&self, at: usize) -> u32 {
        u32::try_from(at + self.offset).unwrap_or(u32::MAX)
    }

    fn span(&self, (start, end): (usize, usize)) -> Span {
        Span::new(self.file, self.small(start), self.small(end))
    }

    fn event(&mut self, event: Event<'_>, place: (usize, usize)) -> Step {
        if self.plan.root.is_some()
            && let Event::Scalar(_, _, 1.., _)
            | Event::SequenceStart(_, 1.., _)
            | Event::MappingStart(_, 1.., _)
            | Event::Alias(_) = event
        {
            return Step::Unplanned;
        }
        match event {
            Event::StreamEnd => self.finished = true,
            Event::DocumentEnd => return self.end_document(),
            Event::Scalar(text, style, anchor, tag) => {
                let string = style != ScalarStyle::Plain
                    || tag.as_deref().is_some_and(|t| t.suffix() == "str");
                return self.add_scalar(&text, string, anchor, place);
            }
            Event::SequenceStart(_, anchor, _) => return self.open(anchor, false, place),
            Event::MappingStart(_, anchor, _) => return self.open(anchor, true, place),
            Event::SequenceEnd | Event::MappingEnd => return self.close(place),
            Event::Alias(anchor) => return self.alias(anchor, place),
            _ => {}
        }
        Step::Go
    }

    fn too(&self, what: &str, place: (usize, usize), limit: usize, unit: &str) -> Step {
        let at = Some(self.span(place));
        Step::Abandon(Box::new(exceeded(at, what, limit, unit)))
    }

    pub(crate) fn add_scalar(
        &mut self,
        text: &str,
        string: bool,
        anchor: usize,
        place: (usize, usize),
    ) -> Step {
        if text.len() > self.limits.max_scalar {
            let at = (place.0, place.0);
            return self.too("value is too long", at, self.limits.max_scalar, "bytes");
        }
        if self.is_skipping() {
            return self.skip_scalar(text, string, place);
        }
        match self.turn() {
            Place::Key if !string && text == "<<" && self.plan.root.is_some() => {
                return Step::Unplanned;
            }
            Place::Value(Turn::Skip) => return self.skip_one(string, place),
            Place::Key | Place::Value(Turn::Keep(_)) => {}
        }
        let index = self.scalar(text, string, place);
        self.note(index);
        self.place(index, anchor, 1, 1, place)
    }

    /// What comes next, and what becomes of it.
    fn turn(&self) -> Place {
        let Some(frame) = self.stack.last() else {
            return Place::Value(Turn::Keep(self.plan.root));
        };
        if !frame.map {
            return Place::Value(Turn::Keep(frame.held.shape));
        }
        if (self.children.len() - frame.base).is_multiple_of(2) {
            return Place::Key;
        }
        Place::Value(match frame.held.shape {
            None => Turn::Keep(None),
            Some(shape) => shape.turn(self.last_key()),
        })
    }

    /// The text of the key whose value comes next.
    fn last_key(&self) -> &str {
        let key = self.children.last();
        let data = key.and_then(|key| self.document.nodes.get(*key as usize));
        match data.map(|data| data.content) {
            Some(Content::Plain { start, len } | Content::Quoted { start, len }) => {
                self.document.text(start, len)
            }
            _ => "",
        }
    }

    /// Takes note of the type of an object.
    fn note(&mut self, value: Index) {
        let Some(frame) = self.stack.last() else {
            return;
        };
        if !frame.map
            || !frame.held.is_typed()
            || (self.children.len() - frame.base).is_multiple_of(2)
        {
            return;
        }
        let content = self.document.nodes.get(value as usize).map(|d| d.content);
        if let Some(Content::Plain { start, len } | Content::Quoted { start, len }) = content {
            let mut held = frame.held;
            held.note(
                self.plan,
                self.last_key(),
                (start, len),
                &self.document.buffer,
            );
            if let Some(frame) = self.stack.last_mut() {
                frame.held = held;
            }
        }
    }

    fn scalar(&mut self, text: &str, string: bool, place: (usize, usize)) -> Index {
        let (start, len) = self.document.keep(text);
        let content = if string {
            Content::Quoted { start, len }
        } else {
            Content::Plain { start, len }
        };
        self.push(content, (self.small(place.0), self.small(place.1)))
    }

    fn push(&mut self, content: Content, (start, end): (u32, u32)) -> Index {
        let index = u32::try_from(self.document.nodes.len()).unwrap_or(u32::MAX);
        self.document.nodes.push(Data {
            start,
            end: end.max(start),
            content,
        });
        index
    }

    pub(crate) fn open(&mut self, anchor: usize, map: bool, place: (usize, usize)) -> Step {
        if self.is_skipping() {
            return self.skip_open(map, place);
        }
        let shape = match self.turn() {
            Place::Key => None,
            Place::Value(Turn::Keep(shape)) => shape,
            Place::Value(Turn::Skip) => return self.skip_open(map, place),
        };
        if self.stack.len() >= self.limits.max_depth {
            return self.too(
                "values are nested too deep",
                place,
                self.limits.max_depth,
                "levels",
            );
        }
        self.stack.push(Frame {
            start: self.small(place.0),
            anchor,
            base: self.children.len(),
            map,
            held: Held::new(shape),
            height: 0,
            size: 1,
        });
        Step::Go
    }

    pub(crate) fn close(&mut self, place: (usize, usize)) -> Step {
        if self.is_skipping() {
            return self.skip_close(place);
        }
        let Some(frame) = self.stack.pop() else {
            return Step::Go;
        };
        let mut children = std::mem::take(&mut self.children);
        let own = children.get(frame.base..).unwrap_or_default();
        let last = own
            .last()
            .and_then(|i| self.document.nodes.get(*i as usize))
            .map_or(frame.start, |data| data.end);
        // The end event of block collections is empty and lies after the white space that follows.
        let end = if place.1 > place.0 {
            self.small(place.1)
        } else {
            last
        };
        let len = u32::try_from(own.len()).unwrap_or(u32::MAX);
        let content = if frame.map {
            let start = u32::try_from(self.document.entries.len()).unwrap_or(u32::MAX);
            self.closing = Some(frame.start);
            let len = self.entries(own);
            Content::Map { start, len }
        } else {
            let start = u32::try_from(self.document.items.len()).unwrap_or(u32::MAX);
            self.document.items.extend_from_slice(own);
            Content::List { start, len }
        };
        children.truncate(frame.base);
        self.children = children;
        let index = self.push(content, (frame.start, end));
        self.place(index, frame.anchor, frame.height + 1, frame.size, place)
    }

    /// Puts a finished value into its parent.
    fn place(
        &mut self,
        index: Index,
        anchor: usize,
        height: u32,
        size: u64,
        place: (usize, usize),
    ) -> Step {
        if anchor != 0 {
            let anchored = Anchored {
                index,
                height,
                size,
            };
            self.anchors.insert(anchor, anchored);
        }
        match self.stack.last_mut() {
            None => {
                self.root = Some(index);
            }
            Some(frame) => {
                self.children.push(index);
                frame.height = frame.height.max(height);
                frame.size = frame.size.saturating_add(size);
                if frame.size > self.limits.max_nodes as u64 {
                    return self.too("too many values", place, self.limits.max_nodes, "values");
                }
                let depth = self.stack.len() + height as usize;
                if depth > self.limits.max_depth + 1 {
                    let limit = self.limits.max_depth;
                    return self.too("values are nested too deep", place, limit, "levels");
                }
            }
        }
        Step::Go
    }

    fn alias(&mut self, anchor: usize, place: (usize, usize)) -> Step {
        match self.anchors.get(&anchor).copied() {
            Some(a) => self.place(a.index, 0, a.height, a.size, place),
            None => {
                let at = self.span(place);
                self.problems.add(|| {
                    Diagnostic::error("PAL0003", "an alias stands inside what it stands for")
                        .at(at, "")
                        .help("write the value out")
                });
                let index = self.scalar("", false, place);
                self.place(index, 0, 1, 1, place)
            }
        }
    }

    pub(crate) fn end_document(&mut self) -> Step {
        let fresh = Builder::new(self.file, self.offset, self.limits, self.plan);
        let done = std::mem::replace(self, fresh);
        if !done.problems.is_empty() {
            // The document has been read to its end: nothing is left to skip.
            return Step::Bad(done.problems);
        }
        let mut document = done.document;
        match done.root {
            None => Step::Go,
            Some(root) => {
                document.root = root;
                Step::Ready(Box::new(document))
            }
        }
    }
}
