//! Whatever dies, fills up or is torn: nothing is lost, doubled or signalled by mistake.
//!
//! Why it exists: the promises of the design's section 2 hold only if they hold at every single system call. Invariants
//! tested: a record is whole or absent; at most one process a name; what runs is known to `status` and ended by
//! `stop`; the next command works; a stranger is never signalled. Faults are made by strace(1) and by a small tmpfs;
//! where these are not to be had, a test says so and is passed over.

use super::env::{TestEnv, alive, kill9, signal, stat, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

/// No process.
pub const NONE: [u32; 0] = [];

/// Live processes that bgo has started as `name` in `env`: each leads its own session.
pub fn bodies(env: &TestEnv, name: &str) -> Vec<u32> {
    all_bodies(env).remove(name).unwrap_or_default()
}

/// The same for all names that have some. Hooks and checks are none, nor is a descendant that makes a session of its own
/// and says so by `BGO_TEST_DESCENDANT`.
pub fn all_bodies(env: &TestEnv) -> BTreeMap<String, Vec<u32>> {
    let home = [b"HOME=", env.home().as_os_str().as_bytes()].concat();
    let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_string_lossy().parse().ok());
    let mut bodies = BTreeMap::<String, Vec<u32>>::new();
    // Whether it leads comes first: a descendant is marked before it does.
    for pid in pids.filter(|&pid| leads(pid)) {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let value = |key: &[u8]| environ.split(|&b| b == 0).find_map(|v| v.strip_prefix(key));
        let other = [&b"BGO_SIDECAR="[..], b"BGO_TEST_DESCENDANT="].iter().any(|key| value(key).is_some());
        let ours = environ.split(|&b| b == 0).any(|v| v == home) && !other;
        if let Some(name) = value(b"BGO_NAME=").filter(|_| ours && alive(pid)) {
            bodies.entry(String::from_utf8_lossy(name).into_owned()).or_default().push(pid);
        }
    }
    bodies
}

fn leads(pid: u32) -> bool {
    stat(pid).get(3).is_some_and(|session| *session == pid.to_string())
}

/// Waits until `status` and the kernel agree on whether `name` runs; whether it does. There are never two.
#[track_caller]
pub fn settled(env: &TestEnv, name: &str) -> bool {
    let mut runs = false;
    wait_until(&format!("status of {name} to be true"), || {
        let online = env.rows().iter().any(|row| row["name"] == name && row["status"] == "online");
        let bodies = bodies(env, name);
        assert!(bodies.len() < 2, "{name} runs {} times", bodies.len());
        runs = online;
        online == (bodies.len() == 1)
    });
    runs
}

/// Waits until no sidecar of `env` is left.
#[track_caller]
pub fn wait_no_sidecar(env: &TestEnv) {
    wait_until("all sidecars to leave", || !env.processes().iter().any(|p| p.is_sidecar));
}

/// Whether strace can make faults here; says so if not.
pub fn can_trace() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    let can = *CAN.get_or_init(|| {
        let mut probe = Command::new("strace");
        probe.args(["-o", "/dev/null", "-e", "trace=close", "-e", "inject=close:error=EIO:when=9999", "true"]);
        probe.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    });
    if !can {
        eprintln!("passed over: strace cannot trace here");
    }
    can
}

