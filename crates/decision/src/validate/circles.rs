//! Circles among names that lead to one another.

use std::collections::BTreeMap;

use super::bits::Bits;

/// One way round for each group of names that lead to one another, with the index of the name that it begins and ends with, the group's first:
/// "`a` → `b` → `a`". Takes time linear in the edges, but for looking names up.
pub(super) fn circles(edges: &[(&str, Vec<&str>)]) -> BTreeMap<usize, String> {
    let index: BTreeMap<&str, usize> = edges.iter().enumerate().rev().map(|(at, (name, _))| (*name, at)).collect();
    let next: Vec<Vec<usize>> = edges.iter().map(|(_, list)| list.iter().filter_map(|name| index.get(name).copied()).collect()).collect();
    let mut found = BTreeMap::new();
    for group in groups(&next) {
        let Some(start) = group.iter().min().copied() else { continue };
        if group.len() > 1 || next[start].contains(&start) {
            let mut within = Bits::none(edges.len());
            group.iter().for_each(|at| within.insert(*at));
            if let Some(way) = way_back(start, &next, &within) {
                let way: Vec<String> = way.into_iter().map(|at| format!("`{}`", edges[at].0)).collect();
                found.insert(start, way.join(" → "));
            }
        }
    }
    found
}

/// The strongly connected groups (Tarjan), without recursion: a chain may be as long as a document.
fn groups(next: &[Vec<usize>]) -> Vec<Vec<usize>> {
    const UNSEEN: usize = usize::MAX;
    let mut order = vec![UNSEEN; next.len()];
    let mut lowest = vec![UNSEEN; next.len()];
    let mut open = vec![false; next.len()];
    let (mut stack, mut groups, mut count) = (Vec::new(), Vec::new(), 0);
    for root in 0..next.len() {
        if order[root] != UNSEEN {
            continue;
        }
        // Where the walk is, and the next edge to take there.
        let mut walk = vec![(root, 0)];
        while let Some((at, edge)) = walk.pop() {
            if edge == 0 {
                (order[at], lowest[at], open[at]) = (count, count, true);
                count += 1;
                stack.push(at);
            }
            if let Some(to) = next[at].get(edge).copied() {
                walk.push((at, edge + 1));
                if order[to] == UNSEEN {
                    walk.push((to, 0));
                } else if open[to] {
                    lowest[at] = lowest[at].min(order[to]);
                }
                continue;
            }
            if let Some((above, _)) = walk.last() {
                lowest[*above] = lowest[*above].min(lowest[at]);
            }
            if lowest[at] == order[at] {
                let from = stack.iter().rposition(|member| *member == at).unwrap_or_default();
                let group = stack.split_off(from);
                group.iter().for_each(|member| open[*member] = false);
                groups.push(group);
            }
        }
    }
    groups
}

/// A shortest way from `start` back to it inside its group; none for a group of one that does not lead to itself.
fn way_back(start: usize, next: &[Vec<usize>], within: &Bits) -> Option<Vec<usize>> {
    let mut came_from: BTreeMap<usize, usize> = BTreeMap::new();
    let mut open = std::collections::VecDeque::from([start]);
    while let Some(at) = open.pop_front() {
        for to in next[at].iter().copied().filter(|to| within.contains(*to)) {
            if to == start {
                let mut way = vec![start];
                let mut step = at;
                while step != start {
                    way.push(step);
                    step = came_from.get(&step).copied().unwrap_or(start);
                }
                way.push(start);
                way.reverse();
                return Some(way);
            }
            if let std::collections::btree_map::Entry::Vacant(unseen) = came_from.entry(to) {
                unseen.insert(at);
                open.push_back(to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_is_told_once_and_what_only_leads_to_it_is_not() {
        let edges =
            [("e", vec!["a", "d"]), ("a", vec!["b"]), ("c", vec!["b"]), ("b", vec!["c", "unknown"]), ("d", vec!["d"]), ("f", vec![])];
        assert_eq!(circles(&edges), BTreeMap::from([(2, "`c` → `b` → `c`".to_owned()), (4, "`d` → `d`".to_owned())]));
    }

    #[test]
    fn a_long_chain_does_not_overflow_the_stack() {
        let names: Vec<String> = (0..50_000).map(|n| format!("n{n:06}")).collect();
        let mut edges: Vec<(&str, Vec<&str>)> = names.windows(2).map(|pair| (pair[0].as_str(), vec![pair[1].as_str()])).collect();
        assert!(circles(&edges).is_empty());
        edges.push((&names[49_999], vec![&names[0]]));
        assert_eq!(circles(&edges).len(), 1);
    }
}
