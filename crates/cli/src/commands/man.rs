//! `palisade man`: manual pages.

use crate::exit::{Exit, Failure};
use crate::{Cli, Terminal, output};
use clap::{Args, CommandFactory};
use clap_mangen::Man;
use std::path::PathBuf;

/// Write the manual pages, one per command.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  palisade man\n  palisade man --out man1")]
pub(crate) struct Arguments {
    /// Directory to write all pages to. Default: the main page to standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Writes the pages.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let main = page(command.clone());
    let Some(directory) = &arguments.out else {
        let _ = terminal.out.write_all(main.as_bytes());
        return Ok(Exit::Holds);
    };
    let mut pages = vec![("palisade.1".to_owned(), main)];
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
        let name = format!("palisade-{}", sub.get_name());
        pages.push((format!("{name}.1"), page(sub.clone().display_name(name))));
    }
    output::directory(directory, &pages)?;
    Ok(Exit::Holds)
}

fn page(command: clap::Command) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail.
    let _ = Man::new(command).render(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
