//! The feed's records as the records that decisions are made from, and back. The only place that knows both.
//!
//! Strict: what cannot be read is an error, because a record left out silently may be a revocation.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    document::{from_json, to_json},
    feed::v1::{
        self as feed, ComponentLevels, ComponentSet, CustomRoleState, GroupEdgeState, MemberState, NodeState, PartnershipState,
        RoleBindingState, RoleModelRevisionState, UserSet, UserState, node_state::Lifecycle, record::State,
    },
    rolecatalog::v1::{RoleModelDocument, role_model_document as model},
};
use decision::{
    document::{ConditionUse, Document, Grant, Level},
    name::{
        BindingName, GroupName, MalformedName, MemberName, NodeKind, NodeName, PartnershipName, Principal, RoleName, RoleOwner, Sponsor,
        UserName, is_id,
    },
    record::{
        self, Binding, CustomRole, GroupEdge, GroupMember, Member, ModelRevision, Node, OrganizationKind, Partnership, Record, Timestamp,
        User, Value,
    },
};
use serde::{Serialize, de::DeserializeOwned};

/// The version of this reader. A record that says `skippable_from` a later one must not be passed over: it holds something that
/// decisions here would lack.
pub const READER_VERSION: u32 = 1;

/// What a record of the feed says.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The state of the thing with this key.
    Put(Box<Record>),
    /// It is gone.
    Gone,
    /// Something that this reader does not know, and may pass over.
    Skip,
}

