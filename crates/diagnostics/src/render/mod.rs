//! One file per output format, one line in [`FORMATS`] or [`PICTURES`].

use crate::{Report, Sources};

mod bundle;
mod columns;
mod csv;
mod dot;
mod github;
mod html;
mod json;
mod junit;
mod markdown;
mod mermaid;
mod sarif;
mod svg;
mod text;

pub use json::SCHEMA as REPORT_SCHEMA;
pub use text::diagnostics_text;

/// An output format: its name on the command line and its function.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// The word after `-o`.
    pub name: &'static str,
    /// What it is for, one line for `--help`.
    pub about: &'static str,
    /// Renders a report.
    pub render: fn(&Report, &Sources, &Style) -> String,
}

/// How to print, as far as the reader's side decides it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Colour and other terminal escapes.
    pub color: bool,
}

/// Every format.
pub const FORMATS: &[Format] = &[
    text::FORMAT,
    json::FORMAT,
    sarif::FORMAT,
    junit::FORMAT,
    github::FORMAT,
    csv::FORMAT,
    markdown::FORMAT,
    html::FORMAT,
];

/// Every format of a picture: for answers that have a graph.
pub const PICTURES: &[Format] = &[svg::PICTURE, dot::PICTURE, mermaid::PICTURE];
