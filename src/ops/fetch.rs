//! `start --fetch`: `git pull --ff-only` in the folder of a process, before anything of it is stopped or registered.
//!
//! Why it exists: "get the new version and start it" is one step, and a version that cannot be got must not cost the
//! running one. Invariants: git never asks, for nobody may be there to answer; it is the repository of that folder that
//! is pulled, whatever a hook that calls us has in its environment; a request to end ends git, too.

use super::start::StartRequest;
use super::{preflight, start};
use crate::domain::name::Name;
use crate::domain::signal::Signal;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, Interest, ProcessHandle, SignalQueue};
use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
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

/// A pull at work.
#[derive(Debug)]
pub struct Fetch {
    name: Name,
    cwd: PathBuf,
    git: Child,
    handle: ProcessHandle,
    output: PipeReader,
}

/// What became of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The folder is up to date; this is what git said.
    Done(String),
    /// It was ended by a request to end.
    Interrupted,
}

impl Fetch {
    /// Begins to pull in the folder that `request` would start in. To be called before signals are queued: git inherits
    /// what is blocked.
    ///
    /// # Errors
    /// There is no git, or the folder is not in a work tree.
    pub fn begin(request: &StartRequest) -> Result<Fetch> {
        let name = request.name.clone();
        let cwd = start::folder(request)?;
        preflight::check_cwd(name.as_str(), &cwd)?;
        check_work_tree(&name, &cwd)?;
        let broken = |e: &io::Error| no_git(&name, e);
        let (output, input) = io::pipe().map_err(|e| broken(&e))?;
        let errors = input.try_clone().map_err(|e| broken(&e))?;
        let mut git = git(&cwd, &["pull", "--ff-only"]).stdout(input).stderr(errors).spawn().map_err(|e| broken(&e))?;
        match ProcessHandle::of_child(git.id()) {
            Ok(handle) => Ok(Fetch { name, cwd, git, handle, output }),
            Err(e) => {
                let _ = git.kill().and_then(|()| git.wait());
                Err(broken(&e))
            }
        }
    }

    /// Waits for its end. `signals` end it.
    ///
    /// # Errors
    /// The pull failed: what git said last is in the details.
    pub fn finish(mut self, signals: &SignalQueue) -> Result<Fetched> {
        let broken = |e: &io::Error| Error::io("cannot wait for git", e);
        let (mut said, mut open) = (Vec::new(), true);
        let (mut interrupted, mut kill_at) = (false, None);
        // The pipe alone does not tell: what git leaves behind (a shared ssh connection) may hold it for hours.
        while !self.handle.has_ended() {
            let ended = (self.handle.as_fd(), Interest::Readable);
            let asked = (signals.as_fd(), Interest::Readable);
            let output = (self.output.as_fd(), Interest::Readable);
            let others = [(!interrupted).then_some(asked), open.then_some(output)];
            let fds: Vec<_> = std::iter::once(ended).chain(others.into_iter().flatten()).collect();
            let ready = platform::wait(&fds, kill_at).map_err(|e| broken(&e))?;
            if !interrupted && ready[1] {
                interrupted = true;
                kill_at = Some(platform::boot_clock() + GRACE);
                let _ = self.handle.signal(Signal::TERM);
            } else if kill_at.take_if(|at| *at <= platform::boot_clock()).is_some() {
                let _ = self.handle.signal(Signal::KILL);
            } else if open && ready.last() == Some(&true) && fds.len() > 1 {
                open = self.read(&mut said);
            }
        }
        while open && self.has_more() {
            open = self.read(&mut said);
        }
        let status = self.git.wait().map_err(|e| broken(&e))?;
        // Ctrl-C is for all that the terminal runs: git may have got it first.
        if interrupted || status.signal() == Some(libc::SIGINT) {
            return Ok(Fetched::Interrupted);
        }
        let said = String::from_utf8_lossy(&said).into_owned();
        if status.success() {
            return Ok(Fetched::Done(said));
        }
        let how = match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit code {code}"),
            (None, signal) => {
                signal.and_then(Signal::from_number).map_or_else(String::new, |signal| signal.to_string())
            }
        };
        let mut error = failed(&self.name).because(format!("git pull in \"{}\" ended with {how}", self.cwd.display()));
        error.details = last_lines(&said);
        Err(error.hint("nothing was stopped or started; git status in that folder shows how it stands"))
    }

    fn has_more(&self) -> bool {
        let ready = platform::wait(&[(self.output.as_fd(), Interest::Readable)], Some(Duration::ZERO));
        ready.is_ok_and(|ready| ready[0])
    }

    /// `false` at the end.
    fn read(&mut self, said: &mut Vec<u8>) -> bool {
        let mut buffer = [0; 4096];
        let Ok(filled) = self.output.read(&mut buffer) else { return false };
        said.extend_from_slice(&buffer[..filled]);
        let surplus = said.len().saturating_sub(KEPT);
        said.drain(..surplus);
        filled > 0
    }
}

fn git(cwd: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(cwd).stdin(Stdio::null()).env("GIT_TERMINAL_PROMPT", "0");
    OF_ANOTHER.into_iter().for_each(|variable| _ = command.env_remove(variable));
    command
}

/// Checks that `cwd` is in a work tree of git.
fn check_work_tree(name: &Name, cwd: &Path) -> Result<()> {
    let told = git(cwd, &["rev-parse", "--is-inside-work-tree"]).output().map_err(|e| no_git(name, &e))?;
    if told.status.success() && told.stdout.trim_ascii() == b"true" {
        return Ok(());
    }
    let mut error = failed(name)
        .because(format!("\"{}\" is not in a work tree of git", cwd.display()))
        .hint("name the folder with --cwd, or start it without --fetch");
    // There may be one that git does not trust, because it is another user's.
    error.details = last_lines(&String::from_utf8_lossy(&told.stderr));
    Err(error)
}

fn failed(name: &Name) -> Error {
    Error::new(ErrorKind::FetchFailed, format!("cannot fetch for \"{name}\""))
}

fn no_git(name: &Name, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::NotFound => failed(name).because("git is not installed, or not on PATH"),
        _ => failed(name).because(format!("git cannot be run: {}", crate::error::describe(error))),
    }
    .hint("install git, or start it without --fetch")
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
