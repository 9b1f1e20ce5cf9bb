//! Property lists of launchd.
//!
//! Why it exists: see the parent. Invariant: launchd knows neither readiness nor order, so what depends on them is noted,
//! never imitated.

use super::super::settings::{Autostart, RestartOn};
use super::job::{Job, number, secs};
use super::node::{Document, Fields, File, Node, Syntax, fields, texts};
use super::{Options, Raw};

/// The property list of `job`.
pub fn file(job: &mut Job<'_>, options: &Options) -> File {
    let settings = job.settings();
    let label = format!("bgo.{}", job.id);
    let mut list = Fields::default();
    list.put("Label", label.as_str());
    match &settings.user {
        Some(user) if options.system => list.put("UserName", user.as_str()),
        Some(_) => job.lost("user", "agents of a user run as that user: --system makes daemons with UserName"),
        None if options.system => list.put_some("UserName", options.user.as_deref()),
        None => {}
    }
    list.put("ProgramArguments", texts(job.argv.iter().cloned()));
    list.put("WorkingDirectory", job.cwd.as_str());
    variables(job, &mut list);
    let is_started = settings.autostart != Autostart::Never;
    list.put("RunAtLoad", is_started);
    if settings.autostart != Autostart::UnlessStopped {
        job.differs("autostart", "it says whether the list is to be started when it is loaded");
    }
    keep_alive(job, is_started, &mut list);
    // Zero would be: for ever.
    list.put("ExitTimeOut", secs(settings.stop_timeout).max(1));
    list.put_some("Nice", settings.nice.map(|nice| Node::Number(nice.into())));
    list.put_some("Umask", settings.umask.map(|mask| Node::Number(mask.0.into())));
    if let Some(files) = settings.limit_nofile {
        list.put("SoftResourceLimits", fields([("NumberOfFiles", number(files))]));
        list.put("HardResourceLimits", fields([("NumberOfFiles", number(files))]));
    }
    let path = |file: &Raw| job.path(file);
    let (stdout, stderr) = (settings.stdout.as_ref().map(path), settings.stderr.as_ref().map(path));
    let merged = settings.merge_logs.then(|| stdout.clone()).flatten();
    list.put_some("StandardErrorPath", merged.or(stderr));
    list.put_some("StandardOutPath", stdout);
    if settings.merge_logs && settings.stdout.is_none() {
        job.differs("merge_logs", "output goes nowhere unless --stdout names a file");
    } else if settings.stdout.is_none() && settings.stderr.is_none() {
        job.differs("stdout", "output goes nowhere unless --stdout names a file");
    }
    let document = Document { comments: job.comments(), map: list.0 };
    let name = format!("{label}.plist");
    File {
        name,
        syntax: Syntax::Plist,
        processes: vec![job.of.name.clone()],
        is_private: false,
        documents: vec![document],
    }
}

fn variables(job: &mut Job<'_>, list: &mut Fields) {
    let mut variables = Fields::default();
    job.env.iter().for_each(|(name, value)| variables.put(name, value.as_str()));
    list.put_full("EnvironmentVariables", variables);
    if !job.secrets.is_empty() {
        let secrets = job.secrets.join(", ");
        job.lost("env", format!("{secrets}: left out as secret; let a script read it from a file of mode 600"));
    }
}

fn keep_alive(job: &mut Job<'_>, is_started: bool, list: &mut Fields) {
    let Some(ends) = job.restart() else { return };
    match ends {
        RestartOn::Always if is_started => list.put("KeepAlive", true),
        // By themselves `true` and SuccessfulExit would start it, too.
        RestartOn::Always => list.put("KeepAlive", fields([("AfterInitialDemand", true.into())])),
        RestartOn::OnFailure => {
            let mut when = fields([("SuccessfulExit", false.into())]);
            when.put_some("AfterInitialDemand", (!is_started).then_some(true));
            list.put("KeepAlive", when);
        }
    }
    if job.settings().success_exit.0 != [0] {
        job.lost("success_exit", "0 alone is success");
    }
    list.put("ThrottleInterval", secs(job.settings().backoff).max(1));
}
