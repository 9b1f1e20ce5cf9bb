//! The forms without a verb: `bgo NAME -- CMD`, `bgo [-w] NAME CMD…`, `bgo CMD…`, `bgo NAME`.
//!
//! Which is meant: with `--` after one word, that word is the name. Without, a first word that is a program is the
//! command (its name is derived), else it is the name and the second must be a program. One word alone is never
//! started unless it is a path: it is a registered name, or an error, never a silent spawn.

use super::output::{Output, known_name, print_clap};
use super::{context, start, status};
use crate::cli::{Cli, Command, DirectArgs, NamedArgs, StartFlags};
use crate::domain::counterpart::counterpart;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, is_executable_file, nearest, resolve};
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Endings that a derived name drops.
const EXTENSIONS: [&str; 7] = [".py", ".sh", ".js", ".ts", ".rb", ".pl", ".exe"];

/// Whether the command line has no verb.
pub fn is_direct(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1).filter_map(|a| a.to_str().or(Some("\u{fffd}"))).peekable();
    while let Some(word) = words.next() {
        match word {
            "--color" | "--config" => {
                words.next();
            }
            "--json" => {}
            word if word.starts_with("--color=") || word.starts_with("--config=") => {}
            "-h" | "--help" | "-V" | "--version" => return false,
            word => return !is_verb(word),
        }
    }
    false
}

/// Runs a command line without a verb.
pub fn run(arguments: &[OsString], out: &mut Output) -> Result<ExitCode> {
    let words = &arguments[1..];
    if let Some(at) = words.iter().position(|w| w == "--") {
        match NamedArgs::try_parse_from(std::iter::once(&arguments[0]).chain(&words[..at])) {
            Ok(named) => {
                *out = Output::new(named.color, named.json);
                return start::run(&context(named.config)?, &named.name, named.flags, words[at + 1..].to_vec(), out);
            }
            // A program with a separator of its own: `bgo ./tool -x -- y`.
            Err(_) if words.first().is_some_and(|w| looks_like_path(w)) => {}
            Err(error) => return Ok(print_clap(&error, out)),
        }
    }
    let direct = match DirectArgs::try_parse_from(arguments) {
        Ok(direct) => direct,
        Err(error) => return Ok(print_clap(&error, out)),
    };
    // `bgo NAME --json`, as with every verb; a command has no such name.
    let (words, is_detail) = match direct.words.as_slice() {
        [name, flag] if flag == "--json" => (std::slice::from_ref(name), true),
        words => (words, false),
    };
    *out = Output::new(direct.color, direct.json || is_detail);
    let bgo = context(direct.config)?;
    match words {
        [] => Err(Error::new(ErrorKind::Usage, "no name and no command given").hint("bgo NAME -- COMMAND")),
        [word] => one_word(&bgo, word, direct.flags, out),
        [first, rest @ ..] => several_words(&bgo, first, rest, direct.flags, out),
    }
}

fn one_word(bgo: &Bgo, word: &OsString, flags: StartFlags, out: &Output) -> Result<ExitCode> {
    // Also one that runs and whose record somebody has removed.
    let is_known = known_name(bgo, word).is_ok_and(|name| ops::snapshot_of(bgo, &name).is_ok());
    if is_known {
        return status::details(bgo, std::slice::from_ref(word), out, None);
    }
    if looks_like_path(word) && is_executable_file(Path::new(word)) {
        return start::run(bgo, &derived_name(word), flags, vec![word.clone()], out);
    }
    Err(unknown_word(bgo, word))
}

/// One word that is nothing: most likely a typing error in a command, a name or a path.
fn unknown_word(bgo: &Bgo, word: &OsStr) -> Error {
    let shown = word.to_string_lossy();
    let mut error = bgo.not_found(&shown);
    error.what = format!("\"{shown}\" is neither a command of bgo nor a registered process");
    if looks_like_path(word) {
        let why = if Path::new(word).exists() { "cannot be executed" } else { "does not exist" };
        error.what = format!("\"{shown}\" {why}");
        error.hint = String::new();
    } else if let Some(ours) = counterpart(&shown, None) {
        let program =
            if is_program(word) { format!("; to start the program: bgo {shown} -- {shown}") } else { String::new() };
        error.hint = ours + &program;
    } else if let Some(verb) = nearest_verb(&shown) {
        error.hint = format!("did you mean bgo {verb}?");
    } else if is_program(word) {
        error.hint = format!("to start it: bgo {shown} -- {shown}");
    }
    error
}

