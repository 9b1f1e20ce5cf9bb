//! fork and exec: the managed process, and the sidecar itself.
//!
//! Why it exists: std's `Command` can neither start a session, nor reset every signal, nor say at which step it
//! failed. Invariant: between fork and exec only async-signal-safe calls are made, on memory that was prepared before;
//! the new program finds default signal dispositions and exactly the descriptors it was given.

use super::os::close_on_exec_from;
use crate::domain::launch::{LaunchFailure, Stage};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork, pipe2};
use std::ffi::{CString, c_char};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// A program to execute.
pub struct SpawnPlan<'a> {
    /// Path of the program.
    pub program: CString,
    /// Its arguments, the program's name first.
    pub arguments: Vec<CString>,
    /// Its environment, `KEY=VALUE` each.
    pub environment: Vec<CString>,
    /// The folder to run in.
    pub cwd: CString,
    /// What becomes its descriptor 0, 1, 2 …; 0 is `/dev/null` where `None`.
    pub descriptors: Vec<Option<BorrowedFd<'a>>>,
    /// Whether it starts with all signals blocked (the sidecar, until it can receive them) or with none.
    pub block_signals: bool,
}

/// Everything the child needs, as raw pointers and numbers.
struct Prepared {
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    /// What becomes descriptor 0, 1, 2 …: all numbered above the targets, so that none is overwritten too early.
    sources: Vec<RawFd>,
    errors: RawFd,
}

/// Starts `plan` as a child of the caller in a session of its own, and returns its pid once it has executed.
///
/// # Errors
/// The stage and errno of the step that failed; there is no process then.
pub fn spawn(plan: &SpawnPlan<'_>) -> Result<u32, LaunchFailure> {
    fork_exec(plan, false).map(|pid| pid.unwrap_or(0))
}

/// Starts `plan` in a session of its own, as nobody's child: it is orphaned at once, so that a long-lived caller has
/// nothing to reap. Returns once it has executed.
///
/// # Errors
/// The stage and errno of the step that failed; there is no process then.
pub fn detach(plan: &SpawnPlan<'_>) -> Result<(), LaunchFailure> {
    fork_exec(plan, true).map(|_| ())
}

fn fork_exec(plan: &SpawnPlan<'_>, orphan: bool) -> Result<Option<u32>, LaunchFailure> {
    let failed = |stage| move |errno: Errno| LaunchFailure { stage, errno: errno as i32 };
    let setup = failed(Stage::Setup);
    let targets = plan.descriptors.len() as RawFd;
    let above = |fd: BorrowedFd<'_>| -> Result<OwnedFd, Errno> {
        let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(targets))?;
        // SAFETY: fcntl has just made this descriptor; nobody else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(copy) })
    };
    let null = File::open("/dev/null").map_err(|e| setup(errno_of(&e)))?;
    let sources = plan.descriptors.iter().map(|fd| above(fd.unwrap_or(null.as_fd()))).collect::<Result<Vec<_>, _>>();
    let sources = sources.map_err(setup)?;
    let (errors_in, low) = pipe2(OFlag::O_CLOEXEC).map_err(setup)?;
    let errors_out = above(low.as_fd()).map_err(setup)?;
    drop(low); // An end left open here would keep `read_failure` waiting for ever.
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
    };
    let prepared = Prepared {
        argv: pointers(&plan.arguments),
        envp: pointers(&plan.environment),
        sources: sources.iter().map(AsRawFd::as_raw_fd).collect(),
        errors: errors_out.as_raw_fd(),
    };
    // SAFETY: the child calls only async-signal-safe functions (see `child`) and never returns.
    match unsafe { fork() }.map_err(failed(Stage::Fork))? {
        ForkResult::Child => child(plan, &prepared, orphan),
        ForkResult::Parent { child } => {
            drop(errors_out);
            let failure = read_failure(errors_in);
            if orphan || failure.is_some() {
                wait_for(child);
            }
            match failure {
                Some(failure) => Err(failure),
                None => Ok(u32::try_from(child.as_raw()).ok()),
            }
        }
    }
}

