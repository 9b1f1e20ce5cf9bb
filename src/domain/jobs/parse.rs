//! From the text of a `bgo.toml` to jobs.
//!
//! Why it exists: see the parent. Invariant: everything that is wrong is found in one go, each problem once, in the order
//! of the file.

use super::super::graph::Graph;
use super::super::kind::Kind;
use super::super::name::Name;
use super::super::near::nearest;
use super::super::settings::{READINESS, Restart, Settings, displaced_by};
use super::super::shell;
use super::super::spec::Supervision;
use super::super::variable::variable;
use super::keys::{self, ALIASES, TERMINAL, Unit};
use super::{Dialect, Job, JobFile, Place, Problem};
use crate::domain::order::sort_by_key;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A key of a job and its value.
#[derive(Clone, Debug)]
struct Entry {
    /// The key as it was written.
    written: String,
    key: Range<usize>,
    value: Value,
    at: Range<usize>,
    /// Where the elements of a list are.
    elements: Vec<Range<usize>>,
}

/// The keys of a job by their names in this bgo, whatever they were written as.
type Entries = BTreeMap<String, Entry>;

/// Reads a file of jobs.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, dialect: Dialect) -> Result<JobFile, Vec<Problem>> {
    let mut reader = Reader { text, dialect, problems: Vec::new(), warnings: Vec::new() };
    let file = match DeTable::parse(text) {
        Ok(table) => reader.file(table.get_ref()),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            reader.problem(&span, error.message().trim().to_owned(), "");
            None
        }
    };
    let Reader { mut problems, warnings, .. } = reader;
    sort_by_key(&mut problems, |problem| (problem.place.line, problem.place.column));
    match file {
        Some(file) if problems.is_empty() => Ok(JobFile { warnings, ..file }),
        _ => Err(problems),
    }
}

