//! The command as people run it: one process per case, real files, exit codes.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as tests"
)]

mod bad_input;
mod capabilities;
mod cluster;
mod diff;
mod documents;
mod examples;
mod explain;
mod exposure;
mod formats;
mod lab;
mod lab_mesh;
mod learn;
mod lint_findings;
mod lints;
mod memory;
mod profiles;
mod readme;
mod reviewed;
mod robust;
mod run;
