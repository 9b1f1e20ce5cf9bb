//! `start`: what runs, how it finds its world, and what a refusal leaves behind.

use crate::env::{
    BGO, TestEnv, alive, descriptors, executable, kill9, proc_status, signal, stat, wait_until, without_times,
};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// The hint that comes with a bad name.
const NAME_HINT: &str = "hint: use letters, digits, . _ - @ + and inner spaces; for example: bgo web -- COMMAND\n";

#[test]
fn a_start_says_the_pid_and_writes_the_record() {
    let env = TestEnv::new();
    let started = env.bgo(&["start", "web", "--", "sleep", "300"]).ok();
    let pid = env.pid("web");
    assert!(alive(pid));
    started.says(&format!("started \"web\" (pid {pid})\n"), "");
    let record = env.record("web");
    for (key, value) in [
        ("name", "web".into()),
        ("pgid", pid.into()),
        ("command", serde_json::json!([which("sleep"), "300"])),
        ("cwd", env.work().to_string_lossy().into()),
        ("status", "running".into()),
        ("want", "up".into()),
        ("state", "running".into()),
        ("watch", serde_json::Value::Null),
        ("stopped_at", serde_json::Value::Null),
        ("schema", 1.into()),
        ("exits", serde_json::json!([])),
    ] {
        assert_eq!(record[key], value, "{key}");
    }
    assert!(record["started_at"].as_str().unwrap().ends_with('Z'));
}

fn which(program: &str) -> String {
    let folders = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    folders.map(|f| f.join(program)).into_iter().find(|p| p.exists()).unwrap().to_string_lossy().into_owned()
}

#[test]
fn open_is_another_word_for_start_and_the_separator_may_be_left_out() {
    let env = TestEnv::new();
    env.bgo(&["open", "a", "--", "sleep", "300"]).ok();
    env.bgo(&["start", "b", "sleep", "300"]).ok();
    env.bgo(&["start", "c", "--cwd", "/", "--", "sleep", "300"]).ok();
    assert!(["a", "b", "c"].iter().all(|name| alive(env.pid(name))));
    assert_eq!(env.record("b")["command"][1], "300");
    assert_eq!(env.record("c")["cwd"], "/");
}

#[test]
fn the_process_leads_a_session_of_its_own_below_its_sidecar() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    let [_, parent, group, session, ..] = &stat(pid)[..] else { panic!("no stat") };
    assert_eq!([group, session], [&pid.to_string(); 2]);
    assert_eq!(parent, &env.sidecar("web").to_string());
    let sidecar = env.sidecar("web");
    assert_eq!(stat(sidecar)[3], sidecar.to_string(), "the sidecar's session");
}

#[test]
fn the_process_finds_default_signals_and_only_its_three_descriptors() {
    let env = TestEnv::new();
    let args = ["--ignore-signal=INT,TERM,HUP,CHLD,PIPE", "--block-signal=USR1,TERM,CHLD"];
    let args = [&args[..], &[BGO, "start", "web", "--", "sleep", "300"]].concat();
    env.program("env", &args).through_shell("", "5</dev/null 7>&1 9>/dev/null").run().ok();
    let pid = env.pid("web");
    let expected = [(0, PathBuf::from("/dev/null")), (1, env.log_path("web", "out")), (2, env.log_path("web", "err"))];
    assert_eq!(descriptors(pid), BTreeMap::from(expected));
    for key in ["SigBlk", "SigIgn", "SigPnd", "ShdPnd"] {
        let mask = u64::from_str_radix(&proc_status(pid, key), 16).unwrap();
        // 32 and 33 belong to the C library, which lets nobody change them.
        assert_eq!(mask & !(0b11 << 31), 0, "{key} {mask:x}");
    }
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(descriptors(env.pid("web")).len(), 3, "after a restart");
}