struct Reader<'r> {
    text: &'r str,
    dialect: Dialect,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, span: &Range<usize>, what: impl Into<String>, hint: impl Into<String>) {
        let place = Place::of(self.text, span);
        self.problems.push(Problem { place, what: what.into(), hint: hint.into() });
    }

    fn warn(&mut self, span: &Range<usize>, what: impl Into<String>, hint: impl Into<String>) {
        let place = Place::of(self.text, span);
        self.warnings.push(Problem { place, what: what.into(), hint: hint.into() });
    }

    fn file(&mut self, table: &DeTable<'_>) -> Option<JobFile> {
        let (mut project, mut defaults, mut jobs) = (None, None, None);
        for (key, value) in table {
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("project", DeValue::String(name)) => match Name::parse(name) {
                    Ok(name) => project = Some(name),
                    Err(why) => self.problem(&value.span(), format!("\"{name}\" cannot be a name: {why}"), ""),
                },
                ("defaults", DeValue::Table(table)) => defaults = Some(table),
                ("jobs", DeValue::Table(table)) => jobs = Some(table),
                ("project", other) => self.wrong_kind(&value.span(), "project", other, "a text in quotes"),
                (name @ ("defaults" | "jobs"), other) => self.wrong_kind(&value.span(), name, other, "a table"),
                (name, _) => {
                    let known = ["project", "defaults", "jobs"].map(str::to_owned);
                    let mut hint = meant(name, &known);
                    if hint.is_empty() {
                        hint = format!("the keys here are {}; a job is a table [jobs.NAME]", known.join(", "));
                    }
                    self.problem(&key.span(), format!("unknown key \"{name}\""), hint);
                }
            }
        }
        let defaults = defaults.map(|table| self.entries(table, "defaults")).unwrap_or_default();
        if let Some(cmd) = defaults.get("cmd") {
            self.problem(&cmd.key, "\"cmd\" cannot be a default", "each job has its own");
        }
        let Some(jobs) = jobs.filter(|jobs| !jobs.is_empty()) else {
            if self.problems.is_empty() {
                self.problem(&(0..0), "there is no job", "[jobs.web] with cmd = \"…\" makes one");
            }
            return None;
        };
        let mut tables: Vec<_> = jobs.iter().collect();
        sort_by_key(&mut tables, |(key, _)| key.span().start);
        let mut found = Vec::new();
        for (key, value) in tables {
            let text = key.get_ref().as_ref();
            let table = match value.get_ref() {
                DeValue::Table(table) => table,
                other => {
                    self.wrong_kind(&value.span(), text, other, "a table");
                    continue;
                }
            };
            match Name::parse(text) {
                Ok(name) => found.push(self.job(name, key.span(), table, &defaults)),
                Err(why) => self.problem(&key.span(), format!("\"{text}\" cannot be a name: {why}"), ""),
            }
        }
        self.check_needs(&found);
        let mut jobs: Vec<Job> = found.into_iter().filter_map(|(job, _)| job).collect();
        if self.dialect == Dialect::Bgrun {
            wait_for_ends(&mut jobs);
        }
        Some(JobFile { project, jobs, warnings: Vec::new() })
    }

    fn wrong_kind(&mut self, span: &Range<usize>, key: &str, value: &DeValue<'_>, expected: &str) {
        self.problem(span, format!("\"{key}\" cannot be {}: expected {expected}", kind_of(value)), "");
    }

    // ------------------------------------------------------------------------------------------ keys

    /// The keys of a job's table, named as in this bgo.
    fn entries(&mut self, table: &DeTable<'_>, title: &str) -> Entries {
        let mut entries = Entries::new();
        let mut keys: Vec<_> = table.iter().collect();
        sort_by_key(&mut keys, |(key, _)| key.span().start);
        for (key, value) in keys {
            let written = key.get_ref().to_string();
            let elements = match value.get_ref() {
                DeValue::Array(values) => values.iter().map(toml::Spanned::span).collect(),
                _ => Vec::new(),
            };
            let entry = Entry { written, key: key.span(), value: to_json(value.get_ref()), at: value.span(), elements };
            if let Some((name, entry)) = self.known(entry, title) {
                match entries.get(&name) {
                    Some(other) => {
                        let what = format!("\"{}\" and \"{}\" are the same", other.written, entry.written);
                        self.problem(&entry.key, what, "leave one of them out");
                    }
                    None => _ = entries.insert(name, entry),
                }
            }
        }
        entries
    }

    /// An entry under its name in this bgo.
    fn known(&mut self, mut entry: Entry, title: &str) -> Option<(String, Entry)> {
        let written = entry.written.clone();
        if TERMINAL.contains(&written.as_str()) {
            if entry.value != Value::Bool(false) {
                let what = format!("\"{written}\": bgo cannot give a process a terminal yet");
                self.problem(&entry.key, what, "leave it out; script -qec COMMAND /dev/null runs a command in one");
            }
            return None;
        }
        let alias = ALIASES.iter().find(|(alias, ..)| *alias == written);
        if let Some((_, name, unit)) = alias {
            let whole = entry.value.as_u64();
            entry.value = match (unit, whole) {
                (Unit::Same, _) => entry.value,
                (Unit::Mebibytes, Some(count)) => json!(count.saturating_mul(1 << 20)),
                (Unit::Millis, Some(count)) => json!(format!("{count}ms")),
                (Unit::Retries, Some(count)) => json!(count.saturating_add(1)),
                (_, None) => {
                    let shown = &self.text[entry.at.clone()];
                    self.problem(&entry.at, format!("\"{written}\" cannot be {shown}: expected a whole number"), "");
                    return None;
                }
            };
            return Some(((*name).to_owned(), entry));
        }
        if written == "restart" {
            // What bgrun calls these policies.
            match entry.value.as_str() {
                Some("never") => entry.value = json!("no"),
                Some("on-crash") => entry.value = json!("on-failure"),
                _ => {}
            }
        }
        if keys::setting(&written).is_some_and(|name| name.replace('_', "-") == written)
            || keys::others().iter().any(|(name, ..)| *name == written)
        {
            return Some((written, entry));
        }
        let kebab = written.replace('_', "-");
        let known = keys::MEANT.iter().find(|(word, _)| *word == kebab).map(|(_, key)| (*key).to_owned());
        let hint = meant(&known.unwrap_or(kebab), &keys::all());
        let hint = if hint.is_empty() { "bgo schema bgo.toml lists the keys".to_owned() } else { hint };
        self.problem(&entry.key, format!("unknown key \"{written}\" in [{title}]"), hint);
        None
    }

    /// Leaves one way to tell readiness, where a bgrun.toml has several.
    fn take_first_readiness(&mut self, entries: &mut Entries) {
        let mut first: Option<String> = None;
        for name in READINESS.iter().map(|name| name.replace('_', "-")) {
            match (&first, entries.get(&name)) {
                (None, Some(_)) => first = Some(name),
                (Some(first), Some(entry)) => {
                    let what = format!("\"{name}\" is not used: \"{first}\" comes first");
                    self.warn(&entry.key.clone(), what, "one way to tell readiness at most");
                    entries.remove(&name);
                }
                (_, None) => {}
            }
        }
    }

    // ------------------------------------------------------------------------------------------ jobs

    fn job(
        &mut self,
        name: Name,
        span: Range<usize>,
        table: &DeTable<'_>,
        defaults: &Entries,
    ) -> (Option<Job>, (Name, Entries)) {
        let before = self.problems.len();
        let own = self.entries(table, &format!("jobs.{name}"));
        let mut entries = with_defaults(own, defaults);
        if self.dialect == Dialect::Bgrun {
            self.take_first_readiness(&mut entries);
            if entries.get("backoff").is_some_and(|entry| entry.written == "backoff-ms") {
                // There it grows up to five minutes.
                let longest = Entry { value: json!("5m"), ..entries["backoff"].clone() };
                entries.entry("backoff-max".to_owned()).or_insert(longest);
            }
        }
        let command = match entries.get("cmd") {
            Some(cmd) => self.command(&cmd.clone()),
            None => {
                self.problem(&span, format!("[jobs.{name}] has no command"), "cmd = \"…\"");
                None
            }
        };
        let cwd = entries.get("cwd").and_then(|entry| self.value::<String>(entry));
        let env = entries.get("env").map(|entry| self.env(&entry.clone())).unwrap_or_default();
        let supervision = self.supervision(&entries);
        if self.problems.len() == before {
            self.check_together(&entries, &supervision, &span);
        }
        let fingerprint = fingerprint(&entries);
        let line = Place::of(self.text, &span).line;
        let job = command.filter(|_| self.problems.len() == before).map(|command| Job {
            line,
            name: name.clone(),
            command,
            cwd,
            env,
            supervision,
            fingerprint,
        });
        (job, (name, entries))
    }

    /// The value of `entry`, if it is of this kind.
    fn value<T: Kind>(&mut self, entry: &Entry) -> Option<T> {
        match T::from_value(entry.value.clone()) {
            Ok(value) => Some(value),
            Err(why) => {
                self.unfit(entry, &why);
                None
            }
        }
    }

    fn unfit(&mut self, entry: &Entry, why: &str) {
        let shown = self.text[entry.at.clone()].lines().next().unwrap_or_default().to_owned();
        self.problem(&entry.at, format!("\"{}\" cannot be {shown}: {why}", entry.written), "");
    }

    fn command(&mut self, entry: &Entry) -> Option<Vec<String>> {
        let expected = "expected a text in quotes, or a list of such";
        let command = match &entry.value {
            Value::String(text) => shell::command(text),
            Value::Array(words) => {
                let words: Option<Vec<String>> = words.iter().map(|word| Some(word.as_str()?.to_owned())).collect();
                match words {
                    Some(words) if words.first().is_none_or(String::is_empty) => Err("it is empty".to_owned()),
                    words => words.ok_or_else(|| expected.to_owned()),
                }
            }
            _ => Err(expected.to_owned()),
        };
        let command = command.and_then(|words| {
            if words.iter().any(|word| word.contains('\0')) { Err("it holds a NUL byte".to_owned()) } else { Ok(words) }
        });
        command.map_err(|why| self.unfit(entry, &why)).ok()
    }

    fn env(&mut self, entry: &Entry) -> Vec<(String, String)> {
        let Value::Object(table) = &entry.value else {
            self.unfit(entry, "expected a table such as { PORT = \"80\" }");
            return Vec::new();
        };
        let mut variables = Vec::new();
        for (key, value) in table {
            match variable(key, value) {
                Ok(value) => variables.push((key.clone(), value)),
                Err(why) => self.problem(&entry.at, why, ""),
            }
        }
        variables
    }

    fn supervision(&mut self, entries: &Entries) -> Supervision {
        let mut supervision = Supervision::default();
        for (name, entry) in entries {
            match name.as_str() {
                "cmd" | "cwd" | "env" => {}
                "restart" => supervision.restart = self.value(entry),
                "interval" => supervision.watch.interval = self.value(entry),
                "min-uptime" => supervision.watch.min_uptime = self.value(entry),
                "on-fast-crash" => supervision.watch.on_fast_crash = self.value(entry),
                name => {
                    if let Err(why) = supervision.settings.take(&name.replace('-', "_"), entry.value.clone()) {
                        self.unfit(entry, &why);
                    }
                }
            }
        }
        supervision.settings.restart_on = supervision.restart.and_then(Restart::ends);
        supervision
    }

    // ------------------------------------------------------------------------------------------ what goes together

    fn check_together(&mut self, entries: &Entries, supervision: &Supervision, span: &Range<usize>) {
        let mut settings = Settings::default();
        settings.apply(&supervision.settings);
        let restarts = supervision.restart.is_some_and(|restart| restart != Restart::No);
        let wrong = settings.contradiction();
        let pointless = wrong.is_none().then(|| supervision.pointless(&settings, restarts)).flatten();
        let Some(why) = wrong.as_ref().or(pointless.as_ref()) else { return };
        // The flags are named as the keys are.
        let named = why.split("--").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(rest.len());
            entries.get(&rest[..end])
        });
        let at = named.map(|entry| entry.key.clone()).max_by_key(|key| key.start).unwrap_or_else(|| span.clone());
        let what = why.replace("--", "");
        if self.dialect == Dialect::Bgrun && pointless.is_some() {
            self.warn(&at, what, "");
        } else {
            self.problem(&at, what, "");
        }
    }

    fn check_needs(&mut self, jobs: &[(Option<Job>, (Name, Entries))]) {
        let needs = |entries: &Entries| -> Vec<String> {
            let after = entries.get("after").map(|entry| Vec::<String>::from_value(entry.value.clone()));
            after.and_then(Result::ok).unwrap_or_default()
        };
        let list: Vec<(String, Vec<String>)> =
            jobs.iter().map(|(_, (name, entries))| (name.as_str().to_owned(), needs(entries))).collect();
        let entries_of = |name: &str| jobs.iter().find(|(_, (n, _))| n.as_str() == name).map(|(_, (_, e))| e);
        let place = |name: &str, need: &str| {
            let entry = entries_of(name)?.get("after")?;
            let at = needs(entries_of(name)?).iter().position(|n| n == need)?;
            Some(entry.elements.get(at).unwrap_or(&entry.at).clone())
        };
        let graph = Graph::new(&list);
        let known: Vec<String> = list.iter().map(|(name, _)| name.clone()).collect();
        for (name, need) in graph.unknown() {
            let hint = meant(need, &known);
            let span = place(name, need).unwrap_or(0..0);
            self.problem(&span, format!("\"{name}\" is after \"{need}\", and there is no such job"), hint);
        }
        if let Err(cycle) = graph.order() {
            let circle: Vec<&str> = cycle.iter().chain(cycle.first()).copied().collect();
            let (first, second) = (circle[0], circle[1]);
            let span = place(first, second).unwrap_or(0..0);
            let what = format!("\"{first}\" is after itself: {}", circle.join(" after "));
            self.problem(&span, what, "leave one of these out");
        }
    }
}

