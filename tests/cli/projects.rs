//! `bgo.toml`: found, checked, and its jobs by their short names.

use crate::env::{TestEnv, wait_until};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A folder that is a repository, with a `bgo.toml`.
pub fn project(env: &TestEnv, folder: &str, file: &str) -> PathBuf {
    let root = env.work().join(folder);
    fs::create_dir_all(root.join(".git")).unwrap();
    fs::write(root.join("bgo.toml"), file).unwrap();
    root
}

/// `bgo ARGS…` in a folder.
#[track_caller]
pub fn bgo_in(env: &TestEnv, folder: &Path, args: &[&str]) -> crate::env::Outcome {
    env.cmd(args).cwd(folder).run()
}

const ONE: &str = "[jobs.server]\ncmd = \"sleep 600\"\n";

#[test]
fn the_file_is_found_upwards_to_the_root_of_the_repository() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    let deep = root.join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let said = bgo_in(&env, &deep, &["check"]).ok();
    said.says(&format!("{} is good: 1 job: server\n", root.join("bgo.toml").display()), "");
    fs::create_dir(root.join("a/.git")).unwrap();
    let refused = bgo_in(&env, &deep, &["check"]).code(2);
    refused.says(
        "",
        "bgo: there is no bgo.toml here: none in this folder or above, up to the root of the repository\nhint: write one, cd into the project, or name it: --config PATH\n",
    );
}

#[test]
fn bgo_toml_comes_before_bgrun_toml() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    fs::write(root.join("bgrun.toml"), "[jobs.old]\ncmd = 'x'\n").unwrap();
    assert!(bgo_in(&env, &root, &["check"]).ok().stdout.ends_with("1 job: server\n"));
    fs::remove_file(root.join("bgo.toml")).unwrap();
    // What this machine does not have is found out, too.
    let refused = bgo_in(&env, &root, &["check"]).code(1);
    let file = root.join("bgrun.toml").display().to_string();
    let told = format!("bgo: {file}:1: [jobs.old]: cannot start \"old\": \"x\": command not found\nhint: ");
    assert!(refused.stderr.starts_with(&told), "{}", refused.stderr);
}

#[test]
fn a_file_can_be_named_from_anywhere() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    let other = root.join("other.toml");
    fs::write(&other, "[jobs.api]\ncmd = ['sh', '-c', 'pwd; exec sleep 600']\n").unwrap();
    let path = other.to_string_lossy().into_owned();
    for args in [["--config", &path, "up"], ["up", "--config", &path]] {
        env.bgo(&args).ok();
    }
    wait_until("it to say where it runs", || env.log("api", "out").contains('\n'));
    assert_eq!(env.log("api", "out"), format!("{}\n", root.display()));
    let refused = env.bgo(&["up", "--config", "missing.toml"]).code(2);
    refused.says("", "bgo: --config \"missing.toml\": No such file or directory\n");
}

#[test]
fn problems_are_shown_with_line_column_and_text() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.web]\ncmd = 'sleep 1'\n\tredy-when = 'up'\nnice = 'low'\n");
    let file = root.join("bgo.toml").display().to_string();
    let all = bgo_in(&env, &root, &["check"]).code(1);
    all.says(
        "",
        &format!(
            "bgo: {file}:3:2: unknown key \"redy-when\" in [jobs.web]\n  3 |  redy-when = 'up'\n    |  ^^^^^^^^^\nhint: did you mean \"ready-when\"?\nbgo: {file}:4:8: \"nice\" cannot be 'low': expected a whole number\n  4 | nice = 'low'\n    |        ^^^^^\n"
        ),
    );
    let first = bgo_in(&env, &root, &["up"]).code(2);
    assert!(first.stderr.starts_with(&format!("bgo: {file}:3:2: unknown key")), "{}", first.stderr);
    assert!(first.stderr.contains("and 1 more: bgo check shows all\n"), "{}", first.stderr);
    assert!(env.names().is_empty());
    let found = bgo_in(&env, &root, &["check", "--json"]).code(1).json();
    assert_eq!(found["ok"], false);
    let problem = &found["problems"][0];
    assert_eq!(
        *problem,
        json!({"line": 3, "column": 2, "text": "\tredy-when = 'up'", "message": "unknown key \"redy-when\" in [jobs.web]", "hint": "did you mean \"ready-when\"?"})
    );
}

