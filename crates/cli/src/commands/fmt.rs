//! `palisade fmt`: the one layout of a matrix.

use super::print;
use crate::exit::{self, Exit, Failure};
use crate::input::Reader;
use crate::{Terminal, output};
use clap::Args;
use palisade_diagnostics::{Severity, SourceFile};
use std::path::PathBuf;

/// Put a matrix into its one layout. Comments stay, the meaning does not change.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade fmt matrix.yaml\n  palisade fmt --check examples/eem/matrix.yaml\n  palisade fmt - < matrix.yaml"
)]
pub(crate) struct Arguments {
    /// Matrix files; - reads standard input and writes standard output.
    #[arg(value_name = "FILE", default_value = "matrix.yaml")]
    files: Vec<PathBuf>,
    /// Change nothing; exit 1 if a file would change.
    #[arg(long)]
    check: bool,
}

/// Formats every file, or none if one is bad.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut reader = Reader::default();
    let mut diagnostics = Vec::new();
    let mut changed = Vec::new();
    for path in &arguments.files {
        for file in reader.read(path) {
            let Some(text) = reader.sources.get(file).map(SourceFile::whole) else {
                continue;
            };
            let (formatted, list) = palisade_matrix::format(file, &text);
            diagnostics.extend(list);
            if path.as_os_str() == "-" || *formatted != *text {
                changed.push((path.clone(), formatted));
            }
        }
    }
    let environment = !reader.unreadable.is_empty();
    diagnostics.append(&mut reader.bad);
    diagnostics.append(&mut reader.unreadable);
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        let failure = Failure::input(diagnostics, reader.sources);
        return Err(if environment {
            failure.with_exit(Exit::Environment)
        } else {
            failure
        });
    }
    exit::print(terminal, &diagnostics, &reader.sources);
    finish(arguments, terminal, &changed)
}

fn finish(
    arguments: &Arguments,
    terminal: &mut Terminal<'_>,
    changed: &[(PathBuf, String)],
) -> Result<Exit, Failure> {
    for (path, text) in changed {
        if path.as_os_str() == "-" {
            print(terminal, text);
        } else if arguments.check {
            print(terminal, &format!("would change {}\n", path.display()));
        } else {
            output::file(path, text)?;
            print(terminal, &format!("changed {}\n", path.display()));
        }
    }
    let stale = arguments.check && !changed.is_empty();
    Ok(if stale { Exit::Findings } else { Exit::Holds })
}
