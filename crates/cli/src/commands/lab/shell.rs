//! `palisade lab shell`: a command line inside of a pod.

use super::mesh::{MeshArgs, start};
use super::place::{Place, PlaceArgs, failed};
use super::services::publish;
use crate::Terminal;
use crate::exit::{Exit, Failure};
use crate::pods;
use clap::Args;
use palisade_diagnostics::Diagnostic;
use palisade_netlab::{Host, HostId};
use palisade_netmodel::{Endpoint, PodId, Protocol};
use palisade_trial::Published;
use palisade_trial::mesh::Sidecars;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, ExitStatus};

/// Build the system in namespaces, enforce its policies, and open a shell in a pod to try things by hand.
///
/// The pods' names are in /etc/hosts, as POD.NAMESPACE, with those of Services, as SERVICE.NAMESPACE.svc;
/// `nsenter --net=/run/netns/NAME COMMAND` runs a command in another pod or in a node. Every pod answers on the ports
/// that it declares, from behind its sidecar if Istio would give it one and there is Envoy. The lab ends with the
/// shell.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  palisade lab shell examples/eem\n  palisade lab shell examples/eem kafka-clients/consumer-app -- cat /etc/hosts\n  palisade lab shell examples/eem node-0 -- nft list ruleset\n\nExit codes: that of the shell or the command; 2 bad input, 4 no right to make namespaces, or something is missing"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    mesh: MeshArgs,
    /// Where: NAMESPACE/POD, NAMESPACE/WORKLOAD, or a node: node-0. Default: the first pod.
    #[arg(value_name = "WHERE")]
    host: Option<String>,
    /// A command to run in the place of a shell.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// What a shell begins with: mounts of its own, the names of all hosts, and their namespaces as `ip netns` knows them.
/// The lab's process holds the namespaces, and is asked for them by its number.
const SCRIPT: &str = r#"
set -e
mount -t tmpfs lab /run
mkdir /run/netns
echo "127.0.0.1 localhost" >/run/hosts
while read -r descriptor name v4 v6; do
    printf '%s %s\n' "$v4" "$name" "$v6" "$name" >>/run/hosts
    [ "$descriptor" != - ] || continue
    : >"/run/netns/$name"
    mount --bind "/proc/$PALISADE_LAB/fd/$descriptor" "/run/netns/$name"
done <<END
$PALISADE_HOSTS
END
mount --bind /run/hosts /etc/hosts
unset PALISADE_LAB PALISADE_HOSTS
exec "$@"
"#;

/// The kernel takes no longer text as a variable of a process.
const MOST_TEXT: usize = 120 * 1024;

/// Opens the shell.
pub(super) fn run(arguments: &Arguments, terminal: &mut Terminal<'_>) -> Result<Exit, Failure> {
    let program = arguments.mesh.program();
    let mut place = arguments.place.build(terminal, true, program)?;
    let inside = match &arguments.host {
        Some(word) => find(&place, word)?,
        None => first(&place)?,
    };
    let published = publish(&mut place)?;
    let mut doors = doors(&place);
    doors.extend(behind(&published));
    // They end with the shell.
    let sidecars = start(&mut place, &tcp(&doors), &published)?;
    serve(&place, doors, sidecars.as_ref())?;
    for missing in &place.missing {
        let _ = writeln!(
            terminal.err,
            "palisade: {}: {}",
            missing.title, missing.detail
        );
    }
    let hosts = hosts(&place) + &services(&published);
    if hosts.len() > MOST_TEXT {
        return Err(failed("too many pods for a shell; --pods 1 makes fewer"));
    }
    let host = place.trial.lab.host(inside).map_err(failed)?;
    let name = name(&place, inside, host);
    if arguments.command.is_empty() {
        let _ = writeln!(
            terminal.err,
            "palisade: a shell in {name} ({}, {}); its end is the end of the lab",
            host.v4, host.v6
        );
    }
    let mut command = command(&arguments.command, &name, &hosts);
    // On the thread whose end would kill it, and which waits for it.
    let ended = host.namespace().run(|| command.status()).map_err(failed)?;
    Ok(Exit::Command(code(ended.map_err(|e| missing(&e))?)))
}

/// The command in namespaces of its own for mounts and processes: it ends with this process, with all that it started.
fn command(words: &[String], name: &str, hosts: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args([
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--propagation",
        "private",
    ]);
    command.args(["--pid", "--fork", "--kill-child", "sh", "-c", SCRIPT, "lab"]);
    if words.is_empty() {
        let bash = "if command -v bash >/dev/null; then exec bash --norc; else exec sh; fi";
        command
            .args(["sh", "-c", bash])
            .env("PS1", format!("{name}# "));
    } else {
        command.args(words);
    }
    command
        .env("PALISADE_LAB", std::process::id().to_string())
        .env("PALISADE_HOSTS", hosts.trim_end());
    command
}

