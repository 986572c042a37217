//! The `palisade` command: reads files, calls the floors below, prints, and sets the exit code.
//!
//! All I/O of the product is here. One command is one file of [`commands`].

mod arriving;
mod choice;
mod cluster;
mod commands;
mod exit;
mod expectations;
mod git;
mod input;
mod output;
mod pods;
mod progress;
mod project;
mod toggles;
mod verdict;
mod world;

use clap::Parser;
use exit::Exit;
use output::Results;
use palisade_diagnostics::{Sources, render::Style};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Declare once who may talk to whom on Kubernetes; compile it, prove it, explain it, document it.
#[derive(Debug, Parser)]
#[command(
    name = "palisade",
    version,
    max_term_width = 100,
    after_help = "Exit codes:\n  0  holds\n  1  findings\n  2  bad input or usage\n  3  not decided, with --strict\n  4  the environment: a file or the cluster cannot be read or written\n\nStart with:\n  palisade verify examples/verrazzano"
)]
struct Cli {
    #[command(subcommand)]
    command: commands::Command,
    /// When to use colour. NO_COLOR turns it off as well.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    color: Color,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where a command writes to.
pub(crate) struct Terminal<'a> {
    /// Results.
    pub(crate) out: &'a mut dyn Write,
    /// Messages and progress.
    pub(crate) err: &'a mut dyn Write,
    /// How to print results.
    pub(crate) style: Style,
    /// How to print messages.
    pub(crate) message_style: Style,
    /// Whether to show progress on long work.
    pub(crate) progress: bool,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let (mut out, mut err) = (Results::new(io::stdout().lock()), io::stderr());
    let exit = run(
        std::env::args_os(),
        &mut out,
        &mut err,
        (io::stdout().is_terminal(), io::stderr().is_terminal()),
    );
    let Some(error) = out.failure() else {
        return ExitCode::from(exit);
    };
    let _ = writeln!(
        err,
        "error[PAL0505]: cannot write to standard output\n  = note: {error}\n  = help: check that the device has space, or write to a file with --out"
    );
    ExitCode::from(Exit::Environment.code())
}

/// Runs one command line, writing to `out` and `err`; `terminals` says which of them are terminals.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminals: (bool, bool),
) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are results; anything else is a message.
            if error.use_stderr() {
                let _ = write!(err, "{error}");
                return Exit::BadInput.code();
            }
            let _ = write!(out, "{error}");
            return Exit::Holds.code();
        }
    };
    let color = |terminal: bool| match cli.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
    };
    let mut terminal = Terminal {
        out,
        err,
        style: Style {
            color: color(terminals.0),
        },
        message_style: Style {
            color: color(terminals.1),
        },
        progress: terminals.1,
    };
    match cli.command.run(&mut terminal) {
        Ok(exit) => exit.code(),
        Err(failure) => failure.print(&mut terminal, &Sources::new()).code(),
    }
}
