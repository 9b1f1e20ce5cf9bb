//! What makes a machine run `bgo resurrect`: the texts for each way there is.
//!
//! Why it exists: the texts are for other programs, with their own quoting; as data they can be tested whole. Invariants:
//! each is sealed ([`super::seal`]), so that ours is known again; a path that a text cannot hold is refused, never mangled.

mod cron;
mod desktop;
mod plist;
mod unit;

pub use cron::{Crontab, MARK};

use super::seal::is_sealed;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// The label of the agent, and the name of its file before `.plist`.
pub const LABEL: &str = "bgo.autostart";
/// The unit.
pub const UNIT: &str = "bgo.service";

/// A way to have something run at login or when the machine starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A unit of the user's systemd manager; of the system's for root.
    Systemd,
    /// An agent of macOS's launchd.
    Launchd,
    /// A line `@reboot` in the user's crontab.
    Cron,
    /// A file that the user's desktop reads when it starts.
    Xdg,
}

impl Method {
    /// All there are.
    pub const ALL: [Method; 4] = [Method::Systemd, Method::Launchd, Method::Cron, Method::Xdg];

    /// What it is called on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Method::Systemd => "systemd",
            Method::Launchd => "launchd",
            Method::Cron => "cron",
            Method::Xdg => "xdg",
        }
    }

    /// What ends the seal in a text for it.
    fn close(self) -> &'static str {
        match self {
            Method::Systemd | Method::Xdg => "\n",
            Method::Launchd => " -->\n",
            Method::Cron => "",
        }
    }

    /// The state folder that `text`, which is ours, names; `None`: the default.
    pub fn home_in(self, text: &str) -> Option<String> {
        let (before, after) = match self {
            Method::Systemd => ("Environment=\"BGO_HOME=", "\"\n"),
            Method::Launchd => ("<key>BGO_HOME</key>\n\t\t<string>", "</string>\n"),
            Method::Cron => ("@reboot /usr/bin/env BGO_HOME='", "' '/"),
            Method::Xdg => ("\nExec=env \"BGO_HOME=", "\" \"/"),
        };
        let quoted = text.split_once(before)?.1.split_once(after)?.0;
        Some(match self {
            Method::Systemd => unit::unquoted(quoted),
            Method::Launchd => plist::unescaped(quoted),
            Method::Cron => cron::unquoted(quoted),
            Method::Xdg => desktop::unquoted(quoted),
        })
    }

    /// Whether `text`, of a file or a line for it, is as a bgo has written it.
    pub fn is_ours(self, text: &str) -> bool {
        is_sealed(text, self.close())
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Method {
    type Err = String;

    fn from_str(text: &str) -> Result<Method, String> {
        let found = Method::ALL.into_iter().find(|method| method.word() == text);
        found.ok_or_else(|| format!("\"{text}\" is none of systemd, launchd, cron, xdg"))
    }
}

/// What is to be run at login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The binary of bgo, as an absolute path.
    program: String,
    /// The state folder, if it is not the one that bgo takes by itself at login.
    home: Option<String>,
    /// Whether it is for the system's own manager: root's.
    system: bool,
    /// Where systemd-run is, for a user's manager.
    systemd_run: Option<String>,
}

impl Job {
    /// That `program` is to be run, for the state folder `home` (`None`: the default).
    ///
    /// # Errors
    /// What is wrong with one of the paths, in words that name it.
    pub fn new(program: &Path, home: Option<&Path>, system: bool) -> Result<Job, String> {
        let text = |path: &Path| {
            let odd = |why: &str| format!("the path {:?} cannot be written there: it has {why} in it", path.display());
            let text = path.to_str().ok_or_else(|| odd("bytes that are no UTF-8"))?;
            if text.contains(char::is_control) { Err(odd("a control character")) } else { Ok(text.to_owned()) }
        };
        Ok(Job { program: text(program)?, home: home.map(text).transpose()?, system, systemd_run: None })
    }

