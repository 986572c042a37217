//! `cargo xtask soak`: the engine against the reference, until enough flows bore a verdict of each kind
//! of policy. Ends with 1 and the smallest world that shows it if the two disagree.

use palisade_testkit::Symbolic;
use palisade_testkit::soak::{KINDS, Totals, run};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of developers prints its findings"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mut seed, mut flows) = (None, 1_000_000);
    for pair in arguments.chunks(2) {
        match pair {
            [name, value] if name == "--seed" && value.parse::<u64>().is_ok() => {
                seed = value.parse().ok()
            }
            [name, value] if name == "--flows" && value.parse::<u64>().is_ok() => {
                flows = value.parse().unwrap_or(flows);
            }
            _ => {
                eprintln!("usage: cargo xtask soak [--flows N] [--seed N]");
                return ExitCode::from(2);
            }
        }
    }
    // Another run looks at other worlds.
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = seed.unwrap_or_else(|| now.map_or(1, |now| now.as_secs()));
    println!("soak: seed {seed}, {flows} verdict-bearing flows of each kind");
    let (start, last) = (Instant::now(), Mutex::new(Instant::now()));
    let told = |totals: &Totals| {
        if let Ok(mut last) = last.lock()
            && last.elapsed() > Duration::from_secs(10)
        {
            *last = Instant::now();
            let awaited = KINDS
                .iter()
                .zip(totals.bearing)
                .filter(|(kind, _)| kind.awaited);
            let least = awaited.map(|(_, count)| count).min().unwrap_or_default();
            eprintln!(
                "soak: {} worlds, the rarest kind has {least}",
                totals.worlds
            );
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let totals = run(&Symbolic, (seed, flows, threads), &told);
    println!(
        "{} worlds, {} flows, {:.0} s",
        totals.worlds,
        totals.flows,
        start.elapsed().as_secs_f64()
    );
    for (kind, count) in KINDS.iter().zip(totals.bearing) {
        println!("{:<28}{count:>12} verdict-bearing", kind.name);
    }
    let Some(found) = totals.disagreement else {
        println!("0 disagreements");
        return ExitCode::SUCCESS;
    };
    println!(
        "DISAGREEMENT, world of seed {}: reference {:?}, engine {:?}\n\n{}",
        found.seed, found.expected, found.actual, found.scenario
    );
    ExitCode::FAILURE
}
