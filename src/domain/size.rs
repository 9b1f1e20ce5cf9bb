//! Sizes as people write them: `500M`, `2G`, `1.5g`, plain bytes.
//!
//! Why it exists: the command line, `bgo.toml` and JSON share one grammar. Invariant: units are powers of 1024, as in
//! `status`; what [`Size`] writes, it reads back as the same number of bytes.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number of bytes. In JSON: that number; text such as "500M" is read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Wire<u64>", into = "u64")]
pub struct Size(pub u64);

/// The units, largest first.
const UNITS: [(char, u32); 4] = [('T', 40), ('G', 30), ('M', 20), ('K', 10)];

/// What people write in a file: the plain value, or the text of the command line.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Wire<T> {
    /// As bgo writes it.
    Plain(T),
    /// As a person does.
    Text(String),
}

impl<T> Wire<T> {
    /// The value, from either form.
    pub(super) fn value<V: FromStr<Err = String>>(
        self,
        plain: impl FnOnce(T) -> Result<V, String>,
    ) -> Result<V, String> {
        match self {
            Wire::Plain(value) => plain(value),
            Wire::Text(text) => text.parse(),
        }
    }
}

impl TryFrom<Wire<u64>> for Size {
    type Error = String;

    fn try_from(wire: Wire<u64>) -> Result<Size, String> {
        wire.value(|bytes| Ok(Size(bytes)))
    }
}

impl From<Size> for u64 {
    fn from(size: Size) -> u64 {
        size.0
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let bad = || format!("\"{text}\" is not a size such as 500M, 2G or 1048576 (bytes)");
        let trimmed = text.trim();
        let number = trimmed.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let mut unit = trimmed[number.len()..].to_ascii_uppercase();
        if let Some(short) = unit.strip_suffix("IB").or(unit.strip_suffix('B')) {
            unit = short.to_owned();
        }
        let shift = match unit.as_str() {
            "" => 0,
            letter => {
                UNITS.iter().find(|(unit, _)| letter == unit.to_string()).map(|(_, shift)| *shift).ok_or_else(bad)?
            }
        };
        let number = number.trim_end();
        if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(bad());
        }
        let bytes = match number.parse::<u64>() {
            Ok(whole) => whole.checked_mul(1 << shift),
            Err(_) => {
                number.parse::<f64>().ok().map(|n| n * (1u64 << shift) as f64).filter(|&n| n < 9e18).map(|n| n as u64)
            }
        };
        bytes.map(Size).ok_or_else(bad)
    }
}

impl fmt::Display for Size {
    /// The largest unit that gives a whole number: `500M`, `1536K`, `1000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, shift): &&(char, u32)| self.0 != 0 && self.0.is_multiple_of(1 << shift);
        match UNITS.iter().find(whole) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

/// A measured size, rounded, for a sentence: `612 MiB`.
pub fn measured(bytes: u64) -> String {
    match UNITS.iter().find(|(_, shift)| bytes >> shift >= 10) {
        Some((unit, shift)) => format!("{} {unit}iB", (bytes + (1 << (shift - 1))) >> shift),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes, written) in [
            ("500M", 500 << 20, "500M"),
            ("2G", 2 << 30, "2G"),
            ("1.5g", 3 << 29, "1536M"),
            ("64KiB", 64 << 10, "64K"),
            ("1TB", 1 << 40, "1T"),
            ("1000", 1000, "1000"),
            ("12 mb", 12 << 20, "12M"),
            ("0", 0, "0"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, written), "{text}");
            assert_eq!(size.to_string().parse(), Ok(size));
            assert_eq!(serde_json::from_value::<Size>(serde_json::json!(text)).unwrap(), size);
            assert_eq!(serde_json::from_value::<Size>(serde_json::json!(bytes)).unwrap(), size);
        }
        for bad in ["", "M", "x", "5X", "-1", "1e9", "99999999T", "5 M M"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_measured_size_reads_well() {
        for (bytes, text) in [(612 << 20, "612 MiB"), (9 << 20, "9216 KiB"), (15 << 30, "15 GiB"), (100, "100 bytes")] {
            assert_eq!(measured(bytes), text);
        }
    }

    #[test]
    fn what_is_shown_is_read_back() {
        for seed in 0..20_000 {
            let mut dice = Dice::new(seed);
            let size = Size(dice.sized() << dice.below(24));
            assert_eq!(size.to_string().parse(), Ok(size));
            assert_eq!(serde_json::from_value::<Size>(serde_json::json!(size)).unwrap(), size);
            measured(size.0);
        }
    }

    #[test]
    fn no_text_is_too_odd_for_a_size() {
        let words =
            ["1", "9", "0", ".", "5", "K", "m", "GiB", "TB", "b", "i", "e", "-", "+", " ", "18446744073709551615"];
        for seed in 0..20_000 {
            let text = Dice::new(seed).text(&words, 6);
            if let Ok(size) = text.parse::<Size>() {
                assert_eq!(size.to_string().parse(), Ok(size), "{text:?}");
            }
        }
    }
}
