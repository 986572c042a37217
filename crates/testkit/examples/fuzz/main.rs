//! `cargo xtask fuzz`: hunts for inputs that a reader does not stand: a panic, a hang, a span outside of
//! the text, two ways of reading that disagree.

mod arriving;

use palisade_diagnostics::{Diagnostic, FileId, Severity};
use palisade_matrix::{Choice, resolve};
use palisade_netmodel::World;
use palisade_resources::{Input, Loaded, Options, Role, load};
use palisade_testkit::fuzz::{Failure, Hunt, Target};
use palisade_testkit::worlds::interesting_flows;
use palisade_testkit::{Contract, Reference, Symbolic};
use palisade_yaml::{Limits, Node, decode, parse};
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Name, target, and a word of the documents that it begins with.
const TARGETS: [(&str, Target, &str); 4] = [
    ("yaml", yaml, ""),
    ("arriving", arriving::arriving, ""),
    ("selectors", selectors, "Selector"),
    ("matrix", matrix, "kind: TrafficMatrix"),
];

/// An input that takes longer is a finding.
const SLOW: Duration = Duration::from_secs(10);
/// An input that takes longer ends the hunt.
const HANGS: Duration = Duration::from_secs(120);

const WORDS: [&str; 52] = [
    "---\n",
    "...\n",
    "- ",
    "\n- ",
    "\n  ",
    ": ",
    "? ",
    "{",
    "}",
    "[",
    "]",
    ", ",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "|2+\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!str ",
    "!x ",
    "%YAML 1.1\n",
    "# x\n",
    "\t",
    "\r\n",
    "\u{feff}",
    "\u{e9}",
    "\u{2028}",
    "\\u0000",
    "\\ud800",
    "\\x",
    "null",
    "~",
    "true",
    "0x1F",
    "1e999",
    "-0",
    ".inf",
    "9223372036854775808",
    "{}",
    "[]",
    "items:\n",
    "kind: List\n",
    "matchExpressions",
    "operator: NotIn\n",
    "operator: DoesNotExist\n",
    "::/0",
    "0.0.0.0/0",
    "${x}",
    "*",
    "",
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("", String::as_str);
    let target = TARGETS.iter().find(|(known, ..)| *known == name);
    let (mut minutes, mut seed) = (10_u64, None);
    let mut understood = target.is_some();
    for pair in arguments.get(1..).unwrap_or_default().chunks(2) {
        match (
            pair.first().map(String::as_str),
            pair.get(1).and_then(|n| n.parse().ok()),
        ) {
            (Some("--minutes"), Some(number)) => minutes = number,
            (Some("--seed"), Some(number)) => seed = Some(number),
            _ => understood = false,
        }
    }
    let (true, Some((name, target, word))) = (understood, target) else {
        say("usage: cargo xtask fuzz yaml|arriving|selectors|matrix [--minutes N] [--seed N]");
        return ExitCode::from(2);
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = seed.unwrap_or_else(|| now.map_or(1, |now| now.as_secs()));
    let mut corpus = corpus(word);
    if *name == "arriving" {
        corpus = arriving::corpus(&corpus);
    }
    say(&format!(
        "fuzz {name}: seed {seed}, {minutes} min, {} documents",
        corpus.len()
    ));
    let mut hunt = Hunt::new(*target, corpus, &WORDS, seed);
    let end = Instant::now() + Duration::from_secs(60 * minutes);
    match go(&mut hunt, end) {
        None => {
            say(&format!(
                "{} inputs, {} kept, nothing found",
                hunt.cases,
                hunt.kept()
            ));
            ExitCode::SUCCESS
        }
        Some(failure) => {
            say(&format!(
                "FOUND after {} inputs: {}",
                hunt.cases, failure.message
            ));
            say(&format!("{:?}", String::from_utf8_lossy(&failure.input)));
            say(&format!("as bytes: {:?}", failure.input));
            ExitCode::FAILURE
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a tool of developers prints its findings"
)]
fn say(text: &str) {
    println!("{text}");
}

fn go(hunt: &mut Hunt, end: Instant) -> Option<Failure> {
    // Panics are findings; their traces would only hide them.
    std::panic::set_hook(Box::new(|_| {}));
    let current: Arc<Mutex<(Instant, Vec<u8>)>> =
        Arc::new(Mutex::new((Instant::now(), Vec::new())));
    let watched = Arc::clone(&current);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            if let Ok(guard) = watched.lock()
                && guard.0.elapsed() > HANGS
            {
                say(&format!("FOUND: it hangs\nas bytes: {:?}", guard.1));
                std::process::exit(1);
            }
        }
    });
    while Instant::now() < end {
        let input = hunt.input();
        let start = Instant::now();
        if let Ok(mut guard) = current.lock() {
            *guard = (start, input.clone());
        }
        if let Err(failure) = hunt.attempt(input.clone()) {
            return Some(failure);
        }
        if start.elapsed() > SLOW && slow_again(hunt, &input) {
            let message = "it is slow".to_owned();
            return Some(Failure { input, message });
        }
    }
    None
}

