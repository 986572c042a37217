//! Objects of a live cluster as they change: a list, then a watch from its version on, for each kind.
//!
//! A watch that ends goes on from the last version that was seen; if the server does not have that any more (410), or
//! says what the API does not say, everything is listed again. What cannot be heard is told, and tried again after
//! a pause that grows. Whatever comes between is silence: objects are gone if the server says so, and only then.

use crate::discovery::{Resource, Served};
use crate::http::{Problem, Server, chain};
use crate::lists::{address, object};
use crate::wants::{self, Want};
use crate::{Access, Object, problems};
use http_body_util::BodyExt;
use kube::client::Body;
use palisade_diagnostics::Diagnostic;
use palisade_resources::served::plural;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What is followed. The groups of the last three may be missing.
pub const FOLLOWED: [&str; 7] = [
    "Pod",
    "Namespace",
    "Node",
    "NetworkPolicy",
    "ClusterNetworkPolicy",
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
];

/// What happened to the objects of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// These are all there are.
    Listed(Vec<Object>),
    /// One is new, or other than before.
    Put(Object),
    /// The one of this name is gone.
    Gone(String),
    /// The server is heard.
    Heard,
    /// The server is not heard, and why: what was heard last may be old.
    Lost(String),
}

/// Most pages of a list, and most bytes of one event: ten times the largest object that etcd takes.
const MAX_PAGES: usize = 3000;
const MAX_EVENT: usize = 16 << 20;
/// HTTP: a version that the server does not have any more.
const GONE: u16 = 410;
/// HTTP: nothing is there.
const MISSING: u16 = 404;
/// How long the server is asked to hold a watch. It says something at least every minute (`Kubernetes API concepts,
/// Watch bookmarks`); after this silence it is asked again.
const HOLD: u64 = 240;
const SILENCE: Duration = Duration::from_secs(100);
/// The pause after a failure: the first one, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);
/// How often it is looked whether a kind that is not served is served now.
const ABSENT: Duration = Duration::from_secs(60);

