//! Connections that are not let pass any more. The table lets whatever belongs to a known connection pass, so a
//! change of policies must be told to those that were opened before: by a bit of their mark, which the table looks
//! at first. Removing their entries would not do: the kernel takes up a connection in its middle, from either side.

use crate::conntrack::{Connection, Conntrack};
use crate::kernel::Error;
use palisade_nftables::{Judgement, Packet, Ruleset};
use std::net::IpAddr;

/// What became of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Revoked {
    /// Connections that were looked at.
    pub seen: usize,
    /// Those whose permission is gone.
    pub revoked: usize,
    /// Those that have it again.
    pub restored: usize,
}

/// Marks connections as the ruleset in force judges their first packets. Those of the node itself are not
/// forwarded: no policy is about them. Ends early if that ruleset does not hold any more; `holds` is asked after all
/// connections are known, so that none is looked at that was opened under a later one.
///
/// # Errors
///
/// If the kernel refuses.
pub(crate) fn revoke(
    conntrack: &Conntrack,
    ruleset: &Ruleset,
    node: &[IpAddr],
    bit: u32,
    holds: &dyn Fn() -> bool,
) -> Result<Revoked, Error> {
    let mut all = conntrack.connections()?;
    all.retain(|connection| {
        let Packet {
            source,
            destination,
            ..
        } = connection.first_packet();
        !node.contains(&source) && !node.contains(&destination)
    });
    let (mut revoked, mut restored): (Vec<Connection>, Vec<Connection>) = (Vec::new(), Vec::new());
    for connection in &all {
        let passes = ruleset.judge(&connection.first_packet()) == Judgement::Passes;
        let marked = connection.mark & bit != 0;
        match (passes, marked) {
            (false, false) => revoked.push(*connection),
            (true, true) => restored.push(*connection),
            _ => {}
        }
    }
    // Each by itself: a change of policies may come at any time.
    let mark = |connections: &[Connection], set: bool| -> Result<usize, Error> {
        let mut marked = 0;
        for connection in connections {
            if !holds() {
                break;
            }
            conntrack.mark(std::slice::from_ref(connection), bit, set)?;
            marked += 1;
        }
        Ok(marked)
    };
    Ok(Revoked {
        seen: all.len(),
        revoked: mark(&revoked, true)?,
        restored: mark(&restored, false)?,
    })
}
