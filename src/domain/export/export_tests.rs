//! What becomes of every setting, in every format.

use super::super::settings::{NAMES, Settings};
use super::fates::{FATES, Fate, fate};
use super::job::KERNEL_LIMIT;
use super::*;
use serde_json::{Map as Json, Value, json};

/// A value of each setting that is not its default, and what it means something with.
fn values() -> Vec<(&'static str, Value, Value)> {
    let none = || json!({});
    let cmd = || json!({"ready_when_cmd": "true"});
    let health = || json!({"health_port": 80});
    let files = || json!({"watch_files": ["src"]});
    vec![
        ("stop_signal", json!("HUP"), none()),
        ("stop_timeout", json!(30), none()),
        ("restart_on", json!("on-failure"), none()),
        ("success_exit", json!([0, 143]), json!({"restart_on": "on-failure"})),
        ("backoff", json!(5), none()),
        ("backoff_max", json!(300), none()),
        ("backoff_jitter", json!(20), none()),
        ("max_fast_crashes", json!(9), none()),
        ("restart_limit", json!("10/1m"), none()),
        ("restart_every", json!(3600), none()),
        ("ready_when", json!("up"), none()),
        ("ready_when_regex", json!("u."), none()),
        ("ready_when_port", json!(80), none()),
        ("ready_when_url", json!("http://localhost/"), none()),
        ("ready_when_file", json!("ready"), none()),
        ("ready_when_cmd", json!("true"), none()),
        ("ready_when_notify", json!(true), none()),
        ("ready_timeout", json!(7), cmd()),
        ("on_ready_timeout", json!("keep"), cmd()),
        ("health_url", json!("http://localhost/"), none()),
        ("health_port", json!(80), none()),
        ("health_cmd", json!("true"), none()),
        ("health_interval", json!(7), health()),
        ("health_timeout", json!(7), health()),
        ("health_threshold", json!(7), health()),
        ("health_grace", json!(7), health()),
        ("watchdog", json!(30), none()),
        ("max_rss", json!("500M"), none()),
        ("max_runtime", json!(60), none()),
        ("nice", json!(5), none()),
        ("limit_nofile", json!(1024), none()),
        ("umask", json!("027"), none()),
        ("user", json!("nobody"), none()),
        ("env_file", json!([".env"]), none()),
        ("config_env", json!(true), none()),
        ("allocate_port", json!("PORT"), none()),
        ("log_max_size", json!("1M"), none()),
        ("log_keep", json!(9), none()),
        ("log_compress", json!(true), none()),
        ("stdout", json!("out"), none()),
        ("stderr", json!("err"), none()),
        ("merge_logs", json!(true), json!({"stdout": "out"})),
        ("after", json!(["db"]), none()),
        ("restart_with_dependency", json!(true), json!({"after": ["db"]})),
        ("oneshot", json!(true), none()),
        ("watch_files", json!(["src"]), none()),
        ("watch_ignore", json!(["*.db"]), files()),
        ("watch_poll", json!(true), files()),
        ("watch_signal", json!("HUP"), files()),
        ("on_exit", json!("true"), none()),
        ("on_ready", json!("true"), cmd()),
        ("on_errored", json!("true"), none()),
        ("notify", json!(true), none()),
        ("autostart", json!("never"), none()),
        ("scope", json!(true), none()),
        ("stdin", json!(true), none()),
        ("group", json!("api"), none()),
        ("owner", json!("claude"), none()),
        ("tags", json!(["ci"]), none()),
        ("ttl", json!(7200), none()),
        ("until_pid", json!(17), none()),
    ]
}

fn process(settings: Value) -> Process {
    let settings: Settings = serde_json::from_value(settings).unwrap();
    Process { restarts: true, ..Process::new("web", vec!["/bin/true".into()], "/srv".into(), settings) }
}

fn options(format: Format) -> Options {
    let images = if format.has_images() { vec![(None, "image".to_owned())] } else { Vec::new() };
    Options { images, ..Options::default() }
}

