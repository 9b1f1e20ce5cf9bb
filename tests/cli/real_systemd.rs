//! `autostart` and `--scope` with a real systemd: what fakes have been told is one thing, what comes of it another.
//!
//! A user's manager (`systemd --user`) runs in pid, mount and cgroup namespaces of its own, below a home and a runtime
//! folder made for it; with them all ends. Where that cannot be (no root, no systemd, no cgroups of the second version)
//! the tests say so and pass.

use crate::env::BGO;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

/// Makes the surroundings and runs `$1` (in `$2`, as the user 1000) in them. 77: they cannot be made.
const SURROUNDINGS: &str = r#"
mount -t tmpfs none /run && mkdir -p /run/systemd/system /run/user/1000 &&
mount -t tmpfs none /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup &&
cgroup=/sys/fs/cgroup/bgo-test-${2##*/} && mkdir "$cgroup" && echo $$ >"$cgroup/cgroup.procs" &&
chown -R 1000:1000 "$cgroup" "$2" /run/user/1000 && chmod 700 /run/user/1000 || exit 77
# What earlier tests have left: they ended with their namespaces.
find /sys/fs/cgroup -depth -path '*/bgo-test-*' -type d -mmin +5 -exec rmdir {} + 2>/dev/null
cd "$2" || exit 77
exec env -i HOME="$2/home" PATH="$2/home/.local/bin:/usr/local/bin:/usr/bin:/bin" XDG_RUNTIME_DIR=/run/user/1000 \
  setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps=-all bash -c "$1"
"#;

/// Starts the manager, and has functions to look at what is there.
const PRELUDE: &str = r#"
/usr/lib/systemd/systemd --user >systemd.log 2>&1 &
for i in $(seq 100); do
  case $(systemctl --user is-system-running 2>/dev/null) in running | degraded) up=yes; break ;; esac
  sleep 0.1
done
[ "$up" ] || exit 77
field() { bgo status "$1" --json | sed -n "s/^ *\"$2\": \([0-9]*\).*/\1/p" | head -n 1; }
# The scope that a process is in, without what differs from one to the next.
place() { unit "$1" | sed 's/^run-.*scope$/a scope/'; }
state() { bgo status "$1" --json | sed -n 's/^ *"state": "\(.*\)".*/\1/p' | head -n 1; }
unit() { sed -n 's,.*/,,p' "/proc/$(field "$1" pid)/cgroup" | tail -n 1; }
gone() { while kill -0 "$1" 2>/dev/null; do sleep 0.05; done; }
"#;

/// What `script` prints, or nothing where it cannot be run.
fn with_manager(script: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // By a child: a thread that forks meanwhile would keep the copy open for writing.
    let mut copy = Command::new("sh");
    copy.args(["-c", "mkdir -p \"$2\" && cp \"$1\" \"$2\"", "sh", BGO]).arg(folder.path().join("home/.local/bin"));
    assert!(copy.status().unwrap().success());
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount", "--cgroup", "--mount-proc", "--kill-child=KILL"]);
        command
    };
    let skipped = || {
        eprintln!("SKIPPED: no systemd --user can be run here");
        None
    };
    if !unshare().arg("true").output().is_ok_and(|probe| probe.status.success()) {
        return skipped();
    }
    let mut command = unshare();
    command
        // The first process has to be one that reaps what is orphaned.
        .args(["sh", "-c", "timeout 60 \"$@\"; exit $?", "sh", "sh", "-c", SURROUNDINGS, "sh"])
        .arg(format!("{PRELUDE}{script}"))
        .arg(folder.path());
    let ran = command.stdin(Stdio::null()).output().unwrap();
    if ran.status.code() == Some(77) && ran.stdout.is_empty() {
        return skipped();
    }
    let log = fs::read_to_string(folder.path().join("systemd.log")).unwrap_or_default();
    assert!(ran.status.success(), "{ran:?}\n{log}");
    Some(String::from_utf8(ran.stdout).unwrap())
}

