//! `cargo bench`: how fast bgo starts, lists, restarts and tails, and what its sidecars cost while nothing happens.
//!
//! Why it exists: the figures in DESIGN 6 that need no peer can be measured anywhere with one command. It prints a
//! table and judges nothing: a timed assertion fails on a busy machine, not on a bad change. Invariant: all state is in
//! one temporary folder, and every process that was started is ended, also after a panic.
//!
//! `cargo bench -- NAME` runs only the measurements whose name contains NAME.
// clippy.toml allows this in test functions; here a failed step simply ends the measurement.
#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
mod measure {
    use nix::sys::signal::{Signal, kill};
    use nix::sys::stat::Mode;
    use nix::unistd::Pid;
    use std::fs::{self, File, OpenOptions};
    use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
    use std::process::{Command, Stdio};
    use std::sync::mpsc;
    use std::time::{Duration, Instant};
    use tempfile::TempDir;

    /// A measurement prints its rows.
    pub type Measurement = fn();

    /// All of them, in the order in which they run.
    pub const ALL: [(&str, Measurement); 5] =
        [("start", start), ("status", status), ("idle", idle), ("restart", restart), ("tail", tail)];

    /// A state folder of its own, and everything that runs in it.
    struct Home {
        folder: TempDir,
    }

    impl Home {
        fn new() -> Home {
            Home { folder: tempfile::tempdir().unwrap() }
        }

        /// A bgo command in this home. All processes it starts carry the folder in their environment.
        fn bgo(&self, arguments: &[&str]) -> Command {
            let mut command = Command::new(env!("CARGO_BIN_EXE_bgo"));
            command.args(arguments).env("BGO_HOME", self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
            command
        }

        /// Runs a bgo command that must succeed, and says how long it took.
        fn run(&self, arguments: &[&str]) -> Duration {
            let begun = Instant::now();
            let status = self.bgo(arguments).status().unwrap();
            let took = begun.elapsed();
            assert!(status.success(), "bgo {arguments:?}: {status}");
            took
        }

        fn start_sleeper(&self, name: &str, flags: &[&str]) -> Duration {
            self.run(&[&["start", name, "--settle", "0"], flags, &["--", "sleep", "3600"]].concat())
        }

        /// The pids of the sidecars of `names`, from their records.
        fn sidecars(&self, names: &[String]) -> Vec<u64> {
            let pid = |name: &String| {
                let text = fs::read(self.folder.path().join(format!("procs/{name}.json"))).unwrap();
                serde_json::from_slice::<serde_json::Value>(&text).unwrap()["sidecar"]["pid"].as_u64().unwrap()
            };
            names.iter().map(pid).collect()
        }
    }

