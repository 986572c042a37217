//! One run: the sockets of many probes, and what comes back on them, under one `epoll`.

use super::{Answer, Evidence, Outcome, Patience, Probe};
use crate::error::{Doing, Result};
use crate::lab::{HostId, Lab};
use crate::responder::{question, read_answer};
use crate::sctp::{Chunk, Packet, after_ipv4};
use crate::socket::{family, open, raw, with};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{
    MsgFlags, SockProtocol, SockType, connect, getsockopt, recv, send, sendto, setsockopt, sockopt,
};
use palisade_netmodel::Protocol;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// After so many new sockets their answers are read, lest queues overflow.
const STRIDE: usize = 128;

/// Keys of the poll from here on are those of raw sockets.
const RAW: u64 = 1 << 32;

/// The probes of one window.
pub(super) struct Run<'a> {
    lab: &'a Lab,
    epoll: Epoll,
    probes: Vec<State>,
    attempts: Vec<Attempt>,
    raws: Vec<OwnedFd>,
    /// The raw socket of a host and family.
    raw_of: BTreeMap<(HostId, bool), usize>,
    /// The attempt of a token.
    tokens: BTreeMap<u32, usize>,
}

/// What is known of a probe.
struct State {
    probe: Probe,
    answer: Answer,
    /// Nothing more is waited for.
    settled: bool,
}

/// One try.
struct Attempt {
    state: usize,
    token: u32,
    sent: Instant,
    number: usize,
    io: Io,
}

enum Io {
    Tcp(OwnedFd),
    Udp(OwnedFd),
    /// The raw socket is shared.
    Sctp,
    Closed,
}

