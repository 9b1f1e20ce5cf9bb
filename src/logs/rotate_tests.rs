//! Rotation and reading together, on a file system that can cut off heads where there is one, and on one that cannot.

use super::super::cut::Cut;
use super::super::{Kept, LogReader, end_of, kept, tail_text};
use super::*;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const BLOCK: u64 = 4096;

fn rotation(max_size: u64, keep: u32) -> Rotation {
    Rotation { max_size, keep, compress: false }
}

/// Folders to test in, the kinds of file system that this machine has.
fn folders() -> Vec<TempDir> {
    let mut folders = vec![tempfile::tempdir().unwrap()];
    if Path::new("/dev/shm").is_dir() {
        folders.extend(tempfile::tempdir_in("/dev/shm"));
    }
    folders
}

fn append(log: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).create(true).open(log).unwrap().write_all(bytes).unwrap();
}

fn collapses(log: &Path) -> bool {
    platform::can_collapse(&OpenOptions::new().write(true).open(log).unwrap())
}

/// Rotates until nothing is too large any more.
fn rotate(log: &Path, rotation: &Rotation) -> Vec<Progress> {
    let mut done = Vec::new();
    loop {
        let mut rotating = match Rotating::begin(log, rotation) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
            begun => match begun.unwrap() {
                Some(rotating) => rotating,
                None => return done,
            },
        };
        loop {
            match rotating.go_on().unwrap() {
                Progress::Copying | Progress::Busy => {}
                over => break done.push(over),
            }
        }
    }
}

fn read_all(reader: &mut LogReader) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0u8; 1000];
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => return all,
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Numbered lines, so that every byte is where it belongs or can be told.
fn lines(from: usize, to: usize) -> Vec<u8> {
    (from..to).flat_map(|n| format!("line {n}\n").into_bytes()).collect()
}

fn concatenated(log: &Path, keep: u32) -> Vec<u8> {
    let files = (1..=keep).rev().map(|n| numbered(log, n)).chain([log.to_owned()]);
    files.filter_map(|path| fs::read(path).ok()).flatten().collect()
}

#[test]
fn the_files_together_are_what_was_written() {
    for folder in folders() {
        let log = folder.path().join("web.out.log");
        let mut written = Vec::new();
        for round in 0..7 {
            let more = lines(round * 1000, round * 1000 + 1000);
            append(&log, &more);
            written.extend_from_slice(&more);
            rotate(&log, &rotation(2 * BLOCK, 100));
            assert!(concatenated(&log, 100) == written, "round {round} in {}", folder.path().display());
            assert!(read_all(&mut LogReader::at(&log, 0)) == written);
            assert_eq!(end_of(&log), written.len() as u64);
            assert!(!next_path(&log).exists());
        }
        assert!(fs::metadata(&log).unwrap().len() <= 2 * BLOCK);
        if collapses(&log) {
            assert!((1..9).all(|n| fs::metadata(numbered(&log, n)).unwrap().len() == 2 * BLOCK));
        }
    }
}

#[test]
fn only_so_many_files_are_kept_and_what_is_too_old_is_not_even_copied() {
    for folder in folders() {
        let log = folder.path().join("web.out.log");
        let written = lines(0, 20_000);
        append(&log, &written);
        let lossless = collapses(&log);
        let done = rotate(&log, &rotation(2 * BLOCK, 3));
        if lossless {
            assert!(matches!(done[0], Progress::Done(_, false)), "{done:?}");
            assert_eq!(done.iter().filter(|d| matches!(d, Progress::Done(8192, true))).count(), 3);
        }
        let kept = concatenated(&log, 9);
        assert!(written.ends_with(&kept) && !numbered(&log, 4).exists());
        assert!(read_all(&mut LogReader::at(&log, 0)) == kept, "reading begins with the oldest that is there");
        assert_eq!(end_of(&log), written.len() as u64, "bytes keep their numbers");
        assert_eq!(tail_text(&log, 0, 12).as_deref(), Some("line 19999\n"));
        append(&log, &lines(0, 1000));
        rotate(&log, &rotation(1, 0));
        assert_eq!(end_of(&log), (written.len() + lines(0, 1000).len()) as u64);
        assert!(!numbered(&log, 1).exists(), "none is kept any more");
    }
}

