//! Where a reader of events has got to, as text.
//!
//! Why it exists: a script asks, goes away, and asks again for what it has not seen. Invariant: what is told after a
//! cursor is exactly what was not told before it, whatever was deleted and registered again in between.
//!
//! `web=18af03/42,api=18b110/7`: of each process which registration of its name, and the number of its last event. `web=-`:
//! it was deleted, and that was told. Names have no comma and no `=`. The cursors of single events can be joined by commas;
//! the last of a name counts.

use crate::domain::event::{Event, Kind};
use crate::domain::name::Name;
use crate::error::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::fmt;

/// Since when events are told.
#[derive(Clone, Debug)]
pub enum Since {
    /// From the oldest that is kept.
    Start,
    /// What comes.
    Now,
    /// From where another reading has got to.
    Cursor(Cursor),
}

impl Since {
    /// The cursor, if it is one.
    pub fn cursor(&self) -> Option<&Cursor> {
        if let Since::Cursor(cursor) = self { Some(cursor) } else { None }
    }
}

/// Where a reading has got to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor(BTreeMap<Name, Place>);

/// Of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    At {
        registration: Box<str>,
        sequence: u64,
    },
    /// That it was deleted was told.
    Deleted,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::At { registration, sequence } => write!(f, "{registration}/{sequence}"),
            Place::Deleted => f.write_str("-"),
        }
    }
}

impl Cursor {
    /// Of each name its registration and the last event that was told.
    pub(super) fn of<'a>(known: impl Iterator<Item = (&'a Name, &'a str, u64)>) -> Cursor {
        let place = |registration: &str, sequence| Place::At { registration: registration.into(), sequence };
        let mut places = BTreeMap::new();
        places.extend(known.map(|(name, registration, told)| (name.clone(), place(registration, told))));
        Cursor(places)
    }

    /// That of one event of `name`.
    pub fn after(name: &Name, event: &Event) -> Cursor {
        let place = match event.kind {
            Kind::Deleted => Place::Deleted,
            _ if &*event.registration == "-" => Place::Deleted,
            _ => Place::At { registration: event.registration.clone(), sequence: event.sequence },
        };
        Cursor(BTreeMap::from([(name.clone(), place)]))
    }

    /// Reads what [`Cursor`] writes.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Cursor> {
        let place = |part: &str| {
            let (name, place) = part.split_once('=')?;
            let name = Name::parse(name).ok()?;
            if place == "-" {
                return Some((name, Place::Deleted));
            }
            let (registration, sequence) = place.split_once('/')?;
            let is_ours = registration.bytes().all(|b| b.is_ascii_hexdigit());
            let sequence = sequence.parse().ok().filter(|_| is_ours)?;
            Some((name, Place::At { registration: registration.into(), sequence }))
        };
        let mut places = BTreeMap::new();
        for part in text.trim().split(',').filter(|part| !part.is_empty()) {
            let (name, place) = place(part).ok_or_else(|| {
                Error::new(ErrorKind::Usage, format!("\"{part}\" is not a cursor"))
                    .hint("bgo events --json tells the cursor; --since 0 is from the oldest event that is kept")
            })?;
            places.insert(name, place);
        }
        Ok(Cursor(places))
    }

    pub(super) fn get(&self, name: &Name) -> Option<&Place> {
        self.0.get(name)
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (&Name, &Place)> {
        self.0.iter()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, place)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{name}={place}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for text in ["", "web=18af/42", "a b=18af/0,web=-,ü=/0"] {
            assert_eq!(Cursor::parse(text).unwrap().to_string(), text);
        }
        // Those of single events, joined: the last of a name counts.
        assert_eq!(Cursor::parse("web=1/1,api=2/7,web=1/2,").unwrap().to_string(), "api=2/7,web=1/2");
        for bad in ["web", "web=1", "web=1/x", "we/b=1/1", "web=g/1", "=1/1"] {
            let error = Cursor::parse(bad).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Usage, "{bad}");
        }
    }
}
