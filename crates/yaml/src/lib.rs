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
mod list;
mod problems;
mod scalar;
mod scan;
mod shape;
mod split;
mod stream;
mod tree;
mod windows;

pub use decode::{Decoder, decode};
pub use emit::Value;
pub use fields::{Fields, Spanned, UNKNOWN_FIELD};
pub use json::Spare;
pub use limits::{Limits, Sizes};
pub use problems::Problems;
pub use shape::{Choose, Plan, Shape, Skip};
pub use split::Window;
pub use stream::{Items, List, Piece, cut, read};
pub use tree::{Document, Key, Kind, Node};
pub use windows::{Around, Take, stream};

use palisade_diagnostics::{Diagnostic, FileId};

/// What a text holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Documents, in order; empty ones are left out.
    pub documents: Vec<Document>,
    /// One diagnostic per document that could not be read, and per limit that was reached.
    pub diagnostics: Vec<Diagnostic>,
}

/// What has been read so far.
#[derive(Debug)]
pub(crate) struct Read {
    documents: Vec<Document>,
    problems: Problems,
}

/// Reads every document of a text. Cost: linear in the text; memory is bounded by `limits`.
#[must_use]
pub fn parse(file: FileId, text: &str, limits: &Limits) -> Parsed {
    parse_planned(file, text, limits, Plan::default())
}

/// The same for a reader that has said what it will look at.
#[must_use]
pub fn parse_planned(file: FileId, text: &str, limits: &Limits, plan: Plan) -> Parsed {
    let mut read = Read {
        documents: Vec::new(),
        problems: Problems::new(limits.max_diagnostics),
    };
    let (ranges, problems) = stream::documents(file, text, limits);
    for range in ranges {
        let part = text.get(range.clone()).unwrap_or_default();
        read_piece(file, part, range.start, limits, plan, &mut read);
    }
    read.problems.append(problems);
    Parsed {
        documents: read.documents,
        diagnostics: read.problems.finish(),
    }
}

fn read_piece(
    file: FileId,
    part: &str,
    mut start: usize,
    limits: &Limits,
    plan: Plan,
    read: &mut Read,
) {
    let part = part.strip_prefix('\u{feff}').map_or(part, |rest| {
        start += '\u{feff}'.len_utf8();
        rest
    });
    if part.trim_start().starts_with(['{', '['])
        && let Some(result) = json::parse(file, part, start, (limits, plan), &mut Spare::default())
    {
        match result {
            Ok(mut documents) => read.documents.append(&mut documents),
            Err(problems) => read.problems.append(problems),
        }
        return;
    }
    let mut chunks = part.as_bytes().chunks(256);
    if chunks.any(|chunk| chunk.iter().fold(false, |any, b| any | is_forbidden(*b)))
        && let Some(at) = part.bytes().position(is_forbidden)
    {
        read.problems.add(|| control(file, part, start, at));
        return;
    }
    build::parse(file, part, start, limits, plan, read);
}

/// Control characters, which YAML allows nowhere; the parser would take a NUL for the end.
fn is_forbidden(byte: u8) -> bool {
    byte == 0x7F || byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')
}

fn control(file: FileId, part: &str, start: usize, at: usize) -> Diagnostic {
    let byte = part.as_bytes().get(at).copied().unwrap_or_default();
    let place = span(file, start + at, start + at + 1);
    Diagnostic::error(
        "PAL0001",
        format!("not YAML: control character U+{byte:04X}"),
    )
    .at(place, "")
    .help("remove it, or write it as an escape in double quotes")
}

/// A span, for offsets that are known to lie below 4 GiB.
fn span(file: FileId, start: usize, end: usize) -> palisade_diagnostics::Span {
    let small = |n| u32::try_from(n).unwrap_or(u32::MAX);
    palisade_diagnostics::Span::new(file, small(start), small(end))
}
