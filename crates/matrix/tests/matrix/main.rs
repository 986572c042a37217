//! The language from outside: what is read, what is refused and with which words, what it resolves to.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod examples;
mod formatted;
mod hostile;
mod manual;
mod resolved;
mod schema;

use palisade_diagnostics::{Diagnostic, FileId, Severity};
use palisade_matrix::{Choice, Matrix, parse, resolve};
use palisade_netmodel::Intent;
use std::collections::BTreeMap;

/// A small matrix that uses most of the language and is free of problems.
pub(crate) const SHOP: &str = include_str!("shop.yaml");

/// The matrices of the repository's examples, by path.
pub(crate) fn examples() -> BTreeMap<String, String> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut out = BTreeMap::new();
    let mut open = vec![root];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).expect("examples can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| name == "matrix.yaml") {
                let text = std::fs::read_to_string(&path).expect("a matrix can be read");
                out.insert(path.display().to_string(), text);
            }
        }
    }
    assert!(out.len() >= 4, "the four systems have matrices");
    out
}

/// The matrix of a text that has no problem.
pub(crate) fn good(text: &str) -> Matrix {
    let parsed = parse(FileId(0), text);
    let errors = errors(&parsed.diagnostics);
    assert!(errors.is_empty(), "{errors:#?}");
    parsed.matrix.expect("a matrix")
}

/// The intent of a choice that has no problem.
pub(crate) fn intent(matrix: &Matrix, choice: &Choice) -> Intent {
    let (intent, diagnostics) = resolve(matrix, choice);
    let errors = errors(&diagnostics);
    assert!(errors.is_empty(), "{choice:?}: {errors:#?}");
    intent
}

/// A choice of toggles.
pub(crate) fn toggles(pairs: &[(&str, bool)]) -> Choice {
    Choice {
        toggles: pairs.iter().map(|(n, on)| ((*n).to_owned(), *on)).collect(),
        ..Choice::default()
    }
}

/// Errors as `CODE title | help | help`.
pub(crate) fn errors(list: &[Diagnostic]) -> Vec<String> {
    list.iter()
        .filter(|d| d.severity == Severity::Error)
        .map(|d| {
            let mut line = format!("{} {}", d.code.0, d.title);
            for help in &d.help {
                line.push_str(" | ");
                line.push_str(help);
            }
            line
        })
        .collect()
}
