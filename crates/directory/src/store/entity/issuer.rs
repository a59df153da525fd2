//! Issuers of identities, each for one tree.

use sea_orm::entity::prelude::*;

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "issuer")]
pub struct Model {
    /// `https://login.acme.example`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub uri: String,
    /// The root organization of the tree.
    pub organization: String,
    /// When it was registered.
    pub create_time: DateTimeUtc,
}

/// None: joins are not made through the entities.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
