//! The kinds that are read: one module each, one line in [`KINDS`].

mod admin_network_policy;
mod api_gateway;
mod authorization_policy;
mod baseline_admin_network_policy;
mod cluster_network_policy;
mod config_map;
mod cron_job;
mod daemon_set;
mod deployment;
mod destination_rule;
mod endpoint_slice;
mod gateway;
mod grpc_route;
mod http_route;
mod ingress;
mod ingress_class;
mod job;
mod mutating_webhook;
pub(crate) mod namespace;
mod network_policy;
mod node;
mod peer_authentication;
pub(crate) mod pod;
mod reference_grant;
mod replica_set;
mod route;
mod service;
mod service_entry;
mod sidecar;
mod stateful_set;
mod tcp_route;
mod tls_route;
mod udp_route;
mod virtual_service;

use crate::head::Head;
use crate::names::NameRule;
use crate::objects::Add;
use palisade_diagnostics::Diagnostic;
use palisade_yaml::Fields;

pub use authorization_policy::write as write_authorization_policy;
pub use destination_rule::write as write_destination_rule;
pub use gateway::write as write_gateway;
pub use network_policy::write as write_network_policy;
pub use peer_authentication::write as write_peer_authentication;
pub use service_entry::write as write_service_entry;
pub use sidecar::write as write_sidecar;

/// Which inputs a kind is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// What runs.
    Workloads,
    /// What restricts traffic.
    Policies,
    /// Both (Namespace: its labels are both).
    Both,
}

/// Reads what a kind has beyond its metadata: the object, ready to join the others, or nothing if
/// it cannot be made. An object with an error among its diagnostics does not join.
pub(crate) type Read = fn(&Head, &mut Fields<'_>, &mut Vec<Diagnostic>) -> Option<Add>;

/// A kind of object.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// `kind`.
    pub name: &'static str,
    /// The group of `apiVersion`, empty for the core.
    pub group: &'static str,
    /// The versions of `apiVersion` that are read, preferred first.
    pub versions: &'static [&'static str],
    /// Whether its objects belong to namespaces.
    pub namespaced: bool,
    /// Which inputs it is taken from.
    pub part: Part,
    pub(crate) names: NameRule,
    pub(crate) read: Read,
}

impl Kind {
    /// The preferred `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> String {
        let version = self.versions.first().copied().unwrap_or_default();
        if self.group.is_empty() {
            version.to_owned()
        } else {
            format!("{}/{version}", self.group)
        }
    }
}

/// Every kind that is read.
pub const KINDS: &[Kind] = &[
    api_gateway::KIND,
    admin_network_policy::KIND,
    authorization_policy::KIND,
    baseline_admin_network_policy::KIND,
    cluster_network_policy::KIND,
    config_map::KIND,
    cron_job::KIND,
    daemon_set::KIND,
    deployment::KIND,
    destination_rule::KIND,
    endpoint_slice::KIND,
    gateway::KIND,
    grpc_route::KIND,
    http_route::KIND,
    ingress::KIND,
    ingress_class::KIND,
    job::KIND,
    mutating_webhook::KIND,
    namespace::KIND,
    network_policy::KIND,
    node::KIND,
    peer_authentication::KIND,
    pod::KIND,
    reference_grant::KIND,
    replica_set::KIND,
    route::KIND,
    service::KIND,
    service_entry::KIND,
    sidecar::KIND,
    stateful_set::KIND,
    tcp_route::KIND,
    tls_route::KIND,
    udp_route::KIND,
    virtual_service::KIND,
];
