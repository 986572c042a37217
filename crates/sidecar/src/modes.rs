//! The mode of each port (`istio, pilot/pkg/security/authn, ComposePeerAuthentication`).

use palisade_netmodel::{MtlsMode, PeerAuthentication, Pod, World};
use std::collections::BTreeMap;

/// The mode of a workload, and of single container ports.
pub(crate) struct Modes {
    all: MtlsMode,
    ports: BTreeMap<u16, MtlsMode>,
}

impl Modes {
    /// What a client knows of the pods of a namespace, where it looks at no single one: policies without a selector.
    pub(crate) fn of_namespace(world: &World, namespace: &str) -> MtlsMode {
        let root = &world.mesh.root_namespace;
        let first = |place: &str| {
            let mut all = world.peer_authentications.iter();
            let whole =
                |p: &&PeerAuthentication| p.object.namespace == place && p.selector.is_empty();
            all.find(whole).and_then(|policy| policy.mode)
        };
        let own = (namespace != root).then(|| first(namespace)).flatten();
        own.or_else(|| first(root)).unwrap_or(MtlsMode::Permissive)
    }

    /// Policies come in the order of their age, and of each level the first counts.
    pub(crate) fn of(world: &World, pod: &Pod) -> Self {
        let root = &world.mesh.root_namespace;
        let (mut mesh, mut namespace, mut workload) = (None, None, None);
        for policy in &world.peer_authentications {
            let whole = policy.selector.is_empty();
            let level = match (whole, policy.object.namespace == *root) {
                (true, true) => &mut mesh,
                (true, false) if policy.object.namespace == pod.namespace => &mut namespace,
                (false, false) if chosen(policy, pod) => &mut workload,
                _ => continue,
            };
            level.get_or_insert(policy);
        }
        let mode = |policy: Option<&PeerAuthentication>| policy.and_then(|p| p.mode);
        let all = mode(workload)
            .or(mode(namespace))
            .or(mode(mesh))
            .unwrap_or(MtlsMode::Permissive);
        let ports = workload.map(|p| &p.ports).into_iter().flatten();
        Self {
            all,
            ports: ports
                .map(|(port, mode)| (*port, mode.unwrap_or(all)))
                .collect(),
        }
    }

    pub(crate) fn of_port(&self, port: u16) -> MtlsMode {
        self.ports.get(&port).copied().unwrap_or(self.all)
    }

    /// The mode of ports that nothing names.
    pub(crate) fn elsewhere(&self) -> MtlsMode {
        self.all
    }

    /// Ports with a mode of their own.
    pub(crate) fn named(&self) -> impl Iterator<Item = u16> {
        self.ports.keys().copied()
    }
}

fn chosen(policy: &PeerAuthentication, pod: &Pod) -> bool {
    policy.object.namespace == pod.namespace && pod.labels.include(&policy.selector)
}
