//! `palisade explain`: why one connection passes or not.

use crate::choice::{self, ChoiceArgs};
use crate::cluster::ClusterArgs;
use crate::exit::{Exit, Failure};
use crate::project::{Needs, Project, SourceArgs};
use crate::verdict::{FormatName, OutputArgs};
use crate::world::{left_out, no_workloads};
use crate::{Terminal, pods};
use clap::Args;
use palisade_diagnostics::Verdict;
use palisade_netmodel::Flow;
use std::path::PathBuf;

/// Explain one connection: every layer, the deciding rule of each with its line, and what to change.
///
/// It needs no matrix.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade explain verrazzano-ingress-nginx/ingress-controller-ingress-nginx-controller keycloak/keycloak 8080 examples/verrazzano\n  palisade explain 203.0.113.10 keycloak/keycloak 8080/TCP examples/verrazzano\n  palisade explain 203.0.113.10 keycloak/keycloak 8080 examples/verrazzano --profile all\n  palisade explain shop/web shop/db 5432 --cluster\n  kubectl get ns,pods,svc,netpol -A -o yaml | palisade explain shop/web shop/db 5432 -\n\nExit codes: 0 allowed, 1 denied, 3 not decided (with --strict)"
)]
pub(crate) struct Arguments {
    /// Source: NAMESPACE/POD, NAMESPACE/WORKLOAD or an IP address.
    #[arg(value_name = "SRC")]
    source: String,
    /// Destination, likewise.
    #[arg(value_name = "DST")]
    destination: String,
    /// Port of the destination pod, for example 8080 or 53/UDP.
    #[arg(value_name = "PORT[/PROTO]")]
    port: String,
    /// Manifests: a directory (its manifests/ if there is one), a file, or - for standard input.
    #[arg(value_name = "PATH", default_value = ".", conflicts_with = "cluster")]
    directory: PathBuf,
    #[command(flatten)]
    sources: SourceArgs,
    /// Network plugin, for example calico, cilium, flannel.
    #[arg(long, value_name = "NAME")]
    cni: Option<String>,
    /// Network profile to compare with what is declared: a network plugin, or all. The answer is for the
    /// first one. May be repeated.
    #[arg(long, value_name = "NAME", conflicts_with = "cni")]
    profile: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// Explains.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let (protocol, port) = pods::port(&arguments.port)?;
    let needs = Needs {
        matrix: false,
        manifests: true,
    };
    let live = arguments.cluster.live(terminal)?;
    let project = Project::read_with(&arguments.directory, &arguments.sources, needs, live)?;
    project.print_warnings(terminal);
    let profiles = choice::profiles(&arguments.profile)?;
    let first = arguments.profile.first().filter(|name| *name != "all");
    let choice = ChoiceArgs {
        cni: arguments.cni.as_ref().or(first).cloned(),
        ..ChoiceArgs::default()
    };
    let world = project.world(&choice)?;
    if world.pods.is_empty() {
        return Err(no_workloads(arguments.cluster.shown(&arguments.directory)));
    }
    let source = pods::find(&world, &arguments.source, None)?;
    let flow = Flow {
        source,
        destination: pods::find(&world, &arguments.destination, Some(source))?,
        protocol,
        port,
    };
    let mut report = palisade_verify::explain(&world, &flow);
    if !profiles.is_empty() {
        let section = palisade_verify::on_profiles(&world, &flow, &profiles);
        report.sections.insert(0, section);
    }
    let left_out = left_out(&project.diagnostics);
    let open = left_out.is_some();
    report.prerequisites.extend(left_out);
    let format: FormatName = arguments.output.format;
    format.print(&report, &project.sources, terminal);
    Ok(match report.verdict {
        Verdict::Holds if arguments.output.strict && open => Exit::Unknown,
        Verdict::Holds => Exit::Holds,
        Verdict::Fails => Exit::Findings,
        Verdict::Unknown if arguments.output.strict => Exit::Unknown,
        Verdict::Unknown => Exit::Holds,
    })
}
