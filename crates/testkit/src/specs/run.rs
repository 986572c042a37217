//! Runs the scenarios of a page on one engine.

use super::page::{Expectation, Page, Row, Scenario};
use crate::Contract;
use palisade_diagnostics::render::diagnostics_text;
use palisade_diagnostics::{Diagnostic, Severity, Sources};
use palisade_netmodel::{Encryption, Endpoint, Flow, Outcome, Profile, World, reference};
use palisade_resources::{Input, Loaded, Options, Role, load};

/// What an engine answers differently, one message each, and what is wrong with the page itself.
#[must_use]
pub fn run(page: &Page, engine: &dyn Contract) -> Vec<String> {
    let mut failures = page.problems.clone();
    for scenario in &page.scenarios {
        let place =
            |line: usize, what: &str| format!("{}:{line}: {}: {what}", page.name, scenario.heading);
        let found = match &scenario.expectation {
            Expectation::Rejected(code) => rejected(scenario, code),
            Expectation::Flows(rows) => flows(scenario, rows, engine),
        };
        failures.extend(found.iter().map(|(line, what)| place(*line, what)));
    }
    failures
}

/// The world of a scenario; `None` if its object must be refused.
#[must_use]
pub fn world_of(scenario: &Scenario) -> Option<World> {
    let read = || read(scenario).0.world;
    matches!(scenario.expectation, Expectation::Flows(_)).then(read)
}

/// A line of the page, and what is wrong there.
type Failure = (usize, String);

/// The world of some manifests.
///
/// # Errors
/// What is wrong with them.
pub fn world(manifests: &str) -> Result<World, String> {
    let (loaded, sources) = read_text(manifests);
    let broken: Vec<Diagnostic> = errors(&loaded).into_iter().cloned().collect();
    if broken.is_empty() {
        return Ok(loaded.world);
    }
    Err(diagnostics_text(&broken, &sources, &Default::default()))
}

fn read(scenario: &Scenario) -> (Loaded, Sources) {
    read_text(&scenario.manifests)
}

fn read_text(manifests: &str) -> (Loaded, Sources) {
    let mut sources = Sources::new();
    let file = sources.add("manifests", manifests);
    let input = Input {
        file,
        text: manifests.into(),
        role: Role::Both,
    };
    (load(&[input], &Options::default()), sources)
}

fn errors(loaded: &Loaded) -> Vec<&Diagnostic> {
    let is_error = |d: &&Diagnostic| d.severity == Severity::Error;
    loaded.diagnostics.iter().filter(is_error).collect()
}

fn rejected(scenario: &Scenario, code: &str) -> Vec<Failure> {
    let (loaded, _) = read(scenario);
    let codes: Vec<&str> = errors(&loaded).iter().map(|d| d.code.0).collect();
    if codes == [code] && loaded.left_out.len() == 1 {
        return Vec::new();
    }
    let what = format!("must be refused with {code}; the errors are {codes:?}");
    vec![(scenario.line, what)]
}

fn flows(scenario: &Scenario, rows: &[Row], engine: &dyn Contract) -> Vec<Failure> {
    let (loaded, sources) = read(scenario);
    let broken: Vec<Diagnostic> = errors(&loaded).into_iter().cloned().collect();
    if !broken.is_empty() {
        let text = diagnostics_text(&broken, &sources, &Default::default());
        return vec![(scenario.line, format!("the manifests have errors\n{text}"))];
    }
    let mut world = loaded.world;
    if let Some(name) = &scenario.cni {
        match Profile::named(name) {
            Some(profile) => world.profile = profile,
            None => return vec![(scenario.line, format!("no network profile {name:?}"))],
        }
    }
    let mut failures = Vec::new();
    for row in rows {
        match flows_of(&world, row) {
            Ok(flows) => failures.extend(differences(&world, row, &flows, engine)),
            Err(what) => failures.push((row.line, what)),
        }
    }
    failures
}

/// Every combination of a row's ends and ports.
fn flows_of(world: &World, row: &Row) -> Result<Vec<Flow>, String> {
    let mut flows = Vec::new();
    for from in &row.from {
        for to in &row.to {
            let (source, destination) = (end(world, from)?, end(world, to)?);
            flows.extend(row.ports.iter().map(|(protocol, port)| Flow {
                source,
                destination,
                protocol: *protocol,
                port: *port,
            }));
        }
    }
    Ok(flows)
}

fn end(world: &World, name: &str) -> Result<Endpoint, String> {
    if let Ok(address) = name.parse() {
        return Ok(Endpoint::Address(address));
    }
    let found = world.pods().find(|(_, p)| p.object().to_string() == name);
    found.map(|(id, _)| Endpoint::Pod(id)).ok_or_else(|| {
        let names: Vec<String> = world.pods().map(|(_, p)| p.object().to_string()).collect();
        format!("no pod {name}; the pods are {}", names.join(", "))
    })
}

fn differences(world: &World, row: &Row, flows: &[Flow], engine: &dyn Contract) -> Vec<Failure> {
    let expected = (row.outcome, row.encryption);
    let answers = engine.decide(world, flows);
    if answers.len() != flows.len() {
        return vec![(
            row.line,
            format!("{} gives {} answers", engine.name(), answers.len()),
        )];
    }
    let wrong = flows.iter().zip(answers).filter(|(_, a)| *a != expected);
    let untold = flows.iter().filter_map(|flow| untold(world, row, flow));
    wrong
        .map(|(flow, answer)| {
            (
                row.line,
                message(world, flow, expected, answer, engine.name()),
            )
        })
        .chain(untold)
        .collect()
}

/// That no step of the reference has the words that a row wants.
fn untold(world: &World, row: &Row, flow: &Flow) -> Option<Failure> {
    let words = row.condition.as_ref()?;
    let decision = reference::decide(world, flow);
    if decision.because.iter().any(|c| c.text.contains(words)) {
        return None;
    }
    let expected = (row.outcome, row.encryption);
    let answer = (decision.outcome, decision.encryption);
    let text = message(world, flow, expected, answer, "the reference");
    Some((row.line, format!("no step says {words:?}: {text}")))
}

fn message(
    world: &World,
    flow: &Flow,
    expected: (Outcome, Encryption),
    answer: (Outcome, Encryption),
    engine: &str,
) -> String {
    let name = |end: Endpoint| match end {
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Pod(id) => world
            .pod(id)
            .map_or_else(String::new, |p| p.object().to_string()),
    };
    let mut text = format!(
        "{} to {} on {}/{}: expected {expected:?}, {engine} says {answer:?}",
        name(flow.source),
        name(flow.destination),
        flow.port,
        flow.protocol
    );
    for cause in reference::decide(world, flow).because {
        let subject = cause.subject.map_or_else(String::new, |s| format!("{s}: "));
        text.push_str(&format!(
            "\n    {:?} {}: {subject}{}",
            cause.outcome, cause.layer, cause.text
        ));
    }
    text
}
