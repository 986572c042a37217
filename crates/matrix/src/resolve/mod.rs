//! From a matrix and a choice to a closed intent: no parameter, toggle or condition is left.

mod environment;
mod grants;
mod parties;

pub use environment::Choice;
pub(crate) use environment::is_dns_label;

use crate::syntax::{Component, Isolation, IsolationWord, Matrix, Mesh, Zone};
use environment::Environment;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{
    Cell as ModelCell, Claim, ClaimScope, Component as ModelComponent, DeclaredPort, Direction,
    Intent, MeshMode, MtlsMode, NamespaceMatch, Origin, OutboundMode, Prerequisite, Selector,
    Serves, Zone as ModelZone,
};

/// Resolves a matrix. The intent is meant for use only if no diagnostic is an error.
#[must_use]
pub fn resolve(matrix: &Matrix, choice: &Choice) -> (Intent, Vec<Diagnostic>) {
    let mut out = Vec::new();
    let environment = Environment::new(matrix, choice, &mut out);
    let zones = matrix.zones.iter().map(|z| zone(&environment, z)).collect();
    let components: Vec<ModelComponent> = matrix
        .components
        .iter()
        .filter(|c| environment.holds(c.when.as_ref()))
        .map(|c| component(&environment, c, &mut out))
        .collect();
    let intent = Intent {
        name: matrix.name.clone(),
        title: matrix.title.clone().unwrap_or_else(|| matrix.name.clone()),
        resolution: environment.describe(choice),
        zones,
        components,
        grants: grants::all(&environment, &mut out),
        claims: claims(&environment),
        cells: cells(&environment),
        prerequisites: prerequisites(&environment),
        trust_domain: matrix.istio.trust_domain.clone(),
        mesh_root: matrix.istio.root_namespace.clone(),
    };
    out.dedup();
    (intent, out)
}

/// A mesh block after its condition and overrides.
pub(crate) struct MeshBlock {
    pub(crate) mode: MeshMode,
    mtls: Option<MtlsMode>,
    outbound: Option<OutboundMode>,
    inject: bool,
}

/// The block, if there is one and its condition holds.
pub(crate) fn mesh(environment: &Environment<'_>, block: Option<&Mesh>) -> Option<MeshBlock> {
    let block = block.filter(|m| environment.holds(m.when.as_ref()))?;
    let mut out = MeshBlock {
        mode: block.mode,
        mtls: block.mtls,
        outbound: block.outbound,
        inject: block.inject,
    };
    for o in &block.overrides {
        if environment.holds(Some(&o.when)) {
            out.mode = o.mode.unwrap_or(out.mode);
            out.mtls = o.mtls.or(out.mtls);
            out.outbound = o.outbound.or(out.outbound);
        }
    }
    Some(out)
}

fn mtls(environment: &Environment<'_>, block: Option<&MeshBlock>) -> MtlsMode {
    block
        .and_then(|m| m.mtls)
        .or(environment.matrix.istio.mode)
        .unwrap_or_default()
}

fn zone(environment: &Environment<'_>, zone: &Zone) -> ModelZone {
    let block = mesh(environment, zone.mesh.as_ref());
    ModelZone {
        origin: Origin(Some(zone.name.span)),
        name: zone.name.value.clone(),
        title: zone
            .title
            .clone()
            .unwrap_or_else(|| zone.name.value.clone()),
        kind: zone.kind,
        namespaces: parties::namespaces(environment, zone),
        mesh: block.as_ref().map(|m| m.mode).unwrap_or_default(),
        mtls: mtls(environment, block.as_ref()),
        outbound: block.as_ref().and_then(|m| m.outbound),
        inject_namespaces: block.is_some_and(|m| m.inject),
    }
}

fn component(
    environment: &Environment<'_>,
    component: &Component,
    out: &mut Vec<Diagnostic>,
) -> ModelComponent {
    let own = mesh(environment, component.mesh.as_ref());
    let zone = environment
        .matrix
        .zones
        .iter()
        .find(|z| z.name == component.zone || z.name.value == component.zone.value);
    // A component's block replaces the zone's.
    let block = own.or_else(|| mesh(environment, zone?.mesh.as_ref()));
    let mut ports = Vec::new();
    for port in &component.ports {
        let Some(first) = environment.number(&port.port, out) else {
            continue;
        };
        let last = port
            .end_port
            .as_ref()
            .and_then(|e| environment.number(e, out));
        if let Some(last) = last.filter(|last| *last < first) {
            out.push(grants::backwards(first, last, port.end_port.as_ref()));
            continue;
        }
        let texts = |list| {
            let texts = environment.texts(list);
            texts.into_iter().map(|t| t.value).collect()
        };
        ports.push(DeclaredPort {
            name: port.name.value.clone(),
            protocol: port.protocol,
            port: first,
            end_port: last.unwrap_or(first),
            serves: if port.tls { Serves::Tls } else { Serves::Plain },
            mesh_bypass: port.mesh_bypass,
            credentials: texts(&port.credentials),
            hosts: texts(&port.hosts),
        });
    }
    ModelComponent {
        origin: Origin(Some(component.name.span)),
        name: component.name.value.clone(),
        title: component
            .title
            .clone()
            .unwrap_or_else(|| component.name.value.clone()),
        zone: component.zone.value.clone(),
        namespace: environment.text(&component.namespace),
        selector: environment.selector(&component.selector),
        service_account: component
            .service_account
            .as_ref()
            .map(|s| environment.text(s)),
        ports,
        managed: environment.holds(component.policies.as_ref()),
        mesh: block.as_ref().map(|m| m.mode).unwrap_or_default(),
        mtls: mtls(environment, block.as_ref()),
        gateway: component.gateway,
        open: component.open,
    }
}

