//! What the API server says of each kind, as texts. Nothing is enforced before every kind has been listed once.

use crate::texts::Texts;
use palisade_cluster::watch::{Event, FOLLOWED};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of a cluster.
#[derive(Debug, Clone)]
pub struct Live {
    /// Kinds of which no list has come yet.
    missing: BTreeSet<&'static str>,
    /// Kinds of which the server is not heard, and why.
    lost: BTreeMap<&'static str, String>,
}

impl Default for Live {
    /// Nothing is known.
    fn default() -> Self {
        Self {
            missing: FOLLOWED.into(),
            lost: BTreeMap::new(),
        }
    }
}

impl Live {
    /// Takes what happened to objects of a kind. Gives whether any text changed.
    pub fn take(&mut self, kind: &'static str, event: Event, texts: &mut Texts) -> bool {
        match event {
            Event::Listed(objects) => {
                let names: BTreeSet<String> = objects.iter().map(|o| o.name.clone()).collect();
                let start = format!("cluster:{kind}/");
                let mut changed = self.missing.remove(kind);
                changed |= texts.retain(|name| !name.starts_with(&start) || names.contains(name));
                for object in objects {
                    changed |= texts.put(&object.name, Ok(object.text));
                }
                changed
            }
            Event::Put(object) => texts.put(&object.name, Ok(object.text)),
            Event::Gone(name) => texts.remove(&name),
            Event::Heard => {
                self.lost.remove(kind);
                false
            }
            Event::Lost(why) => {
                self.lost.insert(kind, why);
                false
            }
        }
    }

    /// Whether every kind has been listed.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    /// Whether the server is heard, of every kind.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn heard(&self) -> Result<(), String> {
        match self.lost.values().next() {
            None => Ok(()),
            Some(why) => Err(why.clone()),
        }
    }
}
