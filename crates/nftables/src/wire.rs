//! The envelope of netlink: messages and attributes (`linux/netlink.h`, `linux/netfilter/nfnetlink.h`), to write
//! and to read. Numbers of attributes are in network byte order, those of headers in the machine's own.

/// Bytes of the header of a message.
const HEADER: usize = 16;
/// Bytes of the header of nfnetlink, after it.
const NFNETLINK: usize = 4;
/// `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// `NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`.
const NESTED: u16 = 0x8000;
const FLAGS: u16 = 0xc000;

/// `NLM_F_REQUEST`.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: the kernel answers success, too.
pub const ACKNOWLEDGE: u16 = 0x4;
/// `NLM_F_DUMP`.
pub const DUMP: u16 = 0x300;
/// `NLM_F_CREATE` and `NLM_F_APPEND`; what exists already is left alone.
pub const CREATE: u16 = 0x400 | 0x800;
/// `NLM_F_DUMP_INTR`: something changed while it was listed.
pub const INTERRUPTED: u16 = 0x10;
/// `NLMSG_DONE`: the end of a listing.
pub const DONE: u16 = 3;

/// A message to nfnetlink, before its attributes.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// Subsystem and message: `NFNL_SUBSYS_* << 8 | message`.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The number that the answer has.
    pub sequence: u32,
    /// `NFPROTO_*`, or `AF_*`.
    pub family: u8,
    /// `res_id`.
    pub resource: u16,
}

impl Request {
    /// The message.
    #[must_use]
    pub fn encode(&self, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Writer::default();
        out.message(self, |out| out.0.extend(attributes.iter().flatten()));
        out.0
    }
}

/// Messages and attributes, one after the other in one buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    /// A message with what is written inside.
    pub(crate) fn message(&mut self, request: &Request, inside: impl FnOnce(&mut Self)) {
        let begin = self.0.len();
        self.0.extend([0; 4]);
        self.0.extend(request.kind.to_ne_bytes());
        self.0.extend((request.flags | REQUEST).to_ne_bytes());
        self.0.extend(request.sequence.to_ne_bytes());
        self.0.extend(0_u32.to_ne_bytes());
        self.0.extend([request.family, 0]);
        self.0.extend(request.resource.to_be_bytes());
        inside(self);
        let length = u32::try_from(self.0.len() - begin).unwrap_or(u32::MAX);
        self.put(begin, length.to_ne_bytes());
    }

    /// An attribute with what is written inside, padded to a multiple of four.
    fn attribute(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        let begin = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        inside(self);
        let length = self.0.len() - begin;
        self.put(
            begin,
            u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes(),
        );
        self.0.resize(begin + length.next_multiple_of(4), 0);
    }

    fn put<const N: usize>(&mut self, at: usize, value: [u8; N]) {
        if let Some(place) = self.0.get_mut(at..at + N) {
            place.copy_from_slice(&value);
        }
    }

    /// Attributes within an attribute.
    pub(crate) fn nested(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) {
        self.attribute(kind | NESTED, inside);
    }

    pub(crate) fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.attribute(kind, |out| out.0.extend_from_slice(value));
    }

    /// A text with its final zero.
    pub(crate) fn text(&mut self, kind: u16, value: &str) {
        self.attribute(kind, |out| {
            out.0.extend_from_slice(value.as_bytes());
            out.0.push(0);
        });
    }

    pub(crate) fn number(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }
}

/// An attribute alone.
fn alone(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut out = Writer::default();
    write(&mut out);
    out.0
}

/// An attribute, padded to a multiple of four.
#[must_use]
pub fn bytes(kind: u16, value: &[u8]) -> Vec<u8> {
    alone(|out| out.bytes(kind, value))
}

/// A text with its final zero.
#[must_use]
pub fn text(kind: u16, value: &str) -> Vec<u8> {
    alone(|out| out.text(kind, value))
}

/// A 16-bit number.
#[must_use]
pub fn short(kind: u16, value: u16) -> Vec<u8> {
    bytes(kind, &value.to_be_bytes())
}

/// A 32-bit number.
#[must_use]
pub fn number(kind: u16, value: u32) -> Vec<u8> {
    bytes(kind, &value.to_be_bytes())
}

/// Attributes within an attribute.
#[must_use]
pub fn nested(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
    alone(|out| out.nested(kind, |out| out.0.extend(attributes.iter().flatten())))
}

/// The messages of one datagram. Ends at the first that is cut off.
#[derive(Debug, Clone, Copy)]
pub struct Messages<'b>(pub &'b [u8]);

