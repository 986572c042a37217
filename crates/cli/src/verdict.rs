//! From a report to text and an exit code.

use crate::Terminal;
use crate::exit::Exit;
use clap::{Args, builder::PossibleValue};
use palisade_diagnostics::render::{FORMATS, Format, PICTURES};
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

impl OutputArgs {
    /// Prints a report, and says how the command ends.
    pub(crate) fn end(
        &self,
        report: &Report,
        sources: &Sources,
        terminal: &mut Terminal<'_>,
    ) -> Exit {
        self.format.print(report, sources, terminal);
        exit(report, self.strict)
    }
}

/// One of [`FORMATS`] by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FormatName(&'static Format);

impl FormatName {
    /// Prints a report.
    pub(crate) fn print(self, report: &Report, sources: &Sources, terminal: &mut Terminal<'_>) {
        let text = (self.0.render)(report, sources, &terminal.style);
        let _ = terminal.out.write_all(text.as_bytes());
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

impl PictureArgs {
    /// Prints a report, and says how the command ends.
    pub(crate) fn end(
        &self,
        report: &Report,
        sources: &Sources,
        terminal: &mut Terminal<'_>,
    ) -> Exit {
        self.format.0.print(report, sources, terminal);
        exit(report, self.strict)
    }
}

/// One of [`FORMATS`] or [`PICTURES`] by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PictureName(FormatName);

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
fn exit(report: &Report, strict: bool) -> Exit {
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
