//! Asking other programs: systemctl, loginctl, crontab, launchctl.
//!
//! Why it exists: each of them may be missing, refuse, or not answer. Invariant: none keeps bgo waiting longer than it was
//! given; what is not done by then is ended.

use crate::domain::control::one_line;
use crate::domain::outcome::Outcome;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::preflight::resolve;
use crate::ops::systemd;
use crate::platform::{self, Attributes, Interest, ProcessHandle, SpawnPlan};
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take.
pub(in crate::ops) const QUERY: Duration = Duration::from_secs(5);
/// How long a change may take: systemd reads all units again.
pub(in crate::ops) const CHANGE: Duration = Duration::from_secs(30);
/// How much is written at once: a pipe that has room at all takes as much without a wait.
const PIECE: usize = 4096;

/// A program on PATH.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Tool {
    name: &'static str,
    path: PathBuf,
}

/// What it came to.
#[derive(Clone, Debug)]
pub(in crate::ops) struct Said {
    outcome: Outcome,
    /// What it has written to standard output.
    pub stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Said {
    /// Whether it has ended well.
    pub fn is_success(&self) -> bool {
        self.outcome.is_success()
    }

    /// What it has written to standard output, without blanks around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// What is wrong, in its own words, as one line.
    pub fn cause(&self) -> String {
        let line = one_line(&self.stderr, "; ");
        if line.is_empty() { format!("it ended with {}", self.outcome) } else { line }
    }
}

impl Tool {
    /// The program of that name, if there is one.
    pub fn find(name: &'static str) -> Option<Tool> {
        let path = std::env::var_os("PATH");
        Some(Tool { name, path: resolve(OsStr::new(name), Path::new("/"), path.as_deref()).ok()? })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same as [`Tool::find`].
    ///
    /// # Errors
    /// There is none.
    pub fn need(name: &'static str) -> Result<Tool> {
        Tool::find(name)
            .ok_or_else(|| Error::new(ErrorKind::Io, format!("cannot run {name}")).because("it is not on PATH"))
    }

    /// Runs it to its end, with `input` to read, for `within` at most.
    ///
    /// # Errors
    /// It cannot be run, or was not done in time.
    pub fn run(&self, arguments: &[&str], input: &[u8], within: Duration) -> Result<Said> {
        let line = [&[self.name], arguments].concat().join(" ");
        let failed = |e: &io::Error| Error::io(format!("cannot run {}", self.name), e);
        let said = self.start(arguments, input, platform::boot_clock() + within).map_err(|e| failed(&e))?;
        said.ok_or_else(|| {
            Error::new(ErrorKind::TimedOut, format!("{line} did not answer within {} s", within.as_secs()))
        })
    }

    fn start(&self, arguments: &[&str], input: &[u8], deadline: Duration) -> io::Result<Option<Said>> {
        let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
        let ((theirs, ours), (out, out_end), (err, err_end)) = (io::pipe()?, io::pipe()?, io::pipe()?);
        // Its messages are looked at, and it is to find the manager that we find.
        let found = systemd::variables();
        let is_given = |key: &OsStr| key == "LC_ALL" || found.iter().any(|(given, _)| key == *given);
        let kept = std::env::vars_os().filter(|(key, _)| !is_given(key));
        let variables = kept.chain(found.iter().map(|(key, value)| (OsString::from(key), value.clone())));
        let variables = variables.map(|(key, value)| text(&[key.as_bytes(), b"=", value.as_bytes()].concat()));
        let words = [&[self.name], arguments].concat();
        let plan = SpawnPlan {
            program: text(self.path.as_os_str().as_bytes())?,
            arguments: words.iter().map(|word| text(word.as_bytes())).collect::<io::Result<_>>()?,
            environment: variables.chain([text(b"LC_ALL=C")]).collect::<io::Result<_>>()?,
            cwd: c"/".into(),
            descriptors: vec![Some(theirs.as_fd()), Some(out_end.as_fd()), Some(err_end.as_fd())],
            attributes: Attributes::default(),
            dies_with_us: false,
            block_signals: false,
        };
        let pid = platform::spawn(&plan).map_err(|failure| io::Error::from_raw_os_error(failure.errno))?;
        drop((theirs, out_end, err_end));
        let handle = ProcessHandle::of_child(pid).inspect_err(|_| platform::abort_child(pid))?;
        let mut collected = [Collected::new(out), Collected::new(err)];
        let writer = Some(ours).filter(|_| !input.is_empty());
        match attend(&handle, writer, &mut collected, input, deadline) {
            Ok(true) => {}
            other => {
                platform::abort_child(pid);
                return other.map(|_| None);
            }
        }
        let [out, err] = collected;
        Ok(Some(Said { outcome: platform::reap_child(pid), stdout: out.bytes, stderr: err.bytes }))
    }
}

/// Takes what a child says, and gives `input` to it, until it has ended; `false`: at `deadline` it has not.
fn attend(
    handle: &ProcessHandle,
    mut writer: Option<PipeWriter>,
    collected: &mut [Collected; 2],
    mut input: &[u8],
    deadline: Duration,
) -> io::Result<bool> {
    // Pipes alone do not tell: what it leaves behind may hold them for hours.
    while !handle.has_ended() {
        if platform::boot_clock() >= deadline {
            return Ok(false);
        }
        let mut fds = vec![(handle.as_fd(), Interest::Readable)];
        fds.extend(collected.iter().filter_map(|one| Some((one.pipe.as_ref()?.as_fd(), Interest::Readable))));
        fds.extend(writer.as_ref().map(|pipe| (pipe.as_fd(), Interest::Writable)));
        platform::wait(&fds, Some(deadline))?;
        collected.iter_mut().try_for_each(Collected::take)?;
        if let Some(pipe) = writer.as_mut()
            && platform::wait(&[(pipe.as_fd(), Interest::Writable)], Some(Duration::ZERO))?[0]
        {
            // Who does not want to read all of it says so by the way it ends.
            let written = pipe.write(&input[..input.len().min(PIECE)]).unwrap_or(input.len());
            input = &input[written..];
            writer = writer.filter(|_| !input.is_empty());
        }
    }
    collected.iter_mut().try_for_each(Collected::take)?;
    Ok(true)
}

/// What has come through a pipe.
struct Collected {
    /// `None` at the end.
    pipe: Option<PipeReader>,
    bytes: Vec<u8>,
}

impl Collected {
    fn new(pipe: PipeReader) -> Collected {
        Collected { pipe: Some(pipe), bytes: Vec::new() }
    }

