//! `completions`: the script that makes a shell complete bgo's command line.
//!
//! Why it exists: clap_complete knows neither process names nor the forms without a verb, and its three scripts differ
//! in what they can do. Invariants: verbs, flags and values come from the clap types, so none can be forgotten; names
//! come from the files below `procs`, read by the shell itself: pressing TAB never runs bgo.
//!
//! All three scripts read a line alike. The first word that is neither a flag nor a flag's value is a verb; or the line
//! has none, and the word is a name. Behind `--`, or behind the name (`start` has one, too), a command begins. It is
//! completed as the shell would complete it alone.

use super::output::Output;
use crate::cli::{Cli, DirectArgs, Shell};
use crate::domain::level::Level;
use crate::domain::order::sort;
use crate::domain::settings::{self, Autostart, OnReadyTimeout, Restart};
use crate::domain::spec::FastCrash;
use crate::error::{ExitCode, Result};
use crate::view::json;
use crate::view::reply::ScriptReply;
use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command, CommandFactory};

/// The signals to offer; any other can be typed.
const SIGNALS: &str = "TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH";

/// Prints the completions for a shell.
pub fn run(shell: Shell, out: &Output) -> Result<ExitCode> {
    match out.is_json() {
        true => out.document(json::document(&ScriptReply { script: script(shell) })),
        false => out.print(&script(shell)),
    }
    Ok(ExitCode::Done)
}

fn script(shell: Shell) -> String {
    let grammar = Grammar::new();
    let (template, parts) = match shell {
        Shell::Bash => (BASH, bash(&grammar)),
        Shell::Zsh => (ZSH, zsh(&grammar)),
        Shell::Fish => (FISH, fish(&grammar)),
    };
    parts.iter().fold(template.to_owned(), |script, (mark, part)| script.replace(mark, part.trim_end()))
}

/// What completes the value of a flag, or a positional argument: `folder`, `name`, `names` (each once), `command` (with
/// its arguments), the words to choose from, or nothing (`any`). Nothing at all for a flag without a value, or whose
/// value can only stand behind its `=`: the next word is none.
fn values(arg: &Arg) -> Option<String> {
    let possible: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let values = match value_name(arg).as_str() {
        _ if !possible.is_empty() => possible.join(" "),
        "DIR" => "folder".to_owned(),
        "SIGNAL" => SIGNALS.to_owned(),
        "POLICY" => words(Restart::ALL),
        "WHEN" => words(Autostart::ALL),
        "ACTION" => words(OnReadyTimeout::ALL),
        "SETTING" => settings::NAMES.iter().map(|name| name.replace('_', "-")).collect::<Vec<_>>().join(" "),
        "MODE" => words(&FastCrash::ALL),
        "NAME" if !arg.is_positional() => "any".to_owned(), // A new one.
        "NAME" | "JOB" if is_repeated(arg) => "names".to_owned(),
        "NAME" => "name".to_owned(),
        "COMMAND" => "command".to_owned(),
        "LEVEL" => Level::ALL.map(Level::as_str).join(" "),
        _ => "any".to_owned(),
    };
    (arg.get_action().takes_values() && !arg.is_require_equals_set()).then_some(values)
}

fn words(values: &[impl ToString]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// The clap types, built whole.
struct Grammar {
    cli: Command,
    /// Without a verb: all flags that may stand before the first word.
    direct: Command,
}

impl Grammar {
    fn new() -> Grammar {
        let mut cli = Cli::command();
        cli.build();
        let direct = DirectArgs::command();
        let known = |flag: &&Arg| flags(&cli).any(|other| other.get_id() == flag.get_id());
        let all: Vec<Arg> = flags(&cli).chain(flags(&direct).filter(|flag| !known(flag))).cloned().collect();
        Grammar { direct: Command::new("bgo").args(all), cli }
    }

    /// The values of flags: a flag has the same with every verb that gives it one (a test holds that).
    fn values(&self) -> Vec<(String, String)> {
        let valued = self
            .cli
            .get_subcommands()
            .chain([&self.direct])
            .flat_map(flags)
            .filter_map(|flag| Some((flag, values(flag)?)));
        let mut all: Vec<_> =
            valued.flat_map(|(flag, values)| spellings(flag).into_iter().map(move |s| (s, values.clone()))).collect();
        sort(&mut all);
        all.dedup();
        all
    }

    /// The flags that have a value with other verbs, but none with this one: `logs:--stdout`.
    fn valueless(&self, separator: &str) -> String {
        let valued = self.values();
        let bare = |verb: &Command| -> Vec<String> {
            flags(verb).filter(|flag| values(flag).is_none()).flat_map(spellings).collect()
        };
        let mut found = Vec::new();
        for verb in self.cli.get_subcommands() {
            for flag in bare(verb).iter().filter(|flag| valued.iter().any(|(known, _)| known == *flag)) {
                found.extend(verb.get_name_and_visible_aliases().iter().map(|name| format!("{name}:{flag}")));
            }
        }
        found.join(separator)
    }

    /// The verbs behind whose name a command begins.
    fn commanding(&self, separator: &str) -> String {
        let verbs = self.cli.get_subcommands().filter(|verb| takes(verb).iter().any(|takes| takes == "command"));
        verbs.map(|verb| verb.get_name_and_visible_aliases().join(separator)).collect::<Vec<_>>().join(separator)
    }

    /// Those of them that take no name before it.
    fn nameless(&self, separator: &str) -> String {
        let verbs = self.cli.get_subcommands().filter(|verb| takes(verb) == ["command"]);
        verbs.map(|verb| verb.get_name_and_visible_aliases().join(separator)).collect::<Vec<_>>().join(separator)
    }

    /// A line for each verb, aliases included, made of it and its text.
    fn described(&self, line: impl Fn(&str, Option<&StyledStr>) -> String) -> String {
        let names = self
            .cli
            .get_subcommands()
            .flat_map(|v| v.get_name_and_visible_aliases().into_iter().map(move |name| (name, v)));
        names.map(|(name, verb)| line(name, verb.get_about())).collect()
    }
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set())
}

