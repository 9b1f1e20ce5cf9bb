//! The standard input of a process that was started with `--stdin`: a pipe, and the keeper that holds it open.
//!
//! Why it exists: `bgo send` writes to a process long after it was started. Invariants: the process sees the end of its
//! input when that is asked for and at no other time, whoever dies; it has one descriptor of ours, its input.
//!
//! A reader of a pipe sees the end when the last writer is gone, so somebody has to hold it open for writing, and each
//! candidate but one is wrong:
//!
//! - the sidecar: its death would end the input, and most programs with it; but a sidecar's death ends nothing;
//! - the process itself, with an input opened for reading and writing: then its input can never be ended;
//! - the process, by one more descriptor: the same, and it would have to know of it;
//! - a terminal, or a socket that can be shut down: the other end has to be held by somebody just as well, and programs
//!   behave otherwise on them.
//!
//! So it is a process of its own, the keeper: this same binary, executed as `bgo __stdin__ NAME` with the end for writing as
//! descriptor 3 and the pipe by which the end is asked for as descriptor 4. It blocks in one poll(2) until nobody has the
//! input open to read any more, or until that second pipe has a byte, and ends; it has no signal to react to. It outlives
//! the sidecar, and is never taken for a part of the process (it carries `BGO_SIDECAR`). There is none for a process
//! without `--stdin`.

use super::perform::errno_of;
use super::run::Supervisor;
use crate::domain::launch::{LaunchFailure, Stage};
use crate::domain::record::Record;
use crate::platform::{self, Attributes, Interest, SpawnPlan};
use crate::store::Input;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

/// The first argument that makes bgo a keeper.
pub const STDIN_ENTRY: &str = "__stdin__";
/// Where the keeper finds the end for writing.
const WRITER_FD: i32 = 3;
/// Where the keeper finds the pipe by which the end is asked for.
const EOF_FD: i32 = 4;

/// Holds an input open until it is asked to end it or nobody reads. Returns the process's exit code.
pub fn stdin_main() -> u8 {
    platform::set_process_name();
    let (Some(writer), Some(end)) = (platform::make_private(WRITER_FD), platform::make_private(EOF_FD)) else {
        eprintln!("bgo: {STDIN_ENTRY} is for bgo itself");
        return 2;
    };
    // Whatever comes of it, that is all there is to wait for.
    let _ = platform::wait(&[(writer.as_fd(), Interest::HangUp), (end.as_fd(), Interest::Readable)], None);
    0
}

impl Supervisor {
    /// Makes the input of the process of `record` and starts its keeper, if it is to have one.
    pub(super) fn open_input(&self, record: &Record) -> Result<Option<File>, LaunchFailure> {
        if !record.spec.stdin {
            return Ok(None);
        }
        let broken = |e: io::Error| LaunchFailure { stage: Stage::Stdin, errno: errno_of(&e) };
        let input = self.store.make_input(&self.name).map_err(broken)?;
        self.start_keeper(&input)?;
        Ok(Some(input.reader))
    }

    fn start_keeper(&self, input: &Input) -> Result<(), LaunchFailure> {
        let text =
            |bytes: &[u8]| CString::new(bytes).map_err(|_| LaunchFailure { stage: Stage::Stdin, errno: libc::EINVAL });
        let plan = SpawnPlan {
            program: text(platform::self_executable().as_os_str().as_bytes())?,
            arguments: vec![c"bgo".into(), text(STDIN_ENTRY.as_bytes())?, text(self.name.as_str().as_bytes())?],
            environment: vec![
                text(&[b"BGO_HOME=", self.store.root().as_os_str().as_bytes()].concat())?,
                text(format!("BGO_SIDECAR={}", self.name).as_bytes())?,
            ],
            cwd: c"/".into(),
            // 0, 1, 2, then WRITER_FD and EOF_FD.
            descriptors: vec![None, None, None, Some(input.writer.as_fd()), Some(input.end.as_fd())],
            attributes: Attributes::default(),
            dies_with_us: false,
            // A signal for everything of a user ends the process; the keeper ends with it, and not before.
            block_signals: true,
        };
        debug_assert_eq!((WRITER_FD, EOF_FD), (3, 4));
        platform::detach(&plan)
    }
}
