//! One system call fails, or is the last: every call of the record writes and of the start handshake in turn.
//!
//! Why it exists: a promise that holds while everything works is none. Each walk runs a command once to learn which calls
//! it makes on its files, pipes and processes, then again and again with a fault at each of them. Invariants: one
//! function, [`Scene::judge`], judges after every fault, and says at which call it was; a walk that met no fault fails.
//! Faults are made by strace(1), as in `crash.rs`; full and read-only disks are real ones.

use super::crash::{NONE, SmallDisk, Tracer, bodies, can_trace, settled, wait_decided};
use super::env::{BGO, Outcome, TestEnv, alive, executable, kill9, wait_until};
use bgo::domain::name::Name;
use bgo::domain::raw::Raw;
use bgo::ops::{self, Bgo, StartRequest};
use bgo::platform::SignalQueue;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How many walks go on at once in one test.
const WALKERS: usize = 8;

/// The calls that may fail, and with what: these, and death, take turns where one walk is all there is time for. Names of
/// other architectures are passed over.
const CALLS: [(&str, &[&str]); 25] = [
    ("mkdir", &["ENOSPC", "EIO", "EROFS"]),
    ("mkdirat", &["ENOSPC", "EIO", "EROFS"]),
    ("openat", &["ENOSPC", "EIO", "EROFS"]),
    ("read", &["EIO"]),
    ("write", &["ENOSPC", "EIO"]),
    ("fsync", &["ENOSPC", "EIO"]),
    ("fdatasync", &["EIO", "ENOSPC"]),
    ("rename", &["ENOSPC", "EIO", "EROFS"]),
    ("renameat", &["ENOSPC", "EIO", "EROFS"]),
    ("unlink", &["EIO", "EROFS"]),
    ("unlinkat", &["EIO", "EROFS"]),
    ("statx", &["EIO"]),
    ("flock", &["EIO", "ENOLCK"]),
    ("fcntl", &["EMFILE"]),
    ("pipe2", &["EMFILE"]),
    ("clone", &["EAGAIN", "ENOMEM"]),
    ("clone3", &["EAGAIN"]),
    ("pidfd_open", &["EMFILE", "ENOMEM"]),
    ("pidfd_send_signal", &["EPERM", "EIO"]),
    ("poll", &["ENOMEM"]),
    ("ppoll", &["ENOMEM"]),
    ("signalfd4", &["EMFILE"]),
    ("inotify_init1", &["EMFILE"]),
    ("inotify_add_watch", &["ENOSPC"]),
    ("mmap", &["ENOMEM"]),
];

/// Those that a child makes between its birth and exec.
const CHILD_CALLS: [(&str, &[&str]); 5] = [
    ("setsid", &["EPERM"]),
    ("dup2", &["EIO", "EBUSY"]),
    ("dup3", &["EIO", "EBUSY"]),
    ("chdir", &["EIO", "ENOENT"]),
    ("execve", &["EIO", "ENOMEM"]),
];

/// How much of the space of faults is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Width {
    /// Each call once, errors and death in turn.
    Once,
    /// Each call with each error, also with all calls of its kind failing from then on, and with death.
    Whole,
}

/// One call of a command.
#[derive(Clone, Debug)]
struct Site {
    call: String,
    /// The how manieth of its kind.
    n: usize,
    /// As strace shows it.
    line: String,
}

/// What happens at a call.
#[derive(Clone, Debug)]
struct Fault {
    site: Site,
    how: String,
    from_then_on: bool,
}

impl Fault {
    fn is_death(&self) -> bool {
        self.how == "KILL"
    }

    /// As strace is told.
    fn injection(&self) -> String {
        let kind = if self.is_death() { "signal" } else { "error" };
        let Site { call, n, .. } = &self.site;
        format!("inject={call}:{kind}={}:when={n}{}", self.how, if self.from_then_on { "+" } else { "" })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { site: Site { call, n, line }, how, from_then_on } = self;
        write!(f, "{how} at {call} {n}{}: {line}", if *from_then_on { " and after" } else { "" })
    }
}

/// The names of `calls` for strace.
fn names(calls: &[(&str, &[&str])]) -> String {
    let names: Vec<String> = calls.iter().map(|(call, _)| format!("?{call}")).collect();
    format!("trace={}", names.join(","))
}