#[test]
fn a_reader_anywhere_goes_on_where_it_was() {
    for folder in folders() {
        let log = folder.path().join("web.out.log");
        append(&log, &lines(0, 2000));
        let total = end_of(&log);
        let mut readers: Vec<LogReader> = (0..40).map(|n| LogReader::at(&log, n * total / 40)).collect();
        let mut seen: Vec<Vec<u8>> = readers
            .iter_mut()
            .map(|reader| {
                let mut some = vec![0; 100];
                let n = reader.read(&mut some).unwrap();
                some.truncate(n);
                some
            })
            .collect();
        for round in 2..5 {
            rotate(&log, &rotation(BLOCK, 100));
            append(&log, &lines(round * 1000, round * 1000 + 1000));
        }
        let all = lines(0, 5000);
        for (n, (reader, seen)) in readers.iter_mut().zip(&mut seen).enumerate() {
            seen.extend(read_all(reader));
            assert!(all[n * total as usize / 40..] == *seen, "reader {n}");
        }
    }
}

#[test]
fn the_last_lines_are_found_across_files_and_blocks() {
    for folder in folders() {
        let log = folder.path().join("web.out.log");
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
            (&format!("a\n{long}\nb\n"), 3, &format!("a\n{long}\nb\n")),
            (&format!("{long}\n{long}\n{long}\n"), 2, &format!("{long}\n{long}\n")),
            (&long, 1, &long),
        ] {
            for max_size in [1 << 30, BLOCK] {
                let _ = fs::remove_file(cut_path(&log));
                (1..=30).for_each(|n| drop(fs::remove_file(numbered(&log, n))));
                fs::write(&log, content).unwrap();
                rotate(&log, &rotation(max_size, 30));
                let found = read_all(&mut LogReader::at_last_lines(&log, lines).unwrap());
                assert!(found == tail.as_bytes(), "{lines} of {} bytes, cut at {max_size}", content.len());
            }
        }
    }
}

#[test]
fn compressed_files_are_read_like_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("web.out.log");
    let written = lines(0, 5000);
    append(&log, &written);
    rotate(&log, &rotation(2 * BLOCK, 100));
    let mut reader = LogReader::at(&log, 0);
    let mut some = vec![0; 100];
    let n = reader.read(&mut some).unwrap();
    some.truncate(n);
    while let Some(plain) = super::super::uncompressed(&log) {
        let arguments = [log.clone().into_os_string(), plain.into_os_string()];
        assert_eq!(super::super::compress_main(arguments.into_iter()), 0);
    }
    some.extend(read_all(&mut reader));
    assert!(some == written);
    assert!(read_all(&mut LogReader::at(&log, 30_000)) == written[30_000..]);
    for lines in [1, 500, 1000, 4000, 9999] {
        let found = read_all(&mut LogReader::at_last_lines(&log, lines).unwrap());
        let count = found.iter().filter(|&&b| b == b'\n').count() as u64;
        assert!(written.ends_with(&found) && count == lines.min(5000), "{lines}: {count}");
    }
}

/// Leaves what a crash leaves right before each mark of a cut, and after the last.
#[test]
fn a_crash_at_any_step_loses_nothing_and_doubles_nothing() {
    for folder in folders() {
        for step in 0..5 {
            let folder = tempfile::tempdir_in(folder.path()).unwrap();
            let log = folder.path().join("web.out.log");
            let written = lines(0, 1500);
            append(&log, &written);
            rotate(&log, &rotation(2 * BLOCK, 100));
            let (start, length) = (Live::of(&log, &File::open(&log).unwrap()).unwrap().start, BLOCK);
            // The same text again and again: nobody can tell by comparing whether it was cut off.
            let periodic = b"y\n".repeat(3 * BLOCK as usize);
            append(&log, &periodic);
            let live = OpenOptions::new().read(true).write(true).open(&log).unwrap();
            let all = [&written[..], &periodic].concat();
            let mut head = vec![0; if step == 0 { 100 } else { length as usize }];
            (&live).read_exact(&mut head).unwrap();
            fs::write(next_path(&log), &head).unwrap();
            let inode = fs::metadata(next_path(&log)).unwrap().ino();
            if step > 1 {
                Cut { start, length, end: length, inode }.write(&log).unwrap();
            }
            if step > 2 && !platform::punch_head(&live, length).unwrap() {
                continue;
            }
            if step > 3 {
                parts::make_room(&log, 100).unwrap();
                fs::rename(next_path(&log), numbered(&log, 1)).unwrap();
            }
            let place = format!("step {step} in {}", folder.path().display());
            assert!(read_all(&mut LogReader::at(&log, 0)) == all, "a reader finds all of it: {place}");
            append(&log, b"more\n");
            let all = [&all[..], b"more\n"].concat();
            rotate(&log, &rotation(1 << 30, 100));
            assert!(!next_path(&log).exists());
            assert!(read_all(&mut LogReader::at(&log, 0)) == all, "recovered: {place}");
            assert!(concatenated(&log, 100) == all, "{place}");
            rotate(&log, &rotation(BLOCK, 100));
            assert!(read_all(&mut LogReader::at(&log, 0)) == all, "rotated on: {place}");
        }
    }
}

