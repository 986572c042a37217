//! `palisade-agent uninstall`: removes the tables. From then on nothing is enforced.

use super::{Failure, Making};
use crate::kernel::Kernel;
use clap::Args;

/// Remove the tables from this node's kernel: from then on everything passes. End the agent first.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    making: Making,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let kernel = Kernel::open(&arguments.making.table);
    let removed = kernel.and_then(|kernel| kernel.remove());
    removed.map_err(|error| Failure::Environment(error.to_string()))
}
