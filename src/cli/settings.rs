//! The flags that say how a process is supervised: the same for `start`, the direct forms, `run`, `watch` and `set`.
//!
//! Why it exists: one flag for each setting of `domain::settings`, with the same name. Invariant: a flag that was not
//! given changes nothing.

use crate::domain::duration::Span;
use crate::domain::name::Name;
use crate::domain::raw::Raw;
use crate::domain::settings::{
    Autostart, Change, ExitCodes, OnReadyTimeout, Percent, Restart, RestartLimit, Umask, Variable,
};
use crate::domain::signal::Signal;
use crate::domain::size::Size;
use crate::domain::spec::{FastCrash, Supervision, WatchChange};
use clap::Args;
use std::ffi::OsString;

// The restart policy: what `watch` can change, too.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct RestartFlags {
    /// Upper bound for checks that must poll; exits are noticed at once [default: 3]
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Restart policy")]
    pub interval: Option<Span>,
    /// A death before this is a fast crash [default: 2]
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Restart policy")]
    pub min_uptime: Option<Span>,
    /// After a fast crash: backoff (wait 2, 4, 8 s, then give up), stop, or retry [default: backoff]
    #[arg(long, value_name = "MODE", help_heading = "Restart policy")]
    pub on_fast_crash: Option<FastCrash>,
    /// Exit codes that mean success (128+n: signal n) [default: 0]
    #[arg(long, allow_negative_numbers = true, value_name = "CODES", help_heading = "Restart policy")]
    pub success_exit: Option<ExitCodes>,
    /// Wait after the first fast crash; doubles with each [default: 2s]
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Restart policy")]
    pub backoff: Option<Span>,
    /// Longest wait [default: 8s]
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Restart policy")]
    pub backoff_max: Option<Span>,
    /// Shorten waits at random by up to this share [default: 0%]
    #[arg(long, allow_negative_numbers = true, value_name = "PERCENT", help_heading = "Restart policy")]
    pub backoff_jitter: Option<Percent>,
    /// Give up at this many fast crashes in a row [default: 4]
    #[arg(long, allow_negative_numbers = true, value_name = "N", help_heading = "Restart policy")]
    pub max_fast_crashes: Option<u32>,
    /// Give up at more than N restarts within TIME, for example 10/1m
    #[arg(long, allow_negative_numbers = true, value_name = "N/TIME", help_heading = "Restart policy")]
    pub restart_limit: Option<RestartLimit>,
    /// Restart it, gracefully, after each such time
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Restart policy")]
    pub restart_every: Option<Span>,
}

