//! Putting a sidecar into a systemd scope of its own, so that the end of a login session ends neither it nor its process.
//!
//! Why it exists: logind may end all of a session (KillUserProcesses), and desktops put each terminal into a scope that they
//! end. Invariants: who asks for a scope gets it, or an error that says why not, with nothing started and the name free; a
//! systemd-run that does not answer is ended, and keeps the name of nobody; who does not ask pays nothing.

use super::link::Link;
use super::login::tool::Tool;
use super::preflight::cannot_start;
use super::run::new_run_id;
use super::{Bgo, rescue, systemd};
use crate::domain::control::one_line;
use crate::domain::launch::Report;
use crate::domain::name::Name;
use crate::domain::record::Record;
use crate::domain::scope::{arguments, arrival, unit};
use crate::domain::settings::Settings;
use crate::domain::signal::Signal;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, HeldBack, Interest, ProcStat, ProcessHandle, SignalQueue};
use crate::sidecar::{ENTRY, Launched, SCOPE_VARIABLE, Scope};
use crate::store::open_to_read;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// How long systemd may take to make a scope; it takes milliseconds, on a machine that is busy more.
const MADE_WITHIN: Duration = Duration::from_secs(10);
/// How long a killed systemd-run may take to vanish.
const GONE_WITHIN: Duration = Duration::from_secs(2);
/// What is to end a command.
const ENDING: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
/// How much is read of what systemd-run says, in bytes.
const READ: u64 = 4096;

/// The scope to make for a launch of `name`; `None`: none is asked for.
///
/// # Errors
/// There can be none here: why, and what mends it.
pub(super) fn plan(name: &Name, settings: &Settings) -> Result<Option<Scope>> {
    if !settings.scope {
        return Ok(None);
    }
    let Some(systemd_run) = Tool::find("systemd-run") else {
        let shell = name.shell();
        return Err(cannot_start(name.as_str())
            .because("--scope: systemd-run is not installed, or not on PATH")
            .hint(format!("start it without --scope; bgo set {shell} --unset scope, if it is registered")));
    };
    if let Some(obstacle) = systemd::obstacle() {
        return Err(cannot_start(name.as_str()).because(format!("--scope: {}", obstacle.why)).hint(obstacle.hint));
    }
    let variables = systemd::variables().into_iter();
    let variables = variables.map(|(key, value)| [key.as_bytes(), b"=", value.as_bytes()].concat());
    Ok(Some(Scope {
        program: systemd_run.path().to_owned(),
        unit: unit(name, &new_run_id()),
        name: name.to_string(),
        system: systemd::is_system(),
        variables: variables.collect(),
    }))
}

/// Makes a scope as the one of a launch of `name` would be, and lets it go, before something is stopped for that launch: only
/// systemd can tell whether there can be one. Nothing, where none is asked for.
///
/// # Errors
/// As systemd-run says.
pub(super) fn try_out(name: &Name, settings: &Settings) -> Result<()> {
    let Some(scope) = plan(name, settings)? else { return Ok(()) };
    let line = arguments(&scope.unit, &scope.name, scope.system);
    let words: Vec<&str> = line.iter().skip(1).map(String::as_str).chain(["/bin/sh", "-c", ":"]).collect();
    match Tool::need("systemd-run").and_then(|tool| tool.run(&words, b"", MADE_WITHIN)) {
        Ok(said) if said.is_success() => Ok(()),
        Ok(said) => Err(refused(name, &said.cause())),
        Err(e) if e.kind == ErrorKind::TimedOut => Err(refused(name, &no_answer())),
        Err(e) => Err(refused(name, &e.message())),
    }
}

fn no_answer() -> String {
    format!("systemd-run did not answer within {} s", MADE_WITHIN.as_secs())
}

/// Whether the sidecar of `record` would have to be another one to be where the settings say. `false` where it cannot be
/// told.
pub(super) fn is_misplaced(record: &Record) -> bool {
    is_in_scope(record).is_some_and(|is_in_scope| is_in_scope != record.spec.scope)
}

/// Whether the sidecar of `record` was put into a scope of its own. `None` where none lives, or it cannot be told.
pub(super) fn is_in_scope(record: &Record) -> Option<bool> {
    let process = platform::running(&record.sidecar.as_ref()?.identity()).ok()??;
    platform::environment(process.pid).map(|all| variable(&all).is_some())
}

/// Holds back what is to end us, while a launch into `scope` is under way: [`hear`] looks for it.
///
/// # Errors
/// The kernel refused.
pub(super) fn hold_back(scope: Option<&Scope>) -> Result<Option<HeldBack>> {
    let held = scope.map(|_| HeldBack::new(&ENDING)).transpose();
    held.map_err(|e| Error::io("cannot hold back signals", &e))
}

/// What a sidecar in a scope to be made had to say.
pub(super) enum Heard {
    /// This.
    Report(Report),
    /// Nothing: it never came to be. Why, as systemd-run said it.
    Unmade(String),
    /// Nothing: it has ended without a word.
    Nothing,
    /// Nothing: somebody has interrupted us before it came to be.
    Interrupted,
}

