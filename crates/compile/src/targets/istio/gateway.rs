//! Gateways: the ports at which traffic enters, with the certificates the operator provides.

use super::{Mesh, NETWORKING, labels, strings};
use crate::Object;
use crate::artefacts::Header;
use crate::names;
use crate::selectors::match_labels;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Component, DeclaredPort, Protocol, Serves, TargetPort};
use palisade_yaml::Value;

pub(super) fn objects(mesh: &Mesh<'_>, out: &mut Vec<Diagnostic>) -> Vec<Object> {
    let all = mesh.intent.components.iter();
    let mut gateways: Vec<&Component> = all.filter(|c| c.gateway && c.managed).collect();
    gateways.sort_by(|a, b| a.name.cmp(&b.name));
    gateways
        .into_iter()
        .filter_map(|component| gateway(mesh, component, out))
        .collect()
}

fn gateway(mesh: &Mesh<'_>, component: &Component, out: &mut Vec<Diagnostic>) -> Option<Object> {
    let servers: Vec<Value> = component
        .ports
        .iter()
        .filter(|p| p.protocol == Protocol::Tcp)
        .flat_map(|port| servers(mesh, component, port, out))
        .collect();
    if servers.is_empty() {
        return None;
    }
    let selectors = match_labels(&component.selector).unwrap_or_default();
    let [selector] = selectors.as_slice() else {
        out.push(no_selector(component));
        return None;
    };
    let spec = Value::map([
        ("selector", labels(selector)),
        ("servers", Value::List(servers)),
    ]);
    let header = Header {
        api_version: NETWORKING,
        kind: "Gateway",
        namespace: &component.namespace,
        name: &names::object_name(&component.name),
        flows: Vec::new(),
    };
    Some(Object::new(mesh.intent, header, vec![("spec", spec)]))
}

fn no_selector(component: &Component) -> Diagnostic {
    Diagnostic::warning(
        "PAL0407",
        format!("no Gateway is written for component `{}`", component.name),
    )
    .at_opt(
        component.origin.0,
        "a Gateway selects by labels with exact values only",
    )
    .help("select the gateway's pods by `matchLabels`")
}

/// The servers of a port: TLS with each certificate, or plain HTTP where hosts are declared.
fn servers(
    mesh: &Mesh<'_>,
    component: &Component,
    port: &DeclaredPort,
    out: &mut Vec<Diagnostic>,
) -> Vec<Value> {
    let number = entry_port(mesh, component, port.port);
    let base = names::object_name(&port.name);
    match port.credentials.as_slice() {
        [] if port.serves == Serves::Plain && !port.hosts.is_empty() => {
            vec![server(number, base, "HTTP", &port.hosts, None)]
        }
        [] => Vec::new(),
        [one] => {
            let any = ["*".to_owned()];
            let hosts = if port.hosts.is_empty() {
                &any
            } else {
                port.hosts.as_slice()
            };
            vec![server(number, base, "HTTPS", hosts, Some(one))]
        }
        many if many.len() == port.hosts.len() => many
            .iter()
            .zip(&port.hosts)
            .enumerate()
            .map(|(i, (credential, host))| {
                let name = names::object_name(&format!("{}-{}", port.name, i + 1));
                server(
                    number,
                    name,
                    "HTTPS",
                    std::slice::from_ref(host),
                    Some(credential),
                )
            })
            .collect(),
        many => {
            out.push(mismatch(component, port, many.len()));
            Vec::new()
        }
    }
}

fn mismatch(component: &Component, port: &DeclaredPort, credentials: usize) -> Diagnostic {
    Diagnostic::warning(
        "PAL0408",
        format!(
            "port `{}` of gateway `{}` has {credentials} credentials for {} hosts",
            port.name,
            component.name,
            port.hosts.len()
        ),
    )
    .at_opt(
        component.origin.0,
        "no Gateway server is written for the port",
    )
    .help("give as many `hosts` as `credentials`, in the same order")
}

/// `port.number` of a Gateway is the Service's port; the matrix declares the container's.
fn entry_port(mesh: &Mesh<'_>, component: &Component, port: u16) -> u16 {
    let selector = match_labels(&component.selector).unwrap_or_default();
    let mut ports: Vec<u16> = mesh
        .world
        .services
        .iter()
        .filter(|s| s.object.namespace == component.namespace && !s.selector.is_empty())
        .filter(|s| {
            let all = |labels: &std::collections::BTreeMap<String, String>| {
                labels
                    .iter()
                    .all(|(k, v)| s.selector.get(k).is_none_or(|x| x == v))
                    && labels.keys().any(|k| s.selector.get(k).is_some())
            };
            selector.iter().any(all)
        })
        .flat_map(|s| &s.ports)
        .filter(|p| p.target == TargetPort::Number(port))
        .map(|p| p.port)
        .collect();
    ports.sort_unstable();
    ports.first().copied().unwrap_or(port)
}

fn server(
    number: u16,
    name: String,
    protocol: &str,
    hosts: &[String],
    credential: Option<&String>,
) -> Value {
    let port = Value::map([
        ("number", Value::Int(i64::from(number))),
        ("name", Value::string(name)),
        ("protocol", Value::string(protocol)),
    ]);
    let mut fields = vec![("port", port), ("hosts", strings(hosts))];
    if let Some(credential) = credential {
        let tls = [
            ("mode", Value::string("SIMPLE")),
            ("credentialName", Value::string(credential.as_str())),
        ];
        fields.push(("tls", Value::map(tls)));
    }
    Value::map(fields)
}
