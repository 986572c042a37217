//! Reading one object, or the objects of one list, from its tree.

use crate::codes;
use crate::head::Head;
use crate::istio;
use crate::kinds::{KINDS, Kind};
use crate::load::Role;
use crate::objects::Add;
use crate::told::Told;
use palisade_diagnostics::{Diagnostic, Severity, Span, did_you_mean};
use palisade_netmodel::ObjectRef;
use palisade_yaml::{Fields, Kind as Shape, Node};
use std::collections::BTreeMap;

/// What a tree holds, in the order of the text.
pub(crate) enum Found {
    /// An object of a kind that is read, with whatever is wrong with it.
    Object(Object),
    /// Something to tell of what is no object.
    Problem(Box<Diagnostic>),
}

/// What some trees hold. Whatever they hold, it is bounded by what the model keeps of them.
#[derive(Default)]
pub(crate) struct Finds {
    pub(crate) found: Vec<Found>,
    /// Objects of other kinds, by `kind.group` or `kind`.
    pub(crate) unknown: BTreeMap<String, usize>,
    /// How many more problems may be told.
    pub(crate) room: usize,
    /// Those beyond.
    pub(crate) beyond: Told,
}

impl Finds {
    /// Nothing yet; at most `room` problems are kept.
    pub(crate) fn new(room: usize) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    fn problem(&mut self, diagnostic: Diagnostic) {
        if self.room == 0 {
            return self.beyond.add(diagnostic);
        }
        self.room -= 1;
        self.found.push(Found::Problem(Box::new(diagnostic)));
    }

    fn object(&mut self, mut object: Object) {
        self.beyond.shorten(&mut object.problems, self.room);
        object.of_head = object.of_head.min(object.problems.len());
        self.room = self.room.saturating_sub(object.problems.len());
        self.found.push(Found::Object(object));
    }
}

/// An object that was read.
pub(crate) struct Object {
    pub(crate) kind: &'static Kind,
    pub(crate) name: ObjectRef,
    /// The place of the name.
    pub(crate) span: Span,
    pub(crate) problems: Vec<Diagnostic>,
    /// How many of the problems are those of its metadata.
    pub(crate) of_head: usize,
    pub(crate) add: Option<Add>,
}

/// `apiVersion` and `kind`.
#[derive(Clone, Copy)]
pub(crate) struct TypeMeta<'a> {
    pub(crate) api_version: &'a str,
    pub(crate) kind: &'a str,
}

/// Reads one object or list. `inherited` is the type of the items of a typed list, which may leave it
/// out.
pub(crate) fn objects(
    node: Node<'_>,
    inherited: Option<TypeMeta<'_>>,
    role: Role,
    out: &mut Finds,
) {
    if node.is_null() {
        return;
    }
    if node.kind() != Shape::Map {
        return out.problem(not_an_object(node));
    }
    let Some(found) = type_meta(node, inherited) else {
        return out.problem(no_kind(node));
    };
    if let (Some(inherited), Some(items)) = (items_of(found), node.get("items")) {
        for node in items.items() {
            objects(node, inherited, role, out);
        }
        return;
    }
    match find(found) {
        Type::Known(kind) if role.takes(kind.part) => {
            if let Some(object) = known(kind, node) {
                out.object(object);
            }
        }
        Type::Known(_) => {}
        Type::WrongVersion(kind) => out.problem(wrong_version(kind, found, node)),
        Type::Unknown => unknown(found, node, out),
    }
}

