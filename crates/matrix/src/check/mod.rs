//! What must hold of a matrix in every variant: names, references, reasons, conditions.

mod conditions;
mod flows;
mod names;
mod overrides;
mod parameters;
mod parties;

use crate::syntax::Matrix;
use conditions::conditions;
use flows::{cells, check_flow, is_date};
use names::{GATEWAY, gateways, known, names, zone_names};
use overrides::overrides;
use palisade_diagnostics::Diagnostic;
use parameters::parameters_used;
use parties::{check_endpoint, component_names, zones};

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
