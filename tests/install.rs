//! `install.sh` from outside: what it puts where, what it refuses to touch, and what it says.
//!
//! Invariant: nothing outside the test's own temporary folder is written. Each test has a made-up checkout (the real
//! `install.sh` with fake completions and a fake `bgo`), its own HOME, and an environment of which only PATH is ours.
//! Programs are written by a child `sh`, never by this process: a thread that forks meanwhile would keep them open
//! for writing, and their first execution would fail with "text file busy".
#![cfg(unix)]
// clippy.toml allows these in test functions; here the helpers around them are tests as well.
#![allow(clippy::unwrap_used)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// What `--local` installs, below HOME.
const LOCAL_FILES: [&str; 5] = [
    ".local/bin/bgo",
    ".local/share/bash-completion/completions/bgo",
    ".local/share/zsh/site-functions/_bgo",
    ".config/fish/completions/bgo.fish",
    ".local/share/man/man1/bgo.1",
];

/// What every other installation puts below its prefix.
const PREFIX_FILES: [&str; 5] = [
    "bin/bgo",
    "share/bash-completion/completions/bgo",
    "share/zsh/site-functions/_bgo",
    "share/fish/vendor_completions.d/bgo.fish",
    "share/man/man1/bgo.1",
];

/// What the script runs, apart from `sh` and cargo.
const TOOLS: [&str; 13] =
    ["sh", "cat", "chmod", "cmp", "cp", "dirname", "mkdir", "mv", "readlink", "rm", "sed", "tail", "tr"];

struct Checkout {
    root: TempDir,
    children: Vec<Child>,
}

