//! The systemd unit.
//!
//! Why it exists: see [`super`]. Invariants: whatever happens to the unit, nothing that was brought back is ended by it; when
//! its manager ends, everything that was is asked to end first, with SIGTERM.
//!
//! `oneshot` with `RemainAfterExit`: `bgo resurrect` ends when all is up, and what it has started stays in the unit. It has
//! no time limit (that of a oneshot is infinite): a process may wait long for another that it needs. `KillMode=process`: a
//! stop or restart of the unit ends `bgo resurrect` at most, if that still runs; so SIGKILL need not be forbidden, which
//! would keep a hung one. `OOMPolicy=continue`: by default the OOM kill of one process ends the unit. `TasksMax`: by
//! default all processes of a unit together may be as few as 15 % of what the machine may have. There is no `ExecStop`
//! (nothing is to be stopped) and no `Delegate` (no cgroup is made). No variable is imported: processes get what was
//! captured when they were started, and `bgo resurrect` itself needs none but HOME.
//!
//! In a user's unit systemd-run puts `bgo resurrect`, and so all that it starts, into a scope. Left in the unit, for
//! `KillMode=process` they would not be told when the user's manager ends (a shutdown, the last logout), and be killed
//! after it; those of a scope get SIGTERM and their time, and no stop of the unit is about them. What is left of the
//! system's own unit at a shutdown gets SIGTERM from systemd-shutdown.

use super::{Job, without_escapes};
use crate::domain::scope::OPTIONS;
use crate::domain::seal::sealed;

/// The text of the unit.
pub(super) fn text(job: &Job) -> Result<String, String> {
    // systemd takes no program with these in its path; as an argument it may have them.
    let exec = match &job.systemd_run {
        Some(systemd_run) if !job.system => {
            // As an argument it may have anything, and is subject to the expansion of variables.
            let program = quoted(&job.program.replace('$', "$$"));
            format!("{} --user {} {program}", quoted(systemd_run), OPTIONS.join(" "))
        }
        _ if job.program.contains(['\'', '"', '\\']) => {
            format!("/usr/bin/env {}", quoted(&job.program_after_env()?.replace('$', "$$")))
        }
        _ => quoted(&job.program),
    };
    let environment = job
        .home
        .as_ref()
        .map(|home| format!("Environment={}\n", quoted(&format!("BGO_HOME={home}"))))
        .unwrap_or_default();
    let target = if job.system { "multi-user.target" } else { "default.target" };
    let text = format!(
        "[Unit]\n\
         Description=bgo: bring back the processes that were running\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         {environment}ExecStart={exec} resurrect\n\
         # Neither a stop or restart of this unit nor an OOM kill ends what it has started.\n\
         KillMode=process\n\
         OOMPolicy=continue\n\
         TasksMax=infinity\n\
         \n\
         [Install]\n\
         WantedBy={target}\n\
         # written by bgo autostart install"
    );
    Ok(sealed(&text, "\n"))
}

/// As one word. A percent sign would begin a specifier.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%"))
}

/// What was [`quoted`], without the quotation marks.
pub(super) fn unquoted(text: &str) -> String {
    without_escapes(text).replace("%%", "%")
}

#[cfg(test)]
mod tests {
    use super::super::tests::job;
    use super::*;

    #[test]
    fn the_unit_is_what_systemd_reads() {
        let unit = text(&job("/usr/local/bin/bgo", None)).unwrap();
        let (body, seal) = unit.split_once("# written by").unwrap();
        assert_eq!(
            body,
            "[Unit]\nDescription=bgo: bring back the processes that were running\n\n[Service]\nType=oneshot\n\
             RemainAfterExit=yes\nExecStart=\"/usr/local/bin/bgo\" resurrect\n\
             # Neither a stop or restart of this unit nor an OOM kill ends what it has started.\nKillMode=process\n\
             OOMPolicy=continue\nTasksMax=infinity\n\n[Install]\nWantedBy=default.target\n"
        );
        assert!(seal.starts_with(" bgo autostart install, ") && seal.ends_with('\n'));
        let system = Job { system: true, ..job("/b", None) };
        assert!(text(&system).unwrap().contains("\nWantedBy=multi-user.target\n"));
    }

    #[test]
    fn for_a_user_all_that_is_brought_back_is_put_into_a_scope() {
        let run =
            |program: &str| Job::in_scope_by(job(program, None), Some(std::path::Path::new("/usr/bin/systemd-run")));
        let unit = text(&run("/o'b $x/bgo=")).unwrap();
        let line = "\nExecStart=\"/usr/bin/systemd-run\" --user --scope --quiet --collect --property=Delegate=yes \
                    --property=TasksMax=infinity -- \"/o'b $$x/bgo=\" resurrect\n";
        assert!(unit.contains(line), "{unit}");
        let of_system = Job { system: true, ..run("/b") };
        assert!(text(&of_system).unwrap().contains("\nExecStart=\"/b\" resurrect\n"));
        let odd = job("/b", None).in_scope_by(Some(std::path::Path::new("/o'b/systemd-run")));
        assert!(text(&odd).unwrap().contains("\nExecStart=\"/b\" resurrect\n"));
    }

    #[test]
    fn odd_paths_are_escaped() {
        let unit = text(&job("/my $x %h/bgo", Some("/a \"b\" %u\\"))).unwrap();
        assert!(unit.contains("\nExecStart=\"/my $x %%h/bgo\" resurrect\n"), "{unit}");
        assert!(unit.contains("\nEnvironment=\"BGO_HOME=/a \\\"b\\\" %%u\\\\\"\n"), "{unit}");
        let unit = text(&job("/o'b $x/bgo", None)).unwrap();
        assert!(unit.contains("\nExecStart=/usr/bin/env \"/o'b $$x/bgo\" resurrect\n"), "{unit}");
    }
}
