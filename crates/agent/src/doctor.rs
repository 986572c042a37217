//! Whether a node can enforce: what its kernel can do, asked in transactions that are never ended, the settings that
//! packets depend on, and other programs that judge them.

use crate::kernel::{Error, Kernel};
use palisade_netmodel::Protocol;
use palisade_nftables::{
    Chain, Effect, Element, Family, Map, Match, Operation, Rule, Ruleset, Set, SetKind, Settings,
    Side, Verdict, build,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What was found about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The thing.
    pub about: String,
    /// How it is.
    pub state: State,
    /// In words, with what to do.
    pub said: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it must be.
    Good,
    /// Something to know.
    Notable,
    /// Policies are not enforced as they are written.
    Broken,
}

/// Looks at the node that this runs on.
#[must_use]
pub fn examine(settings: &Settings) -> Vec<Finding> {
    let mut found = match Kernel::open(&format!("{}_doctor", settings.table)) {
        Err(error) => vec![finding("nf_tables", State::Broken, denied(&error))],
        Ok(kernel) => {
            let mut found: Vec<Finding> = features(settings)
                .iter()
                .map(|(name, ruleset)| feature(&kernel, name, ruleset))
                .collect();
            found.extend(others(&kernel, &settings.table));
            found
        }
    };
    found.extend(bridges());
    found.extend(forwarding());
    found.extend(ipvs());
    found.extend(connections());
    found
}

fn finding(about: &str, state: State, said: impl Into<String>) -> Finding {
    Finding {
        about: about.to_owned(),
        state,
        said: said.into(),
    }
}

fn denied(error: &Error) -> String {
    format!("{error}; it needs a kernel with nf_tables and the capability NET_ADMIN")
}

fn feature(kernel: &Kernel, name: &str, ruleset: &Ruleset) -> Finding {
    let present = palisade_nftables::Present::default();
    let update = ruleset.update_from_names(&present);
    let operations: Vec<Operation<'_>> = update.steps().concat();
    match kernel.check(&operations) {
        Ok(()) => finding(name, State::Good, "the kernel has it"),
        Err(error) => finding(name, State::Broken, denied(&error)),
    }
}

/// What rulesets are made of, each with a table that holds little else.
fn features(settings: &Settings) -> Vec<(&'static str, Ruleset)> {
    let of = |matches, effect, verdict| {
        table(vec![Rule {
            matches,
            effect,
            verdict: Some(verdict),
        }])
    };
    let plain = |matches| of(matches, None, Verdict::Return);
    let whole = build(
        &palisade_netmodel::World::default(),
        &palisade_nftables::Node::default(),
        &Settings {
            reject: true,
            log: Some((1, 1)),
            ..settings.clone()
        },
    );
    let address = Match::Address {
        side: Side::Source,
        family: Family::V4,
        set: "s".to_owned(),
        not: false,
    };
    let network = [10, 0, 0, 0].into();
    let last = [10, 0, 0, 9].into();
    vec![
        ("table and base chain", table(Vec::new())),
        ("verdict maps", mapped()),
        (
            "sets of addresses",
            with_set(
                SetKind::Addresses(Family::V4),
                Element::Address(network),
                address.clone(),
            ),
        ),
        (
            "sets of networks",
            with_set(
                SetKind::Networks(Family::V4),
                Element::Network(network, last),
                address,
            ),
        ),
        (
            "ranges of ports by protocol",
            with_set(
                SetKind::Ports(Family::V4),
                Element::Ports(Protocol::Tcp, 1, 9),
                Match::Ports("s".to_owned()),
            ),
        ),
        (
            "ports of addresses",
            with_set(
                SetKind::Sockets(Family::V4),
                Element::Socket(network, Protocol::Tcp, 1),
                Match::Socket(Family::V4, "s".to_owned()),
            ),
        ),
        ("connection tracking", plain(vec![Match::Known])),
        (
            "marks of connections",
            plain(vec![Match::Marked(settings.revoked)]),
        ),
        ("reject", of(vec![], None, Verdict::Reject(Family::V4))),
        (
            "reset",
            of(vec![Match::Protocol(Protocol::Tcp)], None, Verdict::Reset),
        ),
        ("counters", of(vec![], Some(Effect::Count), Verdict::Drop)),
        (
            "log",
            of(
                vec![],
                Some(Effect::Log {
                    prefix: "p".to_owned(),
                    group: 1,
                    rate: 1,
                }),
                Verdict::Drop,
            ),
        ),
        ("everything together", whole.ruleset),
    ]
}

/// A table with a base chain and a chain of rules.
fn table(rules: Vec<Rule>) -> Ruleset {
    let base = Chain {
        base: true,
        ..Chain::new(Family::V4, "", Vec::new())
    };
    let other = Chain::new(Family::V4, "", rules);
    Ruleset {
        chains: [("forward".to_owned(), base), ("c".to_owned(), other)].into(),
        ..Ruleset::default()
    }
}

