//! What enforcement costs. Run with `cargo bench -p palisade-trial`, one table alone with ` -- programming` or
//! ` -- packets`; nothing outside of its own namespaces is touched.
//!
//! Cost model, *programming*: each chain, rule, set and element is a message to the kernel, microseconds each. Sets are
//! found by name in a list, and an element that leads to a chain makes the kernel look at all that can be reached
//! from it; so sets and chains are shared, and cost follows the distinct signatures, not the pods. A pod that comes or
//! goes is one element of each set that means it.
//!
//! Cost model, *packets*: one of a known connection meets two rules, whatever there is besides. A first one is
//! looked up twice, and meets the rules of at most two signatures, one for each distinct set of ports; neither
//! grows with pods or policies. A linear chain, for comparison, grows with both. Until it is answered a flow is none
//! that is known: each of its packets is judged as the first one.
//!
//! One thread, wall clock, medians. Machines differ: ratios within one run count.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use palisade_agent::Kernel;
use palisade_netlab::{HostId, Lab, Layout, Plan, become_root};
use palisade_netmodel::{
    AddressSet, Labels, NamespaceMatch, NetworkPolicy, ObjectRef, Origin, Peer, Phase, Pod,
    PolicyPort, PortSet, Protocol, Proxy, Rule, Selector, Template, Workload, World,
};
use palisade_nftables::{
    Command, Element, Family, Node, Operation, Present, Ruleset, Settings, build,
};
use std::error::Error;
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::time::{Duration, Instant};

type Done<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const PORT: u16 = 80;
/// For datagrams that pass at once.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));

