//! Linux: /proc, pidfds, signalfd, inotify.
//!
//! Why it exists: it implements what `platform/mod.rs` names, with the kernel's best means. Invariant: a
//! [`ProcessHandle`] stands for one process for ever; its pid may be reused, the handle never is.
//!
//! Units: start times are clock ticks since boot (field 22 of `/proc/PID/stat`), counted on the same clock as
//! `CLOCK_BOOTTIME`, so they neither jump nor stop while the machine sleeps.

mod account;
mod child;
mod diag;
mod disk;
mod extents;
mod growth;
mod listen;
mod notify;
mod ports;
mod resolve;
mod tree;
mod watch;

pub use account::account;
pub(super) use child::{close_on_exec_from, die_with_parent, run_child, set_user};
pub use disk::{has_locked, lock_holders, notices_run_out, special_file_system};
pub use extents::{block_size, can_collapse, collapse_head, first_data, punch_head};
pub use growth::GrowthWatch;
pub use listen::listener;
pub use notify::{NOTIFY_SUPPORTED, NotifySocket};
pub use ports::{ListeningSockets, port_holders};
pub use resolve::resolve;
pub use tree::TreeWatch;
pub use watch::FileWatch;

use super::ProcStat;
use super::poll::{Interest, wait};
use super::reap::outcome_of_status;
use crate::domain::notification::Notifier;
use crate::domain::outcome::Outcome;
use crate::domain::record::Identity;
use crate::domain::signal::Signal;
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal as NixSignal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{SysconfVar, sysconf};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What shows notifications on the desktop.
pub const NOTIFIER: Notifier = Notifier::NotifySend;

// ---------------------------------------------------------------------------------------------- clocks and boots

/// This boot's id.
///
/// # Errors
/// /proc is not mounted.
pub fn boot_id() -> io::Result<Box<str>> {
    let mut buffer = [0u8; 64];
    let filled = File::open("/proc/sys/kernel/random/boot_id")?.read(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer[..filled]).trim_end().into())
}

/// Time since boot, suspended time included; it never jumps.
pub fn boot_clock() -> Duration {
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

fn ticks_per_second() -> u64 {
    sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|n| u64::try_from(n).ok()).unwrap_or(100)
}

fn page_size() -> u64 {
    sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|n| u64::try_from(n).ok()).unwrap_or(4096)
}

fn ticks(count: u64) -> Duration {
    let hz = ticks_per_second();
    Duration::from_secs(count / hz) + Duration::from_nanos(count % hz * 1_000_000_000 / hz)
}

/// A start time on the boot-time clock.
pub fn moment_of_start(start_time: u64) -> Duration {
    ticks(start_time)
}

/// A start time on the wall clock, as that stands now.
pub fn wall_clock_of_start(start_time: u64) -> SystemTime {
    let age = boot_clock().saturating_sub(ticks(start_time));
    SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The machine's memory in bytes.
pub fn memory_total() -> u64 {
    // SAFETY: sysinfo fills the structure it is given; all zeroes is a valid one.
    let info = unsafe {
        let mut info: libc::sysinfo = std::mem::zeroed();
        libc::sysinfo(&mut info);
        info
    };
    u64::from(info.mem_unit) * info.totalram
}

// ---------------------------------------------------------------------------------------------- /proc

/// Reads a small file of /proc into `buffer`; the kernel gives it whole in one read.
fn read_proc<'a>(pid: u32, file: &str, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
    let gone = |e: &io::Error| matches!(e.raw_os_error(), Some(libc::ENOENT | libc::ESRCH));
    let mut opened = match File::open(format!("/proc/{pid}/{file}")) {
        Ok(file) => file,
        Err(e) if gone(&e) => return Ok(None),
        Err(e) => return Err(e),
    };
    match opened.read(buffer) {
        Ok(n) => Ok(Some(&buffer[..n])),
        Err(e) if gone(&e) => Ok(None),
        Err(e) => Err(e),
    }
}

/// What the kernel says about `pid` now; `None` if there is no such process.
///
/// # Errors
/// /proc cannot be read.
pub fn stat(pid: u32) -> io::Result<Option<ProcStat>> {
    let mut buffer = [0u8; 1024];
    let Some(text) = read_proc(pid, "stat", &mut buffer)? else { return Ok(None) };
    parse_stat(pid, text).map(Some).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is not understood")))
}

