//! macOS: libproc, sysctl, kqueue.
//!
//! Why it exists: it implements what `platform/mod.rs` names, with the means of XNU. Invariant: a [`ProcessHandle`]
//! stands for one process for ever; its pid may be reused, the handle never is.
//!
//! What macOS cannot do, and what follows:
//!
//! - No pidfd. A handle is a kqueue that watches the process; it notices the end of that very process. Signals go to a
//!   number, so the start time is compared immediately before: the gap between the two calls remains, in which a pid
//!   would have to end, be reaped and be given out again. A child that was not reaped has no gap.
//! - No subreaper. An orphan becomes a child of launchd; it is found by the run id in its environment, not by descent.
//! - The environment of a binary that System Integrity Protection restricts (most of `/bin` and `/usr/bin`) is hidden
//!   from others, so an orphan of such a program that also left the session of its leader is not found.
//! - Start times are microseconds since 1970 on the wall clock, as it stood then. They identify a process whatever the
//!   clock does later; [`moment_of_start`], which has to translate them, is off by as much as the clock was set since.

use super::ProcStat;
use super::poll::{Interest, wait};
use super::reap::outcome_of_status;
use crate::domain::outcome::Outcome;
use crate::domain::record::Identity;
use crate::domain::signal::Signal;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::signal::{SigSet, Signal as NixSignal, kill, killpg};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getsid};
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{CStr, c_int, c_void};
use std::fs::{File, OpenOptions};
use std::io;
use std::mem::{MaybeUninit, size_of, size_of_val};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

// ---------------------------------------------------------------------------------------------- clocks and boots

/// This boot's id.
///
/// # Errors
/// The kernel would not tell.
pub fn boot_id() -> io::Result<Box<str>> {
    let mut buffer = [0u8; 64];
    let length = sysctl_by_name(c"kern.bootsessionuuid", &mut buffer)?;
    let text = buffer[..length].split(|&b| b == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into())
}

/// Time since boot, suspended time included; it never jumps. `CLOCK_MONOTONIC_RAW` is `mach_continuous_time` here;
/// `CLOCK_MONOTONIC` is derived from the wall clock and `CLOCK_UPTIME_RAW` stops while the machine sleeps.
pub fn boot_clock() -> Duration {
    clock_gettime(ClockId::from_raw(libc::CLOCK_MONOTONIC_RAW)).map(Duration::from).unwrap_or_default()
}

/// A start time on the boot-time clock.
pub fn moment_of_start(start_time: u64) -> Duration {
    let age = SystemTime::now().duration_since(wall_clock_of_start(start_time)).unwrap_or_default();
    boot_clock().saturating_sub(age)
}

/// A start time on the wall clock, as that stood then.
pub fn wall_clock_of_start(start_time: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(start_time)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The machine's memory in bytes.
pub fn memory_total() -> u64 {
    let mut bytes = [0u8; 8];
    match sysctl_by_name(c"hw.memsize", &mut bytes) {
        Ok(8) => u64::from_ne_bytes(bytes),
        _ => 0,
    }
}

/// Mach time units, in which the kernel counts CPU time, as a duration.
#[allow(deprecated)] // libc points to another crate for these two; one function does not need it.
fn mach_time(units: u64) -> Duration {
    let mut base = libc::mach_timebase_info { numer: 0, denom: 0 };
    // SAFETY: mach_timebase_info fills the structure it is given.
    unsafe { libc::mach_timebase_info(&mut base) };
    let nanos = u128::from(units) * u128::from(base.numer.max(1)) / u128::from(base.denom.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

// ---------------------------------------------------------------------------------------------- sysctl and libproc

fn sysctl_by_name(name: &CStr, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = buffer.len();
    // SAFETY: the kernel writes at most `length` bytes, which is the buffer's size, and reads nothing of ours but the
    // NUL-terminated name.
    let done = unsafe {
        libc::sysctlbyname(name.as_ptr(), buffer.as_mut_ptr().cast(), &mut length, ptr::null_mut(), 0)
    };
    Errno::result(done)?;
    Ok(length.min(buffer.len()))
}

fn sysctl(mut name: [c_int; 3], last: Option<c_int>, buffer: &mut [u8]) -> io::Result<usize> {
    let [a, b, c] = name;
    let mut four = [a, b, c, last.unwrap_or_default()];
    let path: &mut [c_int] = if last.is_some() { &mut four } else { &mut name };
    let mut length = buffer.len();
    // SAFETY: the path's length is given; the kernel writes at most `length` bytes, which is the buffer's size.
    let done = unsafe {
        let (path, parts) = (path.as_mut_ptr(), path.len() as libc::c_uint);
        libc::sysctl(path, parts, buffer.as_mut_ptr().cast(), &mut length, ptr::null_mut(), 0)
    };
    Errno::result(done)?;
    Ok(length.min(buffer.len()))
}
