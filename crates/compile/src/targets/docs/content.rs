//! What the documents say, before it becomes tables.

/// Everything that is documented.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) title: String,
    pub(crate) notes: Vec<String>,
    pub(crate) outbound_notes: Vec<String>,
    /// In the matrix' order.
    pub(crate) components: Vec<ComponentEntry>,
    pub(crate) zones: Vec<ZoneEntry>,
    pub(crate) cells: Vec<CellEntry>,
    /// In the matrix' order.
    pub(crate) connections: Vec<Connection>,
    /// What zones have without naming it (DNS, the mesh's control plane).
    pub(crate) implied: Vec<Connection>,
    pub(crate) toggles: Vec<ToggleEntry>,
    pub(crate) parameters: Vec<ParameterEntry>,
    /// The resolution that the document is for, in words.
    pub(crate) resolution: Vec<(String, String)>,
}

/// A component.
#[derive(Debug, Clone, Default)]
pub(crate) struct ComponentEntry {
    pub(crate) name: String,
    pub(crate) inbound_title: String,
    pub(crate) outbound_title: String,
    pub(crate) notes: Vec<String>,
    /// How its policy is switched off.
    pub(crate) off: Vec<String>,
}

/// A zone.
#[derive(Debug, Clone, Default)]
pub(crate) struct ZoneEntry {
    pub(crate) name: String,
    pub(crate) title: String,
}

/// A cell of the zone matrix.
#[derive(Debug, Clone, Default)]
pub(crate) struct CellEntry {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) text: String,
    /// Numbers and texts.
    pub(crate) footnotes: Vec<(i64, String)>,
}

/// One connection, as people read it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    pub(crate) id: String,
    pub(crate) from: Side,
    pub(crate) to: Side,
    /// `TCP`, `TCP, UDP`, `Any`.
    pub(crate) protocol: String,
    pub(crate) port: String,
    pub(crate) reason: String,
    /// Whether the destination's policy has it.
    pub(crate) enabled_inbound: String,
    /// Whether the source's policy has it.
    pub(crate) enabled_outbound: String,
    /// When it may be made at all.
    pub(crate) enabled: String,
    pub(crate) encryption: String,
    pub(crate) exception: String,
    pub(crate) ingress: bool,
    pub(crate) egress: bool,
}

/// One end of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    /// As a table of the other end calls it.
    pub(crate) title: String,
    pub(crate) pod_label: String,
    /// The components whose tables list it.
    pub(crate) components: Vec<String>,
}

/// A toggle.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToggleEntry {
    pub(crate) name: String,
    pub(crate) default: bool,
    pub(crate) reason: String,
    pub(crate) set_by: Vec<String>,
    pub(crate) on_enable: String,
}

/// A parameter.
#[derive(Debug, Clone, Default)]
pub(crate) struct ParameterEntry {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) default: String,
    pub(crate) description: String,
    pub(crate) set_by: Vec<String>,
}