/// The calls in `log` (of one process) that are about the state, a pipe or a process; all others are the same in any program.
fn sites(env: &TestEnv, log: &str, width: Width) -> Vec<Site> {
    let state = env.state().to_string_lossy().into_owned();
    let mut count: BTreeMap<&str, usize> = BTreeMap::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((call, rest)) = line.split_once('(') else { continue };
        if !call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        let n = count.entry(call).or_default();
        *n += 1;
        let about = [&*state, "pipe:[", "pidfd", "/dev/null", "boot_id", "signalfd", "inotify", "MAP_SHARED"];
        let matters = match call {
            "clone" | "clone3" | "pipe2" | "pidfd_open" | "pidfd_send_signal" | "signalfd4" | "inotify_init1" => true,
            "fcntl" => rest.contains("F_DUPFD"),
            "mmap" => rest.contains("MAP_SHARED"),
            // A pipe does not fail; a closed one is a dead process, and those are walked in `crash.rs`.
            "read" | "write" if rest.split(',').next().is_some_and(|of| of.contains("<pipe:")) => false,
            _ => about.iter().any(|part| rest.contains(part)) || width == Width::Whole && rest.contains("/proc/"),
        };
        if matters {
            found.push(Site { call: call.to_owned(), n: *n, line: line.to_owned() });
        }
    }
    found
}

/// The faults to make at `sites`.
fn faults(sites: Vec<Site>, calls: &[(&'static str, &'static [&'static str])], width: Width) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (at, site) in sites.into_iter().enumerate() {
        let errors = match calls.iter().find(|(call, _)| *call == site.call) {
            // What only reads needs no room, but a descriptor.
            Some(("openat", _)) if !site.line.contains("O_CREAT") => &["EIO", "EMFILE"],
            Some((_, errors)) => *errors,
            None => &[],
        };
        let fault = |how: &str, from_then_on| Fault { site: site.clone(), how: how.to_owned(), from_then_on };
        match width {
            Width::Once => faults.push(fault(errors.get(at % (errors.len() + 1)).unwrap_or(&"KILL"), false)),
            Width::Whole => {
                faults.extend(errors.iter().flat_map(|error| [fault(error, false), fault(error, true)]));
                faults.push(fault("KILL", false));
            }
        }
    }
    faults
}

/// How "web" stands before the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// There is none.
    Nothing,
    /// It was stopped.
    Stopped,
    /// It runs, and its sidecar lives.
    Runs,
    /// As `Runs`, watched.
    Watched,
    /// It runs, and its sidecar is dead.
    Orphaned,
    /// It ended with its sidecar, as in a power cut.
    Lost,
}

/// What the command has promised when it says that it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    /// The same process still runs.
    Untouched,
    /// A process runs.
    Up,
    /// None runs.
    Down,
    /// There is no record either.
    Gone,
}

/// A command in a situation.
#[derive(Clone, Copy, Debug)]
struct Scene {
    before: Before,
    args: &'static [&'static str],
    promise: Promise,
}

const START: [&str; 7] = ["start", "--settle", "0", "web", "--", "sleep", "1000"];

impl Scene {
    /// Makes the situation; the pid of what runs.
    fn set(&self, env: &TestEnv) -> Option<u32> {
        if self.before == Before::Nothing {
            return None;
        }
        let flags: &[&str] = if self.before == Before::Watched { &["-w", "--min-uptime", "0"] } else { &[] };
        let pid = env.start_with(flags, "web", &["sleep", "1000"]);
        match self.before {
            Before::Stopped => env.bgo(&["stop", "web"]).ok(),
            Before::Orphaned | Before::Lost => {
                kill9(env.sidecar("web"));
                if self.before == Before::Lost {
                    kill9(pid);
                    return None;
                }
                return Some(pid);
            }
            _ => return Some(pid),
        };
        None
    }