/// The same, and what its program calls itself (at most 15 bytes).
///
/// # Errors
/// /proc cannot be read.
pub fn stat_and_name(pid: u32) -> io::Result<Option<(ProcStat, Option<String>)>> {
    let mut buffer = [0u8; 1024];
    let Some(text) = read_proc(pid, "stat", &mut buffer)? else { return Ok(None) };
    let (from, to) = (text.iter().position(|&b| b == b'('), text.iter().rposition(|&b| b == b')'));
    let name = from.zip(to).and_then(|(from, to)| text.get(from + 1..to));
    let name = name.map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(parse_stat(pid, text).map(|stat| (stat, name)))
}

fn parse_stat(pid: u32, text: &[u8]) -> Option<ProcStat> {
    // The command's name, in parentheses, may hold anything, so fields are counted from the last parenthesis.
    let after = text.iter().rposition(|&b| b == b')')? + 2;
    let fields = std::str::from_utf8(text.get(after..)?).ok()?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let mut numbers = fields.map(|f| f.parse::<i64>().unwrap_or_default());
    // The numbering of proc_pid_stat(5) starts at 1; state is field 3.
    let mut field = 3;
    let mut get = |wanted: usize| {
        let skip = wanted - field - 1;
        field = wanted;
        numbers.nth(skip).map(|n| u64::try_from(n).unwrap_or_default())
    };
    let (ppid, pgid, sid) = (get(4)?, get(5)?, get(6)?);
    let cpu_ticks = get(14)? + get(15)? + get(16)? + get(17)?;
    let (threads, start_time, rss_pages) = (get(20)?, get(22)?, get(24)?);
    Some(ProcStat {
        pid,
        ppid: ppid as u32,
        pgid: pgid as u32,
        sid: sid as u32,
        zombie: matches!(state, "Z" | "X" | "x"),
        threads: threads as u32,
        start_time,
        cpu: ticks(cpu_ticks),
        rss_bytes: rss_pages * page_size(),
    })
}

/// The children of a process; `threads` (from its stat) saves a look at the list of its threads.
pub fn children(pid: u32, threads: u32) -> Vec<u32> {
    let mut found = Vec::new();
    if threads <= 1 {
        push_children(pid, pid, &mut found);
    } else if let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) {
        for task in tasks.flatten() {
            if let Some(tid) = task.file_name().to_str().and_then(|t| t.parse().ok()) {
                push_children(pid, tid, &mut found);
            }
        }
    }
    found
}

fn push_children(pid: u32, tid: u32, found: &mut Vec<u32>) {
    /// The kernel fills a read with whole entries, so one that has room for another was the last.
    const LONGEST_ENTRY: usize = 16;
    let Ok(mut file) = File::open(format!("/proc/{pid}/task/{tid}/children")) else { return };
    let mut buffer = [0u8; 2048];
    let mut number = 0;
    loop {
        let Ok(filled) = file.read(&mut buffer) else { return };
        for &byte in &buffer[..filled] {
            if byte.is_ascii_digit() {
                number = number * 10 + u32::from(byte - b'0');
            } else if number > 0 {
                found.push(std::mem::take(&mut number));
            }
        }
        if filled + LONGEST_ENTRY < buffer.len() {
            return;
        }
    }
}

/// Every pid there is.
pub fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect()
}

/// The environment a process was executed with, each variable ended by NUL; `None` if it is gone or may not be read.
///
/// A process that executes another program or ends while it is read cuts the text off: what lacks its NUL is dropped,
/// for half a run id looks like another one. And for a moment of its execution it has memory, but neither environment nor
/// arguments: vfork(2) has let its parent go on by then, so what was started just now may be seen like that. Nothing tells
/// when that moment is over.
pub fn environment(pid: u32) -> Option<Vec<u8>> {
    const LOOKS: usize = 50;
    const BETWEEN: Duration = Duration::from_millis(1);
    let executes = || arguments(pid).is_some_and(|all| all.is_empty()) && has_memory(pid);
    for _ in 0..LOOKS {
        let environment = environment_now(pid)?;
        if !environment.is_empty() || !executes() {
            return Some(environment);
        }
        let _ = wait(&[], Some(boot_clock() + BETWEEN));
    }
    environment_now(pid)
}

/// Whether a process has memory of its own: a kernel thread has none, nor has what has ended. Its resident size would not
/// tell: the kernel counts the first pages late.
fn has_memory(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/statm")).is_ok_and(|sizes| !sizes.starts_with(b"0 "))
}

fn environment_now(pid: u32) -> Option<Vec<u8>> {
    let mut file = File::open(format!("/proc/{pid}/environ")).ok()?;
    let mut bytes = Vec::with_capacity(16 * 1024); // One read takes nearly every environment whole.
    file.read_to_end(&mut bytes).ok()?;
    let whole = bytes.iter().rposition(|&b| b == 0).map_or(0, |nul| nul + 1);
    bytes.truncate(whole);
    Some(bytes)
}

