//! From the text of a payload to specs.
//!
//! Why it exists: see the parent. Invariant: everything that is wrong is found in one go, in the order of the payload.

use super::super::graph::Graph;
use super::super::kind::Kind;
use super::super::name::Name;
use super::super::near::nearest;
use super::super::settings::{Restart, Settings};
use super::super::shell;
use super::super::spec::{Supervision, WatchChange};
use super::super::variable::variable;
use super::schema::{self, ALIASES, ARGS};
use super::{Payload, PayloadProblem, PayloadSpec, StartOptions, Wait};
use serde_json::{Map, Value};

/// Words that people try, and the key that they mean.
const MEANT: [(&str, &str); 9] = [
    ("argv", "command"),
    ("depends_on", "after"),
    ("requires", "after"),
    ("environment", "env"),
    ("dir", "cwd"),
    ("working_dir", "cwd"),
    ("shell", "cmd"),
    ("restart_policy", "restart"),
    ("replace", "force"),
];

/// Reads a payload: a spec, or an array of specs. `defaults` is what holds for those that do not say otherwise: it is
/// only looked at to tell what goes together.
///
/// # Errors
/// Everything that is wrong with it.
pub fn parse(text: &str, defaults: &Supervision) -> Result<Payload, Vec<PayloadProblem>> {
    let problem = |what: String| vec![PayloadProblem { path: String::new(), what, hint: String::new() }];
    let value: Value = serde_json::from_str(text).map_err(|e| problem(format!("it is no JSON: {e}")))?;
    let (values, is_array) = match value {
        Value::Array(values) if values.is_empty() => return Err(problem("there is no spec in it".to_owned())),
        Value::Array(values) => (values, true),
        one => (vec![one], false),
    };
    let mut problems = Vec::new();
    let mut specs: Vec<(usize, PayloadSpec)> = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let path = if is_array { format!("[{index}]") } else { String::new() };
        let mut reader = Reader { path, aliases: Vec::new(), problems: &mut problems };
        let Some(spec) = reader.spec(value, defaults) else { continue };
        match specs.iter().find(|(_, other)| other.name == spec.name) {
            Some((other, _)) => {
                reader.problem("name", format!("\"{}\" is the name of [{other}], too", spec.name), "");
            }
            None => specs.push((index, spec)),
        }
    }
    if problems.is_empty() {
        check_order(&specs, &mut problems);
    }
    let specs = specs.into_iter().map(|(_, spec)| spec).collect();
    if problems.is_empty() { Ok(Payload { specs, is_array }) } else { Err(problems) }
}

/// What waits for itself would never be started.
fn check_order(specs: &[(usize, PayloadSpec)], problems: &mut Vec<PayloadProblem>) {
    let after = |spec: &PayloadSpec| spec.supervision.settings.after.clone().unwrap_or_default();
    let list: Vec<(String, Vec<String>)> = specs.iter().map(|(_, spec)| (spec.name.to_string(), after(spec))).collect();
    if let Err(circle) = Graph::new(&list).order() {
        let way: Vec<&str> = circle.iter().chain(circle.first()).copied().collect();
        let first = specs.iter().find(|(_, spec)| spec.name.as_str() == way[0]).map_or(0, |(index, _)| *index);
        let what = format!("\"{}\" is after itself: {}", way[0], way.join(" after "));
        problems.push(PayloadProblem { path: format!("[{first}].after"), what, hint: "leave one of these out".into() });
    }
}

struct Reader<'r> {
    /// The path of the spec: `[3]`, or nothing.
    path: String,
    /// The keys that were written as background-tasks calls them: alias and name.
    aliases: Vec<(&'static str, &'static str)>,
    problems: &'r mut Vec<PayloadProblem>,
}

