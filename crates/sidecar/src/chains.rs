//! Which connections are taken, and how they are read (`istio, pilot/pkg/networking/core, inbound listeners`).
//!
//! A chain of filters is chosen by the port that was called, by what the connection begins with (TLS or not) and by
//! the application protocols that its client offers. Where no chain fits, the connection is closed: that is how STRICT
//! refuses plaintext.

use crate::modes::Modes;
use crate::rbac::{Policies, Wire};
use crate::secrets;
use palisade_netmodel::{MtlsMode, Pod, Protocol, TargetPort, World};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The cluster of Envoy that is the application: the address that was called.
pub(crate) const APPLICATION: &str = "application";

/// What sidecars offer as application protocols where they found HTTP, where they did not, and either.
const MESH_HTTP: &[&str] = &["istio-http/1.0", "istio-http/1.1", "istio-h2"];
const MESH_TCP: &[&str] = &["istio-peer-exchange", "istio"];
const MESH_ANY: &[&str] = &[
    "istio-peer-exchange",
    "istio",
    "istio-http/1.0",
    "istio-http/1.1",
    "istio-h2",
];
/// What Envoy finds in plaintext.
pub(crate) const PLAIN_HTTP: &[&str] = &["http/1.0", "http/1.1", "h2c"];

/// What a port's Service declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    Http,
    Tcp,
    /// Nothing: the beginning of a connection tells.
    Nothing,
}

/// Which connections of a port a chain takes, and how it reads them.
struct Chain {
    /// `tls` or `raw_buffer`.
    transport: &'static str,
    protocols: &'static [&'static str],
    mtls: bool,
    wire: Wire,
}

/// What is taken in.
pub(crate) struct Inbound {
    /// The chains of every port that a Service or a mode names, and those of all others.
    pub(crate) chains: Vec<Value>,
    /// Where nobody looks whether a connection begins with TLS, if that is anywhere: it makes no difference there, and
    /// TLS is passed on as what it is, bytes.
    pub(crate) not_inspected: Option<Value>,
}

pub(crate) fn inbound(world: &World, pod: &Pod, policies: &Policies<'_>) -> Inbound {
    let modes = Modes::of(world, pod);
    let mut ports = declared(world, pod);
    for port in modes.named() {
        ports.entry(port).or_insert(Declared::Nothing);
    }
    let not_inspected = not_inspected(&modes, ports.keys().copied());
    let named = ports
        .into_iter()
        .map(|(port, declared)| (Some(port), declared, modes.of_port(port)));
    let others = (None, Declared::Nothing, modes.elsewhere());
    let tls = downstream(world);
    let mut out = Vec::new();
    for (port, declared, mode) in named.chain([others]) {
        for chain in chains(mode, declared) {
            out.push(chain.write(port, policies, &tls, out.len()));
        }
    }
    Inbound {
        chains: out,
        not_inspected,
    }
}

/// The ports on which no chain is chosen by TLS, as a predicate of Envoy's.
fn not_inspected(modes: &Modes, named: impl Iterator<Item = u16>) -> Option<Value> {
    let elsewhere = modes.elsewhere() == MtlsMode::Disable;
    let differ = named.filter(|port| (modes.of_port(*port) == MtlsMode::Disable) != elsewhere);
    let mut ports: Vec<Value> = differ
        .map(|port| json!({"destination_port_range": {"start": port, "end": u32::from(port) + 1}}))
        .collect();
    let these = match (ports.len(), ports.pop()) {
        (1, Some(only)) => Some(only),
        (_, Some(last)) => {
            ports.push(last);
            Some(json!({"or_match": {"rules": ports}}))
        }
        (_, None) => None,
    };
    match (elsewhere, these) {
        (false, these) => these,
        (true, None) => Some(json!({"any_match": true})),
        (true, Some(these)) => Some(json!({"not_match": these})),
    }
}

/// What Services say of the pod's ports. Two that say different things of one port say nothing.
fn declared(world: &World, pod: &Pod) -> BTreeMap<u16, Declared> {
    let mut ports = BTreeMap::new();
    let own = world.services.iter().filter(|service| {
        service.object.namespace == pod.namespace
            && !service.selector.is_empty()
            && pod.labels.include(&service.selector)
    });
    for port in own.flat_map(|service| &service.ports) {
        let number = match &port.target {
            TargetPort::Number(number) => Some(*number),
            TargetPort::Name(name) => {
                let mut named = pod.named_ports.iter();
                let named = named.find(|p| p.name == *name && p.protocol == Protocol::Tcp);
                named.map(|p| p.port)
            }
        };
        let (Some(number), Protocol::Tcp) = (number, port.protocol) else {
            continue;
        };
        let says = protocol(&port.name, port.app_protocol.as_deref());
        let entry = ports.entry(number).or_insert(says);
        if *entry != says {
            *entry = Declared::Nothing;
        }
    }
    ports
}

/// Istio, Protocol Selection: `appProtocol`, else the first word of the port's name.
pub(crate) fn protocol(name: &str, app_protocol: Option<&str>) -> Declared {
    let word = app_protocol.unwrap_or_else(|| name.split('-').next().unwrap_or_default());
    match word.to_lowercase().as_str() {
        "http" | "http2" | "grpc" | "grpc-web" | "kubernetes.io/h2c" => Declared::Http,
        "tcp" | "tls" | "https" | "mongo" | "mysql" | "redis" => Declared::Tcp,
        _ => Declared::Nothing,
    }
}

