//! A policy set and the pods of one node as two nftables tables, one for each family of addresses.
//!
//! ```text
//! World + Node ──build──► Ruleset ──┬──► packet   (what becomes of a packet: the plain interpreter)
//!                                   ├──► text     (an nft script)
//!      Ruleset, Ruleset' ──update───┴──► netlink  (batches of messages)
//! ```
//!
//! Pure: it reads no kernel and opens no socket. A [`Ruleset`] has one meaning, [`Ruleset::judge`], and
//! two spellings, which must give the same tables in the kernel.
//!
//! # How a packet is judged
//!
//! The base chain of its family, `forward4` or `forward6`, ends what was revoked and lets what belongs to a known
//! connection pass, then looks up source and destination in a map of this node's isolated pods. Each leads to the chain
//! of the pod's *signature*: the policies that select it. A packet that a chain accepts *returns*, so it passes the
//! source's egress and then the destination's ingress; the end of the base chain accepts. Cost: two lookups, and the
//! rules of at most two signatures; neither grows with the number of pods or policies.
//!
//! A TCP packet in the middle of a connection that nobody knows is no first packet, and judged as none: chain
//! `begun4` or `begun6` ends it if it is one of an isolated pod. Their sets hold the addresses of the maps once
//! more, so that this is asked once for each packet, and no signature's chain has a rule for it. In a rule ports
//! come before addresses, which have to be looked up; a rule costs the kernel its expressions, each of which it
//! finds by name; in a table of one family an address takes two of them, in one of both
//! (`inet`) four.
//!
//! # How a ruleset changes
//!
//! Chains never change: they are named by what they say. Sets of pods are named by whom they mean, so a
//! pod that comes or goes changes elements alone. An [`update`](Ruleset::update_from) therefore is: publish new
//! sets and chains, which nothing leads to; switch elements and maps, in one transaction; collect what
//! nothing leads to any more. The tables and their base chains are never replaced, and at no moment does a
//! packet meet half of a change.

mod addresses;
mod build;
mod close;
mod list;
mod model;
mod names;
mod netlink;
mod packet;
mod text;
mod update;
pub mod wire;

pub use build::{Built, Change, Denial, Live, Node, Refused, Settings, build, deny, is_deny};
pub use list::List;
pub use model::{
    Chain, Effect, Element, Elements, Family, Map, Match, Rule, Ruleset, Set, SetKind, Side,
    Verdict,
};
pub use netlink::{Batch, encode};
pub use packet::{Judgement, Packet};
pub use text::script;
pub use update::{Command, Operation, Present, Update};
