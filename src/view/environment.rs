//! An environment as lines, as commands for a shell, and as JSON.
//!
//! Why it exists: the same variables are looked at, taken over into a shell, and read by scripts. Invariant: what a shell
//! reads back is byte for byte what the process got; what cannot be had like that is left out and named.

use super::json::document;
use super::text;
use crate::domain::raw::Raw;
use crate::domain::secret::masked;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// For which reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A person at a terminal: control characters are shown, not sent.
    Terminal,
    /// A program: the bytes as they are.
    Pipe,
    /// sh, bash, zsh.
    Sh,
    /// fish.
    Fish,
}

/// What is printed, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text.
    pub text: Vec<u8>,
    /// Secrets that were left out.
    pub secrets: Vec<String>,
    /// Names that the shell has no word for.
    pub unnameable: Vec<String>,
}

/// What a shell sets for itself, or does not let itself be told.
const SHELLS_OWN: [&str; 18] = [
    "BASHOPTS",
    "BASH_VERSINFO",
    "EUID",
    "FISH_VERSION",
    "OLDPWD",
    "PPID",
    "PWD",
    "SHELLOPTS",
    "SHLVL",
    "UID",
    "_",
    "fish_pid",
    "history",
    "hostname",
    "pipestatus",
    "status",
    "umask",
    "version",
];

/// `variables` in `form`; secrets masked, or left out for a shell, unless `show`.
pub fn render(variables: &[(Raw, Raw)], form: Form, show: bool) -> Rendered {
    let mut rendered = Rendered::default();
    for (key, value) in variables {
        let mask = masked(key, value).filter(|_| !show);
        match form {
            Form::Pipe => push(&mut rendered.text, &[key.as_bytes(), b"=", mask.as_ref().unwrap_or(value).as_bytes()]),
            Form::Terminal => {
                let line = format!("{}={}", key.lossy(), mask.as_ref().unwrap_or(value).lossy());
                push(&mut rendered.text, &[text::clean(&line).as_bytes()]);
            }
            Form::Sh | Form::Fish if SHELLS_OWN.contains(&&*key.lossy()) => {}
            Form::Sh | Form::Fish if !is_word(key.as_bytes()) => rendered.unnameable.push(key.lossy().into_owned()),
            // With a part of it masked it is a wrong value, which would be worse than none.
            Form::Sh | Form::Fish if mask.is_some() => rendered.secrets.push(key.lossy().into_owned()),
            Form::Sh => push(&mut rendered.text, &[b"export ", key.as_bytes(), b"=", &quoted(value, b"'\\''", b"\\")]),
            Form::Fish => {
                push(&mut rendered.text, &[b"set -gx ", key.as_bytes(), b" ", &quoted(value, b"\\'", b"\\\\")]);
            }
        }
    }
    rendered
}

fn push(text: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| text.extend_from_slice(part));
    text.push(b'\n');
}

/// Whether `name` can be assigned to in a shell.
fn is_word(name: &[u8]) -> bool {
    let is_letter = |b: &u8| b.is_ascii_alphabetic() || *b == b'_';
    name.first().is_some_and(is_letter) && name.iter().all(|b| is_letter(b) || b.is_ascii_digit())
}

fn quoted(value: &Raw, quote: &[u8], backslash: &[u8]) -> Vec<u8> {
    let mut text = vec![b'\''];
    for &byte in value.as_bytes() {
        match byte {
            b'\'' => text.extend_from_slice(quote),
            b'\\' => text.extend_from_slice(backslash),
            _ => text.push(byte),
        }
    }
    text.push(b'\'');
    text
}

/// The environment of a process.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct EnvReply<'a> {
    /// Its name.
    name: &'a str,
    /// What it is: `running`, what a running process was started with; `next_start`, what its next start would give it.
    source: &'static str,
    /// The process that was started with it; null if none runs.
    pid: Option<u32>,
    /// The variables.
    environment: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    /// Those of them whose values are not shown.
    masked: Vec<Cow<'a, str>>,
}

/// The environment of `name` as one document; `pid` is that of the process that was started with it.
pub fn json(name: &str, pid: Option<u32>, variables: &[(Raw, Raw)], show: bool) -> String {
    let mut environment = BTreeMap::new();
    let mut hidden = Vec::new();
    for (key, value) in variables {
        let mask = masked(key, value).filter(|_| !show);
        if mask.is_some() {
            hidden.push(key.lossy());
        }
        environment.insert(key.lossy(), mask.map_or_else(|| value.lossy(), |mask| mask.lossy().into_owned().into()));
    }
    let source = if pid.is_some() { "running" } else { "next_start" };
    document(&EnvReply { name, source, pid, environment, masked: hidden })
}

