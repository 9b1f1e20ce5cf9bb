//! In what the captured environment of a process differs from that of the shell, as a few lines.
//!
//! Why it exists: "it works in my shell" is mostly `PATH`. Invariant: no value but folders of `PATH`; nothing is said
//! where nothing differs.

use super::detail::to_the_second;
use super::style::Style;
use super::text::clean;
use crate::domain::captured::VariableDifference;
use crate::domain::name::Name;
use crate::domain::timestamp::Timestamp;

/// How many variables beside `PATH` are named.
const NAMED: usize = 3;
/// How many folders of `PATH` are.
const FOLDERS: usize = 6;

/// The block below the details of `name`, whose environment was captured `at`; empty where nothing differs.
pub fn block(name: &Name, at: Timestamp, differences: &[VariableDifference], style: &Style) -> String {
    if differences.is_empty() {
        return String::new();
    }
    let (path, others) = match differences {
        [path, others @ ..] if path.name == "PATH" => (Some(path), others),
        others => (None, others),
    };
    let mut named: Vec<String> = path.map(of_path).into_iter().collect();
    named.extend(others.iter().take(NAMED).map(|other| clean(&other.name).into_owned()));
    if let more @ 1.. = others.len().saturating_sub(NAMED) {
        named.push(format!("{more} more"));
    }
    format!(
        "\n  {}\n    captured {}; this shell's differs in {}\n    {}\n",
        style.bold("Environment:"),
        to_the_second(at),
        named.join(", "),
        style.dim(format_args!("bgo restart {} --update-env takes this shell's", name.shell())),
    )
}

/// `PATH (+/opt/x/bin -/old/bin)`
fn of_path(path: &VariableDifference) -> String {
    let Some(folders) = &path.path else { return "PATH".to_owned() };
    let sign = |sign: char| move |folder: &String| format!("{sign}{}", clean(folder));
    let mut told: Vec<String> = folders.added.iter().map(sign('+')).collect();
    told.extend(folders.removed.iter().map(sign('-')));
    if let more @ 1.. = told.len().saturating_sub(FOLDERS) {
        told.truncate(FOLDERS);
        told.push(format!("and {more} more"));
    }
    if folders.reordered {
        told.push("another order".to_owned());
    }
    format!("PATH ({})", told.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::sample::at;
    use super::super::style::Level;
    use super::*;
    use crate::domain::captured::{Kind, PathDifference};

    #[test]
    fn path_stands_first_and_few_are_named() {
        let style = Style { level: Level::Plain, color: false, width: None };
        let name = Name::parse("my web").unwrap();
        let other = |name: &str| VariableDifference { name: name.to_owned(), kind: Kind::Changed, path: None };
        let path = PathDifference { added: vec!["/new".into()], removed: vec!["/old\u{1b}".into()], reordered: true };
        let mut all = vec![VariableDifference { path: Some(path), ..other("PATH") }];
        all.extend(["A", "B\u{1b}", "C", "D", "E"].map(other));
        assert_eq!(
            block(&name, at("10:00:00"), &all, &style),
            "\n  Environment:\n    captured 2026-11-20T10:00:00Z; this shell's differs in \
             PATH (+/new -/old\\u{1b} another order), A, B\\u{1b}, C, 2 more\n    \
             bgo restart 'my web' --update-env takes this shell's\n"
        );
        assert!(block(&name, at("10:00:00"), &all[1..4], &style).contains(" differs in A, B\\u{1b}, C\n"));
        assert_eq!(block(&name, at("10:00:00"), &[], &style), "");
        let many = PathDifference { removed: ('a'..='i').map(String::from).collect(), ..PathDifference::default() };
        let many = VariableDifference { path: Some(many), ..other("PATH") };
        assert_eq!(of_path(&many), "PATH (-a -b -c -d -e -f and 3 more)");
    }
}
