//! The command line as clap types: the one place that defines flags, help and completions.
//!
//! Why it exists: help, parsing and completions cannot disagree. Invariant: every flag here is acted on; the grammar
//! of bgo-cli 0.2.0 is a subset.

mod acts;
mod autostart;
mod discovery;
mod doctor;
mod env;
mod events;
mod expect;
mod export;
mod line;
mod logs;
mod project;
mod resurrect;
mod run;
mod selector;
mod send;
mod settings;
mod skill;
mod spec;

use crate::domain::duration::Span;
use crate::domain::raw::Raw;
use crate::domain::settings::Restart;
use crate::domain::spec::Supervision;
pub use acts::{CleanArgs, DeleteArgs, ReapArgs, RestartArgs, SetArgs, SignalArgs, StopArgs};
pub use autostart::{AutostartAction, AutostartArgs};
use clap::builder::TypedValueParser as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
pub use discovery::{CapabilitiesArgs, ExamplesArgs, ManArgs, SchemaArgs};
pub use doctor::DoctorArgs;
pub use env::{EnvArgs, Syntax};
pub use events::EventsArgs;
pub use expect::{ExpectArgs, From, OneStream};
pub use export::{ExportArgs, ExportFormat, NomadDriver};
pub use logs::{FollowArgs, LogPart, LogsArgs, OutputForm, ReadFlags, Streams};
pub use project::{DownArgs, UpArgs};
pub use resurrect::ResurrectArgs;
pub use run::RunArgs;
pub use selector::{Chosen, Owners, Selector};
pub use send::SendArgs;
pub use settings::{RestartFlags, SettingsFlags};
pub use skill::{SkillAction, SkillArgs};
pub use spec::StartArgs;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  bgo web -- python3 -m http.server 8080   start, named \"web\"
  bgo ./server.sh --port 80                start, named after the program
  bgo -w api -- node server.js             start, and restart it when it dies
  bgo                                      this help
  bgo status                               all processes
  bgo web                                  one process in detail
  bgo logs web -f                          follow its output
  bgo run -- make test                     in the foreground
  bgo wait web                             until it ends
  bgo stop web                             SIGTERM, SIGKILL after 5 s
  bgo restart web                          stop and start it anew
  bgo resurrect                            after a reboot: bring back what was up

Durations are 3 (seconds), 500ms, 2m, 1h30m. State and logs are in $BGO_HOME, by default ~/.bgo.
Exit codes: 0 done, 1 failed, 2 usage, 3 no such process, 124 timed out, 130 interrupted.
`wait` and `run` pass on the exit code of the process, 128+n for signal n, 125 if there is none to pass on.";

const WAIT_NOTES: &str = "\
Without --for it exits with the exit code of the process, 128+n for signal n, 125 if nobody could see how it ended; of
several, the highest. With --timeout, a NAME that is not registered yet is waited for.";

/// Run any command in the background: detached, logged, supervised, brought back after a reboot.
#[derive(Debug, Parser)]
#[command(name = "bgo", version, max_term_width = 120, disable_help_subcommand = true, after_help = EXAMPLES)]
#[command(
    override_usage = "bgo <NAME> -- <COMMAND>...\n       bgo [-w] <NAME> <COMMAND>...\n       bgo <COMMAND>...\n       bgo <NAME>\n       bgo <SUBCOMMAND> [OPTIONS] [ARGS]"
)]
pub struct Cli {
    /// Colour the output.
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN", hide_possible_values = true, help = "Colour the output: auto, always, never [default: auto]", hide_default_value = true)]
    pub color: Color,
    /// Use this file instead of the bgo.toml of the current folder.
    #[arg(long, global = true, value_name = "PATH", help = "Project file [default: the nearest bgo.toml]")]
    pub config: Option<PathBuf>,
    /// Answer in JSON: one document on standard output, of a failure one on standard error.
    #[arg(long, global = true, help = "Answer in JSON")]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// In any case.
    Always,
    /// In no case.
    Never,
}

