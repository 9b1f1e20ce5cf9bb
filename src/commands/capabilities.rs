//! `capabilities` and `schema`: what bgo can do, for programs that have never seen it.

use super::output::Output;
use crate::cli::{CapabilitiesArgs, Cli, SchemaArgs};
use crate::domain::record::State;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{Bgo, nearest};
use crate::view::capabilities::{
    ArgumentInfo, Capabilities, CommandInfo, Effect, ErrorTypeInfo, ExitCodeInfo, Meaning, SCHEMA_VERSION,
};
use crate::view::json;
use crate::view::schemas::{self, TOPICS, topic};
use clap::{Arg, ArgAction, Command, CommandFactory};

/// What each command changes, the schema of its answer, and whether it can stream. That no command is missing is tested.
const COMMANDS: &[(&str, Effect, &str, bool)] = &[
    ("start", Effect::Write, "replies", false),
    ("run", Effect::Write, "run", false),
    ("wait", Effect::Read, "wait", false),
    ("up", Effect::Write, "jobs", false),
    ("down", Effect::Write, "jobs", false),
    ("check", Effect::Read, "check", false),
    ("stop", Effect::Write, "replies", false),
    ("send", Effect::Write, "send", false),
    ("signal", Effect::Write, "reply", false),
    ("free-port", Effect::Destructive, "port", false),
    ("restart", Effect::Write, "replies", false),
    ("restart-stopped", Effect::Write, "replies", false),
    ("restart-last", Effect::Write, "replies", false),
    ("resurrect", Effect::Write, "resurrect", false),
    ("autostart", Effect::Write, "autostart", false),
    ("status", Effect::Read, "status", false),
    ("env", Effect::Read, "env", false),
    ("logs", Effect::Read, "logs", true),
    ("follow", Effect::Read, "logs", true),
    ("expect", Effect::Read, "expect", false),
    ("events", Effect::Read, "events", true),
    ("watch", Effect::Write, "replies", false),
    ("unwatch", Effect::Write, "replies", false),
    ("set", Effect::Write, "replies", false),
    ("pause", Effect::Write, "replies", false),
    ("resume", Effect::Write, "replies", false),
    ("delete", Effect::Destructive, "replies", false),
    ("clean", Effect::Destructive, "batch", false),
    ("reap", Effect::Destructive, "reap", false),
    ("doctor", Effect::Write, "doctor", false),
    ("export", Effect::Write, "export", false),
    ("capabilities", Effect::Read, "capabilities", false),
    ("schema", Effect::Read, "schemas", false),
    ("examples", Effect::Read, "examples", false),
    ("skill", Effect::Write, "skill", false),
    ("man", Effect::Write, "man", false),
    ("completions", Effect::Read, "script", false),
];

/// The variables that bgo itself reads.
pub const VARIABLES: &[(&str, &str)] = &[
    ("BGO_HOME", "the folder of the state; default: .bgo in the home folder"),
    ("BGO_GROUP", "the group of what is started without --group"),
    (
        "BGO_OWNER",
        "who calls: the owner of what is started without --owner; processes of other owners are left alone without --any-owner",
    ),
    ("BGO_NOTIFY", "1: the desktop is told when what is started fails, as with --notify"),
    ("BGO_TABLE", "the form of tables: plain, normal, fancy"),
    ("NO_COLOR", "set and not empty: no colour"),
];

/// Prints what bgo can do, as JSON in any case; of commands that were named, with all they take.
pub fn run(bgo: &Bgo, args: &CapabilitiesArgs, out: &Output) -> Result<ExitCode> {
    let mut cli = Cli::command();
    cli.build();
    let mut commands = Vec::new();
    for name in &args.commands {
        let known = cli.get_subcommands().find(|verb| verb.get_name_and_visible_aliases().contains(&name.as_str()));
        commands.push(info(known.ok_or_else(|| unknown(&cli, name))?, true));
    }
    if args.commands.is_empty() {
        commands.extend(cli.get_subcommands().map(|verb| info(verb, false)));
    }
    let meanings = |all: &[(&'static str, &'static str)]| -> Vec<Meaning> {
        all.iter().map(|(name, meaning)| Meaning { name, meaning: meaning.trim() }).collect()
    };
    let about = Capabilities {
        schema_version: SCHEMA_VERSION,
        version: env!("CARGO_PKG_VERSION"),
        os: std::env::consts::OS,
        home: bgo.store.root().to_string_lossy().into_owned(),
        commands,
        exit_codes: Vec::new(),
        error_types: Vec::new(),
        states: Vec::new(),
        schemas: Vec::new(),
        variables: Vec::new(),
    };
    if !args.commands.is_empty() {
        out.document(json::document(&about));
        return Ok(ExitCode::Done);
    }
    out.document(json::document(&Capabilities {
        exit_codes: ExitCode::ALL
            .iter()
            .map(|(code, meaning)| ExitCodeInfo { code: code.value(), meaning: meaning.trim() })
            .collect(),
        error_types: ErrorKind::ALL.iter().map(error_type).collect(),
        states: meanings(State::ALL),
        schemas: TOPICS.iter().map(|topic| Meaning { name: topic.name, meaning: topic.about }).collect(),
        variables: meanings(VARIABLES),
        ..about
    }));
    Ok(ExitCode::Done)
}

