//! The world of many texts, kept current as texts come and go: a change costs what changes, not a reading of
//! everything. What came and went is kept as [`Step`]s, for those who keep something current themselves.
//!
//! That works for objects that say what they say whatever else there is: pods, namespaces, nodes and policies. A text
//! with anything else has no [`Part`], and two texts with one object contradict each other; then everything is read
//! together.

use palisade_netmodel::{
    AdminPolicy, Namespace, NetworkPolicy, Node, ObjectRef, Pod, Profile, Template, World,
};
use palisade_nftables::Live;
use palisade_resources::Loaded;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What one text holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Part {
    pods: Vec<Pod>,
    namespaces: Vec<Namespace>,
    nodes: Vec<Node>,
    network_policies: Vec<NetworkPolicy>,
    admin_policies: Vec<AdminPolicy>,
}

/// Kinds whose objects do not depend on others.
const ALONE: [&str; 7] = [
    "Pod",
    "Namespace",
    "Node",
    "NetworkPolicy",
    "ClusterNetworkPolicy",
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
];

/// Kind and name of an object.
type Identity = (&'static str, ObjectRef);

impl Part {
    /// What was read of one text, if its objects are what they are without others.
    pub(crate) fn of(loaded: Loaded) -> Option<Self> {
        let mut kinds = loaded.counts.keys();
        if !kinds.all(|kind| ALONE.contains(&kind.as_str())) {
            return None;
        }
        let world = loaded.world;
        // Those that objects only name have no place where they are written.
        let namespaces = world.namespaces.into_values();
        Some(Self {
            pods: world.pods,
            namespaces: namespaces.filter(|n| n.origin.0.is_some()).collect(),
            nodes: world.nodes,
            network_policies: world.network_policies,
            admin_policies: world.admin_policies,
        })
    }

    fn identities(&self) -> Vec<Identity> {
        let cluster = |name: &String| ObjectRef::new("", name.clone());
        let pods = self.pods.iter().map(|p| ("Pod", p.object()));
        let namespaces = self.namespaces.iter();
        let nodes = self.nodes.iter().map(|n| ("Node", cluster(&n.name)));
        let policies = self.network_policies.iter();
        let admin = self.admin_policies.iter();
        pods.chain(namespaces.map(|n| ("Namespace", cluster(&n.name))))
            .chain(nodes)
            .chain(policies.map(|p| ("NetworkPolicy", p.object.clone())))
            .chain(admin.map(|p| (p.kind.name(), p.object.clone())))
            .collect()
    }

    /// The namespaces that its objects are in.
    fn used(&self) -> impl Iterator<Item = &String> {
        let policies = self.network_policies.iter();
        let pods = self.pods.iter().map(|p| &p.namespace);
        pods.chain(policies.map(|p| &p.object.namespace))
    }
}

/// All parts together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Merged {
    /// How many texts have an object.
    seen: HashMap<Identity, usize>,
    /// Objects that several texts have.
    conflicts: usize,
    /// The world, unless it has to be put together anew.
    standing: Option<Standing>,
    templates: Templates,
    /// What happened to the world since that was asked for last; `None` if it may be another one.
    steps: Option<Vec<Step>>,
}

/// More steps are not kept: the world as a whole says the same then.
pub(crate) const MOST_STEPS: usize = 10_000;

/// A part that came or went.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    part: Arc<Part>,
    there: bool,
}

/// One template for all pods that are alike, whatever text they are in.
#[derive(Debug, Clone, Default)]
struct Templates {
    all: HashSet<Arc<Template>>,
    /// How many there were when those without a pod were dropped last.
    kept: usize,
}

impl Templates {
    fn share(&mut self, template: &mut Arc<Template>) {
        match self.all.get(template) {
            Some(known) => *template = Arc::clone(known),
            None => drop(self.all.insert(Arc::clone(template))),
        }
        if self.all.len() > self.kept * 2 + 64 {
            self.all.retain(|template| Arc::strong_count(template) > 1);
            self.kept = self.all.len();
        }
    }
}

/// A world of parts that come and go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub(crate) world: Arc<World>,
    /// Where pods and NetworkPolicies are; the order of the world's lists means nothing.
    pods: HashMap<ObjectRef, usize>,
    policies: HashMap<ObjectRef, usize>,
    /// Objects in each namespace.
    used: HashMap<String, usize>,
}

impl Merged {
    /// Has pods that are alike share their templates.
    pub(crate) fn share(&mut self, part: &mut Part) {
        for pod in &mut part.pods {
            self.templates.share(&mut pod.template);
        }
    }

    pub(crate) fn add(&mut self, part: &Arc<Part>) {
        for identity in part.identities() {
            let count = self.seen.entry(identity).or_default();
            *count += 1;
            self.conflicts += usize::from(*count == 2);
        }
        if self.conflicts > 0 {
            self.standing = None;
        }
        self.step(part, true);
    }

    pub(crate) fn remove(&mut self, part: &Arc<Part>) {
        for identity in part.identities() {
            if let Some(count) = self.seen.get_mut(&identity) {
                *count -= 1;
                self.conflicts -= usize::from(*count == 1);
                if *count == 0 {
                    self.seen.remove(&identity);
                }
            }
        }
        self.step(part, false);
    }

