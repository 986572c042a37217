//! `palisade lab`: the system as network namespaces on this machine, with real packets.

mod answers;
mod grid;
mod mesh;
mod place;
mod run;
mod services;
mod shell;

use crate::Terminal;
use crate::exit::{Exit, Failure};
use clap::{Args, Subcommand};

/// See with real packets what policies do: the system's pods as network namespaces on this machine.
///
/// Nodes and pods are namespaces without names, which end with this process, however it ends; nothing
/// outside of them is touched. It takes root, or a kernel that allows user namespaces.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

/// What to do in the lab.
#[derive(Debug, Subcommand)]
enum Action {
    Run(run::Arguments),
    Shell(shell::Arguments),
}

/// Builds the lab, and does it.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    match &arguments.action {
        Action::Run(arguments) => run::run(arguments, terminal),
        Action::Shell(arguments) => shell::run(arguments, terminal),
    }
}
