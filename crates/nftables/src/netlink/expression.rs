//! Rules as the kernel's expressions, in the form that nft gives them, so that `nft list` shows the rules that
//! were meant.

use super::{DATA_VALUE, DATA_VERDICT, VERDICT_CHAIN, VERDICT_CODE};
use crate::model::{Effect, Family, Match, Rule, Side, Verdict};
use crate::wire::Writer;
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
const REJECT_UNREACHABLE: u32 = 0;
/// Codes of "destination unreachable" (`ICMP_PKT_FILTERED`, `ICMPV6_ADM_PROHIBITED`).
const ICMP_ADMIN_PROHIBITED: u8 = 13;
const ICMPV6_ADMIN_PROHIBITED: u8 = 1;
const ICMPV6: u8 = 58;
/// FIN, SYN, RST and ACK; SYN.
const TCP_FLAGS: u8 = 0x17;
const TCP_SYN: u8 = 0x02;

/// The expressions of a rule.
pub(super) fn rule(out: &mut Writer, rule: &Rule) {
    for condition in &rule.matches {
        self::condition(out, condition);
    }
    match &rule.effect {
        None => {}
        Some(Effect::Count) => expression(out, "counter", |out| {
            out.bytes(1, &[0; 8]);
            out.bytes(2, &[0; 8]);
        }),
        Some(Effect::Log {
            prefix,
            group,
            rate,
        }) => {
            expression(out, "limit", |out| {
                out.bytes(1, &u64::from(*rate).to_be_bytes());
                // A second.
                out.bytes(2, &1_u64.to_be_bytes());
                out.number(3, *rate);
                // `NFT_LIMIT_PKTS`.
                out.number(4, 0);
                out.number(5, 0);
            });
            expression(out, "log", |out| {
                out.bytes(1, &group.to_be_bytes());
                out.text(2, prefix);
            });
        }
    }
    if let Some(verdict) = &rule.verdict {
        self::conclude(out, verdict);
    }
}

fn condition(out: &mut Writer, condition: &Match) {
    match condition {
        Match::Marked(mask) => {
            ct(out, CT_MARK);
            any_bit(out, *mask);
        }
        Match::Known => {
            ct(out, CT_STATE);
            any_bit(out, STATE_ESTABLISHED_RELATED);
        }
        Match::NeighbourDiscovery => {
            meta(out, META_L4PROTO, REGISTER);
            compare(out, CMP_EQ, &[ICMPV6]);
            payload(out, TRANSPORT_HEADER, 0, 1, REGISTER);
            compare(out, CMP_GTE, &[133]);
            compare(out, CMP_LTE, &[136]);
        }
        Match::MidStream => {
            l4(out, Protocol::Tcp);
            payload(out, TRANSPORT_HEADER, 13, 1, REGISTER);
            bitwise(out, &[TCP_FLAGS]);
            compare(out, CMP_NEQ, &[TCP_SYN]);
            ct(out, CT_STATE);
            any_bit(out, STATE_NEW);
        }
        Match::Address {
            side,
            family,
            set,
            not,
        } => {
            address(out, *family, *side);
            lookup(out, set, *not);
        }
        Match::Protocol(protocol) => l4(out, *protocol),
        Match::Port(protocol, first, last) => {
            l4(out, *protocol);
            payload(out, TRANSPORT_HEADER, 2, 2, REGISTER);
            if first == last {
                compare(out, CMP_EQ, &first.to_be_bytes());
            } else {
                compare(out, CMP_GTE, &first.to_be_bytes());
                compare(out, CMP_LTE, &last.to_be_bytes());
            }
        }
        Match::Ports(set) => {
            meta(out, META_L4PROTO, REGISTER);
            payload(out, TRANSPORT_HEADER, 2, 2, SECOND);
            lookup(out, set, false);
        }
        Match::Socket(family, set) => {
            address(out, *family, Side::Destination);
            // The address fills one 32-bit register or four.
            let next = match family {
                Family::V4 => SECOND,
                Family::V6 => SECOND + 3,
            };
            meta(out, META_L4PROTO, next);
            payload(out, TRANSPORT_HEADER, 2, 2, next + 1);
            lookup(out, set, false);
        }
    }
}

