//! The table "What survives what" of the README: what dies, what goes on, what `status` says of it, and what mends it.
//!
//! Why it exists: each row of that table is a promise about four things at once, so each of its tests looks at all four
//! (see [`assert_shown`]). Invariant, of every row: a process that runs is neither ended nor forgotten nor doubled. Rows
//! about single system calls are proven in `crash.rs`, races in `race.rs`, records in `survival_records.rs`, what is around
//! bgo (disk, limits, binary, clock) in `survival_surroundings.rs`; `tests/guards.rs` holds the table and the tests
//! together.

use super::crash::{NONE, bodies, settled, wait_no_sidecar};
use super::env::{TestEnv, alive, kill9, signal, stat, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

pub const WATCHED: [&str; 3] = ["-w", "--min-uptime", "0"];
/// Says so when it gets SIGUSR1.
pub const TALKER: &str = "trap 'echo still here' USR1; echo ready; while :; do sleep 0.05; done";
/// How an end that nobody saw is explained.
const UNSEEN: &str = "it ended unseen, or with the machine";

/// What `status` shows of `name`: STATUS and WATCH of the table, state and reason of `--json`.
fn shown(env: &TestEnv, name: &str) -> [String; 4] {
    let table = env.bgo(&["status", "--plain"]).ok().stdout;
    let cells = table.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()));
    let cells: Vec<&str> = cells.map(Iterator::collect::<Vec<_>>).find(|cells| cells.first() == Some(&name)).unwrap();
    let row = env.row(name);
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    [cells[1].to_owned(), cells[6].to_owned(), text("state"), text("reason")]
}

/// Waits until `status` shows this of `name`: STATUS and WATCH of the table, state and reason of `--json`.
#[track_caller]
pub fn assert_shown(env: &TestEnv, name: &str, expected: [&str; 4]) {
    let mut before: [String; 4] = Default::default();
    wait_until(&format!("status of {name} to show {expected:?}"), || {
        let now = shown(env, name);
        if now != before {
            eprintln!("status of {name} shows {now:?}");
            before.clone_from(&now);
        }
        now == expected
    });
}

/// `pid` runs as `name`, alone. Waits for it: while a process executes a program it shows no environment to be known by.
#[track_caller]
pub fn assert_runs(env: &TestEnv, name: &str, pid: u32) {
    wait_until(&format!("{name} to run as {pid}, alone"), || bodies(env, name) == [pid]);
}

/// `name` is what it was before the trouble: the process `pid` runs, alone, watched by a sidecar that restarts it.
#[track_caller]
pub fn assert_mended(env: &TestEnv, name: &str, pid: u32) {
    assert_runs(env, name, pid);
    kill9(pid);
    wait_until("the restart", || env.pid(name) != pid && settled(env, name));
}

#[track_caller]
pub fn assert_stopped(env: &TestEnv, name: &str) {
    assert_eq!(bodies(env, name), NONE);
    assert_shown(env, name, ["stopped", shown(env, name)[1].clone().as_str(), "stopped", ""]);
    wait_no_sidecar(env);
}

/// The commands that may act, on `web`.
const MENDERS: [&[&str]; 5] = [
    &["start", "web", "--", "sleep", "1000"],
    &["watch", "web"],
    &["restart", "web"],
    &["resurrect"],
    &["stop", "web"],
];

/// Does what `mender` says and asserts that all is well then.
#[track_caller]
fn mend(env: &TestEnv, mender: &[&str], pid: u32) {
    // A start is refused: it runs.
    env.bgo(mender).code(i32::from(mender[0] == "start"));
    match mender[0] {
        "stop" => assert_stopped(env, "web"),
        "restart" => {
            assert!(!alive(pid));
            assert_mended(env, "web", env.pid("web"));
        }
        _ => assert_mended(env, "web", pid),
    }
}

// ---------------------------------------------------------------------------------------------- the sidecar

#[test]
fn a_killed_sidecar_takes_nothing_with_it() {
    for mender in MENDERS {
        let env = TestEnv::new();
        let pid = env.start_script(&WATCHED, "web", TALKER);
        kill9(env.sidecar("web"));
        assert_shown(&env, "web", ["online", "! dead", "running", ""]);
        assert_eq!((bodies(&env, "web"), &env.row("web")["sidecar_pid"]), (vec![pid], &Value::Null));
        let detail = env.bgo(&["status", "web"]).ok().stdout;
        assert!(detail.contains("(dead; bgo resurrect gives it a new one)"), "{detail}");
        signal(pid, Signal::SIGUSR1);
        wait_until("its output to reach the log", || env.log("web", "out").contains("still here"));
        mend(&env, mender, pid);
    }
}

