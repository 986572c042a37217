//! `palisade diff`: what two worlds let pass differently, and which object made the difference.

use crate::choice::ChoiceArgs;
use crate::cluster::{self, ClusterArgs, Objects};
use crate::exit::{Exit, Failure};
use crate::input::Reader;
use crate::progress::Progress;
use crate::project::{self, Project};
use crate::verdict::PictureArgs;
use crate::world::{left_out, no_workloads, ticker};
use crate::{Terminal, git};
use clap::Args;
use palisade_diagnostics::{Diagnostic, FileId};
use palisade_netmodel::World;
use palisade_resources::{Loaded, Options, Role};
use std::path::{Path, PathBuf};

/// Compare what two sets of manifests let pass: connections gained, lost, changed, more or less encrypted.
///
/// It needs no matrix. Each difference comes with the object that made it and with a connection that the
/// reference evaluator has judged in both worlds.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade diff examples/eem examples/eem/variants/deny-all-ingress.yaml --workloads examples/eem\n  palisade diff main:k8s k8s\n  palisade diff v1.2:deploy v1.3:deploy -o md\n  palisade diff examples/eem --cluster\n  palisade diff cluster candidate/ --workloads cluster --cluster\n\nExit codes: 0 no difference, 1 differences, 2 bad input, 4 a file, revision or cluster cannot be read"
)]
pub(crate) struct Arguments {
    /// Before: a directory (its manifests/ if there is one), a file, - for standard input, or REVISION:PATH of git.
    /// With --cluster also the word cluster.
    #[arg(value_name = "A")]
    before: PathBuf,
    /// After, likewise. With --cluster it may be left out: then it is the cluster.
    #[arg(value_name = "B", required_unless_present = "cluster")]
    after: Option<PathBuf>,
    /// Workloads of both sides: then A and B give only policies and Istio objects. May be repeated.
    #[arg(long, value_name = "PATH")]
    workloads: Vec<PathBuf>,
    /// Network plugin, for example calico, cilium, flannel.
    #[arg(long, value_name = "NAME")]
    cni: Option<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: PictureArgs,
}

/// What is read for both sides.
struct Places<'a, 't, 'o> {
    reader: Reader,
    cluster: &'a ClusterArgs,
    terminal: &'t mut Terminal<'o>,
    /// The cluster, once it has been read.
    objects: Option<Objects>,
}

/// Compares.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut progress = Progress::new(terminal);
    let mut places = Places {
        reader: Reader::default(),
        cluster: &arguments.cluster,
        terminal,
        objects: None,
    };
    let live = Path::new(cluster::NAME);
    let (a, b) = (
        arguments.before.as_path(),
        arguments.after.as_deref().unwrap_or(live),
    );
    if arguments.cluster.cluster && ![a, b].contains(&live) && !names(&arguments.workloads, live) {
        return Err(Failure::usage(
            Diagnostic::error(
                "PAL0533",
                "--cluster is given, and neither side is the cluster",
            )
            .help("leave B out, or write the word cluster for A or B"),
        ));
    }
    arguments.cluster.live(places.terminal)?;
    let mut common = Vec::new();
    for path in &arguments.workloads {
        common.extend(places.files(path)?);
    }
    let mut side = |path: &Path| -> Result<Vec<(FileId, Role)>, Failure> {
        let files = places.files(path)?.into_iter();
        Ok(if arguments.workloads.is_empty() {
            files.map(|file| (file, Role::Both)).collect()
        } else {
            let workloads = common.iter().map(|file| (*file, Role::Workloads));
            workloads
                .chain(files.map(|file| (file, Role::Policies)))
                .collect()
        })
    };
    let (before, after) = (side(a)?, side(b)?);
    let Places {
        reader, objects, ..
    } = places;
    let load =
        |files: &[(FileId, Role)]| project::load(&reader.sources, files, &Options::default());
    let (before, after) = (load(&before), load(&after));
    let diagnostics = union(&before, &after);
    let diagnostics = match &objects {
        Some(objects) => objects.told(&diagnostics),
        None => diagnostics,
    };
    let project = Project::finish(reader, None, None, diagnostics)?;
    project.print_warnings(terminal);
    let before = world(&before, a, arguments)?;
    let after = world(&after, b, arguments)?;
    progress.done(terminal, "read");
    let mut report =
        palisade_verify::compare(&before, &after, &mut ticker(terminal, "comparing ends"))
            .map_err(Failure::usage)?;
    report.title = format!("diff {} {}", a.display(), b.display());
    report.prerequisites.extend(left_out(&project.diagnostics));
    progress.done(terminal, "analyse");
    Ok(arguments.output.end(&report, &project.sources, terminal))
}

fn names(paths: &[PathBuf], word: &Path) -> bool {
    paths.iter().any(|path| path == word)
}

/// What is told of both sides, each once.
fn union(before: &Loaded, after: &Loaded) -> Vec<Diagnostic> {
    let mut out = before.diagnostics.clone();
    let new = after.diagnostics.iter();
    out.extend(new.filter(|d| !before.diagnostics.contains(d)).cloned());
    out
}

impl Places<'_, '_, '_> {
    /// The files of a place: a path, standard input, a path of a git revision, or the cluster.
    fn files(&mut self, path: &Path) -> Result<Vec<FileId>, Failure> {
        if path == Path::new(cluster::NAME)
            && let Some(live) = self.cluster.live(self.terminal)?
        {
            if self.objects.is_none() {
                self.objects = Some(live.read(&mut self.reader)?);
            }
            let objects = self.objects.iter();
            return Ok(objects.flat_map(Objects::files).collect());
        }
        if path.as_os_str() != "-"
            && let Some((revision, below)) = git::revision(path.as_os_str())
        {
            return git::read(&mut self.reader, revision, below);
        }
        let inside = path.join("manifests");
        let place = if inside.is_dir() { &inside } else { path };
        Ok(self.reader.manifests(place))
    }
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
