//! `cargo xtask`: what developers run by hand and for long. The work is in examples of `palisade-testkit`,
//! so that the rules of the house, which are tests of this crate, need no other crate.

use std::process::{Command, ExitCode};

/// Name, arguments, what it does.
const TASKS: [(&str, &str, &str); 2] = [
    (
        "soak",
        "[--flows N] [--seed N]",
        "compare the engine with the reference on random worlds, until N flows (default 1,000,000) bore a verdict of each kind of policy",
    ),
    (
        "fuzz",
        "yaml|arriving|selectors|matrix [--minutes N] [--seed N]",
        "hunt for N minutes (default 10) for inputs that a reader does not stand",
    ),
];

#[expect(clippy::print_stderr, reason = "a command says how it is used")]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_default();
    if !TASKS.iter().any(|(name, ..)| *name == task) {
        eprintln!("usage:");
        for (name, arguments, does) in TASKS {
            eprintln!("  cargo xtask {name} {arguments}\n      {does}");
        }
        return ExitCode::from(2);
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "palisade-testkit",
            "--example",
            &task,
            "--",
        ])
        .args(arguments)
        .status();
    match status.map(|status| status.code()) {
        Ok(Some(code)) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        _ => ExitCode::FAILURE,
    }
}
