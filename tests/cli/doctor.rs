//! `doctor`: the damage is made, seen, mended where that is safe, and gone; what runs goes on.

use crate::crash::{SmallDisk, can_trace, with_fault};
use crate::env::{TestEnv, alive, kill9, wait_until};
use serde_json::{Value, json};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

/// What `doctor` has to say about it; `check` alone, and only what is not fine.
fn found(env: &TestEnv, args: &[&str], check: &str) -> Vec<Value> {
    let said = env.bgo(&[&["doctor", "--json"], args].concat());
    let report: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|e| panic!("{e}: {said:?}"));
    assert_eq!(said.code, i32::from(report["ok"] == false), "{report:#}");
    let findings = report["findings"].as_array().unwrap();
    findings.iter().filter(|finding| finding["check"] == check && finding["severity"] != "ok").cloned().collect()
}

/// The one thing that is wrong.
#[track_caller]
fn only(mut findings: Vec<Value>) -> Value {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

/// That it is seen, mended by `--fix`, and gone then.
#[track_caller]
fn mended(env: &TestEnv, check: &str, severity: &str) -> Value {
    let seen = only(found(env, &[], check));
    assert_eq!((&seen["severity"], &seen["fixable"], &seen["fixed"]), (&json!(severity), &json!(true), &json!(false)));
    assert_eq!(only(found(env, &[], check)), seen, "it was only looked at");
    let fixed = only(found(env, &["--fix"], check));
    assert_eq!(fixed["fixed"], true, "{fixed}");
    assert_eq!(found(env, &[], check), Vec::<Value>::new());
    seen
}

fn text<'a>(finding: &'a Value, field: &str) -> &'a str {
    finding[field].as_str().unwrap()
}

/// Where the tests run: in memory perhaps, with little room.
fn is_sound(finding: &Value) -> bool {
    finding["severity"] == "ok" || finding["check"] == "disk" || finding["check"] == "notices"
}

#[test]
fn nothing_is_wrong_with_what_is_well_and_nothing_is_written() {
    let env = TestEnv::new();
    env.bgo(&["doctor"]).ok();
    assert!(!env.state().exists(), "it only looks");
    env.start_with(&["-w"], "web", &["sleep", "1000"]);
    env.start("job", &["true"]);
    env.bgo(&["wait", "job"]).ok();
    let report = env.bgo(&["doctor", "--json"]).json();
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(is_sound), "{report:#}");
    assert_eq!(findings.len(), 14, "{report:#}");
    let shown = env.bgo(&["doctor"]);
    assert!(shown.stdout.contains("ok      sidecars    1 sidecar at work\n"), "{}", shown.stdout);
}

#[test]
fn a_corrupt_record_is_an_error_and_stays() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "1000"]);
    env.bgo(&["stop", "web"]).ok();
    env.put_record("web", "{\"name\": \"web\", ");
    let seen = only(found(&env, &["--fix"], "records"));
    assert_eq!((&seen["severity"], &seen["name"], &seen["fixable"]), (&json!("error"), &json!("web"), &json!(false)));
    assert!(text(&seen, "hint").contains("bgo delete -y web"), "{seen}");
    let shown = env.bgo(&["doctor"]).code(1).stdout;
    assert!(shown.contains("\n      hint: mend that file"), "{shown}");
    env.bgo(&["delete", "-y", "web"]).ok();
    assert_eq!(found(&env, &[], "records"), Vec::<Value>::new());
}

#[test]
fn a_dead_sidecar_is_replaced_and_its_process_goes_on() {
    let env = TestEnv::new();
    let pid = env.start_with(&["-w"], "web", &["sleep", "1000"]);
    kill9(env.sidecar("web"));
    let seen = mended(&env, "sidecars", "warning");
    assert!(text(&seen, "message").contains(&pid.to_string()), "{seen}");
    assert!(alive(pid) && env.pid("web") == pid);
    wait_until("the sidecar to be at work", || env.row("web")["sidecar_pid"].is_number());
}

