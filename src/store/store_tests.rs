//! The store from inside: torn, empty and foreign files, locks, and what a crash leaves.

use super::*;
use crate::domain::raw::Raw;
use crate::domain::record::{Ask, Want};
use crate::domain::settings::Settings;
use crate::domain::spec::Spec;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("home with space"));
    store.ensure().unwrap();
    (folder, store)
}

fn record(name: &str) -> Record {
    Record::new(name, Spec { command: vec!["/bin/true".into()], cwd: "/".into(), settings: Settings::default() })
}

fn mark() -> Mark<'static> {
    Mark { run_id: "r1", started_at: "2026-11-20T10:00:00.25Z".parse().unwrap() }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

#[test]
fn folders_and_records_are_for_their_owner_only() {
    let (_folder, store) = store();
    let web = name("web");
    store.lock(&web).unwrap().write(&record("web"), Durability::Durable).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&store.procs_dir()), 0o700);
    assert_eq!(mode(&store.record_path(&web)), 0o600);
}

#[test]
fn an_update_works_on_the_freshest_record() {
    let (_folder, store) = store();
    let web = name("web");
    store.lock(&web).unwrap().write(&record("web"), Durability::Atomic).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    let lock = store.lock(&web).unwrap();
                    let mut fresh = lock.read().unwrap().unwrap();
                    fresh.wish(Ask::Settings, None);
                    lock.write(&fresh, Durability::Atomic).unwrap();
                }
            });
        }
    });
    assert_eq!(store.read(&web).unwrap().unwrap().wish.id, 200);
}

#[test]
fn torn_and_empty_records_are_reported_and_stay() {
    let (_folder, store) = store();
    let bad = name("bad");
    for (bytes, cause) in [(&b""[..], "empty"), (b"{\"name\": \"bad\", \"pid\": 12", "EOF"), (b"[]", "struct Record")] {
        fs::write(store.record_path(&bad), bytes).unwrap();
        let error = store.read(&bad).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Corrupt);
        assert!(error.cause.contains(cause), "{error}");
        assert_eq!(fs::read(store.record_path(&bad)).unwrap(), bytes);
    }
    assert_eq!(store.names().unwrap(), [bad]);
}

#[test]
fn files_that_are_no_records_are_passed_over() {
    let (_folder, store) = store();
    for stray in [".web.json.tmp", "notes.txt", ".json", "-x.json"] {
        fs::write(store.procs_dir().join(stray), "x").unwrap();
    }
    assert_eq!(store.names().unwrap(), []);
}

#[test]
fn every_record_of_the_past_loads() {
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/records")).unwrap() {
        let path = entry.unwrap().path();
        let loaded = Record::parse(&fs::read(&path).unwrap()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(!loaded.command.is_empty());
        assert_eq!(loaded.want == Want::Up, path.to_string_lossy().contains("running"), "{}", path.display());
    }
}

#[test]
fn ownership_is_exclusive_and_survives_the_loss_of_the_lock_file() {
    let (_folder, store) = store();
    let web = name("web");
    let mine = store.try_own(&web).unwrap().unwrap();
    assert!(store.try_own(&web).unwrap().is_none());
    drop(mine);
    let again = store.try_own(&web).unwrap().unwrap();
    let lock = store.lock(&web).unwrap();
    store.remove(lock, again, Vec::new()).unwrap();
    assert!(store.try_own(&web).unwrap().is_some());
}

/// Whether there is a file of this name among the locks.
fn has_lock(store: &Store, file: &str) -> bool {
    store.root().join("run").join(file).exists()
}

#[test]
fn a_name_without_a_record_keeps_no_lock_file() {
    let (_folder, store) = store();
    let web = name("web");
    drop(store.lock(&web).unwrap());
    assert!(!has_lock(&store, "web.write"), "never asked for the record");
    assert_eq!(store.lock(&web).unwrap().read().unwrap(), None);
    assert!(!has_lock(&store, "web.write"), "asked, and there was none");
    let lock = store.lock(&web).unwrap();
    lock.write(&record("web"), Durability::Atomic).unwrap();
    drop(lock);
    assert!(has_lock(&store, "web.write"), "there is a record now");
    store.lock(&web).unwrap().withdraw().unwrap();
    assert!(!has_lock(&store, "web.write"), "it was withdrawn");
}

