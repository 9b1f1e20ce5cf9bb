//! What a terminal of the soak test types: command lines put together at random from lists.
//!
//! Why it exists: the lists say what is covered, and a new flag is covered by a line in one of them. Invariant: every
//! act knows the exit codes that the README allows it, and ends by itself or is ended by a signal it names.

use nix::sys::signal::Signal;

/// A generator of random numbers (xorshift64*): the same seed, the same numbers.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// The generator number `stream` of `seed`.
    pub fn new(seed: u64, stream: u64) -> Dice {
        // Seeds differ by little, and zero is for ever zero.
        let mixed = (seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mut dice = Dice(mixed ^ (mixed >> 31) | 1);
        dice.below(2);
        dice
    }

    /// A number below `sides`.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[usize::try_from(self.below(choices.len() as u64)).unwrap()]
    }
}

/// The names that the terminals quarrel about: simple, with a space, of another script, like a file.
pub const NAMES: [&str; 12] =
    ["a", "b", "web", "api.v2", "job@1", "a b", "日本", "x+y", "web.json", "w-1", "nai\u{308}ve", "zz"];
/// Names that commands without one get.
pub const DERIVED: [&str; 2] = ["sleep", "sh"];
/// Names that are never stopped or deleted; their sidecars must not grow.
pub const CALM: [&str; 2] = ["calm-health", "calm-memory"];

/// What is managed. Whatever makes a session of its own and is not the process itself is marked, so that it is not taken
/// for a second one.
const BODIES: &[&str] = &[
    "exec sleep 1000",
    "exit 0",
    "exit 3",
    "sleep 0.3; exit 7",
    "sleep 0.05; kill -SEGV $$",
    "sleep 1001 & sleep 1002 & wait",
    "sleep 1003 & exit 0",
    "sleep 0.2 & exit 4",
    "BGO_TEST_DESCENDANT=1 setsid sleep 1004 & exec sleep 1005",
    "(BGO_TEST_DESCENDANT=1 setsid sh -c 'sleep 1006 & sleep 1007' &); exit 5",
    "i=0; while [ $i -lt 3000 ]; do echo line $i; echo other $i >&2; i=$((i+1)); done; exec sleep 1008",
    "trap '' TERM INT; while :; do sleep 0.1; done",
    "trap 'sleep 0.1; exit 0' TERM; while :; do sleep 0.05; done",
    "echo listening; sleep 1009",
    "sleep 0.1; echo listening; sleep 0.5; exit 1",
];

/// Restart policies.
const POLICIES: &[&[&str]] = &[
    &[],
    &[],
    &["-w"],
    &["-w", "--min-uptime", "0"],
    &["-w", "--on-fast-crash", "stop"],
    &["-w", "--on-fast-crash", "retry", "--backoff", "20ms", "--backoff-max", "100ms"],
    &["--restart", "on-failure", "--backoff", "50ms", "--backoff-max", "200ms", "--backoff-jitter", "50%"],
    &["--restart", "always", "--restart-limit", "10/2s", "--min-uptime", "0"],
    &["--restart", "on-failure", "--success-exit", "0,3,143", "--backoff", "10ms"],
    &["--restart-every", "400ms"],
];

/// Other settings; each goes with each policy.
const SETTINGS: &[&[&str]] = &[
    &[],
    &[],
    &[],
    &["--max-runtime", "500ms"],
    &["--max-rss", "3M", "--interval", "100ms"],
    &["--health-cmd", "true", "--health-interval", "100ms"],
    &["--health-cmd", "exit 1", "--health-interval", "80ms", "--health-threshold", "2"],
    &["--ready-when", "listening", "--ready-timeout", "400ms"],
    &["--ready-when-notify", "--ready-timeout", "300ms"],
    &["--ready-when-cmd", "true", "--on-ready", "true"],
    &["--ready-when-file", "none", "--ready-timeout", "100ms", "--on-ready-timeout", "keep"],
    &["--watchdog", "400ms"],
    &["--on-exit", "true", "--on-errored", "true"],
    &["--on-exit", "sleep 0.2"],
    &["--nice", "5", "--umask", "027", "--limit-nofile", "256"],
    &["--stop-signal", "INT"],
];

/// What becomes of the logs; each goes with each policy and setting.
const LOGGING: &[&[&str]] = &[
    &[],
    &["--log-max-size", "4K", "--log-keep", "2"],
    &["--log-max-size", "16K", "--log-keep", "3", "--log-compress"],
    &["--log-max-size", "4K", "--log-keep", "0", "--merge-logs"],
];

