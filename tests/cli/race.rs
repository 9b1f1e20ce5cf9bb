//! Several commands on one name at once, and commands against deaths.
//!
//! Why it exists: files, locks and signals must hold without a daemon that puts things in order. Invariants tested:
//! never two processes of one name at the same moment; what the last command wished is so; what was stopped stays down.
//! A test asserts what holds in every interleaving; where one interleaving matters, it is forced with a paused sidecar,
//! a lease on a log (whoever opens it waits), or a delay made by strace(1).

#![allow(unsafe_code)] // Leases have no safe wrapper.

use super::crash::{NONE, all_bodies, bodies, can_trace, pause, settled, wait_no_sidecar, with_fault};
use super::env::{Outcome, Running, TestEnv, alive, kill9, proc_status, signal, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn finish_all(running: Vec<Running>) -> Vec<Outcome> {
    running.into_iter().map(Running::finish).collect()
}

/// SIGKILL to a process that may have ended.
fn strike(pid: u32) {
    let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
}

// ---------------------------------------------------------------------------------------------- many starts

#[test]
fn of_twenty_starts_of_one_name_one_wins() {
    let env = TestEnv::new();
    let starts = (0..20).map(|_| env.cmd(&["start", "web", "--", "sleep", "1000"]).spawn()).collect();
    let outcomes = finish_all(starts);
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|o| o.code == 0);
    assert_eq!((won.len(), lost.len()), (1, 19));
    let pid = bodies(&env, "web")[0];
    assert!(won[0].stdout.contains(&format!("(pid {pid})")), "{}", won[0].stdout);
    for loser in lost {
        let loser = loser.code(1);
        let known = [format!("already running with pid {pid}"), "being started or stopped".to_owned()];
        assert!(known.iter().any(|text| loser.stderr.contains(text)), "{}", loser.stderr);
    }
    assert!(settled(&env, "web"));
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(bodies(&env, "web"), NONE);
}

#[test]
fn of_a_hundred_starts_none_is_lost() {
    let env = TestEnv::new();
    let names: Vec<String> = (0..100).map(|n| format!("p{n}")).collect();
    let start = |name: &String| env.cmd(&["start", "--settle", "0", name, "--", "sleep", "1000"]).spawn();
    finish_all(names.iter().map(start).collect()).into_iter().for_each(|o| _ = o.ok());
    let rows = env.rows();
    assert_eq!(rows.iter().filter(|row| row["state"] == "running").count(), 100);
    assert!(names.iter().all(|name| bodies(&env, name).len() == 1));
    env.bgo(&["stop", "--all"]).ok();
    env.assert_all_gone();
}

// ---------------------------------------------------------------------------------------------- stop and restart

#[test]
fn a_stop_beats_the_restart_of_a_process_that_dies_at_the_same_moment() {
    let env = TestEnv::new();
    for round in 0..30 {
        let pid = env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "1000"]);
        let stop = env.cmd(&["stop", "web"]).spawn();
        // From before the wish is written to after the process is signalled.
        let moment = Instant::now() + Duration::from_micros(200 * round);
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        strike(pid);
        stop.finish().ok();
        assert_eq!((env.record("web")["want"].as_str(), bodies(&env, "web")), (Some("down"), vec![]), "round {round}");
        wait_no_sidecar(&env);
        assert!(!settled(&env, "web"), "round {round}");
    }
}

/// Whichever wish comes last holds, and who is overruled hears of it at once.
#[test]
fn of_a_restart_and_a_stop_at_once_the_last_wish_holds() {
    let env = TestEnv::new();
    for round in 0..20 {
        let flags: &[&str] = if round % 4 < 2 { &["-w"] } else { &[] };
        env.start_with(flags, "web", &["sleep", "1000"]);
        let verbs = if round % 2 == 0 { ["restart", "stop"] } else { ["stop", "restart"] };
        let outcomes = verbs.map(|verb| env.cmd(&[verb, "web"]).spawn()).map(Running::finish);
        let runs = settled(&env, "web");
        let record = env.record("web");
        assert_eq!(record["want"] == "up", runs, "round {round}: {record}");
        for (verb, outcome) in verbs.iter().zip(&outcomes) {
            let overruled = runs == (*verb == "stop");
            let failed = outcome.code == 1 && overruled;
            assert!(outcome.code == 0 || failed, "round {round}: {verb}: {}; {record}", outcome.stderr);
            assert!(outcome.took < Duration::from_secs(4), "round {round}: {verb} took {:?}", outcome.took);
        }
        env.bgo(&["stop", "web"]).ok();
        assert_eq!(bodies(&env, "web"), NONE, "round {round}");
    }
}

