//! Starting programs: the managed process, and the sidecar itself.
//!
//! Why it exists: std's `Command` can neither start a session, nor reset every signal, nor say at which step it
//! failed. Invariant: between the birth of the child and exec only async-signal-safe calls are made, on memory that
//! was prepared before; the new program finds default signal dispositions and exactly the descriptors it was given.
//!
//! Where the kernel can, the child borrows the parent's memory until exec (`os::run_child`), as posix_spawn does: no
//! page table is copied, which is most of the cost of a fork. One that becomes another user gets its own.

use super::attributes::{self, Attributes};
use super::os::{close_on_exec_from, die_with_parent, run_child};
use crate::domain::launch::{LaunchFailure, Stage};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::{self, NonNull};

/// How much stack a child has until it executes: [`child`] needs a few hundred bytes.
const STACK: usize = 16 * 1024;

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
    /// Priority, limits, umask and user, set before it enters the folder.
    pub attributes: Attributes,
    /// Whether the kernel kills it when the caller dies (Linux; elsewhere it runs on).
    pub dies_with_us: bool,
    /// Whether it starts with all signals blocked (the sidecar, until it can receive them) or with none.
    pub block_signals: bool,
}

/// Everything the child needs, as raw pointers and numbers.
struct Prepared<'a> {
    program: *const c_char,
    argv: Vec<*const c_char>,
    envp: Vec<*const c_char>,
    cwd: *const c_char,
    /// What becomes descriptor 0, 1, 2 …: all numbered above the targets, so that none is overwritten too early.
    sources: Vec<RawFd>,
    attributes: attributes::Prepared<'a>,
    block_signals: bool,
    dies_with_us: bool,
    orphan: bool,
    /// The stack of the second child, if the first is to orphan it.
    stack: *mut c_void,
    /// In memory that parent and child share.
    failure: *const Failure,
}

/// Where the child says what failed. Stays `None` if nothing did.
struct Failure(Cell<Option<(Stage, c_int)>>);

/// A page that stays shared across a fork.
struct SharedFailure(NonNull<c_void>);

impl SharedFailure {
    const SIZE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4095);

    fn new() -> Result<SharedFailure, Errno> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping of its own; nothing else refers to it.
        let page = unsafe { mmap_anonymous(None, Self::SIZE, protection, MapFlags::MAP_SHARED)? };
        // SAFETY: the page is writable, aligned and large enough.
        unsafe { page.cast::<Failure>().write(Failure(Cell::new(None))) };
        Ok(SharedFailure(page))
    }

    fn get(&self) -> Option<LaunchFailure> {
        // SAFETY: written in `new`; the child, which also writes here, has executed or ended by now.
        let failure = unsafe { self.0.cast::<Failure>().as_ref() };
        failure.0.get().map(|(stage, errno)| LaunchFailure { stage, errno })
    }
}

impl Drop for SharedFailure {
    fn drop(&mut self) {
        // SAFETY: mapped in `new`, and no reference into it is left.
        let _ = unsafe { munmap(self.0, Self::SIZE.get()) };
    }
}

/// Starts `plan` as a child of the caller in a session of its own, and returns its pid once it has executed.
///
/// # Errors
/// The stage and errno of the step that failed; there is no process then.
pub fn spawn(plan: &SpawnPlan<'_>) -> Result<u32, LaunchFailure> {
    let child = start(plan, false)?;
    Ok(u32::try_from(child.as_raw()).unwrap_or_default())
}

/// Starts `plan` in a session of its own, as nobody's child: it is orphaned at once, so that a long-lived caller has
/// nothing to reap. Returns once it has executed.
///
/// # Errors
/// The stage and errno of the step that failed; there is no process then.
pub fn detach(plan: &SpawnPlan<'_>) -> Result<(), LaunchFailure> {
    start(plan, true).map(wait_for)
}

