//! `palisade lab run`: every pair and port that matters, by packets and by the policies' words.

use super::answers::Answers;
use super::grid::grid;
use super::mesh::{Mesh, MeshArgs, through_sidecars};
use super::place::{Place, PlaceArgs, failed, too_large};
use super::services::Services;
use crate::Terminal;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::verdict::OutputArgs;
use crate::world::left_out;
use clap::Args;
use palisade_diagnostics::{Diagnostic, Fact, Report, Section, Verdict};
use palisade_nftables::Refused;
use palisade_trial::Asked;
use palisade_trial::mesh::{Met, Sent};
use std::time::{Duration, Instant};

/// Build the system in namespaces, enforce its policies, and probe every pair and port that matters.
///
/// Two pods of each workload are made, and a host for each block of addresses that policies name. Every kind of
/// pod calls every other on the ports that policies can tell apart, and every Service, with real packets over IPv4 and
/// IPv6; each answer stands beside that of the engine and of the reference evaluator. Pods that Istio would give a
/// sidecar to have an Envoy before them, and are called in plaintext and with the mesh's mTLS; they call Services by
/// it, and what it sends is looked at on the wire.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade lab run examples/eem\n  palisade lab run examples/eem --control\n  palisade lab run examples/fybrik --layout bridged --nodes 1\n  palisade lab run examples/eem --policies compiled -o json\n\nExit codes: 0 packets do what the policies say, 1 they do not, 2 bad input, 3 not everything is decided (with\n--strict), 4 no right to make namespaces, or the kernel lacks something"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: PlaceArgs,
    /// Enforce nothing: every connection that policies deny must then show as a disagreement.
    #[arg(long, help_heading = "Lab")]
    control: bool,
    #[command(flatten)]
    mesh: MeshArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Most disagreements that are told one by one.
const MOST_FINDINGS: usize = 50;
/// Most connections that are tried: some minutes' worth.
const MOST_QUESTIONS: usize = 2_000_000;

/// Compares.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let program = arguments.mesh.program();
    let place = &arguments.place;
    let mut place = place.build(terminal, !arguments.control, program)?;
    let mut progress = Progress::new(terminal);
    let begun = Instant::now();
    let questions = questions(&place)?;
    place.trial.serve(&questions).map_err(failed)?;
    let table = place.trial.compare(&place.world, &questions);
    let table = table.map_err(failed)?;
    progress.done(terminal, "probe");
    let mut took = begun.elapsed();
    let mut answers = Answers::of(&place, &table)?;
    let begun = Instant::now();
    let services = Services::call(&mut place)?;
    took += begun.elapsed();
    progress.done(terminal, "call Services");
    let mesh = through_sidecars(&mut place, &questions, &table, &services)?;
    progress.done(terminal, "call through sidecars");
    answers.correct(&mesh.met);
    answers.rows.extend(services.rows(&place, &mesh.sent)?);
    let title = format!("lab run {}", arguments.place.world.shown().display());
    let report = report(&place, &answers, &mesh, title, took);
    Ok(arguments
        .output
        .end(&report, &place.project.sources, terminal))
}

/// What is asked: something, and not more than can be waited for.
fn questions(place: &Place) -> Result<Vec<Asked>, Failure> {
    let questions = place.trial.questions_that_matter(&place.whole);
    if questions.is_empty() {
        let title = "no two pods of these manifests have a place in the lab";
        return Err(Failure::usage(Diagnostic::error("PAL0553", title).help(
            "pods on the host network and pods that have ended have none; add others",
        )));
    }
    if questions.len() > MOST_QUESTIONS {
        let count = questions.len();
        return Err(too_large(&format!("{count} connections to try")));
    }
    Ok(questions)
}

fn report(place: &Place, answers: &Answers, mesh: &Mesh, title: String, took: Duration) -> Report {
    let rows = &answers.rows;
    let count = |agree| rows.iter().filter(|row| row.agree == agree).count();
    let (agree, disagree, open) = (count(Some(true)), count(Some(false)), count(None));
    let mut report = Report::new(title);
    report.facts = facts(place, rows.len(), mesh, took);
    report.verdict = match (disagree, open) {
        (0, 0) => Verdict::Holds,
        (0, _) => Verdict::Unknown,
        _ => Verdict::Fails,
    };
    let wrong = rows.iter().filter(|row| row.agree == Some(false));
    let findings = wrong.take(MOST_FINDINGS);
    report.findings = findings
        .map(|row| answers.finding(place.enforced, row))
        .collect();
    report.prerequisites = place.missing.clone();
    report
        .prerequisites
        .extend(left_out(&place.project.diagnostics));
    report.sections.extend(closed(&place.refused));
    report.sections.push(Section {
        title: "What passed".to_owned(),
        paragraphs: vec![
            "How many of the calls that were tried reached a port: by packets, and by what the engine says. Every \
             kind of pod calls over IPv4 and over IPv6."
                .to_owned(),
        ]
        .into_iter()
        .chain(mesh.words())
        .collect(),
        table: Some(grid(rows)),
    });
    report.summary.text = format!(
        "{}: of {} answers {agree} agree, {disagree} disagree{}",
        if disagree == 0 { "agrees" } else { "disagrees" },
        rows.len(),
        if open == 0 {
            String::new()
        } else {
            format!(", {open} are left open by the policies' words")
        }
    );
    report
}

fn facts(place: &Place, tried: usize, mesh: &Mesh, took: Duration) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let lab = &place.trial.lab;
    let on_host = place.world.pods.iter().filter(|p| p.host_network).count();
    let mut pods = format!(
        "{} on {} nodes",
        lab.pods().count(),
        place.trial.nodes.len()
    );
    if place.left_out > 0 {
        pods += &format!("; {} more are like them", place.left_out);
    }
    if on_host > 0 {
        pods += &format!("; {on_host} on the host network, not probed");
    }
    let policies = place.world.network_policies.len() + place.world.admin_policies.len();
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let mut time = format!(
        "namespaces {}, rules {}, packets {}",
        seconds(place.build),
        seconds(place.enforce),
        seconds(took)
    );
    let mut facts = vec![
        fact("pods", pods),
        fact("policies", policies.to_string()),
        fact("packets", format!("{tried} connections tried")),
    ];
    if mesh.sidecars > 0 {
        let to_pods: usize = mesh.met.iter().map(Met::calls).sum();
        let to_services: usize = mesh.sent.iter().map(Sent::calls).sum();
        let (calls, sidecars) = (to_pods + to_services, mesh.sidecars);
        let mut told = format!(
            "{calls} calls through {sidecars} sidecars ({})",
            mesh.version
        );
        if to_services > 0 {
            told += &format!(", {to_services} of them to Services");
        }
        facts.push(fact("mesh", told));
        time += &format!(
            ", sidecars {}, calls {}",
            seconds(mesh.start),
            seconds(mesh.took)
        );
    }
    facts.push(fact("time", time));
    facts
}

/// What is closed since it cannot be programmed.
fn closed(refused: &[Refused]) -> Option<Section> {
    let line = |refused: &Refused| match refused {
        Refused::Pod(pod, why) => format!("pod {pod} is closed: {why}"),
        Refused::Rule(policy, why) => format!("a rule of {policy} has no effect: {why}"),
    };
    (!refused.is_empty()).then(|| Section {
        title: "Not enforced as written".to_owned(),
        paragraphs: refused.iter().map(line).collect(),
        table: None,
    })
}
