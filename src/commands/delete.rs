//! `delete`

use super::ask;
use super::output::Output;
use super::owners::Guard;
use super::select::{Selected, each, each_in_time, select};
use crate::cli::{DeleteArgs, Selector};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo};
use crate::view::reply::{Action, Reply};
use crate::view::text::quote;

/// Deletes the processes chosen. Asks first: about each of several names that runs, and once about a group.
pub fn run(bgo: &Bgo, args: &DeleteArgs, out: &Output) -> Result<ExitCode> {
    let remove = |name: &Name| {
        ops::remove(bgo, name, args.keep_logs)?;
        Ok(Reply::new(name, Action::Deleted).told(format!("deleted \"{name}\"")))
    };
    let must_ask = |name: &Name| Ok(!args.yes && ops::is_up(bgo, name).or_else(corrupt_is_to_be_asked_about)?);
    let guard = Guard::new(args.owners)?;
    let selected = guard.limit(bgo, out, select(bgo, out, &args.selector)?);
    let Selected::Listed(names) = &selected else {
        return each(bgo, out, &selected, &mut |name| {
            guard.check(bgo, name)?;
            if must_ask(name)? && !confirm(out, std::slice::from_ref(name), &args.selector)? {
                return Ok(Reply::new(name, Action::Unchanged).told(format!("\"{name}\" was left alone")));
            }
            out.awaiting(&format!("deleting {name}"), || remove(name))
        });
    };
    // Of what cannot be told the deletion tells.
    let running: Vec<Name> = names.iter().filter(|name| must_ask(name).unwrap_or(false)).cloned().collect();
    if !running.is_empty() && !confirm(out, &running, &args.selector)? {
        out.say("nothing was deleted");
        return Ok(ExitCode::Done);
    }
    each_in_time(bgo, out, &selected, "deleting", &remove)
}

fn corrupt_is_to_be_asked_about(error: Error) -> Result<bool> {
    if error.kind == ErrorKind::Corrupt { Ok(true) } else { Err(error) }
}

fn confirm(out: &Output, running: &[Name], selector: &Selector) -> Result<bool> {
    let listed = running.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let (verb, them) = if running.len() == 1 { ("is", "it") } else { ("are", "them") };
    let chosen = match (selector, running) {
        (Selector { group: Some(group), .. }, _) => format!("--group {}", quote(group)),
        (Selector { project: true, .. }, _) => "--project".to_owned(),
        (_, names) => names.iter().map(Name::shell).collect::<Vec<_>>().join(" "),
    };
    let refused =
        Error::new(ErrorKind::NeedsAnswer, format!("{listed} {verb} running, and there is no terminal to ask on"))
            .hint(format!("bgo delete {chosen} --yes"));
    ask::confirm(out, &format!("{listed} {verb} running. Stop and delete {them}?"), refused)
}
