//! Who can be told apart by what a receiver asks about its callers.

use super::answers::Receiver;
use super::places::Place;
use crate::engine::ambient::PROBES;
use crate::engine::authorization::{is_namespace, is_principal, text_matches};
use crate::engine::client::Door;
use crate::engine::endpoints::parse_block;
use crate::engine::live::Live;
use crate::engine::mesh::Identity;
use palisade_netmodel::{AuthorizationPolicy, Capture, MeshConfig, Pod, PortSet, Protocol, Proxy};
use roaring::RoaringBitmap;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A set of more ends than this is compared as a whole, not end by end.
const FEW: u64 = 256;

/// Classes by what receivers see of them.
#[derive(Debug, Default)]
pub(super) struct Callers {
    /// Classes with a proxy, by namespace and service account.
    identities: BTreeMap<String, BTreeMap<String, Holders>>,
    /// Classes whose own proxy sends for them.
    enrolled: RoaringBitmap,
    /// Classes that ztunnel sends for, those of which that is not clear, and those of waypoints.
    captured: RoaringBitmap,
    unclear: RoaringBitmap,
    waypoints: RoaringBitmap,
    /// Classes by the ports that their proxy does not receive from them, if there are any.
    excluding: BTreeMap<PortSet, RoaringBitmap>,
    /// Classes that stand for the nodes' host network.
    groups: RoaringBitmap,
}

/// An identity and who has it.
#[derive(Debug)]
struct Holders {
    identity: Arc<Identity>,
    classes: RoaringBitmap,
}

/// Sets of callers that may be told from all others.
type Sets<'l> = Vec<Cow<'l, RoaringBitmap>>;

impl Callers {
    pub(super) fn enter(&mut self, id: u32, pod: &Pod, config: &MeshConfig) {
        if pod.host_group {
            self.groups.insert(id);
        }
        match &pod.proxy {
            Proxy::None { .. } => return,
            Proxy::Sidecar {
                outbound_excluded, ..
            } => {
                self.enrolled.insert(id);
                if !outbound_excluded.is_empty() {
                    let classes = self.excluding.entry(outbound_excluded.clone());
                    classes.or_default().insert(id);
                }
            }
            Proxy::Gateway => {
                self.enrolled.insert(id);
            }
            Proxy::Ambient { capture, .. } => {
                self.captured.insert(id);
                if *capture == Capture::Unclear {
                    self.unclear.insert(id);
                }
            }
            Proxy::Waypoint => {
                self.waypoints.insert(id);
            }
        }
        let accounts = self.identities.entry(pod.namespace.clone()).or_default();
        let holders = accounts.entry(pod.service_account.clone());
        let holders = holders.or_insert_with(|| Holders {
            identity: Arc::new(Identity::new(config, &pod.namespace, &pod.service_account)),
            classes: RoaringBitmap::new(),
        });
        holders.classes.insert(id);
    }

    pub(super) fn leave(&mut self, id: u32, pod: &Pod) {
        for set in [
            &mut self.groups,
            &mut self.enrolled,
            &mut self.captured,
            &mut self.unclear,
            &mut self.waypoints,
        ] {
            set.remove(id);
        }
        if let Proxy::Sidecar {
            outbound_excluded, ..
        } = &pod.proxy
        {
            forget(&mut self.excluding, outbound_excluded, id);
        }
        if let Some(accounts) = self.identities.get_mut(&pod.namespace) {
            if let Some(holders) = accounts.get_mut(&pod.service_account) {
                holders.classes.remove(id);
                if holders.classes.is_empty() {
                    accounts.remove(&pod.service_account);
                }
            }
            if accounts.is_empty() {
                self.identities.remove(&pod.namespace);
            }
        }
    }