    /// The same; a unit of a user's manager has `systemd_run` (an absolute path) put all of it into a scope.
    #[must_use]
    pub fn in_scope_by(mut self, systemd_run: Option<&Path>) -> Job {
        // systemd takes no program with these in its path.
        let fits = |path: &&str| !path.contains(['\'', '"', '\\']) && !path.contains(char::is_control);
        self.systemd_run = systemd_run.and_then(Path::to_str).filter(fits).map(str::to_owned);
        self
    }

    /// The text of the file, or the line, that has `method` run it.
    ///
    /// # Errors
    /// A path that such a text cannot hold.
    pub fn text(&self, method: Method) -> Result<String, String> {
        match method {
            Method::Systemd => unit::text(self),
            Method::Launchd => Ok(plist::text(self)),
            Method::Cron => cron::line(self),
            Method::Xdg => desktop::text(self),
        }
    }

    /// `env` takes what has an equals sign in it for a variable.
    fn program_after_env(&self) -> Result<&str, String> {
        match self.program.contains('=') {
            true => Err(format!("the path {:?} cannot be written there: it has an equals sign in it", self.program)),
            false => Ok(&self.program),
        }
    }
}

/// `text` without the backslashes that others are protected by.
fn without_escapes(text: &str) -> String {
    let mut chars = text.chars();
    std::iter::from_fn(|| chars.next().and_then(|c| if c == '\\' { chars.next() } else { Some(c) })).collect()
}

/// Where two texts differ first: a line of the one, and that of the other in its place.
pub fn first_difference<'a>(one: &'a str, other: &'a str) -> (&'a str, &'a str) {
    let mut lines = one.lines();
    let mut others = other.lines();
    loop {
        match (lines.next(), others.next()) {
            (Some(line), Some(other)) if line == other => {}
            (None, None) => return ("", ""),
            (line, other) => return (line.unwrap_or_default(), other.unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn job(program: &str, home: Option<&str>) -> Job {
        Job::new(Path::new(program), home.map(Path::new), false).unwrap()
    }

    #[test]
    fn every_text_is_known_again_unless_it_was_edited() {
        for job in [job("/usr/bin/bgo", None), job("/opt/my \"bgo\" $x %h 'q' \\ &<>", Some("/a b/%u/'\"$`\\"))] {
            for method in Method::ALL {
                let text = job.text(method).unwrap();
                assert!(method.is_ours(&text), "{text}");
                assert_eq!(method.home_in(&text), job.home, "{text}");
                for odd in ["/a b", "/'\\''\\%%\\", "/\"\\\" \"/\\\\", "/&lt;&amp;lt;</string>", "/`$$%h"] {
                    let text = Job { home: Some(odd.to_owned()), ..job.clone() }.text(method).unwrap();
                    assert_eq!(method.home_in(&text).as_deref(), Some(odd), "{text}");
                }
                assert!(!method.is_ours(&text.replacen("resurrect", "status", 1)), "{text}");
            }
        }
        assert_eq!(Method::ALL.map(|method| method.word().parse()), Method::ALL.map(Ok));
        assert!("at".parse::<Method>().is_err());
    }

    #[test]
    fn a_path_that_cannot_be_written_is_refused() {
        for odd in ["/a\nb", "/a\u{7}b"] {
            assert!(Job::new(Path::new(odd), None, false).unwrap_err().contains("a control character"));
            assert!(Job::new(Path::new("/b"), Some(Path::new(odd)), false).is_err());
        }
        use std::os::unix::ffi::OsStrExt;
        let bytes = Path::new(std::ffi::OsStr::from_bytes(b"/\xff"));
        assert!(Job::new(bytes, None, false).unwrap_err().contains("no UTF-8"));
        let equals = job("/a=b/bgo", None);
        assert!(equals.text(Method::Cron).is_err() && equals.text(Method::Xdg).is_err());
        assert!(equals.text(Method::Systemd).is_ok() && equals.text(Method::Launchd).is_ok());
    }

    #[test]
    fn the_first_difference_is_found() {
        assert_eq!(first_difference("a\nb\n", "a\nc\nd\n"), ("b", "c"));
        assert_eq!(first_difference("a\n", "a\nc\n"), ("", "c"));
        assert_eq!(first_difference("a\n", "a\n"), ("", ""));
    }
}
