//! Waypoints and their pods. Istio makes a Deployment for each Gateway of class `istio-waypoint`, so
//! manifests show the Gateway and not its pods.

use palisade_netmodel::{
    AddressSet, ApiGateway, Labels, ObjectRef, Phase, Pod, PortSet, Proxy, RouteNamespaces,
    Template, Waypoint, WaypointScope, Workload,
};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The label that names the Gateway of a pod.
const GATEWAY: &str = "gateway.networking.k8s.io/gateway-name";

/// A waypoint, and the labels that its Gateway asks for on its pods (`infrastructure.labels`).
pub(crate) type Written = (Waypoint, Labels);

/// The waypoint that a Gateway is, by its class.
pub(crate) fn of(gateway: &ApiGateway, labels: &Labels) -> Option<Waypoint> {
    if gateway.class != "istio-waypoint" {
        return None;
    }
    let traffic = labels.get("istio.io/waypoint-for").unwrap_or("service");
    let mut listeners = gateway.listeners.iter();
    let listener = listeners.find(|listener| listener.protocol == "HBONE");
    Some(Waypoint {
        origin: gateway.origin,
        object: gateway.object.clone(),
        services: matches!(traffic, "service" | "all"),
        workloads: matches!(traffic, "workload" | "all"),
        allows: match listener.map(|listener| &listener.namespaces) {
            Some(RouteNamespaces::All) => WaypointScope::All,
            Some(RouteNamespaces::Selector(selector)) => WaypointScope::Selector(selector.clone()),
            Some(RouteNamespaces::Same | RouteNamespaces::None) | None => WaypointScope::Same,
        },
    })
}

/// Marks the pods of waypoints, and adds one for each waypoint that shows none, with the labels and
/// the service account that Istio gives it (`manifests/charts/istio-control/istio-discovery/files/waypoint.yaml`).
pub(crate) fn add_pods(waypoints: &[Written], pods: &mut Vec<Pod>) {
    let known: BTreeSet<&ObjectRef> = waypoints.iter().map(|(w, _)| &w.object).collect();
    let mut shown = BTreeSet::new();
    for pod in pods.iter_mut().filter(|pod| pod.proxy == Proxy::Gateway) {
        let name = pod.labels.get(GATEWAY).unwrap_or_default();
        let gateway = ObjectRef::new(pod.namespace.clone(), name);
        if known.contains(&gateway) {
            pod.proxy = Proxy::Waypoint;
            shown.insert(gateway);
        }
    }
    let hidden = waypoints.iter().filter(|(w, _)| !shown.contains(&w.object));
    pods.extend(hidden.map(|(waypoint, labels)| pod(waypoint, labels)));
}

fn pod(waypoint: &Waypoint, asked: &Labels) -> Pod {
    let ObjectRef { namespace, name } = &waypoint.object;
    let mut labels = asked.clone();
    let own = [
        (GATEWAY, name.as_str()),
        (
            "gateway.networking.k8s.io/gateway-class-name",
            "istio-waypoint",
        ),
        ("gateway.istio.io/managed", "istio.io-mesh-controller"),
        ("istio.io/dataplane-mode", "none"),
        ("service.istio.io/canonical-name", name),
        ("service.istio.io/canonical-revision", "latest"),
        ("sidecar.istio.io/inject", "false"),
    ];
    let own = own.map(|(key, value)| (key.to_owned(), value.to_owned()));
    labels.extend(own);
    let template = Template {
        namespace: namespace.clone(),
        workload: Workload {
            kind: "Gateway".to_owned(),
            name: name.clone(),
        },
        labels,
        service_account: name.clone(),
        named_ports: Vec::new(),
        container_ports: PortSet::empty(),
        host_network: false,
        host_group: false,
        proxy: Proxy::Waypoint,
    };
    Pod {
        origin: waypoint.origin,
        name: format!("{name}-0"),
        phase: Phase::Live,
        addresses: AddressSet::default(),
        node_addresses: AddressSet::default(),
        template: Arc::new(template),
    }
}
