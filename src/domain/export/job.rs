//! A process, made ready to be described elsewhere.
//!
//! Why it exists: what all formats need is found out once: texts, names, what it needs, which variables are secrets.
//! Invariants: a job holds text only (no format can hold other bytes); the value of a secret is not in it.

use super::super::duration::Span;
use super::super::raw::Raw;
use super::super::secret::{is_typed, masked};
use super::super::settings::{RestartOn, Settings};
use super::super::url::Url;
use super::fates::{Fate, fate, given};
use super::names::{is_own, names};
use super::node::{Fields, texts};
use super::{EXPORTED, Format, Node, Note, Options, Process};
use crate::domain::order::sort;
use crate::error::{Error, ErrorKind, Result};
use std::path::Path;

/// What differs where the kernel limits memory.
pub const KERNEL_LIMIT: &str = "the kernel ends what gets above it, by SIGKILL, and counts caches and buffers, too";

/// A process and its place in an export.
#[derive(Debug)]
pub struct Job<'a> {
    pub of: &'a Process,
    pub format: Format,
    /// What it is called in the export.
    pub id: String,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The folder it runs in.
    pub cwd: String,
    /// Its variables, each once.
    pub env: Vec<(String, String)>,
    /// The names of those that are left out because they look like secrets.
    pub secrets: Vec<String>,
    /// What it needs of what is exported with it.
    pub needs: Vec<Need>,
    /// What it needs and is not exported, as it would be called.
    pub missing: Vec<String>,
    /// Whether what is written of it holds what looks like a secret.
    pub is_private: bool,
    /// The image of its container.
    pub image: String,
    /// What is not as in bgo.
    pub notes: Vec<Note>,
}

/// A process that another needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// What it is called in the export.
    pub id: String,
    /// Whether it is to end.
    pub is_oneshot: bool,
    /// Whether the file says how it gets ready.
    pub is_checked: bool,
}

/// A check of readiness or health that looks at the process from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// It accepts connections.
    Port(u16),
    /// It answers with 2xx.
    Url(Url, String),
    /// A shell command succeeds.
    Cmd(String),
}

/// Makes jobs of processes.
///
/// # Errors
/// Something of a process is no text; an image is missing, or is of no process here.
pub fn prepare<'a>(format: Format, processes: &'a [Process], options: &Options) -> Result<Vec<Job<'a>>> {
    if let Some(stranger) =
        options.images.iter().filter_map(|(name, _)| name.as_ref()).find(|name| !has(processes, name))
    {
        return Err(Error::new(ErrorKind::Usage, format!("--image {stranger}=…: \"{stranger}\" is not exported"))
            .hint("--image NAME=IMAGE is for one of the processes, --image IMAGE for all others"));
    }
    let given: Vec<&str> = processes.iter().map(|process| process.name.as_str()).collect();
    let ids = names(format, &given);
    let mut jobs = Vec::new();
    for (process, id) in processes.iter().zip(&ids) {
        let mut job = one(format, process, id, options)?;
        find_needs(&mut job, processes, &ids);
        jobs.push(job);
    }
    Ok(jobs)
}

fn has(processes: &[Process], name: &str) -> bool {
    processes.iter().any(|process| process.name == name)
}

fn one<'a>(format: Format, process: &'a Process, id: &str, options: &Options) -> Result<Job<'a>> {
    let mut argv = Vec::new();
    for (index, argument) in process.command.iter().enumerate() {
        let argument = if index == 0 && format.has_images() { &process.word } else { argument };
        argv.push(text(format, process, "its command", argument)?);
    }
    let mut job = Job {
        of: process,
        format,
        id: id.to_owned(),
        argv,
        cwd: text(format, process, "its folder", &process.cwd)?,
        env: Vec::new(),
        secrets: Vec::new(),
        needs: Vec::new(),
        missing: Vec::new(),
        is_private: false,
        image: image(format, process, options)?,
        notes: Vec::new(),
    };
    job.take_variables();
    job.look_for_secrets();
    if process.is_detached {
        job.differs(
            "command",
            "it goes on in the background: there its supervisor takes it for ended; keep it in front",
        );
    }
    for path in
        [&process.settings.stdout, &process.settings.stderr].into_iter().flatten().chain(&process.settings.env_file)
    {
        text(format, process, "the path of a file", path)?;
    }
    for setting in given(process) {
        if let Fate::Lost(why) = fate(format, setting) {
            job.lost(setting, why);
        }
    }
    if !process.settings.success_exit.0.contains(&0) {
        job.differs("success_exit", "there 0 is success in any case");
    }
    if is_own(format, &process.name) {
        let why = format!("it is called {id} there, for \"{}\" is what autostart installs", process.name);
        job.differs("name", why);
    } else if id != process.name && format != Format::Systemd {
        job.differs("name", format!("it is called {id} there"));
    }
    Ok(job)
}

