//! Why one flow passes or not: every layer, the deciding rule of each, and what would change it.

use crate::{Engine, names};
use palisade_diagnostics::{Diagnostic, Fact, Report, Section, Severity, Table, Verdict};
use palisade_netmodel::reference::View;
use palisade_netmodel::{
    AuthorizationAction, Cause, Decision, Direction, Encryption, Endpoint, Flow, Layer, Outcome,
    Pod, Proxy, World, reference,
};

/// The whole answer for one flow, from the reference evaluator's own reasoning.
#[must_use]
pub fn explain(world: &World, flow: &Flow) -> Report {
    report(View::whole(world), flow)
}

impl Engine<'_> {
    /// The same, looking only at what can matter to the flow: for many questions about one world.
    #[must_use]
    pub fn explain(&self, flow: &Flow) -> Report {
        self.looking(flow, |view| report(view, flow))
    }

    /// What the reference says, with its reasons, looking only at what can matter to the flow.
    #[must_use]
    pub fn reasons(&self, flow: &Flow) -> Decision {
        self.looking(flow, |view| reference::decide_in(view, flow))
    }

    fn looking<T>(&self, flow: &Flow, answer: impl Fn(View<'_>) -> T) -> T {
        match self.candidates(flow) {
            Some(candidates) => answer(View::among(self.world(), &candidates)),
            None => answer(View::whole(self.world())),
        }
    }
}

fn report(view: View<'_>, flow: &Flow) -> Report {
    let world = view.world();
    let decision = reference::decide_in(view, flow);
    let mut report = Report::new(format!("explain {}", names::flow(world, flow)));
    report.verdict = match decision.outcome {
        Outcome::Allow => Verdict::Holds,
        Outcome::Depends => Verdict::Unknown,
        Outcome::Deny => Verdict::Fails,
    };
    report.facts = facts(world, flow, &decision);
    report.findings = decision.because.iter().map(step).collect();
    report.sections.push(layers(&decision));
    report.sections.push(opposite(view, flow, &decision));
    report.summary.text = match decision.outcome {
        Outcome::Allow => format!("allowed, {}", wire(decision.encryption)),
        Outcome::Depends => "not decided: it depends on what the steps above name".to_owned(),
        Outcome::Deny => "denied".to_owned(),
    };
    report
}

fn wire(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::None => "plaintext is possible",
        Encryption::Tls => "TLS is proven",
        Encryption::MeshMtls => "mesh mTLS is proven",
    }
}

fn facts(world: &World, flow: &Flow, decision: &Decision) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let end = |end: Endpoint| match end {
        Endpoint::Pod(pod) => world.pod(pod).map_or_else(String::new, describe_pod),
        Endpoint::Address(address) => format!("{address}, an address that is no pod's"),
    };
    let mut facts = vec![
        fact("from", end(flow.source)),
        fact("to", end(flow.destination)),
        fact("port", format!("{}/{}", flow.port, flow.protocol)),
        fact("verdict", outcome(decision.outcome).to_owned()),
    ];
    // Nothing is on the wire of a connection that is refused.
    if decision.outcome != Outcome::Deny {
        facts.push(fact("wire", wire(decision.encryption).to_owned()));
    }
    facts
}

fn describe_pod(pod: &Pod) -> String {
    format!(
        "pod {} of {} {}, labels {}",
        pod.object(),
        pod.workload.kind,
        pod.workload.name,
        if pod.labels.is_empty() {
            "none".to_owned()
        } else {
            pod.labels.to_string()
        }
    )
}

/// A verdict in words.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "allowed",
        Outcome::Depends => "not decided",
        Outcome::Deny => "denied",
    }
}

/// One step as a note at its line.
fn step(cause: &Cause) -> Diagnostic {
    let subject = cause
        .subject
        .as_ref()
        .map_or_else(String::new, |s| format!("{s}: "));
    Diagnostic::new(
        Severity::Note,
        "PAL0330",
        format!("{}: {subject}{}", cause.layer, cause.text),
    )
    .at_opt(cause.origin.0, outcome(cause.outcome))
}

