//! A small program for bgo to run: it listens on a port, notifies, waits for a file.
//!
//! Why it exists: a shell can do none of this, and no other interpreter is everywhere. Invariant: it is this test binary
//! itself, told to run nothing but [`act`]; the tests run it as `agent`, with one instruction an argument.

use crate::env::{TestEnv, executable};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::{Duration, SystemTime};

/// Puts `agent` on the `PATH` of `env`.
pub fn install(env: &TestEnv) {
    let exe = std::env::current_exe().unwrap();
    let options = "--exact agent::act --ignored --nocapture --quiet --test-threads=1";
    let text = format!(
        "#!/bin/sh\nAGENT=$(printf '%s\\n' \"$@\")\nexport AGENT\nexec '{}' {options} >/dev/null\n",
        exe.display()
    );
    executable(&env.bin().join("agent"), &text);
}

/// A TCP port on which nobody listens: from below those that the kernel gives to whoever does not ask for a number.
pub fn free_port() -> u16 {
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().subsec_nanos();
    let first = 20_000 + u16::try_from(nanos / 1000 % 12_000).unwrap();
    let is_free = |port: &u16| {
        let v6 = TcpListener::bind(("::1", *port)).map_or_else(|e| e.kind() != std::io::ErrorKind::AddrInUse, |_| true);
        v6 && TcpListener::bind(("0.0.0.0", *port)).is_ok()
    };
    (first..32_000).chain(20_000..first).find(is_free).unwrap()
}

#[test]
#[ignore = "a program for other tests to run"]
fn act() {
    let Ok(script) = std::env::var("AGENT") else { return };
    let mut listeners = Vec::new();
    for line in script.lines() {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "listen" => listeners.push(TcpListener::bind(rest).unwrap()),
            "notify" => send(&rest.replace("\\n", "\n")).unwrap(),
            "flood" => while send(rest).is_ok() {},
            "sleep" => thread::sleep(Duration::from_secs_f64(rest.parse().unwrap())),
            "wait" => {
                while !Path::new(rest).exists() {
                    thread::sleep(Duration::from_millis(5));
                }
            }
            "exit" => std::process::exit(rest.parse().unwrap()),
            _ => panic!("unknown instruction: {line}"),
        }
    }
}

#[cfg(target_os = "linux")]
fn send(text: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt;
    let path = std::env::var("NOTIFY_SOCKET").unwrap();
    let address = match path.strip_prefix('@') {
        Some(name) => std::os::unix::net::SocketAddr::from_abstract_name(name)?,
        None => std::os::unix::net::SocketAddr::from_pathname(path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address).map(drop)
}

#[cfg(not(target_os = "linux"))]
fn send(text: &str) -> std::io::Result<()> {
    UnixDatagram::unbound()?.send_to(text.as_bytes(), std::env::var("NOTIFY_SOCKET").unwrap()).map(drop)
}