    /// Whether everything still holds after a command that has ended with `code` (`None`: it was killed), with `pid`
    /// running before; and, at the end, that the next command works. Leaves nothing.
    fn judge(&self, env: &TestEnv, pid: Option<u32>, outcome: &Outcome, killed: bool) {
        wait_decided(env);
        // At most one process, and status knows it.
        let mut runs = settled(env, "web");
        if killed && !runs && self.args == ["restart", "web"] && self.before == Before::Runs {
            // The sidecar is at it.
            wait_until("the restart to be done", || settled(env, "web"));
            runs = true;
        }
        if !runs {
            // A new sidecar whose launcher was killed leaves in a moment, and strace, with the locks that it has inherited,
            // a moment after what it traces. One that waits for a restart stays.
            let waits = || env.record_path("web").exists() && env.record("web")["state"] == "backoff";
            wait_until("the sidecar to leave", || waits() || !env.processes().iter().any(|p| p.is_sidecar));
        }
        let now = bodies(env, "web").first().copied();
        let said = format!("{} {}", outcome.code, outcome.stderr);
        assert!(!outcome.stderr.contains("panicked at"), "{said}");
        // The record is whole or absent; what runs has one.
        let has_record = env.record_path("web").exists();
        if has_record {
            let record = env.record("web");
            assert!(record["command"].is_array() && record["wish"].is_object(), "{record}");
            // An end is noted once.
            let mut ends: Vec<&str> =
                record["exits"].as_array().unwrap().iter().filter_map(|e| e["at"].as_str()).collect();
            let count = ends.len();
            ends.dedup();
            assert_eq!(ends.len(), count, "{record}");
        }
        assert!(has_record || now.is_none(), "a process without a record");
        let dies = self.args == DIES;
        if outcome.code == 0 && !(dies && killed) {
            match self.promise {
                Promise::Untouched => assert_eq!(now, pid, "it was not to be touched"),
                Promise::Up if dies => {
                    let state = env.record("web")["state"].clone();
                    assert!(runs || state == "backoff", "it is not to be restarted, but {state}");
                }
                Promise::Up => assert!(runs, "it was said to be up"),
                Promise::Down => assert!(!runs, "it was said to be down"),
                Promise::Gone => assert!(!runs && !has_record, "it was said to be gone"),
            }
        } else if !killed {
            let messages = outcome.stderr.lines().filter(|line| line.starts_with("bgo: ")).count();
            assert_eq!(messages, 1, "one clear message: {said}");
        }
        // What was not to be ended lives, whatever became of the command.
        match (self.before, self.promise) {
            (_, Promise::Untouched) => assert_eq!(now, pid, "the running process was lost: {said}"),
            (Before::Nothing, Promise::Up) if outcome.code != 0 && !killed && !runs => {
                assert_eq!(env.names(), Vec::<String>::new(), "a refused first start leaves nothing: {said}");
            }
            (Before::Stopped, Promise::Up) if outcome.code != 0 && !killed && !runs => {
                assert_eq!(env.record("web")["want"], "down", "a refused start changes nothing: {said}");
            }
            (Before::Runs | Before::Watched, Promise::Up) if self.args == ["restart", "web"] && !runs => {
                // Between the end of the old one and the start of the new one: then the record says so.
                let record = env.record("web");
                let told = matches!(record["state"].as_str(), Some("errored" | "backoff"));
                assert!(told && outcome.code != 0, "a restart that failed has lost it: {said}; {record}");
            }
            _ => {}
        }
        // The same command, when it is given again.
        let again = match self.promise {
            Promise::Up => !runs || self.args == ["restart", "web"],
            Promise::Gone => has_record,
            _ => true,
        };
        if again && !dies {
            env.bgo(self.args).ok();
            runs = settled(env, "web");
            assert_eq!(
                runs,
                matches!(self.promise, Promise::Up | Promise::Untouched),
                "after a second {:?}",
                self.args
            );
        }
        if env.record_path("web").exists() {
            env.bgo(&["stop", "web"]).ok();
            assert_eq!(bodies(env, "web"), NONE, "after a stop");
            env.bgo(&["delete", "web"]).ok();
        }
        env.assert_all_gone();
    }

    /// Runs the command under strace, writing to `log`.
    fn run(&self, env: &TestEnv, trace: &str, injection: Option<&str>, log: &Path) -> Outcome {
        let log = log.to_string_lossy();
        let mut args = vec!["-qq", "-y", "-o", &*log, "-e", trace];
        args.extend(injection.iter().flat_map(|inject| ["-e", *inject]));
        args.push(BGO);
        env.program("strace", &[&args, self.args].concat()).run()
    }

