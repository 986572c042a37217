//! The syntax tree: a matrix as written, with the place of each item. Conditions and parameters are
//! still in it; [`crate::resolve`] takes them out.
//!
//! A part of the language has one name: its shape is in `shape/`, and its tree here.

mod cluster;
mod flows;
mod inputs;
mod parties;
mod peers;
mod zones;

use palisade_yaml::Spanned;

pub use cluster::{Dns, Istio, Platform, Requires};
pub use flows::{
    Cell, CellHop, CellOverride, Encryption, Exception, Flow, FlowDocs, FlowPort, FlowPorts,
};
pub use inputs::{Parameter, ParameterType, ParameterValue, SetBy, Toggle, When};
pub use parties::{
    Accepts, Component, ComponentDocs, ComponentPort, Endpoint, EndpointKind, FidelityWord, Variant,
};
pub use peers::{Expression, Number, Peer, Port, Selector};
pub use zones::{
    Isolation, IsolationOverride, IsolationWord, Mesh, MeshOverride, Namespaces, Zone,
};

/// A string that may hold `${name}`.
pub type Text = Spanned<String>;

/// One `TrafficMatrix`, its fragments merged in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matrix {
    /// `metadata.name`.
    pub name: String,
    /// `spec.title`.
    pub title: Option<String>,
    /// `spec.docs.introduction`.
    pub introduction: Option<String>,
    /// Typed inputs.
    pub parameters: Vec<Parameter>,
    /// Named switches.
    pub toggles: Vec<Toggle>,
    /// Named variants.
    pub platforms: Vec<Platform>,
    /// What the proof depends on.
    pub requires: Vec<Requires>,
    /// Facts of the whole mesh.
    pub istio: Istio,
    /// Zones.
    pub zones: Vec<Zone>,
    /// Peers that are no declared pods.
    pub endpoints: Vec<Endpoint>,
    /// Declared pods.
    pub components: Vec<Component>,
    /// Zone by zone.
    pub cells: Vec<Cell>,
    /// Connections that may be made.
    pub flows: Vec<Flow>,
    /// Accepted findings.
    pub exceptions: Vec<Exception>,
}

/// A list, or the name of a parameter that is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed<T> {
    /// Items.
    Items(Vec<T>),
    /// `${name}`.
    Parameter(Text),
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self::Items(Vec::new())
    }
}
