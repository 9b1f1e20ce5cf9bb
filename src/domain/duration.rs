//! Durations as people write them: `3` (seconds), `500ms`, `2m`, `1h30m`.
//!
//! Why it exists: the command line, `bgo.toml` and JSON share one grammar, and records keep the plain seconds of
//! bgo-cli 0.2.0. Invariant: what [`Span`] writes, it reads back unchanged to the millisecond.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time. In JSON: seconds, whole as an integer (`3`), else with a fraction (`0.5`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// The longest span that is accepted: beyond 100 years no timer means anything.
const MAX: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Span {
    /// A span of whole seconds.
    pub const fn secs(secs: u64) -> Span {
        Span(Duration::from_secs(secs))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let text = text.trim();
        let bare_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let parsed = if bare_number {
            text.parse::<f64>().ok().and_then(|secs| Duration::try_from_secs_f64(secs).ok())
        } else {
            humantime::parse_duration(text).ok()
        };
        match parsed {
            Some(duration) if duration <= MAX => Ok(Span(duration)),
            Some(_) => Err(format!("\"{text}\" is longer than 100 years")),
            None => Err(format!("\"{text}\" is not a duration such as 3 (seconds), 500ms, 2m or 1h30m")),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To the millisecond: nobody wants the nanoseconds of a measured uptime.
        let millis = Duration::from_millis(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX));
        if millis > Duration::from_secs(1) && millis < Duration::from_secs(60) && millis.subsec_millis() != 0 {
            let fraction = format!("{:03}", millis.subsec_millis());
            return write!(f, "{}.{}s", millis.as_secs(), fraction.trim_end_matches('0'));
        }
        f.write_str(&humantime::format_duration(millis).to_string().replace(' ', ""))
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if self.0.subsec_nanos() == 0 {
            s.serialize_u64(self.0.as_secs())
        } else {
            s.serialize_f64(self.0.as_secs_f64())
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Span, D::Error> {
        struct Seconds;
        impl serde::de::Visitor<'_> for Seconds {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds, or a duration such as \"500ms\"")
            }
            fn visit_u64<E: serde::de::Error>(self, secs: u64) -> Result<Span, E> {
                self.visit_f64(secs as f64)
            }
            fn visit_i64<E: serde::de::Error>(self, secs: i64) -> Result<Span, E> {
                self.visit_f64(secs as f64)
            }
            fn visit_f64<E: serde::de::Error>(self, secs: f64) -> Result<Span, E> {
                let nanos = Duration::try_from_secs_f64(secs).map_err(E::custom)?;
                Ok(Span(nanos.min(MAX)))
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        d.deserialize_any(Seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in
            [("3", 3000), ("0", 0), ("0.5", 500), ("500ms", 500), ("2m", 120_000), ("1h30m", 5_400_000), (" 7s ", 7000)]
        {
            assert_eq!(text.parse::<Span>(), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        for bad in ["", "abc", "-1", "1x", "5 parsecs", ".", "1e400", "99999999999999999999", "200years"] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
    }

    #[test]
    fn records_keep_plain_seconds() {
        for (json, span) in [("3", Span::secs(3)), ("0.5", Span(Duration::from_millis(500)))] {
            assert_eq!(serde_json::from_str::<Span>(json).unwrap(), span);
            assert_eq!(serde_json::to_string(&span).unwrap(), json);
        }
        assert_eq!(serde_json::from_str::<Span>("\"2m\"").unwrap(), Span::secs(120));
        assert!(serde_json::from_str::<Span>("-3").is_err());
    }

    #[test]
    fn durations_are_shown_short() {
        for (millis, text) in [(3000, "3s"), (500, "500ms"), (5_400_000, "1h30m"), (1250, "1.25s"), (0, "0s")] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), text);
        }
    }

    #[test]
    fn what_is_shown_is_read_back_to_the_millisecond() {
        for seed in 0..20_000 {
            let millis = Dice::new(seed).sized() % (MAX.as_millis() as u64 + 1);
            let span = Span(Duration::from_millis(millis));
            assert_eq!(span.to_string().parse(), Ok(span), "{millis} ms");
        }
    }

    #[test]
    fn records_keep_every_duration_that_is_accepted() {
        let units = ["1", "0", ".", "5", "ms", "us", "ns", "s", "m", "h", "d", "year", "e9", "inf", "nan", "-", " "];
        let mut accepted = 0;
        for seed in 0..20_000 {
            let text = Dice::new(seed).text(&units, 6);
            let Ok(span) = text.parse::<Span>() else { continue };
            accepted += 1;
            assert!(span.0 <= MAX, "{text:?}");
            let json = serde_json::to_string(&span).unwrap();
            assert_eq!(serde_json::from_str::<Span>(&json).unwrap(), span, "{text:?}: {json}");
        }
        assert!(accepted > 100, "only {accepted} of the texts are durations");
    }
}
