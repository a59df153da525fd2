//! Who participates in which node, in the order that people read rosters in: rows derived from memberships, bindings, groups and users, in the same
//! commit as these change, so that a page of a roster is a range of an index however large the organization.
//!
//! A participant is a user whom the organization has taken in, or who holds something at the node or below, directly or by a group of the
//! organization; another organization or its group, which is one participant, whoever is in it; anyone; or a pending invitation. They have a row for each
//! facet that a roster is filtered by: their state, and each role that they hold at the node or below. A row has what a page shows of a user, too, and when anything
//! of them last changed there, so that a page reads nothing else of them.

use chrono::{DateTime, Utc};
use decision::name::{GroupName, NodeKind, NodeName, Principal, UserName};
use ledger::StoreError;
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Statement, Value};
use service::filter::Test;

use crate::{
    role_binding::Assignment,
    store::{account, statement::execute},
    user::User,
};

/// How many participants are derived at once: far below what a statement may have of parameters.
const BATCH: usize = 500;

/// The state of a participant at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facet {
    /// A member.
    Active,
    /// A suspended member.
    Suspended,
    /// Not a member.
    Guest,
    /// Not there yet.
    Invited,
}

impl Facet {
    /// Every participant has one of these.
    pub(crate) const ALL: [Self; 4] = [Self::Active, Self::Suspended, Self::Guest, Self::Invited];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Guest => "guest",
            Self::Invited => "invited",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|facet| facet.as_str() == text)
    }
}

/// Those of everybody's rows that say the state, of which each participant has one: as the index of them says it, for it is used where its words stand.
pub(super) const STATES: &str = "facet IN ('active', 'suspended', 'guest', 'invited')";

/// By which key a roster is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    DisplayName,
    Email,
}

/// Participants of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stream {
    pub(crate) node: String,
    /// Those who have this: a state, or a role. None: everybody.
    pub(crate) facet: Option<String>,
}

/// Which participants, in which order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Roster {
    /// Those who are in one of these.
    pub(crate) streams: Vec<Stream>,
    pub(crate) key: Key,
    pub(crate) bounds: Vec<Test>,
    pub(crate) descending: bool,
}

/// A participant in a list, with the keys that it stands by.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Entry {
    pub(crate) participant: String,
    pub(crate) display_key: String,
    pub(crate) email_key: String,
    pub(crate) display_name: String,
    pub(crate) email: String,
    pub(crate) update_time: DateTime<Utc>,
}

impl Entry {
    /// The key that it stands by in this order.
    pub(crate) fn key(&self, key: Key) -> &str {
        match key {
            Key::DisplayName => &self.display_key,
            Key::Email => &self.email_key,
        }
    }
}

/// The key by which a user stands in lists by display name: that, without regard to case; else the address; else the id.
pub(crate) fn display_key(user: &User) -> String {
    match (&user.display_name, &user.email) {
        (name, _) if !name.is_empty() => name.to_lowercase(),
        (_, Some(email)) => email.key(),
        (_, None) => user.name.id().to_owned(),
    }
}

