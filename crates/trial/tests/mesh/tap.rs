//! What arrives at a pod on the wire, before its sidecar: in the clear, as mTLS of the mesh, or as other TLS.

use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt,
};
use palisade_netlab::{Host, HostId, Lab};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

/// The interface of a pod to the outside.
const OUTSIDE: usize = 100;
/// What begins with this byte is a handshake of TLS.
const HANDSHAKE: u8 = 0x16;
/// And with this one what comes after it.
const ENCRYPTED: u8 = 0x17;

/// What was seen of the bytes that callers sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wire {
    /// What a process wrote.
    Clear,
    /// A handshake that offers the mesh's application protocols.
    Mesh,
    /// Another handshake.
    Tls,
}

/// A socket that sees every frame of a pod.
pub(crate) struct Tap {
    socket: OwnedFd,
    address: IpAddr,
}

impl Tap {
    pub(crate) fn open(lab: &Lab, pod: HostId) -> Self {
        let open = || {
            let socket = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
                SockProtocol::EthAll,
            );
            let socket = socket.unwrap();
            setsockopt(&socket, sockopt::RcvBuf, &(4 << 20)).unwrap();
            socket
        };
        let host: &Host = lab.host(pod).unwrap();
        Self {
            socket: lab.inside(pod, open).unwrap(),
            address: host.v4,
        }
    }

    /// What was sent to a port since the last look.
    pub(crate) fn look(&self, port: u16) -> BTreeSet<Wire> {
        let mut found = BTreeSet::new();
        let mut frame = vec![0; 1 << 17];
        loop {
            let read = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut frame);
            let Ok((length, from)) = read else {
                return found;
            };
            let outside = from.is_some_and(|from| from.ifindex() == OUTSIDE);
            if outside && let Some(said) = payload(&frame[..length], self.address, port) {
                found.extend(wire(said));
            }
        }
    }
}

/// The bytes of a TCP segment to a port of an IPv4 address.
fn payload(frame: &[u8], to: IpAddr, port: u16) -> Option<&[u8]> {
    let IpAddr::V4(to) = to else { return None };
    let (ethernet, packet) = frame.split_at_checked(14)?;
    if ethernet[12..] != [8, 0] || packet.get(9) != Some(&6) || packet.get(16..20)? != to.octets() {
        return None;
    }
    let total = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
    // Segments that the kernel has not cut yet say nothing of their length.
    let packet = if total == 0 {
        packet
    } else {
        packet.get(..total)?
    };
    let segment = packet.get(usize::from(packet[0] & 15) * 4..)?;
    if segment.get(2..4)? != port.to_be_bytes() {
        return None;
    }
    let said = segment.get(usize::from(segment.get(12)? >> 4) * 4..)?;
    (!said.is_empty()).then_some(said)
}

fn wire(said: &[u8]) -> Option<Wire> {
    match said {
        [HANDSHAKE, ..] if said.windows(5).any(|five| five == b"istio") => Some(Wire::Mesh),
        // The client's own part of the handshake; its second one is nothing new.
        [HANDSHAKE, _, _, _, _, 1, ..] => Some(Wire::Tls),
        [HANDSHAKE | ENCRYPTED | 0x14 | 0x15, ..] => None,
        _ => Some(Wire::Clear),
    }
}