impl<'a> Run<'a> {
    pub(super) fn new(lab: &'a Lab, probes: &[(usize, Probe)]) -> Result<Self> {
        let state = |(_, probe): &(usize, Probe)| State {
            probe: *probe,
            answer: Answer {
                outcome: Outcome::Silent,
                by: None,
                evidence: Evidence::Nothing,
                tries: 0,
                after: Duration::ZERO,
            },
            settled: false,
        };
        Ok(Self {
            lab,
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).doing(|| "making a poll".into())?,
            probes: probes.iter().map(state).collect(),
            attempts: Vec::new(),
            raws: Vec::new(),
            raw_of: BTreeMap::new(),
            tokens: BTreeMap::new(),
        })
    }

    pub(super) fn run(mut self, patience: &Patience) -> Result<Vec<Answer>> {
        let least = [Duration::from_millis(100)];
        let tries = if patience.0.is_empty() {
            &least[..]
        } else {
            patience.0.as_slice()
        };
        for (number, wait) in (1..).zip(tries) {
            self.start(number)?;
            let deadline = Instant::now() + *wait;
            while self.open() > 0 {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                self.read(left)?;
            }
            if self.open() == 0 {
                break;
            }
            // What arrived is answered now, and the answers are here.
            self.lab.responder().settle()?;
            while self.read(Duration::ZERO)? {}
            self.look_at_notes();
        }
        Ok(self.probes.into_iter().map(|state| state.answer).collect())
    }

    /// How many probes wait for something.
    fn open(&self) -> usize {
        self.probes.iter().filter(|state| !state.settled).count()
    }

    /// Tries everything that is still silent.
    fn start(&mut self, number: usize) -> Result<()> {
        let mut inside = None;
        let mut since_read = 0;
        for state in 0..self.probes.len() {
            let Some(State {
                probe,
                answer,
                settled: false,
            }) = self.probes.get_mut(state)
            else {
                continue;
            };
            if answer.outcome == Outcome::Passed {
                // Connected, and its name still to come.
                continue;
            }
            answer.tries = number;
            let probe = *probe;
            if inside != Some(probe.from) {
                self.lab.host(probe.from)?.namespace().enter()?;
                inside = Some(probe.from);
            }
            let token = self.lab.responder().token();
            let begun = self.begin(probe, token, self.attempts.len());
            let sent = Instant::now();
            let (io, errno) = begun?;
            self.tokens.insert(token, self.attempts.len());
            self.attempts.push(Attempt {
                state,
                token,
                sent,
                number,
                io,
            });
            if let Some(errno) = errno {
                self.failed_at_once(self.attempts.len() - 1, errno);
            }
            since_read += 1;
            if since_read % STRIDE == 0 {
                self.read(Duration::ZERO)?;
            }
        }
        Ok(())
    }

    /// Sends the first packet; the error is what the system says at once.
    fn begin(&mut self, probe: Probe, token: u32, attempt: usize) -> Result<(Io, Option<Errno>)> {
        let family = family(probe.to.ip());
        let key = u64::try_from(attempt).unwrap_or(0);
        let both = EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT | EpollFlags::EPOLLET;
        let polling = || "adding to a poll".into();
        Ok(match probe.protocol {
            Protocol::Tcp => {
                let socket = open(family, SockType::Stream, SockProtocol::Tcp)?;
                // Closing resets: a thousand connections in TIME_WAIT would take ports from later ones.
                let reset = nix::libc::linger {
                    l_onoff: 1,
                    l_linger: 0,
                };
                setsockopt(&socket, sockopt::Linger, &reset).doing(polling)?;
                let said = with(probe.to, |to| connect(socket.as_raw_fd(), to)).err();
                let said = said.filter(|errno| *errno != Errno::EINPROGRESS);
                self.epoll
                    .add(&socket, EpollEvent::new(both, key))
                    .doing(polling)?;
                (Io::Tcp(socket), said)
            }
            Protocol::Udp => {
                let socket = open(family, SockType::Datagram, SockProtocol::Udp)?;
                let fd = socket.as_raw_fd();
                let connected = with(probe.to, |to| connect(fd, to));
                let sent = connected.and_then(|()| send(fd, &question(token), MsgFlags::empty()));
                let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, key);
                self.epoll.add(&socket, event).doing(polling)?;
                (Io::Udp(socket), sent.err())
            }
            Protocol::Sctp => {
                let fd = self.raw_socket(probe)?;
                let packet = Packet {
                    source: source_port(token),
                    destination: probe.to.port(),
                    tag: 0,
                    chunk: Chunk::Init { tag: token },
                };
                // Raw sockets take no port.
                let to = SocketAddr::new(probe.to.ip(), 0);
                let bytes = packet.bytes();
                let sent = with(to, |to| sendto(fd, &bytes, to, MsgFlags::empty()));
                (Io::Sctp, sent.err())
            }
        })
    }

    /// The raw socket of the host that probes. The thread is inside of it.
    fn raw_socket(&mut self, probe: Probe) -> Result<i32> {
        let key = (probe.from, probe.to.is_ipv4());
        if let Some(socket) = self.raw_of.get(&key).and_then(|n| self.raws.get(*n)) {
            return Ok(socket.as_raw_fd());
        }
        let socket = raw(family(probe.to.ip()), SockProtocol::Sctp)?;
        let number = self.raws.len();
        // The lowest bit says which family: IPv4 packets come with their header.
        let event_key = RAW + 2 * u64::try_from(number).unwrap_or(0) + u64::from(key.1);
        let event = EpollEvent::new(EpollFlags::EPOLLIN, event_key);
        self.epoll
            .add(&socket, event)
            .doing(|| "adding to a poll".into())?;
        let fd = socket.as_raw_fd();
        self.raws.push(socket);
        self.raw_of.insert(key, number);
        Ok(fd)
    }

    /// Reads what there is, after waiting for at most so long. Says whether there was something.
    fn read(&mut self, wait: Duration) -> Result<bool> {
        let mut events = [EpollEvent::empty(); 256];
        let wait = u16::try_from(wait.as_millis().saturating_add(u128::from(!wait.is_zero())));
        let wait = wait.map_or(EpollTimeout::MAX, EpollTimeout::from);
        let count = match self.epoll.wait(&mut events, wait) {
            Err(Errno::EINTR) => return Ok(true),
            other => other.doing(|| "polling".into())?,
        };
        for event in events.iter().take(count) {
            if event.data() >= RAW {
                self.read_raw(event.data() - RAW);
            } else if let Ok(attempt) = usize::try_from(event.data()) {
                self.read_socket(attempt);
            }
        }
        Ok(count > 0)
    }

    fn read_socket(&mut self, attempt: usize) {
        let Some(Attempt { io, token, .. }) = self.attempts.get(attempt) else {
            return;
        };
        let token = *token;
        let mut buffer = [0; 64];
        match io {
            Io::Tcp(socket) => {
                let said = getsockopt(socket, sockopt::SocketError).map(Errno::from_raw);
                match said {
                    Ok(errno) if errno == Errno::from_raw(0) => {}
                    Ok(errno) | Err(errno) => return self.failed(attempt, errno),
                }
                match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                    Ok(4) => {
                        let name = buffer.first_chunk().copied().map(u32::from_be_bytes);
                        self.passed(attempt, Evidence::Named, name.map(HostId));
                    }
                    // Ended without a name.
                    Ok(_) | Err(Errno::ECONNRESET) => {
                        self.passed(attempt, Evidence::Connected, None)
                    }
                    Err(Errno::EAGAIN) => self.connected(attempt),
                    Err(errno) => self.failed(attempt, errno),
                }
            }
            Io::Udp(socket) => match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(count) => {
                    let answer = buffer.get(..count).and_then(read_answer);
                    if let Some((_, host)) = answer.filter(|(number, _)| *number == token) {
                        self.passed(attempt, Evidence::Named, Some(host));
                    }
                }
                Err(Errno::EAGAIN) => {}
                Err(errno) => self.failed(attempt, errno),
            },
            Io::Sctp | Io::Closed => {}
        }
    }

    fn read_raw(&mut self, key: u64) {
        let socket = usize::try_from(key / 2).ok().and_then(|n| self.raws.get(n));
        let Some(fd) = socket.map(AsRawFd::as_raw_fd) else {
            return;
        };
        let mut buffer = [0; 256];
        while let Ok(count) = recv(fd, &mut buffer, MsgFlags::empty()) {
            let packet = buffer.get(..count);
            let packet = if key % 2 == 1 {
                packet.and_then(after_ipv4)
            } else {
                packet
            };
            let Some(packet) = packet.and_then(Packet::read) else {
                continue;
            };
            let Some(attempt) = self.tokens.get(&packet.tag).copied() else {
                continue;
            };
            match packet.chunk {
                Chunk::InitAck { host, .. } => {
                    self.passed(attempt, Evidence::Named, Some(HostId(host)));
                }
                Chunk::Abort => self.conclude(attempt, Outcome::Refused, Evidence::Abort, None),
                Chunk::Init { .. } => {}
            }
        }
    }

    /// Packets that arrived without an answer.
    fn look_at_notes(&mut self) {
        let responder = self.lab.responder();
        let found: Vec<(usize, HostId)> = self
            .attempts
            .iter()
            .enumerate()
            .filter(|(_, attempt)| matches!(attempt.io, Io::Udp(_) | Io::Sctp))
            .filter_map(|(number, attempt)| Some((number, responder.arrived(attempt.token)?)))
            .collect();
        for (attempt, host) in found {
            self.passed(attempt, Evidence::Arrived, Some(host));
        }
    }

    fn passed(&mut self, attempt: usize, evidence: Evidence, by: Option<HostId>) {
        self.conclude(attempt, Outcome::Passed, evidence, by);
        if let Some(attempt) = self.attempts.get_mut(attempt) {
            attempt.io = Io::Closed;
        }
    }

    /// The handshake is complete: that is passage, and the name may still come.
    fn connected(&mut self, attempt: usize) {
        let Some(state) = self.attempts.get(attempt).map(|attempt| attempt.state) else {
            return;
        };
        let settled = self.probes.get(state).is_some_and(|state| state.settled);
        self.conclude(attempt, Outcome::Passed, Evidence::Connected, None);
        if let Some(state) = self.probes.get_mut(state) {
            state.settled = settled;
        }
    }

    /// An error that came later: somebody said no, or the system gave up.
    fn failed(&mut self, attempt: usize, errno: Errno) {
        if errno != Errno::ETIMEDOUT {
            self.conclude(
                attempt,
                Outcome::Refused,
                Evidence::System(errno as i32),
                None,
            );
        }
        if let Some(attempt) = self.attempts.get_mut(attempt) {
            attempt.io = Io::Closed;
        }
    }

    /// An error at once: a rule of the sending host itself, an answer over loopback, or no way to send.
    fn failed_at_once(&mut self, attempt: usize, errno: Errno) {
        match errno {
            Errno::EPERM => {}
            Errno::ECONNREFUSED => self.failed(attempt, errno),
            _ => self.conclude(
                attempt,
                Outcome::Error,
                Evidence::System(errno as i32),
                None,
            ),
        }
    }

    /// Notes what became of an attempt.
    fn conclude(
        &mut self,
        attempt: usize,
        outcome: Outcome,
        evidence: Evidence,
        by: Option<HostId>,
    ) {
        let Some(attempt) = self.attempts.get(attempt) else {
            return;
        };
        let Some(state) = self.probes.get_mut(attempt.state) else {
            return;
        };
        let known = &mut state.answer;
        if is_better((outcome, evidence), (known.outcome, known.evidence)) {
            *known = Answer {
                outcome,
                by,
                evidence,
                tries: attempt.number,
                after: attempt.sent.elapsed(),
            };
        }
        state.settled = true;
    }
}

