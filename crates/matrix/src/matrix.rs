//! A parsed matrix: every list as written, fragments merged, nothing resolved.

pub use crate::syntax::cell::Cell;
pub use crate::syntax::component::Component;
pub use crate::syntax::endpoint::Endpoint;
pub use crate::syntax::exception::Exception;
pub use crate::syntax::flow::Flow;
pub use crate::syntax::parameter::{Parameter, ParameterType};
pub use crate::syntax::platform::Platform;
pub use crate::syntax::setting::SetBy;
pub use crate::syntax::toggle::Toggle;
pub use crate::syntax::zone::Zone;

use crate::raw::Raw;

/// `spec.docs`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Docs {
    /// Title of the document; the matrix' title if nothing is said.
    pub title: String,
    /// Remarks at its beginning.
    pub notes: Vec<String>,
    /// Remarks above the inbound tables.
    pub inbound_notes: Vec<String>,
    /// Remarks above the outbound tables.
    pub outbound_notes: Vec<String>,
}

/// A parsed matrix.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) docs: Docs,
    pub(crate) mesh: Option<Raw>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) toggles: Vec<Toggle>,
    pub(crate) platforms: Vec<Platform>,
    pub(crate) requires: Vec<Raw>,
    pub(crate) zones: Vec<(Zone, Raw)>,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) components: Vec<Component>,
    pub(crate) cells: Vec<(Cell, Raw)>,
    pub(crate) flows: Vec<Flow>,
    pub(crate) exceptions: Vec<(Exception, Raw)>,
}

impl Matrix {
    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `spec.title`; the name if nothing is said.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// `spec.docs`.
    #[must_use]
    pub fn docs(&self) -> &Docs {
        &self.docs
    }

    /// Parameters, in written order.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Toggles, in written order.
    #[must_use]
    pub fn toggles(&self) -> &[Toggle] {
        &self.toggles
    }

    /// Platforms, in written order; none means `kubernetes` alone.
    #[must_use]
    pub fn platforms(&self) -> &[Platform] {
        &self.platforms
    }

    /// The platform that is meant if none is named: `kubernetes`, or else the first.
    #[must_use]
    pub fn default_platform(&self) -> &str {
        let names = || self.platforms.iter().map(|p| p.name.value.as_str());
        names().find(|n| *n == KUBERNETES).or_else(|| names().next()).unwrap_or(KUBERNETES)
    }

    /// The names of the platforms; `kubernetes` if none is written.
    #[must_use]
    pub fn platform_names(&self) -> Vec<String> {
        if self.platforms.is_empty() {
            return vec![KUBERNETES.to_owned()];
        }
        self.platforms.iter().map(|p| p.name.value.clone()).collect()
    }

    /// Zones, in written order.
    pub fn zones(&self) -> impl Iterator<Item = &Zone> {
        self.zones.iter().map(|(zone, _)| zone)
    }

    /// Endpoints, in written order.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Components, in written order.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Cells, in written order.
    pub fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.cells.iter().map(|(cell, _)| cell)
    }

    /// Flows, in written order.
    #[must_use]
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// A flow by id.
    #[must_use]
    pub fn flow(&self, id: &str) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.id.value == id)
    }

    /// A component by name.
    #[must_use]
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|c| c.name.value == name)
    }

    /// An endpoint by name.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|e| e.name.value == name)
    }

    /// Exceptions, in written order.
    pub fn exceptions(&self) -> impl Iterator<Item = &Exception> {
        self.exceptions.iter().map(|(exception, _)| exception)
    }
}

/// The platform of a matrix that names none.
pub(crate) const KUBERNETES: &str = "kubernetes";
