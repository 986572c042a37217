//! For programs: one JSON object whose shape is versioned by its first field.
//!
//! `schema` is `palisade.dev/report/v1`. Within a version fields are added, never renamed, removed
//! or given another meaning; a reader ignores fields that it does not know. [`SCHEMA`] is its JSON
//! Schema.
//!
//! ```text
//! {
//!   "schema": "palisade.dev/report/v1",
//!   "title": what was asked,
//!   "verdict": "holds" | "unknown" | "fails",
//!   "facts": [{ "name", "value" }],
//!   "findings": [{
//!     "code": "PAL0301",
//!     "lint": name of the lint that found it, or null,
//!     "severity": "error" | "warning" | "note",
//!     "title": one line,
//!     "places": [{                       the first is the main one
//!       "file": display name, or null (and lines and columns 0) if it is unknown,
//!       "start": { "offset", "line", "column" },   offset: bytes from 0; line, column: from 1,
//!       "end":   { "offset", "line", "column" },   column in characters; end is exclusive
//!       "quote": the marked text, at most 2,000 characters,
//!       "cut": whether the quote was shortened,
//!       "text": the remark, perhaps ""
//!     }],
//!     "witness": a connection that shows it, or null,
//!     "notes": [string],
//!     "help": [string],
//!     "fix": null | { "about": string, "edits": [{ "file", "start": offset, "end": offset, "text" }] }
//!   }],
//!   "prerequisites": [{ "title", "verdict", "detail" }],
//!   "sections": [{ "title", "paragraphs": [string],
//!                  "table": null | { "columns": [string], "rows": [[string]] } }],
//!   "summary": one sentence
//! }
//! ```

use serde::Serialize;

use super::{Format, Style};
use crate::{Diagnostic, Fix, Label, Report, Severity, SourceFile, Sources, Table, Verdict};
use std::borrow::Cow;

/// See the module.
pub(super) const FORMAT: Format = Format {
    name: "json",
    about: "for programs (schema palisade.dev/report/v1)",
    render,
};

const VERSION: &str = "palisade.dev/report/v1";

/// The JSON Schema of the format.
pub const SCHEMA: &str = include_str!("../../schemas/report.v1.schema.json");

/// Characters of a quote; a marked text may be a whole file.
const MAX_QUOTE: usize = 2000;

#[derive(Serialize)]
struct ReportView<'a> {
    schema: &'static str,
    title: &'a str,
    verdict: &'static str,
    facts: Vec<FactView<'a>>,
    findings: Vec<FindingView<'a>>,
    prerequisites: Vec<PrerequisiteView<'a>>,
    sections: Vec<SectionView<'a>>,
    summary: &'a str,
}

#[derive(Serialize)]
struct FactView<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct FindingView<'a> {
    code: &'static str,
    lint: Option<&'static str>,
    severity: &'static str,
    title: &'a str,
    places: Vec<PlaceView<'a>>,
    witness: Option<&'a str>,
    notes: &'a [String],
    help: &'a [String],
    fix: Option<FixView<'a>>,
}

#[derive(Serialize)]
struct FixView<'a> {
    about: &'a str,
    edits: Vec<EditView<'a>>,
}

#[derive(Serialize)]
struct EditView<'a> {
    file: Option<&'a str>,
    start: u32,
    end: u32,
    text: &'a str,
}

#[derive(Serialize)]
struct PlaceView<'a> {
    file: Option<&'a str>,
    start: Position,
    end: Position,
    quote: Cow<'a, str>,
    cut: bool,
    text: &'a str,
}

#[derive(Serialize)]
struct Position {
    offset: u32,
    line: u32,
    column: u32,
}

#[derive(Serialize)]
struct PrerequisiteView<'a> {
    title: &'a str,
    verdict: &'static str,
    detail: &'a str,
}

#[derive(Serialize)]
struct SectionView<'a> {
    title: &'a str,
    paragraphs: &'a [String],
    table: Option<TableView<'a>>,
}

#[derive(Serialize)]
struct TableView<'a> {
    columns: &'a [String],
    rows: &'a [Vec<String>],
}

fn render(report: &Report, sources: &Sources, _: &Style) -> String {
    let facts = report.facts.iter().map(|fact| FactView {
        name: &fact.name,
        value: &fact.value,
    });
    let prerequisites = report.prerequisites.iter().map(|it| PrerequisiteView {
        title: &it.title,
        verdict: verdict(it.verdict),
        detail: &it.detail,
    });
    let sections = report.sections.iter().map(|section| SectionView {
        title: &section.title,
        paragraphs: &section.paragraphs,
        table: section.table.as_ref().map(table),
    });
    let view = ReportView {
        schema: VERSION,
        title: &report.title,
        verdict: verdict(report.verdict),
        facts: facts.collect(),
        findings: report
            .findings
            .iter()
            .map(|d| finding(d, sources))
            .collect(),
        prerequisites: prerequisites.collect(),
        sections: sections.collect(),
        summary: &report.summary.text,
    };
    // Writing strings and numbers to memory has no way to fail; the fallback is never empty, so
    // that a reader could not take it for success.
    let mut text = serde_json::to_string_pretty(&view)
        .unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"));
    text.push('\n');
    text
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Unknown => "unknown",
        Verdict::Fails => "fails",
    }
}