/// A stop is over when the run is that it was about.
#[test]
fn a_slow_stop_does_not_end_a_later_run() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    env.bgo(START).ok();
    let stop = with_fault(&env, "poll,ppoll", "delay_exit=300000", &["stop", "web"]);
    wait_until("the end", || env.record("web")["state"] == "stopped");
    env.bgo(START).ok();
    stop.finish().ok();
    assert!(settled(&env, "web"));
}

/// The new process ends before the restarting command has looked: it was started once, and that is the answer.
#[test]
fn a_restart_of_a_short_command_starts_it_once() {
    if !can_trace() {
        return;
    }
    for (code, says) in [(0, "ended"), (3, "exit code 3")] {
        let env = TestEnv::new();
        let body = format!("echo run >> runs\n[ -e again ] && exit {code}\n: > again\nexec sleep 1000");
        let job = env.script("job", &body);
        env.start("job", &[job.to_str().unwrap()]);
        wait_until("the first run", || env.work().join("again").exists());
        let restart = with_fault(&env, "poll,ppoll", "delay_exit=100000", &["restart", "job"]).finish();
        assert_eq!(restart.code, i32::from(code != 0), "{}", restart.stderr);
        assert!([restart.stdout, restart.stderr].concat().contains(says));
        assert_eq!(fs::read_to_string(env.work().join("runs")).unwrap().lines().count(), 2);
    }
}

/// A file that nobody else can open until this is dropped: they wait. `None`, and says so, where that is not possible.
pub fn held(path: &std::path::Path) -> Option<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(path).unwrap();
    // Linux's numbers: other systems have no such calls, and refuse them.
    const F_SETSIG: libc::c_int = 10;
    const F_SETLEASE: libc::c_int = 1024;
    const F_WRLCK: libc::c_int = 1;
    // The holder is told by a signal that somebody waits; this one is ignored by default, SIGIO is not.
    // SAFETY: the descriptor is open, and both calls take numbers.
    let leased = unsafe {
        libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) == 0
            && libc::fcntl(file.as_raw_fd(), F_SETLEASE, F_WRLCK) == 0
    };
    if !leased {
        eprintln!("passed over: no leases here");
    }
    leased.then_some(file)
}

/// The wish comes when the sidecar has read its record and not yet registered itself, so nobody can nudge it.
#[test]
fn a_stop_during_a_start_is_not_overlooked() {
    let env = TestEnv::new();
    env.start("other", &["sleep", "1000"]);
    let log = env.log_path("web", "err");
    let Some(hold) = held(&log) else { return };
    let start = env.cmd(&["start", "--settle", "15s", "web", "--", "sleep", "1000"]).spawn();
    wait_until("the sidecar to open the log", || {
        let waits =
            |pid: u32| fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|at| at.contains("break_lease"));
        let sidecars = env.processes().into_iter().filter(|p| p.is_sidecar);
        env.record_path("web").exists() && sidecars.into_iter().any(|p| waits(p.pid))
    });
    let stop = env.cmd(&["stop", "--timeout", "1s", "web"]).spawn();
    wait_until("the wish", || env.record("web")["want"] == "down");
    drop(hold);
    let stop = stop.finish().ok();
    assert!(stop.took < Duration::from_secs(4), "stop took {:?}", stop.took);
    assert_eq!(bodies(&env, "web"), NONE);
    start.finish();
    assert!(!settled(&env, "web"));
}

