//! What an edit changed in the answers of the mesh.

use super::answers::{Answer, Row};
use super::places::{Exchange, Kind, Place, behind, leads_to};
use crate::engine::authorization::GATEWAY_NAME;
use crate::engine::endpoints::authorization_nets;
use crate::engine::live::nodes::Node;
use crate::engine::live::{Live, MOVED};
use crate::engine::{EndpointId, Pair, Passage};
use palisade_netmodel::{
    AuthorizationAction, AuthorizationPolicy, DestinationRule, Gateway, Labels, ObjectRef,
    PeerAuthentication, Pod, PolicyTarget, Proxy, Service, World,
};
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;

/// Ends between which the mesh says something else since an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshChange {
    pub(in crate::engine::live) sources: RoaringBitmap,
    pub(in crate::engine::live) destinations: RoaringBitmap,
    before: Answer,
    after: Answer,
}

impl MeshChange {
    /// Who connects.
    pub fn sources(&self) -> impl Iterator<Item = EndpointId> {
        self.sources.iter().map(EndpointId)
    }

    /// To whom.
    pub fn destinations(&self) -> impl Iterator<Item = EndpointId> {
        self.destinations.iter().map(EndpointId)
    }

    /// What passed before if policies let everything pass.
    #[must_use]
    pub fn before(&self) -> Pair {
        self.before.on(&Passage::everything())
    }

    /// What passes now if they do.
    #[must_use]
    pub fn after(&self) -> Pair {
        self.after.on(&Passage::everything())
    }
}

/// The changes of an edit by destination: what was said before.
#[derive(Debug)]
pub(in crate::engine::live) struct Told<'c>(FxHashMap<u32, Vec<&'c MeshChange>>);

impl<'c> Told<'c> {
    pub(in crate::engine::live) fn new(changes: &'c [MeshChange]) -> Self {
        let mut of: FxHashMap<u32, Vec<&MeshChange>> = FxHashMap::default();
        for change in changes {
            for destination in &change.destinations {
                of.entry(destination).or_default().push(change);
            }
        }
        Self(of)
    }

    /// The answer before the edit, if it is another one now.
    pub(in crate::engine::live) fn before(
        &self,
        source: u32,
        destination: u32,
    ) -> Option<&'c Answer> {
        let changes = self.0.get(&destination)?;
        let change = changes
            .iter()
            .find(|change| change.sources.contains(source))?;
        Some(&change.before)
    }
}

/// The parts of all callers to whom a class says something else.
fn differences(destination: u32, before: &[Row], after: &[Row], out: &mut Vec<MeshChange>) {
    for old in before {
        for new in after.iter().filter(|new| new.answer != old.answer) {
            let sources = &old.sources & &new.sources;
            if sources.is_empty() {
                continue;
            }
            let same = out.iter_mut().rev().take(MERGED).find(|change| {
                (&change.before, &change.after) == (&old.answer, &new.answer)
                    && change.sources == sources
            });
            match same {
                Some(change) => {
                    change.destinations.insert(destination);
                }
                None => out.push(MeshChange {
                    sources,
                    destinations: RoaringBitmap::from_iter([destination]),
                    before: old.answer.clone(),
                    after: new.answer.clone(),
                }),
            }
        }
    }
}

/// With how many of the last changes another one is put together, if it is the same for other destinations.
const MERGED: usize = 8;

