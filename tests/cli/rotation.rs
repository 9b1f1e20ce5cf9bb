//! Logs that stay within their limits and lose no byte on the way.
//!
//! Why it exists: rotation cuts off what a process has written while it goes on writing. Invariants tested: the rotated
//! files and the live one are every byte that was written, whatever dies in the middle; the process notices nothing; a
//! process that writes nothing costs nothing. Where a file system cannot cut off heads (tmpfs), what is written in the
//! moment of a truncation may be lost; so the processes here do not write in that moment.

use crate::crash::{SmallDisk, Tracer, can_trace};
use crate::env::{TestEnv, alive, kill9, proc_status, wait_until};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Each time a file `go` appears, it writes 10,000 more numbered lines, about 110 KB; or as many as its argument says.
const WRITER: &str = "n=0; echo ready; while :; do if rm go 2>/dev/null; then
    seq -f 'line %.0f' $n $((n + ${1:-10000} - 1)); n=$((n + ${1:-10000})); fi; sleep 0.02; done";

fn lines(to: usize) -> String {
    std::iter::once("ready\n".to_owned()).chain((0..to).map(|n| format!("line {n}\n"))).collect()
}

/// Where its output goes, with or without a file system that can cut off heads.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn all() -> Vec<Place> {
        let mut folders = vec![tempfile::tempdir().unwrap()];
        if Path::new("/dev/shm").is_dir() {
            folders.extend(tempfile::tempdir_in("/dev/shm"));
        }
        folders.into_iter().map(|folder| Place { folder }).collect()
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("out.log")
    }

    fn flag(&self) -> String {
        format!("--stdout={}", self.log().display())
    }

    /// Whether a rotation is under way, or was left half done.
    fn is_unfinished(&self) -> bool {
        self.folder.path().join(".out.log.next").exists()
    }

    fn size(&self) -> u64 {
        fs::metadata(self.log()).map_or(0, |metadata| metadata.len())
    }

    /// Names of what was rotated, sorted.
    fn rotated(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.retain(|name| !name.starts_with('.') && name != "out.log");
        names.sort();
        names
    }

    /// Waits until everything that is too much was cut off.
    #[track_caller]
    fn wait_small(&self, limit: u64) {
        wait_until(&format!("{} to be small", self.log().display()), || self.size() <= limit && !self.is_unfinished());
    }

    /// Whether heads can be cut off here: then every rotated file has exactly the limit's size.
    fn is_lossless(&self) -> bool {
        let probe = self.folder.path().join("probe");
        fs::write(&probe, [0; 8192]).unwrap();
        let mut fallocate = Command::new("fallocate");
        fallocate.args(["--collapse-range", "--length", "4096"]).arg(&probe).stderr(Stdio::null());
        let can = fallocate.status().is_ok_and(|status| status.success());
        fs::remove_file(probe).unwrap();
        can
    }
}

/// Everything that bgo has kept of the output.
fn everything(env: &TestEnv) -> String {
    env.bgo(&["logs", "web", "--stdout", "-n", "100000000"]).ok().stdout
}

fn go(env: &TestEnv) {
    fs::write(env.work().join("go"), "").unwrap();
}

fn go_and_wait(env: &TestEnv, place: &Place) {
    let cut = || fs::read_to_string(place.folder.path().join(".out.log.cut")).unwrap_or_default();
    let before = cut();
    go(env);
    wait_until("it to be rotated", || cut() != before);
}

/// Waits until the sidecar sleeps until the log grows. Where the user's inotify instances are used up it looks every ten
/// seconds instead.
#[track_caller]
fn wait_watching(env: &TestEnv) {
    let (sidecar, begun) = (env.sidecar("web"), Instant::now());
    wait_until("the sidecar to watch the log", || {
        let folder = format!("/proc/{sidecar}/fdinfo");
        let mut infos = fs::read_dir(folder).into_iter().flatten().flatten();
        let watches = infos.any(|info| fs::read_to_string(info.path()).is_ok_and(|text| text.contains("inotify wd:")));
        watches || begun.elapsed() > Duration::from_secs(4)
    });
}

