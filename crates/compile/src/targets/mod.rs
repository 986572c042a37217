//! What a matrix compiles to. A new target is one file here and one line in [`TARGETS`].

pub mod docs;
mod guards;
mod istio;
pub(crate) mod kubernetes;

use crate::Object;
use crate::rules::Style;
use palisade_diagnostics::Diagnostic;
use palisade_netmodel::{Intent, World};

/// A kind of objects that a matrix compiles to.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, on the command line too.
    pub name: &'static str,
    /// Whether it is written unless it is asked for.
    pub standard: bool,
    /// Writes its objects. `world` says which namespaces exist and which Services lead to which ports;
    /// policies in it are not looked at.
    pub(crate) compile: Compile,
}

/// How a target writes the objects of an intent, and what it could not say.
pub(crate) type Compile = fn(&Intent, &World, Style) -> (Vec<Object>, Vec<Diagnostic>);

/// All targets.
pub const TARGETS: &[Target] = &[kubernetes::TARGET, istio::TARGET, guards::TARGET];