#[test]
fn a_check_finds_what_a_start_would_be_refused_for() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.a]\ncmd = 'no-such-program'\n[jobs.b]\ncmd = 'sleep 1'\ncwd = 'missing'\n[jobs.c]\ncmd = 'sleep 1'\nready-when-regex = '('\n",
    );
    let said = bgo_in(&env, &root, &["check"]).code(1);
    for why in ["\"no-such-program\": command not found", "missing\": No such file or directory", "--ready-when-regex"]
    {
        assert!(said.stderr.contains(why), "{why}: {}", said.stderr);
    }
    assert!(env.names().is_empty());
}

#[test]
fn a_broken_file_starts_nothing_and_does_not_keep_from_stopping() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    bgo_in(&env, &root, &["up"]).ok();
    fs::write(root.join("bgo.toml"), "[jobs").unwrap();
    let refused = bgo_in(&env, &root, &["start", "server"]).code(2);
    assert!(refused.stderr.contains("bgo.toml:1:"), "{}", refused.stderr);
    bgo_in(&env, &root, &["status", "server"]).ok();
    let stopped = bgo_in(&env, &root, &["down"]).ok();
    assert!(stopped.stdout.starts_with("stopped \"server\""), "{}", stopped.stdout);
    env.assert_all_gone();
}

#[test]
fn a_file_of_jobs_that_others_can_write_is_not_used() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.sleep]\ncmd = 'sleep 600'\non-ready = 'touch stolen'\n");
    fs::set_permissions(root.join("bgo.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    let refused = bgo_in(&env, &root, &["up"]).code(1);
    assert!(
        refused.stderr.contains("is not used: everybody can write to it\nhint: read it first"),
        "{}",
        refused.stderr
    );
    // A command that has nothing to do with it is not kept from running, and is not changed by it.
    bgo_in(&env, &root, &["sleep", "600"]).ok();
    assert_eq!(env.record("sleep")["spec"].get("on_ready"), None);
    assert_eq!(env.record("sleep").get("project"), None);
    bgo_in(&env, &root, &["stop", "sleep"]).ok();
}

#[test]
fn the_schema_is_json_and_names_every_key() {
    let env = TestEnv::new();
    let schema = env.bgo(&["schema", "bgo.toml"]).ok().json();
    let keys = &schema["properties"]["jobs"]["additionalProperties"]["properties"];
    for key in ["cmd", "cwd", "env", "restart", "ready-when-port", "after", "max-rss-mb", "group", "oneshot"] {
        assert!(keys[key].is_object(), "{key}");
    }
    assert_eq!(schema["additionalProperties"], false);
    env.bgo(&["schema", "nonsense"]).code(2);
}

// ---- names ------------------------------------------------------------------------------------------------------

#[test]
fn inside_a_project_a_job_is_started_and_restarted_by_its_name() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.server]\ncmd = 'sleep 600'\nenv = { A = 'file', B = 'file' }\nnice = 3\n");
    let started = bgo_in(&env, &root, &["start", "server", "--nice", "5", "-e", "B=flag"]).ok();
    assert!(started.stdout.starts_with("started \"server\""));
    let record = env.record("server");
    assert_eq!(record["spec"]["nice"], 5, "flags override keys");
    assert_eq!(record["project"]["job"], "server");
    assert_eq!(record["project"]["root"], json!(root.to_string_lossy()));
    let environ = fs::read_to_string(format!("/proc/{}/environ", env.pid("server"))).unwrap();
    assert!(environ.contains("A=file\0") && environ.contains("B=flag\0"), "{environ}");
    fs::write(root.join("bgo.toml"), "[jobs.server]\ncmd = 'sleep 601'\n").unwrap();
    bgo_in(&env, &root, &["restart", "server"]).ok();
    assert_eq!(env.record("server")["command"][1], "601", "a restart takes what the file says now");
    bgo_in(&env, &root, &["stop", "server"]).ok();
}

