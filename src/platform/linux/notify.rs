//! The receiving end of sd_notify(3).
//!
//! Why it exists: a process says itself when it is ready, and what it is doing. Invariant: who sent a message is told
//! by the kernel (SO_PASSCRED), never by the message; what comes without a sender, or cut off, is as if it never came.

use super::super::Notice;
use nix::errno::Errno;
use nix::unistd::geteuid;
use std::ffi::{OsString, c_int};
use std::fs::{self, Permissions};
use std::io;
use std::mem::{size_of, zeroed};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::ptr;

/// Whether processes can report their readiness on this system.
pub const NOTIFY_SUPPORTED: bool = true;

/// What systemd takes; no sender may rely on more.
const LONGEST_MESSAGE: usize = 4096;
/// SCM_MAX_FD: as many descriptors as one message can carry.
const MOST_DESCRIPTORS: usize = 253;
/// After how many messages that do not count [`NotifySocket::receive`] lets its caller see to other things.
const MOST_DROPPED: usize = 64;

/// A socket to which a process sends `READY=1` and the like. Readable when a message has arrived.
#[derive(Debug)]
pub struct NotifySocket {
    socket: UnixDatagram,
    address: OsString,
    /// Its file, with device and inode, if it has one.
    file: Option<(PathBuf, (u64, u64))>,
}

impl NotifySocket {
    /// Makes the socket at `path` (absolute), in place of one that is there; only we may send to it.
    ///
    /// It is made in the abstract namespace as `fallback` (at most 107 bytes, and unique) instead when the path is
    /// longer than an address may be, and when `owner`, the user who is to send, is another than we: state folders are
    /// private, so that user could not get to the file whoever owned it. To an abstract socket everybody on the machine
    /// can send, and the sender's network namespace must be ours: look at [`Notice::pid`].
    ///
    /// # Errors
    /// The folder is missing or may not be written to; the abstract name is in use.
    pub fn bind(path: &Path, fallback: &str, owner: Option<u32>) -> io::Result<NotifySocket> {
        let for_us = owner.is_none_or(|uid| uid == geteuid().as_raw());
        let (socket, address, file) = match SocketAddr::from_pathname(path) {
            Ok(address) if for_us => {
                remove(path)?;
                let socket = UnixDatagram::bind_addr(&address)?;
                // The folder is private already; the mode holds also where it is not.
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
                let made = fs::symlink_metadata(path)?;
                (socket, path.into(), Some((path.to_owned(), (made.dev(), made.ino()))))
            }
            _ => {
                let address = SocketAddr::from_abstract_name(fallback)?;
                (UnixDatagram::bind_addr(&address)?, OsString::from(format!("@{fallback}")), None)
            }
        };
        socket.set_nonblocking(true)?;
        pass_credentials(socket.as_raw_fd())?;
        Ok(NotifySocket { socket, address, file })
    }

    /// What the sender finds in `NOTIFY_SOCKET`: a path, or `@name`.
    pub fn address(&self) -> OsString {
        self.address.clone()
    }

