//! Conditions: they name what exists, and two of them can or cannot hold together.

use super::names::known;
use crate::syntax::{Matrix, Mesh, Text, When};
use palisade_diagnostics::Diagnostic;

/// Every condition names toggles, platforms and parameters that exist.
pub(super) fn conditions(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
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

/// Whether two conditions can never hold together: different platforms, or one says what the other
/// negates.
pub(super) fn exclude(a: &When, b: &When) -> bool {
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
