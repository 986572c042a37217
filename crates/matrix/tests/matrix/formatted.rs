//! The formatter: the same tree, every comment, and nothing to do the second time.

use crate::{SHOP, examples};
use palisade_diagnostics::FileId;
use palisade_matrix::format;
use palisade_yaml::{Limits, parse};
use proptest::prelude::*;

fn check(text: &str) {
    let (once, _) = format(FileId(0), text);
    let before = parse(FileId(0), text, &Limits::default());
    let after = parse(FileId(0), &once, &Limits::default());
    assert_eq!(before.documents.len(), after.documents.len(), "{once}");
    for (a, b) in before.documents.iter().zip(&after.documents) {
        assert!(a.root().same(b.root()), "another tree:\n{once}");
    }
    let (twice, _) = format(FileId(0), &once);
    assert_eq!(once, twice, "the second time changes something");
}

fn comments(text: &str) -> Vec<String> {
    let mut out: Vec<String> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('#'))
        .map(|c| c.trim().to_owned())
        .collect();
    out.sort();
    out
}

#[test]
fn examples_keep_their_meaning_and_comments() {
    for (path, text) in examples() {
        check(&text);
        let (formatted, diagnostics) = format(FileId(0), &text);
        assert!(diagnostics.is_empty(), "{path}: {diagnostics:?}");
        assert_eq!(comments(&text), comments(&formatted), "{path}");
    }
}

#[test]
fn unusual_layout_becomes_usual() {
    let text = "spec:\n    flows:   # all of them\n        - id:   a\n          to: b\n\n\n\n        - {id: c}\nkind:    TrafficMatrix\n";
    let (formatted, _) = format(FileId(0), text);
    check(text);
    assert!(formatted.contains("# all of them"), "{formatted}");
    assert!(!formatted.contains("\n\n\n"), "{formatted}");
}

#[test]
fn unreadable_text_comes_back_untouched() {
    let text = "a: [1,\nb: {";
    let (formatted, diagnostics) = format(FileId(0), text);
    assert_eq!(formatted, text);
    assert!(!diagnostics.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn changed_layout_formats_to_the_same_tree(
        edits in proptest::collection::vec((0_usize..80, 0_usize..4), 0..12)
    ) {
        let mut lines: Vec<String> = SHOP.lines().map(str::to_owned).collect();
        for (at, edit) in edits {
            let at = at % lines.len();
            match edit {
                0 => lines.insert(at, String::new()),
                1 => lines.insert(at, "      # a remark".to_owned()),
                2 => lines[at].push_str("   # behind"),
                _ => lines[at].push_str("   "),
            }
        }
        check(&lines.join("\n"));
    }
}
