//! From texts to a world: documents, lists, kinds, duplicates, and what is left out.

use crate::assemble::assemble;
use crate::codes;
use crate::head::Head;
use crate::istio;
use crate::kinds::{KINDS, Kind, Part};
use crate::objects::Objects;
use palisade_diagnostics::{Diagnostic, FileId, Severity, Span, did_you_mean};
use palisade_netmodel::World;
use palisade_yaml::{Document, Fields, Kind as Shape, Limits, Node};
use std::collections::BTreeMap;

/// What an input is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Everything but what restricts traffic: NetworkPolicy and Istio kinds are not read.
    Workloads,
    /// NetworkPolicy, Istio kinds, and Namespaces, whose labels join those of the same name.
    Policies,
    /// Everything.
    Both,
}

impl Role {
    pub(crate) fn takes(self, part: Part) -> bool {
        match (self, part) {
            (Self::Both, _) | (_, Part::Both) => true,
            (Self::Workloads, part) => part == Part::Workloads,
            (Self::Policies, part) => part == Part::Policies,
        }
    }
}

/// One text.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its id, for spans.
    pub file: FileId,
    /// YAML or JSON, any number of documents.
    pub text: &'a str,
    /// What it is read for.
    pub role: Role,
}

/// Choices of the reader.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bounds of each text.
    pub limits: Limits,
    /// Root namespace of the mesh where no ConfigMap `istio` says otherwise. Default: `istio-system`.
    pub mesh_root: Option<String>,
    /// Trust domain of the mesh where no ConfigMap `istio` says otherwise. Default: `cluster.local`.
    pub trust_domain: Option<String>,
}

/// What the texts hold.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The world of all accepted objects, the same for any order of documents.
    pub world: World,
    /// Everything to tell, in the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
    /// Accepted objects by kind.
    pub counts: BTreeMap<String, usize>,
    /// Objects of kinds that are not read, by `kind.group` or `kind`.
    pub unknown: BTreeMap<String, usize>,
    /// Objects left out because of an error, as `NetworkPolicy shop/allow-web`.
    pub left_out: Vec<String>,
}

/// Reads texts.
#[must_use]
pub fn load(inputs: &[Input<'_>], options: &Options) -> Loaded {
    let mut loader = Loader::default();
    // Policies come last, so that their Namespace labels win over those of the workloads.
    let (last, first): (Vec<_>, Vec<_>) = inputs.iter().partition(|i| i.role == Role::Policies);
    for input in first.into_iter().chain(last) {
        loader.input(input, &options.limits);
    }
    loader.finish(options)
}

/// What identifies an object: group, kind, namespace, name.
type Identity = (&'static str, &'static str, String, String);

#[derive(Default)]
struct Loader {
    objects: Objects,
    diagnostics: Vec<Diagnostic>,
    counts: BTreeMap<String, usize>,
    unknown: BTreeMap<String, usize>,
    left_out: Vec<String>,
    seen: BTreeMap<Identity, (Span, Role)>,
}

/// `apiVersion` and `kind`.
#[derive(Clone, Copy)]
struct TypeMeta<'a> {
    api_version: &'a str,
    kind: &'a str,
}

impl Loader {
    fn input(&mut self, input: &Input<'_>, limits: &Limits) {
        let parsed = palisade_yaml::parse(input.file, input.text, limits);
        for document in &parsed.documents {
            let broken = parsed.diagnostics.iter().any(|d| is_within(d, document));
            self.object(document.root(), None, input.role, broken);
        }
        self.diagnostics.extend(parsed.diagnostics);
    }

    /// Reads one object or list. `inherited` is the type of the items of a typed list, which may
    /// leave it out.
    fn object(
        &mut self,
        node: Node<'_>,
        inherited: Option<TypeMeta<'_>>,
        role: Role,
        broken: bool,
    ) {
        if node.is_null() {
            return;
        }
        if node.kind() != Shape::Map {
            self.diagnostics.push(not_an_object(node));
            return;
        }
        let Some(found) = type_meta(node, inherited) else {
            self.diagnostics.push(no_kind(node));
            return;
        };
        if let (Some(item), Some(items)) = (found.kind.strip_suffix("List"), node.get("items")) {
            let inherited = (!item.is_empty()).then_some(TypeMeta {
                kind: item,
                ..found
            });
            for node in items.items() {
                self.object(node, inherited, role, broken);
            }
            return;
        }
        match find(found) {
            Found::Known(kind) if role.takes(kind.part) => self.known(kind, node, role, broken),
            Found::Known(_) => {}
            Found::WrongVersion(kind) => self.diagnostics.push(wrong_version(kind, found, node)),
            Found::Unknown => self.unknown(found, node),
        }
    }

    fn unknown(&mut self, found: TypeMeta<'_>, node: Node<'_>) {
        let (group, version) = split(found.api_version);
        let name = if group.is_empty() {
            found.kind.to_owned()
        } else {
            format!("{}.{group}", found.kind)
        };
        if is_other_policy(group, found.kind) {
            self.diagnostics.push(other_policy(&name, node));
        }
        *self.unknown.entry(name).or_default() += 1;
        let same = KINDS
            .iter()
            .filter(|kind| kind.group == group && kind.versions.contains(&version));
        if let Some(near) = did_you_mean(found.kind, same.map(|kind| kind.name)) {
            let span = node.get("kind").map_or(node.span(), Node::span);
            self.diagnostics.push(
                Diagnostic::warning(
                    codes::UNKNOWN_KIND,
                    format!("{} has no kind {:?}", found.api_version, found.kind),
                )
                .at(span, "not read")
                .help(format!("write `{near}`")),
            );
        }
    }

