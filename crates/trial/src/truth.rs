//! What the kernel does, beside what the reference says.

use crate::{Error, Trial};
use palisade_netlab::{Answer, Outcome as Seen, Patience, Probe};
use palisade_netmodel::{Endpoint, Flow, Outcome, Protocol, World, reference};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Where silence is expected, and a packet would be noticed: two tries. What passes is answered in a millisecond.
pub(crate) const SHORT: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(200)];

/// One question: a flow, over one version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The flow.
    pub flow: Flow,
    /// Whether over IPv6.
    pub v6: bool,
}

/// A question with both answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The question.
    pub asked: Asked,
    /// What the reference says.
    pub expected: Outcome,
    /// What the packet met.
    pub seen: Answer,
    /// Whether both are the same; `None` where the reference leaves it open.
    pub agree: Option<bool>,
}

/// Questions with their answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Table(pub Vec<Answered>);

impl Table {
    /// How many agree, disagree, and are left open.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |agree| self.0.iter().filter(|a| a.agree == agree).count();
        (count(Some(true)), count(Some(false)), count(None))
    }

    /// Where they disagree.
    pub fn disagreements(&self) -> impl Iterator<Item = &Answered> {
        self.0.iter().filter(|a| a.agree == Some(false))
    }
}

impl Trial {
    /// Every question between two different ends of this network, one of them a pod, on some ports, over both
    /// versions of IP.
    #[must_use]
    pub fn questions(&self, ports: &[(Protocol, u16)]) -> Vec<Asked> {
        let ends: Vec<Endpoint> = self.ends().collect();
        let mut all = Vec::new();
        for source in &ends {
            for destination in &ends {
                all.extend(self.pair(*source, *destination, ports));
            }
        }
        all
    }

    pub(crate) fn pair(
        &self,
        source: Endpoint,
        destination: Endpoint,
        ports: &[(Protocol, u16)],
    ) -> Vec<Asked> {
        let outside = |end| matches!(end, Endpoint::Address(_));
        let both_outside = outside(source) && outside(destination);
        if both_outside || self.host(source) == self.host(destination) {
            return Vec::new();
        }
        let fits = |v6: bool, end| match end {
            Endpoint::Pod(_) => true,
            Endpoint::Address(address) => IpAddr::is_ipv6(&address) == v6,
        };
        let families = [false, true].into_iter();
        let families = families.filter(|v6| fits(*v6, source) && fits(*v6, destination));
        let asked = families.flat_map(|v6| {
            ports.iter().map(move |(protocol, port)| Asked {
                flow: Flow {
                    source,
                    destination,
                    protocol: *protocol,
                    port: *port,
                },
                v6,
            })
        });
        asked.collect()
    }

    /// Opens the ports that questions are about.
    ///
    /// # Errors
    ///
    /// If a port cannot be opened.
    pub fn serve(&self, questions: &[Asked]) -> Result<(), Error> {
        let doors = questions.iter().filter_map(|asked| {
            let host = self.host(asked.flow.destination)?;
            Some((host, asked.flow.protocol, asked.flow.port))
        });
        Ok(self.lab.serve(doors)?)
    }

    /// Asks the kernel with packets and the reference from the specification. The ports must be
    /// [served](Trial::serve).
    ///
    /// # Errors
    ///
    /// If a probe cannot be sent.
    pub fn compare(&self, world: &World, questions: &[Asked]) -> Result<Table, Error> {
        let worlds = [
            self.located(world, Some(false))?,
            self.located(world, Some(true))?,
        ];
        let expected = |asked: &Asked| {
            let [v4, v6] = &worlds;
            let world = if asked.v6 { v6 } else { v4 };
            reference::decide(world, &asked.flow).outcome
        };
        let asked = questions.iter();
        let asked: Vec<(Asked, Outcome)> = asked.map(|asked| (*asked, expected(asked))).collect();
        let (closed, open): (Vec<_>, Vec<_>) = asked
            .into_iter()
            .partition(|(_, expected)| *expected == Outcome::Deny);
        let mut answered = self.ask(open, &Patience::default())?;
        answered.extend(self.ask(closed, &Patience(SHORT.to_vec()))?);
        // In the order of the questions.
        let place: BTreeMap<Asked, usize> = questions.iter().copied().zip(0..).collect();
        answered.sort_by_key(|answered| place.get(&answered.asked).copied());
        Ok(Table(answered))
    }

    /// Sends packets for questions whose answers are known.
    fn ask(
        &self,
        asked: Vec<(Asked, Outcome)>,
        patience: &Patience,
    ) -> Result<Vec<Answered>, Error> {
        let sent = asked.into_iter();
        let sent = sent.filter_map(|(asked, expected)| Some((asked, expected, self.probe(asked)?)));
        let sent: Vec<(Asked, Outcome, Probe)> = sent.collect();
        let probes: Vec<Probe> = sent.iter().map(|(_, _, probe)| *probe).collect();
        let answers = self.lab.probe_with(&probes, patience)?;
        let answered = sent.into_iter().zip(answers);
        let answered = answered.map(|((asked, expected, _), seen)| Answered {
            asked,
            expected,
            seen,
            agree: self.agree(asked, expected, &seen),
        });
        Ok(answered.collect())
    }

    fn probe(&self, asked: Asked) -> Option<Probe> {
        let from = self.host(asked.flow.source)?;
        let to = self.lab.host(self.host(asked.flow.destination)?).ok()?;
        let address = if asked.v6 { to.v6 } else { to.v4 };
        Some(Probe {
            from,
            to: SocketAddr::new(address, asked.flow.port),
            protocol: asked.flow.protocol,
        })
    }

    /// Passed means that the right host answered; refused that nothing came through. A lab that cannot send is
    /// a disagreement.
    fn agree(&self, asked: Asked, expected: Outcome, seen: &Answer) -> Option<bool> {
        let reached = self.host(asked.flow.destination);
        match (expected, seen.outcome) {
            (_, Seen::Error) => Some(false),
            (Outcome::Depends, _) => None,
            (Outcome::Allow, outcome) => {
                Some(outcome == Seen::Passed && (seen.by.is_none() || seen.by == reached))
            }
            (Outcome::Deny, outcome) => Some(outcome != Seen::Passed),
        }
    }
}
