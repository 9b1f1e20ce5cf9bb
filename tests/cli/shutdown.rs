//! The session or the machine goes down, as session managers do it, and `resurrect` follows.
//!
//! Why it exists: who goes when, and by which signal, is different on every machine and at every time. Invariants: exactly
//! what was up is up again, each once and as one run; what was not stays down; a second `resurrect` changes nothing. The
//! orders are random, and their seed is told when a test fails.

use crate::env::{Process, TestEnv, alive, wait_until};
use crate::soak::acts::Dice;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command};

/// What was up, and how it ends: asked politely, it takes its leave with 0.
const POLITE: &str = "trap 'exit 0' TERM HUP; echo ready; while :; do sleep 0.05; done";
const STUBBORN: &str = "trap '' TERM HUP; echo ready; while :; do sleep 0.05; done";
const ENDLESS: [&str; 2] = ["sleep", "1000"];

/// Some of everything.
struct Home {
    env: TestEnv,
    /// What is up.
    up: BTreeSet<&'static str>,
    dice: Dice,
    seed: u64,
}

impl Home {
    /// `mannerly`: also such that end with 0 when they are asked to, of which only a sidecar that is asked, too, can tell
    /// that they did not end by themselves.
    fn new(seed: u64, mannerly: bool) -> Home {
        let env = TestEnv::new();
        let mut up = BTreeSet::new();
        // First: their sidecars stay for a moment.
        for (name, flags, code) in
            [("done", &[][..], "0"), ("failed", &[], "3"), ("errored", &["-w", "--on-fast-crash", "stop"], "1")]
        {
            let command = format!("exit {code}");
            env.bgo(&[&["start", "--settle", "0"], flags, &[name, "--", "sh", "-c", &command]].concat()).ok();
        }
        let mut start = |name: &'static str, flags: &[&str], command: &[&str]| {
            env.bgo(&[&["start", "--settle", "0"], flags, &[name, "--"], command].concat()).ok();
            up.insert(name);
        };
        start("plain", &[], &ENDLESS);
        start("watched", &["-w", "--min-uptime", "0"], &ENDLESS);
        start("stubborn", &[], &["sh", "-c", STUBBORN]);
        start("stubborn-watched", &["-w", "--min-uptime", "0"], &["sh", "-c", STUBBORN]);
        start("polite-watched", &["-w", "--min-uptime", "0"], &["sh", "-c", POLITE]);
        if mannerly {
            start("polite", &[], &["sh", "-c", POLITE]);
        }
        start("paused", &[], &ENDLESS);
        start("unready", &["--ready-when", "never", "--ready-timeout", "1h"], &ENDLESS);
        start("detached", &[], &["sh", "-c", "sleep 1000 & exit 0"]);
        start("dependent", &["--after", "plain"], &ENDLESS);
        start("fed", &["--stdin"], &["cat"]);
        start("leased", &["--ttl", "1h"], &ENDLESS);
        start("backoff", &["-w", "--backoff", "1h", "--backoff-max", "1h"], &["sh", "-c", "exit 1"]);
        env.start("stopped", &ENDLESS);
        env.bgo(&["stop", "stopped"]).ok();
        env.bgo(&["pause", "paused"]).ok();
        for name in ["stubborn", "stubborn-watched", "polite-watched", "polite"] {
            wait_until("its traps to be set", || !up.contains(name) || env.log(name, "out").contains("ready"));
        }
        for (name, state) in [
            ("done", "exited"),
            ("failed", "exited"),
            ("errored", "errored"),
            ("backoff", "backoff"),
            ("detached", "detached"),
        ] {
            wait_until("its state", || env.record(name)["state"] == state);
        }
        // Their sidecars have nothing to say any more.
        wait_until("the sidecars of what has ended to be gone", || {
            env.processes().iter().filter(|p| is_sidecar(p)).count() == up.len()
        });
        Home { env, up, dice: Dice::new(seed, 0), seed }
    }

    /// All that runs and `is_meant`, in a random order.
    fn shuffled(&mut self, is_meant: impl Fn(&Process) -> bool) -> Vec<u32> {
        let mut pids: Vec<u32> = self.env.processes().into_iter().filter(is_meant).map(|p| p.pid).collect();
        for at in (1..pids.len()).rev() {
            pids.swap(at, usize::try_from(self.dice.below(at as u64 + 1)).unwrap());
        }
        pids
    }

    /// One signal to all that `is_meant`.
    fn send(&mut self, signal: Signal, is_meant: impl Fn(&Process) -> bool) {
        for pid in self.shuffled(is_meant) {
            let _ = kill(Pid::from_raw(pid.cast_signed()), signal); // It may have gone with another.
        }
    }

    /// SIGKILL to all that is left, until nothing is.
    fn kill_all(&mut self) {
        wait_until("all to be gone", || {
            self.send(Signal::SIGKILL, |_| true);
            self.env.processes().is_empty()
        });
    }

    /// Another boot: what the records say of the one before is of another now, and their pids are those of a stranger.
    fn reboot(&self, stranger: u32) {
        for name in self.env.names() {
            self.env.edit_record(&name, |record| {
                for place in ["/identity", "/sidecar", "/lease", "/lease/until", ""] {
                    if let Some(id) = record.pointer_mut(&format!("{place}/boot_id")).filter(|id| id.is_string()) {
                        *id = "the boot before".into();
                    }
                }
                for place in ["/pid", "/pgid", "/sidecar/pid"] {
                    if let Some(pid) = record.pointer_mut(place).filter(|pid| pid.is_u64()) {
                        *pid = stranger.into();
                    }
                }
            });
        }
    }

    /// `resurrect`, and what must hold after it; once more, after which the same must hold.
    fn assert_resurrected(&self) {
        let first = self.env.bgo(&["resurrect", "-v"]).ok();
        let told = format!("seed {}: {}", self.seed, first.stdout);
        let settled = || {
            let record = self.env.record("backoff");
            record["state"] == "backoff" && !self.env.processes().iter().any(|p| p.command.contains("1000 & exit"))
        };
        wait_until("what crashes to have crashed", settled);
        let runs = self.runs();
        let names: BTreeSet<&str> = runs.keys().map(String::as_str).collect();
        let mut expected = self.up.clone();
        expected.remove("backoff");
        assert_eq!(names, expected, "{told}");
        for (name, ids) in &runs {
            let run: Vec<String> = ids.keys().cloned().collect();
            let record = self.env.record(name);
            assert_eq!(run, [record["run_id"].as_str().unwrap()], "runs of {name}; {told}");
            assert_eq!(ids.values().flatten().count(), 1, "trees of {name}; {told}");
            assert_eq!(record["want"], "up", "{name}; {told}");
        }
        // Those of what had ended before stay for a moment.
        wait_until("each to have one sidecar, and no others to be left", || self.sidecars().iter().eq(&self.up));
        self.env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
        assert_eq!(self.runs(), runs, "after another resurrect");
        for (name, state) in [("stopped", "stopped"), ("done", "exited"), ("failed", "exited"), ("errored", "errored")]
        {
            assert_eq!(self.env.row(name)["state"], state, "{told}");
        }
    }

    /// Whose sidecars run, in order of name.
    fn sidecars(&self) -> Vec<String> {
        let sidecars = self.env.processes().into_iter().filter(is_sidecar);
        let of =
            |it: Process| it.command.split(' ').skip_while(|word| *word != "__sidecar__").nth(1).map(str::to_owned);
        let mut names: Vec<String> = sidecars.filter_map(of).collect();
        names.sort();
        names
    }

    /// All that runs, sidecars aside: by name, by run.
    fn runs(&self) -> BTreeMap<String, BTreeMap<String, BTreeSet<u32>>> {
        let mut runs: BTreeMap<String, BTreeMap<String, BTreeSet<u32>>> = BTreeMap::new();
        for process in self.env.processes().iter().filter(|p| !p.is_sidecar) {
            let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            let value = |key: &str| environment.split('\0').find_map(|pair| pair.strip_prefix(key)).map(str::to_owned);
            let (Some(name), Some(run)) = (value("BGO_NAME="), value("BGO_RUN_ID=")) else { continue };
            // The loops of the scripts come and go.
            let leads = crate::env::stat(process.pid).get(3) == Some(&process.pid.to_string());
            if leads || name == "detached" {
                runs.entry(name).or_default().entry(run).or_default().insert(process.pid);
            }
        }
        runs
    }
}

