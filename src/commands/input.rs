//! What a command reads besides its command line: files and standard input.
//!
//! Why it exists: a payload, or what is sent to a process, may be anything that somebody pipes in. Invariant: no more is
//! read than is bearable.

use crate::error::{Error, ErrorKind, Result, describe};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Nothing that is read is longer: it is held in memory.
const LONGEST: u64 = 16 << 20;

/// All of standard input, which is `what`.
///
/// # Errors
/// It cannot be read; it is too long.
pub fn of_stdin(what: &str) -> Result<Vec<u8>> {
    bounded(io::stdin().lock(), &format!("{what} on standard input"))
}

/// All of the file at `path`, which is `what`.
///
/// # Errors
/// As [`of_stdin`].
pub fn of_file(what: &str, path: &Path) -> Result<Vec<u8>> {
    let what = format!("{what} {}", path.display());
    let file = File::open(path).map_err(|e| cannot(&what, &e))?;
    bounded(file, &what)
}

fn cannot(what: &str, error: &io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot read {what}")).because(describe(error))
}

fn bounded(reader: impl Read, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LONGEST + 1).read_to_end(&mut bytes).map_err(|e| cannot(what, &e))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Error::new(ErrorKind::Usage, format!("{what} is too long"))
            .because(format!("more than {} MiB", LONGEST >> 20))
            .hint("do it in several parts"));
    }
    Ok(bytes)
}
