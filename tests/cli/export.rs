//! `export`: what other supervisors, or their validators, make of the files.
//!
//! The real parsers of systemd, YAML, HCL and property lists read them, so that a mistake of ours about their quoting is
//! found; `.ci/run` installs those that are not here.

use crate::env::{Outcome, TestEnv};
use crate::json::Known;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Arguments that every format has some reason to take for something else.
const NASTY: [&str; 34] = [
    "",
    " ",
    "two words",
    "'",
    "\"",
    "\\",
    "\\n",
    "end\\",
    "\n",
    "a\nb\n",
    "\t",
    "$HOME",
    "${HOME}",
    "$${HOME}",
    "$$${x}",
    "$",
    "$$",
    "$(HOME)",
    "$$(HOME)",
    "%",
    "%h",
    "%%",
    "%{x}",
    "%%%{x}",
    ";",
    "#",
    "<a&b>]]>",
    "--",
    "yes",
    "- a: b",
    "ünï日本🦀",
    "\u{85}\u{a0}\u{2028}\u{feff}",
    "@-:+!|",
    "{{ .x }}",
];

/// Python with the parsers and schemas; where `.ci/run` has put them, or the machine's own.
fn python() -> PathBuf {
    let set = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    let own = cache.map(|cache| cache.join("bgo-tests/bin/python"));
    own.filter(|python| python.exists()).unwrap_or_else(|| "python3".into())
}

/// Whether those, and systemd's reader of units, are to be had. `.ci/run` installs them, and then nothing is passed over.
fn has_readers() -> bool {
    let must = std::env::var_os("BGO_TESTS_PASS_OVER_NOTHING").is_some();
    let modules =
        Command::new(python()).args(["-c", "import compose, hcl2, jsonschema, kubernetes_validate, yaml"]).output();
    let has = modules.is_ok_and(|done| done.status.success())
        && Command::new("systemd-analyze").arg("--version").output().is_ok();
    if !has {
        eprintln!("passed over: what reads such files is not installed; .ci/run installs it");
    }
    has || must
}

/// What the tool of `format` reads in the files of `folder`, which its schema allows.
#[track_caller]
fn read(format: &str, folder: &Path) -> BTreeMap<String, Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/read_export.py");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let done = Command::new(python()).arg(script).arg(format).args(files).output().unwrap();
    assert!(done.status.success(), "{format}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

/// What `systemd-analyze verify` says about the units of `folder`, one line a complaint, and all that it read at its
/// most talkative.
fn verify(env: &TestEnv, folder: &Path, manager: &str) -> (Vec<String>, String) {
    let run = env.root().join("run");
    fs::create_dir_all(run.join("systemd")).unwrap();
    let mut units: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    units.sort();
    let verify = |level: &str| {
        let mut analyze = Command::new("systemd-analyze");
        analyze.args(["verify", "--man=no", manager]).args(&units);
        analyze.env("XDG_RUNTIME_DIR", &run).env("SYSTEMD_LOG_LEVEL", level).env("SYSTEMD_COLORS", "0");
        let done = analyze.output().expect("systemd-analyze: apt-get install systemd");
        format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
    };
    // An older systemd passes over what came with 254.
    let is_newer = |line: &str| line.contains("'RestartSteps'") || line.contains("'RestartMaxDelaySec'");
    // With --system the machine's own units are looked at, too.
    let names: Vec<&str> = units.iter().filter_map(|unit| unit.file_name()?.to_str()).collect();
    let ours = |line: &&str| names.iter().any(|name| line.contains(name));
    let complaints = verify("warning");
    let complaints = complaints.lines().filter(|line| !is_newer(line)).filter(ours).map(str::to_owned).collect();
    (complaints, verify("debug"))
}

/// The words of a line in which systemd shows a command: quoted as for a shell, with its escapes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), None, false);
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        let c = match c {
            ' ' if !is_quoted => {
                words.extend(word.take());
                continue;
            }
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_with(String::new);
                continue;
            }
            '\\' => match rest.next().unwrap() {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                first @ '0'..='7' => {
                    let code: String = std::iter::once(first).chain(rest.by_ref().take(2)).collect();
                    char::from(u8::from_str_radix(&code, 8).unwrap())
                }
                other => other,
            },
            c => c,
        };
        word.get_or_insert_with(String::new).push(c);
    }
    words.extend(word);
    words
}

