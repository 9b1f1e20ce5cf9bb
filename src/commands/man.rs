//! `man`: the manual pages, made from the clap types.
//!
//! Why it exists: a package, and whoever types `man bgo`, want pages; written by hand they would disagree with `--help`.
//! Invariant: every verb has a page, and all that is in one comes from where the program itself has it.

use super::capabilities::VARIABLES;
use super::examples::EXAMPLES;
use super::output::Output;
use crate::cli::{Cli, ManArgs};
use crate::error::{Error, ErrorKind, ExitCode, Result, describe};
use crate::ops::{FOR_ALL, publish};
use crate::view::json;
use crate::view::reply::ManReply;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;

/// What bgo keeps where, below its home.
const FILES: &[(&str, &str)] = &[
    ("~/.bgo/procs/NAME.json", "the record of a process: its command, settings, state and last ends"),
    ("~/.bgo/env/NAME.json", "the environment that was captured at its start"),
    ("~/.bgo/logs/NAME.{out,err,watcher}.log", "its output, and what its sidecar saw and did"),
    ("~/.bgo/run", "locks, events and other files of running processes"),
    ("bgo.toml", "the jobs of a project"),
];

/// Writes all pages into a folder, or prints the first.
pub fn run(args: &ManArgs, out: &Output) -> Result<ExitCode> {
    let pages = pages().map_err(|e| Error::io("cannot make the manual pages", &e))?;
    let Some(folder) = &args.dir else {
        let text = pages.into_iter().next().map(|page| page.text).unwrap_or_default();
        match out.is_json() {
            true => out.document(json::document(&ManReply { files: Vec::new(), page: Some(text) })),
            false => out.print(&text),
        }
        return Ok(ExitCode::Done);
    };
    let mut files = Vec::new();
    for page in pages {
        let path = folder.join(page.file);
        publish(&path, page.text.as_bytes(), FOR_ALL, true)
            .map_err(|e| Error::new(ErrorKind::Io, format!("cannot write {}", path.display())).because(describe(&e)))?;
        files.push(path.to_string_lossy().into_owned());
    }
    match out.is_json() {
        true => out.document(json::document(&ManReply { files, page: None })),
        false => out.say(&format!("wrote {} pages to {}", files.len(), folder.display())),
    }
    Ok(ExitCode::Done)
}

struct Page {
    file: String,
    text: String,
}

/// All pages, that of bgo itself first.
fn pages() -> io::Result<Vec<Page>> {
    let mut cli = Cli::command();
    cli.build();
    let verbs = cli.get_subcommands().map(|verb| page(verb, verb_sections(verb)));
    [page(&cli, main_sections(&cli))].into_iter().chain(verbs).collect()
}

fn page(command: &Command, sections: Roff) -> io::Result<Page> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .source(concat!("bgo ", env!("CARGO_PKG_VERSION")))
        .manual("bgo manual");
    let mut bytes = Vec::new();
    man.render_title(&mut bytes)?;
    man.render_name_section(&mut bytes)?;
    man.render_synopsis_section(&mut bytes)?;
    man.render_description_section(&mut bytes)?;
    man.render_options_section(&mut bytes)?;
    sections.to_writer(&mut bytes)?;
    Ok(Page { file: format!("{name}.1"), text: String::from_utf8_lossy(&bytes).into_owned() })
}

fn main_sections(cli: &Command) -> Roff {
    let mut roff = Roff::new();
    let about = |verb: &Command| verb.get_about().map(ToString::to_string).unwrap_or_default();
    let verbs: Vec<_> =
        cli.get_subcommands().map(|verb| (format!("bgo-{}(1)", verb.get_name()), about(verb))).collect();
    list(&mut roff, "COMMANDS", verbs.iter().map(|(name, about)| (name.as_str(), about.as_str())));
    notes(&mut roff, cli);
    list(&mut roff, "ENVIRONMENT", VARIABLES.iter().copied());
    list(&mut roff, "FILES", FILES.iter().copied());
    let codes: Vec<_> = ExitCode::ALL.iter().map(|(code, meaning)| (code.value().to_string(), *meaning)).collect();
    list(&mut roff, "EXIT STATUS", codes.iter().map(|(code, meaning)| (code.as_str(), meaning.trim())));
    roff
}

fn verb_sections(verb: &Command) -> Roff {
    let mut roff = Roff::new();
    notes(&mut roff, verb);
    let mut examples = EXAMPLES.iter().filter(|example| example.verb == verb.get_name()).peekable();
    if examples.peek().is_some() {
        roff.control("SH", ["EXAMPLES"]);
        for example in examples {
            roff.control("PP", []).text([roman(example.about)]);
            verbatim(&mut roff, example.lines.iter().copied());
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("bgo"), roman("(1)")]);
    roff
}

/// What `--help` says below the options; its lines are made up by hand.
fn notes(roff: &mut Roff, command: &Command) {
    if let Some(text) = command.get_after_help() {
        roff.control("SH", ["NOTES"]);
        verbatim(roff, text.to_string().lines());
    }
}

fn list<'a>(roff: &mut Roff, heading: &str, items: impl Iterator<Item = (&'a str, &'a str)>) {
    roff.control("SH", [heading]);
    for (term, meaning) in items {
        roff.control("TP", []).text([bold(term)]).text([roman(meaning)]);
    }
}

fn verbatim<'a>(roff: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    roff.control("PP", []).control("nf", []);
    for line in lines {
        match line {
            "" => roff.control("sp", []),
            line => roff.text([roman(line)]),
        };
    }
    roff.control("fi", []);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_a_page_that_names_all_its_flags() {
        let pages = pages().unwrap();
        let mut cli = Cli::command();
        cli.build();
        assert_eq!(pages.len(), cli.get_subcommands().count() + 1);
        for verb in cli.get_subcommands() {
            let page = pages.iter().find(|page| page.file == format!("bgo-{}.1", verb.get_name())).unwrap();
            for flag in verb.get_arguments().filter(|flag| !flag.is_hide_set()).filter_map(|flag| flag.get_long()) {
                let flag = format!("\\-\\-{}", flag.replace('-', "\\-"));
                assert!(page.text.contains(&flag), "{} has no {flag}", page.file);
            }
        }
    }
}