/// Somebody waits for the lock when its file is removed, and makes another: that is not to be removed.
#[test]
fn a_lock_file_that_is_another_by_now_is_left_alone() {
    let (_folder, store) = store();
    let web = name("web");
    let old = store.lock(&web).unwrap();
    fs::remove_file(store.root().join("run/web.write")).unwrap();
    let _new = store.lock(&web).unwrap();
    drop(old);
    assert!(has_lock(&store, "web.write"));
}

#[test]
fn what_is_there_without_a_record_is_found_and_removed() {
    let (_folder, store) = store();
    let path = |file: &str| store.root().join(file);
    let left = [
        "procs/web.env",
        "procs/.api.json.tmp",
        "run/web.json.alive",
        "run/a b.write",
        "run/x.notify",
        "logs/y.err.log",
    ];
    let others = ["procs/up.json", "procs/up.env", "run/up.alive", "procs/notes.txt", "run/-x.alive"];
    left.iter().chain(&others).for_each(|file| fs::write(path(file), "").unwrap());
    fs::write(path("logs/kept.out.log"), "precious").unwrap();
    let names: Vec<Name> = ["a b", "api", "web", "web.json", "x", "y"].map(name).into();
    assert_eq!(store.leftovers(), names);
    for name in &names {
        store.remove_leftover(store.lock(name).unwrap(), store.try_own(name).unwrap().unwrap()).unwrap();
    }
    assert_eq!(store.leftovers(), []);
    assert!(left.iter().all(|file| !path(file).exists()));
    assert!(others.iter().chain(&["logs/kept.out.log"]).all(|file| path(file).exists()));
}

#[test]
fn only_the_real_lock_can_be_adopted() {
    let (_folder, store) = store();
    let web = name("web");
    let path = store.ownership_path(&web);
    let mine = store.try_own(&web).unwrap().unwrap();
    let inherited = File::from(mine.as_fd().try_clone_to_owned().unwrap());
    assert!(Ownership::adopt(inherited, &path).is_ok());
    assert!(Ownership::adopt(File::open(&path).unwrap(), &path).is_err());
    assert!(Ownership::adopt(File::open("/dev/null").unwrap(), &path).is_err());
}

#[test]
fn environments_are_kept_byte_for_byte() {
    let (_folder, store) = store();
    let web = name("web");
    assert_eq!(store.environment(&web).unwrap(), None);
    let pair = |k: &[u8], v: &[u8]| (Raw::from(k.to_vec()), Raw::from(v.to_vec()));
    let environment =
        Environment { captured: vec![pair(b"A", b"1\n\"x"), pair(b"B\xff", b"\xfe")], set: vec![pair(b"A", b"2")] };
    store.set_environment(&web, &environment).unwrap();
    assert_eq!(store.environment(&web).unwrap().as_ref(), Some(&environment));
    assert_eq!(environment.get("A").map(Raw::as_bytes), Some(&b"2"[..]));
    let run = environment.into_run(&[], "web", Some(mark()));
    assert_eq!(run.len(), 5);
    assert_eq!(run[0], pair(b"A", b"2"));
}

#[test]
fn of_a_variable_that_comes_from_several_places_the_strongest_counts() {
    let pair = |k: &str, v: &str| (Raw::from(k), Raw::from(v));
    let environment = || Environment {
        captured: vec![pair("A", "shell"), pair("B", "shell"), pair("C", "shell"), pair("BGO_NAME", "shell")],
        set: vec![pair("C", "set"), pair("E", "set"), pair("E", "set again"), pair("BGO_SIDECAR", "set")],
    };
    let added =
        [pair("B", "file"), pair("C", "file"), pair("D", "file"), pair("D", "second"), pair("BGO_RUN_ID", "file")];
    let expected = [
        pair("A", "shell"),
        pair("B", "file"),
        pair("C", "set"),
        pair("BGO_NAME", "web"),
        pair("D", "second"),
        pair("BGO_RUN_ID", "r1"),
        pair("E", "set again"),
        pair("BGO_STARTED_AT", "2026-11-20T10:00:00.250000Z"),
    ];
    assert_eq!(environment().into_run(&added, "web", Some(mark())), expected);
    assert!(environment().into_run(&added, "web", None).iter().all(|(key, _)| *key != Raw::from("BGO_RUN_ID")));
    // As many as there may be in a file.
    let many: Vec<(Raw, Raw)> = (0..200_000).map(|n| pair(&format!("N{}", n % 100_000), &n.to_string())).collect();
    let run = environment().into_run(&many, "web", Some(mark()));
    assert_eq!(run.len(), 100_000 + 7);
    assert!(run.contains(&pair("N7", "100007")));
}