/// Nobody restarts it anyway; what is lost is who learns how it ends.
#[test]
fn a_killed_sidecar_of_an_unwatched_process_is_replaced() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    kill9(env.sidecar("web"));
    assert_shown(&env, "web", ["online", "-", "running", ""]);
    assert!(env.bgo(&["status", "web"]).ok().stdout.contains("(dead; bgo resurrect gives it a new one)"));
    env.bgo(&["start", "--if-not-running", "web", "--", "sleep", "1000"]).ok();
    assert!(alive(env.sidecar("web")));
    kill9(pid);
    wait_until("the end to be recorded", || env.record("web")["state"] == "exited");
    assert_eq!(bodies(&env, "web"), NONE);
}

#[test]
fn a_stopped_sidecar_goes_on_with_the_next_command() {
    for mender in MENDERS {
        let env = TestEnv::new();
        let pid = env.start_script(&WATCHED, "web", TALKER);
        let sidecar = env.sidecar("web");
        super::crash::pause(&env, sidecar);
        assert_shown(&env, "web", ["online", "[W] 0", "running", ""]);
        signal(pid, Signal::SIGUSR1);
        wait_until("its output to reach the log", || env.log("web", "out").contains("still here"));
        mend(&env, mender, pid);
        assert!(mender[0] == "stop" || env.sidecar("web") == sidecar && stat(sidecar)[0] != "T", "{mender:?}");
    }
}

/// It dies while nobody sees it.
#[test]
fn a_process_that_dies_under_a_stopped_sidecar_is_restarted_late() {
    let env = TestEnv::new();
    let pid = env.start_with(&WATCHED, "web", &["sleep", "1000"]);
    let sidecar = env.sidecar("web");
    super::crash::pause(&env, sidecar);
    kill9(pid);
    assert_shown(&env, "web", ["stopped", "[W] 0", "exited", "its sidecar has not written down its end"]);
    env.bgo(&["resurrect"]).ok();
    assert_shown(&env, "web", ["online", "[W] 1", "running", ""]);
    assert_eq!(env.record("web")["exits"][0]["signal"], "SIGKILL", "how it ended is not lost");
    assert_mended(&env, "web", env.pid("web"));
}

/// A memory cgroup that holds one process and has no room for it; removed when dropped.
struct NoMemory(PathBuf);

impl NoMemory {
    /// `None`, and says so, where no such cgroup can be made.
    fn around(env: &TestEnv, pid: u32) -> Option<NoMemory> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let unique = env.root().file_name().unwrap().to_str().unwrap();
        let below = |root: &str, path: &str| PathBuf::from(format!("{root}{path}/{unique}"));
        let v1 = own
            .lines()
            .find_map(|line| line.split_once(":memory:"))
            .map(|(_, path)| (below("/sys/fs/cgroup/memory", path), "memory.limit_in_bytes", "memory.swappiness"));
        let v2 = own.lines().find_map(|line| line.strip_prefix("0::"));
        let v2 = v2.map(|path| (below("/sys/fs/cgroup", path), "memory.max", "memory.swap.max"));
        let made = v1.or(v2).and_then(|(folder, limit, swap)| {
            fs::create_dir(&folder).ok()?;
            let cgroup = NoMemory(folder);
            let write = |file: &str, text: &str| fs::write(cgroup.0.join(file), text);
            let _ = write(swap, "0"); // There may be no swap.
            // In this order: one that is in it when the limit comes might be too large for it.
            write(limit, "4096").and_then(|()| write("cgroup.procs", &pid.to_string())).ok()?;
            Some(cgroup)
        });
        if made.is_none() {
            eprintln!("no memory cgroup may be made here: SIGKILL it is");
        }
        made
    }
}

impl Drop for NoMemory {
    fn drop(&mut self) {
        let is_gone = || fs::remove_dir(&self.0).is_ok() || !self.0.exists();
        // A second panic would abort the other tests.
        if !std::thread::panicking() {
            wait_until("the cgroup to be empty", is_gone);
        }
    }
}

/// By the kernel, where a memory cgroup can be made; elsewhere by what that comes to.
#[test]
fn an_oom_killed_sidecar_takes_nothing_with_it() {
    for mender in MENDERS {
        let env = TestEnv::new();
        let pid = env.start_script(&WATCHED, "web", TALKER);
        let sidecar = env.sidecar("web");
        match NoMemory::around(&env, sidecar) {
            Some(_cgroup) => {
                // To look at its record it needs memory; the first time it may have some left.
                wait_until("the kernel to end it", || {
                    let lives = alive(sidecar);
                    if lives {
                        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(sidecar as i32), Signal::SIGHUP);
                    }
                    !lives
                });
            }
            None => kill9(sidecar),
        }
        assert_shown(&env, "web", ["online", "! dead", "running", ""]);
        signal(pid, Signal::SIGUSR1);
        wait_until("its output to reach the log", || env.log("web", "out").contains("still here"));
        mend(&env, mender, pid);
    }
}

