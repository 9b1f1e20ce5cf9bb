//! Guards: what no compiler checks. Layers hold, documents name everything, forbidden things stay out of `src`.
//!
//! Why it exists: DESIGN 3 is a promise about every later change, too. Invariant: the checks read the sources as code
//! (comments and strings blanked, test modules cut out), so neither prose nor a test sets them off.
// clippy.toml allows these in test functions; here the helpers around them are tests as well.
#![allow(clippy::unwrap_used)]

use clap::CommandFactory;
use std::fs;
use std::path::{Path, PathBuf};

/// What each layer may use, from the top down. `error` and `domain` are at the bottom; whatever is missing in a row
/// would be an upward import. `store` and `platform` are siblings, and `view` renders data that it is given.
const LAYERS: [(&str, &[&str]); 11] = [
    ("main", &["commands", "sidecar", "logs"]),
    ("commands", &["cli", "ops", "view", "sidecar", "logs", "store", "platform", "domain", "error"]),
    ("cli", &["domain", "error"]),
    ("ops", &["ops", "sidecar", "logs", "store", "platform", "domain", "error"]),
    ("sidecar", &["sidecar", "logs", "store", "platform", "domain", "error"]),
    ("logs", &["logs", "store", "platform", "domain", "error"]),
    ("store", &["store", "domain", "error"]),
    ("platform", &["platform", "domain", "error"]),
    ("view", &["view", "domain", "error"]),
    ("domain", &["domain", "error"]),
    ("error", &[]),
];

/// Lines of a file without its tests.
const MAX_LINES: usize = 500;

fn project(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn document(name: &str) -> String {
    fs::read_to_string(project(name)).unwrap()
}

/// A source file.
struct Source {
    /// Below `src`, as in `ops/start.rs`.
    path: String,
    /// As it stands.
    text: String,
    /// Without comments, string contents and tests.
    code: String,
}

impl Source {
    /// `ops` of `ops/start.rs`, `cli` of `cli.rs`.
    fn layer(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }

    /// How many `super::` lead from this file's module to the crate's root.
    fn depth(&self) -> usize {
        let folders = self.path.matches('/').count();
        folders + usize::from(!self.path.ends_with("mod.rs"))
    }
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let root = project("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    assert!(paths.len() > 30, "only {} sources found", paths.len());
    let source = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let is_test = path.to_str().unwrap().ends_with("_tests.rs");
        let code = if is_test { String::new() } else { without_tests(&code_of(&text)) };
        Source { path: path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), text, code }
    };
    paths.into_iter().map(source).collect()
}

// ---- reading Rust -----------------------------------------------------------------------------------------------

/// `source` with the contents of comments, strings and character literals replaced by spaces; lines stay lines.
fn code_of(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = if rest.starts_with(b"//") {
            rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            find(rest, b"*/", 2)
        } else if rest[0] == b'"' {
            quoted(rest, b'"')
        } else if let Some(hashes) = raw_string(bytes, at) {
            let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            find(rest, &end, 2 + hashes)
        } else if rest[0] == b'\'' && is_character(rest) {
            quoted(rest, b'\'')
        } else {
            at += 1;
            continue;
        };
        code[at..at + length].iter_mut().filter(|b| **b != b'\n').for_each(|b| *b = b' ');
        at += length;
    }
    String::from_utf8(code).unwrap()
}

/// How long it is up to and including `end`, which is looked for from `from` on.
fn find(text: &[u8], end: &[u8], from: usize) -> usize {
    let found = text[from..].windows(end.len()).position(|window| window == end);
    found.map_or(text.len(), |found| from + found + end.len())
}

fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

/// How many hashes the raw string has that starts at `at`, if one does.
fn raw_string(text: &[u8], at: usize) -> Option<usize> {
    let follows_word = at > 0 && (text[at - 1].is_ascii_alphanumeric() && text[at - 1] != b'b' || text[at - 1] == b'_');
    let rest = text[at..].strip_prefix(b"r").filter(|_| !follows_word)?;
    let hashes = rest.iter().take_while(|&&b| b == b'#').count();
    (rest.get(hashes) == Some(&b'"')).then_some(hashes)
}

