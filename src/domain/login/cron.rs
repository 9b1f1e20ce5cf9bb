//! The line in a crontab.
//!
//! Why it exists: see [`super`]. Invariant: every byte of a crontab that is not in a line of ours stays as it is.

use super::{Job, Method};
use crate::domain::seal::sealed;

/// By this a line of ours is known.
pub const MARK: &str = "# bgo autostart";

/// The line, without its end.
pub(super) fn line(job: &Job) -> Result<String, String> {
    let program = quoted(job.program_after_env()?);
    // Not as the shell has it: which shell runs the line is set in the crontab.
    let env = job.home.as_ref().map(|home| format!("/usr/bin/env BGO_HOME={} ", quoted(home))).unwrap_or_default();
    Ok(sealed(&format!("@reboot {env}{program} resurrect {MARK}"), ""))
}

/// As one word of a shell. To cron a percent sign would be the end of the line.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''")).replace('%', "\\%")
}

/// What was [`quoted`], without the quotation marks at its ends.
pub(super) fn unquoted(text: &str) -> String {
    text.replace("\\%", "%").replace("'\\''", "'")
}

/// A crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crontab(pub Vec<u8>);

impl Crontab {
    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split_inclusive(|&b| b == b'\n')
    }

    /// The lines of ours, or that once were, without their ends.
    pub fn marked(&self) -> Vec<String> {
        let text = |line: &[u8]| String::from_utf8_lossy(line).trim_end_matches('\n').to_owned();
        self.lines().filter(|line| is_marked(line)).map(text).collect()
    }

    /// Whether somebody has edited one of these.
    pub fn is_edited(&self) -> bool {
        self.marked().iter().any(|line| !Method::Cron.is_ours(line))
    }

    /// A line of somebody's own that does the same.
    pub fn other(&self) -> Option<String> {
        let text = |line: &[u8]| String::from_utf8_lossy(line).trim().to_owned();
        let mut others = self.lines().filter(|line| !is_marked(line)).map(text);
        others.find(|line| line.starts_with("@reboot") && line.contains("bgo") && line.contains("resurrect"))
    }

    /// Without these.
    #[must_use]
    pub fn without(&self) -> Crontab {
        Crontab(self.lines().filter(|line| !is_marked(line)).flatten().copied().collect())
    }

    /// With `line` in their place, or else at the end.
    #[must_use]
    pub fn with(&self, line: &str) -> Crontab {
        let ours = format!("{line}\n").into_bytes();
        let mut text = Vec::new();
        let mut is_there = false;
        for other in self.lines() {
            match is_marked(other) {
                true if is_there => {}
                true => text.extend_from_slice(&ours),
                false => text.extend_from_slice(other),
            }
            is_there |= is_marked(other);
        }
        if !is_there {
            if text.last().is_some_and(|&b| b != b'\n') {
                text.push(b'\n');
            }
            text.extend_from_slice(&ours);
        }
        Crontab(text)
    }
}

fn is_marked(line: &[u8]) -> bool {
    let mark = format!("{MARK}, ").into_bytes();
    line.windows(mark.len()).any(|part| part == mark)
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;

    #[test]
    fn odd_paths_are_quoted() {
        let of = |program, home| line(&job(program, home)).unwrap().rsplit_once(", ").unwrap().0.to_owned();
        assert_eq!(of("/usr/bin/bgo", None), "@reboot '/usr/bin/bgo' resurrect # bgo autostart");
        assert_eq!(
            of("/50%/o'b", Some("/a b")),
            "@reboot /usr/bin/env BGO_HOME='/a b' '/50\\%/o'\\''b' resurrect # bgo autostart"
        );
    }

    #[test]
    fn what_is_not_ours_stays_byte_for_byte() {
        let ours = line(&job("/usr/bin/bgo", None)).unwrap();
        for others in [&b""[..], b"# mine\n\n5 * * * * x\t\xff\r\n", b"MAILTO=me\n0 0 * * * bgo reap # bgo autostart\n"]
        {
            let with = Crontab(others.to_vec()).with(&ours);
            assert_eq!(with.0, [others, ours.as_bytes(), b"\n"].concat());
            assert_eq!(with.with(&ours), with, "twice is once");
            assert_eq!(with.without().0, others);
            assert_eq!((with.marked(), with.is_edited()), (vec![ours.clone()], false));
        }
        assert_eq!(Crontab(b"a".to_vec()).with(&ours).without().0, b"a\n", "a last line without an end gets one");
        let edited = Crontab(format!("a\n#{ours}\nb\n{ours}\n").into_bytes());
        assert!(edited.is_edited());
        assert_eq!(edited.with("new").0, b"a\nnew\nb\n");
        assert_eq!(edited.without().0, b"a\nb\n");
    }
}