    /// The next message; `None` when there is none. Never waits.
    ///
    /// Descriptors that come with a message are closed: `systemd-notify` waits for just that after `BARRIER=1`.
    ///
    /// # Errors
    /// The failing recvmsg's.
    pub fn receive(&self) -> io::Result<Option<Notice>> {
        for _ in 0..MOST_DROPPED {
            match receive(self.socket.as_raw_fd()) {
                Ok(Some(notice)) => return Ok(Some(notice)),
                Ok(None) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
        Ok(None)
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let Some((path, id)) = &self.file else { return };
        // A fresh sidecar may have put its own socket in this one's place.
        if fs::symlink_metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == *id) {
            let _ = fs::remove_file(path);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn pass_credentials(socket: RawFd) -> io::Result<()> {
    let on: c_int = 1;
    let size = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes of `on`.
    let done = unsafe { libc::setsockopt(socket, libc::SOL_SOCKET, libc::SO_PASSCRED, (&raw const on).cast(), size) };
    Errno::result(done)?;
    Ok(())
}

/// Room for the control messages, aligned as they must be.
#[repr(C)]
union Control {
    _alignment: libc::cmsghdr,
    bytes: [u8; CONTROL],
}

// SAFETY: CMSG_SPACE only calculates.
const CONTROL: usize = unsafe {
    libc::CMSG_SPACE(size_of::<libc::ucred>() as u32) as usize
        + libc::CMSG_SPACE((MOST_DESCRIPTORS * size_of::<RawFd>()) as u32) as usize
};

/// One message; `None` if it does not count.
fn receive(socket: RawFd) -> Result<Option<Notice>, Errno> {
    let mut text = vec![0u8; LONGEST_MESSAGE];
    let mut part = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: text.len() };
    let mut control = Control { bytes: [0; CONTROL] };
    // SAFETY: a zeroed msghdr is a valid one; all it is made to point to lives through the call, with the sizes given.
    let (filled, header) = unsafe {
        let mut header: libc::msghdr = zeroed();
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = (&raw mut control).cast();
        header.msg_controllen = CONTROL;
        let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
        (libc::recvmsg(socket, &raw mut header, flags), header)
    };
    let filled = Errno::result(filled)?;
    let mut sender = None;
    // SAFETY: the kernel has filled the control messages, to which `header` still points; CMSG_FIRSTHDR and CMSG_NXTHDR
    // stay within them. Data is read unaligned, as much as its length says; each descriptor is new and ours alone.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(message) = next.as_ref() {
            let data = libc::CMSG_DATA(message);
            let length = message.cmsg_len.saturating_sub(libc::CMSG_LEN(0) as usize);
            match (message.cmsg_level, message.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if length >= size_of::<libc::ucred>() => {
                    sender = Some(ptr::read_unaligned(data.cast::<libc::ucred>()));
                }
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    for index in 0..length / size_of::<RawFd>() {
                        drop(OwnedFd::from_raw_fd(ptr::read_unaligned(data.cast::<RawFd>().add(index))));
                    }
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(&raw const header, message);
        }
    }
    let whole = header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) == 0;
    // Pid 0: a sender whom our pid namespace does not know.
    let sender = sender.and_then(|s| Some((u32::try_from(s.pid).ok().filter(|&pid| pid > 0)?, s.uid)));
    Ok(sender.filter(|_| whole).map(|(pid, uid)| {
        text.truncate(usize::try_from(filled).unwrap_or_default());
        text.shrink_to_fit();
        Notice { pid, uid, text }
    }))
}

#[cfg(test)]
mod tests {
    use super::super::super::{Interest, boot_clock, wait};
    use super::*;
    use std::ffi::OsStr;
    use std::process::Command;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(10);

    fn next(socket: &NotifySocket) -> Notice {
        assert!(wait(&[(socket.as_fd(), Interest::Readable)], Some(boot_clock() + SOON)).unwrap()[0]);
        socket.receive().unwrap().unwrap()
    }

