//! Units of systemd.
//!
//! Why it exists: see the parent. Invariant: a unit means the same to systemd 252 as to a newer one, but for the waits
//! between restarts, which grow from 254 on only; older ones pass over those two lines.

use super::super::settings::{Autostart, RestartOn, Settings};
use super::super::signal::Signal;
use super::super::spec::FastCrash;
use super::job::{Job, KERNEL_LIMIT, Probe, number, shell, span};
use super::node::{Document, Fields, File, Node, Syntax, texts};
use super::{Options, Span};
use crate::error::{Error, ErrorKind, Result};

/// Tries `$0` until it succeeds. A unit that comes after this one waits for that: it is not started before. systemd waits
/// for it even when the process is dead, so it has to look; not by kill -0, which other users' processes refuse.
const UNTIL: &str = "until sh -c \"$0\"; do test -d /proc/\"$MAINPID\" || exit 1; sleep 0.2; done";

/// The same for the URL `$0`, each try as long as `$1`, in seconds.
const UNTIL_ANSWERED: &str = "until curl -fsS -o /dev/null --max-time \"$1\" \"$0\"; \
                              do test -d /proc/\"$MAINPID\" || exit 1; sleep 0.2; done";

const BY_HAND: &str = "restarts by systemctl count, too; systemctl reset-failed forgets them";

/// The signals that systemd takes for a good end unless it is told otherwise.
const GOOD_SIGNALS: [i32; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGPIPE];

/// The unit of `job`.
///
/// # Errors
/// There is no way to write its program down.
pub fn file(job: &mut Job<'_>, options: &Options) -> Result<File> {
    let name = format!("{}.service", job.id);
    if options.units.contains(&name) {
        job.differs("name", format!("this machine has another {name}, which this one would replace"));
    }
    let unit = unit(job);
    let mut service = Fields::default();
    kind(job, &mut service);
    surroundings(job, options, &mut service);
    gate(job, options, &mut service);
    service.put("ExecStart", command(job)?);
    readiness(job, &mut service);
    if let Some(hook) = &job.settings().on_exit {
        // Its failure is no failure of the service.
        service.put("ExecStopPost", texts(["-/bin/sh", "-c", hook]));
        hook_differs(job, "on_exit", hook);
        if job.settings().oneshot {
            job.differs("on_exit", "what has done its work counts as active: it runs at the stop of the unit");
        }
    }
    restarts(job, &mut service);
    stop(job, &mut service);
    output(job, &mut service);
    let mut map = vec![("Unit", unit), ("Service", service)];
    if job.settings().autostart == Autostart::Never {
        job.differs("autostart", "the unit has no [Install]: systemctl start starts it");
    } else {
        let target = if options.system { "multi-user.target" } else { "default.target" };
        let mut install = Fields::default();
        install.put("WantedBy", target);
        map.push(("Install", install));
    }
    if job.settings().autostart == Autostart::UnlessStopped {
        job.differs("autostart", "what is enabled starts with each boot or login; what was stopped, too");
    }
    let mut sections = Fields::default();
    map.into_iter().for_each(|(name, fields)| sections.put(name, fields));
    let document = Document { comments: job.comments(), map: sections.0 };
    Ok(File {
        name,
        syntax: Syntax::Unit,
        processes: vec![job.of.name.clone()],
        is_private: false,
        documents: vec![document],
    })
}

fn unit(job: &mut Job<'_>) -> Fields {
    let mut unit = Fields::default();
    unit.put("Description", job.of.name.as_str());
    let unit_of = |id: &String| format!("{id}.service");
    let units: Vec<String> = job.needs.iter().map(|need| unit_of(&need.id)).collect();
    let all: Vec<String> = units.iter().cloned().chain(job.missing.iter().map(unit_of)).collect();
    if !all.is_empty() {
        unit.put("After", all.join(" "));
    }
    if !units.is_empty() {
        let units = units.join(" ");
        if job.settings().restart_with_dependency {
            unit.put("Requires", units.as_str());
            unit.put("PartOf", units);
        } else {
            // Requires= would stop and restart it with what it needs.
            unit.put("Wants", units);
        }
    }
    if let Some((interval, burst)) = start_limit(job) {
        unit.put("StartLimitIntervalSec", interval);
        unit.put_some("StartLimitBurst", burst.map(|burst| Node::Number(i64::from(burst))));
    }
    // Names that begin with X- are for others than systemd.
    unit.0.extend(job.words(["X-Bgo-Group", "X-Bgo-Owner", "X-Bgo-Tags"]).0);
    unit
}

