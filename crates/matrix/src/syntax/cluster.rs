//! What the cluster is: platforms, their DNS, the mesh as a whole, and what the proof depends on.

use super::Text;
use super::inputs::When;
use super::peers::{Port, Selector};
use palisade_diagnostics::Span;
use palisade_netmodel::MtlsMode;

/// A named variant of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Platform {
    /// Where it is written.
    pub span: Span,
    /// Name.
    pub name: Text,
    /// An API group that only it serves.
    pub api_group: Option<String>,
    /// Where cluster DNS runs.
    pub dns: Option<Dns>,
}

/// Cluster DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Namespace.
    pub namespace: Text,
    /// Pods.
    pub pods: Selector,
    /// Ports besides 53 UDP and TCP.
    pub ports: Vec<Port>,
}

/// `requires[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requires {
    /// Where it is written.
    pub span: Span,
    /// Condition.
    pub when: Option<When>,
    /// What must be so.
    pub capability: String,
    /// Least version.
    pub min: Option<String>,
    /// Why.
    pub reason: String,
}

/// `spec.mesh.istio`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Istio {
    /// Root namespace.
    pub root_namespace: String,
    /// Trust domain.
    pub trust_domain: String,
    /// Mode of the whole mesh.
    pub mode: Option<MtlsMode>,
    /// `enableAutoMtls`.
    pub auto_mtls: bool,
}

impl Default for Istio {
    fn default() -> Self {
        Self {
            root_namespace: "istio-system".to_owned(),
            trust_domain: "cluster.local".to_owned(),
            mode: None,
            auto_mtls: true,
        }
    }
}
