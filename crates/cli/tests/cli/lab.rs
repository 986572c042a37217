//! `palisade lab`: packets do what policies say, the control shows that they would notice, and nothing is left.

use crate::run::{palisade, root};
use palisade_netlab::{Privilege, privilege};
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Whether there is a right to make namespaces. Without it tests are skipped, and fail where all have to run.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn possible() -> bool {
    let Privilege::Missing { why } = privilege() else {
        return true;
    };
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("skipped: {why}");
    false
}

/// The counts of the last line: answers, agreements, disagreements.
fn counts(out: &str) -> Vec<usize> {
    let last = out.lines().last().unwrap_or_default();
    let words = last.split(|c: char| !c.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn packets_of_every_example_do_what_its_policies_say() {
    if !possible() {
        return;
    }
    for (example, least) in [
        ("eem", 1_000),
        ("fybrik", 1_500),
        ("cf-for-k8s", 10_000),
        ("verrazzano", 80_000),
    ] {
        let path = format!("examples/{example}");
        let ended = palisade(&root(), &["lab", "run", &path]);
        assert_eq!(ended.code, 0, "{example}: {}{}", ended.out, ended.err);
        let counts = counts(&ended.out);
        assert!(counts[0] >= least && counts[1] == counts[0], "{counts:?}");
        // Somebody is refused, and somebody passes.
        let rows = ended.out.lines().filter(|line| line.contains('/'));
        let numbers =
            rows.filter_map(|row| row.split_whitespace().nth_back(2)?.parse::<u32>().ok());
        let numbers: Vec<u32> = numbers.collect();
        let passed = numbers.iter().filter(|number| **number > 0).count();
        assert!(passed > 3, "{example}: {}", ended.out);
    }
}

#[test]
fn the_control_disagrees_with_each_denial() {
    if !possible() {
        return;
    }
    for layout in ["routed", "bridged"] {
        let arguments = ["lab", "run", "examples/eem", "--layout", layout];
        let enforced = palisade(&root(), &arguments);
        assert_eq!(enforced.code, 0, "{}{}", enforced.out, enforced.err);
        let control = palisade(&root(), &[&arguments[..], &["--control"]].concat());
        assert_eq!(control.code, 1, "{}{}", control.out, control.err);
        // Every denial of the policies, and nothing else.
        let denied: usize = counted(&enforced.out);
        assert!(denied > 100);
        assert_eq!(counts(&control.out)[2], denied);
        assert!(control.out.contains("PAL0552"), "{}", control.out);
        assert!(
            control.out.contains("because: NetworkPolicy "),
            "{}",
            control.out
        );
    }
}

/// Calls that did not reach their port, by the table.
fn counted(out: &str) -> usize {
    let mut denied = 0;
    for line in out
        .lines()
        .filter(|line| line.contains(" SCTP") || line.contains("/TCP"))
    {
        let mut words = line.split_whitespace().rev();
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let (all, _, passed) = (number(), number(), number());
        denied += all - passed;
    }
    denied
}

#[test]
fn a_command_runs_in_a_pod_and_says_how_it_ended() {
    if !possible() {
        return;
    }
    let shell =
        |rest: &[&str]| palisade(&root(), &[&["lab", "shell", "examples/eem"], rest].concat());
    assert_eq!(shell(&["--", "sh", "-c", "exit 7"]).code, 7);
    // The gateway takes 8092 and nothing else; the names are those of /etc/hosts.
    let call = |port: u16, seconds: u16| {
        let to = format!("/dev/tcp/my-gateway-ibm-egw-gateway-0.my-eem-ns/{port}");
        let words = format!("timeout {seconds} bash -c '<{to}'");
        shell(&["kafka-clients/consumer-app", "--", "sh", "-c", &words]).code
    };
    // A busy machine may take its time to connect; what is refused is silent however long it is waited for.
    assert_eq!(call(8092, 30), 0);
    assert_eq!(call(8093, 2), 124);
    let unknown = shell(&["kafka-clients/consumer-ap", "--", "true"]);
    assert_eq!(unknown.code, 2, "{}", unknown.err);
    let inside = shell(&["node-1", "--", "cat", "/proc/thread-self/net/dev"]);
    assert!(
        inside.out.contains("pod0") && inside.out.contains("up0"),
        "{}",
        inside.out
    );
}

#[test]
fn a_killed_shell_takes_everything_with_it() {
    if !possible() {
        return;
    }
    // A number that no other process has in its command line.
    let mark = format!("{}.25", 86_400 + std::process::id());
    let script = format!("echo ready; sleep {mark} & sleep {mark}");
    let mut child = Command::new(env!("CARGO_BIN_EXE_palisade"))
        .current_dir(root())
        .args(["lab", "shell", "examples/eem", "--", "sh", "-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    eventually(|| sleepers(&mark) >= 2);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually(|| sleepers(&mark) == 0);
}

fn eventually(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How many processes sleep for so long.
fn sleepers(mark: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| line.starts_with(b"sleep\0") && String::from_utf8_lossy(line).contains(mark))
        .count()
}

#[test]
fn without_rights_it_says_what_is_missing() {
    if !possible() || !Path::new("/proc/sys/user/max_user_namespaces").exists() {
        return;
    }
    // A user namespace in which no further namespaces may be made.
    let script = "echo 0 >/proc/sys/user/max_user_namespaces; echo 0 >/proc/sys/user/max_net_namespaces; exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .current_dir(root())
        .args(["--user", "--map-root-user", "sh", "-c", script])
        .arg(env!("CARGO_BIN_EXE_palisade"))
        .args(["lab", "run", "examples/eem"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(
        said.contains("PAL0550") && said.contains("run it as root"),
        "{said}"
    );
}

#[test]
fn what_has_no_place_is_refused() {
    if !possible() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let run = |manifests: &str| {
        fs::write(directory.path().join("all.yaml"), manifests).unwrap();
        palisade(directory.path(), &["lab", "run", "."])
    };
    let pod = |name: usize, host: bool| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p{name}, namespace: a, labels: {{n: \"{name}\"}}}}\n\
             spec: {{hostNetwork: {host}, containers: [{{name: c, image: i}}]}}\n---\n"
        )
    };
    let alone = run(&pod(0, true));
    assert_eq!(alone.code, 2, "{}{}", alone.out, alone.err);
    assert!(alone.err.contains("PAL0553"), "{}", alone.err);
    let many: String = (0..3_001).map(|name| pod(name, false)).collect();
    let many = run(&many);
    assert_eq!(many.code, 2, "{}{}", many.out, many.err);
    assert!(many.err.contains("PAL0554"), "{}", many.err);
}

/// A Service before a pod that refuses and one that does not: whoever answers is one that may.
#[test]
fn a_service_is_called_and_who_answers_may() {
    if !possible() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let deployment = |name: &str, labels: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: a}}\nspec:\n  \
             selector: {{matchLabels: {{n: {name}}}}}\n  template:\n    metadata: {{labels: {{n: {name}{labels}}}}}\n    \
             spec: {{containers: [{{name: c, image: i, ports: [{{name: http, containerPort: 8080}}]}}]}}\n---\n"
        )
    };
    let rest = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: a}\n\
                spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}\n---\n\
                apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: closed, namespace: a}\n\
                spec: {podSelector: {matchLabels: {n: closed}}, policyTypes: [Ingress]}\n";
    let manifests = [
        &deployment("caller", ""),
        &deployment("closed", ", app: web"),
        &deployment("open", ", app: web"),
        rest,
    ]
    .concat();
    fs::write(directory.path().join("all.yaml"), manifests).unwrap();
    let ended = palisade(directory.path(), &["lab", "run", "."]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let row = ended
        .out
        .lines()
        .find(|line| line.contains("Service a/web"));
    let words: Vec<&str> = row.unwrap().split_whitespace().collect();
    // One caller, two families; the engine promises neither.
    assert_eq!(words[2..3], ["80/TCP"], "{}", ended.out);
    assert_eq!(words[4..], ["0", "2"], "{}", ended.out);
}