/// `set` comes when the restart has read the record and not yet written it.
#[test]
fn a_setting_that_changes_during_a_restart_is_not_lost() {
    if !can_trace() {
        return;
    }
    for flags in [&[][..], &["-w"]] {
        let env = TestEnv::new();
        env.start_with(flags, "web", &["sleep", "1000"]);
        env.bgo(&["stop", "web"]).ok();
        wait_no_sidecar(&env);
        // The first lock is that of the ownership, the second is for the record.
        let restart = with_fault(&env, "flock", "delay_enter=500000:when=2", &["restart", "web"]);
        let owner = || File::open(env.state().join("run/web.alive")).is_ok_and(|lock| lock.try_lock().is_err());
        wait_until("the restart to own the name", owner);
        env.bgo(&["set", "web", "--max-runtime", "1h", "--interval", "7", "--max-rss", "1G"]).ok();
        restart.finish().ok();
        let record = env.record("web");
        assert_eq!(record["spec"]["max_runtime"], 3600, "{record}");
        assert_eq!(record["watch"]["interval"], 7, "{record}");
    }
}

// ---------------------------------------------------------------------------------------------- handing over

/// `unwatch` and the death reach the sidecar together: the process is down, and how it ended is known.
#[test]
fn a_process_that_dies_while_it_is_unwatched_stays_down() {
    let env = TestEnv::new();
    let pid = env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "1000"]);
    let sidecar = env.sidecar("web");
    pause(&env, sidecar);
    kill9(pid);
    let unwatch = env.cmd(&["unwatch", "web"]).spawn();
    let hup = |mask: String| u64::from_str_radix(&mask, 16).unwrap() & 1 == 1;
    wait_until("the nudge", || hup(proc_status(sidecar, "ShdPnd")));
    signal(sidecar, Signal::SIGCONT);
    unwatch.finish().ok();
    wait_until("the end to be recorded", || env.record("web")["state"] == "exited");
    assert_eq!((env.row("web")["signal"].as_str(), bodies(&env, "web")), (Some("SIGKILL"), vec![]));
    assert!(!env.log("web", "watcher").contains("watch restart"), "{}", env.log("web", "watcher"));
}

#[test]
fn deaths_around_an_unwatch_never_leave_two_processes_or_a_watched_one() {
    let env = TestEnv::new();
    let names: Vec<String> = (0..20).map(|n| format!("web{n}")).collect();
    for (round, name) in (0u32..).zip(&names) {
        let pid = env.start_with(&["-w", "--min-uptime", "0"], name, &["sleep", "1000"]);
        let unwatch = env.cmd(&["unwatch", name]).spawn();
        let moment = Instant::now() + Duration::from_micros(500) * round;
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        strike(pid);
        unwatch.finish().ok();
        // It was restarted if the death came first; from now on nothing is.
        if settled(&env, name) {
            bodies(&env, name).into_iter().for_each(kill9);
        }
        wait_until("the end to be recorded", || env.record(name)["status"] == "stopped");
    }
    wait_no_sidecar(&env);
    for name in names {
        assert!(!settled(&env, &name), "{name}");
    }
}

/// A later command changes other things; the earlier wish is still to be fulfilled.
#[test]
fn a_stop_is_not_forgotten_over_a_later_change_of_settings() {
    for change in [&["watch", "--min-uptime", "1", "web"][..], &["unwatch", "web"]] {
        let env = TestEnv::new();
        env.start_with(&["-w"], "web", &["sleep", "1000"]);
        let sidecar = env.sidecar("web");
        pause(&env, sidecar);
        let stop = env.cmd(&["stop", "web"]).spawn();
        wait_until("the stop", || env.record("web")["want"] == "down");
        let stop_id = env.record("web")["wish"]["id"].as_u64();
        let change = env.cmd(change).spawn();
        wait_until("the change", || env.record("web")["wish"]["id"].as_u64() > stop_id);
        signal(sidecar, Signal::SIGCONT);
        let stop = stop.finish().ok();
        assert!(stop.took < Duration::from_secs(4), "stop took {:?}", stop.took);
        assert!(!settled(&env, "web"));
        let change = change.finish();
        assert!(change.took < Duration::from_secs(4), "{} took {:?}: {}", change.line, change.took, change.stderr);
    }
}

