//! Rules as the kernel's expressions, in the form that nft gives them, so that `nft list` shows the rules that
//! were meant.

use super::{DATA_VALUE, DATA_VERDICT, VERDICT_CHAIN, VERDICT_CODE};
use crate::model::{Effect, Family, Match, Rule, Side, Verdict};
use crate::wire::{bytes, long, nested, number, short, text};
use palisade_netmodel::Protocol;

// Verdicts (`linux/netfilter.h`, `enum nft_verdicts`), 32-bit numbers.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
pub(super) const JUMP: u32 = (-3_i32).cast_unsigned();
const GOTO: u32 = (-4_i32).cast_unsigned();
const RETURN: u32 = (-5_i32).cast_unsigned();

// Registers (`enum nft_registers`): 32-bit ones from 8 on share their room with the 128-bit ones from 1 on.
const VERDICT_REGISTER: u32 = 0;
const REGISTER: u32 = 1;
/// The second 32-bit register of the first 128-bit one.
const SECOND: u32 = 9;

const LIST_ELEM: u16 = 1;
const EXPR_NAME: u16 = 1;
const EXPR_DATA: u16 = 2;

const META_L4PROTO: u32 = 16;
const META_NFPROTO: u32 = 15;
const CT_STATE: u32 = 0;
const CT_MARK: u32 = 3;
const STATE_ESTABLISHED_RELATED: u32 = 0x2 | 0x4;
const STATE_NEW: u32 = 0x8;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const CMP_EQ: u32 = 0;
const CMP_NEQ: u32 = 1;
const CMP_LTE: u32 = 3;
const CMP_GTE: u32 = 5;
const LOOKUP_INVERT: u32 = 1;
const REJECT_TCP_RESET: u32 = 1;
const REJECT_ICMPX: u32 = 2;
const ICMPX_ADMIN_PROHIBITED: u8 = 3;
const ICMPV6: u8 = 58;
const NFPROTO_IPV4: u8 = 2;
const NFPROTO_IPV6: u8 = 10;
/// FIN, SYN, RST and ACK; SYN.
const TCP_FLAGS: u8 = 0x17;
const TCP_SYN: u8 = 0x02;

/// The expressions of a rule.
pub(super) fn rule(rule: &Rule) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for condition in &rule.matches {
        self::condition(&mut all, condition);
    }
    match &rule.effect {
        None => {}
        Some(Effect::Count) => all.push(expression("counter", &[long(1, 0), long(2, 0)])),
        Some(Effect::Log {
            prefix,
            group,
            rate,
        }) => {
            // A second, `NFT_LIMIT_PKTS`.
            let limit = [
                long(1, u64::from(*rate)),
                long(2, 1),
                number(3, *rate),
                number(4, 0),
                number(5, 0),
            ];
            all.push(expression("limit", &limit));
            all.push(expression("log", &[short(1, *group), text(2, prefix)]));
        }
    }
    if let Some(verdict) = &rule.verdict {
        self::conclude(&mut all, verdict);
    }
    all
}

fn condition(all: &mut Vec<Vec<u8>>, condition: &Match) {
    match condition {
        Match::Family(family) => self::family(all, *family),
        Match::Marked(mask) => {
            all.push(ct(CT_MARK));
            any_bit(all, *mask);
        }
        Match::Known => {
            all.push(ct(CT_STATE));
            any_bit(all, STATE_ESTABLISHED_RELATED);
        }
        Match::NeighbourDiscovery => {
            self::family(all, Family::V6);
            all.push(meta(META_L4PROTO, REGISTER));
            all.push(compare(CMP_EQ, &[ICMPV6]));
            all.push(payload(TRANSPORT_HEADER, 0, 1, REGISTER));
            all.push(compare(CMP_GTE, &[133]));
            all.push(compare(CMP_LTE, &[136]));
        }
        Match::MidStream => {
            all.push(ct(CT_STATE));
            any_bit(all, STATE_NEW);
            self::l4(all, Protocol::Tcp);
            all.push(payload(TRANSPORT_HEADER, 13, 1, REGISTER));
            all.push(bitwise(&[TCP_FLAGS]));
            all.push(compare(CMP_NEQ, &[TCP_SYN]));
        }
        Match::Address {
            side,
            family,
            set,
            not,
        } => {
            self::family(all, *family);
            all.push(address(*family, *side));
            all.push(lookup(set, *not));
        }
        Match::Protocol(protocol) => self::l4(all, *protocol),
        Match::Port(protocol, first, last) => {
            self::l4(all, *protocol);
            all.push(payload(TRANSPORT_HEADER, 2, 2, REGISTER));
            if first == last {
                all.push(compare(CMP_EQ, &first.to_be_bytes()));
            } else {
                all.push(compare(CMP_GTE, &first.to_be_bytes()));
                all.push(compare(CMP_LTE, &last.to_be_bytes()));
            }
        }
        Match::Ports(set) => {
            all.push(meta(META_L4PROTO, REGISTER));
            all.push(payload(TRANSPORT_HEADER, 2, 2, SECOND));
            all.push(lookup(set, false));
        }
        Match::Socket(family, set) => {
            self::family(all, *family);
            all.push(address(*family, Side::Destination));
            // The address fills one 32-bit register or four.
            let next = match family {
                Family::V4 => SECOND,
                Family::V6 => SECOND + 3,
            };
            all.push(meta(META_L4PROTO, next));
            all.push(payload(TRANSPORT_HEADER, 2, 2, next + 1));
            all.push(lookup(set, false));
        }
    }
}