/// What a unit runs: `$$` stands for a `$`, and a single one would begin a variable.
fn commands(said: &str) -> Vec<Vec<String>> {
    let lines = said.lines().filter_map(|line| line.trim().strip_prefix("Command Line: "));
    let plain = |word: String| {
        assert!(!word.replace("$$", "").contains('$'), "{word:?}");
        word.replace("$$", "$")
    };
    lines.map(|line| words(line).into_iter().map(plain).collect()).collect()
}

/// A project with jobs of these names, commands and further lines.
fn project(env: &TestEnv, jobs: &[(&str, &[&str], &str)]) {
    let job = |(name, command, more): &(&str, &[&str], &str)| {
        format!("[jobs.{}]\ncmd = {}\n{more}\n", json!(name), json!(command).to_string().replace('\u{7f}', "\\u007f"))
    };
    fs::write(env.work().join("bgo.toml"), jobs.iter().map(job).collect::<String>()).unwrap();
}

/// `export FORMAT ARGS… --out-dir FORMAT`, and the folder.
#[track_caller]
fn export(env: &TestEnv, format: &str, args: &[&str]) -> (Outcome, PathBuf) {
    let folder = env.work().join(format);
    let image = if matches!(format, "compose" | "k8s") { vec!["--image", "python:3"] } else { Vec::new() };
    let output = ["--out-dir", folder.to_str().unwrap()];
    (env.bgo(&[&["export", format], args, &output, &image].concat()).ok(), folder)
}

#[test]
fn every_argument_and_variable_arrives_as_it_is() {
    if !has_readers() {
        return;
    }
    let env = TestEnv::new();
    let command = [&["/bin/echo"][..], &NASTY].concat();
    let variables: BTreeMap<String, &str> =
        NASTY.iter().enumerate().map(|(n, text)| (format!("V{n}"), *text)).collect();
    let lines: Vec<String> = variables.iter().map(|(name, value)| format!("{name} = {}", json!(value))).collect();
    project(&env, &[("web", &command, &format!("env = {{ {} }}", lines.join(", ")))]);
    for format in ["launchd", "compose", "nomad", "k8s"] {
        let (_, folder) = export(&env, format, &["web"]);
        let found = read(format, &folder);
        let web = &found[if format == "launchd" { "bgo.web" } else { "web" }];
        let program = if web["argv"][0] == "echo" { "echo" } else { "/bin/echo" };
        assert_eq!(web["argv"], json!([&[program][..], &NASTY].concat()), "{format}");
        assert_eq!(web["env"], json!(variables), "{format}");
        assert_eq!(web["cwd"], json!(env.work()), "{format}");
    }
    let (_, folder) = export(&env, "systemd", &["web"]);
    let (complaints, said) = verify(&env, &folder, "--user");
    assert_eq!(complaints, [""; 0]);
    assert_eq!(commands(&said), [command]);
    let set: Vec<&str> =
        said.lines().filter_map(|line| line.trim_start_matches('\t').strip_prefix("Environment: ")).collect();
    for (name, value) in variables.iter().filter(|(_, value)| !value.contains('\n')) {
        assert!(set.contains(&format!("{name}={value}").as_str()), "{name}={value:?}: {set:?}");
    }
    assert!(said.contains(&format!("WorkingDirectory: {}\n", env.work().display())), "{said}");
}

