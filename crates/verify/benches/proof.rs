//! The whole proof of a cluster that is as declared. Run with `cargo bench -p palisade-verify --bench proof`.
//!
//! Cost model: the model of the world, as in the bench `engine`; for each distinct list of peers of the matrix
//! the endpoints that it means; for each endpoint the rows of its rules times the grants that mean it; then
//! the pairs at which deployed and declared differ: here none, and in the last row of the table those of
//! one claim that nobody keeps.
//!
//! One thread.

use palisade_netmodel::World;
use palisade_testkit::clusters::{Shape, intent, world};
use palisade_verify::prove;
use std::hint::black_box;
use std::time::Instant;

/// The best of so many runs counts.
const RUNS: usize = 3;

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() {
    let largest = Shape::largest();
    let few = Shape {
        pods: 15_000,
        ..largest
    };
    let unique = Shape {
        unique_labels: true,
        ..largest
    };
    let shapes = [
        ("a hundredth of the largest", Shape::part(100), false),
        ("a tenth of the largest", Shape::part(10), false),
        ("the largest with a tenth of its pods", few, false),
        ("the largest", largest.clone(), false),
        ("every pod its own class", unique, false),
        ("the largest, a default deny missing", largest, true),
    ];
    println!(
        "{:<38} {:>8} {:>8} {:>8} {:>9} {:>10}",
        "shape", "pods", "grants", "ms", "verdict", "findings"
    );
    for (name, shape, broken) in shapes {
        let mut world = world(&shape);
        let intent = intent(&world);
        if broken {
            leave_open(&mut world);
        }
        let mut best = f64::INFINITY;
        let mut said = None;
        for _ in 0..RUNS {
            let start = Instant::now();
            let proof = black_box(prove(&intent, &world, &palisade_verify::Options::default()));
            best = best.min(start.elapsed().as_secs_f64() * 1e3);
            said = Some((format!("{:?}", proof.verdict), proof.findings.len()));
        }
        let (verdict, findings) = said.unwrap_or_default();
        println!(
            "{name:<38} {:>8} {:>8} {best:>8.0} {verdict:>9} {findings:>10}",
            world.pods.len(),
            intent.grants.len()
        );
    }
}

/// Takes away the default deny of a namespace.
fn leave_open(world: &mut World) {
    let default = |p: &palisade_netmodel::NetworkPolicy| p.pod_selector.is_everything();
    if let Some(index) = world.network_policies.iter().position(default) {
        world.network_policies.remove(index);
    }
}
