//! Cuts a stream at its `---` and `...` lines, so that a broken document costs only itself.

use crate::scan;
use memchr::memmem::Finder;
use std::ops::Range;

/// The byte ranges of the pieces, each beginning at a `---` line (or at the start of the text).
/// Pieces without content are left out. `---` and `...` in column 0 end a document even inside a block scalar.
pub(crate) fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut content = false;
    let mut directive = false;
    let mut markers = Markers::new(text.as_bytes());
    while at < text.len() {
        if content {
            // Within a document nothing but a marker is of interest.
            at = markers.next(at);
        }
        let end = scan::line_end(text.as_bytes(), at) + 1;
        let line = text.get(at..end.min(text.len())).unwrap_or_default();
        let marker = is_marker(line, "---");
        if is_marker(line, "...") {
            at += line.len();
            if content {
                out.push(start..at);
            }
            start = at;
            content = false;
            directive = false;
            continue;
        }
        if marker && (content || !directive) {
            if content {
                out.push(start..at);
            }
            start = at;
            content = has_content(line.get(3..).unwrap_or_default());
            directive = false;
        } else if marker {
            // The `---` that directives belong to.
            content = has_content(line.get(3..).unwrap_or_default());
            directive = false;
        } else if !content && line.starts_with('%') {
            directive = true;
        } else {
            content = content || has_content(line);
        }
        at += line.len();
    }
    if content {
        out.push(start..text.len());
    }
    out
}

/// Finds lines that begin like a marker, each byte of the text looked at once for either.
struct Markers<'t> {
    bytes: &'t [u8],
    finders: [Finder<'static>; 2],
    /// The next line of each, from where it was looked for last.
    next: [Option<usize>; 2],
}

impl<'t> Markers<'t> {
    fn new(bytes: &'t [u8]) -> Self {
        Self {
            bytes,
            finders: ["\n---", "\n..."].map(Finder::new),
            next: [None; 2],
        }
    }

    /// The first such line from `at` on, where a line begins; the length of the text if there is none.
    fn next(&mut self, at: usize) -> usize {
        let before = at.saturating_sub(1);
        let rest = self.bytes.get(before..).unwrap_or_default();
        for (next, finder) in self.next.iter_mut().zip(&self.finders) {
            if next.is_none_or(|next| next < at) {
                let found = finder.find(rest).map(|found| before + found + 1);
                *next = Some(found.unwrap_or(self.bytes.len()));
            }
        }
        self.next
            .iter()
            .flatten()
            .copied()
            .min()
            .unwrap_or_default()
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
    use super::{has_content, is_marker, pieces};
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

    proptest! {
        #![proptest_config(ProptestConfig { cases: 5_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn looking_for_markers_finds_what_reading_each_line_finds(
            parts in prop::collection::vec(prop::sample::select(vec![
                "---", "...", "\n", "\n---", "\n...", "\r\n", " ", "a: 1", "#", "%", "-", ".", "é", "\n---\n", "\n...\n",
            ]), 0..16),
        ) {
            let text = parts.concat();
            prop_assert_eq!(pieces(&text), slow(&text), "{:?}", text);
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
