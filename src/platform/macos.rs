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
    let done =
        unsafe { libc::sysctlbyname(name.as_ptr(), buffer.as_mut_ptr().cast(), &mut length, ptr::null_mut(), 0) };
    Errno::result(done)?;
    Ok(length.min(buffer.len()))
}

fn sysctl(name: &mut [c_int], buffer: &mut [u8]) -> io::Result<usize> {
    let (path, parts) = (name.as_mut_ptr(), name.len() as libc::c_uint);
    let mut length = buffer.len();
    // SAFETY: the path's length is given; the kernel writes at most `length` bytes, which is the buffer's size.
    let done = unsafe { libc::sysctl(path, parts, buffer.as_mut_ptr().cast(), &mut length, ptr::null_mut(), 0) };
    Errno::result(done)?;
    Ok(length.min(buffer.len()))
}

/// What `proc_pidinfo` answers for `flavor`.
///
/// SAFETY: `T` must be the structure of that flavor: plain numbers, of which every pattern of bits is valid.
unsafe fn pid_info<T>(pid: libc::pid_t, flavor: c_int) -> Result<T, Errno> {
    let mut info = MaybeUninit::<T>::zeroed();
    let size = size_of::<T>() as c_int;
    // SAFETY: the kernel writes at most `size` bytes into `info`, which is as large.
    let filled = unsafe { libc::proc_pidinfo(pid, flavor, 0, info.as_mut_ptr().cast(), size) };
    match filled {
        n if n >= size => {
            // SAFETY: filled by the kernel, and zeroed before; valid by this function's contract.
            Ok(unsafe { info.assume_init() })
        }
        n if n > 0 => Err(Errno::EIO),
        _ => Err(Errno::last()),
    }
}

fn list_pids(kind: u32, of: u32) -> Vec<u32> {
    // SAFETY: without a buffer the kernel only says how many bytes it would take, with some to spare.
    let wanted = unsafe { libc::proc_listpids(kind, of, ptr::null_mut(), 0) };
    let mut pids = vec![0u32; usize::try_from(wanted).unwrap_or_default() / size_of::<u32>()];
    loop {
        let size = size_of_val(pids.as_slice()) as c_int;
        // SAFETY: the kernel writes at most `size` bytes, which is the buffer's size; a pid is 32 bits wide.
        let filled = unsafe { libc::proc_listpids(kind, of, pids.as_mut_ptr().cast(), size) };
        if filled < size || size == 0 {
            pids.truncate(usize::try_from(filled).unwrap_or_default() / size_of::<u32>());
            pids.retain(|&pid| pid > 0);
            return pids;
        }
        pids.resize(pids.len() * 2, 0);
    }
}

fn number_of(pid: u32) -> Option<libc::pid_t> {
    libc::pid_t::try_from(pid).ok().filter(|&n| n > 0)
}

// ---------------------------------------------------------------------------------------------- looking at processes

/// What the kernel says about `pid` now; `None` if there is no such process.
///
/// # Errors
/// The kernel would not tell.
pub fn stat(pid: u32) -> io::Result<Option<ProcStat>> {
    let Some(number) = number_of(pid) else { return Ok(None) };
    // SAFETY: proc_taskallinfo is the structure of PROC_PIDTASKALLINFO and holds numbers only.
    match unsafe { pid_info::<libc::proc_taskallinfo>(number, libc::PROC_PIDTASKALLINFO) } {
        Ok(info) => Ok(Some(stat_of(pid, &info))),
        // It is a zombie, belongs to another user, or does not exist: the older interface can tell.
        Err(Errno::ESRCH | Errno::EPERM) => stat_by_sysctl(pid, number),
        Err(e) => Err(e.into()),
    }
}

fn stat_of(pid: u32, info: &libc::proc_taskallinfo) -> ProcStat {
    let (process, task) = (&info.pbsd, &info.ptinfo);
    let own = task.pti_total_user.saturating_add(task.pti_total_system);
    ProcStat {
        pid,
        ppid: process.pbi_ppid,
        pgid: process.pbi_pgid,
        sid: session_of(pid),
        zombie: process.pbi_status == libc::SZOMB,
        threads: u32::try_from(task.pti_threadnum).unwrap_or(1),
        start_time: process.pbi_start_tvsec * 1_000_000 + process.pbi_start_tvusec,
        cpu: mach_time(own.saturating_add(time_of_reaped_children(pid))),
        rss_bytes: task.pti_resident_size,
    }
}

