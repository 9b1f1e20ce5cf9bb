//! On which TCP ports processes listen, as far as that can be told here: not at all.
//!
//! Why it exists: which process holds a socket is told only by structures that are private to XNU and change with its
//! versions (see `listen.rs`). Invariant: what is not known is told as not known, and a port that answers is never
//! called free.

use super::super::{PortHolders, connects};
use std::convert::Infallible;
use std::io;

/// The TCP sockets that listen. There is no such value here.
#[derive(Clone, Debug)]
pub struct ListeningSockets(Infallible);

impl ListeningSockets {
    /// `None`: this system does not tell.
    ///
    /// # Errors
    /// None here.
    pub fn look() -> io::Result<Option<ListeningSockets>> {
        Ok(None)
    }

    /// The ports on which the processes of `tree` listen.
    pub fn of_tree(&mut self, _tree: &[u32]) -> Option<Vec<u16>> {
        match self.0 {}
    }
}

/// Whether somebody listens on TCP `port` at 127.0.0.1 or ::1; who it is, is hidden.
///
/// # Errors
/// No connection could be tried.
pub fn port_holders(port: u16) -> io::Result<PortHolders> {
    let hidden = match connects(port) {
        Ok(()) => true,
        Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut) => false,
        Err(e) => return Err(e),
    };
    Ok(PortHolders { pids: Vec::new(), hidden })
}
