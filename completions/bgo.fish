# Completions of bgo for fish, printed by `bgo completions fish`. Do not edit.

# Whether a command begins behind this verb and these names.
function __bgo_commands
    contains -- $argv[1] run; and return
    contains -- $argv[1] direct start open run; and set -q argv[2]
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
        else if test "$word" = --; and contains -- $verb first direct start open run
            printf '%s\n' command $words[(math $i + 1)..-1]
            return
        else if string match -q -- '-?*' $word
            test $verb = first; and not string match -q -- '--color*' $word; and set verb direct
            # The last of several short flags may take a value; in -n5 it is there already.
            set -l flag (string replace -r -- '^-[^-].*(.)$' '-$1' $word)
            contains -- $flag --backoff --backoff-jitter --backoff-max --color --cwd --env --for --grep --health-cmd --health-grace --health-interval --health-port --health-threshold --health-timeout --health-url --interval --limit-nofile --lines --log-keep --log-max-size --max-fast-crashes --max-rss --max-runtime --min-uptime --name --nice --on-errored --on-exit --on-fast-crash --on-ready --on-ready-timeout --ready-timeout --ready-when --ready-when-cmd --ready-when-file --ready-when-port --ready-when-regex --ready-when-url --restart --restart-every --restart-limit --run --settle --signal --stderr --stdout --stop-signal --stop-timeout --success-exit --timeout --umask --unset --user --watchdog -e -n; and not contains -- "$verb:$flag" logs:--stdout logs:--stderr follow:--stdout tail:--stdout follow:--stderr tail:--stderr; and set pending yes
        else if test $verb = first; and contains -- $word start open run wait stop kill signal restart restart-stopped restart-last resurrect status ls list logs follow tail watch unwatch set pause resume delete rm clean completions
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

# These words, behind one name.
function __bgo_second
    test (count (__bgo_line)) = 2; and printf '%s\n' $argv
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
    __bgo_is first; and set -a known start open run wait stop kill signal restart restart-stopped restart-last resurrect status ls list logs follow tail watch unwatch set pause resume delete rm clean completions
    string match -q -- "$word*" - $known; or complete --do-complete="$word"
end

function __bgo_folders
    __fish_complete_directories (string replace -r -- '^--.*?=' '' (commandline -ct))
end