// Everything that makes the participants `{WHO}` of organization $1 participants, as rows; those that there are stay. Where somebody has several roles in one
// way or another, the rows are the same.
const DERIVE: &str = "INSERT INTO participation(participant, organization, node, facet, display_key, email_key, display_name, email, update_time)
WITH RECURSIVE
  who(participant, principal) AS (
    SELECT name, name FROM directory_user WHERE name IN ({WHO})
    UNION SELECT w.participant, g.user_group FROM who w JOIN group_member g ON g.member = w.principal AND g.organization = $1),
  other(participant, principal) AS (
    SELECT participant, principal FROM who
    UNION SELECT b.principal, b.principal FROM role_binding b WHERE b.organization = $1 AND b.principal IN ({WHO})),
  bound(participant, organization, node, role, changed) AS (
    SELECT o.participant, b.organization, b.node, b.role, b.update_time FROM other o JOIN role_binding b ON b.principal = o.principal AND b.organization = $1
    UNION SELECT name, organization, node, role, update_time FROM invitation WHERE organization = $1 AND state = 'pending' AND name IN ({WHO})),
  scope(participant, organization, node, role, changed) AS (
    SELECT participant, organization, node, role, changed FROM bound
    UNION SELECT participant, organization, organization, role, changed FROM bound
    UNION SELECT b.participant, b.organization, r.parent, b.role, b.changed FROM bound b JOIN resource r ON r.name = b.node
    UNION SELECT b.participant, b.organization, a.workspace, b.role, b.changed FROM bound b JOIN account a ON a.name = b.node AND a.workspace IS NOT NULL
    UNION SELECT b.participant, b.organization, a.workspace, b.role, b.changed FROM bound b JOIN resource r ON r.name = b.node
      JOIN account a ON a.name = r.parent AND a.workspace IS NOT NULL),
  wanted(participant, organization, node, facet) AS (
    SELECT participant, organization, node, role FROM scope
    UNION SELECT participant, organization, node, '' FROM scope
    UNION SELECT member_user, organization, organization, '' FROM member WHERE organization = $1 AND member_user IN ({WHO})),
  changes(participant, node, changed) AS (
    SELECT participant, node, changed FROM scope
    UNION SELECT w.participant, w.node, m.update_time FROM wanted w JOIN member m ON m.organization = w.organization AND m.member_user = w.participant
    UNION SELECT w.participant, w.node, u.update_time FROM wanted w JOIN directory_user u ON u.name = w.participant),
  last_change(participant, node, changed) AS (SELECT participant, node, MAX(changed) FROM changes GROUP BY participant, node)
SELECT w.participant, w.organization, w.node,
  CASE WHEN w.facet <> '' THEN w.facet WHEN i.name IS NOT NULL THEN 'invited' WHEN m.name IS NULL THEN 'guest' WHEN m.suspended THEN 'suspended' ELSE 'active' END,
  COALESCE(u.display_key, i.email_key, w.participant), COALESCE(u.email_key, i.email_key, ''), COALESCE(u.display_name, ''), COALESCE(u.email, ''), l.changed
FROM wanted w JOIN last_change l ON l.participant = w.participant AND l.node = w.node
  LEFT JOIN directory_user u ON u.name = w.participant LEFT JOIN invitation i ON i.name = w.participant
  LEFT JOIN member m ON m.organization = w.organization AND m.member_user = w.participant
WHERE true ON CONFLICT (participant, organization, node, facet) DO UPDATE SET update_time = excluded.update_time";

/// Adds what participants have got. What they had before they keep.
pub(crate) async fn grow(db: &impl ConnectionTrait, organization: &NodeName, participants: &[String]) -> Result<(), StoreError> {
    for some in participants.chunks(BATCH) {
        let who = placeholders(2, some.len());
        let mut values: Vec<Value> = vec![organization.as_str().into()];
        values.extend(some.iter().map(|name| name.as_str().into()));
        execute(db, DERIVE.replace("{WHO}", &who), values).await?;
    }
    Ok(())
}

// One user: cheaper to plan than the whole derivation, for most of what is written is of one user.
const PLACE: &str =
    "INSERT INTO participation(participant, organization, node, facet, display_key, email_key, display_name, email, update_time)
WITH held(node, facet) AS (VALUES {HELD})
SELECT u.name, $2, h.node,
  CASE WHEN h.facet <> '' THEN h.facet WHEN m.name IS NULL THEN 'guest' WHEN m.suspended THEN 'suspended' ELSE 'active' END,
  u.display_key, COALESCE(u.email_key, ''), u.display_name, COALESCE(u.email, ''), $3
FROM held h CROSS JOIN directory_user u LEFT JOIN member m ON m.organization = $2 AND m.member_user = u.name
WHERE u.name = $1 ON CONFLICT DO NOTHING";

async fn place(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    user: &UserName,
    held: &[(&str, &str)],
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let rows: Vec<String> = (0..held.len()).map(|at| format!("(${}, ${})", 4 + 2 * at, 5 + 2 * at)).collect();
    let mut values: Vec<Value> = vec![user.as_str().into(), organization.as_str().into(), at.into()];
    for (node, facet) in held {
        values.extend([Value::from(*node), Value::from(*facet)]);
    }
    let sql = PLACE.replace("{HELD}", &rows.join(", "));
    execute(db, sql, values).await?;
    Ok(())
}

