//! May this process make network namespaces? Root may; others in a user namespace of their own, where the
//! kernel allows it.

use crate::error::{Doing, Error, Result};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use std::fs;
use std::process::{Command, Stdio};
use std::thread;

/// What this process may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Privilege {
    /// Make network namespaces as it is.
    Direct,
    /// Do so after [`become_root`], or as a child of `unshare --user --map-root-user --net`.
    UserNamespace,
    /// Neither.
    Missing {
        /// Why.
        why: String,
    },
}

/// What this process may do, found by trying.
#[must_use]
pub fn privilege() -> Privilege {
    let tried = thread::scope(|scope| {
        let trial = scope.spawn(|| unshare(CloneFlags::CLONE_NEWNET));
        trial.join().unwrap_or(Err(nix::errno::Errno::EPERM))
    });
    let Err(direct) = tried else {
        return Privilege::Direct;
    };
    let mut child = Command::new("unshare");
    child.args(["--user", "--map-root-user", "--net", "true"]);
    let child = child.stdin(Stdio::null()).output();
    let why = match child {
        Ok(output) if output.status.success() => return Privilege::UserNamespace,
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => format!("unshare (package util-linux): {error}"),
    };
    Privilege::Missing {
        why: format!("no network namespace as this user ({direct}), no user namespace ({why})"),
    }
}

/// Makes this process root of a new user namespace, unless it may make network namespaces already. To be
/// called at the start of `main`: the kernel refuses it once there is a second thread.
///
/// # Errors
/// If the kernel does not allow it.
pub fn become_root() -> Result<()> {
    match privilege() {
        Privilege::Direct => return Ok(()),
        Privilege::UserNamespace => {}
        Privilege::Missing { why } => {
            return Err(Error::because("getting the rights for a lab", why));
        }
    }
    let (user, group) = (geteuid(), getegid());
    // The process stays in its network: it may have to read from a cluster.
    unshare(CloneFlags::CLONE_NEWUSER).doing(|| "creating a user namespace".into())?;
    for (file, text) in [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {user} 1")),
        ("gid_map", format!("0 {group} 1")),
    ] {
        let path = format!("/proc/self/{file}");
        fs::write(&path, text).doing(|| format!("writing {path}"))?;
    }
    Ok(())
}
