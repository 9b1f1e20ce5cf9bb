//! `completions`: the script that makes a shell complete bgo's command line.
//!
//! Why it exists: clap_complete knows neither process names nor the forms without a verb, and its three scripts differ
//! in what they can do. Invariants: verbs, flags and values come from the clap types, so none can be forgotten; names
//! come from the files below `procs`, read by the shell itself: pressing TAB never runs bgo.
//!
//! All three scripts read a line alike. The first word that is neither a flag nor a flag's value is a verb; or the line
//! has none, and the word is a name or, if no process has that name, perhaps a program. Behind the name (`start` has
//! one, too), or behind `--`, a command begins, and it is completed as the shell would complete it alone.

use super::output::print;
use crate::cli::{Cli, DirectArgs, Shell};
use crate::domain::spec::FastCrash;
use crate::error::{ExitCode, Result};
use clap::{Arg, ArgAction, Command, CommandFactory};
use std::collections::BTreeMap;

/// The signals to offer; any other can be typed.
const SIGNALS: [&str; 11] = ["TERM", "INT", "HUP", "QUIT", "KILL", "USR1", "USR2", "ABRT", "ALRM", "CONT", "WINCH"];

/// Prints the completions for a shell.
pub fn run(shell: Shell) -> Result<ExitCode> {
    print(&script(shell));
    Ok(ExitCode::Done)
}

fn script(shell: Shell) -> String {
    let grammar = Grammar::of_bgo();
    match shell {
        Shell::Bash => bash(&grammar),
        Shell::Zsh => zsh(&grammar),
        Shell::Fish => fish(&grammar),
    }
}

/// What completes the value of a flag, or a positional argument.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// Nothing does.
    Any,
    Folder,
    /// One registered name.
    Name,
    /// Any number of them, each once.
    Names,
    /// A command and its arguments.
    Command,
    OneOf(Vec<String>),
}

impl Value {
    /// Told by the possible values, else by the value's name in the help, which for a positional is that of its field.
    fn of(arg: &Arg) -> Option<Value> {
        let words = |list: &[&str]| Value::OneOf(list.iter().map(|&word| word.to_owned()).collect());
        let possible: Vec<String> = arg.get_possible_values().iter().map(|v| v.get_name().to_owned()).collect();
        let named = arg.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str());
        let many = matches!(arg.get_action(), ArgAction::Append);
        arg.get_action().takes_values().then(|| match named.to_ascii_uppercase().as_str() {
            _ if !possible.is_empty() => Value::OneOf(possible),
            "DIR" => Value::Folder,
            "SIGNAL" => words(&SIGNALS),
            "MODE" => Value::OneOf(FastCrash::ALL.iter().map(FastCrash::to_string).collect()),
            "NAME" if many => Value::Names,
            "NAME" => Value::Name,
            "COMMAND" => Value::Command,
            _ => Value::Any,
        })
    }
}

/// The clap types, built whole.
struct Grammar {
    /// With the verbs, whose flags are deferred until they are built.
    cli: Command,
    /// The forms without a verb, with all flags that may stand before the first word.
    direct: Command,
}

impl Grammar {
    fn of_bgo() -> Grammar {
        let mut cli = Cli::command();
        cli.build();
        let mut direct = DirectArgs::command();
        direct.build();
        let missing: Vec<Arg> =
            flags(&cli).filter(|a| !direct.get_arguments().any(|b| a.get_id() == b.get_id())).cloned().collect();
        Grammar { cli, direct: direct.args(missing) }
    }

    fn verbs(&self) -> impl Iterator<Item = &Command> {
        self.cli.get_subcommands()
    }

    /// What the value of each flag is: the same for every verb that has it (a test holds that).
    fn values(&self) -> BTreeMap<String, Value> {
        let all = self.verbs().chain([&self.direct]).flat_map(flags);
        all.filter_map(|flag| Some((flag, Value::of(flag)?)))
            .flat_map(|(flag, value)| spellings(flag).into_iter().map(move |spelling| (spelling, value.clone())))
            .collect()
    }

    /// Every verb, aliases included, with its text.
    fn described_verbs(&self) -> impl Iterator<Item = (&str, String)> {
        self.verbs().flat_map(|verb| names(verb).into_iter().map(move |name| (name, text(verb.get_about()))))
    }

