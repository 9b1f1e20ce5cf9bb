//! Many terminals at once over the same names, and accidents at random.
//!
//! Why it exists: promises that hold command by command must also hold in every mixture, for hours. Invariants tested
//! all the time: never two processes of a name; no panic; every exit code is one that the README allows; no command
//! takes long; no record is torn or lost. At the end: no orphan, no stale lock, no leaked file, descriptor or memory.
//!
//! `BGO_SOAK_MINUTES` (default 2) says how long the long version takes, `BGO_SOAK_SEED` repeats what was typed, as far
//! as races allow. A failure tells the seed, the last commands on the name, its record and its watcher log.

pub mod acts;

use super::env::{Outcome, Process, TestEnv, descriptors, wait_until};
use super::race::{Over, never_two};
use acts::{Act, CALM, DERIVED, Dice, NAMES, any_act};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How many type at the same time.
const TERMINALS: u64 = 4;
/// No command may take longer, whatever happens around it.
const BOUND: Duration = Duration::from_secs(15);
/// How many of the last events on a name a failure tells.
const TOLD: usize = 40;
/// What a sidecar may grow by, in KiB: pages of its heap that it had not touched before.
const GROWTH: u64 = 64;

#[test]
fn soak_for_ten_seconds_finds_everything_in_order() {
    soak(Duration::from_secs(10));
}

/// `BGO_SOAK_MINUTES=30 cargo test --test cli -- --ignored --nocapture soak`
#[test]
#[ignore = "takes minutes"]
fn soak_for_minutes_finds_everything_in_order() {
    let minutes = std::env::var("BGO_SOAK_MINUTES").map_or(2.0, |text| text.parse().expect("minutes, as 2 or 0.5"));
    soak(Duration::from_secs_f64(minutes * 60.0));
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Track {
    /// How many commands that may remove its record have begun, and how many of them have not ended.
    removals: u64,
    removing: u64,
    /// It was registered when so many removals had begun.
    registered: Option<u64>,
    events: VecDeque<String>,
}

/// One soak.
#[derive(Debug)]
struct Soak {
    env: TestEnv,
    seed: u64,
    begun: Instant,
    tracks: Mutex<BTreeMap<String, Track>>,
    /// How often what was done or said.
    counts: Mutex<BTreeMap<String, u64>>,
    /// The command that took longest.
    slowest: Mutex<(Duration, String)>,
    over: AtomicBool,
}

/// Tells what is known of `names` if the test fails while it lives.
struct Witness<'a>(&'a Soak, Vec<String>);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.testify(&self.1);
        }
    }
}

fn soak(length: Duration) {
    let seed = std::env::var("BGO_SOAK_SEED").map_or_else(|_| fresh_seed(), |text| text.parse().expect("a number"));
    let soak = Soak {
        env: TestEnv::new(),
        seed,
        begun: Instant::now(),
        tracks: Mutex::default(),
        counts: Mutex::default(),
        slowest: Mutex::default(),
        over: AtomicBool::new(false),
    };
    println!("soak: BGO_SOAK_SEED={seed} for {length:?}");
    super::env::executable(&soak.env.work().join("no-program"), "\u{7f}ELF");
    soak.start_calm();
    let mut calm = Vec::new();
    let everyone = NAMES.iter().chain(&DERIVED).map(|&name| name.to_owned()).collect();
    let seen = {
        let _witness = Witness(&soak, everyone);
        never_two(&soak.env, &soak.over, || {
            thread::scope(|scope| {
                let until = Instant::now() + length;
                let soak = &soak;
                for terminal in 0..TERMINALS {
                    scope.spawn(move || soak.terminal(terminal, until));
                }
                scope.spawn(move || soak.accidents(until));
                soak.rest(length / 4);
                calm = CALM.map(|name| Size::of(&soak.env, name)).into();
            });
        })
    };
    soak.look_after(seen, &calm);
}

fn fresh_seed() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64
}

// ---------------------------------------------------------------------------------------------- while it runs

impl Soak {
    fn start_calm(&self) {
        let health: &[&str] = &["-w", "--health-cmd", "true", "--health-interval", "200ms", "--health-threshold", "9"];
        let memory: &[&str] =
            &["--max-rss", "500M", "--interval", "200ms", "--ready-when", "never", "--ready-timeout", "0"];
        for (name, flags) in CALM.into_iter().zip([health, memory]) {
            self.env.start_with(flags, name, &["sleep", "1000000"]);
        }
    }