/// Whether it supervises a process: what keeps the input of one is called after a sidecar, too.
fn is_sidecar(process: &Process) -> bool {
    process.is_sidecar && process.command.contains(" __sidecar__ ")
}

/// A process of somebody else.
struct Stranger(Child);

impl Stranger {
    fn new() -> Stranger {
        Stranger(Command::new("sleep").arg("1000").spawn().unwrap())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn after_sigterm_to_all_and_sigkill_to_the_rest_exactly_what_was_up_is_up() {
    for seed in 0..2 {
        let mut home = Home::new(seed, true);
        let heed = ["plain", "polite", "leased"];
        let pids: Vec<u32> = heed.iter().flat_map(|name| [home.env.pid(name), home.env.sidecar(name)]).collect();
        home.send(Signal::SIGTERM, |_| true);
        wait_until("those who heed it to be gone", || !pids.iter().any(|pid| alive(*pid)));
        home.kill_all();
        let stranger = Stranger::new();
        if seed == 1 {
            home.reboot(stranger.0.id());
        }
        home.assert_resurrected();
        assert!(alive(stranger.0.id()), "it is nobody's to end");
    }
}

#[test]
fn after_a_power_cut_exactly_what_was_up_is_up() {
    for seed in 2..4 {
        let mut home = Home::new(seed, true);
        home.kill_all();
        let stranger = Stranger::new();
        if seed == 2 {
            home.reboot(stranger.0.id());
        }
        home.assert_resurrected();
        assert!(alive(stranger.0.id()), "it is nobody's to end");
    }
}

#[test]
fn after_the_death_of_all_sidecars_everything_runs_on_with_others() {
    let mut home = Home::new(4, true);
    let before = home.runs();
    home.send(Signal::SIGKILL, is_sidecar);
    wait_until("the sidecars to be gone", || !home.env.processes().iter().any(is_sidecar));
    home.assert_resurrected();
    assert_eq!(home.runs(), before, "nothing was started anew");
}

#[test]
fn after_sigterm_to_processes_and_sigkill_to_sidecars_exactly_what_was_up_is_up() {
    let mut home = Home::new(5, false);
    let pids = ["plain", "leased", "dependent"].map(|name| home.env.pid(name));
    home.send(Signal::SIGTERM, |process| !process.is_sidecar);
    wait_until("those who heed it to be gone", || !pids.into_iter().any(alive));
    home.send(Signal::SIGKILL, is_sidecar);
    wait_until("the sidecars to be gone", || !home.env.processes().iter().any(is_sidecar));
    home.assert_resurrected();
}

#[test]
fn after_a_terminal_has_closed_exactly_what_was_up_is_up() {
    let mut home = Home::new(6, false);
    let pids = ["plain", "leased", "dependent"].map(|name| home.env.pid(name));
    home.send(Signal::SIGHUP, |_| true);
    wait_until("those who heed it to be gone", || !pids.into_iter().any(alive));
    home.assert_resurrected();
}
