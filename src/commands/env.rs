//! `env`

use super::output::{known_name, note, print_bytes};
use crate::cli::{EnvArgs, Syntax};
use crate::domain::name::Name;
use crate::error::{ExitCode, Result};
use crate::ops::{self, Bgo, ProcessEnvironment};
use crate::store::Environment;
use crate::view::environment::{Form, json, left_out, render};
use std::io::IsTerminal;

/// Prints what a process was started with, or would be.
pub fn run(bgo: &Bgo, args: &EnvArgs) -> Result<ExitCode> {
    let told = known_name(bgo, &args.name).and_then(|name| Ok((ops::environment(bgo, &name)?, name)));
    match told {
        Err(error) if args.json => {
            eprint!("{}", crate::view::json::error(&error));
            Ok(error.kind.exit_code())
        }
        Err(error) => Err(error),
        Ok((environment, name)) => {
            show(&name, environment, args);
            Ok(ExitCode::Done)
        }
    }
}

fn show(name: &Name, mut environment: ProcessEnvironment, args: &EnvArgs) {
    if args.json {
        print_bytes(json(name.as_str(), environment.pid, &environment.variables, args.show).as_bytes());
        return;
    }
    if environment.pid.is_none() {
        let why = match environment.is_hidden {
            true => format!("what \"{name}\" was started with cannot be read"),
            false => format!("\"{name}\" is not running"),
        };
        note(&format!("bgo: {why}: this is what its next start gets"));
    }
    if let Some(variable) = &environment.unchosen_port {
        note(&format!("bgo: {variable} is not chosen yet"));
    }
    let form = match args.shell {
        Some(Syntax::Sh) => Form::Sh,
        Some(Syntax::Fish) => Form::Fish,
        None if std::io::stdout().is_terminal() => Form::Terminal,
        None => Form::Pipe,
    };
    if args.shell.is_some() {
        // What a shell that has these starts would be taken for a part of the process, and stopped with it.
        environment.variables.retain(|(key, _)| Environment::is_passed_on(key));
    }
    let rendered = render(&environment.variables, form, args.show);
    print_bytes(&rendered.text);
    if let Some(told) = left_out(&rendered) {
        note(&format!("bgo: {told}"));
    }
}
