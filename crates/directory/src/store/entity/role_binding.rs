//! Role bindings. Rows are deleted with them, their names retired.

use sea_orm::entity::prelude::*;

use super::columns::{Condition, Levels};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "role_binding")]
pub struct Model {
    /// `organizations/acme/roleBindings/b1`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Its organization.
    pub organization: String,
    /// `users/ann`, a group, an organization or `anyone`.
    pub principal: String,
    /// The role's name.
    pub role: String,
    /// The node's name.
    pub node: String,
    /// The component map; none: no map.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub components: Option<Levels>,
    /// Only if this condition of the role model holds.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub condition: Option<Condition>,
    /// Its end.
    pub expire_time: Option<DateTimeUtc>,
    /// A partnership or a workspace.
    pub sponsor: Option<String>,
    /// When it was created.
    pub create_time: DateTimeUtc,
    /// When it last changed.
    pub update_time: DateTimeUtc,
    /// Counts the changes of the row, from 1: its etag.
    pub version: i64,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
