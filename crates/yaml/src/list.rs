//! Cuts a large `List` into its items, so that each is read and dropped by itself.
//!
//! Cutting looks at indentation, or at brackets and quotes, and proves nothing: what is cut out must
//! still be read without a problem, piece by piece. If not, the list is read as a whole.

use crate::scan;
use std::ops::Range;

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    /// No list, but JSON values one after the other.
    Values,
    /// Items begin with a dash in this column.
    Yaml {
        column: usize,
    },
}

/// What comes next in a list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// An item, and where to go on.
    Item(Range<usize>, usize),
    /// Where the text after the list begins.
    End(usize),
    /// The text ends before the item does.
    More,
    /// It does not look like a list.
    Broken,
}

/// Where the items of an object with `items` begin, and how they are written. `None` if the text does
/// not begin with such an object.
pub(crate) fn start(text: &str) -> Option<(Form, usize)> {
    let bytes = text.as_bytes();
    if is_json(text) {
        json_start(bytes, json_space(bytes, 0) + 1).map(|at| (Form::Json, at))
    } else {
        yaml_start(bytes)
    }
}

/// Whether a text begins as an object of JSON does.
pub(crate) fn is_json(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.get(json_space(bytes, 0)) == Some(&b'{')
}

/// What comes at `at`. `more`: further text may follow; `first`: no item has been read yet.
pub(crate) fn next(form: Form, text: &str, at: usize, first: bool, more: bool) -> Next {
    match form {
        Form::Json => json_next(text.as_bytes(), at, first, more),
        Form::Values => value_next(text.as_bytes(), at, more),
        Form::Yaml { column } => yaml_next(text.as_bytes(), at, column, more),
    }
}

fn json_space(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at = scan::no_space(bytes, at + 1);
    }
    at
}

/// One past the `[` of the key `items` of an object, from its first key.
fn json_start(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = json_space(bytes, at);
        let end = json_value(bytes, at).filter(|_| bytes.get(at) == Some(&b'"'))?;
        let is_items = bytes.get(at..end) == Some(b"\"items\"");
        at = json_space(bytes, end);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        at = json_space(bytes, at + 1);
        if is_items {
            return (bytes.get(at) == Some(&b'[')).then_some(at + 1);
        }
        at = json_space(bytes, json_value(bytes, at)?);
        if bytes.get(at) != Some(&b',') {
            return None;
        }
        at += 1;
    }
}

fn json_next(bytes: &[u8], at: usize, first: bool, more: bool) -> Next {
    let unfinished = if more { Next::More } else { Next::Broken };
    let mut start = json_space(bytes, at);
    match (bytes.get(start), first) {
        (None, _) => return unfinished,
        (Some(b']'), _) => return Next::End(start),
        (Some(b','), false) => start = json_space(bytes, start + 1),
        (Some(_), true) => {}
        (Some(_), false) => return Next::Broken,
    }
    if bytes.get(start) == Some(&b']') {
        return Next::Broken;
    }
    // A value that is no map or list ends where the text ends, as far as one can tell.
    match json_value(bytes, start) {
        Some(end) if end < bytes.len() || !more => Next::Item(start..end, end),
        _ => unfinished,
    }
}

/// Whether a text begins with two maps or lists of JSON, one after the other.
pub(crate) fn is_values(text: &str) -> bool {
    let bytes = text.as_bytes();
    match value_next(bytes, 0, true) {
        Next::Item(_, then) => opens(bytes, json_space(bytes, then)),
        _ => false,
    }
}

fn opens(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at), Some(b'{' | b'['))
}

fn value_next(bytes: &[u8], at: usize, more: bool) -> Next {
    let start = json_space(bytes, at);
    match bytes.get(start) {
        None if !more => Next::End(bytes.len()),
        None => Next::More,
        Some(b'{' | b'[') => match json_value(bytes, start) {
            Some(end) => Next::Item(start..end, end),
            None if more => Next::More,
            None => Next::Broken,
        },
        Some(_) => Next::Broken,
    }
}

/// One past the value that begins at `at`, judged by brackets and quotes alone.
fn json_value(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = json_string(bytes, at + 1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            b'{' | b'[' => {
                depth += 1;
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ if depth == 0 => {
                let rest = bytes.get(at..).unwrap_or_default();
                let ends = |b: &u8| matches!(b, b',' | b']' | b'}' | b' ' | b'\n' | b'\r' | b'\t');
                let len = rest.iter().position(ends).unwrap_or(rest.len());
                return (len > 0).then_some(at + len);
            }
            _ => at = scan::json_structure(bytes, at + 1),
        }
    }
}

/// One past the closing quote of a string, from its first character.
fn json_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = scan::json_special(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => return None,
        }
    }
}

/// The first line after a line `items:` of the outermost map.
fn yaml_start(bytes: &[u8]) -> Option<(Form, usize)> {
    let mut at = 0;
    while at < bytes.len() {
        let end = scan::line_end(bytes, at);
        let line = bytes.get(at..end).unwrap_or_default();
        at = end + 1;
        let Some(rest) = line.strip_prefix(b"items:") else {
            continue;
        };
        let rest = rest.trim_ascii();
        if !rest.is_empty() && !rest.starts_with(b"#") {
            return None;
        }
        let (line, column) = content_line(bytes, at)?;
        return is_dash(bytes, line + column).then_some((Form::Yaml { column }, at));
    }
    None
}

