//! What a reader will look at, told before the text is read: the rest is checked and not kept.

/// What is looked at in a map. A list of maps has the shape of its items.
///
/// A value that is skipped is checked like any other (syntax, duplicate keys, limits), but its node is
/// an empty map, list or string. Shapes save time and memory and change no diagnostic.
#[derive(Debug)]
pub struct Shape {
    /// Values that have a shape of their own.
    pub inside: &'static [(&'static str, &'static Shape)],
    /// Keys whose values nobody looks at.
    pub skip: Skip,
    /// Whether `apiVersion` and `kind` choose another shape, from where both are known.
    pub typed: bool,
}

/// The keys whose values are skipped.
#[derive(Debug)]
pub enum Skip {
    /// These.
    These(&'static [&'static [&'static str]]),
    /// All others.
    AllBut(&'static [&'static str]),
}

/// The shape of an object by its `apiVersion` and `kind`; `None`: it keeps the shape it has.
pub type Choose = fn(&str, &str) -> Option<&'static Shape>;

/// The shape of what is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plan {
    /// The shape of a document; `None`: everything is looked at.
    pub root: Option<&'static Shape>,
    /// How typed shapes choose.
    pub choose: Option<Choose>,
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Turn {
    Keep(Option<&'static Shape>),
    Skip,
}

impl Shape {
    /// What becomes of the value of a key.
    pub(crate) fn turn(&'static self, key: &str) -> Turn {
        if let Some((_, shape)) = self.inside.iter().find(|(name, _)| *name == key) {
            return Turn::Keep(Some(shape));
        }
        let skipped = match self.skip {
            Skip::These(lists) => lists.iter().any(|list| list.contains(&key)),
            Skip::AllBut(list) => !list.contains(&key),
        };
        if skipped {
            Turn::Skip
        } else {
            Turn::Keep(None)
        }
    }
}

/// The shape of a map, or of the items of a list, while it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Held {
    pub(crate) shape: Option<&'static Shape>,
    /// The text of `apiVersion` and `kind`, ranges of the document's buffer.
    api_version: Option<(u32, u32)>,
    kind: Option<(u32, u32)>,
}

impl Held {
    pub(crate) fn new(shape: Option<&'static Shape>) -> Self {
        Self {
            shape,
            ..Self::default()
        }
    }

    /// Takes note of a scalar of the map; once the type is known, the shape follows it.
    pub(crate) fn note(&mut self, plan: Plan, key: &str, value: (u32, u32), buffer: &str) {
        match key {
            "apiVersion" => self.api_version = Some(value),
            "kind" => self.kind = Some(value),
            _ => return,
        }
        let text = |(start, len): (u32, u32)| {
            let range = start as usize..(start + len) as usize;
            buffer.get(range).unwrap_or_default()
        };
        if let (Some(api_version), Some(kind), Some(choose)) =
            (self.api_version, self.kind, plan.choose)
            && let Some(shape) = choose(text(api_version), text(kind))
        {
            self.shape = Some(shape);
        }
    }

    /// Whether scalars are of interest to [`Self::note`].
    pub(crate) fn is_typed(&self) -> bool {
        self.shape.is_some_and(|shape| shape.typed)
    }
}
