//! The arguments of `export`.

use super::selector::Selector;
use crate::domain::export::Format;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How it is written; by itself clap would put the names before the format.
pub const USAGE: &str = "\
bgo export [OPTIONS] <FORMAT> <NAME>...
       bgo export [OPTIONS] <FORMAT> <--project|--group <GROUP>|--all|...>";

/// What is said below the help of `export`.
pub const NOTES: &str = "\
What has no counterpart there is a comment in the file and a line on standard error. Variables that look like secrets \
are left out. Several files on standard output have their names above them: with --out-dir each is a file of its own.";

// `export`
#[derive(Debug, Args)]
#[expect(missing_docs, reason = "clap would take it for the text of the verb")]
pub struct ExportArgs {
    /// For whom: systemd, launchd, compose, nomad, k8s
    #[arg(value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub format: ExportFormat,
    /// Which; with --project the jobs of its file, whether they were ever started or not.
    #[command(flatten)]
    pub selector: Selector,
    /// All that are registered
    #[arg(short, long, group = "selection", conflicts_with_all = ["names", "group", "project", "tag", "owner", "mine", "cwd"])]
    pub all: bool,
    /// Write each file into this folder
    #[arg(short, long, value_name = "DIR")]
    pub out_dir: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long, requires = "out_dir")]
    pub force: bool,
    /// Image of the containers, or of that of NAME (compose, k8s); may be given several times
    #[arg(long, value_name = "[NAME=]IMAGE", value_parser = image)]
    pub image: Vec<(Option<String>, String)>,
    /// For the whole machine instead of one user (systemd, launchd)
    #[arg(long)]
    pub system: bool,
    /// Task driver (nomad) [default: raw_exec]
    #[arg(
        long,
        value_enum,
        value_name = "DRIVER",
        hide_possible_values = true,
        help = "Task driver: raw_exec, exec (nomad) [default: raw_exec]"
    )]
    pub driver: Option<NomadDriver>,
    /// Take the whole environment along, not only what -e has set
    #[arg(long)]
    pub with_env: bool,
}

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Units of systemd
    Systemd,
    /// Property lists of launchd
    Launchd,
    /// A file of Docker Compose
    Compose,
    /// A job of Nomad
    Nomad,
    /// Manifests of Kubernetes
    K8s,
}

impl ExportFormat {
    /// As the domain calls it.
    pub fn format(self) -> Format {
        match self {
            ExportFormat::Systemd => Format::Systemd,
            ExportFormat::Launchd => Format::Launchd,
            ExportFormat::Compose => Format::Compose,
            ExportFormat::Nomad => Format::Nomad,
            ExportFormat::K8s => Format::K8s,
        }
    }
}

/// What runs the tasks of Nomad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum NomadDriver {
    /// As they are
    #[value(name = "raw_exec")]
    RawExec,
    /// Isolated
    #[value(name = "exec")]
    Exec,
}

fn image(text: &str) -> Result<(Option<String>, String), String> {
    let (name, image) = match text.split_once('=') {
        Some((name, image)) => (Some(name.to_owned()), image),
        None => (None, text),
    };
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '$';
    match name.as_deref() == Some("") || image.is_empty() || image.contains(is_odd) {
        true => Err(format!("\"{}\" is neither IMAGE nor NAME=IMAGE, such as web=python:3.12", text.escape_debug())),
        false => Ok((name, image.to_owned())),
    }
}
