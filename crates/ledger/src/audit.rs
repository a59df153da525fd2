//! Who changed what: written with the change, kept for the retention.

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value as SqlValue};
use serde_json::Value;
use uuid::Uuid;

use crate::{error::Error, locks::revision, open::Ledger};

/// So many entries are looked at for one page: whoever looks for something rare among very many gets short pages, also empty ones.
const MOST_LOOKED_AT: i64 = 10_000;

/// One thing that a write did.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// The resource's name.
    pub resource: String,
    /// What it is about where that is something else: of a role binding its node.
    pub node: Option<String>,
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

/// Whose entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditScope {
    /// All that there are.
    Everything,
    /// Of an owner: the first two segments of the resources' names (`organizations/acme`, `users/ann`).
    Owner(String),
    /// Of what is at or in a workspace or account.
    Node(String),
    /// Of one resource.
    Resource(String),
}

/// Which entries to read, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Whose.
    pub scope: AuditScope,
    /// Only what this user did.
    pub actor: Option<String>,
    /// Only actions that begin so.
    pub action: Option<String>,
    /// Not of commits before the first one at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// Not of commits after the last one before this time.
    pub until: Option<DateTime<Utc>>,
    /// Before this (revision, entry), where the page before ended.
    pub before: Option<(u64, u32)>,
    /// How many at most.
    pub limit: u32,
}

/// Some entries.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditPage {
    /// The newest first.
    pub records: Vec<AuditRecord>,
    /// Where to go on; none at the end.
    pub next: Option<(u64, u32)>,
}

/// The first two segments of a name: whose trail an entry is in.
pub(crate) fn owner(resource: &str) -> &str {
    match resource.match_indices('/').nth(1) {
        Some((end, _)) => &resource[..end],
        None => resource,
    }
}

/// The workspace or account that an entry is at or in, if it is.
pub(crate) fn container(entry: &AuditEntry) -> Option<&str> {
    let name = entry.node.as_deref().unwrap_or(&entry.resource);
    let collection = name.split('/').nth(2)?;
    if !matches!(collection, "workspaces" | "accounts") {
        return None;
    }
    Some(name.match_indices('/').nth(3).map_or(name, |(end, _)| &name[..end]))
}

impl Ledger {
    /// Reads the trail, the newest entries first: by the index of its scope, of its scope and actor where there is one. What else is asked for
    /// is looked for among [`MOST_LOOKED_AT`] entries, so that every page ends soon. New entries never move what a page goes on with.
    pub async fn audit_trail(&self, query: &AuditQuery) -> Result<AuditPage, Error> {
        let mut conditions = Conditions::default();
        let (scope, by_actor) = match &query.scope {
            AuditScope::Everything => (None, true),
            AuditScope::Owner(owner) => (Some(("owner", owner)), true),
            AuditScope::Node(node) => (Some(("node", node)), true),
            AuditScope::Resource(resource) => (Some(("resource", resource)), false),
        };
        if let Some((column, value)) = scope {
            conditions.indexed(column, value.as_str());
        }
        match &query.actor {
            Some(actor) if by_actor => conditions.indexed("actor", actor.as_str()),
            Some(actor) => conditions.looked_for(|at| format!("actor = ${at}"), actor.as_str()),
            None => {}
        }
        if let Some(action) = &query.action {
            conditions.looked_for(|at| format!("substr(action, 1, length(${at})) = ${at}"), action.as_str());
        }
        let Some((first, end)) = self.span(query).await? else { return Ok(AuditPage { records: Vec::new(), next: None }) };
        let window = conditions.window(first, end);
        let records = self.read_window(&conditions, &window, query.limit).await?;
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let next = if records.len() > limit {
            records.get(limit.saturating_sub(1)).map(|last| (last.revision, last.entry))
        } else if conditions.looked_for.is_empty() {
            None
        } else {
            self.end_of_window(&conditions, &window).await?
        };
        Ok(AuditPage { records: records.into_iter().take(limit).collect(), next })
    }

    /// The first revision, and the position before which entries are; none if there is nothing.
    async fn span(&self, query: &AuditQuery) -> Result<Option<(i64, (i64, i32))>, Error> {
        let (revision, entry) = query.before.unwrap_or((i64::MAX.unsigned_abs(), 0));
        let mut end = (i64::try_from(revision).unwrap_or(i64::MAX), i32::try_from(entry).unwrap_or(i32::MAX));
        let mut first = 0;
        if let Some(since) = query.since {
            let sql = "SELECT rev FROM audit_entry WHERE at >= $1 ORDER BY at, rev LIMIT 1";
            let Some(revision) = self.audit_revision(sql, since).await? else { return Ok(None) };
            first = revision;
        }
        if let Some(until) = query.until {
            let sql = "SELECT rev FROM audit_entry WHERE at < $1 ORDER BY at DESC, rev DESC LIMIT 1";
            let Some(revision) = self.audit_revision(sql, until).await? else { return Ok(None) };
            end = end.min((revision.saturating_add(1), 0));
        }
        Ok(Some((first, end)))
    }

    async fn audit_revision(&self, sql: &str, time: DateTime<Utc>) -> Result<Option<i64>, Error> {
        let reader = self.reader();
        let row = reader.query_one_raw(Statement::from_sql_and_values(reader.get_database_backend(), sql, [time.into()])).await?;
        Ok(row.map(|row| row.try_get("", "rev")).transpose()?)
    }

