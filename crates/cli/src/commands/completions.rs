//! `palisade completions`: completion scripts for shells.

use crate::exit::{Exit, Failure};
use crate::{Cli, Terminal};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print a completion script for a shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade completions bash > /etc/bash_completion.d/palisade\n  palisade completions zsh > ~/.zfunc/_palisade"
)]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Prints the script.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "palisade",
        &mut script,
    );
    let _ = terminal.out.write_all(&script);
    Ok(Exit::Holds)
}