#[test]
fn a_process_that_is_gone_with_its_sidecar_is_told_of() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    kill9(env.sidecar("web"));
    kill9(pid);
    let seen = only(found(&env, &["--fix"], "processes"));
    assert_eq!((&seen["severity"], &seen["name"], &seen["fixed"]), (&json!("warning"), &json!("web"), &json!(false)));
    assert!(text(&seen, "message").contains(&format!("there is no pid {pid}")), "{seen}");
    // Another has the pid now.
    let own = std::process::id();
    env.edit_record("web", |record| record["pid"] = json!(own));
    let seen = only(found(&env, &[], "processes"));
    assert!(text(&seen, "message").contains("another process by now"), "{seen}");
    // The machine went down.
    env.edit_record("web", |record| record["identity"]["boot_id"] = json!("another"));
    let seen = only(found(&env, &[], "processes"));
    assert!(
        text(&seen, "message").contains("machine went down") && text(&seen, "hint").contains("resurrect"),
        "{seen}"
    );
    env.bgo(&["resurrect"]).ok();
    assert_eq!(found(&env, &[], "processes"), Vec::<Value>::new());
}

#[test]
fn a_name_that_is_held_by_a_stranger_is_an_error() {
    let env = TestEnv::new();
    env.start("web", &["true"]);
    env.bgo(&["wait", "web"]).ok();
    let lock = env.state().join("run/web.alive");
    let holder = File::open(&lock).unwrap();
    holder.lock().unwrap();
    let seen = only(found(&env, &["--fix"], "locks"));
    assert_eq!((&seen["severity"], &seen["fixable"]), (&json!("error"), &json!(false)));
    assert!(text(&seen, "hint").contains(&format!("kill {}", std::process::id())), "{seen}");
    drop(holder);
    assert_eq!(found(&env, &[], "locks"), Vec::<Value>::new());
    // Its sidecar lives, and the lock file was removed.
    let pid = env.start("web", &["sleep", "1000"]);
    fs::remove_file(&lock).unwrap();
    let seen = only(found(&env, &[], "locks"));
    assert_eq!(seen["hint"], "bgo restart web");
    assert!(alive(pid));
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(found(&env, &[], "locks"), Vec::<Value>::new());
}

#[test]
fn a_removed_record_is_made_anew_and_its_process_goes_on() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    fs::remove_file(env.record_path("web")).unwrap();
    let seen = mended(&env, "orphans", "warning");
    assert_eq!(seen["name"], "web");
    assert!(alive(pid) && env.pid("web") == pid);
}

#[test]
fn what_was_forgotten_and_runs_is_told_of_and_left_alone() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    kill9(env.sidecar("web"));
    fs::remove_file(env.record_path("web")).unwrap();
    let seen = only(found(&env, &["--fix"], "orphans"));
    assert_eq!((&seen["name"], &seen["fixable"]), (&json!("web"), &json!(false)));
    assert!(text(&seen, "hint").contains(&format!("kill {pid}")), "{seen}");
    assert!(alive(pid), "it may be anybody's by now");
    // Another state folder has nothing to do with it.
    let other = env.root().join("other");
    let said = env.cmd(&["doctor", "--json"]).var("BGO_HOME", &other).run().json();
    assert!(said["findings"].as_array().unwrap().iter().all(is_sound), "{said:#}");
    kill9(pid);
    wait_until("it to be gone", || !alive(pid));
    assert_eq!(found(&env, &[], "orphans"), Vec::<Value>::new());
}

