//! The addresses of an endpoint, known or not.

use ipnet::IpNet;
use smallvec::SmallVec;
use std::net::IpAddr;

/// What is known of an endpoint's addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AddressSet {
    /// Known addresses; empty means that none is known (a pod made from a template).
    /// Most have one, which stands in place.
    pub known: SmallVec<[IpAddr; 1]>,
}

impl<A: IntoIterator<Item = IpAddr>> From<A> for AddressSet {
    fn from(known: A) -> Self {
        Self {
            known: known.into_iter().collect(),
        }
    }
}

impl AddressSet {
    /// Whether an address lies in `cidr` and in none of `except`. `None` if no address is known.
    #[must_use]
    pub fn in_block(&self, cidr: &IpNet, except: &[IpNet]) -> Option<bool> {
        if self.known.is_empty() {
            return None;
        }
        Some(
            self.known
                .iter()
                .any(|a| cidr.contains(a) && !except.iter().any(|e| e.contains(a))),
        )
    }
}
