//! `--scope`: a process and its sidecar are put into a systemd scope of their own, or nothing is started. systemd-run is a
//! fake that notes what it is told and executes the rest in place, as the real one does.

use crate::env::{BGO, Cmd, TestEnv, alive, descriptors, executable, kill9, proc_status, signal, stat, wait_until};
use nix::sys::signal::Signal;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// What passes on is told to `run.log`, a line a call.
const PASSES_ON: &str = "printf '%s\\n' \"$*\" >>\"$(dirname \"$0\")/../run.log\"\n\
                         while [ \"$1\" != -- ]; do shift; done\nshift\nexec \"$@\"";

fn fake(env: &TestEnv, body: &str) {
    executable(&env.bin().join("systemd-run"), &format!("#!/bin/sh\n{body}\n"));
}

fn calls(env: &TestEnv) -> Vec<String> {
    let text = fs::read_to_string(env.root().join("run.log")).unwrap_or_default();
    text.lines().filter(|line| !is_trial(line)).map(str::to_owned).collect()
}

/// Whether a call only tried whether there can be a scope.
fn is_trial(call: &str) -> bool {
    call.ends_with(" -- /bin/sh -c :")
}

/// `bgo ARGS…` as a user who is not root, and has all of the folder.
fn as_user<'a>(env: &'a TestEnv, args: &[&str]) -> Cmd<'a> {
    if !nix::unistd::geteuid().is_root() {
        return env.cmd(args);
    }
    let nobody = Some(65534);
    for folder in [env.root(), &env.home(), &env.work()] {
        chown(folder, nobody, nobody).unwrap();
    }
    // By a descriptor: the folder of the binary may be closed to others.
    let script = "exec 9<\"$0\"; exec setpriv --reuid=65534 --regid=65534 --clear-groups /proc/self/fd/9 \"$@\"";
    env.program("sh", &[&["-c", script, BGO], args].concat())
}

fn is_beside_its_sidecar(env: &TestEnv, name: &str) -> bool {
    stat(env.pid(name))[1] == env.sidecar(name).to_string()
}

#[test]
fn a_process_gets_a_scope_of_its_own_with_its_sidecar() {
    let env = TestEnv::new();
    fake(&env, PASSES_ON);
    let manager = if nix::unistd::geteuid().is_root() { "--system" } else { "--user" };
    let cmd = |args: &[&str]| env.cmd(args).var("XDG_RUNTIME_DIR", env.home()).run();
    cmd(&["start", "my app", "--scope", "--", "sleep", "100"]).ok();
    let (pid, sidecar) = (env.pid("my app"), env.sidecar("my app"));
    let run_id = env.record("my app")["run_id"].as_str().unwrap().to_owned();
    let calls_so_far = calls(&env);
    let [call] = &calls_so_far[..] else { panic!("{calls_so_far:?}") };
    let unit = call.split_once("--unit=").and_then(|(_, rest)| rest.split_once(' ')).unwrap().0;
    assert!(unit.starts_with("bgo-my\\x20app-") && unit.ends_with(".scope"), "{unit}");
    assert_eq!(
        *call,
        format!(
            "{manager} --unit={unit} --description=bgo: my app --scope --quiet --collect --property=Delegate=yes --property=TasksMax=infinity \
             -- /proc/self/fd/5 __sidecar__ my app {run_id} start"
        )
    );
    assert!(env.log("my app", "watcher").contains(&format!("] in scope {unit}\n")));
    // It is the sidecar itself that was handed over to, with nothing left of the way to it.
    assert!(is_beside_its_sidecar(&env, "my app"));
    assert_eq!(fs::read_link(format!("/proc/{sidecar}/exe")).unwrap(), Path::new(BGO).canonicalize().unwrap());
    let open = descriptors(sidecar);
    assert!(open.values().all(|path| !path.ends_with("bgo")), "{open:?}");
    assert_eq!(env.record("my app")["spec"]["scope"], true);
    // A restart by the sidecar stays where it is; a sidecar that takes up a process gets a scope, too, and so does
    // what is replaced or brought back.
    cmd(&["restart", "my app"]).ok();
    assert_eq!((env.sidecar("my app"), calls(&env).len()), (sidecar, 1));
    assert!(!alive(pid));
    kill9(sidecar);
    cmd(&["resurrect"]).ok();
    cmd(&["start", "my app", "--force", "--scope", "--", "sleep", "200"]).ok();
    let (pid, sidecar) = (env.pid("my app"), env.sidecar("my app"));
    kill9(sidecar);
    kill9(pid);
    env.edit_record("my app", |record| record["identity"]["boot_id"] = "another".into());
    cmd(&["resurrect"]).ok();
    let words: Vec<String> = calls(&env).iter().map(|call| call.rsplit(' ').next().unwrap().to_owned()).collect();
    assert_eq!(words, ["start", "attach", "start", "start"]);
    let units: std::collections::BTreeSet<String> =
        calls(&env).iter().map(|call| call.split(' ').nth(1).unwrap().to_owned()).collect();
    assert_eq!(units.len(), 4, "no unit twice: {units:?}");
    cmd(&["stop", "my app"]).ok();
    env.assert_all_gone();
}

