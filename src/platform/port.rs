//! TCP ports that nobody uses.
//!
//! Why it exists: a process that was promised a port must find it free. Invariant: while a [`HeldPort`] lives, nobody
//! else gets its number from the kernel.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

/// A port of the loopback addresses that is ours as long as this lives.
#[derive(Debug)]
pub struct HeldPort {
    number: u16,
    _sockets: (TcpListener, Option<TcpListener>),
}

impl HeldPort {
    /// Holds port `number`. Connections that linger from its last use (TIME_WAIT) do no harm: std sets SO_REUSEADDR.
    ///
    /// Only the loopback addresses, because a listener on all of them would be seen from outside, and macOS asks its
    /// user about each of those. Who listens on all addresses is in the way on these, too.
    ///
    /// # Errors
    /// `AddrInUse`, mostly.
    pub fn hold(number: u16) -> io::Result<HeldPort> {
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, number))?;
        let number = four.local_addr()?.port();
        let six = match TcpListener::bind((Ipv6Addr::LOCALHOST, number)) {
            Ok(six) => Some(six),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => return Err(e),
            // A machine without IPv6.
            Err(_) => None,
        };
        Ok(HeldPort { number, _sockets: (four, six) })
    }

    /// Holds a port that nobody uses.
    ///
    /// # Errors
    /// None is left, or there is no loopback device.
    pub fn any() -> io::Result<HeldPort> {
        const ATTEMPTS: usize = 20;
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..ATTEMPTS {
            match HeldPort::hold(0) {
                // The kernel looks at IPv4 alone when it chooses.
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => last = e,
                other => return other,
            }
        }
        Err(last)
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }
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
