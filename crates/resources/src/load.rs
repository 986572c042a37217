//! From texts to a world: documents, lists, kinds, duplicates, and what is left out.

use crate::assemble::assemble;
use crate::codes;
use crate::kinds::Part;
use crate::objects::Objects;
use crate::read::{self, Finds, Found, Object, TypeMeta};
use crate::skip;
use crate::told::Told;
use palisade_diagnostics::{Blocks, Diagnostic, FileId, Severity, Span, Text};
use palisade_netmodel::World;
use palisade_yaml::{
    Around, Items, Limits, List, Node, Piece, Plan, Problems, Spare, Take, Window,
};
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

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

/// A part of a text that one thread reads.
struct Task<'a> {
    range: &'a Range<usize>,
    /// How the items of its list are read, and their type if they may leave it out.
    list: Option<(Items, Option<TypeMeta<'a>>)>,
}

/// Where tasks are read.
#[derive(Clone, Copy)]
struct Place<'a> {
    file: FileId,
    role: Role,
    window: Window<'a>,
}

/// What a thread has read.
#[derive(Default)]
struct Taken {
    finds: Finds,
    problems: Vec<Problems>,
    /// Whether an item cannot be read without the list around it.
    dependent: bool,
}

/// Bytes of a task, and of all tasks that are read before what they gave is put together.
const TASK: usize = 1 << 17;
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

/// What a text holds, in its order.
struct Gathered {
    finds: Vec<Finds>,
    problems: Problems,
}

/// Reads a text; of problems with its objects about as many are kept as there is `room` for.
fn gather(input: &Input<'_>, limits: &Limits, room: usize) -> Gathered {
    match input.text {
        Text::Whole(text) => gather_whole(input, text, limits, room),
        Text::Blocks(blocks) => gather_blocks(input, blocks, limits, room),
    }
}

fn gather_whole(input: &Input<'_>, text: &str, limits: &Limits, room: usize) -> Gathered {
    let (pieces, problems) = palisade_yaml::cut(input.file, text, limits);
    let mut gatherer = Gatherer::new(input, limits, room);
    gatherer.problems = problems;
    let window = Window::whole(text);
    let mut documents = Vec::new();
    for piece in &pieces {
        match piece {
            Piece::Document(range) => documents.push(range.clone()),
            Piece::List(list) => {
                gatherer.documents(window, &documents);
                documents.clear();
                if !gatherer.list(text, list) {
                    gatherer.documents(window, &[list.whole()]);
                }
            }
        }
    }
    gatherer.documents(window, &documents);
    Gathered {
        finds: gatherer.finds,
        problems: gatherer.problems,
    }
}

fn gather_blocks(input: &Input<'_>, blocks: &Blocks, limits: &Limits, room: usize) -> Gathered {
    let mut gatherer = Gatherer::new(input, limits, room);
    let mut problems = palisade_yaml::stream(input.file, blocks, limits, &mut gatherer);
    problems.append(gatherer.problems);
    // What is no text as a whole is no text in its beginning either. Whoever gave it says why.
    let refused = blocks.is_refused();
    Gathered {
        finds: if refused { Vec::new() } else { gatherer.finds },
        problems: match refused {
            true => Problems::new(limits.max_diagnostics),
            false => problems,
        },
    }
}

/// Reads the pieces of one text.
struct Gatherer<'l> {
    file: FileId,
    role: Role,
    limits: &'l Limits,
    room: usize,
    finds: Vec<Finds>,
    problems: Problems,
    /// Number of finds and room where a list begins that may have to be read again.
    mark: (usize, usize),
    /// API version and kind of the items of that list, if they may leave them out.
    inherited: Option<(String, String)>,
}

impl<'l> Gatherer<'l> {
    fn new(input: &Input<'_>, limits: &'l Limits, room: usize) -> Self {
        Self {
            file: input.file,
            role: input.role,
            limits,
            room,
            finds: Vec::new(),
            problems: Problems::new(limits.max_diagnostics),
            mark: (0, room),
            inherited: None,
        }
    }

    fn take(&mut self, finds: Finds, most: usize) {
        self.room = self.room.saturating_sub(most - finds.room);
        self.finds.push(finds);
    }

    fn place<'t>(&self, window: Window<'t>) -> Place<'t> {
        Place {
            file: self.file,
            role: self.role,
            window,
        }
    }

    /// Reads a large list item by item; false, and nothing is read, if it has to be read as a whole.
    fn list(&mut self, text: &str, list: &List) -> bool {
        let Some(around) = list.around(self.file, text, self.limits) else {
            return false;
        };
        self.mark();
        let read = self.around(around.root(), true) != Around::Whole
            && self.items(list.form(), Window::whole(text), list.items());
        if !read {
            self.back();
        }
        read
    }
}

