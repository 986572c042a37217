//! `networking.istio.io Gateway`: the listeners of gateway pods.

use super::{Kind, Part};
use crate::codes;
use crate::emit::{Meta, commented, object, strings};
use crate::head::{Head, required_map};
use crate::istio::{self, is_http, is_tls};
use crate::labels::{labels, write_labels};
use crate::names::NameRule;
use crate::objects::Add;
use crate::ports;
use crate::words::choice;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Gateway, GatewayServer, Origin, ServerTls};
use palisade_yaml::{Fields, Node, Value};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Gateway",
    group: istio::NETWORKING,
    versions: istio::NETWORKING_VERSIONS,
    namespaced: true,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

/// `tls.mode`.
const MODES: &[(&str, ServerTls)] = &[
    ("PASSTHROUGH", ServerTls::Passthrough),
    ("AUTO_PASSTHROUGH", ServerTls::Passthrough),
    ("SIMPLE", ServerTls::Simple),
    ("OPTIONAL_MUTUAL", ServerTls::Simple),
    ("MUTUAL", ServerTls::Mutual),
    ("ISTIO_MUTUAL", ServerTls::IstioMutual),
];

/// Other fields of `tls`.
const TLS_FIELDS: &[&str] = &[
    "caCertCredentialName",
    "caCertificates",
    "caCrl",
    "cipherSuites",
    "maxProtocolVersion",
    "minProtocolVersion",
    "subjectAltNames",
    "tlsCertificates",
    "verifyCertificateHash",
    "verifyCertificateSpki",
];

/// `servers[].tls` as written.
#[derive(Default)]
struct Tls {
    mode: Option<ServerTls>,
    credential: Option<String>,
    redirect: bool,
    files: bool,
}

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = required_map(fields, "spec", "the spec of a Gateway", out)?;
    let selector = labels(&mut spec, "selector", out);
    let nodes = spec.list("servers", out);
    if nodes.is_empty() {
        out.push(istio::empty(spec.span(), "servers"));
    }
    let servers = nodes.into_iter().filter_map(|node| server(node, out));
    let gateway = Gateway {
        origin: head.origin(),
        object: head.object.clone(),
        selector,
        servers: servers.collect(),
    };
    spec.finish(out);
    fields.ignore(&["status"]);
    Some(Box::new(move |objects| objects.gateways.push(gateway)))
}

fn server(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<GatewayServer> {
    let mut fields = Fields::of(node, "a server of a Gateway", out)?;
    let hosts = istio::required_hosts(&mut fields, "hosts", out);
    let port = required_map(&mut fields, "port", "a port", out).map(|mut port| {
        let number = ports::required_number(&mut port, "number", out);
        let protocol = istio::protocol(&mut port, out);
        port.required_string("name", out);
        port.ignore(&["targetPort"]);
        port.finish(out);
        (number, protocol)
    });
    let written = fields.map("tls", "the TLS settings of a server", out);
    let tls = written.map(|written| tls(written, out));
    fields.ignore(&["bind", "defaultEndpoint", "name"]);
    fields.finish(out);
    let (number, protocol) = port?;
    check_tls(node, &protocol, tls.as_ref(), out);
    let secure = is_tls(&protocol);
    let tls = tls.unwrap_or_default();
    Some(GatewayServer {
        origin: Origin(Some(node.span())),
        port: number?,
        hosts: istio::texts(hosts),
        tls: match tls.mode {
            // PASSTHROUGH is the zero value of the enumeration.
            mode if secure => mode.unwrap_or(ServerTls::Passthrough),
            _ => ServerTls::None,
        },
        protocol,
        credential: tls.credential,
        https_redirect: tls.redirect,
    })
}

fn tls(mut fields: Fields<'_>, out: &mut Vec<Diagnostic>) -> Tls {
    let found = Tls {
        mode: choice(&mut fields, "mode", "a TLS mode of a server", MODES, out),
        credential: fields.string("credentialName", out).map(|name| name.value),
        redirect: fields.bool("httpsRedirect", out).is_some_and(|b| b.value),
        files: fields.string("serverCertificate", out).is_some()
            & fields.string("privateKey", out).is_some(),
    };
    let several = fields.node("credentialNames").is_some();
    fields.ignore(TLS_FIELDS);
    fields.finish(out);
    Tls {
        files: found.files || several,
        ..found
    }
}

/// The rules of Istio's validation between protocol and TLS settings.
fn check_tls(node: Node<'_>, protocol: &str, tls: Option<&Tls>, out: &mut Vec<Diagnostic>) {
    let (title, help) = match tls {
        None if is_tls(protocol) => (
            format!("a server for {protocol} without `tls`"),
            "add `tls.mode`",
        ),
        Some(tls) if is_http(protocol) && (tls.mode.is_some() || tls.credential.is_some()) => (
            format!("TLS settings on a server for {protocol}"),
            "use protocol HTTPS, or keep only `httpsRedirect`",
        ),
        Some(_) if !is_http(protocol) && !is_tls(protocol) => (
            format!("TLS settings on a server for {protocol}"),
            "use protocol TLS, or remove `tls`",
        ),
        Some(tls)
            if matches!(tls.mode, Some(ServerTls::Simple | ServerTls::Mutual))
                && tls.credential.is_none()
                && !tls.files =>
        {
            (
                "TLS is terminated without a certificate".to_owned(),
                "add `credentialName`",
            )
        }
        _ => return,
    };
    out.push(
        Diagnostic::error(codes::SERVER_TLS, title)
            .at(node.span(), "Istio refuses this server")
            .help(help),
    );
}

/// Writes a Gateway.
#[must_use]
pub fn write(gateway: &Gateway, extra: &Meta) -> Value {
    let mut spec = Vec::new();
    if !gateway.selector.is_empty() {
        spec.push(("selector", write_labels(&gateway.selector)));
    }
    let servers = gateway.servers.iter().enumerate();
    let servers = servers.map(|(i, server)| commented(extra.rules.get(i), write_server(i, server)));
    spec.push(("servers", Value::List(servers.collect())));
    object(&KIND, &gateway.object, extra, Value::map(spec))
}

/// Names of ports are unique in a Gateway, so they carry the index.
fn write_server(index: usize, server: &GatewayServer) -> Value {
    let name = format!("{}-{}-{index}", server.protocol.to_lowercase(), server.port);
    let port = Value::map([
        ("name", Value::String(name)),
        ("number", Value::Int(i64::from(server.port))),
        ("protocol", Value::string(&server.protocol)),
    ]);
    let mut tls = Vec::new();
    if let Some((word, _)) = MODES.iter().find(|(_, mode)| *mode == server.tls) {
        tls.push(("mode", Value::string(*word)));
    }
    if let Some(credential) = &server.credential {
        tls.push(("credentialName", Value::string(credential)));
    }
    if server.https_redirect {
        tls.push(("httpsRedirect", Value::Bool(true)));
    }
    let mut fields = vec![("port", port), ("hosts", strings(&server.hosts))];
    if !tls.is_empty() {
        fields.push(("tls", Value::map(tls)));
    }
    Value::map(fields)
}