/// Isolation after overrides, as (ingress, egress).
fn isolation(
    environment: &Environment<'_>,
    isolation: &Isolation,
) -> (IsolationWord, IsolationWord) {
    let (mut ingress, mut egress) = (isolation.ingress, isolation.egress);
    for o in &isolation.overrides {
        if environment.holds(Some(&o.when)) {
            ingress = o.ingress.unwrap_or(ingress);
            egress = o.egress.unwrap_or(egress);
        }
    }
    (ingress, egress)
}

fn word(pair: (IsolationWord, IsolationWord), direction: Direction) -> IsolationWord {
    match direction {
        Direction::Ingress => pair.0,
        Direction::Egress => pair.1,
    }
}

/// Where undeclared connections are excluded: every pod of the namespaces of a zone that says
/// Namespace; the pods of each managed component that says, or whose zone says, Component.
fn claims(environment: &Environment<'_>) -> Vec<Claim> {
    let matrix = environment.matrix;
    let mut out = Vec::new();
    for zone in &matrix.zones {
        let zone_words = isolation(environment, &zone.isolation);
        for direction in [Direction::Ingress, Direction::Egress] {
            if word(zone_words, direction) == IsolationWord::Namespace {
                for namespaces in parties::namespaces(environment, zone) {
                    out.push(Claim {
                        origin: Origin(zone.isolation.span.or(Some(zone.name.span))),
                        direction,
                        scope: ClaimScope::Zone(zone.name.value.clone()),
                        namespaces,
                        pods: Selector::everything(),
                    });
                }
            }
        }
    }
    for component in &matrix.components {
        let present = environment.holds(component.when.as_ref())
            && environment.holds(component.policies.as_ref());
        let zone = matrix
            .zones
            .iter()
            .find(|z| z.name.value == component.zone.value);
        let block = component.isolation.as_ref().or(zone.map(|z| &z.isolation));
        let Some(block) = block.filter(|_| present) else {
            continue;
        };
        let words = isolation(environment, block);
        for direction in [Direction::Ingress, Direction::Egress] {
            let own = component.isolation.is_some();
            let claimed = match word(words, direction) {
                IsolationWord::None => false,
                IsolationWord::Component => true,
                // The zone's own claim covers it already.
                IsolationWord::Namespace => own,
            };
            if claimed {
                out.push(Claim {
                    origin: Origin(block.span.or(Some(component.name.span))),
                    direction,
                    scope: ClaimScope::Component(component.name.value.clone()),
                    namespaces: NamespaceMatch::Named(environment.text(&component.namespace)),
                    pods: environment.selector(&component.selector),
                });
            }
        }
    }
    out
}

fn cells(environment: &Environment<'_>) -> Vec<ModelCell> {
    environment
        .matrix
        .cells
        .iter()
        .filter(|c| environment.holds(c.when.as_ref()))
        .map(|cell| {
            let (posture, required) = grants::effective(environment, cell);
            let mechanism = cell
                .overrides
                .iter()
                .rev()
                .filter(|o| environment.holds(Some(&o.when)))
                .find_map(|o| o.mechanism.clone())
                .or_else(|| cell.mechanism.clone());
            ModelCell {
                origin: Origin(Some(cell.span)),
                from: cell.from.value.clone(),
                to: cell.to.value.clone(),
                posture,
                encryption: required.unwrap_or_default(),
                mechanism: mechanism.unwrap_or_default(),
                footnotes: cell
                    .footnotes
                    .iter()
                    .map(|(id, text)| format!("{id}: {text}"))
                    .collect(),
            }
        })
        .collect()
}

fn prerequisites(environment: &Environment<'_>) -> Vec<Prerequisite> {
    environment
        .matrix
        .requires
        .iter()
        .filter(|r| environment.holds(r.when.as_ref()))
        .map(|r| Prerequisite {
            origin: Origin(Some(r.span)),
            capability: r.capability.clone(),
            min: r.min.clone(),
            reason: r.reason.clone(),
        })
        .collect()
}
