//! How fast text becomes a world, and how much memory the way there takes.
//!
//! Cost model: each byte is looked at about once to be cut, once to be read; what is skipped costs no
//! node; an object costs its tree, which is dropped with its document, and what the model keeps. So MB/s
//! must not fall as the text grows, and memory grows with the text by the text itself and the model.
//!
//! `cargo bench -p palisade-resources` prints two tables. Speed is per second of processor time, so that
//! other threads and a busy machine change nothing: what one core reads. Peak memory is that of a process
//! that does nothing else. Aims on one core: JSON 300 MB/s, YAML 30 MB/s.

use palisade_diagnostics::FileId;
use palisade_resources::{Input, Loaded, Options, Role, load};
use palisade_testkit::clusters::{Shape, Style, text, world};
use std::process::Command;

/// The largest cluster divided by these.
const PARTS: [usize; 3] = [500, 150, 50];
/// Least processor time of a measurement; the clock of the system ticks a hundred times a second.
const LEAST: f64 = 1.0;

#[expect(clippy::print_stdout, reason = "a benchmark prints its tables")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--alone") {
        alone(arguments.get(at + 1).map_or("", String::as_str));
        return;
    }
    let columns = ["text", "pods", "objects", "MB", "MB/s", "objects/s"];
    println!("{}", columns.map(|c| format!("{c:>12}")).concat());
    for style in Style::ALL {
        for part in PARTS {
            speed(style, &Shape::part(part));
        }
    }
    println!("\n{:<24}{:>12}{:>12}", "process", "text MB", "peak MB");
    peak("nothing", "");
    for what in ["world", "unique"] {
        peak(what, what);
    }
    let file = std::env::temp_dir().join(format!("palisade-ingest-{}", std::process::id()));
    for style in Style::ALL {
        for part in PARTS {
            let text = text(&Shape::part(part), style);
            if std::fs::write(&file, &text).is_ok() {
                peak(
                    &format!("{style:?} {}", text.len()),
                    &file.display().to_string(),
                );
            }
        }
    }
    drop(std::fs::remove_file(file));
}

fn read(text: &str) -> Loaded {
    let input = Input {
        file: FileId(0),
        text,
        role: Role::Both,
    };
    load(&[input], &Options::default())
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its table; sizes lie far below 2^52"
)]
fn speed(style: Style, shape: &Shape) {
    let text = text(shape, style);
    let (start, mut runs, mut objects) = (processor(), 0.0, 0);
    while runs < 1.0 || processor() - start < LEAST {
        let loaded = read(&text);
        assert_eq!(loaded.world.pods.len(), shape.pods);
        objects = loaded.counts.values().chain(loaded.unknown.values()).sum();
        runs += 1.0;
    }
    let seconds = (processor() - start) / runs;
    let megabytes = text.len() as f64 / 1e6;
    println!(
        "{:>12}{:>12}{objects:>12}{megabytes:>12.1}{:>12.1}{:>12.0}",
        format!("{style:?}"),
        shape.pods,
        megabytes / seconds,
        objects as f64 / seconds
    );
}

/// Seconds of processor time of all threads.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Runs one thing in a process of its own and prints its peak memory.
#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn peak(what: &str, argument: &str) {
    let Ok(exe) = std::env::current_exe() else {
        return;
    };
    let output = Command::new(exe).args(["--alone", argument]).output();
    let peak = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    let (name, bytes) = what.split_once(' ').unwrap_or((what, "0"));
    let bytes: usize = bytes.parse().unwrap_or_default();
    println!(
        "{name:<24}{:>12}{:>12}",
        bytes / 1_000_000,
        peak.unwrap_or_default()
    );
}

#[expect(clippy::print_stdout, reason = "the figure is what the caller reads")]
fn alone(what: &str) {
    match what {
        "" => {}
        "world" => drop(std::hint::black_box(world(&Shape::largest()))),
        "unique" => drop(std::hint::black_box(world(&Shape {
            unique_labels: true,
            ..Shape::largest()
        }))),
        file => {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            drop(std::hint::black_box(read(&text)));
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    println!("{}", kilobytes.unwrap_or_default() / 1000);
}
