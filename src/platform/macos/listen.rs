//! Who listens on a TCP port, as far as that can be told here.
//!
//! Why it exists: a process is ready when its port answers. Which process holds a socket is told only by structures
//! that are private to XNU and change with its versions (`proc_pidfdinfo`'s `socket_fdinfo`), so a port that accepts
//! connections is taken to be ours. Invariant: nobody is called a stranger.

use super::super::{Listener, connects};
use std::io;

/// Whether somebody listens on TCP `port` at 127.0.0.1 or ::1: [`Listener::Ours`] then, whoever it is.
///
/// # Errors
/// No connection could be tried.
pub fn listener(port: u16, _tree: &[u32]) -> io::Result<Listener> {
    match connects(port) {
        Ok(()) => Ok(Listener::Ours),
        Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut) => {
            Ok(Listener::Nobody)
        }
        Err(e) => Err(e),
    }
}
