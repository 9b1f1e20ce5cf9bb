//! Files for other supervisors as text.
//!
//! Why it exists: what was decided (`domain::export`) is written in the syntax of each. Invariant: whoever reads the text
//! by the rules of its syntax gets every text back byte for byte, whatever is in it.

mod hcl;
mod plist;
mod unit;
mod yaml;

use super::text::quote;
use crate::domain::control::one_line;
use crate::domain::export::{Document, File, Format, Syntax};

/// The text of a file.
pub fn render(file: &File) -> String {
    let one = |document: &Document| match file.syntax {
        Syntax::Unit => unit::render(document),
        Syntax::Plist => plist::render(document),
        Syntax::Yaml => yaml::render(document),
        Syntax::Hcl => hcl::render(document),
    };
    let separator = if file.syntax == Syntax::Yaml { "---\n" } else { "" };
    file.documents.iter().map(one).collect::<Vec<_>>().join(separator)
}

/// Several files one after the other, each with its name above it.
pub fn render_all(files: &[(String, String)]) -> String {
    if let [(_, text)] = files {
        return text.clone();
    }
    // Several documents of YAML in one stream are a stream of YAML.
    let is_yaml = |name: &str| name.ends_with(".yaml");
    let headed = files.iter().map(|(name, text)| {
        let separator = if is_yaml(name) { "---\n" } else { "" };
        if name.ends_with(".plist") {
            format!("<!-- {name} -->\n{text}")
        } else {
            format!("{separator}# {name}\n{text}")
        }
    });
    headed.collect::<Vec<_>>().join("\n")
}

/// What to type once the files at `paths` are in `folder`.
pub fn next_step(format: Format, system: bool, folder: &str, paths: &[String]) -> String {
    let each = |before: &str| paths.iter().map(|path| format!("{before}{}", quote(path))).collect::<Vec<_>>();
    let all = each("").join(" ");
    match format {
        Format::Systemd => {
            let (made, sudo, user, to) = match system {
                true => ("", "sudo ", "", "/etc/systemd/system"),
                false => ("mkdir -p ~/.config/systemd/user && ", "", " --user", "~/.config/systemd/user"),
            };
            let names: Vec<String> =
                paths.iter().filter_map(|path| Some(quote(path.rsplit('/').next()?).into_owned())).collect();
            let names = names.join(" ");
            let ctl = format!("{sudo}systemctl{user}");
            format!("{made}{sudo}cp {all} {to} && {ctl} daemon-reload && {ctl} enable --now {names}")
        }
        Format::Launchd => {
            let (sudo, to, domain) = match system {
                true => ("sudo ", "/Library/LaunchDaemons", "system"),
                false => ("", "~/Library/LaunchAgents", "gui/$(id -u)"),
            };
            format!("{sudo}cp {all} {to}, and for each: {sudo}launchctl bootstrap {domain} FILE")
        }
        Format::Compose => format!("docker compose -f {all} up --wait"),
        Format::Nomad => each("nomad job run ").join(" && "),
        Format::K8s => format!("kubectl apply -f {}", quote(folder)),
    }
}

/// Comments as lines that begin with `#`, at some depth.
fn comments(comments: &[String], indent: &str) -> String {
    comments.iter().map(|text| format!("{indent}# {}\n", comment(text))).collect()
}

/// A comment must not end before its end, nor go on in the next line.
fn comment(text: &str) -> String {
    one_line(text.as_bytes(), " ").trim_end_matches('\\').to_owned()
}

/// A text in double quotes, with the escapes that YAML and HCL share.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            // Neither has these in a text as they are, or not everywhere.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
