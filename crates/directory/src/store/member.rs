//! Memberships in the database.

use decision::{
    name::{MemberName, NodeName, Principal, UserName},
    record::GroupMember,
};
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, NotSet, QueryFilter, Select};
use service::filter::{Query, position};

use crate::{
    member::{Holdings, Member},
    store::{
        entity::member::{ActiveModel, Column, Entity, Model},
        group, listing,
        participation::{self, Facet},
        read::{stored, unreadable},
        role_binding,
        statement::execute,
    },
};

/// Which members to list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemberFilter {
    pub(crate) organization: NodeName,
    pub(crate) suspended: Option<bool>,
    pub(crate) query: Query,
}

pub(crate) async fn find(db: &impl ConnectionTrait, name: &MemberName) -> Result<Option<Member>, StoreError> {
    Entity::find_by_id(name.as_str()).one(db).await?.map(read).transpose().map_err(Into::into)
}

/// Those of some memberships that are there.
pub(crate) async fn find_all<'n>(
    db: &impl ConnectionTrait,
    names: impl Iterator<Item = &'n MemberName>,
) -> Result<Vec<Member>, StoreError> {
    let rows = Entity::find().filter(Column::Name.is_in(names.map(MemberName::as_str))).all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// What a member has in the organization of the membership.
pub(crate) async fn holdings(db: &impl ConnectionTrait, name: &MemberName, user: &UserName) -> Result<Holdings, StoreError> {
    held_in(db, &name.organization(), user).await
}

/// What a user has in an organization, member or not.
pub(crate) async fn held_in(db: &impl ConnectionTrait, organization: &NodeName, user: &UserName) -> Result<Holdings, StoreError> {
    let bindings = role_binding::of_principal_in(db, &Principal::User(user.clone()), organization).await?;
    let groups = group::edges_of(db, &GroupMember::User(user.clone()), organization).await?;
    Ok(Holdings { bindings, groups })
}

// With the keys by which the user stands in lists: the members of an organization are listed in their order, too.
const INSERT: &str =
    "INSERT INTO member(name, organization, member_user, suspended, create_time, update_time, version, display_key, email_key)
SELECT $1, $2, $3, $4, $5, $6, $7, display_key, COALESCE(email_key, '') FROM directory_user WHERE name = $3";

pub(crate) async fn insert(db: &impl ConnectionTrait, member: &Member) -> Result<(), StoreError> {
    let values = [
        member.name.as_str().into(),
        member.name.organization().as_str().into(),
        member.user.as_str().into(),
        member.suspended.into(),
        member.create_time.into(),
        member.update_time.into(),
        member.version.into(),
    ];
    if execute(db, INSERT, values).await? != 1 {
        return Err(unreadable("the user of a new member").into());
    }
    participation::joined(db, &member.name.organization(), &member.user, facet_of(member), member.update_time).await
}

pub(crate) async fn update(db: &impl ConnectionTrait, member: &Member) -> Result<(), StoreError> {
    Entity::update(row(member)).exec(db).await?;
    participation::restate(db, &member.name.organization(), &member.user, facet_of(member), member.update_time).await
}

/// Deletes the row. The name is not retired: who was removed may join again, under the one name that they can have.
pub(crate) async fn delete(db: &impl ConnectionTrait, name: &MemberName) -> Result<(), StoreError> {
    Entity::delete_by_id(name.as_str()).exec(db).await?;
    participation::refresh(db, &name.organization(), &[format!("users/{}", name.id())]).await
}

fn facet_of(member: &Member) -> Facet {
    if member.suspended { Facet::Suspended } else { Facet::Active }
}

/// What users are called has changed for this one.
pub(super) async fn rename(db: &impl ConnectionTrait, user: &UserName, display_key: &str, email_key: &str) -> Result<(), StoreError> {
    let sql = "UPDATE member SET display_key = $2, email_key = $3 WHERE member_user = $1 AND (display_key <> $2 OR email_key <> $3)";
    let values = [user.as_str().into(), display_key.into(), email_key.into()];
    execute(db, sql, values).await?;
    Ok(())
}

/// Which of the columns a filter's fields are.
const KEYS: [(&str, Column); 3] = [("create_time", Column::CreateTime), ("display_name", Column::DisplayKey), ("email", Column::EmailKey)];

/// The next so many of a list after a position, each with its own.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &MemberFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<(Member, String)>, StoreError> {
    let rows = page_of(filter, after, limit)?.all(db).await?;
    let placed = |row: Model| {
        let position = match filter.query.order {
            "create_time" => position(&listing::time_text(row.create_time), &row.name),
            "display_name" => position(&row.display_key, &row.name),
            "email" => position(&row.email_key, &row.name),
            _ => row.name.clone(),
        };
        Ok((read(row)?, position))
    };
    rows.into_iter().map(placed).collect()
}

/// Their query.
pub(crate) fn page_of(filter: &MemberFilter, after: Option<&str>, limit: u64) -> Result<Select<Entity>, DbErr> {
    let mut rows = Entity::find().filter(Column::Organization.eq(filter.organization.as_str()));
    if let Some(suspended) = filter.suspended {
        rows = rows.filter(Column::Suspended.eq(suspended));
    }
    listing::page(rows, &filter.query, Column::Name, &KEYS, after, limit)
}

/// Its row, without the keys by which its user stands in lists: those are the user's.
pub(super) fn row(member: &Member) -> ActiveModel {
    let model = Model {
        display_key: String::new(),
        email_key: String::new(),
        name: member.name.to_string(),
        organization: member.name.organization().to_string(),
        user: member.user.to_string(),
        suspended: member.suspended,
        create_time: member.create_time,
        update_time: member.update_time,
        version: member.version,
    };
    ActiveModel { display_key: NotSet, email_key: NotSet, ..model.into_active_model().reset_all() }
}

/// Members out of their rows.
pub(super) fn read_all(rows: Vec<Model>) -> Result<Vec<Member>, StoreError> {
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(super) fn read(row: Model) -> Result<Member, DbErr> {
    Ok(Member {
        name: stored(MemberName::parse(&row.name))?,
        user: stored(UserName::parse(&row.user))?,
        suspended: row.suspended,
        create_time: row.create_time,
        update_time: row.update_time,
        version: row.version,
    })
}
