//! Which TCP sockets listen, asked of the kernel by netlink: sock_diag(7).
//!
//! Why it exists: /proc/net/tcp tells the same, but each read of it that gets to the end of what listens makes the kernel
//! look through its table of connections, a millisecond every time: more than all the rest of a `status NAME`. Invariant:
//! it is all of them, or an error, on which one reads /proc: not every kernel has sock_diag.

use super::listen::{Socket, is_local_v4, is_local_v6};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::FromRawFd;

/// The type of the request, and of each message that is about a socket.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// The state of a socket that listens, as a bit.
const LISTENING: u32 = 1 << 10;
/// `struct nlmsghdr`: length (32 bits), type (16), flags (16), number and sender (32 each).
const HEADER: usize = 16;
/// The header, and `struct inet_diag_req_v2`: family, protocol, extensions and padding (8 bits each), states (32), and
/// the addresses of one socket, which stay 0.
const REQUEST: usize = HEADER + 56;
/// As much as the kernel puts into one answer.
const ANSWER: usize = 8192;

/// All in the caller's network namespace.
///
/// # Errors
/// The kernel does not tell it this way.
pub fn listening_sockets() -> io::Result<Vec<Socket>> {
    let (kind, protocol) = (libc::SOCK_RAW | libc::SOCK_CLOEXEC, libc::NETLINK_SOCK_DIAG);
    // SAFETY: socket takes three integers and returns a new descriptor or -1.
    let opened = unsafe { libc::socket(libc::AF_NETLINK, kind, protocol) };
    if opened < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    let mut kernel = unsafe { File::from_raw_fd(opened) };
    let mut sockets = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        kernel.write_all(&request(family as u8))?;
        let mut answer = [0; ANSWER];
        let mut is_over = false;
        while !is_over {
            let filled = match kernel.read(&mut answer) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if filled == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            is_over = take(&answer[..filled], &mut sockets)?;
        }
    }
    Ok(sockets)
}

fn request(family: u8) -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    request[..4].copy_from_slice(&(REQUEST as u32).to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&((libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16).to_ne_bytes());
    request[HEADER] = family;
    request[HEADER + 1] = libc::IPPROTO_TCP as u8;
    request[HEADER + 4..HEADER + 8].copy_from_slice(&LISTENING.to_ne_bytes());
    request
}

/// Takes the sockets out of one answer; whether it was the last.
fn take(mut answer: &[u8], sockets: &mut Vec<Socket>) -> io::Result<bool> {
    const ERROR: u16 = libc::NLMSG_ERROR as u16;
    const DONE: u16 = libc::NLMSG_DONE as u16;
    let cut_off = || io::Error::from(io::ErrorKind::UnexpectedEof);
    while !answer.is_empty() {
        let length = word(answer, 0).ok_or_else(cut_off)? as usize;
        let message = answer.get(..length.max(HEADER)).ok_or_else(cut_off)?;
        match u16::from_ne_bytes([message[4], message[5]]) {
            ERROR | DONE => {
                // Either begins with an errno, negative; 0 of a list that is complete.
                let code = word(message, HEADER).ok_or_else(cut_off)? as i32;
                return if code < 0 { Err(io::Error::from_raw_os_error(-code)) } else { Ok(true) };
            }
            SOCK_DIAG_BY_FAMILY => sockets.push(socket(message).ok_or_else(cut_off)?),
            _ => {}
        }
        answer = answer.get(message.len().next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// `struct inet_diag_msg`, after the header: family, three bytes, port (16 bits, in network order), another port,
/// address (128 bits), …, at 64 the user and the inode (32 bits each).
fn socket(message: &[u8]) -> Option<Socket> {
    let about = message.get(HEADER..HEADER + 72)?;
    let is_local = match i32::from(about[0]) {
        libc::AF_INET => is_local_v4(Ipv4Addr::from(*about[8..].first_chunk::<4>()?)),
        _ => is_local_v6(Ipv6Addr::from(*about[8..].first_chunk::<16>()?)),
    };
    let port = u16::from_be_bytes([about[4], about[5]]);
    Some(Socket { is_local, port, uid: word(about, 64)?, inode: word(about, 68)?.into() })
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::super::listen::sockets_in_proc;
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_kernel_tells_what_proc_tells() {
        let bind = |address| TcpListener::bind(address).ok(); // A machine without IPv6 has no such address.
        let addresses = ["127.0.0.1:0", "0.0.0.0:0", "127.0.0.2:0", "[::1]:0", "[::]:0", "[::ffff:127.0.0.1]:0"];
        let listeners: Vec<TcpListener> = addresses.into_iter().filter_map(bind).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        let _connected = TcpStream::connect(listeners[0].local_addr().unwrap()).unwrap();
        let Ok(mut told) = listening_sockets() else { return };
        let mut read = sockets_in_proc(None).unwrap();
        for sockets in [&mut told, &mut read] {
            sockets.retain(|socket| ports.contains(&socket.port));
            sockets.sort_by_key(|socket| socket.inode);
        }
        assert!(told.len() >= listeners.len());
        assert_eq!(told, read);
    }

    #[test]
    fn what_is_cut_off_or_refused_is_an_error() {
        let message = |kind: i32, code: i32| {
            let header = [20u32.to_ne_bytes(), [0; 4], [0; 4], [0; 4], code.to_ne_bytes()];
            let mut message = header.concat();
            message[4..6].copy_from_slice(&(kind as u16).to_ne_bytes());
            message
        };
        let take = |answer: &[u8]| take(answer, &mut Vec::new()).map_err(|e| e.raw_os_error());
        assert_eq!(take(&message(libc::NLMSG_DONE, 0)), Ok(true));
        assert_eq!(take(&message(libc::NLMSG_DONE, -libc::ENOENT)), Err(Some(libc::ENOENT)));
        assert_eq!(take(&message(libc::NLMSG_ERROR, -libc::EPERM)), Err(Some(libc::EPERM)));
        assert_eq!(take(&message(libc::NLMSG_DONE, 0)[..19]), Err(None));
        assert_eq!(take(&message(i32::from(SOCK_DIAG_BY_FAMILY), 0)), Err(None));
        assert_eq!(take(&[]), Ok(false));
    }
}
