//! Ends that can be found again in another world: workloads by name, cells by their first address.

use crate::engine::{EndpointId, Engine};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What an end is called in both worlds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Namespace, name and kind.
    Workload(String, String, String),
    /// The first address of a cell.
    Cell(IpAddr),
}

/// The ends of one world, with its endpoints.
#[derive(Debug)]
pub(crate) struct Ends(BTreeMap<Key, Vec<EndpointId>>);

impl Ends {
    pub(crate) fn new(engine: &Engine<'_>) -> Self {
        let mut ends: BTreeMap<Key, Vec<EndpointId>> = BTreeMap::new();
        for endpoint in engine.endpoints().filter(|e| engine.is_source(*e)) {
            let key = match (engine.pod(endpoint), engine.range(endpoint)) {
                (Some(pod), _) => Key::Workload(
                    pod.namespace.clone(),
                    pod.workload.name.clone(),
                    pod.workload.kind.clone(),
                ),
                (None, Some((first, _))) => Key::Cell(first),
                (None, None) => continue,
            };
            ends.entry(key).or_default().push(endpoint);
        }
        Self(ends)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.0.keys()
    }

    pub(crate) fn has(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn of(&self, key: &Key) -> &[EndpointId] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }
}