#[test]
fn a_start_with_closed_standard_descriptors_works_as_well() {
    let env = TestEnv::new();
    env.cmd(&["start", "web", "--", "sleep", "300"]).through_shell("", "<&- >&- 2>&-").run().ok();
    let pid = env.pid("web");
    assert!(alive(pid));
    assert_eq!(descriptors(pid)[&0], PathBuf::from("/dev/null"));
    assert_eq!(descriptors(pid)[&1], env.log_path("web", "out"));
    assert_eq!(descriptors(pid).len(), 3);
}

#[test]
fn the_sidecar_keeps_nothing_of_its_caller() {
    let env = TestEnv::new();
    env.cmd(&["start", "web", "--", "sleep", "300"]).through_shell("", "5</etc/passwd 7>&1").run().ok();
    let sidecar = env.sidecar("web");
    assert_eq!(fs::read_link(format!("/proc/{sidecar}/cwd")).unwrap(), PathBuf::from("/"));
    let environ = fs::read_to_string(format!("/proc/{sidecar}/environ")).unwrap();
    let keys: Vec<&str> = environ.split_terminator('\0').map(|pair| pair.split('=').next().unwrap()).collect();
    // The last one is bgo's own, and spares memory.
    assert!(keys.iter().all(|key| ["BGO_HOME", "BGO_SIDECAR", "GLIBC_TUNABLES"].contains(key)), "{keys:?}");
    assert!(environ.starts_with(&format!("BGO_HOME={}\0BGO_SIDECAR=web\0", env.state().display())), "{environ:?}");
    let open = descriptors(sidecar);
    assert_eq!(open[&0], PathBuf::from("/dev/null"));
    assert_eq!([&open[&1], &open[&2]], [&env.log_path("web", "watcher"); 2]);
    assert!(!open.values().any(|to| to == &PathBuf::from("/etc/passwd")), "{open:?}");
}

#[test]
fn stdin_is_empty() {
    let env = TestEnv::new();
    env.cmd(&["start", "web", "--", "sh", "-c", "cat; echo got-eof; exec sleep 300"]).stdin("not for you").run().ok();
    wait_until("the end of stdin", || env.log("web", "out") == "got-eof\n");
}

#[test]
fn arguments_arrive_byte_for_byte() {
    let env = TestEnv::new();
    let script = env.script("show", "printf '<%s>' \"$@\"; echo ready; exec sleep 300");
    let raw: [&[u8]; 14] = [
        b"a b",
        b"",
        b"--",
        b"-f",
        b"--watch",
        b"*",
        b"$HOME",
        b"x;y",
        "ü".as_bytes(),
        b"new\nline",
        b"\xff\xfe\x80",
        b"tab\tand\x1b[31m",
        b"\"quote'",
        b"\\",
    ];
    let words = ["start", "web", "--"].map(OsString::from).into_iter().chain([script.into_os_string()]);
    let args: Vec<OsString> = words.chain(raw.iter().map(|a| OsString::from_vec(a.to_vec()))).collect();
    env.bgo(&args).ok();
    let once: Vec<u8> = raw.iter().flat_map(|a| [b"<", *a, b">"].concat()).chain(*b"ready\n").collect();
    wait_until("the script", || env.log("web", "out").contains("ready"));
    assert_eq!(fs::read(env.log_path("web", "out")).unwrap(), once);
    env.bgo(&["restart", "web"]).ok();
    wait_until("the script again", || env.log("web", "out").matches("ready").count() == 2);
    assert_eq!(fs::read(env.log_path("web", "out")).unwrap(), [once.clone(), once].concat());
}