#[test]
fn what_killed_commands_have_left_is_removed_when_nobody_is_at_it() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    let state = |path: &str| env.state().join(path);
    let temporary = state("procs/.web.json.tmp");
    fs::write(&temporary, "half").unwrap();
    fs::set_permissions(&temporary, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(found(&env, &["--fix"], "leftovers"), Vec::<Value>::new(), "it may be just being written");
    let touched = Command::new("touch").args(["-d", "2 minutes ago"]).arg(&temporary).status().unwrap();
    assert!(touched.success());
    mended(&env, "leftovers", "note");
    assert!(!temporary.exists());
    fs::write(state("run/gone.alive"), "").unwrap();
    fs::set_permissions(state("run/gone.alive"), Permissions::from_mode(0o600)).unwrap();
    assert_eq!(mended(&env, "leftovers", "note")["name"], "gone");
    assert!(!state("run/gone.alive").exists());
    assert!(alive(pid) && env.record_path("web").exists());
}

#[test]
fn what_others_can_read_or_write_is_closed() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "1000"]);
    let set = |path: &str, mode| fs::set_permissions(env.state().join(path), Permissions::from_mode(mode)).unwrap();
    let mode = |path: &str| fs::metadata(env.state().join(path)).unwrap().mode() & 0o777;
    set("run", 0o770);
    mended(&env, "permissions", "error");
    assert_eq!(mode("run"), 0o700);
    set("procs", 0o755);
    mended(&env, "permissions", "warning");
    set("procs/web.env", 0o644);
    mended(&env, "permissions", "warning");
    assert_eq!(mode("procs/web.env"), 0o600);
    // A log may be for others.
    set("logs/web.out.log", 0o644);
    assert_eq!(found(&env, &["--fix"], "permissions"), Vec::<Value>::new());
    assert_eq!(mode("logs/web.out.log"), 0o644);
    // Of a folder that is used for other things, too, that is not ours to change.
    fs::write(env.state().join("mine.txt"), "").unwrap();
    set("", 0o777);
    let seen = only(found(&env, &["--fix"], "permissions"));
    assert_eq!((&seen["severity"], &seen["fixed"]), (&json!("error"), &json!(false)));
    set("", 0o755);
    assert_eq!(found(&env, &[], "permissions"), Vec::<Value>::new());
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(env.record_path("web"), Some(4711), None).unwrap();
        let seen = found(&env, &[], "permissions");
        assert!(text(&only(seen), "message").contains("belongs to user 4711"));
        std::os::unix::fs::chown(env.record_path("web"), Some(0), None).unwrap();
    }
    assert!(alive(pid));
}

#[test]
fn a_log_far_beyond_its_limit_is_told_of() {
    let env = TestEnv::new();
    let pid = env.start_with(&["--log-max-size", "64K"], "web", &["sleep", "1000"]);
    kill9(env.sidecar("web"));
    fs::write(env.log_path("web", "out"), vec![b'x'; 2 << 20]).unwrap();
    let seen = only(found(&env, &[], "logs"));
    assert!(text(&seen, "message").contains("2.0 MiB, far beyond its limit"), "{seen}");
    // What its hint says helps: a sidecar.
    env.bgo(&["resurrect"]).ok();
    wait_until("the log to be rotated", || found(&env, &[], "logs").is_empty());
    assert!(alive(pid));
}

#[test]
fn a_disk_that_is_small_full_or_in_memory_is_told_of() {
    let env = TestEnv::new();
    let Some(disk) = SmallDisk::mount(&env) else { return };
    env.start("web", &["sleep", "1000"]);
    disk.fill();
    let seen = found(&env, &[], "disk");
    let severities: Vec<&str> = seen.iter().map(|finding| text(finding, "severity")).collect();
    assert_eq!(severities, ["note", "error"], "{seen:#?}");
    assert!(text(&seen[0], "message").contains("tmpfs"), "{seen:#?}");
    fs::remove_file(disk.filler()).unwrap();
    env.bgo(&["delete", "-y", "web"]).ok();
}

#[test]
fn a_kernel_without_notices_is_told_of() {
    if !can_trace() {
        return;
    }
    let env = TestEnv::new();
    let said = with_fault(&env, "inotify_init1", "error=EMFILE", &["doctor", "--json"]).finish().json();
    let findings = said["findings"].as_array().unwrap();
    let seen = findings.iter().find(|finding| finding["check"] == "notices").unwrap();
    assert_eq!(seen["severity"], "warning", "{seen}");
}

