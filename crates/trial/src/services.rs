//! Services: calls to a virtual address, which a node translates to one of the pods behind it.

use crate::kinds::ends_of_kinds;
use crate::truth::SHORT;
use crate::{Error, Trial};
use palisade_netlab::{Answer, Outcome as Seen, Patience, Probe, ServicePort};
use palisade_netmodel::{
    Endpoint, Flow, ObjectRef, Outcome, PodId, Protocol, Service, TargetPort, World, reference,
};
use std::net::{IpAddr, SocketAddr};

/// A port of a Service in the lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The Service.
    pub service: ObjectRef,
    /// Its addresses.
    pub addresses: [IpAddr; 2],
    /// Protocol.
    pub protocol: Protocol,
    /// The Service's port.
    pub port: u16,
    /// The pods behind it, and their ports.
    pub backends: Vec<(PodId, u16)>,
}

/// A call to a Service, by packets and by the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Which of those that are published.
    pub published: usize,
    /// Who calls.
    pub source: PodId,
    /// Whether over IPv6.
    pub v6: bool,
    /// What policies say of every pod behind it; `Depends` where they say different things.
    pub expected: Outcome,
    /// What the packet met.
    pub seen: Answer,
    /// Whether both are the same; `None` where it depends on which pod was chosen, and none answered.
    pub agree: Option<bool>,
}

impl Trial {
    /// Publishes the Services of a world that have pods in this network, and opens those pods' ports.
    ///
    /// # Errors
    ///
    /// If `nft` is missing or refuses.
    pub fn publish(&self, world: &World) -> Result<Vec<Published>, Error> {
        let mut published = Vec::new();
        let mut services = Vec::new();
        for service in &world.services {
            let ports = self.ports(world, service);
            if !ports.is_empty() {
                services.push(ports.iter().map(|port| self.translated(port)).collect());
                published.push(ports);
            }
        }
        let addresses = self.lab.publish(&services)?;
        let with_addresses = published.into_iter().zip(addresses);
        let published = with_addresses.flat_map(|(ports, addresses)| {
            ports
                .into_iter()
                .map(move |port| Published { addresses, ..port })
        });
        let published: Vec<Published> = published.collect();
        let doors = published.iter().flat_map(|published| {
            let host = |id: PodId| self.host(Endpoint::Pod(id));
            let backends = published.backends.iter();
            backends.filter_map(move |(id, port)| Some((host(*id)?, published.protocol, *port)))
        });
        self.lab.serve(doors)?;
        Ok(published)
    }

    /// The ports of a Service that lead somewhere. Pods on the host network have no place of their own.
    fn ports(&self, world: &World, service: &Service) -> Vec<Published> {
        if service.headless || service.selector.is_empty() {
            return Vec::new();
        }
        let behind: Vec<PodId> = world
            .pods()
            .filter(|(id, pod)| {
                pod.namespace == service.object.namespace
                    && !pod.host_network
                    && pod.labels.include(&service.selector)
                    && self.host(Endpoint::Pod(*id)).is_some()
            })
            .map(|(id, _)| id)
            .collect();
        let mut ports = Vec::new();
        for port in &service.ports {
            let target = |id: &PodId| match &port.target {
                TargetPort::Number(number) => Some((*id, *number)),
                TargetPort::Name(name) => {
                    let named = world.pod(*id)?.named_ports.iter();
                    let mut named = named.filter(|n| n.protocol == port.protocol);
                    Some((*id, named.find(|n| n.name == *name)?.port))
                }
            };
            let backends: Vec<(PodId, u16)> = behind.iter().filter_map(target).collect();
            if !backends.is_empty() {
                ports.push(Published {
                    service: service.object.clone(),
                    addresses: [IpAddr::from([0; 4]), IpAddr::from([0; 16])],
                    protocol: port.protocol,
                    port: port.port,
                    backends,
                });
            }
        }
        ports
    }

    fn translated(&self, port: &Published) -> ServicePort {
        let backends = port.backends.iter();
        let backends =
            backends.filter_map(|(id, number)| Some((self.host(Endpoint::Pod(*id))?, *number)));
        ServicePort {
            protocol: port.protocol,
            port: port.port,
            backends: backends.collect(),
        }
    }

