//! Objects put together as a world: namespaces that are only used, pods of templates, the mesh, the
//! network plugin. The result does not depend on the order of reading.

use crate::cni;
use crate::load::Options;
use crate::objects::{MeshSettings, Objects, RealPod, Template};
use crate::pods::PodShape;
use crate::proxy::proxy;
use crate::waypoints;
use palisade_netmodel::{
    self as netmodel, AddressSet, Doors, Labels, MeshConfig, Namespace, Phase, Pod, PortSet, Proxy,
    Workload, World,
};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// The label of namespaces that stand for the host network of OpenShift's nodes.
const HOST_GROUP: &str = "policy-group.network.openshift.io/host-network";

/// Namespace, kind and name of a workload.
type Key = (String, String, String);

pub(crate) fn assemble(mut objects: Objects, options: &Options) -> World {
    let mut world = World::default();
    namespaces(&mut world, &mut objects);
    world.mesh = mesh(&objects, options);
    world.profile = cni::detect(&daemon_sets(&objects));
    world.pods = pods(&objects, &world.namespaces);
    objects.peer_authentications.sort_by(|(a, x), (b, y)| {
        // One without a time is still to be made: younger than all others.
        (a.is_none(), a, &x.object).cmp(&(b.is_none(), b, &y.object))
    });
    let authentications = objects.peer_authentications.into_iter();
    world.peer_authentications = authentications.map(|(_, policy)| policy).collect();
    world.services = objects.services;
    world.services.sort_by(|a, b| a.object.cmp(&b.object));
    world.nodes = objects.nodes;
    world.nodes.sort_by(|a, b| a.name.cmp(&b.name));
    world.admin_policies = objects.admin_policies;
    world
        .admin_policies
        .sort_by(|a, b| (a.kind, &a.object).cmp(&(b.kind, &b.object)));
    world.network_policies = objects.network_policies;
    world
        .network_policies
        .sort_by(|a, b| a.object.cmp(&b.object));
    world.authorization_policies = objects.authorization_policies;
    world
        .authorization_policies
        .sort_by(|a, b| a.object.cmp(&b.object));
    world.destination_rules = objects.destination_rules;
    world
        .destination_rules
        .sort_by(|a, b| a.object.cmp(&b.object));
    world.service_entries = objects.service_entries;
    world
        .service_entries
        .sort_by(|a, b| a.object.cmp(&b.object));
    world.sidecars = objects.sidecars;
    world.sidecars.sort_by(|a, b| a.object.cmp(&b.object));
    world.gateways = objects.gateways;
    world.gateways.sort_by(|a, b| a.object.cmp(&b.object));
    world.doors = doors(objects.doors);
    let waypoints = objects.waypoints.into_iter();
    world.waypoints = waypoints.map(|(waypoint, _)| waypoint).collect();
    world.waypoints.sort_by(|a, b| a.object.cmp(&b.object));
    world
}

fn doors(mut doors: Doors) -> Doors {
    doors
        .endpoint_slices
        .sort_by(|a, b| a.object.cmp(&b.object));
    doors.ingress_classes.sort_by(|a, b| a.name.cmp(&b.name));
    doors.gateways.sort_by(|a, b| a.object.cmp(&b.object));
    doors
        .routes
        .sort_by(|a, b| (a.kind, &a.object).cmp(&(b.kind, &b.object)));
    doors.grants.sort_by(|a, b| a.object.cmp(&b.object));
    doors
}

/// Namespaces that are written, united by name, and those that objects only name.
fn namespaces(world: &mut World, objects: &mut Objects) {
    for namespace in std::mem::take(&mut objects.namespaces) {
        match world.namespaces.get_mut(&namespace.name) {
            Some(known) => known.labels.extend(namespace.labels.iter()),
            None => {
                world.namespaces.insert(namespace.name.clone(), namespace);
            }
        }
    }
    for name in &objects.used_namespaces {
        world.ensure_namespace(name);
    }
}

/// The mesh: the ConfigMap of the root namespace, else what the caller assumes, else Istio's defaults.
fn mesh(objects: &Objects, options: &Options) -> MeshConfig {
    let default = MeshConfig::default();
    let mut mesh = MeshConfig {
        root_namespace: options.mesh_root.clone().unwrap_or(default.root_namespace),
        injector_shown: objects.injector,
        ..MeshConfig::default()
    };
    let all = &objects.mesh_settings;
    let of_root = all
        .iter()
        .find(|s| s.object.namespace == mesh.root_namespace);
    let only = match all.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    if let Some(settings) = of_root.or(only) {
        apply(&mut mesh, settings);
    } else if let Some(domain) = &options.trust_domain {
        mesh.trust_domain.clone_from(domain);
    }
    mesh
}

