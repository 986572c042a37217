//! `palisade lab run`: every pair and port that matters, by packets and by the policies' words.

use super::super::print;
use super::grid::grid;
use super::place::{Place, PlaceArgs, failed, too_large};
use crate::Terminal;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::verdict::{self, OutputArgs};
use crate::world::left_out;
use clap::Args;
use palisade_diagnostics::{Diagnostic, Fact, Prerequisite, Report, Section, Verdict};
use palisade_netlab::Answer;
use palisade_netmodel::{Endpoint, Flow, Outcome, Protocol, World, reference};
use palisade_nftables::Refused;
use palisade_trial::{Answered, Asked, Called, Table};
use palisade_verify::Engine;
use std::process::Command;
use std::time::{Duration, Instant};

/// Build the system in namespaces, enforce its policies, and probe every pair and port that matters.
///
/// Two pods of each workload are made, and a host for each block of addresses that policies name. Every kind of
/// pod calls every other on the ports that policies can tell apart, and every Service, with real packets over IPv4 and
/// IPv6; each answer stands beside that of the engine and of the reference evaluator.
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
    output: OutputArgs,
}

/// Most disagreements that are told one by one.
const MOST_FINDINGS: usize = 50;
/// Most connections that are tried: some minutes' worth.
const MOST_QUESTIONS: usize = 2_000_000;

/// Compares.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut place = arguments.place.build(terminal, !arguments.control)?;
    let mut progress = Progress::new(terminal);
    let begun = Instant::now();
    let questions = questions(&place)?;
    place.trial.serve(&questions).map_err(failed)?;
    let table = place.trial.compare(&place.world, &questions);
    let table = table.map_err(failed)?;
    progress.done(terminal, "probe");
    let took = begun.elapsed();
    let located = |v6| place.trial.located(&place.world, Some(v6)).map_err(failed);
    let worlds = [located(false)?, located(true)?];
    let mut rows = judge(&place.world, &table, &worlds);
    let begun = Instant::now();
    rows.extend(services(&mut place)?);
    let took = took + begun.elapsed();
    progress.done(terminal, "call Services");
    let title = format!("lab run {}", arguments.place.world.shown().display());
    let report = report(&place, &rows, &worlds, title, took);
    let text = arguments
        .output
        .format
        .render(&report, &place.project.sources, terminal.style);
    print(terminal, &text);
    Ok(verdict::exit(&report, arguments.output.strict))
}