    #[test]
    fn a_message_tells_who_sent_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.notify");
        fs::write(&path, "left over").unwrap();
        let socket = NotifySocket::bind(&path, "unused", None).unwrap();
        assert_eq!(socket.address(), path);
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(socket.receive().unwrap(), None);
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"READY=1\nSTATUS=up", &path).unwrap();
        let (pid, uid) = (std::process::id(), geteuid().as_raw());
        assert_eq!(socket.receive().unwrap(), Some(Notice { pid, uid, text: b"READY=1\nSTATUS=up".to_vec() }));
        assert_eq!(socket.receive().unwrap(), None);
    }

    #[test]
    fn a_message_that_was_cut_off_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.notify");
        let socket = NotifySocket::bind(&path, "unused", None).unwrap();
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(&[b'x'; LONGEST_MESSAGE + 1], &path).unwrap();
        sender.send_to(b"WATCHDOG=1", &path).unwrap();
        assert_eq!(next(&socket).text, b"WATCHDOG=1");
    }

    #[test]
    fn descriptors_that_come_along_are_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.notify");
        let socket = NotifySocket::bind(&path, "unused", None).unwrap();
        let (reader, writer) = io::pipe().unwrap();
        send_with_descriptors(&path, &[writer.as_raw_fd(); 3]);
        drop(writer);
        assert_eq!(next(&socket).text, b"BARRIER=1");
        // The pipe ends when its last writer is closed, which were the ones in the message.
        assert!(wait(&[(reader.as_fd(), Interest::HangUp)], Some(boot_clock() + SOON)).unwrap()[0]);
    }

    fn send_with_descriptors(path: &Path, descriptors: &[RawFd]) {
        let sender = UnixDatagram::unbound().unwrap();
        sender.connect(path).unwrap();
        let size = size_of_val(descriptors);
        let mut text = *b"BARRIER=1";
        let mut part = libc::iovec { iov_base: text.as_mut_ptr().cast(), iov_len: text.len() };
        let mut control = Control { bytes: [0; CONTROL] };
        // SAFETY: everything pointed to lives through the call; the control message fits into its buffer.
        unsafe {
            let mut header: libc::msghdr = zeroed();
            header.msg_iov = &raw mut part;
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut control).cast();
            header.msg_controllen = libc::CMSG_SPACE(size as u32) as usize;
            let message = libc::CMSG_FIRSTHDR(&raw const header);
            (*message).cmsg_level = libc::SOL_SOCKET;
            (*message).cmsg_type = libc::SCM_RIGHTS;
            (*message).cmsg_len = libc::CMSG_LEN(size as u32) as usize;
            ptr::copy_nonoverlapping(descriptors.as_ptr().cast(), libc::CMSG_DATA(message), size);
            assert_eq!(libc::sendmsg(sender.as_raw_fd(), &raw const header, 0), text.len() as isize);
        }
    }

    #[test]
    fn a_long_path_and_another_user_get_an_abstract_socket() {
        let folder = tempfile::tempdir().unwrap();
        let id = std::process::id();
        let long = folder.path().join("x".repeat(108));
        let socket = NotifySocket::bind(&long, &format!("bgo-test-{id}-long"), None).unwrap();
        assert_eq!(socket.address(), OsStr::new(&format!("@bgo-test-{id}-long")));
        let address = SocketAddr::from_abstract_name(format!("bgo-test-{id}-long")).unwrap();
        UnixDatagram::unbound().unwrap().send_to_addr(b"READY=1", &address).unwrap();
        assert_eq!(next(&socket).text, b"READY=1");
        let name = format!("bgo-test-{id}-user");
        let path = folder.path().join("web.notify");
        let socket = NotifySocket::bind(&path, &name, Some(geteuid().as_raw() + 1)).unwrap();
        assert_eq!(socket.address(), OsStr::new(&format!("@{name}")));
        assert!(!path.exists());
        assert_eq!(NotifySocket::bind(&path, &name, Some(1)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_file_goes_with_its_socket_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.notify");
        let old = NotifySocket::bind(&path, "unused", None).unwrap();
        let new = NotifySocket::bind(&path, "unused", None).unwrap();
        drop(old);
        assert!(path.exists());
        drop(new);
        assert!(!path.exists());
    }

    #[test]
    fn systemd_notify_is_heard_where_it_is_installed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("web.notify");
        let socket = NotifySocket::bind(&path, "unused", None).unwrap();
        let sent = Command::new("systemd-notify").arg("--ready").env("NOTIFY_SOCKET", socket.address()).spawn();
        let Ok(mut sender) = sent else { return };
        let notice = next(&socket);
        assert!(notice.text.starts_with(b"READY=1"), "{notice:?}");
        // It waits until its barrier is closed.
        while !wait(&[(socket.as_fd(), Interest::Readable)], Some(boot_clock() + Duration::from_millis(200))).unwrap()
            [0]
        {
            if sender.try_wait().unwrap().is_some() {
                return;
            }
        }
        let _ = socket.receive().unwrap();
        assert!(sender.wait().unwrap().success());
    }
}
