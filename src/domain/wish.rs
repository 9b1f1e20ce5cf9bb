//! What commands ask of a sidecar, as it stands in the record's `wish` block.
//!
//! Why it exists: wishes and facts are apart, so that a stop beats whatever is in flight. Invariant: every wish gets a
//! higher id than all before it, and one of one kind never covers one of another.

use super::duration::Span;
use super::machine::Grace;
use super::signal::Signal;
use serde::{Deserialize, Serialize};

/// What commands asked of the sidecar. Every wish gets the next `id`; each kind keeps the id of its last wish, so that a
/// wish of one kind never covers one of another. What has a higher id than the record's `seen` is news.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// The id of the last wish of any kind.
    pub id: u64,
    /// The last that asked to stop.
    pub stop: u64,
    /// The last that asked to restart.
    pub restart: u64,
    /// The last that asked to let a fresh sidecar take over.
    pub hand_over: u64,
    /// The last that asked to hold still.
    #[serde(skip_serializing_if = "is_none_yet")]
    pub pause: u64,
    /// The last that asked to go on after a pause.
    #[serde(skip_serializing_if = "is_none_yet")]
    pub resume: u64,
    /// How to stop; for `stop` and `restart`. `None`: as the spec says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<WireGrace>,
}

/// What a command can ask of a sidecar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Look at the settings anew.
    Settings,
    /// End the process and stay down.
    Stop,
    /// End the process and start it anew.
    Restart,
    /// Let a fresh sidecar take over and leave.
    HandOver,
    /// Hold the process.
    Pause,
    /// Let it go on.
    Resume,
}

/// [`Grace`] as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireGrace {
    /// The signal that asks.
    pub signal: Signal,
    /// The time it has, in seconds.
    pub timeout: Span,
}

impl Wish {
    /// Adds a wish, of which nothing up to `seen` has been seen, and returns its id. `grace` is how to stop.
    pub fn add(&mut self, seen: u64, ask: Ask, grace: Option<Grace>) -> u64 {
        let id = self.id.max(seen) + 1;
        self.id = id;
        match ask {
            Ask::Settings => {}
            Ask::Stop => self.stop = id,
            Ask::Restart => self.restart = id,
            Ask::HandOver => self.hand_over = id,
            Ask::Pause => self.pause = id,
            Ask::Resume => self.resume = id,
        }
        if matches!(ask, Ask::Stop | Ask::Restart) {
            self.grace = grace.map(|g| WireGrace { signal: g.signal, timeout: Span(g.timeout) });
        }
        id
    }
}

/// Whether `id` is that of no wish.
pub(super) fn is_none_yet(id: &u64) -> bool {
    *id == 0
}
