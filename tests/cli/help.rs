//! `--help`, `--version`, usage errors and completions.

use crate::env::TestEnv;

/// Every verb and what it is also called.
const VERBS: [(&str, &[&str]); 38] = [
    ("start", &["open"]),
    ("run", &[]),
    ("wait", &[]),
    ("signal", &[]),
    ("stop", &["kill"]),
    ("restart", &[]),
    ("restart-stopped", &[]),
    ("restart-last", &[]),
    ("resurrect", &[]),
    ("status", &["ls", "list"]),
    ("logs", &[]),
    ("follow", &["tail"]),
    ("watch", &[]),
    ("unwatch", &[]),
    ("export", &[]),
    ("autostart", &[]),
    ("man", &[]),
    ("expect", &[]),
    ("skill", &[]),
    ("send", &[]),
    ("reap", &[]),
    ("doctor", &[]),
    ("events", &[]),
    ("examples", &[]),
    ("capabilities", &[]),
    ("free-port", &[]),
    ("env", &[]),
    ("schema", &[]),
    ("check", &[]),
    ("down", &[]),
    ("up", &[]),
    ("resume", &[]),
    ("pause", &[]),
    ("set", &[]),
    ("delete", &["rm"]),
    ("clean", &[]),
    ("completions", &[]),
    ("--help", &[]),
];

const HELP: &str = "\
Run any command in the background: detached, logged, supervised, brought back after a reboot

Usage: bgo <NAME> -- <COMMAND>...
       bgo [-w] <NAME> <COMMAND>...
       bgo <COMMAND>...
       bgo <NAME>
       bgo <SUBCOMMAND> [OPTIONS] [ARGS]

Commands:
  start            Start a process [alias: open]
  run              Run a command in the foreground, supervised and logged
  wait             Wait until processes are ready, have ended, or are down
  up               Start the jobs of the project, each after what it needs [alias: run-group]
  down             Stop the jobs of the project, each before what it needs
  check            Check the file of the project, without starting anything
  stop             Stop processes and everything they started [alias: kill]
  signal           Send a signal to a process
  send             Write to the standard input of a process that was started with --stdin
  free-port        End whoever listens on a TCP port
  restart          Restart processes; those that are down are started
  restart-stopped  Restart processes that are down: picked from a menu, by name, or all
  restart-last     As restart-stopped, the most recently stopped first
  resurrect        After a reboot: bring back every process that was up
  autostart        Have what was up come back: run resurrect when the machine starts, or at login
  status           Show all processes, or some in detail [aliases: ls, list]
  env              Print the environment of a process, secrets masked
  logs             Show the output of processes
  follow           Follow the output of processes (logs -f -n 10) [alias: tail]
  events           Tell what has happened to processes, or what happens: one JSON object a line
  expect           Wait for a text in the output of a process
  watch            Restart a running process from now on when it dies
  unwatch          Leave a process down from now on when it dies
  set              Change how a process is supervised: limits, health checks, restart policy
  pause            Hold a process and everything it started (SIGSTOP)
  resume           Let a paused process go on
  delete           Stop a process and forget it, logs included [alias: rm]
  clean            Forget every process that is not running, logs included
  reap             End what has outlived its lease: --ttl is over, or the process of --until-pid has ended
  doctor           Check everything that bgo keeps and stands on, and mend it
  export           Take jobs elsewhere: print them as systemd units, a Compose file, a Nomad job or the like
  capabilities     Print what bgo can do, as JSON: commands, effects, errors, states
  schema           Print the JSON Schema of an answer or of a file
  examples         Print commands to try, each of them tested
  skill            Teach an agent to use bgo: write a skill file where it looks for them
  man              Write the manual pages into a folder, or print the first
  completions      Print the completions for a shell

Options:
      --color <WHEN>   Colour the output: auto, always, never [default: auto]
      --config <PATH>  Project file [default: the nearest bgo.toml]
      --json           Answer in JSON
  -h, --help           Print help
  -V, --version        Print version

