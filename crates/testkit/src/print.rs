//! A world as manifests, so that a failing world can be read, kept in `specs/`, and read back.

mod administrators;

use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, Capture, Endpoint, Flow, Labels, Phase, Pod, PortSet,
    Protocol, Proxy, Service, TargetPort, Waypoint, WaypointScope, World, always_bypassed,
};
use palisade_resources::emit::{self, Meta};
use palisade_yaml::Value;

/// A scenario of a page: the manifests, and the flow with the verdict to be filled in.
#[must_use]
pub fn scenario(world: &World, flow: &Flow) -> String {
    let name = |end: Endpoint| match end {
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Pod(id) => world.pod(id).map_or_else(String::new, pod_name),
    };
    format!(
        "```yaml manifests{}\n{}```\n\n| From | To | Port | Verdict | Encryption |\n\
         |---|---|---|---|---|\n| {} | {} | {}/{} | ? | ? |\n",
        profile(world).map_or_else(String::new, |name| format!(" cni={name}")),
        manifests(world),
        name(flow.source),
        name(flow.destination),
        flow.port,
        flow.protocol
    )
}

/// The name under which the reader knows a pod.
#[must_use]
pub fn pod_name(pod: &Pod) -> String {
    match pod.phase {
        Phase::ScaledToZero => format!("{}-0", pod.object()),
        Phase::Live | Phase::Completed => pod.object().to_string(),
    }
}

/// The network plugin of the world, if it is known.
#[must_use]
pub fn profile(world: &World) -> Option<&str> {
    world.profile.cni.name.as_deref()
}

/// Everything but what stands for a host network, which no object of its own can say.
#[must_use]
pub fn manifests(world: &World) -> String {
    let mut documents = vec![config(world)];
    documents.extend(world.namespaces.values().map(|namespace| {
        object(
            "v1",
            "Namespace",
            &namespace.name,
            "",
            &namespace.labels,
            &[],
            [],
        )
    }));
    documents.extend(world.pods.iter().filter(|p| !p.host_group).map(pod));
    documents.extend(world.services.iter().map(service));
    documents.extend(world.waypoints.iter().map(waypoint));
    let none = Meta::default();
    let policies = world.network_policies.iter();
    documents.extend(policies.map(|p| emit::network_policy(p, &none)));
    documents.extend(world.nodes.iter().map(administrators::node));
    documents.extend(world.admin_policies.iter().map(administrators::policy));
    let modes = world.peer_authentications.iter();
    documents.extend(modes.map(|p| emit::peer_authentication(p, &none)));
    documents.extend(world.authorization_policies.iter().map(authorization));
    let rules = world.destination_rules.iter();
    documents.extend(rules.map(|r| emit::destination_rule(r, &none)));
    documents.extend(world.gateways.iter().map(|g| emit::gateway(g, &none)));
    let texts: Vec<String> = documents.iter().map(Value::to_yaml).collect();
    texts.join("---\n")
}

fn config(world: &World) -> Value {
    let mesh = format!("enableAutoMtls: {}", world.mesh.auto_mtls);
    let data = Value::map([("mesh", Value::String(mesh))]);
    let root = &world.mesh.root_namespace;
    object(
        "v1",
        "ConfigMap",
        "istio",
        root,
        &Labels::default(),
        &[],
        [("data", data)],
    )
}

