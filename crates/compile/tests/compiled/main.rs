//! What the compiler writes, from small intents.

#[cfg(test)]
mod deterministic;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod random;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod support;
