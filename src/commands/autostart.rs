//! `autostart`: what runs bgo at login.

use super::output::Output;
use super::watch;
use crate::cli::{AutostartAction, AutostartArgs};
use crate::domain::finding::{Finding, Severity};
use crate::domain::login::Method;
use crate::domain::settings::Change;
use crate::domain::spec::Supervision;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::login::{Entry, EntryState, Plan, install, look, plan, uninstall};
use crate::ops::{Bgo, FileDone};
use crate::view::json_autostart::{AutostartPlace, AutostartReply, AutostartState};

/// Installs, removes or checks it; or sets what becomes of processes.
pub fn run(bgo: &Bgo, args: AutostartArgs, out: &Output) -> Result<ExitCode> {
    let usage = |what: &str| Err(Error::new(ErrorKind::Usage, what).hint("bgo help autostart"));
    match args.action {
        AutostartAction::Set => return set(bgo, args, out),
        _ if !args.words.is_empty() => return usage("names go with set only: bgo autostart set NAME POLICY"),
        action if args.print && action != AutostartAction::Install => return usage("--print goes with install only"),
        AutostartAction::Status if args.method.is_some() || args.force => {
            return usage("status looks at all there is, and takes no --method or --force");
        }
        _ => {}
    }
    match args.action {
        AutostartAction::Install if args.print => print(&plan(bgo, args.method)?, out),
        AutostartAction::Install => install_plan(bgo, &plan(bgo, args.method)?, args.force, out),
        AutostartAction::Uninstall => remove(&args, out),
        _ => status(bgo, out),
    }
}

fn print(plan: &Plan, out: &Output) -> Result<ExitCode> {
    if out.is_json() {
        let place = AutostartPlace { text: Some(plan.text.clone()), ..place(plan, AutostartState::Printed, None) };
        let why = Some(plan.why.clone());
        out.document(AutostartReply { ok: true, why, places: vec![place], findings: &plan.doubts }.to_json());
        return Ok(ExitCode::Done);
    }
    out.print(&plan.text);
    if !plan.text.ends_with('\n') {
        out.print("\n");
    }
    out.note(&format!("bgo: this would be in {} ({}: {})", plan.target, plan.method, plan.why));
    plan.doubts.iter().for_each(|finding| note(finding, out));
    Ok(ExitCode::Done)
}

fn place(plan: &Plan, state: AutostartState, enabled: Option<bool>) -> AutostartPlace {
    AutostartPlace { method: plan.method, target: plan.target.clone(), state, enabled, text: None }
}

fn install_plan(bgo: &Bgo, plan: &Plan, force: bool, out: &Output) -> Result<ExitCode> {
    let installed = out.awaiting("installing", || install(plan, force))?;
    let (state, done) = match installed.done {
        FileDone::Unchanged => (AutostartState::Unchanged, "is installed already"),
        FileDone::Updated => (AutostartState::Updated, "was brought up to date"),
        _ => (AutostartState::Installed, "installed"),
    };
    let status = look(bgo)?;
    let code = if status.is_fine() { ExitCode::Done } else { ExitCode::Failed };
    let findings: Vec<Finding> = plan.doubts.iter().chain(&installed.notes).chain(&status.findings).cloned().collect();
    let enabled = status.entries.iter().find(|entry| entry.method == plan.method).and_then(|entry| entry.enabled);
    if out.is_json() {
        let places = vec![place(plan, state, enabled)];
        let reply = AutostartReply { ok: status.is_fine(), why: Some(plan.why.clone()), places, findings: &findings };
        out.document(reply.to_json());
        return Ok(code);
    }
    let target = if plan.method == Method::Cron { "the line of bgo in your crontab" } else { &plan.target };
    let what = format!("{target} ({}: {})", plan.method, plan.why);
    out.say(&if installed.done == FileDone::Installed { format!("{done} {what}") } else { format!("{what} {done}") });
    findings.iter().for_each(|finding| note(finding, out));
    Ok(code)
}

