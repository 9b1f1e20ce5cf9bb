//! The end of a log, found from its end.
//!
//! Why it exists: the last lines of a log of 1 GiB must cost what those of a small one cost. Invariant: no more is
//! read than the lines that are wanted and one block.

use super::open::open_to_read;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const BLOCK: u64 = 16 * 1024;

/// Where the last `lines` lines of `file` start, within its first `length` bytes. A last line without a newline counts.
///
/// # Errors
/// The file cannot be read.
pub fn start_of_last_lines(file: &File, length: u64, lines: u64) -> io::Result<u64> {
    if lines == 0 {
        return Ok(length);
    }
    let mut buffer = vec![0u8; BLOCK as usize];
    let mut end = length;
    let mut newlines = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let block = &mut buffer[..(end - start) as usize];
        let filled = read_at(file, block, start)?;
        for (index, _) in block[..filled].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let at = start + index as u64;
            // The newline that ends the last line starts no other.
            if at + 1 < length {
                newlines += 1;
                if newlines == lines {
                    return Ok(at + 1);
                }
            }
        }
        end = start;
    }
    Ok(0)
}

/// As much of `block` as the file has: it may have been truncated since its length was read.
fn read_at(file: &File, block: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match file.read_at(&mut block[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// The last `max` bytes of a log as text, from a line's start on where that leaves anything; `None` if there are none.
pub fn tail_text(path: &Path, max: u64) -> Option<String> {
    let (file, there) = open_to_read(path).ok()?;
    let length = there.len();
    let start = length.saturating_sub(max);
    let mut bytes = vec![0u8; (length - start) as usize];
    let filled = read_at(&file, &mut bytes, start).ok()?;
    bytes.truncate(filled);
    let whole_lines = match bytes.iter().position(|&b| b == b'\n') {
        Some(newline) if start > 0 && newline + 1 < bytes.len() => &bytes[newline + 1..],
        _ => &bytes[..],
    };
    Some(String::from_utf8_lossy(whole_lines).into_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_found_across_blocks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let long = "x".repeat(40_000);
        for (content, lines, tail) in [
            ("", 5, ""),
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\nc", 1, "c"),
            ("a\n\n\n", 2, "\n\n"),
            ("a\nb\n", 9, "a\nb\n"),
            ("a\nb\n", 0, ""),
            (&format!("a\n{long}\nb\n"), 2, &format!("{long}\nb\n")),
            (&long, 1, &long),
        ] {
            std::fs::write(&path, content).unwrap();
            let start = start_of_last_lines(&File::open(&path).unwrap(), content.len() as u64, lines).unwrap();
            assert_eq!(&content[start as usize..], tail, "{lines} of {} bytes", content.len());
        }
    }

    #[test]
    fn a_text_tail_starts_at_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        assert_eq!(tail_text(&path, 10), None);
        std::fs::write(&path, "first line\nsecond\n").unwrap();
        assert_eq!(tail_text(&path, 12).as_deref(), Some("second\n"));
        assert_eq!(tail_text(&path, 100).as_deref(), Some("first line\nsecond\n"));
        std::fs::write(&path, b"\xffbin").unwrap();
        assert_eq!(tail_text(&path, 100).as_deref(), Some("\u{fffd}bin"));
    }
}
