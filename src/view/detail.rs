//! One process in full: what `bgo NAME` and `status NAME` show.
//!
//! Why it exists: everything that is known about a process, in one place, with its logs and how it ended before.
//! Invariant: one fact a line, `  Label:   value`; nothing is cut, so that commands and paths can be copied.

use super::style::{Paint, Style};
use super::table::{status_paint, status_word};
use super::{end_of, text};
use crate::domain::outcome::Exit;
use crate::domain::parent::Parent;
use crate::domain::record::{State, Watch};
use crate::domain::row::Row;
use crate::domain::signal::Signal;
use crate::domain::spec::FastCrash;
use crate::domain::timestamp::Timestamp;
use std::fmt::{Display, Write};
use std::path::Path;

/// Sizes of the log files; `None`: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSizes {
    /// Of stdout.
    pub out: Option<u64>,
    /// Of stderr.
    pub err: Option<u64>,
    /// Of the watcher log.
    pub watcher: Option<u64>,
}

/// The longest label is `Last restart:`; values begin behind it.
const LABEL: usize = 15;

/// Most settings are shorter; a longer one moves its own value only.
const SETTING: usize = 19;

/// Settings that have lines of their own.
const HAVE_LINES: [&str; 5] = ["group", "owner", "tags", "ttl", "until-pid"];

/// Everything about `row`.
pub fn render(row: &Row, sizes: &LogSizes, style: &Style) -> String {
    let mut page = Page { out: String::with_capacity(1024), style };
    page.process(row);
    page.port(row);
    page.usage(row);
    page.supervision(row);
    page.logs(row, sizes);
    if let Some(watch) = &row.watch {
        page.watch(watch, row);
    }
    page.settings(row);
    page.exits(&row.exits);
    page.out
}

struct Page<'a> {
    out: String,
    style: &'a Style,
}

