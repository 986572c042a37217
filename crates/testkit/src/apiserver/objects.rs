//! Objects as the server holds them: those of manifests, with what a server adds.

use super::resources::Resource;
use palisade_diagnostics::FileId;
use palisade_yaml::{Kind, Limits, Node};
use serde_json::{Map, Value, json};

/// The objects of manifests, lists taken apart.
#[must_use]
pub fn objects(manifests: &str) -> Vec<Value> {
    let parsed = palisade_yaml::parse(FileId(0), manifests, &Limits::default());
    let mut out = Vec::new();
    for document in &parsed.documents {
        let value = json(document.root());
        match value.get("items").and_then(Value::as_array) {
            Some(items) => out.extend(items.iter().cloned()),
            None => out.push(value),
        }
    }
    out.retain(|object| object.get("kind").is_some_and(Value::is_string));
    out
}

fn json(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => Value::from(node.as_bool()),
        Kind::Int => Value::from(node.as_int()),
        Kind::Float => Value::from(node.as_float()),
        Kind::String => Value::from(node.as_str()),
        Kind::List => node.items().map(json).collect(),
        Kind::Map => {
            let fields = node.entries();
            let fields = fields.map(|(key, value)| (key.text.to_owned(), json(value)));
            Value::Object(fields.collect::<Map<String, Value>>())
        }
    }
}

/// Whether an object is of a resource.
pub(super) fn is_of(object: &Value, resource: &Resource) -> bool {
    let api_version = object.get("apiVersion").and_then(Value::as_str);
    let split = api_version.and_then(|text| text.rsplit_once('/'));
    split.map_or("", |(group, _)| group) == resource.group
        && object.get("kind").and_then(Value::as_str) == Some(&resource.kind)
}

/// An object as an item of a list: without its type, with what the server adds.
pub(super) fn stored(mut object: Value, version: u64) -> Value {
    let Value::Object(fields) = &mut object else {
        return object;
    };
    fields.remove("apiVersion");
    fields.remove("kind");
    if let Some(Value::Object(meta)) = fields.get_mut("metadata") {
        let manager = json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {"f:unknown": {}}}}]);
        meta.insert("managedFields".to_owned(), manager);
        meta.insert("uid".to_owned(), Value::from("0b9c"));
        meta.insert(
            "resourceVersion".to_owned(),
            Value::from(version.to_string()),
        );
    }
    object
}
