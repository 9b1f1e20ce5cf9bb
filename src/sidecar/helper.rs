//! Short-lived commands beside the process: readiness and health checks that take a while, and hooks.
//!
//! Why it exists: an answer that takes ten seconds must delay nothing else, so every such check is a child of its own,
//! and its end an event like any other. Invariants: a helper is killed, with its group, when its time is over, and what
//! a check leaves of its group goes with it; it is never taken for a part of the process (it carries `BGO_SIDECAR`,
//! which marks what is not); what it prints is read as it comes, and only its end is kept.

use super::log::log;
use super::run::Supervisor;
use crate::domain::control::one_line;
use crate::domain::launch::LaunchFailure;
use crate::domain::machine::{Event, Hook, Moment};
use crate::domain::outcome::Outcome;
use crate::domain::raw::Raw;
use crate::domain::signal::Signal;
use crate::logs::COMPRESS_ENTRY;
use crate::platform::{self, Interest, ProcessHandle, Reaped, SpawnPlan};
use serde_json::json;
use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// How long a hook may take.
const HOOK_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the compression of a log may take.
const COMPRESS_TIMEOUT: Duration = Duration::from_secs(3600);
/// How much of what a helper prints is kept.
const KEPT: usize = 1024;
/// How much of that goes into a reason, in characters.
const QUOTED: usize = 200;

/// How often its output is read in one go, 4 KiB each: all that a pipe holds, but not all that can be written to it.
const READS: usize = 16;

/// What a helper is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// To see whether the process is ready.
    Ready,
    /// To see whether it is healthy.
    Health,
    /// To tell of something.
    Hook(Hook),
    /// To compress a rotated log.
    Compress,
    /// To tell the desktop of something.
    Notification,
}

/// A command that runs beside the process.
#[derive(Debug)]
pub(super) struct Helper {
    task: Task,
    handle: ProcessHandle,
    /// Whether it is bgo itself, which prints why it failed.
    explains: bool,
    /// Where it prints; closed once it has nothing more to say.
    output: Option<File>,
    printed: Vec<u8>,
    timeout: Duration,
    deadline: Moment,
    timed_out: bool,
}

impl Helper {
    /// What it is for.
    pub(super) fn task(&self) -> Task {
        self.task
    }

    /// When its time is over, unless that has been seen to.
    pub(super) fn deadline(&self) -> Option<Moment> {
        (!self.timed_out).then_some(self.deadline)
    }

    /// Where it prints.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Reads what it has printed so far, without waiting for more.
    pub(super) fn read(&mut self) {
        for _ in 0..READS {
            let Some(pipe) = &mut self.output else { return };
            let more = platform::wait(&[(pipe.as_fd(), Interest::Readable)], Some(Duration::ZERO));
            if !more.is_ok_and(|ready| ready[0]) {
                return;
            }
            let mut buffer = [0u8; 4096];
            match pipe.read(&mut buffer) {
                Ok(0) | Err(_) => self.output = None,
                Ok(n) => {
                    self.printed.extend_from_slice(&buffer[..n]);
                    let surplus = self.printed.len().saturating_sub(KEPT);
                    self.printed.drain(..surplus);
                }
            }
        }
    }

    fn kill(&self) {
        let _ = self.handle.signal_group(Signal::KILL);
    }

    /// What went wrong, in one line; `None`: nothing.
    fn failure(&self, outcome: Outcome) -> Option<String> {
        let printed = end(&self.printed);
        let said = if printed.is_empty() { String::new() } else { format!(": {printed}") };
        match outcome {
            _ if self.timed_out => {
                Some(format!("no answer within {}{said}", crate::domain::duration::Span(self.timeout)))
            }
            Outcome::Code(0) => None,
            Outcome::Code(1) if self.explains && !printed.is_empty() => Some(beginning(&self.printed)),
            other => Some(format!("{other}{said}")),
        }
    }
}

/// The end of what was printed, as one line.
fn end(printed: &[u8]) -> String {
    let line = one_line(printed, " ");
    let surplus = line.chars().count().saturating_sub(QUOTED);
    if surplus == 0 { line } else { format!("…{}", line.chars().skip(surplus).collect::<String>()) }
}

/// The beginning of what was printed, as one line: bgo's own reasons say the most important first.
fn beginning(printed: &[u8]) -> String {
    let line = one_line(printed, " ");
    let kept: String = line.chars().take(QUOTED).collect();
    if kept.len() == line.len() { kept } else { format!("{kept}…") }
}

