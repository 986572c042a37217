//! The `palisade-agent` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    palisade_agent::main()
}
