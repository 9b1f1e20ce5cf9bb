//! `resurrect`: after a reboot, exactly what was up is up again.

use crate::env::{TestEnv, alive, kill9, signal, wait_until};
use nix::sys::signal::Signal;
use std::fs;

/// Ends sidecars and processes as a power cut would.
fn power_cut(env: &TestEnv, names: &[&str]) {
    names.iter().for_each(|name| kill9(env.sidecar(name)));
    names.iter().for_each(|name| kill9(env.pid(name)));
}

#[test]
fn what_was_up_comes_back_and_what_was_stopped_stays_down() {
    let env = TestEnv::new();
    env.start("plain", &["sleep", "300"]);
    env.start_with(&["-w", "--interval", "5"], "watched", &["sleep", "300"]);
    env.start("stopped", &["sleep", "300"]);
    env.bgo(&["stop", "stopped"]).ok();
    env.bgo(&["start", "job", "--", "true"]).ok();
    let kept = env.start("kept", &["sleep", "300"]);
    power_cut(&env, &["plain", "watched"]);
    let said = env.bgo(&["resurrect"]).ok();
    let (plain, watched) = (env.pid("plain"), env.pid("watched"));
    let why = "it was up, and is gone with its sidecar";
    let told = format!("resurrected \"plain\" (pid {plain}): {why}\nresurrected \"watched\" (pid {watched}): {why}\n");
    said.says(&told, "");
    assert!(alive(plain) && alive(watched));
    assert_eq!(env.pid("kept"), kept);
    let watch = env.record("watched")["watch"].clone();
    assert_eq!([&watch["enabled"], &watch["interval"]], [&true.into(), &serde_json::json!(5)]);
    assert_eq!(
        [env.row("stopped")["state"].as_str(), env.row("job")["state"].as_str()],
        [Some("stopped"), Some("exited")]
    );
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
}

#[test]
fn what_a_shutdown_ended_comes_back() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    let (pid, sidecar) = (env.pid("web"), env.sidecar("web"));
    signal(sidecar, Signal::SIGTERM);
    signal(pid, Signal::SIGTERM);
    wait_until("both to be gone", || !alive(pid) && !alive(sidecar));
    assert_eq!(env.record("web")["want"], "up");
    env.bgo(&["resurrect"]).ok();
    assert!(alive(env.pid("web")));
}

#[test]
fn what_ended_by_itself_is_not_brought_back() {
    let env = TestEnv::new();
    env.start("code", &["sh", "-c", "exit 3"]);
    signal(env.start("crash", &["sleep", "300"]), Signal::SIGSEGV);
    wait_until("both and their sidecars to be gone", || env.processes().is_empty());
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
}

#[test]
fn one_that_lost_only_its_sidecar_gets_another_and_runs_on() {
    let env = TestEnv::new();
    let pid = env.start_with(&["-w", "--min-uptime", "0"], "web", &["sleep", "300"]);
    kill9(env.sidecar("web"));
    let told = format!("\"web\" still runs (pid {pid}); it has a sidecar again\n");
    env.bgo(&["resurrect"]).ok().says(&told, "");
    assert!(alive(pid) && alive(env.sidecar("web")));
    kill9(pid);
    wait_until("the restart", || env.pid("web") != pid && alive(env.pid("web")));
}

#[test]
fn one_that_cannot_come_back_does_not_keep_the_others_down() {
    let env = TestEnv::new();
    let script = env.script("app.sh", "exec sleep 300");
    env.start("aa", &[&script.to_string_lossy()]);
    env.start("bb", &["sleep", "300"]);
    power_cut(&env, &["aa", "bb"]);
    env.put_record("corrupt", "{");
    fs::remove_file(script).unwrap();
    let said = env.bgo(&["resurrect"]).code(1);
    assert_eq!(
        said.stdout,
        format!("resurrected \"bb\" (pid {}): it was up, and is gone with its sidecar\n", env.pid("bb"))
    );
    let told = "bgo: cannot start \"aa\": \"DIR/work/app.sh\": No such file or directory\n";
    assert!(env.redact(&said.stderr, &[]).starts_with(told), "{}", said.stderr);
    assert_eq!(env.row("aa")["status"], "stopped");
    let script = env.script("app.sh", "exec sleep 300");
    assert!(script.exists());
    env.bgo(&["resurrect"]).code(1);
    assert_eq!(env.row("aa")["state"], "running", "the wish was kept");
}

#[test]
fn nothing_to_resurrect_is_a_success() {
    let env = TestEnv::new();
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
}