#[test]
fn the_environment_is_the_callers_with_e_on_top() {
    let env = TestEnv::new();
    let script = "echo \"$FROM_CALLER|$OVER|$NEW|$EMPTY|$BGO_NAME\"; echo ready; exec sleep 300";
    let e = ["-e", "OVER=new", "--env", "NEW=a=b c", "-e", "EMPTY="];
    let args = [&["start"], &e[..], &["web", "--", "sh", "-c", script]].concat();
    env.cmd(&args).var("FROM_CALLER", "x y").var("OVER", "old").run().ok();
    wait_until("the script", || env.log("web", "out").contains("ready"));
    assert_eq!(env.log("web", "out"), "x y|new|a=b c||web\nready\n");
    let pid = env.pid("web");
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap();
    assert!(environ.split(|&b| b == 0).any(|v| v.starts_with(b"BGO_RUN_ID=")));
}

#[test]
fn a_program_is_looked_for_on_the_path_given_by_e() {
    let env = TestEnv::new();
    let folder = env.root().join("tools");
    fs::create_dir(&folder).unwrap();
    executable(&folder.join("mytool"), "#!/bin/sh\nexec sleep 300\n");
    env.bgo(&["start", "a", "--", "mytool"]).code(1);
    env.bgo(&["start", "-e", &format!("PATH={}:/usr/bin:/bin", folder.display()), "b", "--", "mytool"]).ok();
    assert_eq!(env.record("b")["command"][0], folder.join("mytool").to_string_lossy().as_ref());
    env.bgo(&["restart", "b"]).ok();
}

#[test]
fn a_variable_without_a_key_is_a_usage_error() {
    let env = TestEnv::new();
    for bad in ["NOEQUALS", "=x", ""] {
        let refused = env.bgo(&["start", "-e", bad, "web", "--", "sleep", "300"]).code(2);
        assert!(refused.stderr.contains("KEY=VALUE"), "{}", refused.stderr);
    }
    assert!(!env.state().exists());
}

#[test]
fn no_output_and_no_record_tells_the_value_of_a_variable() {
    let env = TestEnv::new();
    let start = ["start", "-w", "-e", "OTHER=hunter3-secret", "web", "--", "sleep", "300"];
    let mut seen = Vec::new();
    let with_secret = |args: &[&str]| env.cmd(args).var("TOKEN", "hunter2-secret").run();
    seen.push(with_secret(&start).ok());
    for args in [
        &["start", "web", "--", "sleep", "1"][..],
        &["status"],
        &["status", "--json"],
        &["status", "web", "--json"],
        &["web"],
        &["restart", "--update-env", "web"],
        &["logs", "web", "--watcher"],
        &["watch", "web"],
        &["unwatch", "web"],
        &["stop", "web"],
        &["resurrect"],
    ] {
        seen.push(with_secret(args));
    }
    for outcome in seen {
        assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains("-secret"), "{}", outcome.line);
    }
    assert!(!fs::read_to_string(env.record_path("web")).unwrap().contains("-secret"));
    assert!(!env.log("web", "watcher").contains("-secret"));
}

#[test]
fn cwd_is_where_it_runs_and_a_relative_one_is_kept_absolute() {
    let env = TestEnv::new();
    let app = env.work().join("app");
    fs::create_dir(&app).unwrap();
    let pid = env.start_with(&["--cwd", "app"], "web", &["sleep", "300"]);
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), app);
    assert_eq!(env.record("web")["cwd"], app.to_string_lossy().as_ref());
    env.cmd(&["restart", "web"]).cwd("/").run().ok();
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", env.pid("web"))).unwrap(), app);
}

#[test]
fn a_relative_program_is_the_one_in_the_folder_it_runs_in() {
    let env = TestEnv::new();
    fs::create_dir(env.work().join("app")).unwrap();
    executable(&env.work().join("app/run.sh"), "#!/bin/sh\nexec sleep 300\n");
    env.bgo(&["start", "web", "--cwd", "app", "--", "./run.sh"]).ok();
    assert_eq!(env.record("web")["command"][0], env.work().join("app/run.sh").to_string_lossy().as_ref());
}