fn chains(mode: MtlsMode, declared: Declared) -> Vec<Chain> {
    let chain = |transport, protocols, mtls, wire| Chain {
        transport,
        protocols,
        mtls,
        wire,
    };
    let mesh = |protocols, wire| chain("tls", protocols, true, wire);
    let plain = |protocols, wire| chain("raw_buffer", protocols, false, wire);
    // TLS that is not the mesh's goes to the application as it is.
    let opaque = || chain("tls", &[], false, Wire::Tcp);
    match (mode, declared) {
        (MtlsMode::Strict, Declared::Http) => vec![mesh(&[], Wire::Http)],
        (MtlsMode::Strict, Declared::Tcp) => vec![mesh(&[], Wire::Tcp)],
        (MtlsMode::Strict, Declared::Nothing) => {
            vec![mesh(MESH_HTTP, Wire::Http), mesh(&[], Wire::Tcp)]
        }
        (MtlsMode::Permissive, Declared::Http) => {
            vec![mesh(MESH_ANY, Wire::Http), plain(&[], Wire::Http)]
        }
        (MtlsMode::Permissive, Declared::Tcp) => {
            vec![mesh(MESH_ANY, Wire::Tcp), opaque(), plain(&[], Wire::Tcp)]
        }
        (MtlsMode::Permissive, Declared::Nothing) => vec![
            mesh(MESH_HTTP, Wire::Http),
            plain(PLAIN_HTTP, Wire::Http),
            mesh(MESH_TCP, Wire::Tcp),
            plain(&[], Wire::Tcp),
            opaque(),
        ],
        (MtlsMode::Disable, Declared::Http) => vec![plain(&[], Wire::Http)],
        (MtlsMode::Disable, Declared::Tcp) => vec![plain(&[], Wire::Tcp)],
        (MtlsMode::Disable, Declared::Nothing) => {
            vec![plain(PLAIN_HTTP, Wire::Http), plain(&[], Wire::Tcp)]
        }
    }
}

impl Chain {
    fn write(
        &self,
        port: Option<u16>,
        policies: &Policies<'_>,
        tls: &Value,
        number: usize,
    ) -> Value {
        let mut wanted = json!({});
        let mut chain = json!({"name": format!("{number}")});
        if let Some(fields) = wanted.as_object_mut() {
            fields.extend(port.map(|port| ("destination_port".to_owned(), json!(port))));
            fields.insert("transport_protocol".to_owned(), json!(self.transport));
            if !self.protocols.is_empty() {
                fields.insert("application_protocols".to_owned(), json!(self.protocols));
            }
        }
        if let Some(fields) = chain.as_object_mut() {
            fields.insert("filter_chain_match".to_owned(), wanted);
            fields.insert("filters".to_owned(), json!(self.filters(policies)));
            if self.mtls {
                fields.insert("transport_socket".to_owned(), tls.clone());
            }
        }
        chain
    }

    fn filters(&self, policies: &Policies<'_>) -> Vec<Value> {
        let mut filters = policies.filters(self.wire);
        match self.wire {
            Wire::Tcp => {
                filters.push(tcp(APPLICATION));
                filters
            }
            Wire::Http => {
                filters.push(router());
                vec![http(APPLICATION, &filters)]
            }
        }
    }
}

/// Bytes are passed on to a cluster.
pub(crate) fn tcp(cluster: &str) -> Value {
    json!({
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": cluster,
            "cluster": cluster,
        },
    })
}

/// The filter that requests leave by.
pub(crate) fn router() -> Value {
    json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    })
}

/// Requests are read one by one, and passed on to a cluster. Paths are normalised and slashes kept, as Istio does
/// unless told otherwise.
pub(crate) fn http(cluster: &str, filters: &[Value]) -> Value {
    let routes =
        json!([{"match": {"prefix": "/"}, "route": {"cluster": cluster, "timeout": "0s"}}]);
    json!({
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": cluster,
            "codec_type": "AUTO",
            "use_remote_address": false,
            "normalize_path": true,
            "forward_client_cert_details": "APPEND_FORWARD",
            "set_current_client_cert_details": {"subject": true, "dns": true, "uri": true},
            "route_config": {
                "name": cluster,
                "validate_clusters": false,
                "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": routes}],
            },
            "http_filters": filters,
        },
    })
}

/// mTLS with a certificate of the mesh's authority, for an identity of one of its trust domains.
///
/// A certificate is demanded twice: by `require_client_certificate`, which istiod writes as well, and by the names to
/// be matched, for which Envoy wants one too. Either is enough for Envoy 1.40; without both, a client that shows none
/// is let in, and tests of the lab fail.
fn downstream(world: &World) -> Value {
    let aliases = world.mesh.trust_domain_aliases.iter();
    let domains = [&world.mesh.trust_domain].into_iter().chain(aliases);
    let names: Vec<Value> = domains
        .map(|domain| json!({"san_type": "URI", "matcher": {"prefix": format!("spiffe://{domain}/")}}))
        .collect();
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": true,
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "alpn_protocols": ["istio-peer-exchange", "h2", "http/1.1"],
                "tls_certificate_sds_secret_configs": [{"name": secrets::WORKLOAD}],
                "combined_validation_context": secrets::authority(&names),
            },
        },
    })
}
