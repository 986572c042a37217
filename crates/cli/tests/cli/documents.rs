//! Every command line shown in a document runs, and ends as the document says.

use crate::run::{palisade_at, root};
use palisade_testkit::apiserver::{ApiServer, Setup, objects};
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempDir};

/// The documents that show commands.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut out = vec![root.join("README.md")];
    for directory in [
        "docs",
        "docs/lints",
        "examples/eem",
        "examples/fybrik",
        "examples/verrazzano",
        "examples/cf-for-k8s",
    ] {
        let entries = fs::read_dir(root.join(directory)).unwrap();
        let files = entries.flatten().map(|e| e.path());
        out.extend(files.filter(|p| p.extension().is_some_and(|e| e == "md")));
    }
    out.sort();
    out
}

/// `palisade ...` lines of shell blocks. A trailing `# exit N` says how the command ends. Without it the
/// command answers, yes (0) or no (1), and never errs. `--cluster` means a server that serves the manifests of `examples/eem`, by the context
/// `production`. `# not run: why` exempts a line; `[Envoy]` in its comment, where there is no Envoy.
#[test]
fn commands_of_documents_run() {
    let mut ran = 0;
    let mut wrong = Vec::new();
    let (_server, kubeconfig) = cluster();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        let mut shell = None;
        let directory = face();
        for (number, line) in text.lines().enumerate() {
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let is_shell = matches!(language, "sh" | "console" | "bash");
                shell = (shell.is_none() && is_shell).then_some(language);
                continue;
            }
            // In a console an answer may begin with the program's name as well.
            let line = line.trim();
            let behind_prompt = line.strip_prefix("$ ");
            let asks = match shell {
                Some("console") => behind_prompt.is_some(),
                other => other.is_some(),
            };
            let line = behind_prompt.unwrap_or(line);
            let line = line.strip_prefix("./").unwrap_or(line);
            if !asks || !line.starts_with("palisade ") || line.contains("# not run:") {
                continue;
            }
            let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
            let expected: Option<i32> = comment.split_once("exit ").and_then(|(_, rest)| {
                let number = rest.split_whitespace().next()?;
                number
                    .trim_matches(|c: char| !c.is_ascii_digit())
                    .parse()
                    .ok()
            });
            ran += 1;
            let envoy = comment.contains("[Envoy]") && !crate::lab_mesh::ready();
            if envoy || command.contains("palisade lab ") && !crate::lab::possible() {
                continue;
            }
            if let Some(problem) = run(directory.path(), kubeconfig.path(), command, expected) {
                wrong.push(format!("{}:{}: {problem}", document.display(), number + 1));
            }
        }
    }
    assert!(ran > 0, "no document shows a command");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A directory that shows what a reader of the documents sees. The commands of one document share it, so
/// that one can read what another wrote.
fn face() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["examples", "docs"] {
        symlink(root().join(name), directory.path().join(name)).unwrap();
    }
    directory
}

/// A cluster with the objects of an example, and the kubeconfig that leads to it.
fn cluster() -> (ApiServer, NamedTempFile) {
    let manifests = fs::read_dir(root().join("examples/eem/manifests")).unwrap();
    let mut paths: Vec<PathBuf> = manifests.flatten().map(|e| e.path()).collect();
    paths.sort();
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    let objects = texts.flat_map(|text| objects(&text)).collect();
    let server = ApiServer::start(Setup::new(objects)).unwrap();
    let file = NamedTempFile::new().unwrap();
    let kubeconfig = server.kubeconfig(&json!({}), &json!({}));
    fs::write(&file, kubeconfig.replace("\"test\"", "\"production\"")).unwrap();
    (server, file)
}

/// Runs one command.
fn run(
    directory: &Path,
    kubeconfig: &Path,
    command: &str,
    expected: Option<i32>,
) -> Option<String> {
    let mut steps = command.split(" && ").peekable();
    while let Some(step) = steps.next() {
        let (step, _redirect) = step.split_once(" > ").unwrap_or((step, ""));
        let words: Vec<&str> = step.split_whitespace().skip(1).collect();
        let ended = palisade_at(directory, kubeconfig, &words);
        let last = steps.peek().is_none();
        let as_said = match expected.filter(|_| last) {
            Some(code) => ended.code == code,
            None => matches!(ended.code, 0 | 1),
        };
        if !as_said {
            return Some(format!(
                "`{step}` ended with {}, the document says {expected:?}\n{}{}",
                ended.code, ended.out, ended.err
            ));
        }
    }
    None
}
