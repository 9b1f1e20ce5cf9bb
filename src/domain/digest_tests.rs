//! Tables of logs and their digests.

use super::*;

fn digest(text: &str) -> Digested {
    let mut digest = Digest::default();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        digest.take(at, line.trim_end_matches('\n').as_bytes());
        at += line.len() as u64;
    }
    digest.finish()
}

fn texts(samples: &[Sample]) -> Vec<&str> {
    samples.iter().map(|sample| sample.text.as_str()).collect()
}

#[test]
fn lines_that_differ_in_numbers_times_and_ids_are_the_same() {
    let shown = |text: &str| {
        let mut out = Vec::new();
        template(text, &mut out);
        String::from_utf8(out).unwrap()
    };
    for (text, expected) in [
        ("GET /users/17 200", "GET /users/# #"),
        ("took 12.5ms", "took #ms"),
        ("2026-11-22T10:00:00.123Z start", "# start"),
        ("2026-11-22 10:00:00,123 start", "# # start"),
        ("10:00:00 x", "# x"),
        ("at 0x7ffd12ab: fault", "at #: fault"),
        ("id 550e8400-e29b-41d4-a716-446655440000", "id #"),
        ("commit 1a2b3c4d", "commit #"),
        ("utf8 x86_64", "utf# x#"),
        ("deadbeef face", "deadbeef face"),
        ("10.0.0.1:8080 -> 10.0.0.2", "# -> #"),
        ("worker-3 of 4", "worker-# of #"),
        ("日本 7", "日本 #"),
        ("", ""),
    ] {
        assert_eq!(shown(text), expected);
    }
    // What must fold does, whatever letters an id happens to have.
    assert_eq!(shown("x 550e8400 y"), shown("x 12345678 y"));
}

#[test]
fn errors_and_warnings_are_counted_and_the_last_error_is_told_whole() {
    let digested = digest(
        "INFO up\nERROR first\nWARN slow\nWARN slow again\n0 errors\nTraceback (most recent call last):\n  File x\nKeyError: 7\n\
         INFO down\nbye\n",
    );
    assert_eq!((digested.lines, digested.counts), (10, [2, 2, 2, 0]));
    assert_eq!(texts(&digested.last_error), ["Traceback (most recent call last):", "  File x", "KeyError: 7"]);
    assert_eq!(texts(&digested.last_lines), digested_last());
    assert_eq!(digested.last_error[0].at, 55);
    let plain = digest("error: x\na\nb\nc\nd\ne\n");
    assert_eq!(texts(&plain.last_error), ["error: x", "a", "b", "c"]);
    let deep = digest(&format!("Error: x\n{}", "    at y\n".repeat(100)));
    assert_eq!(deep.last_error.len(), 20);
    assert_eq!(digest(""), Digested::default());
}

fn digested_last() -> [&'static str; 5] {
    ["Traceback (most recent call last):", "  File x", "KeyError: 7", "INFO down", "bye"]
}

#[test]
fn what_repeats_is_told_with_its_first_and_its_last() {
    let mut text = String::new();
    for id in 0..50 {
        text.push_str(&format!("request {id} took {}ms\n", id * 7));
        if id % 10 == 0 {
            text.push_str("heartbeat\n");
        }
        if id < 2 {
            text.push_str("twice\n");
        }
    }
    let digested = digest(&text);
    let found: Vec<_> =
        digested.repeated.iter().map(|r| (r.count, r.first.text.as_str(), r.last.text.as_str())).collect();
    assert_eq!(found, [(50, "request 0 took 0ms", "request 49 took 343ms"), (5, "heartbeat", "heartbeat")]);
    assert!(!digested.forgotten);
}

#[test]
fn memory_is_bounded_and_what_is_frequent_survives() {
    let mut digest = Digest::default();
    let word = |n: u64| -> String { format!("{n:020}").bytes().map(|b| char::from(b - b'0' + b'a')).collect() };
    for n in 0..20_000 {
        digest.take(n, word(n).as_bytes());
        if n % 5 == 0 {
            digest.take(n, format!("again and again {n}").as_bytes());
        }
    }
    assert!(digest.groups.len() <= GROUPS);
    digest.take(0, &vec![b'x'; 1 << 20]);
    digest.take(0, &[0xff; 100]);
    let digested = digest.finish();
    assert!(digested.forgotten);
    assert_eq!((digested.repeated.len(), digested.repeated[0].count), (1, 4000));
    assert!(digested.last_lines.iter().all(|line| line.text.len() <= SAMPLE));
}

#[test]
fn colours_do_not_hide_an_error() {
    let digested = digest("\u{1b}[31mERROR\u{1b}[0m red\n\u{1b}[33mwarning\u{1b}[0m: yellow\n");
    assert_eq!(digested.counts, [1, 1, 0, 0]);
    assert_eq!(digested.last_error[0].text, "ERROR red");
}

#[test]
fn lines_that_differ_in_a_number_may_differ_in_their_level() {
    for (text, counts) in [
        ("3 errors\n0 errors\n7 errors\n", [2, 0, 0, 0]),
        ("0 errors\n3 errors\n0 errors\n", [1, 0, 0, 0]),
        ("{\"level\":30}\n{\"level\":50}\n{\"level\":40}\n", [1, 1, 1, 0]),
        ("level=10 a\nlevel=50 a\n", [1, 0, 0, 1]),
        ("E0102 a\nE01 a\nE0103 a\n", [2, 0, 0, 0]),
        ("x E0102: a\nx E01: a\n", [1, 0, 0, 0]),
        ("errors: 10\nerrors: 0\nerrors: 20\n", [2, 0, 0, 0]),
        ("ERROR 1\nERROR 2\nWARN 3\n", [2, 1, 0, 0]),
    ] {
        assert_eq!(digest(text).counts, counts, "{text}");
    }
}