    /// Types one command after the other.
    fn terminal(&self, number: u64, until: Instant) {
        let _over = Over(&self.over);
        let mut dice = Dice::new(self.seed, number);
        while Instant::now() < until && !self.is_over() {
            let act = any_act(&mut dice);
            // One in twenty is killed, most likely in the middle of its work; one that runs on is ended as it is meant.
            let killed = dice.once_in(20).then(|| Duration::from_micros(dice.below(20_000)));
            self.perform(number, act, killed);
        }
    }

    fn perform(&self, terminal: u64, act: Act, killed: Option<Duration>) {
        let _witness = Witness(self, act.about.clone());
        let before = self.begin(&act);
        let running = self.env.cmd(&act.args).spawn();
        let ended_by = match (killed, act.interrupted) {
            (Some(after), _) => Some((Signal::SIGKILL, after)),
            (None, Some((signal, millis))) => Some((signal, Duration::from_millis(millis))),
            (None, None) => None,
        };
        if let Some((signal, after)) = ended_by {
            self.rest(after);
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(running.pid.cast_signed()), signal);
        }
        let outcome = running.finish();
        let how = killed.map_or_else(String::new, |after| format!(", killed after {after:?}"));
        let took = outcome.took;
        let said = outcome.stderr.lines().next().unwrap_or_default();
        self.tell(&act.about, &format!("[{terminal}] {} -> {} in {took:?}{how} {said}", outcome.line, outcome.code));
        self.judge(&act, &outcome, killed.is_some());
        self.end(&act, before, outcome.code == 0);
    }

    /// Whether the outcome is one that may be.
    fn judge(&self, act: &Act, outcome: &Outcome, killed: bool) {
        let Outcome { line, code, stdout, stderr, took, .. } = outcome;
        self.count(&format!("bgo {}", act.verb()));
        let mut slowest = self.slowest.lock().unwrap();
        if *took > slowest.0 {
            *slowest = (*took, line.clone());
        }
        drop(slowest);
        if killed && *code == 137 {
            self.count("killed: bgo");
            return;
        }
        let said = stderr.lines().next().unwrap_or_default();
        if !said.is_empty() {
            self.count(&format!("  {}", general(said)));
        }
        let fine = act.codes.is_none_or(|codes| codes.contains(code));
        assert!(fine, "`{line}` ended with {code}\nstdout: {stdout}\nstderr: {stderr}");
        assert!(!stderr.contains("panicked at") && !stderr.contains("corrupt"), "`{line}`: {stderr}");
        assert!(*took < BOUND, "`{line}` took {took:?}\nstdout: {stdout}\nstderr: {stderr}");
        if act.args.iter().any(|arg| arg == "--json") && *code == 0 {
            let rows = outcome.json();
            let rows = rows.as_array().cloned().unwrap_or_else(|| vec![rows]);
            assert!(rows.iter().all(|row| row["state"] != "corrupt"), "`{line}`: {stdout}");
        }
    }

    /// Notes that `act` begins; how many removals had begun before, for each name, if none is under way.
    fn begin(&self, act: &Act) -> Vec<Option<u64>> {
        let mut tracks = self.tracks();
        if act.removes {
            for name in concerned(act) {
                let track = tracks.entry(name).or_default();
                track.removals += 1;
                track.removing += 1;
            }
        }
        let mut before = |name| {
            let track = tracks.entry(name).or_default();
            (track.removing == 0).then_some(track.removals)
        };
        act.about.iter().cloned().map(&mut before).collect()
    }

    /// Notes that it has ended. A record that it proves, and nobody removes, is there.
    fn end(&self, act: &Act, before: Vec<Option<u64>>, succeeded: bool) {
        let mut tracks = self.tracks();
        if act.removes {
            concerned(act).for_each(|name| tracks.entry(name).or_default().removing -= 1);
        }
        for (name, before) in act.about.iter().zip(before).filter(|_| succeeded && act.proves) {
            let track = tracks.entry(name.clone()).or_default();
            if before == Some(track.removals) && NAMES.contains(&name.as_str()) {
                track.registered = before;
                assert!(self.env.record_path(name).exists(), "the record of {name} is lost");
            }
        }
    }

    /// Kills and holds sidecars and processes at random.
    fn accidents(&self, until: Instant) {
        let _over = Over(&self.over);
        let mut dice = Dice::new(self.seed, TERMINALS);
        while Instant::now() < until && !self.is_over() {
            self.rest(Duration::from_millis(5 + dice.below(80)));
            let hits_sidecar = dice.once_in(2);
            let all = self.env.processes().into_iter().filter(|p| p.is_sidecar == hits_sidecar);
            let named = all.filter_map(|p| Some((p.pid, owner(&p)?)));
            let victims: Vec<(u32, String)> = named.filter(|(_, name)| !CALM.contains(&name.as_str())).collect();
            if victims.is_empty() {
                continue;
            }
            let (pid, name) = dice.pick(&victims);
            let (what, victim) = (if hits_sidecar { "sidecar" } else { "process" }, Pid::from_raw(pid.cast_signed()));
            let about = [name.clone()];
            if hits_sidecar && dice.once_in(3) {
                let _ = kill(victim, Signal::SIGSTOP);
                self.tell(&about, &format!("held: {what} {pid}"));
                self.rest(Duration::from_millis(dice.below(300)));
                let _ = kill(victim, Signal::SIGCONT);
                self.count("held: sidecar");
            } else {
                let signals = [Signal::SIGKILL, Signal::SIGKILL, Signal::SIGTERM, Signal::SIGSEGV];
                let signal = if hits_sidecar { Signal::SIGKILL } else { *dice.pick(&signals) };
                self.tell(&about, &format!("{signal}: {what} {pid}"));
                let _ = kill(victim, signal);
                self.count(&format!("killed: {what}"));
            }
        }
    }

    /// Waits, unless it is over.
    fn rest(&self, length: Duration) {
        let until = Instant::now() + length;
        while let left @ 1.. = until.saturating_duration_since(Instant::now()).as_micros() {
            if self.is_over() {
                return;
            }
            thread::park_timeout(Duration::from_micros(left as u64).min(Duration::from_millis(100)));
        }
    }

    fn is_over(&self) -> bool {
        // Whoever is through with its time says so as well, and then it is over for all.
        self.over.load(Ordering::Relaxed)
    }

    fn tracks(&self) -> MutexGuard<'_, BTreeMap<String, Track>> {
        // One who failed while it held the lock changes nothing for the others.
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, what: &str) {
        *self.counts.lock().unwrap().entry(what.to_owned()).or_default() += 1;
    }

    fn tell(&self, about: &[String], event: &str) {
        let mut tracks = self.tracks();
        for name in about {
            let events = &mut tracks.entry(name.clone()).or_default().events;
            events.push_back(format!("{:9.3} {event}", self.begun.elapsed().as_secs_f64()));
            if events.len() > TOLD {
                events.pop_front();
            }
        }
    }

    /// Prints all that is known of `names`.
    fn testify(&self, names: &[String]) {
        self.over.store(true, Ordering::Relaxed);
        eprintln!("---- soak failed; BGO_SOAK_SEED={}", self.seed);
        let tracks = self.tracks();
        for name in names {
            eprintln!("---- {name}");
            if let Some(track) = tracks.get(name) {
                track.events.iter().for_each(|event| eprintln!("{event}"));
            }
            eprintln!("record: {}", fs::read_to_string(self.env.record_path(name)).unwrap_or_default());
            let log = self.env.log(name, "watcher");
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(TOLD)..].iter().for_each(|line| eprintln!("{line}"));
        }
        eprintln!("---- processes");
        self.env.processes().iter().for_each(|process| eprintln!("{process:?}"));
    }
}

