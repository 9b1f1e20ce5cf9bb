//! A file of Docker Compose.
//!
//! Why it exists: see the parent. Invariant: what runs in the container is exactly the command, whatever the image would
//! run by itself: the program is the entrypoint, the arguments are the command. No image is guessed.

use super::super::settings::{Autostart, HealthCheck, ReadyWhen, RestartOn, Settings};
use super::super::signal::Signal;
use super::Span;
use super::job::{Job, KERNEL_LIMIT, Need, Probe, number, span};
use super::node::{Document, Entry, Fields, File, Node, Syntax, fields, texts};

/// What `--ready-timeout 0` comes to: a year. No period at all would be none.
const ANY_TIME: Span = Span::secs(8760 * 3600);

/// The file of all `jobs`.
pub fn file(jobs: &mut [Job<'_>]) -> File {
    let processes = jobs.iter().map(|job| job.of.name.clone()).collect();
    let mut services = Vec::new();
    for job in jobs {
        let value = service(job).into();
        services.push(Entry { comments: job.comments(), key: job.id.clone(), label: None, value });
    }
    let mut map = Fields::default();
    map.put("services", Node::Map(services));
    let documents = vec![Document { comments: Vec::new(), map: map.0 }];
    File { name: "compose.yaml".to_owned(), syntax: Syntax::Yaml, processes, is_private: false, documents }
}

/// A text in which nothing is a variable of Compose's.
fn plain(text: &str) -> Node {
    Node::Text(text.replace('$', "$$"))
}

fn service(job: &mut Job<'_>) -> Fields {
    let settings = job.settings();
    let mut service = Fields::default();
    service.put("image", plain(&job.image));
    // Else it would be process 1, which SIGTERM does not end unless it says so, and which has to reap all others.
    service.put("init", true);
    let mut argv = job.argv.iter().map(|word| plain(word));
    service.put("entrypoint", Node::List(argv.by_ref().take(1).collect()));
    service.put("command", Node::List(argv.collect()));
    service.put("working_dir", plain(&job.cwd));
    job.differs("cwd", "the folder has to be in the image, or in a volume");
    if job.argv.first().is_some_and(|program| program.contains('/')) {
        job.differs("command", "the program has to be in the image, at the same path");
    }
    variables(job, &mut service);
    service.put_some("user", settings.user.as_deref().map(plain));
    needs(job, &mut service);
    health(job, &mut service);
    service.put("restart", restart(job));
    if settings.autostart != Autostart::UnlessStopped {
        job.differs("autostart", "there it goes with the restart policy");
    }
    if settings.stop_signal != Signal::TERM {
        service.put("stop_signal", settings.stop_signal.to_string());
    }
    service.put("stop_grace_period", span(settings.stop_timeout));
    if let Some(size) = settings.max_rss {
        service.put("mem_limit", number(size.0));
        job.differs("max_rss", KERNEL_LIMIT);
    }
    if let Some(files) = settings.limit_nofile {
        service.put("ulimits", fields([("nofile", number(files))]));
    }
    if settings.stdin {
        service.put("stdin_open", true);
    }
    let ports = job.ports();
    if !ports.is_empty() {
        // As before, this machine alone can reach them.
        service.put("ports", texts(ports.iter().map(|port| format!("127.0.0.1:{port}:{port}"))));
        job.differs("command", "in a container it has to listen on 0.0.0.0, not on the loopback address");
    }
    service.put("logging", logging(job));
    service.put_full("labels", words(job));
    service
}

fn words(job: &Job<'_>) -> Fields {
    let mut words = job.words(["bgo.group", "bgo.owner", "bgo.tags"]);
    for entry in &mut words.0 {
        if let Node::Text(text) = &mut entry.value {
            *text = text.replace('$', "$$");
        }
    }
    words
}

fn variables(job: &mut Job<'_>, service: &mut Fields) {
    let mut variables = Fields::default();
    job.env.iter().for_each(|(name, value)| variables.put(name, plain(value)));
    job.secrets.iter().for_each(|name| variables.put(name, Node::Null));
    service.put_full("environment", variables);
    if !job.secrets.is_empty() {
        let secrets = job.secrets.join(", ");
        job.differs(
            "env",
            format!("{secrets}: looks secret, so it is taken from the environment of docker compose up"),
        );
    }
    let files = job.env_files();
    if !files.is_empty() {
        service.put("env_file", Node::List(files.iter().map(|file| plain(file)).collect()));
        job.differs("env_file", "there ${…} in values stands for variables");
    }
}

fn needs(job: &mut Job<'_>, service: &mut Fields) {
    let mut needs = Fields::default();
    for need in job.needs.clone() {
        let mut one = fields([("condition", condition(&need).into())]);
        if job.settings().restart_with_dependency {
            one.put("restart", true);
        }
        if !need.is_oneshot && !need.is_checked {
            let why = format!(
                "{} counts as ready when it has started: it has no check that there is a counterpart of",
                need.id
            );
            job.differs("after", why);
        }
        needs.put(&need.id, one);
        job.differs("after", format!("in a container it is not on localhost: reach it as {}", need.id));
    }
    service.put_full("depends_on", needs);
}

fn condition(need: &Need) -> &'static str {
    match need {
        Need { is_oneshot: true, .. } => "service_completed_successfully",
        Need { is_checked: true, .. } => "service_healthy",
        _ => "service_started",
    }
}

