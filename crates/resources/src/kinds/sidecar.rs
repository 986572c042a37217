//! `networking.istio.io Sidecar`: what the proxies of a namespace know.

use super::{Kind, Part};
use crate::codes;
use crate::emit::{Meta, object, strings};
use crate::head::Head;
use crate::istio::{self, OUTBOUND_MODES, outbound_word};
use crate::names::NameRule;
use crate::objects::Add;
use crate::words::choice;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Labels, OutboundMode, SidecarScope};
use palisade_yaml::{Fields, Node, Value};

/// The kind.
pub(super) const KIND: Kind = Kind {
    name: "Sidecar",
    group: istio::NETWORKING,
    versions: istio::NETWORKING_VERSIONS,
    namespaced: true,
    part: Part::Policies,
    names: NameRule::Subdomain,
    read,
};

fn read(head: &Head, fields: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<Add> {
    let mut scope = SidecarScope {
        origin: head.origin(),
        object: head.object.clone(),
        selector: Labels::default(),
        outbound: None,
        egress_hosts: Vec::new(),
    };
    if let Some(mut spec) = fields.map("spec", "the spec of a Sidecar", out) {
        scope.selector = istio::workload_selector(&mut spec, "workloadSelector", "labels", out);
        scope.outbound = outbound(&mut spec, out);
        for node in spec.list("egress", out) {
            if let Some(mut listener) = Fields::of(node, "an egress listener", out) {
                let hosts = istio::required_hosts(&mut listener, "hosts", out);
                scope.egress_hosts.extend(istio::texts(hosts));
                listener.ignore(&["bind", "captureMode", "port"]);
                listener.finish(out);
            }
        }
        for node in spec.list("ingress", out) {
            ingress(node, out);
        }
        spec.ignore(&["inboundConnectionPool"]);
        spec.finish(out);
    }
    fields.ignore(&["status"]);
    Some(Box::new(move |objects| objects.sidecars.push(scope)))
}

/// A listener of its own changes nothing in who is admitted, unless it terminates TLS where mTLS is off.
fn ingress(node: Node<'_>, out: &mut Vec<Diagnostic>) {
    let Some(mut listener) = Fields::of(node, "an ingress listener", out) else {
        return;
    };
    if let Some(tls) = listener.node("tls") {
        out.push(
            Diagnostic::error(codes::NOT_MODELLED, "`ingress[].tls` is not understood")
                .at(
                    tls.span(),
                    "would change what the port accepts where mTLS is off",
                )
                .help("leave it out, and set the mode of the port by PeerAuthentication"),
        );
    }
    listener.ignore(&[
        "bind",
        "captureMode",
        "connectionPool",
        "defaultEndpoint",
        "port",
    ]);
    listener.finish(out);
}

/// `outboundTrafficPolicy`; present without a mode it is REGISTRY_ONLY, the zero value.
fn outbound(spec: &mut Fields<'_>, out: &mut Vec<Diagnostic>) -> Option<OutboundMode> {
    let mut policy = spec.map("outboundTrafficPolicy", "an outbound policy", out)?;
    let mode = choice(&mut policy, "mode", "an outbound mode", OUTBOUND_MODES, out);
    policy.ignore(&["egressProxy"]);
    policy.finish(out);
    Some(mode.unwrap_or(OutboundMode::RegistryOnly))
}

/// Writes a Sidecar with one egress listener.
#[must_use]
pub fn write(scope: &SidecarScope, extra: &Meta) -> Value {
    let mut spec = Vec::new();
    spec.extend(istio::write_workload_selector(
        "workloadSelector",
        "labels",
        &scope.selector,
    ));
    if !scope.egress_hosts.is_empty() {
        let listener = Value::map([("hosts", strings(&scope.egress_hosts))]);
        spec.push(("egress", Value::List(vec![listener])));
    }
    if let Some(mode) = scope.outbound {
        let mode = Value::map([("mode", Value::string(outbound_word(mode)))]);
        spec.push(("outboundTrafficPolicy", mode));
    }
    object(&KIND, &scope.object, extra, Value::map(spec))
}
