//! `autostart`: what makes the machine run `bgo resurrect`, written where systemd, launchd, cron or a desktop look. The
//! programs that are asked are fakes that note what they are told; the texts are read by the real ones.

use crate::env::{BGO, Cmd, Outcome, TestEnv, executable};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A home of a user who is not root, with bgo on PATH.
struct User {
    env: TestEnv,
}

impl User {
    fn new() -> User {
        let env = TestEnv::new();
        let bgo = env.bin().join("bgo");
        fs::hard_link(BGO, &bgo).or_else(|_| fs::copy(BGO, &bgo).map(drop)).unwrap();
        if nix::unistd::geteuid().is_root() {
            let nobody = Some(65534);
            [env.root(), &env.home(), &env.work()].into_iter().for_each(|path| chown(path, nobody, nobody).unwrap());
        }
        User { env }
    }

    /// With a systemd manager that answers.
    fn with_systemd() -> User {
        let user = User::new();
        user.fake(
            "systemctl",
            "case \"$*\" in\n*is-enabled*) [ -e enabled ] && echo enabled || { echo disabled; exit 1; };;\n\
             *disable*) rm -f enabled;;\n*enable*) >enabled;;\nesac",
        );
        user.fake("loginctl", "echo yes");
        user.fake("systemd-run", "exit 1");
        user
    }

    /// A program that notes what it is told in `run.log`, and then does this in the folder of the test.
    fn fake(&self, name: &str, body: &str) {
        let root = self.env.root().display().to_string();
        let text = format!("#!/bin/sh\ncd '{root}'\nprintf '%s\\n' \"{name} $*\" >>run.log\n{body}\n");
        executable(&self.env.bin().join(name), &text);
    }

    /// What the fakes were told since the last time.
    fn told(&self) -> String {
        let log = self.env.root().join("run.log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let _ = fs::remove_file(log);
        text
    }

    /// `bgo autostart ARGS…`
    fn cmd(&self, args: &[&str]) -> Cmd<'_> {
        self.bgo(&[&["autostart"], args].concat())
    }

    /// `bgo ARGS…`, with nothing on PATH but the fakes and the shell's own.
    fn bgo(&self, args: &[&str]) -> Cmd<'_> {
        let bgo = self.env.bin().join("bgo").display().to_string();
        let become_user: &[&str] = &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        let before = if nix::unistd::geteuid().is_root() { become_user } else { &[] };
        let words = [before, &[&bgo], args].concat();
        let cmd = self.env.program("/usr/bin/env", &words);
        let path = self.env.root().join("path");
        if !path.exists() {
            fs::create_dir(&path).unwrap();
            for tool in ["env", "sh", "cat", "rm", "setpriv"] {
                symlink(Path::new("/usr/bin").join(tool), path.join(tool)).unwrap();
            }
        }
        cmd.var("PATH", format!("{}:{}", self.env.bin().display(), path.display()))
            .var("XDG_RUNTIME_DIR", self.env.home())
            .var("DBUS_SESSION_BUS_ADDRESS", "")
    }

    fn run(&self, args: &[&str]) -> Outcome {
        self.cmd(args).run()
    }

    /// Writes a file that the user may write to.
    fn put(&self, path: &Path, text: impl AsRef<[u8]>) {
        fs::write(path, text).unwrap();
        self.give(path);
    }

    fn give(&self, path: &Path) {
        let owner = fs::metadata(self.env.root()).unwrap().uid();
        chown(path, Some(owner), None).unwrap();
    }

    fn config(&self, below: &str) -> PathBuf {
        self.env.home().join(".config").join(below)
    }

    fn unit(&self) -> PathBuf {
        self.config("systemd/user/bgo.service")
    }

    /// What is said about where bgo is here.
    fn doubt(&self) -> String {
        format!(
            "warning: {}/bgo is what will be run, and it is in a folder for what is temporary\n\
             hint: put bgo into a folder on PATH, such as ~/.local/bin, and install it from there\n",
            self.env.bin().display()
        )
    }
}

/// What systemd says of a unit file; `None`: there is no systemd here.
fn verify(unit: &Path) -> Option<(bool, String)> {
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "--man=no", "verify"]).arg(unit).env("XDG_RUNTIME_DIR", unit.parent().unwrap());
    let said = verify.env("HOME", unit.parent().unwrap()).output().ok()?;
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    // It also tells of what else is wrong on the machine.
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("bgo.service")).collect();
    Some((said.status.success() && ours.is_empty(), text))
}