#[test]
fn odd_programs_folders_and_names_are_written_so_that_they_are_found() {
    if !has_readers() {
        return;
    }
    let env = TestEnv::new();
    let folder = env.work().join("a $b \"c\" %h\\ ");
    fs::create_dir(&folder).unwrap();
    let program = folder.join("it's $x");
    crate::env::executable(&program, "#!/bin/sh\n");
    let (program, cwd) = (program.to_str().unwrap(), folder.to_str().unwrap());
    let more = format!("cwd = {}\nstdout = \"out %n \"", json!(cwd));
    project(&env, &[("my app@1", &[program, "$a"], &more), ("日本", &[program], "after = [\"my app@1\"]")]);
    let (_, out) = export(&env, "systemd", &["--project"]);
    let (complaints, said) = verify(&env, &out, "--user");
    assert_eq!(complaints, [""; 0]);
    let run = commands(&said);
    for expected in [
        &["/bin/sh", "-c", "exec \"$0\" \"$@\"", program, "$a"][..],
        &["/bin/sh", "-c", "exec systemctl --user is-active --quiet \"$0\"", "my\\x20app\\x401.service"],
    ] {
        assert!(run.iter().any(|command| command == expected), "{expected:?}: {run:?}");
    }
    assert!(said.contains(&format!("WorkingDirectory: {cwd}\n")), "{said}");
    assert!(said.contains(&format!("{cwd}/out %n \n")) || said.contains("out %n"), "{said}");
    let units: Vec<String> =
        fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(units.contains(&"my\\x20app\\x401.service".to_owned()), "{units:?}");
    let (_, out) = export(&env, "k8s", &["--project"]);
    let found = read("k8s", &out);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["my-app-1", "process"]);
    assert_eq!(found["my-app-1"]["argv"], json!([program, "$a"]));
    let (_, out) = export(&env, "nomad", &["--project"]);
    assert_eq!(read("nomad", &out)["my-app-1"]["cwd"], json!(cwd));
}

#[test]
fn jobs_are_exported_by_the_names_of_their_file() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    project(&env, &[("web", &["sleep", "301"], "after = [\"db\"]"), ("db", &["sleep", "302"], "restart = \"always\"")]);
    let names = |args: &[&str]| -> Vec<Value> {
        let answer =
            env.bgo(&[&["export", "compose", "--json", "--image", "web=x", "--image", "y"], args].concat()).ok().json();
        assert!(answer["files"][0]["text"].as_str().unwrap().contains("      db:\n        condition: "), "{answer:#}");
        answer["files"][0]["processes"].as_array().unwrap().clone()
    };
    assert_eq!(names(&["--project"]), ["web", "db"]);
    assert_eq!(names(&["web", "db"]), ["web", "db"]);
    env.bgo(&["up"]).ok();
    assert_eq!(env.names().len(), 3);
    assert_eq!(names(&["--project"]), ["web", "db"]);
    // From the records by now, of which one has another name.
    env.bgo(&["set", "db", "--on-exit", "true"]).ok();
    assert_eq!(names(&["web", "db"]), ["web", "db"]);
    let text = env.bgo(&["export", "systemd", "web", "db"]).ok().stdout;
    assert!(
        text.contains("# web.service\n") && text.contains("/sleep 301\n") && text.contains("\nExecStopPost="),
        "{text}"
    );
}

/// Three jobs with most of what there is.
fn shop(env: &TestEnv) {
    let db = "ready-when-port = 5432\nrestart = \"always\"\nmax-rss = \"500M\"\nbackoff-max = \"1m\"\nstdin = true\n\
              env = { A = \"1\", DB_PASSWORD = \"geheim\" }\nautostart = \"never\"\nwatchdog = 30\nready-timeout = 0";
    let task = "oneshot = true\nafter = [\"db\"]\nmax-runtime = 60\nrestart = \"on-failure\"";
    let web = "after = [\"db\", \"task\"]\nrestart = \"on-failure\"\nrestart-with-dependency = true\ngroup = \"api\"\n\
               health-url = \"http://localhost:8080/health?x=1\"\nready-when-cmd = \"test $A = '5%' && true\"\n\
               on-exit = \"echo $BGO_EXIT_CODE\"\non-ready = \"echo ready\"\nenv-file = [\".env\", \"b.toml\"]\n\
               tags = [\"x y\"]\nnice = 5\numask = \"027\"\nlimit-nofile = 4096\nstdout = \"out.log\"\nmerge-logs = true\n\
               stop-signal = \"INT\"\nstop-timeout = \"1500ms\"\nsuccess-exit = \"0,3,143\"\nuser = \"1000\"\n\
               restart-limit = \"5/1m\"\nbackoff-jitter = 10\nlog-compress = true\nwatch-files = [\"src\"]\nttl = 60";
    fs::write(env.work().join(".env"), "B=2\n").unwrap();
    fs::write(env.work().join("b.toml"), "c = 3\n").unwrap();
    fs::create_dir(env.work().join("src")).unwrap();
    project(env, &[("db", &["sleep", "300"], db), ("task", &["true"], task), ("web", &["sleep", "300"], web)]);
}

