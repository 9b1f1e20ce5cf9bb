//! HCL of version 2, as Nomad reads it.
//!
//! Why it exists: see the parent. Invariant: no text holds what HCL would evaluate.

use super::{comments, quoted};
use crate::domain::export::{Document, Entry, Node};

/// The text.
pub fn render(document: &Document) -> String {
    let mut text = comments(&document.comments, "");
    body(&document.map, 0, &mut text);
    text
}

fn body(entries: &[Entry], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for entry in entries {
        text.push_str(&comments(&entry.comments, &indent));
        match &entry.value {
            Node::Map(inner) => {
                let label = entry.label.as_deref().map(|label| format!(" {}", literal(label))).unwrap_or_default();
                text.push_str(&format!("{indent}{}{label} {{\n", entry.key));
                body(inner, depth + 1, text);
                text.push_str(&format!("{indent}}}\n"));
            }
            value => text.push_str(&format!("{indent}{} = {}\n", entry.key, scalar(value))),
        }
    }
}

fn scalar(node: &Node) -> String {
    match node {
        Node::Text(text) => literal(text),
        Node::Number(number) => number.to_string(),
        Node::Yes(yes) => yes.to_string(),
        Node::Null | Node::Map(_) => "null".to_owned(),
        Node::List(nodes) => format!("[{}]", nodes.iter().map(scalar).collect::<Vec<_>>().join(", ")),
    }
}

/// A text without templates: `${` and `%{` begin one unless their first character is doubled. Where the one before is the
/// same, doubling could be read in two ways, and an escape cannot.
fn literal(text: &str) -> String {
    let quoted = quoted(text);
    let mut literal = String::with_capacity(quoted.len());
    let mut before = None;
    let mut rest = quoted.chars().peekable();
    while let Some(c) = rest.next() {
        let begins = matches!(c, '$' | '%') && rest.peek() == Some(&'{');
        match begins {
            true if before == Some(c) => literal.push_str(&format!("\\u{:04x}", u32::from(c))),
            true => literal.extend([c, c]),
            false => literal.push(c),
        }
        before = Some(c);
    }
    literal
}
