//! `palisade list`: everything that can talk.

use crate::Terminal;
use crate::choice;
use crate::exit::{Exit, Failure};
use crate::pods;
use crate::progress::Progress;
use crate::verdict::PictureArgs;
use crate::world::{WorldArgs, left_out, selection, ticker};
use clap::{Args, ValueEnum};
use palisade_netmodel::PortSet;
use palisade_verify::{By, Query, Selection};

/// List everything that can talk: who reaches whom, on which ports, how sure, and how encrypted.
///
/// It needs no matrix. A row says of every pair that it covers exactly what is true; `depends` marks what
/// the input does not decide.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade list examples/eem\n  palisade list examples/verrazzano --to keycloak/keycloak\n  palisade list examples/verrazzano --from 203.0.113.0/24 --port 443\n  palisade list examples/cf-for-k8s --by namespace -o svg\n  palisade list examples/eem --profile cilium\n  palisade list --cluster --context production\n  kubectl get ns,pods,svc,netpol -A -o yaml | palisade list -\n\nExit codes: 0 answered, 2 bad input, 3 not everything is decided (with --strict)"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    world: WorldArgs,
    /// List what is effective on this network plugin, and what differs from what is declared.
    #[arg(long, value_name = "NAME", conflicts_with = "cni")]
    profile: Option<String>,
    /// What rows are about.
    #[arg(long, value_enum, default_value_t = Granularity::Workload)]
    by: Granularity,
    /// Only these sources: NAMESPACE, NAMESPACE/WORKLOAD, an address, a block, or outside. May be repeated.
    #[arg(long, value_name = "WHO", help_heading = "Filter")]
    from: Vec<String>,
    /// Only these destinations, likewise.
    #[arg(long, value_name = "WHO", help_heading = "Filter")]
    to: Vec<String>,
    /// Only this port, for example 8080 or 53/UDP. May be repeated.
    #[arg(long, value_name = "PORT[/PROTO]", help_heading = "Filter")]
    port: Vec<String>,
    /// Only what addresses outside can reach.
    #[arg(long, help_heading = "Filter", conflicts_with = "from")]
    exposed: bool,
    #[command(flatten)]
    output: PictureArgs,
}

/// `--by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Granularity {
    /// Single pods.
    Pod,
    /// Workloads.
    Workload,
    /// Namespaces.
    Namespace,
}

/// Lists.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut progress = Progress::new(terminal);
    let ports = ports(&arguments.port)?;
    let (project, mut world) = arguments.world.read(terminal)?;
    if let Some(name) = &arguments.profile {
        world.profile = choice::profile(name)?;
    }
    progress.done(terminal, "read");
    let chosen = |words: &[String]| -> Result<Vec<Selection>, Failure> {
        words.iter().map(|word| selection(&world, word)).collect()
    };
    let mut from = chosen(&arguments.from)?;
    if arguments.exposed {
        from.push(Selection::Outside);
    }
    let query = Query {
        by: match arguments.by {
            Granularity::Pod => By::Pod,
            Granularity::Workload => By::Workload,
            Granularity::Namespace => By::Namespace,
        },
        // What the outside reaches is asked about destinations.
        to: match chosen(&arguments.to)? {
            to if to.is_empty() && arguments.exposed => world
                .namespaces
                .keys()
                .cloned()
                .map(Selection::Namespace)
                .collect(),
            to => to,
        },
        from,
        ports,
    };
    let mut report =
        palisade_verify::list(&world, &query, &mut ticker(terminal, "comparing pairs"))
            .map_err(Failure::usage)?;
    report.title = format!("list {}", arguments.world.shown().display());
    report.prerequisites.extend(left_out(&project.diagnostics));
    if arguments.profile.is_some() {
        report.sections.push(
            palisade_verify::against_declared(&world, &mut ticker(terminal, "comparing ends"))
                .map_err(Failure::usage)?,
        );
    }
    progress.done(terminal, "analyse");
    Ok(arguments.output.end(&report, &project.sources, terminal))
}

/// The ports of all `--port` together.
pub(super) fn ports(words: &[String]) -> Result<Option<PortSet>, Failure> {
    if words.is_empty() {
        return Ok(None);
    }
    let mut set = PortSet::empty();
    for word in words {
        let (protocol, port) = pods::port(word)?;
        set = set.union(&PortSet::single(protocol, port));
    }
    Ok(Some(set))
}