Examples:
  bgo web -- python3 -m http.server 8080   start, named \"web\"
  bgo ./server.sh --port 80                start, named after the program
  bgo -w api -- node server.js             start, and restart it when it dies
  bgo                                      this help
  bgo status                               all processes
  bgo web                                  one process in detail
  bgo logs web -f                          follow its output
  bgo run -- make test                     in the foreground
  bgo wait web                             until it ends
  bgo stop web                             SIGTERM, SIGKILL after 5 s
  bgo restart web                          stop and start it anew
  bgo resurrect                            after a reboot: bring back what was up

Durations are 3 (seconds), 500ms, 2m, 1h30m. State and logs are in $BGO_HOME, by default ~/.bgo.
Exit codes: 0 done, 1 failed, 2 usage, 3 no such process, 124 timed out, 130 interrupted.
`wait` and `run` pass on the exit code of the process, 128+n for signal n, 125 if there is none to pass on.
";
const STOP: &str = "\
Stop processes and everything they started

Usage: bgo stop [OPTIONS] <NAME|--group <GROUP>|--project|--tag <TAG>|--owner <NAME>|--mine|--cwd <DIR>|--all>

Arguments:
  [NAME]...  Names of the processes

Options:
      --color <WHEN>     Colour the output: auto, always, never [default: auto]
      --group <GROUP>    All processes of this group [aliases: --workspace, --filter]
      --config <PATH>    Project file [default: the nearest bgo.toml]
      --project          All processes of the project of this folder: that of the nearest bgo.toml
      --json             Answer in JSON
      --tag <TAG>        All processes with this tag; several: with each of them
      --owner <NAME>     All processes of this owner
      --mine             Your own: those of $BGO_OWNER; without that, those that this shell or what started it has
                         started
      --cwd <DIR>        All processes that run in this folder or below
  -a, --all              Stop every process that runs
      --cascade          Stop what needs them (--after) first
  -f, --force            SIGKILL at once
      --signal <SIGNAL>  Signal that asks it to end [default: its stop signal]
      --timeout <TIME>   Time it then has before SIGKILL [default: its stop timeout]
      --any-owner        Also those that belong to another owner than $BGO_OWNER
  -h, --help             Print help
";
const RUN: &str = "\
Run a command in the foreground, supervised and logged

Usage: bgo run [OPTIONS] -- <COMMAND>...

Arguments:
  <COMMAND>...  The command and its arguments

Options:
      --color <WHEN>     Colour the output: auto, always, never [default: auto]
      --name <NAME>      Name it, and keep its record and logs [default: after the program, removed at the end]
      --config <PATH>    Project file [default: the nearest bgo.toml]
      --cwd <DIR>        Folder to run in [default: the current one]
  -e, --env <KEY=VALUE>  Set a variable on top of the present environment
      --json             Answer in JSON
      --any-owner        Also those that belong to another owner than $BGO_OWNER
  -h, --help             Print help

Restart policy:
  -w, --watch                     Restart it when it dies: --restart always
      --restart <POLICY>          Restart it when it dies: no, on-failure or always [default: no]
      --interval <TIME>           Upper bound for checks that must poll; exits are noticed at once [default: 3]
      --min-uptime <TIME>         A death before this is a fast crash [default: 2]
      --on-fast-crash <MODE>      After a fast crash: backoff (wait 2, 4, 8 s, then give up), stop, or retry [default:
                                  backoff]
      --success-exit <CODES>      Exit codes that mean success (128+n: signal n) [default: 0]
      --backoff <TIME>            Wait after the first fast crash; doubles with each [default: 2s]
      --backoff-max <TIME>        Longest wait [default: 8s]
      --backoff-jitter <PERCENT>  Shorten waits at random by up to this share [default: 0%]
      --max-fast-crashes <N>      Give up at this many fast crashes in a row [default: 4]
      --restart-limit <N/TIME>    Give up at more than N restarts within TIME, for example 10/1m
      --restart-every <TIME>      Restart it, gracefully, after each such time

Stopping:
      --stop-signal <SIGNAL>  Signal that asks it to end [default: TERM]
      --stop-timeout <TIME>   Time it then has before SIGKILL [default: 5s]

