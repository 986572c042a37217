//! Interrupts, terminals, and files that are no ordinary files.

use crate::run::{palisade, root};
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

const POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
";

const BINARY: &str = env!("CARGO_BIN_EXE_palisade");

fn shell(directory: &Path, script: &str) -> (Option<i32>, String) {
    let output = Command::new("bash")
        .current_dir(directory)
        .env_remove("NO_COLOR")
        .env("PALISADE", BINARY)
        .args(["-c", script])
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// What a command says at a terminal, to which both of its streams go; its input is the file `input`.
fn terminal(directory: &Path, environment: &str, command: &str, wait: &str) -> String {
    let inner = format!("({wait}; cat input) | {environment} $PALISADE {command}");
    let script = format!("script -qec '{inner}' /dev/null < /dev/null");
    shell(directory, &script).1
}

#[test]
fn progress_is_told_after_a_second_and_at_a_terminal_only() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("input"), POD).unwrap();
    let quick = terminal(directory.path(), "", "list -", "true");
    assert!(quick.contains("1 workload can be reached"), "{quick}");
    assert!(!quick.contains("at work"), "{quick}");
    assert!(!quick.contains("done after"), "{quick}");
    let slow = terminal(directory.path(), "", "list -", "sleep 1.4");
    assert!(slow.contains("palisade: at work for 1 s"), "{slow}");
    assert!(slow.contains("palisade: read done after 1."), "{slow}");
    let piped = shell(
        directory.path(),
        "(sleep 1.4; cat input) | $PALISADE list - 2>&1",
    );
    assert!(piped.1.contains("1 workload can be reached"), "{piped:?}");
    assert!(!piped.1.contains("palisade: "), "{piped:?}");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("input"), POD).unwrap();
    let escape = '\u{1b}';
    let colour = |environment: &str, options: &str| {
        let command = format!("lint - {options}");
        terminal(directory.path(), environment, &command, "true").contains(escape)
    };
    assert!(colour("", ""));
    assert!(!colour("NO_COLOR=1", ""));
    // An empty value is none (no-color.org).
    assert!(colour("NO_COLOR=", ""));
    assert!(!colour("", "--color never"));
    assert!(colour("NO_COLOR=1", "--color always"));
    let piped = shell(directory.path(), "$PALISADE lint - < input");
    assert!(!piped.1.contains(escape), "{piped:?}");
}

/// Ctrl-C ends the process as a signal does, which a shell shows as 130, and nothing is said or written.
#[test]
fn an_interrupt_ends_it() {
    let directory = tempfile::tempdir().unwrap();
    // What a shell starts in the background ignores interrupts, and so would everything below it.
    let mut child = Command::new("env")
        .current_dir(directory.path())
        .args(["--default-signal=INT", BINARY])
        .args(["learn", "-", "--out", "matrix.yaml"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It waits for its input, which stays open.
    let stdin = child.stdin.take().unwrap();
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.signal(), Some(2));
    assert!(
        output.stdout.is_empty() && output.stderr.is_empty(),
        "{output:?}"
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

/// What an interrupted run left is removed by a later one; what a present run writes is not, nor what only looks alike.
#[test]
fn leftovers_of_interrupted_runs_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    for name in [
        ".palisade-aB3dE6",
        ".palisade-old-aB3dE6",
        ".palisade-fresh1",
        ".palisade-notes",
    ] {
        fs::create_dir(place(name)).unwrap();
        fs::write(place(name).join("file"), "x").unwrap();
        if !name.contains("fresh") {
            let opened = File::open(place(name)).unwrap();
            opened.set_modified(long_ago).unwrap();
        }
    }
    fs::write(place(".palisade-aB3dE7"), "x").unwrap();
    let opened = File::options()
        .write(true)
        .open(place(".palisade-aB3dE7"))
        .unwrap();
    opened.set_modified(long_ago).unwrap();
    let out = place("compiled");
    let eem = root().join("examples/eem");
    let arguments = [
        "compile",
        eem.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
    ];
    let ended = palisade(directory.path(), &arguments);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let names = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [".palisade-fresh1", ".palisade-notes", "compiled"]);
}

#[test]
fn loops_of_links_end_and_links_that_lead_nowhere_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name);
    fs::write(place("pod.yaml"), POD).unwrap();
    std::os::unix::fs::symlink(".", place("loop")).unwrap();
    std::os::unix::fs::symlink("b", place("a")).unwrap();
    std::os::unix::fs::symlink("a", place("b")).unwrap();
    let ended = palisade(directory.path(), &["list", "."]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("1 workload can be reached"));
    // It may have been a policy: an answer without it would be about something else.
    std::os::unix::fs::symlink("gone.yaml", place("policy.yaml")).unwrap();
    let ended = palisade(directory.path(), &["list", "."]);
    assert_eq!(ended.code, 4, "{}", ended.out);
    assert!(
        ended
            .err
            .contains("error[PAL0501]: cannot read `./policy.yaml`"),
        "{}",
        ended.err
    );
}