impl Page<'_> {
    fn heading(&mut self, text: &str) {
        // Writing to a String cannot fail, here and below.
        let _ = writeln!(self.out, "\n  {}", self.style.bold(text));
    }

    fn line(&mut self, indent: usize, label: &str, value: impl Display) {
        let label = text::pad(&format!("{label}:"), LABEL);
        text::spaces(&mut self.out, indent);
        let _ = writeln!(self.out, "{}{value}", self.style.dim(label));
    }

    fn fact(&mut self, label: &str, value: impl Display) {
        self.line(2, label, value);
    }

    fn fact_or_dash(&mut self, label: &str, value: Option<impl Display>) {
        match value {
            Some(value) => self.fact(label, value),
            None => self.fact(label, "-"),
        }
    }

    fn process(&mut self, row: &Row) {
        self.fact("Process", self.style.bold(text::clean(&row.name)));
        let (state, paint) = status(row, self.style);
        self.fact("Status", self.style.paint(paint, state));
        match row.pid {
            Some(pid) if !row.online => self.fact("PID", format_args!("- (last {pid})")),
            pid => self.fact_or_dash("PID", pid),
        }
        self.fact_or_dash("PGID", row.pgid.filter(|_| row.online));
        if row.state == State::Corrupt {
            self.fact("Record", text::clean(&row.record_path.to_string_lossy()));
        }
        self.fact("Command", text::quote_all(&row.command));
        self.fact("CWD", text::clean(&row.cwd));
        if let Some(group) = row.group() {
            self.fact("Group", text::clean(group));
        }
        if let Some(project) = &row.project {
            self.fact(
                "Project",
                format_args!("{} (job {})", text::clean(&project.root.lossy()), text::clean(&project.job)),
            );
        }
        self.owner(row);
        self.fact_or_dash("Started", row.started_at.map(to_the_second));
        if let Some(at) = row.stopped_at.filter(|_| !row.online) {
            self.fact("Stopped", to_the_second(at));
        }
    }

    /// Whose it is, and until when it may run.
    fn owner(&mut self, row: &Row) {
        if let Some(owner) = &row.settings.owner {
            self.fact("Owner", text::clean(owner));
        }
        if !row.settings.tags.is_empty() {
            self.fact("Tags", text::clean(&row.settings.tags.join(", ")));
        }
        if let Some(root) = &row.git_root {
            self.fact("Git root", text::clean(&root.lossy()));
        }
        if let Some(Parent { pid, program, .. }) = &row.parent {
            let program = program.as_ref().map_or_else(String::new, |program| format!("{} ", text::clean(program)));
            self.fact("Started by", format_args!("{program}(PID {pid})"));
        }
        let Some(lease) = &row.lease else { return };
        if let (Some(at), Some(ttl)) = (lease.expires_at, row.settings.ttl) {
            self.fact("Lease", format_args!("until {} (ttl {ttl})", to_the_second(at)));
        }
        if let (Some(until), Some(_)) = (&lease.until, row.settings.until_pid) {
            self.fact("Lease", format_args!("until PID {} ends", until.pid));
        }
    }

    fn port(&mut self, row: &Row) {
        let Some(port) = row.allocated_port else { return };
        match &row.settings.allocate_port {
            Some(variable) => self.fact("Port", format_args!("{port} ({variable})")),
            None => self.fact("Port", port),
        }
    }

    fn usage(&mut self, row: &Row) {
        let usage = row.usage.filter(|_| row.online);
        self.fact_or_dash("CPU", usage.map(|usage| format!("{}%", text::tenths(usage.cpu_percent))));
        let memory =
            usage.map(|usage| format!("{} ({}%)", text::size(usage.rss_bytes), text::tenths(usage.mem_percent)));
        self.fact_or_dash("MEM", memory);
        if let Some(usage) = usage.filter(|usage| usage.processes > 1) {
            self.fact("Processes", usage.processes);
        }
        if let Some(ports) = row.ports.as_deref().filter(|ports| !ports.is_empty()) {
            let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
            self.fact("Ports", ports.join(", "));
        }
        self.fact_or_dash("Uptime", row.uptime.filter(|_| row.online).map(text::uptime_clock));
    }

    fn supervision(&mut self, row: &Row) {
        let (signal, timeout) = (row.settings.stop_signal, row.settings.stop_timeout);
        if signal == Signal::KILL {
            self.fact("Stop", signal);
        } else {
            self.fact("Stop", format_args!("{signal}, SIGKILL after {timeout}"));
        }
        match row.sidecar {
            Some((pid, true)) => self.fact("Sidecar", format_args!("PID {pid} (alive)")),
            Some((pid, false)) if row.online => {
                let dead = format_args!("PID {pid} (dead; bgo resurrect gives it a new one)");
                self.fact("Sidecar", self.style.bad(dead));
            }
            Some((pid, false)) => self.fact("Sidecar", self.style.bad(format_args!("PID {pid} (dead)"))),
            None => match &row.comes_back {
                Some(why) => {
                    let back = format!("none; {why}, bgo resurrect brings it back");
                    self.fact("Sidecar", text::clean(&back));
                }
                None => self.fact("Sidecar", "none"),
            },
        }
        if row.in_scope == Some(false) {
            let none =
                "none, although --scope asks for one: the end of a login session may end it; bgo restart makes it";
            self.fact("Scope", self.style.warn(none));
        }
        if let Some(at) = row.next_restart_at {
            self.fact("Next restart", to_the_second(at));
        }
        if let (Some(ready), true) = (&row.ready, row.online) {
            self.fact(
                "Ready",
                ready.at.map_or_else(|| "not yet".to_owned(), |at| format!("since {}", to_the_second(at))),
            );
        }
        if let Some(says) = row.status_text.as_deref().filter(|_| row.online) {
            self.fact("Says", text::clean(says));
        }
        if let Some(health) = row.health.as_ref().filter(|_| row.online) {
            let (failures, threshold) = (health.failures, row.settings.health_threshold);
            let failing = format!("failing, {failures} of {threshold}: {}", text::clean(&health.reason));
            self.fact("Health", self.style.warn(failing));
        }
        if let Some(degraded) = &row.degraded {
            self.fact("Degraded", self.style.warn(text::clean(degraded)));
        }
    }

    fn logs(&mut self, row: &Row, sizes: &LogSizes) {
        let logs = [
            ("Stdout", sizes.out, &row.logs.out),
            ("Stderr", sizes.err, &row.logs.err),
            ("Watcher log", sizes.watcher, &row.logs.watcher),
        ];
        let sizes = logs.map(|(_, size, _)| size.map_or_else(|| "-".to_owned(), text::size));
        let width = sizes.iter().map(String::len).max().unwrap_or(0);
        for ((label, _, path), size) in logs.into_iter().zip(sizes) {
            let path: &Path = path;
            self.fact(label, format_args!("{}  {}", text::pad(&size, width), text::clean(&path.to_string_lossy())));
        }
    }

    fn watch(&mut self, watch: &Watch, row: &Row) {
        self.heading("Watch:");
        let (interval, min_uptime, mode) = (watch.interval, watch.min_uptime, watch.on_fast_crash);
        if watch.enabled {
            let settings = format_args!("yes (interval {interval}, min-uptime {min_uptime}, mode {mode})");
            self.line(4, "Enabled", settings);
        } else {
            self.line(4, "Enabled", "no");
        }
        self.line(4, "Restarts", watch.restarts);
        if row.fast_crashes > 0 {
            let of = match watch.on_fast_crash {
                FastCrash::Backoff => format!(" of {}", row.settings.max_fast_crashes),
                FastCrash::Stop | FastCrash::Retry => String::new(),
            };
            self.line(4, "Fast crashes", format_args!("{}{of}", row.fast_crashes));
        }
        if let (Some(limit), Some(left)) = (row.settings.restart_limit, row.restarts_left) {
            self.line(4, "Limit", format_args!("{limit}, {left} left"));
        }
        let last = watch.last_restart_at.map_or_else(|| "never".to_owned(), to_the_second);
        self.line(4, "Last restart", last);
        if watch.errored {
            self.line(4, "Errored", self.style.bad("yes"));
        } else {
            self.line(4, "Errored", "no");
        }
        if let Some(reason) = &watch.error_reason {
            self.line(4, "Reason", text::clean(reason));
        }
        if let Some(tail) = watch.last_stderr_tail.as_deref().filter(|tail| !tail.trim().is_empty()) {
            let _ = writeln!(self.out, "    {}", self.style.dim("Last stderr:"));
            for line in tail.lines() {
                let _ = writeln!(self.out, "      {}", text::clean(line));
            }
        }
    }

    /// What was asked for and is not the default. How it is stopped and whose it is have lines of their own.
    fn settings(&mut self, row: &Row) {
        let differing = row.settings.differing();
        let mut settings = differing
            .iter()
            .filter(|(name, _)| !name.starts_with("stop-") && !HAVE_LINES.contains(&name.as_str()))
            .peekable();
        if settings.peek().is_some() {
            self.heading("Settings:");
        }
        for (name, value) in settings {
            let name = text::pad(&format!("{name}: "), SETTING);
            let _ = writeln!(self.out, "    {}{}", self.style.dim(name), text::clean(value));
        }
    }

    fn exits(&mut self, exits: &[Exit]) {
        if exits.is_empty() {
            return;
        }
        self.heading("Last exits:");
        for exit in exits.iter().rev() {
            let time = self.style.dim(to_the_second(exit.at));
            let note = if exit.shutdown { " (shutdown)" } else { "" };
            let exit = exit.to_string();
            let _ = writeln!(self.out, "    {time}  {}{note}", text::clean(&exit));
        }
    }
}

