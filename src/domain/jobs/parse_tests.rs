//! Files of jobs, good and bad.

use super::*;
use crate::domain::duration::Span;
use crate::domain::settings::{Change, Restart, RestartOn};
use crate::domain::size::Size;

fn good(text: &str) -> JobFile {
    parse(text, Dialect::Bgo).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// What is wrong, one `line:column: what` a line, with the hint after a bar.
fn bad(text: &str) -> String {
    let problems = parse(text, Dialect::Bgo).expect_err("a problem");
    let shown = |problem: &Problem| match problem.hint.as_str() {
        "" => problem.to_string(),
        hint => format!("{problem} | {hint}"),
    };
    problems.iter().map(shown).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_job_is_what_flags_would_ask_for() {
    let file = good(
        r#"
project = "shop"
[jobs.web]
cmd = "python3 -m http.server"
cwd = "web"
env = { PORT = 8000, DEBUG = true, NAME = "x" }
restart = "on-failure"
min-uptime = "500ms"
ready-when-port = 8000
max-rss = "500M"
success-exit = [0, 143]
stop-timeout = 2.5
[jobs.db]
cmd = ["postgres", "-D", "data dir"]
"#,
    );
    assert_eq!(file.project.as_ref().map(Name::as_str), Some("shop"));
    assert_eq!(file.jobs.iter().map(|job| job.name.as_str()).collect::<Vec<_>>(), ["web", "db"]);
    let web = file.job("web").unwrap();
    assert_eq!(web.command, ["python3", "-m", "http.server"]);
    assert_eq!(web.cwd.as_deref(), Some("web"));
    let mut env: Vec<String> = web.env.iter().map(|(key, value)| format!("{key}={value}")).collect();
    env.sort();
    assert_eq!(env, ["DEBUG=true", "NAME=x", "PORT=8000"]);
    assert_eq!(web.supervision.restart, Some(Restart::OnFailure));
    assert_eq!(web.supervision.watch.min_uptime, Some(Span(std::time::Duration::from_millis(500))));
    let settings = Change {
        restart_on: Some(RestartOn::OnFailure),
        ready_when_port: Some(Some(8000)),
        max_rss: Some(Some(Size(500 << 20))),
        success_exit: Some("0,143".parse().unwrap()),
        stop_timeout: Some(Span(std::time::Duration::from_millis(2500))),
        ..Change::default()
    };
    assert_eq!(web.supervision.settings, settings);
    assert_eq!(file.job("db").unwrap().command, ["postgres", "-D", "data dir"]);
}

#[test]
fn a_list_may_be_given_as_its_only_element() {
    let file = good("[jobs]\na = { cmd = 'x' }\nb = { cmd = 'x', after = 'a' }\nc = { cmd = 'x', after = ['b', 'a'] }");
    assert_eq!(file.job("b").unwrap().after(), ["a"]);
    assert_eq!(file.job("c").unwrap().after(), ["b", "a"]);
    assert_eq!(file.job("a").unwrap().after(), [] as [&str; 0]);
}

#[test]
fn defaults_hold_where_a_job_says_nothing() {
    let file = good(
        r#"
[defaults]
restart = "always"
ready-when-port = 1
env = { A = "1", B = "1" }
[jobs.a]
cmd = "x"
[jobs.b]
cmd = "x"
ready-when = "up"
env = { B = "2" }
"#,
    );
    let (a, b) = (file.job("a").unwrap(), file.job("b").unwrap());
    assert_eq!(a.supervision.settings.ready_when_port, Some(Some(1)));
    assert_eq!(b.supervision.restart, Some(Restart::Always));
    assert_eq!(b.supervision.settings.ready_when_port, None, "its own readiness takes the place of the default");
    assert_eq!(b.supervision.settings.ready_when, Some(Some("up".into())));
    let pairs = [("A", "1"), ("B", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(b.env, pairs);
}

#[test]
fn every_problem_is_named_with_its_place() {
    for (text, problems) in [
        (
            "[jobs.web]\nredy-when = 'x'\ncmd = 'y'",
            "2:1: unknown key \"redy-when\" in [jobs.web] | did you mean \"ready-when\"?",
        ),
        (
            "[jobs.web]\ncmd = 'y'\nready_when = 'x'",
            "3:1: unknown key \"ready_when\" in [jobs.web] | did you mean \"ready-when\"?",
        ),
        ("[job.web]\ncmd = 'y'", "1:2: unknown key \"job\" | did you mean \"jobs\"?"),
        ("[jobs.web]", "1:7: [jobs.web] has no command | cmd = \"…\""),
        ("", "1:1: there is no job | [jobs.web] with cmd = \"…\" makes one"),
        ("[jobs.web]\ncmd = 1", "2:7: \"cmd\" cannot be 1: expected a text in quotes, or a list of such"),
        ("[jobs.web]\ncmd = ['a', 1]", "2:7: \"cmd\" cannot be ['a', 1]: expected a text in quotes, or a list of such"),
        ("[jobs.web]\ncmd = \"a 'b\"", "2:7: \"cmd\" cannot be \"a 'b\": a ' is not closed"),
        ("[jobs.web]\ncmd = []", "2:7: \"cmd\" cannot be []: it is empty"),
        (
            "[jobs.web]\ncmd = 'x'\nhealth-interval = 'soon'",
            "3:19: \"health-interval\" cannot be 'soon': \"soon\" is not a duration such as 3 (seconds), 500ms, 2m or 1h30m; expected a time such as 30, \"500ms\" or \"2m\"",
        ),
        ("[jobs.web]\ncmd = 'x'\nnice = 'low'", "3:8: \"nice\" cannot be 'low': expected a whole number"),
        (
            "[jobs.web]\ncmd = 'x'\nready-when-port = 70000",
            "3:19: \"ready-when-port\" cannot be 70000: expected a whole number from 0 to 65535",
        ),
        (
            "[jobs.web]\ncmd = 'x'\nrestart = 'often'",
            "3:11: \"restart\" cannot be 'often': expected \"no\", \"on-failure\" or \"always\"",
        ),
        (
            "[jobs.web]\ncmd = 'x'\nafter = 1",
            "3:9: \"after\" cannot be 1: expected a text in quotes, or a list of such",
        ),
        (
            "[jobs.web]\ncmd = 'x'\nlog-compress = 'yes'",
            "3:16: \"log-compress\" cannot be 'yes': expected true or false",
        ),
        ("[jobs.web]\ncmd = 'x'\nenv = { A = [1] }", "3:7: the variable \"A\" cannot be a table or a list"),
        (
            "[jobs.web]\ncmd = 'x'\nenv = 'A=1'",
            "3:7: \"env\" cannot be 'A=1': expected a table such as { PORT = \"80\" }",
        ),
        (
            "[jobs.web]\ncmd = 'x'\nready-when = 'up'\nready-when-port = 1",
            "4:1: ready-when \"up\" and ready-when-port 1 exclude each other: one way to tell readiness at most",
        ),
        (
            "[jobs.web]\ncmd = 'x'\npty = true",
            "3:1: \"pty\": bgo cannot give a process a terminal yet | leave it out; script -qec COMMAND /dev/null runs a command in one",
        ),
        ("[jobs.web]\ncmd = 'x'\ngroupp = 'x'\ngroupq='y'", ""),
        (
            "[jobs.web]\ncmd = 'x'\nmax-rss = '1G'\nmax-rss-mb = 5",
            "4:1: \"max-rss\" and \"max-rss-mb\" are the same | leave one of them out",
        ),
        (
            "[jobs.web]\ncmd = 'x'\nafter = ['db', 'wbe']\n[jobs.db]\ncmd = 'x'",
            "3:16: \"web\" is after \"wbe\", and there is no such job | did you mean \"web\"?",
        ),
        (
            "[jobs.web]\ncmd = 'x'\nafter = 'web'",
            "3:9: \"web\" is after itself: web after web | leave one of these out",
        ),
        (
            "[jobs]\na = { cmd = 'x', after = 'b' }\nb = { cmd = 'x', after = ['c'] }\nc = { cmd = 'x', after = 'a' }",
            "2:26: \"a\" is after itself: a after b after c after a | leave one of these out",
        ),
        ("[jobs.'a/b']\ncmd = 'x'", "1:7: \"a/b\" cannot be a name: a name must not contain '/'"),
        ("[jobs]\nweb = 'x'", "2:7: \"web\" cannot be a text: expected a table"),
        ("[defaults]\ncmd = 'x'\n[jobs.a]\ncmd = 'x'", "2:1: \"cmd\" cannot be a default | each job has its own"),
        (
            "[jobs.web]\ncmd = 'x'\nbackoff = '1s'",
            "3:1: backoff means nothing without a restart policy: add restart always or restart on-failure",
        ),
        (
            "[jobs.web]\ncmd = 'x'\noneshot = true\nready-when = 'x'",
            "4:1: oneshot and ready-when \"x\" exclude each other: what needs it waits for its end, or for that",
        ),
    ] {
        if !problems.is_empty() {
            assert_eq!(bad(text), problems, "{text}");
        }
    }
    let both = bad("[jobs.web]\nredy-when = 'x'\n[jobs.api]\ncmd = 2");
    assert_eq!(both.lines().count(), 3, "all at once: {both}");
}

#[test]
fn what_is_no_toml_is_refused_with_its_place() {
    for (text, place) in
        [("[jobs.web\ncmd = 'x'", "1:"), ("[jobs.web]\ncmd = 'x", "2:"), ("[jobs.web]\ncmd = 'x'\ncmd = 'y'", "3:1")]
    {
        let why = bad(text);
        assert!(why.starts_with(place), "{text}: {why}");
    }
}

#[test]
fn the_keys_of_bgrun_all_work() {
    let text = r#"
[jobs.db]
cmd = "sleep 60"
ready-when-port = 5432
workspace = "app"
pty = false
max-rss-mb = 512
max-runtime-ms = 1500
allocate = 1
"#;
    assert!(bad(text).contains("unknown key \"allocate\""));
    let text = r#"
[jobs.db]
cmd = "sleep 60"
ready-when-file = "f"
ready-when-port = 5432
max-rss-mb = 512
max-runtime-ms = 1500
restart = "on-crash"
backoff-ms = 20000
max-retries = 3
health-check-port = 5432
health-interval-secs = 30
health-threshold = 5
log-max-size = "10M"
log-keep = 2
[jobs.migrate]
cmd = "true"
after = "db"
restart = "never"
[jobs.web]
cmd = "sleep 60"
after = ["migrate"]
"#;
    let file = parse(text, Dialect::Bgrun).unwrap();
    let db = &file.job("db").unwrap().supervision;
    assert_eq!(db.restart, Some(Restart::OnFailure));
    assert_eq!(db.settings.ready_when_port, Some(Some(5432)));
    assert_eq!(db.settings.ready_when_file, None, "the port comes first");
    assert_eq!(db.settings.max_rss, Some(Some(Size(512 << 20))));
    assert_eq!(db.settings.max_runtime, Some(Some(Span(std::time::Duration::from_millis(1500)))));
    assert_eq!(db.settings.backoff, Some(Span::secs(20)));
    assert_eq!(db.settings.backoff_max, Some(Span::secs(300)));
    assert_eq!(db.settings.max_fast_crashes, Some(4));
    assert_eq!(db.settings.health_port, Some(Some(5432)));
    assert_eq!(db.settings.health_interval, Some(Span::secs(30)));
    assert_eq!(db.settings.oneshot, None, "it has a readiness");
    assert_eq!(file.job("migrate").unwrap().supervision.settings.oneshot, Some(true), "web waits for its end");
    assert_eq!(file.job("web").unwrap().supervision.settings.oneshot, None, "nothing waits for it");
    let warnings: Vec<String> = file.warnings.iter().map(Problem::to_string).collect();
    assert_eq!(warnings, ["4:1: \"ready-when-file\" is not used: \"ready-when-port\" comes first"]);
}

#[test]
fn a_fingerprint_changes_with_what_is_said_and_with_nothing_else() {
    let print = |text: &str| good(text).job("a").unwrap().fingerprint.clone();
    let one = print("[jobs.a]\ncmd = 'x'\nnice = 5");
    assert_eq!(one, print("# new\n[jobs.a]\nnice=5 # same\ncmd = \"x\"\n[jobs.b]\ncmd = 'y'"));
    assert_eq!(one, print("[defaults]\nnice = 5\n[jobs.a]\ncmd = 'x'"));
    assert_ne!(one, print("[jobs.a]\ncmd = 'x'\nnice = 6"));
    assert_ne!(one, print("[jobs.a]\ncmd = 'x y'\nnice = 5"));
}

#[test]
fn the_schema_knows_every_key() {
    let schema = schema();
    let properties = schema["properties"]["jobs"]["additionalProperties"]["properties"].as_object().unwrap();
    for key in keys::all() {
        assert!(properties.contains_key(&key), "{key}");
    }
    for (key, property) in properties {
        assert!(property["description"].as_str().is_some_and(|text| text.ends_with('.')), "{key}: {property}");
    }
}
