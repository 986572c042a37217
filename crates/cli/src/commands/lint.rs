//! `palisade lint`: defects that show without a matrix.

use super::print;
use crate::choice::ChoiceArgs;
use crate::cluster::{ClusterArgs, Live};
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::project::{Needs, Project, SourceArgs};
use crate::verdict::FormatName;
use crate::{Terminal, output};
use clap::Args;
use palisade_diagnostics::{
    Diagnostic, Fact, Fix, Report, Section, Severity, SourceFile, Table, Verdict, apply,
    did_you_mean,
};
use palisade_resources::{TOLD_BY_LINTS, written};
use palisade_verify::{LINTS, Lint, lint, lint_engine};
use palisade_yaml::Limits;
use similar::TextDiff;
use std::path::{Path, PathBuf};

/// Find defects in policies, workloads and mesh objects, without a matrix.
///
/// A finding that claims a connection shows one that passes, or is refused, as the reference
/// evaluator sees it. `docs/lints` has a page for each lint. An object leaves a lint out by the
/// annotations `palisade.dev/lint-skip: NAME,...` and `palisade.dev/lint-skip-reason: WHY`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade lint examples/verrazzano\n  palisade lint k8s/ --skip no-policy,no-default-deny --notes\n  palisade lint k8s/ --only half-open,no-dns -o sarif > lint.sarif\n  palisade lint k8s/ --fix --dry-run\n  palisade lint --cluster --context production\n  kubectl get ns,pods,deploy,sts,ds,svc,netpol -A -o yaml | palisade lint -\n  palisade lint --list\n\nExit codes: 0 nothing but notes, 1 errors or warnings (or, with --dry-run, something to fix), 2 bad input"
)]
pub(crate) struct Arguments {
    /// Directory, file, or - for standard input. A project directory is read from its manifests/.
    #[arg(value_name = "PATH", default_value = ".", conflicts_with = "cluster")]
    path: PathBuf,
    /// Take the policies and Istio objects from here instead of from PATH. May be repeated.
    #[arg(long, value_name = "PATH", help_heading = "Input")]
    policies: Vec<PathBuf>,
    /// Network plugin, for example calico, cilium, flannel.
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    cni: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Run these lints alone. Separated by commas, may be repeated.
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    only: Vec<String>,
    /// Leave these lints out. Separated by commas, may be repeated.
    #[arg(long, value_name = "LINT", value_delimiter = ',')]
    skip: Vec<String>,
    /// Show notes as well.
    #[arg(long)]
    notes: bool,
    /// Print every lint with its code, severity and what it finds.
    #[arg(long, conflicts_with_all = ["fix", "only", "skip"])]
    list: bool,
    /// Mend what can be mended without changing what is meant, and show what is left.
    #[arg(long, conflicts_with = "cluster")]
    fix: bool,
    /// With --fix: show the changes and write nothing.
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// Output format.
    #[arg(
        long = "output",
        short = 'o',
        value_name = "FORMAT",
        default_value = "text"
    )]
    format: FormatName,
}

/// Lints.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    if arguments.list {
        let none = palisade_diagnostics::Sources::new();
        arguments.format.print(&list(), &none, terminal);
        return Ok(Exit::Holds);
    }
    let lints = chosen(arguments)?;
    let mut answer = read_and_lint(arguments, &lints, terminal)?;
    if arguments.fix {
        if arguments.path.as_os_str() == "-" && !arguments.dry_run {
            return Err(Failure::usage(
                Diagnostic::error("PAL0531", "standard input cannot be mended in place")
                    .help("give the file, or add --dry-run to see the changes"),
            ));
        }
        if arguments.dry_run {
            return Ok(show_changes(&answer, terminal));
        }
        if write_changes(&answer, terminal)? > 0 {
            answer = read_and_lint(arguments, &lints, terminal)?;
        }
    }
    let report = report(arguments, &lints, &answer);
    let sources = &answer.project.sources;
    arguments.format.print(&report, sources, terminal);
    Ok(match report.verdict {
        Verdict::Fails => Exit::Findings,
        Verdict::Unknown | Verdict::Holds => Exit::Holds,
    })
}

/// What was read and found.
struct Answer {
    project: Project,
    findings: Vec<Diagnostic>,
    counts: (usize, usize),
}

/// The lints of `--only` and `--skip`.
fn chosen(arguments: &Arguments) -> Result<Vec<&'static Lint>, Failure> {
    for name in arguments.only.iter().chain(&arguments.skip) {
        if !LINTS.iter().any(|lint| lint.name == name) {
            let mut diagnostic =
                Diagnostic::error("PAL0530", format!("no lint is called `{name}`"));
            if let Some(near) = did_you_mean(name, LINTS.iter().map(|lint| lint.name)) {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
            }
            return Err(Failure::usage(
                diagnostic.help("`palisade lint --list` names them all"),
            ));
        }
    }
    let named = |list: &[String], lint: &Lint| list.iter().any(|name| name == lint.name);
    let all = LINTS.iter();
    Ok(all
        .filter(|lint| arguments.only.is_empty() || named(&arguments.only, lint))
        .filter(|lint| !named(&arguments.skip, lint))
        .collect())
}

