//! Memberships in the database.

use decision::{
    name::{MemberName, NodeName, Principal, UserName},
    record::GroupMember,
};
use ledger::StoreError;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, Select};
use service::filter::{Query, position, read_position};

use crate::{
    member::{Holdings, Member},
    store::{
        entity::member::{ActiveModel, Column, Entity, Model},
        group, listing,
        participation::{self, Entry, Facet, Key, Roster},
        read::{stored, unreadable},
        role_binding,
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

pub(crate) async fn insert(db: &impl ConnectionTrait, member: &Member) -> Result<(), StoreError> {
    Entity::insert(row(member)).exec_without_returning(db).await?;
    participation::joined(db, &member.name.organization(), &member.user, facet_of(member)).await
}

pub(crate) async fn update(db: &impl ConnectionTrait, member: &Member) -> Result<(), StoreError> {
    Entity::update(row(member)).exec(db).await?;
    participation::restate(db, &member.name.organization(), &member.user, facet_of(member)).await
}

/// Deletes the row. The name is not retired: who was removed may join again, under the one name that they can have.
pub(crate) async fn delete(db: &impl ConnectionTrait, name: &MemberName) -> Result<(), StoreError> {
    Entity::delete_by_id(name.as_str()).exec(db).await?;
    participation::refresh(db, &name.organization(), &[format!("users/{}", name.id())]).await
}

fn facet_of(member: &Member) -> Facet {
    if member.suspended { Facet::Suspended } else { Facet::Active }
}

/// The next so many of a list after a position, each with its own.
pub(crate) async fn page(
    db: &impl ConnectionTrait,
    filter: &MemberFilter,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<(Member, String)>, StoreError> {
    let Some(roster) = filter.roster() else {
        let rows = page_of(filter, after, limit)?.all(db).await?;
        let placed = |member: Member| {
            let position = match filter.query.order {
                "create_time" => position(&listing::time_text(member.create_time), member.name.as_str()),
                _ => member.name.to_string(),
            };
            (member, position)
        };
        return rows.into_iter().map(|row| read(row).map(placed).map_err(Into::into)).collect();
    };
    // By what users are called: in the order of the roster, from which the members are then read.
    let after = after.map(|after| read_position(after).ok_or_else(|| unreadable("a position"))).transpose()?;
    let entries = roster.page(db, after, limit).await?;
    let users = entries.iter().map(|entry| UserName::parse(&entry.participant)).collect::<Result<Vec<_>, _>>();
    let members = of(db, &filter.organization, &stored(users)?).await?;
    let of = |entry: &Entry| {
        let member = members.iter().find(|member| member.user.as_str() == entry.participant)?;
        Some((member.clone(), position(&entry.sort_key, &entry.participant)))
    };
    Ok(entries.iter().filter_map(of).collect())
}

/// The query of a page that does not go by the roster.
pub(crate) fn page_of(filter: &MemberFilter, after: Option<&str>, limit: u64) -> Result<Select<Entity>, DbErr> {
    let mut rows = Entity::find().filter(Column::Organization.eq(filter.organization.as_str()));
    if let Some(suspended) = filter.suspended {
        rows = rows.filter(Column::Suspended.eq(suspended));
    }
    listing::page(rows, &filter.query, Column::Name, &[("create_time", Column::CreateTime)], after, limit)
}

/// Which of some users are members of an organization, in no particular order.
pub(crate) async fn of(db: &impl ConnectionTrait, organization: &NodeName, users: &[UserName]) -> Result<Vec<Member>, StoreError> {
    let rows = query_of(organization, users).all(db).await?;
    rows.into_iter().map(|row| read(row).map_err(Into::into)).collect()
}

/// Their query: by name, which is the row's.
pub(crate) fn query_of(organization: &NodeName, users: &[UserName]) -> Select<Entity> {
    Entity::find().filter(Column::Name.is_in(users.iter().map(|user| format!("{organization}/members/{}", user.id()))))
}

impl MemberFilter {
    /// The roster that the list goes by, if it is in the order of what users are called.
    pub(crate) fn roster(&self) -> Option<Roster> {
        let key = match self.query.order {
            "display_name" => Key::DisplayName,
            "email" => Key::Email,
            _ => return None,
        };
        let facets = match self.suspended {
            None => vec![Facet::Active, Facet::Suspended],
            Some(false) => vec![Facet::Active],
            Some(true) => vec![Facet::Suspended],
        };
        let streams = facets.into_iter().map(|facet| (self.organization.to_string(), facet.as_str().to_owned())).collect();
        Some(Roster { streams, key, bounds: self.query.bounds().cloned().collect(), descending: self.query.descending })
    }
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
