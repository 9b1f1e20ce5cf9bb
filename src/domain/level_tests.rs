//! Tables of lines and their levels.

use super::*;

fn alone(line: &str) -> Option<Level> {
    Classifier::default().take(line)
}

#[test]
fn a_level_is_told_in_the_ways_that_programs_tell_it() {
    use Level::*;
    for (line, level) in [
        // In brackets.
        ("[ERROR] cannot connect", Error),
        ("2026-11-22 10:00:00 [error] 12#12: *1 open() failed", Error),
        ("[ warn ] slow", Warn),
        ("10:00:00 <info> started", Info),
        ("(DEBUG) x", Debug),
        ("a | ERROR | b", Error),
        // A loud word near the beginning.
        ("2026-11-22 10:00:00,123 INFO my.module: 3 errors were mended", Info),
        ("2026-11-22T10:00:00.123Z  WARN hyper::client: retry", Warn),
        ("ERROR:root:it broke", Error),
        ("Nov 22 10:00:00 host app[12]: CRITICAL disk", Error),
        ("npm ERR! code ENOENT", Error),
        ("npm WARN deprecated", Warn),
        ("FATAL: password authentication failed", Error),
        ("NOTICE:  table does not exist", Info),
        ("TRACE enter", Debug),
        ("FAIL  src/app.test.js", Error),
        // With a colon.
        ("error: no such file", Error),
        ("src/main.c:3:5: warning: unused variable", Warn),
        ("error[E0308]: mismatched types", Error),
        ("warn: Microsoft.Hosting[0]", Warn),
        ("fail: Microsoft.Hosting[0]", Error),
        ("panic: runtime error: index out of range", Error),
        ("curl: (7) Failed to connect", Error),
        // As a value.
        ("time=10:00 level=warn msg=\"an error occurred\"", Warn),
        ("level=\"error\" x=1", Error),
        ("ts=1 lvl=eror msg=x", Error),
        ("{\"level\":\"error\",\"msg\":\"x\"}", Error),
        ("{\"msg\": \"error\", \"level\": \"info\"}", Info),
        ("{\"severity\": \"ERROR\"}", Error),
        ("{\"level\":50,\"msg\":\"pino\"}", Error),
        ("{\"level\":30,\"msg\":\"an error\"}", Info),
        ("{\"level\":\"warning\"}", Warn),
        // As a code.
        ("E0102 15:04:05.000000    1 main.go:1] x", Error),
        ("W0102 15:04:05.000000    1 main.go:1] x", Warn),
        ("I0102 15:04:05.000000    1 main.go:1] error", Info),
        ("E0101: explicit return in __init__", Error),
        ("app.py:3:0: E0101: Explicit return in __init__ (return-in-init)", Error),
        ("app.py:3:0: W0611: Unused import", Warn),
        // By a word.
        ("Traceback (most recent call last):", Error),
        ("thread 'main' panicked at src/main.rs:2:5:", Error),
        ("ValueError: bad", Error),
        ("java.lang.NullPointerException: x", Error),
        ("Exception in thread \"main\" java.lang.IllegalStateException", Error),
        ("an error occurred", Error),
        ("3 errors", Error),
        ("connection failed", Error),
        ("Job failed.", Error),
        ("make: *** [all] Error 1", Error),
        ("main.py:4: DeprecationWarning: old", Warn),
        ("2 warnings generated", Warn),
        ("=== 1 failed, 3 passed ===", Error),
    ] {
        assert_eq!(alone(line), Some(level), "{line}");
    }
}

#[test]
fn what_only_looks_like_an_error_is_none() {
    for line in [
        "",
        "listening on 0.0.0.0:8080",
        "the terror of it",
        "0 errors",
        "0 errors, 0 warnings",
        "no error",
        "No errors found",
        "finished without errors",
        "without any error",
        "not an error",
        "errors: 0",
        "errors=0",
        "error: none",
        "{\"error\":null,\"ok\":true}",
        "{\"errors\": 0}",
        "failed: 0",
        "=== 0 failed, 3 passed ===",
        "wrote error.log",
        "GET /error 200",
        "errorless",
        "error_count 3",
        "on-error continue",
        "loading errors.py",
        "the error rate is low",
        "error handler installed",
        "informed",
        "warned nobody",
        "ErrorBoundary mounted",
        "info about it",
        "alert box",
        "debugging on",
        "xlevel=info",
        "E01012 x",
        "    at java.lang.Error.<init>(Error.java:70)",
        "  File \"error.py\", line 3, in error",
    ] {
        assert_eq!(alone(line), None, "{line}");
    }
}

/// The levels of the messages that begin in `text`, one character a line: `.` begins none.
fn levels(text: &str) -> String {
    let mut classifier = Classifier::default();
    text.lines().map(|line| classifier.take(line).map_or('.', |level| level.as_str().chars().next().unwrap())).collect()
}

#[test]
fn a_failure_of_many_lines_is_one() {
    for (text, expected) in [
        ("Traceback (most recent call last):\n  File \"a.py\", line 1\n    1/0\nZeroDivisionError: x\nok", "e...."),
        (
            "Traceback (most recent call last):\n  x\nKeyError: 1\n\nDuring handling of the above exception, another \
             exception occurred:\n\nTraceback (most recent call last):\n  y\nValueError: 2\nTypeError: 3",
            "e........e",
        ),
        ("ERROR:root:it broke\nTraceback (most recent call last):\n  x\nKeyError: 1", "e..."),
        (
            "thread 'main' panicked at src/main.rs:2:5:\ncalled `Result::unwrap()` on an `Err` value: ParseIntError\n\
             note: run with `RUST_BACKTRACE=1`",
            "e..",
        ),
        ("java.lang.Error: x\n\tat a.b(Error.java:1)\nCaused by: java.io.IOException: y\n\tat c", "e..."),
        ("panic: runtime error: x\n\ngoroutine 1 [running]:\nmain.main()", "e..."),
        ("INFO a\nplain\nWARN b\nplain\nERROR c\nplain", "i.w.e."),
        ("  ERROR indented\n  INFO indented", "ei"),
    ] {
        assert_eq!(levels(text), expected, "{text}");
    }
}

#[test]
fn levels_have_names() {
    for level in Level::ALL {
        assert_eq!(level.as_str().parse(), Ok(level));
    }
    assert_eq!("WARNING".parse(), Ok(Level::Warn));
    assert!("loud".parse::<Level>().is_err() && "".parse::<Level>().is_err());
}

#[test]
fn no_line_is_too_odd() {
    use crate::domain::dice::Dice;
    let words =
        ["error", "level=", "\"level\":", "[", "]", ": ", "E0101", "0", " ", "日", "Traceback", "thread '", "x"];
    for seed in 0..20_000 {
        let text = Dice::new(seed).text(&words, 12);
        Classifier::default().take(&text);
    }
    Classifier::default().take(&"日".repeat(10_000));
}
