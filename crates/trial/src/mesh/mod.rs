//! A service mesh: Envoy, as Istio's sidecar, before the pods of a lab.
//!
//! A model of Istio's control plane (`palisade-sidecar` writes the configuration, [`Authority`] the certificates, a
//! rule in the pod's own namespace redirects) with Istio's own data plane. Callers are threads here: they call past
//! their pod's sidecar, in plaintext or with mTLS and the certificate of the pod, or through it.

mod application;
mod at_once;
mod authority;
mod called;
mod caller;
mod envoy;
mod one_way;
mod ports;
mod requests;
mod sent;
#[cfg(test)]
mod shop;
mod sidecars;
mod tap;
mod whole;

pub use application::Application;
pub use authority::{Authority, Issued};
pub use caller::{Answer, Call, Wire, call};
pub use envoy::Envoy;
pub use one_way::{mtls, plaintext};
pub(crate) use ports::{address_blocks, named_by_mesh};
pub use requests::{asks_for_tokens, declares_http, requests};
pub use sent::Sent;
pub use sidecars::{Sidecars, Wanted};
pub use tap::{OnWire, Tap};
pub use whole::{Met, Tries};

use palisade_netlab::{Error, Namespace, Result};
use palisade_netmodel::{Pod, PortSet, Protocol};
use std::fmt::Write;
use std::process::Command;

/// The identity of a pod, as Istio writes it.
#[must_use]
pub fn identity(trust_domain: &str, pod: &Pod) -> String {
    let (namespace, account) = (&pod.namespace, &pod.service_account);
    format!("spiffe://{trust_domain}/ns/{namespace}/sa/{account}")
}

/// Redirects what arrives at a pod to its sidecar, apart from some ports, and what its processes send, apart from
/// others. What the sidecar sends to the application itself arrives by the loopback interface, and what it sends
/// elsewhere has its mark.
///
/// # Errors
/// If `nft` cannot be run, or refuses.
pub fn redirect(namespace: &Namespace, bypass: &PortSet, excluded: &PortSet) -> Result<()> {
    let [inbound, outbound] = [palisade_sidecar::INBOUND, palisade_sidecar::OUTBOUND];
    let mark = palisade_sidecar::MARK;
    let accept = |ports: &PortSet| {
        let mut rules = String::new();
        for (first, last) in ports.ranges(Protocol::Tcp) {
            writeln!(rules, "tcp dport {first}-{last} accept").ok();
        }
        rules
    };
    let (bypass, excluded) = (accept(bypass), accept(excluded));
    let script = format!(
        "table inet sidecar {{\nchain inbound {{\ntype nat hook prerouting priority -100;\n\
         iifname \"lo\" accept\n{bypass}meta l4proto tcp redirect to :{inbound}\n}}\n\
         chain outbound {{\ntype nat hook output priority -100;\n\
         meta mark {mark} accept\noifname \"lo\" accept\n{excluded}meta l4proto tcp redirect to :{outbound}\n}}\n}}\n"
    );
    let output = namespace.command(Command::new("nft").args(["-f", "-"]), &script)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::because("redirecting to a sidecar", said.trim()))
}