/// What `set` is asked for, on whatever it meets.
const CHANGES: &[&[&str]] = &[
    &["--max-runtime", "1h"],
    &["--unset", "max-runtime"],
    &["--max-rss", "1G"],
    &["--unset", "max-rss"],
    &["--restart", "always", "--min-uptime", "0"],
    &["--restart", "no"],
    &["--health-cmd", "true", "--health-interval", "200ms"],
    &["--unset", "health-cmd"],
    &["--stop-timeout", "100ms"],
    &["--unset", "on-exit"],
    &["--log-max-size", "8K", "--log-compress"],
    &["--unset", "log-max-size", "--unset", "log-compress"],
];

/// Something to be typed.
#[derive(Debug)]
pub struct Act {
    pub args: Vec<String>,
    /// The names it is about; none: all of them.
    pub about: Vec<String>,
    /// Whether records may go by it.
    pub removes: bool,
    /// Whether the names it is about are registered, if it succeeds.
    pub proves: bool,
    /// Its exit codes; none: that of any process.
    pub codes: Option<&'static [i32]>,
    /// It is meant to be ended by this, after so many milliseconds.
    pub interrupted: Option<(Signal, u64)>,
}

impl Act {
    /// What it does, for the statistics.
    pub fn verb(&self) -> &str {
        match self.args[0].as_str() {
            word if ["start", "-w"].contains(&word) || self.args.iter().any(|arg| arg == "--settle") => "start",
            word => word,
        }
    }
}

/// Puts an act together.
fn act(args: &[&[&str]], about: &[&str], codes: &'static [i32]) -> Act {
    let own = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    let proves = !about.is_empty();
    Act { args: own(&args.concat()), about: own(about), removes: false, proves, codes: Some(codes), interrupted: None }
}

/// The next command of a terminal.
pub fn any_act(dice: &mut Dice) -> Act {
    let name = *dice.pick(&NAMES);
    let other = *dice.pick(&NAMES);
    let named = if dice.once_in(8) { *dice.pick(&DERIVED) } else { name };
    match dice.below(100) {
        0..20 => start(dice, name),
        20..24 => short_start(dice, name),
        24..34 => stop(dice, named, other),
        34..42 => restart(dice, named, other),
        42..46 => act(
            &[&["watch", named], *dice.pick(&[&[][..], &["--min-uptime", "0"], &["--reset"]])],
            &[named],
            &[0, 1, 3],
        ),
        46..50 => act(&[&["unwatch", named]], &[named], &[0, 1, 3]),
        50..55 => act(&[&["set", named], *dice.pick(CHANGES)], &[named], &[0, 1, 2, 3]),
        55..57 => act(&[&["set", *dice.pick(&CALM), "--max-runtime", *dice.pick(&["1h", "2h"])]], &[], &[0]),
        57..59 => act(&[&["pause", named]], &[named], &[0, 1, 3]),
        59..62 => act(&[&["resume", named]], &[named], &[0, 1, 3]),
        62..66 => {
            let signal = *dice.pick(&["HUP", "USR1", "KILL", "CONT", "INT"]);
            let all: &[&str] = if dice.once_in(3) { &["--all"] } else { &[] };
            act(&[&["signal", named, signal], all], &[named], &[0, 1, 3])
        }
        66..71 => Act { removes: true, proves: false, ..act(&[&["delete", "--yes", named]], &[named], &[0, 1, 3]) },
        71 => Act { removes: true, ..act(&[&["clean"]], &[], &[0, 1]) },
        72..78 => act(&[&["status", "--json"]], &[], &[0]),
        78..80 => act(&[&["status", *dice.pick(&CALM), "--json"]], &[], &[0]),
        80..82 => Act { proves: false, ..act(&[&["status", name, "--json"]], &[name], &[0, 1]) },
        82..86 => logs(dice, named),
        86..91 => wait(dice, named),
        91..93 => act(&[&["resurrect"]], &[], &[0, 1]),
        93..97 => run(dice, name),
        97 => act(&[&["restart-stopped", named]], &[named], &[0, 1, 3]),
        98 => act(&[&["restart-last", "--all"]], &[], &[0, 1]),
        _ => Act { proves: false, ..act(&[&["status", name, "--plain"]], &[name], &[0, 3]) },
    }
}

