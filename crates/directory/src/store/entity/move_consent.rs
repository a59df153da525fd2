//! Consents of organizations to being moved. Rows are deleted with them.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "move_consent")]
pub struct Model {
    /// The organization.
    #[sea_orm(primary_key, auto_increment = false)]
    pub organization: String,
    /// The workspace that it may be moved to.
    #[sea_orm(primary_key, auto_increment = false)]
    pub workspace: String,
    /// Who gave it.
    pub consenting_user: String,
    /// It was given by the platform, which needs to hold nothing.
    pub by_platform: bool,
    /// Its end.
    pub expire_time: DateTimeUtc,
    /// When it was given.
    pub create_time: DateTimeUtc,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