fn table(table: &Table) -> TableView<'_> {
    TableView {
        columns: &table.columns,
        rows: &table.rows,
    }
}

fn finding<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> FindingView<'a> {
    let places = diagnostic.labels.iter().map(|label| place(label, sources));
    FindingView {
        code: diagnostic.code.0,
        lint: diagnostic.lint,
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        },
        title: &diagnostic.title,
        places: places.collect(),
        witness: diagnostic.witness.as_deref(),
        notes: &diagnostic.notes,
        help: &diagnostic.help,
        fix: diagnostic.fix.as_ref().map(|it| fix(it, sources)),
    }
}

fn fix<'a>(fix: &'a Fix, sources: &'a Sources) -> FixView<'a> {
    let edits = fix.edits.iter().map(|edit| EditView {
        file: sources.get(edit.span.file).map(|file| file.name.as_str()),
        start: edit.span.start,
        end: edit.span.end,
        text: &edit.text,
    });
    FixView {
        about: &fix.about,
        edits: edits.collect(),
    }
}

fn place<'a>(label: &'a Label, sources: &'a Sources) -> PlaceView<'a> {
    let file = sources.get(label.span.file);
    let whole = sources.text(label.span);
    let end = whole.char_indices().nth(MAX_QUOTE).map(|(at, _)| at);
    PlaceView {
        file: file.map(|file| file.name.as_str()),
        start: position(file, label.span.start),
        end: position(file, label.span.end),
        quote: match end {
            Some(end) => Cow::Owned(whole.get(..end).unwrap_or_default().to_owned()),
            None => whole,
        },
        cut: end.is_some(),
        text: &label.text,
    }
}

fn position(file: Option<&SourceFile>, offset: u32) -> Position {
    let place = file.map(|file| file.line_column(offset));
    Position {
        offset,
        line: place.map_or(0, |place| place.line),
        column: place.map_or(0, |place| place.column),
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_QUOTE, render};
    use crate::render::Style;
    use crate::{Diagnostic, FileId, Report, Sources, Span};

    #[test]
    fn a_report_carries_places_with_text() {
        let mut sources = Sources::new();
        let file = sources.add("a.yaml", "kind: Pod\nspec: é1\n");
        let mut report = Report::new("check a.yaml");
        report.findings.push(
            Diagnostic::error("PAL0001", "bad \"spec\"")
                .at(Span::new(file, 16, 19), "here")
                .help("remove it"),
        );
        insta::assert_snapshot!(render(&report, &sources, &Style::default()), @r#"
        {
          "schema": "palisade.dev/report/v1",
          "title": "check a.yaml",
          "verdict": "holds",
          "facts": [],
          "findings": [
            {
              "code": "PAL0001",
              "lint": null,
              "severity": "error",
              "title": "bad \"spec\"",
              "places": [
                {
                  "file": "a.yaml",
                  "start": {
                    "offset": 16,
                    "line": 2,
                    "column": 7
                  },
                  "end": {
                    "offset": 19,
                    "line": 2,
                    "column": 9
                  },
                  "quote": "é1",
                  "cut": false,
                  "text": "here"
                }
              ],
              "witness": null,
              "notes": [],
              "help": [
                "remove it"
              ],
              "fix": null
            }
          ],
          "prerequisites": [],
          "sections": [],
          "summary": ""
        }
        "#);
    }

    #[test]
    fn a_quote_is_bounded_and_an_unknown_file_is_no_place() {
        let mut sources = Sources::new();
        let file = sources.add("big", "x".repeat(1_000_000));
        let mut report = Report::new("t");
        let big = Diagnostic::error("PAL0001", "big").at(Span::new(file, 0, 1_000_000), "");
        report
            .findings
            .push(big.at(Span::new(FileId(9), 0, 1), "lost"));
        let text = render(&report, &sources, &Style::default());
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let places = &value["findings"][0]["places"];
        assert_eq!(places[0]["quote"].as_str().unwrap().len(), MAX_QUOTE);
        assert_eq!(places[0]["cut"], true);
        assert_eq!(places[1]["file"], serde_json::Value::Null);
    }
}
