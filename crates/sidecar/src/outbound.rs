//! What leaves a pod by its sidecar (`istio, pilot/pkg/networking/core, outbound listeners and clusters`).
//!
//! A chain of filters is chosen by the address and the port that were called, as a listener of Istio's is; what is no
//! Service's goes where it was sent to, or nowhere.

use crate::chains::{self, Declared};
use crate::destination::{Sends, sends, takes_mtls, target};
use crate::{put, secrets};
use palisade_netmodel::{OutboundMode, Pod, PodId, Service, ServicePort, SidecarScope, World};
use serde_json::{Value, json};
use std::net::IpAddr;

/// A port of a Service, as its callers see it.
#[derive(Debug, Clone)]
pub struct Called<'w> {
    /// The Service.
    pub service: &'w Service,
    /// Its port.
    pub port: &'w ServicePort,
    /// Where it is called.
    pub addresses: Vec<IpAddr>,
    /// The pods behind it.
    pub receivers: Vec<PodId>,
}

/// Where connections go that no Service describes, and where those end that go nowhere.
const PASSTHROUGH: &str = "passthrough";
const BLACKHOLE: &str = "blackhole";
/// What a sidecar offers as application protocols, where it found HTTP and where it did not.
const MESH_HTTP: &[&str] = &["istio-http/1.1", "istio", "http/1.1"];
const MESH_TCP: &[&str] = &["istio-peer-exchange", "istio"];
/// `SOL_SOCKET` and `SO_MARK` of Linux.
const MARK_OPTION: (u8, u8) = (1, 36);

/// The sending half of a configuration.
pub(crate) struct Outbound {
    pub(crate) chains: Vec<Value>,
    pub(crate) others: Value,
    pub(crate) clusters: Vec<Value>,
}

impl Outbound {
    pub(crate) fn of(world: &World, client: &Pod, called: &[Called<'_>]) -> Self {
        let others = match outbound_mode(world, client) {
            OutboundMode::AllowAny => PASSTHROUGH,
            OutboundMode::RegistryOnly => BLACKHOLE,
        };
        let mut outbound = Self {
            // Nobody calls the listener itself.
            chains: vec![json!({
                "name": "itself",
                "filter_chain_match": {"destination_port": crate::OUTBOUND},
                "filters": [chains::tcp(BLACKHOLE)],
            })],
            others: json!({"name": "others", "filters": [chains::tcp(others)]}),
            clusters: vec![
                json!({
                    "name": PASSTHROUGH,
                    "type": "ORIGINAL_DST",
                    "lb_policy": "CLUSTER_PROVIDED",
                    "connect_timeout": "5s",
                }),
                json!({"name": BLACKHOLE, "type": "STATIC", "connect_timeout": "5s"}),
            ],
        };
        for called in called {
            for v6 in [false, true] {
                outbound.add(world, client, called, v6);
            }
        }
        outbound
    }

    /// One Service port over one version of IP.
    fn add(&mut self, world: &World, client: &Pod, called: &Called<'_>, v6: bool) {
        let addresses: Vec<Value> = called
            .addresses
            .iter()
            .filter(|address| address.is_ipv6() == v6)
            .map(|address| json!({"address_prefix": address.to_string(), "prefix_len": if v6 { 128 } else { 32 }}))
            .collect();
        if addresses.is_empty() {
            return;
        }
        let sends = sends(world, client, called.service, called.port.port);
        let chain = |name: String, protocols: &[&str], filter: Value| {
            let mut chain = json!({
                "name": name,
                "filter_chain_match": {
                    "destination_port": called.port.port,
                    "prefix_ranges": &addresses,
                },
                "filters": [filter],
            });
            if let Some(wanted) = chain.pointer_mut("/filter_chain_match")
                && !protocols.is_empty()
            {
                put(wanted, "application_protocols", json!(protocols));
            }
            chain
        };
        let number = self.chains.len();
        let (http, tcp) = (format!("{number} http"), format!("{number} tcp"));
        let declared = chains::protocol(&called.port.name, called.port.app_protocol.as_deref());
        let mut cluster = |name: &str, protocols| {
            let value = cluster(world, called, (v6, sends), name, protocols);
            self.clusters.push(value);
        };
        if declared != Declared::Tcp {
            let found: &[&str] = if declared == Declared::Nothing {
                chains::PLAIN_HTTP
            } else {
                &[]
            };
            cluster(&http, MESH_HTTP);
            self.chains.push(chain(
                http.clone(),
                found,
                chains::http(&http, &[chains::router()]),
            ));
        }
        if declared != Declared::Http {
            cluster(&tcp, MESH_TCP);
            self.chains.push(chain(tcp.clone(), &[], chains::tcp(&tcp)));
        }
    }
}

/// The pods behind a Service's port, and how each is spoken to.
fn cluster(
    world: &World,
    called: &Called<'_>,
    (v6, sends): (bool, Sends),
    name: &str,
    protocols: &[&str],
) -> Value {
    let mut endpoints = Vec::new();
    let mut identities = Vec::new();
    let mut any = false;
    for id in &called.receivers {
        let Some(pod) = world.pod(*id) else { continue };
        let Some(port) = target(pod, &called.port.target) else {
            continue;
        };
        let (domain, namespace, account) = (
            &world.mesh.trust_domain,
            &pod.namespace,
            &pod.service_account,
        );
        identities.push(format!("spiffe://{domain}/ns/{namespace}/sa/{account}"));
        let takes = takes_mtls(world, pod, port);
        let mode = if takes { "istio" } else { "disabled" };
        let known = pod.addresses.known.iter();
        for address in known.filter(|address| address.is_ipv6() == v6) {
            let at = crate::address(&address.to_string(), port);
            endpoints.push(json!({
                "endpoint": {"address": at},
                "metadata": {"filter_metadata": {"envoy.transport_socket_match": {"tlsMode": mode}}},
            }));
            any |= takes;
        }
    }
    let mut cluster = json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": endpoints}]},
    });
    let mesh = || upstream(world, &identities, protocols);
    match sends {
        Sends::Plaintext => {}
        Sends::Mesh => put(&mut cluster, "transport_socket", mesh()),
        Sends::Tls => put(&mut cluster, "transport_socket", socket(&json!({}))),
        Sends::Own => {
            let own = json!({"tls_certificate_sds_secret_configs": [{"name": secrets::NAMED}]});
            put(&mut cluster, "transport_socket", socket(&own));
        }
        // Nobody is known to take mTLS.
        Sends::Auto if !any => {}
        Sends::Auto => {
            let matches = json!([
                {"name": "istio", "match": {"tlsMode": "istio"}, "transport_socket": mesh()},
                {"name": "disabled", "match": {}, "transport_socket": {
                    "name": "envoy.transport_sockets.raw_buffer",
                    "typed_config": {"@type": "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"},
                }},
            ]);
            put(&mut cluster, "transport_socket_matches", matches);
        }
    }
    cluster
}

