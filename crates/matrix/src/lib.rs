//! The traffic-matrix language: text to intent, and back.
//!
//! [`parse_all`] reads texts into a [`Matrix`], [`resolve`] closes it for one [`Choice`] of platform,
//! toggles and parameters, [`resolutions`] lists the choices that a proof must go through, [`format()`]
//! writes a text in its canonical form and [`schema`] describes the language to editors.

mod check;
mod choice;
mod codes;
mod condition;
mod format;
mod matrix;
mod parse;
mod raw;
mod resolutions;
mod resolve;
mod schema;
mod substitute;
mod syntax;

pub use choice::Choice;
pub use format::format;
pub use matrix::{
    Cell, Component, Docs, Endpoint, Exception, Flow, Matrix, Parameter, ParameterType, Platform,
    SetBy, Toggle, Zone,
};
pub use parse::{Parsed, parse, parse_all};
pub use raw::Text;
pub use resolutions::{Resolutions, check_all, resolutions};
pub use resolve::resolve;
pub use schema::schema;
