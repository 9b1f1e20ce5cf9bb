//! Events as JSON.
//!
//! Why it exists: who reacts to what happens reads one object a line. Invariant: an event looks the same in a stream and
//! in a document.

use super::json::{document, line};
use crate::domain::event::{Data, Event, Kind};
use crate::domain::timestamp::Timestamp;
#[cfg(test)]
use schemars::JsonSchema;
use serde::Serialize;

/// What has happened to a process: one line of `events`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct EventLine<'a> {
    /// What has happened.
    r#type: Kind,
    /// The process; null where some events of any process are lost.
    name: Option<&'a str>,
    /// Its number among the events of this registration of the name, from 1 without a gap; null for `log`.
    sequence: Option<u64>,
    /// When bgo learned of it.
    time: Timestamp,
    /// What there is to say about it; what does not apply is absent.
    data: &'a Data,
    /// For `events --since`, to go on after this event; those of several processes are joined by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// What has happened so far: the answer of `events --json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
pub struct EventsReply<'a> {
    /// The events, of each process in their order.
    events: Vec<EventLine<'a>>,
    /// For `events --since`, to be told only of what happens after this.
    cursor: String,
}

/// What has happened to the process `name`, with the cursor of that.
pub fn event<'a>(name: Option<&'a str>, event: &'a Event, cursor: Option<String>) -> EventLine<'a> {
    let sequence = Some(event.sequence).filter(|sequence| *sequence > 0);
    EventLine { r#type: event.kind, name, sequence, time: event.time, data: &event.data, cursor }
}

/// One as a line.
pub fn event_line(event: &EventLine<'_>) -> String {
    line(event)
}

/// All as a document, with the cursor after them.
pub fn events(events: Vec<EventLine<'_>>, cursor: String) -> String {
    document(&EventsReply { events, cursor })
}