#[test]
fn a_user_with_systemd_gets_a_unit_once() {
    let user = User::with_systemd();
    let unit = user.unit();
    let shown = unit.display();
    let doubt = user.doubt();
    user.run(&["install"]).ok().says(&format!("installed {shown} (systemd: your systemd manager runs here)\n"), &doubt);
    assert_eq!(
        user.told(),
        "systemctl --user show --property=Version\nsystemctl --user show --property=Version\n\
         systemctl --user daemon-reload\nsystemctl --user is-enabled bgo.service\nsystemctl --user enable bgo.service\n\
         systemctl --user is-enabled bgo.service\nsystemctl --user show --property=Version\n\
         loginctl show-user nobody --property=Linger --value\n"
            .replace("nobody", &name())
    );
    let text = fs::read_to_string(&unit).unwrap();
    let program = user.env.bin().join("bgo");
    let lines = format!(
        "Environment=\"BGO_HOME={}\"\nExecStart=\"{}/systemd-run\" --user --scope --quiet --collect \
         --property=Delegate=yes --property=TasksMax=infinity -- \"{}\" resurrect\n",
        user.env.state().display(),
        user.env.bin().display(),
        program.display()
    );
    assert!(text.contains(&lines), "{text}");
    if let Some((is_fine, said)) = verify(&unit) {
        assert!(is_fine, "{said}");
    }
    // A second time nothing changes.
    let before = fs::metadata(&unit).unwrap().ino();
    let said = user.run(&["install"]).ok();
    said.says(&format!("{shown} (systemd: it is what is installed) is installed already\n"), &doubt);
    assert_eq!(fs::metadata(&unit).unwrap().ino(), before);
    let told = user.told();
    assert!(!told.contains("reload") && !told.contains(" enable"), "{told}");
    user.run(&["status"]).ok().says(&format!("systemd  installed, enabled: {shown}\n"), "");
    let status = user.run(&["status", "--json"]).ok().json();
    let place = json!({"method": "systemd", "target": unit, "state": "installed", "enabled": true});
    assert_eq!(status, json!({"ok": true, "places": [place], "findings": []}));
    // One that somebody has disabled is enabled again.
    fs::remove_file(user.env.root().join("enabled")).unwrap();
    assert!(user.run(&["status"]).code(1).stdout.contains("error: ") && user.run(&["install"]).code == 0);
    user.told();
    user.run(&["uninstall"]).ok().says(&format!("removed {shown}\n"), "");
    let told = user.told();
    assert!(told.contains("systemctl --user disable bgo.service\nsystemctl --user daemon-reload\n"), "{told}");
    assert!(!unit.exists() && !told.contains("stop"));
    user.run(&["uninstall"]).ok().says("nothing of bgo is run at login\n", "");
    let said = user.run(&["status"]).code(1);
    said.says("error: nothing runs bgo resurrect after a reboot or at login\n  hint: bgo autostart install\n", "");
}

