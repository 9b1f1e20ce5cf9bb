//! What processes are called elsewhere.
//!
//! Why it exists: bgo's names may hold letters of any script, spaces and `@`; others are stricter. Invariant: no two
//! processes of an export have the same name in it, nor has one that of what runs bgo itself.

use super::super::login::{LABEL, UNIT};
use super::Format;

/// How long a name may get before an ending is put to it, in bytes.
fn longest(format: Format) -> usize {
    match format {
        Format::Systemd => 240,
        // With room for what is derived from it: names of pods end in a hash.
        Format::K8s => 50,
        _ => 100,
    }
}

/// The names of `names` in `format`, in their order; of those that would be the same the later get a number.
pub fn names(format: Format, names: &[&str]) -> Vec<String> {
    let mut taken: Vec<String> = own(format).map(str::to_owned).into_iter().collect();
    let own = taken.len();
    for name in names {
        let wanted = one(format, name);
        let numbered = (2..).map(|number| format!("{wanted}-{number}"));
        // File systems that take names for the same that differ in case only are where two files would become one.
        let is_free = |name: &String| !taken.iter().any(|other| other.eq_ignore_ascii_case(name));
        let free = std::iter::once(wanted.clone()).chain(numbered).find(is_free);
        taken.push(free.unwrap_or(wanted));
    }
    taken.split_off(own)
}

/// Whether `name` would be called there as what runs bgo itself.
pub fn is_own(format: Format, name: &str) -> bool {
    own(format).is_some_and(|own| one(format, name).eq_ignore_ascii_case(own))
}

/// What a process would be called whose file would be that of `autostart install`.
fn own(format: Format) -> Option<&'static str> {
    match format {
        Format::Systemd => UNIT.strip_suffix(".service"),
        Format::Launchd => LABEL.strip_prefix("bgo."),
        _ => None,
    }
}

fn one(format: Format, name: &str) -> String {
    match format {
        Format::Systemd => {
            let escaped = escaped(name);
            if escaped.len() <= longest(format) { escaped } else { kept(name, "._-", longest(format)) }
        }
        Format::Launchd | Format::Compose => kept(name, "._-", longest(format)),
        Format::Nomad => kept(name, "_-", longest(format)),
        Format::K8s => {
            let kept = kept(&name.to_ascii_lowercase(), "-", longest(format));
            // The name of a Service begins with a letter.
            if kept.starts_with(|c: char| c.is_ascii_digit()) { format!("p-{kept}") } else { kept }
        }
    }
}

/// As systemd escapes what a unit's name must not hold. What follows a bare `@` would be an instance of a template.
fn escaped(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-".contains(&b);
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("\\x{b:02x}") }).collect()
}

/// Letters and digits of ASCII, and `also`; for all else one dash.
fn kept(name: &str, also: &str, longest: usize) -> String {
    let mut kept = String::new();
    for c in name.chars() {
        if c.is_ascii_alphanumeric() || also.contains(c) {
            kept.push(c);
        } else if !kept.ends_with('-') {
            kept.push('-');
        }
    }
    kept.truncate(longest);
    let kept = kept.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if kept.is_empty() { "process".to_owned() } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::Format::{Compose, K8s, Launchd, Nomad, Systemd};
    use super::*;

    #[test]
    fn names_are_as_each_format_wants_them() {
        for (format, name, expected) in [
            (Systemd, "web", "web"),
            (Systemd, "my app@1", "my\\x20app\\x401"),
            (Systemd, "日", "\\xe6\\x97\\xa5"),
            (Launchd, "my app@1", "my-app-1"),
            (Compose, "a.b_c", "a.b_c"),
            (Nomad, "a.b_c", "a-b_c"),
            (K8s, "My.App_2", "my-app-2"),
            (K8s, "7", "p-7"),
            (K8s, "日本", "process"),
            (Compose, "_x_", "x"),
        ] {
            assert_eq!(one(format, name), expected);
        }
        let long = "日".repeat(33);
        assert_eq!(one(Systemd, &long), "process");
        assert_eq!(one(K8s, &"x".repeat(100)).len(), 50);
    }

    #[test]
    fn no_two_are_the_same() {
        let given = ["a b", "a@b", "a-b", "a-b-2", "A-B", "日", "本"];
        assert_eq!(names(K8s, &given), ["a-b", "a-b-2", "a-b-3", "a-b-2-2", "a-b-4", "process", "process-2"]);
        assert_eq!(names(Systemd, &["a", "A"]), ["a", "A-2"]);
        assert_eq!(names(Systemd, &["bgo", "bgo-2", "x"]), ["bgo-2", "bgo-2-2", "x"], "bgo has a unit of its own");
        assert_eq!(names(Launchd, &["autostart", "bgo"]), ["autostart-2", "bgo"]);
        assert_eq!(names(Compose, &["bgo", "autostart"]), ["bgo", "autostart"]);
    }
}
