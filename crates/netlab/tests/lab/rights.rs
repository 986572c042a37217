//! The right to make namespaces. The tests of `trial` read this file, too.

use palisade_netlab::{Privilege, privilege};
use std::process::Command;

/// Runs a test where it may make namespaces: here, or as the only test of a child in a user namespace. `test` is
/// its whole name.
#[track_caller]
pub(crate) fn with_rights(test: &str, body: impl FnOnce()) {
    let missing = match privilege() {
        Privilege::Direct => match lacks_nft() {
            None => return body(),
            Some(why) => why,
        },
        Privilege::UserNamespace => return again(test),
        Privilege::Missing { why } => why,
    };
    let must = std::env::var_os("CI").is_some();
    assert!(!must, "{test} cannot run: {missing}");
    eprintln!("skipped: {test}: {missing}");
}

fn lacks_nft() -> Option<String> {
    let found = Command::new("nft").arg("--version").output();
    found
        .err()
        .map(|why| format!("nft (package nftables): {why}"))
}

/// The test once more, as root of a user namespace.
#[track_caller]
fn again(test: &str) {
    let own = std::env::current_exe().expect("the test knows itself");
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--kill-child"])
        .arg(own)
        .args([test, "--exact", "--nocapture"])
        .output()
        .expect("unshare runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "in its user namespace: {said}");
    assert!(said.contains("1 passed"), "no test is named {test}: {said}");
}