/// The image of the container of `process`.
fn image(format: Format, process: &Process, options: &Options) -> Result<String> {
    if !format.has_images() {
        return Ok(String::new());
    }
    let own = options.images.iter().rev().find(|(name, _)| name.as_ref() == Some(&process.name));
    let image = own.or_else(|| options.images.iter().rev().find(|(name, _)| name.is_none()));
    let missing = || {
        let what = format!("no image is named for \"{}\"", process.name);
        Error::new(ErrorKind::Usage, what)
            .because(format!("what {} runs is in a container", format.noun()))
            .hint(format!("--image '{}=IMAGE' for it, or --image IMAGE for all that have none", process.name))
    };
    image.map(|(_, image)| image.clone()).ok_or_else(missing)
}

/// `raw` as text.
fn text(format: Format, process: &Process, what: &str, raw: &Raw) -> Result<String> {
    let cannot = |why: &str| {
        let file = format.noun();
        let error = Error::new(ErrorKind::Usage, format!("cannot export \"{}\" as {file}", process.name));
        error.because(format!("{what} {why}")).hint("put it into a script, and run that")
    };
    let text = std::str::from_utf8(raw.as_bytes()).map_err(|_| cannot("is not UTF-8, which such a file has to be"))?;
    match format {
        Format::Launchd if text.contains(is_no_xml) => Err(cannot("holds a control character, which no XML can")),
        // Their values are taken as they stand, up to the end of the line.
        Format::Systemd if what != "its command" && text.contains(char::is_control) => {
            Err(cannot("holds a control character, which no path in a unit can"))
        }
        _ => Ok(text.to_owned()),
    }
}

/// Whether no XML can hold `c`, however it is written.
fn is_no_xml(c: char) -> bool {
    matches!(c, '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}') && !matches!(c, '\t' | '\n' | '\r')
}

/// What the process of `job` needs.
fn find_needs(job: &mut Job<'_>, all: &[Process], ids: &[String]) {
    let format = job.format;
    for name in &job.of.settings.after {
        let Some(index) = all.iter().position(|other| other.name == *name) else {
            if !matches!(fate(format, "after"), Fate::Lost(_)) {
                job.note("after", format == Format::Systemd, format!("\"{name}\" is left out: name it, too"));
            }
            job.missing.extend(names(format, &[name]));
            continue;
        };
        let settings = &all[index].settings;
        let checks = [&settings.ready_when_url, &settings.ready_when_cmd, &settings.health_url, &settings.health_cmd];
        let is_checked =
            checks.into_iter().any(Option::is_some) || settings.ready_when_port.or(settings.health_port).is_some();
        job.needs.push(Need { id: ids[index].clone(), is_oneshot: settings.oneshot, is_checked });
    }
}

