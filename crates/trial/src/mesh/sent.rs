//! The sending half, by packets: a process calls a Service by its pod's own sidecar, and what that sends is looked at
//! on the wire before the pods behind the Service.

use super::at_once::at_once;
use super::called::{door, is_bare};
use super::caller::{Answer, Call, Wire, call};
use super::sidecars::{OWN, Sidecars};
use super::tap::{OnWire, Tap};
use super::whole::{MOST_REQUESTS, past};
use super::{Tries, declares_http, one_way, requests};
use crate::{Called, Error, Published, Trial};
use palisade_netmodel::{
    ClientTls, Encryption, Endpoint, Flow, Outcome, Pod, PodId, Protocol, Proxy, Service,
    ServicePort, World, reference,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// A call is made once for each pod that may answer it, at most so often.
const MOST_ROUNDS: usize = 4;

/// A call to a Service as a process makes it, with the whole answer of both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Which of the Services that are published.
    pub published: usize,
    /// Who calls.
    pub source: PodId,
    /// Whether over IPv6.
    pub v6: bool,
    /// What the reference says of what is sent; `Depends` where it says different things of the pods behind it.
    pub expected: Outcome,
    /// Whether it says that mesh mTLS is sent to all of them.
    pub mtls: bool,
    /// What came of it.
    pub tries: Tries,
    /// What was on the wire.
    pub wire: BTreeSet<OnWire>,
    /// Whether both sides are the same; `None` where the reference leaves it open.
    pub agree: Option<bool>,
}

impl Sent {
    /// How many calls were made.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.tries.passed + self.tries.refused
    }

    /// Whether something passed, as mesh mTLS alone.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.tries.passed > 0 && self.wire == BTreeSet::from([OnWire::Mesh])
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |wire: &OnWire| match wire {
            OnWire::Clear => "plaintext",
            OnWire::Mesh => "mesh mTLS",
            OnWire::Tls => "other TLS",
        };
        let wire: Vec<&str> = self.wire.iter().map(word).collect();
        let wire = if wire.is_empty() {
            "nothing".to_owned()
        } else {
            wire.join(" and ")
        };
        let tries = &self.tries;
        write!(f, "a call to the Service {tries}, with {wire} on the wire")
    }
}

/// What is expected of one pod behind a Service.
#[derive(Debug, Clone)]
struct Behind {
    id: PodId,
    name: String,
    port: u16,
    /// Whether the caller's sidecar sends mesh mTLS to it.
    mtls: bool,
    /// What becomes of that.
    outcome: Outcome,
    /// Whether nothing passes in another way.
    alone: bool,
}

/// What was found of one pod.
#[derive(Debug, Default)]
struct Found {
    passed: usize,
    wire: BTreeSet<OnWire>,
}

/// A port that is called.
struct Door<'a> {
    number: usize,
    published: &'a Published,
    service: &'a Service,
    port: &'a ServicePort,
}

/// All that calls need.
struct Sending<'a> {
    trial: &'a Trial,
    worlds: [World; 2],
    taps: BTreeMap<PodId, Tap>,
}