/// The steps as a table.
fn layers(decision: &Decision) -> Section {
    let rows = decision
        .because
        .iter()
        .map(|cause| {
            vec![
                cause.layer.to_string(),
                outcome(cause.outcome).to_owned(),
                cause
                    .subject
                    .as_ref()
                    .map_or_else(|| "no object".to_owned(), ToString::to_string),
            ]
        })
        .collect();
    Section {
        title: "Layers, in the order in which a packet meets them".to_owned(),
        paragraphs: Vec::new(),
        table: Some(Table {
            columns: ["Layer", "Verdict", "Object"].map(str::to_owned).to_vec(),
            rows,
        }),
    }
}

/// What to change for the opposite verdict.
fn opposite(world: View<'_>, flow: &Flow, decision: &Decision) -> Section {
    let (title, paragraphs) = if decision.outcome == Outcome::Allow {
        ("To deny it", to_deny(&world, flow, decision))
    } else {
        ("To allow it", to_allow(world, flow, decision))
    };
    Section {
        title: title.to_owned(),
        paragraphs,
        table: None,
    }
}

fn to_deny(world: &World, flow: &Flow, decision: &Decision) -> Vec<String> {
    if flow.source == flow.destination {
        return vec!["nothing can: a pod always reaches itself".to_owned()];
    }
    if let Some(advice) = narrow_ingress(decision) {
        return vec![advice];
    }
    match end_pod(world, flow.destination) {
        Some(pod) => vec![format!(
            "isolate the destination: a NetworkPolicy in namespace {} with podSelector {{{}}}, policyTypes [Ingress], and rules for its legitimate callers only",
            pod.namespace, pod.labels
        )],
        None => match end_pod(world, flow.source) {
            Some(pod) => vec![format!(
                "isolate the source: a NetworkPolicy in namespace {} with podSelector {{{}}} and policyTypes [Egress]",
                pod.namespace, pod.labels
            )],
            None => Vec::new(),
        },
    }
}

/// What to narrow at the destination: the step that decided there, if it is a rule.
fn narrow_ingress(decision: &Decision) -> Option<String> {
    let mut steps = decision.because.iter().rev();
    let last = steps.find(|c| {
        matches!(
            c.layer,
            Layer::AdminIngress | Layer::Ingress | Layer::BaselineIngress
        )
    })?;
    let subject = last.subject.as_ref()?;
    Some(if last.layer == Layer::Ingress {
        format!("narrow the rule of {subject} that admits it (and every other rule that does)")
    } else {
        format!(
            "narrow the rule of {subject} that accepts it, or put one with action Deny above it"
        )
    })
}

fn to_allow(world: View<'_>, flow: &Flow, decision: &Decision) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut causes: Vec<&Cause> = decision
        .because
        .iter()
        .filter(|c| c.outcome != Outcome::Allow)
        .collect();
    // Policies add up, so one of those that isolate is enough: the one that selects the fewest pods.
    causes.sort_by_key(|c| (c.layer, std::cmp::Reverse(narrowness(world, c))));
    causes.dedup_by(|a, b| a.layer == b.layer && matches!(a.layer, Layer::Ingress | Layer::Egress));
    let others = causes.iter().any(|c| c.layer != Layer::ClientTls);
    for cause in causes {
        let object = cause
            .subject
            .as_ref()
            .map_or_else(|| "a policy".to_owned(), ToString::to_string);
        let advice = match cause.layer {
            Layer::Node => "the end must exist: a live pod that accepts connections".to_owned(),
            Layer::Ingress => rule(&world, flow, Direction::Ingress, &object),
            Layer::Egress => rule(&world, flow, Direction::Egress, &object),
            Layer::AdminEgress
            | Layer::AdminIngress
            | Layer::BaselineEgress
            | Layer::BaselineIngress => administrators(cause, &object),
            // Told of the receiver, unless that is not known to refuse anything.
            Layer::ClientTls if others => continue,
            Layer::ClientTls => format!("let the client send what the receiver accepts ({object})"),
            Layer::PeerAuthentication => accept_or_send(&world, flow),
            Layer::Authorization => authorization(world, cause, &object),
        };
        if !out.contains(&advice) {
            out.push(advice);
        }
    }
    out
}