#[test]
fn a_job_that_never_ran_is_started_by_a_restart() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    bgo_in(&env, &root, &["restart", "server"]).ok();
    env.wait_state("server", "running");
}

#[test]
fn another_command_may_be_given_for_a_job() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.server]\ncmd = 'sleep 600'\ngroup = 'shop'\n");
    bgo_in(&env, &root, &["server", "--", "sleep", "599"]).ok();
    let record = env.record("server");
    assert_eq!(record["command"][1], "599");
    assert_eq!(record["spec"]["group"], "shop", "the rest is that of the job");
}

#[test]
fn another_way_to_tell_readiness_takes_the_place_of_that_of_the_job() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.server]\ncmd = 'sh -c \"touch up; sleep 600\"'\nready-when = 'never'\n");
    bgo_in(&env, &root, &["start", "server", "--ready-when-file", "up", "--wait"]).ok();
    assert_eq!(env.record("server")["spec"].get("ready_when"), None);
}

#[test]
fn two_projects_with_a_job_of_one_name_do_not_meet() {
    let env = TestEnv::new();
    let (shop, bank) = (project(&env, "shop", ONE), project(&env, "bank", ONE));
    bgo_in(&env, &shop, &["up"]).ok();
    bgo_in(&env, &bank, &["up"]).ok();
    assert_eq!(env.names(), ["bank.server", "server"]);
    let (first, second) = (env.pid("server"), env.pid("bank.server"));
    let stopped = bgo_in(&env, &bank, &["stop", "server"]).ok();
    stopped.says(&format!("stopped \"bank.server\" (pid {second})\n"), "");
    assert!(crate::env::alive(first));
    assert_eq!(bgo_in(&env, &bank, &["status", "server", "--json"]).ok().json()["name"], "bank.server");
    assert_eq!(env.bgo(&["status", "server", "--json"]).ok().json()["name"], "server", "outside of both");
    bgo_in(&env, &shop, &["stop", "server"]).ok();
    assert!(!crate::env::alive(first));
    env.assert_all_gone();
}

#[test]
fn projects_of_one_name_get_numbers() {
    let env = TestEnv::new();
    let folders = ["a/shop", "b/shop", "c/shop"].map(|folder| project(&env, folder, ONE));
    for folder in &folders {
        bgo_in(&env, folder, &["up"]).ok();
    }
    assert_eq!(env.names(), ["server", "shop-2.server", "shop.server"]);
    for folder in &folders {
        bgo_in(&env, folder, &["up"]).ok();
    }
    assert_eq!(env.names().len(), 3, "each finds its own again");
}

#[test]
fn a_process_outside_of_projects_keeps_its_name() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    let pid = env.start("server", &["sleep", "599"]);
    bgo_in(&env, &root, &["up"]).ok();
    assert_eq!(env.names(), ["server", "shop.server"]);
    assert!(crate::env::alive(pid));
    bgo_in(&env, &root, &["stop", "server"]).ok();
    assert!(crate::env::alive(pid), "inside the project the name is that of its job");
}

