//! Scalars of several lines, `|` and `>`.

use super::Reader;
use super::text::is_simple;
use crate::build::block_end;

impl Reader<'_, '_> {
    /// `|` or `>` with an optional `-`, and the lines below it.
    pub(super) fn block_scalar(&mut self, literal: bool) -> Option<()> {
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
    pub(super) fn block_lines(
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
}
