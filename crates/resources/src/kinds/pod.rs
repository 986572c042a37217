//! `v1 Pod`: a pod that exists, or that will as written.

use super::{Kind, Part};
use crate::codes;
use crate::head::{Head, required_map};
use crate::names::NameRule;
use crate::objects::{Add, RealPod};
use crate::pods::pod_spec;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{AddressSet, Phase};
use palisade_yaml::{Fields, Spanned};
use std::net::IpAddr;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Pod",
    group: "",
    versions: &["v1"],
    namespaced: true,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// Fields of the status without meaning here.
pub(crate) const IGNORED: &[&str] = &[
    "allocatedResources",
    "conditions",
    "containerStatuses",
    "ephemeralContainerStatuses",
    "extendedResourceClaimStatus",
    "initContainerStatuses",
    "message",
    "nominatedNodeName",
    "observedGeneration",
    "qosClass",
    "reason",
    "resize",
    "resourceClaimStatuses",
    "resources",
    "startTime",
];

/// What `status` tells.
#[derive(Default)]
struct Status {
    phase: Option<String>,
    pod: Vec<IpAddr>,
    node: Vec<IpAddr>,
}

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let spec = required_map(fields, "spec", "the spec of a pod", out)?;
    let mut shape = pod_spec(spec, out);
    shape.labels = head.labels.clone();
    shape.annotations = head.annotations.clone();
    let status = match fields.map("status", "the status of a pod", out) {
        Some(status) => read_status(status, out),
        None => Status::default(),
    };
    let pod = RealPod {
        head: head.clone(),
        shape,
        phase: match status.phase.as_deref() {
            Some("Succeeded" | "Failed") => Phase::Completed,
            _ => Phase::Live,
        },
        exists: status.phase.is_some(),
        addresses: AddressSet::from(status.pod),
        node_addresses: AddressSet::from(status.node),
    };
    Some(Box::new(move |objects| objects.pods.push(pod)))
}

fn read_status(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) -> Status {
    let status = Status {
        phase: fields.string("phase", out).map(|phase| phase.value),
        pod: addresses(&mut fields, "podIP", "podIPs", out),
        node: addresses(&mut fields, "hostIP", "hostIPs", out),
    };
    fields.ignore(IGNORED);
    fields.finish(out);
    status
}

fn addresses(
    fields: &mut Fields<'_>,
    one: &'static str,
    many: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = Vec::new();
    found.extend(fields.string(one, out).and_then(|text| address(&text, out)));
    for node in fields.list(many, out) {
        if let Some(mut item) = Fields::of(node, "an address of a pod", out) {
            let text = item.string("ip", out);
            found.extend(text.and_then(|text| address(&text, out)));
            item.finish(out);
        }
    }
    found.sort();
    found.dedup();
    found
}

fn address(text: &Spanned<String>, out: &mut Vec<Diagnostic>) -> Option<IpAddr> {
    if text.value.is_empty() {
        return None;
    }
    let parsed = text.value.parse().ok();
    if parsed.is_none() {
        let title = format!("{:?} is not an IP address", text.value);
        out.push(
            Diagnostic::error(codes::BAD_ADDRESS, title)
                .at(text.span, "an IPv4 or IPv6 address")
                .help("write it as `10.0.0.1` or `2001:db8::1`"),
        );
    }
    parsed
}