fn apply(mesh: &mut MeshConfig, settings: &MeshSettings) {
    let root = settings.root_namespace.as_ref();
    mesh.root_namespace = root.unwrap_or(&settings.object.namespace).clone();
    if let Some(domain) = &settings.trust_domain {
        mesh.trust_domain.clone_from(domain);
    }
    mesh.trust_domain_aliases
        .clone_from(&settings.trust_domain_aliases);
    mesh.auto_mtls = settings.auto_mtls.unwrap_or(mesh.auto_mtls);
    mesh.outbound = settings.outbound.unwrap_or(mesh.outbound);
}

/// Names of DaemonSets with the images of their pods, also of those that only own a pod.
fn daemon_sets(objects: &Objects) -> Vec<(String, Vec<String>)> {
    let images = |list: &[(String, String)]| list.iter().map(|(_, image)| image.clone()).collect();
    let written = objects.templates.iter().filter(|t| t.kind == "DaemonSet");
    let mut found: Vec<(String, Vec<String>)> = written
        .map(|t| (t.head.object.name.clone(), images(&t.shape.images)))
        .collect();
    for pod in &objects.pods {
        if let Some((kind, name)) = &pod.head.owner
            && kind == "DaemonSet"
        {
            found.push((name.clone(), images(&pod.shape.images)));
        }
    }
    found.sort();
    found
}

/// Real pods, pods of templates, and one for each group of host networks.
fn pods(objects: &Objects, namespaces: &BTreeMap<String, Namespace>) -> Vec<Pod> {
    let owners = Owners::new(&objects.templates);
    let empty = Labels::default();
    let labels_of = |name: &str| namespaces.get(name).map_or(&empty, |n| &n.labels);
    let mut replaced = BTreeSet::new();
    let mut pods = Vec::new();
    let mut templates = Templates::default();
    for real in &objects.pods {
        let workload = owners.of_pod(real);
        // A CronJob runs again when the pods of its last run are gone.
        let runs_again = workload.1 == "CronJob" && real.phase == Phase::Completed;
        if !runs_again {
            replaced.insert(workload.clone());
        }
        let labels = labels_of(&real.head.object.namespace);
        pods.push(real_pod(real, workload, labels, &mut templates));
    }
    for template in &objects.templates {
        let key = key_of(template);
        if owners.top(key.clone()) == key && !replaced.contains(&key) {
            let labels = labels_of(&template.head.object.namespace);
            pods.extend(template_pods(template, labels));
        }
    }
    let groups = namespaces
        .values()
        .filter(|n| n.labels.get(HOST_GROUP).is_some());
    pods.extend(groups.map(host_group));
    waypoints::add_pods(&objects.waypoints, &mut pods);
    pods.sort_by(|a, b| {
        (&a.namespace, &a.name, &a.workload).cmp(&(&b.namespace, &b.name, &b.workload))
    });
    pods
}

fn key_of(template: &Template) -> Key {
    let object = &template.head.object;
    (
        object.namespace.clone(),
        template.kind.to_owned(),
        object.name.clone(),
    )
}

/// Who controls whom among the workloads that were read.
struct Owners {
    known: BTreeSet<Key>,
    parents: BTreeMap<Key, Key>,
}

impl Owners {
    fn new(templates: &[Template]) -> Self {
        let parent = |t: &Template| {
            let (kind, name) = t.head.owner.clone()?;
            Some((key_of(t), (t.head.object.namespace.clone(), kind, name)))
        };
        Self {
            known: templates.iter().map(key_of).collect(),
            parents: templates.iter().filter_map(parent).collect(),
        }
    }

    /// The highest workload that was read: from a ReplicaSet to its Deployment. Owners form no
    /// longer chains, and a cycle ends.
    fn top(&self, mut key: Key) -> Key {
        for _ in 0..4 {
            match self.parents.get(&key) {
                Some(parent) if self.known.contains(parent) => key = parent.clone(),
                _ => break,
            }
        }
        key
    }

    /// The workload of a real pod; itself if nothing owns it.
    fn of_pod(&self, pod: &RealPod) -> Key {
        let object = &pod.head.object;
        // A static pod is owned by its node.
        let owner = pod.head.owner.as_ref().filter(|(kind, _)| kind != "Node");
        let Some((kind, name)) = owner else {
            return (
                object.namespace.clone(),
                "Pod".to_owned(),
                object.name.clone(),
            );
        };
        let owner = (object.namespace.clone(), kind.clone(), name.clone());
        if self.known.contains(&owner) {
            return self.top(owner);
        }
        self.guess(pod, kind, name).unwrap_or(owner)
    }

