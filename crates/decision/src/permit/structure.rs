//! Moving and restoring nodes: both make bindings reach what they did not reach, so both ask what giving them would ask.

use std::collections::BTreeSet;

use super::{Actor, Case, Desk, Grounds, Refusal};
use crate::{
    containment::{Holding, gained},
    decide::{Question, no_attributes},
    name::{NodeName, UserName},
    path::Path,
    record::{Binding, Node, NodeState, Record},
    slot::NodeId,
    standing::Subject,
    view::View,
};

/// What happens to whoever holds something.
#[derive(Clone, Copy)]
enum Change {
    /// It reaches further.
    Gain,
    /// It no longer reaches what it did.
    Loss,
}

impl Desk<'_, '_> {
    /// Whoever holds something at a node that the moved one comes under gets it there, whoever holds something at one that it leaves loses it.
    /// The mover has no more at it and below it than before, whatever authority they have over those roles.
    pub(super) fn move_node(&self, to: &Node) -> Result<Grounds, Refusal> {
        let mut case = self.open(&to.name, "")?;
        if let Some(parent) = &to.parent {
            case.rest_on(self.open(parent, "")?.grounds);
        }
        let is_known = |name: &NodeName| self.view.node(name).is_some();
        if let Some(missing) = [Some(&to.name), to.parent.as_ref()].into_iter().flatten().find(|name| !is_known(name)) {
            return Err(Refusal::NotFound { name: missing.to_string() });
        }
        let moved = with(self.view, to);
        let (before, after) = (Path::of(self.view, &to.name), Path::of(&moved, &to.name));
        if !after.is_complete() {
            // Its new parent is below it, or in no tree.
            return Err(Refusal::NotFound { name: to.parent.as_ref().unwrap_or(&to.name).to_string() });
        }
        let (left, entered) = (before.names(self.view), after.names(&moved));
        for node in entered.iter().filter(|node| !left.contains(node)) {
            case.rest_on(self.over_holders(node, self, Change::Gain)?);
        }
        for node in left.iter().filter(|node| !entered.contains(node)) {
            case.rest_on(self.over_holders(node, self, Change::Loss)?);
        }
        if let Actor::User(mover) = self.actor {
            let what = self.gained_by_move(mover, &to.name, &moved);
            if !what.is_empty() {
                return Err(Refusal::NotContained { what: what.into_iter().collect() });
            }
        }
        Ok(case.grounds())
    }

    /// Judges every binding at a node that has not ended, by what the actor has in another world or in the same.
    fn over_holders(&self, node: &NodeName, by: &Desk<'_, '_>, change: Change) -> Result<Grounds, Refusal> {
        let mut case: Option<Case<'_>> = None;
        let mut judged: Vec<Binding> = Vec::new();
        for binding in self.view.bindings_at(node).filter(|binding| binding.expires.is_none_or(|expires| expires > self.now)) {
            // Whoever holds it, the verdict is the same.
            if judged.iter().any(|known| is_same_but_for_whom(known, &binding)) {
                continue;
            }
            let case = match &mut case {
                Some(case) => case,
                none => none.insert(by.open(node, "")?),
            };
            match change {
                Change::Gain => case.may_pass_on(&binding, None)?,
                Change::Loss => case.may_revoke(&binding)?,
            }
            judged.push(binding);
        }
        Ok(case.map(Case::grounds).unwrap_or_default())
    }

    /// What the mover has in the world with the node moved and not in the present one: at the node, and where something is held below it. What
    /// lies between has nothing of its own that could differ.
    fn gained_by_move(&self, mover: &UserName, node: &NodeName, moved: &View) -> BTreeSet<String> {
        let slots = |view: &View| view.user_id(mover).map(|id| (id, view.node_id(node.as_str())));
        let Some((user, Some(id))) = slots(self.view) else { return BTreeSet::new() };
        let (Some(slot_before), Some(slot_after)) = (self.view.user_slot(user), moved.user_slot(user)) else { return BTreeSet::new() };
        let (before, after) = (Subject::of(self.view, slot_before), Subject::of(moved, slot_after));
        let mut places: BTreeSet<NodeId> = after.sources.iter().flat_map(|(bindings, _)| bindings.keys().map(|(_, node)| *node)).collect();
        places.retain(|place| is_below(moved, *place, id));
        places.insert(id);
        let mut all = BTreeSet::new();
        for place in places {
            let Some(name) = moved.node_slot(place).map(|slot| &slot.name) else { continue };
            let in_world = |view| Question::open(view, name, no_attributes(), self.now).ok().flatten();
            // Where the type is unknown, nothing is held.
            let (Some(had), Some(has)) = (in_world(self.view), in_world(moved)) else { continue };
            all.extend(gained(&Holding { question: &had, subject: &before }, &Holding { question: &has, subject: &after }));
        }
        all
    }

    /// Whoever holds something at the node or below it gets it back. What the actor has is measured without what they would get back
    /// themselves, by whatever way.
    pub(super) fn restore_node(&self, to: &Node) -> Result<Grounds, Refusal> {
        let below = self.inside(&to.name);
        let mut restored = with(self.view, to);
        if let Actor::User(name) = self.actor {
            let theirs = self.bindings_reaching(name).into_iter().filter(|binding| below.contains(&binding.node));
            theirs.for_each(|binding| restored.apply(binding.name.as_str(), None));
        }
        let desk = Desk { view: &restored, ..*self };
        let mut case = desk.open(&to.name, "")?;
        if self.view.node(&to.name).is_none() {
            return Err(Refusal::NotFound { name: to.name.to_string() });
        }
        for node in &below {
            case.rest_on(self.over_holders(node, &desk, Change::Gain)?);
        }
        Ok(case.grounds())
    }

    /// A node and what is registered below it in its organization. What is below one that was deleted by itself stays closed with that.
    fn inside(&self, node: &NodeName) -> Vec<NodeName> {
        let organization = node.organization();
        let mut found = vec![node.clone()];
        let mut at = 0;
        while let Some(name) = found.get(at).cloned() {
            at += 1;
            let children = self.view.children(&name).filter(|child| child.state != NodeState::Deleted);
            found.extend(children.map(|child| child.name.clone()).filter(|child| child.organization() == organization));
        }
        found
    }

    fn bindings_reaching(&self, user: &UserName) -> Vec<Binding> {
        let slot = self.view.user_id(user).and_then(|id| self.view.user_slot(id));
        let subject = slot.map(|slot| Subject::of(self.view, slot));
        let sources = subject.iter().flat_map(|subject| &subject.sources);
        let bindings = sources.flat_map(|(bindings, _)| bindings.values()).flat_map(|list| list.iter());
        bindings.filter_map(|bound| self.view.binding_of(bound)).collect()
    }
}

fn with(view: &View, node: &Node) -> View {
    let mut view = view.clone();
    view.apply(node.name.as_str(), Some(Record::Node(node.clone())));
    view
}

fn is_below(view: &View, place: NodeId, node: NodeId) -> bool {
    view.node_slot(place).is_some_and(|slot| Path::of(view, &slot.name).steps().iter().any(|step| step.id == Some(node)))
}

fn is_same_but_for_whom(one: &Binding, other: &Binding) -> bool {
    let what = |binding: &Binding| Binding { name: other.name.clone(), principal: other.principal.clone(), ..binding.clone() };
    what(one) == *other
}
