//! The truth table, counted: for each workload and port, how many callers reach it.

use super::answers::{Row, Seen};
use palisade_diagnostics::Table;
use palisade_netmodel::{Outcome, Protocol};
use palisade_trial::OTHER;
use std::collections::BTreeMap;

/// What was asked about one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
struct Count {
    all: usize,
    packets: usize,
    engine: usize,
    /// Of these, on how many nothing but mTLS was accepted.
    encrypted: [usize; 2],
}

/// A row for each destination and each group of ports that are reached alike, counted together.
pub(super) fn grid(rows: &[Row]) -> Table {
    let mut counts: BTreeMap<(&str, (Protocol, u16)), Count> = BTreeMap::new();
    for row in rows {
        let count = counts.entry((&row.to, row.port)).or_default();
        count.all += 1;
        count.packets += usize::from(row.seen.passed());
        count.engine += usize::from(row.engine == Outcome::Allow);
        let [packets, engine] = &mut count.encrypted;
        *packets += usize::from(row.seen.encrypted());
        *engine += usize::from(row.encrypted);
    }
    let meshed = rows.iter().any(|row| !matches!(row.seen, Seen::Network(_)));
    let mut groups: BTreeMap<(&str, Count), Vec<String>> = BTreeMap::new();
    for ((to, (protocol, port)), count) in counts {
        let port = if port == OTHER {
            format!("other {protocol}")
        } else {
            format!("{port}/{protocol}")
        };
        groups.entry((to, count)).or_default().push(port);
    }
    let row = |((to, count), ports): ((&str, Count), Vec<String>)| {
        let mut numbers = Vec::new();
        if meshed {
            numbers.extend(count.encrypted);
        }
        numbers.extend([count.packets, count.engine, count.all]);
        let numbers = numbers.into_iter().map(|each| each * ports.len());
        let mut row = vec![to.to_owned(), ports.join(", ")];
        row.extend(numbers.map(|number| number.to_string()));
        row
    };
    let mut columns = vec!["to", "ports"];
    if meshed {
        columns.extend(["mTLS by packets", "mTLS by engine"]);
    }
    columns.extend(["by packets", "by engine", "of"]);
    Table {
        columns: columns.into_iter().map(str::to_owned).collect(),
        rows: groups.into_iter().map(row).collect(),
    }
}