/// What completes the words behind a verb; nothing does where nobody can know them (a port, a new folder), or behind one of
/// a few words.
fn takes(verb: &Command) -> Vec<String> {
    let mut takes: Vec<_> = verb.get_positionals().filter_map(values).collect();
    takes.retain(|takes| !["any", "folder"].contains(&takes.as_str()));
    if takes.first().is_some_and(|first| first.contains(' ')) {
        takes.truncate(1);
    }
    takes
}

/// Where names follow behind one of a few words: behind which (`None`: any), and what else may follow a name. Nothing, where
/// no names follow.
fn named(verb: &Command) -> Option<(Option<&'static str>, String)> {
    let [first, second] = verb.get_positionals().collect::<Vec<_>>()[..] else { return None };
    let is_choice = values(first).is_some_and(|words| words.contains(' '));
    match value_name(second).as_str() {
        "NAME" if is_choice => Some((None, String::new())),
        "NAME|POLICY" if is_choice => Some((Some("set"), words(Autostart::ALL))),
        _ => None,
    }
}

fn is_repeated(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
}

/// `-f` and `--force`.
fn spellings(flag: &Arg) -> Vec<String> {
    let short = flag.get_short().map(|short| format!("-{short}"));
    short.into_iter().chain(flag.get_long().map(|long| format!("--{long}"))).collect()
}

/// `DIR` of `--cwd <DIR>`; clap takes that of a positional from its field, in lower case.
fn value_name(arg: &Arg) -> String {
    arg.get_value_names().and_then(<[_]>::first).map_or_else(String::new, |name| name.to_ascii_uppercase())
}

/// A text of the help for single quotes: a backslash before each of `special`, and `quote` for each quote.
fn text(text: Option<&StyledStr>, special: &str, quote: &str) -> String {
    let text = text.map(StyledStr::to_string).unwrap_or_default();
    let escaped = text.chars().flat_map(|c| special.contains(c).then_some('\\').into_iter().chain([c]));
    escaped.collect::<String>().replace('\'', quote)
}

fn bash(grammar: &Grammar) -> Vec<(&'static str, String)> {
    let case = |names: &str, command: &Command, takes: &str| {
        let flags = flags(command).flat_map(spellings).collect::<Vec<_>>().join(" ");
        format!("        {names}) takes='{takes}' flags='{flags}' ")
    };
    let verbs = grammar
        .cli
        .get_subcommands()
        .map(|verb| case(&verb.get_name_and_visible_aliases().join("|"), verb, &takes(verb).join(" ")) + ";;\n");
    let direct = case("*", &grammar.direct, "name command") + "&& return 1 ;;";
    let named = |verb: &Command| {
        let (behind, words) = named(verb)?;
        Some(format!("        {}:{}) values='{words}' ;;\n", verb.get_name(), behind.unwrap_or("*")))
    };
    let values = grammar.values().into_iter().map(|(flag, values)| format!("        {flag}) values='{values}' ;;\n"));
    vec![
        ("%VERBS%", grammar.described(|name, _| format!("{name} "))),
        ("%GRAMMAR%", verbs.chain([direct]).collect()),
        ("%NAMED%", grammar.cli.get_subcommands().filter_map(named).collect()),
        ("%VALUELESS%", grammar.valueless(" | ")),
        ("%VALUES%", values.collect()),
    ]
}

const BASH: &str = include_str!("completions/template.bash");

