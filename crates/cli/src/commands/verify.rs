//! `palisade verify`: is what is deployed exactly what is declared, and encrypted as declared?

use crate::Terminal;
use crate::choice::ChoiceArgs;
use crate::cluster::ClusterArgs;
use crate::exit::{Exit, Failure};
use crate::input::Reader;
use crate::progress::Progress;
use crate::project::{self, Needs, Project, ProjectArgs};
use crate::toggles;
use crate::verdict::OutputArgs;
use crate::world::left_out;
use clap::Args;
use palisade_diagnostics::{Diagnostic, Fact, Report, Severity, Verdict};
use palisade_matrix::Matrix;
use palisade_netmodel::{Intent, ObjectRef, World};
use palisade_resources::{Options, Role};
use palisade_verify::Proof;
use std::path::PathBuf;

/// Prove that what is deployed is exactly what the matrix declares, and encrypted as declared.
///
/// Every declared flow must pass, nothing undeclared may pass where the matrix isolates, and every
/// flow must be encrypted as demanded, for every caller that the layers admit.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade verify examples/verrazzano\n  palisade verify examples/eem --platform openshift --policies examples/eem/variants/openshift.yaml\n  palisade verify --matrix matrix.yaml --manifests k8s/ --toggle jaeger=off\n  palisade verify examples/eem --cluster\n  kubectl get ns,pods,deploy,sts,ds,jobs,cronjobs,svc,netpol -A -o yaml | palisade verify --matrix matrix.yaml -f -\n  palisade verify examples/eem --with examples/eem/variants/deny-all-ingress.yaml\n  palisade verify examples/eem --all-toggles"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Name what these candidate policies would break if they were applied as well.
    #[arg(long = "with", value_name = "PATH")]
    candidates: Vec<PathBuf>,
    /// Print what each toggle of the matrix opens and closes.
    #[arg(long)]
    all_toggles: bool,
    /// Peers that are enforced wider or narrower than meant are findings.
    #[arg(long)]
    exact: bool,
    /// Show notes as well.
    #[arg(long)]
    notes: bool,
    /// Show how long each stage took.
    #[arg(long)]
    timings: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// Verifies.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut progress = Progress::new(terminal);
    let needs = Needs {
        matrix: true,
        manifests: true,
    };
    let directory = &arguments.project.directory;
    let live = arguments.cluster.live(terminal)?;
    let mut project = Project::read_with(directory, &arguments.project.sources, needs, live)?;
    let intent = project.intent(&arguments.choice)?;
    let world = project.world(&arguments.choice)?;
    project.print_warnings(terminal);
    if world.pods.is_empty() {
        return Err(Failure::usage(no_workloads(arguments)));
    }
    if !palisade_verify::concerns(&intent, &world) {
        return Err(Failure::usage(other_system(arguments)));
    }
    progress.done(terminal, "read");
    let mut report = if arguments.candidates.is_empty() {
        let options = palisade_verify::Options {
            exact: arguments.exact,
        };
        let mut proof = palisade_verify::prove(&intent, &world, &options);
        proof.prerequisites.extend(left_out(&project.diagnostics));
        report(arguments, project.matrix()?, &intent, proof)
    } else {
        impact(arguments, &mut project, &intent, &world)?
    };
    if arguments.all_toggles {
        let section = toggles::effects(project.matrix()?, &arguments.choice, &project.inputs())?;
        report.sections.push(section);
    }
    progress.done(terminal, "analyse");
    if let Some(loaded) = &project.loaded {
        report.facts.extend(unread(&loaded.unknown));
    }
    let exit = arguments.output.end(&report, &project.sources, terminal);
    progress.done(terminal, "report");
    if arguments.timings {
        for (stage, time) in progress.stages() {
            let milliseconds = time.as_secs_f64() * 1000.0;
            let _ = writeln!(terminal.err, "{stage}: {milliseconds:.1} ms");
        }
    }
    Ok(exit)
}

fn no_workloads(arguments: &Arguments) -> Diagnostic {
    Diagnostic::error(
        "PAL0514",
        format!(
            "no workloads to verify in `{}`",
            arguments.project.directory.display()
        ),
    )
    .help("give manifests with --manifests PATH, or put them into manifests/ beside matrix.yaml")
}

fn other_system(arguments: &Arguments) -> Diagnostic {
    Diagnostic::error(
        "PAL0519",
        format!(
            "no component of the matrix selects a pod of the manifests of `{}`",
            arguments.project.directory.display()
        ),
    )
    .help("give the manifests of the system that the matrix is about")
    .help("or correct `namespace` and `podSelector` of its components")
}

/// `1 finding`, `2 findings`.
fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Kinds that nothing of the network depends on: counted and named, not hidden.
fn unread(unknown: &std::collections::BTreeMap<String, usize>) -> Option<Fact> {
    if unknown.is_empty() {
        return None;
    }
    let kinds: Vec<String> = unknown
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    Some(Fact {
        name: "not read".to_owned(),
        value: kinds.join(", "),
    })
}

