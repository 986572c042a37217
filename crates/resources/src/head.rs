//! `metadata`: what every object has.

use crate::kinds::Kind;
use crate::labels::labels;
use crate::names::{self, NameRule};
use crate::{codes, proxy};
use palisade_diagnostics::{Diagnostic, Span};
use palisade_netmodel::{Labels, ObjectRef, Origin};
use palisade_yaml::{Fields, Node, Spanned};
use std::collections::BTreeMap;

/// Fields of `ObjectMeta` without meaning here.
pub const IGNORED: [&str; 9] = [
    "clusterName",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The metadata of an object.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Namespace (empty if the kind belongs to none) and name.
    pub(crate) object: ObjectRef,
    /// The place of the name.
    pub(crate) span: Span,
    /// Labels.
    pub(crate) labels: Labels,
    /// Annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// `creationTimestamp` as written (RFC 3339, so that text order is time order).
    pub(crate) created: Option<String>,
    /// The controlling owner: kind and name.
    pub(crate) owner: Option<(String, String)>,
}

impl Head {
    /// The place of the object, for explanations.
    pub(crate) fn origin(&self) -> Origin {
        Origin(Some(self.span))
    }

    /// Reads `metadata`. A name that is missing is reported and empty, so that the rest of the
    /// object is still checked.
    pub(crate) fn read(kind: &Kind, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Self {
        let Some(mut meta) = fields.map("metadata", "the metadata of an object", out) else {
            out.push(no_name(kind, fields.span()));
            return Self::nameless(fields.span());
        };
        let name = name(kind, &mut meta, out);
        let namespace = namespace(kind, &mut meta, out);
        let labels = labels(&mut meta, "labels", out);
        let annotations = annotations(&mut meta, out);
        let created = meta.string("creationTimestamp", out).map(|s| s.value);
        let owner = owner(&mut meta, out);
        meta.ignore(&IGNORED);
        meta.finish(out);
        let name = name.unwrap_or(Spanned {
            value: String::new(),
            span: fields.span(),
        });
        Self {
            object: ObjectRef::new(namespace, name.value),
            span: name.span,
            labels,
            annotations,
            created,
            owner,
        }
    }

    fn nameless(span: Span) -> Self {
        Self {
            object: ObjectRef::default(),
            span,
            labels: Labels::default(),
            annotations: BTreeMap::new(),
            created: None,
            owner: None,
        }
    }
}

fn no_name(kind: &Kind, span: Span) -> Diagnostic {
    Diagnostic::error(codes::NO_NAME, format!("a {} without a name", kind.name))
        .at(span, "`metadata.name` is missing")
        .help("add `name` under `metadata`")
}

fn name(kind: &Kind, meta: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
    let what = format!("the name of a {}", kind.name);
    let prefix = meta.string("generateName", out);
    if let Some(name) = meta.string("name", out) {
        kind.names.check(&name.value, name.span, &what, out);
        return Some(name);
    }
    // The server would add five characters to the prefix; one stands for them.
    let Some(mut name) = prefix else {
        out.push(no_name(kind, meta.span()));
        return None;
    };
    name.value.push('0');
    kind.names.check(&name.value, name.span, &what, out);
    Some(name)
}

/// The namespace: `default` if missing, none for a kind that belongs to no namespace.
fn namespace(kind: &Kind, meta: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> String {
    let written = meta.string("namespace", out);
    match written {
        Some(namespace) if !kind.namespaced => {
            let title = format!("a {} belongs to no namespace", kind.name);
            out.push(
                Diagnostic::warning(codes::CLUSTER_SCOPED, title)
                    .at(namespace.span, "has no effect")
                    .help("remove `metadata.namespace`"),
            );
            String::new()
        }
        Some(namespace) if !namespace.value.is_empty() => {
            NameRule::Label.check(
                &namespace.value,
                namespace.span,
                "the name of a namespace",
                out,
            );
            namespace.value
        }
        _ if kind.namespaced => "default".to_owned(),
        _ => String::new(),
    }
}

/// Reads `annotations`.
pub(crate) fn annotations(
    meta: &mut Fields<'_>,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let pairs = meta.string_map("annotations", out);
    for (key, value) in &pairs {
        names::check_key(&key.value, key.span, "an annotation", out);
        proxy::check_annotation(&key.value, value, out);
    }
    pairs
        .into_iter()
        .map(|(key, value)| (key.value, value.value))
        .collect()
}

/// The owner with `controller: true`, else the first one.
fn owner(meta: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<(String, String)> {
    let mut found: Option<(bool, (String, String))> = None;
    for node in meta.list("ownerReferences", out) {
        let Some((controller, owner)) = reference(node, out) else {
            continue;
        };
        if found.as_ref().is_none_or(|(best, _)| controller && !best) {
            found = Some((controller, owner));
        }
    }
    found.map(|(_, owner)| owner)
}

fn reference(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<(bool, (String, String))> {
    let mut fields = Fields::of(node, "an owner reference", out)?;
    let kind = fields.string("kind", out);
    let name = fields.string("name", out);
    if kind.is_none() || name.is_none() {
        out.push(
            Diagnostic::warning(codes::INCOMPLETE, "an owner without a kind or a name")
                .at(
                    fields.span(),
                    "the API server refuses it; it is not followed",
                )
                .help("add `kind` and `name`"),
        );
    }
    let controller = fields.bool("controller", out).is_some_and(|b| b.value);
    fields.ignore(&["apiVersion", "uid", "blockOwnerDeletion"]);
    fields.finish(out);
    Some((controller, (kind?.value, name?.value)))
}

/// The map under `key`, which must be there.
pub(crate) fn required_map<'d>(
    fields: &mut Fields<'d>,
    key: &'static str,
    what: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Option<Fields<'d>> {
    if fields.node(key).is_none() {
        out.push(fields.missing(key));
        return None;
    }
    fields.map(key, what, out)
}