/// `<(kubectl get ...)` of a shell is a pipe with a name. One that lies in a directory would wait for ever, and is left.
#[test]
fn pipes_with_names() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("pod.yaml"), POD).unwrap();
    let script = "timeout 20 $PALISADE list <(cat pod.yaml)";
    let (code, text) = shell(directory.path(), script);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 workload can be reached"), "{text}");
    let script = "mkfifo other.yaml && timeout 20 $PALISADE list .";
    let (code, text) = shell(directory.path(), script);
    assert_eq!(code, Some(0), "{text}");
    let told = "warning[PAL0537]: `./other.yaml` is not a file and is not read";
    assert!(text.contains(told), "{text}");
    // What could stand in it is not known.
    let script = "timeout 20 $PALISADE list . --strict";
    let (code, text) = shell(directory.path(), script);
    assert_eq!(code, Some(3), "{text}");
}

/// A pipe that never ends is read as far as the limits go.
#[test]
fn pipes_without_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let pod = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}"#;
    let list = format!(r#"echo '{{"kind":"List","items":[{pod}'; yes ',{pod}'"#);
    for (source, told) in [
        ("cat /dev/zero", "`<stdin>` holds a NUL character on line 1"),
        (
            "yes -- $'---\\n{apiVersion: v1, kind: Secret}'",
            "too many documents",
        ),
        (&list, "a document is too large"),
    ] {
        let script = format!("({source}) | timeout 100 $PALISADE list -");
        let (code, text) = shell(directory.path(), &script);
        assert_eq!(code, Some(2), "{source}: {text}");
        assert!(text.contains(told), "{source}: {text}");
    }
}

#[test]
fn names_that_are_no_utf_8() {
    let directory = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"p\xffd.yaml");
    fs::write(directory.path().join(name), POD.replace("Pod", "Podd")).unwrap();
    fs::write(directory.path().join("pod.yaml"), POD).unwrap();
    let ended = palisade(directory.path(), &["list", ".", "-o", "json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    fs::write(directory.path().join(name), "a: [").unwrap();
    let ended = palisade(directory.path(), &["list", "."]);
    assert_eq!(ended.code, 2, "{}", ended.err);
    assert!(ended.err.contains("p\u{fffd}d.yaml:1:4"), "{}", ended.err);
}

/// Half a million labels in one line: read, or told as too much, and not with a word that long.
#[test]
fn a_line_of_megabytes() {
    let directory = tempfile::tempdir().unwrap();
    let labels: Vec<String> = (0..100_000).map(|n| format!("k{n}: v")).collect();
    let pod = POD.replace("app: web", &format!("app: [x], {}", labels.join(", ")));
    fs::write(directory.path().join("pod.yaml"), pod).unwrap();
    let ended = palisade(directory.path(), &["list", "pod.yaml"]);
    assert_eq!(ended.code, 2, "{}", ended.out);
    assert!(ended.err.len() < 10_000, "{}", ended.err.len());
    assert!(ended.err.contains("pod.yaml:3:"), "{}", ended.err);
}
