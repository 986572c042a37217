//! The tables in the kernel, one transaction at a time. nf_tables answers only what failed.

use crate::socket::Socket;
use nix::errno::Errno;
use palisade_nftables::wire::{DUMP, Message, Request};
use palisade_nftables::{Batch, Command, Family, Operation, Present, Update, encode};
use std::collections::BTreeSet;
use std::fmt;

/// The tables of a name, one for each family, of this thread's network namespace.
#[derive(Debug)]
pub struct Kernel {
    socket: Socket,
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

impl Error {
    pub(crate) fn new(doing: &str, cause: Errno) -> Self {
        Self {
            doing: doing.to_owned(),
            cause,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause.desc())
    }
}

impl std::error::Error for Error {}

/// A kind of object: the message that lists it, and the attributes that say whose table and which name.
struct Listing {
    message: u8,
    table: u16,
    name: u16,
}

const CHAINS: Listing = Listing {
    message: 4,
    table: 1,
    name: 3,
};
const SETS: Listing = Listing {
    message: 10,
    table: 1,
    name: 2,
};

impl Kernel {
    /// Tables of the network namespace of this thread, which need not exist.
    ///
    /// # Errors
    ///
    /// If the kernel has no nf_tables, or the process no right to it.
    pub fn open(table: &str) -> Result<Self, Error> {
        if !is_ours(table) {
            let doing = format!("using table {table:?}, whose name does not begin with `palisade`");
            return Err(Error::new(&doing, Errno::EINVAL));
        }
        Ok(Self {
            socket: Socket::open("nf_tables")?,
            table: table.to_owned(),
        })
    }

    /// What is in the tables, by name; nothing of those that do not exist.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn present(&self) -> Result<Present, Error> {
        let mut present = Present::default();
        for family in Family::ALL {
            let chains = self.names(&CHAINS, family)?.into_iter();
            present.chains.extend(chains.map(|name| (family, name)));
            let sets = self.names(&SETS, family)?.into_iter();
            present.sets.extend(sets.map(|name| (family, name)));
        }
        Ok(present)
    }

    /// Carries out an update. What fails changes nothing: neither does anything after it happen.
    ///
    /// # Errors
    ///
    /// The first operation that the kernel refused.
    pub fn update(&self, update: &Update<'_>) -> Result<(), Error> {
        let mut steps = update.steps().into_iter();
        steps.try_for_each(|step| self.commit(step))
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
        self.transact(operations, &encode(&self.table, operations))
    }

    /// Asks whether the kernel would carry out operations. Nothing happens.
    ///
    /// # Errors
    ///
    /// The first operation that the kernel would refuse.
    pub fn check(&self, operations: &[Operation<'_>]) -> Result<(), Error> {
        let batch = encode(&self.table, operations).without_end();
        self.transact(operations, &batch)
    }

    /// Removes the tables with everything in them; nothing is enforced any more.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn remove(&self) -> Result<(), Error> {
        // Added first, so that a table that is not there is no error.
        let of = |family| {
            [Command::AddTable, Command::DeleteTable].map(|command| Operation::new(family, command))
        };
        self.commit(&Family::ALL.map(of).concat())
    }

    fn transact(&self, operations: &[Operation<'_>], batch: &Batch) -> Result<(), Error> {
        self.socket.send(&batch.bytes).map_err(|(number, cause)| {
            let place = number.and_then(|n| usize::try_from(n).ok()?.checked_sub(1));
            let operation = place
                .and_then(|p| batch.operations.get(p))
                .and_then(|o| operations.get(*o));
            let doing = match operation {
                Some(Operation { family, command }) => {
                    format!("{command}, in table {} for {family}", self.table)
                }
                None => format!("changing table {}", self.table),
            };
            Error::new(&doing, cause)
        })
    }

    /// The names of all tables, of whatever family.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn tables(&self) -> Result<BTreeSet<String>, Error> {
        let name = |message: Message<'_>| message.attributes().text(1).map(str::to_owned);
        let all = self.socket.list(&dump(1, ANY), "listing tables", name)?;
        Ok(all.into_iter().collect())
    }

    /// The number of this network namespace's rules, of whatever program: each transaction makes it another one.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn generation(&self) -> Result<u32, Error> {
        const GET: u8 = 16;
        const NUMBER: u16 = 1;
        let number = |message: Message<'_>| {
            let number = message.attributes().array(NUMBER);
            number.map(u32::from_be_bytes)
        };
        let answer = self.socket.answer(&request(GET, ANY, 0), number);
        answer.map_err(|cause| Error::new("asking for the generation of rules", cause))
    }

    fn names(&self, listing: &Listing, family: Family) -> Result<Vec<String>, Error> {
        let doing = format!("listing what table {} has", self.table);
        let ours = |message: Message<'_>| {
            let attributes = message.attributes();
            let name = attributes.text(listing.name).map(str::to_owned);
            name.filter(|_| attributes.text(listing.table) == Some(&self.table))
        };
        self.socket
            .list(&dump(listing.message, family.nfproto()), &doing, ours)
    }
}

/// Whether a table may be ours: nothing that another program would name its own, no keyword of nft, and nothing
/// that needs quotes.
#[must_use]
pub fn is_ours(table: &str) -> bool {
    const MOST: usize = 64;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let rest = table.strip_prefix("palisade");
    table.len() <= MOST && rest.is_some_and(|rest| rest.chars().all(plain))
}

/// `NFPROTO_UNSPEC`: whatever the family.
const ANY: u8 = 0;

/// A request to list all objects of a kind, of the tables of a family.
fn dump(message: u8, family: u8) -> Vec<u8> {
    request(message, family, DUMP)
}

fn request(message: u8, family: u8, flags: u16) -> Vec<u8> {
    const SUBSYSTEM: u8 = 10;
    let request = Request {
        kind: u16::from_be_bytes([SUBSYSTEM, message]),
        flags,
        sequence: 0,
        family,
        resource: 0,
    };
    request.encode(&[])
}
