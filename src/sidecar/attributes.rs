//! Who a process runs as, and with which priority and limits, from its settings.
//!
//! Why it exists: the process, its checks and its hooks start alike. Invariant: a user that cannot be found fails the
//! start; nothing ever runs as somebody else instead. A user is looked up once a run: that may take a while.

use crate::domain::launch::{LaunchFailure, Stage};
use crate::domain::raw::Raw;
use crate::domain::settings::Settings;
use crate::platform::{Account, Attributes, Credentials, account};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What a child is given.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// What the kernel is told.
    pub plain: Attributes,
    /// The user, where one was asked for.
    account: Option<Account>,
}

impl Given {
    /// What `settings` ask for.
    pub(super) fn of(settings: &Settings) -> Result<Given, LaunchFailure> {
        let failed = |errno| LaunchFailure { stage: Stage::User, errno };
        let account = match &settings.user {
            None => None,
            Some(name) => {
                let found = account(name).map_err(|e| failed(e.raw_os_error().unwrap_or(libc::EIO)))?;
                Some(found.ok_or_else(|| failed(libc::ENOENT))?)
            }
        };
        let plain = Attributes {
            nice: settings.nice,
            nofile: settings.limit_nofile,
            umask: settings.umask.map(|mask| mask.0),
            user: account.as_ref().map(|a| Credentials { uid: a.uid, gid: a.gid, groups: a.groups.clone() }),
        };
        Ok(Given { plain, account })
    }

    /// The user's id, where one was asked for.
    pub(super) fn uid(&self) -> Option<u32> {
        self.account.as_ref().map(|account| account.uid)
    }

    /// Gives `variables` the home, name and shell of the user; whoever started it had others.
    pub(super) fn settle_in(&self, variables: &mut Vec<(Raw, Raw)>) {
        let Some(account) = &self.account else { return };
        let path = |path: &Path| Raw::from(path.as_os_str().as_bytes().to_vec());
        for (key, value) in [
            ("HOME", path(&account.home)),
            ("USER", Raw::from(account.name.as_str())),
            ("LOGNAME", Raw::from(account.name.as_str())),
            ("SHELL", path(&account.shell)),
        ] {
            variables.retain(|(known, _)| known.as_bytes() != key.as_bytes());
            variables.push((Raw::from(key), value));
        }
    }
}
