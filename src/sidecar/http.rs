//! The HTTP probe: `bgo __probe__ TIMEOUT_MS URL` gets the URL once and says whether that went well.
//!
//! Why it exists: a health check by HTTP waits for a name server, a connection and an answer; a process of its own may
//! do that without holding up the sidecar, and takes its memory with it. Invariants: it is over at its deadline; it
//! ends with 0 if the status was 2xx, else with 1 and exactly one line on stdout that says why.
//!
//! The connection is ours and only the parser is a library's (httparse): clients that make their own connection ask
//! getaddrinfo(3), which a static program must not (see `platform::resolve`).

use crate::domain::control::one_line;
use crate::domain::duration::Span;
use crate::domain::url::Url;
use crate::error::describe;
use crate::platform::{boot_clock, resolve};
use httparse::{EMPTY_HEADER, Status, parse_chunk_size};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The first argument that makes bgo a probe.
pub const PROBE_ENTRY: &str = "__probe__";

const MAX_REDIRECTS: usize = 5;
/// Status line and headers, at most.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 128;
/// How much of an answer that is an error is read, in bytes.
const MAX_BODY: usize = 4096;
/// How much of it is shown, in characters.
const EXCERPT: usize = 200;

/// Probes as `arguments` (those after [`PROBE_ENTRY`]) say, and returns the exit code.
pub fn probe_main(mut arguments: impl Iterator<Item = OsString>) -> u8 {
    let mut next = || arguments.next().and_then(|argument| argument.into_string().ok());
    let probed = match (next().and_then(|millis| millis.parse().ok()), next()) {
        (Some(millis), Some(url)) => probe(&url, Duration::from_millis(millis)),
        _ => Err(format!("usage: bgo {PROBE_ENTRY} TIMEOUT_MS URL")),
    };
    let Err(why) = probed else { return 0 };
    let _ = io::stdout().write_all(format!("{}\n", one_line(why.as_bytes(), " ")).as_bytes());
    1
}

/// Gets `url`; the error says in one line why it is not well.
fn probe(url: &str, timeout: Duration) -> Result<(), String> {
    let late = || format!("no answer within {}", Span(timeout));
    let deadline = boot_clock().checked_add(timeout).unwrap_or(Duration::MAX);
    let mut url = Url::parse(url)?;
    for _ in 0..=MAX_REDIRECTS {
        let answer = get(&url, deadline).map_err(|failure| match failure {
            Failure::Io(e) if is_late(&e) => late(),
            Failure::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            Failure::Io(e) => describe(&e),
            Failure::Name => format!("cannot look up \"{}\"", url.host),
            Failure::NotHttp => "the answer is not HTTP".to_owned(),
        })?;
        match (answer.code, &answer.location) {
            (200..=299, _) => return Ok(()),
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                url = url.join(location).map_err(|why| format!("redirected: {why}"))?;
            }
            _ => return Err(answer.to_string()),
        }
    }
    Err(format!("more than {MAX_REDIRECTS} redirects"))
}

enum Failure {
    Io(io::Error),
    Name,
    NotHttp,
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        Failure::Io(e)
    }
}

/// A blocking socket's time-out is EAGAIN.
fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// The time left, which is never nothing: a socket takes that to mean for ever.
fn left(deadline: Duration) -> io::Result<Duration> {
    let left = deadline.saturating_sub(boot_clock());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn get(url: &Url, deadline: Duration) -> Result<Answer, Failure> {
    let mut stream = connect(url, deadline)?;
    let (target, authority, version) = (&url.target, &url.authority, env!("CARGO_PKG_VERSION"));
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: bgo/{version}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.set_write_timeout(Some(left(deadline)?))?;
    stream.write_all(request.as_bytes())?;
    let mut received = Vec::new();
    loop {
        if let Some(mut answer) = parse_head(&mut received)? {
            if !(200..400).contains(&answer.code) {
                answer.body = read_body(&mut stream, received, answer.length, deadline);
            }
            return Ok(answer);
        }
        if received.len() > MAX_HEAD {
            return Err(Failure::NotHttp);
        }
        if receive(&mut stream, &mut received, deadline)? == 0 {
            let why = if received.is_empty() {
                "the connection was closed without an answer"
            } else {
                "the answer ended early"
            };
            return Err(io::Error::other(why).into());
        }
    }
}

/// Connects to the first address that takes it. The time is shared out, for one address may lead nowhere.
fn connect(url: &Url, deadline: Duration) -> Result<TcpStream, Failure> {
    let addresses = resolve(&url.host, deadline).map_err(|e| if is_late(&e) { e.into() } else { Failure::Name })?;
    let mut refusal = None;
    for (index, address) in addresses.iter().enumerate() {
        let share = u32::try_from(addresses.len() - index).unwrap_or(1);
        let patience = (left(deadline)? / share).max(Duration::from_micros(1));
        match TcpStream::connect_timeout(&SocketAddr::new(*address, url.port), patience) {
            Ok(stream) => return Ok(stream),
            Err(e) => refusal = refusal.or(Some(e)),
        }
    }
    Err(refusal.map_or(Failure::Name, Failure::Io))
}

fn receive(stream: &mut TcpStream, received: &mut Vec<u8>, deadline: Duration) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
            Ok(n) => {
                received.extend_from_slice(&buffer[..n]);
                return Ok(n);
            }
        }
    }
}