/// The word of the table's status, and in parentheses the state and reason where they add to it.
fn status(row: &Row, style: &Style) -> (String, Paint) {
    let word = match (row.online, row.state) {
        (true, _) => "online",
        (false, State::Unknown | State::Corrupt) => status_word(row),
        (false, _) => "stopped",
    };
    let state = match (row.online, row.state) {
        (true, State::Running) | (false, State::Stopped | State::Unknown | State::Corrupt) => None,
        // The record had no time to learn of the end.
        (false, State::Running | State::Ready | State::Unhealthy | State::Paused) => None,
        (false, State::Detached | State::Stopping) => None,
        (_, state) => Some(state.to_string()),
    };
    let watch_reason = row.watch.as_ref().and_then(|watch| watch.error_reason.clone());
    let reason = row.reason.clone().or(watch_reason.filter(|_| row.is_errored()));
    let exit = end_of(row).filter(|_| row.state != State::Stopped).map(Exit::to_string);
    let reason = reason.or(exit).map(|reason| text::clean(&reason).into_owned());
    let more = match (state, reason) {
        (Some(state), Some(reason)) if reason.starts_with(&format!("{state}:")) => format!(" ({reason})"),
        (Some(state), Some(reason)) => format!(" ({state}: {reason})"),
        (Some(only), None) | (None, Some(only)) => format!(" ({only})"),
        (None, None) => String::new(),
    };
    let dot = if row.online { style.glyph("● ", "") } else { style.glyph("○ ", "") };
    (format!("{dot}{word}{more}"), status_paint(row))
}

