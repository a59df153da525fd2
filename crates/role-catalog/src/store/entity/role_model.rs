//! Role models by their latest revisions: what lists show.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "role_model")]
pub(crate) struct Model {
    /// `ad-platform`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub model: String,
    /// The latest revision.
    pub latest: i64,
    /// Its title.
    pub title: String,
    /// When it was added.
    pub create_time: DateTimeUtc,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
