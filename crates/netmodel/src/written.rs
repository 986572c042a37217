//! How objects are written, as far as it does not change what they mean: what lints ask for beside
//! the [`World`](crate::World).

use crate::{Labels, ObjectRef, TargetPort};
use ipnet::IpNet;
use palisade_diagnostics::Span;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What is written, beyond what it means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// NetworkPolicies.
    pub policies: BTreeMap<ObjectRef, WrittenPolicy>,
    /// The places of the ports of Services, in order.
    pub service_ports: BTreeMap<ObjectRef, Vec<Span>>,
    /// Services by their cluster addresses.
    pub cluster_ips: BTreeMap<IpAddr, ObjectRef>,
    /// Webhooks that the API server calls through a Service.
    pub webhooks: Vec<Webhook>,
    /// Fields that have another name today.
    pub old_fields: Vec<OldField>,
    /// Texts that are CIDRs with bits set beyond their prefix, and how they are read.
    pub loose_cidrs: Vec<(Span, IpNet)>,
    /// The keys of lists `from` in AuthorizationPolicies that are there and hold nothing.
    pub empty_sources: Vec<(Span, ObjectRef)>,
    /// Ports of metrics that pods announce.
    pub scrapes: Vec<Announced>,
    /// Requests by which the node asks whether a pod is well, where its sidecar does not take them
    /// over.
    pub bare_probes: Vec<Announced>,
    /// Service accounts that roles are bound to, and the place of each.
    pub bound: BTreeMap<ObjectRef, Span>,
    /// The owners (see [`Announced`]) whose pods get no token of the API server.
    pub tokenless: BTreeSet<Span>,
    /// Workloads that select their pods by labels alone.
    pub workloads: Vec<WrittenWorkload>,
    /// Annotations that switch lints off.
    pub skips: Vec<Skip>,
}

/// A workload and how it selects its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenWorkload {
    /// `Deployment`, `StatefulSet`, ...
    pub kind: String,
    /// Namespace and name.
    pub object: ObjectRef,
    /// Where the selector stands.
    pub span: Span,
    /// `spec.selector.matchLabels`.
    pub selector: Labels,
}

/// A port that a pod, or the template of a workload, announces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The name of the pod or workload, as in the origin of its pods.
    pub owner: Span,
    /// Where the port is announced.
    pub span: Span,
    /// The port.
    pub port: TargetPort,
}

/// How a NetworkPolicy is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WrittenPolicy {
    /// The value of `podSelector`.
    pub pod_selector: Option<Span>,
    /// The value of `policyTypes`; `None` if it is left to the API server.
    pub policy_types: Option<Span>,
    /// The first key of `spec`.
    pub first_key: Option<Span>,
    /// The rules under `ingress`, in order.
    pub ingress: Vec<WrittenRule>,
    /// The rules under `egress`, in order.
    pub egress: Vec<WrittenRule>,
}

/// How a rule of a NetworkPolicy is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WrittenRule {
    /// The peers, in order.
    pub peers: Vec<Span>,
    /// The ports, in order.
    pub ports: Vec<Span>,
    /// The key of a list of peers that is there and holds nothing.
    pub empty_peers: Option<Span>,
    /// The key of a list of ports that is there and holds nothing.
    pub empty_ports: Option<Span>,
}

/// A webhook of the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where its Service is named.
    pub span: Span,
    /// Its name.
    pub name: String,
    /// The Service that is called.
    pub service: ObjectRef,
    /// The Service's port.
    pub port: u16,
}

/// A field that has another name today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldField {
    /// The key.
    pub span: Span,
    /// The name that is written.
    pub old: &'static str,
    /// Today's name.
    pub new: &'static str,
    /// Whether today's name stands beside it.
    pub both: bool,
}

/// An annotation that switches lints off for its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    /// The whole object.
    pub object: Span,
    /// The value of the annotation.
    pub span: Span,
    /// The names of lints in it.
    pub lints: Vec<String>,
    /// Why.
    pub reason: Option<String>,
}