#[test]
fn where_there_can_be_no_scope_nothing_is_started_and_nothing_stopped() {
    let env = TestEnv::new();
    let cmd = |args: &[&str]| env.cmd(args).var("XDG_RUNTIME_DIR", env.home()).run();
    let start = ["start", "web", "--scope", "--", "sleep", "100"];
    fake(&env, "echo 'Failed to start transient scope unit: Access denied' >&2; exit 1");
    let said = cmd(&start).code(1);
    let cause = "bgo: cannot start \"web\": --scope: Failed to start transient scope unit: Access denied\nhint: ";
    assert!(said.stderr.starts_with(cause), "{}", said.stderr);
    assert_eq!((env.names(), env.entries("logs")), (vec![], vec![]), "nothing is left of it");
    fake(&env, "exit 1");
    assert!(cmd(&start).code(1).stderr.contains("--scope: systemd-run ended without a word\n"));
    // One that was made, with a sidecar that dies at once: none of systemd-run's doing.
    fake(&env, "echo \"[now] in scope ${2#--unit=}\" >&2; exit 1");
    let said = cmd(&start).code(1);
    assert!(said.stderr.starts_with("bgo: cannot start \"web\": its sidecar ended without a word\n"), "{said:?}");
    assert_eq!((env.names(), env.entries("logs")), (vec![], vec!["web.watcher.log".to_owned()]), "it tells why");
    // The name is free at once.
    let pid = env.start("web", &["sleep", "300"]);
    // Where there is none, that is known before anything is stopped.
    fs::remove_file(env.bin().join("systemd-run")).unwrap();
    let sleep = ["start", "web", "--force", "--scope", "--", "/bin/sleep", "100"];
    let said = env.cmd(&sleep).var("PATH", env.bin()).run().code(1);
    said.says(
        "",
        "bgo: cannot start \"web\": --scope: systemd-run is not installed, or not on PATH\n\
         hint: start it without --scope; bgo set web --unset scope, if it is registered\n",
    );
    env.bgo(&["set", "web", "--scope"]).ok();
    env.cmd(&["restart", "web"]).var("PATH", env.bin()).run().code(1);
    assert!(alive(pid));
    // A sidecar for what runs is worth more than its place.
    kill9(env.sidecar("web"));
    env.cmd(&["resurrect"]).var("PATH", env.bin()).run().ok();
    fake(&env, "exit 1");
    kill9(env.sidecar("web"));
    cmd(&["resurrect"]).ok();
    assert!(alive(pid) && alive(env.sidecar("web")));
    let said = env.bgo(&["doctor"]).ok().stdout;
    assert!(said.contains("it is to be in a scope of its own and is not"), "{said}");
    let said = env.bgo(&["status", "web"]).ok().stdout;
    assert!(said.contains("Scope:         none, although --scope asks for one: "), "{said}");
    assert_eq!(env.bgo(&["status", "web", "--json"]).ok().json()["in_scope"], false);
    assert!(env.rows()[0].get("in_scope").is_none(), "the list looks at no such thing");
    fake(&env, PASSES_ON);
    cmd(&["restart", "web"]).ok();
    assert_eq!(cmd(&["status", "web", "--json"]).ok().json()["in_scope"], true);
    assert!(!cmd(&["status", "web"]).ok().stdout.contains("Scope:"));
}