    /// Walks over all calls of the command.
    fn walk(&self, width: Width) {
        if !can_trace() {
            return;
        }
        let mut walk = Walk::new(format!("{:?} when {:?}", self.args, self.before));
        let log = walk.env.root().join("calls");
        self.set(&walk.env);
        self.run(&walk.env, &names(&CALLS), None, &log).ok();
        let plan = faults(sites(&walk.env, &fs::read_to_string(&log).unwrap(), width), &CALLS, width);
        for fault in plan {
            walk.visit(&fault, |env| {
                let log = env.root().join("calls");
                let pid = self.set(env);
                // Only of these is the wish the first thing that is written.
                let asks = matches!(self.args[0], "restart" | "watch" | "unwatch" | "set");
                let asks = asks && matches!(self.before, Before::Runs | Before::Watched);
                let wish = asks.then(|| env.record("web")["wish"].clone());
                let outcome = self.run(env, &format!("trace={}", fault.site.call), Some(&fault.injection()), &log);
                let killed = fault.is_death() && outcome.code == 137;
                if outcome.stderr.starts_with("bgo: cannot write record") {
                    assert!(wish.is_none_or(|wish| env.record("web")["wish"] == wish), "a refused wish was kept");
                }
                let made = killed || fs::read_to_string(&log).unwrap_or_default().contains("(INJECTED)");
                self.judge(env, pid, &outcome, killed);
                made
            });
        }
        walk.report();
    }
}

/// What a panic says.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// One walk: what was met, what has failed.
struct Walk {
    what: String,
    env: TestEnv,
    made: usize,
    failures: Vec<String>,
}

impl Walk {
    fn new(what: String) -> Walk {
        Walk { what, env: TestEnv::new(), made: 0, failures: Vec::new() }
    }

    /// Makes one fault in a fresh home. `act` says whether it came to that.
    fn visit(&mut self, fault: &Fault, act: impl FnOnce(&TestEnv) -> bool) {
        self.env = TestEnv::new();
        match catch_unwind(AssertUnwindSafe(|| act(&self.env))) {
            Ok(made) => self.made += usize::from(made),
            Err(panic) => {
                let watcher = self.env.log("web", "watcher");
                let record = fs::read_to_string(self.env.record_path("web")).unwrap_or_default();
                self.failures.push(format!("{fault}\n{}\n{record}\nwatcher log: {watcher}", text_of(&*panic)));
            }
        }
    }

    /// Ends the walk.
    fn report(self) {
        eprintln!("{}: {} faults", self.what, self.made);
        assert!(self.failures.is_empty(), "{}:\n{}", self.what, self.failures.join("\n"));
        assert_ne!(self.made, 0, "{}: no fault was made", self.what);
    }
}

// ---------------------------------------------------------------------------------------------- in the command

const SCENES: [Scene; 16] = [
    Scene { before: Before::Nothing, args: &START, promise: Promise::Up },
    Scene { before: Before::Stopped, args: &START, promise: Promise::Up },
    Scene {
        before: Before::Runs,
        args: &["start", "--settle", "0", "--force", "web", "--", "sleep", "1000"],
        promise: Promise::Up,
    },
    Scene { before: Before::Runs, args: &["restart", "web"], promise: Promise::Up },
    Scene { before: Before::Stopped, args: &["restart", "web"], promise: Promise::Up },
    Scene { before: Before::Orphaned, args: &["restart", "web"], promise: Promise::Up },
    Scene { before: Before::Runs, args: &["stop", "web"], promise: Promise::Down },
    Scene { before: Before::Orphaned, args: &["stop", "web"], promise: Promise::Down },
    Scene { before: Before::Runs, args: &["delete", "-y", "web"], promise: Promise::Gone },
    Scene { before: Before::Runs, args: &["watch", "web"], promise: Promise::Untouched },
    Scene { before: Before::Orphaned, args: &["watch", "web"], promise: Promise::Untouched },
    Scene { before: Before::Watched, args: &["unwatch", "web"], promise: Promise::Untouched },
    Scene { before: Before::Runs, args: &["set", "web", "--max-rss", "1G"], promise: Promise::Untouched },
    Scene { before: Before::Lost, args: &["resurrect"], promise: Promise::Up },
    Scene { before: Before::Orphaned, args: &["resurrect"], promise: Promise::Untouched },
    Scene { before: Before::Stopped, args: &["delete", "-y", "web"], promise: Promise::Gone },
];

/// A way to walk over a scene.
type Walker = fn(&Scene, Width);

