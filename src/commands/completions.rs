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
        format!("        {pattern}) takes='{takes}' flags='{flags}'")
    };
    let verbs: String = grammar.verbs().map(|verb| verb_case(&names(verb).join("|"), verb) + " ;;\n").collect();
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

# What a verb takes and its flags, into `takes` and `flags`. Fails if it is no verb: then the line may still have none.
_bgo_grammar() {
    case $1 in
%GRAMMAR%
            return 1
            ;;
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

# Offers those of the lines of standard input, $1 before each, that continue the word at the cursor.
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

# Offers files (-f) or folders (-d) that continue the word at the cursor behind its first part $2. Bash quotes them.
_bgo_files() {
    local each
    compopt -o filenames 2>/dev/null
    while IFS= read -r each; do
        each=$2$each
        COMPREPLY+=("${each#"$cut"}")
    done < <(compgen "$1" -- "${plain#"$2"}")
}

# Offers `values`, $1 before each.
_bgo_value() {
    case $values in
        any) ;;
        folder) _bgo_files -d "$1" ;;
        # shellcheck disable=SC2086
        *) _bgo_offer "$1" < <(printf '%s\n' $values) ;;
    esac
}

# Completes the command that begins with word $1, by bash-completion if it is there.
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

# Bash cuts words at = : @ as well: puts together what has no blank between. Sets `words`, the place of each in
# COMP_WORDS in `starts`, and in `cut` the part of the last that readline leaves as it is.
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

# Reads the words before the cursor: the `verb` (`first`: none yet, `direct`: none will come), the `given` names, a
# `pending` flag whose value comes next, whether flags have `ended`, and where a `command` begins (0: not yet).
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
        elif [[ $word == -- ]]; then
            ended=yes
        elif [[ $word == -* && -z $ended ]]; then
            [[ $verb != first || $word == --color* ]] || verb=direct
            # The last of several short flags may take a value; in -n5 it is there already.
            [[ $word == --* ]] || word=-${word: -1}
            ! _bgo_values "$word" || pending=$word
        elif [[ $verb == first ]] && _bgo_grammar "$word"; then
            verb=$word
        else
            [[ $verb != first ]] || verb=direct
            if [[ $takes == *command ]] && { [[ -n $given ]] || _bgo_is_program "$word"; }; then
                command=$i
                return
            fi
            given+=$'\n'$word$'\n'
        fi
    done
    [[ $takes != *command || -n $pending || -z $given || $cur == -* ]] || command=$last
}

# Whether a line without a verb begins with a program, not with a name.
_bgo_is_program() {
    [[ $verb == direct && ! -e ${BGO_HOME:-$HOME/.bgo}/procs/$1.json ]] && type -P -- "$1" >/dev/null
}

