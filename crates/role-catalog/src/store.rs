//! What the role catalog keeps: tables and queries. The only place that knows sea-orm.

pub(crate) mod entity;
pub(crate) mod migration;
pub(crate) mod role;
pub(crate) mod role_model;

use sea_orm::DbErr;

/// What is read back must be what was written: anything else is a fault of the storage.
fn unreadable(what: &str, cause: impl std::fmt::Display) -> DbErr {
    DbErr::Type(format!("a row does not hold {what}: {cause}"))
}
