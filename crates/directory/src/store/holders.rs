//! Who holds the required roles of an organization (DESIGN §6, 5).

use api::authz::v1::RoleTerms;
use decision::name::{NodeName, UserName};
use ledger::StoreError;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value};

use crate::store::read::stored;

#[derive(FromQueryResult)]
struct Holder {
    name: String,
}

// Only bindings that nothing but a write in this tree, or the platform, can end: without an expiry, a condition or a sponsor, of an
// active user who is an active member.
const HOLDERS: &str = "SELECT u.name FROM role_binding b
    JOIN directory_user u ON u.name = b.principal
    JOIN member m ON m.organization = b.organization AND m.member_user = b.principal
    WHERE b.node = $1 AND b.role = $2 AND b.expire_time IS NULL AND b.condition IS NULL AND b.sponsor IS NULL
    AND NOT u.suspended AND NOT u.deleted AND NOT m.suspended";

/// What becomes of the users who were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Users {
    /// They stay as they are until the transaction ends: a suspension by the platform, which does not lock the tree, comes before this reading
    /// or after this commit.
    Held,
    /// Nothing: it is only looked.
    Free,
}

/// The active, unexpiring, direct holders of a role at an organization, at most so many. Their users are held.
pub(crate) async fn lasting(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    role: &str,
    most: u32,
) -> Result<Vec<UserName>, StoreError> {
    let values = [organization.as_str().into(), role.into(), i64::from(most).into()];
    let rows = holders(db, Users::Held, "ORDER BY u.name LIMIT $3", values).await?;
    rows.into_iter().map(|row| stored(UserName::parse(&row.name)).map_err(Into::into)).collect()
}

/// Whether anybody is such a holder of one of these roles.
pub(crate) async fn is_owned(
    db: &impl ConnectionTrait,
    users: Users,
    organization: &NodeName,
    roles: &[&RoleTerms],
) -> Result<bool, StoreError> {
    for role in roles {
        let values = [organization.as_str().into(), role.role.as_str().into(), 1_i64.into()];
        if !holders(db, users, "ORDER BY u.name LIMIT $3", values).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a user is such a holder of one of these roles.
pub(crate) async fn is_owner(
    db: &impl ConnectionTrait,
    users: Users,
    organization: &NodeName,
    roles: &[&RoleTerms],
    user: &UserName,
) -> Result<bool, StoreError> {
    for role in roles {
        let values = [organization.as_str().into(), role.role.as_str().into(), user.as_str().into()];
        if !holders(db, users, "AND u.name = $3", values).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn holders(db: &impl ConnectionTrait, users: Users, which: &str, values: [Value; 3]) -> Result<Vec<Holder>, StoreError> {
    let backend = db.get_database_backend();
    let lock = if users == Users::Held && backend == DbBackend::Postgres { "FOR SHARE OF u" } else { "" };
    let statement = Statement::from_sql_and_values(backend, format!("{HOLDERS} {which} {lock}"), values);
    Ok(Holder::find_by_statement(statement).all(db).await?)
}
