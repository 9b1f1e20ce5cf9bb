//! Rotated files, compressed.
//!
//! Why it exists: text shrinks to a tenth. It is done by a process of its own, at a low priority, because it takes
//! seconds and touches memory that a sidecar would keep. Invariant: the compressed file gets its name when it is whole
//! and on disk, and only then the other one goes; so at any moment at least one of them is there.

use crate::store::create_private;
use flate2::Compression;
use flate2::GzBuilder;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The first argument that makes bgo compress a file.
pub const COMPRESS_ENTRY: &str = "__compress__";

/// `path` with `.gz` behind it.
pub(super) fn path_of(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".gz");
    path.into()
}

/// What is being written: at most one at a time for a log.
pub(super) fn unfinished_path(log: &Path) -> PathBuf {
    super::beside(log, ".gz")
}

/// `bgo __compress__ LOG FILE`: compresses `FILE`, which was rotated away from `LOG`, and removes it. Prints what went
/// wrong. Returns the exit code.
pub fn compress_main(mut arguments: impl Iterator<Item = OsString>) -> u8 {
    let (Some(log), Some(file)) = (arguments.next(), arguments.next()) else {
        eprintln!("bgo: {COMPRESS_ENTRY} is for bgo itself");
        return 2;
    };
    match compress(Path::new(&log), Path::new(&file)) {
        Ok(()) => 0,
        Err(e) => {
            println!("{}", crate::error::describe(&e));
            1
        }
    }
}

fn compress(log: &Path, plain: &Path) -> io::Result<()> {
    let unfinished = unfinished_path(log);
    let written = write_compressed(plain, &unfinished).and_then(|()| fs::rename(&unfinished, path_of(plain)));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished); // Its room is needed.
        return written;
    }
    if let Some(folder) = plain.parent() {
        File::open(folder)?.sync_all()?;
    }
    fs::remove_file(plain)
}

fn write_compressed(plain: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(plain)?;
    let length = source.metadata()?.len();
    let _ = fs::remove_file(to); // Left by one that was killed.
    let file = create_private(to)?;
    // The trailer holds the length modulo 4 GiB only.
    let builder = GzBuilder::new().comment(length.to_string());
    let mut encoder: GzEncoder<File> = builder.write(file, Compression::default());
    io::copy(&mut source, &mut encoder)?;
    encoder.finish()?.sync_all()
}

/// How many bytes are in a compressed file.
///
/// # Errors
/// It cannot be read, or is not one.
pub(super) fn length(mut file: &File) -> io::Result<u64> {
    file.seek(SeekFrom::Start(0))?;
    let mut decoder = GzDecoder::new(BufReader::with_capacity(4096, file));
    let noted = decoder.header().and_then(|header| header.comment()).map(String::from_utf8_lossy);
    if let Some(length) = noted.and_then(|text| text.parse().ok()) {
        return Ok(length);
    }
    io::copy(&mut decoder, &mut io::sink())
}

/// What is in a compressed file.
pub(super) fn reader(mut file: File) -> io::Result<impl Read> {
    file.seek(SeekFrom::Start(0))?;
    Ok(GzDecoder::new(BufReader::with_capacity(32 * 1024, file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back_and_its_length_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let (log, plain) = (folder.path().join("log"), folder.path().join("log.1"));
        let text = "some line of a log\n".repeat(10_000);
        fs::write(&plain, &text).unwrap();
        compress(&log, &plain).unwrap();
        assert!(!plain.exists() && !unfinished_path(&log).exists());
        let file = File::open(path_of(&plain)).unwrap();
        assert!(file.metadata().unwrap().len() < text.len() as u64 / 10);
        assert_eq!(length(&file).unwrap(), text.len() as u64);
        let mut back = String::new();
        reader(file).unwrap().read_to_string(&mut back).unwrap();
        assert!(back == text);
    }

    #[test]
    fn what_is_no_compressed_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.1.gz");
        fs::write(&path, "plain").unwrap();
        assert!(length(&File::open(&path).unwrap()).is_err());
    }
}
