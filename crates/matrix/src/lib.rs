//! The traffic-matrix language: text to intent, and back.
//!
//! [`parse`] reads a matrix, [`resolve`] closes it for one [`Choice`], [`resolutions`] lists the choices
//! there are, [`format`] is its one layout, [`schema`] its JSON Schema. The shape of the language is one
//! table, `shape/`.

mod check;
mod format;
mod parse;
mod read;
mod resolutions;
mod resolve;
mod schema;
mod shape;
pub mod syntax;
mod validate;

pub use format::format;
pub use parse::{Parsed, parse, parse_all};
pub use resolutions::{Resolutions, resolutions};
pub use resolve::{Choice, resolve};
pub use schema::schema;
pub use syntax::Matrix;
