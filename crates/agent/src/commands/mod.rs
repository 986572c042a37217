//! The command line: one file per command, one line in [`Command`].

mod doctor;
mod run;
mod show;
mod uninstall;

use clap::{Args, Parser, Subcommand};
use palisade_nftables::Settings;
use std::io::{self, Write};
use std::process::ExitCode;

/// Keeps the nftables of this node equal to the NetworkPolicies of its cluster.
#[derive(Debug, Parser)]
#[command(
    name = "palisade-agent",
    version,
    max_term_width = 100,
    after_help = "Exit codes:\n  0  done\n  1  findings\n  2  bad input or usage\n  4  the environment: a file cannot be read, or the kernel refuses"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Every command.
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Doctor(doctor::Arguments),
    Show(show::Arguments),
    Uninstall(uninstall::Arguments),
}

/// Why a command cannot go on.
#[derive(Debug)]
enum Failure {
    /// There are findings.
    Findings(String),
    /// Bad input or usage.
    Input(String),
    /// A file, a port or the kernel.
    Environment(String),
}

/// How rulesets are made.
#[derive(Debug, Clone, Args)]
struct Making {
    /// The table; its name begins with `palisade`.
    #[arg(long, value_name = "NAME", default_value = "palisade", value_parser = table)]
    table: String,
    /// Tell senders that they are refused, with a reset or an ICMP error, in the place of silence.
    #[arg(long)]
    reject: bool,
    /// The bit of connection marks that says that permission was taken away; no other program may use it.
    #[arg(long, value_name = "BIT", default_value_t = 27, value_parser = clap::value_parser!(u8).range(0..32))]
    mark_bit: u8,
    /// Write a line for refused packets, with the policies that refuse them. Of each set of policies the kernel
    /// tells so many packets a second.
    #[arg(long, value_name = "RATE", num_args = 0..=1, require_equals = true, default_missing_value = "10",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    log_drops: Option<u32>,
    /// The netlink group in which the kernel tells of refused packets; no other program may hear it.
    #[arg(long, value_name = "GROUP", default_value_t = 2711)]
    log_group: u16,
}

impl Making {
    fn settings(&self) -> Settings {
        Settings {
            table: self.table.clone(),
            reject: self.reject,
            revoked: 1 << self.mark_bit,
            log: self.log_drops.map(|rate| (self.log_group, rate)),
            ..Settings::default()
        }
    }
}

fn table(text: &str) -> Result<String, String> {
    match crate::is_ours(text) {
        true => Ok(text.to_owned()),
        false => Err("`palisade`, then lower-case letters, digits and `_`, 64 bytes".to_owned()),
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Uninstall(arguments) => uninstall::run(&arguments),
    };
    let (code, why) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Findings(why)) => (1, why),
        Err(Failure::Input(why)) => (2, why),
        Err(Failure::Environment(why)) => (4, why),
    };
    let _ = writeln!(io::stderr(), "palisade-agent: {why}");
    ExitCode::from(code)
}