/// A character and not a lifetime: it is escaped, or closed after one character.
fn is_character(text: &[u8]) -> bool {
    let next = String::from_utf8_lossy(&text[1..text.len().min(6)]);
    next.starts_with('\\') || next.chars().nth(1) == Some('\'')
}

/// `code` without the items under `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut rest = code;
    let mut kept = String::new();
    while let Some(at) = rest.find("#[cfg(test)]") {
        kept.push_str(&rest[..at]);
        rest = &rest[at + item_length(&rest[at..])..];
    }
    kept + rest
}

/// Up to the `;` or the closing brace of the item that starts here.
fn item_length(item: &str) -> usize {
    let mut depth = 0;
    for (at, byte) in item.bytes().enumerate() {
        match byte {
            b';' if depth == 0 => return at + 1,
            b'{' => depth += 1,
            b'}' if depth == 1 => return at + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    item.len()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The modules at the crate's root that `code`, `depth` modules below it, names by `crate::`, `bgo::` or `super::`.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let dense: String = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ::", "::").replace(":: ", "::");
    let to_root = "super::".repeat(depth);
    let mut found = Vec::new();
    for prefix in ["crate::", "bgo::", &to_root].into_iter().filter(|prefix| !prefix.is_empty()) {
        for (at, _) in dense.match_indices(prefix) {
            let follows_word = dense[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if !follows_word {
                found.extend(first_words(&dense[at + prefix.len()..]));
            }
        }
    }
    found
}

/// `a` of `a::b`; `a` and `c` of `{a::{x, y}, c}`.
fn first_words(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return words(path).take(1).map(str::to_owned).collect();
    };
    let mut depth = 0;
    let mut members = vec![String::new()];
    for c in group.chars() {
        match c {
            '}' if depth == 0 => break,
            ',' if depth == 0 => members.push(String::new()),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        members.last_mut().unwrap().push(c);
    }
    members.iter().filter_map(|m| words(m).next()).map(str::to_owned).collect()
}

#[test]
fn the_reader_sees_code_and_nothing_else() {
    let source = "use crate::{store::Store, view::{text}};\n// unsafe\nlet s = \"a \\\" unsafe\"; let c = '\\''; \
                  let q = '\"'; fn f<'a>(x: &'a u8) {}\nlet r = r#\"unsafe \"# ;\nsuper::super::ops::stop();\n\
                  #[cfg(test)]\nmod tests { use crate::cli::Cli; }\nunsafe { x.unwrap() }\n";
    let code = code_of(source);
    assert_eq!(code.lines().count(), source.lines().count());
    assert_eq!(words(&code).filter(|word| *word == "unsafe").count(), 1);
    assert!(code.contains("fn f<'a>(x: &'a u8) {}"), "{code}");
    let code = without_tests(&code);
    assert!(code.contains("x.unwrap()") && !code.contains("mod tests"), "{code}");
    let found = imports(&code, 2);
    for module in ["store", "view", "ops"] {
        assert!(found.iter().any(|f| f == module), "{module} not in {found:?}");
    }
    assert!(!found.iter().any(|f| f == "text" || f == "cli"), "{found:?}");
}

// ---- sources ----------------------------------------------------------------------------------------------------

#[test]
fn imports_point_down() {
    let mut upward = Vec::new();
    for source in sources().iter().filter(|s| s.path != "lib.rs") {
        let layer = source.layer();
        let row = LAYERS.iter().find(|(name, _)| *name == layer);
        let (_, allowed) = row.unwrap_or_else(|| panic!("{} belongs to no layer of DESIGN 3", source.path));
        for module in imports(&source.code, source.depth()) {
            let is_layer = LAYERS.iter().any(|(name, _)| *name == module);
            if is_layer && module != layer && !allowed.contains(&module.as_str()) {
                upward.push(format!("src/{} uses {module}", source.path));
            }
        }
    }
    assert!(upward.is_empty(), "upward imports:\n{}", upward.join("\n"));
}

#[test]
fn what_is_forbidden_is_not_there() {
    let mut found = Vec::new();
    for source in sources() {
        let code: String = source.code.split_whitespace().collect();
        let mut forbid = |what: &str, is_there: bool| {
            if is_there {
                found.push(format!("src/{}: {what}", source.path));
            }
        };
        forbid("unsafe outside platform", source.layer() != "platform" && words(&source.code).any(|w| w == "unsafe"));
        forbid("unwrap()", code.contains(".unwrap()"));
        forbid("expect()", code.contains(".expect("));
        forbid("thread::sleep", code.contains("thread::sleep") || words(&source.code).any(|w| w == "nanosleep"));
        let sorts = [".sort()", ".sort_by(", ".sort_by_key(", ".sort_by_cached_key("];
        let is_sorted_here = sorts.iter().any(|sort| code.contains(sort)) && source.path != "domain/order.rs";
        forbid("a sort of slice (domain::order makes one copy for all types)", is_sorted_here);
        let asks_who = ["unistd::getuid", "unistd::geteuid"].iter().any(|call| code.contains(call));
        forbid("a user id asked for", asks_who && !["platform", "store"].contains(&source.layer()));
        forbid("a stub", ["todo!", "unimplemented!"].iter().any(|stub| code.contains(stub)));
        forbid("an open end", ["TODO", "FIXME", "XXX"].iter().any(|mark| words(&source.text).any(|w| w == *mark)));
    }
    assert!(found.is_empty(), "forbidden:\n{}", found.join("\n"));
}

#[test]
fn files_say_why_they_exist_and_stay_short() {
    let mut found = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//! ") {
            found.push(format!("src/{} does not open with //!", source.path));
        }
        let lines = source.code.lines().count();
        if lines > MAX_LINES {
            found.push(format!("src/{} has {lines} lines without its tests", source.path));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

// ---- documents --------------------------------------------------------------------------------------------------

#[test]
fn every_exit_code_is_in_the_readme() {
    let error = code_of(&fs::read_to_string(project("src/error.rs")).unwrap());
    let body = error.split("ExitCode: u8 {").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    let codes: Vec<&str> = body.split(',').filter_map(|variant| Some(variant.split_once('=')?.1.trim())).collect();
    assert!(codes.contains(&"0") && codes.contains(&"130"), "{codes:?}");
    let readme = document("README.md");
    for code in codes {
        assert!(readme.contains(&format!("| {code} |")), "exit code {code} has no row in the README");
    }
}

#[test]
fn every_subcommand_and_alias_is_in_the_readme() {
    let readme = document("README.md");
    let cli = bgo::cli::Cli::command();
    let names: Vec<&str> = cli.get_subcommands().flat_map(clap::Command::get_name_and_visible_aliases).collect();
    assert!(names.contains(&"start") && names.contains(&"rm"), "{names:?}");
    for name in names {
        assert!(readme.contains(&format!("`{name}`")), "`{name}` is not in the README");
    }
}

/// The functions marked `#[test]` of a file.
fn tests_in(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let after = text.split("#[test]\n").skip(1);
    let name = |rest: &str| Some(rest.split_once("fn ")?.1.split_once('(')?.0.trim().to_owned());
    after.filter_map(name).collect()
}

#[test]
fn every_row_of_what_survives_what_has_its_test() {
    let readme = document("README.md");
    let section = readme.split("\n## What survives what\n").nth(1).and_then(|rest| rest.split("\n## ").next()).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect();
    let mut named = Vec::new();
    for row in rows.iter().filter(|row| !row[0].starts_with("**")) {
        assert!(row.len() == 6 && row.iter().all(|cell| !cell.is_empty()), "not six cells: {row:?}");
        named.push(row[5].trim_matches('`').to_owned());
    }
    assert!(named.len() > 30, "{named:?}");
    let files = fs::read_dir(project("tests/cli")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect();
    let tests: Vec<String> = files.iter().flat_map(|path| tests_in(path)).collect();
    for name in &named {
        assert!(tests.contains(name), "`{name}` is in the table, but there is no such test");
    }
    let survival = |path: &&PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("survival");
    for test in files.iter().filter(survival).flat_map(|path| tests_in(path)) {
        assert!(named.contains(&test), "`{test}` is not in the table of what survives what");
    }
}

#[test]
fn this_version_is_in_the_changelog() {
    let heading = format!("## [{}]", env!("CARGO_PKG_VERSION"));
    assert!(document("CHANGELOG.md").lines().any(|line| line.starts_with(&heading)), "no {heading} in CHANGELOG.md");
}
