//! Values that nobody looks at: checked like all others, and not kept.

use super::entries::{FEW, canonical_key, duplicate};
use super::{Builder, Step};
use crate::tree::{Content, Entry};
use palisade_diagnostics::Span;
use std::collections::HashMap;

/// An open list or map of a skipped value.
#[derive(Debug)]
pub(super) struct Frame {
    start: u32,
    map: bool,
    /// Where its keys begin among all keys.
    base: usize,
    /// Values so far; in a map, keys and values in turn.
    children: usize,
    height: u32,
    size: u64,
    /// Where its last value ends.
    last: u32,
}

impl Builder<'_> {
    pub(super) fn is_skipping(&self) -> bool {
        !self.skipping.is_empty()
    }

    /// A scalar that is a skipped value.
    pub(super) fn skip_one(&mut self, string: bool, place: (usize, usize)) -> Step {
        let (start, len) = (0, 0);
        let content = if string {
            Content::Quoted { start, len }
        } else {
            Content::Plain { start, len }
        };
        let index = self.push(content, (self.small(place.0), self.small(place.1)));
        self.place(index, 0, 1, 1, place)
    }

    pub(super) fn skip_open(&mut self, map: bool, place: (usize, usize)) -> Step {
        let limit = self.limits.max_depth;
        if self.stack.len() + self.skipping.len() >= limit {
            return self.too("values are nested too deep", place, limit, "levels");
        }
        if self.skipping.last().is_some_and(Frame::is_at_key) {
            return Step::Unplanned;
        }
        if self.skipping.is_empty() {
            self.skip_mark = self.document.buffer.len();
        }
        self.skipping.push(Frame {
            start: self.small(place.0),
            map,
            base: self.skip_keys.len(),
            children: 0,
            height: 0,
            size: 1,
            last: self.small(place.0),
        });
        Step::Go
    }

    /// A scalar within a skipped value.
    pub(super) fn skip_scalar(&mut self, text: &str, string: bool, place: (usize, usize)) -> Step {
        if self.skipping.last().is_some_and(Frame::is_at_key) {
            if !string && text == "<<" {
                return Step::Unplanned;
            }
            let canonical = if string { None } else { canonical_key(text) };
            let text = self.document.keep(canonical.as_deref().unwrap_or(text));
            self.skip_keys.push(Entry {
                text,
                start: self.small(place.0),
                end: self.small(place.1),
                value: 0,
            });
        }
        self.skip_place(1, 1, self.small(place.1), place)
    }

    /// Counts a finished value in the collection around it.
    fn skip_place(&mut self, height: u32, size: u64, end: u32, place: (usize, usize)) -> Step {
        let max = self.limits.max_nodes;
        if let Some(frame) = self.skipping.last_mut() {
            frame.children += 1;
            frame.height = frame.height.max(height);
            frame.size = frame.size.saturating_add(size);
            frame.last = end;
            if frame.size > max as u64 {
                return self.too("too many values", place, max, "values");
            }
        }
        Step::Go
    }

    pub(super) fn skip_close(&mut self, place: (usize, usize)) -> Step {
        let Some(frame) = self.skipping.pop() else {
            return Step::Go;
        };
        // The end event of block collections is empty and lies after the white space that follows.
        let end = if place.1 > place.0 {
            self.small(place.1)
        } else {
            frame.last
        };
        if frame.map {
            self.skip_duplicates(frame.base);
            let first = self
                .skip_keys
                .get(frame.base)
                .map(|key| key.text.0 as usize);
            self.skip_keys.truncate(frame.base);
            if let Some(first) = first {
                self.document.buffer.truncate(first);
            }
        }
        if self.is_skipping() {
            return self.skip_place(frame.height + 1, frame.size, end, place);
        }
        self.document.buffer.truncate(self.skip_mark);
        let content = if frame.map {
            Content::Map { start: 0, len: 0 }
        } else {
            Content::List { start: 0, len: 0 }
        };
        let index = self.push(content, (frame.start, end));
        self.place(index, 0, frame.height + 1, frame.size, place)
    }

    /// Reports the keys of a map that were there before, as [`Builder::entries`] does it.
    fn skip_duplicates(&mut self, base: usize) {
        let keys = self.skip_keys.get(base..).unwrap_or_default();
        let mut index: HashMap<&str, Entry> = HashMap::new();
        for (at, key) in keys.iter().enumerate() {
            let text = self.document.text(key.text.0, key.text.1);
            let before = if keys.len() <= FEW {
                let earlier = keys.iter().take(at);
                earlier
                    .copied()
                    .find(|e| self.document.text(e.text.0, e.text.1) == text)
            } else {
                let known = index.get(text).copied();
                index.entry(text).or_insert(*key);
                known
            };
            if let Some(before) = before {
                let span = |e: &Entry| Span::new(self.file, e.start, e.end);
                let (before, at) = (span(&before), span(key));
                self.problems.add(|| duplicate(text, before, at));
            }
        }
    }
}

impl Frame {
    fn is_at_key(&self) -> bool {
        self.map && self.children.is_multiple_of(2)
    }
}