#[test]
fn the_unit_brings_back_what_was_up_and_its_end_ends_nothing() {
    let said = with_manager(
        r#"
bgo autostart install 2>/dev/null >/dev/null && systemctl --user is-enabled bgo
bgo start web -- sleep 300 >/dev/null && bgo start kept -- sleep 300 >/dev/null
bgo start gone -- "$HOME/gone" >/dev/null 2>&1
cp /usr/bin/sleep "$HOME/gone" && bgo start gone -- "$HOME/gone" 300 >/dev/null && rm "$HOME/gone"
kept=$(field kept pid)
for name in web gone; do
  pid=$(field $name pid); kill -9 "$(field $name sidecar_pid)" "$pid"; gone "$pid"
done
echo "down: $(state web), $(state gone)"
# One of them cannot come back, so the unit has failed.
systemctl --user start bgo 2>/dev/null || echo "failed: $(systemctl --user is-failed bgo)"
echo "up: $(state web) in $(place web), $(state gone)"
web=$(field web pid)
bgo delete -y gone >/dev/null
systemctl --user restart bgo && systemctl --user is-active bgo
systemctl --user stop bgo
echo "after a stop: $(state web), $(state kept)"
bgo autostart uninstall >/dev/null && systemctl --user is-enabled bgo 2>/dev/null || echo "not installed"
[ "$web $kept" = "$(field web pid) $(field kept pid)" ] && echo "the same processes"
"#,
    );
    let Some(said) = said else { return };
    assert_eq!(
        said,
        "enabled\ndown: exited, exited\nfailed: failed\nup: running in a scope, exited\nactive\n\
         after a stop: running, running\nnot installed\nthe same processes\n"
    );
}

#[test]
fn what_the_unit_brought_back_is_asked_to_end_when_the_manager_ends() {
    let said = with_manager(
        r#"
trap_term='trap "echo asked >>$HOME/ends; exit 0" TERM; while :; do sleep 0.1; done'
bgo autostart install >/dev/null 2>&1
bgo start web -- sh -c "$trap_term" >/dev/null
# With its child, which would be taken up as what is left of it.
pid=$(field web pid); kill -9 -- "$(field web sidecar_pid)" "-$pid"; gone "$pid"
systemctl --user start bgo && echo "$(state web) in $(place web)"
pid=$(field web pid)
systemctl --user exit; gone "$pid"
cat "$HOME/ends"
"#,
    );
    let Some(said) = said else { return };
    assert_eq!(said, "running in a scope\nasked\n");
}

#[test]
fn with_a_scope_of_its_own_a_process_outlives_the_session() {
    let said = with_manager(
        r#"
systemd-run --user --scope --quiet --collect --unit=session \
  sh -c 'bgo start plain -- sleep 300; bgo start kept --scope -- sleep 300' >/dev/null
echo "$(unit plain), $(unit kept | sed 's/[0-9][-0-9a-f]*/N/')"
kept=$(field kept pid) plain=$(field plain pid)
systemctl --user stop session.scope; gone "$plain"
echo "after the session: $(state plain), $(state kept)"
bgo restart kept >/dev/null && echo "restarted in $(unit kept | sed 's/[0-9][-0-9a-f]*/N/')"
bgo resurrect >/dev/null && echo "then: $(state plain), $(state kept)"
bgo stop --all >/dev/null
for i in $(seq 50); do [ "$(systemctl --user list-units --no-legend 'bgo-*')" ] || break; sleep 0.1; done
systemctl --user list-units --no-legend 'bgo-*'
"#,
    );
    let Some(said) = said else { return };
    assert_eq!(
        said,
        "session.scope, bgo-kept-N.scope\nafter the session: exited, running\nrestarted in bgo-kept-N.scope\n\
         then: running, running\n"
    );
}