// ---------------------------------------------------------------------------------------------- the process

#[test]
fn a_killed_process_is_restarted_if_it_is_watched() {
    let env = TestEnv::new();
    let pid = env.start_with(&WATCHED, "web", &["sleep", "1000"]);
    kill9(pid);
    assert_shown(&env, "web", ["online", "[W] 1", "running", ""]);
    let row = env.row("web");
    assert_eq!((&row["restarts"], &row["exits"][0]["signal"]), (&1.into(), &"SIGKILL".into()));
    assert_mended(&env, "web", env.pid("web"));
}

#[test]
fn a_killed_process_stays_down_if_it_is_not_watched() {
    for mender in [&["restart", "web"][..], &["start", "web", "--", "sleep", "1000"], &["resurrect"]] {
        let env = TestEnv::new();
        let pid = env.start("web", &["sleep", "1000"]);
        kill9(pid);
        assert_shown(&env, "web", ["stopped (KILL)", "-", "exited", ""]);
        assert_eq!((env.row("web")["signal"].as_str(), bodies(&env, "web")), (Some("SIGKILL"), vec![]));
        env.bgo(mender).ok();
        assert_shown(&env, "web", ["online", "-", "running", ""]);
        assert_runs(&env, "web", env.pid("web"));
    }
}

// ---------------------------------------------------------------------------------------------- both

const BOTH: [(&str, &[&str], &str); 2] = [("plain", &[], "-"), ("watched", &WATCHED, "[W] 0")];

/// `name` was brought back once, and is supervised as before.
#[track_caller]
fn assert_back(env: &TestEnv, name: &str, watch: &str) {
    assert_shown(env, name, ["online", watch, "running", ""]);
    assert_runs(env, name, env.pid(name));
    assert!(alive(env.sidecar(name)));
}

#[test]
fn what_a_logout_ends_is_brought_back() {
    // It hears the signal at once: a sidecar that was told to leave waits for two seconds, which a busy machine can take for
    // a round of a loop. It is ready when its child is: until that executes, the shell in it takes a signal for its own.
    let polite = "trap 'kill $!; exit 0' TERM; sh -c 'echo ready; exec sleep 1000' & wait";
    for (script, word) in [("echo ready; exec sleep 1000", "stopped (TERM)"), (polite, "stopped (0)")] {
        for sidecar_first in [false, true] {
            let env = TestEnv::new();
            for (name, flags, _) in BOTH {
                let pid = env.start_script(flags, name, script);
                let sidecar = env.sidecar(name);
                if sidecar_first {
                    [sidecar, pid].into_iter().for_each(|pid| signal(pid, Signal::SIGTERM));
                } else {
                    // The sidecar finds both when it gets to run: on a busy machine this thread may not between the two.
                    signal(sidecar, Signal::SIGSTOP);
                    wait_until("the sidecar to hold", || stat(sidecar).first().is_some_and(|state| state == "T"));
                    [pid, sidecar].into_iter().for_each(|pid| signal(pid, Signal::SIGTERM));
                    wait_until("the end", || !alive(pid));
                    signal(sidecar, Signal::SIGCONT);
                }
            }
            for (name, _, watch) in BOTH {
                assert_shown(&env, name, [word, watch, "exited", ""]);
            }
            wait_no_sidecar(&env);
            env.bgo(&["resurrect"]).ok();
            BOTH.iter().for_each(|(name, _, watch)| assert_back(&env, name, watch));
        }
    }
}

/// A power cut ends all at once, and what comes after is another boot.
#[test]
fn what_a_power_cut_ends_is_brought_back() {
    for rebooted in [false, true] {
        for mender in ["resurrect", "restart"] {
            let env = TestEnv::new();
            for (name, flags, _) in BOTH {
                let pid = env.start_with(flags, name, &["sleep", "1000"]);
                signal(env.sidecar(name), Signal::SIGKILL);
                kill9(pid);
                wait_no_sidecar(&env);
                if rebooted {
                    env.edit_record(name, |record| {
                        (record["identity"]["boot_id"], record["sidecar"]["boot_id"]) =
                            ("other".into(), "other".into());
                    });
                }
            }
            assert_shown(&env, "plain", ["stopped", "-", "exited", UNSEEN]);
            assert_shown(&env, "watched", ["stopped", "! dead", "exited", UNSEEN]);
            match mender {
                "resurrect" => env.bgo(&["resurrect"]).ok(),
                _ => env.bgo(&["restart", "plain", "watched"]).ok(),
            };
            BOTH.iter().for_each(|(name, _, watch)| assert_back(&env, name, watch));
        }
    }
}