    /// The workload above an owner that was not read: names of ReplicaSets end with the pod's
    /// template hash, those of a CronJob's Jobs with a number.
    fn guess(&self, pod: &RealPod, kind: &str, name: &str) -> Option<Key> {
        let namespace = pod.head.object.namespace.clone();
        let (base, end) = name.rsplit_once('-')?;
        let hash = pod.shape.labels.get("pod-template-hash");
        match kind {
            "ReplicaSet" if hash == Some(end) => {
                Some((namespace, "Deployment".to_owned(), base.to_owned()))
            }
            "Job" if end.bytes().all(|b| b.is_ascii_digit()) => {
                let key = (namespace, "CronJob".to_owned(), base.to_owned());
                self.known.contains(&key).then_some(key)
            }
            _ => None,
        }
    }
}

/// Templates that pods share: one for all that are equal.
#[derive(Default)]
struct Templates(HashSet<Arc<netmodel::Template>>);

impl Templates {
    fn share(&mut self, template: netmodel::Template) -> Arc<netmodel::Template> {
        if let Some(known) = self.0.get(&template) {
            return Arc::clone(known);
        }
        let new = Arc::new(template);
        self.0.insert(Arc::clone(&new));
        new
    }
}

/// What the pods of a shape have in common.
fn common(shape: &PodShape, (namespace, kind, name): Key, proxy: Proxy) -> netmodel::Template {
    netmodel::Template {
        namespace,
        workload: Workload { kind, name },
        labels: shape.labels.clone(),
        service_account: shape.service_account.clone(),
        named_ports: shape.named_ports.clone(),
        container_ports: shape.container_ports.clone(),
        host_network: shape.host_network,
        host_group: false,
        proxy,
    }
}

fn real_pod(real: &RealPod, workload: Key, labels: &Labels, templates: &mut Templates) -> Pod {
    let object = &real.head.object;
    let proxy = proxy(&real.shape, &object.namespace, labels, real.exists);
    Pod {
        origin: real.head.origin(),
        name: object.name.clone(),
        phase: real.phase,
        addresses: real.addresses.clone(),
        node_addresses: real.node_addresses.clone(),
        template: templates.share(common(&real.shape, workload, proxy)),
    }
}

/// The pods of a workload that is written as a template.
fn template_pods(template: &Template, labels: &Labels) -> Vec<Pod> {
    let object = &template.head.object;
    let proxy = proxy(&template.shape, &object.namespace, labels, false);
    let shared = Arc::new(common(&template.shape, key_of(template), proxy));
    (0..template.copies)
        .map(|ordinal| {
            let mut pod = Pod {
                origin: template.head.origin(),
                name: format!("{}-{ordinal}", object.name),
                phase: if template.at_zero {
                    Phase::ScaledToZero
                } else {
                    Phase::Live
                },
                addresses: AddressSet::default(),
                node_addresses: AddressSet::default(),
                template: Arc::clone(&shared),
            };
            if template.kind == "StatefulSet" {
                // The controller labels each pod with its own name and number.
                let own = [
                    ("statefulset.kubernetes.io/pod-name", pod.name.clone()),
                    ("apps.kubernetes.io/pod-index", ordinal.to_string()),
                ];
                let own = own.map(|(key, value)| (key.to_owned(), value));
                pod.labels.extend(own);
            }
            pod
        })
        .collect()
}

/// What stands for the host network of the nodes in a namespace that is its policy group.
fn host_group(namespace: &Namespace) -> Pod {
    let template = netmodel::Template {
        namespace: namespace.name.clone(),
        workload: Workload {
            kind: "HostNetwork".to_owned(),
            name: "host-network".to_owned(),
        },
        labels: Labels::default(),
        service_account: String::new(),
        named_ports: Vec::new(),
        container_ports: PortSet::empty(),
        host_network: false,
        host_group: true,
        proxy: Proxy::None {
            reason: "it stands for the host network of the nodes".to_owned(),
        },
    };
    Pod {
        origin: namespace.origin,
        name: "host-network".to_owned(),
        phase: Phase::Live,
        addresses: AddressSet::default(),
        node_addresses: AddressSet::default(),
        template: Arc::new(template),
    }
}
