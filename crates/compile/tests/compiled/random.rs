//! Random matrices compile to something that holds: overlapping components, zones by label, partial
//! claims, grants to zones, addresses and everybody, with and without a mesh.

use crate::support::{
    all_of, claim_component, claim_zone, component, grant, party, pods, port, tcp, zone,
};
use palisade_compile::{Deployed, compile, prove};
use palisade_diagnostics::{FileId, Verdict};
use palisade_netmodel::{
    Component, Direction, Fidelity, Intent, MeshMode, MtlsMode, Party, Peer, Peers, PolicyPort,
    Protocol, Requirement, Selector, Zone,
};
use palisade_resources::Options;

/// A fixed generator (Knuth's MMIX constants).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("small") % sides
    }

    pub(crate) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())].clone()
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.roll(one_in) == 0
    }
}

fn zones(dice: &mut Dice, meshed: bool) -> Vec<Zone> {
    let mut mesh = || {
        if meshed && dice.roll(3) > 0 {
            MeshMode::Sidecar
        } else {
            MeshMode::None
        }
    };
    vec![
        zone("system", &["sys-a", "sys-b"], mesh()),
        zone("apps", &["apps"], mesh()),
    ]
}

fn components(dice: &mut Dice, zones: &[Zone]) -> Vec<Component> {
    (0..2 + dice.roll(4))
        .map(|n| {
            let zone = dice.pick(zones);
            let namespace = match zone.name.as_str() {
                "apps" => "apps",
                _ => ["sys-a", "sys-b"][dice.roll(2)],
            };
            let mut out = component(&format!("c{n}"), &zone.name, namespace, zone.mesh);
            out.selector = match dice.roll(6) {
                0 => Selector::everything(),
                1 => Selector::of([("tier", "1")]),
                2 => Selector::of([("app", out.name.as_str()), ("tier", "1")]),
                _ => out.selector,
            };
            // Two components may share pods, and then their account is not theirs alone.
            out.service_account = None;
            out.ports = vec![port("web", 8080), port("sql", 5432)];
            out.managed = !dice.chance(8);
            out
        })
        .collect()
}

fn udp(port: u16) -> PolicyPort {
    PolicyPort::Range {
        protocol: Protocol::Udp,
        first: port,
        last: port,
    }
}

fn some_ports(dice: &mut Dice) -> Option<Vec<PolicyPort>> {
    let all = [
        tcp(8080),
        tcp(5432),
        PolicyPort::Range {
            protocol: Protocol::Tcp,
            first: 5000,
            last: 5010,
        },
        udp(53),
        PolicyPort::Named {
            protocol: Protocol::Tcp,
            name: "web".to_owned(),
        },
    ];
    match dice.roll(6) {
        0 => None,
        n => Some((0..=n / 2).map(|_| dice.pick(&all)).collect()),
    }
}

fn some_party(dice: &mut Dice, zones: &[Zone], components: &[Component]) -> Party {
    match dice.roll(8) {
        0 => all_of(&dice.pick(zones)),
        1 => party("anybody", Peers::Any, Fidelity::Exact),
        2 => {
            let block = Peer::Block {
                cidr: "192.0.2.0/24".parse().expect("a block"),
                except: vec!["192.0.2.128/25".parse().expect("a block")],
            };
            party("block", Peers::List(vec![block]), Fidelity::Exact)
        }
        _ => pods(&dice.pick(components)),
    }
}

pub(crate) fn matrix(dice: &mut Dice, meshed: bool) -> Intent {
    let mut zones = zones(dice, meshed);
    let mut components = components(dice, &zones);
    let strict = dice.chance(2);
    if !strict {
        zones.iter_mut().for_each(|z| z.mtls = MtlsMode::Permissive);
        components
            .iter_mut()
            .for_each(|c| c.mtls = MtlsMode::Permissive);
    }
    let plain = |party: &Party| {
        let zone = |name: &str| {
            zones
                .iter()
                .any(|z| z.name == name && z.mesh == MeshMode::Sidecar)
        };
        match &party.component {
            Some(name) => !components.iter().any(|c| c.name == *name && zone(&c.zone)),
            None => !zone(&party.name),
        }
    };
    let mut claims = Vec::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        for zone in &zones {
            if dice.chance(2) {
                claims.extend(claim_zone(zone, direction));
            }
        }
        for component in components.iter().filter(|c| c.managed) {
            if dice.chance(2) {
                claims.push(claim_component(component, direction));
            }
        }
    }
    let grants = (0..dice.roll(8))
        .map(|n| {
            let from = some_party(dice, &zones, &components);
            let to = some_party(dice, &zones, &components);
            let mut out = grant(&format!("g{n}"), &from, &to, &[]);
            out.ports = if plain(&from) && strict {
                // On every port, and at pods that no labels tell apart, this would contradict STRICT.
                let named = |c: &Component| to.component.as_ref() == Some(&c.name);
                let target = components.iter().find(|c| named(c));
                let apart = target.is_some_and(|c| !c.selector.is_everything());
                Some(vec![if apart { tcp(5432) } else { udp(53) }])
            } else {
                some_ports(dice)
            };
            out.ingress = !dice.chance(5);
            out.egress = !dice.chance(5);
            out.encryption = Requirement::None;
            out
        })
        .collect();
    Intent {
        name: "random".to_owned(),
        zones,
        components,
        claims,
        grants,
        trust_domain: "cluster.local".to_owned(),
        mesh_root: "istio-system".to_owned(),
        ..Intent::default()
    }
}

fn all_hold(meshed: bool, rounds: usize) {
    let mut dice = Dice(if meshed { 5 } else { 4 });
    let deployed = Deployed {
        inputs: &[],
        options: &Options::default(),
        adjust: &|_| (),
    };
    for round in 0..rounds {
        let intent = matrix(&mut dice, meshed);
        let artefacts = compile(&intent, &deployed.world(&intent));
        if let Err(refusal) = prove(artefacts, FileId(0), &intent, &deployed) {
            let open = refusal.verdict == Verdict::Unknown;
            panic!(
                "round {round}, open question: {open}\n{:#?}\n{:#?}\n{}",
                intent, refusal.findings, refusal.text
            );
        }
    }
}

#[test]
fn network_policies() {
    all_hold(false, 400);
}

#[test]
fn mesh() {
    all_hold(true, 400);
}
