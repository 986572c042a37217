//! The manual, `docs/matrix.md`: its matrices are sound, and no field of the language is missing.

use crate::{good, intent};
use palisade_matrix::{Choice, schema};
use serde_json::Value;

fn manual() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/matrix.md");
    std::fs::read_to_string(path).expect("the manual can be read")
}

#[test]
fn matrices_of_the_manual_are_sound() {
    let text = manual();
    let blocks = text.split("```yaml\n").skip(1);
    let blocks: Vec<&str> = blocks.filter_map(|b| b.split("```").next()).collect();
    let whole: Vec<&&str> = blocks
        .iter()
        .filter(|b| b.contains("kind: TrafficMatrix"))
        .collect();
    assert!(!whole.is_empty());
    for block in whole {
        intent(&good(block), &Choice::default());
    }
}

#[test]
fn the_manual_names_every_field_and_word() {
    let text = manual();
    let schema: Value = serde_json::from_str(&schema()).expect("JSON");
    let mut words = Vec::new();
    collect(&schema, &mut words);
    words.sort();
    words.dedup();
    assert!(words.len() > 100, "{}", words.len());
    let code: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let missing: Vec<&String> = words
        .iter()
        .filter(|word| {
            let part = |c: &&str| {
                c.split(|x: char| !(x.is_ascii_alphanumeric() || matches!(x, '.' | '/' | '-')))
                    .any(|token| token == word.as_str())
            };
            !code.iter().any(part)
        })
        .collect();
    assert!(missing.is_empty(), "not in the manual: {missing:?}");
}

/// The keys of `properties` and the words of `enum`.
fn collect(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map {
                if key == "properties" {
                    out.extend(
                        value
                            .as_object()
                            .into_iter()
                            .flat_map(|m| m.keys().cloned()),
                    );
                }
                if key == "enum" {
                    let words = value.as_array().into_iter().flatten();
                    out.extend(words.filter_map(Value::as_str).map(str::to_owned));
                }
                collect(value, out);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        _ => {}
    }
}
