//! Floods: numbered packets without a pause while something else happens, denied and allowed ones at once.
//!
//! A loop of connections is too slow to see a gap of microseconds between two rulesets; a flood of packets, each
//! a new flow, sees it. The receiver counts in its own namespace. Packets that its socket could not hold are told
//! apart from packets that were lost, and an allowed flood waits for its receiver, so that there are none.

use crate::error::{Doing, Error, Result};
use crate::lab::{HostId, Lab};
use crate::socket::{raw, widen, with};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockProtocol, sendto};
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A flood of UDP packets from a host to a port of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    /// From.
    pub from: HostId,
    /// To: an address of a host, and a port that is not served.
    pub to: SocketAddr,
    /// One flow, or a new one for each packet.
    pub flows: Flows,
    /// Whether packets are expected to arrive.
    pub expected: Expected,
    /// Packets in a second at most; `None` for as many as can be.
    pub per_second: Option<u32>,
}

/// The flows of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flows {
    /// Each packet is a new flow, until the 60,000 source ports have been used.
    New,
    /// All packets are one flow.
    One,
}

/// What is expected of a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// All packets arrive: the sender never has more than a few on the way.
    Arrival,
    /// None arrives: the sender does not wait.
    Silence,
}

/// What became of a flood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Count {
    /// Packets that the kernel took.
    pub sent: u64,
    /// Packets that the kernel refused to send (a rule of the sending host itself).
    pub unsent: u64,
    /// Packets that arrived.
    pub delivered: u64,
    /// Packets that arrived at a receiver whose buffer was full.
    pub overflowed: u64,
    /// Packets that were lost on the way.
    pub lost: u64,
    /// The first arrivals.
    pub first: Vec<Arrival>,
}

/// A packet that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub number: u64,
    /// When, counted from the beginning.
    pub after: Duration,
}

/// Arrivals that are kept.
const FIRST: usize = 100;
/// Packets on the way of an allowed flood: a receiver's buffer holds more.
const WINDOW: u64 = 128;
/// A packet that has not arrived after so long is lost.
const LOST: Duration = Duration::from_millis(50);
/// The receiver is done when nothing has come for so long after the last packet was sent.
const QUIET: Duration = Duration::from_millis(100);
/// Source ports of new flows.
const PORTS: std::ops::Range<u64> = 5_000..65_000;
/// What begins the payload, and its length.
const MAGIC: [u8; 8] = *b"PLFLOOD!";
const PAYLOAD: usize = 16;
const HEADER: usize = 8;

/// What sender and receiver of a flood know of each other.
#[derive(Debug, Default)]
struct Shared {
    /// The next number expected, at the receiver.
    seen: AtomicU64,
    sent: AtomicBool,
}