/// mTLS with the client's certificate, to somebody who is one of the pods behind the Service.
fn upstream(world: &World, identities: &[String], protocols: &[&str]) -> Value {
    // A trust domain has as many names as the mesh says.
    let aliases = &world.mesh.trust_domain_aliases;
    let own = &world.mesh.trust_domain;
    let under = |alias: &String, name: &String| {
        name.replacen(
            &format!("spiffe://{own}/"),
            &format!("spiffe://{alias}/"),
            1,
        )
    };
    let others = aliases
        .iter()
        .flat_map(|alias| identities.iter().map(move |name| under(alias, name)));
    let names: Vec<Value> = identities
        .iter()
        .cloned()
        .chain(others)
        .map(|name| json!({"san_type": "URI", "matcher": {"exact": name}}))
        .collect();
    socket(&json!({
        "alpn_protocols": protocols,
        "tls_certificate_sds_secret_configs": [{"name": secrets::WORKLOAD}],
        "combined_validation_context": secrets::authority(&names),
    }))
}

fn socket(context: &Value) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": context,
        },
    })
}

/// What every connection of the sidecar carries, so that it is not redirected to it again.
pub(crate) fn marked() -> Value {
    let (level, name) = MARK_OPTION;
    json!({"upstream_bind_config": {"socket_options": [
        {"level": level, "name": name, "int_value": crate::MARK, "state": "STATE_PREBIND"},
    ]}})
}

/// `outboundTrafficPolicy`: of the Sidecar that counts for the pod, else of the mesh.
fn outbound_mode(world: &World, client: &Pod) -> OutboundMode {
    let own = |scope: &&SidecarScope| scope.object.namespace == client.namespace;
    let for_all = |scope: &&SidecarScope| scope.selector.is_empty();
    let selected =
        |scope: &&SidecarScope| !for_all(scope) && client.labels.include(&scope.selector);
    let root = |scope: &&SidecarScope| scope.object.namespace == world.mesh.root_namespace;
    let all = || world.sidecars.iter();
    let scope = all()
        .find(|scope| own(scope) && selected(scope))
        .or_else(|| all().find(|scope| own(scope) && for_all(scope)))
        .or_else(|| all().find(|scope| root(scope) && for_all(scope)));
    scope
        .and_then(|scope| scope.outbound)
        .unwrap_or(world.mesh.outbound)
}
