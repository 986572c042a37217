//! How files look: an opening comment, bounded lines and lengths, nothing left to do, no trace of
//! one machine, and no I/O on the pure floors.

use crate::tree::{File, assert_none, files};

/// Columns of a comment. rustfmt looks after code, and leaves comments alone.
const MAX_COLUMNS: usize = 120;
/// Lines of a Rust file.
const MAX_LINES: usize = 800;

/// Words of unfinished work. Put together here, so that this file does not hold them.
const UNFINISHED: [&str; 3] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
];
/// Paths of one machine.
const PLACES: [&str; 2] = [concat!("/wo", "rk/"), concat!("../sha", "red")];

/// Crates of floors 0 to 3: same input, same output.
const PURE: [&str; 8] = [
    "diagnostics",
    "yaml",
    "netmodel",
    "matrix",
    "resources",
    "verify",
    "compile",
    "learn",
];
/// What would make them depend on more than their input.
const EFFECTS: [&str; 8] = [
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::time",
    "std::io::std",
    "std::net::Tcp",
    "std::net::Udp",
];

fn violations(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    if file.is_rust() {
        if !file.text.starts_with("//!") {
            found.push(format!(
                "{}: open with `//!` what the file is for",
                file.path
            ));
        }
        let lines = file.text.lines().count();
        if lines > MAX_LINES {
            found.push(format!(
                "{}: {lines} lines, more than {MAX_LINES}",
                file.path
            ));
        }
        for (number, line) in file.product_lines() {
            let columns = line.chars().count();
            if columns > MAX_COLUMNS && line.trim_start().starts_with("//") {
                found.push(format!("{}:{number}: {columns} columns", file.path));
            }
        }
        found.extend(effects(file));
    }
    // Data keeps the look that its authors gave it.
    let data = ["yaml", "yml", "json", "jsonl", "lock", "html", "svg", "txt"];
    let extension = file.path.rsplit('.').next().unwrap();
    if !data.contains(&extension) {
        found.extend(prose(file));
    }
    found
}

/// The rules for every line that we write ourselves.
fn prose(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for (line, number) in file.text.lines().zip(1..) {
        let mut report = |what: &str| found.push(format!("{}:{number}: {what}", file.path));
        if line.ends_with([' ', '\t']) {
            report("space at the end of the line");
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        // In code a comment may not hold them; a string may, as a sample of input.
        let prose = if file.is_rust() {
            line.split_once("//").map_or("", |(_, comment)| comment)
        } else {
            line
        };
        let words: Vec<&str> = prose.split(|c| !is_word(c)).collect();
        for word in UNFINISHED.iter().filter(|word| words.contains(word)) {
            report(&format!("unfinished: {word}"));
        }
        for place in PLACES.iter().filter(|place| line.contains(**place)) {
            report(&format!("a path of one machine: {place}"));
        }
    }
    found
}

fn effects(file: &File) -> Vec<String> {
    let pure = |name: &str| file.path.starts_with(&format!("crates/{name}/src/"));
    if !PURE.iter().any(|name| pure(name)) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in file.product_lines() {
        for effect in EFFECTS.iter().filter(|effect| line.contains(**effect)) {
            found.push(format!("{}:{number}: {effect} on a pure floor", file.path));
        }
    }
    found
}

#[test]
fn every_file_is_tidy() {
    let found: Vec<String> = files().iter().flat_map(violations).collect();
    assert_none(&found);
}

#[test]
fn each_rule_finds_its_case() {
    let long = format!("//! x\n// {}\n", "word ".repeat(30).trim_end());
    let many = format!("//! x\n{}", "\n".repeat(MAX_LINES));
    let unfinished = format!("//! x {}\n", UNFINISHED[0]);
    let place = format!("see {}data\n", PLACES[0]);
    let cases = [
        ("a.rs", "fn main() {}\n", "a.rs: open with"),
        ("a.rs", long.as_str(), "a.rs:2: 152 columns"),
        ("a.rs", many.as_str(), "a.rs: 801 lines"),
        ("a.rs", unfinished.as_str(), "a.rs:1: unfinished"),
        ("a.md", place.as_str(), "a.md:1: a path of one machine"),
        ("a.md", "x \n", "a.md:1: space at the end"),
        (
            "crates/yaml/src/a.rs",
            "//! x\nuse std::fs;\n",
            "crates/yaml/src/a.rs:2: std::fs",
        ),
    ];
    for (path, text, expected) in cases {
        let found = violations(&File::new(path, text));
        assert_eq!(found.len(), 1, "{path}: {found:?}");
        assert!(found[0].starts_with(expected), "{found:?}");
    }
    let tests = "//! x\n#[cfg(test)]\nuse std::fs;\n";
    assert_none(&violations(&File::new("crates/yaml/src/a.rs", tests)));
    assert_none(&violations(&File::new("examples/a.yaml", "a: 1 \n")));
}