/// The verbs. The flags of a verb are built when it is used: building all of them costs as much as a short command.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Start a process
    #[command(visible_alias = "open", override_usage = spec::USAGE, after_help = spec::NOTES)]
    Start(StartArgs),
    /// Run a command in the foreground, supervised and logged
    #[command(override_usage = "bgo run [OPTIONS] -- <COMMAND>...", after_help = run::NOTES)]
    Run(RunArgs),
    /// Wait until processes are ready, have ended, or are down
    #[command(after_help = WAIT_NOTES)]
    Wait(WaitArgs),
    /// Start the jobs of the project, each after what it needs
    #[command(visible_alias = "run-group", after_help = project::UP_NOTES)]
    Up(UpArgs),
    /// Stop the jobs of the project, each before what it needs
    Down(DownArgs),
    /// Check the file of the project, without starting anything
    Check,
    /// Stop processes and everything they started
    #[command(visible_alias = "kill")]
    Stop(StopArgs),
    /// Send a signal to a process
    Signal(SignalArgs),
    /// Write to the standard input of a process that was started with --stdin
    #[command(after_help = send::NOTES)]
    Send(SendArgs),
    /// End whoever listens on a TCP port
    FreePort(FreePortArgs),
    /// Restart processes; those that are down are started
    Restart(RestartArgs),
    /// Restart processes that are down: picked from a menu, by name, or all
    RestartStopped(PickArgs),
    /// As restart-stopped, the most recently stopped first
    RestartLast(PickArgs),
    /// After a reboot: bring back every process that was up
    #[command(after_help = resurrect::NOTES)]
    Resurrect(ResurrectArgs),
    /// Have what was up come back: run resurrect when the machine starts, or at login
    #[command(after_help = autostart::NOTES)]
    Autostart(AutostartArgs),
    /// Show all processes, or some in detail
    #[command(visible_aliases = ["ls", "list"])]
    Status(StatusArgs),
    /// Print the environment of a process, secrets masked
    #[command(after_help = env::NOTES)]
    Env(EnvArgs),
    /// Show the output of processes
    #[command(after_help = logs::NOTES)]
    Logs(LogsArgs),
    /// Follow the output of processes (logs -f -n 10)
    #[command(visible_alias = "tail", after_help = logs::NOTES)]
    Follow(FollowArgs),
    /// Tell what has happened to processes, or what happens: one JSON object a line
    #[command(after_help = events::NOTES)]
    Events(EventsArgs),
    /// Wait for a text in the output of a process
    #[command(after_help = expect::NOTES)]
    Expect(ExpectArgs),
    /// Restart a running process from now on when it dies
    Watch(WatchArgs),
    /// Leave a process down from now on when it dies
    Unwatch(Chosen),
    /// Change how a process is supervised: limits, health checks, restart policy
    Set(SetArgs),
    /// Hold a process and everything it started (SIGSTOP)
    Pause(Chosen),
    /// Let a paused process go on
    Resume(Chosen),
    /// Stop a process and forget it, logs included
    #[command(visible_alias = "rm")]
    Delete(DeleteArgs),
    /// Forget every process that is not running, logs included
    Clean(CleanArgs),
    /// End what has outlived its lease: --ttl is over, or the process of --until-pid has ended
    Reap(ReapArgs),
    /// Check everything that bgo keeps and stands on, and mend it
    #[command(after_help = doctor::NOTES)]
    Doctor(DoctorArgs),
    /// Take jobs elsewhere: print them as systemd units, a Compose file, a Nomad job or the like
    #[command(override_usage = export::USAGE, after_help = export::NOTES)]
    Export(ExportArgs),
    /// Print what bgo can do, as JSON: commands, effects, errors, states
    Capabilities(CapabilitiesArgs),
    /// Print the JSON Schema of an answer or of a file
    Schema(SchemaArgs),
    /// Print commands to try, each of them tested
    Examples(ExamplesArgs),
    /// Teach an agent to use bgo: write a skill file where it looks for them
    #[command(after_help = skill::NOTES)]
    Skill(SkillArgs),
    /// Write the manual pages into a folder, or print the first
    Man(ManArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
}

// Flags of `start` and of the direct forms.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct StartFlags {
    /// What the process is to be like.
    #[command(flatten)]
    pub process: ProcessFlags,
    /// Report a failure if it ends badly within this time; 0 to not wait
    #[arg(long, value_name = "TIME", default_value = "100ms")]
    pub settle: Span,
    /// Wait until it is ready or has ended, for TIME at most
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, conflicts_with = "settle")]
    pub wait: Option<Option<Span>>,
    /// Succeed if it runs already as asked for; with --force, replace it if not
    #[arg(long)]
    pub if_not_running: bool,
    /// Replace it if it runs already
    #[arg(long)]
    pub force: bool,
    /// Whose it may be.
    #[command(flatten)]
    pub owners: Owners,
    /// First bring its folder up to date: git pull --ff-only
    #[arg(long)]
    pub fetch: bool,
    /// How long it may take until what --after names is ready
    #[arg(long, value_name = "TIME", default_value = "120s", help_heading = "Dependencies")]
    pub after_timeout: Span,
}

// Flags of `start`, of the direct forms and of `run`.
#[derive(Clone, Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct ProcessFlags {
    /// Folder to run in [default: the current one]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Set a variable on top of the present environment
    #[arg(short, long = "env", value_name = "KEY=VALUE", value_parser = clap::builder::OsStringValueParser::new().try_map(key_value))]
    pub env: Vec<(Raw, Raw)>,
    /// Restart it when it dies: --restart always
    #[arg(short, long, conflicts_with = "restart", help_heading = "Restart policy")]
    pub watch: bool,
    /// Restart it when it dies: no, on-failure or always [default: no]
    #[arg(long, value_name = "POLICY", value_parser = restart_policy, help_heading = "Restart policy")]
    pub restart: Option<Restart>,
    /// All other settings.
    #[command(flatten)]
    pub settings: SettingsFlags,
}

