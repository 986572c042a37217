//! One peer of a NetworkPolicy that a list dash made two.

use super::Lint;
use super::context::{Context, Expect, RuleView};
use crate::engine::EndpointId;
use palisade_diagnostics::{Diagnostic, Severity};
use palisade_netmodel::{Direction, NamespaceMatch, Peer, Selector};

/// The lint.
pub(super) const LINT: Lint = Lint {
    name: "split-peer",
    code: "PAL0601",
    severity: Severity::Warning,
    summary: "A list dash splits one peer into two, so that a whole namespace is admitted.",
    check,
};

/// A peer that means a whole namespace, and the one beside it that was meant to narrow it.
pub(super) struct Split<'a> {
    pub(super) rule: RuleView<'a>,
    /// Index of the peer with the namespace.
    pub(super) whole: usize,
    /// Index of the peer with the pods, which selects nothing.
    pub(super) dead: usize,
    /// The pods that would be left.
    meant: Vec<EndpointId>,
    /// The pods that come in besides.
    besides: Vec<EndpointId>,
}

/// Every split peer. Certain only where the second item selects nothing as it stands, and something
/// within the namespaces of the first.
pub(super) fn splits<'a>(cx: &Context<'a>) -> Vec<Split<'a>> {
    let mut out = Vec::new();
    for rule in cx.rules() {
        let peers = rule.rule.peers.as_deref().unwrap_or_default();
        for (first, pair) in peers.windows(2).enumerate() {
            let [a, b] = pair else { continue };
            let found = split(cx, rule, (a, first), (b, first + 1));
            out.extend(found.or_else(|| split(cx, rule, (b, first + 1), (a, first))));
        }
    }
    out
}

fn split<'a>(
    cx: &Context<'a>,
    rule: RuleView<'a>,
    (whole, at): (&'a Peer, usize),
    (dead, beside): (&'a Peer, usize),
) -> Option<Split<'a>> {
    let own = &rule.policy.object.namespace;
    namespace_alone(whole, own)?;
    let pods = pods_alone(dead, own)?;
    if !cx.peer(dead).is_empty() {
        return None;
    }
    let all = cx.peer(whole);
    let (meant, besides): (Vec<EndpointId>, Vec<EndpointId>) = all.iter().partition(|e| {
        let pod = cx.engine.pod(**e);
        pod.is_some_and(|pod| !pod.host_group && pods.matches(&pod.labels))
    });
    (!meant.is_empty()).then_some(Split {
        rule,
        whole: at,
        dead: beside,
        meant,
        besides,
    })
}

/// `namespaceSelector` without `podSelector`, of another namespace.
fn namespace_alone(peer: &Peer, own: &str) -> Option<()> {
    match peer {
        Peer::Pods { namespaces, pods } if pods.is_everything() => match namespaces {
            NamespaceMatch::Named(name) => (name != own).then_some(()),
            NamespaceMatch::Selector(_) => Some(()),
        },
        _ => None,
    }
}

/// `podSelector` without `namespaceSelector`.
fn pods_alone<'p>(peer: &'p Peer, own: &str) -> Option<&'p Selector> {
    match peer {
        Peer::Pods {
            namespaces: NamespaceMatch::Named(name),
            pods,
        } if name == own && !pods.is_everything() => Some(pods),
        _ => None,
    }
}

fn check(cx: &Context<'_>) -> Vec<Diagnostic> {
    splits(cx).iter().map(|split| describe(cx, split)).collect()
}

fn describe(cx: &Context<'_>, split: &Split<'_>) -> Diagnostic {
    let rule = split.rule;
    let names = cx.names();
    let verb = match rule.direction {
        Direction::Ingress => "admits",
        Direction::Egress => "lets out to",
    };
    let finding = LINT
        .finding(format!(
            "`{}` {verb} a whole namespace where pods in it were meant",
            rule.policy.object
        ))
        .at_opt(rule.peer_span(split.whole), "every pod of the namespace")
        .at_opt(
            rule.peer_span(split.dead),
            format!(
                "an item of its own: pods of `{}`, and none has these labels",
                rule.policy.object.namespace
            ),
        )
        .note(format!(
            "meant, most likely: {}",
            names.list(split.meant.iter().copied())
        ))
        .help("remove the dash before `podSelector`, so that both selectors are one item");
    let Some(stranger) = split.besides.first() else {
        return finding
            .note("no other pod of the namespace is known, so nothing more comes in today");
    };
    let finding = finding.note(format!(
        "besides: {}",
        names.list(split.besides.iter().copied())
    ));
    witness(cx, finding, rule, *stranger)
}

/// A connection of a pod that was not meant, on a port of the rule.
fn witness(
    cx: &Context<'_>,
    finding: Diagnostic,
    rule: RuleView<'_>,
    stranger: EndpointId,
) -> Diagnostic {
    for subject in cx.subjects(rule.index) {
        let (source, destination) = match rule.direction {
            Direction::Ingress => (stranger, *subject),
            Direction::Egress => (*subject, stranger),
        };
        let port = cx.sample_port(rule.rule, destination);
        if let Some(port) = port
            && cx.passes(source, destination, port)
        {
            return cx.shown(finding, (source, destination), port, Expect::Passes);
        }
    }
    finding
}