/// `bgo ARGS…` with the fault `fault` (as in `signal=KILL:when=3`) at `calls`.
#[track_caller]
pub fn with_fault(env: &TestEnv, calls: &str, fault: &str, args: &[&str]) -> super::env::Running {
    let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{fault}"));
    let strace = ["-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject, super::env::BGO];
    env.program("strace", &[&strace, args].concat()).spawn()
}

/// strace on a running process, ended with it or when dropped.
pub struct Tracer(Child);

impl Tracer {
    /// Puts `fault` at `calls` of the running process `pid`; `None`, and says so, if that is not allowed.
    pub fn attach(pid: u32, calls: &str, fault: &str) -> Option<Tracer> {
        let (trace, inject) = (format!("trace={calls}"), format!("inject={calls}:{fault}"));
        Tracer::attach_with(pid, &["-e", &trace, "-e", &inject], Path::new("/dev/null"))
    }

    /// As [`Tracer::attach`], with any options; the calls are written to `log`.
    pub fn attach_with(pid: u32, options: &[&str], log: &Path) -> Option<Tracer> {
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-y", "-p", &pid.to_string(), "-o"]).arg(log).args(options);
        let mut tracer = Tracer(strace.stderr(Stdio::null()).spawn().ok()?);
        let mut refused = false;
        wait_until("strace to attach", || {
            // A fault may end it at once, and strace with it.
            refused = tracer.0.try_wait().unwrap().is_some() && alive(pid);
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            refused
                || !alive(pid)
                || status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
        });
        if refused {
            eprintln!("passed over: strace may not attach here");
        }
        (!refused).then_some(tracer)
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn last_exit(env: &TestEnv, name: &str) -> Value {
    env.record(name)["exits"].as_array().unwrap().last().cloned().unwrap_or(Value::Null)
}

// ---------------------------------------------------------------------------------------------- dead sidecars

#[test]
fn a_process_runs_on_without_its_sidecar_and_status_says_so() {
    let env = TestEnv::new();
    let script = "trap 'echo still here' USR1; echo ready; while :; do sleep 0.05; done";
    let pid = env.start_script(&["-w"], "web", script);
    kill9(env.sidecar("web"));
    let row = env.row("web");
    assert_eq!((&row["state"], &row["status"]), (&"running".into(), &"online".into()));
    assert_eq!(row["sidecar_pid"], Value::Null);
    let table = env.bgo(&["status", "--plain"]).ok().stdout;
    assert!(table.contains("! dead"), "{table}");
    signal(pid, Signal::SIGUSR1);
    wait_until("its output to reach the log", || env.log("web", "out").contains("still here"));
    let refused = env.bgo(&["start", "web", "--", "sleep", "1000"]).code(1);
    assert!(refused.stderr.contains(&format!("already running with pid {pid}")), "{}", refused.stderr);
}

#[test]
fn stop_ends_everything_of_a_process_whose_sidecar_is_dead() {
    let env = TestEnv::new();
    // In a session of its own; with an empty environment; daemonised.
    let script = "setsid sleep 100071 & env -i sleep 100072 & (setsid sleep 100073 &) ; trap '' TERM; echo ready; \
                  while :; do sleep 0.1; done";
    let pid = env.start_script(&["-w", "--stop-timeout", "200ms"], "web", script);
    let sleeps = || -> Vec<u32> { (100071..=100073).filter_map(|n| running(&format!("sleep {n}"))).collect() };
    wait_until("the helpers to run", || sleeps().len() == 3);
    let helpers = sleeps();
    kill9(env.sidecar("web"));
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(helpers.into_iter().filter(|&pid| alive(pid)).collect::<Vec<_>>(), NONE);
    assert!(!alive(pid));
    let row = env.row("web");
    assert_eq!((&row["state"], &row["signal"]), (&"stopped".into(), &"SIGKILL".into()));
}

/// A process with this very command line.
fn running(command: &str) -> Option<u32> {
    let wanted = format!("{}\0", command.replace(' ', "\0"));
    let pids = fs::read_dir("/proc").unwrap().filter_map(|e| e.ok()?.file_name().to_string_lossy().parse().ok());
    pids.filter(|&pid: &u32| alive(pid))
        .find(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line == wanted.as_bytes()))
}

#[test]
fn watch_gives_a_process_a_new_sidecar_that_restarts_it() {
    let env = TestEnv::new();
    let old = env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "1000"]);
    kill9(env.sidecar("web"));
    env.bgo(&["watch", "web"]).ok();
    assert_eq!(bodies(&env, "web"), [old]);
    assert!(alive(env.sidecar("web")));
    for _ in 0..2 {
        let before = env.pid("web");
        signal(before, Signal::SIGKILL);
        wait_until("the restart", || env.pid("web") != before && settled(&env, "web"));
    }
    assert_eq!(env.row("web")["restarts"], 2);
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(bodies(&env, "web"), NONE);
}

