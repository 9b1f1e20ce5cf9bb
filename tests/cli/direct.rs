//! The forms without a verb.

use crate::env::{TestEnv, alive, executable, wait_until};
use std::fs;

#[test]
fn a_name_and_a_separator_start_what_follows() {
    let env = TestEnv::new();
    let started = env.bgo(&["web", "--", "sleep", "300"]).ok();
    let pid = env.pid("web");
    started.says(&format!("started \"web\" (pid {pid})\n"), "");
    assert!(alive(pid));
}

#[test]
fn everything_after_the_separator_belongs_to_the_command() {
    let env = TestEnv::new();
    let script = "for a in \"$@\"; do echo \"<$a>\"; done; echo ready; exec sleep 300";
    env.bgo(&["web", "--", "sh", "-c", script, "sh", "-w", "--", "--watch", "-f", "--help"]).ok();
    wait_until("the script", || env.log("web", "out").contains("ready"));
    assert_eq!(env.log("web", "out"), "<-w>\n<-->\n<--watch>\n<-f>\n<--help>\nready\n");
    assert_eq!(env.record("web")["watch"], serde_json::Value::Null);
}

#[test]
fn w_watches_in_every_form() {
    let env = TestEnv::new();
    env.script("server.sh", "exec sleep 300");
    for (name, args) in [
        ("a", &["-w", "a", "sleep", "300"][..]),
        ("b", &["-w", "b", "--", "sleep", "300"]),
        ("c", &["--watch", "c", "--", "sleep", "300"]),
        ("d", &["d", "-w", "--", "sleep", "300"]),
        ("server", &["-w", "--interval", "7", "./server.sh"]),
    ] {
        env.bgo(args).ok();
        assert_eq!(env.record(name)["watch"]["enabled"], true, "{args:?}");
    }
    assert_eq!(env.record("server")["watch"]["interval"], 7);
}

#[test]
fn flags_of_start_work_before_the_name() {
    let env = TestEnv::new();
    let flags = ["--cwd", "/", "-e", "A=b", "--settle", "0", "--stop-signal", "INT", "--stop-timeout", "1s"];
    env.bgo(&[&flags[..], &["web", "--", "sh", "-c", "echo \"$A $(pwd)\"; exec sleep 300"]].concat()).ok();
    wait_until("the output", || env.log("web", "out") == "b /\n");
    let spec = env.record("web")["spec"].clone();
    assert_eq!([&spec["stop_signal"], &spec["stop_timeout"]], [&"SIGINT".into(), &serde_json::json!(1)]);
}

#[test]
fn a_command_alone_is_named_after_its_program() {
    let env = TestEnv::new();
    for file in ["server.sh", "app.py", "plain"] {
        env.script(file, "echo \"args $*\"; exec sleep 300");
    }
    env.bgo(&["./server.sh", "a", "-b"]).ok();
    env.bgo(&["./app.py", "-w", "5"]).ok();
    env.bgo(&["./plain"]).ok();
    env.bgo(&["sleep", "300"]).ok();
    assert_eq!(env.names(), ["app", "plain", "server", "sleep"]);
    wait_until("the arguments", || env.log("server", "out") == "args a -b\n" && env.log("app", "out") == "args -w 5\n");
    assert_eq!(env.record("app")["watch"], serde_json::Value::Null, "-w after the command is its own");
}

#[test]
fn a_name_and_a_command_need_no_separator() {
    let env = TestEnv::new();
    env.script("srv.sh", "echo \"args $*\"; exec sleep 300");
    env.bgo(&["web", "sleep", "300"]).ok();
    env.bgo(&["api", "./srv.sh", "--port", "80"]).ok();
    env.bgo(&["my.app", "sleep", "300"]).ok();
    assert_eq!(env.names(), ["api", "my.app", "web"]);
    wait_until("the arguments", || env.log("api", "out") == "args --port 80\n");
}

#[test]
fn a_program_with_a_separator_of_its_own_keeps_it() {
    let env = TestEnv::new();
    env.script("tool", "echo \"args $*\"; exec sleep 300");
    env.bgo(&["./tool", "-x", "--", "y"]).ok();
    wait_until("the arguments", || env.log("tool", "out") == "args -x -- y\n");
}

