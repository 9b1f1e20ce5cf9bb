//! What bgo does on whose word, and where it writes.
//!
//! Why it exists: records are executed, environments are secret, and the names of all files can be guessed. Invariants
//! tested: nothing is written through what was planted, nothing is done on the word of another user's file, nothing that
//! came from outside moves a terminal's cursor, and the captured environment stays where it was put. What needs a second
//! user is tested as root only, and says so where it is not.

use super::env::{BGO, Cmd, Outcome, TestEnv, alive, wait_until};
use nix::sys::stat::Mode;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// Of all systems' users the one that owns nothing.
const NOBODY: u32 = 65534;

/// Whether a second user can be made use of.
fn is_root() -> bool {
    let is = nix::unistd::geteuid().is_root();
    if !is {
        eprintln!("passed over: only root can give a file to another user");
    }
    is
}

fn give(path: impl AsRef<Path>, owner: u32) {
    lchown(path, Some(owner), Some(owner)).unwrap();
}

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Everything below `folder`, without following links.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// Makes the home of `env` that of nobody, who can also get at the binary; what [`as_nobody`] needs.
fn move_in_nobody(env: &TestEnv) {
    // By another process: a test that forks meanwhile would inherit our descriptor, and "Text file busy" be the answer.
    env.program("cp", &[Path::new(BGO), &env.bin()]).run().ok();
    set_mode(env.root(), 0o755);
    for path in below(env.root()).iter().filter(|path| !path.starts_with(env.bin())) {
        give(path, NOBODY);
    }
}

/// `bgo ARGS…` as nobody.
fn as_nobody<'a>(env: &'a TestEnv, args: &[&str]) -> Cmd<'a> {
    let bgo = env.bin().join("bgo");
    let become_nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", bgo.to_str().unwrap()];
    env.program("setpriv", &[&become_nobody, args].concat())
}

/// The verbs that would change something about `web`.
const ACTING: [&[&str]; 12] = [
    &["stop", "web"],
    &["stop", "--force", "web"],
    &["stop", "--all"],
    &["restart", "web"],
    &["restart", "--update-env", "web"],
    &["watch", "web"],
    &["set", "web", "--stop-timeout", "9"],
    &["pause", "web"],
    &["resume", "web"],
    &["signal", "web", "HUP"],
    &["delete", "-y", "web"],
    &["start", "web", "--", "sleep", "2000"],
];

/// Every verb of [`ACTING`] fails and says `why`, once.
#[track_caller]
fn all_are_refused(env: &TestEnv, why: &str) {
    for args in ACTING {
        let refused = env.bgo(args).code(1);
        assert_eq!(refused.stderr.matches(why).count(), 1, "{args:?}: {}", refused.stderr);
        assert!(refused.stderr.contains("\nhint: "), "{args:?}: {refused:?}");
        let others_are_stopped = args.contains(&"--all");
        assert!(refused.stdout.is_empty() || others_are_stopped, "{args:?}: {refused:?}");
    }
}

// ---------------------------------------------------------------------------------------------- whose it is

#[test]
fn a_record_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    let other = env.start("other", &["sleep", "1001"]);
    let before = fs::read(env.record_path("web")).unwrap();
    give(env.record_path("web"), NOBODY);

    let why = "procs/web.json: it belongs to user \"nobody\", not to you";
    all_are_refused(&env, why);
    let resurrect = env.bgo(&["resurrect"]).code(1);
    assert!(resurrect.stderr.contains(why), "{}", resurrect.stderr);
    let clean = env.bgo(&["clean"]);
    assert!(clean.stderr.is_empty() || clean.stderr.contains(why), "{}", clean.stderr);
    assert!(alive(pid), "it was ended all the same");
    // But `stop --all` has stopped what is ours.
    wait_until("the other to end", || !alive(other));

    let row = env.bgo(&["status", "web", "--json"]).ok().json();
    assert_eq!((row["state"].as_str(), row["pid"].as_u64()), (Some("corrupt"), None));
    assert!(row["reason"].as_str().unwrap().contains("belongs to user \"nobody\""), "{row}");
    env.start("third", &["sleep", "1000"]);
    assert_eq!((env.rows().len(), env.row("third")["state"].as_str()), (2, Some("running")));
    assert_eq!(fs::read(env.record_path("web")).unwrap(), before);
    assert_eq!(fs::metadata(env.record_path("web")).unwrap().uid(), NOBODY);

    give(env.record_path("web"), 0);
    env.bgo(&["stop", "web", "third"]).ok();
    env.assert_all_gone();
}

