//! `skill`: the file that teaches an agent is right, and is written where agents look, over nobody's work.

use crate::env::{BGO, TestEnv};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

/// The blocks of shell in the file.
fn blocks(text: &str) -> Vec<String> {
    let parts = text.split("```sh\n").skip(1);
    parts.map(|part| part.split_once("```").unwrap().0.to_owned()).collect()
}

#[test]
fn every_command_in_the_skill_works() {
    let env = TestEnv::new();
    symlink(BGO, env.bin().join("bgo")).unwrap();
    let text = env.bgo(&["skill", "show"]).ok().stdout;
    let blocks = blocks(&text);
    assert!(blocks.len() >= 6, "{text}");
    for block in blocks {
        env.program("sh", &["-euc", &block]).run().ok();
    }
    assert!(text.lines().count() <= 82 && !text.contains("export ") && !text.contains("--until-pid $$"), "{text}");
    assert_eq!(env.names(), [""; 0], "it shows how to clean up");
    env.assert_all_gone();
    // What is named in passing is there as well.
    for command in text.split('`').filter_map(|code| code.strip_prefix("bgo ")).filter(|code| !code.contains('\n')) {
        let verb = command.split(' ').next().unwrap();
        assert_eq!(env.bgo(&["help", verb]).code, 0, "{command}");
    }
}

#[test]
fn it_is_installed_where_each_agent_looks() {
    let env = TestEnv::new();
    let text = env.bgo(&["skill", "show"]).ok().stdout;
    for (agent, below) in
        [("claude", ".claude/skills"), ("codex", ".codex/skills"), ("opencode", ".config/opencode/skills")]
    {
        let path = env.home().join(below).join("bgo/SKILL.md");
        env.bgo(&["skill", "install", agent]).ok().says(&format!("installed {}\n", path.display()), "");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o444, 0o444, "others may read it");
        let said = env.bgo(&["skill", "install", agent, "--json"]).ok().json();
        assert_eq!(said, json!({"action": "unchanged", "path": path}));
        env.bgo(&["skill", "uninstall", agent]).ok().says(&format!("removed {}\n", path.display()), "");
        assert!(!path.parent().unwrap().exists());
        env.bgo(&["skill", "uninstall", agent]).ok();
    }
    for (agent, variable, below) in
        [("codex", "CODEX_HOME", "skills"), ("opencode", "XDG_CONFIG_HOME", "opencode/skills")]
    {
        env.cmd(&["skill", "install", agent]).var(variable, env.work().join("cfg")).run().ok();
        assert!(env.work().join("cfg").join(below).join("bgo/SKILL.md").exists(), "{agent}");
    }
    for (agent, below) in [("claude", ".claude"), ("codex", ".codex"), ("opencode", ".opencode")] {
        env.bgo(&["skill", "install", agent, "--project"]).ok();
        assert!(env.work().join(below).join("skills/bgo/SKILL.md").exists(), "{agent}");
    }
    fs::create_dir(env.work().join("mine")).unwrap();
    env.bgo(&["skill", "install", "mine"]).ok().says("installed mine/bgo/SKILL.md\n", "");
    let said = env.bgo(&["skill", "install", "cluade"]).code(2);
    assert_eq!(said.stderr, "bgo: \"cluade\" is neither an agent nor a folder\nhint: did you mean claude?\n");
    env.bgo(&["skill", "install", "mine", "--project"]).code(2);
    env.bgo(&["skill", "install"]).code(2);
}

#[test]
fn what_somebody_has_written_is_left_alone_unless_forced() {
    let env = TestEnv::new();
    let path = env.home().join(".claude/skills/bgo/SKILL.md");
    let install = |flags: &[&str]| env.bgo(&[&["skill", "install", "claude"], flags].concat());
    install(&[]).ok();
    let ours = fs::read_to_string(&path).unwrap();
    for theirs in ["my own skill\n".to_owned(), ours.replace("bgo", "BGO"), String::new()] {
        fs::write(&path, &theirs).unwrap();
        let said = install(&[]).code(1);
        assert!(said.stderr.contains("was not written by bgo, or has been edited since"), "{}", said.stderr);
        let error: Value = serde_json::from_str(&install(&["--json"]).code(1).stderr).unwrap();
        let (kind, retryable) = (&error["error"]["type"], &error["error"]["retryable"]);
        assert_eq!((kind, retryable), (&json!("needs_answer"), &json!(false)), "only --force helps");
        env.bgo(&["skill", "uninstall", "claude"]).code(1);
        assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
        install(&["--force"]).ok().says(&format!("updated {}\n", path.display()), "");
        assert_eq!(fs::read_to_string(&path).unwrap(), ours);
    }
    // A folder with something else in it stays, and so does what is beside it.
    let beside = path.with_file_name("notes.md");
    fs::write(&beside, "x").unwrap();
    env.bgo(&["skill", "uninstall", "claude"]).ok();
    assert!(beside.exists() && !path.exists());
    // A folder in its place, or a file in place of a folder, is told of.
    fs::create_dir(&path).unwrap();
    install(&[]).code(1);
    install(&["--force"]).code(1);
    assert!(
        path.is_dir() && fs::read_dir(path.parent().unwrap()).unwrap().count() == 2,
        "nothing half written is left"
    );
}
