//! What happens in the second in which a sidecar looks whether an end was part of a shutdown.

use crate::env::{TestEnv, alive, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::time::{Duration, Instant};

/// Ends once a file is there, with code 3.
pub const FAILS: &str = "while ! [ -e fail ]; do sleep 0.02; done; exit 3";

/// Starts `name` with `script`, has it end by the file `fail`, and holds its sidecar (SIGSTOP) while that looks whether this
/// is a shutdown. It looks for a second: where the signal may have come too late, another round is made.
#[track_caller]
pub fn held_after_its_end(env: &TestEnv, flags: &[&str], name: &str, script: &str) -> u32 {
    let fail = env.work().join("fail");
    for _ in 0..20 {
        let _ = fs::remove_file(&fail);
        env.start_with(flags, name, &["sh", "-c", script]);
        let sidecar = env.sidecar(name);
        let began = Instant::now();
        fs::write(&fail, "").unwrap();
        wait_until("its end to be written", || env.record(name)["state"] == "exited");
        // Held with the lock of the record it would be in the way of every command.
        let written = File::open(env.state().join(format!("run/{name}.write"))).unwrap();
        written.lock().unwrap();
        let _ = kill(Pid::from_raw(sidecar.cast_signed()), Signal::SIGSTOP);
        if began.elapsed() < Duration::from_secs(1) {
            return sidecar;
        }
        drop(written);
        let _ = kill(Pid::from_raw(sidecar.cast_signed()), Signal::SIGCONT);
        wait_until("the sidecar to leave", || !alive(sidecar));
        env.bgo(&["delete", "-y", name]).ok();
        let _ = fs::remove_file(env.root().join("told"));
    }
    panic!("this machine takes a second for nothing");
}
