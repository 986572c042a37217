//! Hostile and broken texts: a clear diagnostic, bounded work, and the other documents still read.

use palisade_diagnostics::{FileId, Severity};
use palisade_yaml::{Limits, Parsed, parse};

fn read(text: &str) -> Parsed {
    parse(FileId(0), text, &Limits::default())
}

fn titles(parsed: &Parsed) -> Vec<&str> {
    parsed
        .diagnostics
        .iter()
        .map(|d| d.title.as_str())
        .collect()
}

#[test]
fn a_broken_document_costs_only_itself() {
    let parsed = read("a: 1\n---\nb: [1, 2\n---\nc: 3\n---\nd: 'x\n---\ne: 5\n");
    assert_eq!(parsed.documents.len(), 3);
    assert_eq!(parsed.diagnostics.len(), 2);
    assert!(parsed.diagnostics.iter().all(|d| d.code.0 == "PAL0001"));
}

#[test]
fn duplicate_keys_name_both_places() {
    for text in ["a: 1\nb: 2\na: 3\n", "{\"a\": 1, \"b\": 2, \"a\": 3}"] {
        let parsed = read(text);
        assert!(parsed.documents.is_empty());
        assert_eq!(titles(&parsed), ["duplicate key `a`"]);
        assert_eq!(parsed.diagnostics[0].labels.len(), 2);
    }
}

#[test]
fn many_duplicate_keys_are_found_in_linear_time() {
    let mut text = String::new();
    for i in 0..200_000 {
        text.push_str(&format!("key{i}: 1\n"));
    }
    text.push_str("key7: 2\n");
    assert_eq!(titles(&read(&text)), ["duplicate key `key7`"]);
}

#[test]
fn alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..20 {
        let item = format!("*a{}", i - 1);
        text.push_str(&format!(
            "a{i}: &a{i} [{}]\n",
            [item.as_str(); 10].join(", ")
        ));
    }
    assert_eq!(titles(&read(&text)), ["too many values"]);
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{a: ", "}")] {
        let text = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert_eq!(
            titles(&read(&text)),
            ["values are nested too deep"],
            "{open}"
        );
    }
    let mut block = String::new();
    for depth in 0..2_000 {
        block.push_str(&format!("{}a:\n", " ".repeat(depth)));
    }
    assert_eq!(titles(&read(&block)), ["values are nested too deep"]);
}

#[test]
fn a_long_scalar_is_refused() {
    let text = format!("a: \"{}\"\n---\nb: 1\n", "x".repeat(80 << 20));
    let parsed = read(&text);
    assert_eq!(titles(&parsed), ["value is too long"]);
    assert_eq!(parsed.documents.len(), 1);
}

#[test]
fn a_million_documents_are_read() {
    let text = "---\na: 1\n".repeat(1_000_000);
    assert_eq!(read(&text).documents.len(), 1_000_000);
    let limits = Limits {
        max_documents: 10,
        ..Limits::default()
    };
    let parsed = parse(FileId(0), &text, &limits);
    assert_eq!(titles(&parsed), ["too many documents"]);
}

#[test]
fn diagnostics_are_capped_and_counted() {
    let text = "---\na: [\n".repeat(5_000);
    let parsed = read(&text);
    assert_eq!(parsed.diagnostics.len(), 1_001);
    assert_eq!(
        parsed.diagnostics[1_000].title,
        "4000 further problems in this file are not shown"
    );
}

#[test]
fn helm_templates_and_tabs_get_advice() {
    let help = |text: &str| read(text).diagnostics[0].help.concat();
    assert!(help("a: {{ .Values.x }}\nb: {{- if }}\n").contains("helm template"));
    assert!(help("a:\n\tb: 1\n").contains("tabs"));
}

#[test]
fn merge_keys_aliases_and_odd_keys() {
    let parsed = read("base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\n1: one\ntrue: yes\nagain: *b\n");
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let root = parsed.documents[0].root();
    let merged = root.get("use").unwrap();
    assert_eq!(merged.get("x").unwrap().as_int(), Some(1));
    assert_eq!(merged.get("y").unwrap().as_int(), Some(3));
    assert_eq!(root.get("1").unwrap().as_str(), Some("one"));
    assert_eq!(root.get("true").unwrap().as_bool(), Some(true));
    assert_eq!(
        root.get("again").unwrap().get("x").unwrap().as_int(),
        Some(1)
    );
    assert_eq!(
        titles(&read("? [a]\n: 1\n")),
        ["a key must be a word, not a list or a map"]
    );
    assert_eq!(
        read("a: &x [*x]\n").diagnostics[0].severity,
        Severity::Error
    );
}