fn remove(args: &AutostartArgs, out: &Output) -> Result<ExitCode> {
    let removed = out.awaiting("uninstalling", || uninstall(args.method, args.force))?;
    let mut code = ExitCode::Done;
    let mut places = Vec::new();
    for (entry, done) in &removed {
        let state = match done {
            Ok(_) => AutostartState::Removed,
            Err(_) if matches!(entry.state, EntryState::Unknown(_)) => AutostartState::Unknown,
            Err(_) => AutostartState::Refused,
        };
        places.push(AutostartPlace { state, ..shown(entry, None) });
        match done {
            Ok(_) if entry.target == "crontab" => out.say("removed the line of bgo from your crontab"),
            Ok(_) => out.say(&format!("removed {}", entry.target)),
            // In JSON standard error has nothing beside the document, which tells of it.
            Err(e) if out.is_json() => out.note(&e.message()),
            Err(e) => out.error(e),
        }
        code = code.max(done.as_ref().map_or_else(|e| e.kind.exit_code(), |_| ExitCode::Done));
    }
    if out.is_json() {
        out.document(AutostartReply { ok: code == ExitCode::Done, why: None, places, findings: &[] }.to_json());
    } else if removed.is_empty() {
        out.say("nothing of bgo is run at login");
    }
    Ok(code)
}

fn status(bgo: &Bgo, out: &Output) -> Result<ExitCode> {
    let status = out.awaiting("looking", || look(bgo))?;
    let code = if status.is_fine() { ExitCode::Done } else { ExitCode::Failed };
    if out.is_json() {
        let places = status.entries.iter().map(|entry| shown(entry, entry.enabled)).collect();
        let reply = AutostartReply { ok: status.is_fine(), why: None, places, findings: &status.findings };
        out.document(reply.to_json());
        return Ok(code);
    }
    for entry in &status.entries {
        let state = match entry.state {
            EntryState::Ours(_) => "installed",
            EntryState::Edited => "edited",
            EntryState::Unknown(_) => "unknown",
            _ => "not ours",
        };
        let enabled = match entry.enabled {
            Some(true) => ", enabled",
            Some(false) => ", not enabled",
            None => "",
        };
        out.say(&format!("{:<8} {state}{enabled}: {}", entry.method.word(), entry.target));
    }
    for finding in &status.findings {
        out.say(&told(finding));
        finding.hint.iter().for_each(|hint| out.say(&format!("  hint: {hint}")));
    }
    Ok(code)
}

fn shown(entry: &Entry, enabled: Option<bool>) -> AutostartPlace {
    let state = match entry.state {
        EntryState::Ours(_) | EntryState::Nothing => AutostartState::Installed,
        EntryState::Edited => AutostartState::Edited,
        EntryState::Foreign => AutostartState::Foreign,
        EntryState::Unknown(_) => AutostartState::Unknown,
    };
    AutostartPlace { method: entry.method, target: entry.target.clone(), state, enabled, text: None }
}

fn told(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Ok | Severity::Note => "note",
    };
    format!("{severity}: {}", finding.message)
}

/// A finding beside the result.
fn note(finding: &Finding, out: &Output) {
    out.note(&told(finding));
    finding.hint.iter().for_each(|hint| out.note(&format!("hint: {hint}")));
}

/// Sets what becomes of processes after a reboot: as `set NAME --autostart POLICY` does.
fn set(bgo: &Bgo, mut args: AutostartArgs, out: &Output) -> Result<ExitCode> {
    let usage =
        |what: String| Error::new(ErrorKind::Usage, what).hint("bgo autostart set NAME always|unless-stopped|never");
    if args.method.is_some() || args.print || args.force {
        return Err(usage("set takes neither --method nor --print nor --force".to_owned()));
    }
    let policy = args.words.pop().filter(|_| !args.words.is_empty());
    let policy = policy.ok_or_else(|| usage("set takes names, and a policy after them".to_owned()))?;
    let policy = policy.to_string_lossy();
    let mut settings = Change::default();
    settings
        .take("autostart", policy.as_ref().into())
        .map_err(|why| usage(format!("\"{policy}\" is no policy: {why}")))?;
    watch::change(bgo, &args.words, args.owners, &Supervision { settings, ..Supervision::default() }, &[], out)
}
