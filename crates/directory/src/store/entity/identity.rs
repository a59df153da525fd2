//! Identities by which users sign in.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identity")]
pub struct Model {
    /// Who vouches for it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub issuer: String,
    /// What the issuer calls the user.
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    /// The user.
    #[sea_orm(column_name = "identity_user")]
    pub user: String,
    /// When it was linked.
    pub create_time: DateTimeUtc,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
