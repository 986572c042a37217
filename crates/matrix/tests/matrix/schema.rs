//! The JSON Schema agrees with the parser.

use crate::{SHOP, examples};
use palisade_diagnostics::FileId;
use palisade_matrix::{parse, schema};
use palisade_yaml::{Kind, Limits, Node};
use serde_json::Value;

/// The keywords of JSON Schema 2020-12 that the schema uses; another one fails the test.
struct Validator(Value);

fn validator() -> Validator {
    Validator(serde_json::from_str(&schema()).expect("the schema is JSON"))
}

impl Validator {
    fn is_valid(&self, value: &Value) -> bool {
        self.problems(value).is_empty()
    }

    fn problems(&self, value: &Value) -> Vec<String> {
        let mut out = Vec::new();
        self.check(&self.0, value, "", &mut out);
        out
    }

    fn check(&self, schema: &Value, value: &Value, path: &str, out: &mut Vec<String>) {
        for (keyword, rule) in schema.as_object().expect("a schema is an object") {
            let met = match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let pointer = rule.as_str().and_then(|r| r.strip_prefix('#'));
                    let target = pointer.and_then(|p| self.0.pointer(p));
                    self.check(target.expect("a definition"), value, path, out);
                    true
                }
                "type" => is_type(rule, value),
                "enum" => rule.as_array().expect("a list").contains(value),
                "anyOf" => rule.as_array().expect("a list").iter().any(|form| {
                    let mut inner = Vec::new();
                    self.check(form, value, path, &mut inner);
                    inner.is_empty()
                }),
                "minimum" => value.as_i64().is_none_or(|v| Some(v) >= rule.as_i64()),
                "maximum" => value.as_i64().is_none_or(|v| Some(v) <= rule.as_i64()),
                "minLength" => value
                    .as_str()
                    .is_none_or(|v| Some(v.len() as u64) >= rule.as_u64()),
                "pattern" => {
                    assert_eq!(
                        rule, r"^\$\{[^}]+\}$",
                        "a pattern that this test does not know"
                    );
                    let name = |v: &str| Some(v.strip_prefix("${")?.strip_suffix('}')?.to_owned());
                    value
                        .as_str()
                        .is_none_or(|v| name(v).is_some_and(|n| !n.is_empty() && !n.contains('}')))
                }
                "required" => value.as_object().is_none_or(|map| {
                    let keys = rule.as_array().expect("a list").iter();
                    keys.filter_map(Value::as_str)
                        .all(|key| map.contains_key(key))
                }),
                "items" => {
                    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(rule, item, &format!("{path}/{i}"), out);
                    }
                    true
                }
                "properties" => {
                    for (key, rule) in rule.as_object().expect("a map") {
                        if let Some(inner) = value.get(key) {
                            self.check(rule, inner, &format!("{path}/{key}"), out);
                        }
                    }
                    true
                }
                "additionalProperties" => {
                    let known = schema.get("properties").and_then(Value::as_object);
                    for (key, inner) in value.as_object().into_iter().flatten() {
                        if known.is_some_and(|k| k.contains_key(key)) {
                            continue;
                        }
                        if rule == &Value::Bool(false) {
                            out.push(format!("{path}: unknown field {key}"));
                        } else {
                            self.check(rule, inner, &format!("{path}/{key}"), out);
                        }
                    }
                    true
                }
                other => panic!("a keyword that this test does not know: {other}"),
            };
            if !met {
                out.push(format!("{path}: {keyword} {rule}"));
            }
        }
    }
}

fn is_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &str| match name {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    };
    match rule {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(is),
        name => name.as_str().is_some_and(is),
    }
}

fn json(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => Value::from(node.as_bool()),
        Kind::Int => Value::from(node.as_int()),
        Kind::Float => Value::from(node.as_float()),
        Kind::String => Value::from(node.as_str()),
        Kind::List => node.items().map(json).collect(),
        Kind::Map => node
            .entries()
            .map(|(k, v)| (k.text.to_owned(), json(v)))
            .collect(),
    }
}

fn document(text: &str) -> Value {
    let parsed = palisade_yaml::parse(FileId(0), text, &Limits::default());
    json(parsed.documents.first().expect("a document").root())
}

#[test]
fn examples_are_valid() {
    let validator = validator();
    let mut texts = examples();
    texts.insert("shop.yaml".to_owned(), SHOP.to_owned());
    for (path, text) in texts {
        let errors = validator.problems(&document(&text));
        assert!(errors.is_empty(), "{path}: {errors:#?}");
    }
}

/// One change each; the parser and the schema both refuse the result.
const REFUSED: [(&str, &str); 12] = [
    ("title: A shop", "titel: A shop"),
    ("kind: TrafficMatrix\n", "kind: Matrix\n"),
    ("port: 8000", "port: 70000"),
    ("port: 8000", "port: http"),
    ("protocol: TCP, serves: TLS", "protocol: Tcp, serves: TLS"),
    (
        "default: false, reason: Istio is optional",
        "default: maybe, reason: Istio is optional",
    ),
    ("enforce: [Ingress]", "enforce: [ingress]"),
    ("reason: Customers browse", "grund: Customers browse"),
    ("{app: web}", "{app: 1}"),
    ("mode: Sidecar", "mode: Ambient"),
    ("ports: [sql]", "ports: []x"),
    ("{toggle: policies}", "{toggel: policies}"),
];

#[test]
fn parser_and_schema_refuse_the_same() {
    let validator = validator();
    for (from, to) in REFUSED {
        assert!(SHOP.contains(from), "{from}");
        let text = SHOP.replacen(from, to, 1);
        let parsed = parse(FileId(0), &text);
        assert!(
            !crate::errors(&parsed.diagnostics).is_empty(),
            "the parser admits {to}"
        );
        let read = palisade_yaml::parse(FileId(0), &text, &Limits::default());
        if read.diagnostics.is_empty() {
            assert!(
                !validator.is_valid(&document(&text)),
                "the schema admits {to}"
            );
        }
    }
}
