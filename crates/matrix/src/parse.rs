//! Texts to one matrix: shape, fragments, references.

use crate::shape::{MATRIX, Shape};
use crate::syntax::Matrix;
use crate::{check, read, validate};
use palisade_diagnostics::{Diagnostic, FileId, Severity, Span};
use palisade_yaml::{Document, Limits};

/// A matrix, if one could be read at all, and everything that is wrong with it.
#[derive(Debug, Default)]
pub struct Parsed {
    /// The matrix, its fragments merged in.
    pub matrix: Option<Matrix>,
    /// Problems.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a matrix from one text.
#[must_use]
pub fn parse(file: FileId, text: &str) -> Parsed {
    parse_all(&[(file, text)])
}

/// Reads one `TrafficMatrix` and any number of `TrafficMatrixFragment`s from some texts.
#[must_use]
pub fn parse_all(texts: &[(FileId, &str)]) -> Parsed {
    let mut parsed = Parsed::default();
    let mut fragments = Vec::new();
    for (file, text) in texts {
        let yaml = palisade_yaml::parse(*file, text, &Limits::default());
        parsed.diagnostics.extend(yaml.diagnostics);
        for document in &yaml.documents {
            document_of(document, &mut parsed, &mut fragments);
        }
    }
    let Some(matrix) = &mut parsed.matrix else {
        if parsed.diagnostics.is_empty() {
            parsed.diagnostics.push(
                Diagnostic::error("PAL0210", "no document of kind TrafficMatrix")
                    .help("a matrix begins with `apiVersion: palisade.dev/v1alpha1` and `kind: TrafficMatrix`"),
            );
        }
        return parsed;
    };
    for fragment in fragments {
        merge(matrix, fragment);
    }
    check::check(matrix, &mut parsed.diagnostics);
    parsed
}

fn document_of(document: &Document, parsed: &mut Parsed, fragments: &mut Vec<Matrix>) {
    let root = document.root();
    let before = parsed.diagnostics.len();
    validate::check(
        root,
        "document",
        &Shape::Object(&MATRIX),
        &mut parsed.diagnostics,
    );
    let sound = parsed
        .diagnostics
        .iter()
        .skip(before)
        .all(|d| d.severity != Severity::Error);
    let Some(matrix) = read::matrix(root) else {
        return;
    };
    let fragment = root
        .get("kind")
        .is_some_and(|k| k.text() == Some("TrafficMatrixFragment"));
    if fragment {
        fragments.push(matrix);
    } else if parsed.matrix.is_some() {
        parsed.diagnostics.push(second(root.span()));
    } else if sound || parsed.matrix.is_none() {
        parsed.matrix = Some(matrix);
    }
}

fn second(span: Span) -> Diagnostic {
    let head = Span::new(span.file, span.start, span.start);
    Diagnostic::error("PAL0211", "a second TrafficMatrix")
        .at(head, "")
        .help("make it a TrafficMatrixFragment, whose lists are merged into the matrix")
}

/// Adds the lists of a fragment; duplicates are found by the check of names.
fn merge(matrix: &mut Matrix, fragment: Matrix) {
    matrix.parameters.extend(fragment.parameters);
    matrix.toggles.extend(fragment.toggles);
    matrix.platforms.extend(fragment.platforms);
    matrix.requires.extend(fragment.requires);
    matrix.zones.extend(fragment.zones);
    matrix.endpoints.extend(fragment.endpoints);
    matrix.components.extend(fragment.components);
    matrix.cells.extend(fragment.cells);
    matrix.flows.extend(fragment.flows);
    matrix.exceptions.extend(fragment.exceptions);
}
