//! `resurrect` as a whole: its order, its policies, two at once, killed midway, at a login, and what it says.

use crate::env::{BGO, Outcome, TestEnv, alive, kill9, signal, wait_until};
use crate::epilogue::{self, held_after_its_end};
use crate::json::Known;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

const SLEEP: [&str; 2] = ["sleep", "1000"];
/// Ready when a file is there.
const GATED: &str = "while ! [ -e go ]; do sleep 0.02; done; echo rea''dy; exec sleep 1000";
/// Ready after a moment.
const SLOW: [&str; 3] = ["sh", "-c", "sleep 0.2; echo rea''dy; exec sleep 1000"];

/// Ends all that runs at once, as a power cut does.
pub fn power_cut(env: &TestEnv) {
    // What a sidecar was starting is found in the next round.
    wait_until("all to be gone", || {
        let mut left = env.processes();
        left.sort_by_key(|process| !process.is_sidecar);
        for process in &left {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.pid.cast_signed()), Signal::SIGKILL);
        }
        left.is_empty()
    });
}

/// Makes the records look as if they were of another boot.
fn reboot(env: &TestEnv) {
    for name in env.names() {
        env.edit_record(&name, |record| {
            for place in ["/identity/boot_id", "/sidecar/boot_id", "/boot_id"] {
                if let Some(id) = record.pointer_mut(place) {
                    *id = json!("the boot before");
                }
            }
        });
    }
}

fn is_up(env: &TestEnv, name: &str) -> bool {
    env.record(name)["status"] == "running" && alive(env.pid(name))
}

/// What `resurrect --json` says of each: what was done, and why; or the type of the error.
fn told(done: &Outcome) -> BTreeMap<String, String> {
    let one = |item: &Value| {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (data, error) = (&item["data"], &item["error"]["type"]);
        let what = if error.is_null() { word(&data["action"]) + " " + &word(&data["reason"]) } else { word(error) };
        (word(&item["name"]), what)
    };
    done.json()["results"].as_array().unwrap().iter().map(one).collect()
}

#[track_caller]
fn assert_told(done: &Outcome, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(name, what)| ((*name).to_owned(), (*what).to_owned())).collect();
    assert_eq!(told(done), expected, "{}", done.stdout);
}

#[test]
fn what_needs_another_comes_back_when_that_is_ready() {
    let env = TestEnv::new();
    env.bgo(&[&["start", "zdb", "--ready-when", "ready", "--"][..], &SLOW].concat()).ok();
    env.start_with(&["--after", "zdb"], "api", &SLEEP);
    env.start_with(&["--after", "api", "--after", "zdb"], "aweb", &SLEEP);
    power_cut(&env);
    env.bgo(&["resurrect"]).ok();
    let at = |name: &str, key: &str| env.record(name).pointer(key).unwrap().as_str().unwrap().to_owned();
    assert!(at("api", "/started_at") >= at("zdb", "/ready/at"));
    assert!(at("aweb", "/started_at") >= at("api", "/started_at"));
    // One that runs, and is not ready yet, is waited for as well.
    for name in ["api", "aweb"] {
        kill9(env.sidecar(name));
        kill9(env.pid(name));
    }
    env.bgo(&["restart", "zdb"]).ok();
    let done = env.bgo(&["resurrect", "--json"]).ok();
    assert_told(
        &done,
        &[("api", "started gone_with_sidecar"), ("aweb", "started gone_with_sidecar"), ("zdb", "unchanged runs")],
    );
    assert!(at("api", "/started_at") >= at("zdb", "/ready/at"));
}

