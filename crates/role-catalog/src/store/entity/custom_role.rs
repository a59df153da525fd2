//! Custom roles. Rows stay when deleted, so that names are never used again.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "custom_role")]
pub(crate) struct Model {
    /// `organizations/acme/roles/buyer`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Its organization.
    pub organization: String,
    /// The type of node that it is held at.
    pub held_at: String,
    /// What people call it.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// What it gives: an array of grants as JSON.
    pub grants: String,
    /// It is deleted.
    pub deleted: bool,
    /// When it was created.
    pub create_time: DateTimeUtc,
    /// When it last changed.
    pub update_time: DateTimeUtc,
    /// Counts the changes of the row, from 1: its etag.
    pub version: i64,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
