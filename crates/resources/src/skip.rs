//! What the readers of kinds never look at, told to the YAML reader beforehand: in a cluster that is
//! nine tenths of the text. The lists are those by which the readers know such fields.

use crate::kinds::pod::IGNORED as STATUS_FIELDS;
use crate::load::Role;
use crate::read::kind_of;
use crate::{head, pods};
use palisade_yaml::{Plan, Shape, Skip};

/// The plan for an input.
pub(crate) fn plan(role: Role) -> Plan {
    let choose = match role {
        Role::Both => |api: &str, kind: &str| choose(api, kind, Role::Both),
        Role::Workloads => |api: &str, kind: &str| choose(api, kind, Role::Workloads),
        Role::Policies => |api: &str, kind: &str| choose(api, kind, Role::Policies),
    };
    Plan {
        root: Some(&UNTYPED),
        choose: Some(choose),
    }
}

fn choose(api_version: &str, kind: &str, role: Role) -> Option<&'static Shape> {
    if kind.ends_with("List") {
        return None;
    }
    let Some(known) = kind_of(api_version, kind).filter(|kind| role.takes(kind.part)) else {
        return Some(&UNREAD);
    };
    Some(match known.name {
        "Pod" => &POD,
        "DaemonSet" | "Deployment" | "Job" | "ReplicaSet" | "StatefulSet" => &WORKLOAD,
        "CronJob" => &CRON_JOB,
        "ConfigMap" => &CONFIG_MAP,
        _ => &OBJECT,
    })
}

const NONE: Skip = Skip::These(&[]);

const fn shape(inside: &'static [(&'static str, &'static Shape)], skip: Skip) -> Shape {
    Shape {
        inside,
        skip,
        typed: false,
    }
}

/// An object or list before its type is known. `kubectl` sorts keys, so that `data` and `items` come
/// before `kind`; of all kinds only ConfigMap has `data` that is read.
static UNTYPED: Shape = Shape {
    inside: &[("metadata", &META), ("items", &UNTYPED), ("data", &DATA)],
    skip: NONE,
    typed: true,
};

/// A kind that is not read: only what a warning names.
static UNREAD: Shape = shape(
    &[("metadata", &META)],
    Skip::AllBut(&["apiVersion", "kind", "metadata"]),
);

static OBJECT: Shape = shape(&[("metadata", &META)], NONE);
static META: Shape = shape(&[], Skip::These(&[&head::IGNORED]));

static CONFIG_MAP: Shape = shape(
    &[("metadata", &META), ("data", &DATA)],
    Skip::These(&[&["binaryData"]]),
);
static DATA: Shape = shape(&[], Skip::AllBut(&["mesh"]));

static POD: Shape = shape(
    &[
        ("metadata", &META),
        ("spec", &POD_SPEC),
        ("status", &POD_STATUS),
    ],
    NONE,
);
static POD_STATUS: Shape = shape(&[], Skip::These(&[STATUS_FIELDS]));
static POD_SPEC: Shape = shape(
    &[("containers", &CONTAINER), ("initContainers", &CONTAINER)],
    Skip::These(&[&pods::POD_FIELDS]),
);
static CONTAINER: Shape = shape(&[], Skip::These(&[&pods::CONTAINER_FIELDS]));

static WORKLOAD: Shape = shape(&[("metadata", &META), ("spec", &TEMPLATED)], STATUS);
static TEMPLATED: Shape = shape(&[("template", &TEMPLATE)], NONE);
static TEMPLATE: Shape = shape(&[("spec", &POD_SPEC)], NONE);

static CRON_JOB: Shape = shape(&[("metadata", &META), ("spec", &SCHEDULED)], STATUS);
static SCHEDULED: Shape = shape(&[("jobTemplate", &JOB)], NONE);
static JOB: Shape = shape(&[("spec", &TEMPLATED)], NONE);

const STATUS: Skip = Skip::These(&[&["status"]]);

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::KINDS;
    use crate::load::Role;
    use crate::objects::Objects;
    use crate::pods::{CONTAINER_FIELDS, POD_FIELDS};
    use crate::read::{self, Finds, Found};
    use palisade_diagnostics::FileId;
    use palisade_yaml::{Limits, Plan, parse_planned};
    use proptest::prelude::*;
    use proptest::sample::select;
    use std::fmt::Write as _;

    /// Everything that a text gives, places too.
    fn given(text: &str, plan: Plan) -> String {
        let parsed = parse_planned(FileId(0), text, &Limits::default(), plan);
        let mut finds = Finds::new(1000);
        for document in &parsed.documents {
            read::objects(document.root(), None, Role::Both, &mut finds);
        }
        let mut out = format!("{:#?}\n", parsed.diagnostics);
        let mut objects = Objects::default();
        for found in finds.found {
            let _ = match found {
                Found::Object(object) => {
                    let problems = (object.name, object.problems, object.of_head);
                    object.add.into_iter().for_each(|add| add(&mut objects));
                    writeln!(out, "{problems:#?}")
                }
                Found::Problem(diagnostic) => writeln!(out, "{diagnostic:#?}"),
            };
        }
        out + &format!("{:?} {objects:#?}", finds.unknown)
    }

    fn keys() -> Vec<&'static str> {
        let read = "spec template metadata labels annotations status containers initContainers name \
            namespace ports containerPort hostNetwork serviceAccountName podIP podIPs hostIP phase jobTemplate data \
            mesh binaryData managedFields uid kind apiVersion items ownerReferences image restartPolicy selector";
        let mut keys: Vec<&str> = read.split_whitespace().collect();
        keys.extend(POD_FIELDS);
        keys.extend(CONTAINER_FIELDS);
        keys.extend(super::STATUS_FIELDS);
        keys
    }

    fn tree() -> impl Strategy<Value = String> {
        let scalars = vec![
            "null", "true", "80", "1.5", "''", "web", "Pod", "v1", "10.0.0.1",
        ];
        let leaf = select(scalars).prop_map(str::to_owned);
        leaf.prop_recursive(6, 60, 6, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..3);
            let map = prop::collection::vec((select(keys()), inner), 0..6);
            prop_oneof![
                list.prop_map(|items| format!("[{}]", items.join(", "))),
                map.prop_map(|entries| {
                    let entries = entries.iter().map(|(k, v)| format!("{k}: {v}"));
                    format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_skipped_field_changes_nothing(
            kind in select(KINDS.to_vec()), container in tree(), pod in tree(), spec in tree(),
            status in tree(), metadata in tree(), data in tree(), listed in any::<bool>(),
        ) {
            let pod = format!("{{containers: [{{name: a, image: b}}, {container}], x: {pod}}}");
            let inner = format!("{{template: {{spec: {pod}}}, containers: [{container}], more: {spec}}}");
            let outer = format!("{{jobTemplate: {{spec: {inner}}}, template: {{spec: {pod}}}}}");
            for spec in [&inner, &outer, &spec] {
                let head = format!("apiVersion: {}, kind: {}", kind.api_version(), kind.name);
                let rest = format!("metadata: {{name: x, managedFields: {metadata}}}, spec: {spec}, status: {status}, data: {data}");
                let objects = [format!("{{{head}, {rest}}}"), format!("{{{rest}, {head}}}"), format!("{{{head}, metadata: {metadata}}}")];
                let text = match listed {
                    true => format!("items: [{}]\nkind: List\napiVersion: v1\n", objects.join(", ")),
                    false => objects.join("\n---\n"),
                };
                prop_assert_eq!(given(&text, plan(Role::Both)), given(&text, Plan::default()), "{}", text);
            }
        }
    }
}
