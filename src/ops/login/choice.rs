//! Which way is taken, and which binary is run.
//!
//! Why it exists: people should not have to know what their machine has. Invariants: the choice comes with its reason, also
//! of what was passed over; the path that is written is one that an upgrade leaves right.

use super::entry::{self, EntryState};
use super::tool::Tool;
use super::{CHECK, crontab, job, reach_systemd};
use crate::domain::finding::{Finding, Severity};
use crate::domain::login::{Job, Method};
use crate::domain::shell::quote;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::{Bgo, is_executable_file, systemd};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// As many links as the kernel follows.
const MOST_LINKS: usize = 40;

/// What is to be installed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// By which way.
    pub method: Method,
    /// Why that.
    pub why: String,
    /// The file; `crontab`.
    pub target: String,
    /// What will be in it: the text of the file, or the line.
    pub text: String,
    /// What is doubtful about it.
    pub doubts: Vec<Finding>,
    /// Of root: why somebody else could choose what is run.
    pub exposed: Option<String>,
}

/// How bgo would be run at login on this machine: by `method`, or by what suits it.
///
/// # Errors
/// There is nothing that could run it; the paths cannot be written there.
pub fn plan(bgo: &Bgo, method: Option<Method>) -> Result<Plan> {
    let (job, program): (Job, PathBuf) = job(bgo)?;
    let (method, why) = match method {
        Some(method) => (method, "as asked for".to_owned()),
        None => choose()?,
    };
    let refused = |why: String| Error::new(ErrorKind::Usage, format!("cannot have {method} run bgo")).because(why);
    let text = job.text(method).map_err(refused)?;
    let target = entry::file(method)?.display().to_string();
    let mut doubts = doubts(&program);
    let exposed = if systemd::is_system() { exposed(&program) } else { None };
    if let Some(why) = &exposed {
        let hint = "install bgo as root into a folder of root's, such as /usr/local/bin";
        doubts.push(Finding::new(CHECK, Severity::Warning, why.clone(), hint));
    }
    doubts.extend(taken_over(bgo, method, &text)?);
    Ok(Plan { method, why, target, text, doubts, exposed })
}

/// That what is there brings back another state folder, which this takes the place of: there is one such text a user.
fn taken_over(bgo: &Bgo, method: Method, text: &str) -> Result<Option<Finding>> {
    let EntryState::Ours(there) = entry::of(method)?.state else { return Ok(None) };
    let (before, now) = (method.home_in(&there), method.home_in(text));
    if before == now {
        return Ok(None);
    }
    // The shell knows which the default is.
    let typed = before.as_deref().map_or("~/.bgo".into(), quote);
    let before = before.as_deref().unwrap_or("~/.bgo");
    let message = format!(
        "{} is brought back in place of {before}, which then is not brought back any more",
        bgo.store.root().display()
    );
    let hint = format!("run `BGO_HOME={typed} bgo resurrect` at login by other means, such as ~/.profile");
    Ok(Some(Finding::new(CHECK, Severity::Warning, message, hint)))
}

fn choose() -> Result<(Method, String)> {
    // What is there is not given a second beside it.
    let there = entry::all()?.into_iter().find(|entry| matches!(entry.state, EntryState::Ours(_) | EntryState::Edited));
    if let Some(entry) = there {
        return Ok((entry.method, "it is what is installed".to_owned()));
    }
    if cfg!(target_os = "macos") {
        return Ok((Method::Launchd, "this is macOS".to_owned()));
    }
    let (why_not, hint) = match reach_systemd() {
        Ok(_) if systemd::is_system() => return Ok((Method::Systemd, "systemd runs this machine".to_owned())),
        Ok(_) => return Ok((Method::Systemd, "your systemd manager runs here".to_owned())),
        Err(_) if systemd::obstacle().is_none() && !systemd::is_booted() => {
            ("it did not start this machine".to_owned(), String::new())
        }
        Err(e) => (e.message(), if e.hint.is_empty() { String::new() } else { format!("{}; or ", e.hint) }),
    };
    let why_not_cron = match Tool::need("crontab").and_then(|tool| crontab(&tool)) {
        Ok(_) => return Ok((Method::Cron, format!("there is a crontab, and systemd is no way: {why_not}"))),
        Err(e) => e.message(),
    };
    let desktop = ["XDG_CURRENT_DESKTOP", "WAYLAND_DISPLAY", "DISPLAY"];
    if desktop.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
        let why = format!("this is a desktop, and there is no other way: {why_not}; {why_not_cron}");
        return Ok((Method::Xdg, why));
    }
    Err(Error::new(ErrorKind::Io, "there is nothing here that could run bgo at login")
        .because(format!("systemd: {why_not}; {why_not_cron}; and no desktop"))
        .hint(format!("{hint}put `bgo resurrect` into ~/.profile, or choose one with --method")))
}

