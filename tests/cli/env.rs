//! A home of its own for each test, and the means to run bgo in it and to look at what it did.
//!
//! Why it exists: tests must neither see nor touch anybody's processes. Invariants: every process that a test starts
//! carries the mark of its [`TestEnv`] in its environment (a sidecar: our `BGO_HOME`), and dropping the `TestEnv` ends
//! all of them; every wait has a deadline. Where the system allows it, the whole binary runs in a pid namespace of its
//! own, so that a bug in bgo cannot signal a stranger, and nothing outlives the run.

#![allow(unsafe_code)] // A controlling terminal and inherited descriptors need calls between fork and exec.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

/// The binary under test.
pub const BGO: &str = env!("CARGO_BIN_EXE_bgo");
/// No single command and no wait takes longer, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
/// Tells the second incarnation of this binary that it runs in a namespace of its own.
const IN_NAMESPACE: &str = "BGO_TESTS_IN_NAMESPACE";

/// Waits until `condition` holds; fails the test if it still does not at the deadline.
#[track_caller]
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {DEADLINE:?} for: {what}");
        thread::sleep(POLL);
    }
}

/// Whether a process runs; a zombie does not.
pub fn alive(pid: u32) -> bool {
    !matches!(stat(pid).first().map(String::as_str), None | Some("Z" | "X"))
}

/// The fields of `/proc/PID/stat` after the command: state, parent, group, session …; none if there is no such process.
pub fn stat(pid: u32) -> Vec<String> {
    let text = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().map(str::to_owned).collect()).unwrap_or_default()
}

/// One value of `/proc/PID/status`, such as `SigBlk`.
pub fn proc_status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {key} of {pid}")).trim().to_owned()
}

/// The open descriptors of a process and where they lead.
pub fn descriptors(pid: u32) -> BTreeMap<u32, PathBuf> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|e| e.unwrap().path());
    let number = |path: &Path| path.file_name().unwrap().to_string_lossy().parse().unwrap();
    entries.filter_map(|path| Some((number(&path), fs::read_link(&path).ok()?))).collect()
}

/// Sends a signal to a process of this test.
pub fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// SIGKILL, and the wait until it has worked.
pub fn kill9(pid: u32) {
    signal(pid, Signal::SIGKILL);
    wait_until("the killed process to be gone", || !alive(pid));
}

/// A live process of a [`TestEnv`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    pub is_sidecar: bool,
    pub command: String,
}

/// What a finished command has left: its exit code (128+n after signal n) and its output.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub line: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// As it was written.
    pub stdout_bytes: Vec<u8>,
    pub took: Duration,
}

impl Outcome {
    /// Asserts the exit code and that nothing panicked.
    #[track_caller]
    pub fn code(self, code: i32) -> Outcome {
        assert_eq!(self.code, code, "`{}`\nstdout: {}\nstderr: {}", self.line, self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked at"), "{}", self.stderr);
        self
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(self) -> Outcome {
        self.code(0)
    }

    /// Asserts both outputs, whole.
    #[track_caller]
    pub fn says(self, stdout: &str, stderr: &str) -> Outcome {
        assert_eq!(self.stdout, stdout, "stdout of `{}`; stderr: {}", self.line, self.stderr);
        assert_eq!(self.stderr, stderr, "stderr of `{}`", self.line);
        self
    }

    /// The JSON on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("`{}`: {e}: {}", self.line, self.stdout))
    }
}

/// A temporary home with everything that was started in it.
#[derive(Debug)]
pub struct TestEnv {
    folder: tempfile::TempDir,
    root: PathBuf,
    mark: String,
}

impl TestEnv {
    /// An empty home, an empty folder to work in.
    pub fn new() -> TestEnv {
        TestEnv::below("")
    }

