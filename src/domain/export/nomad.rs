//! A job of Nomad.
//!
//! Why it exists: see the parent. Invariants: what runs on stays in one job of type service, what is to end and nobody
//! needs in another of type batch, as the type is that of a job; what belongs together by `after` is one group, so that
//! it is on one machine, as it was. A group has a main task, and none of them is to end: with its main tasks a group ends.
//!
//! A task's folder, mask and priority are set by a shell in front of the command: not all versions and drivers know them.

use super::super::settings::{Autostart, RestartOn, Settings};
use super::super::signal::Signal;
use super::super::spec::FastCrash;
use super::job::{Job, KERNEL_LIMIT, Probe, is_local, number, span};
use super::names::names;
use super::node::{Document, Entry, Fields, File, Map, Syntax, fields, texts};
use super::{Format, Options, Span};
use crate::domain::order::sort;
use std::time::Duration;

const REPLACED: &str = "Nomad replaces a ${…} that is the name of a variable of the task or of the node when it runs";

/// The files of all `jobs`.
pub fn files(jobs: &mut [Job<'_>], options: &Options) -> Vec<File> {
    if options.driver == "raw_exec"
        && let Some(first) = jobs.first_mut()
    {
        let why =
            "raw_exec is off unless the client's configuration has plugin \"raw_exec\" { config { enabled = true } }";
        first.differs("command", why);
    }
    let groups = groups(jobs);
    let is_batch = |jobs: &[Job<'_>], group: &Vec<usize>| group.iter().all(|&index| jobs[index].settings().oneshot);
    let name = names(Format::Nomad, &[&options.name]).concat();
    let mut files = Vec::new();
    for (name, kind, wants_batch) in [(name.clone(), "service", false), (format!("{name}-batch"), "batch", true)] {
        let chosen: Vec<&Vec<usize>> = groups.iter().filter(|group| is_batch(jobs, group) == wants_batch).collect();
        if chosen.is_empty() {
            continue;
        }
        let mut job = fields([("type", kind.into())]);
        let mut processes = Vec::new();
        for group in chosen {
            let id = jobs[*group.last().unwrap_or(&0)].id.clone();
            let block = self::group(jobs, group, options);
            processes.extend(group.iter().map(|&index| jobs[index].of.name.clone()));
            job.block("group", &id, Vec::new(), block);
        }
        let mut map = Fields::default();
        map.block("job", &name, Vec::new(), job);
        let documents = vec![Document { comments: Vec::new(), map: map.0 }];
        files.push(File {
            name: format!("{name}.nomad.hcl"),
            syntax: Syntax::Hcl,
            processes,
            is_private: false,
            documents,
        });
    }
    files
}

/// Those that belong together by what they need, each in the order of the export.
fn groups(jobs: &[Job<'_>]) -> Vec<Vec<usize>> {
    let mut group: Vec<usize> = (0..jobs.len()).collect();
    for (index, job) in jobs.iter().enumerate() {
        for need in &job.needs {
            let Some(other) = jobs.iter().position(|other| other.id == need.id) else { continue };
            let (one, other) = (group[index], group[other]);
            group.iter_mut().filter(|of| **of == other).for_each(|of| *of = one);
        }
    }
    let mut found: Vec<(usize, Vec<usize>)> = Vec::new();
    for (index, of) in group.into_iter().enumerate() {
        match found.iter_mut().find(|(known, _)| *known == of) {
            Some((_, members)) => members.push(index),
            None => found.push((of, vec![index])),
        }
    }
    found.into_iter().map(|(_, members)| members).collect()
}

fn group(jobs: &mut [Job<'_>], members: &[usize], options: &Options) -> Fields {
    // Who has given up on this machine does not go on on another.
    let mut group = Fields::default();
    group.put("reschedule", fields([("attempts", 0_i64.into()), ("unlimited", false.into())]));
    let mut ports: Vec<u16> = members.iter().flat_map(|&index| jobs[index].ports()).collect();
    sort(&mut ports);
    ports.dedup();
    // Nomad refuses a task whose logs may fill the disk of the group.
    let disk = members.iter().map(|&index| log_mib(jobs[index].settings())).fold(100, u64::saturating_add);
    group.put("ephemeral_disk", fields([("size", number(disk))]));
    if !ports.is_empty() {
        let mut network = Fields::default();
        for port in ports {
            network.block("port", &format!("p{port}"), Vec::new(), fields([("static", port.into())]));
        }
        group.put("network", network);
    }
    let staying = staying(jobs, members);
    for &index in members {
        let step = match is_needed(jobs, &staying, &jobs[index]) {
            true => Step::First,
            false if staying.contains(&index) => Step::Main,
            false => Step::Last,
        };
        let job = &mut jobs[index];
        if members.len() > 1 && job.restart().is_none() {
            let end = if job.settings().oneshot { "failure" } else { "end" };
            job.differs("restart", format!("its {end} ends the whole group"));
        }
        let task = task(job, step, options);
        group.block("task", &job.id, job.comments(), task);
    }
    group
}

/// When a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Before those that need it.
    First,
    /// The group lives as long as it.
    Main,
    /// When the main tasks have started.
    Last,
}

/// Those of `members` that stay, and what they need, by whatever is between them; if all are to end, all of them.
fn staying(jobs: &[Job<'_>], members: &[usize]) -> Vec<usize> {
    let mut staying: Vec<usize> = members.iter().copied().filter(|&index| !jobs[index].settings().oneshot).collect();
    if staying.is_empty() {
        return members.to_vec();
    }
    while let Some(&more) =
        members.iter().find(|index| !staying.contains(index) && is_needed(jobs, &staying, &jobs[**index]))
    {
        staying.push(more);
    }
    staying
}

fn is_needed(jobs: &[Job<'_>], by: &[usize], job: &Job<'_>) -> bool {
    by.iter().any(|&other| jobs[other].needs.iter().any(|need| need.id == job.id))
}

/// How much the logs of a task may take, in MiB, by those limits that are written or Nomad's own.
fn log_mib(settings: &Settings) -> u64 {
    match settings.log_max_size.0 {
        0 => 100,
        size => size.div_ceil(1 << 20).saturating_mul(u64::from(settings.log_keep) + 1),
    }
}

fn task(job: &mut Job<'_>, step: Step, options: &Options) -> Fields {
    let settings = job.settings();
    let mut task = fields([("driver", options.driver.as_str().into())]);
    // As whom the agent runs (mostly root) is no matter of the process.
    let is_raw = options.driver == "raw_exec";
    task.put_some("user", settings.user.clone().or_else(|| options.user.clone().filter(|_| is_raw)));
    lifecycle(job, step, &mut task);
    task.put("config", command(job));
    variables(job, &mut task);
    if let Some(size) = settings.max_rss {
        task.put("resources", fields([("memory", number(size.0.div_ceil(1 << 20).max(10)))]));
        job.differs(
            "max_rss",
            if is_raw { "raw_exec only reserves it; --driver exec limits it" } else { KERNEL_LIMIT },
        );
    }
    task.put("restart", restart(job));
    task.put("kill_timeout", span(settings.stop_timeout));
    if settings.stop_timeout > Span::secs(30) {
        job.differs("stop_timeout", "the client caps it at its max_kill_timeout, which is 30s unless it is configured");
    }
    if settings.stop_signal != Signal::TERM {
        task.put("kill_signal", settings.stop_signal.to_string());
    }
    if settings.log_max_size.0 > 0 {
        let size = number(settings.log_max_size.0.div_ceil(1 << 20));
        task.put(
            "logs",
            fields([("max_files", i64::from(settings.log_keep.saturating_add(1)).into()), ("max_file_size", size)]),
        );
    }
    services(job, &mut task);
    task.put_full("meta", job.words(["bgo_group", "bgo_owner", "bgo_tags"]));
    if settings.autostart != Autostart::UnlessStopped {
        job.differs("autostart", "what was submitted runs until nomad job stop");
    }
    task
}

fn lifecycle(job: &mut Job<'_>, step: Step, task: &mut Fields) {
    let hook = match step {
        Step::First => Some("prestart"),
        Step::Main => None,
        Step::Last => Some("poststart"),
    };
    if let Some(hook) = hook {
        let is_long = !job.settings().oneshot;
        task.put("lifecycle", fields([("hook", hook.into()), ("sidecar", is_long.into())]));
    }
    if step == Step::First && !job.needs.is_empty() {
        job.differs("after", "what is needed starts at once with what that needs: tasks have one step before others");
    } else if job.needs.iter().any(|need| !need.is_oneshot) {
        job.differs("after", "it starts when what it needs has started, ready or not");
    }
}

fn command(job: &mut Job<'_>) -> Fields {
    let settings = job.settings();
    let mut script = String::new();
    if let Some(files) = settings.limit_nofile {
        script.push_str(&format!("ulimit -n {files} && "));
    }
    if let Some(mask) = settings.umask {
        script.push_str(&format!("umask {mask} && "));
    }
    script.push_str("cd \"$0\" && exec ");
    if let Some(nice) = settings.nice {
        script.push_str(&format!("nice -n {nice} "));
    }
    script.push_str("\"$@\"");
    let arguments = ["-c", &script, &job.cwd].into_iter().chain(job.argv.iter().map(String::as_str));
    let config = fields([("command", "/bin/sh".into()), ("args", texts(arguments))]);
    if job.argv.iter().chain([&job.cwd]).any(|word| word.contains("${")) {
        job.differs("command", REPLACED);
    }
    config
}

fn variables(job: &mut Job<'_>, task: &mut Fields) {
    let mut variables = Fields::default();
    for (name, value) in job.env.clone() {
        if name.contains('.') || name.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            job.lost("env", format!("{name}: left out, as it is no name in HCL"));
        } else {
            if value.contains("${") {
                job.differs("env", REPLACED);
            }
            variables.put(&name, value);
        }
    }
    task.put_full("env", variables);
    if !job.secrets.is_empty() {
        let secrets = job.secrets.join(", ");
        job.lost(
            "env",
            format!("{secrets}: left out as secret; a template block with env = true takes it from a Nomad variable"),
        );
    }
    let files = job.env_files();
    if !files.is_empty() {
        job.lost("env_file", format!("{}: a template block with env = true reads such a file", files.join(", ")));
    }
}

fn restart(job: &mut Job<'_>) -> Fields {
    let settings = job.settings();
    let Some(ends) = job.restart() else {
        return fields([("attempts", 0_i64.into()), ("mode", "fail".into())]);
    };
    if ends == RestartOn::OnFailure && !settings.oneshot {
        job.differs("restart_on", "a job of type service is restarted after success, too");
    }
    if settings.success_exit.0 != [0] {
        job.lost("success_exit", "0 alone is success");
    }
    let (attempts, within) = match (settings.restart_limit, job.of.on_fast_crash) {
        (Some(limit), _) => (limit.count, limit.within),
        (None, FastCrash::Stop) => (0, job.of.min_uptime),
        (None, _) => {
            let crashes = settings.max_fast_crashes;
            let each = settings.backoff.0.saturating_add(job.of.min_uptime.0);
            // Nomad refuses to go on for ever by attempts of none.
            let least = u32::from(job.of.on_fast_crash == FastCrash::Retry);
            (crashes.saturating_sub(1).max(least), Span(each.saturating_mul(crashes)))
        }
    };
    if job.of.on_fast_crash == FastCrash::Stop && settings.restart_limit.is_none() {
        job.differs("on_fast_crash", "it gives up at the first end, however long it ran");
    }
    // Nomad takes no interval of less than five seconds.
    let within = within.max(Span::secs(5));
    let for_ever = settings.restart_limit.is_none() && job.of.on_fast_crash == FastCrash::Retry;
    // Nor as many attempts as do not fit into the interval with their waits.
    let longest = Span(within.0 / attempts.max(1));
    if settings.backoff > longest {
        job.differs("backoff", format!("its waits have to fit into the interval: {}", span(longest)));
    }
    let wait = settings.backoff.min(longest).max(Span(Duration::from_millis(1)));
    fields([
        ("attempts", i64::from(attempts).into()),
        ("interval", span(within).into()),
        ("delay", span(wait).into()),
        ("mode", if for_ever { "delay" } else { "fail" }.into()),
    ])
}

/// A service for its ports, with the checks that Nomad makes.
fn services(job: &mut Job<'_>, task: &mut Fields) {
    let checks = [(job.ready(), "ready", "ready_when_url"), (job.health(), "health", "health_url")];
    let mut by_port: Vec<(u16, Map)> = job.ports().into_iter().map(|port| (port, Map::new())).collect();
    for (probe, name, setting) in checks {
        let (port, mut check) = match probe {
            Some(Probe::Port(port)) => (port, fields([("type", "tcp".into())])),
            Some(Probe::Url(url, _)) if is_local(&url.host) => {
                (url.port, fields([("type", "http".into()), ("path", url.target.into())]))
            }
            Some(Probe::Url(..)) => {
                job.lost(setting, "a check is of a port of the job itself");
                continue;
            }
            _ => continue,
        };
        let settings = job.settings();
        check.0.insert(0, Entry { comments: Vec::new(), key: "name".to_owned(), label: None, value: name.into() });
        let interval = if name == "health" { settings.health_interval } else { Span::secs(1) };
        // Nomad takes no interval of less than a second.
        check.put("interval", span(interval.max(Span::secs(1))));
        check.put("timeout", span(settings.health_timeout.max(Span::secs(1))));
        // It ends what is not well, which bgo does only where that is restarted.
        if name == "health" && job.of.restarts {
            let limits = [("limit", i64::from(settings.health_threshold).into()), ("grace", span(job.grace()).into())];
            check.put("check_restart", fields(limits));
        }
        if let Some((_, checks)) = by_port.iter_mut().find(|(of, _)| *of == port) {
            checks.push(Entry { comments: Vec::new(), key: "check".to_owned(), label: None, value: check.into() });
        }
    }
    for (index, (port, checks)) in by_port.into_iter().enumerate() {
        let id = job.id.replace('_', "-");
        let name = if index == 0 { id } else { format!("{id}-{port}") };
        let mut service =
            fields([("name", name.into()), ("provider", "nomad".into()), ("port", format!("p{port}").into())]);
        service.0.extend(checks);
        task.put("service", service);
    }
}
