//! Every rule of validation: `tests/validation.txt` holds documents, each with the exact places,
//! codes and messages that it must give, and nothing else.

#![cfg(test)]

use palisade_diagnostics::{Severity, Sources};
use palisade_resources::{Input, Options, Role, load};

/// One case: name, documents, expected lines.
struct Case<'a> {
    name: &'a str,
    text: String,
    expected: Vec<&'a str>,
}

/// Cases begin with `### name`; lines that begin with `! ` are expected, all others are documents.
fn cases(file: &str) -> Vec<Case<'_>> {
    let parts = file.split("### ").skip(1);
    parts
        .map(|part| {
            let (name, body) = part.split_once('\n').unwrap();
            let expected = body.lines().filter_map(|line| line.strip_prefix("! "));
            let text = body.lines().filter(|line| !line.starts_with("! "));
            Case {
                name,
                expected: expected.collect(),
                text: text.map(|line| format!("{line}\n")).collect(),
            }
        })
        .collect()
}

/// `line:column severity code title | remark | help`.
fn told(text: &str) -> Vec<String> {
    let mut sources = Sources::new();
    let file = sources.add("", text);
    let input = Input {
        file,
        text: text.into(),
        role: Role::Both,
    };
    let loaded = load(&[input], &Options::default());
    let errors = loaded
        .diagnostics
        .iter()
        .any(|d| d.severity == Severity::Error);
    assert_eq!(
        errors,
        !loaded.left_out.is_empty() || loaded.counts.is_empty()
    );
    let diagnostics = loaded.diagnostics.iter();
    diagnostics
        .map(|d| {
            let place = sources.describe(d.span().unwrap());
            let severity = format!("{:?}", d.severity).to_lowercase();
            let remark = &d.labels[0].text;
            let ours = d.code.0.starts_with("PAL01");
            assert!(!ours || !d.help.is_empty(), "no fix for {}", d.title);
            let line = format!(
                "{} {severity} {} {} | {remark} | {}",
                &place[1..],
                d.code.0,
                d.title,
                d.help.join(" ")
            );
            line.trim_end().to_owned()
        })
        .collect()
}

#[test]
fn every_violation_is_told() {
    let file = include_str!("validation.txt");
    let mut wrong = String::new();
    let cases = cases(file);
    assert!(cases.len() > 60);
    for case in cases {
        let told = told(&case.text);
        if told != case.expected {
            wrong += &format!("### {}\n", case.name);
            told.iter().for_each(|line| wrong += &format!("! {line}\n"));
        }
    }
    assert!(wrong.is_empty(), "told instead:\n{wrong}");
}
