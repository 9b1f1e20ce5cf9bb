//! How a process is supervised: everything that can be asked for besides its command.
//!
//! Why it exists: one list of settings for four doors. Flags, `bgo.toml`, JSON payloads and the record's `spec` block
//! have the same names (kebab-case on the command line and in TOML, snake_case in JSON) and the same defaults, because
//! they all come from the one list below. Invariant: a setting that has its default is not written, so records stay
//! small; whatever a newer bgo wrote beside them is kept.

pub use super::check::{HealthCheck, ReadyWhen};
use super::duration::Span;
use super::kind::Kind;
use super::name::Name;
use super::outcome::Outcome;
use super::raw::Raw;
use super::rotation::Rotation;
use super::row::Logs;
use super::signal::Signal;
use super::size::Size;
pub use super::values::{
    Autostart, ExitCodes, OnReadyTimeout, Percent, Restart, RestartLimit, RestartOn, Umask, Variable,
};
use super::word::flaw_of_word;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// Declares [`Settings`], [`Change`] and the names of all settings from one list.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty = $default:expr;)*) => {
        /// The settings of a process, each with its default unless it was given; the record's `spec` block.
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(default)]
        pub struct Settings {
            $($(#[doc = $doc])+ pub $name: $kind,)*
            /// What a newer bgo wrote here; kept when rewriting.
            #[serde(skip)]
            pub extra: Map<String, Value>,
        }

        /// Settings that were given; what is `None` keeps its present value.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Change {
            $($(#[doc = $doc])+ pub $name: Option<$kind>,)*
        }

        /// The names of all settings, as in JSON.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Each setting as an editor is told of it: name (as in JSON), meaning, and JSON Schema of its values.
        pub fn described() -> Vec<(&'static str, &'static str, Value)> {
            vec![$((stringify!($name), concat!($($doc),+).trim_start(), <$kind>::schema()),)*]
        }

        impl Default for Settings {
            fn default() -> Settings {
                Settings { $($name: $default,)* extra: Map::new() }
            }
        }

        impl Settings {
            /// Gives the setting `name` (as in JSON) its default again; `false` if there is none of that name.
            pub fn reset(&mut self, name: &str) -> bool {
                match name {
                    $(stringify!($name) => self.$name = $default,)*
                    _ => return false,
                }
                true
            }

            /// What differs from its default, named as on the command line, as text.
            pub fn differing(&self) -> Vec<(String, String)> {
                let defaults = Settings::default();
                let mut differing = Vec::new();
                $(if self.$name != defaults.$name {
                    differing.push((stringify!($name).replace('_', "-"), self.$name.shown()));
                })*
                differing
            }

            /// Takes over what was given.
            pub fn apply(&mut self, change: &Change) {
                $(if let Some(value) = &change.$name {
                    self.$name = value.clone();
                })*
            }
        }

        impl Change {
            /// Takes `value` for the setting `name` (as in JSON).
            ///
            /// # Errors
            /// What is wrong with it, in words; that there is no setting of that name.
            pub fn take(&mut self, name: &str, value: Value) -> Result<(), String> {
                match name {
                    $(stringify!($name) => self.$name = Some(<$kind>::from_value(value)?),)*
                    _ => return Err("there is no such setting".to_owned()),
                }
                Ok(())
            }

            /// Puts what `other` gives on top of this.
            pub fn overlay(&mut self, other: Change) {
                $(if other.$name.is_some() {
                    self.$name = other.$name;
                })*
            }

            /// Takes the setting `name` (as in JSON) back: it was not given.
            pub fn withdraw(&mut self, name: &str) {
                match name {
                    $(stringify!($name) => self.$name = None,)*
                    _ => {}
                }
            }

            /// The names of what was given, as on the command line, without the dashes in front.
            pub fn names(&self) -> Vec<String> {
                let mut names = Vec::new();
                $(if self.$name.is_some() {
                    names.push(stringify!($name).replace('_', "-"));
                })*
                names
            }
        }

        impl Serialize for Settings {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                let defaults = Settings::default();
                let mut map = s.serialize_map(None)?;
                $(if self.$name != defaults.$name || ALWAYS.contains(&stringify!($name)) {
                    map.serialize_entry(stringify!($name), &self.$name)?;
                })*
                for (name, value) in &self.extra {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    };
}

/// What is written even if it has its default.
const ALWAYS: [&str; 2] = ["stop_signal", "stop_timeout"];

settings! {
    /// The signal that asks it to end. Default SIGTERM.
    stop_signal: Signal = Signal::TERM;
    /// The grace it has before SIGKILL. Default 5 s.
    stop_timeout: Span = Span::secs(5);

    /// Which ends are followed by a restart, while there is a restart policy. Default: all.
    restart_on: RestartOn = RestartOn::Always;
    /// The exit codes that mean success; 128+n stands for signal n. Default 0.
    success_exit: ExitCodes = ExitCodes(vec![0]);
    /// The wait after the first fast crash; it doubles with each further one. Default 2 s.
    backoff: Span = Span::secs(2);
    /// The longest wait between two attempts. Default 8 s.
    backoff_max: Span = Span::secs(8);
    /// By how much a wait may be shortened at random, in percent, so that many processes do not restart at once.
    /// Default 0.
    backoff_jitter: Percent = Percent(0);
    /// The consecutive fast crash that is the last. Default 4.
    max_fast_crashes: u32 = 4;
    /// How many restarts there may be within how long. Default: any number.
    restart_limit: Option<RestartLimit> = None;
    /// A planned restart after each such time of running; not a crash. Default: none.
    restart_every: Option<Span> = None;

    /// Ready when a line of its output contains this text.
    ready_when: Option<String> = None;
    /// Ready when a line of its output matches this regular expression.
    ready_when_regex: Option<String> = None;
    /// Ready when a process of it listens on this TCP port of 127.0.0.1 or ::1.
    ready_when_port: Option<u16> = None;
    /// Ready when a GET of this URL is answered with 2xx.
    ready_when_url: Option<String> = None;
    /// Ready when this file (relative to its folder) is newer than its start.
    ready_when_file: Option<Raw> = None;
    /// Ready when this shell command, run in its folder and environment, exits with 0.
    ready_when_cmd: Option<String> = None;
    /// Ready when it says so by sd_notify (READY=1).
    ready_when_notify: bool = false;
    /// How long it may take to get ready; zero: any time. Default 60 s.
    ready_timeout: Span = Span::secs(60);
    /// What happens when that time is over. Default: it is ended.
    on_ready_timeout: OnReadyTimeout = OnReadyTimeout::Fail;

    /// Healthy while a GET of this URL is answered with 2xx.
    health_url: Option<String> = None;
    /// Healthy while something accepts connections on this TCP port of 127.0.0.1 or ::1.
    health_port: Option<u16> = None;
    /// Healthy while this shell command, run in its folder and environment, exits with 0.
    health_cmd: Option<String> = None;
    /// The time between two health checks. Default 10 s.
    health_interval: Span = Span::secs(10);
    /// How long a check (health or readiness) may take. Default 5 s.
    health_timeout: Span = Span::secs(5);
    /// How many failed health checks in a row make it unhealthy. Default 3.
    health_threshold: u32 = 3;
    /// How long after it is ready no health check is made. Default 0.
    health_grace: Span = Span::secs(0);
    /// It must say by sd_notify (WATCHDOG=1) that it is alive, at least this often. Default: it need not.
    watchdog: Option<Span> = None;

    /// The memory (resident, of all its processes together) above which it is ended.
    max_rss: Option<Size> = None;
    /// How long it may run before it is ended.
    max_runtime: Option<Span> = None;
    /// Its scheduling priority, -20 (first) to 19 (last).
    nice: Option<i32> = None;
    /// How many files it may have open.
    limit_nofile: Option<u64> = None;
    /// Its file mode creation mask.
    umask: Option<Umask> = None;
    /// The user it runs as.
    user: Option<String> = None;

    // Environment
    /// Files of variables (relative to its folder), `.env` or TOML, read at each start. A later one is stronger.
    env_file: Vec<Raw> = Vec::new();
    /// Whether `.config.toml` in its folder is such a file, too: the weakest.
    config_env: bool = false;
    /// The variable by which it is told of a free TCP port, which it keeps.
    allocate_port: Option<Variable> = None;

    /// The size beyond which a log is rotated; 0: never. Default 50 MiB.
    log_max_size: Size = Size(50 << 20);
    /// How many rotated files of each log are kept. Default 5.
    log_keep: u32 = 5;
    /// Whether rotated files are compressed.
    log_compress: bool = false;
    /// The file (relative to its folder) that its standard output is appended to. Default: one in the state folder.
    stdout: Option<Raw> = None;
    /// The same for its standard error.
    stderr: Option<Raw> = None;
    /// Whether its standard error goes where its standard output goes.
    merge_logs: bool = false;

    /// Names of processes that it needs: it is started when they are ready, or have ended well.
    after: Vec<String> = Vec::new();
    /// Whether a restart of one of these restarts it, too.
    restart_with_dependency: bool = false;
    /// It is to end by itself: what needs it waits until it has ended well.
    oneshot: bool = false;

    /// The files and folders (relative to its folder) whose changes restart it. Default: none.
    watch_files: Vec<Raw> = Vec::new();
    /// What in them does not count, as lines of a `.gitignore` in its folder. Default: nothing more.
    watch_ignore: Vec<String> = Vec::new();
    /// Whether they are looked at every second, for file systems that tell of no changes.
    watch_poll: bool = false;
    /// The signal that it is sent instead of a restart when they change. Default: it is restarted.
    watch_signal: Option<Signal> = None;

    /// Shell command to run after each of its ends.
    on_exit: Option<String> = None;
    /// Shell command to run each time it gets ready.
    on_ready: Option<String> = None;
    /// Shell command to run when it is given up.
    on_errored: Option<String> = None;
    /// Whether the desktop tells that it has failed, and that it is well again. Default: what BGO_NOTIFY says.
    notify: bool = false;

    // At login
    /// Whether `resurrect` starts it. Default: unless it was stopped.
    autostart: Autostart = Autostart::UnlessStopped;

    // Input
    /// Whether its standard input is a pipe that `bgo send` writes to. Default: it is /dev/null.
    stdin: bool = false;

    /// The group it belongs to; a name as processes have. Default: none.
    group: Option<String> = None;

    // Ownership and leases
    /// Who it belongs to: who started it, in words of their own. Default: what BGO_OWNER says.
    owner: Option<String> = None;
    /// Words to find it by.
    tags: Vec<String> = Vec::new();
    /// How long it may run in all, from its start by a person or script, restarts included. Default: for ever.
    ttl: Option<Span> = None;
    /// The pid of the process whose end is its end, too.
    until_pid: Option<u32> = None;

    // At login
    /// Whether it is in a systemd scope of its own, which the end of a login session leaves alone.
    scope: bool = false;
}

/// The settings that are ways to tell readiness, of which there can be one; in bgrun's order of precedence.
pub const READINESS: &[&str] = &[
    "ready_when",
    "ready_when_port",
    "ready_when_url",
    "ready_when_file",
    "ready_when_regex",
    "ready_when_cmd",
    "ready_when_notify",
];

/// The settings that are ways to tell health, of which there can be one.
const HEALTH: &[&str] = &["health_url", "health_port", "health_cmd"];

/// The settings that give way to those `given` (named as on the command line): there is one way to tell readiness and one
/// to tell health, and what is given takes the place of what was.
pub fn displaced_by(given: &[String]) -> impl Iterator<Item = &'static str> {
    let is_given = |way: &&str| given.contains(&way.replace('_', "-"));
    let displaced = [READINESS, HEALTH].into_iter().filter(move |ways| ways.iter().any(is_given));
    displaced.flatten().copied()
}

/// What takes effect at the next start of the process only.
const FROM_NEXT_START: [&str; 20] = [
    "env-file",
    "config-env",
    "allocate-port",
    "nice",
    "limit-nofile",
    "umask",
    "user",
    "watchdog",
    "stdout",
    "stderr",
    "merge-logs",
    "stdin",
    "ready-when",
    "ready-when-regex",
    "ready-when-port",
    "ready-when-url",
    "ready-when-file",
    "ready-when-cmd",
    "ready-when-notify",
    "scope",
];

impl Change {
    /// Whether a way to tell readiness was given.
    pub fn awaits_readiness(&self) -> bool {
        let mut settings = Settings::default();
        settings.apply(self);
        settings.ready_when().is_some()
    }
}

impl Settings {
    /// How readiness is found out, if that was asked for.
    pub fn ready_when(&self) -> Option<ReadyWhen<'_>> {
        self.all_ready_when().next()
    }

    fn all_ready_when(&self) -> impl Iterator<Item = ReadyWhen<'_>> {
        [
            self.ready_when.as_deref().map(ReadyWhen::Text),
            self.ready_when_regex.as_deref().map(ReadyWhen::Regex),
            self.ready_when_port.map(ReadyWhen::Port),
            self.ready_when_url.as_deref().map(ReadyWhen::Url),
            self.ready_when_file.as_ref().map(ReadyWhen::File),
            self.ready_when_cmd.as_deref().map(ReadyWhen::Cmd),
            self.ready_when_notify.then_some(ReadyWhen::Notify),
        ]
        .into_iter()
        .flatten()
    }

    /// How health is found out, if that was asked for.
    pub fn health_check(&self) -> Option<HealthCheck<'_>> {
        self.all_health_checks().next()
    }

    fn all_health_checks(&self) -> impl Iterator<Item = HealthCheck<'_>> {
        [
            self.health_url.as_deref().map(HealthCheck::Url),
            self.health_port.map(HealthCheck::Port),
            self.health_cmd.as_deref().map(HealthCheck::Cmd),
        ]
        .into_iter()
        .flatten()
    }

    /// Whether anything was asked for that only a living sidecar can do while the process runs.
    pub fn needs_sidecar(&self) -> bool {
        self.health_check().is_some()
            || [self.max_runtime, self.restart_every, self.watchdog].iter().any(Option::is_some)
            || self.max_rss.is_some()
            || !self.watch_files.is_empty()
            || self.notify
            || [&self.on_exit, &self.on_ready, &self.on_errored].into_iter().any(Option::is_some)
    }

    /// Where the output of a process in the folder `cwd` goes, if the usual files are `usual`.
    pub fn logs(&self, usual: Logs, cwd: &Raw) -> Logs {
        let path =
            |chosen: &Option<Raw>, usual| chosen.as_ref().map_or(usual, |path| cwd.as_path().join(path.as_path()));
        let out = path(&self.stdout, usual.out);
        let err = if self.merge_logs { out.clone() } else { path(&self.stderr, usual.err) };
        Logs { out, err, ..usual }
    }

    /// How its logs are rotated.
    pub fn rotation(&self) -> Rotation {
        Rotation { max_size: self.log_max_size.0, keep: self.log_keep, compress: self.log_compress }
    }

    /// Whether the process is given a socket to notify its sidecar by.
    pub fn uses_notify(&self) -> bool {
        self.ready_when_notify || self.watchdog.is_some()
    }

    /// Whether `outcome` is a success.
    pub fn is_success(&self, outcome: Outcome) -> bool {
        let code = match outcome {
            Outcome::Code(code) => code,
            Outcome::Signal { oom: true, .. } | Outcome::Unknown => return false,
            Outcome::Signal { signal, .. } => 128 + signal.number(),
        };
        u8::try_from(code).is_ok_and(|code| self.success_exit.0.contains(&code))
    }

    /// What does not go together, or means nothing, in words that name the flags.
    pub fn contradiction(&self) -> Option<String> {
        let mut ready = self.all_ready_when();
        if let (Some(one), Some(other)) = (ready.next(), ready.next()) {
            return Some(format!("{one} and {other} exclude each other: one way to tell readiness at most"));
        }
        let mut health = self.all_health_checks();
        if let (Some(one), Some(other)) = (health.next(), health.next()) {
            return Some(format!("{one} and {other} exclude each other: one health check at most"));
        }
        if let (true, Some(ready)) = (self.oneshot, self.ready_when()) {
            return Some(format!(
                "--oneshot and {ready} exclude each other: what needs it waits for its end, or for that"
            ));
        }
        if self.merge_logs && self.stderr.is_some() {
            return Some("--merge-logs and --stderr exclude each other: standard error goes to one place".into());
        }
        let null = Raw::from("/dev/null");
        if self.stdout.as_ref().is_some_and(|stdout| *stdout != null) && self.stdout == self.stderr {
            return Some("--stdout and --stderr name the same file: --merge-logs is for that".into());
        }
        let zero = |span: Span| span.0.is_zero();
        for (flag, wrong) in [
            ("--health-interval", zero(self.health_interval)),
            ("--health-timeout", zero(self.health_timeout)),
            ("--health-threshold", self.health_threshold == 0),
            ("--max-fast-crashes", self.max_fast_crashes == 0),
            ("--watchdog", self.watchdog.is_some_and(zero)),
            ("--max-runtime", self.max_runtime.is_some_and(zero)),
            ("--ttl", self.ttl.is_some_and(|ttl| ttl.0.as_millis() == 0)),
            ("--until-pid", self.until_pid == Some(0)),
            ("--restart-every", self.restart_every.is_some_and(zero)),
            ("--max-rss", self.max_rss == Some(Size(0))),
            ("--ready-when-port", self.ready_when_port == Some(0)),
            ("--health-port", self.health_port == Some(0)),
        ] {
            if wrong {
                return Some(format!("{flag} must be more than 0"));
            }
        }
        if self.nice.is_some_and(|nice| !(-20..=19).contains(&nice)) {
            return Some("--nice must be from -20 to 19".to_owned());
        }
        let nowhere = |path: &Option<Raw>| path.as_ref().is_some_and(|path| path.as_bytes().is_empty());
        let blank = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
        for (flag, wrong) in [
            ("--watch-files", self.watch_files.iter().any(|path| path.as_bytes().is_empty())),
            ("--watch-ignore", self.watch_ignore.iter().any(|line| line.trim().is_empty())),
            ("--user", blank(&self.user)),
            ("--ready-when-cmd", blank(&self.ready_when_cmd)),
            ("--ready-when-file", nowhere(&self.ready_when_file)),
            ("--stdout", nowhere(&self.stdout)),
            ("--stderr", nowhere(&self.stderr)),
            ("--health-cmd", blank(&self.health_cmd)),
            ("--env-file", self.env_file.iter().any(|path| path.as_bytes().is_empty())),
            ("--on-exit", blank(&self.on_exit)),
            ("--on-ready", blank(&self.on_ready)),
            ("--on-errored", blank(&self.on_errored)),
        ] {
            if wrong {
                return Some(format!("{flag} must not be empty"));
            }
        }
        if self.ready_when.as_deref() == Some("") || self.ready_when_regex.as_deref() == Some("") {
            return Some("an empty text to wait for is in every line: give --ready-when something to look for".into());
        }
        let words = self.owner.iter().map(|word| ("--owner", word));
        for (flag, word) in words.chain(self.tags.iter().map(|tag| ("--tag", tag))) {
            if let Some(flaw) = flaw_of_word(word) {
                return Some(format!("{flag} {word:?} {flaw}"));
            }
        }
        let bad =
            |group: &String| Name::parse(group).err().map(|why| format!("--group {group:?} cannot be a group: {why}"));
        self.group.as_ref().and_then(bad)
    }
}

