//! Istio objects for the sidecar data plane, limited to forms whose meaning does not depend on
//! version, order or protocol sniffing. Nothing is written for pods outside the mesh.
//!
//! Mesh policy never does the work of NetworkPolicy: the same rules are written in both layers, and
//! where the mesh cannot tell callers apart (no identity) the rule is open and NetworkPolicy decides.

mod authorization;
mod destination_rule;
mod gateway;
mod namespace;
mod peer_authentication;
mod service_entry;
mod sidecar;

use super::Target;
use crate::Object;
use crate::halves::halves;
use crate::rules::Style;
use crate::selectors::namespaces;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Component, Grant, Intent, MeshMode, Party, Peer, Peers, Pod, PolicyPort, PortSet, Protocol,
    Proxy, World, Zone,
};
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};

/// This target.
pub(super) const TARGET: Target = Target {
    name: "istio",
    standard: true,
    compile,
};

/// `security.istio.io`, stable since Istio 1.22.
const SECURITY: &str = "security.istio.io/v1";
/// `networking.istio.io`, stable since Istio 1.22.
const NETWORKING: &str = "networking.istio.io/v1";

fn compile(intent: &Intent, world: &World, style: Style) -> (Vec<Object>, Vec<Diagnostic>) {
    let mesh = Mesh {
        intent,
        world,
        style,
    };
    if !mesh.exists() {
        return (Vec::new(), Vec::new());
    }
    let plan = halves(intent, world);
    let mut objects = namespace::objects(&mesh);
    let mut diagnostics = Vec::new();
    objects.extend(peer_authentication::objects(&mesh, &mut diagnostics));
    objects.extend(authorization::objects(&mesh, &plan, &mut diagnostics));
    objects.extend(destination_rule::objects(&mesh));
    objects.extend(service_entry::objects(&mesh));
    objects.extend(sidecar::objects(&mesh, &mut diagnostics));
    objects.extend(gateway::objects(&mesh, &mut diagnostics));
    (objects, diagnostics)
}

/// The intent as the mesh sees it.
#[derive(Clone, Copy)]
struct Mesh<'a> {
    intent: &'a Intent,
    world: &'a World,
    style: Style,
}

/// How a caller shows who it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    /// By service account.
    Principal(String),
    /// Only by namespace.
    Namespace(String),
    /// Not at all: it may be outside the mesh.
    Unknown,
}

impl<'a> Mesh<'a> {
    fn exists(&self) -> bool {
        let zone = self
            .intent
            .zones
            .iter()
            .any(|z| z.mesh == MeshMode::Sidecar);
        zone || self.intent.components.iter().any(in_mesh)
    }

