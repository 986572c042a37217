//! The lines `source => destination : ports` that netpol-analyzer expects.

use palisade_netmodel::{PortSet, Protocol};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// An end of a line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// `namespace/name[Kind]`.
    Workload(String),
    /// `first-last[External]`, as numbers.
    Range(u32, u32),
    /// `{ingress-controller}`: whatever serves Ingress and Route objects.
    Controller,
}

/// The lines of a case.
pub(crate) type Lines = BTreeMap<(End, End), PortSet>;

pub(crate) fn parse(text: &str) -> Lines {
    let mut lines = Lines::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (ends, ports) = line.split_once(" : ").unwrap();
        let (source, destination) = ends.split_once(" => ").unwrap();
        let before = lines.insert((end(source), end(destination)), port_set(ports));
        assert!(before.is_none(), "twice: {line}");
    }
    lines
}

fn end(text: &str) -> End {
    if text == "{ingress-controller}" {
        return End::Controller;
    }
    match text.strip_suffix("[External]") {
        None => End::Workload(text.to_owned()),
        Some(range) => {
            let (first, last) = range.split_once('-').unwrap();
            let number = |a: &str| a.parse::<Ipv4Addr>().unwrap().to_bits();
            End::Range(number(first), number(last))
        }
    }
}

/// `All Connections`, or `SCTP 1-65535,TCP 80,443`: a word of a protocol holds until the next.
fn port_set(text: &str) -> PortSet {
    if text == "All Connections" {
        return PortSet::all();
    }
    let mut protocol = None;
    let mut set = PortSet::empty();
    for part in text.split(',') {
        let range = match part.split_once(' ') {
            Some((word, range)) => {
                protocol = Some(Protocol::parse(word).unwrap());
                range
            }
            None => part,
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |text: &str| text.parse().unwrap();
        set = set.union(&PortSet::range(
            protocol.unwrap(),
            number(first),
            number(last),
        ));
    }
    set
}

#[test]
fn lines_are_understood() {
    let lines = parse("1.0.0.0-1.0.0.255[External] => a/b[Pod] : SCTP 7,TCP 80-81,90\n");
    let ((source, destination), ports) = lines.first_key_value().unwrap();
    assert_eq!(*source, End::Range(0x0100_0000, 0x0100_00ff));
    assert_eq!(*destination, End::Workload("a/b[Pod]".to_owned()));
    assert_eq!(ports.to_string(), "80-81/TCP, 90/TCP, 7/SCTP");
}
