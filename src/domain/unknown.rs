//! Fields of a record that this bgo does not know.
//!
//! Why it exists: an old sidecar and a new command must get along, so what a newer bgo wrote survives a rewrite. Nearly
//! always there is nothing of the kind, and `status` reads a thousand records: so this is apart from the ordinary
//! parsing. Invariant: a field is either in [`Record`] and named here, or kept as it is (a test holds the two together).

use super::record::Record;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The record's own fields.
const RECORD: &[&str] = &[
    "schema",
    "name",
    "pid",
    "pgid",
    "command",
    "cwd",
    "started_at",
    "stopped_at",
    "status",
    "watch",
    "want",
    "wish",
    "seen",
    "answered",
    "run_id",
    "state",
    "reason",
    "identity",
    "sidecar",
    "spec",
    "exits",
    "next_restart_at",
    "degraded",
    "ready",
    "logs",
    "status_text",
    "health",
    "fast_crashes",
    "recent_restarts",
    "refused",
    "project",
    "allocated_port",
    // Ownership and leases
    "git_root",
    "parent",
    "lease",
    // Notifications
    "notified",
    // Events.
    "events",
];
/// Those of its `watch` block.
const WATCH: &[&str] = &[
    "enabled",
    "interval",
    "min_uptime",
    "on_fast_crash",
    "watcher_pid",
    "watcher_pgid",
    "restarts",
    "last_restart_at",
    "errored",
    "error_reason",
    "last_stderr_tail",
];
/// Those of its `spec` block.
const SPEC: &[&str] = super::settings::NAMES;

/// Puts the fields of `bytes` that `record` (parsed from them) does not have into its `extra` maps.
///
/// # Errors
/// One cannot be kept: its value is no JSON that this bgo can write again (a number beyond all bounds).
pub fn keep(record: &mut Record, bytes: &[u8]) -> Result<(), serde_json::Error> {
    let Top(has_unknown) = serde_json::from_slice(bytes)?;
    if !has_unknown {
        return Ok(());
    }
    let mut all: Map<String, Value> = serde_json::from_slice(bytes)?;
    let mut block = |name: &str, known: &[&str]| match all.remove(name) {
        Some(Value::Object(block)) => others(block, known),
        _ => Map::new(),
    };
    record.spec.extra = block("spec", SPEC);
    let watch_extra = block("watch", WATCH);
    if let Some(watch) = &mut record.watch {
        watch.extra = watch_extra;
    }
    record.extra = others(all, RECORD);
    Ok(())
}

fn others(map: Map<String, Value>, known: &[&str]) -> Map<String, Value> {
    map.into_iter().filter(|(key, _)| !known.contains(&key.as_str())).collect()
}

/// Whether a record has an unknown field, found without building anything.
struct Top(bool);

/// The same for one of its blocks.
struct Block<const SPEC_BLOCK: bool>(bool);

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Top, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Top;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top, A::Error> {
                let mut unknown = false;
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    unknown |= match &*key {
                        "watch" => map.next_value::<Option<Block<false>>>()?.is_some_and(|b| b.0),
                        "spec" => map.next_value::<Block<true>>()?.0,
                        other => {
                            map.next_value::<IgnoredAny>()?;
                            !RECORD.contains(&other)
                        }
                    };
                }
                Ok(Top(unknown))
            }
        }
        d.deserialize_map(Keys)
    }
}

impl<'de, const SPEC_BLOCK: bool> Deserialize<'de> for Block<SPEC_BLOCK> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Keys<const SPEC_BLOCK: bool>;
        impl<'de, const SPEC_BLOCK: bool> Visitor<'de> for Keys<SPEC_BLOCK> {
            type Value = Block<SPEC_BLOCK>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a block of a record")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let known = if SPEC_BLOCK { SPEC } else { WATCH };
                let mut unknown = false;
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    map.next_value::<IgnoredAny>()?;
                    unknown |= !known.contains(&&*key);
                }
                Ok(Block(unknown))
            }
        }
        d.deserialize_map(Keys::<SPEC_BLOCK>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lease::Lease;
    use crate::domain::notification::Notified;
    use crate::domain::project::Project;
    use crate::domain::record::{Health, Parent, Ready, Watch};
    use crate::domain::settings::Settings;
    use crate::domain::spec::Spec;
    use crate::domain::timestamp::Timestamp;

    #[test]
    fn every_field_of_a_record_is_known() {
        let spec = Spec { command: vec!["/bin/true".into()], cwd: "/".into(), settings: Settings::default() };
        // What is not written while it has nothing to say, too.
        let record = Record {
            watch: Some(Watch::default()),
            ready: Some(Ready::default()),
            logs: Some(crate::domain::output::Output::default()),
            status_text: Some(String::new()),
            health: Some(Health { failures: 1, reason: String::new() }),
            fast_crashes: 1,
            recent_restarts: vec![Timestamp(std::time::SystemTime::UNIX_EPOCH)],
            refused: 1,
            project: Some(Project { root: "/".into(), job: String::new(), config: String::new() }),
            allocated_port: Some(1),
            git_root: Some("/".into()),
            parent: Some(Parent { pid: 1, start_time: 1, boot_id: "b".into(), program: None }),
            lease: Some(Lease::default()),
            notified: Some(Notified { at: Timestamp(std::time::SystemTime::UNIX_EPOCH), troubled: true, held_back: 1 }),
            events: Some(crate::domain::event::History::default()),
            ..Record::new("web", spec)
        };
        let value: Value = serde_json::from_slice(&record.to_json()).unwrap();
        for (block, known) in [(&value, RECORD), (&value["watch"], WATCH)] {
            let mut written: Vec<&str> = block.as_object().unwrap().keys().map(String::as_str).collect();
            let mut known = known.to_vec();
            written.sort_unstable();
            known.sort_unstable();
            assert_eq!(written, known);
        }
    }
}
