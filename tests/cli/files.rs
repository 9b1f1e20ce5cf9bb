//! Restarting on changes of files: what counts, when, how often, and what a broken save comes to.

use crate::env::{TestEnv, alive, kill9, proc_status, signal, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// Longer than a change takes to be acted on.
const SOON: Duration = Duration::from_millis(900);

/// A process `web` in the working folder that watches `flags`, and says `run` at each start.
struct Watched {
    env: TestEnv,
}

impl Watched {
    fn new(flags: &[&str]) -> Watched {
        Watched::running(flags, "echo run; exec sleep 1000")
    }

    fn running(flags: &[&str], script: &str) -> Watched {
        let env = TestEnv::new();
        fs::create_dir(env.work().join("src")).unwrap();
        fs::write(env.work().join("src/app.py"), "1").unwrap();
        let watched = Watched { env };
        watched.start(flags, script);
        watched
    }

    fn start(&self, flags: &[&str], script: &str) {
        self.env.start_with(flags, "web", &["sh", "-c", script]);
        self.wait_runs(1);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.env.work().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// How often it was started.
    fn runs(&self) -> usize {
        self.env.log("web", "out").lines().filter(|line| *line == "run").count()
    }

    #[track_caller]
    fn wait_runs(&self, runs: usize) {
        wait_until(&format!("run {runs}"), || self.runs() >= runs);
    }

    /// Asserts that `act` is followed by exactly one restart, for a change of `file`.
    #[track_caller]
    fn restarts(&self, file: &str, act: impl FnOnce()) {
        let before = self.runs();
        act();
        self.wait_runs(before + 1);
        self.stays(before + 1, file);
        let exit = self.env.record("web")["exits"].as_array().unwrap().last().cloned().unwrap();
        let reason = exit["reason"].as_str().unwrap_or_default().to_owned();
        let expected = format!("files changed: {file}");
        assert!(reason == expected || reason.starts_with(&format!("{expected} (")), "{reason}, and not {expected}");
    }

    /// Asserts that `act` is followed by no restart.
    #[track_caller]
    fn does_not(&self, what: &str, act: impl FnOnce()) {
        let before = self.runs();
        act();
        self.stays(before, what);
    }

    /// Asserts that it is not started again within the time that any change takes. Nothing tells of what does not come.
    #[track_caller]
    fn stays(&self, runs: usize, what: &str) {
        let until = Instant::now() + SOON;
        while Instant::now() < until {
            assert_eq!(self.runs(), runs, "{what}: {}", self.env.log("web", "watcher"));
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn watcher(&self) -> String {
        self.env.log("web", "watcher")
    }

    /// Changes the settings.
    fn set(&self, flags: &[&str]) {
        self.env.bgo(&[&["set", "web"], flags].concat()).ok();
    }
}

#[test]
fn a_save_is_one_restart_however_the_editor_saves() {
    let web = Watched::new(&["--watch-files"]);
    let app = web.path("src/app.py");
    web.restarts("src/app.py", || fs::write(&app, "2").unwrap());
    web.restarts("src/app.py", || {
        let temporary = web.path("src/.app.py.x1y2");
        fs::write(&temporary, "3").unwrap();
        fs::rename(temporary, &app).unwrap();
    });
    web.restarts("src/app.py", || {
        // vim with a backup: a test file, the old one aside, the new one in its place, the old one away.
        web.write("src/4913", "");
        fs::remove_file(web.path("src/4913")).unwrap();
        fs::rename(&app, web.path("src/app.py.bak")).unwrap();
        fs::write(&app, "4").unwrap();
        fs::remove_file(web.path("src/app.py.bak")).unwrap();
    });
    web.restarts("src/app.py", || drop(web.env.program("touch", &[&app]).run()));
    web.restarts("src/app.py", || fs::remove_file(&app).unwrap());
    assert!(web.watcher().contains("files changed: src/app.py: restarting\n"), "{}", web.watcher());
    assert_eq!(web.env.row("web")["restarts"], 0, "no restart by policy");
    let status = web.env.bgo(&["status", "web"]).ok().stdout;
    assert!(status.contains("SIGTERM after") && status.contains("(files changed: src/app.py"), "{status}");
}

#[test]
fn what_changes_nothing_or_leaves_nothing_is_no_change() {
    let web = Watched::new(&["--watch-files"]);
    let app = web.path("src/app.py");
    // A change of the mode counts for nothing, even beside a save.
    web.restarts("src/app.py", || fs::write(&app, "2").unwrap());
    web.does_not("reading and modes", || {
        fs::read(&app).unwrap();
        drop(web.env.program("chmod", &["600", "src/app.py"]).run().ok());
    });
    web.does_not("a temporary file", || {
        web.write("src/lock", "x");
        fs::remove_file(web.path("src/lock")).unwrap();
    });
    web.does_not("an empty folder", || {
        fs::create_dir(web.path("src/new")).unwrap();
    });
    web.does_not("its end", || fs::remove_dir(web.path("src/new")).unwrap());
}

#[test]
fn a_thousand_files_are_one_restart() {
    let web = Watched::new(&["--watch-files"]);
    web.write("many/.first", "x");
    web.wait_runs(2);
    // So that it sees them in one look, however long they take to be written.
    let sidecar = web.env.sidecar("web");
    web.restarts("many/f0", || {
        signal(sidecar, Signal::SIGSTOP);
        for n in 0..1000 {
            web.write(&format!("many/f{n}"), "x");
        }
        signal(sidecar, Signal::SIGCONT);
    });
    assert!(web.watcher().contains("files changed: many/f0 (and 999 more): restarting"), "{}", web.watcher());
}

#[test]
fn a_stream_of_changes_does_not_put_it_off_for_ever() {
    let web = Watched::new(&["--watch-files"]);
    let (begun, mut written, mut pause) = (Instant::now(), Instant::now(), Duration::ZERO);
    while web.runs() < 2 {
        web.write("src/app.py", "x");
        pause = pause.max(written.elapsed());
        written = Instant::now();
        thread::sleep(Duration::from_millis(20));
        assert!(begun.elapsed() < Duration::from_secs(10), "it never restarts");
    }
    // A machine with no time for this test makes it one burst after another.
    let is_stream = pause < Duration::from_millis(100);
    assert!(!is_stream || begun.elapsed() > Duration::from_millis(1900), "after {:?}", begun.elapsed());
}

#[test]
fn new_folders_count_and_so_do_moved_ones() {
    let web = Watched::new(&["--watch-files"]);
    web.restarts("new/deep/a.py", || web.write("new/deep/a.py", "1"));
    web.restarts("new/deep/a.py", || web.write("new/deep/a.py", "2"));
    web.restarts("moved/deep/a.py", || fs::rename(web.path("new"), web.path("moved")).unwrap());
    web.restarts("moved/deep/a.py", || web.write("moved/deep/a.py", "3"));
    web.restarts("moved/deep/a.py", || fs::remove_dir_all(web.path("moved")).unwrap());
}

#[test]
fn a_folder_that_is_swapped_for_another_is_watched_on() {
    let web = Watched::new(&["--watch-files"]);
    for _ in 0..3 {
        let before = web.runs();
        for n in 0..2 {
            fs::rename(web.path("src"), web.path("old")).unwrap();
            web.write("src/app.py", &format!("swapped {n}"));
            fs::remove_dir_all(web.path("old")).unwrap();
        }
        web.wait_runs(before + 1);
        web.stays(before + 1, "one burst");
        web.restarts("src/app.py", || web.write("src/app.py", "2"));
        web.restarts("src/app.py", || {
            // While somebody has the old one open: the kernel tells of its end when that is over.
            let held = fs::File::open(web.path("src")).unwrap();
            fs::remove_dir_all(web.path("src")).unwrap();
            web.write("src/app.py", "3");
            thread::sleep(Duration::from_millis(100));
            drop(held);
        });
        web.restarts("src/app.py", || web.write("src/app.py", "4"));
    }
}

#[test]
fn what_git_ignores_does_not_count_nor_what_is_ignored_besides() {
    let env = TestEnv::new();
    let write = |name: &str, text: &str| {
        let path = env.work().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(".gitignore", "*.log\n!keep.log\ntarget/\n/only-here\n");
    write("src/.gitignore", "*.gen\n");
    write("src/app.py", "1");
    write("target/debug/x", "1");
    fs::create_dir(env.work().join(".git")).unwrap();
    let web = Watched { env };
    web.start(&["--watch-files", "--ignore", "*.db", "--watch-ignore", "/tmp/"], "echo run; exec sleep 1000");
    web.does_not("what git ignores", || {
        for name in ["a.log", "target/debug/x", "target/new/y", "src/a.gen", "only-here", "src/deep/b.gen", ".git/HEAD"]
        {
            web.write(name, "2");
        }
    });
    web.does_not("what is ignored besides", || {
        for name in ["a.db", "src/b.db", "tmp/x", "node_modules/x/y", "src/__pycache__/z.pyc", "src/app.py~"] {
            web.write(name, "2");
        }
    });
    assert!(web.watcher().contains("(2 folders)"), "ignored folders take no watch: {}", web.watcher());
    for name in ["keep.log", "src/only-here", "src/tmp/x", "other.gen"] {
        web.restarts(name, || web.write(name, "2"));
    }
    web.does_not("a .gitignore", || web.write("src/.gitignore", "*.gen\napp.*\n"));
    web.does_not("what it ignores now", || web.write("src/app.py", "2"));
    web.does_not("without it", || fs::remove_file(web.path("src/.gitignore")).unwrap());
    web.restarts("src/a.gen", || web.write("src/a.gen", "3"));
    web.set(&["--ignore", "!*.log", "--ignore", "src/"]);
    web.does_not("a folder", || web.write("src/app.py", "3"));
    web.restarts("a.log", || web.write("a.log", "3"));
}

#[test]
fn rules_hold_from_the_top_of_the_repository_down_but_not_for_what_was_named() {
    let env = TestEnv::new();
    fs::create_dir_all(env.work().join(".git")).unwrap();
    fs::create_dir_all(env.work().join("dist/app")).unwrap();
    fs::write(env.work().join(".gitignore"), "dist/\n*.tmp\n").unwrap();
    fs::write(env.work().join("dist/one.tmp"), "1").unwrap();
    let web = Watched { env };
    web.start(&["--watch-files=dist/app", "--watch-files=dist/one.tmp"], "echo run; exec sleep 1000");
    web.restarts("dist/app/x", || web.write("dist/app/x", "1"));
    web.restarts("dist/one.tmp", || web.write("dist/one.tmp", "2"));
    web.does_not("a rule from above", || web.write("dist/app/x.tmp", "1"));
    web.does_not("what is beside it", || web.write("dist/y", "1"));
    web.does_not("a rule from above that is new", || web.write(".gitignore", "dist/\n*.new\n"));
    web.does_not("what that ignores", || web.write("dist/app/x.new", "1"));
    web.restarts("dist/app/x.tmp", || web.write("dist/app/x.tmp", "2"));
}

#[test]
fn its_own_logs_do_not_count_wherever_they_are() {
    let script = "echo run; while sleep 0.05; do echo noise noise noise noise noise noise; echo x >&2; done";
    let env = TestEnv::new();
    let work = env.work();
    let web = Watched { env };
    // The state folder is in the tree, too.
    let state = work.join("state");
    let bgo = |args: &[&str]| web.env.cmd(args).var("BGO_HOME", &state).run().ok();
    let flags = ["--stdout", "out.log", "--stderr", "logs.txt", "--log-max-size", "1K", "--log-keep", "2"];
    let command = ["--watch-files", "web", "--", "sh", "-c", script];
    bgo(&[&["start", "--settle", "0"], &flags[..], &command].concat());
    wait_until("a rotation", || work.join("out.log.1").exists());
    wait_until("another", || work.join("out.log.2").exists());
    let watcher = || fs::read_to_string(state.join("logs/web.watcher.log")).unwrap();
    assert!(!watcher().contains("files changed"), "{}", watcher());
    fs::write(work.join("app.py"), "1").unwrap();
    wait_until("a restart for a file of its own", || watcher().contains("files changed: app.py: restarting"));
    wait_until("the new run", || watcher().matches("started pid=").count() > 1);
    bgo(&["stop", "web"]);
}

#[test]
fn a_single_file_may_be_replaced_go_away_and_come_back() {
    let web = Watched::new(&["--watch-files=src/app.py"]);
    let app = web.path("src/app.py");
    web.restarts("src/app.py", || fs::write(&app, "2").unwrap());
    web.does_not("its neighbour", || web.write("src/other.py", "1"));
    web.restarts("src/app.py", || {
        web.write("src/other.py", "2");
        fs::rename(web.path("src/other.py"), &app).unwrap();
    });
    web.restarts("src/app.py", || fs::remove_dir_all(web.path("src")).unwrap());
    web.does_not("an empty folder in its place", || fs::create_dir(web.path("src")).unwrap());
    web.restarts("src/app.py", || fs::write(&app, "3").unwrap());
    web.restarts("src/app.py", || fs::write(&app, "4").unwrap());
}

#[test]
fn a_folder_may_go_away_and_come_back_and_a_link_may_lead_elsewhere() {
    let env = TestEnv::new();
    for release in ["one/a", "two/a", "folder/a"] {
        fs::create_dir_all(env.work().join(release)).unwrap();
    }
    let link = env.work().join("current");
    std::os::unix::fs::symlink("one", &link).unwrap();
    let web = Watched { env };
    web.start(&["--watch-files=current", "--watch-files=folder"], "echo run; exec sleep 1000");
    web.restarts("one/a/x", || web.write("one/a/x", "1"));
    web.restarts("current", || {
        let fresh = web.path("fresh");
        std::os::unix::fs::symlink("two", &fresh).unwrap();
        fs::rename(&fresh, &link).unwrap();
    });
    web.does_not("where it led before", || web.write("one/a/x", "2"));
    web.restarts("two/a/x", || web.write("two/a/x", "1"));
    web.write("folder/y", "1");
    web.wait_runs(5);
    web.restarts("folder", || fs::rename(web.path("folder"), web.path("away")).unwrap());
    web.does_not("where it is now", || web.write("away/y", "2"));
    web.restarts("folder", || fs::rename(web.path("away"), web.path("folder")).unwrap());
    web.restarts("folder/y", || web.write("folder/y", "3"));
}

#[test]
fn what_cannot_be_read_or_leads_in_circles_does_no_harm() {
    let env = TestEnv::new();
    let work = env.work();
    fs::create_dir(work.join("src")).unwrap();
    std::os::unix::fs::symlink("..", work.join("src/loop")).unwrap();
    std::os::unix::fs::symlink("nowhere", work.join("src/broken")).unwrap();
    for pipe in ["src/pipe", ".gitignore"] {
        nix::unistd::mkfifo(&work.join(pipe), nix::sys::stat::Mode::S_IRWXU).unwrap();
    }
    let web = Watched { env };
    web.start(&["--watch-files"], "echo run; exec sleep 1000");
    web.restarts("src/app.py", || web.write("src/app.py", "1"));
    web.set(&["--poll"]);
    web.restarts("src/app.py", || web.write("src/app.py", "22"));
}

#[test]
fn a_change_during_a_slow_stop_is_seen_and_one_during_the_start_is_not_missed() {
    let slow = "trap 'sleep 1; exit 0' TERM; cat src/app.py; echo; echo run; while :; do sleep 0.05; done";
    let web = Watched::running(&["--watch-files"], slow);
    web.write("src/app.py", "two");
    wait_until("the stop to begin", || web.watcher().contains("stopping"));
    web.write("src/app.py", "three");
    web.wait_runs(2);
    web.stays(2, "it has read the last save");
    assert!(web.env.log("web", "out").contains("three\nrun"), "{}", web.env.log("web", "out"));
    // As soon as it runs: it may or may not have read the file.
    web.write("src/app.py", "four");
    web.wait_runs(3);
    web.write("src/app.py", "five");
    web.wait_runs(4);
    assert!(web.env.log("web", "out").ends_with("five\nrun\n"), "{}", web.env.log("web", "out"));
}

#[test]
fn a_broken_save_waits_for_the_next() {
    let app = "sh src/app.sh";
    for policy in [&[][..], &["--restart", "always"], &["--restart", "on-failure", "--restart-limit", "1/1h"]] {
        let env = TestEnv::new();
        fs::create_dir(env.work().join("src")).unwrap();
        let good = "echo run; exec sleep 1000";
        fs::write(env.work().join("src/app.sh"), good).unwrap();
        let web = Watched { env };
        web.start(&[&["--watch-files"], policy].concat(), app);
        for n in 0..3 {
            web.write("src/app.sh", &format!("echo broken {n}; exit 3"));
            wait_until("the broken run", || web.env.log("web", "out").contains(&format!("broken {n}")));
            web.env.wait_state("web", "waiting");
        }
        let row = web.env.row("web");
        assert_eq!((&row["status"], &row["exit_code"], &row["restarts"]), (&"stopped".into(), &3.into(), &0.into()));
        assert_eq!(web.env.record("web").get("fast_crashes"), None);
        assert!(web.env.bgo(&["status"]).ok().stdout.contains("waiting"));
        let text = web.env.bgo(&["status", "web"]).ok().stdout;
        assert!(text.contains("stopped (waiting") && text.contains("exit code 3"), "{text}");
        let refused = web.env.bgo(&["start", "web", "--", "true"]).code(1);
        assert!(refused.stderr.contains("\"web\" is waiting for one of its files to change"), "{}", refused.stderr);
        let refused = web.env.bgo(&["signal", "web", "HUP"]).code(1);
        assert!(refused.stderr.contains("it waits for one of its files to change"), "{}", refused.stderr);
        web.env.bgo(&["wait", "web"]).code(3);
        web.env.bgo(&["clean"]).ok();
        assert_eq!(web.env.bgo(&["resurrect"]).ok().code, 0);
        web.write("src/app.sh", good);
        web.wait_runs(2);
        web.env.wait_state("web", "running");
        web.env.bgo(&["stop", "web"]).ok();
        web.env.assert_all_gone();
    }
}

#[test]
fn what_has_ended_waits_and_can_be_stopped_restarted_and_deleted() {
    let web = Watched::running(&["--watch-files", "--on-exit", "echo \"$BGO_REASON\" >> ../reasons"], "echo run");
    web.env.wait_state("web", "waiting");
    web.restarts_from_wait(2, || web.write("src/app.py", "2"));
    web.env.bgo(&["restart", "web"]).ok();
    web.wait_runs(3);
    web.env.wait_state("web", "waiting");
    let sidecar = web.env.sidecar("web");
    web.env.bgo(&["stop", "web"]).ok();
    wait_until("the sidecar to leave", || !alive(sidecar));
    assert_eq!(web.env.row("web")["state"], "stopped");
    web.does_not("when it is stopped", || web.write("src/app.py", "3"));
    web.env.bgo(&["restart", "web"]).ok();
    web.wait_runs(4);
    web.env.wait_state("web", "waiting");
    web.env.bgo(&["delete", "-y", "web"]).ok();
    web.env.assert_all_gone();
    assert_eq!(web.env.names(), Vec::<String>::new());
}

impl Watched {
    #[track_caller]
    fn restarts_from_wait(&self, runs: usize, act: impl FnOnce()) {
        act();
        self.wait_runs(runs);
        self.env.wait_state("web", "waiting");
        self.stays(runs, "one start a save");
        assert!(self.watcher().contains("starting it again"), "{}", self.watcher());
    }
}

#[test]
fn a_program_that_is_gone_while_it_is_built_is_started_when_it_is_there() {
    let env = TestEnv::new();
    let app = env.script("app", "echo run; exec sleep 1000");
    env.start_with(&["--watch-files=app"], "web", &["./app"]);
    let web = Watched { env };
    web.wait_runs(1);
    fs::rename(&app, web.path("moved")).unwrap();
    web.env.wait_state("web", "waiting");
    assert!(web.env.row("web")["reason"].as_str().unwrap().contains("No such file"), "{}", web.env.row("web"));
    fs::rename(web.path("moved"), &app).unwrap();
    web.wait_runs(2);
    web.env.wait_state("web", "running");
}

#[test]
fn a_signal_instead_of_a_restart() {
    let script = "trap 'echo hup' HUP; echo run; while :; do sleep 0.05; done";
    let web = Watched::running(&["--watch-files", "--signal", "HUP"], script);
    let pid = web.env.pid("web");
    web.write("src/app.py", "2");
    wait_until("the signal", || web.env.log("web", "out").contains("hup"));
    assert!(web.watcher().contains("files changed: src/app.py: sending SIGHUP\n"), "{}", web.watcher());
    assert_eq!((web.env.pid("web"), web.runs()), (pid, 1));
    assert_eq!(web.env.record("web")["exits"], serde_json::json!([]));
    web.set(&["--unset", "watch-signal"]);
    web.restarts("src/app.py", || web.write("src/app.py", "3"));
}

#[test]
fn polling_sees_the_same() {
    let web = Watched::new(&["--watch-files", "--watch-files=src/app.py", "--poll", "--ignore", "*.db"]);
    let app = web.path("src/app.py");
    let slowly = |file: &str, act: &dyn Fn()| {
        let before = web.runs();
        act();
        web.wait_runs(before + 1);
        let reason = web.watcher();
        assert!(reason.contains(&format!("files changed: {file}")), "{file}: {reason}");
        web.stays(before + 1, file);
    };
    slowly("src/app.py", &|| fs::write(&app, "22").unwrap());
    slowly("many/f", &|| {
        // Written elsewhere: two looks may fall into the time that it takes.
        let elsewhere = web.path("../many");
        fs::create_dir(&elsewhere).unwrap();
        (0..1000).for_each(|n| fs::write(elsewhere.join(format!("f{n}")), "x").unwrap());
        fs::rename(elsewhere, web.path("many")).unwrap();
    });
    slowly("many/f7", &|| fs::remove_file(web.path("many/f7")).unwrap());
    slowly("src/app.py", &|| {
        fs::write(web.path("src/.t"), "23").unwrap();
        fs::rename(web.path("src/.t"), &app).unwrap();
    });
    web.does_not("what does not count", || {
        web.write("a.db", "1");
        fs::read(&app).unwrap();
        drop(web.env.program("chmod", &["600", "src/app.py"]).run().ok());
    });
    web.stays(web.runs(), "what does not count");
    web.set(&["--unset", "watch-poll"]);
    web.restarts("src/app.py", || fs::write(&app, "24").unwrap());
}

#[test]
fn watching_begins_and_ends_while_it_runs() {
    let web = Watched::new(&[]);
    web.does_not("unasked", || web.write("src/app.py", "2"));
    web.set(&["--watch-files=src"]);
    web.restarts("src/app.py", || web.write("src/app.py", "3"));
    web.does_not("elsewhere", || web.write("elsewhere", "2"));
    web.set(&["--watch-files=."]);
    web.restarts("elsewhere", || web.write("elsewhere", "3"));
    web.set(&["--unset", "watch-files"]);
    web.does_not("no more", || web.write("src/app.py", "4"));
    web.set(&["--watch-files"]);
    kill9(web.env.pid("web"));
    web.env.wait_state("web", "waiting");
    web.set(&["--unset", "watch-files"]);
    web.env.wait_state("web", "exited");
    web.env.assert_all_gone();
    for (flags, why) in [
        (&["--watch-files=none"][..], "--watch-files \"none\": No such file or directory"),
        (&["--watch-files="], "--watch-files must not be empty"),
        (&["--ignore", "x"], "--watch-ignore means nothing without files to watch: add --watch-files"),
        (&["--poll"], "--watch-poll means nothing without files to watch"),
        (&["--signal", "HUP"], "--watch-signal means nothing without files to watch"),
    ] {
        let refused = web.env.bgo(&[&["start"], flags, &["bad", "--", "true"]].concat());
        assert!(refused.code > 0 && refused.stderr.contains(why), "{}", refused.stderr);
        assert!(!web.env.record_path("bad").exists());
    }
}

#[test]
fn changes_wait_while_it_is_paused() {
    let web = Watched::new(&["--watch-files"]);
    web.env.bgo(&["pause", "web"]).ok();
    web.does_not("while it is paused", || web.write("src/app.py", "2"));
    web.restarts("src/app.py", || drop(web.env.bgo(&["resume", "web"]).ok()));
}

#[test]
fn a_sidecar_that_is_killed_is_replaced_by_one_that_watches() {
    let web = Watched::new(&["--watch-files"]);
    let pid = web.env.pid("web");
    kill9(web.env.sidecar("web"));
    assert!(web.env.bgo(&["status"]).ok().stdout.contains("! dead"));
    web.env.bgo(&["resurrect"]).ok();
    assert_eq!(web.env.pid("web"), pid);
    web.restarts("src/app.py", || web.write("src/app.py", "2"));
    // It waits for a change when its sidecar dies: that brings it back, as a reboot would.
    kill9(web.env.pid("web"));
    web.env.wait_state("web", "waiting");
    kill9(web.env.sidecar("web"));
    assert_eq!(web.env.row("web")["state"], "exited");
    web.env.bgo(&["resurrect"]).ok();
    web.wait_runs(3);
}

#[test]
fn while_nothing_changes_nothing_wakes_it() {
    let web = Watched::new(&["--watch-files"]);
    web.restarts("src/app.py", || web.write("src/app.py", "2"));
    let sidecar = web.env.sidecar("web");
    let wake_ups = || proc_status(sidecar, "voluntary_ctxt_switches");
    let mut before = (wake_ups(), Instant::now());
    wait_until("three seconds without a wake-up", || {
        // Reading is no change.
        fs::read(web.path("src/app.py")).unwrap();
        let now = wake_ups();
        if now != before.0 {
            before = (now, Instant::now());
        }
        before.1.elapsed() > Duration::from_secs(3)
    });
    assert_eq!(proc_status(sidecar, "Threads"), "1");
}

#[test]
fn a_run_in_the_foreground_goes_on_over_its_restarts() {
    for then in ["exec sleep 1000", "exit 0", "exit 3"] {
        let env = TestEnv::new();
        fs::write(env.work().join("a"), "1\n").unwrap();
        let script = format!("echo run; cat a; {then}");
        let run = env.cmd(&["run", "--watch-files", "--", "sh", "-c", &script]).spawn();
        run.wait_for("run\n1\n");
        fs::write(env.work().join("a"), "2\n").unwrap();
        run.wait_for("run\n1\nrun\n2\n");
        signal(run.pid, Signal::SIGINT);
        run.finish();
        env.assert_all_gone();
    }
}

#[test]
fn a_change_among_thousands_of_temporary_files_is_not_missed() {
    let web = Watched::running(&["--watch-files"], "echo run; echo at $(cat src/app.py); exec sleep 1000");
    for n in 0..2500 {
        web.write(&format!("src/t{n}"), "x");
        fs::remove_file(web.path(&format!("src/t{n}"))).unwrap();
    }
    web.write("src/app.py", "2");
    wait_until("a run that knows the change", || web.env.log("web", "out").ends_with("at 2\n"));
}
