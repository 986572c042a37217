//! What the server serves: everything that is read, what lints read, Secrets (which nobody may ask for), and the
//! policies of a network plugin. What is not built into Kubernetes is served only if there is an object of it.

use palisade_resources::KINDS;
use palisade_resources::served::{READ_BY_LINTS, plural};
use serde_json::{Value, json};

/// A resource of a version.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

impl Resource {
    pub(super) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The path of its version.
    fn home(&self) -> String {
        match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        }
    }

    /// The path of its list.
    pub(super) fn list(&self) -> String {
        format!("{}/{}", self.home(), plural(&self.kind))
    }
}

/// The resources of a server that holds these objects.
pub(super) fn served(objects: &[Value]) -> Vec<Resource> {
    let mut out = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.is_built_in()) {
        out.push(resource(kind.group, "v1", kind.name));
    }
    out.push(resource("", "v1", "Secret"));
    for (group, kind) in READ_BY_LINTS {
        out.push(resource(group, "v1", kind));
    }
    for object in objects {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("apiVersion").rsplit_once('/').unwrap_or_default();
        let new = |known: &Resource| known.group != group || known.kind != text("kind");
        if !group.is_empty() && out.iter().all(new) {
            out.push(resource(group, version, text("kind")));
        }
    }
    out
}

fn resource(group: &str, version: &str, kind: &str) -> Resource {
    Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
    }
}

/// The answer to `/apis`.
pub(super) fn groups(resources: &[Resource]) -> Value {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for resource in resources.iter().filter(|r| !r.group.is_empty()) {
        match groups.iter_mut().find(|(name, _)| *name == resource.group) {
            Some((_, versions)) if versions.contains(&resource.version.as_str()) => {}
            Some((_, versions)) => versions.push(&resource.version),
            None => groups.push((&resource.group, vec![&resource.version])),
        }
    }
    let version = |group: &str, version: &str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let groups = groups.iter().map(|(name, versions)| {
        let all: Vec<Value> = versions.iter().map(|v| version(name, v)).collect();
        json!({"name": name, "versions": all, "preferredVersion": all.first()})
    });
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<Value>>()})
}

/// The answer to `/apis/GROUP/VERSION` or `/api/v1`.
pub(super) fn of(resources: &[Resource], path: &str) -> Option<Value> {
    let here: Vec<&Resource> = resources.iter().filter(|r| r.home() == path).collect();
    let first = here.first()?;
    let mut list: Vec<Value> = Vec::new();
    for resource in &here {
        let name = plural(&resource.kind);
        let entry = |name: &str, verbs: &[&str]| json!({"name": name, "kind": resource.kind, "verbs": verbs});
        list.push(entry(&name, &["create", "get", "list", "watch"]));
        list.push(entry(&format!("{name}/status"), &["get", "patch"]));
    }
    Some(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(), "resources": list,
    }))
}