Readiness (one of these):
      --ready-when <TEXT>          Ready when a line of its output contains TEXT
      --ready-when-regex <REGEX>   Ready when a line of its output matches
      --ready-when-port <PORT>     Ready when it listens on this TCP port of the loopback address
      --ready-when-url <URL>       Ready when this URL answers with 2xx
      --ready-when-file <PATH>     Ready when this file is newer than the start
      --ready-when-cmd <CMD>       Ready when this shell command succeeds
      --ready-when-notify          Ready when it says so by sd_notify
      --ready-timeout <TIME>       Time it has to get ready; 0: any [default: 60s]
      --on-ready-timeout <ACTION>  When that is over: fail (end it) or keep [default: fail]

Health (checked once it is ready):
      --health-url <URL>        Healthy while this URL answers with 2xx
      --health-port <PORT>      Healthy while this TCP port of the loopback address accepts connections
      --health-cmd <CMD>        Healthy while this shell command succeeds
      --health-interval <TIME>  Time between two checks [default: 10s]
      --health-timeout <TIME>   Time a check may take [default: 5s]
      --health-threshold <N>    Failed checks in a row that make it unhealthy [default: 3]
      --health-grace <TIME>     Time after it is ready without checks [default: 0]
      --watchdog <TIME>         It must say WATCHDOG=1 by sd_notify at least this often

Limits:
      --max-rss <SIZE>      End it when all its processes together use more memory
      --max-runtime <TIME>  End it when it has run this long
      --nice <N>            Scheduling priority, -20 (first) to 19 (last)
      --limit-nofile <N>    How many files it may have open
      --umask <MASK>        File mode creation mask, in octal
      --user <NAME>         User to run as (root only)

Environment (below -e):
      --env-file <FILE>      Read variables from this file, .env or .toml, at every start (several: the later wins)
      --config-env           Read .config.toml of its folder in the same way, first
      --allocate-port <VAR>  Find a free TCP port, keep it, and pass it in this variable

Logs:
      --log-max-size <SIZE>  Rotate a log beyond this size; 0: never [default: 50M]
      --log-keep <N>         Rotated files to keep of each log [default: 5]
      --log-compress         Compress rotated files (gzip)
      --stdout <PATH>        Append standard output to this file instead
      --stderr <PATH>        Append standard error to this file instead
      --merge-logs           Standard error goes where standard output goes

Dependencies:
      --oneshot                  It is to end by itself: what needs it waits until it has ended well
      --after <NAME>             Start it only when NAME is ready; several: once for each, or with commas
      --restart-with-dependency  Restart it with those

Restart on changes:
      --watch-files[=<PATH>]   Restart it when something in PATH changes [default path: its folder]; may be given
                               several times
      --watch-ignore <GLOB>    What in it does not count, as a line of .gitignore, which counts anyway; may be given
                               several times [alias: --ignore]
      --watch-poll             Look every second, for file systems that tell of no changes (network, some containers)
                               [alias: --poll]
      --watch-signal <SIGNAL>  Send it this signal instead of a restart [alias: --signal]

Hooks (30 s each at most):
      --on-exit <CMD>     Shell command to run after each end; BGO_EXIT_CODE, BGO_SIGNAL and BGO_REASON are set
      --on-ready <CMD>    Shell command to run each time it gets ready
      --on-errored <CMD>  Shell command to run when it is given up
      --notify            Tell the desktop when it fails, and when it is well again [default of a start: $BGO_NOTIFY]

At login:
      --autostart <WHEN>  Whether resurrect starts it: always, unless-stopped or never [default: unless-stopped]
      --scope             Put it into a systemd scope of its own, which the end of a login session leaves alone

Input:
      --stdin  Give it a pipe as standard input, which bgo send writes to [default: /dev/null]

Groups:
      --group <NAME>  Group it belongs to [default of a start: $BGO_GROUP] [alias: --workspace]

Ownership:
      --owner <NAME>     Who it belongs to [default of a start: $BGO_OWNER]
      --tag <TAG>        A word to find it by; may be given several times
      --ttl <TIME>       Stop it this long after its start, restarts included
      --until-pid <PID>  Stop it when this process ends

It runs in a session of its own, with /dev/null as standard input. Ctrl-C, SIGTERM and SIGHUP stop it; a second Ctrl-C
kills it. Exits with its exit code, 128+n for signal n, 125 if bgo itself failed.
";
const WAIT: &str = "\
Wait until processes are ready, have ended, or are down

