//! Istio objects as they act on the data planes of the mesh.

use crate::{Labels, MtlsMode, ObjectRef, Origin, OutboundMode, PolicyTarget, PortSet};
use std::collections::BTreeMap;

/// Mesh-wide settings (`Istio MeshConfig`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshConfig {
    /// Root namespace, `istio-system` unless said otherwise.
    pub root_namespace: String,
    /// Trust domain, `cluster.local` unless said otherwise.
    pub trust_domain: String,
    /// `trustDomainAliases`: further names of the trust domain.
    pub trust_domain_aliases: Vec<String>,
    /// `enableAutoMtls`, true by default.
    pub auto_mtls: bool,
    /// `outboundTrafficPolicy.mode`, ALLOW_ANY by default.
    pub outbound: OutboundMode,
    /// Whether the input shows Istio's sidecar injector
    /// (a MutatingWebhookConfiguration, or the user's word).
    pub injector_shown: bool,
}

impl Default for MeshConfig {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            trust_domain_aliases: Vec::new(),
            auto_mtls: true,
            outbound: OutboundMode::AllowAny,
            injector_shown: false,
        }
    }
}

/// `security.istio.io PeerAuthentication`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAuthentication {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// `selector.matchLabels`; empty: the whole namespace (or mesh, in the root namespace).
    pub selector: Labels,
    /// `mtls.mode`; `None`: UNSET, inherited.
    pub mode: Option<MtlsMode>,
    /// `portLevelMtls` by container port; `None`: UNSET, the workload's mode.
    pub ports: BTreeMap<u16, Option<MtlsMode>>,
}

/// `AuthorizationPolicy.action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AuthorizationAction {
    /// Allow (default).
    Allow,
    /// Deny.
    Deny,
    /// Audit: never decides.
    Audit,
    /// Delegated to an external provider: not decided here.
    Custom,
}

/// `security.istio.io AuthorizationPolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationPolicy {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// `selector.matchLabels`; empty: all workloads of the namespace (of the mesh, in the root
    /// namespace).
    pub selector: Labels,
    /// `targetRefs`: the gateways and waypoints that enforce it. With any, no sidecar and no ztunnel
    /// does.
    pub targets: Vec<PolicyTarget>,
    /// Annotation `istio.io/dry-run: "true"`: never enforced.
    pub dry_run: bool,
    /// Action.
    pub action: AuthorizationAction,
    /// Rules; none: never matches (ALLOW without rules denies all).
    pub rules: Vec<AuthorizationRule>,
}

/// `rules[]`: (any `from`) and (any `to`) and (all `when`); an empty list is no restriction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthorizationRule {
    /// Where it is written.
    pub origin: Origin,
    /// `from[].source`.
    pub from: Vec<Source>,
    /// `to[].operation`.
    pub to: Vec<Operation>,
    /// `when[]`.
    pub when: Vec<Condition>,
}

/// `from[].source`: all fields that are not empty must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "fields carry the names of the Istio API, snake case"
)]
pub struct Source {
    pub principals: Vec<String>,
    pub not_principals: Vec<String>,
    pub namespaces: Vec<String>,
    pub not_namespaces: Vec<String>,
    pub service_accounts: Vec<String>,
    pub not_service_accounts: Vec<String>,
    pub ip_blocks: Vec<String>,
    pub not_ip_blocks: Vec<String>,
    pub remote_ip_blocks: Vec<String>,
    pub not_remote_ip_blocks: Vec<String>,
    pub request_principals: Vec<String>,
    pub not_request_principals: Vec<String>,
}

/// `to[].operation`: all fields that are not empty must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "fields carry the names of the Istio API, snake case"
)]
pub struct Operation {
    pub ports: Vec<u16>,
    pub not_ports: Vec<u16>,
    pub methods: Vec<String>,
    pub not_methods: Vec<String>,
    pub paths: Vec<String>,
    pub not_paths: Vec<String>,
    pub hosts: Vec<String>,
    pub not_hosts: Vec<String>,
}

