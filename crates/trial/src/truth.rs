//! What the kernel does, beside what the reference says.

use crate::{Error, Trial};
use palisade_netlab::{Answer, Outcome as Seen, Probe};
use palisade_netmodel::{Endpoint, Flow, Outcome, Protocol, World, reference};
use std::net::{IpAddr, SocketAddr};

/// One question: a flow, over one version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    fn pair(
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
        let asked: Vec<(Asked, Probe)> = questions
            .iter()
            .filter_map(|asked| Some((*asked, self.probe(*asked)?)))
            .collect();
        let probes: Vec<Probe> = asked.iter().map(|(_, probe)| *probe).collect();
        let answers = self.lab.probe(&probes)?;
        let answered = asked.into_iter().zip(answers).map(|((asked, _), seen)| {
            let [v4, v6] = &worlds;
            let world = if asked.v6 { v6 } else { v4 };
            let expected = reference::decide(world, &asked.flow).outcome;
            Answered {
                asked,
                expected,
                seen,
                agree: self.agree(asked, expected, &seen),
            }
        });
        Ok(Table(answered.collect()))
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