    /// Whether nobody is known.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.identities.is_empty() && self.excluding.is_empty() && self.enrolled.is_empty()
    }

    /// The identity of a pod.
    pub(super) fn identity(&self, pod: &Pod, config: &MeshConfig) -> Arc<Identity> {
        let accounts = self.identities.get(&pod.namespace);
        match accounts.and_then(|accounts| accounts.get(&pod.service_account)) {
            Some(holders) => Arc::clone(&holders.identity),
            None => Arc::new(Identity::new(config, &pod.namespace, &pod.service_account)),
        }
    }

    fn holders(&self) -> impl Iterator<Item = (&String, &Holders)> {
        let all = self.identities.iter();
        all.flat_map(|(namespace, accounts)| accounts.values().map(move |of| (namespace, of)))
    }

    fn account(&self, namespace: &str, account: &str) -> Option<Cow<'_, RoaringBitmap>> {
        let holders = self.identities.get(namespace)?.get(account)?;
        Some(Cow::Borrowed(&holders.classes))
    }

    fn namespace(&self, namespace: &str) -> RoaringBitmap {
        let accounts = self.identities.get(namespace);
        let mut out = RoaringBitmap::new();
        for holders in accounts.into_iter().flat_map(BTreeMap::values) {
            out |= &holders.classes;
        }
        out
    }

    fn where_identity(&self, holds: impl Fn(&str, &Identity) -> bool) -> RoaringBitmap {
        let mut out = RoaringBitmap::new();
        for (namespace, holders) in self.holders() {
            if holds(namespace, &holders.identity) {
                out |= &holders.classes;
            }
        }
        out
    }

    /// Whom a pattern of `principals` tells from others. One without stars can mean one identity alone.
    fn principals<'l>(&'l self, pattern: &str, out: &mut Sets<'l>) {
        if pattern.contains('*') {
            let by_proxy = self.where_identity(|_, identity| is_principal(identity, pattern));
            let by_name = self.where_identity(|_, identity| {
                let name = identity.spiffe.strip_prefix("spiffe://");
                name.is_some_and(|name| text_matches(pattern, name))
            });
            out.extend([by_proxy, by_name].map(Cow::Owned));
            return;
        }
        let parts: Vec<&str> = pattern.split('/').collect();
        if let [_, "ns", namespace, "sa", account] = parts.as_slice() {
            out.extend(self.account(namespace, account));
        }
    }

    fn namespaces(&self, pattern: &str, out: &mut Sets<'_>) {
        if pattern.contains('*') {
            let by_proxy =
                self.where_identity(|name, identity| is_namespace(identity, name, pattern));
            let by_name = self.where_identity(|name, _| text_matches(pattern, name));
            out.extend([by_proxy, by_name].map(Cow::Owned));
        } else {
            out.push(Cow::Owned(self.namespace(pattern)));
        }
    }

    fn accounts<'l>(&'l self, home: &str, wanted: &str, out: &mut Sets<'l>) {
        let (namespace, account) = wanted.split_once('/').unwrap_or((home, wanted));
        out.extend(self.account(namespace, account));
    }
}

fn forget(sets: &mut BTreeMap<PortSet, RoaringBitmap>, key: &PortSet, id: u32) {
    if let Some(classes) = sets.get_mut(key) {
        classes.remove(id);
        if classes.is_empty() {
            sets.remove(key);
        }
    }
}

impl Live {
    /// All ends among some in kinds that a receiver cannot tell apart.
    pub(super) fn kinds_of_callers(
        &self,
        (place, pod): (&Place, &Pod),
        receiver: &Receiver<'_>,
        among: &RoaringBitmap,
    ) -> Vec<RoaringBitmap> {
        let callers = &self.mesh.callers;
        let proxies = [
            &callers.enrolled,
            &callers.captured,
            &callers.unclear,
            &callers.waypoints,
        ];
        let mut sets: Sets<'_> = proxies.map(Cow::Borrowed).into();
        let mut blocks = BTreeSet::new();
        match receiver {
            Receiver::Proxy(proxy) => {
                for policy in proxy.policies() {
                    self.told_apart(policy, &mut sets, &mut blocks);
                }
                for door in proxy.doors() {
                    self.told_by_rules(place, door, &mut sets);
                }
            }
            Receiver::Captured(_) => {
                let policies = place.world.authorization_policies.iter();
                for policy in policies.filter(|policy| pod.labels.include(&policy.selector)) {
                    self.told_apart(policy, &mut sets, &mut blocks);
                }
                let probes = PROBES.iter().filter_map(|probe| self.space.place(*probe));
                sets.push(Cow::Owned(probes.collect()));
            }
        }
        self.told_by_address(&blocks, &mut sets);
        partition(among, &sets)
    }