Usage: bgo wait [OPTIONS] <NAME|--group <GROUP>|--project|--tag <TAG>|--owner <NAME>|--mine|--cwd <DIR>>

Arguments:
  [NAME]...  Names of the processes

Options:
      --color <WHEN>    Colour the output: auto, always, never [default: auto]
      --group <GROUP>   All processes of this group [aliases: --workspace, --filter]
      --config <PATH>   Project file [default: the nearest bgo.toml]
      --project         All processes of the project of this folder: that of the nearest bgo.toml
      --json            Answer in JSON
      --tag <TAG>       All processes with this tag; several: with each of them
      --owner <NAME>    All processes of this owner
      --mine            Your own: those of $BGO_OWNER; without that, those that this shell or what started it has
                        started
      --cwd <DIR>       All processes that run in this folder or below
      --for <WHAT>      For what: ready, exit (watch mode may start it again), stopped (it stays down) [default: exit]
      --timeout <TIME>  Give up after this time
      --any             Until the first of several gets there
  -h, --help            Print help

Without --for it exits with the exit code of the process, 128+n for signal n, 125 if nobody could see how it ended; of
several, the highest. With --timeout, a NAME that is not registered yet is waited for.
";
const LOGS: &str = "\
Show the output of processes

Usage: bgo logs [OPTIONS] <NAME|--group <GROUP>|--project|--tag <TAG>|--owner <NAME>|--mine|--cwd <DIR>>

Arguments:
  [NAME]...  Names of the processes

Options:
      --color <WHEN>   Colour the output: auto, always, never [default: auto]
      --group <GROUP>  All processes of this group [aliases: --workspace, --filter]
      --config <PATH>  Project file [default: the nearest bgo.toml]
      --project        All processes of the project of this folder: that of the nearest bgo.toml
      --json           Answer in JSON
      --tag <TAG>      All processes with this tag; several: with each of them
      --owner <NAME>   All processes of this owner
      --mine           Your own: those of $BGO_OWNER; without that, those that this shell or what started it has started
      --cwd <DIR>      All processes that run in this folder or below
  -f, --follow         Go on with what is written from now on, until Ctrl-C
      --until-exit     With --follow: end when all are down for good; restarts by its policy go on
  -n, --lines <N>      Only the last N lines of each stream [default: 50; all with --since-start, --run, --all or
                       --grep] [alias: --tail]
      --since-start    Only what the present or last run wrote
      --all            Everything that is kept, rotated files included
      --grep <RE>      Only lines that match this regular expression, rotated files included; colours do not count
      --level <LEVEL>  Only messages of this level and worse: error, warn, info or debug; a line without one belongs to
                       the message before
      --strip-ansi     Leave out escape sequences: colours, titles, links
      --run <N>        Only what this run wrote: 0 is the present or last, -1 the one before, as far back as -10
      --stdout         Only standard output
      --stderr         Only standard error
      --watcher        What the sidecar saw and did: starts, exits, restarts
  -h, --help           Print help

In parts:
      --head <N>               Only the first N lines of each stream
      --max-bytes <SIZE>       At most so much, of lines that fit: 4K, 1M; the cursor stands after them [default with
                               --json: 64K]
      --output <FORM>          inline: the lines; artifact: a digest, and which bytes of which files they are; auto:
                               what fits
      --digest                 Counts of errors and warnings, the last error, what repeats, the last lines
      --since-cursor <CURSOR>  Only what came after this cursor, which --json, --digest and expect give
      --new <READER>           Only what is new to READER, a name of your choice; with --grep, --level or --digest all
                               of it stays new

Of several processes each line stands behind the name of its process, and a line of standard error has ! there instead
of |. With --grep or --level it exits with 1 if no line passes. A line longer than 64 KiB counts as several, where lines
count. With --json a reply has at most --max-bytes, a line at most 8 KiB, and a cursor to go on from; a follow is one
object a line. A follow goes on over rotations and restarts, and takes in who joins the group or project; it ends with 0
when all have been deleted or, with --until-exit, are down for good.
";
const FOLLOW: &str = "\
Follow the output of processes (logs -f -n 10)