fn conclude(out: &mut Writer, verdict: &Verdict) {
    let mut immediate = |code, chain: Option<&str>| {
        expression(out, "immediate", |out| {
            out.number(1, VERDICT_REGISTER);
            out.nested(2, |out| self::verdict(out, code, chain));
        });
    };
    match verdict {
        Verdict::Accept => immediate(ACCEPT, None),
        Verdict::Drop => immediate(DROP, None),
        Verdict::Return => immediate(RETURN, None),
        Verdict::Jump(chain) => immediate(JUMP, Some(chain)),
        Verdict::Goto(chain) => immediate(GOTO, Some(chain)),
        Verdict::Reset => reject(out, REJECT_TCP_RESET, 0),
        Verdict::Reject(family) => reject(
            out,
            REJECT_UNREACHABLE,
            match family {
                Family::V4 => ICMP_ADMIN_PROHIBITED,
                Family::V6 => ICMPV6_ADMIN_PROHIBITED,
            },
        ),
        Verdict::Dispatch { side, family, map } => {
            address(out, *family, *side);
            expression(out, "lookup", |out| {
                out.text(1, map);
                out.number(2, REGISTER);
                out.number(3, VERDICT_REGISTER);
            });
        }
    }
}

fn reject(out: &mut Writer, kind: u32, code: u8) {
    expression(out, "reject", |out| {
        out.number(1, kind);
        out.bytes(2, &[code]);
    });
}

/// `NFTA_DATA_VERDICT`.
pub(super) fn verdict(out: &mut Writer, code: u32, chain: Option<&str>) {
    out.nested(DATA_VERDICT, |out| {
        out.number(VERDICT_CODE, code);
        if let Some(name) = chain {
            out.text(VERDICT_CHAIN, name);
        }
    });
}

/// The number of a protocol in IP headers.
pub(super) fn protocol(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn expression(out: &mut Writer, name: &str, data: impl FnOnce(&mut Writer)) {
    out.nested(LIST_ELEM, |out| {
        out.text(EXPR_NAME, name);
        out.nested(EXPR_DATA, data);
    });
}

fn l4(out: &mut Writer, protocol: Protocol) {
    meta(out, META_L4PROTO, REGISTER);
    compare(out, CMP_EQ, &[self::protocol(protocol)]);
}

fn meta(out: &mut Writer, key: u32, register: u32) {
    expression(out, "meta", |out| {
        out.number(2, key);
        out.number(1, register);
    });
}

fn ct(out: &mut Writer, key: u32) {
    expression(out, "ct", |out| {
        out.number(2, key);
        out.number(1, REGISTER);
    });
}

fn payload(out: &mut Writer, base: u32, offset: u32, length: u32, register: u32) {
    expression(out, "payload", |out| {
        out.number(1, register);
        out.number(2, base);
        out.number(3, offset);
        out.number(4, length);
    });
}

fn address(out: &mut Writer, family: Family, side: Side) {
    let (offset, length) = match (family, side) {
        (Family::V4, Side::Source) => (12, 4),
        (Family::V4, Side::Destination) => (16, 4),
        (Family::V6, Side::Source) => (8, 16),
        (Family::V6, Side::Destination) => (24, 16),
    };
    payload(out, NETWORK_HEADER, offset, length, REGISTER);
}

fn compare(out: &mut Writer, how: u32, value: &[u8]) {
    expression(out, "cmp", |out| {
        out.number(1, REGISTER);
        out.number(2, how);
        out.nested(3, |out| out.bytes(DATA_VALUE, value));
    });
}

/// Whether any bit of a mask is set in the register, which holds a number in the machine's own byte order.
fn any_bit(out: &mut Writer, mask: u32) {
    bitwise(out, &mask.to_ne_bytes());
    compare(out, CMP_NEQ, &[0; 4]);
}

/// `register & mask`.
fn bitwise<const N: usize>(out: &mut Writer, mask: &[u8; N]) {
    expression(out, "bitwise", |out| {
        out.number(1, REGISTER);
        out.number(2, REGISTER);
        out.number(3, u32::try_from(N).unwrap_or_default());
        out.nested(4, |out| out.bytes(DATA_VALUE, mask));
        out.nested(5, |out| out.bytes(DATA_VALUE, &[0; N]));
    });
}

fn lookup(out: &mut Writer, set: &str, not: bool) {
    expression(out, "lookup", |out| {
        out.text(1, set);
        out.number(2, REGISTER);
        if not {
            out.number(5, LOOKUP_INVERT);
        }
    });
}
