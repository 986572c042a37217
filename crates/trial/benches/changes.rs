//! What a change costs, from the text of an object to the kernel's answer. Run with
//! `cargo bench -p palisade-trial --bench changes`; nothing outside of its own namespaces is touched.
//!
//! Cost model: the text of the object that changed is read, and nothing else is. Its place in the world is looked up, and
//! so are the lists of peers of the node's policies that mean it: nothing grows with the cluster. Where a pod or a policy
//! of the node changes, the maps of its pods and the rules that depend on it are put together anew. What differs goes to
//! the kernel. *Anew* is what reading all texts costs, as at the start.
//!
//! One thread, wall clock. Machines differ: growth counts. On a busy one a change waits for a core sometimes: how many of them
//! did (*waited*), and the 99th percentile of the others (*else*), stand beside the percentile of all.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

use nix::sys::resource::{UsageWho, getrusage};
use palisade_agent::{Enforcer, Texts, Wanted, own};
use palisade_netlab::{Lab, Layout, Plan, become_root};
use palisade_nftables::Settings;
use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

type Done<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Pods of the node, of each namespace, and changes of a kind.
const OWN: usize = 110;
const EACH: usize = 50;
const CHANGES: usize = 200;

fn main() -> ExitCode {
    let done = become_root().map_err(Into::into).and_then(|()| table());
    if let Err(error) = done {
        println!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn table() -> Done {
    println!(
        "{:>7} {:>9} {:<34} {:>8} {:>8} {:>7} {:>8} {:>7}",
        "pods", "anew ms", "change", "p50 ms", "p99 ms", "waited", "else ms", "growth"
    );
    let mut first: Vec<f64> = Vec::new();
    for pods in [5_000, 50_000, 150_000] {
        let (anew, found) = size(pods)?;
        for (number, (change, times)) in found.into_iter().enumerate() {
            let Times {
                p50,
                p99,
                waited,
                others,
            } = times;
            if first.len() == number {
                first.push(p50);
            }
            let growth = first.get(number).map_or(1.0, |first| p50 / first);
            println!(
                "{pods:>7} {anew:>9.0} {change:<34} {p50:>8.3} {p99:>8.3} {waited:>7} {others:>8.3} {growth:>7.1}"
            );
        }
    }
    Ok(())
}

/// What changes of a kind took, in milliseconds.
struct Times {
    p50: f64,
    p99: f64,
    /// How many had to wait for a core.
    waited: usize,
    /// The 99th percentile of the others.
    others: f64,
}

impl Times {
    fn of(mut all: Vec<(f64, bool)>) -> Option<Self> {
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        let others: Vec<(f64, bool)> = all.iter().copied().filter(|one| !one.1).collect();
        let at = |times: &[(f64, bool)], share: usize| {
            let time = times.get(times.len() * share / 100);
            time.map(|(time, _)| *time)
        };
        Some(Self {
            p50: at(&all, 50)?,
            p99: at(&all, 99)?,
            waited: all.len() - others.len(),
            others: at(&others, 99)?,
        })
    }
}

/// How often the kernel took the core from this thread.
fn taken() -> Done<i64> {
    Ok(getrusage(UsageWho::RUSAGE_THREAD)?.involuntary_context_switches())
}

fn namespace(pod: usize) -> usize {
    pod / EACH
}

/// Ten applications in each namespace. The node's own pods come first.
fn pod(number: usize, address: bool) -> String {
    let [.., a, b, c] = number.to_be_bytes();
    let host = match number < OWN {
        true => "192.0.2.1",
        false => "192.0.2.2",
    };
    let address = match address {
        true => format!(r#""podIPs":[{{"ip":"10.{a}.{b}.{c}"}}],"#),
        false => String::new(),
    };
    format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p-{number}","namespace":"n-{}","labels":{{"app":"a-{}"}}}},"spec":{{"containers":[{{"name":"c"}}]}},"status":{{"phase":"Running",{address}"hostIPs":[{{"ip":"{host}"}}]}}}}"#,
        namespace(number),
        number % 10
    )
}

/// Pods of an application let in those of the next one, from their own namespace and from another one.
fn policy(namespace: usize, app: usize, port: usize) -> String {
    format!(
        r#"{{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{{"name":"a-{app}","namespace":"n-{namespace}"}},"spec":{{"podSelector":{{"matchLabels":{{"app":"a-{app}"}}}},"ingress":[{{"from":[{{"podSelector":{{"matchLabels":{{"app":"a-{}"}}}}}},{{"namespaceSelector":{{"matchLabels":{{"kubernetes.io/metadata.name":"n-{}"}}}},"podSelector":{{}}}}],"ports":[{{"port":{port}}}]}}]}}}}"#,
        (app + 1) % 10,
        namespace + 7
    )
}

/// A kind of change, where a policy of the node lets in every pod of the cluster.
const ONE_OF_ALL: &str = "a pod of a set of all pods";
const EVERYBODY: &str = r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"all","namespace":"n-0"},"spec":{"podSelector":{"matchLabels":{"app":"a-5"}},"ingress":[{"from":[{"namespaceSelector":{}}]}]}}"#;