struct Answer {
    code: u16,
    reason: String,
    location: Option<String>,
    length: Length,
    body: Vec<u8>,
}

/// How the end of a body is told.
#[derive(Clone, Copy)]
enum Length {
    Bytes(usize),
    Chunks,
    UntilClosed,
}

impl std::fmt::Display for Answer {
    /// `HTTP 503 Service Unavailable: database is down`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}", self.code)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        let body = one_line(&self.body, " ");
        if body.is_empty() { Ok(()) } else { write!(f, ": {}", body.chars().take(EXCERPT).collect::<String>()) }
    }
}

/// The status and headers in `received`, which loses them; `None` if they are not there as a whole yet.
fn parse_head(received: &mut Vec<u8>) -> Result<Option<Answer>, Failure> {
    loop {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let Status::Complete(end) = response.parse(received).map_err(|_| Failure::NotHttp)? else { return Ok(None) };
        let header = |name: &str| {
            let header = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(header.value).trim().to_owned())
        };
        let is_chunked = header("transfer-encoding").is_some_and(|how| how.to_ascii_lowercase().ends_with("chunked"));
        let length = match header("content-length").and_then(|n| n.parse().ok()) {
            _ if is_chunked => Length::Chunks,
            Some(bytes) => Length::Bytes(bytes),
            None => Length::UntilClosed,
        };
        let reason = response.reason.unwrap_or_default().to_owned();
        let code = response.code.unwrap_or_default();
        let answer = Answer { code, reason, location: header("location"), length, body: Vec::new() };
        received.drain(..end);
        // An interim answer (103 Early Hints) comes before the one that counts.
        if !(100..200).contains(&code) {
            return Ok(Some(answer));
        }
    }
}

/// The beginning of the body, of which `received` has come already: as much as comes in time.
fn read_body(stream: &mut TcpStream, mut received: Vec<u8>, length: Length, deadline: Duration) -> Vec<u8> {
    loop {
        let (body, is_whole) = match length {
            Length::Bytes(bytes) => (received.clone(), received.len() >= bytes),
            Length::Chunks => unchunk(&received),
            Length::UntilClosed => (received.clone(), false),
        };
        let is_enough = is_whole || received.len() >= MAX_BODY;
        if is_enough || !receive(stream, &mut received, deadline).is_ok_and(|n| n > 0) {
            return body;
        }
    }
}

/// What chunks have brought so far, and whether that is all.
fn unchunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match parse_chunk_size(rest) {
            Ok(Status::Complete((_, 0))) | Err(_) => return (body, true),
            Ok(Status::Partial) => return (body, false),
            Ok(Status::Complete((start, size))) => {
                let chunk = &rest[start..];
                let size = usize::try_from(size).unwrap_or(usize::MAX);
                if chunk.len() < size.saturating_add(2) {
                    body.extend_from_slice(&chunk[..chunk.len().min(size)]);
                    return (body, false);
                }
                body.extend_from_slice(&chunk[..size]);
                rest = &chunk[size + 2..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_put_together_as_far_as_they_have_come() {
        let whole = b"4\r\nRust\r\n3;x=y\r\nace\r\n0\r\n\r\n";
        assert_eq!(unchunk(whole), (b"Rustace".to_vec(), true));
        assert_eq!(unchunk(&whole[..17]), (b"Rusta".to_vec(), false));
        assert_eq!(unchunk(&whole[..7]), (b"Rust".to_vec(), false));
        assert_eq!(unchunk(b""), (Vec::new(), false));
        assert_eq!(unchunk(b"ffffffffffffffff\r\nx"), (b"x".to_vec(), false));
    }

    #[test]
    fn an_interim_answer_does_not_count() {
        let mut received = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204\r\n\r\n".to_vec();
        assert_eq!(parse_head(&mut received).ok().flatten().unwrap().code, 204);
        assert!(parse_head(&mut b"SSH-2.0-OpenSSH\r\n".to_vec()).is_err());
        assert!(parse_head(&mut b"HTTP/1.1 200 OK\r\nA: ".to_vec()).ok().unwrap().is_none());
    }
}
