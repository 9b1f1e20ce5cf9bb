//! The order in which jobs come up, or go down, as it unfolds.
//!
//! Why it exists: which job may be started next is a rule, whatever starts it. Invariants: a job is begun once, and only
//! when all that it needs is ready; what needs a failed job is never begun; as long as not all are settled, something
//! is under way.
//!
//! ```text
//!            needs ready             ready, or ended well
//!   Waiting ------------> Underway ----------------------> Ready
//!      | a need failed       | failed
//!      v                     v
//!   Skipped               Failed
//! ```

use super::graph::Graph;
use crate::domain::order::sort;

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It waits for what it needs.
    Waiting,
    /// It has been begun.
    Underway,
    /// It is ready.
    Ready,
    /// It failed.
    Failed,
    /// It was not begun, because this one failed or was skipped.
    Skipped(String),
}

/// The jobs, and how far each is.
#[derive(Clone, Debug)]
pub struct Plan {
    names: Vec<String>,
    needs: Vec<Vec<usize>>,
    steps: Vec<Step>,
    /// Whether no more are begun.
    halted: bool,
}

impl Plan {
    /// A plan for `list`: names, and for each those it needs. What is not in the list is not waited for. Where needs lead in
    /// a circle, which only those of records can, the order of the list decides among the members of that circle.
    pub fn new(list: &[(String, Vec<String>)]) -> Plan {
        let names: Vec<String> = list.iter().map(|(name, _)| name.clone()).collect();
        let graph = Graph::new(list);
        let is_circular = graph.order().is_err();
        let position = |need: &String| names.iter().position(|name| name == need);
        let needs = list.iter().enumerate().map(|(at, (_, needs))| {
            let needs = needs.iter().filter_map(position);
            // What is kept leads forward between circles and back to earlier names within one: to no circle again.
            needs.filter(|need| *need < at || !is_circular || !graph.is_in_circle(at, *need)).collect()
        });
        Plan { needs: needs.collect(), steps: vec![Step::Waiting; names.len()], names, halted: false }
    }

    /// The same jobs in the opposite order: each waits for what needs it.
    #[must_use]
    pub fn reversed(mut self) -> Plan {
        let mut reversed = vec![Vec::new(); self.needs.len()];
        for (job, needs) in self.needs.iter().enumerate() {
            needs.iter().for_each(|need| reversed[*need].push(job));
        }
        self.needs = reversed;
        self
    }

    /// Begins everything that may be begun now.
    pub fn begin(&mut self) -> Vec<usize> {
        if self.halted {
            return Vec::new();
        }
        let is_ready = |need: &usize| self.steps[*need] == Step::Ready;
        let may = |job: &usize| self.steps[*job] == Step::Waiting && self.needs[*job].iter().all(is_ready);
        let begun: Vec<usize> = (0..self.steps.len()).filter(may).collect();
        begun.iter().for_each(|job| self.steps[*job] = Step::Underway);
        begun
    }

    /// A job is ready.
    pub fn ready(&mut self, job: usize) {
        self.steps[job] = Step::Ready;
    }

    /// A job failed, and so does what needs it: those, in the order of the list.
    pub fn failed(&mut self, job: usize) -> Vec<usize> {
        self.steps[job] = Step::Failed;
        let mut skipped = Vec::new();
        let mut failed = vec![job];
        while let Some(cause) = failed.pop() {
            for dependent in 0..self.steps.len() {
                if self.steps[dependent] == Step::Waiting && self.needs[dependent].contains(&cause) {
                    self.steps[dependent] = Step::Skipped(self.names[cause].clone());
                    failed.push(dependent);
                    skipped.push(dependent);
                }
            }
        }
        sort(&mut skipped);
        skipped
    }

    /// Begins no more.
    pub fn halt(&mut self) {
        self.halted = true;
    }

    /// Where a job stands.
    pub fn step(&self, job: usize) -> &Step {
        &self.steps[job]
    }

    /// What a job needs, of those in the plan.
    pub fn needs(&self, job: usize) -> &[usize] {
        &self.needs[job]
    }

    /// What a job still waits for.
    pub fn waits_for(&self, job: usize) -> Vec<&str> {
        let open = |need: &&usize| self.steps[**need] != Step::Ready;
        self.needs[job].iter().filter(open).map(|need| self.names[*need].as_str()).collect()
    }

    /// Whether another job waits for this one.
    pub fn is_awaited(&self, job: usize) -> bool {
        (0..self.steps.len()).any(|other| self.steps[other] == Step::Waiting && self.needs[other].contains(&job))
    }

