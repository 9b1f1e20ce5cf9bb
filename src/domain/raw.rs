//! Bytes that are nearly always text: arguments, paths, environment values.
//!
//! Why it exists: everything after `--` is the command byte for byte, but JSON has only text. Invariant: a [`Raw`]
//! comes back from JSON with exactly the bytes that went in. Text is a string; anything else is `{"hex": "66ff"}`.

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// A byte string as the kernel knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Raw(Vec<u8>);

/// What is no text.
#[derive(Serialize, Deserialize)]
struct Hex {
    hex: String,
}

impl Raw {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The bytes as text, with U+FFFD where they are none.
    pub fn lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// The same, without copying what is text.
    pub fn into_lossy(self) -> String {
        String::from_utf8(self.0).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
    }
}

impl From<OsString> for Raw {
    fn from(s: OsString) -> Raw {
        Raw(s.into_vec())
    }
}

impl From<Vec<u8>> for Raw {
    fn from(s: Vec<u8>) -> Raw {
        Raw(s)
    }
}

impl From<&str> for Raw {
    fn from(s: &str) -> Raw {
        Raw(s.as_bytes().to_vec())
    }
}

impl From<&Path> for Raw {
    fn from(s: &Path) -> Raw {
        Raw(s.as_os_str().as_bytes().to_vec())
    }
}

impl AsRef<OsStr> for Raw {
    fn as_ref(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => s.serialize_str(text),
            Err(_) => {
                let hex = self.0.iter().map(|b| format!("{b:02x}")).collect::<String>();
                Hex { hex }.serialize(s)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Raw, D::Error> {
        // An untagged enum would copy each text twice: a record has several, and `status` reads a thousand records.
        d.deserialize_any(Wire)
    }
}

/// Reads either form.
struct Wire;

impl<'de> Visitor<'de> for Wire {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or an object with \"hex\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Raw, E> {
        Ok(text.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Raw, A::Error> {
        let Hex { hex } = Hex::deserialize(MapAccessDeserializer::new(map))?;
        let digits = hex.as_bytes();
        let nibble = |b: u8| char::from(b).to_digit(16).ok_or_else(|| A::Error::custom("not hexadecimal"));
        if digits.len() % 2 != 0 {
            return Err(A::Error::custom("odd number of hexadecimal digits"));
        }
        let bytes = digits.chunks(2).map(|pair| Ok((nibble(pair[0])? << 4 | nibble(pair[1])?) as u8));
        bytes.collect::<Result<_, _>>().map(Raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_json_unchanged() {
        for bytes in [&b"plain"[..], b"", "ünï".as_bytes(), b"\xff\x00\xfe", b"a\nb\"c"] {
            let raw = Raw(bytes.to_vec());
            let json = serde_json::to_string(&raw).unwrap();
            assert_eq!(serde_json::from_str::<Raw>(&json).unwrap(), raw, "{json}");
        }
        assert_eq!(serde_json::to_string(&Raw(b"\xff".to_vec())).unwrap(), r#"{"hex":"ff"}"#);
        for bad in [r#"{"hex":"f"}"#, r#"{"hex":"zz"}"#, "3"] {
            assert!(serde_json::from_str::<Raw>(bad).is_err(), "{bad}");
        }
    }
}
