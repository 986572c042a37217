//! The kernel's side of a table: a netlink socket of the namespace in which it was opened.
//!
//! nf_tables answers before `send` returns, and only what failed: an empty queue of answers after it is success.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
    setsockopt, socket, sockopt,
};
use palisade_nftables::{Operation, Present, Update, encode};
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};

/// A socket to nf_tables.
#[derive(Debug)]
pub struct Kernel {
    socket: OwnedFd,
    table: String,
}

/// What the kernel refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was to be done.
    pub doing: String,
    /// Why not.
    pub cause: Errno,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause.desc())
    }
}

impl std::error::Error for Error {}

/// `NLMSG_ERROR`, `NLMSG_DONE`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: something changed while it was listed.
const INTERRUPTED: u16 = 0x10;
/// A message's header.
const HEADER: usize = 16;
/// A header of nfnetlink, after it.
const NFNETLINK: usize = 4;
/// The room for answers; one error takes the failed message with it.
const ROOM: usize = 64 * 1024;
/// How often a listing that something interrupted is begun anew.
const TRIES: usize = 10;

// Listings, each with the number of the attributes that say whose table and which name.
const GET_CHAINS: Listing = Listing {
    message: 4,
    table: 1,
    name: 3,
};
const GET_SETS: Listing = Listing {
    message: 10,
    table: 1,
    name: 2,
};

struct Listing {
    message: u8,
    table: u16,
    name: u16,
}

impl Kernel {
    /// A socket for a table, in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// If the kernel has no nf_tables, or the process no right to it.
    pub fn open(table: &str) -> Result<Self, Error> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let protocol = SockProtocol::NetlinkNetFilter;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)
            .map_err(|cause| failed("opening a socket to nf_tables", cause))?;
        // Errors of one batch come together; this is the most that needs no further right.
        setsockopt(&socket, sockopt::RcvBuf, &(1 << 20))
            .map_err(|cause| failed("preparing a socket to nf_tables", cause))?;
        Ok(Self {
            socket,
            table: table.to_owned(),
        })
    }

    /// What is in the table, by name; nothing if it does not exist.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn present(&self) -> Result<Present, Error> {
        let chains = self.names(&GET_CHAINS)?.into_iter().collect();
        let sets = self.names(&GET_SETS)?.into_iter().collect();
        Ok(Present { sets, chains })
    }

    /// Carries out an update. What fails changes nothing: neither does anything after it happen.
    ///
    /// # Errors
    ///
    /// The first operation that the kernel refused.
    pub fn update(&self, update: &Update<'_>) -> Result<(), Error> {
        update
            .steps()
            .into_iter()
            .try_for_each(|step| self.commit(step))
    }

    /// Carries out operations as one transaction.
    ///
    /// # Errors
    ///
    /// The first operation that the kernel refused. Nothing has happened then.
    pub fn commit(&self, operations: &[Operation<'_>]) -> Result<(), Error> {
        if operations.is_empty() {
            return Ok(());
        }
        let batch = encode(&self.table, operations);
        // Twice: the kernel counts its own book-keeping, too.
        setsockopt(&self.socket, sockopt::SndBufForce, &(batch.bytes.len() * 2))
            .or_else(|_| setsockopt(&self.socket, sockopt::SndBuf, &(batch.bytes.len() * 2)))
            .map_err(|cause| failed("making room for a transaction", cause))?;
        self.drain();
        self.send(&batch.bytes)
            .map_err(|cause| failed("sending a transaction to nf_tables", cause))?;
        let mut room = vec![0; ROOM];
        match recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty()) {
            Err(Errno::EAGAIN) => Ok(()),
            Err(cause) => Err(failed("reading the answer of nf_tables", cause)),
            Ok(length) => {
                let answer = Messages(room.get(..length).unwrap_or_default());
                let error = answer
                    .filter_map(|m| m.error())
                    .find(|(_, code)| *code != 0);
                match error {
                    None => Ok(()),
                    Some((number, code)) => {
                        Err(self.refused(operations, &batch.operations, number, code))
                    }
                }
            }
        }
    }

    /// What the number of a failed message means.
    fn refused(&self, operations: &[Operation<'_>], of: &[usize], number: u32, code: i32) -> Error {
        let place = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
        let operation = place
            .and_then(|p| of.get(p))
            .and_then(|o| operations.get(*o));
        let doing = match operation {
            Some(operation) => format!("{operation}, in table {}", self.table),
            None => format!("changing table {}", self.table),
        };
        failed(&doing, Errno::from_raw(code.wrapping_neg()))
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), bytes, &kernel, MsgFlags::empty()).map(|_| ())
    }

    /// Forgets answers that nobody asked for any more.
    fn drain(&self) {
        let mut room = vec![0; ROOM];
        while recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty()).is_ok() {}
    }

    fn names(&self, listing: &Listing) -> Result<Vec<String>, Error> {
        let doing = || format!("listing what table {} has", self.table);
        for _ in 0..TRIES {
            self.drain();
            self.send(&dump(listing.message))
                .map_err(|cause| failed(&doing(), cause))?;
            if let Some(names) = self
                .listed(listing)
                .map_err(|cause| failed(&doing(), cause))?
            {
                return Ok(names);
            }
        }
        Err(failed(&doing(), Errno::EINTR))
    }

    /// The names of one listing; `None` if something changed meanwhile.
    fn listed(&self, listing: &Listing) -> Result<Option<Vec<String>>, Errno> {
        let mut names = Vec::new();
        let mut whole = true;
        let mut room = vec![0; ROOM];
        loop {
            let length = recv(self.socket.as_raw_fd(), &mut room, MsgFlags::empty())?;
            for message in Messages(room.get(..length).unwrap_or_default()) {
                whole &= message.flags & INTERRUPTED == 0;
                if let Some((_, code)) = message.error().filter(|(_, code)| *code != 0) {
                    return Err(Errno::from_raw(code.wrapping_neg()));
                }
                if message.kind == DONE {
                    return Ok(whole.then_some(names));
                }
                let attributes = || message.attributes();
                if attributes().text(listing.table) == Some(&self.table) {
                    names.extend(attributes().text(listing.name).map(str::to_owned));
                }
            }
        }
    }
}