#[test]
fn resurrect_attaches_a_new_sidecar_that_learns_the_exit_code() {
    let env = TestEnv::new();
    let pid = env.start_script(&[], "job", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done");
    kill9(env.sidecar("job"));
    env.bgo(&["resurrect"]).ok();
    assert_eq!(bodies(&env, "job"), [pid]);
    signal(pid, Signal::SIGUSR1);
    wait_until("the end to be recorded", || env.record("job")["status"] == "stopped");
    // Linux tells it since 6.15, once the parent (the init of this machine) has reaped.
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let version: Vec<u32> = release.split(['.', '-']).take(2).filter_map(|n| n.parse().ok()).collect();
    let reaped = stat(pid).is_empty();
    let expected = if version >= vec![6, 15] && reaped { Value::from(7) } else { Value::Null };
    assert_eq!(last_exit(&env, "job")["code"], expected, "Linux {release}, reaped: {reaped}");
    assert_eq!(env.row("job")["state"], "exited");
}

#[test]
fn an_end_that_nobody_saw_is_unknown_and_resurrected() {
    let env = TestEnv::new();
    env.bgo(&["start", "--settle", "0", "web", "--", "sh", "-c", "exit 5"]).ok();
    wait_until("the first life to end", || env.record("web")["status"] == "stopped");
    wait_no_sidecar(&env);
    let pid = env.start("web", &["sleep", "1000"]);
    signal(env.sidecar("web"), Signal::SIGKILL);
    kill9(pid);
    let row = env.row("web");
    assert_eq!((&row["state"], &row["status"]), (&"exited".into(), &"stopped".into()));
    assert_eq!((&row["exit_code"], &row["signal"]), (&Value::Null, &Value::Null));
    env.bgo(&["resurrect"]).ok();
    assert!(settled(&env, "web"));
    env.bgo(&["stop", "web"]).ok();
    env.bgo(&["resurrect"]).ok();
    assert!(!settled(&env, "web"), "a stopped process was resurrected");
}

/// Pauses the sidecar of "web" at a moment when it does not hold the write lock.
#[track_caller]
pub fn pause(env: &TestEnv, sidecar: u32) {
    let write_lock = File::open(env.state().join("run/web.write")).unwrap();
    wait_until("the sidecar to hang without the write lock", || {
        signal(sidecar, Signal::SIGSTOP);
        wait_until("the pause", || stat(sidecar)[0] == "T");
        let free = write_lock.try_lock().is_ok();
        write_lock.unlock().unwrap();
        if !free {
            signal(sidecar, Signal::SIGCONT);
        }
        free
    });
}

#[test]
fn a_hung_sidecar_does_not_keep_stop_from_its_work() {
    let env = TestEnv::new();
    env.start_with(&["-w"], "web", &["sleep", "1000"]);
    let sidecar = env.sidecar("web");
    pause(&env, sidecar);
    env.bgo(&["stop", "--timeout", "50ms", "web"]).ok();
    assert!(!settled(&env, "web"));
    wait_no_sidecar(&env);
}

#[test]
fn a_sidecar_that_hangs_in_a_write_does_not_keep_stop_from_its_work() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    env.start_with(&["-w"], "web", &["sleep", "1000"]);
    let sidecar = env.sidecar("web");
    let Some(_tracer) = Tracer::attach(sidecar, "rename,renameat,renameat2", "signal=STOP:when=1") else { return };
    let watch = env.cmd(&["watch", "web"]).spawn();
    wait_until("the sidecar to hang", || matches!(stat(sidecar)[0].as_str(), "T" | "t"));
    env.bgo(&["stop", "--timeout", "50ms", "web"]).ok();
    assert!(!settled(&env, "web"));
    wait_no_sidecar(&env);
    watch.finish(); // It may or may not have got what it wanted, but it ends.
}