#[test]
fn systemd_takes_the_units_of_a_project_that_never_ran() {
    if !has_readers() {
        return;
    }
    let env = TestEnv::new();
    shop(&env);
    for (manager, flags) in [("--user", &[][..]), ("--system", &["--system"])] {
        let (done, folder) = export(&env, "systemd", &[&["--project", "--force"], flags].concat());
        let (complaints, said) = verify(&env, &folder, manager);
        assert_eq!(complaints, [""; 0]);
        assert!(said.contains("Requires: db.service") && said.contains("PartOf: task.service"), "{said}");
        assert!(said.contains("Wants: db.service") && said.contains(" is-active --quiet "), "{said}");
        assert!(done.stderr.contains("bgo: note: \"web\": --health-url has no counterpart: "), "{}", done.stderr);
        let web = fs::read_to_string(folder.join("web.service")).unwrap();
        let words = [
            "After=db.service task.service",
            "StartLimitIntervalSec=60s",
            "StartLimitBurst=6",
            "Type=exec",
            "Restart=on-failure",
            "KillSignal=SIGINT",
            "TimeoutStopSec=1500ms",
            "SuccessExitStatus=3 143 SIGTERM",
            "RestartForceExitStatus=SIGHUP SIGINT SIGPIPE",
            "UMask=0027",
            "Nice=5",
            "LimitNOFILE=4096",
            "StandardError=inherit",
            "ExecStopPost=-/bin/sh -c \"echo $$BGO_EXIT_CODE\"",
        ];
        for word in words {
            assert!(web.lines().any(|line| line == word), "{word}: {web}");
        }
        assert_eq!(web.contains("\nUser=1000\n"), manager == "--system");
        assert_eq!(web.contains("WantedBy=multi-user.target"), manager == "--system");
        let db = fs::read_to_string(folder.join("db.service")).unwrap();
        assert!(!db.contains("\n[Install]") && !db.contains("geheim") && db.contains("DB_PASSWORD"), "{db}");
        assert!(db.contains("\nTimeoutStartSec=infinity\n") && db.contains("\nMemoryMax=524288000\n"), "{db}");
        let task = fs::read_to_string(folder.join("task.service")).unwrap();
        assert!(
            task.contains("\nType=oneshot\nRemainAfterExit=yes\n") && task.contains("\nTimeoutStartSec=60s\n"),
            "{task}"
        );
    }
    // That it is found when a unit is wrong: in what it says, and in what it refers to.
    let folder = env.work().join("broken");
    fs::create_dir(&folder).unwrap();
    for wrong in
        ["ExecStart=true\nRestart=sometimes", "ExecStart=/bin/echo \"x", "ExecStart=/nowhere", "Exec=/bin/true"]
    {
        fs::write(folder.join("web.service"), format!("[Service]\n{wrong}\n")).unwrap();
        assert_ne!(verify(&env, &folder, "--user").0, [""; 0], "{wrong}");
    }
}