    fn step(&mut self, part: &Arc<Part>, there: bool) {
        let Some(standing) = &mut self.standing else {
            self.steps = None;
            return;
        };
        let step = Step {
            part: Arc::clone(part),
            there,
        };
        standing.step(&step);
        if let Some(steps) = &mut self.steps {
            steps.push(step);
            if steps.len() > MOST_STEPS {
                self.steps = None;
            }
        }
    }

    /// What happened to the world since this was asked for last; `None`: it may be another one.
    pub(crate) fn steps(&mut self) -> Option<Vec<Step>> {
        self.steps.replace(Vec::new())
    }

    /// Somebody was given another world.
    pub(crate) fn forget_steps(&mut self) {
        self.steps = None;
    }

    /// A copy of the world that can be kept current by itself.
    pub(crate) fn replica(&self) -> Option<Standing> {
        let standing = self.standing.clone()?;
        Some(Standing {
            world: Arc::new(World::clone(&standing.world)),
            ..standing
        })
    }

    /// The world of all parts, unless they contradict each other.
    pub(crate) fn world<'p>(
        &mut self,
        parts: impl Iterator<Item = &'p Arc<Part>>,
    ) -> Option<Arc<World>> {
        if self.conflicts > 0 {
            return None;
        }
        if self.standing.is_none() {
            self.steps = None;
        }
        let standing = self.standing.get_or_insert_with(|| {
            let mut standing = Standing::default();
            Arc::make_mut(&mut standing.world).profile = Profile::palisade();
            parts.for_each(|part| standing.add(part));
            standing
        });
        Some(Arc::clone(&standing.world))
    }
}

impl Step {
    /// Makes it in what a node enforces. The world has seen it already.
    pub(crate) fn follow(&self, live: &mut Live, world: &World) {
        let Part {
            pods,
            namespaces,
            nodes,
            network_policies,
            admin_policies,
        } = &*self.part;
        let written = namespaces.iter().map(|n| &n.name);
        for name in written.chain(self.part.used()) {
            live.label(name, world.namespace_labels(name));
        }
        if self.there {
            pods.iter().for_each(|pod| live.add_pod(pod));
            nodes.iter().for_each(|node| live.add_node(node));
            let policies = network_policies.iter();
            policies.for_each(|policy| live.add_policy(policy));
            let policies = admin_policies.iter();
            policies.for_each(|policy| live.add_admin_policy(policy));
        } else {
            pods.iter().for_each(|pod| live.remove_pod(pod));
            nodes.iter().for_each(|node| live.remove_node(node));
            let policies = network_policies.iter();
            policies.for_each(|policy| live.remove_policy(policy));
            let policies = admin_policies.iter();
            policies.for_each(|policy| live.remove_admin_policy(policy));
        }
    }
}

impl Standing {
    /// One that is never to be kept current.
    pub(crate) fn of(world: Arc<World>) -> Self {
        Self {
            world,
            ..Self::default()
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        if step.there {
            self.add(&step.part);
        } else {
            self.remove(&step.part);
        }
    }

    fn add(&mut self, part: &Part) {
        let world = Arc::make_mut(&mut self.world);
        for pod in &part.pods {
            self.pods.insert(pod.object(), world.pods.len());
            world.pods.push(pod.clone());
        }
        for policy in &part.network_policies {
            let place = world.network_policies.len();
            self.policies.insert(policy.object.clone(), place);
            world.network_policies.push(policy.clone());
        }
        world.nodes.extend(part.nodes.iter().cloned());
        let admin = part.admin_policies.iter().cloned();
        world.admin_policies.extend(admin);
        for namespace in &part.namespaces {
            let name = namespace.name.clone();
            world.namespaces.insert(name, namespace.clone());
        }
        for name in part.used() {
            *self.used.entry(name.clone()).or_default() += 1;
            world.ensure_namespace(name);
        }
    }

    fn remove(&mut self, part: &Part) {
        let world = Arc::make_mut(&mut self.world);
        for pod in &part.pods {
            take(&mut world.pods, &mut self.pods, &pod.object(), Pod::object);
        }
        for policy in &part.network_policies {
            let object = |p: &NetworkPolicy| p.object.clone();
            let all = &mut world.network_policies;
            take(all, &mut self.policies, &policy.object, object);
        }
        for node in &part.nodes {
            world.nodes.retain(|other| other.name != node.name);
        }
        for policy in &part.admin_policies {
            let other = |p: &AdminPolicy| (p.kind, &p.object) != (policy.kind, &policy.object);
            world.admin_policies.retain(other);
        }
        for namespace in &part.namespaces {
            world.namespaces.remove(&namespace.name);
            if self.used.contains_key(&namespace.name) {
                world.ensure_namespace(&namespace.name);
            }
        }
        for name in part.used() {
            let count = self.used.entry(name.clone()).or_default();
            *count = count.saturating_sub(1);
            if *count > 0 {
                continue;
            }
            self.used.remove(name);
            let written = world.namespaces.get(name);
            if written.is_some_and(|n| n.origin.0.is_none()) {
                world.namespaces.remove(name);
            }
        }
    }
}

/// Takes an object out of a list whose places are known; the last one moves to its place.
fn take<T>(
    all: &mut Vec<T>,
    places: &mut HashMap<ObjectRef, usize>,
    object: &ObjectRef,
    name: impl Fn(&T) -> ObjectRef,
) {
    let Some(place) = places.remove(object).filter(|place| *place < all.len()) else {
        return;
    };
    all.swap_remove(place);
    if let Some(moved) = all.get(place) {
        places.insert(name(moved), place);
    }
}
