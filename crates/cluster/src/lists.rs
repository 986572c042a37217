//! A list, page by page. A list that the server lost in the middle is read again from its start.

use crate::discovery::Resource;
use crate::http::{Problem, Server};
use crate::wants::Want;
use crate::{Object, Take, problems, trim};
use palisade_diagnostics::Diagnostic;
use serde::Deserialize;
use serde_json::Value;

/// Objects of a page.
const PAGE: usize = 500;
/// Most pages of a list: ten times the pods of the largest cluster that Kubernetes supports.
const MAX_PAGES: usize = 3000;
/// How often a list is read from its start.
const MAX_TRIES: usize = 3;
/// HTTP: what the token of the next page was about is gone.
const GONE: u16 = 410;

/// What became of a list.
pub(crate) enum Listed {
    /// All its objects.
    Whole(Vec<Object>),
    /// The server does not give it.
    Refused(Diagnostic),
    /// The server is lost.
    Lost(Diagnostic),
}

#[derive(Deserialize)]
struct Page {
    metadata: Meta,
    items: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

/// Reads a list.
pub(crate) async fn list(
    server: &Server,
    want: &Want,
    resource: &Resource,
    take: &mut dyn Take,
) -> Listed {
    let mut tries = 0;
    loop {
        tries += 1;
        match pages(server, want, resource, take).await {
            Ok(objects) => return Listed::Whole(objects),
            Err(Problem::Refused(GONE, _)) if tries < MAX_TRIES => {}
            Err(problem) if problem.is_answer() => {
                return Listed::Refused(problems::refused(server, want, resource, problem));
            }
            Err(problem) => return Listed::Lost(problems::lost(server, &resource.path, problem)),
        }
    }
}

async fn pages(
    server: &Server,
    want: &Want,
    resource: &Resource,
    take: &mut dyn Take,
) -> Result<Vec<Object>, Problem> {
    let mut objects = Vec::new();
    let mut token = String::new();
    for _ in 0..MAX_PAGES {
        let page: Page = server.json(&address(want, resource, &token)).await?;
        for item in page.items.unwrap_or_default() {
            objects.extend(object(want, resource, item)?);
        }
        take.progress(&want.kind, objects.len());
        match page.metadata.next.filter(|next| !next.is_empty()) {
            None => return Ok(objects),
            Some(next) if next == token => {
                return Err(Problem::Garbage("a page comes after itself".to_owned()));
            }
            Some(next) => token = next,
        }
    }
    Err(Problem::TooLarge)
}

pub(crate) fn address(want: &Want, resource: &Resource, token: &str) -> String {
    let mut out = format!("{}?limit={PAGE}", resource.path);
    if let Some(name) = want.only {
        out.push_str("&fieldSelector=metadata.name%3D");
        out.push_str(name);
    }
    if !token.is_empty() {
        out.push_str("&continue=");
        out.push_str(&escaped(token));
    }
    out
}

/// A word as a value in a query (RFC 3986, section 2.3: what needs no escape).
pub(crate) fn escaped(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escape = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    word.bytes().map(escape).collect()
}

/// An item as an object of its own. Items of a list leave their type to it.
pub(crate) fn object(
    want: &Want,
    resource: &Resource,
    mut item: Value,
) -> Result<Option<Object>, Problem> {
    let Value::Object(fields) = &mut item else {
        return Err(Problem::Garbage("an item is not an object".to_owned()));
    };
    let api_version = Value::from(resource.api_version.as_str());
    fields.insert("apiVersion".to_owned(), api_version);
    fields.insert("kind".to_owned(), Value::from(want.kind.as_str()));
    let meta = |key: &str| {
        let meta = fields.get("metadata")?;
        meta.get(key)?.as_str().map(str::to_owned)
    };
    let name = meta("name").unwrap_or_default();
    // A server that does not know the selector sends all of them.
    if want.only.is_some_and(|only| only != name) {
        return Ok(None);
    }
    let name = match meta("namespace") {
        Some(namespace) => format!("cluster:{}/{namespace}/{name}", want.kind),
        None => format!("cluster:{}/{name}", want.kind),
    };
    trim::trim(&want.kind, want.lints, &mut item);
    let mut text =
        serde_json::to_string_pretty(&item).map_err(|error| Problem::Garbage(error.to_string()))?;
    // No more than it takes: there may be as many texts as pods.
    text.shrink_to_fit();
    Ok(Some(Object { name, text }))
}
