//! Names of what was deleted for real: never used again.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "retired_name")]
pub struct Model {
    /// `organizations/acme/roleBindings/b1`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
