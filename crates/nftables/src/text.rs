//! A ruleset, or an update of one, as an nft script.

use crate::model::{
    Chain, Effect, Element, Family, Map, Match, Rule, Ruleset, Set, SetKind, Side, Verdict,
};
use crate::update::{Command, Operation};
use palisade_netmodel::Protocol;
use std::fmt::{self, Display, Write};

/// Most elements on one line.
const LINE: usize = 256;

impl Display for Ruleset {
    /// Both tables, as `nft -f` reads them and `nft list` shows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Family::ALL
            .into_iter()
            .try_for_each(|family| self.table(f, family))
    }
}

impl Ruleset {
    fn table(&self, f: &mut fmt::Formatter<'_>, family: Family) -> fmt::Result {
        writeln!(f, "table {} {} {{", word(family), self.table)?;
        let sets = self
            .sets
            .iter()
            .filter(|(_, set)| set.kind.family() == family);
        for (name, set) in sets {
            writeln!(f, "\tset {name} {{\n\t\ttype {};", set_type(set.kind))?;
            if is_interval(set.kind) {
                writeln!(f, "\t\tflags interval;")?;
            }
            block_elements(f, set.elements.to_vec().iter().map(element))?;
        }
        for (name, map) in self.maps.iter().filter(|(_, map)| map.family == family) {
            writeln!(
                f,
                "\tmap {name} {{\n\t\ttype {} : verdict;",
                address_type(map.family)
            )?;
            block_elements(f, map.elements.iter().map(|(a, chain)| jump(&a, chain)))?;
        }
        // A chain must be known before a rule leads to it; nft reads a table as a whole, so any order will do.
        let chains = self
            .chains
            .iter()
            .filter(|(_, chain)| chain.family == family);
        for (name, chain) in chains {
            writeln!(f, "\tchain {name} {{")?;
            if chain.base {
                writeln!(f, "\t\t{BASE}")?;
            }
            if !chain.comment.is_empty() {
                writeln!(f, "\t\tcomment \"{}\";", chain.comment)?;
            }
            for rule in &chain.rules {
                writeln!(f, "\t\t{}", Line(rule))?;
            }
            writeln!(f, "\t}}")?;
        }
        writeln!(f, "}}")
    }
}

/// nft's word for a family.
fn word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

/// Where the base chain is hooked: after the translation of Services (priority -100 of prerouting), before the
/// filters of others (0).
const BASE: &str = "type filter hook forward priority -10; policy accept;";

fn block_elements(
    f: &mut fmt::Formatter<'_>,
    elements: impl ExactSizeIterator<Item = String>,
) -> fmt::Result {
    if elements.len() > 0 {
        let all: Vec<String> = elements.collect();
        let lines: Vec<String> = all.chunks(LINE).map(|line| line.join(", ")).collect();
        writeln!(f, "\t\telements = {{ {} }}", lines.join(",\n\t\t\t"))?;
    }
    writeln!(f, "\t}}")
}

/// A transaction as a script for `nft -f`.
#[must_use]
pub fn script(table: &str, operations: &[Operation<'_>]) -> String {
    let mut out = String::new();
    for operation in operations {
        // Writing to a string cannot fail.
        let _ = write(&mut out, table, operation);
    }
    out
}

fn write(out: &mut String, table: &str, operation: &Operation<'_>) -> fmt::Result {
    let t = format!("{} {table}", word(operation.family));
    match &operation.command {
        Command::AddTable => writeln!(out, "add table {t}"),
        Command::AddSet(name, set) => add_set(out, &t, name, set),
        Command::AddMap(name, map) => add_map(out, &t, name, map),
        Command::AddChain(name, chain) => add_chain(out, &t, name, chain),
        Command::AddRules(name, rules) => rules
            .iter()
            .try_for_each(|rule| writeln!(out, "add rule {t} {name} {}", Line(rule))),
        Command::FlushChain(name) => writeln!(out, "flush chain {t} {name}"),
        // Sets and maps have one space of names.
        Command::FlushElements(name) => writeln!(out, "flush set {t} {name}"),
        Command::AddElements(name, all) => elements(out, "add", &t, name, all.iter().map(element)),
        Command::DeleteElements(name, all) => {
            elements(out, "delete", &t, name, all.iter().map(element))
        }
        Command::AddJumps(name, all) => elements(
            out,
            "add",
            &t,
            name,
            all.iter().map(|(a, chain)| jump(a, chain)),
        ),
        Command::DeleteJumps(name, all) => elements(
            out,
            "delete",
            &t,
            name,
            all.iter().map(|(a, chain)| jump(a, chain)),
        ),
        Command::DeleteChain(name) => writeln!(out, "delete chain {t} {name}"),
        Command::DeleteSet(name) => writeln!(out, "delete set {t} {name}"),
        Command::DeleteTable => writeln!(out, "delete table {t}"),
    }
}

fn add_set(out: &mut String, t: &str, name: &str, set: &Set) -> fmt::Result {
    let flags = if is_interval(set.kind) {
        " flags interval;"
    } else {
        ""
    };
    writeln!(
        out,
        "add set {t} {name} {{ type {};{flags} }}",
        set_type(set.kind)
    )
}

fn add_map(out: &mut String, t: &str, name: &str, map: &Map) -> fmt::Result {
    writeln!(
        out,
        "add map {t} {name} {{ type {} : verdict; }}",
        address_type(map.family)
    )
}

fn add_chain(out: &mut String, t: &str, name: &str, chain: &Chain) -> fmt::Result {
    let base = if chain.base { BASE } else { "" };
    let comment = if chain.comment.is_empty() {
        String::new()
    } else {
        format!(" comment \"{}\";", chain.comment)
    };
    writeln!(out, "add chain {t} {name} {{ {base}{comment} }}")
}

fn elements(
    out: &mut String,
    verb: &str,
    t: &str,
    name: &str,
    elements: impl Iterator<Item = String>,
) -> fmt::Result {
    let all: Vec<String> = elements.collect();
    all.chunks(LINE)
        .try_for_each(|line| writeln!(out, "{verb} element {t} {name} {{ {} }}", line.join(", ")))
}

fn is_interval(kind: SetKind) -> bool {
    matches!(kind, SetKind::Networks(_) | SetKind::Ports(_))
}

fn address_type(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    }
}