// All other settings.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct SettingsFlags {
    /// Signal that asks it to end [default: TERM]
    #[arg(long, value_name = "SIGNAL", help_heading = "Stopping")]
    pub stop_signal: Option<Signal>,
    /// Time it then has before SIGKILL [default: 5s]
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Stopping")]
    pub stop_timeout: Option<Span>,
    /// What the restart policy is.
    #[command(flatten)]
    pub restart_flags: RestartFlags,

    /// Ready when a line of its output contains TEXT
    #[arg(long, value_name = "TEXT", group = "readiness", help_heading = "Readiness (one of these)")]
    pub ready_when: Option<String>,
    /// Ready when a line of its output matches
    #[arg(long, value_name = "REGEX", group = "readiness", help_heading = "Readiness (one of these)")]
    pub ready_when_regex: Option<String>,
    /// Ready when it listens on this TCP port of the loopback address
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "PORT",
        group = "readiness",
        help_heading = "Readiness (one of these)"
    )]
    pub ready_when_port: Option<u16>,
    /// Ready when this URL answers with 2xx
    #[arg(long, value_name = "URL", group = "readiness", help_heading = "Readiness (one of these)")]
    pub ready_when_url: Option<String>,
    /// Ready when this file is newer than the start
    #[arg(long, value_name = "PATH", group = "readiness", help_heading = "Readiness (one of these)")]
    pub ready_when_file: Option<OsString>,
    /// Ready when this shell command succeeds
    #[arg(long, value_name = "CMD", group = "readiness", help_heading = "Readiness (one of these)")]
    pub ready_when_cmd: Option<String>,
    /// Ready when it says so by sd_notify
    #[arg(long, group = "readiness", help_heading = "Readiness (one of these)")]
    pub ready_when_notify: bool,
    /// Time it has to get ready; 0: any [default: 60s]
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Readiness (one of these)")]
    pub ready_timeout: Option<Span>,
    /// When that is over: fail (end it) or keep [default: fail]
    #[arg(long, value_name = "ACTION", help_heading = "Readiness (one of these)")]
    pub on_ready_timeout: Option<OnReadyTimeout>,

    /// Healthy while this URL answers with 2xx
    #[arg(long, value_name = "URL", group = "health", help_heading = "Health (checked once it is ready)")]
    pub health_url: Option<String>,
    /// Healthy while this TCP port of the loopback address accepts connections
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "PORT",
        group = "health",
        help_heading = "Health (checked once it is ready)"
    )]
    pub health_port: Option<u16>,
    /// Healthy while this shell command succeeds
    #[arg(long, value_name = "CMD", group = "health", help_heading = "Health (checked once it is ready)")]
    pub health_cmd: Option<String>,
    /// Time between two checks [default: 10s]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "TIME",
        help_heading = "Health (checked once it is ready)"
    )]
    pub health_interval: Option<Span>,
    /// Time a check may take [default: 5s]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "TIME",
        help_heading = "Health (checked once it is ready)"
    )]
    pub health_timeout: Option<Span>,
    /// Failed checks in a row that make it unhealthy [default: 3]
    #[arg(long, allow_negative_numbers = true, value_name = "N", help_heading = "Health (checked once it is ready)")]
    pub health_threshold: Option<u32>,
    /// Time after it is ready without checks [default: 0]
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "TIME",
        help_heading = "Health (checked once it is ready)"
    )]
    pub health_grace: Option<Span>,
    /// It must say WATCHDOG=1 by sd_notify at least this often
    #[arg(
        long,
        allow_negative_numbers = true,
        value_name = "TIME",
        help_heading = "Health (checked once it is ready)"
    )]
    pub watchdog: Option<Span>,

    /// End it when all its processes together use more memory
    #[arg(long, allow_negative_numbers = true, value_name = "SIZE", help_heading = "Limits")]
    pub max_rss: Option<Size>,
    /// End it when it has run this long
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Limits")]
    pub max_runtime: Option<Span>,
    /// Scheduling priority, -20 (first) to 19 (last)
    #[arg(long, allow_negative_numbers = true, value_name = "N", value_parser = clap::value_parser!(i32).range(-20..=19), help_heading = "Limits")]
    pub nice: Option<i32>,
    /// How many files it may have open
    #[arg(long, allow_negative_numbers = true, value_name = "N", help_heading = "Limits")]
    pub limit_nofile: Option<u64>,
    /// File mode creation mask, in octal
    #[arg(long, value_name = "MASK", help_heading = "Limits")]
    pub umask: Option<Umask>,
    /// User to run as (root only)
    #[arg(long, value_name = "NAME", help_heading = "Limits")]
    pub user: Option<String>,

    /// Read variables from this file, .env or .toml, at every start (several: the later wins)
    #[arg(long, value_name = "FILE", help_heading = "Environment (below -e)")]
    pub env_file: Vec<OsString>,
    /// Read .config.toml of its folder in the same way, first
    #[arg(long, help_heading = "Environment (below -e)")]
    pub config_env: bool,
    /// Find a free TCP port, keep it, and pass it in this variable
    #[arg(long, value_name = "VAR", help_heading = "Environment (below -e)")]
    pub allocate_port: Option<Variable>,

    /// Rotate a log beyond this size; 0: never [default: 50M]
    #[arg(long, allow_negative_numbers = true, value_name = "SIZE", help_heading = "Logs")]
    pub log_max_size: Option<Size>,
    /// Rotated files to keep of each log [default: 5]
    #[arg(long, allow_negative_numbers = true, value_name = "N", help_heading = "Logs")]
    pub log_keep: Option<u32>,
    /// Compress rotated files (gzip)
    #[arg(long, help_heading = "Logs")]
    pub log_compress: bool,
    /// Append standard output to this file instead
    #[arg(long, value_name = "PATH", help_heading = "Logs")]
    pub stdout: Option<OsString>,
    /// Append standard error to this file instead
    #[arg(long, value_name = "PATH", help_heading = "Logs")]
    pub stderr: Option<OsString>,
    /// Standard error goes where standard output goes
    #[arg(long, help_heading = "Logs")]
    pub merge_logs: bool,

    /// It is to end by itself: what needs it waits until it has ended well
    #[arg(long, help_heading = "Dependencies")]
    pub oneshot: bool,

    /// Restart it when something in PATH changes [default path: its folder]; may be given several times
    #[arg(
        long,
        value_name = "PATH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ".",
        help_heading = "Restart on changes"
    )]
    pub watch_files: Vec<OsString>,
    /// What in it does not count, as a line of .gitignore, which counts anyway; may be given several times
    #[arg(long, visible_alias = "ignore", value_name = "GLOB", help_heading = "Restart on changes")]
    pub watch_ignore: Vec<String>,
    /// Look every second, for file systems that tell of no changes (network, some containers)
    #[arg(long, visible_alias = "poll", help_heading = "Restart on changes")]
    pub watch_poll: bool,
    /// Send it this signal instead of a restart
    #[arg(long, visible_alias = "signal", value_name = "SIGNAL", help_heading = "Restart on changes")]
    pub watch_signal: Option<Signal>,

    /// Shell command to run after each end; BGO_EXIT_CODE, BGO_SIGNAL and BGO_REASON are set
    #[arg(long, value_name = "CMD", help_heading = "Hooks (30 s each at most)")]
    pub on_exit: Option<String>,
    /// Shell command to run each time it gets ready
    #[arg(long, value_name = "CMD", help_heading = "Hooks (30 s each at most)")]
    pub on_ready: Option<String>,
    /// Shell command to run when it is given up
    #[arg(long, value_name = "CMD", help_heading = "Hooks (30 s each at most)")]
    pub on_errored: Option<String>,
    /// Tell the desktop when it fails, and when it is well again [default of a start: $BGO_NOTIFY]
    #[arg(long, help_heading = "Hooks (30 s each at most)")]
    pub notify: bool,

    /// Whether resurrect starts it: always, unless-stopped or never [default: unless-stopped]
    #[arg(long, value_name = "WHEN", help_heading = "At login")]
    pub autostart: Option<Autostart>,

    /// Give it a pipe as standard input, which bgo send writes to [default: /dev/null]
    #[arg(long, help_heading = "Input")]
    pub stdin: bool,

    /// Group it belongs to [default of a start: $BGO_GROUP]
    #[arg(long, visible_alias = "workspace", value_name = "NAME", help_heading = "Groups")]
    pub group: Option<String>,

    /// Who it belongs to [default of a start: $BGO_OWNER]
    #[arg(long, value_name = "NAME", help_heading = "Ownership")]
    pub owner: Option<String>,
    /// A word to find it by; may be given several times
    #[arg(long, value_name = "TAG", help_heading = "Ownership")]
    pub tag: Vec<String>,
    /// Stop it this long after its start, restarts included
    #[arg(long, allow_negative_numbers = true, value_name = "TIME", help_heading = "Ownership")]
    pub ttl: Option<Span>,
    /// Stop it when this process ends
    #[arg(long, allow_negative_numbers = true, value_name = "PID", help_heading = "Ownership")]
    pub until_pid: Option<u32>,

    /// Put it into a systemd scope of its own, which the end of a login session leaves alone
    #[arg(long, help_heading = "At login")]
    pub scope: bool,

    /// Start it only when NAME is ready; several: once for each, or with commas
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = process_name, help_heading = "Dependencies")]
    pub after: Vec<String>,
    /// Restart it with those
    #[arg(long, help_heading = "Dependencies")]
    pub restart_with_dependency: bool,
}