    fn component(&self, name: &str) -> Option<&'a Component> {
        self.intent.components.iter().find(|c| c.name == name)
    }

    fn zone(&self, name: &str) -> Option<&'a Zone> {
        self.intent.zones.iter().find(|z| z.name == name)
    }

    /// The namespaces of a zone that are known by name.
    fn zone_namespaces(&self, zone: &Zone) -> BTreeSet<String> {
        let all = zone.namespaces.iter();
        all.flat_map(|n| namespaces(n, self.world)).collect()
    }

    /// The zones in the mesh with each of their namespaces.
    fn meshed_namespaces(&self) -> BTreeMap<String, Vec<&'a Zone>> {
        let mut out: BTreeMap<String, Vec<&Zone>> = BTreeMap::new();
        for zone in self
            .intent
            .zones
            .iter()
            .filter(|z| z.mesh == MeshMode::Sidecar)
        {
            for namespace in self.zone_namespaces(zone) {
                out.entry(namespace).or_default().push(zone);
            }
        }
        for zones in out.values_mut() {
            zones.sort_by(|a, b| a.name.cmp(&b.name));
        }
        out
    }

    /// Whether some pod of a namespace is in the mesh.
    fn touches(&self, namespace: &str) -> bool {
        self.meshed_namespaces().contains_key(namespace)
            || self
                .intent
                .components
                .iter()
                .any(|c| c.namespace == namespace && in_mesh(c))
    }

    /// Policies of the root namespace act everywhere: nothing but a mode may be written there.
    fn is_root(&self, namespace: &str) -> bool {
        namespace == self.intent.mesh_root
    }

    /// Who a party is, as its peers in the mesh can tell.
    fn callers(&self, party: &Party) -> BTreeSet<Caller> {
        if let Some(component) = party.component.as_deref().and_then(|c| self.component(c)) {
            return BTreeSet::from([self.caller(component)]);
        }
        let zone = self
            .zone(&party.name)
            .filter(|z| z.mesh == MeshMode::Sidecar);
        match zone {
            Some(zone) if self.wholly_in_mesh(zone) => self
                .zone_namespaces(zone)
                .into_iter()
                .map(Caller::Namespace)
                .collect(),
            _ => BTreeSet::from([Caller::Unknown]),
        }
    }

    /// The TCP ports of a grant on which some caller sends plaintext although it is in the mesh: its
    /// sidecar leaves them out (`excludeOutboundPorts`). Too many to be listed are none.
    fn bare_ports(&self, grant: &Grant) -> BTreeSet<u16> {
        let Peers::List(peers) = &grant.from.peers else {
            return BTreeSet::new();
        };
        let means = |pod: &Pod| {
            peers.iter().any(|peer| match peer {
                Peer::Pods {
                    namespaces: n,
                    pods,
                } => {
                    pods.matches(&pod.labels) && namespaces(n, self.world).contains(&pod.namespace)
                }
                Peer::Block { .. } => false,
            })
        };
        let mut out = PortSet::empty();
        for pod in &self.world.pods {
            if let Proxy::Sidecar {
                outbound_excluded, ..
            } = &pod.proxy
                && !outbound_excluded.is_empty()
                && means(pod)
            {
                out = out.union(outbound_excluded);
            }
        }
        let out = out.intersection(&grant.numeric_ports());
        let ranges = out.ranges(Protocol::Tcp);
        let total: usize = ranges.iter().map(|(a, b)| usize::from(b - a) + 1).sum();
        if total > LONGEST_RANGE {
            return BTreeSet::new();
        }
        ranges.iter().flat_map(|(a, b)| *a..=*b).collect()
    }

    fn caller(&self, component: &Component) -> Caller {
        if !in_mesh(component) {
            return Caller::Unknown;
        }
        match &component.service_account {
            Some(account) => Caller::Principal(format!(
                "{}/ns/{}/sa/{account}",
                self.intent.trust_domain, component.namespace
            )),
            None => Caller::Namespace(component.namespace.clone()),
        }
    }

    /// Whether no component of the zone stays outside the mesh.
    fn wholly_in_mesh(&self, zone: &Zone) -> bool {
        let mut own = self
            .intent
            .components
            .iter()
            .filter(|c| c.zone == zone.name);
        own.all(in_mesh)
    }

    /// The grants that lead to a component by its name or through its zone.
    fn grants_into(&self, component: &'a Component) -> impl Iterator<Item = &'a Grant> {
        self.intent
            .grants
            .iter()
            .filter(move |g| match &g.to.component {
                Some(name) => *name == component.name,
                None => g.to.name == component.zone,
            })
    }
}

/// Whether a component's pods have a proxy.
fn in_mesh(component: &Component) -> bool {
    component.gateway || component.mesh == MeshMode::Sidecar
}

/// The TCP ports of a grant as the mesh can say them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum TcpPorts {
    /// Every port: nothing restricts it, or a range is too long to be listed.
    All,
    /// These.
    Some(BTreeSet<u16>),
}

/// Istio lists ports one by one; a longer range than this is left to NetworkPolicy.
const LONGEST_RANGE: usize = 256;

/// The TCP ports of a grant at a component. Named ports are looked up among the declared ports.
fn tcp_ports(grant: &Grant, component: Option<&Component>) -> TcpPorts {
    let Some(ports) = &grant.ports else {
        return TcpPorts::All;
    };
    let mut out = BTreeSet::new();
    for port in ports {
        match port {
            PolicyPort::Range {
                protocol: Protocol::Tcp,
                first,
                last,
            } => {
                if usize::from(last - first) >= LONGEST_RANGE {
                    return TcpPorts::All;
                }
                out.extend(*first..=*last);
            }
            PolicyPort::Named {
                protocol: Protocol::Tcp,
                name,
            } => {
                let declared = component.into_iter().flat_map(|c| &c.ports);
                let mut found = declared.filter(|p| p.name == *name).peekable();
                if found.peek().is_none() {
                    return TcpPorts::All;
                }
                out.extend(found.map(|p| p.port));
            }
            _ => {}
        }
    }
    TcpPorts::Some(out)
}

/// Sorted strings as a list.
fn strings<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> Value {
    let items = items.into_iter();
    Value::List(items.map(|s| Value::string(s.as_ref())).collect())
}

/// A map of labels.
fn labels(labels: &BTreeMap<String, String>) -> Value {
    Value::map(
        labels
            .iter()
            .map(|(k, v)| (k.as_str(), Value::string(v.as_str()))),
    )
}
