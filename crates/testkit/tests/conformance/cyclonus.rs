//! The generated cases of cyclonus, on reference and engine.

use palisade_netmodel::Flow;
use palisade_testkit::cyclonus::{CASES, Step, VERDICTS, cases};
use palisade_testkit::{Contract, Reference, Symbolic};

#[test]
fn every_verdict_of_cyclonus() {
    let text = crate::text(&crate::home().join("cyclonus/cases.ndjson"));
    let cases = cases(&text).unwrap();
    let steps: Vec<&Step> = cases.iter().flatten().collect();
    let mut wrong = Vec::new();
    for step in &steps {
        for engine in [&Reference as &dyn Contract, &Symbolic] {
            let flows: Vec<Flow> = step.rows.iter().map(|(flow, _)| *flow).collect();
            let answers = engine.decide(&step.world, &flows);
            assert_eq!(answers.len(), step.rows.len());
            for ((flow, expected), (answer, _)) in step.rows.iter().zip(answers) {
                if answer != *expected {
                    let (place, name) = (&step.place, engine.name());
                    wrong.push(format!(
                        "{place}: {flow:?}: {expected:?}, {name} says {answer:?}"
                    ));
                }
            }
        }
    }
    let verdicts: usize = steps.iter().map(|step| step.rows.len()).sum();
    println!(
        "cyclonus: {} cases, {verdicts} verdicts, on reference and engine",
        cases.len()
    );
    assert!(
        wrong.is_empty(),
        "{} wrong\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!((cases.len(), verdicts), (CASES, VERDICTS));
}