impl<'a> Job<'a> {
    /// How it is supervised.
    pub fn settings(&self) -> &'a Settings {
        &self.of.settings
    }

    /// Which ends are followed by a restart.
    pub fn restart(&self) -> Option<RestartOn> {
        self.of.restarts.then_some(self.of.settings.restart_on)
    }

    fn note(&mut self, setting: &'static str, is_mapped: bool, why: String) {
        let note = Note { process: self.of.name.clone(), setting, is_mapped, why };
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Notes that there is no counterpart.
    pub fn lost(&mut self, setting: &'static str, why: impl Into<String>) {
        self.note(setting, false, why.into());
    }

    /// Notes that the counterpart is not quite the same.
    pub fn differs(&mut self, setting: &'static str, why: impl Into<String>) {
        self.note(setting, true, why.into());
    }

    /// The notes as comments.
    pub fn comments(&self) -> Vec<String> {
        let head = format!("\"{}\"{EXPORTED}", self.of.name);
        std::iter::once(head).chain(self.notes.iter().map(Note::text)).collect()
    }

    /// The variables, without those that look like secrets.
    fn take_variables(&mut self) {
        let process = self.of;
        let mut all: Vec<(Raw, Raw)> = Vec::new();
        let port = process.settings.allocate_port.as_ref().zip(process.allocated_port);
        let port = port.map(|(variable, port)| (Raw::from(variable.as_str()), Raw::from(port.to_string().as_str())));
        for (key, value) in process.env.iter().cloned().chain(port) {
            all.retain(|(other, _)| *other != key);
            all.push((key, value));
        }
        if process.settings.allocate_port.is_some() {
            match process.allocated_port {
                Some(port) => self.differs("allocate_port", format!("it is {port}, whatever else listens there")),
                None => self.lost("allocate_port", "no port is looked for: pass one with -e"),
            }
        }
        for (key, value) in all {
            let name = key.lossy().into_owned();
            let others = if self.format == Format::Systemd { "_" } else { "_.-" };
            let is_name = name.starts_with(|c: char| !c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
            match (masked(&key, &value), std::str::from_utf8(value.as_bytes())) {
                _ if !is_name => self.lost("env", format!("{name}: left out, as no variable is called so there")),
                (Some(_), _) => self.secrets.push(name),
                (None, Ok(text)) if self.format == Format::Launchd && text.contains(is_no_xml) => {
                    self.lost("env", format!("{name}: left out, as XML cannot hold its value"));
                }
                (None, Ok(text)) => self.env.push((name, text.to_owned())),
                (None, Err(_)) => self.lost("env", format!("{name}: left out, as its value is not UTF-8")),
            }
        }
    }

    /// Secrets that are no variables cannot be left out.
    fn look_for_secrets(&mut self) {
        let settings = self.settings();
        let texts = [
            ("on_exit", &settings.on_exit),
            ("on_ready", &settings.on_ready),
            ("ready_when_cmd", &settings.ready_when_cmd),
            ("ready_when_url", &settings.ready_when_url),
            ("health_cmd", &settings.health_cmd),
            ("health_url", &settings.health_url),
        ];
        let is_written = |setting: &str| !matches!(fate(self.format, setting), Fate::Lost(_));
        let typed = texts.into_iter().filter(|(setting, _)| is_written(setting));
        let mut found: Vec<&'static str> = typed
            .filter(|(_, text)| text.as_deref().is_some_and(|text| is_typed([text])))
            .map(|(setting, _)| setting)
            .collect();
        if is_typed(self.argv.iter().map(String::as_str)) {
            found.insert(0, "command");
        }
        self.is_private = !found.is_empty();
        for setting in found {
            self.differs(
                setting,
                "there is what looks like a secret in it: --out-dir writes a file for its owner alone (mode 600)",
            );
        }
    }

    /// The absolute path of a file of the process.
    pub fn path(&self, path: &Raw) -> String {
        // Whether it is text was checked.
        Path::new(&self.cwd).join(path.as_path()).to_string_lossy().into_owned()
    }

    /// The files of variables that are no TOML; of the others a note is taken.
    pub fn env_files(&mut self) -> Vec<String> {
        let mut files = Vec::new();
        for file in &self.settings().env_file {
            let path = self.path(file);
            if path.to_ascii_lowercase().ends_with(".toml") {
                self.lost(
                    "env_file",
                    format!("{path} is TOML, which only bgo reads as variables: make it a .env file"),
                );
            } else {
                files.push(path);
            }
        }
        files
    }

    /// How readiness is found out from outside.
    pub fn ready(&self) -> Option<Probe> {
        let settings = self.settings();
        probe(settings.ready_when_port, settings.ready_when_url.as_deref(), settings.ready_when_cmd.as_deref())
    }

    /// How health is found out.
    pub fn health(&self) -> Option<Probe> {
        let settings = self.settings();
        probe(settings.health_port, settings.health_url.as_deref(), settings.health_cmd.as_deref())
    }

    /// How long after its start a check of health may fail: until it has to be ready, and its own grace.
    pub fn grace(&self) -> Span {
        let settings = self.settings();
        let ready = settings.ready_when().map_or(Span::secs(0), |_| settings.ready_timeout);
        Span(ready.0.saturating_add(settings.health_grace.0))
    }

    /// The ports that it listens on, as far as its checks tell.
    pub fn ports(&self) -> Vec<u16> {
        let port = |probe| match probe {
            Some(Probe::Port(port)) => Some(port),
            Some(Probe::Url(url, _)) if is_local(&url.host) => Some(url.port),
            _ => None,
        };
        let mut ports: Vec<u16> = [port(self.ready()), port(self.health())].into_iter().flatten().collect();
        ports.extend(self.settings().allocate_port.as_ref().and(self.of.allocated_port));
        sort(&mut ports);
        ports.dedup();
        ports
    }

    /// Group, owner and tags, under these names.
    pub fn words(&self, [group, owner, tags_as]: [&str; 3]) -> Fields {
        let settings = self.settings();
        let tags = (!settings.tags.is_empty()).then(|| settings.tags.join(","));
        let mut words = Fields::default();
        words.put_some(group, settings.group.clone());
        words.put_some(owner, settings.owner.clone());
        words.put_some(tags_as, tags);
        words
    }
}

fn probe(port: Option<u16>, url: Option<&str>, cmd: Option<&str>) -> Option<Probe> {
    let url = || url.and_then(|text| Some(Probe::Url(Url::parse(text).ok()?, text.to_owned())));
    port.map(Probe::Port).or_else(url).or_else(|| cmd.map(|cmd| Probe::Cmd(cmd.to_owned())))
}

/// Whether a host is this machine.
pub fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host == "::1" || host.starts_with("127.")
}

/// Whole seconds, rounded up.
pub fn secs(span: Span) -> i64 {
    let secs = span.0.as_millis().div_ceil(1000);
    i64::try_from(secs).unwrap_or(i64::MAX)
}

/// A span as Go and systemd read it: `90s`, `1500ms`.
pub fn span(span: Span) -> String {
    let millis = span.0.as_millis();
    if millis.is_multiple_of(1000) { format!("{}s", millis / 1000) } else { format!("{millis}ms") }
}

/// A number of bytes or the like as a node.
pub fn number(number: u64) -> Node {
    Node::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A shell command as program and arguments.
pub fn shell(script: &str, arguments: &[&str]) -> Node {
    texts(["/bin/sh", "-c", script].iter().chain(arguments).copied())
}