/// Follows everything for ever, and sends what happens, with its kind; ends if nobody takes it any more.
///
/// # Errors
///
/// No credentials can be made.
pub fn watch(access: &Access, send: &Sender<(&'static str, Event)>) -> Result<(), Diagnostic> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| problems::no_runtime(&error))?;
    runtime.block_on(async {
        let server = Arc::new(access.connect().await?);
        let mut tasks = Vec::new();
        for kind in FOLLOWED {
            let wants = wants::kinds(true, false);
            let Some(want) = wants.into_iter().find(|want| want.kind == kind) else {
                continue;
            };
            let follower = Follower {
                kind,
                want,
                server: Arc::clone(&server),
                send: send.clone(),
                heard: None,
                failures: 0,
                resource: built_in(kind),
            };
            tasks.push(tokio::spawn(follower.follow()));
        }
        for task in tasks {
            // A task ends when nobody takes events any more.
            let _ = task.await;
        }
        Ok(())
    })
}

/// Who follows a kind.
struct Follower {
    kind: &'static str,
    want: Want,
    server: Arc<Server>,
    send: Sender<(&'static str, Event)>,
    /// Whether the server was heard, as it was told last.
    heard: Option<bool>,
    failures: u32,
    /// Where the kind is served, as far as is known.
    resource: Option<Resource>,
}

/// Why a kind is not followed any further.
enum Stop {
    /// Nobody takes events.
    Unwanted,
    /// The server.
    Problem(String),
}

/// How a watch ended.
enum Ended {
    /// As watches end: it goes on from the last version.
    Well,
    /// Versions are gone: list again.
    Stale,
}

#[derive(Deserialize)]
struct Page {
    kind: String,
    metadata: Meta,
    items: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    object: Value,
}

impl Follower {
    async fn follow(mut self) {
        loop {
            match self.round().await {
                Err(Stop::Unwanted) => return,
                Err(Stop::Problem(why)) => {
                    self.failures += 1;
                    if self.tell(Event::Lost(why)).is_err() {
                        return;
                    }
                    tokio::time::sleep(pause(self.failures)).await;
                }
                Ok(()) => {}
            }
        }
    }

    /// A list, and watches until it must be listed again.
    async fn round(&mut self) -> Result<(), Stop> {
        let Some(resource) = self.resource().await? else {
            self.tell(Event::Listed(Vec::new()))?;
            self.tell(Event::Heard)?;
            tokio::time::sleep(ABSENT).await;
            return Ok(());
        };
        let (objects, mut version) = match self.list(&resource).await {
            Err(Problem::Refused(MISSING, _)) if built_in(self.kind).is_none() => {
                // What two answers say: it is not served any more.
                self.resource = None;
                return Ok(());
            }
            listed => listed.map_err(|p| self.problem(&p))?,
        };
        self.resource = Some(resource.clone());
        self.tell(Event::Listed(objects))?;
        self.well()?;
        loop {
            let begun = Instant::now();
            match self.watch(&resource, &mut version).await? {
                Ended::Stale => return Ok(()),
                Ended::Well => {}
            }
            // A server that ends watches at once is not asked without a pause.
            tokio::time::sleep(PAUSE.saturating_sub(begun.elapsed())).await;
        }
    }

    /// Where the kind is served; `None` if it is not, and need not be.
    async fn resource(&self) -> Result<Option<Resource>, Stop> {
        let said = |told: Diagnostic| Stop::Problem(told.plain_text().replace('\n', ": "));
        if self.resource.is_some() {
            return Ok(self.resource.clone());
        }
        let found = Served::of(&self.server, &self.want.group).await;
        let served = found.map_err(said)?;
        // A group that is there and does not answer may hold policies.
        if let Some(silent) = served.silence(&self.want.group) {
            return Err(said(silent.clone()));
        }
        match served.resource(&self.want) {
            Ok(resource) => Ok(Some(resource)),
            Err(None) => Ok(None),
            Err(Some(told)) => Err(said(told)),
        }
    }

    async fn list(&self, resource: &Resource) -> Result<(Vec<Object>, String), Problem> {
        let mut objects = Vec::new();
        let mut token = String::new();
        for _ in 0..MAX_PAGES {
            let path = address(&self.want, resource, &token);
            let page: Page = self.server.json(&path).await?;
            if page.kind != format!("{}List", self.kind)
                || page.metadata.resource_version.is_empty()
            {
                return Err(Problem::Garbage("that is another list".to_owned()));
            }
            for item in page.items {
                objects.extend(object(&self.want, resource, item)?);
            }
            match page.metadata.next.filter(|next| !next.is_empty()) {
                None => return Ok((objects, page.metadata.resource_version)),
                Some(next) if next == token => {
                    let said = "a page comes after itself".to_owned();
                    return Err(Problem::Garbage(said));
                }
                Some(next) => token = next,
            }
        }
        Err(Problem::TooLarge)
    }

    async fn watch(&mut self, resource: &Resource, version: &mut String) -> Result<Ended, Stop> {
        let path = format!(
            "{}?watch=1&allowWatchBookmarks=true&timeoutSeconds={HOLD}&resourceVersion={}",
            resource.path,
            crate::lists::escaped(version)
        );
        let mut body = match self.server.open(&path).await {
            Ok(body) => body,
            Err(Problem::Refused(GONE, _)) => return Ok(Ended::Stale),
            Err(problem) => return Err(self.problem(&problem)),
        };
        self.well()?;
        let mut lines = Lines::default();
        loop {
            let Some(bytes) = next(&mut body).await.map_err(|p| self.problem(&p))? else {
                if lines.rest.is_empty() {
                    return Ok(Ended::Well);
                }
                let said = "it ends in the middle of an event".to_owned();
                return Err(self.problem(&Problem::Broken(said)));
            };
            lines.add(&bytes).map_err(|p| self.problem(&p))?;
            while let Some(line) = lines.next() {
                let said = serde_json::from_slice::<Said>(&line)
                    .map_err(|e| self.problem(&Problem::Garbage(e.to_string())))?;
                if self.said(resource, said, version)? {
                    return Ok(Ended::Stale);
                }
            }
        }
    }

    /// Passes on what a watch says. Gives whether everything must be listed again.
    fn said(
        &mut self,
        resource: &Resource,
        said: Said,
        version: &mut String,
    ) -> Result<bool, Stop> {
        let garbage = |what: &str| Problem::Garbage(what.to_owned());
        if said.kind == "ERROR" {
            let code = said.object.get("code").and_then(Value::as_u64);
            let words = said.object.get("message").and_then(Value::as_str);
            let code = u16::try_from(code.unwrap_or_default()).unwrap_or_default();
            return match code {
                GONE => Ok(true),
                code => {
                    let problem = Problem::Refused(code, words.unwrap_or_default().to_owned());
                    Err(self.problem(&problem))
                }
            };
        }
        let new = said.object.pointer("/metadata/resourceVersion");
        let Some(new) = new.and_then(Value::as_str).map(str::to_owned) else {
            return Err(self.problem(&garbage("an event without a version")));
        };
        if said.kind != "BOOKMARK" {
            let found = object(&self.want, resource, said.object).map_err(|p| self.problem(&p))?;
            let event = match (said.kind.as_str(), found) {
                ("ADDED" | "MODIFIED", Some(object)) => Event::Put(object),
                ("DELETED", Some(object)) => Event::Gone(object.name),
                _ => return Err(self.problem(&garbage("an event of an unknown type"))),
            };
            self.tell(event)?;
        }
        *version = new;
        Ok(false)
    }

    /// The server does what it should.
    fn well(&mut self) -> Result<(), Stop> {
        self.failures = 0;
        self.tell(Event::Heard)
    }

    /// Sends an event; what is known of the server already is not told again.
    fn tell(&mut self, event: Event) -> Result<(), Stop> {
        let heard = match event {
            Event::Heard => Some(true),
            Event::Lost(_) => Some(false),
            _ => None,
        };
        if heard.is_some() && std::mem::replace(&mut self.heard, heard) == heard {
            return Ok(());
        }
        self.send
            .send((self.kind, event))
            .map_err(|_| Stop::Unwanted)
    }

    fn problem(&self, problem: &Problem) -> Stop {
        Stop::Problem(format!(
            "{} of `{}`: {problem}",
            self.kind, self.server.name
        ))
    }
}

/// The ClusterRole `palisade-agent` as YAML, made from what is followed.
#[must_use]
pub fn cluster_role() -> String {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let followed = wants::kinds(true, false).into_iter();
    for want in followed.filter(|want| FOLLOWED.contains(&want.kind.as_str())) {
        let resources = groups.entry(want.group).or_default();
        resources.push(plural(&want.kind));
    }
    let mut out = String::from(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: palisade-agent\nrules:\n",
    );
    for (group, mut resources) in groups {
        resources.sort();
        let resources = resources.join(", ");
        out.push_str(&format!(
            "- apiGroups: [\"{group}\"]\n  resources: [{resources}]\n  verbs: [list, watch]\n"
        ));
    }
    out
}

/// Where every cluster serves a kind.
fn built_in(kind: &str) -> Option<Resource> {
    let (home, api_version) = match kind {
        "Pod" | "Namespace" | "Node" => ("/api/v1", "v1"),
        "NetworkPolicy" => ("/apis/networking.k8s.io/v1", "networking.k8s.io/v1"),
        _ => return None,
    };
    let name = plural(kind);
    Some(Resource {
        path: format!("{home}/{name}"),
        api_version: api_version.to_owned(),
        name,
    })
}

/// The next bytes; `None` at the end, and after a long silence.
async fn next(body: &mut Body) -> Result<Option<Vec<u8>>, Problem> {
    loop {
        let Ok(frame) = tokio::time::timeout(SILENCE, body.frame()).await else {
            return Ok(None);
        };
        let Some(frame) = frame else { return Ok(None) };
        let frame = frame.map_err(|error| Problem::Broken(chain(&error)))?;
        if let Some(data) = frame.data_ref() {
            return Ok(Some(data.to_vec()));
        }
    }
}

/// Lines, whatever the pieces are that they come in.
#[derive(Debug, Default)]
struct Lines {
    rest: Vec<u8>,
    /// Bytes of the rest that hold no end of a line.
    looked: usize,
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        if self.rest.len() + bytes.len() > MAX_EVENT {
            return Err(Problem::TooLarge);
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        let new = self.rest.get(self.looked..).unwrap_or_default();
        let Some(end) = new.iter().position(|byte| *byte == b'\n') else {
            self.looked = self.rest.len();
            return None;
        };
        let rest = self.rest.split_off(self.looked + end + 1);
        self.looked = 0;
        Some(std::mem::replace(&mut self.rest, rest))
    }
}

/// Twice as long after each failure, and not at the same moment on all nodes.
fn pause(failures: u32) -> Duration {
    let whole = PAUSE
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1).min(16)))
        .min(LONGEST);
    let part = RandomState::new().hash_one(failures) % 1000;
    whole / 2
        + whole
            .mul_f64(0.0005)
            .saturating_mul(u32::try_from(part).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, Lines, PAUSE, pause};

    #[test]
    fn lines_are_whole_whatever_the_pieces() {
        let text = b"one\n\ntwo and three\nfour";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let mut found = Vec::new();
            for piece in text.chunks(size) {
                lines.add(piece).unwrap();
                while let Some(line) = lines.next() {
                    found.push(String::from_utf8(line).unwrap());
                }
            }
            assert_eq!(found, ["one\n", "\n", "two and three\n"]);
            assert_eq!(lines.rest, b"four");
        }
        assert!(
            Lines::default()
                .add(&vec![0; super::MAX_EVENT + 1])
                .is_err()
        );
    }

    #[test]
    fn pauses_grow_and_end() {
        for failures in 0..100 {
            let wait = pause(failures);
            assert!(wait >= PAUSE / 2 && wait <= LONGEST, "{failures}: {wait:?}");
        }
        assert!(pause(30) >= LONGEST / 2);
    }
}
