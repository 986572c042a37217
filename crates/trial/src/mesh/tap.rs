//! What arrives at a pod on the wire, before its sidecar: in the clear, as mTLS of the mesh, or as other TLS.

use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};
use palisade_netlab::{Error, HostId, Lab, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

/// The loopback interface, on which a sidecar and its application speak.
const LOOPBACK: usize = 1;
/// What begins with this byte is a handshake of TLS.
const HANDSHAKE: u8 = 0x16;
/// And with this one what comes after it.
const ENCRYPTED: u8 = 0x17;
/// `IPPROTO_TCP`.
const TCP: u8 = 6;
/// The largest frame, with what the kernel has not cut yet.
const LONGEST: usize = 1 << 17;
/// What a socket keeps until somebody looks, if the kernel lets it.
const KEPT: usize = 4 << 20;

/// What was seen of the bytes that callers sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnWire {
    /// What a process wrote.
    Clear,
    /// A handshake that offers the mesh's application protocols.
    Mesh,
    /// Another handshake.
    Tls,
}

/// What callers sent: by their address, and the port that they called.
type Kept = BTreeMap<(IpAddr, u16), BTreeSet<OnWire>>;

/// A socket that sees every frame of a pod.
#[derive(Debug)]
pub struct Tap {
    socket: OwnedFd,
    own: [IpAddr; 2],
    kept: Mutex<Kept>,
}

impl Tap {
    /// Looks at a pod from now on.
    ///
    /// # Errors
    /// If there is no such pod, or the right is missing.
    pub fn open(lab: &Lab, pod: HostId) -> Result<Self> {
        let open = || {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let all = SockProtocol::EthAll;
            let socket = socket(AddressFamily::Packet, SockType::Raw, flags, all)?;
            setsockopt(&socket, sockopt::RcvBuf, &KEPT)?;
            Ok::<_, nix::Error>(socket)
        };
        let failed = |error| Error::new("looking at what arrives at a pod", error);
        let host = lab.host(pod)?;
        Ok(Self {
            socket: lab.inside(pod, open)?.map_err(failed)?,
            own: [host.v4, host.v6],
            kept: Mutex::default(),
        })
    }

    /// What a caller sent to a port since the last look.
    pub fn look(&self, from: IpAddr, port: u16) -> BTreeSet<OnWire> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut frame = vec![0; LONGEST];
        while let Ok((length, seen)) = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame) {
            let outside = seen.is_some_and(|seen| seen.ifindex() != LOOPBACK);
            let frame = frame.get(..length).unwrap_or_default();
            let Some(said) = segment(frame).filter(|said| outside && self.own.contains(&said.to))
            else {
                continue;
            };
            let all = kept.entry((said.from, said.port)).or_default();
            all.extend(wire(said.bytes));
        }
        kept.remove(&(from, port)).unwrap_or_default()
    }
}

/// Some bytes of a connection.
#[derive(Debug, PartialEq, Eq)]
struct Said<'f> {
    from: IpAddr,
    to: IpAddr,
    port: u16,
    bytes: &'f [u8],
}

/// What a frame of TCP carries, if it carries something.
fn segment(frame: &[u8]) -> Option<Said<'_>> {
    let (ethernet, packet) = frame.split_at_checked(14)?;
    let number = |bytes: &[u8], at: usize| {
        let two = bytes.get(at..at + 2)?;
        Some(u16::from_be_bytes(two.try_into().ok()?))
    };
    let (from, to, header, total): (IpAddr, IpAddr, usize, u16) = match ethernet.get(12..)? {
        [0x08, 0x00] if packet.get(9) == Some(&TCP) => {
            let address = |at: usize| {
                let four: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(Ipv4Addr::from(four).into())
            };
            let header = usize::from(packet.first()? & 15) * 4;
            (address(12)?, address(16)?, header, number(packet, 2)?)
        }
        [0x86, 0xdd] if packet.get(6) == Some(&TCP) => {
            let address = |at: usize| {
                let sixteen: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(Ipv6Addr::from(sixteen).into())
            };
            let total = match number(packet, 4)? {
                0 => 0,
                length => length.saturating_add(40),
            };
            (address(8)?, address(24)?, 40, total)
        }
        _ => return None,
    };
    // Segments that the kernel has not cut yet say nothing of their length; behind short ones there is padding.
    let packet = match total {
        0 => packet,
        total => packet.get(..total.into())?,
    };
    let tcp = packet.get(header..)?;
    let bytes = tcp.get(usize::from(tcp.get(12)? >> 4) * 4..)?;
    let port = number(tcp, 2)?;
    (!bytes.is_empty()).then_some(Said {
        from,
        to,
        port,
        bytes,
    })
}

