//! What happens to a child between its birth and exec that only Linux does, or does best.
//!
//! Why it exists: these few calls mostly run on memory borrowed from the parent. Invariant: they allocate nothing, take
//! no lock and touch no other thread.

use nix::errno::Errno;
use nix::unistd::Pid;
use std::ffi::{c_int, c_void};
use std::os::fd::RawFd;

/// Runs `entry(argument)` in a child on the stack that ends at `stack`; returns when the child has executed a program or
/// ended. It borrows the caller's memory unless it `changes_user`: the kernel marks the memory of who does as not to be
/// looked into, which would hide the caller's environment and descriptors from whoever lacks CAP_SYS_PTRACE (root in many
/// a container). To lift the mark afterwards would not do: two threads that start children lift and set it in any order.
///
/// SAFETY: `entry` makes only async-signal-safe calls and never returns; all signals are blocked in the caller;
/// `argument` and the stack outlive the call.
pub(in super::super) unsafe fn run_child(
    entry: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
    stack: *mut c_void,
    changes_user: bool,
) -> Result<Pid, Errno> {
    let memory = if changes_user { 0 } else { libc::CLONE_VM };
    // SAFETY: CLONE_VFORK suspends the caller until the child no longer uses the shared memory (CLONE_VM).
    let pid = unsafe { libc::clone(entry, stack, memory | libc::CLONE_VFORK | libc::SIGCHLD, argument) };
    Errno::result(pid).map(Pid::from_raw)
}

/// Makes the calling process another user for good; -1 with errno set if the kernel refuses.
///
/// By system calls: the wrappers of libc would tell the other threads to do the same, and a child on borrowed memory
/// finds those of its parent.
///
/// SAFETY: async-signal-safe; meant for the time between fork and exec.
pub(in super::super) unsafe fn set_user(uid: u32, gid: u32, groups: &[u32]) -> c_int {
    // SAFETY: the kernel reads as many groups as it is told there are.
    unsafe {
        if libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) == -1
            || libc::syscall(libc::SYS_setgid, gid) == -1
            || libc::syscall(libc::SYS_setuid, uid) == -1
        {
            return -1;
        }
    }
    0
}

/// Has the kernel kill the caller when its parent dies. If that has died already, nothing happens.
///
/// SAFETY: async-signal-safe; meant for the time between fork and exec.
pub(in super::super) unsafe fn die_with_parent() {
    // SAFETY: prctl takes only numbers here.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Marks every descriptor from `first` on as closing at exec.
///
/// SAFETY: async-signal-safe; meant for the time between fork and exec.
pub(in super::super) unsafe fn close_on_exec_from(first: RawFd) {
    // SAFETY: close_range (Linux 5.11 for the flag) and fcntl take only numbers.
    unsafe {
        if libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) == -1 {
            for fd in first..1024 {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}
