//! From texts to a world: what is read for what, duplicates, counts, and what is left out.

mod gather;
mod tasks;

use crate::assemble::assemble;
use crate::codes;
use crate::kinds::Part;
use crate::objects::Objects;
use crate::read::{Finds, Found, Object};
use crate::told::Told;
use gather::{Gathered, gather};
use palisade_diagnostics::{Diagnostic, FileId, Severity, Span, Text};
use palisade_netmodel::World;
use palisade_yaml::Limits;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use tasks::{TASK, waves};

/// What an input is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Everything but what restricts traffic: NetworkPolicy and Istio kinds are not read.
    Workloads,
    /// NetworkPolicy, Istio kinds, and Namespaces, whose labels join those of the same name.
    Policies,
    /// Everything.
    Both,
}

impl Role {
    pub(crate) fn takes(self, part: Part) -> bool {
        match (self, part) {
            (Self::Both, _) | (_, Part::Both) => true,
            (Self::Workloads, part) => part == Part::Workloads,
            (Self::Policies, part) => part == Part::Policies,
        }
    }
}

/// One text.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its id, for spans.
    pub file: FileId,
    /// YAML or JSON, any number of documents.
    pub text: Text<'a>,
    /// What it is read for.
    pub role: Role,
}

/// Choices of the reader.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Bounds of each text.
    pub limits: Limits,
    /// Root namespace of the mesh where no ConfigMap `istio` says otherwise. Default: `istio-system`.
    pub mesh_root: Option<String>,
    /// Trust domain of the mesh where no ConfigMap `istio` says otherwise. Default: `cluster.local`.
    pub trust_domain: Option<String>,
}

/// What the texts hold.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The world of all accepted objects, the same for any order of documents.
    pub world: World,
    /// Everything to tell, in the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
    /// Accepted objects by kind.
    pub counts: BTreeMap<String, usize>,
    /// Objects of kinds that are not read, by `kind.group` or `kind`.
    pub unknown: BTreeMap<String, usize>,
    /// Objects left out because of an error, as `NetworkPolicy shop/allow-web`.
    pub left_out: Vec<String>,
}

