//! `restart-stopped` and `restart-last`: restarting what is down, from a menu, by name, or all.

use super::output::Output;
use super::owners::Guard;
use super::restart;
use super::select::{Selected, Tally, each, each_in_time};
use crate::cli::PickArgs;
use crate::domain::name::Name;
use crate::domain::order::sort_by_key;
use crate::domain::record::State;
use crate::domain::row::Row;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, RestartRequest};
use crate::platform::{SignalQueue, terminal_size};
use crate::view::reply::{Action, Reply};
use crate::view::text::{clean, fit};
use std::io::{self, BufRead, IsTerminal, Write};

/// How the menu and `--all` go through what is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// By name.
    Name,
    /// What was stopped last comes first.
    LastStoppedFirst,
}

/// Restarts what was picked.
pub fn run(bgo: &Bgo, args: &PickArgs, order: Order, out: &Output) -> Result<ExitCode> {
    bgo.store.check()?;
    let guard = Guard::new(args.owners)?;
    if !args.names.is_empty() {
        return named(bgo, args, &guard, out);
    }
    let mut down: Vec<Row> = ops::snapshot(bgo)?.into_iter().filter(is_down).collect();
    if order == Order::LastStoppedFirst {
        sort_by_key(&mut down, |row| std::cmp::Reverse(row.stopped_at.max(row.started_at)));
    }
    if down.is_empty() {
        out.say("nothing is stopped");
        return Ok(Tally::of(out, &Selected::Listed(Vec::new())).finish());
    }
    let names = down.iter().filter_map(|row| Name::parse(&row.name).ok()).collect();
    let allowed = guard.allowed(bgo, out, names);
    down.retain(|row| allowed.iter().any(|name| name.as_str() == &*row.name));
    if down.is_empty() {
        return Ok(Tally::of(out, &Selected::Listed(Vec::new())).finish());
    }
    let picked = if args.all { Some((0..down.len()).collect()) } else { pick(&down, out)? };
    let Some(picked): Option<Vec<usize>> = picked else { return Ok(ExitCode::Interrupted) };
    if picked.is_empty() {
        out.say("nothing restarted");
        return Ok(ExitCode::Done);
    }
    let names = picked.into_iter().filter_map(|index| down.get(index)).filter_map(|row| Name::parse(&row.name).ok());
    let selected = Selected::Listed(names.collect());
    let restart = |name: &Name| restart::restart(bgo, name, RestartRequest::default());
    match order {
        Order::Name => each_in_time(bgo, out, &selected, "restarting", &restart),
        // The order was asked for.
        Order::LastStoppedFirst => {
            each(bgo, out, &selected, &mut |name| out.awaiting(&format!("restarting {name}"), || restart(name)))
        }
    }
}

/// Down, and not about to be restarted anyway.
fn is_down(row: &Row) -> bool {
    !row.online && (row.state.is_settled() || row.state == State::Unknown)
}

fn named(bgo: &Bgo, args: &PickArgs, guard: &Guard, out: &Output) -> Result<ExitCode> {
    each(bgo, out, &Selected::Typed(args.names.clone()), &mut |name| {
        guard.check(bgo, name)?;
        if ops::is_up(bgo, name)? {
            return Ok(Reply::new(name, Action::Unchanged).told(format!("\"{name}\" runs already")));
        }
        out.awaiting(&format!("restarting {name}"), || restart::restart(bgo, name, RestartRequest::default()))
    })
}

/// `None`: interrupted by Ctrl-C.
fn pick(down: &[Row], out: &Output) -> Result<Option<Vec<usize>>> {
    if out.is_json() {
        return Err(Error::new(ErrorKind::NeedsAnswer, "with --json nobody is asked what to restart")
            .hint("name them, or use --all"));
    }
    let items: Vec<String> =
        down.iter().map(|row| format!("{}  {}", clean(&row.name), clean(&row.command_line()))).collect();
    if io::stdin().is_terminal() && io::stderr().is_terminal() { menu(&items) } else { numbered(&items, out).map(Some) }
}

/// On a terminal: arrows move, space selects, `a` selects all, enter restarts, `q` leaves.
fn menu(items: &[String]) -> Result<Option<Vec<usize>>> {
    let broken = |e: &io::Error| Error::io("cannot show the menu", e).hint("name them, or use --all");
    // Ctrl-C comes as a signal once the terminal is as it was; held back, it leaves us time to show the cursor again.
    let _held_back = SignalQueue::new(&[libc::SIGINT]).map_err(|e| broken(&e))?;
    // Whatever the window: no line wraps, and prompt and cursor stay on the screen.
    let (columns, rows) = terminal_size().unwrap_or((80, 24));
    let fitted: Vec<String> = items.iter().map(|item| fit(item, columns.saturating_sub(8).max(8), "...")).collect();
    let prompt =
        fit("Restart which? (space selects, a all, enter restarts, q leaves)", columns.saturating_sub(4), "...");
    let picked = dialoguer::MultiSelect::new()
        .with_prompt(prompt)
        .items(&fitted)
        .max_length(rows.saturating_sub(4).clamp(1, 15))
        .report(false)
        .interact_opt();
    match picked {
        Ok(picked) => Ok(Some(picked.unwrap_or_default())),
        Err(dialoguer::Error::IO(e)) if e.kind() == io::ErrorKind::Interrupted => {
            let _ = io::stderr().write_all(b"\x1b[?25h\n");
            Ok(None)
        }
        Err(dialoguer::Error::IO(e)) => Err(broken(&e)),
    }
}

/// Off a terminal: a numbered list, and one line of numbers.
fn numbered(items: &[String], out: &Output) -> Result<Vec<usize>> {
    let list: String = items.iter().enumerate().map(|(i, item)| format!("{:>3}  {item}\n", i + 1)).collect();
    out.print(&format!("{list}Restart which? Numbers such as 1,3 or a for all; nothing for none: "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|e| Error::io("cannot read the answer", &e))?;
    out.print("\n");
    let answer = answer.trim();
    if matches!(answer, "a" | "all") {
        return Ok((0..items.len()).collect());
    }
    let mut picked = Vec::new();
    for word in answer.split([',', ' ']).filter(|w| !w.is_empty()) {
        match word.parse::<usize>() {
            Ok(number) if (1..=items.len()).contains(&number) => picked.push(number - 1),
            _ => out
                .error(&Error::new(ErrorKind::Usage, format!("\"{word}\" is not a number from 1 to {}", items.len()))),
        }
    }
    picked.dedup();
    Ok(picked)
}