/// The sidecar dies after the command has found it alive, and before the wish is on disk.
#[test]
fn a_sidecar_that_dies_while_it_is_asked_is_replaced_by_the_command() {
    if !can_trace() {
        return;
    }
    for verb in ["stop", "restart", "watch"] {
        let env = TestEnv::new();
        let old = env.start_with(&["-w"], "web", &["sleep", "1000"]);
        let sidecar = env.sidecar("web");
        let asking = with_fault(&env, "fsync", "delay_enter=300000:when=1", &[verb, "web"]);
        wait_until("the wish to be under way", || env.entries("procs").contains(&".web.json.tmp".to_owned()));
        kill9(sidecar);
        let outcome = asking.finish().ok();
        assert!(outcome.took.as_secs() < 3, "{verb} took {:?}", outcome.took);
        assert_eq!(settled(&env, "web"), verb != "stop", "after {verb}");
        assert_eq!(bodies(&env, "web") == [old], verb == "watch", "after {verb}");
    }
}

/// Shutdown: init sends SIGTERM to everything, in any order; some processes take their leave with code 0.
#[test]
fn after_a_shutdown_exactly_what_was_up_is_resurrected() {
    let env = TestEnv::new();
    let polite = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done";
    for (name, code) in [("done", "0"), ("failed", "3")] {
        env.bgo(&["start", "--settle", "0", name, "--", "sh", "-c", &format!("exit {code}")]).ok();
        wait_until("it to end", || env.record(name)["status"] == "stopped");
    }
    wait_no_sidecar(&env);
    env.start("stopped", &["sleep", "1000"]);
    env.bgo(&["stop", "stopped"]).ok();
    let mut up = Vec::new();
    for watched in [false, true] {
        for first in [false, true] {
            for kind in ["plain", "polite"] {
                let name = format!("{kind}-{watched}-{first}");
                let flags: &[&str] = if watched { &["-w", "--min-uptime", "0"] } else { &[] };
                let pid = match kind {
                    "plain" => env.start_with(flags, &name, &["sleep", "1000"]),
                    _ => env.start_script(flags, &name, polite),
                };
                up.push((name, first, pid));
            }
        }
    }
    for (name, sidecar_first, pid) in &up {
        let sidecar = env.sidecar(name);
        let order = if *sidecar_first { [sidecar, *pid] } else { [*pid, sidecar] };
        order.into_iter().for_each(|pid| signal(pid, Signal::SIGTERM));
    }
    wait_no_sidecar(&env);
    env.bgo(&["resurrect"]).ok();
    for (name, ..) in &up {
        assert_eq!(bodies(&env, name).len(), 1, "{name} after the reboot: {}", env.record(name));
    }
    for name in ["done", "failed", "stopped"] {
        assert_eq!(bodies(&env, name), NONE, "{name} was not up");
    }
}

// ---------------------------------------------------------------------------------------------- killed anywhere

/// The calls at which commands and sidecars are killed.
const CALLS: [&str; 7] =
    ["openat,open", "write,pwrite64", "rename,renameat,renameat2", "fsync", "flock", "pidfd_send_signal", "poll,ppoll"];
const START: [&str; 6] = ["start", "--settle", "0", "web", "--", "sleep"];

fn start_args() -> Vec<&'static str> {
    [&START[..], &["1000"]].concat()
}

/// Waits until a sidecar that was launched has started its process, or has left and freed the name.
#[track_caller]
pub fn wait_decided(env: &TestEnv) {
    // The lock file goes with the name; the write lock's may stay when a command dies in that moment.
    let lock = env.state().join("run/web.alive");
    let is_free = || !lock.exists() || File::open(&lock).is_ok_and(|file| file.try_lock().is_ok());
    let is_up = || env.record_path("web").exists() && env.record("web")["state"] != "starting";
    wait_until("the sidecar to decide", || is_up() || is_free());
}

