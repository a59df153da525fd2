//! Users. Rows stay when deleted, without their e-mail address.

use sea_orm::entity::prelude::*;

/// What a user is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum UserKind {
    /// A person.
    #[sea_orm(string_value = "person")]
    Person,
    /// A program.
    #[sea_orm(string_value = "service_account")]
    ServiceAccount,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "directory_user")]
pub struct Model {
    /// `users/ann`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// A person or a program.
    pub kind: UserKind,
    /// As it was given.
    pub email: Option<String>,
    /// The same without regard to case; unique. None of a managed user, whose address nobody has verified.
    pub email_key: Option<String>,
    /// What people call them; empty if not given.
    pub display_name: String,
    /// By which they stand in lists by display name.
    pub display_key: String,
    /// Denied everywhere.
    pub suspended: bool,
    /// It is deleted.
    pub deleted: bool,
    /// The organization that manages them.
    pub managed_by: Option<String>,
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