    /// As [`TestEnv::new`], in a folder of this name.
    pub fn below(name: &str) -> TestEnv {
        enter_namespace();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::Builder::new().prefix("bgo-test-").tempdir().unwrap();
        let root: PathBuf = folder.path().canonicalize().unwrap().join(name).components().collect();
        for sub in ["home", "work", "bin"] {
            fs::create_dir_all(root.join(sub)).unwrap();
        }
        let mark = format!("BGO_TEST_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        TestEnv { folder, root, mark }
    }

    /// The temporary folder that holds the others.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The variable that marks what belongs to this test.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// `$HOME`.
    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The folder that commands run in.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The first folder on `PATH`.
    pub fn bin(&self) -> PathBuf {
        self.root.join("bin")
    }

    /// `$HOME/.bgo`
    pub fn state(&self) -> PathBuf {
        self.home().join(".bgo")
    }

    pub fn record_path(&self, name: &str) -> PathBuf {
        self.state().join("procs").join(format!("{name}.json"))
    }

    pub fn log_path(&self, name: &str, stream: &str) -> PathBuf {
        self.state().join("logs").join(format!("{name}.{stream}.log"))
    }

    /// `PATH` as commands see it.
    pub fn path(&self) -> OsString {
        let mut path = self.bin().into_os_string();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        path
    }

    /// `bgo ARGS…`, to be refined and run.
    pub fn cmd<S: AsRef<OsStr>>(&self, args: &[S]) -> Cmd<'_> {
        self.program(BGO, args)
    }

    /// Any program in the environment of this test.
    pub fn program<S: AsRef<OsStr>>(&self, program: impl AsRef<OsStr>, args: &[S]) -> Cmd<'_> {
        let mut command = Command::new(program);
        command.args(args).env_clear().current_dir(self.work()).stdin(Stdio::null());
        command.env("HOME", self.home()).env("PATH", self.path()).env(&self.mark, "1");
        command.envs([("LANG", "C.UTF-8"), ("TERM", "xterm-256color"), ("COLUMNS", "160")]);
        Cmd { env: self, command, input: None }
    }

    /// Runs `bgo ARGS…` to its end.
    #[track_caller]
    pub fn bgo<S: AsRef<OsStr>>(&self, args: &[S]) -> Outcome {
        self.cmd(args).run()
    }

    /// Starts `command` as `name` without waiting for it to settle, and returns its pid.
    #[track_caller]
    pub fn start(&self, name: &str, command: &[&str]) -> u32 {
        self.start_with(&[], name, command)
    }

    /// As [`TestEnv::start`], with flags.
    #[track_caller]
    pub fn start_with(&self, flags: &[&str], name: &str, command: &[&str]) -> u32 {
        let args = [&["start", "--settle", "0"], flags, &[name, "--"], command].concat();
        self.bgo(&args).ok();
        self.pid(name)
    }

    /// Starts a shell script as `name`, waits until it has printed `ready`, and returns its pid.
    #[track_caller]
    pub fn start_script(&self, flags: &[&str], name: &str, script: &str) -> u32 {
        let pid = self.start_with(flags, name, &["sh", "-c", script]);
        wait_until("the script to be ready", || self.log(name, "out").contains("ready"));
        pid
    }

