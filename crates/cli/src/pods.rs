//! Finds the pods or the address that a word on the command line means.

use crate::exit::Failure;
use palisade_diagnostics::{Diagnostic, did_you_mean};
use palisade_netmodel::{Endpoint, Phase, PodId, Protocol, World};
use std::net::IpAddr;

/// The end that `word` means: an address, `namespace/pod`, or `namespace/workload` (then any pod of
/// it but `other`).
pub(crate) fn find(
    world: &World,
    word: &str,
    other: Option<Endpoint>,
) -> Result<Endpoint, Failure> {
    if let Ok(address) = word.parse::<IpAddr>() {
        let owner = world
            .pods()
            .find(|(_, pod)| pod.phase == Phase::Live && pod.addresses.known.contains(&address));
        return Ok(owner.map_or(Endpoint::Address(address), |(id, _)| Endpoint::Pod(id)));
    }
    let exact = world
        .pods()
        .find(|(_, pod)| pod.object().to_string() == word);
    if let Some((id, _)) = exact {
        return Ok(Endpoint::Pod(id));
    }
    let mut of_workload: Vec<PodId> = world
        .pods()
        .filter(|(_, pod)| format!("{}/{}", pod.namespace, pod.workload.name) == word)
        .map(|(id, _)| id)
        .collect();
    of_workload.sort_by_key(|id| Some(Endpoint::Pod(*id)) == other);
    match of_workload.first() {
        Some(id) => Ok(Endpoint::Pod(*id)),
        None => Err(unknown(world, word)),
    }
}

fn unknown(world: &World, word: &str) -> Failure {
    let names: Vec<String> = world
        .pods
        .iter()
        .flat_map(|pod| {
            [
                format!("{}/{}", pod.namespace, pod.workload.name),
                pod.object().to_string(),
            ]
        })
        .collect();
    let mut diagnostic = Diagnostic::error("PAL0507", format!("no pod or workload `{word}`"));
    if let Some(near) = did_you_mean(word, names.iter().map(String::as_str)) {
        diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
    }
    Failure::usage(diagnostic.help("write NAMESPACE/POD, NAMESPACE/WORKLOAD, or an IP address"))
}

/// `8080`, `8080/TCP`, `53/udp`.
pub(crate) fn port(word: &str) -> Result<(Protocol, u16), Failure> {
    let (number, protocol) = word.split_once('/').unwrap_or((word, "TCP"));
    let parsed = number.parse::<u16>().ok().filter(|port| *port > 0);
    match (Protocol::parse(&protocol.to_uppercase()), parsed) {
        (Some(protocol), Some(port)) => Ok((protocol, port)),
        _ => Err(Failure::usage(
            Diagnostic::error("PAL0508", format!("`{word}` is no port"))
                .help("write a number from 1 to 65535, with /TCP, /UDP or /SCTP if it is not TCP"),
        )),
    }
}
