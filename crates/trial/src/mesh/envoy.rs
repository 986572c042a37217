//! One Envoy in a namespace.

use palisade_netlab::{Error, Namespace, Result};
use palisade_sidecar::ADMIN;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long Envoy may take to be ready, also on a busy machine.
const START: Duration = Duration::from_secs(60);
/// The configuration comes as standard input, and becomes a file that Envoy alone sees: on a file system in memory,
/// mounted in a namespace of its own, so that nothing can be left behind. The kernel ends Envoy with the process that
/// started it, unless that was gone before it could be told to; then this ends by itself.
const SCRIPT: &str = r#"
[ "$PPID" = "$1" ] || exit
shift
mount -t tmpfs lab /run && cat >/run/envoy.json || exit
exec "$@" --config-path /run/envoy.json
"#;
/// Most of what it says that is kept.
const SAID: u64 = 64 << 10;

/// A running Envoy. It ends with this value, and with the process, however that ends.
#[derive(Debug)]
pub struct Envoy {
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<String>>,
}

impl Envoy {
    /// Starts the program with a bootstrap configuration (JSON), and waits until it is ready.
    ///
    /// # Errors
    /// If it cannot be started, or does not become ready; with what it said.
    pub fn start(namespace: &Namespace, program: &Path, bootstrap: &str) -> Result<Self> {
        let doing = "starting Envoy";
        let command = command(program);
        let bootstrap = bootstrap.to_owned();
        let (stop, stopped) = channel();
        // A thread of a thread that is inside is inside.
        let keeper = namespace.run(|| thread::spawn(move || keep(command, bootstrap, &stopped)))?;
        let mut envoy = Self {
            stop: Some(stop),
            keeper: Some(keeper),
        };
        let begun = Instant::now();
        while !namespace.run(ready)? {
            let ended = envoy.keeper.as_ref().is_none_or(JoinHandle::is_finished);
            if ended || begun.elapsed() > START {
                let said = envoy.end();
                return Err(Error::because(doing, format!("it is not ready: {said}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(envoy)
    }

    /// Ends it, and gives what it said.
    pub fn end(&mut self) -> String {
        self.stop.take();
        let said = self.keeper.take().and_then(|keeper| keeper.join().ok());
        said.unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        self.end();
    }
}

/// `setpriv` has the kernel end Envoy with the thread that started it, so that thread waits.
fn command(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare", "--mount"])
        .args(["--propagation", "private", "sh", "-c", SCRIPT, "lab"])
        .arg(process::id().to_string())
        .arg(program)
        .args(["--disable-hot-restart", "--concurrency", "1", "-l", "error"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Starts it, waits for the word to end it, and gives what it said.
fn keep(mut command: Command, bootstrap: String, stopped: &Receiver<()>) -> String {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return format!("setpriv (package util-linux): {error}"),
    };
    // On a thread of its own: one that ends before it has read everything says why.
    let input = child.stdin.take();
    thread::spawn(move || input.map(|mut pipe| pipe.write_all(bootstrap.as_bytes())));
    let listening = child.stderr.take().map(|pipe| {
        thread::spawn(move || {
            let mut said = Vec::new();
            let mut pipe = pipe.take(SAID);
            pipe.read_to_end(&mut said).ok();
            io::copy(&mut pipe.into_inner(), &mut io::sink()).ok();
            String::from_utf8_lossy(&said).into_owned()
        })
    });
    while child.try_wait().is_ok_and(|ended| ended.is_none()) {
        use std::sync::mpsc::RecvTimeoutError::Timeout;
        if stopped.recv_timeout(Duration::from_millis(100)) != Err(Timeout) {
            break;
        }
    }
    finish(&mut child);
    let said = listening.and_then(|thread| thread.join().ok());
    said.unwrap_or_default()
}

fn finish(child: &mut Child) {
    child.kill().ok();
    child.wait().ok();
}

/// Whether Envoy says that it is ready, asked from inside.
fn ready() -> bool {
    let ask = || -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", ADMIN))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(SAID).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
