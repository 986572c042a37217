//! `palisade exposure`: who would reach a workload that does not exist yet, and whom it would reach.

use super::list;
use crate::Terminal;
use crate::exit::{Exit, Failure};
use crate::progress::Progress;
use crate::verdict::PictureArgs;
use crate::world::{WorldArgs, left_out, ticker};
use clap::Args;
use palisade_diagnostics::{Diagnostic, did_you_mean};
use palisade_netmodel::{PodId, World};
use palisade_yaml::Value;

/// Show what a workload that does not exist yet could reach, and who could reach it.
///
/// Two replicas with the given labels are put into the namespace, as the manifests describe it: the policies
/// and the sidecar that they get are those that any pod like them would get.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade exposure --namespace keycloak --labels app=probe examples/verrazzano\n  palisade exposure --namespace cf-workloads examples/cf-for-k8s\n  palisade exposure -n shop -l app=web,tier=front --named-port http=8080 --port 8080 k8s/\n\nExit codes: 0 answered, 2 bad input, 3 not everything is decided (with --strict)"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    world: WorldArgs,
    /// Namespace of the new workload; the manifests must know it.
    #[arg(long, short = 'n', value_name = "NAMESPACE")]
    namespace: String,
    /// Its labels. Separated by commas, may be repeated.
    #[arg(
        long,
        short = 'l',
        value_name = "KEY=VALUE",
        value_delimiter = ',',
        value_parser = pair
    )]
    labels: Vec<(String, String)>,
    /// Its service account.
    #[arg(long, value_name = "NAME", default_value = "default")]
    service_account: String,
    /// A port that it gives a name, for rules that name ports: http=8080, dns=53/UDP. May be repeated.
    #[arg(long, value_name = "NAME=PORT[/PROTO]", value_parser = pair)]
    named_port: Vec<(String, String)>,
    /// It is on the network of its node.
    #[arg(long)]
    host_network: bool,
    /// Only this port, for example 8080 or 53/UDP. May be repeated.
    #[arg(long, value_name = "PORT[/PROTO]")]
    port: Vec<String>,
    #[command(flatten)]
    output: PictureArgs,
}

/// `KEY=VALUE`.
fn pair(word: &str) -> Result<(String, String), String> {
    match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// Answers.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let mut progress = Progress::new(terminal);
    let ports = list::ports(&arguments.port)?;
    let (project, world) = arguments.world.load(terminal)?;
    if !world.namespaces.contains_key(&arguments.namespace) {
        return Err(unknown(&world, &arguments.namespace));
    }
    let name = free_name(&world, &arguments.namespace);
    let manifest = manifest(arguments, &name)?;
    let project = project.with_text("<new workload>", &manifest)?;
    project.print_warnings(terminal);
    let world = project.world(&arguments.world.choice())?;
    progress.done(terminal, "read");
    let new = |id: &PodId| {
        let pod = world.pod(*id);
        pod.is_some_and(|p| p.namespace == arguments.namespace && p.workload.name == name)
    };
    let pods: Vec<PodId> = world.pods().map(|(id, _)| id).filter(new).collect();
    let mut report = palisade_verify::exposure(
        &world,
        &pods,
        ports.as_ref(),
        &mut ticker(terminal, "comparing pairs"),
    )
    .map_err(Failure::usage)?;
    report.title = format!(
        "exposure of a new workload `{}/{name}`",
        arguments.namespace
    );
    report.prerequisites.extend(left_out(&project.diagnostics));
    progress.done(terminal, "analyse");
    Ok(arguments.output.end(&report, &project.sources, terminal))
}

fn unknown(world: &World, namespace: &str) -> Failure {
    let title = format!("no namespace `{namespace}` in the manifests");
    let mut diagnostic = Diagnostic::error("PAL0507", title);
    if let Some(near) = did_you_mean(namespace, world.namespaces.keys().map(String::as_str)) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    Failure::usage(diagnostic.help(
        "its labels decide which policies apply: add its Namespace object to the manifests if it is new",
    ))
}

/// `new`, or the first `new-N` that nothing in the namespace is called.
fn free_name(world: &World, namespace: &str) -> String {
    let taken = |name: &str| {
        let mut pods = world.pods.iter();
        pods.any(|p| {
            p.namespace == namespace && (p.workload.name == name || p.name.starts_with(name))
        })
    };
    let numbered = (2..).map(|n| format!("new-{n}"));
    let mut names = std::iter::once("new".to_owned()).chain(numbered);
    names.find(|name| !taken(name)).unwrap_or_default()
}

/// The new workload as manifests, so that it is read by the same rules as any other. Bare pods: a
/// workload without labels is none that a Deployment could have.
fn manifest(arguments: &Arguments, name: &str) -> Result<String, Failure> {
    let text = |text: &str| Value::string(text);
    let mut ports = Vec::new();
    for (name, port) in &arguments.named_port {
        let (protocol, number) = crate::pods::port(port)?;
        ports.push(Value::map([
            ("name", text(name)),
            ("containerPort", Value::Int(number.into())),
            ("protocol", text(protocol.name())),
        ]));
    }
    let container = Value::map([("name", text("new")), ("ports", Value::List(ports))]);
    let pod = Value::map([
        ("serviceAccountName", text(&arguments.service_account)),
        ("hostNetwork", Value::Bool(arguments.host_network)),
        ("containers", Value::List(vec![container])),
    ]);
    let labels = Value::map(arguments.labels.iter().map(|(k, v)| (k.clone(), text(v))));
    let owner = Value::map([
        ("apiVersion", text("apps/v1")),
        ("kind", text("ReplicaSet")),
        ("name", text(name)),
        ("controller", Value::Bool(true)),
    ]);
    let replica = |number: u8| {
        let metadata = Value::map([
            ("name", text(&format!("{name}-{number}"))),
            ("namespace", text(&arguments.namespace)),
            ("labels", labels.clone()),
            ("ownerReferences", Value::List(vec![owner.clone()])),
        ]);
        let document = Value::map([
            ("apiVersion", text("v1")),
            ("kind", text("Pod")),
            ("metadata", metadata),
            ("spec", pod.clone()),
        ]);
        format!("---\n{}", document.to_yaml())
    };
    Ok([0, 1].map(replica).concat())
}