/// The session of a process; 0 where there is none (any more).
fn session_of(pid: u32) -> u32 {
    let leader = number_of(pid).and_then(|n| getsid(Some(Pid::from_raw(n))).ok());
    leader.and_then(|sid| u32::try_from(sid.as_raw()).ok()).unwrap_or_default()
}

/// In Mach time units.
fn time_of_reaped_children(pid: u32) -> u64 {
    let Some(number) = number_of(pid) else { return 0 };
    let mut usage = MaybeUninit::<libc::rusage_info_v1>::zeroed();
    // SAFETY: `usage` is the structure of RUSAGE_INFO_V1, which the kernel fills; it holds numbers only and was zeroed.
    let usage = unsafe {
        if libc::proc_pid_rusage(number, libc::RUSAGE_INFO_V1, usage.as_mut_ptr().cast()) == -1 {
            return 0;
        }
        usage.assume_init()
    };
    usage.ri_child_user_time.saturating_add(usage.ri_child_system_time)
}

/// The size of `struct kinfo_proc`, which has been the same on all 64-bit systems.
const KINFO_SIZE: usize = 648;

/// What sysctl tells about any process, also a zombie or one of another user; not what it uses.
fn stat_by_sysctl(pid: u32, number: libc::pid_t) -> io::Result<Option<ProcStat>> {
    let mut buffer = [0u8; KINFO_SIZE];
    let mut name = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_PID, number];
    // No such process is an empty answer.
    let known = sysctl(&mut name, &mut buffer)? == KINFO_SIZE;
    Ok(known.then(|| stat_of_kinfo(pid, &buffer)))
}

fn stat_of_kinfo(pid: u32, kinfo: &[u8; KINFO_SIZE]) -> ProcStat {
    // Where kp_proc.p_starttime, kp_proc.p_stat, kp_eproc.e_ppid and kp_eproc.e_pgid are.
    const SECONDS: usize = 0;
    const MICROS: usize = 8;
    const STATUS: usize = 36;
    const PARENT: usize = 560;
    const GROUP: usize = 564;
    let number = |at: usize| kinfo[at..].first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    let seconds = kinfo[SECONDS..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes));
    ProcStat {
        pid,
        ppid: number(PARENT),
        pgid: number(GROUP),
        sid: session_of(pid),
        zombie: u32::from(kinfo[STATUS]) == libc::SZOMB,
        threads: 1,
        start_time: seconds * 1_000_000 + u64::from(number(MICROS)),
        cpu: Duration::ZERO,
        rss_bytes: 0,
    }
}

/// The children of a process; the kernel does not need to know its threads for that.
pub fn children(pid: u32, _threads: u32) -> Vec<u32> {
    const PROC_PPID_ONLY: u32 = 6;
    list_pids(PROC_PPID_ONLY, pid)
}

/// Every pid there is.
pub fn all_pids() -> Vec<u32> {
    const PROC_ALL_PIDS: u32 = 1;
    list_pids(PROC_ALL_PIDS, 0)
}

/// The environment a process was executed with, NUL-separated; `None` if it is gone or may not be read.
pub fn environment(pid: u32) -> Option<Vec<u8>> {
    let strings = executed_with(pid)?;
    // A hidden environment is left out without an error; an empty one is rare and tells nobody anything.
    split_strings(&strings).map(|(_, environment)| environment.to_vec()).filter(|text| !text.is_empty())
}

/// The arguments of a process, NUL-separated; `None` if it is gone.
pub fn arguments(pid: u32) -> Option<Vec<u8>> {
    let strings = executed_with(pid)?;
    split_strings(&strings).map(|(arguments, _)| arguments.to_vec())
}

fn executed_with(pid: u32) -> Option<Vec<u8>> {
    /// A larger buffer is refused, and of a smaller one only the end would be filled.
    const ARG_MAX: usize = 1024 * 1024;
    let mut buffer = vec![0u8; ARG_MAX];
    let length = sysctl(&mut [libc::CTL_KERN, libc::KERN_PROCARGS2, number_of(pid)?], &mut buffer).ok()?;
    buffer.truncate(length);
    Some(buffer)
}

