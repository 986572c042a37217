//! What may become of ports at one tier.

use palisade_netmodel::{AdminAction, PortSet};

/// Some of the ports that are asked about: a set of them, or whether the only one is among them.
pub(in crate::engine) trait Ports: Clone {
    fn none() -> Self;
    fn all() -> Self;
    fn or(&self, other: &Self) -> Self;
    fn and(&self, other: &Self) -> Self;
    fn without(&self, other: &Self) -> Self;
}

impl Ports for PortSet {
    fn none() -> Self {
        Self::empty()
    }
    fn all() -> Self {
        Self::all()
    }
    fn or(&self, other: &Self) -> Self {
        self.union(other)
    }
    fn and(&self, other: &Self) -> Self {
        self.intersection(other)
    }
    fn without(&self, other: &Self) -> Self {
        self.difference(other)
    }
}

impl Ports for bool {
    fn none() -> Self {
        false
    }
    fn all() -> Self {
        true
    }
    fn or(&self, other: &Self) -> Self {
        *self || *other
    }
    fn and(&self, other: &Self) -> Self {
        *self && *other
    }
    fn without(&self, other: &Self) -> Self {
        *self && !*other
    }
}

/// What may become of ports. A port may be in several sets, and is in at least one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::engine) struct Split<P> {
    pub(super) accept: P,
    deny: P,
    pass: P,
    /// No rule matches.
    open: P,
}

impl<P: Ports> Split<P> {
    pub(in crate::engine) fn untouched() -> Self {
        Self {
            accept: P::none(),
            deny: P::none(),
            pass: P::none(),
            open: P::all(),
        }
    }

    /// A rule takes its ports out of those that are left, if it matches for certain.
    pub(in crate::engine) fn act(&mut self, action: AdminAction, ports: &P, certain: bool) {
        let taken = self.open.and(ports);
        let set = match action {
            AdminAction::Accept => &mut self.accept,
            AdminAction::Deny => &mut self.deny,
            AdminAction::Pass => &mut self.pass,
        };
        *set = set.or(&taken);
        if certain {
            self.open = self.open.without(&taken);
        }
    }

    /// What comes later acts on the ports that are left.
    pub(in crate::engine) fn then(&mut self, later: &Self) {
        for (set, more) in [
            (&mut self.accept, &later.accept),
            (&mut self.deny, &later.deny),
            (&mut self.pass, &later.pass),
        ] {
            *set = set.or(&self.open.and(more));
        }
        self.open = self.open.and(&later.open);
    }

    /// Any of two may act on a port that both match; one that matches is enough.
    pub(in crate::engine) fn beside(&mut self, other: &Self) {
        self.accept = self.accept.or(&other.accept);
        self.deny = self.deny.or(&other.deny);
        self.pass = self.pass.or(&other.pass);
        self.open = self.open.and(&other.open);
    }

    /// What must and may pass, if `next` says the same of ports that go on.
    pub(in crate::engine) fn before(&self, (must, may): (&P, &P)) -> (P, P) {
        let onward = self.pass.or(&self.open);
        let may = self.accept.or(&onward.and(may));
        let refused = self.deny.or(&onward.without(must));
        (may.without(&refused), may)
    }
}