    /// Whom the rules of a policy tell apart, and the blocks by which they do.
    fn told_apart<'l, 'p>(
        &'l self,
        policy: &'p AuthorizationPolicy,
        out: &mut Sets<'l>,
        blocks: &mut BTreeSet<&'p str>,
    ) {
        let callers = &self.mesh.callers;
        let home = &policy.object.namespace;
        for source in policy.rules.iter().flat_map(|rule| &rule.from) {
            for pattern in source.principals.iter().chain(&source.not_principals) {
                callers.principals(pattern, out);
            }
            for pattern in source.namespaces.iter().chain(&source.not_namespaces) {
                callers.namespaces(pattern, out);
            }
            let accounts = &source.service_accounts;
            for wanted in accounts.iter().chain(&source.not_service_accounts) {
                callers.accounts(home, wanted, out);
            }
            let own = source.ip_blocks.iter().chain(&source.not_ip_blocks);
            let remote = source.remote_ip_blocks.iter();
            let remote = remote.chain(&source.not_remote_ip_blocks);
            blocks.extend(own.chain(remote).map(String::as_str));
        }
        for condition in policy.rules.iter().flat_map(|rule| &rule.when) {
            let values = || condition.values.iter().chain(&condition.not_values);
            match condition.key.as_str() {
                "source.principal" => values().for_each(|v| callers.principals(v, out)),
                "source.namespace" => values().for_each(|v| callers.namespaces(v, out)),
                "source.serviceAccount" => values().for_each(|v| callers.accounts(home, v, out)),
                "source.ip" | "remote.ip" => blocks.extend(values().map(String::as_str)),
                _ => {}
            }
        }
    }

    /// Who is in a block, and of whom that is not known. Blocks of the mesh are cuts.
    fn told_by_address<'l>(&'l self, blocks: &BTreeSet<&str>, out: &mut Sets<'l>) {
        let mut nets = blocks
            .iter()
            .filter_map(|text| parse_block(text))
            .peekable();
        if nets.peek().is_some() {
            let groups = &self.mesh.callers.groups;
            out.extend([&self.unplaced, &self.hosts, groups].map(Cow::Borrowed));
        }
        for net in nets {
            let mut within: RoaringBitmap = self.space.within(&net).collect();
            for cell in &within.clone() {
                within |= self
                    .node(cell)
                    .map(super::super::nodes::Node::classes)
                    .unwrap_or_default();
            }
            out.push(Cow::Owned(within));
        }
    }

    /// Who sends otherwise to a Service port than others do.
    fn told_by_rules<'l>(&'l self, place: &Place, door: &Door<'_>, out: &mut Sets<'l>) {
        let callers = &self.mesh.callers;
        for (ports, classes) in &callers.excluding {
            if ports.contains(Protocol::Tcp, door.port) {
                out.push(Cow::Borrowed(classes));
            }
        }
        for rule in door.rules(&place.world) {
            out.push(Cow::Owned(callers.namespace(&rule.object.namespace)));
            let exported = rule
                .export_to
                .iter()
                .filter(|to| !["*", "."].contains(&to.as_str()));
            out.extend(exported.map(|to| Cow::Owned(callers.namespace(to))));
            if !rule.workload_selector.is_empty() {
                let takes = |id: &u32| {
                    let pod = self.example(*id);
                    pod.is_some_and(|pod| pod.labels.include(&rule.workload_selector))
                };
                out.push(Cow::Owned(callers.enrolled.iter().filter(takes).collect()));
            }
        }
    }
}

/// The members of a set by which of some sets they are in.
fn partition(among: &RoaringBitmap, sets: &Sets<'_>) -> Vec<RoaringBitmap> {
    let (few, many): (Vec<_>, Vec<_>) = sets.iter().partition(|set| set.len() <= FEW);
    let mut keys: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (number, set) in few.iter().enumerate() {
        for id in set.iter().filter(|id| among.contains(*id)) {
            keys.entry(id).or_default().push(number);
        }
    }
    let named: RoaringBitmap = keys.keys().copied().collect();
    let mut groups: BTreeMap<Vec<usize>, RoaringBitmap> = BTreeMap::new();
    for (id, mut key) in keys {
        let more = (few.len()..).zip(&many).filter(|(_, set)| set.contains(id));
        key.extend(more.map(|(number, _)| number));
        groups.entry(key).or_default().insert(id);
    }
    let mut rest = vec![among - &named];
    for set in many {
        let parts = rest
            .iter()
            .flat_map(|part| [part & set.as_ref(), part - set.as_ref()]);
        rest = parts.filter(|part| !part.is_empty()).collect();
    }
    rest.retain(|part| !part.is_empty());
    rest.extend(groups.into_values());
    rest
}