fn object(
    api_version: &str,
    kind: &str,
    name: &str,
    namespace: &str,
    labels: &Labels,
    annotations: &[(&str, String)],
    rest: impl IntoIterator<Item = (&'static str, Value)>,
) -> Value {
    let mut metadata = vec![("name", Value::string(name))];
    if !namespace.is_empty() {
        metadata.push(("namespace", Value::string(namespace)));
    }
    if !labels.is_empty() {
        metadata.push(("labels", texts(labels)));
    }
    let mut annotations = annotations
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .peekable();
    if annotations.peek().is_some() {
        let pairs = annotations.map(|(key, text)| (*key, Value::string(text)));
        metadata.push(("annotations", Value::map(pairs)));
    }
    let mut fields = vec![
        ("apiVersion", Value::string(api_version)),
        ("kind", Value::string(kind)),
        ("metadata", Value::map(metadata)),
    ];
    fields.extend(rest);
    Value::map(fields)
}

fn texts(labels: &Labels) -> Value {
    Value::map(labels.iter().map(|(k, v)| (k.to_owned(), Value::string(v))))
}

fn pod(pod: &Pod) -> Value {
    let annotations = annotations(pod);
    if pod.phase == Phase::ScaledToZero {
        // The selector may not be empty, and no policy asks for this label.
        let mut labels = pod.labels.clone();
        labels.insert("workload", &pod.name);
        let template = Value::map([
            ("metadata", Value::map([("labels", texts(&labels))])),
            ("spec", pod_spec(pod)),
        ]);
        let selector = Value::map([("matchLabels", texts(&labels))]);
        let spec = Value::map([
            ("replicas", Value::Int(0)),
            ("selector", selector),
            ("template", template),
        ]);
        let none = Labels::default();
        let (name, namespace) = (&pod.name, &pod.namespace);
        return object(
            "apps/v1",
            "Deployment",
            name,
            namespace,
            &none,
            &[],
            [("spec", spec)],
        );
    }
    let phase = match pod.phase {
        Phase::Completed => "Succeeded",
        Phase::Live | Phase::ScaledToZero => "Running",
    };
    let addresses = |known: &[std::net::IpAddr]| {
        let items = known.iter();
        Value::List(
            items
                .map(|a| Value::map([("ip", Value::String(a.to_string()))]))
                .collect(),
        )
    };
    let mut status = vec![
        ("podIPs", addresses(&pod.addresses.known)),
        ("hostIPs", addresses(&pod.node_addresses.known)),
    ];
    // A pod that runs would show whether it is captured.
    let capture = match pod.proxy {
        Proxy::Ambient { capture, .. } => Some(capture),
        _ => None,
    };
    if capture != Some(Capture::Assumed) {
        status.push(("phase", Value::string(phase)));
    }
    let status = Value::map(status);
    let rest = [("spec", pod_spec(pod)), ("status", status)];
    object(
        "v1",
        "Pod",
        &pod.name,
        &pod.namespace,
        &pod.labels,
        &annotations,
        rest,
    )
}

/// What the node's agent writes on a captured pod, and what the pod asks of it.
fn ambient(capture: Capture, bypass_inbound: bool) -> Vec<(&'static str, String)> {
    let text = |yes: bool, text: &str| if yes { text.to_owned() } else { String::new() };
    vec![
        (
            "ambient.istio.io/redirection",
            text(capture == Capture::Shown, "enabled"),
        ),
        (
            "ambient.istio.io/bypass-inbound-capture",
            text(bypass_inbound, "true"),
        ),
    ]
}

fn annotations(pod: &Pod) -> Vec<(&'static str, String)> {
    let list = |ports: &PortSet| {
        let ranges = ports.ranges(Protocol::Tcp).iter();
        let numbers = ranges.flat_map(|(first, last)| *first..=*last);
        numbers.map(|n| n.to_string()).collect::<Vec<_>>().join(",")
    };
    match &pod.proxy {
        Proxy::Sidecar {
            inbound,
            outbound_excluded,
            ..
        } => vec![
            (
                "traffic.sidecar.istio.io/excludeInboundPorts",
                list(&inbound.bypass.difference(&always_bypassed())),
            ),
            (
                "traffic.sidecar.istio.io/excludeOutboundPorts",
                list(outbound_excluded),
            ),
        ],
        Proxy::None { .. } | Proxy::Gateway | Proxy::Waypoint => Vec::new(),
        Proxy::Ambient {
            capture,
            bypass_inbound,
        } => ambient(*capture, *bypass_inbound),
    }
}

/// One container for each named port: two of one container may not share a name.
fn pod_spec(pod: &Pod) -> Value {
    let mut containers = vec![Value::map([("name", Value::string("main"))])];
    for (index, port) in pod.named_ports.iter().enumerate() {
        let ports = Value::map([
            ("name", Value::string(&port.name)),
            ("protocol", Value::string(port.protocol.name())),
            ("containerPort", Value::Int(i64::from(port.port))),
        ]);
        containers.push(Value::map([
            ("name", Value::String(format!("port-{index}"))),
            ("ports", Value::List(vec![ports])),
        ]));
    }
    let proxy = |args: &[&str]| {
        let args = args.iter().map(|a| Value::string(*a)).collect();
        Value::map([
            ("name", Value::string("istio-proxy")),
            ("args", Value::List(args)),
        ])
    };
    match pod.proxy {
        Proxy::None { .. } | Proxy::Ambient { .. } => {}
        Proxy::Sidecar { .. } => containers.push(proxy(&["proxy", "sidecar"])),
        Proxy::Gateway | Proxy::Waypoint => containers.push(proxy(&["proxy", "router"])),
    }
    Value::map([
        ("serviceAccountName", Value::string(&pod.service_account)),
        ("hostNetwork", Value::Bool(pod.host_network)),
        ("containers", Value::List(containers)),
    ])
}

fn service(service: &Service) -> Value {
    let ports = service.ports.iter().map(|port| {
        let target = match &port.target {
            TargetPort::Number(number) => Value::Int(i64::from(*number)),
            TargetPort::Name(name) => Value::string(name),
        };
        let mut fields = vec![
            ("name", Value::string(&port.name)),
            ("protocol", Value::string(port.protocol.name())),
            ("port", Value::Int(i64::from(port.port))),
            ("targetPort", target),
        ];
        fields.extend(
            port.app_protocol
                .as_ref()
                .map(|p| ("appProtocol", Value::string(p))),
        );
        Value::map(fields)
    });
    let mut spec = vec![
        ("selector", texts(&service.selector)),
        ("ports", Value::List(ports.collect())),
    ];
    if service.headless {
        spec.push(("clusterIP", Value::string("None")));
    }
    let spec = Value::map(spec);
    let place = &service.object;
    object(
        "v1",
        "Service",
        &place.name,
        &place.namespace,
        &service.labels,
        &[],
        [("spec", spec)],
    )
}

fn waypoint(waypoint: &Waypoint) -> Value {
    let traffic = match (waypoint.services, waypoint.workloads) {
        (true, true) => "all",
        (true, false) => "service",
        (false, true) => "workload",
        (false, false) => "none",
    };
    let labels = Labels::from_iter([("istio.io/waypoint-for", traffic)]);
    let namespaces = match &waypoint.allows {
        WaypointScope::Same => Value::map([("from", Value::string("Same"))]),
        WaypointScope::All => Value::map([("from", Value::string("All"))]),
        WaypointScope::Selector(selector) => Value::map([
            ("from", Value::string("Selector")),
            ("selector", emit::label_selector(selector)),
        ]),
    };
    let allowed = Value::map([("namespaces", namespaces)]);
    let listener = Value::map([
        ("name", Value::string("mesh")),
        ("port", Value::Int(15008)),
        ("protocol", Value::string("HBONE")),
        ("allowedRoutes", allowed),
    ]);
    let spec = Value::map([
        ("gatewayClassName", Value::string("istio-waypoint")),
        ("listeners", Value::List(vec![listener])),
    ]);
    let place = &waypoint.object;
    object(
        "gateway.networking.k8s.io/v1",
        "Gateway",
        &place.name,
        &place.namespace,
        &labels,
        &[],
        [("spec", spec)],
    )
}

/// With what the model leaves out: the provider of CUSTOM.
fn authorization(policy: &AuthorizationPolicy) -> Value {
    let mut extra = Vec::new();
    if policy.action == AuthorizationAction::Custom {
        extra.push((
            "provider",
            Value::map([("name", Value::string("external"))]),
        ));
    }
    let mut value = emit::authorization_policy(policy, &Meta::default());
    if let Value::Map(fields) = &mut value {
        for (key, field) in fields {
            if let (true, Value::Map(spec)) = (key == "spec", field) {
                spec.extend(extra.drain(..).map(|(k, v)| (k.to_owned(), v)));
            }
        }
    }
    value
}
