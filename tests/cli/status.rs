//! `status`: what is, as a table, in detail and as JSON; on terminals of every kind.

use crate::env::{BGO, TestEnv, kill9, wait_until};
use std::fs;

/// One up, one down.
fn two(env: &TestEnv) -> u32 {
    env.start("off", &["sleep", "300"]);
    env.bgo(&["stop", "off"]).ok();
    env.start("web", &["sleep", "300"])
}

/// Whether `text` would do more on a terminal than be shown.
fn has_codes(text: &str) -> bool {
    text.chars().any(|c| c != '\n' && c != '\r' && c.is_control())
}

/// The rows of a box.
fn boxed(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        plain.push_str(&rest[..at]);
        rest = rest[at..].split_once(|c: char| c.is_ascii_alphabetic()).map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    plain.lines().map(|l| l.trim_end().to_owned()).filter(|l| l.starts_with(['┏', '┃', '┣', '┗'])).collect()
}

#[test]
fn without_processes_it_says_so_in_every_form() {
    let env = TestEnv::new();
    for args in [&["status"][..], &["ls"], &["list"], &["status", "--plain"], &["status", "--fancy"]] {
        assert!(!env.bgo(args).ok().stdout.is_empty());
    }
    assert_eq!(env.bgo(&["status", "--json"]).ok().stdout, "[]\n");
    assert!(!env.state().exists(), "looking creates nothing");
}

#[test]
fn the_table_off_a_terminal_is_plain_ascii() {
    let env = TestEnv::new();
    let pid = two(&env);
    for verb in ["status", "ls", "list"] {
        let table = env.bgo(&[verb]).ok().stdout;
        let lines: Vec<&str> = table.lines().collect();
        assert!(table.is_ascii() && !has_codes(&table), "{table}");
        let words: Vec<Vec<&str>> = lines.iter().map(|l| l.split_whitespace().collect()).collect();
        assert_eq!(words[0], ["NAME", "STATUS", "PID", "CPU", "MEM", "UPTIME", "WATCH", "COMMAND"]);
        assert_eq!(words[2][..7], ["off", "stopped", "-", "-", "-", "-", "-"]);
        assert_eq!(words[3][..3], ["web", "online", &*pid.to_string()]);
        assert_eq!(words[3][6], "-");
        assert!(lines[3].ends_with("sleep 300"));
        assert_eq!(lines[5], "Total: 2 | online: 1 | stopped: 1");
        assert_eq!(lines.len(), 6);
    }
}

#[test]
fn the_details_of_one_or_several() {
    let env = TestEnv::new();
    let flags = ["-w", "--interval", "4", "--min-uptime", "6", "--on-fast-crash", "retry", "--stop-signal", "INT"];
    let pid = env.start_with(&flags, "web", &["sh", "-c", "exec sleep 300"]);
    let page = env.bgo(&["status", "web"]).ok().stdout;
    for line in [
        "  Process:       web".to_owned(),
        "  Status:        online".to_owned(),
        format!("  PID:           {pid}"),
        format!("  CWD:           {}", env.work().display()),
        "  Stop:          SIGINT, SIGKILL after 5s".to_owned(),
        format!("  Sidecar:       PID {} (alive)", env.sidecar("web")),
    ] {
        assert!(page.lines().any(|l| l == line), "{line}\n{page}");
    }
    assert!(page.contains("sh -c 'exec sleep 300'\n"), "{page}");
    assert!(page.contains("interval 4s, min-uptime 6s, mode retry"), "{page}");
    env.start("off", &["sleep", "300"]);
    env.bgo(&["stop", "off"]).ok();
    let both = env.bgo(&["status", "web", "nope", "off"]).code(3);
    assert!(both.stdout.contains("Process:       web\n") && both.stdout.contains("Process:       off\n"));
    assert!(both.stdout.contains("  Status:        stopped\n"));
    assert!(both.stderr.starts_with("bgo: no process named \"nope\"\n"));
}

