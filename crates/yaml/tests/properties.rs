//! Properties: nothing panics, spans lie in the text, and what is written reads back the same.

use palisade_diagnostics::FileId;
use palisade_yaml::{Kind, Limits, Node, Value, decode, parse};
use proptest::prelude::*;

/// Every span of a tree lies in the text, on character borders.
fn check(text: &str, node: Node<'_>) {
    let span = node.span();
    assert!(
        text.get(span.start as usize..span.end as usize).is_some(),
        "{span:?}"
    );
    for item in node.items() {
        check(text, item);
    }
    for (key, value) in node.entries() {
        let span = key.span;
        assert!(text.get(span.start as usize..span.end as usize).is_some());
        check(text, value);
    }
}

/// Reads a text and checks every place of what comes out.
fn sound(text: &str) {
    let parsed = parse(FileId(0), text, &Limits::default());
    for document in &parsed.documents {
        check(text, document.root());
    }
    for label in parsed.diagnostics.iter().flat_map(|d| &d.labels) {
        let span = label.span;
        assert!(
            text.get(span.start as usize..span.end as usize).is_some(),
            "{span:?} {text:?}"
        );
    }
}

const MANIFEST: &str = "%YAML 1.1\n---\n# é\na: &x {b: 'it''s', c: \"q\\u00e9\\\n  r\"}\nd: *x\n<<: *x\ne: |+2\n   é\n\nf: >-\n  a\n\n  b\n? g\n: - 1\n  - !!str 2\n  - plain\n    more\n...\n---\n{\"j\": [1, 2.5e3, {}], \"k\": \"\\ud83d\\ude00\"}\n--- {x: [y, *z]}\n";

fn equal(node: Node<'_>, value: &Value) -> bool {
    match value {
        Value::Null => node.is_null(),
        Value::Bool(b) => node.as_bool() == Some(*b),
        Value::Int(i) => node.as_int() == Some(*i),
        Value::String(s) => node.as_str() == Some(s),
        Value::List(items) => {
            node.kind() == Kind::List
                && node.items().count() == items.len()
                && node.items().zip(items).all(|(n, v)| equal(n, v))
        }
        Value::Map(entries) => {
            node.kind() == Kind::Map
                && node.entries().count() == entries.len()
                && node
                    .entries()
                    .zip(entries)
                    .all(|((k, n), (name, v))| k.text == name && equal(n, v))
        }
        Value::Commented(_, value) => equal(node, value),
    }
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}",
        "[a-z0-9:#\\-\\[\\]{}&*!|>'\"%@`, \n\t]{0,16}",
        "\\PC{0,6}",
        Just("no".to_owned()),
        Just("0777".to_owned()),
        Just("1e3".to_owned()),
        Just("~".to_owned()),
        Just("12:30".to_owned()),
        Just("{{ x }}".to_owned()),
        Just("---".to_owned()),
        Just("a\n---\nb\n".to_owned()),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::btree_map(text(), inner.clone(), 0..5)
                .prop_map(|m| Value::Map(m.into_iter().filter(|(k, _)| k != "<<").collect())),
            (prop::collection::vec("[ -~\n]{0,20}", 1..3), inner)
                .prop_map(|(c, v)| Value::Commented(c, Box::new(v))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_survived(text in prop_oneof!["\\PC*", "[a-c:\\-\\[\\]{}&*!|>'\"%#, \n\t0-9]{0,80}"]) {
        sound(&text);
    }

    #[test]
    fn changed_manifests_are_survived(at in 0..MANIFEST.len(), cut in 0..20_usize, new in prop_oneof!["[ -~\n]{0,8}", any::<char>().prop_map(String::from)]) {
        let end = (at + cut).min(MANIFEST.len());
        if let (Some(before), Some(after)) = (MANIFEST.get(..at), MANIFEST.get(end..)) {
            sound(&format!("{before}{new}{after}"));
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(text) = decode("f", bytes) {
            sound(&text);
        }
    }

    #[test]
    fn json_is_the_same_as_yaml(value in values()) {
        let json = value.to_json();
        // A comment makes it YAML.
        let yaml = format!("# x\n{json}");
        let (json, yaml) = (parse(FileId(0), &json, &Limits::default()), parse(FileId(0), &yaml, &Limits::default()));
        prop_assert_eq!(json.documents.len(), yaml.documents.len());
        for (json, yaml) in json.documents.iter().zip(&yaml.documents) {
            prop_assert!(json.root().same(yaml.root()));
        }
    }

    #[test]
    fn what_is_written_reads_back(value in values()) {
        for text in [value.to_yaml(), value.to_json()] {
            let parsed = parse(FileId(0), &text, &Limits::default());
            prop_assert!(parsed.diagnostics.is_empty(), "{text}\n{:?}", parsed.diagnostics);
            match parsed.documents.first() {
                Some(document) => prop_assert!(equal(document.root(), &value), "{text}\n{:?}", document.root()),
                None => prop_assert!(matches!(value, Value::Null), "{text}"),
            }
        }
    }
}
