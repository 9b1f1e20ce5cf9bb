//! The rows of "What survives what" about what is around bgo: the disk, limits, its binary, the place of its home.
//!
//! Why it exists: see `survival.rs`.

use super::crash::{NONE, bodies, settled};
use super::env::{BGO, TestEnv, alive, kill9, wait_until};
use super::survival::{WATCHED, assert_mended, assert_runs, assert_shown, assert_stopped};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

// ---------------------------------------------------------------------------------------------- the disk

/// `~/.bgo` as it looks on a file system that was made read-only under a running process; what is open stays open. Undone
/// when dropped.
struct ReadOnly(PathBuf);

impl ReadOnly {
    /// `None`, and says so, where that is not allowed.
    fn over(env: &TestEnv) -> Option<ReadOnly> {
        let mount = |args: &[&str]| {
            let mut mount = Command::new("mount");
            mount.args(args).arg(env.state()).stderr(Stdio::null());
            mount.status().is_ok_and(|status| status.success())
        };
        // Only in a mount namespace of our own, which TestEnv has made.
        let ours = std::env::var_os("BGO_TESTS_IN_NAMESPACE").is_some();
        let state = env.state();
        if !ours || !mount(&["--bind", state.to_str().unwrap()]) {
            eprintln!("passed over: nothing may be mounted here");
            return None;
        }
        let guard = ReadOnly(state);
        assert!(mount(&["-o", "remount,bind,ro"]));
        Some(guard)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_read_only_disk_a_process_is_supervised_from_memory() {
    let env = TestEnv::new();
    let first = env.start_with(&WATCHED, "web", &["sleep", "1000"]);
    let Some(disk) = ReadOnly::over(&env) else { return };
    for refused in [&["start", "other", "--", "sleep", "1000"][..], &["restart", "web"], &["watch", "web"]] {
        let refused = env.bgo(refused).code(1);
        assert!(refused.stderr.contains("Read-only file system"), "{}", refused.stderr);
    }
    assert_eq!((bodies(&env, "web"), bodies(&env, "other")), (vec![first], vec![]));
    assert_shown(&env, "web", ["online", "[W] 0", "running", ""]);
    kill9(first);
    wait_until("the restart", || bodies(&env, "web").first().is_some_and(|pid| *pid != first));
    let second = bodies(&env, "web")[0];
    assert_shown(&env, "web", ["online", "[W] 0", "running", "its record cannot be written"]);
    assert!(env.log("web", "watcher").contains("output is lost: cannot open the logs"));
    drop(disk);
    kill9(second); // Something happens, and is written down with what was kept.
    assert_shown(&env, "web", ["online", "[W] 2", "running", ""]);
    let row = env.row("web");
    assert!(row["degraded"].as_str().is_some_and(|text| text.contains("Read-only file system")), "{row}");
    assert_mended(&env, "web", env.pid("web"));
}

#[test]
fn on_a_read_only_disk_a_process_can_be_stopped() {
    let env = TestEnv::new();
    let pid = env.start_with(&WATCHED, "web", &["sleep", "1000"]);
    let Some(disk) = ReadOnly::over(&env) else { return };
    let stop = env.bgo(&["stop", "web"]).ok();
    assert!(stop.stderr.contains("cannot be written: after a reboot it may be started again"), "{}", stop.stderr);
    assert_eq!((bodies(&env, "web"), alive(pid)), (NONE.to_vec(), false));
    assert_shown(&env, "web", ["stopped", "! dead", "exited", "it ended unseen, or with the machine"]);
    drop(disk);
    env.bgo(&["stop", "web"]).ok();
    assert_stopped(&env, "web");
    env.bgo(&["resurrect"]).ok();
    assert_eq!(bodies(&env, "web"), NONE);
}

// ---------------------------------------------------------------------------------------------- limits

/// A start that fails leaves nothing. Of a stop or restart that fails the wish may have reached the sidecar already, and
/// is fulfilled then.
#[test]
fn a_command_at_its_open_file_limit_loses_and_doubles_nothing() {
    let env = TestEnv::new();
    let mut worked = [0; 3];
    for limit in 3..20 {
        let mut limited = |which: usize, args: &[&str]| {
            let outcome = env.cmd(args).through_shell(&format!("ulimit -n {limit}"), "").run();
            worked[which] += u32::from(outcome.code == 0);
            let told =
                ["Too many open files", "cannot reach the sidecar"].iter().any(|why| outcome.stderr.contains(why));
            assert!(outcome.code == 0 || told, "{limit}: {}: {}", outcome.code, outcome.stderr);
            outcome.code == 0
        };
        if limited(0, &["start", "--settle", "0", "web", "--", "sleep", "1000"]) {
            assert!(settled(&env, "web"));
        } else {
            assert_eq!((env.names(), bodies(&env, "web")), (vec![], NONE.to_vec()), "{limit}");
            env.start("web", &["sleep", "1000"]);
        }
        let pid = env.pid("web");
        let restarted = limited(1, &["restart", "web"]);
        assert_shown(&env, "web", ["online", "-", "running", ""]);
        assert!(settled(&env, "web") && (!restarted || !alive(pid)), "{limit}");
        let stopped = limited(2, &["stop", "web"]);
        assert!(!(settled(&env, "web") && stopped), "{limit}");
        env.bgo(&["stop", "web"]).ok();
        assert_stopped(&env, "web");
        env.bgo(&["delete", "web"]).ok();
    }
    assert!(worked.iter().all(|&times| times > 0), "with 19 descriptors: {worked:?}");
}

/// What it needs to start the process again it may not open.
#[test]
fn a_sidecar_at_its_open_file_limit_waits_for_room() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--on-fast-crash", "retry", "--backoff", "100ms"];
    let pid = env.start_with(&flags, "web", &["sleep", "1000"]);
    let sidecar = env.sidecar("web").to_string();
    let limit = |soft: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args(["--pid", &sidecar, &format!("--nofile={soft}:")]).status().unwrap();
    };
    limit("3");
    assert_shown(&env, "web", ["online", "[W] 0", "running", ""]);
    assert_eq!(bodies(&env, "web"), [pid]);
    kill9(pid);
    assert_shown(&env, "web", ["stopped", "[W] 0", "exited", "its sidecar has not written down its end"]);
    wait_until("an attempt", || env.log("web", "watcher").contains("cannot start it again"));
    limit("1024");
    assert_shown(&env, "web", ["online", "[W] 1", "running", ""]);
    let row = env.row("web");
    assert!(row["degraded"].as_str().is_some_and(|text| text.contains("Too many open files")), "{row}");
    assert_mended(&env, "web", env.pid("web"));
}

