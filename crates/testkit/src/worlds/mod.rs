//! Random small worlds that mix everything a layer can look at, from small alphabets so that things
//! meet; they shrink to the least that still fails.
//!
//! A kind of object has its generator in the file of its layer; here they become one valid world.

mod administrators;
mod alphabet;
mod authorization;
mod flows;
mod mesh;
mod pods;
mod policies;

use administrators::{admin_policies, nodes};
use alphabet::labels;
use authorization::authorization_policy;
use mesh::{destination_rule, gateway, peer_authentication};
use palisade_netmodel::{
    DestinationRule, Labels, Namespace, Node, ObjectRef, Origin, Pod, Profile, Service, World,
};
use pods::{pod, service};
use policies::network_policy;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::BTreeSet;
use std::net::IpAddr;

pub(crate) use alphabet::{NAMESPACES, selector};
pub use flows::interesting_flows;
pub(crate) use policies::{peer, policy_port};

/// Any plugin that is known by name, or none: then all kinds of policies have effect.
fn profile() -> impl Strategy<Value = Profile> {
    let names: Vec<&'static str> = Profile::names().collect();
    prop_oneof![
        1 => Just(Profile::default()),
        1 => select(names).prop_map(|name| Profile::named(name).unwrap_or_default()),
    ]
}

/// Random worlds: up to three namespaces, six pods, four policies, and mesh objects.
pub fn world() -> impl Strategy<Value = World> {
    let base = (
        vec(labels(), NAMESPACES.len()),
        vec(pod(), 1..6),
        vec(service(), 0..3),
        vec(network_policy(), 0..4),
        profile(),
        any::<bool>(),
        (admin_policies(), nodes()),
    );
    let mesh = (
        vec(peer_authentication(), 0..4),
        vec(authorization_policy(), 0..3),
        vec(destination_rule(), 0..3),
        vec(gateway(), 0..2),
        vec(any::<Index>(), 4),
    );
    (base, mesh).prop_map(|(base, mesh)| {
        let (
            namespace_labels,
            mut pods,
            services,
            network_policies,
            profile,
            auto_mtls,
            (admin_policies, nodes),
        ) = base;
        for (index, pod) in pods.iter_mut().enumerate() {
            pod.name = format!("pod-{index}");
            let name = pod.name.clone();
            pod.workload.name = name;
        }
        one_host_group_each(&mut pods);
        distinct_addresses(&mut pods, &nodes);
        let (mut services, mut destination_rules) = (services, mesh.2);
        aim(&pods, &mut services, &mut destination_rules, &mesh.4);
        let services = distinct_services(services);
        let mut world = World {
            pods,
            services,
            network_policies,
            admin_policies,
            nodes,
            profile,
            peer_authentications: mesh.0,
            authorization_policies: mesh.1,
            destination_rules,
            gateways: mesh.3,
            ..World::default()
        };
        world.mesh.auto_mtls = auto_mtls;
        number_names(&mut world);
        for (name, mut labels) in NAMESPACES.into_iter().zip(namespace_labels) {
            labels.insert("kubernetes.io/metadata.name", name);
            let namespace = Namespace {
                origin: Origin::default(),
                name: name.to_owned(),
                labels,
            };
            world.namespaces.insert(name.to_owned(), namespace);
        }
        world
    })
}

/// Makes most Services lead to a pod, and most DestinationRules be about a Service: by chance few would.
fn aim(pods: &[Pod], services: &mut [Service], rules: &mut [DestinationRule], aims: &[Index]) {
    let (for_services, for_rules) = aims.split_at(aims.len() / 2);
    for (service, aim) in services.iter_mut().zip(for_services) {
        if let Some(pod) = pods.get(aim.index(pods.len() + 1)) {
            service.object.namespace.clone_from(&pod.namespace);
            if !pod.labels.is_empty() {
                service.selector = pod.labels.clone();
            }
        }
    }
    for (rule, aim) in rules.iter_mut().zip(for_rules) {
        if let Some(service) = services.get(aim.index(services.len() + 1)) {
            let ObjectRef { namespace, name } = &service.object;
            rule.host = format!("{name}.{namespace}.svc.cluster.local");
            if aim.index(2) == 0 {
                rule.object.namespace.clone_from(namespace);
                rule.workload_selector = Labels::default();
                rule.export_to.clear();
            }
        }
    }
}

/// The first group of a namespace stays one: whatever runs on the nodes' host network is one end there.
fn one_host_group_each(pods: &mut [Pod]) {
    let mut seen = BTreeSet::new();
    for pod in pods {
        if pod.host_group && !seen.insert(pod.namespace.clone()) {
            pod.host_group = false;
        }
    }
}

/// Two live pods never have one address, and no pod has its node's, unless it is on the host network.
fn distinct_addresses(pods: &mut [Pod], nodes: &[Node]) {
    let of_pods = pods.iter().flat_map(|p| &p.node_addresses.known);
    let own = nodes.iter().flat_map(|n| &n.addresses);
    let nodes: BTreeSet<IpAddr> = of_pods.chain(own).copied().collect();
    let mut taken = BTreeSet::new();
    for pod in pods {
        if pod.host_network {
            pod.addresses = pod.node_addresses.clone();
        } else {
            pod.addresses
                .known
                .retain(|a| !nodes.contains(a) && taken.insert(*a));
        }
    }
}

/// Services have names of their own, and so have the ports of one.
fn distinct_services(services: Vec<Service>) -> Vec<Service> {
    let mut names = BTreeSet::new();
    let mut out = Vec::new();
    for mut service in services {
        let (mut words, mut numbers) = (BTreeSet::new(), BTreeSet::new());
        let several = service.ports.len() > 1;
        service.ports.retain(|p| {
            (!several || !p.name.is_empty())
                && words.insert(p.name.clone())
                && numbers.insert((p.protocol, p.port))
        });
        if !service.ports.is_empty() && names.insert(service.object.clone()) {
            out.push(service);
        }
    }
    out
}

/// Objects of one kind have names of their own, in the order in which they count.
fn number_names(world: &mut World) {
    fn number<'a>(objects: impl Iterator<Item = &'a mut ObjectRef>) {
        for (index, object) in objects.enumerate() {
            object.name = format!("{}-{index}", object.name);
        }
    }
    number(world.network_policies.iter_mut().map(|p| &mut p.object));
    number(world.peer_authentications.iter_mut().map(|p| &mut p.object));
    number(
        world
            .authorization_policies
            .iter_mut()
            .map(|p| &mut p.object),
    );
    number(world.destination_rules.iter_mut().map(|p| &mut p.object));
    number(world.gateways.iter_mut().map(|p| &mut p.object));
}
