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
    let json = format!(
        "{{\"{}\": 2}}",
        text.trim_end_matches(": 2\n").replace(": 1\n", "\": 1, \"")
    );
    let start = std::time::Instant::now();
    for text in [text, json] {
        assert_eq!(titles(&read(&text)), ["duplicate key `key7`"]);
    }
    assert!(start.elapsed().as_secs() < 10);
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
    assert!(help("a: {{ .Values.x }}\n").contains("helm template"));
    assert!(help("{{- if .Values.x }}\na: 1\n{{- end }}\n").contains("helm template"));
    assert!(help("a: {{ include \"x\" . }}-y\n").contains("helm template"));
    // `{{` of an alert rule is no template, and a tab inside a line is no indentation.
    assert!(help("a: \"{{ $labels.pod }}\"\nb: 1\nc: [\n\n").contains("check"));
    assert!(help("a: 1\t# x\nb: [\n").contains("check"));
}

#[test]
fn merge_keys_aliases_and_odd_keys() {
    let parsed = read("base: &b {x: 1, z: 2}\nuse: {<<: *b, z: 3}\n1: one\ntrue: yes\nagain: *b\n");
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    let root = parsed.documents[0].root();
    let merged = root.get("use").unwrap();
    assert_eq!(merged.get("x").unwrap().as_int(), Some(1));
    assert_eq!(merged.get("z").unwrap().as_int(), Some(3));
    assert_eq!(root.get("1").unwrap().as_str(), Some("one"));
    assert_eq!(root.get("true").unwrap().as_bool(), Some(true));
    let keys = read("on: 1\n0x10: 2\n");
    assert_eq!(
        format!("{:?}", keys.documents[0].root()),
        "{\"true\": 1, \"16\": 2}"
    );
    assert_eq!(
        titles(&read("on: 1\n\"true\": 2\n")),
        ["duplicate key `true`"]
    );
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

#[test]
fn byte_order_marks_line_ends_and_control_characters() {
    let parsed = read("\u{feff}a: 1\r\nb: |\r\n  x\r\n---\r\nc: 2\r\n");
    assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
    assert_eq!(parsed.documents.len(), 2);
    let root = parsed.documents[0].root();
    assert_eq!(root.get("a").unwrap().span().start, 6);
    assert_eq!(root.get("b").unwrap().as_str(), Some("x\n"));
    let parsed = read("a: 1\n---\nb: x\0y\n---\nc: 3\n");
    assert_eq!(titles(&parsed), ["not YAML: control character U+0000"]);
    assert_eq!(parsed.documents.len(), 2);
}

#[test]
fn the_end_marker_separates_documents_too() {
    let parsed = read("a: [\n...\nb: 1\n...\n---\nc: 1\n...\n");
    assert_eq!((parsed.documents.len(), parsed.diagnostics.len()), (2, 1));
}

#[test]
fn json_values_may_follow_one_another() {
    let parsed = read("{\"a\": 1}\n{\"b\": [1, {}]}\n");
    assert_eq!((parsed.documents.len(), parsed.diagnostics.len()), (2, 0));
}

#[test]
fn many_problems_of_one_document_are_counted_and_not_kept() {
    for text in [
        "a: 1\n".repeat(200_000),
        format!("{{{}\"a\":1}}", "\"a\":1,".repeat(199_999)),
    ] {
        let parsed = read(&text);
        assert_eq!(parsed.diagnostics.len(), 1_001);
        assert_eq!(
            titles(&parsed)[1_000],
            "198999 further problems in this file are not shown"
        );
    }
}

/// Texts whose reading could cost more than linear time in a careless parser: each must be read, or
/// refused, within seconds.
#[test]
fn costly_patterns_are_linear() {
    let n = 100_000;
    let texts = [
        "- ".repeat(n),
        "? ".repeat(n),
        "a: ".repeat(n),
        "&a ".repeat(n),
        "!a ".repeat(n),
        "[".repeat(n),
        "[a,".repeat(n),
        "{a,".repeat(n),
        "{\"a\":[".repeat(n),
        "\"".repeat(n),
        "'".repeat(n),
        "#".repeat(n),
        "# a\n".repeat(n),
        "\n".repeat(n),
        "a\n".repeat(n),
        " \n".repeat(n),
        format!("a: |\n{}", " \n".repeat(n)),
        format!("a: >\n{}", "  x\n\n".repeat(n)),
        format!("a: \"{}", "\\n".repeat(n)),
        "a ".repeat(n),
        format!("a: [{}]", "x, ".repeat(n)),
        format!("[{}", "\n".repeat(n)),
        "%a\n".repeat(n),
        "...\n".repeat(n),
        "---\n".repeat(n),
        "--- {\n".repeat(n),
        format!("a: &a x\nb: [{}]", "*a, ".repeat(n)),
        "a: &a b\n".repeat(n),
        "\r".repeat(n),
        "-\n".repeat(n),
        "a:\n".repeat(n),
        format!("{}a", "[a]: ".repeat(n)),
        "\u{feff}".repeat(n),
        "*a: ".repeat(n),
        ",".repeat(n),
        "{{".repeat(n),
        "a: {b\n".repeat(n),
        "- - a\n".repeat(n),
        format!("a: &a {{b: 1}}\nc: {{<<: [{}]}}", "*a, ".repeat(n)),
    ];
    for text in texts {
        let start = std::time::Instant::now();
        let _ = read(&text);
        let seconds = start.elapsed().as_secs_f64();
        assert!(seconds < 5.0, "{seconds} s: {:?}", text.get(..20));
    }
}