#[test]
fn what_cannot_start_is_explained_and_leaves_nothing() {
    let env = TestEnv::new();
    fs::write(env.work().join("plain.txt"), "x").unwrap();
    executable(&env.work().join("lost.sh"), "#!/no/such/interpreter -u\n");
    let path = |name: &str| env.work().join(name).to_string_lossy().into_owned();
    for (args, code, told) in [
        (
            &["start", "web", "--", "nosuch-xyz"][..],
            1,
            "cannot start \"web\": \"nosuch-xyz\": command not found\n\
             hint: nothing on PATH is called so: name another program, or give its path\n",
        ),
        (
            &["start", "web", "--", "./nosuch"],
            1,
            "cannot start \"web\": \"./nosuch\": No such file or directory\n\
             hint: check the path: it starts in the folder of the process, which --cwd DIR chooses\n",
        ),
        (
            &["start", "web", "--", &path("plain.txt")],
            1,
            "cannot start \"web\": \"DIR/work/plain.txt\": Permission denied\nhint: chmod +x DIR/work/plain.txt\n",
        ),
        (
            &["start", "web", "--", "/nonexistent"],
            1,
            "cannot start \"web\": \"/nonexistent\": No such file or directory\n\
             hint: check the path; a program without one is looked up on PATH\n",
        ),
        (
            &["start", "web", "--", "/usr"],
            1,
            "cannot start \"web\": \"/usr\": Is a directory\n\
             hint: that is a folder: name a program in it, or choose it with --cwd\n",
        ),
        (
            &["start", "web", "--", &path("lost.sh")],
            1,
            "cannot start \"web\": the interpreter \"/no/such/interpreter\" of \"DIR/work/lost.sh\": \
             No such file or directory\nhint: install it, or mend the first line of the script\n",
        ),
        (
            &["start", "--cwd", "/no/such", "web", "--", "sleep", "300"],
            1,
            "cannot start \"web\": chdir to \"/no/such\": No such file or directory\n\
             hint: name an existing folder with --cwd\n",
        ),
        (
            &["start", "--cwd", "plain.txt", "web", "--", "sleep", "300"],
            1,
            "cannot start \"web\": chdir to \"DIR/work/plain.txt\": Not a directory\n\
             hint: name an existing folder with --cwd\n",
        ),
        (&["start", "web"], 2, "no command given for \"web\"\nhint: bgo web -- COMMAND\n"),
        (&["start", "web", "--"], 2, "no command given for \"web\"\nhint: bgo web -- COMMAND\n"),
        (&["start", "web", "--", ""], 2, "no command given for \"web\"\nhint: bgo web -- COMMAND\n"),
        (
            &["start", "--interval", "3", "web", "--", "sleep", "300"],
            2,
            "--interval means nothing without something that must be polled: add --restart always, or --max-rss\n\
             hint: bgo help start lists all settings\n",
        ),
    ] {
        let refused = env.bgo(args).code(code);
        assert_eq!(env.redact(&refused.stderr, &[]), format!("bgo: {told}"), "{args:?}");
        assert_eq!(refused.stdout, "");
        assert!(!env.state().exists(), "{args:?}");
    }
}

#[test]
fn a_file_without_an_interpreter_line_is_a_clear_error_and_leaves_nothing() {
    let env = TestEnv::new();
    executable(&env.work().join("plain"), "echo hello\n");
    let refused = env.bgo(&["start", "web", "--", "./plain"]).code(1);
    let told = "bgo: cannot start \"web\": \"DIR/work/plain\": Exec format error\n\
                hint: give it a first line such as #!/bin/sh, or run it with its interpreter: sh DIR/work/plain\n";
    assert_eq!(env.redact(&refused.stderr, &[]), told);
    assert_eq!(env.names(), [""; 0]);
    for folder in ["procs", "logs", "run"] {
        assert_eq!(env.entries(folder), [""; 0], "{folder}");
    }
    env.assert_all_gone();
}