/// The arguments of a process, NUL-separated; `None` if it is gone.
pub fn arguments(pid: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{pid}/cmdline")).ok()
}

/// The user (the real one) as whom a process runs; `None` if it is gone.
pub fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()
}

/// The folder a process is in; `None` if it is gone or that may not be read.
pub fn cwd(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// Device and inode of a process's standard output; `None` if that may not be read.
pub fn stdout_inode(pid: u32) -> Option<(u64, u64)> {
    fs::metadata(format!("/proc/{pid}/fd/1")).ok().map(|m| (m.dev(), m.ino()))
}

/// Gives memory that is not in use back to the kernel: a sidecar waits for days, and a hundred of them add up.
#[inline(never)]
pub fn release_memory() {
    /// How deep the stack may have been.
    const DEPTH: usize = 128 * 1024;
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
    let page = page_size() as usize;
    let here = (&raw const page).addr();
    // Two pages below this frame there is nothing but what returned calls left behind.
    let end = (here & !(page - 1)).saturating_sub(page);
    let start = end.saturating_sub(DEPTH);
    // SAFETY: the stack grows down, so the range is unused; it reads as zeroes when it is used again. Parts that were
    // never mapped are refused without harm.
    unsafe {
        libc::madvise(std::ptr::without_provenance_mut(start), end - start, libc::MADV_DONTNEED);
    }
}

/// Gives the calling process a name for `ps` and `top`.
pub fn set_process_name() {
    let _ = nix::sys::prctl::set_name(c"bgo");
}

/// How often the OOM killer has struck in the memory cgroup of the caller; `None` where that is not counted.
pub fn oom_kills() -> Option<u64> {
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    // `4:memory:/path` is a hierarchy of cgroup v1, `0::/path` that of v2.
    let is_memory = |line: &&str| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|n| n == "memory"));
    let path = |line: &str| line.splitn(3, ':').nth(2).map(str::to_owned);
    let file = match cgroups.lines().find(is_memory).and_then(path) {
        Some(own) => format!("/sys/fs/cgroup/memory{own}/memory.oom_control"),
        None => format!("/sys/fs/cgroup{}/memory.events", cgroups.lines().find_map(|line| line.strip_prefix("0::"))?),
    };
    let events = fs::read_to_string(file).ok()?;
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok())
}

/// A path that executes the running program, also after its file was replaced.
pub fn self_executable() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}

// ---------------------------------------------------------------------------------------------- processes

/// One process, for ever: a pidfd. Readable once the process has ended.
#[derive(Debug)]
pub struct ProcessHandle {
    fd: OwnedFd,
    pid: u32,
}

impl ProcessHandle {
    /// Opens the process that `identity` claims; `None` if it has ended or its pid belongs to another now.
    ///
    /// # Errors
    /// The kernel would not open it.
    pub fn open(identity: &Identity) -> io::Result<Option<ProcessHandle>> {
        let Some(handle) = ProcessHandle::of_pid(identity.pid)? else { return Ok(None) };
        // Looked at after opening: whatever this pid is now, the handle can only be that or something that has ended.
        Ok(super::running(identity)?.map(|_| handle))
    }

    /// Opens a child that the caller has not reaped, whose pid therefore cannot be reused.
    ///
    /// # Errors
    /// The kernel would not open it.
    pub fn of_child(pid: u32) -> io::Result<ProcessHandle> {
        ProcessHandle::of_pid(pid)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn of_pid(pid: u32) -> io::Result<Option<ProcessHandle>> {
        let Some(number) = libc::pid_t::try_from(pid).ok().filter(|&n| n > 0) else { return Ok(None) };
        // SAFETY: pidfd_open takes two integers and returns a new close-on-exec descriptor or -1.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
        match Errno::result(fd) {
            // SAFETY: the descriptor is new and nobody else's.
            Ok(fd) => Ok(Some(ProcessHandle { fd: unsafe { OwnedFd::from_raw_fd(fd as RawFd) }, pid })),
            Err(Errno::ESRCH | Errno::EINVAL) => Ok(None),
            Err(e) => Err(e.into()),
        }
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
        self.send(signal, 0)
    }

    /// Sends a signal to the process group that this process leads; `false` if the process has ended.
    ///
    /// # Errors
    /// EPERM: no member of the group may be signalled.
    pub fn signal_group(&self, signal: Signal) -> io::Result<bool> {
        const PIDFD_SIGNAL_PROCESS_GROUP: u32 = 1 << 2; // Linux 6.9
        match self.send(signal, PIDFD_SIGNAL_PROCESS_GROUP) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => self.signal_group_by_number(signal),
            other => other,
        }
    }

