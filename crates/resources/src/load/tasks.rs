//! Pieces of a text, read by all threads.

use super::Role;
use crate::read::{self, Finds, TypeMeta};
use crate::skip;
use palisade_diagnostics::FileId;
use palisade_yaml::{Items, Limits, Plan, Problems, Spare, Window};
use rayon::prelude::*;
use std::ops::Range;

/// A part of a text that one thread reads.
pub(super) struct Task<'a> {
    pub(super) range: &'a Range<usize>,
    /// How the items of its list are read, and their type if they may leave it out.
    pub(super) list: Option<(Items, Option<TypeMeta<'a>>)>,
}

/// Where tasks are read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: FileId,
    pub(super) role: Role,
    pub(super) window: Window<'a>,
}

/// What a thread has read.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) finds: Finds,
    pub(super) problems: Vec<Problems>,
    /// Whether an item cannot be read without the list around it.
    pub(super) dependent: bool,
}

/// Bytes of a task.
pub(super) const TASK: usize = 1 << 17;

impl Task<'_> {
    pub(super) fn len(&self) -> usize {
        self.range.len()
    }
}

/// Items in a row, about `bytes` of text in each part.
pub(super) fn waves<T>(
    items: &[T],
    bytes: usize,
    len: impl Fn(&T) -> usize,
) -> impl Iterator<Item = &[T]> {
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
pub(super) fn read_all(
    place: Place<'_>,
    tasks: &[Task<'_>],
    limits: &Limits,
    room: usize,
) -> Vec<Taken> {
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
