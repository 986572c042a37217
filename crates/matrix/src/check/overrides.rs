//! Overrides that can hold together never contradict each other.

use super::conditions::exclude;
use crate::syntax::{Isolation, Matrix, Mesh, When};
use palisade_diagnostics::Diagnostic;

/// Two overrides that can hold together must not set one field to different values, so that their
/// order never matters.
pub(super) fn overrides(matrix: &Matrix, out: &mut Vec<Diagnostic>) {
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
