//! A Helm chart whose `values.yaml` carries the toggles, the platform and the single parameters of the
//! matrix, under the names that the matrix says they are set by.
//!
//! What a toggle changes is not declared anywhere, so the chart is learned: the matrix is compiled for
//! enough combinations, rule by rule, and each part gets the condition under which it is there. A part
//! that no bearable condition explains is an error, never a guess, and the whole chart is checked
//! against direct compilation for further combinations.

mod expr;
mod render;
mod space;
#[cfg(test)]
mod tests;
mod tree;
mod values;
mod write;

use crate::layouts::Files;
use crate::{Object, names};
use expr::Assignment;
use palisade_diagnostics::Diagnostic;
use palisade_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tree::{Conditional, fold};
use write::Spelling;

use crate::proven::{Deployed, compile_as};
use crate::rules::Style;
use palisade_diagnostics::Severity;
use palisade_matrix::{Choice, Matrix, resolve};
use palisade_netmodel::{Intent, World};
use std::cell::RefCell;
use values::{Input, InputKind, LABEL_NAMESPACES, Space};

/// Compiles one combination: the value of each switch, and the parameters by name.
pub(crate) type Compiler<'a> = dyn Fn(&[usize], &BTreeMap<String, String>) -> Vec<Object> + 'a;

/// A chart.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Its files, sorted by path.
    files: Files,
    templates: Vec<String>,
    space: Space,
}

impl Chart {
    /// Its files, sorted by path.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The parameters of a choice as this chart takes them, with examples where nothing else is known.
    pub(crate) fn parameters_of(&self, choice: &Choice) -> BTreeMap<String, String> {
        let inputs = self.space.inputs.iter();
        let value = |i: &Input| {
            choice
                .parameters
                .get(&i.name)
                .cloned()
                .or_else(|| i.usual())
        };
        inputs
            .filter_map(|i| Some((i.name.clone(), value(i)?)))
            .collect()
    }

    /// What Helm renders for a platform, toggles and parameters (by their names in the matrix; what is
    /// not given has its default), as one YAML stream.
    ///
    /// # Errors
    /// A required parameter without a value.
    pub fn render(
        &self,
        platform: Option<&str>,
        toggles: &BTreeMap<String, bool>,
        parameters: &BTreeMap<String, String>,
    ) -> Result<String, String> {
        let values = self.space.values(platform, toggles, parameters);
        let mut out = Vec::new();
        for template in &self.templates {
            let text = render::render(template, &values)?;
            let text = text.trim_start_matches('\n');
            if !text.is_empty() {
                out.push(text.to_owned());
            }
        }
        Ok(out.join("---\n"))
    }
}

/// Makes the chart of a matrix. `base` has the parameters, the network plugin and the defaults of
/// platform and toggles.
///
/// # Errors
/// The matrix does not resolve for some combination, or a part depends on too many toggles.
pub fn chart_of(
    matrix: &Matrix,
    base: &Choice,
    deployed: &Deployed<'_>,
) -> Result<Chart, Vec<Diagnostic>> {
    let space = Space::of(matrix, base);
    let errors: RefCell<Vec<Diagnostic>> = RefCell::default();
    let read = (!deployed.inputs.is_empty()).then(|| deployed.world(&Intent::default()));
    let namespaces: Vec<(String, String)> = space
        .inputs
        .iter()
        .filter(|i| i.kind == InputKind::Name)
        .filter_map(|i| Some((i.name.clone(), i.usual()?)))
        .collect();
    let compile = |assignment: &[usize], parameters: &BTreeMap<String, String>| {
        let choice = space.choice(assignment, parameters, base);
        let (intent, diagnostics) = resolve(matrix, &choice);
        let wrong = diagnostics
            .into_iter()
            .filter(|d| d.severity == Severity::Error);
        errors.borrow_mut().extend(wrong);
        let world = match &read {
            Some(world) => also(world, &namespaces, parameters),
            None => deployed.world(&intent),
        };
        compile_as(&intent, &world, Style::PerFlow, &[]).objects
    };
    let chart = chart(space.clone(), &compile);
    let mut errors = errors.into_inner();
    errors.dedup();
    if errors.is_empty() {
        chart
    } else {
        Err(errors)
    }
}