#[test]
fn a_failed_start_leaves_the_record_of_the_life_before() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    executable(&env.work().join("plain"), "echo hello\n");
    env.bgo(&["start", "web", "--", "./plain"]).code(1);
    assert_eq!(env.row("web")["state"], "stopped");
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(env.record("web")["command"][1], "300");
}

#[test]
fn a_crash_at_once_that_was_the_last_is_told_as_that() {
    let env = TestEnv::new();
    for (name, flags) in [("a", ["--max-fast-crashes", "1"]), ("b", ["--on-fast-crash", "stop"])] {
        let start = ["start", "--settle", "10s", "-w", name];
        let said = env.bgo(&[&start, &flags[..], &["--", "sh", "-c", "exit 3"]].concat()).code(1).stderr;
        let hint = format!("hint: watch mode gave up ({}); bgo restart {name} tries again\n", flags.join(" "));
        assert!(said.ends_with(&hint), "{said}");
    }
}

#[test]
fn a_command_that_ends_badly_at_once_fails_with_its_last_words() {
    let env = TestEnv::new();
    let script = "echo to-out; echo why-it-failed >&2; exit 3";
    let failed = env.bgo(&["start", "--settle", "10s", "web", "--", "sh", "-c", script]).code(1);
    let told = "bgo: \"web\" ended at once: exit code 3 after TIME\n\
                --- last lines of stdout ---\nto-out\n\
                --- last lines of stderr ---\nwhy-it-failed\n\
                hint: bgo logs web shows its output, bgo status web how it ended\n";
    assert_eq!(without_times(&failed.stderr), told);
    assert!(failed.took < Duration::from_secs(10), "it waits for the event, not for the time");
    assert_eq!(env.bgo(&["logs", "web"]).ok().stdout, "to-out\n\n--- stderr ---\nwhy-it-failed\n");
    let row = env.row("web");
    assert_eq!([&row["state"], &row["exit_code"]], [&"exited".into(), &serde_json::json!(3)]);
}

#[test]
fn a_command_that_a_signal_ends_at_once_fails_with_its_name() {
    let env = TestEnv::new();
    let failed = env.bgo(&["start", "--settle", "10s", "web", "--", "sh", "-c", "kill -SEGV $$"]).code(1);
    assert!(failed.stderr.starts_with("bgo: \"web\" ended at once: SIGSEGV after "), "{}", failed.stderr);
    assert_eq!(env.row("web")["signal"], "SIGSEGV");
}

#[test]
fn a_command_that_ends_well_at_once_is_a_success_and_says_so() {
    let env = TestEnv::new();
    let started = env.bgo(&["start", "--settle", "10s", "job", "--", "true"]).ok();
    let pid = env.pid("job");
    let told = format!("started \"job\" (pid {pid}); it ended with exit code 0 after TIME\n");
    assert_eq!(without_times(&started.stdout), told);
    assert_eq!(env.row("job")["exit_code"], 0);
}

#[test]
fn a_job_that_has_ended_can_be_started_again_at_once() {
    let env = TestEnv::new();
    for _ in 0..5 {
        env.bgo(&["start", "--settle", "10s", "job", "--", "true"]).ok();
        assert_eq!(env.record("job")["state"], "exited", "whoever was told may rely on it");
    }
}

#[test]
fn settle_zero_does_not_wait_for_an_early_end() {
    let env = TestEnv::new();
    env.bgo(&["start", "--settle", "0", "web", "--", "sh", "-c", "exit 3"]).ok();
    wait_until("the end", || env.record("web")["exits"][0]["code"] == 3);
}