_bgo() {
    local IFS=$' \t\n' verb=first given='' pending='' ended='' takes flags values cur plain cut
    local -i last=0 command=0
    local -a words=() starts=()
    COMPREPLY=()
    _bgo_join
    cur=${words[last]}
    plain=${cur//[\\\"\']/}
    _bgo_read
    if [[ -n $pending ]]; then
        _bgo_values "$pending"
        _bgo_value ''
    elif ((command)); then
        _bgo_command "$command"
    elif [[ $cur == --*=* && -z $ended ]]; then
        ! _bgo_values "${cur%%=*}" || _bgo_value "${cur%%=*}="
    elif [[ $cur == -* && -z $ended ]]; then
        # shellcheck disable=SC2086
        _bgo_offer '' < <(printf '%s\n' $flags)
    elif [[ $verb == first || $verb == direct ]]; then
        [[ $verb == direct ]] || _bgo_offer '' < <(printf '%s\n' %VERBS%)
        _bgo_offer '' < <(_bgo_names)
        ((${#COMPREPLY[@]})) || _bgo_command "$last"
    elif [[ $takes == names || $takes == name* && -z $given ]]; then
        _bgo_offer '' < <(_bgo_names)
    elif [[ $takes != name* && -z $given ]]; then
        values=$takes
        _bgo_value ''
    fi
}

complete -F _bgo bgo
"#;

// ---- zsh --------------------------------------------------------------------------------------------------------

fn zsh(grammar: &Grammar) -> String {
    let arguments = |command: &Command, positionals: &[Value]| {
        let flags = flags(command).map(|flag| zsh_flag(command, flag));
        let lines: Vec<String> = flags.chain(positionals.iter().map(zsh_positional)).collect();
        lines.join(" \\\n                ")
    };
    let case = |verb: &Command| {
        let positionals: Vec<Value> = verb.get_positionals().filter_map(Value::of).collect();
        let arguments = arguments(verb, &positionals);
        format!(
            "        {})\n            _arguments -s -S \\\n                {arguments} && ret=0\n            ;;\n",
            names(verb).join("|")
        )
    };
    let described = grammar.described_verbs().map(|(name, about)| format!("        '{name}:{}'\n", zsh_text(&about)));
    let valued: Vec<String> = grammar.values().into_keys().collect();
    let parts = [
        ("%VERBS%", described.collect()),
        ("%VALUED%", valued.join("|")),
        ("%CASES%", grammar.verbs().map(case).collect()),
        (
            "%DIRECT%",
            arguments(&grammar.direct, &[Value::Command]).replacen(
                "'*:::",
                "'1: :_bgo_first' \\\n                '*:::",
                1,
            ),
        ),
    ];
    fill(ZSH, &parts)
}

/// As `'(-f --force)'{-f,--force}'[text]'`: no spelling is offered beside another one, or beside what it excludes.
fn zsh_flag(command: &Command, flag: &Arg) -> String {
    let excludes = |a: &Arg, b: &Arg| command.get_arg_conflicts_with(a).iter().any(|c| c.get_id() == b.get_id());
    let others = command.get_arguments().filter(|other| excludes(flag, other) || excludes(other, flag));
    let others = others.flat_map(|o| if o.is_positional() { vec!["*".to_owned()] } else { spellings(o) });
    let own = spellings(flag);
    let excluded: Vec<String> = own.iter().cloned().chain(others).collect();
    let value = Value::of(flag);
    let marked: Vec<String> = own
        .iter()
        .map(|s| match &value {
            None => s.clone(),
            Some(_) if s.starts_with("--") => format!("{s}="),
            Some(_) => format!("{s}+"),
        })
        .collect();
    let before = match flag.get_action() {
        ArgAction::Append => "'*'".to_owned(),
        _ => format!("'({})'", excluded.join(" ")),
    };
    let spelling = if marked.len() == 1 { marked.concat() } else { format!("{{{}}}", marked.join(",")) };
    let label = flag.get_value_names().and_then(<[_]>::first).map_or("", |name| name.as_str());
    let value = value.map(|value| format!(":{label}:{}", zsh_action(&value))).unwrap_or_default();
    format!("{before}{spelling}'[{}]{value}'", zsh_text(&text(flag.get_help())))
}

fn zsh_positional(value: &Value) -> String {
    let action = zsh_action(value);
    match value {
        Value::Names => format!("'*:process:{action}'"),
        Value::Name => format!("'1:process:{action}'"),
        Value::Command => format!("'*:::command:{action}'"),
        _ => format!("'1: :{action}'"),
    }
}

fn zsh_action(value: &Value) -> String {
    match value {
        Value::Any => " ".to_owned(),
        Value::Folder => "_files -/".to_owned(),
        Value::Name | Value::Names => "_bgo_names".to_owned(),
        Value::Command => " _normal".to_owned(),
        Value::OneOf(words) => format!("({})", words.join(" ")),
    }
}

fn zsh_text(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\'' => escaped.push_str("'\\''"),
            '[' | ']' | ':' | '\\' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
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

# The first word: a verb or a name, if neither fits a program. After a flag of `start` it cannot be a verb.
_bgo_first() {
    local first=1
    [[ $verb == direct ]] || _describe -t commands command verbs && first=0
    _bgo_names && first=0
    ((first)) && _command_names -e && first=0
    return first
}

_bgo() {
    local curcontext=$curcontext verb='' word ret=1
    local -i at=2
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
    word=${(Q)words[at]}
    if ((at < CURRENT)); then
        if [[ -z $verb && -n ${verbs[(r)${(b)word}:*]} ]]; then
            verb=$word
        elif [[ $word != -- && ! -e ${BGO_HOME:-$HOME/.bgo}/procs/$word.json && -z ${words[(r)--]} ]] &&
            { (($+commands[$word])) || [[ $word == */* && -x $word ]]; }; then
            verb=program
        else
            verb=direct
        fi
    fi
    if [[ -n $verb && $verb != direct ]]; then
        shift $((at - 1)) words
        ((CURRENT -= at - 1))
        curcontext="${curcontext%:*:*}:bgo-$verb:"
    fi
    case $verb in
        program) _normal && ret=0 ;;
%CASES%
        *)
            _arguments -s -S \
                %DIRECT% && ret=0
            ;;
    esac
    return ret
}

# Loaded by compinit, the file is the function's body; it may be sourced as well.
if [[ $funcstack[1] == _bgo ]]; then
    _bgo "$@"
else
    compdef _bgo bgo
fi
"#;

// ---- fish -------------------------------------------------------------------------------------------------------

fn fish(grammar: &Grammar) -> String {
    let verbs = grammar.described_verbs();
    let mut lines: String = verbs
        .map(|(name, about)| format!("complete -c bgo -n '__bgo_is first' -a {name} -d '{}'\n", fish_text(&about)))
        .collect();
    for verb in grammar.verbs() {
        let is = format!("__bgo_is {}", names(verb).join(" "));
        lines.extend(verb.get_positionals().filter_map(Value::of).map(|value| fish_positional(&is, &value)));
        lines.extend(flags(verb).map(|flag| fish_flag(&is, flag)));
    }
    lines.extend(flags(&grammar.direct).map(|flag| fish_flag("__bgo_is first direct", flag)));
    let takes_command = |verb: &&Command| verb.get_positionals().any(|arg| Value::of(arg) == Some(Value::Command));
    let commanding: Vec<&str> = grammar.verbs().filter(takes_command).flat_map(names).collect();
    let valued: Vec<String> = grammar.values().into_keys().collect();
    let parts = [
        ("%VERBS%", grammar.all_names()),
        ("%VALUED%", valued.join(" ")),
        ("%COMMANDING%", commanding.join(" ")),
        ("%LINES%", lines),
    ];
    fill(FISH, &parts)
}

fn fish_positional(is: &str, value: &Value) -> String {
    match value {
        // Completed behind every verb that has one by one line of the template.
        Value::Command => String::new(),
        Value::Names => format!("complete -c bgo -n '{is}' -a '{}'\n", fish_words(value)),
        _ => format!("complete -c bgo -n '{is}; and __bgo_is_bare' -a '{}'\n", fish_words(value)),
    }
}

fn fish_flag(is: &str, flag: &Arg) -> String {
    let short = flag.get_short().map(|short| format!(" -s {short}")).unwrap_or_default();
    let long = flag.get_long().map(|long| format!(" -l {long}")).unwrap_or_default();
    let value = match Value::of(flag) {
        None => String::new(),
        Some(Value::Any) => " -x".to_owned(),
        Some(value) => format!(" -xa '{}'", fish_words(&value)),
    };
    format!("complete -c bgo -n '{is}'{short}{long}{value} -d '{}'\n", fish_text(&text(flag.get_help())))
}

fn fish_words(value: &Value) -> String {
    match value {
        Value::Any => String::new(),
        Value::Folder => "(__bgo_folders)".to_owned(),
        Value::Name | Value::Names => "(__bgo_names)".to_owned(),
        Value::Command => "(__bgo_command)".to_owned(),
        Value::OneOf(words) => words.join(" "),
    }
}

fn fish_text(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

const FISH: &str = r#"# Completions of bgo for fish, printed by `bgo completions fish`. Do not edit.

# Reads the words before the cursor. The first line is the verb (`first`: none yet, `direct`: none will come), followed
# by the names given; or it is `command`, followed by the words of the command that the cursor is in.
function __bgo_line
    set -l words (commandline -opc)
    set -e words[1]
    set -l verb first
    set -l given
    set -l pending no
    set -l ended no
    for i in (seq (count $words))
        set -l word $words[$i]
        if test $pending = yes
            set pending no
        else if test "$word" = --
            if contains -- $verb first direct %COMMANDING%
                printf '%s\n' command $words[(math $i + 1)..-1]
                return
            end
            set ended yes
        else if test $ended = no; and string match -q -- '-*' $word
            if test $verb = first; and not string match -q -- '--color*' $word
                set verb direct
            end
            # The last of several short flags may take a value; in -n5 it is there already.
            set word (string replace -r '^-[^-].*(.)$' -- '-$1' $word)
            contains -- $word %VALUED%; and set pending yes
        else if test $verb = first; and contains -- $word %VERBS%
            set verb $word
        else
            test $verb = first; and set verb direct
            if contains -- $verb direct %COMMANDING%
                if set -q given[1]; or begin
                        test $verb = direct
                        and not test -e (__bgo_procs)/$word.json
                        and type -qf -- $word
                    end
                    printf '%s\n' command $words[$i..-1]
                    return
                end
            end
            set -a given $word
        end
    end
    if test $pending = no; and set -q given[1]; and contains -- $verb direct %COMMANDING%
        and not string match -q -- '-*' (commandline -ct)
        echo command
        return
    end
    printf '%s\n' $verb $given
end

# Whether the verb is one of these.
function __bgo_is
    set -l line (__bgo_line)
    contains -- $line[1] $argv
end

# Whether no name or other word was given yet.
function __bgo_is_bare
    test (count (__bgo_line)) -eq 1
end

function __bgo_procs
    if test -n "$BGO_HOME"
        echo $BGO_HOME/procs
    else
        echo $HOME/.bgo/procs
    end
end

# The registered names that are not on the line yet.
function __bgo_names
    set -l given (__bgo_line)
    set -e given[1]
    set -l files (__bgo_procs)/*.json
    set -q files[1]; or return
    for name in (string replace -r '^.*/(.*)\.json$' '$1' -- $files)
        contains -- $name $given; or printf '%s\tprocess\n' $name
    end
end

# The command that the cursor is in, completed as it would be alone.
function __bgo_command
    set -l words (__bgo_line)
    set -e words[1]
    set -q words[1]; and set words (string escape -- $words)
    complete -C (string join -- ' ' $words (commandline -ct))
end

# Programs for the first word, unless it can become a verb or a name.
function __bgo_programs
    set -l word (commandline -ct)
    for known in %VERBS% (__bgo_names)
        string match -q -- "$word*" $known; and return
    end
    complete -C "$word"
end

function __bgo_folders
    __fish_complete_directories (string replace -r -- '^--[^=]*=' '' (commandline -ct))
end

complete -c bgo -f
complete -c bgo -n '__bgo_is command' -a '(__bgo_command)'
complete -c bgo -n '__bgo_is first direct; and __bgo_is_bare' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is first direct; and __bgo_is_bare' -a '(__bgo_programs)'
%LINES%
"#;
