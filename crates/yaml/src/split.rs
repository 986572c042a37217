//! Cuts a stream at its `---` and `...` lines, so that a broken document costs only itself.

use std::ops::Range;

/// The byte ranges of the pieces, each beginning at a `---` line (or at the start of the text).
/// Pieces without content are left out. `---` and `...` in column 0 end a document even inside a block scalar.
pub(crate) fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut content = false;
    let mut directive = false;
    for line in text.split_inclusive('\n') {
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
    use super::pieces;

    #[test]
    fn pieces_begin_at_markers_and_empty_ones_are_left_out() {
        let text = "# only a comment\n---\na: 1\n---\n---\n# nothing\n--- {b: 2}\n...\n---x: 1\n";
        let parts: Vec<&str> = pieces(text).into_iter().map(|r| &text[r]).collect();
        assert_eq!(parts, ["---\na: 1\n", "--- {b: 2}\n...\n", "---x: 1\n"]);
        assert_eq!(pieces("%YAML 1.1\n---\na: 1\n").len(), 1);
    }
}