#[test]
fn a_name_in_use_is_refused_accepted_or_replaced_as_asked() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    let told = format!(
        "bgo: \"web\" is already running with pid {pid}\n\
         hint: bgo restart web starts it anew; bgo start web --force -- COMMAND replaces it\n"
    );
    env.bgo(&["start", "web", "--", "sleep", "301"]).code(1).says("", &told);
    env.bgo(&["start", "--if-not-running", "web", "--", "sleep", "300"])
        .ok()
        .says(&format!("\"web\" is already running (pid {pid})\n"), "");
    env.bgo(&["start", "--if-not-running", "web", "--", "sleep", "301"]).code(1);
    assert!(alive(pid));
    assert_eq!(env.record("web")["command"][1], "300");
    env.bgo(&["start", "--force", "web", "--", "sleep", "302"]).ok();
    assert!(!alive(pid) && alive(env.pid("web")));
    assert_eq!(env.record("web")["command"][1], "302");
    env.bgo(&["start", "--if-not-running", "other", "--", "sleep", "303"]).ok();
    assert!(alive(env.pid("other")));
}

#[test]
fn a_bad_force_does_not_stop_the_running_one() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    env.bgo(&["start", "--force", "web", "--", "nosuch-xyz"]).code(1);
    assert!(alive(pid));
}

#[test]
fn a_new_start_after_a_stop_has_the_new_command_and_the_old_exits() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.bgo(&["stop", "web"]).ok();
    env.start_with(&["--stop-signal", "INT"], "web", &["sleep", "301"]);
    let record = env.record("web");
    assert_eq!([&record["command"][1], &record["status"]], ["301", "running"]);
    assert_eq!(record["exits"][0]["signal"], "SIGTERM");
    assert_eq!(record["spec"]["stop_signal"], "SIGINT");
}

#[test]
fn names_may_have_letters_of_any_script_and_inner_spaces() {
    let env = TestEnv::new();
    let longest = "x".repeat(100);
    let names = ["a.b", "a-b_c", "a b", "naïve", "日本", "web@1+x", "7", &longest];
    for name in names {
        env.start(name, &["sleep", "300"]);
    }
    let mut listed: Vec<String> = env.rows().iter().map(|r| r["name"].as_str().unwrap().to_owned()).collect();
    let mut expected = names.map(str::to_owned);
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    for name in names {
        env.bgo(&["stop", "-f", name]).ok();
    }
}

#[test]
fn bad_names_are_refused_with_the_reason_and_create_nothing() {
    let env = TestEnv::new();
    let long = "x".repeat(101);
    for (name, why) in [
        ("", "a name must not be empty"),
        (".", "a name must not start with '.'"),
        ("..", "a name must not start with '.'"),
        ("../x", "a name must not start with '.'"),
        ("a/b", "a name must not contain '/'"),
        ("a\nb", "a name must not contain '\\n'"),
        ("a\u{1b}[31mb", "a name must not contain '\\u{1b}'"),
        (" a", "a name must not start or end with a space"),
        ("a ", "a name must not start or end with a space"),
        (&long, "a name has at most 100 bytes"),
    ] {
        let refused = env.bgo(&["start", name, "--", "sleep", "300"]).code(2);
        let shown = name.replace('\n', "\\n").replace('\u{1b}', "\\u{1b}");
        assert_eq!(refused.stderr, format!("bgo: \"{shown}\" cannot be a name: {why}\n{NAME_HINT}"));
    }
    env.bgo(&["start", "-x", "--", "sleep", "300"]).code(2);
    let raw = [OsStr::new("start"), OsStr::from_bytes(b"a\xffb"), OsStr::new("--"), OsStr::new("sleep")];
    assert!(env.bgo(&raw).code(2).stderr.contains("it is not valid UTF-8"));
    assert!(!env.state().exists());
}

#[test]
fn files_are_for_their_owner_only_whatever_the_umask() {
    let env = TestEnv::new();
    env.cmd(&["start", "-w", "web", "--", "sleep", "300"]).through_shell("umask 0", "").run().ok();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(env.state()), 0o700);
    for folder in fs::read_dir(env.state()).unwrap().map(|e| e.unwrap()) {
        assert_eq!(mode(folder.path()), 0o700, "{folder:?}");
        for file in fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap()) {
            assert_eq!(mode(file.path()), 0o600, "{file:?}");
        }
    }
}