/// What is left of `sudo bgo …` with `HOME` kept, from a time when bgo allowed it.
#[test]
fn a_record_that_its_user_cannot_read_is_a_row_that_says_whose_it_is() {
    if !is_root() {
        return;
    }
    let env = TestEnv::new();
    env.bgo(&["start", "web", "--", "sh", "-c", "exit 0"]).ok();
    env.bgo(&["start", "mine", "--", "sh", "-c", "exit 0"]).ok();
    wait_until("the sidecars to leave", || env.processes().is_empty());
    move_in_nobody(&env);
    give(env.record_path("web"), 0);
    let why = "it belongs to user \"root\", not to you";
    let rows = as_nobody(&env, &["status", "--json"]).run().ok().json();
    assert_eq!((&rows[0]["state"], &rows[1]["state"]), (&"exited".into(), &"corrupt".into()));
    assert!(rows[1]["reason"].as_str().unwrap().contains(why), "{rows}");
    let stop = as_nobody(&env, &["stop", "web"]).run().code(1);
    assert!(stop.stderr.contains(why), "{}", stop.stderr);
    as_nobody(&env, &["stop", "mine"]).run().ok();
}

#[test]
fn a_lock_of_another_user_is_refused() {
    if !is_root() {
        return;
    }
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    for lock in ["alive", "write"] {
        let path = env.state().join(format!("run/web.{lock}"));
        give(&path, NOBODY);
        let refused = env.bgo(&["stop", "web"]).code(1);
        let why = format!("run/web.{lock}: it belongs to user \"nobody\", not to you");
        assert!(refused.stderr.contains(&why), "{}", refused.stderr);
        assert!(alive(pid));
        give(&path, 0);
    }
    env.bgo(&["stop", "web"]).ok();
}

#[test]
fn a_captured_environment_of_another_user_is_not_used() {
    if !is_root() {
        return;
    }
    let env = TestEnv::new();
    env.bgo(&["start", "web", "-e", "A=1", "--", "sh", "-c", "exit 0"]).ok();
    give(env.state().join("procs/web.env"), NOBODY);
    for args in [&["restart", "web"][..], &["restart", "--update-env", "web"]] {
        let refused = env.bgo(args).code(1);
        assert!(refused.stderr.contains("procs/web.env: it belongs to user \"nobody\""), "{}", refused.stderr);
    }
}

#[test]
fn a_process_whose_environment_cannot_be_read_is_not_stopped_for_a_restart() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    fs::write(env.state().join("procs/web.env"), "{").unwrap();
    let refused = env.bgo(&["restart", "web"]).code(1);
    assert!(refused.stderr.contains("hint: bgo restart web --update-env captures it anew\n"), "{}", refused.stderr);
    assert!(alive(pid));
    env.bgo(&["restart", "--update-env", "web"]).ok();
}

