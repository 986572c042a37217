//! The whole answer, by packets: what the network lets through is said once more to an application behind its sidecar,
//! in plaintext and, where the caller has a certificate, with mTLS.

use super::at_once::at_once;
use super::caller::{Answer, Call, Wire, call};
use super::sidecars::{OWN, Sidecars, asked_ports};
use super::{declares_http, one_way, requests};
use crate::{Answered, Asked, Error, Table, Trial};
use palisade_netlab::Outcome as Seen;
use palisade_netmodel::{
    Decision, Encryption, Endpoint, Flow, Outcome, Pod, PodId, Protocol, Proxy, World, reference,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;

/// Most requests to one port, in one way of sending.
pub(super) const MOST_REQUESTS: usize = 32;

/// What became of calls in one way of sending.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tries {
    /// How many the application answered.
    pub passed: usize,
    /// How many were refused.
    pub refused: usize,
    /// What came of one that was neither.
    pub odd: Option<String>,
}

impl Tries {
    pub(super) fn add(&mut self, answer: palisade_netlab::Result<Answer>) {
        match answer {
            Ok(Answer::Passed(_)) => self.passed += 1,
            Ok(Answer::Refused) => self.refused += 1,
            Err(error) => self.odd = Some(error.to_string()),
        }
    }

    fn all(&self) -> bool {
        self.passed > 0 && self.refused == 0
    }

    fn none(&self) -> bool {
        self.passed == 0
    }
}

impl fmt::Display for Tries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.odd, self.passed, self.refused) {
            (Some(odd), _, _) => f.write_str(odd),
            (None, _, 0) => f.write_str("passed"),
            (None, 0, _) => f.write_str("was refused"),
            (None, passed, refused) => {
                write!(f, "passed in {passed} of {} calls", passed + refused)
            }
        }
    }
}

/// A question to a pod behind a sidecar, with the whole answer of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// The question.
    pub asked: Asked,
    /// What the reference says: outcome and encryption.
    pub expected: (Outcome, Encryption),
    /// Whether the network let it through; if not, nothing was said.
    pub network: bool,
    /// In plaintext, past the caller's own proxy.
    pub plain: Tries,
    /// With mTLS and the caller's certificate, if it has one.
    pub mtls: Option<Tries>,
    /// Whether both sides are the same; `None` where the reference leaves it open.
    pub agree: Option<bool>,
}

impl Met {
    /// Whether anything of it passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.plain.passed > 0 || self.mtls.as_ref().is_some_and(|tries| tries.passed > 0)
    }

    /// Whether anything of it was refused.
    fn refused(&self) -> bool {
        self.plain.refused > 0 || self.mtls.as_ref().is_some_and(|tries| tries.refused > 0)
    }

    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> usize {
        let count = |tries: &Tries| tries.passed + tries.refused;
        count(&self.plain) + self.mtls.as_ref().map_or(0, count)
    }

    /// Whether something passed, and nothing in plaintext.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.passed() && self.plain.none()
    }
}

impl fmt::Display for Met {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.network {
            return f.write_str("the network let nothing through");
        }
        write!(f, "plaintext {}", self.plain)?;
        match &self.mtls {
            Some(mtls) => write!(f, ", mTLS with the caller's certificate {mtls}"),
            None => f.write_str(", and the caller has no certificate of the mesh"),
        }
    }
}

impl Trial {
    /// The TCP ports at which each pod must answer for some questions.
    #[must_use]
    pub fn tcp_ports(questions: &[Asked]) -> BTreeMap<PodId, BTreeSet<u16>> {
        asked_ports(questions)
    }

    /// Says something to every pod that has a sidecar, where the network let a connection through.
    ///
    /// # Errors
    /// If a host of the lab is gone.
    pub fn meet(
        &self,
        world: &World,
        sidecars: &Sidecars,
        network: &Table,
    ) -> Result<Vec<Met>, Error> {
        let worlds = [
            self.located(world, Some(false))?,
            self.located(world, Some(true))?,
        ];
        let mut by_caller: BTreeMap<Endpoint, Vec<&Answered>> = BTreeMap::new();
        for answered in network
            .0
            .iter()
            .filter(|a| behind(world, &|pod| sidecars.has(pod), &a.asked.flow))
        {
            by_caller
                .entry(answered.asked.flow.source)
                .or_default()
                .push(answered);
        }
        let mut met = at_once(by_caller, |(caller, answered)| {
            self.caller_meets(&worlds, sidecars, caller, &answered)
        })?;
        met.sort_by_key(|met| met.asked);
        Ok(met)
    }

