//! One text: its documents, and the items of its lists, in their order.

use super::tasks::{Place, Task, read_all, waves};
use super::{Input, Role, WAVE};
use crate::read::{self, Finds, TypeMeta};
use palisade_diagnostics::{Blocks, FileId, Text};
use palisade_yaml::{Around, Items, Limits, List, Node, Piece, Problems, Take, Window};
use std::ops::Range;

/// What a text holds, in its order.
pub(super) struct Gathered {
    pub(super) finds: Vec<Finds>,
    pub(super) problems: Problems,
}

/// Reads a text; of problems with its objects about as many are kept as there is `room` for.
pub(super) fn gather(input: &Input<'_>, limits: &Limits, room: usize) -> Gathered {
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
