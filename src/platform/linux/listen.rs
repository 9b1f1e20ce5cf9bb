//! Who listens on a TCP port: sock_diag or /proc/net/tcp for the sockets, /proc/PID/fd for who holds them.
//!
//! Why it exists: "the port answers" does not mean that our process does; an old server that still holds the port would
//! make a new one look ready. Invariant: processes that vanish while they are looked at are as if they had ended before.

use super::super::Listener;
use super::{all_pids, diag};
use nix::dir::Dir;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::Mode;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;

/// Who listens on TCP `port` at 127.0.0.1 or ::1, or at all addresses, in the network namespace of the first of `tree`
/// (ours, if it has ended). One socket of the tree is enough for [`Listener::Ours`], whoever else shares the port.
///
/// A process of the tree whose descriptors we may not see (it changed its user) is taken to hold what no other process
/// is seen to hold.
///
/// # Errors
/// /proc cannot be read.
pub fn listener(port: u16, tree: &[u32]) -> io::Result<Listener> {
    let listening = listening_sockets(tree.first().copied())?;
    let local = listening.into_iter().filter(|socket| socket.port == port && socket.is_local);
    let sockets: HashSet<u64> = local.map(|socket| socket.inode).collect();
    if sockets.is_empty() {
        return Ok(Listener::Nobody);
    }
    let mut hidden = false;
    for &pid in tree {
        match holds(pid, &sockets) {
            Ok(true) => return Ok(Listener::Ours),
            Ok(false) => {}
            Err(e) => hidden |= e.kind() == io::ErrorKind::PermissionDenied,
        }
    }
    let stranger = all_pids().into_iter().find(|pid| !tree.contains(pid) && holds(*pid, &sockets).unwrap_or(false));
    Ok(match stranger {
        None if hidden => Listener::Ours,
        pid => Listener::Stranger { pid, name: pid.and_then(name_of) },
    })
}

/// A TCP socket that listens.
#[derive(Debug, PartialEq)]
pub(super) struct Socket {
    /// Whether who connects to 127.0.0.1 or ::1 gets to it.
    pub is_local: bool,
    /// Its port.
    pub port: u16,
    /// Who made it.
    pub uid: u32,
    /// Its inode, by which descriptors name it.
    pub inode: u64,
}

/// All of the network namespace of `pid`, or of ours (also if `pid` has ended).
pub(super) fn listening_sockets(pid: Option<u32>) -> io::Result<Vec<Socket>> {
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).ok();
    let is_ours = |pid: u32| namespace(&pid.to_string()).is_some_and(|its| Some(its) == namespace("self"));
    if pid.is_none_or(is_ours)
        && let Ok(sockets) = diag::listening_sockets()
    {
        return Ok(sockets);
    }
    sockets_in_proc(pid)
}

pub(super) fn sockets_in_proc(pid: Option<u32>) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    for file in ["tcp", "tcp6"] {
        let there = pid.map(|pid| File::open(format!("/proc/{pid}/net/{file}")));
        let opened = match there {
            Some(Ok(opened)) => Ok(opened),
            _ => File::open(format!("/proc/self/net/{file}")),
        };
        match opened {
            Ok(opened) => {
                // The kernel lists all listening sockets before the connected ones, of which there may be very many.
                let lines = BufReader::new(opened).lines().skip(1).map_while(Result::ok);
                sockets.extend(lines.map_while(|line| parse(&line)));
            }
            // A kernel without IPv6.
            Err(e) if e.kind() == io::ErrorKind::NotFound && file == "tcp6" => {}
            Err(e) => return Err(e),
        }
    }
    Ok(sockets)
}

/// A line of /proc/net/tcp or tcp6, if it is about a listening socket.
fn parse(line: &str) -> Option<Socket> {
    const LISTENING: &str = "0A";
    let fields: Vec<&str> = line.split_ascii_whitespace().take(10).collect();
    let &[_, local, _, LISTENING, _, _, _, uid, _, inode] = fields.as_slice() else { return None };
    let (address, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(Socket { is_local: is_local(address)?, port, uid: uid.parse().ok()?, inode: inode.parse().ok()? })
}

/// Whether who connects to 127.0.0.1 or ::1 gets to a listener at this address.
fn is_local(address: &str) -> Option<bool> {
    // Words of 32 bits in network order, each printed as if it were a number of this machine.
    let word = |at: usize| Some(u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok()?.to_ne_bytes());
    if address.len() == 8 {
        return Some(is_local_v4(word(0)?.into()));
    }
    let mut bytes = [0; 16];
    for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
        part.copy_from_slice(&word(at)?);
    }
    Some(is_local_v6(bytes.into()))
}

