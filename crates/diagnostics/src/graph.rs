//! Who talks to whom, as a picture and as a list of connections.

/// Ends in boxes, and connections between sets of ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Graph {
    /// Names of the boxes that ends lie in, for example namespaces.
    pub groups: Vec<String>,
    /// The ends.
    pub nodes: Vec<Node>,
    /// The connections.
    pub links: Vec<Link>,
}

/// One end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node {
    /// Its whole name: `shop/web`.
    pub name: String,
    /// Its name within its box: `web`.
    pub label: String,
    /// Its box, as an index into [`Graph::groups`].
    pub group: Option<usize>,
    /// Whether it stands for several things that can talk to each other.
    pub many: bool,
    /// Whether it is outside what is asked about: two such ends are no connection.
    pub outside: bool,
}

/// The same connection between every end of `from` and every other end of `to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Sources, as indices into [`Graph::nodes`], sorted.
    pub from: Vec<usize>,
    /// Destinations, likewise.
    pub to: Vec<usize>,
    /// The ports, as people write them.
    pub ports: String,
    /// Whether it passes for certain; otherwise it depends on something that is not known.
    pub certain: bool,
    /// What is proven of the wire, if the picture is about that.
    pub wire: Option<String>,
    /// What became of it, if the picture compares two states.
    pub change: Option<Change>,
}

/// What became of a connection between two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// It did not pass and passes now.
    Gained,
    /// It passed and does not any more.
    Lost,
    /// It passes otherwise than before.
    Changed,
}

impl Change {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Gained => "gained",
            Self::Lost => "lost",
            Self::Changed => "changed",
        }
    }
}

impl Graph {
    /// Every connection between two ends, in order: an end does not talk to itself unless it stands
    /// for many, and ends outside do not talk to each other.
    pub fn connections(&self) -> impl Iterator<Item = (&Node, &Node, &Link)> {
        self.links.iter().flat_map(move |link| {
            link.from.iter().flat_map(move |&from| {
                link.to.iter().filter_map(move |&to| {
                    let (source, destination) = (self.nodes.get(from)?, self.nodes.get(to)?);
                    let two = from != to || source.many;
                    let inside = !(source.outside && destination.outside);
                    (two && inside).then_some((source, destination, link))
                })
            })
        })
    }
}