/// Kills `bgo VERB web` at every call of `CALLS`. After each: nothing is lost or doubled, and the same command works
/// when it is given again.
fn kill_the_command_everywhere(verb: &str) {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let start = start_args();
    let args: Vec<&str> = match verb {
        "start" => start.clone(),
        "delete" => vec!["delete", "-y", "web"],
        other => vec![other, "web"],
    };
    for calls in CALLS {
        // Every second file opened will do.
        for n in (1..).step_by(if calls == CALLS[0] { 2 } else { 1 }) {
            if verb != "start" {
                env.bgo(&start).ok();
            }
            let outcome = with_fault(&env, calls, &format!("signal=KILL:when={n}"), &args).finish();
            let killed = outcome.code == 137;
            let at = format!("{verb} killed at {calls} {n}");
            wait_decided(&env);
            let runs = settled(&env, "web");
            if !killed {
                outcome.ok();
            } else if !(verb == "start" && runs || verb == "delete" && !env.record_path("web").exists()) {
                env.bgo(&args).ok();
            }
            assert_eq!(settled(&env, "web"), !matches!(verb, "stop" | "delete"), "{at}");
            if verb != "delete" {
                env.bgo(&["stop", "web"]).ok();
                assert_eq!(bodies(&env, "web"), NONE, "{at}");
                env.bgo(&["delete", "web"]).ok();
            }
            if !killed {
                break;
            }
        }
    }
}

#[test]
fn start_may_be_killed_anywhere() {
    kill_the_command_everywhere("start");
}

#[test]
fn stop_may_be_killed_anywhere() {
    kill_the_command_everywhere("stop");
}

#[test]
fn restart_may_be_killed_anywhere() {
    kill_the_command_everywhere("restart");
}

#[test]
fn delete_may_be_killed_anywhere() {
    kill_the_command_everywhere("delete");
}

#[test]
fn watch_may_be_killed_anywhere() {
    kill_the_command_everywhere("watch");
}

/// Kills the sidecar at the first calls of `CALLS` that it makes while `act` happens. After each: nothing is lost or
/// doubled, and `resurrect` and `stop` work as ever.
fn kill_the_sidecar_everywhere(what: &str, act: impl Fn(&TestEnv)) {
    if !can_trace() {
        return;
    }
    for calls in ["clone,fork,clone3"].iter().chain(&CALLS) {
        let env = TestEnv::new();
        for n in 1..=4 {
            let at = format!("sidecar killed at {calls} {n} of {what}");
            env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "1000"]);
            let sidecar = env.sidecar("web");
            let Some(tracer) = Tracer::attach(sidecar, calls, &format!("signal=KILL:when={n}")) else { return };
            act(&env);
            let killed = !alive(sidecar);
            drop(tracer);
            if killed {
                let wanted = env.record("web")["want"] == "up";
                env.bgo(&["resurrect"]).ok();
                assert_eq!(settled(&env, "web"), wanted, "{at}: {}", env.record("web"));
            }
            env.bgo(&["stop", "web"]).ok();
            assert!(!settled(&env, "web"), "{at}");
            if !killed {
                break;
            }
        }
    }
}

#[test]
fn the_sidecar_may_be_killed_anywhere_in_a_restart_by_policy() {
    kill_the_sidecar_everywhere("a restart by policy", |env| {
        let (old, sidecar) = (env.pid("web"), env.sidecar("web"));
        kill9(old);
        wait_until("the restart", || !alive(sidecar) || env.pid("web") != old);
        settled(env, "web");
    });
}

