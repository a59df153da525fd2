//! Partnerships. Rows are deleted with them, their names retired.

use sea_orm::entity::prelude::*;

use super::columns::{Levels, Names};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "partnership")]
pub struct Model {
    /// `organizations/acme/partnerships/p1`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The one that offers.
    pub organization: String,
    /// The one that is offered to.
    pub partner: String,
    /// Where its bindings may be.
    pub node: String,
    /// The roles allowed.
    #[sea_orm(column_type = "JsonBinary")]
    pub roles: Names,
    /// The components allowed; none: no bound.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub components: Option<Levels>,
    /// The users allowed; none: every member of the partner.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub users: Option<Names>,
    /// Its end.
    pub expire_time: Option<DateTimeUtc>,
    /// The partner has accepted.
    pub accepted: bool,
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
