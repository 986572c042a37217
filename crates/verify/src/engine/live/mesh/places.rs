//! The objects that decide about the receivers of one namespace, as a world of their own, and their exchange.

use super::Mesh;
use crate::engine::client::{every_pod_enrolled, host_matches, host_of, selects};
use palisade_netmodel::{
    AuthorizationPolicy, DestinationRule, Gateway, ObjectRef, PeerAuthentication, Pod, Proxy,
    Service, World,
};
use roaring::RoaringBitmap;

/// One namespace.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Its objects and those of the root namespace; the DestinationRules for its Services; the Gateways if it has
    /// a gateway; the pods without a sidecar if it has a headless Service.
    pub(super) world: World,
    /// Classes with a proxy.
    pub(super) receivers: RoaringBitmap,
    /// Classes without a sidecar.
    pub(super) outsiders: RoaringBitmap,
    /// How many classes are gateways.
    pub(super) gateways: usize,
}

/// One object of a place and the one that takes its place: `held` is the one that is not there now.
#[derive(Debug)]
pub(super) struct Slot<T> {
    at: usize,
    held: Option<T>,
    /// Whether there is one before and after.
    both: bool,
}

/// What can be exchanged in a place.
#[derive(Debug)]
pub(super) enum Exchange {
    Authentication(Slot<PeerAuthentication>),
    Authorization(Slot<AuthorizationPolicy>),
    Service(Slot<Service>),
    Rules(Vec<DestinationRule>),
    Gateways(Vec<Gateway>),
    Pods(Vec<Pod>),
}

impl<T> Slot<T> {
    /// The slot of an object in a list: where its namesake is, or at the end. `None` if there is nothing to do.
    fn new(list: &[T], is_it: impl Fn(&T) -> bool, new: Option<T>) -> Option<Self> {
        let at = list.iter().position(is_it);
        let both = at.is_some() && new.is_some();
        (at.is_some() || new.is_some()).then(|| Self {
            at: at.unwrap_or(list.len()),
            held: new,
            both,
        })
    }

    /// Exchanges the two; done twice, nothing has changed.
    fn turn(&mut self, list: &mut Vec<T>) {
        match (self.held.take(), list.get_mut(self.at)) {
            (Some(held), Some(there)) if self.both => {
                self.held = Some(std::mem::replace(there, held));
            }
            (Some(held), _) => list.insert(self.at.min(list.len()), held),
            (None, Some(_)) => self.held = Some(list.remove(self.at)),
            (None, None) => {}
        }
    }
}

impl Exchange {
    pub(super) fn turn(&mut self, world: &mut World) {
        match self {
            Self::Authentication(slot) => slot.turn(&mut world.peer_authentications),
            Self::Authorization(slot) => slot.turn(&mut world.authorization_policies),
            Self::Service(slot) => slot.turn(&mut world.services),
            Self::Rules(rules) => std::mem::swap(rules, &mut world.destination_rules),
            Self::Gateways(gateways) => std::mem::swap(gateways, &mut world.gateways),
            Self::Pods(pods) => std::mem::swap(pods, &mut world.pods),
        }
    }
}

/// An object of a kind that mesh decisions read.
pub(super) trait Kind: Clone + PartialEq {
    fn object(&self) -> &ObjectRef;
    fn list(world: &World) -> &[Self];
    fn exchange(slot: Slot<Self>) -> Exchange;

    /// The exchange of an object by another one in a place; `None` if nothing changes.
    fn slot(world: &World, object: &ObjectRef, new: Option<&Self>) -> Option<Exchange> {
        let list = Self::list(world);
        let slot = Slot::new(list, |it| it.object() == object, new.cloned())?;
        (list.get(slot.at) != new).then(|| Self::exchange(slot))
    }
}

/// The kinds, each by its list in a world and its exchange.
macro_rules! kinds {
    ($($kind:ty, $list:ident, $exchange:ident;)*) => {$(
        impl Kind for $kind {
            fn object(&self) -> &ObjectRef {
                &self.object
            }

            fn list(world: &World) -> &[Self] {
                &world.$list
            }

            fn exchange(slot: Slot<Self>) -> Exchange {
                Exchange::$exchange(slot)
            }
        }
    )*};
}

kinds! {
    PeerAuthentication, peer_authentications, Authentication;
    AuthorizationPolicy, authorization_policies, Authorization;
    Service, services, Service;
}

impl Place {
    pub(super) fn enter(&mut self, id: u32, pod: &Pod) {
        if !matches!(pod.proxy, Proxy::None { .. }) {
            self.receivers.insert(id);
        }
        if !matches!(pod.proxy, Proxy::Sidecar { .. }) {
            self.outsiders.insert(id);
        }
    }