fn main() -> ExitCode {
    let wanted = |table: &str| {
        let mut named = std::env::args()
            .skip(1)
            .filter(|a| !a.starts_with('-'))
            .peekable();
        named.peek().is_none() || named.any(|a| a == table)
    };
    let run = |table: &str, job: fn() -> Done| if wanted(table) { job() } else { Ok(()) };
    let done = become_root()
        .map_err(Into::into)
        .and_then(|()| run("programming", programming))
        .and_then(|()| run("packets", packets));
    if let Err(error) = done {
        println!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// So many pods, with so many to a signature: each has a policy of its own for both directions, with four rules.
fn world(pods: usize, each: usize) -> World {
    let mut world = World::default();
    world.ensure_namespace("app");
    let groups = pods.div_ceil(each);
    for group in 0..groups {
        let template = Arc::new(template(group));
        for number in (group * each..pods).take(each) {
            world.pods.push(Pod {
                origin: Origin::default(),
                name: format!("pod-{number}"),
                phase: Phase::Live,
                addresses: AddressSet::from([pod_address(number)]),
                node_addresses: AddressSet::from([NODE]),
                template: Arc::clone(&template),
            });
        }
        world.network_policies.push(policy(group, groups));
    }
    world
}

fn pod_address(number: usize) -> IpAddr {
    let [.., high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, 9, high, low).into()
}

fn template(group: usize) -> Template {
    Template {
        namespace: "app".to_owned(),
        workload: Workload {
            kind: "Deployment".to_owned(),
            name: format!("group-{group}"),
        },
        labels: Labels::from_iter([("group", group.to_string())]),
        service_account: "default".to_owned(),
        named_ports: Vec::new(),
        container_ports: PortSet::empty(),
        host_network: false,
        host_group: false,
        proxy: Proxy::None {
            reason: "no mesh".to_owned(),
        },
    }
}

/// Lets the next three groups in, and the pods out to the three before: on a port, another and a range.
fn policy(group: usize, groups: usize) -> NetworkPolicy {
    let peer = |other: usize| Peer::Pods {
        namespaces: NamespaceMatch::Named("app".to_owned()),
        pods: Selector::of([("group", (other % groups).to_string())]),
    };
    let rule = |other: usize, first: u16, last: u16| Rule {
        origin: Origin::default(),
        peers: Some(vec![peer(other)]),
        ports: Some(vec![PolicyPort::Range {
            protocol: Protocol::Tcp,
            first,
            last,
        }]),
    };
    let udp = |other: usize| Rule {
        origin: Origin::default(),
        peers: Some(vec![peer(other)]),
        ports: Some(vec![PolicyPort::Range {
            protocol: Protocol::Udp,
            first: 1,
            last: u16::MAX,
        }]),
    };
    let ingress = [(1, PORT, PORT), (2, 443, 443), (3, 9_000, 9_010)];
    let mut rules = [
        ingress,
        ingress.map(|(n, a, b)| (groups - n % groups, a, b)),
    ]
    .map(|all| {
        all.map(|(n, first, last)| rule(group + n, first, last))
            .to_vec()
    });
    let [ingress, egress] = &mut rules;
    ingress.push(udp(group + 1));
    egress.push(udp(group + groups - 1));
    let [ingress, egress] = rules;
    NetworkPolicy {
        origin: Origin::default(),
        object: ObjectRef::new("app", format!("group-{group}")),
        pod_selector: Selector::of([("group", group.to_string())]),
        ingress: Some(ingress),
        egress: Some(egress),
    }
}

fn ruleset(world: &World) -> Ruleset {
    let node = Node {
        addresses: vec![NODE],
        pod_networks: Vec::new(),
    };
    build(world, &node, &Settings::default()).ruleset
}

/// The time of a job, in milliseconds.
fn timed<T>(job: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let done = job();
    (begun.elapsed().as_secs_f64() * 1e3, done)
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}

fn programming() -> Done {
    println!(
        "{:>6} {:>10} {:>7} {:>9} {:>9} {:>11} {:>11} {:>13}",
        "pods",
        "signatures",
        "rules",
        "elements",
        "build ms",
        "program ms",
        "refill ms",
        "one peer us"
    );
    for (pods, each) in [(110, 1), (100, 50), (1_000, 50), (5_000, 50), (1_000, 1)] {
        let lab = Lab::build(&Plan::uniform(Layout::Routed, 1, 0))?;
        let node = first_node(&lab)?;
        let kernel = lab.inside(node, || Kernel::open("palisade"))??;
        let world = world(pods, each);
        let (building, ruleset) = timed(|| ruleset(&world));
        let nothing = Present::default();
        let (loading, done) = timed(|| kernel.update(&ruleset.update_from_names(&nothing)));
        done?;
        let present = kernel.present()?;
        let (refilling, done) = timed(|| kernel.update(&ruleset.update_from_names(&present)));
        done?;
        let (rules, elements) = ruleset.size();
        println!(
            "{pods:>6} {:>10} {rules:>7} {elements:>9} {building:>9.1} {loading:>11.1} {refilling:>11.1} {:>13.0}",
            pods.div_ceil(each),
            one_peer(&kernel, &ruleset)? * 1e3
        );
    }
    Ok(())
}

/// A pod that joins a set of peers and leaves it: the median of a transaction, in milliseconds.
fn one_peer(kernel: &Kernel, ruleset: &Ruleset) -> Done<f64> {
    let set = ruleset.sets.keys().find(|name| name.starts_with("pods4"));
    let set = set.ok_or("no set of pods")?;
    let element = || vec![Element::Address(Ipv4Addr::new(10, 200, 0, 1).into())];
    let mut times = Vec::new();
    for _ in 0..100 {
        for command in [
            Command::AddElements(set, element()),
            Command::DeleteElements(set, element()),
        ] {
            let (time, done) = timed(|| kernel.commit(&[Operation::new(Family::V4, command)]));
            done?;
            times.push(time);
        }
    }
    Ok(median(times))
}

fn first_node(lab: &Lab) -> Done<HostId> {
    let node = lab.nodes().map(|(id, _)| id).next();
    Ok(node.ok_or("no node")?)
}

/// What stands between client and server.
enum Between {
    Nothing,
    Tracking,
    Ours(usize),
    Linear(usize),
}

fn packets() -> Done {
    print!("\n{:<28}", "between");
    for what in COSTS {
        print!(" {what:>15} {:>8}", "of floor");
    }
    println!();
    let all = [
        Between::Nothing,
        Between::Tracking,
        Between::Ours(100),
        Between::Ours(1_000),
        Between::Ours(5_000),
        Between::Linear(100),
        Between::Linear(1_000),
        Between::Linear(5_000),
    ];
    let labs: Vec<Place> = all.iter().map(Place::build).collect::<Done<_>>()?;
    let mut costs = [[f64::INFINITY; COSTS.len()]; 8];
    // In turns, so that what else the machine does disturbs all of them alike.
    for _ in 0..ROUNDS {
        for (place, least) in labs.iter().zip(&mut costs) {
            let found = place.run()?;
            for (least, found) in least.iter_mut().zip(found) {
                *least = least.min(found);
            }
        }
    }
    let floor = all.iter().position(|b| matches!(b, Between::Tracking));
    let floor = floor.and_then(|place| costs.get(place)).ok_or("no floor")?;
    for (between, costs) in all.iter().zip(&costs) {
        let name = match between {
            Between::Nothing => "nothing".to_owned(),
            Between::Tracking => "connection tracking (floor)".to_owned(),
            Between::Ours(pods) => format!("this table, {pods} pods"),
            Between::Linear(pods) => format!("linear chain, {pods} pods"),
        };
        print!("{name:<28}");
        for (cost, floor) in costs.iter().zip(floor) {
            print!(" {cost:>15.0} {:>8.2}", cost / floor);
        }
        println!();
    }
    Ok(())
}

/// Nanoseconds, each the least of the medians of some rounds, since disturbance only adds: to connect; to send the first
/// packet of a flow, another one before the flow is answered, and one after it.
type Costs = [f64; COSTS.len()];

const COSTS: [&str; 4] = [
    "connect ns",
    "first packet ns",
    "unanswered ns",
    "known flow ns",
];
const ROUNDS: usize = 15;

/// Client and server, and what stands between them.
struct Place {
    lab: Lab,
    client: HostId,
    to: SocketAddr,
    server: UdpSocket,
}

impl Place {
    fn build(between: &Between) -> Done<Self> {
        let lab = Lab::build(&Plan::uniform(Layout::Routed, 1, 2))?;
        let [host, client] = [lab.find("pod-0-0")?, lab.find("pod-0-1")?];
        lab.serve([(host, Protocol::Tcp, PORT)])?;
        let server = lab.inside(host, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)))??;
        server.set_read_timeout(PATIENCE)?;
        install(&lab, between, host, client)?;
        let to = SocketAddr::new(lab.host(host)?.v4, PORT);
        Ok(Self {
            lab,
            client,
            to,
            server,
        })
    }

    fn run(&self) -> Done<Costs> {
        self.lab
            .inside(self.client, || one_run(self.to, &self.server))?
    }
}

