# Completions of bgo for bash, printed by `bgo completions bash`. Do not edit.
# shellcheck shell=bash disable=SC2086

# What a verb takes and its flags, into `takes` and `flags`. Fails if it is no verb: then the line may still have none.
_bgo_grammar() {
    case $1 in
        start|open) takes='name command' flags='--color --config --json --spec --concurrency --cwd -e --env -w --watch --restart --stop-signal --stop-timeout --interval --min-uptime --on-fast-crash --success-exit --backoff --backoff-max --backoff-jitter --max-fast-crashes --restart-limit --restart-every --ready-when --ready-when-regex --ready-when-port --ready-when-url --ready-when-file --ready-when-cmd --ready-when-notify --ready-timeout --on-ready-timeout --health-url --health-port --health-cmd --health-interval --health-timeout --health-threshold --health-grace --watchdog --max-rss --max-runtime --nice --limit-nofile --umask --user --env-file --config-env --allocate-port --log-max-size --log-keep --log-compress --stdout --stderr --merge-logs --oneshot --watch-files --watch-ignore --watch-poll --watch-signal --on-exit --on-ready --on-errored --notify --autostart --scope --stdin --group --owner --tag --ttl --until-pid --after --restart-with-dependency --settle --wait --if-not-running --force --any-owner --fetch --after-timeout -h --help' ;;
        run) takes='command' flags='--color --config --json --name --cwd -e --env -w --watch --restart --stop-signal --stop-timeout --interval --min-uptime --on-fast-crash --success-exit --backoff --backoff-max --backoff-jitter --max-fast-crashes --restart-limit --restart-every --ready-when --ready-when-regex --ready-when-port --ready-when-url --ready-when-file --ready-when-cmd --ready-when-notify --ready-timeout --on-ready-timeout --health-url --health-port --health-cmd --health-interval --health-timeout --health-threshold --health-grace --watchdog --max-rss --max-runtime --nice --limit-nofile --umask --user --env-file --config-env --allocate-port --log-max-size --log-keep --log-compress --stdout --stderr --merge-logs --oneshot --watch-files --watch-ignore --watch-poll --watch-signal --on-exit --on-ready --on-errored --notify --autostart --scope --stdin --group --owner --tag --ttl --until-pid --after --restart-with-dependency --any-owner -h --help' ;;
        wait) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd --for --timeout --any -h --help' ;;
        up|run-group) takes='names' flags='--color --config --json --force-recreate --no-deps --after-timeout --abort-on-failure -a --attach --any-owner -h --help' ;;
        down) takes='names' flags='--color --config --json --timeout --any-owner -h --help' ;;
        check) takes='' flags='--color --config --json -h --help' ;;
        stop|kill) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd -a --all --cascade -f --force --signal --timeout --any-owner -h --help' ;;
        signal) takes='name TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' flags='--color --config --json -a --all --any-owner -h --help' ;;
        send) takes='name' flags='--color --config --json --file --enter --eof --timeout --any-owner -h --help' ;;
        free-port) takes='' flags='--color --config --json -y --yes --any-owner -h --help' ;;
        restart) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd -a --all --reset-counters --update-env --any-owner -h --help' ;;
        restart-stopped) takes='names' flags='--color --config --json -a --all --any-owner -h --help' ;;
        restart-last) takes='names' flags='--color --config --json -a --all --any-owner -h --help' ;;
        resurrect) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd -n --dry-run --timeout -v --verbose -h --help' ;;
        autostart) takes='install uninstall status set' flags='--color --config --json --method --print --force --any-owner -h --help' ;;
        status|ls|list) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd -w --watch --interval --ports --plain --fancy -h --help' ;;
        env) takes='name' flags='--color --config --json --shell --show -h --help' ;;
        logs) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd -f --follow --until-exit -n --lines --since-start --all --grep --level --strip-ansi --head --max-bytes --output --digest --since-cursor --new --run --stdout --stderr --watcher -h --help' ;;
        follow|tail) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd --until-exit -n --lines --since-start --all --grep --level --strip-ansi --stdout --stderr --watcher -h --help' ;;
        events) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd -s --stream --since --logs --until-exit --timeout -h --help' ;;
        expect) takes='name' flags='--color --config --json --regex --from --timeout --stream -h --help' ;;
        watch) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd --any-owner --restart --interval --min-uptime --on-fast-crash --success-exit --backoff --backoff-max --backoff-jitter --max-fast-crashes --restart-limit --restart-every --reset -h --help' ;;
        unwatch) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd --any-owner -h --help' ;;
        set) takes='names' flags='--color --config --json --restart --stop-signal --stop-timeout --interval --min-uptime --on-fast-crash --success-exit --backoff --backoff-max --backoff-jitter --max-fast-crashes --restart-limit --restart-every --ready-when --ready-when-regex --ready-when-port --ready-when-url --ready-when-file --ready-when-cmd --ready-when-notify --ready-timeout --on-ready-timeout --health-url --health-port --health-cmd --health-interval --health-timeout --health-threshold --health-grace --watchdog --max-rss --max-runtime --nice --limit-nofile --umask --user --env-file --config-env --allocate-port --log-max-size --log-keep --log-compress --stdout --stderr --merge-logs --oneshot --watch-files --watch-ignore --watch-poll --watch-signal --on-exit --on-ready --on-errored --notify --autostart --scope --stdin --group --owner --tag --ttl --until-pid --after --restart-with-dependency --unset --any-owner -h --help' ;;
        pause) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd --any-owner -h --help' ;;
        resume) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd --any-owner -h --help' ;;
        delete|rm) takes='names' flags='--color --config --json --group --project --tag --owner --mine --cwd -y --yes --keep-logs --any-owner -h --help' ;;
        clean) takes='' flags='--color --config --json --any-owner -h --help' ;;
        reap) takes='' flags='--color --config --json -n --dry-run --delete -h --help' ;;
        doctor) takes='' flags='--color --config --json --fix -h --help' ;;
        export) takes='systemd launchd compose nomad k8s' flags='--color --config --json --group --project --tag --owner --mine --cwd -a --all -o --out-dir --force --image --system --driver --with-env -h --help' ;;
        capabilities) takes='' flags='--color --config --json -h --help' ;;
        schema) takes='' flags='--color --config --json -h --help' ;;
        examples) takes='' flags='--color --config --json -h --help' ;;
        skill) takes='show install uninstall' flags='--color --config --json --project --force -h --help' ;;
        man) takes='' flags='--color --config --json -h --help' ;;
        completions) takes='bash zsh fish' flags='--color --config --json -h --help' ;;
        *) takes='name command' flags='--color --config --json -h --help -V --version --cwd -e --env -w --watch --restart --stop-signal --stop-timeout --interval --min-uptime --on-fast-crash --success-exit --backoff --backoff-max --backoff-jitter --max-fast-crashes --restart-limit --restart-every --ready-when --ready-when-regex --ready-when-port --ready-when-url --ready-when-file --ready-when-cmd --ready-when-notify --ready-timeout --on-ready-timeout --health-url --health-port --health-cmd --health-interval --health-timeout --health-threshold --health-grace --watchdog --max-rss --max-runtime --nice --limit-nofile --umask --user --env-file --config-env --allocate-port --log-max-size --log-keep --log-compress --stdout --stderr --merge-logs --oneshot --watch-files --watch-ignore --watch-poll --watch-signal --on-exit --on-ready --on-errored --notify --autostart --scope --stdin --group --owner --tag --ttl --until-pid --after --restart-with-dependency --settle --wait --if-not-running --force --any-owner --fetch --after-timeout' && return 1 ;;
    esac
}

