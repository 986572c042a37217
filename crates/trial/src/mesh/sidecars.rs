//! The sidecars of a lab: an Envoy before every pod that Istio would give one to, up to a number.

use super::application::Application;
use super::authority::{Authority, Issued};
use super::called::{backends, called, is_bare};
use super::envoy::Envoy;
use super::{identity, redirect};
use crate::kinds::ends_of_kinds;
use crate::{Asked, Error, Published, Trial};
use palisade_netlab::{Error as LabError, HostId};
use palisade_netmodel::{Endpoint, Phase, Pod, PodId, Protocol, Proxy, World};
use palisade_sidecar::{Credentials, configure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Envoys that are started at a time.
const AT_ONCE: usize = 4;
/// Ports that the proxy itself has.
pub(super) const OWN: [u16; 3] = [
    palisade_sidecar::ADMIN,
    palisade_sidecar::INBOUND,
    palisade_sidecar::OUTBOUND,
];

/// Which sidecars there shall be.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Envoy.
    pub program: &'a Path,
    /// At most so many.
    pub most: usize,
    /// The Services that they know.
    pub published: &'a [Published],
}

/// Sidecars, and the certificates of all workloads of the mesh. They end with this value.
#[derive(Debug)]
pub struct Sidecars {
    running: BTreeMap<PodId, (Envoy, Application)>,
    /// Those of pods without a sidecar, which callers reach by a Service.
    bare: BTreeMap<PodId, Application>,
    issued: BTreeMap<PodId, Issued>,
    /// Pods that would have one, and do not since there are enough.
    pub too_many: usize,
    /// What policies ask for, and the model does not contain; their pods have no sidecar here.
    pub left_out: BTreeSet<String>,
}

impl Sidecars {
    /// Starts them. Their pods then answer on the TCP ports that are asked about and those that Services lead to, and
    /// others are closed; so do pods without a sidecar that Services lead to.
    ///
    /// # Errors
    /// If a program is missing, or an Envoy does not take its configuration.
    pub fn start(
        trial: &Trial,
        world: &World,
        wanted: Wanted<'_>,
        ports: &BTreeMap<PodId, BTreeSet<u16>>,
    ) -> Result<Self, Error> {
        let world = &trial.located(world, None)?;
        let authority = Authority::new()?;
        let mut issued = BTreeMap::new();
        for (id, pod) in world.pods().filter(|(_, pod)| enrolled(pod)) {
            issued.insert(
                id,
                authority.issue(&identity(&world.mesh.trust_domain, pod))?,
            );
        }
        // Whoever signs it is nobody whom the mesh knows.
        let named = Authority::new()?.issue("spiffe://elsewhere/ns/elsewhere/sa/elsewhere")?;
        let is_here = |id| trial.host(Endpoint::Pod(id)).is_some();
        let called = called(world, wanted.published, is_here);
        let mut ports = ports.clone();
        let behind = backends(wanted.published);
        for (id, more) in &behind {
            ports.entry(*id).or_default().extend(more);
        }
        let mut sidecars = Self {
            running: BTreeMap::new(),
            bare: BTreeMap::new(),
            issued,
            too_many: 0,
            left_out: BTreeSet::new(),
        };
        let mut chosen = Vec::new();
        for id in candidates(world, is_here) {
            let Some((pod, issued)) = world.pod(id).zip(sidecars.issued.get(&id)) else {
                continue;
            };
            let sidecar = configure(
                world,
                pod,
                Credentials {
                    certificate: &issued.certificate,
                    key: &issued.key,
                    authority: &authority.certificate(),
                    named: (&named.certificate, &named.key),
                },
                &called,
            );
            if !sidecar.left_out.is_empty() {
                sidecars.left_out.extend(sidecar.left_out);
            } else if chosen.len() < wanted.most {
                chosen.push((id, pod, sidecar.bootstrap.to_string()));
            } else {
                sidecars.too_many += 1;
            }
        }
        sidecars.running = start_all(trial, wanted.program, chosen, &ports)?;
        for id in behind.into_keys().filter(|_| !sidecars.running.is_empty()) {
            let pod = world.pod(id).filter(|pod| is_bare(pod));
            if let Some((pod, ports)) = pod.zip(ports.get(&id)) {
                let application = open(trial, id, pod, ports)?;
                sidecars.bare.insert(id, application);
            }
        }
        Ok(sidecars)
    }

