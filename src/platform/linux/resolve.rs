//! Addresses by name, without libc.
//!
//! Why it exists: getaddrinfo(3) in a static program loads nsswitch modules as getpwnam(3) does (see `account.rs`), and
//! knows no deadline. Invariant: `/etc/hosts` is read here; other names are asked for by getent(1), which is ended at the
//! deadline.

use super::super::{Interest, wait};
use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The addresses of `host`, a name or an address, until `deadline` on the boot-time clock. `localhost` is always this
/// machine.
///
/// # Errors
/// `NotFound`: nobody knows the name. `TimedOut`: at the deadline.
pub fn resolve(host: &str, deadline: Duration) -> io::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    let mut found = in_hosts(&fs::read_to_string("/etc/hosts").unwrap_or_default(), host);
    if host.eq_ignore_ascii_case("localhost") {
        // In this order, and both, whatever the file says: a server may listen on one only.
        found.extend([IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()]);
    }
    if found.is_empty() {
        found = addresses(&ask(host, deadline)?);
    }
    let mut known = Vec::new();
    for address in found {
        if !known.contains(&address) {
            known.push(address);
        }
    }
    if known.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(known) }
}

/// The addresses of `host` in the text of hosts(5).
fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|name| name.eq_ignore_ascii_case(host)).then_some(address)
    };
    text.lines().filter_map(address).collect()
}

/// What getent(1) says; nothing where there is no getent.
fn ask(host: &str, deadline: Duration) -> io::Result<String> {
    let mut command = Command::new("getent");
    command.args(["--", "ahosts", host]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut getent = match command.spawn() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        spawned => spawned?,
    };
    let answer = read_until(&mut getent.stdout, deadline);
    if answer.is_err() {
        let _ = getent.kill();
    }
    getent.wait()?;
    answer
}

fn read_until(pipe: &mut Option<impl Read + AsFd>, deadline: Duration) -> io::Result<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 1024];
    while let Some(open) = pipe {
        if !wait(&[(open.as_fd(), Interest::Readable)], Some(deadline))?[0] {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match open.read(&mut buffer)? {
            0 => break,
            n => text.extend_from_slice(&buffer[..n]),
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The addresses in getent's lines: `192.0.2.1  STREAM  name`.
fn addresses(text: &str) -> Vec<IpAddr> {
    text.lines().filter_map(|line| line.split_ascii_whitespace().next()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::boot_clock;
    use super::*;

    fn soon() -> Duration {
        boot_clock() + Duration::from_secs(10)
    }

    #[test]
    fn localhost_is_both_loopback_addresses() {
        let expected: [IpAddr; 2] = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        for name in ["localhost", "LocalHost"] {
            let found = resolve(name, soon()).unwrap();
            assert!(expected.iter().all(|address| found.contains(address)), "{found:?}");
        }
    }

    #[test]
    fn addresses_are_themselves_and_hosts_are_read() {
        assert_eq!(resolve("::1", soon()).unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
        let text =
            "127.0.0.1 localhost\n# 9.9.9.9 db\n192.0.2.7\tdb Web.internal # old: mail\n2001:db8::7 db\nbad db\n";
        let found = |host| in_hosts(text, host).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(found("db"), ["192.0.2.7", "2001:db8::7"]);
        assert_eq!(found("web.internal"), ["192.0.2.7"]);
        assert!(found("mail").is_empty() && found("#").is_empty());
        assert_eq!(addresses("192.0.2.1  STREAM db\n192.0.2.1  DGRAM\nx\n").len(), 2);
    }

    #[test]
    fn a_name_that_nobody_knows_is_an_error() {
        assert_eq!(resolve("no-such-host.invalid", soon()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
