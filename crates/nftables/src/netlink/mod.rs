//! An update as messages of nf_tables netlink (`linux/netfilter/nf_tables.h`): the same operations as
//! [`text`](crate::text), without a process to start or a text to parse.

mod expression;

use crate::model::{Chain, Element, Family, Map, Set, SetKind};
use crate::update::{Command, Operation};
use crate::wire::{CREATE, Request, Writer};
use palisade_netmodel::Protocol;
use std::net::IpAddr;

/// A transaction as the kernel reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The messages, for one `send` to a socket of `NETLINK_NETFILTER`.
    pub bytes: Vec<u8>,
    /// The operation that each message belongs to, by its sequence number, counted from 1. The kernel names the
    /// number of a message in its errors.
    pub operations: Vec<usize>,
}

/// Most bytes of elements in a message: the length of an attribute is a 16-bit number.
const MOST_ELEMENTS: usize = 60_000;

/// The operations, about either table, as one transaction.
#[must_use]
pub fn encode(table: &str, operations: &[Operation<'_>]) -> Batch {
    let mut batch = Encoder {
        table,
        out: Writer::default(),
        operations: Vec::new(),
        current: 0,
        family: Family::V4,
        set_ids: 0,
    };
    batch.out.0.extend(bracket(BATCH_BEGIN));
    for (index, operation) in operations.iter().enumerate() {
        batch.current = index;
        batch.operation(operation);
    }
    batch.out.0.extend(bracket(BATCH_END));
    Batch {
        bytes: batch.out.0,
        operations: batch.operations,
    }
}

/// What opens a transaction, and what ends it: the kernel does all of it or nothing.
fn bracket(kind: u16) -> Vec<u8> {
    let request = Request {
        kind,
        flags: 0,
        sequence: 0,
        family: 0,
        resource: SUBSYSTEM,
    };
    request.encode(&[])
}

impl Batch {
    /// The same without its end: the kernel checks every message, tells what it would refuse, and changes
    /// nothing.
    #[must_use]
    pub fn without_end(mut self) -> Self {
        let length = self.bytes.len().saturating_sub(bracket(BATCH_END).len());
        self.bytes.truncate(length);
        self
    }
}

struct Encoder<'t> {
    table: &'t str,
    out: Writer,
    operations: Vec<usize>,
    current: usize,
    /// Of the table that the current operation is about.
    family: Family,
    /// Numbers that tell new sets of one transaction apart (`NFTA_SET_ID`).
    set_ids: u32,
}

