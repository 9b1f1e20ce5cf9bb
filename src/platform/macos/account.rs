//! Users by name: Open Directory, through libc.
//!
//! Why it exists: users are in no file here. Invariant: what is told is what the directory says.

use super::super::Account;
use nix::unistd::{Uid, User};
use std::ffi::{CStr, CString, c_int};
use std::io;

/// The user called `name`, or whose id it is if nobody is called so; `None` if there is no such user.
///
/// # Errors
/// The user database cannot be read.
pub fn account(name: &str) -> io::Result<Option<Account>> {
    if name.contains('\0') {
        return Ok(None);
    }
    let user = match User::from_name(name)? {
        None => match name.parse() {
            Ok(uid) => User::from_uid(Uid::from_raw(uid))?,
            Err(_) => None,
        },
        found => found,
    };
    let Some(user) = user else { return Ok(None) };
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    let groups = groups_of(&CString::new(user.name.as_str())?, gid);
    Ok(Some(Account { name: user.name, uid, gid, groups, home: user.dir, shell: user.shell }))
}

/// The first sixteen: setgroups(2) takes no more (NGROUPS_MAX), whoever has them.
fn groups_of(name: &CStr, primary: u32) -> Vec<u32> {
    const NGROUPS_MAX: usize = 16;
    let mut groups = [0; NGROUPS_MAX];
    let mut count = NGROUPS_MAX as c_int;
    // SAFETY: the name ends with NUL; at most `count` numbers are written, which is the buffer's size.
    let all = unsafe { libc::getgrouplist(name.as_ptr(), primary as c_int, groups.as_mut_ptr(), &mut count) };
    let filled = if all == -1 { NGROUPS_MAX } else { usize::try_from(count).unwrap_or_default().min(NGROUPS_MAX) };
    groups[..filled].iter().map(|&group| group as u32).collect()
}
