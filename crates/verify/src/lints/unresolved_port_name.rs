//! Names of ports in policies that no pod has.

use super::Lint;
use super::context::{Context, RuleView};
use super::destinations::of_rule;
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity, did_you_mean};
use palisade_netmodel::{NamedPort, Peer, PolicyPort, Protocol};
use std::collections::BTreeSet;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "unresolved-port-name",
    code: "PAL0625",
    severity: Severity::Warning,
    summary: "A rule names a port by a name that no destination has, so it opens nothing.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        for (index, port) in view.rule.ports.iter().flatten().enumerate() {
            let PolicyPort::Named { protocol, name } = port else {
                continue;
            };
            if is_addresses(view) {
                out.push(
                    LINT.finding(format!(
                        "port name `{name}` of `{}` opens nothing",
                        view.policy.object
                    ))
                    .at_opt(view.port_span(index), "addresses have no names of ports")
                    .help("write the number"),
                );
            } else if let Some(pods) = of_rule(cx, view).filter(|pods| !pods.is_empty()) {
                out.extend(judge(cx, view, index, &pods, (name, *protocol)));
            }
        }
    }
    out
}

/// Whether every peer of an egress rule is a block.
fn is_addresses(view: RuleView<'_>) -> bool {
    let peers = view.rule.peers.as_deref().unwrap_or_default();
    view.direction == palisade_netmodel::Direction::Egress
        && !peers.is_empty()
        && peers.iter().all(|peer| matches!(peer, Peer::Block { .. }))
}

fn judge(
    cx: &Context<'_>,
    view: RuleView<'_>,
    index: usize,
    pods: &[EndpointId],
    (name, protocol): (&str, Protocol),
) -> Option<Diagnostic> {
    let named = || {
        pods.iter()
            .filter_map(|e| cx.engine.pod(*e))
            .flat_map(|pod| &pod.named_ports)
    };
    if named().any(|p| p.name == name && p.protocol == protocol) {
        return None;
    }
    let finding = LINT
        .finding(format!(
            "port name `{name}` of `{}` opens nothing",
            view.policy.object
        ))
        .at_opt(
            view.port_span(index),
            format!(
                "no {protocol} port of {} has this name",
                cx.names().few(pods.iter().copied())
            ),
        );
    let same_name: Option<&NamedPort> = named().find(|p| p.name == name);
    let names: BTreeSet<&str> = named()
        .filter(|p| p.protocol == protocol)
        .map(|p| p.name.as_str())
        .collect();
    Some(match (same_name, did_you_mean(name, names)) {
        (Some(port), _) => finding.help(format!(
            "write `protocol: {}`: {} has this name",
            port.protocol, port.port
        )),
        (None, Some(near)) => finding.help(format!("write `{near}`")),
        (None, None) => finding.help("write the number, or name the port in the container"),
    })
}
