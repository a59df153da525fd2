//! Memberships. Rows are deleted with them.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "member")]
pub struct Model {
    /// `organizations/acme/members/ann`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The organization.
    pub organization: String,
    /// The user.
    #[sea_orm(column_name = "member_user")]
    pub user: String,
    /// Counts as if it were not.
    pub suspended: bool,
    /// By which the user stands in lists by display name.
    pub display_key: String,
    /// The same by e-mail address; empty without one.
    pub email_key: String,
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