/// A message of the kernel.
#[derive(Debug, Clone, Copy)]
pub struct Message<'b> {
    /// `NLMSG_*`, or subsystem and message.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// The number of the request.
    pub sequence: u32,
    payload: &'b [u8],
}

impl<'b> Iterator for Messages<'b> {
    type Item = Message<'b>;

    fn next(&mut self) -> Option<Message<'b>> {
        let length = usize::try_from(u32::from_ne_bytes(part(self.0, 0)?)).ok()?;
        let message = Message {
            kind: u16::from_ne_bytes(part(self.0, 4)?),
            flags: u16::from_ne_bytes(part(self.0, 6)?),
            sequence: u32::from_ne_bytes(part(self.0, 8)?),
            payload: self.0.get(HEADER..length)?,
        };
        self.0 = rest(self.0, length);
        Some(message)
    }
}

impl<'b> Message<'b> {
    /// The number of the request that this answers, and `-errno`; 0 for success.
    #[must_use]
    pub fn error(&self) -> Option<(u32, i32)> {
        let code = part(self.payload, 0).map(i32::from_ne_bytes);
        code.filter(|_| self.kind == ERROR)
            .map(|code| (self.sequence, code))
    }

    /// `NFPROTO_*`, or `AF_*`.
    #[must_use]
    pub fn family(&self) -> u8 {
        self.payload.first().copied().unwrap_or_default()
    }

    /// What it carries.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'b> {
        Attributes(self.payload.get(NFNETLINK..).unwrap_or_default())
    }
}

/// Attributes: type without its flags, and value. Ends at the first that is cut off.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'b>(pub &'b [u8]);

impl<'b> Iterator for Attributes<'b> {
    type Item = (u16, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(part(self.0, 0)?));
        let kind = u16::from_ne_bytes(part(self.0, 2)?) & !FLAGS;
        let value = self.0.get(4..length)?;
        self.0 = rest(self.0, length);
        Some((kind, value))
    }
}

impl<'b> Attributes<'b> {
    /// The value of an attribute.
    #[must_use]
    pub fn value(mut self, wanted: u16) -> Option<&'b [u8]> {
        self.find(|(kind, _)| *kind == wanted)
            .map(|(_, value)| value)
    }

    /// A value of a fixed length.
    #[must_use]
    pub fn array<const N: usize>(self, wanted: u16) -> Option<[u8; N]> {
        self.value(wanted)?.try_into().ok()
    }

    /// The text of an attribute, without its final zero.
    #[must_use]
    pub fn text(self, wanted: u16) -> Option<&'b str> {
        std::str::from_utf8(self.value(wanted)?.strip_suffix(&[0])?).ok()
    }

    /// The attributes within an attribute; none if it is missing.
    #[must_use]
    pub fn within(self, wanted: u16) -> Self {
        Self(self.value(wanted).unwrap_or_default())
    }
}

/// What follows a part of some length. Something without a length would go on for ever.
fn rest(bytes: &[u8], length: usize) -> &[u8] {
    bytes
        .get(length.next_multiple_of(4).max(4)..)
        .unwrap_or_default()
}

/// Some bytes at a place.
fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::{Attributes, Messages, Request, bytes, nested, number, text};
    use proptest::prelude::*;

    #[test]
    fn what_is_written_can_be_read() {
        let request = Request {
            kind: 0x0a03,
            flags: 0,
            sequence: 7,
            family: 1,
            resource: 0,
        };
        let inner = nested(2, &[number(1, 5), text(3, "x")]);
        let message = request.encode(&[text(1, "table"), inner, bytes(9, &[1, 2, 3])]);
        let two = [message.clone(), message].concat();
        let read: Vec<_> = Messages(&two).collect();
        assert_eq!(read.len(), 2);
        let attributes = read[1].attributes();
        assert_eq!(
            (read[1].kind, read[1].sequence, read[1].family()),
            (0x0a03, 7, 1)
        );
        assert_eq!(attributes.text(1), Some("table"));
        assert_eq!(attributes.within(2).array(1), Some(5_u32.to_be_bytes()));
        assert_eq!(attributes.within(2).text(3), Some("x"));
        assert_eq!(attributes.value(9), Some(&[1, 2, 3][..]));
        assert_eq!(attributes.value(8), None);
    }

    proptest! {
        /// Whatever comes is read to an end.
        #[test]
        fn any_bytes_are_read(any in proptest::collection::vec(any::<u8>(), 0..200)) {
            let messages = Messages(&any).take(1_000).count();
            let attributes = Attributes(&any).take(1_000).count();
            prop_assert!(messages <= 200 && attributes <= 200);
            for message in Messages(&any) {
                let _ = (message.error(), message.family(), message.attributes().count());
            }
        }
    }
}
