//! Clocks, and what the kernel tells about processes: sysctl and libproc.
//!
//! Why it exists: macOS has no /proc. Invariant: what a process may hide (another user, System Integrity Protection)
//! comes back as `None`, never as a guess.

use super::super::ProcStat;
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getsid};
use std::ffi::{CStr, OsString, c_int, c_void};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::ptr;
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

pub(super) fn number_of(pid: u32) -> Option<libc::pid_t> {
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

/// The same, and what its program calls itself.
///
/// # Errors
/// The kernel would not tell.
pub fn stat_and_name(pid: u32) -> io::Result<Option<(ProcStat, Option<String>)>> {
    let Some(stat) = stat(pid)? else { return Ok(None) };
    let mut buffer = [0u8; 64];
    // SAFETY: proc_name writes at most the given number of bytes into the buffer, and says how many.
    let filled = unsafe { libc::proc_name(pid as c_int, buffer.as_mut_ptr().cast(), buffer.len() as u32) };
    let name = usize::try_from(filled).ok().filter(|&n| n > 0).and_then(|n| buffer.get(..n));
    Ok(Some((stat, name.map(|name| String::from_utf8_lossy(name).into_owned()))))
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
pub(super) fn stat_by_sysctl(pid: u32, number: libc::pid_t) -> io::Result<Option<ProcStat>> {
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
pub(super) fn split_strings(buffer: &[u8]) -> Option<(&[u8], &[u8])> {
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

/// The user (the real one) as whom a process runs; `None` if it is gone, or another user's.
pub fn user(pid: u32) -> Option<u32> {
    // SAFETY: proc_bsdinfo is the structure of PROC_PIDTBSDINFO and holds numbers only.
    let info = unsafe { pid_info::<libc::proc_bsdinfo>(number_of(pid)?, libc::PROC_PIDTBSDINFO) };
    info.ok().map(|info| info.pbi_ruid)
}

/// The folder a process is in; `None` if it is gone or that may not be read.
pub fn cwd(pid: u32) -> Option<PathBuf> {
    // SAFETY: this is the structure of that flavor, and it holds numbers only.
    let info: libc::proc_vnodepathinfo = unsafe { pid_info(number_of(pid)?, libc::PROC_PIDVNODEPATHINFO) }.ok()?;
    let path = info.pvi_cdir.vip_path.as_flattened().iter().map(|&c| c as u8).take_while(|&c| c != 0).collect();
    Some(PathBuf::from(OsString::from_vec(path)))
}

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
