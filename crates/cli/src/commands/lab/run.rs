//! `palisade lab run`: every pair and port that matters, by packets and by the policies' words.

use super::super::print;
use super::grid::grid;
use super::place::{Place, PlaceArgs, failed};
use crate::Terminal;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::verdict::{self, OutputArgs};
use crate::world::left_out;
use clap::Args;
use palisade_diagnostics::{Diagnostic, Fact, Report, Section, Verdict};
use palisade_netmodel::{Endpoint, Outcome, World, reference};
use palisade_nftables::Refused;
use palisade_trial::{Answered, Table};
use std::time::{Duration, Instant};

/// Build the system in namespaces, enforce its policies, and probe every pair and port that matters.
///
/// Two pods of each workload are made, and a host for each block of addresses that policies name. Every kind of
/// pod calls every other on the ports that policies can tell apart, with real packets over IPv4 and IPv6; each
/// answer stands beside that of the engine.
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

/// Compares.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let place = arguments.place.build(terminal, !arguments.control)?;
    let mut progress = Progress::new(terminal);
    let begun = Instant::now();
    let questions = place.trial.questions_that_matter(&place.world);
    place.trial.serve(&questions).map_err(failed)?;
    let table = place.trial.compare(&place.world, &questions);
    let table = table.map_err(failed)?;
    progress.done(terminal, "probe");
    let title = format!("lab run {}", arguments.place.world.shown().display());
    let report = report(&place, &table, title, begun.elapsed())?;
    let text = arguments
        .output
        .format
        .render(&report, &place.project.sources, terminal.style);
    print(terminal, &text);
    Ok(verdict::exit(&report, arguments.output.strict))
}

fn report(place: &Place, table: &Table, title: String, took: Duration) -> Result<Report, Failure> {
    let (agree, disagree, open) = table.counts();
    let mut report = Report::new(title);
    report.facts = facts(place, table, took);
    report.verdict = match (disagree, open) {
        (0, 0) => Verdict::Holds,
        (0, _) => Verdict::Unknown,
        _ => Verdict::Fails,
    };
    for answered in table.disagreements().take(MOST_FINDINGS) {
        report.findings.push(finding(place, answered)?);
    }
    report.prerequisites = place.missing.clone();
    report
        .prerequisites
        .extend(left_out(&place.project.diagnostics));
    report.sections.extend(closed(&place.refused));
    report.sections.push(Section {
        title: "What passed".to_owned(),
        paragraphs: vec![
            "How many of the calls that were tried reached a port: by packets, and by what the policies say. Every \
             kind of pod calls over IPv4 and over IPv6."
                .to_owned(),
        ],
        table: Some(grid(&place.world, table)),
    });
    report.summary.text = format!(
        "{}: of {} answers {agree} agree, {disagree} disagree{}",
        if disagree == 0 { "agrees" } else { "disagrees" },
        table.0.len(),
        if open == 0 {
            String::new()
        } else {
            format!(", {open} are left open by the policies' words")
        }
    );
    Ok(report)
}

fn facts(place: &Place, table: &Table, took: Duration) -> Vec<Fact> {
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
        fact("packets", format!("{} connections tried", table.0.len())),
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
fn finding(place: &Place, answered: &Answered) -> Result<Diagnostic, Failure> {
    let flow = answered.asked.flow;
    let located = place.trial.located(&place.world, Some(answered.asked.v6));
    let decision = reference::decide(&located.map_err(failed)?, &flow);
    let family = if answered.asked.v6 { "IPv6" } else { "IPv4" };
    let name = |end| name(&place.world, end);
    let mut finding = Diagnostic::error(
        "PAL0552",
        format!(
            "`{}` to `{}` {}/{} over {family}: policies {}, and packets do otherwise",
            name(flow.source),
            name(flow.destination),
            flow.port,
            flow.protocol,
            match decision.outcome {
                Outcome::Allow => "let it pass",
                Outcome::Depends => "leave it open",
                Outcome::Deny => "deny it",
            }
        ),
    );
    finding = finding.note(format!("the packet {}", answered.seen));
    for cause in decision.because {
        let subject = cause.subject.map_or_else(String::new, |s| format!("{s} "));
        finding = finding.note(format!("because {subject}{}", cause.text));
    }
    Ok(finding.help(if place.enforced {
        "this is a defect of Palisade or of this kernel: please report it"
    } else {
        "nothing is enforced, as --control asks: packets notice it"
    }))
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
pub(super) fn name(world: &World, end: Endpoint) -> String {
    match end {
        Endpoint::Address(address) => address.to_string(),
        Endpoint::Pod(id) => world.pod(id).map_or_else(String::new, |pod| {
            format!("{}/{}", pod.namespace, pod.workload.name)
        }),
    }
}