const NODE: &str = r#"{"apiVersion":"v1","kind":"Node","metadata":{"name":"here"},"spec":{"podCIDRs":["10.0.0.0/24"]},"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}}"#;

struct Running {
    texts: Texts,
    wanted: Wanted,
    enforcer: Enforcer,
}

impl Running {
    /// The milliseconds from a text to the kernel's answer, and whether the thread waited for a core meanwhile.
    fn change(&mut self, name: &str, text: String) -> Done<(f64, bool)> {
        let before = taken()?;
        let begun = Instant::now();
        self.texts.put(name, Ok(text));
        self.enforce()?;
        let took = begun.elapsed().as_secs_f64() * 1e3;
        Ok((took, taken()? > before))
    }

    fn enforce(&mut self) -> Done {
        let reading = self.texts.read();
        let world = reading.world.ok_or_else(|| reading.told.join("\n"))?;
        let node = own(&world, "here")?;
        let live = self.wanted.follow(&mut self.texts, &world, &node);
        let report = self.enforcer.follow(&world, live)?;
        match report.refused.is_empty() {
            true => Ok(()),
            false => Err(format!("{:?}", report.refused).into()),
        }
    }
}

/// A kind of change, and name and text of one of them.
type Kind<'k> = (&'static str, &'k dyn Fn(usize) -> (String, String));

/// What reading everything takes, and what changes do, by their kinds.
fn size(pods: usize) -> Done<(f64, Vec<(&'static str, Times)>)> {
    let lab = Lab::build(&Plan::uniform(Layout::Routed, 1, 0))?;
    let host = lab.nodes().map(|(id, _)| id).next().ok_or("no node")?;
    let enforcer = lab.inside(host, || Enforcer::new(Settings::default()))??;
    let mut running = Running {
        texts: Texts::default(),
        wanted: Wanted::new(Settings::default()),
        enforcer,
    };
    let begun = Instant::now();
    running.texts.put("node", Ok(NODE.to_owned()));
    for number in 0..pods {
        let text = pod(number, true);
        running.texts.put(&format!("pod {number}"), Ok(text));
    }
    for namespace in 0..pods.div_ceil(EACH) {
        for app in 0..3 {
            let name = format!("policy {namespace} {app}");
            let text = policy(namespace, app, 80);
            running.texts.put(&name, Ok(text));
        }
    }
    running.enforce()?;
    let anew = begun.elapsed().as_secs_f64() * 1e3;
    // In namespace 7 are peers of the node's pods, in the last one is nobody who matters here.
    let (peer, other) = (7 * EACH + 1, pods - 1);
    let mut found = Vec::new();
    let pod_at =
        |number: usize, turn: usize| (format!("pod {number}"), pod(number, turn.is_multiple_of(2)));
    let kinds: [Kind<'_>; 5] = [
        ("a pod that does not matter here", &|n| pod_at(other, n)),
        ("a pod that is a peer", &|n| pod_at(peer, n)),
        ("a pod of the node", &|n| pod_at(5, n)),
        ("a policy of the node's pods", &|n| {
            ("policy 0 1".to_owned(), policy(0, 1, 90 + n % 2))
        }),
        (ONE_OF_ALL, &|n| pod_at(other, n)),
    ];
    for (kind, event) in kinds {
        if kind == ONE_OF_ALL {
            running.change("policy of all", EVERYBODY.to_owned())?;
        }
        let mut times = Vec::new();
        // The first one turns the object away from what it is.
        for turn in 1..=CHANGES {
            let (name, text) = event(turn);
            times.push(running.change(&name, text)?);
        }
        found.push((kind, Times::of(times).ok_or("no times")?));
    }
    Ok((anew, found))
}