/// Whether something new replaces what is known. Passage is never taken back; a name is better than none, anything
/// better than silence.
fn is_better(new: (Outcome, Evidence), known: (Outcome, Evidence)) -> bool {
    match (known.0, new.0) {
        (Outcome::Passed, Outcome::Passed) => new.1 < known.1,
        (Outcome::Passed, _) => false,
        (_, Outcome::Passed) | (Outcome::Silent, _) => true,
        _ => false,
    }
}

/// A source port that differs between tries.
fn source_port(token: u32) -> u16 {
    let number = u16::try_from(token % 50_000).unwrap_or(0);
    number + 10_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passage_is_never_taken_back() {
        let named = (Outcome::Passed, Evidence::Named);
        let arrived = (Outcome::Passed, Evidence::Arrived);
        let refused = (Outcome::Refused, Evidence::Abort);
        let silent = (Outcome::Silent, Evidence::Nothing);
        assert!(is_better(arrived, silent) && is_better(arrived, refused));
        assert!(is_better(named, arrived) && !is_better(arrived, named));
        for other in [refused, silent, (Outcome::Error, Evidence::System(1))] {
            assert!(!is_better(other, arrived), "{other:?}");
        }
        assert!(is_better(refused, silent) && !is_better(silent, refused));
    }

    #[test]
    fn two_tries_of_a_probe_come_from_different_ports() {
        assert_ne!(source_port(7), source_port(8));
        assert!(source_port(u32::MAX) >= 10_000);
    }
}