#[test]
fn nothing_is_started_for_the_sake_of_what_needs_it() {
    let env = TestEnv::new();
    env.start("stopped", &SLEEP);
    env.start("done", &SLEEP);
    env.start_with(&["--after", "stopped,done"], "web", &SLEEP);
    env.bgo(&["stop", "stopped"]).ok();
    env.edit_record("web", |record| record["spec"]["after"] = json!(["stopped", "done", "gone"]));
    signal(env.pid("done"), Signal::SIGSEGV);
    wait_until("its end", || env.record("done")["state"] == "exited");
    power_cut(&env);
    let done = env.bgo(&["resurrect", "--json"]).ok();
    let expected =
        [("done", "left_down ended"), ("stopped", "left_down stopped"), ("web", "started gone_with_sidecar")];
    assert_told(&done, &expected);
}

#[test]
fn what_needs_one_that_cannot_come_back_stays_wanted() {
    let env = TestEnv::new();
    let script = env.script("db.sh", "exec sleep 1000");
    env.start("db", &[&script.to_string_lossy()]);
    env.start_with(&["--after", "db"], "api", &SLEEP);
    env.start_with(&["--after", "api"], "web", &SLEEP);
    env.start("other", &SLEEP);
    env.put_record("broken", "{");
    env.edit_record("other", |record| record["spec"]["after"] = json!(["broken"]));
    power_cut(&env);
    fs::remove_file(&script).unwrap();
    let said = env.bgo(&["resurrect"]).code(1);
    let why = |text: &str| env.redact(&said.stderr, &[]).contains(text);
    assert!(why("bgo: cannot start \"db\": \"DIR/work/db.sh\": No such file or directory\n"), "{}", said.stderr);
    let cause = "it needs \"db\", which was not brought back: cannot start \"db\": \"DIR/work/db.sh\": No such file";
    assert!(why(&format!("bgo: cannot start \"api\": {cause}")), "{}", said.stderr);
    assert!(why("bgo: cannot start \"web\": it needs \"api\", which was not brought back"), "{}", said.stderr);
    assert!(why("hint: bgo resurrect web tries again\n") && why("corrupt record"), "{}", said.stderr);
    assert_eq!(said.stdout.lines().count(), 1, "{}", said.stdout);
    assert!(is_up(&env, "other"));
    assert_eq!(["api", "web"].map(|name| env.record(name)["want"].clone()), ["up", "up"]);
    fs::remove_file(env.record_path("broken")).unwrap();
    env.script("db.sh", "exec sleep 1000");
    env.bgo(&["resurrect"]).ok();
    assert!(["db", "api", "web"].iter().all(|name| is_up(&env, name)));
    // It comes back, and crashes before it is ready.
    power_cut(&env);
    env.edit_record("db", |record| record["spec"]["ready_when"] = json!("up"));
    env.script("db.sh", "exit 7");
    let said = env.bgo(&["resurrect", "db", "api", "--json"]).code(1);
    assert_eq!(told(&said)["db"], "start_failed");
    let failed = said.json()["results"][1]["error"]["message"].as_str().unwrap().to_owned();
    assert!(failed.starts_with("cannot start \"api\": it needs \"db\"") && !is_up(&env, "api"), "{failed}");
}

#[test]
fn one_that_is_named_takes_along_what_it_needs_and_was_up() {
    let env = TestEnv::new();
    env.bgo(&[&["start", "zdb", "--ready-when", "ready", "--"][..], &SLOW].concat()).ok();
    env.start_with(&["--after", "zdb"], "api", &SLEEP);
    env.start("off", &SLEEP);
    env.start_with(&["--after", "api,off", "--group", "shop"], "web", &SLEEP);
    env.start("other", &SLEEP);
    env.bgo(&["stop", "off"]).ok();
    for names in [&["web"][..], &["--group", "shop"]] {
        power_cut(&env);
        let would = env.bgo(&[&["resurrect", "-n", "--json"], names].concat()).ok();
        let all = ["api", "web", "zdb"];
        assert_told(&would, &all.map(|name| (name, "would_start gone_with_sidecar")));
        let done = env.bgo(&[&["resurrect", "--json"], names].concat()).ok();
        assert_told(&done, &all.map(|name| (name, "started gone_with_sidecar")));
        let at = |name: &str, key: &str| env.record(name).pointer(key).unwrap().as_str().unwrap().to_owned();
        assert!(at("api", "/started_at") >= at("zdb", "/ready/at"));
        assert!(!is_up(&env, "other") && !is_up(&env, "off"));
        // One whose needs run is answered alone.
        assert_eq!(env.bgo(&["resurrect", "--json", "web"]).ok().json()["action"], "unchanged");
    }
}