/// The names whose records may go by an act.
fn concerned(act: &Act) -> impl Iterator<Item = String> {
    let all: Vec<String> = if act.about.is_empty() { NAMES.map(str::to_owned).into() } else { act.about.clone() };
    all.into_iter()
}

/// A message without names and numbers, to be counted.
fn general(message: &str) -> String {
    let text = NAMES
        .iter()
        .chain(&DERIVED)
        .fold(message.to_owned(), |text, name| text.replace(&format!("\"{name}\""), "NAME"));
    let mut general = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if general.ends_with('#') => {}
            '0'..='9' => general.push('#'),
            c => general.push(c),
        }
    }
    general
}

/// Whether bgo has started it for a run, or one of that run did.
fn is_of_a_run(pid: u32) -> bool {
    let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environ.split(|&b| b == 0).any(|v| v.starts_with(b"BGO_RUN_ID="))
}

/// The name that a sidecar or a managed process belongs to; none: a command.
fn owner(process: &Process) -> Option<String> {
    let (file, is_sidecar) = (if process.is_sidecar { "cmdline" } else { "environ" }, process.is_sidecar);
    let text = fs::read(format!("/proc/{}/{file}", process.pid)).ok()?;
    let mut words = text.split(|&b| b == 0);
    let name = if is_sidecar { words.nth(2) } else { words.find_map(|v| v.strip_prefix(b"BGO_NAME=")) };
    name.map(|name| String::from_utf8_lossy(name).into_owned())
}

