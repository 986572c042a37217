//! What is wrong with a text that is no YAML, in words.

use crate::limits::{Limits, exceeded};
use crate::span;
use granit_parser::ScanError;
use palisade_diagnostics::{Diagnostic, FileId, Span};

/// What the parser's own error says.
pub(super) fn failure(
    file: FileId,
    part: &str,
    offset: usize,
    error: &ScanError,
    limits: &Limits,
) -> Diagnostic {
    let place = error.marker().byte_offset().unwrap_or(part.len());
    let at = offset + place.min(part.len());
    let at = span(file, at, at);
    let info = error.info();
    if info.contains("recursion limit") {
        let limit = limits.max_depth;
        return exceeded(Some(at), "values are nested too deep", limit, "levels");
    }
    syntax(part, offset, at, &info)
}

/// A syntax error in words, with advice for the most frequent causes.
fn syntax(part: &str, offset: usize, at: Span, info: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error("PAL0001", format!("not YAML: {info}")).at(at, "");
    let place = (at.start as usize).saturating_sub(offset);
    let near = last_lines(part, place);
    let indentation = |line: &str| {
        let space = line.trim_start_matches([' ', '\t']);
        line.len() > space.len()
            && line
                .get(..line.len() - space.len())
                .unwrap_or_default()
                .contains('\t')
    };
    if near.contains("{{") || is_template(part) {
        diagnostic.help(TEMPLATE)
    } else if near.lines().any(indentation) {
        diagnostic.help("YAML forbids tabs for indentation: use spaces")
    } else {
        diagnostic.help("check the indentation, the quotes and the colons around this place")
    }
}

pub(super) const TEMPLATE: &str =
    "this looks like a Helm template: render the chart first, with `helm template`";

/// Whether a text holds what only Helm's templates hold. (`{{` alone stands in alert rules too.)
fn is_template(part: &str) -> bool {
    [
        "{{ .Values",
        "{{ .Release",
        "{{- ",
        "{{ include ",
        "{{ if ",
        "{{ end",
    ]
    .iter()
    .any(|word| part.contains(word))
}

/// The line of a place and the line before it.
fn last_lines(part: &str, place: usize) -> &str {
    let mut place = place.min(part.len());
    while !part.is_char_boundary(place) {
        place -= 1;
    }
    let (before, after) = part.split_at(place);
    let lines = before.trim_end_matches('\n').rmatch_indices('\n');
    let start = lines.map(|(at, _)| at + 1).nth(1).unwrap_or(0);
    let end = place + after.find('\n').unwrap_or(after.len());
    part.get(start..end).unwrap_or_default()
}
