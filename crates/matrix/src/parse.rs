//! Texts to a matrix: every document is read, fragments are merged, every error is reported.

use crate::codes;
use crate::matrix::{Docs, Matrix};
use crate::raw::{Data, Raw};
use crate::syntax::document::{API_VERSION, DOCUMENT, KINDS, LISTS};
use crate::syntax::shape::{Shape, near};
use crate::syntax::{
    cell, component, endpoint, exception, flow, parameter, platform, toggle, zone,
};
use palisade_diagnostics::{Diagnostic, FileId, Severity};
use palisade_yaml::Limits;
use std::collections::BTreeMap;

/// What texts hold.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The matrix. It is there whenever one was found, however many errors it has: look at
    /// [`Parsed::is_valid`] before relying on it.
    pub matrix: Option<Matrix>,
    /// Everything that is to be said.
    pub diagnostics: Vec<Diagnostic>,
}

impl Parsed {
    /// Whether there is a matrix without errors.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.matrix.is_some() && self.diagnostics.iter().all(|d| d.severity < Severity::Error)
    }
}

/// Bounds on a matrix: far above what people write.
pub(crate) fn limits() -> Limits {
    Limits {
        max_bytes: 64 << 20,
        max_nodes: 1_000_000,
        max_documents: 10_000,
        ..Limits::default()
    }
}

/// Reads a matrix from one text.
#[must_use]
pub fn parse(file: FileId, text: &str) -> Parsed {
    parse_all(&[(file, text)])
}

/// Reads a matrix from several texts: one `TrafficMatrix`, and fragments that add to its lists.
#[must_use]
pub fn parse_all(texts: &[(FileId, &str)]) -> Parsed {
    let mut out = Vec::new();
    let mut documents = Vec::new();
    for (file, text) in texts {
        let parsed = palisade_yaml::parse(*file, text, &limits());
        out.extend(parsed.diagnostics);
        documents.extend(parsed.documents.iter().map(|d| Raw::of(d.root())));
    }
    let readable = out.is_empty();
    documents.retain(|document| is_matrix(document, &mut out));
    for document in &documents {
        Shape::Map(&DOCUMENT).check(document, "document", &mut out);
    }
    let matrix = main_document(&documents, readable && out.is_empty(), &mut out).map(|main| {
        let matrix = read(main, &documents, &mut out);
        crate::check::check(&matrix, &mut out);
        matrix
    });
    Parsed {
        matrix,
        diagnostics: out,
    }
}

/// Whether a document claims to be a matrix or a fragment.
fn is_matrix(raw: &Raw, out: &mut Vec<Diagnostic>) -> bool {
    let kind = raw.string("kind");
    if KINDS.contains(&kind.as_str()) {
        return true;
    }
    let title = if kind.is_empty() {
        "this document is no traffic matrix".to_owned()
    } else {
        format!("this document is a `{kind}`, no traffic matrix")
    };
    let span = raw.get("kind").map_or_else(|| raw.head(), |k| k.span);
    let diagnostic = Diagnostic::error(codes::NOT_A_MATRIX, title).at(span, "");
    out.push(near(diagnostic, &kind, KINDS.iter().copied()).help(format!(
        "begin it with `apiVersion: {API_VERSION}` and `kind: TrafficMatrix` (or TrafficMatrixFragment)"
    )));
    false
}

/// The one `TrafficMatrix` among the documents.
fn main_document<'r>(documents: &'r [Raw], clean: bool, out: &mut Vec<Diagnostic>) -> Option<&'r Raw> {
    let mut mains = documents.iter().filter(|d| d.string("kind") == "TrafficMatrix");
    let main = mains.next();
    for second in mains {
        out.push(
            Diagnostic::error(codes::NO_MATRIX, "there are two traffic matrices")
                .at(second.get("kind").map_or(second.span, |k| k.span), "the second")
                .at_opt(main.and_then(|m| m.get("kind")).map(|k| k.span), "the first")
                .help("make the second a `kind: TrafficMatrixFragment`"),
        );
    }
    if main.is_none() && clean {
        out.push(
            Diagnostic::error(codes::NO_MATRIX, "there is no traffic matrix")
                .at_opt(documents.first().map(Raw::head), "a fragment alone is not enough")
                .help("give the file with `kind: TrafficMatrix` too"),
        );
    }
    main
}

