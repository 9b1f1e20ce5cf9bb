//! Who needs whom: the order in which processes start, and in which they stop.
//!
//! Why it exists: `--after` and `bgo.toml` ask the same questions of the same lists of names. Invariants: what is needed
//! comes before what needs it; where that decides nothing, the order is the one given, so the same list is always
//! started in the same order; no walk is recursive, however long the chain.
//!
//! ```text
//!   web after api, cache      order:            db, api, cache, web
//!   api after db              dependents of db: web, api          (the order to stop in)
//!   cache, db                 needs of web:     db, api, cache    (the order to start in)
//! ```

/// Names, and for each the names it needs. Borrowed from the list it was made of.
#[derive(Debug)]
pub struct Graph<'a> {
    names: Vec<&'a str>,
    /// For each name the positions of those it needs, as far as they are in the list.
    needs: Vec<Vec<usize>>,
    /// Who needs what is not in the list.
    unknown: Vec<(&'a str, &'a str)>,
}

/// Names that need each other in a circle: each needs the next, the last the first.
pub type Cycle<'a> = Vec<&'a str>;

impl<'a> Graph<'a> {
    /// The graph of `list`: names, each once, and for each those it needs.
    pub fn new(list: &'a [(String, Vec<String>)]) -> Graph<'a> {
        let names: Vec<&str> = list.iter().map(|(name, _)| name.as_str()).collect();
        let mut unknown = Vec::new();
        // Needs are few: to search for each costs less than any index (and a sort or a map costs kilobytes of code).
        let mut position = |name: &'a str, need: &'a str| {
            let position = names.iter().position(|known| *known == need);
            if position.is_none() {
                unknown.push((name, need));
            }
            position
        };
        let needs = list.iter().map(|(name, needs)| needs.iter().filter_map(|need| position(name, need)).collect());
        let needs = needs.collect();
        Graph { names, needs, unknown }
    }

    /// Who needs a name that is not in the list: `(web, db)`. The other questions pass over those.
    pub fn unknown(&self) -> &[(&'a str, &'a str)] {
        &self.unknown
    }

    /// All names, what is needed first.
    ///
    /// # Errors
    /// There is none, because these need each other.
    pub fn order(&self) -> Result<Vec<&'a str>, Cycle<'a>> {
        let (order, cycle) = self.walk(&self.needs, 0..self.names.len());
        match cycle {
            Some(cycle) => Err(self.named(&cycle)),
            None => Ok(self.named(&order)),
        }
    }

    /// Whether the name at `from`, which needs the one at `to`, is also needed by that, directly or through others.
    pub fn is_in_circle(&self, from: usize, to: usize) -> bool {
        self.walk(&self.needs, [to]).0.contains(&from)
    }

    /// What `roots` need, directly or through others, in the order to start it in; `roots` themselves are left out.
    pub fn needs(&self, roots: &[&str]) -> Vec<&'a str> {
        let reached = self.named(&self.walk(&self.needs, self.positions(roots)).0);
        reached.into_iter().filter(|name| !roots.contains(name)).collect()
    }

