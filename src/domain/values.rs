//! The kinds of values that settings have, besides durations, sizes and signals.
//!
//! Why it exists: each is read from the command line, from TOML and from JSON alike. Invariant: what one writes, it reads
//! back unchanged; what makes no sense is refused in one sentence that shows how it is written.

use super::duration::Span;
use super::size::Wire;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Declares an enum of words: display, parsing, and JSON by the same word.
macro_rules! words {
    ($(#[$doc:meta])* $kind:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $kind { $($(#[$inner])* $variant,)* }

        impl $kind {
            /// All of them, in the order of the help.
            pub const ALL: &[$kind] = &[$($kind::$variant),*];
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($kind::$variant => $word,)* })
            }
        }

        impl FromStr for $kind {
            type Err = String;

            fn from_str(text: &str) -> Result<$kind, String> {
                match text {
                    $($word => Ok($kind::$variant),)*
                    _ => Err(format!("\"{text}\" is not one of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

words! {
    /// Which ends are followed by a restart.
    RestartOn {
        /// Every end.
        Always = "always",
        /// Every end but success.
        OnFailure = "on-failure",
    }
}

words! {
    /// What `resurrect` does about a process that is down.
    Autostart {
        /// It is started after each boot, also if it was stopped.
        Always = "always",
        /// It is started if it was up when the machine or the session went down.
        UnlessStopped = "unless-stopped",
        /// It is left down.
        Never = "never",
    }
}

words! {
    /// What happens to a process that is not ready in time.
    OnReadyTimeout {
        /// It is ended, and the restart policy decides what follows.
        Fail = "fail",
        /// It runs on, and is checked on.
        Keep = "keep",
    }
}

words! {
    /// The restart policy, as a person names it.
    Restart {
        /// Stay down.
        No = "no",
        /// Restart unless it ended with success.
        OnFailure = "on-failure",
        /// Restart in any case.
        Always = "always",
    }
}

/// Exit codes, 0 to 255. In JSON: a list; text such as "0,143" is read as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire<Vec<u8>>", into = "Vec<u8>")]
pub struct ExitCodes(pub Vec<u8>);

impl TryFrom<Wire<Vec<u8>>> for ExitCodes {
    type Error = String;

    fn try_from(wire: Wire<Vec<u8>>) -> Result<ExitCodes, String> {
        wire.value(|codes| Ok(ExitCodes(codes)))
    }
}

impl From<ExitCodes> for Vec<u8> {
    fn from(codes: ExitCodes) -> Vec<u8> {
        codes.0
    }
}

impl FromStr for ExitCodes {
    type Err = String;

    fn from_str(text: &str) -> Result<ExitCodes, String> {
        let codes: Result<Vec<u8>, _> = text.split(',').map(|code| code.trim().parse()).collect();
        codes.map(ExitCodes).map_err(|_| format!("\"{text}\" is not a list of exit codes such as 0,143"))
    }
}

impl fmt::Display for ExitCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes: Vec<String> = self.0.iter().map(u8::to_string).collect();
        f.write_str(&codes.join(","))
    }
}

/// A share, 0 to 100. In JSON: that number; text such as "20%" is read as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire<u8>", into = "u8")]
pub struct Percent(pub u8);

impl TryFrom<Wire<u8>> for Percent {
    type Error = String;

    fn try_from(wire: Wire<u8>) -> Result<Percent, String> {
        wire.value(|percent| percent.to_string().parse())
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> u8 {
        percent.0
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Percent, String> {
        let number = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|&percent: &u8| percent <= 100);
        number.map(Percent).ok_or_else(|| format!("\"{text}\" is not a share such as 20%"))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// So many restarts within so long: `10/1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartLimit {
    /// How many at most.
    pub count: u32,
    /// In any window of this length.
    pub within: Span,
}

/// More than so many restarts within a window are not remembered.
const MAX_COUNT: u32 = 1000;

impl FromStr for RestartLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<RestartLimit, String> {
        let parsed = text.split_once('/').and_then(|(count, within)| {
            let count = count.trim().parse().ok().filter(|count| (1..=MAX_COUNT).contains(count))?;
            // `10/m` reads as "ten a minute".
            let bare = within.trim().starts_with(|c: char| c.is_ascii_alphabetic());
            let within = if bare { format!("1{}", within.trim()) } else { within.to_owned() };
            let within: Span = within.parse().ok()?;
            // What is finer than it is shown would not be read back from the record.
            let within = Span(Duration::from_millis(u64::try_from(within.0.as_millis()).ok()?));
            (!within.0.is_zero()).then_some(RestartLimit { count, within })
        });
        parsed.ok_or_else(|| format!("\"{text}\" is not a restart limit such as 10/1m (at most {MAX_COUNT} restarts)"))
    }
}

impl fmt::Display for RestartLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.within)
    }
}

/// A file mode creation mask, in octal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Umask(pub u32);

impl FromStr for Umask {
    type Err = String;

    fn from_str(text: &str) -> Result<Umask, String> {
        let octal = text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let mask = u32::from_str_radix(text, 8).ok().filter(|&mask| octal && mask <= 0o777);
        mask.map(Umask).ok_or_else(|| format!("\"{text}\" is not an octal mask such as 027"))
    }
}

impl fmt::Display for Umask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03o}", self.0)
    }
}