#[test]
fn the_process_of_another_project_is_not_stopped_by_a_short_name() {
    let env = TestEnv::new();
    let (shop, bank) = (project(&env, "shop", ONE), project(&env, "bank", ONE));
    bgo_in(&env, &shop, &["up"]).ok();
    let refused = bgo_in(&env, &bank, &["stop", "server"]).code(3);
    refused.says(
        "",
        &format!(
            "bgo: the job \"server\" of this project is not registered: the process \"server\" is of the project \"{}\"\nhint: bgo up server starts it; act on the other from another folder\n",
            shop.display()
        ),
    );
    fs::write(bank.join("bgo.toml"), "[jobs.teller]\ncmd = 'sleep 600'\n").unwrap();
    bgo_in(&env, &bank, &["stop", "server"]).ok();
}

#[test]
fn a_project_may_have_a_name_of_its_own() {
    let env = TestEnv::new();
    env.start("server", &["sleep", "600"]);
    let root = project(&env, "checkout", "project = 'shop'\n[jobs.server]\ncmd = 'sleep 600'\n");
    bgo_in(&env, &root, &["up"]).ok();
    assert_eq!(env.names(), ["server", "shop.server"]);
}

#[test]
fn a_folder_of_a_job_is_relative_to_the_file() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.a]\ncmd = 'pwd'\ncwd = 'web'\n[jobs.b]\ncmd = 'pwd'\n");
    let web = root.join("web");
    fs::create_dir(&web).unwrap();
    bgo_in(&env, &web, &["up"]).ok();
    assert_eq!(env.log("a", "out"), format!("{}\n", web.display()));
    assert_eq!(env.log("b", "out"), format!("{}\n", root.display()));
}

#[test]
fn a_command_gets_a_shell_only_if_it_needs_one() {
    let env = TestEnv::new();
    let root = project(
        &env,
        "shop",
        "[jobs.words]\ncmd = \"sleep '600'\"\n[jobs.shell]\ncmd = 'X=$((599 + 2)); exec sleep $X'\n[jobs.list]\ncmd = ['sh', '-c', 'exec sleep 602', '$HOME']\n",
    );
    bgo_in(&env, &root, &["up"]).ok();
    let command = |name: &str| env.record(name)["command"].as_array().unwrap()[1..].to_vec();
    assert_eq!(command("words"), ["600"]);
    assert_eq!(command("shell"), ["-c", "X=$((599 + 2)); exec sleep $X"]);
    assert_eq!(command("list"), ["-c", "exec sleep 602", "$HOME"]);
    wait_until("the shell to have become sleep", || env.copies("sleep 601").len() == 1);
}

#[test]
fn a_link_that_somebody_else_has_put_in_the_way_is_not_used() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    let other = env.work().join("other");
    fs::create_dir(&other).unwrap();
    std::os::unix::fs::symlink(root.join("bgo.toml"), other.join("bgo.toml")).unwrap();
    bgo_in(&env, &other, &["check"]).ok();
    // Only root can give it away.
    if std::os::unix::fs::lchown(other.join("bgo.toml"), Some(12345), None).is_ok() {
        let refused = bgo_in(&env, &other, &["up"]).code(1);
        assert!(refused.stderr.contains("is not used: it belongs to user 12345"), "{}", refused.stderr);
    }
}

#[test]
fn two_jobs_never_come_to_one_name() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.web]\ncmd = 'sleep 600'\n[jobs.'shop.web']\ncmd = 'sleep 601'\n");
    env.start("web", &["sleep", "599"]);
    bgo_in(&env, &root, &["up"]).ok();
    assert_eq!(env.names(), ["shop-2.web", "shop.web", "web"]);
}

#[test]
fn a_restart_says_that_a_broken_file_was_not_heeded() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    bgo_in(&env, &root, &["up"]).ok();
    fs::write(root.join("bgo.toml"), "[jobs.server]\ncmd = 'sleep 601'\nbad\n").unwrap();
    let said = bgo_in(&env, &root, &["restart", "server"]).ok();
    assert!(said.stderr.contains("bgo.toml:3:") && said.stderr.contains("runs as it did before"), "{}", said.stderr);
}

