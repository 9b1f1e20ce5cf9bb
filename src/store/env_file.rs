//! The files of variables that a process was given, read anew for each of its starts.
//!
//! Why it exists: they are the user's, anywhere, and may be anything by the time of a restart. Invariant: only a regular
//! file of a bounded size is read, so that nothing that stands in its place makes a sidecar wait or grow; a file that
//! cannot be used is named in the error, and what is in it is not.

use super::Environment;
use super::open::open_to_read;
use crate::domain::env_file::{CONFIG, parse};
use crate::domain::raw::Raw;
use crate::domain::settings::Settings;
use crate::error::describe;
use std::io::{self, Read};
use std::path::Path;

/// The largest file that is read. All variables of a process together cannot be much larger.
const MAX_BYTES: u64 = 1 << 20;

/// Why the files cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvFileError {
    /// Which file, where in it, and what is wrong: `/srv/.env:3:8: the quote is not closed`.
    pub message: String,
    /// The errno of the system call that failed, or `EBADMSG` if what it has read cannot be understood.
    pub errno: i32,
}

/// The variables in the files that `settings` name, for a process in the folder `cwd`, in their order: of a name that
/// comes several times the last counts. Variables that bgo itself gives are left out.
///
/// # Errors
/// The first file that is missing, or cannot be used.
pub fn read_env_files(settings: &Settings, cwd: &Path) -> Result<Vec<(Raw, Raw)>, EnvFileError> {
    let config = settings.config_env.then(|| Path::new(CONFIG));
    let mut found = Vec::new();
    for file in config.into_iter().chain(settings.env_file.iter().map(Raw::as_path)) {
        let path = cwd.join(file);
        let shown = path.display();
        let bytes = read(&path).map_err(|e| EnvFileError {
            message: format!("{shown}: {}", describe(&e)),
            errno: e.raw_os_error().unwrap_or(libc::EINVAL),
        })?;
        let pairs = parse(file, &bytes)
            .map_err(|flaw| EnvFileError { message: format!("{shown}:{flaw}"), errno: libc::EBADMSG })?;
        found.extend(pairs.into_iter().filter(|(key, _)| Environment::is_passed_on(key)));
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (file, _) = open_to_read(path)?;
    let mut bytes = Vec::new();
    // Not by the length it has: it may be growing, or be one of /proc, which have none.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use std::fs;

    fn read_of(cwd: &Path, files: &[&str], config_env: bool) -> Result<Vec<String>, String> {
        let env_file = files.iter().map(|file| Raw::from(*file)).collect();
        let settings = Settings { env_file, config_env, ..Settings::default() };
        let pairs = read_env_files(&settings, cwd).map_err(|e| e.message)?;
        Ok(pairs.iter().map(|(key, value)| format!("{}={}", key.lossy(), value.lossy())).collect())
    }

    #[test]
    fn files_are_read_in_order_and_config_first() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at(".config.toml"), "a = 1").unwrap();
        fs::write(at("one"), "B=2\nBGO_NAME=x\nBGO_SIDECAR=x\nNOTIFY_SOCKET=x").unwrap();
        fs::write(at("two.toml"), "[c]\nd = 3").unwrap();
        let absolute = at("one").to_str().unwrap().to_owned();
        assert_eq!(read_of(folder.path(), &["two.toml", &absolute], true).unwrap(), ["A=1", "C_D=3", "B=2"]);
        assert_eq!(read_of(folder.path(), &[], false).unwrap(), [""; 0]);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        nix::unistd::mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        fs::write(at("flawed"), "A=1\nB='secret").unwrap();
        fs::write(at("full"), vec![b'#'; 1 << 20]).unwrap();
        fs::write(at("large"), vec![b'#'; (1 << 20) + 1]).unwrap();
        assert_eq!(read_of(folder.path(), &["full"], false).unwrap(), [""; 0]);
        for (file, what) in [
            ("none", ": No such file or directory"),
            ("pipe", ": it is a pipe"),
            (".", ": it is a folder"),
            ("flawed", ":2:3: the quote ' is not closed"),
            ("large", ": it is larger than 1 MiB"),
            ("/dev/zero", ": it is a device"),
        ] {
            let error = read_of(folder.path(), &["full", file], false).unwrap_err();
            assert_eq!(error, format!("{}{what}", at(file).display()));
        }
        assert!(read_of(folder.path(), &[], true).unwrap_err().contains(".config.toml"));
    }
}
