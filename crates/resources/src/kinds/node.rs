//! `v1 Node`: labels and addresses, for policies that name nodes, and the networks of its pods.

use super::{Kind, Part};
use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use ipnet::IpNet;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::Node;
use palisade_yaml::Fields;
use std::net::IpAddr;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Node",
    group: "",
    versions: &["v1"],
    namespaced: false,
    part: Part::Workloads,
    names: NameRule::Subdomain,
    read,
};

/// The types of `.status.addresses` that are IP addresses (`Kubernetes API, NodeAddress`).
const IP: [&str; 2] = ["ExternalIP", "InternalIP"];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut pod_networks: Vec<IpNet> = Vec::new();
    // Like the status, it is filled by the cluster: what is no network is nothing to act on.
    if let Some(mut spec) = fields.map("spec", "the spec of a node", out) {
        let one = spec.string("podCIDR", out).map(|text| text.value);
        let many = spec.list("podCIDRs", out).into_iter();
        let many = many.filter_map(|node| node.as_str().map(str::to_owned));
        pod_networks.extend(
            one.into_iter()
                .chain(many)
                .filter_map(|t| t.parse::<IpNet>().ok()),
        );
    }
    pod_networks.sort();
    pod_networks.dedup();
    let mut addresses: Vec<IpAddr> = Vec::new();
    // The rest of the status is what the node reports of itself: nothing to check.
    if let Some(mut status) = fields.map("status", "the status of a node", out) {
        for node in status.list("addresses", out) {
            let text = |key| node.get(key).and_then(|value| value.as_str());
            if text("type").is_some_and(|kind| IP.contains(&kind)) {
                addresses.extend(text("address").and_then(|a| a.parse::<IpAddr>().ok()));
            }
        }
    }
    addresses.sort();
    addresses.dedup();
    let node = Node {
        origin: head.origin(),
        name: head.object.name.clone(),
        labels: head.labels.clone(),
        addresses,
        pod_networks,
    };
    Some(Box::new(move |objects| objects.nodes.push(node)))
}