pub(super) fn is_local_v4(ip: Ipv4Addr) -> bool {
    ip == Ipv4Addr::LOCALHOST || ip.is_unspecified()
}

pub(super) fn is_local_v6(ip: Ipv6Addr) -> bool {
    ip.to_ipv4_mapped().map_or(ip == Ipv6Addr::LOCALHOST || ip.is_unspecified(), is_local_v4)
}

/// Whether `pid` has one of `sockets` open.
fn holds(pid: u32, sockets: &HashSet<u64>) -> io::Result<bool> {
    held_sockets(pid, |inode| sockets.contains(&inode))
}

/// Shows the inode of each socket that `pid` has open to `is_it`, until that says yes; whether it did.
pub(super) fn held_sockets(pid: u32, mut is_it: impl FnMut(u64) -> bool) -> io::Result<bool> {
    let of_link = |text: &[u8]| -> Option<u64> {
        let inode = text.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
        std::str::from_utf8(inode).ok()?.parse().ok()
    };
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let mut folder = Dir::open(format!("/proc/{pid}/fd").as_str(), flags, Mode::empty())?;
    let mut names = Vec::new();
    // A descriptor may be closed meanwhile, and a process end: what cannot be read is not held.
    let entries = folder.iter().map_while(Result::ok).map(|entry| entry.file_name().to_owned());
    names.extend(entries.filter(|name| !name.to_bytes().starts_with(b".")));
    for name in names {
        let Ok(link) = readlinkat(&folder, name.as_c_str()) else { continue };
        if of_link(link.as_bytes()).is_some_and(&mut is_it) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn name_of(pid: u32) -> Option<String> {
    let name = fs::read(format!("/proc/{pid}/comm")).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    /// The port of tcpmux, which nobody has used for decades. One that was just given back could be given to another.
    const UNUSED: u16 = 1;

    fn own(address: &str) -> Option<(TcpListener, u16)> {
        let listener = TcpListener::bind(address).ok()?; // A machine without IPv6 has no such address.
        let port = listener.local_addr().unwrap().port();
        Some((listener, port))
    }

    #[test]
    fn a_port_of_ours_is_ours_at_every_local_address() {
        let pid = std::process::id();
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0", "[::ffff:127.0.0.1]:0"] {
            let Some((_socket, port)) = own(address) else { continue };
            assert_eq!(listener(port, &[pid]).unwrap(), Listener::Ours, "{address}");
            let name = Some(name_of(pid).unwrap());
            assert_eq!(listener(port, &[]).unwrap(), Listener::Stranger { pid: Some(pid), name }, "{address}");
        }
    }

    #[test]
    fn a_port_without_a_listener_is_nobodys() {
        assert_eq!(listener(UNUSED, &[std::process::id()]).unwrap(), Listener::Nobody);
    }

    #[test]
    fn a_listener_elsewhere_is_not_heard_at_localhost() {
        let Some((_socket, port)) = own("127.0.0.2:0") else { return };
        assert_eq!(listener(port, &[std::process::id()]).unwrap(), Listener::Nobody);
    }

    #[test]
    fn a_stranger_is_named_unless_it_shares_the_socket_with_us() {
        let (socket, port) = own("127.0.0.1:0").unwrap();
        let inherited = Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
        let mut other = Command::new("sleep").arg("100").stdin(inherited).spawn().unwrap();
        let pid = other.id();
        assert_eq!(listener(port, &[std::process::id()]).unwrap(), Listener::Ours);
        assert_eq!(listener(port, &[pid]).unwrap(), Listener::Ours);
        drop(socket);
        let stranger = Listener::Stranger { pid: Some(pid), name: Some("sleep".to_owned()) };
        assert_eq!(listener(port, &[std::process::id()]).unwrap(), stranger);
        other.kill().unwrap();
        other.wait().unwrap();
        // A tree that has ended is asked about in our own network namespace.
        assert_eq!(listener(UNUSED, &[pid]).unwrap(), Listener::Nobody);
    }

    #[test]
    fn only_listening_sockets_are_read() {
        let listening = " 0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 7531 1 0 100";
        let expected = Socket { is_local: true, port: 8080, uid: 1000, inode: 7531 };
        if cfg!(target_endian = "little") {
            assert_eq!(parse(listening), Some(expected));
        }
        for line in ["", "0: 0100007F:1F90", &listening.replace(" 0A ", " 01 "), &listening.replace("7F:", "7F ")] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