impl Supervisor {
    /// Starts a shell command for `task`, in the folder and environment of the process, and as its user.
    pub(super) fn start_command(
        &mut self,
        task: Task,
        command: &str,
        extra: Vec<(Raw, Raw)>,
        timeout: Duration,
    ) -> Result<(), String> {
        let record = match self.store.read(&self.name) {
            Ok(Some(record)) => record,
            Ok(None) => return Err("the record was removed".to_owned()),
            Err(e) => return Err(e.message()),
        };
        let environment = self.store.environment(&self.name).map_err(|e| e.message())?.unwrap_or_default();
        let given = self.given.clone().map_err(|e| e.to_string())?;
        let mut variables = environment.into_run(&self.added, self.name.as_str(), None);
        variables.extend(extra);
        variables.push((Raw::from("BGO_SIDECAR"), Raw::from(self.name.as_str())));
        given.settle_in(&mut variables);
        let arguments = ["/bin/sh", "-c", command].map(str::as_bytes);
        self.start_helper(task, &arguments, variables, record.cwd.as_bytes(), given.plain, timeout)
    }

    /// Starts bgo itself to GET `url`.
    pub(super) fn start_get(&mut self, task: Task, url: &str, timeout: Duration) -> Result<(), String> {
        let exe = platform::self_executable();
        let millis = timeout.as_millis().to_string();
        let program = exe.as_os_str().as_bytes();
        let arguments = [program, super::PROBE_ENTRY.as_bytes(), millis.as_bytes(), url.as_bytes()];
        let variables = vec![(Raw::from("BGO_SIDECAR"), Raw::from(self.name.as_str()))];
        // It gives up by itself and says so; this is for when it cannot even do that.
        let patience = timeout.saturating_add(Duration::from_millis(200));
        self.start_helper(task, &arguments, variables, b"/", platform::Attributes::default(), patience)
    }

    /// Starts bgo itself to compress `file`, which was rotated away from `log`. Nothing waits for it.
    pub(super) fn start_compression(&mut self, log: &Path, file: &Path) -> Result<(), String> {
        let exe = platform::self_executable();
        let arguments = [exe.as_os_str(), OsStr::new(COMPRESS_ENTRY), log.as_os_str(), file.as_os_str()];
        let variables = vec![(Raw::from("BGO_SIDECAR"), Raw::from(self.name.as_str()))];
        let last = platform::Attributes { nice: Some(19), ..platform::Attributes::default() };
        self.start_helper(Task::Compress, &arguments.map(OsStrExt::as_bytes), variables, b"/", last, COMPRESS_TIMEOUT)
    }

