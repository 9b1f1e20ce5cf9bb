//! YAML.
//!
//! Why it exists: see the parent. Invariant: every text is in double quotes, so that none is taken for a number, a truth
//! or a date by one of its versions; keys that could be are, too.

use super::{comments, quoted};
use crate::domain::export::{Document, Entry, Node};

/// The text.
pub fn render(document: &Document) -> String {
    let mut text = comments(&document.comments, "");
    map(&document.map, 0, &mut text);
    text
}

fn map(entries: &[Entry], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    for entry in entries {
        text.push_str(&comments(&entry.comments, &indent));
        text.push_str(&format!("{indent}{}:", key(&entry.key)));
        value(&entry.value, depth, text);
    }
}

/// What follows a key or a dash.
fn value(node: &Node, depth: usize, text: &mut String) {
    match node {
        Node::Map(entries) if !entries.is_empty() => {
            text.push('\n');
            map(entries, depth + 1, text);
        }
        Node::List(nodes) if nodes.iter().any(|node| matches!(node, Node::Map(_) | Node::List(_))) => {
            text.push('\n');
            for node in nodes {
                let mut item = String::new();
                value(node, depth + 1, &mut item);
                // The first line of a map stands behind the dash.
                let item =
                    item.strip_prefix('\n').map_or_else(|| item.clone(), |item| format!(" {}", item.trim_start()));
                text.push_str(&format!("{}-{item}", "  ".repeat(depth + 1)));
            }
        }
        plain => text.push_str(&format!(" {}\n", scalar(plain))),
    }
}

fn scalar(node: &Node) -> String {
    match node {
        Node::Text(text) => quoted(text),
        Node::Number(number) => number.to_string(),
        Node::Yes(yes) => yes.to_string(),
        Node::Null => "null".to_owned(),
        Node::List(nodes) => format!("[{}]", nodes.iter().map(scalar).collect::<Vec<_>>().join(", ")),
        Node::Map(_) => "{}".to_owned(),
    }
}

fn key(key: &str) -> String {
    let is_word = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let means_more =
        ["true", "false", "null", "yes", "no", "on", "off", "y", "n"].iter().any(|word| key.eq_ignore_ascii_case(word));
    if is_word && !means_more { key.to_owned() } else { quoted(key) }
}
