//! `examples`: commands to try.
//!
//! Why it exists: a working line says more than a description, to people and to programs. Invariant: each example runs
//! as it stands, in an empty home; a test runs every one of them.

use super::output::Output;
use crate::cli::ExamplesArgs;
use crate::error::{Error, ErrorKind, ExitCode, Result};
use crate::ops::nearest;
use crate::view::capabilities::Example;
use crate::view::json;

const fn example(verb: &'static str, about: &'static str, lines: &'static [&'static str]) -> Example {
    Example { verb, about, lines }
}

/// All of them, by verb.
pub const EXAMPLES: &[Example] = &[
    example("start", "start a process, and see that it runs", &["bgo start web -- sleep 60", "bgo status web"]),
    example(
        "start",
        "start it once, however often this is run",
        &["bgo start web --if-not-running --json -- sleep 60", "bgo start web --if-not-running --json -- sleep 60"],
    ),
    example(
        "start",
        "restart it when it fails, with less and less haste",
        &["bgo start web --restart on-failure --backoff 1s --backoff-max 30s -- sleep 60"],
    ),
    example(
        "start",
        "start it and wait until it is ready",
        &["bgo start web --ready-when listening --wait=10s -- sh -c 'echo listening; exec sleep 60'"],
    ),
    example(
        "start",
        "start several, each after what it needs",
        &[
            "bgo start --json --spec '[{\"name\": \"db\", \"command\": [\"sleep\", \"60\"]}, {\"name\": \"web\", \"cmd\": \"sleep 60\", \"after\": [\"db\"]}]'",
        ],
    ),
    example(
        "send",
        "write to the input of a process, and end it",
        &["bgo start --stdin cat -- cat", "bgo send cat hello --enter", "bgo send cat --eof --json"],
    ),
    example(
        "run",
        "run something to its end, supervised, and pass on how it ended",
        &["bgo run --json -- sh -c 'echo built'"],
    ),
    example(
        "wait",
        "wait for the end of a process, and learn how it ended",
        &["bgo start job -- sleep 0.2", "bgo wait job --timeout 10 --json"],
    ),
    example(
        "wait",
        "wait until any of two has ended",
        &["bgo start one -- sleep 0.1", "bgo start two -- sleep 60", "bgo wait one two --any --timeout 10 --json"],
    ),
    example("status", "all processes as JSON, one object each", &["bgo start web -- sleep 60", "bgo status --json"]),
    example(
        "export",
        "describe a process as a unit of systemd",
        &["bgo start web -- sleep 60", "bgo export systemd web", "bgo export systemd web --out-dir units"],
    ),
    example(
        "logs",
        "the last lines of the output",
        &["bgo run --name job -- sh -c 'echo one; echo two'", "bgo logs job -n 1"],
    ),
    example(
        "logs",
        "the lines that match",
        &["bgo run --name job -- sh -c 'echo all is well; echo ERROR 7'", "bgo logs job --grep ERROR"],
    ),
    example(
        "follow",
        "follow the output until the process ends",
        &["bgo start job -- sh -c 'echo one; sleep 0.2; echo two'", "bgo follow job --until-exit"],
    ),
    example("stop", "stop a process and everything it started", &["bgo start web -- sleep 60", "bgo stop web --json"]),
    example("restart", "start it anew", &["bgo start web -- sleep 60", "bgo restart web"]),
    example("watch", "restart it from now on when it dies", &["bgo start web -- sleep 60", "bgo watch web"]),
    example("unwatch", "leave it down from now on when it dies", &["bgo start -w web -- sleep 60", "bgo unwatch web"]),
    example("set", "limit its memory while it runs", &["bgo start web -- sleep 60", "bgo set web --max-rss 500M"]),
    example(
        "signal",
        "have it read its settings again",
        &["bgo start web -- sh -c 'trap : HUP; while :; do sleep 1; done'", "bgo signal web HUP"],
    ),
    example("pause", "hold it, and let it go on", &["bgo start web -- sleep 60", "bgo pause web", "bgo resume web"]),
    example(
        "env",
        "what it was started with, secrets masked",
        &["bgo start web -e TOKEN=abc -- sleep 60", "bgo env web --json"],
    ),
    example("delete", "stop it and forget it, logs included", &["bgo start web -- sleep 60", "bgo delete web --yes"]),
    example("clean", "forget all that has ended", &["bgo run --name job -- true", "bgo clean"]),
    example(
        "start",
        "start it for a while: it ends after that time, or with the process that wants it",
        &["bgo start web --owner agent-7 --ttl 2h --tag demo -- sleep 60", "bgo status --tag demo --json"],
    ),
    example("reap", "end what has outlived its lease", &["bgo start web --ttl 2h -- sleep 60", "bgo reap --json"]),
    example("autostart", "what would be run at login", &["bgo autostart install --print --method cron"]),
    example(
        "autostart",
        "leave one down after a reboot",
        &["bgo start web -- sleep 60", "bgo autostart set web never"],
    ),
    example("resurrect", "after a reboot: bring back what was up", &["bgo resurrect --json"]),
    example(
        "up",
        "start the jobs of a bgo.toml, each after what it needs",
        &[
            "printf '[jobs.db]\\ncmd = \"sleep 60\"\\n[jobs.web]\\ncmd = \"sleep 60\"\\nafter = [\"db\"]\\n' > bgo.toml",
            "bgo check",
            "bgo up --json",
            "bgo down",
        ],
    ),
    example(
        "capabilities",
        "what bgo can do, and all that one command takes",
        &["bgo capabilities", "bgo capabilities start"],
    ),
    example("skill", "teach an agent to use bgo", &["bgo skill show", "bgo skill install claude"]),
    example("schema", "the form of an answer", &["bgo schema list", "bgo schema show status"]),
];

/// Lists what there are examples of, or prints those of a verb.
pub fn run(args: &ExamplesArgs, out: &Output) -> Result<ExitCode> {
    let verb = match (args.what.as_deref(), args.verb.as_deref()) {
        (None | Some("list"), None) => None,
        (Some("show"), Some(verb)) | (Some(verb), None) if verb != "show" => Some(verb),
        _ => return Err(Error::new(ErrorKind::Usage, "examples are of one verb").hint("bgo examples show start")),
    };
    let chosen: Vec<&Example> =
        EXAMPLES.iter().filter(|example| verb.is_none_or(|verb| example.verb == verb)).collect();
    if let (Some(verb), true) = (verb, chosen.is_empty()) {
        let error = Error::new(ErrorKind::Usage, format!("there is no example of \"{verb}\""));
        return Err(match nearest(verb, EXAMPLES.iter().map(|example| example.verb)) {
            Some(near) => error.hint(format!("did you mean {near}? bgo examples list has all")),
            None => error.hint("bgo examples list has all"),
        });
    }
    if out.is_json() {
        out.print(&json::document(&chosen));
        return Ok(ExitCode::Done);
    }
    for example in chosen {
        match verb {
            None => out.say(&format!("{:<16}{}", example.verb, example.about)),
            Some(_) => {
                out.say(&format!("# {}", example.about));
                example.lines.iter().for_each(|line| out.say(line));
                out.say("");
            }
        }
    }
    Ok(ExitCode::Done)
}