/// What is asked: something, and not more than can be waited for.
fn questions(place: &Place) -> Result<Vec<Asked>, Failure> {
    let questions = place.trial.questions_that_matter(&place.world);
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

/// The engine's answer beside those of packets and of the reference.
fn judge(world: &World, table: &Table, worlds: &[World; 2]) -> Vec<Row> {
    let [v4, v6] = worlds.each_ref().map(Engine::new);
    let row = |answered: &Answered| {
        let flow = answered.asked.flow;
        let engine = if answered.asked.v6 { &v6 } else { &v4 };
        let engine = engine.decide(&flow).0;
        Row {
            to: name(world, flow.destination),
            from: name(world, flow.source),
            port: (flow.protocol, flow.port),
            v6: answered.asked.v6,
            flow: Some(flow),
            seen: answered.seen,
            expected: answered.expected,
            engine,
            agree: if engine == answered.expected {
                answered.agree
            } else {
                Some(false)
            },
        }
    };
    table.0.iter().map(row).collect()
}

/// Calls to Services, if this machine can translate them.
fn services(place: &mut Place) -> Result<Vec<Row>, Failure> {
    if place.world.services.is_empty() {
        return Ok(Vec::new());
    }
    if let Err(error) = Command::new("nft").arg("--version").output() {
        place.missing.push(Prerequisite {
            title: "Services lead to their pods".to_owned(),
            verdict: Verdict::Unknown,
            detail: format!("not tried: nft (package nftables): {error}"),
        });
        return Ok(Vec::new());
    }
    let published = place.trial.publish(&place.world).map_err(failed)?;
    let called = place.trial.call_services(&place.world, &published);
    let row = |called: Called| {
        let port = published.get(called.published)?;
        Some(Row {
            to: format!("Service {}", port.service),
            from: name(&place.world, Endpoint::Pod(called.source)),
            port: (port.protocol, port.port),
            v6: called.v6,
            flow: None,
            seen: called.seen,
            expected: called.expected,
            engine: called.expected,
            agree: called.agree,
        })
    };
    Ok(called
        .map_err(failed)?
        .into_iter()
        .filter_map(row)
        .collect())
}

/// A call, by packets, by the reference and by the engine.
pub(super) struct Row {
    pub(super) to: String,
    from: String,
    pub(super) port: (Protocol, u16),
    v6: bool,
    /// The flow that the reference explains; a Service's call is one of several.
    flow: Option<Flow>,
    pub(super) seen: Answer,
    expected: Outcome,
    pub(super) engine: Outcome,
    /// Whether all three are the same; `None` where policies leave it open.
    agree: Option<bool>,
}

fn report(
    place: &Place,
    rows: &[Row],
    worlds: &[World; 2],
    title: String,
    took: Duration,
) -> Report {
    let count = |agree| rows.iter().filter(|row| row.agree == agree).count();
    let (agree, disagree, open) = (count(Some(true)), count(Some(false)), count(None));
    let mut report = Report::new(title);
    report.facts = facts(place, rows.len(), took);
    report.verdict = match (disagree, open) {
        (0, 0) => Verdict::Holds,
        (0, _) => Verdict::Unknown,
        _ => Verdict::Fails,
    };
    let wrong = rows.iter().filter(|row| row.agree == Some(false));
    let findings = wrong.take(MOST_FINDINGS);
    report.findings = findings
        .map(|row| finding(place.enforced, row, worlds))
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
        ],
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

fn facts(place: &Place, tried: usize, took: Duration) -> Vec<Fact> {
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
    vec![
        fact("pods", pods),
        fact("policies", policies.to_string()),
        fact("packets", format!("{tried} connections tried")),
        fact(
            "time",
            format!(
                "namespaces {}, rules {}, packets {}",
                seconds(place.build),
                seconds(place.enforce),
                seconds(took)
            ),
        ),
    ]
}

/// One disagreement, with the reasons for what was expected.
fn finding(enforced: bool, row: &Row, worlds: &[World; 2]) -> Diagnostic {
    let (protocol, port) = row.port;
    let family = if row.v6 { "IPv6" } else { "IPv4" };
    let mut finding = Diagnostic::error(
        "PAL0552",
        format!(
            "`{}` to `{}` {port}/{protocol} over {family}: policies {}, and packets do otherwise",
            row.from,
            row.to,
            words(row.expected)
        ),
    );
    finding = finding.note(format!("the packet {}", row.seen));
    if row.engine != row.expected {
        let engine = words(row.engine);
        finding = finding.note(format!("the engine says that policies {engine}"));
    }
    let [v4, v6] = worlds;
    let world = if row.v6 { v6 } else { v4 };
    let causes = row.flow.map(|flow| reference::decide(world, &flow).because);
    for cause in causes.into_iter().flatten() {
        let subject = cause.subject.map_or_else(String::new, |s| format!("{s} "));
        finding = finding.note(format!("because {subject}{}", cause.text));
    }
    finding.help(if enforced {
        "this is a defect of Palisade or of this kernel: please report it"
    } else {
        "nothing is enforced, as --control asks: packets notice it"
    })
}

fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allow => "let it pass",
        Outcome::Depends => "leave it open",
        Outcome::Deny => "deny it",
    }
}

/// What is closed since it cannot be programmed.
fn closed(refused: &[Refused]) -> Option<Section> {
    let line = |refused: &Refused| match refused {
        Refused::Pod(pod, why) => format!("pod {pod} is closed in both directions: {why}"),
        Refused::Rule(policy, why) => format!("a rule of {policy} has no effect: {why}"),
    };
    (!refused.is_empty()).then(|| Section {
        title: "Not enforced as written".to_owned(),
        paragraphs: refused.iter().map(line).collect(),
        table: None,
    })
}

/// A workload, or an address.
fn name(world: &World, end: Endpoint) -> String {
    match end {
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Pod(id) => world.pod(id).map_or_else(String::new, |pod| {
            format!("{}/{}", pod.namespace, pod.workload.name)
        }),
    }
}