/// A user has become a member.
pub(crate) async fn joined(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    user: &UserName,
    facet: Facet,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    restate(db, organization, user, facet, at).await?;
    place(db, organization, user, &[(organization.as_str(), "")], at).await
}

/// A role was given at a node.
pub(crate) async fn given(db: &impl ConnectionTrait, assigned: &Assignment, at: DateTime<Utc>) -> Result<(), StoreError> {
    let (node, organization) = (&assigned.node, assigned.node.organization());
    let Some(user) = assigned.user() else {
        let concerned = concerned(db, &organization, &assigned.principal).await?;
        return grow(db, &organization, &concerned).await;
    };
    let mut containers = vec![node.to_string(), organization.to_string()];
    let container = node.leaf_parent();
    containers.extend(container.as_ref().map(ToString::to_string));
    if let Some(account) = container.as_ref().or(Some(node)).filter(|node| node.kind() == NodeKind::Account) {
        containers.extend(account::workspaces_of(db, std::slice::from_ref(account)).await?.values().map(ToString::to_string));
    }
    containers.sort_unstable();
    containers.dedup();
    let role = assigned.role.as_str();
    let held: Vec<(&str, &str)> = containers.iter().flat_map(|node| [(node.as_str(), ""), (node.as_str(), role)]).collect();
    let sql = format!(
        "UPDATE participation SET update_time = $3 WHERE participant = $1 AND organization = $2 AND node IN ({})",
        placeholders(4, containers.len())
    );
    let mut values: Vec<Value> = vec![user.as_str().into(), organization.as_str().into(), at.into()];
    values.extend(containers.iter().map(|node| node.as_str().into()));
    execute(db, sql, values).await?;
    place(db, &organization, user, &held, at).await
}

/// Derives what participants have in an organization anew.
pub(crate) async fn refresh(db: &impl ConnectionTrait, organization: &NodeName, participants: &[String]) -> Result<(), StoreError> {
    for some in participants.chunks(BATCH) {
        let sql = format!("DELETE FROM participation WHERE organization = $1 AND participant IN ({})", placeholders(2, some.len()));
        let mut values: Vec<Value> = vec![organization.as_str().into()];
        values.extend(some.iter().map(|name| name.as_str().into()));
        execute(db, sql, values).await?;
    }
    grow(db, organization, participants).await
}

fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ")
}

#[derive(FromQueryResult)]
struct Name {
    name: String,
}

/// Who participates by what a principal holds in an organization: of its own groups everybody who is in them, however deep.
pub(crate) async fn concerned(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    principal: &Principal,
) -> Result<Vec<String>, StoreError> {
    match principal {
        Principal::Group(group) if group.organization() == *organization => users_in(db, group).await,
        principal => Ok(vec![principal.to_string()]),
    }
}

/// The users in a group, however deep.
pub(crate) async fn users_in(db: &impl ConnectionTrait, group: &GroupName) -> Result<Vec<String>, StoreError> {
    let sql = "WITH RECURSIVE inside(name) AS (
        SELECT member FROM group_member WHERE user_group = $1
        UNION SELECT g.member FROM inside i JOIN group_member g ON g.user_group = i.name)
        SELECT name FROM inside WHERE name LIKE 'users/%' ORDER BY name";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [group.as_str().into()]);
    Ok(Name::find_by_statement(statement).all(db).await?.into_iter().map(|row| row.name).collect())
}

/// Who participates in a node.
pub(crate) async fn at_node(db: &impl ConnectionTrait, node: &str) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT DISTINCT participant AS name FROM participation WHERE node = $1";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [node.into()]);
    Ok(Name::find_by_statement(statement).all(db).await?.into_iter().map(|row| row.name).collect())
}

