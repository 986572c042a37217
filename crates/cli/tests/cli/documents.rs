//! Every command line shown in a document runs, and ends as the document says.

use crate::run::{palisade, root};
use std::fs;
use std::path::PathBuf;

/// The documents that show commands.
fn documents() -> Vec<PathBuf> {
    let root = root();
    vec![root.join("README.md")]
}

/// `palisade ...` lines of shell blocks. A trailing `# exit N` says how the command ends (0 if
/// missing); `# not run: why` exempts a line that needs a cluster.
#[test]
fn commands_of_documents_run() {
    let mut ran = 0;
    let mut wrong = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let mut shell = false;
        for (number, line) in text.lines().enumerate() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                shell = !shell && matches!(language, "sh" | "console" | "bash");
                continue;
            }
            let line = line.trim().trim_start_matches("$ ");
            let line = line.strip_prefix("./").unwrap_or(line);
            if !shell || !line.starts_with("palisade ") || line.contains("# not run:") {
                continue;
            }
            let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
            let expected: i32 = comment
                .split_once("exit ")
                .and_then(|(_, n)| {
                    n.split_whitespace()
                        .next()?
                        .trim_matches(|c: char| !c.is_ascii_digit())
                        .parse()
                        .ok()
                })
                .unwrap_or(0);
            ran += 1;
            if let Some(problem) = run(command, expected) {
                wrong.push(format!("{}:{}: {problem}", document.display(), number + 1));
            }
        }
    }
    assert!(ran > 0, "no document shows a command");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs one command in a copy of the repository's face: outputs go to a temporary directory.
fn run(command: &str, expected: i32) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root().join("examples"), directory.path().join("examples")).unwrap();
    std::os::unix::fs::symlink(root().join("docs"), directory.path().join("docs")).unwrap();
    let mut steps = command.split(" && ").peekable();
    while let Some(step) = steps.next() {
        let (step, _redirect) = step.split_once(" > ").unwrap_or((step, ""));
        let words: Vec<&str> = step.split_whitespace().skip(1).collect();
        let ended = palisade(directory.path(), &words);
        let wanted = if steps.peek().is_some() { 0 } else { expected };
        if ended.code != wanted {
            return Some(format!(
                "`{step}` ended with {}, the document says {wanted}\n{}{}",
                ended.code, ended.out, ended.err
            ));
        }
    }
    None
}
