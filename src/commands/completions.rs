//! `completions`: the script that makes a shell complete bgo's command line.
//!
//! Why it exists: clap_complete knows neither process names nor the forms without a verb, and its three scripts differ
//! in what they can do. Invariants: verbs, flags and values come from the clap types, so none can be forgotten; names
//! come from the files below `procs`, read by the shell itself: pressing TAB never runs bgo.
//!
//! All three scripts read a line alike. The first word that is neither a flag nor a flag's value is a verb; or the line
//! has none, and the word is a name. Behind `--`, or behind the name (`start` has one, too), a command begins. It is
//! completed as the shell would complete it alone.

mod fish;

use super::output::print;
use crate::cli::{Cli, DirectArgs, Shell};
use crate::domain::spec::FastCrash;
use crate::error::{ExitCode, Result};
use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command, CommandFactory};
use std::collections::BTreeMap;

/// The signals to offer; any other can be typed.
const SIGNALS: &str = "TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH";

/// Prints the completions for a shell.
pub fn run(shell: Shell) -> Result<ExitCode> {
    print(&script(shell));
    Ok(ExitCode::Done)
}

fn script(shell: Shell) -> String {
    let grammar = Grammar::new();
    let (template, parts) = match shell {
        Shell::Bash => (BASH, bash(&grammar)),
        Shell::Zsh => (ZSH, zsh(&grammar)),
        Shell::Fish => (fish::TEMPLATE, fish::parts(&grammar)),
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
        "MODE" => FastCrash::ALL.map(|mode| mode.to_string()).join(" "),
        "NAME" if !arg.is_positional() => "any".to_owned(), // A new one.
        "NAME" if is_repeated(arg) => "names".to_owned(),
        "NAME" => "name".to_owned(),
        "COMMAND" => "command".to_owned(),
        _ => "any".to_owned(),
    };
    (arg.get_action().takes_values() && !arg.is_require_equals_set()).then_some(values)
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

    /// The values of flags: a flag has the same with every verb (a test holds that).
    fn values(&self) -> BTreeMap<String, String> {
        let valued = self
            .cli
            .get_subcommands()
            .chain([&self.direct])
            .flat_map(flags)
            .filter_map(|flag| Some((flag, values(flag)?)));
        valued.flat_map(|(flag, values)| spellings(flag).into_iter().map(move |s| (s, values.clone()))).collect()
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

/// What completes the words behind a verb.
fn takes(verb: &Command) -> Vec<String> {
    verb.get_positionals().filter_map(values).collect()
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
    let values = grammar.values().into_iter().map(|(flag, values)| format!("        {flag}) values='{values}' ;;\n"));
    vec![
        ("%VERBS%", grammar.described(|name, _| format!("{name} "))),
        ("%GRAMMAR%", verbs.chain([direct]).collect()),
        ("%VALUES%", values.collect()),
    ]
}

const BASH: &str = r#"# Completions of bgo for bash, printed by `bgo completions bash`. Do not edit.
# shellcheck shell=bash disable=SC2086

# What a verb takes and its flags, into `takes` and `flags`. Fails if it is no verb: then the line may still have none.
_bgo_grammar() {
    case $1 in
%GRAMMAR%
    esac
}

# What completes the value of a flag, into `values`. Fails if the flag takes none.
_bgo_values() {
    case $1 in
%VALUES%
        *) return 1 ;;
    esac
}

# The registered names that are not `given` yet, one a line. What could not be a name is left out: a stranger's file,
# or the pattern itself if there is no file.
_bgo_names() {
    local LC_ALL=C file name
    for file in "${BGO_HOME:-$HOME/.bgo}"/procs/*.json; do
        name=${file##*/} name=${name%.json}
        [[ ${name//[._@+ -]/} == *[[:punct:][:cntrl:]]* || $given == *$'\n'"$name"$'\n'* ]] || printf '%s\n' "$name"
    done
}

# Offers those of the lines of standard input, $1 before each, that continue the word at the cursor. With $2 bash quotes
# them itself, else a blank is escaped; inside quotes it is itself.
_bgo_offer() {
    local each
    [[ -z $2 ]] || compopt -o "$2" 2>/dev/null
    while IFS= read -r each; do
        each=$1$each
        [[ -n $2 || $each == "$plain"* ]] || continue
        [[ -n $2 || $cur == [\"\']* ]] || each=${each// /\\ }
        COMPREPLY+=("${each#"$cut"}")
    done
}

# Completes the command that begins with word $1, by bash-completion if it is there.
_bgo_command() {
    if declare -F _command_offset >/dev/null; then
        _command_offset "${starts[$1]}"
    elif (($1 < last)) || [[ $cur == */* ]]; then
        _bgo_offer '' filenames < <(compgen -f -- "$plain")
    else
        _bgo_offer '' < <(compgen -c -- "$plain")
    fi
}

# Bash cuts words at = : @ as well: puts together what has no blank between. Sets `words`, the place of each in
# COMP_WORDS in `starts`, and in `cut` the part of the last that readline leaves as it is.
_bgo_join() {
    local line=${COMP_LINE:0:COMP_POINT} piece rest i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        rest=${line#"${line%%[![:blank:]]*}"} piece=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || piece=$rest
        if ((i > 0)) && [[ $rest == "$line" ]]; then
            cut=${words[last]} words[last]+=$piece
            [[ $piece == *[!=:@]* ]] || cut=${words[last]}
        else
            cut='' last=${#words[@]}
            words+=("$piece") starts+=("$i")
        fi
        line=${rest#"$piece"}
    done
}

# Reads the words before the cursor: the `verb` (`first`: none yet, `direct`: none will come), the `given` names, a
# `pending` flag whose value comes next, and where a `command` begins (0: not yet).
_bgo_read() {
    local i word
    _bgo_grammar ''
    for ((i = 1; i < last; i++)); do
        word=${words[i]//[\\\"\']/}
        if [[ -n $pending ]]; then
            pending=''
        elif [[ $word == -- && $takes == *command ]]; then
            command=$((i + 1))
            return
        elif [[ $word == -* ]]; then
            [[ $verb != first || $word == --color* ]] || verb=direct
            # The last of several short flags may take a value; in -n5 it is there already.
            [[ $word == --* ]] || word=-${word: -1}
            ! _bgo_values "$word" || pending=$word
        elif [[ $verb == first ]] && _bgo_grammar "$word"; then
            verb=$word
        else
            [[ $verb != first ]] || verb=direct
            [[ $takes != *command || $takes == name* && -z $given ]] || { command=$i && return; }
            given+=$'\n'$word$'\n'
        fi
    done
    [[ $takes != *command || -n $pending || $cur == -* || $takes == name* && -z $given ]] || command=$last
}

_bgo() {
    local IFS=$' \t\n' verb=first given='' pending='' takes flags values before='' cur plain cut
    local -i last=0 command=0
    local -a words=() starts=()
    COMPREPLY=()
    _bgo_join
    cur=${words[last]} plain=${words[last]//[\\\"\']/}
    _bgo_read
    # The value of a flag is the next word, or stands behind its `=`.
    if [[ -z $pending && $cur == --*=* ]] && ((!command)); then
        pending=${cur%%=*} before=${cur%%=*}=
    fi
    if [[ -n $pending ]]; then
        _bgo_values "$pending" || values=any
        case $values in
            any) ;;
            folder) _bgo_offer "$before" filenames < <(compgen -d -- "${plain#"$before"}") ;;
            *) _bgo_offer "$before" < <(printf '%s\n' $values) ;;
        esac
    elif ((command)); then
        _bgo_command "$command"
    elif [[ $cur == -* ]]; then
        _bgo_offer '' < <(printf '%s\n' $flags)
    elif [[ $verb == first || $verb == direct ]]; then
        [[ $verb == direct ]] || _bgo_offer '' < <(printf '%s\n' %VERBS%)
        _bgo_offer '' < <(_bgo_names)
        ((${#COMPREPLY[@]})) || _bgo_command "$last"
    elif [[ $takes == names || $takes == name* && -z $given ]]; then
        _bgo_offer '' < <(_bgo_names)
    elif [[ $takes != name* && -z $given ]]; then
        _bgo_offer '' < <(printf '%s\n' $takes)
    elif [[ $takes == 'name '* && ${given//[!$'\n']/} == $'\n\n' ]]; then
        # Behind one name, the words to choose from.
        _bgo_offer '' < <(printf '%s\n' ${takes#name })
    fi
}

complete -F _bgo bgo
"#;

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
        let specs: String =
            flags(verb).map(zsh_flag).chain(self::takes(verb).into_iter().enumerate().map(takes)).collect();
        format!("        {names})\n            _arguments -s -S{specs} && ret=0\n            ;;\n")
    };
    vec![
        ("%VERBS%", grammar.described(|name, about| format!("        '{name}:{}'\n", text(about, r"[]:\", r"'\''")))),
        ("%VALUED%", grammar.values().into_keys().collect::<Vec<_>>().join("|")),
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

const ZSH: &str = r#"#compdef bgo
# Completions of bgo for zsh, printed by `bgo completions zsh`. Do not edit.

# The registered names that are not on the line yet.
_bgo_names() {
    local -a names given expl
    names=("${BGO_HOME:-$HOME/.bgo}"/procs/*.json(N:t:r))
    given=("${(@Q)words}")
    given[CURRENT]=()
    shift given
    names=("${(@)names:|given}")
    _wanted processes expl process compadd -a names
}

# The first word: a verb (not behind a flag of `start`) or a name, if neither fits a program.
_bgo_first() {
    local none=1
    [[ $verb == direct ]] || { _describe -t commands command verbs && none=0; }
    _bgo_names && none=0
    ((none == 0)) || _command_names -e
}

_bgo() {
    local curcontext=$curcontext verb='' word ret=1
    local -i at=2 separator skipped=0
    local -a line verbs
    typeset -A opt_args
    verbs=(
%VERBS%
    )
    # To the first word that is neither a flag nor a flag's value.
    while ((at < CURRENT)) && [[ $words[at] == -?* && $words[at] != -- ]]; do
        [[ $words[at] == --color(|=*) ]] || verb=direct
        [[ $words[at] == (%VALUED%) ]] && ((at++))
        ((at++))
    done
    word=${(Q)words[at]} separator=${words[(i)--]}
    if ((at < CURRENT)) && [[ -z $verb && -n ${verbs[(r)${(b)word}:*]} ]]; then
        verb=$word skipped=$((at - 1))
    elif ((at < CURRENT)); then
        verb=direct
    fi
    if ((separator < CURRENT)) && [[ $verb == (direct|%COMMANDING%) ]]; then
        verb=command skipped=separator
    fi
    # Here and not in a function: on its return, words would be restored.
    shift skipped words && ((CURRENT -= skipped))
    curcontext="${curcontext%:*:*}:bgo-$verb:"
    case $verb in
        command) _normal && ret=0 ;;
%CASES%
        *) _arguments -s -S%FLAGS% \
                '1: :_bgo_first' '2: :_command_names -e' '*:: :{shift words; ((CURRENT--)); _normal}' && ret=0 ;;
    esac
    return ret
}

# Loaded by compinit, the file is the function's body; it may be sourced as well.
if [[ $funcstack[1] == _bgo ]]; then _bgo "$@"; else compdef _bgo bgo; fi
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

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
        let decided = ["COMMAND", "DIR", "KEY=VALUE", "MODE", "N", "NAME", "SHELL", "SIGNAL", "TIME", "WHAT", "WHEN"];
        for (verb, arg) in all_arguments() {
            let name = value_name(&arg);
            let is_known = values(&arg).is_none() || decided.contains(&name.as_str());
            assert!(is_known, "`{verb}` takes a {name}: complete it in `values`, or add it to this list");
        }
    }

    /// The scripts know flags with values by their spelling alone.
    #[test]
    fn a_flag_has_the_same_value_with_every_verb() {
        let mut seen = BTreeMap::new();
        for (verb, flag) in all_arguments() {
            for spelling in spellings(&flag) {
                let value = values(&flag);
                let (first, other) = seen.entry(spelling.clone()).or_insert_with(|| (verb.clone(), value.clone()));
                assert_eq!(*other, value, "{spelling} of `{verb}` and of `{first}`");
            }
        }
        assert!(seen.contains_key("--on-fast-crash") && seen.contains_key("-n"), "{seen:?}");
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
