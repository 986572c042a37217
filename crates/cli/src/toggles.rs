//! What each toggle of a matrix opens and closes, computed and not declared.

use crate::choice::ChoiceArgs;
use crate::exit::Failure;
use crate::project::mesh_of;
use palisade_compile::Deployed;
use palisade_diagnostics::{FileId, Section, Severity};
use palisade_matrix::Matrix;
use palisade_netmodel::{Intent, World};
use palisade_resources::{Input, Options};
use palisade_verify::{Change, difference};

/// How many pairs a cell shows before it counts the rest.
const SHOWN: usize = 4;

/// Compiles the matrix with each toggle off and on, everything else as chosen, and compares what the
/// two let pass between the workloads.
pub(crate) fn effects(
    matrix: &Matrix,
    choice: &ChoiceArgs,
    inputs: &[Input<'_>],
) -> Result<Section, Failure> {
    let base = choice.choice()?;
    let options = mesh_of(Some(matrix));
    let mut paragraphs = vec![
        "Computed from the compiled policies over the workloads, everything else as chosen."
            .to_owned(),
    ];
    for toggle in &matrix.toggles {
        let name = &toggle.name.value;
        let world = |on: bool| -> Result<World, String> {
            let mut choice = base.clone();
            choice.toggles.insert(name.clone(), on);
            let (intent, problems) = palisade_matrix::resolve(matrix, &choice);
            if let Some(problem) = problems.iter().find(|d| d.severity == Severity::Error) {
                return Err(problem.title.clone());
            }
            Ok(compiled(&intent, inputs, &options))
        };
        let default = if toggle.default { "on" } else { "off" };
        paragraphs.push(match (world(false), world(true)) {
            (Ok(off), Ok(on)) => {
                let change = difference(&off, &on);
                format!(
                    "{name} (default {default}) opens {}; closes {}.",
                    summary(&change.gained),
                    summary(&change.lost)
                )
            }
            (Err(why), _) | (_, Err(why)) => {
                format!("{name} (default {default}) cannot be changed alone: {why}.")
            }
        });
    }
    Ok(Section {
        title: "What each toggle opens and closes when it is turned on".to_owned(),
        paragraphs,
        table: None,
    })
}

/// The workloads under the compiled policies of an intent.
fn compiled(intent: &Intent, inputs: &[Input<'_>], options: &Options) -> World {
    let deployed = Deployed {
        inputs,
        options,
        adjust: &|_| {},
    };
    let artefacts = palisade_compile::compile(intent, &deployed.world(intent));
    let text = artefacts.to_yaml();
    deployed.under(intent, &[(FileId(u32::MAX), &text)])
}

/// The pairs by ports, the long tail counted.
fn summary(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing".to_owned();
    }
    let mut shown: Vec<String> = changes
        .iter()
        .take(SHOWN)
        .map(|c| format!("`{}` → `{}` on {}", c.source, c.destination, c.ports))
        .collect();
    if changes.len() > SHOWN {
        shown.push(format!("{} more pairs", changes.len() - SHOWN));
    }
    shown.join(", ")
}
