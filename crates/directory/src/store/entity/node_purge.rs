//! Deleted nodes that are still to be purged. A row goes when its node is undeleted, or when nothing hangs on it any more.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "node_purge")]
pub struct Model {
    /// `organizations/acme/accounts/a1`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub node: String,
    /// From when on it is purged.
    pub purge_time: DateTimeUtc,
    /// Something is purged already, so nothing brings it back.
    pub begun: bool,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
