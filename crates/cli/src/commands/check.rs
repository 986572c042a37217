//! `palisade check`: rows of expected reachability against a world.

use crate::Terminal;
use crate::choice::ChoiceArgs;
use crate::cluster::ClusterArgs;
use crate::exit::{Exit, Failure};
use crate::expectations::{self, Expectation};
use crate::input::Reader;
use crate::project::{Needs, Project, SourceArgs};
use crate::verdict::OutputArgs;
use crate::world::left_out;
use clap::Args;
use palisade_diagnostics::{Diagnostic, Fact, Report, Severity, Verdict};
use palisade_netmodel::{Direction, World};
use palisade_verify::{EndpointId, Engine};
use std::path::{Path, PathBuf};

/// Run a file of expected connections ("pods with these labels must, or must not, reach ...").
///
/// A row is about opening a connection: NetworkPolicy at both ends. Every pair of different pods
/// that the row selects must agree with it.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade check examples/verrazzano/expectations.yaml\n  palisade check expectations.yaml --manifests k8s/ --policies compiled/\n\nA file:\n  expectations:\n  - from: {namespace: shop, podLabels: {app: web}}\n    to: {namespace: shop, podLabels: {app: db}}\n    port: 5432\n    expect: allow      # or deny"
)]
pub(crate) struct Arguments {
    /// The rows; the manifests are read from manifests/ beside the file unless --manifests is given.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    sources: SourceArgs,
    /// Network plugin, for example calico, cilium, flannel.
    #[arg(long, value_name = "NAME")]
    cni: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
enum RowResult {
    Agrees,
    Skipped,
    Disagrees(Vec<String>),
    Undecided(String),
}

/// Runs every row.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let directory = arguments.file.parent().unwrap_or_else(|| Path::new("."));
    let needs = Needs {
        matrix: false,
        manifests: true,
    };
    let mut sources = arguments.sources.clone();
    if sources.manifests.is_empty() && !arguments.cluster.cluster {
        sources.manifests = vec![directory.join("manifests")];
    }
    let live = arguments.cluster.live(terminal)?;
    let mut project = Project::read_with(directory, &sources, needs, live)?;
    let mut reader = Reader::with(std::mem::take(&mut project.sources));
    let files = reader.read(&arguments.file);
    let rows = expectations::read(&reader.sources, &files);
    let read = Project::finish(reader, None, None, rows.diagnostics)?;
    project.sources = read.sources;
    project.print_warnings(terminal);
    let choice = ChoiceArgs {
        cni: arguments.cni.clone(),
        ..ChoiceArgs::default()
    };
    let world = project.world(&choice)?;
    let mut report = report(arguments, &world, &rows.list);
    report.prerequisites.extend(left_out(&project.diagnostics));
    Ok(arguments.output.end(&report, &project.sources, terminal))
}

fn report(arguments: &Arguments, world: &World, rows: &[Expectation]) -> Report {
    let engine = Engine::new(world);
    let mut report = Report::new(format!("check {}", arguments.file.display()));
    let (mut agree, mut skipped) = (0, 0);
    for row in rows {
        let result = judge(&engine, row);
        match &result {
            RowResult::Agrees => agree += 1,
            RowResult::Skipped => skipped += 1,
            RowResult::Disagrees(_) | RowResult::Undecided(_) => {
                report.findings.push(describe(row, &result));
            }
        }
    }
    let fails = report
        .findings
        .iter()
        .any(|d| d.severity == Severity::Error);
    report.verdict = match (fails, report.findings.is_empty()) {
        (true, _) => Verdict::Fails,
        (false, false) => Verdict::Unknown,
        (false, true) => Verdict::Holds,
    };
    report.facts.push(Fact {
        name: "rows".to_owned(),
        value: format!("{} of {}", rows.len(), arguments.file.display()),
    });
    report.summary.text = format!(
        "{agree} of {} rows agree, {} differ, {skipped} skipped (optional, no such pod)",
        rows.len(),
        report.findings.len()
    );
    report
}

/// Every pair of different pods of a row.
fn judge(engine: &Engine<'_>, row: &Expectation) -> RowResult {
    let select = |side: &expectations::Side| -> Vec<EndpointId> {
        engine
            .endpoints()
            .filter(|e| engine.pod(*e).is_some_and(|pod| side.selects(pod)))
            .collect()
    };
    let (sources, destinations) = (select(&row.from), select(&row.to));
    if sources.is_empty() || destinations.is_empty() {
        if row.optional {
            return RowResult::Skipped;
        }
        let end = if sources.is_empty() { "from" } else { "to" };
        return RowResult::Disagrees(vec![format!("`{end}` selects no pod")]);
    }
    let mut wrong = Vec::new();
    let mut undecided = None;
    for source in &sources {
        for destination in &destinations {
            if !engine.is_pair(*source, *destination) {
                continue;
            }
            let passage = engine
                .half(Direction::Egress, *source, *destination)
                .and(&engine.half(Direction::Ingress, *source, *destination));
            let at = (row.protocol, row.port);
            let pair = || pair(engine, *source, *destination);
            let must = passage.must.contains(at.0, at.1);
            let may = passage.may.contains(at.0, at.1);
            match (must, may) {
                (true, _) if row.allow => {}
                (_, false) if !row.allow => {}
                (false, true) => undecided = Some(pair()),
                _ => wrong.push(pair()),
            }
        }
    }
    match (wrong.is_empty(), undecided) {
        (false, _) => RowResult::Disagrees(wrong),
        (true, Some(pair)) => RowResult::Undecided(pair),
        (true, None) => RowResult::Agrees,
    }
}

fn pair(engine: &Engine<'_>, source: EndpointId, destination: EndpointId) -> String {
    let name = |e| {
        engine
            .pod(e)
            .map_or_else(String::new, |pod| pod.object().to_string())
    };
    format!("{} → {}", name(source), name(destination))
}

fn describe(row: &Expectation, result: &RowResult) -> Diagnostic {
    let word = if row.allow { "allowed" } else { "denied" };
    let what = format!("{} → {} {}/{}", row.from, row.to, row.port, row.protocol);
    let diagnostic = match result {
        RowResult::Disagrees(pairs) => {
            let mut d = Diagnostic::error("PAL0510", format!("{what} should be {word} and is not"));
            for pair in pairs.iter().take(5) {
                d = d.note(pair.clone());
            }
            d
        }
        RowResult::Undecided(pair) => Diagnostic::warning(
            "PAL0515",
            format!("{what} should be {word}; it is not decided"),
        )
        .note(pair.clone()),
        RowResult::Agrees | RowResult::Skipped => Diagnostic::note_only("PAL0510", what),
    };
    diagnostic
        .at(row.span, "expected here")
        .help("`palisade explain SRC DST PORT` shows every layer of it")
}
