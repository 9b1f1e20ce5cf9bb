//! `restart-stopped` and `restart-last`: restarting what is down, from a menu, by name, or all.

use super::output::{awaiting, known_name, print, print_error, say};
use super::restart;
use super::select::{Selected, each, each_in_time};
use crate::cli::PickArgs;
use crate::domain::name::Name;
use crate::domain::record::State;
use crate::domain::row::Row;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, RestartRequest};
use crate::platform::{SignalQueue, terminal_size};
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
pub fn run(bgo: &Bgo, args: &PickArgs, order: Order) -> Result<ExitCode> {
    bgo.store.check()?;
    if !args.names.is_empty() {
        return named(bgo, args);
    }
    let mut down: Vec<Row> = ops::snapshot(bgo)?.into_iter().filter(is_down).collect();
    if order == Order::LastStoppedFirst {
        down.sort_by_key(|row| std::cmp::Reverse(row.stopped_at.max(row.started_at)));
    }
    if down.is_empty() {
        say("nothing is stopped");
        return Ok(ExitCode::Done);
    }
    let picked = if args.all { Some((0..down.len()).collect()) } else { pick(&down)? };
    let Some(picked): Option<Vec<usize>> = picked else { return Ok(ExitCode::Interrupted) };
    if picked.is_empty() {
        say("nothing restarted");
        return Ok(ExitCode::Done);
    }
    let names = picked.into_iter().filter_map(|index| down.get(index)).filter_map(|row| Name::parse(&row.name).ok());
    let selected = Selected::Listed(names.collect());
    let restart = |name: &Name| restart::restart(bgo, name, RestartRequest::default());
    match order {
        Order::Name => each_in_time(bgo, &selected, "restarting", &restart),
        // The order was asked for.
        Order::LastStoppedFirst => {
            each(bgo, &selected, &mut |name| awaiting(&format!("restarting {name}"), || restart(name)))
        }
    }
}

/// Down, and not about to be restarted anyway.
fn is_down(row: &Row) -> bool {
    !row.online && (row.state.is_settled() || row.state == State::Unknown)
}

fn named(bgo: &Bgo, args: &PickArgs) -> Result<ExitCode> {
    let mut worst = ExitCode::Done;
    for text in &args.names {
        let up = known_name(bgo, text).and_then(|name| ops::is_up(bgo, &name).map(|up| (name, up)));
        worst = worst.max(match up {
            Ok((name, true)) => {
                say(&format!("\"{name}\" runs already"));
                ExitCode::Done
            }
            Ok((name, false)) => restart_one(bgo, &name),
            Err(error) => {
                print_error(&error);
                error.kind.exit_code()
            }
        });
    }
    Ok(worst)
}

fn restart_one(bgo: &Bgo, name: &Name) -> ExitCode {
    let restart = || restart::restart(bgo, name, RestartRequest::default());
    match awaiting(&format!("restarting {name}"), restart) {
        Ok(line) => {
            say(&line);
            ExitCode::Done
        }
        Err(error) => {
            print_error(&error);
            error.kind.exit_code()
        }
    }
}

/// `None`: interrupted by Ctrl-C.
fn pick(down: &[Row]) -> Result<Option<Vec<usize>>> {
    let items: Vec<String> =
        down.iter().map(|row| format!("{}  {}", clean(&row.name), clean(&row.command_line()))).collect();
    if io::stdin().is_terminal() && io::stderr().is_terminal() { menu(&items) } else { numbered(&items).map(Some) }
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
fn numbered(items: &[String]) -> Result<Vec<usize>> {
    let list: String = items.iter().enumerate().map(|(i, item)| format!("{:>3}  {item}\n", i + 1)).collect();
    print(&format!("{list}Restart which? Numbers such as 1,3 or a for all; nothing for none: "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|e| Error::io("cannot read the answer", &e))?;
    print("\n");
    let answer = answer.trim();
    if matches!(answer, "a" | "all") {
        return Ok((0..items.len()).collect());
    }
    let mut picked = Vec::new();
    for word in answer.split([',', ' ']).filter(|w| !w.is_empty()) {
        match word.parse::<usize>() {
            Ok(number) if (1..=items.len()).contains(&number) => picked.push(number - 1),
            _ => print_error(&Error::new(
                ErrorKind::Usage,
                format!("\"{word}\" is not a number from 1 to {}", items.len()),
            )),
        }
    }
    picked.dedup();
    Ok(picked)
}