#[test]
fn the_other_formats_are_as_their_schemas_say() {
    if !has_readers() {
        return;
    }
    let env = TestEnv::new();
    shop(&env);
    let of = |format: &str| read(format, &export(&env, format, &["--project"]).1);
    let compose = of("compose");
    let web = &compose["web"]["whole"];
    assert_eq!(web["depends_on"]["db"], json!({"condition": "service_healthy", "restart": true}));
    assert_eq!(web["depends_on"]["task"]["condition"], "service_completed_successfully");
    assert_eq!(web["healthcheck"]["test"], json!(["CMD", "curl", "-fsS", "http://localhost:8080/health?x=1"]));
    assert_eq!((&web["restart"], &web["stop_signal"]), (&json!("on-failure:3"), &json!("SIGINT")));
    assert_eq!((&web["stop_grace_period"], &web["ulimits"]["nofile"]), (&json!("1500ms"), &json!(4096)));
    assert_eq!(compose["db"]["env"], json!({"A": "1", "DB_PASSWORD": null}));
    assert_eq!(compose["db"]["whole"]["mem_limit"], 500 << 20);
    let k8s = of("k8s");
    let pod = |name: &str| k8s[name]["whole"]["spec"]["template"]["spec"].clone();
    assert_eq!(k8s["task"]["whole"]["kind"], "Job");
    assert_eq!(k8s["task"]["whole"]["spec"]["activeDeadlineSeconds"], 60);
    assert_eq!(k8s["db"]["whole"]["spec"]["replicas"], 0);
    let container = &pod("web")["containers"][0];
    assert_eq!(container["livenessProbe"]["httpGet"], json!({"path": "/health?x=1", "port": 8080}));
    assert_eq!(container["readinessProbe"]["exec"]["command"][2], "test $A = '5%' && true");
    assert_eq!(container["securityContext"]["runAsUser"], 1000);
    assert_eq!(pod("web")["terminationGracePeriodSeconds"], 2);
    assert_eq!(
        pod("db")["containers"][0]["env"][1]["valueFrom"]["secretKeyRef"],
        json!({"name": "db", "key": "DB_PASSWORD"})
    );
    let nomad = of("nomad");
    assert_eq!(nomad["db"]["whole"]["lifecycle"], json!([{"hook": "prestart", "sidecar": true}]));
    assert_eq!(nomad["task"]["whole"]["lifecycle"], json!([{"hook": "prestart", "sidecar": false}]));
    assert_eq!(nomad["db"]["whole"]["resources"], json!([{"memory": 500}]));
    assert_eq!(
        (&nomad["web"]["whole"]["kill_signal"], &nomad["web"]["whole"]["driver"]),
        (&json!("SIGINT"), &json!("raw_exec"))
    );
    let launchd = of("launchd");
    let web = &launchd["bgo.web"]["whole"];
    assert_eq!((&web["KeepAlive"], &web["Umask"]), (&json!({"SuccessfulExit": false}), &json!(0o27)));
    assert_eq!((&web["ExitTimeOut"], &web["StandardErrorPath"]), (&json!(2), &web["StandardOutPath"]));
    assert_eq!(launchd["bgo.db"]["whole"]["RunAtLoad"], false);
    for format in ["compose", "k8s", "nomad", "launchd"] {
        for entry in fs::read_dir(env.work().join(format)).unwrap() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap();
            assert!(!text.contains("geheim") && text.contains("has no counterpart"), "{format}: {text}");
        }
    }
}

