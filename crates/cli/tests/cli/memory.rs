//! What large input costs: its text once, and the model.

use crate::run::root;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Objects, and the bytes of each that nothing reads.
const OBJECTS: usize = 1_000;
const UNREAD: usize = 128 << 10;

/// Writes a list as the API server sends it.
fn stream(out: &mut impl Write) -> std::io::Result<usize> {
    let unread = "y".repeat(UNREAD);
    let mut written = 0;
    let mut put = |text: &str| {
        written += text.len();
        out.write_all(text.as_bytes())
    };
    put(r#"{"apiVersion":"v1","kind":"List","items":["#)?;
    for i in 0..OBJECTS {
        let comma = if i > 0 { "," } else { "" };
        put(&format!(
            r#"{comma}{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{i}","namespace":"shop","labels":{{"app":"web"}},"managedFields":[{{"manager":"{unread}"}}]}},"spec":{{"containers":[{{"name":"c","image":"i"}}]}}}}"#
        ))?;
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

#[test]
#[cfg(target_os = "linux")]
fn a_large_stream_costs_its_text_once() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_palisade"))
        .current_dir(root())
        .args(["list", "-", "--by", "workload"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = stream(&mut stdin).unwrap();
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
    assert!(bytes > 128_000_000 && most > bytes, "{most} for {bytes}");
    assert!(most < bytes / 4 * 5 + (32 << 20), "{most} for {bytes}");
}