/// Who the tests of a user run as.
fn name() -> String {
    if nix::unistd::geteuid().is_root() {
        return "nobody".to_owned();
    }
    let said = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

#[test]
fn systemd_reads_the_unit_whatever_the_paths_are() {
    let odd = TestEnv::below("a %h $x \"q\" o'b");
    let bgo = odd.bin().join("bgo");
    fs::hard_link(BGO, &bgo).or_else(|_| fs::copy(BGO, &bgo).map(drop)).unwrap();
    let text = odd.program(&bgo, &["autostart", "install", "--print", "--method", "systemd"]).run().ok().stdout;
    let unit = odd.work().join("bgo.service");
    fs::write(&unit, &text).unwrap();
    let Some((is_fine, said)) = verify(&unit) else { return };
    assert!(is_fine, "{said}\n{text}");
    for (right, wrong) in
        [("KillMode=process", "KillMode=nobody"), ("ExecStart=", "ExecStart=relative "), ("=oneshot", "=x")]
    {
        fs::write(&unit, text.replace(right, wrong)).unwrap();
        assert!(!verify(&unit).unwrap().0, "{wrong} is noticed");
    }
}

#[test]
fn what_would_be_written_can_be_seen_for_every_system() {
    let user = User::new();
    let print = |method: &str| user.run(&["install", "--print", "--method", method]).ok();
    let plist = user.env.work().join("x.plist");
    fs::write(&plist, print("launchd").stdout).unwrap();
    let script = "import json, plistlib, sys; print(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let parsed = user.env.program("python3", &["-c", script, plist.to_str().unwrap()]).run().ok().json();
    assert_eq!(
        parsed,
        json!({
            "Label": "bgo.autostart",
            "ProgramArguments": [user.env.bin().join("bgo"), "resurrect"],
            "EnvironmentVariables": {"BGO_HOME": user.env.state()},
            "RunAtLoad": true,
            "AbandonProcessGroup": true,
        })
    );
    let desktop = user.env.work().join("bgo.desktop");
    fs::write(&desktop, print("xdg").stdout).unwrap();
    match Command::new("desktop-file-validate").arg(&desktop).output() {
        Ok(said) => assert!(said.status.success() && said.stdout.is_empty(), "{said:?}"),
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::NotFound),
    }
    let said = print("cron");
    assert!(said.stdout.starts_with("@reboot /usr/bin/env BGO_HOME='/") && said.stdout.ends_with('\n'), "{said:?}");
    assert_eq!(said.stderr, format!("bgo: this would be in crontab (cron: as asked for)\n{}", user.doubt()));
    let said = user.run(&["install", "--print", "--method", "systemd", "--json"]).ok().json();
    assert_eq!((&said["places"][0]["state"], &said["why"]), (&json!("printed"), &json!("as asked for")));
    assert!(said["places"][0]["text"].as_str().unwrap().starts_with("[Unit]\n"));
    assert_eq!(said["findings"][0]["severity"], "warning");
    assert!(!user.config("").exists() && !user.env.home().join("Library").exists(), "nothing is written");
    for wrong in
        [&["install", "--method", "at"][..], &["status", "--print"], &["install", "web"], &["uninstall", "--print"]]
    {
        user.run(wrong).code(2);
    }
}

#[test]
fn where_systemd_cannot_be_reached_it_is_told_why_and_cron_does_it() {
    let user = User::with_systemd();
    let cmd = |args: &[&str]| user.cmd(args).var("XDG_RUNTIME_DIR", "").run();
    let said = cmd(&["install", "--method", "systemd"]).code(1);
    let cause = "bgo: cannot reach your systemd manager: XDG_RUNTIME_DIR is not set, as after su or sudo, in cron, and in ssh \
                 without PAM\nhint: ";
    assert!(
        said.stderr.starts_with(cause) && said.stderr.contains("export XDG_RUNTIME_DIR=/run/user/"),
        "{}",
        said.stderr
    );
    assert!(!user.config("").exists());
    assert_eq!(user.told(), "", "it is not even asked");
    // No crontab and no desktop: there is nothing.
    let said = cmd(&["install"]).code(1);
    assert!(said.stderr.contains("there is nothing here that could run bgo at login: "), "{}", said.stderr);
    assert!(
        said.stderr.contains("crontab: it is not on PATH; and no desktop\nhint: ")
            && said.stderr.contains("; or put `bgo resurrect`"),
        "{}",
        said.stderr
    );
    let said = user.cmd(&["install"]).var("XDG_RUNTIME_DIR", "").var("DISPLAY", ":0").run().ok();
    assert!(said.stdout.contains("autostart/bgo.desktop (xdg: this is a desktop, and"), "{}", said.stdout);
    assert!(user.config("autostart/bgo.desktop").exists());
    cmd(&["uninstall"]).ok();
    assert!(!user.config("autostart/bgo.desktop").exists());
    user.fake("crontab", "echo 'no crontab for me' >&2; exit 1");
    let said = cmd(&["install", "--print"]).ok();
    assert!(
        said.stderr
            .starts_with("bgo: this would be in crontab (cron: there is a crontab, and systemd is no way: cannot")
    );
    // A manager that refuses says so itself.
    user.fake("systemctl", "echo 'Failed to connect to bus: No medium found' >&2; exit 1");
    let said = user.run(&["install", "--method", "systemd"]).code(1);
    let cause = "bgo: cannot reach your systemd manager: Failed to connect to bus: No medium found\nhint: ";
    assert!(said.stderr.starts_with(cause), "{}", said.stderr);
    assert!(!user.unit().exists());
}

