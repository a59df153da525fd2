//! Registered leaves. Rows stay when deleted.

use sea_orm::entity::prelude::*;

use super::columns::Attributes;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "resource")]
pub struct Model {
    /// `organizations/acme/workspaces/emea/campaigns/42`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Its organization.
    pub organization: String,
    /// Its container.
    pub parent: String,
    /// `campaigns`.
    pub collection: String,
    /// Its stored attributes.
    #[sea_orm(column_type = "JsonBinary")]
    pub attributes: Attributes,
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
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