/// The world with the contents of namespaces that are parameters also under the names that stand for
/// the parameters.
fn also(
    world: &World,
    namespaces: &[(String, String)],
    parameters: &BTreeMap<String, String>,
) -> World {
    let mut out = world.clone();
    for (name, usual) in namespaces {
        let Some(alias) = parameters.get(name) else {
            continue;
        };
        if let Some(namespace) = world.namespaces.get(usual) {
            out.ensure_namespace(alias);
            if let Some(copy) = out.namespaces.get_mut(alias) {
                let own = std::mem::replace(&mut copy.labels, namespace.labels.clone());
                copy.labels.extend(own.iter());
            }
        }
        for pod in world.pods.iter().filter(|p| p.namespace == *usual) {
            let mut pod = pod.clone();
            pod.namespace.clone_from(alias);
            out.pods.push(pod);
        }
        for service in world
            .services
            .iter()
            .filter(|s| s.object.namespace == *usual)
        {
            let mut service = service.clone();
            service.object.namespace.clone_from(alias);
            out.services.push(service);
        }
    }
    out
}

/// At most this many combinations are compiled; with fewer in all, every one is.
const ALL: usize = 128;
/// The most combinations that learning may ask for.
const MOST: usize = 4096;
/// How many further combinations the finished chart is checked against.
const CHECKS: usize = 48;

/// Learns the chart of a matrix.
pub(crate) fn chart(mut space: Space, compile: &Compiler<'_>) -> Result<Chart, Vec<Diagnostic>> {
    let inputs = space.inputs.clone();
    let sentinels = sentinels(&space, &inputs, compile);
    let given: BTreeMap<String, String> = sentinels
        .iter()
        .map(|(input, text)| (input.name.clone(), text.clone()))
        .collect();
    let sample = |assignment: &Assignment| plain(compile(assignment, &given));
    let (samples, objects) = learn(&space, &sample)?;
    check(&space, &samples, &objects, &sample)?;
    let parameters: Vec<(String, String)> = sentinels
        .iter()
        .map(|(input, text)| (text.clone(), input.expression()))
        .collect();
    let switch = |switch: usize, value: usize| space.expression(switch, value);
    let spelling = Spelling {
        switch: &switch,
        parameters: &parameters,
    };
    let mut templates: Vec<(String, String)> = objects
        .iter()
        .enumerate()
        .map(|(index, object)| {
            let guard = if object.kind == "Namespace" {
                Some(format!(".Values.{LABEL_NAMESPACES}"))
            } else {
                guard(objects.get(..index).unwrap_or_default(), object, &sentinels)
            };
            let text = spelling.object(object, guard.as_deref());
            (path(object, &sentinels), text)
        })
        .collect();
    templates.sort();
    space.labels = objects.iter().any(|o| o.kind == "Namespace");
    let unused: BTreeSet<String> = sentinels
        .iter()
        .filter(|(input, _)| {
            !templates
                .iter()
                .any(|(_, t)| t.contains(&input.expression()))
        })
        .map(|(input, _)| input.name.clone())
        .collect();
    space.inputs.retain(|input| !unused.contains(&input.name));
    let mut files: Files = space.files();
    files.extend(templates.iter().cloned());
    files.sort();
    let templates = templates.into_iter().map(|(_, text)| text).collect();
    Ok(Chart {
        files,
        templates,
        space,
    })
}

/// The flow list of an object depends on every toggle at once; in a chart the remark above each rule
/// says it instead.
fn plain(mut objects: Vec<Object>) -> Vec<Object> {
    for object in &mut objects {
        if let Value::Map(fields) = &mut object.value {
            for (key, value) in fields {
                if let ("metadata", Value::Map(metadata)) = (key.as_str(), value) {
                    metadata.retain(|(key, _)| key != "annotations");
                }
            }
        }
    }
    objects
}

/// A recognisable value for each parameter: found again in the output, it becomes the parameter.
fn sentinels<'s>(
    space: &Space,
    inputs: &'s [Input],
    compile: &Compiler<'_>,
) -> Vec<(&'s Input, String)> {
    let usual = compile(&space.defaults(), &BTreeMap::new());
    let text: String = usual.iter().map(|o| o.value.to_yaml()).collect();
    let mut port = 64_001_u32;
    let mut out = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let sentinel = match input.kind {
            InputKind::Text | InputKind::Name => format!("palisade-p{index}-x"),
            InputKind::Port => {
                while text.contains(&port.to_string()) {
                    port += 1;
                }
                port += 1;
                (port - 1).to_string()
            }
        };
        out.push((input, sentinel));
    }
    out
}

type Samples = BTreeMap<Rc<Assignment>, Vec<Object>>;
type Sampler<'a> = dyn Fn(&Assignment) -> Vec<Object> + 'a;

