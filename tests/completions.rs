//! The completion scripts in real shells: what TAB offers behind a line.
//!
//! Why it exists: a completion that is wrong fails silently, so each shell is asked the same questions. Invariants: the
//! scripts in `completions/` are what `bgo completions` prints; no question runs bgo; every shell is ended by a deadline.
// clippy.toml allows these in test functions; here the helpers around them are tests as well.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(60);
const SCRIPTS: [(&str, &str); 3] = [("bash", "bgo.bash"), ("zsh", "_bgo"), ("fish", "bgo.fish")];
const NAMES: [&str; 7] = ["a.b", "c++", "my app", "naïve", "web", "web@1", "日本"];
const MODES: [&str; 3] = ["backoff", "retry", "stop"];

/// A line up to the cursor, and what is offered there. Every shell offers flags its own way where nothing else fits, so
/// a line for which nothing fits ends in a letter.
const QUESTIONS: [(&str, &[&str]); 64] = [
    // Verbs, aliases, and names in their place.
    ("bgo sto", &["stop"]),
    ("bgo op", &["open"]),
    ("bgo restart-", &["restart-last", "restart-stopped"]),
    ("bgo w", &["wait", "watch", "web", "web@1"]),
    ("bgo 日", &["日本"]),
    ("bgo --color never resur", &["resurrect"]),
    ("bgo -w w", &["web", "web@1"]),
    ("bgo prog-o", &["prog-one"]),
    // Names behind verbs.
    ("bgo stop ", &NAMES),
    ("bgo kill ", &NAMES),
    ("bgo restart ", &NAMES),
    ("bgo restart-stopped ", &NAMES),
    ("bgo restart-last ", &NAMES),
    ("bgo status ", &NAMES),
    ("bgo ls ", &NAMES),
    ("bgo list ", &NAMES),
    ("bgo logs ", &NAMES),
    ("bgo follow ", &NAMES),
    ("bgo tail ", &NAMES),
    ("bgo watch ", &NAMES),
    ("bgo unwatch ", &NAMES),
    ("bgo delete ", &NAMES),
    ("bgo rm ", &NAMES),
    ("bgo start ", &NAMES),
    ("bgo logs -fn 5 w", &["web", "web@1"]),
    ("bgo wait ", &NAMES),
    ("bgo signal w", &["web", "web@1"]),
    ("bgo signal web KI", &["KILL"]),
    ("bgo signal web KILL w", &[]),
    ("bgo stop -- c", &["c++"]),
    // And behind a word that says what is to be done with them.
    ("bgo autostart s", &["set", "status"]),
    ("bgo autostart set ", &NAMES),
    ("bgo autostart set web c", &["c++"]),
    ("bgo autostart set web my\\ app n", &["naïve", "never"]),
    ("bgo autostart install w", &[]),
    ("bgo export k8s w", &["web", "web@1"]),
    ("bgo skill show w", &[]),
    ("bgo clean w", &[]),
    // Each once, and once only where one is taken.
    ("bgo stop web my\\ app web@1 ", &["a.b", "c++", "naïve", "日本"]),
    ("bgo rm 'my app' m", &[]),
    ("bgo env c++ w", &[]),
    // Flags and their values.
    ("bgo stop --fo", &["--force"]),
    ("bgo --if", &["--if-not-running"]),
    ("bgo start web --fo", &["--force"]),
    ("bgo --color ", &["always", "auto", "never"]),
    ("bgo stop --color=n", &["never"]),
    ("bgo stop --signal K", &["KILL"]),
    ("bgo start --stop-signal H", &["HUP"]),
    ("bgo watch web --on-fast-crash ", &MODES),
    ("bgo start --cwd fold", &["folder"]),
    ("bgo completions ", &["bash", "fish", "zsh"]),
    ("bgo wait --for ", &["exit", "ready", "stopped"]),
    ("bgo wait --timeout 5 c", &["c++"]),
    ("bgo start --wait w", &["web", "web@1"]),
    ("bgo start --stdout w w", &["web", "web@1"]),
    ("bgo logs --stdout c", &["c++"]),
    ("bgo tail --stderr c", &["c++"]),
    // The command.
    ("bgo web -- prog-", &["prog-one", "prog-two"]),
    ("bgo start --force web -- prog-", &["prog-one", "prog-two"]),
    ("bgo open web -- prog-one fi", &["file.txt"]),
    ("bgo web prog-one fold", &["folder"]),
    ("bgo run -- prog-", &["prog-one", "prog-two"]),
    ("bgo run --name new prog-", &["prog-one", "prog-two"]),
    ("bgo run prog-one fi", &["file.txt"]),
];