/// A record that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record `{key}`: {problem}")]
pub struct Malformed {
    /// Its key, as it came.
    pub key: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A name is not one.
    #[error("{0}")]
    Name(#[from] MalformedName),
    /// Only a later reader may leave it out.
    #[error("readers before version {0} cannot follow this feed; upgrade")]
    TooNew(u32),
    /// A field's value is not of its form.
    #[error("`{field}` is {problem}")]
    Field {
        /// Its path in the state.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

fn field(field: &'static str, problem: impl Into<String>) -> Problem {
    Problem::Field { field, problem: problem.into() }
}

/// Reads a record.
pub fn read(message: feed::Record) -> Result<Change, Malformed> {
    let feed::Record { key, skippable_from, state } = message;
    if skippable_from > READER_VERSION {
        return Err(Malformed { key, problem: Problem::TooNew(skippable_from) });
    }
    let Some(state) = state else {
        // A state that is not known here arrives as none; only such a record says from when on it may be skipped.
        return Ok(if skippable_from == 0 { Change::Gone } else { Change::Skip });
    };
    match read_state(&key, state) {
        Ok(record) => Ok(Change::Put(Box::new(record))),
        Err(problem) => Err(Malformed { key, problem }),
    }
}

fn read_state(key: &str, state: State) -> Result<Record, Problem> {
    Ok(match state {
        State::Node(state) => Record::Node(read_node(NodeName::parse(key)?, state)?),
        State::User(state) => Record::User(read_user(UserName::parse(key)?, &state)?),
        State::Member(MemberState { suspended }) => Record::Member(Member { name: MemberName::parse(key)?, suspended }),
        State::GroupEdge(state) => {
            let edge = Record::GroupEdge(read_group_edge(&state)?);
            if edge.key() != key {
                return Err(field("group_edge", "of another key"));
            }
            edge
        }
        State::Partnership(state) => Record::Partnership(read_partnership(PartnershipName::parse(key)?, state)?),
        State::RoleBinding(state) => Record::Binding(read_binding(BindingName::parse(key)?, state)?),
        State::CustomRole(state) => Record::CustomRole(read_custom_role(RoleName::parse(key)?, state)?),
        State::RoleModelRevision(state) => Record::ModelRevision(read_model_revision(key, state)?),
    })
}

fn read_user(name: UserName, state: &UserState) -> Result<User, Problem> {
    let confined_to = if state.managed_by.is_empty() { None } else { Some(NodeName::parse(&state.managed_by)?) };
    if confined_to.as_ref().is_some_and(|home| home.kind() != NodeKind::Organization) {
        return Err(field("managed_by", "no organization"));
    }
    Ok(User { name, suspended: state.suspended, confined_to })
}

fn read_node(name: NodeName, state: NodeState) -> Result<Node, Problem> {
    let parent = if state.parent.is_empty() { None } else { Some(NodeName::parse(&state.parent)?) };
    if parent.as_ref().is_some_and(|parent| !parent.is_container()) {
        return Err(field("parent", "no container"));
    }
    let kind = match state.kind.as_str() {
        "marketer" => OrganizationKind::Marketer,
        "publisher" => OrganizationKind::Publisher,
        "mixed" => OrganizationKind::Mixed,
        "" if name.kind() != NodeKind::Organization => OrganizationKind::default(),
        _ => return Err(field("kind", "not `marketer`, `publisher` or `mixed`")),
    };
    let lifecycle = match Lifecycle::try_from(state.lifecycle) {
        Ok(Lifecycle::Active) => record::NodeState::Active,
        Ok(Lifecycle::Suspended) => record::NodeState::Suspended,
        Ok(Lifecycle::Deleted) => record::NodeState::Deleted,
        Ok(Lifecycle::Unspecified) | Err(_) => return Err(field("lifecycle", "not a known state")),
    };
    let model = match (state.role_model, state.role_model_revision) {
        (model, 0) if model.is_empty() => None,
        (model, revision) if is_id(&model) && revision > 0 => Some((model, revision)),
        _ => return Err(field("role_model", "not an id with a revision")),
    };
    Ok(Node {
        name,
        parent,
        state: lifecycle,
        paused: state.paused,
        kind,
        model,
        ceiling: state.ceiling.map(|ceiling| ceiling.components.into_iter().collect()),
        attributes: read_values(&state.attributes).map_err(|attribute| field("attributes", format!("not a value at `{attribute}`")))?,
    })
}

/// Reads an edge of a group.
pub fn read_group_edge(state: &GroupEdgeState) -> Result<GroupEdge, Problem> {
    let member = match UserName::parse(&state.member) {
        Ok(user) => GroupMember::User(user),
        Err(_) => GroupMember::Group(
            GroupName::parse(&state.member)
                .map_err(|_| field("member", "neither a user like `users/ann` nor a group like `organizations/acme/groups/buyers`"))?,
        ),
    };
    Ok(GroupEdge { group: GroupName::parse(&state.group)?, member })
}

fn read_partnership(name: PartnershipName, state: PartnershipState) -> Result<Partnership, Problem> {
    Ok(Partnership {
        name,
        partner: read_organization("partner", &state.partner)?,
        node: NodeName::parse(&state.node)?,
        roles: state.roles.iter().map(|role| RoleName::parse(role)).collect::<Result<_, _>>()?,
        components: state.components.map(read_components).transpose()?,
        users: state
            .users
            .map(|users| users.users.iter().map(|user| UserName::parse(user)).collect::<Result<BTreeSet<_>, _>>())
            .transpose()?,
        expires: state.expire_time.map(read_time).transpose()?,
        accepted: state.accepted,
    })
}

/// Reads a role binding under the name that it has or shall have.
pub fn read_binding(name: BindingName, state: RoleBindingState) -> Result<Binding, Problem> {
    Ok(Binding {
        name,
        principal: Principal::parse(&state.principal)?,
        role: RoleName::parse(&state.role)?,
        node: NodeName::parse(&state.node)?,
        components: state.components.map(read_components).transpose()?,
        condition: state.condition.map(|used| translate::<_, ConditionUse>("condition", &used)).transpose()?,
        expires: state.expire_time.map(read_time).transpose()?,
        sponsor: if state.sponsor.is_empty() { None } else { Some(Sponsor::parse(&state.sponsor)?) },
    })
}

fn read_custom_role(name: RoleName, state: CustomRoleState) -> Result<CustomRole, Problem> {
    if matches!(name.owner(), RoleOwner::Model(_)) {
        return Err(field("custom_role", "under the name of a system role"));
    }
    let grants = state.grants.iter().map(|grant| translate::<_, Grant>("grants", grant)).collect::<Result<_, _>>()?;
    Ok(CustomRole { name, held_at: state.held_at, grants })
}

fn read_model_revision(key: &str, state: RoleModelRevisionState) -> Result<ModelRevision, Problem> {
    let (model, revision) = key
        .strip_prefix("roleModels/")
        .and_then(|rest| rest.split_once("/revisions/"))
        .and_then(|(model, revision)| Some((model, revision.parse::<u32>().ok()?)))
        .filter(|(model, revision)| is_id(model) && key == format!("roleModels/{model}/revisions/{revision}") && *revision > 0)
        .ok_or_else(|| field("key", "not one like `roleModels/ad-platform/revisions/3`"))?;
    let document = read_document(&state.document.ok_or_else(|| field("document", "missing"))?)?;
    if document.model != model {
        return Err(field("document.model", "of another key"));
    }
    Ok(ModelRevision { model: model.to_owned(), revision, document })
}

/// Reads a role model's document. Says nothing of whether it makes sense: `decision::validate` does.
pub fn read_document(message: &RoleModelDocument) -> Result<Document, Problem> {
    translate("document", message)
}

/// The messages of the role model are written as the document is, under the same field names.
fn translate<F: Serialize, T: DeserializeOwned>(path: &'static str, from: &F) -> Result<T, Problem> {
    serde_json::to_value(from).and_then(serde_json::from_value).map_err(|error| field(path, format!("not readable: {error}")))
}

fn read_organization(path: &'static str, text: &str) -> Result<NodeName, Problem> {
    let name = NodeName::parse(text)?;
    if name.kind() == NodeKind::Organization { Ok(name) } else { Err(field(path, "no organization")) }
}

fn read_components(message: ComponentLevels) -> Result<BTreeMap<String, Level>, Problem> {
    message
        .levels
        .into_iter()
        .map(|(component, level)| match level.as_str() {
            "none" => Ok((component, Level::None)),
            "view" => Ok((component, Level::View)),
            "edit" => Ok((component, Level::Edit)),
            _ => Err(field("components", format!("no level at `{component}`: use `none`, `view` or `edit`"))),
        })
        .collect()
}

fn read_time(time: prost_types::Timestamp) -> Result<Timestamp, Problem> {
    let micros = time.seconds.checked_mul(1_000_000).and_then(|micros| micros.checked_add(i64::from(time.nanos).div_euclid(1_000)));
    micros.map(Timestamp).ok_or_else(|| field("expire_time", "beyond any time"))
}

/// A protobuf value as an attribute's value: text, a flag, a whole number or a list of text. `None` for anything else.
pub fn read_value(value: &prost_types::Value) -> Option<Value> {
    match to_json(value) {
        serde_json::Value::String(text) => Some(Value::String(text)),
        serde_json::Value::Bool(flag) => Some(Value::Bool(flag)),
        serde_json::Value::Number(number) => number.as_i64().map(Value::Int),
        serde_json::Value::Array(values) => {
            let texts = values.into_iter().map(|value| if let serde_json::Value::String(text) = value { Some(text) } else { None });
            texts.collect::<Option<_>>().map(Value::StringList)
        }
        serde_json::Value::Null | serde_json::Value::Object(_) => None,
    }
}

/// Attributes by id; the error is the id of the first whose value is none.
pub fn read_values(values: &BTreeMap<String, prost_types::Value>) -> Result<BTreeMap<String, Value>, String> {
    values.iter().map(|(id, value)| read_value(value).map(|value| (id.clone(), value)).ok_or_else(|| id.clone())).collect()
}

/// Writes a record as the feed has it. An error only for a document that the contract's message cannot hold.
pub fn write(record: &Record) -> Result<feed::Record, Malformed> {
    let state = match record {
        Record::Node(node) => State::Node(write_node(node)),
        Record::User(user) => State::User(UserState {
            suspended: user.suspended,
            managed_by: user.confined_to.as_ref().map(ToString::to_string).unwrap_or_default(),
        }),
        Record::Member(member) => State::Member(MemberState { suspended: member.suspended }),
        Record::GroupEdge(edge) => State::GroupEdge(GroupEdgeState {
            group: edge.group.to_string(),
            member: match &edge.member {
                GroupMember::User(user) => user.to_string(),
                GroupMember::Group(group) => group.to_string(),
            },
        }),
        Record::Partnership(partnership) => State::Partnership(write_partnership(partnership)),
        Record::Binding(binding) => State::RoleBinding(write_binding(binding)),
        Record::CustomRole(role) => State::CustomRole(CustomRoleState {
            held_at: role.held_at.clone(),
            grants: role
                .grants
                .iter()
                .map(|grant| translate::<_, model::Grant>("grants", grant))
                .collect::<Result<_, _>>()
                .map_err(|problem| Malformed { key: record.key(), problem })?,
        }),
        Record::ModelRevision(revision) => State::RoleModelRevision(RoleModelRevisionState {
            document: Some(write_document(&revision.document).map_err(|problem| Malformed { key: record.key(), problem })?),
        }),
    };
    Ok(feed::Record { key: record.key(), skippable_from: 0, state: Some(state) })
}

/// That the thing with this key is gone.
pub fn tombstone(key: impl Into<String>) -> feed::Record {
    feed::Record { key: key.into(), skippable_from: 0, state: None }
}

/// Writes a role model's document.
pub fn write_document(document: &Document) -> Result<RoleModelDocument, Problem> {
    translate("document", document)
}

fn write_node(node: &Node) -> NodeState {
    let (role_model, role_model_revision) = node.model.clone().unwrap_or_default();
    let lifecycle = match node.state {
        record::NodeState::Active => Lifecycle::Active,
        record::NodeState::Suspended => Lifecycle::Suspended,
        record::NodeState::Deleted => Lifecycle::Deleted,
    };
    NodeState {
        parent: node.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        lifecycle: lifecycle.into(),
        paused: node.paused,
        kind: if node.name.kind() == NodeKind::Organization { node.kind.as_str().to_owned() } else { String::new() },
        role_model,
        role_model_revision,
        ceiling: node.ceiling.as_ref().map(|components| ComponentSet { components: components.iter().cloned().collect() }),
        attributes: node.attributes.iter().map(|(id, value)| (id.clone(), write_value(value))).collect(),
    }
}

fn write_partnership(partnership: &Partnership) -> PartnershipState {
    PartnershipState {
        partner: partnership.partner.to_string(),
        node: partnership.node.to_string(),
        roles: partnership.roles.iter().map(ToString::to_string).collect(),
        components: partnership.components.as_ref().map(write_components),
        users: partnership.users.as_ref().map(|users| UserSet { users: users.iter().map(ToString::to_string).collect() }),
        expire_time: partnership.expires.map(write_time),
        accepted: partnership.accepted,
    }
}

/// Writes a role binding.
pub fn write_binding(binding: &Binding) -> RoleBindingState {
    RoleBindingState {
        principal: binding.principal.to_string(),
        role: binding.role.to_string(),
        node: binding.node.to_string(),
        components: binding.components.as_ref().map(write_components),
        condition: binding.condition.as_ref().map(|used| model::ConditionUse {
            id: used.id.clone(),
            params: used.params.iter().map(|(id, value)| (id.clone(), from_json(value))).collect(),
        }),
        expire_time: binding.expires.map(write_time),
        sponsor: binding.sponsor.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Writes a component map.
pub fn write_components(components: &BTreeMap<String, Level>) -> ComponentLevels {
    let word = |level: &Level| match level {
        Level::None => "none",
        Level::View => "view",
        Level::Edit => "edit",
    };
    ComponentLevels { levels: components.iter().map(|(component, level)| (component.clone(), word(level).to_owned())).collect() }
}

/// Writes a time.
pub fn write_time(time: Timestamp) -> prost_types::Timestamp {
    // Less than 10^9: it fits.
    let nanos = (time.0.rem_euclid(1_000_000) * 1_000) as i32;
    prost_types::Timestamp { seconds: time.0.div_euclid(1_000_000), nanos }
}

fn write_value(value: &Value) -> prost_types::Value {
    from_json(&match value {
        Value::String(text) => text.as_str().into(),
        Value::Bool(flag) => (*flag).into(),
        Value::Int(number) => (*number).into(),
        Value::StringList(texts) => texts.clone().into(),
    })
}