/// Samples until every part has its condition.
fn learn(
    space: &Space,
    sample: &Sampler<'_>,
) -> Result<(Samples, Vec<Conditional>), Vec<Diagnostic>> {
    let mut samples = Samples::new();
    let mut ask: BTreeSet<Assignment> = space.first_samples(ALL);
    loop {
        for assignment in ask {
            let objects = sample(&assignment);
            samples.insert(Rc::new(assignment), objects);
        }
        let undecided = match fold(&samples) {
            Ok(objects) => return Ok((samples, objects)),
            Err(undecided) => undecided,
        };
        ask = undecided
            .iter()
            .flat_map(|u| u.ask.iter())
            .filter(|a| !samples.contains_key(*a))
            .cloned()
            .collect();
        if ask.is_empty() || samples.len() + ask.len() > MOST {
            let objects = undecided.iter().map(|u| too_entangled(&u.object));
            return Err(objects.collect());
        }
    }
}

fn too_entangled(object: &str) -> Diagnostic {
    Diagnostic::error(
        "PAL0410",
        format!("{object} depends on too many toggles for one chart"),
    )
    .help("compile a fixed resolution with `--toggle` and another layout")
}

/// Compares the chart with direct compilation for combinations that it was not learned from.
fn check(
    space: &Space,
    samples: &Samples,
    objects: &[Conditional],
    sample: &Sampler<'_>,
) -> Result<(), Vec<Diagnostic>> {
    for assignment in space.further_samples(CHECKS) {
        if samples.contains_key(&assignment) {
            continue;
        }
        let direct: BTreeMap<(String, &str, String), Value> = sample(&assignment)
            .into_iter()
            .map(|o| ((o.namespace, o.kind, o.name), unordered(&o.value)))
            .collect();
        let charted: BTreeMap<(String, &str, String), Value> = objects
            .iter()
            .filter_map(|o| {
                let key = (o.namespace.clone(), o.kind, o.name.clone());
                Some((key, unordered(&o.at(&assignment)?)))
            })
            .collect();
        let keys: BTreeSet<_> = direct.keys().chain(charted.keys()).collect();
        let differs = keys.into_iter().find(|k| direct.get(*k) != charted.get(*k));
        if let Some((namespace, kind, name)) = differs {
            return Err(vec![too_entangled(&format!("{kind} {namespace}/{name}"))]);
        }
    }
    Ok(())
}

/// A value with its lists sorted: rules are a union, their order means nothing.
fn unordered(value: &Value) -> Value {
    match value {
        Value::List(items) => {
            let mut items: Vec<Value> = items.iter().map(unordered).collect();
            items.sort_by_cached_key(Value::to_yaml);
            Value::List(items)
        }
        Value::Map(entries) => Value::map(
            entries
                .iter()
                .map(|(key, value)| (key.as_str(), unordered(value))),
        ),
        Value::Commented(remarks, value) => {
            Value::Commented(remarks.clone(), Box::new(unordered(value)))
        }
        other => other.clone(),
    }
}

/// Objects of one name in namespaces that are parameters meet in one object when the user gives them
/// the same namespace: only the first is written then.
fn guard(
    earlier: &[Conditional],
    object: &Conditional,
    sentinels: &[(&Input, String)],
) -> Option<String> {
    let expression = |namespace: &str| {
        let found = sentinels.iter().find(|(_, text)| text == namespace);
        found.map_or_else(
            || (format!("{namespace:?}"), false),
            |(input, _)| (input.value_path(), true),
        )
    };
    let (own, own_parameter) = expression(&object.namespace);
    let mut all = Vec::new();
    for other in earlier {
        if other.kind != object.kind || other.name != object.name {
            continue;
        }
        let (theirs, their_parameter) = expression(&other.namespace);
        if own_parameter || their_parameter {
            all.push(format!("ne {theirs} {own}"));
        }
    }
    match all.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("and ({})", many.join(") ("))),
    }
}

/// `templates/namespace-kind-name.yaml`, with a parameter's name in place of its value.
fn path(object: &Conditional, sentinels: &[(&Input, String)]) -> String {
    let kind = object.kind.to_ascii_lowercase();
    let mut name = format!("{}-{kind}-{}", object.namespace, object.name);
    for (input, sentinel) in sentinels {
        name = name.replace(sentinel.as_str(), &input.name);
    }
    let safe: String = name
        .trim_start_matches('-')
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    if safe.len() <= 120 {
        format!("templates/{safe}.yaml")
    } else {
        format!("templates/{}.yaml", names::object_name(&safe))
    }
}