/// The name of an environment variable that shells can use, and that is not bgo's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable(String);

impl Variable {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Variable, String> {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(is_word) {
            return Err(format!("\"{text}\" is not the name of a variable, such as PORT"));
        }
        if text.starts_with("BGO_") {
            return Err(format!("\"{text}\" is bgo's own, as all names that begin with BGO_"));
        }
        Ok(Variable(text.to_owned()))
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// JSON as the text that people write.
macro_rules! as_text {
    ($($kind:ty),*) => {$(
        impl Serialize for $kind {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $kind {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(RestartLimit, Umask, Variable);

impl Restart {
    /// Which ends this policy follows by a restart.
    pub fn ends(self) -> Option<RestartOn> {
        match self {
            Restart::No => None,
            Restart::OnFailure => Some(RestartOn::OnFailure),
            Restart::Always => Some(RestartOn::Always),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        let limit = |text: &str| text.parse::<RestartLimit>().map(|limit| limit.to_string());
        assert_eq!(limit("10/1m").as_deref(), Ok("10/1m"));
        assert_eq!(limit("3/h").as_deref(), Ok("3/1h"));
        for bad in ["10", "/1m", "0/1m", "1001/1m", "3/0", "x/1m", "3/x", "3/1ns"] {
            assert!(limit(bad).is_err(), "{bad}");
        }
        assert_eq!("022".parse(), Ok(Umask(0o022)));
        for bad in ["8", "1777", "", "+22", "0x2"] {
            assert!(bad.parse::<Umask>().is_err(), "{bad}");
        }
        assert_eq!("_http_PORT2".parse::<Variable>().unwrap().as_str(), "_http_PORT2");
        for bad in ["", "1PORT", "PORT=1", "A B", "PORT-1", "größe", "BGO_NAME", "BGO_X"] {
            assert!(bad.parse::<Variable>().is_err(), "{bad}");
        }
        assert_eq!("20%".parse(), Ok(Percent(20)));
        assert!("101".parse::<Percent>().is_err());
        assert!(serde_json::from_str::<Percent>("101").is_err());
        assert_eq!(serde_json::from_str::<Percent>("\"20%\"").unwrap(), Percent(20));
        assert_eq!(serde_json::from_str::<ExitCodes>("\"0,143\"").unwrap(), ExitCodes(vec![0, 143]));
        assert_eq!(serde_json::from_str::<ExitCodes>("[0,143]").unwrap(), ExitCodes(vec![0, 143]));
        assert!("0,256".parse::<ExitCodes>().is_err());
        assert!("sometimes".parse::<Restart>().unwrap_err().contains("no, on-failure, always"));
    }

    /// Whatever a kind of value accepts, it shows so that it reads the same again, as text and as JSON.
    fn reads_back<T>(words: &[&str])
    where
        T: FromStr<Err = String> + fmt::Display + fmt::Debug + PartialEq + Serialize + serde::de::DeserializeOwned,
    {
        let mut accepted = 0;
        for seed in 0..20_000 {
            let text = Dice::new(seed).text(words, 6);
            let Ok(value) = text.parse::<T>() else { continue };
            accepted += 1;
            let shown = value.to_string();
            assert_eq!(shown.parse::<T>().as_ref(), Ok(&value), "{text:?} is shown as {shown:?}");
            let json = serde_json::to_string(&value).unwrap();
            assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value, "{text:?} is written as {json}");
        }
        assert!(accepted > 20, "only {accepted} of the texts are of this kind");
    }

    #[test]
    fn what_is_accepted_is_read_back_unchanged() {
        reads_back::<ExitCodes>(&["0", "1", "143", "255", "256", ",", " ", "-1", "+1"]);
        reads_back::<Percent>(&["0", "20", "100", "%", "101", "+", "-"]);
        reads_back::<RestartLimit>(&[
            "1/", "10/", "999/", "/", "1m", "90s", "1500us", "1ns", "0.5", "1.25s", "2h", "d",
        ]);
        reads_back::<Umask>(&["0", "2", "7", "22", "777", "8", "+"]);
        reads_back::<Variable>(&["A", "b", "_", "1", "BGO_", "-", " "]);
        reads_back::<Restart>(&["no", "always", "on-failure"]);
        reads_back::<RestartOn>(&["always", "on-failure"]);
        reads_back::<OnReadyTimeout>(&["fail", "keep"]);
        reads_back::<Autostart>(&["always", "unless-stopped", "never"]);
    }
}
