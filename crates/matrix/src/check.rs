//! What must hold of a matrix in every variant: names, references, reasons, conditions.

use crate::resolve::is_dns_label;
use crate::syntax::{
    Component, Endpoint, EndpointKind, Flow, FlowPorts, Isolation, Listed, Matrix, Mesh, Selector,
    Text, When,
};
use palisade_diagnostics::{Diagnostic, Span, did_you_mean};
use palisade_netmodel::ZoneKind;
use std::collections::{BTreeMap, BTreeSet};

/// Reports everything that does not depend on a choice.
pub(crate) fn check(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    names(matrix, out);
    conditions(matrix, out);
    parameters_used(matrix, out);
    zones(matrix, out);
    for component in &matrix.components {
        known(&component.zone, "zone", &zone_names(matrix), out);
        component_names(matrix, component, out);
    }
    for endpoint in &matrix.endpoints {
        check_endpoint(matrix, endpoint, out);
    }
    for flow in &matrix.flows {
        check_flow(matrix, flow, out);
    }
    for cell in &matrix.cells {
        known(&cell.from, "zone", &zone_names(matrix), out);
        known(&cell.to, "zone", &zone_names(matrix), out);
        for at in cell.hops.iter().filter_map(|hop| hop.at.as_ref()) {
            known(at, GATEWAY, &gateways(matrix), out);
        }
    }
    cells(matrix, out);
    let flows: Vec<&str> = matrix.flows.iter().map(|f| f.id.value.as_str()).collect();
    for exception in &matrix.exceptions {
        known(&exception.flow, "flow", &flows, out);
        if let Some(date) = exception.expires.as_ref().filter(|d| !is_date(d)) {
            out.push(
                Diagnostic::error("PAL0235", format!("`{date}` is no date"))
                    .at(exception.span, "`expires` of this exception")
                    .help("write it as 2027-12-31"),
            );
        }
    }
    overrides(matrix, out);
}

/// What a flow goes `via`, and where a hop ends.
const GATEWAY: &str = "component with `role: Gateway`";

fn gateways(matrix: &Matrix) -> Vec<&str> {
    let gateways = matrix.components.iter().filter(|c| c.gateway);
    gateways.map(|c| c.name.value.as_str()).collect()
}

/// `YYYY-MM-DD` with a month and a day that exist in some year.
fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let number = |part: &str, length: usize| {
        (part.len() == length)
            .then(|| part.parse::<u32>().ok())
            .flatten()
    };
    let longest = match number(month, 2) {
        Some(2) => 29,
        Some(4 | 6 | 9 | 11) => 30,
        Some(1..=12) => 31,
        _ => 0,
    };
    number(year, 4).is_some() && number(day, 2).is_some_and(|d| (1..=longest).contains(&d))
}

fn zone_names(matrix: &Matrix) -> Vec<&str> {
    matrix.zones.iter().map(|z| z.name.value.as_str()).collect()
}

/// An unknown name, with the nearest known one.
fn known(name: &Text, what: &str, names: &[&str], out: &mut Vec<Diagnostic>) {
    if names.contains(&name.value.as_str()) {
        return;
    }
    let diagnostic = Diagnostic::error("PAL0213", format!("there is no {what} `{}`", name.value))
        .at(name.span, "");
    out.push(match did_you_mean(&name.value, names.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => diagnostic.help(format!("the matrix declares no {what}")),
        None => diagnostic.help(format!("there are: {}", names.join(", "))),
    });
}

/// One cell per pair of zones, unless at most one of them is there.
fn cells(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    for (index, cell) in matrix.cells.iter().enumerate() {
        let same = |other: &&crate::syntax::Cell| {
            let conditions = other.when.as_ref().zip(cell.when.as_ref());
            other.from.value == cell.from.value
                && other.to.value == cell.to.value
                && !conditions.is_some_and(|(a, b)| exclude(a, b))
        };
        if let Some(first) = matrix.cells.iter().take(index).find(same) {
            let (from, to) = (&cell.from.value, &cell.to.value);
            out.push(
                Diagnostic::error("PAL0212", format!("cell {from} to {to} is given twice"))
                    .at(cell.from.span, "again here")
                    .at(first.from.span, "first here")
                    .help(
                        "make one cell of the two; `overrides` takes what depends on a condition",
                    ),
            );
        }
    }
}

