//! From a directory of manifests to the list of everything that can talk: 1,000 pods, 240 policies.
//!
//! Cost model: reading is linear in the text, comparing follows the number of distinct workloads, the list
//! the number of its rows. `cargo bench -p palisade-testkit` prints the stages: wall clock, the best of
//! ten runs, and processor time, the mean of them. Aim for all stages together: 50 ms.

use palisade_diagnostics::Sources;
use palisade_diagnostics::render::{FORMATS, Style as Look};
use palisade_resources::{Input, Options, Role, load};
use palisade_testkit::clusters::{Shape, Style, text};
use palisade_verify::{By, Query, list};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const RUNS: usize = 10;

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() {
    let directory = std::env::temp_dir().join(format!("palisade-directory-{}", std::process::id()));
    println!(
        "{:<12}{:<12}{:>8}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "text", "rows of", "MB", "read ms", "list ms", "write ms", "wall ms", "cpu ms"
    );
    for style in [Style::Documents, Style::JsonLine] {
        drop(fs::remove_dir_all(&directory));
        let bytes = write(&directory, style);
        for (name, by) in [
            ("namespaces", By::Namespace),
            ("workloads", By::Workload),
            ("pods", By::Pod),
        ] {
            row(&directory, (style, bytes), (name, by));
        }
    }
    drop(fs::remove_dir_all(&directory));
}

/// One file for each 50 documents; JSON is one file.
fn write(directory: &Path, style: Style) -> usize {
    let text = text(&Shape::default(), style);
    drop(fs::create_dir_all(directory));
    if style != Style::Documents {
        drop(fs::write(directory.join("all.json"), &text));
        return text.len();
    }
    let documents: Vec<&str> = text.split("---\n").collect();
    for (part, number) in documents.chunks(50).zip(0..) {
        let name = format!("part-{number:03}.yaml");
        drop(fs::write(directory.join(name), part.join("---\n")));
    }
    text.len()
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its table; sizes lie far below 2^52"
)]
fn row(directory: &Path, (style, bytes): (Style, usize), (name, by): (&str, By)) {
    let (before, mut best) = (processor(), [Duration::MAX; 4]);
    for _ in 0..RUNS {
        let stages = once(directory, by);
        if stages[3] < best[3] {
            best = stages;
        }
    }
    let cpu = (processor() - before) * 1000.0 / RUNS as f64;
    let [read, list, write, all] = best.map(|d| d.as_secs_f64() * 1000.0);
    println!(
        "{:<12}{name:<12}{:>8.1}{read:>10.1}{list:>10.1}{write:>10.1}{all:>10.1}{cpu:>10.1}",
        format!("{style:?}"),
        bytes as f64 / 1e6
    );
}

/// Reading, comparing, writing, and all of it.
fn once(directory: &Path, by: By) -> [Duration; 4] {
    let start = Instant::now();
    let mut sources = Sources::new();
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    let files: Vec<_> = paths
        .iter()
        .map(|path| {
            sources.add(
                path.display().to_string(),
                fs::read_to_string(path).unwrap_or_default(),
            )
        })
        .collect();
    let inputs: Vec<Input<'_>> = files
        .iter()
        .filter_map(|file| {
            Some(Input {
                file: *file,
                text: sources.get(*file)?.text(),
                role: Role::Both,
            })
        })
        .collect();
    let loaded = load(&inputs, &Options::default());
    assert_eq!(loaded.world.pods.len(), 1_000);
    assert_eq!(loaded.world.network_policies.len(), 240);
    let read = Instant::now();
    let query = Query {
        by,
        from: Vec::new(),
        to: Vec::new(),
        ports: None,
    };
    let report = list(&loaded.world, &query, &mut |_, _| {});
    let listed = Instant::now();
    if let (Ok(report), Some(format)) = (&report, FORMATS.first()) {
        std::hint::black_box((format.render)(report, &sources, &Look::default()));
    }
    let end = Instant::now();
    [read - start, listed - read, end - listed, end - start]
}

/// Seconds of processor time of all threads.
fn processor() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / 100.0
}