/// Another command comes while the old sidecar hands over: the new one sees to it, and is the one that is registered.
#[test]
fn a_wish_during_a_hand_over_is_not_lost() {
    for ask in ["restart", "settings"] {
        let env = TestEnv::new();
        let old = env.start_with(&["-w"], "web", &["sleep", "1000"]);
        let sidecar = env.sidecar("web");
        pause(&env, sidecar);
        let unwatch = env.cmd(&["unwatch", "web"]).spawn();
        wait_until("the wish to hand over", || env.record("web")["watch"]["enabled"] == false);
        // The old sidecar has read of the hand-over, and finds the other wish when it writes that down.
        let write_lock = File::open(env.state().join("run/web.write")).unwrap();
        write_lock.lock().unwrap();
        signal(sidecar, Signal::SIGCONT);
        let blocked = format!(":{} ", write_lock.metadata().unwrap().ino());
        wait_until("the sidecar to wait for the write lock", || {
            let locks = fs::read_to_string("/proc/locks").unwrap();
            locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&blocked))
        });
        let mut record = env.record("web");
        let id = record["wish"]["id"].as_u64().unwrap() + 1;
        record["wish"]["id"] = id.into();
        if ask == "restart" {
            record["wish"]["restart"] = id.into();
        }
        let fresh = env.root().join("fresh");
        fs::write(&fresh, record.to_string()).unwrap();
        fs::rename(&fresh, env.record_path("web")).unwrap();
        drop(write_lock);
        let unwatch = unwatch.finish().ok();
        assert!(unwatch.took < Duration::from_secs(4), "unwatch took {:?}", unwatch.took);
        wait_until("the other wish to be seen", || env.record("web")["seen"].as_u64() >= Some(id));
        if ask == "restart" {
            wait_until("the restart", || env.pid("web") != old && settled(&env, "web"));
        }
        wait_until("one sidecar to be left", || env.processes().iter().filter(|p| p.is_sidecar).count() == 1);
        let record = env.record("web");
        assert!(record["sidecar"]["pid"].as_u64().is_some_and(|pid| alive(pid as u32)), "{ask}: {record}");
        assert!(record["identity"].is_object(), "{ask}: {record}");
        let stop = env.bgo(&["stop", "web"]).ok();
        assert!(stop.took < Duration::from_secs(4), "stop took {:?}", stop.took);
        assert_eq!(bodies(&env, "web"), NONE);
    }
}

// ---------------------------------------------------------------------------------------------- many terminals

/// Set when dropped, also by a failing assertion.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// While `work` runs, there are never two processes of one name at the same moment. `over` is set when it is through, and
/// when there were two: it need not go on then. Returns how many processes were seen.
pub fn never_two(env: &TestEnv, over: &AtomicBool, work: impl FnOnce()) -> usize {
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let _over = Over(over);
            let mut seen = HashSet::new();
            while !over.load(Ordering::Relaxed) {
                for (name, found) in all_bodies(env) {
                    seen.extend(found.iter().copied());
                    // Found one after the other; that those found first still run proves that all ran together.
                    let together: Vec<u32> = found.into_iter().filter(|&pid| alive(pid)).collect();
                    assert!(together.len() < 2, "{name} runs {} times: {together:?}", together.len());
                }
            }
            seen.len()
        });
        {
            let _over = Over(over);
            work();
        }
        watcher.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Two terminals, each giving its commands in turn for a while; any of them may be refused, none may fail otherwise.
fn two_terminals(env: &TestEnv, scripts: [&[&[&str]]; 2]) {
    never_two(env, &AtomicBool::new(false), || {
        let until = Instant::now() + Duration::from_secs(2);
        thread::scope(|scope| {
            for script in scripts {
                scope.spawn(move || {
                    for args in script.iter().cycle().take_while(|_| Instant::now() < until) {
                        let outcome = env.bgo(args);
                        assert!([0, 1, 3].contains(&outcome.code), "{}: {}", outcome.line, outcome.stderr);
                        let torn = outcome.stderr.contains("corrupt") || outcome.took > Duration::from_secs(8);
                        assert!(!torn, "{} took {:?}: {}", outcome.line, outcome.took, outcome.stderr);
                    }
                });
            }
        });
    });
    if env.record_path("web").exists() {
        env.bgo(&["stop", "web"]).ok();
    }
    env.assert_all_gone();
}

const START: &[&str] = &["start", "--settle", "0", "web", "--", "sleep", "1000"];
const START_WATCHED: &[&str] = &["start", "--settle", "0", "-w", "--min-uptime", "0", "web", "--", "sleep", "1000"];

