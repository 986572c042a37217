//! What clients send to ports that bypass the receiver's sidecar.
//!
//! Inside the mesh auto mTLS decides and no DestinationRule is written, with one exception: auto mTLS
//! looks at the pod, not at the port, and would send mesh mTLS to a port on which no sidecar listens.
//! There the client has to be told to send what the application itself expects.

use super::{Caller, Mesh, NETWORKING, in_mesh};
use crate::Object;
use crate::artefacts::Header;
use crate::names;
use palisade_netmodel::{Component, Protocol, Service, TargetPort, World};
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn objects(mesh: &Mesh<'_>) -> Vec<Object> {
    let mut found: BTreeMap<(String, String), (BTreeSet<u16>, Vec<String>)> = BTreeMap::new();
    for component in mesh
        .intent
        .components
        .iter()
        .filter(|c| c.managed && in_mesh(c))
    {
        let flows = flows_to_bypassed(mesh, component);
        for (flow, port) in flows {
            for (service, number) in services_to(component, port, mesh.world) {
                let key = (
                    service.object.namespace.clone(),
                    service.object.name.clone(),
                );
                let (ports, flows) = found.entry(key).or_default();
                ports.insert(number);
                flows.push(flow.clone());
            }
        }
    }
    found
        .into_iter()
        .map(|((namespace, service), (ports, flows))| {
            object(mesh, &namespace, &service, &ports, flows)
        })
        .collect()
}

/// The flows from callers in the mesh to ports that bypass the component's sidecar.
fn flows_to_bypassed(mesh: &Mesh<'_>, component: &Component) -> Vec<(String, u16)> {
    let mut out = Vec::new();
    for grant in &mesh.intent.grants {
        let meshed = !mesh.callers(&grant.from).contains(&Caller::Unknown);
        if !meshed || grant.to.component.as_ref() != Some(&component.name) {
            continue;
        }
        let granted = grant.numeric_ports();
        let bypassed = component.ports.iter().filter(|p| p.mesh_bypass);
        for port in bypassed.filter(|p| p.protocol == Protocol::Tcp) {
            if granted.contains(Protocol::Tcp, port.port) {
                out.push((grant.id.clone(), port.port));
            }
        }
    }
    out.sort();
    out
}

/// The Services with a port that leads to this port of the component's pods.
fn services_to<'w>(component: &Component, port: u16, world: &'w World) -> Vec<(&'w Service, u16)> {
    let own = |service: &&Service| {
        !service.selector.is_empty()
            && service.object.namespace == component.namespace
            && world.pods.iter().any(|pod| {
                pod.namespace == component.namespace
                    && component.selector.matches(&pod.labels)
                    && pod.labels.include(&service.selector)
            })
    };
    let mut out = Vec::new();
    for service in world.services.iter().filter(own) {
        for entry in &service.ports {
            if entry.target == TargetPort::Number(port) {
                out.push((service, entry.port));
            }
        }
    }
    out
}

fn object(
    mesh: &Mesh<'_>,
    namespace: &str,
    service: &str,
    ports: &BTreeSet<u16>,
    flows: Vec<String>,
) -> Object {
    let settings = ports.iter().map(|port| {
        let number = Value::map([("number", Value::Int(i64::from(*port)))]);
        let disable = Value::map([("mode", Value::string("DISABLE"))]);
        Value::map([("port", number), ("tls", disable)])
    });
    let policy = Value::map([("portLevelSettings", Value::List(settings.collect()))]);
    let host = format!("{service}.{namespace}.svc.cluster.local");
    let spec = Value::map([("host", Value::string(host)), ("trafficPolicy", policy)]);
    let header = Header {
        api_version: NETWORKING,
        kind: "DestinationRule",
        namespace,
        name: &names::object_name(&format!("{service}-bypass")),
        flows,
    };
    Object::new(mesh.intent, header, vec![("spec", spec)])
}
