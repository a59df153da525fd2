//! What is read back must be what was written: anything else is a fault of the storage.

use decision::name::MalformedName;
use sea_orm::DbErr;

/// A name out of a row.
pub(crate) fn stored<T>(parsed: Result<T, MalformedName>) -> Result<T, DbErr> {
    parsed.map_err(|malformed| DbErr::Type(format!("a row holds {malformed}")))
}

/// A row that holds something other than this.
pub(crate) fn unreadable(what: &str) -> DbErr {
    DbErr::Type(format!("a row does not hold {what}"))
}