#[test]
fn a_log_that_was_truncated_by_hand_begins_anew() {
    for folder in folders() {
        let log = folder.path().join("web.out.log");
        append(&log, &lines(0, 3000));
        rotate(&log, &rotation(2 * BLOCK, 2));
        let mut reader = LogReader::at(&log, end_of(&log));
        OpenOptions::new().write(true).truncate(true).open(&log).unwrap();
        append(&log, b"anew\n");
        assert_eq!(read_all(&mut reader), b"anew\n");
        fs::remove_file(&log).unwrap();
        append(&log, b"another file\n");
        assert_eq!(read_all(&mut reader), b"another file\n");
    }
}

#[test]
fn while_somebody_writes_and_somebody_reads_nothing_is_lost_or_doubled() {
    for folder in folders() {
        let log = folder.path().join("web.out.log");
        append(&log, b"");
        if !collapses(&log) {
            continue; // There the last moment before a truncation is not safe.
        }
        let over = AtomicBool::new(false);
        let (written, seen) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut file = OpenOptions::new().append(true).open(&log).unwrap();
                let mut written = Vec::new();
                for n in 0..60_000 {
                    let line = format!("line {n}\n");
                    file.write_all(line.as_bytes()).unwrap();
                    written.extend_from_slice(line.as_bytes());
                }
                over.store(true, Ordering::Relaxed);
                written
            });
            let reader = scope.spawn(|| {
                let (mut reader, mut seen) = (LogReader::at(&log, 0), Vec::new());
                while !over.load(Ordering::Relaxed) {
                    seen.extend(read_all(&mut reader));
                }
                seen.extend(read_all(&mut reader));
                seen
            });
            while !over.load(Ordering::Relaxed) {
                rotate(&log, &rotation(4 * BLOCK, 1000));
            }
            (writer.join().unwrap(), reader.join().unwrap())
        });
        assert!(concatenated(&log, 1000) == written, "{} rotations", parts::rotated(&log).unwrap().len());
        assert!(seen == written);
    }
}

#[test]
fn the_last_lines_of_a_range_are_those_before_its_end() {
    for folder in folders() {
        let log = folder.path().join("web.out.log");
        let written = lines(0, 3000);
        append(&log, &written);
        rotate(&log, &rotation(2 * BLOCK, 100));
        for compressed in [false, true] {
            while let Some(plain) = super::super::uncompressed(&log).filter(|_| compressed) {
                let arguments = [log.clone().into_os_string(), plain.into_os_string()];
                assert_eq!(super::super::compress_main(arguments.into_iter()), 0);
            }
            for (from, to) in
                [(0, 30_000), (5000, 5000), (4990, 20_011), (8192, 8200), (20_000, 99_999), (28_000, 28_500)]
            {
                for count in [0, 1, 2, 500, 9999] {
                    let end = written.len().min(to);
                    let part = &written[from..end];
                    let starts = part.iter().enumerate().filter(|(at, b)| **b == b'\n' && at + 1 < part.len());
                    let mut starts: Vec<usize> = std::iter::once(0).chain(starts.map(|(at, _)| at + 1)).collect();
                    let begin = if count == 0 || part.is_empty() {
                        part.len()
                    } else {
                        starts.drain(..starts.len().saturating_sub(count));
                        starts[0]
                    };
                    let reader = LogReader::at_last_lines_of(&log, count as u64, from as u64..to as u64).unwrap();
                    assert_eq!(
                        reader.position(),
                        Some((from + begin) as u64),
                        "{count} of {from}..{to} ({compressed})"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_gone_before_it_is_read_is_counted_and_a_removal_makes_nothing_new() {
    for folder in folders() {
        let log = folder.path().join("web.out.log");
        let written = lines(0, 20_000);
        append(&log, &written);
        let mut reader = LogReader::at(&log, 0);
        let mut some = [0; 100];
        assert_eq!(reader.read(&mut some).unwrap(), 100);
        rotate(&log, &rotation(2 * BLOCK, 1));
        let there = kept(&log).unwrap();
        assert_eq!(there.end, written.len() as u64);
        let rest = read_all(&mut reader);
        assert!(
            written.ends_with(&rest)
                && reader.take_lost() == there.oldest.saturating_sub(100)
                && reader.take_lost() == 0
        );
        let mut from_the_beginning = LogReader::at(&log, 0);
        assert!(read_all(&mut from_the_beginning).ends_with(&rest) && from_the_beginning.take_lost() == 0);
        append(&log, b"bye\n");
        for file in super::super::files_of(&log) {
            let _ = fs::remove_file(file);
        }
        assert_eq!(read_all(&mut reader), b"bye\n");
        assert_eq!(kept(&log).unwrap(), Kept::default());
    }
}
