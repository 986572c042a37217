//! The engine over size. Run with `cargo bench -p palisade-verify`.
//!
//! Cost model, with P pods, C classes of equal pods, N NetworkPolicies, L distinct lists of peers and S
//! distinct signatures: *model* is P (one look at a shared template) + C × labels that selectors read + N
//! (a few operations on bitmaps for each selector) + L; *relation* is the rules of the S signatures, each a
//! few operations on bitmaps; a *query* is the rules of two signatures; an *explanation* is the reference's own
//! reasoning over the policies of these signatures, and the mesh objects of the namespaces in play (all objects if
//! a waypoint is on the way). Nothing depends on P × P or C × C.
//! Ten times the pods at the same number of workloads therefore cost only the first term more.
//!
//! `-- SHAPE...` measures these shapes only (by their names), and with `model`, `relation`, `query`, `reasons` or
//! `explain` among them these columns only: for a profiler. *Reasons* are the decision with its reasons, *explain* is the
//! report made of them.
//!
//! One thread. Times are medians of what the thread itself ran (Linux; elsewhere of the clock): other work
//! on the machine counts little. Compare them within one run only. Memory is what the process holds more than
//! before (Linux), what the allocator has kept for later included; it is measured first, in a fresh process.

use palisade_netmodel::{Endpoint, Flow, PodId, Protocol, World};
use palisade_testkit::clusters::{Shape, world};
use palisade_verify::Engine;
use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn main() {
    let largest = Shape::largest();
    let asked = Asked::read();
    if asked.everything() {
        memory(&largest);
    }
    println!(
        "{:<34} {:>8} {:>8} {:>9} {:>10} {:>12} {:>10} {:>10} {:>10}",
        "shape",
        "pods",
        "policies",
        "endpoints",
        "model ms",
        "relation ms",
        "query us",
        "reasons us",
        "explain us"
    );
    let shapes = [
        ("1,000 pods", Shape::default()),
        ("a hundredth of the largest", Shape::part(100)),
        ("a tenth of the largest", Shape::part(10)),
        (
            "the largest, a tenth of the pods",
            Shape {
                pods: 15_000,
                ..largest.clone()
            },
        ),
        ("the largest", largest.clone()),
        (
            "every pod its own class",
            Shape {
                unique_labels: true,
                ..largest.clone()
            },
        ),
        (
            "10,000 CIDRs in a rule",
            Shape {
                blocks: 10_000,
                ..Shape::part(100)
            },
        ),
        (
            "dual stack",
            Shape {
                dual_stack: true,
                ..largest
            },
        ),
        (
            "1,000 admin policies of 25 rules",
            Shape {
                admin_policies: 1_000,
                admin_rules: 25,
                ..Shape::part(100)
            },
        ),
        (
            "mesh on",
            Shape {
                mesh: true,
                ..Shape::part(100)
            },
        ),
        (
            "NotIn over 1,000 values",
            Shape {
                not_in: 1_000,
                ..Shape::part(10)
            },
        ),
    ];
    for (name, shape) in shapes {
        if !asked.shape(name) {
            continue;
        }
        let world = world(&shape);
        let runs = if shape.pods > 50_000 { 3 } else { 7 };
        let model = asked.of("model", || {
            median(runs, || drop(black_box(Engine::new(&world))))
        });
        let engine = Engine::new(&world);
        let relation = asked.of("relation", || {
            median(runs, || drop(black_box(engine.relation())))
        });
        println!(
            "{name:<34} {:>8} {:>8} {:>9} {:>10.2} {:>12.2} {:>10.3} {:>10.1} {:>10.1}",
            shape.pods,
            world.network_policies.len(),
            engine.len(),
            model * 1e3,
            relation * 1e3,
            asked.of("query", || queries(&world, &engine)) * 1e6,
            asked.of("reasons", || reasons(&world, &engine)) * 1e6,
            asked.of("explain", || explanations(&world, &engine)) * 1e6
        );
    }
}

/// What to measure.
struct Asked {
    columns: Vec<String>,
    shapes: Vec<String>,
}