fn wire(said: &[u8]) -> Option<OnWire> {
    match said {
        [HANDSHAKE, ..] if said.windows(5).any(|five| five == b"istio") => Some(OnWire::Mesh),
        // The client's own part of the handshake; its second one is nothing new.
        [HANDSHAKE, _, _, _, _, 1, ..] => Some(OnWire::Tls),
        [HANDSHAKE | ENCRYPTED | 0x14 | 0x15, ..] => None,
        _ => Some(OnWire::Clear),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame with a header of TCP without options, and padding behind it.
    fn frame(v6: bool, port: u16, bytes: &[u8]) -> Vec<u8> {
        let mut tcp = vec![0; 20];
        tcp[2..4].copy_from_slice(&port.to_be_bytes());
        tcp[12] = 5 << 4;
        tcp.extend(bytes);
        let length = u16::try_from(tcp.len()).unwrap();
        let mut ip = if v6 {
            let mut ip = vec![0; 40];
            ip[4..6].copy_from_slice(&length.to_be_bytes());
            ip[6] = TCP;
            ip[8..24].copy_from_slice(&"fd00::1".parse::<Ipv6Addr>().unwrap().octets());
            ip[24..40].copy_from_slice(&"fd00::2".parse::<Ipv6Addr>().unwrap().octets());
            ip
        } else {
            let mut ip = vec![0; 20];
            ip[0] = 0x45;
            ip[2..4].copy_from_slice(&(length + 20).to_be_bytes());
            ip[9] = TCP;
            ip[12..16].copy_from_slice(&[10, 0, 0, 1]);
            ip[16..20].copy_from_slice(&[10, 0, 0, 2]);
            ip
        };
        let mut frame = vec![0; 12];
        frame.extend(if v6 { [0x86, 0xdd] } else { [8, 0] });
        frame.append(&mut ip);
        frame.extend(tcp);
        frame.extend([0; 6]);
        frame
    }

    #[test]
    fn what_frames_carry() {
        for v6 in [false, true] {
            let said = frame(v6, 5432, b"hello");
            let found = segment(&said).unwrap();
            assert_eq!((found.port, found.bytes), (5432, &b"hello"[..]));
            let ends: [&str; 2] = if v6 {
                ["fd00::1", "fd00::2"]
            } else {
                ["10.0.0.1", "10.0.0.2"]
            };
            assert_eq!([found.from.to_string(), found.to.to_string()], ends);
            assert_eq!(segment(&frame(v6, 5432, b"")), None);
            // Whatever is missing, nothing is read beyond it.
            for cut in 0..said.len() {
                segment(&said[..cut]);
            }
        }
        let mut udp = frame(false, 53, b"hello");
        udp[14 + 9] = 17;
        assert_eq!(segment(&udp), None);
    }

    #[test]
    fn what_bytes_are() {
        let hello = |rest: &[u8]| [&[HANDSHAKE, 3, 1, 0, 9, 1], rest].concat();
        assert_eq!(wire(&hello(b"..istio..")), Some(OnWire::Mesh));
        assert_eq!(wire(&hello(b"..h2..")), Some(OnWire::Tls));
        assert_eq!(wire(&[HANDSHAKE, 3, 3, 0, 9, 16]), None);
        assert_eq!(wire(&[ENCRYPTED, 3, 3]), None);
        assert_eq!(wire(b"GET / HTTP/1.1"), Some(OnWire::Clear));
    }
}
