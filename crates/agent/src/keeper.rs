//! From what the texts say to what is in force, again and again, and what is told of it.

use crate::drops::InForce;
use crate::enforce::Enforcer;
use crate::log::{Level, Log};
use crate::merged::{MOST_STEPS, Step};
use crate::place;
use crate::revoker::Revoker;
use crate::status::Shared;
use crate::texts::Texts;
use crate::wanted::Wanted;
use palisade_netmodel::World;
use palisade_nftables::{Refused, Ruleset};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

/// Keeps a node's table equal to what texts say.
#[derive(Debug)]
pub struct Keeper {
    /// What the policy set is made of.
    pub texts: Texts,
    enforcer: Enforcer,
    node: String,
    status: Shared,
    log: Arc<Log>,
    in_force: InForce,
    wanted: Wanted,
    /// What happened since the drop log was told; `None`: it is to be told everything.
    untold: Option<Vec<Step>>,
    /// What was told last time, so that a line is not told again while it holds.
    told: BTreeSet<String>,
}

impl Keeper {
    /// For the node of a name. Connections are ended by the revoker.
    #[must_use]
    pub fn new(
        enforcer: Enforcer,
        node: String,
        status: Shared,
        log: Arc<Log>,
        in_force: InForce,
        revoker: Revoker,
    ) -> Self {
        Self {
            texts: Texts::default(),
            wanted: Wanted::new(enforcer.settings().clone()),
            untold: None,
            enforcer: enforcer.revoked_by(revoker),
            node,
            status,
            log,
            in_force,
            told: BTreeSet::new(),
        }
    }

    /// Takes whether the source of policies is heard. If it is not, what was heard last stays in force.
    pub fn source(&mut self, heard: Result<(), String>) {
        let lost = heard.err();
        let before = self
            .status
            .with(|s| std::mem::replace(&mut s.source, lost.clone()));
        match (before, lost) {
            (None, Some(why)) => self.log.line(
                Level::Error,
                "the source of policies is lost, and what it said last stays in force",
                &[("why", json!(why))],
            ),
            (Some(_), None) => self
                .log
                .line(Level::Info, "the source of policies is heard", &[]),
            _ => {}
        }
    }

    /// Whether what is wanted is not in force, so that another try may be worth it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.status.with(|s| s.held.is_some())
    }

    /// Looks whether the kernel's table is still the one that was left, and has it filled anew if not.
    pub fn check(&mut self) {
        if self.enforcer.is_intact() {
            return;
        }
        self.log.line(
            Level::Error,
            "somebody changed the table, and it is filled anew",
            &[],
        );
        self.enforcer.distrust();
        self.turn();
    }

    /// Makes what the texts say the policy set in force, if they say something.
    pub fn turn(&mut self) {
        let begun = Instant::now();
        let reading = self.texts.read();
        let held = match reading.world {
            None => Some("what is declared cannot be read as a whole".to_owned()),
            Some(world) => self.enforce(&world, begun).err(),
        };
        self.status.with(|s| {
            s.unread = reading.told;
            s.held = held;
        });
        self.tell();
    }

    fn enforce(&mut self, world: &Arc<World>, begun: Instant) -> Result<(), String> {
        let node = place::own(world, &self.node)?;
        let steps = self.texts.steps();
        let live = self.wanted.steps(steps.as_deref(), world, &node);
        if self.enforcer.logs() {
            self.untold = self.untold.take().zip(steps).map(|(mut all, steps)| {
                all.extend(steps);
                all
            });
            self.untold.take_if(|all| all.len() > MOST_STEPS);
        }
        let report = self.enforcer.follow(world, live).map_err(|error| {
            self.status.with(|s| s.failures += 1);
            error.to_string()
        })?;
        let policies = world.network_policies.len() + world.admin_policies.len();
        if self.enforcer.logs() {
            self.tell_drops(world, report.elements_alone);
        }
        let applied = self.enforcer.applied();
        let size = applied.map_or((0, 0), Ruleset::size);
        let isolated = applied.filter(|_| !report.elements_alone).map(isolated);
        let took = begun.elapsed().as_secs_f64();
        self.status.with(|s| {
            s.refused = report.refused.iter().map(words).collect();
            s.enforced = Some(Instant::now());
            s.updates += 1;
            s.filled_anew += u64::from(report.filled_anew);
            s.took = took;
            s.size = size;
            s.policies = policies;
            s.isolated = isolated.unwrap_or(s.isolated);
        });
        self.log.line(
            Level::Info,
            "enforced",
            &[
                ("milliseconds", json!((took * 1000.0).round())),
                ("rules", json!(size.0)),
                ("elements", json!(size.1)),
                ("filled_anew", json!(report.filled_anew)),
            ],
        );
        Ok(())
    }

    /// What the drop log is to know now. It has a world of its own, so that the one of texts need not be copied for
    /// it at each change.
    fn tell_drops(&mut self, world: &Arc<World>, elements_alone: bool) {
        let denials = || self.enforcer.denials();
        match &self.untold {
            Some(steps) if elements_alone => self.in_force.follow(steps, None),
            Some(steps) => self.in_force.follow(steps, Some(denials())),
            None => {
                let replica = self.texts.replica(world);
                self.in_force.replace(replica, denials());
            }
        }
        self.untold = Some(Vec::new());
    }

    /// Tells what is new, and what is over.
    fn tell(&mut self) {
        let now: BTreeSet<String> = self.status.with(|s| {
            let all = s.held.iter().chain(&s.unread).chain(&s.refused);
            all.cloned().collect()
        });
        for line in now.difference(&self.told) {
            let why = [("why", json!(line))];
            self.log.line(Level::Warning, "not as declared", &why);
        }
        for line in self.told.difference(&now) {
            let why = [("was", json!(line))];
            self.log.line(Level::Info, "as declared again", &why);
        }
        self.told = now;
    }
}

/// The number of addresses that the policies of a ruleset are about.
fn isolated(ruleset: &Ruleset) -> usize {
    let addresses = ruleset.maps.values().flat_map(|map| map.elements.keys());
    addresses.collect::<BTreeSet<_>>().len()
}

/// `pod shop/web is closed: its address 10.0.0.1 is also that of pod shop/db`.
pub(crate) fn words(refused: &Refused) -> String {
    match refused {
        Refused::Pod(pod, why) => format!("pod {pod} is closed: {why}"),
        Refused::Rule(policy, why) => format!("a rule of {policy} has no effect: {why}"),
    }
}