#[test]
fn json_is_an_array_of_rows_sorted_by_name() {
    let env = TestEnv::new();
    let pid = two(&env);
    env.start_with(&["-w"], "api", &["sleep", "300"]);
    let rows = env.rows();
    assert_eq!(rows.iter().map(|r| r["name"].as_str().unwrap()).collect::<Vec<_>>(), ["api", "off", "web"]);
    let (api, off, web) = (&rows[0], &rows[1], &rows[2]);
    for key in ["name", "status", "cpu", "mem", "uptime", "cwd", "started_at", "state"] {
        assert!(rows.iter().all(|r| r[key].is_string()), "{key}");
    }
    for key in ["cpu_percent", "rss_bytes", "uptime_ms", "restarts", "pgid", "sidecar_pid", "stop_timeout"] {
        assert!(web[key].is_number(), "{key}");
    }
    assert_eq!([&web["pid"], &web["pgid"]], [&serde_json::json!(pid); 2]);
    assert!(web["rss_bytes"].as_u64() > Some(0));
    assert_eq!([&off["cpu"], &off["mem"], &off["uptime"]], ["-"; 3]);
    assert_eq!([&api["watch"]["enabled"], &web["watch"]], [&serde_json::json!(true), &serde_json::Value::Null]);
    assert_eq!(web["log_paths"]["stdout"], env.log_path("web", "out").to_string_lossy().as_ref());
}

#[test]
fn json_of_one_name_is_an_object_and_of_several_a_batch() {
    let env = TestEnv::new();
    two(&env);
    assert_eq!(env.bgo(&["status", "web", "--json"]).ok().json()["status"], "online");
    let several = env.bgo(&["status", "web", "off", "--json"]).ok().json();
    assert_eq!((&several["outcome"], &several["success_count"]), (&"success".into(), &2.into()));
    assert_eq!(several["results"][1]["data"]["state"], "stopped");
    let several = env.bgo(&["status", "web", "wbe", "--json"]).code(1).json();
    assert_eq!(several["results"][1]["error"]["type"], "not_found");
    let unknown = env.bgo(&["status", "wbe", "--json"]).code(1);
    let error = unknown.json()["error"].clone();
    assert_eq!([&error["type"], &error["message"]], ["not_found", "no process named \"wbe\""]);
    assert_eq!(error["retryable"], false);
    env.bgo(&["status", "wbe"]).code(3);
    env.bgo(&["status", "--json", "-w"]).code(2);
    env.bgo(&["status", "--interval", "1"]).code(2);
    env.bgo(&["status", "--plain", "--fancy"]).code(2);
}

#[test]
fn cpu_and_memory_are_those_of_the_whole_tree() {
    let env = TestEnv::new();
    env.start_script(&[], "web", "sleep 4244 & setsid sleep 4245 & echo ready; wait");
    wait_until("all three", || env.row("web")["processes"] == 3);
    env.start("one", &["sleep", "300"]);
    assert_eq!(env.row("one")["processes"], 1);
    assert!(env.row("web")["rss_bytes"].as_u64() > env.row("one")["rss_bytes"].as_u64());
}

#[test]
fn a_death_is_seen_at_once() {
    let env = TestEnv::new();
    kill9(env.start("web", &["sleep", "300"]));
    assert_eq!(env.row("web")["status"], "stopped");
    env.wait_state("web", "exited");
    let row = env.row("web");
    assert_eq!([&row["signal"], &row["exit_code"]], [&serde_json::json!("SIGKILL"), &serde_json::Value::Null]);
}

#[test]
fn status_writes_nothing() {
    let env = TestEnv::new();
    two(&env);
    kill9(env.sidecar("web"));
    let look = || {
        let names = ["procs", "logs", "run"].map(|folder| env.entries(folder));
        (names, ["web", "off"].map(|name| fs::read(env.record_path(name)).unwrap()))
    };
    let before = look();
    for args in [&["status"][..], &["status", "--json"], &["web"], &["status", "off"], &["nope"]] {
        env.bgo(args);
    }
    assert_eq!(look(), before);
}

#[test]
fn a_record_that_cannot_be_read_is_a_row_and_stops_nothing_else() {
    for text in ["{\"name\": \"bad\", \"pid\": 12", "", "[]", "null", "\u{1b}[31m", "{\"name\": 5}"] {
        let env = TestEnv::new();
        let pid = env.start("good", &["sleep", "300"]);
        env.put_record("bad", text);
        let row = env.row("bad");
        assert_eq!(row["state"], "corrupt", "{text:?}");
        assert_eq!(row["record_path"], env.record_path("bad").to_string_lossy().as_ref());
        assert_eq!(env.row("good")["pid"], pid);
        let table = env.bgo(&["status"]).ok().stdout;
        assert!(table.contains("corrupt") && table.contains("good") && !has_codes(&table), "{table}");
        env.bgo(&["bad"]);
        for args in
            [&["stop", "bad"][..], &["restart", "bad"], &["watch", "bad"], &["start", "bad", "--", "sleep", "1"]]
        {
            let refused = env.bgo(args).code(1);
            assert!(refused.stderr.contains("bad.json"), "{args:?}: {}", refused.stderr);
        }
        env.bgo(&["stop", "good"]).ok();
        env.bgo(&["start", "other", "--", "sleep", "300"]).ok();
        assert_eq!(fs::read_to_string(env.record_path("bad")).unwrap(), text, "never overwritten");
    }
}

