//! Checks a tree against the shape of the language.

use crate::shape::{Field, Object, Shape};
use palisade_diagnostics::{Diagnostic, did_you_mean};
use palisade_yaml::{Kind, Node};

/// Reports everything in `node` that is not as `shape` says.
pub(crate) fn check(node: Node<'_>, key: &str, shape: &Shape, out: &mut Vec<Diagnostic>) {
    match shape {
        Shape::Any => {}
        Shape::Text => text(node, key, out),
        Shape::Name => name(node, key, out),
        Shape::Bool => {
            if node.as_bool().is_none() {
                out.push(wrong(node, key, "true or false"));
            }
        }
        Shape::Int => {
            if node.as_int().is_none() {
                out.push(wrong(node, key, "an integer"));
            }
        }
        Shape::Port => port(node, key, out),
        Shape::Enum(words) => word(node, key, words, out),
        Shape::List(inner) => list(node, key, inner, out),
        Shape::ListParameter(inner) => {
            if !is_parameter(node) {
                list(node, key, inner, out);
            }
        }
        Shape::OneOrMore(inner) => {
            if node.kind() == Kind::List {
                list(node, key, inner, out);
            } else {
                check(node, key, inner, out);
            }
        }
        Shape::Labels => labels(node, key, out),
        Shape::Object(object) => fields(node, key, object, out),
        Shape::Choice(shapes) => match shapes.iter().find(|s| fits(node, s)) {
            Some(shape) => check(node, key, shape, out),
            None => {
                let forms: Vec<&str> = shapes.iter().map(describe).collect();
                out.push(wrong(node, key, &forms.join(", or ")));
            }
        },
    }
}

/// Whether a value is the whole of one `${name}`.
pub(crate) fn is_parameter(node: Node<'_>) -> bool {
    node.as_str()
        .is_some_and(|t| t.starts_with("${") && t.ends_with('}') && t.matches("${").count() == 1)
}

fn wrong(node: Node<'_>, key: &str, wanted: &str) -> Diagnostic {
    Diagnostic::error("PAL0202", format!("`{key}` is {}", node.kind()))
        .at(node.span(), format!("expected {wanted}"))
}

fn text(node: Node<'_>, key: &str, out: &mut Vec<Diagnostic>) {
    if node.as_str().is_none() {
        let mut diagnostic = wrong(node, key, "a string");
        if let Some(text) = node.text().filter(|t| !t.is_empty()) {
            diagnostic = diagnostic.help(format!("put it in quotes: \"{text}\""));
        }
        out.push(diagnostic);
    }
}

fn name(node: Node<'_>, key: &str, out: &mut Vec<Diagnostic>) {
    text(node, key, out);
    if node.as_str().is_some_and(|t| t.trim().is_empty()) {
        out.push(
            Diagnostic::error("PAL0205", format!("`{key}` is empty"))
                .at(node.span(), "")
                .help("give it a name"),
        );
    }
}

fn port(node: Node<'_>, key: &str, out: &mut Vec<Diagnostic>) {
    if is_parameter(node) {
        return;
    }
    match node.as_int() {
        Some(1..=65535) => {}
        Some(number) => out.push(
            Diagnostic::error("PAL0206", format!("`{key}` is {number}, which is no port"))
                .at(node.span(), "")
                .help("give a number from 1 to 65535"),
        ),
        None => out.push(wrong(node, key, "a port number, or ${parameter}")),
    }
}

fn word(node: Node<'_>, key: &str, words: &[&str], out: &mut Vec<Diagnostic>) {
    // `None`, `TLS` and the like are strings to YAML; `No` would not be.
    let text = node.text().unwrap_or_default();
    if words.contains(&text) {
        return;
    }
    let diagnostic = if node.as_str().is_some() {
        Diagnostic::error("PAL0204", format!("`{key}` cannot be `{text}`")).at(node.span(), "")
    } else {
        wrong(node, key, "a word")
    };
    let near = did_you_mean(text, words.iter().copied());
    let diagnostic = match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    };
    out.push(diagnostic.help(format!("known: {}", words.join(", "))));
}

