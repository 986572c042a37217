//! What a user chooses: parameters, toggles, and conditions on them.

use super::Text;
use super::peers::Peer;
use palisade_diagnostics::Span;

/// The one condition. All that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct When {
    /// Where it is written.
    pub span: Span,
    /// The toggle is on.
    pub toggle: Option<Text>,
    /// The platform is chosen.
    pub platform: Option<Text>,
    /// The network plugin is one of these.
    pub cni: Vec<Text>,
    /// The parameter has a value.
    pub parameter: Option<Text>,
    /// The nested condition does not hold.
    pub not: Option<Box<When>>,
}

/// How people set a toggle or parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBy {
    /// When this way applies.
    pub when: Option<When>,
    /// `HelmValue`, `Env`, `Field` or `Command`.
    pub kind: String,
    /// Helm value path, variable, field or command.
    pub name: String,
    /// The object that carries it.
    pub object: Option<String>,
    /// A remark.
    pub note: Option<String>,
}

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the language")]
pub enum ParameterType {
    Port,
    Namespace,
    String,
    StringList,
    CidrList,
    PeerList,
    SecretRef,
    SecretRefList,
    Bool,
}

/// Value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParameterValue {
    /// Port, Namespace, String, SecretRef, Bool.
    Text(String),
    /// StringList, CIDRList, SecretRefList.
    List(Vec<String>),
    /// PeerList.
    Peers(Vec<Peer>),
}

/// A typed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Where it is written.
    pub span: Span,
    /// Name.
    pub name: Text,
    /// Type.
    pub kind: ParameterType,
    /// Value if none is given.
    pub default: Option<ParameterValue>,
    /// Whether a value must be given.
    pub required: bool,
    /// Documents print "User Supplied".
    pub user_supplied: bool,
    /// Value for proofs and examples when none is given.
    pub placeholder: Option<ParameterValue>,
    /// Documents show one row for each value.
    pub each: bool,
    /// What it is.
    pub description: Option<String>,
    /// How people set it.
    pub set_by: Vec<SetBy>,
}

/// A named switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toggle {
    /// Where it is written.
    pub span: Span,
    /// Name.
    pub name: Text,
    /// On or off.
    pub default: bool,
    /// Why it is a choice.
    pub reason: String,
    /// Whether pods must be restarted after enabling it.
    pub restart: bool,
    /// How people set it.
    pub set_by: Vec<SetBy>,
}