#[test]
fn what_is_registered_is_exported_from_its_record() {
    let env = TestEnv::new();
    let flags = ["--restart", "always", "--group", "api", "-e", "A=1", "-e", "TOKEN=geheim"];
    env.cmd(&[&["start", "--settle", "0"], &flags[..], &["web", "--", "sleep", "300"]].concat())
        .var("C", "captured")
        .run()
        .ok();
    env.start("other", &["sleep", "300"]);
    let known = Known::new(&env);
    let answer = known.answers(0, &["export", "systemd", "web", "--json"]);
    assert_eq!((&answer["format"], &answer["files"][0]["name"]), (&json!("systemd"), &json!("web.service")));
    assert_eq!((&answer["files"][0]["processes"], &answer["files"][0]["path"]), (&json!(["web"]), &Value::Null));
    assert_eq!(answer["unmapped"][0]["setting"], "env");
    let text = answer["files"][0]["text"].as_str().unwrap();
    assert!(
        text.contains("\nExecStart=/") && text.contains("/sleep 300\n") && text.contains("\nEnvironment=A=1\n"),
        "{text}"
    );
    assert!(!text.contains("captured") && !text.contains("geheim"), "{text}");
    let whole = env.bgo(&["export", "systemd", "web", "--with-env"]).ok().stdout;
    assert!(
        whole.contains("\nEnvironment=C=captured\n") && !whole.contains("geheim") && !whole.contains("BGO_RUN_ID"),
        "{whole}"
    );
    let names = |args: &[&str]| -> Vec<Value> {
        let answer = known.answers(0, &[&["export", "systemd", "--json"], args].concat());
        answer["files"].as_array().unwrap().iter().map(|file| file["name"].clone()).collect()
    };
    assert_eq!(names(&["--all"]), ["other.service", "web.service"]);
    assert_eq!(names(&["--group", "api"]), ["web.service"]);
    assert_eq!(names(&["web", "other", "web"]), ["web.service", "other.service"]);
    // Two on standard output have their names above them, one has not.
    let both = env.bgo(&["export", "systemd", "--all"]).ok().stdout;
    assert!(both.starts_with("# other.service\n") && both.contains("\n\n# web.service\n"), "{both}");
    assert!(env.bgo(&["export", "systemd", "web"]).ok().stdout.starts_with("# \"web\", exported by bgo\n"));
    assert_eq!(known.fails(3, &["export", "systemd", "wep", "--json"])["hint"], "did you mean \"web\"?");
}

#[test]
fn files_that_are_there_are_not_overwritten_unasked() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.start("db", &["sleep", "300"]);
    let wrote = "wrote units/db.service\nwrote units/web.service\n";
    let export = ["export", "systemd", "--all", "--out-dir", "units"];
    let done = env.bgo(&export).ok();
    assert_eq!(done.stdout, wrote);
    let next = "hint: mkdir -p ~/.config/systemd/user && cp units/db.service units/web.service ~/.config/systemd/user && \
                systemctl --user daemon-reload && systemctl --user enable --now db.service web.service\n";
    assert!(done.stderr.ends_with(next), "{}", done.stderr);
    let path = env.work().join("units/web.service");
    let text = fs::read_to_string(&path).unwrap();
    // The same again is no conflict.
    assert_eq!(env.bgo(&export).ok().stdout, wrote);
    fs::write(&path, "mine").unwrap();
    fs::remove_file(env.work().join("units/db.service")).unwrap();
    let refused = "bgo: units/web.service is there already: it says something else; nothing was written\n\
                   hint: look at it first; --force replaces it\n";
    env.bgo(&export).code(1).says("", refused);
    assert_eq!(
        (fs::read_to_string(&path).unwrap().as_str(), path.with_file_name("db.service").exists()),
        ("mine", false)
    );
    // A link that is there is replaced, and what it leads to stays.
    let target = env.work().join("target");
    fs::write(&target, "target").unwrap();
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&target, &path).unwrap();
    env.bgo(&[&export[..], &["--force"]].concat()).ok();
    assert_eq!((fs::read_to_string(&path).unwrap(), fs::read_to_string(&target).unwrap()), (text, "target".to_owned()));
    let left: Vec<_> = fs::read_dir(env.work().join("units")).unwrap().collect();
    assert_eq!(left.len(), 2, "no temporary file is left");
    env.bgo(&["export", "systemd", "--all", "--out-dir", "target"]).code(1);
}

