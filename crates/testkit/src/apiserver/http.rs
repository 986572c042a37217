//! As much HTTP/1.1 as the server needs: one request for each connection, answered, broken or left without answer.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");
/// Most bytes of the head of a request.
const MAX_HEAD: usize = 1 << 16;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The query as it was sent.
    pub query: String,
    /// The header of that name.
    pub authorization: Option<String>,
}

impl Request {
    /// The value of a parameter of the query.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<String> {
        let pairs = self
            .query
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == key);
        values.next().map(|(_, value)| unescaped(value))
    }
}

/// How an answer goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A refusal.
    Status(u16, String),
    /// This text, in the place of the answer.
    Text(String),
    /// The connection ends after this many bytes of the answer.
    Cut(usize),
    /// No answer.
    Hang,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    body: Vec<u8>,
    pub(super) fault: Option<Fault>,
}

impl Answer {
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            body: value.to_string().into_bytes(),
            fault: None,
        }
    }

    /// One value on each line.
    pub(super) fn lines(values: &[Value]) -> Self {
        let lines = values.iter().map(|value| format!("{value}\n"));
        Self {
            status: 200,
            body: lines.collect::<String>().into_bytes(),
            fault: None,
        }
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// Answers the request of a connection.
pub(super) fn serve(
    stream: TcpStream,
    tls: bool,
    stop: &AtomicBool,
    answer: &dyn Fn(&Request) -> Answer,
) -> io::Result<()> {
    let mut stream: Box<dyn Stream> = match tls {
        true => Box::new(encrypted(stream)?),
        false => Box::new(stream),
    };
    let Some(request) = read(&mut stream)? else {
        return Ok(());
    };
    let Answer {
        status,
        body,
        fault,
    } = answer(&request);
    let body = match &fault {
        Some(Fault::Text(text)) => text.clone().into_bytes(),
        _ => body,
    };
    if fault == Some(Fault::Hang) {
        while !stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
        return Ok(());
    }
    let head = format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let sent = match fault {
        Some(Fault::Cut(bytes)) => body.get(..bytes).unwrap_or(&body),
        _ => &body,
    };
    stream.write_all(head.as_bytes())?;
    stream.write_all(sent)?;
    stream.flush()
}

fn encrypted(stream: TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(KEY).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .map_err(io::Error::other)?;
    let connection = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

/// The head of a request; the server takes no bodies.
fn read(stream: &mut dyn Read) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > MAX_HEAD || stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.extend_from_slice(&byte);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut lines = text.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next(), words.next());
    let target = target.unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = lines.filter_map(|line| line.split_once(": "));
    let authorization = headers.find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    Ok(Some(Request {
        method: method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        authorization: authorization.map(|(_, value)| value.to_owned()),
    }))
}

/// A value of a query without its escapes.
fn unescaped(value: &str) -> String {
    let mut parts = value.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (code, rest) = part.split_at_checked(2).unwrap_or(("", part));
        bytes.extend(u8::from_str_radix(code, 16).ok());
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
