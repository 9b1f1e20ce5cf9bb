//! Which processes need which (`--after`), as their records say.
//!
//! Why it exists: `start` waits for what is needed, `stop --cascade` ends first what needs it, `restart` takes along what
//! wants to be. Invariants: the records alone know; a sidecar does not, so a restart by watch mode waits for nobody and
//! takes nobody along; what cannot come any more is not waited for.

use super::snapshot::snapshot_of;
use super::wait::{Goal, Step, Waiter};
use super::{Bgo, remove};
use crate::domain::graph::Graph;
use crate::domain::name::Name;
use crate::domain::record::State;
use crate::domain::row::Row;
use crate::error::{Error, ErrorKind, Result};
use crate::platform::{self, SignalQueue};
use std::time::Duration;

/// How long a start waits for what it needs, unless told otherwise.
pub const AFTER_TIMEOUT: Duration = Duration::from_secs(120);

/// All names, and what each needs. A record that cannot be read needs nothing.
fn needs(bgo: &Bgo) -> Result<Vec<(String, Vec<String>)>> {
    let of = |name: &Name| bgo.store.read(name).ok().flatten().map(|record| record.spec.after);
    Ok(bgo.store.names()?.iter().map(|name| (name.as_str().to_owned(), of(name).unwrap_or_default())).collect())
}

fn parsed(names: Vec<&str>) -> Vec<Name> {
    names.into_iter().filter_map(|name| Name::parse(name).ok()).collect()
}

/// Checks that `name` may need `after`: nothing needs itself, through others or not.
///
/// # Errors
/// [`ErrorKind::Usage`], with the names of the circle.
pub fn check_after(bgo: &Bgo, name: &Name, after: &[String]) -> Result<()> {
    if after.is_empty() {
        return Ok(());
    }
    let mut list = vec![(name.as_str().to_owned(), after.to_vec())];
    list.extend(needs(bgo)?.into_iter().filter(|(other, _)| other != name.as_str()));
    let graph = Graph::new(&list);
    match graph.order() {
        // A circle that others make among themselves is none of its business.
        Err(circle) if circle.contains(&name.as_str()) || graph.needs(&[name.as_str()]).contains(&circle[0]) => {
            let way: Vec<String> = circle.iter().chain(circle.first()).map(|name| format!("\"{name}\"")).collect();
            Err(Error::new(ErrorKind::Usage, format!("\"{name}\" cannot wait for itself"))
                .because(way.join(" after "))
                .hint("bgo status NAME shows what each is after; bgo set NAME --unset after takes that away"))
        }
        _ => Ok(()),
    }
}

/// `names` and all that runs and needs them, directly or through others, in the order to stop it in.
///
/// # Errors
/// The records cannot be listed.
pub fn stop_order(bgo: &Bgo, names: &[Name]) -> Result<Vec<Name>> {
    let list = needs(bgo)?;
    let roots: Vec<&str> = names.iter().map(Name::as_str).collect();
    let mut order = parsed(Graph::new(&list).stop_order(&roots));
    order.retain(|name| names.contains(name) || runs(bgo, name));
    // What is not registered is for the stop itself to say.
    order.extend(names.iter().filter(|name| !order.contains(name)).cloned().collect::<Vec<_>>());
    Ok(order)
}

/// `names`, each after those of them that it needs and with them; nothing if none needs another.
///
/// # Errors
/// The records cannot be listed.
pub fn needed_first(bgo: &Bgo, names: &[Name]) -> Result<Vec<(Name, Vec<Name>)>> {
    let mut list = needs(bgo)?;
    list.retain(|(name, _)| names.iter().any(|chosen| chosen.as_str() == name));
    let is_chosen = |need: &String| names.iter().any(|chosen| chosen.as_str() == need);
    list.iter_mut().for_each(|(_, needs)| needs.retain(is_chosen));
    if list.iter().all(|(_, needs)| needs.is_empty()) {
        return Ok(Vec::new());
    }
    // Records may lead in a circle; then any order is as good.
    let Ok(order) = Graph::new(&list).order() else { return Ok(Vec::new()) };
    let needs_of =
        |name: &Name| list.iter().find(|(other, _)| other == name.as_str()).map(|(_, needs)| needs.as_slice());
    let with = |name: Name| {
        let needs = needs_of(&name).unwrap_or_default().iter().filter_map(|need| Name::parse(need).ok()).collect();
        (name, needs)
    };
    Ok(parsed(order).into_iter().map(with).collect())
}

/// What runs and names `name` as something it needs.
///
/// # Errors
/// The records cannot be listed.
pub fn running_dependents(bgo: &Bgo, name: &Name) -> Result<Vec<Name>> {
    let list = needs(bgo)?;
    let direct = list.iter().filter(|(_, needs)| needs.iter().any(|need| need == name.as_str()));
    let mut names = parsed(direct.map(|(name, _)| name.as_str()).collect());
    names.retain(|dependent| dependent != name && runs(bgo, dependent));
    Ok(names)
}

