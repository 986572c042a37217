//! The connections that the kernel knows, and their marks (`linux/netfilter/nfnetlink_conntrack.h`).

use crate::kernel::Error;
use crate::socket::Socket;
use palisade_netmodel::Protocol;
use palisade_nftables::Packet;
use palisade_nftables::wire::{
    ACKNOWLEDGE, Attributes, DUMP, Message, Request, bytes, nested, number, short,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The connections of the namespace in which it was opened.
#[derive(Debug)]
pub struct Conntrack {
    socket: Socket,
}

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// Who opened it, to whom it was addressed.
    pub opened: Tuple,
    /// Who answers, to whom: after the translation of addresses.
    pub answered: Tuple,
    /// Its mark.
    pub mark: u32,
    /// Its zone; most have none.
    zone: Option<u16>,
}

/// One direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuple {
    /// From.
    pub source: IpAddr,
    /// To.
    pub destination: IpAddr,
    /// Protocol.
    pub protocol: Protocol,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// `NFNL_SUBSYS_CTNETLINK`, its messages `IPCTNL_MSG_CT_NEW` and `IPCTNL_MSG_CT_GET`.
const NEW: u16 = 0x0100;
const GET: u16 = 0x0101;

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_MARK: u16 = 8;
const CTA_ZONE: u16 = 18;
const CTA_MARK_MASK: u16 = 21;
const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

impl Connection {
    /// Its first packet as the forward hook saw it: after the destination was translated, before the source is.
    #[must_use]
    pub fn first_packet(&self) -> Packet {
        Packet {
            source: self.opened.source,
            destination: self.answered.source,
            protocol: self.opened.protocol,
            port: self.answered.source_port,
        }
    }
}

impl Conntrack {
    /// The connections of this thread's namespace.
    ///
    /// # Errors
    ///
    /// If the process has no right to them.
    pub fn open() -> Result<Self, Error> {
        Ok(Self {
            socket: Socket::open("connections")?,
        })
    }

    /// All connections of TCP, UDP and SCTP.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn connections(&self) -> Result<Vec<Connection>, Error> {
        let request = Request {
            kind: GET,
            flags: DUMP,
            sequence: 0,
            family: 0,
            resource: 0,
        };
        let doing = "listing connections";
        self.socket
            .list(&request.encode(&[]), doing, |message| connection(&message))
    }

    /// Sets the bits of a mask in the marks of connections, or clears them. One that has ended meanwhile is none.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn mark(&self, connections: &[Connection], mask: u32, set: bool) -> Result<(), Error> {
        for connection in connections {
            let tuple = &connection.opened;
            let family = if tuple.source.is_ipv4() {
                AF_INET
            } else {
                AF_INET6
            };
            let mut attributes = vec![
                encoded(tuple),
                number(CTA_MARK, if set { mask } else { 0 }),
                number(CTA_MARK_MASK, mask),
            ];
            attributes.extend(connection.zone.map(|zone| short(CTA_ZONE, zone)));
            let request = Request {
                kind: NEW,
                flags: ACKNOWLEDGE,
                sequence: 0,
                family,
                resource: 0,
            };
            self.socket
                .ask(&request.encode(&attributes), "marking a connection")?;
        }
        Ok(())
    }
}

fn encoded(tuple: &Tuple) -> Vec<u8> {
    let addresses = match (tuple.source, tuple.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => [
            bytes(CTA_IP_V4_SRC, &source.octets()),
            bytes(CTA_IP_V4_DST, &destination.octets()),
        ],
        (source, destination) => [
            bytes(CTA_IP_V6_SRC, &six(source)),
            bytes(CTA_IP_V6_DST, &six(destination)),
        ],
    };
    let protocol = [
        bytes(CTA_PROTO_NUM, &[protocol_number(tuple.protocol)]),
        short(CTA_PROTO_SRC_PORT, tuple.source_port),
        short(CTA_PROTO_DST_PORT, tuple.destination_port),
    ];
    let parts = [
        nested(CTA_TUPLE_IP, &addresses),
        nested(CTA_TUPLE_PROTO, &protocol),
    ];
    nested(CTA_TUPLE_ORIG, &parts)
}

fn six(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// The connection of a message, if it has ports.
fn connection(message: &Message<'_>) -> Option<Connection> {
    let attributes = message.attributes();
    Some(Connection {
        opened: tuple(attributes.within(CTA_TUPLE_ORIG))?,
        answered: tuple(attributes.within(CTA_TUPLE_REPLY))?,
        mark: attributes.array(CTA_MARK).map_or(0, u32::from_be_bytes),
        zone: attributes.array(CTA_ZONE).map(u16::from_be_bytes),
    })
}

fn tuple(attributes: Attributes<'_>) -> Option<Tuple> {
    let (ip, transport) = (
        attributes.within(CTA_TUPLE_IP),
        attributes.within(CTA_TUPLE_PROTO),
    );
    let [protocol] = transport.array(CTA_PROTO_NUM)?;
    let port = |kind| transport.array(kind).map(u16::from_be_bytes);
    Some(Tuple {
        source: address(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC)?,
        destination: address(ip, CTA_IP_V4_DST, CTA_IP_V6_DST)?,
        protocol: Protocol::ALL
            .into_iter()
            .find(|p| protocol_number(*p) == protocol)?,
        source_port: port(CTA_PROTO_SRC_PORT)?,
        destination_port: port(CTA_PROTO_DST_PORT)?,
    })
}

fn address(ip: Attributes<'_>, v4: u16, v6: u16) -> Option<IpAddr> {
    let four = ip.array::<4>(v4).map(|a| Ipv4Addr::from(a).into());
    four.or_else(|| ip.array::<16>(v6).map(|a| Ipv6Addr::from(a).into()))
}

/// The number of a protocol in IP headers.
fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}
