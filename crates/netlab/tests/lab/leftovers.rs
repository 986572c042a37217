//! A lab leaves nothing behind, however its process ends.

use crate::support::{eventually, lab, with_rights};
use palisade_netlab::Layout;
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Set for the process that holds a lab until it is killed.
const HOLD: &str = "PALISADE_NETLAB_HOLD";
/// The underlay, two nodes and six pods.
const NAMESPACES: usize = 9;

const TEST: &str = "leftovers::a_killed_lab_leaves_nothing";

#[test]
fn a_killed_lab_leaves_nothing() {
    if std::env::var_os(HOLD).is_some() {
        return hold();
    }
    with_rights(TEST, in_a_user_namespace);
}

/// Tells the numbers of its namespaces, and waits for its end.
fn hold() {
    let Ok(lab) =
        palisade_netlab::Lab::build(&palisade_netlab::Plan::uniform(Layout::Routed, 2, 3))
    else {
        println!("refused");
        return;
    };
    crate::support::serve(&lab, lab.pods().map(|(id, _)| id));
    let inode = |host: &palisade_netlab::Host| host.namespace().inode().expect("it has a number");
    let inodes: Vec<String> = lab
        .hosts()
        .map(|(_, host)| inode(host).to_string())
        .collect();
    println!("held {}", inodes.join(" "));
    std::thread::sleep(Duration::from_secs(120));
}

/// Once more as root of a user namespace of its own, in which the kernel counts namespaces.
fn in_a_user_namespace() {
    let limit = Path::new("/proc/sys/user/max_net_namespaces");
    const INSIDE: &str = "PALISADE_NETLAB_COUNTED";
    if std::env::var_os(INSIDE).is_some() {
        // So many more than there are, and one for trying whether it is allowed.
        fs::write(limit, (NAMESPACES + 2).to_string()).expect("the limit is set");
        return count();
    }
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--kill-child"])
        .arg(std::env::current_exe().expect("the test knows itself"))
        .args([TEST, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{wrong}");
}

/// A process that builds a lab and keeps it, and the numbers of its namespaces, unless it was refused.
fn holder() -> (Child, Option<BTreeSet<String>>) {
    let mut child = Command::new(std::env::current_exe().expect("the test knows itself"))
        .args([TEST, "--exact", "--nocapture"])
        .env(HOLD, "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let stdout = BufReader::new(child.stdout.take().expect("it has an output"));
    for line in stdout.lines().map_while(Result::ok) {
        if let Some((_, numbers)) = line.split_once("held ") {
            let numbers = numbers.split(' ').map(str::to_owned).collect();
            return (child, Some(numbers));
        }
        if line.contains("refused") {
            break;
        }
    }
    (child, None)
}

fn count() {
    let interfaces = interfaces();
    let (mut first, held) = holder();
    let held = held.expect("the first lab is built");
    assert_eq!(held.len(), NAMESPACES - 1, "all but the underlay");
    assert_eq!(users(&held), 1, "the process that holds it");

    // The kernel refuses a second lab: the count is real.
    let (mut second, refused) = holder();
    assert_eq!(refused, None);
    second.wait().expect("it ends");

    first.kill().expect("it is killed");
    first.wait().expect("it ends");
    assert_eq!(users(&held), 0, "no process is left in a namespace");
    assert_eq!(interfaces, self::interfaces());

    // The kernel removes namespaces a little later.
    let begun = Instant::now();
    let mut third = loop {
        let (mut child, held) = holder();
        if held.is_some() {
            break child;
        }
        child.wait().expect("it ends");
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "namespaces are left"
        );
    };
    third.kill().expect("it is killed");
    third.wait().expect("it ends");
}

/// The interfaces of the namespace in which the test runs.
fn interfaces() -> String {
    let text = fs::read_to_string("/proc/thread-self/net/dev").expect("it is read");
    let names = text.lines().filter_map(|line| line.split_once(':'));
    names
        .map(|(name, _)| name.trim())
        .collect::<Vec<_>>()
        .join(" ")
}

/// How many processes are in one of these namespaces, or hold one open.
fn users(namespaces: &BTreeSet<String>) -> usize {
    let is_one = |path: &Path| {
        let target = fs::read_link(path).unwrap_or_default();
        let target = target.to_string_lossy().into_owned();
        let number = target
            .strip_prefix("net:[")
            .and_then(|rest| rest.strip_suffix(']'));
        number.is_some_and(|number| namespaces.contains(number))
    };
    let entries = |path: &Path| {
        let entries = fs::read_dir(path).into_iter().flatten();
        entries
            .flatten()
            .map(|entry| entry.path())
            .collect::<Vec<_>>()
    };
    let uses = |process: &Path| {
        let tasks = entries(&process.join("task"));
        let inside = tasks.iter().any(|task| is_one(&task.join("ns/net")));
        inside || entries(&process.join("fd")).iter().any(|fd| is_one(fd))
    };
    // `self` and `thread-self` would count twice.
    let is_number = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().parse::<u32>().is_ok())
    };
    let all = entries(Path::new("/proc"));
    let processes = all.iter().filter(|path| is_number(path));
    processes.filter(|process| uses(process)).count()
}

#[test]
fn a_lab_that_is_dropped_leaves_no_process_and_no_interface() {
    let name = "leftovers::a_lab_that_is_dropped_leaves_no_process_and_no_interface";
    with_rights(name, || {
        let before = interfaces();
        let lab = lab(Layout::Bridged, 2, 2);
        assert_eq!(
            before,
            interfaces(),
            "a lab is nowhere but in its own namespaces"
        );
        let inode =
            |host: &palisade_netlab::Host| host.namespace().inode().expect("it has a number");
        let held = lab
            .hosts()
            .map(|(_, host)| inode(host).to_string())
            .collect();
        // Other tests start processes, which hold copies of all descriptors for a moment.
        eventually("one process holds it", || users(&held) == 1);
        drop(lab);
        eventually("nobody holds it", || users(&held) == 0);
        assert_eq!(before, interfaces());
    });
}
