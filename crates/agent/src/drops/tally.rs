//! One line for a flow that is refused again and again: the first packet at once, the others as a number when a
//! minute is over.

use super::headers::Header;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Flows that are counted at a time; more are not told.
const MOST: usize = 2_048;

/// What makes packets one flow: the chain that refuses them, the ends, protocol and port. The source's port does not
/// count.
type Key = (String, Header);

/// What a line says, besides time and number.
pub(super) type Fields = Vec<(&'static str, Value)>;

/// Something to tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counted {
    /// Packets that were not told yet.
    pub(super) packets: u64,
    pub(super) fields: Fields,
}

/// So many flows are counted that there is no room for another one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

#[derive(Debug)]
pub(super) struct Tally {
    window: Duration,
    flows: BTreeMap<Key, (Instant, Counted)>,
}

impl Tally {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            flows: BTreeMap::new(),
        }
    }

    /// Counts a packet. The first one of a flow is to be told at once.
    pub(super) fn count(
        &mut self,
        key: Key,
        now: Instant,
        fields: impl FnOnce() -> Fields,
    ) -> Result<Option<Counted>, Full> {
        if let Some((_, counted)) = self.flows.get_mut(&key) {
            counted.packets += 1;
            return Ok(None);
        }
        if self.flows.len() >= MOST {
            return Err(Full);
        }
        let mut counted = Counted {
            packets: 1,
            fields: fields(),
        };
        let told = counted.clone();
        counted.packets = 0;
        self.flows.insert(key, (now, counted));
        Ok(Some(told))
    }

    /// What has been counted for long enough, where there is more than what was told already. A flow that went on
    /// is counted further; one that did not is forgotten, and new if it comes again.
    pub(super) fn over(&mut self, now: Instant) -> Vec<Counted> {
        let mut over = Vec::new();
        self.flows.retain(|_, (since, counted)| {
            if now.saturating_duration_since(*since) < self.window {
                return true;
            }
            let goes_on = counted.packets > 0;
            if goes_on {
                over.push(counted.clone());
                counted.packets = 0;
                *since = now;
            }
            goes_on
        });
        over
    }
}

#[cfg(test)]
mod tests {
    use super::{Full, MOST, Tally};
    use crate::drops::headers::Header;
    use serde_json::json;
    use std::time::{Duration, Instant};

    fn key(port: u16) -> (String, Header) {
        let header = Header {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            protocol: 6,
            port: Some(port),
        };
        ("deny_ingress_0".to_owned(), header)
    }

    #[test]
    fn every_packet_is_told_once() {
        let begun = Instant::now();
        let at = |second| begun + Duration::from_secs(second);
        let mut tally = Tally::new(Duration::from_secs(60));
        let mut told = 0;
        for second in 0..600 {
            // Every second one of the first, until minute five; one of the second, once.
            if second < 300 {
                let first = tally.count(key(1), at(second), || vec![("port", json!(1))]);
                told += first.unwrap().map_or(0, |c| c.packets);
            }
            if second == 30 {
                let second = tally.count(key(2), at(second), || vec![("port", json!(2))]);
                assert_eq!(second.unwrap().unwrap().packets, 1);
            }
            for over in tally.over(at(second)) {
                assert_eq!(over.fields, [("port", json!(1))]);
                assert!(over.packets > 1);
                told += over.packets;
            }
        }
        assert_eq!(told, 300);
        assert!(tally.flows.is_empty());
    }

    #[test]
    fn what_has_no_room_is_not_told() {
        let now = Instant::now();
        let mut tally = Tally::new(Duration::from_secs(60));
        for port in 0..u16::try_from(MOST).unwrap() {
            assert!(tally.count(key(port), now, Vec::new).unwrap().is_some());
        }
        assert_eq!(tally.count(key(60_000), now, Vec::new), Err(Full));
        assert_eq!(tally.count(key(7), now, Vec::new), Ok(None));
    }
}
