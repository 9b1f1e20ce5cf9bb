//! TOML as variables: `[server]` with `port = 3000` is `SERVER_PORT=3000`.
//!
//! Why it exists: a project that keeps its settings in TOML need not keep them twice. Names are the path of a value,
//! joined by `_` and in capitals, with `_` for what no shell takes in a name; the items of an array are numbered from
//! 0. Invariant: two values never come to one name unseen.

use super::env_file::Flaw;
use super::raw::Raw;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The variables that the TOML document `text` comes to, sorted by name.
///
/// # Errors
/// The first flaw: of the syntax, or two values of one name.
pub fn parse(text: &[u8]) -> Result<Vec<(Raw, Raw)>, Flaw> {
    let document = std::str::from_utf8(text).map_err(|e| Flaw::new(text, e.valid_up_to(), "it is not UTF-8"))?;
    let table = DeTable::parse(document).map_err(|e| {
        let at = e.span().map_or(0, |span| span.start);
        Flaw::new(text, at, e.message().replace('\n', "; "))
    })?;
    let mut flat = Flat { text, found: BTreeMap::new() };
    flat.table(table.get_ref(), &mut Vec::new())?;
    let pairs = flat.found.into_iter();
    Ok(pairs.map(|(name, found)| (Raw::from(name.as_str()), Raw::from(found.value.as_str()))).collect())
}

/// A value, and where it comes from.
struct Found {
    value: String,
    path: String,
    at: usize,
}

struct Flat<'a> {
    text: &'a [u8],
    found: BTreeMap<String, Found>,
}

impl Flat<'_> {
    fn table(&mut self, table: &DeTable<'_>, path: &mut Vec<String>) -> Result<(), Flaw> {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            self.value(value, key.span().start, path)?;
            path.pop();
        }
        Ok(())
    }

    /// Takes in `value`, whose key or, in an array, which itself stands at byte `at`.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, at: usize, path: &mut Vec<String>) -> Result<(), Flaw> {
        let text = match value.get_ref() {
            DeValue::Table(table) => return self.table(table, path),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(index.to_string());
                    self.value(item, item.span().start, path)?;
                    path.pop();
                }
                return Ok(());
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => number.to_string(),
                Err(_) => return Err(Flaw::new(self.text, value.span().start, "a number beyond 64 bits")),
            },
            DeValue::Float(number) => number.as_str().trim_start_matches('+').to_owned(),
            DeValue::Boolean(truth) => truth.to_string(),
            DeValue::Datetime(date) => date.to_string(),
        };
        if text.contains('\0') {
            return Err(Flaw::new(self.text, value.span().start, "a NUL character, which no variable can hold"));
        }
        self.add(text, at, path)
    }

    fn add(&mut self, value: String, at: usize, path: &[String]) -> Result<(), Flaw> {
        let name = name(path);
        let path = path.join(".");
        if name.is_empty() {
            return Err(Flaw::new(self.text, at, "an empty key, which comes to no name"));
        }
        if let Some(other) = self.found.get(&name) {
            let line = Flaw::new(self.text, other.at, "").line;
            let what = format!("\"{path}\" and \"{}\" (line {line}) both come to {name}", other.path);
            return Err(Flaw::new(self.text, at, what));
        }
        self.found.insert(name, Found { value, path, at });
        Ok(())
    }
}