impl Reader<'_> {
    fn problem(&mut self, key: &str, what: impl Into<String>, hint: impl Into<String>) {
        let dot = if self.path.is_empty() || key.is_empty() { "" } else { "." };
        let key = self.aliases.iter().find(|(_, name)| *name == key).map_or(key, |(alias, _)| alias);
        let path = format!("{}{dot}{key}", self.path);
        self.problems.push(PayloadProblem { path, what: what.into(), hint: hint.into() });
    }

    fn spec(&mut self, value: Value, defaults: &Supervision) -> Option<PayloadSpec> {
        let before = self.problems.len();
        let Value::Object(object) = value else {
            self.problem("", "expected an object such as {\"name\": \"web\", \"command\": [\"…\"]}", "");
            return None;
        };
        let mut keys = self.known(object);
        let name = self.name(keys.remove("name"));
        let command = self.command(keys.remove("command"), keys.remove(ARGS), keys.remove("cmd"));
        let cwd = self.take(&mut keys, "cwd");
        let env = keys.remove("env").map(|value| self.env(value)).unwrap_or_default();
        let start = self.start(&mut keys);
        let mut supervision = Supervision {
            restart: self.take(&mut keys, "restart"),
            watch: WatchChange {
                interval: self.take(&mut keys, "interval"),
                min_uptime: self.take(&mut keys, "min_uptime"),
                on_fast_crash: self.take(&mut keys, "on_fast_crash"),
            },
            ..Supervision::default()
        };
        for (key, value) in keys {
            let shown = short(&value);
            if let Err(why) = supervision.settings.take(&key, value) {
                self.problem(&key, format!("cannot be {shown}: {why}"), "");
            }
        }
        supervision.settings.restart_on = supervision.restart.and_then(Restart::ends);
        if self.problems.len() == before {
            self.check_together(&supervision, defaults);
        }
        let (name, command) = (name?, command?);
        (self.problems.len() == before).then_some(PayloadSpec { name, command, cwd, env, supervision, start })
    }

    /// The keys by their names in this bgo; one that is null was not given.
    fn known(&mut self, object: Map<String, Value>) -> Map<String, Value> {
        let mut known = Map::new();
        let all = schema::all();
        for (key, value) in object {
            let alias = ALIASES.iter().find(|(alias, _)| *alias == key);
            let name = alias.map_or(key.as_str(), |(_, name)| name);
            if !all.contains(&name) {
                let snake = key.replace('-', "_").to_lowercase();
                let meant = MEANT.iter().find(|(word, _)| *word == snake).map_or(snake.as_str(), |(_, key)| key);
                let near = nearest(meant, all.iter().copied());
                let hint = near.map(|near| format!("did you mean \"{near}\"?"));
                self.problem(&key, "unknown key", hint.unwrap_or_default());
            } else if known.contains_key(name) {
                let other = ALIASES.iter().find(|(_, of)| *of == name).map_or(name, |(alias, _)| alias);
                self.problem("", format!("\"{other}\" and \"{name}\" are the same"), "leave one of them out");
            } else if !value.is_null() {
                self.aliases.extend(alias);
                known.insert(name.to_owned(), value);
            }
        }
        known
    }

    /// The value of `key`, if it was given and is of this kind.
    fn take<T: Kind>(&mut self, keys: &mut Map<String, Value>, key: &str) -> Option<T> {
        let value = keys.remove(key)?;
        let shown = short(&value);
        T::from_value(value).map_err(|why| self.problem(key, format!("cannot be {shown}: {why}"), "")).ok()
    }

    fn name(&mut self, value: Option<Value>) -> Option<Name> {
        let text = match value {
            Some(Value::String(text)) => text,
            Some(other) => {
                self.problem("name", format!("cannot be {}: expected a text in quotes", short(&other)), "");
                return None;
            }
            None => {
                self.problem("name", "it is missing", "");
                return None;
            }
        };
        Name::parse(&text).map_err(|why| self.problem("name", format!("\"{text}\" cannot be a name: {why}"), "")).ok()
    }

    fn command(&mut self, command: Option<Value>, args: Option<Value>, cmd: Option<Value>) -> Option<Vec<String>> {
        let mut words = match (command, cmd) {
            (Some(_), Some(_)) => {
                self.problem("cmd", "\"cmd\" and \"command\" exclude each other", "leave one of them out");
                return None;
            }
            (None, None) => {
                self.problem("command", "it is missing", "a list of words; or cmd, a command line");
                return None;
            }
            (None, Some(line)) => match line.as_str().map(shell::command) {
                Some(Ok(_)) if args.is_some() => {
                    self.problem(ARGS, "\"args\" goes with \"command\"", "\"cmd\" is a whole command line");
                    return None;
                }
                Some(Ok(words)) => words,
                Some(Err(why)) => return self.no_command("cmd", &line, &why),
                None => return self.no_command("cmd", &line, "expected a command line in quotes"),
            },
            (Some(Value::Array(_)), None) if args.is_some() => {
                self.problem(ARGS, "\"args\" goes with a \"command\" that is a text", "append it to that list");
                return None;
            }
            (Some(Value::String(program)), None) => {
                if args.is_none() && program.contains(char::is_whitespace) {
                    let hint = "\"cmd\" takes a command line; a list of words may have spaces";
                    self.problem("command", format!("\"{program}\" is more than a program"), hint);
                    return None;
                }
                vec![program]
            }
            (Some(list), None) => match texts(&list) {
                Some(words) => words,
                None => return self.no_command("command", &list, "expected a list of words, each in quotes"),
            },
        };
        if let Some(args) = args {
            match texts(&args) {
                Some(args) => words.extend(args),
                None => return self.no_command(ARGS, &args, "expected a list of words, each in quotes"),
            }
        }
        match words.first() {
            None => self.problem("command", "it is empty", ""),
            Some(program) if program.is_empty() => self.problem("command", "its first word is empty", ""),
            Some(_) if words.iter().any(|word| word.contains('\0')) => {
                self.problem("command", "it holds a NUL byte", "");
            }
            Some(_) => return Some(words),
        }
        None
    }

    fn no_command(&mut self, key: &str, value: &Value, why: &str) -> Option<Vec<String>> {
        self.problem(key, format!("cannot be {}: {why}", short(value)), "");
        None
    }

    fn env(&mut self, value: Value) -> Vec<(String, String)> {
        let Value::Object(variables) = value else {
            self.problem("env", "expected an object such as {\"PORT\": \"80\"}", "");
            return Vec::new();
        };
        let mut env = Vec::new();
        for (key, value) in variables {
            match variable(&key, &value) {
                Ok(value) => env.push((key, value)),
                Err(why) => self.problem(&format!("env.{key}"), why, ""),
            }
        }
        env
    }

    fn start(&mut self, keys: &mut Map<String, Value>) -> StartOptions {
        let wait = match keys.remove("wait") {
            Some(Value::Bool(yes)) => Some(if yes { Wait::Within(None) } else { Wait::No }),
            Some(value) => {
                keys.insert("wait".to_owned(), value);
                self.take(keys, "wait").map(|time| Wait::Within(Some(time)))
            }
            None => None,
        };
        let start = StartOptions {
            settle: self.take(keys, "settle"),
            wait,
            if_not_running: self.take(keys, "if_not_running"),
            force: self.take(keys, "force"),
            fetch: self.take(keys, "fetch"),
            after_timeout: self.take(keys, "after_timeout"),
        };
        if start.settle.is_some() && matches!(start.wait, Some(Wait::Within(_))) {
            self.problem("settle", "\"settle\" and \"wait\" exclude each other", "leave one of them out");
        }
        start
    }

    /// What contradicts itself or means nothing, at the last of the keys that it is about.
    fn check_together(&mut self, given: &Supervision, defaults: &Supervision) {
        let mut all = defaults.clone();
        all.overlay(given.clone());
        let mut settings = Settings::default();
        settings.apply(&all.settings);
        let restarts = all.restart.is_some_and(|restart| restart != Restart::No);
        let Some(why) = settings.contradiction().or_else(|| all.pointless(&settings, restarts)) else { return };
        // The flags are named as the keys are, but for their dashes.
        let names = given.names();
        let mut at = String::new();
        let mut what = String::new();
        for (index, part) in why.split("--").enumerate() {
            let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(part.len());
            let (flag, rest) = if index == 0 { ("", part) } else { part.split_at(end) };
            if names.iter().any(|name| name == flag) && at.is_empty() {
                at = flag.replace('-', "_");
            }
            what.push_str(&flag.replace('-', "_"));
            what.push_str(rest);
        }
        self.problem(&at, what, "");
    }
}

/// The elements of a list of texts.
fn texts(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|word| Some(word.as_str()?.to_owned())).collect()
}

/// A value as it stands in the payload, cut where it is long.
fn short(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
