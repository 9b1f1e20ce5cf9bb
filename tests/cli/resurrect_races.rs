//! `resurrect` against what comes in between: a stop, an end, a sidecar that hangs.
//!
//! Why it exists: it runs at a login, when people begin to work. Invariants tested: what somebody stops while it is about to
//! start it stays down, and a stop says only what it did; what it calls resurrected runs or is to be started again; it
//! returns in time. Each moment is held by a signal, a lease or a lock, never by time.

use crate::crash::{Tracer, bodies, can_trace, settled};
use crate::env::{BGO, Running, TestEnv, alive, signal, stat, wait_until};
use crate::race::held;
use crate::revival::power_cut;
use nix::sys::signal::Signal;
use serde_json::json;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const SLEEP: [&str; 2] = ["sleep", "1000"];

/// Has strace(1) stop who makes `call` with the file `path`.
fn stop_at<'a>(call: &'a str, path: &'a str) -> [String; 6] {
    let inject = format!("inject={call}:signal=STOP:when=1");
    ["-P", path, "-e", &format!("trace={call}"), "-e", &inject].map(str::to_owned)
}

fn wait_stopped(log: &Path) {
    let is_stopped = || fs::read_to_string(log).is_ok_and(|log| log.contains("stopped by SIGSTOP"));
    wait_until("it to stop", is_stopped);
}

/// A `resurrect` that has decided to start "web" and owns its name, and is held before it writes. `None`: not possible here.
fn about_to_start(env: &TestEnv) -> Option<Running> {
    let turnstile = File::open(env.state().join("procs")).unwrap();
    turnstile.lock().unwrap();
    let resurrect = env.cmd(&["resurrect"]).spawn();
    let blocked = format!(":{} ", turnstile.metadata().unwrap().ino());
    wait_until("it to wait for its turn", || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&blocked))
    });
    let (lock, log) = (env.state().join("run/web.write"), env.root().join("resurrect.trace"));
    let options = [&["-f".to_owned()][..], &stop_at("openat", lock.to_str().unwrap())].concat();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let tracer = Tracer::attach_with(resurrect.pid, &options, &log)?;
    drop(turnstile);
    wait_stopped(&log);
    // It stays stopped.
    drop(tracer);
    wait_until("it to be let go", || stat(resurrect.pid)[0] == "T");
    Some(resurrect)
}

/// `bgo ARGS…`, held when it makes `call` with the file `path` of the state folder; and the pid of bgo.
fn held_at(env: &TestEnv, call: &str, path: &str, args: &[&str]) -> (Running, u32) {
    let (path, log) = (env.state().join(path), env.root().join(format!("{}.trace", args[0])));
    let options = stop_at(call, path.to_str().unwrap());
    let mut line: Vec<&str> = vec!["-qq", "-o", log.to_str().unwrap()];
    line.extend(options.iter().map(String::as_str).chain([BGO]).chain(args.iter().copied()));
    let running = env.program("strace", &line).spawn();
    wait_stopped(&log);
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.pid)).unwrap();
    (running, children.trim().parse().unwrap())
}

#[test]
fn a_stop_holds_though_resurrect_is_about_to_start_it() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    env.start("web", &SLEEP);
    power_cut(&env);
    let Some(resurrect) = about_to_start(&env) else { return };
    let stop = env.cmd(&["stop", "web"]).spawn();
    wait_until("the wish", || env.record("web")["want"] == "down");
    signal(resurrect.pid, Signal::SIGCONT);
    resurrect.finish().ok().says("nothing to resurrect\n", "");
    stop.finish().ok().says("\"web\" was not running\n", "");
    assert_eq!((env.record("web")["want"].as_str(), bodies(&env, "web")), (Some("down"), vec![]));
}

