//! `start --fetch`: the folder is brought up to date first, and whatever goes wrong with that changes nothing.

use crate::env::{TestEnv, alive, executable, signal, wait_until};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};

/// Variables that make git the same everywhere.
const GIT: [(&str, &str); 6] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_AUTHOR_NAME", "a"),
    ("GIT_AUTHOR_EMAIL", "a@b"),
    ("GIT_COMMITTER_NAME", "a"),
    ("GIT_COMMITTER_EMAIL", "a@b"),
];

#[track_caller]
fn git(env: &TestEnv, folder: &Path, args: &[&str]) {
    let command = GIT.iter().fold(env.program("git", args).cwd(folder), |c, (key, value)| c.var(key, value));
    command.run().ok();
}

/// Writes `say` in `folder` (a script that says `text`), and commits it.
#[track_caller]
fn commit(env: &TestEnv, folder: &Path, text: &str) {
    fs::write(folder.join("say"), format!("echo {text}; exec sleep 300\n")).unwrap();
    git(env, folder, &["add", "say"]);
    git(env, folder, &["commit", "-qm", text]);
}

/// Where others push to, and a clone of it that is one version behind.
struct Repository {
    clone: PathBuf,
    source: PathBuf,
}

fn repository(env: &TestEnv) -> Option<Repository> {
    if !std::env::split_paths(&env.path()).any(|folder| folder.join("git").exists()) {
        return None;
    }
    let path = |name: &str| env.root().join(name);
    git(env, env.root(), &["init", "-q", "--bare", "-b", "main", "bare"]);
    git(env, env.root(), &["clone", "-q", "bare", "source"]);
    git(env, &path("source"), &["checkout", "-q", "-B", "main"]);
    commit(env, &path("source"), "old");
    git(env, &path("source"), &["push", "-q", "origin", "main"]);
    git(env, env.root(), &["clone", "-q", "-b", "main", "bare", "clone"]);
    commit(env, &path("source"), "new");
    git(env, &path("source"), &["push", "-q", "origin", "main"]);
    Some(Repository { clone: path("clone"), source: path("source") })
}

/// `bgo ARGS…` in the clone.
fn bgo<'a>(env: &'a TestEnv, repository: &Repository, args: &[&str]) -> crate::env::Cmd<'a> {
    GIT.iter().fold(env.cmd(args).cwd(&repository.clone), |c, (key, value)| c.var(key, value))
}

#[test]
fn a_fetch_brings_the_new_version() {
    let env = TestEnv::new();
    let Some(repository) = repository(&env) else { return };
    bgo(&env, &repository, &["web", "--", "sh", "say"]).run().ok();
    wait_until("the old version", || env.log("web", "out") == "old\n");
    // A hook tells git of another repository by variables.
    let start = bgo(&env, &repository, &["start", "web", "--fetch", "--force", "--", "sh", "say"]);
    let told = start.var("GIT_DIR", repository.source.join(".git")).run().ok();
    assert!(told.stderr.contains("Fast-forward") && told.stdout.starts_with("started \"web\""), "{told:?}");
    wait_until("the new version", || env.log("web", "out") == "old\nnew\n");
    // What is up to date is started all the same; the folder may be named, and the form without a verb knows it, too.
    let folder = repository.clone.to_string_lossy().into_owned();
    let again = ["web", "--fetch", "--force", "--cwd", &folder, "--", "sh", "say"];
    bgo(&env, &repository, &again).cwd(env.work()).run().ok();
    wait_until("a third start", || env.log("web", "out") == "old\nnew\nnew\n");
}

#[test]
fn a_failed_fetch_is_an_error_and_the_running_process_is_left_alone() {
    let env = TestEnv::new();
    let Some(repository) = repository(&env) else { return };
    bgo(&env, &repository, &["web", "--", "sleep", "300"]).run().ok();
    let (pid, record) = (env.pid("web"), env.record("web"));
    commit(&env, &repository.clone, "diverged");
    let args = ["start", "web", "--fetch", "--force", "--", "sh", "say"];
    let told = bgo(&env, &repository, &args).run().code(1);
    let what = format!("bgo: cannot fetch for \"web\": git pull in \"{}\" ended with", repository.clone.display());
    assert!(told.stderr.starts_with(&what) && told.stderr.contains("fatal: "), "{}", told.stderr);
    assert!(told.stderr.contains("\nhint: nothing was stopped or started; git status"), "{}", told.stderr);
    assert!(alive(pid) && env.record("web") == record);
    let fresh = bgo(&env, &repository, &["fresh", "--fetch", "--", "sh", "say"]).run().code(1);
    assert!(fresh.stdout.is_empty() && !env.record_path("fresh").exists());
}