/// Where the next line with content begins, and its indentation.
fn content_line(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    while at < bytes.len() {
        let text = scan::no_space(bytes, at);
        match bytes.get(text) {
            None => return None,
            Some(b'\n' | b'\r' | b'#') => at = scan::line_end(bytes, text) + 1,
            Some(_) => return Some((at, text - at)),
        }
    }
    None
}

fn is_dash(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'-') && matches!(bytes.get(at + 1), None | Some(b' ' | b'\n' | b'\r'))
}

fn yaml_next(bytes: &[u8], at: usize, column: usize, more: bool) -> Next {
    let unfinished = if more { Next::More } else { Next::Broken };
    let Some((start, indent)) = content_line(bytes, at) else {
        return if more {
            Next::More
        } else {
            Next::End(bytes.len())
        };
    };
    // `items` stands at the margin, and so does what follows its list. A dash that is followed by a tab belongs
    // to the list, too.
    if indent == 0 && bytes.get(start) != Some(&b'-') {
        return Next::End(start);
    }
    if indent != column || !is_dash(bytes, start + indent) {
        return Next::Broken;
    }
    let mut line = scan::line_end(bytes, start) + 1;
    loop {
        // Whether the next line goes on with the item can only be told when all of it is there.
        match content_line(bytes, line) {
            None if more => return Next::More,
            None => return Next::Item(start..bytes.len(), bytes.len()),
            Some((next, _)) if more && scan::line_end(bytes, next) >= bytes.len() => {
                return unfinished;
            }
            Some((next, indent)) if indent <= column => return Next::Item(start..next, next),
            Some((next, _)) => line = scan::line_end(bytes, next) + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, Next, next, start};

    /// The items, and what stands before and after them.
    fn cut(text: &str) -> Option<(&str, Vec<&str>, &str)> {
        let (form, begin) = start(text)?;
        let (mut at, mut items) = (begin, Vec::new());
        loop {
            match next(form, text, at, items.is_empty(), false) {
                Next::Item(range, then) => {
                    items.push(&text[range]);
                    at = then;
                }
                Next::End(end) => return Some((&text[..begin], items, &text[end..])),
                Next::More | Next::Broken => return None,
            }
        }
    }

    #[test]
    fn json_is_cut_at_its_brackets() {
        let text =
            r#"{"a": {"items": [1]}, "items" : [ {"x": "]}\""}, [2], "s" , 3], "kind": "List"}"#;
        let (head, items, tail) = cut(text).unwrap();
        assert_eq!(head, r#"{"a": {"items": [1]}, "items" : ["#);
        assert_eq!(items, [r#"{"x": "]}\""}"#, "[2]", "\"s\"", "3"]);
        assert_eq!(tail, r#"], "kind": "List"}"#);
        for broken in [
            r#"{"items": [1,]}"#,
            r#"{"items": [1 2]}"#,
            r#"{"items": [,1]}"#,
            r#"{"items": [{"a": 1}"#,
            r#"{"items": {}}"#,
            r#"{"a": 1}"#,
        ] {
            assert_eq!(cut(broken), None, "{broken}");
        }
    }

    #[test]
    fn yaml_is_cut_at_its_dashes() {
        let text = "kind: List\nitems: # all\n# one\n- a: 1\n  b:\n  - c\n\n# two\n-\n  d: |\n    - e\n- [f]\nmetadata: {}\n";
        let (head, items, tail) = cut(text).unwrap();
        assert_eq!(head, "kind: List\nitems: # all\n");
        assert_eq!(
            items,
            [
                "- a: 1\n  b:\n  - c\n\n# two\n",
                "-\n  d: |\n    - e\n",
                "- [f]\n"
            ]
        );
        assert_eq!(tail, "metadata: {}\n");
        let indented = "items:\n  - a\n  - b";
        assert_eq!(cut(indented).unwrap().1, ["  - a\n", "  - b"]);
        for other in [
            "items: [a]\n",
            "items:\n  a: 1\n",
            "a: 1\n",
            "items:\n",
            // Neither an item nor a key beside `items`: without its list, the head would take it for a value.
            "items:\n  - a\n r\nkind: List\n",
            "items:\n  - a\n  b: 1\n",
            // Without its list, the head would take these items for its own.
            "items:\n  - a\n- b\n",
            "items:\n- a\n-\tb\nkind: List\n",
        ] {
            assert_eq!(cut(other), None, "{other}");
        }
    }

    #[test]
    fn an_item_that_is_not_whole_yet_waits_for_more() {
        for text in [
            "{\"items\": [{\"a\": 1}, {\"b\": [2]}, 34",
            "items:\n- a: 1\n- b: 2\n  c: 3",
        ] {
            let (form, at) = start(text).unwrap();
            let Next::Item(_, at) = next(form, text, at, true, true) else {
                panic!("{text}");
            };
            let rest = match form {
                Form::Json | Form::Values => match next(form, text, at, false, true) {
                    Next::Item(_, at) => at,
                    other => panic!("{other:?}"),
                },
                Form::Yaml { .. } => at,
            };
            assert_eq!(next(form, text, rest, false, true), Next::More, "{text}");
        }
    }
}