fn start(plan: &SpawnPlan<'_>, orphan: bool) -> Result<Pid, LaunchFailure> {
    let setup = |errno: Errno| LaunchFailure { stage: Stage::Setup, errno: errno as i32 };
    let targets = plan.descriptors.len() as RawFd;
    let above = |fd: BorrowedFd<'_>| -> Result<OwnedFd, Errno> {
        let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(targets))?;
        // SAFETY: fcntl has just made this descriptor; nobody else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(copy) })
    };
    let null = File::open("/dev/null").map_err(|e| setup(errno_of(&e)))?;
    let sources = plan.descriptors.iter().map(|fd| above(fd.unwrap_or(null.as_fd()))).collect::<Result<Vec<_>, _>>();
    let sources = sources.map_err(setup)?;
    let failure = SharedFailure::new().map_err(setup)?;
    let mut stacks = [Vec::<u8>::with_capacity(STACK), Vec::with_capacity(if orphan { STACK } else { 0 })];
    let top = |stack: &mut Vec<u8>| -> *mut c_void {
        // Stacks grow down, from an aligned end.
        let end = stack.as_mut_ptr().wrapping_add(stack.capacity());
        end.wrapping_sub(end as usize % 16).cast()
    };
    let [first, second] = &mut stacks;
    let pointers = |strings: &[CString]| -> Vec<*const c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([ptr::null()]).collect()
    };
    let prepared = Prepared {
        program: plan.program.as_ptr(),
        argv: pointers(&plan.arguments),
        envp: pointers(&plan.environment),
        cwd: plan.cwd.as_ptr(),
        sources: sources.iter().map(AsRawFd::as_raw_fd).collect(),
        attributes: plan.attributes.prepare().map_err(|(stage, errno)| LaunchFailure { stage, errno: errno as i32 })?,
        block_signals: plan.block_signals,
        dies_with_us: plan.dies_with_us,
        orphan,
        stack: top(second),
        failure: failure.0.as_ptr().cast(),
    };
    // No handler of ours may run in the child, on borrowed memory.
    let mut mask = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut mask)).map_err(setup)?;
    let changes_user = prepared.attributes.changes_user();
    // SAFETY: `child` makes only async-signal-safe calls on `prepared`, which lives until this call is over, and ends in
    // exec or _exit; the stack is unused memory of the stated size.
    let started = unsafe { run_child(child, (&raw const prepared).cast_mut().cast(), top(first), changes_user) };
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None);
    let pid = started.map_err(|errno| LaunchFailure { stage: Stage::Fork, errno: errno as i32 })?;
    match failure.get() {
        Some(failure) => {
            wait_for(pid);
            Err(failure)
        }
        None => Ok(pid),
    }
}

fn wait_for(child: Pid) {
    while waitpid(child, None) == Err(Errno::EINTR) {}
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

/// The child's side: never returns, never allocates.
extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `start` passes a Prepared that outlives the child's use of it. setsid, _exit, chdir and execve are
    // async-signal-safe, and so is run_child with a stack that was made before.
    unsafe {
        let prepared = &*argument.cast::<Prepared<'_>>();
        if !prepared.orphan {
            execute(prepared)
        }
        if run_child(grandchild, argument, prepared.stack, prepared.attributes.changes_user()).is_err() {
            fail(prepared, Stage::Fork)
        }
        libc::_exit(0)
    }
}

