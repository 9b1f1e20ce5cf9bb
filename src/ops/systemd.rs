//! The systemd manager that looks after the units of the calling user: whose it is, and why it cannot be reached; and what
//! becomes of a login session at its end.
//!
//! Why it exists: "Failed to connect to bus: No medium found" says nothing to most people, and the cause is nearly always one
//! of three. Invariant: nothing is guessed away: what is missing is told, with the command that mends it, and not made up.

use crate::domain::finding::{Finding, Severity};
use crate::domain::order::sort;
use crate::platform;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the folders of users who are logged in are.
const RUN_USER: &str = "/run/user";
/// There only where systemd has started the machine.
const BOOTED: &str = "/run/systemd/system";
const FOLDER: &str = "XDG_RUNTIME_DIR";
const BUS: &str = "DBUS_SESSION_BUS_ADDRESS";

/// Why something cannot be done, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Obstacle {
    /// The cause, as in an error.
    pub why: String,
    /// A command to type.
    pub hint: String,
}

/// Whether the caller's units are the system's: root's are, for those of a login end with it.
pub(super) fn is_system() -> bool {
    platform::effective_user() == 0
}

/// What the calling user is called; the number if that has no name.
pub(super) fn user() -> String {
    let uid = platform::effective_user().to_string();
    platform::account(&uid).ok().flatten().map(|account| account.name).unwrap_or(uid)
}

/// The variables that lead to a user's manager: those of the environment; and the folder where everything of a user is who
/// is logged in or lingers, if that is there and the environment says nothing, as in cron.
pub(super) fn variables() -> Vec<(&'static str, OsString)> {
    let set = [FOLDER, BUS].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    variables_of(set.collect(), Path::new(RUN_USER), platform::effective_user())
}