    /// Has every kind of pod call every published Service over both versions of IP. A pod behind a Service does not
    /// call it: it could be led to itself, which policies do not see.
    ///
    /// # Errors
    ///
    /// If a probe cannot be sent.
    pub fn call_services(
        &self,
        world: &World,
        published: &[Published],
    ) -> Result<Vec<Called>, Error> {
        let worlds = [
            self.located(world, Some(false))?,
            self.located(world, Some(true))?,
        ];
        let pods = self.ends().filter_map(|end| match end {
            Endpoint::Pod(id) => world.pod(id).filter(|p| !p.host_network).map(|_| id),
            Endpoint::Address(_) => None,
        });
        let sources: Vec<PodId> = ends_of_kinds(world, pods)
            .into_iter()
            .map(|(first, _)| first)
            .collect();
        let mut calls = Vec::new();
        for (number, port) in published.iter().enumerate() {
            for source in &sources {
                if port.backends.iter().all(|(id, _)| id != source) {
                    calls.extend([
                        (number, port, *source, false),
                        (number, port, *source, true),
                    ]);
                }
            }
        }
        let expected = |port: &Published, source, v6| {
            let [v4, six] = &worlds;
            let world = if v6 { six } else { v4 };
            let backends = port.backends.iter();
            backends
                .map(|backend| decide(world, source, port, *backend))
                .collect::<Vec<_>>()
        };
        let calls = calls.into_iter().map(|(published, port, source, v6)| Call {
            published,
            port,
            source,
            v6,
            outcomes: expected(port, source, v6),
        });
        let (closed, open): (Vec<_>, Vec<_>) =
            calls.partition(|call| call.expected() == Outcome::Deny);
        let mut called = self.call(open, &Patience::default())?;
        called.extend(self.call(closed, &Patience(SHORT.to_vec()))?);
        called.sort_by_key(|called| (called.published, called.source, called.v6));
        Ok(called)
    }

    fn call(&self, calls: Vec<Call<'_>>, patience: &Patience) -> Result<Vec<Called>, Error> {
        let with_probe = calls.into_iter().filter_map(|call| {
            let [v4, v6] = call.port.addresses;
            let address = if call.v6 { v6 } else { v4 };
            let probe = Probe {
                from: self.host(Endpoint::Pod(call.source))?,
                to: SocketAddr::new(address, call.port.port),
                protocol: call.port.protocol,
            };
            Some((call, probe))
        });
        let (calls, probes): (Vec<Call<'_>>, Vec<Probe>) = with_probe.unzip();
        let answers = self.lab.probe_with(&probes, patience)?;
        let called = calls.into_iter().zip(answers).map(|(call, seen)| Called {
            published: call.published,
            source: call.source,
            v6: call.v6,
            expected: call.expected(),
            agree: self.judge(&call, &seen),
            seen,
        });
        Ok(called.collect())
    }

    /// Whether a call went as policies say. Whoever answers must be behind the Service, and one that they let answer.
    fn judge(&self, call: &Call<'_>, seen: &Answer) -> Option<bool> {
        let backends = call.port.backends.iter().zip(&call.outcomes);
        match (seen.outcome, call.expected()) {
            (Seen::Error, _) => Some(false),
            (Seen::Passed, _) if seen.by.is_some() => {
                let by = |id: PodId| self.host(Endpoint::Pod(id)) == seen.by;
                let mut chosen = backends.filter(|((id, _), _)| by(*id));
                Some(chosen.any(|(_, outcome)| *outcome != Outcome::Deny))
            }
            (_, Outcome::Depends) => None,
            (outcome, expected) => Some((outcome == Seen::Passed) == (expected == Outcome::Allow)),
        }
    }
}

/// A call, and what the reference says of each pod that it may reach.
struct Call<'p> {
    published: usize,
    port: &'p Published,
    source: PodId,
    v6: bool,
    outcomes: Vec<Outcome>,
}

impl Call<'_> {
    /// What is expected whichever pod is chosen.
    fn expected(&self) -> Outcome {
        match self.outcomes.first() {
            Some(first) if self.outcomes.iter().all(|outcome| outcome == first) => *first,
            _ => Outcome::Depends,
        }
    }
}

/// What the reference says of a call once it is translated.
fn decide(world: &World, source: PodId, port: &Published, backend: (PodId, u16)) -> Outcome {
    let flow = Flow {
        source: Endpoint::Pod(source),
        destination: Endpoint::Pod(backend.0),
        protocol: port.protocol,
        port: backend.1,
    };
    reference::decide(world, &flow).outcome
}