#[test]
fn the_sidecar_may_be_killed_anywhere_in_a_restart_by_command() {
    kill_the_sidecar_everywhere("restart", |env| {
        env.bgo(&["restart", "web"]).ok();
        assert!(settled(env, "web"));
    });
}

#[test]
fn the_sidecar_may_be_killed_anywhere_in_a_stop() {
    kill_the_sidecar_everywhere("stop", |env| {
        env.bgo(&["stop", "web"]).ok();
        assert!(!settled(env, "web"));
    });
}

/// The record still says `backoff` when the next life has begun.
#[test]
fn a_process_started_after_a_backoff_is_found_if_its_sidecar_dies_at_once() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let job = env.script("job", "[ -e again ] && exec sleep 1000\n: > again\nexit 3");
    env.bgo(&["start", "--settle", "0", "-w", "job", "--", job.to_str().unwrap()]).ok();
    wait_until("the backoff", || env.record("job")["state"] == "backoff");
    let sidecar = env.sidecar("job");
    let Some(_tracer) = Tracer::attach(sidecar, "flock", "signal=KILL:when=1") else { return };
    wait_until("the sidecar's death", || !alive(sidecar));
    assert!(settled(&env, "job"));
    env.bgo(&["start", "job", "--", "sleep", "1000"]).code(1);
    env.bgo(&["stop", "job"]).ok();
    assert_eq!(bodies(&env, "job"), NONE);
}

// ---------------------------------------------------------------------------------------------- nothing can be written

const WRITES: [&str; 3] = ["write,pwrite64", "fsync", "rename,renameat,renameat2"];

#[test]
fn a_start_that_cannot_be_written_down_leaves_nothing() {
    if !can_trace() {
        return;
    }
    for (error, words) in
        [("ENOSPC", "No space left on device"), ("EIO", "I/O error"), ("EROFS", "Read-only file system")]
    {
        for calls in WRITES {
            let env = TestEnv::new();
            for n in 1.. {
                let at = format!("{error} at {calls} {n}");
                let outcome = with_fault(&env, calls, &format!("error={error}:when={n}"), &start_args()).finish();
                wait_decided(&env);
                if outcome.code == 0 {
                    // What failed here is the message on stdout, or there were fewer calls.
                    assert!(settled(&env, "web"), "{at}");
                    break;
                }
                let outcome = outcome.code(1);
                assert!(outcome.stderr.contains(words), "{at}: {}", outcome.stderr);
                if outcome.stderr.contains("cannot write to stdout") {
                    break;
                }
                assert_eq!((env.entries("procs"), bodies(&env, "web")), (vec![], NONE.to_vec()), "{at}");
            }
        }
    }
}

/// The name says what is wanted: the process must end, also when that cannot be written.
#[test]
fn a_full_disk_does_not_keep_anybody_from_stopping() {
    if !can_trace() {
        return;
    }
    for flags in [&[][..], &["-w"]] {
        let env = TestEnv::new();
        let pid = env.start_with(flags, "web", &["sleep", "1000"]);
        let refused = with_fault(&env, "fsync", "error=ENOSPC", &["restart", "web"]).finish().code(1);
        assert!(refused.stderr.contains("No space left on device"), "{}", refused.stderr);
        assert_eq!(bodies(&env, "web"), [pid], "a restart that cannot be written down touches nothing");
        let outcome = with_fault(&env, "fsync", "error=ENOSPC", &["stop", "web"]).finish().ok();
        assert!(outcome.stderr.contains("cannot be written"), "{}", outcome.stderr);
        assert!(!settled(&env, "web"));
        env.bgo(&["restart", "web"]).ok();
        assert!(settled(&env, "web"));
    }
}

