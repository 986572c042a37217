//! `palisade schema`: the JSON Schemas of the matrix, for editors, and of JSON reports, for programs.

use super::print;
use crate::Terminal;
use crate::exit::{Exit, Failure};
use clap::Args;
use palisade_diagnostics::render::REPORT_SCHEMA;

/// Print the JSON Schema of TrafficMatrix, for completion and checks in editors, or that of reports.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade schema > matrix.schema.json\n  # first line of matrix.yaml, for the YAML language server:\n  # yaml-language-server: $schema=./matrix.schema.json\n  palisade schema --report > report.schema.json"
)]
pub(crate) struct Arguments {
    /// Print the schema of what `-o json` writes instead.
    #[arg(long)]
    report: bool,
}

/// Prints a schema.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    if arguments.report {
        print(terminal, REPORT_SCHEMA);
    } else {
        print(terminal, &palisade_matrix::schema());
    }
    Ok(Exit::Holds)
}