fn named(name: &str, process: Process) -> Process {
    Process { name: name.to_owned(), ..process }
}

/// `process` between one that it may need and one that needs it.
fn among_others(format: Format, process: Process) -> Exported {
    let (db, late) = (self::process(json!({})), self::process(json!({"after": ["web"]})));
    export(format, &[named("db", db), process, named("late", late)], &options(format)).unwrap()
}

fn exported(format: Format, process: Process) -> Exported {
    export(format, &[process], &options(format)).unwrap()
}

/// What the files say, comments aside.
fn said(exported: &Exported) -> Vec<Map> {
    fn strip(map: &mut Map) {
        for entry in map {
            entry.comments.clear();
            if let Node::Map(inner) = &mut entry.value {
                strip(inner);
            }
        }
    }
    let mut maps: Vec<Map> = exported.files.iter().flat_map(|f| &f.documents).map(|d| d.map.clone()).collect();
    maps.iter_mut().for_each(strip);
    maps
}

#[track_caller]
fn holds(format: Format, setting: &str, before: Process, after: Process) {
    let (before, after) = (among_others(format, before), among_others(format, after));
    let is_said = said(&before) != said(&after);
    let note = after.notes.iter().find(|note| note.setting == setting && note.process == "web");
    let what = format!("{setting} in {}: {note:?}", format.word());
    match fate(format, setting) {
        Fate::Mapped => assert!(is_said && note.is_none_or(|note| note.is_mapped), "{what}"),
        Fate::Depends => assert!(is_said || note.is_some(), "{what}"),
        Fate::Lost(why) => {
            let note = note.unwrap_or_else(|| panic!("{what}"));
            assert!(!note.is_mapped && note.why == why && !is_said, "{what}");
        }
    }
    let all: String = after.files.iter().map(|file| format!("{file:?}")).collect();
    for text in after.notes.iter().map(Note::text) {
        assert!(all.contains(&format!("{text:?}")), "a comment says what a note does: {text}");
    }
}

#[test]
fn nothing_is_dropped_in_silence() {
    let decided: Vec<&str> = FATES.iter().map(|(name, _)| *name).collect();
    let all = [NAMES, &["interval", "min_uptime", "on_fast_crash"]].concat();
    for name in &all {
        assert!(decided.contains(name), "{name}: decide in fates.rs what becomes of it in each format");
    }
    assert_eq!(decided.len(), all.len());
    let values = values();
    for name in NAMES {
        let known = values.iter().find(|(known, ..)| known == name);
        let (_, value, context) =
            known.unwrap_or_else(|| panic!("{name}: give it a value here, to try what was decided"));
        let mut with: Json<String, Value> = context.as_object().unwrap().clone();
        with.insert((*name).to_owned(), value.clone());
        for format in Format::ALL {
            holds(format, name, process(context.clone()), process(Value::Object(with.clone())));
        }
    }
    let plain = || process(json!({}));
    for format in Format::ALL {
        holds(format, "interval", plain(), Process { interval: Span::secs(9), ..plain() });
        holds(format, "min_uptime", plain(), Process { min_uptime: Span::secs(9), ..plain() });
        holds(format, "on_fast_crash", plain(), Process { on_fast_crash: FastCrash::Stop, ..plain() });
    }
}

#[test]
fn what_is_as_it_always_is_needs_no_note() {
    // The start limit, the driver and what comes up at login differ for everybody.
    for (format, differing) in [
        (Format::Systemd, &["max_fast_crashes", "autostart"][..]),
        (Format::Nomad, &["command"]),
        (Format::Launchd, &["stdout"]),
    ] {
        let notes = exported(format, process(json!({}))).notes;
        assert_eq!(notes.iter().map(|note| note.setting).collect::<Vec<_>>(), differing, "{}", format.word());
    }
}

