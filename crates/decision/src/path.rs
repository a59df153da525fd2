//! The path of a node: itself and what is above it, up to the root of its tree (Readings 2, 3 and 16).

use std::sync::Arc;

use smallvec::SmallVec;

use crate::{
    model::{ACCOUNT, ORGANIZATION, RoleModel, TypeIndex, WORKSPACE},
    name::{NodeKind, NodeName},
    record::{Node, NodeState},
    slot::{Installed, NodeId, NodeSlot},
    view::View,
};

/// The state of a node on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepState {
    /// In use; also a leaf that is not registered.
    Active,
    /// A container that is not registered.
    Unknown,
    Suspended,
    Deleted,
}

/// One node of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// `None` for a name that no record mentions.
    pub(crate) id: Option<NodeId>,
    /// The organization that it is in; `None` for one that no record mentions.
    pub(crate) organization: Option<NodeId>,
    pub(crate) state: StepState,
    // A leaf's is `None`: it depends on the model.
    container: Option<TypeIndex>,
}

/// A node's path, itself first.
#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub(crate) name: NodeName,
    steps: SmallVec<[Step; 8]>,
    complete: bool,
    // Everything up to here (exclusive) is void: the first step above every one that is not active.
    void_until: usize,
}

impl Path {
    pub(crate) fn of(view: &View, name: &NodeName) -> Self {
        let text = name.as_str();
        let mut slashes = text.match_indices('/').map(|(at, _)| at);
        let organization_end = slashes.nth(1).unwrap_or(text.len());
        let organization = view.node_id(&text[..organization_end]);
        let mut steps = SmallVec::new();
        let (container, kind) = match name.kind() {
            NodeKind::Leaf { .. } => {
                let id = view.node_id(text);
                steps.push(Step { id, organization, state: state(record(view, id), StepState::Active), container: None });
                let end = text.rmatch_indices('/').nth(1).map_or(text.len(), |(at, _)| at);
                let kind = match text[..end].split('/').nth(2) {
                    None => ORGANIZATION,
                    Some("workspaces") => WORKSPACE,
                    Some(_) => ACCOUNT,
                };
                (&text[..end], kind)
            }
            NodeKind::Organization => (text, ORGANIZATION),
            NodeKind::Workspace => (text, WORKSPACE),
            NodeKind::Account => (text, ACCOUNT),
        };
        let mut next = view.node_id(container);
        if next.is_none() {
            steps.push(Step { id: None, organization, state: StepState::Unknown, container: Some(kind) });
            if kind != ORGANIZATION {
                next = organization;
            }
        }
        let complete = climb(view, next, organization, &mut steps);
        let void_until =
            if complete { steps.iter().rposition(|step| step.state != StepState::Active).map_or(0, |at| at + 1) } else { steps.len() };
        Self { name: name.clone(), steps, complete, void_until }
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it leads to the root of a tree.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether what is held here gives nothing: this node, or one above it, is deleted, suspended or unknown.
    pub(crate) fn is_void(&self, at: usize) -> bool {
        at < self.void_until
    }

    /// The nearest node from here on that makes what is held here give nothing.
    pub(crate) fn closed_at(&self, at: usize) -> Option<usize> {
        (at..self.steps.len()).find(|at| self.steps[*at].state != StepState::Active)
    }

    pub(crate) fn slot<'v>(&self, view: &'v View, at: usize) -> Option<&'v NodeSlot> {
        view.node_slot(self.steps.get(at)?.id?)
    }

    pub(crate) fn record<'v>(&self, view: &'v View, at: usize) -> Option<&'v Arc<Node>> {
        self.slot(view, at)?.record.as_ref()
    }

    /// The name of a node on it.
    pub(crate) fn name_at(&self, view: &View, at: usize) -> NodeName {
        match self.slot(view, at) {
            Some(slot) => slot.name.clone(),
            // Only the node itself, its container and its organization can be unmentioned.
            None if at == 0 => self.name.clone(),
            None if at == 1 => self.name.leaf_parent().unwrap_or_else(|| self.name.organization()),
            None => self.name.organization(),
        }
    }

    pub(crate) fn names(&self, view: &View) -> Vec<NodeName> {
        (0..self.len()).map(|at| self.name_at(view, at)).collect()
    }

    /// The type of a node on it; `None` for a leaf that the model has no type for.
    pub(crate) fn type_at(&self, model: &RoleModel, at: usize) -> Option<TypeIndex> {
        self.steps.get(at)?.container.or_else(|| model.type_of(&self.name))
    }

    /// Where the organization stands that the node itself is in.
    pub(crate) fn own_organization(&self) -> usize {
        self.steps.iter().position(|step| step.container == Some(ORGANIZATION)).unwrap_or(self.steps.len().saturating_sub(1))
    }

    pub(crate) fn same_organization(&self, a: usize, b: usize) -> bool {
        self.steps[a].organization == self.steps[b].organization
    }

    /// Whether the organization standing there is one without a parent.
    pub(crate) fn is_root(&self, at: usize) -> bool {
        self.complete && at + 1 == self.steps.len()
    }

    pub(crate) fn root<'v>(&self, view: &'v View) -> Option<&'v NodeSlot> {
        if self.complete { self.slot(view, self.steps.len() - 1) } else { None }
    }

    /// The revision that its tree is pinned to.
    pub(crate) fn installed<'v>(&self, view: &'v View) -> Option<&'v Arc<Installed>> {
        let (model, revision) = self.root(view)?.record.as_ref()?.model.as_ref()?;
        view.installed(model, *revision)
    }
}

fn record(view: &View, id: Option<NodeId>) -> Option<&Arc<Node>> {
    view.node_slot(id?)?.record.as_ref()
}

fn state(record: Option<&Arc<Node>>, unregistered: StepState) -> StepState {
    match record.map(|node| node.state) {
        None => unregistered,
        Some(NodeState::Active) => StepState::Active,
        Some(NodeState::Suspended) => StepState::Suspended,
        Some(NodeState::Deleted) => StepState::Deleted,
    }
}

/// Follows parents to the root; false where that does not lead to one.
fn climb(view: &View, mut next: Option<NodeId>, own: Option<NodeId>, steps: &mut SmallVec<[Step; 8]>) -> bool {
    while let Some(id) = next {
        let Some(slot) = view.node_slot(id) else { return false };
        if steps.iter().any(|step| step.id == Some(id)) {
            return false;
        }
        let kind = match slot.name.kind() {
            NodeKind::Organization => ORGANIZATION,
            NodeKind::Workspace => WORKSPACE,
            NodeKind::Account | NodeKind::Leaf { .. } => ACCOUNT,
        };
        let state = state(slot.record.as_ref(), StepState::Unknown);
        steps.push(Step { id: Some(id), organization: Some(slot.organization), state, container: Some(kind) });
        if state == StepState::Unknown && (kind == ORGANIZATION || own != Some(slot.organization)) {
            return false;
        }
        if kind == ORGANIZATION && slot.parent.is_none() {
            return true;
        }
        next = slot.parent;
    }
    false
}