/// How the command ended, as a shell says it.
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let signal = status.signal().map(|signal| signal + 128);
    let code = status.code().or(signal).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// The host that a word means: a node or an outside host by its name, or a pod.
fn find(place: &Place, word: &str) -> Result<HostId, Failure> {
    let trial = &place.trial;
    if !word.contains('/')
        && let Ok(host) = trial.lab.find(word)
    {
        return Ok(host);
    }
    let end = pods::find(&place.world, word, None)?;
    trial.host(end).ok_or_else(|| {
        Failure::usage(
            Diagnostic::error("PAL0553", format!("`{word}` is not in the lab")).help(
                "pods that have ended, and addresses that no policy names, have no place in it",
            ),
        )
    })
}

fn first(place: &Place) -> Result<HostId, Failure> {
    let first = place.trial.lab.pods().next();
    let first = first.map(|(id, _)| id);
    first.ok_or_else(|| failed("there is no pod that is not on the host network"))
}

/// The ports that pods declare.
fn doors(place: &Place) -> Vec<(PodId, Protocol, u16)> {
    let mut doors = Vec::new();
    for (id, pod) in place.world.pods().filter(|(_, pod)| !pod.host_network) {
        if place.trial.host(Endpoint::Pod(id)).is_none() {
            continue;
        }
        for protocol in Protocol::ALL {
            for (first, last) in pod.container_ports.ranges(protocol) {
                doors.extend((*first..=*last).take(64).map(|port| (id, protocol, port)));
            }
        }
        let named = pod.named_ports.iter();
        doors.extend(named.map(|port| (id, port.protocol, port.port)));
    }
    doors
}

/// The ports to which Services lead.
fn behind(published: &[Published]) -> impl Iterator<Item = (PodId, Protocol, u16)> {
    published.iter().flat_map(|of| {
        let backends = of.backends.iter();
        backends.map(|(id, port)| (*id, of.protocol, *port))
    })
}

/// Those that a sidecar would stand before.
fn tcp(doors: &[(PodId, Protocol, u16)]) -> BTreeMap<PodId, BTreeSet<u16>> {
    let mut ports: BTreeMap<PodId, BTreeSet<u16>> = BTreeMap::new();
    for (id, protocol, port) in doors {
        if *protocol == Protocol::Tcp {
            ports.entry(*id).or_default().insert(*port);
        }
    }
    ports
}

/// Opens ports, apart from those that an application has.
fn serve(
    place: &Place,
    doors: Vec<(PodId, Protocol, u16)>,
    sidecars: Option<&Sidecars>,
) -> Result<(), Failure> {
    let taken = |id, protocol| {
        protocol == Protocol::Tcp && sidecars.is_some_and(|sidecars| sidecars.speaks(id))
    };
    let open = doors.into_iter().filter_map(|(id, protocol, port)| {
        let host = place.trial.host(Endpoint::Pod(id))?;
        (!taken(id, protocol)).then_some((host, protocol, port))
    });
    place.trial.lab.serve(open).map_err(failed)
}

/// A line for each host: the descriptor of its namespace, its name, its addresses.
fn hosts(place: &Place) -> String {
    let mut text = String::new();
    for (id, host) in place.trial.lab.hosts() {
        let descriptor = host.namespace().as_fd().as_raw_fd();
        let name = name(place, id, host);
        let _ = writeln!(text, "{descriptor} {name} {} {}", host.v4, host.v6);
    }
    text
}

/// A line for each Service, which has no namespace of its own.
fn services(published: &[Published]) -> String {
    let line = |of: &Published| {
        let [v4, v6] = of.addresses;
        let (name, namespace) = (&of.service.name, &of.service.namespace);
        format!("- {name}.{namespace}.svc {v4} {v6}\n")
    };
    let lines: BTreeSet<String> = published.iter().map(line).collect();
    lines.into_iter().collect()
}

/// `POD.NAMESPACE`, or the name that the lab gives to a node or an outside host.
fn name(place: &Place, id: HostId, host: &Host) -> String {
    let is_it = |(pod, _): &(PodId, _)| place.trial.host(Endpoint::Pod(*pod)) == Some(id);
    let pods = place.world.pods().filter(|(_, pod)| !pod.host_network);
    let pod = pods.into_iter().find(is_it);
    pod.map_or_else(
        || host.name.clone(),
        |(_, pod)| format!("{}.{}", pod.name, pod.namespace),
    )
}

fn missing(error: &io::Error) -> Failure {
    failed(format!("setpriv (package util-linux): {error}"))
}
