//! Selectors, ports and peers, in the words of NetworkPolicy.

use super::Text;
use palisade_diagnostics::Span;
use palisade_netmodel::Protocol;

/// A label selector whose values may hold `${name}`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// Where it is written.
    pub span: Option<Span>,
    /// `matchLabels`.
    pub labels: Vec<(Text, Text)>,
    /// `matchExpressions`.
    pub expressions: Vec<Expression>,
}

/// `matchExpressions[]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Where it is written.
    pub span: Span,
    /// Key.
    pub key: Text,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: String,
    /// Values.
    pub values: Vec<Text>,
}

/// A port number, or the name of a parameter that is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Number {
    /// A number.
    Is(u16),
    /// `${name}`.
    Parameter(Text),
}

/// `{port, endPort, protocol}`, `{protocol}`, or `{name, protocol}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Where it is written.
    pub span: Span,
    /// Name of a container port.
    pub name: Option<Text>,
    /// Number.
    pub port: Option<Number>,
    /// Last number of a range.
    pub end_port: Option<Number>,
    /// Protocol.
    pub protocol: Protocol,
}

/// An item of `peers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it is written; nowhere for a value of the command line.
    pub span: Option<Span>,
    /// Addresses.
    pub cidr: Option<Text>,
    /// Addresses left out.
    pub except: Vec<Text>,
    /// One namespace.
    pub namespace: Option<Text>,
    /// Namespaces by label.
    pub namespace_selector: Option<Selector>,
    /// Pods by label.
    pub pod_selector: Option<Selector>,
}