/// As a user without any right, in a user namespace of its own.
#[test]
fn it_runs_without_root() {
    if !possible() {
        return;
    }
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if !is_root {
        eprintln!("skipped: every test here shows it, since none has root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let binary = directory.path().join("palisade");
    fs::copy(env!("CARGO_BIN_EXE_palisade"), &binary).unwrap();
    let manifests = directory.path().join("manifests");
    fs::create_dir(&manifests).unwrap();
    for entry in fs::read_dir(root().join("examples/eem/manifests")).unwrap() {
        let path = entry.unwrap().path();
        let copy = manifests.join(path.file_name().unwrap());
        fs::copy(path, &copy).unwrap();
        fs::set_permissions(copy, fs::Permissions::from_mode(0o644)).unwrap();
    }
    for path in [directory.path(), &manifests, &binary] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let output = Command::new("setpriv")
        .current_dir(directory.path())
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--inh-caps=-all",
        ])
        .arg(&binary)
        .args(["lab", "run", "."])
        .output()
        .unwrap();
    let ended = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("PAL0550") && std::env::var_os("CI").is_none() {
        eprintln!("skipped: {said}");
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{ended}{said}");
    let counts = counts(&ended);
    assert!(counts[0] > 1_000 && counts[0] == counts[1], "{ended}");
}
