//! Lines, found from the end.
//!
//! Why it exists: the last lines of a log of 1 GiB must cost what those of a small one cost. Invariant: no more of a
//! plain file is read than the lines that are wanted and one block; a compressed one has to be read from its beginning.

use super::gzip;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

const BLOCK: u64 = 16 * 1024;

/// A search for the place where the last so many lines begin.
#[derive(Debug)]
pub(super) struct LastLines {
    /// How many line starts are still to be found.
    wanted: u64,
    /// The number after the last byte of the stream: the newline that ends the last line starts no other.
    end: u64,
}

impl LastLines {
    /// A search in the bytes of a stream before the number `end`. `lines` is not 0.
    pub(super) fn new(lines: u64, end: u64) -> LastLines {
        LastLines { wanted: lines, end }
    }

    /// Goes on in a file that has the stream's bytes from the number `start` on in its bytes `from..to`. The number of
    /// the byte where the wanted lines begin, if it is there.
    pub(super) fn find(&mut self, file: &File, from: u64, to: u64, start: u64) -> io::Result<Option<u64>> {
        let mut buffer = vec![0u8; BLOCK as usize];
        let mut end = to;
        while end > from {
            let begin = end.saturating_sub(BLOCK).max(from);
            let block = &mut buffer[..(end - begin) as usize];
            let filled = read_at(file, block, begin)?;
            for (index, _) in block[..filled].iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
                if let Some(found) = self.line_at(start + (begin - from) + index as u64 + 1) {
                    return Ok(Some(found));
                }
            }
            end = begin;
        }
        Ok(None)
    }

    /// As [`LastLines::find`], in a compressed file whose first byte has the number `start`; no line that starts at
    /// `begin` or before counts.
    pub(super) fn find_compressed(&mut self, file: File, start: u64, begin: u64) -> io::Result<Option<u64>> {
        let keep = usize::try_from(self.wanted).unwrap_or(usize::MAX);
        let mut reader = gzip::reader(file)?;
        let mut buffer = vec![0u8; BLOCK as usize];
        let (mut at, mut starts) = (start, VecDeque::new());
        loop {
            let filled = reader.read(&mut buffer)?;
            if filled == 0 {
                break;
            }
            for (index, _) in buffer[..filled].iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                let number = at + index as u64 + 1;
                if number <= begin || number >= self.end {
                    continue;
                }
                if starts.len() >= keep {
                    starts.pop_front();
                }
                starts.push_back(number);
            }
            at += filled as u64;
        }
        Ok(starts.into_iter().rev().find_map(|at| self.line_at(at)))
    }

    /// Counts a line that would start at `number`; that, if it is the last that was wanted.
    fn line_at(&mut self, number: u64) -> Option<u64> {
        if number >= self.end {
            return None;
        }
        self.wanted -= 1;
        (self.wanted == 0).then_some(number)
    }
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