/// There is one check for both; that of health goes on, so it is worth more.
fn health(job: &mut Job<'_>, service: &mut Fields) {
    let settings = job.settings();
    let (health, ready) = (job.health(), job.ready());
    if health.is_some() && ready.is_some() {
        job.differs(
            ready_setting(settings),
            "the check of health tells that, too, in its times: there is one for both",
        );
    }
    let is_health = health.is_some();
    let setting = if is_health { health_setting(settings) } else { ready_setting(settings) };
    let Some(probe) = health.or(ready) else { return };
    let test = match probe {
        Probe::Cmd(cmd) => texts(["CMD-SHELL".to_owned(), cmd.replace('$', "$$")]),
        Probe::Url(_, url) => {
            job.differs(setting, "curl has to be in the image");
            texts(["CMD".to_owned(), "curl".to_owned(), "-fsS".to_owned(), url.replace('$', "$$")])
        }
        Probe::Port(port) => {
            job.differs(setting, "bash has to be in the image");
            texts(["CMD", "bash", "-c", &format!(": </dev/tcp/127.0.0.1/{port}")])
        }
    };
    let mut check = fields([("test", test)]);
    let is_endless = settings.ready_when().is_some() && settings.ready_timeout.0.is_zero();
    if is_health {
        check.put("interval", span(settings.health_interval));
        check.put("retries", i64::from(settings.health_threshold));
        check.put("start_period", span(if is_endless { ANY_TIME } else { job.grace() }));
        if job.of.restarts {
            job.differs(setting, "Docker tells who is unhealthy, and does not restart it");
        }
    } else {
        check.put("interval", "1s");
        check.put("start_period", span(if is_endless { ANY_TIME } else { settings.ready_timeout }));
    }
    check.put("timeout", span(settings.health_timeout));
    service.put("healthcheck", check);
}

/// By which setting it is told that it is ready.
fn ready_setting(settings: &Settings) -> &'static str {
    match settings.ready_when() {
        Some(ReadyWhen::Port(_)) => "ready_when_port",
        Some(ReadyWhen::Url(_)) => "ready_when_url",
        _ => "ready_when_cmd",
    }
}

/// By which setting it is told that it is well.
fn health_setting(settings: &Settings) -> &'static str {
    match settings.health_check() {
        Some(HealthCheck::Url(_)) => "health_url",
        Some(HealthCheck::Port(_)) => "health_port",
        _ => "health_cmd",
    }
}

fn restart(job: &mut Job<'_>) -> String {
    let settings = job.settings();
    if job.restart().is_some() && settings.success_exit.0 != [0] && settings.restart_on == RestartOn::OnFailure {
        job.lost("success_exit", "0 alone is success");
    }
    let tries = |restart: &str| {
        let is_limited = job.of.on_fast_crash == super::FastCrash::Backoff;
        match settings.max_fast_crashes.saturating_sub(1) {
            _ if !is_limited => restart.to_owned(),
            // Not `on-failure:0`, which is for ever.
            0 => "no".to_owned(),
            retries => format!("{restart}:{retries}"),
        }
    };
    match job.restart() {
        None => "no".to_owned(),
        Some(RestartOn::OnFailure) => tries("on-failure"),
        Some(RestartOn::Always) => {
            let restart = if settings.autostart == Autostart::Always { "always" } else { "unless-stopped" };
            if settings.max_fast_crashes != Settings::default().max_fast_crashes {
                job.lost("max_fast_crashes", "it never gives up; on-failure would");
            }
            restart.to_owned()
        }
    }
}

fn logging(job: &Job<'_>) -> Fields {
    let settings = job.settings();
    let mut options = Fields::default();
    if settings.log_max_size.0 > 0 {
        options.put("max-size", settings.log_max_size.0.to_string());
        options.put("max-file", (settings.log_keep.saturating_add(1)).to_string());
        // Docker refuses to compress where there is but one file.
        if settings.log_compress && settings.log_keep > 0 {
            options.put("compress", "true");
        }
    }
    let mut logging = fields([("driver", "json-file".into())]);
    logging.put_full("options", options);
    logging
}
