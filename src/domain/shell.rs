//! A command written as one text: is it words, or does it need a shell? And a word as it is typed into one.
//!
//! Why it exists: `cmd = "python3 -m http.server"` needs no shell between bgo and the server, which would only take
//! the signals meant for it; `cmd = "make && ./run"` needs one. Invariant: a text is split here only where a POSIX shell
//! would find the very same words; whatever could mean more to a shell is left to it.

use super::control::is_control;
use std::borrow::Cow;
use std::fmt::Write;

/// The program that such a text is given to.
const SHELL: &str = "sh";

/// What means more than itself outside of quotes.
const SPECIAL: &str = "|&;<>()$`*?[]#~={}!\n\r";

/// First words that only a shell knows.
const BUILT_IN: [&str; 29] = [
    ".", ":", "alias", "break", "case", "cd", "command", "continue", "eval", "exec", "exit", "export", "for", "if",
    "read", "readonly", "return", "set", "shift", "source", "times", "trap", "type", "ulimit", "umask", "unset",
    "until", "wait", "while",
];

/// The program and arguments that `text` stands for: its words, or `sh -c TEXT`.
///
/// # Errors
/// Why it is no command: nothing in it, or a quote that is not closed.
pub fn command(text: &str) -> Result<Vec<String>, String> {
    let words = match split(text)? {
        Some(words) if !words.first().is_some_and(|first| BUILT_IN.contains(&first.as_str())) => words,
        _ => vec![SHELL.to_owned(), "-c".to_owned(), text.to_owned()],
    };
    match words.first().map(String::as_str) {
        None => Err("it is empty".to_owned()),
        Some("") => Err("its first word is empty".to_owned()),
        Some(_) => Ok(words),
    }
}

/// The words of `text`; `None` if it takes a shell to tell.
fn split(text: &str) -> Result<Option<Vec<String>>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut needs_shell = false;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let inner = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => inner.push(c),
                        None => return Err("a ' is not closed".to_owned()),
                    }
                }
            }
            '"' => {
                let inner = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => inner.push(c),
                            Some('\n') => {}
                            Some(c) => inner.extend(['\\', c]),
                            None => return Err("a \" is not closed".to_owned()),
                        },
                        Some(c) => {
                            needs_shell |= matches!(c, '$' | '`');
                            inner.push(c);
                        }
                        None => return Err("a \" is not closed".to_owned()),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err("it ends with a \\".to_owned()),
            },
            // Only at the start of a word or before the command do these mean something.
            '#' | '~' | '!' if word.is_some() => word.get_or_insert_default().push(c),
            '=' if !words.is_empty() => word.get_or_insert_default().push(c),
            c if SPECIAL.contains(c) => {
                needs_shell = true;
                word.get_or_insert_default().push(c);
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok((!needs_shell).then_some(words))
}

/// `text` as one word of a shell command, safe to show and to paste. Control characters become octal escapes of the
/// `$'…'` form.
pub fn quote(text: &str) -> Cow<'_, str> {
    let is_safe =
        |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':' | ',' | '@' | '%' | '+' | '=');
    if !text.is_empty() && !text.starts_with('=') && text.chars().all(is_safe) {
        return Cow::Borrowed(text);
    }
    if !text.chars().any(is_control) {
        return Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")));
    }
    let mut out = String::from("$'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\n' | '\r' | '\t' => out.extend(c.escape_default()),
            c if is_control(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_would() {
        for (text, words) in [
            ("sleep 60", &["sleep", "60"][..]),
            ("  python3\t-m  http.server ", &["python3", "-m", "http.server"]),
            ("echo 'hello  world' \"a b\"", &["echo", "hello  world", "a b"]),
            ("echo a'b'\"c\"d", &["echo", "abcd"]),
            ("echo '' \"\"", &["echo", "", ""]),
            (r#"echo "a\"b\\c\d" \ x"#, &["echo", r#"a"b\c\d"#, " x"]),
            ("echo '$HOME' \"\\$HOME\"", &["echo", "$HOME", "$HOME"]),
            ("server --port=80 a#b c~ d! x=y", &["server", "--port=80", "a#b", "c~", "d!", "x=y"]),
            ("docker run -p 5432:5432 postgres:16", &["docker", "run", "-p", "5432:5432", "postgres:16"]),
        ] {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            assert_eq!(command(text), Ok(words), "{text}");
        }
    }

    #[test]
    fn what_only_a_shell_understands_is_given_to_one() {
        for text in [
            "a && b",
            "a | b",
            "a; b",
            "a > f",
            "echo $HOME",
            "echo \"$HOME\"",
            "echo `date`",
            "ls *.rs",
            "FOO=1 cmd",
            "cd /x",
            "exec sleep 1",
            "(a)",
            "echo ~",
            "# x",
            "a &",
            "echo {a,b}",
            "a\nb",
            "! a",
            "echo a$",
            "[ -f x ]",
        ] {
            assert_eq!(command(text), Ok(vec!["sh".to_owned(), "-c".to_owned(), text.to_owned()]), "{text}");
        }
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for (text, why) in [
            ("", "empty"),
            ("  ", "empty"),
            ("echo 'x", "'"),
            ("echo \"x", "\""),
            ("x\\", "\\"),
            ("'' x", "first word"),
        ] {
            assert!(command(text).is_err_and(|e| e.contains(why)), "{text}");
        }
    }
}