/// `sudo bgo …` with `HOME` kept.
#[test]
fn a_state_folder_of_another_user_is_only_looked_at() {
    if !is_root() {
        return;
    }
    let env = TestEnv::new();
    env.bgo(&["start", "web", "--", "sh", "-c", "echo hello"]).ok();
    wait_until("the sidecar to leave", || env.processes().is_empty());
    move_in_nobody(&env);
    let before = below(&env.state());

    all_are_refused(&env, &format!("bgo: cannot use {}: it belongs to user \"nobody\"\n", env.state().display()));
    let several: [&[&str]; 7] = [
        &["resurrect"],
        &["clean"],
        &["start", "new", "--", "sleep", "1000"],
        &["stop", "web", "web2"],
        &["restart", "web", "web2"],
        &["restart", "--all"],
        &["restart-stopped", "--all"],
    ];
    for args in several {
        let refused = env.bgo(args).code(1);
        let hint = "hint: run bgo as that user, or set BGO_HOME to a folder of your own\n";
        let whole = format!("bgo: cannot use {}: it belongs to user \"nobody\"\n{hint}", env.state().display());
        refused.says("", &whole);
    }
    assert_eq!(env.row("web")["state"], "exited");
    assert_eq!(env.bgo(&["status", "web", "--json"]).ok().json()["state"], "exited");
    env.bgo(&["logs", "web"]).ok().says("hello\n", "");
    env.bgo(&["wait", "web", "--for", "stopped", "--timeout", "5"]).ok();
    assert_eq!(below(&env.state()), before);

    // And its owner goes on.
    as_nobody(&env, &["restart", "web"]).run().ok();
    as_nobody(&env, &["delete", "-y", "web"]).run().ok();
    assert!(below(&env.state()).iter().all(|path| path.symlink_metadata().unwrap().uid() == NOBODY));
}

#[test]
fn sudo_makes_no_state_folder_in_its_callers_home() {
    if !is_root() {
        return;
    }
    let env = TestEnv::new();
    give(env.home(), NOBODY);
    let start = |caller: &str| env.cmd(&["start", "web", "--", "sh", "-c", "exit 0"]).var("SUDO_UID", caller).run();
    let why =
        format!("bgo: cannot make {}: it would be root's, in a folder of user \"nobody\"\n", env.state().display());
    let hint = "hint: run bgo without sudo; or, for a process of root's, sudo -H bgo\n";
    start("65534").code(1).says("", &[&why, hint].concat());
    assert!(!env.state().exists());
    // Not sudo's doing: a container may have such a home.
    start("0").ok();
    assert_eq!(fs::metadata(env.state()).unwrap().uid(), 0);
}

#[test]
fn one_folder_of_another_user_is_enough() {
    if !is_root() {
        return;
    }
    for folder in ["procs", "logs", "run"] {
        let env = TestEnv::new();
        fs::create_dir_all(env.state().join(folder)).unwrap();
        give(env.state().join(folder), NOBODY);
        let refused = env.bgo(&["start", "web", "--", "sleep", "1000"]).code(1);
        let why = format!("cannot use {}/{folder}: it belongs to user \"nobody\"", env.state().display());
        assert!(refused.stderr.contains(&why), "{}", refused.stderr);
        assert_eq!(env.names().len(), 0);
    }
}

// ---------------------------------------------------------------------------------------------- who else may write

#[test]
fn folders_that_others_could_write_to_are_closed() {
    let env = TestEnv::new();
    for folder in ["", "procs", "logs", "run"] {
        fs::create_dir_all(env.state().join(folder)).unwrap();
        set_mode(env.state().join(folder), 0o775);
    }
    env.bgo(&["start", "web", "--", "sleep", "1000"]).ok();
    let modes = || ["", "procs", "logs", "run"].map(|folder| mode(env.state().join(folder)));
    assert_eq!(modes(), [0o755; 4]);
    // One that is opened up later is noticed by whoever writes next.
    set_mode(env.state().join("procs"), 0o1777);
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(modes(), [0o755, 0o1755, 0o755, 0o755]);
}

#[test]
fn a_state_folder_that_others_may_only_read_is_fine_and_stays_so() {
    let env = TestEnv::new();
    let home = env.work().join("state");
    fs::create_dir(&home).unwrap();
    set_mode(&home, 0o755);
    let bgo = |args: &[&str]| env.cmd(args).var("BGO_HOME", &home).run();
    bgo(&["start", "web", "--", "sleep", "1000"]).ok();
    assert_eq!((mode(&home), mode(home.join("procs"))), (0o755, 0o700));
    bgo(&["stop", "web"]).ok();
}

