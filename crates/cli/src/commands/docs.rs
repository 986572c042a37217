//! `palisade docs`: the tables that people read.

use super::print;
use crate::choice::ChoiceArgs;
use crate::exit::{Exit, Failure};
use crate::project::{Needs, Project, ProjectArgs};
use crate::{Terminal, output};
use clap::Args;
use palisade_compile::docs::{FORMATS, Format};
use palisade_diagnostics::Diagnostic;
use std::fs;
use std::path::{Path, PathBuf};

/// Write the tables: inbound and outbound connections of each component, the zone matrix, all flows.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade docs examples/eem\n  palisade docs examples/cf-for-k8s --format html --out network.html\n  palisade docs examples/eem --check docs/network.md    # exit 1 if the committed file is stale"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Format: markdown or html. Default: by the name of the file, else markdown.
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// File to write. Default: standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    out: Option<PathBuf>,
    /// Compare with a file that is there; exit 1 if it is stale.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

/// Writes or compares the documents.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let format = format(arguments)?;
    let needs = Needs {
        matrix: true,
        manifests: false,
    };
    let directory = &arguments.project.directory;
    let mut project = Project::read(directory, &arguments.project.sources, needs)?;
    let intent = project.intent(&arguments.choice)?;
    project.print_warnings(terminal);
    let text = (format.write)(project.matrix()?, &intent);
    if let Some(path) = &arguments.check {
        return compare(path, &text, terminal);
    }
    match &arguments.out {
        Some(path) => output::file(path, &text)?,
        None => print(terminal, &text),
    }
    Ok(Exit::Holds)
}

fn format(arguments: &Arguments) -> Result<&'static Format, Failure> {
    let file = arguments.out.as_ref().or(arguments.check.as_ref());
    let extension = file
        .and_then(|f| f.extension())
        .map(|e| e.to_string_lossy());
    let by_file = FORMATS
        .iter()
        .find(|f| extension.as_deref() == Some(f.extension));
    let wanted = match &arguments.format {
        Some(name) => FORMATS.iter().find(|f| f.name == name),
        None => by_file.or(FORMATS.first()),
    };
    wanted.ok_or_else(|| {
        let known: Vec<&str> = FORMATS.iter().map(|f| f.name).collect();
        let name = arguments.format.as_deref().unwrap_or_default();
        Failure::usage(
            Diagnostic::error("PAL0517", format!("unknown document format `{name}`"))
                .help(format!("known: {}", known.join(", "))),
        )
    })
}

/// Whether a committed file is what would be written now; the first line that differs is told.
fn compare(path: &Path, text: &str, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let committed = fs::read_to_string(path).map_err(|error| {
        Failure::environment(
            Diagnostic::error("PAL0501", format!("cannot read `{}`", path.display()))
                .note(error.to_string())
                .help("write it first: `palisade docs --out FILE`"),
        )
    })?;
    if committed == text {
        print(terminal, &format!("{} is up to date\n", path.display()));
        return Ok(Exit::Holds);
    }
    let same = committed
        .lines()
        .zip(text.lines())
        .take_while(|(a, b)| a == b)
        .count();
    let line = same + 1;
    let stale = Diagnostic::error("PAL0509", format!("{}:{line} is stale", path.display()))
        .note(format!(
            "it says: {}",
            committed.lines().nth(same).unwrap_or("(the file ends)")
        ))
        .note(format!(
            "now: {}",
            text.lines().nth(same).unwrap_or("(the document ends)")
        ))
        .help(format!(
            "write it again: `palisade docs --out {}`",
            path.display()
        ));
    crate::exit::print(terminal, &[stale], &palisade_diagnostics::Sources::new());
    Ok(Exit::Findings)
}
