//! What lints ask of pods and of the templates of workloads: old names of fields, ports that are
//! announced for metrics, probes, tokens.

use super::{key, reference, text};
use palisade_diagnostics::Span;
use palisade_netmodel::{Announced, Labels, OldField, TargetPort, Written, WrittenWorkload};
use palisade_yaml::Node;

/// Metrics, as the configurations that Prometheus and its charts ship read them.
const SCRAPE: &str = "prometheus.io/scrape";
const SCRAPE_PORT: &str = "prometheus.io/port";
/// Whether the sidecar takes over the probes of a pod (`Istio documentation, Health Checking of Istio
/// Services`).
const REWRITE: &str = "sidecar.istio.io/rewriteAppHTTPProbers";
const PROBES: [&str; 3] = ["livenessProbe", "readinessProbe", "startupProbe"];

/// Workloads that select their pods. (The selector of a Job holds a label that is its own.)
const CONTROLLERS: [&str; 5] = [
    "DaemonSet",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

/// Reads a pod, or the template of anything that has one.
pub(super) fn read(node: Node<'_>, kind: &str, out: &mut Written) {
    let Some(owner) = owner(node) else { return };
    let template = match kind {
        "Pod" => Some(node),
        "CronJob" => node
            .get("spec")
            .and_then(|spec| spec.get("jobTemplate"))
            .and_then(template),
        _ => template(node),
    };
    let Some(template) = template else { return };
    let annotations = template
        .get("metadata")
        .and_then(|meta| meta.get("annotations"));
    if let Some(annotations) = annotations {
        out.scrapes.extend(scrape(owner, annotations));
    }
    out.workloads.extend(workload(node, kind));
    let Some(spec) = template.get("spec") else {
        return;
    };
    out.old_fields.extend(old_account(spec));
    if is(spec.get("automountServiceAccountToken"), "false") {
        out.tokenless.insert(owner);
    }
    if annotations.is_some_and(|a| is(a.get(REWRITE), "false")) {
        bare_probes(owner, spec, out);
    }
}

/// Where the name stands, as the loader takes it for the place of the pods.
fn owner(node: Node<'_>) -> Option<Span> {
    let meta = node.get("metadata")?;
    let name = meta.get("name").or_else(|| meta.get("generateName"))?;
    Some(name.span())
}

fn template(node: Node<'_>) -> Option<Node<'_>> {
    node.get("spec")?.get("template")
}

/// A workload that selects its pods by labels alone.
fn workload(node: Node<'_>, kind: &str) -> Option<WrittenWorkload> {
    let selector = node.get("spec")?.get("selector")?;
    // What another workload made takes that one's pods.
    let is_owned = node.get("metadata")?.get("ownerReferences").is_some();
    if !CONTROLLERS.contains(&kind) || is_owned || selector.get("matchExpressions").is_some() {
        return None;
    }
    // A ReplicationController has the labels at once.
    let labels = match kind {
        "ReplicationController" => selector,
        _ => selector.get("matchLabels")?,
    };
    let pairs = labels.entries();
    let pairs = pairs.filter_map(|(key, value)| Some((key.text, value.as_str()?)));
    let selector_labels = Labels::from_iter(pairs);
    (!selector_labels.is_empty()).then_some(WrittenWorkload {
        kind: kind.to_owned(),
        object: reference(node)?,
        span: selector.span(),
        selector: selector_labels,
    })
}

/// Whether a value is this word, as a string or as itself.
fn is(node: Option<Node<'_>>, word: &str) -> bool {
    node.is_some_and(|node| {
        node.as_str() == Some(word) || node.as_bool().is_some_and(|b| b.to_string() == word)
    })
}

/// Fields of a pod that have another name today (`Kubernetes API, PodSpec: serviceAccount is a
/// deprecated alias for serviceAccountName`).
fn old_account(spec: Node<'_>) -> Option<OldField> {
    let key = key(spec, "serviceAccount")?;
    Some(OldField {
        span: key.span,
        old: "serviceAccount",
        new: "serviceAccountName",
        // A cluster writes both names into every pod; only the old one alone is somebody's choice.
        both: spec.get("serviceAccountName").is_some(),
    })
}

fn scrape(owner: Span, annotations: Node<'_>) -> Option<Announced> {
    let port = annotations.get(SCRAPE_PORT)?;
    if !is(annotations.get(SCRAPE), "true") {
        return None;
    }
    Some(Announced {
        owner,
        span: port.span(),
        port: TargetPort::Number(number(port)?),
    })
}

fn number(node: Node<'_>) -> Option<u16> {
    match node.as_int() {
        Some(number) => u16::try_from(number).ok(),
        None => node.as_str()?.parse().ok(),
    }
}

/// Probes by HTTP and gRPC. A TCP probe only asks whether somebody accepts, and the sidecar does.
fn bare_probes(owner: Span, spec: Node<'_>, out: &mut Written) {
    let containers = spec.get("containers").into_iter().flat_map(Node::items);
    for container in containers {
        for probe in PROBES.iter().filter_map(|name| container.get(name)) {
            let action = probe.get("httpGet").or_else(|| probe.get("grpc"));
            let Some(port) = action.and_then(|action| action.get("port")) else {
                continue;
            };
            let number = number(port).map(TargetPort::Number);
            let name = || text(action?, "port").map(|name| TargetPort::Name(name.to_owned()));
            if let Some(target) = number.or_else(name) {
                out.bare_probes.push(Announced {
                    owner,
                    span: port.span(),
                    port: target,
                });
            }
        }
    }
}
