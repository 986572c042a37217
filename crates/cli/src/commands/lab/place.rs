//! From manifests to a lab in which their policies are enforced.

use super::mesh::{Program, Proxies};
use crate::Terminal;
use crate::exit::Failure;
use crate::progress::Progress;
use crate::project::Project;
use crate::world::WorldArgs;
use clap::{Args, ValueEnum};
use palisade_diagnostics::{Diagnostic, Prerequisite};
use palisade_netlab::{Layout, become_root};
use palisade_netmodel::World;
use palisade_nftables::Refused;
use palisade_trial::{Options, Trial, addresses_that_matter, reduce, without_mesh};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Most pods: each takes half a megabyte of the kernel, and longer the more there are.
const MOST_PODS: usize = 3_000;

/// What is built, and how.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    #[command(flatten)]
    pub(super) world: WorldArgs,
    /// Most pods of a kind: pods of one workload are alike for policies.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000), help_heading = "Lab")]
    pods: u16,
    /// Nodes, over which pods are spread.
    #[arg(long, value_name = "NUMBER", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100), help_heading = "Lab")]
    nodes: u16,
    /// How pods hang on their node.
    #[arg(long, value_enum, default_value_t = LayoutName::Routed, help_heading = "Lab")]
    layout: LayoutName,
}

/// `--layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LayoutName {
    /// Each pod by a host route, as with Calico.
    Routed,
    /// Pods of a node on a bridge, as with flannel.
    Bridged,
}

/// A lab in which policies are enforced.
pub(super) struct Place {
    pub(super) project: Project,
    /// What is in the lab, as far as the network is concerned.
    pub(super) world: World,
    /// The same with the mesh.
    pub(super) whole: World,
    /// What stands for the mesh.
    pub(super) proxies: Proxies,
    pub(super) trial: Trial,
    /// Whether the policies are enforced.
    pub(super) enforced: bool,
    /// What is enforced otherwise than written, always on the closed side.
    pub(super) refused: Vec<Refused>,
    /// Pods of the manifests that are like others, and not in the lab.
    pub(super) left_out: usize,
    /// What the lab does not show.
    pub(super) missing: Vec<Prerequisite>,
    pub(super) build: Duration,
    pub(super) enforce: Duration,
}

impl PlaceArgs {
    /// Reads, builds and, if it shall, enforces. This must be the first thing that a process does: rights are only
    /// given to one without threads.
    pub(super) fn build(
        &self,
        terminal: &mut Terminal<'_>,
        enforced: bool,
        program: Program,
    ) -> Result<Place, Failure> {
        become_root().map_err(|error| no_rights(&error))?;
        let mut progress = Progress::new(terminal);
        let (project, all) = self.world.read(terminal)?;
        let (whole, left_out) = reduce(&all, self.pods.into());
        let world = without_mesh(&whole);
        progress.done(terminal, "read");
        let (proxies, missing) = Proxies::of(&whole, program)?;
        if world.pods.len() > MOST_PODS {
            return Err(too_large(&format!("{} pods", world.pods.len())));
        }
        let options = Options {
            layout: match self.layout {
                LayoutName::Routed => Layout::Routed,
                LayoutName::Bridged => Layout::Bridged,
            },
            nodes: self.nodes.into(),
            outside: addresses_that_matter(&whole),
            ..Options::default()
        };
        let begun = Instant::now();
        let mut trial = Trial::build(&world, &options).map_err(failed)?;
        let build = begun.elapsed();
        progress.done(terminal, "build the lab");
        let begun = Instant::now();
        let reports = if enforced {
            trial.enforce(&world).map_err(failed)?
        } else {
            Vec::new()
        };
        let refused: BTreeSet<Refused> = reports.into_iter().flat_map(|r| r.refused).collect();
        let enforce = begun.elapsed();
        progress.done(terminal, "enforce");
        Ok(Place {
            project,
            world,
            whole,
            proxies,
            trial,
            enforced,
            refused: refused.into_iter().collect(),
            left_out,
            missing,
            build,
            enforce,
        })
    }
}

fn no_rights(error: &palisade_netlab::Error) -> Failure {
    Failure::environment(
        Diagnostic::error("PAL0550", "no right to make network namespaces")
            .note(error.to_string())
            .help("run it as root")
            .help("or allow user namespaces: `sysctl user.max_user_namespaces` above 0; on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; in a container `--privileged`"),
    )
}

/// More than one machine can show in some minutes.
pub(super) fn too_large(what: &str) -> Failure {
    Failure::usage(
        Diagnostic::error("PAL0554", format!("too much for a lab: {what}"))
            .help("make fewer pods of each kind with --pods 1")
            .help("or give the manifests of a part of the system"),
    )
}

/// The lab cannot be built, or its kernel refuses.
pub(super) fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::environment(
        Diagnostic::error("PAL0551", "the lab does not work on this machine")
            .note(error.to_string())
            .help("it needs a Linux kernel with network namespaces, veth, bridge and nf_tables (`modprobe nf_tables`)"),
    )
}