impl ProcessFlags {
    /// How the process is to be supervised.
    pub fn supervision(&self) -> Supervision {
        let restart = if self.watch { Some(Restart::Always) } else { self.restart };
        self.settings.clone().supervision(restart)
    }
}

/// The direct forms: `bgo [FLAGS] WORD…` without a verb.
#[derive(Debug, Parser)]
#[command(name = "bgo", max_term_width = 120, override_usage = "bgo [OPTIONS] <NAME> -- <COMMAND>...")]
pub struct DirectArgs {
    /// Colour the output.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Use this file instead of the bgo.toml of the current folder.
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
    /// How to start it.
    #[command(flatten)]
    pub flags: StartFlags,
    /// Name or command, and its arguments.
    #[arg(trailing_var_arg = true)]
    pub words: Vec<OsString>,
}

/// `NAME --` with flags on either side: what stands before the separator.
#[derive(Debug, Parser)]
#[command(name = "bgo", max_term_width = 120, override_usage = "bgo [OPTIONS] <NAME> -- <COMMAND>...")]
pub struct NamedArgs {
    /// Colour the output.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Use this file instead of the bgo.toml of the current folder.
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,
    /// How to start it.
    #[command(flatten)]
    pub flags: StartFlags,
    /// Name of the process.
    pub name: OsString,
}

// `wait`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct WaitArgs {
    /// Which.
    #[command(flatten)]
    pub selector: Selector,
    /// For what: ready, exit (watch mode may start it again), stopped (it stays down) [default: exit]
    #[arg(
        long = "for",
        value_enum,
        default_value_t = WaitFor::Exit,
        value_name = "WHAT",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub goal: WaitFor,
    /// Give up after this time
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<Span>,
    /// Until the first of several gets there
    #[arg(long)]
    pub any: bool,
}

/// What `wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitFor {
    /// It is ready
    Ready,
    /// It has ended
    Exit,
    /// It is down and stays down
    Stopped,
}

// `free-port`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct FreePortArgs {
    /// The port
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Whose it may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `restart-stopped`, `restart-last`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct PickArgs {
    /// Names of the processes; those that run are left alone
    #[arg(value_name = "NAME")]
    pub names: Vec<OsString>,
    /// All that are down, without asking
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// Whose they may be.
    #[command(flatten)]
    pub owners: Owners,
}

// `status`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct StatusArgs {
    /// Which.
    #[command(flatten)]
    pub selector: Selector<false>,
    /// Refresh until Ctrl-C
    #[arg(short, long)]
    pub watch: bool,
    /// Time between two frames [default: 2]
    #[arg(long, value_name = "TIME", requires = "watch")]
    pub interval: Option<Span>,
    /// Show on which TCP ports they listen
    #[arg(long)]
    pub ports: bool,
    /// ASCII only, no colour
    #[arg(long, conflicts_with = "fancy")]
    pub plain: bool,
    /// Box drawing, also when piped
    #[arg(long)]
    pub fancy: bool,
}

// `watch`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct WatchArgs {
    /// Which.
    #[command(flatten)]
    pub chosen: Chosen,
    /// Which ends are followed by a restart: always or on-failure [default: as it was, or always]
    #[arg(long, value_name = "POLICY", value_parser = restart_policy)]
    pub restart: Option<Restart>,
    /// What to change; the rest stays.
    #[command(flatten)]
    pub settings: RestartFlags,
    /// Start from the defaults, and count restarts from zero
    #[arg(long)]
    pub reset: bool,
}

// `completions`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct CompletionsArgs {
    /// For which shell
    pub shell: Shell,
}

/// A shell that there are completions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU Bash
    Bash,
    /// The Z shell
    Zsh,
    /// The friendly interactive shell
    Fish,
}

fn restart_policy(text: &str) -> Result<Restart, String> {
    // What bgrun calls it.
    if text == "on-crash" { Ok(Restart::OnFailure) } else { text.parse() }
}

fn key_value(text: OsString) -> Result<(Raw, Raw), String> {
    let bytes = text.as_bytes();
    match bytes.iter().position(|&b| b == b'=') {
        Some(at) if at > 0 => Ok((Raw::from(bytes[..at].to_vec()), Raw::from(bytes[at + 1..].to_vec()))),
        _ => Err(format!("\"{}\" is not KEY=VALUE", text.to_string_lossy())),
    }
}
