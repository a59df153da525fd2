//! Users in the database.

use std::collections::{BTreeMap, BTreeSet};

use decision::name::{NodeName, UserName};
use ledger::StoreError;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Select, Statement,
};
use service::filter::{Query, position};

use crate::{
    member::Holdings,
    store::{
        entity::user::{ActiveModel, Column, Entity, Model, UserKind as StoredKind},
        listing, member, participation,
        read::{stored, unreadable},
    },
    user::{Email, User, UserKind},
};

/// Which users to list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct UserFilter {
    pub(crate) with_deleted: bool,
    pub(crate) suspended: Option<bool>,
    pub(crate) kind: Option<UserKind>,
    pub(crate) query: Query,
}

pub(crate) async fn find(db: &impl ConnectionTrait, name: &UserName) -> Result<Option<User>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

/// Those of some users that are there, deleted ones too.
pub(crate) async fn find_all<'n>(db: &impl ConnectionTrait, names: impl Iterator<Item = &'n UserName>) -> Result<Vec<User>, StoreError> {
    let rows = Entity::find().filter(Column::Name.is_in(names.map(UserName::as_str))).all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// The same, and nobody changes or deletes it until the transaction ends.
pub(crate) async fn find_for_update(db: &impl ConnectionTrait, name: &UserName) -> Result<Option<User>, StoreError> {
    Entity::find_by_id(name.as_str()).lock_exclusive().one(db).await?.map(read).transpose().map_err(Into::into)
}

/// The same, and nobody changes or deletes it until the transaction ends; others may read it so too.
pub(crate) async fn find_for_share(db: &impl ConnectionTrait, name: &UserName) -> Result<Option<User>, StoreError> {
    Entity::find_by_id(name.as_str()).lock_shared().one(db).await?.map(read).transpose().map_err(Into::into)
}

/// Whether there is such a user, not deleted; nobody deletes it until the transaction ends.
pub(crate) async fn holds(db: &impl ConnectionTrait, name: &UserName) -> Result<bool, StoreError> {
    Ok(Entity::find_by_id(name.as_str()).filter(Column::Deleted.eq(false)).lock_shared().one(db).await?.is_some())
}

/// Which of the columns a filter's fields are.
const KEYS: [(&str, Column); 3] = [("email", Column::EmailKey), ("display_name", Column::DisplayKey), ("create_time", Column::CreateTime)];

pub(crate) async fn insert(db: &impl ConnectionTrait, user: &User) -> Result<(), StoreError> {
    Entity::insert(row(user)).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, user: &User) -> Result<(), StoreError> {
    Entity::update(row(user)).exec(db).await?;
    let email = user.verified_email().map(Email::key).unwrap_or_default();
    member::rename(db, &user.name, &participation::display_key(user), &email).await?;
    participation::rename(db, user).await
}

fn stored_kind(kind: UserKind) -> StoredKind {
    match kind {
        UserKind::Person => StoredKind::Person,
        UserKind::ServiceAccount => StoredKind::ServiceAccount,
    }
}

/// The user who has this address, without regard to case.
pub(crate) async fn with_email(db: &impl ConnectionTrait, email: &Email) -> Result<Option<User>, StoreError> {
    Entity::find().filter(Column::EmailKey.eq(email.key())).one(db).await?.map(read).transpose().map_err(Into::into)
}

/// The organization that manages a user; it never becomes another.
pub(crate) async fn managed_by(db: &impl ConnectionTrait, name: &UserName) -> Result<Option<NodeName>, StoreError> {
    Ok(find(db, name).await?.and_then(|user| user.managed_by))
}

/// Of these users, those whom an organization manages.
pub(crate) async fn managed_among(db: &impl ConnectionTrait, names: &[UserName]) -> Result<Vec<UserName>, StoreError> {
    let mut managed = Vec::new();
    for some in names.chunks(500) {
        let theirs = Entity::find().filter(Column::Name.is_in(some.iter().map(UserName::as_str))).filter(Column::ManagedBy.is_not_null());
        let rows = theirs.order_by_asc(Column::Name).all(db).await?;
        managed.extend(rows.into_iter().map(|row| read(row).map(|user| user.name)).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(managed)
}

/// The next so many of a list after a position.
pub(crate) async fn page(db: &impl ConnectionTrait, filter: &UserFilter, after: Option<&str>, limit: u64) -> Result<Vec<User>, StoreError> {
    let rows = page_of(filter, after, limit)?.all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Their query.
pub(crate) fn page_of(filter: &UserFilter, after: Option<&str>, limit: u64) -> Result<Select<Entity>, DbErr> {
    let mut rows = Entity::find();
    if !filter.with_deleted {
        rows = rows.filter(Column::Deleted.eq(false));
    }
    if let Some(suspended) = filter.suspended {
        rows = rows.filter(Column::Suspended.eq(suspended));
    }
    if let Some(kind) = filter.kind {
        rows = rows.filter(Column::Kind.eq(stored_kind(kind)));
    }
    if filter.query.order == "email" {
        rows = rows.filter(Column::EmailKey.is_not_null());
    }
    listing::page(rows, &filter.query, Column::Name, &KEYS, after, limit)
}

impl UserFilter {
    /// Where a user stands in the list.
    pub(crate) fn position(&self, user: &User) -> String {
        match self.query.order {
            "email" => position(&user.verified_email().map(Email::key).unwrap_or_default(), user.name.as_str()),
            "display_name" => position(&participation::display_key(user), user.name.as_str()),
            "create_time" => position(&listing::time_text(user.create_time), user.name.as_str()),
            _ => user.name.to_string(),
        }
    }
}

#[derive(FromQueryResult)]
struct Organization {
    organization: String,
}

/// The organizations in which a user has anything: a membership, a binding, a place in a group, a pending invitation.
pub(crate) async fn organizations_of(db: &impl ConnectionTrait, user: &UserName) -> Result<BTreeSet<NodeName>, StoreError> {
    let sql = "SELECT organization FROM member WHERE member_user = $1
        UNION SELECT organization FROM role_binding WHERE principal = $1
        UNION SELECT organization FROM group_member WHERE member = $1
        UNION SELECT organization FROM invitation WHERE state = 'pending'
          AND email_key = (SELECT email_key FROM directory_user WHERE name = $1)";
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [user.as_str().into()]);
    let rows = Organization::find_by_statement(statement).all(db).await?;
    rows.into_iter().map(|row| stored(NodeName::parse(&row.organization)).map_err(Into::into)).collect()
}

/// What a user has in each of these organizations.
pub(crate) async fn holdings(db: &impl ConnectionTrait, user: &UserName) -> Result<BTreeMap<NodeName, Holdings>, StoreError> {
    let mut holdings = BTreeMap::new();
    for organization in organizations_of(db, user).await? {
        let held = member::held_in(db, &organization, user).await?;
        holdings.insert(organization, held);
    }
    Ok(holdings)
}

pub(super) fn row(user: &User) -> ActiveModel {
    let model = Model {
        name: user.name.to_string(),
        kind: stored_kind(user.kind),
        email: user.email.as_ref().map(|email| email.as_str().to_owned()),
        email_key: user.verified_email().map(Email::key),
        display_name: user.display_name.clone(),
        display_key: participation::display_key(user),
        suspended: user.suspended,
        deleted: user.deleted,
        managed_by: user.managed_by.as_ref().map(ToString::to_string),
        create_time: user.create_time,
        update_time: user.update_time,
        version: user.version,
    };
    model.into_active_model().reset_all()
}

pub(super) fn read(row: Model) -> Result<User, DbErr> {
    Ok(User {
        name: stored(UserName::parse(&row.name))?,
        kind: match row.kind {
            StoredKind::Person => UserKind::Person,
            StoredKind::ServiceAccount => UserKind::ServiceAccount,
        },
        email: row.email.map(|email| Email::parse(&email).ok_or_else(|| unreadable("an e-mail address"))).transpose()?,
        display_name: row.display_name,
        suspended: row.suspended,
        deleted: row.deleted,
        managed_by: row.managed_by.map(|home| stored(NodeName::parse(&home))).transpose()?,
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