/// The verb that `word` was probably meant to be.
fn nearest_verb(word: &str) -> Option<String> {
    let command = Cli::command();
    let verbs: Vec<&str> = command.get_subcommands().flat_map(|c| c.get_name_and_visible_aliases()).collect();
    nearest(word, verbs).map(str::to_owned)
}

fn is_verb(word: &str) -> bool {
    // Its names are known without building anything, its aliases are not.
    Command::has_subcommand(word)
        || Cli::command().get_subcommands().any(|c| c.get_name_and_visible_aliases().contains(&word))
}

fn several_words(bgo: &Bgo, first: &OsString, rest: &[OsString], flags: StartFlags, out: &Output) -> Result<ExitCode> {
    let registered = known_name(bgo, first).is_ok_and(|name| bgo.store.record_path(&name).exists());
    if registered && is_program(&rest[0]) {
        return start::run(bgo, first, flags, rest.to_vec(), out);
    }
    if is_program(first) {
        let command = std::iter::once(first).chain(rest).cloned().collect();
        return start::run(bgo, &derived_name(first), flags, command, out);
    }
    if is_program(&rest[0]) {
        return start::run(bgo, first, flags, rest.to_vec(), out);
    }
    let name = known_name(bgo, &rest[0]).ok().map(|name| name.shell().to_string());
    let (first, second) = (first.to_string_lossy(), rest[0].to_string_lossy());
    if let Some(ours) = counterpart(&first, name.as_deref()).filter(|_| !registered) {
        return Err(Error::new(ErrorKind::Usage, format!("\"{first}\" is not a command of bgo")).hint(ours));
    }
    let meant = match (registered, nearest_verb(&first)) {
        (true, _) if is_verb(&second) => Some(format!("bgo {second} {first}")),
        (true, _) if second.starts_with('-') => Some(format!("bgo status {first} {second}")),
        (false, Some(verb)) => Some(format!("bgo {verb} {second}")),
        _ => None,
    };
    if let Some(meant) = meant {
        let what = format!("\"{first} {second}\" is not a command");
        return Err(Error::new(ErrorKind::Usage, what).hint(format!("did you mean {meant}?")));
    }
    Err(Error::new(ErrorKind::NotFound, format!("neither \"{first}\" nor \"{second}\" is a command"))
        .hint(format!("bgo {first} -- COMMAND starts one named \"{first}\"; bgo --help")))
}

fn looks_like_path(word: &OsStr) -> bool {
    word.as_bytes().contains(&b'/')
}

fn is_program(word: &OsStr) -> bool {
    resolve(word, Path::new("."), std::env::var_os("PATH").as_deref()).is_ok()
}

/// `./server.sh` is named `server`.
pub(super) fn derived_name(program: &OsStr) -> OsString {
    let base = Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
    let stem = EXTENSIONS.iter().find_map(|ext| base.strip_suffix(ext)).filter(|stem| !stem.is_empty());
    OsString::from(stem.unwrap_or(&base))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::counterpart;

    fn direct(words: &[&str]) -> bool {
        is_direct(&std::iter::once("bgo").chain(words.iter().copied()).map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn a_line_without_a_verb_is_direct() {
        for words in
            [&["web", "--", "x"][..], &["-w", "web", "x"], &["--color", "never", "web"], &["--bogus"], &["--", "x"]]
        {
            assert!(direct(words), "{words:?}");
        }
        for words in [&["status"][..], &["ls"], &["--color=never", "rm", "x"], &["--help"], &["-V"], &[]] {
            assert!(!direct(words), "{words:?}");
        }
    }

    #[test]
    fn no_word_of_others_is_one_of_ours() {
        for word in counterpart::words() {
            assert!(!is_verb(word), "{word}");
        }
    }

    #[test]
    fn names_are_derived_from_programs() {
        for (program, name) in
            [("./server.sh", "server"), ("/usr/bin/sleep", "sleep"), ("a.b.py", "a.b"), (".sh", ".sh")]
        {
            assert_eq!(derived_name(OsStr::new(program)), name);
        }
    }
}