#[test]
fn escape_codes_never_reach_the_terminal() {
    let env = TestEnv::new();
    let evil = "\x1b[31mred\x07\x1b]0;title\x07\u{9b}2J\u{202e}\r\n";
    env.start("web", &["sh", "-c", "exec sleep 300", evil]);
    env.start_with(
        &["-w", "--min-uptime", "1h", "--on-fast-crash", "stop"],
        "bad",
        &["sh", "-c", "printf '\\033[31mkaboom\\007' >&2; exit 3"],
    );
    env.wait_state("bad", "errored");
    for args in [
        &["status"][..],
        &["status", "--fancy"],
        &["status", "--json"],
        &["web"],
        &["bad"],
        &["status", "web", "--json"],
        &["\x1b[31mx"],
        &["stop", "\x1b[31mx\u{9b}"],
        &["start", "n", "--", "/no/\x1b[31m\u{9b}file"],
        &["start", "--cwd", "/no/\x1b[31m", "n", "--", "sleep"],
        &["start", "f", "--", "sh", "-c", "printf '\\033[31mlast words\\n' >&2; exit 3"],
    ] {
        let shown = env.bgo(args);
        for text in [shown.stdout, shown.stderr] {
            assert!(!has_codes(&text) && !text.contains('\u{202e}'), "{args:?}: {text:?}");
        }
    }
    assert_eq!(env.row("web")["command"][3], evil, "JSON keeps the meaning");
}

#[test]
fn the_kind_of_table_follows_the_terminal() {
    let env = TestEnv::new();
    two(&env);
    let on = |vars: &[(&str, &str)], args: &[&str]| {
        let command = env.cmd(&[&["status"], args].concat());
        let command = vars.iter().fold(command, |c, (key, value)| c.var(key, value));
        command.on_terminal(120).finish().ok().stdout
    };
    for vars in [&[("LANG", "en_US.UTF-8")][..], &[("LANG", "C"), ("LC_ALL", "C.utf8")]] {
        let fancy = on(vars, &[]);
        assert!(fancy.contains('┏') && fancy.contains("\x1b["), "{vars:?} {fancy}");
    }
    for vars in [&[("LC_ALL", "C")][..], &[("LANG", "C")], &[("LANG", "")], &[("LC_ALL", "en_US.ISO-8859-1")]] {
        let normal = on(vars, &[]);
        assert!(normal.is_ascii() && normal.contains("\x1b["), "{vars:?} {normal}");
    }
    for (vars, args) in [
        (&[][..], &["--plain"][..]),
        (&[("TERM", "dumb")], &[]),
        (&[("BGO_TABLE", "plain")], &[]),
        (&[("BGO_TABLE", "fancy")], &["--plain"]),
    ] {
        let plain = on(vars, args);
        assert!(plain.is_ascii() && !has_codes(&plain) && plain.contains("NAME"), "{vars:?} {plain}");
    }
}

#[test]
fn flags_and_variables_choose_the_table_off_a_terminal() {
    let env = TestEnv::new();
    two(&env);
    let with =
        |table: &str, args: &[&str]| env.cmd(&[&["status"], args].concat()).var("BGO_TABLE", table).run().ok().stdout;
    assert!(with("fancy", &[]).contains('┏'));
    assert!(with("plain", &["--fancy"]).contains('┏'));
    assert!(with("fancy", &["--plain"]).is_ascii());
    assert!(!with("normal", &[]).contains('┏'));
    assert!(with("bogus", &[]).is_ascii());
}

#[test]
fn colour_is_for_terminals_unless_told_otherwise() {
    let env = TestEnv::new();
    two(&env);
    let coloured = |text: &str| text.contains("\x1b[");
    for args in [&["status", "--color", "always"][..], &["--color=always", "status"], &["--color", "always", "web"]] {
        assert!(coloured(&env.bgo(args).ok().stdout), "{args:?}");
    }
    for args in [&["status"][..], &["status", "--color", "auto"], &["status", "--color", "never"], &["web"]] {
        assert!(!coloured(&env.bgo(args).ok().stdout), "{args:?}");
    }
    let on_terminal =
        |args: &[&str], no_color: &str| env.cmd(args).var("NO_COLOR", no_color).on_terminal(120).finish().ok().stdout;
    assert!(coloured(&on_terminal(&["status"], "")), "an empty NO_COLOR counts as none");
    assert!(!coloured(&on_terminal(&["status"], "1")));
    assert!(on_terminal(&["status"], "1").contains('┏'), "only the colour goes");
    assert!(!coloured(&on_terminal(&["status", "--color", "never"], "")));
    assert!(coloured(&on_terminal(&["status", "--color", "always"], "1")), "the flag wins");
    env.bgo(&["status", "--color", "bogus"]).code(2);
}