Usage: bgo follow [OPTIONS] <NAME|--group <GROUP>|--project|--tag <TAG>|--owner <NAME>|--mine|--cwd <DIR>>

Arguments:
  [NAME]...  Names of the processes

Options:
      --color <WHEN>   Colour the output: auto, always, never [default: auto]
      --group <GROUP>  All processes of this group [aliases: --workspace, --filter]
      --config <PATH>  Project file [default: the nearest bgo.toml]
      --project        All processes of the project of this folder: that of the nearest bgo.toml
      --json           Answer in JSON
      --tag <TAG>      All processes with this tag; several: with each of them
      --owner <NAME>   All processes of this owner
      --mine           Your own: those of $BGO_OWNER; without that, those that this shell or what started it has started
      --cwd <DIR>      All processes that run in this folder or below
      --until-exit     End when all are down for good; restarts by its policy go on
  -n, --lines <N>      How many lines of each stream to begin with [default: 10; all with --since-start or --all]
                       [alias: --tail]
      --since-start    Only what the present or last run wrote
      --all            Everything that is kept, rotated files included
      --grep <RE>      Only lines that match this regular expression, rotated files included; colours do not count
      --level <LEVEL>  Only messages of this level and worse: error, warn, info or debug; a line without one belongs to
                       the message before
      --strip-ansi     Leave out escape sequences: colours, titles, links
      --stdout         Only standard output
      --stderr         Only standard error
      --watcher        What the sidecar sees and does
  -h, --help           Print help

Of several processes each line stands behind the name of its process, and a line of standard error has ! there instead
of |. With --grep or --level it exits with 1 if no line passes. A line longer than 64 KiB counts as several, where lines
count. With --json a reply has at most --max-bytes, a line at most 8 KiB, and a cursor to go on from; a follow is one
object a line. A follow goes on over rotations and restarts, and takes in who joins the group or project; it ends with 0
when all have been deleted or, with --until-exit, are down for good.
";
const START: &str = "\
Start a process

Usage: bgo start [OPTIONS] <NAME> -- <COMMAND>...
       bgo start [OPTIONS] --spec <JSON|@FILE|->

Arguments:
  [NAME]        Name of the process
  [COMMAND]...  The command and its arguments

Options:
      --color <WHEN>     Colour the output: auto, always, never [default: auto]
      --config <PATH>    Project file [default: the nearest bgo.toml]
      --cwd <DIR>        Folder to run in [default: the current one]
      --json             Answer in JSON
  -e, --env <KEY=VALUE>  Set a variable on top of the present environment
      --settle <TIME>    Report a failure if it ends badly within this time; 0 to not wait [default: 100ms]
      --wait[=<TIME>]    Wait until it is ready or has ended, for TIME at most
      --if-not-running   Succeed if it runs already as asked for; with --force, replace it if not
      --force            Replace it if it runs already
      --any-owner        Also those that belong to another owner than $BGO_OWNER
      --fetch            First bring its folder up to date: git pull --ff-only
  -h, --help             Print help

Payloads:
      --spec <JSON|@FILE|->  Start what this JSON says, one spec or an array of specs; @FILE reads a file, - standard
                             input
      --concurrency <N>      How many of an array are started at once [default: 8]

Restart policy:
  -w, --watch                     Restart it when it dies: --restart always
      --restart <POLICY>          Restart it when it dies: no, on-failure or always [default: no]
      --interval <TIME>           Upper bound for checks that must poll; exits are noticed at once [default: 3]
      --min-uptime <TIME>         A death before this is a fast crash [default: 2]
      --on-fast-crash <MODE>      After a fast crash: backoff (wait 2, 4, 8 s, then give up), stop, or retry [default:
                                  backoff]
      --success-exit <CODES>      Exit codes that mean success (128+n: signal n) [default: 0]
      --backoff <TIME>            Wait after the first fast crash; doubles with each [default: 2s]
      --backoff-max <TIME>        Longest wait [default: 8s]
      --backoff-jitter <PERCENT>  Shorten waits at random by up to this share [default: 0%]
      --max-fast-crashes <N>      Give up at this many fast crashes in a row [default: 4]
      --restart-limit <N/TIME>    Give up at more than N restarts within TIME, for example 10/1m
      --restart-every <TIME>      Restart it, gracefully, after each such time