#[test]
fn a_unit_of_somebody_elses_that_the_export_would_replace_is_said() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    env.start("bgo", &["sleep", "300"]);
    let there = env.home().join(".config/systemd/user");
    let export = || env.bgo(&["export", "systemd", "web", "bgo", "--out-dir", there.to_str().unwrap()]).ok();
    let own = "bgo: note: \"bgo\": name: it is called bgo-2 there, for \"bgo\" is what autostart installs\n";
    let first = export();
    assert!(first.stdout.contains("bgo-2.service\n") && !first.stdout.contains("bgo.service"), "{first:?}");
    assert!(first.stderr.contains(own) && !first.stderr.contains("another web.service"), "{first:?}");
    assert_eq!(export().stderr, first.stderr, "what was exported before is nobody else's");
    fs::write(there.join("web.service"), "[Service]\nExecStart=/bin/true\n").unwrap();
    let said = env.bgo(&["export", "systemd", "web"]).ok().stderr;
    let another = "name: this machine has another web.service, which this one would replace\n";
    assert!(said.contains(another), "{said}");
}

#[test]
fn files_with_secrets_are_for_their_owner_alone() {
    let env = TestEnv::new();
    env.bgo(&["start", "db", "--", "sleep", "300"]).ok();
    let hook = "curl -H 'Authorization: Bearer geheim' http://localhost/";
    env.bgo(&["start", "web", "--on-exit", hook, "--", "sh", "-c", "exec sleep 300", "--password=geheim"]).ok();
    let export = ["export", "systemd", "--all", "--out-dir", "units"];
    let mode = |name: &str| fs::metadata(env.work().join("units").join(name)).unwrap().permissions().mode() & 0o777;
    let done = env.bgo(&export).ok();
    let notes = "bgo: note: \"web\": command: there is what looks like a secret in it: --out-dir writes a file for its owner alone (mode 600)\n\
                 bgo: note: \"web\": --on-exit: there is what";
    assert!(done.stderr.contains(notes) && !done.stderr.contains("geheim"), "{}", done.stderr);
    assert_eq!((mode("web.service"), mode("db.service") & 0o400), (0o600, 0o400));
    assert_ne!(mode("db.service"), 0o600);
    // As it was written by an older bgo.
    let path = env.work().join("units/web.service");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    env.bgo(&export).ok();
    assert_eq!(mode("web.service"), 0o600);
}

#[test]
fn what_cannot_be_exported_is_said_with_what_to_do() {
    let env = TestEnv::new();
    env.start("web", &["sleep", "300"]);
    let refused = |code: i32, args: &[&str], said: &str| {
        let done = env.bgo(args).code(code);
        assert_eq!((done.stdout.as_str(), done.stderr.lines().next().unwrap_or_default()), ("", said), "{args:?}");
    };
    let no_image = "bgo: no image is named for \"web\": what a Kubernetes manifest runs is in a container";
    refused(2, &["export", "k8s", "web"], no_image);
    refused(2, &["export", "k8s", "web", "--image", "db=postgres"], "bgo: --image db=…: \"db\" is not exported");
    refused(2, &["export", "systemd", "web", "--image", "x"], "bgo: --image means nothing for systemd");
    refused(2, &["export", "compose", "web", "--image", "x", "--system"], "bgo: --system means nothing for compose");
    refused(
        2,
        &["export", "systemd", "--project"],
        "bgo: there is no bgo.toml here: none in this folder or above, up to the root of the repository",
    );
    fs::write(env.work().join("bgo.toml"), "[jobs.api]\ncmd = \"no-such-program\"\n").unwrap();
    let path = env.work().join("bgo.toml");
    let said = format!("bgo: {}:1: cannot export [jobs.api]: no-such-program: command not found", path.display());
    let done = env.bgo(&["export", "systemd", "api"]).code(1);
    assert!(done.stderr.starts_with(&said) || done.stderr.contains("no-such-program"), "{}", done.stderr);
    // In an image it may be.
    let text = env.bgo(&["export", "compose", "api", "web", "--image", "x"]).ok().stdout;
    assert!(text.contains("entrypoint: [\"no-such-program\"]") && text.contains("entrypoint: [\"sleep\"]"), "{text}");
    fs::write(&path, "[jobs.api]\ncmd = 3\n").unwrap();
    let done = env.bgo(&["export", "systemd", "--project"]).code(2);
    assert!(done.stderr.contains("bgo.toml:2:7: "), "{}", done.stderr);
}