#[test]
fn rotated_files_and_the_live_one_are_every_byte_in_order() {
    for place in Place::all() {
        let env = TestEnv::new();
        let flags = ["--log-max-size", "32K", "--log-keep", "1000", &place.flag()];
        let pid = env.start_with(&flags, "web", &["sh", "-c", WRITER]);
        for round in 1..=3 {
            go_and_wait(&env, &place);
            place.wait_small(32 << 10);
            wait_until("all of it", || everything(&env).len() >= lines(round * 10_000).len());
            assert!(everything(&env) == lines(round * 10_000), "round {round}");
        }
        assert_eq!(env.pid("web"), pid);
        if place.is_lossless() {
            let numbers = 1..=place.rotated().len();
            let files = numbers.rev().map(|n| place.folder.path().join(format!("out.log.{n}"))).chain([place.log()]);
            let contents: Vec<Vec<u8>> = files.map(|file| fs::read(file).unwrap()).collect();
            assert!(contents.concat() == lines(30_000).as_bytes());
            assert!(contents.iter().rev().skip(1).all(|content| content.len() == 32 << 10));
        }
        env.bgo(&["delete", "-y", "web"]).ok();
        assert!(place.log().exists(), "files outside of the state folder are the user's");
    }
}

#[test]
fn only_so_many_rotated_files_are_kept_and_they_can_be_compressed() {
    let (env, place) = (TestEnv::new(), Place::all().remove(0));
    let flags = ["--log-max-size", "32K", "--log-keep", "2", &place.flag()];
    env.start_with(&flags, "web", &["sh", "-c", WRITER]);
    for _ in 0..2 {
        go_and_wait(&env, &place);
        place.wait_small(32 << 10);
    }
    assert_eq!(place.rotated(), ["out.log.1", "out.log.2"]);
    let kept = everything(&env);
    assert!(lines(20_000).ends_with(&kept) && kept.len() < 110_000, "{}", kept.len());
    env.bgo(&["set", "web", "--log-compress", "--log-keep", "3"]).ok();
    wait_until("what was there to be compressed", || place.rotated() == ["out.log.1.gz", "out.log.2.gz"]);
    assert!(everything(&env) == kept);
    go(&env);
    wait_until("more to be compressed", || place.rotated() == ["out.log.1.gz", "out.log.2.gz", "out.log.3.gz"]);
    place.wait_small(32 << 10);
    wait_until("the last of it", || place.rotated().iter().all(|name| name.ends_with(".gz")));
    assert!(lines(30_000).ends_with(&everything(&env)));
    env.bgo(&["set", "web", "--log-keep", "0"]).ok();
    go(&env);
    wait_until("all to be dropped", || place.rotated().is_empty());
}

#[test]
fn a_limit_that_is_set_later_holds_for_what_is_there_and_none_is_none() {
    let (env, place) = (TestEnv::new(), Place::all().remove(0));
    env.start_with(&["--log-max-size", "0", &place.flag()], "web", &["sh", "-c", WRITER]);
    go(&env);
    wait_until("the output", || place.size() as usize == lines(10_000).len());
    assert!(everything(&env) == lines(10_000) && place.rotated().is_empty());
    env.bgo(&["set", "web", "--log-max-size", "64K"]).ok();
    place.wait_small(64 << 10);
    assert!(everything(&env) == lines(10_000));
}

#[test]
fn a_process_that_writes_nothing_costs_no_wake_up() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "echo ready; exec sleep 1000");
    wait_watching(&env);
    let wake_ups = || proc_status(env.sidecar("web"), "voluntary_ctxt_switches");
    let mut before = (wake_ups(), Instant::now());
    // It goes to sleep some time after it has begun to watch, and then sleeps.
    wait_until("three seconds without a wake-up", || {
        let now = wake_ups();
        if now != before.0 {
            before = (now, Instant::now());
        }
        before.1.elapsed() > Duration::from_secs(3)
    });
}

#[test]
fn the_watcher_log_is_rotated_too() {
    let env = TestEnv::new();
    let flags = ["-w", "--on-fast-crash", "retry", "--backoff", "0", "--log-max-size", "4K"];
    env.bgo(&[&["start", "--settle", "0"], &flags[..], &["web", "--", "false"]].concat()).ok();
    let rotated = env.state().join("logs/web.watcher.log.1");
    wait_until("the watcher log to be rotated", || rotated.exists());
    env.bgo(&["stop", "web"]).ok();
    assert!(env.bgo(&["logs", "web", "--watcher", "-n", "3"]).ok().stdout.contains("stopped"));
    env.bgo(&["delete", "-y", "web"]).ok();
    assert_eq!(env.entries("logs"), Vec::<String>::new());
}