/// A time without the fraction, which nobody reads.
pub(super) fn to_the_second(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{at, corrupt, errored, exited, online, strip_colour, watched, zoo};
    use super::super::style::Level;
    use super::*;
    use crate::domain::outcome::Outcome;
    use crate::domain::record::{Health, Ready};
    use std::time::Duration;

    const PLAIN: Style = Style { level: Level::Plain, color: false, width: None };
    const SIZES: LogSizes = LogSizes { out: Some(104), err: Some(0), watcher: None };

    #[test]
    fn a_running_process_in_full() {
        let mut row = watched("web");
        row.command = vec!["sh".to_owned(), "-c".to_owned(), "exec sleep 300".to_owned()];
        row.usage.as_mut().unwrap().processes = 3;
        assert_eq!(
            render(&row, &SIZES, &PLAIN),
            "  Process:       web
  Status:        online
  PID:           2342
  PGID:          2342
  Command:       sh -c 'exec sleep 300'
  CWD:           /srv
  Started:       2026-11-20T10:00:00Z
  CPU:           0.3%
  MEM:           12.3M (0.1%)
  Processes:     3
  Uptime:        01:02:03
  Stop:          SIGTERM, SIGKILL after 5s
  Sidecar:       PID 2343 (alive)
  Stdout:        104B  /h/logs/web.out.log
  Stderr:        0B    /h/logs/web.err.log
  Watcher log:   -     /h/logs/web.watcher.log

  Watch:
    Enabled:       yes (interval 3s, min-uptime 2s, mode backoff)
    Restarts:      2
    Last restart:  never
    Errored:       no
"
        );
    }

    #[test]
    fn an_errored_process_tells_why_and_shows_the_tail() {
        let mut row = errored("web");
        row.exits.push(Exit::new(at("10:01:00"), Outcome::Unknown, None));
        row.exits.push(Exit {
            shutdown: true,
            ..Exit::new(
                at("10:02:00"),
                Outcome::Signal { signal: Signal::TERM, oom: false },
                Some(Duration::from_secs(60)),
            )
        });
        let page = render(&row, &SIZES, &PLAIN);
        assert!(page.contains("\n  PID:           - (last 2342)\n  PGID:          -\n"), "{page}");
        assert!(page.contains("\n  Stopped:       2026-11-20T10:00:00Z\n"), "{page}");
        let watch = "  Watch:
    Enabled:       yes (interval 3s, min-uptime 2s, mode backoff)
    Restarts:      3
    Last restart:  2026-11-20T09:59:50Z
    Errored:       yes
    Reason:        4 consecutive fast-crashes
    Last stderr:
      kaboom
      \\u{1b}[31mred

  Last exits:
    2026-11-20T10:02:00Z  SIGTERM after 1m (shutdown)
    2026-11-20T10:01:00Z  unknown exit
    2026-11-20T10:00:00Z  exit code 3 after 400ms
";
        assert!(page.ends_with(watch), "{page}");
    }

    #[test]
    fn the_status_line_says_what_and_why() {
        let because = |row: Row, reason: &str| Row { reason: Some(reason.to_owned()), ..row };
        let with = |state, row: Row| Row { state, ..row };
        for (row, expected) in [
            (online("x"), "online"),
            (with(State::Ready, online("x")), "online (ready)"),
            (because(with(State::Unhealthy, online("x")), "HTTP 500"), "online (unhealthy: HTTP 500)"),
            (because(online("x"), "adopted"), "online (adopted)"),
            (with(State::Detached, online("x")), "online (detached)"),
            (Row { end: exited("x").end, ..online("x") }, "online"),
            (
                Row { end: exited("x").end, ..with(State::Detached, online("x")) },
                "online (detached: exit code 3 after 400ms)",
            ),
            (exited("x"), "stopped (exited: exit code 3 after 400ms)"),
            (with(State::Stopped, exited("x")), "stopped"),
            (with(State::Running, exited("x")), "stopped (exit code 3 after 400ms)"),
            (with(State::Backoff, exited("x")), "stopped (backoff: exit code 3 after 400ms)"),
            (errored("x"), "stopped (errored: 4 consecutive fast-crashes)"),
            (because(with(State::Errored, exited("x")), "chdir:\nno"), "stopped (errored: chdir:\\nno)"),
            (because(with(State::Unknown, exited("x")), "no proof"), "unknown (no proof)"),
            (corrupt("x"), "corrupt (EOF at line 1)"),
        ] {
            assert_eq!(status(&row, &PLAIN).0, expected);
            assert!(render(&row, &SIZES, &PLAIN).contains(&format!("  Status:        {expected}\n")));
        }
        let fancy = Style { level: Level::Fancy, ..PLAIN };
        assert_eq!(status(&online("x"), &fancy).0, "● online");
    }

    #[test]
    fn what_is_special_has_a_line() {
        let mut row = exited("x");
        row.state = State::Backoff;
        row.next_restart_at = Some(at("10:00:04"));
        row.degraded = Some("disk full".to_owned());
        row.sidecar = Some((7, false));
        row.settings.stop_signal = Signal::KILL;
        let page = render(&row, &SIZES, &PLAIN);
        for line in [
            "Next restart:  2026-11-20T10:00:04Z",
            "Degraded:      disk full",
            "Sidecar:       PID 7 (dead)",
            "Stop:          SIGKILL\n",
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
        assert!(render(&corrupt("x"), &SIZES, &PLAIN).contains("Record:        /h/procs/x.json"));
        let off = Watch { enabled: false, ..Watch::default() };
        assert!(render(&Row { watch: Some(off), ..online("x") }, &SIZES, &PLAIN).contains("Enabled:       no\n"));
    }

    #[test]
    fn how_it_is_supervised_is_shown_where_it_is_not_as_by_default() {
        let mut row = watched("x");
        row.settings.restart_limit = Some("10/1m".parse().unwrap());
        row.settings.health_port = Some(80);
        row.settings.on_exit = Some("echo \u{1b}".to_owned());
        row.settings.stop_timeout = crate::domain::duration::Span::secs(9);
        row.ready = Some(Ready { at: Some(at("10:00:01")) });
        (row.allocated_port, row.settings.allocate_port) = (Some(40123), Some("PORT".parse().unwrap()));
        row.health = Some(Health { failures: 2, reason: "port 80: refused".to_owned() });
        (row.status_text, row.fast_crashes, row.restarts_left) = (Some("serving".to_owned()), 1, Some(7));
        let page = render(&row, &SIZES, &PLAIN);
        for lines in [
            "\n  Port:          40123 (PORT)\n",
            "\n  Ready:         since 2026-11-20T10:00:01Z\n  Says:          serving\n",
            "\n  Health:        failing, 2 of 3: port 80: refused\n",
            "\n    Fast crashes:  1 of 4\n    Limit:         10/1m, 7 left\n",
            "\n\n  Settings:\n    restart-limit:     10/1m\n    health-port:       80\n    allocate-port:     PORT\n    on-exit:           echo \\u{1b}\n",
        ] {
            assert!(page.contains(lines), "{lines}\n{page}");
        }
        assert!(!page.contains("stop-timeout"), "{page}");
        let page = render(&Row { online: false, ..row }, &SIZES, &PLAIN);
        assert!(!page.contains("Ready:") && !page.contains("Says:") && !page.contains("Health:"), "{page}");
    }

    #[test]
    fn colour_only_paints_and_nothing_harmful_gets_through() {
        for (row, level) in zoo().iter().flat_map(|row| [(row, Level::Plain), (row, Level::Fancy)]) {
            let [on, off] = [true, false].map(|color| render(row, &SIZES, &Style { level, color, width: Some(40) }));
            assert_eq!(strip_colour(&on), off);
            assert!(!off.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{off}");
        }
    }
}