    /// The record of `name`.
    #[track_caller]
    pub fn record(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.record_path(name)).unwrap_or_else(|e| panic!("record of {name}: {e}"));
        serde_json::from_str(&text).unwrap()
    }

    /// Changes the record of `name` behind bgo's back.
    pub fn edit_record(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let mut record = self.record(name);
        edit(&mut record);
        self.put_record(name, &record.to_string());
    }

    /// Writes a record as another program would.
    pub fn put_record(&self, name: &str, text: &str) {
        fs::create_dir_all(self.state().join("procs")).unwrap();
        fs::write(self.record_path(name), text).unwrap();
    }

    /// The pid in the record.
    #[track_caller]
    pub fn pid(&self, name: &str) -> u32 {
        let pid = self.record(name)["pid"].as_u64().unwrap_or_else(|| panic!("{name} has no pid"));
        u32::try_from(pid).unwrap()
    }

    /// The pid of the sidecar in the record.
    #[track_caller]
    pub fn sidecar(&self, name: &str) -> u32 {
        let pid = self.record(name)["sidecar"]["pid"].as_u64().unwrap_or_else(|| panic!("{name} has no sidecar"));
        u32::try_from(pid).unwrap()
    }

    /// Names that have a record.
    pub fn names(&self) -> Vec<String> {
        self.entries("procs").iter().filter_map(|f| f.strip_suffix(".json").map(str::to_owned)).collect()
    }

    /// What is in one of the state folders, sorted.
    pub fn entries(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.state().join(folder)) else { return Vec::new() };
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// All rows of `status --json`.
    #[track_caller]
    pub fn rows(&self) -> Vec<Value> {
        self.bgo(&["status", "--json"]).ok().json().as_array().unwrap().clone()
    }

    /// One row of `status --json`.
    #[track_caller]
    pub fn row(&self, name: &str) -> Value {
        self.rows().into_iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no row {name}"))
    }

    /// Waits until `status` tells this state of `name`.
    #[track_caller]
    pub fn wait_state(&self, name: &str, state: &str) {
        wait_until(&format!("{name} to be {state}"), || self.row(name)["state"] == state);
    }

    /// A log of `name` (`out`, `err`, `watcher`); empty if there is none.
    pub fn log(&self, name: &str, stream: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.log_path(name, stream)).unwrap_or_default()).into_owned()
    }

    /// Writes an executable shell script into the working folder.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.work().join(name);
        executable(&path, &format!("#!/bin/sh\n{body}\n"));
        path
    }

    /// Every live process that this test has started, directly or not.
    pub fn processes(&self) -> Vec<Process> {
        let mark = format!("{}=1", self.mark);
        let home = [b"BGO_HOME=", self.state().as_os_str().as_bytes()].concat();
        let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_string_lossy().parse().ok());
        pids.filter_map(|pid: u32| {
            let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
            let has = |wanted: &dyn Fn(&[u8]) -> bool| environ.split(|&b| b == 0).any(wanted);
            let is_sidecar = has(&|v| v.starts_with(b"BGO_SIDECAR=")) && has(&|v| v == home);
            let is_ours = is_sidecar || has(&|v| v == mark.as_bytes());
            let command = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).ok()?).replace('\0', " ");
            (is_ours && alive(pid)).then(|| Process { pid, is_sidecar, command: command.trim_end().to_owned() })
        })
        .collect()
    }

    /// Live processes of this test, sidecars aside, with exactly this command line.
    pub fn copies(&self, command: &str) -> Vec<u32> {
        self.processes().iter().filter(|p| !p.is_sidecar && p.command == command).map(|p| p.pid).collect()
    }

    /// Asserts that nothing that was managed runs any more. A sidecar has said its last before it ends, so it is waited
    /// for.
    #[track_caller]
    pub fn assert_all_gone(&self) {
        let left: Vec<Process> = self.processes().into_iter().filter(|p| !p.is_sidecar).collect();
        assert_eq!(left, []);
        wait_until("the sidecars to leave", || self.processes().is_empty());
    }

    /// `text` with this test's folder as `DIR`, and each of `pids` as `PID`.
    pub fn redact(&self, text: &str, pids: &[u32]) -> String {
        let mut text = text.replace(&*self.root.to_string_lossy(), "DIR");
        for pid in pids {
            text = text.replace(&pid.to_string(), "PID");
        }
        text
    }
}

impl Drop for TestEnv {
    fn drop(&mut self) {
        // A sidecar would restart what is killed under it, so they go first; what was being started meanwhile is
        // found in the next round.
        let deadline = Instant::now() + DEADLINE;
        loop {
            let (sidecars, others): (Vec<_>, Vec<_>) = self.processes().into_iter().partition(|p| p.is_sidecar);
            let next = if sidecars.is_empty() { others } else { sidecars };
            if next.is_empty() {
                break;
            }
            for process in &next {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(process.pid.cast_signed()), Signal::SIGKILL);
            }
            if Instant::now() > deadline {
                let message = format!("cannot end {next:?} in {}", self.folder.path().display());
                // A second panic would abort the other tests.
                assert!(thread::panicking(), "{message}");
                eprintln!("{message}");
                break;
            }
            thread::sleep(POLL);
        }
    }
}

/// `text` with RFC 3339 times, and durations after "after", as `TIME`.
pub fn without_times(text: &str) -> String {
    let is_time = |word: &str| word.len() >= 20 && word.as_bytes()[10] == b'T' && word.starts_with("20");
    let mut was_after = false;
    let redacted = text.split_inclusive(char::is_whitespace).map(|piece| {
        let word = piece.trim_end();
        let is_one = is_time(word) || was_after && word.starts_with(|c: char| c.is_ascii_digit());
        was_after = word == "after";
        if is_one { piece.replacen(word, "TIME", 1) } else { piece.to_owned() }
    });
    redacted.collect()
}

