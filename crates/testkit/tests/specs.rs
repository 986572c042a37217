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

/// A heading as the address of its section: small letters, hyphens for spaces, no other punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// `docs/istio.md` says where each rule of Istio is shown: every link leads to a page and a section, and
/// every page about Istio is linked.
#[test]
fn rules_of_istio_lead_to_their_pages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("docs/istio.md")).unwrap();
    let links: Vec<(&str, Option<&str>)> = text
        .split("](../")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(link, _)| {
            link.split_once('#')
                .map_or((link, None), |(p, s)| (p, Some(s)))
        })
        .collect();
    let pages = pages();
    let lost: Vec<_> = links
        .iter()
        .filter(|(page, section)| {
            !fs::read_to_string(root.join(page)).is_ok_and(|text| {
                let mut headings = text.lines().filter_map(|line| line.strip_prefix("## "));
                section.is_none_or(|section| headings.any(|h| anchor(h) == section))
            })
        })
        .collect();
    assert!(lost.is_empty(), "no such page or section: {lost:?}");
    let about = ["specs/istio/", "specs/ambient/"];
    let unlinked: Vec<&str> = pages
        .iter()
        .map(|page| page.name.as_str())
        .filter(|name| about.iter().any(|folder| name.starts_with(folder)))
        .filter(|name| links.iter().all(|(page, _)| page != name))
        .collect();
    assert!(unlinked.is_empty(), "not in docs/istio.md: {unlinked:?}");
}
