//! Every engine answers every scenario of `specs/**/*.md` as the page says.

use palisade_testkit::specs::{Expectation, Page, parse, run};
use palisade_testkit::{Contract, Reference, Symbolic};
use std::fs;
use std::path::Path;

fn pages() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../specs");
    let mut pages = Vec::new();
    collect(&root, &root, &mut pages);
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    pages
}

fn collect(root: &Path, folder: &Path, pages: &mut Vec<Page>) {
    for entry in fs::read_dir(folder).expect("specs/ is readable") {
        let path = entry.expect("specs/ is readable").path();
        if path.is_dir() {
            collect(root, &path, pages);
        } else if path.extension().is_some_and(|e| e == "md") && path != root.join("README.md") {
            let text = fs::read_to_string(&path).expect("a page is UTF-8");
            let name = path.strip_prefix(root).expect("below specs/");
            pages.push(parse(&format!("specs/{}", name.display()), &text));
        }
    }
}

fn check(engine: &dyn Contract) {
    let pages = pages();
    let failures: Vec<String> = pages.iter().flat_map(|page| run(page, engine)).collect();
    assert!(
        failures.is_empty(),
        "{} failures\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(pages.len() >= 25, "only {} pages", pages.len());
    let scenarios = pages.iter().map(|p| p.scenarios.len()).sum::<usize>();
    println!("{} pages, {scenarios} scenarios", pages.len());
}

#[test]
fn reference_answers_as_the_pages_say() {
    check(&Reference);
}

#[test]
fn symbolic_engine_answers_as_the_pages_say() {
    check(&Symbolic);
}

/// Turning any expectation round must be noticed: no row is skipped.
#[test]
fn every_row_counts() {
    for page in pages() {
        for (index, scenario) in page.scenarios.iter().enumerate() {
            let Expectation::Flows(rows) = &scenario.expectation else {
                continue;
            };
            for row in 0..rows.len() {
                let mut changed = page.clone();
                let Expectation::Flows(rows) = &mut changed.scenarios[index].expectation else {
                    continue;
                };
                use palisade_netmodel::Outcome::{Allow, Deny, Depends};
                rows[row].outcome = match rows[row].outcome {
                    Allow => Deny,
                    Deny => Depends,
                    Depends => Allow,
                };
                changed.scenarios = vec![changed.scenarios[index].clone()];
                assert!(
                    !run(&changed, &Reference).is_empty(),
                    "{} line {}",
                    page.name,
                    scenario.line
                );
            }
        }
    }
}
