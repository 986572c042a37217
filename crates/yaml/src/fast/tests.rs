//! The fast reader against the full parser.

use super::parse;
use crate::problems::Problems;
use crate::tree::{Document, Node};
use crate::{Limits, Parsed, Plan, Read, build};
use palisade_diagnostics::FileId;
use proptest::prelude::*;

fn full(text: &str) -> Parsed {
    let mut read = Read {
        documents: Vec::new(),
        problems: Problems::new(10),
    };
    build::parse_events(
        FileId(0),
        text,
        7,
        &Limits::default(),
        Plan::default(),
        &mut read,
    );
    Parsed {
        documents: read.documents,
        diagnostics: read.problems.finish(),
    }
}

fn fast(text: &str) -> Option<Document> {
    parse(FileId(0), text, 7, &Limits::default(), Plan::default())
}

/// Everything a reader can see of a tree.
fn shown(node: Node<'_>) -> String {
    let mut out = format!("{:?} {:?} {:?}", node.span(), node.kind(), node.text());
    for item in node.items() {
        out += &format!("\n- {}", shown(item));
    }
    for (key, value) in node.entries() {
        out += &format!("\n{key:?}: {}", shown(value));
    }
    out
}

/// Whether the fast reader took the text; if so, both readers must have seen the same.
fn agrees(text: &str) -> bool {
    let Some(document) = fast(text) else {
        return false;
    };
    let parsed = full(text);
    assert!(
        parsed.diagnostics.is_empty(),
        "{text:?}: {:?}",
        parsed.diagnostics
    );
    assert_eq!(parsed.documents.len(), 1, "{text:?}");
    let (mine, theirs) = (shown(document.root()), shown(parsed.documents[0].root()));
    let differ = mine.lines().zip(theirs.lines()).find(|(a, b)| a != b);
    assert!(
        mine == theirs,
        "{text:?}
{differ:#?}"
    );
    true
}

const MANIFEST: &str = "---\n# c\napiVersion: v1  # one\nkind: 'List'\nitems:\n- metadata:\n    name: a-b\n    \"x/y\":\n    labels: {}\n  spec:\n    ports:\n      - port: 80\n        protocol: TCP\n      -\n        port: 0x1F\n    args: [\"--a\", -b, {k: v, l: [x]}]\n    script: |\n      #!/bin/sh\n       two\n\n      three: é\n\n    note: >-\n      one\n      two\n    empty:\n- - a\n  - b c\n-\nlast:\n# end\n";

#[test]
fn a_usual_manifest_is_read_the_same() {
    assert!(agrees(MANIFEST));
}

#[test]
fn unusual_text_is_left_to_the_full_parser() {
    for text in [
        "a: &x 1\n",
        "a: *x\n",
        "a: !t 1\n",
        "a: b: c\n",
        "a: b\n  c\n",
        "- a\n b\n",
        "a: \"x\\u0041\"\n",
        "a: \"x\\\n  y\"\n",
        "a : 1\n",
        "a:\n\tb: 1\n",
        "? a\n",
        "a: 1\nb\n",
        "  a: 1\n b: 2\n",
        "a: [1,\n 2]\n",
        "",
        "a: |2\n   x\n",
        "a: |\n\n  x\n",
        "a: |\n  x",
        "--- a: 1\n",
        "a: 1\n...\n",
        "a: 1\r\n",
        "a: 1\na: 2\n",
        "<<: {a: 1}\n",
        "a: 1\n- b\n",
        "a: {{ x }}\n",
        "a: `x`\n",
        "- a\nb: 1\n",
        "a: >\n  x\n   y\n",
    ] {
        assert!(fast(text).is_none(), "{text:?}");
    }
}

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "a",
        "b: ",
        "c:",
        "\n",
        "\n  ",
        "\n    ",
        "\n- ",
        "\n  - ",
        "- ",
        "-",
        " ",
        "# x",
        "|",
        "|-",
        ">",
        ">-",
        "\n\n",
        "{",
        "}",
        "[",
        "]",
        ", ",
        ",",
        ": ",
        "\"q\"",
        "'s'",
        "'",
        "\"",
        "1",
        "~",
        "é",
        "\u{2028}",
        "\t",
        "&a ",
        "*a",
        "!",
        "---",
        "...",
        "\\",
        "%",
        "?",
        "=",
        "<<: ",
        "k: v",
        "d: |\n   x\n  y\n",
        "e: >-\n   x\n   y\n",
        "\u{85}",
        "\u{feff}",
        "$",
        "+",
        ".",
        "^",
        "(",
        "<",
        "k:{\"n\":\"x\"}: ",
        "f:g: ",
        "\"a\\\"b\"",
        "\"\\n\\t\\\\\": ",
        "'it''s'",
        "''",
        " #",
        "a#b",
        " :",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_readers_see_the_same(parts in prop::collection::vec(piece(), 0..24)) {
        agrees(&parts.concat());
    }

    #[test]
    fn both_readers_see_the_same_in_changed_manifests(at in 0..MANIFEST.len(), cut in 0..12_usize, new in piece()) {
        let end = (at + cut).min(MANIFEST.len());
        if let (Some(before), Some(after)) = (MANIFEST.get(..at), MANIFEST.get(end..)) {
            agrees(&format!("{before}{new}{after}"));
        }
    }
}