fn install(lab: &Lab, between: &Between, server: HostId, client: HostId) -> Done {
    let node = first_node(lab)?;
    let [to, from] = [lab.host(server)?.v4, lab.host(client)?.v4];
    match between {
        Between::Nothing => Ok(()),
        Between::Tracking => load(lab, node, "ct state established,related accept\n"),
        Between::Ours(pods) => {
            let mut world = world(*pods, 50);
            // Server and client are pods of two neighbouring groups.
            for (pod, address) in [(0, to), (50, from)] {
                let pod = world.pods.get_mut(pod).ok_or("too few pods")?;
                pod.addresses = AddressSet::from([address]);
            }
            let ruleset = ruleset(&world);
            let kernel = lab.inside(node, || Kernel::open("palisade"))??;
            Ok(kernel.update(&ruleset.update_from_names(&Present::default()))?)
        }
        Between::Linear(pods) => {
            let mut rules = "ct state established,related accept\n".to_owned();
            for number in 0..*pods {
                let [a, b] = [pod_address(number), pod_address(number + 1)];
                writeln!(
                    rules,
                    "ip saddr {a} ip daddr {b} meta l4proto {{tcp, udp}} th dport {PORT} accept"
                )?;
            }
            writeln!(rules, "ip saddr {from} ip daddr {to} accept\ndrop")?;
            load(lab, node, &rules)
        }
    }
}

fn load(lab: &Lab, node: HostId, rules: &str) -> Done {
    let chain = "type filter hook forward priority -10";
    let table = format!("table inet linear {{\nchain forward {{ {chain};\n{rules}}}\n}}\n");
    let mut nft = process::Command::new("nft");
    let output = lab
        .host(node)?
        .namespace()
        .command(nft.args(["-f", "-"]), &table)?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
}

fn one_run(to: SocketAddr, server: &UdpSocket) -> Done<Costs> {
    let mut connects = Vec::new();
    for _ in 0..500 {
        let (time, stream) = timed(|| TcpStream::connect(to));
        stream?;
        connects.push(time * 1e6);
    }
    let sockets: Vec<UdpSocket> = (0..1_000)
        .map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect(to)?;
            socket.set_read_timeout(PATIENCE)?;
            Ok(socket)
        })
        .collect::<Result<_, std::io::Error>>()?;
    let send = |answer: bool| -> Done<f64> {
        let mut times = Vec::new();
        for socket in &sockets {
            // The whole way to the server's socket is walked before `send` returns. Nobody waits there, and nobody is woken.
            let (time, sent) = timed(|| socket.send(b"x"));
            sent?;
            times.push(time * 1e6);
            let (_, from) = server.recv_from(&mut [0])?;
            if answer {
                server.send_to(b"y", from)?;
                socket.recv(&mut [0])?;
            }
        }
        Ok(median(times))
    };
    let first = send(false)?;
    let unanswered = send(true)?;
    // A flow is known once an answer was on its way.
    let known = send(false)?;
    Ok([median(connects), first, unanswered, known])
}