fn set_type(kind: SetKind) -> String {
    match kind {
        SetKind::Addresses(family) | SetKind::Networks(family) => address_type(family).to_owned(),
        SetKind::Ports(_) => "inet_proto . inet_service".to_owned(),
        SetKind::Sockets(family) => {
            format!("{} . inet_proto . inet_service", address_type(family))
        }
    }
}

fn protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// `80`, or `80-90`.
fn span<T: Display + PartialEq>(first: &T, last: &T) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}

fn element(element: &Element) -> String {
    match element {
        Element::Address(address) => address.to_string(),
        Element::Network(first, last) => span(first, last),
        Element::Ports(p, first, last) => {
            format!("{} . {}", protocol(*p), span(first, last))
        }
        Element::Socket(address, p, port) => format!("{address} . {} . {port}", protocol(*p)),
    }
}

fn jump(address: &impl Display, chain: &str) -> String {
    format!("{address} : jump {chain}")
}

/// A rule on its line.
struct Line<'r>(&'r Rule);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule {
            matches,
            effect,
            verdict,
        } = self.0;
        let words = matches.iter().map(condition);
        let words = words.chain(effect.iter().map(effect_words));
        let words: Vec<String> = words.chain(verdict.iter().map(verdict_words)).collect();
        f.write_str(&words.join(" "))
    }
}

fn address_words(family: Family, side: Side) -> String {
    let side = match side {
        Side::Source => "saddr",
        Side::Destination => "daddr",
    };
    format!("{} {side}", word(family))
}

fn condition(condition: &Match) -> String {
    match condition {
        Match::Marked(mask) => format!("ct mark & {mask:#010x} != 0"),
        Match::Known => "ct state established,related".to_owned(),
        Match::NeighbourDiscovery => "icmpv6 type 133-136".to_owned(),
        Match::MidStream => "tcp flags & (fin|syn|rst|ack) != syn ct state new".to_owned(),
        Match::Address {
            side,
            family,
            set,
            not,
        } => {
            let not = if *not { "!= " } else { "" };
            format!("{} {not}@{set}", address_words(*family, *side))
        }
        Match::Protocol(p) => format!("meta l4proto {}", protocol(*p)),
        Match::Port(p, first, last) => {
            format!("{} dport {}", protocol(*p), span(first, last))
        }
        Match::Ports(set) => format!("meta l4proto . th dport @{set}"),
        Match::Socket(family, set) => format!(
            "{} . meta l4proto . th dport @{set}",
            address_words(*family, Side::Destination)
        ),
    }
}

fn effect_words(effect: &Effect) -> String {
    match effect {
        Effect::Count => "counter".to_owned(),
        Effect::Log {
            prefix,
            group,
            rate,
        } => format!(
            "limit rate {rate}/second burst {rate} packets log prefix \"{prefix}\" group {group}"
        ),
    }
}

fn verdict_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accept => "accept".to_owned(),
        Verdict::Drop => "drop".to_owned(),
        Verdict::Reject(Family::V4) => "reject with icmp admin-prohibited".to_owned(),
        Verdict::Reject(Family::V6) => "reject with icmpv6 admin-prohibited".to_owned(),
        Verdict::Reset => "reject with tcp reset".to_owned(),
        Verdict::Return => "return".to_owned(),
        Verdict::Jump(chain) => format!("jump {chain}"),
        Verdict::Goto(chain) => format!("goto {chain}"),
        Verdict::Dispatch { side, family, map } => {
            format!("{} vmap @{map}", address_words(*family, *side))
        }
    }
}
