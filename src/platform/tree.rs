//! The descendants of a process, however they tried to leave it.
//!
//! Why it exists: stop leaves nothing behind, and `status` counts whole trees. Invariant: a process that was started
//! through bgo under another name is never part of a tree, even if it descends from it: it has its own record, and
//! stopping its ancestor must not end it.

use super::ProcStat;
use super::os::{all_pids, children, environment, stat};
use super::reap::has_children;
use crate::domain::row::Usage;
use std::collections::HashSet;
use std::time::Duration;

/// Whether `pid` belongs to another run: it is a sidecar, or carries another run id. Processes that cleared their
/// environment, or whose environment may not be read, count as ours: they were found in our tree.
pub fn is_foreign(pid: u32, run_id: &str) -> bool {
    environment(pid).is_some_and(|env| {
        env.split(|&b| b == 0).any(|pair| {
            pair.starts_with(b"BGO_SIDECAR=")
                || pair.strip_prefix(b"BGO_RUN_ID=").is_some_and(|id| id != run_id.as_bytes())
        })
    })
}

/// Whether `pid` is `root` or descends from it, as parents stand now. A zombie still descends; a process that was reaped,
/// and an orphan that a process outside has inherited, does not.
pub fn is_within(pid: u32, root: u32) -> bool {
    /// Parents change while they are looked up, and pids are reused: a walk in a circle must end.
    const DEEPEST: usize = 1000;
    let mut at = pid;
    for _ in 0..DEEPEST {
        if at <= 1 {
            return false;
        }
        match stat(at) {
            Ok(Some(_)) if at == root => return true,
            Ok(Some(process)) => at = process.ppid,
            _ => return false,
        }
    }
    false
}

/// Everything alive below `root` (which itself is not part of the answer), except what is foreign to `run_id`.
pub fn descendants(root: u32, run_id: &str) -> Vec<ProcStat> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([root]);
    let mut open = vec![(root, stat(root).ok().flatten().map_or(2, |s| s.threads))];
    while let Some((parent, threads)) = open.pop() {
        for pid in children(parent, threads) {
            if !seen.insert(pid) || is_foreign(pid, run_id) {
                continue;
            }
            if let Ok(Some(child)) = stat(pid) {
                open.push((pid, child.threads));
                if !child.zombie {
                    found.push(child);
                }
            }
        }
    }
    found
}

/// Whether the caller, a subreaper whose leader has ended, still has descendants of the run.
///
/// Only direct children are looked at, ended ones included: whatever descends from them comes to us when they end, and
/// their end wakes us up. A walk of the whole tree would be wrong here: a process that forks and ends while it is
/// walked (a daemon in the making) is seen as a zombie, and its child not yet as ours.
pub fn has_descendants(own: u32, run_id: &str) -> bool {
    if !has_children() {
        return false;
    }
    let listed = children(own, 1);
    // The list may miss children that come and go while it is read; that there are none of ours is believed only of
    // a list that shows all others to be foreign.
    listed.is_empty() || listed.into_iter().any(|pid| !is_foreign(pid, run_id))
}

/// Everything alive that carries `run_id` in its environment, or belongs to the session of `leader`, or descends from
/// either: how a run is found when its sidecar is dead. Pass `leader` only while its identity is proven: then its pid
/// cannot be another session's number.
pub fn carriers(run_id: &str, leader: Option<u32>) -> Vec<ProcStat> {
    let mark = format!("BGO_RUN_ID={run_id}").into_bytes();
    let own = std::process::id();
    let mut found: Vec<ProcStat> = Vec::new();
    for pid in all_pids().into_iter().filter(|&pid| pid != own) {
        let Ok(Some(process)) = stat(pid) else { continue };
        if process.zombie {
            continue;
        }
        let in_session = leader == Some(process.sid) && !is_foreign(pid, run_id);
        if in_session || (!run_id.is_empty() && carries(pid, &mark)) {
            found.push(process);
        }
    }
    let mut seen: HashSet<u32> = found.iter().map(|p| p.pid).collect();
    for root in found.clone() {
        found.extend(descendants(root.pid, run_id).into_iter().filter(|p| seen.insert(p.pid)));
    }
    found.retain(|p| p.pid != own);
    found
}

fn carries(pid: u32, mark: &[u8]) -> bool {
    environment(pid).is_some_and(|env| {
        let sidecar = env.split(|&b| b == 0).any(|pair| pair.starts_with(b"BGO_SIDECAR="));
        !sidecar && env.split(|&b| b == 0).any(|pair| pair == mark)
    })
}

/// The tree of `leader`, itself included, as far as it can be reached from there; `sidecar`, where it is the parent, adds
/// the orphans it has inherited.
pub fn tree(leader: Option<&ProcStat>, sidecar: Option<u32>, run_id: &str) -> Vec<ProcStat> {
    let mut found: Vec<ProcStat> = leader.copied().into_iter().collect();
    let known = leader.map(|l| l.pid);
    // Only what the sidecar inherited can be foreign: a sidecar that was started inside the tree detached itself.
    let inherited = sidecar.map(|pid| children(pid, 1)).unwrap_or_default();
    for pid in inherited.into_iter().filter(|&pid| Some(pid) != known && !is_foreign(pid, run_id)) {
        found.extend(stat(pid).ok().flatten().filter(|orphan| !orphan.zombie));
    }
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        for pid in children(parent.pid, parent.threads) {
            found.extend(stat(pid).ok().flatten().filter(|child| !child.zombie));
        }
        next += 1;
    }
    found
}

/// What the processes of `tree` use together. Percentages are left to the caller.
pub fn usage(tree: &[ProcStat]) -> Usage {
    let mut total = Usage::default();
    for process in tree {
        total.cpu = total.cpu.checked_add(process.cpu).unwrap_or(Duration::MAX);
        total.rss_bytes += process.rss_bytes;
        total.processes += 1;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_within_itself_and_its_ancestors_until_it_is_reaped() {
        let own = std::process::id();
        let mut child = Command::new("sleep").arg("100").spawn().unwrap();
        assert!(is_within(own, own) && is_within(child.id(), own) && is_within(child.id(), child.id()));
        assert!(!is_within(own, child.id()) && !is_within(0, 0) && !is_within(own, 0) && !is_within(own, 1));
        child.kill().unwrap();
        assert!(is_within(child.id(), own));
        child.wait().unwrap();
        assert!(!is_within(child.id(), own));
    }
}
