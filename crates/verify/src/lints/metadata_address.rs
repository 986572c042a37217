//! Blocks on the way out that hold the address of the cloud's metadata service.

use super::Lint;
use super::context::{Context, Expect};
use crate::lints::METADATA_ADDRESS;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, Endpoint, Flow, Outcome, Peer, Protocol, reference};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "metadata-address",
    code: "PAL0632",
    severity: Severity::Warning,
    summary: "An ipBlock on the way out holds 169.254.169.254, where clouds serve credentials of the node.",
    check,
};

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for view in cx.rules() {
        if view.direction != Direction::Egress {
            continue;
        }
        let holds = |peer: &Peer| match peer {
            Peer::Block { cidr, except } => {
                cidr.contains(&METADATA_ADDRESS)
                    && !except.iter().any(|e| e.contains(&METADATA_ADDRESS))
            }
            Peer::Pods { .. } => false,
        };
        let peer = view.rule.peers.iter().flatten().position(holds);
        let (Some(index), Some(subject)) = (peer, cx.subjects(view.index).first()) else {
            continue;
        };
        let ports = cx.engine.ports_at(view.rule.ports.as_deref(), *subject);
        let member = cx.engine.members(*subject).first();
        let (true, Some(pod)) = (ports.contains(Protocol::Tcp, 80), member) else {
            continue;
        };
        let flow = Flow {
            source: Endpoint::Pod(*pod),
            destination: Endpoint::Address(METADATA_ADDRESS),
            protocol: Protocol::Tcp,
            port: 80,
        };
        let title = format!(
            "`{}` lets out to the cloud's metadata service",
            view.policy.object
        );
        // An address of its own is a choice, and worth knowing.
        let chosen =
            |peer: &Peer| matches!(peer, Peer::Block { cidr, .. } if cidr.prefix_len() == 32);
        let peers = view.rule.peers.as_deref().unwrap_or_default();
        let finding = match peers.get(index).is_some_and(chosen) {
            true => LINT.note(title),
            false => LINT.finding(title),
        };
        let finding = finding
            .at_opt(view.peer_span(index), "holds 169.254.169.254")
            .note("on many clouds, whoever reaches it gets the credentials of the node")
            .help("leave it out by `except: [169.254.169.254/32]`, unless the pods need it");
        // Another layer may close what the block opens, or leave it to what is not known.
        match reference::decide(cx.world, &flow).outcome {
            Outcome::Allow => out.push(cx.replayed(finding, &flow, Expect::Passes)),
            Outcome::Depends => out.push(finding),
            Outcome::Deny => {}
        }
    }
    out
}
