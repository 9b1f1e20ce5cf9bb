//! Reading a command line.
//!
//! Why it exists: before clap looks at the first word, it copies every global flag into each of some fifty verbs: a third
//! of the instructions of a short command. So it is given the verb that is used, and no other. Invariant: what is read is
//! what the whole grammar says; whatever is not right with a line, and its help, is the whole grammar's answer.

use super::Cli;
use clap::{Command, CommandFactory, FromArgMatches};
use std::ffi::OsString;

impl Cli {
    /// Reads a command line with a verb.
    ///
    /// # Errors
    /// It is not right, or it asks for help.
    pub fn read(line: &[OsString]) -> Result<Cli, clap::Error> {
        let whole = Cli::command();
        let read = with_one_verb(&whole, line).and_then(|grammar| {
            let mut matches = grammar.try_get_matches_from(line).ok()?;
            Cli::from_arg_matches_mut(&mut matches).ok()
        });
        if let Some(cli) = read {
            return Ok(cli);
        }
        let mut matches = whole.try_get_matches_from(line)?;
        Cli::from_arg_matches_mut(&mut matches).map_err(|e| e.format(&mut Cli::command()))
    }
}

/// The grammar with the first verb in `line` alone. Should that word be a flag's value, the line is not right by this
/// grammar: the verb itself is missing.
fn with_one_verb(whole: &Command, line: &[OsString]) -> Option<Command> {
    let named = |word: &OsString| whole.get_subcommands().find(|verb| is_called(verb, word));
    let verb = line.iter().skip(1).find_map(named)?.clone();
    Some(Command::new("bgo").disable_help_subcommand(true).args(whole.get_arguments().cloned()).subcommand(verb))
}

fn is_called(verb: &Command, word: &OsString) -> bool {
    *word == *verb.get_name() || verb.get_all_aliases().any(|alias| *word == *alias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn one_verb_is_read_as_by_the_whole_grammar() {
        for line in [
            &["status"][..],
            &["ls", "--json"],
            &["--json", "rm", "-y", "a b"],
            &["--config", "status", "stop", "web"],
            &["--color=never", "start", "web", "--stop-timeout", "1m", "--", "status", "--json"],
            &["wait", "stop"],
            &["autostart", "enable"],
            &["status", "--help"],
            &["status", "--bogus"],
            &["help", "status"],
            &["statu"],
            &["-V"],
            &[],
        ] {
            let line: Vec<OsString> = ["bgo"].iter().chain(line).map(OsString::from).collect();
            let shown = |read: Result<Cli, clap::Error>| match read {
                Ok(cli) => format!("{cli:?}"),
                Err(error) => error.render().to_string(),
            };
            assert_eq!(shown(Cli::read(&line)), shown(Cli::try_parse_from(&line)), "{line:?}");
        }
    }

    #[test]
    fn every_verb_is_found_by_each_of_its_names() {
        let whole = Cli::command();
        for verb in whole.get_subcommands() {
            for name in verb.get_name_and_visible_aliases() {
                let grammar = with_one_verb(&whole, &["bgo".into(), name.into()]).unwrap();
                let found: Vec<&str> = grammar.get_subcommands().map(Command::get_name).collect();
                assert_eq!(found, [verb.get_name()]);
            }
        }
    }
}