/// The type that items of a list inherit, if any; `None` if the type is that of no list.
fn items_of(found: TypeMeta<'_>) -> Option<Option<TypeMeta<'_>>> {
    let item = found.kind.strip_suffix("List")?;
    Some((!item.is_empty()).then_some(TypeMeta {
        kind: item,
        ..found
    }))
}

/// The same for the object around the items of a list.
pub(crate) fn list_type(node: Node<'_>) -> Option<Option<TypeMeta<'_>>> {
    items_of(type_meta(node, None)?)
}

/// The kind of a type, if it is read.
pub(crate) fn kind_of(api_version: &str, kind: &str) -> Option<&'static Kind> {
    match find(TypeMeta { api_version, kind }) {
        Type::Known(kind) => Some(kind),
        Type::WrongVersion(_) | Type::Unknown => None,
    }
}

fn unknown(found: TypeMeta<'_>, node: Node<'_>, out: &mut Finds) {
    let (group, version) = split(found.api_version);
    let name = if group.is_empty() {
        found.kind.to_owned()
    } else {
        format!("{}.{group}", found.kind)
    };
    if is_other_policy(group, found.kind) {
        out.problem(other_policy(&name, node));
    }
    let same = KINDS
        .iter()
        .filter(|kind| kind.group == group && kind.versions.contains(&version));
    if let Some(near) = did_you_mean(found.kind, same.map(|kind| kind.name)) {
        let span = node.get("kind").map_or(node.span(), Node::span);
        out.problem(
            Diagnostic::warning(
                codes::UNKNOWN_KIND,
                format!("{} has no kind {:?}", found.api_version, found.kind),
            )
            .at(span, "not read")
            .help(format!("write `{near}`")),
        );
    }
    *out.unknown.entry(name).or_default() += 1;
}

fn known(kind: &'static Kind, node: Node<'_>) -> Option<Object> {
    let mut problems = Vec::new();
    let mut fields = Fields::of(node, "an object", &mut problems)?;
    fields.ignore(&["apiVersion", "kind"]);
    let head = Head::read(kind, &mut fields, &mut problems);
    let of_head = problems.len();
    let add = (kind.read)(&head, &mut fields, &mut problems);
    fields.finish(&mut problems);
    let broken = problems.iter().any(|d| d.severity == Severity::Error);
    Some(Object {
        kind,
        name: head.object,
        span: head.span,
        problems,
        of_head,
        add: add.filter(|_| !broken),
    })
}

fn type_meta<'d>(node: Node<'d>, inherited: Option<TypeMeta<'d>>) -> Option<TypeMeta<'d>> {
    let text = |key| node.get(key).and_then(|node| node.as_str());
    let api_version = text("apiVersion").filter(|text| !text.is_empty());
    let kind = text("kind").filter(|text| !text.is_empty());
    Some(TypeMeta {
        api_version: api_version.or(inherited.map(|i| i.api_version))?,
        kind: kind.or(inherited.map(|i| i.kind))?,
    })
}

/// What a type is here.
enum Type {
    Known(&'static Kind),
    WrongVersion(&'static Kind),
    Unknown,
}

/// Group and version.
fn split(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Groups in which Kubernetes once served kinds that live elsewhere now.
const OLD_GROUPS: [&str; 2] = ["extensions", "policy"];

fn find(wanted: TypeMeta<'_>) -> Type {
    let (group, version) = split(wanted.api_version);
    // Two groups may use one word, as `Gateway`.
    let mut named = KINDS.iter().filter(|kind| kind.name == wanted.kind);
    let same_group = named.clone().find(|kind| kind.group == group);
    let Some(kind) = same_group.or_else(|| named.next()) else {
        return Type::Unknown;
    };
    let ours = OLD_GROUPS.contains(&group) || KINDS.iter().any(|kind| kind.group == group);
    if kind.group == group && kind.versions.contains(&version) {
        Type::Known(kind)
    } else if ours {
        Type::WrongVersion(kind)
    } else {
        // Other projects use the same words, as `Service` of `serving.knative.dev/v1`.
        Type::Unknown
    }
}

/// Whether a kind that is not read restricts or redirects traffic.
pub(crate) fn is_other_policy(group: &str, kind: &str) -> bool {
    let policies = ["NetworkPolicy", "ClusterwideNetworkPolicy"];
    policies.iter().any(|end| kind.ends_with(end))
        || (group == istio::NETWORKING && kind == "EnvoyFilter")
}

fn other_policy(name: &str, node: Node<'_>) -> Diagnostic {
    let object = node.get("metadata").and_then(|meta| meta.get("name"));
    let span = object.or(node.get("kind")).map_or(node.span(), Node::span);
    Diagnostic::warning(codes::OTHER_POLICY, format!("{name} is not read"))
        .at(span, "answers leave its effect out")
        .help("check by hand what it changes")
        .leaving_out()
}

fn not_an_object(node: Node<'_>) -> Diagnostic {
    Diagnostic::error(
        codes::NOT_AN_OBJECT,
        format!("a document is {}, not an object", node.kind()),
    )
    .at(
        node.span(),
        "a map with `apiVersion` and `kind` is expected",
    )
    .help("move it to a file that is not read as manifests, or write it as an object")
}

fn no_kind(node: Node<'_>) -> Diagnostic {
    let given = |key| node.get(key).is_some_and(|node| !node.is_null());
    let missing = match (given("apiVersion"), given("kind")) {
        (false, false) => "`apiVersion` and `kind` are missing",
        (false, true) => "`apiVersion` is missing",
        (true, false) => "`kind` is missing",
        (true, true) => "`apiVersion` and `kind` must be strings that are not empty",
    };
    Diagnostic::error(codes::NO_KIND, "a document that is no Kubernetes object")
        .at(node.span(), missing)
        .help("add them, or move the document to a file that is not read as manifests")
}

fn wrong_version(kind: &Kind, found: TypeMeta<'_>, node: Node<'_>) -> Diagnostic {
    let span = node.get("apiVersion").map_or(node.span(), Node::span);
    Diagnostic::error(
        codes::WRONG_VERSION,
        format!("{} has no kind {}", found.api_version, kind.name),
    )
    .at(span, format!("{} is in {}", kind.name, kind.api_version()))
    .help(format!("write `apiVersion: {}`", kind.api_version()))
}