/// Merges the lists of all documents, in their order, and reads their items.
fn read(main: &Raw, documents: &[Raw], out: &mut Vec<Diagnostic>) -> Matrix {
    let mut lists: BTreeMap<&str, Vec<Raw>> = BTreeMap::new();
    let ordered = || {
        let others = documents.iter().filter(|d| !std::ptr::eq(*d, main));
        std::iter::once(main).chain(others)
    };
    for spec in ordered().filter_map(|d| d.get("spec")) {
        for (list, _) in LISTS {
            let items = spec.list(list).iter().filter(|i| matches!(i.data, Data::Map(_)));
            lists.entry(list).or_default().extend(items.cloned());
        }
    }
    for (list, key) in LISTS.iter().filter(|(_, key)| !key.is_empty()) {
        let items = lists.get(list).map(Vec::as_slice).unwrap_or_default();
        duplicates(list, items.iter().filter_map(|i| i.text(key)), out);
    }
    let take = |list: &str| lists.get(list).map(Vec::as_slice).unwrap_or_default();
    let spec = main.get("spec");
    let name = main.get("metadata").map(|m| m.string("name")).unwrap_or_default();
    let title = spec.and_then(|s| s.text("title")).map_or_else(|| name.clone(), |t| t.value);
    Matrix {
        docs: docs(spec, &title),
        mesh: ordered().filter_map(|d| d.get("spec")?.get("mesh")).next().cloned(),
        parameters: take("parameters").iter().filter_map(parameter::Parameter::read).collect(),
        toggles: take("toggles").iter().filter_map(toggle::Toggle::read).collect(),
        platforms: take("platforms").iter().filter_map(platform::Platform::read).collect(),
        requires: take("requires").to_vec(),
        zones: with_raw(take("zones"), zone::Zone::read),
        endpoints: take("endpoints").iter().filter_map(endpoint::Endpoint::read).collect(),
        components: take("components").iter().filter_map(component::Component::read).collect(),
        cells: with_raw(take("cells"), cell::Cell::read),
        flows: take("flows").iter().filter_map(flow::Flow::read).collect(),
        exceptions: with_raw(take("exceptions"), exception::Exception::read),
        name,
        title,
    }
}

fn with_raw<T>(items: &[Raw], read: fn(&Raw) -> Option<T>) -> Vec<(T, Raw)> {
    items.iter().filter_map(|raw| Some((read(raw)?, raw.clone()))).collect()
}

fn docs(spec: Option<&Raw>, title: &str) -> Docs {
    let docs = spec.and_then(|s| s.get("docs"));
    let notes = |key: &str| docs.map(|d| d.strings(key)).unwrap_or_default();
    Docs {
        title: docs.and_then(|d| d.text("title")).map_or_else(|| title.to_owned(), |t| t.value),
        notes: notes("notes"),
        inbound_notes: notes("inboundNotes"),
        outbound_notes: notes("outboundNotes"),
    }
}

/// Reports each name that was used before.
pub(crate) fn duplicates(
    list: &str,
    names: impl Iterator<Item = crate::raw::Text>,
    out: &mut Vec<Diagnostic>,
) {
    let mut seen = BTreeMap::new();
    for name in names {
        if let Some(first) = seen.get(&name.value) {
            out.push(
                Diagnostic::error(codes::DUPLICATE, format!("`{}` occurs twice in `{list}`", name.value))
                    .at(name.span, "again here")
                    .at(*first, "first here")
                    .help("rename or remove one of them"),
            );
        } else {
            seen.insert(name.value, name.span);
        }
    }
}
