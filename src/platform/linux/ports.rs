//! On which TCP ports processes listen, and who listens on one: the sockets that listen, and the descriptors of processes.
//!
//! Why it exists: `status` shows the ports of whole trees, and a port that is to be free must be held by nobody. Invariants:
//! the sockets of a network namespace are read once a look, however many processes are asked about; descriptors are
//! read only where a listening socket can be among them; what is hidden from us is told as hidden, never as free.

use super::super::PortHolders;
use super::all_pids;
use super::listen::{Socket, held_sockets, listening_sockets};
use nix::unistd::geteuid;
use std::fs;
use std::io;
use std::path::PathBuf;

/// The TCP sockets that listen, as of one moment.
#[derive(Clone, Debug)]
pub struct ListeningSockets {
    /// The inode and the port of each. Inodes are one number series over all network namespaces.
    ports: Vec<(u64, u16)>,
    /// The network namespaces that were read, the caller's among them.
    namespaces: Vec<PathBuf>,
    /// Whether one of them can be a process's whose descriptors we may see.
    any_visible: bool,
}

impl ListeningSockets {
    /// Those in the caller's network namespace; other namespaces are read when a process in one is asked about. `None`
    /// where the system does not tell.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn look() -> io::Result<Option<ListeningSockets>> {
        let mut all = ListeningSockets { ports: Vec::new(), namespaces: Vec::new(), any_visible: false };
        all.add(listening_sockets(None)?);
        all.namespaces.extend(fs::read_link("/proc/self/ns/net"));
        Ok(Some(all))
    }

    fn add(&mut self, sockets: Vec<Socket>) {
        let own = geteuid();
        // Who is not root sees the descriptors of its own processes only, and those have made their sockets themselves.
        self.any_visible |= sockets.iter().any(|socket| own.is_root() || socket.uid == own.as_raw());
        self.ports.extend(sockets.into_iter().map(|socket| (socket.inode, socket.port)));
    }

    /// The ports on which the processes of `tree` listen, sorted; `None` if none of them is seen to listen, and one hides
    /// its descriptors from us.
    pub fn of_tree(&mut self, tree: &[u32]) -> Option<Vec<u16>> {
        let (mut ports, mut hidden) = (Vec::new(), false);
        for &pid in tree {
            if let Ok(namespace) = fs::read_link(format!("/proc/{pid}/ns/net"))
                && !self.namespaces.contains(&namespace)
                && let Ok(sockets) = listening_sockets(Some(pid))
            {
                self.namespaces.push(namespace);
                self.add(sockets);
            }
            if !self.any_visible {
                continue;
            }
            let looked = held_sockets(pid, |inode| {
                let found = self.ports.iter().find(|(listening, _)| *listening == inode);
                if let Some((_, port)) = found
                    && let Err(at) = ports.binary_search(port)
                {
                    ports.insert(at, *port);
                }
                false
            });
            hidden |= looked.is_err_and(|e| e.kind() == io::ErrorKind::PermissionDenied);
        }
        if hidden && ports.is_empty() { None } else { Some(ports) }
    }
}

/// Who listens on TCP `port`, at any address, in the caller's network namespace.
///
/// # Errors
/// /proc cannot be read.
pub fn port_holders(port: u16) -> io::Result<PortHolders> {
    let sockets = listening_sockets(None)?.into_iter().filter(|socket| socket.port == port);
    // Each with whether a holder of it was seen.
    let mut sockets: Vec<(u64, bool)> = sockets.map(|socket| (socket.inode, false)).collect();
    let mut holders = PortHolders::default();
    if sockets.is_empty() {
        return Ok(holders);
    }
    for pid in all_pids() {
        let mut holds = false;
        let _ = held_sockets(pid, |inode| {
            for (_, seen) in sockets.iter_mut().filter(|(wanted, _)| *wanted == inode) {
                (*seen, holds) = (true, true);
            }
            false
        });
        if holds {
            holders.pids.push(pid);
        }
    }
    holders.hidden = sockets.iter().any(|(_, seen)| !seen);
    Ok(holders)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn every_listening_socket_of_a_tree_is_seen_and_no_other() {
        let own = std::process::id();
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let same = TcpListener::bind(("127.0.0.2", port)).unwrap();
        let client = TcpStream::connect(first.local_addr().unwrap()).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sockets = ListeningSockets::look().unwrap().unwrap();
        let ports = sockets.of_tree(&[own]).unwrap();
        // Other tests of this process have ports, too.
        assert!(ports.is_sorted() && ports.iter().filter(|p| **p == port).count() == 1, "{ports:?}");
        assert!(!ports.contains(&client.local_addr().unwrap().port()));
        assert_eq!(sockets.of_tree(&[]), Some(Vec::new()));
        // A child that another test has just made holds copies of all our descriptors until it executes.
        let holders = || port_holders(port).unwrap();
        assert!(holders().pids.contains(&own) && !holders().hidden);
        drop((first, same, udp));
        assert!(!holders().pids.contains(&own));
    }
}
