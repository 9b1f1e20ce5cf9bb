//! What becomes of each setting in each format.
//!
//! Why it exists: a setting that is lost on the way to another supervisor is found out at night. Invariant: every setting
//! has a row, and a test does not let one be added without somebody deciding about all five formats.

use super::super::settings::Settings;
use super::super::spec::{FastCrash, INTERVAL, MIN_UPTIME};
use super::{Format, Process};
use Fate::{Depends as D, Lost as L, Mapped as M};

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The file says the same.
    Mapped,
    /// The file says it, or there is a note: that depends on its value or on other settings.
    Depends,
    /// There is no counterpart, and this is what to do instead.
    Lost(&'static str),
}

const LOADS: &str = "it would be what the tool reads as variables of a file; put them into a plain .env file";
const FINER: &str = "it goes with a setting that has none";
const PATHS: &str = "a .path unit with PathChanged= can start a unit that restarts it";
const DEVELOP: &str = "docker compose watch, with develop: in the service, does the like";
const REDEPLOY: &str = "deploy anew when something has changed";
const WATCHER: &str = "a tool such as watchexec in front of the command does it";
const RANDOM: &str = "the waits between its attempts have no random part";
const EVERY_END: &str = "it waits after every end, however long it ran";
const NOTHING_POLLED: &str = "nothing is polled";
const CRON: &str = "a timer of its own (cron, a scheduled job) has to do it";
const OWN_WAITS: &str = "it has waits of its own between restarts";
const NO_END: &str = "it never gives up";
const OUTPUT: &str = "what looks at the output has none; --ready-when-cmd, or a check of health, has one";
const NEWER: &str = "a check that the file is there is no check that it is new; use --ready-when-cmd";
const NOTIFY: &str = "nothing there listens for sd_notify; use --ready-when-url, --ready-when-port or --ready-when-cmd";
const NO_READY: &str = "launchd knows of no readiness: what needs it has to try again until it is there";
const NO_CHECK: &str = "WatchdogSec= and sd_notify let the program itself tell that it is well";
const NO_HEALTH: &str = "launchd checks nothing: the program has to end when it is not well";
const ALIVE: &str = "nothing there waits for WATCHDOG=1; use a check of health";
const SHELL_LIMITS: &str = "set it in a script that starts the command (ulimit, umask, nice)";
const HOOK: &str = "a script around the command can do it";
const TELLS: &str = "what watches over the whole (alerts, a monitor) has to tell";
const DESKTOP: &str = "nothing there tells the desktop";
const LEASE: &str = "nothing there runs on a lease: remove it when it has done its work";
const LEASE_TIMER: &str = "RuntimeMaxSec= ends it (without Restart=), or a timer that calls systemctl stop";
const WORDS: &str = "it has no words to find it by";
const JOURNAL: &str = "the journal is limited as a whole, in journald.conf; files need logrotate";
const NEWSYSLOG: &str = "newsyslog rotates files";
const CLUSTER_LOGS: &str = "the kubelet rotates logs: containerLogMaxSize and containerLogMaxFiles";
const CAUGHT: &str = "the output is caught by the runtime: write to a file from within the command";
const NO_LOGIN: &str = "it is part of no login session anyway";
const FIFO: &str = "a .socket unit with ListenFIFO= and StandardInput=socket does it";
const STDIN: &str = "its standard input is /dev/null: let it listen on a socket";