#[test]
fn one_that_ends_badly_at_once_was_not_brought_back() {
    let env = TestEnv::new();
    let script = env.script("svc.sh", "test -e ok || { echo no ok >&2; exit 1; }; exec sleep 1000");
    let script = script.to_string_lossy();
    fs::write(env.work().join("ok"), "").unwrap();
    env.start("svc", &[&script]);
    env.start_with(&["-w"], "watched", &[&script]);
    env.start_with(&["--after", "watched"], "web", &SLEEP);
    power_cut(&env);
    fs::remove_file(env.work().join("ok")).unwrap();
    let said = env.bgo(&["resurrect", "svc"]).code(1);
    assert!(said.stderr.starts_with("bgo: \"svc\" ended at once: exit code 1 after "), "{}", said.stderr);
    let hint = "hint: bgo restart svc tries again; bgo logs svc shows its output\n";
    assert!(said.stderr.contains("no ok") && said.stderr.ends_with(hint), "{}", said.stderr);
    // It ended by itself.
    env.bgo(&["resurrect", "svc"]).ok();
    // What watch mode tries again is waited for.
    let resurrect = env.cmd(&["resurrect"]).spawn();
    wait_until("its end", || env.record("watched")["exits"][0]["code"] == 1);
    fs::write(env.work().join("ok"), "").unwrap();
    resurrect.finish().ok();
    assert!(is_up(&env, "web") && is_up(&env, "watched"));
}

/// Nobody but who needs it waits for what does not get ready.
#[test]
fn many_that_wait_keep_nobody_else_down() {
    let env = TestEnv::new();
    env.start("a-db", &SLEEP);
    env.start("zz-cache", &SLEEP);
    env.start_with(&["--after", "zz-cache"], "zz-mid", &SLEEP);
    env.start_with(&["--after", "zz-mid"], "zz-app", &SLEEP);
    env.start_with(&["--after", "a-db"], "s00", &SLEEP);
    power_cut(&env);
    env.edit_record("a-db", |record| record["spec"]["ready_when"] = json!("never"));
    let record = env.record("s00");
    for n in 1..70 {
        let name = format!("s{n:02}");
        let mut record = record.clone();
        record["name"] = json!(name);
        env.put_record(&name, &record.to_string());
    }
    let resurrect = env.cmd(&["resurrect", "--timeout", "20s"]).spawn();
    wait_until("the chain to be up", || ["zz-mid", "zz-app"].iter().all(|name| is_up(&env, name)));
    assert!(!is_up(&env, "s00") && !is_up(&env, "s69"));
    signal(resurrect.pid, Signal::SIGINT);
    let told = "bgo: 70 processes were not brought back: interrupted\nhint: bgo resurrect tries again\n";
    assert_eq!(resurrect.finish().code(130).stderr, told);
}

/// It did its work before the session went down.
#[test]
fn a_oneshot_that_had_ended_well_is_not_run_again() {
    let env = TestEnv::new();
    for (name, code) in [("done", "0"), ("failed", "3")] {
        let script = epilogue::FAILS.replace("exit 3", &format!("exit {code}"));
        let sidecar = held_after_its_end(&env, &["--oneshot"], name, &script);
        signal(sidecar, Signal::SIGTERM);
        signal(sidecar, Signal::SIGCONT);
        wait_until("the sidecar to leave", || !alive(sidecar));
    }
    assert_told(
        &env.bgo(&["resurrect", "-n", "--json"]).ok(),
        &[("done", "left_down ended"), ("failed", "would_start was_ended")],
    );
}