#[test]
fn of_a_crontab_only_our_line_is_touched() {
    let user = User::new();
    user.fake(
        "crontab",
        "case \"$1\" in\n-l) [ -e tab ] || { echo 'no crontab for me' >&2; exit 1; }; cat tab;;\n-r) rm tab;;\n\
         -) cat >tab;;\nesac",
    );
    let tab = user.env.root().join("tab");
    user.run(&["install"]).ok();
    let line = fs::read(&tab).unwrap();
    user.told();
    user.run(&["install"]).ok();
    assert_eq!((user.told().contains("crontab -\n"), fs::read(&tab).unwrap() == line), (false, true));
    user.run(&["uninstall"]).ok().says("removed the line of bgo from your crontab\n", "");
    assert!(!tab.exists(), "there was none before");
    // One of somebody's own that does the same is told of.
    user.put(&tab, "@reboot /opt/bgo resurrect\n");
    let said = user.run(&["install"]).ok();
    assert!(said.stderr.contains("note: your crontab has another: `@reboot /opt/bgo resurrect`"), "{}", said.stderr);
    let others = b"MAILTO=me\n\n# caf\xe9 % \\%\n0 5 * * *\tbackup\r\n".to_vec();
    user.put(&tab, &others);
    user.run(&["install"]).ok();
    assert_eq!(fs::read(&tab).unwrap(), [&others[..], &line].concat());
    user.run(&["status"]).ok().says("cron     installed, enabled: crontab\n", "");
    // Another state folder: the line is brought up to date, in its place.
    let home = user.env.work().join("state");
    let said = user.cmd(&["status"]).var("BGO_HOME", &home).run().code(1);
    assert!(
        said.stdout.contains("error: crontab has `@reboot ") && said.stdout.contains("hint: bgo autostart install")
    );
    user.put(&tab, [&line[..], &others].concat());
    let said = user.cmd(&["install"]).var("BGO_HOME", &home).run().ok();
    assert!(said.stdout.ends_with("was brought up to date\n"), "{}", said.stdout);
    let text = fs::read(&tab).unwrap();
    assert!(text.ends_with(&others) && text != [&line[..], &others].concat() && text.starts_with(b"@reboot"));
    // What somebody has edited stays.
    let edited = [b"#", &line[..], &others].concat();
    user.put(&tab, &edited);
    let said = user.run(&["install"]).code(1);
    assert!(said.stderr.contains("the line of bgo in your crontab is not written: it was not written by bgo"));
    user.run(&["uninstall"]).code(1);
    assert_eq!(fs::read(&tab).unwrap(), edited);
    assert!(
        user.run(&["status"])
            .code(1)
            .stdout
            .contains("crontab was edited, and is not enabled\n  hint: bgo autostart install --method cron --force")
    );
    user.run(&["install", "--force"]).ok();
    assert_eq!(fs::read(&tab).unwrap(), [&line[..], &others].concat());
    // Who may not have one is told, and so is who has none of it.
    user.fake("crontab", "echo 'You (me) are not allowed to use this program (crontab)' >&2; exit 1");
    let said = user.run(&["install", "--method", "cron"]).code(1);
    assert!(said.stderr.contains("cannot read your crontab: You (me) are not allowed"), "{}", said.stderr);
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let user = User::with_systemd();
    let unit = user.unit();
    user.run(&["install"]).ok();
    let ours = fs::read_to_string(&unit).unwrap();
    for theirs in ["[Unit]\n".to_owned(), ours.replace("[Service]\n", "[Service]\nNice=5\n"), String::new()] {
        fs::write(&unit, &theirs).unwrap();
        let said = user.run(&["install", "--method", "systemd"]).code(1);
        assert!(said.stderr.contains("bgo.service is not written: it was not written by bgo"), "{}", said.stderr);
        assert!(user.run(&["uninstall", "--method", "systemd"]).code(1).stderr.contains("bgo.service is not removed"));
        assert_eq!(fs::read_to_string(&unit).unwrap(), theirs);
        let foreign = !theirs.contains("written by bgo");
        let said = user.run(&["status", "--json"]);
        let state = if foreign { "foreign" } else { "edited" };
        // What an edited one runs cannot be told.
        assert_eq!(
            (said.code, &said.json()["places"][0]["state"], &said.json()["ok"]),
            (1, &json!(state), &json!(false))
        );
    }
    // Of all methods, what is somebody else's is passed over.
    user.run(&["uninstall"]).ok().says("nothing of bgo is run at login\n", "");
    user.run(&["install", "--method", "systemd", "--force"]).ok();
    assert_eq!(fs::read_to_string(&unit).unwrap(), ours);
    // What another one has written is brought up to date.
    let moved = user.cmd(&["install"]).var("BGO_HOME", "/elsewhere").run().ok();
    assert!(moved.stdout.contains("was brought up to date"), "{}", moved.stdout);
    let old = user.env.state();
    let taken =
        format!("/elsewhere is brought back in place of {}, which then is not brought back any more", old.display());
    assert!(moved.stderr.contains(&taken), "{}", moved.stderr);
    // What is named is named as one types it, however it is written there.
    for (home, typed) in [("/an %odd \"one\"", "'/an %odd \"one\"'"), ("/elsewhere", "/elsewhere")] {
        user.cmd(&["install"]).var("BGO_HOME", home).run();
        let said = user.cmd(&["install", "--print"]).var("BGO_HOME", "/a").run().ok().stderr;
        assert!(said.contains(&format!("/a is brought back in place of {home}, which")), "{said}");
        assert!(said.contains(&format!("`BGO_HOME={typed} bgo resurrect`")), "{said}");
    }
    let said = user.run(&["status"]).code(1).stdout;
    let right = format!("where `Environment=\"BGO_HOME={}\"` is right now", user.env.state().display());
    assert!(said.contains("has `Environment=\"BGO_HOME=/elsewhere\"`") && said.contains(&right), "{said}");
    // A masked unit is a link to /dev/null.
    fs::remove_file(&unit).unwrap();
    symlink("/dev/null", &unit).unwrap();
    user.run(&["install", "--method", "systemd"]).code(1);
    assert_eq!(fs::read_link(&unit).unwrap(), Path::new("/dev/null"));
    // Where systemctl cannot be asked, the link that enables it goes as well.
    fs::remove_file(&unit).unwrap();
    user.run(&["install"]).ok();
    let wants = unit.with_file_name("default.target.wants");
    fs::create_dir(&wants).unwrap();
    user.give(&wants);
    symlink(&unit, wants.join("bgo.service")).unwrap();
    user.cmd(&["uninstall"]).var("XDG_RUNTIME_DIR", "").run().ok();
    assert!(!unit.exists() && !wants.join("bgo.service").is_symlink());
}

