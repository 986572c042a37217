//! The generated cases of cyclonus: at every step, a verdict for each pair of pods on each port.

use palisade_diagnostics::{Diagnostic, FileId, Severity};
use palisade_netmodel::{Endpoint, Flow, Outcome, Profile, Protocol, World};
use palisade_resources::{Input, Options, Role, load};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How many cases there are, and verdicts of pods on others (their README says so).
pub const CASES: usize = 115;
/// Verdicts of all steps.
pub const VERDICTS: usize = 54_336;

/// A step of a case.
#[derive(Debug, Clone)]
pub struct Step {
    /// `case 7 step 2`.
    pub place: String,
    /// What is deployed.
    pub world: World,
    /// The expected verdicts, but for those of a pod on itself.
    pub rows: Vec<(Flow, Outcome)>,
}

/// The steps of each case.
///
/// # Errors
///
/// What cannot be read.
pub fn cases(text: &str) -> Result<Vec<Vec<Step>>, String> {
    text.lines().map(case).collect()
}

fn case(line: &str) -> Result<Vec<Step>, String> {
    let case: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let steps = (1..).zip(list(&case, "steps"));
    steps
        .map(|(number, step)| {
            let id = case.get("id").unwrap_or(&Value::Null);
            let place = format!("case {id} step {number}");
            let world = world(step, &place)?;
            let rows = rows(&world, step).ok_or_else(|| format!("{place}: no verdicts"))?;
            Ok(Step { place, world, rows })
        })
        .collect()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    let found = value.get(key).and_then(Value::as_array);
    found.map_or(&[], Vec::as_slice)
}

/// The objects of a step as manifests, read like a stranger's. cyclonus lets `ipBlock` match pods.
fn world(step: &Value, place: &str) -> Result<World, String> {
    let mut items = Vec::new();
    for (name, labels) in step
        .get("namespaces")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let meta = json!({"name": name, "labels": labels});
        items.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}));
    }
    for pod in list(step, "pods") {
        let ports = list(pod, "ports").iter().map(|port| {
            let field = |key| port.get(key);
            json!({"name": field("name"), "containerPort": field("port"), "protocol": field("protocol")})
        });
        // cyclonus runs a container for each port.
        let containers: Vec<Value> = ports
            .zip(0..)
            .map(|(port, n)| json!({"name": format!("c{n}"), "ports": [port]}))
            .collect();
        let field = |key| pod.get(key);
        let meta = json!({
            "name": field("name"), "namespace": field("namespace"), "labels": field("labels"),
        });
        items.push(json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": meta,
            "spec": {"containers": containers},
            "status": {"phase": "Running", "podIP": field("ip")},
        }));
    }
    // Some policies of cyclonus are written without their type.
    let policies = list(step, "policies").iter().map(|policy| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": policy.get("metadata"), "spec": policy.get("spec"),
        })
    });
    items.extend(policies);
    let text = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let input = Input {
        file: FileId(0),
        text: (&text).into(),
        role: Role::Both,
    };
    let loaded = load(&[input], &Options::default());
    let is_error = |d: &&Diagnostic| d.severity == Severity::Error;
    if let Some(error) = loaded.diagnostics.iter().find(is_error) {
        return Err(format!("{place}: {error:?}"));
    }
    if loaded.world.network_policies.len() != list(step, "policies").len() {
        return Err(format!("{place}: a policy is missing"));
    }
    let profile = Profile::named("calico").ok_or("no profile")?;
    Ok(World {
        profile,
        ..loaded.world
    })
}

fn rows(world: &World, step: &Value) -> Option<Vec<(Flow, Outcome)>> {
    let pods: BTreeMap<String, Endpoint> = world
        .pods()
        .map(|(id, pod)| (pod.object().to_string(), Endpoint::Pod(id)))
        .collect();
    let others = list(step, "expected")
        .iter()
        .filter(|r| r.get("from") != r.get("to"));
    others
        .map(|row| {
            let word = |key| row.get(key).and_then(Value::as_str);
            let flow = Flow {
                source: *pods.get(word("from")?)?,
                destination: *pods.get(word("to")?)?,
                protocol: Protocol::parse(word("protocol")?)?,
                port: word("port")?.parse().ok()?,
            };
            let outcome = match word("combined")? {
                "allowed" => Outcome::Allow,
                "blocked" => Outcome::Deny,
                _ => return None,
            };
            Some((flow, outcome))
        })
        .collect()
}
