//! The README's command blocks, run for real, in order, in one home of their own.
//!
//! Why it exists: a README that lies is worse than none. Invariants: every fenced block has a known tag, so none escapes
//! by a misspelling; a block that is not run says why; nothing outside the temporary home is written; everything that
//! was started is ended, also after a failure.
//!
//! `sh` is run, `sh install` is run with a binary instead of cargo, `sh no-run` follows an HTML comment with the
//! reason; all of them must be valid shell. `text`, `toml` and `json` are shown only.
#![cfg(target_os = "linux")]
// clippy.toml allows these in test functions; here the helpers around them are tests as well.
#![allow(clippy::unwrap_used)]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long one block may take, in seconds.
const LIMIT: &str = "60";

/// A fenced block.
#[derive(Debug)]
struct Block {
    /// Where it opens.
    line: usize,
    /// What stands behind the backticks.
    tag: String,
    /// What stands between them.
    text: String,
    /// The last line before it that is not empty.
    before: String,
}

impl Block {
    fn is_shell(&self) -> bool {
        self.tag == "sh" || self.tag.starts_with("sh ")
    }
}

fn project(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn blocks() -> Vec<Block> {
    parse(&fs::read_to_string(project("README.md")).unwrap())
}

fn parse(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    let mut before = String::new();
    for (index, line) in markdown.lines().enumerate() {
        match (open, line.strip_prefix("```")) {
            (false, Some(tag)) => {
                let tag = tag.trim().to_owned();
                blocks.push(Block { line: index + 1, tag, text: String::new(), before: before.clone() });
                open = true;
            }
            (true, Some(_)) => open = false,
            (true, None) => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line);
                text.push('\n');
            }
            (false, None) if !line.trim().is_empty() => before = line.to_owned(),
            (false, None) => {}
        }
    }
    assert!(!open, "the last block is not closed");
    blocks
}

/// A home in which blocks run, and everything that they start.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Home {
        let home = Home { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(home.path("bin")).unwrap();
        fs::create_dir(home.path("work")).unwrap();
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Runs `text` in `folder` with a clean environment. Output goes to files: a process that kept a pipe of ours
    /// would otherwise make this wait for it.
    fn run(&self, block: &Block, folder: &Path, extra: &[(&str, &str)]) {
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let output = self.path("output");
        let stdout = File::create(&output).unwrap();
        let status = Command::new("timeout")
            .args(["-k", "5", LIMIT, "sh", "-eu", "-c", &block.text])
            .current_dir(folder)
            .env_clear()
            .envs([("PATH", path.as_str()), ("LANG", "C.UTF-8"), ("COLUMNS", "120"), ("SHELL", "/bin/sh")])
            .env("HOME", self.folder.path())
            .envs(extra.iter().copied())
            .stdin(Stdio::null())
            .stderr(stdout.try_clone().unwrap())
            .stdout(stdout)
            .status()
            .unwrap();
        let said = fs::read_to_string(&output).unwrap();
        assert!(status.success(), "README line {}: {status}\n{}\n---\n{said}", block.line, block.text);
    }

    /// The pids of all that carries this home: bgo and what it started by HOME, sidecars by BGO_HOME.
    fn processes(&self) -> Vec<i32> {
        let home = self.folder.path().display();
        let marks = [format!("HOME={home}"), format!("BGO_HOME={home}/.bgo")];
        let carries = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&b| b == 0).any(|pair| marks.iter().any(|mark| pair == mark.as_bytes()))
        };
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(carries).collect()
    }
}

impl Drop for Home {
    /// Until none is left, because a sidecar may start another one meanwhile.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let pids = self.processes();
            if pids.is_empty() || Instant::now() > deadline {
                return;
            }
            for pid in pids {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

#[test]
fn blocks_are_found_with_tag_and_reason() {
    let found = parse("# T\n\n<!-- why -->\n\n```sh no-run\na\nb\n```\ntext\n```json\n{}\n```\n");
    let seen: Vec<_> = found.iter().map(|b| (b.line, b.tag.as_str(), b.text.as_str(), b.before.as_str())).collect();
    assert_eq!(seen, [(5, "sh no-run", "a\nb\n", "<!-- why -->"), (10, "json", "{}\n", "text")]);
}

#[test]
fn every_block_is_run_or_says_why_not() {
    for block in blocks() {
        let line = block.line;
        match block.tag.as_str() {
            "sh" | "sh install" | "text" | "toml" | "json" => {}
            "sh no-run" => {
                assert!(block.before.starts_with("<!-- not run: "), "README line {line}: no reason before it")
            }
            other => panic!("README line {line}: unknown tag {other:?}"),
        }
        if block.is_shell() {
            let checked = Command::new("sh").args(["-n", "-c", &block.text]).output().unwrap();
            assert!(checked.status.success(), "README line {line}: {}", String::from_utf8_lossy(&checked.stderr));
        }
    }
}

#[test]
fn the_first_block_installs_and_the_second_tests() {
    let all = blocks();
    let shell: Vec<_> = all.iter().filter(|b| b.is_shell()).collect();
    assert_eq!(shell[0].tag, "sh install");
    assert!(shell[0].text.contains("./install.sh --local"), "{}", shell[0].text);
    assert_eq!(shell[1].text, "cargo test\n");
}

#[test]
fn the_install_block_installs_and_runs_a_process() {
    let home = Home::new();
    let checkout = home.path("bgo");
    fs::create_dir(&checkout).unwrap();
    // By another process: a test that forks meanwhile would inherit our descriptor, and "Text file busy" be the answer.
    let sources = ["install.sh", "completions"].map(project);
    assert!(Command::new("cp").arg("-R").args(sources).arg(&checkout).status().unwrap().success());
    let all = blocks();
    let install = all.iter().find(|b| b.tag == "sh install").unwrap();
    home.run(install, &checkout, &[("BGO_BINARY", env!("CARGO_BIN_EXE_bgo"))]);
    assert!(home.path(".local/bin/bgo").is_file());
    let records = fs::read_dir(home.path(".bgo/procs")).unwrap().count();
    assert!(records > 0, "the install block runs no process");
}

#[test]
fn the_other_blocks_do_what_they_say() {
    let home = Home::new();
    symlink(env!("CARGO_BIN_EXE_bgo"), home.path("bin/bgo")).unwrap();
    let all = blocks();
    let runnable: Vec<_> = all.iter().filter(|b| b.tag == "sh").collect();
    assert!(runnable.len() > 5, "only {} blocks are run", runnable.len());
    for block in runnable {
        home.run(block, &home.path("work"), &[]);
    }
}
