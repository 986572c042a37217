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

/// Every page below a folder, but for the description of the format. What cannot be read is a page
/// with a problem.
fn collect(root: &Path, folder: &Path, pages: &mut Vec<Page>) {
    let Ok(entries) = fs::read_dir(folder) else {
        pages.push(unreadable(folder));
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(root, &path, pages);
        } else if path.extension().is_some_and(|e| e == "md") && path != root.join("README.md") {
            let name = path.strip_prefix(root).unwrap_or(&path).display();
            let page = fs::read_to_string(&path).map_or_else(
                |_| unreadable(&path),
                |text| parse(&format!("specs/{name}"), &text),
            );
            pages.push(page);
        }
    }
}

fn unreadable(path: &Path) -> Page {
    Page {
        problems: vec![format!("{} cannot be read", path.display())],
        ..Page::default()
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
    assert!(pages.len() >= 100, "only {} pages", pages.len());
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
