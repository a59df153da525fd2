//! What decisions are made from, as records of the feed: ids and states, no names and no e-mail addresses.

use std::collections::BTreeSet;

use api::{
    document::from_json,
    feed::v1::{
        ComponentLevels, ComponentSet, GroupEdgeState, MemberState, NodeState, PartnershipState, Record, RoleBindingState, UserSet,
        UserState, node_state::Lifecycle, record::State,
    },
    rolecatalog::v1::role_model_document::ConditionUse,
};
use decision::name::{NodeName, RoleName, UserName};
use service::fields::timestamp;

use crate::{
    account::Account,
    group::{Edge, member_text},
    member::Member,
    organization::Organization,
    partnership::Partnership,
    resource::Resource,
    role_binding::{Assignment, ComponentMap, Condition, RoleBinding},
    user::User,
    workspace::Workspace,
};

/// All of these states are known to readers since the first version: one that does not know them must not go on without.
const SKIPPABLE_FROM: u32 = 1;

fn record(key: impl ToString, state: State) -> Record {
    Record { key: key.to_string(), skippable_from: SKIPPABLE_FROM, state: Some(state) }
}

fn lifecycle(deleted: bool, suspended: bool) -> i32 {
    match (deleted, suspended) {
        (true, _) => Lifecycle::Deleted,
        (false, true) => Lifecycle::Suspended,
        (false, false) => Lifecycle::Active,
    }
    .into()
}

fn ceiling(components: Option<&BTreeSet<String>>) -> Option<ComponentSet> {
    components.map(|components| ComponentSet { components: components.iter().cloned().collect() })
}

/// An organization.
pub(crate) fn organization(organization: &Organization) -> Record {
    let mut state = NodeState {
        parent: organization.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        lifecycle: lifecycle(organization.deleted, organization.suspended),
        kind: organization.kind.as_str().to_owned(),
        ceiling: ceiling(organization.ceiling.as_ref()),
        ..NodeState::default()
    };
    if organization.parent.is_none() {
        state.role_model.clone_from(&organization.pinned.model);
        state.role_model_revision = organization.pinned.revision;
    }
    record(&organization.name, State::Node(state))
}

/// A workspace.
pub(crate) fn workspace(workspace: &Workspace) -> Record {
    let state = NodeState {
        parent: workspace.name.organization().to_string(),
        lifecycle: lifecycle(workspace.deleted, false),
        ceiling: ceiling(workspace.ceiling.as_ref()),
        ..NodeState::default()
    };
    record(&workspace.name, State::Node(state))
}

/// An account.
pub(crate) fn account(account: &Account) -> Record {
    let state = NodeState {
        parent: account.parent().to_string(),
        lifecycle: lifecycle(account.deleted, false),
        paused: account.paused,
        ceiling: ceiling(account.ceiling.as_ref()),
        ..NodeState::default()
    };
    record(&account.name, State::Node(state))
}

/// A registered resource.
pub(crate) fn resource(resource: &Resource) -> Record {
    let state = NodeState {
        lifecycle: lifecycle(resource.deleted, false),
        attributes: resource.attributes.iter().map(|(id, value)| (id.clone(), from_json(value))).collect(),
        ..NodeState::default()
    };
    record(&resource.name, State::Node(state))
}

/// A user who is not deleted; of a deleted one the key is deleted.
pub(crate) fn user(user: &User) -> Record {
    record(
        &user.name,
        State::User(UserState {
            suspended: user.suspended,
            managed_by: user.managed_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
    )
}

/// A membership.
pub(crate) fn member(member: &Member) -> Record {
    record(&member.name, State::Member(MemberState { suspended: member.suspended }))
}

/// That somebody is in a group.
pub(crate) fn group_edge(edge: &Edge) -> Record {
    let state = GroupEdgeState { group: edge.group.to_string(), member: member_text(&edge.member).to_owned() };
    record(edge.key(), State::GroupEdge(state))
}

/// A partnership.
pub(crate) fn partnership(partnership: &Partnership) -> Record {
    let allows = &partnership.allows;
    let state = PartnershipState {
        partner: partnership.partner.to_string(),
        node: partnership.node.to_string(),
        roles: allows.roles.iter().map(RoleName::to_string).collect(),
        components: allows.components.as_ref().map(levels),
        users: allows.users.as_ref().map(|users| UserSet { users: users.iter().map(UserName::to_string).collect() }),
        expire_time: allows.expire_time.and_then(timestamp),
        accepted: partnership.accepted,
    };
    record(&partnership.name, State::Partnership(state))
}

/// A role binding.
pub(crate) fn role_binding(binding: &RoleBinding) -> Record {
    record(&binding.name, State::RoleBinding(assignment(&binding.assigned)))
}

/// What a role binding gives: also what a permit is asked for.
pub(crate) fn assignment(assigned: &Assignment) -> RoleBindingState {
    RoleBindingState {
        principal: assigned.principal.to_string(),
        role: assigned.role.to_string(),
        node: assigned.node.to_string(),
        components: assigned.components.as_ref().map(levels),
        condition: assigned.condition.as_ref().map(condition),
        expire_time: assigned.expire_time.and_then(timestamp),
        sponsor: assigned.sponsor.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

/// A component map.
pub(crate) fn levels(components: &ComponentMap) -> ComponentLevels {
    ComponentLevels { levels: components.iter().map(|(component, level)| (component.clone(), level.as_str().to_owned())).collect() }
}

/// The use of a condition.
pub(crate) fn condition(condition: &Condition) -> ConditionUse {
    let params = condition.params.iter().map(|(id, value)| (id.clone(), from_json(value))).collect();
    ConditionUse { id: condition.id.clone(), params }
}

/// A new root before its role model's revision is known: 0 stands for the latest, which the permit then tells.
pub(crate) fn root_to_be(name: &NodeName, kind: &str, model: &str) -> Record {
    let state = NodeState {
        lifecycle: Lifecycle::Active.into(),
        kind: kind.to_owned(),
        role_model: model.to_owned(),
        role_model_revision: 0,
        ..NodeState::default()
    };
    record(name, State::Node(state))
}

/// A new customer of a workspace.
pub(crate) fn customer_to_be(name: &NodeName, kind: &str, workspace: &NodeName) -> Record {
    let state =
        NodeState { parent: workspace.to_string(), lifecycle: Lifecycle::Active.into(), kind: kind.to_owned(), ..NodeState::default() };
    record(name, State::Node(state))
}
