//! Checking that a command can run, before anything is stopped or registered.
//!
//! Why it exists: a typing error must leave nothing behind, and a restart whose program has vanished must not stop
//! the one that runs. Invariant: a check only looks; exec has the last word.

use crate::domain::raw::Raw;
use crate::domain::settings::Settings;
use crate::domain::spec::Supervision;
use crate::domain::url::check_url;
use crate::error::{Error, ErrorKind, Result, describe};
use crate::platform::{self, NOTIFY_SUPPORTED};
use crate::store::read_env_files;
use regex_lite::Regex;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The absolute path of `program`: found on `path` (as in `$PATH`) if it has no slash, else relative to `cwd`.
///
/// # Errors
/// Not found, or not an executable file; in the words of the system.
pub fn resolve(program: &OsStr, cwd: &Path, path: Option<&OsStr>) -> io::Result<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        let found: PathBuf = cwd.join(program).components().collect();
        return executable(&found).map(|()| found);
    }
    let mut problem = io::Error::from_raw_os_error(libc::ENOENT);
    for folder in std::env::split_paths(path.unwrap_or(OsStr::new("/usr/local/bin:/usr/bin:/bin"))) {
        let candidate = cwd.join(folder).join(program);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            // A file that is there but may not be run is worth more as an answer than "not found".
            Err(e) if e.raw_os_error() == Some(libc::EACCES) && candidate.is_file() => problem = e,
            Err(_) => {}
        }
    }
    Err(problem)
}

/// Whether `path` is a file that the caller may execute.
pub fn is_executable_file(path: &Path) -> bool {
    executable(path).is_ok()
}

fn executable(path: &Path) -> io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from_raw_os_error(libc::EISDIR));
    }
    Ok(nix::unistd::access(path, nix::unistd::AccessFlags::X_OK)?)
}

/// Checks that `cwd` can be entered.
///
/// # Errors
/// What the start would fail with.
pub fn check_cwd(name: &str, cwd: &Path) -> Result<()> {
    let entered = std::fs::metadata(cwd).and_then(|m| {
        if m.is_dir() {
            Ok(nix::unistd::access(cwd, nix::unistd::AccessFlags::X_OK)?)
        } else {
            Err(io::Error::from_raw_os_error(libc::ENOTDIR))
        }
    });
    entered.map_err(|e| {
        cannot_start(name)
            .because(format!("chdir to \"{}\": {}", cwd.display(), describe(&e)))
            .hint("name an existing folder with --cwd")
    })
}

/// Checks a recorded command (whose program is an absolute path), its folder and its interpreter.
///
/// # Errors
/// What a restart would fail with.
pub fn check_command(name: &str, command: &[Raw], cwd: &Raw) -> Result<()> {
    check_cwd(name, cwd.as_path()).map_err(|e| {
        let folder = cwd.lossy();
        let make = if cwd.as_path().exists() { String::new() } else { format!("mkdir -p '{folder}' makes it; ") };
        let name = if name.contains(' ') { format!("'{name}'") } else { name.to_owned() };
        e.hint(format!("{make}bgo start {name} --cwd DIR -- COMMAND starts it in another"))
    })?;
    let program = command.first().map_or(Path::new(""), Raw::as_path);
    check_program(name, program)
}

