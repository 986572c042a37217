//! `palisade schema`: the JSON Schema of the matrix, for editors.

use super::print;
use crate::Terminal;
use crate::exit::{Exit, Failure};
use clap::Args;

/// Print the JSON Schema of TrafficMatrix, for completion and checks in editors.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade schema > matrix.schema.json\n  # first line of matrix.yaml, for the YAML language server:\n  # yaml-language-server: $schema=./matrix.schema.json"
)]
pub(crate) struct Arguments {}

/// Prints the schema.
pub(super) fn run(_: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    print(terminal, &palisade_matrix::schema());
    Ok(Exit::Holds)
}
