//! Starting a sidecar, and hearing from it.
//!
//! Why it exists: `start` must know whether the command runs before it returns. Invariant: the ownership lock passes
//! through fork and exec without a gap; after the launcher's death the sidecar goes on.

use super::{ENTRY, EXE_FD, LOCK_FD, REPORT_FD, SCOPE_VARIABLE};
use crate::domain::launch::{LaunchFailure, Report};
use crate::domain::name::Name;
use crate::domain::scope;
use crate::error::{Error, Result};
use crate::platform::{self, Attributes, Interest, SpawnPlan};
use crate::store::{Ownership, Store, open_log, refuse_odd};
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a sidecar is launched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Start the process.
    Start,
    /// Take up the process that runs; never start one.
    Attach,
}

impl Purpose {
    /// The word on the sidecar's command line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Purpose::Start => "start",
            Purpose::Attach => "attach",
        }
    }
}

/// Where a sidecar, and with it all that it starts, is put.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Where its launcher is, a command.
    Command,
    /// Where its launcher is, a sidecar.
    Sidecar,
    /// Into a systemd scope of its own.
    Scope(&'a Scope),
}

/// A systemd scope to be made.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Where systemd-run is.
    pub program: PathBuf,
    /// The unit to make; no other launch has the same.
    pub unit: String,
    /// The process that it is for.
    pub name: String,
    /// Whether the system's manager is to make it, instead of the user's.
    pub system: bool,
    /// The variables by which systemd-run finds the manager, `KEY=VALUE` each.
    pub variables: Vec<Vec<u8>>,
}

/// The launcher's end of a launch.
#[derive(Debug)]
pub struct Launched {
    pipe: File,
    unread: Vec<u8>,
}

/// Starts a sidecar for the run `run_id` of `name`: it waits for the record's write lock, then does what it is for, and
/// reports. A launcher that closes its end before it gives up that lock has called it off. Into a scope of its own it is
/// put by systemd-run, which is started first and then executes it in place; if the scope cannot be made, nothing is ever
/// reported, and what systemd-run said is in the watcher log.
///
/// # Errors
/// The sidecar could not be started; nothing runs then.
pub fn launch(
    store: &Store,
    exe: &Path,
    name: &Name,
    run_id: &str,
    purpose: Purpose,
    ownership: &Ownership,
    place: Place<'_>,
) -> Result<Launched> {
    let what = || format!("cannot start the sidecar of \"{name}\"");
    let logs = store.logs(name);
    let unfit = |path: &Path, e: &io::Error| Error::io(format!("{}: cannot write {}", what(), path.display()), e);
    let log = open_log(&logs.watcher).map_err(|e| unfit(&logs.watcher, &e))?;
    if purpose == Purpose::Start {
        // The sidecar opens these. Its report has no room to say what is wrong with which.
        [&logs.out, &logs.err].into_iter().try_for_each(|path| refuse_odd(path).map_err(|e| unfit(path, &e)))?;
    }
    let (reports_in, reports_out) = io::pipe().map_err(|e| Error::io(what(), &e))?;
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Error::io(what(), &io::ErrorKind::InvalidInput.into()));
    let home = [b"BGO_HOME=", store.root().as_os_str().as_bytes()].concat();
    let via = match place {
        Place::Scope(scope) => Via::systemd(scope, exe).map_err(|e| Error::io(what(), &e))?,
        Place::Command | Place::Sidecar => Via::nothing(exe, matches!(place, Place::Sidecar)),
    };
    let words = [ENTRY, name.as_str(), run_id, purpose.word()].map(|word| word.as_bytes().to_vec());
    let mut environment = vec![
        text(&home)?,
        text(format!("BGO_SIDECAR={name}").as_bytes())?,
        // Freed memory is to go back to the kernel, not into a cache of the allocator.
        c"GLIBC_TUNABLES=glibc.malloc.tcache_count=0".into(),
    ];
    environment.extend(via.variables.iter().map(|variable| text(variable)).collect::<Result<Vec<_>>>()?);
    // 0, 1, 2, then LOCK_FD, REPORT_FD and, if there is one, EXE_FD.
    let mut descriptors =
        vec![None, Some(log.as_fd()), Some(log.as_fd()), Some(ownership.as_fd()), Some(reports_out.as_fd())];
    descriptors.extend(via.exe.iter().map(|exe| Some(exe.as_fd())));
    let plan = SpawnPlan {
        program: text(via.program.as_os_str().as_bytes())?,
        arguments: via.arguments.iter().chain(&words).map(|word| text(word)).collect::<Result<_>>()?,
        environment,
        cwd: c"/".into(),
        descriptors,
        attributes: Attributes::default(),
        dies_with_us: false,
        block_signals: true,
    };
    debug_assert_eq!((LOCK_FD, REPORT_FD, EXE_FD), (3, 4, 5));
    platform::detach(&plan)
        .map_err(|e: LaunchFailure| Error::new(crate::error::ErrorKind::StartFailed, what()).because(e))?;
    Ok(Launched { pipe: File::from(std::os::fd::OwnedFd::from(reports_in)), unread: Vec::new() })
}

/// What is executed on the way to a sidecar.
struct Via<'a> {
    program: &'a Path,
    /// Up to where the words of the sidecar follow.
    arguments: Vec<Vec<u8>>,
    variables: Vec<Vec<u8>>,
    /// The binary of the sidecar, where another program is to execute it.
    exe: Option<File>,
}

impl<'a> Via<'a> {
    fn nothing(exe: &'a Path, stays: bool) -> Via<'a> {
        let unit = std::env::var_os(SCOPE_VARIABLE).filter(|_| stays);
        let variables = unit.map(|unit| [SCOPE_VARIABLE.as_bytes(), b"=", unit.as_bytes()].concat());
        Via { program: exe, arguments: vec![b"bgo".to_vec()], variables: variables.into_iter().collect(), exe: None }
    }

    fn systemd(scope: &'a Scope, exe: &Path) -> io::Result<Via<'a>> {
        let mut arguments = scope::arguments(&scope.unit, &scope.name, scope.system);
        // By a path it could be another binary by then, and in systemd-run /proc/self/exe is systemd-run.
        arguments.push(format!("/proc/self/fd/{EXE_FD}"));
        let unit = format!("{SCOPE_VARIABLE}={}", scope.unit).into_bytes();
        Ok(Via {
            program: &scope.program,
            arguments: arguments.into_iter().map(String::into_bytes).collect(),
            variables: scope.variables.iter().cloned().chain([unit]).collect(),
            exe: Some(File::open(exe)?),
        })
    }
}

impl AsFd for Launched {
    /// Readable when there may be a report, or the end.
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

impl Launched {
    /// The next report, waiting for it until `deadline` on the boot-time clock; `None` at the deadline, or when the
    /// sidecar has nothing more to say (it has ended).
    ///
    /// # Errors
    /// The pipe cannot be read.
    pub fn next(&mut self, deadline: Option<Duration>) -> io::Result<Option<Report>> {
        loop {
            if let Some(end) = self.unread.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(Report::parse(&String::from_utf8_lossy(&line)));
            }
            let timed_out = deadline.is_some()
                && !platform::wait(&[(self.pipe.as_fd(), Interest::Readable)], deadline)?.contains(&true);
            if timed_out {
                return Ok(None);
            }
            let mut buffer = [0u8; 512];
            match self.pipe.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(n) => self.unread.extend_from_slice(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}