    /// The pods that have one.
    pub fn pods(&self) -> impl Iterator<Item = PodId> {
        self.running.keys().copied()
    }

    /// Whether a pod has one.
    #[must_use]
    pub fn has(&self, pod: PodId) -> bool {
        self.running.contains_key(&pod)
    }

    /// Whether a pod answers with its name on its TCP ports, behind a sidecar or without one.
    #[must_use]
    pub fn speaks(&self, pod: PodId) -> bool {
        self.has(pod) || self.bare.contains_key(&pod)
    }

    /// The certificate of a workload of the mesh.
    #[must_use]
    pub fn certificate(&self, pod: PodId) -> Option<&Issued> {
        self.issued.get(&pod)
    }
}

/// The TCP ports of each pod that questions are about.
pub(super) fn asked_ports(questions: &[Asked]) -> BTreeMap<PodId, BTreeSet<u16>> {
    let mut ports: BTreeMap<PodId, BTreeSet<u16>> = BTreeMap::new();
    for flow in questions.iter().map(|asked| asked.flow) {
        if let (Endpoint::Pod(id), Protocol::Tcp) = (flow.destination, flow.protocol) {
            ports.entry(id).or_default().insert(flow.port);
        }
    }
    ports
}

/// Whether a pod has a certificate of the mesh.
fn enrolled(pod: &Pod) -> bool {
    let on_the_network = pod.phase == Phase::Live && !pod.host_network && !pod.host_group;
    on_the_network && matches!(pod.proxy, Proxy::Sidecar { .. } | Proxy::Gateway)
}

/// Every pod with a sidecar, those first that stand for their kind.
fn candidates(world: &World, is_here: impl Fn(PodId) -> bool) -> Vec<PodId> {
    let has = |id: &PodId| {
        let pod = world.pod(*id);
        pod.is_some_and(|pod| enrolled(pod) && matches!(pod.proxy, Proxy::Sidecar { .. }))
            && is_here(*id)
    };
    let all: Vec<PodId> = world.pods().map(|(id, _)| id).filter(has).collect();
    let kinds = ends_of_kinds(world, all.iter().copied());
    let receivers = kinds.iter().map(|(_, last)| *last);
    let callers = kinds.iter().map(|(first, _)| *first);
    let mut seen = BTreeSet::new();
    let in_order = receivers.chain(callers).chain(all.iter().copied());
    in_order.filter(|id| seen.insert(*id)).collect()
}

type Running = BTreeMap<PodId, (Envoy, Application)>;

fn start_all(
    trial: &Trial,
    program: &Path,
    chosen: Vec<(PodId, &Pod, String)>,
    ports: &BTreeMap<PodId, BTreeSet<u16>>,
) -> Result<Running, Error> {
    let waiting = Mutex::new(chosen.into_iter());
    let started = Mutex::new((Running::new(), None));
    let next = || {
        waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next()
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((id, pod, bootstrap)) = next() {
                    let none = BTreeSet::new();
                    let ports = ports.get(&id).unwrap_or(&none);
                    let one = start_one(trial, program, id, pod, &bootstrap, ports);
                    let mut started = started.lock().unwrap_or_else(PoisonError::into_inner);
                    match one {
                        Ok(one) => started.0.extend([(id, one)]),
                        Err(error) => {
                            started.1.get_or_insert(error);
                            break;
                        }
                    }
                }
            });
        }
    });
    let (running, error) = started.into_inner().unwrap_or_else(PoisonError::into_inner);
    error.map_or(Ok(running), Err)
}