/// Not before all that it needs is there: by Wants= and After= alone it would be started, too, when that has failed.
fn gate(job: &Job<'_>, options: &Options, service: &mut Fields) {
    if job.settings().restart_with_dependency {
        return;
    }
    let manager = if options.system { "" } else { " --user" };
    let script = format!("exec systemctl{manager} is-active --quiet \"$0\"");
    for need in &job.needs {
        // One line for each: of several it would be enough for is-active that one is.
        service.put("ExecStartPre", shell(&script, &[format!("{}.service", need.id).as_str()]));
    }
}

/// Within which time how many starts are allowed, so that it is given up where bgo would.
fn start_limit(job: &mut Job<'_>) -> Option<(String, Option<u32>)> {
    job.restart()?;
    let (settings, process) = (job.settings(), job.of);
    if let Some(limit) = settings.restart_limit {
        if process.on_fast_crash == FastCrash::Backoff {
            job.differs("max_fast_crashes", "--restart-limit is the only limit there: there is one for both");
        }
        job.differs("restart_limit", BY_HAND);
        // The first start is counted, too.
        return Some((span(limit.within), Some(limit.count.saturating_add(1))));
    }
    match process.on_fast_crash {
        FastCrash::Retry => Some(("0".to_owned(), None)),
        // Whoever is back within this time has crashed fast.
        FastCrash::Stop => {
            job.differs("on_fast_crash", BY_HAND);
            Some((span(process.min_uptime), Some(1)))
        }
        FastCrash::Backoff => {
            job.differs("max_fast_crashes", BY_HAND);
            if settings.backoff_max != Settings::default().backoff_max {
                job.lost("backoff_max", "growing waits would get past the start limit; --on-fast-crash retry has none");
            }
            // Exactly this long take as many starts of what runs just long enough, as the wait stays the same.
            let crashes = settings.max_fast_crashes;
            let each = settings.backoff.0.saturating_add(process.min_uptime.0);
            Some((span(Span(each.saturating_mul(crashes))), Some(crashes)))
        }
    }
}

fn kind(job: &Job<'_>, service: &mut Fields) {
    let settings = job.settings();
    if settings.oneshot {
        service.put("Type", "oneshot");
        // Done is done: what needs it does not make it run again.
        service.put("RemainAfterExit", true);
    } else {
        service.put("Type", if settings.ready_when_notify { "notify" } else { "exec" });
    }
    if settings.uses_notify() {
        // As in bgo, from any process of the service.
        service.put("NotifyAccess", "all");
    }
    service.put_some("WatchdogSec", settings.watchdog.map(span));
}

/// Who it runs as, where, with which variables and limits.
fn surroundings(job: &mut Job<'_>, options: &Options, service: &mut Fields) {
    let settings = job.settings();
    match &settings.user {
        Some(user) if options.system => service.put("User", user.as_str()),
        Some(_) => job.lost("user", "units of a user run as that user: --system makes units with User="),
        None if options.system => service.put_some("User", options.user.as_deref()),
        None => {}
    }
    service.put("WorkingDirectory", path(&job.cwd));
    job.env.iter().for_each(|(name, value)| service.put("Environment", format!("{name}={value}")));
    if !job.secrets.is_empty() {
        let secrets = job.secrets.join(", ");
        job.lost(
            "env",
            format!("{secrets}: left out as secret; put it into a file of mode 600, and add EnvironmentFile="),
        );
    }
    let files = job.env_files();
    if !files.is_empty() && !job.env.is_empty() {
        job.differs("env_file", "there the files are stronger than -e");
    }
    if !files.is_empty() {
        job.differs(
            "env_file",
            "lines with export, and comments behind values, are read otherwise there: look it over",
        );
    }
    for file in files {
        // The name is a pattern.
        let plain = |c: char| if "*?[\\".contains(c) { format!("\\{c}") } else { c.to_string() };
        service.put("EnvironmentFile", file.chars().map(plain).collect::<String>());
    }
    service.put_some("UMask", settings.umask.map(|mask| format!("{:04o}", mask.0)));
    service.put_some("Nice", settings.nice.map(|nice| Node::Number(nice.into())));
    service.put_some("LimitNOFILE", settings.limit_nofile.map(number));
    if let Some(size) = settings.max_rss {
        service.put("MemoryMax", number(size.0));
        job.differs("max_rss", KERNEL_LIMIT);
    }
}