#[test]
fn a_secret_is_in_no_file() {
    let env = [("TOKEN", "geheim"), ("DB", "pg://u:geheim@h"), ("A", "1")];
    for format in Format::ALL {
        let env = env.map(|(name, value)| (name.into(), value.into())).to_vec();
        let exported = exported(format, Process { env, ..process(json!({})) });
        assert!(!format!("{:?}", exported.files).contains("geheim"), "{}", format.word());
        let note = exported.notes.iter().find(|note| note.setting == "env").unwrap();
        assert!(note.why.starts_with("TOKEN, DB: "), "{}", note.why);
    }
}

#[test]
fn what_is_no_text_is_refused() {
    for format in Format::ALL {
        let command = vec!["/bin/echo".into(), Raw::from(b"\xff".to_vec())];
        let process = Process::new("web", command, "/srv".into(), Settings::default());
        let error = export(format, &[process], &options(format)).unwrap_err();
        assert_eq!(
            error.message(),
            format!(
                "cannot export \"web\" as {}: its command is not UTF-8, which such a file has to be",
                format.noun()
            )
        );
    }
}

#[test]
fn containers_need_an_image() {
    let web = process(json!({}));
    let refused = |images: Vec<(Option<String>, String)>| {
        let options = Options { images, ..Options::default() };
        export(Format::K8s, std::slice::from_ref(&web), &options).unwrap_err().message()
    };
    assert!(refused(Vec::new()).starts_with("no image is named for \"web\""));
    let stranger = (Some("wep".to_owned()), "x".to_owned());
    assert!(refused(vec![stranger]).contains("\"wep\" is not exported"));
}

#[test]
fn what_ends_by_itself_and_is_needed_by_nobody_is_a_batch_of_nomad() {
    let oneshot = process(json!({"oneshot": true}));
    let task = Process { restarts: false, ..named("task", oneshot) };
    let files = export(Format::Nomad, &[task, process(json!({}))], &Options::default()).unwrap().files;
    let names: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.processes.join(" "))).collect();
    assert_eq!(names, [("bgo.nomad.hcl", "web".to_owned()), ("bgo-batch.nomad.hcl", "task".to_owned())]);
}

/// What the only file of `exported` says at `path`: keys, or labels of blocks.
fn at<'e>(exported: &'e Exported, path: &str) -> Option<&'e Node> {
    let map = &exported.files.first()?.documents.first()?.map;
    let (mut map, mut found): (&Map, Option<&Node>) = (map, None);
    for part in path.split('/') {
        if let Some(Node::Map(inner)) = found {
            map = inner;
        }
        let is_it = |entry: &&Entry| entry.label.as_deref().unwrap_or(&entry.key) == part;
        found = Some(&map.iter().find(is_it)?.value);
    }
    found
}

fn text(exported: &Exported, path: &str) -> String {
    match at(exported, path) {
        None => String::new(),
        Some(Node::Text(text)) => text.clone(),
        Some(Node::Number(number)) => number.to_string(),
        Some(other) => format!("{other:?}"),
    }
}

fn why(exported: &Exported, setting: &str) -> Vec<String> {
    exported.notes.iter().filter(|note| note.setting == setting).map(|note| note.why.clone()).collect()
}

/// What Nomad refuses a job for: `Task.Validate` and `RestartPolicy.Validate`.
#[test]
fn nomad_takes_the_numbers_of_logs_and_restarts() {
    for settings in [
        json!({}),
        json!({"log_max_size": "1G", "log_keep": 9}),
        json!({"log_max_size": 0}),
        json!({"restart_limit": "10/1m", "backoff": 10}),
        json!({"restart_limit": "1000/1s", "backoff": 3600}),
        json!({"max_fast_crashes": 1}),
    ] {
        for on_fast_crash in [FastCrash::Backoff, FastCrash::Retry, FastCrash::Stop] {
            let web = Process { on_fast_crash, ..process(settings.clone()) };
            let exported =
                export(Format::Nomad, &[web, named("db", process(json!({"after": ["web"]})))], &Options::default());
            let exported = exported.unwrap();
            let said = |path: &str| text(&exported, &format!("bgo/db/{path}"));
            let number = |path: &str| said(path).parse::<u64>().ok();
            let millis = |path: &str| said(path).parse::<Span>().unwrap().0.as_millis();
            let logs = |task: &str| {
                let files = number(&format!("{task}/logs/max_files"));
                // By its own defaults ten files of 10 MiB.
                files.map_or(100, |files| files * number(&format!("{task}/logs/max_file_size")).unwrap())
            };
            let size = number("ephemeral_disk/size").unwrap();
            assert!(size > logs("web") + logs("db"), "{settings}: {size}");
            let attempts = number("web/restart/attempts").unwrap();
            let interval = millis("web/restart/interval");
            assert!(u128::from(attempts) * millis("web/restart/delay") <= interval && interval >= 5000, "{settings}");
            let mode = said("web/restart/mode");
            assert!(mode == "fail" || attempts > 0, "{settings}: {mode} {attempts}");
        }
    }
}

