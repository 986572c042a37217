//! Links, addresses, routes and neighbours over rtnetlink: as many messages as wanted in one call.
//!
//! The encoder is our own: what a lab needs is seven kinds of messages, and a library for them brings an
//! asynchronous runtime. Numbers are those of `linux/rtnetlink.h`, `linux/if_link.h` and `linux/veth.h`.

use crate::error::{Doing, Error, Result};
use crate::plan::whole;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};

/// A hardware address.
pub(crate) type Mac = [u8; 6];

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
/// A header without a payload.
const HEADER: usize = 16;

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_NEWROUTE: u16 = 24;
const RTM_NEWNEIGH: u16 = 28;

const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const OPER_UP: u8 = 6;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_FLAGS: u16 = 8;
/// Duplicate address detection would keep an IPv6 address unusable for a second.
const IFA_F_NODAD: u32 = 2;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const TABLE_MAIN: u8 = 254;
const RTPROT_BOOT: u8 = 3;
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const RTN_UNICAST: u8 = 1;

const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_PERMANENT: u16 = 0x80;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// The bridge of a node, and that of the underlay.
pub(crate) const BRIDGE: u32 = 99;
/// The interface of every host to the outside of its namespace.
pub(crate) const OWN: u32 = 100;

/// The most bytes in one call, far below what a socket takes.
const BATCH: usize = 16 * 1024;

/// A socket to the kernel in one namespace: that of the thread that opened it, for good.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
}

/// One end of a veth pair.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) name: &'a str,
    pub(crate) index: u32,
    pub(crate) mac: Mac,
}

/// A message to the kernel, and what it is for.
#[derive(Debug)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    what: String,
}