/// A busy machine is slow once, a bad input is slow again.
fn slow_again(hunt: &mut Hunt, input: &[u8]) -> bool {
    (0..2).all(|_| {
        let start = Instant::now();
        hunt.attempt(input.to_vec()).is_err() || start.elapsed() > SLOW
    })
}

/// The documents of the shipped files that hold a word; of pages, the blocks of code.
fn corpus(word: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for directory in ["examples", "specs", "docs", "crates/testkit/conformance"] {
        walk(&root.join(directory), 0, &mut files);
    }
    files.sort();
    let mut out = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if path.extension().is_some_and(|e| e == "md") {
            let blocks = text
                .split("```yaml")
                .skip(1)
                .filter_map(|rest| rest.split("\n```").next());
            let bodies = blocks.filter_map(|block| block.split_once('\n'));
            out.extend(bodies.map(|(_, body)| body.as_bytes().to_vec()));
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "json") {
            out.extend(text.split("\n---\n").map(|part| part.as_bytes().to_vec()));
        }
    }
    out.retain(|text: &Vec<u8>| {
        let text = String::from_utf8_lossy(text);
        text.contains(word) && !text.trim().is_empty() && text.len() < 1 << 15
    });
    out.sort();
    out.dedup();
    out
}

fn walk(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && depth < 8 {
            walk(&path, depth + 1, files);
        } else if path.is_file() {
            files.push(path);
        }
    }
}

/// What is said, without the names in it.
fn signature(diagnostics: &[Diagnostic], more: impl Hash) -> u64 {
    let mut kinds: Vec<String> = diagnostics
        .iter()
        .map(|d| {
            let words = d.title.split('`').step_by(2);
            let words = words.map(|w| w.trim_matches(|c: char| !c.is_alphabetic()));
            format!("{:?} {}", d.code, words.collect::<String>())
        })
        .collect();
    kinds.sort();
    kinds.dedup();
    let mut hasher = DefaultHasher::new();
    (kinds, more).hash(&mut hasher);
    hasher.finish()
}

/// Whether every place that is told lies within the text, on the borders of characters.
fn places(diagnostics: &[Diagnostic], text: &str) -> Result<(), String> {
    let spans = diagnostics
        .iter()
        .flat_map(|d| d.labels.iter().map(|label| label.span));
    for span in spans {
        if text.get(span.start as usize..span.end as usize).is_none() {
            return Err(format!("a span outside of the text: {span:?}"));
        }
    }
    Ok(())
}

fn nodes(node: Node<'_>, text: &str) -> Result<(), String> {
    let span = node.span();
    if text.get(span.start as usize..span.end as usize).is_none() {
        return Err(format!("a node outside of the text: {span:?}"));
    }
    for item in node.items() {
        nodes(item, text)?;
    }
    for (key, value) in node.entries() {
        if text
            .get(key.span.start as usize..key.span.end as usize)
            .is_none()
        {
            return Err(format!("a key outside of the text: {:?}", key.span));
        }
        nodes(value, text)?;
    }
    Ok(())
}

fn read(text: &str) -> Loaded {
    read_from(text, usize::MAX)
}

