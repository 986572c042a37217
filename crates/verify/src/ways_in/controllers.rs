//! Whose pods stand behind Ingresses, Routes and gateways. A controller is known by the labels that its
//! own manifests give its pods; where that fails, its pods are not known.

use super::services::is_endpoint;
use palisade_netmodel::{ApiGateway, Gateway, Pod, PodId, Route, RouteKind, World};

/// The pods that serve a route, or why they are not known.
pub(super) type Found = Result<Vec<PodId>, String>;

/// A label that pods of a controller have; without a value, any value.
type Label = (&'static str, Option<&'static str>);

/// A controller: `.spec.controller` of its IngressClass, its usual class, labels of its pods.
struct Known {
    controller: &'static str,
    class: &'static str,
    labels: &'static [Label],
}

/// Controllers of Ingresses, with the labels of their own charts and manifests.
const KNOWN: [Known; 7] = [
    Known {
        controller: "k8s.io/ingress-nginx",
        class: "nginx",
        labels: &[
            ("app.kubernetes.io/name", Some("ingress-nginx")),
            ("app.kubernetes.io/component", Some("controller")),
        ],
    },
    Known {
        controller: "nginx.org/ingress-controller",
        class: "nginx",
        labels: &[("app.kubernetes.io/name", Some("nginx-ingress"))],
    },
    Known {
        controller: "traefik.io/ingress-controller",
        class: "traefik",
        labels: &[("app.kubernetes.io/name", Some("traefik"))],
    },
    Known {
        controller: "haproxy.org/ingress-controller/haproxy",
        class: "haproxy",
        labels: &[("app.kubernetes.io/name", Some("kubernetes-ingress"))],
    },
    Known {
        controller: "haproxy-ingress.github.io/controller",
        class: "haproxy",
        labels: &[("app.kubernetes.io/name", Some("haproxy-ingress"))],
    },
    Known {
        controller: "ingress-controllers.konghq.com/kong",
        class: "kong",
        labels: &[
            ("app.kubernetes.io/component", Some("app")),
            ("app.kubernetes.io/name", Some("kong")),
        ],
    },
    Known {
        controller: "istio.io/ingress-controller",
        class: "istio",
        labels: &[("istio", Some("ingressgateway"))],
    },
];

/// The label of the pods of OpenShift's router.
const ROUTER: &[Label] = &[(
    "ingresscontroller.operator.openshift.io/deployment-ingresscontroller",
    None,
)];

fn with(world: &World, wanted: impl Fn(&Pod) -> bool) -> Vec<PodId> {
    let pods = world
        .pods()
        .filter(|(_, pod)| is_endpoint(pod) && wanted(pod));
    pods.map(|(id, _)| id).collect()
}

fn labelled(world: &World, labels: &[Label]) -> Vec<PodId> {
    with(world, |pod| {
        labels.iter().all(|(key, value)| {
            let found = pod.labels.get(key);
            found.is_some() && value.is_none_or(|value| found == Some(value))
        })
    })
}

fn present(pods: Vec<PodId>, what: &str) -> Found {
    if pods.is_empty() {
        Err(format!(
            "no pods of {what} are in the input: its own policies and addresses are not known"
        ))
    } else {
        Ok(pods)
    }
}

/// The pods that serve an Ingress or an OpenShift Route.
pub(super) fn of_route(world: &World, route: &Route) -> Found {
    if route.kind == RouteKind::Route {
        return present(labelled(world, ROUTER), "the router");
    }
    let classes = &world.doors.ingress_classes;
    let class = match &route.class {
        Some(name) => classes.iter().find(|class| class.name == *name),
        None => classes.iter().find(|class| class.is_default),
    };
    let known: Vec<&Known> = KNOWN
        .iter()
        .filter(|known| match (class, &route.class) {
            (Some(class), _) => known.controller == class.controller,
            (None, Some(name)) => known.class == *name,
            // Without a class, controllers differ; one that runs alone is taken.
            (None, None) => true,
        })
        .collect();
    let mut running = known
        .iter()
        .map(|known| labelled(world, known.labels))
        .filter(|pods| !pods.is_empty());
    let name = || match (class, &route.class) {
        (Some(class), _) => format!("the controller `{}`", class.controller),
        (None, Some(name)) => format!("the controller of class `{name}`"),
        (None, None) => "a controller for Ingresses without a class".to_owned(),
    };
    match (running.next(), running.next()) {
        (Some(pods), None) => Ok(pods),
        (Some(_), Some(_)) => Err(format!("several sets of pods may be {}", name())),
        (None, _) => present(Vec::new(), &name()),
    }
}

/// The pods of a Gateway of the Gateway API (GEP-1762: label `gateway.networking.k8s.io/gateway-name`).
pub(super) fn of_api_gateway(world: &World, gateway: &ApiGateway) -> Found {
    let object = &gateway.object;
    let name = Some(object.name.as_str());
    let pods = with(world, |pod| {
        let label = |key| pod.labels.get(key);
        let here = pod.namespace == object.namespace
            && (label("gateway.networking.k8s.io/gateway-name") == name
                || label("istio.io/gateway-name") == name);
        // Envoy Gateway runs all of them in a namespace of its own.
        here || (label("gateway.envoyproxy.io/owning-gateway-name") == name
            && label("gateway.envoyproxy.io/owning-gateway-namespace")
                == Some(object.namespace.as_str()))
    });
    present(pods, &format!("Gateway `{object}`"))
}

/// The pods that an Istio Gateway selects, in any namespace.
pub(super) fn of_istio_gateway(world: &World, gateway: &Gateway) -> Found {
    let pods = with(world, |pod| pod.labels.include(&gateway.selector));
    present(pods, &format!("Gateway `{}`", gateway.object))
}
