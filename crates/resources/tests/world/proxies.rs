//! Which pods have a sidecar, and what it intercepts.

use super::{pod, world};
use palisade_netmodel::{PortSet, Protocol, Proxy};

/// The proxy of a pod by labels of its namespace, its own labels, annotations and containers.
fn proxy(namespace: &str, name: &str, labels: &str, annotations: &str, spec: &str) -> Proxy {
    let text = format!(
        "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{namespace}}}}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d, namespace: {name}}}\n\
         spec:\n  selector: {{matchLabels: {{app: d}}}}\n  template:\n    metadata:\n      \
         labels: {{app: d{labels}}}\n      annotations: {{{annotations}}}\n    spec: {{{spec}}}\n"
    );
    world(&text).pods[0].proxy.clone()
}

#[test]
fn injection_follows_the_webhook() {
    let app = "containers: [{name: a}]";
    let proxy_too = "containers: [{name: a}, {name: istio-proxy}]";
    let router = "containers: [{name: a}, {name: istio-proxy, args: [proxy, router]}]";
    let host = "hostNetwork: true, containers: [{name: a}]";
    let yes = ", sidecar.istio.io/inject: 'true'";
    let no = ", sidecar.istio.io/inject: 'false'";
    let enabled = "istio-injection: enabled";
    let disabled = "istio-injection: disabled";
    let both = "istio-injection: disabled, istio.io/rev: r";
    let rev = "istio.io/rev: r";
    for (namespace, name, labels, annotations, spec, expected) in [
        (enabled, "ns", "", "", app, "sidecar"),
        (
            enabled,
            "ns",
            no,
            "",
            app,
            "label sidecar.istio.io/inject is \"false\"",
        ),
        (
            enabled,
            "ns",
            "",
            &no[2..],
            app,
            "annotation sidecar.istio.io/inject is \"false\"",
        ),
        (enabled, "ns", yes, &no[2..], app, "sidecar"),
        (enabled, "ns", "", "", host, "it is on the host network"),
        (
            enabled,
            "kube-system",
            "",
            "",
            app,
            "the injector ignores namespace kube-system",
        ),
        (
            disabled,
            "ns",
            yes,
            "",
            app,
            "namespace ns has the label istio-injection=disabled",
        ),
        (
            both,
            "ns",
            "",
            "",
            app,
            "namespace ns has the label istio-injection=disabled",
        ),
        (rev, "ns", "", "", app, "sidecar"),
        (
            rev,
            "ns",
            no,
            "",
            app,
            "label sidecar.istio.io/inject is \"false\"",
        ),
        ("", "ns", yes, "", app, "sidecar"),
        ("", "ns", ", istio.io/rev: r", "", app, "sidecar"),
        (
            "",
            "ns",
            "",
            &yes[2..],
            app,
            "namespace ns has no injection label and the pod does not ask for it",
        ),
        ("", "ns", "", "", proxy_too, "sidecar shown"),
        ("", "ns", "", "", router, "gateway"),
        (
            "",
            "ns",
            "",
            "",
            "containers: [{name: istio-proxy}]",
            "gateway",
        ),
        (
            "",
            "ns",
            "",
            "",
            "containers: [{name: gw, image: 'x.io/istio/proxyv2@sha256:0'}]",
            "gateway",
        ),
        (
            "",
            "ns",
            ", istio: ingressgateway",
            "",
            proxy_too,
            "gateway",
        ),
        (
            enabled,
            "ns",
            "",
            "inject.istio.io/templates: gateway",
            app,
            "gateway",
        ),
    ] {
        let found = match proxy(namespace, name, labels, annotations, spec) {
            Proxy::None { reason } => reason,
            Proxy::Gateway => "gateway".to_owned(),
            Proxy::Ambient { capture, .. } => format!("ambient {capture:?}"),
            Proxy::Waypoint => "waypoint".to_owned(),
            Proxy::Sidecar { shown: true, .. } => "sidecar shown".to_owned(),
            Proxy::Sidecar { .. } => "sidecar".to_owned(),
        };
        assert_eq!(
            found, expected,
            "{namespace} {name} {labels} {annotations} {spec}"
        );
    }
}

#[test]
fn a_running_pod_without_proxy_has_none() {
    let enabled = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns, labels: {istio-injection: enabled}}\n";
    let found = |status: &str| {
        let text = format!("{enabled}{}", pod("name: p, namespace: ns", "", status));
        world(&text).pods[0].proxy.clone()
    };
    assert!(matches!(found(""), Proxy::Sidecar { .. }));
    assert!(matches!(found("phase: Running"), Proxy::None { .. }));
}

#[test]
fn interception_follows_the_annotations() {
    let tcp = |list: &[(u16, u16)]| {
        list.iter().fold(PortSet::empty(), |set, (first, last)| {
            set.union(&PortSet::range(Protocol::Tcp, *first, *last))
        })
    };
    let always = [(15020, 15021), (15090, 15090)];
    let prefix = "traffic.sidecar.istio.io/";
    for (annotations, bypass, excluded) in [
        ("".to_owned(), tcp(&always), tcp(&[])),
        (
            format!("{prefix}excludeInboundPorts: '80, 90', {prefix}excludeOutboundPorts: '443'"),
            tcp(&[(80, 80), (90, 90), (15020, 15021), (15090, 15090)]),
            tcp(&[(443, 443)]),
        ),
        (
            format!("{prefix}includeInboundPorts: '', {prefix}excludeInboundPorts: '80'"),
            tcp(&[(1, 65535)]),
            tcp(&[]),
        ),
        (
            format!("{prefix}includeInboundPorts: '80'"),
            tcp(&[(1, 79), (81, 65535)]),
            tcp(&[]),
        ),
        (
            format!("{prefix}includeInboundPorts: '*', {prefix}excludeInboundPorts: '80'"),
            tcp(&[(80, 80), (15020, 15021), (15090, 15090)]),
            tcp(&[]),
        ),
        (
            format!("{prefix}includeOutboundPorts: '9200'"),
            tcp(&always),
            tcp(&[]),
        ),
        (
            format!("{prefix}includeOutboundPorts: '9200', {prefix}includeOutboundIPRanges: ''"),
            tcp(&always),
            tcp(&[(1, 9199), (9201, 65535)]),
        ),
        (
            "sidecar.istio.io/interceptionMode: NONE".to_owned(),
            tcp(&[(1, 65535)]),
            tcp(&[(1, 65535)]),
        ),
    ] {
        let app = "containers: [{name: a}]";
        let Proxy::Sidecar {
            inbound,
            outbound_excluded,
            ..
        } = proxy("istio-injection: enabled", "ns", "", &annotations, app)
        else {
            panic!("{annotations}");
        };
        assert_eq!(inbound.bypass, bypass, "{annotations}");
        assert_eq!(outbound_excluded, excluded, "{annotations}");
    }
}