#[test]
fn it_fits_narrow_terminals_and_shows_that_something_was_cut() {
    let env = TestEnv::new();
    two(&env);
    env.start("a-rather-long-name-of-a-process", &["sh", "-c", "exec sleep 300", &"x".repeat(200)]);
    for columns in [40, 60, 110] {
        let plain = env.cmd(&["status", "--plain"]).var("COLUMNS", columns.to_string()).run().ok().stdout;
        assert!(plain.lines().all(|l| l.chars().count() <= columns), "{columns}\n{plain}");
        assert!(plain.contains("..."), "{plain}");
        let fancy = env.cmd(&["status"]).on_terminal(u16::try_from(columns).unwrap()).finish().ok().stdout;
        let widths: Vec<usize> = boxed(&fancy).iter().map(|l| l.chars().count()).collect();
        assert!(
            widths.len() >= 6 && widths.iter().all(|&w| w == widths[0] && w <= columns),
            "{columns} {widths:?}\n{fancy}"
        );
    }
    let page = env.cmd(&["web"]).var("COLUMNS", "40").run().ok();
    assert!(page.stdout.contains("sleep 300"));
}

#[test]
fn wide_names_line_up() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.start("日本語サーバー", &["sleep", "300"]);
    let table = env.bgo(&["status"]).ok().stdout;
    let cells = |text: &str| text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum::<usize>();
    let columns: Vec<usize> = table.lines().filter_map(|l| Some(cells(&l[..l.find("online")?]))).take(2).collect();
    assert_eq!(columns, [columns[0]; 2], "{table}");
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let env = TestEnv::new();
    two(&env);
    for args in ["status", "status --json", "web", "--help", "logs web --watcher", "completions bash"] {
        let script = format!("{{ {BGO} {args}; echo $? >&3; }} 3>code | true; cat code");
        let seen = env.program("sh", &["-c", &script]).run().ok();
        seen.says("0\n", "");
        let closed = env.program("sh", &["-c", &format!("{BGO} {args} >&-")]).run();
        assert!(!closed.stderr.contains("panicked"), "{args}: {}", closed.stderr);
    }
}

#[test]
fn watching_refreshes_until_ctrl_c() {
    let env = TestEnv::new();
    let pid = two(&env);
    let mut terminal = env.cmd(&["status", "-w", "--interval", "100ms"]).on_terminal(120);
    wait_until("three frames", || terminal.screen().matches("NAME").count() >= 3);
    env.bgo(&["stop", "web"]).ok();
    terminal.wait_for("online: 0");
    env.start("fresh", &["sleep", "300"]);
    terminal.wait_for("fresh");
    terminal.send("\x03");
    let ended = terminal.finish().code(130);
    assert!(!ended.stdout.contains("panicked"));
    assert!(ended.stdout.contains(&pid.to_string()));
    env.bgo(&["status", "-w", "--interval", "0"]).code(2);
}

#[test]
fn watching_some_shows_only_those_and_ends_with_its_reader() {
    let env = TestEnv::new();
    two(&env);
    let script = format!("{BGO} status -w --interval 50ms web | head -n 12");
    let seen = env.program("sh", &["-c", &script]).run().ok();
    assert!(seen.stdout.matches("Total: 1").count() >= 2 && !seen.stdout.contains("off"), "{}", seen.stdout);
    env.bgo(&["status", "-w", "nope"]).code(3);
}

#[test]
fn a_hundred_processes_are_listed() {
    let env = TestEnv::new();
    let pid = env.start("web", &["sleep", "300"]);
    let record = fs::read_to_string(env.record_path("web")).unwrap();
    for i in 0..99 {
        let name = format!("p{i:02}");
        env.put_record(&name, &record.replace("\"name\": \"web\"", &format!("\"name\": \"{name}\"")));
    }
    let rows = env.rows();
    assert_eq!(rows.len(), 100);
    assert!(rows.iter().all(|row| row["status"] == "online" && row["pid"] == pid));
    let names: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted());
}