    /// What needs `roots`, directly or through others, in the order to stop it in: nothing comes after what it needs.
    /// `roots` themselves are left out. Cycles are cut somewhere.
    pub fn dependents(&self, roots: &[&str]) -> Vec<&'a str> {
        self.stop_order(roots).into_iter().filter(|name| !roots.contains(name)).collect()
    }

    /// `roots` and what needs them, in the order to stop all of it in: nothing comes after what it needs. Cycles are cut
    /// somewhere.
    pub fn stop_order(&self, roots: &[&str]) -> Vec<&'a str> {
        let mut dependents = vec![Vec::new(); self.names.len()];
        for (name, needs) in self.needs.iter().enumerate() {
            for &need in needs {
                dependents[need].push(name);
            }
        }
        self.named(&self.walk(&dependents, self.positions(roots)).0)
    }

    /// Everything that edges lead to from `starts`, those included, each after all that its own edges lead to; and the
    /// first circle of edges that was met.
    fn walk(&self, edges: &[Vec<usize>], starts: impl IntoIterator<Item = usize>) -> (Vec<usize>, Option<Vec<usize>>) {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            Open,
            Done,
        }
        let mut marks = vec![Mark::New; self.names.len()];
        let (mut order, mut cycle) = (Vec::new(), None);
        for start in starts {
            if marks[start] != Mark::New {
                continue;
            }
            marks[start] = Mark::Open;
            // The way from `start` to here, each with how many of its edges were followed.
            let mut path = vec![(start, 0)];
            while let Some((at, followed)) = path.last_mut() {
                let (here, next) = (*at, edges[*at].get(*followed).copied());
                *followed += 1;
                match next {
                    None => {
                        marks[here] = Mark::Done;
                        order.push(here);
                        path.pop();
                    }
                    Some(next) if marks[next] == Mark::New => {
                        marks[next] = Mark::Open;
                        path.push((next, 0));
                    }
                    Some(next) if marks[next] == Mark::Open && cycle.is_none() => {
                        cycle = Some(path.iter().map(|&(at, _)| at).skip_while(|&at| at != next).collect());
                    }
                    Some(_) => {}
                }
            }
        }
        (order, cycle)
    }

    fn positions(&self, names: &[&str]) -> Vec<usize> {
        (0..self.names.len()).filter(|&at| names.contains(&self.names[at])).collect()
    }

    fn named(&self, positions: &[usize]) -> Vec<&'a str> {
        positions.iter().map(|&at| self.names[at]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::dice::Dice;
    use super::*;
    use std::collections::HashSet;

    type List = Vec<(String, Vec<String>)>;

    fn list(all: &[(&str, &[&str])]) -> List {
        all.iter().map(|(name, needs)| (name.to_string(), needs.iter().map(|n| n.to_string()).collect())).collect()
    }

    #[test]
    fn what_is_needed_comes_first_and_else_the_order_given() {
        let shop = list(&[("web", &["api", "cache"]), ("api", &["db"]), ("cache", &[]), ("db", &[]), ("docs", &[])]);
        let graph = Graph::new(&shop);
        assert_eq!(graph.order().unwrap(), ["db", "api", "cache", "web", "docs"]);
        assert_eq!(graph.dependents(&["db"]), ["web", "api"]);
        assert_eq!(graph.dependents(&["db", "api"]), ["web"]);
        assert_eq!(graph.stop_order(&["db", "web"]), ["web", "api", "db"]);
        assert_eq!(graph.needs(&["web"]), ["db", "api", "cache"]);
        assert_eq!((graph.dependents(&["web"]), graph.needs(&["db"])), (vec![], vec![]));
        assert_eq!((graph.dependents(&["nobody"]), graph.needs(&["nobody"])), (vec![], vec![]));
        assert_eq!(Graph::new(&[]).order().unwrap(), Vec::<&str>::new());
    }

    #[test]
    fn a_circle_is_named_in_its_order() {
        for (all, cycle) in [
            (list(&[("x", &["a"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"])]), vec!["a", "b", "c"]),
            (list(&[("a", &["a"])]), vec!["a"]),
        ] {
            assert_eq!(Graph::new(&all).order().unwrap_err(), cycle);
        }
        let two = list(&[("a", &["b"]), ("b", &["a"]), ("c", &["b"])]);
        let mut dependents = Graph::new(&two).dependents(&["b"]);
        dependents.sort_unstable();
        assert_eq!(dependents, ["a", "c"]);
    }

    #[test]
    fn what_is_not_there_is_told_and_passed_over() {
        let all = list(&[("web", &["db", "gone"]), ("db", &[])]);
        let graph = Graph::new(&all);
        assert_eq!(graph.unknown(), [("web", "gone")]);
        assert_eq!(graph.order().unwrap(), ["db", "web"]);
    }

    #[test]
    fn a_long_chain_needs_no_deep_stack() {
        let chain: List = (0..3000).map(|n| (n.to_string(), vec![(n + 1).to_string()])).collect();
        assert_eq!(Graph::new(&chain).order().unwrap()[0], "2999");
    }

    /// A random list, and for each pair whether the first needs the second, through others or not.
    fn random(dice: &mut Dice) -> (List, Vec<Vec<bool>>) {
        let size = 1 + dice.index(9);
        let mut reach = vec![vec![false; size]; size];
        for _ in 0..dice.index(2 * size + 1) {
            reach[dice.index(size)][dice.index(size)] = true;
        }
        if dice.below(2) == 0 {
            // Without cycles: each needs only what comes later.
            reach.iter_mut().enumerate().for_each(|(at, needs)| needs[..=at].fill(false));
        }
        let needs = |row: &[bool]| (0..size).filter(|&to| row[to]).map(|to| to.to_string()).collect();
        let list = reach.iter().enumerate().map(|(at, row)| (at.to_string(), needs(row))).collect();
        for by in 0..size {
            for from in 0..size {
                for to in 0..size {
                    reach[from][to] |= reach[from][by] && reach[by][to];
                }
            }
        }
        (list, reach)
    }

    #[test]
    fn any_graph_is_ordered_or_its_circle_is_one() {
        for seed in 0..3000 {
            let (list, reach) = random(&mut Dice::new(seed));
            let graph = Graph::new(&list);
            let needs = |a: &str, b: &str| reach[a.parse::<usize>().unwrap()][b.parse::<usize>().unwrap()];
            match graph.order() {
                Ok(order) => {
                    assert_eq!(order.iter().collect::<HashSet<_>>().len(), list.len(), "seed {seed}");
                    let later = |at: usize| order[at..].iter().all(|later| !needs(order[at], later));
                    assert!((0..order.len()).all(later), "seed {seed}: {order:?}");
                }
                Err(cycle) => {
                    let next = |at: usize| cycle[(at + 1) % cycle.len()].to_owned();
                    let direct = |at: usize| list.iter().any(|(n, all)| n == cycle[at] && all.contains(&next(at)));
                    assert!(!cycle.is_empty() && (0..cycle.len()).all(direct), "seed {seed}: {cycle:?}");
                }
            }
        }
    }

    #[test]
    fn dependents_and_needs_are_all_there_and_in_order() {
        for seed in 0..3000 {
            let (list, reach) = random(&mut Dice::new(seed));
            let graph = Graph::new(&list);
            let needs = |a: &str, b: &str| reach[a.parse::<usize>().unwrap()][b.parse::<usize>().unwrap()];
            let root = list[0].0.as_str();
            let (dependents, needed) = (graph.dependents(&[root]), graph.needs(&[root]));
            for (name, _) in list.iter().filter(|(name, _)| name != root) {
                assert_eq!(dependents.contains(&name.as_str()), needs(name, root), "seed {seed}: {name}");
                assert_eq!(needed.contains(&name.as_str()), needs(root, name), "seed {seed}: {name}");
            }
            if graph.order().is_ok() {
                let sorted = |all: &[&str], before: &dyn Fn(&str, &str) -> bool| {
                    (0..all.len()).all(|at| all[at..].iter().all(|later| !before(later, all[at])))
                };
                assert!(sorted(&dependents, &|later, earlier| needs(later, earlier)), "seed {seed}");
                assert!(sorted(&needed, &|later, earlier| needs(earlier, later)), "seed {seed}");
            }
        }
    }
}