/// It is not bgo's to close, and bgo's folders in it could be exchanged.
#[test]
fn a_folder_with_other_things_in_it_that_others_can_write_to_is_refused() {
    let env = TestEnv::new();
    let home = env.work().join("shared");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("plan.txt"), "").unwrap();
    set_mode(&home, 0o777);
    let start = || env.cmd(&["start", "web", "--", "sleep", "1000"]).var("BGO_HOME", &home).run();
    let why = format!("bgo: cannot use {}: other users can write to it\n", home.display());
    let refused = start().code(1);
    assert!(refused.stderr.starts_with(&why), "{}", refused.stderr);
    assert_eq!((mode(&home), below(&home).len()), (0o777, 1));
    // As /tmp: others can add, and exchange nothing.
    set_mode(&home, 0o1777);
    start().ok();
    assert_eq!((mode(&home), mode(home.join("procs"))), (0o1777, 0o700));
    env.cmd(&["stop", "web"]).var("BGO_HOME", &home).run().ok();
}

#[test]
fn state_that_was_moved_elsewhere_on_purpose_is_found() {
    let env = TestEnv::new();
    let disk = env.work().join("disk");
    for folder in ["", "logs"] {
        fs::create_dir_all(disk.join(folder)).unwrap();
        set_mode(disk.join(folder), 0o700);
    }
    fs::create_dir(env.state()).unwrap();
    symlink(disk.join("logs"), env.state().join("logs")).unwrap();
    env.bgo(&["start", "web", "--", "sh", "-c", "echo hello"]).ok();
    assert_eq!(fs::read_to_string(disk.join("logs/web.out.log")).unwrap(), "hello\n");
    let home = env.work().join("state");
    symlink(env.state(), &home).unwrap();
    env.cmd(&["restart", "web"]).var("BGO_HOME", &home).run().ok();
    if is_root() {
        lchown(env.state().join("logs"), Some(NOBODY), None).unwrap();
        let refused = env.bgo(&["restart", "web"]).code(1);
        assert!(refused.stderr.contains("/logs: it belongs to user \"nobody\""), "{}", refused.stderr);
    }
}

// ---------------------------------------------------------------------------------------------- what was planted

/// A home with a stopped `web`, and a file elsewhere that nothing may be written to.
fn with_bait() -> (TestEnv, PathBuf) {
    let env = TestEnv::new();
    env.bgo(&["start", "web", "--", "sh", "-c", "exit 0"]).ok();
    let bait = env.work().join("bait");
    fs::write(&bait, "untouched").unwrap();
    (env, bait)
}

fn plant(env: &TestEnv, below: &str, put: impl FnOnce(&Path)) {
    let path = env.state().join(below);
    let _ = fs::remove_file(&path);
    put(&path);
}

#[test]
fn links_in_the_place_of_temporary_files_are_removed_and_not_followed() {
    for file in ["procs/.web.json.tmp", "procs/.web.env.tmp", "procs/web.json", "procs/web.env"] {
        let (env, bait) = with_bait();
        plant(&env, file, |path| symlink(&bait, path).unwrap());
        if file == "procs/web.json" {
            // What it leads to is no record.
            assert_eq!(env.row("web")["state"], "corrupt");
            env.bgo(&["delete", "-y", "web"]).ok();
        }
        env.bgo(&["start", "web", "-e", "A=2", "--", "sh", "-c", "exit 0"]).ok();
        assert_eq!(fs::read_to_string(&bait).unwrap(), "untouched", "{file}");
        assert!(below(&env.state()).iter().all(|path| !path.is_symlink()), "{file}");
    }
}

#[test]
fn a_hard_link_in_the_place_of_a_temporary_file_is_not_written_to() {
    let (env, bait) = with_bait();
    plant(&env, "procs/.web.json.tmp", |path| fs::hard_link(&bait, path).unwrap());
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(fs::read_to_string(&bait).unwrap(), "untouched");
}

