//! The application behind a sidecar: it answers whoever reaches it, requests as HTTP and anything else as it came.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use palisade_netlab::{Error, Namespace, Result};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What its answers contain.
pub(crate) const SIGN: &str = "x-palisade-application: yes";
/// What cannot be the beginning of a request or of TLS, and comes back.
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
    /// Opens ports in a namespace.
    ///
    /// # Errors
    /// If one cannot be opened.
    pub fn open(namespace: &Namespace, ports: &[u16]) -> Result<Self> {
        let open = |port: &u16| {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listeners = namespace.run(|| ports.iter().map(open).collect::<io::Result<Vec<_>>>())?;
        let listeners = listeners.map_err(|e| Error::new("opening an application's ports", e))?;
        let over = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&over);
        let thread = thread::spawn(move || serve(&listeners, &ending));
        Ok(Self {
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

fn serve(listeners: &[TcpListener], over: &AtomicBool) {
    let pause = PollTimeout::from(50u16);
    while !over.load(Ordering::Relaxed) {
        let mut waiting: Vec<PollFd<'_>> = listeners
            .iter()
            .map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN))
            .collect();
        poll(&mut waiting, pause).ok();
        for listener in listeners {
            while let Ok((stream, _)) = listener.accept() {
                thread::spawn(move || answer(stream));
            }
        }
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut seen = Vec::new();
    let mut block = [0; 4096];
    while seen.len() < LONGEST {
        let count = stream.read(&mut block)?;
        seen.extend(block.iter().take(count));
        if seen == WORD {
            return stream.write_all(WORD);
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
        format!("HTTP/1.1 200 OK\r\n{SIGN}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            .as_bytes(),
    )
}
