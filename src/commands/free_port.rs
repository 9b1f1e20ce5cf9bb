//! `free-port`

use super::ask::confirm;
use super::output::Output;
use super::owners::Guard;
use crate::cli::FreePortArgs;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, Freed, Holder};
use crate::platform;
use crate::view::json;
use crate::view::reply::{Ended, PortReply};
use std::io::{self, IsTerminal};

/// Ends who listens on the port, and asks first.
pub fn run(bgo: &Bgo, args: &FreePortArgs, out: &Output) -> Result<ExitCode> {
    let port = args.port;
    let holders = ops::holders(bgo, port)?;
    let guard = Guard::new(args.owners)?;
    holders.iter().filter_map(|holder| holder.of.as_ref()).try_for_each(|name| guard.check(bgo, name))?;
    if holders.is_empty() {
        out.say(&format!("nobody listens on port {port}"));
    } else if !args.yes && !confirm_all(out, port, &holders)? {
        out.say(&format!("port {port} was left alone"));
        return Ok(ExitCode::Failed);
    }
    let mut reply = PortReply { port, ended: Vec::new() };
    if !holders.is_empty() {
        for freed in out.awaiting(&format!("freeing port {port}"), || ops::free_port(bgo, port, &holders))? {
            match freed {
                Freed::Stopped(name) => {
                    out.say(&format!("stopped \"{name}\""));
                    reply.ended.push(Ended { name: Some(name.to_string()), pid: None, command: None });
                }
                Freed::Ended(holder) => {
                    out.say(&format!("ended {}", holder.shown()));
                    let (pid, command) = (Some(holder.process.pid), Some(holder.command));
                    reply.ended.push(Ended { name: None, pid, command });
                }
            }
        }
        out.say(&format!("port {port} is free"));
    }
    if out.is_json() {
        out.document(json::document(&reply));
    }
    Ok(ExitCode::Done)
}

fn confirm_all(out: &Output, port: u16, holders: &[Holder]) -> Result<bool> {
    let all: Vec<String> = holders.iter().map(Holder::shown).collect();
    let refused = Error::new(ErrorKind::NeedsAnswer, format!("port {port} is held by {}", all.join(", ")))
        .because("there is no terminal to ask on")
        .hint(match holders.iter().find_map(|holder| holder.of.as_ref()) {
            Some(name) => format!("bgo stop {} stops it; bgo free-port {port} --yes does not ask", name.shell()),
            None => format!("bgo free-port {port} --yes"),
        });
    if io::stdin().is_terminal() && !out.is_json() {
        out.note(&format!("port {port} is held by"));
        for holder in holders {
            let (user, command) = (user(holder), &holder.command);
            let stop = holder.of.as_ref().map(|name| format!(" (\"{name}\": bgo stop {})", name.shell()));
            out.note(&format!("  pid {}{user}: {command}{}", holder.process.pid, stop.unwrap_or_default()));
        }
    }
    confirm(out, if holders.len() > 1 { "End them?" } else { "End it?" }, refused)
}

fn user(holder: &Holder) -> String {
    let Some(uid) = holder.user else { return String::new() };
    let account = platform::account(&uid.to_string()).ok().flatten();
    account.map_or_else(|| format!(" of user {uid}"), |account| format!(" of {}", account.name))
}