#[test]
fn what_cannot_be_looked_at_is_not_taken_for_nothing() {
    let user = User::new();
    let fake = |then: &str| {
        user.fake("crontab", &format!("case \"$1\" in\n-l) {then} cat tab || {{ echo 'no crontab for me' >&2; exit 1; }};;\n-r) rm tab;;\n-) cat >tab;;\nesac"));
    };
    fake("");
    user.run(&["install"]).ok();
    let tab = user.env.root().join("tab");
    fake("echo 'crontab: Permission denied' >&2; exit 1;");
    let said = user.run(&["status"]).code(1).stdout;
    assert!(
        said.contains(
            "cron     unknown: crontab\nwarning: whether crontab runs bgo cannot be told: cannot read your crontab: "
        ),
        "{said}"
    );
    assert_eq!(user.run(&["status", "--json"]).code(1).json()["places"][0]["state"], "unknown");
    user.told();
    let doctor = user.bgo(&["doctor"]).run().ok().stdout;
    assert!(doctor.contains("warning autostart\n    whether crontab runs bgo cannot be told: "), "{doctor}");
    assert_eq!(user.told().matches("crontab -l").count(), 1, "it is asked once");
    let said = user.run(&["uninstall"]).code(1);
    assert!(
        said.stderr.contains("cannot tell whether crontab runs bgo: cannot read your crontab: "),
        "{}",
        said.stderr
    );
    assert!(tab.exists());
    // Who may have no crontab has none.
    fake("echo 'You (me) are not allowed to use this program (crontab)' >&2; exit 1;");
    user.run(&["uninstall"]).ok().says("nothing of bgo is run at login\n", "");
    // What is beside one that works is no error: a line that was commented out, and a file that cannot be read.
    fake("");
    user.run(&["install", "--method", "xdg"]).ok();
    user.put(&tab, format!("#{}", fs::read_to_string(&tab).unwrap()));
    let said = user.run(&["status"]).ok().stdout;
    assert!(
        said.contains("warning: crontab was edited, and is not enabled") && !said.contains("xdg is enough"),
        "{said}"
    );
    assert!(!said.contains("uninstall --method xdg"), "{said}");
}