Stopping:
      --stop-signal <SIGNAL>  Signal that asks it to end [default: TERM]
      --stop-timeout <TIME>   Time it then has before SIGKILL [default: 5s]

Readiness (one of these):
      --ready-when <TEXT>          Ready when a line of its output contains TEXT
      --ready-when-regex <REGEX>   Ready when a line of its output matches
      --ready-when-port <PORT>     Ready when it listens on this TCP port of the loopback address
      --ready-when-url <URL>       Ready when this URL answers with 2xx
      --ready-when-file <PATH>     Ready when this file is newer than the start
      --ready-when-cmd <CMD>       Ready when this shell command succeeds
      --ready-when-notify          Ready when it says so by sd_notify
      --ready-timeout <TIME>       Time it has to get ready; 0: any [default: 60s]
      --on-ready-timeout <ACTION>  When that is over: fail (end it) or keep [default: fail]

Health (checked once it is ready):
      --health-url <URL>        Healthy while this URL answers with 2xx
      --health-port <PORT>      Healthy while this TCP port of the loopback address accepts connections
      --health-cmd <CMD>        Healthy while this shell command succeeds
      --health-interval <TIME>  Time between two checks [default: 10s]
      --health-timeout <TIME>   Time a check may take [default: 5s]
      --health-threshold <N>    Failed checks in a row that make it unhealthy [default: 3]
      --health-grace <TIME>     Time after it is ready without checks [default: 0]
      --watchdog <TIME>         It must say WATCHDOG=1 by sd_notify at least this often

Limits:
      --max-rss <SIZE>      End it when all its processes together use more memory
      --max-runtime <TIME>  End it when it has run this long
      --nice <N>            Scheduling priority, -20 (first) to 19 (last)
      --limit-nofile <N>    How many files it may have open
      --umask <MASK>        File mode creation mask, in octal
      --user <NAME>         User to run as (root only)

Environment (below -e):
      --env-file <FILE>      Read variables from this file, .env or .toml, at every start (several: the later wins)
      --config-env           Read .config.toml of its folder in the same way, first
      --allocate-port <VAR>  Find a free TCP port, keep it, and pass it in this variable

Logs:
      --log-max-size <SIZE>  Rotate a log beyond this size; 0: never [default: 50M]
      --log-keep <N>         Rotated files to keep of each log [default: 5]
      --log-compress         Compress rotated files (gzip)
      --stdout <PATH>        Append standard output to this file instead
      --stderr <PATH>        Append standard error to this file instead
      --merge-logs           Standard error goes where standard output goes

Dependencies:
      --oneshot                  It is to end by itself: what needs it waits until it has ended well
      --after <NAME>             Start it only when NAME is ready; several: once for each, or with commas
      --restart-with-dependency  Restart it with those
      --after-timeout <TIME>     How long it may take until what --after names is ready [default: 120s]

Restart on changes:
      --watch-files[=<PATH>]   Restart it when something in PATH changes [default path: its folder]; may be given
                               several times
      --watch-ignore <GLOB>    What in it does not count, as a line of .gitignore, which counts anyway; may be given
                               several times [alias: --ignore]
      --watch-poll             Look every second, for file systems that tell of no changes (network, some containers)
                               [alias: --poll]
      --watch-signal <SIGNAL>  Send it this signal instead of a restart [alias: --signal]

Hooks (30 s each at most):
      --on-exit <CMD>     Shell command to run after each end; BGO_EXIT_CODE, BGO_SIGNAL and BGO_REASON are set
      --on-ready <CMD>    Shell command to run each time it gets ready
      --on-errored <CMD>  Shell command to run when it is given up
      --notify            Tell the desktop when it fails, and when it is well again [default of a start: $BGO_NOTIFY]

At login:
      --autostart <WHEN>  Whether resurrect starts it: always, unless-stopped or never [default: unless-stopped]
      --scope             Put it into a systemd scope of its own, which the end of a login session leaves alone

Input:
      --stdin  Give it a pipe as standard input, which bgo send writes to [default: /dev/null]

Groups:
      --group <NAME>  Group it belongs to [default of a start: $BGO_GROUP] [alias: --workspace]

