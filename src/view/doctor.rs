//! What `doctor` has found, for people.
//!
//! Why it exists: one line a check, so that what is wrong stands out. Invariant: under what is wrong stands what mends it.

use super::style::Style;
use super::text::{clean, pad};
use crate::domain::finding::{Finding, Severity};

/// The width of the names of checks.
const CHECK: usize = 11;

/// The lines of one check.
pub fn checked(check: &str, severity: Severity, findings: &[Finding], style: &Style) -> String {
    let title = pad(check, CHECK);
    let mark = match severity {
        Severity::Ok => style.good(style.glyph("✓", "ok     ")).to_string(),
        Severity::Note => style.dim(style.glyph("·", "note   ")).to_string(),
        Severity::Warning => style.warn(style.glyph("!", "warning")).to_string(),
        Severity::Error => style.bad(style.glyph("✗", "error  ")).to_string(),
    };
    if let [Finding { severity: Severity::Ok, message, .. }] = findings {
        return format!("{mark} {title} {}\n", clean(message));
    }
    let mut text = format!("{mark} {check}\n");
    for (index, finding) in findings.iter().enumerate() {
        let about = finding.name.as_ref().map(|name| format!("\"{name}\": ")).unwrap_or_default();
        let fixed = if finding.fixed { style.good("mended: ").to_string() } else { String::new() };
        text.push_str(&format!("    {fixed}{}\n", clean(&format!("{about}{}", finding.message))));
        // Of many that the same mends it is told once, below the last.
        let is_repeated = findings.get(index + 1).is_some_and(|next| next.hint == finding.hint && !next.fixed);
        if let Some(hint) = finding.hint.as_ref().filter(|_| !finding.fixed && !is_repeated) {
            text.push_str(&format!("      hint: {}\n", clean(hint)));
        }
    }
    text
}
