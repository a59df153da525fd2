//! Who is directly in which group.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "group_member")]
pub struct Model {
    /// The group.
    #[sea_orm(primary_key, auto_increment = false, column_name = "user_group")]
    pub group: String,
    /// A user or another group of the organization.
    #[sea_orm(primary_key, auto_increment = false)]
    pub member: String,
    /// The organization of the group.
    pub organization: String,
    /// When it was created.
    pub create_time: DateTimeUtc,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