/// Whether a setting, named as on the command line, takes effect at the next start only.
pub fn counts_from_next_start(name: &str) -> bool {
    FROM_NEXT_START.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings with nothing left at its default.
    pub fn all_set() -> Settings {
        Settings {
            stop_signal: Signal::HUP,
            stop_timeout: Span::secs(1),
            restart_on: RestartOn::OnFailure,
            success_exit: ExitCodes(vec![0, 143]),
            backoff: Span::secs(1),
            backoff_max: Span::secs(60),
            backoff_jitter: Percent(20),
            max_fast_crashes: 9,
            restart_limit: Some("10/1m".parse().unwrap()),
            restart_every: Some(Span::secs(3600)),
            ready_when: Some("up".into()),
            ready_when_regex: Some("u.".into()),
            ready_when_port: Some(80),
            ready_when_url: Some("http://localhost/".into()),
            ready_when_file: Some("ready".into()),
            ready_when_cmd: Some("true".into()),
            ready_when_notify: true,
            ready_timeout: Span::secs(5),
            on_ready_timeout: OnReadyTimeout::Keep,
            health_url: Some("http://localhost/".into()),
            health_port: Some(80),
            health_cmd: Some("true".into()),
            health_interval: Span::secs(1),
            health_timeout: Span::secs(1),
            health_threshold: 1,
            health_grace: Span::secs(1),
            watchdog: Some(Span::secs(30)),
            max_rss: Some("500M".parse().unwrap()),
            max_runtime: Some(Span::secs(60)),
            nice: Some(5),
            limit_nofile: Some(1024),
            umask: Some("027".parse().unwrap()),
            user: Some("nobody".into()),
            env_file: vec![".env".into(), "/etc/x.toml".into()],
            config_env: true,
            allocate_port: Some("PORT".parse().unwrap()),
            log_max_size: Size(1 << 20),
            log_keep: 9,
            log_compress: true,
            stdout: Some("out".into()),
            stderr: Some("err".into()),
            merge_logs: true,
            stdin: true,
            oneshot: true,
            watch_files: vec!["src".into()],
            watch_ignore: vec!["*.db".into()],
            watch_poll: true,
            watch_signal: Some(Signal::HUP),
            on_exit: Some("true".into()),
            on_ready: Some("true".into()),
            on_errored: Some("true".into()),
            notify: true,
            autostart: Autostart::Never,
            group: Some("api".into()),
            owner: Some("claude".into()),
            tags: vec!["ci".into()],
            ttl: Some(Span::secs(7200)),
            until_pid: Some(17),
            scope: true,
            after: vec!["db".into(), "cache".into()],
            restart_with_dependency: true,
            extra: Map::new(),
        }
    }

    #[test]
    fn what_is_written_is_read_back_and_defaults_are_not_written() {
        let json = serde_json::to_value(Settings::default()).unwrap();
        assert_eq!(json, serde_json::json!({"stop_signal": "SIGTERM", "stop_timeout": 5}));
        assert_eq!(serde_json::from_value::<Settings>(json).unwrap(), Settings::default());
        let all = all_set();
        let json = serde_json::to_value(&all).unwrap();
        let mut written: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        let mut names = NAMES.to_vec();
        written.sort_unstable();
        names.sort_unstable();
        assert_eq!(written, names, "every setting has a value of its own here");
        assert_eq!(serde_json::from_value::<Settings>(json).unwrap(), all);
    }

    #[test]
    fn what_differs_from_its_default_can_be_shown() {
        assert_eq!(Settings::default().differing(), []);
        let settings = Settings { max_rss: Some(Size(500 << 20)), ready_when_notify: true, ..Settings::default() };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(settings.differing(), [pair("ready-when-notify", "yes"), pair("max-rss", "500M")]);
        let settings = Settings { env_file: vec![".env".into(), "b".into()], ..Settings::default() };
        assert_eq!(settings.differing(), [pair("env-file", ".env, b")]);
    }

    #[test]
    fn a_change_touches_only_what_was_given() {
        let change = Change { backoff: Some(Span::secs(1)), max_rss: Some(None), ..Change::default() };
        assert_eq!(change.names(), ["backoff", "max-rss"]);
        let mut settings = all_set();
        settings.apply(&change);
        assert_eq!(settings, Settings { backoff: Span::secs(1), max_rss: None, ..all_set() });
    }

    #[test]
    fn what_contradicts_itself_is_named() {
        let none = Settings::default();
        assert_eq!(none.contradiction(), None);
        for (settings, named) in [
            (
                Settings { ready_when: Some("x".into()), ready_when_port: Some(1), ..none.clone() },
                "--ready-when-port 1",
            ),
            (Settings { health_port: Some(1), health_cmd: Some("x".into()), ..none.clone() }, "--health-cmd \"x\""),
            (Settings { health_interval: Span::secs(0), ..none.clone() }, "--health-interval"),
            (Settings { max_rss: Some(Size(0)), ..none.clone() }, "--max-rss"),
            (Settings { ready_when: Some(String::new()), ..none.clone() }, "--ready-when"),
            (Settings { on_exit: Some(" ".into()), ..none.clone() }, "--on-exit"),
            (Settings { group: Some("a/b".into()), ..none.clone() }, "--group \"a/b\""),
            (Settings { env_file: vec!["".into()], ..none.clone() }, "--env-file"),
        ] {
            let why = settings.contradiction().unwrap_or_default();
            assert!(why.contains(named), "{named}: {why}");
        }
    }

    #[test]
    fn success_is_what_was_said_to_be() {
        let settings = Settings { success_exit: "0, 3,143".parse().unwrap(), ..Settings::default() };
        let signal = |number, oom| Outcome::Signal { signal: Signal::from_number(number).unwrap(), oom };
        for (outcome, success) in [
            (Outcome::Code(0), true),
            (Outcome::Code(3), true),
            (Outcome::Code(1), false),
            (Outcome::Code(143), true),
            (signal(libc::SIGTERM, false), true),
            (signal(libc::SIGKILL, false), false),
            (signal(libc::SIGTERM, true), false),
            (Outcome::Unknown, false),
        ] {
            assert_eq!(settings.is_success(outcome), success, "{outcome}");
        }
    }
}
