#compdef bgo
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

# Names behind the first of these words, and behind a name the others, too.
_bgo_behind() {
    local expl
    local -a policies=("${@:2}")
    local -i at=$words[(i)$1]
    ((at < CURRENT)) || return 1
    ((at + 1 == CURRENT)) || _wanted policies expl policy compadd -a policies
    _bgo_names
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