/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`.
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;

// Messages (`enum nf_tables_msg_types`).
const NEWTABLE: u8 = 0;
const DELTABLE: u8 = 2;
const NEWCHAIN: u8 = 3;
const DELCHAIN: u8 = 5;
const NEWRULE: u8 = 6;
const DELRULE: u8 = 8;
const NEWSET: u8 = 9;
const DELSET: u8 = 11;
const NEWSETELEM: u8 = 12;
const DELSETELEM: u8 = 14;

// Attributes, each named after its `NFTA_` constant.
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const CHAIN_USERDATA: u16 = 12;
const HOOK_HOOKNUM: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const SET_TABLE: u16 = 1;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LEN: u16 = 5;
const SET_DATA_TYPE: u16 = 6;
const SET_DATA_LEN: u16 = 7;
const SET_DESC: u16 = 9;
const SET_ID: u16 = 10;
const SET_USERDATA: u16 = 13;
const SET_DESC_CONCAT: u16 = 2;
const SET_FIELD_LEN: u16 = 1;
const ELEM_LIST_TABLE: u16 = 1;
const ELEM_LIST_SET: u16 = 2;
const ELEM_LIST_ELEMENTS: u16 = 3;
const LIST_ELEM: u16 = 1;
const ELEM_KEY: u16 = 1;
const ELEM_DATA: u16 = 2;
const ELEM_FLAGS: u16 = 3;
const ELEM_KEY_END: u16 = 10;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;

const SET_INTERVAL: u32 = 0x4;
const SET_MAP: u32 = 0x8;
const SET_CONCAT: u32 = 0x80;
const ELEM_INTERVAL_END: u32 = 0x1;
const DATA_TYPE_VERDICT: u32 = 0xffff_ff00;
const HOOK_FORWARD: u32 = 2;
const NF_ACCEPT: u32 = 1;
/// Before the filters of others, which have priority 0.
const PRIORITY: i32 = -10;

impl Encoder<'_> {
    fn operation(&mut self, operation: &Operation<'_>) {
        self.family = operation.family;
        match &operation.command {
            Command::AddTable => self.table_message(NEWTABLE),
            Command::AddSet(name, set) => self.add_set(name, set),
            Command::AddMap(name, map) => self.add_map(name, map),
            Command::AddChain(name, chain) => self.add_chain(name, chain),
            Command::AddRules(name, rules) => {
                for rule in *rules {
                    self.send(NEWRULE, RULE_TABLE, (RULE_CHAIN, name), |out| {
                        out.nested(RULE_EXPRESSIONS, |out| expression::rule(out, rule));
                    });
                }
            }
            Command::FlushChain(name) => self.name(DELRULE, RULE_TABLE, (RULE_CHAIN, name)),
            Command::FlushElements(name) => {
                self.name(DELSETELEM, ELEM_LIST_TABLE, (ELEM_LIST_SET, name));
            }
            Command::AddElements(name, all) => self.list(NEWSETELEM, name, all, elements),
            Command::DeleteElements(name, all) => self.list(DELSETELEM, name, all, elements),
            Command::AddJumps(name, all) => {
                self.list(NEWSETELEM, name, all, |out, (address, chain)| {
                    element(out, |out| {
                        key(out, ELEM_KEY, &octets(address));
                        out.nested(ELEM_DATA, |out| {
                            expression::verdict(out, expression::JUMP, Some(chain));
                        });
                    });
                });
            }
            Command::DeleteJumps(name, all) => {
                self.list(DELSETELEM, name, all, |out, (address, _)| {
                    element(out, |out| key(out, ELEM_KEY, &octets(address)));
                });
            }
            Command::DeleteChain(name) => self.name(DELCHAIN, CHAIN_TABLE, (CHAIN_NAME, name)),
            Command::DeleteSet(name) => self.name(DELSET, SET_TABLE, (SET_NAME, name)),
            Command::DeleteTable => self.table_message(DELTABLE),
        }
    }

    fn request(&mut self, kind: u8) -> Request {
        self.operations.push(self.current);
        Request {
            kind: SUBSYSTEM << 8 | u16::from(kind),
            flags: CREATE,
            sequence: u32::try_from(self.operations.len()).unwrap_or(u32::MAX),
            family: self.family.nfproto(),
            resource: 0,
        }
    }

    fn table_message(&mut self, kind: u8) {
        let request = self.request(kind);
        let name = self.table;
        self.out.message(&request, |out| out.text(TABLE_NAME, name));
    }

    /// A message about a thing of the table, with what it says besides.
    fn send(
        &mut self,
        kind: u8,
        table: u16,
        (attribute, name): (u16, &str),
        rest: impl FnOnce(&mut Writer),
    ) {
        let request = self.request(kind);
        let of = self.table;
        self.out.message(&request, |out| {
            out.text(table, of);
            out.text(attribute, name);
            rest(out);
        });
    }

    fn name(&mut self, kind: u8, table: u16, name: (u16, &str)) {
        self.send(kind, table, name, |_| {});
    }

    fn add_set(&mut self, name: &str, set: &Set) {
        let layout = Layout::of(set.kind);
        let mut flags = 0;
        if matches!(set.kind, SetKind::Networks(_) | SetKind::Ports(_)) {
            flags |= SET_INTERVAL;
        }
        if matches!(set.kind, SetKind::Ports(_)) {
            flags |= SET_CONCAT;
        }
        self.set(name, flags, &layout, |out| {
            if matches!(set.kind, SetKind::Ports(_)) {
                out.nested(SET_DESC, |out| {
                    out.nested(SET_DESC_CONCAT, |out| {
                        for len in &layout.fields {
                            out.nested(LIST_ELEM, |out| out.number(SET_FIELD_LEN, *len));
                        }
                    });
                });
            }
        });
    }

    fn add_map(&mut self, name: &str, map: &Map) {
        let layout = Layout::of(SetKind::Addresses(map.family));
        self.set(name, SET_MAP, &layout, |out| {
            out.number(SET_DATA_TYPE, DATA_TYPE_VERDICT);
            out.number(SET_DATA_LEN, 0);
        });
    }

    fn set(&mut self, name: &str, flags: u32, layout: &Layout, rest: impl FnOnce(&mut Writer)) {
        self.set_ids += 1;
        let id = self.set_ids;
        let lengths = layout.fields.iter().map(|len| len.next_multiple_of(4));
        self.send(NEWSET, SET_TABLE, (SET_NAME, name), |out| {
            out.number(SET_FLAGS, flags);
            out.number(SET_KEY_TYPE, layout.key_type);
            out.number(SET_KEY_LEN, lengths.sum());
            out.number(SET_ID, id);
            // Tag 0, four bytes: keys are in network byte order (2). It is nft that reads this.
            out.bytes(SET_USERDATA, &[0, 4, 2, 0, 0, 0]);
            rest(out);
        });
    }

    fn add_chain(&mut self, name: &str, chain: &Chain) {
        self.send(NEWCHAIN, CHAIN_TABLE, (CHAIN_NAME, name), |out| {
            if chain.base {
                out.text(CHAIN_TYPE, "filter");
                out.number(CHAIN_POLICY, NF_ACCEPT);
                out.nested(CHAIN_HOOK, |out| {
                    out.number(HOOK_HOOKNUM, HOOK_FORWARD);
                    out.number(HOOK_PRIORITY, PRIORITY.cast_unsigned());
                });
            }
            if !chain.comment.is_empty() {
                out.bytes(CHAIN_USERDATA, &comment(&chain.comment));
            }
        });
    }

    /// Elements, in as many messages as they need.
    fn list<E>(&mut self, message: u8, set: &str, all: &[E], write: impl Fn(&mut Writer, &E)) {
        let mut rest = all.iter().peekable();
        while rest.peek().is_some() {
            self.send(message, ELEM_LIST_TABLE, (ELEM_LIST_SET, set), |out| {
                out.nested(ELEM_LIST_ELEMENTS, |out| {
                    let full = out.0.len() + MOST_ELEMENTS;
                    while let Some(element) = rest.next_if(|_| out.0.len() <= full) {
                        write(out, element);
                    }
                });
            });
        }
    }
}

/// How the keys of a set look.
struct Layout {
    /// The types of its fields as nft knows them, so that `nft list` can show it: 6 bits each.
    key_type: u32,
    /// Lengths of the fields in bytes. In a key each begins at a multiple of four.
    fields: Vec<u32>,
}

// nft's numbers for types (`enum datatypes`).
const TYPE_IPADDR: u32 = 7;
const TYPE_IP6ADDR: u32 = 8;
const TYPE_INET_PROTOCOL: u32 = 12;
const TYPE_INET_SERVICE: u32 = 13;

impl Layout {
    fn of(kind: SetKind) -> Self {
        let address = |family| match family {
            Family::V4 => (TYPE_IPADDR, 4),
            Family::V6 => (TYPE_IP6ADDR, 16),
        };
        let port = [(TYPE_INET_PROTOCOL, 1), (TYPE_INET_SERVICE, 2)];
        let fields: Vec<(u32, u32)> = match kind {
            SetKind::Addresses(family) | SetKind::Networks(family) => vec![address(family)],
            SetKind::Ports(_) => port.to_vec(),
            SetKind::Sockets(family) => [&[address(family)][..], &port].concat(),
        };
        Self {
            key_type: fields.iter().fold(0, |all, (kind, _)| (all << 6) | kind),
            fields: fields.into_iter().map(|(_, len)| len).collect(),
        }
    }
}

/// A comment for nft: tag 0, the length with its final zero, the text.
fn comment(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    let mut out = vec![0, length];
    out.extend(text.bytes().take(usize::from(length) - 1));
    out.push(0);
    out
}

fn element(out: &mut Writer, attributes: impl FnOnce(&mut Writer)) {
    out.nested(LIST_ELEM, attributes);
}

fn key(out: &mut Writer, attribute: u16, value: &[u8]) {
    out.nested(attribute, |out| out.bytes(DATA_VALUE, value));
}

/// An element as the kernel's: one, or two for a range of addresses, which is its first address and a mark at the
/// first one after it.
fn elements(out: &mut Writer, one: &Element) {
    match one {
        Element::Address(address) => element(out, |out| key(out, ELEM_KEY, &octets(address))),
        Element::Network(first, last) => {
            element(out, |out| key(out, ELEM_KEY, &octets(first)));
            if let Some(after) = next(last) {
                element(out, |out| {
                    out.number(ELEM_FLAGS, ELEM_INTERVAL_END);
                    key(out, ELEM_KEY, &octets(&after));
                });
            }
        }
        Element::Ports(protocol, first, last) => element(out, |out| {
            key(out, ELEM_KEY, &port(*protocol, *first));
            key(out, ELEM_KEY_END, &port(*protocol, *last));
        }),
        Element::Socket(address, protocol, number) => element(out, |out| {
            let mut value = octets(address);
            value.extend(port(*protocol, *number));
            key(out, ELEM_KEY, &value);
        }),
    }
}

fn port(protocol: Protocol, port: u16) -> [u8; 8] {
    let [high, low] = port.to_be_bytes();
    [expression::protocol(protocol), 0, 0, 0, high, low, 0, 0]
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    }
}

/// The address after this one, unless it is the last.
fn next(address: &IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(a) => a
            .to_bits()
            .checked_add(1)
            .map(|n| std::net::Ipv4Addr::from_bits(n).into()),
        IpAddr::V6(a) => a
            .to_bits()
            .checked_add(1)
            .map(|n| std::net::Ipv6Addr::from_bits(n).into()),
    }
}
