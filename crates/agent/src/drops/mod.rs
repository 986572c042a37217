//! The drop log: what the kernel tells of refused packets becomes one line of JSON for each flow, with the policies
//! that refuse it by name.
//!
//! The kernel tells a sample of them to a netlink group (`limit` in the chain of each signature), with the name of
//! that chain; [`nflog`] hears it, [`headers`] reads the packet, [`explain`] finds pods and policies, [`tally`] sees to
//! it that one flow is one line a minute.

mod explain;
mod headers;
mod nflog;
mod tally;

pub use explain::InForce;

use crate::kernel::Error;
use crate::log::{Level, Log};
use crate::status::Shared;
use nflog::{Heard, Nflog};
use palisade_nftables::is_deny;
use serde_json::{Value, json};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};
use tally::{Counted, Tally};

/// How long a flow is counted before it is told again.
const WINDOW: Duration = Duration::from_secs(60);
/// How long it is waited for the policy set that a chain belongs to, which packets may meet before it is known here.
const LAG: Duration = Duration::from_millis(100);

/// Turns what the kernel tells into lines.
#[derive(Debug)]
pub struct Drops {
    nflog: Nflog,
    tally: Tally,
    in_force: InForce,
    log: Arc<Log>,
    status: Shared,
}

impl Drops {
    /// Hears what the rules of this thread's network namespace tell a netlink group.
    ///
    /// # Errors
    ///
    /// If the kernel has no such log, or another program hears the group.
    pub fn open(
        group: u16,
        in_force: InForce,
        log: Arc<Log>,
        status: Shared,
    ) -> Result<Self, Error> {
        Ok(Self {
            nflog: Nflog::open(group)?,
            tally: Tally::new(WINDOW),
            in_force,
            log,
            status,
        })
    }

    /// Tells refused packets for ever.
    pub fn run(mut self) -> ! {
        loop {
            if let Err(error) = self.turn(Duration::from_secs(1)) {
                let why = [("why", json!(error.to_string()))];
                self.log
                    .line(Level::Error, "refused packets are not heard", &why);
                thread::sleep(WINDOW);
            }
        }
    }

    /// Waits for packets, tells them, and tells again what has gone on for long.
    ///
    /// # Errors
    ///
    /// If the kernel cannot be heard.
    pub fn turn(&mut self, most: Duration) -> Result<(), Error> {
        let heard = self.nflog.hear(most)?;
        for packet in &heard {
            self.packet(packet);
        }
        for counted in self.tally.over(Instant::now()) {
            self.line(&counted);
        }
        let lost = self.nflog.lost();
        self.status.with(|s| s.drops.lost = lost);
        Ok(())
    }

    fn packet(&mut self, packet: &Heard) {
        // Other rules may tell the same group.
        if !is_deny(&packet.prefix) && !packet.prefix.starts_with("deny_") {
            return;
        }
        self.status.with(|s| s.drops.seen += 1);
        let Some(header) = headers::read(&packet.bytes) else {
            return;
        };
        if !is_deny(&packet.prefix) && !self.in_force.knows(&packet.prefix) {
            thread::sleep(LAG);
        }
        let explain = || self.in_force.fields(&packet.prefix, &header);
        let key = (packet.prefix.clone(), header);
        match self.tally.count(key, Instant::now(), explain) {
            Ok(Some(counted)) => self.line(&counted),
            Ok(None) => {}
            Err(tally::Full) => self.status.with(|s| s.drops.untold += 1),
        }
    }

    fn line(&self, counted: &Counted) {
        let mut fields: Vec<(&str, Value)> = vec![
            ("time", json!(utc(SystemTime::now()))),
            ("packets", json!(counted.packets)),
        ];
        fields.extend(
            counted
                .fields
                .iter()
                .map(|(key, value)| (*key, value.clone())),
        );
        self.log.line(Level::Info, "drop", &fields);
    }
}

/// A time as RFC 3339 says it, in milliseconds.
fn utc(time: SystemTime) -> String {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// The date so many days after the first of January 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(400) || (year.is_multiple_of(4) && !year.is_multiple_of(100))
    };
    // Four hundred years have the same days again.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::utc;
    use std::time::{Duration, SystemTime};

    #[test]
    fn times_are_those_of_rfc_3339() {
        // As `date -u -d @N` says them.
        for (second, expected) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (1_798_761_599, "2026-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
            (13_569_465_600, "2400-01-01T00:00:00.007Z"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(second * 1000 + 7);
            assert_eq!(utc(time), expected);
        }
    }
}