fn with_set(kind: SetKind, element: Element, condition: Match) -> Ruleset {
    let set = Set {
        kind,
        elements: vec![element].into(),
    };
    Ruleset {
        sets: [("s".to_owned(), set)].into(),
        ..table(vec![Rule::new(vec![condition], Verdict::Return)])
    }
}

fn mapped() -> Ruleset {
    let map = Map {
        family: Family::V4,
        elements: BTreeMap::from([([10, 0, 0, 0].into(), "c".to_owned())]),
    };
    let mut ruleset = table(Vec::new());
    ruleset.maps.insert("m".to_owned(), map);
    let dispatch = Verdict::Dispatch {
        side: Side::Source,
        family: Family::V4,
        map: "m".to_owned(),
    };
    if let Some(base) = ruleset.chains.get_mut("forward") {
        base.rules.push(Rule::new(vec![], dispatch));
    }
    ruleset
}

/// How the tables of programs that enforce policies, too, begin.
const OTHERS: [(&str, &str); 5] = [
    ("calico", "Calico"),
    ("cilium", "Cilium"),
    ("kube-router", "kube-router"),
    ("kube-network-policies", "kube-network-policies"),
    ("antrea", "Antrea"),
];

fn others(kernel: &Kernel, own: &str) -> Vec<Finding> {
    let tables = match kernel.tables() {
        Ok(tables) => tables,
        Err(error) => {
            return vec![finding(
                "tables of others",
                State::Notable,
                error.to_string(),
            )];
        }
    };
    let mut found = Vec::new();
    for table in tables.iter().filter(|table| *table != own) {
        let other = OTHERS.iter().find(|(start, _)| table.contains(start));
        if let Some((_, name)) = other {
            let said = format!(
                "table {table}: {name} judges the same packets, and both must let them pass"
            );
            found.push(finding("other engines", State::Notable, said));
        }
    }
    if found.is_empty() {
        found.push(finding("other engines", State::Good, "no table of one"));
    }
    found
}

/// A number of `/proc/sys`.
fn setting(path: &str) -> Option<u64> {
    let text = fs::read_to_string(Path::new("/proc/sys").join(path)).ok()?;
    text.trim().parse().ok()
}

/// Packets between pods of one bridge meet the table only if the kernel is told so.
fn bridges() -> Vec<Finding> {
    let interfaces = fs::read_dir("/sys/class/net")
        .into_iter()
        .flatten()
        .flatten();
    let mut bridges: Vec<String> = interfaces
        .filter(|entry| entry.path().join("bridge").is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    bridges.sort();
    if bridges.is_empty() {
        return vec![finding("bridges", State::Good, "there is none")];
    }
    let calls = ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"];
    let of = |call: &str| {
        let path = format!("net/bridge/{call}");
        match setting(&path) {
            Some(1) => finding(call, State::Good, "packets on bridges are judged"),
            _ => finding(
                call,
                State::Broken,
                format!(
                    "packets between pods on {} pass unjudged: load the module br_netfilter and set net.bridge.{call} to 1",
                    bridges.join(", ")
                ),
            ),
        }
    };
    calls.map(of).into()
}

fn forwarding() -> Vec<Finding> {
    let said = match setting("net/ipv4/ip_forward") {
        Some(1) => return vec![finding("ip_forward", State::Good, "packets are forwarded")],
        _ => {
            "net.ipv4.ip_forward is not 1: pods reach nobody beyond their node, whatever policies say"
        }
    };
    vec![finding("ip_forward", State::Notable, said)]
}

fn ipvs() -> Vec<Finding> {
    match Path::new("/sys/class/net/kube-ipvs0").exists() {
        true => vec![finding(
            "kube-proxy",
            State::Broken,
            "kube-proxy runs in mode ipvs, whose packets are not forwarded as others are: use mode nftables or iptables",
        )],
        false => vec![finding("kube-proxy", State::Good, "not in mode ipvs")],
    }
}

fn connections() -> Vec<Finding> {
    const FEW: u64 = 65_536;
    let found = match setting("net/netfilter/nf_conntrack_max") {
        None => finding(
            "nf_conntrack_max",
            State::Notable,
            "not known: connections are not tracked yet, or this may not be read",
        ),
        Some(most) if most < FEW => finding(
            "nf_conntrack_max",
            State::Notable,
            format!("{most} connections at most: when the table is full, new ones are dropped"),
        ),
        Some(most) => finding(
            "nf_conntrack_max",
            State::Good,
            format!("{most} connections"),
        ),
    };
    vec![found]
}
