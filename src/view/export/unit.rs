//! Units, by the rules of systemd.syntax(7) and systemd.service(5).
//!
//! Why it exists: see the parent. Invariant: `%` begins a specifier in every value and `$` a variable in commands alone;
//! quotes and escapes are read in commands and in Environment= alone.

use super::comments;
use crate::domain::export::{Document, Node};

/// The text.
pub fn render(document: &Document) -> String {
    let mut text = comments(&document.comments, "");
    for section in &document.map {
        text.push_str(&format!("{}[{}]\n", if text.is_empty() { "" } else { "\n" }, section.key));
        let Node::Map(lines) = &section.value else { continue };
        for line in lines {
            text.push_str(&format!("{}={}\n", line.key, value(&line.key, &line.value)));
        }
    }
    text
}

fn value(key: &str, node: &Node) -> String {
    match node {
        Node::List(words) => {
            let word = |node: &Node| if let Node::Text(text) = node { word(text, true) } else { String::new() };
            words.iter().map(word).collect::<Vec<_>>().join(" ")
        }
        Node::Text(text) if key == "Environment" => word(text, false),
        Node::Text(text) => text.replace('%', "%%"),
        Node::Number(number) => number.to_string(),
        Node::Yes(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Node::Null | Node::Map(_) => String::new(),
    }
}

/// A word of a list. In quotes also what would mean more where it stands: a lone `;` ends a command.
fn word(text: &str, is_command: bool) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@,+-%$".contains(c);
    let mut word = String::new();
    for c in text.chars() {
        match c {
            '%' => word.push_str("%%"),
            '$' if is_command => word.push_str("$$"),
            '"' | '\\' => word.extend(['\\', c]),
            '\n' => word.push_str("\\n"),
            '\t' => word.push_str("\\t"),
            '\r' => word.push_str("\\r"),
            c if c.is_ascii_control() => word.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => word.push(c),
        }
    }
    if !text.is_empty() && text.chars().all(is_plain) { word } else { format!("\"{word}\"") }
}
