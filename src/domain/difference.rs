//! In what a process differs from what a start asks for.
//!
//! Why it exists: `start --if-not-running` is fine with a process that is as it is wanted, and with no other. Invariant:
//! only what the start gives explicitly is compared, beside the command and the folder, which every start gives.

use super::raw::Raw;
use super::record::Record;
use super::secret::masked;
use super::settings::{Restart, RestartOn, displaced_by};
use super::spec::{Spec, Supervision};

/// One thing in which they differ, as a person reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What: `command`, `cwd`, the name of a setting as on the command line, `env KEY`.
    pub what: String,
    /// How it is.
    pub is: String,
    /// How it was asked for.
    pub asked: String,
}

impl std::fmt::Display for Difference {
    /// `max-rss: 500M -> 1G`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} -> {}", self.what, self.is, self.asked)
    }
}

/// What of the process of `record`, for which the variables `set` were set, is not as asked for: command and folder of
/// `spec`, the settings that were `given`, and the variables `asked`.
pub fn differences(
    record: &Record,
    set: &[(Raw, Raw)],
    spec: &Spec,
    given: &Supervision,
    asked: &[(Raw, Raw)],
) -> Vec<Difference> {
    let mut all = Vec::new();
    let mut compare = |what: &str, is: String, asked: String| {
        if is != asked {
            all.push(Difference { what: what.to_owned(), is, asked });
        }
    };
    compare("command", line(&record.command), line(&spec.command));
    compare("cwd", record.cwd.lossy().into_owned(), spec.cwd.lossy().into_owned());
    if let Some(restart) = given.restart {
        compare("restart", policy(record).to_string(), restart.to_string());
    }
    let is = record.watch.clone().unwrap_or_default();
    let mut wanted = is.clone();
    wanted.apply(&given.watch);
    compare("interval", is.interval.to_string(), wanted.interval.to_string());
    compare("min-uptime", is.min_uptime.to_string(), wanted.min_uptime.to_string());
    compare("on-fast-crash", is.on_fast_crash.to_string(), wanted.on_fast_crash.to_string());
    let mut wanted = record.spec.clone();
    displaced_by(&given.settings.names()).for_each(|way| _ = wanted.reset(way));
    wanted.apply(&given.settings);
    let (is, wanted) = (record.spec.differing(), wanted.differing());
    let value = |of: &[(String, String)], name: &str| {
        of.iter().find(|(known, _)| known == name).map_or_else(|| "default".to_owned(), |(_, value)| value.clone())
    };
    let of_wanted = wanted.iter().filter(|(name, _)| is.iter().all(|(known, _)| known != name));
    // What `restart` comes to is told of by that name.
    for (name, _) in is.iter().chain(of_wanted).filter(|(name, _)| name != "restart-on") {
        compare(name, value(&is, name), value(&wanted, name));
    }
    for (at, (key, value)) in asked.iter().enumerate() {
        // Of several of one name the last counts.
        let last = |pairs: &'_ [(Raw, Raw)]| pairs.iter().rposition(|(known, _)| known == key);
        let old = last(set).map(|at| &set[at].1);
        if last(asked) == Some(at) && old != Some(value) {
            let shown = |value: &Raw| masked(key, value).unwrap_or_else(|| value.clone()).lossy().into_owned();
            let (is, asked) = (old.map_or_else(|| "unset".to_owned(), shown), shown(value));
            // That they differ is no secret.
            all.push(Difference { what: format!("env {}", key.lossy()), is, asked });
        }
    }
    all
}

