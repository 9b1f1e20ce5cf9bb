//! What kind of disk a folder is on, who has a file locked, and whether the kernel's notices run out.
//!
//! Why it exists: `doctor` tells what may go wrong, and who waits for a lock in vain, who has it. Invariant: nothing is
//! locked or opened for it, so nobody is in the way of a command at work.

use super::all_pids;
use super::growth::GrowthWatch;
use nix::sys::statfs::{self, FsType, statfs};
use std::fs;
use std::path::{Path, PathBuf};

/// The kinds of file systems that need care: those over a network, and those in memory.
const NETWORK: [(FsType, &str); 7] = [
    (statfs::NFS_SUPER_MAGIC, "nfs"),
    (statfs::SMB_SUPER_MAGIC, "smb"),
    (FsType(0xff53_4d42u32 as _), "cifs"),
    (FsType(0xfe53_4d42u32 as _), "smb2"),
    (FsType(0x0102_1997), "9p"),
    (FsType(0x00c3_6400), "ceph"),
    (FsType(0x5346_414f), "afs"),
];

/// What is special about the file system of `path`: its kind, and whether it is one over a network (else it is in memory).
pub fn special_file_system(path: &Path) -> Option<(&'static str, bool)> {
    let kind = statfs(path).ok()?.filesystem_type();
    if kind == statfs::TMPFS_MAGIC {
        return Some(("tmpfs", false));
    }
    NETWORK.iter().find(|(known, _)| *known == kind).map(|(_, name)| (*name, true))
}

/// The files in `folder` that somebody has locked with flock(2), and who, as far as we may see. `None` where the system
/// does not tell.
///
/// Not by /proc/locks: there a lock has the pid of who took it, which may be gone while another has inherited it; and in a
/// container those of the gone are not shown at all.
pub fn lock_holders(folder: &Path) -> Option<Vec<(PathBuf, u32)>> {
    let folder = folder.canonicalize().ok()?;
    let all = all_pids().into_iter();
    Some(all.flat_map(|pid| locked_in(pid, &folder).unwrap_or_default().into_iter().map(move |it| (it, pid))).collect())
}

/// Whether the process `pid` has `file` locked with flock(2); `None` where that cannot be told.
pub fn has_locked(pid: u32, file: &Path) -> Option<bool> {
    let file = file.canonicalize().ok()?;
    Some(locked_in(pid, file.parent()?)?.contains(&file))
}

/// What in `folder` (without symbolic links) a process has locked; `None`: it is gone, or we may not look.
fn locked_in(pid: u32, folder: &Path) -> Option<Vec<PathBuf>> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(Result::ok);
    let locked = open.filter_map(|entry| {
        let path = fs::read_link(entry.path()).ok().filter(|path| path.starts_with(folder))?;
        let info = Path::new("/proc").join(pid.to_string()).join("fdinfo").join(entry.file_name());
        fs::read_to_string(info).is_ok_and(|info| info.contains("FLOCK")).then_some(path)
    });
    Some(locked.collect())
}

/// Whether the user has hardly any inotify instance left.
pub fn notices_run_out() -> bool {
    GrowthWatch::new().is_ok_and(|watch| watch.is_none())
}