#[test]
fn what_a_logout_has_ended_says_so_and_of_what_is_named_the_reason_is_told() {
    let env = TestEnv::new();
    env.start_with(&["-w"], "web", &SLEEP);
    env.start_with(&["--autostart", "never"], "nev", &SLEEP);
    for name in ["web", "nev"] {
        let (sidecar, pid) = (env.sidecar(name), env.pid(name));
        // Both are told at once, however long we take for it.
        signal(sidecar, Signal::SIGSTOP);
        signal(sidecar, Signal::SIGTERM);
        signal(pid, Signal::SIGTERM);
        wait_until("the process to be gone", || !alive(pid));
        signal(sidecar, Signal::SIGCONT);
        wait_until("both to be gone", || !alive(sidecar));
    }
    let said = env.bgo(&["status"]).ok().stdout;
    assert!(
        said.contains("\n\"web\" is down: a logout or shutdown ended it (SIGTERM after ")
            && said.ends_with("); bgo resurrect web brings it back\n"),
        "{said}"
    );
    let page = env.bgo(&["status", "web"]).ok().stdout;
    assert!(page.contains("none; a logout or shutdown ended it (SIGTERM after "), "{page}");
    let told = "\"nev\" was left as it is: its policy is never\n";
    env.bgo(&["resurrect", "nev"]).ok().says(told, "");
    env.bgo(&["autostart", "set", "nev", "unless-stopped"]).ok().says("set autostart of \"nev\"\n", "");
    env.bgo(&["resurrect"]).ok();
    assert!(is_up(&env, "nev") && is_up(&env, "web"));
}

/// The line of a page of `status` that tells of the sidecar.
fn sidecar_line(env: &TestEnv, name: &str) -> String {
    let page = env.bgo(&["status", name]).ok().stdout;
    page.lines().find(|line| line.trim_start().starts_with("Sidecar")).unwrap_or_default().to_owned()
}

#[test]
fn what_something_else_has_ended_is_not_said_to_be_ended_by_a_logout() {
    let env = TestEnv::new();
    env.start("killed", &SLEEP);
    env.start_with(&["--ttl", "1h"], "leased", &SLEEP);
    env.start_with(&["--autostart", "always"], "done", &["sh", "-c", "exit 0"]);
    for name in ["killed", "leased"] {
        let sidecar = env.sidecar(name);
        kill9(env.pid(name));
        wait_until("the sidecar to leave", || !alive(sidecar));
    }
    let killed = sidecar_line(&env, "killed");
    assert!(killed.contains("none; it was up and was ended (SIGKILL after "), "{killed}");
    assert!(killed.ends_with("), bgo resurrect brings it back"), "{killed}");
    // Its lease is over: that is what resurrect goes by, too.
    let leased = sidecar_line(&env, "leased");
    assert!(leased.ends_with("bgo resurrect brings it back"), "{leased}");
    env.edit_record("leased", |record| record["lease"]["expires_ms"] = json!(1));
    let leased = sidecar_line(&env, "leased");
    assert!(leased.ends_with(" none"), "{leased}");
    assert!(env.bgo(&["resurrect", "-n", "leased"]).ok().stdout.contains("its ttl of 1h is over"));
    // Nor does the doctor promise what resurrect refuses.
    env.start_with(&["--ttl", "1h"], "gone", &SLEEP);
    kill9(env.sidecar("gone"));
    kill9(env.pid("gone"));
    let hint = || {
        let report = env.bgo(&["doctor", "--json"]).json();
        let findings = report["findings"].as_array().unwrap();
        let of_it = findings.iter().find(|it| it["check"] == "processes" && it["name"] == "gone").unwrap();
        of_it["hint"].as_str().unwrap().to_owned()
    };
    assert_eq!(hint(), "bgo resurrect brings it back");
    env.edit_record("gone", |record| record["lease"]["expires_ms"] = json!(1));
    assert_eq!(hint(), "bgo restart gone");
    // It ended by itself, and comes back only because its policy says so.
    wait_until("its end", || env.record("done")["state"] == "exited" && env.processes().is_empty());
    reboot(&env);
    let done = sidecar_line(&env, "done");
    let why = "its policy is always, and the machine has come up since, bgo resurrect brings it back";
    assert!(done.ends_with(&format!("none; {why}")), "{done}");
    let said = env.bgo(&["status"]).ok().stdout;
    assert!(!said.contains("logout"), "{said}");
}