#[test]
fn both_streams_can_go_into_one_file_or_into_files_of_ones_own() {
    let env = TestEnv::new();
    let script = "echo to-out; echo to-err >&2; exec sleep 1000";
    env.start_with(&["--merge-logs"], "one", &["sh", "-c", script]);
    wait_until("both", || env.log("one", "out") == "to-out\nto-err\n");
    assert!(!env.log_path("one", "err").exists());
    env.bgo(&["logs", "one"]).ok().says("to-out\nto-err\n", "");
    env.start_with(&["--stdout", "a.log", "--stderr", "b.log"], "two", &["sh", "-c", script]);
    let file = |name| fs::read_to_string(env.work().join(name)).unwrap_or_default();
    wait_until("both", || (file("a.log"), file("b.log")) == ("to-out\n".into(), "to-err\n".into()));
    env.bgo(&["logs", "two"]).ok().says("to-out\n\n--- stderr ---\nto-err\n", "");
    let paths = env.row("two")["log_paths"].clone();
    assert_eq!(paths["stdout"], env.work().join("a.log").to_str().unwrap());
    env.bgo(&["set", "two", "--stdout", "c.log", "--unset", "stderr"]).ok();
    assert_eq!(env.row("two")["log_paths"], paths, "the process writes where it did");
    env.bgo(&["restart", "two"]).ok();
    wait_until("the new places", || file("c.log") == "to-out\n" && env.log("two", "err") == "to-err\n");
    env.bgo(&["logs", "two"]).ok().says("to-out\n\n--- stderr ---\nto-err\n", "");
    for (flags, why) in [
        (&["--merge-logs", "--stderr", "x"][..], "--merge-logs and --stderr exclude each other"),
        (&["--stdout", "x", "--stderr", "x"], "--stdout and --stderr name the same file"),
        (&["--stdout", ""], "--stdout must not be empty"),
    ] {
        let refused = env.bgo(&[&["start"], flags, &["bad", "--", "true"]].concat()).code(2);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    let refused = env.bgo(&["start", "--stdout", "none/x", "bad", "--", "true"]).code(1);
    assert!(refused.stderr.contains("--stdout \"none/x\": No such file or directory"), "{}", refused.stderr);
    assert!(!env.names().contains(&"bad".to_owned()));
    let on_null = env.bgo(&["start", "--stdout", "/dev/null", "null", "--", "sh", "-c", "echo x; sleep 1000"]);
    on_null.ok();
    env.bgo(&["logs", "null", "--stdout"]).ok().says("", "");
}

/// Kills the sidecar at the n-th of `calls` for each n, while it rotates.
fn kill_the_sidecar_at(calls: &str, last: u32, place: &Place) -> u32 {
    let env = TestEnv::new();
    let flags = ["--log-max-size", "32K", "--log-keep", "1000", &place.flag()];
    // Enough for one rotation.
    let pid = env.start_with(&flags, "web", &["sh", "-c", WRITER, "sh", "3500"]);
    let mut rounds: usize = 0;
    for n in 1..=last {
        wait_watching(&env);
        let sidecar = env.sidecar("web");
        let Some(tracer) = Tracer::attach(sidecar, calls, &format!("signal=KILL:when={n}")) else { return 0 };
        go(&env);
        rounds += 1;
        let at = format!("killed at {calls} {n}, on {}", place.folder.path().display());
        let written = lines(rounds * 3500);
        let mut killed = false;
        wait_until("the death or the end of the rotation", || {
            killed = !alive(sidecar);
            killed || (everything(&env).len() == written.len() && place.size() <= 32 << 10 && !place.is_unfinished())
        });
        drop(tracer);
        wait_until(&format!("the output, {at}"), || everything(&env).len() >= written.len());
        let seen = everything(&env);
        assert!(
            seen == written,
            "a reader finds everything: {at}; {} of {}; {:?}",
            seen.len(),
            written.len(),
            &seen[..60]
        );
        if !killed && !alive(sidecar) {
            killed = true;
        }
        if killed {
            env.bgo(&["resurrect"]).ok();
        }
        place.wait_small(32 << 10);
        assert!(everything(&env) == written, "nothing is lost or there twice: {at}");
        assert_eq!((env.pid("web"), alive(pid)), (pid, true), "{at}");
        if !killed {
            return n - 1;
        }
    }
    last
}

/// System calls of a rotation, and up to which one of each: numbers are moved by renames, so there are more of these from
/// round to round.
const CALLS: [(&str, u32); 9] = [
    ("openat", 20),
    ("flock", 20),
    ("fsync,fdatasync", 20),
    ("copy_file_range,sendfile,splice", 20),
    ("fallocate", 20),
    ("rename,renameat,renameat2", 5),
    ("unlink,unlinkat", 20),
    ("ftruncate", 20),
    ("write", 20),
];

#[test]
fn the_sidecar_may_be_killed_anywhere_in_a_rotation() {
    if !can_trace() {
        return;
    }
    let kills: Vec<u32> = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (calls, place) in CALLS.iter().flat_map(|calls| Place::all().into_iter().map(move |place| (calls, place))) {
            threads.push(scope.spawn(move || kill_the_sidecar_at(calls.0, calls.1, &place)));
        }
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(kills.iter().sum::<u32>() > 20, "{kills:?}");
    eprintln!("killed {} times: {kills:?}", kills.iter().sum::<u32>());
}

/// A copy that cannot be written: the log is as it was, the process too, and it is said once.
#[test]
fn a_rotation_that_fails_changes_nothing() {
    if !can_trace() {
        return;
    }
    for (calls, error) in [
        ("copy_file_range,sendfile,splice", "ENOSPC"),
        ("fdatasync", "EIO"),
        ("fallocate", "EIO"),
        ("rename", "EIO"),
        ("openat", "EMFILE"),
    ] {
        let (env, place) = (TestEnv::new(), Place::all().remove(0));
        let flags = ["--log-max-size", "32K", "--log-keep", "1000", &place.flag()];
        let pid = env.start_with(&flags, "web", &["sh", "-c", WRITER]);
        wait_watching(&env);
        let Some(tracer) = Tracer::attach(env.sidecar("web"), calls, &format!("error={error}")) else { return };
        go(&env);
        wait_until("it to be said", || env.log("web", "watcher").contains("cannot rotate"));
        wait_until("all of it", || everything(&env).len() >= lines(10_000).len());
        assert!(everything(&env) == lines(10_000), "{calls}");
        drop(tracer);
        go(&env);
        env.bgo(&["set", "web", "--log-keep", "999"]).ok();
        wait_until("all of it", || everything(&env).len() >= lines(20_000).len());
        place.wait_small(32 << 10);
        assert!(everything(&env) == lines(20_000), "{calls}");
        assert_eq!((env.pid("web"), alive(pid)), (pid, true));
        assert_eq!(env.log("web", "watcher").matches("cannot rotate").count(), 1, "{}", env.log("web", "watcher"));
    }
}

#[test]
fn what_was_written_while_no_sidecar_lived_is_rotated_by_the_next() {
    let (env, place) = (TestEnv::new(), Place::all().remove(0));
    let flags = ["--log-max-size", "32K", "--log-keep", "1000", &place.flag()];
    env.start_with(&flags, "web", &["sh", "-c", WRITER]);
    kill9(env.sidecar("web"));
    go(&env);
    wait_until("the output", || place.size() as usize == lines(10_000).len());
    env.bgo(&["resurrect"]).ok();
    place.wait_small(32 << 10);
    assert!(everything(&env) == lines(10_000));
}

/// The process writes to its logs itself, so it learns itself that there is no room; and nobody else does anything.
#[test]
fn a_full_disk_under_a_log_is_seen_by_the_process_alone() {
    let env = TestEnv::new();
    let Some(disk) = SmallDisk::mount(&env) else { return };
    let script =
        "echo ready; while [ ! -e go ]; do sleep 0.02; done; head -c 300000 /dev/zero; echo $? >code; exec sleep 1000";
    let pid = env.start_script(&["-w"], "web", script);
    disk.fill();
    let (record, told) = (env.record("web"), env.log("web", "watcher"));
    go(&env);
    let code = || fs::read_to_string(env.work().join("code")).unwrap_or_default();
    wait_until("the write to fail", || code() == "1\n");
    assert_eq!((env.pid("web"), alive(pid)), (pid, true));
    assert_eq!((env.record("web"), env.log("web", "watcher")), (record, told));
    assert_eq!(env.row("web")["state"], "running");
    fs::remove_file(disk.filler()).unwrap();
    env.bgo(&["stop", "web"]).ok();
}

#[test]
fn a_log_whose_folder_is_gone_costs_a_process_its_output_and_not_its_life() {
    let env = TestEnv::new();
    let (folder, moved) = (env.work().join("var"), env.work().join("moved"));
    fs::create_dir(&folder).unwrap();
    let flags = ["-w", "--min-uptime", "0", "--stdout", "var/app.log"];
    let pid = env.start_with(&flags, "web", &["sleep", "1000"]);
    fs::rename(&folder, &moved).unwrap();
    let refused = env.bgo(&["restart", "web"]).code(1);
    let says = "bgo: cannot start \"web\": --stdout \"var/app.log\": No such file or directory\n";
    assert!(refused.stderr.starts_with(says) && refused.stderr.contains("mkdir -p"), "{}", refused.stderr);
    assert_eq!((env.pid("web"), alive(pid)), (pid, true), "what cannot be started again is not stopped");
    env.bgo(&["set", "web", "--stdout", "none/x"]).code(1);
    kill9(pid);
    wait_until("the restart", || env.pid("web") != pid && env.row("web")["state"] == "running");
    assert!(
        env.log("web", "watcher").contains("output is lost: cannot open the logs"),
        "{}",
        env.log("web", "watcher")
    );
    fs::rename(&moved, &folder).unwrap();
    env.bgo(&["restart", "web"]).ok();
}

#[test]
fn files_beside_a_chosen_log_that_are_not_of_it_are_left_alone() {
    let (env, place) = (TestEnv::new(), Place::all().remove(0));
    for name in ["out.log.2023", "out.log.20240101", "out.log.old", "out.log.01"] {
        fs::write(place.folder.path().join(name), name).unwrap();
    }
    env.start_with(&["--log-max-size", "32K", "--log-keep", "1", &place.flag()], "web", &["sh", "-c", WRITER]);
    go_and_wait(&env, &place);
    place.wait_small(32 << 10);
    assert_eq!(place.rotated(), ["out.log.01", "out.log.1", "out.log.2023", "out.log.20240101", "out.log.old"]);
}

#[test]
fn two_processes_may_append_to_one_log() {
    for place in Place::all().into_iter().filter(Place::is_lossless) {
        let env = TestEnv::new();
        let flags = ["--log-max-size", "32K", "--log-keep", "1000", &place.flag()];
        for name in ["a", "b"] {
            // A line is one write: seq would write blocks, between whose halves of a line the other's would come.
            let count = format!("i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); echo {name}$i; done");
            let script = format!("{count}; echo done >&2; exec sleep 1000");
            env.start_with(&flags, name, &["sh", "-c", &script]);
        }
        wait_until("both to be done", || ["a", "b"].iter().all(|name| env.log(name, "err") == "done\n"));
        place.wait_small(32 << 10);
        let all = || env.bgo(&["logs", "a", "--stdout", "-n", "100000000"]).ok().stdout;
        wait_until("all of it", || all().lines().count() >= 40_000);
        let all = all();
        for name in ["a", "b"] {
            let own: String =
                all.lines().filter(|line| line.starts_with(name)).map(|line| format!("{line}\n")).collect();
            assert!(
                own == (1..=20_000).map(|n| format!("{name}{n}\n")).collect::<String>(),
                "each line of {name} once"
            );
        }
    }
}

#[test]
fn a_log_that_is_taken_away_is_told_of_and_fewer_files_are_kept_at_once() {
    let (env, place) = (TestEnv::new(), Place::all().remove(0));
    env.start_with(&["--log-max-size", "32K", "--log-keep", "9", &place.flag()], "web", &["sh", "-c", WRITER]);
    go_and_wait(&env, &place);
    place.wait_small(32 << 10);
    assert!(place.rotated().len() > 1);
    env.bgo(&["set", "web", "--log-keep", "1"]).ok();
    wait_until("the others to go", || place.rotated() == ["out.log.1"]);
    wait_watching(&env);
    fs::remove_file(place.log()).unwrap();
    go(&env);
    wait_until("it to be said", || env.log("web", "watcher").contains("out.log was removed or replaced"));
    env.bgo(&["restart", "web"]).ok();
    wait_until("the fresh log", || fs::read_to_string(place.log()).is_ok_and(|text| text.contains("ready")));
    go_and_wait(&env, &place);
    place.wait_small(32 << 10);
}