/// Five bytes mean failure; the end of the pipe means that exec has closed it.
fn read_failure(errors: OwnedFd) -> Option<LaunchFailure> {
    let mut message = [0u8; 5];
    File::from(errors).read_exact(&mut message).ok()?;
    let [stage, errno @ ..] = message;
    Some(LaunchFailure { stage: Stage::from_index(stage).unwrap_or(Stage::Setup), errno: i32::from_ne_bytes(errno) })
}

fn wait_for(child: Pid) {
    while waitpid(child, None) == Err(Errno::EINTR) {}
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// The child's side: never returns, never allocates.
fn child(plan: &SpawnPlan<'_>, prepared: &Prepared, orphan: bool) -> ! {
    // SAFETY: setsid, fork, _exit, chdir and execve are async-signal-safe; every pointer was prepared before the fork
    // and stays valid in the child's copy of the memory.
    unsafe {
        if orphan {
            match libc::fork() {
                0 => {}
                -1 => fail(prepared, Stage::Fork),
                _ => libc::_exit(0),
            }
        }
        if libc::setsid() == -1 {
            fail(prepared, Stage::Setup);
        }
        place_descriptors(prepared);
        reset_signals(plan.block_signals);
        if libc::chdir(plan.cwd.as_ptr()) == -1 {
            fail(prepared, Stage::Chdir);
        }
        libc::execve(plan.program.as_ptr(), prepared.argv.as_ptr(), prepared.envp.as_ptr());
        fail(prepared, Stage::Exec)
    }
}

/// Makes the descriptors 0, 1, 2 … what the plan says; all others close at exec, also those that the caller inherited
/// from a shell.
///
/// SAFETY: to be called between fork and exec only.
unsafe fn place_descriptors(prepared: &Prepared) {
    // SAFETY: dup2 and close_on_exec_from are async-signal-safe; the sources are open.
    unsafe {
        for (target, &source) in prepared.sources.iter().enumerate() {
            if libc::dup2(source, target as RawFd) == -1 {
                fail(prepared, Stage::Setup);
            }
        }
        close_on_exec_from(prepared.sources.len() as RawFd);
    }
}

/// Default dispositions, and a mask of everything or nothing.
///
/// SAFETY: to be called between fork and exec only.
unsafe fn reset_signals(block: bool) {
    // SAFETY: sigaction, sigfillset, sigemptyset and sigprocmask are async-signal-safe; a zeroed sigaction is SIG_DFL.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        for signal in 1..=64 {
            // Refused for SIGKILL and SIGSTOP, which cannot be anything else.
            libc::sigaction(signal, &default, ptr::null_mut());
        }
        let mut mask: libc::sigset_t = std::mem::zeroed();
        if block { libc::sigfillset(&mut mask) } else { libc::sigemptyset(&mut mask) };
        libc::sigprocmask(libc::SIG_SETMASK, &mask, ptr::null_mut());
    }
}

/// Tells the parent what failed, and ends.
///
/// SAFETY: to be called between fork and exec only.
unsafe fn fail(prepared: &Prepared, stage: Stage) -> ! {
    let errno = Errno::last_raw().to_ne_bytes();
    let message = [stage.index(), errno[0], errno[1], errno[2], errno[3]];
    // SAFETY: write and _exit are async-signal-safe; `message` is five bytes long.
    unsafe {
        libc::write(prepared.errors, message.as_ptr().cast(), message.len());
        libc::_exit(127)
    }
}

/// Takes the inherited descriptor `number`, if it is open, and keeps it from being inherited further.
pub fn make_private(number: RawFd) -> Option<OwnedFd> {
    // SAFETY: F_SETFD on any number is harmless; it fails with EBADF when the number is not open.
    let open = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } != -1;
    // SAFETY: it is open, and the caller asks for the numbers that its launcher handed over to it alone, once each.
    open.then(|| unsafe { OwnedFd::from_raw_fd(number) })
}
