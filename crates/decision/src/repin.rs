//! What breaks in a tree where it pins another revision of its role model: every binding and every registered node judged by the rules that come to
//! hold, where it was right by those that did. What access changes is [`crate::preview`]'s; seats and required roles are kept by whoever writes.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{
    decide,
    model::RoleModel,
    name::{NodeName, Principal, RoleOwner},
    path::Path,
    preview::below,
    proposal::{BindingFault, check_binding},
    record::{Binding, NodeState, Timestamp},
    standing::Rules,
    view::View,
};

/// Something that would no longer be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breakage {
    /// In which way.
    pub kind: BreakageKind,
    /// What: `organizations/acme/roleBindings/b1`.
    pub resource: String,
    /// Why, for people.
    pub message: String,
}

/// In which way something is no longer right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakageKind {
    /// A binding makes no sense: its role is gone or is held elsewhere, its principal may not hold it, its component map, its condition or its sponsor does not fit.
    Binding,
    /// A user holds two roles at a node that exclude each other.
    Exclusive,
    /// A principal holds a role twice at a node.
    HeldTwice,
    /// A resource is of no type.
    Resource,
}

/// Most breakages that are told: who has more changes the revision, not the tree.
pub const MOST_BREAKAGES: usize = 100;

/// What is right in the one world and not in the other of a tree, in the order of its nodes; at most [`MOST_BREAKAGES`]. Bindings that have ended count in neither.
pub fn breakages(before: &View, after: &View, root: &NodeName, now: Timestamp) -> Vec<Breakage> {
    let mut broken = Vec::new();
    for node in below([before, after], std::slice::from_ref(root)) {
        let Some(model) = after.model_of(&node).map(|pinned| pinned.model) else { continue };
        let is_there = after.node(&node).is_some_and(|node| node.state != NodeState::Deleted);
        if is_there && model.type_of(&node).is_none() {
            let message = format!("role model `{}` has no such type of resource there; delete it first", model.id());
            broken.push(Breakage { kind: BreakageKind::Resource, resource: node.to_string(), message });
        }
        let [were, are] = [before, after].map(|view| Judge::at(view, &node, now));
        let mut bindings: Vec<Binding> = after.bindings_at(&node).filter(|binding| !has_ended(binding, now)).collect();
        bindings.sort_by(|a, b| a.name.cmp(&b.name));
        for binding in &bindings {
            let Err(fault) = are.judge(binding) else { continue };
            // What did not count before is no worse than it was.
            let was_right = before.binding(&binding.name).is_none_or(|was| were.judge(&was).is_ok());
            if was_right {
                let message = format!("`{}` at `{node}`: {fault}", binding.role);
                broken.push(Breakage { kind: BreakageKind::Binding, resource: binding.name.to_string(), message });
            }
        }
        held_together(model, &bindings, &mut broken);
        if broken.len() >= MOST_BREAKAGES {
            broken.truncate(MOST_BREAKAGES);
            break;
        }
    }
    broken
}

fn has_ended(binding: &Binding, now: Timestamp) -> bool {
    binding.expires.is_some_and(|expires| expires <= now)
}

/// Judges bindings at a node by the rules of one world.
struct Judge<'v> {
    path: Path,
    /// None in a tree that is not known: there nothing counts, and nothing is judged.
    rules: Option<Rules<'v>>,
}

impl<'v> Judge<'v> {
    fn at(view: &'v View, node: &NodeName, now: Timestamp) -> Self {
        let path = Path::of(view, node);
        let rules = decide::rules(view, &path, now);
        Self { path, rules }
    }

    fn judge(&self, binding: &Binding) -> Result<(), BindingFault> {
        match &self.rules {
            Some(rules) => check_binding(rules, &self.path, binding).map(drop),
            None => Ok(()),
        }
    }
}

/// Of bindings at one node, those of one principal that exclude each other, or are the same.
fn held_together(model: &RoleModel, bindings: &[Binding], broken: &mut Vec<Breakage>) {
    let mut held: BTreeMap<&Principal, Vec<&Binding>> = BTreeMap::new();
    for binding in bindings {
        let theirs = held.entry(&binding.principal).or_default();
        if let Some(same) = theirs.iter().find(|other| other.role == binding.role) {
            let message = format!("`{}` gives `{}` the same role at `{}`; revoke one", same.name, binding.principal, binding.node);
            broken.push(Breakage { kind: BreakageKind::HeldTwice, resource: binding.name.to_string(), message });
        } else if let Some(other) = theirs.iter().find(|other| exclude(model, other, binding)) {
            let message = format!(
                "`{}` gives `{}` the role `{}` at `{}`, which excludes this one; revoke one",
                other.name, binding.principal, other.role, binding.node
            );
            broken.push(Breakage { kind: BreakageKind::Exclusive, resource: binding.name.to_string(), message });
        }
        theirs.push(binding);
    }
}

fn exclude(model: &RoleModel, one: &Binding, other: &Binding) -> bool {
    let set_of = |binding: &Binding| {
        let is_system = matches!(binding.role.owner(), RoleOwner::Model(owner) if owner == model.id());
        let role = model.document().roles.iter().find(|role| is_system && role.id == binding.role.id())?;
        Some(role.exclusive.as_str()).filter(|set| !set.is_empty())
    };
    set_of(one).is_some_and(|set| set_of(other) == Some(set))
}