/// A path as a line takes it: what ends in a blank or a backslash would be read as less, or as more.
fn path(path: &str) -> String {
    let is_plain = path == path.trim() && !path.ends_with('\\');
    if is_plain { path.to_owned() } else { format!("{path}/.") }
}

/// The command. systemd takes no quotes or backslashes in the path of a program, and expands nothing in it.
fn command(job: &Job<'_>) -> Result<Node> {
    let Some(program) = job.argv.first().filter(|program| program.starts_with('/')) else {
        return Err(Error::new(ErrorKind::Usage, format!("cannot export \"{}\" as a systemd unit", job.of.name))
            .because("the path of its program is not absolute"));
    };
    if program.chars().any(|c| c.is_control() || "\"'\\$".contains(c)) {
        let argv: Vec<&str> = job.argv.iter().map(String::as_str).collect();
        return Ok(shell("exec \"$0\" \"$@\"", &argv));
    }
    Ok(texts(job.argv.iter().cloned()))
}

fn readiness(job: &mut Job<'_>, service: &mut Fields) {
    let settings = job.settings();
    let longest = span(settings.health_timeout);
    let check = match job.ready() {
        None => None,
        Some(Probe::Cmd(cmd)) => Some(shell(UNTIL, &[cmd.as_str()])),
        Some(Probe::Url(_, url)) => {
            job.differs("ready_when_url", "it is looked at by curl, which has to be there");
            Some(shell(UNTIL_ANSWERED, &[url.as_str(), longest.trim_end_matches(|c: char| !c.is_ascii_digit())]))
        }
        Some(Probe::Port(port)) => {
            job.differs("ready_when_port", "it is looked at by bash, whoever listens there");
            Some(shell(UNTIL, &[format!("exec bash -c ': </dev/tcp/127.0.0.1/{port}' 2>/dev/null").as_str()]))
        }
    };
    let is_awaited = check.is_some() || settings.ready_when_notify;
    service.put_some("ExecStartPost", check);
    match &settings.on_ready {
        Some(hook) if is_awaited => {
            service.put("ExecStartPost", texts(["-/bin/sh", "-c", hook]));
            hook_differs(job, "on_ready", hook);
        }
        Some(_) => job.lost("on_ready", "how it gets ready has none"),
        None => {}
    }
    if settings.oneshot {
        service.put_some("TimeoutStartSec", settings.max_runtime.map(span));
    } else if is_awaited || settings.ready_timeout != Settings::default().ready_timeout {
        let timeout = settings.ready_timeout;
        service.put("TimeoutStartSec", if timeout.0.is_zero() { "infinity".to_owned() } else { span(timeout) });
    }
}

fn hook_differs(job: &mut Job<'_>, setting: &'static str, hook: &str) {
    if hook.contains("BGO_") {
        job.differs(setting, "it is told by SERVICE_RESULT, EXIT_CODE and EXIT_STATUS, not by BGO_ variables");
    }
}