fn start_one(
    trial: &Trial,
    program: &Path,
    id: PodId,
    pod: &Pod,
    bootstrap: &str,
    ports: &BTreeSet<u16>,
) -> Result<(Envoy, Application), Error> {
    let Proxy::Sidecar {
        inbound,
        outbound_excluded,
        ..
    } = &pod.proxy
    else {
        return Err(LabError::because("starting a sidecar", "the pod has none").into());
    };
    let application = open(trial, id, pod, ports)?;
    let namespace = trial.lab.host(place(trial, id)?)?.namespace();
    let envoy = Envoy::start(namespace, program, bootstrap)?;
    redirect(namespace, &inbound.bypass, outbound_excluded)?;
    Ok((envoy, application))
}

fn place(trial: &Trial, id: PodId) -> Result<HostId, Error> {
    let host = trial.host(Endpoint::Pod(id));
    Ok(host.ok_or_else(|| LabError::because("starting a sidecar", "no such pod"))?)
}

/// The application of a pod, in the place of what answered probes there.
fn open(trial: &Trial, id: PodId, pod: &Pod, ports: &BTreeSet<u16>) -> Result<Application, Error> {
    let host = place(trial, id)?;
    trial.lab.close(host)?;
    let ports: Vec<u16> = ports.iter().copied().filter(|p| !OWN.contains(p)).collect();
    let namespace = trial.lab.host(host)?.namespace();
    Ok(Application::open(
        namespace,
        &ports,
        &pod.object().to_string(),
    )?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::shop::{pod, shop, to};
    use palisade_netmodel::Flow;

    /// Three replicas, and a pod with their label on the host network.
    fn more() -> String {
        let replica = |name: &str| {
            format!(
                r"---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: shop
  labels: {{app: x}}
  ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: x, controller: true}}]
spec: {{containers: [{{name: c}}]}}
"
            )
        };
        let host = r"---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: shop, labels: {app: x}}
spec: {hostNetwork: true, containers: [{name: c}]}
";
        ["a", "b", "c"].map(replica).concat() + host
    }

    #[test]
    fn those_that_stand_for_their_kind_come_first() {
        let world = shop(&more());
        let names = |ids: Vec<PodId>| -> Vec<String> {
            let pods = ids.into_iter().filter_map(|id| world.pod(id));
            pods.map(|pod| pod.name.clone()).collect()
        };
        let all = names(candidates(&world, |_| true));
        // A receiver of each kind, then a caller where that is another pod, then the rest.
        assert_eq!(all, ["c", "db", "web", "a", "b"]);
        let gone = pod(&world, "db");
        let here = names(candidates(&world, |id| id != gone));
        assert_eq!(here, ["c", "web", "a", "b"]);
    }

    #[test]
    fn who_has_a_certificate() {
        let world = shop(&more());
        for (name, expected) in [
            ("web", true),
            ("a", true),
            ("host", false),
            ("client", false),
            ("captured", false),
        ] {
            let found = world.pod(pod(&world, name)).unwrap();
            assert_eq!(enrolled(found), expected, "{name}");
        }
        // Even one that says that it has a sidecar.
        let mut host = world.pod(pod(&world, "host")).unwrap().clone();
        let web = world.pod(pod(&world, "web")).unwrap();
        let template = palisade_netmodel::Template {
            proxy: web.proxy.clone(),
            ..(*host.template).clone()
        };
        host.template = std::sync::Arc::new(template);
        assert!(!enrolled(&host));
    }

    #[test]
    fn ports_of_pods_that_tcp_is_asked_about() {
        let world = shop("");
        let flow = to(&world, "web", 5432);
        let asked = |flow| Asked { flow, v6: true };
        let udp = Flow {
            protocol: Protocol::Udp,
            port: 53,
            ..flow
        };
        let away = Flow {
            destination: Endpoint::Address([203, 0, 113, 7].into()),
            ..flow
        };
        let other = Flow { port: 8080, ..flow };
        let found = asked_ports(&[
            asked(flow),
            asked(udp),
            asked(away),
            asked(other),
            asked(flow),
        ]);
        let expected = BTreeMap::from([(pod(&world, "db"), BTreeSet::from([5432, 8080]))]);
        assert_eq!(found, expected);
    }
}