/// What to change in an AuthorizationPolicy that refuses, or that may.
fn authorization(world: View<'_>, cause: &Cause, object: &str) -> String {
    let subject = cause.subject.as_ref().map(|s| &s.object);
    let mut policies = world.authorization_policies();
    let policy = policies.find(|p| Some(&p.object) == subject);
    match policy.map(|p| &p.action) {
        Some(AuthorizationAction::Deny) => {
            format!("narrow the DENY rule of {object} that matches: no ALLOW rule outweighs it")
        }
        Some(AuthorizationAction::Custom) => {
            format!("let the external authorizer that {object} asks admit it")
        }
        _ => format!("add a rule for the caller's principal and port to {object}"),
    }
}

/// What to change where the receiver refuses what the caller sends.
fn accept_or_send(world: &World, flow: &Flow) -> String {
    let enrolled = end_pod(world, flow.source)
        .is_some_and(|pod| matches!(pod.proxy, Proxy::Sidecar { .. } | Proxy::Gateway));
    let send = if enrolled {
        "let the caller's proxy send mesh mTLS (by a Service that leads to the port, with no DestinationRule and no excluded port against it)"
    } else {
        "bring the caller into the mesh"
    };
    format!(
        "{send}, or accept plaintext on this port (`portLevelMtls` PERMISSIVE), which gives up the proof of encryption"
    )
}

/// What to change in an administrator's policy that refuses, or that may.
fn administrators(cause: &Cause, object: &str) -> String {
    let accept = if object.starts_with("ClusterNetworkPolicy") {
        "Accept"
    } else {
        "Allow"
    };
    if cause.outcome == Outcome::Deny {
        format!(
            "narrow the rule of {object} that denies it, or put one with action {accept} above it"
        )
    } else {
        format!(
            "put a rule with action {accept} for it above all that are not certain, {object} among them, in a policy whose priority no other one has"
        )
    }
}

/// How many labels the selector of the policy of a cause asks for.
fn narrowness(world: View<'_>, cause: &Cause) -> usize {
    let object = cause.subject.as_ref().map(|s| &s.object);
    let mut policies = world.network_policies();
    let policy = policies.find(|p| Some(&p.object) == object);
    policy.map_or(0, |p| p.pod_selector.requirements.len())
}

/// Labels by which one replica or one release differs from the next: a rule must not ask for them.
const PASSING: [&str; 8] = [
    "app.kubernetes.io/version",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "controller-revision-hash",
    "helm.sh/chart",
    "pod-template-hash",
    "statefulset.kubernetes.io/pod-name",
];

/// A rule that would admit the flow, as YAML on one line.
fn rule(world: &World, flow: &Flow, direction: Direction, object: &str) -> String {
    let (key, peer_end) = match direction {
        Direction::Ingress => ("from", flow.source),
        Direction::Egress => ("to", flow.destination),
    };
    let peer = match peer_end {
        Endpoint::Address(address) => {
            let bits = if address.is_ipv6() { 128 } else { 32 };
            format!("{{ipBlock: {{cidr: {address}/{bits}}}}}")
        }
        Endpoint::Pod(_) => end_pod(world, peer_end).map_or_else(String::new, |pod| {
            let labels = pod.labels.iter();
            let labels = labels.filter(|(key, _)| !PASSING.contains(key));
            let labels = labels.map(|(k, v)| format!("{k}: {v:?}"));
            format!(
                "{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {}}}}}, podSelector: {{matchLabels: {{{}}}}}}}",
                pod.namespace,
                labels.collect::<Vec<_>>().join(", ")
            )
        }),
    };
    format!(
        "add to {object}: `{direction}: [{{{key}: [{peer}], ports: [{{port: {}, protocol: {}}}]}}]`",
        flow.port, flow.protocol
    )
}

fn end_pod(world: &World, end: Endpoint) -> Option<&Pod> {
    match end {
        Endpoint::Pod(pod) => world.pod(pod),
        Endpoint::Address(_) => None,
    }
}