fn read_and_lint(
    arguments: &Arguments,
    lints: &[&'static Lint],
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Failure> {
    let mut progress = Progress::new(terminal);
    let sources = SourceArgs {
        manifests: match arguments.path.as_os_str() == "-" {
            true => vec![arguments.path.clone()],
            false => Vec::new(),
        },
        policies: arguments.policies.clone(),
        ..SourceArgs::default()
    };
    let needs = Needs {
        matrix: false,
        manifests: true,
    };
    let live = arguments.cluster.live(terminal)?.map(Live::with_lints);
    let project = Project::read_with(&arguments.path, &sources, needs, live)?;
    let choice = ChoiceArgs {
        cni: arguments.cni.clone(),
        ..ChoiceArgs::default()
    };
    let world = project.world(&choice)?;
    let written = written(&project.inputs(), &Limits::default());
    progress.done(terminal, "reading");
    let engine = lint_engine(&world);
    progress.done(terminal, "the model");
    let mut findings: Vec<Diagnostic> = project
        .diagnostics
        .iter()
        .filter(|d| arguments.only.is_empty() && !TOLD_BY_LINTS.contains(&d.code.0))
        .cloned()
        .collect();
    findings.extend(lint(&engine, &written, &project.sources, lints, |lint| {
        progress.done(terminal, lint.name);
    }));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    Ok(Answer {
        counts: (world.pods.len(), world.network_policies.len()),
        project,
        findings,
    })
}

fn report(arguments: &Arguments, lints: &[&Lint], answer: &Answer) -> Report {
    let mut report = Report::new(format!(
        "lint {}",
        arguments.cluster.shown(&arguments.path).display()
    ));
    let fact = |name: &str, value: String| Fact {
        name: name.to_owned(),
        value,
    };
    let (pods, policies) = answer.counts;
    report.facts = vec![
        fact(
            "read",
            format!(
                "{}, {policies} NetworkPolic{}",
                plural(pods, "pod"),
                if policies == 1 { "y" } else { "ies" }
            ),
        ),
        fact("lints", format!("{} of {}", lints.len(), LINTS.len())),
    ];
    let count = |severity| {
        answer
            .findings
            .iter()
            .filter(|d| d.severity == severity)
            .count()
    };
    let (errors, warnings, notes) = (
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note),
    );
    let shown = |d: &&Diagnostic| arguments.notes || d.severity != Severity::Note;
    report.findings = answer.findings.iter().filter(shown).cloned().collect();
    report.verdict = match errors + warnings {
        0 => Verdict::Holds,
        _ => Verdict::Fails,
    };
    let hint = match notes {
        0 => "",
        _ if arguments.notes => "",
        _ => " (shown with --notes)",
    };
    report.summary.text = format!(
        "{}, {}, {}{hint}",
        plural(errors, "error"),
        plural(warnings, "warning"),
        plural(notes, "note")
    );
    report
}

fn plural(number: usize, word: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {word}{s}")
}

/// Every lint as a table.
fn list() -> Report {
    let rows = LINTS.iter().map(|lint| {
        let severity = match lint.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        [lint.name, lint.code, severity, lint.summary]
            .map(str::to_owned)
            .to_vec()
    });
    let mut report = Report::new("lints");
    report.sections.push(Section {
        title: "Lints".to_owned(),
        paragraphs: Vec::new(),
        table: Some(Table {
            columns: ["Lint", "Code", "Severity", "Finds"]
                .map(str::to_owned)
                .to_vec(),
            rows: rows.collect(),
        }),
    });
    report.summary.text = format!("{} lints", LINTS.len());
    report
}

/// The files that fixes change: name, text before and after, how many fixes.
fn changes(answer: &Answer) -> Vec<(&SourceFile, String, usize)> {
    let fixes: Vec<&Fix> = answer
        .findings
        .iter()
        .filter_map(|d| d.fix.as_ref())
        .collect();
    let files = answer.project.sources.iter();
    files
        .filter_map(|(id, file)| {
            let here = fixes.iter().copied();
            let mut here = here.filter(|fix| fix.edits.iter().any(|edit| edit.span.file == id));
            let first = here.next()?;
            let here = std::iter::once(first).chain(here);
            let (text, count) = apply(id, &file.whole(), here);
            (count > 0).then_some((file, text, count))
        })
        .collect()
}

fn show_changes(answer: &Answer, terminal: &mut Terminal<'_>) -> Exit {
    let changes = changes(answer);
    for (file, text, _) in &changes {
        let before = file.whole();
        let diff = TextDiff::from_lines(before.as_ref(), text.as_str());
        let mut diff = diff.unified_diff();
        let diff = diff.header(&format!("a/{}", file.name), &format!("b/{}", file.name));
        print(terminal, &diff.to_string());
    }
    if changes.is_empty() {
        Exit::Holds
    } else {
        Exit::Findings
    }
}

/// Writes each changed file whole; how many there are.
fn write_changes(answer: &Answer, terminal: &mut Terminal<'_>) -> Result<usize, Failure> {
    let changes = changes(answer);
    for (file, text, count) in &changes {
        output::mend(Path::new(&file.name), text)?;
        let _ = writeln!(
            terminal.err,
            "palisade: {}: {} mended",
            file.name,
            plural(*count, "place")
        );
    }
    Ok(changes.len())
}