fn list(node: Node<'_>, key: &str, inner: &Shape, out: &mut Vec<Diagnostic>) {
    if node.kind() != Kind::List {
        out.push(wrong(node, key, "a list").help("begin each item with `- `"));
        return;
    }
    for item in node.items() {
        check(item, key, inner, out);
    }
}

fn labels(node: Node<'_>, key: &str, out: &mut Vec<Diagnostic>) {
    if node.kind() != Kind::Map {
        out.push(wrong(node, key, "a map of strings"));
        return;
    }
    for (name, value) in node.entries() {
        text(value, name.text, out);
    }
}

fn fields(node: Node<'_>, key: &str, object: &Object, out: &mut Vec<Diagnostic>) {
    if node.kind() != Kind::Map {
        out.push(wrong(node, key, "a map"));
        return;
    }
    for (name, value) in node.entries() {
        match object.fields.iter().find(|f| f.key == name.text) {
            Some(field) if value.is_null() && !matches!(field.shape, Shape::Any) => {
                out.push(
                    Diagnostic::error("PAL0203", format!("`{}` has no value", name.text))
                        .at(name.span, "")
                        .help("give it a value, or remove it"),
                );
            }
            Some(field) => check(value, name.text, &field.shape, out),
            None => out.push(unknown(name.text, name.span, object)),
        }
    }
    let missing = |field: &&Field| field.required && node.get(field.key).is_none();
    for field in object.fields.iter().filter(missing) {
        let at = node.entries().next().map_or(node.span(), |(k, _)| k.span);
        out.push(
            Diagnostic::error("PAL0203", format!("{} needs `{}`", object.name, field.key))
                .at(at, format!("this {}", object.name))
                .help(format!("add `{}:`, {}", field.key, field.about)),
        );
    }
}

fn unknown(key: &str, span: palisade_diagnostics::Span, object: &Object) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        "PAL0201",
        format!("unknown field `{key}` in {}", object.name),
    )
    .at(span, "");
    match did_you_mean(key, object.fields.iter().map(|f| f.key)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if key.contains(' ') => {
            diagnostic.help("a comma in `{...}` begins a new field: put the text in quotes")
        }
        None => {
            let known: Vec<&str> = object.fields.iter().map(|f| f.key).collect();
            diagnostic.help(format!("known: {}", known.join(", ")))
        }
    }
}

/// Whether a value is of the kind that a shape wants.
fn fits(node: Node<'_>, shape: &Shape) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Text | Shape::Name => node.kind() == Kind::String && !is_parameter(node),
        Shape::Enum(words) => node.text().is_some_and(|t| words.contains(&t)),
        Shape::Bool => node.kind() == Kind::Bool,
        Shape::Int => node.kind() == Kind::Int,
        Shape::Port => node.kind() == Kind::Int || is_parameter(node),
        Shape::List(_) => node.kind() == Kind::List,
        Shape::ListParameter(_) => node.kind() == Kind::List || is_parameter(node),
        Shape::OneOrMore(inner) => node.kind() == Kind::List || fits(node, inner),
        Shape::Labels | Shape::Object(_) => node.kind() == Kind::Map,
        Shape::Choice(shapes) => shapes.iter().any(|s| fits(node, s)),
    }
}

fn describe(shape: &Shape) -> &'static str {
    match shape {
        Shape::Any => "anything",
        Shape::Text => "a string",
        Shape::Name => "a name",
        Shape::Bool => "true or false",
        Shape::Int => "an integer",
        Shape::Port => "a port number",
        Shape::Enum([word]) => word,
        Shape::Enum(_) => "a word",
        Shape::List(_) | Shape::ListParameter(_) | Shape::OneOrMore(_) => {
            "a list that is not empty"
        }
        Shape::Labels | Shape::Object(_) => "a map",
        Shape::Choice(_) => "one of several forms",
    }
}
