//! `palisade profiles`: what network plugins make of policies.

use crate::Terminal;
use crate::exit::{Exit, Failure};
use crate::verdict::FormatName;
use clap::Args;
use palisade_diagnostics::Sources;

/// Show the network profiles that --cni and --profile take: what each network plugin makes of policies.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade profiles\n  palisade profiles -o md\n\nExit codes: 0"
)]
pub(crate) struct Arguments {
    /// Output format.
    #[arg(
        long = "output",
        short = 'o',
        value_name = "FORMAT",
        default_value = "text"
    )]
    format: FormatName,
}

/// Shows.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let report = palisade_verify::profiles();
    arguments.format.print(&report, &Sources::new(), terminal);
    Ok(Exit::Holds)
}