#[test]
fn one_that_another_command_holds_is_not_said_to_be_in_order() {
    let env = TestEnv::new();
    env.start("web", &SLEEP);
    power_cut(&env);
    let held = File::open(env.state().join("run/web.alive")).unwrap();
    held.lock().unwrap();
    let said = env.bgo(&["resurrect"]).code(1);
    let told = "bgo: \"web\" was not brought back: another command is at work on it\n\
                hint: bgo resurrect web tries again\n";
    assert_eq!(said.stderr, told);
    drop(held);
    env.bgo(&["resurrect"]).ok();
    assert!(is_up(&env, "web"));
}

/// One without a sidecar, so that the stop itself has the name, and one with.
#[test]
fn what_is_being_stopped_is_not_waited_for() {
    let env = TestEnv::new();
    let stubborn = "trap '' TERM; echo ready; while ! [ -e end ]; do sleep 0.05; done";
    for name in ["db", "cache"] {
        env.start_script(&["--stop-timeout", "10m"], name, stubborn);
    }
    env.start_with(&["--after", "db,cache"], "web", &SLEEP);
    kill9(env.sidecar("db"));
    let stops = ["db", "cache"].map(|name| env.cmd(&["stop", name]).spawn());
    wait_until("the stops to be asked for", || ["db", "cache"].iter().all(|name| env.record(name)["want"] == "down"));
    for names in [&[][..], &["web"]] {
        kill9(env.sidecar("web"));
        kill9(env.pid("web"));
        let done = env.bgo(&[&["resurrect", "--json"], names].concat()).ok();
        assert!(is_up(&env, "web"), "{}", done.stdout);
        if names.is_empty() {
            let expected =
                [("cache", "unchanged runs"), ("db", "unchanged busy"), ("web", "started gone_with_sidecar")];
            assert_told(&done, &expected);
        }
    }
    fs::write(env.work().join("end"), "").unwrap();
    for stop in stops {
        stop.finish().ok();
    }
}

#[test]
fn it_returns_when_its_time_is_over() {
    let env = TestEnv::new();
    env.start("db", &SLEEP);
    env.start_with(&["--after", "db"], "web", &SLEEP);
    env.start("other", &SLEEP);
    power_cut(&env);
    env.edit_record("db", |record| record["spec"]["ready_when"] = json!("never"));
    let said = env.bgo(&["resurrect", "--timeout", "4s"]).code(124);
    let told = "bgo: cannot start \"web\": it needs \"db\", which was not ready in time\n\
                hint: bgo logs db shows its output; --timeout TIME waits longer\n";
    assert_eq!(said.stderr, told);
    assert!(said.stdout.starts_with("resurrected \"db\"") && said.stdout.contains("resurrected \"other\""));
    assert_eq!(env.record("web")["want"], "up");
    // Another is at work.
    let turnstile = File::open(env.state().join("procs")).unwrap();
    turnstile.lock().unwrap();
    let said = env.bgo(&["resurrect", "--timeout", "100ms"]).code(124);
    let told = "bgo: nothing was resurrected: another bgo resurrect has been at work for 100ms\n\
                hint: --timeout TIME waits longer\n";
    said.says("", told);
    // What would be done can be told all the same.
    assert_eq!(env.bgo(&["resurrect", "-n", "web"]).ok().stdout.lines().count(), 1);
    let waiting = env.cmd(&["resurrect", "--timeout", "1m"]).spawn();
    // From then on it hears of a SIGINT; before, that would end it.
    let blocked = || u64::from_str_radix(&crate::env::proc_status(waiting.pid, "SigBlk"), 16).unwrap();
    wait_until("it to listen", || blocked() & (1 << (Signal::SIGINT as u32 - 1)) != 0);
    signal(waiting.pid, Signal::SIGINT);
    waiting.finish().code(130);
}

