//! `watch`, `unwatch`, `set`, `pause`, `resume`

use super::output::Output;
use super::owners::Guard;
use super::select::{Selected, each, select};
use crate::cli::{Chosen, Owners, SetArgs, WatchArgs};
use crate::domain::name::Name;
use crate::domain::record::State;
use crate::domain::settings::{Restart, counts_from_next_start};
use crate::domain::spec::Supervision;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo};
use crate::view::reply::{Action, Reply, Told};
use std::ffi::OsString;

/// Turns watch mode on, or changes its settings.
pub fn watch(bgo: &Bgo, args: WatchArgs, out: &Output) -> Result<ExitCode> {
    if args.restart == Some(Restart::No) {
        return Err(Error::new(ErrorKind::Usage, "--restart no is what bgo unwatch does").hint("bgo unwatch NAME"));
    }
    let supervision = args.settings.supervision(args.restart);
    each_allowed(bgo, out, &args.chosen, &mut |name| {
        let record = ops::watch(bgo, name, &supervision, args.reset)?;
        let watch = record.watch.unwrap_or_default();
        Ok(Reply::new(name, Action::Watched).pid(record.pid).told(format!(
            "watching \"{name}\" (interval {}, min-uptime {}, on-fast-crash {})",
            watch.interval, watch.min_uptime, watch.on_fast_crash
        )))
    })
}

/// Turns watch mode off.
pub fn unwatch(bgo: &Bgo, chosen: &Chosen, out: &Output) -> Result<ExitCode> {
    each_allowed(bgo, out, chosen, &mut |name| {
        let was = ops::is_watched(bgo, name)?;
        ops::unwatch(bgo, name)?;
        Ok(match was {
            true => Reply::new(name, Action::Unwatched).told(format!("no longer watching \"{name}\"")),
            false => Reply::new(name, Action::Unchanged).told(format!("\"{name}\" was not watched")),
        })
    })
}

/// Changes settings.
pub fn set(bgo: &Bgo, args: SetArgs, out: &Output) -> Result<ExitCode> {
    let given = args.settings.supervision(args.restart);
    // The flag gives one of them.
    let setting = |name: &String| match name.trim_start_matches("--") {
        "tag" => "tags".to_owned(),
        name => name.to_owned(),
    };
    let all_unset: Vec<String> = args.unset.iter().map(setting).collect();
    change(bgo, &args.names, args.owners, &given, &all_unset, out)
}

/// The same, for who has put together what is to be set.
pub fn change(
    bgo: &Bgo,
    typed: &[OsString],
    owners: Owners,
    given: &Supervision,
    all_unset: &[String],
    out: &Output,
) -> Result<ExitCode> {
    let unset = all_unset.iter().cloned();
    let names: Vec<String> = given.names().into_iter().chain(unset.clone()).collect();
    let (set, unset) = (given.names().join(", "), unset.collect::<Vec<_>>().join(", "));
    let done = match (set.is_empty(), unset.is_empty()) {
        (false, true) => format!("set {set}"),
        (true, _) => format!("unset {unset}"),
        (false, false) => format!("set {set}, unset {unset}"),
    };
    if names.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "nothing to set was given").hint("bgo help set lists all settings"));
    }
    let guard = Guard::new(owners)?;
    each(bgo, out, &Selected::Typed(typed.to_vec()), &mut |name| {
        guard.check(bgo, name)?;
        let record = ops::set(bgo, name, given, all_unset)?;
        // How readiness is told can still be changed while it is awaited.
        let awaited = record.state == State::Starting;
        let is_later = |name: &&str| counts_from_next_start(name) && !(awaited && name.starts_with("ready-when"));
        let runs = !record.state.is_settled();
        // What becomes of it after a reboot is asked of what does not run, too.
        let is_later = |name: &&str| *name != "autostart" && (!runs || is_later(name));
        let later: Vec<&str> = names.iter().map(String::as_str).filter(is_later).collect();
        let note = match later.as_slice() {
            [] => String::new(),
            some if some.len() == names.len() => " from its next start on".to_owned(),
            some => format!(" ({} from its next start on)", some.join(", ")),
        };
        let from_next_start = later.iter().map(|&name| name.to_owned()).collect();
        let reply = Reply { settings: names.clone(), from_next_start, ..Reply::new(name, Action::Set) };
        Ok(reply.told(format!("{done} of \"{name}\"{note}")))
    })
}

/// Does `act` for each of those that were chosen and are not another owner's.
fn each_allowed(
    bgo: &Bgo,
    out: &Output,
    chosen: &Chosen,
    act: &mut dyn FnMut(&Name) -> Result<Told>,
) -> Result<ExitCode> {
    let guard = Guard::new(chosen.owners)?;
    let selected = guard.limit(bgo, out, select(bgo, out, &chosen.selector)?);
    each(bgo, out, &selected, &mut |name| {
        guard.check(bgo, name)?;
        act(name)
    })
}

/// Holds processes.
pub fn pause(bgo: &Bgo, chosen: &Chosen, out: &Output) -> Result<ExitCode> {
    each_allowed(bgo, out, chosen, &mut |name| {
        ops::pause(bgo, name)?;
        Ok(Reply::new(name, Action::Paused).told(format!("paused \"{name}\"")))
    })
}

/// Lets processes go on.
pub fn resume(bgo: &Bgo, chosen: &Chosen, out: &Output) -> Result<ExitCode> {
    each_allowed(bgo, out, chosen, &mut |name| {
        ops::resume(bgo, name)?;
        Ok(Reply::new(name, Action::Resumed).told(format!("\"{name}\" goes on")))
    })
}