fn restarts(job: &mut Job<'_>, service: &mut Fields) {
    let settings = job.settings();
    if let Some(ends) = job.restart() {
        service.put("Restart", if ends == RestartOn::Always { "always" } else { "on-failure" });
        if job.of.on_fast_crash == FastCrash::Stop && settings.restart_limit.is_none() {
            service.put("RestartSec", 0);
        } else {
            service.put("RestartSec", span(settings.backoff));
            let doublings = doublings(settings);
            let is_steady = job.of.on_fast_crash == FastCrash::Backoff && settings.restart_limit.is_none();
            if doublings > 0 && !is_steady {
                service.put("RestartSteps", doublings);
                service.put("RestartMaxDelaySec", span(settings.backoff_max));
            }
        }
        if job.of.min_uptime != super::MIN_UPTIME {
            job.differs("min_uptime", "it waits after every end, however long it ran");
        }
        statuses(job, ends, service);
    } else if settings.success_exit.0 != [0] {
        service.put("SuccessExitStatus", codes(&settings.success_exit.0));
    }
    let planned = settings.restart_every.filter(|_| job.of.restarts && settings.max_runtime.is_none());
    if planned.is_none() && settings.restart_every.is_some() {
        job.lost("restart_every", "a timer unit that calls systemctl restart does it");
    } else if planned.is_some() {
        job.differs("restart_every", "it counts as a failure, and waits as long as one");
    }
    if !settings.oneshot {
        service.put_some("RuntimeMaxSec", settings.max_runtime.or(planned).map(span));
    }
}

/// How often the first wait doubles until it is the longest.
fn doublings(settings: &Settings) -> i64 {
    if settings.backoff.0.is_zero() {
        return 0;
    }
    (0..32).take_while(|n| settings.backoff.0.saturating_mul(1 << n) < settings.backoff_max.0).count() as i64
}

fn statuses(job: &mut Job<'_>, ends: RestartOn, service: &mut Fields) {
    let good = &job.settings().success_exit.0;
    if good.as_slice() != [0] {
        service.put("SuccessExitStatus", codes(good));
    }
    if ends == RestartOn::OnFailure {
        let is_bad = |signal: &i32| !good.iter().any(|code| i32::from(*code) == 128 + signal);
        let bad = GOOD_SIGNALS.into_iter().filter(is_bad).filter_map(Signal::from_number);
        let bad: Vec<String> = bad.map(|signal| signal.to_string()).collect();
        if job.settings().oneshot {
            // systemd refuses a unit that says so of what is to end.
            job.differs("restart_on", "an end by SIGHUP, SIGINT, SIGTERM or SIGPIPE is success");
        } else if !bad.is_empty() {
            service.put("RestartForceExitStatus", bad.join(" "));
        }
    }
}

/// Exit codes, and the signals that are meant by those from 129 on.
fn codes(codes: &[u8]) -> String {
    let known = |code: u8| {
        let signal = Signal::from_number(i32::from(code) - 128).map(|signal| signal.to_string());
        signal.filter(|name| name.chars().all(char::is_alphabetic))
    };
    let all = codes.iter().filter(|code| **code != 0).flat_map(|&code| [Some(code.to_string()), known(code)]);
    all.flatten().collect::<Vec<_>>().join(" ")
}

fn stop(job: &Job<'_>, service: &mut Fields) {
    let settings = job.settings();
    if settings.stop_signal != Signal::TERM {
        let name = settings.stop_signal.to_string();
        let is_named = name.chars().all(|c| c.is_alphabetic()) || name == "SIGUSR1" || name == "SIGUSR2";
        service.put("KillSignal", if is_named { name } else { settings.stop_signal.number().to_string() });
    }
    // Zero would be: for ever.
    let timeout = if settings.stop_timeout.0.is_zero() { "1ms".to_owned() } else { span(settings.stop_timeout) };
    service.put("TimeoutStopSec", timeout);
}

fn output(job: &Job<'_>, service: &mut Fields) {
    let settings = job.settings();
    let append = |file: &super::Raw| {
        let path = path(&job.path(file));
        if path == "/dev/null" { "null".to_owned() } else { format!("append:{path}") }
    };
    service.put_some("StandardOutput", settings.stdout.as_ref().map(append));
    let stderr = settings.stderr.as_ref().map(append);
    let journal = settings.stdout.is_some().then(|| "journal".to_owned());
    let merged = settings.merge_logs.then(|| "inherit".to_owned());
    service.put_some("StandardError", merged.or(stderr).or(journal));
}

impl From<i32> for Node {
    fn from(number: i32) -> Node {
        Node::Number(number.into())
    }
}
