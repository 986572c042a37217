//! From a report to text and an exit code.

use crate::exit::Exit;
use clap::{Args, builder::PossibleValue};
use palisade_diagnostics::render::{FORMATS, Format, PICTURES, Style};
use palisade_diagnostics::{Report, Sources, Verdict};

/// How to print, and how to judge what is not decided.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// Output format.
    #[arg(
        long = "output",
        short = 'o',
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub(crate) format: FormatName,
    /// Exit with 3 if a question or a prerequisite is not decided.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// One of [`FORMATS`] by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FormatName(&'static Format);

impl FormatName {
    /// Renders a report.
    pub(crate) fn render(self, report: &Report, sources: &Sources, style: Style) -> String {
        (self.0.render)(report, sources, &style)
    }
}

impl std::str::FromStr for FormatName {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        FORMATS
            .iter()
            .find(|f| f.name == word)
            .map(FormatName)
            .ok_or_else(|| {
                let names: Vec<_> = FORMATS
                    .iter()
                    .map(|f| PossibleValue::new(f.name).get_name().to_owned())
                    .collect();
                format!("known formats: {}", names.join(", "))
            })
    }
}

/// How to print an answer about who talks to whom, which may be a picture.
#[derive(Debug, Clone, Args)]
pub(crate) struct PictureArgs {
    /// Output format: text, json, csv, md, html, or a picture: dot, mermaid, svg.
    #[arg(
        long = "output",
        short = 'o',
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub(crate) format: PictureName,
    /// Exit with 3 if a question or a prerequisite is not decided.
    #[arg(long)]
    pub(crate) strict: bool,
}

/// One of [`FORMATS`] or [`PICTURES`] by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PictureName(FormatName);

impl PictureName {
    /// Renders a report.
    pub(crate) fn render(self, report: &Report, sources: &Sources, style: Style) -> String {
        self.0.render(report, sources, style)
    }
}

impl std::str::FromStr for PictureName {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let found = FORMATS.iter().chain(PICTURES).find(|f| f.name == word);
        found.map(|format| Self(FormatName(format))).ok_or_else(|| {
            let names: Vec<_> = FORMATS.iter().chain(PICTURES).map(|f| f.name).collect();
            format!("known formats: {}", names.join(", "))
        })
    }
}

/// The exit code of a report.
pub(crate) fn exit(report: &Report, strict: bool) -> Exit {
    let open = report
        .prerequisites
        .iter()
        .any(|p| p.verdict == Verdict::Unknown);
    match report.verdict {
        Verdict::Fails => Exit::Findings,
        Verdict::Unknown if strict => Exit::Unknown,
        Verdict::Holds if strict && open => Exit::Unknown,
        Verdict::Unknown | Verdict::Holds => Exit::Holds,
    }
}
