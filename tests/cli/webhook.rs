//! The webhook of the README: that it posts, and that what it posts is JSON, whatever the reason holds.

use crate::env::TestEnv;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

/// The hook of the README that has `variable` in it, with `url` instead of the service's.
fn hook(variable: &str, url: &str) -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let line = readme.lines().find(|line| line.starts_with("bgo set") && line.contains(variable)).unwrap();
    let hook = line.split('\'').nth(1).unwrap();
    let service = hook.split_whitespace().find(|word| word.starts_with("https://")).unwrap();
    hook.replace(service, url)
}

/// What the next request has for a head and a body. It is answered.
fn request(listener: &TcpListener) -> (String, String) {
    let (mut stream, _) = listener.accept().unwrap();
    let mut text = Vec::new();
    loop {
        let mut buffer = [0u8; 4096];
        let filled = stream.read(&mut buffer).unwrap();
        assert!(filled > 0, "it ended in the middle: {}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..filled]);
        let so_far = String::from_utf8_lossy(&text);
        let Some((head, body)) = so_far.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            return (head.to_owned(), body.to_owned());
        }
    }
}

#[test]
fn the_webhook_of_the_readme_posts_json_and_text() {
    if Command::new("curl").arg("--version").output().is_err() {
        return;
    }
    let env = TestEnv::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let server = thread::spawn(move || [request(&listener), request(&listener)]);
    let check = "printf '@\"quotes\" '; printf \"'single' \\\\\\\\ \\$(id)\\nline é\\n\"; exit 1";
    let both = format!("{}; {}", hook("$BGO_JSON", &url), hook("$BGO_REASON", &url));
    let flags = ["--ready-when-cmd", check, "--ready-timeout", "500ms", "--on-errored", &both];
    env.start_with(&flags, "my web", &["sleep", "300"]);
    env.wait_state("my web", "errored");
    let [(head, body), (plain_head, plain)] = server.join().unwrap();
    assert!(head.starts_with("POST /hook ") && head.contains("Content-Type: application/json"), "{head}");
    let posted: Value = serde_json::from_str(&body).unwrap();
    let reason = env.record("my web")["reason"].clone();
    assert!(reason.as_str().unwrap().ends_with("@\"quotes\" 'single' \\ $(id) line é"), "{reason}");
    assert_eq!(
        posted,
        json!({
            "text": format!("my web: {}", reason.as_str().unwrap()), "name": "my web", "hook": "errored",
            "exit_code": null, "signal": "SIGTERM", "reason": reason,
        })
    );
    assert!(plain_head.contains("Title: my web"), "{plain_head}");
    assert_eq!(plain, reason.as_str().unwrap());
}

#[test]
fn each_hook_is_told_all_of_it_as_json() {
    let env = TestEnv::new();
    let tell = "printf '%s\\n' \"$BGO_JSON\" >> told";
    let flags = ["--ready-when", "up", "--on-ready", tell, "--on-exit", tell];
    env.start_with(&flags, "web", &["sh", "-c", "echo up; exit 3"]);
    let told = || fs::read_to_string(env.work().join("told")).unwrap_or_default();
    crate::env::wait_until("both hooks", || told().contains("\"exit\"") && told().ends_with('\n'));
    let exit = told().lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).find(|it| it["hook"] == "exit");
    assert_eq!(
        exit.unwrap(),
        json!({"text": "web: exit code 3", "name": "web", "hook": "exit", "exit_code": 3, "signal": null,
               "reason": "exit code 3"})
    );
}
