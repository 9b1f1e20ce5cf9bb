//! What other tools call a thing that bgo calls otherwise.
//!
//! Why it exists: who comes from pm2, supervisorctl or systemctl types their words, and is told ours. Invariants: none of
//! them is a command of bgo, and only what does the same, or the reason why nothing does, is named.

/// The words of others, and what to type instead; `NAME` is that of a process.
const ALL: &[(&[&str], &str)] = &[
    (&["startup"], "bgo autostart install has what was up brought back at login"),
    (&["unstartup"], "bgo autostart uninstall undoes bgo autostart install"),
    (
        &["save", "dump"],
        "there is nothing to save: each start is kept; bgo resurrect brings back what was up, bgo autostart install at login",
    ),
    (&["describe", "info", "show", "inspect"], "bgo status NAME shows it in detail"),
    (&["monit", "monitor", "dashboard"], "bgo status -w shows all, again and again"),
    (&["jlist", "prettylist"], "bgo status --json lists all"),
    (&["flush"], "logs are rotated: bgo set NAME --log-max-size SIZE says when"),
    (&["reload"], "bgo restart NAME, or, if it reloads on that: bgo signal NAME HUP"),
    (&["scale"], "each process has a name of its own: bgo NAME-2 -- COMMAND starts another"),
    (&["reset"], "bgo restart NAME --reset-counters"),
    (&["sendSignal"], "bgo signal NAME SIGNAL"),
    (&["attach", "fg"], "bgo follow NAME shows its output; bgo send NAME TEXT writes to its input"),
    (
        &["reread", "update", "daemon-reload"],
        "there is no daemon to be told: bgo up starts what is new or changed in bgo.toml",
    ),
    (&["shutdown"], "there is no daemon to shut down: bgo stop --all stops all that runs"),
    (&["avail"], "bgo status lists all"),
    (&["pid"], "bgo status NAME shows its pid"),
    (&["enable"], "bgo autostart set NAME unless-stopped; bgo autostart install has that done at login"),
    (&["disable"], "bgo autostart set NAME never leaves it down at login"),
    (&["is-active", "is-failed"], "bgo status NAME tells, with --json a script"),
    (&["edit"], "bgo set NAME changes its settings"),
];

/// What to type instead of `word`, of the process `name` (as a shell takes it; `None`: it is not known).
pub fn counterpart(word: &str, name: Option<&str>) -> Option<String> {
    let (_, text) = ALL.iter().find(|(words, _)| words.contains(&word))?;
    Some(text.replace("NAME", name.unwrap_or("NAME")))
}

/// All words of others.
#[cfg(test)]
pub fn words() -> impl Iterator<Item = &'static str> {
    ALL.iter().flat_map(|(words, _)| words.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_word_has_one_answer_about_the_process_that_is_meant() {
        assert_eq!(words().collect::<BTreeSet<_>>().len(), words().count());
        assert_eq!(counterpart("describe", Some("'my app'")).unwrap(), "bgo status 'my app' shows it in detail");
        assert_eq!(counterpart("pid", None).unwrap(), "bgo status NAME shows its pid");
        assert_eq!((counterpart("web", None), counterpart("Startup", None)), (None, None));
    }
}
