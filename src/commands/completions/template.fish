# Completions of bgo for fish, printed by `bgo completions fish`. Do not edit.

# Whether a command begins behind this verb and these names.
function __bgo_commands
    contains -- $argv[1] %NAMELESS%; and return
    contains -- $argv[1] direct %COMMANDING%; and set -q argv[2]
end

# Reads the words before the cursor. The first line is the verb (`first`: none yet, `direct`: none will come), followed
# by the names given; or it is `command`, followed by the words of the command that the cursor is in.
function __bgo_line
    set -l words (commandline -opc)[2..-1]
    set -l verb first
    set -l given
    set -l pending no
    for i in (seq (count $words))
        set -l word $words[$i]
        if test $pending = yes
            set pending no
        else if test "$word" = --; and contains -- $verb first direct %COMMANDING%
            printf '%s\n' command $words[(math $i + 1)..-1]
            return
        else if string match -q -- '-?*' $word
            test $verb = first; and not string match -q -- '--color*' $word; and set verb direct
            # The last of several short flags may take a value; in -n5 it is there already.
            set -l flag (string replace -r -- '^-[^-].*(.)$' '-$1' $word)
            contains -- $flag %VALUED%; and not contains -- "$verb:$flag" %VALUELESS%; and set pending yes
        else if test $verb = first; and contains -- $word %VERBS%
            set verb $word
        else
            test $verb = first; and set verb direct
            if __bgo_commands $verb $given
                printf '%s\n' command $words[$i..-1]
                return
            end
            set -a given $word
        end
    end
    if __bgo_commands $verb $given
        and test $pending = no; and not string match -q -- '-*' (commandline -ct)
        set verb command
        set -e given
    end
    printf '%s\n' $verb $given
end

# Whether the verb is one of these.
function __bgo_is
    contains -- (__bgo_line)[1] $argv
end

# The registered names that are not on the line yet. With `one`, none if there is one.
function __bgo_names
    set -l given (__bgo_line)[2..-1]
    test "$argv" = one; and set -q given[1]; and return
    set -l home $BGO_HOME
    test -n "$home"; or set home $HOME/.bgo
    for file in $home/procs/*.json
        set -l name (string replace -r '^.*/(.*)\.json$' '$1' -- $file)
        contains -- $name $given; or printf '%s\tprocess\n' $name
    end
end

# These words, behind so many others.
function __bgo_at
    test (count (__bgo_line)[2..-1]) = $argv[1]; and printf '%s\n' $argv[2..-1]
end

# Names behind the first of these words (an empty one: behind any), and behind a name the others, too.
function __bgo_behind
    set -l given (__bgo_line)[2..-1]
    set -q given[1]; and contains -- "$argv[1]" '' $given[1]; or return
    __bgo_names
    set -q given[2]; and printf '%s\n' $argv[2..-1]
end

# The command that the cursor is in, completed as it would be alone.
function __bgo_command
    set -l words (__bgo_line)[2..-1]
    set -q words[1]; and set words (string escape -- $words)
    complete --do-complete=(string join -- ' ' $words (commandline -ct))
end

# Programs for the first word, unless it can become a verb or a name.
function __bgo_programs
    set -l word (commandline -ct)
    set -l known (__bgo_names)
    __bgo_is first; and set -a known %VERBS%
    string match -q -- "$word*" - $known; or complete --do-complete="$word"
end

function __bgo_folders
    __fish_complete_directories (string replace -r -- '^--.*?=' '' (commandline -ct))
end

complete -c bgo -f
complete -c bgo -n '__bgo_is command' -a '(__bgo_command)'
complete -c bgo -n '__bgo_is first direct' -a '(__bgo_names; __bgo_programs)'
%LINES%