impl Netlink {
    /// A socket in the namespace of the calling thread.
    pub(crate) fn open() -> Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )
        .doing(|| "opening a netlink socket".into())?;
        // Acknowledgements of a whole batch must find room.
        setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))
            .doing(|| "preparing a netlink socket".into())?;
        Ok(Self { socket })
    }

    /// Sends all messages; the first that the kernel refuses is the error. Those after it are still tried.
    pub(crate) fn send(&self, messages: Vec<Message>) -> Result<()> {
        let mut batch = Vec::new();
        let mut names = Vec::new();
        for message in messages {
            if batch.len() + message.bytes.len() > BATCH {
                self.exchange(&batch, &names)?;
                batch.clear();
                names.clear();
            }
            let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
            batch.extend(message.finished(number));
            names.push(message.what);
        }
        if names.is_empty() {
            return Ok(());
        }
        self.exchange(&batch, &names)
    }

    /// Whether every interface that is up can carry packets, a bridge without ports excepted. The kernel connects a
    /// new one a little later, says until then that it does not know, and loses what is sent.
    pub(crate) fn carries(&self) -> Result<bool> {
        let request = Message::new(RTM_GETLINK, NLM_F_DUMP, &link(0, 0), String::new());
        let fd = self.socket.as_raw_fd();
        send(fd, &request.finished(0), MsgFlags::empty()).doing(|| "writing to netlink".into())?;
        let (mut waiting, mut bridged) = (Vec::new(), Vec::new());
        let mut buffer = vec![0; 2 * BATCH];
        loop {
            let read =
                recv(fd, &mut buffer, MsgFlags::empty()).doing(|| "reading from netlink".into())?;
            for message in messages(buffer.get(..read).unwrap_or_default()) {
                match kind(message) {
                    Some(RTM_NEWLINK) => {
                        let index = number(message, HEADER + 4).unwrap_or(0);
                        bridged.extend(master(message));
                        waiting.extend(is_waiting(message).then_some(index));
                    }
                    Some(NLMSG_DONE) => {
                        let matters = |index: &u32| *index != BRIDGE || bridged.contains(index);
                        return Ok(!waiting.iter().any(matters));
                    }
                    _ => {
                        return Err(Error::because(
                            "looking at interfaces",
                            "the kernel refuses",
                        ));
                    }
                }
            }
        }
    }

    /// Sends one batch, and waits for an acknowledgement of each message.
    fn exchange(&self, batch: &[u8], names: &[String]) -> Result<()> {
        let fd = self.socket.as_raw_fd();
        send(fd, batch, MsgFlags::empty()).doing(|| "writing to netlink".into())?;
        let mut failed = None;
        let mut waiting = names.len();
        let mut buffer = vec![0; BATCH];
        while waiting > 0 {
            let read =
                recv(fd, &mut buffer, MsgFlags::empty()).doing(|| "reading from netlink".into())?;
            for (number, code) in answers(buffer.get(..read).unwrap_or_default()) {
                waiting = waiting.saturating_sub(1);
                if code != 0 && failed.is_none() {
                    let what = usize::try_from(number).ok().and_then(|n| names.get(n));
                    let what = what.cloned().unwrap_or_default();
                    failed = Some(Error::new(what, io::Error::from_raw_os_error(-code)));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// The number and the error code of each acknowledgement.
fn answers(bytes: &[u8]) -> Vec<(u32, i32)> {
    let errors = messages(bytes).filter(|message| kind(message) == Some(NLMSG_ERROR));
    errors
        .filter_map(|message| Some((number(message, 8)?, number(message, HEADER)?.cast_signed())))
        .collect()
}

/// The messages of a read.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = usize::try_from(number(bytes, 0)?).ok()?.max(HEADER);
        let message = bytes.get(..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    })
}

/// Whether an interface is up and does not carry packets yet.
fn is_waiting(message: &[u8]) -> bool {
    let flags = number(message, HEADER + 8).unwrap_or(0);
    let state = find(message, IFLA_OPERSTATE).and_then(|value| value.first().copied());
    flags & IFF_UP != 0 && flags & IFF_LOOPBACK == 0 && state != Some(OPER_UP)
}

/// The bridge of a port.
fn master(message: &[u8]) -> Option<u32> {
    number(find(message, IFLA_MASTER)?, 0)
}

/// An attribute of a message about an interface.
fn find(message: &[u8], wanted: u16) -> Option<&[u8]> {
    let mut rest = message.get(HEADER + 16..)?;
    loop {
        let two = |at: usize| Some(u16::from_ne_bytes(rest.get(at..at + 2)?.try_into().ok()?));
        let length = usize::from(two(0)?).max(4);
        if two(2)? == wanted {
            return rest.get(4..length);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn kind(message: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(message.get(4..6)?.try_into().ok()?))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_ne_bytes(four.try_into().ok()?))
}

impl Message {
    fn new(kind: u16, flags: u16, payload: &[u8], what: String) -> Self {
        let mut bytes = vec![0; 4];
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(payload);
        Self { bytes, what }
    }

    /// Appends an attribute.
    fn with(mut self, kind: u16, value: &[u8]) -> Self {
        attribute(&mut self.bytes, kind, value);
        self
    }

    /// The bytes, with length and number.
    fn finished(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        for (at, value) in [(0, length), (8, sequence)] {
            if let Some(place) = bytes.get_mut(at..at + 4) {
                place.copy_from_slice(&value.to_ne_bytes());
            }
        }
        bytes
    }

    /// A veth pair, this end up and the other one, still down, in another namespace. A peer that shall be
    /// up at its making is refused, and its index is honoured only where this end's is given too.
    pub(crate) fn veth(here: End<'_>, there: End<'_>, namespace: &File) -> Self {
        let mut peer = link(there.index, 0);
        attribute(&mut peer, IFLA_IFNAME, &text(there.name));
        attribute(&mut peer, IFLA_ADDRESS, &there.mac);
        attribute(
            &mut peer,
            IFLA_NET_NS_FD,
            &namespace.as_raw_fd().to_ne_bytes(),
        );
        let mut data = Vec::new();
        attribute(&mut data, VETH_INFO_PEER, &peer);
        Self::device(here, "veth", &data)
    }

    /// A bridge, up.
    pub(crate) fn bridge(end: End<'_>) -> Self {
        Self::device(end, "bridge", &[])
    }

    /// A new interface, up.
    fn device(end: End<'_>, kind: &str, data: &[u8]) -> Self {
        let mut info = Vec::new();
        attribute(&mut info, IFLA_INFO_KIND, &text(kind));
        if !data.is_empty() {
            attribute(&mut info, IFLA_INFO_DATA, data);
        }
        let what = format!("making the {kind} interface {}", end.name);
        Self::new(
            RTM_NEWLINK,
            NLM_F_CREATE | NLM_F_EXCL,
            &link(end.index, IFF_UP),
            what,
        )
        .with(IFLA_IFNAME, &text(end.name))
        .with(IFLA_ADDRESS, &end.mac)
        .with(IFLA_LINKINFO, &info)
    }

    /// Sets an interface up.
    pub(crate) fn up(index: u32) -> Self {
        let what = format!("setting interface {index} up");
        Self::new(RTM_NEWLINK, 0, &link(index, IFF_UP), what)
    }

    /// Makes an interface a port of a bridge.
    pub(crate) fn port(index: u32, bridge: u32) -> Self {
        let what = format!("making interface {index} a port of bridge {bridge}");
        Self::new(RTM_NEWLINK, 0, &link(index, IFF_UP), what)
            .with(IFLA_MASTER, &bridge.to_ne_bytes())
    }

    /// Removes an interface, and the other end of a pair.
    pub(crate) fn delete(index: u32) -> Self {
        let what = format!("removing interface {index}");
        Self::new(RTM_DELLINK, 0, &link(index, 0), what)
    }

    /// Gives an interface an address.
    pub(crate) fn address(index: u32, address: IpAddr, prefix: u8, scope: Scope) -> Self {
        let [a, b, c, d] = index.to_ne_bytes();
        let scope = scope.number();
        let header = [family(address), prefix, 0, scope, a, b, c, d];
        let octets = octets(address);
        let what = format!("adding address {address}/{prefix}");
        let message = Self::new(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &header, what)
            .with(IFA_LOCAL, &octets)
            .with(IFA_ADDRESS, &octets);
        if address.is_ipv6() {
            message.with(IFA_FLAGS, &IFA_F_NODAD.to_ne_bytes())
        } else {
            message
        }
    }

    /// A route by an interface.
    pub(crate) fn route(to: (IpAddr, u8), index: u32, hop: &Hop) -> Self {
        let (address, prefix) = to;
        let scope = match hop {
            Hop::Direct { .. } => SCOPE_LINK,
            Hop::Gateway(_) => SCOPE_UNIVERSE,
        };
        let [a, b, c, d] = [TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST];
        let header = [family(address), prefix, 0, 0, a, b, c, d, 0, 0, 0, 0];
        let what = format!("adding the route to {address}/{prefix}");
        let mut message = Self::new(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &header, what)
            .with(RTA_OIF, &index.to_ne_bytes());
        if prefix > 0 {
            message = message.with(RTA_DST, &octets(address));
        }
        match hop {
            Hop::Gateway(gateway) => message.with(RTA_GATEWAY, &octets(*gateway)),
            Hop::Direct { source: Some(own) } => message.with(RTA_PREFSRC, &octets(*own)),
            Hop::Direct { source: None } => message,
        }
    }

    /// A neighbour on a host's own link, which may have been learned already.
    pub(crate) fn known_neighbour(address: IpAddr, mac: Mac) -> Self {
        Self::neighbour_with(OWN, address, mac, NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// A neighbour that is known for good.
    pub(crate) fn neighbour(index: u32, address: IpAddr, mac: Mac) -> Self {
        Self::neighbour_with(index, address, mac, NLM_F_CREATE | NLM_F_EXCL)
    }

    fn neighbour_with(index: u32, address: IpAddr, mac: Mac, flags: u16) -> Self {
        let mut header = vec![family(address), 0, 0, 0];
        header.extend(index.to_ne_bytes());
        header.extend(NUD_PERMANENT.to_ne_bytes());
        header.extend([0, RTN_UNICAST]);
        let what = format!("adding the neighbour {address}");
        Self::new(RTM_NEWNEIGH, flags, &header, what)
            .with(NDA_DST, &octets(address))
            .with(NDA_LLADDR, &mac)
    }
}

/// How far an address reaches.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scope {
    /// Everywhere: it may be the source of connections.
    Everywhere,
    /// One link: it is never chosen as a source for others.
    Link,
}

impl Scope {
    fn number(self) -> u8 {
        match self {
            Self::Everywhere => SCOPE_UNIVERSE,
            Self::Link => SCOPE_LINK,
        }
    }
}

/// What a route leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hop {
    /// The link itself, with the source address to use.
    Direct { source: Option<IpAddr> },
    /// A gateway on the link.
    Gateway(IpAddr),
}

/// A route to everywhere, for the family of `like`.
pub(crate) fn everywhere(like: IpAddr) -> (IpAddr, u8) {
    let any = if like.is_ipv4() {
        IpAddr::from([0; 4])
    } else {
        IpAddr::from([0; 16])
    };
    (any, 0)
}

/// A range of one address.
pub(crate) fn only(address: IpAddr) -> (IpAddr, u8) {
    (address, whole(address))
}

/// `struct ifinfomsg`.
fn link(index: u32, flags: u32) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(index.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes
}

fn attribute(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_padded_and_counted_without_padding() {
        let mut bytes = Vec::new();
        attribute(&mut bytes, 3, b"abcde");
        assert_eq!(bytes.len(), 12);
        assert_eq!(bytes[..2], 9u16.to_ne_bytes());
    }

    #[test]
    fn every_answer_of_a_read_is_found() {
        let mut bytes = Vec::new();
        for (sequence, code) in [(0u32, 0i32), (1, -17)] {
            bytes.extend(36u32.to_ne_bytes());
            bytes.extend(NLMSG_ERROR.to_ne_bytes());
            bytes.extend([0, 0]);
            bytes.extend(sequence.to_ne_bytes());
            bytes.extend([0; 4]);
            bytes.extend(code.to_ne_bytes());
            bytes.extend([0; 16]);
        }
        assert_eq!(answers(&bytes), [(0, 0), (1, -17)]);
        assert_eq!(answers(&bytes[..40]), [(0, 0)]);
        assert_eq!(answers(&[0; 3]), []);
    }
}
