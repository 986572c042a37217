//! `palisade compile`: from the matrix to NetworkPolicy, ClusterNetworkPolicy and Istio resources, proven first.

use super::print;
use crate::choice::ChoiceArgs;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::project::{self, Needs, Project, ProjectArgs};
use crate::{Terminal, exit, output};
use clap::Args;
use palisade_compile::{Deployed, LAYOUTS, Layout, TARGETS, Target};
use palisade_diagnostics::{Diagnostic, Sources};
use palisade_netmodel::World;
use std::path::PathBuf;

/// The layout that holds all variants at once.
const HELM: &str = "helm";
/// The layout that is one text.
const STREAM: &str = "stream";

/// Compile the matrix to NetworkPolicy and Istio resources.
///
/// The result is read back and proven against the matrix before anything is written: over the
/// workloads of the manifests, or over pods made from the matrix if there are none.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade compile examples/eem --out compiled\n  palisade compile examples/eem --platform openshift --toggle denyAllIngress --out compiled\n  palisade compile examples/fybrik --layout kustomize --out base\n  palisade compile examples/eem --layout helm --out chart\n  palisade compile examples/verrazzano --also cluster-network-policy --out compiled\n  palisade compile examples/verrazzano | kubectl diff -f -"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Directory to write to; it is replaced as a whole. Default: one stream to standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How the files are arranged: directory, stream, kustomize, or helm (a chart of all variants).
    #[arg(long, value_name = "LAYOUT")]
    layout: Option<String>,
    /// Also write objects of a kind that not every cluster has: cluster-network-policy (the cells of
    /// the zone matrix as ceilings, and the default deny of zones; docs/guards.md). May be repeated.
    #[arg(long, value_name = "TARGET")]
    also: Vec<String>,
    /// Show what the proof states beside the verdict.
    #[arg(long)]
    notes: bool,
}

/// Compiles.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let also = also(arguments)?;
    if arguments.layout.as_deref() == Some(HELM) {
        return match also.first() {
            Some(target) => Err(not_in_charts(target.name)),
            None => chart(arguments, terminal),
        };
    }
    let layout = layout(arguments)?;
    if arguments.out.is_none() && layout.name != STREAM {
        return Err(needs_directory(layout.name));
    }
    let mut progress = Progress::new(terminal);
    let needs = Needs {
        matrix: true,
        manifests: true,
    };
    let directory = &arguments.project.directory;
    let mut project = Project::read(directory, &arguments.project.sources, needs)?;
    let intent = project.intent(&arguments.choice)?;
    project.print_warnings(terminal);
    progress.done(terminal, "read");
    let adjust = |world: &mut World| {
        // The name was checked when the world was made.
        let _ = arguments.choice.apply_cni(world);
    };
    project.world(&arguments.choice)?;
    let mut sources = project.sources.clone();
    let artefacts = {
        let inputs = project.inputs();
        let options = project::mesh_of(project.matrix.as_ref());
        let deployed = Deployed {
            inputs: &inputs,
            options: &options,
            adjust: &adjust,
        };
        let artefacts = palisade_compile::compile_also(&intent, &deployed.world(&intent), &also);
        let file = sources.add("<compiled>", artefacts.to_yaml());
        palisade_compile::prove(artefacts, file, &intent, &deployed)
    };
    progress.done(terminal, "prove");
    let proven = artefacts.map_err(|refusal| refused(refusal.findings, sources.clone()))?;
    if arguments.notes {
        exit::print(terminal, proven.notes(), &sources);
    }
    let files = (layout.write)(&proven);
    match &arguments.out {
        Some(out) => {
            output::directory(out, &files)?;
            let count = proven.get().objects.len();
            let _ = writeln!(
                terminal.err,
                "proven and written: {count} objects in {}",
                out.display()
            );
        }
        None => {
            for (_, text) in &files {
                print(terminal, text);
            }
        }
    }
    Ok(Exit::Holds)
}

fn needs_directory(layout: &str) -> Failure {
    Failure::usage(
        Diagnostic::error("PAL0518", format!("layout `{layout}` is a directory"))
            .help("give it with --out DIR"),
    )
}