/// The path of this binary to be written down: the one by which it is found on PATH, for that is a link or a file that
/// upgrades replace; else the one it was called by; else where it is.
///
/// # Errors
/// It is nowhere any more.
pub(super) fn program() -> Result<PathBuf> {
    let gone = || {
        Error::new(ErrorKind::Io, "cannot tell where bgo is")
            .because("the binary that runs was removed or replaced")
            .hint("do it again, with the present one")
    };
    let running = std::env::current_exe().map_err(|_| gone())?;
    let identity = |path: &Path| fs::metadata(path).ok().map(|there| (there.dev(), there.ino()));
    // The one that runs, also if it has no name any more.
    let this = identity(Path::new("/proc/self/exe")).or_else(|| identity(&running)).ok_or_else(gone)?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join("bgo"));
    let called = std::env::args_os().next().map(PathBuf::from).filter(|called| called.components().count() > 1);
    let called = called.and_then(|called| std::path::absolute(called).ok());
    let same = |path: &PathBuf| identity(path) == Some(this) && is_executable_file(path);
    on_path.chain(called).chain([running]).filter(|path| !path.starts_with("/proc")).find(same).ok_or_else(gone)
}

/// What is doubtful about `program` as what is run at every login.
fn doubts(program: &Path) -> Vec<Finding> {
    let has = |name: &str| program.components().any(|part| part.as_os_str() == name);
    let is_built = has("target") && (has("debug") || has("release"));
    let why = if is_built {
        "a build folder, which cargo clean empties"
    } else if program.starts_with(std::env::temp_dir()) {
        "a folder for what is temporary"
    } else {
        return Vec::new();
    };
    let message = format!("{} is what will be run, and it is in {why}", program.display());
    let hint = "put bgo into a folder on PATH, such as ~/.local/bin, and install it from there";
    vec![Finding::new(CHECK, Severity::Warning, message, hint)]
}

/// Why somebody else than root could have another program run in place of `program`.
fn exposed(program: &Path) -> Option<String> {
    // Each link on the way, and where the folder of each really is.
    let mut hops = vec![program.to_owned()];
    while let Some(last) = hops.last()
        && let Ok(to) = fs::read_link(last)
        && hops.len() < MOST_LINKS
    {
        hops.push(last.parent().unwrap_or(Path::new("/")).join(to));
    }
    let real: Vec<PathBuf> = hops.iter().filter_map(|hop| hop.parent()?.canonicalize().ok()).collect();
    let all = hops.iter().chain(&real).flat_map(|path| path.ancestors());
    let open = all.filter(|path| !path.as_os_str().is_empty()).find(|path| is_open(path))?;
    let what = if open.is_dir() { "is in" } else { "is" };
    Some(format!(
        "{} {what} {}, which others than root may change: they would choose what root runs",
        program.display(),
        open.display()
    ))
}

/// Whether others than root may put something else there. In a folder such as /tmp what is root's stays.
fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| {
        let is_sticky = there.is_dir() && there.mode() & 0o1000 != 0;
        let by_others = there.mode() & 0o002 != 0 || (there.mode() & 0o020 != 0 && there.gid() != 0);
        there.uid() != 0 || (by_others && !is_sticky)
    })
}