impl Live {
    /// Puts the mesh of a world in, before there are pods.
    pub(in crate::engine::live) fn found_mesh(&mut self, world: &World) {
        for policy in &world.authorization_policies {
            self.prepare_authorization(policy);
        }
        let services = world.services.iter().map(|s| &s.selector);
        let rules = world.destination_rules.iter().map(|r| &r.workload_selector);
        let modes = world.peer_authentications.iter().map(|p| &p.selector);
        let gateways = world.gateways.iter().map(|g| &g.selector);
        self.read_keys(services.chain(rules).chain(modes).chain(gateways));
        let mesh = &mut self.mesh;
        mesh.gateways.clone_from(&world.gateways);
        mesh.rules.clone_from(&world.destination_rules);
        // Of the root namespace first: other places begin with them.
        let root = mesh.config.root_namespace.clone();
        mesh.place(&root);
        for own in [true, false] {
            let here = |object: &ObjectRef| (object.namespace == root) == own;
            for policy in world
                .peer_authentications
                .iter()
                .filter(|p| here(&p.object))
            {
                let place = mesh.place(&policy.object.namespace);
                place.world.peer_authentications.push(policy.clone());
            }
            for policy in world
                .authorization_policies
                .iter()
                .filter(|p| here(&p.object))
            {
                let place = mesh.place(&policy.object.namespace);
                place.world.authorization_policies.push(policy.clone());
            }
        }
        for service in &world.services {
            mesh.note_service(&service.object, Some(service));
            let place = mesh.place(&service.object.namespace);
            place.world.services.push(service.clone());
        }
    }

    /// Finds who is outside the mesh, where that matters and the pods are new.
    pub(in crate::engine::live) fn find_outsiders(&mut self) {
        for place in self.mesh.all_places() {
            if self.is_headless(&place) {
                self.show_outsiders(&place, &RoaringBitmap::new());
            }
        }
    }

