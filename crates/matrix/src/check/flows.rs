//! What must hold of flows, cells and the dates of exceptions.

use super::conditions::exclude;
use super::names::{GATEWAY, gateways, known, zone_names};
use crate::syntax::{Flow, FlowPorts, Matrix, Text};
use palisade_diagnostics::Diagnostic;
use std::collections::BTreeSet;

/// `YYYY-MM-DD` with a month and a day that exist in some year.
pub(super) fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let number = |part: &str, length: usize| {
        (part.len() == length)
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    let longest = match number(month, 2) {
        Some(2) => 29,
        Some(4 | 6 | 9 | 11) => 30,
        Some(1..=12) => 31,
        _ => 0,
    };
    number(year, 4).is_some() && number(day, 2).is_some_and(|d| (1..=longest).contains(&d))
}

/// One cell per pair of zones, unless at most one of them is there.
pub(super) fn cells(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    for (index, cell) in matrix.cells.iter().enumerate() {
        let same = |other: &&crate::syntax::Cell| {
            let conditions = other.when.as_ref().zip(cell.when.as_ref());
            other.from.value == cell.from.value
                && other.to.value == cell.to.value
                && !conditions.is_some_and(|(a, b)| exclude(a, b))
        };
        if let Some(first) = matrix.cells.iter().take(index).find(same) {
            let (from, to) = (&cell.from.value, &cell.to.value);
            out.push(
                Diagnostic::error("PAL0212", format!("cell {from} to {to} is given twice"))
                    .at(cell.from.span, "again here")
                    .at(first.from.span, "first here")
                    .help(
                        "make one cell of the two; `overrides` takes what depends on a condition",
                    ),
            );
        }
    }
}

/// A gateway that listens on no port admits nobody, whatever goes through it.
fn deaf_gateway(matrix: &Matrix, via: &Text) -> Option<Diagnostic> {
    let gateway = matrix
        .components
        .iter()
        .find(|c| c.name.value == via.value)?;
    gateway.ports.is_empty().then(|| {
        Diagnostic::error(
            "PAL0209",
            format!(
                "gateway `{}` has no ports, so nothing goes through it",
                via.value
            ),
        )
        .at(via.span, "")
        .help("list under `ports` of the component the ports that the gateway listens on")
    })
}

pub(super) fn check_flow(matrix: &Matrix, flow: &Flow, out: &mut Vec<Diagnostic>) {
    let parties: Vec<&str> = (matrix.components.iter().map(|c| c.name.value.as_str()))
        .chain(matrix.endpoints.iter().map(|e| e.name.value.as_str()))
        .chain(zone_names(matrix))
        .collect();
    for name in flow.from.iter().chain(&flow.to) {
        known(name, "component, endpoint or zone", &parties, out);
    }
    if let Some(via) = &flow.via {
        known(via, GATEWAY, &gateways(matrix), out);
        out.extend(deaf_gateway(matrix, via));
    }
    if matches!(&flow.ports, FlowPorts::Items(items) if items.is_empty()) {
        out.push(
            Diagnostic::error("PAL0209", format!("flow `{}` has no ports", flow.id.value))
                .at(flow.id.span, "")
                .help("list its ports, or write `ports: All` if every port is meant"),
        );
    }
    let reason = flow.reason.value.trim();
    let rubbish: BTreeSet<&str> = ["todo", "tbd", "fixme", "xxx", "n/a", "-", "none", "?"].into();
    let lower = reason.to_lowercase();
    // A mark with a colon and more words says no more than the mark.
    let unfinished = ["todo", "tbd", "fixme", "xxx"].iter().any(|word| {
        let rest = lower.strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    if reason.chars().count() < 3 || unfinished || rubbish.contains(lower.as_str()) {
        out.push(
            Diagnostic::error(
                "PAL0226",
                format!(
                    "flow `{}` has no reason that a reader could use",
                    flow.id.value
                ),
            )
            .at(flow.reason.span, "")
            .help("say in a few words what the connection is for"),
        );
    }
    if !flow.ingress && !flow.egress {
        out.push(
            Diagnostic::error(
                "PAL0227",
                format!("flow `{}` enforces nothing", flow.id.value),
            )
            .at(flow.id.span, "")
            .help("list Ingress, Egress or both under `enforce`, or leave `enforce` out"),
        );
    }
}
