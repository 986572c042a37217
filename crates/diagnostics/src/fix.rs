//! Changes of a text that mend a finding.

use crate::{FileId, Span};

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// What is replaced; an empty span inserts.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// A change that belongs together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as an order: `` write `10.0.0.0/8` ``.
    pub about: String,
    /// The replacements.
    pub edits: Vec<Edit>,
}

/// A text after fixes, and how many were applied. A fix that touches what an earlier one changed, or
/// that lies outside the text, is left out as a whole; the next run finds it again.
#[must_use]
pub fn apply<'f>(
    file: FileId,
    text: &str,
    fixes: impl IntoIterator<Item = &'f Fix>,
) -> (String, usize) {
    let mut taken: Vec<&Edit> = Vec::new();
    let mut applied = 0;
    for fix in fixes {
        let within = |edit: &Edit| {
            let span = edit.span;
            span.file == file && text.get(span.start as usize..span.end as usize).is_some()
        };
        let clashes = |edit: &Edit| taken.iter().any(|other| touch(edit.span, other.span));
        if fix.edits.is_empty() || !fix.edits.iter().all(|e| within(e) && !clashes(e)) {
            continue;
        }
        taken.extend(&fix.edits);
        applied += 1;
    }
    taken.sort();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for edit in taken {
        out.push_str(text.get(from..edit.span.start as usize).unwrap_or_default());
        out.push_str(&edit.text);
        from = edit.span.end as usize;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    (out, applied)
}

/// Whether two spans overlap, or meet at a point.
fn touch(a: Span, b: Span) -> bool {
    a.start <= b.end && b.start <= a.end
}

#[cfg(test)]
mod tests {
    use super::{Edit, Fix, apply};
    use crate::{FileId, Span};

    fn fix(edits: &[(u32, u32, &str)]) -> Fix {
        let edit = |&(start, end, text): &(u32, u32, &str)| Edit {
            span: Span::new(FileId(0), start, end),
            text: text.to_owned(),
        };
        Fix {
            about: String::new(),
            edits: edits.iter().map(edit).collect(),
        }
    }

    #[test]
    fn edits_are_applied_whatever_their_order() {
        let fixes = [fix(&[(4, 5, "E"), (0, 1, "")]), fix(&[(2, 2, "--")])];
        assert_eq!(
            apply(FileId(0), "abcdef", &fixes),
            ("b--cdEf".to_owned(), 2)
        );
    }

    #[test]
    fn a_fix_that_clashes_or_lies_outside_is_left_out_whole() {
        let fixes = [
            fix(&[(1, 3, "X")]),
            fix(&[(0, 1, "a"), (5, 6, "f")]),
            fix(&[(9, 12, "y")]),
            fix(&[]),
        ];
        assert_eq!(apply(FileId(0), "abcdef", &fixes), ("aXdef".to_owned(), 1));
        assert_eq!(apply(FileId(1), "abcdef", &fixes), ("abcdef".to_owned(), 0));
        // Half a character is no place.
        assert_eq!(
            apply(FileId(0), "é", &[fix(&[(1, 2, "x")])]),
            ("é".to_owned(), 0)
        );
    }
}