    /// Takes what is there now.
    fn take(&mut self) -> io::Result<()> {
        while let Some(pipe) = self.pipe.as_mut()
            && platform::wait(&[(pipe.as_fd(), Interest::Readable)], Some(Duration::ZERO))?.contains(&true)
        {
            let mut buffer = [0; PIECE];
            match pipe.read(&mut buffer) {
                Ok(0) | Err(_) => self.pipe = None,
                Ok(filled) => self.bytes.extend_from_slice(&buffer[..filled]),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, input: &[u8], within: Duration) -> Result<Said> {
        Tool::find("sh").unwrap().run(&["-c", script], input, within)
    }

    #[test]
    fn a_tool_is_heard_to_its_end() {
        let said = shell("echo out; echo a >&2; echo >&2; echo b >&2; exit 3", b"", QUERY).unwrap();
        assert!(!said.is_success());
        assert_eq!((said.text(), said.cause()), ("out".to_owned(), "a; b".to_owned()));
        assert_eq!(shell("exit 3", b"", QUERY).unwrap().cause(), "it ended with exit code 3");
        let much = vec![b'x'; 300_000];
        assert_eq!(shell("cat", &much, QUERY).unwrap().stdout, much);
        assert!(shell("exit 0", &much, QUERY).unwrap().is_success(), "who does not read it need not");
        assert_eq!(shell("echo $LC_ALL; cat", b"", QUERY).unwrap().text(), "C");
        // What it leaves behind does not count.
        assert_eq!(shell("sleep 3 & echo done", b"", QUERY).unwrap().text(), "done");
        assert!(Tool::find("no-such-tool").is_none());
        assert_eq!(Tool::need("no-such-tool").unwrap_err().message(), "cannot run no-such-tool: it is not on PATH");
    }

    #[test]
    fn a_tool_that_does_not_answer_is_ended() {
        let begun = platform::boot_clock();
        let error = shell("echo a; sleep 30", b"", Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TimedOut);
        assert!(error.message().starts_with("sh -c echo a; sleep 30 did not answer within"), "{error}");
        assert!(platform::boot_clock() - begun < QUERY);
    }
}
