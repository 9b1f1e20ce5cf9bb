//! The systemd scope that a process is put into: its name, and the command line that makes it.
//!
//! Why it exists: what systemd-run is told is data, and tested as such. Invariants: no two launches make the same unit, so
//! that a scope that is still there keeps nobody out; whatever a process is called, its unit has a valid name.

use super::name::Name;

/// How much of a process's name is in that of its unit, in bytes: a unit name has at most 255, and the rest is short.
const SHOWN: usize = 160;

/// The unit for a launch of `name`; `id` is what no two launches share: letters, digits and dashes.
pub fn unit(name: &Name, id: &str) -> String {
    let mut shown = String::new();
    for byte in name.as_str().bytes() {
        let next = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(byte).to_string(),
            // As systemd-escape does; `@` would make it an instance of a template.
            _ => format!("\\x{byte:02x}"),
        };
        if shown.len() + next.len() > SHOWN {
            break;
        }
        shown.push_str(&next);
    }
    format!("bgo-{shown}-{id}.scope")
}

/// What a sidecar in the scope `unit` writes to its log first of all: systemd-run has done its part then.
pub fn arrival(unit: &str) -> String {
    format!("in scope {unit}")
}

/// What systemd-run is told of every scope of bgo's, up to where the command begins. It makes the scope of itself and then
/// executes the command in place: pid, descriptors and the parent stay.
pub const OPTIONS: [&str; 6] = [
    "--scope",
    "--quiet",
    // One that has failed is forgotten, too.
    "--collect",
    // An OOM kill in a scope that is not delegated may end all of it, since systemd 253.
    "--property=Delegate=yes",
    // By default all processes of a unit together may be as few as 15 % of what the machine may have.
    "--property=TasksMax=infinity",
    "--",
];

/// What systemd-run is told for one process, its own name first. Of the managers the `system`'s outlives every login. What
/// lists the units shows `name`, not how the command is called on the way.
pub fn arguments(unit: &str, name: &str, system: bool) -> Vec<String> {
    let manager = if system { "--system" } else { "--user" };
    let (unit, description) = (format!("--unit={unit}"), format!("--description=bgo: {name}"));
    ["systemd-run", manager, &unit, &description].into_iter().chain(OPTIONS).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        unit(&Name::parse(name).unwrap(), "1f-2a-1")
    }

    #[test]
    fn every_name_makes_a_valid_unit() {
        assert_eq!(of("web"), "bgo-web-1f-2a-1.scope");
        assert_eq!(of("my app@1+2"), "bgo-my\\x20app\\x401\\x2b2-1f-2a-1.scope");
        assert_eq!(of("näh"), "bgo-n\\xc3\\xa4h-1f-2a-1.scope");
        for longest in ["ä".repeat(50), "a".repeat(100), " x".repeat(50).trim().to_owned()] {
            let unit = of(&longest);
            assert!(unit.len() <= 255 && unit.ends_with("-1f-2a-1.scope"), "{unit}");
            let shown = unit.strip_prefix("bgo-").unwrap().strip_suffix("-1f-2a-1.scope").unwrap();
            assert!(shown.split("\\x").skip(1).all(|rest| rest.len() >= 2), "no half escape: {unit}");
        }
    }

    #[test]
    fn each_user_asks_the_manager_that_outlives_the_login() {
        let line = |system| arguments("u.scope", "my app", system).join(" ");
        let rest = "--unit=u.scope --description=bgo: my app --scope --quiet --collect --property=Delegate=yes --property=TasksMax=infinity --";
        assert_eq!(line(false), format!("systemd-run --user {rest}"));
        assert_eq!(line(true), format!("systemd-run --system {rest}"));
    }
}
