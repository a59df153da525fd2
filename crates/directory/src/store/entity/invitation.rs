//! Invitations. Rows stay for a while after they have ended; then their names are retired.

use sea_orm::entity::prelude::*;

use super::columns::{Condition, Levels};

/// The state of an invitation; one that is pending may have expired by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// It can be accepted.
    #[sea_orm(string_value = "pending")]
    Pending,
    /// It became a binding.
    #[sea_orm(string_value = "accepted")]
    Accepted,
    /// Its invitee does not want it.
    #[sea_orm(string_value = "declined")]
    Declined,
    /// It was taken back.
    #[sea_orm(string_value = "revoked")]
    Revoked,
    /// Its time is over.
    #[sea_orm(string_value = "expired")]
    Expired,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitation")]
pub struct Model {
    /// `organizations/acme/invitations/i1`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Its organization.
    pub organization: String,
    /// The address as it was given.
    pub email: String,
    /// The same without regard to case.
    pub email_key: String,
    /// The key and the name: what a list in the order of addresses is paged by.
    pub email_place: String,
    /// The role's name.
    pub role: String,
    /// The node's name.
    pub node: String,
    /// The component map of the binding to be; none: no map.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub components: Option<Levels>,
    /// Its condition.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub condition: Option<Condition>,
    /// Its end.
    pub binding_expire_time: Option<DateTimeUtc>,
    /// A partnership or a workspace.
    pub sponsor: Option<String>,
    /// SHA-256 of the token, in hexadecimal; unique.
    pub token_hash: String,
    /// When it expires.
    pub expire_time: DateTimeUtc,
    /// Its state.
    pub state: State,
    /// On whose authority it rests.
    pub inviter: String,
    /// Who accepted it.
    pub accepted_by: Option<String>,
    /// The binding that it became.
    pub role_binding: Option<String>,
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
