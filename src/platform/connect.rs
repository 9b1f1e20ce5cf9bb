//! Whether something accepts connections on a port of this machine.
//!
//! Why it exists: the cheapest health check there is. Invariant: it is over within [`PATIENCE`], whatever the other
//! side does, so that a sidecar's one thread may call it.

use super::boot_clock;
use super::loopback::{Address, socket};
use super::poll::{Interest, wait};
use nix::errno::Errno;
use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// The loopback device delivers within the very call, and a connection is made or refused when it returns; but a busy
/// kernel may leave the delivery to a thread of its own. Who has no answer then has been dropped because the backlog
/// is full: that packet is sent again only after a second.
const PATIENCE: Duration = Duration::from_millis(50);

/// Connects to TCP `port` on 127.0.0.1 and ::1, and hangs up; either is enough. Takes 50 ms at most, which is when
/// nobody accepts and the backlog is full.
///
/// # Errors
/// `ConnectionRefused`: nobody listens. `TimedOut`: somebody does, and does not accept connections.
pub fn connects(port: u16) -> io::Result<()> {
    let attempts = [begin(true, port), begin(false, port)];
    let mut open: Vec<OwnedFd> = Vec::new();
    let mut refusal = None;
    for attempt in attempts {
        match attempt {
            Ok(Attempt::Connected) => return Ok(()),
            Ok(Attempt::UnderWay(socket)) => open.push(socket),
            // That of IPv4 comes first: a machine may have no IPv6.
            Err(e) => refusal = refusal.or(Some(e)),
        }
    }
    let deadline = boot_clock() + PATIENCE;
    while !open.is_empty() {
        let polled: Vec<_> = open.iter().map(|socket| (socket.as_fd(), Interest::Writable)).collect();
        let ready = wait(&polled, Some(deadline))?;
        if !ready.contains(&true) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it listens, but does not accept connections"));
        }
        let mut waiting = Vec::new();
        for (socket, ready) in open.into_iter().zip(ready) {
            match ready.then(|| outcome(&socket)) {
                None => waiting.push(socket),
                Some(Ok(())) => return Ok(()),
                Some(Err(e)) => refusal = refusal.or(Some(e)),
            }
        }
        open = waiting;
    }
    Err(refusal.unwrap_or(Errno::ECONNREFUSED).into())
}

enum Attempt {
    Connected,
    UnderWay(OwnedFd),
}

fn begin(v4: bool, port: u16) -> Result<Attempt, Errno> {
    let socket = socket(v4)?;
    // SAFETY: fcntl changes only this descriptor.
    let done = unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) };
    Errno::result(done)?;
    let address = Address::new(v4, port);
    let (raw, size) = address.raw();
    // SAFETY: the kernel reads `size` bytes of `address`.
    let done = unsafe { libc::connect(socket.as_raw_fd(), raw, size) };
    match Errno::result(done) {
        Ok(_) => Ok(Attempt::Connected),
        Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(Attempt::UnderWay(socket)),
        Err(e) => Err(e),
    }
}

/// How an attempt ended.
fn outcome(socket: &OwnedFd) -> Result<(), Errno> {
    let mut error: c_int = 0;
    let mut size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `size` bytes into `error`.
    let done = unsafe {
        let value = (&raw mut error).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_ERROR, value, &mut size)
    };
    Errno::result(done)?;
    if error == 0 { Ok(()) } else { Err(Errno::from_raw(error)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::time::Instant;

    fn port_of(listener: &TcpListener) -> u16 {
        listener.local_addr().unwrap().port()
    }

    #[test]
    fn a_listener_is_connected_to_on_either_loopback_address() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            // A machine without IPv6 has no such address.
            let Ok(listener) = TcpListener::bind(address) else { continue };
            connects(port_of(&listener)).unwrap();
        }
    }

    #[test]
    fn a_port_without_a_listener_refuses() {
        // tcpmux, which nobody has used for decades. A port that was just given back could be given to another.
        assert_eq!(connects(1).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn a_listener_with_a_full_backlog_is_an_error_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // SAFETY: listening again only changes the length of the backlog.
        assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
        let address = listener.local_addr().unwrap();
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let waiting: Vec<TcpStream> = (0..4).map_while(connect).collect();
        assert!(waiting.len() < 4, "the backlog is never full");
        let begun = Instant::now();
        let error = connects(address.port()).unwrap_err();
        assert_eq!(error.to_string(), "it listens, but does not accept connections");
        assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
    }
}
