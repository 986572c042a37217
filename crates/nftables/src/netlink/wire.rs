//! The envelope: netlink messages and attributes (`linux/netlink.h`, `linux/netfilter/nfnetlink.h`).

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`.
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// `NFPROTO_INET`.
const FAMILY: u8 = 1;
const REQUEST: u16 = 0x1;
/// `NLM_F_CREATE` and `NLM_F_APPEND`; what exists already is left alone.
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// A message to nf_tables.
pub(super) struct Message {
    /// `NFT_MSG_*`.
    pub(super) kind: u8,
    /// Counted from 1.
    pub(super) sequence: u32,
}

impl Message {
    pub(super) fn encode(&self, attributes: &[Vec<u8>]) -> Vec<u8> {
        let kind = SUBSYSTEM << 8 | u16::from(self.kind);
        message(
            kind,
            REQUEST | CREATE | APPEND,
            self.sequence,
            (FAMILY, 0),
            attributes,
        )
    }
}

/// Opens a transaction.
pub(super) fn begin() -> Vec<u8> {
    message(BATCH_BEGIN, REQUEST, 0, (0, SUBSYSTEM), &[])
}

/// Ends it: the kernel does all of it or nothing.
pub(super) fn end() -> Vec<u8> {
    message(BATCH_END, REQUEST, 0, (0, SUBSYSTEM), &[])
}

fn message(
    kind: u16,
    flags: u16,
    sequence: u32,
    (family, resource): (u8, u16),
    attributes: &[Vec<u8>],
) -> Vec<u8> {
    let length = 20 + attributes.iter().map(Vec::len).sum::<usize>();
    let mut out = Vec::with_capacity(length);
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend(sequence.to_ne_bytes());
    out.extend(0_u32.to_ne_bytes());
    out.extend([family, 0]);
    out.extend(resource.to_be_bytes());
    for attribute in attributes {
        out.extend(attribute);
    }
    out
}

/// An attribute, padded to a multiple of four.
pub(super) fn bytes(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = value.len() + 4;
    let mut out = Vec::with_capacity(length.next_multiple_of(4));
    out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
    out.extend(kind.to_ne_bytes());
    out.extend(value);
    out.resize(length.next_multiple_of(4), 0);
    out
}

/// A text with its final zero.
pub(super) fn text(kind: u16, value: &str) -> Vec<u8> {
    let mut value = value.as_bytes().to_vec();
    value.push(0);
    bytes(kind, &value)
}

/// A 32-bit number, in network byte order.
pub(super) fn number(kind: u16, value: u32) -> Vec<u8> {
    bytes(kind, &value.to_be_bytes())
}

/// A 64-bit number, in network byte order.
pub(super) fn long(kind: u16, value: u64) -> Vec<u8> {
    bytes(kind, &value.to_be_bytes())
}

/// A 16-bit number, in network byte order.
pub(super) fn short(kind: u16, value: u16) -> Vec<u8> {
    bytes(kind, &value.to_be_bytes())
}

/// Attributes within an attribute.
pub(super) fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    bytes(kind | NESTED, &attributes.concat())
}