impl Drop for Checkout {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a run of the script ended.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    #[track_caller]
    fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn failed(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(self, text: &str) -> Self {
        assert!(self.stdout.contains(text), "no {text:?} in stdout: {}", self.stdout);
        self
    }

    #[track_caller]
    fn warns(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in stderr: {}", self.stderr);
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Checkout {
    fn new() -> Self {
        Self::named("checkout")
    }

    /// A checkout in a folder of this name; HOME stands beside it and is named after it.
    fn named(name: &str) -> Self {
        let checkout = Self { root: TempDir::with_prefix(name).unwrap(), children: Vec::new() };
        let completions = checkout.repository().join("completions");
        fs::create_dir_all(&completions).unwrap();
        fs::create_dir(checkout.home()).unwrap();
        fs::copy(manifest("install.sh"), checkout.script()).unwrap();
        for file in ["bgo.bash", "_bgo", "bgo.fish"] {
            fs::write(completions.join(file), format!("completions of {file}\n")).unwrap();
        }
        checkout.release("0.3.0");
        checkout
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn home(&self) -> PathBuf {
        self.path("home")
    }

    fn repository(&self) -> PathBuf {
        self.path("repository")
    }

    fn script(&self) -> PathBuf {
        self.repository().join("install.sh")
    }

    fn installed(&self) -> PathBuf {
        self.home().join(LOCAL_FILES[0])
    }

    /// Makes the fake bgo that is to be installed: this version, and `serve` to keep it running.
    fn release(&self, version: &str) -> PathBuf {
        let text = format!(
            "#!/bin/sh\ncase $1 in\n--version) echo 'bgo {version}' ;;\n\
             man) [ -e \"$2/bgo.1\" ] || {{ mkdir -p \"$2\" && printf '\\n\\n.TH BGO \"bgo manual\"\\n' >\"$2/bgo.1\"; }} ;;\n\
             autostart) echo \"autostart $2\"; case $2 in\n\
             install) >\"$HOME/on\" ;;\n uninstall) [ ! -e \"$HOME/edited\" ] && rm -f \"$HOME/on\" ;;\n\
             status) [ ! -e \"$HOME/edited\" ] || {{ echo 'xdg      edited, enabled: /its/bgo.desktop'; exit 1; }}\n\
             [ -e \"$HOME/on\" ] ;;\n esac ;;\n\
             serve) echo ready; read -r line; echo \"{version} got $line\" ;;\n*) exit 2 ;;\nesac\n"
        );
        program(&self.path("fake bgo"), &text)
    }

    /// Makes another program named bgo: like bgo-cli 0.2.0 it takes `--version` for a command, and writes logs of it.
    fn foreign(&self, path: &Path) -> String {
        let text = "#!/bin/sh\nmkdir -p \"$HOME/.bgo\" && echo >\"$HOME/.bgo/$1.log\"\necho 'not found' >&2\nexit 1\n";
        program(path, text);
        text.to_owned()
    }

    /// A command in an environment of PATH and HOME alone.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", self.home());
        command.current_dir(self.root.path()).stdin(Stdio::null());
        command
    }

    /// `sh install.sh`, from another folder, with the fake bgo as the binary.
    fn script_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(Path::new("sh"));
        command.arg(self.script()).args(arguments).env("BGO_BINARY", self.path("fake bgo"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&mut self.script_command(arguments))
    }

    /// Starts the installed bgo and returns once it runs.
    fn serve(&mut self) -> &mut Child {
        let child = self.command(&self.installed()).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        self.children.push(child.unwrap());
        let child = self.children.last_mut().unwrap();
        // Byte by byte, to leave what follows the line to the test.
        let mut seen = Vec::new();
        while !seen.ends_with(b"ready\n") {
            let mut byte = [0];
            child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
            seen.extend(byte);
        }
        child
    }

    /// A folder with the tools the script uses, and nothing else: no cargo.
    fn tools(&self) -> PathBuf {
        let folder = self.path("tools");
        fs::create_dir(&folder).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for tool in TOOLS {
            let found = std::env::split_paths(&path).map(|entry| entry.join(tool)).find(|file| file.is_file());
            symlink(found.unwrap_or_else(|| panic!("no {tool} on PATH")), folder.join(tool)).unwrap();
        }
        folder
    }
}

fn manifest(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

fn run(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

/// Writes an executable file through a child process; see the head of this file.
fn program(path: &Path, text: &str) -> PathBuf {
    let script = r#"mkdir -p "$(dirname "$1")" && cat >"$1" && chmod 755 "$1""#;
    let mut child = Command::new("sh").args(["-c", script, "sh"]).arg(path).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    path.to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Path, inode and content of every file below the folder.
fn files(folder: &Path) -> Vec<(PathBuf, u64, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match path.symlink_metadata().unwrap() {
            kind if kind.is_dir() => found.extend(files(&path)),
            kind if kind.is_file() => found.push((path.clone(), kind.ino(), fs::read(&path).unwrap())),
            kind => found.push((path, kind.ino(), Vec::new())),
        }
    }
    found.sort();
    found
}

#[track_caller]
fn assert_files(folder: &Path, expected: &[&str]) {
    let found: Vec<PathBuf> = files(folder).into_iter().map(|(path, ..)| path).collect();
    let mut expected: Vec<PathBuf> = expected.iter().map(|file| folder.join(file)).collect();
    expected.sort();
    assert_eq!(found, expected);
}

// ---- where things go ---------------------------------------------------------------------------------------------

#[test]
fn a_local_installation_puts_everything_below_home() {
    let checkout = Checkout::new();
    let ran = checkout.run(&["--local"]).ok().says("(bgo 0.3.0)").says("try it: ");
    assert_files(&checkout.home(), &LOCAL_FILES);
    for file in &LOCAL_FILES[..4] {
        assert!(ran.stdout.contains(&format!("installed {}", checkout.home().join(file).display())), "{}", ran.stdout);
    }
    assert_eq!(read(&checkout.installed()), read(&checkout.path("fake bgo")));
    assert_eq!(read(&checkout.home().join(LOCAL_FILES[1])), "completions of bgo.bash\n");
    assert_eq!(read(&checkout.home().join(LOCAL_FILES[2])), "completions of _bgo\n");
    assert_eq!(read(&checkout.home().join(LOCAL_FILES[3])), "completions of bgo.fish\n");
    assert_eq!(checkout.installed().metadata().unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_local_installation_follows_absolute_xdg_folders_only() {
    let checkout = Checkout::new();
    let mut command = checkout.script_command(&["--local"]);
    run(command.env("XDG_DATA_HOME", checkout.path("data")).env("XDG_CONFIG_HOME", "relative")).ok();
    assert_files(
        &checkout.path("data"),
        &["bash-completion/completions/bgo", "man/man1/bgo.1", "zsh/site-functions/_bgo"],
    );
    assert_files(&checkout.home(), &[LOCAL_FILES[0], LOCAL_FILES[3]]);
}

#[test]
fn a_prefix_has_the_layout_of_usr_local_for_everyone() {
    let checkout = Checkout::new();
    let script = r#"umask 077; exec sh "$0" "$@""#;
    let mut command = checkout.command(Path::new("sh"));
    command.args(["-c", script]).arg(checkout.script()).args(["--prefix", "opt/"]);
    run(command.env("BGO_BINARY", "fake bgo")).ok();
    assert_files(&checkout.path("opt"), &PREFIX_FILES);
    for (file, mode) in PREFIX_FILES.iter().zip([0o755, 0o644, 0o644, 0o644, 0o644]) {
        let file = checkout.path("opt").join(file);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, mode, "{}", file.display());
        assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o7777, 0o755);
    }
}

#[test]
fn completions_can_be_left_out() {
    let checkout = Checkout::new();
    fs::remove_dir_all(checkout.repository().join("completions")).unwrap();
    checkout.run(&["--local", "--no-completions"]).ok();
    assert_files(&checkout.home(), &LOCAL_FILES[..1]);
}

#[test]
fn a_symbolic_link_to_the_script_finds_the_checkout() {
    let checkout = Checkout::new();
    fs::create_dir(checkout.path("links")).unwrap();
    symlink("../repository/install.sh", checkout.path("links/first")).unwrap();
    symlink(checkout.path("links/first"), checkout.path("second")).unwrap();
    let mut command = checkout.command(Path::new("sh"));
    run(command.args(["second", "--local"]).env("BGO_BINARY", checkout.path("fake bgo"))).ok();
    assert_files(&checkout.home(), &LOCAL_FILES);
}

#[test]
fn spaces_and_quotes_in_paths_are_harmless() {
    let checkout = Checkout::named("it's a $(check) out");
    let prefix = checkout.path("my  prefix*");
    let argument = format!("--prefix={}", prefix.display());
    checkout.run(&[&argument]).ok();
    assert_files(&prefix, &PREFIX_FILES);
    checkout.run(&[&argument]).ok().says("already up to date");
    checkout.run(&[&argument, "--uninstall"]).ok();
    assert_files(&prefix, &[]);
}

#[test]
fn the_real_checkout_installs_the_real_binary() {
    let checkout = Checkout::new();
    let mut command = checkout.command(&manifest("install.sh"));
    command.arg("--local").env("BGO_BINARY", env!("CARGO_BIN_EXE_bgo"));
    run(&mut command).ok().says(&format!("(bgo {})", env!("CARGO_PKG_VERSION")));
    let pages = || fs::read_dir(checkout.home().join(".local/share/man/man1")).unwrap().count();
    assert!(pages() > 30);
    for (installed, source) in LOCAL_FILES[1..].iter().zip(["bgo.bash", "_bgo", "bgo.fish"]) {
        assert_eq!(read(&checkout.home().join(installed)), read(&manifest("completions").join(source)));
    }
    run(&mut command).ok().says("already up to date");
    command.arg("--uninstall");
    run(&mut command).ok();
    assert_eq!(pages(), 0);
}

// ---- where the binary comes from ---------------------------------------------------------------------------------

#[test]
fn without_a_binary_cargo_builds_in_the_checkout() {
    let checkout = Checkout::new();
    fs::write(checkout.repository().join("Cargo.toml"), "").unwrap();
    let fake = checkout.path("fake bgo");
    let cargo = format!(
        "#!/bin/sh\n(pwd; echo \"$@\") >'{}'\necho '{{\"reason\":\"compiler-artifact\",\"executable\":\"{}\"}}'\n",
        checkout.path("called").display(),
        fake.display()
    );
    let tools = checkout.tools();
    program(&tools.join("cargo"), &cargo);
    run(checkout.script_command(&["--local"]).env_remove("BGO_BINARY").env("PATH", &tools)).ok();
    assert_eq!(read(&checkout.installed()), read(&fake));
    let called = read(&checkout.path("called"));
    let (folder, arguments) = called.split_once('\n').unwrap();
    assert_eq!(Path::new(folder), checkout.repository().canonicalize().unwrap());
    assert!(arguments.starts_with("build --release --locked "), "{arguments}");

    program(&tools.join("cargo"), "#!/bin/sh\nexit 101\n");
    let before = files(&checkout.home());
    let mut command = checkout.script_command(&["--local"]);
    run(command.env_remove("BGO_BINARY").env("PATH", &tools)).failed(1).warns("cargo failed");
    assert_eq!(files(&checkout.home()), before);
}

#[test]
fn without_cargo_an_earlier_build_is_installed() {
    let checkout = Checkout::new();
    let tools = checkout.tools();
    let without_cargo = |target: &str| {
        let mut command = checkout.script_command(&["--local"]);
        run(command.env_remove("BGO_BINARY").env("PATH", &tools).env("CARGO_TARGET_DIR", target))
    };
    without_cargo("").failed(1).warns("cargo not found").warns("rustup");
    assert_files(&checkout.home(), &[]);
    for (target, folder) in [("", "target"), ("elsewhere", "elsewhere")] {
        let built = checkout.repository().join(folder).join("release/bgo");
        program(&built, &format!("#!/bin/sh\necho 'bgo 0.4.0 {folder}'\n"));
        without_cargo(target).ok().says(&format!("bgo 0.4.0 {folder}"));
        assert_eq!(read(&checkout.installed()), read(&built));
    }
}

#[test]
fn a_binary_that_is_no_bgo_is_not_installed() {
    let checkout = Checkout::new();
    checkout.run(&["--local"]).ok();
    let before = files(&checkout.home());
    checkout.foreign(&checkout.path("fake bgo"));
    checkout.run(&["--local"]).failed(1).warns("does not run as bgo");
    run(checkout.script_command(&["--local"]).env("BGO_BINARY", "none")).failed(1).warns("not a readable file");
    assert_eq!(files(&checkout.home()), before);
}

// ---- autostart ---------------------------------------------------------------------------------------------------

#[test]
fn autostart_is_set_up_only_for_who_asks_for_it() {
    let checkout = Checkout::new();
    let ran = checkout.run(&["--local"]).ok().says("at login: ").says("autostart install\n");
    assert!(!ran.stdout.contains("\nautostart install"), "{}", ran.stdout);
    checkout.run(&["--local", "--autostart"]).ok().says("\nautostart install\n");
    // From then on there is nothing to say.
    let ran = checkout.run(&["--local", "--no-autostart"]).ok();
    assert!(!ran.stdout.contains("autostart") && !ran.stdout.contains("at login"), "{}", ran.stdout);
    let on_again = checkout.run(&["--local", "--autostart"]).ok();
    on_again.says("\nautostart install\n");
    checkout.run(&["--local", "--uninstall", "--autostart"]).failed(2).warns("exclude each other");
    run(checkout.script_command(&["--autostart"]).env("SUDO_USER", "me")).failed(2).warns("bgo autostart install");
    let edited = checkout.home().join("edited");
    fs::write(&edited, "").unwrap();
    let ran = checkout.run(&["--local", "--uninstall"]).ok().says("autostart uninstall\n");
    ran.warns("crontab -e");
    for left in ["edited", "on"] {
        fs::remove_file(checkout.home().join(left)).unwrap();
    }
    assert_files(&checkout.home(), &[]);
    // Below a prefix, too, unless another bgo is what is run.
    let prefix = checkout.path("prefix").display().to_string();
    checkout.run(&["--prefix", &prefix]).ok();
    let ran = checkout.run(&["--prefix", &prefix, "--uninstall"]).ok();
    assert!(!ran.stdout.contains("autostart uninstall"), "{}", ran.stdout);
    checkout.run(&["--prefix", &prefix, "--autostart"]).ok();
    // Of an edited one nobody can tell which bgo it runs: it is left alone, and told of.
    fs::write(&edited, "").unwrap();
    let ran =
        checkout.run(&["--prefix", &prefix, "--uninstall"]).ok().says("remove it by hand").says("/its/bgo.desktop");
    assert!(!ran.stdout.contains("autostart uninstall"), "{}", ran.stdout);
    fs::remove_file(&edited).unwrap();
    checkout.run(&["--prefix", &prefix]).ok();
    checkout.run(&["--prefix", &prefix, "--uninstall"]).ok().says("autostart uninstall\n");
    assert!(!checkout.home().join("on").exists());
}

/// On a terminal it is asked for, and only Enter is no.
#[test]
fn on_a_terminal_autostart_is_asked_for() {
    let checkout = Checkout::new();
    let asked = |answer: &str| {
        // The terminal is that of util-linux's script.
        let mut command = checkout.command(Path::new("script"));
        let line = format!("sh {} --local", checkout.script().display());
        command.args(["-qec", &line, "/dev/null"]).env("BGO_BINARY", checkout.path("fake bgo")).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        Ran::from(child.wait_with_output().unwrap()).ok().says("machine comes up? [y/N]").stdout
    };
    let hint = "to bring processes back at login: ";
    assert!(asked("\n").contains(hint));
    assert!(!asked("y\n").contains(hint));
}

// ---- over an existing installation -------------------------------------------------------------------------------

#[test]
fn installing_twice_changes_nothing() {
    let checkout = Checkout::new();
    checkout.run(&["--local"]).ok();
    let before = files(&checkout.home());
    checkout.run(&["--local"]).ok().says("already up to date").says("bgo 0.3.0");
    assert_eq!(files(&checkout.home()), before);
}

#[test]
fn an_upgrade_leaves_the_old_binary_to_those_who_run_it() {
    let mut checkout = Checkout::new();
    checkout.run(&["--local"]).ok();
    let installed = checkout.installed();
    let mut old = File::open(&installed).unwrap();
    let inode = old.metadata().unwrap().ino();
    checkout.serve();

    checkout.release("0.3.1");
    checkout.run(&["--local"]).ok().says("bgo 0.3.1, was bgo 0.3.0");
    assert_files(&checkout.home(), &LOCAL_FILES);
    assert_eq!(read(&installed), read(&checkout.path("fake bgo")));
    assert_ne!(installed.metadata().unwrap().ino(), inode);

    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert!(text.contains("bgo 0.3.0") && !text.contains("0.3.1"), "the old file was written to: {text}");
    let child = checkout.children.last_mut().unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let mut answer = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    assert_eq!(answer, "0.3.0 got hello\n");
}

#[test]
fn a_foreign_bgo_is_refused_and_kept() {
    let checkout = Checkout::new();
    let installed = checkout.installed();
    let foreign = checkout.foreign(&installed);
    let ran = checkout.run(&["--local"]).failed(1).warns("--force");
    assert!(ran.stderr.contains(installed.to_str().unwrap()), "{}", ran.stderr);
    assert_files(&checkout.home(), &LOCAL_FILES[..1]);
    assert_eq!(read(&installed), foreign);
}

#[test]
fn force_replaces_a_foreign_bgo_and_keeps_it_as_bgo_old() {
    let checkout = Checkout::new();
    let installed = checkout.installed();
    let old = installed.with_file_name("bgo.old");
    let foreign = checkout.foreign(&installed);
    checkout.run(&["--local", "--force"]).ok().says(old.to_str().unwrap());
    assert_eq!(read(&installed), read(&checkout.path("fake bgo")));
    assert_eq!(read(&old), foreign);
    assert_eq!(old.metadata().unwrap().permissions().mode() & 0o111, 0o111);

    // An upgrade of our own bgo is no reason to touch what was kept.
    checkout.release("0.3.1");
    checkout.run(&["--local", "--force"]).ok();
    assert_eq!(read(&old), foreign);
}

#[test]
fn force_replaces_a_symbolic_link_not_what_it_leads_to() {
    let checkout = Checkout::new();
    let installed = checkout.installed();
    let venv = checkout.path("venv/bin/bgo");
    let foreign = checkout.foreign(&venv);
    fs::create_dir_all(installed.parent().unwrap()).unwrap();
    symlink(&venv, &installed).unwrap();
    checkout.run(&["--local"]).failed(1);
    checkout.run(&["--local", "--force"]).ok();
    assert!(installed.symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read_link(installed.with_file_name("bgo.old")).unwrap(), venv);
    assert_eq!(read(&venv), foreign);
}

#[test]
fn a_folder_in_the_way_is_an_error() {
    let checkout = Checkout::new();
    fs::create_dir_all(checkout.home().join(LOCAL_FILES[2])).unwrap();
    checkout.run(&["--local", "--force"]).failed(1).warns("in the way");
    assert_files(&checkout.home(), &[]);
}

#[test]
fn a_failure_half_way_leaves_the_previous_installation() {
    let checkout = Checkout::new();
    checkout.run(&["--local"]).ok();
    let before = files(&checkout.home());
    checkout.release("0.3.1");
    fs::write(checkout.repository().join("completions/_bgo"), "new").unwrap();
    let tools = checkout.tools();
    for tool in ["cp", "chmod", "mv"] {
        let real = fs::read_link(tools.join(tool)).unwrap();
        fs::remove_file(tools.join(tool)).unwrap();
        program(&tools.join(tool), "#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n");
        run(checkout.script_command(&["--local"]).env("PATH", &tools)).failed(1).warns("No space left on device");
        assert_eq!(files(&checkout.home()), before, "with a failing {tool}");
        fs::remove_file(tools.join(tool)).unwrap();
        symlink(real, tools.join(tool)).unwrap();
    }

    // The binary comes last: when a completion cannot be put in place, the old binary stays.
    let mv = fs::read_link(tools.join("mv")).unwrap();
    fs::remove_file(tools.join("mv")).unwrap();
    let text = format!("#!/bin/sh\ncase $* in *_bgo) exit 1 ;; *) exec '{}' \"$@\" ;; esac\n", mv.display());
    program(&tools.join("mv"), &text);
    run(checkout.script_command(&["--local"]).env("PATH", &tools)).failed(1);
    assert_eq!(files(&checkout.home()), before);

    checkout.run(&["--local"]).ok().says("bgo 0.3.1, was bgo 0.3.0");
}

// ---- uninstall ---------------------------------------------------------------------------------------------------

#[test]
fn uninstalling_removes_what_was_installed_and_no_more() {
    let checkout = Checkout::new();
    checkout.run(&["--local"]).ok();
    let kept = [".bgo/procs/web.json", ".local/bin/other"];
    for file in kept {
        program(&checkout.home().join(file), "");
    }
    checkout.run(&["--local", "--uninstall"]).ok().says("~/.bgo").says("rm -r ~/.bgo");
    assert_files(&checkout.home(), &kept);
    checkout.run(&["--local", "--uninstall"]).ok().says("nothing to uninstall");
}

#[test]
fn uninstalling_leaves_a_foreign_bgo_alone() {
    let checkout = Checkout::new();
    checkout.run(&["--local"]).ok();
    let foreign = checkout.foreign(&checkout.installed());
    fs::write(checkout.home().join(LOCAL_FILES[1]), "not ours").unwrap();
    let ran = checkout.run(&["--local", "--uninstall"]).ok().warns("--force");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert_eq!(read(&checkout.installed()), foreign);
    assert_files(&checkout.home(), &LOCAL_FILES[..2]);
    checkout.run(&["--local", "--uninstall", "--force"]).ok();
    assert_files(&checkout.home(), &[]);
}

// ---- errors and warnings -----------------------------------------------------------------------------------------

#[test]
fn an_unwritable_prefix_names_itself_and_two_ways_out() {
    let checkout = Checkout::new();
    fs::write(checkout.path("file"), "").unwrap();
    let prefix = checkout.path("file/prefix");
    let prefix = prefix.to_str().unwrap();
    let ran = checkout.run(&["--prefix", prefix]).failed(1).warns("hint: sudo ").warns("install.sh --local");
    assert!(ran.stderr.contains(&format!("install.sh: cannot write to {prefix}: ")), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 3, "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let checkout = Checkout::new();
    let before = files(checkout.root.path());
    for (arguments, message) in [
        (&["--frobnicate"][..], "unknown option --frobnicate"),
        (&["-x"], "unknown option -x"),
        (&["--local", "extra"], "unexpected argument extra"),
        (&["--prefix"], "--prefix needs a folder"),
        (&["--prefix", "--local"], "--prefix needs a folder"),
        (&["--prefix="], "--prefix needs a folder"),
        (&["--local", "--prefix", "opt"], "exclude each other"),
        (&["--\u{1b}[31mred"], "unknown option '--[31mred'"),
    ] {
        let ran = checkout.run(arguments).failed(2).warns(message).warns("--help");
        assert_eq!(ran.stdout, "");
    }
    assert_eq!(files(checkout.root.path()), before);
    checkout.run(&["--help"]).ok().says("--prefix DIR").says("BGO_BINARY");
}

#[test]
fn a_missing_completion_file_is_named() {
    let checkout = Checkout::new();
    let missing = checkout.repository().join("completions/_bgo");
    fs::remove_file(&missing).unwrap();
    let ran = checkout.run(&["--local"]).failed(1);
    assert!(ran.stderr.contains(missing.canonicalize().unwrap_or(missing).to_str().unwrap()), "{}", ran.stderr);
    assert_files(&checkout.home(), &[]);
}

#[test]
fn another_bgo_earlier_on_path_is_named() {
    let checkout = Checkout::new();
    let other = checkout.path("first/bgo");
    checkout.foreign(&other);
    let with_path = |folders: &[&Path]| {
        let system = std::env::var_os("PATH").unwrap();
        let folders = folders.iter().map(|folder| folder.to_path_buf()).chain(std::env::split_paths(&system));
        run(checkout.script_command(&["--local"]).env("PATH", std::env::join_paths(folders).unwrap())).ok()
    };
    let bin = checkout.installed().parent().unwrap().to_owned();
    let first = other.parent().unwrap();
    with_path(&[first, &bin]).warns(&format!("another bgo comes earlier on PATH: {}", other.display()));
    let ran = with_path(&[&bin, first]).says("try it: bgo ");
    assert_eq!(ran.stderr, "");
    // The same file in another folder shadows nothing.
    program(&other, &read(&checkout.installed()));
    assert_eq!(with_path(&[first, &bin]).stderr, "");
}

#[test]
fn a_folder_that_is_not_on_path_is_explained() {
    let checkout = Checkout::new();
    let bin = checkout.installed().parent().unwrap().display().to_string();
    for (shell, line) in [
        ("/bin/sh", format!("~/.profile and open a new shell: export PATH={bin}:$PATH")),
        ("/usr/bin/zsh", format!("~/.zshrc and open a new shell: export PATH={bin}:$PATH")),
        ("/usr/bin/fish", format!("~/.config/fish/config.fish and open a new shell: fish_add_path {bin}")),
    ] {
        run(checkout.script_command(&["--local"]).env("SHELL", shell))
            .ok()
            .warns(&line)
            .says(&format!("try it: {bin}/"));
    }
}
