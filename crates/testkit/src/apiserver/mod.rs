//! A small Kubernetes API server for tests: discovery and lists with pages, over HTTP or TLS, from the objects of
//! manifests. It remembers every request, and a test may make it fail in any way.
//!
//! It is a model: it knows GET alone, no authorisation, and no resource but those in [`resources`]. Objects may change
//! while it runs, and watches tell it; each ends after what it tells, or after a moment of nothing.

mod held;
mod http;
mod objects;
mod resources;

pub use http::{Fault, Request};
pub use objects::objects;

use held::Held;
use http::Answer;
use resources::Resource;
use serde_json::{Value, json};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The authority that signed the certificate of the server, as PEM.
pub const AUTHORITY: &str = include_str!("tls/ca.pem");

/// What a test wants to go wrong with a request; it is told how many came before.
pub type Faults = Box<dyn Fn(&Request, usize) -> Option<Fault> + Send + Sync>;

/// How a server is set up.
pub struct Setup {
    /// Its objects, with `apiVersion` and `kind`.
    pub objects: Vec<Value>,
    /// Most items of a page, whatever the client asks for.
    pub page: usize,
    /// The bearer token that it wants, if any.
    pub token: Option<String>,
    /// What goes wrong.
    pub faults: Faults,
    /// Whether it speaks TLS.
    pub tls: bool,
}

impl Setup {
    /// A server that does what it should.
    #[must_use]
    pub fn new(objects: Vec<Value>) -> Self {
        Self {
            objects,
            page: usize::MAX,
            token: None,
            faults: Box::new(|_, _| None),
            tls: false,
        }
    }

    /// The same with something that goes wrong.
    #[must_use]
    pub fn failing(
        self,
        faults: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self {
            faults: Box::new(faults),
            ..self
        }
    }
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("objects", &self.objects.len())
            .finish_non_exhaustive()
    }
}

/// What the threads of a server share.
struct Shared {
    setup: Setup,
    held: Mutex<Held>,
    resources: Vec<Resource>,
    requests: Mutex<Vec<Request>>,
    stop: AtomicBool,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Starts a server on a free port of this machine.
    ///
    /// # Errors
    ///
    /// No port is free.
    pub fn start(setup: Setup) -> io::Result<Self> {
        Self::start_at(([127, 0, 0, 1], 0).into(), setup)
    }

    /// Starts it at an address, which may be that of one that has ended.
    ///
    /// # Errors
    ///
    /// If somebody else has the address.
    pub fn start_at(address: SocketAddr, setup: Setup) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let resources = resources::served(&setup.objects);
        let shared = Arc::new(Shared {
            held: Mutex::new(Held::new(setup.objects.clone())),
            setup,
            resources,
            requests: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let all = Arc::clone(&shared);
        let thread = thread::spawn(move || accept(&listener, &all));
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Its address, as a kubeconfig has it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.shared.setup.tls {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig with the context `test` for this server; `cluster` and `user` are further fields as JSON.
    #[must_use]
    pub fn kubeconfig(&self, cluster: &Value, user: &Value) -> String {
        let mut cluster = cluster.clone();
        if let Value::Object(fields) = &mut cluster {
            fields.insert("server".to_owned(), Value::from(self.url()));
        }
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
        })
        .to_string()
    }

    /// Writes a kubeconfig without credentials.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write_kubeconfig(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.kubeconfig(&json!({}), &json!({})))
    }

    /// Creates an object, or puts another version in its place.
    pub fn put(&self, object: Value) {
        self.shared.held().put(object);
    }

    /// Deletes an object.
    pub fn delete(&self, object: &Value) {
        self.shared.held().delete(object);
    }

    /// Forgets what happened until now: watches from an earlier version are refused.
    pub fn compact(&self) {
        self.shared.held().compact();
    }

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let requests = self.shared.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        // One more connection wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept() {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            let _ = http::serve(stream, shared.setup.tls, &shared.stop, &|request| {
                shared.answer(request)
            });
        });
    }
}

impl Shared {
    fn answer(&self, request: &Request) -> Answer {
        let before = {
            let requests = self.requests.lock();
            let mut requests = requests.unwrap_or_else(PoisonError::into_inner);
            requests.push(request.clone());
            requests.len() - 1
        };
        let wanted = self.setup.token.as_ref().map(|t| format!("Bearer {t}"));
        if wanted.is_some() && request.authorization != wanted {
            return status(401, "Unauthorized");
        }
        let fault = (self.setup.faults)(request, before);
        match fault {
            Some(Fault::Status(code, message)) => status(code, &message),
            fault => {
                let mut answer = self.right_answer(request);
                answer.fault = fault;
                answer
            }
        }
    }

    fn right_answer(&self, request: &Request) -> Answer {
        if request.method != "GET" {
            return status(405, "this server is read only");
        }
        if let Some(told) = self.watch(request) {
            return told;
        }
        let found = match request.path.as_str() {
            "/api" => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
            "/apis" => Some(resources::groups(&self.resources)),
            path => self
                .list(path, request)
                .or_else(|| resources::of(&self.resources, path)),
        };
        match found {
            Some(value) => Answer::json(200, &value),
            None => status(404, "the server could not find the requested resource"),
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened to a resource, once something has.
    fn watch(&self, request: &Request) -> Option<Answer> {
        let resource = self.resources.iter().find(|r| r.list() == request.path)?;
        request.value("watch").filter(|watch| watch == "1")?;
        let since = request.value("resourceVersion")?.parse().ok()?;
        for _ in 0..WATCH {
            let told = self.held().since(since, resource);
            if told.as_ref().is_none_or(|lines| !lines.is_empty())
                || self.stop.load(Ordering::SeqCst)
            {
                return Some(told.map_or_else(
                    || status(410, "too old resource version"),
                    |lines| Answer::lines(&lines),
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Some(Answer::lines(&[]))
    }

    /// A page of a list.
    fn list(&self, path: &str, request: &Request) -> Option<Value> {
        let resource = self.resources.iter().find(|r| r.list() == path)?;
        let held = self.held();
        let (items, version) = (held.list(resource), held.version());
        drop(held);
        let items: Vec<Value> = match request.value("fieldSelector") {
            Some(selector) => {
                let name = selector.strip_prefix("metadata.name=")?.to_owned();
                let named = |item: &Value| {
                    let found = item.pointer("/metadata/name").and_then(Value::as_str);
                    found == Some(name.as_str())
                };
                items.into_iter().filter(named).collect()
            }
            None => items,
        };
        let asked = request.value("limit").and_then(|limit| limit.parse().ok());
        let size = asked.unwrap_or(usize::MAX).min(self.setup.page).max(1);
        let token = request.value("continue");
        let start = match &token {
            None => 0,
            Some(token) => token.strip_prefix(TOKEN)?.parse().ok()?,
        };
        let rest: Vec<Value> = items.into_iter().skip(start).collect();
        let next = (rest.len() > size).then(|| format!("{TOKEN}{}", start + size));
        Some(json!({
            "kind": format!("{}List", resource.kind),
            "apiVersion": resource.api_version(),
            "metadata": {"resourceVersion": version.to_string(), "continue": next},
            "items": rest.into_iter().take(size).collect::<Vec<Value>>(),
        }))
    }
}

/// How often a watch looks whether something happened.
const WATCH: usize = 20;

/// How the tokens of pages start: with characters that a query must escape.
const TOKEN: &str = "a+b/c=&";

/// A refusal in the words of the API.
fn status(code: u16, message: &str) -> Answer {
    let value = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "metadata": {}, "message": message, "code": code,
    });
    Answer::json(code, &value)
}