#[test]
fn what_is_left_alone_is_not_fetched_for() {
    let env = TestEnv::new();
    let Some(repository) = repository(&env) else { return };
    bgo(&env, &repository, &["web", "--", "sleep", "300"]).run().ok();
    bgo(&env, &repository, &["web", "--fetch", "--", "sh", "say"]).run().code(1);
    for flags in [&["--if-not-running"][..], &["--if-not-running", "--force"]] {
        bgo(&env, &repository, &[&["web", "--fetch"], flags, &["--", "sleep", "300"]].concat()).run().ok();
    }
    assert!(fs::read_to_string(repository.clone.join("say")).unwrap().contains("old"));
}

#[test]
fn without_git_or_a_work_tree_it_is_said_so() {
    let env = TestEnv::new();
    let start = ["start", "web", "--fetch", "--", "/bin/sleep", "300"];
    let told = env.cmd(&start).var("PATH", env.bin()).run().code(1);
    assert_eq!(
        told.stderr,
        "bgo: cannot fetch for \"web\": git is not installed, or not on PATH\nhint: install git, or start it without \
         --fetch\n"
    );
    if repository(&env).is_some() {
        let told = env.cmd(&start).var("GIT_CEILING_DIRECTORIES", env.root()).run().code(1);
        let what =
            format!("bgo: cannot fetch for \"web\": \"{}\" is not in a work tree of git\n", env.work().display());
        assert!(told.stderr.starts_with(&what), "{}", told.stderr);
    }
    let told = env.bgo(&["start", "web", "--fetch", "--cwd", "gone", "--", "/bin/sleep", "300"]).code(1);
    assert!(told.stderr.contains("chdir to"), "{}", told.stderr);
    assert!(!env.record_path("web").exists());
}

/// A `git` whose pull runs `script`.
fn fake(env: &TestEnv, script: &str) {
    executable(
        &env.bin().join("git"),
        &format!("#!/bin/sh\nif [ $1 = rev-parse ]; then echo true; exit; fi\n{script}\n"),
    );
}

#[test]
fn a_fetch_can_be_interrupted_and_git_ends_with_it() {
    let env = TestEnv::new();
    let pid_of = || fs::read_to_string(env.work().join("git.pid")).ok()?.trim().parse::<u32>().ok();
    for (script, by_terminal) in [("exec sleep 300", true), ("exec sleep 300", false)] {
        fake(&env, &format!("echo $$ >git.pid\n{script}"));
        let args = ["start", "web", "--fetch", "--", "sleep", "300"];
        let mut terminal = env.cmd(&args).on_terminal(100);
        terminal.wait_for("git pull for web");
        wait_until("git", || pid_of().is_some());
        if by_terminal {
            terminal.send("\x03");
        } else {
            signal(terminal.pid(), Signal::SIGTERM);
        }
        terminal.finish().code(130);
        assert!(!alive(pid_of().unwrap()) && !env.record_path("web").exists());
        fs::remove_file(env.work().join("git.pid")).unwrap();
    }
}

#[test]
fn git_is_told_not_to_ask_and_what_it_leaves_behind_is_not_waited_for() {
    let env = TestEnv::new();
    fake(&env, "echo prompt $GIT_TERMINAL_PROMPT >&2; read answer; echo \"read $?\"; sleep 300 & exit 0");
    let told = env.bgo(&["start", "web", "--fetch", "--", "sleep", "301"]).ok();
    assert_eq!(told.stderr, "prompt 0\nread 1\n");
    assert_eq!(env.row("web")["status"], "online");
    fake(&env, "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; echo the last; kill -9 $$");
    let told = env.bgo(&["start", "other", "--fetch", "--", "sleep", "301"]).code(1);
    assert!(told.stderr.contains("ended with SIGKILL\n") && told.stderr.contains("the last\n"), "{}", told.stderr);
    assert!(told.stderr.lines().count() < 15, "{}", told.stderr);
}

#[test]
fn what_git_says_besides_does_not_hide_its_answer() {
    let env = TestEnv::new();
    let Some(repository) = repository(&env) else { return };
    let start = bgo(&env, &repository, &["start", "web", "--fetch", "--", "sh", "say"]);
    start.var("GIT_TRACE", "1").run().ok();
}