/// Each is refused with what it is, and what it leads to is untouched.
#[test]
fn links_in_the_place_of_locks_and_logs_are_refused() {
    let files = ["run/web.write", "run/web.alive", "logs/web.out.log", "logs/web.err.log", "logs/web.watcher.log"];
    for (file, dangling) in files.into_iter().flat_map(|file| [(file, false), (file, true)]) {
        let (env, bait) = with_bait();
        let target = if dangling { env.work().join("nothing") } else { bait.clone() };
        plant(&env, file, |path| symlink(&target, path).unwrap());
        let refused = env.bgo(&["restart", "web"]).code(1);
        let why = format!("{file}: it is a symbolic link, which is not followed");
        assert!(refused.stderr.contains(&why), "{file}: {}", refused.stderr);
        assert_eq!(fs::read_to_string(&bait).unwrap(), "untouched");
        assert!(!env.work().join("nothing").exists(), "{file}");
        assert_eq!(env.row("web")["state"], "exited", "{file}");
        plant(&env, file, |_| {});
        env.bgo(&["restart", "web"]).ok();
    }
}

#[test]
fn a_link_in_the_place_of_the_notify_socket_is_not_followed() {
    let (env, bait) = with_bait();
    plant(&env, "run/web.notify", |path| symlink(&bait, path).unwrap());
    let flags = ["start", "--ready-when-notify", "--settle", "0", "web", "--", "sleep", "1000"];
    let started = env.bgo(&flags);
    if started.code == 0 {
        let socket = fs::symlink_metadata(env.state().join("run/web.notify")).unwrap();
        assert!(socket.file_type().is_socket());
    }
    assert_eq!((fs::read_to_string(&bait).unwrap().as_str(), mode(&bait) & 0o111), ("untouched", 0));
    started.ok();
}

/// A pipe makes whoever opens it wait for ever.
#[test]
fn pipes_and_folders_in_the_place_of_files_hold_nobody_up() {
    let pipe = |path: &Path| nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
    for file in ["run/web.write", "run/web.alive", "logs/web.out.log", "logs/web.err.log", "logs/web.watcher.log"] {
        let (env, _) = with_bait();
        plant(&env, file, pipe);
        let refused = env.bgo(&["restart", "web"]).code(1);
        assert!(refused.stderr.contains(&format!("{file}: it is a pipe")), "{file}: {}", refused.stderr);
        plant(&env, file, |path| fs::create_dir(path).unwrap());
        let refused = env.bgo(&["restart", "web"]).code(1);
        assert!(refused.stderr.contains(&format!("{file}: it is a folder")), "{file}: {}", refused.stderr);
    }
    let (env, _) = with_bait();
    env.start("other", &["sleep", "1000"]);
    plant(&env, "procs/web.json", pipe);
    assert_eq!(
        (env.row("web")["state"].as_str(), env.row("other")["state"].as_str()),
        (Some("corrupt"), Some("running"))
    );
    plant(&env, "procs/web.json", |path| symlink("/dev/zero", path).unwrap());
    assert_eq!(env.row("web")["state"], "corrupt");
    env.bgo(&["stop", "web"]).code(1);
    env.bgo(&["stop", "other"]).ok();
}

// ---------------------------------------------------------------------------------------------- permissions

#[test]
fn folders_are_0700_and_files_0600_whatever_the_umask() {
    for (umask, other) in [("000", false), ("077", false), ("777", false), ("777", true)] {
        let env = TestEnv::new();
        if other && !is_root() {
            continue;
        }
        // As root nothing would notice that a file cannot be opened again.
        let cmd = |args: &[&str]| {
            let cmd = if other { as_nobody(&env, args) } else { env.cmd(args) };
            cmd.var("BGO_HOME", env.work().join("a/b/state")).through_shell(&format!("umask {umask}"), "").run()
        };
        if other {
            move_in_nobody(&env);
        }
        let flags = ["--ready-when-notify", "--settle", "0", "-w", "--min-uptime", "0", "--umask", "022"];
        cmd(&[&["start", "web"][..], &flags, &["--", "sleep", "1000"]].concat()).ok();
        cmd(&["set", "web", "--stop-timeout", "1"]).ok();
        cmd(&["restart", "--update-env", "web"]).ok();
        let made = below(&env.work().join("a"));
        assert_eq!(made.len(), 5 + 2 + 4 + 3, "{made:?}");
        for path in &made {
            let kind = path.symlink_metadata().unwrap();
            let wanted = if kind.is_dir() { 0o700 } else { 0o600 };
            assert_eq!(mode(path), wanted, "umask {umask}: {}", path.display());
        }
        assert_eq!(mode(env.work().join("a")), 0o700);
        cmd(&["delete", "-y", "web"]).ok();
    }
}