impl Lab {
    /// Floods while `during` runs, and counts.
    ///
    /// # Errors
    /// If a host does not exist, a port is in use, or sockets cannot be made.
    pub fn flood<T>(
        &self,
        floods: &[Flood],
        during: impl FnOnce() -> T,
    ) -> Result<(T, Vec<Count>)> {
        let mut ready = Vec::new();
        for flood in floods {
            ready.push(self.prepare(flood)?);
        }
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (flood, (sender, receiver)) in floods.iter().zip(ready) {
                let shared = Arc::new(Shared::default());
                let theirs = Arc::clone(&shared);
                let begun = Instant::now();
                let stop = &stop;
                let send = scope.spawn(move || sender.run(flood, stop, &shared));
                let receive = scope.spawn(move || receiver.run(&theirs, begun));
                threads.push((send, receive));
            }
            // The threads end even if the job panics.
            let ending = Ending(&stop);
            let done = during();
            drop(ending);
            let mut counts = Vec::new();
            for (send, receive) in threads {
                let sent = send.join().unwrap_or_else(|panic| resume_unwind(panic))?;
                let received = receive
                    .join()
                    .unwrap_or_else(|panic| resume_unwind(panic))?;
                let arrived = received.delivered + received.overflowed;
                counts.push(Count {
                    sent: sent.sent,
                    unsent: sent.unsent,
                    lost: sent.sent.saturating_sub(arrived),
                    ..received
                });
            }
            Ok((done, counts))
        })
    }

    /// Opens both ends.
    fn prepare(&self, flood: &Flood) -> Result<(Sender, Receiver<'_>)> {
        let to = flood.to.ip();
        self.acquaint(std::iter::once((flood.from, to)))?;
        let target = self
            .hosts()
            .find(|(_, host)| host.addresses().contains(&to));
        let (_, target) =
            target.ok_or_else(|| Error::because("flooding", format!("no host has {to}")))?;
        let source = self.host(flood.from)?;
        let [v4, v6] = source.addresses();
        let own = if to.is_ipv4() { v4 } else { v6 };
        let socket = source
            .namespace()
            .run(|| raw(crate::socket::family(to), SockProtocol::Udp))??;
        let receiver = target.namespace().run(|| UdpSocket::bind(flood.to))?;
        let receiver = receiver.doing(|| format!("receiving at {}", flood.to))?;
        widen(&receiver);
        receiver
            .set_read_timeout(Some(Duration::from_millis(10)))
            .doing(|| "preparing a socket".into())?;
        let receiver = Receiver {
            socket: receiver,
            target: target.namespace(),
            port: flood.to.port(),
        };
        Ok((Sender { socket, own }, receiver))
    }
}

/// Says that it is over when it goes.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Sender {
    socket: OwnedFd,
    own: IpAddr,
}

impl Sender {
    fn run(self, flood: &Flood, stop: &AtomicBool, shared: &Shared) -> Result<Count> {
        let count = self.send(flood, stop, shared);
        // The receiver ends, whatever happened.
        shared.sent.store(true, Ordering::Release);
        count
    }

    fn send(&self, flood: &Flood, stop: &AtomicBool, shared: &Shared) -> Result<Count> {
        let mut count = Count::default();
        let begun = Instant::now();
        // Packets before this one are no longer waited for.
        let mut given_up = 0;
        let to = SocketAddr::new(flood.to.ip(), 0);
        for number in 0u64.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            if flood.expected == Expected::Arrival {
                given_up = wait_for_room(number, given_up, shared);
            }
            pace(flood.per_second, number, begun);
            let port = match flood.flows {
                Flows::New => PORTS.start + number % (PORTS.end - PORTS.start),
                Flows::One => PORTS.start,
            };
            let port = u16::try_from(port).unwrap_or(u16::MAX);
            let packet = packet(self.own, port, flood.to, number);
            let fd = self.socket.as_raw_fd();
            match with(to, |to| sendto(fd, &packet, to, MsgFlags::empty())) {
                Ok(_) => count.sent += 1,
                // A full queue and rules of the sending host: nothing went out.
                Err(Errno::EPERM | Errno::ENOBUFS | Errno::EAGAIN) => count.unsent += 1,
                // An ICMP error for an earlier packet is told here; this one was not sent.
                Err(
                    Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::EACCES,
                ) => {
                    count.unsent += 1;
                }
                Err(errno) => return Err(Error::new(format!("flooding {}", flood.to), errno)),
            }
        }
        Ok(count)
    }
}

/// Waits until few packets are on the way. Gives the number below which packets are lost by now.
fn wait_for_room(number: u64, given_up: u64, shared: &Shared) -> u64 {
    let mut waiting = None;
    loop {
        let seen = shared.seen.load(Ordering::Relaxed).max(given_up);
        if number.saturating_sub(seen) < WINDOW {
            return given_up;
        }
        let since = *waiting.get_or_insert_with(Instant::now);
        if since.elapsed() > LOST {
            return number;
        }
        thread::yield_now();
    }
}

/// Waits until it is time for a packet.
fn pace(per_second: Option<u32>, number: u64, begun: Instant) {
    // The clock is looked at every sixteenth time.
    let Some(rate) = per_second.filter(|_| number.is_multiple_of(16)) else {
        return;
    };
    let due = Duration::from_secs_f64(
        f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / f64::from(rate.max(1)),
    );
    let early = due.saturating_sub(begun.elapsed());
    if !early.is_zero() {
        thread::sleep(early);
    }
}