# Whether names follow behind the first word of `given`; what else may follow a name, into `values`.
_bgo_named() {
    local first=${given#$'\n'}
    case $verb:${first%%$'\n'*} in
        autostart:set) values='always unless-stopped never' ;;
        export:*) values='' ;;
        *) return 1 ;;
    esac
}

# What completes the value of a flag, into `values`. Fails if the flag takes none, at all or with this verb.
_bgo_values() {
    case $verb:$1 in
        resurrect:-n | logs:--stdout | logs:--stderr | follow:--stdout | tail:--stdout | follow:--stderr | tail:--stderr | events:--stream | reap:-n) return 1 ;;
    esac
    case $1 in
        --after) values='any' ;;
        --after-timeout) values='any' ;;
        --allocate-port) values='any' ;;
        --autostart) values='always unless-stopped never' ;;
        --backoff) values='any' ;;
        --backoff-jitter) values='any' ;;
        --backoff-max) values='any' ;;
        --color) values='auto always never' ;;
        --concurrency) values='any' ;;
        --config) values='any' ;;
        --cwd) values='folder' ;;
        --driver) values='raw_exec exec' ;;
        --env) values='any' ;;
        --env-file) values='any' ;;
        --file) values='any' ;;
        --for) values='ready exit stopped' ;;
        --from) values='any' ;;
        --grep) values='any' ;;
        --group) values='any' ;;
        --head) values='any' ;;
        --health-cmd) values='any' ;;
        --health-grace) values='any' ;;
        --health-interval) values='any' ;;
        --health-port) values='any' ;;
        --health-threshold) values='any' ;;
        --health-timeout) values='any' ;;
        --health-url) values='any' ;;
        --image) values='any' ;;
        --interval) values='any' ;;
        --level) values='error warn info debug' ;;
        --limit-nofile) values='any' ;;
        --lines) values='any' ;;
        --log-keep) values='any' ;;
        --log-max-size) values='any' ;;
        --max-bytes) values='any' ;;
        --max-fast-crashes) values='any' ;;
        --max-rss) values='any' ;;
        --max-runtime) values='any' ;;
        --method) values='systemd launchd cron xdg' ;;
        --min-uptime) values='any' ;;
        --name) values='any' ;;
        --new) values='any' ;;
        --nice) values='any' ;;
        --on-errored) values='any' ;;
        --on-exit) values='any' ;;
        --on-fast-crash) values='backoff stop retry' ;;
        --on-ready) values='any' ;;
        --on-ready-timeout) values='fail keep' ;;
        --out-dir) values='folder' ;;
        --output) values='auto inline artifact' ;;
        --owner) values='any' ;;
        --ready-timeout) values='any' ;;
        --ready-when) values='any' ;;
        --ready-when-cmd) values='any' ;;
        --ready-when-file) values='any' ;;
        --ready-when-port) values='any' ;;
        --ready-when-regex) values='any' ;;
        --ready-when-url) values='any' ;;
        --restart) values='no on-failure always' ;;
        --restart-every) values='any' ;;
        --restart-limit) values='any' ;;
        --run) values='any' ;;
        --settle) values='any' ;;
        --shell) values='sh fish' ;;
        --signal) values='TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' ;;
        --since) values='any' ;;
        --since-cursor) values='any' ;;
        --spec) values='any' ;;
        --stderr) values='any' ;;
        --stdout) values='any' ;;
        --stop-signal) values='TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' ;;
        --stop-timeout) values='any' ;;
        --stream) values='stdout stderr both' ;;
        --success-exit) values='any' ;;
        --tag) values='any' ;;
        --timeout) values='any' ;;
        --ttl) values='any' ;;
        --umask) values='any' ;;
        --unset) values='stop-signal stop-timeout restart-on success-exit backoff backoff-max backoff-jitter max-fast-crashes restart-limit restart-every ready-when ready-when-regex ready-when-port ready-when-url ready-when-file ready-when-cmd ready-when-notify ready-timeout on-ready-timeout health-url health-port health-cmd health-interval health-timeout health-threshold health-grace watchdog max-rss max-runtime nice limit-nofile umask user env-file config-env allocate-port log-max-size log-keep log-compress stdout stderr merge-logs after restart-with-dependency oneshot watch-files watch-ignore watch-poll watch-signal on-exit on-ready on-errored notify autostart scope stdin group owner tags ttl until-pid' ;;
        --until-pid) values='any' ;;
        --user) values='any' ;;
        --watch-ignore) values='any' ;;
        --watch-signal) values='TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' ;;
        --watchdog) values='any' ;;
        -e) values='any' ;;
        -n) values='any' ;;
        -o) values='folder' ;;
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
        [[ $verb == direct ]] || _bgo_offer '' < <(printf '%s\n' start open run wait up run-group down check stop kill signal send free-port restart restart-stopped restart-last resurrect autostart status ls list env logs follow tail events expect watch unwatch set pause resume delete rm clean reap doctor export capabilities schema examples skill man completions)
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