// ---------------------------------------------------------------------------------------------- terminals

/// Sets a title, moves the cursor, C1, DEL, a forged line, and text that reads backwards.
const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{85}\u{7f}\r\nforged\u{202e}x\u{2066}y";

#[track_caller]
fn is_harmless(text: &str) {
    let acts = |c: char| c != '\n' && c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.contains(acts), "{text:?}");
    // An excerpt of a log has lines of its own, and so has the command line that clap quotes.
    let excerpt = text.contains("--- last lines of") || text.starts_with("error: ");
    assert!(excerpt || !text.lines().any(|line| line.starts_with("forged")), "{text:?}");
}

#[track_caller]
fn both_are_harmless(outcome: &Outcome) {
    is_harmless(&outcome.stdout);
    is_harmless(&outcome.stderr);
}

#[test]
fn nothing_from_outside_acts_on_the_terminal() {
    let env = TestEnv::new();
    let folder = env.work().join(EVIL);
    fs::create_dir(&folder).unwrap();
    let command = format!("printf '%s' '{EVIL}' >&2; exit 3");
    let run = |args: &[&str]| env.cmd(args).cwd(&folder).run();
    both_are_harmless(&run(&["start", "web", "--", "sh", "-c", &command, EVIL]).code(1));
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["status", "web"],
        &["status", "web", "--json"],
        &["status", "--fancy", "--color", "never"],
        &["restart", "web"],
        &["restart-stopped"],
        &["logs", EVIL],
        &["stop", EVIL],
        &["start", EVIL, "--", "true"],
        &["start", "x", "--", EVIL],
        &["start", "x", "--cwd", EVIL, "--", "true"],
        &["set", "web", "--reset", EVIL],
        &["watch", "web", "--interval", EVIL],
        &["signal", "web", EVIL],
        &[EVIL],
        &["status", &format!("--{EVIL}")],
        &["completions", EVIL],
    ] {
        both_are_harmless(&run(args));
    }
    // What a check says becomes a reason; what is done is in the watcher log, a line an event.
    let check = format!("printf '%s' '{EVIL}'; exit 1");
    let flags = ["--health-cmd", &check, "--health-interval", "50ms", "--health-threshold", "1", "--on-exit", &command];
    run(&[&["start", "sick"][..], &flags, &["--settle", "0", "--", "sleep", "1000"]].concat()).ok();
    wait_until("it to be found sick", || env.log("sick", "watcher").contains("a failed check"));
    both_are_harmless(&run(&["status", "sick"]).ok());
    run(&["stop", "sick"]).ok();
    is_harmless(&env.log("sick", "watcher").lines().filter(|l| l.starts_with("[20")).collect::<Vec<_>>().join("\n"));
    let put = |reason: &str| env.edit_record("web", |record| record[reason] = EVIL.into());
    ["reason", "degraded", "status_text", "name", "cwd"].into_iter().for_each(put);
    env.edit_record("web", |record| record["exits"][0]["reason"] = EVIL.into());
    for args in [&["status"][..], &["status", "web"], &["status", "--json"], &["restart", "web"], &["resurrect"]] {
        both_are_harmless(&run(args));
    }
}

// ---------------------------------------------------------------------------------------------- secrets

