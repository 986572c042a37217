//! One rule of a NetworkPolicy that a list dash made two.

use super::Lint;
use super::context::{Context, Expect, RuleView};
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::Direction;

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "split-rule",
    code: "PAL0602",
    severity: Severity::Warning,
    summary: "A list dash splits one rule into two: peers on every port, and everybody on the ports.",
    check,
};

pub(super) fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    for (index, _, _) in cx.policies() {
        for direction in [Direction::Ingress, Direction::Egress] {
            let rules = cx.rules_of(index, direction);
            for pair in rules.windows(2) {
                let [a, b] = pair else { continue };
                if let Some((peers, ports)) = split(*a, *b) {
                    out.push(describe(cx, peers, ports));
                }
            }
        }
    }
    out
}

/// The rule with peers alone and the rule with ports alone, in either order.
fn split<'a>(a: RuleView<'a>, b: RuleView<'a>) -> Option<(RuleView<'a>, RuleView<'a>)> {
    let peers = |rule: RuleView<'_>| rule.rule.peers.is_some() && rule.rule.ports.is_none();
    let ports = |rule: RuleView<'_>| rule.rule.peers.is_none() && rule.rule.ports.is_some();
    if peers(a) && ports(b) {
        Some((a, b))
    } else if ports(a) && peers(b) {
        Some((b, a))
    } else {
        None
    }
}

fn describe(cx: &Context<'_>, peers: RuleView<'_>, ports: RuleView<'_>) -> Diagnostic {
    let (key, everybody) = match peers.direction {
        Direction::Ingress => ("from", "admits everybody"),
        Direction::Egress => ("to", "lets out to everybody"),
    };
    let finding = LINT
        .finding(format!(
            "`{}` {everybody} on the ports that its peers were meant to have",
            peers.policy.object
        ))
        .at_opt(
            ports.rule.origin.0,
            format!("a rule without `{key}`: everybody, on these ports"),
        )
        .at_opt(
            peers.rule.origin.0,
            "a rule without `ports`: these peers, on every port",
        )
        .help(format!(
            "remove the dash between `{key}` and `ports`, so that both are one rule"
        ))
        .help("if two rules are meant, write the wider one into a policy of its own that says so");
    let Some(subject) = cx.subjects(ports.index).first() else {
        return finding;
    };
    // Somebody who is none of the peers.
    let is_peer = |e| {
        let list = peers.rule.peers.iter().flatten();
        list.into_iter().any(|peer| cx.peer(peer).contains(&e))
    };
    let port = cx.sample_port(ports.rule, *subject);
    match (port, peers.direction) {
        (Some(port), Direction::Ingress) => match cx.open_to(*subject, &[port], |e| !is_peer(e)) {
            Some((source, port)) => cx.shown(finding, (source, *subject), port, Expect::Passes),
            None => finding,
        },
        _ => finding,
    }
}
