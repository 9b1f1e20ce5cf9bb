//! In what a captured environment differs from another: what a login, a new shell or an upgrade has changed.
//!
//! Why it exists: a process is restarted with what was captured at its start; who wonders why it finds another program
//! than the shell does is to see that. Invariants: no value is told but the folders of `PATH`, so no secret is; what
//! differs between any two terminals, and between any two processes of one, is no difference.

use super::raw::Raw;
use crate::domain::order::{sort_by, sort_by_key};
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What says where and when a process runs, and is another one in each terminal, login and supervisor.
const OF_THE_PLACE: [&str; 44] = [
    "_",
    "COLORTERM",
    "COLUMNS",
    "DBUS_STARTER_ADDRESS",
    "DBUS_STARTER_BUS_TYPE",
    "DESKTOP_STARTUP_ID",
    "GIO_LAUNCHED_DESKTOP_FILE",
    "GIO_LAUNCHED_DESKTOP_FILE_PID",
    "GPG_TTY",
    "INSIDE_EMACS",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LINES",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MANAGERPID",
    "MANAGERPIDFDID",
    "MEMORY_PRESSURE_WATCH",
    "MEMORY_PRESSURE_WRITE",
    "NOTIFY_SOCKET",
    "NVIM",
    "OLDPWD",
    "PTYXIS_VERSION",
    "PWD",
    "SECURITYSESSIONID",
    "SHELL_SESSION_ID",
    "SHLVL",
    "STY",
    "SUDO_COMMAND",
    "SYSTEMD_EXEC_PID",
    "TERM",
    "TTY",
    "VTE_VERSION",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "WINDOW",
    "WINDOWID",
    "WINDOWPATH",
    "XDG_ACTIVATION_TOKEN",
    "XDG_SEAT",
    "XDG_VTNR",
    "XPC_SERVICE_NAME",
    "__CFBundleIdentifier",
];

/// The same, by how they begin: sessions, connections, multiplexers, terminals; and what bgo itself is told and gives.
const BEGINNINGS: [&str; 18] = [
    "ALACRITTY_",
    "BGO_",
    "BYOBU_",
    "GHOSTTY_",
    "GNOME_TERMINAL_",
    "ITERM_",
    "KITTY_",
    "KONSOLE_",
    "SSH_",
    "TERMINATOR_",
    "TERM_",
    "TILIX_",
    "TMUX",
    "VSCODE_",
    "WEZTERM_",
    "WT_",
    "XDG_SESSION_",
    "ZELLIJ",
];

/// How a variable differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It has another value.
    Changed,
    /// It was captured, and is not set now.
    OnlyCaptured,
    /// It is set now, and was not captured.
    OnlyNow,
}

/// In what the folders of two `PATH`s differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct PathDifference {
    /// Folders that are in the present one only.
    pub added: Vec<String>,
    /// Folders that are in the captured one only.
    pub removed: Vec<String>,
    /// Whether those that are in both are looked through in another order.
    pub reordered: bool,
}

/// One variable that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct VariableDifference {
    /// Its name.
    pub name: String,
    /// How it differs.
    pub kind: Kind,
    /// Of `PATH`: in which folders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathDifference>,
}

/// In what `captured` differs from `now`, `PATH` first, then by name. What `is_overruled` says so of is given to the
/// process otherwise, so that neither counts.
pub fn differences(
    captured: &[(Raw, Raw)],
    now: &[(Raw, Raw)],
    is_overruled: impl Fn(&Raw) -> bool,
) -> Vec<VariableDifference> {
    let sorted = |variables: &[(Raw, Raw)]| {
        let counts = |key: &Raw| !is_of_the_place(&key.lossy()) && !is_overruled(key);
        let mut pairs: Vec<(Raw, Raw)> = variables.iter().filter(|(key, _)| counts(key)).cloned().collect();
        sort_by(&mut pairs, |(one, _), (other, _)| one.cmp(other));
        // Of equal names a process gets the value that came last.
        pairs.dedup_by(|later, earlier| {
            let is_same = later.0 == earlier.0;
            if is_same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            is_same
        });
        pairs
    };
    let (captured, now) = (sorted(captured), sorted(now));
    let value =
        |of: &[(Raw, Raw)], key: &Raw| of.binary_search_by(|(known, _)| known.cmp(key)).ok().map(|at| of[at].1.clone());
    let mut names: Vec<&Raw> = captured.iter().chain(&now).map(|(key, _)| key).collect();
    sort_by_key(&mut names, |name| (name.as_bytes() != b"PATH", *name));
    names.dedup();
    let difference = |key: &Raw| {
        let (kind, path) = match (value(&captured, key), value(&now, key)) {
            (Some(was), Some(is)) if was == is => return None,
            (Some(was), Some(is)) if key.as_bytes() == b"PATH" => {
                let path = path_difference(&was, &is);
                (Kind::Changed, Some(path).filter(|path| *path != PathDifference::default()).map(Some)?)
            }
            (Some(_), Some(_)) => (Kind::Changed, None),
            (Some(_), None) => (Kind::OnlyCaptured, None),
            (None, _) => (Kind::OnlyNow, None),
        };
        Some(VariableDifference { name: key.lossy().into_owned(), kind, path })
    };
    names.into_iter().filter_map(difference).collect()
}

