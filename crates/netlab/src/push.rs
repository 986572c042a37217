//! The server's side of streams: one thread each pushes a record every few milliseconds until the other side ends, the
//! lab ends, or the system gives up.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The time between two records.
pub(crate) const EVERY: Duration = Duration::from_millis(5);
/// A record: its number.
pub(crate) const RECORD: usize = 8;
/// A stream that nobody ends is ended.
const LONGEST: Duration = Duration::from_secs(3_600);
/// Streams at once, a thread each.
const MAX_STREAMS: usize = 1_024;

/// What is pushed, by the token of the wish.
#[derive(Debug, Default)]
pub(crate) struct Pushes {
    streams: Mutex<BTreeMap<u32, Arc<Push>>>,
}

/// One stream, as its server sees it.
#[derive(Debug, Default)]
pub(crate) struct Push {
    /// Records given to the kernel.
    pub(crate) sent: AtomicU64,
    /// The server has given up: reset, or an error.
    pub(crate) broken: AtomicBool,
    /// It shall end.
    stop: AtomicBool,
}

impl Pushes {
    /// The stream of a token, once its wish has arrived.
    pub(crate) fn of(&self, token: u32) -> Option<Arc<Push>> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.get(&token).map(Arc::clone)
    }

    /// Ends a stream.
    pub(crate) fn end(&self, token: u32) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(push) = streams.remove(&token) {
            push.stop.store(true, Ordering::Relaxed);
        }
    }

    /// Pushes over a connection.
    pub(crate) fn push_tcp(&self, token: u32, mut stream: TcpStream) {
        // A full buffer is not waited for: the record is dropped, and the next one tried.
        self.begin(token, move |record| match stream.write(record) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(0),
            other => other,
        });
    }

    /// Pushes datagrams. A copy of the wish is no second stream.
    pub(crate) fn push_udp(&self, token: u32, socket: &UdpSocket, to: SocketAddr) {
        if let Ok(socket) = socket.try_clone() {
            self.begin(token, move |record| {
                // An error of one datagram, as when a rule rejects it, ends nothing.
                Ok(socket.send_to(record, to).unwrap_or(0))
            });
        }
    }

    fn begin(
        &self,
        token: u32,
        mut write: impl FnMut(&[u8]) -> std::io::Result<usize> + Send + 'static,
    ) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.contains_key(&token) || streams.len() >= MAX_STREAMS {
            return;
        }
        let push = Arc::new(Push::default());
        let own = Arc::clone(&push);
        let begun = Instant::now();
        let thread = thread::Builder::new().name("push".into()).spawn(move || {
            for number in 0u64.. {
                if own.stop.load(Ordering::Relaxed) || begun.elapsed() > LONGEST {
                    return;
                }
                if write(&number.to_be_bytes()).is_err() {
                    own.broken.store(true, Ordering::Relaxed);
                    return;
                }
                own.sent.fetch_add(1, Ordering::Relaxed);
                thread::sleep(EVERY);
            }
        });
        if thread.is_ok() {
            streams.insert(token, push);
        }
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        let streams = self
            .streams
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        for push in streams.values() {
            push.stop.store(true, Ordering::Relaxed);
        }
    }
}
