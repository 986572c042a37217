//! Every row of `docs/capabilities.md`: its command answers, the words are in the output, the test exists.

use crate::run::{palisade, root};
use std::fs;
use std::path::Path;

/// A row's command, words and test.
struct Row {
    line: usize,
    command: String,
    words: String,
    test: String,
}

fn rows(text: &str) -> Vec<Row> {
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [_, _, command, words, test] = cells.as_slice() else {
            continue;
        };
        let bare = |cell: &str| {
            cell.trim_matches(|c| matches!(c, '`' | '|' | ' '))
                .to_owned()
        };
        if command.starts_with("`palisade ") {
            out.push(Row {
                line: number + 1,
                command: bare(command),
                words: bare(words),
                test: bare(test),
            });
        }
    }
    out
}

#[test]
fn every_capability_is_shown() {
    let root = root();
    let text = fs::read_to_string(root.join("docs/capabilities.md")).unwrap();
    let rows = rows(&text);
    let demands = text.lines().filter(|l| l.starts_with("| ")).count() - 4;
    assert_eq!(rows.len(), demands, "a row cannot be read");
    let mut sources = String::new();
    collect(&root.join("crates"), &mut sources);
    let mut wrong = Vec::new();
    for row in rows {
        let words: Vec<&str> = row.command.split_whitespace().skip(1).collect();
        let ended = palisade(&root, &words);
        if !matches!(ended.code, 0 | 1) {
            wrong.push(format!(
                "line {}: ended with {}\n{}",
                row.line, ended.code, ended.err
            ));
        } else if !ended.out.contains(&row.words) {
            wrong.push(format!(
                "line {}: no `{}` in the output",
                row.line, row.words
            ));
        }
        if !sources.contains(&format!("fn {}(", row.test)) {
            wrong.push(format!("line {}: no test `{}`", row.line, row.test));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All test sources.
fn collect(directory: &Path, out: &mut String) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

/// A deny-all policy breaks an application of somebody else in the same namespace, which has no policy of
/// its own; the report names it, its caller and the policy.
#[test]
fn a_candidate_that_cuts_off_others_is_told() {
    let ended = palisade(
        &root(),
        &[
            "verify",
            "examples/eem",
            "-f",
            "examples/eem/manifests",
            "-f",
            "examples/eem/variants/other-application.yaml",
            "--with",
            "examples/eem/variants/deny-all-ingress.yaml",
        ],
    );
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    for words in ["PAL0321", "my-eem-ns/invoices", "default-deny-ingress"] {
        assert!(ended.out.contains(words), "{words}\n{}", ended.out);
    }
}
