//! Services: virtual addresses that nodes translate to pods, as kube-proxy does it, in a table of the lab's own.
//! A Service without backends answers nothing: no route leads to its address.

use crate::error::{Error, Result};
use crate::lab::{HostId, Lab};
use crate::plan::service_addresses;
use palisade_netmodel::Protocol;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::IpAddr;
use std::process::Command;
use std::sync::PoisonError;

/// A port of a Service, and the pods behind it with their ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Protocol.
    pub protocol: Protocol,
    /// Port of the virtual address.
    pub port: u16,
    /// Pods, and their ports.
    pub backends: Vec<(HostId, u16)>,
}

/// The table in every node. It comes before the filter hooks, and is no policy's.
const TABLE: &str = "inet netlab-services";

impl Lab {
    /// Publishes Services, each a list of ports, in the place of those that were published before; the virtual
    /// addresses are given back in their order. Needs the program `nft`.
    ///
    /// # Errors
    /// If a backend does not exist, there are more than 10,000 Services, or `nft` fails.
    pub fn publish(&self, services: &[Vec<ServicePort>]) -> Result<Vec<[IpAddr; 2]>> {
        if services.len() > 10_000 {
            let why = format!("{} are too many", services.len());
            return Err(Error::because("publishing Services", why));
        }
        let addresses: Vec<[IpAddr; 2]> = (0..services.len()).map(service_addresses).collect();
        let mut rules = String::new();
        for (service, own) in services.iter().zip(&addresses) {
            for port in service {
                self.translate(&mut rules, *own, port)?;
            }
        }
        let script = format!(
            "table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n\
             chain backends {{\n{rules}}}\n\
             chain from-pods {{ type nat hook prerouting priority -100; jump backends; }}\n\
             chain from-node {{ type nat hook output priority -100; jump backends; }}\n}}\n"
        );
        for (_, node) in self.nodes() {
            nft(node.namespace(), &script)?;
        }
        let mut published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        published.clear();
        for (service, own) in services.iter().zip(&addresses) {
            let backends = service.iter().flat_map(|port| &port.backends);
            let backends: BTreeSet<HostId> = backends.map(|(backend, _)| *backend).collect();
            published.extend(own.map(|address| (address, backends.clone())));
        }
        Ok(addresses)
    }

    /// The pods behind a virtual address.
    pub(crate) fn behind(&self, address: IpAddr) -> BTreeSet<HostId> {
        let published = self
            .published
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        published.get(&address).cloned().unwrap_or_default()
    }

    /// Rules for one port: each backend takes its share of what those before it left.
    fn translate(&self, rules: &mut String, own: [IpAddr; 2], port: &ServicePort) -> Result<()> {
        let protocol = port.protocol.name().to_lowercase();
        let mut left = port.backends.len();
        for (backend, target) in &port.backends {
            let backend = self.host(*backend)?.addresses();
            for (virtual_address, address) in own.into_iter().zip(backend) {
                let (family, to) = match address {
                    IpAddr::V4(v4) => ("ip", format!("{v4}:{target}")),
                    IpAddr::V6(v6) => ("ip6", format!("[{v6}]:{target}")),
                };
                let share = if left > 1 {
                    format!("numgen random mod {left} 0 ")
                } else {
                    String::new()
                };
                let number = port.port;
                writeln!(
                    rules,
                    "{family} daddr {virtual_address} {protocol} dport {number} {share}dnat {family} to {to}"
                )
                .ok();
            }
            left -= 1;
        }
        Ok(())
    }
}

/// Runs an nftables script inside.
fn nft(namespace: &crate::Namespace, script: &str) -> Result<()> {
    let output = namespace.command(Command::new("nft").args(["-f", "-"]), script)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::because("running nft", said.trim()))
}