fn name(path: &[String]) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = path.join("_").chars().map(allowed).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let found = parse(text.as_bytes()).unwrap_or_else(|flaw| panic!("{flaw}: {text}"));
        found.iter().map(|(key, value)| format!("{}={}", key.lossy(), value.lossy())).collect()
    }

    #[test]
    fn tables_and_arrays_are_flattened() {
        for (text, expected) in [
            ("[server]\nport = 3000", &["SERVER_PORT=3000"][..]),
            ("a = 1\n[b.c]\nd = 2\n[b.c.e]\nf = 3", &["A=1", "B_C_D=2", "B_C_E_F=3"]),
            ("a.b = 1\na.c.d = 2", &["A_B=1", "A_C_D=2"]),
            ("a = { b = 1, c = { d = 2 } }", &["A_B=1", "A_C_D=2"]),
            ("a = [1, \"x\", [2, 3]]", &["A_0=1", "A_1=x", "A_2_0=2", "A_2_1=3"]),
            ("[[a]]\nb = 1\n[[a]]\nb = 2", &["A_0_B=1", "A_1_B=2"]),
            ("a = []\n[b]\nc = {}", &[]),
            ("", &[]),
        ] {
            assert_eq!(lines(text), expected, "{text}");
        }
    }

    #[test]
    fn values_are_text() {
        for (text, expected) in [
            ("\"\"", ""),
            ("\"a\\n\\\"b\\\" # $HOME\"", "a\n\"b\" # $HOME"),
            ("'C:\\dir'", "C:\\dir"),
            ("\"\"\"\none\ntwo\"\"\"", "one\ntwo"),
            ("1_000", "1000"),
            ("+7", "7"),
            ("-7", "-7"),
            ("0xFf", "255"),
            ("0o17", "15"),
            ("0b101", "5"),
            ("9223372036854775807", "9223372036854775807"),
            ("1.0", "1.0"),
            ("+1_0.5e3", "10.5e3"),
            ("-inf", "-inf"),
            ("nan", "nan"),
            ("true", "true"),
            ("false", "false"),
            ("1979-05-27T07:32:00Z", "1979-05-27T07:32:00Z"),
            ("1979-05-27 07:32:00.5-07:00", "1979-05-27T07:32:00.5-07:00"),
            ("1979-05-27T07:32:00", "1979-05-27T07:32:00"),
            ("1979-05-27", "1979-05-27"),
            ("07:32:00", "07:32:00"),
        ] {
            assert_eq!(lines(&format!("a = {text}")), [format!("A={expected}")], "{text}");
        }
    }

    #[test]
    fn what_no_shell_takes_is_replaced() {
        for (text, expected) in [
            ("\"a-b c\" = 1", "A_B_C=1"),
            ("\"a.b\" = 1", "A_B=1"),
            ("\"größe\" = 1", "GR__E=1"),
            ("3d = 1", "_3D=1"),
            ("[1]\n2 = 3", "_1_2=3"),
            ("\"=\" = 1", "_=1"),
            ("[a]\n\"\" = 1", "A_=1"),
        ] {
            assert_eq!(lines(text), [expected], "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, expected) in [
            ("a_b = 1\n[a]\nb = 2", "1:1: \"a_b\" and \"a.b\" (line 3) both come to A_B"),
            ("A = 1\n  a = 2", "2:3: \"a\" and \"A\" (line 1) both come to A"),
            ("a = [1]\na_0 = 2", "2:1: \"a_0\" and \"a.0\" (line 1) both come to A_0"),
            ("\"\" = 1", "1:1: an empty key, which comes to no name"),
            ("a = 99999999999999999999", "1:5: a number beyond 64 bits"),
            ("x = 1\na = \"\\u0000\"", "2:5: a NUL character, which no variable can hold"),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().to_string(), expected, "{text}");
        }
        for (text, place) in [("a = 1\nb = ", "2:5: "), ("a = 1\na = 2", "2:1: "), ("a = b", "1:5: "), ("[a", "1:3: ")]
        {
            let flaw = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(flaw.starts_with(place) && flaw.len() > place.len() && !flaw.contains('\n'), "{text}: {flaw}");
        }
    }

    /// It gets into records and logs.
    #[test]
    fn no_value_is_quoted() {
        for text in [
            "a = hunter2",
            "a = 'hunter2' hunter2",
            "a = \"hunter2\\q\"",
            "a = 'hunter2",
            "a = 1hunter2",
            "a = [hunter2]",
        ] {
            let flaw = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(!flaw.contains("hunter2"), "{text}: {flaw}");
        }
    }

    #[test]
    fn no_depth_is_too_deep() {
        for text in [
            "a.".repeat(400_000) + "a = 1",
            "a = ".to_owned() + &"[".repeat(400_000),
            "[".to_owned() + &"a.".repeat(400_000) + "a]\nb = 1",
        ] {
            let _ = parse(text.as_bytes());
        }
    }
}
