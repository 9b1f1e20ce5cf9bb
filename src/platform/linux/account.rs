//! Users by name, without libc.
//!
//! Why it exists: bgo is linked statically, and getpwnam(3) in a static program loads the modules that nsswitch.conf
//! names into a process that they were not made for: where `systemd` is among them (Debian's default), asking for an
//! unknown user crashes. Invariant: `/etc/passwd` and `/etc/group` are read here; whoever is not in them is asked for
//! by getent(1) and id(1), the machine's own programs, which may load what they like.

use super::super::Account;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

/// The user called `name`, or whose id it is if nobody is called so; `None` if there is no such user.
///
/// # Errors
/// `/etc/passwd` cannot be read.
pub fn account(name: &str) -> io::Result<Option<Account>> {
    // What would be an option, or more than one field or line, is nobody's name.
    if name.is_empty() || name.starts_with('-') || name.contains(|c: char| c == ':' || c.is_control()) {
        return Ok(None);
    }
    let local = read("/etc/passwd")?;
    let by = |field: usize| find(&local, |fields| fields.get(field) == Some(&name.as_bytes()));
    let found = by(0).or_else(|| by(2)).or_else(|| find(&output("getent", &["passwd", name])?, |_| true));
    let Some(mut account) = found else { return Ok(None) };
    // id(1) knows also the groups that a local user has elsewhere.
    let listed = output("id", &["-G", "--", &account.name]).and_then(|text| numbers(&text));
    account.groups = match listed.filter(|groups| groups.contains(&account.gid)) {
        Some(groups) => groups,
        None => local_groups(&account)?,
    };
    Ok(Some(account))
}

fn read(path: &str) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// What a program says; `None` if there is no such program, or it fails.
fn output(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then_some(output.stdout)
}

fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    text.split(|&b| b == b'\n').map(|line| line.split(|&b| b == b':').collect())
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn numbers(text: &[u8]) -> Option<Vec<u32>> {
    std::str::from_utf8(text).ok()?.split_ascii_whitespace().map(|n| n.parse().ok()).collect()
}

/// The first line of passwd(5) that is wanted.
fn find(text: &[u8], is_wanted: impl Fn(&[&[u8]]) -> bool) -> Option<Account> {
    lines(text).filter(|fields| is_wanted(fields)).find_map(|fields| {
        let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
        let name = std::str::from_utf8(name).ok()?.to_owned();
        let path = |text: &[u8]| OsStr::from_bytes(text).into();
        let shell = if shell.is_empty() { b"/bin/sh" } else { shell };
        let (uid, gid) = (number(uid)?, number(gid)?);
        Some(Account { name, uid, gid, groups: vec![gid], home: path(home), shell: path(shell) })
    })
}

/// The groups of `account` in `/etc/group`.
fn local_groups(account: &Account) -> io::Result<Vec<u32>> {
    let text = read("/etc/group")?;
    let is_member = |fields: &Vec<&[u8]>| {
        fields.get(3).is_some_and(|members| members.split(|&b| b == b',').any(|m| m == account.name.as_bytes()))
    };
    let others = lines(&text).filter(is_member).filter_map(|fields| number(fields[2]));
    let mut groups = vec![account.gid];
    groups.extend(others.filter(|&gid| gid != account.gid));
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_user_database_is_read_whole_or_not_at_all() {
        let text = b"# comment\nweb:x:1001:1002:Web, server:/srv/web:\nold:x:77\nbad:x:a:b::/:/bin/sh\n";
        let by = |name: &[u8]| find(text, |fields| fields[0] == name);
        let web = by(b"web").unwrap();
        assert_eq!(
            (web.uid, web.gid, web.home.to_str(), web.shell.to_str()),
            (1001, 1002, Some("/srv/web"), Some("/bin/sh"))
        );
        assert_eq!((by(b"old"), by(b"bad"), by(b"# comment")), (None, None, None));
    }

    #[test]
    fn local_groups_start_with_the_primary_one() {
        let root = account("root").unwrap().unwrap();
        assert_eq!(local_groups(&root).unwrap()[0], 0);
        let nobody = Account { name: "no-such-member".to_owned(), gid: 7, ..root };
        assert_eq!(local_groups(&nobody).unwrap(), [7]);
    }
}
