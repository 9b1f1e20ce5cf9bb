//! What a process says of itself by sd_notify(3).
//!
//! Why it exists: the text of a datagram becomes typed words here, without a socket. Invariant: what is not known is
//! passed over, as the protocol demands; a line that is known and makes no sense is, too.

use std::time::Duration;

/// One word of a process to its supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// `READY=1`
    Ready,
    /// `STATUS=…`
    Status(String),
    /// `STOPPING=1`
    Stopping,
    /// `WATCHDOG=1`
    Beat,
    /// `WATCHDOG=trigger`
    Lifeless,
    /// `EXTEND_TIMEOUT_USEC=…`
    Extend(Duration),
    /// `MAINPID=…`
    MainPid(u32),
}

/// The longest `STATUS=` that is kept, in characters.
const STATUS_LENGTH: usize = 200;

/// The words in the text of one datagram.
pub fn parse(text: &[u8]) -> Vec<Notice> {
    let text = String::from_utf8_lossy(text);
    text.lines().filter_map(word).collect()
}

fn word(line: &str) -> Option<Notice> {
    let (key, value) = line.split_once('=')?;
    match (key, value) {
        ("READY", "1") => Some(Notice::Ready),
        ("STATUS", text) => Some(Notice::Status(text.chars().take(STATUS_LENGTH).collect())),
        ("STOPPING", "1") => Some(Notice::Stopping),
        ("WATCHDOG", "1") => Some(Notice::Beat),
        ("WATCHDOG", "trigger") => Some(Notice::Lifeless),
        ("EXTEND_TIMEOUT_USEC", micros) => micros.parse().ok().map(|n| Notice::Extend(Duration::from_micros(n))),
        ("MAINPID", pid) => pid.parse().ok().filter(|&pid| pid > 1).map(Notice::MainPid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    #[test]
    fn known_words_are_understood_and_others_passed_over() {
        let text = b"READY=1\nSTATUS=serving 3 = three\nMAINPID=42\nX_OWN=1\nREADY=0\nMAINPID=1\nMAINPID=x\nnoise\n\
                     WATCHDOG=1\nWATCHDOG=trigger\nSTOPPING=1\nEXTEND_TIMEOUT_USEC=1500000\nSTATUS=\xff";
        let words = [
            Notice::Ready,
            Notice::Status("serving 3 = three".into()),
            Notice::MainPid(42),
            Notice::Beat,
            Notice::Lifeless,
            Notice::Stopping,
            Notice::Extend(Duration::from_millis(1500)),
            Notice::Status("\u{fffd}".into()),
        ];
        assert_eq!(parse(text), words);
        let long = format!("STATUS={}", "é".repeat(500));
        assert_eq!(parse(long.as_bytes()), [Notice::Status("é".repeat(200))]);
    }

    /// Whatever else is in a datagram, the words that are known are understood.
    #[test]
    fn known_words_are_found_among_garbage() {
        let known = [
            ("READY=1", Notice::Ready),
            ("STATUS=going on", Notice::Status("going on".into())),
            ("STOPPING=1", Notice::Stopping),
            ("WATCHDOG=1", Notice::Beat),
            ("WATCHDOG=trigger", Notice::Lifeless),
            ("EXTEND_TIMEOUT_USEC=2000000", Notice::Extend(Duration::from_secs(2))),
            ("MAINPID=42", Notice::MainPid(42)),
        ];
        for seed in 0..5000 {
            let mut dice = Dice::new(seed);
            let (mut datagram, mut words) = (Vec::new(), Vec::new());
            for _ in 0..dice.below(12) {
                if dice.below(2) == 0 {
                    let (line, word) = &known[dice.index(known.len())];
                    datagram.extend_from_slice(line.as_bytes());
                    words.push(word.clone());
                } else {
                    let garbage = dice.bytes(60).into_iter().filter(|&b| b != b'\n');
                    datagram.push(b'!');
                    datagram.extend(garbage);
                }
                datagram.push(b'\n');
            }
            assert_eq!(parse(&datagram), words, "seed {seed}: {:?}", String::from_utf8_lossy(&datagram));
        }
    }

    #[test]
    fn no_datagram_is_too_odd() {
        let keys = ["READY=", "STATUS=", "STOPPING=", "WATCHDOG=", "EXTEND_TIMEOUT_USEC=", "MAINPID=", "\n", "1", "-1"];
        for seed in 0..5000 {
            let mut dice = Dice::new(seed);
            parse(&dice.bytes(400));
            let text = dice.text(&keys, 20);
            for notice in parse(text.as_bytes()) {
                match notice {
                    Notice::Status(status) => {
                        assert!(status.chars().count() <= STATUS_LENGTH && !status.contains('\n'))
                    }
                    Notice::MainPid(pid) => assert!(pid > 1, "{text:?}"),
                    _ => {}
                }
            }
        }
    }
}