#[test]
fn a_circle_of_needs_holds_nobody_up() {
    let env = TestEnv::new();
    for name in ["a", "b", "c"] {
        env.start(name, &SLEEP);
    }
    power_cut(&env);
    for (name, needs) in [("a", json!(["b"])), ("b", json!(["c", "b"])), ("c", json!(["a"]))] {
        env.edit_record(name, |record| record["spec"]["after"] = needs);
    }
    env.bgo(&["resurrect", "--timeout", "10s"]).ok();
    assert!(["a", "b", "c"].iter().all(|name| is_up(&env, name)));
    // Nor does it undo the order of those that are not in it.
    fs::write(env.work().join("go"), "").unwrap();
    env.bgo(&["start", "zdb", "--ready-when", "ready", "--", "sh", "-c", GATED]).ok();
    env.start_with(&["--after", "zdb"], "api", &SLEEP);
    power_cut(&env);
    fs::remove_file(env.work().join("go")).unwrap();
    let resurrect = env.cmd(&["resurrect"]).spawn();
    wait_until("the others to be up", || ["a", "b", "c", "zdb"].iter().all(|name| is_up(&env, name)));
    fs::write(env.work().join("go"), "").unwrap();
    resurrect.finish().ok();
    let at = |name: &str, key: &str| env.record(name).pointer(key).unwrap().as_str().unwrap().to_owned();
    assert!(is_up(&env, "api") && at("api", "/started_at") >= at("zdb", "/ready/at"));
}

#[test]
fn the_policy_says_what_comes_back() {
    let env = TestEnv::new();
    for policy in ["always", "unless-stopped", "never"] {
        for kind in ["up", "stopped", "ended", "errored", "orphan"] {
            let name = format!("{kind}-{policy}");
            let command: &[&str] = match kind {
                "ended" => &["sh", "-c", "exit 3"],
                "errored" => &["sh", "-c", "exit 1"],
                _ => &SLEEP,
            };
            let flags: &[&str] = if kind == "errored" { &["-w", "--on-fast-crash", "stop"] } else { &[] };
            let args = ["start", "--settle", "0", "--autostart", policy];
            env.bgo(&[&args, flags, &[&name, "--"], command].concat()).ok();
        }
        env.bgo(&["stop", &format!("stopped-{policy}")]).ok();
    }
    let is_down = |name: &str| env.record(name)["status"] == "stopped";
    let ends = env.names().into_iter().filter(|name| name.starts_with("e")).collect::<Vec<_>>();
    wait_until("them to have ended", || ends.iter().all(|name| is_down(name)));
    env.processes().iter().filter(|p| p.is_sidecar).for_each(|p| {
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(p.pid.cast_signed()), Signal::SIGKILL);
    });
    ["always", "unless-stopped", "never"].iter().for_each(|policy| kill9(env.pid(&format!("up-{policy}"))));
    let expected = |next: bool| {
        let mut expected = BTreeMap::new();
        for (kind, unless_stopped) in [
            ("up", if next { "started was_up" } else { "started gone_with_sidecar" }),
            ("stopped", "left_down stopped"),
            ("ended", "left_down ended"),
            ("errored", "left_down errored"),
        ] {
            expected.insert(format!("{kind}-unless-stopped"), unless_stopped.to_owned());
            expected.insert(format!("{kind}-never"), "left_down policy_never".to_owned());
            let is_always = next && kind != "up";
            let always = match (is_always, kind) {
                (true, "ended" | "errored") => "start_failed",
                (true, _) => "started policy_always",
                (false, _) => unless_stopped,
            };
            expected.insert(format!("{kind}-always"), always.to_owned());
        }
        expected
    };
    let mut same = expected(false);
    for policy in ["always", "unless-stopped", "never"] {
        same.insert(format!("orphan-{policy}"), "attached no_sidecar".to_owned());
    }
    assert_eq!(told(&env.bgo(&["resurrect", "--json"]).ok()), same);
    env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
    env.bgo(&["delete", "-y", "orphan-always", "orphan-unless-stopped", "orphan-never"]).ok();
    power_cut(&env);
    reboot(&env);
    let said = env.bgo(&["resurrect", "--json"]);
    let mut came = told(&said);
    let failed = came.values().any(|what| what == "start_failed");
    said.code(failed.into());
    // That it ends badly is a failure of the start if it does so within 100 ms, which may be short on a busy machine.
    for name in ["ended-always", "errored-always"] {
        came.entry(name.to_owned()).and_modify(|it| *it = it.replace("started policy_always", "start_failed"));
    }
    assert_eq!(came, expected(true));
    // What somebody stops in this boot stays down in it; whether it had been started does not matter.
    env.bgo(&["stop", "up-always", "stopped-always"]).ok();
    power_cut(&env);
    env.edit_record("ended-always", |record| record["boot_id"] = json!("the boot before"));
    env.bgo(&["stop", "ended-always"]).ok();
    let done = env.bgo(&["resurrect", "up-always", "stopped-always", "ended-always", "--json"]).ok();
    let down = "left_down stopped";
    assert_told(&done, &[("up-always", down), ("stopped-always", down), ("ended-always", down)]);
}

