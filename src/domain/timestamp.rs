//! Points in wall-clock time, as RFC 3339 text.
//!
//! Why it exists: records say when things happened in a form people and other tools read. Invariant: a timestamp is
//! for showing and for ordering across reboots; no supervision rule is decided by the wall clock, which can jump.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment of the wall clock, in UTC, to the microsecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub SystemTime);

/// The first moment of the year 10000, in microseconds since 1970.
const END: u64 = 253_402_300_800_000_000;

impl Timestamp {
    /// `time` as finely as its text tells it: what is written and read again is the same moment.
    pub fn of(time: SystemTime) -> Timestamp {
        let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let finer = Duration::from_nanos(u64::from(since_1970.subsec_nanos() % 1000));
        Timestamp(time.checked_sub(finer).unwrap_or(time))
    }
}

impl FromStr for Timestamp {
    type Err = String;

    /// Reads RFC 3339 with `Z` or an offset (bgo-cli 0.2.0 writes `+00:00`).
    fn from_str(text: &str) -> Result<Timestamp, String> {
        let bad = || format!("\"{text}\" is not an RFC 3339 time");
        let (local, offset_minutes) = split_offset(text).ok_or_else(bad)?;
        let time = humantime::parse_rfc3339_weak(local).map_err(|_| bad())?;
        let shift = Duration::from_secs(offset_minutes.unsigned_abs() * 60);
        let utc = if offset_minutes >= 0 { time.checked_sub(shift) } else { time.checked_add(shift) };
        // Outside of these years there is no text for it; and a record whose time is finer than its text is another one
        // when it is read again.
        let since_1970 = utc.and_then(|utc| utc.duration_since(UNIX_EPOCH).ok()).ok_or_else(bad)?;
        let micros = u64::try_from(since_1970.as_micros()).ok().filter(|&micros| micros < END).ok_or_else(bad)?;
        Ok(Timestamp(UNIX_EPOCH + Duration::from_micros(micros)))
    }
}

/// Splits `…T10:00:00.5+02:00` into the local time and 120 minutes.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    if let Some(local) = text.strip_suffix('Z').or_else(|| text.strip_suffix('z')) {
        return Some((local, 0));
    }
    let at = text.rfind(['+', '-']).filter(|&at| at >= 19)?;
    let (hours, minutes) = text[at + 1..].split_once(':')?;
    let total = i64::from(hours.parse::<u8>().ok()?) * 60 + i64::from(minutes.parse::<u8>().ok()?);
    Some((&text[..at], if text.as_bytes()[at] == b'-' { -total } else { total }))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_micros(self.0).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        std::borrow::Cow::<str>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    #[test]
    fn offsets_are_turned_into_utc() {
        for (text, utc) in [
            ("2026-11-20T12:53:02.752077+00:00", "2026-11-20T12:53:02.752077Z"),
            ("2026-11-20T12:53:02+02:30", "2026-11-20T10:23:02.000000Z"),
            ("2026-11-20T12:53:02-01:00", "2026-11-20T13:53:02.000000Z"),
            ("2026-11-20T12:53:02Z", "2026-11-20T12:53:02.000000Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().map(|t| t.to_string()), Ok(utc.to_owned()), "{text}");
        }
        for bad in ["", "yesterday", "2026-11-20", "2026-11-20T12:53:02+zz:00", "é026-11-20T12:53:02+00:00"] {
            assert!(bad.parse::<Timestamp>().is_err(), "{bad}");
        }
    }

    /// Of the years that cannot be written nothing is taken; what is finer than can be written is cut off.
    #[test]
    fn what_is_accepted_is_read_back_unchanged() {
        let words = [
            "1970-01-01T00:00:00",
            "9999-12-31T23:59:59",
            "2026-11-20T12:53:02",
            "Z",
            "z",
            "+",
            "-",
            "00:00",
            "02:30",
            "99:99",
            ".123456789",
            ".5",
            ":",
            "24",
            "9223372036854775807",
        ];
        let mut accepted = 0;
        for seed in 0..20_000 {
            let mut dice = Dice::new(seed);
            let text = (0..2 + dice.below(4)).map(|_| dice.pick(&words)).collect::<String>();
            let Ok(time) = text.parse::<Timestamp>() else { continue };
            accepted += 1;
            assert_eq!(time.to_string().parse(), Ok(time), "{text:?} is written as {time}");
        }
        assert!(accepted > 100, "only {accepted} of the texts are times");
    }
}