/// Makes an executable file.
pub fn executable(path: &Path, text: &str) {
    // By another process: a test beside this one that forks just now would hold our descriptor open for writing, and the
    // kernel executes no such file.
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat >\"$0\" && chmod 755 \"$0\""]).arg(path).stdin(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

/// A command line about to be run.
#[derive(Debug)]
pub struct Cmd<'a> {
    env: &'a TestEnv,
    command: Command,
    input: Option<Vec<u8>>,
}

impl Cmd<'_> {
    /// Sets a variable.
    pub fn var(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs in another folder.
    pub fn cwd(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Pipes `input` in, then ends it.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = Some(input.into());
        self.command.stdin(Stdio::piped());
        self
    }

    /// Gives it a pipe as stdin that stays open and silent.
    pub fn silent_stdin(mut self) -> Self {
        self.command.stdin(Stdio::piped());
        self
    }

    /// Closes its stdin, stdout or stderr, or opens more, as `sh` is told: `<&-`, `9</dev/null`. With `before`, a shell
    /// command to run first, such as `umask 0`.
    pub fn through_shell(self, before: &str, redirections: &str) -> Self {
        let Cmd { env, command: inner, input } = self;
        let script = format!("{before}\nexec \"$0\" \"$@\" {redirections}");
        let args = [OsStr::new("-c"), OsStr::new(&script), inner.get_program()].into_iter().chain(inner.get_args());
        let mut command = Command::new("/bin/sh");
        command.args(args).env_clear().current_dir(inner.get_current_dir().unwrap());
        command.envs(inner.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        Cmd { env, command, input }
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.spawn().finish()
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(mut self) -> Running {
        let line = self.line();
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = self.command.spawn().unwrap_or_else(|e| panic!("{line}: {e}"));
        let pid = child.id();
        let stdin = child.stdin.take();
        let (stdout, stderr) = (Output::default(), Output::default());
        let readers = [stdout.collect(child.stdout.take().unwrap()), stderr.collect(child.stderr.take().unwrap())];
        let kept = match self.input.take() {
            Some(input) => {
                // It may end without reading all of it.
                let _ = stdin.unwrap().write_all(&input);
                None
            }
            None => stdin.map(OwnedFd::from),
        };
        let ended = when_ended(child, readers.into());
        Running { line, pid, stdout, stderr, begun, ended, finished: false, _stdin: kept }
    }

    /// Starts it on a terminal of its own, `columns` wide.
    #[track_caller]
    pub fn on_terminal(mut self, columns: u16) -> Terminal {
        let line = self.line();
        let (master, slave) = open_terminal(columns);
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        self.command.env_remove("COLUMNS").stdin(stdio()).stdout(stdio()).stderr(stdio());
        #[allow(clippy::useless_conversion)] // Its type differs between systems.
        let make_controlling = libc::TIOCSCTTY.into();
        // SAFETY: setsid and ioctl are async-signal-safe; descriptor 0 is the terminal by then.
        unsafe {
            self.command.pre_exec(move || {
                if libc::setsid() == -1 || libc::ioctl(0, make_controlling, 0) == -1 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let begun = Instant::now();
        let child = self.command.spawn().unwrap_or_else(|e| panic!("{line}: {e}"));
        drop(self.command); // It holds copies of the terminal.
        let pid = child.id();
        let screen = Output::default();
        let reader = screen.collect(master.try_clone().unwrap());
        let ended = when_ended(child, vec![reader]);
        let running = Running {
            line,
            pid,
            stdout: screen,
            stderr: Output::default(),
            begun,
            ended,
            finished: false,
            _stdin: None,
        };
        Terminal { running, master, slave: Some(slave) }
    }

    fn line(&self) -> String {
        let program = Path::new(self.command.get_program()).file_name().unwrap().to_string_lossy().into_owned();
        self.command.get_args().fold(program, |line, arg| format!("{line} {}", arg.to_string_lossy()))
    }
}

/// What a process has written so far.
#[derive(Clone, Debug, Default)]
struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    fn collect(&self, mut from: impl Read + Send + 'static) -> thread::JoinHandle<()> {
        let into = Arc::clone(&self.0);
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            // A terminal ends with EIO.
            while let Ok(n @ 1..) = from.read(&mut buffer) {
                into.lock().unwrap().extend_from_slice(&buffer[..n]);
            }
        })
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }
}

/// Sends the exit status once the process has ended and its output is read to the end.
fn when_ended(mut child: std::process::Child, readers: Vec<thread::JoinHandle<()>>) -> Receiver<ExitStatus> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for reader in readers {
            let _ = reader.join();
        }
        if let Ok(status) = child.wait() {
            let _ = sender.send(status);
        }
    });
    receiver
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    line: String,
    pub pid: u32,
    stdout: Output,
    stderr: Output,
    begun: Instant,
    ended: Receiver<ExitStatus>,
    finished: bool,
    _stdin: Option<OwnedFd>,
}

