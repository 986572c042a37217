//! `/metrics`, `/healthz` and `/readyz`, as much HTTP/1.1 as they need: one GET for each connection.

use crate::status::Shared;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// Most bytes of a request's head, and the longest time for one.
const MOST: usize = 8 << 10;
const TIME: Duration = Duration::from_secs(2);

/// Answers until the process ends. Gives the address, whose port the system chose if it was 0.
///
/// # Errors
///
/// If the port is taken.
pub fn serve(address: SocketAddr, status: Shared) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    thread::Builder::new()
        .name("http".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                // One after the other: whoever is slow is cut off.
                let _ = answer(stream, &status);
            }
        })?;
    Ok(address)
}

fn answer(mut stream: TcpStream, status: &Shared) -> io::Result<()> {
    stream.set_write_timeout(Some(TIME))?;
    let Some(head) = head(&mut stream)? else {
        return Ok(());
    };
    let (code, body) = respond(&head, status);
    let reply = format!(
        "HTTP/1.1 {code}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(reply.as_bytes())
}

fn respond(head: &str, status: &Shared) -> (&'static str, String) {
    let mut words = head.split(' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    if method != Some("GET") {
        return ("405 Method Not Allowed", "GET alone\n".to_owned());
    }
    match target.split('?').next().unwrap_or_default() {
        "/metrics" => ("200 OK", status.with(|s| s.metrics())),
        // Whoever answers lives. That policies cannot be had is no reason to be started again.
        "/healthz" => ("200 OK", "ok\n".to_owned()),
        "/readyz" => match status.with(|s| s.waiting()) {
            None => ("200 OK", "ok\n".to_owned()),
            Some(why) => ("503 Service Unavailable", format!("{why}\n")),
        },
        _ => ("404 Not Found", "/metrics, /healthz, /readyz\n".to_owned()),
    }
}

/// The head of a request; `None` for what is none.
fn head(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let end = Instant::now() + TIME;
    let mut bytes = Vec::new();
    let mut room = [0; 1024];
    while !bytes.windows(4).any(|w| w == b"\r\n\r\n") {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() || bytes.len() > MOST {
            return Ok(None);
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut room)? {
            0 => return Ok(None),
            read => bytes.extend(room.get(..read).unwrap_or_default()),
        }
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::serve;
    use crate::status::Shared;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::time::Instant;

    fn ask(address: SocketAddr, text: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut out = String::new();
        stream.read_to_string(&mut out).unwrap();
        out
    }

    fn get(address: SocketAddr, path: &str) -> String {
        ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    #[test]
    fn probes_and_metrics_are_answered() {
        let status = Shared::default();
        let address = serve("127.0.0.1:0".parse().unwrap(), status.clone()).unwrap();
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 503"));
        status.with(|s| s.enforced = Some(Instant::now()));
        assert!(get(address, "/readyz").starts_with("HTTP/1.1 200"));
        assert!(get(address, "/metrics?x=y").contains("\npalisade_agent_updates_total 0\n"));
        assert!(get(address, "/").starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        // Something that is no request, and one without an end, keep nobody else waiting for long.
        assert!(ask(address, "\r\n\r\n").starts_with("HTTP/1.1 405"));
        let _open = TcpStream::connect(address).unwrap();
        assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
    }
}
