//! Who sends a packet to whom, read from its first bytes (RFC 791, RFC 8200).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a packet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Header {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// The number of its protocol.
    pub(super) protocol: u8,
    /// The destination port, if the protocol has ports and the packet shows them.
    pub(super) port: Option<u16>,
}

/// Numbers of protocols (IANA, Assigned Internet Protocol Numbers).
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
pub(super) const SCTP: u8 = 132;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const OPTIONS: u8 = 60;
/// Most headers of IPv6 before that of the protocol.
const MOST: usize = 8;

/// Reads a packet from its network header on; `None` for what is none.
pub(super) fn read(packet: &[u8]) -> Option<Header> {
    match packet.first()? >> 4 {
        4 => v4(packet),
        6 => v6(packet),
        _ => None,
    }
}

fn v4(packet: &[u8]) -> Option<Header> {
    let length = usize::from(packet.first()? & 0xf) * 4;
    let fragment = u16::from_be_bytes(part(packet, 6)?) & 0x1fff;
    let [protocol] = part(packet, 9)?;
    let transport = packet.get(length..).filter(|_| fragment == 0);
    Some(Header {
        source: Ipv4Addr::from(part::<4>(packet, 12)?).into(),
        destination: Ipv4Addr::from(part::<4>(packet, 16)?).into(),
        protocol,
        port: port(protocol, transport),
    })
}

fn v6(packet: &[u8]) -> Option<Header> {
    let [mut protocol] = part(packet, 6)?;
    let mut transport = packet.get(40..);
    for _ in 0..MOST {
        let Some([next, length]) = transport.and_then(|t| part(t, 0)) else {
            break;
        };
        let length = match protocol {
            HOP_BY_HOP | ROUTING | OPTIONS => (usize::from(length) + 1) * 8,
            AUTHENTICATION => (usize::from(length) + 2) * 4,
            FRAGMENT => 8,
            _ => break,
        };
        let offset = transport.and_then(|t| part(t, 2)).map(u16::from_be_bytes);
        let later = protocol == FRAGMENT && offset.is_none_or(|o| o >> 3 != 0);
        protocol = next;
        transport = transport.filter(|_| !later).and_then(|t| t.get(length..));
    }
    Some(Header {
        source: Ipv6Addr::from(part::<16>(packet, 8)?).into(),
        destination: Ipv6Addr::from(part::<16>(packet, 24)?).into(),
        protocol,
        port: port(protocol, transport),
    })
}

/// The destination port: the same place in all three.
fn port(protocol: u8, transport: Option<&[u8]>) -> Option<u16> {
    let transport = transport.filter(|_| [TCP, UDP, SCTP].contains(&protocol))?;
    part(transport, 2).map(u16::from_be_bytes)
}

fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{Header, UDP, read};

    /// IPv6 from ::1 to ::2 with what follows its own header.
    fn six(next: u8, rest: &[u8]) -> Option<Header> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, next, 64];
        for last in [1, 2] {
            packet.extend([0; 15]);
            packet.push(last);
        }
        packet.extend(rest);
        read(&packet)
    }

    #[test]
    fn ports_are_found_behind_options_and_only_where_they_are() {
        let mut packet = vec![0x46, 0, 0, 0, 0, 0, 0, 0, 64, UDP, 0, 0];
        packet.extend([10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 1, 0x12, 0x34, 0, 53]);
        let header = read(&packet).unwrap();
        assert_eq!(header.source.to_string(), "10.0.0.1");
        assert_eq!(header.destination.to_string(), "10.0.0.2");
        assert_eq!((header.protocol, header.port), (UDP, Some(53)));
        // A later fragment has no header of its protocol.
        packet[7] = 1;
        assert_eq!(read(&packet).unwrap().port, None);
        packet[7] = 0;
        packet[9] = 1;
        assert_eq!(read(&packet).unwrap().port, None);

        let ports = [0x12, 0x34, 0, 53];
        assert_eq!(six(UDP, &ports).unwrap().port, Some(53));
        let options = [&[UDP, 0, 0, 0, 0, 0, 0, 0][..], &ports].concat();
        for next in [0, 43, 60, 44] {
            let header = six(next, &options).unwrap();
            assert_eq!((header.protocol, header.port), (UDP, Some(53)), "{next}");
            assert_eq!(header.source.to_string(), "::1");
        }
        let fragment = [&[UDP, 0, 0, 8, 0, 0, 0, 0][..], &ports].concat();
        assert_eq!(six(44, &fragment).unwrap().port, None);
    }

    /// Whatever comes is read to an end, and no part of it can be missing.
    #[test]
    fn any_bytes_are_read() {
        let mut state = 1_u32;
        for length in 0..4_000 {
            let bytes: Vec<u8> = (0..length % 100)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    state.to_be_bytes()[0]
                })
                .collect();
            let _ = read(&bytes);
            for first in [0x45, 0x4f, 0x60] {
                let _ = read(&[&[first][..], &bytes].concat());
                let _ = six(first % 64, &bytes);
            }
        }
    }
}
