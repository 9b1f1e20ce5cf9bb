//! Addresses by name, through libc.
//!
//! Why it exists: getaddrinfo(3) knows no deadline. Invariant: nobody waits for it longer than to the deadline; a look-up
//! that is still under way then ends with the process.

use super::boot_clock;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// The addresses of `host`, a name or an address, until `deadline` on the boot-time clock.
///
/// # Errors
/// `NotFound`: nobody knows the name. `TimedOut`: at the deadline.
pub fn resolve(host: &str, deadline: Duration) -> io::Result<Vec<IpAddr>> {
    let (answer, answers) = mpsc::channel();
    let name = host.to_owned();
    thread::Builder::new().spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        answer.send(found.map(|all| all.map(|address| address.ip()).collect::<Vec<_>>()))
    })?;
    let left = deadline.saturating_sub(boot_clock());
    match answers.recv_timeout(left) {
        Ok(Ok(mut known)) if !known.is_empty() => {
            known.dedup();
            Ok(known)
        }
        Ok(_) => Err(io::ErrorKind::NotFound.into()),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