#[test]
fn the_environment_is_in_one_file_and_is_never_shown() {
    const SECRETS: [&str; 2] = ["captured-3f9a", "given-77c1"];
    let env = TestEnv::new();
    let bgo = |args: &[&str]| env.cmd(args).var("API_TOKEN", SECRETS[0]).run();
    let given = format!("API_KEY={}", SECRETS[1]);
    let mut said = vec![
        bgo(&["start", "-w", "--min-uptime", "0", "-e", &given, "web", "--", "sleep", "1000"]).ok(),
        bgo(&["start", "--settle", "20s", "-e", &given, "bad", "--", "sh", "-c", "exit 3"]).code(1),
        bgo(&["start", "-e", &given, "none", "--", "./no-such-program"]).code(1),
    ];
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["status", "web"],
        &["status", "web", "--json"],
        &["web"],
        &["set", "web", "--stop-timeout", "2"],
        &["restart", "--update-env", "web"],
        &["restart", "bad"],
        &["logs", "web", "--watcher"],
        &["resurrect"],
        &["stop", "--all"],
    ] {
        said.push(bgo(args));
    }
    fs::write(env.state().join("procs/web.env"), format!("{{\"captured\": [[\"API_TOKEN\", \"{}\"", SECRETS[0]))
        .unwrap();
    said.push(bgo(&["restart", "web"]).code(1));
    for outcome in &said {
        for secret in SECRETS {
            assert!(!outcome.stdout.contains(secret) && !outcome.stderr.contains(secret), "{outcome:?}");
        }
    }
    for path in below(env.root()).iter().filter(|path| path.is_file()) {
        let content = fs::read(path).unwrap();
        let holds = |secret: &str| content.windows(secret.len()).any(|window| window == secret.as_bytes());
        let is_kept_here = path.as_os_str().as_bytes().ends_with(b".env");
        assert_eq!(SECRETS.iter().any(|secret| holds(secret)), is_kept_here, "{}", path.display());
    }
}

// ---------------------------------------------------------------------------------------------- odd ways in

#[test]
fn a_sidecar_is_nobodys_to_start_by_hand() {
    let env = TestEnv::new();
    env.bgo(&["start", "web", "--", "sh", "-c", "exit 0"]).ok();
    wait_until("the sidecar to leave", || env.processes().is_empty());
    let run_id = env.record("web")["run_id"].as_str().unwrap().to_owned();
    let record = fs::read(env.record_path("web")).unwrap();
    let holder = env.start("other", &["sleep", "1000"]);
    let other = env.state().join("run/other.alive");
    for redirections in [String::new(), "3</dev/null 4>/dev/null".to_owned(), format!("3<{}", other.display())] {
        let by_hand = env.cmd(&["__sidecar__", "web", &run_id, "start"]).var("BGO_HOME", env.state());
        let why = "bgo: __sidecar__ is for bgo itself: the ownership lock was not handed over\n";
        by_hand.through_shell("", &redirections).run().code(2).says("", why);
    }
    assert_eq!(fs::read(env.record_path("web")).unwrap(), record);
    assert!(alive(holder));
}

#[test]
fn a_relative_state_folder_is_below_the_callers_folder_and_an_empty_one_is_the_default() {
    let env = TestEnv::new();
    env.cmd(&["start", "web", "--", "sleep", "1000"]).var("BGO_HOME", "here").run().ok();
    assert!(env.work().join("here/procs/web.json").exists());
    env.cmd(&["stop", "web"]).var("BGO_HOME", env.work().join("here")).run().ok();
    env.cmd(&["start", "web", "--", "sh", "-c", "exit 0"]).var("BGO_HOME", "").run().ok();
    assert!(env.record_path("web").exists());
}

/// There nothing can be made; and what is asked again and again says the same for ever.
#[test]
fn a_home_that_cannot_be_made_is_an_error() {
    let env = TestEnv::new();
    for home in ["/proc/x", "/proc/x/y/z", "/dev/null/x"] {
        let refused = env.cmd(&["start", "web", "--", "sleep", "1000"]).var("BGO_HOME", home).run().code(1);
        assert!(refused.stderr.contains("bgo: cannot use /"), "{home}: {}", refused.stderr);
    }
}