    pub(super) fn start_helper(
        &mut self,
        task: Task,
        arguments: &[&[u8]],
        variables: Vec<(Raw, Raw)>,
        cwd: &[u8],
        attributes: platform::Attributes,
        timeout: Duration,
    ) -> Result<(), String> {
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| "it holds a NUL byte".to_owned());
        let broken = |e: io::Error| crate::error::describe(&e);
        let pair = |(key, value): (Raw, Raw)| text(&[key.as_bytes(), b"=", value.as_bytes()].concat());
        let explains = [super::PROBE_ENTRY, COMPRESS_ENTRY].iter().any(|e| arguments.get(1) == Some(&e.as_bytes()));
        let arguments = arguments.iter().map(|a| text(a)).collect::<Result<Vec<_>, _>>()?;
        // What a hook prints belongs into the watcher log; what a check prints is the reason it failed.
        let (reader, writer) = match task {
            Task::Hook(_) => (None, io::stdout().as_fd().try_clone_to_owned().map_err(broken)?),
            Task::Ready | Task::Health | Task::Compress | Task::Notification => {
                let (reader, writer) = io::pipe().map_err(broken)?;
                (Some(File::from(OwnedFd::from(reader))), OwnedFd::from(writer))
            }
        };
        let plan = SpawnPlan {
            program: arguments.first().cloned().unwrap_or_default(),
            arguments,
            environment: variables.into_iter().map(pair).collect::<Result<_, _>>()?,
            cwd: text(cwd)?,
            descriptors: vec![None, Some(writer.as_fd()), Some(writer.as_fd())],
            attributes,
            // A hook is somebody's wish; a check is of no use to anybody else.
            dies_with_us: !matches!(task, Task::Hook(_)),
            block_signals: false,
        };
        let pid = platform::spawn(&plan).map_err(|e: LaunchFailure| format!("cannot run it: {e}"))?;
        let handle = ProcessHandle::of_child(pid).map_err(|e| {
            platform::abort_child(pid);
            broken(e)
        })?;
        let deadline = platform::boot_clock().saturating_add(timeout);
        let (printed, timed_out) = (Vec::new(), false);
        self.helpers.push(Helper { task, handle, explains, output: reader, printed, timeout, deadline, timed_out });
        Ok(())
    }

    /// Runs the command that was asked for on this occasion.
    pub(super) fn run_hook(&mut self, hook: Hook) {
        let settings = &self.policy.settings;
        let flag = hook.flag();
        let command = match hook {
            Hook::Exit => &settings.on_exit,
            Hook::Ready => &settings.on_ready,
            Hook::Errored => &settings.on_errored,
        };
        let Some(command) = command.clone() else { return };
        let exit = self.last_exit.as_ref().filter(|_| hook != Hook::Ready);
        let (code, signal) = (exit.and_then(|exit| exit.code), exit.and_then(|exit| exit.signal));
        let reason = self.reason_for(hook);
        let occasion = flag.trim_start_matches("--on-");
        let told = if reason.is_empty() { occasion } else { &reason };
        // Whole, so that a hook has nothing to quote.
        let json = json!({
            "text": format!("{}: {told}", self.name),
            "name": self.name.as_str(),
            "hook": occasion,
            "exit_code": code,
            "signal": signal,
            "reason": &reason,
        });
        let variables = [
            ("BGO_EXIT_CODE", code.map(|code| code.to_string()).unwrap_or_default()),
            ("BGO_SIGNAL", signal.map(|signal| signal.to_string()).unwrap_or_default()),
            ("BGO_JSON", json.to_string()),
            ("BGO_REASON", reason),
        ];
        let variables = variables.map(|(key, value)| (Raw::from(key), Raw::from(value.as_str()))).to_vec();
        log(&format!("running {flag} {command}"));
        if let Err(why) = self.start_command(Task::Hook(hook), &command, variables, HOOK_TIMEOUT) {
            log(&format!("{flag} failed: {why}"));
        }
    }

    fn reason_for(&self, hook: Hook) -> String {
        use crate::domain::machine::{End, Life};
        match (&self.machine.life, &self.last_exit) {
            (Life::Over(End::Errored(reason)), _) if hook == Hook::Errored => reason.clone(),
            (Life::Over(End::Stopped), Some(exit)) if hook == Hook::Exit && exit.reason.is_none() => {
                "stopped".to_owned()
            }
            (_, Some(exit)) if hook == Hook::Exit => exit.reason.clone().unwrap_or_else(|| exit.outcome().to_string()),
            _ => String::new(),
        }
    }

    /// Turns the ends of helpers into events. Returns the ends in `reaped` that are of others.
    pub(super) fn helpers_ended(&mut self, reaped: &[Reaped]) -> Vec<Reaped> {
        let mut others = Vec::new();
        for end in reaped {
            let Some(at) = self.helpers.iter().position(|helper| helper.handle.pid() == end.pid) else {
                others.push(*end);
                continue;
            };
            let mut helper = self.helpers.remove(at);
            helper.read();
            if !matches!(helper.task, Task::Hook(_)) {
                // What a check leaves in the background, each check would leave again.
                helper.kill();
            }
            let failure = helper.failure(end.outcome);
            match (helper.task, failure) {
                (Task::Ready, None) => self.events.push_back(Event::Ready),
                (Task::Ready, Some(why)) => self.events.push_back(Event::NotYet(why)),
                (Task::Health, failure) => self.events.push_back(Event::Checked(failure)),
                (Task::Hook(hook), Some(why)) => log(&format!("{} failed: {why}", hook.flag())),
                (Task::Hook(_), None) => {}
                (Task::Compress, Some(why)) => log(&format!("cannot compress a rotated log: {why}")),
                (Task::Compress, None) => self.compress_next = true,
                (Task::Notification, Some(why)) => log(&format!("cannot tell the desktop: {why}")),
                (Task::Notification, None) => {}
            }
        }
        others
    }

    /// Reads what helpers have printed, and ends those whose time is over.
    pub(super) fn mind_helpers(&mut self, now: Moment) {
        for helper in &mut self.helpers {
            helper.read();
            if helper.deadline().is_some_and(|at| at <= now) {
                helper.timed_out = true;
                helper.kill();
            }
        }
    }

    /// Ends the checks of a run that is over: their answers mean nothing any more.
    pub(super) fn drop_checks(&mut self) {
        self.scanner = None;
        self.drop_checks_for(Task::Ready);
        self.drop_checks_for(Task::Health);
    }

    /// Ends the checks for `task`.
    pub(super) fn drop_checks_for(&mut self, task: Task) {
        for helper in self.helpers.extract_if(.., |helper| helper.task == task) {
            helper.kill();
        }
    }
}