    fn caller_meets(
        &self,
        worlds: &[World; 2],
        sidecars: &Sidecars,
        caller: Endpoint,
        all: &[&Answered],
    ) -> Result<Vec<Met>, Error> {
        let Some(host) = self.host(caller) else {
            return Ok(Vec::new());
        };
        let meet = || {
            let met = all.iter().filter_map(|answered| {
                let [v4, v6] = worlds;
                let world = if answered.asked.v6 { v6 } else { v4 };
                self.meets(world, sidecars, answered)
            });
            met.collect()
        };
        Ok(self.lab.inside(host, meet)?)
    }

    /// One question, asked from the namespace of its caller.
    fn meets(&self, world: &World, sidecars: &Sidecars, answered: &Answered) -> Option<Met> {
        let flow = answered.asked.flow;
        let Endpoint::Pod(receiver) = flow.destination else {
            return None;
        };
        let host = self.lab.host(self.host(flow.destination)?).ok()?;
        let pod = world.pod(receiver)?;
        let address = if answered.asked.v6 { host.v6 } else { host.v4 };
        let to = SocketAddr::new(address, flow.port);
        let decision = reference::decide(world, &flow);
        let mut met = Met {
            asked: answered.asked,
            expected: (decision.outcome, decision.encryption),
            network: answered.seen.outcome == Seen::Passed,
            plain: Tries::default(),
            mtls: None,
            agree: None,
        };
        if met.network {
            let wires = wires(world, pod, flow.port);
            let all = |mtls| {
                let mut tries = Tries::default();
                for wire in wires.iter().cloned() {
                    let through = false;
                    tries.add(call(&Call {
                        to,
                        mtls,
                        wire,
                        through,
                    }));
                }
                tries
            };
            met.plain = all(None);
            let own = match flow.source {
                Endpoint::Pod(id) => sidecars.certificate(id),
                Endpoint::Address(_) => None,
            };
            // Past the sidecar nobody ends TLS.
            let own = own.filter(|_| !past(world, &flow));
            met.mtls = own
                .zip(sidecars.certificate(receiver))
                .map(|pair| all(Some(pair)));
        }
        met.agree = agree(world, &decision, &met);
        Some(met)
    }
}

/// What is said to a port, in each way of sending: requests, and what is none where none is promised.
fn wires(world: &World, receiver: &Pod, port: u16) -> Vec<Wire> {
    let (mut wires, _) = requests(world, receiver, MOST_REQUESTS);
    if !declares_http(world, receiver, port) {
        wires.push(Wire::Bytes);
    }
    wires
}

/// Whether a flow is to a sidecar that is here, and from somebody whose way of sending is known.
fn behind(world: &World, is_here: &dyn Fn(PodId) -> bool, flow: &Flow) -> bool {
    let caller = match flow.source {
        Endpoint::Pod(id) => world.pod(id).map(|pod| &pod.proxy),
        Endpoint::Address(_) => None,
    };
    let captured = matches!(caller, Some(Proxy::Ambient { .. } | Proxy::Waypoint));
    let Endpoint::Pod(receiver) = flow.destination else {
        return false;
    };
    let own = OWN.contains(&flow.port) && !past(world, flow);
    flow.protocol == Protocol::Tcp && is_here(receiver) && !captured && !own
}

/// Whether a port bypasses the receiver's sidecar.
pub(super) fn past(world: &World, flow: &Flow) -> bool {
    let Endpoint::Pod(receiver) = flow.destination else {
        return false;
    };
    let pod = world.pod(receiver);
    pod.is_some_and(|pod| match &pod.proxy {
        Proxy::Sidecar { inbound, .. } => inbound.bypass.contains(Protocol::Tcp, flow.port),
        _ => false,
    })
}

