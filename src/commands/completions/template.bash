# Completions of bgo for bash, printed by `bgo completions bash`. Do not edit.
# shellcheck shell=bash disable=SC2086

# What a verb takes and its flags, into `takes` and `flags`. Fails if it is no verb: then the line may still have none.
_bgo_grammar() {
    case $1 in
%GRAMMAR%
    esac
}

# Whether names follow behind the first word of `given`; what else may follow a name, into `values`.
_bgo_named() {
    local first=${given#$'\n'}
    case $verb:${first%%$'\n'*} in
%NAMED%
        *) return 1 ;;
    esac
}

# What completes the value of a flag, into `values`. Fails if the flag takes none, at all or with this verb.
_bgo_values() {
    case $verb:$1 in
        %VALUELESS%) return 1 ;;
    esac
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
    elif _bgo_named; then
        [[ $given != *$'\n\n'* ]] || _bgo_offer '' < <(printf '%s\n' $values)
        _bgo_offer '' < <(_bgo_names)
    elif [[ $takes == 'name '* && ${given//[!$'\n']/} == $'\n\n' ]]; then
        # Behind one name, the words to choose from.
        _bgo_offer '' < <(printf '%s\n' ${takes#name })
    fi
}

complete -F _bgo bgo
