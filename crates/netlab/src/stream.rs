//! Established streams: a server pushes records to its caller. Does a change of rules end them, when, and how?

use crate::error::{Doing, Error, Result};
use crate::lab::{HostId, Lab};
use crate::push::{EVERY, Push, RECORD};
use crate::responder::{Responder, wish};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use palisade_netmodel::Protocol;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// An open stream. It ends with this value.
#[derive(Debug)]
pub struct Stream<'a> {
    responder: &'a Responder,
    token: u32,
    socket: Socket,
    push: Arc<Push>,
    ended: Option<StreamState>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

/// How a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamState {
    /// Records come.
    Flowing,
    /// Records are sent, and none comes.
    Silent,
    /// The connection was reset.
    Reset,
    /// The other side closed it.
    Closed,
    /// Another error of the system.
    Broken(i32),
}

/// What was seen while a stream was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How it was at the end.
    pub state: StreamState,
    /// Records that came.
    pub records: u64,
    /// When the last one came, counted from the beginning of watching.
    pub last: Duration,
}

/// How long a connection may take, and its first record.
const OPENING: Duration = Duration::from_secs(5);
/// Silence is believed only after the server has sent so many records that did not come.
const UNSEEN: u64 = 10;

impl Lab {
    /// Opens a stream to a port that is served, and waits for its first record. TCP and UDP alone.
    ///
    /// # Errors
    /// If it cannot be opened or nothing comes.
    pub fn stream(&self, from: HostId, to: SocketAddr, protocol: Protocol) -> Result<Stream<'_>> {
        let what = || format!("opening a stream to {to} {protocol}");
        self.acquaint(std::iter::once((from, to.ip())))?;
        let token = self.responder().token();
        let socket = self
            .inside(from, || connect(to, protocol, token))?
            .doing(what)?;
        let begun = Instant::now();
        let push = loop {
            if let Some(push) = self.responder().pushes().of(token) {
                break push;
            }
            if begun.elapsed() > OPENING {
                return Err(Error::because(what(), "no server answers"));
            }
            std::thread::sleep(EVERY);
        };
        let mut stream = Stream {
            responder: self.responder(),
            token,
            socket,
            push,
            ended: None,
        };
        let seen = stream.watch_until(OPENING, OPENING, 1)?;
        if seen.state == StreamState::Flowing && seen.records > 0 {
            return Ok(stream);
        }
        Err(Error::because(what(), format!("it is {:?}", seen.state)))
    }
}

impl Stream<'_> {
    /// Watches for at most `most`. A stream is silent once nothing has come for `quiet`, and the server has
    /// gone on sending.
    ///
    /// # Errors
    /// If the socket cannot be used.
    pub fn watch(&mut self, most: Duration, quiet: Duration) -> Result<Seen> {
        // What has come before is not of now.
        while self.ended.is_none() && self.read(Duration::ZERO)? {}
        self.watch_until(most, quiet, u64::MAX)
    }

    /// Whether the server's side was reset or gave up.
    #[must_use]
    pub fn server_gave_up(&self) -> bool {
        self.push.broken.load(Ordering::Relaxed)
    }

    fn watch_until(&mut self, most: Duration, quiet: Duration, enough: u64) -> Result<Seen> {
        let begun = Instant::now();
        let mut seen = Seen {
            state: StreamState::Flowing,
            records: 0,
            last: Duration::ZERO,
        };
        let mut sent_then = self.push.sent.load(Ordering::Relaxed);
        loop {
            if let Some(ended) = self.ended {
                seen.state = ended;
                return Ok(seen);
            }
            let came = self.read(quiet.min(EVERY * 4))?;
            let now = begun.elapsed();
            let sent = self.push.sent.load(Ordering::Relaxed);
            if came {
                seen.records += 1;
                seen.last = now;
                sent_then = sent;
                if seen.records >= enough {
                    return Ok(seen);
                }
            } else if now.saturating_sub(seen.last) >= quiet && sent >= sent_then + UNSEEN {
                seen.state = StreamState::Silent;
                return Ok(seen);
            }
            // A server that gave up sends nothing more, and nothing more will come.
            let abandoned =
                !came && self.server_gave_up() && now.saturating_sub(seen.last) >= quiet;
            if abandoned {
                seen.state = StreamState::Silent;
                return Ok(seen);
            }
            if now >= most {
                return Ok(seen);
            }
        }
    }

    /// Waits for one record; notes the end of the stream.
    fn read(&mut self, wait: Duration) -> Result<bool> {
        let mut record = [0; RECORD];
        let setting = || "setting a socket's patience".into();
        // Zero would mean for ever.
        let wait = Some(wait.max(Duration::from_micros(1)));
        let read = match &mut self.socket {
            Socket::Tcp(stream) => {
                stream.set_read_timeout(wait).doing(setting)?;
                stream.read(&mut record)
            }
            Socket::Udp(socket) => {
                socket.set_read_timeout(wait).doing(setting)?;
                socket.recv(&mut record)
            }
        };
        self.ended = match read {
            Ok(0) => Some(StreamState::Closed),
            Ok(_) => return Ok(true),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => None,
                ErrorKind::ConnectionReset => Some(StreamState::Reset),
                _ => Some(StreamState::Broken(error.raw_os_error().unwrap_or(0))),
            },
        };
        Ok(false)
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        self.responder.pushes().end(self.token);
    }
}

/// Connects and asks for records, inside of the caller's namespace.
fn connect(to: SocketAddr, protocol: Protocol, token: u32) -> io::Result<Socket> {
    match protocol {
        Protocol::Tcp => {
            let mut stream = TcpStream::connect_timeout(&to, OPENING)?;
            // No connection is left in TIME_WAIT.
            let reset = nix::libc::linger {
                l_onoff: 1,
                l_linger: 0,
            };
            setsockopt(&stream, sockopt::Linger, &reset)?;
            stream.set_read_timeout(Some(OPENING))?;
            // The name comes first.
            stream.read_exact(&mut [0; 4])?;
            stream.write_all(&wish(token))?;
            Ok(Socket::Tcp(stream))
        }
        Protocol::Udp => {
            let any: SocketAddr = if to.is_ipv4() {
                ([0; 4], 0).into()
            } else {
                ([0; 16], 0).into()
            };
            let socket = UdpSocket::bind(any)?;
            socket.connect(to)?;
            socket.send(&wish(token))?;
            Ok(Socket::Udp(socket))
        }
        Protocol::Sctp => Err(Errno::EPROTONOSUPPORT.into()),
    }
}