impl Running {
    /// What it has written to stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until `text` is on its stdout.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        wait_until(&format!("\"{text}\" from `{}`", self.line), || self.stdout().contains(text));
    }

    /// Waits for its end. It must not leave its output open in another process.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        let Ok(status) = self.ended.recv_timeout(DEADLINE) else {
            panic!("`{}` did not end, or left its output open; so far: {}{}", self.line, self.stdout(), self.stderr());
        };
        self.finished = true;
        Outcome {
            line: self.line.clone(),
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
            stdout_bytes: self.stdout.bytes(),
            took: self.begun.elapsed(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.finished {
            // Not reaped yet, or its thread has just done so; either way the pid is ours.
            let _ = kill(Pid::from_raw(self.pid.cast_signed()), Signal::SIGKILL);
        }
    }
}

/// A command on a terminal.
#[derive(Debug)]
pub struct Terminal {
    running: Running,
    master: File,
    slave: Option<OwnedFd>,
}

impl Terminal {
    /// Everything written to the terminal so far, escape codes included.
    pub fn screen(&self) -> String {
        self.running.stdout()
    }

    /// Waits until `text` was written to the terminal.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.running.wait_for(text);
    }

    /// Types. `\x03` is Ctrl-C.
    pub fn send(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether the terminal shows what is typed, as it did at first.
    pub fn echoes(&self) -> bool {
        let modes = nix::sys::termios::tcgetattr(self.slave.as_ref().unwrap()).unwrap();
        modes.local_flags.contains(nix::sys::termios::LocalFlags::ECHO)
    }

    /// The process, to be looked at or signalled.
    pub fn pid(&self) -> u32 {
        self.running.pid
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        // Only now: with no end left open here, the reader sees the end.
        self.slave = None;
        self.running.finish()
    }
}

fn open_terminal(columns: u16) -> (File, OwnedFd) {
    let size = nix::pty::Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let nix::pty::OpenptyResult { master, slave } = nix::pty::openpty(&size, None).unwrap();
    for end in [&master, &slave] {
        // SAFETY: the descriptor is open. Other tests spawn meanwhile; they must not inherit it.
        unsafe { libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    (File::from(master), slave)
}

/// Replaces this test binary by itself in a pid namespace of its own, with a shell as the init that reaps orphans.
/// Where that is not allowed (no root, another system), the tests run as they are.
fn enter_namespace() {
    static ENTERED: Once = Once::new();
    const UNSHARE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child=KILL"];
    ENTERED.call_once(|| {
        let is_possible = || {
            let mut probe = Command::new("unshare");
            probe.args(UNSHARE).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            probe.status().is_ok_and(|status| status.success())
        };
        if std::env::var_os(IN_NAMESPACE).is_some() || !is_possible() {
            return;
        }
        let mut again = Command::new("unshare");
        again.args(UNSHARE).args(["sh", "-c", "\"$0\" \"$@\"; exit $?"]).arg(std::env::current_exe().unwrap());
        again.args(std::env::args_os().skip(1)).env(IN_NAMESPACE, "1");
        panic!("cannot execute unshare: {}", again.exec());
    });
}