/// The same; lists in documents that are longer than `list` are cut into pieces.
fn read_from(text: &str, list: usize) -> Loaded {
    let input = Input {
        file: FileId(0),
        text: text.into(),
        role: Role::Both,
    };
    let mut options = Options::default();
    options.limits.sizes.list = list;
    load(&[input], &options)
}

/// The reader of YAML and JSON, and the readers of objects above it. A list that is cut into pieces must give
/// what it gives as a whole.
fn yaml(bytes: &[u8]) -> Result<u64, String> {
    let Ok(text) = decode("input", bytes) else {
        return Ok(0);
    };
    let parsed = parse(FileId(0), &text, &Limits::default());
    places(&parsed.diagnostics, &text)?;
    for document in &parsed.documents {
        // Aliases stand for what is written elsewhere; a deep tree of them is no deep text.
        nodes(document.root(), &text)?;
    }
    let loaded = read(&text);
    places(&loaded.diagnostics, &text)?;
    if text.contains("items") {
        let cut = read_from(&text, 0);
        let all = |l: &Loaded| {
            let said: Vec<String> = l.diagnostics.iter().map(|d| d.title.clone()).collect();
            (
                said,
                l.counts.clone(),
                l.unknown.clone(),
                l.left_out.clone(),
                l.world.pods.len(),
            )
        };
        if all(&cut) != all(&loaded) {
            return Err(format!("pieces {:?}\nwhole {:?}", all(&cut), all(&loaded)));
        }
    }
    let kinds: Vec<&String> = loaded.counts.keys().collect();
    Ok(signature(
        &loaded.diagnostics,
        (parsed.documents.len().min(3), kinds),
    ))
}

/// Selectors of every kind: what the reference matches, the engine's indices match too.
fn selectors(bytes: &[u8]) -> Result<u64, String> {
    let Ok(text) = decode("input", bytes) else {
        return Ok(0);
    };
    let loaded = read(&text);
    places(&loaded.diagnostics, &text)?;
    let mut world: World = loaded.world;
    world.pods.truncate(6);
    let flows: Vec<_> = interesting_flows(&world)
        .into_iter()
        .filter(|flow| matches!(flow.port, 80 | 8080))
        .collect();
    let (expected, actual) = (
        Reference.decide(&world, &flows),
        Symbolic.decide(&world, &flows),
    );
    let differ = flows
        .iter()
        .zip(expected.iter().zip(&actual))
        .find(|(_, (e, a))| e != a);
    if let Some((flow, (expected, actual))) = differ {
        return Err(format!(
            "{flow:?}: reference {expected:?}, engine {actual:?}"
        ));
    }
    let mut answers: Vec<String> = expected.iter().map(|e| format!("{e:?}")).collect();
    answers.dedup();
    answers.truncate(8);
    Ok(signature(&loaded.diagnostics, answers))
}

/// The matrix: read, written again, resolved.
fn matrix(bytes: &[u8]) -> Result<u64, String> {
    let Ok(text) = decode("input", bytes) else {
        return Ok(0);
    };
    let parsed = palisade_matrix::parse(FileId(0), &text);
    places(&parsed.diagnostics, &text)?;
    let errors = parsed
        .diagnostics
        .iter()
        .any(|d| d.severity == Severity::Error);
    let (once, _) = palisade_matrix::format(FileId(0), &text);
    if !errors {
        let again = palisade_matrix::parse(FileId(0), &once);
        if let Some(error) = again
            .diagnostics
            .iter()
            .find(|d| d.severity == Severity::Error)
        {
            return Err(format!(
                "written again it is wrong: {}\n{once}",
                error.title
            ));
        }
        let (twice, _) = palisade_matrix::format(FileId(0), &once);
        if twice != once {
            return Err(format!("written again it changes:\n{once}\n---\n{twice}"));
        }
    }
    let mut resolved = Vec::new();
    if let Some(matrix) = &parsed.matrix {
        let (_, said) = resolve(matrix, &Choice::default());
        places(&said, &text)?;
        resolved = said;
    }
    resolved.extend(parsed.diagnostics);
    Ok(signature(&resolved, parsed.matrix.is_some()))
}