#[test]
fn two_at_once_do_it_once() {
    let env = TestEnv::new();
    let names: Vec<String> = (0..8).map(|n| format!("p{n}")).collect();
    for name in &names {
        env.start(name, &SLEEP);
    }
    env.edit_record("p1", |record| record["spec"]["after"] = json!(["p0"]));
    for round in 0..3 {
        power_cut(&env);
        let two = [env.cmd(&["resurrect"]).spawn(), env.cmd(&["resurrect"]).spawn()];
        let mut said = two.map(|one| one.finish().ok().stdout);
        said.sort();
        assert_eq!(said[0], "nothing to resurrect\n", "round {round}");
        assert_eq!(said[1].lines().count(), names.len(), "round {round}: {}", said[1]);
        assert_eq!(env.copies("sleep 1000").len() + env.copies("/usr/bin/sleep 1000").len(), names.len());
    }
}

/// It is killed when some are up, some are being started and some are still down.
#[test]
fn one_that_is_killed_midway_loses_and_doubles_nothing() {
    let env = TestEnv::new();
    let names: Vec<String> = (0..20).map(|n| format!("p{n}")).collect();
    for name in &names {
        env.start(name, &SLEEP);
    }
    for started in [0, 1, 5, 15] {
        power_cut(&env);
        let first = env.cmd(&["resurrect"]).spawn();
        wait_until("some to be up", || env.processes().iter().filter(|p| p.is_sidecar).count() >= started);
        kill9(first.pid);
        drop(first);
        env.bgo(&["resurrect"]).ok();
        let mut up: Vec<u32> = names.iter().map(|name| env.pid(name)).collect();
        up.sort_unstable();
        let mut running: Vec<u32> = env.processes().iter().filter(|p| !p.is_sidecar).map(|p| p.pid).collect();
        running.sort_unstable();
        assert_eq!(running, up, "killed when {started} were up");
        env.bgo(&["resurrect"]).ok().says("nothing to resurrect\n", "");
    }
}

/// Everything below a folder: what is in it, and when it was written.
fn content(folder: &Path) -> BTreeMap<String, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, there) = (entry.path(), entry.metadata().unwrap());
        let bytes = if there.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.insert(path.display().to_string(), (bytes, there.modified().unwrap()));
        if there.is_dir() {
            found.extend(content(&path));
        }
    }
    found
}

