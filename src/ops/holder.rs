//! A process that holds what a command needs, in words.
//!
//! Why it exists: an error about a lock or a port names who has it, and both do so alike.

use crate::platform;

/// How many characters of a command an error quotes.
const SHOWN: usize = 80;

/// The command of `pid` as one line; `None` if it has ended.
pub(super) fn command_line(pid: u32) -> Option<String> {
    let arguments = platform::arguments(pid)?;
    let words = arguments.split(|&b| b == 0).map(String::from_utf8_lossy);
    Some(words.collect::<Vec<_>>().join(" ").trim_end().to_owned())
}

/// `pid 123 (python3 -m http.server 8080)`, the command cut if it is long.
pub(super) fn shown(pid: u32, command: &str) -> String {
    let mut cut: String = command.chars().take(SHOWN).collect();
    if cut.len() < command.len() {
        cut.push_str("...");
    }
    format!("pid {pid} ({cut})")
}
