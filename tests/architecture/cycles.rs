//! The cycles of a graph.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The shortest cycle through each node that is in one, as `a → b → a`; each cycle once. An edge
/// from a node to itself is no cycle.
pub fn all<'a>(edges: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in edges.filter(|(from, to)| from != to) {
        next.entry(from).or_default().insert(to);
    }
    let mut known = BTreeSet::new();
    let cycles = next.keys().filter_map(|start| back_to(start, &next));
    let new = cycles.filter(|cycle| known.insert(cycle.iter().copied().collect::<BTreeSet<_>>()));
    new.map(|cycle| cycle.join(" → ")).collect()
}

/// The shortest way from `start` back to it.
fn back_to<'a>(
    start: &'a str,
    next: &BTreeMap<&'a str, BTreeSet<&'a str>>,
) -> Option<Vec<&'a str>> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &to in next.get(node).into_iter().flatten() {
            if to == start {
                let mut way = vec![start, node];
                while *way.last()? != start {
                    way.push(came_from[way.last()?]);
                }
                way.reverse();
                return Some(way);
            }
            if !came_from.contains_key(to) {
                came_from.insert(to, node);
                queue.push_back(to);
            }
        }
    }
    None
}

#[test]
fn a_cycle_is_found_and_a_tree_has_none() {
    let tree = [("a", "b"), ("a", "c"), ("b", "c"), ("c", "c")];
    assert!(all(tree.into_iter()).is_empty());
    let cycle = tree.into_iter().chain([("c", "a")]);
    assert_eq!(all(cycle), ["a → c → a", "b → c → a → b"]);
}
