//! Every code `PALnnnn` means one thing, and docs/codes.md says which: its table has one row for
//! each code that the crates use, with the severities that they use it with, and no other row.

use std::collections::{BTreeMap, BTreeSet};

use crate::tree::{File, assert_none, files};

const TABLE: &str = "docs/codes.md";

/// Where a code is used: crates, and severities as far as the constructor stands before the code.
#[derive(Debug, Default)]
struct Usage {
    crates: BTreeSet<String>,
    severities: BTreeSet<&'static str>,
}

const CONSTRUCTORS: [(&str, &str); 6] = [
    ("::error(", "error"),
    ("::warning(", "warning"),
    ("::note_only(", "note"),
    ("Severity::Error,", "error"),
    ("Severity::Warning,", "warning"),
    ("Severity::Note,", "note"),
];

/// The codes in the product code of `crates/*/src`.
fn used(files: &[File]) -> BTreeMap<String, Usage> {
    let code: Vec<(&str, String)> = files.iter().filter_map(product).collect();
    let mut usage: BTreeMap<String, Usage> = BTreeMap::new();
    let mut names: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (owner, text) in &code {
        for (at, _) in text.match_indices("\"PAL") {
            let Some(code) = text[at + 1..]
                .split('"')
                .next()
                .filter(|code| is_code(code))
            else {
                continue;
            };
            let entry = usage.entry(code.to_owned()).or_default();
            entry.crates.insert((*owner).to_owned());
            entry.severities.extend(severity(&text[..at]));
            if let Some(before) = text[..at].strip_suffix(" = ") {
                names.insert((owner, last_word(before)), code);
            }
        }
    }
    for (owner, text) in &code {
        for (at, prefix) in text.match_indices("codes::") {
            let rest = &text[at + prefix.len()..];
            let name = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
            if let Some(code) = names.get(&(owner, name)) {
                let entry = usage.entry((*code).to_owned()).or_default();
                entry.severities.extend(severity(&text[..at]));
            }
        }
    }
    usage
}

/// The crate of a source file, and its code without comments and tests.
fn product(file: &File) -> Option<(&str, String)> {
    let (owner, _) = file.path.strip_prefix("crates/")?.split_once("/src/")?;
    let lines = file.product_lines().map(|(_, line)| line.trim());
    let code: Vec<&str> = lines.filter(|line| !line.starts_with("//")).collect();
    file.is_rust().then(|| (owner, code.join("\n")))
}

/// The severity of the constructor that ends `before`.
fn severity(before: &str) -> Option<&'static str> {
    let before = before.trim_end();
    let constructor = CONSTRUCTORS.iter().find(|(end, _)| before.ends_with(end));
    constructor.map(|(_, severity)| *severity)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The name before `: &str` or at the end.
fn last_word(text: &str) -> &str {
    let text = text.trim_end_matches(": &str");
    &text[text.rfind(|c| !is_word(c)).map_or(0, |at| at + 1)..]
}

fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix("PAL").unwrap_or_default();
    digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The rows `| PALnnnn | severity | meaning | fix |` of the table.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text
        .lines()
        .filter(|line| line.starts_with("| PAL") && !line.contains("xx |"));
    lines
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

fn violations(files: &[File]) -> Vec<String> {
    let used = used(files);
    let table = files.iter().find(|file| file.path == TABLE);
    let rows = table.map(|file| rows(&file.text)).unwrap_or_default();
    let mut found = Vec::new();
    let order: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    if !order.is_sorted_by(|a, b| a < b) {
        found.push(format!(
            "{TABLE}: sort the rows by code, one row for each code"
        ));
    }
    for row in &rows {
        if row.len() != 4 || row.iter().any(|cell| cell.is_empty()) {
            found.push(format!("{TABLE}: {}: four cells, none empty", row[0]));
        } else if !used.contains_key(row[0]) {
            found.push(format!("{TABLE}: {}: no crate uses it", row[0]));
        }
    }
    let mut meanings = BTreeMap::new();
    for row in rows.iter().filter(|row| row.len() == 4) {
        if let Some(first) = meanings.insert(row[2], row[0]) {
            found.push(format!("{TABLE}: {first} and {} mean the same", row[0]));
        }
    }
    for (code, usage) in &used {
        if usage.crates.len() > 1 {
            let crates: Vec<&str> = usage.crates.iter().map(String::as_str).collect();
            found.push(format!(
                "{code}: one code, two meanings? {}",
                crates.join(" and ")
            ));
        }
        match rows.iter().find(|row| row[0] == code) {
            None => found.push(format!("{code}: no row in {TABLE}")),
            Some(row) => {
                let known: Vec<&str> = row.get(1).map_or(Vec::new(), |s| s.split(", ").collect());
                for severity in usage.severities.iter().filter(|s| !known.contains(s)) {
                    found.push(format!("{TABLE}: {code} is also used as {severity}"));
                }
            }
        }
    }
    found
}

#[test]
fn every_code_is_documented_and_every_documented_code_is_used() {
    assert_none(&violations(&files()));
}

#[test]
fn each_kind_of_drift_is_found() {
    let uses = "Diagnostic::error(\n    \"PAL0001\", \"t\");\nx(\"PAL0002\");\n// \"PAL0009\"\n";
    let table = "| PAL0001 | warning | a | b |\n| PAL0003 | error | a | b |\n\
                 | PAL0004 | error | c | d |\n";
    let constant = "T = \"PAL0004\";\nDiagnostic::warning(codes::T, \"t\");\n";
    let files = [
        File::new("crates/a/src/codes.rs", constant),
        File::new("crates/a/src/lib.rs", uses),
        File::new("crates/b/src/lib.rs", "x(\"PAL0002\");\n"),
        File::new(TABLE, table),
    ];
    assert_eq!(
        violations(&files),
        [
            "docs/codes.md: PAL0003: no crate uses it",
            "docs/codes.md: PAL0001 and PAL0003 mean the same",
            "docs/codes.md: PAL0001 is also used as error",
            "PAL0002: one code, two meanings? a and b",
            "PAL0002: no row in docs/codes.md",
            "docs/codes.md: PAL0004 is also used as warning",
        ]
    );
}
