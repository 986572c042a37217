//! What Envoy does with PeerAuthentications and AuthorizationPolicies, beside what the reference says of them. Skipped
//! without the right to make namespaces or without Envoy (`PALISADE_ENVOY`), which fails under `CI=true`.

#[cfg(test)]
mod identities;
#[cfg(test)]
mod process;
#[cfg(test)]
#[path = "../../../netlab/tests/lab/rights.rs"]
mod rights;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod sending;