fn zsh(grammar: &Grammar) -> Vec<(&'static str, String)> {
    let takes = |(before, takes): (usize, String)| match takes.as_str() {
        "name" => " '1: :_bgo_names'".to_owned(),
        "names" => " '*: :_bgo_names'".to_owned(),
        "command" if before == 0 => " '1: :_command_names -e' '*:: :_normal'".to_owned(),
        "command" => " '2: :_command_names -e' '*:: :{shift words; ((CURRENT--)); _normal}'".to_owned(),
        words => format!(" '{}: :({words})'", before + 1),
    };
    let case = |verb: &Command| {
        let names = verb.get_name_and_visible_aliases().join("|");
        let names_follow = named(verb).map(|(behind, words)| match behind {
            Some(behind) => format!(" '*: : _bgo_behind {behind} {words}'"),
            None => " '*: :_bgo_names'".to_owned(),
        });
        let positionals = self::takes(verb).into_iter().enumerate().map(takes).chain(names_follow);
        let specs: String = flags(verb).map(zsh_flag).chain(positionals).collect();
        format!("        {names})\n            _arguments -s -S{specs} && ret=0\n            ;;\n")
    };
    vec![
        ("%VERBS%", grammar.described(|name, about| format!("        '{name}:{}'\n", text(about, r"[]:\", r"'\''")))),
        ("%VALUED%", grammar.values().into_iter().map(|(flag, _)| flag).collect::<Vec<_>>().join("|")),
        ("%COMMANDING%", grammar.commanding("|")),
        ("%CASES%", grammar.cli.get_subcommands().map(case).collect()),
        ("%FLAGS%", flags(&grammar.direct).map(zsh_flag).collect()),
    ]
}

/// A line for each spelling; a flag that was given is not offered again in the other.
fn zsh_flag(flag: &Arg) -> String {
    let (help, name) = (text(flag.get_help(), r"[]:\", r"'\''"), value_name(flag));
    let before = if is_repeated(flag) { "*".to_owned() } else { format!("({})", spellings(flag).join(" ")) };
    let (long, short, value) = match values(flag).as_deref() {
        None => ("", "", String::new()),
        Some("any") => ("=", "+", format!(":{name}: ")),
        Some("folder") => ("=", "+", format!(":{name}:_files -/")),
        Some(words) => ("=", "+", format!(":{name}:({words})")),
    };
    let mark = |spelling: &str| if spelling.starts_with("--") { long } else { short };
    let line = |s: String| format!(" \\\n                '{before}{s}{}[{help}]{value}'", mark(&s));
    spellings(flag).into_iter().map(line).collect()
}

const ZSH: &str = include_str!("completions/template.zsh");

fn fish(grammar: &Grammar) -> Vec<(&'static str, String)> {
    let verb_lines = |verb: &Command| -> String {
        let names = verb.get_name_and_visible_aliases().join(" ");
        let positional = |(before, takes): (usize, String)| match takes.as_str() {
            "command" => String::new(), // One line of the template does it for every verb.
            "name" => fish_line(&names, "-a '(__bgo_names one)'"),
            "names" => fish_line(&names, "-a '(__bgo_names)'"),
            words => fish_line(&names, &format!("-a '(__bgo_at {before} {words})'")),
        };
        let names_follow = named(verb).map(|(behind, words)| {
            fish_line(&names, &format!("-a '(__bgo_behind {} {words})'", behind.unwrap_or("\"\"")).replace(" )", ")"))
        });
        let positionals = takes(verb).into_iter().enumerate().map(positional).chain(names_follow);
        positionals.chain(flags(verb).map(|flag| fish_flag(&names, flag))).collect()
    };
    let lines =
        grammar.described(|name, about| fish_line("first", &format!("-a {name} -d '{}'", text(about, r"\", r"\'"))));
    let direct = flags(&grammar.direct).map(|flag| fish_flag("first direct", flag));
    vec![
        ("%VERBS%", grammar.described(|name, _| format!("{name} "))),
        ("%VALUED%", grammar.values().into_iter().map(|(flag, _)| flag).collect::<Vec<_>>().join(" ")),
        ("%VALUELESS%", grammar.valueless(" ")),
        ("%COMMANDING%", grammar.commanding(" ")),
        ("%NAMELESS%", grammar.nameless(" ")),
        ("%LINES%", grammar.cli.get_subcommands().map(verb_lines).chain(direct).fold(lines, |all, line| all + &line)),
    ]
}

fn fish_line(verbs: &str, what: &str) -> String {
    format!("complete -c bgo -n '__bgo_is {verbs}' {what}\n")
}

fn fish_flag(verbs: &str, flag: &Arg) -> String {
    let short = flag.get_short().map(|short| format!("-s {short} ")).unwrap_or_default();
    let long = flag.get_long().map(|long| format!("-l {long} ")).unwrap_or_default();
    let value = match values(flag).as_deref() {
        None => String::new(),
        Some("any") => "-x ".to_owned(),
        Some("folder") => "-xa '(__bgo_folders)' ".to_owned(),
        Some(words) => format!("-xa '{words}' "),
    };
    fish_line(verbs, &format!("{short}{long}{value}-d '{}'", text(flag.get_help(), r"\", r"\'")))
}

const FISH: &str = include_str!("completions/template.fish");

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn all_arguments() -> Vec<(String, Arg)> {
        let grammar = Grammar::new();
        let verbs = grammar.cli.get_subcommands().chain([&grammar.direct]);
        verbs
            .flat_map(|v| v.get_arguments().map(|a| (v.get_name().to_owned(), a.clone())).collect::<Vec<_>>())
            .collect()
    }

    /// A new kind of value is completed by nothing until somebody has decided what completes it.
    #[test]
    fn every_value_is_known() {
        let decided = [
            "ACTION",
            "AGENT|DIR",
            "CMD",
            "CODES",
            "COMMAND",
            "CURSOR",
            "DIR",
            "FILE",
            "FORM",
            "GLOB",
            "GROUP",
            "JOB",
            "JSON|@FILE|-",
            "KEY=VALUE",
            "LEVEL",
            "MASK",
            "METHOD",
            "MODE",
            "N",
            "N/TIME",
            "NAME",
            "NAME|POLICY",
            "PATH",
            "PATTERN",
            "PERCENT",
            "PID",
            "PLACE",
            "POLICY",
            "PORT",
            "RE",
            "READER",
            "REGEX",
            "SETTING",
            "DRIVER",
            "FORMAT",
            "[NAME=]IMAGE",
            "NAME… POLICY",
            "SHELL",
            "SIGNAL",
            "SIZE",
            "STREAM",
            "TAG",
            "TEXT",
            "TIME",
            "TOPIC",
            "URL",
            "VAR",
            "VERB",
            "WHAT",
            "WHEN",
        ];
        for (verb, arg) in all_arguments() {
            let name = value_name(&arg);
            let is_known = values(&arg).is_none() || decided.contains(&name.as_str());
            assert!(is_known, "`{verb}` takes a {name}: complete it in `values`, or add it to this list");
        }
    }

    /// The scripts know the values of flags by their spelling alone; with which verbs a flag has none, they are told.
    #[test]
    fn a_flag_has_the_same_value_with_every_verb_or_none() {
        let mut seen = BTreeMap::new();
        for (verb, flag) in all_arguments() {
            let Some(value) = values(&flag) else { continue };
            for spelling in spellings(&flag) {
                let (first, other) = seen.entry(spelling.clone()).or_insert_with(|| (verb.clone(), value.clone()));
                assert_eq!(*other, value, "{spelling} of `{verb}` and of `{first}`");
            }
        }
        assert!(seen.contains_key("--on-fast-crash") && seen.contains_key("-n"), "{seen:?}");
        let valueless = Grammar::new().valueless(" ");
        assert!(
            valueless.split(' ').any(|flag| flag == "tail:--stderr") && !valueless.contains("start:"),
            "{valueless}"
        );
    }

    /// Behind its name, a verb takes what the templates can tell apart.
    #[test]
    fn positionals_have_a_shape_that_the_scripts_can_read() {
        for verb in Grammar::new().cli.get_subcommands() {
            let takes = takes(verb);
            let is_known = match takes.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                ["folder" | "any"] => false,
                [] | [_] | ["name", "command"] => true,
                ["name", words] => words.contains(' '),
                _ => false,
            };
            assert!(is_known, "`{}` takes {takes:?}", verb.get_name());
        }
    }

    #[test]
    fn every_signal_that_is_offered_is_one() {
        for signal in SIGNALS.split(' ') {
            assert!(signal.parse::<crate::domain::signal::Signal>().is_ok(), "{signal}");
        }
    }

    #[test]
    fn every_script_has_every_verb_and_flag_and_no_mark() {
        let grammar = Grammar::new();
        let verbs = grammar.described(|name, _| format!("{name} "));
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            let words: BTreeSet<&str> =
                script.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '%')).collect();
            for verb in verbs.split_whitespace() {
                assert!(words.contains(verb), "{shell:?}: {verb}");
            }
            for flag in all_arguments().iter().filter_map(|(_, arg)| arg.get_long()) {
                let has = words.contains(flag) || words.contains(format!("--{flag}").as_str());
                assert!(has, "{shell:?}: --{flag}");
            }
            let mark = words.iter().find(|w| w.len() > 2 && w.starts_with('%') && w.ends_with('%'));
            assert_eq!(mark, None, "{shell:?}");
        }
    }
}
