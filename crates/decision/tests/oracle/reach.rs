//! The nodes on which a user has a permission, as listed and as found by trying every node.

use std::collections::{BTreeMap, BTreeSet};

use decision::{
    decision::{Outcome, Query},
    name::{NodeKind, NodeName, UserName},
    oracle::Oracle,
    reach::{Container, Scope, resources},
    record::{Node, Record},
    view::View,
};

use crate::{
    random::Random,
    worlds::{NOW, World, random_query},
};

const CONTAINERS: [Container; 3] = [Container::Organization, Container::Workspace, Container::Account];

fn is_of(container: Container, name: &NodeName) -> bool {
    match name.kind() {
        NodeKind::Organization => container == Container::Organization,
        NodeKind::Workspace => container == Container::Workspace,
        NodeKind::Account => container == Container::Account,
        NodeKind::Leaf { .. } => false,
    }
}

fn registered(world: &World) -> BTreeMap<&NodeName, &Node> {
    let nodes = world.records.iter().filter_map(|record| if let Record::Node(node) = record { Some((&node.name, node)) } else { None });
    nodes.collect()
}

/// Whether a node is another one or below it, by following the records' parents.
fn is_at_or_below(nodes: &BTreeMap<&NodeName, &Node>, node: &NodeName, above: &NodeName) -> bool {
    let mut at = node.clone();
    let mut seen = BTreeSet::new();
    while seen.insert(at.clone()) {
        if at == *above {
            return true;
        }
        let said = nodes.get(&at).and_then(|node| node.parent.clone()).filter(|parent| parent.kind() == NodeKind::Workspace);
        at = match (at.kind(), said) {
            (NodeKind::Organization, Some(workspace)) => workspace,
            (NodeKind::Organization, None) => return false,
            (NodeKind::Account, Some(workspace)) if workspace.organization() == at.organization() => workspace,
            _ => at.organization(),
        };
    }
    false
}

/// All pages of a list, each of a random size.
fn listed(
    random: &mut Random,
    view: &View,
    user: &UserName,
    permission: &str,
    container: Container,
    under: Option<&NodeName>,
) -> Vec<NodeName> {
    let mut names: Vec<NodeName> = Vec::new();
    let mut after: Option<NodeName> = None;
    loop {
        let scope = Scope { container, under, after: after.as_ref().map(NodeName::as_str), limit: 1 + random.below(4) };
        let reached = resources(view, user, permission, &scope, NOW);
        assert!(reached.names.len() <= scope.limit);
        names.extend(reached.names);
        match reached.next {
            Some(next) => after = Some(next),
            None => return names,
        }
    }
}

/// Compares lists for random users, permissions and places with what the oracle says of every node.
pub(crate) fn compare(
    seed: u64,
    random: &mut Random,
    view: &View,
    world: &World,
    oracle: &Oracle<'_>,
    lists: usize,
    seen: &mut BTreeMap<String, usize>,
) {
    let nodes = registered(world);
    for _ in 0..lists {
        let Query { user, permission, resource, .. } = random_query(random, world);
        let container = *random.pick(&CONTAINERS);
        let under = resource.leaf_parent().unwrap_or(resource);
        let under = random.chance(30).then_some(&under);
        let found = listed(random, view, &user, &permission, container, under);
        let allowed = |name: &&NodeName| {
            let query =
                Query { user: user.clone(), permission: permission.clone(), resource: (*name).clone(), attributes: BTreeMap::new() };
            oracle.decide(&query, NOW).is_ok_and(|decision| matches!(decision.outcome, Outcome::Allow(_)))
        };
        let candidates = nodes.keys().copied().filter(|name| is_of(container, name));
        let candidates = candidates.filter(|name| under.is_none_or(|under| is_at_or_below(&nodes, name, under)));
        let expected: Vec<NodeName> = candidates.filter(allowed).cloned().collect();
        assert_eq!(found, expected, "world {seed}: `{user}`, `{permission}`, {container:?} under {under:?}");
        *seen.entry("lists".to_owned()).or_default() += 1;
        if !found.is_empty() {
            let what = if under.is_some() { "lists with something under a node" } else { "lists with something" };
            *seen.entry(what.to_owned()).or_default() += 1;
        }
    }
}