/// Whether what came of calls is what was said of the flow.
///
/// * `Deny`: nothing in plaintext passed. Nothing with mTLS did either, unless the reference says that mTLS would,
///   and that the caller's proxy does not send it.
/// * `Allow`: everything passed in one of the two ways.
/// * Mesh mTLS: nothing in plaintext passed. Otherwise something did, as long as the request does not matter.
fn agree(world: &World, decision: &Decision, met: &Met) -> Option<bool> {
    let (plain, mtls) = (&met.plain, met.mtls.as_ref());
    if plain.odd.is_some() || mtls.is_some_and(|tries| tries.odd.is_some()) {
        return Some(false);
    }
    let encrypted = decision.encryption == Encryption::MeshMtls;
    if encrypted && !plain.none() {
        return Some(false);
    }
    match decision.outcome {
        // What passes and what does not must both be there.
        Outcome::Depends => (met.passed() && met.refused()).then_some(true),
        Outcome::Deny => {
            let otherwise = || one_way::mtls(world, &met.asked.flow) != Outcome::Deny;
            Some(plain.none() && (mtls.is_none_or(Tries::none) || otherwise()))
        }
        Outcome::Allow => {
            let by_mtls = mtls.is_some_and(Tries::all);
            if by_mtls && !encrypted && plain.none() {
                // Some request in plaintext could pass, if the request matters; otherwise one must have.
                let plaintext = one_way::plaintext(world, &met.asked.flow);
                return (plaintext != Outcome::Depends).then_some(false);
            }
            Some(plain.all() || by_mtls)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::shop::{ALLOW_NOTHING, GET_ALONE, PERMISSIVE, STRICT, pod, shop, to};
    use palisade_netlab::Error as LabError;

    fn tries((passed, refused): (usize, usize)) -> Tries {
        Tries {
            passed,
            refused,
            odd: None,
        }
    }

    fn met(plain: Tries, mtls: Option<Tries>) -> Met {
        let world = shop("");
        Met {
            asked: Asked {
                flow: to(&world, "web", 8080),
                v6: false,
            },
            expected: (Outcome::Deny, Encryption::None),
            network: true,
            plain,
            mtls,
            agree: None,
        }
    }

    /// What is made of calls, where the reference says something of the flow: each as passed and refused.
    fn judged(
        objects: &str,
        (outcome, encryption): (Outcome, Encryption),
        plain: (usize, usize),
        mtls: Option<(usize, usize)>,
    ) -> Option<bool> {
        let decision = Decision {
            outcome,
            encryption,
            because: Vec::new(),
        };
        agree(
            &shop(objects),
            &decision,
            &met(tries(plain), mtls.map(tries)),
        )
    }

    const PASS: (usize, usize) = (3, 0);
    const SOME: (usize, usize) = (2, 1);
    const REFUSED: (usize, usize) = (0, 3);

    #[test]
    fn what_only_mtls_may_do_plaintext_must_not() {
        let said = (Outcome::Allow, Encryption::MeshMtls);
        assert_eq!(judged(STRICT, said, REFUSED, Some(PASS)), Some(true));
        for (plain, mtls) in [
            (PASS, Some(PASS)),
            (SOME, Some(PASS)),
            (REFUSED, Some(SOME)),
            (REFUSED, Some(REFUSED)),
            (REFUSED, None),
            (PASS, None),
        ] {
            assert_eq!(
                judged(STRICT, said, plain, mtls),
                Some(false),
                "{plain:?} {mtls:?}"
            );
        }
        // Also where the request decides.
        let said = (Outcome::Depends, Encryption::MeshMtls);
        assert_eq!(judged(STRICT, said, REFUSED, Some(SOME)), Some(true));
        assert_eq!(judged(STRICT, said, SOME, Some(SOME)), Some(false));
    }

    #[test]
    fn what_is_allowed_passes_whole_in_one_way_and_in_plaintext_at_all() {
        let said = (Outcome::Allow, Encryption::None);
        for (plain, mtls, expected) in [
            (PASS, Some(PASS), true),
            (PASS, None, true),
            (PASS, Some(REFUSED), true),
            (SOME, Some(PASS), true),
            (REFUSED, Some(PASS), false),
            (SOME, Some(REFUSED), false),
            (SOME, Some(SOME), false),
            (SOME, None, false),
            (REFUSED, Some(REFUSED), false),
            (REFUSED, None, false),
        ] {
            let found = judged(PERMISSIVE, said, plain, mtls);
            assert_eq!(found, Some(expected), "{plain:?} {mtls:?}");
        }
        // Some request in plaintext could pass, and was not among those that were tried.
        assert_eq!(judged(GET_ALONE, said, REFUSED, Some(PASS)), None);
        assert_eq!(judged(GET_ALONE, said, REFUSED, Some(SOME)), Some(false));
    }

    #[test]
    fn what_is_denied_is_refused_unless_the_callers_proxy_alone_refuses_it() {
        let said = (Outcome::Deny, Encryption::None);
        for (plain, mtls, expected) in [
            (REFUSED, Some(REFUSED), true),
            (REFUSED, None, true),
            (SOME, None, false),
            (PASS, Some(REFUSED), false),
            (REFUSED, Some(SOME), false),
            (REFUSED, Some(PASS), false),
        ] {
            let found = judged(ALLOW_NOTHING, said, plain, mtls);
            assert_eq!(found, Some(expected), "{plain:?} {mtls:?}");
        }
        // A DestinationRule has the caller send plaintext: the receiver would take mTLS.
        assert_eq!(judged(STRICT, said, REFUSED, Some(PASS)), Some(true));
        assert_eq!(judged(STRICT, said, SOME, Some(PASS)), Some(false));
    }

    #[test]
    fn what_depends_shows_both_or_is_left_open() {
        let said = (Outcome::Depends, Encryption::None);
        for (plain, mtls, expected) in [
            (SOME, None, Some(true)),
            (PASS, Some(REFUSED), Some(true)),
            (REFUSED, Some(PASS), Some(true)),
            (REFUSED, Some(SOME), Some(true)),
            (PASS, Some(PASS), None),
            (PASS, None, None),
            (REFUSED, Some(REFUSED), None),
        ] {
            let found = judged(GET_ALONE, said, plain, mtls);
            assert_eq!(found, expected, "{plain:?} {mtls:?}");
        }
    }

    #[test]
    fn what_is_neither_passed_nor_refused_is_a_disagreement() {
        let odd = |tries: Tries| Tries {
            odd: Some("an answer of 3 bytes".to_owned()),
            ..tries
        };
        let agree = |outcome, plain, mtls| {
            let decision = Decision {
                outcome,
                encryption: Encryption::None,
                because: Vec::new(),
            };
            super::agree(&shop(PERMISSIVE), &decision, &met(plain, mtls))
        };
        for (outcome, one) in [
            (Outcome::Allow, PASS),
            (Outcome::Deny, REFUSED),
            (Outcome::Depends, SOME),
        ] {
            let fine = || tries(one);
            assert_eq!(agree(outcome, odd(fine()), Some(fine())), Some(false));
            assert_eq!(agree(outcome, fine(), Some(odd(fine()))), Some(false));
        }
    }

    /// Where the network lets nothing through, nothing is said, which is a disagreement unless it shall be so.
    #[test]
    fn nothing_said_is_nothing_passed() {
        for (outcome, expected) in [
            (Outcome::Deny, Some(true)),
            (Outcome::Allow, Some(false)),
            (Outcome::Depends, None),
        ] {
            let said = (outcome, Encryption::None);
            assert_eq!(judged(PERMISSIVE, said, (0, 0), None), expected);
        }
    }

    #[test]
    fn calls_are_counted_as_what_they_were() {
        let mut tries = Tries::default();
        assert!(!tries.all() && tries.none());
        tries.add(Ok(Answer::Passed("shop/db".to_owned())));
        assert!(tries.all() && !tries.none());
        assert_eq!(tries.to_string(), "passed");
        tries.add(Ok(Answer::Refused));
        tries.add(Ok(Answer::Refused));
        assert!(!tries.all() && !tries.none());
        assert_eq!((tries.passed, tries.refused), (1, 2));
        assert_eq!(tries.to_string(), "passed in 1 of 3 calls");
        tries.add(Err(LabError::because("calling", "no answer")));
        assert_eq!((tries.passed, tries.refused), (1, 2));
        assert!(tries.to_string().contains("no answer"), "{tries}");
    }

    #[test]
    fn encrypted_is_what_passed_and_not_in_plaintext() {
        let found = |plain, mtls: Option<_>| {
            let met = met(tries(plain), mtls.map(tries));
            (met.passed(), met.encrypted(), met.calls())
        };
        assert_eq!(found(REFUSED, Some(PASS)), (true, true, 6));
        assert_eq!(found(SOME, Some(PASS)), (true, false, 6));
        assert_eq!(found(PASS, None), (true, false, 3));
        assert_eq!(found(REFUSED, Some(REFUSED)), (false, false, 6));
    }

    #[test]
    fn who_is_asked_about() {
        let world = shop("");
        let db = pod(&world, "db");
        let is = |flow: &Flow| behind(&world, &|pod| pod == db, flow);
        let web = to(&world, "web", 5432);
        assert!(is(&web) && is(&to(&world, "client", 5432)));
        let outside = Endpoint::Address([203, 0, 113, 7].into());
        assert!(is(&Flow {
            source: outside,
            ..web
        }));
        // ztunnel tunnels, and nobody here speaks for it.
        assert!(!is(&to(&world, "captured", 5432)));
        assert!(!is(&Flow {
            protocol: Protocol::Udp,
            ..web
        }));
        let other = Endpoint::Pod(pod(&world, "client"));
        for destination in [other, outside] {
            assert!(!is(&Flow { destination, ..web }));
        }
        // Envoy's own ports are no port of the application; those past the sidecar are asked about.
        for own in OWN {
            assert!(!is(&to(&world, "web", own)), "{own}");
        }
        for (port, expected) in [(15020, true), (9999, true), (5432, false), (15006, false)] {
            assert_eq!(past(&world, &to(&world, "web", port)), expected, "{port}");
        }
    }

    #[test]
    fn bytes_are_said_where_no_request_is_promised() {
        let world = shop(GET_ALONE);
        let receiver = world.pod(pod(&world, "db")).unwrap();
        let bytes = |port| wires(&world, receiver, port).contains(&Wire::Bytes);
        assert!(bytes(5432) && bytes(7777) && !bytes(8080));
        let requests = |port| wires(&world, receiver, port).len() - usize::from(bytes(port));
        // GET and one more method.
        assert_eq!([requests(5432), requests(8080)], [2, 2]);
    }
}