// ---------------------------------------------------------------------------------------------- the binary

/// Copies with cp(1): a file that a test has written itself may still be open in a process that another test forks just
/// now, and the kernel executes no such file.
fn install(to: &Path, version: &str) {
    let copy = "sed \"s/$1/$2/g\" \"$3\" >\"$4.new\" && chmod 755 \"$4.new\" && mv \"$4.new\" \"$4\"";
    let mut sh = Command::new("sh");
    sh.args(["-c", copy, "sh", env!("CARGO_PKG_VERSION"), version, BGO]).arg(to).env("LC_ALL", "C");
    assert!(sh.status().unwrap().success());
}

#[test]
fn a_replaced_or_removed_binary_disturbs_nothing() {
    const NEWER: &str = "9.9.9";
    for removed in [false, true] {
        let env = TestEnv::new();
        let binary = env.bin().join("bgo");
        install(&binary, env!("CARGO_PKG_VERSION"));
        let bgo = |args: &[&str]| env.program(&binary, args).run().ok();
        bgo(&[
            &["start", "--settle", "0", "--health-cmd", "true", "--health-interval", "100ms"][..],
            &WATCHED,
            &["web", "--", "sleep", "1000"],
        ]
        .concat());
        let version = || env.record("web")["sidecar"]["version"].as_str().map(str::to_owned);
        let (pid, sidecar) = (env.pid("web"), env.sidecar("web"));
        if removed {
            fs::remove_file(&binary).unwrap();
        } else {
            install(&binary, NEWER);
            assert_eq!(bgo(&["--version"]).stdout.trim(), format!("bgo {NEWER}"));
        }
        assert_shown(&env, "web", ["online", "[W] 0", "running", ""]);
        assert_eq!(bodies(&env, "web"), [pid]);
        kill9(pid);
        assert_shown(&env, "web", ["online", "[W] 1", "running", ""]);
        let pid = env.pid("web");
        // What a newer bgo writes is kept by the older sidecar.
        env.edit_record("web", |record| record["mood"] = json!("good"));
        env.bgo(&["unwatch", "web"]).ok();
        assert_eq!((bodies(&env, "web"), env.record("web")["mood"].as_str()), (vec![pid], Some("good")));
        assert_ne!(env.sidecar("web"), sidecar, "it has handed over to a fresh one");
        assert_eq!(version().as_deref(), Some(env!("CARGO_PKG_VERSION")), "which is of the same version");
        if removed {
            install(&binary, NEWER);
        }
        kill9(env.sidecar("web"));
        bgo(&["watch", "web"]);
        assert_eq!(version().as_deref(), Some(NEWER));
        assert_shown(&env, "web", ["online", "[W] 1", "running", ""]);
        // And the older one gets along with the newer sidecar.
        assert_mended(&env, "web", pid);
        env.bgo(&["restart", "web"]).ok();
        assert_eq!(env.record("web")["mood"], "good");
        env.bgo(&["stop", "web"]).ok();
        assert_stopped(&env, "web");
    }
}

