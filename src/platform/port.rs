//! TCP ports that nobody uses.
//!
//! Why it exists: a process that was promised a port must find it free. Invariants: while a [`HeldPort`] lives, the kernel
//! gives its number to nobody who asks for any; nobody can connect to it, so that who waits for the process is not
//! fooled (std's `TcpListener` would accept connections).

use super::loopback::{Address, socket};
use nix::errno::Errno;
use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

/// A port of the loopback addresses that is ours as long as this lives.
#[derive(Debug)]
pub struct HeldPort {
    number: u16,
    _sockets: (OwnedFd, Option<OwnedFd>),
}

impl HeldPort {
    /// Holds port `number`, which is known to be ours. Connections that linger from its last use (TIME_WAIT) are not in the
    /// way; who listens on all addresses is.
    ///
    /// # Errors
    /// `AddrInUse`, mostly.
    pub fn hold(number: u16) -> io::Result<HeldPort> {
        HeldPort::bind(number, true)
    }

    /// Holds a port that nobody uses.
    ///
    /// # Errors
    /// None is left, or there is no loopback device.
    pub fn any() -> io::Result<HeldPort> {
        const ATTEMPTS: usize = 20;
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..ATTEMPTS {
            match HeldPort::bind(0, false) {
                // The kernel looks at IPv4 alone when it chooses.
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => last = e,
                other => return other,
            }
        }
        Err(last)
    }

    fn bind(number: u16, again: bool) -> io::Result<HeldPort> {
        // Only here: std can tell the number of any socket that is bound.
        let four = TcpListener::from(bind(true, number, again)?);
        let number = four.local_addr()?.port();
        let six = match bind(false, number, again) {
            Ok(six) => Some(six),
            Err(Errno::EADDRINUSE) => return Err(Errno::EADDRINUSE.into()),
            // A machine without IPv6.
            Err(_) => None,
        };
        Ok(HeldPort { number, _sockets: (four.into(), six) })
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// A socket with this port of the loopback address. Without `again` nobody else can have another.
fn bind(v4: bool, port: u16, again: bool) -> Result<OwnedFd, Errno> {
    let socket = socket(v4)?;
    let reuse = c_int::from(again);
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes of `reuse`.
    let done = unsafe {
        let value = (&raw const reuse).cast();
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, value, size)
    };
    Errno::result(done)?;
    let address = Address::new(v4, port);
    let (raw, size) = address.raw();
    // SAFETY: the kernel reads `size` bytes of `address`.
    let done = unsafe { libc::bind(socket.as_raw_fd(), raw, size) };
    Errno::result(done)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_port_is_nobody_elses_until_it_is_let_go() {
        let held = HeldPort::any().unwrap();
        let number = held.number();
        for address in ["127.0.0.1", "0.0.0.0"] {
            assert!(TcpListener::bind((address, number)).is_err(), "{address}");
        }
        assert_eq!(HeldPort::hold(number).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let refused = std::net::TcpStream::connect(("127.0.0.1", number)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        drop(held);
        assert_eq!(HeldPort::hold(number).unwrap().number(), number);
    }

    #[test]
    fn a_port_that_is_used_on_either_address_is_not_free() {
        for address in ["127.0.0.1", "0.0.0.0", "::1", "::"] {
            let Ok(taken) = TcpListener::bind((address, 0)) else { continue };
            let number = taken.local_addr().unwrap().port();
            assert!(HeldPort::hold(number).is_err(), "{address}");
        }
    }
}
