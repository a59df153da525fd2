//! The world with what is about to be created in it, or with anything else otherwise than it is.

use std::collections::BTreeSet;

use api::feed::v1::{Record as Message, record::State};
use decision::{
    document::{AttributeSource, ValueType},
    name::{NodeKind, NodeName, UserName},
    record::{Node, Record, Value},
    view::View,
};
use replica::wire::{self, Change};

/// Why it cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("{problem}")]
    Malformed { index: usize, problem: String },
    #[error("role model `{model}` is not known; publish it first, or name another")]
    UnknownModel { index: usize, model: String },
    #[error("role model `{model}` has no collection `{collection}` under a node like the parent of `{node}`")]
    UnknownCollection { collection: String, node: NodeName, model: String },
    #[error("attribute `{attribute}` is not one that is stored with a {node_type}")]
    UnknownAttribute { attribute: String, node_type: String },
    #[error("attribute `{attribute}` must be of type {expected}")]
    AttributeType { attribute: String, expected: &'static str },
    #[error("role model `{model}` has no component `{component}` that a ceiling can bound")]
    UnknownComponent { component: String, model: String },
    #[error("`{user}` is the name of the platform itself; choose another")]
    PlatformsName { user: UserName },
}

/// A view that holds more than the replica's.
#[derive(Debug)]
pub(crate) struct Assumed {
    pub(crate) view: View,
    /// What the choice of a role model's latest revision rests on.
    pub(crate) trees: BTreeSet<String>,
    nodes: Vec<Node>,
    users: Vec<UserName>,
}

/// The view as if the records were in it: what is about to be created. A root that names a role model without a revision gets the latest.
pub(crate) fn assume(present: &View, records: Vec<Message>) -> Result<Assumed, Unfit> {
    if let Some((index, record)) = records.iter().enumerate().find(|(_, record)| record.state.is_none()) {
        return Err(Unfit::Malformed { index, problem: format!("record `{}` has no state", record.key) });
    }
    suppose(present, records)
}

/// The same where things may also be gone: records without a state.
pub(crate) fn suppose(present: &View, records: Vec<Message>) -> Result<Assumed, Unfit> {
    let mut assumed = Assumed { view: present.clone(), trees: BTreeSet::new(), nodes: Vec::new(), users: Vec::new() };
    for (index, mut message) in records.into_iter().enumerate() {
        pin_latest(present, index, &mut message, &mut assumed.trees)?;
        let key = message.key.clone();
        let record = match wire::read(message) {
            Ok(Change::Put(record)) => *record,
            Ok(Change::Gone) => {
                assumed.view.apply(&key, None);
                continue;
            }
            Ok(Change::Skip) => {
                return Err(Unfit::Malformed { index, problem: format!("record `{key}` has a state that is not known here") });
            }
            Err(malformed) => return Err(Unfit::Malformed { index, problem: malformed.to_string() }),
        };
        if let Record::Node(node) = &record {
            if let Some((model, revision)) = &node.model
                && present.model(model, *revision).is_none()
            {
                return Err(Unfit::UnknownModel { index, model: model.clone() });
            }
            assumed.nodes.push(node.clone());
        }
        if let Record::User(user) = &record {
            assumed.users.push(user.name.clone());
        }
        assumed.view.apply(&key, Some(record));
    }
    Ok(assumed)
}

impl Assumed {
    /// Whether the nodes are such as their trees' role models have, and no user has the platform's name. To be asked only once the actor is
    /// known to be allowed: it tells of the tree.
    pub(crate) fn fits(&self, platform: &UserName) -> Result<(), Unfit> {
        if let Some(user) = self.users.iter().find(|user| *user == platform) {
            return Err(Unfit::PlatformsName { user: user.clone() });
        }
        self.nodes.iter().try_for_each(|node| fits(&self.view, node))
    }
}

fn pin_latest(present: &View, index: usize, message: &mut Message, trees: &mut BTreeSet<String>) -> Result<(), Unfit> {
    let Some(State::Node(node)) = &mut message.state else { return Ok(()) };
    if node.role_model.is_empty() || node.role_model_revision != 0 {
        return Ok(());
    }
    let latest = present.latest_models().find(|(model, ..)| *model == node.role_model);
    let (_, revision, _) = latest.ok_or_else(|| Unfit::UnknownModel { index, model: node.role_model.clone() })?;
    node.role_model_revision = revision;
    trees.insert(format!("roleModels/{}", node.role_model));
    Ok(())
}

fn fits(view: &View, node: &Node) -> Result<(), Unfit> {
    // In no tree that is known: whatever is asked about it is refused for that.
    let Some(pinned) = view.model_of(&node.name) else { return Ok(()) };
    let Some(node_type) = pinned.model.type_of(&node.name).and_then(|index| pinned.model.node_type(index)) else {
        let collection = if let NodeKind::Leaf { collection } = node.name.kind() { collection } else { "" };
        return Err(Unfit::UnknownCollection {
            collection: collection.to_owned(),
            node: node.name.clone(),
            model: pinned.model.id().to_owned(),
        });
    };
    let is_bounded = |id: &&String| {
        let component = pinned.model.component(id).and_then(|index| pinned.model.components().get(usize::from(index)));
        component.is_some_and(|component| !component.reserved)
    };
    if let Some(component) = node.ceiling.iter().flatten().find(|id| !is_bounded(id)) {
        return Err(Unfit::UnknownComponent { component: component.clone(), model: pinned.model.id().to_owned() });
    }
    for (attribute, value) in &node.attributes {
        match node_type.attributes.get(attribute) {
            Some((declared, AttributeSource::Stored)) => {
                if !is_of(value, *declared) {
                    return Err(Unfit::AttributeType { attribute: attribute.clone(), expected: word(*declared) });
                }
            }
            Some((_, AttributeSource::Request)) | None => {
                return Err(Unfit::UnknownAttribute { attribute: attribute.clone(), node_type: node_type.id.clone() });
            }
        }
    }
    Ok(())
}

fn is_of(value: &Value, declared: ValueType) -> bool {
    match value {
        Value::String(_) => declared == ValueType::String,
        Value::Bool(_) => declared == ValueType::Bool,
        Value::Int(_) => declared == ValueType::Int,
        Value::StringList(_) => declared == ValueType::StringList,
    }
}

fn word(declared: ValueType) -> &'static str {
    match declared {
        ValueType::String => "string",
        ValueType::Bool => "bool",
        ValueType::Int => "int",
        ValueType::StringList => "string_list",
    }
}
