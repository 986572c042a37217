//! The objects that the server holds, and what happened to them.

use super::objects::{is_of, stored};
use super::resources::Resource;
use serde_json::{Value, json};

/// The version of what a server holds when it starts.
const FIRST: u64 = 7;

/// Objects with their versions, and every change since.
#[derive(Debug)]
pub(super) struct Held {
    objects: Vec<(u64, Value)>,
    version: u64,
    /// Version, type and object of each change, oldest first.
    changes: Vec<(u64, &'static str, Value)>,
    /// Changes up to this version are forgotten.
    forgotten: u64,
}

impl Held {
    pub(super) fn new(objects: Vec<Value>) -> Self {
        Self {
            objects: objects.into_iter().map(|o| (FIRST, o)).collect(),
            version: FIRST,
            changes: Vec::new(),
            forgotten: 0,
        }
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn put(&mut self, object: Value) {
        self.version += 1;
        let known = self.objects.iter_mut().find(|(_, o)| same(o, &object));
        let kind = if known.is_some() { "MODIFIED" } else { "ADDED" };
        match known {
            Some(known) => *known = (self.version, object.clone()),
            None => self.objects.push((self.version, object.clone())),
        }
        self.changes.push((self.version, kind, object));
    }

    pub(super) fn delete(&mut self, object: &Value) {
        self.version += 1;
        self.objects.retain(|(_, o)| !same(o, object));
        self.changes.push((self.version, "DELETED", object.clone()));
    }

    pub(super) fn compact(&mut self) {
        self.version += 1;
        self.forgotten = self.version;
        self.changes.clear();
    }

    /// The items of a list.
    pub(super) fn list(&self, resource: &Resource) -> Vec<Value> {
        let ours = self.objects.iter().filter(|(_, o)| is_of(o, resource));
        ours.map(|(version, o)| stored(o.clone(), *version))
            .collect()
    }

    /// What a watch from a version on tells; `None` if that version is forgotten.
    pub(super) fn since(&self, version: u64, resource: &Resource) -> Option<Vec<Value>> {
        if version < self.forgotten {
            return None;
        }
        let new = self
            .changes
            .iter()
            .filter(|(v, _, o)| *v > version && is_of(o, resource));
        let told = new.map(|(v, kind, o)| json!({"type": kind, "object": stored(o.clone(), *v)}));
        Some(told.collect())
    }
}

/// Whether two are versions of one object.
fn same(a: &Value, b: &Value) -> bool {
    let fields = [
        "/apiVersion",
        "/kind",
        "/metadata/namespace",
        "/metadata/name",
    ];
    fields
        .iter()
        .all(|field| a.pointer(field) == b.pointer(field))
}