/// Asks zsh as a user would: a line, then TAB, on a terminal. The first argument is the folder with `_bgo`.
const ZSH_OUTER: &str = r#"
zmodload zsh/zpty
export folder=$1 answers=$1/answers
shift
print -rl -- "$@" > $folder/lines
zpty shell zsh -f -i
zpty -w shell "source $folder/inner.zsh"
zpty -r -m shell unused '*LOADED*'
zpty -n -w shell $'\t'
zpty -r -m shell unused '*ANSWERED*'
cat $answers
"#;

/// Each line gets a `= LINE`, what is offered, and a `> LINE` as TAB leaves it.
const ZSH_INNER: &str = r#"
fpath=($folder $fpath)
autoload -Uz compinit
compinit -u -D
setopt no_beep no_auto_menu
zstyle ':completion:*' completer _complete
compadd() {
    local -a hits
    # With one of these it only computes.
    if (( ! ${@[(I)-[a-zA-Z]#[OAD]*]} )); then
        builtin compadd -O hits "$@"
        (( $#hits )) && print -rl -- "$hits[@]" >> $answers
    fi
    builtin compadd "$@"
}
answer() {
    for line in "${(@f)$(<$folder/lines)}"; do
        print -r -- "= $line" >> $answers
        BUFFER=$line CURSOR=$#line
        zle complete-word
        print -r -- "> $BUFFER" >> $answers
    done
    BUFFER=
    print ANSWE''RED
}
zle -N answer
bindkey '^I' answer
print LOA''DED
"#;

fn project(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn script(shell: &str) -> PathBuf {
    project("completions").join(SCRIPTS.iter().find(|(name, _)| *name == shell).unwrap().1)
}

/// Whether the shell is there. Only bash must be.
fn is_installed(shell: &str) -> bool {
    let found = Command::new(shell).arg("-c").arg(":").stdin(Stdio::null()).status().is_ok_and(|s| s.success());
    assert!(found || shell != "bash", "bash is not installed");
    if !found {
        eprintln!("SKIPPED: {shell} is not installed");
    }
    found
}

/// A home with processes, a working folder, two programs, and a `bgo` that must not be run.
struct Home {
    folder: TempDir,
}

impl Home {
    fn new(state: &str, names: &[&str]) -> Home {
        let home = Home { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(home.path("work/folder")).unwrap();
        fs::write(home.path("work/file.txt"), "").unwrap();
        fs::create_dir(home.path("bin")).unwrap();
        for program in ["prog-one", "prog-two", "bgo"] {
            fs::write(home.path("bin").join(program), "#!/bin/sh\n: >\"$HOME/was-run\"\n").unwrap();
            fs::set_permissions(home.path("bin").join(program), fs::Permissions::from_mode(0o755)).unwrap();
        }
        for name in names {
            let procs = home.path(state).join("procs");
            fs::create_dir_all(&procs).unwrap();
            fs::write(procs.join(format!("{name}.json")), "{}").unwrap();
            fs::write(procs.join(format!("{name}.env")), "{}").unwrap();
            fs::write(procs.join(format!(".{name}.json.tmp")), "{}").unwrap();
        }
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    /// Runs a shell to its end and returns its output. Nothing may come on stderr.
    fn run(&self, command: &mut Command, bgo_home: Option<&str>) -> String {
        command.env_clear().env("HOME", self.folder.path()).env("LC_ALL", "C.UTF-8").env("TERM", "xterm");
        command.env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("bin").display()));
        command.envs(bgo_home.map(|below| ("BGO_HOME", self.path(below)))).current_dir(self.path("work"));
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, receiver) = channel();
        let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        thread::spawn(move || {
            let (mut data, mut errors) = (String::new(), String::new());
            let read = stdout.read_to_string(&mut data).and_then(|_| stderr.read_to_string(&mut errors));
            sender.send(read.map(|_| (data, errors)))
        });
        let answer = receiver.recv_timeout(DEADLINE);
        if answer.is_err() {
            child.kill().unwrap();
        }
        let status = child.wait().unwrap();
        let (data, errors) = answer.unwrap_or_else(|_| panic!("{command:?} did not end")).unwrap();
        assert!(status.success() && errors.is_empty(), "{command:?}: {status}\n{data}{errors}");
        assert!(!self.path("was-run").exists(), "TAB has run a program");
        data
    }

    /// What `shell` offers behind each of `lines`, as it does so.
    fn raw(&self, shell: &str, lines: &[&str], bgo_home: Option<&str>) -> Vec<Vec<String>> {
        let output = match shell {
            "bash" => lines.iter().map(|line| format!("= {line}\n{}", self.ask_bash(line, bgo_home))).collect(),
            "zsh" => {
                let folder = tempfile::tempdir().unwrap();
                fs::copy(script("zsh"), folder.path().join("_bgo")).unwrap();
                fs::write(folder.path().join("inner.zsh"), ZSH_INNER).unwrap();
                let mut zsh = Command::new("zsh");
                self.run(zsh.args(["-f", "-c", ZSH_OUTER, "zsh"]).arg(folder.path()).args(lines), bgo_home)
            }
            _ => {
                let ask = "source $argv[1]; for line in $argv[2..-1]; echo \"= $line\"; complete -C \"$line\"; end";
                let mut fish = Command::new("fish");
                self.run(fish.args(["--no-config", "-c", ask]).arg(script("fish")).args(lines), bgo_home)
            }
        };
        let mut answers: Vec<Vec<String>> = Vec::new();
        for line in output.lines() {
            match line.strip_prefix("= ") {
                Some(_) => answers.push(Vec::new()),
                None => answers.last_mut().unwrap().push(line.to_owned()),
            }
        }
        assert_eq!(answers.len(), lines.len(), "{output}");
        answers
    }

    fn ask_bash(&self, line: &str, bgo_home: Option<&str>) -> String {
        let ask = "source \"$0\"; COMP_LINE=$1 COMP_POINT=${#1}; shift; COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)); \
                   _bgo; ((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        let bash = bash.args(["--norc", "--noprofile", "-c", ask]).arg(script("bash"));
        self.run(bash.arg(line).args(words_of_bash(line)), bgo_home)
    }

    /// As [`Home::raw`], without what differs between the shells: quoting, descriptions, the part that stands there
    /// already, order.
    fn offers(&self, shell: &str, lines: &[&str], bgo_home: Option<&str>) -> Vec<Vec<String>> {
        let plain = |offer: &String| {
            let word = offer.split('\t').next().unwrap().replace('\\', "");
            word.trim_start_matches("--color=").trim_end_matches('/').to_owned()
        };
        let tidy = |answers: Vec<String>| {
            let mut offers: Vec<String> = answers.iter().filter(|a| !a.starts_with("> ")).map(plain).collect();
            offers.sort();
            offers.dedup();
            offers
        };
        self.raw(shell, lines, bgo_home).into_iter().map(tidy).collect()
    }
}

/// As readline cuts a line: at blanks, and around `=`, `:` and `@`, unless they are quoted.
fn words_of_bash(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quote, mut escaped, mut breaks) = (None, false, false);
    for c in line.chars() {
        let is_break = quote.is_none() && !escaped && matches!(c, '=' | ':' | '@');
        if c == ' ' && quote.is_none() && !escaped {
            words.push(String::new());
            breaks = false;
            continue;
        }
        if is_break != breaks && !words.last().unwrap().is_empty() {
            words.push(String::new());
        }
        breaks = is_break;
        words.last_mut().unwrap().push(c);
        quote = match quote {
            Some(open) => (c != open).then_some(open),
            None => Some(c).filter(|c| matches!(c, '\'' | '"') && !escaped),
        };
        escaped = c == '\\' && !escaped;
    }
    words
}

/// Asks everything, and tells all wrong answers at once.
fn examine(shell: &str) {
    if !is_installed(shell) {
        return;
    }
    let home = Home::new(".bgo", &NAMES);
    let lines: Vec<&str> = QUESTIONS.iter().map(|(line, _)| *line).collect();
    let answers = home.offers(shell, &lines, None);
    let wrong = QUESTIONS.iter().zip(&answers).filter(|((_, expected), answer)| expected != answer);
    let wrong: Vec<String> =
        wrong.map(|((line, expected), answer)| format!("`{line}`: {answer:?}, not {expected:?}")).collect();
    assert!(wrong.is_empty(), "{shell}:\n{}", wrong.join("\n"));

    // No process yet, not even the folder; and another home, with a blank in its path.
    assert_eq!(Home::new(".bgo", &[]).offers(shell, &["bgo stop w"], None), [[""; 0]]);
    let elsewhere = Home::new("the state", &["other"]);
    assert_eq!(elsewhere.offers(shell, &["bgo stop o"], Some("the state")), [["other"]]);
    assert_eq!(elsewhere.offers(shell, &["bgo stop o"], None), [[""; 0]]);
}

#[test]
fn completions_in_the_repository_are_current() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, file) in SCRIPTS {
        let mut bgo = Command::new(env!("CARGO_BIN_EXE_bgo"));
        let printed = bgo.args(["completions", shell]).env("BGO_HOME", folder.path()).output().unwrap();
        assert!(printed.status.success() && printed.stderr.is_empty(), "{printed:?}");
        let kept = fs::read(project("completions").join(file)).unwrap_or_default();
        assert!(
            kept == printed.stdout,
            "completions/{file} is out of date: cargo run -- completions {shell} > completions/{file}"
        );
    }
}

#[test]
fn scripts_are_free_of_syntax_errors() {
    for (shell, _) in SCRIPTS.into_iter().filter(|(shell, _)| is_installed(shell)) {
        let checked = Command::new(shell).arg("-n").arg(script(shell)).output().unwrap();
        assert!(checked.status.success() && checked.stderr.is_empty(), "{shell}: {checked:?}");
    }
}

#[test]
fn bash_offers_what_fits() {
    examine("bash");
}

#[test]
fn zsh_offers_what_fits() {
    examine("zsh");
}

#[test]
fn fish_offers_what_fits() {
    examine("fish");
}

/// Bash inserts an offer as it is, behind the last of `=`, `:` and `@`; so it must be quoted, and cut there.
#[test]
fn bash_offers_are_quoted_and_cut() {
    let home = Home::new(".bgo", &["my app", "web@1", "web@2", "x$(touch was-run)", "a;b"]);
    let lines =
        ["bgo stop my", "bgo stop \"my a", "bgo stop web@", "bgo stop web@1 web@2", "bgo --color=al", "bgo rm "];
    let expected: [&[&str]; 6] =
        [&["my\\ app"], &["my app"], &["1", "2"], &["2"], &["always"], &["my\\ app", "web@1", "web@2"]];
    assert_eq!(home.raw("bash", &lines, None), expected);
}

#[test]
fn bash_leaves_commands_to_bash_completion() {
    let home = Home::new(".bgo", &["web"]);
    let ask = "source \"$0\"; _command_offset() { echo \"from $1\"; }; COMP_LINE='bgo start --cwd=/ web -- ls -'; \
               COMP_POINT=${#COMP_LINE}; COMP_WORDS=(bgo start --cwd = / web -- ls -) COMP_CWORD=8; _bgo";
    let output = home.run(Command::new("bash").args(["--norc", "-c", ask]).arg(script("bash")), None);
    assert_eq!(output, "from 7\n");
}

#[test]
fn zsh_inserts_names_quoted() {
    if is_installed("zsh") {
        let home = Home::new(".bgo", &["my app", "x$(touch was-run)"]);
        let left: Vec<String> =
            home.raw("zsh", &["bgo stop m", "bgo stop x"], None).iter().map(|a| a.last().unwrap().clone()).collect();
        assert_eq!(left, ["> bgo stop my\\ app ", "> bgo stop x\\$\\(touch\\ was-run\\) "]);
    }
}
