//! How things stand: what the metrics and the probes of the kubelet say.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How things stand, shared between those who work and those who answer.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<Status>>);

/// How things stand.
#[derive(Debug, Clone, Default)]
pub struct Status {
    /// Why the source of policies is not heard, if it is not.
    pub source: Option<String>,
    /// What cannot be read, a line each.
    pub unread: Vec<String>,
    /// Why what is wanted is not what is in force, if it is not.
    pub held: Option<String>,
    /// What is not enforced as written, on the closed side, a line each.
    pub refused: Vec<String>,
    /// When a policy set came into force last.
    pub enforced: Option<Instant>,
    /// How often one did, and how often the kernel refused one.
    pub updates: u64,
    /// Updates that the kernel refused.
    pub failures: u64,
    /// How often the table was not as it was left.
    pub filled_anew: u64,
    /// Connections that were ended because their permission was gone.
    pub revoked: u64,
    /// How long the last update took, from texts to the kernel's answer, in seconds.
    pub took: f64,
    /// Rules and elements in force.
    pub size: (usize, usize),
    /// Policies and pods of the world in force.
    pub policies: usize,
    /// Pods that are isolated here.
    pub isolated: usize,
    /// Refused packets.
    pub drops: Dropped,
}

/// What became of what the kernel told of refused packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Messages that came.
    pub seen: u64,
    /// Messages that did not, since nobody took them in time.
    pub lost: u64,
    /// Those that came and are in no line, since too many flows were refused at a time.
    pub untold: u64,
}

impl Shared {
    /// Changes or reads it.
    pub fn with<T>(&self, what: impl FnOnce(&mut Status) -> T) -> T {
        let mut status: MutexGuard<'_, Status> =
            self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut status)
    }
}

impl Status {
    /// Why this node is not ready, if it is not: whether what is declared is what is in force.
    #[must_use]
    pub fn waiting(&self) -> Option<String> {
        let unread = self.unread.first();
        let why = self.held.as_ref().or(self.source.as_ref()).or(unread);
        match why {
            Some(why) => Some(why.clone()),
            None if self.enforced.is_none() => Some("no policy set is in force yet".to_owned()),
            None => None,
        }
    }

    /// The metrics in Prometheus' text format (`Prometheus documentation, Exposition formats`).
    #[must_use]
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        let flag = |yes: bool| if yes { 1.0 } else { 0.0 };
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let count = |n: usize| n as f64;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let total = |n: u64| n as f64;
        let age = self
            .enforced
            .map_or(f64::NAN, |then| then.elapsed().as_secs_f64());
        let all: [(&str, &str, &str, f64); 18] = [
            (
                "ready",
                "gauge",
                "Whether what is declared is in force.",
                flag(self.waiting().is_none()),
            ),
            (
                "source_up",
                "gauge",
                "Whether the source of policies is heard.",
                flag(self.source.is_none()),
            ),
            (
                "held",
                "gauge",
                "Whether a policy set waits and the last one stays.",
                flag(self.held.is_some()),
            ),
            (
                "unread_texts",
                "gauge",
                "Texts of which the version that there is cannot be read.",
                count(self.unread.len()),
            ),
            (
                "refused",
                "gauge",
                "Pods and rules that are closed because they cannot be programmed.",
                count(self.refused.len()),
            ),
            (
                "updates_total",
                "counter",
                "Policy sets that came into force.",
                total(self.updates),
            ),
            (
                "update_failures_total",
                "counter",
                "Policy sets that the kernel refused.",
                total(self.failures),
            ),
            (
                "filled_anew_total",
                "counter",
                "Times that the table was not as it was left.",
                total(self.filled_anew),
            ),
            (
                "connections_revoked_total",
                "counter",
                "Connections that were ended.",
                total(self.revoked),
            ),
            (
                "update_seconds",
                "gauge",
                "Duration of the last update.",
                self.took,
            ),
            (
                "since_update_seconds",
                "gauge",
                "Time since a policy set came into force.",
                age,
            ),
            ("rules", "gauge", "Rules in force.", count(self.size.0)),
            (
                "elements",
                "gauge",
                "Elements of sets and maps in force.",
                count(self.size.1),
            ),
            (
                "policies",
                "gauge",
                "Policies of the cluster.",
                count(self.policies),
            ),
            (
                "isolated_pods",
                "gauge",
                "Pods of this node that a policy isolates.",
                count(self.isolated),
            ),
            (
                "drop_messages_total",
                "counter",
                "Refused packets that the kernel told of.",
                total(self.drops.seen),
            ),
            (
                "drop_messages_lost_total",
                "counter",
                "Refused packets that the kernel told of and nobody heard.",
                total(self.drops.lost),
            ),
            (
                "drop_messages_untold_total",
                "counter",
                "Refused packets that are in no line of the drop log.",
                total(self.drops.untold),
            ),
        ];
        for (name, kind, help, value) in all {
            let name = format!("palisade_agent_{name}");
            // Writing to a string cannot fail.
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
            let value = if value.is_nan() {
                "NaN".to_owned()
            } else {
                value.to_string()
            };
            let _ = writeln!(out, "{name} {value}");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::Status;
    use std::time::Instant;

    #[test]
    fn nothing_is_ready_before_something_is_in_force() {
        let mut status = Status::default();
        assert!(status.waiting().is_some());
        assert!(status.metrics().contains("\npalisade_agent_ready 0\n"));
        status.enforced = Some(Instant::now());
        assert_eq!(status.waiting(), None);
        assert!(status.metrics().contains("\npalisade_agent_ready 1\n"));
        for broken in [
            Status {
                source: Some("no answer".to_owned()),
                ..status.clone()
            },
            Status {
                held: Some("no node".to_owned()),
                ..status.clone()
            },
            Status {
                unread: vec!["a.yaml".to_owned()],
                ..status.clone()
            },
        ] {
            assert!(broken.waiting().is_some());
        }
        // A pod that is closed is closed: the rest is in force.
        status.refused.push("pod".to_owned());
        assert_eq!(status.waiting(), None);
    }
}
