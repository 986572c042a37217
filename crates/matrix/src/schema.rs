//! The JSON Schema (2020-12), written from the shape of the language.

use crate::shape::{MATRIX, Object, Shape};
use palisade_yaml::Value;
use std::collections::BTreeMap;

/// The JSON Schema of a matrix, for editors.
#[must_use]
pub fn schema() -> String {
    let mut definitions = BTreeMap::new();
    let mut root = match object(&MATRIX, &mut definitions) {
        Value::Map(entries) => entries,
        other => return other.to_json(),
    };
    let mut head = vec![
        (
            "$schema".to_owned(),
            Value::string("https://json-schema.org/draft/2020-12/schema"),
        ),
        ("title".to_owned(), Value::string("TrafficMatrix")),
    ];
    head.append(&mut root);
    head.push(("$defs".to_owned(), Value::map(definitions)));
    Value::Map(head).to_json()
}

/// Definitions by the address of their object: names repeat (`port`, `override`), objects do not.
type Definitions = BTreeMap<String, Value>;

fn object(object: &Object, definitions: &mut Definitions) -> Value {
    let properties: Vec<(&str, Value)> = object
        .fields
        .iter()
        .map(|field| {
            let mut entries = match shape(&field.shape, definitions) {
                Value::Map(entries) => entries,
                other => vec![("const".to_owned(), other)],
            };
            entries.insert(0, ("description".to_owned(), Value::string(field.about)));
            (field.key, Value::Map(entries))
        })
        .collect();
    let required: Vec<Value> = object
        .fields
        .iter()
        .filter(|f| f.required)
        .map(|f| Value::string(f.key))
        .collect();
    let mut out = vec![
        ("type", Value::string("object")),
        ("additionalProperties", Value::Bool(false)),
        ("properties", Value::map(properties)),
    ];
    if !required.is_empty() {
        out.push(("required", Value::List(required)));
    }
    Value::map(out)
}

fn of_type(name: &str) -> Value {
    Value::map([("type", Value::string(name))])
}

fn parameter() -> Value {
    Value::map([
        ("type", Value::string("string")),
        ("pattern", Value::string("^\\$\\{[^}]+\\}$")),
    ])
}

fn any_of(forms: Vec<Value>) -> Value {
    Value::map([("anyOf", Value::List(forms))])
}

fn list_of(inner: Value) -> Value {
    Value::map([("type", Value::string("array")), ("items", inner)])
}

fn shape(shape_: &Shape, definitions: &mut Definitions) -> Value {
    match shape_ {
        Shape::Any => Value::map(Vec::<(String, Value)>::new()),
        Shape::Text => of_type("string"),
        Shape::Name => Value::map([
            ("type", Value::string("string")),
            ("minLength", Value::Int(1)),
        ]),
        Shape::Bool => of_type("boolean"),
        Shape::Int => of_type("integer"),
        Shape::Port => any_of(vec![
            Value::map([
                ("type", Value::string("integer")),
                ("minimum", Value::Int(1)),
                ("maximum", Value::Int(65535)),
            ]),
            parameter(),
        ]),
        Shape::Enum(words) => Value::map([(
            "enum",
            Value::List(words.iter().map(|w| Value::string(*w)).collect()),
        )]),
        Shape::List(inner) => list_of(shape(inner, definitions)),
        Shape::ListParameter(inner) => {
            any_of(vec![list_of(shape(inner, definitions)), parameter()])
        }
        Shape::OneOrMore(inner) => {
            let one = shape(inner, definitions);
            any_of(vec![one.clone(), list_of(one)])
        }
        Shape::Labels => Value::map([
            ("type", Value::string("object")),
            ("additionalProperties", of_type("string")),
        ]),
        Shape::Object(inner) => reference(inner, definitions),
        Shape::Choice(shapes) => any_of(shapes.iter().map(|s| shape(s, definitions)).collect()),
    }
}

/// A reference to the definition of an object, which is written once.
fn reference(inner: &'static Object, definitions: &mut Definitions) -> Value {
    let fields: Vec<&str> = inner.fields.iter().map(|f| f.key).collect();
    let name = format!("{}-{}", inner.name, fields.join("-"));
    if !definitions.contains_key(&name) {
        // Entered before it is built: `when` holds itself.
        definitions.insert(name.clone(), Value::Null);
        let built = object(inner, definitions);
        definitions.insert(name.clone(), built);
    }
    Value::map([("$ref", Value::String(format!("#/$defs/{name}")))])
}
