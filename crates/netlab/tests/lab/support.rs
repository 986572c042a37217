//! What most tests begin with.

pub(crate) use crate::rights::with_rights;
use palisade_netlab::{Answer, Evidence, HostId, HostKind, Lab, Layout, Outcome, Plan, Probe};
use palisade_netmodel::Protocol;
use std::net::SocketAddr;
use std::process::Command;

/// The port on which everybody answers.
pub(crate) const PORT: u16 = 8080;

/// A lab whose pods answer on [`PORT`] with every protocol.
pub(crate) fn lab(layout: Layout, nodes: usize, pods: usize) -> Lab {
    let lab = Lab::build(&Plan::uniform(layout, nodes, pods)).expect("the lab is built");
    let hosts: Vec<HostId> = lab.pods().map(|(id, _)| id).collect();
    serve(&lab, hosts);
    lab
}

/// Makes hosts answer on [`PORT`] with every protocol.
pub(crate) fn serve(lab: &Lab, hosts: impl IntoIterator<Item = HostId>) {
    let every = hosts
        .into_iter()
        .flat_map(|id| Protocol::ALL.map(|p| (id, p, PORT)));
    lab.serve(every).expect("the ports are opened");
}

/// Probes of every ordered pair of pods, every protocol, both families.
pub(crate) fn all_pairs(lab: &Lab) -> Vec<Probe> {
    let pods: Vec<HostId> = lab.pods().map(|(id, _)| id).collect();
    let mut probes = Vec::new();
    for from in &pods {
        for to in pods.iter().filter(|to| *to != from) {
            probes.extend(pair(lab, *from, *to));
        }
    }
    probes
}

/// Probes from one host to another: every protocol, both families.
pub(crate) fn pair(lab: &Lab, from: HostId, to: HostId) -> Vec<Probe> {
    let addresses = lab.host(to).expect("the host exists").addresses();
    let probe = |protocol| {
        addresses.map(|address| Probe {
            from,
            to: SocketAddr::new(address, PORT),
            protocol,
        })
    };
    Protocol::ALL.map(probe).concat()
}

/// The host whose address a probe is for.
pub(crate) fn target(lab: &Lab, probe: &Probe) -> HostId {
    let is_it = |host: &palisade_netlab::Host| host.addresses().contains(&probe.to.ip());
    let found = lab.hosts().find(|(_, host)| is_it(host));
    found.expect("the address is a host's").0
}

/// A probe and its answer in words.
pub(crate) fn line(lab: &Lab, probe: &Probe, answer: &Answer) -> String {
    let name = |id: HostId| lab.host(id).map_or("nobody", |host| host.name.as_str());
    let by = answer.by.map_or("nobody", name);
    let Probe { from, to, protocol } = probe;
    format!("{} -> {to} {protocol}: {answer} ({by})", name(*from))
}

/// Sends probes: those for which `denied` holds must be silent, all others must be answered by the
/// host whose address they are for.
#[track_caller]
pub(crate) fn expect(lab: &Lab, probes: &[Probe], denied: impl Fn(&Probe) -> bool) {
    let answers = lab.probe(probes).expect("the probes are sent");
    assert_eq!(answers.len(), probes.len());
    let wrong: Vec<String> = probes
        .iter()
        .zip(&answers)
        .filter(|(probe, answer)| {
            let good = if denied(probe) {
                answer.outcome == Outcome::Silent
            } else {
                (answer.outcome, answer.evidence) == (Outcome::Passed, Evidence::Named)
                    && answer.by == Some(target(lab, probe))
            };
            !good
        })
        .map(|(probe, answer)| line(lab, probe, answer))
        .collect();
    let few: Vec<&String> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} wrong: {few:#?}", wrong.len());
}

/// Loads an nftables script into a node.
#[track_caller]
pub(crate) fn load(lab: &Lab, host: HostId, script: &str) {
    let said = nft(lab, host, script);
    assert!(said.is_ok(), "{said:?}");
}

/// Runs an nftables script in a host.
pub(crate) fn nft(lab: &Lab, host: HostId, script: &str) -> Result<(), String> {
    let namespace = lab.host(host).expect("the host exists").namespace();
    let output = namespace.command(Command::new("nft").args(["-f", "-"]), script);
    let output = output.expect("nft runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then_some(()).ok_or(said)
}

/// Hosts of a kind.
pub(crate) fn of_kind(lab: &Lab, kind: HostKind) -> Vec<HostId> {
    let hosts = lab.hosts().filter(|(_, host)| host.kind == kind);
    hosts.map(|(id, _)| id).collect()
}

/// Waits for what must come soon.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !holds() {
        assert!(begun.elapsed().as_secs() < 30, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