#[test]
fn bgo_home_says_where_the_state_is() {
    let env = TestEnv::new();
    let start = ["start", "web", "--", "sleep", "300"];
    env.cmd(&start).var("BGO_HOME", "elsewhere").run().ok();
    let record = fs::read_to_string(env.work().join("elsewhere/procs/web.json")).unwrap();
    assert!(!env.state().exists() && record.contains("\"web\""));
    let seen = env.cmd(&["status", "--json"]).var("BGO_HOME", env.work().join("elsewhere")).cwd("/").run().ok().json();
    assert_eq!(seen[0]["status"], "online");
    env.cmd(&["stop", "web"]).var("BGO_HOME", env.work().join("elsewhere")).run().ok();
    env.cmd(&start).var("BGO_HOME", "").run().ok();
    assert!(env.state().exists(), "an empty one counts as none");
}

#[test]
fn every_end_is_recorded() {
    let env = TestEnv::new();
    env.start("code", &["sh", "-c", "exit 42"]);
    let killed = env.start("signal", &["sleep", "300"]);
    signal(killed, Signal::SIGUSR1);
    env.wait_state("code", "exited");
    env.wait_state("signal", "exited");
    let (code, signal) = (env.record("code"), env.record("signal"));
    assert_eq!(
        [&code["exits"][0]["code"], &code["exits"][0]["signal"]],
        [&serde_json::json!(42), &serde_json::Value::Null]
    );
    assert_eq!(signal["exits"][0]["signal"], "SIGUSR1");
    assert_eq!(signal["exits"][0]["code"], serde_json::Value::Null);
    assert_eq!(signal["exits"][0]["oom"], false);
    for record in [code, signal] {
        assert_eq!([&record["status"], &record["state"]], ["stopped", "exited"]);
        assert!(record["stopped_at"].is_string());
    }
    env.assert_all_gone();
}

#[test]
fn a_process_started_by_a_managed_process_outlives_it() {
    let env = TestEnv::new();
    let script = format!("{BGO} start inner -- sleep 300 && echo ready; exec sleep 301");
    let outer = env.start_script(&[], "outer", &script);
    let inner = env.pid("inner");
    env.bgo(&["stop", "outer"]).ok();
    assert!(!alive(outer) && alive(inner));
    assert_eq!(env.row("inner")["state"], "running");
    env.bgo(&["stop", "inner"]).ok();
    assert!(!alive(inner));
}

#[test]
fn a_shell_wrapper_named_bgo_on_the_path_works() {
    let env = TestEnv::new();
    for (name, body) in [("plain", format!("{BGO} \"$@\"")), ("exec", format!("exec {BGO} \"$@\""))] {
        executable(&env.bin().join("bgo"), &format!("#!/bin/sh\n{body}\n"));
        let script =
            format!("bgo start -w {name} -- sleep 300 && bgo status && bgo restart {name} && bgo unwatch {name}");
        let seen = env.program("sh", &["-c", &script]).run().ok();
        assert!(seen.stdout.contains("Total: "), "{}", seen.stdout);
        assert!(alive(env.pid(name)));
    }
}

#[test]
fn a_removed_binary_hurts_no_process_that_it_started() {
    let env = TestEnv::new();
    let copy = env.bin().join("bgo");
    // Not by fs::copy: a test beside this one may fork while it is open for writing, and what is cannot be executed.
    assert!(std::process::Command::new("cp").arg(BGO).arg(&copy).status().unwrap().success());
    env.program(&copy, &["start", "-w", "--min-uptime", "0", "web", "--", "sleep", "300"]).run().ok();
    fs::remove_file(&copy).unwrap();
    let pid = env.pid("web");
    kill9(pid);
    wait_until("the restart", || env.pid("web") != pid && alive(env.pid("web")));
    env.bgo(&["unwatch", "web"]).ok();
    env.bgo(&["restart", "web"]).ok();
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}