    fn all_names(&self) -> String {
        self.described_verbs().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    }
}

fn names(verb: &Command) -> Vec<&str> {
    verb.get_name_and_visible_aliases()
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set())
}

/// `-f` and `--force`.
fn spellings(flag: &Arg) -> Vec<String> {
    let short = flag.get_short().map(|short| format!("-{short}"));
    short.into_iter().chain(flag.get_long().map(|long| format!("--{long}"))).collect()
}

fn text(styled: Option<&clap::builder::StyledStr>) -> String {
    styled.map(ToString::to_string).unwrap_or_default()
}

/// Puts `parts` in the place of their `%MARKS%`.
fn fill(template: &str, parts: &[(&str, String)]) -> String {
    parts.iter().fold(template.to_owned(), |script, (mark, part)| script.replace(mark, part.trim_end()))
}

// ---- bash -------------------------------------------------------------------------------------------------------

fn bash(grammar: &Grammar) -> String {
    let verb_case = |pattern: &str, command: &Command| {
        let takes = command.get_positionals().filter_map(Value::of).map(|value| bash_value(&value));
        let takes = takes.collect::<Vec<_>>().join(" ");
        let flags = flags(command).flat_map(spellings).collect::<Vec<_>>().join(" ");
        format!("        {pattern}) takes='{takes}' flags='{flags}' ;;\n")
    };
    let verbs: String = grammar.verbs().map(|verb| verb_case(&names(verb).join("|"), verb)).collect();
    // Without a verb, the words are a name and a command.
    let direct = verb_case("*", &grammar.direct).replacen("takes=''", "takes='name command'", 1);
    let mut by_value: Vec<(String, Vec<String>)> = Vec::new();
    for (flag, value) in grammar.values() {
        let value = bash_value(&value);
        match by_value.iter_mut().find(|(known, _)| *known == value) {
            Some((_, flags)) => flags.push(flag),
            None => by_value.push((value, vec![flag])),
        }
    }
    let values = by_value.iter().map(|(value, flags)| format!("        {}) values='{value}' ;;\n", flags.join("|")));
    fill(BASH, &[("%VERBS%", grammar.all_names()), ("%GRAMMAR%", verbs + &direct), ("%VALUES%", values.collect())])
}

fn bash_value(value: &Value) -> String {
    match value {
        Value::Any => "any".to_owned(),
        Value::Folder => "folder".to_owned(),
        Value::Name => "name".to_owned(),
        Value::Names => "names".to_owned(),
        Value::Command => "command".to_owned(),
        Value::OneOf(words) => words.join(" "),
    }
}

const BASH: &str = r#"# Completions of bgo for bash, printed by `bgo completions bash`. Do not edit.
# shellcheck shell=bash

# What a verb takes and its flags, into `takes` and `flags`.
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

