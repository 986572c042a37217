//! What the mesh adds to what policies let pass, kept current while its objects and the pods change.
//!
//! The passing layer ([`Live::half`]) and this one know nothing of each other. What the mesh says on the
//! connections of two ends, whatever the network lets pass, is an [`Answer`]; a pair is the answer applied to
//! what the policies of both ends let pass. So each layer tells its own changes, and only pairs of which one
//! of them speaks are put together again.
//!
//! Nothing is remembered of answers. A receiver's answers follow from its own pod, the objects of its
//! namespace and of the root namespace, and the DestinationRules for its Services. So there is a small world of
//! these for each namespace, a *place* ([`places`]), and the code that judges a receiver for an engine judges it
//! here. An object that changes is exchanged in its place; each class that it selects is asked before and after.
//!
//! A receiver is not asked about every caller. [`callers`] knows who has which identity and kind of proxy, and
//! the receiver's policies, Services and rules say whom they can tell apart: it is asked about one of each kind.
//!
//! | Edit | Who is asked |
//! |---|---|
//! | AuthorizationPolicy, PeerAuthentication | the classes that it selects, for the root namespace in all places |
//! | Service, DestinationRule | the classes behind the Service, or behind those that the host means |
//! | Gateway | the gateways that it selects |
//! | a pod | its old and its new class; those of a headless Service, if it is the first or last outside the mesh |
//!
//! Cost: for each of them two receivers, made from the objects of the place, and for each kind of caller two
//! answers. A pod that calls as somebody else now is compared by every receiver, when connections are asked for.
//!
//! In ambient mode a connection takes one of several ways, and in a tunnel the network has one word on all ports: the
//! answer tells what the mesh says on each way. A call by a waypoint is not of this form, as it follows from the
//! policies of three ends. What is not followed is said: [`Unfollowed`].

mod answers;
mod callers;
mod changes;
mod places;
#[cfg(test)]
pub(super) mod tests;

pub use changes::MeshChange;

pub(super) use answers::Asker;
pub(super) use changes::Told;

use super::Live;
use crate::engine::{EndpointId, Pair};
use callers::Callers;
use palisade_netmodel::{
    DestinationRule, Gateway, Labels, MeshConfig, ObjectRef, Pod, Proxy, Service, World,
};
use places::Place;
use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

/// Something that has a part in answers and that edits are not followed through: take a new
/// [`crate::Engine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfollowed {
    /// Pods that ztunnel captures where an object asks for a waypoint (`istio.io/use-waypoint`): what passes by it
    /// follows from the policies of three ends.
    Waypoint,
}

/// The objects of the mesh, and who is in it.
#[derive(Debug, Default)]
pub(super) struct Mesh {
    config: MeshConfig,
    places: FxHashMap<String, Place>,
    /// Of all namespaces.
    gateways: Vec<Gateway>,
    rules: Vec<DestinationRule>,
    callers: Callers,
    /// Classes with a proxy.
    proxied: RoaringBitmap,
    /// Those that ztunnel captures.
    captured: RoaringBitmap,
    /// What asks for a waypoint: captured classes, namespaces and Services.
    asking: Asking,
}

/// What asks for a waypoint.
#[derive(Debug, Default)]
struct Asking {
    classes: RoaringBitmap,
    namespaces: BTreeSet<String>,
    services: BTreeSet<ObjectRef>,
}

/// Whether an object asks for a waypoint.
fn asks(labels: &Labels) -> bool {
    let name = labels.get("istio.io/use-waypoint");
    name.is_some_and(|name| name != "none")
}

impl Mesh {
    /// The mesh of a world before its objects and pods come.
    pub(super) fn new(world: &World) -> Self {
        Self {
            config: world.mesh.clone(),
            ..Self::default()
        }
    }

    /// Whether nothing is there but the place of the root namespace.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let root = self.places.get(&self.config.root_namespace);
        let objects = root.map_or(0, |root| {
            root.world.authorization_policies.len() + root.world.peer_authentications.len()
        });
        self.places.len() + objects <= 1
            && self.callers.is_empty()
            && self.proxied.is_empty()
            && self.captured.is_empty()
    }

    /// A class of pods is there now.
    pub(super) fn enter(&mut self, id: u32, pod: &Pod) {
        self.callers.enter(id, pod, &self.config);
        self.place(&pod.namespace).enter(id, pod);
        if !matches!(pod.proxy, Proxy::None { .. }) {
            self.proxied.insert(id);
        }
        if pod.proxy == Proxy::Gateway {
            let gateways = self.gateways.clone();
            let place = self.place(&pod.namespace);
            place.gateways += 1;
            place.world.gateways = gateways;
        }
        if matches!(pod.proxy, Proxy::Ambient { .. }) {
            self.captured.insert(id);
            if asks(&pod.labels) {
                self.asking.classes.insert(id);
            }
        }
    }

    /// It is gone.
    pub(super) fn leave(&mut self, id: u32, pod: &Pod) {
        self.callers.leave(id, pod);
        self.captured.remove(id);
        self.asking.classes.remove(id);
        self.proxied.remove(id);
        let place = self.place(&pod.namespace);
        place.leave(id);
        if pod.proxy == Proxy::Gateway {
            place.gateways -= 1;
        }
        self.tidy(&pod.namespace);
    }

    /// A namespace has these labels now.
    pub(super) fn set_namespace(&mut self, name: &str, labels: &Labels) {
        if asks(labels) {
            self.asking.namespaces.insert(name.to_owned());
        } else {
            self.asking.namespaces.remove(name);
        }
    }

    /// A Service came, changed or went.
    fn note_service(&mut self, object: &ObjectRef, service: Option<&Service>) {
        if service.is_some_and(|service| asks(&service.labels)) {
            self.asking.services.insert(object.clone());
        } else {
            self.asking.services.remove(object);
        }
    }
}

impl Live {
    /// What has a part in answers and is not followed; `None`: answers are those of a new engine.
    #[must_use]
    pub fn unfollowed(&self) -> Option<Unfollowed> {
        let asking = &self.mesh.asking;
        let asked = !asking.namespaces.is_empty()
            || !asking.services.is_empty()
            || !asking.classes.is_disjoint(&self.alive);
        let captured = asked && !self.mesh.captured.is_disjoint(&self.alive);
        captured.then_some(Unfollowed::Waypoint)
    }

    /// What passes by policies and mesh, and how. Of ports that do not pass nothing else is told. Cost: the rules
    /// of the two, and the objects of the destination's namespace.
    ///
    /// # Errors
    ///
    /// If something has a part in it that is not followed.
    pub fn pair(&self, source: EndpointId, destination: EndpointId) -> Result<Pair, Unfollowed> {
        if let Some(unfollowed) = self.unfollowed() {
            return Err(unfollowed);
        }
        let network = self.passage(source, destination);
        let answer = Asker::new(self).answer(source.0, destination.0);
        Ok(answer.on(&network))
    }
}