/// Arguments and environment in what KERN_PROCARGS2 gives: the number of arguments, the program's path, padding,
/// arguments, environment, an empty string, and notes for the dynamic linker.
fn split_strings(buffer: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, text) = buffer.split_first_chunk()?;
    let count = usize::try_from(i32::from_ne_bytes(*count)).ok()?;
    let path = text.iter().position(|&b| b == 0)?;
    let padding = text[path..].iter().position(|&b| b != 0)?;
    let text = &text[path + padding..];
    let length_of = |strings: &mut dyn Iterator<Item = &[u8]>| strings.map(<[u8]>::len).sum::<usize>();
    let (arguments, rest) = text.split_at(length_of(&mut text.split_inclusive(|&b| b == 0).take(count)));
    let environment = &mut rest.split_inclusive(|&b| b == 0).take_while(|string| string.first() != Some(&0));
    Some((arguments, &rest[..length_of(environment)]))
}

/// `struct vnode_fdinfo`.
#[repr(C)]
struct OpenVnode {
    /// `struct proc_fileinfo`: flags, status, offset, type, guard flags.
    file: [u64; 3],
    vnode: libc::vnode_info,
}

const _: () = assert!(size_of::<OpenVnode>() == 176, "the kernel answers in 176 bytes");

/// Device and inode of a process's standard output; `None` if that may not be read or is no file.
pub fn stdout_inode(pid: u32) -> Option<(u64, u64)> {
    const PROC_PIDFDVNODEINFO: c_int = 1;
    let mut open = MaybeUninit::<OpenVnode>::zeroed();
    let size = size_of::<OpenVnode>() as c_int;
    let (number, buffer) = (number_of(pid)?, open.as_mut_ptr().cast::<c_void>());
    // SAFETY: the kernel writes at most `size` bytes, which is the buffer's size.
    let filled = unsafe { libc::proc_pidfdinfo(number, libc::STDOUT_FILENO, PROC_PIDFDVNODEINFO, buffer, size) };
    if filled != size {
        return None;
    }
    // SAFETY: filled by the kernel, and it holds numbers only.
    let file = unsafe { open.assume_init() }.vnode.vi_stat;
    // As std's MetadataExt has it: the device is a signed number there.
    Some((file.vst_dev as i32 as u64, file.vst_ino))
}

/// Gives memory that was freed back to the kernel: a sidecar waits for days, and a hundred of them add up.
pub fn release_memory() {
    // SAFETY: no zone means all zones, and 0 as much as possible; there are no preconditions.
    unsafe { malloc_zone_pressure_relief(ptr::null_mut(), 0) };
}

// SAFETY: the signature is that of <malloc/malloc.h>; libc does not declare it.
unsafe extern "C" {
    fn malloc_zone_pressure_relief(zone: *mut c_void, goal: usize) -> usize;
}

/// Does nothing: `ps` shows the path and the arguments here, and there is no call that changes them.
pub fn set_process_name() {}

/// Always `None`: macOS ends processes for want of memory too, but counts that for nobody.
pub fn oom_kills() -> Option<u64> {
    None
}

/// A path that executes the running program. If its file was replaced, that is the replacement: macOS has no path to
/// what runs.
pub fn self_executable() -> PathBuf {
    let path = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("bgo"));
    path.canonicalize().unwrap_or(path)
}

// ---------------------------------------------------------------------------------------------- kqueues

/// A new queue that no program we execute inherits.
fn new_queue() -> io::Result<Kqueue> {
    let queue = Kqueue::new()?;
    fcntl(&queue, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(queue)
}

fn entry(ident: usize, filter: EventFilter, flags: EvFlags, notes: FilterFlag) -> KEvent {
    KEvent::new(ident, filter, flags, notes, 0, 0)
}

const AT_ONCE: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 0 };

fn register(queue: &Kqueue, entries: &[KEvent]) -> Result<(), Errno> {
    queue.kevent(entries, &mut [], Some(AT_ONCE)).map(drop)
}