// ---------------------------------------------------------------------------------------------- its place

#[test]
fn a_home_on_a_long_path_with_spaces_is_as_good_as_any() {
    let env = TestEnv::below("a long way home ".repeat(12).trim());
    assert!(env.home().as_os_str().len() >= 200);
    let script = "echo \"$NOTIFY_SOCKET\"; echo ready; exec sleep 1000";
    let flags = ["-w", "--min-uptime", "0", "--ready-when", "ready", "--on-ready", "echo hook"];
    let pid = env.start_script(&flags, "web", script);
    assert_shown(&env, "web", ["ready", "[W] 0", "ready", ""]);
    let row = env.row("web");
    assert_eq!(row["log_paths"]["stdout"].as_str().map(Path::new), Some(&*env.log_path("web", "out")), "{row}");
    assert!(env.bgo(&["logs", "web"]).ok().stdout.contains("ready"));
    wait_until("the hook", || env.log("web", "watcher").contains("hook"));
    kill9(pid);
    assert_shown(&env, "web", ["ready", "[W] 1", "ready", ""]);
    kill9(env.sidecar("web"));
    assert_shown(&env, "web", ["ready", "! dead", "ready", ""]);
    let pid = env.pid("web");
    env.bgo(&["resurrect"]).ok();
    assert_runs(&env, "web", pid);
    env.bgo(&["restart", "web"]).ok();
    // A path that is too long for a socket: it gets an abstract one.
    env.bgo(&["set", "web", "--ready-when-notify", "--ready-timeout", "0"]).ok();
    env.bgo(&["restart", "web"]).ok();
    wait_until("its socket", || env.log("web", "out").lines().any(|line| line.starts_with('@')));
    assert_shown(&env, "web", ["starting", "[W] 1", "starting", "waiting for --ready-when-notify"]);
    let pid = env.pid("web");
    fs::remove_dir_all(env.state()).unwrap();
    env.bgo(&["resurrect"]).ok();
    assert_eq!(env.pid("web"), pid);
    assert_runs(&env, "web", pid);
    env.bgo(&["stop", "web"]).ok();
    assert_stopped(&env, "web");
    env.bgo(&["delete", "web"]).ok();
    env.assert_all_gone();
}