#[test]
fn a_registered_name_shows_its_details() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    let detail = env.bgo(&["web"]).ok();
    assert!(detail.stdout.contains(&format!("\n  PID:           {pid}\n")), "{}", detail.stdout);
    // Also when a program has the same name.
    env.start("sleep", &["sleep", "300"]);
    assert!(env.bgo(&["sleep"]).ok().stdout.contains("Process:       sleep"));
}

#[test]
fn an_unknown_word_is_an_error_and_never_a_silent_start() {
    let env = TestEnv::new();
    executable(&env.bin().join("frobnicate"), "#!/bin/sh\nexec sleep 300\n");
    let neither = "is neither a command of bgo nor a registered process";
    for (args, code, told) in [
        (
            &["nosuch-xyz"][..],
            3,
            format!(
                "bgo: \"nosuch-xyz\" {neither}\nhint: bgo status lists them; bgo nosuch-xyz -- COMMAND starts one\n"
            ),
        ),
        (
            &["frobnicate"],
            3,
            format!("bgo: \"frobnicate\" {neither}\nhint: to start it: bgo frobnicate -- frobnicate\n"),
        ),
        (
            &["nosuch-x", "nosuch-y"],
            3,
            "bgo: neither \"nosuch-x\" nor \"nosuch-y\" is a command\n\
             hint: bgo nosuch-x -- COMMAND starts one named \"nosuch-x\"; bgo --help\n"
                .to_owned(),
        ),
        (&["-w"], 2, "bgo: no name and no command given\nhint: bgo NAME -- COMMAND\n".to_owned()),
        (&["web", "--"], 2, "bgo: no command given for \"web\"\nhint: bgo web -- COMMAND\n".to_owned()),
    ] {
        env.bgo(args).code(code).says("", &told);
    }
    for args in [&["--bogus"][..], &["--", "sleep", "300"], &["-w", "web", "--"], &["--bogus", "web", "--", "sleep"]] {
        env.bgo(args).code(2);
    }
    assert!(!env.state().exists());
    env.assert_all_gone();
}

#[test]
fn a_mistyped_verb_with_arguments_starts_nothing() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    let before = env.names();
    for args in [&["stpo", "web"][..], &["restrat", "--all"], &["stat"]] {
        assert_ne!(env.bgo(args).code, 0, "{args:?}");
    }
    assert_eq!(env.names(), before);
}

#[test]
fn a_folder_with_the_name_of_a_process_is_no_command() {
    let env = TestEnv::new();
    fs::create_dir(env.work().join("web")).unwrap();
    env.bgo(&["./web"]).code(3);
    env.bgo(&["web", "sleep", "300"]).ok();
    assert_eq!(env.names(), ["web"]);
}

/// Who comes from another tool is told the command that does the same here; a program of that name is started as ever.
#[test]
fn a_word_of_another_tool_is_answered_with_ours() {
    let env = TestEnv::new();
    let bgo = |args: &[&str]| env.cmd(args).var("PATH", env.bin()).run();
    let neither = "is neither a command of bgo nor a registered process";
    bgo(&["startup"]).code(3).says(
        "",
        &format!("bgo: \"startup\" {neither}\nhint: bgo autostart install has what was up brought back at login\n"),
    );
    env.start("web", &["sleep", "300"]);
    for (args, hint) in [
        (&["describe", "web"][..], "bgo status web shows it in detail"),
        (
            &["enable", "my app", "--now"],
            "bgo autostart set 'my app' unless-stopped; bgo autostart install has that done at login",
        ),
        (&["monit", "--lines", "5"], "bgo status -w shows all, again and again"),
        (&["is-active", "--quiet", "web"], "bgo status NAME tells, with --json a script"),
    ] {
        bgo(args).code(2).says("", &format!("bgo: \"{}\" is not a command of bgo\nhint: {hint}\n", args[0]));
    }
    assert_eq!(env.names(), ["web"], "nothing is started");
    executable(&env.bin().join("reload"), "#!/bin/sh\nexec /bin/sleep 300\n");
    let said = bgo(&["reload"]).code(3);
    let hint =
        "bgo restart NAME, or, if it reloads on that: bgo signal NAME HUP; to start the program: bgo reload -- reload";
    assert!(said.stderr.contains(hint), "{}", said.stderr);
    bgo(&["reload", "web"]).ok();
    assert!(env.record("reload")["command"][0].as_str().unwrap().ends_with("/reload"));
    // What is registered is what is meant.
    env.start("pid", &["sleep", "300"]);
    bgo(&["pid"]).ok();
}