/// A failing system call between fork and the first fact must not leave a process that nobody knows.
#[test]
fn a_process_that_cannot_be_supervised_is_not_left_running() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let bgo = [super::env::BGO, "start", "web", "--", "sh", "-c", "sleep 0.3; : > survived"];
    let strace =
        ["-f", "-qq", "-o", "/dev/null", "-e", "trace=pidfd_open", "-e", "inject=pidfd_open:error=EMFILE:when=1"];
    let outcome = env.program("strace", &[&strace[..], &bgo].concat()).run().code(1);
    assert!(outcome.stderr.contains("Too many open files"), "{}", outcome.stderr);
    // strace ends with the last process it follows.
    assert!(!env.work().join("survived").exists());
    assert_eq!(env.names(), Vec::<String>::new());
}

/// A tmpfs of 64 KiB as `~/.bgo`, unmounted when dropped; `None`, and says so, where that is not allowed.
pub struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    /// Mounts it.
    pub fn mount(env: &TestEnv) -> Option<SmallDisk> {
        fs::create_dir_all(env.state()).unwrap();
        // Only in a mount namespace of our own, which TestEnv has made.
        let private =
            fs::read_link("/proc/self/ns/mnt").unwrap() != fs::read_link("/proc/1/ns/mnt").unwrap_or_default();
        let ours = std::env::var_os("BGO_TESTS_IN_NAMESPACE").is_some() || private;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(env.state()).stderr(Stdio::null());
        let mounted = ours && mount.status().is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("passed over: no tmpfs may be mounted here");
        }
        mounted.then(|| SmallDisk(env.state()))
    }

    pub fn filler(&self) -> std::path::PathBuf {
        self.0.join("filler")
    }

    pub fn fill(&self) {
        SmallDisk::fill_up(&self.filler());
    }

    /// Leaves no room on the disk of `filler`.
    pub fn fill_up(filler: &Path) {
        let mut filler = File::create(filler).unwrap();
        while filler.write_all(&[b'x'; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_a_process_is_supervised_from_memory() {
    let env = TestEnv::new();
    let Some(disk) = SmallDisk::mount(&env) else { return };
    let first = env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "1000"]);
    disk.fill();
    let refused = env.bgo(&["start", "other", "--", "sleep", "1000"]).code(1);
    assert!(refused.stderr.contains("No space left on device"), "{}", refused.stderr);
    assert_eq!(bodies(&env, "other"), NONE);
    kill9(first);
    wait_until("the restart", || !bodies(&env, "web").is_empty());
    let second = bodies(&env, "web")[0];
    assert_eq!(env.pid("web"), first, "nothing could be written");
    // It says so only once the sidecar has had the time to write.
    wait_until("status to say so", || env.row("web")["reason"] == "its record cannot be written");
    fs::remove_file(disk.filler()).unwrap();
    kill9(second); // Something happens, and is written down with what was kept.
    wait_until("the facts to be written", || ![first, second].contains(&env.pid("web")));
    let row = env.row("web");
    assert_eq!((&row["state"], &row["restarts"]), (&"running".into(), &2.into()));
    assert!(row["degraded"].as_str().is_some_and(|text| text.contains("No space left on device")), "{row}");
    assert_eq!(env.record("web")["exits"].as_array().unwrap().len(), 2);
    disk.fill();
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(bodies(&env, "web"), NONE);
}

// ---------------------------------------------------------------------------------------------- torn and foreign files

#[test]
fn a_torn_record_is_shown_and_left_alone() {
    let env = TestEnv::new();
    let web = env.start_with(&["-w"], "web", &["sleep", "1000"]);
    let other = env.start("other", &["sleep", "1000"]);
    let whole = fs::read_to_string(env.record_path("web")).unwrap();
    let half = &whole[..whole.len() / 2];
    for torn in ["", half, "\0\0\0\0", "null", "[1, 2]", "{\"name\": \"web\"}"] {
        env.put_record("web", torn);
        let row = env.row("web");
        assert_eq!((&row["state"], &row["pid"]), (&"corrupt".into(), &Value::Null), "{torn:?}");
        assert_eq!(env.row("other")["state"], "running");
        for args in [&["start", "web", "--", "sleep", "1000"][..], &["restart", "web"], &["watch", "web"]] {
            env.bgo(args).code(1);
        }
        env.bgo(&["resurrect"]).code(1);
        assert_eq!(fs::read_to_string(env.record_path("web")).unwrap(), torn, "a corrupt record was overwritten");
        assert_eq!((bodies(&env, "web"), bodies(&env, "other")), (vec![web], vec![other]), "{torn:?}");
    }
    env.put_record("web", &whole);
    env.bgo(&["stop", "web", "other"]).ok();
    assert_eq!(bodies(&env, "web"), NONE);
}

#[test]
fn when_the_home_is_removed_the_process_runs_on_and_nothing_is_restarted() {
    let env = TestEnv::new();
    let pid = env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "1000"]);
    let sidecar = env.sidecar("web");
    fs::remove_dir_all(env.state()).unwrap();
    assert!(alive(pid) && alive(sidecar));
    kill9(pid);
    wait_no_sidecar(&env);
    assert_eq!(bodies(&env, "web"), NONE);
    assert!(!env.state().exists(), "the sidecar has made the home anew");
}

