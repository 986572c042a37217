//! What the policy set is made of: texts, each with its last version that could be read.
//!
//! Nothing becomes more open because something cannot be read. A text whose new version does not read keeps the
//! one before; while there is a text of which no version has ever been read, or texts contradict each other,
//! there is no new policy set, and the one in force stays.

use crate::merged::{Merged, Part, Standing, Step};
use palisade_diagnostics::{Diagnostic, FileId, Severity, Sources, Text};
use palisade_netmodel::{Profile, World};
use palisade_resources::{Input, Loaded, Options, Role, load};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Texts by name: files of a directory, or objects of a cluster.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    all: BTreeMap<String, Kept>,
    /// The names of texts whose version that there is does not read.
    bad: BTreeSet<String>,
    /// How many texts have no version that reads, and how many have one that says nothing without the others.
    unknown: usize,
    dependent: usize,
    /// What the other ones say.
    merged: Merged,
    /// Whether the world that was given last is of all texts read anew, so that no steps lead on from it.
    together: bool,
}

#[derive(Debug, Clone, Default)]
struct Kept {
    /// The last version that reads, or what stands in for it.
    good: Option<Arc<str>>,
    /// What that says, if it says it without other texts.
    part: Option<Arc<Part>>,
    /// Whether no version has ever been read, and something that closes stands in for it.
    stands_in: bool,
    /// The version that there is, if it does not read, and why.
    bad: Option<(Option<Arc<str>>, String)>,
}

/// What the texts say together.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The world, unless nothing can be said.
    pub world: Option<Arc<World>>,
    /// What is not as it is written, sorted: a line for each text or contradiction.
    pub told: Vec<String>,
}

impl Texts {
    /// Takes the version of a text that there is now, or why it cannot be had. Gives whether anything changed.
    pub fn put(&mut self, name: &str, version: Result<String, String>) -> bool {
        let kept = self.all.get(name).cloned().unwrap_or_default();
        let (version, read) = match version {
            Ok(version) if kept.is(&version) => return false,
            Ok(version) => {
                let read = readable(name, &version);
                (Some(Arc::from(version)), read)
            }
            Err(why) => (None, Err(format!("{name}: {why}"))),
        };
        let new = match read {
            Ok(part) => Kept {
                good: version,
                part: part.map(|mut part| {
                    self.merged.share(&mut part);
                    Arc::new(part)
                }),
                stands_in: false,
                bad: None,
            },
            Err(why) => kept.without(version.as_ref(), why),
        };
        let changed = !kept.same(&new) || !self.all.contains_key(name);
        self.remove(name);
        self.count(name, &new);
        self.all.insert(name.to_owned(), new);
        changed
    }

    /// Forgets a text that is gone.
    pub fn remove(&mut self, name: &str) -> bool {
        let Some(kept) = self.all.remove(name) else {
            return false;
        };
        self.bad.remove(name);
        match (&kept.good, &kept.part) {
            (None, _) => self.unknown -= 1,
            (Some(_), None) => self.dependent -= 1,
            (Some(_), Some(part)) => self.merged.remove(part),
        }
        true
    }

    fn count(&mut self, name: &str, kept: &Kept) {
        if kept.bad.is_some() {
            self.bad.insert(name.to_owned());
        }
        match (&kept.good, &kept.part) {
            (None, _) => self.unknown += 1,
            (Some(_), None) => self.dependent += 1,
            (Some(_), Some(part)) => self.merged.add(part),
        }
    }