fn is_of_the_place(name: &str) -> bool {
    OF_THE_PLACE.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

fn path_difference(captured: &Raw, now: &Raw) -> PathDifference {
    let (was, is) = (folders(captured), folders(now));
    let only = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter().filter(|folder| !other.contains(folder)).cloned().collect()
    };
    let common = |of: &[String], other: &[String]| -> Vec<String> {
        of.iter().filter(|folder| other.contains(folder)).cloned().collect()
    };
    PathDifference {
        added: only(&is, &was),
        removed: only(&was, &is),
        reordered: common(&was, &is) != common(&is, &was),
    }
}

/// The folders of a `PATH` in the order in which they are looked through, each once.
pub fn folders(path: &Raw) -> Vec<String> {
    let mut folders: Vec<String> = Vec::new();
    for folder in path.as_bytes().split(|&b| b == b':') {
        // Nothing stands for the folder of the process.
        let folder = if folder.is_empty() { ".".into() } else { String::from_utf8_lossy(folder) };
        if !folders.iter().any(|known| *known == folder) {
            folders.push(folder.into_owned());
        }
    }
    folders
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(Raw, Raw)> {
        pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect()
    }

    fn shown(captured: &[(&str, &str)], now: &[(&str, &str)]) -> Vec<String> {
        let found = differences(&variables(captured), &variables(now), |key| key.as_bytes() == b"GIVEN");
        found.iter().map(|it| serde_json::to_string(it).unwrap()).collect()
    }

    #[test]
    fn path_comes_first_then_the_others_by_name_and_no_value_is_told() {
        let captured = [("ZED", "1"), ("PATH", "/old/bin:/bin"), ("TOKEN", "s3cret"), ("SAME", "x"), ("GIVEN", "1")];
        let now = [("PATH", "/opt/x/bin:/bin"), ("TOKEN", "s3cret2"), ("SAME", "x"), ("ABLE", "1"), ("GIVEN", "2")];
        assert_eq!(
            shown(&captured, &now),
            [
                r#"{"name":"PATH","kind":"changed","path":{"added":["/opt/x/bin"],"removed":["/old/bin"],"reordered":false}}"#,
                r#"{"name":"ABLE","kind":"only_now"}"#,
                r#"{"name":"TOKEN","kind":"changed"}"#,
                r#"{"name":"ZED","kind":"only_captured"}"#,
            ]
        );
        assert_eq!(shown(&[("PATH", "/bin")], &[]), [r#"{"name":"PATH","kind":"only_captured"}"#]);
    }

    #[test]
    fn of_equal_names_the_last_counts() {
        assert_eq!(shown(&[("PATH", "/z"), ("PATH", "/a")], &[("PATH", "/a")]), [""; 0]);
        assert_eq!(shown(&[("A", "1"), ("A", "2")], &[("A", "2"), ("B", "1"), ("B", "2")]).len(), 1, "B alone");
        assert_eq!(shown(&[("PATH", "/z"), ("PATH", "/a")], &[("PATH", "/z")]).len(), 1);
    }

    #[test]
    fn paths_are_compared_as_they_are_looked_through() {
        let path = |was: &str, is: &str| path_difference(&was.into(), &is.into());
        let reordered = PathDifference { reordered: true, ..PathDifference::default() };
        assert_eq!(path("/a:/b", "/b:/a"), reordered);
        assert_eq!(path("/a:/b:/a", "/a:/b"), PathDifference::default());
        assert_eq!(path("/a:/b:/a", "/b:/a"), reordered);
        assert_eq!(path("/a:", "/a:."), PathDifference::default());
        assert_eq!(path("/a:/b", "/a:/c:/b").added, ["/c"]);
        assert_eq!(shown(&[("PATH", "/a:/a")], &[("PATH", "/a")]), [""; 0]);
    }

    #[test]
    fn what_differs_between_any_two_terminals_is_no_difference() {
        for name in [
            "SHLVL",
            "_",
            "PWD",
            "TERM",
            "TERM_PROGRAM",
            "SSH_TTY",
            "SSH_AUTH_SOCK",
            "XDG_SESSION_ID",
            "TMUX",
            "TMUX_PANE",
            "STY",
            "BGO_NAME",
            "BGO_RUN_ID",
            "WINDOWID",
            "INVOCATION_ID",
        ] {
            assert_eq!(shown(&[(name, "1")], &[(name, "2")]), [""; 0], "{name}");
            assert_eq!(shown(&[], &[(name, "2")]), [""; 0], "{name}");
        }
        for name in ["DISPLAY", "XDG_RUNTIME_DIR", "LANG", "TERMINFO", "HOME", "BGOX", "path"] {
            assert_eq!(shown(&[(name, "1")], &[(name, "2")]).len(), 1, "{name}");
        }
    }

    /// Whatever is in them: what is the same is no difference, each other name is told once, and both ways alike.
    #[test]
    fn any_two_environments_differ_in_what_differs() {
        for seed in 0..2000 {
            let mut dice = Dice::new(seed);
            let mut draw = || -> Vec<(Raw, Raw)> {
                let pair =
                    |dice: &mut Dice| (Raw::from(dice.text(&["A", "B", "PATH"], 1).as_str()), Raw::from(dice.bytes(3)));
                (0..dice.below(6)).map(|_| pair(&mut dice)).collect()
            };
            let (one, other) = (draw(), draw());
            assert_eq!(differences(&one, &one, |_| false), []);
            let there = differences(&one, &other, |_| false);
            let mut back: Vec<String> = differences(&other, &one, |_| false).into_iter().map(|it| it.name).collect();
            let mut names: Vec<String> = there.into_iter().map(|it| it.name).collect();
            assert_eq!(names, back, "seed {seed}");
            names.dedup();
            back.dedup();
            assert_eq!(names, back);
        }
    }
}