fn report(arguments: &Arguments, matrix: &Matrix, intent: &Intent, proof: Proof) -> Report {
    let mut report = head(arguments, matrix, intent);
    report.verdict = proof.verdict;
    report.facts.extend(proof.facts);
    report.prerequisites = proof.prerequisites;
    report.sections = proof.sections;
    let of = |severity| {
        proof
            .findings
            .iter()
            .filter(|d| d.severity == severity)
            .count()
    };
    let (errors, warnings, notes) = (
        of(Severity::Error),
        of(Severity::Warning),
        of(Severity::Note),
    );
    let open = report
        .prerequisites
        .iter()
        .filter(|p| p.verdict == Verdict::Unknown)
        .count();
    let verdict = match proof.verdict {
        Verdict::Holds => {
            "holds: what is deployed is exactly what is declared, encrypted as declared"
        }
        Verdict::Unknown => "unknown: no difference is proven, but not everything is decided",
        Verdict::Fails => "fails: what is deployed is not what is declared",
    };
    let hint = if notes > 0 && !arguments.notes {
        " (--notes shows them)"
    } else {
        ""
    };
    report.summary.text = format!(
        "{verdict}; {}, {}, {}{hint}, {} not shown",
        count(errors, "finding"),
        count(warnings, "warning"),
        count(notes, "note"),
        count(open, "prerequisite"),
    );
    report.findings = proof
        .findings
        .into_iter()
        .filter(|d| arguments.notes || d.severity != Severity::Note)
        .collect();
    report
}

fn head(arguments: &Arguments, matrix: &Matrix, intent: &Intent) -> Report {
    let mut report = Report::new(format!(
        "verify {}: {}",
        arguments.project.directory.display(),
        intent.title
    ));
    report.facts.push(Fact {
        name: "variant".to_owned(),
        value: variant(matrix, intent),
    });
    report
}

/// The resolution, toggles at their defaults left out.
fn variant(matrix: &Matrix, intent: &Intent) -> String {
    let usual = |name: &str, value: &str| {
        let toggle = name.strip_prefix("toggle ");
        let found = toggle.and_then(|t| matrix.toggles.iter().find(|m| m.name.value == t));
        found.is_some_and(|m| m.default == (value == "on"))
    };
    let (plain, other): (Vec<_>, Vec<_>) = intent
        .resolution
        .iter()
        .partition(|(name, value)| usual(name, value));
    let mut parts: Vec<String> = other
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !plain.is_empty() {
        parts.push(format!("{} toggles at their defaults", plain.len()));
    }
    let given = |name: &str| {
        let wanted = format!("parameter {name}");
        intent.resolution.iter().any(|(n, _)| *n == wanted)
    };
    let placeholders: Vec<&str> = matrix
        .parameters
        .iter()
        .filter(|p| p.default.is_none() && p.placeholder.is_some() && !given(&p.name.value))
        .map(|p| p.name.value.as_str())
        .collect();
    if !placeholders.is_empty() {
        parts.push(format!(
            "placeholders for {} (give real values with --set)",
            placeholders.join(", ")
        ));
    }
    if parts.is_empty() {
        parts.push("the only one".to_owned());
    }
    parts.join(", ")
}

/// What candidate policies would break.
fn impact(
    arguments: &Arguments,
    project: &mut Project,
    intent: &Intent,
    before: &World,
) -> Result<Report, Failure> {
    let mut reader = Reader::with(std::mem::take(&mut project.sources));
    let mut inputs = Vec::new();
    for path in &arguments.candidates {
        let files = reader.manifests(path);
        inputs.extend(files.into_iter().map(|file| (file, Role::Policies)));
    }
    let candidate = project::load(&reader.sources, &inputs, &Options::default());
    let candidate = Project::finish(reader, None, Some(candidate), Vec::new())?;
    project.sources = candidate.sources;
    let after = candidate
        .loaded
        .map(|loaded| merged(before, loaded.world))
        .unwrap_or_else(|| before.clone());
    let findings = palisade_verify::impact(intent, before, &after);
    let mut report = head(arguments, project.matrix()?, intent);
    let broken = findings
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    let undeclared = findings.len() - broken;
    (report.verdict, report.summary.text) = match (broken, undeclared) {
        (0, 0) => (
            Verdict::Holds,
            "holds: the candidate stops no connection that works today".to_owned(),
        ),
        // Nobody declared them, so only a person can say whether they may end.
        (0, _) => (
            Verdict::Unknown,
            format!(
                "unknown: the candidate stops connections that work today; none of them is declared ({})",
                count(undeclared, "group")
            ),
        ),
        _ => (
            Verdict::Fails,
            format!(
                "fails: the candidate stops declared connections ({}) and others that work today ({})",
                count(broken, "group"),
                count(undeclared, "group")
            ),
        ),
    };
    report.findings = findings;
    Ok(report)
}

/// The world with the candidate's objects added; an object of the same name is replaced.
fn merged(before: &World, candidate: World) -> World {
    let mut after = before.clone();
    merge(
        &mut after.network_policies,
        candidate.network_policies,
        |p| &p.object,
    );
    merge(
        &mut after.peer_authentications,
        candidate.peer_authentications,
        |p| &p.object,
    );
    merge(
        &mut after.authorization_policies,
        candidate.authorization_policies,
        |p| &p.object,
    );
    merge(
        &mut after.destination_rules,
        candidate.destination_rules,
        |p| &p.object,
    );
    after
}

fn merge<T>(into: &mut Vec<T>, more: Vec<T>, object: fn(&T) -> &ObjectRef) {
    for new in more {
        into.retain(|old| object(old) != object(&new));
        into.push(new);
    }
}