/// What is to be restarted because `restarted` were, in that order, each with those it then waits for: it runs, wants that
/// (`restart_with_dependency`), and needs one of them or one that is restarted for that reason.
///
/// # Errors
/// The records cannot be listed.
pub fn restart_order(bgo: &Bgo, restarted: &[Name]) -> Result<Vec<(Name, Vec<Name>)>> {
    let list = needs(bgo)?;
    let roots: Vec<&str> = restarted.iter().map(Name::as_str).collect();
    let mut done = restarted.to_vec();
    let mut order = Vec::new();
    // To stop is the way from the far end; to start is the other way round.
    for name in parsed(Graph::new(&list).dependents(&roots)).into_iter().rev() {
        let Ok(Some(record)) = bgo.store.read(&name) else { continue };
        let waits: Vec<Name> =
            done.iter().filter(|d| record.spec.after.iter().any(|a| a == d.as_str())).cloned().collect();
        if record.spec.restart_with_dependency && !waits.is_empty() && runs(bgo, &name) {
            done.push(name.clone());
            order.push((name, waits));
        }
    }
    Ok(order)
}

fn runs(bgo: &Bgo, name: &Name) -> bool {
    remove::is_up(bgo, name).unwrap_or(false)
}

/// Waits until each of `needed` is ready, or has ended well; for `timeout` in all. `what` is what cannot be done
/// otherwise: `cannot start "web"`. `false`: one of `signals` has come first.
///
/// # Errors
/// One is unknown, down or crashed, and nobody is about to start it again; or [`ErrorKind::TimedOut`].
pub fn await_dependencies(
    bgo: &Bgo,
    what: &str,
    needed: &[Name],
    timeout: Duration,
    signals: &SignalQueue,
) -> Result<bool> {
    let deadline = platform::boot_clock().saturating_add(timeout);
    for name in needed {
        let left = deadline.saturating_sub(platform::boot_clock());
        let failed = |cause: String| Error::new(ErrorKind::NotRunning, what).because(cause);
        if !bgo.store.record_path(name).exists() {
            let unknown = bgo.not_found(name.as_str());
            let cause = format!("it needs \"{name}\", and there is no process of that name");
            return Err(unknown.of(what).because(cause));
        }
        let is_oneshot = bgo.store.read(name).is_ok_and(|record| record.is_some_and(|record| record.spec.oneshot));
        let goal = if is_oneshot { Goal::Usable } else { Goal::Ready };
        let mut waiter = Waiter::new(bgo, std::slice::from_ref(name), goal, Some(left))?;
        // What this look finds running is known to have ended when it is found down later: of what is down from the
        // first, the waiter would wait for the next start.
        let mut reached = waiter.look();
        if reached.is_none() {
            let row = snapshot_of(bgo, name)?;
            if has_ended_well(&row) {
                continue;
            }
            if is_down(&row) {
                return Err(
                    failed(format!("it needs \"{name}\", which {}", how_it_is_down(&row))).hint(down_hint(name, &row))
                );
            }
            reached = match waiter.next(signals)? {
                Step::Reached(name, reached) => Some((name, reached)),
                Step::Done => None,
                Step::Interrupted => return Ok(false),
                Step::TimedOut => {
                    let shell = name.shell();
                    let pending = waiter.pending().next();
                    let how = pending.as_ref().map(|pending| format!(": it is {}", pending.how())).unwrap_or_default();
                    let span = crate::domain::duration::Span(timeout);
                    let mut error = Error::new(ErrorKind::TimedOut, what)
                        .because(format!("it needs \"{name}\", which is not ready after {span}{how}"))
                        .hint(format!("bgo logs {shell} shows its output; --after-timeout TIME waits longer"));
                    error.details = pending.map(|pending| pending.last_lines).unwrap_or_default();
                    return Err(error);
                }
            };
        }
        if let Some((_, Err(e))) = reached
            && !snapshot_of(bgo, name).is_ok_and(|row| has_ended_well(&row))
        {
            let cause = format!("it needs \"{name}\": {}", e.message());
            return Err(e.of(what).because(cause));
        }
    }
    Ok(true)
}

/// Whether it is down, and nobody is about to start it again.
fn is_down(row: &Row) -> bool {
    // How it has ended is about to be written: with that it may be started again.
    let is_ending = row.state == State::Exited && row.end.is_none() && row.watcher_lives();
    !row.online && !is_ending && !matches!(row.state, State::Starting | State::Backoff)
}

/// Whether it has done what it was started for: its last run ended by itself, and well.
fn has_ended_well(row: &Row) -> bool {
    let success =
        |exit: &crate::domain::outcome::Exit| exit.reason.is_none() && row.settings.is_success(exit.outcome());
    let is_over = matches!(row.state, State::Exited | State::Waiting);
    is_down(row) && is_over && row.end.as_ref().is_some_and(success)
}

fn how_it_is_down(row: &Row) -> String {
    match (row.state, &row.reason, &row.end) {
        (State::Stopped, ..) => "is stopped".to_owned(),
        (State::Corrupt, ..) => "has a corrupt record".to_owned(),
        (State::Errored, Some(reason), _) => format!("was given up: {reason}"),
        (_, _, Some(exit)) => format!("ended with {exit}"),
        (_, Some(reason), None) => format!("is down: {reason}"),
        (_, None, None) => "is down".to_owned(),
    }
}

fn down_hint(name: &Name, row: &Row) -> String {
    let shell = name.shell();
    match row.state {
        State::Stopped => format!("bgo restart {shell} starts it"),
        _ => format!("bgo logs {shell} shows its output; bgo restart {shell} starts it"),
    }
}