impl Take for Gatherer<'_> {
    const GUESSES: bool = true;

    fn documents(&mut self, window: Window<'_>, ranges: &[Range<usize>]) {
        let tasks = ranges.iter().map(|range| Task { range, list: None });
        let tasks: Vec<Task<'_>> = tasks.collect();
        let place = self.place(window);
        for wave in waves(&tasks, WAVE, Task::len) {
            let most = self.room;
            for taken in read_all(place, wave, self.limits, most) {
                for more in taken.problems {
                    self.problems.append(more);
                }
                self.take(taken.finds, most);
            }
        }
    }

    fn mark(&mut self) {
        self.mark = (self.finds.len(), self.room);
        self.inherited = None;
    }

    fn back(&mut self) {
        self.finds.truncate(self.mark.0);
        self.room = self.mark.1;
    }

    fn around(&mut self, around: Node<'_>, all: bool) -> Around {
        // `kubectl` sorts keys: a kind that stands behind the items is that of a list of anything, as a rule.
        let inherited = match read::list_type(around) {
            Some(inherited) => inherited.map(|t| (t.api_version.to_owned(), t.kind.to_owned())),
            None if !all && around.get("kind").is_none() => None,
            None => return Around::Whole,
        };
        if self.inherited == inherited {
            return Around::Go;
        }
        self.inherited = inherited;
        if all { Around::Again } else { Around::Go }
    }

    fn items(&mut self, items: Items, window: Window<'_>, ranges: &[Range<usize>]) -> bool {
        let inherited = self.inherited.take();
        let named = inherited.as_ref();
        let meta = named.map(|(api_version, kind)| TypeMeta { api_version, kind });
        let tasks = ranges.iter().map(|range| Task {
            range,
            list: Some((items, meta)),
        });
        let tasks: Vec<Task<'_>> = tasks.collect();
        let place = self.place(window);
        let mut whole = false;
        for wave in waves(&tasks, WAVE, Task::len) {
            let most = self.room;
            for taken in read_all(place, wave, self.limits, most) {
                whole |= taken.dependent;
                self.take(taken.finds, most);
            }
            if whole {
                break;
            }
        }
        drop(tasks);
        self.inherited = inherited;
        !whole
    }
}

impl Task<'_> {
    fn len(&self) -> usize {
        self.range.len()
    }
}

/// Items in a row, about `bytes` of text in each part.
fn waves<T>(items: &[T], bytes: usize, len: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    let mut rest = items;
    std::iter::from_fn(move || {
        let mut size = 0;
        let full = rest.iter().position(|item| {
            size += len(item);
            size >= bytes
        });
        let (wave, after) = rest.split_at(full.map_or(rest.len(), |last| last + 1));
        rest = after;
        (!wave.is_empty()).then_some(wave)
    })
}

