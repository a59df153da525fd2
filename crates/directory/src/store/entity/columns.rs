//! What is kept as JSON in one column.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::FromJsonQueryResult;
use serde::{Deserialize, Serialize};

/// A set of ids or names: an array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Names(pub BTreeSet<String>);

/// Components, each with its level (`none`, `view`, `edit`): an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Levels(pub BTreeMap<String, String>);

/// Values of attributes by their ids: an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Attributes(pub BTreeMap<String, serde_json::Value>);

/// The use of a condition of the role model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Condition {
    /// The condition's id.
    pub id: String,
    /// A value for each of its parameters.
    #[serde(default)]
    pub params: BTreeMap<String, serde_json::Value>,
}
