//! What the API server serves: groups, versions and resources.

use crate::http::{Problem, Server};
use crate::problems;
use crate::wants::Want;
use palisade_diagnostics::Diagnostic;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Groups of Istio.
const MESH_GROUPS: [&str; 2] = ["networking.istio.io", "security.istio.io"];
/// Most groups that are asked for their resources.
const MAX_GROUPS: usize = 1000;

/// A resource that can be listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    /// The path of its list, from the root.
    pub(crate) path: String,
    /// `apiVersion` of its objects.
    pub(crate) api_version: String,
    /// Its name, for example `networkpolicies`.
    pub(crate) name: String,
}

/// What the server serves.
#[derive(Debug, Default)]
pub(crate) struct Served {
    /// By group: versions, preferred first, each with the kinds and names of its resources.
    groups: BTreeMap<String, Vec<Version>>,
    /// Versions whose resources could not be read.
    silent: Vec<(String, Diagnostic)>,
}

/// A version of a group.
#[derive(Debug)]
struct Version {
    name: String,
    /// Kind and name of each resource that can be listed.
    resources: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    name: String,
    versions: Vec<GroupVersion>,
    preferred_version: Option<GroupVersion>,
}

#[derive(Deserialize)]
struct GroupVersion {
    version: String,
}

#[derive(Deserialize)]
struct Resources {
    resources: Vec<ApiResource>,
}

#[derive(Deserialize)]
struct ApiResource {
    name: String,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
}

impl Served {
    /// Asks the server.
    pub(crate) async fn discover(server: &Server) -> Result<Self, Diagnostic> {
        let lost = |path: &str, problem| problems::no_discovery(server, path, problem);
        let mut served = Self::default();
        let core = resources(server, "/api/v1")
            .await
            .map_err(|problem| lost("/api/v1", problem))?;
        let core = Version {
            name: "v1".to_owned(),
            resources: core,
        };
        served.groups.insert(String::new(), vec![core]);
        let groups: Groups = server
            .json("/apis")
            .await
            .map_err(|problem| lost("/apis", problem))?;
        for group in groups.groups.into_iter().take(MAX_GROUPS) {
            served.group(server, group).await?;
        }
        Ok(served)
    }

    /// Asks the server about one group.
    pub(crate) async fn of(server: &Server, wanted: &str) -> Result<Self, Diagnostic> {
        let mut served = Self::default();
        let groups: Groups = server
            .json("/apis")
            .await
            .map_err(|problem| problems::no_discovery(server, "/apis", problem))?;
        for group in groups.groups.into_iter().filter(|g| g.name == wanted) {
            served.group(server, group).await?;
        }
        Ok(served)
    }

    async fn group(&mut self, server: &Server, group: Group) -> Result<(), Diagnostic> {
        let mut names: Vec<String> = group.versions.into_iter().map(|v| v.version).collect();
        if let Some(preferred) = group.preferred_version {
            names.sort_by_key(|name| *name != preferred.version);
        }
        for name in names {
            let path = format!("/apis/{}/{name}", group.name);
            match resources(server, &path).await {
                Ok(resources) => {
                    let version = Version { name, resources };
                    self.groups
                        .entry(group.name.clone())
                        .or_default()
                        .push(version);
                }
                Err(problem) if problem.is_answer() => {
                    let told = problems::silent_group(server, &path, problem);
                    self.silent.push((group.name.clone(), told));
                }
                Err(problem) => return Err(problems::no_discovery(server, &path, problem)),
            }
        }
        Ok(())
    }

    /// Whether the cluster knows Istio's kinds.
    pub(crate) fn has_mesh(&self) -> bool {
        MESH_GROUPS.iter().any(|g| self.groups.contains_key(*g))
    }

    /// Every kind that can be listed, by group.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = (&str, &str)> {
        self.groups.iter().flat_map(|(group, versions)| {
            let mut kinds: Vec<&str> = versions
                .iter()
                .flat_map(|version| version.resources.iter().map(|(kind, _)| kind.as_str()))
                .collect();
            kinds.sort_unstable();
            kinds.dedup();
            kinds.into_iter().map(move |kind| (group.as_str(), kind))
        })
    }

    /// What was not answered and could hold something that answers depend on: a kind that we read, or a
    /// policy of a network plugin.
    pub(crate) fn told(&self) -> Vec<Diagnostic> {
        let matters = |group: &str| {
            let ours = palisade_resources::KINDS.iter().any(|k| k.group == group);
            ours || ["cilium.io", "projectcalico.org", "antrea.io"]
                .iter()
                .any(|known| group.ends_with(known))
        };
        let silent = self.silent.iter().filter(|(group, _)| matters(group));
        silent.map(|(_, told)| told.clone()).collect()
    }

    /// Why the resources of a group could not be read, if they could not.
    pub(crate) fn silence(&self, group: &str) -> Option<&Diagnostic> {
        let mut silent = self.silent.iter();
        silent.find(|(name, _)| name == group).map(|(_, told)| told)
    }

    /// Where a wanted kind is listed. `Err` if it is not served: with something to tell if that matters.
    pub(crate) fn resource(&self, want: &Want) -> Result<Resource, Option<Diagnostic>> {
        let versions = self.groups.get(&want.group).map(Vec::as_slice);
        let versions = versions.unwrap_or_default();
        let name_in = |version: &Version| {
            let mut resources = version.resources.iter();
            let found = resources.find(|(kind, _)| *kind == want.kind)?;
            Some((version.name.clone(), found.1.clone()))
        };
        let serving: Vec<(String, String)> = versions.iter().filter_map(name_in).collect();
        let mut wanted = want.versions.iter();
        let found = match want.versions.is_empty() {
            true => serving.first(),
            false => wanted.find_map(|wanted| serving.iter().find(|(v, _)| v == wanted)),
        };
        match (found, serving.first()) {
            (Some((version, name)), _) => Ok(self.at(want, version, name)),
            (None, Some((version, _))) => Err(Some(problems::other_version(want, version))),
            (None, None) if want.built_in => Err(Some(problems::not_served(want))),
            (None, None) => Err(None),
        }
    }

    fn at(&self, want: &Want, version: &str, name: &str) -> Resource {
        let (path, api_version) = match want.group.as_str() {
            "" => (format!("/api/{version}/{name}"), version.to_owned()),
            group => (
                format!("/apis/{group}/{version}/{name}"),
                format!("{group}/{version}"),
            ),
        };
        Resource {
            path,
            api_version,
            name: name.to_owned(),
        }
    }
}

/// Kind and name of what can be listed; subresources cannot.
async fn resources(server: &Server, path: &str) -> Result<Vec<(String, String)>, Problem> {
    let found: Resources = server.json(path).await?;
    let listed = found
        .resources
        .into_iter()
        .filter(|r| !r.name.contains('/') && r.verbs.iter().any(|verb| verb == "list"));
    Ok(listed.map(|r| (r.kind, r.name)).collect())
}
