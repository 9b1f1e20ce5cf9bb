//! `completions`

use super::output::print;
use crate::cli::{Cli, Shell};
use crate::error::{ExitCode, Result};
use clap::CommandFactory;

/// Prints the completions for a shell.
pub fn run(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(generator, &mut Cli::command(), "bgo", &mut script);
    print(&String::from_utf8_lossy(&script));
    Ok(ExitCode::Done)
}