#[test]
fn a_manager_that_does_not_say_is_not_taken_for_a_no() {
    let user = User::with_systemd();
    user.run(&["install"]).ok();
    let unit = user.unit();
    user.fake("systemctl", "echo 'Failed to connect to bus: Connection refused' >&2; exit 1");
    let said = user.run(&["status"]).code(1).stdout;
    assert!(said.contains("bgo.service is enabled cannot be told") && !said.contains("not enabled"), "{said}");
    // The link tells, too.
    let wants = unit.with_file_name("default.target.wants");
    fs::create_dir(&wants).unwrap();
    symlink(&unit, wants.join("bgo.service")).unwrap();
    user.give(&wants);
    let said = user.run(&["status"]).ok().stdout;
    assert!(
        said.contains("installed, enabled: ") && said.contains("warning: cannot reach your systemd manager"),
        "{said}"
    );
    // What is beside the unit may have it run something else.
    let beside = unit.with_file_name("bgo.service.d");
    fs::create_dir(&beside).unwrap();
    fs::write(beside.join("nice.conf"), "[Service]\nNice=5\n").unwrap();
    user.run(&["status"]).ok();
    fs::write(beside.join("override.conf"), "[Service]\nExecStart=\nExecStart=/bin/true\n").unwrap();
    assert!(user.run(&["status"]).code(1).stdout.contains("override.conf changes what "));
    // Without its unit the link leads nowhere.
    fs::remove_file(&unit).unwrap();
    user.run(&["uninstall"]).ok();
    assert!(!wants.join("bgo.service").is_symlink());
    // What systemd was not told is told the next time.
    user.fake("systemctl", "case \"$*\" in *reload*) [ -e up ];; *NeedDaemon*) echo NeedDaemonReload=yes;; *is-enabled*) echo enabled;; esac");
    fs::remove_dir_all(&beside).unwrap();
    user.run(&["install"]).code(1);
    user.put(&user.env.root().join("up"), "");
    user.told();
    user.run(&["install"]).ok();
    assert!(user.told().contains("daemon-reload\n"));
}

#[test]
fn what_the_system_does_at_a_logout_is_told() {
    let user = User::with_systemd();
    user.fake("loginctl", "echo no");
    let said = user.run(&["install"]).ok();
    let hint = format!("hint: sudo loginctl enable-linger {}\n", name());
    assert!(said.stderr.contains("warning: you do not linger: ") && said.stderr.ends_with(&hint), "{}", said.stderr);
    assert_eq!(user.run(&["status"]).code, 0, "it runs at login all the same");
    let doctor = user.bgo(&["doctor"]).run().ok().stdout;
    assert!(doctor.contains("warning autostart\n    you do not linger: "), "{doctor}");
    let unreached = user.cmd(&["status"]).var("XDG_RUNTIME_DIR", "/nowhere").run();
    assert!(unreached.stdout.contains("XDG_RUNTIME_DIR is /nowhere, which is not there"), "{}", unreached.stdout);
    // Two ways at once are one too many.
    user.run(&["install", "--method", "xdg"]).ok();
    let said = user.run(&["status"]).stdout;
    assert!(said.contains("hint: bgo autostart uninstall --method xdg"), "{said}");
    // What cannot be written is told.
    user.run(&["uninstall"]).ok();
    let _ = fs::remove_dir_all(user.config(""));
    fs::write(user.config("").to_str().unwrap().trim_end_matches('/'), "").unwrap();
    let said = user.run(&["install"]).code(1);
    assert!(said.stderr.contains("bgo.service: Not a directory"), "{}", said.stderr);
}

