//! TCP sockets and the two addresses of the loopback device.
//!
//! Why it exists: a check connects to them and a port is held by them, and both calls take an address as raw bytes.
//! Invariants: an address is whole, of whichever family; a socket does not reach a child.

use nix::errno::Errno;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// A port of 127.0.0.1 or ::1, as the kernel reads it.
pub(super) enum Address {
    V4(libc::sockaddr_in),
    V6(libc::sockaddr_in6),
}

impl Address {
    /// TCP `port` of 127.0.0.1 (`v4`) or ::1.
    pub(super) fn new(v4: bool, port: u16) -> Address {
        if v4 {
            // SAFETY: an address of zeros is a valid one.
            let mut address: libc::sockaddr_in = unsafe { zeroed() };
            address.sin_family = libc::AF_INET as libc::sa_family_t;
            address.sin_port = port.to_be();
            address.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
            return Address::V4(address);
        }
        // SAFETY: as above.
        let mut address: libc::sockaddr_in6 = unsafe { zeroed() };
        address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
        address.sin6_port = port.to_be();
        address.sin6_addr.s6_addr = Ipv6Addr::LOCALHOST.octets();
        Address::V6(address)
    }

    /// Where it is, and how many bytes of it there are; good as long as it lives.
    pub(super) fn raw(&self) -> (*const libc::sockaddr, libc::socklen_t) {
        match self {
            Address::V4(address) => ((&raw const *address).cast(), size_of::<libc::sockaddr_in>() as libc::socklen_t),
            Address::V6(address) => ((&raw const *address).cast(), size_of::<libc::sockaddr_in6>() as libc::socklen_t),
        }
    }
}

/// A TCP socket for such an address.
///
/// # Errors
/// The machine does not have that family, or no descriptor is left.
pub(super) fn socket(v4: bool) -> Result<OwnedFd, Errno> {
    let family = if v4 { libc::AF_INET } else { libc::AF_INET6 };
    // SAFETY: socket takes numbers and returns a new descriptor or -1; fcntl changes only that one.
    unsafe {
        let socket = OwnedFd::from_raw_fd(Errno::result(libc::socket(family, libc::SOCK_STREAM, 0))?);
        Errno::result(libc::fcntl(socket.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC))?;
        Ok(socket)
    }
}
