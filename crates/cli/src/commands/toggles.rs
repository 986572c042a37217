//! What each toggle of a matrix opens and closes, computed and not declared.

use crate::choice::ChoiceArgs;
use crate::exit::Failure;
use palisade_compile::Deployed;
use palisade_diagnostics::{FileId, Section, Severity, Sources, Table};
use palisade_matrix::Matrix;
use palisade_netmodel::World;
use palisade_resources::{Input, Options};
use palisade_verify::{Change, difference};

/// How many pairs a cell shows before it counts the rest.
const SHOWN: usize = 4;

/// Compiles the matrix with each toggle off and on, everything else as chosen, and compares what the
/// two let pass between the workloads.
pub(super) fn effects(
    matrix: &Matrix,
    choice: &ChoiceArgs,
    inputs: &[Input<'_>],
) -> Result<Section, Failure> {
    let base = choice.choice()?;
    let mut rows = Vec::new();
    for toggle in &matrix.toggles {
        let name = &toggle.name.value;
        let world = |on: bool| -> Result<World, String> {
            let mut choice = base.clone();
            choice.toggles.insert(name.clone(), on);
            let (intent, problems) = palisade_matrix::resolve(matrix, &choice);
            if let Some(problem) = problems.iter().find(|d| d.severity == Severity::Error) {
                return Err(problem.title.clone());
            }
            Ok(compiled(&intent, inputs))
        };
        let row = match (world(false), world(true)) {
            (Ok(off), Ok(on)) => {
                let change = difference(&off, &on);
                vec![summary(&change.gained), summary(&change.lost)]
            }
            (Err(why), _) | (_, Err(why)) => vec![format!("not possible: {why}"), String::new()],
        };
        let default = if toggle.default { "on" } else { "off" };
        let mut cells = vec![name.clone(), default.to_owned()];
        cells.extend(row);
        rows.push(cells);
    }
    Ok(Section {
        title: "What each toggle opens and closes when it is turned on".to_owned(),
        paragraphs: vec![
            "Computed from the compiled policies over the workloads, everything else as chosen."
                .to_owned(),
        ],
        table: Some(Table {
            columns: ["Toggle", "Default", "Opens", "Closes"]
                .map(str::to_owned)
                .to_vec(),
            rows,
        }),
    })
}

/// The workloads under the compiled policies of an intent.
fn compiled(intent: &palisade_netmodel::Intent, inputs: &[Input<'_>]) -> World {
    let options = Options::default();
    let deployed = Deployed {
        inputs,
        options: &options,
        adjust: &|_| {},
    };
    let artefacts = palisade_compile::compile(intent, &deployed.world(intent));
    let mut sources = Sources::new();
    let text = artefacts.to_yaml();
    sources.add("<compiled>", text.as_str());
    deployed.under(intent, &[(FileId(u32::MAX), &text)])
}

fn summary(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "nothing".to_owned();
    }
    let mut shown: Vec<String> = changes
        .iter()
        .take(SHOWN)
        .map(|c| format!("{} → {} {}", c.source, c.destination, c.ports))
        .collect();
    if changes.len() > SHOWN {
        shown.push(format!("and {} more pairs", changes.len() - SHOWN));
    }
    shown.join("; ")
}