#[test]
fn two_terminals_may_do_anything_to_one_name() {
    let env = TestEnv::new();
    env.bgo(START).ok();
    two_terminals(
        &env,
        [
            &[START_WATCHED, &["unwatch", "web"], &["restart", "web"], &["stop", "web"]],
            &[START, &["watch", "web"], &["stop", "web"], &["restart", "web"], &["unwatch", "web"]],
        ],
    );
}

#[test]
fn delete_may_race_start() {
    let env = TestEnv::new();
    let delete: &[&str] = &["delete", "-y", "web"];
    two_terminals(&env, [&[START, delete], &[START_WATCHED, delete, &["clean"]]]);
}

#[test]
fn force_may_race_force() {
    let env = TestEnv::new();
    let force: &[&str] = &["start", "--force", "--settle", "0", "web", "--", "sleep", "1000"];
    two_terminals(&env, [&[force], &[force, &["resurrect"]]]);
}

#[test]
fn status_never_shows_a_torn_record() {
    let env = TestEnv::new();
    let over = AtomicBool::new(false);
    env.bgo(START_WATCHED).ok();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let rows = env.rows();
                assert_eq!(rows.len(), 1, "{rows:?}");
                assert_ne!(rows[0]["state"], "corrupt", "{rows:?}");
            }
        });
        let _over = Over(&over);
        for round in 0..25 {
            match round % 3 {
                0 => _ = env.bgo(&["restart", "web"]).ok(),
                1 => _ = env.bgo(&[["watch", "web"], ["unwatch", "web"]][round % 2]).ok(),
                _ => strike(env.pid("web")),
            }
        }
    });
}

// ---------------------------------------------------------------------------------------------- hard to catch

/// Each makes two more, ten generations deep, half of them in sessions of their own.
#[test]
fn a_stop_by_force_ends_a_process_that_forks_faster_than_anyone_looks() {
    let env = TestEnv::new();
    let bomb = "[ $1 -ge 8 ] && exec sleep 1000\n\"$0\" $(($1 + 1)) &\nsetsid \"$0\" $(($1 + 1)) &\nwait";
    let bomb = env.script("bomb", bomb);
    for sidecar_lives in [true, false] {
        env.start("bomb", &[bomb.to_str().unwrap(), "0"]);
        wait_until("it to spread", || env.processes().len() > 40);
        if !sidecar_lives {
            kill9(env.sidecar("bomb"));
        }
        env.bgo(&["stop", "-f", "bomb"]).ok();
        env.assert_all_gone();
    }
}

/// A chain in which each forks the next and ends at once: there is one all the time, and never the same.
#[test]
fn a_process_that_hops_is_not_taken_for_gone() {
    let env = TestEnv::new();
    // Read by sh, not executed: a test beside this one that forks just now still holds the file open for writing, and the
    // kernel executes no such file.
    let body = "[ $1 -ge 400 ] && { : > landed; exit; }\nsh \"$0\" $(($1 + 1)) &";
    let hop = env.script("hop", body);
    env.bgo(&["start", "--settle", "0", "hop", "--", "sh", hop.to_str().unwrap(), "0"]).ok();
    wait_until("the end to be recorded", || env.record("hop")["state"] == "exited");
    let landed = env.work().join("landed").exists();
    assert!(
        landed,
        "it still hopped when its end was recorded: {:?}\n{}\n{}\n{}",
        env.processes(),
        env.log("hop", "err"),
        env.log("hop", "watcher"),
        env.record("hop")
    );
}

/// A cleaner of temporary files may do this. The lock that proves the sidecar's life is gone then, but not the sidecar.
#[test]
fn a_removed_lock_file_makes_no_second_sidecar() {
    let env = TestEnv::new();
    let pid = env.start_with(&["-w", "--min-uptime", "0"], "web", &["sh", "-c", "exec sleep 4272"]);
    let old = env.sidecar("web");
    for file in env.entries("run") {
        std::fs::remove_file(env.state().join("run").join(file)).unwrap();
    }
    env.bgo(&["set", "web", "--max-runtime", "1h"]).ok();
    wait_until("one sidecar, a fresh one", || !alive(old) && env.sidecar("web") != old);
    assert_eq!(env.pid("web"), pid);
    kill9(pid);
    wait_until("the restart", || env.pid("web") != pid && alive(env.pid("web")));
    wait_until("one process", || env.copies("sleep 4272").len() == 1);
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}