/// Reads tasks, all at the same time if that pays. Of each part at most `room` problems are kept.
fn read_all(place: Place<'_>, tasks: &[Task<'_>], limits: &Limits, room: usize) -> Vec<Taken> {
    let how = (skip::plan(place.role), room);
    let parts: Vec<&[Task<'_>]> = waves(tasks, TASK, Task::len).collect();
    let part = |part: &&[Task<'_>]| read_part(place, part, limits, how);
    if parts.len() < 3 {
        parts.iter().map(part).collect()
    } else {
        parts.par_iter().map(part).collect()
    }
}

fn read_part(
    place: Place<'_>,
    tasks: &[Task<'_>],
    limits: &Limits,
    (plan, room): (Plan, usize),
) -> Taken {
    let mut taken = Taken {
        finds: Finds::new(room),
        ..Taken::default()
    };
    let Place { file, role, window } = place;
    let mut spare = Spare::default();
    for task in tasks {
        let Some((items, inherited)) = task.list else {
            let (documents, problems) = palisade_yaml::read(file, window, task.range, limits, plan);
            for document in &documents {
                read::objects(document.root(), None, role, &mut taken.finds);
            }
            if !problems.is_empty() {
                taken.problems.push(problems);
            }
            continue;
        };
        let what = (window, task.range);
        let Some(item) = items.read(file, what, (limits, plan), &mut spare) else {
            taken.dependent = true;
            return taken;
        };
        let wrapped = items.is_wrapped();
        let nodes = wrapped.then(|| item.root().items()).into_iter().flatten();
        let alone = (!wrapped).then(|| item.root());
        for node in nodes.chain(alone) {
            read::objects(node, inherited, role, &mut taken.finds);
        }
        spare.keep(item);
    }
    taken
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
mod tests {
    use super::{Input, Loaded, Options, Role};
    use palisade_diagnostics::{Blocks, FileId, Text};
    use palisade_yaml::Sizes;
    use proptest::prelude::*;

    fn input(text: &str) -> Input<'_> {
        Input {
            file: FileId(0),
            text: text.into(),
            role: Role::Both,
        }
    }

    /// What a text holds that is read as a whole.
    fn whole(text: &str, options: &Options) -> Loaded {
        super::load(&[input(text)], options)
    }

    /// The same, read from blocks of about `block` bytes.
    fn streamed(text: &str, options: &Options, block: usize) -> Loaded {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let mut at = block.min(rest.len());
            while !rest.is_char_boundary(at) {
                at += 1;
            }
            let (part, after) = rest.split_at(at);
            parts.push(part);
            rest = after;
        }
        let blocks = Blocks::of(parts);
        let input = Input {
            text: Text::Blocks(&blocks),
            ..input("")
        };
        super::load(&[input], options)
    }

    const LISTS: [&str; 8] = [
        r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a","labels":{"é":"}"}}}, {"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"data":{"x":"e30="}},{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"a"},"spec":{"containers":[{"name":"c","image":"i"}]}}],"metadata":{"resourceVersion":""}}"#,
        "{\n \"apiVersion\": \"v1\",\n \"items\": [\n  {\"metadata\": {\"name\": \"p\"}, \"spec\": {\"containers\": []}},\n  {\"metadata\": {\"name\": \"q\"}}\n ],\n \"kind\": \"PodList\"\n}\n",
        "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: b\n# of c\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: c, labels: {l: 'x y'}}\nkind: List\n",
        "apiVersion: v1\nkind: NamespaceList\nitems:\n  - metadata: {name: d}\n  - metadata:\n      name: e\n      annotations:\n        t: |\n          - é\n\n          items:\n",
        "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"f\"}}\n{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"g\"}}\n{\"kind\":\"Pod\"}\n",
        "%YAML 1.1\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: h # é\n  name: i\n...\n",
        "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {name: n, namespace: a}\nspec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/8}}]}]}\n",
        "\u{feff}[{\"a\":1},\r\n{\"b\":[]}]\r\n",
    ];

    const BETWEEN: [&str; 24] = [
        "",
        "\n",
        "\n---\n",
        "---\n",
        "\n...\n",
        "\r\n---\r\n",
        "\n--- # x\n",
        "\n--- {a: 1}\n",
        "\n---x\n",
        "{",
        "}",
        "]",
        ",",
        "\"",
        "'",
        "- ",
        "\nkind: List\n",
        "\nitems:\n",
        "\u{feff}",
        "é",
        "# \n",
        "&a ",
        "\t",
        "\n  ",
    ];

    fn all(loaded: &Loaded) -> String {
        format!("{loaded:?}")
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Cuts, windows, going back: nothing of it can be seen in what is read.
        #[test]
        fn a_text_in_blocks_is_the_text(
            parts in prop::collection::vec((0..LISTS.len(), 0..BETWEEN.len()), 1..6),
            hit in prop::option::of((any::<prop::sample::Index>(), 0..5_usize, 0..BETWEEN.len())),
            (block, window, list) in (1..300_usize, 1..500_usize, 0..300_usize),
            most in prop::sample::select(vec![1000, 2]),
        ) {
            let mut text = String::new();
            for (list, between) in &parts {
                text.push_str(LISTS[*list]);
                text.push_str(BETWEEN[*between]);
            }
            if let Some((at, len, new)) = hit {
                let from = (0..=at.index(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap();
                let to = (from + len..).find(|i| *i >= text.len() || text.is_char_boundary(*i)).unwrap();
                text.replace_range(from..to.min(text.len()), BETWEEN[new]);
            }
            let mut options = Options::default();
            options.limits.max_diagnostics = most;
            let expected = all(&whole(&text, &options));
            options.limits.sizes = Sizes { window, list };
            prop_assert_eq!(&all(&streamed(&text, &options, block)), &expected, "{}", text);
            prop_assert_eq!(all(&whole(&text, &options)), expected, "{}", text);
        }
    }
}
