//! A caller: plaintext, or mTLS with a pod's certificate as its sidecar would offer it.

use super::application::{SIGN, WORD};
use super::authority::Issued;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use palisade_netlab::{Error, Result};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// How long a caller waits: an answer or a refusal always comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most that is read of an answer.
const LONGEST: usize = 64 << 10;

/// What is said once the connection stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Wire {
    /// A request.
    Http {
        /// Method.
        method: String,
        /// Path.
        path: String,
        /// Host.
        host: String,
        /// Further headers.
        headers: Vec<(String, String)>,
    },
    /// Some bytes that are no request.
    Bytes,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Call<'a> {
    /// Where to.
    pub to: SocketAddr,
    /// With mTLS: the caller's certificate, and the one that the receiver must show.
    pub mtls: Option<(&'a Issued, &'a Issued)>,
    /// What is said.
    pub wire: Wire,
    /// Whether by the caller's own sidecar, which then is asked for the way; else past it.
    pub through: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// The application of this name answered.
    Passed(String),
    /// The connection or the request was refused.
    Refused,
}

/// Makes a call from the namespace of the thread.
///
/// # Errors
/// If nothing answers at all, or something that is neither the application nor a refusal.
pub fn call(call: &Call<'_>) -> Result<Answer> {
    let said = match speak(call) {
        Ok(said) => said,
        // A handshake that fails, an alert, a connection that is cut.
        Err(error) if refusal(&error) => return Ok(Answer::Refused),
        Err(error) => return Err(Error::new(format!("calling {}", call.to), error)),
    };
    let text = String::from_utf8_lossy(&said);
    let status = text.split(' ').nth(1).unwrap_or_default();
    if let Some(name) = named(&said) {
        return Ok(Answer::Passed(name));
    }
    // 400: Envoy reads requests, and what came is none. 503: the caller's own sidecar was refused.
    let refused = matches!(status, "403" | "400") || (call.through && status == "503");
    if said.is_empty() || refused {
        return Ok(Answer::Refused);
    }
    let why = format!("an answer of {} bytes: {status}", said.len());
    Err(Error::because(format!("calling {}", call.to), why))
}

/// Who answered.
fn named(said: &[u8]) -> Option<String> {
    let text = match said.strip_prefix(WORD) {
        Some(name) => String::from_utf8_lossy(name).into_owned(),
        None => {
            let text = String::from_utf8_lossy(said);
            let (head, rest) = text.split_once(SIGN)?;
            if !head.starts_with("HTTP/1.1 200 ") {
                return None;
            }
            rest.lines().next().unwrap_or_default().to_owned()
        }
    };
    Some(text.trim_end().to_owned())
}

fn refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof
            | ErrorKind::InvalidData
            | ErrorKind::ConnectionAborted
            | ErrorKind::NotConnected
    )
}

fn speak(call: &Call<'_>) -> io::Result<Vec<u8>> {
    let stream = open(call.to, call.through)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    match call.mtls {
        None => exchange(stream, &call.wire),
        Some((own, receiver)) => {
            let config = config(own, receiver, &call.wire).map_err(io::Error::other)?;
            let name = ServerName::from(call.to.ip());
            let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
            exchange(StreamOwned::new(tls, stream), &call.wire)
        }
    }
}

/// A connection, with the sidecar's mark if it shall go past it.
fn open(to: SocketAddr, through: bool) -> io::Result<TcpStream> {
    if through {
        return TcpStream::connect_timeout(&to, PATIENCE);
    }
    let family = if to.is_ipv4() {
        AddressFamily::Inet
    } else {
        AddressFamily::Inet6
    };
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&socket, sockopt::Mark, &palisade_sidecar::MARK)?;
    // It is what a connection waits for as well.
    let patience = TimeVal::seconds(i64::try_from(PATIENCE.as_secs()).unwrap_or(i64::MAX));
    setsockopt(&socket, sockopt::SendTimeout, &patience)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Err(Errno::EINPROGRESS) => Err(ErrorKind::TimedOut.into()),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(TcpStream::from(socket)),
    }
}

fn exchange(mut stream: impl Read + Write, wire: &Wire) -> io::Result<Vec<u8>> {
    match wire {
        Wire::Bytes => stream.write_all(WORD)?,
        Wire::Http {
            method,
            path,
            host,
            headers,
        } => {
            let mut text =
                format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
            for (name, value) in headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str("\r\n");
            stream.write_all(text.as_bytes())?;
        }
    }
    stream.flush()?;
    let mut said = Vec::new();
    let mut block = [0; 4096];
    // The head of an answer is enough: a proxy may leave the connection open behind it for a second.
    let whole = |said: &[u8]| match said.strip_prefix(WORD) {
        Some(name) => name.ends_with(b"\n"),
        None => said.windows(4).any(|four| four == b"\r\n\r\n"),
    };
    while said.len() < LONGEST && !whole(&said) {
        match stream.read(&mut block) {
            Ok(0) => break,
            Ok(count) => said.extend(block.iter().take(count)),
            Err(error) => return Err(error),
        }
    }
    Ok(said)
}

/// What a sidecar offers: that it is the mesh's, and whether it found HTTP.
fn config(
    own: &Issued,
    receiver: &Issued,
    wire: &Wire,
) -> std::result::Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let pinned = Pinned {
        certificate: receiver.certificate_der.clone(),
        provider: Arc::clone(&provider),
    };
    let certificate = CertificateDer::from(own.certificate_der.clone());
    let key = PrivatePkcs8KeyDer::from(own.key_der.clone());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_client_auth_cert(vec![certificate], key.into())?;
    let offered: &[&str] = match wire {
        Wire::Http { .. } => &["istio-http/1.1", "istio", "http/1.1"],
        Wire::Bytes => &["istio-peer-exchange", "istio"],
    };
    config.alpn_protocols = offered
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(config)
}

/// Takes the receiver's certificate and no other: a SPIFFE identity is no name that a client looks for by itself.
#[derive(Debug)]
struct Pinned {
    certificate: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if end.as_ref() == self.certificate.as_slice() {
            return Ok(ServerCertVerified::assertion());
        }
        let why = "not the receiver's certificate".to_owned();
        Err(rustls::Error::General(why))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