#[test]
fn what_runs_is_not_stopped_for_a_scope_that_cannot_be_made_and_stays_wanted_up() {
    let env = TestEnv::new();
    let cmd = |args: &[&str]| env.cmd(args).var("XDG_RUNTIME_DIR", env.home()).run();
    let pid = env.start("web", &["sleep", "100"]);
    env.bgo(&["set", "web", "--scope"]).ok();
    fake(&env, "echo 'Failed to connect to bus' >&2; exit 1");
    let force = ["start", "web", "--force", "--scope", "--", "sleep", "200"];
    for args in [&["restart", "web"][..], &force] {
        let said = cmd(args).code(1);
        assert!(
            said.stderr.starts_with("bgo: cannot start \"web\": --scope: Failed to connect to bus\nhint: "),
            "{said:?}"
        );
        assert!(alive(pid) && env.record("web")["want"] == "up");
    }
    // One that can be made when it is tried, and cannot be when it is needed.
    let fails = "case \"$*\" in *__sidecar__*) echo 'Access denied' >&2; exit 1;; esac";
    for args in [&["restart", "web"][..], &force] {
        fake(&env, &format!("{fails}\n{PASSES_ON}"));
        let said = cmd(args).code(1);
        let cause = "--scope: Access denied; what ran was stopped for it, and is down now\n";
        assert!(said.stderr.contains(cause), "{said:?}");
        assert_eq!((&env.record("web")["want"], &env.record("web")["state"]), (&"up".into(), &"stopped".into()));
        fake(&env, PASSES_ON);
        let said = cmd(&["resurrect"]).ok();
        assert!(said.stdout.contains("web"), "{said:?}");
        assert_eq!(env.record("web")["command"][1], "100", "as it was before");
        assert!(alive(env.pid("web")));
        env.bgo(&["set", "web", "--unset", "scope"]).ok();
        cmd(&["restart", "web"]).ok();
        env.bgo(&["set", "web", "--scope"]).ok();
    }
}

#[test]
fn a_changed_setting_moves_it_at_its_next_start_or_restart() {
    let env = TestEnv::new();
    fake(&env, PASSES_ON);
    let cmd = |args: &[&str]| env.cmd(args).var("XDG_RUNTIME_DIR", env.home()).run();
    env.start("web", &["sleep", "100"]);
    cmd(&["set", "web", "--scope"]).ok().says("set scope of \"web\" from its next start on\n", "");
    cmd(&["restart", "web"]).ok();
    assert_eq!(calls(&env).len(), 1);
    // Its successor in the same scope knows where it is.
    cmd(&["watch", "web"]).ok();
    cmd(&["unwatch", "web"]).ok();
    let sidecar = env.sidecar("web");
    cmd(&["restart", "web"]).ok();
    assert_eq!((env.sidecar("web"), calls(&env).len()), (sidecar, 1));
    cmd(&["set", "web", "--unset", "scope"]).ok();
    cmd(&["restart", "web"]).ok();
    assert!(env.sidecar("web") != sidecar && calls(&env).len() == 1);
    assert!(is_beside_its_sidecar(&env, "web"));
}

#[test]
fn a_systemd_run_that_does_not_answer_is_ended_and_keeps_nobody_out() {
    let env = TestEnv::new();
    fake(&env, "echo waiting >>\"$(dirname \"$0\")/../run.log\"; sleep 1000");
    let start = env.cmd(&["start", "web", "--scope", "--", "sleep", "100"]).var("XDG_RUNTIME_DIR", env.home()).spawn();
    wait_until("systemd-run to be started", || !calls(&env).is_empty());
    let said = env.bgo(&["start", "web", "--", "sleep", "100"]).code(1);
    assert!(said.stderr.contains("\"web\" is being started or stopped by another command"), "{}", said.stderr);
    let said = start.finish().code(1);
    assert!(said.stderr.contains("cannot start \"web\": --scope: systemd-run did not answer within 10 s\n"));
    env.assert_all_gone();
    assert_eq!(env.names(), [""; 0]);
    env.start("web", &["sleep", "100"]);
}

