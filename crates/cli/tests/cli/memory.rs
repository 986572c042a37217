//! What large input costs: its text once, and the model.

use crate::run::root;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Objects of a stream.
const OBJECTS: usize = 1_000;
/// What a window, the blocks that wait and the program itself may take.
const FIXED: usize = 64 << 20;

/// Writes a list as the API server sends it, with so many bytes in each object that nothing reads, of
/// which no two are alike for long.
fn stream(out: &mut impl Write, unread: usize) -> std::io::Result<usize> {
    let mut written = 0;
    let mut put = |text: &str| {
        written += text.len();
        out.write_all(text.as_bytes())
    };
    put(r#"{"apiVersion":"v1","kind":"List","items":["#)?;
    for i in 0..OBJECTS {
        let comma = if i > 0 { "," } else { "" };
        put(&format!(
            r#"{comma}{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{i}","namespace":"shop","labels":{{"app":"web"}},"managedFields":["#
        ))?;
        for field in 0..unread / 100 {
            let comma = if field > 0 { "," } else { "" };
            put(&format!(
                r#"{comma}{{"manager":"kubelet-{i}","operation":"Update","time":"2026-01-01T00:{field:04}Z","fieldsType":"V1"}}"#
            ))?;
        }
        put(r#"]},"spec":{"containers":[{"name":"c","image":"i"}]}}"#)?;
    }
    put("]}")?;
    Ok(written)
}

/// Peak memory of a process in bytes; `None` once it has ended, or where the system does not tell.
fn peak(process: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kilobytes: usize = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes << 10)
}

/// Peak memory of a command that reads a stream, and the bytes of that.
fn reading(unread: usize) -> (usize, usize) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_palisade"))
        .current_dir(root())
        .args(["list", "-", "--by", "workload"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = std::io::BufWriter::new(child.stdin.take().unwrap());
    let bytes = stream(&mut stdin, unread).unwrap();
    drop(stdin);
    let mut most = 0;
    while let Some(now) = peak(child.id()) {
        most = most.max(now);
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{out}");
    assert!(out.contains("of 1000 asked about"), "{out}");
    assert!(most > 1 << 20, "{most}");
    (most, bytes)
}

/// The same objects in four times the text: what is kept of it is less than a tenth.
#[test]
#[cfg(target_os = "linux")]
fn memory_follows_the_objects_and_not_the_text() {
    let (small, short) = reading(64 << 10);
    let (large, long) = reading(256 << 10);
    assert!(
        long > 240_000_000 && long > short / 10 * 39,
        "{short} {long}"
    );
    assert!(large < FIXED + long / 10, "{large} for {long}");
    assert!(
        large < small + (long - short) / 10,
        "{small} for {short}, {large} for {long}"
    );
}
