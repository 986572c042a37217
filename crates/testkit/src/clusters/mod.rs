//! Clusters of any size that look like real ones, as a [`World`] or as the text that `kubectl` would
//! print: for measuring, and for comparing what was read with what was meant.
//!
//! Everything follows from the [`Shape`]: the same shape gives the same bytes. A workload's replicas
//! are equal in all that a policy can see, unless [`Shape::unique_labels`] says otherwise.

mod intent;
mod text;
mod world;

pub use intent::intent;
pub use text::{Style, pieces, text};
pub use world::world;

/// How large a cluster is, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Pods, spread evenly over the workloads.
    pub pods: usize,
    /// Distinct workloads, spread evenly over the namespaces; at most as many as pods.
    pub workloads: usize,
    /// Namespaces with workloads. `kube-system`, without any, is added.
    pub namespaces: usize,
    /// NetworkPolicies: one default deny for each namespace, then rules for workloads in turn.
    pub policies: usize,
    /// CIDRs in each rule that names addresses.
    pub blocks: usize,
    /// Values of the requirement `NotIn` that one policy of six has; 0: none has one.
    pub not_in: usize,
    /// ClusterNetworkPolicies of both tiers.
    pub admin_policies: usize,
    /// Rules of each ClusterNetworkPolicy.
    pub admin_rules: usize,
    /// Whether each pod has a label of its own, so that no two are equal.
    pub unique_labels: bool,
    /// Whether pods and rules have IPv6 addresses too.
    pub dual_stack: bool,
    /// Whether all pods have sidecars, mTLS is STRICT, and each workload has an AuthorizationPolicy.
    pub mesh: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            pods: 1_000,
            workloads: 250,
            namespaces: 20,
            policies: 240,
            blocks: 2,
            not_in: 3,
            admin_policies: 0,
            admin_rules: 0,
            unique_labels: false,
            dual_stack: false,
            mesh: false,
        }
    }
}

impl Shape {
    /// The largest clusters there are: 150,000 pods of 15,000 workloads, 36,000 policies.
    #[must_use]
    pub fn largest() -> Self {
        Self {
            pods: 150_000,
            workloads: 15_000,
            namespaces: 300,
            policies: 36_000,
            ..Self::default()
        }
    }

    /// The largest, with everything divided by `by`, down to one of each.
    #[must_use]
    pub fn part(by: usize) -> Self {
        let all = Self::largest();
        let share = |n: usize| (n / by.max(1)).max(1);
        Self {
            pods: share(all.pods),
            workloads: share(all.workloads),
            namespaces: share(all.namespaces),
            policies: share(all.policies),
            ..all
        }
    }

    fn workloads(&self) -> usize {
        self.workloads.clamp(1, self.pods.max(1))
    }

    fn namespaces(&self) -> usize {
        self.namespaces.clamp(1, self.workloads())
    }

    /// The workload of a pod and its number among the replicas.
    fn replica(&self, pod: usize) -> (usize, usize) {
        (pod % self.workloads(), pod / self.workloads())
    }

    /// The name of a workload's namespace.
    fn namespace_of(&self, workload: usize) -> String {
        namespace(workload % self.namespaces())
    }

    /// Workloads of a namespace.
    fn inhabitants(&self, namespace: usize) -> usize {
        let (workloads, namespaces) = (self.workloads(), self.namespaces());
        workloads / namespaces + usize::from(namespace < workloads % namespaces)
    }

    /// The `nth` workload of a namespace, counted round and round.
    fn inhabitant(&self, namespace: usize, nth: usize) -> usize {
        namespace + self.namespaces() * (nth % self.inhabitants(namespace).max(1))
    }
}

/// Where the pods of a workload stand in a system; policies select by it.
const TIERS: [&str; 4] = ["web", "api", "worker", "db"];
/// Teams that own namespaces.
const TEAMS: usize = 20;

fn namespace(index: usize) -> String {
    format!("ns-{index}")
}

fn application(workload: usize) -> String {
    format!("app-{workload}")
}

/// Teams own namespaces in turn.
fn team(namespace: usize) -> String {
    format!("team-{}", namespace % TEAMS)
}

fn tier(workload: usize, namespaces: usize) -> &'static str {
    let turn = workload / namespaces.max(1);
    TIERS.get(turn % TIERS.len()).copied().unwrap_or_default()
}

/// The template hash of a workload's pods.
fn template_hash(workload: usize) -> String {
    format!("{:08x}", mixed(workload) & 0xFFFF_FFFF)
}

/// A number that looks random and is not.
fn mixed(number: usize) -> u64 {
    let mut z = (number as u64).wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The name of a pod, as a ReplicaSet makes it.
fn pod_name(pod: usize, workload: usize) -> String {
    let end = base36(mixed(pod) % 60_466_176);
    format!(
        "{}-{}-{end}{}",
        application(workload),
        template_hash(workload),
        base36(pod as u64)
    )
}

fn base36(mut number: u64) -> String {
    let mut out = Vec::new();
    loop {
        let digit = u8::try_from(number % 36).unwrap_or_default();
        out.push(if digit < 10 {
            b'0' + digit
        } else {
            b'a' + digit - 10
        });
        number /= 36;
        if number == 0 {
            break;
        }
    }
    out.reverse();
    String::from_utf8(out).unwrap_or_default()
}