    /// Older kernels know groups by number only. While the leader runs, no other group can have its number.
    fn signal_group_by_number(&self, signal: Signal) -> io::Result<bool> {
        if self.has_ended() {
            return Ok(false);
        }
        let group = nix::unistd::Pid::from_raw(self.pid as i32);
        let signal = NixSignal::try_from(signal.number()).map_err(io::Error::from)?;
        match nix::sys::signal::killpg(group, signal) {
            Ok(()) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn send(&self, signal: Signal, flags: u32) -> io::Result<bool> {
        let (fd, number) = (self.fd.as_raw_fd(), signal.number());
        // SAFETY: a descriptor, a number, no siginfo, flags: pidfd_send_signal touches no memory of ours.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, number, 0usize, flags) };
        match Errno::result(sent) {
            Ok(_) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        wait(&[(self.as_fd(), Interest::Readable)], Some(Duration::ZERO)).is_ok_and(|ready| ready[0])
    }

    /// How a process that is not our child ended, where the kernel keeps that (Linux 6.15); it is told only once the
    /// real parent has reaped it, which is waited for, but not long.
    pub fn outcome(&self) -> Outcome {
        const REAPED_WITHIN: Duration = Duration::from_secs(1);
        const PIDFD_INFO_EXIT: u64 = 1 << 3;
        const PIDFD_GET_INFO: libc::c_ulong = 0xc040_ff0b; // _IOWR(0xFF, 11, 64 bytes)
        let _ = wait(&[(self.as_fd(), Interest::HangUp)], Some(boot_clock() + REAPED_WITHIN));
        let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
        // SAFETY: the request's size (64) is that of PidfdInfo, which lives through the call.
        let done = unsafe { libc::ioctl(self.fd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
        if done == 0 && info.mask & PIDFD_INFO_EXIT != 0 { outcome_of_status(info.exit_code) } else { Outcome::Unknown }
    }
}

/// `struct pidfd_info`, first version.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup: u64,
    ids: [u32; 11],
    exit_code: i32,
}

impl AsFd for ProcessHandle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Makes orphaned descendants of the caller its children, and says whether the kernel does that.
pub fn become_subreaper() -> bool {
    nix::sys::prctl::set_child_subreaper(true).is_ok()
}

// ---------------------------------------------------------------------------------------------- signals and files

/// Signals that arrive as data on a descriptor instead of interrupting.
#[derive(Debug)]
pub struct SignalQueue {
    fd: SignalFd,
}

impl SignalQueue {
    /// Blocks `signals` for the calling thread and queues them from now on.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn new(signals: &[i32]) -> io::Result<SignalQueue> {
        let mut set = SigSet::empty();
        for &number in signals {
            set.add(NixSignal::try_from(number)?);
        }
        set.thread_block()?;
        Ok(SignalQueue { fd: SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)? })
    }

    /// The signals that have arrived. Several of one kind may count as one.
    pub fn drain(&self) -> Vec<i32> {
        let mut arrived = Vec::new();
        while let Ok(Some(info)) = self.fd.read_signal() {
            arrived.push(info.ssi_signo as i32);
        }
        arrived
    }
}

impl AsFd for SignalQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_line_is_read_whatever_the_command_is_called() {
        let line = b"42 (a) b) R) S 1 42 42 0 -1 4194304 1 0 0 0 7 3 0 0 20 0 2 0 12345 9 250 18446744073709551615 1";
        let stat = parse_stat(42, line).unwrap();
        assert_eq!((stat.ppid, stat.pgid, stat.sid, stat.zombie), (1, 42, 42, false));
        assert_eq!((stat.threads, stat.start_time, stat.rss_bytes), (2, 12345, 250 * page_size()));
        assert_eq!(stat.cpu, ticks(10));
        assert_eq!(parse_stat(42, b"42 (x"), None);
    }

    #[test]
    fn the_own_process_is_found_with_its_identity() {
        let own = super::super::own_identity().unwrap();
        assert!(super::super::running(&own).unwrap().is_some());
        let reused = Identity { start_time: own.start_time + 1, ..own.clone() };
        assert!(super::super::running(&reused).unwrap().is_none());
        assert!(ProcessHandle::open(&reused).unwrap().is_none());
        let other_boot = Identity { boot_id: "another".into(), ..own };
        assert!(super::super::running(&other_boot).unwrap().is_none());
    }
}
