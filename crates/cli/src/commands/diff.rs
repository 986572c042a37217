//! `palisade diff`: what two worlds let pass differently, and which object made the difference.

use super::print;
use crate::choice::ChoiceArgs;
use crate::exit::{Exit, Failure};
use crate::input::Reader;
use crate::progress::Progress;
use crate::project::{self, Project};
use crate::verdict::{self, PictureArgs};
use crate::world::{left_out, no_workloads, ticker};
use crate::{Terminal, git};
use clap::Args;
use palisade_diagnostics::FileId;
use palisade_netmodel::World;
use palisade_resources::{Loaded, Options, Role};
use std::path::{Path, PathBuf};

/// Compare what two sets of manifests let pass: connections gained, lost, changed, more or less encrypted.
///
/// It needs no matrix. Each difference comes with the object that made it and with a connection that the
/// reference evaluator has judged in both worlds.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade diff examples/eem examples/eem/variants/deny-all-ingress.yaml --workloads examples/eem\n  palisade diff main:k8s k8s\n  palisade diff v1.2:deploy v1.3:deploy -o md\n\nExit codes: 0 no difference, 1 differences, 2 bad input, 4 a file or revision cannot be read"
)]
pub(crate) struct Arguments {
    /// Before: a directory (its manifests/ if there is one), a file, - for standard input, or REVISION:PATH of git.
    #[arg(value_name = "A")]
    before: PathBuf,
    /// After, likewise.
    #[arg(value_name = "B")]
    after: PathBuf,
    /// Workloads of both sides: then A and B give only policies and Istio objects. May be repeated.
    #[arg(long, value_name = "PATH")]
    workloads: Vec<PathBuf>,
    /// Network plugin, for example calico, cilium, flannel.
    #[arg(long, value_name = "NAME")]
    cni: Option<String>,
    #[command(flatten)]
    output: PictureArgs,
}

/// Compares.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut progress = Progress::new(terminal);
    let mut reader = Reader::default();
    let mut common = Vec::new();
    for path in &arguments.workloads {
        common.extend(place(&mut reader, path)?);
    }
    let mut side = |path: &Path| -> Result<Vec<(FileId, Role)>, Failure> {
        let files = place(&mut reader, path)?.into_iter();
        Ok(if arguments.workloads.is_empty() {
            files.map(|file| (file, Role::Both)).collect()
        } else {
            let workloads = common.iter().map(|file| (*file, Role::Workloads));
            workloads
                .chain(files.map(|file| (file, Role::Policies)))
                .collect()
        })
    };
    let (before, after) = (side(&arguments.before)?, side(&arguments.after)?);
    let load = |files: &[(FileId, Role)], reader: &Reader| {
        project::load(&reader.sources, files, &Options::default())
    };
    let (before, after) = (load(&before, &reader), load(&after, &reader));
    let mut diagnostics = before.diagnostics.clone();
    let new = after
        .diagnostics
        .iter()
        .filter(|d| !before.diagnostics.contains(d));
    diagnostics.extend(new.cloned());
    let project = Project::finish(reader, None, None, diagnostics)?;
    project.print_warnings(terminal);
    let before = world(&before, &arguments.before, arguments)?;
    let after = world(&after, &arguments.after, arguments)?;
    progress.done(terminal, "read");
    let mut report =
        palisade_verify::compare(&before, &after, &mut ticker(terminal, "comparing ends"))
            .map_err(Failure::usage)?;
    report.title = format!(
        "diff {} {}",
        arguments.before.display(),
        arguments.after.display()
    );
    report.prerequisites.extend(left_out(&project.diagnostics));
    progress.done(terminal, "analyse");
    let text = arguments
        .output
        .format
        .render(&report, &project.sources, terminal.style);
    print(terminal, &text);
    Ok(verdict::exit(&report, arguments.output.strict))
}

/// The files of a place: a path, standard input, or a path of a git revision.
fn place(reader: &mut Reader, path: &Path) -> Result<Vec<FileId>, Failure> {
    if path.as_os_str() != "-"
        && let Some((revision, below)) = git::revision(path.as_os_str())
    {
        return git::read(reader, revision, below);
    }
    let inside = path.join("manifests");
    Ok(reader.read(if inside.is_dir() { &inside } else { path }))
}

fn world(loaded: &Loaded, path: &Path, arguments: &Arguments) -> Result<World, Failure> {
    let mut world = loaded.world.clone();
    let choice = ChoiceArgs {
        cni: arguments.cni.clone(),
        ..ChoiceArgs::default()
    };
    choice.apply_cni(&mut world)?;
    if world.pods.is_empty() {
        return Err(no_workloads(path));
    }
    Ok(world)
}
