//! The keys of a job.
//!
//! Why it exists: a key is the name of a setting, one of the few things that are no settings, or what another tool
//! calls one of these. Invariant: two spellings of one thing come to one name, so they are known to be the same.

use super::super::kind::Kind;
use super::super::settings;
use super::super::spec::FastCrash;
use super::super::values::Restart;
use serde_json::{Value, json};

/// Keys of a job that are no settings, with what they mean and their schema.
pub(super) fn others() -> Vec<(&'static str, &'static str, Value)> {
    let text = json!({"type": "string"});
    let scalar = json!({"type": ["string", "number", "boolean"]});
    vec![
        (
            "cmd",
            "The command: a text (run by sh -c if it needs a shell, else split as a shell would), or a list of words.",
            json!({"anyOf": [text, {"type": "array", "items": text, "minItems": 1}]}),
        ),
        ("cwd", "The folder to run in, relative to that of this file. Default: that one.", text),
        ("env", "Variables on top of the environment.", json!({"type": "object", "additionalProperties": scalar})),
        ("restart", "Whether it is restarted when it dies. Default: no.", Restart::schema()),
        ("interval", "Upper bound for checks that must poll. Default 3 s.", super::super::duration::Span::schema()),
        ("min-uptime", "A death before this is a fast crash. Default 2 s.", super::super::duration::Span::schema()),
        ("on-fast-crash", "What follows a fast crash. Default: backoff.", FastCrash::schema()),
    ]
}

/// What an alias does to its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nothing.
    Same,
    /// It is a number of mebibytes.
    Mebibytes,
    /// It is a number of milliseconds.
    Millis,
    /// It is how many restarts there may be; ours is the crash that is one too many.
    Retries,
}

/// What bgrun calls things: its key, ours, and what its values are.
pub(super) const ALIASES: [(&str, &str, Unit); 8] = [
    ("workspace", "group", Unit::Same),
    ("max-rss-mb", "max-rss", Unit::Mebibytes),
    ("max-runtime-ms", "max-runtime", Unit::Millis),
    ("backoff-ms", "backoff", Unit::Millis),
    ("max-retries", "max-fast-crashes", Unit::Retries),
    ("health-check-url", "health-url", Unit::Same),
    ("health-check-port", "health-port", Unit::Same),
    ("health-interval-secs", "health-interval", Unit::Same),
];

/// Words that people try, and the key that they mean.
pub(super) const MEANT: [(&str, &str); 10] = [
    ("command", "cmd"),
    ("args", "cmd"),
    ("depends-on", "after"),
    ("requires", "after"),
    ("environment", "env"),
    ("dir", "cwd"),
    ("working-dir", "cwd"),
    ("ignore", "watch-ignore"),
    ("poll", "watch-poll"),
    ("signal", "watch-signal"),
];

/// Keys that mean a terminal.
pub(super) const TERMINAL: [&str; 3] = ["pty", "cols", "rows"];

/// The setting that the key `name` is, as in JSON; `restart-on` is what `restart` comes to, not a key of its own.
pub(super) fn setting(name: &str) -> Option<&'static str> {
    let name = name.replace('-', "_");
    settings::NAMES.iter().copied().find(|known| *known == name && name != "restart_on")
}

/// All keys that a job may have.
pub(super) fn all() -> Vec<String> {
    let settings = settings::NAMES.iter().filter(|name| **name != "restart_on").map(|name| name.replace('_', "-"));
    let others = others().into_iter().map(|(name, ..)| name.to_owned());
    let aliases = ALIASES.iter().map(|(alias, ..)| (*alias).to_owned());
    others.chain(settings).chain(aliases).collect()
}
