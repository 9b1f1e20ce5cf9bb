//! Property lists in XML.
//!
//! Why it exists: see the parent. Invariant: no text can end its element, and no line end is changed by whoever reads it.

use super::comment;
use crate::domain::export::{Document, Entry, Node};

const HEAD: &str = "\
<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">
<plist version=\"1.0\">
";

/// The text.
pub fn render(document: &Document) -> String {
    let mut text = HEAD.to_owned();
    for line in &document.comments {
        // Two dashes must not be in it.
        text.push_str(&format!("<!-- {} -->\n", escaped(&comment(line)).replace("--", "")));
    }
    dict(&document.map, 0, &mut text);
    text.push_str("</plist>\n");
    text
}

fn dict(map: &[Entry], depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    text.push_str(&format!("{indent}<dict>\n"));
    for entry in map {
        text.push_str(&format!("{indent}  <key>{}</key>\n", escaped(&entry.key)));
        value(&entry.value, depth + 1, text);
    }
    text.push_str(&format!("{indent}</dict>\n"));
}

fn value(node: &Node, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match node {
        Node::Map(map) => dict(map, depth, text),
        Node::List(nodes) => {
            text.push_str(&format!("{indent}<array>\n"));
            nodes.iter().for_each(|node| value(node, depth + 1, text));
            text.push_str(&format!("{indent}</array>\n"));
        }
        Node::Text(plain) => text.push_str(&format!("{indent}<string>{}</string>\n", escaped(plain))),
        Node::Number(number) => text.push_str(&format!("{indent}<integer>{number}</integer>\n")),
        Node::Yes(yes) => text.push_str(&format!("{indent}<{yes}/>\n")),
        Node::Null => text.push_str(&format!("{indent}<string></string>\n")),
    }
}

fn escaped(text: &str) -> String {
    // A bare carriage return would be read as a line feed.
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#13;")
}