/// For systemd, launchd, compose, nomad and k8s, in this order.
type Row = (&'static str, [Fate; 5]);

const fn all(why: &'static str) -> [Fate; 5] {
    [L(why); 5]
}

/// All settings in the order of their list, and what the restart policy has besides.
pub const FATES: &[Row] = &[
    (
        "stop_signal",
        [M, L("launchd sends SIGTERM in any case"), M, M, L("the signal is that of the image: STOPSIGNAL")],
    ),
    ("stop_timeout", [M; 5]),
    ("restart_on", [M, M, M, D, D]),
    ("success_exit", [D, D, D, D, D]),
    ("backoff", [M, M, L(OWN_WAITS), M, L(OWN_WAITS)]),
    ("backoff_max", [D, L(OWN_WAITS), L(OWN_WAITS), L("the wait stays the same"), L(OWN_WAITS)]),
    (
        "backoff_jitter",
        [L(RANDOM), L(RANDOM), L(RANDOM), L("it has a quarter of the wait as its random part"), L(RANDOM)],
    ),
    ("max_fast_crashes", [M, L(NO_END), D, M, D]),
    ("restart_limit", [M, L(NO_END), L(NO_END), M, L(NO_END)]),
    ("restart_every", [D, L(CRON), L(CRON), L(CRON), L(CRON)]),
    ("ready_when", [L(OUTPUT), L(NO_READY), L(OUTPUT), L(OUTPUT), L(OUTPUT)]),
    ("ready_when_regex", [L(OUTPUT), L(NO_READY), L(OUTPUT), L(OUTPUT), L(OUTPUT)]),
    ("ready_when_port", [M, L(NO_READY), M, M, M]),
    ("ready_when_url", [M, L(NO_READY), M, D, M]),
    ("ready_when_file", [L(NEWER), L(NO_READY), L(NEWER), L(NEWER), L(NEWER)]),
    ("ready_when_cmd", [M, L(NO_READY), M, L("Nomad's own checks are by HTTP and TCP"), M]),
    ("ready_when_notify", [M, L(NO_READY), L(NOTIFY), L(NOTIFY), L(NOTIFY)]),
    ("ready_timeout", [M, L(NO_READY), M, L("update { healthy_deadline } is for deployments"), D]),
    (
        "on_ready_timeout",
        [
            L("when TimeoutStartSec= is over it is ended"),
            L(NO_READY),
            L("what is not healthy in time just stays so"),
            L("what is not healthy in time just stays so"),
            D,
        ],
    ),
    ("health_url", [L(NO_CHECK), L(NO_HEALTH), M, D, M]),
    ("health_port", [L(NO_CHECK), L(NO_HEALTH), M, M, M]),
    ("health_cmd", [L(NO_CHECK), L(NO_HEALTH), M, L("Nomad's own checks are by HTTP and TCP"), M]),
    ("health_interval", [L(FINER), L(FINER), M, M, M]),
    ("health_timeout", [L(FINER), L(FINER), M, M, M]),
    ("health_threshold", [L(FINER), L(FINER), M, M, M]),
    ("health_grace", [L(FINER), L(FINER), M, M, M]),
    ("watchdog", [M, L(ALIVE), L(ALIVE), L(ALIVE), L(ALIVE)]),
    ("max_rss", [M, L("HardResourceLimits limits no resident memory"), M, M, M]),
    ("max_runtime", [M, L(HOOK), L(HOOK), L(HOOK), D]),
    ("nice", [M, M, L(SHELL_LIMITS), M, L(SHELL_LIMITS)]),
    ("limit_nofile", [M, M, M, M, L(SHELL_LIMITS)]),
    ("umask", [M, M, L(SHELL_LIMITS), M, L(SHELL_LIMITS)]),
    ("user", [D, D, M, M, D]),
    ("env_file", [D, L("launchd reads no files of variables: -e passes them one by one"), D, D, D]),
    ("config_env", all(LOADS)),
    ("allocate_port", [D; 5]),
    ("log_max_size", [L(JOURNAL), L(NEWSYSLOG), M, M, L(CLUSTER_LOGS)]),
    ("log_keep", [L(JOURNAL), L(NEWSYSLOG), M, M, L(CLUSTER_LOGS)]),
    ("log_compress", [L(JOURNAL), L(NEWSYSLOG), M, L("Nomad keeps rotated logs as they are"), L(CLUSTER_LOGS)]),
    ("stdout", [M, M, L(CAUGHT), L(CAUGHT), L(CAUGHT)]),
    ("stderr", [M, M, L(CAUGHT), L(CAUGHT), L(CAUGHT)]),
    (
        "merge_logs",
        [
            M,
            M,
            L("docker compose logs shows both together anyway"),
            L("nomad alloc logs shows each by itself"),
            L("kubectl logs shows both together anyway"),
        ],
    ),
    ("after", [D, L("launchd starts all at once: what needs others has to try again"), D, D, D]),
    (
        "restart_with_dependency",
        [D, L(FINER), D, L("restart them together, as a job"), L("kubectl rollout restart is for each")],
    ),
    ("oneshot", [M, L("what needs it cannot wait for its end"), M, M, M]),
    ("watch_files", [L(PATHS), L(WATCHER), L(DEVELOP), L(REDEPLOY), L(REDEPLOY)]),
    ("watch_ignore", all(FINER)),
    ("watch_poll", all(FINER)),
    ("watch_signal", all(FINER)),
    (
        "on_exit",
        [
            M,
            L(HOOK),
            L(HOOK),
            L("a task with lifecycle { hook = \"poststop\" } runs at its end"),
            L("lifecycle.preStop runs before a stop"),
        ],
    ),
    (
        "on_ready",
        [
            M,
            L(HOOK),
            L(HOOK),
            L("a task with lifecycle { hook = \"poststart\" } runs at its start"),
            L("lifecycle.postStart runs at its start"),
        ],
    ),
    ("on_errored", [L("OnFailure=UNIT starts another unit"), L(TELLS), L(TELLS), L(TELLS), L(TELLS)]),
    ("notify", all(DESKTOP)),
    ("autostart", [D; 5]),
    (
        "scope",
        [
            L("loginctl enable-linger lets user units outlive the login"),
            L("agents end with the login; daemons (--system) do not"),
            L(NO_LOGIN),
            L(NO_LOGIN),
            L(NO_LOGIN),
        ],
    ),
    ("stdin", [L(FIFO), L(STDIN), M, L(STDIN), M]),
    ("group", [M, L(WORDS), M, M, M]),
    ("owner", [M, L(WORDS), M, M, M]),
    ("tags", [M, L(WORDS), M, M, M]),
    ("ttl", [L(LEASE_TIMER), L(LEASE), L(LEASE), L(LEASE), L(LEASE)]),
    ("until_pid", all(LEASE)),
    ("interval", all(NOTHING_POLLED)),
    ("min_uptime", [D, L(EVERY_END), L(OWN_WAITS), D, L(OWN_WAITS)]),
    ("on_fast_crash", [M, L(NO_END), L(NO_END), D, L(NO_END)]),
];

/// What becomes of `setting` in `format`; what nobody has decided is lost.
pub fn fate(format: Format, setting: &str) -> Fate {
    let row = FATES.iter().find(|(name, _)| *name == setting);
    row.map_or(L("it has no counterpart"), |(_, fates)| fates[format as usize])
}

/// The settings of `process` that differ from their defaults, as far as they mean anything for it.
pub fn given(process: &Process) -> Vec<&'static str> {
    let differing: Vec<String> =
        process.settings.differing().into_iter().map(|(name, _)| name.replace('-', "_")).collect();
    let defaults = Settings::default();
    let watch = [
        ("interval", process.interval != INTERVAL),
        ("min_uptime", process.min_uptime != MIN_UPTIME),
        ("on_fast_crash", process.on_fast_crash != FastCrash::default()),
    ];
    let is_given = |name: &str| {
        differing.iter().any(|given| given == name) || watch.iter().any(|(own, differs)| *own == name && *differs)
    };
    let means_something = |name: &str| match name {
        "restart_on" | "backoff" | "backoff_max" | "backoff_jitter" | "max_fast_crashes" | "restart_limit"
        | "min_uptime" | "on_fast_crash" => process.restarts,
        "log_keep" | "log_compress" => process.settings.log_max_size != defaults.log_max_size || is_given(name),
        _ => true,
    };
    FATES.iter().map(|(name, _)| *name).filter(|name| is_given(name) && means_something(name)).collect()
}
