//! The file that desktops read when they start.
//!
//! Why it exists: see [`super`]. Invariant: the command line is quoted twice, first as an argument, then as a value of the
//! file, as the specification has it.

use super::{Job, without_escapes};
use crate::domain::seal::sealed;

/// The text of the file.
pub(super) fn text(job: &Job) -> Result<String, String> {
    let program = quoted(job.program_after_env()?);
    let exec = match &job.home {
        Some(home) => format!("env {} {program} resurrect", quoted(&format!("BGO_HOME={home}"))),
        None => format!("{program} resurrect"),
    };
    let text = format!(
        "[Desktop Entry]\n\
         Type=Application\n\
         Name=bgo\n\
         Comment=Bring back the processes that were running\n\
         Exec={exec}\n\
         Terminal=false\n\
         NoDisplay=true\n\
         # written by bgo autostart install"
    );
    Ok(sealed(&text, "\n"))
}

/// As one argument of `Exec`.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            // A backslash of the quoting is itself escaped in a value.
            '"' | '`' | '$' => quoted.push_str("\\\\"),
            '\\' => quoted.push_str("\\\\\\"),
            '%' => quoted.push('%'),
            _ => {}
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// What was [`quoted`], without the quotation marks.
pub(super) fn unquoted(text: &str) -> String {
    without_escapes(&without_escapes(text)).replace("%%", "%")
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;

    #[test]
    fn odd_paths_are_quoted_twice() {
        let of = |program, home| {
            let text = text(&job(program, home)).unwrap();
            text.lines().find(|line| line.starts_with("Exec=")).unwrap().to_owned()
        };
        assert_eq!(of("/usr/bin/bgo", None), "Exec=\"/usr/bin/bgo\" resurrect");
        assert_eq!(of("/b", Some("/a b")), "Exec=env \"BGO_HOME=/a b\" \"/b\" resurrect");
        assert_eq!(of("/50%/$x`\"\\", None), r#"Exec="/50%%/\\$x\\`\\"\\\\" resurrect"#);
    }
}
