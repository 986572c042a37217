//! Kubernetes' YAML as a tree with spans: hostile input in, values and diagnostics out.
//!
//! [`parse`] never fails: it returns the documents that could be read, and a diagnostic for each that
//! could not. Scalars mean what the API server sees (YAML 1.1 as `sigs.k8s.io/yaml` reads it).

mod build;
mod decode;
mod emit;
mod fast;
mod fields;
mod json;
mod limits;
mod scalar;
mod split;
mod tree;

pub use decode::decode;
pub use emit::Value;
pub use fields::{Fields, Spanned};
pub use limits::Limits;
pub use tree::{Document, Key, Kind, Node};

use palisade_diagnostics::{Diagnostic, FileId};

/// What a text holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Documents, in order; empty ones are left out.
    pub documents: Vec<Document>,
    /// One diagnostic per document that could not be read, and per limit that was reached.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads every document of a text. Cost: linear in the text; memory is bounded by `limits`.
#[must_use]
pub fn parse(file: FileId, text: &str, limits: &Limits) -> Parsed {
    let mut parsed = Parsed::default();
    if text.len() > limits.max_bytes {
        parsed.diagnostics.push(limits::exceeded(
            None,
            "file is too large",
            limits.max_bytes,
            "bytes",
        ));
        return parsed;
    }
    let mut count = 0;
    for piece in split::pieces(text) {
        count += 1;
        if count > limits.max_documents {
            parsed.diagnostics.push(limits::exceeded(
                Some(span(file, piece.start, piece.start)),
                "too many documents",
                limits.max_documents,
                "documents",
            ));
            break;
        }
        read_piece(file, text, &piece, limits, &mut parsed);
    }
    cap(&mut parsed.diagnostics, limits.max_diagnostics);
    parsed
}

fn read_piece(
    file: FileId,
    text: &str,
    piece: &std::ops::Range<usize>,
    limits: &Limits,
    parsed: &mut Parsed,
) {
    let part = text.get(piece.clone()).unwrap_or_default();
    if part.trim_start().starts_with(['{', '['])
        && let Some(result) = json::parse(file, part, piece.start, limits)
    {
        match result {
            Ok(document) => parsed.documents.push(document),
            Err(mut list) => parsed.diagnostics.append(&mut list),
        }
        return;
    }
    build::parse(file, part, piece.start, limits, parsed);
}

/// Keeps the first `max` diagnostics and counts the rest.
fn cap(list: &mut Vec<Diagnostic>, max: usize) {
    if list.len() > max {
        let more = list.len() - max;
        list.truncate(max);
        list.push(Diagnostic::error(
            "PAL0009",
            format!("{more} further problems in this file are not shown"),
        ));
    }
}

/// A span, for offsets that are known to lie below 4 GiB.
fn span(file: FileId, start: usize, end: usize) -> palisade_diagnostics::Span {
    let small = |n| u32::try_from(n).unwrap_or(u32::MAX);
    palisade_diagnostics::Span::new(file, small(start), small(end))
}