    async fn read_window(&self, conditions: &Conditions, window: &str, limit: u32) -> Result<Vec<AuditRecord>, Error> {
        let filter = if conditions.looked_for.is_empty() { "1 = 1".to_owned() } else { conditions.looked_for.join(" AND ") };
        let sql = format!(
            "SELECT rev, entry, at, caller, actor, method, request_id, resource, node, action, before_state, after_state
             FROM (SELECT * FROM audit_entry WHERE {window} LIMIT {MOST_LOOKED_AT}) AS looked_at
             WHERE {filter} ORDER BY rev DESC, entry DESC LIMIT {}",
            u64::from(limit) + 1
        );
        let reader = self.reader();
        let statement = Statement::from_sql_and_values(reader.get_database_backend(), sql, conditions.values.clone());
        let rows = reader.query_all_raw(statement).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }

    /// The last entry that was looked at, if there may be others.
    async fn end_of_window(&self, conditions: &Conditions, window: &str) -> Result<Option<(u64, u32)>, Error> {
        let sql = format!("SELECT rev, entry FROM audit_entry WHERE {window} LIMIT 1 OFFSET {}", MOST_LOOKED_AT - 1);
        let reader = self.reader();
        let values = conditions.values.iter().take(conditions.indexed.len()).cloned();
        let row = reader.query_one_raw(Statement::from_sql_and_values(reader.get_database_backend(), sql, values)).await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((revision(row.try_get("", "rev")?)?, row.try_get::<i32>("", "entry")?.unsigned_abs())))
    }
}

/// What a page is of: what an index finds, and what is looked for among that. The values of the first come first.
#[derive(Default)]
struct Conditions {
    indexed: Vec<String>,
    looked_for: Vec<String>,
    values: Vec<SqlValue>,
}

impl Conditions {
    fn indexed(&mut self, column: &str, value: &str) {
        self.values.push(value.into());
        self.indexed.push(format!("{column} = ${}", self.values.len()));
    }

    fn looked_for(&mut self, condition: impl Fn(usize) -> String, value: &str) {
        self.values.push(value.into());
        self.looked_for.push(condition(self.values.len()));
    }

    /// Everything from a revision to before a position, in order.
    fn window(&self, first: i64, (revision, entry): (i64, i32)) -> String {
        let mut conditions = self.indexed.clone();
        conditions.push(format!("(rev, entry) < ({revision}, {entry}) AND rev >= {first}"));
        format!("{} ORDER BY rev DESC, entry DESC", conditions.join(" AND "))
    }
}

impl Ledger {
    /// Reads what was done of some kinds, after a place in the trail (revision, entry), the oldest first. Every kind is read through its own part of
    /// the index, so that it costs the same however long the trail is.
    pub async fn audit_of_actions(&self, actions: &[&str], after: (u64, u32), limit: u32) -> Result<Vec<AuditRecord>, Error> {
        let of_one = |at: usize| {
            format!(
                "SELECT * FROM (SELECT rev, entry, at, caller, actor, method, request_id, resource, node, action, before_state, after_state FROM audit_entry
                 WHERE action = ${} AND (rev, entry) > ($1, $2) ORDER BY rev, entry LIMIT $3) AS of{at}",
                at + 4
            )
        };
        let each: Vec<String> = (0..actions.len()).map(of_one).collect();
        let sql = format!("{} ORDER BY rev, entry LIMIT $3", each.join(" UNION ALL "));
        let place =
            [i64::try_from(after.0).unwrap_or(i64::MAX).into(), i32::try_from(after.1).unwrap_or(i32::MAX).into(), i64::from(limit).into()];
        let values = place.into_iter().chain(actions.iter().map(|action| (*action).into()));
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
            node: row.try_get("", "node")?,
            action: row.try_get("", "action")?,
            before: row.try_get("", "before_state")?,
            after: row.try_get("", "after_state")?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::{AuditEntry, container, owner};

    #[test]
    fn an_entry_is_in_the_container_that_it_or_its_node_is_in() {
        let at = |resource: &str, node: Option<&str>| {
            let entry =
                AuditEntry { resource: resource.into(), node: node.map(Into::into), action: "a.b".into(), before: None, after: None };
            container(&entry).map(ToOwned::to_owned)
        };
        let emea = Some("organizations/acme/workspaces/emea".to_owned());
        assert_eq!(at("organizations/acme/workspaces/emea", None), emea);
        assert_eq!(at("organizations/acme/workspaces/emea/campaigns/42", None), emea);
        assert_eq!(at("organizations/acme/roleBindings/b1", Some("organizations/acme/workspaces/emea")), emea);
        assert_eq!(at("organizations/acme/roleBindings/b1", Some("organizations/acme/workspaces/emea/campaigns/42")), emea);
        assert_eq!(at("organizations/acme/accounts/a1", None).as_deref(), Some("organizations/acme/accounts/a1"));
        for name in ["organizations/acme", "organizations/acme/roleBindings/b1", "organizations/acme/campaigns/42", "users/ann"] {
            assert_eq!(at(name, None), None, "{name}");
        }
    }

    #[test]
    fn the_owner_is_the_first_two_segments() {
        assert_eq!(owner("organizations/acme/workspaces/emea"), "organizations/acme");
        assert_eq!(owner("organizations/acme"), "organizations/acme");
        assert_eq!(owner("users"), "users");
    }
}
