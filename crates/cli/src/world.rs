//! What the commands without a matrix read: manifests of one place, and who is meant in them.

use crate::Terminal;
use crate::choice::ChoiceArgs;
use crate::cluster::ClusterArgs;
use crate::exit::Failure;
use crate::project::{Needs, Project, SourceArgs};
use clap::Args;
use palisade_diagnostics::{Diagnostic, Prerequisite, Verdict, did_you_mean};
use palisade_netmodel::World;
use palisade_verify::Selection;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where manifests come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct WorldArgs {
    /// Manifests: a directory (its manifests/ if there is one), a file, or - for standard input.
    #[arg(value_name = "PATH", default_value = ".", conflicts_with = "cluster")]
    pub(crate) path: PathBuf,
    /// Take the policies and Istio objects from here instead. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub(crate) policies: Vec<PathBuf>,
    /// Network plugin, for example calico, cilium, flannel.
    #[arg(long, value_name = "NAME")]
    pub(crate) cni: Option<String>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
}

impl WorldArgs {
    /// Reads the manifests and prints the warnings of reading. A world without workloads is an error.
    pub(crate) fn read(&self, terminal: &mut Terminal<'_>) -> Result<(Project, World), Failure> {
        let (project, world) = self.load(terminal)?;
        project.print_warnings(terminal);
        if world.pods.is_empty() {
            return Err(no_workloads(self.shown()));
        }
        Ok((project, world))
    }

    /// Reads the manifests, whatever they hold.
    pub(crate) fn load(&self, terminal: &mut Terminal<'_>) -> Result<(Project, World), Failure> {
        let sources = SourceArgs {
            policies: self.policies.clone(),
            ..SourceArgs::default()
        };
        let needs = Needs {
            matrix: false,
            manifests: true,
        };
        let live = self.cluster.live(terminal)?;
        let project = Project::read_with(&self.path, &sources, needs, live)?;
        let world = project.world(&self.choice())?;
        Ok((project, world))
    }

    /// How the place is called that is read.
    pub(crate) fn shown(&self) -> &Path {
        self.cluster.shown(&self.path)
    }

    /// The network plugin as a choice.
    pub(crate) fn choice(&self) -> ChoiceArgs {
        ChoiceArgs {
            cni: self.cni.clone(),
            ..ChoiceArgs::default()
        }
    }
}

pub(crate) fn no_workloads(path: &Path) -> Failure {
    Failure::usage(
        Diagnostic::error("PAL0514", format!("no workloads in `{}`", path.display())).help(
            "give manifests with Deployments, StatefulSets, DaemonSets, Jobs or Pods, for example `kubectl get ns,pods,svc,netpol -A -o yaml`",
        ),
    )
}

/// What was read, but whose effect no answer holds.
pub(crate) fn left_out(diagnostics: &[Diagnostic]) -> Option<Prerequisite> {
    let titles: Vec<&str> = diagnostics
        .iter()
        .filter(|d| d.left_out)
        .map(|d| d.title.as_str())
        .collect();
    let first = titles.first()?;
    let more = match titles.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more of the warnings above)"),
    };
    Some(Prerequisite {
        title: "everything that was read is judged".to_owned(),
        verdict: Verdict::Unknown,
        detail: format!("{first}{more}"),
    })
}

/// `NAMESPACE`, `NAMESPACE/WORKLOAD`, `NAMESPACE/POD`, an address or a block; `outside` is every address.
pub(crate) fn selection(world: &World, word: &str) -> Result<Selection, Failure> {
    if word == "outside" && !world.namespaces.contains_key(word) {
        return Ok(Selection::Outside);
    }
    if let Ok(block) = word.parse::<ipnet::IpNet>() {
        return Ok(Selection::Block(block.trunc()));
    }
    if let Ok(address) = word.parse::<std::net::IpAddr>() {
        return Ok(Selection::Block(address.into()));
    }
    match word.split_once('/') {
        None if world.namespaces.contains_key(word) => Ok(Selection::Namespace(word.to_owned())),
        Some((namespace, name)) if exists(world, namespace, name) => Ok(Selection::Name {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }),
        _ => Err(unknown(world, word)),
    }
}

fn exists(world: &World, namespace: &str, name: &str) -> bool {
    let mut pods = world.pods.iter();
    pods.any(|p| p.namespace == namespace && (p.name == name || p.workload.name == name))
}

fn unknown(world: &World, word: &str) -> Failure {
    let mut names: BTreeSet<String> = world.namespaces.keys().cloned().collect();
    for pod in &world.pods {
        names.insert(format!("{}/{}", pod.namespace, pod.workload.name));
        names.insert(pod.object().to_string());
    }
    let mut diagnostic = Diagnostic::error("PAL0507", format!("nobody is called `{word}`"));
    // A workload without its namespace is as likely as a slip of the keyboard.
    let tail = format!("/{word}");
    let near = did_you_mean(word, names.iter().map(String::as_str));
    if let Some(near) = near.or_else(|| {
        names
            .iter()
            .map(String::as_str)
            .find(|n| n.ends_with(&tail))
    }) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    Failure::usage(diagnostic.help(
        "write NAMESPACE, NAMESPACE/WORKLOAD, NAMESPACE/POD, an address, a block, or `outside`",
    ))
}

/// Tells how far long work is: after a second, and then once a second, if somebody watches.
pub(crate) fn ticker<'t>(
    terminal: &'t mut Terminal<'_>,
    what: &'static str,
) -> impl FnMut(usize, usize) + 't {
    let mut last = Instant::now();
    move |done, all| {
        if terminal.progress && last.elapsed() > Duration::from_secs(1) {
            last = Instant::now();
            let _ = writeln!(terminal.err, "palisade: {what}, {done} of {all}");
        }
    }
}