/// A process that is none of ours, with its end.
struct Stranger(Child);

impl Stranger {
    fn new() -> Stranger {
        Stranger(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stranger_with_the_recorded_pid_is_never_signalled() {
    let stranger = Stranger::new();
    let theirs = stranger.0.id();
    let start_time: u64 = stat(theirs)[19].parse().unwrap();
    for verb in ["stop", "restart", "watch", "resurrect", "delete"] {
        let env = TestEnv::new();
        // Its process has ended, unseen; then the pid was given to another process; or all that was before a reboot.
        for (name, start_time, boot) in [("reused", start_time - 1, None), ("booted", start_time, Some("another"))] {
            let pid = env.start_with(&["-w"], name, &["sleep", "1000"]);
            signal(env.sidecar(name), Signal::SIGKILL);
            kill9(pid);
            env.edit_record(name, |record| {
                (record["pid"], record["pgid"]) = (theirs.into(), theirs.into());
                record["identity"]["start_time"] = start_time.into();
                for proof in ["identity", "sidecar"] {
                    if let Some(boot) = boot {
                        record[proof]["boot_id"] = boot.into();
                    }
                }
                (record["sidecar"]["pid"], record["sidecar"]["start_time"]) = (theirs.into(), start_time.into());
            });
            let row = env.row(name);
            assert_eq!((&row["state"], &row["exit_code"]), (&"exited".into(), &Value::Null), "{name}");
            assert_eq!(row["reason"], "it ended unseen, or with the machine");
            assert!(env.bgo(&["status", "--plain"]).ok().stdout.contains("! dead"));
            match verb {
                "resurrect" => env.bgo(&["resurrect"]).ok(),
                "watch" => env.bgo(&["watch", name]).code(1),
                "delete" => env.bgo(&["delete", "-y", name]).ok(),
                _ => env.bgo(&[verb, name]).ok(),
            };
            assert_eq!(settled(&env, name), matches!(verb, "restart" | "resurrect"), "{verb} {name}");
            assert!(alive(theirs), "{verb} {name} has ended a stranger");
        }
    }
}

/// Clocks jump; what counts is the kernel's own.
#[test]
fn a_start_in_the_future_or_long_ago_changes_nothing() {
    let env = TestEnv::new();
    for started_at in ["2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z"] {
        let pid = env.start("web", &["sleep", "1000"]);
        kill9(env.sidecar("web"));
        env.edit_record("web", |record| record["started_at"] = started_at.into());
        let row = env.row("web");
        assert_eq!((&row["state"], &row["pid"]), (&"running".into(), &pid.into()), "{started_at}");
        assert!(row["uptime_ms"].as_u64().unwrap() < 60_000, "{row}");
        env.bgo(&["stop", "web"]).ok();
        assert!(!settled(&env, "web"));
    }
}
