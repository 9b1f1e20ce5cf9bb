//! What a child is given before it executes besides its descriptors: priority, limits, umask, another user.
//!
//! Why it exists: limits and users are per process, so they can be set nowhere but in the child. Invariants: what
//! needs privilege comes before the privilege is given up; the user is set for good (real, effective and saved ids),
//! and groups before the ids, or they could not be set any more.

use super::os::set_user;
use crate::domain::launch::Stage;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{getegid, geteuid};

/// What differs from the caller. Everything absent is inherited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The nice value, -20 (most favoured) to 19; the kernel clamps others. Not an increment.
    pub nice: Option<i32>,
    /// How many descriptors the process may have open. The hard limit is raised, never lowered, to it; that needs
    /// privilege, and not even root gets more than `fs.nr_open`.
    pub nofile: Option<u64>,
    /// The bits that new files do not get, as in `umask 027`.
    pub umask: Option<u32>,
    /// The user to run as. Needs privilege, except that becoming who the caller is already succeeds and does nothing.
    pub user: Option<Credentials>,
}

/// Whom a process runs as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// User id.
    pub uid: u32,
    /// Primary group.
    pub gid: u32,
    /// All groups, as in [`super::Account::groups`].
    pub groups: Vec<u32>,
}

impl Credentials {
    /// Unprivileged callers may not even set the groups that they have.
    fn are_own(&self) -> bool {
        let (uid, gid) = (geteuid(), getegid());
        !uid.is_root() && (uid.as_raw(), gid.as_raw()) == (self.uid, self.gid)
    }
}

/// Attributes as what the child calls take: computed by the parent, for the child may not allocate.
pub(super) struct Prepared<'a> {
    nice: Option<i32>,
    nofile: Option<libc::rlimit>,
    umask: Option<u32>,
    user: Option<&'a Credentials>,
}

impl Attributes {
    /// # Errors
    /// The present limit cannot be read.
    pub(super) fn prepare(&self) -> Result<Prepared<'_>, (Stage, Errno)> {
        let limit = |wanted: u64| {
            // Limits are inherited: the child's is the caller's until it sets its own.
            let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| (Stage::Nofile, errno))?;
            Ok(libc::rlimit { rlim_cur: wanted, rlim_max: hard.max(wanted) })
        };
        Ok(Prepared {
            nice: self.nice,
            nofile: self.nofile.map(limit).transpose()?,
            umask: self.umask,
            user: self.user.as_ref().filter(|user| !user.are_own()),
        })
    }
}

impl Prepared<'_> {
    /// Whether [`Prepared::apply`] makes the child another user.
    pub(super) fn changes_user(&self) -> bool {
        self.user.is_some()
    }

    /// Gives the calling process these attributes; the stage that failed, with errno set, if one does.
    ///
    /// SAFETY: async-signal-safe; to be called in a child before exec only.
    pub(super) unsafe fn apply(&self) -> Result<(), Stage> {
        // SAFETY: setpriority, setrlimit and umask are plain system calls on numbers and on a structure that lives
        // through the call; set_user is async-signal-safe.
        unsafe {
            if let Some(nice) = self.nice
                && libc::setpriority(libc::PRIO_PROCESS, 0, nice) == -1
            {
                return Err(Stage::Nice);
            }
            if let Some(limit) = &self.nofile
                && libc::setrlimit(libc::RLIMIT_NOFILE, limit) == -1
            {
                return Err(Stage::Nofile);
            }
            if let Some(umask) = self.umask {
                libc::umask(umask as libc::mode_t);
            }
            if let Some(user) = self.user
                && set_user(user.uid, user.gid, &user.groups) == -1
            {
                return Err(Stage::User);
            }
        }
        Ok(())
    }
}
