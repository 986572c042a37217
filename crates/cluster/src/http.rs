//! GET requests with a limit of time and of size, and what can go wrong with one.

use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::time::Duration;

/// Most bytes of one answer. A page of 500 objects of the largest size that etcd takes is below.
const MAX_ANSWER: usize = 800 << 20;
/// Most bytes of an answer that refuses.
const MAX_REFUSAL: usize = 1 << 20;

/// HTTP: too many requests; how often and after which time the server is asked again.
const BUSY: u16 = 429;
const MAX_TRIES: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// A server that answers.
pub(crate) struct Server {
    client: Client,
    /// How it is shown: its address.
    pub(crate) name: String,
    timeout: Duration,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("name", &self.name).finish()
    }
}

/// Why there is no answer, or not the one that was wanted.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The server refuses: HTTP status and its words.
    Refused(u16, String),
    /// What it sent is not what the Kubernetes API sends.
    Garbage(String),
    /// The answer ended before its end.
    Broken(String),
    /// No connection.
    Unreachable(String),
    /// The credentials cannot be made.
    Credentials(String),
    /// No answer in time.
    Slow(Duration),
    /// More than [`MAX_ANSWER`].
    TooLarge,
}

impl Problem {
    /// Whether the server answered, so that other requests may go better.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Refused(status, _) => *status != 401,
            Self::Garbage(_) | Self::TooLarge => true,
            Self::Broken(_) | Self::Unreachable(_) | Self::Credentials(_) | Self::Slow(_) => false,
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(status, said) => write!(f, "status {status}: {said}"),
            Self::Garbage(said) => write!(f, "what it says is no Kubernetes API: {said}"),
            Self::Broken(said) | Self::Unreachable(said) | Self::Credentials(said) => {
                f.write_str(said)
            }
            Self::Slow(time) => write!(f, "no answer in {} s", time.as_secs()),
            Self::TooLarge => f.write_str("the answer is too large"),
        }
    }
}

#[derive(Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

impl Server {
    pub(crate) fn new(client: Client, name: String, timeout: Duration) -> Self {
        Self {
            client,
            name,
            timeout,
        }
    }

    /// The answer to a GET as JSON of a known form.
    pub(crate) async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        let mut tries = 0;
        let bytes = loop {
            tries += 1;
            let answer = tokio::time::timeout(self.timeout, self.get(path)).await;
            match answer.map_err(|_| Problem::Slow(self.timeout))? {
                Err(Problem::Refused(BUSY, _)) if tries < MAX_TRIES => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => break answer?,
            }
        };
        serde_json::from_slice(&bytes).map_err(|error| Problem::Garbage(error.to_string()))
    }

    /// The answer to a GET as it comes, for as long as it comes; its start must come in time.
    pub(crate) async fn open(&self, path: &str) -> Result<Body, Problem> {
        let answer = tokio::time::timeout(self.timeout, self.send(path)).await;
        answer.map_err(|_| Problem::Slow(self.timeout))?
    }

    async fn get(&self, path: &str) -> Result<Vec<u8>, Problem> {
        collect(self.send(path).await?, MAX_ANSWER).await
    }

    async fn send(&self, path: &str) -> Result<Body, Problem> {
        let request = http::Request::get(path)
            .header(http::header::ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(|error| Problem::Garbage(error.to_string()))?;
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| unreachable(&error))?;
        let status = response.status();
        if !status.is_success() {
            let said = collect(response.into_body(), MAX_REFUSAL).await;
            return Err(Problem::Refused(
                status.as_u16(),
                words(&said.unwrap_or_default()),
            ));
        }
        Ok(response.into_body())
    }
}

async fn collect(mut body: Body, most: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::Broken(chain(&error)))?;
        if let Some(data) = frame.data_ref() {
            if bytes.len() + data.len() > most {
                return Err(Problem::TooLarge);
            }
            bytes.extend_from_slice(data);
        }
    }
    Ok(bytes)
}

/// What a refusal says: the message of a `Status`, else the start of the text.
fn words(bytes: &[u8]) -> String {
    let said = serde_json::from_slice::<Status>(bytes).map(|status| status.message);
    let text = said.unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned());
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(300).collect()
}

fn unreachable(error: &kube::Error) -> Problem {
    let said = chain(error);
    match error {
        kube::Error::Auth(_) => Problem::Credentials(said),
        // A connection that breaks before the status line.
        kube::Error::HyperError(_) => Problem::Broken(said),
        _ => Problem::Unreachable(said),
    }
}

/// An error with everything below it, each once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !out.contains(&text) {
            let _ = write!(out, ": {text}");
        }
        next = error.source();
    }
    out
}