/// Checks that the files can be appended to that `settings` say the output of `name` goes to.
///
/// # Errors
/// What a start would fail with; a file that is not for this: one of the state folder `root`, or somebody's terminal.
pub fn check_logs(name: &str, settings: &Settings, cwd: &Raw, root: &Path) -> Result<()> {
    for (flag, chosen) in [("--stdout", &settings.stdout), ("--stderr", &settings.stderr)] {
        let Some(chosen) = chosen else { continue };
        let refuse = |why: String| cannot_start(name).because(format!("{flag} \"{}\": {why}", chosen.lossy()));
        let path = cwd.as_path().join(chosen.as_path());
        let folder = path.parent().unwrap_or(&path).to_owned();
        if let Err(e) = std::fs::read_dir(&folder) {
            let shown = folder.display();
            return Err(refuse(describe(&e)).hint(format!("mkdir -p '{shown}', or choose another file with bgo set")));
        }
        let path = std::fs::canonicalize(&path).unwrap_or(path);
        if path == Path::new("/dev/null") {
            continue;
        }
        let why = match std::fs::metadata(&path) {
            _ if path.starts_with(root) => Some("it is in the state folder of bgo".to_owned()),
            Ok(there) if !there.is_file() => Some("it is no regular file".to_owned()),
            _ => None,
        };
        if let Some(why) = why {
            return Err(refuse(why).hint("choose a regular file, or /dev/null"));
        }
    }
    Ok(())
}

/// Reads the files of variables that `settings` name, for `name` in the folder `cwd`.
///
/// # Errors
/// What a start would fail with: the file, the place in it, and what is wrong there.
pub fn check_env_files(name: &str, settings: &Settings, cwd: &Path) -> Result<Vec<(Raw, Raw)>> {
    read_env_files(settings, cwd).map_err(|e| {
        let missing = e.errno == libc::ENOENT;
        let hint = if missing { "a relative path is taken from the folder of the process, --cwd" } else { "" };
        cannot_start(name).because(e.message).hint(hint)
    })
}

/// Checks that the variable for the port is not one of `set`, which come from `-e`.
///
/// # Errors
/// It is: one of the two would mean nothing.
pub fn check_allocate_port(settings: &Settings, set: &[(Raw, Raw)]) -> Result<()> {
    match &settings.allocate_port {
        Some(variable) if set.iter().any(|(key, _)| key.as_bytes() == variable.as_str().as_bytes()) => {
            let what = format!("-e {variable}=… and --allocate-port {variable} exclude each other");
            Err(Error::new(ErrorKind::Usage, what).hint("leave one of them out"))
        }
        _ => Ok(()),
    }
}

/// Checks that what is to be watched for changes is there.
///
/// # Errors
/// It is not, or may not be looked at. Once it is watched it may come and go.
pub fn check_files(name: &str, settings: &Settings, cwd: &Path) -> Result<()> {
    for path in &settings.watch_files {
        std::fs::metadata(cwd.join(path.as_path())).map_err(|e| {
            cannot_start(name)
                .because(format!("--watch-files \"{}\": {}", path.lossy(), describe(&e)))
                .hint(format!("name a file or folder that is there, as seen from {}", cwd.display()))
        })?;
    }
    Ok(())
}

/// Checks that `program` is executable and so is the interpreter that its first line names.
///
/// # Errors
/// What exec would say, naming the interpreter where that is what is missing.
pub fn check_program(name: &str, program: &Path) -> Result<()> {
    executable(program).map_err(|e| not_runnable(name, program.as_os_str(), &e))?;
    let Some(interpreter) = interpreter_of(program) else { return Ok(()) };
    executable(&interpreter).map_err(|e| {
        cannot_start(name)
            .because(format!(
                "the interpreter \"{}\" of \"{}\": {}",
                interpreter.display(),
                program.display(),
                describe(&e)
            ))
            .hint("install it, or mend the first line of the script")
    })
}

/// The interpreter of a script, from its first line `#!interpreter argument`.
fn interpreter_of(program: &Path) -> Option<PathBuf> {
    first_line(program)?.first().map(PathBuf::from)
}

/// The program that the first line `#!/usr/bin/env PROGRAM` of a script names, to be found on `PATH`.
pub(super) fn env_program(program: &Path) -> Option<OsString> {
    let line = first_line(program)?;
    let (env, arguments) = line.split_first()?;
    // Variables that it sets, and its flags, say nothing about where it looks.
    let is_program = |word: &&OsString| !word.as_bytes().starts_with(b"-") && !word.as_bytes().contains(&b'=');
    let named = arguments.iter().find(is_program).filter(|word| !word.as_bytes().contains(&b'/'));
    named.filter(|_| Path::new(env).file_name() == Some(OsStr::new("env"))).cloned()
}

