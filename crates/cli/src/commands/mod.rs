//! One file per command, one line in [`Command`].

mod check;
mod compile;
mod completions;
mod diff;
mod docs;
mod explain;
mod exposure;
mod fmt;
mod lab;
mod learn;
mod lint;
mod list;
mod man;
mod profiles;
mod schema;
mod verify;

use crate::Terminal;
use crate::exit::{Exit, Failure};
use clap::Subcommand;

/// Every command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Verify(verify::Arguments),
    Compile(compile::Arguments),
    List(list::Arguments),
    Diff(diff::Arguments),
    Explain(explain::Arguments),
    Exposure(exposure::Arguments),
    Learn(learn::Arguments),
    Docs(docs::Arguments),
    Check(check::Arguments),
    Lint(lint::Arguments),
    Lab(lab::Arguments),
    Profiles(profiles::Arguments),
    Fmt(fmt::Arguments),
    Schema(schema::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

impl Command {
    /// Runs the command.
    pub(crate) fn run(self, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Verify(arguments) => verify::run(&arguments, terminal),
            Self::Compile(arguments) => compile::run(&arguments, terminal),
            Self::List(arguments) => list::run(&arguments, terminal),
            Self::Diff(arguments) => diff::run(&arguments, terminal),
            Self::Explain(arguments) => explain::run(&arguments, terminal),
            Self::Exposure(arguments) => exposure::run(&arguments, terminal),
            Self::Learn(arguments) => learn::run(&arguments, terminal),
            Self::Docs(arguments) => docs::run(&arguments, terminal),
            Self::Check(arguments) => check::run(&arguments, terminal),
            Self::Lint(arguments) => lint::run(&arguments, terminal),
            Self::Lab(arguments) => lab::run(&arguments, terminal),
            Self::Profiles(arguments) => profiles::run(&arguments, terminal),
            Self::Fmt(arguments) => fmt::run(&arguments, terminal),
            Self::Schema(arguments) => schema::run(&arguments, terminal),
            Self::Completions(arguments) => completions::run(&arguments, terminal),
            Self::Man(arguments) => man::run(&arguments, terminal),
        }
    }
}

/// Writes a result. Standard output remembers a failure, which ends the process with exit code 4.
fn print(terminal: &mut Terminal<'_>, text: &str) {
    let _ = terminal.out.write_all(text.as_bytes());
}