/// It has looked before the other wrote: what that has started by now is what is to be stopped.
#[test]
fn a_stop_ends_what_resurrect_starts_in_between() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    env.start("web", &SLEEP);
    power_cut(&env);
    let Some(resurrect) = about_to_start(&env) else { return };
    let (stop, bgo) = held_at(&env, "flock", "run/web.alive", &["stop", "web"]);
    signal(resurrect.pid, Signal::SIGCONT);
    resurrect.finish().ok();
    let pid = env.pid("web");
    assert!(alive(pid));
    signal(bgo, Signal::SIGCONT);
    stop.finish().ok().says(&format!("stopped \"web\" (pid {pid})\n"), "");
    assert_eq!((env.record("web")["want"].as_str(), bodies(&env, "web")), (Some("down"), vec![]));
}

#[test]
fn a_stop_holds_though_a_restart_is_about_to_start_it() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    env.start("web", &SLEEP);
    power_cut(&env);
    let (restart, bgo) = held_at(&env, "openat", "run/web.write", &["restart", "web"]);
    let stop = env.cmd(&["stop", "web"]).spawn();
    wait_until("the wish", || env.record("web")["want"] == "down");
    signal(bgo, Signal::SIGCONT);
    let told = "bgo: \"web\" was not started: it was stopped meanwhile\nhint: bgo restart web\n";
    restart.finish().code(1).says("", told);
    stop.finish().ok();
    assert_eq!((env.record("web")["want"].as_str(), bodies(&env, "web")), (Some("down"), vec![]));
}

#[test]
fn a_stop_during_a_start_that_fails_holds_for_what_was_before() {
    let env = TestEnv::new();
    let folder = env.work().join("folder");
    fs::create_dir(&folder).unwrap();
    env.start_with(&["--cwd", folder.to_str().unwrap()], "web", &SLEEP);
    env.start("other", &SLEEP);
    power_cut(&env);
    let log = env.log_path("web", "err");
    fs::remove_file(&log).unwrap();
    let Some(hold) = held(&log) else { return };
    let resurrect = env.cmd(&["resurrect", "web"]).spawn();
    wait_until("the sidecar to open the log", || {
        let waits =
            |pid: u32| fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|at| at.contains("break_lease"));
        env.processes().into_iter().any(|process| process.is_sidecar && waits(process.pid))
    });
    let stop = env.cmd(&["stop", "web"]).spawn();
    wait_until("the wish", || env.record("web")["want"] == "down");
    fs::remove_dir(&folder).unwrap();
    drop(hold);
    resurrect.finish().code(1);
    stop.finish().ok();
    fs::create_dir(&folder).unwrap();
    env.bgo(&["resurrect"]).ok();
    assert!(!settled(&env, "web") && settled(&env, "other"));
}

#[test]
fn what_is_given_up_at_once_was_not_resurrected() {
    let env = TestEnv::new();
    let script = env.script("svc.sh", "test -e ok || exit 1; exec sleep 1000");
    let script = script.to_str().unwrap();
    fs::write(env.work().join("ok"), "").unwrap();
    env.start_with(&["-w", "--max-fast-crashes", "1"], "given-up", &[script]);
    env.start_with(&["-w", "--backoff", "1h", "--backoff-max", "1h"], "again", &[script]);
    power_cut(&env);
    fs::remove_file(env.work().join("ok")).unwrap();
    let said = env.bgo(&["resurrect", "given-up"]).code(1);
    let hint = "hint: bgo restart given-up tries again; bgo logs given-up shows its output\n";
    assert!(said.stderr.starts_with("bgo: \"given-up\" ended at once: exit code 1 after "), "{}", said.stderr);
    assert!(said.stderr.ends_with(hint) && said.stdout.is_empty(), "{}", said.stderr);
    let told = "resurrected \"again\", which ended at once and is to be started again: it was up, and is gone with its \
                sidecar\n";
    env.bgo(&["resurrect", "again"]).ok().says(told, "");
    power_cut(&env);
    let answer = env.bgo(&["resurrect", "again", "--json"]).ok().json();
    assert_eq!((&answer["action"], &answer["pid"]), (&json!("started"), &json!(null)));
}