Ownership:
      --owner <NAME>     Who it belongs to [default of a start: $BGO_OWNER]
      --tag <TAG>        A word to find it by; may be given several times
      --ttl <TIME>       Stop it this long after its start, restarts included
      --until-pid <PID>  Stop it when this process ends

A payload is a spec or an array of specs: {\"name\": \"web\", \"command\": [\"python3\", \"-m\", \"http.server\"], \"restart\":
\"always\"}. Its keys are the names of the flags, with _ for -; cmd is a command line. Flags beside --spec hold for all
specs that do not say otherwise. An array answers for each, and exits with 1 if any failed.
";

#[test]
fn help_is_this() {
    let env = TestEnv::new();
    for args in [&["--help"][..], &["-h"], &[]] {
        env.bgo(args).ok().says(HELP, "");
    }
    assert!(!env.state().exists());
}

#[test]
fn help_of_verbs_is_this() {
    let env = TestEnv::new();
    env.bgo(&["stop", "--help"]).ok().says(STOP, "");
    env.bgo(&["start", "--help"]).ok().says(START, "");
    env.bgo(&["open", "-h"]).ok().says(START, "");
    env.bgo(&["run", "--help"]).ok().says(RUN, "");
    env.bgo(&["wait", "--help"]).ok().says(WAIT, "");
    env.bgo(&["logs", "--help"]).ok().says(LOGS, "");
    env.bgo(&["follow", "--help"]).ok().says(FOLLOW, "");
    env.bgo(&["tail", "-h"]).ok().says(FOLLOW, "");
}

#[test]
fn every_verb_and_alias_has_help_and_is_in_the_main_help() {
    let env = TestEnv::new();
    for (verb, aliases) in VERBS {
        for word in [&[verb], aliases].concat() {
            let help = env.bgo(&[word, "--help"]).ok();
            assert!(help.stdout.contains("Usage: bgo"), "{word}: {}", help.stdout);
            assert_eq!(help.stderr, "");
            assert!(HELP.contains(word), "{word}");
        }
    }
}

#[test]
fn help_fits_the_terminal() {
    let env = TestEnv::new();
    for columns in [60, 80] {
        let help = env.cmd(&["start", "--help"]).on_terminal(columns).finish().ok();
        let widest = help.stdout.lines().map(|l| l.trim_end().chars().count()).max().unwrap();
        assert!(widest <= usize::from(columns), "{widest} > {columns}");
    }
}

#[test]
fn version_is_that_of_the_package() {
    let env = TestEnv::new();
    for flag in ["--version", "-V"] {
        env.bgo(&[flag]).ok().says(concat!("bgo ", env!("CARGO_PKG_VERSION"), "\n"), "");
    }
}

#[test]
fn usage_errors_exit_with_2_and_say_usage_on_stderr() {
    let env = TestEnv::new();
    for args in [
        &["start"][..],
        &["stop"],
        &["run"],
        &["wait"],
        &["wait", "web", "--for", "godot"],
        &["signal", "web"],
        &["signal", "web", "NOPE"],
        &["start", "web", "--wait=x", "--", "true"],
        &["restart"],
        &["logs"],
        &["follow"],
        &["watch"],
        &["unwatch"],
        &["delete"],
        &["completions"],
        &["completions", "tcsh"],
        &["stop", "--bogus", "x"],
        &["resurrect", "--for"],
        &["clean", "x"],
    ] {
        let refused = env.bgo(args).code(2);
        assert_eq!(refused.stdout, "", "{args:?}");
        assert!(refused.stderr.starts_with("error: "), "{args:?}: {}", refused.stderr);
    }
    assert!(!env.state().exists());
}

#[test]
fn completions_are_made_for_three_shells() {
    let env = TestEnv::new();
    for (shell, mark) in [("bash", "complete -F"), ("zsh", "#compdef bgo"), ("fish", "complete -c bgo")] {
        let script = env.bgo(&["completions", shell]).ok().stdout;
        assert!(script.contains(mark) && script.contains("restart-stopped"), "{shell}");
    }
    let bash = env.bgo(&["completions", "bash"]).ok().stdout;
    env.program("bash", &["-n"]).stdin(bash).run().ok().says("", "");
}
