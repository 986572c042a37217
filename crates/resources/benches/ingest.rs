//! How fast text becomes a world, end to end, and how much memory the way there and the world take.
//!
//! `cargo bench -p palisade-resources` prints two tables. The first reads clusters of three sizes in
//! every style; MB/s must not fall as the text grows. The second gives the peak memory of processes
//! that do one thing each: build the largest world, or read a large text.
use palisade_diagnostics::FileId;
use palisade_resources::{Input, Options, Role, load};
use palisade_testkit::clusters::{Shape, Style, text, world};
use std::process::Command;
use std::time::Instant;

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--only") {
        let style = arguments.get(at + 1).map_or("", String::as_str);
        for found in Style::ALL.into_iter().filter(|s| format!("{s:?}") == style) {
            speed(found, &Shape::part(50));
        }
        return;
    }
    match arguments.iter().position(|a| a == "--alone") {
        Some(at) => alone(arguments.get(at + 1).map_or("", String::as_str)),
        None => {
            println!("{:<12}{:>8}{:>10}{:>10}", "text", "pods", "MB", "MB/s");
            for style in Style::ALL {
                for by in [500, 150, 50] {
                    speed(style, &Shape::part(by));
                }
            }
            println!("\n{:<24}{:>12}", "process", "peak MB");
            for what in ["nothing", "world", "unique", "Documents", "JsonList"] {
                peak(what);
            }
        }
    }
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its table; sizes lie far below 2^52"
)]
fn speed(style: Style, shape: &Shape) {
    let text = text(shape, style);
    let input = Input {
        file: FileId(0),
        text: &text,
        role: Role::Both,
    };
    let mut best = f64::INFINITY;
    for _ in 0..3 {
        let start = Instant::now();
        let loaded = load(&[input], &Options::default());
        best = best.min(start.elapsed().as_secs_f64());
        assert_eq!(loaded.world.pods.len(), shape.pods);
    }
    let megabytes = text.len() as f64 / 1e6;
    println!(
        "{:<12}{:>8}{megabytes:>10.1}{:>10.1}",
        format!("{style:?}"),
        shape.pods,
        megabytes / best
    );
}

/// Runs one thing in a process of its own and prints its peak memory.
#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn peak(what: &str) {
    let Ok(exe) = std::env::current_exe() else {
        return;
    };
    let output = Command::new(exe).args(["--alone", what]).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    println!("{what:<24}{:>12}", text.unwrap_or_default().trim());
}

#[expect(clippy::print_stdout, reason = "the figure is what the caller reads")]
fn alone(what: &str) {
    match what {
        "world" => drop(std::hint::black_box(world(&Shape::largest()))),
        "unique" => drop(std::hint::black_box(world(&Shape {
            unique_labels: true,
            ..Shape::largest()
        }))),
        _ => {}
    }
    for style in Style::ALL {
        if format!("{style:?}") == what {
            let text = text(&Shape::part(50), style);
            let input = Input {
                file: FileId(0),
                text: &text,
                role: Role::Both,
            };
            drop(std::hint::black_box(load(&[input], &Options::default())));
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    println!("{}", kilobytes.unwrap_or_default() / 1000);
}
