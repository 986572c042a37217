//! What the policy set is made of: texts, each with its last version that could be read.
//!
//! Nothing becomes more open because something cannot be read. A text whose new version does not read keeps the
//! one before; while there is a text of which no version has ever been read, or texts contradict each other,
//! there is no new policy set, and the one in force stays.

use crate::profile::profile;
use palisade_diagnostics::{Diagnostic, FileId, Severity, Sources, Text};
use palisade_netmodel::World;
use palisade_resources::{Input, Loaded, Options, Role, load};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Texts by name: files of a directory, or objects of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    all: BTreeMap<String, Kept>,
}

#[derive(Debug, Clone, Default)]
struct Kept {
    /// The last version that reads, or what stands in for it.
    good: Option<Arc<str>>,
    /// Whether no version has ever been read, and something that closes stands in for it.
    stands_in: bool,
    /// The version that there is, if it does not read, and why.
    bad: Option<(Option<Arc<str>>, String)>,
}

/// What the texts say together.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The world, unless nothing can be said.
    pub world: Option<World>,
    /// What is not as it is written, sorted: a line for each text or contradiction.
    pub told: Vec<String>,
}

impl Texts {
    /// Takes the version of a text that there is now, or why it cannot be had. Gives whether anything changed.
    pub fn put(&mut self, name: &str, version: Result<String, String>) -> bool {
        let kept = self.all.entry(name.to_owned()).or_default();
        let (version, why) = match version {
            Ok(version) if kept.is(&version) => return false,
            Ok(version) => {
                let why = unreadable(name, &version);
                (Some(Arc::from(version)), why)
            }
            Err(why) => (None, Some(format!("{name}: {why}"))),
        };
        let new = match why {
            None => Kept {
                good: version,
                stands_in: false,
                bad: None,
            },
            Some(why) => {
                let known = kept.good.is_some();
                let closing = || closing(version.as_deref()?).map(Arc::from);
                let good = kept.good.clone().or_else(closing);
                Kept {
                    stands_in: kept.stands_in || (!known && good.is_some()),
                    good,
                    bad: Some((version, why)),
                }
            }
        };
        let changed = !kept.same(&new);
        *kept = new;
        changed
    }

    /// Forgets a text that is gone.
    pub fn remove(&mut self, name: &str) -> bool {
        self.all.remove(name).is_some()
    }

    /// Forgets all texts but some, by their names.
    pub fn retain(&mut self, stays: impl Fn(&str) -> bool) -> bool {
        let before = self.all.len();
        self.all.retain(|name, _| stays(name));
        self.all.len() != before
    }

    /// The number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What they say together.
    #[must_use]
    pub fn read(&self) -> Reading {
        let mut told = Vec::new();
        let mut whole = true;
        let mut texts = Vec::with_capacity(self.all.len());
        for (name, text) in &self.all {
            if let Some((_, why)) = &text.bad {
                let kept = match (&text.good, text.stands_in) {
                    (Some(_), true) => {
                        "no version of it is known, so the pods that it selects are closed"
                    }
                    (Some(_), false) => "its last good version stays in force",
                    (None, _) => "no version of it is known, so nothing changes",
                };
                told.push(format!("{why}; {kept}"));
            }
            match &text.good {
                Some(good) => texts.push((name.as_str(), &**good)),
                None => whole = false,
            }
        }
        if !whole {
            return Reading { world: None, told };
        }
        let mut loaded = read(&texts);
        match first_error(&loaded) {
            None => {
                loaded.world.profile = profile();
                Reading {
                    world: Some(loaded.world),
                    told,
                }
            }
            Some(error) => {
                let place = error.span().and_then(|span| {
                    let number = usize::try_from(span.file.0).ok()?;
                    texts.get(number)
                });
                let (name, text) = place.copied().unwrap_or_default();
                told.push(format!("{}; nothing changes", line(&error, name, text)));
                Reading { world: None, told }
            }
        }
    }
}

impl Kept {
    /// Whether a version is the one that there is.
    fn is(&self, version: &str) -> bool {
        match &self.bad {
            Some((bad, _)) => bad.as_deref() == Some(version),
            None => self.good.as_deref() == Some(version),
        }
    }

    fn same(&self, other: &Self) -> bool {
        self.good == other.good && self.bad == other.bad && self.stands_in == other.stands_in
    }
}

/// What stands in for a NetworkPolicy that does not read: one without rules, for the pods that it selects or, if
/// that does not read either, for all of its namespace. Only for an object by itself, in JSON, as the API server
/// sends it.
fn closing(text: &str) -> Option<String> {
    let object: Value = serde_json::from_str(text).ok()?;
    let text = |pointer: &str| object.pointer(pointer)?.as_str().map(str::to_owned);
    if text("/kind")? != "NetworkPolicy" {
        return None;
    }
    let all = json!({});
    let selector = object.pointer("/spec/podSelector").unwrap_or(&all);
    let policies = [selector, &all].map(|selector| {
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": text("/metadata/name"), "namespace": text("/metadata/namespace")},
            "spec": {"podSelector": selector, "policyTypes": ["Ingress", "Egress"]},
        })
        .to_string()
    });
    let mut reads = policies.into_iter();
    reads.find(|policy| unreadable("", policy).is_none())
}