fn variables_of(mut set: Vec<(&'static str, OsString)>, run_user: &Path, uid: u32) -> Vec<(&'static str, OsString)> {
    set.retain(|(_, value)| !value.is_empty());
    let usual = run_user.join(uid.to_string());
    if set.is_empty() && std::fs::metadata(&usual).is_ok_and(|there| there.is_dir() && there.uid() == uid) {
        set.push((FOLDER, usual.into_os_string()));
    }
    set
}

/// Why the manager cannot be reached from here, as far as that is seen without asking it.
pub(super) fn obstacle() -> Option<Obstacle> {
    if is_system() {
        return None;
    }
    let variables = variables();
    let folder = variables.iter().find(|(name, _)| *name == FOLDER).map(|(_, value)| Path::new(value));
    let (uid, user) = (platform::effective_user(), user());
    // A bus that is named is enough: it may be anywhere.
    let is_named = variables.iter().any(|(name, _)| *name == BUS);
    if is_named { None } else { obstacle_of(folder, Path::new(RUN_USER), uid, &user) }
}

/// Whether systemd has started this machine.
pub(super) fn is_booted() -> bool {
    Path::new(BOOTED).is_dir()
}

/// What to do when systemd refuses, where [`obstacle`] sees no reason.
pub(super) fn advice() -> String {
    let status = if is_system() { "systemctl status" } else { "systemctl --user status" };
    if is_booted() {
        format!("{status} shows how it stands")
    } else {
        "systemd did not start this machine: do it without systemd".to_owned()
    }
}

fn obstacle_of(folder: Option<&Path>, run_user: &Path, uid: u32, user: &str) -> Option<Obstacle> {
    let usual: PathBuf = run_user.join(uid.to_string());
    // Where that is missing, the user's manager does not run; with linger it always does, from that moment on.
    let mend = || match usual.is_dir() {
        true => format!("export XDG_RUNTIME_DIR={}", usual.display()),
        false => format!("sudo loginctl enable-linger {user}; export XDG_RUNTIME_DIR={}", usual.display()),
    };
    let Some(folder) = folder else {
        let why = "XDG_RUNTIME_DIR is not set, as after su or sudo, in cron, and in ssh without PAM".to_owned();
        return Some(Obstacle { why, hint: mend() });
    };
    let why = match std::fs::metadata(folder) {
        Ok(there) if there.uid() == uid => return None,
        Ok(_) => format!("XDG_RUNTIME_DIR is {}, which is another user's", folder.display()),
        Err(_) => format!("XDG_RUNTIME_DIR is {}, which is not there", folder.display()),
    };
    Some(Obstacle { why, hint: mend() })
}

/// That a logout ends what was started in the session.
pub(super) fn session_finding() -> Option<Finding> {
    let user = user();
    if is_system() || ends_at_logout(Path::new("/")) != Some(true) {
        return None;
    }
    let message = "what you start is ended when you log out (KillUserProcesses=yes in logind.conf), unless it has a scope of \
                   its own";
    let hint = format!(
        "bgo start … --scope, bgo set NAME --scope; and sudo loginctl enable-linger {user}, for scopes end with your last \
         logout else"
    );
    Some(Finding::new("session", Severity::Warning, message, hint))
}

/// Whether systemd-logind ends what is left running in a session; `None`: there is no such thing on the system at `root`.
/// To linger does not help: that is about the user's manager, which is not in the session.
fn ends_at_logout(root: &Path) -> Option<bool> {
    let at = |path: &str| root.join(path);
    if !at("run/systemd/seats").exists() {
        return None;
    }
    // Later ones win. What is not set is as it was built, which the file that came with it says in a comment.
    let mut files: Vec<_> = ["usr/lib/systemd/logind.conf", "etc/systemd/logind.conf"].map(at).into();
    for folder in ["usr/lib/systemd/logind.conf.d", "run/systemd/logind.conf.d", "etc/systemd/logind.conf.d"] {
        let mut drop_ins: Vec<_> =
            std::fs::read_dir(at(folder)).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
        sort(&mut drop_ins);
        files.extend(drop_ins);
    }
    let (mut set, mut built) = (None, None);
    for text in files.iter().filter_map(|file| std::fs::read_to_string(file).ok()) {
        for line in text.lines().map(str::trim) {
            let (line, kept) = match line.strip_prefix('#') {
                Some(line) => (line.trim(), &mut built),
                None => (line, &mut set),
            };
            if let Some(value) = line.strip_prefix("KillUserProcesses=") {
                *kept = Some(matches!(value.trim(), "yes" | "true" | "1" | "on"));
            }
        }
    }
    Some(set.or(built).unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_environment_says_nothing_the_usual_folder_leads_to_the_manager() {
        let run = tempfile::tempdir().unwrap();
        let uid = platform::effective_user();
        let usual = run.path().join(uid.to_string());
        assert_eq!(variables_of(vec![(FOLDER, "".into())], run.path(), uid), []);
        std::fs::create_dir(&usual).unwrap();
        assert_eq!(variables_of(vec![(FOLDER, "".into())], run.path(), uid), [(FOLDER, usual.clone().into())]);
        assert_eq!(variables_of(Vec::new(), run.path(), uid + 1), [], "only where it is one's own");
        std::fs::create_dir(run.path().join((uid + 1).to_string())).unwrap();
        assert_eq!(variables_of(Vec::new(), run.path(), uid + 1), []);
        let bus = vec![(BUS, OsString::from("unix:abstract=x"))];
        assert_eq!(variables_of(bus.clone(), run.path(), uid), bus);
    }

    #[test]
    fn what_keeps_a_user_from_its_manager_is_told_with_what_mends_it() {
        let run = tempfile::tempdir().unwrap();
        let uid = platform::effective_user();
        let usual = run.path().join(uid.to_string());
        let look = |folder: Option<&Path>, uid| obstacle_of(folder, run.path(), uid, "me");
        let unset = look(None, uid).unwrap();
        assert!(unset.why.starts_with("XDG_RUNTIME_DIR is not set"), "{unset:?}");
        assert_eq!(unset.hint, format!("sudo loginctl enable-linger me; export XDG_RUNTIME_DIR={}", usual.display()));
        let missing = look(Some(&usual), uid).unwrap();
        assert!(missing.why.ends_with("which is not there"), "{missing:?}");
        std::fs::create_dir(&usual).unwrap();
        assert_eq!(look(None, uid).unwrap().hint, format!("export XDG_RUNTIME_DIR={}", usual.display()));
        assert_eq!(look(Some(&usual), uid), None);
        let foreign = look(Some(&usual), uid + 1).unwrap();
        assert!(foreign.why.ends_with("which is another user's"), "{foreign:?}");
    }

    #[test]
    fn what_logind_does_at_a_logout_is_read_from_its_files() {
        let system = tempfile::tempdir().unwrap();
        let put = |path: &str, text: &str| {
            let path = system.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let ends = || ends_at_logout(system.path());
        assert_eq!(ends(), None);
        put("run/systemd/seats/seat0", "");
        assert_eq!(ends(), Some(false));
        put("etc/systemd/logind.conf", "[Login]\n#KillUserProcesses=yes\n");
        assert_eq!(ends(), Some(true), "as it was built");
        put("usr/lib/systemd/logind.conf", "[Login]\nKillUserProcesses=no\n");
        assert_eq!(ends(), Some(false));
        put("etc/systemd/logind.conf.d/10-kill.conf", "[Login]\n KillUserProcesses=yes\n");
        assert_eq!(ends(), Some(true));
        put("var/lib/systemd/linger/me", "");
        assert_eq!(ends(), Some(true), "who lingers keeps a manager, not a session");
    }
}