    fn known(&mut self, kind: &'static Kind, node: Node<'_>, role: Role, broken: bool) {
        let mut out = Vec::new();
        let Some(mut fields) = Fields::of(node, "an object", &mut out) else {
            return;
        };
        fields.ignore(&["apiVersion", "kind"]);
        let head = Head::read(kind, &mut fields, &mut out);
        self.check_duplicate(kind, &head, role, &mut out);
        let add = (kind.read)(&head, &mut fields, &mut out);
        fields.finish(&mut out);
        let errors = out.iter_mut().filter(|d| d.severity == Severity::Error);
        let first = errors.into_iter().next();
        match (first, add) {
            (None, Some(add)) if !broken => {
                add(&mut self.objects);
                if kind.namespaced {
                    self.objects.used_namespaces.push(head.object.namespace);
                }
                *self.counts.entry(kind.name.to_owned()).or_default() += 1;
            }
            (first, _) => {
                let name = match head.object.name.as_str() {
                    "" => format!("{} without a name", kind.name),
                    _ => format!("{} {}", kind.name, head.object),
                };
                if let Some(first) = first {
                    let note = format!("{name} is left out until its errors are corrected.");
                    first.notes.push(note);
                }
                self.left_out.push(name);
            }
        }
        self.diagnostics.append(&mut out);
    }

    /// Reports an object that an earlier document already defines. A Namespace may be written with
    /// the workloads and with the policies.
    fn check_duplicate(
        &mut self,
        kind: &'static Kind,
        head: &Head,
        role: Role,
        out: &mut Vec<Diagnostic>,
    ) {
        let object = &head.object;
        if object.name.is_empty() {
            return;
        }
        let names = (object.namespace.clone(), object.name.clone());
        let identity = (kind.group, kind.name, names.0, names.1);
        let Some((span, other)) = self.seen.get(&identity) else {
            self.seen.insert(identity, (head.span, role));
            return;
        };
        if kind.part == Part::Both && (*other == Role::Policies) != (role == Role::Policies) {
            return;
        }
        out.push(
            Diagnostic::error(
                codes::DUPLICATE,
                format!("{} {object} is defined twice", kind.name),
            )
            .at(head.span, "again here")
            .at(*span, "first here")
            .help("remove one of the two, or give it another name or namespace"),
        );
    }

    fn finish(mut self, options: &Options) -> Loaded {
        let world = assemble(self.objects, options);
        self.diagnostics.extend(root_selectors(&world));
        let limit = options.limits.max_diagnostics;
        let total = self.diagnostics.len();
        self.diagnostics.sort_by_key(Diagnostic::span);
        if total > limit {
            self.diagnostics.truncate(limit);
            self.diagnostics.push(
                Diagnostic::error(
                    codes::TOO_MANY,
                    format!("{} more problems are not shown", total - limit),
                )
                .help("correct those above first"),
            );
        }
        self.left_out.sort();
        Loaded {
            world,
            diagnostics: self.diagnostics,
            counts: self.counts,
            unknown: self.unknown,
            left_out: self.left_out,
        }
    }
}

/// Warns of PeerAuthentications that Istio ignores: those with a selector in the root namespace
/// (istio#61023).
fn root_selectors(world: &World) -> impl Iterator<Item = Diagnostic> {
    let root = &world.mesh.root_namespace;
    let policies = world.peer_authentications.iter();
    let ignored = policies.filter(|p| p.object.namespace == *root && !p.selector.0.is_empty());
    ignored.map(|policy| {
        let title = format!("PeerAuthentication {} has no effect", policy.object);
        Diagnostic::warning(codes::ROOT_SELECTOR, title)
            .at_opt(policy.origin.0, "has a selector, in the root namespace")
            .help("move it to the namespace of its pods, or remove the selector")
    })
}

/// Whether an error of the parser lies in a document.
fn is_within(diagnostic: &Diagnostic, document: &Document) -> bool {
    let whole = document.span();
    diagnostic.severity == Severity::Error
        && diagnostic
            .span()
            .is_some_and(|span| whole.start <= span.start && span.end <= whole.end)
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
enum Found {
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

fn find(wanted: TypeMeta<'_>) -> Found {
    let (group, version) = split(wanted.api_version);
    // Two groups may use one word, as `Gateway`.
    let mut named = KINDS.iter().filter(|kind| kind.name == wanted.kind);
    let same_group = named.clone().find(|kind| kind.group == group);
    let Some(kind) = same_group.or_else(|| named.next()) else {
        return Found::Unknown;
    };
    let ours = OLD_GROUPS.contains(&group) || KINDS.iter().any(|kind| kind.group == group);
    if kind.group == group && kind.versions.contains(&version) {
        Found::Known(kind)
    } else if ours {
        Found::WrongVersion(kind)
    } else {
        // Other projects use the same words, as `Service` of `serving.knative.dev/v1`.
        Found::Unknown
    }
}

/// Whether a kind that is not read restricts or redirects traffic.
fn is_other_policy(group: &str, kind: &str) -> bool {
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
