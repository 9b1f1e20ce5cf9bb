//! `bgo __probe__`: what a health check by HTTP finds well, and what it says otherwise.

use crate::env::{Outcome, TestEnv, executable};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// Answers every request with what `answer` makes of it, until the test is over; returns the port.
pub fn serve(address: &str, answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> u16 {
    let listener = TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let request = read_request(&mut stream);
            let _ = stream.write_all(&answer(&request));
        }
    });
    port
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n > 0) {
        request.push(byte[0]);
    }
    String::from_utf8(request).unwrap()
}

pub fn status(line: &str, rest: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\n{rest}").into_bytes()
}

fn probe(url: &str) -> Outcome {
    TestEnv::new().bgo(&["__probe__", "5000", url])
}

/// The probe of a server on 127.0.0.1 that always answers so.
fn answered(answer: Vec<u8>) -> Outcome {
    let port = serve("127.0.0.1:0", move |_| answer.clone());
    probe(&format!("http://127.0.0.1:{port}/health"))
}

#[test]
fn any_success_is_well() {
    answered(status("200 OK", "Content-Length: 2\r\n\r\nok")).ok().says("", "");
    answered(status("204 No Content", "\r\n")).ok().says("", "");
    answered(status("100 Continue", "\r\nHTTP/1.1 299\r\n\r\n")).ok().says("", "");
}

#[test]
fn the_server_is_asked_for_what_the_url_says() {
    let port = serve("127.0.0.1:0", |request| {
        let mut lines = request.lines();
        let is_right = lines.next() == Some("GET /a%20b?c=d HTTP/1.1")
            && lines.next().is_some_and(|line| line.starts_with("Host: localhost:"))
            && request.contains("Connection: close\r\n");
        status(if is_right { "200 OK" } else { "400 Bad Request" }, "\r\n")
    });
    probe(&format!("http://localhost:{port}/a%20b?c=d#e")).ok();
}

#[test]
fn redirections_are_followed_but_not_for_ever() {
    let port = serve("127.0.0.1:0", |request| {
        let path = request.split(' ').nth(1).unwrap();
        let to = |line: &str, path: &str| status(line, &format!("Location: {path}\r\nContent-Length: 0\r\n\r\n"));
        match path.strip_prefix('/').and_then(|n| n.parse::<u32>().ok()) {
            Some(0) => status("200 OK", "\r\n"),
            Some(n) => to("301 Moved Permanently", &format!("/{}", n - 1)),
            None if path == "/tls" => to("308 Permanent Redirect", "https://localhost/"),
            None => status("302 Found", "Content-Length: 0\r\n\r\n"),
        }
    });
    let at = |path: &str| probe(&format!("http://127.0.0.1:{port}/{path}"));
    at("1").ok();
    at("5").ok();
    at("6").code(1).says("more than 5 redirects\n", "");
    at("nowhere").code(1).says("HTTP 302 Found\n", "");
    assert!(at("tls").code(1).stdout.starts_with("redirected: \"https://localhost/\" is HTTPS"));
}

#[test]
fn a_failure_shows_the_beginning_of_the_answer_in_one_line() {
    answered(status("404 Not Found", "Content-Length: 0\r\n\r\n")).code(1).says("HTTP 404 Not Found\n", "");
    let body = "Content-Length: 29\r\n\r\ndatabase\r\n\x1b[31m is \u{202e}down\n\n";
    let cleaned = "HTTP 500 Internal Server Error: database is down\n";
    answered(status("500 Internal Server Error", body)).code(1).says(cleaned, "");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n5\r\nstill\r\n8\r\n booting\r\n0\r\n\r\n";
    answered(status("503 Service Unavailable", chunked))
        .code(1)
        .says("HTTP 503 Service Unavailable: still booting\n", "");
    let long = answered(status("500", &format!("\r\n{}", "ä".repeat(5000)))).code(1);
    assert_eq!(long.stdout, format!("HTTP 500: {}\n", "ä".repeat(200)));
}

#[test]
fn no_answer_in_time_is_said_with_the_time() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    let outcome = TestEnv::new().bgo(&["__probe__", "300", &url]);
    assert!(outcome.took >= Duration::from_millis(300), "{outcome:?}");
    outcome.code(1).says("no answer within 300ms\n", "");
    // Nor does an answer in drops put the end off.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut text = "HTTP/1.1 200 OK\r\nA: ".to_owned();
        while stream.write_all(text.as_bytes()).is_ok() {
            text = "x".to_owned();
            thread::sleep(Duration::from_millis(20)); // A server that is slow, not a wait.
        }
    });
    TestEnv::new().bgo(&["__probe__", "300", &url]).code(1).says("no answer within 300ms\n", "");
}

#[test]
fn who_does_not_answer_in_http_is_not_well() {
    probe("http://127.0.0.1:1/").code(1).says("connection refused\n", "");
    probe("http://localhost:1/").code(1).says("connection refused\n", "");
    answered(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()).code(1).says("the answer is not HTTP\n", "");
    answered(Vec::new()).code(1).says("the connection was closed without an answer\n", "");
    answered(b"HTTP/1.1 200 OK\r\n".to_vec()).code(1).says("the answer ended early\n", "");
}

#[test]
fn names_are_looked_up() {
    for (address, host) in [("127.0.0.1:0", "localhost"), ("[::1]:0", "localhost"), ("[::1]:0", "[::1]")] {
        if TcpListener::bind(address).is_err() {
            continue; // A machine without IPv6.
        }
        let port = serve(address, |_| status("200 OK", "\r\n"));
        probe(&format!("http://{host}:{port}/")).ok();
    }
    probe("http://no-such-host.invalid/").code(1).says("cannot look up \"no-such-host.invalid\"\n", "");
    // Whatever else /etc/hosts says about this machine.
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let is_own = |line: &&str| line.split_whitespace().next().is_some_and(|a| a.parse() == Ok(Ipv4Addr::LOCALHOST));
    let port = serve("127.0.0.1:0", |_| status("200 OK", "\r\n"));
    for name in hosts.lines().filter(is_own).flat_map(|line| line.split('#').next().unwrap().split_whitespace().skip(1))
    {
        probe(&format!("http://{name}:{port}/")).ok();
    }
}

#[test]
fn a_name_server_that_does_not_answer_is_not_waited_for_longer() {
    let env = TestEnv::new();
    executable(&env.bin().join("getent"), "#!/bin/sh\nexec sleep 100\n");
    let outcome = env.bgo(&["__probe__", "300", "http://nohost/"]);
    outcome.code(1).says("no answer within 300ms\n", "");
    env.assert_all_gone();
}

#[test]
fn a_bad_url_or_command_line_is_one_line_too() {
    let env = TestEnv::new();
    assert!(probe("https://localhost/").code(1).stdout.contains("bgo speaks plain HTTP only"));
    assert!(probe("localhost").code(1).stdout.contains("is not a URL"));
    for arguments in [&["__probe__"][..], &["__probe__", "x", "http://x/"], &["__probe__", "5"]] {
        env.bgo(arguments).code(1).says("usage: bgo __probe__ TIMEOUT_MS URL\n", "");
    }
}