/// Names are unique: components, endpoints and zones together, since flows name any of them.
fn names(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    let parties = (matrix.zones.iter().map(|z| &z.name))
        .chain(matrix.endpoints.iter().map(|e| &e.name))
        .chain(matrix.components.iter().map(|c| &c.name));
    unique("name", parties, out);
    unique("flow id", matrix.flows.iter().map(|f| &f.id), out);
    unique("parameter", matrix.parameters.iter().map(|p| &p.name), out);
    unique("toggle", matrix.toggles.iter().map(|t| &t.name), out);
    unique("platform", matrix.platforms.iter().map(|p| &p.name), out);
    unique("exception id", matrix.exceptions.iter().map(|e| &e.id), out);
    for component in &matrix.components {
        unique("port", component.ports.iter().map(|p| &p.name), out);
    }
    for flow in &matrix.flows {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !flow.id.value.chars().all(plain) {
            out.push(
                Diagnostic::error(
                    "PAL0207",
                    format!("flow id `{}` is no plain word", flow.id.value),
                )
                .at(flow.id.span, "")
                .help("use letters, digits, `-`, `_` and `.`"),
            );
        }
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a Text>, out: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for name in names {
        if let Some(first) = seen.get(name.value.as_str()) {
            out.push(
                Diagnostic::error("PAL0212", format!("{what} `{}` is given twice", name.value))
                    .at(name.span, "again here")
                    .at(*first, "first here")
                    .help("rename one of the two"),
            );
        } else {
            seen.insert(&name.value, name.span);
        }
    }
}

/// Every condition names toggles, platforms and parameters that exist.
fn conditions(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    let toggles: Vec<&str> = matrix
        .toggles
        .iter()
        .map(|t| t.name.value.as_str())
        .collect();
    let platforms: Vec<&str> = matrix
        .platforms
        .iter()
        .map(|p| p.name.value.as_str())
        .collect();
    let parameters: Vec<&str> = matrix
        .parameters
        .iter()
        .map(|p| p.name.value.as_str())
        .collect();
    for when in all_conditions(matrix) {
        let mut inner = Some(when);
        let mut empty = true;
        while let Some(when) = inner {
            for (name, what, names) in [
                (&when.toggle, "toggle", &toggles),
                (&when.platform, "platform", &platforms),
                (&when.parameter, "parameter", &parameters),
            ] {
                if let Some(name) = name {
                    empty = false;
                    known(name, what, names, out);
                }
            }
            empty &= when.cni.is_empty();
            inner = when.not.as_deref();
        }
        if empty {
            out.push(
                Diagnostic::error("PAL0217", "`when` without a condition")
                    .at(when.span, "")
                    .help("name a toggle, platform, cni or parameter, or remove `when`"),
            );
        }
    }
}

fn all_conditions(matrix: &Matrix) -> Vec<&When> {
    let mut out: Vec<&When> = Vec::new();
    for set_by in (matrix.toggles.iter().flat_map(|t| &t.set_by))
        .chain(matrix.parameters.iter().flat_map(|p| &p.set_by))
    {
        out.extend(&set_by.when);
    }
    out.extend(matrix.requires.iter().filter_map(|r| r.when.as_ref()));
    for zone in &matrix.zones {
        out.extend(zone.isolation.overrides.iter().map(|o| &o.when));
        out.extend(mesh_conditions(zone.mesh.as_ref()));
    }
    for endpoint in &matrix.endpoints {
        out.extend(&endpoint.when);
        out.extend(endpoint.variants.iter().filter_map(|v| v.when.as_ref()));
    }
    for component in &matrix.components {
        out.extend(component.when.iter().chain(&component.policies));
        let own = component.isolation.iter().flat_map(|i| &i.overrides);
        out.extend(own.map(|o| &o.when));
        out.extend(mesh_conditions(component.mesh.as_ref()));
    }
    for cell in &matrix.cells {
        out.extend(&cell.when);
        out.extend(cell.overrides.iter().map(|o| &o.when));
    }
    out.extend(matrix.flows.iter().filter_map(|f| f.when.as_ref()));
    out.extend(matrix.exceptions.iter().filter_map(|e| e.when.as_ref()));
    out
}

fn mesh_conditions(mesh: Option<&Mesh>) -> impl Iterator<Item = &When> {
    mesh.into_iter()
        .flat_map(|m| m.when.iter().chain(m.overrides.iter().map(|o| &o.when)))
}

/// Every `${name}` names a parameter.
fn parameters_used(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
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

fn of_list(list: &Listed<Text>) -> &[Text] {
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

fn zones(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
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

fn component_names(matrix: &Matrix, component: &Component, out: &mut Vec<Diagnostic>) {
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
fn check_endpoint(matrix: &Matrix, endpoint: &Endpoint, out: &mut Vec<Diagnostic>) {
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

/// A gateway that listens on no port admits nobody, whatever goes through it.
fn deaf_gateway(matrix: &Matrix, via: &Text) -> Option<Diagnostic> {
    let gateway = matrix
        .components
        .iter()
        .find(|c| c.name.value == via.value)?;
    gateway.ports.is_empty().then(|| {
        Diagnostic::error(
            "PAL0209",
            format!(
                "gateway `{}` has no ports, so nothing goes through it",
                via.value
            ),
        )
        .at(via.span, "")
        .help("list under `ports` of the component the ports that the gateway listens on")
    })
}

fn check_flow(matrix: &Matrix, flow: &Flow, out: &mut Vec<Diagnostic>) {
    let parties: Vec<&str> = (matrix.components.iter().map(|c| c.name.value.as_str()))
        .chain(matrix.endpoints.iter().map(|e| e.name.value.as_str()))
        .chain(zone_names(matrix))
        .collect();
    for name in flow.from.iter().chain(&flow.to) {
        known(name, "component, endpoint or zone", &parties, out);
    }
    if let Some(via) = &flow.via {
        known(via, GATEWAY, &gateways(matrix), out);
        out.extend(deaf_gateway(matrix, via));
    }
    if matches!(&flow.ports, FlowPorts::Items(items) if items.is_empty()) {
        out.push(
            Diagnostic::error("PAL0209", format!("flow `{}` has no ports", flow.id.value))
                .at(flow.id.span, "")
                .help("list its ports, or write `ports: All` if every port is meant"),
        );
    }
    let reason = flow.reason.value.trim();
    let rubbish: BTreeSet<&str> = ["todo", "tbd", "fixme", "xxx", "n/a", "-", "none", "?"].into();
    let lower = reason.to_lowercase();
    // A mark with a colon and more words says no more than the mark.
    let unfinished = ["todo", "tbd", "fixme", "xxx"].iter().any(|word| {
        let rest = lower.strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    });
    if reason.chars().count() < 3 || unfinished || rubbish.contains(lower.as_str()) {
        out.push(
            Diagnostic::error(
                "PAL0226",
                format!(
                    "flow `{}` has no reason that a reader could use",
                    flow.id.value
                ),
            )
            .at(flow.reason.span, "")
            .help("say in a few words what the connection is for"),
        );
    }
    if !flow.ingress && !flow.egress {
        out.push(
            Diagnostic::error(
                "PAL0227",
                format!("flow `{}` enforces nothing", flow.id.value),
            )
            .at(flow.id.span, "")
            .help("list Ingress, Egress or both under `enforce`, or leave `enforce` out"),
        );
    }
}

/// Two overrides that can hold together must not set one field to different values, so that their
/// order never matters.
fn overrides(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
    for zone in &matrix.zones {
        isolation_overrides(&zone.isolation, out);
        mesh_overrides(zone.mesh.as_ref(), out);
    }
    for component in &matrix.components {
        if let Some(isolation) = &component.isolation {
            isolation_overrides(isolation, out);
        }
        mesh_overrides(component.mesh.as_ref(), out);
    }
    for cell in &matrix.cells {
        let fields: Vec<(&When, Vec<Setting>)> = cell
            .overrides
            .iter()
            .map(|o| {
                let encryption = o.encryption.as_ref().map(|e| format!("{}", e.require));
                let settings = [
                    ("posture", o.posture.map(|p| format!("{p:?}"))),
                    ("encryption", encryption),
                    ("mechanism", o.mechanism.clone()),
                ];
                (&o.when, settings.to_vec())
            })
            .collect();
        contradictions(&fields, out);
    }
}

/// A field and the value that an override gives it.
type Setting = (&'static str, Option<String>);

fn isolation_overrides(isolation: &Isolation, out: &mut Vec<Diagnostic>) {
    let fields: Vec<(&When, Vec<Setting>)> = isolation
        .overrides
        .iter()
        .map(|o| {
            let settings = [
                ("ingress", o.ingress.map(|w| format!("{w:?}"))),
                ("egress", o.egress.map(|w| format!("{w:?}"))),
            ];
            (&o.when, settings.to_vec())
        })
        .collect();
    contradictions(&fields, out);
}

fn mesh_overrides(mesh: Option<&Mesh>, out: &mut Vec<Diagnostic>) {
    let Some(mesh) = mesh else { return };
    let fields: Vec<(&When, Vec<Setting>)> = mesh
        .overrides
        .iter()
        .map(|o| {
            let settings = [
                ("mode", o.mode.map(|w| format!("{w:?}"))),
                ("mtls", o.mtls.map(|w| format!("{w}"))),
                ("outbound", o.outbound.map(|w| format!("{w:?}"))),
            ];
            (&o.when, settings.to_vec())
        })
        .collect();
    contradictions(&fields, out);
}

fn contradictions(overrides: &[(&When, Vec<Setting>)], out: &mut Vec<Diagnostic>) {
    for (index, (when, settings)) in overrides.iter().enumerate() {
        for (other, others) in overrides.iter().skip(index + 1) {
            if exclude(when, other) {
                continue;
            }
            for ((field, a), (_, b)) in settings.iter().zip(others) {
                if let (Some(a), Some(b)) = (a, b)
                    && a != b
                {
                    out.push(
                        Diagnostic::error(
                            "PAL0224",
                            format!(
                                "two overrides can hold together and set `{field}` to {a} and {b}"
                            ),
                        )
                        .at(other.span, "this condition")
                        .at(when.span, "and this one")
                        .help("make the conditions exclude each other, or the values equal"),
                    );
                }
            }
        }
    }
}

/// Whether two conditions can never hold together: different platforms, or one says what the other
/// negates.
fn exclude(a: &When, b: &When) -> bool {
    let different = |x: &Option<Text>, y: &Option<Text>| matches!((x, y), (Some(x), Some(y)) if x.value != y.value);
    let negates = |a: &When, b: &When| {
        a.not
            .as_ref()
            .is_some_and(|not| not.not.is_none() && not.cni.is_empty() && implies(b, not))
    };
    different(&a.platform, &b.platform) || negates(a, b) || negates(b, a)
}

/// Whether `a` holds only where `b` does: every key of `b` stands in `a`.
fn implies(a: &When, b: &When) -> bool {
    let has = |x: &Option<Text>, y: &Option<Text>| {
        y.as_ref()
            .is_none_or(|y| x.as_ref().is_some_and(|x| x.value == y.value))
    };
    has(&a.toggle, &b.toggle) && has(&a.platform, &b.platform) && has(&a.parameter, &b.parameter)
}
