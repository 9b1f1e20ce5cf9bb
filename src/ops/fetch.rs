//! `start --fetch`: `git pull --ff-only` in the folder of a process, before anything of it is stopped or registered.
//!
//! Why it exists: "get the new version and start it" is one step, and a version that cannot be got must not cost the
//! running one. Invariants: git has a session of its own, without a terminal, so that neither it nor ssh can ask; it is
//! the repository of that folder that is pulled, whatever a hook that calls us has in its environment; a request to end
//! ends git, too, and by a signal that lets it clean up.

use super::start::StartRequest;
use super::{preflight, start};
use crate::domain::outcome::Outcome;
use crate::domain::signal::Signal;
use crate::error::{Error, ErrorKind, Result, describe};
use crate::platform::{self, Attributes, Interest, ProcessHandle, SignalQueue, SpawnPlan};
use std::ffi::{CString, OsStr};
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// By these a hook tells git which repository it is run for.
const OF_ANOTHER: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];
/// How much of what git says is kept, in bytes.
const KEPT: usize = 16 * 1024;
/// How many of its last lines a failure shows.
const SHOWN: usize = 10;
/// How long git has to end once it is asked to.
const GRACE: Duration = Duration::from_secs(5);

/// What became of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The folder is up to date; this is what git said.
    Done(String),
    /// It was ended by a request to end.
    Interrupted,
}

/// Pulls in the folder that `request` would start in. `signals` end it.
///
/// # Errors
/// There is no git, the folder is not in a work tree, or the pull failed: what git said last is in the details.
pub fn fetch(request: &StartRequest, signals: &SignalQueue) -> Result<Fetched> {
    let cwd = start::folder(request)?;
    preflight::check_cwd(request.name.as_str(), &cwd)?;
    let failed = |cause: String| {
        Error::new(ErrorKind::FetchFailed, format!("cannot fetch for \"{}\"", request.name)).because(cause)
    };
    let path = std::env::var_os("PATH");
    let program = preflight::resolve(OsStr::new("git"), &cwd, path.as_deref()).map_err(|_| {
        failed("git is not installed, or not on PATH".to_owned()).hint("install git, or start it without --fetch")
    })?;
    let git = |arguments: &[&str]| {
        let ended = Git::start(&program, &cwd, arguments).and_then(|git| git.finish(signals));
        ended.map_err(|e| failed(format!("git cannot be run: {}", describe(&e))))
    };
    match git(&["rev-parse", "--is-inside-work-tree"])? {
        None => return Ok(Fetched::Interrupted),
        // Among the lines there may be a warning, or a trace.
        Some((outcome, said)) if !outcome.is_success() || said.lines().all(|line| line != "true") => {
            let mut error = failed(format!("\"{}\" is not in a work tree of git", cwd.display()))
                .hint("name the folder with --cwd, or start it without --fetch");
            // There may be one that git does not trust, because it is another user's.
            error.details = last_lines(&said);
            return Err(error);
        }
        Some(_) => {}
    }
    match git(&["pull", "--ff-only"])? {
        None => Ok(Fetched::Interrupted),
        Some((outcome, said)) if outcome.is_success() => Ok(Fetched::Done(said)),
        Some((outcome, said)) => {
            let mut error = failed(format!("git pull in \"{}\" ended with {outcome}", cwd.display()));
            error.details = last_lines(&said);
            Err(error.hint("nothing was stopped or started; git status in that folder shows how it stands"))
        }
    }
}

/// A git at work.
struct Git {
    handle: ProcessHandle,
    output: PipeReader,
    /// The end of what it has said.
    said: Vec<u8>,
}

impl Git {
    fn start(program: &Path, cwd: &Path, arguments: &[&str]) -> io::Result<Git> {
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
        let (output, input) = io::pipe()?;
        let kept = |key: &OsStr| key != "GIT_TERMINAL_PROMPT" && OF_ANOTHER.iter().all(|other| key != *other);
        let environment = std::env::vars_os().filter(|(key, _)| kept(key));
        let environment = environment.map(|(key, value)| text(&[key.as_bytes(), b"=", value.as_bytes()].concat()));
        let plan = SpawnPlan {
            program: text(program.as_os_str().as_bytes())?,
            arguments: [&["git"], arguments]
                .concat()
                .iter()
                .map(|word| text(word.as_bytes()))
                .collect::<io::Result<_>>()?,
            environment: environment.chain([text(b"GIT_TERMINAL_PROMPT=0")]).collect::<io::Result<_>>()?,
            cwd: text(cwd.as_os_str().as_bytes())?,
            descriptors: vec![None, Some(input.as_fd()), Some(input.as_fd())],
            attributes: Attributes::default(),
            // Whatever becomes of us: a pull that is killed would leave its locks behind.
            dies_with_us: false,
            block_signals: false,
        };
        let pid = platform::spawn(&plan).map_err(|failure| io::Error::from_raw_os_error(failure.errno))?;
        let handle = ProcessHandle::of_child(pid).inspect_err(|_| platform::abort_child(pid))?;
        Ok(Git { handle, output, said: Vec::new() })
    }

    /// How it ended, and the end of what it has said; `None`: one of `signals` came, and it was ended.
    fn finish(mut self, signals: &SignalQueue) -> io::Result<Option<(Outcome, String)>> {
        let (mut open, mut interrupted, mut kill_at) = (true, false, None);
        // The pipe alone does not tell: what git leaves behind (a shared ssh connection) may hold it for hours.
        while !self.handle.has_ended() {
            let ended = (self.handle.as_fd(), Interest::Readable);
            let asked = (signals.as_fd(), Interest::Readable);
            let output = (self.output.as_fd(), Interest::Readable);
            let others = [(!interrupted).then_some(asked), open.then_some(output)];
            let fds: Vec<_> = std::iter::once(ended).chain(others.into_iter().flatten()).collect();
            let ready = platform::wait(&fds, kill_at)?;
            if !interrupted && ready[1] {
                interrupted = true;
                kill_at = Some(platform::boot_clock() + GRACE);
                self.handle.signal_group(Signal::TERM)?;
            } else if kill_at.take_if(|at| *at <= platform::boot_clock()).is_some() {
                self.handle.signal_group(Signal::KILL)?;
            } else if open && ready.last() == Some(&true) && fds.len() > 1 {
                open = self.read();
            }
        }
        while open && platform::wait(&[(self.output.as_fd(), Interest::Readable)], Some(Duration::ZERO))?[0] {
            open = self.read();
        }
        let outcome = platform::reap_child(self.handle.pid());
        let said = String::from_utf8_lossy(&self.said).into_owned();
        Ok((!interrupted).then_some((outcome, said)))
    }

    /// `false` at the end.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let Ok(filled) = self.output.read(&mut buffer) else { return false };
        self.said.extend_from_slice(&buffer[..filled]);
        let surplus = self.said.len().saturating_sub(KEPT);
        self.said.drain(..surplus);
        filled > 0
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::last_lines;

    #[test]
    fn of_much_the_end_is_shown() {
        let long: Vec<String> = (0..30).map(|n| n.to_string()).collect();
        assert_eq!(last_lines(&long.join("\n")).lines().next(), Some("20"));
        assert_eq!(last_lines("a\nb\n"), "a\nb");
        assert_eq!(last_lines(""), "");
    }
}
