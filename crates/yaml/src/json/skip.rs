//! Values that nobody looks at: checked like all others, and not kept.

use super::{Reader, Stop};
use crate::build::FEW;
use crate::build::duplicate;
use palisade_diagnostics::Span;
use std::collections::HashMap;

/// A key of an open map: its text, in the buffer if it has escapes, else in the text.
#[derive(Clone, Copy)]
pub(super) struct Key {
    escaped: bool,
    text: (usize, usize),
    start: u32,
    end: u32,
}

/// An open list or map.
pub(super) struct Frame {
    map: bool,
    /// Where its keys begin among all keys.
    base: usize,
    index: Option<HashMap<String, Span>>,
}

impl Reader<'_> {
    /// Reads a value without keeping it.
    pub(super) fn skip(&mut self) -> Result<(), Stop> {
        let mark = self.document.buffer.len();
        let mut open: Vec<Frame> = std::mem::take(&mut self.skip_frames);
        let mut keys: Vec<Key> = std::mem::take(&mut self.skip_keys);
        let done = self.skip_with(&mut open, &mut keys);
        open.clear();
        keys.clear();
        self.skip_frames = open;
        self.skip_keys = keys;
        self.document.buffer.truncate(mark);
        done
    }

    fn skip_with(&mut self, open: &mut Vec<Frame>, keys: &mut Vec<Key>) -> Result<(), Stop> {
        loop {
            self.space();
            match self.peek() {
                byte @ (b'{' | b'[') => {
                    if self.skip_open(byte == b'{', open, keys)? {
                        continue;
                    }
                }
                b'"' => self.skip_string()?,
                _ => {
                    self.word_end()?;
                }
            }
            self.count_skipped()?;
            // Closes every collection that the value ends.
            loop {
                let Some(frame) = open.last_mut() else {
                    return Ok(());
                };
                if frame.map {
                    let problem = self.repeated(frame, keys);
                    if let Some((text, before, at)) = problem {
                        self.problems.add(|| duplicate(&text, before, at));
                        keys.pop();
                    }
                }
                self.space();
                let next = self.peek();
                self.at += 1;
                match (next, frame.map) {
                    (b',', map) => {
                        self.space();
                        if map {
                            keys.push(self.skip_key()?);
                        }
                        break;
                    }
                    (b'}', true) | (b']', false) => {
                        keys.truncate(frame.base);
                        open.pop();
                        self.count_skipped()?;
                    }
                    _ => return Err(Stop::NotJson),
                }
            }
        }
    }

    /// Opens a collection; false if it is empty and read already.
    fn skip_open(
        &mut self,
        map: bool,
        open: &mut Vec<Frame>,
        keys: &mut Vec<Key>,
    ) -> Result<bool, Stop> {
        if self.stack.len() + open.len() >= self.limits.max_depth {
            let limit = self.limits.max_depth;
            return Err(self.too("values are nested too deep", limit, "levels"));
        }
        self.at += 1;
        self.space();
        if self.peek() == if map { b'}' } else { b']' } {
            self.at += 1;
            return Ok(false);
        }
        let base = keys.len();
        if map {
            keys.push(self.skip_key()?);
        }
        open.push(Frame {
            map,
            base,
            index: None,
        });
        Ok(true)
    }

    fn count_skipped(&mut self) -> Result<(), Stop> {
        self.skipped += 1;
        if self.document.nodes.len() + self.skipped > self.limits.max_nodes {
            return Err(self.too("too many values", self.limits.max_nodes, "values"));
        }
        Ok(())
    }

    /// A string whose text does not matter.
    fn skip_string(&mut self) -> Result<(), Stop> {
        let start = self.at + 1;
        self.at = start;
        self.plain_characters();
        match self.peek() {
            b'"' => {
                if self.at - start > self.limits.max_scalar {
                    return Err(self.too("value is too long", self.limits.max_scalar, "bytes"));
                }
                self.at += 1;
                Ok(())
            }
            b'\\' => {
                let mark = self.document.buffer.len();
                self.escaped(start)?;
                self.document.buffer.truncate(mark);
                Ok(())
            }
            _ => Err(Stop::NotJson),
        }
    }

    /// `"key":`
    fn skip_key(&mut self) -> Result<Key, Stop> {
        let start = self.at;
        self.expect(b'"')?;
        self.plain_characters();
        let (escaped, text) = match self.peek() {
            b'"' => {
                let text = (start + 1, self.at);
                if text.1 - text.0 > self.limits.max_scalar {
                    return Err(self.too("value is too long", self.limits.max_scalar, "bytes"));
                }
                self.at += 1;
                (false, text)
            }
            b'\\' => {
                let (from, len) = self.escaped(start + 1)?;
                (true, (from as usize, (from + len) as usize))
            }
            _ => return Err(Stop::NotJson),
        };
        let key = Key {
            escaped,
            text,
            start: self.small(start),
            end: self.small(self.at),
        };
        self.space();
        self.expect(b':')?;
        Ok(key)
    }

    fn skipped_text(&self, key: &Key) -> &str {
        let from = if key.escaped {
            self.document.buffer.as_str()
        } else {
            self.text
        };
        from.get(key.text.0..key.text.1).unwrap_or_default()
    }

    /// The last key of a map, if it was there before: its text, and both places.
    fn repeated(&self, frame: &mut Frame, keys: &[Key]) -> Option<(String, Span, Span)> {
        let own = keys.get(frame.base..)?;
        let (last, before) = own.split_last()?;
        let text = self.skipped_text(last);
        let span = |key: &Key| Span::new(self.file, key.start, key.end);
        let found = if before.len() <= FEW {
            let same = before.iter().find(|key| self.skipped_text(key) == text);
            same.map(span)
        } else {
            let index = frame.index.get_or_insert_with(HashMap::new);
            for key in before.iter().skip(index.len()) {
                index.insert(self.skipped_text(key).to_owned(), span(key));
            }
            index.get(text).copied()
        };
        found.map(|before| (text.to_owned(), before, span(last)))
    }
}