#[test]
fn launchd_loads_the_agent_once() {
    let user = User::new();
    user.fake("launchctl", "case \"$1\" in\nprint) [ -e loaded ];;\nbootstrap) >loaded;;\nbootout) rm loaded;;\nesac");
    let install = ["install", "--method", "launchd"];
    user.run(&install).ok();
    let path = user.env.home().join("Library/LaunchAgents/bgo.autostart.plist");
    let uid = fs::metadata(&path).unwrap().uid();
    let bootstrap = format!("launchctl bootstrap gui/{uid} {}\n", path.display());
    assert_eq!(user.told(), format!("launchctl print gui/{uid}/bgo.autostart\n{bootstrap}"));
    user.run(&install).ok();
    assert_eq!(user.told(), format!("launchctl print gui/{uid}/bgo.autostart\n"));
    user.cmd(&install).var("BGO_HOME", "/elsewhere").run().ok();
    let bootout = format!("launchctl bootout gui/{uid}/bgo.autostart\n");
    assert_eq!(user.told(), format!("launchctl print gui/{uid}/bgo.autostart\n{bootout}{bootstrap}"));
    user.run(&["uninstall"]).ok().says(&format!("removed {}\n", path.display()), "");
    assert_eq!(user.told(), bootout);
    // Where nobody is logged in at the screen, it is loaded later.
    user.fake("launchctl", "echo 'Bootstrap failed: 125: Domain does not support specified action' >&2; exit 125");
    let said = user.run(&install).ok();
    assert!(said.stderr.contains("note: launchd has not loaded it now (Bootstrap failed: 125"), "{}", said.stderr);
}

/// In a mount namespace with a folder of the test in place of the system's units.
#[test]
fn root_gets_a_unit_of_the_system() {
    let env = TestEnv::new();
    let script = "mount --bind \"$0\" /etc/systemd/system && exec \"$@\"";
    let units = env.work().join("units");
    fs::create_dir(&units).unwrap();
    let inside = |args: &[&str]| {
        let words = ["--mount", "sh", "-c", script, units.to_str().unwrap()];
        env.program("unshare", &[&words[..], args].concat()).run()
    };
    if !nix::unistd::geteuid().is_root() || !Path::new("/etc/systemd/system").exists() || inside(&["true"]).code != 0 {
        return;
    }
    let log = env.root().join("run.log");
    let body = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\necho enabled\n", log.display());
    executable(&env.bin().join("systemctl"), &body);
    // What others could replace root does not run.
    let (others, bgo) = (env.work().join("others"), env.bin().join("bgo"));
    fs::create_dir(&others).unwrap();
    for path in [&others.join("bgo"), &bgo] {
        fs::hard_link(BGO, path).or_else(|_| fs::copy(BGO, path).map(drop)).unwrap();
    }
    chown(&others, Some(65534), None).unwrap();
    let (theirs, ours) = (others.join("bgo").display().to_string(), bgo.display().to_string());
    fs::rename(&bgo, env.bin().join("aside")).unwrap();
    let said = inside(&[&theirs, "autostart", "install"]).code(1);
    assert!(said.stderr.contains("others, which others than root may change"), "{}", said.stderr);
    assert_eq!(fs::read_dir(&units).unwrap().count(), 0);
    fs::rename(env.bin().join("aside"), &bgo).unwrap();
    let said = inside(&[&ours, "autostart", "install"]).ok();
    assert!(
        said.stdout.starts_with("installed /etc/systemd/system/bgo.service (systemd: systemd runs this machine)\n")
    );
    let text = fs::read_to_string(units.join("bgo.service")).unwrap();
    assert!(text.contains("\nWantedBy=multi-user.target\n"), "{text}");
    let told = fs::read_to_string(&log).unwrap();
    assert!(told.contains("\ndaemon-reload\nis-enabled bgo.service\n") && !told.contains("--user"), "{told}");
    inside(&[&ours, "autostart", "uninstall"]).ok();
    assert_eq!(fs::read_dir(&units).unwrap().count(), 0);
}

#[test]
fn the_policy_of_processes_is_set_as_by_set() {
    let env = TestEnv::new();
    for name in ["a", "b"] {
        env.start(name, &["sleep", "100"]);
    }
    env.bgo(&["autostart", "set", "a", "never"]).ok().says("set autostart of \"a\"\n", "");
    assert_eq!(env.record("a")["spec"]["autostart"], "never");
    let said = env.bgo(&["autostart", "set", "a", "b", "always", "--json"]).ok().json();
    assert_eq!(said["success_count"], 2, "{said}");
    assert_eq!(env.record("b")["spec"]["autostart"], "always");
    env.bgo(&["autostart", "set", "nobody", "never"]).code(3);
    for wrong in [&["a", "sometimes"][..], &["a"], &[], &["a", "never", "--print"], &["a", "never", "--method", "cron"]]
    {
        env.bgo(&[&["autostart", "set"], wrong].concat()).code(2);
    }
}