    fn read_keys<'s>(&mut self, selectors: impl Iterator<Item = &'s Labels>) {
        self.read(selectors.flat_map(|labels| labels.keys()));
    }

    fn prepare_authorization(&mut self, policy: &AuthorizationPolicy) {
        for net in authorization_nets(policy) {
            self.cut_out(&net);
        }
        self.read_keys(std::iter::once(&policy.selector));
    }

    /// The classes with a proxy of some places for which something holds.
    fn receivers(&self, places: &[String], holds: impl Fn(&Place, &Pod) -> bool) -> RoaringBitmap {
        let mut out = RoaringBitmap::new();
        for place in places.iter().filter_map(|name| self.mesh.places.get(name)) {
            let holds = |id: &u32| self.example(*id).is_some_and(|pod| holds(place, pod));
            out.extend(place.receivers.iter().filter(holds));
        }
        out
    }

    /// Exchanges an object in some places, and asks some classes before and after.
    fn exchange<K: Kind>(
        &mut self,
        places: &[String],
        (object, new): (&ObjectRef, Option<&K>),
        asked: &RoaringBitmap,
    ) -> Vec<MeshChange> {
        let mut changes = Vec::new();
        for name in places {
            let place = self.mesh.place(name);
            if let Some(exchange) = K::slot(&place.world, object, new) {
                let among = self.alive.clone();
                self.compare(name, exchange, (asked, &among), &mut changes);
            }
        }
        changes
    }

    /// Makes an exchange in a place, and asks those of some classes that live there before and after.
    fn compare(
        &mut self,
        name: &str,
        mut exchange: Exchange,
        (asked, among): (&RoaringBitmap, &RoaringBitmap),
        out: &mut Vec<MeshChange>,
    ) {
        let here = &self.mesh.place(name).receivers & asked;
        for class in here {
            let before = self.answers(class, among);
            exchange.turn(&mut self.mesh.place(name).world);
            let after = self.answers(class, among);
            exchange.turn(&mut self.mesh.place(name).world);
            differences(class, &before, &after, out);
        }
        exchange.turn(&mut self.mesh.place(name).world);
    }

    /// The object of a name in a place.
    fn kept<K: Kind>(&self, place: &str, object: &ObjectRef) -> Option<&K> {
        let place = self.mesh.places.get(place)?;
        K::list(&place.world)
            .iter()
            .find(|it| it.object() == object)
    }

    /// An AuthorizationPolicy came, changed or went.
    pub(in crate::engine::live) fn set_authorization(
        &mut self,
        object: &ObjectRef,
        new: Option<&AuthorizationPolicy>,
    ) -> Vec<MeshChange> {
        if let Some(policy) = new {
            self.prepare_authorization(policy);
        }
        let places = self.mesh.places_of(&object.namespace);
        let old = self.kept::<AuthorizationPolicy>(&object.namespace, object);
        let both: Vec<&AuthorizationPolicy> = old.into_iter().chain(new).collect();
        let decides =
            |p: &AuthorizationPolicy| !p.dry_run && p.action != AuthorizationAction::Audit;
        let asked = self.receivers(&places, |_, pod| {
            both.iter()
                .any(|policy| decides(policy) && is_selected(policy, pod))
        });
        let changes = self.exchange(&places, (object, new), &asked);
        self.mesh.tidy(&object.namespace);
        changes
    }

    /// A PeerAuthentication came, changed or went. The levels of all classes that it may be for are looked at.
    pub(in crate::engine::live) fn set_authentication(
        &mut self,
        object: &ObjectRef,
        new: Option<&PeerAuthentication>,
    ) -> Vec<MeshChange> {
        self.read_keys(new.into_iter().map(|policy| &policy.selector));
        let places = self.mesh.places_of(&object.namespace);
        let old = self.kept::<PeerAuthentication>(&object.namespace, object);
        let both: Vec<&PeerAuthentication> = old.into_iter().chain(new).collect();
        let asked = self.receivers(&places, |_, pod| {
            both.iter()
                .any(|policy| pod.labels.include(&policy.selector))
        });
        let changes = self.exchange(&places, (object, new), &asked);
        self.mesh.tidy(&object.namespace);
        changes
    }

    /// A Service came, changed or went.
    pub(in crate::engine::live) fn set_service(
        &mut self,
        object: &ObjectRef,
        new: Option<&Service>,
    ) -> Vec<MeshChange> {
        self.read_keys(new.into_iter().map(|service| &service.selector));
        self.mesh.note_service(object, new);
        let places = [object.namespace.clone()];
        let old = self.kept::<Service>(&object.namespace, object);
        let both: Vec<&Service> = old.into_iter().chain(new).collect();
        let asked = self.receivers(&places, |_, pod| {
            both.iter().any(|service| leads_to(service, pod))
        });
        // No Service is headless yet, or still: who is outside the mesh matters to none of the others.
        if both.iter().any(|service| service.headless) {
            let among = self.alive.clone();
            self.show_outsiders(&object.namespace, &among);
        }
        let changes = self.exchange(&places, (object, new), &asked);
        self.mesh.tidy(&object.namespace);
        changes
    }

    /// A DestinationRule came, changed or went.
    pub(in crate::engine::live) fn set_rule(
        &mut self,
        object: &ObjectRef,
        new: Option<&DestinationRule>,
    ) -> Vec<MeshChange> {
        self.read_keys(new.into_iter().map(|rule| &rule.workload_selector));
        let old = self.mesh.rules.iter().find(|rule| rule.object == *object);
        let hosts: Vec<String> = old.into_iter().chain(new).map(|r| r.host.clone()).collect();
        if !put(&mut self.mesh.rules, |rule| &rule.object == object, new) {
            return Vec::new();
        }
        let mut places: Vec<String> = hosts
            .iter()
            .flat_map(|host| self.mesh.places_behind(host))
            .collect();
        places.sort_unstable();
        places.dedup();
        let asked = self.receivers(&places, |place, pod| {
            let mut services = hosts.iter().flat_map(|host| behind(place, host));
            services.any(|service| leads_to(service, pod))
        });
        let (among, mut changes) = (self.alive.clone(), Vec::new());
        for name in &places {
            let exchange = Exchange::Rules(self.mesh.rules_for(name));
            self.compare(name, exchange, (&asked, &among), &mut changes);
        }
        changes
    }

    /// A Gateway came, changed or went.
    pub(in crate::engine::live) fn set_gateway(
        &mut self,
        object: &ObjectRef,
        new: Option<&Gateway>,
    ) -> Vec<MeshChange> {
        self.read_keys(new.into_iter().map(|gateway| &gateway.selector));
        let old = self.mesh.gateways.iter().find(|it| it.object == *object);
        let both: Vec<&Gateway> = old.into_iter().chain(new).collect();
        let places = self.mesh.all_places();
        let asked = self.receivers(&places, |_, pod| {
            let selects = |gateway: &&Gateway| pod.labels.include(&gateway.selector);
            pod.proxy == Proxy::Gateway && both.iter().any(selects)
        });
        if !put(&mut self.mesh.gateways, |it| &it.object == object, new) {
            return Vec::new();
        }
        let (among, mut changes) = (self.alive.clone(), Vec::new());
        for name in &places {
            if self.mesh.place(name).gateways > 0 {
                let exchange = Exchange::Gateways(self.mesh.gateways.clone());
                self.compare(name, exchange, (&asked, &among), &mut changes);
            }
        }
        changes
    }

    /// Whether it matters for some Service of a namespace who is outside the mesh.
    pub(in crate::engine::live) fn is_headless(&self, name: &str) -> bool {
        let place = self.mesh.places.get(name);
        place.is_some_and(Place::is_headless)
    }

    /// Other pods of a namespace are outside the mesh.
    pub(in crate::engine::live) fn show_outsiders(
        &mut self,
        name: &str,
        among: &RoaringBitmap,
    ) -> Vec<MeshChange> {
        let outsiders = &self.mesh.place(name).outsiders & &self.alive;
        let pods = outsiders.iter().filter_map(|id| self.example(id).cloned());
        let pods = pods.collect();
        let (exchange, services) = self.mesh.place(name).show(pods);
        let asked = self.receivers(&[name.to_owned()], |_, pod| {
            services.iter().any(|service| leads_to(service, pod))
        });
        let mut changes = Vec::new();
        self.compare(name, exchange, (&asked, among), &mut changes);
        self.mesh.tidy(name);
        changes
    }

    /// What a pod's move from one class to another changed in what it says itself.
    pub(in crate::engine::live) fn said_by(&self, old: u32, new: u32) -> Vec<MeshChange> {
        let mut changes = Vec::new();
        if self.traits(old).proxy || self.traits(new).proxy {
            let before = self.answers(old, &self.alive);
            let after = self.answers(new, &self.alive);
            differences(MOVED, &before, &after, &mut changes);
        }
        changes
    }

    /// Whether receivers can tell the pods of two classes apart when these call.
    pub(in crate::engine::live) fn call_alike(&self, old: u32, new: u32) -> bool {
        let classes = self.node(old).and_then(Node::class);
        let classes = classes.zip(self.node(new).and_then(Node::class));
        let by_labels = |rule: &DestinationRule| !rule.workload_selector.is_empty();
        classes.is_some_and(|(old, new)| {
            let (a, b) = (&old.example, &new.example);
            a.service_account == b.service_account
                && a.proxy == b.proxy
                && old.places == new.places
                && (a.host_network, a.host_group) == (b.host_network, b.host_group)
                && (a.labels == b.labels || !self.mesh.rules.iter().any(by_labels))
        })
    }

    /// Classes with a proxy.
    pub(in crate::engine::live) fn proxied(&self) -> RoaringBitmap {
        &self.mesh.proxied & &self.alive
    }
}

/// Puts an object in the place of its namesake or at the end, or takes it out; `false` if nothing changes.
fn put<T: Clone + PartialEq>(
    list: &mut Vec<T>,
    is_it: impl Fn(&T) -> bool,
    new: Option<&T>,
) -> bool {
    let at = list.iter().position(is_it);
    match (at.and_then(|at| Some((at, list.get_mut(at)?))), new) {
        (Some((_, there)), Some(new)) if there == new => return false,
        (Some((_, there)), Some(new)) => there.clone_from(new),
        (Some((at, _)), None) => {
            list.remove(at);
        }
        (None, Some(new)) => list.push(new.clone()),
        (None, None) => return false,
    }
    true
}

/// Whether a policy is enforced by the proxy of a pod.
fn is_selected(policy: &AuthorizationPolicy, pod: &Pod) -> bool {
    if policy.targets.is_empty() {
        return pod.labels.include(&policy.selector);
    }
    let gateway = pod.labels.get(GATEWAY_NAME);
    let names = |t: &PolicyTarget| matches!(t, PolicyTarget::Gateway(n) if gateway == Some(n));
    policy.targets.iter().any(names)
}
