//! Which files do not count: the lines of a `.gitignore`.
//!
//! Why it exists: nobody wants a restart because `node_modules` has changed, and everybody has said so already, in this
//! syntax. Invariants: of several lines that match, the last decides; a line that makes no sense matches nothing. Where a
//! file is looked for is not known here: paths are relative to the folder of the lines.

use fast_glob::glob_match;

/// What counts nowhere unless somebody says so: what editors leave for a moment, and what programs write for themselves
/// when they are started, which would start them again and again.
pub const BY_DEFAULT: &[u8] = b".hg/\n.svn/\n.jj/\nnode_modules/\n__pycache__/\n*.py[co]\n.DS_Store\n*~\n.#*\n\\#*#\n\
    .*.sw?\n.*.sw?x\n4913\n.*.kate-swp\n.goutputstream-*\n";

/// The lines of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns(Vec<Pattern>);

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    glob: Vec<u8>,
    /// It brings back what an earlier line has left out.
    negated: bool,
    /// It is about folders alone.
    folders: bool,
    /// It is about the whole path, not about the name at its end.
    anchored: bool,
}

impl Patterns {
    /// Reads the text of a file.
    pub fn parse(text: &[u8]) -> Patterns {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Patterns(text.split(|&b| b == b'\n').filter_map(Pattern::parse).collect())
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they leave out `path` (relative to their folder), which is a folder or not; `None`: they say nothing
    /// about it. The folders that it is in are not looked at: what is in one that is left out is left out with it.
    pub fn leave_out(&self, path: &[u8], is_folder: bool) -> Option<bool> {
        self.0.iter().rev().find(|pattern| pattern.matches(path, is_folder)).map(|pattern| !pattern.negated)
    }
}

impl Pattern {
    fn parse(line: &[u8]) -> Option<Pattern> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            return None;
        }
        let line = without_trailing_spaces(line);
        let (negated, line) = line.strip_prefix(b"!").map_or((false, line), |rest| (true, rest));
        let (folders, line) = line.strip_suffix(b"/").map_or((false, line), |rest| (true, rest));
        let anchored = line.contains(&b'/');
        let line = line.strip_prefix(b"/").unwrap_or(line);
        (!line.is_empty()).then(|| Pattern { glob: as_glob(line), negated, folders, anchored })
    }

    fn matches(&self, path: &[u8], is_folder: bool) -> bool {
        let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
        (is_folder || !self.folders) && glob_match(&self.glob, if self.anchored { path } else { name })
    }
}

/// `line` without the spaces at its end that no backslash protects.
fn without_trailing_spaces(mut line: &[u8]) -> &[u8] {
    while let Some(shorter) = line.strip_suffix(b" ") {
        let backslashes = shorter.iter().rev().take_while(|&&b| b == b'\\').count();
        if backslashes % 2 == 1 {
            break;
        }
        line = shorter;
    }
    line
}

/// `line` for a matcher that knows more than git: braces, a `!` in front, and `\n`.
fn as_glob(line: &[u8]) -> Vec<u8> {
    let mut glob = Vec::with_capacity(line.len());
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(plain) if plain.is_ascii_alphanumeric() => glob.push(plain),
                escaped => glob.extend([b'\\'].into_iter().chain(escaped)),
            },
            b'{' | b'}' => glob.extend([b'\\', byte]),
            b'!' if glob.is_empty() => glob.extend(b"\\!"),
            _ => glob.push(byte),
        }
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    #[test]
    fn lines_mean_what_they_mean_to_git() {
        for (line, is_folder, hits, misses) in [
            ("*.log", false, &["a.log", "x/a.log", ".log"][..], &["a.logs", "log"][..]),
            ("/build", false, &["build"], &["x/build"]),
            ("build/", true, &["build", "x/build"], &["rebuild"]),
            ("build/", false, &[], &["build"]),
            ("doc/*.txt", false, &["doc/a.txt"], &["doc/x/a.txt", "x/doc/a.txt"]),
            ("**/foo", false, &["foo", "a/foo", "a/b/foo"], &["foobar"]),
            ("foo/**", false, &["foo/a", "foo/a/b"], &["foo", "x/foo/a"]),
            ("a/**/b", false, &["a/b", "a/x/b", "a/x/y/b"], &["ab", "a/x/c"]),
            ("a**b", false, &["ab", "axxb", "d/axb"], &[]),
            ("[a-c]?.x", false, &["ab.x"], &["db.x", "a.x"]),
            ("[!a]b", false, &["cb"], &["ab"]),
            ("\\#x", false, &["#x"], &["x"]),
            ("\\!x", false, &["!x"], &["x"]),
            ("a\\ ", false, &["a "], &["a"]),
            ("a  ", false, &["a"], &["a  "]),
            ("a\r", false, &["a"], &[]),
            ("{a,b}", false, &["{a,b}"], &["a"]),
            ("\\na", false, &["na"], &["\na"]),
            ("[a", false, &[], &["a", "[a"]),
            ("#a", false, &[], &["#a", "a"]),
            ("", false, &[], &["", "a"]),
            ("/", true, &[], &["", "a"]),
        ] {
            let patterns = Patterns::parse(line.as_bytes());
            for hit in hits {
                assert_eq!(patterns.leave_out(hit.as_bytes(), is_folder), Some(true), "{line:?} {hit:?}");
            }
            for miss in misses {
                assert_eq!(patterns.leave_out(miss.as_bytes(), is_folder), None, "{line:?} {miss:?}");
            }
        }
    }

    #[test]
    fn the_last_line_that_matches_decides() {
        let patterns = Patterns::parse(b"\xef\xbb\xbf*.log\n!keep.log\n\n# none\nkeep.log/");
        assert_eq!(patterns.leave_out(b"a.log", false), Some(true));
        assert_eq!(patterns.leave_out(b"keep.log", false), Some(false));
        assert_eq!(patterns.leave_out(b"keep.log", true), Some(true));
        assert_eq!(patterns.leave_out(b"a.txt", false), None);
    }

    #[test]
    fn what_editors_leave_for_a_moment_does_not_count() {
        let patterns = Patterns::parse(BY_DEFAULT);
        for name in ["app.py~", ".app.py.swp", ".app.py.swpx", "4913", ".#app.py", "#app.py#", "app.pyc"] {
            assert_eq!(patterns.leave_out(name.as_bytes(), false), Some(true), "{name}");
        }
        for name in ["app.py", ".env", ".gitignore", "node_modules", "swp"] {
            assert_eq!(patterns.leave_out(name.as_bytes(), false), None, "{name}");
        }
    }

    #[test]
    fn no_line_is_too_odd() {
        let pieces = ["*", "**", "/", "[", "]", "!", "\\", "{", "}", ",", "-", "a", "\n", " ", "?", "^", "#"];
        for seed in 0..20_000 {
            let mut dice = Dice::new(seed);
            let patterns = Patterns::parse(dice.text(&pieces, 14).as_bytes());
            patterns.leave_out(dice.text(&["a", "/", "-", "*", "b"], 8).as_bytes(), dice.below(2) == 0);
        }
    }
}