/// The words of the first line of a script, behind `#!`.
fn first_line(program: &Path) -> Option<Vec<OsString>> {
    // The open of a pipe would wait for who writes to it.
    std::fs::metadata(program).ok().filter(std::fs::Metadata::is_file)?;
    let mut head = [0u8; 256];
    let filled = File::open(program).and_then(|mut file| file.read(&mut head)).ok()?;
    let line = head[..filled].strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    Some(words.map(|word| OsStr::from_bytes(word).to_owned()).collect())
}

/// Checks settings that were given, for `name`: `settings` is what they come to, `restarts` whether there is a restart
/// policy.
///
/// # Errors
/// What contradicts itself, means nothing, or cannot be had here.
pub fn check_settings(name: &str, settings: &Settings, given: &Supervision, restarts: bool) -> Result<()> {
    let refuse = |why: String| Err(Error::new(ErrorKind::Usage, why).hint("bgo help start lists all settings"));
    if let Some(why) = settings.contradiction().or_else(|| given.pointless(settings, restarts)) {
        return refuse(why);
    }
    if let Some(Err(e)) = settings.ready_when_regex.as_deref().map(Regex::new) {
        return refuse(format!("--ready-when-regex cannot be understood: {e}"));
    }
    for (flag, url) in [("--ready-when-url", &settings.ready_when_url), ("--health-url", &settings.health_url)] {
        if let Some(Err(e)) = url.as_deref().map(check_url) {
            return refuse(format!("{flag}: {e}"));
        }
    }
    if settings.uses_notify() && !NOTIFY_SUPPORTED {
        return refuse("--ready-when-notify and --watchdog need sd_notify, which this system does not have".to_owned());
    }
    if let Some(user) = &settings.user {
        if platform::effective_user() != 0 {
            return Err(cannot_start(name).because("only root may use --user").hint("sudo bgo start … --user NAME"));
        }
        let found = platform::account(user).map_err(|e| Error::io(format!("cannot look up user \"{user}\""), &e))?;
        if found.is_none() {
            return Err(cannot_start(name)
                .because(format!("no user named \"{user}\""))
                .hint("getent passwd lists them"));
        }
    }
    Ok(())
}

/// "cannot start NAME", to which the cause is added.
pub fn cannot_start(name: &str) -> Error {
    Error::new(ErrorKind::StartFailed, format!("cannot start \"{name}\""))
}

/// The program cannot be run.
pub fn not_runnable(name: &str, program: &OsStr, error: &io::Error) -> Error {
    let shown = OsString::from(program).to_string_lossy().into_owned();
    let error_text = match error.raw_os_error() {
        Some(libc::ENOENT) if !shown.contains('/') => "command not found".to_owned(),
        _ => describe(error),
    };
    let hint = match error.raw_os_error() {
        Some(libc::EACCES) => format!("chmod +x {shown}"),
        Some(libc::ENOEXEC) => {
            format!("give it a first line such as #!/bin/sh, or run it with its interpreter: sh {shown}")
        }
        Some(libc::ENOENT) if !shown.contains('/') => {
            "nothing on PATH is called so: name another program, or give its path".to_owned()
        }
        Some(libc::ENOENT | libc::ENOTDIR) if !shown.starts_with('/') => {
            "check the path: it starts in the folder of the process, which --cwd DIR chooses".to_owned()
        }
        Some(libc::ENOENT | libc::ENOTDIR) => "check the path; a program without one is looked up on PATH".to_owned(),
        Some(libc::EISDIR) => "that is a folder: name a program in it, or choose it with --cwd".to_owned(),
        _ => String::new(),
    };
    cannot_start(name).because(format!("\"{shown}\": {error_text}")).hint(hint)
}
