//! A network namespace, held by a process that sleeps in it, and the daemon in it.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest wait for what must come: longer than the agent waits for an answer of the API server.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node: a network namespace, which a process holds, or that of this process.
pub(crate) struct Node(Option<Child>);

/// Set in a child that is inside of a namespace of its own.
const INSIDE: &str = "PALISADE_TEST_INSIDE";

/// Runs a test as the only one of a child in a network namespace, so that servers of the test are there too. `test`
/// is its whole name.
#[track_caller]
pub(crate) fn inside(test: &str, body: impl FnOnce(&Node)) {
    if std::env::var_os(INSIDE).is_some() {
        return body(&Node(None));
    }
    if Node::new().is_none() {
        return;
    }
    let own = std::env::current_exe().expect("the test knows itself");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--kill-child"])
        .args(["sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
        .arg(own)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("unshare runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "in its namespace: {said}");
    assert!(said.contains("1 passed"), "no test is named {test}: {said}");
}

impl Node {
    /// Makes one; `None` if the rights are missing.
    pub(crate) fn new() -> Option<Self> {
        let mut holder = Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", "--kill-child"])
            .args([
                "sh",
                "-c",
                "ip link set lo up && echo ready; exec sleep 600",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .ok();
        let out = holder.as_mut().and_then(|holder| holder.stdout.take());
        // What is not of use after all ends with it.
        let node = holder.map(|holder| Self(Some(holder)));
        let mut line = String::new();
        let read = out.map(|out| BufReader::new(out).read_line(&mut line));
        let ready = matches!(read, Some(Ok(_))) && line == "ready\n";
        let nft = Command::new("nft").arg("--version").output().is_ok();
        if ready && nft {
            return node;
        }
        let must = std::env::var_os("CI").is_some();
        assert!(!must, "no network namespace can be made, or nft is missing");
        eprintln!("skipped: no network namespace can be made, or nft is missing");
        None
    }

    fn enter(&self, program: &str) -> Command {
        let Some(holder) = &self.0 else {
            return Command::new(program);
        };
        // `unshare` forks for --kill-child: the namespace is that of its child.
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let children = std::fs::read_to_string(children).unwrap_or_default();
        let target = children.split_whitespace().next().map(str::to_owned);
        let target = target.unwrap_or_else(|| holder.id().to_string());
        let mut command = Command::new("nsenter");
        command
            .args([
                "--preserve-credentials",
                "--user",
                "--net",
                "--target",
                &target,
            ])
            .arg(program);
        command
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.enter(program)
            .args(arguments)
            .output()
            .expect("the program starts")
    }

    /// Runs the daemon's binary to its end: exit code, output, messages.
    pub(crate) fn agent(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.run(env!("CARGO_BIN_EXE_palisade-agent"), arguments);
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (
            output.status.code().unwrap_or(-1),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// What nft lists of the tables; `None` if there is neither.
    pub(crate) fn table(&self) -> Option<String> {
        let list = |family| {
            let output = self.run("nft", &["list", "table", family, "palisade"]);
            let listed = output.status.success();
            listed.then(|| String::from_utf8(output.stdout).expect("text"))
        };
        let [ip, ip6] = ["ip", "ip6"].map(list);
        assert_eq!(ip.is_some(), ip6.is_some(), "both or none");
        Some(ip? + &ip6?)
    }

    /// Waits until the table says something, or does not say it.
    #[track_caller]
    pub(crate) fn says(&self, words: &str, wanted: bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            let table = self.table().unwrap_or_default();
            if table.contains(words) == wanted {
                return;
            }
            assert!(Instant::now() < end, "{words:?} is not {wanted} in {table}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Starts the daemon.
    pub(crate) fn daemon(&self, arguments: &[&str]) -> Daemon {
        let mut child = self
            .enter(env!("CARGO_BIN_EXE_palisade-agent"))
            .args(["run", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the daemon starts");
        let (sender, lines) = channel();
        let errors = child.stderr.take().expect("a pipe");
        std::thread::spawn(move || {
            for line in BufReader::new(errors).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Daemon { child, lines }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.0 {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

/// A daemon that runs; it is killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    /// The next line with an event.
    #[track_caller]
    pub(crate) fn wait(&mut self, event: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no {event:?} came: {seen:#?}");
            };
            let value: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
            if value["event"] == event {
                return value;
            }
            seen.push(line);
        }
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Waits for an answer to a GET, from inside of the node, that says something.
    #[track_caller]
    pub(crate) fn get(&self, node: &Node, address: &str, path: &str, words: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let said = Self::ask(node, address, path);
            if said.contains(words) {
                return;
            }
            assert!(Instant::now() < end, "no {words:?} in {said:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ask(node: &Node, address: &str, path: &str) -> String {
        let script = format!(
            "exec 3<>/dev/tcp/{}; printf 'GET {path} HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3",
            address.replace(':', "/")
        );
        let output = node.run("bash", &["-c", &script]);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