/// Kinds beside those of policies, in the groups that policies belong to.
const NO_POLICIES: [&str; 2] = [
    "IPAddress.networking.k8s.io",
    "ServiceCIDR.networking.k8s.io",
];

/// Why a text cannot be taken, if it cannot. Half of one may look like a kind that nobody reads, or like nothing.
fn unreadable(name: &str, text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some(format!("{name}: it is empty"));
    }
    let loaded = read(&[(name, text)]);
    if let Some(error) = first_error(&loaded) {
        return Some(line(&error, name, text));
    }
    // A field that we do not know may be one that narrows: without it a policy may let more pass.
    let world = &loaded.world;
    let policies = !world.network_policies.is_empty() || !world.admin_policies.is_empty();
    let mut fields = loaded.diagnostics.iter();
    if let Some(field) = fields.find(|d| policies && d.code.0 == palisade_yaml::UNKNOWN_FIELD) {
        return Some(line(field, name, text));
    }
    let mut unknown = loaded.unknown.keys();
    let policy = unknown
        .find(|kind| kind.ends_with("networking.k8s.io") && !NO_POLICIES.contains(&kind.as_str()));
    policy.map(|kind| format!("{name}: objects of kind {kind} cannot be read"))
}

fn read(texts: &[(&str, &str)]) -> Loaded {
    let inputs: Vec<Input<'_>> = (0_u32..)
        .zip(texts)
        .map(|(number, (_, text))| Input {
            file: FileId(number),
            text: Text::Whole(text),
            role: Role::Both,
        })
        .collect();
    load(&inputs, &Options::default())
}

fn first_error(loaded: &Loaded) -> Option<Diagnostic> {
    let mut all = loaded.diagnostics.iter();
    all.find(|d| d.severity == Severity::Error).cloned()
}

/// `shop.yaml:12: PAL0125 "10.0.0.0/99" is not a CIDR`.
fn line(problem: &Diagnostic, name: &str, text: &str) -> String {
    let mut sources = Sources::new();
    let id = sources.add(name, text);
    let at = problem.span().and_then(|span| {
        let file = sources.get(id)?;
        Some(format!(":{}", file.line_column(span.start).line))
    });
    format!(
        "{name}{}: {} {}",
        at.unwrap_or_default(),
        problem.code.0,
        problem.title
    )
}

#[cfg(test)]
mod tests {
    use super::Texts;
    use palisade_netmodel::{Direction, Labels};
    use serde_json::json;

    fn policy(spec: &serde_json::Value) -> Result<String, String> {
        Ok(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "web", "namespace": "shop"}, "spec": spec,
        })
        .to_string())
    }

    /// Whether the only policy lets nothing pass in both directions, and whom of two pods it selects.
    fn closed(texts: &Texts) -> (bool, [bool; 2]) {
        let world = texts.read().world.unwrap();
        let [policy] = world.network_policies.as_slice() else {
            panic!("{:?}", world.network_policies);
        };
        let none = [Direction::Ingress, Direction::Egress]
            .iter()
            .all(|d| policy.rules(*d).is_some_and(<[_]>::is_empty));
        let labels = |app: &str| Labels::from_iter([("app".to_owned(), app.to_owned())]);
        let selects = ["web", "db"].map(|app| policy.selects("shop", &labels(app)));
        (none, selects)
    }

    #[test]
    fn a_policy_that_was_never_read_closes_its_pods() {
        let web = json!({"matchLabels": {"app": "web"}});
        let newer = json!({"podSelector": web, "sealed": true});
        let mut texts = Texts::default();
        assert!(texts.put("web", policy(&newer)));
        assert_eq!(closed(&texts), (true, [true, false]));
        let told = texts.read().told.join("");
        assert!(
            told.contains("PAL0020") && told.contains("are closed"),
            "{told}"
        );

        // Whom it selects cannot be read either: all of its namespace.
        let mut texts = Texts::default();
        texts.put("web", policy(&json!({"podSelector": {"matchLabels": 7}})));
        assert_eq!(closed(&texts), (true, [true, true]));

        // One that reads takes the place of what stood in, and stays when another one does not.
        texts.put(
            "web",
            policy(&json!({"podSelector": web, "policyTypes": ["Ingress"]})),
        );
        assert_eq!(closed(&texts), (false, [true, false]));
        texts.put("web", policy(&newer));
        assert_eq!(closed(&texts), (false, [true, false]));
        assert!(texts.read().told.join("").contains("stays in force"));
    }

    #[test]
    fn a_policy_of_administrators_that_was_never_read_holds_everything() {
        let mut texts = Texts::default();
        let object = json!({
            "apiVersion": "policy.networking.k8s.io/v1alpha9", "kind": "ClusterNetworkPolicy",
            "metadata": {"name": "all"}, "spec": {},
        });
        texts.put("all", Ok(object.to_string()));
        assert!(texts.read().world.is_none());
    }
}
