//! `env`

use super::output::{Output, known_name};
use crate::cli::{EnvArgs, Syntax};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::{self, Bgo, ProcessEnvironment};
use crate::store::Environment;
use crate::view::environment::{Form, json, left_out, render};
use std::io::IsTerminal;

/// Prints what a process was started with, or would be.
pub fn run(bgo: &Bgo, args: &EnvArgs, out: &Output) -> Result<ExitCode> {
    let name = known_name(bgo, &args.name)?;
    let environment = ops::environment(bgo, &name)?;
    if out.is_json() {
        if args.shell.is_some() {
            return Err(
                Error::new(ErrorKind::Usage, "--shell and --json are two forms of one answer").hint("give one of them")
            );
        }
        out.document(json(name.as_str(), environment.pid, &environment.variables, args.show));
    } else {
        show(&name, environment, args, out);
    }
    Ok(ExitCode::Done)
}

fn show(name: &Name, mut environment: ProcessEnvironment, args: &EnvArgs, out: &Output) {
    if environment.pid.is_none() {
        let why = match environment.is_hidden {
            true => format!("what \"{name}\" was started with cannot be read"),
            false => format!("\"{name}\" is not running"),
        };
        out.note(&format!("bgo: {why}: this is what its next start gets"));
    }
    if let Some(variable) = &environment.unchosen_port {
        out.note(&format!("bgo: {variable} is not chosen yet"));
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
    out.print_bytes(&rendered.text);
    if let Some(told) = left_out(&rendered) {
        out.note(&format!("bgo: {told}"));
    }
}