fn failed(doing: &str, cause: Errno) -> Error {
    Error {
        doing: doing.to_owned(),
        cause,
    }
}

/// A request to list all objects of a kind, of family `inet`.
fn dump(message: u8) -> Vec<u8> {
    const LENGTH: u32 = 20;
    const SUBSYSTEM: u8 = 10;
    const REQUEST_DUMP: u16 = 0x1 | 0x300;
    const INET: u8 = 1;
    let mut out = Vec::new();
    out.extend(LENGTH.to_ne_bytes());
    out.extend(u16::from_be_bytes([SUBSYSTEM, message]).to_ne_bytes());
    out.extend(REQUEST_DUMP.to_ne_bytes());
    out.extend([0; 8]);
    out.extend([INET, 0, 0, 0]);
    out
}

/// The messages of one datagram.
struct Messages<'b>(&'b [u8]);

struct Message<'b> {
    kind: u16,
    flags: u16,
    sequence: u32,
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
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }
}

impl<'b> Message<'b> {
    /// The number of the message that failed, and `-errno`; 0 for one that did not.
    fn error(&self) -> Option<(u32, i32)> {
        let code = part(self.payload, 0).map(i32::from_ne_bytes);
        code.filter(|_| self.kind == ERROR)
            .map(|code| (self.sequence, code))
    }

    fn attributes(&self) -> Attributes<'b> {
        Attributes(self.payload.get(NFNETLINK..).unwrap_or_default())
    }
}

/// Attributes: type and value.
struct Attributes<'b>(&'b [u8]);

impl<'b> Iterator for Attributes<'b> {
    type Item = (u16, &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(part(self.0, 0)?));
        let kind = u16::from_ne_bytes(part(self.0, 2)?);
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

impl<'b> Attributes<'b> {
    /// The text of an attribute, without its final zero.
    fn text(mut self, wanted: u16) -> Option<&'b str> {
        let (_, value) = self.find(|(kind, _)| *kind == wanted)?;
        std::str::from_utf8(value.strip_suffix(&[0])?).ok()
    }
}

/// Some bytes at a place.
fn part<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}
