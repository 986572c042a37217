//! `verify` on the shipped examples, end to end and by stage. Run with `cargo bench -p palisade-cli`.
//!
//! Cost model. *Read*: linear in the bytes of the manifests. *Analyse*: with E endpoints (distinct
//! workloads and address ranges), R rules at one end and G grants, E² × (R + G); pods beyond the first two
//! of a workload cost nothing. *Report*: linear in the findings. Times are medians; compare them within one
//! run only.

use palisade_diagnostics::render::{FORMATS, Style};
use palisade_diagnostics::{Report, Sources};
use palisade_matrix::{Choice, parse, resolve};
use palisade_resources::{Input, Options, Role, load};
use palisade_verify::prove;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs per system; the median is printed.
const RUNS: usize = 21;

/// The three stages of one run.
struct Stages([Duration; 3]);

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    println!(
        "{:<12} {:>9} {:>9} {:>9} {:>11} {:>11} {:>11} {:>11}",
        "system", "KiB", "pods", "policies", "read ms", "analyse ms", "report ms", "total ms"
    );
    for system in ["eem", "fybrik", "cf-for-k8s", "verrazzano"] {
        let directory = examples.join(system);
        if !directory.join("matrix.yaml").exists() {
            println!("{system:<12} skipped: no matrix");
            continue;
        }
        let mut runs = Vec::new();
        let mut size = (0, 0, 0);
        for _ in 0..RUNS {
            let (stages, counts) = once(&directory);
            size = counts;
            runs.push(stages);
        }
        let [read, analyse, report] = [0, 1, 2].map(|stage| median(&runs, stage));
        println!(
            "{system:<12} {:>9} {:>9} {:>9} {read:>11.2} {analyse:>11.2} {report:>11.2} {:>11.2}",
            size.0 / 1024,
            size.1,
            size.2,
            read + analyse + report
        );
    }
}

fn median(runs: &[Stages], stage: usize) -> f64 {
    let mut times: Vec<f64> = runs
        .iter()
        .filter_map(|run| run.0.get(stage))
        .map(|time| time.as_secs_f64() * 1000.0)
        .collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// One run: the times, and bytes, pods and policies.
fn once(directory: &Path) -> (Stages, (usize, usize, usize)) {
    let start = Instant::now();
    let mut sources = Sources::new();
    let matrix = read(&mut sources, &directory.join("matrix.yaml"));
    let files: Vec<_> = ["workloads.yaml", "policies.yaml"]
        .iter()
        .map(|name| read(&mut sources, &directory.join("manifests").join(name)))
        .collect();
    let parsed = parse(matrix.0, &matrix.1);
    let inputs: Vec<Input<'_>> = files
        .iter()
        .map(|(file, text)| Input {
            file: *file,
            text: text.into(),
            role: Role::Both,
        })
        .collect();
    let loaded = load(&inputs, &Options::default());
    let read_done = Instant::now();
    let Some(matrix) = parsed.matrix else {
        return (Stages([Duration::ZERO; 3]), (0, 0, 0));
    };
    let (intent, _) = resolve(&matrix, &Choice::default());
    let proof = prove(&intent, &loaded.world, &palisade_verify::Options::default());
    let analysed = Instant::now();
    let mut report = Report::new("bench");
    report.findings = proof.findings;
    let text = FORMATS
        .first()
        .map(|format| (format.render)(&report, &sources, &Style::default()));
    let end = Instant::now();
    std::hint::black_box(text);
    let bytes = files.iter().map(|(_, text)| text.len()).sum();
    let stages = Stages([read_done - start, analysed - read_done, end - analysed]);
    let world = &loaded.world;
    (
        stages,
        (bytes, world.pods.len(), world.network_policies.len()),
    )
}

fn read(sources: &mut Sources, path: &Path) -> (palisade_diagnostics::FileId, String) {
    let text = fs::read_to_string(path).unwrap_or_default();
    (sources.add(path.display().to_string(), text.as_str()), text)
}
