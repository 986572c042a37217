//! Who knows whose hardware address. The kernel keeps some 1,024 learned neighbours over all namespaces together, and
//! none for good; permanent ones do not count. So nobody in a lab has to learn: hosts of the underlay, a node and its
//! pods know each other from the beginning, and two pods of one bridge before a connection between them is tried.

use crate::error::Result;
use crate::lab::{HostId, Lab};
use crate::netlink::{Mac, Message, Netlink};
use crate::plan::{HostKind, Layout};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::PoisonError;

impl Lab {
    /// Has two ends know each other if a bridge is between them. Behind a virtual address there are several.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn acquaint(&self, pairs: impl Iterator<Item = (HostId, IpAddr)>) -> Result<()> {
        if self.layout() != Layout::Bridged {
            return Ok(());
        }
        let wanted: BTreeSet<(HostId, IpAddr)> = pairs.collect();
        let by_address: BTreeMap<IpAddr, HostId> = self
            .pods()
            .flat_map(|(id, host)| host.addresses().map(|address| (address, id)))
            .collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: BTreeMap<HostId, Vec<Message>> = BTreeMap::new();
        for (from, to) in wanted {
            let behind = self.behind(to);
            for other in by_address.get(&to).into_iter().chain(&behind) {
                for (who, whom) in [(from, *other), (*other, from)] {
                    if self.share_a_bridge(who, whom) && known.insert((who, whom)) {
                        new.entry(who).or_default().extend(self.introduction(whom));
                    }
                }
            }
        }
        for (host, messages) in new {
            self.inside(host, || Netlink::open()?.send(messages))??;
        }
        Ok(())
    }

    /// Forgets what is known of a host that is gone.
    pub(crate) fn forget_neighbour(&mut self, gone: HostId) {
        let known = self.known.get_mut().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(who, whom)| *who != gone && *whom != gone);
    }

    fn share_a_bridge(&self, one: HostId, other: HostId) -> bool {
        let node = |id| {
            let pod = self.host(id).ok().filter(|host| host.kind == HostKind::Pod);
            pod.and_then(|pod| pod.node)
        };
        one != other && node(one).is_some() && node(one) == node(other)
    }

    /// What another pod is told of a pod.
    fn introduction(&self, pod: HostId) -> Vec<Message> {
        let Some((host, mac)) = self.host(pod).ok().zip(self.mac_of(pod)) else {
            return Vec::new();
        };
        let each = host.addresses().into_iter();
        each.map(|address| Message::known_neighbour(address, mac))
            .collect()
    }

    /// The hardware address of a pod inside of it.
    fn mac_of(&self, pod: HostId) -> Option<Mac> {
        let host = self.host(pod).ok()?;
        let (node, place) = (self.number_of(host.node?)?, host.link.as_ref()?.place());
        Some(crate::lab::inner_mac(node, place))
    }
}
