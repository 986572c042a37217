//! A first matrix to edit: from what the policies of a world let pass, or from connections that were
//! observed in it. What only people know, the reasons, it leaves as questions.

mod draft;
mod groups;
mod open;
mod seen;
mod used;
mod write;

pub use open::from_world;
pub use seen::{End, Seen, Skipped, read};
pub use used::{Unplaced, from_seen};