/// The child of the child that ends at once: nobody's.
extern "C" fn grandchild(argument: *mut c_void) -> c_int {
    // SAFETY: as in `child`.
    unsafe { execute(&*argument.cast::<Prepared<'_>>()) }
}

/// SAFETY: to be called in a child before exec only.
unsafe fn execute(prepared: &Prepared<'_>) -> ! {
    // SAFETY: every pointer was prepared by `start` and is valid; all calls are async-signal-safe.
    unsafe {
        if libc::setsid() == -1 {
            fail(prepared, Stage::Setup)
        }
        place_descriptors(prepared);
        reset_signals(prepared.block_signals);
        if let Err(stage) = prepared.attributes.apply() {
            fail(prepared, stage)
        }
        // After the change of user, which undoes it.
        if prepared.dies_with_us {
            die_with_parent();
        }
        if libc::chdir(prepared.cwd) == -1 {
            fail(prepared, Stage::Chdir)
        }
        libc::execve(prepared.program, prepared.argv.as_ptr(), prepared.envp.as_ptr());
        fail(prepared, Stage::Exec)
    }
}

/// Makes the descriptors 0, 1, 2 … what the plan says; all others close at exec, also those that the caller inherited
/// from a shell.
///
/// SAFETY: to be called in a child before exec only.
unsafe fn place_descriptors(prepared: &Prepared<'_>) {
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
/// SAFETY: to be called in a child before exec only.
unsafe fn reset_signals(block: bool) {
    // SAFETY: sigaction, sigfillset, sigemptyset and sigprocmask are async-signal-safe; a zeroed sigaction is SIG_DFL.
    unsafe {
        let default: libc::sigaction = std::mem::zeroed();
        for signal in 1..=64 {
            // Refused for SIGKILL and SIGSTOP, which cannot be anything else.
            libc::sigaction(signal, &default, ptr::null_mut());
        }
        let mut mask: libc::sigset_t = std::mem::zeroed();
        if block {
            libc::sigfillset(&mut mask)
        } else {
            libc::sigemptyset(&mut mask)
        };
        libc::sigprocmask(libc::SIG_SETMASK, &mask, ptr::null_mut());
    }
}

/// Tells the parent what failed, and ends.
///
/// SAFETY: to be called in a child before exec only.
unsafe fn fail(prepared: &Prepared<'_>, stage: Stage) -> ! {
    // SAFETY: the shared page outlives the child; _exit is async-signal-safe.
    unsafe {
        (*prepared.failure).0.set(Some((stage, Errno::last_raw())));
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

#[cfg(test)]
mod tests {
    use super::super::{Credentials, account};
    use super::*;
    use nix::sys::resource::{Resource, getrlimit};
    use nix::unistd::geteuid;
    use std::fs;
    use std::io::{Seek, SeekFrom};
    use std::os::unix::fs::PermissionsExt;

    /// What `sh -c script` says, started with `attributes`.
    fn says(attributes: Attributes, script: &str) -> Result<String, LaunchFailure> {
        let mut output = tempfile::tempfile().unwrap();
        let plan = SpawnPlan {
            program: c"/bin/sh".into(),
            arguments: vec![c"sh".into(), c"-c".into(), CString::new(script).unwrap()],
            environment: vec![c"PATH=/usr/bin:/bin".into()],
            cwd: c"/".into(),
            descriptors: vec![None, Some(output.as_fd()), Some(output.as_fd())],
            attributes,
            dies_with_us: false,
            block_signals: false,
        };
        wait_for(Pid::from_raw(spawn(&plan)? as i32));
        output.seek(SeekFrom::Start(0)).unwrap();
        Ok(io::read_to_string(output).unwrap().trim_end().to_owned())
    }

    #[test]
    fn a_process_gets_its_nice_value_and_umask() {
        let attributes = Attributes { nice: Some(5), umask: Some(0o027), ..Attributes::default() };
        assert_eq!(says(attributes, "umask; exec ps -o ni= -p $$").unwrap().split_whitespace().last(), Some("5"));
        let attributes = Attributes { umask: Some(0o027), ..Attributes::default() };
        assert_eq!(says(attributes, "umask").unwrap(), "0027");
    }

    #[test]
    fn a_limit_below_the_hard_one_is_soft_and_one_above_it_needs_privilege() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let limits = |n| {
            says(Attributes { nofile: Some(n), ..Attributes::default() }, "ulimit -Sn; ulimit -Hn")
                .map(|text| text.replace('\n', " "))
        };
        assert_eq!(limits(64), Ok(format!("64 {hard}")));
        assert_eq!(limits(hard), Ok(format!("{hard} {hard}")));
        let refused = Err(LaunchFailure { stage: Stage::Nofile, errno: libc::EPERM });
        // Whether a root may is a question of its capabilities.
        let above = limits(hard + 1);
        assert!(above == refused || geteuid().is_root() && above == Ok(format!("{0} {0}", hard + 1)), "{above:?}");
        if let Ok(most) = fs::read_to_string("/proc/sys/fs/nr_open") {
            assert_eq!(limits(most.trim().parse::<u64>().unwrap() + 1), refused);
        }
    }

    #[test]
    fn a_process_runs_as_another_user_and_the_caller_stays_who_it_is() {
        let other = account(if geteuid().is_root() { "nobody" } else { "root" }).unwrap().unwrap();
        let (uid, gid) = (other.uid, other.gid);
        let user = Credentials { uid, gid, groups: vec![gid, 12345] };
        let said = says(Attributes { user: Some(user), ..Attributes::default() }, "id -u; id -ru; id -g; id -G");
        if geteuid().is_root() {
            assert_eq!(said.unwrap(), format!("{uid}\n{uid}\n{gid}\n{gid} 12345"));
            #[cfg(target_os = "linux")]
            assert!(nix::sys::prctl::get_dumpable().unwrap());
        } else {
            assert_eq!(said, Err(LaunchFailure { stage: Stage::User, errno: libc::EPERM }));
        }
        let (uid, gid) = (geteuid().as_raw(), nix::unistd::getegid().as_raw());
        let oneself = Credentials { uid, gid, groups: vec![gid] };
        let said = says(Attributes { user: Some(oneself), ..Attributes::default() }, "id -u");
        assert_eq!(said.unwrap(), uid.to_string());
    }

    #[test]
    fn the_folder_is_entered_as_the_user_who_runs() {
        let nobody = account("nobody").unwrap().unwrap();
        if !geteuid().is_root() {
            return;
        }
        let private = tempfile::tempdir().unwrap();
        fs::set_permissions(private.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let user = Credentials { uid: nobody.uid, gid: nobody.gid, groups: vec![nobody.gid] };
        let plan = SpawnPlan {
            program: c"/bin/true".into(),
            arguments: vec![c"true".into()],
            environment: Vec::new(),
            cwd: CString::new(private.path().to_str().unwrap()).unwrap(),
            descriptors: vec![None],
            attributes: Attributes { user: Some(user), ..Attributes::default() },
            dies_with_us: false,
            block_signals: false,
        };
        assert_eq!(spawn(&plan), Err(LaunchFailure { stage: Stage::Chdir, errno: libc::EACCES }));
    }
}