fn start(dice: &mut Dice, name: &str) -> Act {
    let verb: &[&str] = if dice.once_in(4) { &[] } else { &["start"] };
    let present = *dice.pick(&[&[][..], &[], &["--if-not-running"], &["--force"], &["--force"]]);
    // One of the two, so that a direct form has one to be told by.
    let patience = *dice.pick(&[&["--settle", "0"][..], &["--settle", "30ms"], &["--settle", "100ms"]]);
    let (patience, codes): (&[&str], &[i32]) =
        if dice.once_in(8) && !verb.is_empty() { (&["--wait=700ms"], &[0, 1, 124]) } else { (patience, &[0, 1]) };
    let timeout = *dice.pick(&["100ms", "300ms", "1s"]);
    let (policy, settings, logging) = (*dice.pick(POLICIES), *dice.pick(SETTINGS), *dice.pick(LOGGING));
    let flags = [patience, present, &["--stop-timeout", timeout], policy, settings, logging].concat();
    if dice.once_in(25) {
        // The kernel executes no such file: the command cannot be started, and a new name is given up again.
        let args: &[&[&str]] = &[verb, &flags, &[name, "--", "./no-program"]];
        return Act { removes: true, ..act(args, &[name], codes) };
    }
    act(&[verb, &flags, &[name, "--", "sh", "-c", *dice.pick(BODIES)]], &[name], codes)
}

fn short_start(dice: &mut Dice, name: &str) -> Act {
    match dice.below(3) {
        0 => act(&[&["--settle", "0", "sleep", "1000"]], &["sleep"], &[0, 1]),
        1 => act(&[&["-w", "--settle", "0", name, "sleep", "1000"]], &[name], &[0, 1]),
        _ => act(&[&["start", "--settle", "0", name, "--", "sleep", "1000"]], &[name], &[0, 1]),
    }
}

fn stop(dice: &mut Dice, name: &str, other: &str) -> Act {
    let how = *dice.pick(&[&[][..], &[], &["--force"], &["--timeout", "50ms"], &["--signal", "INT", "--timeout", "0"]]);
    if dice.once_in(5) {
        return Act { proves: false, ..act(&[&["stop"], how, &[name, other]], &[name, other], &[0, 1, 2, 3]) };
    }
    act(&[&["stop"], how, &[name]], &[name], &[0, 1, 3])
}

fn restart(dice: &mut Dice, name: &str, other: &str) -> Act {
    let how = *dice.pick(&[&[][..], &[], &[], &["--reset-counters"], &["--update-env"]]);
    if dice.once_in(5) {
        return Act { proves: false, ..act(&[&["restart"], how, &[name, other]], &[name, other], &[0, 1, 2, 3]) };
    }
    act(&[&["restart"], how, &[name]], &[name], &[0, 1, 3])
}

fn logs(dice: &mut Dice, name: &str) -> Act {
    let about = Act { proves: false, ..act(&[&["logs", name, "-n", "5"]], &[name], &[0, 3]) };
    match dice.below(4) {
        0 => Act { args: [about.args, vec!["--watcher".into()]].concat(), ..about },
        2 => Act { proves: false, ..act(&[&["logs", name, "--all", "--grep", "e"]], &[name], &[0, 1, 3]) },
        1 => {
            // It ends with 0 when the process is deleted meanwhile.
            let follow = act(&[&["follow", name]], &[name], &[0, 3, 130]);
            Act { proves: false, interrupted: Some((Signal::SIGINT, 50 + dice.below(400))), ..follow }
        }
        _ => about,
    }
}

fn wait(dice: &mut Dice, name: &str) -> Act {
    let goal = *dice.pick(&["ready", "exit", "stopped"]);
    let timeout = *dice.pick(&["0", "50ms", "300ms", "1s"]);
    let wait = act(&[&["wait", name, "--for", goal, "--timeout", timeout]], &[name], &[]);
    Act { proves: false, codes: None, ..wait }
}

fn run(dice: &mut Dice, name: &str) -> Act {
    let named: &[&str] = if dice.once_in(2) { &["--name", name] } else { &[] };
    let about: &[&str] = if named.is_empty() { &["sh"] } else { &[name] };
    let body = *dice.pick(&["echo working; exit 4", "sleep 0.2; echo done", "echo on; exec sleep 1000"]);
    let run = act(&[&["run", "--stop-timeout", "300ms"], named, &["--", "sh", "-c", body]], about, &[]);
    let end = *dice.pick(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    Act { proves: false, codes: None, interrupted: Some((end, 100 + dice.below(600))), ..run }
}
