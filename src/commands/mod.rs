//! One file a verb: parse, call `ops`, show with `view`.
//!
//! Why it exists: words and exit codes are decided here; what is done is in `ops`. Invariant: data goes to stdout,
//! everything else to stderr, and a closed pipe is not an error.

mod ask;
mod autostart;
mod before;
mod capabilities;
mod check;
mod clean;
mod completions;
mod delete;
mod direct;
mod doctor;
mod env;
mod events;
mod examples;
mod expect;
mod export;
mod free_port;
mod input;
mod logs;
mod logs_many;
mod logs_read;
mod logs_text;
mod man;
mod output;
mod owners;
mod payload;
mod pick;
mod reap;
mod restart;
mod resurrect;
mod run;
mod select;
mod send;
mod signal;
mod skill;
mod start;
mod status;
mod stop;
mod up;
mod wait;
mod watch;

use crate::cli::{Cli, Color, Command};
use crate::error::{Error, ErrorKind, ExitCode, ExitStatus, Result};
use crate::ops::Bgo;
use crate::platform;
use clap::{CommandFactory, Parser};
use output::Output;
use std::ffi::OsString;
use std::path::PathBuf;

/// Runs the command line and returns the exit status.
pub fn main() -> u8 {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let is_direct = direct::is_direct(&arguments);
    let mut out = Output::new(Color::default(), wants_json(&arguments, is_direct));
    let ended = run(&arguments, is_direct, &mut out);
    let (status, error) = match ended {
        Ok(ExitStatus::Own(ExitCode::Interrupted)) if out.is_json() && !out.has_answered() => {
            (ExitCode::Interrupted.value(), Some(Error::new(ErrorKind::Interrupted, "interrupted")))
        }
        Ok(status) => (status.number(), out.unwritten().cloned()),
        Err(error) => (error.kind.exit_code().value(), Some(error)),
    };
    if let Some(error) = &error {
        out.error(error);
    }
    // What could not be told is not done with 0.
    if error.is_some() { status.max(ExitCode::Failed.value()) } else { status }
}

/// Whether the answer is to be JSON, also if the command line is wrong otherwise. What follows `--`, or the first word
/// of a line without a verb, belongs to a command.
fn wants_json(arguments: &[OsString], is_direct: bool) -> bool {
    let words = arguments.iter().skip(1).take_while(|word| *word != "--");
    let mut flags = words.take_while(|word| !is_direct || word.as_encoded_bytes().starts_with(b"-"));
    flags.any(|word| word == "--json") || is_direct && arguments.len() == 3 && arguments[2] == "--json"
}

fn run(arguments: &[OsString], is_direct: bool, out: &mut Output) -> Result<ExitStatus> {
    if arguments.get(1).is_some_and(|word| word == "help") {
        return Ok(help(arguments.get(2), out).into());
    }
    if is_direct {
        return direct::run(arguments, out).map(ExitStatus::from);
    }
    let cli = match Cli::read(arguments) {
        Ok(cli) => cli,
        Err(error) => return Ok(output::print_clap(&error, out).into()),
    };
    let Some(command) = cli.command else {
        if cli.json {
            return Err(Error::new(ErrorKind::Usage, "no command was given").hint("bgo capabilities lists them"));
        }
        out.print(&Cli::command().render_help().to_string());
        return Ok(ExitCode::Done.into());
    };
    *out = Output::new(cli.color, cli.json);
    let bgo = context(cli.config)?;
    let done = match command {
        Command::Run(args) => return run::run(&bgo, args, out),
        Command::Wait(args) => return wait::run(&bgo, &args, out),
        Command::Signal(args) => signal::run(&bgo, &args, out),
        Command::Send(args) => send::run(&bgo, args, out),
        Command::Start(args) => payload::run(&bgo, args, out),
        Command::Up(args) => up::up(&bgo, &args, out),
        Command::Down(args) => up::down(&bgo, &args, out),
        Command::Check => check::check(&bgo, out),
        Command::Capabilities(args) => capabilities::run(&bgo, &args, out),
        Command::Schema(args) => capabilities::schema(&args, out),
        Command::Examples(args) => examples::run(&args, out),
        Command::Stop(args) => stop::run(&bgo, &args, out),
        Command::FreePort(args) => free_port::run(&bgo, &args, out),
        Command::Restart(args) => restart::run(&bgo, &args, out),
        Command::RestartStopped(args) => pick::run(&bgo, &args, pick::Order::Name, out),
        Command::RestartLast(args) => pick::run(&bgo, &args, pick::Order::LastStoppedFirst, out),
        Command::Resurrect(args) => resurrect::run(&bgo, &args, out),
        Command::Autostart(args) => autostart::run(&bgo, args, out),
        Command::Status(args) => status::run(&bgo, &args, out),
        Command::Env(args) => env::run(&bgo, &args, out),
        Command::Logs(args) => logs::run(&bgo, &logs::Wanted::from(args), out),
        Command::Follow(args) => logs::run(&bgo, &logs::Wanted::from(args), out),
        Command::Events(args) => events::run(&bgo, &args, out),
        Command::Expect(args) => expect::run(&bgo, &args, out),
        Command::Watch(args) => watch::watch(&bgo, args, out),
        Command::Unwatch(args) => watch::unwatch(&bgo, &args, out),
        Command::Set(args) => watch::set(&bgo, args, out),
        Command::Pause(args) => watch::pause(&bgo, &args, out),
        Command::Resume(args) => watch::resume(&bgo, &args, out),
        Command::Delete(args) => delete::run(&bgo, &args, out),
        Command::Clean(args) => clean::run(&bgo, &args, out),
        Command::Reap(args) => reap::run(&bgo, &args, out),
        Command::Doctor(args) => doctor::run(&bgo, args, out),
        Command::Export(args) => export::run(&bgo, &args, out),
        Command::Skill(args) => skill::run(&args, out),
        Command::Man(args) => man::run(&args, out),
        Command::Completions(args) => completions::run(args.shell, out),
    };
    done.map(ExitStatus::from)
}

/// `bgo help [VERB]`, which people type before they know `--help`.
fn help(verb: Option<&OsString>, out: &Output) -> ExitCode {
    let line = ["bgo".into()].into_iter().chain(verb.cloned()).chain(["--help".into()]);
    match Cli::try_parse_from(line) {
        Err(error) => output::print_clap(&error, out),
        Ok(_) => ExitCode::Done,
    }
}

/// The state folder, `$BGO_HOME`, else `.bgo` in the home folder; and the file of the project, if one was named.
fn context(config: Option<PathBuf>) -> Result<Bgo> {
    let set = |key: &str| std::env::var_os(key).filter(|v| !v.is_empty()).map(PathBuf::from);
    // Not by getpwuid: in a static binary a name service module of the system can crash it.
    let user_home = || platform::account(&platform::real_user().to_string()).ok().flatten().map(|account| account.home);
    let home = match set("BGO_HOME") {
        Some(home) => home,
        None => set("HOME")
            .or_else(user_home)
            .ok_or_else(|| {
                Error::new(ErrorKind::Io, "cannot tell your home folder")
                    .hint("set BGO_HOME to where bgo may keep its state")
            })?
            .join(".bgo"),
    };
    let home = std::path::absolute(&home).map_err(|e| Error::io(format!("cannot use {}", home.display()), &e))?;
    Ok(Bgo { config, ..Bgo::new(home, crate::platform::self_executable()) })
}