#[test]
fn a_dry_run_says_what_would_be_done_and_writes_nothing() {
    let env = TestEnv::new();
    let known = Known::new(&env);
    env.start_with(&["--group", "shop"], "up", &SLEEP);
    env.start_with(&["-w"], "orphan", &SLEEP);
    env.start_with(&["--ttl", "1h"], "leased", &SLEEP);
    env.start("stopped", &SLEEP);
    env.bgo(&["stop", "stopped"]).ok();
    env.start("runs", &SLEEP);
    let script = env.script("app.sh", "exec sleep 1000");
    env.start("broken", &[&script.to_string_lossy()]);
    let orphan = env.pid("orphan");
    for name in ["up", "leased", "broken"] {
        kill9(env.sidecar(name));
        kill9(env.pid(name));
    }
    kill9(env.sidecar("orphan"));
    fs::remove_file(script).unwrap();
    env.edit_record("leased", |record| record["lease"]["expires_ms"] = json!(1));
    let before = content(&env.state());
    let said = env.bgo(&["resurrect", "--dry-run"]).code(1);
    let expected = format!(
        "would leave \"leased\" as it is: its ttl of 1h is over\n\
         would give \"orphan\" (pid {orphan}) a sidecar: it runs without a sidecar\n\
         would leave \"runs\" as it is: it runs\n\
         would leave \"stopped\" as it is: it was stopped\n\
         would start \"up\": it was up, and is gone with its sidecar\n"
    );
    assert_eq!(said.stdout, expected);
    assert!(said.stderr.starts_with("bgo: cannot start \"broken\": "), "{}", said.stderr);
    let would = known.answers(1, &["resurrect", "-n", "--json"]);
    assert_eq!(would["results"][5]["data"]["action"], "would_start");
    let one = known.answers(0, &["resurrect", "-n", "--json", "up"]);
    let text = "it was up, and is gone with its sidecar";
    let expected = json!({
        "name": "up", "action": "would_start", "reason": "gone_with_sidecar", "reason_text": text, "pid": null,
    });
    assert_eq!(one, expected);
    known.fails(3, &["resurrect", "--json", "nobody"]);
    assert_eq!(content(&env.state()), before);
    known.answers(1, &["resurrect", "--json", "up", "nobody"]);
    assert!(is_up(&env, "up") && env.record("orphan")["sidecar"]["pid"] != json!(null));
    kill9(env.sidecar("up"));
    kill9(env.pid("up"));
    env.bgo(&["resurrect", "--group", "shop"]).ok();
    assert!(is_up(&env, "up"));
    let verbose = env.bgo(&["resurrect", "-v", "runs", "stopped"]).ok();
    verbose.says("\"runs\" was left as it is: it runs\n\"stopped\" was left as it is: it was stopped\n", "");
}

/// A login has next to nothing in its environment, and its own folder.
#[test]
fn at_a_login_what_was_captured_is_used() {
    let env = TestEnv::new();
    let tool = env.bin().join("tool");
    crate::env::executable(&tool, "#!/usr/bin/env sh\necho \"$PWD $WORD $FILED $PATH\"\nexec sleep 1000\n");
    fs::write(env.work().join(".env"), "FILED=filed\n").unwrap();
    env.bgo(&["start", "web", "-e", "WORD=kept", "--env-file", ".env", "--", "tool"]).ok();
    let line = |count: usize| {
        wait_until("its line", || env.log("web", "out").lines().count() == count);
        env.log("web", "out").lines().last().unwrap().to_owned()
    };
    let first = line(1);
    power_cut(&env);
    let mut login = env.program("env", &["-i", &format!("HOME={}", env.home().display()), BGO, "resurrect"]);
    login = login.cwd("/");
    login.run().ok();
    assert_eq!(line(2), first);
    // Without HOME the account says where it is.
    let told = env.program("env", &["-i", BGO, "capabilities"]).run().ok().json();
    let account = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap();
    assert_eq!(told["home"], json!(account.dir.join(".bgo")));
}
