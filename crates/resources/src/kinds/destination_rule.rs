//! `networking.istio.io DestinationRule`: what clients send.

use super::{Kind, Part};
use crate::codes;
use crate::emit::{Meta, object, strings};
use crate::head::Head;
use crate::istio::{self, full_host};
use crate::names::NameRule;
use crate::objects::Add;
use crate::ports;
use crate::words::choice;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{ClientTls, DestinationRule};
use palisade_yaml::{Fields, Node, Value};
use std::collections::BTreeMap;

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "DestinationRule",
    group: istio::NETWORKING,
    versions: istio::NETWORKING_VERSIONS,
    namespaced: true,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

/// `tls.mode`.
const MODES: &[(&str, ClientTls)] = &[
    ("DISABLE", ClientTls::Disable),
    ("SIMPLE", ClientTls::Simple),
    ("MUTUAL", ClientTls::Mutual),
    ("ISTIO_MUTUAL", ClientTls::IstioMutual),
];

/// Other fields of a traffic policy.
const POLICY_FIELDS: &[&str] = &[
    "connectionPool",
    "loadBalancer",
    "outlierDetection",
    "proxyProtocol",
    "retryBudget",
    "tunnel",
];

/// Other fields of `tls`.
const TLS_FIELDS: &[&str] = &[
    "caCertificates",
    "caCrl",
    "clientCertificate",
    "credentialName",
    "insecureSkipVerify",
    "privateKey",
    "sni",
    "subjectAltNames",
];

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut spec = crate::head::required_map(fields, "spec", "the spec of a DestinationRule", out)?;
    let host = spec.required_string("host", out);
    if let Some(host) = &host {
        istio::check_host(host, out);
    }
    let mut rule = DestinationRule {
        origin: head.origin(),
        object: head.object.clone(),
        host: String::new(),
        workload_selector: istio::workload_selector(
            &mut spec,
            "workloadSelector",
            "matchLabels",
            out,
        ),
        export_to: istio::texts(spec.strings("exportTo", out)),
        policy: false,
        tls: None,
        ports: BTreeMap::new(),
    };
    if let Some(mut policy) = spec.map("trafficPolicy", "a traffic policy", out) {
        rule.policy = true;
        rule.tls = tls(&mut policy, out);
        for node in policy.list("portLevelSettings", out) {
            if let Some((port, tls)) = port_settings(node, out) {
                rule.ports.insert(port, tls);
            }
        }
        policy.ignore(POLICY_FIELDS);
        policy.finish(out);
    }
    for subset in spec.list("subsets", out) {
        let policy = subset.get("trafficPolicy");
        if let Some(tls) = policy.and_then(|policy| policy.get("tls")) {
            out.push(
                Diagnostic::warning(codes::SUBSET_TLS, "TLS settings of a subset are not read")
                    .at(
                        tls.span(),
                        "apply where a VirtualService routes to the subset",
                    )
                    .help("write them for the whole host, or check the subset by hand")
                    .leaving_out(),
            );
        }
    }
    spec.finish(out);
    fields.ignore(&["status"]);
    rule.host = full_host(&host?.value, &head.object.namespace);
    Some(Box::new(move |objects| {
        objects.destination_rules.push(rule)
    }))
}

/// `tls`; present without a mode it is DISABLE, the zero value of the enumeration.
fn tls(fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<ClientTls> {
    let mut tls = fields.map("tls", "the TLS settings of a client", out)?;
    let mode = choice(&mut tls, "mode", "a TLS mode of a client", MODES, out);
    tls.ignore(TLS_FIELDS);
    tls.finish(out);
    Some(mode.unwrap_or(ClientTls::Disable))
}

fn port_settings(node: Node<'_>, out: &mut Vec<Diagnostic>) -> Option<(u16, Option<ClientTls>)> {
    let mut fields = Fields::of(node, "settings of a port", out)?;
    let port = crate::head::required_map(&mut fields, "port", "a port", out);
    let port = port.and_then(|mut port| {
        let number = ports::required_number(&mut port, "number", out);
        port.finish(out);
        number
    });
    let tls = tls(&mut fields, out);
    if tls.is_none() {
        out.push(
            Diagnostic::warning(codes::PORT_WITHOUT_TLS, "settings of a port without `tls`")
                .at(
                    node.span(),
                    "replaces the TLS settings of the whole rule, or does not",
                )
                .note("Istio's cluster configuration and its endpoint check disagree on this.")
                .help("repeat `tls` here")
                .leaving_out(),
        );
    }
    fields.ignore(POLICY_FIELDS);
    fields.finish(out);
    Some((port?, tls))
}

/// Writes a DestinationRule.
#[must_use]
pub fn write(rule: &DestinationRule, extra: &Meta) -> Value {
    let mut spec = vec![("host", Value::string(&rule.host))];
    spec.extend(istio::write_workload_selector(
        "workloadSelector",
        "matchLabels",
        &rule.workload_selector,
    ));
    if !rule.export_to.is_empty() {
        spec.push(("exportTo", strings(&rule.export_to)));
    }
    let mut policy = Vec::new();
    policy.extend(rule.tls.map(write_tls));
    if !rule.ports.is_empty() {
        let ports = rule.ports.iter().map(|(port, tls)| {
            let port = Value::map([("number", Value::Int(i64::from(*port)))]);
            let mut fields = vec![("port", port)];
            fields.extend(tls.map(write_tls));
            Value::map(fields)
        });
        policy.push(("portLevelSettings", Value::List(ports.collect())));
    }
    if rule.has_policy() {
        spec.push(("trafficPolicy", Value::map(policy)));
    }
    object(&KIND, &rule.object, extra, Value::map(spec))
}

fn write_tls(tls: ClientTls) -> (&'static str, Value) {
    let word = MODES.iter().find(|(_, mode)| *mode == tls);
    let mode = Value::string(word.map_or("DISABLE", |(word, _)| word));
    ("tls", Value::map([("mode", mode)]))
}
