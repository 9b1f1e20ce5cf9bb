//! Where a login session can be reached: its bus, its agents, its screen.
//!
//! Why it exists: a captured environment names sockets of the session that it was captured in, and outlives that session.
//! Invariant: an address counts as dead only if it is the path of something that is not there; what is not a path (the
//! abstract socket of a bus, a screen over the network) may be alive.

use super::raw::Raw;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const BUS: &[u8] = b"DBUS_SESSION_BUS_ADDRESS";
const WAYLAND: &[u8] = b"WAYLAND_DISPLAY";
const RUNTIME: &[u8] = b"XDG_RUNTIME_DIR";

/// The variables of `variables` that name something of a session, and its path: what there is to look for. Those without
/// a path are left out.
pub fn addresses(variables: &[(Raw, Raw)]) -> Vec<(&Raw, PathBuf)> {
    let runtime = value(variables, RUNTIME).map(Raw::as_path);
    let address = |key: &Raw, value: &Raw| -> Option<PathBuf> {
        let path = match key.as_bytes() {
            BUS => bus_path(value)?.to_owned(),
            WAYLAND => runtime.unwrap_or(Path::new("")).join(value.as_path()),
            RUNTIME => value.as_path().to_owned(),
            key if key.ends_with(b"_SOCK") => value.as_path().to_owned(),
            _ => return None,
        };
        (path.is_absolute() && !value.as_bytes().is_empty()).then_some(path)
    };
    variables.iter().filter_map(|(key, value)| Some((key, address(key, value)?))).collect()
}

/// The socket of the bus at `address`, if it is one address and that is a path.
fn bus_path(address: &Raw) -> Option<&Path> {
    let bytes = address.as_bytes();
    // Several addresses are tried in turn, and bytes may be escaped: then who knows.
    let rest = bytes.strip_prefix(b"unix:path=").filter(|_| !bytes.iter().any(|b| matches!(b, b';' | b'%')))?;
    let end = rest.iter().position(|&b| b == b',').unwrap_or(rest.len());
    Some(Path::new(std::ffi::OsStr::from_bytes(&rest[..end])))
}

/// Gives `variables` the session of the user `uid` that there is now, where the one they name is gone or they name none.
/// `is_there` tells whether a path exists.
pub fn renew(variables: &mut Vec<(Raw, Raw)>, uid: u32, is_there: impl Fn(&Path) -> bool) {
    let usual = format!("/run/user/{uid}");
    let bus = format!("{usual}/bus");
    for (key, path, text) in [(RUNTIME, &usual, usual.clone()), (BUS, &bus, format!("unix:path={bus}"))] {
        // Of equal names a process gets the value that came last.
        let named = addresses(variables).into_iter().rfind(|(known, _)| known.as_bytes() == key).map(|(_, path)| path);
        let is_alive = match named {
            Some(path) => is_there(&path),
            None => value(variables, key).is_some_and(|value| !value.as_bytes().is_empty()),
        };
        if !is_alive && is_there(Path::new(path)) {
            variables.retain(|(known, _)| known.as_bytes() != key);
            variables.push((Raw::from(key.to_vec()), Raw::from(text.as_str())));
        }
    }
}

fn value<'a>(variables: &'a [(Raw, Raw)], key: &[u8]) -> Option<&'a Raw> {
    variables.iter().rev().find(|(known, _)| known.as_bytes() == key).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Vec<(Raw, Raw)> {
        pairs.iter().map(|&(key, value)| (key.into(), value.into())).collect()
    }

    #[test]
    fn what_a_variable_leads_to_is_a_path_or_left_out() {
        for (key, value, path) in [
            ("SSH_AUTH_SOCK", "/tmp/ssh/agent.1", Some("/tmp/ssh/agent.1")),
            ("I3SOCK", "/run/i3", None),
            ("MY_SOCK", "/run/my", Some("/run/my")),
            ("MY_SOCK", "@abstract", None),
            ("MY_SOCK", "", None),
            ("XDG_RUNTIME_DIR", "/run/user/1", Some("/run/user/1")),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/run/user/1/bus,guid=2", Some("/run/user/1/bus")),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:abstract=/tmp/dbus-1", None),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/a%20b", None),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/a;unix:path=/b", None),
            ("WAYLAND_DISPLAY", "/run/wayland-9", Some("/run/wayland-9")),
            ("WAYLAND_DISPLAY", "wayland-9", None),
            ("DISPLAY", ":0", None),
            ("PATH", "/bin", None),
        ] {
            let variables = variables(&[(key, value)]);
            let found: Vec<PathBuf> = addresses(&variables).into_iter().map(|(_, path)| path).collect();
            assert_eq!(found, path.map(PathBuf::from).as_slice(), "{key}={value}");
        }
        let wayland = variables(&[("WAYLAND_DISPLAY", "wayland-0"), ("XDG_RUNTIME_DIR", "/run/user/1")]);
        assert_eq!(addresses(&wayland)[0].1, Path::new("/run/user/1/wayland-0"));
    }

    #[test]
    fn a_session_that_is_gone_is_replaced_by_the_one_there_is() {
        let all = |pairs: &[(&str, &str)], there: &[&str]| {
            let mut variables = variables(pairs);
            renew(&mut variables, 7, |path| there.iter().any(|it| path == Path::new(it)));
            variables.sort();
            variables.iter().map(|(key, value)| format!("{}={}", key.lossy(), value.lossy())).collect::<Vec<_>>()
        };
        const NOW: [&str; 2] = ["/run/user/7", "/run/user/7/bus"];
        let present = ["DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/7/bus", "XDG_RUNTIME_DIR=/run/user/7"];
        let gone = [("DBUS_SESSION_BUS_ADDRESS", "unix:path=/old/bus"), ("XDG_RUNTIME_DIR", "/old")];
        assert_eq!(all(&[], &NOW), present);
        assert_eq!(all(&gone, &NOW), present);
        assert_eq!(all(&[("XDG_RUNTIME_DIR", ""), ("DBUS_SESSION_BUS_ADDRESS", "")], &NOW), present);
        let renewed = [("XDG_RUNTIME_DIR", "/old"), ("XDG_RUNTIME_DIR", "/here")];
        assert!(all(&renewed, &["/here", "/run/user/7"]).contains(&"XDG_RUNTIME_DIR=/here".to_owned()));
        // What is there, or may be, stays; and without a session there is nothing to put in its place.
        let kept = ["DBUS_SESSION_BUS_ADDRESS=unix:path=/old/bus", "XDG_RUNTIME_DIR=/old"];
        assert_eq!(all(&gone, &["/old", "/old/bus", NOW[0], NOW[1]]), kept);
        assert_eq!(all(&gone, &[]), kept);
        let bus = ("DBUS_SESSION_BUS_ADDRESS", "unix:abstract=/tmp/dbus-1");
        assert_eq!(all(&[bus], &NOW), ["DBUS_SESSION_BUS_ADDRESS=unix:abstract=/tmp/dbus-1", present[1]]);
        assert!(all(&[], &[]).is_empty());
    }
}
