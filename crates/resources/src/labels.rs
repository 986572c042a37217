//! Labels and label selectors, validated as the API server does it.

use crate::{codes, names};
use palisade_diagnostics::{Diagnostic, did_you_mean};
use palisade_netmodel::{LabelRequirement, Labels, Operator, Selector, SmolStr};
use palisade_yaml::{Fields, Node, Spanned, Value};

/// The operators of `matchExpressions`.
const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];

/// Reads a map of labels under `key`.
pub(crate) fn labels(
    fields: &mut Fields<'_>,
    key: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Labels {
    let pairs = fields.string_map(key, out);
    for (key, value) in &pairs {
        names::check_key(&key.value, key.span, "a label", out);
        names::check_value(&value.value, value.span, out);
    }
    pairs
        .into_iter()
        .map(|(key, value)| (key.value, value.value))
        .collect()
}

/// Reads a `LabelSelector`. Equal selectors become equal values: requirements are sorted.
pub(crate) fn selector(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Selector {
    let Some(mut fields) = Fields::of(node, "a label selector", out) else {
        return Selector::everything();
    };
    let mut requirements =
        Selector::of(labels(&mut fields, "matchLabels", out).iter()).requirements;
    for item in fields.list("matchExpressions", out) {
        requirements.extend(requirement(item, out));
    }
    fields.finish(out);
    requirements.sort();
    requirements.dedup();
    Selector { requirements }
}

fn requirement(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<LabelRequirement> {
    let mut fields = Fields::of(node, "a requirement of a selector", out)?;
    let key = fields.required_string("key", out);
    if let Some(key) = &key {
        names::check_key(&key.value, key.span, "a label", out);
    }
    let operator = fields.required_string("operator", out);
    let values = fields.strings("values", out);
    for value in &values {
        names::check_value(&value.value, value.span, out);
    }
    fields.finish(out);
    let operator = operator_of(&operator?, &values, node, out)?;
    Some(LabelRequirement {
        key: key?.value.into(),
        operator,
    })
}

fn operator_of(
    word: &Spanned<String>,
    values: &[Spanned<String>],
    node: Node<'_>,
    out: &mut Vec<Diagnostic>,
) -> Option<Operator> {
    let mut sorted: Vec<SmolStr> = values.iter().map(|v| v.value.as_str().into()).collect();
    sorted.sort();
    sorted.dedup();
    match word.value.as_str() {
        "In" | "NotIn" if sorted.is_empty() => {
            out.push(values_required(word));
            None
        }
        "In" => Some(Operator::In(sorted)),
        "NotIn" => Some(Operator::NotIn(sorted)),
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let span = node.get("values").map_or(word.span, Node::span);
            let title = format!("operator {} takes no values", word.value);
            out.push(
                Diagnostic::error(codes::VALUES_FORBIDDEN, title)
                    .at(span, "must be empty")
                    .help("remove `values`, or use the operator In or NotIn"),
            );
            None
        }
        "Exists" => Some(Operator::Exists),
        "DoesNotExist" => Some(Operator::DoesNotExist),
        other => {
            out.push(unknown_operator(other, word));
            None
        }
    }
}

fn values_required(word: &Spanned<String>) -> Diagnostic {
    let title = format!("operator {} needs at least one value", word.value);
    Diagnostic::error(codes::VALUES_REQUIRED, title)
        .at(word.span, "`values` is missing or empty")
        .help("add `values`, or use the operator Exists or DoesNotExist")
}

fn unknown_operator(text: &str, word: &Spanned<String>) -> Diagnostic {
    let help = match did_you_mean(text, OPERATORS) {
        Some(near) => format!("write `{near}`"),
        None => "use In, NotIn, Exists or DoesNotExist".to_owned(),
    };
    Diagnostic::error(
        codes::BAD_OPERATOR,
        format!("{text:?} is not an operator of a label selector"),
    )
    .at(word.span, "In, NotIn, Exists or DoesNotExist")
    .help(help)
}

/// Writes a map of labels.
pub(crate) fn write_labels(labels: &Labels) -> Value {
    Value::map(labels.iter().map(|(k, v)| (k.to_owned(), Value::string(v))))
}

/// Writes a `LabelSelector`: equalities as `matchLabels`, the rest as `matchExpressions`.
#[must_use]
pub fn write_selector(selector: &Selector) -> Value {
    let mut equal = Labels::default();
    let mut rest = Vec::new();
    for requirement in &selector.requirements {
        match &requirement.operator {
            Operator::In(values) if values.len() == 1 && !equal.contains_key(&requirement.key) => {
                equal.insert(requirement.key.clone(), values.concat());
            }
            _ => rest.push(write_requirement(requirement)),
        }
    }
    let mut fields = Vec::new();
    if !equal.is_empty() {
        fields.push(("matchLabels", write_labels(&equal)));
    }
    if !rest.is_empty() {
        fields.push(("matchExpressions", Value::List(rest)));
    }
    Value::map(fields)
}

fn write_requirement(requirement: &LabelRequirement) -> Value {
    let (word, values) = match &requirement.operator {
        Operator::In(values) => ("In", Some(values)),
        Operator::NotIn(values) => ("NotIn", Some(values)),
        Operator::Exists => ("Exists", None),
        Operator::DoesNotExist => ("DoesNotExist", None),
    };
    let mut fields = vec![
        ("key", Value::string(requirement.key.as_str())),
        ("operator", Value::string(word)),
    ];
    if let Some(values) = values {
        let values = values.iter().map(|v| Value::string(v.as_str())).collect();
        fields.push(("values", Value::List(values)));
    }
    Value::map(fields)
}
