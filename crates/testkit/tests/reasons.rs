//! The engine's reasons are the reference's, word for word: looking only at what can matter to a flow
//! leaves nothing out.

use palisade_diagnostics::{FileId, Span};
use palisade_netmodel::{
    ClientTls, Decision, Flow, InboundCapture, Labels, ObjectRef, Origin, Outcome, Phase, PortSet,
    Profile, Protocol, Proxy, TargetPort, World, reference,
};
use palisade_testkit::ambient::{ambient_flows, ambient_world};
use palisade_testkit::print::scenario;
use palisade_testkit::worlds::{interesting_flows, world};
use palisade_verify::{Engine, explain};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

/// Worlds per run and kind.
const WORLDS: u32 = 1_500;

/// How often an object of a kind was a reason.
type Named = RefCell<BTreeMap<&'static str, usize>>;

#[test]
fn reasons_are_the_references() {
    let named = compare(&world(), interesting_flows).unwrap();
    let kinds = [
        "NetworkPolicy",
        "ClusterNetworkPolicy",
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "PeerAuthentication",
        "AuthorizationPolicy",
    ];
    let often = |kind: &&str| named.get(kind) >= Some(&200);
    assert!(kinds.iter().all(often), "{named:?}");
}

#[test]
fn reasons_are_the_references_in_ambient_mode() {
    let named = compare(&ambient_world(), ambient_flows).unwrap();
    let kinds = ["NetworkPolicy", "AuthorizationPolicy"];
    let often = |kind: &&str| named.get(kind) >= Some(&200);
    assert!(kinds.iter().all(often), "{named:?}");
}

/// DestinationRules are in no reason by name, and by chance few matter: flows at which they do.
#[test]
fn reasons_are_the_references_where_destination_rules_matter() {
    let mut runner = runner(300);
    let (named, matter) = (Named::default(), Cell::new(0_usize));
    let result = runner.run(&world(), |mut world| {
        if world.destination_rules.is_empty() {
            return Ok(());
        }
        make_rules_matter(&mut world);
        let without = World {
            destination_rules: Vec::new(),
            ..world.clone()
        };
        let differs =
            |flow: &Flow| reference::decide(&world, flow) != reference::decide(&without, flow);
        let flows = interesting_flows(&world).into_iter();
        let tcp = flows.filter(|flow| flow.protocol == Protocol::Tcp);
        let flows: Vec<Flow> = tcp.step_by(3).filter(differs).collect();
        matter.set(matter.get() + flows.len());
        agree(&world, &flows, &named)
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    assert!(matter.get() >= 50, "only {}", matter.get());
}

/// Every pod has a sidecar, every Service leads to one, every rule is about a Service and says something
/// else than auto mTLS, and no policy hides what it does.
fn make_rules_matter(world: &mut World) {
    world.mesh.auto_mtls = true;
    world.network_policies.clear();
    world.admin_policies.clear();
    world.peer_authentications.clear();
    for pod in &mut world.pods {
        pod.phase = Phase::Live;
        pod.host_group = false;
        let name = pod.name.clone();
        pod.labels.insert("pod", name);
        pod.proxy = Proxy::Sidecar {
            inbound: InboundCapture {
                bypass: PortSet::empty(),
            },
            outbound_excluded: PortSet::empty(),
            shown: true,
        };
    }
    for (service, pod) in world.services.iter_mut().zip(&world.pods) {
        service.object.namespace.clone_from(&pod.namespace);
        service.selector = Labels::from_iter([("pod", pod.name.as_str())]);
        for port in &mut service.ports {
            port.protocol = Protocol::Tcp;
            port.target = TargetPort::Number(8080);
        }
    }
    let services = world.services.iter().cycle();
    for (rule, service) in world.destination_rules.iter_mut().zip(services) {
        let ObjectRef { namespace, name } = &service.object;
        rule.host = format!("{name}.{namespace}.svc.cluster.local");
        rule.workload_selector = Labels::default();
        rule.tls = Some(ClientTls::Disable);
        rule.ports.clear();
    }
}

fn runner(worlds: u32) -> TestRunner {
    TestRunner::new(Config {
        cases: worlds,
        failure_persistence: None,
        ..Config::default()
    })
}

fn compare(
    worlds: &impl Strategy<Value = World>,
    flows_of: fn(&World) -> Vec<Flow>,
) -> Result<BTreeMap<&'static str, usize>, String> {
    let named = Named::default();
    let result = runner(WORLDS).run(worlds, |mut world| {
        write_down(&mut world);
        let flows: Vec<Flow> = flows_of(&world).into_iter().step_by(41).collect();
        agree(&world, &flows, &named)?;
        // The same objects as a plugin sees them that enforces all kinds.
        world.profile = Profile::default();
        agree(&world, &flows, &named)
    });
    result.map_err(|error| error.to_string())?;
    Ok(named.take())
}

fn agree(world: &World, flows: &[Flow], named: &Named) -> Result<(), TestCaseError> {
    let engine = Engine::new(world);
    for flow in flows {
        let expected = reference::decide(world, flow);
        let found = engine.reasons(flow);
        prop_assert_eq!(&found, &expected, "{}", scenario(world, flow));
        count(&expected, named);
        // What to change is looked up among the same objects.
        if expected.outcome != Outcome::Allow {
            let found = engine.explain(flow);
            prop_assert_eq!(found, explain(world, flow), "{}", scenario(world, flow));
        }
    }
    Ok(())
}

fn count(decision: &Decision, named: &Named) {
    for subject in decision.because.iter().filter_map(|c| c.subject.as_ref()) {
        *named.borrow_mut().entry(subject.kind).or_default() += 1;
    }
}

/// Gives each object and rule that a reason may point at a place of its own.
fn write_down(world: &mut World) {
    let mut next = 0;
    let mut place = |origin: &mut Origin| {
        next += 1;
        *origin = Origin(Some(Span::new(FileId(0), next, next + 1)));
    };
    for policy in &mut world.network_policies {
        place(&mut policy.origin);
        let rules = policy.ingress.iter_mut().chain(&mut policy.egress);
        rules.flatten().for_each(|rule| place(&mut rule.origin));
    }
    for policy in &mut world.admin_policies {
        place(&mut policy.origin);
        let rules = policy.ingress.iter_mut().chain(&mut policy.egress);
        rules.for_each(|rule| place(&mut rule.origin));
    }
    for pod in &mut world.pods {
        place(&mut pod.origin);
    }
    for policy in &mut world.peer_authentications {
        place(&mut policy.origin);
    }
    for policy in &mut world.authorization_policies {
        place(&mut policy.origin);
        policy.rules.iter_mut().for_each(|r| place(&mut r.origin));
    }
    for gateway in &mut world.gateways {
        place(&mut gateway.origin);
    }
}
