//! One connection, and the answer to "may it pass, and how is it encrypted?".

use crate::{ObjectRef, Origin, PodId, Protocol};
use std::fmt;
use std::net::IpAddr;

/// One end of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// A pod of the world.
    Pod(PodId),
    /// An address that is no pod's.
    Address(IpAddr),
}

/// The first packet of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// From.
    pub source: Endpoint,
    /// To: for a pod, its own address after Service translation.
    pub destination: Endpoint,
    /// Protocol.
    pub protocol: Protocol,
    /// The port that the destination pod sees, 1 to 65535.
    pub port: u16,
}

/// May the flow pass?
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Yes, whatever is not known.
    Allow,
    /// It depends on something that is not decided here (a request's path, an unknown address).
    Depends,
    /// No, whatever is not known.
    Deny,
}

impl Outcome {
    /// Both must pass.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.max(other)
    }

    /// One must pass.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.min(other)
    }
}

/// What is proven of the wire, if the flow passes. Ordered from weaker to stronger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encryption {
    /// Plaintext can pass.
    None,
    /// TLS terminated by a gateway.
    Tls,
    /// Mesh mTLS: nothing else is accepted.
    MeshMtls,
}

/// The layer in which a rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Not a policy: the pod itself, its own node, the network plugin.
    Node,
    /// The Admin tier at the source.
    AdminEgress,
    /// NetworkPolicy at the source.
    Egress,
    /// The Baseline tier at the source.
    BaselineEgress,
    /// The Admin tier at the destination.
    AdminIngress,
    /// NetworkPolicy at the destination.
    Ingress,
    /// The Baseline tier at the destination.
    BaselineIngress,
    /// What the client's proxy sends (DestinationRule, auto mTLS).
    ClientTls,
    /// What the receiver accepts (PeerAuthentication, Gateway).
    PeerAuthentication,
    /// AuthorizationPolicy.
    Authorization,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Node => "node",
            Self::AdminEgress => "Admin tier, egress at the source",
            Self::Egress => "NetworkPolicy egress at the source",
            Self::BaselineEgress => "Baseline tier, egress at the source",
            Self::AdminIngress => "Admin tier, ingress at the destination",
            Self::Ingress => "NetworkPolicy ingress at the destination",
            Self::BaselineIngress => "Baseline tier, ingress at the destination",
            Self::ClientTls => "mesh: what the client sends",
            Self::PeerAuthentication => "mesh: what the receiver accepts",
            Self::Authorization => "mesh: AuthorizationPolicy at the destination",
        })
    }
}

/// The object that a cause names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// `NetworkPolicy`, `PeerAuthentication`, ...
    pub kind: &'static str,
    /// Which.
    pub object: ObjectRef,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.object)
    }
}

/// One step of the reasoning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// The layer.
    pub layer: Layer,
    /// What this step concludes.
    pub outcome: Outcome,
    /// The object in play, if one is.
    pub subject: Option<Subject>,
    /// The line in play: a rule if one decided, else the object.
    pub origin: Origin,
    /// The step in words, one sentence without a full stop.
    pub text: String,
}

/// The answer for one flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// May it pass?
    pub outcome: Outcome,
    /// What is proven of the wire if it passes; [`Encryption::None`] if it cannot.
    pub encryption: Encryption,
    /// The steps, in the order in which a packet meets them.
    pub because: Vec<Cause>,
}
