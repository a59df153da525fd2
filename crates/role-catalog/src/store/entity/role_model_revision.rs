//! Revisions of role models. Never changed, never deleted: trees are pinned to them.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "role_model_revision")]
pub(crate) struct Model {
    /// `ad-platform`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    /// 1, 2, 3, …
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    /// The document as JSON.
    pub document: String,
    /// When it was added.
    pub create_time: DateTimeUtc,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
