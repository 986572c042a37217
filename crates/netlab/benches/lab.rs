//! How large a lab may be. Run with `cargo bench -p palisade-netlab`.
//!
//! Cost model. A *pod* costs the kernel a namespace, a veth pair, two addresses and their routes, and us five system
//! calls; all of it under one lock of the kernel, so a second thread would not help. Namespaces and the node's lists of
//! interfaces and routes grow, so a pod costs more the more there are. A *bridged* pod also costs each other pod
//! of the node a little, since a packet to everybody is copied to all. A *probe* that passes costs a socket at each end
//! and two switches to the thread that answers; one that is denied costs no work but waiting, which all share: the
//! three tries of [`palisade_netlab::Patience`] for every window of a few thousand.
//!
//! Wall clock, all threads; probes are of every ordered pair, over IPv4 and IPv6.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use palisade_netlab::{HostId, Lab, Layout, Outcome, Plan, Probe, Result, become_root};
use palisade_netmodel::Protocol;
use std::net::SocketAddr;
use std::process::{Command, ExitCode};
use std::time::Instant;

fn main() -> ExitCode {
    let done = become_root()
        .and_then(|()| building())
        .and_then(|()| probing());
    if let Err(error) = done {
        println!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn building() -> Result<()> {
    println!(
        "{:<8} {:>6} {:>6} {:>9} {:>10} {:>9} {:>10}",
        "layout", "nodes", "pods", "build ms", "ms a pod", "pods/s", "remove ms"
    );
    for (layout, nodes, pods) in [
        (Layout::Routed, 1, 10),
        (Layout::Routed, 1, 100),
        (Layout::Routed, 1, 300),
        (Layout::Routed, 1, 1_000),
        (Layout::Routed, 10, 100),
        (Layout::Bridged, 1, 100),
        (Layout::Bridged, 10, 30),
    ] {
        let begun = Instant::now();
        let lab = Lab::build(&Plan::uniform(layout, nodes, pods))?;
        let built = begun.elapsed().as_secs_f64();
        let all = lab.pods().map(|_| 1.0).sum::<f64>();
        let begun = Instant::now();
        drop(lab);
        println!(
            "{:<8} {nodes:>6} {:>6} {:>9.1} {:>10.2} {:>9.0} {:>10.1}",
            format!("{layout:?}").to_lowercase(),
            nodes * pods,
            built * 1e3,
            built * 1e3 / all,
            all / built,
            begun.elapsed().as_secs_f64() * 1e3
        );
        // The kernel goes on freeing in the background.
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    Ok(())
}

/// What a probe meets.
const RULES: [(&str, &str); 3] = [
    ("no rules", ""),
    ("tracked", "ct state established accept"),
    ("all denied", "drop"),
];

fn probing() -> Result<()> {
    println!(
        "\n{:<12} {:>5} {:>6} {:>8} {:>9} {:>10} {:>8}",
        "rules", "pods", "of", "probes", "ms", "probes/s", "passed"
    );
    for pods in [10, 30, 60] {
        let lab = Lab::build(&Plan::uniform(Layout::Routed, 2, pods / 2))?;
        let all: Vec<HostId> = lab.pods().map(|(id, _)| id).collect();
        for protocol in Protocol::ALL {
            lab.serve(all.iter().map(|pod| (*pod, protocol, 8080)))?;
        }
        for (name, rule) in RULES {
            if !rule.is_empty() && !load(&lab, rule)? {
                println!("{name}: nft is missing");
                continue;
            }
            for protocol in Protocol::ALL {
                let probes = pairs(&lab, &all, protocol)?;
                let begun = Instant::now();
                let answers = lab.probe(&probes)?;
                let time = begun.elapsed().as_secs_f64();
                let passed = answers.iter().filter(|a| a.outcome == Outcome::Passed);
                println!(
                    "{name:<12} {pods:>5} {:>6} {:>8} {:>9.0} {:>10.0} {:>8}",
                    protocol.name(),
                    probes.len(),
                    time * 1e3,
                    probes.iter().map(|_| 1.0).sum::<f64>() / time,
                    passed.count()
                );
            }
        }
    }
    Ok(())
}

fn pairs(lab: &Lab, pods: &[HostId], protocol: Protocol) -> Result<Vec<Probe>> {
    let mut probes = Vec::new();
    for from in pods {
        for to in pods.iter().filter(|to| *to != from) {
            for address in lab.host(*to)?.addresses() {
                probes.push(Probe {
                    from: *from,
                    to: SocketAddr::new(address, 8080),
                    protocol,
                });
            }
        }
    }
    Ok(probes)
}

/// One rule in the forward chain of every node; says whether `nft` took it.
fn load(lab: &Lab, rule: &str) -> Result<bool> {
    let script = format!(
        "table inet bench\ndelete table inet bench\n\
         table inet bench {{\nchain f {{ type filter hook forward priority 0;\n{rule}\n}}\n}}\n"
    );
    for (_, node) in lab.nodes() {
        let said = node
            .namespace()
            .command(Command::new("nft").args(["-f", "-"]), &script);
        if !said.is_ok_and(|output| output.status.success()) {
            return Ok(false);
        }
    }
    Ok(true)
}