/// bgrun waits until a job without readiness has ended before it starts what is after it.
fn wait_for_ends(jobs: &mut [Job]) {
    let needed: Vec<String> = jobs.iter().flat_map(|job| job.after().to_vec()).collect();
    for job in jobs.iter_mut().filter(|job| needed.iter().any(|need| need == job.name.as_str())) {
        let settings = &mut job.supervision.settings;
        if !settings.awaits_readiness() {
            settings.oneshot.get_or_insert(true);
        }
    }
}

fn meant(word: &str, known: &[String]) -> String {
    let near = nearest(word, known.iter().map(String::as_str));
    near.map(|near| format!("did you mean \"{near}\"?")).unwrap_or_default()
}

/// The keys of a job on top of those of `[defaults]`. Its own way to tell readiness or health takes the place of another.
fn with_defaults(own: Entries, defaults: &Entries) -> Entries {
    let mut entries: Entries = defaults.clone();
    let given: Vec<String> = own.keys().cloned().collect();
    for way in displaced_by(&given) {
        entries.remove(&way.replace('_', "-"));
    }
    for (name, mut entry) in own {
        if let ("env", Some(Value::Object(given)), Value::Object(env)) =
            (name.as_str(), defaults.get("env").map(|entry| &entry.value), &entry.value)
        {
            let mut all = given.clone();
            all.extend(env.clone());
            entry.value = Value::Object(all);
        }
        entries.insert(name, entry);
    }
    entries
}

/// A number, in hexadecimal, that differs where two jobs do.
fn fingerprint(entries: &Entries) -> String {
    let lines = entries.iter().map(|(name, entry)| format!("{name}={}\n", entry.value));
    format!("{:016x}", fnv1a(lines.flat_map(String::into_bytes)))
}

/// The 64-bit FNV-1a hash. It is the same in every version, which the hashes of the standard library do not promise to be.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let add = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, add)
}

fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, |number| json!(number))
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, |number| json!(number)),
        DeValue::Boolean(yes) => json!(yes),
        DeValue::Datetime(moment) => json!(moment.to_string()),
        DeValue::Array(values) => values.iter().map(|value| to_json(value.get_ref())).collect(),
        DeValue::Table(table) => {
            let mut object = Map::new();
            object.extend(table.iter().map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref()))));
            Value::Object(object)
        }
    }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