impl Trial {
    /// Has processes call every Service of TCP that the network lets them call whole, each by its pod's sidecar if it
    /// has one; as long as everybody that may be met is here as the world has them.
    ///
    /// # Errors
    /// If a host of the lab is gone.
    pub fn send(
        &self,
        world: &World,
        sidecars: &Sidecars,
        published: &[Published],
        called: &[Called],
    ) -> Result<Vec<Sent>, Error> {
        let mut by_caller: BTreeMap<PodId, Vec<(Door<'_>, bool)>> = BTreeMap::new();
        let mut taps = BTreeMap::new();
        let open = called
            .iter()
            .filter(|called| called.expected == Outcome::Allow && called.agree == Some(true));
        for called in open {
            let Some(port) = published.get(called.published) else {
                continue;
            };
            if !is_shown(world, sidecars, called.source, port) {
                continue;
            }
            let Some((service, its)) = door(world, port) else {
                continue;
            };
            for (id, _) in &port.backends {
                if let Some(host) = self.host(Endpoint::Pod(*id))
                    && !taps.contains_key(id)
                {
                    taps.insert(*id, Tap::open(&self.lab, host)?);
                }
            }
            let door = Door {
                number: called.published,
                published: port,
                service,
                port: its,
            };
            let doors = by_caller.entry(called.source).or_default();
            doors.push((door, called.v6));
        }
        let sending = Sending {
            trial: self,
            worlds: [
                self.located(world, Some(false))?,
                self.located(world, Some(true))?,
            ],
            taps,
        };
        let mut sent = sending.all(by_caller)?;
        sent.sort_by_key(|sent| (sent.published, sent.source, sent.v6));
        Ok(sent)
    }
}

/// Whether everybody whom a call concerns is here as they are in the world, and one of them has a sidecar.
fn is_shown(world: &World, sidecars: &Sidecars, source: PodId, port: &Published) -> bool {
    let here = |id: PodId| {
        world.pod(id).is_some_and(|pod| match &pod.proxy {
            Proxy::None { .. } => true,
            Proxy::Sidecar { .. } => sidecars.has(id),
            _ => false,
        })
    };
    let known = |(id, number): &(PodId, u16)| {
        let flow = flow(source, *id, *number);
        // Past its sidecar a pod has mTLS of its callers' sidecars, and makes nothing of it.
        here(*id) && sidecars.speaks(*id) && !past(world, &flow) && !OWN.contains(number)
    };
    let any = sidecars.has(source) || port.backends.iter().any(|(id, _)| sidecars.has(*id));
    port.protocol == Protocol::Tcp && any && here(source) && port.backends.iter().all(known)
}

fn flow(source: PodId, destination: PodId, port: u16) -> Flow {
    Flow {
        source: Endpoint::Pod(source),
        destination: Endpoint::Pod(destination),
        protocol: Protocol::Tcp,
        port,
    }
}

impl Sending<'_> {
    fn all(&self, by_caller: BTreeMap<PodId, Vec<(Door<'_>, bool)>>) -> Result<Vec<Sent>, Error> {
        at_once(by_caller, |(caller, doors)| self.by_caller(caller, &doors))
    }

    fn by_caller(&self, caller: PodId, doors: &[(Door<'_>, bool)]) -> Result<Vec<Sent>, Error> {
        let Some(host) = self.trial.host(Endpoint::Pod(caller)) else {
            return Ok(Vec::new());
        };
        let own = self.trial.lab.host(host)?;
        let own = [own.v4, own.v6];
        let all = || {
            let sent = doors.iter().map(|(door, v6)| {
                let [v4, six] = own;
                self.by_door((caller, if *v6 { six } else { v4 }), door, *v6)
            });
            sent.collect()
        };
        Ok(self.trial.lab.inside(host, all)?)
    }

    /// One Service over one version of IP, called from the namespace of its caller.
    fn by_door(&self, (caller, from): (PodId, IpAddr), door: &Door<'_>, v6: bool) -> Sent {
        let [v4, six] = &self.worlds;
        let world = if v6 { six } else { v4 };
        let backends = door.published.backends.iter();
        let behind: Vec<Behind> = backends
            .filter_map(|(id, port)| expected(world, flow(caller, *id, *port), *id, door))
            .collect();
        let [v4, six] = door.published.addresses;
        let to = SocketAddr::new(if v6 { six } else { v4 }, door.port.port);
        let first = behind.first().and_then(|first| world.pod(first.id));
        let mut found: BTreeMap<PodId, Found> = BTreeMap::new();
        let mut tries = Tries::default();
        for wire in first.map_or_else(Vec::new, |pod| wires(world, pod, door)) {
            for _ in 0..behind.len().min(MOST_ROUNDS) {
                let answer = call(&Call {
                    to,
                    mtls: None,
                    wire: wire.clone(),
                    through: true,
                });
                if let Ok(Answer::Passed(name)) = &answer {
                    match behind.iter().find(|behind| behind.name == *name) {
                        Some(behind) => found.entry(behind.id).or_default().passed += 1,
                        None => tries.odd = Some(format!("{name} answered")),
                    }
                }
                tries.add(answer);
            }
            for behind in &behind {
                let seen = self.taps.get(&behind.id);
                let seen = seen.map(|tap| tap.look(from, behind.port));
                let wire = &mut found.entry(behind.id).or_default().wire;
                wire.extend(seen.into_iter().flatten());
            }
        }
        Sent {
            published: door.number,
            source: caller,
            v6,
            expected: together(&behind),
            mtls: behind.iter().all(|behind| behind.mtls),
            agree: agree(&behind, &found, &tries, other_tls(world)),
            tries,
            wire: found.into_values().flat_map(|found| found.wire).collect(),
        }
    }
}

/// What the reference says of what arrives at one pod behind a Service.
fn expected(world: &World, flow: Flow, id: PodId, door: &Door<'_>) -> Option<Behind> {
    let pod = world.pod(id)?;
    let mtls = reference::sends_mtls(world, &flow, door.service, door.port);
    let outcome = match (mtls, is_bare(pod)) {
        // Nobody is there who could end it.
        (true, true) => Outcome::Deny,
        (true, false) => one_way::mtls(world, &flow),
        (false, _) => one_way::plaintext(world, &flow),
    };
    Some(Behind {
        id,
        name: pod.object().to_string(),
        port: flow.port,
        mtls,
        outcome,
        alone: reference::decide(world, &flow).encryption == Encryption::MeshMtls,
    })
}

/// What is said of all of them.
fn together(behind: &[Behind]) -> Outcome {
    match behind.first() {
        Some(first) if behind.iter().all(|it| it.outcome == first.outcome) => first.outcome,
        _ => Outcome::Depends,
    }
}

/// What is said by a Service: requests, and what is none unless it is declared to be HTTP.
fn wires(world: &World, receiver: &Pod, door: &Door<'_>) -> Vec<Wire> {
    let (mut wires, _) = requests(world, receiver, MOST_REQUESTS);
    let alone = World {
        services: vec![Service {
            ports: vec![door.port.clone()],
            ..door.service.clone()
        }],
        ..World::default()
    };
    let target = palisade_sidecar::target(receiver, &door.port.target);
    if !target.is_some_and(|port| declares_http(&alone, receiver, port)) {
        wires.push(Wire::Bytes);
    }
    wires
}

/// Whether a rule asks for TLS that is not the mesh's. The applications of the lab do not speak it.
fn other_tls(world: &World) -> bool {
    let other = |tls: &ClientTls| matches!(tls, ClientTls::Simple | ClientTls::Mutual);
    let mut rules = world.destination_rules.iter();
    rules.any(|r| r.tls.iter().chain(r.ports.values().flatten()).any(other))
}

/// Whether what came of calls is what was said: on the wire what the caller's sidecar sends, and an answer of those
/// alone that take it.
fn agree(
    behind: &[Behind],
    found: &BTreeMap<PodId, Found>,
    tries: &Tries,
    other_tls: bool,
) -> Option<bool> {
    if tries.odd.is_some() {
        return Some(false);
    }
    let mut others = false;
    for it in behind {
        let none = Found::default();
        let found = found.get(&it.id).unwrap_or(&none);
        let wanted = if it.mtls { OnWire::Mesh } else { OnWire::Clear };
        let other = other_tls && !it.mtls && found.wire == BTreeSet::from([OnWire::Tls]);
        others |= other;
        let strange = !other && found.wire.iter().any(|wire| *wire != wanted);
        let unseen = found.passed > 0 && found.wire.is_empty();
        let open = found.passed > 0 && it.alone && found.wire != BTreeSet::from([OnWire::Mesh]);
        if strange || unseen || open || (found.passed > 0 && it.outcome == Outcome::Deny) {
            return Some(false);
        }
    }
    let (passed, refused) = (tries.passed > 0, tries.refused > 0);
    match together(behind) {
        Outcome::Deny => Some(!passed),
        // What is sent is not the mesh's, as was said, and nobody here can read it.
        _ if others => None,
        Outcome::Allow => Some(passed && !refused),
        Outcome::Depends => (passed && refused).then_some(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OnWire::{Clear, Mesh, Tls};

    fn behind(number: u32, mtls: bool, outcome: Outcome, alone: bool) -> Behind {
        Behind {
            id: PodId(number),
            name: format!("shop/{number}"),
            port: 80,
            mtls,
            outcome,
            alone,
        }
    }

    /// What is made of calls to pods: of each how many passed and what was on the wire, and how many were refused.
    fn judged(
        behind: &[Behind],
        found: &[(usize, &[OnWire])],
        refused: usize,
        other_tls: bool,
    ) -> Option<bool> {
        let tries = Tries {
            passed: found.iter().map(|(passed, _)| passed).sum(),
            refused,
            odd: None,
        };
        let found = behind.iter().zip(found).map(|(behind, (passed, wire))| {
            let found = Found {
                passed: *passed,
                wire: wire.iter().copied().collect(),
            };
            (behind.id, found)
        });
        agree(behind, &found.collect(), &tries, other_tls)
    }

    #[test]
    fn on_the_wire_is_what_the_sidecar_sends() {
        use Outcome::{Allow, Deny};
        let one = |mtls, outcome, alone| [behind(0, mtls, outcome, alone)];
        for (mtls, wire, expected) in [
            (true, &[Mesh][..], Some(true)),
            (true, &[Clear], Some(false)),
            (true, &[Mesh, Clear], Some(false)),
            (true, &[Tls], Some(false)),
            // An answer to nothing.
            (true, &[], Some(false)),
            (false, &[Clear], Some(true)),
            (false, &[Mesh], Some(false)),
            (false, &[Tls], Some(false)),
        ] {
            let found = judged(&one(mtls, Allow, false), &[(2, wire)], 0, false);
            assert_eq!(found, expected, "{mtls} {wire:?}");
        }
        // What is refused has a way as well, if anything of it arrives.
        assert_eq!(
            judged(&one(true, Deny, false), &[(0, &[Mesh])], 2, false),
            Some(true)
        );
        assert_eq!(
            judged(&one(true, Deny, false), &[(0, &[Clear])], 2, false),
            Some(false)
        );
        assert_eq!(
            judged(&one(true, Deny, false), &[(0, &[])], 2, false),
            Some(true)
        );
        // A promise of mTLS holds for whoever sends plaintext, too.
        assert_eq!(
            judged(&one(false, Allow, true), &[(2, &[Clear])], 0, false),
            Some(false)
        );
        assert_eq!(
            judged(&one(true, Allow, true), &[(2, &[Mesh])], 0, false),
            Some(true)
        );
    }

    #[test]
    fn those_answer_that_take_it() {
        use Outcome::{Allow, Deny, Depends};
        for (outcome, passed, refused, expected) in [
            (Allow, 2, 0, Some(true)),
            (Allow, 1, 1, Some(false)),
            (Allow, 0, 2, Some(false)),
            (Deny, 0, 2, Some(true)),
            (Deny, 1, 1, Some(false)),
            (Depends, 1, 1, Some(true)),
            (Depends, 2, 0, None),
            (Depends, 0, 2, None),
        ] {
            let found = judged(
                &[behind(0, true, outcome, false)],
                &[(passed, &[Mesh])],
                refused,
                false,
            );
            assert_eq!(found, expected, "{outcome:?} {passed} {refused}");
        }
        // Of two that differ each is judged by itself.
        let two = [behind(0, true, Allow, false), behind(1, false, Deny, false)];
        assert_eq!(together(&two), Depends);
        assert_eq!(
            judged(&two, &[(2, &[Mesh]), (0, &[Clear])], 2, false),
            Some(true)
        );
        assert_eq!(
            judged(&two, &[(2, &[Mesh]), (1, &[Clear])], 1, false),
            Some(false)
        );
        assert_eq!(
            judged(&two, &[(2, &[Mesh]), (0, &[Mesh])], 2, false),
            Some(false)
        );
        let strange = Tries {
            odd: Some("shop/9 answered".to_owned()),
            ..Tries::default()
        };
        let one = [behind(0, true, Deny, false)];
        assert_eq!(agree(&one, &BTreeMap::new(), &strange, false), Some(false));
    }

    /// TLS that a rule asks for stands for what is not the mesh's; nobody in the lab can read it.
    #[test]
    fn other_tls_is_no_mtls() {
        use Outcome::{Allow, Deny};
        let one = |outcome| [behind(0, false, outcome, false)];
        assert_eq!(judged(&one(Allow), &[(0, &[Tls])], 2, true), None);
        assert_eq!(judged(&one(Deny), &[(0, &[Tls])], 2, true), Some(true));
        assert_eq!(judged(&one(Deny), &[(1, &[Tls])], 2, true), Some(false));
        let mesh = [behind(0, true, Allow, false)];
        assert_eq!(judged(&mesh, &[(0, &[Tls])], 2, true), Some(false));
    }

    #[test]
    fn what_was_met_is_told() {
        let mut sent = Sent {
            published: 0,
            source: PodId(0),
            v6: false,
            expected: Outcome::Allow,
            mtls: true,
            tries: Tries {
                passed: 2,
                ..Tries::default()
            },
            wire: BTreeSet::from([Mesh]),
            agree: Some(true),
        };
        assert!(sent.encrypted());
        let told = "a call to the Service passed, with mesh mTLS on the wire";
        assert_eq!((sent.to_string().as_str(), sent.calls()), (told, 2));
        sent.wire.insert(Clear);
        assert!(!sent.encrypted());
        sent.wire.clear();
        sent.tries = Tries {
            refused: 3,
            ..Tries::default()
        };
        let told = "a call to the Service was refused, with nothing on the wire";
        assert_eq!((sent.to_string().as_str(), sent.calls()), (told, 3));
    }
}