// ---------------------------------------------------------------------------------------------- at the end

/// What a sidecar uses.
#[derive(Debug)]
struct Size {
    pid: u32,
    descriptors: usize,
    private_kib: u64,
}

impl Size {
    fn of(env: &TestEnv, name: &str) -> Size {
        let pid = env.sidecar(name);
        let smaps = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        // Not what is clean: a page of the binary is private as long as no other bgo happens to have it.
        let line = smaps.lines().find(|line| line.starts_with("Private_Dirty:")).unwrap();
        let private_kib = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        Size { pid, descriptors: descriptors(pid).len(), private_kib }
    }
}

impl Soak {
    /// Everything is in order, and can be taken down to nothing.
    fn look_after(&self, seen: usize, calm: &[Size]) {
        let everyone: Vec<String> = NAMES.iter().chain(&DERIVED).chain(&CALM).map(|&name| name.to_owned()).collect();
        let witness = Witness(self, everyone);
        let env = &self.env;
        for (name, before) in CALM.into_iter().zip(calm) {
            let size = || Size::of(env, name);
            assert_eq!(size().pid, before.pid, "the sidecar of {name} is another one");
            // A check that is under way has descriptors and memory of its own.
            wait_until(&format!("{name} to be no larger than {before:?}; it is {:?}", size()), || {
                let now = size();
                now.descriptors <= before.descriptors && now.private_kib <= before.private_kib + GROWTH
            });
            println!("soak: {name} before {before:?}, after {:?}", size());
        }
        for (name, track) in &*self.tracks() {
            let expected = track.registered == Some(track.removals) && NAMES.contains(&name.as_str());
            assert!(!expected || env.record_path(name).exists(), "the record of {name} is lost");
        }
        let names = env.names();
        names.iter().for_each(|name| _ = env.record(name));
        let logs: Vec<String> = names.iter().map(|name| env.log(name, "watcher")).collect();
        let restarts: usize = logs.iter().map(|log| log.matches("watch restart").count()).sum();
        assert!(logs.iter().all(|log| !log.contains("panicked")), "a sidecar panicked");
        self.report(seen, restarts);

        let resurrected = env.bgo(&["resurrect"]);
        assert!([0, 1].contains(&resurrected.code), "{resurrected:?}");
        env.bgo(&["stop", "--all"]).ok();
        // A hook may still run: it has no run id, because it belongs to no run.
        let left: Vec<Process> = env.processes().into_iter().filter(|p| !p.is_sidecar && is_of_a_run(p.pid)).collect();
        assert_eq!(left, [], "left by stop");
        wait_until("hooks and sidecars to end", || env.processes().is_empty());
        for lock in env.entries("run").iter().filter(|f| f.ends_with(".alive") || f.ends_with(".write")) {
            let file = File::open(env.state().join("run").join(lock)).unwrap();
            assert!(file.try_lock().is_ok(), "{lock} is held");
        }
        for name in env.names() {
            env.bgo(&["delete", &name]).ok();
        }
        env.bgo(&["clean"]).ok();
        let left = ["procs", "run", "logs"].map(|folder| env.entries(folder));
        assert_eq!(left, [[""; 0]; 3], "files are left");
        drop(witness);
    }

    fn report(&self, seen: usize, restarts: usize) {
        let counts = self.counts.lock().unwrap();
        let sum =
            |prefix: &str| counts.iter().filter(|(what, _)| what.starts_with(prefix)).map(|(_, n)| n).sum::<u64>();
        println!(
            "soak: {:.0} s, {} commands, {} kills, {} holds, {seen} processes seen, {restarts} restarts in the logs left",
            self.begun.elapsed().as_secs_f64(),
            sum("bgo "),
            sum("killed: "),
            sum("held: "),
        );
        println!("soak: the slowest: {:?}", self.slowest.lock().unwrap());
        counts.iter().for_each(|(what, times)| println!("{times:8} {what}"));
    }
}