#[test]
fn what_is_to_end_is_never_the_main_task_of_what_stays() {
    let steps = |all: &[(&str, bool, &[&str])]| -> String {
        let one = |(name, oneshot, after): &(&str, bool, &[&str])| Process {
            restarts: false,
            ..named(name, process(json!({"oneshot": oneshot, "after": after})))
        };
        let all: Vec<Process> = all.iter().map(one).collect();
        let exported = export(Format::Nomad, &all, &Options::default()).unwrap();
        assert_eq!(exported.files.len(), 1);
        let group = &all[all.len() - 1].name;
        let root = exported.files[0].documents[0].map[0].label.clone().unwrap();
        let hook = |process: &Process| match text(&exported, &format!("{root}/{group}/{}/lifecycle/hook", process.name))
        {
            hook if hook.is_empty() => "main".to_owned(),
            hook => hook,
        };
        format!("{root}: {}", all.iter().map(hook).collect::<Vec<_>>().join(" "))
    };
    let (stays, ends) = (false, true);
    assert_eq!(steps(&[("db", stays, &[]), ("migrate", ends, &["db"])]), "bgo: main poststart");
    assert_eq!(
        steps(&[("db", stays, &[]), ("migrate", ends, &["db"]), ("web", stays, &["db", "migrate"])]),
        "bgo: prestart prestart main"
    );
    assert_eq!(
        steps(&[("db", stays, &[]), ("web", stays, &["db"]), ("seed", ends, &["db"])]),
        "bgo: prestart main poststart"
    );
    assert_eq!(steps(&[("a", stays, &[]), ("b", ends, &["a"]), ("c", ends, &["b"])]), "bgo: main poststart poststart");
    assert_eq!(steps(&[("a", ends, &[]), ("b", ends, &["a"])]), "bgo-batch: prestart main");
    // Records can need each other.
    steps(&[("a", ends, &["b"]), ("b", ends, &["a"])]);
}

#[test]
fn a_start_limit_ends_what_crashes_and_not_what_runs_long_enough() {
    let unit = exported(Format::Systemd, process(json!({})));
    assert_eq!(text(&unit, "Unit/StartLimitIntervalSec"), "16s");
    assert_eq!(
        (text(&unit, "Unit/StartLimitBurst"), text(&unit, "Service/RestartSec")),
        ("4".to_owned(), "2s".to_owned())
    );
    assert_eq!(text(&unit, "Service/RestartSteps"), "", "growing waits would get past the limit");
    let forever = exported(Format::Systemd, Process { on_fast_crash: FastCrash::Retry, ..process(json!({})) });
    assert_eq!(text(&forever, "Service/RestartSteps"), "2");
    let limited = exported(Format::Systemd, process(json!({"restart_limit": "10/1m"})));
    assert_eq!(text(&limited, "Unit/StartLimitBurst"), "11");
    for (crashes, restart) in [(4, "on-failure:3"), (1, "no")] {
        let settings = json!({"restart_on": "on-failure", "max_fast_crashes": crashes});
        assert_eq!(text(&exported(Format::Compose, process(settings)), "services/web/restart"), restart);
    }
}

