//! Accounts. Rows stay when deleted.

use sea_orm::entity::prelude::*;

use super::columns::Names;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    /// `organizations/acme/accounts/a1`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Its organization.
    pub organization: String,
    /// The workspace that it is in; none: directly in the organization.
    pub workspace: Option<String>,
    /// What people call it.
    pub display_name: String,
    /// It is paused.
    pub paused: bool,
    /// It is deleted.
    pub deleted: bool,
    /// When it was deleted.
    pub delete_time: Option<DateTimeUtc>,
    /// From when on it cannot be undeleted any more.
    pub purge_time: Option<DateTimeUtc>,
    /// The components enabled here; none if unset.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub ceiling: Option<Names>,
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
