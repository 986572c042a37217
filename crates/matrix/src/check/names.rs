//! Names: each is given once, and what is named is there.

use crate::syntax::{Matrix, Text};
use palisade_diagnostics::{Diagnostic, Span, did_you_mean};
use std::collections::BTreeMap;

/// What a flow goes `via`, and where a hop ends.
pub(super) const GATEWAY: &str = "component with `role: Gateway`";

pub(super) fn gateways(matrix: &Matrix) -> Vec<&str> {
    let gateways = matrix.components.iter().filter(|c| c.gateway);
    gateways.map(|c| c.name.value.as_str()).collect()
}

pub(super) fn zone_names(matrix: &Matrix) -> Vec<&str> {
    matrix.zones.iter().map(|z| z.name.value.as_str()).collect()
}

/// An unknown name, with the nearest known one.
pub(super) fn known(name: &Text, what: &str, names: &[&str], out: &mut Vec<Diagnostic>) {
    if names.contains(&name.value.as_str()) {
        return;
    }
    let diagnostic = Diagnostic::error("PAL0213", format!("there is no {what} `{}`", name.value))
        .at(name.span, "");
    out.push(match did_you_mean(&name.value, names.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => diagnostic.help(format!("the matrix declares no {what}")),
        None => diagnostic.help(format!("there are: {}", names.join(", "))),
    });
}

/// Names are unique: components, endpoints and zones together, since flows name any of them.
pub(super) fn names(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    let parties = (matrix.zones.iter().map(|z| &z.name))
        .chain(matrix.endpoints.iter().map(|e| &e.name))
        .chain(matrix.components.iter().map(|c| &c.name));
    unique("name", parties, out);
    unique("flow id", matrix.flows.iter().map(|f| &f.id), out);
    unique("parameter", matrix.parameters.iter().map(|p| &p.name), out);
    unique("toggle", matrix.toggles.iter().map(|t| &t.name), out);
    unique("platform", matrix.platforms.iter().map(|p| &p.name), out);
    unique("exception id", matrix.exceptions.iter().map(|e| &e.id), out);
    for component in &matrix.components {
        unique("port", component.ports.iter().map(|p| &p.name), out);
    }
    for flow in &matrix.flows {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !flow.id.value.chars().all(plain) {
            out.push(
                Diagnostic::error(
                    "PAL0207",
                    format!("flow id `{}` is no plain word", flow.id.value),
                )
                .at(flow.id.span, "")
                .help("use letters, digits, `-`, `_` and `.`"),
            );
        }
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a Text>, out: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for name in names {
        if let Some(first) = seen.get(name.value.as_str()) {
            out.push(
                Diagnostic::error("PAL0212", format!("{what} `{}` is given twice", name.value))
                    .at(name.span, "again here")
                    .at(*first, "first here")
                    .help("rename one of the two"),
            );
        } else {
            seen.insert(&name.value, name.span);
        }
    }
}