#[test]
fn checks_of_health_wait_until_it_has_to_be_ready() {
    let both = json!({"ready_when_cmd": "true", "health_port": 80, "ready_timeout": 30, "health_grace": 5});
    let (compose, nomad) = ("services/web/healthcheck/start_period", "bgo/web/web/service/check/check_restart/grace");
    assert_eq!(text(&exported(Format::Compose, process(both.clone())), compose), "35s");
    assert_eq!(text(&exported(Format::Nomad, process(both.clone())), nomad), "35s");
    let pod = format!("{:?}", exported(Format::K8s, process(both)).files);
    assert!(pod.contains("startupProbe") && pod.contains("Number(30)"), "{pod}");
    let any_time = process(json!({"ready_when_cmd": "true", "ready_timeout": 0}));
    assert_eq!(text(&exported(Format::Compose, any_time), compose), "31536000s");
    let unwatched = Process { restarts: false, ..process(json!({"health_port": 80})) };
    assert_eq!(text(&exported(Format::Nomad, unwatched), nomad), "", "a check would end it");
}

#[test]
fn nobody_becomes_root_unasked() {
    let system = Options { system: true, user: Some("ada".to_owned()), ..Options::default() };
    for (format, path) in
        [(Format::Systemd, "Service/User"), (Format::Launchd, "UserName"), (Format::Nomad, "bgo/web/web/user")]
    {
        let user =
            |settings: Value, options: &Options| text(&export(format, &[process(settings)], options).unwrap(), path);
        assert_eq!(user(json!({}), &system), "ada");
        assert_eq!(user(json!({"user": "bob"}), &system), "bob");
        assert_eq!(user(json!({}), &Options { user: None, ..system.clone() }), "");
    }
}

#[test]
fn what_a_limit_of_memory_does_is_said() {
    let limited = json!({"max_rss": "500M"});
    assert_eq!(why(&exported(Format::Systemd, process(limited.clone())), "max_rss"), [KERNEL_LIMIT]);
    let raw = why(&exported(Format::Nomad, process(limited)), "max_rss");
    assert_eq!(raw, ["raw_exec only reserves it; --driver exec limits it"]);
}

#[test]
fn what_is_in_the_way_of_a_unit_is_said() {
    let detached = Process { is_detached: true, ..process(json!({"after": ["db", "my cache"]})) };
    let options = Options { units: vec!["web.service".to_owned()], ..Options::default() };
    let unit = export(Format::Systemd, &[detached], &options).unwrap();
    assert_eq!(text(&unit, "Unit/After"), "db.service my\\x20cache.service");
    assert_eq!((text(&unit, "Unit/Wants"), text(&unit, "Service/ExecStartPre")), (String::new(), String::new()));
    assert_eq!(why(&unit, "after")[0], "\"db\" is left out: name it, too");
    assert!(why(&unit, "command")[0].starts_with("it goes on in the background"));
    assert_eq!(why(&unit, "name"), ["this machine has another web.service, which this one would replace"]);
}

#[test]
fn no_process_takes_the_place_of_what_runs_bgo() {
    for (format, name, there) in
        [(Format::Systemd, "bgo", "bgo-2.service"), (Format::Launchd, "autostart", "bgo.autostart-2.plist")]
    {
        let exported = exported(format, Process { name: name.to_owned(), ..process(json!({})) });
        assert_eq!(exported.files[0].name, there);
        let said = format!("it is called {name}-2 there, for \"{name}\" is what autostart installs");
        assert_eq!(why(&exported, "name"), [said]);
    }
}

#[test]
fn launchd_starts_nothing_that_is_not_to_start() {
    let never = json!({"autostart": "never", "restart_on": "on-failure"});
    let list = exported(Format::Launchd, process(never));
    assert_eq!(at(&list, "KeepAlive/AfterInitialDemand"), Some(&Node::Yes(true)));
    assert_eq!(at(&list, "KeepAlive/SuccessfulExit"), Some(&Node::Yes(false)));
    assert_eq!(at(&list, "RunAtLoad"), Some(&Node::Yes(false)));
}