/// `when[]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[expect(
    missing_docs,
    reason = "fields carry the names of the Istio API, snake case"
)]
pub struct Condition {
    pub key: String,
    pub values: Vec<String>,
    pub not_values: Vec<String>,
}

/// `trafficPolicy.tls.mode`: what the client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientTls {
    /// Plaintext (also what `tls: {}` means).
    Disable,
    /// One-way TLS.
    Simple,
    /// TLS with own certificates.
    Mutual,
    /// Mesh mTLS.
    IstioMutual,
}

/// `networking.istio.io DestinationRule`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DestinationRule {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// `host`, made a full name (`svc` becomes `svc.<namespace>.svc.cluster.local`); may start with `*`.
    pub host: String,
    /// `workloadSelector.matchLabels`: which clients; empty: all.
    pub workload_selector: Labels,
    /// `exportTo`; empty: everywhere.
    pub export_to: Vec<String>,
    /// Whether a `trafficPolicy` is written, be it about something else than TLS: of two rules for a host the policy of
    /// the first counts, as a whole.
    pub policy: bool,
    /// `trafficPolicy.tls`; `None`: auto mTLS stays on.
    pub tls: Option<ClientTls>,
    /// `trafficPolicy.portLevelSettings` by Service port; `None`: an entry without `tls`, on which
    /// Istio's code paths disagree.
    pub ports: BTreeMap<u16, Option<ClientTls>>,
}

impl DestinationRule {
    /// Whether it has a traffic policy.
    #[must_use]
    pub fn has_policy(&self) -> bool {
        self.policy || self.tls.is_some() || !self.ports.is_empty()
    }
}

/// `networking.istio.io ServiceEntry`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceEntry {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// `hosts`.
    pub hosts: Vec<String>,
    /// Ports with their protocol word.
    pub ports: Vec<(u16, String)>,
    /// Whether `location` is MESH_EXTERNAL (the default).
    pub external: bool,
}

/// `networking.istio.io Sidecar`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarScope {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// `workloadSelector.labels`; empty: the namespace.
    pub selector: Labels,
    /// `outboundTrafficPolicy.mode`: `None` inherits the mesh's; `{}` is REGISTRY_ONLY.
    pub outbound: Option<OutboundMode>,
    /// `egress[].hosts`.
    pub egress_hosts: Vec<String>,
}

/// `networking.istio.io Gateway`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Where it is written.
    pub origin: Origin,
    /// Namespace and name.
    pub object: ObjectRef,
    /// `selector`: which gateway pods, in any namespace.
    pub selector: Labels,
    /// Servers.
    pub servers: Vec<GatewayServer>,
}

/// `servers[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayServer {
    /// Where it is written.
    pub origin: Origin,
    /// `port.number`: a Service port of the gateway.
    pub port: u16,
    /// `port.protocol`.
    pub protocol: String,
    /// `hosts`.
    pub hosts: Vec<String>,
    /// `tls.mode`.
    pub tls: ServerTls,
    /// `tls.credentialName`.
    pub credential: Option<String>,
    /// `tls.httpsRedirect`.
    pub https_redirect: bool,
}

/// `servers[].tls.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServerTls {
    /// No TLS.
    None,
    /// PASSTHROUGH or AUTO_PASSTHROUGH: TLS, not terminated here.
    Passthrough,
    /// SIMPLE or OPTIONAL_MUTUAL.
    Simple,
    /// MUTUAL.
    Mutual,
    /// ISTIO_MUTUAL.
    IstioMutual,
}

/// The ports that are always outside the sidecar's interception
/// (Istio injection template: 15020 merged metrics and probes, 15021 health, 15090 Envoy statistics).
#[must_use]
pub fn always_bypassed() -> PortSet {
    [15020, 15021, 15090]
        .into_iter()
        .fold(PortSet::empty(), |set, port| {
            set.union(&PortSet::single(crate::Protocol::Tcp, port))
        })
}
