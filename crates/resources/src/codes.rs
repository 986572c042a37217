//! The codes of this crate's diagnostics, one constant each, so that no two kinds share one.

/// Declares the constants with their meaning as documentation.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $code;)*
        #[cfg(test)]
        const ALL: &[&str] = &[$($code),*];
    };
}

codes! {
    /// A document that is not an object.
    NOT_AN_OBJECT = "PAL0100";
    /// `apiVersion` or `kind` is missing.
    NO_KIND = "PAL0101";
    /// The kind exists, but not in that version.
    WRONG_VERSION = "PAL0102";
    /// A kind that looks misspelled.
    UNKNOWN_KIND = "PAL0103";
    /// `metadata.name` is missing.
    NO_NAME = "PAL0104";
    /// A name that the API server refuses.
    BAD_NAME = "PAL0105";
    /// One object twice.
    DUPLICATE = "PAL0106";
    /// `metadata.namespace` on an object that belongs to no namespace.
    CLUSTER_SCOPED = "PAL0107";
    /// A label or annotation key.
    BAD_KEY = "PAL0108";
    /// A label value.
    BAD_VALUE = "PAL0109";
    /// An operator of a selector.
    BAD_OPERATOR = "PAL0110";
    /// In and NotIn need values.
    VALUES_REQUIRED = "PAL0111";
    /// Exists and DoesNotExist take none.
    VALUES_FORBIDDEN = "PAL0112";
    /// A workload whose selector does not take its own pods.
    SELECTOR_MISMATCH = "PAL0113";
    /// A workload without a selector.
    SELECTOR_REQUIRED = "PAL0114";
    /// `kubernetes.io/metadata.name` with another value than the namespace's name.
    NAME_LABEL = "PAL0115";
    /// A value of `policyTypes`.
    POLICY_TYPE = "PAL0120";
    /// More than two `policyTypes`.
    POLICY_TYPES = "PAL0121";
    /// Rules of a direction that `policyTypes` leaves out.
    INERT_RULES = "PAL0122";
    /// A peer without any field.
    EMPTY_PEER = "PAL0123";
    /// `ipBlock` beside a selector.
    MIXED_PEER = "PAL0124";
    /// Not a CIDR.
    BAD_CIDR = "PAL0125";
    /// A CIDR with host bits.
    HOST_BITS = "PAL0126";
    /// An `except` that is not strictly inside its `cidr`.
    BAD_EXCEPT = "PAL0127";
    /// A port number.
    BAD_PORT = "PAL0130";
    /// `endPort` without a numeric port.
    END_PORT_ALONE = "PAL0131";
    /// `endPort` below `port`.
    END_PORT_ORDER = "PAL0132";
    /// A port name.
    BAD_PORT_NAME = "PAL0133";
    /// A protocol.
    BAD_PROTOCOL = "PAL0134";
    /// A port, or its name, twice.
    DUPLICATE_PORT = "PAL0135";
    /// A port of a Service with several ports has no name.
    UNNAMED_PORT = "PAL0136";
    /// A Service without ports.
    NO_PORTS = "PAL0137";
    /// Not an IP address.
    BAD_ADDRESS = "PAL0140";
    /// A list of ports in an annotation.
    BAD_PORT_LIST = "PAL0141";
    /// Interception by address range, which is not modelled.
    ADDRESS_CAPTURE = "PAL0142";
    /// A word that is none of those allowed.
    BAD_CHOICE = "PAL0150";
    /// `portLevelMtls` without a selector.
    PORT_LEVEL_SCOPE = "PAL0151";
    /// An AuthorizationPolicy that must have rules.
    RULES_REQUIRED = "PAL0152";
    /// An empty list or object where Istio wants at least one entry.
    EMPTY = "PAL0153";
    /// `selector` beside `targetRefs`.
    TWO_TARGETS = "PAL0154";
    /// A condition without values.
    NO_VALUES = "PAL0155";
    /// `serviceAccounts` beside `principals` or `namespaces`.
    TWO_IDENTITIES = "PAL0156";
    /// A host that Istio refuses.
    BAD_HOST = "PAL0157";
    /// CUSTOM without a provider.
    NO_PROVIDER = "PAL0158";
    /// A PeerAuthentication with a selector in the root namespace.
    ROOT_SELECTOR = "PAL0159";
    /// Settings of a Gateway server that contradict its protocol.
    SERVER_TLS = "PAL0160";
    /// The mesh configuration cannot be read.
    MESH_CONFIG = "PAL0161";
    /// An entry of `portLevelSettings` without `tls`.
    PORT_WITHOUT_TLS = "PAL0162";
    /// A backend of an Ingress.
    BAD_BACKEND = "PAL0163";
    /// A field whose effect is not part of the model.
    NOT_MODELLED = "PAL0164";
    /// A target of a policy that Istio refuses.
    BAD_TARGET = "PAL0166";
    /// A policy of another kind, whose effect is not part of the model.
    OTHER_POLICY = "PAL0167";
    /// TLS settings of a subset of a DestinationRule.
    SUBSET_TLS = "PAL0168";
    /// A field that the API server requires and no answer needs.
    INCOMPLETE = "PAL0169";
    /// A peer of a kind that is not known: its rule fails closed.
    UNKNOWN_PEER = "PAL0170";
    /// More items than the API server takes.
    TOO_MANY_ITEMS = "PAL0171";
    /// None or several of some fields of which one must be given.
    ONE_OF = "PAL0172";
    /// A range of ports that does not rise.
    RANGE_ORDER = "PAL0173";
    /// The name of a port beside addresses, which have none.
    NAMED_ADDRESS = "PAL0174";
    /// A BaselineAdminNetworkPolicy that is not named `default`.
    BASELINE_NAME = "PAL0175";
    /// A domain name, or one where none is allowed.
    DOMAIN_NAME = "PAL0176";
    /// The name of a rule.
    LONG_NAME = "PAL0177";
    /// A list that needs an item.
    NO_ITEMS = "PAL0178";
    /// More problems than are told.
    TOO_MANY = "PAL0165";
}

#[test]
fn codes_are_unique() {
    let unique: std::collections::BTreeSet<_> = ALL.iter().collect();
    assert_eq!(unique.len(), ALL.len());
}