#[test]
fn a_sidecar_of_another_version_and_a_clock_that_was_set_back_are_told_of() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "1000"]);
    env.edit_record("web", |record| record["sidecar"]["version"] = json!("0.1.9"));
    let seen = only(found(&env, &[], "sidecars"));
    assert_eq!((&seen["severity"], text(&seen, "hint")), (&json!("note"), "bgo restart web, when that is convenient"));
    env.edit_record("web", |record| record["started_at"] = json!("2999-01-01T00:00:00Z"));
    assert!(text(&only(found(&env, &[], "clock")), "message").contains("2999"));
    env.bgo(&["restart", "web"]).ok();
    assert_eq!([found(&env, &[], "sidecars"), found(&env, &[], "clock")].concat(), Vec::<Value>::new());
}

#[test]
fn odd_things_in_the_state_folder_hang_and_break_nothing() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "1000"]);
    let state = env.state();
    nix::unistd::mkfifo(&state.join("procs/pipe.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::create_dir(state.join("procs/folder.json")).unwrap();
    symlink("/dev/zero", state.join("procs/zero.json")).unwrap();
    symlink("/nowhere", state.join("run/gone.write")).unwrap();
    let seen = found(&env, &["--fix"], "records");
    assert_eq!(seen.len(), 3, "{seen:#?}");
    assert_eq!(env.row("web")["state"], "running");
}

#[test]
fn what_cannot_be_brought_back_is_not_said_to_be() {
    let env = TestEnv::new();
    let (folder, file) = (env.work().join("folder"), env.work().join("file"));
    fs::create_dir(&folder).unwrap();
    fs::write(&file, "A=1\n").unwrap();
    let (cwd, env_file) = (folder.display().to_string(), file.display().to_string());
    env.start_with(&["--cwd", &cwd], "a", &["sleep", "300"]);
    env.start_with(&["--env-file", &env_file], "b", &["sleep", "300"]);
    env.start_with(&["-w", "--autostart", "never"], "c", &["sleep", "300"]);
    env.start("d", &["sleep", "300"]);
    env.start("e", &["sleep", "300"]);
    for name in ["a", "b", "c", "d", "e"] {
        let (sidecar, pid) = (env.sidecar(name), env.pid(name));
        kill9(sidecar);
        kill9(pid);
        wait_until("it to be gone", || !alive(pid) && !alive(sidecar));
        env.edit_record(name, |record| {
            record["identity"]["boot_id"] = json!("another");
            record["sidecar"]["boot_id"] = json!("another");
        });
    }
    let status = env.bgo(&["status"]).stdout;
    assert!(!status.contains("dead"), "{status}");
    fs::remove_dir(&folder).unwrap();
    fs::remove_file(&file).unwrap();
    let seen = found(&env, &[], "processes");
    let of = |index: usize| (text(&seen[index], "name"), text(&seen[index], "severity"), text(&seen[index], "hint"));
    assert!(of(0).2.starts_with("bgo restart a, once what it lacks is there: chdir to "), "{seen:#?}");
    assert!(
        of(1).2.starts_with("bgo restart b, once what it lacks is there: ") && of(1).2.contains(&env_file),
        "{seen:#?}"
    );
    assert_eq!(of(2), ("c", "note", "bgo restart c"));
    assert_eq!(of(3), ("d", "warning", "bgo resurrect brings it back"));
    let lacking = found(&env, &[], "environment");
    let names: Vec<&str> = lacking.iter().map(|finding| text(finding, "name")).collect();
    assert_eq!(names, ["a", "b"], "{lacking:#?}");
    assert!(lacking.iter().all(|finding| text(finding, "message").starts_with("it cannot be started again: ")));
    // What mends both is told once.
    let shown = env.bgo(&["doctor"]).stdout;
    assert_eq!(shown.matches("bgo resurrect brings it back").count(), 1, "{shown}");
}