/// A user is a member of an organization now, in this state, since a moment.
pub(crate) async fn restate(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    user: &UserName,
    facet: Facet,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let sql =
        "UPDATE participation SET update_time = $4, facet = CASE WHEN facet IN ('active', 'suspended', 'guest') THEN $3 ELSE facet END
        WHERE participant = $1 AND organization = $2";
    let values = [user.as_str().into(), organization.as_str().into(), facet.as_str().into(), at.into()];
    execute(db, sql, values).await?;
    Ok(())
}

/// A user has changed.
pub(crate) async fn rename(db: &impl ConnectionTrait, user: &User) -> Result<(), StoreError> {
    let sql =
        "UPDATE participation SET display_key = $2, email_key = $3, display_name = $4, email = $5, update_time = $6 WHERE participant = $1";
    let key = user.verified_email().map(crate::user::Email::key).unwrap_or_default();
    let email = user.email.as_ref().map(crate::user::Email::as_str).unwrap_or_default();
    let values = [
        user.name.as_str().into(),
        display_key(user).into(),
        key.into(),
        user.display_name.as_str().into(),
        email.into(),
        user.update_time.into(),
    ];
    execute(db, sql, values).await?;
    Ok(())
}

impl Roster {
    /// The statement of a page: of each stream the next so many, by its index.
    pub(crate) fn statement(&self, backend: sea_orm::DbBackend, after: Option<(&str, &str)>, limit: u64) -> Result<Statement, DbErr> {
        let key = match self.key {
            Key::DisplayName => "display_key",
            Key::Email => "email_key",
        };
        let mut values: Vec<Value> = Vec::new();
        let mut put = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        let mut bounds = String::new();
        for test in &self.bounds {
            match test {
                Test::Is(value) => bounds.push_str(&format!(" AND {key} = {}", put(value.as_str().into()))),
                Test::StartsWith(prefix) => {
                    let (from, to) = (put(prefix.as_str().into()), put(format!("{prefix}{}", char::MAX).into()));
                    bounds.push_str(&format!(" AND {key} >= {from} AND {key} < {to}"));
                }
                Test::Time(..) => return Err(DbErr::Type("a roster is not ordered by time".to_owned())),
            }
        }
        let (beyond, direction) = if self.descending { ("<", "DESC") } else { (">", "ASC") };
        if let Some((value, participant)) = after {
            let (value, participant) = (put(value.into()), put(participant.into()));
            bounds.push_str(&format!(" AND ({key}, participant) {beyond} ({value}, {participant})"));
        }
        let limit = put(i64::try_from(limit).unwrap_or(i64::MAX).into());
        let mut streams = Vec::with_capacity(self.streams.len());
        for (at, Stream { node, facet }) in self.streams.iter().enumerate() {
            let node = put(node.as_str().into());
            let facet = match facet {
                Some(facet) => format!("facet = {}", put(facet.as_str().into())),
                None => STATES.to_owned(),
            };
            streams.push(format!(
                "SELECT * FROM (SELECT participant, display_key, email_key, display_name, email, update_time FROM participation WHERE node = {node} AND {facet}{bounds} \
                 ORDER BY {key} {direction}, participant {direction} LIMIT {limit}) AS s{at}"
            ));
        }
        Ok(Statement::from_sql_and_values(backend, streams.join(" UNION ALL "), values))
    }

    /// The next so many after one: each once, whatever the streams that it is in.
    pub(crate) async fn page(&self, db: &impl ConnectionTrait, after: Option<(&str, &str)>, limit: u64) -> Result<Vec<Entry>, StoreError> {
        if self.streams.is_empty() {
            return Ok(Vec::new());
        }
        let statement = self.statement(db.get_database_backend(), after, limit)?;
        let mut entries = Entry::find_by_statement(statement).all(db).await?;
        // Of who is in several, what changed last.
        entries.sort_unstable_by(|a, b| {
            (a.key(self.key), &a.participant, b.update_time).cmp(&(b.key(self.key), &b.participant, a.update_time))
        });
        entries.dedup_by(|next, kept| next.participant == kept.participant);
        if self.descending {
            entries.reverse();
        }
        entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(entries)
    }
}