/// At shutdown processes end in any order, and login may come before the last sidecar has written down what it saw.
#[test]
fn one_whose_end_is_being_written_down_is_brought_back() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    let sidecar = env.sidecar("web");
    signal(sidecar, Signal::SIGSTOP);
    kill9(pid);
    let resurrect = env.cmd(&["resurrect"]).spawn();
    wait_until("the command to wait", || crate::env::proc_status(resurrect.pid, "State").starts_with('S'));
    signal(sidecar, Signal::SIGCONT);
    resurrect.finish().ok();
    assert!(alive(env.pid("web")) && env.pid("web") != pid);
}

/// What it leaves behind is not it: nobody saw how it ended, and watch mode starts it again.
#[test]
fn one_that_died_with_its_sidecar_and_left_others_behind_is_detached() {
    let env = TestEnv::new();
    let script = env.script("srv.sh", "sleep 1000 & echo $! > \"$BGO_NAME.child\"; wait");
    let script = script.to_string_lossy();
    let plain = env.start("plain", &[&script]);
    let watched = env.start_with(&["-w", "--min-uptime", "0"], "watched", &[&script]);
    let child = |name: &str| {
        let file = env.work().join(format!("{name}.child"));
        let read = || fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u32>().ok());
        wait_until("the child", || read().is_some());
        read().unwrap()
    };
    let children = ["plain", "watched"].map(child);
    power_cut(&env, &["plain", "watched"]);
    for (name, pid) in [("plain", plain), ("watched", watched)] {
        let row = env.row(name);
        assert_eq!((&row["state"], &row["pid"]), (&"detached".into(), &pid.into()), "{row}");
    }
    let said = env.bgo(&["resurrect"]).ok();
    let told =
        |name: &str, pid| format!("\"{name}\" has ended unseen; what it left behind (pid {pid}) has a sidecar again\n");
    assert_eq!(said.stdout, told("plain", children[0]) + &told("watched", children[1]));
    wait_until("the restart", || env.pid("watched") != watched && alive(env.pid("watched")));
    assert!(!alive(children[1]), "the rest is ended before that");
    assert_eq!(env.row("plain")["state"], "detached");
    assert!(alive(children[0]));
    let exit = env.record("plain")["exits"][0].clone();
    assert!(exit["code"].is_null() && exit["signal"].is_null() && exit["uptime_ms"].is_null(), "{exit}");
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
    // Once more: it stays what it is, and `stop` ends the rest.
    kill9(env.sidecar("plain"));
    env.bgo(&["stop", "plain"]).ok();
    assert!(!alive(children[0]));
}

/// Its settings are gone with its record; that it is not ours to run is not.
#[test]
fn one_of_another_user_whose_record_was_removed_stays_that_users() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let env = TestEnv::new();
    let user = |pid| crate::env::proc_status(pid, "Uid").split_whitespace().next().unwrap().to_owned();
    let pid = env.start_with(&["--user", "nobody", "--cwd", "/"], "web", &["sleep", "1000"]);
    let nobody = user(pid);
    fs::remove_dir_all(env.state()).unwrap();
    env.bgo(&["resurrect"]).ok().says(&format!("\"web\" still runs (pid {pid}); it has a sidecar again\n"), "");
    env.bgo(&["restart", "web"]).ok();
    assert_ne!(env.pid("web"), pid);
    assert_eq!(user(env.pid("web")), nobody);
    env.bgo(&["stop", "web"]).ok();
}

/// Another user calls a process of his what only our sidecars are called, to have his command run as us.
#[test]
fn a_strangers_process_that_poses_as_a_sidecar_is_not_taken_for_ours() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let env = TestEnv::new();
    for folder in [env.root().to_owned(), env.work()] {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    env.script("__sidecar__", "unset BGO_SIDECAR; BGO_RUN_ID=$2 setsid sh -c ': > up; exec sleep 60' & wait");
    let mut poser = std::process::Command::new("/bin/sh");
    poser.arg0("bgo").args(["__sidecar__", "web", "1-1", "start"]).current_dir(env.work()).uid(65534);
    poser.env("BGO_HOME", env.state()).env("BGO_SIDECAR", "web");
    let mut poser = poser.spawn().unwrap();
    wait_until("it to run", || env.work().join("up").exists());
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
    assert_eq!(env.rows().len(), 0);
    env.start("web", &["sleep", "300"]);
    assert_eq!(env.record("web")["command"][1], "300");
    env.bgo(&["stop", "web"]).ok();
    poser.kill().unwrap();
    poser.wait().unwrap();
}