# The registered names, one a line. What could not be a name (also the pattern, if there is no file) is left out.
_bgo_names() {
    local LC_ALL=C file name
    for file in "${BGO_HOME:-$HOME/.bgo}"/procs/*.json; do
        name=${file##*/}
        name=${name%.json}
        [[ ${name//[._@+ -]/} == *[[:punct:][:cntrl:]]* ]] || printf '%s\n' "$name"
    done
}

# Offers those of the lines of standard input that go on with the word at the cursor, $1 before each.
_bgo_offer() {
    local each
    while IFS= read -r each; do
        each=$1$each
        [[ $each == "$plain"* ]] || continue
        # Inside quotes a blank is itself.
        [[ $cur == [\"\']* ]] || each=${each// /\\ }
        COMPREPLY+=("${each#"$cut"}")
    done
}

# Offers files, or with -d folders, for the word at the cursor behind its first part $2. Bash quotes them itself.
_bgo_files() {
    local each
    compopt -o filenames 2>/dev/null
    while IFS= read -r each; do
        each=$2$each
        COMPREPLY+=("${each#"$cut"}")
    done < <(compgen "$1" -- "${plain#"$2"}")
}

# Offers what `values` says, behind $1.
_bgo_value() {
    case $values in
        any) ;;
        folder) _bgo_files -d "$1" ;;
        *) _bgo_offer "$1" < <(printf '%s\n' $values) ;;
    esac
}

# Completes the command that begins with word $1.
_bgo_command() {
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset "${starts[$1]}"
    elif declare -F _command_offset >/dev/null; then
        _command_offset "${starts[$1]}"
    elif (($1 < last)) || [[ $cur == */* ]]; then
        _bgo_files -f ''
    else
        _bgo_offer '' < <(compgen -c -- "$plain")
    fi
}

# Bash cuts words at = : @ as well. Puts those together that have no blank between: `words`, the place of each in
# COMP_WORDS in `starts`, the part of the last that readline leaves alone in `cut`.
_bgo_join() {
    local line=${COMP_LINE:0:COMP_POINT} piece rest i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        rest=${line#"${line%%[![:blank:]]*}"}
        piece=${COMP_WORDS[i]}
        ((i < COMP_CWORD)) || piece=$rest
        if ((i > 0)) && [[ $rest == "$line" ]]; then
            cut=${words[last]}
            words[last]+=$piece
            [[ $piece == *[!=:@]* ]] || cut=${words[last]}
        else
            cut='' last=${#words[@]}
            words+=("$piece")
            starts+=("$i")
        fi
        line=${rest#"$piece"}
    done
}

# Reads the words before the cursor: `verb`, `given` names, a `pending` flag that wants its value, whether the flags
# have `ended`, and the first word of a `command` (0: the cursor is not in one).
_bgo_read() {
    local i word values
    for ((i = 1; i < last; i++)); do
        word=${words[i]//[\\\"\']/}
        if [[ -n $pending ]]; then
            pending=''
        elif [[ $verb == first && " $verbs " == *" $word "* ]]; then
            verb=$word
            _bgo_grammar "$verb"
        elif [[ $word == -- && $takes == *command ]]; then
            command=$((i + 1))
            return
        elif [[ $word == -- ]]; then
            ended=yes
        elif [[ $word == -* && -z $ended ]]; then
            [[ $verb != first || $word == --color* ]] || verb=direct
            # -fn is -f -n; in -n5 the value is there already.
            [[ $word == --* ]] || word=-${word: -1}
            ! _bgo_values "$word" || pending=$word
        else
            [[ $verb != first ]] || verb=direct
            if [[ $takes == *command ]] && { ((${#given[@]})) || _bgo_is_program "$word"; }; then
                command=$i
                return
            fi
            given+=("$word")
        fi
    done
    if [[ $takes == *command && -z $pending && $cur != -* ]] && ((${#given[@]})); then
        command=$last
    fi
}

# Whether a line without a verb begins with a program, not with a name.
_bgo_is_program() {
    [[ $verb == direct && ! -e ${BGO_HOME:-$HOME/.bgo}/procs/$1.json ]] && type -P -- "$1" >/dev/null
}

# Offers the names that are not on the line yet.
_bgo_offer_names() {
    local name each
    while IFS= read -r name; do
        for each in "${given[@]}"; do
            [[ $each != "$name" ]] || continue 2
        done
        printf '%s\n' "$name"
    done < <(_bgo_names) > >(cat)
}

_bgo() {
    local verbs='%VERBS%'
    local verb=first pending='' ended='' takes flags values cur plain cut
    local -i last=0 command=0
    local -a words=() starts=() given=()
    COMPREPLY=()
    _bgo_join
    cur=${words[last]}
    plain=${cur//[\\\"\']/}
    _bgo_grammar ''
    _bgo_read
    if [[ -n $pending ]]; then
        _bgo_values "$pending"
        _bgo_value ''
    elif ((command)); then
        _bgo_command "$command"
    elif [[ $cur == --*=* && -z $ended ]]; then
        ! _bgo_values "${cur%%=*}" || _bgo_value "${cur%%=*}="
    elif [[ $cur == -* && -z $ended ]]; then
        _bgo_offer '' < <(printf '%s\n' $flags)
    fi
}

complete -F _bgo bgo
"#;

// ---- zsh --------------------------------------------------------------------------------------------------------
fn zsh(_: &Grammar) -> String {
    String::new()
}
fn fish(_: &Grammar) -> String {
    String::new()
}