struct Receiver<'a> {
    socket: UdpSocket,
    target: &'a crate::Namespace,
    port: u16,
}

impl Receiver<'_> {
    fn run(self, shared: &Shared, begun: Instant) -> Result<Count> {
        let mut count = Count::default();
        let mut buffer = [0; 64];
        let mut last = Instant::now();
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(read) => {
                    let payload = buffer.get(..read).unwrap_or_default();
                    if let Some(number) = number(payload) {
                        last = Instant::now();
                        count.delivered += 1;
                        shared.seen.fetch_max(number + 1, Ordering::Relaxed);
                        if count.first.len() < FIRST {
                            let after = begun.elapsed();
                            count.first.push(Arrival { number, after });
                        }
                    }
                }
                Err(error)
                    if error.kind() == ErrorKind::WouldBlock
                        || error.kind() == ErrorKind::Interrupted =>
                {
                    if !shared.sent.load(Ordering::Acquire) {
                        last = Instant::now();
                    } else if last.elapsed() > QUIET {
                        break;
                    }
                }
                Err(error) => return Err(Error::new("receiving a flood", error)),
            }
        }
        count.overflowed = self.target.run(|| drops(self.port))?;
        Ok(count)
    }
}

/// Packets that the socket of a port could not hold, as the kernel counts them in the thread's namespace.
fn drops(port: u16) -> u64 {
    let mut drops = 0;
    for file in ["udp", "udp6"] {
        let path = format!("/proc/thread-self/net/{file}");
        for line in fs::read_to_string(path).unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            let local = words.nth(1).unwrap_or_default();
            let is_ours = local.ends_with(&format!(":{port:04X}"));
            let count = words.last().and_then(|word| word.parse::<u64>().ok());
            if is_ours && let Some(count) = count {
                drops += count;
            }
        }
    }
    drops
}

/// The number of a packet of a flood.
fn number(payload: &[u8]) -> Option<u64> {
    let rest = payload.strip_prefix(&MAGIC)?;
    Some(u64::from_be_bytes(rest.try_into().ok()?))
}

/// A UDP packet without its IP header.
fn packet(own: IpAddr, port: u16, to: SocketAddr, number: u64) -> Vec<u8> {
    let length = u16::try_from(HEADER + PAYLOAD).unwrap_or(0);
    let mut bytes = Vec::with_capacity(HEADER + PAYLOAD);
    bytes.extend(port.to_be_bytes());
    bytes.extend(to.port().to_be_bytes());
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(MAGIC);
    bytes.extend(number.to_be_bytes());
    // IPv4 does without a checksum, IPv6 does not (RFC 8200 §8.1).
    if let (IpAddr::V6(own), IpAddr::V6(to)) = (own, to.ip()) {
        let pseudo = [
            &own.octets()[..],
            &to.octets()[..],
            &[0, 17],
            &length.to_be_bytes()[..],
        ]
        .concat();
        let sum = checksum(&[pseudo, bytes.clone()].concat());
        if let Some(place) = bytes.get_mut(6..HEADER) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
    }
    bytes
}

/// The Internet checksum (RFC 1071), never zero, which would mean that there is none.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u32::from(u16::from_be_bytes([*high, *low])),
        [high] => u32::from(u16::from_be_bytes([*high, 0])),
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let sum = !u16::try_from(sum).unwrap_or(0);
    if sum == 0 { u16::MAX } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&bytes), !0xddf2);
        assert_eq!(checksum(&[0xff, 0xff]), 0xffff);
    }

    #[test]
    fn numbers_are_read_as_they_were_written() {
        let to = SocketAddr::from(([10, 0, 0, 1], 9));
        let bytes = packet([10, 0, 0, 2].into(), 7, to, 1 << 40);
        assert_eq!(number(&bytes[HEADER..]), Some(1 << 40));
        assert_eq!(number(&bytes[HEADER..20]), None);
    }
}