fn error_type((kind, meaning): &(ErrorKind, &'static str)) -> ErrorTypeInfo {
    ErrorTypeInfo {
        r#type: kind.value(),
        meaning: meaning.trim(),
        exit_code: kind.exit_code().value(),
        retryable: kind.is_retryable(),
    }
}

fn unknown(cli: &Command, name: &str) -> Error {
    let error = Error::new(ErrorKind::Usage, format!("\"{name}\" is not a command of bgo"));
    match nearest(name, cli.get_subcommands().map(Command::get_name)) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("bgo capabilities lists them"),
    }
}

fn info(verb: &Command, whole: bool) -> CommandInfo {
    let known = COMMANDS.iter().find(|(name, ..)| *name == verb.get_name());
    let (_, effect, reply, stream) = known.copied().unwrap_or(("", Effect::Write, "replies", false));
    let is_shown = |argument: &&Arg| whole && !argument.is_hide_set() && argument.get_id() != "help";
    CommandInfo {
        name: verb.get_name().to_owned(),
        aliases: verb.get_visible_aliases().map(str::to_owned).collect(),
        summary: verb.get_about().map(ToString::to_string).unwrap_or_default(),
        effect,
        reply,
        stream,
        arguments: verb.get_arguments().filter(is_shown).map(argument).collect(),
    }
}

fn argument(argument: &Arg) -> ArgumentInfo {
    let value = argument.get_action().takes_values().then(|| {
        let names = argument.get_value_names().unwrap_or_default();
        names.first().map(ToString::to_string).unwrap_or_else(|| argument.get_id().to_string().to_uppercase())
    });
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let others = argument.get_visible_aliases().unwrap_or_default();
    let name = long.clone().or_else(|| value.clone()).unwrap_or_default();
    let values = match &value {
        Some(_) => argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect(),
        None => Vec::new(),
    };
    let default = argument.get_default_values().first();
    let many = argument.get_num_args().is_some_and(|range| range.max_values() > 1);
    ArgumentInfo {
        name,
        aliases: short.into_iter().chain(others.iter().map(|alias| format!("--{alias}"))).collect(),
        summary: argument.get_help().map(ToString::to_string).unwrap_or_default(),
        value: value.clone(),
        values,
        default: default.filter(|_| value.is_some()).map(|default| default.to_string_lossy().into_owned()),
        required: argument.is_required_set(),
        repeatable: many || matches!(argument.get_action(), ArgAction::Append | ArgAction::Count),
    }
}

/// Prints the schema of one thing, or lists what there are schemas of.
pub fn schema(args: &SchemaArgs, out: &Output) -> Result<ExitCode> {
    let name = match (args.what.as_deref(), args.topic.as_deref()) {
        (None | Some("list"), None) => {
            list(out);
            return Ok(ExitCode::Done);
        }
        (Some("show"), Some(name)) | (Some(name), None) if name != "show" => name,
        _ => {
            return Err(
                Error::new(ErrorKind::Usage, "a schema has one name").hint("bgo schema list; bgo schema show NAME")
            );
        }
    };
    let found = topic(name).ok_or_else(|| {
        let error = Error::new(ErrorKind::Usage, format!("there is no schema of \"{name}\""));
        match nearest(name, TOPICS.iter().map(|topic| topic.name)) {
            Some(near) => error.hint(format!("did you mean {near}? bgo schema list has all")),
            None => error.hint("bgo schema list has all"),
        }
    })?;
    // In JSON in any case: that is what it is.
    out.print(&json::document(&schemas::schema(found)));
    Ok(ExitCode::Done)
}

fn list(out: &Output) {
    if out.is_json() {
        let topics: Vec<Meaning> = TOPICS.iter().map(|t| Meaning { name: t.name, meaning: t.about }).collect();
        return out.print(&json::document(&topics));
    }
    for topic in TOPICS {
        out.say(&format!("{:<14}{}", topic.name, topic.about));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_states_its_effect_and_the_schema_of_its_answer() {
        let cli = Cli::command();
        let verbs: Vec<&str> = cli.get_subcommands().map(Command::get_name).collect();
        for verb in &verbs {
            assert!(COMMANDS.iter().any(|(name, ..)| name == verb), "{verb}");
        }
        for (name, _, reply, _) in COMMANDS {
            assert!(verbs.contains(name), "{name}");
            assert!(topic(reply).is_some(), "{name}: {reply}");
        }
    }
}
