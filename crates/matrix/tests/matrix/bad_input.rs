//! Bad input: one change to a sound matrix, and the exact words that follow.

use crate::{SHOP, errors};
use palisade_diagnostics::FileId;
use palisade_matrix::{Choice, parse, resolutions, resolve};

/// The errors of parsing, or of any variant if there are none.
fn found(text: &str) -> Vec<String> {
    let parsed = parse(FileId(0), text);
    let mut out = errors(&parsed.diagnostics);
    if let Some(matrix) = parsed.matrix.filter(|_| out.is_empty()) {
        for choice in resolutions(&matrix).choices {
            for error in errors(&resolve(&matrix, &choice).1) {
                if !out.contains(&error) {
                    out.push(error);
                }
            }
        }
    }
    out
}

#[test]
fn each_change_has_its_words() {
    let mut actual = String::new();
    for case in include_str!("bad_input.txt")
        .split("\n\n")
        .filter(|c| !c.trim().is_empty())
    {
        let mut lines = case.trim().lines();
        let from = lines
            .next()
            .and_then(|l| l.strip_prefix("- "))
            .expect("what is replaced");
        let to = lines
            .next()
            .and_then(|l| l.strip_prefix("+ "))
            .expect("what replaces it");
        assert!(SHOP.contains(from), "the matrix has no `{from}`");
        let errors = found(&SHOP.replacen(from, &to.replace("\\n", "\n"), 1));
        actual.push_str(&format!("- {from}\n+ {to}\n"));
        for error in &errors {
            actual.push_str(error);
            actual.push('\n');
        }
        actual.push('\n');
    }
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix/bad_input.txt");
        std::fs::write(path, actual.trim_end().to_owned() + "\n").expect("written");
        return;
    }
    assert_eq!(include_str!("bad_input.txt").trim_end(), actual.trim_end());
    assert_eq!(found(SHOP), Vec::<String>::new());
}

#[test]
fn texts_that_are_no_matrix() {
    for (text, wanted) in [
        ("", "PAL0210"),
        ("a: b", "PAL0201"),
        ("- 1", "PAL0202"),
        ("kind: Pod", "PAL0203"),
        ("\u{0}", "PAL"),
    ] {
        let errors = found(text);
        assert!(
            errors.iter().any(|e| e.starts_with(wanted)),
            "{text:?}: {errors:?}"
        );
    }
}

#[test]
fn a_required_parameter_without_value_names_the_option() {
    let text = SHOP.replace("default: 5432", "required: true");
    let parsed = parse(FileId(0), &text);
    let matrix = parsed.matrix.expect("a matrix");
    assert_eq!(
        errors(&resolve(&matrix, &Choice::default()).1),
        ["PAL0232 parameter `databasePort` needs a value | give it with --set databasePort=VALUE"]
    );
}

#[test]
fn a_gateway_that_listens_nowhere_carries_no_flow() {
    let listening = "    ports:\n    - {name: https, port: 8443, protocol: TCP, serves: TLS}\n    - {name: http, port: 8080, protocol: TCP}\n";
    assert!(SHOP.contains(listening));
    let found = found(&SHOP.replacen(listening, "", 1));
    let wanted = "PAL0209 gateway `gateway` has no ports, so nothing goes through it";
    assert!(found.iter().any(|f| f.starts_with(wanted)), "{found:#?}");
}