    impl Drop for Home {
        /// Ends all that carries this home in its environment: sidecars and what they started, until none is left.
        fn drop(&mut self) {
            let mark = [b"BGO_HOME=", self.folder.path().as_os_str().as_encoded_bytes()].concat();
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline {
                let marked: Vec<i32> = fs::read_dir("/proc")
                    .unwrap()
                    .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
                    .filter(|pid| {
                        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                        environment.split(|&b| b == 0).any(|pair| pair == mark)
                    })
                    .collect();
                if marked.is_empty() {
                    return;
                }
                for pid in marked {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
        }
    }

    fn print(name: &str, samples: &mut [f64], unit: &str) {
        samples.sort_by(f64::total_cmp);
        let (n, min, median) = (samples.len(), samples[0], samples[samples.len() / 2]);
        println!("{name:<44} {n:>5} {min:>12.3} {median:>12.3} {unit}");
    }

    fn milliseconds(times: impl Iterator<Item = Duration>) -> Vec<f64> {
        times.map(|t| t.as_secs_f64() * 1e3).collect()
    }

    fn names(prefix: &str, count: usize) -> Vec<String> {
        (0..count).map(|i| format!("{prefix}{i:04}")).collect()
    }

    /// From the call until it returns: registered, wish on disk, command running.
    fn start() {
        let home = Home::new();
        let names = names("s", 50);
        let mut times = milliseconds(names.iter().map(|name| home.start_sleeper(name, &[])));
        print("start --settle 0", &mut times, "ms");
    }

    /// The table of all processes, with CPU and memory of whole trees.
    fn status() {
        let home = Home::new();
        let names = names("p", 1000);
        let mut started = 0;
        for count in [1, 100, 1000] {
            for name in &names[started..count] {
                home.start_sleeper(name, &[]);
            }
            started = count;
            let mut times = milliseconds((0..20).map(|_| home.run(&["status"])));
            print(&format!("status of {count}"), &mut times, "ms");
        }
    }

    /// Memory that belongs to one sidecar alone, and how often it wakes up while nothing happens.
    fn idle() {
        const WINDOW: Duration = Duration::from_secs(5);
        let home = Home::new();
        let names = names("w", 20);
        for name in &names {
            home.start_sleeper(name, &["--watch"]);
        }
        let sidecars = home.sidecars(&names);
        let field = |file: &str, pid: u64, keys: &[&str]| -> f64 {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
            let values = text.lines().filter_map(|line| line.split_once(':')).filter(|(key, _)| keys.contains(key));
            values.filter_map(|(_, value)| value.split_whitespace().next()?.parse::<f64>().ok()).sum()
        };
        let wakeups = |pid: u64| field("status", pid, &["voluntary_ctxt_switches"]);
        // The last facts of the start are being written.
        std::thread::sleep(Duration::from_millis(500));
        let before: Vec<f64> = sidecars.iter().map(|&pid| wakeups(pid)).collect();
        std::thread::sleep(WINDOW);
        let woken = sidecars.iter().zip(before).map(|(&pid, before)| wakeups(pid) - before);
        let mut woken: Vec<f64> = woken.map(|count| count / WINDOW.as_secs_f64()).collect();
        let private = ["Private_Clean", "Private_Dirty"];
        let mut memory: Vec<f64> = sidecars.iter().map(|&pid| field("smaps_rollup", pid, &private)).collect();
        print("private memory of a watched sidecar", &mut memory, "KiB");
        print("wake-ups of a watched sidecar", &mut woken, "/s");
    }

    /// From SIGKILL until the replacement says its pid: a shell that writes it into a pipe.
    fn restart() {
        let home = Home::new();
        let path = home.folder.path().join("pids");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        // Open for writing, too: there is no end of file between two runs.
        let pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let (sender, pids) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                if sender.send((line.parse::<i32>().unwrap(), Instant::now())).is_err() {
                    return;
                }
            }
        });
        let script = format!("echo $$ >'{}'; exec sleep 3600", path.display());
        home.run(&["start", "phoenix", "--watch", "--min-uptime", "0", "--", "sh", "-c", &script]);
        let next = || pids.recv_timeout(Duration::from_secs(10)).unwrap();
        let (mut pid, _) = next();
        let mut times = milliseconds((0..30).map(|_| {
            // The sidecar writes down the last restart; a process is seldom killed in its first moments.
            std::thread::sleep(Duration::from_millis(50));
            let killed = Instant::now();
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
            let (replacement, at) = next();
            pid = replacement;
            at - killed
        }));
        print("kill -9 until the replacement runs (sh)", &mut times, "ms");
    }

    /// The last 50 lines of a log of 1 GiB (a sparse file).
    fn tail() {
        let home = Home::new();
        home.start_sleeper("big", &[]);
        let log = home.folder.path().join("logs/big.out.log");
        let mut file: File = OpenOptions::new().write(true).open(log).unwrap();
        file.seek(SeekFrom::Start(1 << 30)).unwrap();
        for number in 0..100 {
            writeln!(file, "line {number:03} {}", "x".repeat(80)).unwrap();
        }
        let mut times = milliseconds((0..30).map(|_| home.run(&["logs", "big", "-n", "50"])));
        print("last 50 lines of a 1 GiB log", &mut times, "ms");
    }
}

#[cfg(target_os = "linux")]
fn main() {
    // cargo passes --bench; the first word that is no flag is the filter.
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("{:<44} {:>5} {:>12} {:>12}", "measurement", "n", "min", "median");
    for (_, measure) in measure::ALL.iter().filter(|(name, _)| name.contains(&filter)) {
        measure();
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the figures are read from /proc: Linux only");
}
