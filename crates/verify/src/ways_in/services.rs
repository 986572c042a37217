//! What is behind a port of a Service: pods, addresses, or nothing that is known.

use super::Behind;
use crate::Engine;
use palisade_netmodel::{
    Endpoint, ObjectRef, Phase, Pod, PodId, Protocol, Service, ServicePort, ServiceType,
    TargetPort, World,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// One thing behind a port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backing {
    pub(super) to: Behind,
    pub(super) port: Option<(Protocol, u16)>,
}

/// The Services of a world, and where their endpoints are.
#[derive(Debug)]
pub(super) struct Services<'w> {
    world: &'w World,
    engine: &'w Engine<'w>,
    by_object: BTreeMap<&'w ObjectRef, &'w Service>,
    pods_of: BTreeMap<&'w str, Vec<PodId>>,
    pod_at: BTreeMap<IpAddr, PodId>,
}

/// Whether a pod can be an endpoint of a Service.
pub(super) fn is_endpoint(pod: &Pod) -> bool {
    pod.phase == Phase::Live && !pod.host_group
}

impl<'w> Services<'w> {
    pub(super) fn new(world: &'w World, engine: &'w Engine<'w>) -> Self {
        let mut pods_of: BTreeMap<&str, Vec<PodId>> = BTreeMap::new();
        let mut pod_at = BTreeMap::new();
        for (id, pod) in world.pods().filter(|(_, pod)| is_endpoint(pod)) {
            pods_of.entry(&pod.namespace).or_default().push(id);
            if !pod.host_network {
                pod_at.extend(pod.addresses.known.iter().map(|address| (*address, id)));
            }
        }
        Self {
            world,
            engine,
            by_object: world.services.iter().map(|s| (&s.object, s)).collect(),
            pods_of,
            pod_at,
        }
    }

    pub(super) fn get(&self, object: &ObjectRef) -> Option<&'w Service> {
        self.by_object.get(object).copied()
    }

    /// What is behind one port.
    pub(super) fn behind(&self, service: &Service, port: &ServicePort) -> Vec<Backing> {
        if service.publication.kind == ServiceType::ExternalName {
            return vec![nothing(external_name(service))];
        }
        let found = if service.selector.is_empty() {
            self.listed(service, port)
        } else {
            self.selected(service, port)
        };
        if !found.is_empty() {
            return found;
        }
        vec![nothing(if service.selector.is_empty() {
            "the Service selects no pods, and no EndpointSlice says where it leads".to_owned()
        } else {
            format!(
                "no pod in the input is behind port {} of the Service",
                port.port
            )
        })]
    }

    /// The pods that the selector takes, those that behave alike together.
    fn selected(&self, service: &Service, port: &ServicePort) -> Vec<Backing> {
        let pods = self.pods_of.get(service.object.namespace.as_str());
        let selects = |pod: &Pod| pod.labels.include(&service.selector);
        let mut groups: BTreeMap<_, Vec<PodId>> = BTreeMap::new();
        for id in pods.into_iter().flatten() {
            let Some(pod) = self.world.pod(*id).filter(|pod| selects(pod)) else {
                continue;
            };
            for number in numbers(&port.target, port.protocol, pod) {
                let workload = (pod.workload.kind.as_str(), pod.workload.name.as_str());
                let class = self.engine.endpoint_of(Endpoint::Pod(*id));
                groups
                    .entry((workload, class, number))
                    .or_default()
                    .push(*id);
            }
        }
        groups
            .into_iter()
            .map(|((_, _, number), pods)| Backing {
                to: Behind::Pods(pods),
                port: Some((port.protocol, number)),
            })
            .collect()
    }

    /// The endpoints that EndpointSlices list. A port of a slice belongs to the port of the Service
    /// with the same name.
    fn listed(&self, service: &Service, port: &ServicePort) -> Vec<Backing> {
        let slices = self.world.doors.endpoint_slices.iter().filter(|slice| {
            slice.object.namespace == service.object.namespace
                && slice.service.as_ref() == Some(&service.object.name)
        });
        let mut found = Vec::new();
        for slice in slices {
            let ports = slice.ports.iter();
            let ports = ports.filter(|(name, p, _)| *name == port.name && *p == port.protocol);
            for (_, protocol, number) in ports {
                for address in &slice.addresses {
                    let pod = self.pod_at.get(address);
                    found.push(Backing {
                        to: pod.map_or(Behind::Address(*address), |pod| Behind::Pods(vec![*pod])),
                        port: Some((*protocol, *number)),
                    });
                }
            }
        }
        found
    }
}

pub(super) fn nothing(why: impl Into<String>) -> Backing {
    Backing {
        to: Behind::Nothing(why.into()),
        port: None,
    }
}

fn external_name(service: &Service) -> String {
    match &service.publication.external_name {
        Some(name) => format!("the Service is a name for `{name}`, which is no pod"),
        None => "the Service is a name for something else".to_owned(),
    }
}

/// `targetPort` on a pod: a name is looked up among its ports of the same protocol.
fn numbers(target: &TargetPort, protocol: Protocol, pod: &Pod) -> Vec<u16> {
    match target {
        TargetPort::Number(number) => vec![*number],
        TargetPort::Name(name) => {
            let ports = pod.named_ports.iter();
            ports
                .filter(|port| port.name == *name && port.protocol == protocol)
                .map(|port| port.port)
                .take(1)
                .collect()
        }
    }
}
