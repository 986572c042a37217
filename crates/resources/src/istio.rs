//! What Istio's kinds share: selectors, mTLS modes, hosts, words that are required.

use crate::codes;
use crate::labels::{labels, write_labels};
use palisade_diagnostics::{Diagnostic, Span};
use palisade_netmodel::{Labels, MtlsMode, OutboundMode};
use palisade_yaml::{Fields, Spanned, Value};

/// The group of policies on identity.
pub(crate) const SECURITY: &str = "security.istio.io";
/// Its served versions.
pub(crate) const SECURITY_VERSIONS: &[&str] = &["v1", "v1beta1"];
/// The group of traffic settings.
pub(crate) const NETWORKING: &str = "networking.istio.io";
/// Its served versions.
pub(crate) const NETWORKING_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];

/// `mtls.mode`; `None`: UNSET.
pub(crate) const MTLS_MODES: &[(&str, Option<MtlsMode>)] = &[
    ("UNSET", None),
    ("DISABLE", Some(MtlsMode::Disable)),
    ("PERMISSIVE", Some(MtlsMode::Permissive)),
    ("STRICT", Some(MtlsMode::Strict)),
];

/// `outboundTrafficPolicy.mode`.
pub(crate) const OUTBOUND_MODES: &[(&str, OutboundMode)] = &[
    ("REGISTRY_ONLY", OutboundMode::RegistryOnly),
    ("ALLOW_ANY", OutboundMode::AllowAny),
];

/// The word of an outbound mode.
pub(crate) fn outbound_word(mode: OutboundMode) -> &'static str {
    match mode {
        OutboundMode::AllowAny => "ALLOW_ANY",
        OutboundMode::RegistryOnly => "REGISTRY_ONLY",
    }
}

/// A `WorkloadSelector` under `key`, whose labels are under `inner`; empty if missing.
pub(crate) fn workload_selector(
    fields: &mut Fields<'_>,
    key: &'static str,
    inner: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Labels {
    let Some(mut selector) = fields.map(key, "a workload selector", out) else {
        return Labels::default();
    };
    let found = labels(&mut selector, inner, out);
    selector.finish(out);
    found
}

/// Writes a selector as `key: {inner: labels}`, nothing if it is empty.
pub(crate) fn write_workload_selector(
    key: &'static str,
    inner: &'static str,
    labels: &Labels,
) -> Option<(&'static str, Value)> {
    let written = || (key, Value::map([(inner, write_labels(labels))]));
    (!labels.is_empty()).then(written)
}

/// Texts without their places.
pub(crate) fn texts(items: Vec<Spanned<String>>) -> Vec<String> {
    items.into_iter().map(|item| item.value).collect()
}

/// A list of hosts under `key` that must have at least one entry; none may be empty.
pub(crate) fn required_hosts(
    fields: &mut Fields<'_>,
    key: &'static str,
    out: &mut Vec<Diagnostic>,
) -> Vec<Spanned<String>> {
    let hosts = fields.strings(key, out);
    if hosts.is_empty() {
        out.push(empty(fields.span(), key));
    }
    for host in &hosts {
        check_host(host, out);
    }
    hosts
}

/// An empty list or object where Istio wants an entry.
pub(crate) fn empty(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error(codes::EMPTY, format!("`{what}` is missing or empty"))
        .at(span, format!("needs at least one entry in `{what}`"))
        .help(format!(
            "add an entry to `{what}`, or remove what is around it"
        ))
}

/// Reports a host that is no DNS name, with at most one `*` and that in front. A `namespace/`
/// before it is accepted.
pub(crate) fn check_host(host: &Spanned<String>, out: &mut Vec<Diagnostic>) {
    let name = host
        .value
        .split_once('/')
        .map_or(host.value.as_str(), |(_, name)| name);
    let rest = name.strip_prefix('*').unwrap_or(name);
    let rest = if name.starts_with('*') {
        rest.trim_start_matches(['.', '-'])
    } else {
        rest
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    let bare_star = name == "*";
    if bare_star || (!rest.is_empty() && rest.chars().all(plain) && !rest.contains("..")) {
        return;
    }
    out.push(
        Diagnostic::error(codes::BAD_HOST, format!("{:?} is not a host", host.value))
            .at(host.span, "a DNS name; a `*` only as its first part")
            .help("write it as `name.example.com` or `*.example.com`"),
    );
}

/// A short name becomes a full one (`pilot/pkg/model: ResolveShortnameToFQDN`).
pub(crate) fn full_host(host: &str, namespace: &str) -> String {
    if host == "*" || host.contains(['.', ':']) {
        host.to_owned()
    } else {
        format!("{host}.{namespace}.svc.cluster.local")
    }
}

/// Protocols of a port (`pkg/config/protocol: Parse`), in lower case.
const PROTOCOLS: [&str; 14] = [
    "tcp",
    "udp",
    "grpc",
    "grpc-web",
    "http",
    "http_proxy",
    "http2",
    "https",
    "tls",
    "mongo",
    "redis",
    "mysql",
    "hbone",
    "double-hbone",
];

/// The required `protocol` of a port; empty if it is wrong (reported).
pub(crate) fn protocol(fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> String {
    let Some(word) = fields.required_string("protocol", out) else {
        return String::new();
    };
    if !PROTOCOLS.contains(&word.value.to_lowercase().as_str()) {
        out.push(
            Diagnostic::error(
                codes::BAD_PROTOCOL,
                format!("{:?} is not a protocol that Istio knows", word.value),
            )
            .at(word.span, "HTTP, HTTPS, HTTP2, GRPC, TCP, TLS, ...")
            .help("use TCP if none of Istio's protocols fits"),
        );
    }
    word.value
}

/// Whether a protocol carries TLS.
pub(crate) fn is_tls(protocol: &str) -> bool {
    matches!(protocol.to_lowercase().as_str(), "https" | "tls")
}

/// Whether a protocol is plain HTTP.
pub(crate) fn is_http(protocol: &str) -> bool {
    matches!(
        protocol.to_lowercase().as_str(),
        "http" | "http2" | "grpc" | "grpc-web" | "http_proxy"
    )
}