/// What has happened so far, each thing once.
fn take_events(queue: &Kqueue) -> Vec<KEvent> {
    let mut taken = Vec::new();
    let mut some = [entry(0, EventFilter::EVFILT_USER, EvFlags::empty(), FilterFlag::empty()); 8];
    while let Ok(count) = queue.kevent(&[], &mut some, Some(AT_ONCE)) {
        taken.extend_from_slice(&some[..count]);
        if count < some.len() {
            break;
        }
    }
    taken
}

// ---------------------------------------------------------------------------------------------- processes

/// One process, for ever: a kqueue with its end in it. Readable once the process has ended.
#[derive(Debug)]
pub struct ProcessHandle {
    queue: Kqueue,
    pid: u32,
    /// Proves before each signal that the pid is still this process.
    start_time: u64,
    /// How it ended, once that was taken from the queue.
    outcome: OnceLock<Outcome>,
}

impl ProcessHandle {
    /// Opens the process that `identity` claims; `None` if it has ended or its pid belongs to another now.
    ///
    /// # Errors
    /// The kernel would not open it.
    pub fn open(identity: &Identity) -> io::Result<Option<ProcessHandle>> {
        let queue = new_queue()?;
        if !watch(&queue, identity.pid)? {
            return Ok(None);
        }
        // Looked at after registering: what is watched can only be that process or one that has ended.
        let running = super::running(identity)?;
        Ok(running.map(|now| ProcessHandle {
            queue,
            pid: now.pid,
            start_time: now.start_time,
            outcome: OnceLock::new(),
        }))
    }

    /// Opens a child that the caller has not reaped, whose pid therefore cannot be reused.
    ///
    /// # Errors
    /// The kernel would not open it.
    pub fn of_child(pid: u32) -> io::Result<ProcessHandle> {
        let queue = new_queue()?;
        if !watch(&queue, pid)? {
            // A zombie cannot be watched any more; what is not reaped and not there has ended.
            register(&queue, &[already()])?;
        }
        let start_time = stat(pid)?.map_or(0, |now| now.start_time);
        Ok(ProcessHandle { queue, pid, start_time, outcome: OnceLock::new() })
    }

    /// The pid it had.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal; `false` if the process has ended.
    ///
    /// # Errors
    /// EPERM: it belongs to another user now.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        self.send(signal, kill)
    }

    /// Sends a signal to the process group that this process leads; `false` if the process has ended.
    ///
    /// # Errors
    /// EPERM: no member of the group may be signalled.
    pub fn signal_group(&self, signal: Signal) -> io::Result<bool> {
        // While the leader runs, no other group can have its number.
        self.send(signal, killpg)
    }

    fn send(&self, signal: Signal, how: fn(Pid, Option<NixSignal>) -> nix::Result<()>) -> io::Result<bool> {
        let signal = NixSignal::try_from(signal.number()).map_err(io::Error::from)?;
        let Some(number) = number_of(self.pid) else { return Ok(false) };
        let same = stat(self.pid)?.is_some_and(|now| now.start_time == self.start_time && !now.zombie);
        if !same || self.has_ended() {
            return Ok(false);
        }
        match how(Pid::from_raw(number), Some(signal)) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            // A group of zombies may not be signalled either.
            Err(Errno::EPERM) if self.has_ended() => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        wait(&[(self.as_fd(), Interest::Readable)], Some(Duration::ZERO)).is_ok_and(|ready| ready[0])
    }

    /// How a process that is not our child ended. The kernel tells it to whoever watched in time and might have
    /// signalled it.
    pub fn outcome(&self) -> Outcome {
        if let Some(&known) = self.outcome.get() {
            return known;
        }
        let events = take_events(&self.queue);
        let Some(end) = events.iter().find(|e| e.fflags().contains(FilterFlag::NOTE_EXIT)) else {
            return Outcome::Unknown;
        };
        // The event is gone from the queue, which has to stay readable.
        let _ = register(&self.queue, &[already()]);
        let status = end.fflags().contains(FilterFlag::NOTE_EXITSTATUS).then(|| i32::try_from(end.data()).ok());
        *self.outcome.get_or_init(|| status.flatten().map_or(Outcome::Unknown, outcome_of_status))
    }
}