/// A Helm chart with every variant of the matrix, proven for each.
fn chart(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let Some(out) = &arguments.out else {
        return Err(needs_directory(HELM));
    };
    let mut progress = Progress::new(terminal);
    let needs = Needs {
        matrix: true,
        manifests: true,
    };
    let directory = &arguments.project.directory;
    let mut project = Project::read(directory, &arguments.project.sources, needs)?;
    project.intent(&arguments.choice)?;
    project.world(&arguments.choice)?;
    project.print_warnings(terminal);
    progress.done(terminal, "read");
    let base = arguments.choice.choice()?;
    let adjust = |world: &mut World| {
        let _ = arguments.choice.apply_cni(world);
    };
    let inputs = project.inputs();
    let options = project::mesh_of(project.matrix.as_ref());
    let deployed = Deployed {
        inputs: &inputs,
        options: &options,
        adjust: &adjust,
    };
    let matrix = project.matrix()?;
    let chart = palisade_compile::chart_of(matrix, &base, &deployed)
        .map_err(|list| Failure::input(list, project.sources.clone()))?;
    progress.done(terminal, "compile");
    let mut sources = project.sources.clone();
    let file = sources.add("<rendered chart>", "");
    let proven = palisade_compile::prove_chart(chart, file, matrix, &base, &deployed).map_err(
        |refusal| {
            let mut sources = project.sources.clone();
            sources.add("<rendered chart>", refusal.text);
            refused(refusal.findings, sources)
        },
    )?;
    progress.done(terminal, "prove");
    if arguments.notes {
        exit::print(terminal, proven.notes(), &sources);
    }
    output::directory(out, proven.get().files())?;
    let variants = palisade_matrix::resolutions(matrix);
    let extent = if variants.exhaustive {
        "every variant".to_owned()
    } else {
        format!("{} variants that cover the toggles", variants.choices.len())
    };
    let _ = writeln!(
        terminal.err,
        "proven for {extent} and written: a chart in {}",
        out.display()
    );
    Ok(Exit::Holds)
}

fn refused(mut findings: Vec<Diagnostic>, sources: Sources) -> Failure {
    findings.insert(
        0,
        Diagnostic::error(
            "PAL0401",
            "what was compiled does not mean what the matrix declares",
        )
        .help("the findings below point into the compiled text: change the matrix, or report a defect of Palisade"),
    );
    Failure::input(findings, sources).with_exit(Exit::Findings)
}

/// The targets that are asked for.
fn also(arguments: &Arguments) -> Result<Vec<&'static Target>, Failure> {
    let known = || TARGETS.iter().filter(|t| !t.standard);
    let find = |name: &String| {
        known().find(|t| t.name == name).ok_or_else(|| {
            let names: Vec<&str> = known().map(|t| t.name).collect();
            Failure::usage(
                Diagnostic::error("PAL0535", format!("unknown target `{name}`"))
                    .help(format!("known: {}", names.join(", "))),
            )
        })
    };
    arguments.also.iter().map(find).collect()
}

/// A chart is learned rule by rule, as if their order meant nothing.
fn not_in_charts(target: &str) -> Failure {
    Failure::usage(
        Diagnostic::error("PAL0536", format!("a chart has no {target}"))
            .note("in these objects the order of rules matters, and it depends on the toggles")
            .help("compile them with another layout, with `--platform` and `--toggle` as they are deployed"),
    )
}

fn layout(arguments: &Arguments) -> Result<&'static Layout, Failure> {
    let default = if arguments.out.is_some() {
        "directory"
    } else {
        STREAM
    };
    let name = arguments.layout.as_deref().unwrap_or(default);
    LAYOUTS.iter().find(|l| l.name == name).ok_or_else(|| {
        let mut known: Vec<&str> = LAYOUTS.iter().map(|l| l.name).collect();
        known.push(HELM);
        Failure::usage(
            Diagnostic::error("PAL0516", format!("unknown layout `{name}`"))
                .help(format!("known: {}", known.join(", "))),
        )
    })
}
