//! `palisade-agent show`: the tables of a node, for people and reports.

use super::{Failure, Making};
use crate::directory::{Directory, Looked};
use crate::keeper::words;
use crate::place;
use crate::texts::Texts;
use clap::Args;
use palisade_nftables::build;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// Print the tables of a node as nft reads and lists them. Nothing is enforced.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The directory with the manifests.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// The Node.
    #[arg(long, value_name = "NAME", env = "NODE_NAME")]
    node: String,
    #[command(flatten)]
    making: Making,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut texts = Texts::default();
    let mut directory = Directory::new(&arguments.directory);
    while directory.look(&mut texts).map_err(Failure::Environment)? == Looked::Writing {
        thread::sleep(Duration::from_millis(10));
    }
    let reading = texts.read();
    let world = reading
        .world
        .ok_or_else(|| Failure::Input(reading.told.join("\n")))?;
    let node = place::own(&world, &arguments.node).map_err(Failure::Input)?;
    let built = build(&world, &node, &arguments.making.settings());
    for refused in &built.refused {
        let _ = writeln!(io::stderr(), "palisade-agent: {}", words(refused));
    }
    write!(io::stdout(), "{}", built.ruleset).map_err(|e| Failure::Environment(e.to_string()))
}