/// Walks over all of `scenes`, several at once: most of the time is waited.
fn walk_all(walk: Walker, scenes: &[Scene], width: Width) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WALKERS {
            scope.spawn(|| {
                while let Some(scene) = scenes.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| walk(scene, width))) {
                        failed.lock().unwrap().push(text_of(&*panic));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn a_command_may_fail_at_any_call() {
    walk_all(Scene::walk, &SCENES, Width::Once);
}

#[test]
fn a_living_sidecar_may_fail_at_any_call() {
    walk_all(Scene::walk_sidecar, &ASKED, Width::Once);
}

#[test]
fn a_new_sidecar_may_fail_at_any_call() {
    walk_all(Scene::walk_birth, &BORN, Width::Once);
}

#[test]
fn a_process_may_fail_at_any_call_before_it_executes() {
    walk_all(Scene::walk_child, &CHILDREN, Width::Once);
}

#[test]
#[ignore = "takes minutes: cargo test --test cli faults -- --ignored"]
fn anything_may_fail_at_any_call_with_any_error() {
    walk_all(Scene::walk, &SCENES, Width::Whole);
    walk_all(Scene::walk_sidecar, &ASKED, Width::Whole);
    walk_all(Scene::walk_birth, &BORN, Width::Whole);
}

// ---------------------------------------------------------------------------------------------- in a sidecar that lives

/// No command: its process dies, and is to be replaced.
const DIES: &[&str] = &[];

const ASKED: [Scene; 7] = [
    Scene { before: Before::Watched, args: DIES, promise: Promise::Up },
    Scene { before: Before::Runs, args: DIES, promise: Promise::Down },
    Scene { before: Before::Watched, args: &["restart", "web"], promise: Promise::Up },
    Scene { before: Before::Watched, args: &["stop", "web"], promise: Promise::Down },
    Scene { before: Before::Runs, args: &["watch", "web"], promise: Promise::Untouched },
    Scene { before: Before::Watched, args: &["unwatch", "web"], promise: Promise::Untouched },
    Scene { before: Before::Runs, args: &["set", "web", "--max-rss", "1G"], promise: Promise::Untouched },
];

impl Scene {
    /// What the sidecar is asked for.
    fn act(&self, env: &TestEnv, pid: Option<u32>) -> Outcome {
        if self.args != DIES {
            return env.bgo(self.args);
        }
        let (pid, sidecar) = (pid.unwrap(), env.sidecar("web"));
        kill9(pid);
        wait_until("the end to be noted", || {
            !alive(sidecar) || bodies(env, "web").len() == 1 || env.record("web")["status"] == "stopped"
        });
        Outcome {
            line: "(its process dies)".to_owned(),
            code: 0,
            stdout: String::new(),
            stderr: String::new(),
            stdout_bytes: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Walks over all calls that the living sidecar makes.
    fn walk_sidecar(&self, width: Width) {
        if !can_trace() {
            return;
        }
        let mut walk = Walk::new(format!("the sidecar in {:?} when {:?}", self.args, self.before));
        let log = walk.env.root().join("calls");
        let pid = self.set(&walk.env);
        let Some(tracer) = Tracer::attach_with(walk.env.sidecar("web"), &["-e", &names(&CALLS)], &log) else { return };
        self.act(&walk.env, pid).ok();
        settled(&walk.env, "web");
        drop(tracer);
        let plan = faults(sites(&walk.env, &fs::read_to_string(&log).unwrap(), width), &CALLS, width);
        for fault in plan {
            walk.visit(&fault, |env| {
                let log = env.root().join("calls");
                let pid = self.set(env);
                let sidecar = env.sidecar("web");
                let options = ["-e", &format!("trace={}", fault.site.call), "-e", &fault.injection()];
                let Some(tracer) = Tracer::attach_with(sidecar, &options, &log) else { return false };
                let outcome = self.act(env, pid);
                let killed = fault.is_death() && !alive(sidecar);
                drop(tracer);
                self.judge(env, pid, &outcome, killed);
                killed || fs::read_to_string(&log).unwrap_or_default().contains("(INJECTED)")
            });
        }
        walk.report();
    }
}

// ---------------------------------------------------------------------------------------------- in a sidecar from its birth

const BORN: [Scene; 6] = [
    Scene { before: Before::Nothing, args: &START, promise: Promise::Up },
    Scene { before: Before::Stopped, args: &START, promise: Promise::Up },
    Scene { before: Before::Stopped, args: &["restart", "web"], promise: Promise::Up },
    Scene { before: Before::Lost, args: &["resurrect"], promise: Promise::Up },
    Scene { before: Before::Orphaned, args: &["resurrect"], promise: Promise::Untouched },
    Scene { before: Before::Orphaned, args: &["watch", "web"], promise: Promise::Untouched },
];

impl Scene {
    /// The command in this very process, with sidecars that run under strace (which inherits lock and pipe, and ends with
    /// what it traces).
    fn run_with_traced_sidecar(&self, env: &TestEnv, options: &str, log: &Path) -> Outcome {
        let strace = format!("exec /usr/bin/strace -D -qq -y -o {} {options} {BGO} \"$@\"", log.display());
        let exe = env.bin().join("traced");
        executable(&exe, &format!("#!/bin/sh\n{strace}\n"));
        let bgo = Bgo::new(env.state(), exe);
        let name = Name::parse("web").unwrap();
        let done = match self.args[0] {
            "start" => {
                let mut request = StartRequest::new(name, vec!["sleep".into(), "1000".into()]);
                request.settle = Duration::ZERO;
                request.cwd = Some(env.work());
                let home = env.home();
                let mine = [(env.mark(), "1"), ("HOME", home.to_str().unwrap())];
                request.set = mine.map(|(key, value)| (Raw::from(key), Raw::from(value))).to_vec();
                ops::start(&bgo, &request).map(drop)
            }
            "restart" => ops::restart(&bgo, &name, ops::RestartRequest::default()).map(drop),
            "watch" => ops::watch(&bgo, &name, &Default::default(), false).map(drop),
            _ => {
                let unheard = SignalQueue::new(&[]).unwrap();
                let done = ops::resurrect(&bgo, &ops::ResurrectRequest::default(), &unheard);
                done.and_then(|done| done.all.into_iter().try_for_each(|(_, one)| one.map(drop)))
            }
        };
        Outcome {
            line: format!("{:?}", self.args),
            code: i32::from(done.is_err()),
            stdout: String::new(),
            stderr: done.map_or_else(|e| format!("bgo: {e}"), |()| String::new()),
            stdout_bytes: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Walks over all calls that a sidecar makes until its process runs.
    fn walk_birth(&self, width: Width) {
        if !can_trace() {
            return;
        }
        let mut walk = Walk::new(format!("a new sidecar in {:?} when {:?}", self.args, self.before));
        let log = walk.env.root().join("calls");
        self.set(&walk.env);
        self.run_with_traced_sidecar(&walk.env, &format!("-e {}", names(&CALLS)), &log).ok();
        let plan = faults(sites(&walk.env, &fs::read_to_string(&log).unwrap(), width), &CALLS, width);
        for fault in plan {
            walk.visit(&fault, |env| {
                let log = env.root().join("calls");
                let pid = self.set(env);
                let options = format!("-e trace={} -e {}", fault.site.call, fault.injection());
                let outcome = self.run_with_traced_sidecar(env, &options, &log);
                self.judge(env, pid, &outcome, false);
                fault.is_death() || fs::read_to_string(&log).unwrap_or_default().contains("(INJECTED)")
            });
        }
        walk.report();
    }
}

// ---------------------------------------------------------------------------------------------- between fork and exec

const CHILDREN: [Scene; 3] = [
    Scene { before: Before::Nothing, args: &START, promise: Promise::Up },
    Scene { before: Before::Stopped, args: &["restart", "web"], promise: Promise::Up },
    Scene { before: Before::Lost, args: &["resurrect"], promise: Promise::Up },
];

impl Scene {
    /// Walks over what a new process does before it executes: until there is no such call.
    fn walk_child(&self, _: Width) {
        if !can_trace() {
            return;
        }
        let mut walk = Walk::new(format!("the child in {:?} when {:?}", self.args, self.before));
        for (call, errors) in CHILD_CALLS {
            for n in 1.. {
                let site = Site { call: call.to_owned(), n, line: "in the child".to_owned() };
                let fault = Fault { site, how: errors[n % errors.len()].to_owned(), from_then_on: false };
                let (before, failed) = (walk.made, walk.failures.len());
                walk.visit(&fault, |env| {
                    let log = env.root().join("calls");
                    self.set(env);
                    let options =
                        format!("-f -e trace=?{call} -e {}", fault.injection().replace("inject=", "inject=?"));
                    let outcome = self.run_with_traced_sidecar(env, &options, &log);
                    self.judge(env, None, &outcome, false);
                    let made = fs::read_to_string(&log).unwrap_or_default().contains("(INJECTED)");
                    assert_eq!(made, outcome.code != 0, "a child without its {call} was run: {}", outcome.stderr);
                    made
                });
                if walk.made == before || walk.failures.len() > failed {
                    break;
                }
            }
        }
        walk.report();
    }
}

// ---------------------------------------------------------------------------------------------- real disks

/// The state folder, mounted over itself to be read only, until dropped.
struct ReadOnly<'a>(&'a TestEnv);

impl ReadOnly<'_> {
    fn mount(env: &TestEnv) -> ReadOnly<'_> {
        let state = env.state();
        let mount = |options: &[&str]| {
            assert!(Command::new("mount").args(options).arg(&state).stderr(Stdio::null()).status().unwrap().success());
        };
        mount(&["--bind", state.to_str().unwrap()]);
        let read_only = ReadOnly(env);
        mount(&["-o", "remount,bind,ro"]);
        read_only
    }
}

impl Drop for ReadOnly<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.state()).status();
    }
}