/// Lets `queue` notice the end of `pid`; `false` if it has ended already, or never was.
fn watch(queue: &Kqueue, pid: u32) -> io::Result<bool> {
    if number_of(pid).is_none() {
        return Ok(false);
    }
    let add = |notes| register(queue, &[entry(pid as usize, EventFilter::EVFILT_PROC, EvFlags::EV_ADD, notes)]);
    let added = match add(FilterFlag::NOTE_EXIT | FilterFlag::NOTE_EXITSTATUS) {
        // How it ends is told to those only who may signal it; that it ends, to all.
        Err(Errno::EACCES | Errno::EPERM) => add(FilterFlag::NOTE_EXIT),
        other => other,
    };
    match added {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// What makes a queue readable for ever.
fn already() -> KEvent {
    entry(0, EventFilter::EVFILT_USER, EvFlags::EV_ADD, FilterFlag::NOTE_TRIGGER)
}

impl AsFd for ProcessHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// `false`: macOS has no subreapers. Orphans go to launchd and are found by their run id.
pub fn become_subreaper() -> bool {
    false
}

/// Runs `entry(argument)` in a child; returns when the child has executed a program or ended. The child is a fork, with
/// memory and a stack of its own: macOS lends none, and its vfork cannot be called from Rust.
///
/// SAFETY: `entry` makes only async-signal-safe calls, never returns, and closes nothing but at exec.
pub(super) unsafe fn run_child(
    entry: extern "C" fn(*mut c_void) -> c_int,
    argument: *mut c_void,
    _stack: *mut c_void,
) -> Result<Pid, Errno> {
    /// Above all descriptors that a child replaces, so that it holds its end of the pipe until exec.
    const HIGH: RawFd = 32;
    let mut ends = [-1; 2];
    // SAFETY: all calls are async-signal-safe (a child may call this again); the descriptors are new and nobody else's.
    unsafe {
        Errno::result(libc::pipe(ends.as_mut_ptr()))?;
        let [ended, low] = ends;
        let held = Errno::result(libc::fcntl(low, libc::F_DUPFD_CLOEXEC, HIGH));
        libc::close(low);
        let pid = held.and_then(|_| Errno::result(libc::fork()));
        if pid == Ok(0) {
            entry(argument);
            libc::_exit(127);
        }
        if let Ok(held) = held {
            libc::close(held);
        }
        if pid.is_ok() {
            // Nobody writes: the end of the pipe comes when nobody holds it any more.
            let mut byte = 0u8;
            while libc::read(ended, (&raw mut byte).cast(), 1) == -1 && Errno::last() == Errno::EINTR {}
        }
        libc::close(ended);
        pid.map(Pid::from_raw)
    }
}

/// Marks every descriptor from `first` on as closing at exec.
///
/// SAFETY: async-signal-safe; meant for the time between fork and exec.
pub(super) unsafe fn close_on_exec_from(first: RawFd) {
    const MANY: usize = 256;
    let mut open = [const { libc::proc_fdinfo { proc_fd: -1, proc_fdtype: 0 } }; MANY];
    let size = size_of_val(&open) as c_int;
    // SAFETY: getpid, proc_pidinfo (one system call, which writes at most `size` bytes into `open`), getdtablesize and
    // fcntl take no lock and allocate nothing; F_SETFD on any number is harmless.
    unsafe {
        let filled = libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDLISTFDS, 0, open.as_mut_ptr().cast(), size);
        if filled > 0 && filled < size {
            for fd in open.iter().map(|info| info.proc_fd).filter(|&fd| fd >= first) {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        } else {
            // Too many for the list: try each number there can be.
            for fd in first..libc::getdtablesize() {
                libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------- signals and files

/// Signals that arrive as data on a descriptor instead of interrupting.
#[derive(Debug)]
pub struct SignalQueue {
    queue: Kqueue,
}

impl SignalQueue {
    /// Blocks `signals` for the calling thread and queues them from now on, those included that were pending.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn new(signals: &[i32]) -> io::Result<SignalQueue> {
        let mut set = SigSet::empty();
        for &number in signals {
            set.add(NixSignal::try_from(number)?);
        }
        // Blocked, not ignored: the queue notes a signal when it is sent, and its action must not happen besides.
        set.thread_block()?;
        let queue = new_queue()?;
        for signal in &set {
            let ident = signal as usize;
            register(&queue, &[entry(ident, EventFilter::EVFILT_SIGNAL, EvFlags::EV_ADD, FilterFlag::empty())])?;
            if is_pending(signal) {
                // Sent while it was blocked but not yet watched.
                let flags = EvFlags::EV_ADD | EvFlags::EV_CLEAR;
                register(&queue, &[entry(ident, EventFilter::EVFILT_USER, flags, FilterFlag::NOTE_TRIGGER)])?;
            }
        }
        Ok(SignalQueue { queue })
    }

    /// The signals that have arrived. Several of one kind may count as one.
    pub fn drain(&self) -> Vec<i32> {
        let mut arrived: Vec<i32> = Vec::new();
        for signal in take_events(&self.queue).iter().filter_map(|event| i32::try_from(event.ident()).ok()) {
            if !arrived.contains(&signal) {
                arrived.push(signal);
            }
        }
        for signal in arrived.iter().filter_map(|&number| NixSignal::try_from(number).ok()) {
            forget_pending(signal);
        }
        arrived
    }
}

fn is_pending(signal: NixSignal) -> bool {
    let mut pending = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: sigpending fills the set it is given, of which all zeroes is a valid one; sigismember only reads it.
    unsafe { libc::sigpending(pending.as_mut_ptr()) == 0 && libc::sigismember(pending.as_ptr(), signal as c_int) == 1 }
}

/// The kernel keeps a blocked signal for its thread, although the queue has reported it: the next queue would report
/// it again.
fn forget_pending(signal: NixSignal) {
    if is_pending(signal) {
        let mut one = SigSet::empty();
        one.add(signal);
        let _ = one.wait(); // It is there, so nothing waits.
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

/// Readable when one of some files changes, appears, or is replaced.
#[derive(Debug)]
pub struct FileWatch {
    queue: Kqueue,
    /// A file is watched as long as it is open.
    _folder: File,
    files: RefCell<HashMap<PathBuf, File>>,
}

impl FileWatch {
    /// Watches `files` for writes and `folder` for files that appear, disappear or are replaced in it. Files that do
    /// not exist are noticed through their folder, when they appear.
    ///
    /// # Errors
    /// The folder cannot be watched.
    pub fn new(folder: &Path, files: &[&Path]) -> io::Result<FileWatch> {
        let queue = new_queue()?;
        let folder = open_to_watch(folder)?;
        notice(&queue, &folder, FilterFlag::NOTE_WRITE | FilterFlag::NOTE_EXTEND)?;
        let watch = FileWatch { queue, _folder: folder, files: RefCell::default() };
        watch.add(files);
        Ok(watch)
    }

    /// Watches `files` (again: a path may name a new file now).
    pub fn add(&self, files: &[&Path]) {
        // A truncation is a change of attributes.
        let changes = FilterFlag::NOTE_WRITE | FilterFlag::NOTE_EXTEND | FilterFlag::NOTE_ATTRIB;
        let mut watched = self.files.borrow_mut();
        for &path in files {
            if watched.get(path).is_some_and(|file| is_at(file, path)) {
                continue;
            }
            // Closing the old file ends its watch.
            watched.remove(path);
            if let Ok(file) = open_to_watch(path)
                && notice(&self.queue, &file, changes).is_ok()
            {
                watched.insert(path.to_owned(), file);
            }
        }
    }

    /// Forgets what has been noticed so far.
    pub fn drain(&self) {
        take_events(&self.queue);
    }
}

/// Opens a file in the way that does not keep its disk from being ejected.
fn open_to_watch(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_EVTONLY).open(path)
}

fn notice(queue: &Kqueue, file: &File, changes: FilterFlag) -> Result<(), Errno> {
    let ident = usize::try_from(file.as_raw_fd()).map_err(|_| Errno::EBADF)?;
    register(queue, &[entry(ident, EventFilter::EVFILT_VNODE, EvFlags::EV_ADD | EvFlags::EV_CLEAR, changes)])
}

/// Whether `path` still names the open `file`.
fn is_at(file: &File, path: &Path) -> bool {
    let (open, named) = (file.metadata(), path.metadata());
    open.ok().zip(named.ok()).is_some_and(|(a, b)| (a.dev(), a.ino()) == (b.dev(), b.ino()))
}

impl AsFd for FileWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::process::Command;

    /// Long enough for whatever a loaded machine does in between.
    const SOON: Duration = Duration::from_secs(10);

    fn ends_soon(handle: &ProcessHandle) -> bool {
        wait(&[(handle.as_fd(), Interest::Readable)], Some(boot_clock() + SOON)).unwrap()[0]
    }

    #[test]
    fn strings_are_split_also_without_an_environment() {
        let text = |count: i32, rest: &[u8]| [&count.to_ne_bytes()[..], rest].concat();
        let whole = text(3, b"/bin/sh\0\0\0\0sh\0\0-c\0A=1\0B=\0\0ptr_munge=\0");
        assert_eq!(split_strings(&whole), Some((&b"sh\0\0-c\0"[..], &b"A=1\0B=\0"[..])));
        let hidden = text(1, b"/bin/sh\0\0sh\0");
        assert_eq!(split_strings(&hidden), Some((&b"sh\0"[..], &b""[..])));
        let cut = text(5, b"/bin/sh\0sh\0-c");
        assert_eq!(split_strings(&cut), Some((&b"sh\0-c"[..], &b""[..])));
        for bad in [&b""[..], b"\x01\0", &text(-1, b"/bin/sh\0sh\0"), &text(1, b"/bin/sh")] {
            assert_eq!(split_strings(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn both_interfaces_tell_the_same_about_a_process() {
        let pid = std::process::id();
        let (own, older) = (stat(pid).unwrap().unwrap(), stat_by_sysctl(pid, pid as i32).unwrap().unwrap());
        assert_eq!((own.ppid, own.pgid, own.sid), (older.ppid, older.pgid, older.sid));
        assert_eq!((own.start_time, own.zombie), (older.start_time, older.zombie));
        assert!(wall_clock_of_start(own.start_time) <= SystemTime::now());
        assert!(moment_of_start(own.start_time) <= boot_clock());
        assert!(own.rss_bytes > 0 && own.threads > 0);
    }

    #[test]
    fn the_own_process_is_found_with_its_identity() {
        let own = super::super::own_identity().unwrap();
        assert!(super::super::running(&own).unwrap().is_some());
        let reused = Identity { start_time: own.start_time + 1, ..own.clone() };
        assert!(super::super::running(&reused).unwrap().is_none());
        assert!(ProcessHandle::open(&reused).unwrap().is_none());
        assert!(all_pids().contains(&own.pid));
    }

    #[test]
    fn a_handle_tells_the_end_and_stays_readable() {
        let mut child = Command::new("/bin/sleep").arg("100").spawn().unwrap();
        let identity = stat(child.id()).unwrap().unwrap().identity(&boot_id().unwrap());
        let handle = ProcessHandle::open(&identity).unwrap().unwrap();
        assert!(children(std::process::id(), 1).contains(&child.id()));
        assert!(!handle.has_ended());
        assert!(handle.signal(Signal::KILL).unwrap());
        assert!(ends_soon(&handle));
        assert!(stat(child.id()).unwrap().unwrap().zombie);
        for _ in 0..2 {
            assert_eq!(handle.outcome(), Outcome::Signal { signal: Signal::KILL, oom: false });
            assert!(handle.has_ended());
        }
        assert!(!handle.signal(Signal::KILL).unwrap());
        let late = ProcessHandle::of_child(child.id()).unwrap();
        assert!(late.has_ended());
        assert_eq!(late.outcome(), Outcome::Unknown);
        assert!(late.has_ended());
        child.wait().unwrap();
        assert!(stat(child.id()).unwrap().is_none_or(|now| now.start_time != identity.start_time));
    }

    #[test]
    fn a_watch_notices_writes_and_new_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let watch = FileWatch::new(folder.path(), &[&path]).unwrap();
        let changed = |until| wait(&[(watch.as_fd(), Interest::Readable)], Some(until)).unwrap()[0];
        assert!(!changed(Duration::ZERO));
        let mut file = File::create(&path).unwrap();
        assert!(changed(boot_clock() + SOON));
        watch.drain();
        watch.add(&[&path]);
        file.write_all(b"line\n").unwrap();
        assert!(changed(boot_clock() + SOON));
        watch.drain();
        assert!(!changed(Duration::ZERO));
    }
}