/// The first report of a sidecar that was launched into `scope`. `log` is where systemd-run writes what is wrong, from
/// `from` on. A Ctrl-C, or what else ends the command, takes back the launch, as long as systemd-run has not come so far:
/// it has the name, and nobody else would end it. Once there is a sidecar, what is in `held_back` acts as ever.
///
/// # Errors
/// It cannot be heard.
pub(super) fn hear(
    bgo: &Bgo,
    sidecar: &mut Launched,
    scope: &Scope,
    held_back: &mut Option<HeldBack>,
    (log, from): (&Path, u64),
) -> Result<Heard> {
    let deaf = |e: &std::io::Error| Error::io("cannot hear from the sidecar", e);
    let begun = platform::boot_clock();
    let patience = bgo.patience.as_deref();
    let deadline = patience.map_or(begun + MADE_WITHIN, |patience| patience.until.min(begun + MADE_WITHIN));
    // Where another thread listens for signals, it may have taken them.
    let signals = if patience.is_none() { Some(SignalQueue::new(&ENDING).map_err(|e| deaf(&e))?) } else { None };
    let ending = patience.map(AsFd::as_fd).or(signals.as_ref().map(AsFd::as_fd));
    let mut fds = vec![(sidecar.as_fd(), Interest::Readable)];
    fds.extend(ending.map(|ending| (ending, Interest::Readable)));
    let ready = platform::wait(&fds, Some(deadline)).map_err(|e| deaf(&e))?;
    if let [false, came] = ready[..]
        && end_stuck(scope)
    {
        // A signal is left in the queue: it acts when the launch is taken back.
        return Ok(match (came, deadline < begun + MADE_WITHIN) {
            (true, _) => Heard::Interrupted,
            (false, true) => Heard::Unmade("systemd-run did not answer in time".to_owned()),
            (false, false) => Heard::Unmade(no_answer()),
        });
    }
    if !ready[0] {
        // It goes on without us.
        *held_back = None;
    }
    // It was made, and the sidecar is slow; or all of it has ended.
    Ok(match sidecar.next(None).map_err(|e| deaf(&e))? {
        Some(report) => Heard::Report(report),
        None => match said(log, from) {
            said if said.contains(&arrival(&scope.unit)) => Heard::Nothing,
            said => Heard::Unmade(said),
        },
    })
}

/// Why there is no scope, as an error.
pub(super) fn refused(name: &Name, why: &str) -> Error {
    let why = if why.is_empty() { "systemd-run ended without a word" } else { why };
    let hint = systemd::obstacle().map_or_else(systemd::advice, |obstacle| obstacle.hint);
    let mut error = cannot_start(name.as_str()).because(format!("--scope: {why}")).hint(hint);
    error.kind = ErrorKind::StartFailed;
    error
}

/// What is in `log` from `from` on, as one line.
fn said(log: &Path, from: u64) -> String {
    let read = open_to_read(log).and_then(|(mut file, _)| {
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.take(READ).read_to_end(&mut text)?;
        Ok(text)
    });
    one_line(&read.unwrap_or_default(), "; ")
}

/// Ends what was started to make `scope` and has not become a sidecar. `false`: there is none, or it has.
fn end_stuck(scope: &Scope) -> bool {
    end_all(|_, all| variable(all) == Some(scope.unit.as_bytes()))
}

/// Ends what has the name of `record` (`None`: it has none yet) for a scope that was to be made long ago, for a command that
/// is gone since. `false`: there is nothing of that kind.
pub(super) fn free(bgo: &Bgo, name: &Name, record: Option<&Record>) -> bool {
    if record.is_some_and(|record| !record.spec.scope || Link::of(record).lives()) {
        return false;
    }
    let home = [b"BGO_HOME=", bgo.store.root().as_os_str().as_bytes()].concat();
    let of = format!("BGO_SIDECAR={name}").into_bytes();
    let since = platform::boot_clock().saturating_sub(MADE_WITHIN + GONE_WITHIN);
    end_all(|process, all| {
        let has = |pair: &[u8]| all.split(|&b| b == 0).any(|it| it == pair);
        platform::moment_of_start(process.start_time) < since && variable(all).is_some() && has(&home) && has(&of)
    })
}

/// Ends all that `is_meant` knows by its environment, unless one of them has become a sidecar. `false`: nothing was ended.
fn end_all(is_meant: impl Fn(&ProcStat, &[u8]) -> bool) -> bool {
    let found: Vec<ProcStat> =
        rescue::all().filter(|it| platform::environment(it.pid).is_some_and(|all| is_meant(it, &all))).collect();
    let is_sidecar = |process: &ProcStat| {
        let arguments = platform::arguments(process.pid).unwrap_or_default();
        arguments.split(|&b| b == 0).nth(1) == Some(ENTRY.as_bytes())
    };
    let Ok(boot_id) = platform::boot_id() else { return false };
    if found.is_empty() || found.iter().any(is_sidecar) {
        return false;
    }
    let deadline = platform::boot_clock() + GONE_WITHIN;
    for handle in found.iter().filter_map(|process| ProcessHandle::open(&process.identity(&boot_id)).ok().flatten()) {
        // It may have ended in this moment.
        let _ = handle.signal(Signal::KILL);
        let _ = platform::wait(&[(handle.as_fd(), Interest::Readable)], Some(deadline));
    }
    true
}

/// The unit that an environment names.
fn variable(environment: &[u8]) -> Option<&[u8]> {
    let mut pairs = environment.split(|&b| b == 0);
    pairs.find_map(|pair| pair.strip_prefix(SCOPE_VARIABLE.as_bytes())?.strip_prefix(b"="))
}

/// How much is in `log`, in bytes: from there on [`hear`] looks for what systemd-run says.
pub(super) fn log_size(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |there| there.len())
}