fn conclude(all: &mut Vec<Vec<u8>>, verdict: &Verdict) {
    let immediate = |code, chain: Option<&str>| {
        let data = nested(2, &[self::verdict(code, chain)]);
        expression("immediate", &[number(1, VERDICT_REGISTER), data])
    };
    let expression = match verdict {
        Verdict::Accept => immediate(ACCEPT, None),
        Verdict::Drop => immediate(DROP, None),
        Verdict::Return => immediate(RETURN, None),
        Verdict::Jump(chain) => immediate(JUMP, Some(chain)),
        Verdict::Goto(chain) => immediate(GOTO, Some(chain)),
        Verdict::Reset => expression("reject", &[number(1, REJECT_TCP_RESET), bytes(2, &[0])]),
        Verdict::Reject => {
            let code = bytes(2, &[ICMPX_ADMIN_PROHIBITED]);
            expression("reject", &[number(1, REJECT_ICMPX), code])
        }
        Verdict::Dispatch { side, family, map } => {
            self::family(all, *family);
            all.push(address(*family, *side));
            let into = [
                text(1, map),
                number(2, REGISTER),
                number(3, VERDICT_REGISTER),
            ];
            expression("lookup", &into)
        }
    };
    all.push(expression);
}

/// `NFTA_DATA_VERDICT`.
pub(super) fn verdict(code: u32, chain: Option<&str>) -> Vec<u8> {
    let mut attributes = vec![number(VERDICT_CODE, code)];
    attributes.extend(chain.map(|name| text(VERDICT_CHAIN, name)));
    nested(DATA_VERDICT, &attributes)
}

/// The number of a protocol in IP headers.
pub(super) fn protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn expression(name: &str, data: &[Vec<u8>]) -> Vec<u8> {
    nested(LIST_ELEM, &[text(EXPR_NAME, name), nested(EXPR_DATA, data)])
}

fn family(all: &mut Vec<Vec<u8>>, family: Family) {
    all.push(meta(META_NFPROTO, REGISTER));
    let number = match family {
        Family::V4 => NFPROTO_IPV4,
        Family::V6 => NFPROTO_IPV6,
    };
    all.push(compare(CMP_EQ, &[number]));
}

fn l4(all: &mut Vec<Vec<u8>>, protocol: Protocol) {
    all.push(meta(META_L4PROTO, REGISTER));
    all.push(compare(CMP_EQ, &[self::protocol(protocol)]));
}

fn meta(key: u32, register: u32) -> Vec<u8> {
    expression("meta", &[number(2, key), number(1, register)])
}

fn ct(key: u32) -> Vec<u8> {
    expression("ct", &[number(2, key), number(1, REGISTER)])
}

fn payload(base: u32, offset: u32, length: u32, register: u32) -> Vec<u8> {
    let data = [
        number(1, register),
        number(2, base),
        number(3, offset),
        number(4, length),
    ];
    expression("payload", &data)
}

fn address(family: Family, side: Side) -> Vec<u8> {
    let (offset, length) = match (family, side) {
        (Family::V4, Side::Source) => (12, 4),
        (Family::V4, Side::Destination) => (16, 4),
        (Family::V6, Side::Source) => (8, 16),
        (Family::V6, Side::Destination) => (24, 16),
    };
    payload(NETWORK_HEADER, offset, length, REGISTER)
}

fn compare(how: u32, value: &[u8]) -> Vec<u8> {
    let data = nested(3, &[bytes(DATA_VALUE, value)]);
    expression("cmp", &[number(1, REGISTER), number(2, how), data])
}

/// Whether any bit of a mask is set in the register, which holds a number in the machine's own byte order.
fn any_bit(all: &mut Vec<Vec<u8>>, mask: u32) {
    all.push(bitwise(&mask.to_ne_bytes()));
    all.push(compare(CMP_NEQ, &[0; 4]));
}

/// `register & mask`.
fn bitwise(mask: &[u8]) -> Vec<u8> {
    let length = u32::try_from(mask.len()).unwrap_or_default();
    let nothing = vec![0; mask.len()];
    let data = [
        number(1, REGISTER),
        number(2, REGISTER),
        number(3, length),
        nested(4, &[bytes(DATA_VALUE, mask)]),
        nested(5, &[bytes(DATA_VALUE, &nothing)]),
    ];
    expression("bitwise", &data)
}

fn lookup(set: &str, not: bool) -> Vec<u8> {
    let mut data = vec![text(1, set), number(2, REGISTER)];
    if not {
        data.push(number(5, LOOKUP_INVERT));
    }
    expression("lookup", &data)
}