    pub(super) fn leave(&mut self, id: u32) {
        self.receivers.remove(id);
        self.outsiders.remove(id);
    }

    /// Whether it matters for some Service who is outside the mesh.
    pub(super) fn is_headless(&self) -> bool {
        self.world.services.iter().any(|service| service.headless)
    }

    /// Of the headless Services those for which other pods without a sidecar make a difference, and what has to be
    /// exchanged.
    pub(super) fn show(&mut self, pods: Vec<Pod>) -> (Exchange, Vec<Service>) {
        let headless = self.world.services.iter().filter(|s| s.headless);
        let services: Vec<Service> = headless.cloned().collect();
        let mut exchange = Exchange::Pods(pods);
        let enrolled = |world: &World| {
            let each = services.iter().map(|s| every_pod_enrolled(world, s));
            each.collect::<Vec<bool>>()
        };
        let before = enrolled(&self.world);
        exchange.turn(&mut self.world);
        let after = enrolled(&self.world);
        exchange.turn(&mut self.world);
        let differs = before
            .iter()
            .zip(&after)
            .map(|(before, after)| before != after);
        let turned = services.iter().zip(differs).filter(|(_, differs)| *differs);
        let turned = turned.map(|(service, _)| service.clone()).collect();
        (exchange, turned)
    }

    fn is_empty(&self, name: &str) -> bool {
        let world = &self.world;
        let own = |object: &ObjectRef| object.namespace == name;
        self.receivers.is_empty()
            && self.outsiders.is_empty()
            && world.services.is_empty()
            && !world.peer_authentications.iter().any(|p| own(&p.object))
            && !world.authorization_policies.iter().any(|p| own(&p.object))
    }
}

impl Mesh {
    /// The place of a namespace.
    pub(super) fn place(&mut self, name: &str) -> &mut Place {
        if !self.places.contains_key(name) {
            let mut place = Place::default();
            if let Some(root) = self.places.get(&self.config.root_namespace) {
                let (from, to) = (&root.world, &mut place.world);
                to.peer_authentications
                    .clone_from(&from.peer_authentications);
                to.authorization_policies
                    .clone_from(&from.authorization_policies);
            }
            place.world.destination_rules = self.rules_for(name);
            place.world.mesh = self.config.clone();
            self.places.insert(name.to_owned(), place);
        }
        self.places.entry(name.to_owned()).or_default()
    }

    /// The DestinationRules for Services of a namespace, in their order.
    pub(super) fn rules_for(&self, name: &str) -> Vec<DestinationRule> {
        let rules = self.rules.iter().filter(|rule| reaches(&rule.host, name));
        rules.cloned().collect()
    }

    /// Forgets the place of a namespace in which nothing is left.
    pub(super) fn tidy(&mut self, name: &str) {
        let place = self.places.get(name);
        if name != self.config.root_namespace && place.is_some_and(|place| place.is_empty(name)) {
            self.places.remove(name);
        }
    }

    /// The places in which objects of a namespace count, sorted.
    pub(super) fn places_of(&self, namespace: &str) -> Vec<String> {
        if namespace == self.config.root_namespace {
            self.all_places()
        } else {
            vec![namespace.to_owned()]
        }
    }

    pub(super) fn all_places(&self) -> Vec<String> {
        let mut names: Vec<String> = self.places.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    /// The places with Services that a host can mean.
    pub(super) fn places_behind(&self, host: &str) -> Vec<String> {
        let mut names = self.all_places();
        names.retain(|name| reaches(host, name));
        names
    }
}

/// Whether the host of a DestinationRule can mean a Service of a namespace.
fn reaches(host: &str, namespace: &str) -> bool {
    let end = format!(".{namespace}.svc.cluster.local");
    let suffix = host.strip_prefix('*').unwrap_or(host);
    suffix.ends_with(&end) || host.starts_with('*') && end.ends_with(suffix)
}

/// The Services of a place that a DestinationRule is about.
pub(super) fn behind<'p>(
    place: &'p Place,
    host: &str,
) -> impl Iterator<Item = &'p Service> + use<'p> {
    let host = host.to_owned();
    let services = place.world.services.iter();
    services.filter(move |service| host_matches(&host, &host_of(&service.object)))
}

/// Whether a Service leads to a pod.
pub(super) fn leads_to(service: &Service, pod: &Pod) -> bool {
    service.object.namespace == pod.namespace && selects(&service.selector, &pod.labels)
}
