//! What the kernel does with our rulesets. Where this process may not make namespaces, a test runs in a user
//! namespace; where that is forbidden too it is skipped, and fails under `CI=true`.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod backends;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod discovery;
#[cfg(test)]
mod drops;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod leak;
#[cfg(test)]
mod mutation;
#[cfg(test)]
mod own_node;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod revocation;
#[cfg(test)]
#[path = "../../../netlab/tests/lab/rights.rs"]
mod rights;
#[cfg(test)]
mod small;
#[cfg(test)]
mod support;
#[cfg(test)]
mod told;
#[cfg(test)]
mod unseen;