/// What fails on a disk that takes nothing says so once, and in these `words`; it touches nothing.
fn refused(env: &TestEnv, words: &str, args: &[&str]) {
    // A process that has just executed shows no environment for a moment, so not by `bodies` alone.
    let ran = settled(env, "web");
    let running = bodies(env, "web");
    let outcome = env.bgo(args).code(1);
    let messages: Vec<&str> = outcome.stderr.lines().filter(|line| line.starts_with("bgo: ")).collect();
    assert!(messages.len() == 1 && messages[0].contains(words), "{args:?}: {}", outcome.stderr);
    let runs = settled(env, "web");
    let now = bodies(env, "web");
    let said = format!("{args:?}: {}; {}", outcome.stderr, env.log("web", "watcher"));
    assert_eq!((runs, &now), (ran, &running), "it was touched by {said}");
}

/// Goes through the stages of a life on a disk that takes nothing any more, until `room` is made, at each of them.
fn live_without_room(words: &str, take_room: impl Fn(&TestEnv) -> Box<dyn FnOnce() + '_>) {
    const CHANGES: [&[&str]; 5] = [
        &["restart", "web"],
        &["watch", "web"],
        &["unwatch", "web"],
        &["set", "web", "--max-rss", "1G"],
        &["start", "--settle", "0", "web2", "--", "sleep", "1000"],
    ];
    let mounted = TestEnv::new();
    let env = &mounted;
    let Some(_disk) = SmallDisk::mount(env) else { return };
    env.start("other", &["sleep", "1000"]);
    env.bgo(&["stop", "other"]).ok();
    // Before the first start.
    let make_room = take_room(env);
    refused(env, words, &START);
    assert_eq!(env.names(), ["other"]);
    make_room();
    // While it runs, watched.
    let pid = env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "1000"]);
    let make_room = take_room(env);
    for args in CHANGES {
        refused(env, words, args);
    }
    assert_eq!(bodies(env, "web"), [pid]);
    // It is restarted all the same, and then stopped.
    kill9(pid);
    wait_until("the restart", || bodies(env, "web").len() == 1);
    assert!(settled(env, "web"));
    let stop = env.bgo(&["stop", "web"]).ok();
    assert!(stop.stderr.contains("cannot be written"), "{}", stop.stderr);
    assert_eq!(bodies(env, "web"), NONE);
    env.bgo(&["restart", "web"]).code(1);
    assert_eq!(bodies(env, "web"), NONE, "a restart that cannot be written down has started something");
    make_room();
    env.bgo(&["restart", "web"]).ok();
    // Without its sidecar.
    kill9(env.sidecar("web"));
    let orphan = bodies(env, "web");
    let make_room = take_room(env);
    for args in &CHANGES[1..] {
        refused(env, words, args);
    }
    env.bgo(&["resurrect"]).code(1);
    assert_eq!(bodies(env, "web"), orphan);
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(bodies(env, "web"), NONE);
    make_room();
    env.bgo(&["start", "--settle", "0", "web", "--", "sleep", "1000"]).ok();
    assert!(settled(env, "web"));
    env.bgo(&["delete", "-y", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn every_stage_of_a_life_goes_on_with_a_full_disk() {
    live_without_room("No space left on device", |env| {
        let filler = env.state().join("filler");
        SmallDisk::fill_up(&filler);
        Box::new(move || fs::remove_file(filler).unwrap())
    });
}

#[test]
fn every_stage_of_a_life_goes_on_with_a_read_only_home() {
    live_without_room("Read-only file system", |env| {
        let read_only = ReadOnly::mount(env);
        Box::new(move || drop(read_only))
    });
}
