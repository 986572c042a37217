//! The sidecar mesh between two endpoints, as sets of ports.
//!
//! What a receiver does is the same on every port between two *borders*: ports that some object
//! names. One port of each stretch is judged and stands for the stretch. Cost: borders × rules.

use super::Pair;
use super::Passage;
use super::authorization::{self, Judgement, Wire};
use super::client::{self, Way};
use palisade_netmodel::{
    AuthorizationPolicy, GatewayServer, Labels, MtlsMode, Pod, PortSet, Protocol, Proxy, ServerTls,
    World,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'w> {
    Pod(&'w Pod),
    Address(IpAddr),
    Nobody,
}

/// The mesh objects of a world.
#[derive(Debug)]
pub(crate) struct Mesh<'w> {
    world: &'w World,
    /// Whether there is any proxy at all.
    present: bool,
}

/// What one port does: may it pass, and how is the wire?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PortAnswer {
    judgement: Judgement,
    mesh_mtls: bool,
    tls: bool,
}

impl<'w> Mesh<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let present = world
            .pods
            .iter()
            .any(|p| !matches!(p.proxy, Proxy::None { .. }));
        Self { world, present }
    }

    /// What the mesh adds between two ends.
    pub(crate) fn pair(&self, source: Source<'_>, destination: Option<&Pod>) -> Pair {
        let mut pair = Pair {
            passage: Passage::everything(),
            mesh_mtls: PortSet::empty(),
            tls: PortSet::empty(),
        };
        let Some(pod) = destination.filter(|_| self.present) else {
            return pair;
        };
        let listens = match &pod.proxy {
            Proxy::None { .. } => return pair,
            Proxy::Sidecar { inbound, .. } => {
                PortSet::protocol(Protocol::Tcp).difference(&inbound.bypass)
            }
            Proxy::Gateway => PortSet::protocol(Protocol::Tcp),
        };
        for (first, last) in self.stretches(pod) {
            let stretch = PortSet::range(Protocol::Tcp, first, last).intersection(&listens);
            if stretch.is_empty() {
                continue;
            }
            let answer = self.port(source, pod, first);
            match answer.judgement {
                Judgement::Allow => {}
                Judgement::Depends => {
                    pair.passage.must = pair.passage.must.difference(&stretch);
                }
                Judgement::Deny => {
                    pair.passage.must = pair.passage.must.difference(&stretch);
                    pair.passage.may = pair.passage.may.difference(&stretch);
                }
            }
            if answer.mesh_mtls {
                pair.mesh_mtls = pair.mesh_mtls.union(&stretch);
            }
            if answer.tls {
                pair.tls = pair.tls.union(&stretch);
            }
        }
        pair
    }

    /// Stretches of ports on which nothing that the mesh looks at changes.
    fn stretches(&self, pod: &Pod) -> Vec<(u16, u16)> {
        let mut borders = BTreeSet::from([1_u16]);
        let mut cut = |port: u16| {
            borders.insert(port.max(1));
            if let Some(next) = port.checked_add(1) {
                borders.insert(next);
            }
        };
        for policy in &self.world.peer_authentications {
            policy.ports.keys().for_each(|p| cut(*p));
        }
        for policy in &self.world.authorization_policies {
            authorization::ports(policy).into_iter().for_each(&mut cut);
        }
        for (first, last) in client::door_ports(self.world, pod).ranges(Protocol::Tcp) {
            (*first..=*last).for_each(&mut cut);
        }
        for server in self.servers(pod).map(|(server, _)| server) {
            cut(server.port);
        }
        for other in &self.world.pods {
            if let Proxy::Sidecar {
                outbound_excluded, ..
            } = &other.proxy
            {
                for (first, last) in outbound_excluded.ranges(Protocol::Tcp) {
                    cut(*last);
                    cut(first.saturating_sub(1));
                }
            }
        }
        if let Proxy::Sidecar { inbound, .. } = &pod.proxy {
            for (first, last) in inbound.bypass.ranges(Protocol::Tcp) {
                cut(*last);
                cut(first.saturating_sub(1));
            }
        }
        let starts: Vec<u16> = borders.into_iter().collect();
        let ends = starts.iter().skip(1).map(|s| s - 1).chain([u16::MAX]);
        starts.iter().copied().zip(ends).collect()
    }

    fn port(&self, source: Source<'_>, pod: &Pod, port: u16) -> PortAnswer {
        if pod.proxy == Proxy::Gateway {
            return self.gateway_port(source, pod, port);
        }
        let mode = self.peer_authentication(pod, port);
        let ways = client::ways(self.world, source, pod, port, mode);
        let wires = self.wires(pod, port);
        let judge = |way: Way| self.judge(source, pod, port, way, (mode, &wires));
        let plain = judge(Way::Plain);
        let preferred = ways.first().map_or(Judgement::Deny, |w| judge(*w));
        let judgement = if preferred == Judgement::Allow {
            Judgement::Allow
        } else if ways.iter().all(|w| judge(*w) == Judgement::Deny) {
            Judgement::Deny
        } else {
            Judgement::Depends
        };
        PortAnswer {
            judgement,
            mesh_mtls: plain == Judgement::Deny && judgement != Judgement::Deny,
            tls: false,
        }
    }

    fn judge(
        &self,
        source: Source<'_>,
        pod: &Pod,
        port: u16,
        way: Way,
        (mode, wires): (MtlsMode, &[Wire]),
    ) -> Judgement {
        let accepted = match (mode, way) {
            (MtlsMode::Strict, Way::Plain) | (MtlsMode::Disable, Way::Mtls) => false,
            (MtlsMode::Strict, Way::Mtls)
            | (MtlsMode::Permissive, _)
            | (MtlsMode::Disable, Way::Plain) => true,
        };
        if !accepted {
            return Judgement::Deny;
        }
        let caller = authorization::Caller {
            source,
            mtls: way == Way::Mtls,
        };
        authorization::judge(self.world, pod, port, &caller, wires)
    }

    /// How the proxy may read a port: by the declared protocol of every Service port that leads to
    /// it; undeclared means both.
    fn wires(&self, pod: &Pod, port: u16) -> Vec<Wire> {
        let doors = client::doors(self.world, pod, port);
        let mut wires: BTreeSet<Wire> = BTreeSet::new();
        if doors.is_empty() {
            wires.extend([Wire::Http, Wire::Tcp]);
        }
        for door in doors {
            wires.extend(authorization::wires_of(door.name, door.app_protocol));
        }
        wires.into_iter().collect()
    }

    /// The mode of a port, or `None` if no sidecar receives it.
    pub(crate) fn mode(&self, pod: &Pod, port: u16) -> Option<MtlsMode> {
        match &pod.proxy {
            Proxy::Sidecar { inbound, .. } if !inbound.bypass.contains(Protocol::Tcp, port) => {
                Some(self.peer_authentication(pod, port))
            }
            _ => None,
        }
    }

    /// `Istio PeerAuthentication`: workload over namespace over mesh, the oldest of a level; the
    /// list is sorted oldest first.
    fn peer_authentication(&self, pod: &Pod, port: u16) -> MtlsMode {
        let root = &self.world.mesh.root_namespace;
        let (mut mesh, mut namespace, mut workload) = (None, None, None);
        for policy in &self.world.peer_authentications {
            let here = policy.object.namespace == pod.namespace;
            let in_root = policy.object.namespace == *root;
            let slot = match (policy.selector.0.is_empty(), in_root, here) {
                (true, true, _) => &mut mesh,
                (true, false, true) => &mut namespace,
                (false, false, true) if client::subset(&policy.selector, &pod.labels) => {
                    &mut workload
                }
                _ => continue,
            };
            if slot.is_none() {
                *slot = Some(policy);
            }
        }
        let mode = [workload, namespace, mesh]
            .into_iter()
            .flatten()
            .find_map(|p| p.mode)
            .unwrap_or(MtlsMode::Permissive);
        let own = workload.and_then(|p| p.ports.get(&port).copied().flatten());
        own.unwrap_or(mode)
    }

    /// The servers of every Gateway that selects a pod, with the Gateway's namespace.
    fn servers<'p>(&'p self, pod: &'p Pod) -> impl Iterator<Item = (&'p GatewayServer, &'p str)> {
        self.world
            .gateways
            .iter()
            .filter(|g| selects_gateway(&g.selector, &pod.labels))
            .flat_map(|g| g.servers.iter().map(|s| (s, g.object.namespace.as_str())))
    }

    fn gateway_port(&self, source: Source<'_>, pod: &Pod, port: u16) -> PortAnswer {
        let doors: BTreeSet<u16> = client::doors(self.world, pod, port)
            .iter()
            .map(|d| d.port)
            .collect();
        let served: Vec<&GatewayServer> = self
            .servers(pod)
            .map(|(server, _)| server)
            .filter(|s| doors.contains(&s.port) || (doors.is_empty() && s.port == port))
            .collect();
        let open = PortAnswer {
            judgement: Judgement::Allow,
            mesh_mtls: false,
            tls: false,
        };
        if served.is_empty() {
            return open;
        }
        let mesh_mtls = served.iter().all(|s| s.tls == ServerTls::IstioMutual);
        let tls = served.iter().all(|s| s.tls != ServerTls::None);
        let enrolled = matches!(source, Source::Pod(p) if !matches!(p.proxy, Proxy::None { .. }));
        if mesh_mtls && !enrolled {
            return PortAnswer {
                judgement: Judgement::Deny,
                ..open
            };
        }
        let wires: BTreeSet<Wire> = served
            .iter()
            .flat_map(|s| authorization::wires_of_server(s))
            .collect();
        let caller = authorization::Caller {
            source,
            mtls: mesh_mtls,
        };
        let wires: Vec<Wire> = wires.into_iter().collect();
        PortAnswer {
            judgement: authorization::judge(self.world, pod, port, &caller, &wires),
            mesh_mtls,
            tls: tls && !mesh_mtls,
        }
    }
}

fn selects_gateway(selector: &Labels, labels: &Labels) -> bool {
    client::subset(selector, labels)
}

/// The policies that apply to a workload (`Istio AuthorizationPolicy`, selection).
pub(super) fn applicable<'w>(
    world: &'w World,
    pod: &Pod,
) -> impl Iterator<Item = &'w AuthorizationPolicy> {
    let labels = pod.labels.clone();
    let namespace = pod.namespace.clone();
    let root = world.mesh.root_namespace.clone();
    world.authorization_policies.iter().filter(move |p| {
        !p.target_refs
            && !p.dry_run
            && (p.object.namespace == namespace || p.object.namespace == root)
            && client::subset(&p.selector, &labels)
    })
}