#[test]
fn a_check_is_about_the_file_and_not_about_what_ran_before() {
    let env = TestEnv::new();
    let jobs = |first, second| {
        format!("[jobs.{first}]\ncmd = 'sleep 600'\n[jobs.{second}]\ncmd = 'sleep 600'\nafter = '{first}'\n")
    };
    let root = project(&env, "shop", &jobs("db", "web"));
    bgo_in(&env, &root, &["up"]).ok();
    fs::write(root.join("bgo.toml"), jobs("web", "db")).unwrap();
    bgo_in(&env, &root, &["check"]).ok();
}

#[test]
fn a_process_of_no_project_is_not_reached_by_the_name_of_a_job() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    let pid = env.start("server", &["sleep", "599"]);
    for verb in ["stop", "restart", "delete"] {
        let refused = bgo_in(&env, &root, &[verb, "server"]).code(3);
        assert!(refused.stderr.contains("the process \"server\" is of no project"), "{verb}: {}", refused.stderr);
    }
    assert_eq!(env.pid("server"), pid);
}

#[test]
fn a_start_from_outside_does_not_take_a_process_from_its_project() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    bgo_in(&env, &root, &["up"]).ok();
    bgo_in(&env, &root, &["stop", "server"]).ok();
    let refused = env.bgo(&["start", "server", "--", "sleep", "599"]).code(1);
    refused.says(
        "",
        &format!(
            "bgo: \"server\" is of the project \"{}\": its job \"server\" has that name\nhint: cd there and bgo start server; or take another name; --force takes this one\n",
            root.display()
        ),
    );
    assert_eq!(env.record("server")["project"]["job"], "server");
}

#[test]
fn what_was_started_with_flags_is_made_what_the_file_says_by_up() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    bgo_in(&env, &root, &["start", "server", "-e", "A=1"]).ok();
    let said = bgo_in(&env, &root, &["up"]).ok();
    assert!(said.stdout.starts_with("restarted \"server\""), "{}", said.stdout);
    assert!(bgo_in(&env, &root, &["up"]).ok().stdout.starts_with("\"server\" runs already"));
}

#[test]
fn a_change_in_a_file_of_variables_is_a_change_of_the_job() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.server]\ncmd = 'sleep 600'\ncwd = '/'\nenv-file = '.env'\n");
    fs::write(root.join(".env"), "A=1\n").unwrap();
    bgo_in(&env, &root, &["up"]).ok();
    assert!(bgo_in(&env, &root, &["up"]).ok().stdout.starts_with("\"server\" runs already"));
    fs::write(root.join(".env"), "A=2\n").unwrap();
    assert!(bgo_in(&env, &root, &["up"]).ok().stdout.starts_with("restarted \"server\""));
}

#[test]
fn a_record_that_cannot_be_read_does_not_make_a_job_run_twice() {
    let env = TestEnv::new();
    let root = project(&env, "shop", "[jobs.server]\ncmd = 'exec sleep 600'\n");
    bgo_in(&env, &root, &["up"]).ok();
    env.put_record("server", "{");
    bgo_in(&env, &root, &["up"]).code(1);
    assert_eq!(env.copies("sleep 600").len(), 1);
    let said = bgo_in(&env, &root, &["down"]).stderr;
    assert!(said.contains("cannot tell whether \"server\" is of this project"), "{said}");
    env.bgo(&["stop", "server"]);
}

#[test]
fn a_linked_file_is_of_the_folder_that_the_link_is_in() {
    let env = TestEnv::new();
    let root = project(&env, "shop", ONE);
    fs::rename(root.join("bgo.toml"), env.work().join("jobs.toml")).unwrap();
    std::os::unix::fs::symlink("../jobs.toml", root.join("bgo.toml")).unwrap();
    bgo_in(&env, &root, &["up"]).ok();
    let said = env.bgo(&["up", "--config", "shop/bgo.toml"]).ok();
    assert!(said.stdout.starts_with("\"server\" runs already"), "{}", said.stdout);
}