    /// Forgets all texts but some, by their names.
    pub fn retain(&mut self, stays: impl Fn(&str) -> bool) -> bool {
        let names = self.all.keys().filter(|name| !stays(name));
        let gone: Vec<String> = names.cloned().collect();
        for name in &gone {
            self.remove(name);
        }
        !gone.is_empty()
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

    /// What they say together. Costs what has changed since the last time, where every text speaks for itself.
    pub fn read(&mut self) -> Reading {
        let told = self.told();
        if self.unknown > 0 {
            return Reading { world: None, told };
        }
        let parts = self.all.values().filter_map(|kept| kept.part.as_ref());
        let merged = (self.dependent == 0).then(|| self.merged.world(parts));
        let merged = merged.flatten();
        if std::mem::replace(&mut self.together, merged.is_none()) || self.together {
            self.merged.forget_steps();
        }
        match merged {
            None => self.read_together(told),
            world => Reading { world, told },
        }
    }

    /// What happened to the world that was read last since the one of which this was asked last; `None`: it may be
    /// another one.
    pub(crate) fn steps(&mut self) -> Option<Vec<Step>> {
        self.merged.steps()
    }

    /// A copy of the world that was read last, which can be kept current by steps, if it can be.
    pub(crate) fn replica(&self, world: &Arc<World>) -> Standing {
        let whole = (self.dependent == 0).then(|| self.merged.replica());
        let replica = whole.flatten();
        replica.unwrap_or_else(|| Standing::of(Arc::clone(world)))
    }

    /// What is to be told of texts that do not read.
    fn told(&self) -> Vec<String> {
        let texts = self.bad.iter().filter_map(|name| self.all.get(name));
        let bad = texts.filter_map(|text| Some((text, text.bad.as_ref()?)));
        bad.map(|(text, (_, why))| {
            let kept = match (&text.good, text.stands_in) {
                (Some(_), true) => {
                    "no version of it is known, so the pods that it selects are closed"
                }
                (Some(_), false) => "its last good version stays in force",
                (None, _) => "no version of it is known, so nothing changes",
            };
            format!("{why}; {kept}")
        })
        .collect()
    }

    /// Reads everything anew.
    fn read_together(&self, mut told: Vec<String>) -> Reading {
        let texts = self.all.iter();
        let texts: Vec<(&str, &str)> = texts
            .filter_map(|(name, kept)| Some((name.as_str(), kept.good.as_deref()?)))
            .collect();
        let mut loaded = read(&texts);
        match first_error(&loaded) {
            None => {
                loaded.world.profile = Profile::palisade();
                Reading {
                    world: Some(Arc::new(loaded.world)),
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

    /// What is kept when a version comes that does not read.
    fn without(&self, version: Option<&Arc<str>>, why: String) -> Self {
        let mut new = Self {
            bad: Some((version.cloned(), why)),
            ..self.clone()
        };
        if new.good.is_none()
            && let Some(closing) = version.and_then(|v| closing(v))
        {
            new.part = Part::of(read(&[("", &closing)])).map(Arc::new);
            new.good = Some(Arc::from(closing));
            new.stands_in = true;
        }
        new
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
    reads.find(|policy| readable("", policy).is_ok())
}

/// Kinds beside those of policies, in the groups that policies belong to.
const NO_POLICIES: [&str; 2] = [
    "IPAddress.networking.k8s.io",
    "ServiceCIDR.networking.k8s.io",
];

/// What a text says by itself, or why it cannot be taken. Half of one may look like a kind that nobody reads, or like
/// nothing.
fn readable(name: &str, text: &str) -> Result<Option<Part>, String> {
    if text.trim().is_empty() {
        return Err(format!("{name}: it is empty"));
    }
    let loaded = read(&[(name, text)]);
    if let Some(error) = first_error(&loaded) {
        return Err(line(&error, name, text));
    }
    // A field that we do not know may be one that narrows: without it a policy may let more pass.
    let world = &loaded.world;
    let policies = !world.network_policies.is_empty() || !world.admin_policies.is_empty();
    let mut fields = loaded.diagnostics.iter();
    if let Some(field) = fields.find(|d| policies && d.code.0 == palisade_yaml::UNKNOWN_FIELD) {
        return Err(line(field, name, text));
    }
    let mut unknown = loaded.unknown.keys();
    let policy = unknown
        .find(|kind| kind.ends_with("networking.k8s.io") && !NO_POLICIES.contains(&kind.as_str()));
    match policy {
        Some(kind) => Err(format!("{name}: objects of kind {kind} cannot be read")),
        None => Ok(Part::of(loaded)),
    }
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
    use crate::merged::Standing;
    use crate::wanted::Wanted;
    use palisade_netmodel::{Direction, Labels};
    use palisade_nftables::{Change, Node, Ruleset, Settings, build};
    use serde_json::json;

    fn policy(spec: &serde_json::Value) -> Result<String, String> {
        Ok(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "web", "namespace": "shop"}, "spec": spec,
        })
        .to_string())
    }

    /// Whether the only policy lets nothing pass in both directions, and whom of two pods it selects.
    fn closed(texts: &mut Texts) -> (bool, [bool; 2]) {
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
        assert_eq!(closed(&mut texts), (true, [true, false]));
        let told = texts.read().told.join("");
        assert!(
            told.contains("PAL0020") && told.contains("are closed"),
            "{told}"
        );

        // Whom it selects cannot be read either: all of its namespace.
        let mut texts = Texts::default();
        texts.put("web", policy(&json!({"podSelector": {"matchLabels": 7}})));
        assert_eq!(closed(&mut texts), (true, [true, true]));

        // One that reads takes the place of what stood in, and stays when another one does not.
        texts.put(
            "web",
            policy(&json!({"podSelector": web, "policyTypes": ["Ingress"]})),
        );
        assert_eq!(closed(&mut texts), (false, [true, false]));
        texts.put("web", policy(&newer));
        assert_eq!(closed(&mut texts), (false, [true, false]));
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

    /// A small file: an object or two, or what is none, about few names, so that they meet each other.
    fn any_text(mut number: usize) -> Result<String, String> {
        let mut pick = |of: usize| {
            let picked = number % of;
            number /= of;
            picked
        };
        let namespace = ["shop", "pay"][pick(2)];
        let name = ["a", "b", "c", "d", "e", "f", "g", "h"][pick(8)];
        let app = ["web", "db"][pick(2)];
        let head =
            format!("metadata: {{name: {name}, namespace: {namespace}, labels: {{app: {app}}}}}");
        let pod = format!(
            "apiVersion: v1\nkind: Pod\n{head}\nspec: {{containers: [{{name: c}}]}}\n\
             status: {{phase: Running, podIPs: [{{ip: 10.0.0.{}}}], hostIPs: [{{ip: 192.168.0.{}}}]}}\n",
            pick(5),
            1 + pick(3)
        );
        let policy = format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n{head}\nspec:\n  podSelector: {{matchLabels: {{app: web}}}}\n  \
             ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{team: {app}}}}}, podSelector: {{}}}}, {{podSelector: {{}}}}]}}]\n"
        );
        let of_namespace = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {{team: {app}}}}}\n"
        );
        let admin = format!(
            "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
             priority: 5\n  subject: {{namespaces: {{matchLabels: {{team: {app}}}}}}}\n  \
             ingress: [{{action: Deny, from: [{{namespaces: {{}}}}]}}]\n"
        );
        let node = format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nstatus: {{addresses: [{{type: InternalIP, address: 192.168.0.{}}}]}}\n",
            pick(2)
        );
        let service =
            format!("apiVersion: v1\nkind: Service\n{head}\nspec: {{ports: [{{port: 80}}]}}\n");
        let both = format!("{pod}---\n{policy}");
        let all = [
            pod,
            policy,
            of_namespace,
            admin,
            node,
            both,
            service,
            "kind: [".to_owned(),
        ];
        // What there is once contradicts itself easily. That, what speaks only together with others, and what says
        // nothing at all, is rare.
        let kinds = [vec![0; 24], vec![1; 12], vec![2, 3, 3, 4, 5, 6, 7]].concat();
        Ok(all[kinds[pick(kinds.len())]].clone())
    }

    /// Whatever comes and goes, what is kept current is what everything says when it is read anew.
    #[test]
    fn what_is_kept_current_is_what_all_texts_say() {
        let mut state = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 7);
        println!("seed {state}");
        let mut next = |of: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % of
        };
        let node = Node {
            addresses: vec![[192, 168, 0, 1].into()],
            pod_networks: Vec::new(),
        };
        let mut texts = Texts::default();
        let mut wanted = Wanted::new(Settings::default());
        let (mut in_force, mut elements) = (Ruleset::default(), 0);
        let mut replica: Option<Standing> = None;
        let (mut worlds, mut contradictions) = (0, 0);
        for _ in 0..6_000 {
            let name = format!("{}.yaml", next(9));
            match next(4) {
                0 => drop(texts.remove(&name)),
                1 if next(3) == 0 => drop(texts.retain(|n| n != name)),
                _ => drop(texts.put(&name, any_text(next(1 << 20)))),
            }
            // Several changes may come between two looks.
            if next(3) == 0 {
                continue;
            }
            let current = texts.read();
            if texts.unknown > 0 {
                assert!(current.world.is_none());
                continue;
            }
            let anew = texts.read_together(texts.told());
            assert_eq!(current.told, anew.told);
            assert_eq!(current.world.is_some(), anew.world.is_some());
            contradictions += usize::from(anew.world.is_none());
            let (Some(current), Some(anew)) = (current.world, anew.world) else {
                continue;
            };
            worlds += 1;
            let sorted = |world: &palisade_netmodel::World| {
                let mut pods: Vec<_> = world
                    .pods
                    .iter()
                    .map(|p| (p.object(), p.labels.clone()))
                    .collect();
                pods.sort();
                let namespaces: Vec<_> = world
                    .namespaces
                    .values()
                    .map(|n| (n.name.clone(), n.labels.clone()))
                    .collect();
                let mut nodes: Vec<_> = world
                    .nodes
                    .iter()
                    .map(|n| (n.name.clone(), n.addresses.clone()))
                    .collect();
                nodes.sort();
                (pods, namespaces, nodes)
            };
            assert_eq!(sorted(&current), sorted(&anew));
            assert_eq!(current.profile, anew.profile);
            let ruleset = |world| build(world, &node, &Settings::default()).ruleset;
            assert_eq!(ruleset(&current), ruleset(&anew));
            // So is what follows the texts step by step: the node's ruleset, and a world of one's own.
            let steps = texts.steps();
            let live = wanted.steps(steps.as_deref(), &current, &node);
            match live.take() {
                Change::Whole(built) => in_force = built.ruleset,
                Change::Elements(changed) => {
                    elements += usize::from(!changed.is_empty());
                    in_force.set_elements(&changed);
                }
            }
            assert_eq!(in_force, ruleset(&anew));
            match (&mut replica, steps) {
                (Some(replica), Some(steps)) => steps.iter().for_each(|s| replica.step(s)),
                _ => replica = Some(texts.replica(&current)),
            }
            assert_eq!(sorted(&replica.as_ref().unwrap().world), sorted(&anew));
        }
        assert!(
            worlds > 300 && contradictions > 50 && elements > 5,
            "{worlds}, {contradictions}, {elements}"
        );
    }
}