    /// Whether nothing is under way, and nothing will be.
    pub fn is_settled(&self) -> bool {
        let open = |step: &Step| *step == Step::Underway || (!self.halted && *step == Step::Waiting);
        !self.steps.iter().any(open)
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;

    fn list(jobs: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
        let owned = |needs: &[&str]| needs.iter().map(|need| (*need).to_owned()).collect();
        jobs.iter().map(|(name, needs)| ((*name).to_owned(), owned(needs))).collect()
    }

    #[test]
    fn what_needs_nothing_begins_at_once_and_the_rest_when_its_needs_are_ready() {
        let mut plan = Plan::new(&list(&[("web", &["db", "cache"]), ("db", &[]), ("cache", &[]), ("worker", &["db"])]));
        assert_eq!(plan.begin(), [1, 2]);
        assert_eq!(plan.waits_for(0), ["db", "cache"]);
        plan.ready(1);
        assert_eq!(plan.begin(), [3]);
        assert_eq!(plan.waits_for(0), ["cache"]);
        plan.ready(2);
        assert_eq!(plan.begin(), [0]);
        assert!(plan.begin().is_empty());
        plan.ready(0);
        assert!(!plan.is_settled());
        plan.ready(3);
        assert!(plan.is_settled());
    }

    #[test]
    fn what_needs_a_failed_job_is_skipped_and_says_why() {
        let mut plan = Plan::new(&list(&[("a", &[]), ("b", &["a"]), ("c", &["b"]), ("d", &[])]));
        assert_eq!(plan.begin(), [0, 3]);
        assert_eq!(plan.failed(0), [1, 2]);
        assert_eq!(*plan.step(1), Step::Skipped("a".into()));
        assert_eq!(*plan.step(2), Step::Skipped("b".into()));
        assert!(!plan.is_settled(), "d is under way");
        plan.ready(3);
        assert!(plan.is_settled());
    }

    #[test]
    fn the_opposite_order_ends_what_is_needed_last() {
        let mut plan = Plan::new(&list(&[("web", &["db"]), ("db", &[]), ("worker", &["db"])])).reversed();
        assert_eq!(plan.begin(), [0, 2]);
        plan.ready(0);
        assert!(plan.begin().is_empty());
        plan.ready(2);
        assert_eq!(plan.begin(), [1]);
    }

    #[test]
    fn a_circle_does_not_hold_up_the_plan() {
        let mut plan = Plan::new(&list(&[("a", &["b"]), ("b", &["a"]), ("c", &["c"])]));
        let mut begun = 0;
        while !plan.is_settled() {
            for job in plan.begin() {
                begun += 1;
                plan.ready(job);
            }
        }
        assert_eq!(begun, 3);
    }

    #[test]
    fn a_circle_concerns_its_members_only() {
        let jobs =
            [("api", &["db"][..]), ("a", &["b", "db"]), ("b", &["a"]), ("c", &["c"]), ("db", &[]), ("top", &["a"])];
        let mut plan = Plan::new(&list(&jobs));
        assert_eq!(plan.begin(), [3, 4], "c needs itself only");
        plan.ready(4);
        assert_eq!(plan.begin(), [0, 1], "of a and b, which need each other, the first");
        plan.ready(1);
        assert_eq!(plan.begin(), [2, 5]);
    }

    #[test]
    fn fifty_jobs_with_random_needs_always_begin_in_a_valid_order() {
        for seed in 0..500 {
            let mut dice = Dice::new(seed);
            // Names in random order, each needing some that come earlier in another random order: no circles.
            let mut order: Vec<usize> = (0..50).collect();
            for at in (1..order.len()).rev() {
                order.swap(at, dice.below(at as u64 + 1) as usize);
            }
            let mut jobs = vec![(String::new(), Vec::new()); 50];
            for (place, job) in order.iter().enumerate() {
                let count = if place == 0 { 0 } else { dice.below(4) };
                let needs = (0..count).map(|_| format!("j{}", order[dice.below(place as u64) as usize])).collect();
                jobs[*job] = (format!("j{job}"), needs);
            }
            let fails = dice.below(3) == 0;
            let mut plan = Plan::new(&jobs);
            let (mut underway, mut ready, mut begun) = (Vec::new(), Vec::<String>::new(), Vec::new());
            while !plan.is_settled() {
                for job in plan.begin() {
                    let needs = &jobs[job].1;
                    assert!(needs.iter().all(|need| ready.contains(need)), "seed {seed}: {} too early", jobs[job].0);
                    assert!(!begun.contains(&job), "seed {seed}: twice");
                    begun.push(job);
                    underway.push(job);
                }
                assert!(!underway.is_empty(), "seed {seed}: stuck");
                let job = underway.swap_remove(dice.below(underway.len() as u64) as usize);
                if fails && dice.below(20) == 0 {
                    plan.failed(job);
                } else {
                    plan.ready(job);
                    ready.push(jobs[job].0.clone());
                }
            }
            for (at, (name, needs)) in jobs.iter().enumerate() {
                match plan.step(at) {
                    Step::Ready => assert!(needs.iter().all(|need| ready.contains(need)), "seed {seed}"),
                    Step::Skipped(cause) => assert!(needs.contains(cause), "seed {seed}"),
                    Step::Failed => assert!(fails && begun.contains(&at)),
                    step => panic!("seed {seed}: {name} is {step:?}"),
                }
            }
            assert!(fails || begun.len() == 50, "seed {seed}: all run");
        }
    }
}
