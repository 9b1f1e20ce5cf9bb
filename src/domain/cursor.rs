//! A place in the output of a process, as text that a caller keeps: what came before it was seen.
//!
//! Why it exists: who asks again wants what is new, each byte once, whatever has become of the files meanwhile.
//! Invariants: a place is the number of a byte of the stream, so rotation does not move it; a print of the bytes before
//! it tells whether they are still those that were seen (a log that somebody has truncated or replaced is new); what is
//! read back is exactly what was written, or is refused.

use super::name::Name;
use super::output::Stream;
use super::raw::Raw;
use crate::domain::order::sort_by_key;
use std::fmt::{self, Write as _};

/// How many bytes before a place are looked at to know it again.
pub const PRINTED: usize = 64;

/// What was seen of the logs of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Whose: a hash of the name.
    owner: u32,
    /// At most one for each stream. A stream that has none was not looked at yet.
    pub places: Vec<Place>,
}

/// Where one stream was read up to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub stream: Stream,
    /// The file, if it is not the usual one.
    pub path: Option<Raw>,
    /// The number of the first byte that was not seen.
    pub at: u64,
    /// What was seen just before it; `None`: nothing that is kept.
    pub before: Option<Print>,
}

/// A print of bytes, to know them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// How many bytes.
    pub length: u8,
    hash: u32,
}

/// Why a text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadCursor {
    /// No bgo wrote it, or it is not whole.
    Garbage,
    /// It is of another process.
    Other,
}

impl fmt::Display for BadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BadCursor::Garbage => "it is no cursor, or not a whole one",
            BadCursor::Other => "it is a cursor of another process",
        })
    }
}

impl Print {
    /// Of the last of `bytes`.
    pub fn of(bytes: &[u8]) -> Option<Print> {
        let last = &bytes[bytes.len().saturating_sub(PRINTED)..];
        let length = u8::try_from(last.len()).ok().filter(|length| *length > 0)?;
        Some(Print { length, hash: hash(last) })
    }
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

impl Cursor {
    /// A cursor of `name` before everything.
    pub fn new(name: &Name) -> Cursor {
        Cursor { owner: hash(name.as_str().as_bytes()), places: Vec::new() }
    }

    /// Reads a cursor of `name`.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str, name: &Name) -> Result<Cursor, BadCursor> {
        let read = |text: &str| {
            let (body, check) = text.rsplit_once('.')?;
            if !text.is_ascii() || hex(check)? != u64::from(hash(body.as_bytes())) {
                return None;
            }
            let mut parts = body.strip_prefix("c1.")?.split('.');
            let owner = u32::try_from(hex(parts.next()?)?).ok()?;
            let places: Vec<Place> = parts.map(place).collect::<Option<_>>()?;
            let streams = Stream::ALL.map(|stream| places.iter().filter(|place| place.stream == stream).count());
            streams.iter().all(|count| *count <= 1).then_some(Cursor { owner, places })
        };
        let cursor = read(text.trim()).ok_or(BadCursor::Garbage)?;
        if cursor.owner == Cursor::new(name).owner { Ok(cursor) } else { Err(BadCursor::Other) }
    }

    /// Where this stream was read up to.
    pub fn place(&self, stream: Stream) -> Option<&Place> {
        self.places.iter().find(|place| place.stream == stream)
    }

    /// Notes where a stream was read up to.
    pub fn set(&mut self, place: Place) {
        self.places.retain(|other| other.stream != place.stream);
        self.places.push(place);
        sort_by_key(&mut self.places, |place| place.stream);
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = format!("c1.{:x}", self.owner);
        for Place { stream, path, at, before } in &self.places {
            // Writing to a String cannot fail.
            let _ = write!(body, ".{}{at:x}", letter(*stream));
            if let Some(Print { length, hash }) = before {
                let _ = write!(body, "-{length:x}-{hash:x}");
            }
            if let Some(path) = path {
                body.push('_');
                path.as_bytes().iter().for_each(|byte| {
                    let _ = write!(body, "{byte:02x}");
                });
            }
        }
        write!(f, "{body}.{:x}", hash(body.as_bytes()))
    }
}

fn letter(stream: Stream) -> char {
    match stream {
        Stream::Stdout => 'o',
        Stream::Stderr => 'e',
        Stream::Watcher => 'w',
    }
}

fn place(text: &str) -> Option<Place> {
    let stream = Stream::ALL.into_iter().find(|stream| text.starts_with(letter(*stream)))?;
    let (numbers, path) = match text[1..].split_once('_') {
        Some((numbers, path)) => (numbers, Some(bytes(path)?)),
        None => (&text[1..], None),
    };
    let mut numbers = numbers.split('-').map(hex);
    let at = numbers.next()??;
    let before = match (numbers.next(), numbers.next(), numbers.next()) {
        (None, ..) => None,
        (Some(length), Some(hash), None) => {
            let length = u8::try_from(length?).ok().filter(|length| (1..=PRINTED).contains(&usize::from(*length)))?;
            Some(Print { length, hash: u32::try_from(hash?).ok()? })
        }
        _ => return None,
    };
    Some(Place { stream, path: path.map(Raw::from), at, before })
}

fn hex(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| digits)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2));
    pairs.map(|pair| u8::try_from(hex(pair?)?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn sample() -> Cursor {
        let mut cursor = Cursor::new(&name("web"));
        let path = Some(Raw::from("/srv/\u{e9} log"));
        cursor.set(Place { stream: Stream::Stderr, path, at: u64::MAX, before: None });
        cursor.set(Place { stream: Stream::Stdout, path: None, at: 7, before: Print::of(b"a line\n") });
        cursor
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        let cursor = sample();
        let text = cursor.to_string();
        assert_eq!(Cursor::parse(&text, &name("web")), Ok(cursor));
        assert!(text.bytes().all(|b| b.is_ascii_graphic()) && !text.starts_with('-'), "{text}");
        let empty = Cursor::new(&name("web"));
        assert_eq!(Cursor::parse(&format!("{empty}\n"), &name("web")), Ok(empty));
    }

    #[test]
    fn a_cursor_of_another_process_and_garbage_are_refused() {
        let text = sample().to_string();
        assert_eq!(Cursor::parse(&text, &name("web2")), Err(BadCursor::Other));
        for garbage in ["", "0", "x", "c1", "c1.", "c1..", "c1.1.o", &text[..text.len() - 1], &text[1..], "日.1", "-1"]
        {
            assert_eq!(Cursor::parse(garbage, &name("web")), Err(BadCursor::Garbage), "{garbage}");
        }
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
            assert!(Cursor::parse(std::str::from_utf8(&changed).unwrap(), &name("web")).is_err(), "{at}");
        }
    }

    #[test]
    fn no_text_is_too_odd_for_a_cursor() {
        let words = ["c1", ".", "o", "e", "_", "-", "ff", "1", "日", " "];
        for seed in 0..20_000 {
            let body = Dice::new(seed).text(&words, 10);
            let _ = Cursor::parse(&format!("{body}.{:x}", hash(body.as_bytes())), &name("web"));
        }
    }
}
