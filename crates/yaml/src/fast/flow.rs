//! Collections in brackets, on one line.

use super::Reader;

/// Nesting of flow collections that is read here.
const FLOW_DEPTH: usize = 8;

impl Reader<'_, '_> {
    /// A flow collection on one line.
    pub(super) fn flow(&mut self, depth: usize) -> Option<()> {
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

    pub(super) fn flow_value(&mut self, depth: usize) -> Option<()> {
        if matches!(self.peek(0), b'[' | b'{') {
            return self.flow(depth + 1);
        }
        let text = self.flow_text()?;
        self.at = text.end;
        self.take(&text)
    }
}