/// Reads texts. Large ones are read by all threads; the result does not depend on their number.
#[must_use]
pub fn load(inputs: &[Input<'_>], options: &Options) -> Loaded {
    let mut loader = Loader::new(options);
    // Policies come last, so that their Namespace labels win over those of the workloads.
    let (last, first): (Vec<_>, Vec<_>) = inputs.iter().partition(|i| i.role == Role::Policies);
    let inputs: Vec<&Input<'_>> = first.into_iter().chain(last).collect();
    // Each file by one thread or several; what they gave is put together in the order of the files.
    for wave in waves(&inputs, WAVE, |input| size(input).max(WAVE / FILES)) {
        let room = loader.told.room();
        let gather = |input: &&Input<'_>| gather(input, &options.limits, room);
        let size: usize = wave.iter().map(|input| size(input)).sum();
        let gathered: Vec<Gathered> = match wave.len() > 1 && size > TASK {
            true => wave.par_iter().map(gather).collect(),
            false => wave.iter().map(gather).collect(),
        };
        for (input, gathered) in wave.iter().zip(gathered) {
            loader.add(input, gathered);
        }
    }
    loader.finish()
}

/// Bytes of a text. One that has not arrived yet keeps all threads busy by itself.
fn size(input: &Input<'_>) -> usize {
    match input.text {
        Text::Whole(text) => text.len(),
        Text::Blocks(blocks) if blocks.is_empty() => WAVE,
        Text::Blocks(blocks) => blocks.len(),
    }
}

/// What identifies an object: group, kind, namespace, name.
type Identity = (&'static str, &'static str, String, String);

/// Reads one text after the other, so that each can be dropped when it has been read.
#[derive(Debug)]
pub struct Loader {
    options: Options,
    objects: Objects,
    told: Told,
    counts: BTreeMap<String, usize>,
    unknown: BTreeMap<String, usize>,
    left_out: Vec<String>,
    seen: HashMap<Identity, (Span, Role)>,
}

/// Bytes of all tasks that are read before what they gave is put together.
const WAVE: usize = 1 << 24;

/// Most files of a wave: each may hold as many problems as are told at all.
const FILES: usize = 64;

impl Loader {
    /// A reader that has read nothing.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        Self {
            options: options.clone(),
            objects: Objects::default(),
            told: Told::new(options.limits.max_diagnostics),
            counts: BTreeMap::new(),
            unknown: BTreeMap::new(),
            left_out: Vec::new(),
            seen: HashMap::new(),
        }
    }

    /// Reads a text. Texts of policies come after all others.
    pub fn read(&mut self, input: &Input<'_>) {
        let gathered = gather(input, &self.options.limits, self.told.room());
        self.add(input, gathered);
    }

    fn add(&mut self, input: &Input<'_>, gathered: Gathered) {
        for finds in gathered.finds {
            self.put(finds, input.role);
        }
        self.told.extend(gathered.problems.finish());
    }

    /// Adds what was read, in the order of the text.
    fn put(&mut self, finds: Finds, role: Role) {
        for found in finds.found {
            match found {
                Found::Object(object) => self.object(object, role),
                Found::Problem(diagnostic) => self.told.add(*diagnostic),
            }
        }
        for (name, count) in finds.unknown {
            *self.unknown.entry(name).or_default() += count;
        }
        self.told.count(&finds.beyond);
    }

    fn object(&mut self, mut object: Object, role: Role) {
        if let Some(duplicate) = self.duplicate(&object, role) {
            object.problems.insert(object.of_head, duplicate);
        }
        let Object { kind, name, .. } = object;
        let errors = object.problems.iter_mut();
        let first = errors.into_iter().find(|d| d.severity == Severity::Error);
        match (first, object.add) {
            (None, Some(add)) => {
                add(&mut self.objects);
                if kind.namespaced {
                    self.objects.used_namespaces.insert(name.namespace);
                }
                match self.counts.get_mut(kind.name) {
                    Some(count) => *count += 1,
                    None => drop(self.counts.insert(kind.name.to_owned(), 1)),
                }
            }
            (first, _) => {
                let name = match name.name.as_str() {
                    "" => format!("{} without a name", kind.name),
                    _ => format!("{} {name}", kind.name),
                };
                if let Some(first) = first {
                    let note = format!("{name} is left out until its errors are corrected.");
                    first.notes.push(note);
                }
                self.left_out.push(name);
            }
        }
        let room = self.told.room();
        self.told.shorten(&mut object.problems, room);
        self.told.extend(object.problems);
    }

    /// Reports an object that an earlier document already defines. A Namespace may be written with
    /// the workloads and with the policies.
    fn duplicate(&mut self, object: &Object, role: Role) -> Option<Diagnostic> {
        let Object { kind, name, .. } = object;
        if name.name.is_empty() {
            return None;
        }
        let names = (name.namespace.clone(), name.name.clone());
        let identity = (kind.group, kind.name, names.0, names.1);
        let Some((span, other)) = self.seen.get(&identity) else {
            self.seen.insert(identity, (object.span, role));
            return None;
        };
        if kind.part == Part::Both && (*other == Role::Policies) != (role == Role::Policies) {
            return None;
        }
        let title = format!("{} {name} is defined twice", kind.name);
        let diagnostic = Diagnostic::error(codes::DUPLICATE, title)
            .at(object.span, "again here")
            .at(*span, "first here")
            .help("remove one of the two, or give it another name or namespace");
        Some(diagnostic)
    }

    /// Puts the world together.
    #[must_use]
    pub fn finish(mut self) -> Loaded {
        drop(self.seen);
        let world = assemble(self.objects, &self.options);
        self.told.extend(root_selectors(&world));
        self.left_out.sort();
        Loaded {
            world,
            diagnostics: self.told.finish(),
            counts: self.counts,
            unknown: self.unknown,
            left_out: self.left_out,
        }
    }
}

/// Warns of PeerAuthentications that Istio ignores: those with a selector in the root namespace
/// (istio#61023).
fn root_selectors(world: &World) -> impl Iterator<Item = Diagnostic> {
    let root = &world.mesh.root_namespace;
    let policies = world.peer_authentications.iter();
    let ignored = policies.filter(|p| p.object.namespace == *root && !p.selector.is_empty());
    ignored.map(|policy| {
        let title = format!("PeerAuthentication {} has no effect", policy.object);
        Diagnostic::warning(codes::ROOT_SELECTOR, title)
            .at_opt(policy.origin.0, "has a selector, in the root namespace")
            .help("move it to the namespace of its pods, or remove the selector")
    })
}

#[cfg(test)]
mod tests;
