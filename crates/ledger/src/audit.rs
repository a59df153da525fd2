//! Who changed what: written with the change, kept.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement};
use serde_json::Value;
use uuid::Uuid;

use crate::{error::Error, locks::revision, open::Ledger};

/// One thing that a write did.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// The resource's name.
    pub resource: String,
    /// What was done: `workspaces.create`.
    pub action: String,
    /// What it was; none if it was not there.
    pub before: Option<Value>,
    /// What it became; none if it is gone.
    pub after: Option<Value>,
}

/// One entry of the trail.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditRecord {
    /// The commit.
    pub revision: u64,
    /// The entry's number within it, from 0.
    pub entry: u32,
    /// When, by the database's clock.
    pub at: DateTime<Utc>,
    /// The service that made the call.
    pub caller: String,
    /// The user it was made for.
    pub actor: String,
    /// The RPC.
    pub method: String,
    /// Its request id.
    pub request_id: Option<Uuid>,
    /// What was done.
    pub what: AuditEntry,
}

/// Which entries to read, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Of this owner: the first two segments of the resources' names (`organizations/acme`, `users/ann`).
    pub owner: String,
    /// Of this resource alone.
    pub resource: Option<String>,
    /// Before this (revision, entry), where the page before ended.
    pub before: Option<(u64, u32)>,
    /// How many at most.
    pub limit: u32,
}

/// The first two segments of a name: whose trail an entry is in.
pub(crate) fn owner(resource: &str) -> &str {
    match resource.match_indices('/').nth(1) {
        Some((end, _)) => &resource[..end],
        None => resource,
    }
}

impl Ledger {
    /// Reads the trail, the newest entries first.
    pub async fn audit_trail(&self, query: &AuditQuery) -> Result<Vec<AuditRecord>, Error> {
        let (column, value) = match &query.resource {
            Some(resource) if owner(resource) != query.owner => return Ok(Vec::new()),
            Some(resource) => ("resource", resource),
            None => ("owner", &query.owner),
        };
        let (revision, entry) = query.before.unwrap_or((i64::MAX.unsigned_abs(), 0));
        let sql = format!(
            "SELECT rev, entry, at, caller, actor, method, request_id, resource, action, before_state, after_state FROM audit_entry
             WHERE {column} = $1 AND (rev, entry) < ($2, $3) ORDER BY rev DESC, entry DESC LIMIT $4"
        );
        let values = [
            value.clone().into(),
            i64::try_from(revision).unwrap_or(i64::MAX).into(),
            i32::try_from(entry).unwrap_or(i32::MAX).into(),
            i64::from(query.limit).into(),
        ];
        let reader = self.reader();
        let rows = reader.query_all_raw(Statement::from_sql_and_values(reader.get_database_backend(), sql, values)).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}

fn read(row: &QueryResult) -> Result<AuditRecord, DbErr> {
    Ok(AuditRecord {
        revision: revision(row.try_get("", "rev")?)?,
        entry: row.try_get::<i32>("", "entry")?.unsigned_abs(),
        at: row.try_get("", "at")?,
        caller: row.try_get("", "caller")?,
        actor: row.try_get("", "actor")?,
        method: row.try_get("", "method")?,
        request_id: row.try_get("", "request_id")?,
        what: AuditEntry {
            resource: row.try_get("", "resource")?,
            action: row.try_get("", "action")?,
            before: row.try_get("", "before_state")?,
            after: row.try_get("", "after_state")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::owner;

    #[test]
    fn the_owner_is_the_first_two_segments() {
        assert_eq!(owner("organizations/acme/workspaces/emea"), "organizations/acme");
        assert_eq!(owner("organizations/acme"), "organizations/acme");
        assert_eq!(owner("users"), "users");
    }
}
