//! As much of SCTP as a probe needs: INIT, INIT ACK and ABORT (RFC 9260 §3), since a kernel may filter and track
//! SCTP without having sockets for it.

/// An SCTP packet of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) source: u16,
    pub(crate) destination: u16,
    /// The verification tag.
    pub(crate) tag: u32,
    pub(crate) chunk: Chunk,
}

/// The first chunk of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// A request, with the tag that answers must carry.
    Init { tag: u32 },
    /// An answer; the cookie is the number of the host that gives it.
    InitAck { tag: u32, host: u32 },
    /// A refusal.
    Abort,
}

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const STATE_COOKIE: u16 = 7;
/// Where the checksum is.
const CHECKSUM: usize = 8;
/// The common header.
const HEADER: usize = 12;

impl Packet {
    /// The bytes after the IP header.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(48);
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(self.tag.to_be_bytes());
        bytes.extend([0; 4]);
        match self.chunk {
            Chunk::Init { tag } => {
                bytes.extend([INIT, 0, 0, 20]);
                bytes.extend(streams(tag));
            }
            Chunk::InitAck { tag, host } => {
                bytes.extend([INIT_ACK, 0, 0, 28]);
                bytes.extend(streams(tag));
                bytes.extend(STATE_COOKIE.to_be_bytes());
                bytes.extend(8u16.to_be_bytes());
                bytes.extend(host.to_be_bytes());
            }
            Chunk::Abort => bytes.extend([ABORT, 0, 0, 4]),
        }
        let sum = crc32c(&bytes).to_le_bytes();
        if let Some(place) = bytes.get_mut(CHECKSUM..HEADER) {
            place.copy_from_slice(&sum);
        }
        bytes
    }

    /// Reads what comes after the IP header; `None` for what is none of ours.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let chunk = match *bytes.get(HEADER)? {
            INIT => Chunk::Init {
                tag: four(bytes, 16)?,
            },
            INIT_ACK => Chunk::InitAck {
                tag: four(bytes, 16)?,
                host: cookie(bytes)?,
            },
            ABORT => Chunk::Abort,
            _ => return None,
        };
        Some(Self {
            source: two(bytes, 0)?,
            destination: two(bytes, 2)?,
            tag: four(bytes, 4)?,
            chunk,
        })
    }
}

/// Tag, window, streams and first number of INIT and INIT ACK.
fn streams(tag: u32) -> [u8; 16] {
    let [a, b, c, d] = tag.to_be_bytes();
    [a, b, c, d, 0, 1, 0, 0, 0, 1, 0, 1, a, b, c, d]
}

/// The host in the cookie of an INIT ACK, if it is one of ours.
fn cookie(bytes: &[u8]) -> Option<u32> {
    let is_ours = two(bytes, 32)? == STATE_COOKIE && two(bytes, 34)? == 8;
    is_ours.then(|| four(bytes, 36)).flatten()
}

fn two(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn four(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// What follows the IPv4 header.
pub(crate) fn after_ipv4(packet: &[u8]) -> Option<&[u8]> {
    let words = usize::from(packet.first()? & 0xf);
    packet.get(words * 4..)
}

/// CRC32c, bit by bit: packets are short (RFC 9260, appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            let feedback = if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
            crc = (crc >> 1) ^ feedback;
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_published_vectors() {
        // RFC 3720, appendix B.4, and the usual check value.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn packets_read_as_they_were_written() {
        for chunk in [
            Chunk::Init { tag: 7 },
            Chunk::InitAck { tag: 8, host: 9 },
            Chunk::Abort,
        ] {
            let packet = Packet {
                source: 1,
                destination: 2,
                tag: 3,
                chunk,
            };
            let bytes = packet.bytes();
            assert_eq!(Packet::read(&bytes), Some(packet));
            // Cut short, it is nothing, or (an ABORT has no body) the same.
            for length in 0..bytes.len() {
                let read = Packet::read(&bytes[..length]);
                assert!(read.is_none() || read == Some(packet), "{length}: {read:?}");
            }
        }
    }
}
