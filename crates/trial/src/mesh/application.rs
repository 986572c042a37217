//! The application behind a sidecar: it answers whoever reaches it, requests as HTTP and anything else as it came.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use palisade_netlab::{Error, Namespace, Result};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What its answers contain, before its name.
pub(crate) const SIGN: &str = "x-palisade-application: ";
/// What cannot be the beginning of a request or of TLS, and comes back, with its name and an end of line.
pub(crate) const WORD: &[u8] = b"\0palisade\n";
/// The longest request.
const LONGEST: usize = 16 << 10;
/// How long it waits for a caller.
const PATIENCE: Duration = Duration::from_secs(10);

/// Ports that answer. They close with this value.
#[derive(Debug)]
pub struct Application {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Application {
    /// Opens ports in a namespace, for IPv4 and IPv6, under a name of letters that a header can carry.
    ///
    /// # Errors
    /// If one cannot be opened.
    pub fn open(namespace: &Namespace, ports: &[u16], name: &str) -> Result<Self> {
        let open = |port: &u16| {
            let opened = bind(*port);
            opened.map_err(|e| Error::new(format!("opening port {port} of {name}"), e))
        };
        let listeners = namespace.run(|| ports.iter().map(open).collect::<Result<Vec<_>>>())??;
        let over = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&over);
        let name: String = name.chars().filter(char::is_ascii_graphic).collect();
        let name: Arc<str> = name.into();
        let thread = thread::spawn(move || serve(&listeners, &name, &ending));
        Ok(Self {
            over,
            thread: Some(thread),
        })
    }
}

/// A port that somebody has just closed can be taken a little longer: a process that another thread starts has all
/// sockets until it becomes its program.
fn bind(port: u16) -> io::Result<TcpListener> {
    let begun = Instant::now();
    loop {
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
            Err(e) if e.kind() == ErrorKind::AddrInUse && begun.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error),
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                return Ok(listener);
            }
        }
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn serve(listeners: &[TcpListener], name: &Arc<str>, over: &AtomicBool) {
    let pause = PollTimeout::from(50u16);
    while !over.load(Ordering::Relaxed) {
        let mut waiting: Vec<PollFd<'_>> = listeners
            .iter()
            .map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN))
            .collect();
        poll(&mut waiting, pause).ok();
        for listener in listeners {
            while let Ok((stream, _)) = listener.accept() {
                let name = Arc::clone(name);
                thread::spawn(move || answer(stream, &name));
            }
        }
    }
}

fn answer(mut stream: TcpStream, name: &str) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut seen = Vec::new();
    let mut block = [0; 4096];
    while seen.len() < LONGEST {
        let count = stream.read(&mut block)?;
        seen.extend(block.iter().take(count));
        if seen == WORD {
            return stream.write_all(&[WORD, name.as_bytes(), b"\n"].concat());
        }
        let complete = seen.windows(4).any(|four| four == b"\r\n\r\n");
        if count == 0 || complete {
            break;
        }
        // TLS that nobody has terminated is nothing that it understands.
        if seen.first() == Some(&0x16) {
            return Ok(());
        }
    }
    stream.write_all(
        format!(
            "HTTP/1.1 200 OK\r\n{SIGN}{name}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .as_bytes(),
    )
}
