//! `--env-file`, `--config-env`, `--allocate-port` and `env`: what a process is given besides the captured environment.

use crate::env::{BGO, TestEnv, alive, kill9, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;

fn write(env: &TestEnv, file: &str, text: &str) {
    fs::write(env.work().join(file), text).unwrap();
}

/// What the kernel says that the process of `name` was started with.
fn variable(env: &TestEnv, name: &str, key: &str) -> Option<String> {
    let path = format!("/proc/{}/environ", env.pid(name));
    let mut environ = Vec::new();
    // For a moment of its execution it has none.
    wait_until("its environment", || {
        environ = fs::read(&path).unwrap();
        !environ.is_empty()
    });
    let text = String::from_utf8(environ).unwrap();
    text.split('\0').find_map(|pair| Some(pair.strip_prefix(key)?.strip_prefix('=')?.to_owned()))
}

#[track_caller]
fn assert_variable(env: &TestEnv, name: &str, key: &str, value: &str) {
    assert_eq!(variable(env, name, key).as_deref(), Some(value), "{key}");
}

fn port(env: &TestEnv, name: &str) -> u16 {
    let port = u16::try_from(env.record(name)["allocated_port"].as_u64().unwrap()).unwrap();
    assert_variable(env, name, "PORT", &port.to_string());
    port
}

// ---- files --------------------------------------------------------------------------------------------------------

#[test]
fn what_is_said_more_precisely_is_stronger() {
    let env = TestEnv::new();
    write(&env, ".config.toml", "a = 'config'\nb = 'config'\nc = 'config'\nd = 'config'\n");
    write(&env, ".env", "B=one\nC=one\nD=one\n");
    write(&env, "two.toml", "c = 'two'\nd = 'two'\n[server]\nport = 3000\n");
    let flags = ["start", "web", "--settle", "0", "--env-file", ".env", "--config-env", "--env-file", "two.toml"];
    env.cmd(&[&flags[..], &["-e", "D=flag", "--", "sleep", "300"]].concat())
        .var("A", "shell")
        .var("Z", "shell")
        .run()
        .ok();
    for (key, value) in
        [("A", "config"), ("B", "one"), ("C", "two"), ("D", "flag"), ("Z", "shell"), ("SERVER_PORT", "3000")]
    {
        assert_variable(&env, "web", key, value);
    }
}

#[test]
fn a_config_file_is_never_read_unasked() {
    let env = TestEnv::new();
    write(&env, ".config.toml", "a = 1\n");
    write(&env, ".env", "B=1\n");
    env.start("web", &["sleep", "300"]);
    assert_eq!((variable(&env, "web", "A"), variable(&env, "web", "B")), (None, None));
}

#[test]
fn every_restart_reads_the_files_again() {
    let env = TestEnv::new();
    write(&env, ".env", "A=1\nB=1\n");
    let pid = env.start_with(&["-w", "--min-uptime", "0", "--env-file", ".env"], "web", &["sleep", "300"]);
    assert_variable(&env, "web", "A", "1");
    write(&env, ".env", "A=2\n");
    env.bgo(&["restart", "web"]).ok();
    assert_variable(&env, "web", "A", "2");
    assert_eq!(variable(&env, "web", "B"), None, "what left the file leaves the process");
    write(&env, ".env", "A=3\n");
    let second = env.pid("web");
    kill9(second);
    wait_until("watch mode to restart it", || ![pid, second].contains(&env.pid("web")) && alive(env.pid("web")));
    assert_variable(&env, "web", "A", "3");
    write(&env, ".env", "A=4\n");
    env.bgo(&["stop", "web"]).ok();
    env.bgo(&["restart", "web"]).ok();
    assert_variable(&env, "web", "A", "4");
}

#[test]
fn a_file_is_found_from_the_folder_of_the_process() {
    let env = TestEnv::new();
    fs::create_dir(env.work().join("app")).unwrap();
    write(&env, "app/.env", "A=app\n");
    write(&env, "other", "B=absolute\n");
    let absolute = env.work().join("other").to_str().unwrap().to_owned();
    env.start_with(&["--cwd", "app", "--env-file", ".env", "--env-file", &absolute], "web", &["sleep", "300"]);
    assert_variable(&env, "web", "A", "app");
    assert_variable(&env, "web", "B", "absolute");
    env.cmd(&["restart", "web"]).cwd("/").run().ok();
    assert_variable(&env, "web", "A", "app");
}

#[test]
fn a_file_that_cannot_be_used_fails_before_anything_is_done() {
    let env = TestEnv::new();
    let start = ["start", "web", "--env-file", ".env", "--", "sleep", "300"];
    env.bgo(&start).code(1);
    assert_eq!(env.names(), [""; 0], "nothing is registered");
    write(&env, ".env", "A=1\n");
    env.bgo(&start).ok();
    let pid = env.pid("web");
    let broken = |text: Option<&str>, why: &str| {
        match text {
            Some(text) => write(&env, ".env", text),
            None => fs::remove_file(env.work().join(".env")).unwrap(),
        }
        let told = env.bgo(&["restart", "web"]).code(1).stderr;
        assert!(env.redact(&told, &[]).contains(&format!("bgo: cannot start \"web\": DIR/work/.env{why}\n")), "{told}");
        assert_eq!((env.pid("web"), alive(pid)), (pid, true), "what runs goes on");
        let told = env.bgo(&["set", "web", "--env-file", ".env"]).code(1).stderr;
        assert!(told.contains(why), "{told}");
        env.bgo(&["set", "web", "--max-runtime", "1h"]).ok();
    };
    broken(Some("A=1\nB='hunter2\n"), ":2:3: the quote ' is not closed");
    broken(Some("A=1\nhunter2\n"), ":2:8: = expected behind the name, not the end of the line");
    broken(None, ": No such file or directory");
    env.bgo(&["stop", "web"]).ok();
    env.bgo(&["restart", "web"]).code(1);
    env.edit_record("web", |record| {
        record["want"] = "up".into();
        record["state"] = "running".into();
    });
    let told = env.bgo(&["resurrect"]).code(1);
    assert!(told.stderr.contains(".env: No such file"), "{}", told.stderr);
    env.assert_all_gone();
}

#[test]
fn what_is_no_plain_file_is_refused_and_never_waited_for() {
    let env = TestEnv::new();
    nix::unistd::mkfifo(&env.work().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    write(&env, "large", &"#".repeat((1 << 20) + 1));
    for (file, why) in [("pipe", "it is a pipe"), (".", "it is a folder"), ("large", "larger than 1 MiB")] {
        let told = env.bgo(&["start", "web", "--env-file", file, "--", "sleep", "300"]).code(1).stderr;
        assert!(told.contains(why), "{told}");
    }
    write(&env, ".env", "");
    let flags = ["-w", "--min-uptime", "0", "--env-file", ".env"];
    let pid = env.start_with(&flags, "web", &["sleep", "300"]);
    fs::rename(env.work().join("pipe"), env.work().join(".env")).unwrap();
    kill9(pid);
    env.wait_state("web", "errored");
    let reason = env.record("web")["reason"].clone();
    assert!(reason.as_str().unwrap().ends_with("/.env: it is a pipe"), "{reason}");
}

#[test]
fn a_restart_by_watch_mode_tells_what_is_wrong_with_a_file() {
    let env = TestEnv::new();
    write(&env, "dev.toml", "a = 1\n");
    let pid = env.start_with(&["-w", "--min-uptime", "0", "--env-file", "dev.toml"], "web", &["sleep", "300"]);
    write(&env, "dev.toml", "password = 'hunter2'\na_b = 1\n[a]\nb = 2\n");
    kill9(pid);
    env.wait_state("web", "errored");
    let place = "work/dev.toml:2:1: \"a_b\" and \"a.b\" (line 4) both come to A_B";
    let reason = env.record("web")["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("restart failed: env-file: /") && reason.ends_with(place), "{reason}");
    assert!(env.log("web", "watcher").contains(&reason));
    write(&env, "dev.toml", "a = 2\n");
    env.bgo(&["restart", "web"]).ok();
    assert_variable(&env, "web", "A", "2");
}

/// What is there when the command looks may be gone when the sidecar does: this path leads each to another file.
#[test]
fn a_file_that_is_gone_in_the_last_moment_fails_the_start() {
    let env = TestEnv::new();
    write(&env, ".env", "A=1\n");
    let path = "/proc/self/cwd/.env";
    let told = env.bgo(&["start", "web", "--env-file", path, "--", "sleep", "300"]).code(1).stderr;
    assert!(told.starts_with("bgo: cannot start \"web\": env-file: No such file or directory\nhint: "), "{told}");
    assert!(told.contains("bgo logs web --watcher"), "{told}");
    assert!(env.log("web", "watcher").contains(&format!("cannot start: env-file: {path}: No such file or directory")));
    assert_eq!(env.names(), [""; 0]);
    env.start_with(&["-w"], "api", &["sleep", "300"]);
    env.bgo(&["set", "api", "--env-file", path]).ok();
    let told = env.bgo(&["restart", "api"]).code(1).stderr;
    assert!(told.contains(&format!("cannot start \"api\": restart failed: env-file: {path}: No such file")), "{told}");
    env.assert_all_gone();
}

#[test]
fn nothing_that_is_in_a_file_gets_into_records_and_logs() {
    let env = TestEnv::new();
    write(&env, ".env", "DATABASE_URL=postgres://u:hunter2@h\n");
    env.start_with(&["-w", "--min-uptime", "0", "--env-file", ".env"], "web", &["sleep", "300"]);
    let look = || {
        for text in [
            fs::read_to_string(env.record_path("web")).unwrap(),
            env.log("web", "watcher"),
            env.bgo(&["status", "web", "--json"]).ok().stdout,
            env.bgo(&["web"]).ok().stdout,
        ] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    };
    look();
    write(&env, ".env", "PASSWORD='hunter2' hunter2\nhunter2\n");
    kill9(env.pid("web"));
    env.wait_state("web", "errored");
    look();
}

#[test]
fn checks_and_hooks_see_what_the_process_was_given() {
    let env = TestEnv::new();
    write(&env, ".env", "A=file\nB=file\n");
    let tell = |file: &str| format!("echo \"$A|$B|$PORT|$BGO_NAME\" > {file}");
    let (ready, health, exit) = (tell("ready"), tell("health"), tell("exit"));
    let flags = ["--ready-when-cmd", &ready, "--health-cmd", &health, "--health-interval", "20ms", "--on-exit", &exit];
    let more = ["--env-file", ".env", "-e", "B=flag", "--allocate-port", "PORT"];
    env.start_with(&[&flags[..], &more].concat(), "web", &["sleep", "300"]);
    let expected = format!("file|flag|{}|web\n", port(&env, "web"));
    // The process does not see this either.
    write(&env, ".env", "A='broken\n");
    let told = |file: &str| fs::read_to_string(env.work().join(file)).unwrap_or_default();
    wait_until("the check", || told("ready") == expected && told("health") == expected);
    env.bgo(&["stop", "web"]).ok();
    wait_until("the hook", || told("exit") == expected);
}

#[test]
fn a_sidecar_that_takes_a_process_up_knows_the_files_too() {
    let env = TestEnv::new();
    write(&env, ".env", "A=file\n");
    let flags = ["--env-file", ".env", "--allocate-port", "PORT", "--on-exit", "echo \"$A|$PORT\" > told"];
    env.start_with(&flags, "web", &["sleep", "300"]);
    let port = port(&env, "web");
    kill9(env.sidecar("web"));
    env.bgo(&["resurrect"]).ok();
    env.bgo(&["stop", "web"]).ok();
    let told = || fs::read_to_string(env.work().join("told")).unwrap_or_default();
    wait_until("the hook", || told() == format!("file|{port}\n"));
    assert_eq!(env.record("web")["allocated_port"], port);
}

#[test]
fn marks_of_bgo_are_stronger_than_any_file_or_flag() {
    let env = TestEnv::new();
    write(&env, ".env", "BGO_NAME=x\nBGO_RUN_ID=x\nBGO_SIDECAR=x\nNOTIFY_SOCKET=x\n");
    let flags = ["--env-file", ".env", "-e", "BGO_SIDECAR=x", "-e", "BGO_NAME=y"];
    env.start_script(&flags, "web", "setsid sleep 4711 & echo ready; exec sleep 300");
    assert_variable(&env, "web", "BGO_NAME", "web");
    assert_variable(&env, "web", "BGO_RUN_ID", env.record("web")["run_id"].as_str().unwrap());
    assert_eq!((variable(&env, "web", "BGO_SIDECAR"), variable(&env, "web", "NOTIFY_SOCKET")), (None, None));
    env.bgo(&["stop", "web"]).ok();
    env.assert_all_gone();
}

#[test]
fn the_path_of_a_file_finds_the_program() {
    let env = TestEnv::new();
    fs::create_dir(env.work().join("tools")).unwrap();
    env.script("tools/mytool", "exec sleep 300");
    write(&env, ".env", &format!("PATH={}:/usr/bin:/bin\n", env.work().join("tools").display()));
    env.bgo(&["start", "web", "--", "mytool"]).code(1);
    env.bgo(&["start", "web", "--env-file", ".env", "--", "mytool"]).ok();
    env.bgo(&["restart", "web"]).ok();
}

#[test]
fn set_replaces_the_list_of_files_and_unset_empties_it() {
    let env = TestEnv::new();
    for file in ["a", "b", "c"] {
        write(&env, file, &format!("{file}=1\n"));
    }
    env.start_with(&["--env-file", "a", "--env-file", "b"], "web", &["sleep", "300"]);
    env.bgo(&["set", "web", "--env-file", "c"]).ok().says("set env-file of \"web\" from its next start on\n", "");
    assert_eq!(env.record("web")["spec"]["env_file"], json!(["c"]));
    assert_variable(&env, "web", "a", "1");
    env.bgo(&["restart", "web"]).ok();
    assert_eq!((variable(&env, "web", "a"), variable(&env, "web", "c").as_deref()), (None, Some("1")));
    env.bgo(&["set", "web", "--env-file", "none"]).code(1);
    env.bgo(&["set", "web", "--unset", "env-file"]).ok();
    assert_eq!(env.record("web")["spec"]["env_file"], Value::Null);
}

#[test]
fn a_command_in_the_foreground_gets_them_too() {
    let env = TestEnv::new();
    write(&env, ".env", "A=file\n");
    let flags = ["run", "--env-file", ".env", "--allocate-port", "PORT"];
    let out = env.bgo(&[&flags[..], &["--", "sh", "-c", "echo $A; test $PORT -gt 1023"]].concat()).ok();
    assert_eq!(out.stdout, "file\n");
    env.bgo(&["run", "--env-file", "none", "--", "true"]).code(125);
}

// ---- ports --------------------------------------------------------------------------------------------------------

#[test]
fn a_port_is_found_once_and_kept() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--allocate-port", "PORT"];
    let first = env.start_with(&flags, "web", &["sleep", "300"]);
    let port = port(&env, "web");
    TcpListener::bind(("127.0.0.1", port)).unwrap();
    assert_eq!(env.row("web")["allocated_port"], port);
    let page = env.bgo(&["web"]).ok().stdout;
    assert!(page.contains(&format!("\n  Port:          {port} (PORT)\n")), "{page}");
    kill9(first);
    wait_until("the restart", || env.pid("web") != first && alive(env.pid("web")));
    assert_eq!(self::port(&env, "web"), port, "watch mode");
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(self::port(&env, "web"), port, "restart");
    env.bgo(&["stop", "web"]).ok();
    assert_eq!(env.row("web")["allocated_port"], port, "down");
    env.bgo(&["restart", "web"]).ok();
    assert_eq!(self::port(&env, "web"), port, "stop and restart");
    env.bgo(&["start", "web", "--force", "--allocate-port", "PORT", "--", "sleep", "301"]).ok();
    assert_eq!(self::port(&env, "web"), port, "start --force");
    env.edit_record("web", |_| {});
    kill9(env.sidecar("web"));
    kill9(env.pid("web"));
    env.bgo(&["resurrect"]).ok();
    assert_eq!(self::port(&env, "web"), port, "resurrect");
    env.bgo(&["set", "web", "--unset", "allocate-port"]).ok();
    assert_eq!(env.row("web")["allocated_port"], port, "it has it until its next start");
    env.bgo(&["restart", "web"]).ok();
    assert_eq!((env.row("web")["allocated_port"].clone(), variable(&env, "web", "PORT")), (Value::Null, None));
}

#[test]
fn a_port_that_somebody_else_has_taken_is_replaced() {
    let env = TestEnv::new();
    let flags = ["-w", "--min-uptime", "0", "--allocate-port", "PORT"];
    env.start_with(&flags, "web", &["sleep", "300"]);
    for address in ["127.0.0.1", "0.0.0.0", "::"] {
        let (pid, port) = (env.pid("web"), port(&env, "web"));
        let Ok(stranger) = TcpListener::bind((address, port)) else { continue };
        kill9(pid);
        wait_until("the restart", || env.pid("web") != pid && alive(env.pid("web")));
        assert_ne!(self::port(&env, "web"), port, "{address}");
        let log = env.log("web", "watcher");
        assert!(log.contains(&format!("port {port} is gone (taken by ")), "{log}");
        drop(stranger);
        let now = self::port(&env, "web");
        env.bgo(&["restart", "web"]).ok();
        assert_eq!(self::port(&env, "web"), now);
    }
}

/// Connections that the server has closed linger on its port.
#[test]
fn a_server_finds_its_port_again_at_once() {
    let env = TestEnv::new();
    let serve = "import os, socket; s = socket.create_server(('127.0.0.1', int(os.environ['PORT'])))\n\
                 while True: s.accept()[0].close()";
    env.start_with(&["--allocate-port", "PORT"], "web", &["python3", "-c", serve]);
    // Not what the kernel says of it, as above: python3 may be a script that executes another.
    let recorded = || u16::try_from(env.record("web")["allocated_port"].as_u64().unwrap()).unwrap();
    let port = recorded();
    wait_until("the server", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    for _ in 0..3 {
        let mut client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        std::io::Read::read_to_end(&mut client, &mut Vec::new()).unwrap();
        drop(client);
        env.bgo(&["restart", "web"]).ok();
        assert_eq!(recorded(), port);
        wait_until("the server", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }
}

#[test]
fn no_two_processes_get_one_port() {
    let env = TestEnv::new();
    let names: Vec<String> = (0..12).map(|n| format!("web{n}")).collect();
    let starts: Vec<_> = names
        .iter()
        .map(|n| env.cmd(&["start", n, "--settle", "0", "--allocate-port", "PORT", "--", "sleep", "300"]).spawn())
        .collect();
    starts.into_iter().for_each(|start| _ = start.finish().ok());
    let mut ports: Vec<u16> = names.iter().map(|name| port(&env, name)).collect();
    // One that is down keeps its own.
    env.bgo(&["stop", "web0"]).ok();
    env.start_with(&["--allocate-port", "PORT"], "last", &["sleep", "300"]);
    ports.push(port(&env, "last"));
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), names.len() + 1);
}

#[test]
fn a_variable_has_one_source() {
    let env = TestEnv::new();
    write(&env, ".env", "PORT=1\n");
    let told =
        env.bgo(&["start", "web", "--allocate-port", "PORT", "-e", "PORT=1", "--", "sleep", "300"]).code(2).stderr;
    assert!(told.contains("-e PORT=… and --allocate-port PORT exclude each other"), "{told}");
    for bad in ["", "1", "A B", "BGO_NAME", "A=B"] {
        env.bgo(&["start", "web", "--allocate-port", bad, "--", "sleep", "300"]).code(2);
    }
    assert_eq!(env.names(), [""; 0]);
    env.start_with(&["-e", "OTHER=1", "--env-file", ".env", "--allocate-port", "PORT"], "web", &["sleep", "300"]);
    assert_ne!(port(&env, "web"), 1, "the flag is stronger than the file");
    env.bgo(&["set", "web", "--allocate-port", "OTHER"]).code(2);
    env.bgo(&["set", "web", "--allocate-port", "HTTP_PORT"]).ok();
    let before = port(&env, "web").to_string();
    env.bgo(&["restart", "web"]).ok();
    assert_variable(&env, "web", "HTTP_PORT", &before);
    assert_variable(&env, "web", "PORT", "1");
}

// ---- env ----------------------------------------------------------------------------------------------------------

#[test]
fn env_prints_what_a_process_was_started_with() {
    let env = TestEnv::new();
    write(&env, ".env", "A=1\nDB=postgres://u:hunter2@h/db\nTOKEN=hunter2\nODD='tab\tand \x1b[31m'\n");
    env.start_with(&["--env-file", ".env"], "web", &["sleep", "300"]);
    // It does not know of this.
    write(&env, ".env", "A=2\n");
    let out = env.bgo(&["env", "web"]).ok();
    assert_eq!(out.stderr, "");
    let lines: Vec<&str> = out.stdout.lines().collect();
    assert!(lines.is_sorted(), "{lines:?}");
    for line in ["A=1", "DB=postgres://u:***@h/db", "TOKEN=***", "ODD=tab\tand \x1b[31m", "BGO_NAME=web"] {
        assert!(lines.contains(&line), "{line}: {lines:?}");
    }
    let shown = env.bgo(&["env", "web", "--show"]).ok().stdout;
    assert!(shown.contains("\nTOKEN=hunter2\n") && shown.contains("u:hunter2@h"), "{shown}");
    let terminal = env.cmd(&["env", "web"]).on_terminal(80).finish().ok().stdout;
    assert!(!terminal.contains('\x1b') && terminal.contains("ODD=tab"), "{terminal}");
    let document = env.bgo(&["env", "web", "--json"]).ok().json();
    assert_eq!([&document["name"], &document["source"]], ["web", "running"]);
    assert_eq!([&document["pid"], &document["masked"]], [&json!(env.pid("web")), &json!(["DB", "TOKEN"])]);
    assert_eq!([&document["environment"]["A"], &document["environment"]["TOKEN"]], ["1", "***"]);
    assert_eq!(env.bgo(&["env", "web", "--json", "--show"]).ok().json()["environment"]["TOKEN"], "hunter2");
}

#[test]
fn env_of_what_is_down_is_that_of_its_next_start() {
    let env = TestEnv::new();
    write(&env, ".env", "A=1\n");
    env.start_with(&["--env-file", ".env", "-e", "B=1", "--allocate-port", "PORT"], "web", &["sleep", "300"]);
    let port = port(&env, "web");
    env.bgo(&["stop", "web"]).ok();
    write(&env, ".env", "A=2\n");
    let out = env.bgo(&["env", "web"]).ok();
    assert_eq!(out.stderr, "bgo: \"web\" is not running: this is what its next start gets\n");
    for line in ["A=2\n", "B=1\n", &format!("PORT={port}\n"), "BGO_NAME=web\n"] {
        assert!(out.stdout.contains(line), "{line}: {}", out.stdout);
    }
    assert!(!out.stdout.contains("BGO_RUN_ID"));
    let document = env.bgo(&["env", "web", "--json"]).ok().json();
    assert_eq!((&document["source"], &document["pid"]), (&json!("next_start"), &Value::Null));
    fs::remove_file(env.work().join(".env")).unwrap();
    let told = env.bgo(&["env", "web"]).code(1).stderr;
    assert!(told.contains(".env: No such file or directory"), "{told}");
    let document: Value = serde_json::from_str(&env.bgo(&["env", "web", "--json"]).code(1).stderr).unwrap();
    assert!(document["error"]["message"].as_str().unwrap().contains(".env"), "{document}");
}

#[test]
fn env_does_not_pass_something_else_off_as_what_it_was_started_with() {
    let env = TestEnv::new();
    env.start_script(&["-e", "A=1"], "web", "echo ready; exec env -i B=2 sleep 300");
    wait_until("the second exec", || variable(&env, "web", "B").is_some());
    let out = env.bgo(&["env", "web"]).ok();
    assert!(out.stderr.starts_with("bgo: what \"web\" was started with cannot be read"), "{}", out.stderr);
    assert!(out.stdout.starts_with("A=1\n") && !out.stdout.contains("B=2"), "{}", out.stdout);
}

#[test]
fn a_shell_takes_an_environment_over_byte_for_byte() {
    let env = TestEnv::new();
    let odd = "it's \"odd\" \\ $HOME `x` \n\t*";
    let set = format!("ODD={odd}");
    env.start_with(&["-e", &set, "-e", "TOKEN=hunter2", "-e", "not.a.word=1"], "web", &["sleep", "300"]);
    let out = env.bgo(&["env", "web", "--shell", "sh"]).ok();
    assert!(!out.stdout.contains("TOKEN") && !out.stdout.contains("***"), "{}", out.stdout);
    assert!(out.stderr.contains("TOKEN") && out.stderr.contains("--show") && out.stderr.contains("not.a.word"));
    let script =
        "eval \"$(\"$1\" env web --shell sh --show 2>/dev/null)\"; printf '%s|%s|%s' \"$ODD\" \"$TOKEN\" \"$BGO_NAME\"";
    assert_eq!(env.program("sh", &["-c", script, "sh", BGO]).run().ok().stdout, format!("{odd}|hunter2|"));
    let fish = env.bgo(&["env", "web", "--shell", "fish", "--show"]).ok().stdout;
    assert!(fish.contains("set -gx ODD 'it\\'s \"odd\" \\\\ $HOME `x` \n\t*'\n"), "{fish}");
    assert!(!fish.contains("set -gx PWD") && !fish.contains("BGO_RUN_ID"), "{fish}");
    env.bgo(&["env", "web", "--shell", "sh", "--json"]).code(2);
}

/// It would be stopped with it.
#[test]
fn what_a_shell_starts_that_took_an_environment_over_is_no_part_of_the_process() {
    let env = TestEnv::new();
    env.start_with(&["-e", "A=1"], "web", &["sleep", "300"]);
    let script = "eval \"$(\"$1\" env web --shell sh --show)\"; sleep 4711 >/dev/null 2>&1 & echo $!";
    let pid: u32 = env.program("sh", &["-c", script, "sh", BGO]).run().ok().stdout.trim().parse().unwrap();
    kill9(env.sidecar("web"));
    env.bgo(&["stop", "web"]).ok();
    assert!(alive(pid));
    kill9(pid);
}

#[test]
fn env_of_what_is_not_known_is_an_error() {
    let env = TestEnv::new();
    env.bgo(&["env", "web"]).code(3);
    let document: Value = serde_json::from_str(&env.bgo(&["env", "web", "--json"]).code(3).stderr).unwrap();
    assert_eq!(document["error"]["type"], "not_found");
    env.put_record("web", "{");
    let told = env.bgo(&["env", "web"]).code(1).stderr;
    assert!(told.contains("corrupt record"), "{told}");
}