impl RestartFlags {
    /// What was given; `restart` is the policy that goes with it.
    pub fn supervision(self, restart: Option<Restart>) -> Supervision {
        let watch =
            WatchChange { interval: self.interval, min_uptime: self.min_uptime, on_fast_crash: self.on_fast_crash };
        let settings = Change {
            restart_on: restart.and_then(Restart::ends),
            success_exit: self.success_exit,
            backoff: self.backoff,
            backoff_max: self.backoff_max,
            backoff_jitter: self.backoff_jitter,
            max_fast_crashes: self.max_fast_crashes,
            restart_limit: self.restart_limit.map(Some),
            restart_every: self.restart_every.map(Some),
            ..Change::default()
        };
        Supervision { restart, watch, settings }
    }
}

/// A flag that may be repeated: what was given takes the place of what was.
fn given<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn raws(paths: Vec<OsString>) -> Option<Vec<Raw>> {
    given(paths.into_iter().map(Raw::from).collect())
}

impl SettingsFlags {
    /// What was given; `restart` is the policy that goes with it.
    pub fn supervision(self, restart: Option<Restart>) -> Supervision {
        let policy = self.restart_flags.supervision(restart);
        let settings = Change {
            stop_signal: self.stop_signal,
            stop_timeout: self.stop_timeout,
            ready_when: self.ready_when.map(Some),
            ready_when_regex: self.ready_when_regex.map(Some),
            ready_when_port: self.ready_when_port.map(Some),
            ready_when_url: self.ready_when_url.map(Some),
            ready_when_file: self.ready_when_file.map(|path| Some(Raw::from(path))),
            ready_when_cmd: self.ready_when_cmd.map(Some),
            ready_when_notify: self.ready_when_notify.then_some(true),
            ready_timeout: self.ready_timeout,
            on_ready_timeout: self.on_ready_timeout,
            health_url: self.health_url.map(Some),
            health_port: self.health_port.map(Some),
            health_cmd: self.health_cmd.map(Some),
            health_interval: self.health_interval,
            health_timeout: self.health_timeout,
            health_threshold: self.health_threshold,
            health_grace: self.health_grace,
            watchdog: self.watchdog.map(Some),
            max_rss: self.max_rss.map(Some),
            max_runtime: self.max_runtime.map(Some),
            nice: self.nice.map(Some),
            limit_nofile: self.limit_nofile.map(Some),
            umask: self.umask.map(Some),
            user: self.user.map(Some),
            env_file: raws(self.env_file),
            config_env: self.config_env.then_some(true),
            allocate_port: self.allocate_port.map(Some),
            log_max_size: self.log_max_size,
            log_keep: self.log_keep,
            log_compress: self.log_compress.then_some(true),
            stdout: self.stdout.map(|path| Some(Raw::from(path))),
            stderr: self.stderr.map(|path| Some(Raw::from(path))),
            merge_logs: self.merge_logs.then_some(true),
            oneshot: self.oneshot.then_some(true),
            watch_files: raws(self.watch_files),
            watch_ignore: given(self.watch_ignore),
            watch_poll: self.watch_poll.then_some(true),
            watch_signal: self.watch_signal.map(Some),
            on_exit: self.on_exit.map(Some),
            on_ready: self.on_ready.map(Some),
            on_errored: self.on_errored.map(Some),
            notify: self.notify.then_some(true),
            autostart: self.autostart,
            stdin: self.stdin.then_some(true),
            group: self.group.map(Some),
            after: given(self.after),
            owner: self.owner.map(Some),
            tags: given(self.tag),
            ttl: self.ttl.map(Some),
            until_pid: self.until_pid.map(Some),
            scope: self.scope.then_some(true),
            restart_with_dependency: self.restart_with_dependency.then_some(true),
            ..policy.settings
        };
        Supervision { settings, ..policy }
    }
}

fn process_name(text: &str) -> Result<String, String> {
    Name::parse(text).map(|name| name.as_str().to_owned()).map_err(|why| why.to_string())
}