fn line(command: &[Raw]) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-./:,@%+=".contains(c);
    let quoted = |word: &Raw| match word.lossy() {
        word if !word.is_empty() && word.chars().all(is_plain) => word.into_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The restart policy of `record`, as a person names it.
fn policy(record: &Record) -> Restart {
    match (record.is_watched(), record.spec.restart_on) {
        (false, _) => Restart::No,
        (true, RestartOn::OnFailure) => Restart::OnFailure,
        (true, RestartOn::Always) => Restart::Always,
    }
}

#[cfg(test)]
mod tests {
    use super::super::duration::Span;
    use super::super::settings::{Change, Settings};
    use super::super::size::Size;
    use super::super::spec::{FastCrash, WatchChange};
    use super::super::watch::Watch;
    use super::*;

    fn spec(command: &[&str], cwd: &str) -> Spec {
        Spec {
            command: command.iter().map(|&word| word.into()).collect(),
            cwd: cwd.into(),
            settings: Settings::default(),
        }
    }

    /// `sleep 300` in /srv with a limit and a variable, restarted when it fails.
    fn record() -> Record {
        let settings = Settings {
            max_rss: Some(Size(500 << 20)),
            ready_when: Some("up".into()),
            restart_on: RestartOn::OnFailure,
            ..Settings::default()
        };
        let mut record = Record::new("web", Spec { settings, ..spec(&["/bin/sleep", "300"], "/srv") });
        record.watch = Some(Watch::default());
        record
    }

    fn told(spec: &Spec, given: Supervision, asked: &[(&str, &str)]) -> Vec<String> {
        let raw = |pairs: &[(&str, &str)]| -> Vec<(Raw, Raw)> {
            pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect()
        };
        let set = raw(&[("MODE", "a"), ("API_TOKEN", "one")]);
        differences(&record(), &set, spec, &given, &raw(asked)).iter().map(ToString::to_string).collect()
    }

    fn same() -> Spec {
        spec(&["/bin/sleep", "300"], "/srv")
    }

    fn settings(settings: Change) -> Supervision {
        Supervision { settings, ..Supervision::default() }
    }

    #[test]
    fn what_is_left_out_is_no_difference() {
        let nothing: [String; 0] = [];
        assert_eq!(told(&same(), Supervision::default(), &[]), nothing);
        let again = settings(Change { max_rss: Some(Some(Size(500 << 20))), ..Change::default() });
        assert_eq!(told(&same(), again, &[("MODE", "b"), ("MODE", "a"), ("API_TOKEN", "one")]), nothing);
        let policy = Supervision { restart: Some(Restart::OnFailure), ..Supervision::default() };
        assert_eq!(told(&same(), policy, &[]), nothing);
    }

    #[test]
    fn each_difference_is_told_of() {
        let watch = WatchChange { on_fast_crash: Some(FastCrash::Stop), ..WatchChange::default() };
        for (spec, given, asked, expected) in [
            (
                spec(&["/bin/sleep", "30 0"], "/srv"),
                Supervision::default(),
                &[][..],
                "command: /bin/sleep 300 -> /bin/sleep '30 0'",
            ),
            (spec(&["/bin/sleep", "300"], "/opt"), Supervision::default(), &[], "cwd: /srv -> /opt"),
            (
                same(),
                Supervision {
                    restart: Some(Restart::Always),
                    ..settings(Change { restart_on: Some(RestartOn::Always), ..Change::default() })
                },
                &[],
                "restart: on-failure -> always",
            ),
            (
                same(),
                Supervision { restart: Some(Restart::No), ..Supervision::default() },
                &[],
                "restart: on-failure -> no",
            ),
            (same(), Supervision { watch, ..Supervision::default() }, &[], "on-fast-crash: backoff -> stop"),
            (
                same(),
                settings(Change { max_rss: Some(Some(Size(1 << 30))), ..Change::default() }),
                &[],
                "max-rss: 500M -> 1G",
            ),
            (
                same(),
                settings(Change { ttl: Some(Some(Span::secs(60))), ..Change::default() }),
                &[],
                "ttl: default -> 1m",
            ),
            (same(), Supervision::default(), &[("MODE", "b")], "env MODE: a -> b"),
            (same(), Supervision::default(), &[("NEW", "1")], "env NEW: unset -> 1"),
            (same(), Supervision::default(), &[("API_TOKEN", "two")], "env API_TOKEN: *** -> ***"),
        ] {
            assert_eq!(told(&spec, given, asked), [expected]);
        }
    }

    #[test]
    fn another_way_to_tell_readiness_takes_the_place_of_the_first() {
        let port = settings(Change { ready_when_port: Some(Some(80)), ..Change::default() });
        assert_eq!(told(&same(), port, &[]), ["ready-when: up -> default", "ready-when-port: default -> 80"]);
    }
}