/// What is said beside commands for a shell.
pub fn left_out(rendered: &Rendered) -> Option<String> {
    let secrets = rendered.secrets.join(", ");
    let names = rendered.unnameable.join(", ");
    match (secrets.is_empty(), names.is_empty()) {
        (true, true) => None,
        (false, true) => Some(format!("left out, as they look like secrets: {secrets}; --show includes them")),
        (true, false) => Some(format!("left out, as no shell takes such names: {names}")),
        (false, false) => Some(format!(
            "left out, as they look like secrets: {secrets} (--show includes them); as no shell takes such names: {names}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::MASK;
    use std::process::Command;

    fn variables() -> Vec<(Raw, Raw)> {
        let pair = |key: &str, value: &[u8]| (Raw::from(key), Raw::from(value.to_vec()));
        vec![
            pair("A", b"1"),
            pair("B", b"it's \\ \"$HOME\" `x`\n\x1b[31m \xff\n"),
            pair("C.D", b"x"),
            pair("DB", b"a://u:p@h"),
            pair("PWD", b"/srv"),
            pair("TOKEN", b"secret"),
        ]
    }

    #[test]
    fn lines_are_bytes_for_programs_and_clean_for_people() {
        let text = render(&variables(), Form::Pipe, false).text;
        let expected = b"A=1\nB=it's \\ \"$HOME\" `x`\n\x1b[31m \xff\n\nC.D=x\nDB=a://u:***@h\nPWD=/srv\nTOKEN=***\n";
        assert_eq!(String::from_utf8_lossy(&text), String::from_utf8_lossy(expected));
        assert_eq!(text, expected);
        let text = String::from_utf8(render(&variables(), Form::Terminal, true).text).unwrap();
        assert!(!text.chars().any(|c| c != '\n' && c.is_control()), "{text}");
        assert_eq!(text.lines().count(), variables().len());
        assert!(text.ends_with("TOKEN=secret\n") && text.contains("a://u:p@h\n"), "{text}");
    }

    #[test]
    fn a_shell_reads_back_every_byte() {
        let all: Vec<u8> = (1..=255).collect();
        let variables = [variables(), vec![(Raw::from("E"), Raw::from(all.clone()))]].concat();
        let rendered = render(&variables, Form::Sh, true);
        assert_eq!((rendered.secrets.len(), rendered.unnameable.clone()), (0, vec!["C.D".to_owned()]));
        let script = [&rendered.text[..], b"printf '%s|%s|%s' \"$B\" \"$TOKEN\" \"$E\""].concat();
        let script = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&script);
        let read = Command::new("sh").arg("-c").arg(script).output().unwrap().stdout;
        assert_eq!(read, [variables[1].1.as_bytes(), b"|secret|", &all].concat());
    }

    #[test]
    fn a_shell_never_gets_a_mask_for_a_value() {
        for form in [Form::Sh, Form::Fish] {
            let rendered = render(&variables(), form, false);
            assert_eq!(rendered.secrets, ["DB", "TOKEN"]);
            assert!(!String::from_utf8_lossy(&rendered.text).contains(MASK));
            let told = left_out(&rendered).unwrap();
            assert!(told.contains("DB, TOKEN") && told.contains("C.D") && !told.contains("PWD"), "{told}");
        }
        let one = [(Raw::from("A"), Raw::from("a'b\\c"))];
        assert_eq!(render(&one, Form::Fish, false).text, b"set -gx A 'a\\'b\\\\c'\n");
        assert_eq!(render(&one, Form::Sh, false).text, b"export A='a'\\''b\\c'\n");
        assert_eq!(left_out(&render(&one, Form::Sh, false)), None);
    }

    #[test]
    fn json_names_what_it_masks() {
        let value: serde_json::Value = serde_json::from_str(&json("web", None, &variables(), false)).unwrap();
        assert_eq!(value["source"], "next_start");
        assert_eq!(value["masked"], serde_json::json!(["DB", "TOKEN"]));
        assert_eq!(
            (&value["environment"]["TOKEN"], &value["environment"]["DB"]),
            (&"***".into(), &"a://u:***@h".into())
        );
        assert!(value["environment"]["B"].as_str().unwrap().contains("\u{fffd}"));
        let value: serde_json::Value = serde_json::from_str(&json("web", Some(7), &variables(), true)).unwrap();
        assert_eq!(
            (&value["source"], &value["pid"], &value["masked"]),
            (&"running".into(), &7.into(), &serde_json::json!([]))
        );
        assert_eq!(value["environment"]["TOKEN"], "secret");
    }
}
