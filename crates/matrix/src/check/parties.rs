//! What must hold of zones, components and endpoints.

use super::names::{known, zone_names};
use super::parameters::of_list;
use crate::resolve::is_dns_label;
use crate::syntax::{Component, Endpoint, EndpointKind, Matrix, Text};
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::ZoneKind;

pub(super) fn zones(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    for zone in &matrix.zones {
        let names = of_list(&zone.namespaces.names);
        let empty = names.is_empty() && zone.namespaces.selector.is_none();
        let external = zone.kind == ZoneKind::External;
        if external && !empty {
            out.push(
                Diagnostic::error(
                    "PAL0218",
                    format!("zone `{}` is External and has namespaces", zone.name.value),
                )
                .at(zone.name.span, "")
                .help("External means outside the cluster: remove `namespaces`"),
            );
        } else if !external && empty {
            out.push(
                Diagnostic::error(
                    "PAL0218",
                    format!("zone `{}` has no namespaces", zone.name.value),
                )
                .at(zone.name.span, "")
                .help("add `namespaces: {names: [...]}`"),
            );
        }
        for name in names.iter().filter(|n| !n.value.contains("${")) {
            namespace_name(name, out);
        }
    }
}

fn namespace_name(name: &Text, out: &mut Vec<Diagnostic>) {
    if !is_dns_label(&name.value) {
        out.push(
            Diagnostic::error(
                "PAL0219",
                format!("`{}` is no name of a namespace", name.value),
            )
            .at(name.span, "")
            .help("use lower-case letters, digits and `-`, at most 63 (RFC 1123)"),
        );
    }
}

pub(super) fn component_names(matrix: &Matrix, component: &Component, out: &mut Vec<Diagnostic>) {
    if !component.namespace.value.contains("${") {
        namespace_name(&component.namespace, out);
    }
    for accepts in component.accepts_from.iter().flatten() {
        let names: Vec<&str> = match accepts.kind {
            "zone" => zone_names(matrix),
            "component" => matrix
                .components
                .iter()
                .map(|c| c.name.value.as_str())
                .collect(),
            _ => matrix
                .endpoints
                .iter()
                .map(|e| e.name.value.as_str())
                .collect(),
        };
        known(&accepts.name, accepts.kind, &names, out);
    }
    for expression in &component.selector.expressions {
        let needs = matches!(expression.operator.as_str(), "In" | "NotIn");
        if needs == expression.values.is_empty() {
            let word = if needs { "needs" } else { "takes no" };
            out.push(
                Diagnostic::error(
                    "PAL0208",
                    format!("operator {} {word} `values`", expression.operator),
                )
                .at(expression.span, "")
                .help("In and NotIn have values, Exists and DoesNotExist have none"),
            );
        }
    }
}

/// Host names and the API server have no exact form in NetworkPolicy: the matrix must say how well
/// each variant says what is meant.
pub(super) fn check_endpoint(matrix: &Matrix, endpoint: &Endpoint, out: &mut Vec<Diagnostic>) {
    if let Some(zone) = &endpoint.zone {
        known(zone, "zone", &zone_names(matrix), out);
    }
    let strict = matches!(
        endpoint.kind,
        EndpointKind::Hosts | EndpointKind::KubeApiServer
    );
    if !strict {
        return;
    }
    if endpoint.variants.is_empty() {
        out.push(
            Diagnostic::error(
                "PAL0223",
                format!("endpoint `{}` needs `variants`", endpoint.name.value),
            )
            .at(endpoint.name.span, "NetworkPolicy has no form for it")
            .help("say what is enforced, for example `variants: [{any: true, fidelity: Wider, note: ...}]`"),
        );
    }
    for variant in endpoint.variants.iter().filter(|v| v.fidelity.is_none()) {
        out.push(
            Diagnostic::error(
                "PAL0223",
                format!(
                    "a variant of endpoint `{}` needs `fidelity`",
                    endpoint.name.value
                ),
            )
            .at(variant.span, "")
            .help("say `fidelity: Exact`, `Wider` or `Narrower`"),
        );
    }
}