impl Asked {
    fn read() -> Self {
        let words = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
        let is_column =
            |w: &String| ["model", "relation", "query", "reasons", "explain"].contains(&w.as_str());
        let (columns, shapes) = words.partition(is_column);
        Self { columns, shapes }
    }

    fn everything(&self) -> bool {
        self.columns.is_empty() && self.shapes.is_empty()
    }

    fn shape(&self, name: &str) -> bool {
        self.shapes.is_empty() || self.shapes.iter().any(|asked| asked == name)
    }

    /// A column's figure, if it is asked for.
    fn of(&self, column: &str, measure: impl FnOnce() -> f64) -> f64 {
        if self.columns.is_empty() || self.columns.iter().any(|asked| asked == column) {
            measure()
        } else {
            f64::NAN
        }
    }
}

/// Seconds of the middle run; short work is repeated, since the clock of a thread is coarse.
fn median(runs: usize, mut work: impl FnMut()) -> f64 {
    let start = Instant::now();
    work();
    let once = start.elapsed().as_secs_f64().max(1e-6);
    let times = (1..10_000)
        .find(|n| f64::from(*n) * once > 0.1)
        .unwrap_or(10_000);
    let mut seconds: Vec<f64> = (0..runs)
        .map(|_| {
            let start = now();
            (0..times).for_each(|_| work());
            (now() - start).as_secs_f64() / f64::from(times)
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds.get(runs / 2).copied().unwrap_or_default()
}

/// How long this thread has run, or any clock.
fn now() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let ran = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = ran.and_then(|text| text.split(' ').next()?.parse().ok());
    match nanoseconds {
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
        None => START.get_or_init(Instant::now).elapsed(),
    }
}

/// Prints what the largest cluster takes: its objects, and with them the engine and the relation of all pairs.
#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn memory(shape: &Shape) {
    let Some((start, _)) = resident() else { return };
    let world = world(shape);
    let objects = resident().map_or(0, |(now, _)| now.saturating_sub(start));
    let engine = Engine::new(&world);
    let relation = black_box(engine.relation());
    let (all, most) = resident().unwrap_or_default();
    drop(relation);
    println!(
        "{} pods, {} policies: {objects} MB of objects, {} MB with engine and relation, {} MB at most\n",
        shape.pods,
        world.network_policies.len(),
        all.saturating_sub(start),
        most.saturating_sub(start)
    );
}

/// Megabytes that this process holds, and the most that it held.
fn resident() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kilobytes * 1024 / 1_000_000)
    };
    Some((of("VmRSS:")?, of("VmHWM:")?))
}

/// Seconds for one decision with its reasons.
fn reasons(world: &World, engine: &Engine<'_>) -> f64 {
    let flows = flows(world, 10_000);
    let seconds = median(3, || {
        for flow in &flows {
            black_box(engine.reasons(flow));
        }
    });
    seconds / flows.len() as f64
}

/// Seconds for one explanation of a flow between two pods.
fn explanations(world: &World, engine: &Engine<'_>) -> f64 {
    let flows = flows(world, 10_000);
    let seconds = median(3, || {
        for flow in &flows {
            black_box(engine.explain(flow));
        }
    });
    seconds / flows.len() as f64
}

/// Flows between pods all over the cluster.
fn flows(world: &World, count: u32) -> Vec<Flow> {
    let pods = u32::try_from(world.pods.len()).unwrap_or(u32::MAX);
    let flow = |i: u32| Flow {
        source: Endpoint::Pod(PodId(i.wrapping_mul(7919) % pods)),
        destination: Endpoint::Pod(PodId(i.wrapping_mul(104_729) % pods)),
        protocol: Protocol::Tcp,
        port: 8080,
    };
    (1..count).map(flow).collect()
}

/// Seconds for one flow between two pods.
fn queries(world: &World, engine: &Engine<'_>) -> f64 {
    let flows = flows(world, 100_000);
    let seconds = median(3, || {
        for flow in &flows {
            black_box(engine.decide(flow));
        }
    });
    seconds / flows.len() as f64
}
