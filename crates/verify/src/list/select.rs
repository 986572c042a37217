//! Which ends a question is about.

use crate::engine::{EndpointId, Engine};
use ipnet::IpNet;

/// Some ends of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every address that is no pod's.
    Outside,
    /// The pods of a namespace.
    Namespace(String),
    /// The pods of a workload, or one pod, in a namespace.
    Name {
        /// Namespace.
        namespace: String,
        /// Of a workload or of a pod.
        name: String,
    },
    /// Addresses, and the pods that are known to have them.
    Block(IpNet),
}

impl Selection {
    /// Whether an endpoint is meant. Cells must be cut by the block.
    pub(crate) fn holds(&self, engine: &Engine<'_>, endpoint: EndpointId) -> bool {
        let pod = engine.pod(endpoint);
        match self {
            Self::Outside => engine.address(endpoint).is_some(),
            Self::Namespace(namespace) => pod.is_some_and(|p| p.namespace == *namespace),
            Self::Name { namespace, name } => {
                pod.is_some_and(|p| p.namespace == *namespace && p.workload.name == *name)
                    || members(engine, endpoint)
                        .any(|p| p.namespace == *namespace && p.name == *name)
            }
            Self::Block(block) => match engine.address(endpoint) {
                Some(address) => block.contains(&address),
                None => pod.is_some_and(|p| p.addresses.known.iter().any(|a| block.contains(a))),
            },
        }
    }
}

fn members<'e>(
    engine: &'e Engine<'_>,
    endpoint: EndpointId,
) -> impl Iterator<Item = &'e palisade_netmodel::Pod> {
    let pods = engine.members(endpoint).iter();
    pods.filter_map(|id| engine.world().pod(*id))
}