#[test]
fn a_start_that_is_interrupted_while_its_scope_is_made_leaves_nothing() {
    let env = TestEnv::new();
    fake(&env, "echo waiting >>\"$(dirname \"$0\")/../run.log\"; exec sleep 1000");
    let args = ["start", "web", "--scope", "--", "sleep", "100"];
    let start = env.cmd(&args).var("XDG_RUNTIME_DIR", env.home()).spawn();
    wait_until("systemd-run to be started", || !calls(&env).is_empty());
    signal(start.pid, Signal::SIGINT);
    start.finish();
    env.assert_all_gone();
    assert_eq!(env.names(), [""; 0]);
    // One that waits for another at its end gives up what is not made by then.
    env.start("web", &["sleep", "100"]);
    env.bgo(&["set", "web", "--scope"]).ok();
    let pid = env.pid("web");
    kill9(env.sidecar("web"));
    kill9(pid);
    let said = env.cmd(&["resurrect", "--timeout", "0.3s"]).var("XDG_RUNTIME_DIR", env.home()).run();
    // On a busy machine the time may be over before that.
    let gave_up = said.stderr.contains("--scope: systemd-run did not answer in time\n");
    assert!(gave_up || said.stderr.contains("it is not done after 300ms\n"), "{said:?}");
    // Then systemd-run has the name until it is given up.
    wait_until("the name to be free", || env.bgo(&["stop", "web"]).code == 0);
    env.assert_all_gone();
}

#[test]
fn a_resurrect_that_was_interrupted_gives_up_a_scope_that_is_not_made() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "100"]);
    env.bgo(&["set", "web", "--scope"]).ok();
    kill9(env.sidecar("web"));
    kill9(pid);
    fake(&env, "echo waiting >>\"$(dirname \"$0\")/../run.log\"; exec sleep 1000");
    // The signal is taken before the launch is: no other thread finds it in the queue.
    let write_lock = File::open(env.state().join("run/web.write")).unwrap();
    write_lock.lock().unwrap();
    let resurrect = env.cmd(&["resurrect", "web"]).var("XDG_RUNTIME_DIR", env.home()).spawn();
    let blocked = format!(":{} ", write_lock.metadata().unwrap().ino());
    wait_until("it to wait for the write lock", || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("-> FLOCK") && line.contains(&blocked))
    });
    signal(resurrect.pid, Signal::SIGINT);
    let is_pending = || u64::from_str_radix(&proc_status(resurrect.pid, "ShdPnd"), 16).unwrap() & 2 != 0;
    wait_until("the signal to be taken", || !is_pending());
    drop(write_lock);
    resurrect.finish().code(130).says("", "bgo: \"web\" was not started: interrupted\n");
    env.assert_all_gone();
    assert_eq!(env.record("web")["want"], "up");
}

#[test]
fn a_user_without_a_way_to_its_systemd_is_told_the_way() {
    let env = TestEnv::new();
    fake(&env, PASSES_ON);
    let start = ["start", "web", "--scope", "--", "sleep", "100"];
    let said = as_user(&env, &start).run().code(1);
    let cause = "bgo: cannot start \"web\": --scope: XDG_RUNTIME_DIR is not set, as after su or sudo, in cron, and in ssh \
                 without PAM\nhint: ";
    assert!(said.stderr.starts_with(cause), "{}", said.stderr);
    assert!(said.stderr.contains("export XDG_RUNTIME_DIR=/run/user/"), "{}", said.stderr);
    assert!(!env.state().join("procs").exists());
    as_user(&env, &start).var("XDG_RUNTIME_DIR", env.home()).run().ok();
    let [call] = &calls(&env)[..] else { panic!() };
    assert!(call.starts_with("--user --unit=bgo-web-"), "{call}");
    as_user(&env, &["stop", "web"]).run().ok();
}
