//! `run`

use crate::env::{Running, TestEnv, signal, wait_until};
use nix::sys::signal::Signal;

/// The one name that is registered, once there is one.
fn only_name(env: &TestEnv) -> String {
    wait_until("a name to be registered", || env.names().len() == 1);
    env.names().remove(0)
}

#[track_caller]
fn ready(env: &TestEnv, flags: &[&str], script: &str) -> Running {
    let run = env.cmd(&[&["run"], flags, &["--", "sh", "-c", script]].concat()).spawn();
    run.wait_for("ready");
    run
}

#[test]
fn output_and_exit_code_are_passed_on() {
    let env = TestEnv::new();
    env.bgo(&["run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]).code(7).says("out\n", "err\n");
    env.bgo(&["run", "true"]).ok().says("", "");
    env.bgo(&["run", "-e", "X=1", "--cwd", "/", "--", "sh", "-c", "echo $X $PWD"]).ok().says("1 /\n", "");
}

#[test]
fn the_end_by_a_signal_is_128_and_its_number() {
    let env = TestEnv::new();
    env.bgo(&["run", "--", "sh", "-c", "kill -KILL $$"]).code(137).says("", "");
    env.bgo(&["run", "--", "sh", "-c", "kill -USR1 $$"]).code(138).says("", "");
}

#[test]
fn every_byte_comes_out_once_also_the_last() {
    let env = TestEnv::new();
    let run = env.bgo(&["run", "--", "sh", "-c", "printf 'a\\0b\\377'"]).ok();
    assert_eq!(run.stdout_bytes, b"a\0b\xff");
    let script = "i=0; while [ $i -lt 20000 ]; do echo $i; echo $i >&2; i=$((i+1)); done; printf end";
    let run = env.bgo(&["run", "--", "sh", "-c", script]).ok();
    let numbers: String = (0..20_000).map(|i| format!("{i}\n")).collect();
    assert_eq!(run.stdout, numbers.clone() + "end");
    assert_eq!(run.stderr, numbers);
    let run = env.bgo(&["run", "--", "head", "-c", "3000000", "/dev/zero"]).ok();
    assert_eq!(run.stdout_bytes.len(), 3_000_000);
}

#[test]
fn output_comes_as_it_is_written() {
    let env = TestEnv::new();
    let run = ready(&env, &["--name", "web"], "echo ready; exec sleep 600");
    env.bgo(&["stop", "web"]).ok();
    run.finish().code(143).says("ready\n", "");
}

#[test]
fn without_a_name_nothing_is_left() {
    let env = TestEnv::new();
    env.bgo(&["run", "--", "sh", "-c", "echo out; exit 3"]).code(3);
    env.bgo(&["run", "--", "./missing"]).code(125);
    let program = env.work().join("no-interpreter");
    crate::env::executable(&program, "\u{1}\u{2}\u{3}");
    env.bgo(&["run", "./no-interpreter"]).code(125);
    for folder in ["procs", "logs", "run"] {
        assert_eq!(env.entries(folder), [""; 0], "{folder}");
    }
    env.assert_all_gone();
}

#[test]
fn a_derived_name_is_a_free_one() {
    let env = TestEnv::new();
    env.bgo(&["start", "sleep", "--", "sh", "-c", "echo mine"]).ok();
    let run = env.cmd(&["run", "sleep", "600"]).spawn();
    wait_until("the second name", || env.names() == ["sleep-2", "sleep"]);
    let other = env.cmd(&["run", "sleep", "601"]).spawn();
    wait_until("the third name", || env.names() == ["sleep-2", "sleep-3", "sleep"]);
    env.wait_state("sleep-2", "running");
    env.wait_state("sleep-3", "running");
    env.bgo(&["stop", "sleep-2", "sleep-3"]).ok();
    run.finish().code(143);
    other.finish().code(143);
    assert_eq!(env.names(), ["sleep"]);
    assert_eq!(env.log("sleep", "out"), "mine\n");
}

#[test]
fn a_program_whose_name_cannot_be_one_runs_too() {
    let env = TestEnv::new();
    crate::env::executable(&env.work().join("$odd"), "#!/bin/sh\necho $BGO_NAME\n");
    env.bgo(&["run", "./$odd"]).ok().says("run\n", "");
}

#[test]
fn with_a_name_record_and_logs_are_kept_and_only_this_run_is_shown() {
    let env = TestEnv::new();
    env.bgo(&["run", "--name", "job", "--", "sh", "-c", "echo one; exit 4"]).code(4).says("one\n", "");
    env.bgo(&["run", "--name", "job", "--", "sh", "-c", "echo two"]).ok().says("two\n", "");
    assert_eq!(env.log("job", "out"), "one\ntwo\n");
    assert_eq!(env.row("job")["state"], "exited");
    assert_eq!(env.record("job")["exits"].as_array().unwrap().len(), 2);
}

#[test]
fn what_bgo_cannot_do_is_125_and_a_wrong_line_2() {
    let env = TestEnv::new();
    let failed = env.bgo(&["run", "--", "no-such-program"]).code(125);
    failed.says(
        "",
        "bgo: cannot start \"no-such-program\": \"no-such-program\": command not found\n\
         hint: nothing on PATH is called so: name another program, or give its path\n",
    );
    assert!(!env.state().exists());
    env.start("web", &["sleep", "600"]);
    let refused = env.bgo(&["run", "--name", "web", "--", "true"]).code(125);
    assert!(refused.stderr.contains("\"web\" is already running"), "{}", refused.stderr);
    env.bgo(&["run", "--name", "a/b", "--", "true"]).code(2);
    env.bgo(&["run", "--interval", "1", "--", "true"]).code(2);
    env.bgo(&["run"]).code(2);
}

#[test]
fn a_request_to_end_stops_it_and_its_status_is_passed_on() {
    let env = TestEnv::new();
    for (sent, flags) in [(Signal::SIGINT, &[][..]), (Signal::SIGTERM, &["--name", "web"]), (Signal::SIGHUP, &[])] {
        let run = ready(&env, flags, "trap 'echo bye; exit 9' TERM; echo ready; while :; do sleep 0.02; done");
        signal(run.pid, sent);
        assert_eq!(run.finish().code(9).stdout, "ready\nbye\n");
    }
    assert_eq!(env.names(), ["web"]);
    assert_eq!(env.record("web")["want"], "down");
    env.assert_all_gone();
}

#[test]
fn ctrl_c_on_a_terminal_stops_it_and_a_second_one_kills_it() {
    let env = TestEnv::new();
    let script = "trap 'echo never' TERM; echo ready; while :; do sleep 0.02; done";
    let mut run = env.cmd(&["run", "--stop-timeout", "1h", "--", "sh", "-c", script]).on_terminal(80);
    run.wait_for("ready");
    run.send("\x03");
    run.wait_for("never");
    run.send("\x03");
    run.finish().code(137);
    env.assert_all_gone();
    assert_eq!(env.names(), [""; 0]);
}

#[test]
fn a_watched_one_is_followed_until_it_is_down_for_good() {
    let env = TestEnv::new();
    let script = "echo start; exit 6";
    let run = env.bgo(&["run", "-w", "--on-fast-crash", "stop", "--", "sh", "-c", script]).code(6);
    assert_eq!(run.stdout, "start\n");
    let flags = ["run", "-w", "--min-uptime", "0", "--name", "web", "--"];
    let run = env.cmd(&[&flags[..], &["sh", "-c", "echo start; exec sleep 600"]].concat()).spawn();
    run.wait_for("start");
    env.wait_state("web", "running");
    crate::env::kill9(env.pid("web"));
    wait_until("it to be restarted", || run.stdout().matches("start\n").count() == 2);
    env.bgo(&["stop", "web"]).ok();
    run.finish().code(143);
}

#[test]
fn it_is_stopped_when_nobody_reads_its_output_any_more() {
    let env = TestEnv::new();
    let pipe = format!("{} run --name web -- yes | head -n 1; echo ${{PIPESTATUS[0]}}", crate::env::BGO);
    let shell = env.program("bash", &["-c", &pipe]).spawn();
    shell.finish().ok().says("y\n143\n", "");
    assert_eq!(env.row("web")["state"], "stopped");
}

#[test]
fn a_reader_that_does_not_go_on_keeps_nobody_from_stopping_it() {
    let env = TestEnv::new();
    let run = format!("{} run --name web -- sh -c 'head -c 900000 /dev/zero; exec sleep 600'", crate::env::BGO);
    let read = "while [ ! -e go ]; do sleep 0.02; done; head -c 900000 <&9 | wc -c";
    let script = format!("mkfifo f; exec 9<>f\n{run} >f 9>&- & p=$!; echo $p; {read}; wait $p; echo $?");
    let shell = env.program("bash", &["-c", &script]).spawn();
    shell.wait_for("\n");
    wait_until("all to be written", || env.log("web", "out").len() == 900_000);
    signal(shell.stdout().trim().parse().unwrap(), Signal::SIGINT);
    env.wait_state("web", "stopped");
    std::fs::write(env.work().join("go"), "").unwrap();
    let said = shell.finish().ok().stdout;
    assert_eq!(said.split_whitespace().skip(1).collect::<Vec<_>>(), ["900000", "143"], "{said}");
}

#[test]
fn it_does_not_read_our_input_and_leads_its_own_session() {
    let env = TestEnv::new();
    let run = env.cmd(&["run", "--", "cat"]).stdin("unread").run();
    run.ok().says("", "");
}

#[test]
fn what_it_leaves_behind_is_waited_for() {
    let env = TestEnv::new();
    let script = "(sleep 0.3; echo late) & echo early; exit 8";
    env.bgo(&["run", "--", "sh", "-c", script]).code(8).says("early\nlate\n", "");
}

#[test]
fn the_process_survives_the_death_of_run() {
    let env = TestEnv::new();
    let run = ready(&env, &[], "echo ready; exec sleep 600");
    let name = only_name(&env);
    signal(run.pid, Signal::SIGKILL);
    run.finish().code(137);
    assert_eq!(env.row(&name)["status"], "online");
}

#[test]
fn deleting_it_from_outside_ends_it() {
    let env = TestEnv::new();
    let run = ready(&env, &["--name", "web"], "echo ready; exec sleep 600");
    env.bgo(&["delete", "--yes", "web"]).ok();
    let ended = run.finish();
    assert!([125, 143].contains(&ended.code), "{ended:?}");
}

#[test]
fn why_supervision_ended_it_is_said() {
    let env = TestEnv::new();
    let ended = env.bgo(&["run", "--max-runtime", "100ms", "--", "sleep", "300"]).code(143);
    assert_eq!(ended.stderr, "bgo: \"sleep\" was ended: killed: ran longer than --max-runtime 100ms\n");
}
