//! `security.istio.io PeerAuthentication`: what receivers accept.

use super::{Kind, Part};
use crate::codes;
use crate::emit::{Meta, object};
use crate::head::Head;
use crate::istio::{self, MTLS_MODES};
use crate::names::NameRule;
use crate::objects::Add;
use crate::words::choice;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{MtlsMode, PeerAuthentication};
use palisade_yaml::{Fields, Value};
use std::collections::BTreeMap;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "PeerAuthentication",
    group: istio::SECURITY,
    versions: istio::SECURITY_VERSIONS,
    namespaced: true,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut policy = PeerAuthentication {
        origin: head.origin(),
        object: head.object.clone(),
        selector: Default::default(),
        mode: None,
        ports: BTreeMap::new(),
    };
    if let Some(mut spec) = fields.map("spec", "the spec of a PeerAuthentication", out) {
        policy.selector = istio::workload_selector(&mut spec, "selector", "matchLabels", out);
        policy.mode = mtls(spec.map("mtls", "mtls", out), out);
        policy.ports = ports(&mut spec, policy.selector.is_empty(), out);
        spec.finish(out);
    }
    fields.ignore(&["status"]);
    let created = head.created.clone();
    Some(Box::new(move |objects| {
        objects.peer_authentications.push((created, policy));
    }))
}

fn mtls(fields: Option<Fields<'_>>, out: &mut Vec<Diagnostic>) -> Option<MtlsMode> {
    let mut fields = fields?;
    let mode = choice(&mut fields, "mode", "a mode of mutual TLS", MTLS_MODES, out);
    fields.finish(out);
    mode.flatten()
}

fn ports(
    spec: &mut Fields<'_>,
    whole_namespace: bool,
    out: &mut Vec<Diagnostic>,
) -> BTreeMap<u16, Option<MtlsMode>> {
    let mut found = BTreeMap::new();
    let Some(map) = spec.node("portLevelMtls") else {
        return found;
    };
    if whole_namespace && map.entries().next().is_some() {
        out.push(
            Diagnostic::error(codes::PORT_LEVEL_SCOPE, "portLevelMtls without a selector")
                .at(map.span(), "needs `selector.matchLabels`")
                .help("name the workload in `selector.matchLabels`, or remove `portLevelMtls`"),
        );
    }
    for (key, node) in map.entries() {
        let Some(port) = key.text.parse::<u16>().ok().filter(|port| *port > 0) else {
            out.push(
                Diagnostic::error(codes::BAD_PORT, format!("{:?} is not a port", key.text))
                    .at(key.span, "1 to 65535")
                    .help("use the number of a container port"),
            );
            continue;
        };
        found.insert(port, mtls(Fields::of(node, "mtls of a port", out), out));
    }
    found
}

/// Writes a PeerAuthentication.
#[must_use]
pub fn write(policy: &PeerAuthentication, extra: &Meta) -> Value {
    let mode = |mode: &Option<MtlsMode>| {
        let word = mode.map_or_else(|| "UNSET".to_owned(), |mode| mode.to_string());
        Value::map([("mode", Value::String(word))])
    };
    let mut spec = Vec::new();
    spec.extend(istio::write_workload_selector(
        "selector",
        "matchLabels",
        &policy.selector,
    ));
    if policy.mode.is_some() {
        spec.push(("mtls", mode(&policy.mode)));
    }
    if !policy.ports.is_empty() {
        let ports = policy.ports.iter();
        let ports = ports.map(|(port, setting)| (port.to_string(), mode(setting)));
        spec.push(("portLevelMtls", Value::map(ports)));
    }
    object(&KIND, &policy.object, extra, Value::map(spec))
}
