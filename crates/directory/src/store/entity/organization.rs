//! Organizations: roots and customers. Rows stay when deleted.

use sea_orm::entity::prelude::*;

use super::columns::Names;

/// What an organization does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum OrganizationKind {
    /// Buys.
    #[sea_orm(string_value = "marketer")]
    Marketer,
    /// Sells.
    #[sea_orm(string_value = "publisher")]
    Publisher,
    /// Both.
    #[sea_orm(string_value = "mixed")]
    Mixed,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "organization")]
pub struct Model {
    /// `organizations/acme`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// What it does.
    pub kind: OrganizationKind,
    /// What people call it.
    pub display_name: String,
    /// A URL; empty if not given.
    pub website: String,
    /// Where it is; empty if not given.
    pub location: String,
    /// The workspace that it is a customer of; none for a root.
    pub parent: Option<String>,
    /// The root of its tree; its own name for a root.
    pub root: String,
    /// Of a root: `roleModels/{m}`.
    pub role_model: Option<String>,
    /// Of a root: the pinned revision.
    pub role_model_revision: Option<i64>,
    /// A required role has not had a holder yet.
    pub provisioning: bool,
    /// It was created by an invitation, and nobody has accepted one yet.
    pub awaiting_acceptance: bool,
    /// A suspension by the platform has left a required role without a holder.
    pub needs_owner: bool,
    /// It is closed for now.
    pub suspended: bool,
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
