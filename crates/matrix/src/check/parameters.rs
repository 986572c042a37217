//! Parameters in texts: every `${name}` names one.

use super::names::known;
use crate::syntax::{FlowPorts, Listed, Matrix, Selector, Text};
use palisade_diagnostics::Diagnostic;

/// Every `${name}` names a parameter.
pub(super) fn parameters_used(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    let names: Vec<&str> = matrix
        .parameters
        .iter()
        .map(|p| p.name.value.as_str())
        .collect();
    for text in all_texts(matrix) {
        let mut rest = text.value.as_str();
        while let Some((_, after)) = rest.split_once("${") {
            let Some((name, more)) = after.split_once('}') else {
                out.push(
                    Diagnostic::error("PAL0216", "`${` without `}`")
                        .at(text.span, "")
                        .help("write ${name}"),
                );
                break;
            };
            let name = palisade_yaml::Spanned {
                value: name.to_owned(),
                span: text.span,
            };
            known(&name, "parameter", &names, out);
            rest = more;
        }
    }
}

pub(super) fn of_list(list: &Listed<Text>) -> &[Text] {
    match list {
        Listed::Items(items) => items,
        Listed::Parameter(text) => std::slice::from_ref(text),
    }
}

fn all_texts(matrix: &Matrix) -> Vec<&Text> {
    let mut out: Vec<&Text> = Vec::new();
    for zone in &matrix.zones {
        out.extend(of_list(&zone.namespaces.names));
        out.extend(zone.namespaces.selector.iter().flat_map(of_selector));
    }
    for platform in matrix.platforms.iter().filter_map(|p| p.dns.as_ref()) {
        out.push(&platform.namespace);
        out.extend(of_selector(&platform.pods));
    }
    for endpoint in &matrix.endpoints {
        out.extend(of_list(&endpoint.cidrs));
        out.extend(of_list(&endpoint.hosts));
        out.extend(endpoint.port.iter().filter_map(of_number));
        out.extend(&endpoint.ca_bundle);
        if let Listed::Parameter(text) = &endpoint.peers {
            out.push(text);
        }
        for variant in &endpoint.variants {
            out.extend(of_list(&variant.cidrs));
            if let Listed::Parameter(text) = &variant.peers {
                out.push(text);
            }
        }
    }
    for component in &matrix.components {
        out.push(&component.namespace);
        out.extend(of_selector(&component.selector));
        out.extend(&component.service_account);
        for port in &component.ports {
            out.extend(of_number(&port.port));
            out.extend(of_list(&port.credentials));
            out.extend(of_list(&port.hosts));
        }
    }
    for flow in &matrix.flows {
        if let FlowPorts::Items(items) = &flow.ports {
            for item in items {
                if let crate::syntax::FlowPort::Port(port) = item {
                    out.extend(port.port.iter().filter_map(of_number));
                    out.extend(port.end_port.iter().filter_map(of_number));
                }
            }
        }
    }
    out
}

fn of_selector(selector: &Selector) -> impl Iterator<Item = &Text> {
    let values = selector.expressions.iter().flat_map(|e| &e.values);
    selector.labels.iter().map(|(_, value)| value).chain(values)
}

fn of_number(number: &crate::syntax::Number) -> Option<&Text> {
    match number {
        crate::syntax::Number::Is(_) => None,
        crate::syntax::Number::Parameter(text) => Some(text),
    }
}
