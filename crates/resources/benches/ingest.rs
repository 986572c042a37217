//! How fast text becomes a world, and how much memory the way there takes.
//!
//! Cost model: each byte is looked at about once to be cut, once to be read; what is skipped costs no
//! node; an object costs its tree, which is dropped with its document, and what the model keeps. So MB/s
//! must not fall as the text grows, and memory grows with the text by the text itself and the model. A text
//! that arrives in blocks is packed besides, and memory grows by the packed text, not the text.
//!
//! `cargo bench -p palisade-resources` prints two tables; `-- --only JsonLine` reads one text fifty times, for a
//! profiler, and prints nothing. Speed is per second of processor time, so that
//! other threads and a busy machine change nothing: what one core reads. Peak memory is that of a process
//! that does nothing else. Aims on one core: JSON 300 MB/s, YAML 30 MB/s.

use palisade_diagnostics::{Block, Blocks, FileId, Text};
use palisade_resources::{Input, Loaded, Options, Role, load};
use palisade_testkit::clusters::{Shape, Style, text, world};
use std::fs::File;
use std::io::Read;
use std::process::Command;
use std::sync::Arc;

/// The largest cluster divided by these.
const PARTS: [usize; 3] = [500, 150, 50];
/// Least processor time of a measurement; the clock of the system ticks a hundred times a second.
const LEAST: f64 = 1.0;

#[expect(clippy::print_stdout, reason = "a benchmark prints its tables")]
fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let ways = ["--alone", "--arriving"];
    if let Some(at) = arguments.iter().position(|a| ways.contains(&a.as_str())) {
        let whole = arguments.get(at).is_some_and(|way| way == "--alone");
        alone(arguments.get(at + 1).map_or("", String::as_str), whole);
        return;
    }
    if let Some(at) = arguments.iter().position(|a| a == "--only") {
        let named = |style: &Style| arguments.get(at + 1) == Some(&format!("{style:?}"));
        let styles = Style::ALL.into_iter().filter(named);
        styles.for_each(|style| again(style, &Shape::part(50)));
        return;
    }
    let columns = ["text", "pods", "objects", "MB", "MB/s", "objects/s"];
    let columns = columns.into_iter().chain(["arriving", "packed MB"]);
    let columns: Vec<&str> = columns.collect();
    let head = columns.iter().map(|c| format!("{c:>12}"));
    println!("{}", head.collect::<String>());
    for style in Style::ALL {
        for part in PARTS {
            speed(style, &Shape::part(part));
        }
    }
    let columns = ["text MB", "peak MB", "arriving"];
    println!(
        "\n{:<12}{}",
        "process",
        columns.map(|c| format!("{c:>12}")).concat()
    );
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

fn read(text: Text<'_>) -> Loaded {
    let input = Input {
        file: FileId(0),
        text,
        role: Role::Both,
    };
    load(&[input], &Options::default())
}

/// Bytes of a block, as the command line makes them.
const BLOCK: usize = 1 << 18;

/// A text as it arrives; the clusters are ASCII.
fn arriving(mut stream: impl Read + Send + 'static) -> Blocks {
    Blocks::new(std::iter::from_fn(move || {
        let mut bytes = Vec::with_capacity(BLOCK);
        let read = stream.by_ref().take(BLOCK as u64).read_to_end(&mut bytes);
        let text = String::from_utf8(bytes).ok()?;
        (read.ok()? > 0).then(|| Ok((Block::pack(&text), text)))
    }))
}

/// A text that several readers share.
struct Shared(Arc<String>, usize);

impl Read for Shared {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let rest = self.0.as_bytes().get(self.1..).unwrap_or_default();
        let read = rest.take(out.len() as u64).read(out)?;
        self.1 += read;
        Ok(read)
    }
}

#[expect(
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its table; sizes lie far below 2^52"
)]
fn speed(style: Style, shape: &Shape) {
    let text = Arc::new(text(shape, style));
    let (mut objects, mut kept) = (0, 0);
    let whole = seconds(|| {
        let loaded = read(Text::Whole(&text));
        assert_eq!(loaded.world.pods.len(), shape.pods);
        objects = loaded.counts.values().chain(loaded.unknown.values()).sum();
    });
    let streamed = seconds(|| {
        let blocks = arriving(Shared(Arc::clone(&text), 0));
        let loaded = read(Text::Blocks(&blocks));
        assert_eq!(loaded.world.pods.len(), shape.pods);
        kept = blocks.kept();
    });
    let megabytes = text.len() as f64 / 1e6;
    println!(
        "{:>12}{:>12}{objects:>12}{megabytes:>12.1}{:>12.1}{:>12.0}{:>12.1}{:>12.2}",
        format!("{style:?}"),
        shape.pods,
        megabytes / whole,
        objects as f64 / whole,
        megabytes / streamed,
        kept as f64 / 1e6,
    );
}

/// Reads one text over and over, for a profiler.
fn again(style: Style, shape: &Shape) {
    let text = text(shape, style);
    for _ in 0..50 {
        drop(std::hint::black_box(read(Text::Whole(&text))));
    }
}

/// Seconds of processor time that something takes.
fn seconds(mut run: impl FnMut()) -> f64 {
    let (start, mut runs) = (processor(), 0.0);
    while runs < 1.0 || processor() - start < LEAST {
        run();
        runs += 1.0;
    }
    (processor() - start) / runs
}

/// Seconds of processor time of all threads.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.filter_map(|f| f.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Runs one thing in processes of its own and prints their peak memory.
#[expect(clippy::print_stdout, reason = "a benchmark prints its table")]
fn peak(what: &str, argument: &str) {
    let Ok(exe) = std::env::current_exe() else {
        return;
    };
    let of = |how: &str| {
        let output = Command::new(&exe).args([how, argument]).output();
        let peak = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        peak.unwrap_or_default()
    };
    let (name, bytes) = what.split_once(' ').unwrap_or((what, "0"));
    let bytes: usize = bytes.parse().unwrap_or_default();
    println!(
        "{name:<12}{:>12}{:>12}{:>12}",
        bytes / 1_000_000,
        of("--alone"),
        match bytes {
            0 => String::new(),
            _ => of("--arriving"),
        }
    );
}

#[expect(clippy::print_stdout, reason = "the figure is what the caller reads")]
fn alone(what: &str, whole: bool) {
    match what {
        "" => {}
        "world" => drop(std::hint::black_box(world(&Shape::largest()))),
        "unique" => drop(std::hint::black_box(world(&Shape {
            unique_labels: true,
            ..Shape::largest()
        }))),
        file if whole => {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            drop(std::hint::black_box(read(Text::Whole(&text))));
        }
        file => {
            if let Ok(file) = File::open(file) {
                let blocks = arriving(file);
                drop(std::hint::black_box(read(Text::Blocks(&blocks))));
            }
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    println!("{}", kilobytes.unwrap_or_default() / 1000);
}
