//! The daemon as a process, in a network namespace of its own. Where neither root nor a user namespace gives the
//! right to make one, a test is skipped, and fails under `CI=true`.

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod directory;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod support;