complete -c bgo -f
complete -c bgo -n '__bgo_is command' -a '(__bgo_command)'
complete -c bgo -n '__bgo_is first direct' -a '(__bgo_names; __bgo_programs)'
complete -c bgo -n '__bgo_is first' -a start -d 'Start a process'
complete -c bgo -n '__bgo_is first' -a open -d 'Start a process'
complete -c bgo -n '__bgo_is first' -a run -d 'Run a command in the foreground, supervised and logged'
complete -c bgo -n '__bgo_is first' -a wait -d 'Wait until processes are ready, have ended, or are down'
complete -c bgo -n '__bgo_is first' -a stop -d 'Stop processes and everything they started'
complete -c bgo -n '__bgo_is first' -a kill -d 'Stop processes and everything they started'
complete -c bgo -n '__bgo_is first' -a signal -d 'Send a signal to a process'
complete -c bgo -n '__bgo_is first' -a restart -d 'Restart processes; those that are down are started'
complete -c bgo -n '__bgo_is first' -a restart-stopped -d 'Restart processes that are down: picked from a menu, by name, or all'
complete -c bgo -n '__bgo_is first' -a restart-last -d 'As restart-stopped, the most recently stopped first'
complete -c bgo -n '__bgo_is first' -a resurrect -d 'After a reboot: bring back every process that was up'
complete -c bgo -n '__bgo_is first' -a status -d 'Show all processes, or some in detail'
complete -c bgo -n '__bgo_is first' -a ls -d 'Show all processes, or some in detail'
complete -c bgo -n '__bgo_is first' -a list -d 'Show all processes, or some in detail'
complete -c bgo -n '__bgo_is first' -a logs -d 'Show the output of a process'
complete -c bgo -n '__bgo_is first' -a follow -d 'Follow the output of a process (logs -f -n 10)'
complete -c bgo -n '__bgo_is first' -a tail -d 'Follow the output of a process (logs -f -n 10)'
complete -c bgo -n '__bgo_is first' -a watch -d 'Restart a running process from now on when it dies'
complete -c bgo -n '__bgo_is first' -a unwatch -d 'Leave a process down from now on when it dies'
complete -c bgo -n '__bgo_is first' -a set -d 'Change how a process is supervised: limits, health checks, restart policy'
complete -c bgo -n '__bgo_is first' -a pause -d 'Hold a process and everything it started (SIGSTOP)'
complete -c bgo -n '__bgo_is first' -a resume -d 'Let a paused process go on'
complete -c bgo -n '__bgo_is first' -a delete -d 'Stop a process and forget it, logs included'
complete -c bgo -n '__bgo_is first' -a rm -d 'Stop a process and forget it, logs included'
complete -c bgo -n '__bgo_is first' -a clean -d 'Forget every process that is not running, logs included'
complete -c bgo -n '__bgo_is first' -a completions -d 'Print the completions for a shell'
complete -c bgo -n '__bgo_is start open' -a '(__bgo_names one)'
complete -c bgo -n '__bgo_is start open' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is start open' -l cwd -xa '(__bgo_folders)' -d 'Folder to run in [default: the current one]'
complete -c bgo -n '__bgo_is start open' -s e -l env -x -d 'Set a variable on top of the present environment'
complete -c bgo -n '__bgo_is start open' -s w -l watch -d 'Restart it when it dies: --restart always'
complete -c bgo -n '__bgo_is start open' -l restart -xa 'no on-failure always' -d 'Restart it when it dies: no, on-failure or always [default: no]'
complete -c bgo -n '__bgo_is start open' -l stop-signal -xa 'TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' -d 'Signal that asks it to end [default: TERM]'
complete -c bgo -n '__bgo_is start open' -l stop-timeout -x -d 'Time it then has before SIGKILL [default: 5s]'
complete -c bgo -n '__bgo_is start open' -l interval -x -d 'Upper bound for checks that must poll; exits are noticed at once [default: 3]'
complete -c bgo -n '__bgo_is start open' -l min-uptime -x -d 'A death before this is a fast crash [default: 2]'
complete -c bgo -n '__bgo_is start open' -l on-fast-crash -xa 'backoff stop retry' -d 'After a fast crash: backoff (wait 2, 4, 8 s, then give up), stop, or retry [default: backoff]'
complete -c bgo -n '__bgo_is start open' -l success-exit -x -d 'Exit codes that mean success (128+n: signal n) [default: 0]'
complete -c bgo -n '__bgo_is start open' -l backoff -x -d 'Wait after the first fast crash; doubles with each [default: 2s]'
complete -c bgo -n '__bgo_is start open' -l backoff-max -x -d 'Longest wait [default: 8s]'
complete -c bgo -n '__bgo_is start open' -l backoff-jitter -x -d 'Shorten waits at random by up to this share [default: 0%]'
complete -c bgo -n '__bgo_is start open' -l max-fast-crashes -x -d 'Give up at this many fast crashes in a row [default: 4]'
complete -c bgo -n '__bgo_is start open' -l restart-limit -x -d 'Give up at more than N restarts within TIME, for example 10/1m'
complete -c bgo -n '__bgo_is start open' -l restart-every -x -d 'Restart it, gracefully, after each such time'
complete -c bgo -n '__bgo_is start open' -l ready-when -x -d 'Ready when a line of its output contains TEXT'
complete -c bgo -n '__bgo_is start open' -l ready-when-regex -x -d 'Ready when a line of its output matches'
complete -c bgo -n '__bgo_is start open' -l ready-when-port -x -d 'Ready when it listens on this TCP port of the loopback address'
complete -c bgo -n '__bgo_is start open' -l ready-when-url -x -d 'Ready when this URL answers with 2xx'
complete -c bgo -n '__bgo_is start open' -l ready-when-file -x -d 'Ready when this file is newer than the start'
complete -c bgo -n '__bgo_is start open' -l ready-when-cmd -x -d 'Ready when this shell command succeeds'
complete -c bgo -n '__bgo_is start open' -l ready-when-notify -d 'Ready when it says so by sd_notify'
complete -c bgo -n '__bgo_is start open' -l ready-timeout -x -d 'Time it has to get ready; 0: any [default: 60s]'
complete -c bgo -n '__bgo_is start open' -l on-ready-timeout -xa 'fail keep' -d 'When that is over: fail (end it) or keep [default: fail]'
complete -c bgo -n '__bgo_is start open' -l health-url -x -d 'Healthy while this URL answers with 2xx'
complete -c bgo -n '__bgo_is start open' -l health-port -x -d 'Healthy while this TCP port of the loopback address accepts connections'
complete -c bgo -n '__bgo_is start open' -l health-cmd -x -d 'Healthy while this shell command succeeds'
complete -c bgo -n '__bgo_is start open' -l health-interval -x -d 'Time between two checks [default: 10s]'
complete -c bgo -n '__bgo_is start open' -l health-timeout -x -d 'Time a check may take [default: 5s]'
complete -c bgo -n '__bgo_is start open' -l health-threshold -x -d 'Failed checks in a row that make it unhealthy [default: 3]'
complete -c bgo -n '__bgo_is start open' -l health-grace -x -d 'Time after it is ready without checks [default: 0]'
complete -c bgo -n '__bgo_is start open' -l watchdog -x -d 'It must say WATCHDOG=1 by sd_notify at least this often'
complete -c bgo -n '__bgo_is start open' -l max-rss -x -d 'End it when all its processes together use more memory'
complete -c bgo -n '__bgo_is start open' -l max-runtime -x -d 'End it when it has run this long'
complete -c bgo -n '__bgo_is start open' -l nice -x -d 'Scheduling priority, -20 (first) to 19 (last)'
complete -c bgo -n '__bgo_is start open' -l limit-nofile -x -d 'How many files it may have open'
complete -c bgo -n '__bgo_is start open' -l umask -x -d 'File mode creation mask, in octal'
complete -c bgo -n '__bgo_is start open' -l user -x -d 'User to run as (root only)'
complete -c bgo -n '__bgo_is start open' -l log-max-size -x -d 'Rotate a log beyond this size; 0: never [default: 50M]'
complete -c bgo -n '__bgo_is start open' -l log-keep -x -d 'Rotated files to keep of each log [default: 5]'
complete -c bgo -n '__bgo_is start open' -l log-compress -d 'Compress rotated files (gzip)'
complete -c bgo -n '__bgo_is start open' -l stdout -x -d 'Append standard output to this file instead'
complete -c bgo -n '__bgo_is start open' -l stderr -x -d 'Append standard error to this file instead'
complete -c bgo -n '__bgo_is start open' -l merge-logs -d 'Standard error goes where standard output goes'
complete -c bgo -n '__bgo_is start open' -l on-exit -x -d 'Shell command to run after each end; BGO_EXIT_CODE, BGO_SIGNAL and BGO_REASON are set'
complete -c bgo -n '__bgo_is start open' -l on-ready -x -d 'Shell command to run each time it gets ready'
complete -c bgo -n '__bgo_is start open' -l on-errored -x -d 'Shell command to run when it is given up'
complete -c bgo -n '__bgo_is start open' -l settle -x -d 'Report a failure if it ends badly within this time; 0 to not wait'
complete -c bgo -n '__bgo_is start open' -l wait -d 'Wait until it is ready or has ended, for TIME at most'
complete -c bgo -n '__bgo_is start open' -l if-not-running -d 'Succeed if it runs already'
complete -c bgo -n '__bgo_is start open' -l force -d 'Replace it if it runs already'
complete -c bgo -n '__bgo_is start open' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is run' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is run' -l name -x -d 'Name it, and keep its record and logs [default: after the program, removed at the end]'
complete -c bgo -n '__bgo_is run' -l cwd -xa '(__bgo_folders)' -d 'Folder to run in [default: the current one]'
complete -c bgo -n '__bgo_is run' -s e -l env -x -d 'Set a variable on top of the present environment'
complete -c bgo -n '__bgo_is run' -s w -l watch -d 'Restart it when it dies: --restart always'
complete -c bgo -n '__bgo_is run' -l restart -xa 'no on-failure always' -d 'Restart it when it dies: no, on-failure or always [default: no]'
complete -c bgo -n '__bgo_is run' -l stop-signal -xa 'TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' -d 'Signal that asks it to end [default: TERM]'
complete -c bgo -n '__bgo_is run' -l stop-timeout -x -d 'Time it then has before SIGKILL [default: 5s]'
complete -c bgo -n '__bgo_is run' -l interval -x -d 'Upper bound for checks that must poll; exits are noticed at once [default: 3]'
complete -c bgo -n '__bgo_is run' -l min-uptime -x -d 'A death before this is a fast crash [default: 2]'
complete -c bgo -n '__bgo_is run' -l on-fast-crash -xa 'backoff stop retry' -d 'After a fast crash: backoff (wait 2, 4, 8 s, then give up), stop, or retry [default: backoff]'
complete -c bgo -n '__bgo_is run' -l success-exit -x -d 'Exit codes that mean success (128+n: signal n) [default: 0]'
complete -c bgo -n '__bgo_is run' -l backoff -x -d 'Wait after the first fast crash; doubles with each [default: 2s]'
complete -c bgo -n '__bgo_is run' -l backoff-max -x -d 'Longest wait [default: 8s]'
complete -c bgo -n '__bgo_is run' -l backoff-jitter -x -d 'Shorten waits at random by up to this share [default: 0%]'
complete -c bgo -n '__bgo_is run' -l max-fast-crashes -x -d 'Give up at this many fast crashes in a row [default: 4]'
complete -c bgo -n '__bgo_is run' -l restart-limit -x -d 'Give up at more than N restarts within TIME, for example 10/1m'
complete -c bgo -n '__bgo_is run' -l restart-every -x -d 'Restart it, gracefully, after each such time'
complete -c bgo -n '__bgo_is run' -l ready-when -x -d 'Ready when a line of its output contains TEXT'
complete -c bgo -n '__bgo_is run' -l ready-when-regex -x -d 'Ready when a line of its output matches'
complete -c bgo -n '__bgo_is run' -l ready-when-port -x -d 'Ready when it listens on this TCP port of the loopback address'
complete -c bgo -n '__bgo_is run' -l ready-when-url -x -d 'Ready when this URL answers with 2xx'
complete -c bgo -n '__bgo_is run' -l ready-when-file -x -d 'Ready when this file is newer than the start'
complete -c bgo -n '__bgo_is run' -l ready-when-cmd -x -d 'Ready when this shell command succeeds'
complete -c bgo -n '__bgo_is run' -l ready-when-notify -d 'Ready when it says so by sd_notify'
complete -c bgo -n '__bgo_is run' -l ready-timeout -x -d 'Time it has to get ready; 0: any [default: 60s]'
complete -c bgo -n '__bgo_is run' -l on-ready-timeout -xa 'fail keep' -d 'When that is over: fail (end it) or keep [default: fail]'
complete -c bgo -n '__bgo_is run' -l health-url -x -d 'Healthy while this URL answers with 2xx'
complete -c bgo -n '__bgo_is run' -l health-port -x -d 'Healthy while this TCP port of the loopback address accepts connections'
complete -c bgo -n '__bgo_is run' -l health-cmd -x -d 'Healthy while this shell command succeeds'
complete -c bgo -n '__bgo_is run' -l health-interval -x -d 'Time between two checks [default: 10s]'
complete -c bgo -n '__bgo_is run' -l health-timeout -x -d 'Time a check may take [default: 5s]'
complete -c bgo -n '__bgo_is run' -l health-threshold -x -d 'Failed checks in a row that make it unhealthy [default: 3]'
complete -c bgo -n '__bgo_is run' -l health-grace -x -d 'Time after it is ready without checks [default: 0]'
complete -c bgo -n '__bgo_is run' -l watchdog -x -d 'It must say WATCHDOG=1 by sd_notify at least this often'
complete -c bgo -n '__bgo_is run' -l max-rss -x -d 'End it when all its processes together use more memory'
complete -c bgo -n '__bgo_is run' -l max-runtime -x -d 'End it when it has run this long'
complete -c bgo -n '__bgo_is run' -l nice -x -d 'Scheduling priority, -20 (first) to 19 (last)'
complete -c bgo -n '__bgo_is run' -l limit-nofile -x -d 'How many files it may have open'
complete -c bgo -n '__bgo_is run' -l umask -x -d 'File mode creation mask, in octal'
complete -c bgo -n '__bgo_is run' -l user -x -d 'User to run as (root only)'
complete -c bgo -n '__bgo_is run' -l log-max-size -x -d 'Rotate a log beyond this size; 0: never [default: 50M]'
complete -c bgo -n '__bgo_is run' -l log-keep -x -d 'Rotated files to keep of each log [default: 5]'
complete -c bgo -n '__bgo_is run' -l log-compress -d 'Compress rotated files (gzip)'
complete -c bgo -n '__bgo_is run' -l stdout -x -d 'Append standard output to this file instead'
complete -c bgo -n '__bgo_is run' -l stderr -x -d 'Append standard error to this file instead'
complete -c bgo -n '__bgo_is run' -l merge-logs -d 'Standard error goes where standard output goes'
complete -c bgo -n '__bgo_is run' -l on-exit -x -d 'Shell command to run after each end; BGO_EXIT_CODE, BGO_SIGNAL and BGO_REASON are set'
complete -c bgo -n '__bgo_is run' -l on-ready -x -d 'Shell command to run each time it gets ready'
complete -c bgo -n '__bgo_is run' -l on-errored -x -d 'Shell command to run when it is given up'
complete -c bgo -n '__bgo_is run' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is wait' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is wait' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is wait' -l for -xa 'ready exit stopped' -d 'For what: ready, exit (watch mode may start it again), stopped (it stays down) [default: exit]'
complete -c bgo -n '__bgo_is wait' -l timeout -x -d 'Give up after this time'
complete -c bgo -n '__bgo_is wait' -l any -d 'Until the first of several gets there'
complete -c bgo -n '__bgo_is wait' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is stop kill' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is stop kill' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is stop kill' -s a -l all -d 'Stop every process that runs'
complete -c bgo -n '__bgo_is stop kill' -s f -l force -d 'SIGKILL at once'
complete -c bgo -n '__bgo_is stop kill' -l signal -xa 'TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' -d 'Signal that asks it to end [default: its stop signal]'
complete -c bgo -n '__bgo_is stop kill' -l timeout -x -d 'Time it then has before SIGKILL [default: its stop timeout]'
complete -c bgo -n '__bgo_is stop kill' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is signal' -a '(__bgo_names one)'
complete -c bgo -n '__bgo_is signal' -a '(__bgo_second TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH)'
complete -c bgo -n '__bgo_is signal' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is signal' -s a -l all -d 'Send it to everything that the process has started, too'
complete -c bgo -n '__bgo_is signal' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is restart' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is restart' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is restart' -s a -l all -d 'Restart every process that runs'
complete -c bgo -n '__bgo_is restart' -l reset-counters -d 'Count restarts by watch mode from zero again'
complete -c bgo -n '__bgo_is restart' -l update-env -d 'Take today\'s environment; variables set by -e stay'
complete -c bgo -n '__bgo_is restart' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is restart-stopped' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is restart-stopped' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is restart-stopped' -s a -l all -d 'All that are down, without asking'
complete -c bgo -n '__bgo_is restart-stopped' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is restart-last' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is restart-last' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is restart-last' -s a -l all -d 'All that are down, without asking'
complete -c bgo -n '__bgo_is restart-last' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is resurrect' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is resurrect' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is status ls list' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is status ls list' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is status ls list' -s w -l watch -d 'Refresh until Ctrl-C'
complete -c bgo -n '__bgo_is status ls list' -l interval -x -d 'Time between two frames [default: 2]'
complete -c bgo -n '__bgo_is status ls list' -l json -d 'One JSON document: an array of all, or the object of one NAME'
complete -c bgo -n '__bgo_is status ls list' -l plain -d 'ASCII only, no colour'
complete -c bgo -n '__bgo_is status ls list' -l fancy -d 'Box drawing, also when piped'
complete -c bgo -n '__bgo_is status ls list' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is logs' -a '(__bgo_names one)'
complete -c bgo -n '__bgo_is logs' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is logs' -s f -l follow -d 'Go on with what is written from now on, until Ctrl-C'
complete -c bgo -n '__bgo_is logs' -l until-exit -d 'With --follow: end when the process is down for good; restarts by its policy go on'
complete -c bgo -n '__bgo_is logs' -s n -l lines -x -d 'Only the last N lines of each stream [default: 50; all with --since-start, --run, --all or --grep]'
complete -c bgo -n '__bgo_is logs' -l since-start -d 'Only what the present or last run wrote'
complete -c bgo -n '__bgo_is logs' -l all -d 'Everything that is kept, rotated files included'
complete -c bgo -n '__bgo_is logs' -l grep -x -d 'Only lines that match this regular expression, rotated files included; colours do not count'
complete -c bgo -n '__bgo_is logs' -l run -x -d 'Only what this run wrote: 0 is the present or last, -1 the one before, as far back as -10'
complete -c bgo -n '__bgo_is logs' -l stdout -d 'Only standard output'
complete -c bgo -n '__bgo_is logs' -l stderr -d 'Only standard error'
complete -c bgo -n '__bgo_is logs' -l watcher -d 'What the sidecar saw and did: starts, exits, restarts'
complete -c bgo -n '__bgo_is logs' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is follow tail' -a '(__bgo_names one)'
complete -c bgo -n '__bgo_is follow tail' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is follow tail' -l until-exit -d 'End when the process is down for good; restarts by its policy go on'
complete -c bgo -n '__bgo_is follow tail' -s n -l lines -x -d 'How many lines of each stream to begin with [default: 10; all with --since-start or --all]'
complete -c bgo -n '__bgo_is follow tail' -l since-start -d 'Only what the present or last run wrote'
complete -c bgo -n '__bgo_is follow tail' -l all -d 'Everything that is kept, rotated files included'
complete -c bgo -n '__bgo_is follow tail' -l grep -x -d 'Only lines that match this regular expression, rotated files included; colours do not count'
complete -c bgo -n '__bgo_is follow tail' -l stdout -d 'Only standard output'
complete -c bgo -n '__bgo_is follow tail' -l stderr -d 'Only standard error'
complete -c bgo -n '__bgo_is follow tail' -l watcher -d 'What the sidecar sees and does'
complete -c bgo -n '__bgo_is follow tail' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is watch' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is watch' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is watch' -l restart -xa 'no on-failure always' -d 'Which ends are followed by a restart: always or on-failure [default: as it was, or always]'
complete -c bgo -n '__bgo_is watch' -l interval -x -d 'Upper bound for checks that must poll; exits are noticed at once [default: 3]'
complete -c bgo -n '__bgo_is watch' -l min-uptime -x -d 'A death before this is a fast crash [default: 2]'
complete -c bgo -n '__bgo_is watch' -l on-fast-crash -xa 'backoff stop retry' -d 'After a fast crash: backoff (wait 2, 4, 8 s, then give up), stop, or retry [default: backoff]'
complete -c bgo -n '__bgo_is watch' -l success-exit -x -d 'Exit codes that mean success (128+n: signal n) [default: 0]'
complete -c bgo -n '__bgo_is watch' -l backoff -x -d 'Wait after the first fast crash; doubles with each [default: 2s]'
complete -c bgo -n '__bgo_is watch' -l backoff-max -x -d 'Longest wait [default: 8s]'
complete -c bgo -n '__bgo_is watch' -l backoff-jitter -x -d 'Shorten waits at random by up to this share [default: 0%]'
complete -c bgo -n '__bgo_is watch' -l max-fast-crashes -x -d 'Give up at this many fast crashes in a row [default: 4]'
complete -c bgo -n '__bgo_is watch' -l restart-limit -x -d 'Give up at more than N restarts within TIME, for example 10/1m'
complete -c bgo -n '__bgo_is watch' -l restart-every -x -d 'Restart it, gracefully, after each such time'
complete -c bgo -n '__bgo_is watch' -l reset -d 'Start from the defaults, and count restarts from zero'
complete -c bgo -n '__bgo_is watch' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is unwatch' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is unwatch' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is unwatch' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is set' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is set' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is set' -l restart -xa 'no on-failure always' -d 'Restart it when it dies: no, on-failure or always'
complete -c bgo -n '__bgo_is set' -l stop-signal -xa 'TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' -d 'Signal that asks it to end [default: TERM]'
complete -c bgo -n '__bgo_is set' -l stop-timeout -x -d 'Time it then has before SIGKILL [default: 5s]'
complete -c bgo -n '__bgo_is set' -l interval -x -d 'Upper bound for checks that must poll; exits are noticed at once [default: 3]'
complete -c bgo -n '__bgo_is set' -l min-uptime -x -d 'A death before this is a fast crash [default: 2]'
complete -c bgo -n '__bgo_is set' -l on-fast-crash -xa 'backoff stop retry' -d 'After a fast crash: backoff (wait 2, 4, 8 s, then give up), stop, or retry [default: backoff]'
complete -c bgo -n '__bgo_is set' -l success-exit -x -d 'Exit codes that mean success (128+n: signal n) [default: 0]'
complete -c bgo -n '__bgo_is set' -l backoff -x -d 'Wait after the first fast crash; doubles with each [default: 2s]'
complete -c bgo -n '__bgo_is set' -l backoff-max -x -d 'Longest wait [default: 8s]'
complete -c bgo -n '__bgo_is set' -l backoff-jitter -x -d 'Shorten waits at random by up to this share [default: 0%]'
complete -c bgo -n '__bgo_is set' -l max-fast-crashes -x -d 'Give up at this many fast crashes in a row [default: 4]'
complete -c bgo -n '__bgo_is set' -l restart-limit -x -d 'Give up at more than N restarts within TIME, for example 10/1m'
complete -c bgo -n '__bgo_is set' -l restart-every -x -d 'Restart it, gracefully, after each such time'
complete -c bgo -n '__bgo_is set' -l ready-when -x -d 'Ready when a line of its output contains TEXT'
complete -c bgo -n '__bgo_is set' -l ready-when-regex -x -d 'Ready when a line of its output matches'
complete -c bgo -n '__bgo_is set' -l ready-when-port -x -d 'Ready when it listens on this TCP port of the loopback address'
complete -c bgo -n '__bgo_is set' -l ready-when-url -x -d 'Ready when this URL answers with 2xx'
complete -c bgo -n '__bgo_is set' -l ready-when-file -x -d 'Ready when this file is newer than the start'
complete -c bgo -n '__bgo_is set' -l ready-when-cmd -x -d 'Ready when this shell command succeeds'
complete -c bgo -n '__bgo_is set' -l ready-when-notify -d 'Ready when it says so by sd_notify'
complete -c bgo -n '__bgo_is set' -l ready-timeout -x -d 'Time it has to get ready; 0: any [default: 60s]'
complete -c bgo -n '__bgo_is set' -l on-ready-timeout -xa 'fail keep' -d 'When that is over: fail (end it) or keep [default: fail]'
complete -c bgo -n '__bgo_is set' -l health-url -x -d 'Healthy while this URL answers with 2xx'
complete -c bgo -n '__bgo_is set' -l health-port -x -d 'Healthy while this TCP port of the loopback address accepts connections'
complete -c bgo -n '__bgo_is set' -l health-cmd -x -d 'Healthy while this shell command succeeds'
complete -c bgo -n '__bgo_is set' -l health-interval -x -d 'Time between two checks [default: 10s]'
complete -c bgo -n '__bgo_is set' -l health-timeout -x -d 'Time a check may take [default: 5s]'
complete -c bgo -n '__bgo_is set' -l health-threshold -x -d 'Failed checks in a row that make it unhealthy [default: 3]'
complete -c bgo -n '__bgo_is set' -l health-grace -x -d 'Time after it is ready without checks [default: 0]'
complete -c bgo -n '__bgo_is set' -l watchdog -x -d 'It must say WATCHDOG=1 by sd_notify at least this often'
complete -c bgo -n '__bgo_is set' -l max-rss -x -d 'End it when all its processes together use more memory'
complete -c bgo -n '__bgo_is set' -l max-runtime -x -d 'End it when it has run this long'
complete -c bgo -n '__bgo_is set' -l nice -x -d 'Scheduling priority, -20 (first) to 19 (last)'
complete -c bgo -n '__bgo_is set' -l limit-nofile -x -d 'How many files it may have open'
complete -c bgo -n '__bgo_is set' -l umask -x -d 'File mode creation mask, in octal'
complete -c bgo -n '__bgo_is set' -l user -x -d 'User to run as (root only)'
complete -c bgo -n '__bgo_is set' -l log-max-size -x -d 'Rotate a log beyond this size; 0: never [default: 50M]'
complete -c bgo -n '__bgo_is set' -l log-keep -x -d 'Rotated files to keep of each log [default: 5]'
complete -c bgo -n '__bgo_is set' -l log-compress -d 'Compress rotated files (gzip)'
complete -c bgo -n '__bgo_is set' -l stdout -x -d 'Append standard output to this file instead'
complete -c bgo -n '__bgo_is set' -l stderr -x -d 'Append standard error to this file instead'
complete -c bgo -n '__bgo_is set' -l merge-logs -d 'Standard error goes where standard output goes'
complete -c bgo -n '__bgo_is set' -l on-exit -x -d 'Shell command to run after each end; BGO_EXIT_CODE, BGO_SIGNAL and BGO_REASON are set'
complete -c bgo -n '__bgo_is set' -l on-ready -x -d 'Shell command to run each time it gets ready'
complete -c bgo -n '__bgo_is set' -l on-errored -x -d 'Shell command to run when it is given up'
complete -c bgo -n '__bgo_is set' -l unset -xa 'stop-signal stop-timeout restart-on success-exit backoff backoff-max backoff-jitter max-fast-crashes restart-limit restart-every ready-when ready-when-regex ready-when-port ready-when-url ready-when-file ready-when-cmd ready-when-notify ready-timeout on-ready-timeout health-url health-port health-cmd health-interval health-timeout health-threshold health-grace watchdog max-rss max-runtime nice limit-nofile umask user log-max-size log-keep log-compress stdout stderr merge-logs on-exit on-ready on-errored' -d 'Give a setting its default again: max-rss, health-url …'
complete -c bgo -n '__bgo_is set' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is pause' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is pause' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is pause' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is resume' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is resume' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is resume' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is delete rm' -a '(__bgo_names)'
complete -c bgo -n '__bgo_is delete rm' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is delete rm' -s y -l yes -d 'Do not ask, even if it runs'
complete -c bgo -n '__bgo_is delete rm' -l keep-logs -d 'Leave its logs where they are'
complete -c bgo -n '__bgo_is delete rm' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is clean' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is clean' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is completions' -a 'bash zsh fish'
complete -c bgo -n '__bgo_is completions' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is completions' -s h -l help -d 'Print help (see more with \'--help\')'
complete -c bgo -n '__bgo_is first direct' -l color -xa 'auto always never' -d 'Colour the output: auto, always, never [default: auto]'
complete -c bgo -n '__bgo_is first direct' -s h -l help -d 'Print help'
complete -c bgo -n '__bgo_is first direct' -s V -l version -d 'Print version'
complete -c bgo -n '__bgo_is first direct' -l cwd -xa '(__bgo_folders)' -d 'Folder to run in [default: the current one]'
complete -c bgo -n '__bgo_is first direct' -s e -l env -x -d 'Set a variable on top of the present environment'
complete -c bgo -n '__bgo_is first direct' -s w -l watch -d 'Restart it when it dies: --restart always'
complete -c bgo -n '__bgo_is first direct' -l restart -xa 'no on-failure always' -d 'Restart it when it dies: no, on-failure or always [default: no]'
complete -c bgo -n '__bgo_is first direct' -l stop-signal -xa 'TERM INT HUP QUIT KILL USR1 USR2 ABRT ALRM CONT WINCH' -d 'Signal that asks it to end [default: TERM]'
complete -c bgo -n '__bgo_is first direct' -l stop-timeout -x -d 'Time it then has before SIGKILL [default: 5s]'
complete -c bgo -n '__bgo_is first direct' -l interval -x -d 'Upper bound for checks that must poll; exits are noticed at once [default: 3]'
complete -c bgo -n '__bgo_is first direct' -l min-uptime -x -d 'A death before this is a fast crash [default: 2]'
complete -c bgo -n '__bgo_is first direct' -l on-fast-crash -xa 'backoff stop retry' -d 'After a fast crash: backoff (wait 2, 4, 8 s, then give up), stop, or retry [default: backoff]'
complete -c bgo -n '__bgo_is first direct' -l success-exit -x -d 'Exit codes that mean success (128+n: signal n) [default: 0]'
complete -c bgo -n '__bgo_is first direct' -l backoff -x -d 'Wait after the first fast crash; doubles with each [default: 2s]'
complete -c bgo -n '__bgo_is first direct' -l backoff-max -x -d 'Longest wait [default: 8s]'
complete -c bgo -n '__bgo_is first direct' -l backoff-jitter -x -d 'Shorten waits at random by up to this share [default: 0%]'
complete -c bgo -n '__bgo_is first direct' -l max-fast-crashes -x -d 'Give up at this many fast crashes in a row [default: 4]'
complete -c bgo -n '__bgo_is first direct' -l restart-limit -x -d 'Give up at more than N restarts within TIME, for example 10/1m'
complete -c bgo -n '__bgo_is first direct' -l restart-every -x -d 'Restart it, gracefully, after each such time'
complete -c bgo -n '__bgo_is first direct' -l ready-when -x -d 'Ready when a line of its output contains TEXT'
complete -c bgo -n '__bgo_is first direct' -l ready-when-regex -x -d 'Ready when a line of its output matches'
complete -c bgo -n '__bgo_is first direct' -l ready-when-port -x -d 'Ready when it listens on this TCP port of the loopback address'
complete -c bgo -n '__bgo_is first direct' -l ready-when-url -x -d 'Ready when this URL answers with 2xx'
complete -c bgo -n '__bgo_is first direct' -l ready-when-file -x -d 'Ready when this file is newer than the start'
complete -c bgo -n '__bgo_is first direct' -l ready-when-cmd -x -d 'Ready when this shell command succeeds'
complete -c bgo -n '__bgo_is first direct' -l ready-when-notify -d 'Ready when it says so by sd_notify'
complete -c bgo -n '__bgo_is first direct' -l ready-timeout -x -d 'Time it has to get ready; 0: any [default: 60s]'
complete -c bgo -n '__bgo_is first direct' -l on-ready-timeout -xa 'fail keep' -d 'When that is over: fail (end it) or keep [default: fail]'
complete -c bgo -n '__bgo_is first direct' -l health-url -x -d 'Healthy while this URL answers with 2xx'
complete -c bgo -n '__bgo_is first direct' -l health-port -x -d 'Healthy while this TCP port of the loopback address accepts connections'
complete -c bgo -n '__bgo_is first direct' -l health-cmd -x -d 'Healthy while this shell command succeeds'
complete -c bgo -n '__bgo_is first direct' -l health-interval -x -d 'Time between two checks [default: 10s]'
complete -c bgo -n '__bgo_is first direct' -l health-timeout -x -d 'Time a check may take [default: 5s]'
complete -c bgo -n '__bgo_is first direct' -l health-threshold -x -d 'Failed checks in a row that make it unhealthy [default: 3]'
complete -c bgo -n '__bgo_is first direct' -l health-grace -x -d 'Time after it is ready without checks [default: 0]'
complete -c bgo -n '__bgo_is first direct' -l watchdog -x -d 'It must say WATCHDOG=1 by sd_notify at least this often'
complete -c bgo -n '__bgo_is first direct' -l max-rss -x -d 'End it when all its processes together use more memory'
complete -c bgo -n '__bgo_is first direct' -l max-runtime -x -d 'End it when it has run this long'
complete -c bgo -n '__bgo_is first direct' -l nice -x -d 'Scheduling priority, -20 (first) to 19 (last)'
complete -c bgo -n '__bgo_is first direct' -l limit-nofile -x -d 'How many files it may have open'
complete -c bgo -n '__bgo_is first direct' -l umask -x -d 'File mode creation mask, in octal'
complete -c bgo -n '__bgo_is first direct' -l user -x -d 'User to run as (root only)'
complete -c bgo -n '__bgo_is first direct' -l log-max-size -x -d 'Rotate a log beyond this size; 0: never [default: 50M]'
complete -c bgo -n '__bgo_is first direct' -l log-keep -x -d 'Rotated files to keep of each log [default: 5]'
complete -c bgo -n '__bgo_is first direct' -l log-compress -d 'Compress rotated files (gzip)'
complete -c bgo -n '__bgo_is first direct' -l stdout -x -d 'Append standard output to this file instead'
complete -c bgo -n '__bgo_is first direct' -l stderr -x -d 'Append standard error to this file instead'
complete -c bgo -n '__bgo_is first direct' -l merge-logs -d 'Standard error goes where standard output goes'
complete -c bgo -n '__bgo_is first direct' -l on-exit -x -d 'Shell command to run after each end; BGO_EXIT_CODE, BGO_SIGNAL and BGO_REASON are set'
complete -c bgo -n '__bgo_is first direct' -l on-ready -x -d 'Shell command to run each time it gets ready'
complete -c bgo -n '__bgo_is first direct' -l on-errored -x -d 'Shell command to run when it is given up'
complete -c bgo -n '__bgo_is first direct' -l settle -x -d 'Report a failure if it ends badly within this time; 0 to not wait'
complete -c bgo -n '__bgo_is first direct' -l wait -d 'Wait until it is ready or has ended, for TIME at most'
complete -c bgo -n '__bgo_is first direct' -l if-not-running -d 'Succeed if it runs already'
complete -c bgo -n '__bgo_is first direct' -l force -d 'Replace it if it runs already'
