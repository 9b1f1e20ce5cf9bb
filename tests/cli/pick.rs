//! `restart-stopped` and `restart-last`: from a menu, by name, or all.

use crate::env::{Terminal, TestEnv, alive, kill9};

/// `aa` runs; `cc`, then `bb` were stopped.
fn three(env: &TestEnv) -> u32 {
    let pid = env.start("aa", &["sleep", "300"]);
    env.start("bb", &["sleep", "300"]);
    env.start("cc", &["sleep", "300"]);
    env.bgo(&["stop", "cc"]).ok();
    env.bgo(&["stop", "bb"]).ok();
    pid
}

fn online(env: &TestEnv) -> Vec<String> {
    let up = |row: &serde_json::Value| row["status"] == "online";
    env.rows().iter().filter(|row| up(row)).map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn all_restarts_what_is_down_and_nothing_else() {
    for verb in ["restart-stopped", "restart-last"] {
        let env = TestEnv::new();
        let pid = three(&env);
        kill9(env.start("killed", &["sleep", "300"]));
        env.wait_state("killed", "exited");
        env.bgo(&[verb, "--all"]).ok();
        assert_eq!(online(&env), ["aa", "bb", "cc", "killed"]);
        assert_eq!(env.pid("aa"), pid);
        env.bgo(&[verb, "-a"]).ok().says("nothing is stopped\n", "");
    }
}

#[test]
fn restart_last_goes_from_the_last_stopped_to_the_first() {
    let env = TestEnv::new();
    three(&env);
    let said = env.bgo(&["restart-last", "--all"]).ok();
    let told = format!("restarted \"bb\" (pid {})\nrestarted \"cc\" (pid {})\n", env.pid("bb"), env.pid("cc"));
    said.says(&told, "");
}

#[test]
fn names_are_restarted_unless_they_run() {
    let env = TestEnv::new();
    let pid = three(&env);
    let said = env.bgo(&["restart-stopped", "aa", "cc"]).ok();
    said.says(&format!("\"aa\" runs already\nrestarted \"cc\" (pid {})\n", env.pid("cc")), "");
    assert_eq!(online(&env), ["aa", "cc"]);
    assert_eq!(env.pid("aa"), pid);
    let mixed = env.bgo(&["restart-last", "zz", "bb"]).code(3);
    assert!(mixed.stderr.starts_with("bgo: no process named \"zz\"\n"), "{}", mixed.stderr);
    assert_eq!(online(&env), ["aa", "bb", "cc"]);
    env.bgo(&["restart-stopped", "--all", "bb"]).code(2);
}

#[test]
fn nothing_to_restart_is_a_success() {
    let env = TestEnv::new();
    for verb in ["restart-stopped", "restart-last"] {
        env.bgo(&[verb]).ok().says("nothing is stopped\n", "");
        env.bgo(&[verb, "--all"]).ok().says("nothing is stopped\n", "");
    }
}

#[test]
fn off_a_terminal_a_numbered_list_takes_one_line() {
    let env = TestEnv::new();
    three(&env);
    let sleep = env.record("bb")["command"][0].as_str().unwrap().to_owned();
    let list = |first: &str, second: &str| {
        format!(
            "  1  {first}  {sleep} 300\n  2  {second}  {sleep} 300\n\
             Restart which? Numbers such as 1,3 or a for all; nothing for none: \n"
        )
    };
    let none = format!("{}nothing restarted\n", list("bb", "cc"));
    env.cmd(&["restart-stopped"]).stdin("\n").run().ok().says(&none, "");
    env.bgo(&["restart-stopped"]).ok().says(&none, "");
    env.cmd(&["restart-stopped"]).stdin("99\n").run().ok().says(&none, "bgo: \"99\" is not a number from 1 to 2\n");
    assert_eq!(online(&env), ["aa"]);
    let picked = env.cmd(&["restart-last"]).stdin("1\n").run().ok();
    picked.says(&format!("{}restarted \"bb\" (pid {})\n", list("bb", "cc"), env.pid("bb")), "");
    assert_eq!(online(&env), ["aa", "bb"]);
    env.bgo(&["stop", "bb"]).ok();
    env.cmd(&["restart-stopped"]).stdin("1, 2\n").run().ok();
    assert_eq!(online(&env), ["aa", "bb", "cc"]);
    env.bgo(&["stop", "bb", "cc"]).ok();
    env.cmd(&["restart-stopped"]).stdin("a\n").run().ok();
    assert_eq!(online(&env), ["aa", "bb", "cc"]);
}

/// Types keys one by one, each when the menu shows the effect of the one before.
fn in_menu(env: &TestEnv, verb: &str, keys: &[(&str, &str)]) -> Terminal {
    let mut terminal = env.cmd(&[verb]).on_terminal(100);
    terminal.wait_for("sleep 300");
    let mut seen = 0;
    for (shown, key) in keys {
        crate::env::wait_until(&format!("{shown:?} in the menu"), || terminal.screen()[seen..].contains(shown));
        seen = terminal.screen().len();
        terminal.send(key);
    }
    terminal
}

const DOWN: &str = "\x1b[B";
const UP: &str = "\x1b[A";

#[test]
fn on_a_terminal_space_selects_and_enter_restarts() {
    let env = TestEnv::new();
    three(&env);
    in_menu(&env, "restart-stopped", &[("cc", " "), ("cc", "\r")]).finish().ok();
    assert_eq!(online(&env), ["aa", "bb"]);
}

#[test]
fn on_a_terminal_arrows_move() {
    let env = TestEnv::new();
    three(&env);
    in_menu(&env, "restart-stopped", &[("cc", DOWN), ("cc", " "), ("cc", "\r")]).finish().ok();
    assert_eq!(online(&env), ["aa", "cc"]);
    env.bgo(&["stop", "cc"]).ok();
    in_menu(&env, "restart-last", &[("bb", DOWN), ("bb", UP), ("bb", " "), ("bb", "\r")]).finish().ok();
    assert_eq!(online(&env), ["aa", "cc"], "the last stopped comes first");
}

#[test]
fn on_a_terminal_a_selects_all() {
    let env = TestEnv::new();
    three(&env);
    in_menu(&env, "restart-stopped", &[("cc", "a"), ("cc", "\r")]).finish().ok();
    assert_eq!(online(&env), ["aa", "bb", "cc"]);
}

#[test]
fn on_a_terminal_q_or_nothing_selected_restarts_nothing() {
    let env = TestEnv::new();
    let pid = three(&env);
    for key in ["q", "\r", "\x1b"] {
        let ended = in_menu(&env, "restart-stopped", &[("cc", key)]).finish().ok();
        assert!(ended.stdout.contains("nothing restarted"), "{:?}", ended.stdout);
    }
    assert_eq!(online(&env), ["aa"]);
    assert!(alive(pid));
}

#[test]
fn ctrl_c_in_the_menu_restarts_nothing_and_leaves_the_terminal_as_it_was() {
    let env = TestEnv::new();
    three(&env);
    let terminal = in_menu(&env, "restart-stopped", &[("cc", " "), ("cc", "\x03")]);
    crate::env::wait_until("the end of the menu", || !alive(terminal.pid()));
    assert!(terminal.echoes());
    let ended = terminal.finish().code(130);
    assert!(ended.stdout.ends_with("\x1b[?25h") || ended.stdout.contains("\x1b[?25h"), "the cursor is shown again");
    assert_eq!(online(&env), ["aa"]);
}

#[test]
fn what_was_stopped_last_is_started_first() {
    let env = TestEnv::new();
    for name in ["a", "b", "c"] {
        env.start_script(&[], name, &format!("echo {name} >> order; echo ready; exec sleep 600"));
    }
    for name in ["a", "c", "b"] {
        env.bgo(&["stop", name]).ok();
    }
    std::fs::remove_file(env.work().join("order")).unwrap();
    env.bgo(&["restart-last", "--all"]).ok();
    assert_eq!(std::fs::read_to_string(env.work().join("order")).unwrap(), "b\nc\na\n");
}
