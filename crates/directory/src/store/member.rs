//! Memberships in the database.

use decision::{
    name::{MemberName, NodeName, Principal, UserName},
    record::GroupMember,
};
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    member::{Holdings, Member},
    store::{
        entity::member::{ActiveModel, Column, Entity, Model},
        group,
        read::stored,
        role_binding,
    },
};

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

pub(crate) async fn insert(db: &impl ConnectionTrait, member: &Member) -> Result<(), StoreError> {
    Entity::insert(row(member)).exec_without_returning(db).await?;
    Ok(())
}

pub(crate) async fn update(db: &impl ConnectionTrait, member: &Member) -> Result<(), StoreError> {
    Entity::update(row(member)).exec(db).await?;
    Ok(())
}

/// Deletes the row. The name is not retired: who was removed may join again, under the one name that they can have.
pub(crate) async fn delete(db: &impl ConnectionTrait, name: &MemberName) -> Result<(), StoreError> {
    Entity::delete_by_id(name.as_str()).exec(db).await?;
    Ok(())
}

/// The next so many of an organization after a name.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Member>, StoreError> {
    let mut query = Entity::find().filter(Column::Organization.eq(organization.as_str())).order_by_asc(Column::Name).limit(limit);
    if let Some(name) = after {
        query = query.filter(Column::Name.gt(name));
    }
    query.all(db).await?.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

pub(super) fn row(member: &Member) -> ActiveModel {
    let model = Model {
        name: member.name.to_string(),
        organization: member.name.organization().to_string(),
        user: member.user.to_string(),
        suspended: member.suspended,
        create_time: member.create_time,
        update_time: member.update_time,
        version: member.version,
    };
    model.into_active_model().reset_all()
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