/// What does not hold it would be killed for nothing.
#[test]
fn a_sidecar_is_not_killed_for_a_lock_that_another_process_holds() {
    let env = TestEnv::new();
    let pid = env.start_with(&["-w"], "web", &SLEEP);
    let sidecar = env.sidecar("web");
    let lock: PathBuf = env.state().join("run/web.write");
    let held = File::open(&lock).unwrap();
    held.lock().unwrap();
    let us = std::process::id();
    let said = env.bgo(&["stop", "web"]).code(124);
    let begins = format!("bgo: cannot lock {}: pid {us} (", lock.display());
    let hint = format!("hint: kill -CONT {us} lets it go on if it is paused; kill {us} ends it\n");
    assert!(said.stderr.starts_with(&begins) && said.stderr.ends_with(&hint), "{}", said.stderr);
    assert!(alive(sidecar) && alive(pid));
    drop(held);
    env.bgo(&["stop", "web"]).ok().says(&format!("stopped \"web\" (pid {pid})\n"), "");
}

#[test]
fn a_sidecar_that_hangs_while_it_takes_up_what_lost_its_record_does_not_hold_up_a_login() {
    let env = TestEnv::new();
    let pid = env.start("web", &SLEEP);
    env.start("other", &SLEEP);
    power_cut_of(&env, "other");
    let log = env.log_path("web", "watcher");
    fs::remove_file(env.record_path("web")).unwrap();
    fs::remove_file(&log).unwrap();
    let Some(hold) = held(&log) else { return };
    let said = env.bgo(&["resurrect", "--timeout", "2s"]).code(124);
    let told = "bgo: \"web\" was not brought back: it is not done after 2s\n\
                hint: bgo resurrect web tries again; --timeout TIME gives it longer\n";
    assert!(said.stderr == told && settled(&env, "other"), "{}", said.stderr);
    // A second Ctrl-C does not wait for it, either.
    let resurrect = env.cmd(&["resurrect"]).spawn();
    wait_until("it to end", || {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(resurrect.pid.cast_signed()), Signal::SIGINT);
        !alive(resurrect.pid)
    });
    drop((hold, resurrect));
    env.bgo(&["resurrect"]).ok();
    assert_eq!(bodies(&env, "web"), [pid]);
    assert!(alive(env.sidecar("web")));
}

/// A health check that is killed says nothing of how the process ended.
#[test]
fn what_crashed_while_a_check_was_killed_is_not_brought_back() {
    let env = TestEnv::new();
    let script = "mkfifo end; sh -c 'read end < end; exit 1' & echo $! > left; exit 0";
    let flags = ["--health-cmd", "exec sleep 12345", "--health-interval", "10ms", "--health-timeout", "1h"];
    env.bgo(&[&["start"][..], &flags, &["web", "--", "sh", "-c", script]].concat()).ok();
    wait_until("a check", || env.copies("sleep 12345").len() == 1);
    env.wait_state("web", "detached");
    let sidecar = env.sidecar("web");
    let left: u32 = fs::read_to_string(env.work().join("left")).unwrap().trim().parse().unwrap();
    let check = env.copies("sleep 12345")[0];
    crate::crash::pause(&env, sidecar);
    crate::env::kill9(check);
    fs::write(env.work().join("end"), "now\n").unwrap();
    wait_until("both to have ended", || !alive(check) && !alive(left));
    signal(sidecar, Signal::SIGCONT);
    env.wait_state("web", "exited");
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
}

/// Ends one as a power cut would.
fn power_cut_of(env: &TestEnv, name: &str) {
    let both = [env.sidecar(name), env.pid(name)];
    both.into_iter().for_each(crate::env::kill9);
    wait_until("both to be gone", || !both.into_iter().any(alive));
}
